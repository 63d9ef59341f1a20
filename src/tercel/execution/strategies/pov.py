"""`pov`: a fixed percentage of the volume that others trade."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.core.errors import ConfigError
from tercel.execution.intent import Intents
from tercel.execution.strategies.estimates import MarketEstimates
from tercel.execution.strategies.schedule import take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View


@dataclass(frozen=True, eq=False)
class Pov(Strategy):
    """At every decision take what is missing to ``rate`` times the public volume seen since arrival.

    The rate is fixed at arrival, so that the order would be done on the expected volume: Q over it. Nothing
    is taken ahead of volume; what is not done at the horizon, the last interval's share at least, goes in the
    horizon order.

    Parameters
    ----------
    rate : float, optional
        Own lots per public lot, instead of Q over the expected volume.
    """

    estimates: MarketEstimates
    rate: float | None = None
    name: ClassVar[str] = "pov"

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate < np.inf:
            raise ConfigError("a rate above 0", f"{self.rate}", "0.1 is one own lot to ten public ones")

    def decide(self, view: View) -> Intents:
        """Catch up with the volume seen."""
        expected = max(self.estimates.expected_volume, 1.0)
        rate = view.qty0 / expected if self.rate is None else np.full(view.n, self.rate)
        target = np.floor(rate * view.v_seen + 0.5).astype(np.int64)
        return take_to(np.minimum(target, view.qty0), view)
