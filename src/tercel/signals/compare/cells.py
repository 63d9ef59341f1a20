"""One family, fitted once and measured: the cell that the whole comparison is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats
from tercel.signals.compare.problems import PROBLEMS, Problem, Sample
from tercel.signals.fusion import Fusion, stack
from tercel.signals.gate import GatedClassifier
from tercel.signals.scores import auc, brier, ece
from tercel.signals.zoo import absent, families, family
from tercel.signals.zoo.base import Classifier
from tercel.signals.zoo.regimes import HmmRegimes

T = TypeVar("T")
GATED = "gated_linear"
STACKED = "stacked"
STACK_OF = ("linear", "boosting", "svm_rbf")
SINGLE_ROWS = 10


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What an action gave and what it took: seconds, and MiB at its peak above the start (None: not known here)."""

    value: T
    seconds: float
    peak_mib: float | None


class Meter(Protocol):
    """Measures an action; clocks and memory belong to whoever runs the comparison."""

    def __call__(self, action: Callable[[], T], memory: bool = False) -> Measured[T]:
        """Do it and measure; memory where asked for."""


@dataclass(frozen=True, order=True)
class Cell:
    """What is fitted: a family on a problem of so many rows, so much label noise, one seed."""

    problem: str
    family: str
    rows: int
    noise: float
    seed: int

    @property
    def key(self) -> str:
        """A file name.

        >>> Cell("linear", "forest", 800, 0.1, 3).key
        'linear-forest-800-0.10-3'
        """
        return f"{self.problem}-{self.family}-{self.rows}-{self.noise:.2f}-{self.seed}"


FUSED: Final = ("centre", "slope", "weights", "gram", "common", "base", "spread", "tail")
"""What a fusion has learned, in the order of its fields."""


@dataclass(eq=False, repr=False)
class Stacked(Classifier):
    """Several families fused by :func:`tercel.signals.fusion.stack` on forecasts of contiguous folds.

    Parameters
    ----------
    parts : tuple of str
        Families.
    steps, folds, random_state : int
    """

    parts: tuple[str, ...] = STACK_OF
    steps: int = 1
    folds: int = 3
    random_state: int = 0

    def _fit(self, X: Floats, up: Floats, weights: Floats) -> None:
        def make(name: str) -> Any:
            return family(name).make("classify", self.random_state, self.steps)

        out = np.full((len(X), len(self.parts)), np.nan)
        rows = np.arange(len(X))
        for fold in np.array_split(rows, self.folds):
            rest = np.setdiff1d(rows, fold)
            for k, name in enumerate(self.parts):
                out[fold, k] = make(name).fit(X[rest], up[rest], weights[rest]).predict_proba(X[fold])[:, 1]
        self.fusion_ = stack(out, up, self.parts, shrink=0.2)
        self.models_ = [make(name).fit(X, up, weights) for name in self.parts]

    def kept(self) -> dict[str, NDArray[Any]]:
        """Arrays of the families and of what fuses them."""
        own = super().kept()
        fused = {f"fusion.{name}": np.asarray(getattr(self.fusion_, name)) for name in FUSED}
        parts = {f"{k}.{name}": value for k, model in enumerate(self.models_) for name, value in model.kept().items()}
        return own | fused | parts

    def put_back(self, kept: Mapping[str, NDArray[Any]]) -> Self:
        """The families first."""
        self.models_ = []
        for k, name in enumerate(self.parts):
            inner = {key.removeprefix(f"{k}."): value for key, value in kept.items() if key.startswith(f"{k}.")}
            self.models_.append(family(name).make("classify", self.random_state, self.steps).put_back(inner))
        fused: list[Any] = [kept[f"fusion.{name}"] for name in FUSED]
        self.fusion_ = Fusion(self.parts, *fused)
        return super().put_back(kept)

    def _chance(self, X: Floats) -> Floats:
        told = np.stack([model.predict_proba(X)[:, 1] for model in self.models_], axis=1)
        return self.fusion_.combine(told)[0]


def contenders() -> tuple[str, ...]:
    """Names of all that can be compared: the zoo, linear experts gated by an HMM, and a stack."""
    return (*families(), GATED, STACKED)


