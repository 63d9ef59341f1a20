"""How good chances of "up" are: AUC, and any score with an interval over clusters."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core import DataError
from tercel.core.stats import Estimate, ranks


def single_class(which: object, rows: int) -> DataError:
    """Error of a set that holds one class alone."""
    return DataError(
        "at least two classes",
        f"class {which} alone in {rows} rows",
        "use a longer span or another label",
    )


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Probability that a positive (truth > 0) scores above a negative, ties half.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75

    Raises
    ------
    DataError
        When there is a single class.
    """
    y = np.asarray(truth) > 0
    up, down = int(y.sum()), int((~y).sum())
    if up == 0 or down == 0:
        raise single_class(int(y[0]) if len(y) else 0, len(y))
    return float((ranks(score)[y].sum() - up * (up + 1) / 2) / (up * down))


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
