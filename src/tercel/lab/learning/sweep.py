"""Search over settings by Optuna (extra ``[sweep]``): TPE proposes, the median of earlier trials cuts short.

    sweep = Sweep({"learning_rate": Range(1e-4, 3e-3, log=True)}, "sqlite:///study.db", "mine", seed=1)
    while sweep.finished < 30:
        trial = sweep.next()
        ...                                     # trial.values; trial.report(step, value) says when to give up
        sweep.tell(trial, value)

What is proposed is decided by the seed and by what was found before: a sweep that is killed and gone on with proposes
what it would have proposed. Values are maximised. Optuna is imported inside functions.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from tercel.core.errors import ConfigError

STARTUP = 8
"""Trials that are drawn at random before TPE has something to learn from."""
MEDIAN_OF = 4
"""Trials that must have ended before one is cut short."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Raises
    ------
    ConfigError
        If it is empty, not finite, or logarithmic and not positive.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse ranges that hold nothing."""
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ConfigError(
                "low < high, both finite", f"{self.low} to {self.high}", "mend the range"
            )
        if self.log and self.low <= 0:
            raise ConfigError(
                "a positive low of a logarithmic range", f"{self.low}", "raise it, or leave log out"
            )


@dataclass(frozen=True)
class Choice:
    """One of some values, which JSON can hold."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Refuse what is no choice."""
        if len(self.values) < 2:
            raise ConfigError(
                "two or more values to choose from", f"{list(self.values)}", "add one, or fix it"
            )


Space = Mapping[str, Range | Choice]


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
        What :meth:`Sweep.tell` was told with it.
    """

    number: int
    value: float
    how: str
    values: dict[str, Any]
    facts: dict[str, Any]


class Trial:
    """A proposal under way; `number` counts those that ended before it."""

    def __init__(self, inner: Any, number: int, values: dict[str, Any]) -> None:
        self.inner = inner
        self.number = number
        self.values = values

    def report(self, step: int, value: float) -> bool:
        """Say how it stands; True: others stood better at this step, give up."""
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
        if find_spec("optuna") is None:
            raise ConfigError(
                "Optuna for a sweep", "a Python without it", "pip install 'tercel[sweep]'"
            )
        if not space:
            raise ConfigError(
                "at least one range to search", "none", "write them under [sweep.ranges]"
            )
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = dict(space)
        self.seed = seed
        self._optuna = optuna
        space_text = json.dumps(
            {key: [type(v).__name__, asdict(v)] for key, v in self.space.items()}, sort_keys=True
        )
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
        if self.study.user_attrs.setdefault("space", space_text) != space_text:
            raise ConfigError(
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
        inner = self.study.ask()
        return Trial(inner, number, {name: self._suggest(inner, name) for name in self.space})

    def _suggest(self, inner: Any, name: str) -> Any:
        kind = self.space[name]
        if isinstance(kind, Choice):
            return json.loads(
                inner.suggest_categorical(name, [json.dumps(value) for value in kind.values])
            )
        if kind.whole:
            return inner.suggest_int(name, int(kind.low), int(kind.high), log=kind.log)
        return inner.suggest_float(name, kind.low, kind.high, log=kind.log)

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
            values = {
                name: json.loads(value) if isinstance(self.space[name], Choice) else value
                for name, value in trial.params.items()
            }
            reported = trial.value
            if reported is None and trial.intermediate_values:
                reported = trial.intermediate_values[max(trial.intermediate_values)]
            rows.append(
                SweepRow(
                    number, np.nan if reported is None else float(reported), how, values, facts
                )
            )
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
