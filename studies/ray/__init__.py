"""Training and judging on many processes and machines, by Ray (extra ``[scale]``).

    with connect("local") as ray_cluster:
        env = ray_env(ray_cluster, make, n=64)      # a vector environment like any other; `make(slots)` makes a part of it
        train(Ppo(env, settings, seed), frames)

The slots are dealt into *shards*. A shard has its own environment, seed and noise, so that a training is decided by
its seed and its number of shards: the same bytes come out with one worker or ten, here or elsewhere. Workers hold
shards, get the learner's weights, act for one rollout and hand it back; the learner stays with the caller.

Ray itself is imported when a cluster is named, never with this package.
"""

from studies.ray.cluster import Cluster, available, connect, on_cluster, run_strategy_on
from studies.ray.env import (
    LocalShardWorkers,
    RayShardWorkers,
    ShardedVec,
    ray_env,
    sharded_env,
)
from studies.ray.training import in_shards, spread, with_shards

__all__ = [
    "Cluster",
    "LocalShardWorkers",
    "RayShardWorkers",
    "ShardedVec",
    "available",
    "connect",
    "in_shards",
    "on_cluster",
    "ray_env",
    "run_strategy_on",
    "sharded_env",
    "spread",
    "with_shards",
]