def lacking(name: str) -> str | None:
    """The library that a contender needs and that is not installed, None when all are."""
    needed = {GATED: ("hmm", "linear"), STACKED: STACK_OF}.get(name, (name,))
    return next((missing for one in needed if (missing := absent(family(one))) is not None), None)


def make(name: str, problem: Problem, seed: int) -> Any:
    """An unfitted classifier of a contender, suited to a problem."""
    if name == GATED:
        return GatedClassifier(columns=problem.gate or None, random_state=seed)
    if name == STACKED:
        return Stacked(steps=problem.steps, random_state=seed)
    return family(name).make("classify", seed, problem.steps)


def warm(names: Sequence[str]) -> None:
    """Fit every contender once on next to nothing, so that no measure holds the time to import a library."""
    problem = PROBLEMS["linear"]
    sample = problem.draw(60, 10, 0.0, 0)
    for name in names:
        make(name, problem, 0).fit(sample.X, sample.up).predict_proba(sample.X_test)


def run(cell: Cell, test_rows: int, meter: Meter) -> dict[str, Any]:
    """Fit one cell and measure it.

    Returns
    -------
    dict
        The cell's own fields; `accuracy`, `auc`, `brier`, `ece` on labels without noise; `oracle_auc` of the true
        chances; `share` of the oracle's skill, (auc - 1/2) / (oracle_auc - 1/2); `fit_s`, `peak_mib`; `row_us` in
        one batch of all test rows and `one_us` row by row; `state_accuracy` of an HMM where there is a hidden state.
    """
    problem = PROBLEMS[cell.problem]
    sample = problem.draw(cell.rows, test_rows, cell.noise, cell.seed)
    model = make(cell.family, problem, cell.seed)
    fitted = meter(lambda: model.fit(sample.X, sample.up), memory=True)
    batch = meter(lambda: model.predict_proba(sample.X_test)[:, 1])
    single = meter(lambda: [model.predict_proba(row[None, :]) for row in sample.X_test[:SINGLE_ROWS]])
    chance = batch.value
    oracle, own = auc(sample.up_test, sample.chance_test), auc(sample.up_test, chance)
    return {
        **asdict(cell),
        "accuracy": float(np.mean((chance > 0.5) == (sample.up_test > 0))),
        "auc": own,
        "brier": brier(sample.up_test, chance),
        "ece": ece(sample.up_test, chance),
        "oracle_auc": oracle,
        "share": (own - 0.5) / (oracle - 0.5),
        "fit_s": fitted.seconds,
        "peak_mib": fitted.peak_mib,
        "row_us": 1e6 * batch.seconds / len(chance),
        "one_us": 1e6 * single.seconds / SINGLE_ROWS,
        "state_accuracy": _state_accuracy(cell, problem, sample),
    }


def _state_accuracy(cell: Cell, problem: Problem, sample: Sample) -> float | None:
    """How well filtered states match the hidden ones: balanced accuracy on the test rows, calm state first."""
    if cell.family != "hmm" or sample.state_test is None:
        return None
    gate = HmmRegimes(random_state=cell.seed).fit(sample.X[:, list(problem.gate)])
    told: NDArray[np.intp] = gate.predict(sample.X_test[:, list(problem.gate)])
    hits = [np.mean(told[sample.state_test == s] == s) for s in (0, 1)]
    return float(np.mean(hits))


def plan(
    names: Sequence[str],
    problems: Sequence[str],
    rows: int,
    noises: Sequence[float],
    seeds: Sequence[int],
) -> list[Cell]:
    """All cells: every contender on every problem; noise and four times the rows on `mixed`, a quarter on `filter`.

    Noise and sizes are for families that forecast by themselves; regimes and mixtures are run once a problem.
    """
    alone = [name for name in names if name not in (GATED, STACKED, "hmm", "clusters")]
    cells = [Cell(problem, name, rows, 0.0, seed) for seed in seeds for problem in problems for name in names]
    for seed in seeds:
        for name in alone:
            if "mixed" in problems:
                cells += [Cell("mixed", name, rows, noise, seed) for noise in noises if noise > 0]
                cells.append(Cell("mixed", name, 4 * rows, 0.0, seed))
            if "filter" in problems:
                cells.append(Cell("filter", name, rows // 4, 0.0, seed))
    return list(dict.fromkeys(cells))
