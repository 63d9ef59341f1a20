"""`direction_rule`: rest nothing while the market moves in the order's favour, take when it turns.

For markets with a large trader: extrapolate the drift since arrival, with the flow of the last interval.
While the market moves in the order's favour nothing is shown; when it moves against it, a share of the displayed far
touch is taken at every decision; in between a little is shown at and behind the own touch.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution.decoder_kernels import begin_row
from tercel.execution.strategies.row_rules import (
    ALL_LOTS,
    RowRule,
    drift_since,
    flow_imbalance,
    move_unit,
    power,
    trade_imbalance,
    weighted_imbalance,
    write_ladder,
    write_take,
)
from tercel.execution.strategies.tunable import Layout

# Names, order and generic values of the parameters.
DIRECTION: Final = Layout(
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
(
    D_W_SINCE,
    D_W_DRIFT,
    D_W_TRADES,
    D_W_FLOW,
    D_W_IMBALANCE,
    D_WAIT,
    D_GAP,
    D_TAKE,
    D_PACE,
    D_CURVE,
    D_IMPROVE,
    D_TOUCH,
    D_BEHIND_1,
    D_BEHIND_2,
    D_BEHIND_3,
) = range(len(DIRECTION.names))
# Of the imbalance, a level.
D_DECAY = 0.5


@kernel
def direction_of(p: Floats, x: Longs, m: Longs) -> float:
    """Weighted sum, by parameters p, of the market's drift, trades, flow and imbalance; above 0: against the order."""
    direction = p[D_W_SINCE] * drift_since(x, m) + p[D_W_DRIFT] * float(m[c.DRIFT]) / move_unit(m)
    direction += p[D_W_TRADES] * trade_imbalance(m) + p[D_W_FLOW] * flow_imbalance(m)
    return float(direction + p[D_W_IMBALANCE] * weighted_imbalance(m, D_DECAY))


@kernel
def direction_row(p: Floats, x: Longs, m: Longs, intent: Packed) -> None:
    """Write the intent of one market into `intent` (10,), by parameters p (P,), x (PX,) and m (MX,); a hold if not tradable."""
    if not begin_row(x, m, intent):
        return
    direction = direction_of(p, x, m)
    lots = power(p[D_TAKE]) * m[c.FAR1] if direction > p[D_WAIT] + power(p[D_GAP]) else 0.0
    write_take(lots, p[D_PACE], p[D_CURVE], x, intent)
    if direction >= p[D_WAIT]:
        write_ladder(p, D_IMPROVE, 0.0, ALL_LOTS, 0.0, 0.0, x, m, intent)


@kernel
def direction_rows(p: Floats, x: Longs, m: Longs, intents: Packed) -> None:
    """Write the intents of all markets into `intents`, int32 (n, 10): p (n, P) or (1, P), x (n, PX), m (n, MX)."""
    for i in range(x.shape[0]):
        direction_row(p[min(i, p.shape[0] - 1)], x[i], m[i], intents[i])


@dataclass(frozen=True, eq=False)
class DirectionRule(RowRule):
    """Rule that rests nothing while the market moves in favour of the order, and takes when it turns.

    >>> from tercel.execution.probe_views import view_of
    >>> coming = view_of(left=90, own1=100, far1=500, v_against=50, drift=-4)
    >>> DirectionRule().decide(coming)[:, 5:].tolist()
    [[0, 0, 0, 0, 0]]
    """

    layout: ClassVar[Layout] = DIRECTION
    rows = staticmethod(direction_rows)
