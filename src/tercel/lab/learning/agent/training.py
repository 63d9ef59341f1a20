"""One training of an agent: a configuration, a seed, a run folder, at last a policy.

`run_training` needs of its environment no more than the learner does: `learned_in` may be replaced by one that spreads
the slots over machines.

The run folder:

    config.json      the configuration, with hashes of the markets and functions that it names
    metrics.csv      one row per update: losses, costs term by term
    validation.csv   one row per look: the greedy policy beside the rule on episodes that are not trained on
    checkpoint/      the learner's state: a stopped training resumes from it
    policy/          the best policy by validation, with its card
    last/            the policy of the last look: the mean of the late ones, selected by nothing
    run.json         the result (`TrainingResult`)
    report.html      the same as pictures
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tercel import __version__
from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.files import write_atomic
from tercel.core.kernel_keys import fingerprint
from tercel.core.serialization import Record
from tercel.execution.observation import observer
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.policy import CARD, OBSERVATIONS, Card, Look, read_card, save_policy
from tercel.execution.policies.strategy import policy_strategy
from tercel.lab.evaluation.runs import observed_in
from tercel.lab.evaluation.training_files import LOOKS, SWEEP, variants_in
from tercel.lab.learning.agent.config import AgentConfig, parse
from tercel.lab.learning.agent.env import (
    MakeEnv,
    action_parameters,
    clusters,
    functions_of,
    learned_in,
    observation_of,
    rule_name,
    rule_of,
    strategy_of,
    unit_of,
)
from tercel.lab.learning.agent.learner import learner_settings, make_learner, risk_of
from tercel.lab.learning.agent.market import TrainingMarket, Validator, markets_of
from tercel.lab.learning.port import (
    Metrics,
    MetricsLog,
    State,
    load_checkpoint,
    save_checkpoint,
    train,
)
from tercel.market.flow import preset as presets
from tercel.market.regimes.law import PLAIN
from tercel.market.tape import Lake

# -- run folder -----------------------------------------------------------------------------------

FILE: Final = "config.json"
# Its key for marks of what the configuration only names.
MADE_OF: Final = "made_of"
RESULT: Final = "run.json"
# Folder of the best policy by validation.
POLICY: Final = "policy"
CHECKS: Final = LOOKS
# Columns of a look without which a run cannot go on.
CHECK_COLUMNS: Final = ("frames", "merit", "is_bps", "rule_bps", "gain", "se")
LAST: Final = "last"
UPDATES_A_CHECKPOINT: Final = 10


@dataclass(frozen=True, kw_only=True)
class TrainingResult(Record):
    """Result of a training, as in `run.json`.

    `best`, `start` and `best_checkpoint` are rows of `validation.csv`: of the selected policy, of the policy before
    learning and of the best checkpoint; `looks` counts those rows, `variants` the recipes tried with them.
    """

    optional = ("start", "best_checkpoint")

    name: str
    seed: int
    done: bool
    frames: int
    policy: str
    best: Metrics
    start: Metrics | None = None
    best_checkpoint: Metrics | None = None
    rule: str
    looks: int
    variants: int
    trained_on: dict[str, Any]
    version: str

    def look(self, name: str) -> Look | None:
        """The check `best`, `start` or `best_checkpoint`."""
        row = getattr(self, name)
        return msgspec.convert(row, Look) if row else None


def _run_record(config: AgentConfig, seed: int) -> dict[str, Any]:
    """The configuration and the seed, as a run folder keeps them."""
    return {"seed": seed, **config.model_dump(mode="json"), MADE_OF: made_of(config)}


def made_of(config: AgentConfig) -> dict[str, Any]:
    """Current inputs of a configuration: marks of markets and of the user's functions, the days of a lake.

    Functions are marked by their compiled code, which another version of Python does not share.
    """
    found = dict[str, Any]()
    if config.on_tape:
        found["days"] = list(Lake(config.market.lake).days(config.market.symbol))
    else:
        found["presets"] = {name: presets.load(name).mark for name in config.market.presets}
    if config.own_code:
        found["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
        found["functions"] = {
            name: fingerprint(function) for name, function in functions_of(config).items()
        }
    return found


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], above: str = ""
) -> Iterator[str]:
    """Differences between the configurations of two run folders, in words.

    >>> list(differences({"task": {"share": 0.1, "side": 0}}, {"task": {"share": 0.2, "side": 0}}))
    ['task.share 0.1 there, 0.2 here']
    """
    for key in dict.fromkeys([*before, *now]):
        one, other, name = before.get(key), now.get(key), f"{above}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differences(one, other, f"{name}.")
        elif one != other:
            yield f"{name} {_value(one)} there, {_value(other)} here"


def _value(value: Any) -> str:
    return "not given" if value is None else f"{value!r:.80}"


def changed_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Differences between the inputs at the start of a run and now, in words."""
    for kind, what in (("presets", "market"), ("functions", "function")):
        if kind == "functions" and before.get("python") != now.get("python"):
            continue
        for name, mark in before.get(kind, {}).items():
            if now.get(kind, {}).get(name, mark) != mark:
                yield f"the {what} {name} was another then"
    if before.get("days", now.get("days")) != now.get("days"):
        yield f"the lake held {len(before['days'])} days then, {len(now['days'])} now"


