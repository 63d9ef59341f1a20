"""Tail models on trial, with historical simulation, which takes the worst of the last days as they were."""

from dataclasses import dataclass

import numpy as np

from tercel.core import Floats
from tercel.signals.risk import (
    EwmaNormal,
    FilteredHistoricalSimulation,
    TailModel,
    check_tail_past,
    worst,
)


@dataclass(frozen=True)
class HistoricalSimulation:
    """The last `window` days as they were."""

    window: int = 1000

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"historical {self.window} d"

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, positive losses."""
        check_tail_past(returns, first, self.window, level)
        rows = [worst(returns[t - self.window : t], level) for t in range(first, len(returns))]
        table = -np.array(rows)
        return table[:, 0], table[:, 1]


def tail_models() -> tuple[TailModel, ...]:
    """Models on trial, the plain ones first."""
    return (
        HistoricalSimulation(250),
        HistoricalSimulation(1000),
        EwmaNormal(),
        FilteredHistoricalSimulation(asymmetric=False),
        FilteredHistoricalSimulation(),
    )
