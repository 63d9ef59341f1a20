"""Detection of drift: whether a policy's observations still look like those it was trained on.

Every observation entry is standardised with the statistics beside the policy's card and watched by River's ADWIN
(Bifet & Gavalda 2007) for changes of its mean, and compared with the card's own mean: a stream that has settled far
from the card drifts, whether or not it changes now.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.extras import needed

DELTA: Final = 0.002
"""ADWIN's confidence."""
FAR_SD: Final = 1.5
"""Mean of the current window, in the card's standard deviations, beyond which an entry is far."""
FAR_ENTRIES: Final = 3
"""Entries that must be far for the agent to count as drifting."""
LEAST: Final = 40
"""Decisions before drift is reported."""


class DriftDetector:
    """Tracks running means of one policy's observations against its card.

    Parameters
    ----------
    mean, sd : float64 (D,)
        Of each observation entry in training (`observations.json` beside the card).
    names : sequence of str
        Names of the entries.
    """

    def __init__(self, mean: NDArray[np.float64], sd: NDArray[np.float64], names: Sequence[str]) -> None:
        if not (len(mean) == len(sd) == len(names)):
            raise ConfigError(f"{len(names)} means and deviations", f"{len(mean)} and {len(sd)}", "write the card anew")
        self._mean, self._sd = np.asarray(mean, np.float64), np.maximum(np.asarray(sd, np.float64), 1e-6)
        self._names = tuple(names)
        self.begin()

    def begin(self) -> None:
        """Forget what was seen: the policy begins to decide now."""
        self._windows: list[Any] = [_adwin(DELTA) for _ in self._names]
        self._seen = 0

    def update(self, observation: NDArray[np.floating]) -> None:
        """Add one observation, (D,); entries that are not finite count as far (clipped at 10 deviations)."""
        scaled = np.clip((np.asarray(observation, np.float64) - self._mean) / self._sd, -10.0, 10.0)
        for window, value in zip(self._windows, np.where(np.isnan(scaled), 10.0, scaled).tolist(), strict=True):
            window.update(value)
        self._seen += 1

    @property
    def far(self) -> dict[str, float]:
        """Entries whose running mean is far from the card's, in the card's standard deviations."""
        if self._seen < LEAST:
            return {}
        means = {name: float(window.estimation) for name, window in zip(self._names, self._windows, strict=True)}
        return {name: mean for name, mean in means.items() if abs(mean) > FAR_SD}

    @property
    def score(self) -> float:
        """Root mean square of the running means in the card's standard deviations: about 0 without drift."""
        if self._seen < LEAST:
            return 0.0
        return float(np.sqrt(np.mean([window.estimation**2 for window in self._windows])))

    @property
    def drifting(self) -> bool:
        """Whether enough entries are far from the card."""
        return len(self.far) >= FAR_ENTRIES


def _adwin(delta: float) -> Any:
    return needed("river.drift", "trade").ADWIN(delta=delta)
