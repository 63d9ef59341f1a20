"""Training environment of a configuration: slots split between its markets, whole or in shards."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from tercel.core.errors import ConfigError
from tercel.execution.strategies import build
from tercel.lab.learning.agent.arena import TrainingArena
from tercel.lab.learning.agent.config import AgentConfig, LearnerSection
from tercel.lab.learning.agent.market import TrainingMarket, markets_of
from tercel.lab.learning.agent.policy import action_parameters, rule_of
from tercel.lab.learning.agent.user_code import eyes_of, reward_of
from tercel.lab.learning.mixed import DrawnOrdersVec, HindsightVec, MixedVec

MakeEnv = Callable[[AgentConfig], Any]


def env_of(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec:
    """Training environment of a configuration: its slots, split between its markets."""
    slots, reward = config.learner.markets, config.reward
    if slots < len(markets):
        raise ConfigError(
            f"a slot for each of {len(markets)} markets", f"{slots}", "raise learner.markets"
        )
    rival = None
    if reward.against:
        rival = rule_of(config) if reward.against == "base" else build(reward.against)
    watched, rewarded = eyes_of(config), reward_of(config)
    edges = slot_edges(slots, [1.0] if config.on_tape else config.market.shares)
    parts = [
        DrawnOrdersVec(
            market.training,
            market.task,
            market.sampler,
            edges[i + 1] - edges[i],
            ranges=config.task.ranges,
            rival=rival,
            unit=unit_of(config, market),
            hindsight=config.learner.hindsight,
            actions=config.policy.actions,
            weights=rewarded,
            action_parameters=action_parameters(config),
            observation=watched,
            stack=config.policy.stack,
        )
        for i, market in enumerate(markets)
    ]
    return MixedVec(parts, [market.label for market in markets])


def learned_in(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec | TrainingArena:
    """The same as its learner sees it: with hindsight, observations end in what the critic alone reads; an evolution
    strategy compares whole policies in an arena."""
    if config.learner.algo == "es":
        return TrainingArena(
            config, markets, [unit_of(config, market) * market.loss_weight for market in markets]
        )
    env = env_of(config, markets)
    return HindsightVec(env.parts, env.names) if config.learner.hindsight else env


def slot_edges(slots: int, weights: Sequence[float]) -> list[int]:
    """Where the slots of each market begin, and where the last one's end; every market has one.

    >>> slot_edges(10, [2, 1, 1, 1])
    [0, 4, 6, 8, 10]
    """
    edges = [round(slots * sum(weights[:i]) / sum(weights)) for i in range(len(weights) + 1)]
    for i in range(1, len(edges)):
        edges[i] = min(max(edges[i], edges[i - 1] + 1), slots - (len(weights) - i))
    return edges


def part_of(config: AgentConfig, slots: int) -> MixedVec:
    """The environment of `config` with that many slots: what a shard is."""
    learner = config.learner.model_copy(update={"markets": slots})
    markets = _built(config.model_copy(update={"learner": LearnerSection()}).model_dump_json())
    return env_of(config.model_copy(update={"learner": learner}), markets)


@lru_cache(maxsize=1)
def _built(text: str) -> list[TrainingMarket]:
    """Markets that all shards of a process act in."""
    return markets_of(AgentConfig.model_validate_json(text))


def in_shards(config: AgentConfig) -> Any:
    """Environment of a configuration in `learner.shards` shards, all in this process."""
    from tercel.lab.learning.ray import sharded_env

    return sharded_env(partial(part_of, config), config.learner.markets, config.learner.shards)


def unit_of(config: AgentConfig, market: TrainingMarket) -> float:
    """Ticks per lot that make a reward of 1."""
    return (market.spread if config.reward.unit == "spread" else 1.0) / market.loss_weight
