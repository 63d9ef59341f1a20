"""Strategies under guidance: `AlphaTilt` leans on a forecast, `PostureCap` keeps within a posture.

The expected cost of waiting is weighed as in `cartea_jaimungal` without inventory risk: at the displayed depth of d
lots a tick (k = tau / (2 d)) a total move of A ticks that fades at theta is worth

    A d (1 - (1 - exp(-theta T)) / (theta T))

lots more than planned at this decision, T to go. Three rules, chosen in the default market on episodes that nothing
is judged on:

- Against the order (waiting costs) a strategy takes so many lots more, in the proportion in which it takes at all: lots
  that rest would give up more by crossing than a move of some ticks costs them, and do not.
- In its favour (the market is expected to come) it takes so many lots less, but never less than a tenth of what it
  planned: lots held back to the end have to be bought at once.
- In its favour lots that would rest step back, one rung for every `ticks_a_rung` of the move. They do not step forward
  against it: that cost more than it saved.

`PostureCap`: any strategy within what a posture allows; a pure function of the view, decision by decision.

In this order, at every decision of a market that is open:

1. Urgency is a floor on progress. With urgency u at least u / (1 - u) of the lots left per decision left are taken now:
   nothing at 0, the even pace of the rest of the order at 1/2, everything at 1. An order that this floor alone works
   shrinks as (time left)^(u / (1 - u)).
2. Styles. Lots that take where taking is not allowed rest instead at the best rung whose style is; lots on a rung
   inside the spread (IMPROVE), at or behind the touch (JOIN), or at or beyond the far touch (TAKE: it would cross)
   whose style is not allowed move to the first rung whose style is. Without such a rung they are held back. A
   spread of one tick has no inside.
3. Participation. Own lots, done and wanted, are at most p / (1 - p) of the public lots seen since arrival, so that the
   own share of all lots traded stays at or below p whatever fills; the deepest rungs go first, own orders off the
   ladder next, the take last. Before any volume was seen nothing is wanted. Lots on the way to the market count as
   done.

The cap limits urgency; the horizon overrides the cap: the remaining lots are forced at any cost.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.messages import ANY_STYLE, Style
from tercel.execution import columns as c, intent as it
from tercel.execution.decoders import is_tradable
from tercel.execution.intent import Intents, View
from tercel.execution.strategy import Strategy, Wrapper

# -- tilt kernels ---------------------------------------------------------------------------------
# A row of an intent under a forecast and within a posture, compiled: see `alpha_tilt` for the rules.

BPS: Final = 1e4
ANY: Final = int(ANY_STYLE)
JOIN: Final = int(Style.JOIN)
IMPROVE: Final = int(Style.IMPROVE)
TAKING: Final = int(Style.TAKE)
LN2_NS: Final = math.log(2.0) * 1e9


@kernel
def clip_row(row: Packed, most: int) -> None:
    """One intent as `intent.clip` leaves it: no lots below 0, take and rungs together at most `most`."""
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
def _decisions_left(x: Longs) -> int:
    return int(max(x[c.DECISIONS] - x[c.DECISION], 1))


@kernel
def _extra_lots(x: Longs, m: Longs, row: Packed, ticks: float, terms: Floats) -> int:
    """Lots to take more (or less, below 0) than the strategy takes, a move of so many ticks against it expected."""
    theta = LN2_NS / max(x[c.HALF_LIFE_NS], 1)
    rest_s = max(x[c.TIME_LEFT_NS], 1) / 1e9
    ahead = (
        ticks * theta * (rest_s**2 * phi2(theta * rest_s) / rest_s)
    )  # met on average by what waits
    depth = 0
    for level in range(c.LEVELS):
        depth += m[c.FAR1 + level]
    lots: float = terms[0] * ahead * (depth / c.LEVELS)
    take = row[it.TAKE]
    less: float = -terms[2] * take
    if lots <= 0:
        return round(max(lots, less))
    resting = 0
    for rung in range(it.K):
        resting += row[it.REST0 + rung]
    bound: float = terms[1] * x[c.LEFT] / _decisions_left(x)
    taking: float = take / max(resting + take, 1)
    return round(min(lots, bound) * taking)


@kernel
def _step_back(row: Packed, ticks: float, ticks_a_rung: float) -> None:
    """Move the ladder away from the touch where the market is expected to come."""
    back = math.floor(min(max(-ticks / ticks_a_rung, 0.0), it.K - 1.0))
    for rung in range(it.K - 2, -1, -1):
        to = min(rung + back, it.K - 1)
        if to != rung:
            row[it.REST0 + to] += row[it.REST0 + rung]
            row[it.REST0 + rung] = 0


@kernel
def tilt_rows(x: Longs, m: Longs, intents: Packed, terms: Floats) -> None:
    """Tilt intents in place where something is forecast and the market is open.

    Parameters
    ----------
    x, m : int64 (n, PX), int64 (n, MX)
        Columns of the view.
    intents : int32 (n, WIDTH)
    terms : float64 (4,)
        strength, most, hold, ticks_a_rung of `AlphaTilt`.
    """
    for i in range(x.shape[0]):
        if x[i, c.HALF_LIFE_NS] <= 0 or x[i, c.ALPHA] == 0 or not is_tradable(m[i]):
            continue
        row, left = intents[i], x[i, c.LEFT]
        ticks = x[i, c.ALPHA] / 1000.0 * abs(m[i, c.MID2]) / 2 / BPS
        lots = _extra_lots(x[i], m[i], row, ticks, terms)
        row[it.TAKE] = min(max(row[it.TAKE] + lots, 0), left)
        _step_back(row, ticks, terms[3])
        clip_row(row, left)


@kernel
def pace(x: Longs) -> int:
    """Lots that the urgency of a row of the view takes now at least."""
    u = x[c.URGENCY] / 1e6
    share = u / ((1 - u) * _decisions_left(x)) if u < 1 else 1.0
    lots: float = min(share, 1.0) * x[c.LEFT] - 1e-9
    return math.ceil(lots)


@kernel
def _style_of(x: Longs, m: Longs, price: int) -> int:
    """Style of resting at a price, one bit of `Style`."""
    side = x[c.SIDE]
    if (price - m[c.FAR]) * side >= 0:
        return TAKING
    return IMPROVE if (price - m[c.TOUCH]) * side > x[c.UNDERCUT] else JOIN


@kernel
def _keep_styles(x: Longs, m: Longs, row: Packed) -> None:
    """Move lots whose style is not allowed to the best rung whose style is."""
    styles, step = x[c.STYLES], max(row[it.STEP], 1)
    target, moved = -1, 0
    for rung in range(it.K):
        if _style_of(x, m, row[it.ANCHOR] - x[c.SIDE] * step * rung) & styles:
            target = rung if target < 0 else target
        else:
            moved += row[it.REST0 + rung]
            row[it.REST0 + rung] = 0
    if styles & TAKING == 0:
        moved += row[it.TAKE]
        row[it.TAKE] = 0
    if target >= 0:
        row[it.REST0 + target] += moved
    if styles & (JOIN | IMPROVE) != JOIN | IMPROVE:
        # own orders off the ladder are behind the touch, or inside the spread: they stay where both are allowed
        row[it.OUTSIDE] = it.CANCEL


@kernel
def _keep_participation(x: Longs, m: Longs, row: Packed) -> None:
    """Cut lots beyond the participation cap: deepest rungs, then orders off the ladder, then the take."""
    p, left = x[c.MAX_PARTICIPATION] / 1e6, x[c.LEFT]
    on_the_way = x[c.LIVE] - x[c.OUTSIDE_LOTS]
    for rung in range(it.K):
        on_the_way -= x[c.REST0 + rung]
    room = left
    if p < 1:
        allowed = math.floor(p / (1 - p) * m[c.V_SEEN] + 1e-9)
        room = max(allowed - (x[c.QTY0] - left) - max(on_the_way, 0), 0)
    resting = x[c.OUTSIDE_LOTS] if row[it.OUTSIDE] == it.KEEP else 0
    if p < 1 and resting > max(room - row[it.TAKE], 0):
        row[it.OUTSIDE] = it.CANCEL
        resting = 0
    clip_row(row, room - resting)


@kernel
def cap_rows(x: Longs, m: Longs, intents: Packed) -> None:
    """Bring intents, int32 (n, WIDTH), within the posture of the view in place, where it asks and the market is open.

    `x` and `m` are the view's columns, int64 (n, PX) and (n, MX).
    """
    for i in range(x.shape[0]):
        free = (
            x[i, c.URGENCY] <= 0
            and x[i, c.MAX_PARTICIPATION] >= 1_000_000
            and x[i, c.STYLES] == ANY
        )
        if free or not is_tradable(m[i]):
            continue
        row, left = intents[i], x[i, c.LEFT]
        row[it.TAKE] = max(row[it.TAKE], pace(x[i]))
        clip_row(row, left)
        _keep_styles(x[i], m[i], row)
        _keep_participation(x[i], m[i], row)
        clip_row(row, left)


# -- alpha tilt -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AlphaTilt(Wrapper):
    """`inner`'s intents, tilted; exactly `inner`'s where nothing is forecast.

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
        """Refuse a tilt without bounds."""
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
    def _terms(self) -> Floats:
        return np.array([self.strength, self.most, self.hold, self.ticks_a_rung], np.float64)

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy with lots moved between now and later."""
        tilted = self.inner.decide(view).astype(np.int32, casting="same_kind")
        tilt_rows(np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), tilted, self._terms)
        return tilted


@dataclass(frozen=True)
class PostureCap(Wrapper):
    """`inner`'s intents within the posture of the view; exactly `inner`'s where the posture asks for nothing.

    >>> from tercel.execution import intent as it
    >>> from tercel.execution.strategies import build
    >>> from tercel.execution.observation import view_of
    >>> capped, urgent = PostureCap(build("submit_and_leave")), view_of(urgency=500_000)
    >>> capped.decide(view_of())[0, it.TAKE], capped.decide(urgent)[0, it.TAKE]
    (np.int32(0), np.int32(10))
    """

    suffix: ClassVar[str] = "+posture"
    inner: Strategy

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy, capped."""
        capped = self.inner.decide(view).astype(np.int32, casting="same_kind")
        cap_rows(np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), capped)
        return capped
