"""A search over a training's settings: trials on training and validation episodes alone, counted as variants.

    sweep.json    the configuration
    study.db      Optuna's record
    trials/000/   each a training: metrics, validation, the best policy; a second seed beside it as 000-1
    best.toml     the configuration that was best, with the number of variants tried, for `tercel agent train`
    result.json   what became of it
    report.html   the same as pictures

Trials that fail (settings that contradict each other) or are cut short count as variants too.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from studies.sweep.figures import history, importance, parallel
from tercel import TercelError
from tercel.core import ConfigError, needed, offer, refuse_if, write_atomic
from tercel.core.report import Section, render
from tercel.lab.evaluation.training_files import RESULT, SWEEP, TRIALS
from tercel.lab.learning.agent import AgentConfig, run_training
from tercel.lab.learning.agent.config import RangeSection, parse
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.training import variants_tried

# Trials that are drawn at random before TPE has something to learn from.
STARTUP = 8
# Trials that must have ended before one is cut short.
MEDIAN_OF = 4


# Key -> what it is drawn from, a distribution of Optuna's.
Space = Mapping[str, Any]


def law_of(key: str, wanted: RangeSection | tuple[Any, ...]) -> Any:
    """The range or the values of a key as Optuna's distribution; values as JSON, so that lists may be among them.

    Raises
    ------
    ConfigError
        Without Optuna; a range that is empty, or logarithmic and not positive; fewer than two values.
    """
    laws = needed("optuna.distributions", "sweep", of="tercel-studies")
    if not isinstance(wanted, RangeSection):
        received = f"{key}: {list(wanted)}"
        refuse_if(len(wanted) < 2, "two or more values", received, "add one, or fix it")
        return laws.CategoricalDistribution([json.dumps(value) for value in wanted])
    received = f"{key}: {wanted.low} to {wanted.high}"
    refuse_if(not wanted.low < wanted.high, "low < high", received, "correct the range")
    wrong = wanted.log and wanted.low <= 0
    refuse_if(wrong, "a logarithmic range above 0", received, "raise low, or leave log out")
    whole = isinstance(wanted.low, int) and isinstance(wanted.high, int)
    kind = laws.IntDistribution if whole else laws.FloatDistribution
    return kind(wanted.low, wanted.high, log=wanted.log)


@dataclass(frozen=True)
class SweepRow:
    """A trial that ended.

    Parameters
    ----------
    number : int
        Its place among those that ended, from 0.
    value : float
        NaN of a failed one; the last reported of one that was cut short.
    how : str
        "complete", "cut short" or "failed".
    values : dict
    facts : dict
        Given to :meth:`Sweep.tell` with it.
    """

    number: int
    value: float
    how: str
    values: dict[str, Any]
    facts: dict[str, Any]


@dataclass
class Trial:
    """A running proposal; `number` counts the trials that ended before it."""

    inner: Any
    number: int
    values: dict[str, Any]

    def report(self, step: int, value: float) -> bool:
        """Report its value so far; True: others were better at this step, give up."""
        self.inner.report(value, step)
        return bool(self.inner.should_prune())


class Sweep:
    """See the module.

    Parameters
    ----------
    space : Space
        Name -> what it is chosen from.
    storage : str
        A database URL, such as ``sqlite:///folder/study.db``.
    name : str
        Of the study in it.
    seed : int
    resume : bool
        Go on with the study of that name; trials that were under way are given up and proposed again.

    Raises
    ------
    ConfigError
        Optuna is missing, the storage cannot be used, or holds another study of that name.
    """

    def __init__(
        self, space: Space, storage: str, name: str, seed: int, *, resume: bool = False
    ) -> None:
        refuse_if(
            not space, "at least one range to search", "none", "write them under [sweep.ranges]"
        )
        optuna = needed("optuna", "sweep", of="tercel-studies")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = dict(space)
        self.seed = seed
        self._optuna = optuna
        written = optuna.distributions.distribution_to_json
        space_text = json.dumps({key: written(law) for key, law in space.items()}, sort_keys=True)
        try:
            self.study = optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize",
                load_if_exists=resume,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=MEDIAN_OF, n_warmup_steps=1),
            )
        except optuna.exceptions.DuplicatedStudyError as error:
            raise ConfigError(
                "a new sweep", f"{name!r} in {storage}", "go on with `resume=True`, or name another"
            ) from error
        except Exception as error:  # a URL, a driver or a file: each raises its own kind
            raise ConfigError(
                "a storage that Optuna can use",
                f"{storage}: {error}"[:300],
                "a URL such as sqlite:///folder/study.db",
            ) from error
        refuse_if(
            self.study.user_attrs.setdefault("space", space_text) != space_text,
            "the ranges and choices of the sweep so far",
            f"others for {name!r}",
            "start another",
        )
        self.study.set_user_attr("space", space_text)
        for trial in self.study.get_trials(
            deepcopy=False, states=[optuna.trial.TrialState.RUNNING]
        ):
            self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    @property
    def finished(self) -> int:
        """Trials that ended in any way but by being killed."""
        return len(self._ended())

    def _ended(self) -> list[Any]:
        """Killed ones have no record of how they ended."""
        return [
            trial for trial in self.study.get_trials(deepcopy=False) if "how" in trial.user_attrs
        ]

    def next(self) -> Trial:
        """The next proposal."""
        number = self.finished
        word = int(np.random.SeedSequence([self.seed, 0x5EE9, number]).generate_state(1)[0])
        self.study.sampler = self._optuna.samplers.TPESampler(seed=word, n_startup_trials=STARTUP)
        inner = self.study.ask(self.space)
        return Trial(inner, number, self._values(inner.params))

    def _values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Values of parameters, those of choices out of their JSON."""
        chosen = {name for name, law in self.space.items() if hasattr(law, "choices")}
        return {name: json.loads(v) if name in chosen else v for name, v in params.items()}

    def tell(self, trial: Trial, value: float | None, how: str = "complete", **facts: Any) -> None:
        """How a trial ended: its value, or None when it was cut short or failed."""
        states = self._optuna.trial.TrialState
        state = {"complete": states.COMPLETE, "cut short": states.PRUNED, "failed": states.FAIL}[
            how
        ]
        trial.inner.set_user_attr("how", how)
        for key, fact in facts.items():
            trial.inner.set_user_attr(key, fact)
        self.study.tell(trial.inner, value if how == "complete" else None, state=state)

    def rows(self) -> list[SweepRow]:
        """All trials that ended, in their order."""
        rows = []
        for number, trial in enumerate(self._ended()):
            facts = dict(trial.user_attrs)
            how = facts.pop("how")
            reported = trial.value
            if reported is None and trial.intermediate_values:
                reported = trial.intermediate_values[max(trial.intermediate_values)]
            value = np.nan if reported is None else float(reported)
            rows.append(SweepRow(number, value, how, self._values(trial.params), facts))
        return rows

    def best(self) -> SweepRow | None:
        """The complete trial with the highest value."""
        complete = [row for row in self.rows() if row.how == "complete"]
        return max(complete, key=lambda row: row.value) if complete else None

    def importances(self) -> dict[str, float]:
        """Share of each name in telling good trials from the rest (PED-ANOVA, Watanabe et al. 2023).

        Empty where there are too few complete trials to say, or none that differ.
        """
        complete = [row.value for row in self.rows() if row.how == "complete"]
        if len(complete) < 4 or len(set(complete)) < 2:
            return {}
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
        try:
            found = self._optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        except (RuntimeError, ValueError, ZeroDivisionError):
            return {}
        return {name: float(share) for name, share in found.items() if np.isfinite(share)}