def refuse_another(folder: Path, config: AgentConfig, seed: int) -> None:
    """Raise unless a run folder is new or of the same training, which then continues.

    Raises
    ------
    ConfigError, UnknownNameError
        With the first difference.
    """
    path, now = folder / FILE, json.loads(json.dumps(_run_record(config, seed)))
    if not path.exists():
        return
    try:
        before: dict[str, Any] = dict(json.loads(path.read_text()))
    except ValueError as error:
        raise ConfigError(
            "a training's configuration", f"{path}: {error}", "name another folder (`out=`)"
        ) from None
    made, makes = before.pop(MADE_OF, {}), now.pop(MADE_OF)
    found = next(chain(differences(before, now), changed_since(made, makes)), None)
    if found is not None:
        remedy = f"name another folder (`out=`), or go on with it as it was: tercel agent train `resume={folder}`"
        remedy += " `trust=True`" if made.get("functions") else ""
        raise ConfigError(
            "a new run folder, or one of this very training",
            f"{folder} holds another: {found}",
            remedy,
        )


def claim(folder: Path, config: AgentConfig, seed: int) -> None:
    """Write the configuration into the run folder, which exists.

    Raises
    ------
    ConfigError
        It is that of another training.
    """
    refuse_another(folder, config, seed)
    write_atomic(folder / FILE, json.dumps(_run_record(config, seed), indent=1) + "\n")


def resumed(
    folder: Path, *, trust: bool = False, seed: int | None = None
) -> tuple[AgentConfig, Path, int]:
    """The configuration of a run, its folder and its seed; `seed` is what it is thought to be.

    Raises
    ------
    ConfigError
        No run, one that is damaged, of another seed, whose markets or functions have changed since, or without `trust`
        one that names functions: nothing that a folder names is run.
    """
    path = folder / FILE
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        raw.pop(MADE_OF, None)
        raw.pop("sweep", None)  # a section that was removed; a training never read it
        stored_seed = int(raw.pop("seed"))
    except OSError as error:
        raise ConfigError(
            "the folder of a training", f"{path}: {error.strerror}", "name one that was begun"
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            "a training's configuration", f"{path}: {error}", "start it again elsewhere"
        ) from None
    refuse_if(
        seed is not None and seed != stored_seed,
        f"the seed of {folder}, which is {stored_seed}",
        f"seed {seed}",
        f"leave `seed=` out, or train seed {seed} in another folder",
    )
    config = parse(raw, str(path))
    refuse_if(
        config.own_code and not trust,
        "a word that the functions of the run may run",
        f"{path} names {' and '.join(config.own_code)}, and nothing that a folder names is run",
        f"if it is yours: tercel agent train `resume={folder}` `trust=True`",
    )
    return config, folder, stored_seed


def refuse_changed(folder: Path, config: AgentConfig) -> None:
    """Refuse to go on with a run whose markets, days or functions are no longer those that it began with.

    Raises
    ------
    ConfigError
    """
    before = json.loads((folder / FILE).read_text()).get(MADE_OF, {})
    found = next(changed_since(before, made_of(config)), None)
    refuse_if(
        found is not None,
        f"what {folder} was begun with",
        f"another now: {found}",
        "put back what it was, or train in another folder",
    )


def is_done(folder: Path) -> bool:
    """Whether the training in a folder has come to its end."""
    try:
        return (
            msgspec.convert(json.loads((folder / RESULT).read_text()), TrainingResult).done
            and (folder / POLICY / CARD).is_file()
        )
    except (OSError, ValueError):
        return False


