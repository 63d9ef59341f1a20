"""Rules that a kernel decides row by row: `score_rule` and `direction_rule`, and the compiled parts of both.

`score_rule`: take when the book leans against the order, else show a little at and behind the own touch.

The rule that took most of what reinforcement learning was published to gain over schedules in the market of Cheridito
and Weiss (2025, "Reinforcement learning for trade execution with market and limit orders"), grown to five rungs:

1. A score of what comes: imbalance of five levels, weighted exponentially, plus weights times the mid's drift, trade
   and order flow, and a forecast if available. Above 0: the market moves against the order.
2. Where score (and a large or near far touch) exceed a threshold, take up to `take` times the displayed far touch.
3. Never have more left than `pace` times the line of TWAP: what exceeds it is taken.
4. The remaining lots are spread over improve, touch, -1, -2, -3 and hiding, by softmax; the score, the spread and being
   late lean it forward or back, a cap limits the lots shown on a rung, and lots may keep their places.

With the right parameters it is `peg_behind`, `twap_take`, nearly `twap_passive` or `submit_and_leave`; `tercel agent
tune` finds better ones. Parameters live in an unconstrained space, one vector or one a market, so that a policy's
output may be added to them.

`direction_rule`: wait out of sight while the market comes, take when it turns.

For markets with a large trader: extrapolate the drift since arrival, with the flow of the last interval.
While the market moves in the order's favour nothing is shown; when it moves against it, a share of the displayed far
touch is taken at every decision; in between a little is shown at and behind the own touch.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c, intent as it
from tercel.execution.decoders import ROUNDING_PARTS, begin_row, rounded_lots
from tercel.execution.features import imbalance
from tercel.execution.intent import WIDTH, Intents, View
from tercel.execution.strategies.tunable import Layout, Tunable

# -- display --------------------------------------------------------------------------------------
# Compiled parts of the tuned rules: market readings, overdue lots by the clock, lots on show.
#
# Every quantity is oriented by the order's side: above 0 says that the market moves against the order, so that waiting
# costs. All of them are numbers without units, so that parameters mean the same in every market.

# Exponents are cut here: beyond it an amount is all, or nothing.
MOST = 30.0
# More lots than any order has.
ALL_LOTS = 2.0**30
# A rung with less than the largest one's share over ROUNDING_PARTS shows nothing.
FAINT = math.log(ROUNDING_PARTS)


@kernel
def power(value: float) -> float:
    """exp(value), never beyond what can be multiplied by lots."""
    return math.exp(min(max(value, -MOST), MOST))


@kernel
def share_of(value: float) -> float:
    """tanh above 0, nothing below: a share that an unconstrained number can set to exactly 0."""
    return math.tanh(value) if value > 0.0 else 0.0


@kernel
def weighted_imbalance(m: Longs, decay: float) -> float:
    """(own - far) / (own + far) with depth on the k-th occupied level weighted by exp(-decay k)."""
    own, far = 0.0, 0.0
    for level in range(c.LEVELS):
        weight = math.exp(-decay * level)
        own += weight * m[c.OWN1 + level]
        far += weight * m[c.FAR1 + level]
    return imbalance(own, far)


@kernel
def move_unit(m: Longs) -> float:
    """Half ticks that the mid moves in an interval: the root of its long-run realised variance, at least 1."""
    return math.sqrt(max(float(m[c.RV_LONG]), 1.0))


@kernel
def drift_since(x: Longs, m: Longs) -> float:
    """Mid since arrival, in units of what it moves in the intervals that have passed."""
    moved = float(x[c.SIDE] * (m[c.MID2] - m[c.ARRIVAL_MID2]))
    return moved / (move_unit(m) * math.sqrt(1.0 + float(x[c.DECISION])))


@kernel
def trade_imbalance(m: Longs) -> float:
    """Aggressor volume of the last interval, with and against the order's side, as an imbalance."""
    return imbalance(float(m[c.V_SAME]), float(m[c.V_AGAINST]))