# -- sweep ----------------------------------------------------------------------------------------

# Sections that may differ between trials; what is judged, and where, may not.
SEARCHED: Final = ("learner", "policy", "reward")
BEST: Final = "best.toml"
# More than one training has.
LOOKS: Final = 1_000
# Trials that may fail before any is complete.
GIVE_UP: Final = 3


def space_of(config: AgentConfig) -> Space:
    """Search space of a sweep.

    Raises
    ------
    ConfigError
        No ranges, a section that must stay, or a value that the configuration refuses.
    """
    refuse_if(
        not config.sweep.ranges,
        "ranges to search",
        f"none in {config.name!r}",
        "write [sweep.ranges] with learner.learning_rate = { low = 1e-4, high = 1e-3, log = true } and such",
    )
    ranges = config.sweep.ranges
    for key in ranges:
        section, dot, name = key.partition(".")
        if section not in SEARCHED or not dot or not name:
            raise ConfigError(
                f"keys of {', '.join(SEARCHED)}, as in learner.minibatch",
                f"sweep.ranges: {key}",
                offer(section, SEARCHED),
            )
    space = {key: law_of(key, wanted) for key, wanted in ranges.items()}
    for end in (0, -1):  # names and types are refused before the first trial
        values = {
            key: (one.low, one.high)[end] if isinstance(one, RangeSection) else one[end]
            for key, one in ranges.items()
        }
        learner_settings(overlaid(config, values))
    return space


