"""Written rules of the paper's tasks: its own two baselines, plain ones, and the two that are tuned.

Two rules with parameters, one kernel. With weights w, a score sums imbalance (1), the bid's drift since arrival, the
mid's last move, trade and limit-flow imbalance.

- **score rule**: below a threshold sell `take` times the displayed best bid; show capped shares of the order at the
  public ask, a tick deeper and a tick better, hide the rest.
- **direction rule**: with the market moving up (score above `up`) sell nothing and show other shares, or none; moving
  down sell as above; between the two sell `calm` times the displayed best bid and show.

Neither lets more be left than `pace` x the order a remaining decision. What is shown stands relative to the best ask of
*others*: an own order that is the best ask holds the market down, since bids come at distances from it. A learned
residual is added to what a rule wants: multiples of the displayed bid to sell, shares of the order to show at ask - 1,
ask, ask + 1, ask + 2.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from replications.cheridito_weiss import columns as c
from tercel.core import Floats, Packed, Singles, kernel
from tercel.execution import Intents, intent as it

ALONE: Final = 1 << 20
"""A step between rungs that leaves the ladder with its first alone."""
FAR_OFF: Final = 1 << 21
"""Ticks above the bid where nothing rests: a ladder that touches none of the own orders."""

# -- parameters of the tuned rules -------------------------------------------------------------------------------------
NAMES: Final = (
    "w_drift", "w_move", "w_trades", "w_limits", "down", "down_late", "take", "ask", "deeper", "cover", "pace",
    "improve", "up", "calm", "rise_ask", "rise_deeper",
)  # fmt: skip
(
    W_DRIFT,
    W_MOVE,
    W_TRADES,
    W_LIMITS,
    DOWN,
    DOWN_LATE,
    TAKE,
    SHOW,
    DEEPER,
    COVER,
    PACE,
    IMPROVE,
    UP,
    CALM,
    RISE_ASK,
    RISE_DEEPER,
) = range(16)
P: Final = len(NAMES)
SCORE: Final = 12
"""The first so many are the score rule's; without `up` and `calm` nothing is sold in between."""
NEVER: Final = 1e9

# -- a residual: float32 columns ---------------------------------------------------------------------------------------
R_TAKE: Final = 0
R_IMPROVE: Final = 1
R_ASK: Final = 2
R_DEEPER: Final = 3
R_DEEPEST: Final = 4
RESIDUAL: Final = 5
SHOWN_UNIT: Final = 0.25
"""A residual of 1 shows so much more of the order."""


@kernel
def score(p: Floats, c_: Floats) -> float:
    """What comes, above 0 upwards."""
    s = c_[c.PUBLIC_TILT] + p[W_DRIFT] * c_[c.BID_DRIFT] / 10.0 + p[W_MOVE] * c_[c.MOVE] / 2.0
    return float(s + p[W_TRADES] * c_[c.TRADES] + p[W_LIMITS] * c_[c.LIMITS])


@kernel
def whole(x: float, most: float) -> int:
    """x rounded, within 0 and `most`."""
    return int(min(max(x, 0.0), most) + 0.5)


@kernel
def decide_row(p: Floats, c_: Floats, z: Singles, out: Packed) -> None:
    """The rule with a residual `z` (5,) for one market; `out` (10,)."""
    left, order = c_[c.LEFT], c_[c.QUANTITY]
    s = score(p, c_)
    falls = s < p[DOWN] + p[DOWN_LATE] * c_[c.TIME]
    rises = not falls and s > p[UP]
    units = p[TAKE] if falls else (0.0 if rises else p[CALM])
    units = units * c_[c.BID_LOTS]
    decisions_left = round((1.0 - c_[c.TIME]) * 10.0)
    units = max(units, left - p[PACE] * order * decisions_left)
    take = whole(units + z[R_TAKE] * c_[c.BID_LOTS], left)
    shown = 0.0 if rises else (p[COVER] if falls else 1.0)
    at_ask, deeper = shown * p[SHOW], shown * p[DEEPER]
    if rises:
        at_ask, deeper = p[RISE_ASK], p[RISE_DEEPER]
    spread = int(c_[c.PUBLIC_ASK] - c_[c.BID])
    out[it.TAKE] = take
    out[it.TAKE_LIMIT] = -it.MARKET_LIMIT
    out[it.OUTSIDE] = it.CANCEL
    out[it.STEP] = 1
    first = 1 if spread > 1 else 0
    out[it.ANCHOR] = int(c_[c.PUBLIC_ASK]) - first
    room = left - take
    for j in range(it.K):
        out[it.REST0 + j] = 0
    for j in range(4):
        base = 0.0
        if j == 0:
            base = shown * max(p[IMPROVE], 0.0)
        elif j == 1:
            base = max(at_ask, 0.0)
        elif j == 2:
            base = max(deeper, 0.0)
        rung = j - 1 + first
        if rung < 0:
            continue
        lots = whole(order * (base + SHOWN_UNIT * z[R_IMPROVE + j]), room)
        out[it.REST0 + rung] = lots
        room -= lots


@kernel
def decide_rows(p: Floats, cs: Floats, zs: Singles, out: Packed) -> None:
    """Intents of all markets: p (n, 16) or (1, 16), cs (n, COLUMNS), zs (n, 5) or (1, 5), out int32 (n, 10)."""
    for i in range(cs.shape[0]):
        decide_row(p[min(i, p.shape[0] - 1)], cs[i], zs[min(i, zs.shape[0] - 1)], out[i])


