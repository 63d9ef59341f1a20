"""Distribution shift: whether a policy's inputs still look like those it was trained on.

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
from tercel.core.errors import ConfigError

ORDERS: Final = 8
"""Last orders that are looked at."""
FAR_SD: Final = 1.5
"""Mean over them, in the card's standard deviations, beyond which an entry is far."""
FAR_ENTRIES: Final = 3
"""Entries that must be far for the agent to count as drifting."""
LEAST: Final = 40
"""Decisions before a shift is reported."""


class DriftDetector:
    """Tracks means of one policy's observations against its card.

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
        if not (len(mean) == len(sd) == len(names)):
            raise ConfigError(
                f"{len(names)} means and deviations",
                f"{len(mean)} and {len(sd)}",
                "write the card anew",
            )
        self._mean = np.asarray(mean, np.float64)
        self._sd = np.maximum(np.asarray(sd, np.float64), 1e-6)
        self._names = tuple(names)
        self.begin()

    def begin(self) -> None:
        """Forget what was seen: the policy begins to decide now."""
        self._working: dict[str, tuple[Floats, int]] = {}
        self._over: deque[tuple[Floats, int]] = deque(maxlen=ORDERS)

    def update(self, order: str, observation: NDArray[np.floating]) -> None:
        """Add one observation of an order, (D,); entries that are not finite count as far (10 deviations)."""
        scaled = np.clip((np.asarray(observation, np.float64) - self._mean) / self._sd, -10.0, 10.0)
        total, seen = self._working.get(order, (np.zeros(len(self._names)), 0))
        self._working[order] = total + np.where(np.isnan(scaled), 10.0, scaled), seen + 1

    def over(self, order: str) -> None:
        """An order is over: from now on its observations count."""
        if order in self._working:
            self._over.append(self._working.pop(order))

    @property
    def means(self) -> Floats:
        """Mean of each entry over the last orders, in the card's standard deviations, (D,); 0 before :data:`LEAST`."""
        seen = sum(many for _, many in self._over)
        total = (
            np.zeros(len(self._names))
            if seen < LEAST
            else np.sum([one for one, _ in self._over], axis=0)
        )
        return np.asarray(total / max(seen, 1), np.float64)

    @property
    def far(self) -> dict[str, float]:
        """Entries whose mean is far from the card's, in the card's standard deviations."""
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
        """Whether enough entries are far from the card."""
        return len(self.far) >= FAR_ENTRIES
