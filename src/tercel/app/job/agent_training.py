"""One training of an agent: a configuration, a seed, a folder with metrics, checkpoints and at last a policy.

    config.json      what was told, whole
    metrics.csv      a row an update: losses, costs term by term
    validation.csv   a row a look: the greedy policy beside the rule on episodes that are not trained on
    checkpoint/      the learner's state: a stopped training goes on from it
    policy/          the best policy by validation, with its card
    run.json         what became of it
    report.html      the same as pictures

`run_training` needs of its environment no more than the learner does: `make_env` may be replaced by one that spreads
the slots over machines.
"""

import json
import time
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, cast

from tercel import __version__
from tercel.app.job.agent_average import Average
from tercel.app.job.agent_config import AgentConfig, LearnerSection, nearest
from tercel.app.job.agent_market import TrainingMarket, markets_of
from tercel.app.job.agent_sb3 import SB3, sb3_learner, sb3_settings
from tercel.app.job.agent_validation import Look, Validator
from tercel.core.errors import ConfigError
from tercel.execution.actions import ActionSet, action_set
from tercel.execution.observers import observer
from tercel.execution.policies.card import Card
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.policy import Policy, save_policy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import TUNABLE, build
from tercel.execution.strategies.tuned import tuned_parameters
from tercel.execution.strategy import Strategy
from tercel.learning.checkpoint import load_checkpoint, save_checkpoint
from tercel.learning.demonstrate import demonstrations
from tercel.learning.envs import RewardWeights
from tercel.learning.metrics import MetricsLog
from tercel.learning.mixed import Drawn, MixedVec
from tercel.learning.native.dqn import Dqn, DqnSettings
from tercel.learning.native.ppo import Ppo, PpoSettings
from tercel.learning.port import Learner, Metrics, train
from tercel.learning.risk import Measure, Risk
from tercel.learning.sb3.settings import Sb3Settings

FILE: Final = "config.json"
RESULT: Final = "run.json"
LOOKS: Final = "validation.csv"
UPDATES_A_CHECKPOINT: Final = 10
RULE_FIRST: Final = 0.6
"""Probability of the rule in every state before an `override` policy has learned; greedily it is the rule."""
MakeEnv = Callable[[AgentConfig], Any]


def action_parameters(config: AgentConfig) -> dict[str, Any]:
    """Parameters of the policy's actions, whole: what is tuned for the (first) market is written out."""
    told = config.policy
    if told.actions not in ("levers", "override", "residual"):
        return {}
    values: dict[str, float] = dict(told.parameters)
    if told.base in TUNABLE and not config.on_tape:
        values = {**tuned_parameters(config.market.presets[0], told.base), **values}
    more: dict[str, Any] = {"levers": told.levers} if told.actions == "levers" and told.levers else {}
    if told.actions == "residual" and told.dead is not None:
        more["dead"] = told.dead
    return {"base": told.base, "parameters": values, **more}


def actions_of(config: AgentConfig) -> ActionSet:
    """The policy's set of actions."""
    return action_set(config.policy.actions, action_parameters(config))


def rule_of(config: AgentConfig) -> Strategy:
    """The written strategy that stands beside the policy: `validation.rule`, else its base, else peg_behind."""
    told = action_parameters(config)
    name = config.validation.rule or told.get("base", "peg_behind")
    return build(name, None, told["parameters"] if name == told.get("base") else None)


def make_env(config: AgentConfig) -> MixedVec:
    """Where a configuration's learner acts: its slots, split between its markets."""
    return env_of(config, markets_of(config))


