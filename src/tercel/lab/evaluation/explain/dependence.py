"""Partial dependence (Friedman 2001, "Greedy function approximation", section 8.2): the mean action by one feature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.lab.evaluation.explain.observed import (
    ExplainableStrategy,
    ObservedDecisions,
    parts,
    rows_of,
)

POINTS: Final = 13
_LEVELS: Final = (0.02, 0.98)


@dataclass(frozen=True, eq=False)
class Dependence:
    """The mean shares of what is left that go to each of `seen.PARTS` while one feature is set to each value of a grid.

    Parameters
    ----------
    name : str
    grid : float64 (G,)
        Quantiles of what was seen, from 2 to 98 %.
    mean : float64 (G, 4)
        In the order of `seen.PARTS`.
    """

    name: str
    grid: Floats
    mean: Floats

    @property
    def swing(self) -> Floats:
        """Largest less smallest mean of each part, float64 (4,)."""
        return np.asarray(self.mean.max(axis=0) - self.mean.min(axis=0))


def partial_dependence(
    strategy: ExplainableStrategy, seen: ObservedDecisions, names: Sequence[str], column: int
) -> Dependence:
    """Set `column` to each value of a grid in all decisions, everything else as it was seen.

    Where features go together some of these decisions never happen; read it beside the importance.
    """
    grid = np.unique(
        np.quantile(seen.obs[:, column], np.linspace(*_LEVELS, POINTS)).astype(np.float32)
    )
    rows = np.tile(np.arange(len(seen)), len(grid))
    obs = seen.obs[rows]
    obs[:, column] = np.repeat(grid, len(seen))
    view = rows_of(seen.view, rows)
    all_ = parts(strategy.answer(obs, view), view)
    return Dependence(
        names[column], grid.astype(np.float64), all_.reshape(len(grid), len(seen), -1).mean(axis=1)
    )
