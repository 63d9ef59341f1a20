"""Cluster bootstrap: intervals of statistics over clusters of episodes, training seeds and markets."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.stats.moments import Moments, moments_of_mean
from tercel.core.stats.quantiles import normal_quantile, t_quantile, two_sided_p

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


def draw_counts(clusters: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn in each resample, float64 (resamples, C): C - 1 draws with replacement (1 if C is
    1).

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
    """Bootstrap several statistics with the same draws of clusters, so that they can be compared resample by resample.

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
    refuse_if(
        len(sizes) != 1,
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
    """One statistic with its resamples, and the sources of their variance.

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
        """Difference of two statistics, resample by resample; the clusters must have been drawn together."""
        draws = self.draws - other.draws
        seeds = self.sources[1:] + other.sources[1:]
        # What clusters add after pairing: common noise cancels in the draws, and the seeds' own does not.
        shared = max(float(draws.var()) - sum(variance for variance, _ in seeds), 0.0)
        return Replicates(self.point - other.point, draws, ((shared, self.sources[0][1]), *seeds))

    def __truediv__(self, other: "Replicates") -> "Replicates":
        """Ratio of two statistics, resample by resample; its variance by the delta method."""
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
        """Two-sided p-value of the hypothesis 0, by Student's t; None with a single cluster."""
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
        """The estimate with its percentile interval, stretched for few clusters or seeds; no bounds with a single cluster.

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


def average_over_seeds(
    points: ArrayLike, draws: ArrayLike, clusters: int, rng: np.random.Generator
) -> Replicates:
    """Average a statistic over training seeds, which the bootstrap resamples as a level above the clusters.

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

    >>> one = average_over_seeds([2.0], [[1.0, 3.0]], 9, np.random.default_rng(0))
    >>> one.point, one.draws, len(one.sources)
    (2.0, array([1., 3.]), 1)
    """
    point = np.asarray(points, np.float64)
    table = np.asarray(draws, np.float64)
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
    """Estimates of the K statistics of one set of moments with intervals, by cluster bootstrap.

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
        average_over_seeds([point], draws[None, :, k], moments.clusters, rng).estimate(level)
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
    """Cluster counts of all resamples, in chunks of rows."""
    # In pieces: ten thousand resamples of many clusters would not fit in memory.
    rows = max(1, _CHUNK // clusters)
    for start in range(0, resamples, rows):
        yield draw_counts(clusters, min(rows, resamples - start), rng)


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
    refuse_if(
        table.ndim != 2 or table.size == 0 or not np.isfinite(table).all(),
        "finite scores, seeds by tasks",
        f"a table of shape {table.shape}",
        "judge every seed alike",
        DataError,
    )
    seeds, tasks = table.shape
    point = float(trim_mean(table, 0.25, axis=None))
    if seeds == 1:
        return Estimate(point, None, None)
    picked = rng.integers(seeds, size=(resamples, seeds, tasks))
    draws = trim_mean(table[picked, np.arange(tasks)].reshape(resamples, -1), 0.25, axis=1)
    low, high = np.quantile(draws, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Estimate(point, float(min(low, point)), float(max(high, point)))


# A bootstrap of three levels: training seeds, the markets they are judged in, and the episodes in each.
#
# Where the same trained policies are judged in several markets, seeds are crossed with these: a resample takes the same
# seeds in all of them (Owen 2007, "The pigeonhole bootstrap"). Where a market has policies of its own, its seeds are
# drawn by themselves. Episodes belong to a market and are redrawn in each. Markets are either the ones of interest,
# each with the same weight, or a draw from such as could have been chosen; the second claims more and has the longer
# interval. Levels of k units are drawn k - 1 times, and intervals stretched for few of them, as in `stats.bootstrap`.
def average_over_markets(
    points: Sequence[Floats],
    draws: Sequence[Floats],
    clusters: Sequence[int],
    rng: np.random.Generator,
    *,
    redraw_markets: bool,
    teams: Sequence[Hashable] | None = None,
) -> Replicates:
    """Mean over markets of the mean of a statistic over training seeds, with resamples of the seeds
    and, with `redraw_markets`, of the markets too.

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
    by_team = {
        label: [market for market, team in enumerate(labels) if team == label] for label in labels
    }
    shapes = [np.shape(part) for part in draws]
    sizes = [
        {(len(points[market]), *shapes[market][:-1]) for market in rows}
        for rows in by_team.values()
    ]
    alike = (
        all(len(size) == 1 and len(set(*size)) == 1 for size in sizes)
        and len({shape[-1] for shape in shapes}) == 1
    )
    refuse_if(
        not alike or {len(points), len(clusters), len(labels)} != {len(draws)},
        "markets with the same seeds and resamples",
        f"{sorted(shapes)}",
        "judge every seed in each",
    )
    markets = len(points)
    resamples = shapes[0][-1]
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
        by_seed = np.einsum(
            "bm,msb->sb", weight[:, rows], np.stack([draws[market] for market in rows])
        )
        mixed += np.einsum("bs,sb->b", _weights(seeds, resamples, rng), by_seed)
        if seeds > 1:
            share = np.sum([points[market] for market in rows], axis=0) / markets
            sources.append((float(share.var(ddof=1)) / seeds, seeds - 1.0))
    by_market = np.array([part.mean() for part in points])
    if redraw_markets and markets > 1:
        sources.append((float(by_market.var(ddof=1)) / markets, markets - 1.0))
    return Replicates(float(by_market.mean()), mixed, tuple(sources))


def _weights(units: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Weight of each unit of a level in each resample, by a draw with replacement, float64 (resamples, units); rows sum
    to 1."""
    counts = draw_counts(units, resamples, rng)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
