"""A bootstrap of three levels: training seeds, the markets they are judged in, and the episodes in each.

Where the same trained policies are judged in several markets, seeds are crossed with these: a resample takes the same
seeds in all of them (Owen 2007, "The pigeonhole bootstrap"). Where a market has policies of its own, its seeds are
drawn by themselves. Episodes belong to a market and are drawn anew in each. Markets are either the ones of interest,
each with the same weight, or a draw from such as could have been chosen; the second claims more and has the longer
interval. Levels of k units are drawn k - 1 times, and intervals stretched for few of them, as in `stats.bootstrap`.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.stats.bootstrap import Replicates, draw_counts


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
