"""`guarded`: the rule and the guard that the shipped agents are made of, without their networks; `rest_and_take`: the
same for orders too large to rest.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.actions.guard import CatchUp
from tercel.execution.actions.kernels import keep_grains
from tercel.execution.intent import TAKE, Intents, View
from tercel.execution.strategies.baselines import MarketEstimates
from tercel.execution.strategies.timed import GAP_NS, between_slices
from tercel.execution.strategies.tunable import FOR_ANY_MARKET, TwapRepeg
from tercel.execution.strategy import Strategy, hold, settle

# -- guarded --------------------------------------------------------------------------------------

GUARD: Final = CatchUp(0.7, 0.5)
"""Thresholds of the shipped agents' guard."""
WAITING: Final = {"csco": 0.18, "ibm": 0.23, "amzn": 0.4, "goog": 0.06}
"""What an order that rests pays over half the spread (`View.waiting`) in the presets' markets; a test measures it."""


@dataclass(frozen=True)
class Guarded(Strategy):
    """`twap_repeg` with its generic numbers, moved in whole grains, behind a guard against late fills; on the clock of
    events.

    Parameters
    ----------
    base : Strategy
    guard : CatchUp, optional

    >>> from tercel.execution.probes import view_of
    >>> late = view_of(qty0=100, left=[80, 100], decision=59, decisions=60, far1=500)
    >>> Guarded().decide(late)[:, 0].tolist()
    [71, 91]
    """

    base: Strategy = field(default_factory=lambda: TwapRepeg(FOR_ANY_MARKET))
    guard: CatchUp | None = GUARD
    name: ClassVar[str] = "guarded"
    gap_ns: ClassVar[int] = GAP_NS

    def decide(self, view: View) -> Intents:
        """Intents of the rule, brought back to the schedule by taking where it is too late."""
        intents = self.base.decide(view)
        keep_grains(view.x, intents)
        return between_slices(
            intents if self.guard is None else self.guard.applied(intents, view), view
        )


@dataclass(frozen=True, eq=False)
class RestAndTake(Strategy):
    """`guarded`, and what is more than can rest is taken evenly, every ten seconds.

    Parameters
    ----------
    estimates : MarketEstimates
    most : float
        Share of the volume to come that may wait for it.

    >>> from tercel.execution.probes import view_of
    >>> large = view_of(qty0=1000, left=1000, far1=500, time_left_ns=100 * 10**9, horizon_ns=100 * 10**9)
    >>> RestAndTake(MarketEstimates(expected_volume=1000.0)).decide(large)[:, 0].tolist()
    [60]
    """

    name: ClassVar[str] = "rest_and_take"
    gap_ns: ClassVar[int] = NS_PER_SECOND
    estimates: MarketEstimates
    most: float = 0.4
    base: Strategy = field(default_factory=Guarded)

    def decide(self, view: View) -> Intents:
        """Intents of `guarded` at the schedule's decisions, what rests as it is between them, and an even take."""
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        intents[~view.on_schedule] = hold(view)[~view.on_schedule]
        passed = 1.0 - view.time_left_ns / np.maximum(view.horizon_ns, 1)
        may_wait = self.most * self.estimates.volume_left(passed)
        step = np.maximum(np.minimum(10 * self.gap_ns, view.horizon_ns / view.decisions), 1)
        steps = np.maximum(np.ceil(view.time_left_ns / step - 1e-9), 1)
        lots = np.floor(np.maximum(view.left - may_wait, 0.0) / steps + 0.5)
        intents[:, TAKE] = np.maximum(intents[:, TAKE], lots)
        return settle(intents, view)