# -- guards ---------------------------------------------------------------------------------------
# Number of recipes tried before one was selected, by its configuration or by its sweep.


def variants_tried(config: AgentConfig) -> int:
    """Recipes tried before this one was selected, itself included: `guards.variants`, or more as `guards.sweep` has them.

    Raises
    ------
    ConfigError
        A sweep that is not there, and no number either.
    """
    section = config.guards
    if not section.sweep:
        return section.variants
    found = variants_in(Path(section.sweep))
    refuse_if(
        found is None and section.variants == 1,
        "the folder of a sweep as guards.sweep",
        f"{section.sweep}, without {SWEEP}",
        "name its folder, or say guards.variants",
    )
    return max(found or 1, section.variants)


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

    def restore(self, state: State) -> None:
        """Restore the mean from `state`."""
        self.count = int(state["count"])
        self._sums = [np.array(total, np.float64) for total in state["sums"]]


class Training:
    """A training under way; :func:`run_training` is its use.

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
        self.config = config
        self.folder = folder
        self.seed = seed
        folder.mkdir(parents=True, exist_ok=True)
        self.markets = markets
        if make is None and config.learner.shards:
            make = clusters().in_shards
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
        """The look at which the selected policy was taken."""
        rows = [
            row for row in self.checks.rows if row["frames"] >= self._late or row["frames"] == 0
        ]
        return max(rows, key=lambda row: row["merit"]) if rows else None

    @property
    def apart(self) -> dict[str, Metrics]:
        """The look before learning, and the best of those whose policy may be selected instead."""
        rows = [row for row in self.checks.rows if row["frames"] >= max(self._late, 1)]
        late = {"best_checkpoint": max(rows, key=lambda row: row["merit"])} if rows else {}
        return {"start": self.checks.rows[0], **late} if self.checks.rows else {}

    @property
    def _late(self) -> float:
        """Frames from which policies are selected and averaged."""
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
        """Card of the current policy."""
        config, task = self.config, self.markets[0].task
        policy, watched = self.agent.policy(), observer(observation_of(config), config.policy.stack)
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
        """Write the final number of looks, each a chance to be lucky, and the best look's distance from the start into
        the cards of the selected policies."""
        for path in (self.folder / POLICY / CARD, self.folder / LAST / CARD):
            if not path.exists():
                continue
            card = read_card(path)
            changed = replace(
                card,
                learner={**card.learner, **self._counted},
                scores={**card.scores, **self.apart},
            )
            write_atomic(path, changed.to_json())

    def _observe(self) -> None:
        """Write what the selected policy observes on validation episodes beside its card."""
        own, folder = observation_of(self.config), self.folder / POLICY
        strategy = policy_strategy(folder, own_observation=None if isinstance(own, str) else own)
        plans = [(one.validation, one.task, one.plan) for one in self.markets]
        command = f"training {self.config.name}, seed {self.seed}"
        found = observed_in(plans, strategy, ", ".join(self._names), command)
        write_atomic(folder / OBSERVATIONS, found.to_json())

    def finish(self, done: bool) -> TrainingResult:
        """Write and return the result of the training."""
        self._count()
        if done:
            self._observe()
        looks, variants = self._counted.values()
        result = TrainingResult(
            name=self.config.name,
            seed=self.seed,
            done=done,
            frames=self.agent.frames,
            policy=str(self.folder / POLICY),
            best=self.best or {},
            rule=rule_name(self.config),
            trained_on=self.trained_on,
            version=__version__,
            start=self.apart.get("start"),
            best_checkpoint=self.apart.get("best_checkpoint"),
            looks=looks,
            variants=variants,
        )
        write_atomic(self.folder / RESULT, json.dumps(result.json_fields(), indent=1) + "\n")
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
        Called between updates; when it is true the state is saved and the training ends.

    Returns
    -------
    TrainingResult
        ``done`` False when `stop` said so.
    """
    learner_settings(config)  # refused before anything is built
    training = Training(config, folder, seed, make, markets_of(config))

    def on_update(metrics: Metrics) -> None:
        training.on_update(metrics)
        if on_row is not None:
            on_row(training.log.rows[-1], training.best)

    def keep(state: Any) -> None:
        save_checkpoint(folder / "checkpoint", {**state, "average": training.average.state()})

    done = train(training.agent, config.learner.frames, on_update, keep, UPDATES_A_CHECKPOINT, stop)
    return training.finish(done)
