"""Statistics computed from sums by cluster, so that a bootstrap resamples clusters: mean, CVaR, share of wins, slope."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.core.stats.clusters import cluster_index, cluster_sums


@dataclass(frozen=True)
class Moments:
    """Sums by cluster, and the function of their means that gives K statistics.

    Parameters
    ----------
    sums : float64, shape (C, F)
        Sums over the episodes (or other rows) of each cluster.
    weights : float64, shape (C,)
        Number of rows behind each cluster; means are `sum(sums) / sum(weights)`.
    statistic : callable
        Means, float64 (B, F) -> statistics, float64 (B, K). Smooth, and the same for every row.
    """

    sums: Floats
    weights: Floats
    statistic: Callable[[Floats], Floats]

    @property
    def clusters(self) -> int:
        """Number of clusters C."""
        return len(self.weights)

    def of_counts(self, counts: Floats) -> Floats:
        """Statistics of resamples, float64 (B, K), in which cluster c is drawn `counts[b, c]` times."""
        # A resample of clusters without rows has a mean of 0, not NaN: one such draw would spoil every quantile.
        rows = np.maximum(counts @ self.weights, np.finfo(np.float64).tiny)
        return self.statistic((counts @ self.sums) / rows[:, None])

    def point(self) -> Floats:
        """Statistics of the data without resampling, float64 (K,)."""
        result: Floats = self.of_counts(np.ones((1, self.clusters)))[0]
        return result


def moments_of_mean(values: ArrayLike, labels: ArrayLike) -> Moments:
    """Moments of the mean of `values`, float (n,) or (n, K), clustered by `labels`, int (n,).

    >>> moments_of_mean([1.0, 2.0, 6.0], [0, 0, 1]).point()
    array([3.])
    """
    array = np.asarray(values, dtype=np.float64)
    index, count = cluster_index(labels)
    columns = array[:, None] if array.ndim == 1 else array
    refuse_if(
        len(columns) != index.size,
        "one cluster label per value",
        f"{len(columns)} values, {index.size} labels",
        "label every episode",
    )
    sums, rows = (cluster_sums(column, index, count) for column in (columns, np.ones(index.size)))
    return Moments(sums, rows, lambda means: means)


# Tails, slopes and odds as functions of means, so that the cluster bootstrap of `stats.bootstrap` takes them as they
# are.
#
# The mean of the worst share is linear in the episodes once its threshold is fixed: CVaR = q + E[(x - q)+] / share, and
# the choice of q matters only to second order (Rockafellar and Uryasev 2000, J. Risk 2(3)), so the sample's own quantile
# stays in every resample.
def moments_of_cvar(values: ArrayLike, labels: ArrayLike, share: float = 0.05) -> Moments:
    """Moments of the mean of the largest `share` of values, float (n,), clustered by labels (n,).

    >>> round(float(moments_of_cvar(np.arange(100.0), np.arange(100)).point()[0]), 9)
    97.0
    """
    x = np.asarray(values, np.float64)
    threshold = np.quantile(x, 1.0 - share, method="inverted_cdf")
    return moments_of_mean(threshold + np.maximum(x - threshold, 0.0) / share, labels)


def moments_of_wins(gains: ArrayLike, labels: ArrayLike) -> Moments:
    """Moments of the share of gains above 0 (a tie counts half), clustered by labels.

    >>> moments_of_wins([1.0, -1.0, 0.0, 2.0], np.arange(4)).point()
    array([0.625])
    """
    x = np.asarray(gains, np.float64)
    return moments_of_mean((x > 0) + 0.5 * (x == 0), labels)


def moments_of_slope(x: ArrayLike, y: ArrayLike, labels: ArrayLike) -> Moments:
    """Moments of the least-squares slope of y on x, float (n,) each; 0 where x does not vary.

    >>> moments_of_slope([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], [0, 1, 2]).point()
    array([2.])
    """
    a = np.asarray(x, np.float64)
    b = np.asarray(y, np.float64)
    a = a - a.mean()
    b = b - b.mean()
    plain = moments_of_mean(np.stack([a, b, a * b, a * a], axis=1), labels)
    return Moments(plain.sums, plain.weights, _slope)


def _slope(means: Floats) -> Floats:
    """Least-squares slope from means of (x, y, x y, x^2), (B, 4) -> (B, 1)."""
    a, b, ab, aa = means.T
    variance = aa - a * a
    slope = np.divide(ab - a * b, variance, out=np.zeros_like(variance), where=variance > 1e-18)
    return np.asarray(slope[:, None])
