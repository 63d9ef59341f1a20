"""Clusters of dependent values (days, blocks of time): their index, their sums, and standard errors that respect them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import refuse_if
from tercel.core.vocabulary import NS_PER_SECOND

# Which episodes belong together: cluster labels, sums by cluster, and standard errors that respect them.
#
# Episodes that share a market seed, a bank entry, a trading day or a stretch of one day are not independent
# draws; the cluster is. Treating them as independent makes every interval too short (Cameron & Miller, 2015, "A
# practitioner's guide to cluster-robust inference").
LEAST_CLUSTERS = 5
"""Clusters below which there is neither an interval nor a verdict."""
FEW_CLUSTERS = 20
"""Below this many clusters an interval is an indication, and every table says so."""
BLOCK_NS = 30 * 60 * NS_PER_SECOND
"""Length of the blocks that replace days when there is only one day."""


def cluster_index(labels: ArrayLike) -> tuple[NDArray[np.intp], int]:
    """Cluster number (0 to C - 1) of each value by its label, and C.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        One label per episode, any integers.

    Returns
    -------
    index : intp, shape (n,)
    count : int
        C, the number of different labels.

    >>> cluster_index([7, 7, 3])
    (array([1, 1, 0]), 2)
    """
    array = np.asarray(labels)
    refuse_if(
        array.ndim != 1 or array.size == 0,
        "one cluster label per episode",
        f"labels of shape {array.shape}",
        "judge some episodes",
    )
    distinct, index = np.unique(array, return_inverse=True)
    return index.astype(np.intp), int(distinct.size)


def cluster_sums(values: ArrayLike, index: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Sum of the rows of each cluster, float64 (C, ...).

    Parameters
    ----------
    values : array_like, shape (n,) or (n, F)
    index : intp, shape (n,)
        Cluster of each row, 0..count-1.
    count : int
        Number of clusters C.

    Returns
    -------
    float64, shape (C,) or (C, F)

    >>> cluster_sums([1.0, 2.0, 4.0], np.array([1, 1, 0]), 2)
    array([4., 3.])
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        return np.bincount(index, weights=array, minlength=count).astype(np.float64, copy=False)
    totals = np.zeros((count, array.shape[1]))
    # Stable, so that sums add up in the order of the episodes and are the same bytes on every machine.
    order = np.argsort(index, kind="stable")
    present, starts = np.unique(index[order], return_index=True)
    totals[present] = np.add.reduceat(array[order], starts, axis=0)
    return totals


def clustered_se(values: ArrayLike, labels: ArrayLike) -> float:
    """Standard error of the mean of clustered values, in their unit; NaN with a single cluster.

    With residual sums `e_c` over cluster c of C, n values in all: `sqrt(C / (C - 1) * sum e_c^2) / n`;
    clusters of one value each give sd / sqrt(n).

    Returns
    -------
    float
        In the unit of `values`; nan when there is only one cluster.

    >>> clustered_se([1.0, 3.0], [0, 1]), clustered_se([1.0, 1.0, 3.0, 3.0], [0, 0, 1, 1])
    (1.0, 1.0)
    """
    array = np.asarray(values, dtype=np.float64)
    index, count = cluster_index(labels)
    if count == 1:
        return float("nan")
    residuals = cluster_sums(array - array.mean(), index, count)
    return float(np.sqrt(count / (count - 1) * np.sum(residuals**2)) / array.size)
