"""Training environment of a configuration: slots of markets, split by weight, each with its unit of reward."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tercel.core.entry_points import load_from_distribution
from tercel.core.errors import refuse_if
from tercel.execution.strategies import build
from tercel.lab.learning.agent.arena import TrainingArena
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.agent.policy_parts import (
    action_parameters,
    observation_of,
    reward_of,
    rule_of,
)
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.lab.learning.mixed_env import MixedVec

MakeEnv = Callable[[AgentConfig], Any]
CLUSTERS: Final = "tercel.clusters"


def env_of(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec:
    """Training environment of a configuration, its slots split between the markets; ConfigError for fewer slots than
    markets.
    """
    slots = config.learner.markets
    reward = config.reward
    refuse_if(
        slots < len(markets),
        f"a slot for each of {len(markets)} markets",
        f"{slots}",
        "raise learner.markets",
    )
    rival = None
    if reward.against:
        rival = rule_of(config) if reward.against == "base" else build(reward.against)
    edges = slot_edges(slots, [1.0] if config.on_tape else config.market.shares)
    parts = [
        ExecutionVec(
            market.training,
            market.task,
            market.sampler,
            edges[i + 1] - edges[i],
            terms=TrainingTerms(
                config.task.ranges, rival, unit_of(config, market), share=True, copy=False
            ),
            actions=config.policy.actions,
            weights=reward_of(config),
            action_parameters=action_parameters(config),
            observation=observation_of(config),
            stack=config.policy.stack,
        )
        for i, market in enumerate(markets)
    ]
    return MixedVec(parts, [market.label for market in markets])


def learning_env(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec | TrainingArena:
    """Environment that the learner of the configuration acts in: slots of markets, or an arena for evolution
    strategies.
    """
    if config.learner.algo == "es":
        return TrainingArena(
            config, markets, [unit_of(config, market) * market.loss_weight for market in markets]
        )
    return env_of(config, markets)


def slot_edges(slots: int, weights: Sequence[float]) -> list[int]:
    """First slot of each market and the end of the last one's slots, by weights; at least one slot each.

    >>> slot_edges(10, [2, 1, 1, 1])
    [0, 4, 6, 8, 10]
    """
    edges = [round(slots * sum(weights[:i]) / sum(weights)) for i in range(len(weights) + 1)]
    for i in range(1, len(edges)):
        edges[i] = min(max(edges[i], edges[i - 1] + 1), slots - (len(weights) - i))
    return edges


def unit_of(config: AgentConfig, market: TrainingMarket) -> float:
    """Reward unit of a market, ticks per lot: its mean spread, or 1, over its loss weight."""
    return (market.spread if config.reward.unit == "spread" else 1.0) / market.loss_weight


def clusters() -> Any:
    """Plugin for Ray clusters: an object that splits a training's slots into shards, on which workers act and validate.

    An installed package gives it by the entry point ``ray`` of ``tercel.clusters``, as `tercel-studies` does: an object with
    ``with_shards``, ``in_shards``, ``spread`` and ``on_cluster``.

    Raises
    ------
    ConfigError
        No such package is installed.
    """
    return load_from_distribution(CLUSTERS, "ray", "tercel-studies", "scale")
