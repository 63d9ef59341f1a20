"""`score_rule`: take when the book leans against the order, else show a little at and behind the own touch.

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
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution.decoder_kernels import begin_row
from tercel.execution.strategies.row_rules import (
    RowRule,
    drift_since,
    flow_imbalance,
    mean_depth,
    move_unit,
    power,
    share_of,
    trade_imbalance,
    weighted_imbalance,
    write_ladder,
    write_take,
)
from tercel.execution.strategies.tunable import Layout

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
    """Score of the market for the parameters p; above 0: the mid is expected to move against the order."""
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
def score_row(p: Floats, x: Longs, m: Longs, intent: Packed) -> None:
    """Write the intent of one market into `intent` (10,), by parameters p (P,), x (PX,) and m (MX,); a hold if not tradable."""
    if not begin_row(x, m, intent):
        return
    score = score_of(p, x, m)
    wide = math.log(max((m[c.FAR] - m[c.TOUCH]) * x[c.SIDE], 1) * 1.0)
    large = math.log((1.0 + m[c.FAR1]) / (1.0 + mean_depth(m, c.FAR1)))
    gate = (score + p[W_FAR] * large + p[W_SPREAD] * wide - p[THRESHOLD]) / power(p[RAMP])
    write_take(min(max(gate, 0.0), 1.0) * power(p[TAKE]) * m[c.FAR1], p[PACE], p[CURVE], x, intent)
    late = max(x[c.LEFT], 0) / max(x[c.QTY0], 1) - max(x[c.DECISIONS] - x[c.DECISION], 1) / max(
        x[c.DECISIONS], 1
    )
    lean = p[LEAN_SCORE] * score + p[LEAN_SPREAD] * wide + p[LEAN_LATE] * late
    cap = power(p[CAP]) * mean_depth(m, c.OWN1)
    write_ladder(
        p, IMPROVE, lean, cap, share_of(p[STAY_FRONT]), share_of(p[STAY_BEHIND]), x, m, intent
    )


@kernel
def score_rows(p: Floats, x: Longs, m: Longs, intents: Packed) -> None:
    """Write the intents of all markets into `intents`, int32 (n, 10): p (n, P) or (1, P), x (n, PX), m (n, MX)."""
    for i in range(x.shape[0]):
        score_row(p[min(i, p.shape[0] - 1)], x[i], m[i], intents[i])


@dataclass(frozen=True, eq=False)
class ScoreRule(RowRule):
    """Rule that takes when the book leans against the order, else shows a little at and behind the touch.

    >>> from tercel.execution.probe_views import view_of
    >>> balanced = view_of(left=[90], own1=500, far1=500)
    >>> ScoreRule({"behind_1": 20.0}).decide(balanced)[:, 5:].tolist()
    [[0, 0, 90, 0, 0]]
    """

    layout: ClassVar[Layout] = SCORE
    rows = staticmethod(score_rows)