@kernel
def flow_imbalance(m: Longs) -> float:
    """Order flow imbalance of the last interval over the depth displayed at both touches, between -1 and 1."""
    z = float(m[c.OFI]) / float(1 + m[c.OWN1] + m[c.FAR1])
    return z / (1.0 + abs(z))


@kernel
def mean_depth(m: Longs, first: int) -> float:
    """Mean lots of five occupied levels, at least 1."""
    total = 0.0
    for level in range(c.LEVELS):
        total += m[first + level]
    return max(total / c.LEVELS, 1.0)


@kernel
def overdue(x: Longs, pace: float, curve: float) -> int:
    """Lots by which the remaining lots exceed ``exp(pace) Q u^exp(curve)``, u the share of decisions to go.

    Pace 0 and curve 0 are the line of TWAP, a slice late: nothing at arrival, one slice left at the last decision.
    """
    to_go = float(max(x[c.DECISIONS] - x[c.DECISION], 1)) / float(max(x[c.DECISIONS], 1))
    allowed = power(pace) * float(x[c.QTY0]) * to_go ** power(curve)
    return int(max(x[c.LEFT] - math.ceil(min(allowed, 2.0**40) - 1e-9), 0))


@kernel
def take(lots: float, pace: float, curve: float, x: Longs, out: Packed) -> None:
    """Write a take of so many lots, or of the overdue ones if more; never more than is left."""
    out[it.TAKE] = min(max(int(min(lots, ALL_LOTS)), overdue(x, pace, curve)), max(x[c.LEFT], 0))


