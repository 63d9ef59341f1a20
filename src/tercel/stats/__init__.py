"""Statistics of the judge: clusters, bootstrap intervals, Student's t. NumPy only."""

from tercel.stats.bootstrap import (
    Estimate,
    Moments,
    Replicates,
    intervals,
    mean_interval,
    moments_of_mean,
    moments_of_ratio,
    over_seeds,
    paired_difference,
    replicate,
    seeds_by_clusters,
)
from tercel.stats.clusters import (
    cluster_index,
    cluster_sums,
    clustered_se,
    few_clusters,
    naive_se,
    tape_clusters,
)
from tercel.stats.student import normal_quantile, t_quantile, weighted_interval

__all__ = [
    "Estimate",
    "Moments",
    "Replicates",
    "cluster_index",
    "cluster_sums",
    "clustered_se",
    "few_clusters",
    "intervals",
    "mean_interval",
    "moments_of_mean",
    "moments_of_ratio",
    "naive_se",
    "normal_quantile",
    "over_seeds",
    "paired_difference",
    "replicate",
    "seeds_by_clusters",
    "t_quantile",
    "tape_clusters",
    "weighted_interval",
]
