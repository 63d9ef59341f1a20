"""How well a ranking that rests on few clusters agrees with another one like it."""

import numpy as np

from tercel.core import spearman
from tercel.core.stats import Moments


def split_half(
    moments: Moments, rng: np.random.Generator, splits: int = 1000
) -> tuple[float, float]:
    """How K statistics rank in one half of the clusters and in the other.

    Parameters
    ----------
    moments : Moments
        Of C clusters.
    rng : numpy Generator
        Draws the halves; of an odd number of clusters one is left out.
    splits : int

    Returns
    -------
    halves, whole : float
        Mean Spearman between random halves; and the same stepped up to all clusters (Spearman 1910, Brown 1910): what
        a second sample of as many clusters would show. nan with one cluster.
    """
    clusters = moments.clusters
    half = clusters // 2
    if half == 0:
        return float("nan"), float("nan")
    place = rng.permuted(np.tile(np.arange(clusters), (splits, 1)), axis=1).argsort(axis=1)
    parts = (place < half, (place >= half) & (place < 2 * half))
    found = spearman(*(moments.of_counts(part.astype(np.float64)) for part in parts))
    halves = float(found[~np.isnan(found)].mean()) if not np.isnan(found).all() else float("nan")
    longer = clusters / half
    return halves, longer * halves / (1.0 + (longer - 1.0) * halves) if halves > 0.0 else halves
