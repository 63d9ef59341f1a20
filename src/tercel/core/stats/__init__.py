"""Statistics of the judge: clusters, bootstrap intervals, Student's t. NumPy only."""

from tercel.core.estimate import Estimate, PairedGain
from tercel.core.stats.bootstrap import (
    Moments,
    Replicates,
    cluster_index,
    cluster_sums,
    clustered_se,
    intervals,
    mean_interval,
    moments_of_mean,
    over_seeds,
    replicate,
)
from tercel.core.stats.inference import (
    DeflatedScore,
    benjamini_hochberg,
    deflate,
    detectable_gain,
    holm,
    normal_quantile,
    t_quantile,
    two_sided_p,
    weighted_interval,
)
from tercel.core.stats.robust import (
    interquartile_mean,
    moments_of_cvar,
    moments_of_slope,
    moments_of_wins,
    over_markets,
)

__all__ = [
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
    "replicate",
    "t_quantile",
    "two_sided_p",
    "weighted_interval",
]
