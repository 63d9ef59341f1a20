"""Training on a Ray cluster: workers act in the slots, the learner stays in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tercel.core.errors import ConfigError
from tercel.core.progress import say
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.env import MakeEnv, part_of
from tercel.lab.learning.ray import connect, ray_env
from tercel.lab.learning.ray.env import SHARDS


def with_shards(config: AgentConfig, workers: int | None) -> AgentConfig:
    """The same with a number of shards, where it has none: one a worker, at least four.

    Raises
    ------
    ConfigError
        Slots that cannot be dealt out evenly, or more workers than shards.
    """
    learner = config.learner
    shards = learner.shards or max(SHARDS, workers or 0)
    if learner.markets % shards:
        raise ConfigError(
            f"shards that learner.markets = {learner.markets} can be dealt into evenly",
            f"{shards}",
            f"set learner.shards to a divisor of {learner.markets}",
        )
    if workers is not None and workers > shards:
        raise ConfigError(
            f"1 to {shards} workers, as many as there are shards",
            f"{workers}",
            "fewer, or more shards",
        )
    return config.model_copy(update={"learner": learner.model_copy(update={"shards": shards})})


@contextmanager
def spread(address: str | None, workers: int | None) -> Iterator[MakeEnv | None]:
    """What makes the environment on the cluster at `address`; None where there is none.

    Raises
    ------
    ConfigError
        Ray is not installed, nothing answers there, or another learner than PPO is to act on it.
    """
    if address is None:
        yield None
        return
    with connect(address, workers) as where:

        def make(config: AgentConfig) -> Any:
            learner = config.learner
            if learner.algo != "ppo":
                raise ConfigError("ppo on a cluster", learner.algo, "train it without `ray=`")
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
