"""What decisions showed while a policy was trained: the reference that a desk sets what it sees against.

It lies beside the card, as ``observations.json``: figures of each feature of the market row and the order row
(`execution.features`) over the decisions of calm episodes, whatever the policy itself observes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import PolicyError
from tercel.execution.features import FEATURES

OBSERVATIONS: Final = "observations.json"
LEVELS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles that :class:`CalmObservations` keeps."""


@dataclass(frozen=True, eq=False)
class CalmObservations:
    """Mean, standard deviation and quantiles of each feature over calm episodes.

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
        """Statistics of features float (n, D)."""
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
        """A JSON object that :func:`read_observed` reads."""
        plain = {
            "market": self.market,
            "command": self.command,
            "episodes": self.episodes,
            "decisions": self.decisions,
            "levels": list(LEVELS),
            "entries": {
                name: {"mean": mean, "sd": sd, "quantiles": q}
                for name, mean, sd, q in zip(
                    self.entries,
                    self.mean.tolist(),
                    self.sd.tolist(),
                    self.quantiles.T.tolist(),
                    strict=True,
                )
            },
        }
        return json.dumps(plain, indent=1) + "\n"


def read_observed(path: Path) -> CalmObservations:
    """The figures in a file.

    Raises
    ------
    PolicyError
        When it is missing or none.
    """
    try:
        raw = json.loads(path.read_text())
        entries = raw["entries"]
        columns = [
            [entry[key] for entry in entries.values()] for key in ("mean", "sd", "quantiles")
        ]
        mean, sd, quantiles = (np.array(column, np.float64) for column in columns)
        counts = int(raw["decisions"]), int(raw["episodes"])
        return CalmObservations(
            tuple(entries), mean, sd, quantiles.T, *counts, str(raw["market"]), str(raw["command"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(
            "figures of a policy's observations",
            f"{path}: {error}",
            f"python -c \"import tercel; tercel.load_policy('{path.parent}').observe('MARKET')\"",
        ) from error
