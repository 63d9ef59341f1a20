"""Ranks with ties, and Spearman's rank correlation."""

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if


# Ranks and rank correlation.
def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1 along the last axis, float64 of the same shape; ties share the mean rank, NaN stays NaN.

    >>> ranks([3.0, 1.0, 3.0]).tolist()
    [2.5, 1.0, 2.5]
    """
    from scipy.stats import rankdata

    array = np.asarray(values, np.float64)
    missing = np.isnan(array)
    # NaN rank last, as infinities do, and by a twentieth of the time that SciPy takes to omit them row by row
    rank = rankdata(np.where(missing, np.inf, array), axis=-1)
    shared = missing.sum(axis=-1, keepdims=True) / 2 * (array == np.inf)
    return np.asarray(np.where(missing, np.nan, rank - shared))


def spearman(first: ArrayLike, second: ArrayLike) -> Floats:
    """Spearman's rank correlation along the last axis (Spearman 1904); nan where either side is all equal.

    Parameters
    ----------
    first, second : float64 (..., K)
        K pairs; a pair with a value that is not finite is left out.

    Returns
    -------
    float64 (...)

    Raises
    ------
    ConfigError
        Other lengths.

    >>> float(spearman([1, 2, 3, 4], [10, 20, 40, 30]))
    0.8
    """
    a = np.asarray(first, np.float64)
    b = np.asarray(second, np.float64)
    refuse_if(
        a.shape[-1] != b.shape[-1],
        "two values for everything ranked",
        f"{a.shape[-1]} and {b.shape[-1]}",
        "pair them first",
    )
    paired = np.where(np.isfinite(a) & np.isfinite(b), 0.0, np.nan)
    return pearson(ranks(a + paired), ranks(b + paired))


def pearson(first: Floats, second: Floats) -> Floats:
    """Correlation along the last axis over pairs that are finite (..., K), float64 (...); nan where either side is all equal.

    >>> float(pearson(np.array([1.0, 2.0, np.nan, 3.0]), np.array([2.0, 4.0, 1.0, 6.0])))
    1.0
    """
    is_finite = np.isfinite(first) & np.isfinite(second)
    count = np.maximum(is_finite.sum(axis=-1, keepdims=True), 1)
    x, y = (
        np.where(
            is_finite, side - np.where(is_finite, side, 0.0).sum(-1, keepdims=True) / count, 0.0
        )
        for side in (first, second)
    )
    scale = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.asarray(
        np.divide(
            (x * y).sum(axis=-1), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0.0
        )
    )
