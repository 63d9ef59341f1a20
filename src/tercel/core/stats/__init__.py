"""Statistics of the judge: clusters, bootstrap intervals, Student's t. NumPy only."""

from tercel.core.estimate import Estimate, PairedGain
from tercel.core.stats.bootstrap import (
    Moments,
    Replicates,
    draw_counts,
    intervals,
    mean_interval,
    moments_of_mean,
    over_seeds,
    replicate,
)
from tercel.core.stats.clusters import BLOCK_NS, cluster_index, cluster_sums, clustered_se
from tercel.core.stats.deflated import DeflatedScore, deflate
from tercel.core.stats.hierarchy import over_markets
from tercel.core.stats.iqm import interquartile_mean
from tercel.core.stats.p_values import benjamini_hochberg, holm, two_sided_p
from tercel.core.stats.power import detectable_gain
from tercel.core.stats.ranks import ranks
from tercel.core.stats.student import normal_quantile, t_quantile, weighted_interval
from tercel.core.stats.tails import moments_of_cvar, moments_of_slope, moments_of_wins

__all__ = [
    "BLOCK_NS",
    "DeflatedScore",
    "Estimate",
    "Moments",
    "PairedGain",
    "Replicates",
    "benjamini_hochberg",
    "cluster_index",
    "cluster_sums",
    "clustered_se",
    "deflate",
    "detectable_gain",
    "draw_counts",
    "holm",
    "interquartile_mean",
    "intervals",
    "mean_interval",
    "moments_of_cvar",
    "moments_of_mean",
    "moments_of_slope",
    "moments_of_wins",
    "normal_quantile",
    "over_markets",
    "over_seeds",
    "ranks",
    "replicate",
    "t_quantile",
    "two_sided_p",
    "weighted_interval",
]
