"""Environment of a configuration: observation, reward, actions and rule of its policy."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Float32, Floats
from tercel.core.errors import refuse_if
from tercel.core.extras import given
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.costs import BPS, attribute
from tercel.execution.observation import COSTS, ObservationFunction, is_own_name, observer
from tercel.execution.policies.policy import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import TUNABLE, build
from tercel.execution.strategies.baselines import Peg, PegTouch
from tercel.execution.strategies.event_clock import Guarded
from tercel.execution.strategies.tunable import tuned_parameters
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.user_strategy import located
from tercel.lab.evaluation.episodes import Episodes, Plan, sides_of
from tercel.lab.evaluation.tuning import side_by_side
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.envs import ExecutionVec, MixedVec, RewardWeights, TrainingTerms
from tercel.lab.learning.native.evolution import Population
from tercel.lab.learning.port import Metrics
from tercel.lab.learning.rewards import Reward

# -- user code ------------------------------------------------------------------------------------
# Code of the user's in a training: the observation and the reward that its configuration names.


def observation_of(config: AgentConfig) -> str | ObservationFunction:
    """Observation of the policy: the name of a built-in one, or the user's function.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    name = config.policy.observation
    return _function(config, name, "observation") if is_own_name(name) else name


def reward_of(config: AgentConfig) -> RewardWeights | Reward:
    """Reward of the training: three weighted costs, or the user's function.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    section = config.reward
    if section.own:
        rewarded: Reward = _function(config, section.own, "reward")
        return rewarded
    return RewardWeights(section.execution, section.impact, section.left)


def functions_of(config: AgentConfig) -> dict[str, Any]:
    """The user's functions that it names, by name.

    Raises
    ------
    ConfigError
        A function that is not there.
    """
    known = {config.reward.own: "reward", config.policy.observation: "observation"}
    return {name: _function(config, name, known[name]) for name in config.own_code}


def _function(config: AgentConfig, name: str, what: str) -> Any:
    given = config.given(name)
    return _found(name, what, _written(name)) if given is None else given


def _written(name: str) -> int:
    """When the file that a name says was written: one that was edited since is read again."""
    path = Path(name.rpartition(":")[0])
    return path.stat().st_mtime_ns if path.suffix == ".py" and path.is_file() else 0


@lru_cache(maxsize=32)
def _found(name: str, what: str, written: int) -> Any:
    found = located(name, what)
    refuse_if(
        not callable(found), f"a function for the {what}", f"{name}: {found!r}", "name a function"
    )
    return found


# -- policy ---------------------------------------------------------------------------------------

# Actions that start from a rule.
BASED: Final = ("levers", "override", "residual")


def action_parameters(config: AgentConfig) -> dict[str, Any]:
    """All parameters of the policy's actions, with those tuned for the (first) market."""
    section = config.policy
    behind: dict[str, Any] = {"guard": list(section.guard)} if section.guard else {}
    if section.flow:
        behind["flow"] = {"model": section.flow}
    if section.events:
        behind["events"] = True
    if section.actions == COSTS:
        return behind if section.slices is None else {"slices": section.slices, **behind}
    if section.actions not in BASED:
        return behind
    values: dict[str, float] = dict(section.parameters)
    if section.base in TUNABLE and not config.on_tape:
        values = {**tuned_parameters(config.market.presets[0], section.base), **values}
    more: dict[str, Any] = (
        {"levers": section.levers} if section.actions == "levers" and section.levers else {}
    )
    if section.actions == "residual":
        more |= {
            key: value
            for key in ("dead", "scale", "grains")
            if (value := getattr(section, key)) is not None
        }
    return {"base": section.base, "parameters": values, **more, **behind}


def actions_of(config: AgentConfig) -> ActionSet:
    """The policy's set of actions."""
    return action_set(config.policy.actions, action_parameters(config))


def rule_of(config: AgentConfig) -> Strategy:
    """The rule that the policy is compared with: `validation.rule`, else its base, else peg_behind."""
    parameters = action_parameters(config)
    usual = Guarded.name if config.policy.actions == COSTS else "peg_behind"
    name = config.validation.rule or parameters.get("base", usual)
    return build(name, None, parameters["parameters"] if name == parameters.get("base") else None)


