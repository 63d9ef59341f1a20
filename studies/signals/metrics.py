"""Accuracy, correlation, MCC, and any score with an interval over clusters."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core import DataError
from tercel.core.stats import Estimate


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's correlation, NaN where one side does not vary."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def accuracy(truth: ArrayLike, guess: ArrayLike) -> float:
    """Share that is right."""
    return float(np.mean(np.asarray(truth) == np.asarray(guess)))


def mcc(truth: ArrayLike, guess: ArrayLike) -> float:
    """Matthews' correlation of two binary labels; 0 when a side has one class."""
    value = correlation(np.asarray(truth) > 0, np.asarray(guess) > 0)
    return 0.0 if np.isnan(value) else value


def clustered(
    metric: Callable[[NDArray[np.generic], NDArray[np.generic]], float],
    truth: ArrayLike,
    guess: ArrayLike,
    labels: ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """A score with its bootstrap interval over clusters (days that move together), percentile method.

    Samples in which the metric is undefined (one class) are left out.
    """
    y, f = np.asarray(truth), np.asarray(guess)
    known, at = np.unique(np.asarray(labels), return_inverse=True)
    if len(known) < 2:
        return Estimate(metric(y, f), None, None)
    members = [np.flatnonzero(at == i) for i in range(len(known))]
    draws = []
    for _ in range(resamples):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(known), len(known))])
        try:
            draws.append(metric(y[rows], f[rows]))
        except DataError:
            continue
    kept = np.asarray(draws)
    kept = kept[np.isfinite(kept)]
    if len(kept) == 0:
        return Estimate(metric(y, f), None, None)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(metric(y, f), float(low), float(high))