def env_of(config: AgentConfig, markets: list[TrainingMarket]) -> MixedVec:
    """The same of markets that are built already."""
    slots, reward = config.learner.markets, config.reward
    if slots < len(markets):
        raise ConfigError(f"a slot for each of {len(markets)} markets", f"{slots}", "raise learner.markets")
    rival = None
    if reward.against:
        rival = rule_of(config) if reward.against == "base" else build(reward.against)
    edges = [round(i * slots / len(markets)) for i in range(len(markets) + 1)]
    parts = [
        Drawn(
            market.training,
            market.task,
            market.sampler,
            edges[i + 1] - edges[i],
            ranges=config.task.ranges,
            rival=rival,
            unit=unit_of(config, market),
            actions=config.policy.actions,
            weights=RewardWeights(reward.execution, reward.impact, reward.left),
            action_parameters=action_parameters(config),
            observation=config.policy.observation,
            stack=config.policy.stack,
        )
        for i, market in enumerate(markets)
    ]
    return MixedVec(parts, [market.name for market in markets])


def part_of(config: AgentConfig, slots: int) -> MixedVec:
    """The environment of `config` with that many slots: what a shard is."""
    learner = config.learner.model_copy(update={"markets": slots})
    markets = _built(config.model_copy(update={"learner": LearnerSection()}).model_dump_json())
    return env_of(config.model_copy(update={"learner": learner}), markets)


@lru_cache(maxsize=1)
def _built(told: str) -> list[TrainingMarket]:
    """Markets that all shards of a process act in."""
    return markets_of(AgentConfig.model_validate_json(told))


def in_shards(config: AgentConfig) -> Any:
    """Its slots in `learner.shards` shards, all of them here."""
    from tercel.learning.ray import sharded_env

    return sharded_env(partial(part_of, config), config.learner.markets, config.learner.shards)


def risk_of(config: AgentConfig) -> Risk:
    """What the learner minimises; the mean cost where it knows no other objective."""
    settings = learner_settings(config)
    if isinstance(settings, PpoSettings | DqnSettings):
        return Risk(settings.risk_aversion, cast(Measure, settings.risk_measure), settings.risk_level)
    return Risk()


def unit_of(config: AgentConfig, market: TrainingMarket) -> float:
    """Ticks per lot that count as a reward of 1."""
    return market.spread if config.reward.unit == "spread" else 1.0


def learner_settings(config: AgentConfig) -> PpoSettings | DqnSettings | Sb3Settings:
    """Settings of the learner; those that anneal do so over the whole training unless told otherwise.

    Raises
    ------
    ConfigError
        A setting that the learner does not have (the nearest is offered), or a value that it refuses.
    """
    if config.learner.algo.startswith(SB3):
        return sb3_settings(config, actions_of(config))
    told, kind = config.learner, PpoSettings if config.learner.algo == "ppo" else DqnSettings
    known = sorted(field.name for field in fields(kind))
    given = {"hidden": config.policy.hidden, "anneal_frames": told.frames, **told.settings}
    if config.reward.risk_aversion:
        given["risk_aversion"] = config.reward.risk_aversion
    for name in given:
        if name not in known:
            remedy = f"did you mean {nearest(name, known)!r}?"
            raise ConfigError(f"settings that {told.algo} has: {', '.join(known)}", f"learner.{name}", remedy)
    actions = actions_of(config)
    if kind is PpoSettings and actions.continuous:
        given.setdefault("distribution", "logistic_normal" if actions.name == "allocation" else "gaussian")
    if kind is PpoSettings and actions.name == "override":
        others = (1.0 - RULE_FIRST) / (actions.size - 1)
        given.setdefault("start", (RULE_FIRST, *(others,) * (actions.size - 1)))
    try:
        return kind(**given)
    except TypeError as error:
        raise ConfigError(f"settings of {told.algo}", f"{given} ({error})", "correct the section [learner]") from None


def make_learner(config: AgentConfig, env: Any, seed: int) -> Learner:
    """The learner at its start.

    Raises
    ------
    ConfigError
        Settings that it does not take, or actions that it cannot learn.
    """
    settings = learner_settings(config)
    if isinstance(settings, Sb3Settings):
        return sb3_learner(settings, env, seed)
    if isinstance(settings, PpoSettings):
        return Ppo(env, settings, seed)
    if actions_of(config).continuous:
        raise ConfigError("discrete actions for dqn", config.policy.actions, "use --algo ppo, or actions such as sized")
    return Dqn(env, settings, seed)