def rule_name(config: AgentConfig) -> str:
    """Name of :func:`rule_of` in messages: that of the tables, else with the parameters that it was given.

    >>> from tercel.lab.learning.agent.config import parse
    >>> [rule_name(parse({"policy": {"base": "peg_behind", "parameters": {"level": k}}}, "")) for k in (0, 2)]
    ['peg_touch', 'peg_behind level 2']
    """
    rule, section = rule_of(config), config.policy
    if rule == Peg(level=0):
        return PegTouch.name
    based = section.actions in BASED and config.validation.rule in ("", section.base)
    return " ".join(
        [
            rule.name,
            *(f"{key} {value:g}" for key, value in (section.parameters if based else {}).items()),
        ]
    )


def strategy_of(config: AgentConfig, policy: PolicyPort) -> PolicyStrategy:
    """A policy as a strategy, with the configuration's observation and actions."""
    section = config.policy
    return PolicyStrategy(
        config.name,
        policy,
        section.actions,
        action_parameters=action_parameters(config),
        observation=observation_of(config),
        stack=section.stack,
    )


# -- arena ----------------------------------------------------------------------------------------
# Arena of an evolution strategy: candidates compared on the same training episodes of every market.

# What an episode costs, in the reward's units, in which own orders were too many to keep.
OVERFLOWED = 1_000.0


