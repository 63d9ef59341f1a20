"""One training of an agent: a configuration, a seed, a folder (`run_folder`), at last a policy.

`run_training` needs of its environment no more than the learner does: `learned_in` may be replaced by one that spreads
the slots over machines.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tercel import __version__
from tercel.core.arrays import Floats
from tercel.core.files import write_whole
from tercel.execution.observation import observer
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.policy import CARD, OBSERVATIONS, save_policy
from tercel.execution.policies.strategy import policy_strategy
from tercel.lab.evaluation.experiment import observed_in
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.env import MakeEnv, in_shards, learned_in, unit_of
from tercel.lab.learning.agent.learner import learner_settings, make_learner, risk_of
from tercel.lab.learning.agent.market import TrainingMarket, Validator, markets_of
from tercel.lab.learning.agent.policy import (
    action_parameters,
    eyes_of,
    rule_name,
    rule_of,
    strategy_of,
)
from tercel.lab.learning.agent.run_folder import (
    CHECK_COLUMNS,
    CHECKS,
    LAST,
    POLICY,
    UPDATES_A_CHECKPOINT,
    variants_tried,
    write_result,
)
from tercel.lab.learning.checkpoint import MetricsLog, load_checkpoint, save_checkpoint
from tercel.lab.learning.port import Metrics, State, train
from tercel.market.regimes.law import PLAIN


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
        """State for a resume."""
        return {"count": self.count, "sums": [total.copy() for total in self._sums]}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the mean from `state`."""
        self.count = int(state["count"])
        self._sums = [np.array(total, np.float64) for total in state["sums"]]


