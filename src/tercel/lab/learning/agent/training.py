"""Run a training of an agent: updates, validation checks, checkpoints, and the selected policy with its card.

`run_training` needs of its environment no more than the learner does: learning_env may be replaced by one that spreads
the slots over machines.

The run folder:

    config.json      the configuration, with hashes of the markets and functions that it names
    metrics.csv      one row per update: losses, costs term by term
    validation.csv   one row per check: the greedy policy beside the rule on validation episodes
    checkpoint/      the learner's state: a stopped training resumes from it
    policy/          the best policy by validation, with its card
    last/            the policy of the last check: the mean of the late weights, not selected
    run.json         the result (`TrainingResult`)
    report.html      the result as figures
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tercel import __version__
from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.core.files import write_atomic
from tercel.core.grouping import group_values
from tercel.core.serialization import to_jsonable
from tercel.execution.decoders import OVERRIDE_LABELS
from tercel.execution.observation import observer
from tercel.execution.policies.calm_observations import OBSERVATIONS
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.folder import CARD, save_policy
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.policies.training_outcome import Confirmation, ValidationCheck
from tercel.lab.evaluation.calm_observations import observe_plans
from tercel.lab.evaluation.training_files import SWEEP, variants_in
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.env import MakeEnv, clusters, learning_env, unit_of
from tercel.lab.learning.agent.learner import learner_settings, make_learner, risk_of
from tercel.lab.learning.agent.market import TrainingMarket, build_training_markets
from tercel.lab.learning.agent.policy_parts import (
    action_parameters,
    observation_of,
    rule_name,
    rule_of,
    strategy_of,
)
from tercel.lab.learning.agent.run_folder import (
    CHECK_COLUMNS,
    CHECKS,
    LAST,
    POLICY,
    RESULT,
    UPDATES_A_CHECKPOINT,
    TrainingResult,
)
from tercel.lab.learning.agent.start import start_of, with_start
from tercel.lab.learning.agent.validation import Validator
from tercel.lab.learning.checkpoint import load_checkpoint, save_checkpoint
from tercel.lab.learning.metrics import MetricsLog
from tercel.lab.learning.port import Metrics, State, train
from tercel.market.regimes.named import PLAIN

# Observation of a policy that is the start of its training.
START_OBSERVATION: Final = "v2"


def variants_tried(config: AgentConfig) -> int:
    """Number of recipes tried before this one was selected, this one included (`guards.variants` or `guards.sweep`).

    Raises
    ------
    ConfigError
        A sweep that is not there, and no number either.
    """
    section = config.guards
    if not section.sweep:
        return section.variants
    swept = variants_in(Path(section.sweep))
    refuse_if(
        swept is None and section.variants == 1,
        "the folder of a sweep as guards.sweep",
        f"{section.sweep}, without {SWEEP}",
        "name its folder, or say guards.variants",
    )
    return max(swept or 1, section.variants)


def rule_policy(actions: int, observation: str) -> MlpPolicy:
    """Policy that takes action 0 of so many, the rule's, whatever it observes.

    >>> rule_policy(3, "v2").act(np.ones((2, observer("v2").size), np.float32)).tolist()
    [0, 0]
    """
    size = observer(observation).size
    layer = np.zeros((size, actions), np.float32), np.eye(1, actions, dtype=np.float32)[0]
    return MlpPolicy((layer,), np.zeros(size, np.float32), np.ones(size, np.float32))


class WeightAverage:
    """Running mean of a policy's weights over the last part of a training.

    Near its end the weights walk about where the objective is flat, pushed by the noise of single batches; their mean
    lies nearer to the middle of that place than any one of them (Polyak and Juditsky 1992; Izmailov et al. 2018,
    "Averaging weights leads to wider optima and better generalization").

    >>> one = MlpPolicy(((np.eye(2, dtype=np.float32), np.ones(2, np.float32)),), np.zeros(2), np.ones(2))
    >>> two = MlpPolicy(((3 * np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),), np.zeros(2), np.ones(2))
    >>> average = WeightAverage()
    >>> average.add(one), average.add(two)
    (None, None)
    >>> average.policy(two).layers[0][0].diagonal().tolist(), average.policy(two).layers[0][1].tolist()
    ([2.0, 2.0], [0.5, 0.5])
    """

    def __init__(self) -> None:
        """Start with no policies."""
        self.count = 0
        self._sums: list[Floats] = []

    def add(self, policy: MlpPolicy) -> None:
        """Add the weights of one policy."""
        parts = [part for layer in policy.layers for part in layer]
        if not self._sums:
            self._sums = [np.zeros(part.shape) for part in parts]
        for number, part in enumerate(parts):
            self._sums[number] += part
        self.count += 1

    def policy(self, latest: MlpPolicy) -> MlpPolicy:
        """Policy of the mean weights, with the normalisation of the latest."""
        means = [(total / self.count).astype(np.float32) for total in self._sums]
        return replace(latest, layers=tuple(zip(means[::2], means[1::2], strict=True)))

    def state(self) -> State:
        """Sums and count for :meth:`restore`."""
        return {"count": self.count, "sums": [total.copy() for total in self._sums]}

    def restore(self, state: State) -> None:
        """Restore the mean from `state`."""
        self.count = int(state["count"])
        self._sums = [np.array(total, np.float64) for total in state["sums"]]


class Training:
    """A training in progress, used by :func:`run_training`: learner, validation, checkpoints, cards.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        Its run folder; an existing training in it continues.
    seed : int
    make : callable or None
        Makes the environment from the configuration.
    markets : list of TrainingMarket
        Those that it names.
    """

    def __init__(
        self,
        config: AgentConfig,
        folder: Path,
        seed: int,
        make: MakeEnv | None,
        markets: list[TrainingMarket],
    ) -> None:
        """Set up learner, validation and logs of a training in its run folder; resume from a checkpoint, or check and
        save the untrained policy.
        """
        self.config = config
        self.folder = folder
        self.seed = seed
        folder.mkdir(parents=True, exist_ok=True)
        self.markets = markets
        self.start = start_of(config, folder, markets) if config.from_best else None
        if self.start is not None:
            self.config = config = with_start(config, self.start)
        if make is None and config.learner.shards:
            make = clusters().in_shards
        self.env = learning_env(config, markets) if make is None else make(config)
        self.agent = make_learner(config, self.env, seed)
        units = [unit_of(config, market) for market in markets]
        shares = () if config.on_tape else config.market.shares
        self.rule = rule_of(config) if self.start is None else self.start.chosen.strategy
        self.validator = Validator(markets, self.rule, risk_of(config), units, shares)
        state = load_checkpoint(folder / "checkpoint")
        self.average = WeightAverage()
        self.confirmation: Confirmation | None = None
        if state is not None:
            self.average.restore(state.pop("average", self.average.state()))
            self.agent.restore(state)
        self.log = MetricsLog(folder / "metrics.csv", frames=self.agent.frames)
        self.checks = MetricsLog(
            folder / CHECKS,
            frames=self.agent.frames if state is not None else 0,
            needs=CHECK_COLUMNS,
        )
        self.every = config.validation.every or max(config.learner.frames // 10, 1)
        self.began = time.monotonic()
        if state is None:
            self.check()

    @property
    def best(self) -> Metrics | None:
        """Metrics of the check at which the selected policy was saved, of the start where it was kept; None before the first."""
        if self.start is not None and self.confirmation and not self.confirmation.is_gain:
            first = self.checks.rows[0]
            start_bps = first["rule_bps"]
            return dict.fromkeys(first, 0.0) | {"is_bps": start_bps, "rule_bps": start_bps}
        rows = [
            row
            for row in self.checks.rows
            if row["frames"] >= self._selection_from or row["frames"] == 0
        ]
        return max(rows, key=lambda row: row["merit"]) if rows else None

    @property
    def notable_checks(self) -> dict[str, Metrics]:
        """Metrics of the check before learning (`start`), and of the best check that may be selected instead
        (`best_checkpoint`).
        """
        rows = [row for row in self.checks.rows if row["frames"] >= max(self._selection_from, 1)]
        checkpoint = {"best_checkpoint": max(rows, key=lambda row: row["merit"])} if rows else {}
        return {"start": self.checks.rows[0], **checkpoint} if self.checks.rows else {}

    @property
    def _selection_from(self) -> float:
        """Number of frames from which policies are selected and averaged."""
        return self.config.validation.keep_from * self.config.learner.frames

    def on_update(self, metrics: Metrics) -> None:
        """Log a row of metrics, check the policy when that is due, and advance the curriculum."""
        row = {**metrics, **self.env.take_metrics(), "seconds": time.monotonic() - self.began}
        self.log.add(row)
        if hasattr(self.env, "progress"):
            self.env.progress(self.agent.frames)
        last = self.checks.rows[-1]["frames"] if self.checks.rows else -self.every
        is_last = self.agent.frames >= self.config.learner.frames
        if self.agent.frames - last >= self.every or is_last:
            self.check()
        policy = self.agent.policy() if self.agent.frames >= self._selection_from else None
        if isinstance(policy, MlpPolicy):
            self.average.add(policy)
            if is_last:
                self.check(averaged=True)

    def check(self, averaged: bool = False) -> None:
        """Check the greedy policy (`averaged`: the mean of the weights) on the validation episodes; saves the best so far.

        At the end of the training the policy is saved as the last one, too.
        """
        policy = self.agent.policy()
        if averaged and isinstance(policy, MlpPolicy):
            policy = self.average.policy(policy)
        best = self.best
        check = self.validator.check(strategy_of(self.config, policy), self.agent.frames)
        check["averaged"] = float(averaged)
        self.checks.add(check)
        if best is None or self.best is self.checks.rows[-1]:
            save_policy(self.folder / POLICY, policy, self.card(check))
        if self.agent.frames >= self.config.learner.frames:
            save_policy(self.folder / LAST, policy, self.card(check))

    def card(self, check: Metrics) -> Card:
        """Card of the current policy, with the scores of the validation check `check`."""
        config = self.config
        policy = self.agent.policy()
        encoder = observer(observation_of(config), config.policy.stack)
        return Card(
            name=config.name,
            observes=encoder.entries,
            actions=config.policy.actions,
            n_actions=policy.n_actions,
            head=policy.head,
            action_parameters=action_parameters(config),
            observation=encoder.name,
            observation_answers=encoder.answers,
            stack=encoder.stack,
            limits=config.task.model_dump() | {"markets": self._names},
            task=dict(self.markets[0].task.to_dict()),
            trained_on=self.trained_on,
            seed=self.seed,
            frames=self.agent.frames,
            learner={
                "name": self.agent.name,
                **self._counts,
                **({"reward": config.reward.own} if config.reward.own else {}),
            },
            scores={"validation": check},
            version=__version__,
        )

    @property
    def _names(self) -> list[str]:
        """Distinct names of the training markets."""
        return list(dict.fromkeys(market.name for market in self.markets))

    @property
    def trained_on(self) -> dict[str, Any]:
        """Markets, days and streams of the training, for the card."""
        facts: dict[str, Any] = dict(self.markets[0].facts)
        if len(self.markets) > 1:
            facts = {
                "markets": self._names,
                "regimes": ", ".join(law or PLAIN.name for law in self.config.market.laws),
            }
            days = group_values(
                (str(market.facts["symbol"]), market.facts["trained on"])
                for market in self.markets
                if "symbol" in market.facts
            )
            facts |= {"trained on": days} if days else {}
        return {**facts, "seed": self.seed, "streams": "negative seeds alone"}

    def _confirm(self) -> None:
        """Hold the selected policy against the start, or the rule that was named, on episodes that chose nothing; unless it is
        cheaper by its interval, the start is the policy.
        """
        start = self.start
        episodes = [replace(market, plan=market.confirmation) for market in self.markets]
        row = Validator(episodes, self.rule).check(self._selected_strategy(), 0)
        check = msgspec.convert(row, ValidationCheck)
        low, high = check.interval()
        self.confirmation = Confirmation(
            start=rule_name(self.config) if start is None else start.chosen.name,
            frames=read_card(self.folder / POLICY / CARD).frames,
            gain=check.gain,
            low=low,
            high=high,
            episodes=sum(len(market.confirmation) for market in self.markets),
            is_named=start is None,
        )
        if start is None or self.confirmation.is_gain:
            return
        policy = rule_policy(len(OVERRIDE_LABELS), START_OBSERVATION)
        card = replace(
            self.card(self.best or {}),
            observes=observer(START_OBSERVATION).entries,
            actions="override",
            n_actions=policy.n_actions,
            head=policy.head,
            action_parameters=start.chosen.base,
            observation=START_OBSERVATION,
            stack=1,
            frames=0,
        )
        save_policy(self.folder / POLICY, policy, card)

    def _selected_strategy(self) -> PolicyStrategy:
        """The policy that was selected, as a strategy."""
        observation = observation_of(self.config)
        return policy_strategy(
            self.folder / POLICY,
            own_observation=None if isinstance(observation, str) else observation,
        )

    @property
    def _counts(self) -> dict[str, int]:
        """Number of checks so far, and of variants: recipes tried before, plus every further check."""
        checks = len(self.checks.rows)
        return {"looks": checks, "variants": variants_tried(self.config) + checks - 1}

    def _write_counts(self) -> None:
        """Write final counts of checks and variants, and the notable checks, into the cards of the saved policies."""
        for path in (self.folder / POLICY / CARD, self.folder / LAST / CARD):
            if not path.exists():
                continue
            card = read_card(path)
            confirmed = self.confirmation and {"confirmation": vars(self.confirmation)}
            changed = replace(
                card,
                learner={**card.learner, **self._counts},
                scores={**card.scores, **self.notable_checks, **(confirmed or {})},
            )
            write_atomic(path, changed.to_json())

    def _observe(self) -> None:
        """Write figures of what the selected policy observes on validation episodes beside its card."""
        strategy = self._selected_strategy()
        plans = [(market.validation, market.task, market.plan) for market in self.markets]
        command = f"training {self.config.name}, seed {self.seed}"
        observations = observe_plans(plans, strategy, ", ".join(self._names), command)
        write_atomic(self.folder / POLICY / OBSERVATIONS, observations.to_json())

    def finish(self, done: bool) -> TrainingResult:
        """Write and return the result of the training; `done`: whether all its frames are taken."""
        learned = self.start is not None or (self.best or {}).get("frames", 0.0) > 0.0
        if done and learned and not self.config.reward.risk_aversion:
            self._confirm()
        self._write_counts()
        if done:
            self._observe()
        looks, variants = self._counts.values()
        result = TrainingResult(
            name=self.config.name,
            seed=self.seed,
            done=done,
            frames=self.agent.frames,
            policy=str(self.folder / POLICY),
            best=self.best or {},
            rule=rule_name(self.config) if self.start is None else self.start.chosen.name,
            trained_on=self.trained_on,
            version=__version__,
            start=self.notable_checks.get("start"),
            best_checkpoint=self.notable_checks.get("best_checkpoint"),
            confirmation=self.confirmation,
            looks=looks,
            variants=variants,
        )
        write_atomic(
            self.folder / RESULT, json.dumps(to_jsonable(result.json_fields()), indent=1) + "\n"
        )
        return result


def run_training(
    config: AgentConfig,
    folder: Path,
    seed: int,
    *,
    make: MakeEnv | None = None,
    on_row: Callable[[Metrics, Metrics | None], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Run a training, or resume it, until its policy is saved; returns the result.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        The run folder; made if need be.
    seed : int
        Of weights, noise and training episodes.
    make : callable, optional
        Another :func:learning_env.
    on_row : callable, optional
        Receives each row of metrics and the best look so far.
    stop : callable, optional
        Called between updates; when it is true the state is saved and the training ends.

    Returns
    -------
    TrainingResult
        ``done`` False when `stop` said so.
    """
    learner_settings(config)  # refused before anything is built
    training = Training(config, folder, seed, make, build_training_markets(config))

    def on_update(metrics: Metrics) -> None:
        """Pass a row of metrics to the training, then to the caller's `on_row`."""
        training.on_update(metrics)
        if on_row is not None:
            on_row(training.log.rows[-1], training.best)

    def keep(state: Any) -> None:
        """Save a checkpoint of the learner with the weight average."""
        save_checkpoint(folder / "checkpoint", {**state, "average": training.average.state()})

    done = train(training.agent, config.learner.frames, on_update, keep, UPDATES_A_CHECKPOINT, stop)
    return training.finish(done)
