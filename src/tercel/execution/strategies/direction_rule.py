"""`direction_rule`: wait out of sight while the market comes, take when it turns.

For markets in which somebody large is at work: the drift since arrival, on and on, with the flow of the last interval.
While the market moves in the order's favour nothing is shown; when it moves against it, a share of the displayed far
touch is taken at every decision; in between a little is shown at and behind the own touch.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution.actions.kernels import begin_row
from tercel.execution.strategies import vector as d
from tercel.execution.strategies.vector import Layout, RowRule

LAYOUT: Final = Layout(
    "direction_rule",
    {
        "w_since": 0.5,
        "w_drift": 0.5,
        "w_trades": 0.5,
        "w_flow": 0.5,
        "w_imbalance": 0.5,
        "wait": -1.5,  # below it the market comes: nothing is shown
        "gap": 1.0,  # log: from there to where taking begins
        "take": -2.0,  # log of the multiple of the displayed far touch
        "pace": 1.0,  # log of the multiple of TWAP's line
        "curve": 0.0,  # log of its exponent
        "improve": -9.0,
        "touch": 4.0,
        "behind_1": 5.0,
        "behind_2": -4.0,
        "behind_3": -6.0,
    },
    {"improve": 3.0, "touch": 2.0, "behind_1": 2.0, "behind_2": 2.0, "behind_3": 2.0},
)
"""Names, order and generic values of the parameters."""
NAMES: Final = LAYOUT.names

(
    W_SINCE,
    W_DRIFT,
    W_TRADES,
    W_FLOW,
    W_IMBALANCE,
    WAIT,
    GAP,
    TAKE,
    PACE,
    CURVE,
    IMPROVE,
    TOUCH,
    BEHIND_1,
    BEHIND_2,
    BEHIND_3,
) = range(len(NAMES))
DECAY = 0.5
"""Of the imbalance, a level."""


@kernel
def direction_of(p: Floats, x: Longs, m: Longs) -> float:
    """Direction of the market, above 0 against the order."""
    direction = p[W_SINCE] * d.drift_since(x, m) + p[W_DRIFT] * float(m[c.DRIFT]) / d.move_unit(m)
    direction += p[W_TRADES] * d.trade_imbalance(m) + p[W_FLOW] * d.flow_imbalance(m)
    return float(direction + p[W_IMBALANCE] * d.weighted_imbalance(m, DECAY))


@kernel
def direction_row(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
    """The rule for one market: p (P,), x (PX,), m (MX,), out (10,)."""
    if not begin_row(x, m, out):
        return
    direction = direction_of(p, x, m)
    lots = d.power(p[TAKE]) * m[c.FAR1] if direction > p[WAIT] + d.power(p[GAP]) else 0.0
    d.take(lots, p[PACE], p[CURVE], x, out)
    if direction >= p[WAIT]:
        d.show(p, IMPROVE, 0.0, d.ALL_LOTS, 0.0, 0.0, x, m, out)


@kernel
def direction_rows(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
    """Intents of all markets: p (n, P) or (1, P), x (n, PX), m (n, MX), out int32 (n, 10)."""
    for i in range(x.shape[0]):
        direction_row(p[min(i, p.shape[0] - 1)], x[i], m[i], out[i])


@dataclass(frozen=True, eq=False)
class DirectionRule(RowRule):
    """Rule that hides while the market comes and takes when it turns.

    >>> from tercel.execution.probes import view_of
    >>> coming = view_of(left=90, own1=100, far1=500, v_against=50, drift=-4)
    >>> DirectionRule().decide(coming)[:, 5:].tolist()
    [[0, 0, 0, 0, 0]]
    """

    layout: ClassVar[Layout] = LAYOUT
    rows = staticmethod(direction_rows)
