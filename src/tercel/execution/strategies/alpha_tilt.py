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
"""

from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.execution import intent as it
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss_alpha import alpha_ticks
from tercel.execution.strategies.cartea_jaimungal import speed_weight
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
