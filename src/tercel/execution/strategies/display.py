"""Compiled parts of the tuned rules: market readings, overdue lots by the clock, lots on show.

Every quantity is oriented by the order's side: above 0 says that the market moves against the order, so that waiting
costs. All of them are numbers without units, so that parameters mean the same in every market.
"""

import math

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.execution.grains import GRAINS, whole_grains
from tercel.execution.microstructure import imbalance

MOST = 30.0
"""Exponents are cut here: beyond it an amount is all, or nothing."""
ALL_LOTS = 2.0**30
"""More lots than any order has."""
FAINT = math.log(GRAINS)
"""A rung with less than the largest one's share over GRAINS shows nothing."""


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
    """Lots by which what is left exceeds ``exp(pace) Q u^exp(curve)``, u the share of decisions to go.

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
        Added to a rung for every rung that it stands further forward.
    cap : float
        Most lots shown on one rung.
    stay_front, stay_behind : float
        Share of the own lots at the touch and inside, and of those behind it and off the ladder, that stay where they
        stand whatever the shares say: they keep their place in the queue.
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
    inside = (m[c.FAR] - m[c.TOUCH]) * x[c.SIDE] > 1
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
            whole_grains(min(lots, most), x[c.REST0 + j], x[c.QTY0], min(most, budget // 4)), room
        )
        room -= lots
        out[it.REST0 + j] = lots
