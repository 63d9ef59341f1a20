"""Rank correlation, and how well a ranking that rests on few clusters agrees with another one like it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import ConfigError

Floats = NDArray[np.float64]


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1 along the last axis, float64 of the same shape; what is equal shares the mean of its ranks.

    >>> ranks([3.0, 1.0, 3.0]).tolist()
    [2.5, 1.0, 2.5]
    """
    table = np.asarray(values, np.float64)
    below = (table[..., :, None] > table[..., None, :]).sum(axis=-1)
    equal = (table[..., :, None] == table[..., None, :]).sum(axis=-1)
    result: Floats = below + (equal + 1) / 2.0
    return result


def spearman(first: ArrayLike, second: ArrayLike) -> Floats:
    """Spearman's rank correlation along the last axis (Spearman 1904); nan where either side is all equal.

    Parameters
    ----------
    first, second : float64 (..., K)
        K things of which both say an order.

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
    x, y = ranks(first), ranks(second)
    if x.shape[-1] != y.shape[-1]:
        raise ConfigError("two values for everything ranked", f"{x.shape[-1]} and {y.shape[-1]}", "pair them first")
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    result: Floats = np.divide((x * y).sum(axis=-1), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0.0)
    return result


def split_half(sums: Floats, weights: Floats, rng: np.random.Generator, splits: int = 1000) -> tuple[float, float]:
    """How the means of K things rank in one half of the clusters and in the other.

    Parameters
    ----------
    sums : float64 (C, K)
        Sums of each cluster.
    weights : float64 (C,)
        Rows behind each.
    rng : numpy Generator
        Draws the halves; of an odd number of clusters one is left out.
    splits : int

    Returns
    -------
    halves, whole : float
        Mean Spearman between random halves; and the same stepped up to all clusters (Spearman 1910, Brown 1910): what
        a second sample of as many clusters would show. nan with one cluster.
    """
    clusters = len(weights)
    half = clusters // 2
    if half == 0:
        return float("nan"), float("nan")
    order = rng.permuted(np.tile(np.arange(clusters), (splits, 1)), axis=1)
    means = [_means(sums, weights, part) for part in (order[:, :half], order[:, half : 2 * half])]
    found = spearman(*means)
    halves = float(found[~np.isnan(found)].mean()) if not np.isnan(found).all() else float("nan")
    longer = clusters / half
    return halves, longer * halves / (1.0 + (longer - 1.0) * halves) if halves > 0.0 else halves


def _means(sums: Floats, weights: Floats, which: NDArray[np.int64]) -> Floats:
    result: Floats = sums[which].sum(axis=1) / weights[which].sum(axis=1)[:, None]
    return result
