"""A training in shards: its environment in this process, or on the workers of a cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial

from studies.ray.cluster import connect
from studies.ray.env import SHARDS, ShardedVec, ray_env, sharded_env
from tercel.core import refuse_if, say_progress as say
from tercel.lab.learning import MixedVec
from tercel.lab.learning.agent import AgentConfig
from tercel.lab.learning.agent.config import LearnerSection
from tercel.lab.learning.agent.env import env_of
from tercel.lab.learning.agent.market import TrainingMarket, build_training_markets


def part_of(config: AgentConfig, slots: int) -> MixedVec:
    """The environment of `config` with that many slots: what a shard is."""
    learner = config.learner.model_copy(update={"markets": slots})
    markets = _built(config.model_copy(update={"learner": LearnerSection()}).model_dump_json())
    return env_of(config.model_copy(update={"learner": learner}), markets)


@lru_cache(maxsize=1)
def _built(text: str) -> list[TrainingMarket]:
    """Markets that all shards of a process act in."""
    return build_training_markets(AgentConfig.model_validate_json(text))


def in_shards(config: AgentConfig) -> ShardedVec:
    """Environment of a configuration in `learner.shards` shards, all in this process."""
    return sharded_env(partial(part_of, config), config.learner.markets, config.learner.shards)


def with_shards(config: AgentConfig, workers: int | None) -> AgentConfig:
    """The same with a number of shards, where it has none: one a worker, at least four.

    Raises
    ------
    ConfigError
        Slots that cannot be dealt out evenly, or more workers than shards.
    """
    learner = config.learner
    shards = learner.shards or max(SHARDS, workers or 0)
    refuse_if(
        learner.markets % shards,
        f"shards that learner.markets = {learner.markets} can be dealt into evenly",
        f"{shards}",
        f"set learner.shards to a divisor of {learner.markets}",
    )
    refuse_if(
        workers is not None and workers > shards,
        f"1 to {shards} workers, as many as there are shards",
        f"{workers}",
        "fewer, or more shards",
    )
    return config.model_copy(update={"learner": learner.model_copy(update={"shards": shards})})


@contextmanager
def spread(address: str, workers: int | None) -> Iterator[Callable[[AgentConfig], ShardedVec]]:
    """What makes the environment on the cluster at `address`.

    Raises
    ------
    ConfigError
        Ray is not installed, nothing answers there, or another learner than PPO is to act on it.
    """
    with connect(address, workers) as where:

        def make(config: AgentConfig) -> ShardedVec:
            learner = config.learner
            refuse_if(
                learner.algo != "ppo", "ppo on a cluster", learner.algo, "train it without `ray=`"
            )
            env = ray_env(
                where,
                partial(part_of, config),
                learner.markets,
                shards=learner.shards,
                workers=workers,
            )
            say(
                f"{learner.shards} shards of {learner.markets // learner.shards} slots on {where.describe()}"
            )
            return env

        yield make