@kernel
def allocate_rows(shares: Singles, cs: Floats, out: Packed) -> None:
    """Intents of shares of what is left at market, bid + 1, .. bid + 5, held back: shares (n, 7), as published."""
    for i in range(cs.shape[0]):
        left = cs[i, c.LEFT]
        room = left
        out[i, it.TAKE_LIMIT] = -it.MARKET_LIMIT
        out[i, it.OUTSIDE] = it.CANCEL
        out[i, it.STEP] = 1
        out[i, it.ANCHOR] = int(cs[i, c.BID]) + 1
        for j in range(1 + it.K):
            lots = min(float(np.rint(shares[i, j] * left)), room)
            room -= lots
            out[i, it.TAKE if j == 0 else it.REST0 + j - 1] = int(lots)


# -- rules as objects --------------------------------------------------------------------------------------------------


class Rule(Protocol):
    """Wants something of each market at a decision."""

    @property
    def name(self) -> str:
        """As shown in tables."""
        ...

    def decide(self, columns: Floats, step: int) -> Intents:
        """Intents int32 (n, 10) from the columns float64 (n, COLUMNS) of decision `step`."""
        ...


def leaving(columns: Floats) -> Intents:
    """Intents that leave all own orders where they are."""
    wanted = it.empty(len(columns))
    wanted[:, it.OUTSIDE], wanted[:, it.STEP] = it.KEEP, ALONE
    wanted[:, it.ANCHOR] = columns[:, c.BID] + FAR_OFF
    wanted[:, it.TAKE_LIMIT] = -it.MARKET_LIMIT
    return wanted


@dataclass(frozen=True)
class SubmitAndLeave:
    """All lots at the best ask (or deeper) at arrival, the rest at the horizon.

    Parameters
    ----------
    deeper : int
        Ticks above the best ask.
    """

    deeper: int = 0

    @property
    def name(self) -> str:
        """sl, sl+1, ..."""
        return f"sl+{self.deeper}" if self.deeper else "sl"

    def decide(self, columns: Floats, step: int) -> Intents:
        """The order goes out once."""
        wanted = leaving(columns)
        if step == 0:
            wanted[:, it.ANCHOR] = columns[:, c.ASK] + self.deeper
            wanted[:, it.REST0] = columns[:, c.LEFT]
        return wanted


@dataclass(frozen=True)
class PublishedTwap:
    """A tenth at the best ask, then every 15 s a tenth at bid + 1; never cancelled."""

    name: str = "twap"

    def decide(self, columns: Floats, step: int) -> Intents:
        """One slice more at its price."""
        wanted = leaving(columns)
        tenth = columns[:, c.QUANTITY] / 10
        wanted[:, it.ANCHOR] = columns[:, c.ASK] if step == 0 else columns[:, c.BID] + 1
        stands = columns[:, c.OWN_ASK if step == 0 else c.OWN_BID]
        wanted[:, it.REST0] = np.minimum(stands + tenth, columns[:, c.LEFT])
        return wanted


@dataclass(frozen=True)
class Crossing:
    """Takes: everything at arrival, or a slice at each of `slices` decisions."""

    slices: int = 1

    @property
    def name(self) -> str:
        """immediate or twap_take."""
        return "immediate" if self.slices == 1 else "twap_take"

    def decide(self, columns: Floats, step: int) -> Intents:
        """What is left over the decisions that are left."""
        wanted = leaving(columns)
        wanted[:, it.TAKE] = np.ceil(columns[:, c.LEFT] / max(self.slices - step, 1))
        return wanted


@dataclass(frozen=True, eq=False)
class Tuned:
    """The score rule or the direction rule with its parameters.

    Parameters
    ----------
    kind : str
        score_rule or direction_rule.
    vector : float64 (16,)
        In the order of `NAMES`.
    """

    kind: str
    vector: Floats

    @property
    def name(self) -> str:
        """As `kind`."""
        return self.kind

    def decide(self, columns: Floats, step: int) -> Intents:
        """As the module says."""
        out = np.empty((len(columns), it.WIDTH), np.int32)
        decide_rows(self.vector[None], columns, NOTHING, out)
        return out


NOTHING: Final = np.zeros((1, RESIDUAL), np.float32)

# w_drift, w_move, w_trades, w_limits, down, down_late, take, ask, deeper, cover, pace, improve, up, calm
START: Final = {
    "score_rule": np.array([0.0, 0.0, 0.1, 0.0, 0.15, 0.0, 0.75, 0.3, 0.15, 0.9, 0.3, 0.0]),
    "direction_rule": np.array(
        [1.0, 0.0, 0.3, 0.3, 0.0, 0.0, 0.8, 0.15, 0.1, 0.5, 0.5, 0.0, 0.2, 0.3, 0.0, 0.0]
    ),
}
"""Where tuning begins."""
SPREAD: Final = {
    "score_rule": np.array([0.5, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.12, 0.4, 0.15, 0.1]),
    "direction_rule": np.array(
        [1.0, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3, 0.2, 0.12, 0.4, 0.3, 0.1, 0.3, 0.3, 0.1, 0.1]
    ),
}
"""... and how widely it looks at first."""
