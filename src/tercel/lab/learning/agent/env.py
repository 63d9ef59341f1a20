"""Training environment of a configuration: slots of markets, split by weight, each with its unit of reward."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

from tercel.core.entry_points import load_from_distribution
from tercel.core.errors import refuse_if
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy
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
HALVED_FROM: Final = 32
"""Slots of a market from which it is worked in two halves, each on a core of its own."""
CLUSTERS: Final = "tercel.clusters"


def env_of(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec:
    """Training environment of a configuration, its slots split between the markets; ConfigError for fewer slots than
    markets.
    """
    slots = config.learner.markets
    refuse_if(
        slots < len(markets),
        f"a slot for each of {len(markets)} markets",
        f"{slots}",
        "raise learner.markets",
    )
    shares = [1.0] if config.on_tape else config.market.shares
    split = [
        (market, n)
        for market, (first, end) in zip(markets, pairwise(slot_edges(slots, shares)), strict=True)
        for n in halves(end - first)
    ]
    parts = [
        ExecutionVec(
            market.training,
            market.task,
            market.sampler,
            n,
            terms=TrainingTerms(
                config.task.ranges,
                _rival_of(config),
                unit_of(config, market),
                share=True,
                copy=False,
            ),
            actions=config.policy.actions,
            weights=reward_of(config),
            action_parameters=action_parameters(config),
            observation=observation_of(config),
            stack=config.policy.stack,
        )
        for market, n in split
    ]
    return MixedVec(parts, [market.label for market, _ in split])


def _rival_of(config: AgentConfig) -> Strategy | None:
    """Strategy that works the same episodes for a paired reward, one for each thread."""
    against = config.reward.against
    if not against:
        return None
    return rule_of(config) if against == "base" else build(against)


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


def halves(slots: int) -> list[int]:
    """Split the slots of a market where they are many; an even first half keeps a buy and its sell together.

    >>> halves(64), halves(50), halves(20)
    ([32, 32], [24, 26], [20])
    """
    if slots < HALVED_FROM:
        return [slots]
    first = slots // 4 * 2
    return [first, slots - first]


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
