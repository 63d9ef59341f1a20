"""The interquartile mean over training seeds, with a stratified bootstrap interval.

Scores are a table, training seeds by tasks. The mean of the middle half of all its cells ignores one lucky or one
failed seed, and is less noisy than the median; the interval resamples seeds within each task, independently (Agarwal et
al. 2021, "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS: `rliable`).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import DataError
from tercel.core.estimate import Estimate

TRIM = 0.25


def trimmed_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the middle half of each row, float64 (B, m) -> (B,): the lowest and highest quarter, rounded down, go.

    >>> trimmed_mean(np.array([[0.0, 1.0, 2.0, 90.0]]))
    array([1.5])
    """
    cut = int(TRIM * scores.shape[1])
    ranked = np.sort(scores, axis=1)
    return np.asarray(ranked[:, cut : scores.shape[1] - cut].mean(axis=1))


def interquartile_mean(
    scores: ArrayLike, rng: np.random.Generator, *, resamples: int = 2000, level: float = 0.95
) -> Estimate:
    """IQM of scores, float (S,) or (S, T): training seeds by tasks; no interval with a single seed.

    Raises
    ------
    DataError
        An empty table, or a score that is no number.

    >>> interquartile_mean([0.0, 1.0, 2.0, 90.0], np.random.default_rng(0)).mean
    1.5
    """
    table = np.asarray(scores, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise DataError(
            "finite scores, seeds by tasks",
            f"a table of shape {table.shape}",
            "judge every seed alike",
        )
    seeds, tasks = table.shape
    point = float(trimmed_mean(table.reshape(1, -1))[0])
    if seeds == 1:
        return Estimate(point, None, None)
    taken = rng.integers(seeds, size=(resamples, seeds, tasks))
    draws = trimmed_mean(table[taken, np.arange(tasks)].reshape(resamples, -1))
    low, high = np.quantile(draws, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Estimate(point, float(min(low, point)), float(max(high, point)))