class TrainingArena:
    """Training markets of a configuration, on which candidates are compared.

    Parameters
    ----------
    config : AgentConfig
    markets : list of TrainingMarket
    units : sequence of float
        Ticks a lot that count as 1, of each market.
    """

    def __init__(
        self, config: AgentConfig, markets: list[TrainingMarket], units: Sequence[float]
    ) -> None:
        self.config = config
        self.markets = markets
        self.units = tuple(units)
        self.entries = observer(observation_of(config), config.policy.stack).entries
        self.labels = actions_of(config).labels
        shares = [1.0] * len(markets) if config.on_tape else config.market.shares
        self.weights = np.array(shares) / sum(shares)
        self.ranges = config.task.ranges

    def observed(self, policy: Population, seed: int, episodes: int) -> Float32:
        """Observations of `policy` in the first episodes of every market, float32 (n, D)."""
        seen = []
        for market in self.markets:
            running, plan = self._markets(market, episodes), self._plan(market, seed, 0, episodes)
            strategy = strategy_of(self.config, repeated(policy, len(plan)))
            running.start(plan)
            running.pace(gap_of(strategy))
            running.foresee(forecaster_of(strategy))
            while running.working.any():
                obs = strategy.observe(running.view)
                seen.append(obs[running.working])
                running.step(strategy.answer(obs, running.view))
        return np.concatenate(seen)

    def compare(
        self, rows: Sequence[Population], seed: int, first: int, episodes: int
    ) -> tuple[list[Floats], int]:
        """Costs of policies on the episodes from `first` on of every market, and how many decisions that took."""
        found, frames = [], 0
        for market, unit in zip(self.markets, self.units, strict=True):
            costs, decisions = self._compared(
                market, unit, rows, self._plan(market, seed, first, episodes)
            )
            found.append(costs)
            frames += decisions
        return found, frames

    def weighed(self, costs: Sequence[Floats]) -> Floats:
        """Means over episodes, weighed by the markets' shares and stakes, float64 (policies,)."""
        stakes = self.weights * np.array([market.loss_weight for market in self.markets])
        return np.asarray(
            sum(w * cost.mean(axis=1) for w, cost in zip(stakes, costs, strict=True)), np.float64
        )

    def take_metrics(self) -> Metrics:
        """No metrics besides the learner's."""
        return {}

    def _plan(self, market: TrainingMarket, seed: int, first: int, episodes: int) -> Plan:
        """Training episodes, with orders drawn from the configuration's ranges."""
        plan = market.sampler(seed, first, episodes)
        if self.ranges is None:
            return plan
        return self.ranges.drawn(
            plan, market.task, self.ranges.worlds(market.task, len(market.training.worlds_k))[0]
        )

    def _markets(self, market: TrainingMarket, n: int) -> Episodes:
        looks_back = bool(self.config.policy.flow)
        running = Episodes(market.training, market.task, n, run_out=False, looks_back=looks_back)
        if self.ranges is not None:
            running.vary(*self.ranges.worlds(market.task, len(market.training.worlds_k)))
        return running

    def _compared(
        self, market: TrainingMarket, unit: float, rows: Sequence[Population], plan: Plan
    ) -> tuple[Floats, int]:
        """Costs of policies in one market, float64 (policies, pairs), in units; and how many decisions that took."""

        def candidates(some: slice) -> Strategy:
            return strategy_of(self.config, repeated(joined(rows[some]), len(plan)))

        sides, frames = sides_of(plan), 0
        found = []
        for costs, decisions in side_by_side(
            partial(self._markets, market), plan, len(rows), candidates
        ):
            ticks = attribute(costs, None)["is_bps"] / BPS * costs.arrival_mid2 / 2.0
            each = ticks / unit + OVERFLOWED * (costs.overflow > 0)
            found.append(each.reshape(-1, len(plan) // sides, sides).mean(axis=2))
            frames += decisions
        return np.concatenate(found), frames


def joined(rows: Sequence[Population]) -> Population:
    """Policies of several rows as one population."""
    one = rows[0]
    return Population(
        np.concatenate([row.tables for row in rows]), one.seen, one.mean, one.scale, one.clip
    )


def repeated(policy: Population, times: int) -> Population:
    """Each row so many times, one behind the other."""
    return Population(
        np.repeat(policy.tables, times, axis=0), policy.seen, policy.mean, policy.scale, policy.clip
    )


# -- env ------------------------------------------------------------------------------------------

MakeEnv = Callable[[AgentConfig], Any]
CLUSTERS: Final = "tercel.clusters"


def env_of(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec:
    """Training environment of a configuration: its slots, split between its markets."""
    slots, reward = config.learner.markets, config.reward
    refuse_if(
        slots < len(markets),
        f"a slot for each of {len(markets)} markets",
        f"{slots}",
        "raise learner.markets",
    )
    rival = None
    if reward.against:
        rival = rule_of(config) if reward.against == "base" else build(reward.against)
    watched, rewarded = observation_of(config), reward_of(config)
    edges = slot_edges(slots, [1.0] if config.on_tape else config.market.shares)
    parts = [
        ExecutionVec(
            market.training,
            market.task,
            market.sampler,
            edges[i + 1] - edges[i],
            terms=TrainingTerms(config.task.ranges, rival, unit_of(config, market)),
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
    """The same as its learner sees it: an evolution strategy compares whole policies in an arena."""
    if config.learner.algo == "es":
        return TrainingArena(
            config, markets, [unit_of(config, market) * market.loss_weight for market in markets]
        )
    return env_of(config, markets)


def slot_edges(slots: int, weights: Sequence[float]) -> list[int]:
    """First slot of each market, and the end of the last market's slots; every market has at least one.

    >>> slot_edges(10, [2, 1, 1, 1])
    [0, 4, 6, 8, 10]
    """
    edges = [round(slots * sum(weights[:i]) / sum(weights)) for i in range(len(weights) + 1)]
    for i in range(1, len(edges)):
        edges[i] = min(max(edges[i], edges[i - 1] + 1), slots - (len(weights) - i))
    return edges


def unit_of(config: AgentConfig, market: TrainingMarket) -> float:
    """Ticks per lot that make a reward of 1."""
    return (market.spread if config.reward.unit == "spread" else 1.0) / market.loss_weight


def clusters() -> Any:
    """Interface to a Ray cluster: it divides the slots of a training into shards, and its workers act and validate.

    An installed package gives it by the entry point ``ray`` of ``tercel.clusters``, as `tercel-studies` does: an object with
    ``with_shards``, ``in_shards``, ``spread`` and ``on_cluster``.

    Raises
    ------
    ConfigError
        No such package is installed.
    """
    return given(CLUSTERS, "ray", "tercel-studies", "scale")
