"""Statistics with bootstrap intervals beside the mean: interquartile mean, tail, two levels, ranks."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.core.estimate import Estimate
from tercel.core.stats.bootstrap import Moments, Replicates, draw_counts, moments_of_mean

# -- iqm ------------------------------------------------------------------------------------------
# The interquartile mean over training seeds, with a stratified bootstrap interval.
#
# Scores are a table, training seeds by tasks. The mean of the middle half of all its cells ignores one lucky or one
# failed seed, and is less noisy than the median; the interval resamples seeds within each task, independently (Agarwal et
# al. 2021, "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS: `rliable`).

TRIM = 0.25


def trimmed_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the middle half of each row, float64 (B, m) -> (B,): the lowest and highest quarter, rounded down, go.

    >>> trimmed_mean(np.array([[0.0, 1.0, 2.0, 90.0]]))
    array([1.5])
    """
    cut = int(TRIM * scores.shape[1])
    ranked = np.sort(scores, axis=1)
    return np.asarray(ranked[:, cut : scores.shape[1] - cut].mean(axis=1))


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
    table = np.asarray(scores, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise DataError(
            "finite scores, seeds by tasks",
            f"a table of shape {table.shape}",
            "judge every seed alike",
        )
    seeds, tasks = table.shape
    point = float(trimmed_mean(table.reshape(1, -1))[0])
    if seeds == 1:
        return Estimate(point, None, None)
    taken = rng.integers(seeds, size=(resamples, seeds, tasks))
    draws = trimmed_mean(table[taken, np.arange(tasks)].reshape(resamples, -1))
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
# drawn by themselves. Episodes belong to a market and are drawn anew in each. Markets are either the ones of interest,
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


# -- ranks ----------------------------------------------------------------------------------------
# Ranks and rank correlation.


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