def overlaid(config: AgentConfig, values: dict[str, Any], *, budget: bool = True) -> AgentConfig:
    """The configuration with these values; with `budget` as long as a trial is."""
    raw = config.model_dump(mode="json", exclude_unset=True)
    raw.pop("sweep", None)
    for key, value in values.items():
        section, _, name = key.partition(".")
        _put(raw.setdefault(section, {}), name, value)
    if budget and config.sweep.frames:
        raw.setdefault("learner", {})["frames"] = config.sweep.frames
    return parse(raw, f"{config.name} with {values}")


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted name in nested tables."""
    first, dot, rest = name.partition(".")
    if dot:
        _put(table.setdefault(first, {}), rest, value)
    else:
        table[first] = value


@dataclass
class _Watch:
    """Reports the looks of one training of a trial, the mean with the seeds before it, and says when to give up."""

    trial: Trial
    turn: int
    before: list[float]
    every: int
    checks: int = 0
    short: bool = False

    def row(self, metrics: Mapping[str, float], best: Mapping[str, float] | None) -> None:
        check = int(metrics["frames"] // self.every)
        if best is not None and check > self.checks:
            self.checks = check
            value = float(np.mean([*self.before, best["gain"]]))
            self.short = self.trial.report(LOOKS * self.turn + check, value) or self.short


class AgentSweep:
    """A sweep under way in its folder.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
    seed : int
        Of what is proposed and of the trainings.
    storage : str
        Optuna's; empty: a file in the folder.
    resume : bool
    """

    def __init__(
        self,
        config: AgentConfig,
        folder: Path,
        seed: int,
        storage: str = "",
        *,
        resume: bool = False,
    ) -> None:
        self.config = config
        self.folder = folder
        self.seed = seed
        space = space_of(config)
        folder.mkdir(parents=True, exist_ok=True)
        url = storage or f"sqlite:///{folder.resolve() / 'study.db'}"
        self.sweep = Sweep(space, url, f"{config.name}-{seed}", seed, resume=resume)
        self.failed: list[str] = []

    def trial(
        self, on_row: Callable[[Trial, Mapping[str, float]], None], stop: Callable[[], bool]
    ) -> bool:
        """Run the next trial; False when `stop` ended it before it was done: it is run again on a resume.

        Raises
        ------
        TercelError
            When the first few trials all failed.
        """
        trial = self.sweep.next()
        try:
            found = self._train(trial, overlaid(self.config, trial.values), on_row, stop)
        except TercelError as error:
            self.failed.append(str(error))
            self.sweep.tell(trial, None, "failed", error=str(error)[:500])
            if len(self.failed) >= GIVE_UP and self.sweep.best() is None:
                raise
            return True
        if found is None:
            return False
        gains, errors, short = found
        spread = float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
        self.sweep.tell(
            trial, float(np.mean(gains)), "cut short" if short else "complete", se=spread
        )
        return True

    def _train(
        self,
        trial: Trial,
        config: AgentConfig,
        on_row: Callable[[Trial, Mapping[str, float]], None],
        stop: Callable[[], bool],
    ) -> tuple[list[float], list[float], bool] | None:
        """Gains of the selected policies by seed with their standard errors, and whether it was cut short."""
        gains: list[float] = []
        errors: list[float] = []
        for turn in range(self.config.sweep.seeds):
            watch = _Watch(
                trial,
                turn,
                list(gains),
                config.validation.every or max(config.learner.frames // 10, 1),
            )

            def row(
                metrics: Mapping[str, float],
                best: Mapping[str, float] | None,
                watch: _Watch = watch,
            ) -> None:
                on_row(trial, metrics)
                watch.row(metrics, best)

            def over(watch: _Watch = watch) -> bool:
                return stop() or watch.short

            folder = self.folder / TRIALS / (f"{trial.number:03d}" + (f"-{turn}" if turn else ""))
            result = run_training(config, folder, self.seed + turn, on_row=row, stop=over)
            if not (result.done or watch.short):
                return None
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
            gains.append(result.best["gain"])
            errors.append(result.best["se"])
            if watch.short:
                return gains, errors, True
        return gains, errors, False

    @property
    def variants(self) -> int:
        """Number of recipes tried, those before the sweep included."""
        return variants_tried(self.config) - 1 + max(self.sweep.finished, 1)

    def result(self) -> dict[str, Any]:
        """Result of the sweep; written to the folder with the best configuration."""
        rows, best = self.sweep.rows(), self.sweep.best()
        result: dict[str, Any] = {
            "name": self.config.name,
            "seed": self.seed,
            "trials": len(rows),
            **{
                how.replace(" ", "_"): sum(row.how == how for row in rows)
                for how in ("complete", "cut short", "failed")
            },
            "variants": self.variants,
            "best": None,
            "importance": self.sweep.importances(),
        }
        if best is not None:
            values = {"gain": best.value, "se": best.facts.get("se"), "settings": best.values}
            result["best"] = {"trial": best.number, **values}
            guards = {"guards.variants": self.variants, "guards.sweep": str(self.folder.resolve())}
            chosen = overlaid(self.config, {**best.values, **guards}, budget=False)
            write_atomic(
                self.folder / BEST, to_toml(chosen.model_dump(mode="json", exclude_unset=True))
            )
            result["config"] = str(self.folder / BEST)
        write_atomic(self.folder / RESULT, json.dumps(result, indent=1) + "\n")
        return result


def to_toml(values: dict[str, Any]) -> str:
    """Plain values and one level of tables as TOML.

    >>> print(to_toml({"name": "a", "learner": {"rate": 1e-05, "hidden": [8, 8], "more": {"x": True}}}), end="")
    name = "a"
    <BLANKLINE>
    [learner]
    rate = 1e-05
    hidden = [8, 8]
    more = { x = true }
    """
    plain = [
        f"{_key(key)} = {_toml(value)}\n"
        for key, value in values.items()
        if not isinstance(value, dict)
    ]
    tables = [
        f"\n[{_key(key)}]\n"
        + "".join(f"{_key(k)} = {_toml(v)}\n" for k, v in value.items() if v is not None)
        for key, value in values.items()
        if isinstance(value, dict)
    ]
    return "".join([*plain, *tables])


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value)


def refuse_other(folder: Path, config: AgentConfig, seed: int, resume: bool) -> None:
    """Refuse a folder of another sweep, one that is there already, and a resume of nothing."""
    path = folder / SWEEP
    if not path.exists():
        refuse_if(resume, "a sweep that was begun", f"no {path}", "start it without `resume=True`")
        return
    refuse_if(
        not resume,
        "a new folder",
        f"{folder} holds a sweep",
        "go on with it: `resume=True`; or name another `out=`",
    )
    refuse_if(
        _without_trials(json.loads(path.read_text())) != _without_trials(_record(config, seed)),
        "the configuration and the seed of the sweep",
        f"others than {path}",
        "name another `out=`",
    )


def _record(config: AgentConfig, seed: int) -> dict[str, Any]:
    return {"seed": seed, **config.model_dump(mode="json")}


def _without_trials(values: dict[str, Any]) -> dict[str, Any]:
    """More trials are more of the same."""
    return {**values, "sweep": {**values.get("sweep", {}), "trials": 0}}


def keep(folder: Path, config: AgentConfig, seed: int) -> None:
    """Write the configuration of a sweep."""
    parse(config.model_dump(mode="json"), SWEEP)
    write_atomic(folder / SWEEP, json.dumps(_record(config, seed), indent=1) + "\n")


# -- sweep report ---------------------------------------------------------------------------------
# Page of a sweep: its course, where good settings lie, which of them matter.

UNIT = "gain on the rule, bps"


def write_page(sweep: AgentSweep, result: dict[str, Any]) -> Path:
    """Write ``report.html`` into the sweep's folder and say where it is."""
    rows = sweep.sweep.rows()
    complete = [row for row in rows if row.how == "complete"]
    values = np.array([row.value for row in rows])
    sections = [
        Section(
            "Trials",
            "The greedy policy's paired gain on the rule over validation episodes, which are neither trained on nor "
            "judged; of each trial the best check. A trial below the median of those before is cut short.",
            figures=[history(values, np.array([row.how == "complete" for row in rows]), UNIT)],
        )
    ]
    if complete:
        log = {key: bool(getattr(law, "log", False)) for key, law in sweep.sweep.space.items()}
        settings = {key: [row.values[key] for row in complete] for key in sweep.sweep.space}
        figures = [parallel(settings, log, np.array([row.value for row in complete]), UNIT)]
        sections.append(Section("Where the good ones lie", figures=figures))
    if result["importance"]:
        text = "Share of each setting in telling the better trials from the rest (PED-ANOVA). With few trials, a hint."
        sections.append(Section("What matters", text, figures=[importance(result["importance"])]))
    best = result["best"]
    if best:
        sections.append(
            Section("The best", facts={key: str(value) for key, value in best["settings"].items()})
        )
    lead = (
        f"{result['trials']} trials, {result['complete']} complete, {result['cut_short']} cut short, "
        f"{result['failed']} failed. "
        + (
            f"The best gains {best['gain']:.2f} +- {best['se']:.2f} bps (one standard error) on validation episodes; "
            f"it is the best of {result['variants']} variants, which `tercel agent evaluate` corrects for."
            if best
            else "None is complete."
        )
    )
    text = render(
        f"Sweep of {result['name']}", lead, sections, {"seed": result["seed"]}, "tercel agent sweep"
    )
    path = sweep.folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return path
