"""Base of rules that a kernel decides row by row (`RowRule`), and compiled parts that they share: signals, takes, the ladder."""

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c, intent as it
from tercel.execution.decoder_kernels import ROUNDING_PARTS, round_rung_lots
from tercel.execution.features import imbalance
from tercel.execution.intent import WIDTH, Intents
from tercel.execution.strategies.tunable import Tunable
from tercel.execution.view import View

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
    """exp(value), the exponent cut to -30 and 30, so that lots can be multiplied by it."""
    return math.exp(min(max(value, -MOST), MOST))


@kernel
def share_of(value: float) -> float:
    """tanh(value) above 0, else 0: maps a parameter to a share from 0 to 1."""
    return math.tanh(value) if value > 0.0 else 0.0


@kernel
def weighted_imbalance(m: Longs, decay: float) -> float:
    """(own - far) / (own + far), with occupied level k (from 0) weighted by exp(-decay k); 0 for empty sides."""
    own_lots = 0.0
    far_lots = 0.0
    for level in range(c.LEVELS):
        weight = math.exp(-decay * level)
        own_lots += weight * m[c.OWN1 + level]
        far_lots += weight * m[c.FAR1 + level]
    return imbalance(own_lots, far_lots)


@kernel
def move_unit(m: Longs) -> float:
    """Usual move of the mid in an interval, half ticks: root of long-run realised variance, at least 1."""
    return math.sqrt(max(float(m[c.RV_LONG]), 1.0))


@kernel
def drift_since(x: Longs, m: Longs) -> float:
    """Move of the mid since arrival against the order, in units of its usual move over the intervals passed."""
    moved = float(x[c.SIDE] * (m[c.MID2] - m[c.ARRIVAL_MID2]))
    return moved / (move_unit(m) * math.sqrt(1.0 + float(x[c.DECISION])))


@kernel
def trade_imbalance(m: Longs) -> float:
    """(with - against) / (with + against) of aggressors' lots by the order's side, last interval; 0 without any."""
    return imbalance(float(m[c.V_SAME]), float(m[c.V_AGAINST]))


@kernel
def flow_imbalance(m: Longs) -> float:
    """Order flow imbalance z of the last interval over the depth at both touches, as z / (1 + abs(z))."""
    z = float(m[c.OFI]) / float(1 + m[c.OWN1] + m[c.FAR1])
    return z / (1.0 + abs(z))


@kernel
def mean_depth(m: Longs, first: int) -> float:
    """Mean lots of five occupied levels from column `first` on, at least 1."""
    total = 0.0
    for level in range(c.LEVELS):
        total += m[first + level]
    return max(total / c.LEVELS, 1.0)


@kernel
def overdue(x: Longs, pace: float, curve: float) -> int:
    """Lots by which the lots left exceed ``exp(pace) Q u^exp(curve)``, u the share of decisions left; at least 0.

    Pace 0 and curve 0 are the line of TWAP, a slice late: nothing at arrival, one slice left at the last decision.
    """
    to_go = float(max(x[c.DECISIONS] - x[c.DECISION], 1)) / float(max(x[c.DECISIONS], 1))
    allowed = power(pace) * float(x[c.QTY0]) * to_go ** power(curve)
    return int(max(x[c.LEFT] - math.ceil(min(allowed, 2.0**40) - 1e-9), 0))


@kernel
def write_take(lots: float, pace: float, curve: float, x: Longs, intent: Packed) -> None:
    """Write the larger of `lots` and the overdue lots as the intent's take, within the lots left."""
    intent[it.TAKE] = min(max(int(min(lots, ALL_LOTS)), overdue(x, pace, curve)), max(x[c.LEFT], 0))


@kernel
def write_ladder(
    logits: Floats,
    first: int,
    lean: float,
    cap: float,
    stay_front: float,
    stay_behind: float,
    x: Longs,
    m: Longs,
    intent: Packed,
) -> None:
    """Write the resting lots of a row after its take into `intent`, by softmax over rungs (`logits` from `first` on) and hiding.

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
    x, m, intent
        Rows.
    """
    budget = max(x[c.LEFT], 0) - intent[it.TAKE]
    if stay_behind > 0.5:  # all of them or none: an intent cannot name them one by one
        intent[it.OUTSIDE] = it.KEEP
        budget = max(budget - x[c.OUTSIDE_LOTS], 0)
    free = budget
    for j in range(it.K):
        keep = stay_front if j <= it.AT_TOUCH else stay_behind
        lots = min(int(keep * max(x[c.REST0 + j], 0)), free)
        intent[it.REST0 + j] = lots
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
    spread = 0.0
    put = 0
    room = budget
    for j in range(it.K):
        weight = logits[first + j] + lean * (2 - j)
        if weight > best - FAINT:
            spread += math.exp(weight - top) / total
        lots = intent[it.REST0 + j]
        if j != it.IMPROVE or inside:
            # rounded as running sums, so that shares that add up to one leave no lot behind
            upto = math.floor(spread * free + 0.5)
            lots += upto - put
            put = upto
        most = int(min(cap, ALL_LOTS))
        lots = min(
            round_rung_lots(min(lots, most), x[c.REST0 + j], x[c.QTY0], min(most, budget // 4)),
            room,
        )
        room -= lots
        intent[it.REST0 + j] = lots


@dataclass(frozen=True, eq=False)
class RowRule(Tunable):
    """Base of rules whose kernel decides row by row."""

    @staticmethod
    @abstractmethod
    def rows(p: Floats, x: Longs, m: Longs, intents: Packed) -> None:
        """Kernel of the rule: parameters p (n, P) or (1, P), x (n, PX), m (n, MX); it writes intents int32 (n, 10)."""

    @classmethod
    def intents(cls, parameters: ArrayLike, x: Longs, m: Longs) -> Intents:
        """Intents of the rule for parameters and integer rows, int32 (n, 10).

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
        rows = np.empty((len(x), WIDTH), np.int32)
        cls.rows(
            cls.layout.rows(parameters, len(x)),
            np.ascontiguousarray(x),
            np.ascontiguousarray(m),
            rows,
        )
        return rows

    def decide(self, view: View) -> Intents:
        """Intents of the kernel for every market, int32 (n, 10)."""
        return self.intents(self.vector, view.x, view.m)