def strategy_of(config: AgentConfig, policy: Policy) -> PolicyStrategy:
    """A policy with the configuration's eyes and hands."""
    told = config.policy
    return PolicyStrategy(
        config.name,
        policy,
        told.actions,
        action_parameters=action_parameters(config),
        observation=told.observation,
        stack=told.stack,
    )


class Training:
    """A training under way; :func:`run_training` is its use.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        Its run folder; what is there is gone on with.
    seed : int
    make : callable
        Makes the environment from the configuration.
    """

    def __init__(self, config: AgentConfig, folder: Path, seed: int, make: MakeEnv | None = None) -> None:
        self.config, self.folder, self.seed = config, folder, seed
        folder.mkdir(parents=True, exist_ok=True)
        self.markets = markets_of(config)
        if make is None and config.learner.shards:
            make = in_shards
        self.env = env_of(config, self.markets) if make is None else make(config)
        self.agent = make_learner(config, self.env, seed)
        units = [unit_of(config, market) for market in self.markets]
        self.validator = Validator(self.markets, rule_of(config), risk_of(config), units)
        state = load_checkpoint(folder / "checkpoint")
        self.average = Average()
        if state is not None:
            self.average.restore(state.pop("average", self.average.state()))
            self.agent.restore(state)
        self.log = MetricsLog(folder / "metrics.csv", frames=self.agent.frames)
        self.looks = MetricsLog(folder / LOOKS, frames=self.agent.frames if state is not None else 0)
        self.every = config.validation.every or max(config.learner.frames // 10, 1)
        self.began = time.monotonic()
        if state is None:
            self._imitate()
            self.look()

    @property
    def best(self) -> Metrics | None:
        """The look at which the kept policy was taken."""
        rows = [row for row in self.looks.rows if row["frames"] >= self._late or row["frames"] == 0]
        return max(rows, key=lambda row: row["merit"]) if rows else None

    @property
    def _late(self) -> float:
        """Frames from which policies are kept and averaged."""
        return self.config.validation.keep_from * self.config.learner.frames

    def _imitate(self) -> None:
        """Clone the teacher before learning, where the configuration asks for it."""
        told = self.config.start
        if not told.clone:
            return
        if not isinstance(self.agent, Ppo):
            raise ConfigError("cloning with ppo", self.config.learner.algo, "set start.clone = 0")
        here = self.env if isinstance(self.env, MixedVec) else env_of(self.config, self.markets)
        obs, actions = demonstrations(here, build(told.teacher), told.clone, self.seed)
        from tercel.learning.native.clone import clone

        clone(self.agent, obs, actions)
        self.agent._begin(self.env.reset(self.seed))

    def on_update(self, metrics: Metrics) -> None:
        """Log a row, look at the policy where that is due, let the curriculum go on."""
        seconds = time.monotonic() - self.began
        self.log.add({**metrics, **self.env.take_metrics(), "seconds": seconds})
        if hasattr(self.env, "progress"):
            self.env.progress(self.agent.frames)
        last = self.looks.rows[-1]["frames"] if self.looks.rows else -self.every
        over = self.agent.frames >= self.config.learner.frames
        if self.agent.frames - last >= self.every or over:
            self.look()
        policy = self.agent.policy() if self.agent.frames >= self._late else None
        if isinstance(policy, MlpPolicy):
            self.average.add(policy)
            if over:
                self.look(averaged=True)

    def look(self, averaged: bool = False) -> Look:
        """Judge the greedy policy, or the mean of the late ones, on the validation episodes; keep the best so far."""
        policy = self.agent.policy()
        if averaged and isinstance(policy, MlpPolicy):
            policy = self.average.policy(policy)
        best, look = self.best, self.validator.look(strategy_of(self.config, policy), self.agent.frames)
        look.row["averaged"] = float(averaged)
        self.looks.add(look.row)
        if best is None or self.best is self.looks.rows[-1]:
            save_policy(self.folder / "policy", policy, self.card(look))
        return look

    def card(self, look: Look) -> Card:
        """What is said of the policy as it stands."""
        told, task = self.config, self.markets[0].task
        policy, watched = self.agent.policy(), observer(told.policy.observation, told.policy.stack)
        looked = len(self.looks.rows)
        return Card(
            name=told.name,
            observes=watched.entries,
            actions=told.policy.actions,
            n_actions=policy.n_actions,
            head=policy.head,
            action_parameters=action_parameters(told),
            observation=watched.name,
            stack=watched.stack,
            limits=told.task.model_dump() | {"markets": [market.name for market in self.markets]},
            task=dict(task.to_dict()),
            trained_on=self.trained_on,
            seed=self.seed,
            frames=self.agent.frames,
            learner={"name": self.agent.name, "looks": looked, "variants": told.guards.variants + looked - 1},
            scores={"validation": look.row},
            version=__version__,
        )

    @property
    def trained_on(self) -> dict[str, Any]:
        """Markets, days and streams."""
        facts: dict[str, Any] = dict(self.markets[0].facts)
        if len(self.markets) > 1:
            facts = {"markets": [market.name for market in self.markets], "regimes": self.config.market.regimes}
        return {**facts, "seed": self.seed, "streams": "negative seeds alone"}

    def finish(self, done: bool) -> dict[str, Any]:
        """Write and return what became of it."""
        best = self.best or {}
        looked = len(self.looks.rows)
        result = {
            "name": self.config.name,
            "seed": self.seed,
            "done": done,
            "frames": self.agent.frames,
            "policy": str(self.folder / "policy"),
            "best": best,
            "rule": self.validator.rule.name,
            "looks": looked,
            "variants": self.config.guards.variants + looked - 1,
            "trained_on": self.trained_on,
            "version": __version__,
        }
        aside = self.folder / f".{RESULT}.part"
        aside.write_text(json.dumps(result, indent=1) + "\n")
        aside.replace(self.folder / RESULT)
        return result


def run_training(
    config: AgentConfig,
    folder: Path,
    seed: int,
    *,
    make: MakeEnv | None = None,
    on_row: Callable[[Metrics, Metrics | None], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Train, or go on training, until the policy is there.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        The run folder; made if need be.
    seed : int
        Of weights, noise and training episodes.
    make : callable, optional
        Another :func:`make_env`.
    on_row : callable, optional
        Receives each row of metrics and the best look so far.
    stop : callable, optional
        Asked between updates; the state is kept when it says so.

    Returns
    -------
    dict
        As `run.json` holds it; ``done`` False when `stop` said so.
    """
    training = Training(config, folder, seed, make)

    def on_update(metrics: Metrics) -> None:
        training.on_update(metrics)
        if on_row is not None:
            on_row(training.log.rows[-1], training.best)

    def keep(state: Any) -> None:
        save_checkpoint(folder / "checkpoint", {**state, "average": training.average.state()})

    done = train(training.agent, config.learner.frames, on_update, keep, UPDATES_A_CHECKPOINT, stop)
    return training.finish(done)


def with_algo(config: AgentConfig, algo: str) -> AgentConfig:
    """The same with another learner, whose own settings are its defaults, over actions that it can learn."""
    if algo == config.learner.algo:
        return config
    plain = {"algo": algo, "frames": config.learner.frames, "markets": config.learner.markets}
    learner = LearnerSection.model_validate(plain)
    policy = config.policy
    if algo.endswith("dqn") and actions_of(config).continuous:
        policy = policy.model_copy(update={"actions": "sized", "base": "score_rule", "parameters": {}, "levers": {}})
    return config.model_copy(update={"learner": learner, "policy": policy})
