"""`AlphaTilt`: any strategy, leaning on a forecast.

What waiting is expected to cost is weighed as in `cartea_jaimungal` without inventory risk: at the displayed depth of d
lots a tick (k = tau / (2 d)) a total move of A ticks that fades at theta is worth

    A d (1 - (1 - exp(-theta T)) / (theta T))

lots more than planned at this decision, T to go. Against the order (waiting costs) they are taken now, from the lots
that rest last and from the lots held back; but lots that would have rested give up the spread by being taken, so only
what the move exceeds it by counts, in the proportion in which the strategy rests. In its favour (the market is expected
to come) as many lots are not taken, and lots wait further behind the touch, one tick for every `ticks_a_rung` of the
move.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.execution import intent as it
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss_alpha import alpha_ticks
from tercel.execution.strategies.cartea_jaimungal import speed_weight
from tercel.execution.strategy import Strategy, settle
from tercel.execution.view import View

Floats = NDArray[np.float64]


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
        The tilt of one decision is at most so many times the lots left per decision left.
    ticks_a_rung : float
        Expected move in the order's favour, ticks, for each rung that resting lots step back; inf: they stay.
    """

    inner: Strategy
    strength: float = 1.0
    most: float = 4.0
    ticks_a_rung: float = np.inf

    def __post_init__(self) -> None:
        """Refuse a tilt without bounds."""
        if not (0 <= self.strength < np.inf and 0 <= self.most < np.inf and self.ticks_a_rung > 0):
            received = f"{self.strength}, {self.most}, {self.ticks_a_rung}"
            raise ConfigError("strength >= 0, most >= 0 and ticks_a_rung > 0", received, "1, 4 and inf are usual")

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

    def _lots(self, plain: Intents, view: View) -> NDArray[np.int64]:
        """Lots to take more (or less, below 0) than the strategy takes."""
        theta = np.log(2.0) * 1e9 / np.maximum(view.half_life_ns, 1)
        rest_s = np.maximum(view.time_left_ns, 1) / 1e9
        ahead = alpha_ticks(view) * theta * speed_weight(0.0, 0.0, theta, rest_s)  # met on average by what waits
        take, resting = plain[:, it.TAKE], plain[:, it.REST0 :].sum(axis=1)
        share = resting / np.maximum(resting + take, 1)
        spread = np.abs(view.far - view.touch) * share
        felt = np.where(ahead > 0, np.maximum(ahead - spread, 0.0), ahead)
        bound = self.most * view.left / view.decisions_left
        lots = np.clip(self.strength * felt * view.far_depth.mean(axis=1), -bound, bound)
        return np.asarray(np.rint(lots), np.int64)

    def _step_back(self, intents: Intents, view: View) -> None:
        """Move the ladder away from the touch, in place, where the market is expected to come."""
        if np.isinf(self.ticks_a_rung):
            return
        rungs = np.clip(np.floor(-alpha_ticks(view) / self.ticks_a_rung), 0, it.K - 1).astype(np.int64)
        resting = intents[:, it.REST0 :].sum(axis=1) > 0
        back = np.where(resting, rungs, 0)
        for j in range(1, it.K):
            rows = np.flatnonzero(back == j)
            if len(rows):
                rest = intents[rows, it.REST0 :].copy()
                moved = np.zeros_like(rest)
                moved[:, j:] = rest[:, : it.K - j]
                moved[:, -1] += rest[:, it.K - j :].sum(axis=1)
                intents[rows[:, None], np.arange(it.REST0, it.WIDTH)] = moved
