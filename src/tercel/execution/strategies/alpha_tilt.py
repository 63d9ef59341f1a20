"""`AlphaTilt`: any strategy whose lots are moved between now and later by a forecast of the mid.

The expected cost of waiting is weighed as in `cartea_jaimungal` without inventory risk: at the displayed depth of d
lots a tick (k = tau / (2 d)) a total move of A ticks that fades at theta is worth

    A d (1 - (1 - exp(-theta T)) / (theta T))

lots more than planned at this decision, T to go. Three rules, chosen in the default market on episodes that nothing
is judged on:

- Against the order (waiting costs) a strategy takes so many lots more, in the proportion in which it takes at all.
  Lots that rest are not made to cross: the spread costs more than a move of some ticks.
- In its favour (the market is expected to come) it takes so many lots less, but never less than a tenth of what it
  planned: lots held back to the end have to be bought at once.
- In its favour lots that would rest step back, one rung for every `ticks_a_rung` of the move. They do not step forward
  against it: that cost more than it saved.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.core.jit import Longs, Packed, kernel
from tercel.execution import columns as c, intent as it
from tercel.execution.decoder_kernels import is_tradable
from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy, Wrapper
from tercel.execution.view import View

# A row of an intent under a forecast and within a posture, compiled: see `alpha_tilt` for the rules.
BPS: Final = 1e4
LN2_NS: Final = math.log(2.0) * 1e9


@kernel
def clip_row(row: Packed, most: int) -> None:
    """Clip one intent row in place: no negative lots, take and rungs together at most `most`; the deepest rungs go first."""
    budget = max(most, 0)
    take = min(max(row[it.TAKE], 0), budget)
    row[it.TAKE] = take
    budget -= take
    for rung in range(it.K):
        lots = min(max(row[it.REST0 + rung], 0), budget)
        row[it.REST0 + rung] = lots
        budget -= lots


@kernel
def phi2(z: float) -> float:
    """(1 - phi(z)) / z with phi(z) = (1 - exp(-z)) / z, for z >= 0: 1/2 at 0."""
    if z < 1e-3:
        return 0.5 - z / 6 + z**2 / 24 - z**3 / 120 + z**4 / 720
    return (1 - -math.expm1(-z) / z) / z


@kernel
def decisions_left(x: Longs) -> int:
    """Decisions of a row `x` from this one on, at least 1."""
    return int(max(x[c.DECISIONS] - x[c.DECISION], 1))


@kernel
def _extra_lots(x: Longs, m: Longs, row: Packed, ticks: float, parameters: Floats) -> int:
    """Lots to take in addition (negative: fewer), for an expected move of `ticks` against the order; `parameters`: those of
    `tilt_rows`."""
    theta = LN2_NS / max(x[c.HALF_LIFE_NS], 1)
    rest_s = max(x[c.TIME_LEFT_NS], 1) / 1e9
    ahead = (
        ticks * theta * (rest_s**2 * phi2(theta * rest_s) / rest_s)
    )  # met on average by what waits
    depth = 0
    for level in range(c.LEVELS):
        depth += m[c.FAR1 + level]
    lots: float = parameters[0] * ahead * (depth / c.LEVELS)
    take = row[it.TAKE]
    less: float = -parameters[2] * take
    if lots <= 0:
        return round(max(lots, less))
    resting = 0
    for rung in range(it.K):
        resting += row[it.REST0 + rung]
    bound: float = parameters[1] * x[c.LEFT] / decisions_left(x)
    taking: float = take / max(resting + take, 1)
    return round(min(lots, bound) * taking)


@kernel
def _step_back(row: Packed, ticks: float, ticks_a_rung: float) -> None:
    """Move a row's rungs deeper, in place, one for every `ticks_a_rung` of a move expected in favour of the order (ticks < 0)."""
    back = math.floor(min(max(-ticks / ticks_a_rung, 0.0), it.K - 1.0))
    for rung in range(it.K - 2, -1, -1):
        to = min(rung + back, it.K - 1)
        if to != rung:
            row[it.REST0 + to] += row[it.REST0 + rung]
            row[it.REST0 + rung] = 0


@kernel
def tilt_rows(x: Longs, m: Longs, intents: Packed, parameters: Floats) -> None:
    """Tilt intents in place where there is a forecast and the market is tradable: fewer or more lots taken, rungs moved back.

    Parameters
    ----------
    x, m : int64 (n, PX), int64 (n, MX)
        Columns of the view.
    intents : int32 (n, WIDTH)
    parameters : float64 (4,)
        strength, most, hold, ticks_a_rung of `AlphaTilt`.
    """
    for i in range(x.shape[0]):
        if x[i, c.HALF_LIFE_NS] <= 0 or x[i, c.ALPHA] == 0 or not is_tradable(m[i]):
            continue
        row = intents[i]
        left = x[i, c.LEFT]
        ticks = x[i, c.ALPHA] / 1000.0 * abs(m[i, c.MID2]) / 2 / BPS
        lots = _extra_lots(x[i], m[i], row, ticks, parameters)
        row[it.TAKE] = min(max(row[it.TAKE] + lots, 0), left)
        _step_back(row, ticks, parameters[3])
        clip_row(row, left)


@dataclass(frozen=True)
class AlphaTilt(Wrapper):
    """Intents of an inner strategy, tilted by the forecast; unchanged without one.

    Parameters
    ----------
    inner : Strategy
        Anything.
    strength : float
        1: as the displayed depth says; above it where the book refills fast.
    most : float
        The extra take of one decision is at most so many times the lots left per decision left.
    hold : float
        Largest share of a planned take that is held back.
    ticks_a_rung : float
        Expected move in the order's favour, ticks, for each rung that resting lots step back; inf: they stay.
    """

    suffix: ClassVar[str] = "+alpha"
    inner: Strategy
    strength: float = 1.0
    most: float = 4.0
    hold: float = 0.9
    ticks_a_rung: float = 1.0

    def __post_init__(self) -> None:
        """Raise ConfigError for a parameter out of its range."""
        fits = (
            0 <= self.strength < np.inf
            and 0 <= self.most < np.inf
            and 0 <= self.hold <= 1
            and self.ticks_a_rung > 0
        )
        refuse_if(
            not fits,
            "strength, most >= 0, hold in [0, 1], ticks_a_rung > 0",
            f"{self.strength}, {self.most}, {self.hold}, {self.ticks_a_rung}",
            "1, 4, 0.9 and 1 are usual",
        )

    @cached_property
    def _parameters(self) -> Floats:
        """Parameters as an array for the kernel: strength, most, hold, ticks_a_rung."""
        return np.array([self.strength, self.most, self.hold, self.ticks_a_rung], np.float64)

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy with lots moved between now and later."""
        tilted = self.inner.decide(view).astype(np.int32, casting="same_kind")
        tilt_rows(
            np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), tilted, self._parameters
        )
        return tilted
