"""Statistics of observations over baseline episodes (``observations.json``): the reference of drift detection.

They are of each feature of the market row and the order row (`execution.features`), whatever the policy itself observes.
"""

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import PolicyError
from tercel.execution.features import FEATURES

OBSERVATIONS: Final = "observations.json"
# Quantiles that :class:`CalmObservations` keeps.
LEVELS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class StoredFeature:
    """Statistics of a feature in `observations.json`."""

    mean: float
    sd: float
    quantiles: list[float]


@dataclass(frozen=True)
class StoredObservations:
    """The file `observations.json`."""

    market: str
    command: str
    episodes: int
    decisions: int
    levels: tuple[float, ...]
    entries: dict[str, StoredFeature]


@dataclass(frozen=True, eq=False)
class CalmObservations:
    """Mean, standard deviation and quantiles of each feature over baseline episodes.

    Parameters
    ----------
    entries : tuple of str
        Names of the features (D).
    mean, sd : float64 (D,)
    quantiles : float64 (len(LEVELS), D)
    decisions, episodes : int
        Behind the figures; decisions of one episode are not independent.
    market, command : str
        Where, and what printed them.
    """

    entries: tuple[str, ...]
    mean: Floats
    sd: Floats
    quantiles: Floats
    decisions: int
    episodes: int
    market: str
    command: str

    @classmethod
    def of(
        cls, observations: Floats, episodes: int, market: str, command: str
    ) -> "CalmObservations":
        """Statistics over rows of `features_of`, float (n, D): mean, sample standard deviation, and quantiles (levels, D)."""
        values = np.asarray(observations, np.float64)
        quantiles = np.quantile(values, LEVELS, axis=0)
        return cls(
            FEATURES,
            values.mean(0),
            values.std(0, ddof=1),
            quantiles,
            len(values),
            episodes,
            market,
            command,
        )

    def to_json(self) -> str:
        """A JSON object that :func:`read_calm_observations` reads."""
        columns = self.mean.tolist(), self.sd.tolist(), self.quantiles.T.tolist()
        entries = zip(self.entries, map(StoredFeature, *columns), strict=True)
        plain = StoredObservations(
            self.market, self.command, self.episodes, self.decisions, LEVELS, dict(entries)
        )
        return json.dumps(asdict(plain), indent=1) + "\n"


def read_calm_observations(path: Path) -> CalmObservations:
    """Read the statistics in a file; PolicyError if it is missing, damaged, or of other features than these.

    Raises
    ------
    PolicyError
        When it is missing or none.
    """
    try:
        raw = msgspec.convert(json.loads(path.read_text()), StoredObservations)
        mean = np.array([feature.mean for feature in raw.entries.values()])
        sd = np.array([feature.sd for feature in raw.entries.values()])
        quantiles = np.array([feature.quantiles for feature in raw.entries.values()])
        if tuple(raw.entries) != FEATURES or not np.isfinite([mean, sd]).all() or (sd < 0).any():
            raise ValueError(f"not the {len(FEATURES)} features, each with a mean and a deviation")
        return CalmObservations(
            tuple(raw.entries),
            mean,
            sd,
            quantiles.T,
            raw.decisions,
            raw.episodes,
            raw.market,
            raw.command,
        )
    except (OSError, ValueError) as error:
        raise PolicyError(
            "figures of a policy's observations",
            f"{path}: {error}",
            how_to_observe(path.parent),
        ) from error


def how_to_observe(folder: Path) -> str:
    """Text of a shell command by which a user writes statistics of observations beside a policy's card; nothing is run."""
    name = json.dumps(str(folder), ensure_ascii=False)
    return shlex.join(
        ["python", "-c", f'import tercel; tercel.load_policy({name}).observe("MARKET")']
    )
