"""Detection of distribution shift: a policy's observations at the desk against those of its training.

Every observation entry is standardised with the statistics beside the policy's card, and its mean over the last orders
is compared with the card's. Only orders that are over count: within one the time and the lots left run from one end of
their range to the other, so that the mean over a part of an order is far from the card's whatever the market does.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats

LAST_ORDERS: Final = 8
"""Last orders that are looked at."""
FAR_SD: Final = 1.5
"""Mean over them, in the card's standard deviations, beyond which an entry is far."""
FAR_ENTRIES: Final = 3
"""Entries that must be far for the agent to count as drifting."""
MIN_DECISIONS: Final = 40
"""Decisions before a shift is reported."""


class DriftDetector:
    """Tracks the means of a policy's observations and compares them with its card.

    Parameters
    ----------
    mean, sd : float64 (D,)
        Of each observation entry in training (`observations.json` beside the card).
    names : sequence of str
        Names of the entries.
    """

    def __init__(
        self, mean: NDArray[np.float64], sd: NDArray[np.float64], names: Sequence[str]
    ) -> None:
        self._mean = np.asarray(mean, np.float64)
        self._sd = np.maximum(np.asarray(sd, np.float64), 1e-6)
        self._names = tuple(names)
        self.reset()

    def reset(self) -> None:
        """Forget all observations, as when the policy begins to decide."""
        self._working: dict[str, tuple[Floats, int]] = {}
        self._ended: deque[tuple[Floats, int]] = deque(maxlen=LAST_ORDERS)

    def update(self, order: str, observation: NDArray[np.floating]) -> None:
        """Add one observation of an order, (D,); entries that are not finite count as far (10 deviations)."""
        scaled = np.clip((np.asarray(observation, np.float64) - self._mean) / self._sd, -10.0, 10.0)
        total, n_decisions = self._working.get(order, (np.zeros(len(self._names)), 0))
        self._working[order] = total + np.where(np.isnan(scaled), 10.0, scaled), n_decisions + 1

    def end_order(self, order: str) -> None:
        """Let the observations of an order that is over count in `means`; until then they are held apart."""
        if order in self._working:
            self._ended.append(self._working.pop(order))

    @property
    def means(self) -> Floats:
        """Mean of each entry over the last ended orders, in the card's sd, (D,); 0 if they have fewer than `MIN_DECISIONS`."""
        total_decisions = sum(n_decisions for _, n_decisions in self._ended)
        total = (
            np.zeros(len(self._names))
            if total_decisions < MIN_DECISIONS
            else np.sum([order_total for order_total, _ in self._ended], axis=0)
        )
        return np.asarray(total / max(total_decisions, 1), np.float64)

    @property
    def far(self) -> dict[str, float]:
        """Entries whose mean differs from the card's by more than `FAR_SD`: the signed difference in the card's sd, by name."""
        return {
            name: mean
            for name, mean in zip(self._names, self.means.tolist(), strict=True)
            if abs(mean) > FAR_SD
        }

    @property
    def score(self) -> float:
        """Root mean square of the means in the card's standard deviations: about 0 without a shift."""
        return float(np.sqrt(np.mean(self.means**2)))

    @property
    def drifting(self) -> bool:
        """Whether at least `FAR_ENTRIES` entries are far from the card."""
        return len(self.far) >= FAR_ENTRIES
