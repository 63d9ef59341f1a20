"""Cluster bootstrap of means, differences, tails, slopes and interquartile means, over seeds and markets."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.core.estimate import Estimate
from tercel.core.stats.inference import normal_quantile, t_quantile, two_sided_p
from tercel.core.vocabulary import NS_PER_SECOND

# -- clusters -------------------------------------------------------------------------------------
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
# Hesterberg, 2015, "What teachers should know about the bootstrap", where the level moves instead, further than
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


# -- iqm ------------------------------------------------------------------------------------------
# The interquartile mean over training seeds, with a stratified bootstrap interval.
#
# Scores are a table, training seeds by tasks. The mean of the middle half of all its cells ignores one lucky or one
# failed seed, and is less noisy than the median; the interval resamples seeds within each task, independently (Agarwal et
# al. 2021, "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS: `rliable`).


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
    from scipy.stats import trim_mean

    table = np.asarray(scores, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise DataError(
            "finite scores, seeds by tasks",
            f"a table of shape {table.shape}",
            "judge every seed alike",
        )
    seeds, tasks = table.shape
    point = float(trim_mean(table, 0.25, axis=None))
    if seeds == 1:
        return Estimate(point, None, None)
    taken = rng.integers(seeds, size=(resamples, seeds, tasks))
    draws = trim_mean(table[taken, np.arange(tasks)].reshape(resamples, -1), 0.25, axis=1)
    low, high = np.quantile(draws, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Estimate(point, float(min(low, point)), float(max(high, point)))


# -- tails ----------------------------------------------------------------------------------------
# Tails, slopes and odds as functions of means, so that the cluster bootstrap of `stats.bootstrap` takes them as they
# are.
#
# The mean of the worst share is linear in the episodes once its threshold is fixed: CVaR = q + E[(x - q)+] / share, and
# the choice of q matters only to second order (Rockafellar and Uryasev 2000, J. Risk 2(3)), so the sample's own quantile
# stays in every resample.


def moments_of_cvar(values: ArrayLike, labels: ArrayLike, share: float = 0.05) -> Moments:
    """Moments of the mean of the largest `share` of values, float (n,), clustered by labels.

    >>> round(float(moments_of_cvar(np.arange(100.0), np.arange(100)).point()[0]), 9)
    97.0
    """
    x = np.asarray(values, np.float64)
    threshold = np.quantile(x, 1.0 - share, method="inverted_cdf")
    return moments_of_mean(threshold + np.maximum(x - threshold, 0.0) / share, labels)


def moments_of_wins(gains: ArrayLike, labels: ArrayLike) -> Moments:
    """Moments of the share of gains above 0, a tie counting half.

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
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = a - a.mean(), b - b.mean()
    plain = moments_of_mean(np.stack([a, b, a * b, a * a], axis=1), labels)
    return Moments(plain.sums, plain.weights, _slope)


def _slope(means: Floats) -> Floats:
    """Covariance over variance, (B, 4) -> (B, 1)."""
    a, b, ab, aa = means.T
    variance = aa - a * a
    slope = np.divide(ab - a * b, variance, out=np.zeros_like(variance), where=variance > 1e-18)
    return np.asarray(slope[:, None])


# -- hierarchy ------------------------------------------------------------------------------------
# A bootstrap of three levels: training seeds, the markets they are judged in, and the episodes in each.
#
# Where the same trained policies are judged in several markets, seeds are crossed with these: a resample takes the same
# seeds in all of them (Owen 2007, "The pigeonhole bootstrap"). Where a market has policies of its own, its seeds are
# drawn by themselves. Episodes belong to a market and are redrawn in each. Markets are either the ones of interest,
# each with the same weight, or a draw from such as could have been chosen; the second claims more and has the longer
# interval. Levels of k units are drawn k - 1 times, and intervals stretched for few of them, as in `stats.bootstrap`.


def over_markets(
    points: Sequence[Floats],
    draws: Sequence[Floats],
    clusters: Sequence[int],
    rng: np.random.Generator,
    *,
    redraw_markets: bool,
    teams: Sequence[Hashable] | None = None,
) -> Replicates:
    """Mean of a statistic over markets and training seeds.

    Parameters
    ----------
    points : sequence of float64 (S,)
        For each market, the statistic of each training seed.
    draws : sequence of float64 (S, B)
        The same under that market's own cluster draws; every seed under the same.
    clusters : sequence of int
        Clusters of each market.
    rng : numpy Generator
    redraw_markets : bool
        Whether markets are a level of the bootstrap.
    teams : sequence of hashable, optional
        For each market, which policies are judged there: markets with the same have the same policies, seed by seed;
        those with another have others. By default all have the same.

    Raises
    ------
    ConfigError
        Markets of one team with different seeds, or markets with different resamples.
    """
    labels = [0] * len(points) if teams is None else list(teams)
    by_team = {label: [at for at, one in enumerate(labels) if one == label] for label in labels}
    shapes = [np.shape(part) for part in draws]
    sizes = [{(len(points[at]), *shapes[at][:-1]) for at in rows} for rows in by_team.values()]
    alike = (
        all(len(size) == 1 and len(set(*size)) == 1 for size in sizes)
        and len({one[-1] for one in shapes}) == 1
    )
    if not alike or {len(points), len(clusters), len(labels)} != {len(draws)}:
        raise ConfigError(
            "markets with the same seeds and resamples",
            f"{sorted(shapes)}",
            "judge every seed in each",
        )
    markets, resamples = len(points), shapes[0][-1]
    within = np.mean([part.mean(axis=0) for part in draws], axis=0).var()
    sources = [(float(within), float(max(sum(clusters) - markets, 1)))]
    weight = (
        _weights(markets, resamples, rng)
        if redraw_markets
        else np.full((resamples, markets), 1.0 / markets)
    )
    mixed = np.zeros(resamples)
    for rows in by_team.values():
        seeds = len(points[rows[0]])
        by_seed = np.einsum("bm,msb->sb", weight[:, rows], np.stack([draws[at] for at in rows]))
        mixed += np.einsum("bs,sb->b", _weights(seeds, resamples, rng), by_seed)
        if seeds > 1:
            share = np.sum([points[at] for at in rows], axis=0) / markets
            sources.append((float(share.var(ddof=1)) / seeds, seeds - 1.0))
    by_market = np.array([part.mean() for part in points])
    if redraw_markets and markets > 1:
        sources.append((float(by_market.var(ddof=1)) / markets, markets - 1.0))
    return Replicates(float(by_market.mean()), mixed, tuple(sources))


def _weights(units: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Weights of the units of a level in each resample, float64 (B, units), each row adding up to 1."""
    counts = draw_counts(units, resamples, rng)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
