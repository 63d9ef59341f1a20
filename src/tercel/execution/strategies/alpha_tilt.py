"""`AlphaTilt`: any strategy, leaning on a forecast.

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

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.messages import ANY_STYLE, Style
from tercel.execution import intent as it
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss import alpha_ticks, speed_weight
from tercel.execution.strategy import Strategy, settle
from tercel.execution.view import View


@dataclass(frozen=True)
class AlphaTilt(Strategy):
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
        fits = 0 <= self.strength < np.inf and 0 <= self.most < np.inf and 0 <= self.hold <= 1 and self.ticks_a_rung > 0
        if not fits:
            received = f"{self.strength}, {self.most}, {self.hold}, {self.ticks_a_rung}"
            raise ConfigError(
                "strength, most >= 0, hold in [0, 1], ticks_a_rung > 0", received, "1, 4, 0.9 and 1 are usual"
            )

    @property
    def name(self) -> str:
        """The strategy's own, with +alpha."""
        return f"{self.inner.name}+alpha"

    def decide(self, view: View) -> Intents:
        """The strategy's intents with lots moved between now and later."""
        plain = self.inner.decide(view)
        known = (view.half_life_ns > 0) & (view.alpha_bps != 0) & view.tradable
        if not known.any():
            return plain
        tilted = plain.copy()
        lots = self._lots(plain, view)
        tilted[:, it.TAKE] = np.clip(plain[:, it.TAKE] + lots, 0, view.left)
        self._step_back(tilted, view)
        tilted = settle(tilted, view)
        return np.where(known[:, None], tilted, plain).astype(np.int32)

    def _lots(self, plain: Intents, view: View) -> Ints:
        """Lots to take more (or less, below 0) than the strategy takes."""
        theta = np.log(2.0) * 1e9 / np.maximum(view.half_life_ns, 1)
        rest_s = np.maximum(view.time_left_ns, 1) / 1e9
        ahead = alpha_ticks(view) * theta * speed_weight(0.0, 0.0, theta, rest_s)  # met on average by what waits
        take, resting = plain[:, it.TAKE].astype(np.int64), plain[:, it.REST0 :].sum(axis=1)
        taking = take / np.maximum(resting + take, 1)
        bound = self.most * view.left / view.decisions_left
        lots = self.strength * ahead * view.far_depth.mean(axis=1)
        lots = np.where(lots > 0, np.minimum(lots, bound) * taking, np.maximum(lots, -self.hold * take))
        return np.asarray(np.rint(lots), np.int64)

    def _step_back(self, intents: Intents, view: View) -> None:
        """Move the ladder away from the touch, in place, where the market is expected to come."""
        back = np.clip(np.floor(-alpha_ticks(view) / self.ticks_a_rung), 0, it.K - 1).astype(np.int64)
        rungs = np.minimum(np.arange(it.K) + back[:, None], it.K - 1)
        moved = np.zeros((view.n, it.K), np.int32)
        np.add.at(moved, (np.arange(view.n)[:, None], rungs), intents[:, it.REST0 :])
        intents[:, it.REST0 :] = moved


@dataclass(frozen=True)
class PostureCap(Strategy):
    """`inner`'s intents within the posture of the view; exactly `inner`'s where the posture asks for nothing.

    >>> from tercel.execution.strategies import build
    >>> from tercel.testing.strategy import view_of
    >>> calm, hasty = PostureCap(build("submit_and_leave")), view_of(urgency=500_000)
    >>> calm.decide(view_of())[0, it.TAKE], calm.decide(hasty)[0, it.TAKE]
    (np.int32(0), np.int32(10))
    """

    inner: Strategy

    @property
    def name(self) -> str:
        """The strategy's own, with +posture."""
        return f"{self.inner.name}+posture"

    def decide(self, view: View) -> Intents:
        """The strategy's intents, capped."""
        plain = self.inner.decide(view)
        bound = (view.urgency > 0) | (view.max_participation < 1) | (view.styles != int(ANY_STYLE))
        bound &= view.tradable
        if not bound.any():
            return plain
        capped = plain.copy()
        capped[:, it.TAKE] = np.maximum(plain[:, it.TAKE], pace(view))
        capped = it.clip(capped, view.left)
        keep_styles(capped, view)
        keep_participation(capped, view)
        capped = settle(capped, view)
        return np.where(bound[:, None], capped, plain).astype(np.int32)


def pace(view: View) -> Ints:
    """Lots that the view's urgency takes now at least: int64 (n,)."""
    u = view.urgency
    share = np.where(u < 1, u / np.where(u < 1, (1 - u) * view.decisions_left, 1.0), 1.0)
    return np.asarray(np.ceil(np.minimum(share, 1.0) * view.left - 1e-9), np.int64)


def keep_styles(intents: Intents, view: View) -> None:
    """Move lots whose style is not allowed to the best rung whose style is, in place."""
    style = _style_of_rungs(intents, view)
    allowed = (style & view.styles[:, None]) != 0
    target = np.argmax(allowed, axis=1)
    somewhere = allowed.any(axis=1)
    rest = intents[:, it.REST0 :].astype(np.int64)
    moved = np.where(allowed, 0, rest).sum(axis=1)
    no_take = (view.styles & int(Style.TAKE)) == 0
    moved += np.where(no_take, intents[:, it.TAKE], 0)
    intents[no_take, it.TAKE] = 0
    rest[~allowed] = 0
    rows = np.flatnonzero(somewhere)
    rest[rows, target[rows]] += moved[rows]
    intents[:, it.REST0 :] = rest
    # own orders off the ladder stand behind the touch, or inside the spread: kept where both are allowed
    resting = int(Style.JOIN | Style.IMPROVE)
    intents[(view.styles & resting) != resting, it.OUTSIDE] = it.CANCEL


def _style_of_rungs(intents: Intents, view: View) -> Ints:
    """What resting on each rung would be: int64 (n, K) of single `Style` bits."""
    step = np.maximum(intents[:, it.STEP], 1).astype(np.int64)
    price = intents[:, [it.ANCHOR]] - (view.side * step)[:, None] * np.arange(it.K)
    inside = (price - view.touch[:, None]) * view.side[:, None]
    crosses = (price - view.far[:, None]) * view.side[:, None] >= 0
    join_or_improve = np.where(inside > 0, int(Style.IMPROVE), int(Style.JOIN))
    return np.asarray(np.where(crosses, int(Style.TAKE), join_or_improve), np.int64)


def keep_participation(intents: Intents, view: View) -> None:
    """Cut lots beyond the participation cap, in place: deepest rungs, then orders off the ladder, then the take."""
    p = view.max_participation
    capped = p < 1
    allowed = np.floor(np.where(capped, p / np.where(capped, 1 - p, 1.0), 0.0) * view.v_seen + 1e-9).astype(np.int64)
    on_the_way = np.maximum(view.live - view.rest.sum(axis=1) - view.outside_lots, 0)
    room = np.where(capped, np.maximum(allowed - view.done - on_the_way, 0), view.left)
    resting = np.where(intents[:, it.OUTSIDE] == it.KEEP, view.outside_lots, 0)
    drop = capped & (resting > np.maximum(room - intents[:, it.TAKE], 0))
    intents[drop, it.OUTSIDE] = it.CANCEL
    it.clip(intents, np.maximum(room - np.where(drop, 0, resting), 0))
