"""A bootstrap of three levels: training seeds, the markets they are judged in, and the episodes in each.

The same trained policies are judged in every market, so seeds are crossed with markets: a resample takes the same seeds
everywhere (Owen 2007, "The pigeonhole bootstrap"). Episodes belong to a market and are drawn anew in each. Markets are
either the ones of interest, each with the same weight, or a draw from such as could have been chosen; the second claims
more and has the longer interval. Levels of k units are drawn k - 1 times, and intervals stretched for few of them, as
in `stats.bootstrap`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.stats.bootstrap import Replicates, draw_counts

Floats = NDArray[np.float64]


def over_markets(
    points: Sequence[Floats],
    draws: Sequence[Floats],
    clusters: Sequence[int],
    rng: np.random.Generator,
    *,
    redraw_markets: bool,
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

    Raises
    ------
    ConfigError
        Markets with different seeds or resamples.
    """
    shapes = {np.shape(part) for part in draws}
    if len(shapes) != 1 or {len(part) for part in points} != {next(iter(shapes))[0]} or len(clusters) != len(points):
        raise ConfigError("markets with the same seeds and resamples", f"{sorted(shapes)}", "judge every seed in each")
    point, table = np.stack(points), np.stack(draws)
    markets, seeds, resamples = table.shape
    within = table.mean(axis=(0, 1)).var()
    sources = [(float(within), float(max(sum(clusters) - markets, 1)))]
    weight = _weights(markets, resamples, rng) if redraw_markets else np.full((resamples, markets), 1.0 / markets)
    by_seed = np.einsum("bm,msb->sb", weight, table)
    mixed = np.einsum("bs,sb->b", _weights(seeds, resamples, rng), by_seed)
    if seeds > 1:
        sources.append((float(point.mean(axis=0).var(ddof=1)) / seeds, seeds - 1.0))
    if redraw_markets and markets > 1:
        sources.append((float(point.mean(axis=1).var(ddof=1)) / markets, markets - 1.0))
    return Replicates(float(point.mean()), mixed, tuple(sources))


def _weights(units: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Weights of the units of a level in each resample, float64 (B, units), each row adding up to 1."""
    counts = draw_counts(units, resamples, rng)
    weights: Floats = counts / counts.sum(axis=1, keepdims=True)
    return weights
