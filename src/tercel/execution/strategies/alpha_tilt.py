"""Strategies under guidance: `AlphaTilt` leans on a forecast, `PostureCap` keeps within a posture.

What waiting is expected to cost is weighed as in `cartea_jaimungal` without inventory risk: at the displayed depth of d
lots a tick (k = tau / (2 d)) a total move of A ticks that fades at theta is worth

    A d (1 - (1 - exp(-theta T)) / (theta T))

lots more than planned at this decision, T to go. Three rules, chosen in the default market on episodes that nothing
is judged on:

- Against the order (waiting costs) a strategy takes so many lots more, in the proportion in which it takes at all: lots
  that rest would give up more by crossing than a move of some ticks costs them, and do not.
- In its favour (the market is expected to come) it takes so many lots less, but never less than a tenth of what it
  planned: what is held back to the end has to be bought at once.
- In its favour lots that would rest step back, one rung for every `ticks_a_rung` of the move. They do not step forward
  against it: that cost more than it saved.

`PostureCap`: any strategy within what a posture allows; a pure function of the view, decision by decision.

In this order, at every decision of a market that is open:

1. Urgency is a floor on progress. With urgency u at least u / (1 - u) of the lots left per decision left are taken now:
   nothing at 0, the even pace of the rest of the order at 1/2, everything at 1. An order that this floor alone works
   shrinks as (time left)^(u / (1 - u)).
2. Styles. Lots that take where taking is not allowed rest instead at the best rung whose style is; lots on a rung
   inside the spread (IMPROVE), at or behind the touch (JOIN), or at or beyond the far touch (TAKE: it would cross)
   whose style is not allowed move to the first rung whose style is. Where there is no such rung they are held back. A
   spread of one tick has no inside.
3. Participation. Own lots, done and wanted, are at most p / (1 - p) of the public lots seen since arrival, so that the
   own share of all lots traded stays at or below p whatever fills; the deepest rungs go first, own orders off the
   ladder next, the take last. Before any volume was seen nothing is wanted. Lots on the way to the market count as
   done.

The cap binds urgency, and the horizon binds the cap: what is left then is forced, and costs what it costs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.execution.intent import Intents
from tercel.execution.strategies import tilt_kernels as kernels
from tercel.execution.strategy import Strategy, Wrapper
from tercel.execution.view import View


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
        if not fits:
            received = f"{self.strength}, {self.most}, {self.hold}, {self.ticks_a_rung}"
            raise ConfigError(
                "strength, most >= 0, hold in [0, 1], ticks_a_rung > 0",
                received,
                "1, 4, 0.9 and 1 are usual",
            )

    @cached_property
    def _terms(self) -> Floats:
        return np.array([self.strength, self.most, self.hold, self.ticks_a_rung], np.float64)

    @property
    def name(self) -> str:
        """Name of the inner strategy with +alpha."""
        return f"{self.inner.name}+alpha"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy with lots moved between now and later."""
        tilted = self.inner.decide(view).astype(np.int32, casting="same_kind")
        kernels.tilt_rows(
            np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), tilted, self._terms
        )
        return tilted


@dataclass(frozen=True)
class PostureCap(Wrapper):
    """`inner`'s intents within the posture of the view; exactly `inner`'s where the posture asks for nothing.

    >>> from tercel.execution import intent as it
    >>> from tercel.execution.strategies import build
    >>> from tercel.execution.probes import view_of
    >>> calm, hasty = PostureCap(build("submit_and_leave")), view_of(urgency=500_000)
    >>> calm.decide(view_of())[0, it.TAKE], calm.decide(hasty)[0, it.TAKE]
    (np.int32(0), np.int32(10))
    """

    inner: Strategy

    @property
    def name(self) -> str:
        """Name of the inner strategy with +posture."""
        return f"{self.inner.name}+posture"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy, capped."""
        capped = self.inner.decide(view).astype(np.int32, casting="same_kind")
        kernels.cap_rows(np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), capped)
        return capped
