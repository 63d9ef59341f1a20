"""`guarded`: the rule and guard of the shipped agents without their networks; `rest_and_take`: the same for orders too
large to rest in full."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.catch_up import CatchUp
from tercel.execution.decoder_kernels import round_lots
from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategies.event_clock import GAP_NS, between_slices
from tercel.execution.strategies.market_estimates import MarketEstimates
from tercel.execution.strategies.resting_rules import FOR_ANY_MARKET, TwapRepeg
from tercel.execution.strategy import Strategy, finish_intents, hold
from tercel.execution.view import View

# Thresholds of the shipped agents' guard.
GUARD: Final = CatchUp(0.7, 0.5)
# What an order that rests pays over half the spread (`View.waiting`) in the presets' markets; a test measures it.
WAITING: Final = {"ibm": 0.32, "amzn": 0.45, "goog": 0.13}


@dataclass(frozen=True)
class Guarded(Strategy):
    """`twap_repeg` with generic parameters and whole grains, behind a guard that takes when late; on the event clock.

    Parameters
    ----------
    base : Strategy
    guard : CatchUp, optional

    >>> from tercel.execution.probe_views import view_of
    >>> late = view_of(qty0=100, left=[80, 100], decision=59, decisions=60, far1=500)
    >>> Guarded().decide(late)[:, 0].tolist()
    [71, 91]
    """

    base: Strategy = field(default_factory=lambda: TwapRepeg(FOR_ANY_MARKET))
    guard: CatchUp | None = GUARD
    name: ClassVar[str] = "guarded"
    gap_ns: ClassVar[int] = GAP_NS

    def decide(self, view: View) -> Intents:
        """Intents of the rule, with takes where the order is too far behind schedule."""
        intents = self.base.decide(view)
        round_lots(view.x, intents)
        return between_slices(
            intents if self.guard is None else self.guard.apply(intents, view), view
        )


@dataclass(frozen=True, eq=False)
class RestAndTake(Strategy):
    """`guarded`, and lots beyond those that can rest are taken evenly every ten seconds.

    Parameters
    ----------
    estimates : MarketEstimates
    most : float
        Share of the volume to come that may wait for it.

    >>> from tercel.execution.probe_views import view_of
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
        """Intents of `guarded` at scheduled decisions, a hold between them, and an even take of lots too many to rest."""
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        intents[~view.on_schedule] = hold(view)[~view.on_schedule]
        passed = 1.0 - view.time_left_ns / np.maximum(view.horizon_ns, 1)
        may_wait = self.most * self.estimates.volume_left(passed)
        step = np.maximum(np.minimum(10 * self.gap_ns, view.horizon_ns / view.decisions), 1)
        steps = np.maximum(np.ceil(view.time_left_ns / step - 1e-9), 1)
        lots = np.floor(np.maximum(view.left - may_wait, 0.0) / steps + 0.5)
        intents[:, TAKE] = np.maximum(intents[:, TAKE], lots)
        return finish_intents(intents, view)