@kernel
def show(
    logits: Floats,
    first: int,
    lean: float,
    cap: float,
    stay_front: float,
    stay_behind: float,
    x: Longs,
    m: Longs,
    out: Packed,
) -> None:
    """Write the ladder of a row whose take is decided; lots on no rung are hidden.

    Parameters
    ----------
    logits : float64
        ``logits[first + j]`` of rung j (improve, touch, -1, -2, -3) against 0 for hiding: shares by softmax.
    lean : float
        Added to a rung for every rung that it is further forward.
    cap : float
        Most lots shown on one rung.
    stay_front, stay_behind : float
        Share of the own lots at the touch and inside, and of those behind it and off the ladder, that stay whatever the
        shares say: they keep their queue position.
    x, m, out
        Rows.
    """
    budget = max(x[c.LEFT], 0) - out[it.TAKE]
    if stay_behind > 0.5:  # all of them or none: an intent cannot name them one by one
        out[it.OUTSIDE] = it.KEEP
        budget = max(budget - x[c.OUTSIDE_LOTS], 0)
    free = budget
    for j in range(it.K):
        keep = stay_front if j <= it.AT_TOUCH else stay_behind
        lots = min(int(keep * max(x[c.REST0 + j], 0)), free)
        out[it.REST0 + j] = lots
        free -= lots
    # an improving rung is a take where the spread is one tick: its share goes to the touch
    inside = (m[c.FAR] - m[c.TOUCH]) * x[c.SIDE] > 1 + x[c.UNDERCUT]
    best = -(2.0**60)
    for j in range(it.K):
        best = max(best, logits[first + j] + lean * (2 - j))
    top = max(best, 0.0)
    total = math.exp(-top)
    for j in range(it.K):
        weight = logits[first + j] + lean * (2 - j)
        if weight > best - FAINT:
            total += math.exp(weight - top)
    spread, put, room = 0.0, 0, budget
    for j in range(it.K):
        weight = logits[first + j] + lean * (2 - j)
        if weight > best - FAINT:
            spread += math.exp(weight - top) / total
        lots = out[it.REST0 + j]
        if j != it.IMPROVE or inside:
            # rounded as running sums, so that shares that add up to one leave no lot behind
            upto = math.floor(spread * free + 0.5)
            lots += upto - put
            put = upto
        most = int(min(cap, ALL_LOTS))
        lots = min(
            rounded_lots(min(lots, most), x[c.REST0 + j], x[c.QTY0], min(most, budget // 4)), room
        )
        room -= lots
        out[it.REST0 + j] = lots


@dataclass(frozen=True, eq=False)
class RowRule(Tunable):
    """A rule that a kernel of all markets decides; see `score_rule` for one."""

    @staticmethod
    @abstractmethod
    def rows(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
        """The kernel: p (n, P) or (1, P), x (n, PX), m (n, MX), out int32 (n, 10)."""

    @classmethod
    def intents(cls, parameters: ArrayLike, x: Longs, m: Longs) -> Intents:
        """The rule's intents, int32 (n, 10).

        Parameters
        ----------
        parameters : float (P,) or (n, P)
            In the order of the layout: one vector, or one a market.
        x, m : int64 (n, PX), (n, MX)
            As in a View.

        Raises
        ------
        ConfigError
            Another number of parameters or of rows.
        """
        out = np.empty((len(x), WIDTH), np.int32)
        cls.rows(
            cls.layout.rows(parameters, len(x)),
            np.ascontiguousarray(x),
            np.ascontiguousarray(m),
            out,
        )
        return out

    def decide(self, view: View) -> Intents:
        """Intents of the kernel for every market, int32 (n, 10)."""
        return self.intents(self.vector, view.x, view.m)


# Names, order and generic values of the parameters.
SCORE: Final = Layout(
    "score_rule",
    {
        "decay": 0.0,  # log of the imbalance's decay a level
        "w_drift": 0.0,
        "w_trades": 0.0,
        "w_flow": 0.0,
        "w_since": 0.0,
        "w_alpha": 0.3,  # a tick of expected move counts as so much imbalance
        "w_far": 0.0,  # log of the far touch over the far side's mean level, in the gate alone
        "w_spread": -0.5,  # log of the spread in ticks, in the gate alone
        "threshold": 1.0,
        "ramp": -1.0,  # log: from the threshold to the whole take
        "take": -2.0,  # log of the multiple of the displayed far touch
        "pace": 1.0,  # log of the multiple of TWAP's line
        "curve": 0.0,  # log of its exponent
        "improve": -9.0,
        "touch": 4.0,
        "behind_1": 5.0,
        "behind_2": -4.0,
        "behind_3": -6.0,
        "lean_score": 0.0,
        "lean_spread": 0.0,
        "lean_late": 0.0,
        "cap": 6.0,  # log of the multiple of the own side's mean level
        "stay_front": 3.0,
        "stay_behind": 0.0,
    },
    {
        "w_alpha": 0.0,
        "improve": 3.0,
        "touch": 2.0,
        "behind_1": 2.0,
        "behind_2": 2.0,
        "behind_3": 2.0,
        "cap": 2.0,
    },
    (
        {
            "w_far": 0.5,
            "threshold": -1.0,
            "ramp": 0.0,
            "take": 0.5,
            "pace": 1.5,
            "touch": -2.0,
            "behind_1": -2.0,
            "behind_3": -4.0,
            "stay_front": 0.0,
        },
    ),
)

(
    DECAY,
    W_DRIFT,
    W_TRADES,
    W_FLOW,
    W_SINCE,
    W_ALPHA,
    W_FAR,
    W_SPREAD,
    THRESHOLD,
    RAMP,
    TAKE,
    PACE,
    CURVE,
    IMPROVE,
    TOUCH,
    BEHIND_1,
    BEHIND_2,
    BEHIND_3,
    LEAN_SCORE,
    LEAN_SPREAD,
    LEAN_LATE,
    CAP,
    STAY_FRONT,
    STAY_BEHIND,
) = range(len(SCORE.names))


@kernel
def score_of(p: Floats, x: Longs, m: Longs) -> float:
    """Score of the market, above 0 against the order."""
    score = weighted_imbalance(m, power(p[DECAY]))
    score += p[W_DRIFT] * float(m[c.DRIFT]) / move_unit(m)
    score += p[W_TRADES] * trade_imbalance(m) + p[W_FLOW] * flow_imbalance(m)
    score += p[W_SINCE] * drift_since(x, m)
    if x[c.HALF_LIFE_NS] > 0:
        score += (
            p[W_ALPHA] * float(x[c.ALPHA] * abs(m[c.MID2])) / 2e7
        )  # milli-bps of half a mid2: ticks
    return float(score)


@kernel
def score_row(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
    """The rule for one market: p (P,), x (PX,), m (MX,), out (10,)."""
    if not begin_row(x, m, out):
        return
    score = score_of(p, x, m)
    wide = math.log(max((m[c.FAR] - m[c.TOUCH]) * x[c.SIDE], 1) * 1.0)
    large = math.log((1.0 + m[c.FAR1]) / (1.0 + mean_depth(m, c.FAR1)))
    gate = (score + p[W_FAR] * large + p[W_SPREAD] * wide - p[THRESHOLD]) / power(p[RAMP])
    take(min(max(gate, 0.0), 1.0) * power(p[TAKE]) * m[c.FAR1], p[PACE], p[CURVE], x, out)
    late = max(x[c.LEFT], 0) / max(x[c.QTY0], 1) - max(x[c.DECISIONS] - x[c.DECISION], 1) / max(
        x[c.DECISIONS], 1
    )
    lean = p[LEAN_SCORE] * score + p[LEAN_SPREAD] * wide + p[LEAN_LATE] * late
    cap = power(p[CAP]) * mean_depth(m, c.OWN1)
    show(p, IMPROVE, lean, cap, share_of(p[STAY_FRONT]), share_of(p[STAY_BEHIND]), x, m, out)


@kernel
def score_rows(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
    """Intents of all markets: p (n, P) or (1, P), x (n, PX), m (n, MX), out int32 (n, 10)."""
    for i in range(x.shape[0]):
        score_row(p[min(i, p.shape[0] - 1)], x[i], m[i], out[i])


@dataclass(frozen=True, eq=False)
class ScoreRule(RowRule):
    """Rule that takes when the book leans against the order, else shows a little at and behind the touch.

    >>> from tercel.execution.observation import view_of
    >>> balanced = view_of(left=[90], own1=500, far1=500)
    >>> ScoreRule({"behind_1": 20.0}).decide(balanced)[:, 5:].tolist()
    [[0, 0, 90, 0, 0]]
    """

    layout: ClassVar[Layout] = SCORE
    rows = staticmethod(score_rows)


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
    """Direction of the market, above 0 against the order."""
    direction = p[D_W_SINCE] * drift_since(x, m) + p[D_W_DRIFT] * float(m[c.DRIFT]) / move_unit(m)
    direction += p[D_W_TRADES] * trade_imbalance(m) + p[D_W_FLOW] * flow_imbalance(m)
    return float(direction + p[D_W_IMBALANCE] * weighted_imbalance(m, D_DECAY))


@kernel
def direction_row(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
    """The rule for one market: p (P,), x (PX,), m (MX,), out (10,)."""
    if not begin_row(x, m, out):
        return
    direction = direction_of(p, x, m)
    lots = power(p[D_TAKE]) * m[c.FAR1] if direction > p[D_WAIT] + power(p[D_GAP]) else 0.0
    take(lots, p[D_PACE], p[D_CURVE], x, out)
    if direction >= p[D_WAIT]:
        show(p, D_IMPROVE, 0.0, ALL_LOTS, 0.0, 0.0, x, m, out)


@kernel
def direction_rows(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
    """Intents of all markets: p (n, P) or (1, P), x (n, PX), m (n, MX), out int32 (n, 10)."""
    for i in range(x.shape[0]):
        direction_row(p[min(i, p.shape[0] - 1)], x[i], m[i], out[i])


@dataclass(frozen=True, eq=False)
class DirectionRule(RowRule):
    """Rule that hides while the market comes and takes when it turns.

    >>> from tercel.execution.observation import view_of
    >>> coming = view_of(left=90, own1=100, far1=500, v_against=50, drift=-4)
    >>> DirectionRule().decide(coming)[:, 5:].tolist()
    [[0, 0, 0, 0, 0]]
    """

    layout: ClassVar[Layout] = DIRECTION
    rows = staticmethod(direction_rows)
