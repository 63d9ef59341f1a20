"""Statistics of evaluations: clusters, bootstrap intervals, tests, power. NumPy only."""

from tercel.core.estimate import Estimate, PairedGain
from tercel.core.stats.bootstrap import (
    Replicates,
    average_over_markets,
    average_over_seeds,
    draw_counts,
    interquartile_mean,
    intervals,
    mean_interval,
    replicate,
)
from tercel.core.stats.clusters import BLOCK_NS, cluster_index, cluster_sums, clustered_se
from tercel.core.stats.mean_intervals import weighted_interval
from tercel.core.stats.moments import (
    Moments,
    moments_of_cvar,
    moments_of_mean,
    moments_of_slope,
    moments_of_wins,
)
from tercel.core.stats.multiple_testing import DeflatedScore, benjamini_hochberg, deflate, holm
from tercel.core.stats.power import detectable_gain, required_sample
from tercel.core.stats.quantiles import normal_quantile, t_quantile, two_sided_p
from tercel.core.stats.ranks import ranks

__all__ = [
    "BLOCK_NS",
    "DeflatedScore",
    "Estimate",
    "Moments",
    "PairedGain",
    "Replicates",
    "average_over_markets",
    "average_over_seeds",
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
    "ranks",
    "replicate",
    "required_sample",
    "t_quantile",
    "two_sided_p",
    "weighted_interval",
]