class Training:
    """A training under way; :func:`run_training` is its use.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        Its run folder; what is there is gone on with.
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
        self.config = config
        self.folder = folder
        self.seed = seed
        folder.mkdir(parents=True, exist_ok=True)
        self.markets = markets
        if make is None and config.learner.shards:
            make = in_shards
        self.env = learned_in(config, markets) if make is None else make(config)
        self.agent = make_learner(config, self.env, seed)
        units = [unit_of(config, market) for market in markets]
        shares = () if config.on_tape else config.market.shares
        self.validator = Validator(markets, rule_of(config), risk_of(config), units, shares)
        state = load_checkpoint(folder / "checkpoint")
        self.average = WeightAverage()
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
        """The look at which the kept policy was taken."""
        rows = [
            row for row in self.checks.rows if row["frames"] >= self._late or row["frames"] == 0
        ]
        return max(rows, key=lambda row: row["merit"]) if rows else None

    @property
    def apart(self) -> dict[str, Metrics]:
        """The look before learning, and the best of those whose policy may be kept in its place."""
        rows = [row for row in self.checks.rows if row["frames"] >= max(self._late, 1)]
        late = {"best_checkpoint": max(rows, key=lambda row: row["merit"])} if rows else {}
        return {"start": self.checks.rows[0], **late} if self.checks.rows else {}

    @property
    def _late(self) -> float:
        """Frames from which policies are kept and averaged."""
        return self.config.validation.keep_from * self.config.learner.frames

    def on_update(self, metrics: Metrics) -> None:
        """Log a row, look at the policy where that is due, let the curriculum go on."""
        seconds = time.monotonic() - self.began
        self.log.add({**metrics, **self.env.take_metrics(), "seconds": seconds})
        if hasattr(self.env, "progress"):
            self.env.progress(self.agent.frames)
        last = self.checks.rows[-1]["frames"] if self.checks.rows else -self.every
        over = self.agent.frames >= self.config.learner.frames
        if self.agent.frames - last >= self.every or over:
            self.check()
        policy = self.agent.policy() if self.agent.frames >= self._late else None
        if isinstance(policy, MlpPolicy):
            self.average.add(policy)
            if over:
                self.check(averaged=True)

    def check(self, averaged: bool = False) -> None:
        """Judge the greedy policy, or the mean of the late ones, on the validation episodes; keep the best so far."""
        policy = self.agent.policy()
        if averaged and isinstance(policy, MlpPolicy):
            policy = self.average.policy(policy)
        best, check = (
            self.best,
            self.validator.check(strategy_of(self.config, policy), self.agent.frames),
        )
        check["averaged"] = float(averaged)
        self.checks.add(check)
        if best is None or self.best is self.checks.rows[-1]:
            save_policy(self.folder / POLICY, policy, self.card(check))
        if self.agent.frames >= self.config.learner.frames:
            save_policy(self.folder / LAST, policy, self.card(check))

    def card(self, check: Metrics) -> Card:
        """Card of the policy as it stands."""
        config, task = self.config, self.markets[0].task
        policy, watched = self.agent.policy(), observer(eyes_of(config), config.policy.stack)
        return Card(
            name=config.name,
            observes=watched.entries,
            actions=config.policy.actions,
            n_actions=policy.n_actions,
            head=policy.head,
            action_parameters=action_parameters(config),
            observation=watched.name,
            stack=watched.stack,
            limits=config.task.model_dump() | {"markets": self._names},
            task=dict(task.to_dict()),
            trained_on=self.trained_on,
            seed=self.seed,
            frames=self.agent.frames,
            learner={
                "name": self.agent.name,
                **self._counted,
                **({"reward": config.reward.own} if config.reward.own else {}),
            },
            scores={"validation": check},
            version=__version__,
        )

    @property
    def _names(self) -> list[str]:
        """The markets, each once."""
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
            days: dict[str, list[object]] = {}
            for one in self.markets:
                if "symbol" in one.facts:
                    days.setdefault(str(one.facts["symbol"]), []).append(one.facts["trained on"])
            facts |= {"trained on": days} if days else {}
        return {**facts, "seed": self.seed, "streams": "negative seeds alone"}

    @property
    def _counted(self) -> dict[str, int]:
        """Looks so far, and with the recipes tried before as many chances to be lucky."""
        checks = len(self.checks.rows)
        return {"looks": checks, "variants": variants_tried(self.config) + checks - 1}

    def _count(self) -> None:
        """Say in the cards of what is kept how many looks there were in the end, each a chance to be lucky, and how far
        the best was from the start."""
        for path in (self.folder / POLICY / CARD, self.folder / LAST / CARD):
            if not path.exists():
                continue
            card = read_card(path)
            changed = replace(
                card,
                learner={**card.learner, **self._counted},
                scores={**card.scores, **self.apart},
            )
            write_whole(path, changed.to_json())

    def _observe(self) -> None:
        """Write what the kept policy observes on validation episodes beside its card."""
        eyes, folder = eyes_of(self.config), self.folder / POLICY
        strategy = policy_strategy(folder, eyes=None if isinstance(eyes, str) else eyes)
        plans = [(one.validation, one.task, one.plan) for one in self.markets]
        command = f"training {self.config.name}, seed {self.seed}"
        found = observed_in(plans, strategy, ", ".join(self._names), command)
        write_whole(folder / OBSERVATIONS, found.to_json())

    def finish(self, done: bool) -> dict[str, Any]:
        """Write and return the result of the training."""
        best = self.best or {}
        self._count()
        if done:
            self._observe()
        result = {
            "name": self.config.name,
            "seed": self.seed,
            "done": done,
            "frames": self.agent.frames,
            "policy": str(self.folder / POLICY),
            "best": best,
            **self.apart,
            "rule": rule_name(self.config),
            **self._counted,
            "trained_on": self.trained_on,
            "version": __version__,
        }
        return write_result(self.folder, result)


def run_training(
    config: AgentConfig,
    folder: Path,
    seed: int,
    *,
    make: MakeEnv | None = None,
    on_row: Callable[[Metrics, Metrics | None], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Run a training, or resume it, to its policy.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        The run folder; made if need be.
    seed : int
        Of weights, noise and training episodes.
    make : callable, optional
        Another :func:`learned_in`.
    on_row : callable, optional
        Receives each row of metrics and the best look so far.
    stop : callable, optional
        EvaluationRequest between updates; the state is kept when it says so.

    Returns
    -------
    dict
        As `run.json` holds it; ``done`` False when `stop` said so.
    """
    learner_settings(config)  # refused before anything is built
    markets = markets_of(config)
    training = Training(config, folder, seed, make, markets)

    def on_update(metrics: Metrics) -> None:
        training.on_update(metrics)
        if on_row is not None:
            on_row(training.log.rows[-1], training.best)

    def keep(state: Any) -> None:
        save_checkpoint(folder / "checkpoint", {**state, "average": training.average.state()})

    done = train(training.agent, config.learner.frames, on_update, keep, UPDATES_A_CHECKPOINT, stop)
    return training.finish(done)
