"""Bootstrap: means, differences and their intervals, by clusters and by blocks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.estimate import Estimate
from tercel.core.stats.inference import normal_quantile, t_quantile, two_sided_p
from tercel.core.vocabulary import NS_PER_SECOND

# -- clusters -------------------------------------------------------------------------------------
# Which episodes belong together: cluster labels, sums by cluster, and standard errors that respect them.
#
# Episodes that share a market seed, a bank entry, a trading day or a stretch of one day are not independent
# draws; the cluster is. Treating them as independent makes every interval too short (Cameron & Miller, 2015, "A
# practitioner's guide to cluster-robust inference").

FEW_CLUSTERS = 20
"""Below this many clusters an interval is an indication, and every table says so."""
BLOCK_NS = 30 * 60 * NS_PER_SECOND
"""Length of the blocks that stand in for days when there is only one day."""


def cluster_index(labels: ArrayLike) -> tuple[NDArray[np.intp], int]:
    """Number the clusters 0..C-1 in the order of their labels.

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
    if array.ndim != 1 or array.size == 0:
        raise ConfigError(
            "one cluster label per episode", f"labels of shape {array.shape}", "judge some episodes"
        )
    found, index = np.unique(array, return_inverse=True)
    return index.astype(np.intp), int(found.size)


def cluster_sums(values: ArrayLike, index: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Sum the rows of each cluster.

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
    """Standard error of a mean of clustered values.

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


# -- bootstrap ------------------------------------------------------------------------------------
# Cluster bootstrap of anything that is a smooth function of means.
#
# A mean, a ratio, a standard deviation, a share of variance and the displacement-corrected impact of the judge
# are all functions of means over episodes. So one pass adds the episodes up by cluster (:class:`Moments`), and
# each resample is a row of cluster counts times a small matrix of sums: ten thousand resamples cost one matrix
# product. Statistics that are replicated together see the same counts, so differences between them are paired.
#
# Two levels. Clusters are drawn with replacement, C - 1 of C, which makes the variance of a mean unbiased (Rao
# & Wu, 1988, JASA 83). Training seeds are crossed with them: every seed of a policy meets the same episodes, so
# seeds are drawn separately, S - 1 of S, and both draws hold at once (Owen, 2007, "The pigeonhole bootstrap",
# which errs to the safe side). Where few clusters or seeds carry the variance, percentiles alone are too short;
# their distance from the estimate is stretched by t / z with Satterthwaite's degrees of freedom (after
# Hesterberg, 2015, "What teachers should know about the bootstrap", who moves the level instead, further than
# the draws of three seeds can resolve).

# Counts held at once: 32 MiB.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Moments:
    """Sums by cluster, and what to compute from their means.

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
        """Statistics, float64 (B, K), when cluster c is taken `counts[b, c]` times."""
        # A resample of clusters without rows has a mean of 0, not NaN: one such draw would spoil every quantile.
        rows = np.maximum(counts @ self.weights, np.finfo(np.float64).tiny)
        return self.statistic((counts @ self.sums) / rows[:, None])

    def point(self) -> Floats:
        """Statistics of the data as they are, float64 (K,)."""
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
    if len(columns) != index.size:
        raise ConfigError(
            "one cluster label per value",
            f"{len(columns)} values, {index.size} labels",
            "label every episode",
        )
    sums, rows = (cluster_sums(each, index, count) for each in (columns, np.ones(index.size)))
    return Moments(sums, rows, lambda means: means)


def draw_counts(clusters: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is taken: C - 1 draws with replacement from C (all of them when C is 1).

    Returns
    -------
    float64, shape (resamples, clusters)

    >>> draw_counts(5, 3, np.random.default_rng(0)).sum(axis=1)
    array([4., 4., 4.])
    """
    draws = max(clusters - 1, 1)
    picked = (
        rng.integers(clusters, size=(resamples, draws)) + clusters * np.arange(resamples)[:, None]
    )
    counts = np.bincount(picked.ravel(), minlength=resamples * clusters)
    return counts.reshape(resamples, clusters).astype(np.float64)


def replicate(
    moments: Mapping[str, Moments], resamples: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Bootstrap many statistics with the same draws, so that they can be compared resample by resample.

    Parameters
    ----------
    moments : mapping of name to Moments
        All over the same C clusters.
    resamples : int
        B.
    rng : numpy Generator

    Returns
    -------
    dict of name to float64, shape (B, K)
    """
    sizes = {part.clusters for part in moments.values()}
    if len(sizes) != 1:
        raise ConfigError(
            "statistics over the same clusters",
            f"cluster counts {sorted(sizes)}",
            "judge paired episodes together",
        )
    parts: dict[str, list[Floats]] = {name: [] for name in moments}
    for counts in _chunks(sizes.pop(), resamples, rng):
        for name, part in moments.items():
            parts[name].append(part.of_counts(counts))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


@dataclass(frozen=True)
class Replicates:
    """One statistic with its resamples and where their variance comes from.

    Parameters
    ----------
    point : float
        The estimate.
    draws : float64, shape (B,)
        The resampled estimates.
    sources : tuple of (variance, degrees of freedom)
        Clusters first, then each set of training seeds; for Satterthwaite's formula.
    """

    point: float
    draws: Floats
    sources: tuple[tuple[float, float], ...]

    def __sub__(self, other: "Replicates") -> "Replicates":
        """Paired difference: resample by resample, so the clusters must have been drawn together."""
        draws = self.draws - other.draws
        seeds = self.sources[1:] + other.sources[1:]
        # What clusters add after pairing: common noise cancels in the draws, and the seeds' own does not.
        shared = max(float(draws.var()) - sum(variance for variance, _ in seeds), 0.0)
        return Replicates(self.point - other.point, draws, ((shared, self.sources[0][1]), *seeds))

    def __truediv__(self, other: "Replicates") -> "Replicates":
        """Paired ratio, resample by resample; its sources by the delta method."""
        # A ratio to nothing has no value; NaN says so in the result, an exception would lose the whole table.
        safe = other.point or np.nan
        draws = np.divide(
            self.draws, other.draws, out=np.full_like(self.draws, np.nan), where=other.draws != 0.0
        )
        # Delta method: d(a / b) = da / b - a db / b^2.
        seeds = tuple((variance / safe**2, freedom) for variance, freedom in self.sources[1:])
        seeds += tuple(
            (variance * (self.point / safe**2) ** 2, freedom)
            for variance, freedom in other.sources[1:]
        )
        shared = max(float(draws.var()) - sum(variance for variance, _ in seeds), 0.0)
        return Replicates(self.point / safe, draws, ((shared, self.sources[0][1]), *seeds))

    @property
    def error(self) -> float:
        """Standard deviation of the resampled estimates."""
        return float(self.draws.std())

    def p_value(self) -> float | None:
        """Two-sided probability of an estimate so far from 0, by Student's t; None with a single cluster."""
        if self.sources[0][1] < 1.0:
            return None
        # No spread at all: t would be 0 / 0, or infinite.
        if self.error == 0.0:
            return 1.0 if self.point == 0.0 else 0.0
        return two_sided_p(self.point / self.error, self.freedom())

    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom of the summed variance."""
        total = sum(variance for variance, _ in self.sources)
        # Satterthwaite (1946); a source of one degree is as little as counts.
        parts = sum(variance**2 / max(freedom, 1.0) for variance, freedom in self.sources)
        return max(total**2 / parts, 1.0) if parts > 0.0 else max(self.sources[0][1], 1.0)

    def estimate(self, level: float = 0.95) -> Estimate:
        """Percentile interval, stretched for few clusters or seeds; no bounds with a single cluster.

        It holds the estimate itself, whatever the rounding of a statistic that hardly varies.
        """
        if self.sources[0][1] < 1.0:
            return Estimate(self.point, None, None)
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(self.draws, [tail, 1.0 - tail])
        # Percentiles of few clusters are too short by what Student's t is wider than the normal.
        stretch = t_quantile(1.0 - tail, self.freedom()) / normal_quantile(1.0 - tail)
        return Estimate(
            self.point,
            # Cut at the estimate: with rounding a quantile may lie on its wrong side.
            float(self.point + stretch * min(low - self.point, 0.0)),
            float(self.point + stretch * max(high - self.point, 0.0)),
        )


def over_seeds(
    points: ArrayLike, draws: ArrayLike, clusters: int, rng: np.random.Generator
) -> Replicates:
    """Average a statistic over training seeds, the seeds being a level of the bootstrap of their own.

    Parameters
    ----------
    points : array_like, shape (S,)
        The statistic of each training seed.
    draws : array_like, shape (S, B)
        Its replicates under the cluster draws that all seeds share.
    clusters : int
        C.
    rng : numpy Generator
        Draws the seeds; not used when S is 1, where the result holds for that one seed only.

    >>> one = over_seeds([2.0], [[1.0, 3.0]], 9, np.random.default_rng(0))
    >>> one.point, one.draws, len(one.sources)
    (2.0, array([1., 3.]), 1)
    """
    point, table = np.asarray(points, np.float64), np.asarray(draws, np.float64)
    seeds = len(point)
    from_clusters = (float(table.mean(axis=0).var()), clusters - 1.0)
    if seeds == 1:
        return Replicates(float(point[0]), table[0], (from_clusters,))
    # Other draws than those of the clusters: seeds are crossed with them, not nested.
    counts = draw_counts(seeds, table.shape[1], rng)
    # S - 1 seeds are drawn, so the mean divides by as many.
    mixed = np.einsum("bs,sb->b", counts, table) / (seeds - 1)
    return Replicates(
        float(point.mean()), mixed, (from_clusters, (float(point.var(ddof=1)) / seeds, seeds - 1.0))
    )


def intervals(
    moments: Moments, rng: np.random.Generator, *, resamples: int = 2000, level: float = 0.95
) -> list[Estimate]:
    """Intervals of the K statistics of one set of moments, by cluster bootstrap.

    Parameters
    ----------
    moments : Moments
    rng : numpy Generator
    resamples : int
    level : float
        Nominal coverage.

    >>> [estimate] = intervals(moments_of_mean([1.0, 2.0, 6.0, 7.0], [0, 1, 2, 3]), np.random.default_rng(1))
    >>> estimate.mean, estimate.ci_low < 4.0 < estimate.ci_high
    (4.0, True)
    """
    points = moments.point()
    draws = replicate({"": moments}, resamples, rng)[""]
    return [
        over_seeds([point], draws[None, :, k], moments.clusters, rng).estimate(level)
        for k, point in enumerate(points)
    ]


def mean_interval(
    values: ArrayLike,
    labels: ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Mean of `values`, float (n,), with the interval of a bootstrap clustered by `labels`, int (n,)."""
    return intervals(moments_of_mean(values, labels), rng, resamples=resamples, level=level)[0]


def _chunks(clusters: int, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Cluster counts of all resamples, some rows at a time."""
    # In pieces: ten thousand resamples of many clusters would not fit in memory.
    rows = max(1, _CHUNK // clusters)
    for start in range(0, resamples, rows):
        yield draw_counts(clusters, min(rows, resamples - start), rng)
