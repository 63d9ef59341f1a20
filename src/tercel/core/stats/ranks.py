"""Ranks and rank correlation."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1 along the last axis, float64 of the same shape; ties share the mean of theirs, NaN come last.

    >>> ranks([3.0, 1.0, 3.0]).tolist()
    [2.5, 1.0, 2.5]
    """
    table = np.asarray(values, np.float64)
    order = np.argsort(table, axis=-1, kind="stable")
    ordered = np.take_along_axis(table, order, axis=-1)
    at = np.arange(table.shape[-1])
    fresh, ends = np.ones((2, *table.shape), np.bool_)
    fresh[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    ends[..., :-1] = fresh[..., 1:]
    first = np.maximum.accumulate(np.where(fresh, at, 0), axis=-1)
    last = np.minimum.accumulate(np.where(ends, at, len(at))[..., ::-1], axis=-1)[..., ::-1]
    result = np.empty(table.shape)
    np.put_along_axis(result, order, (first + last) / 2.0 + 1.0, axis=-1)
    return result


def spearman(first: ArrayLike, second: ArrayLike) -> Floats:
    """Spearman's rank correlation along the last axis (Spearman 1904); nan where either side is all equal.

    Parameters
    ----------
    first, second : float64 (..., K)
        K things of which both say an order; those of which one is not finite are left out.

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
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape[-1] != b.shape[-1]:
        raise ConfigError(
            "two values for everything ranked",
            f"{a.shape[-1]} and {b.shape[-1]}",
            "pair them first",
        )
    held = np.isfinite(a) & np.isfinite(b)
    x, y = (_centred_ranks(side, held) for side in (a, b))
    scale = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.asarray(
        np.divide(
            (x * y).sum(axis=-1), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0.0
        )
    )


def _centred_ranks(values: Floats, held: NDArray[np.bool_]) -> Floats:
    """Ranks among what is held, less their mean; 0 for the rest."""
    rank = np.where(held, ranks(np.where(held, values, np.nan)), 0.0)
    mean = rank.sum(axis=-1, keepdims=True) / np.maximum(held.sum(axis=-1, keepdims=True), 1)
    return np.where(held, rank - mean, 0.0)
