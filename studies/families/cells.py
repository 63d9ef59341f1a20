"""One family, fitted once and measured: the cell that the whole comparison is made of.

Its problems have a known truth: the chance of "up" is given for every row, so an oracle's score is known too.

| name | rows are | the chance of up follows |
|---|---|---|
| `linear` | 10 columns | a sum of five of them |
| `interaction` | 10 columns | products of pairs; no column alone tells anything |
| `mixed` | 20 columns | a sum, a product, thresholds; twelve columns are noise |
| `filter` | 16 steps of 2 columns | an exponentially fading sum over the steps |
| `gated` | 16 steps of 2 columns | the values at the two steps that a marker names, wherever they lie |
| `regime` | moments in time, 3 columns | a column whose sign turns with a hidden state that shows in volatility |

The first three are tabular, the next two sequences (laid out flat for all families alike). Labels of the training can
be flipped at random; those of the test never are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from studies.families.classifiers import Classifier, classifier
from studies.families.gated import GatedClassifier
from studies.families.scores import auc, brier, ece
from studies.zoo import FAMILIES, STATES, card_of
from studies.zoo.regimes import HmmRegimes
from tercel.core import ConfigError, Floats, Ints
from tercel.signals import Fusion, stack
from tercel.signals.models import absent

STEPS = 16


@dataclass(frozen=True, eq=False)
class TrainTest:
    """A training and a test set.

    Parameters
    ----------
    X, up : float64 (n, F) and int64 (n,)
        To train on; labels flipped where noise was asked for.
    X_test, up_test, chance_test : float64 (m, F), int64 (m,), float64 (m,)
        To test on, with the true chance of up.
    state_test : int64 (m,), optional
        The hidden state, where there is one.
    """

    X: Floats
    up: Ints
    X_test: Floats
    up_test: Ints
    chance_test: Floats
    state_test: Ints | None = None


@dataclass(frozen=True)
class Problem:
    """A law to draw from.

    Parameters
    ----------
    name, kind : str
        `kind` is "tabular", "sequence" or "regime".
    steps : int
        Length of the sequences, 1 for plain rows.
    law : callable
        ``law(n, rng)`` -> features (n, F), log odds of up (n,), hidden state (n,) or None.
    gate : tuple of int
        Columns that a regime shows in.
    """

    name: str
    kind: str
    steps: int
    law: Callable[[int, np.random.Generator], tuple[Floats, Floats, Ints | None]]
    gate: tuple[int, ...] = ()

    def draw(self, rows: int, test_rows: int, noise: float, seed: int) -> TrainTest:
        """A sample of its own for each seed; the same features and truth whatever the noise.

        Raises
        ------
        ConfigError
            For a share of flipped labels outside [0, 0.5).
        """
        if not 0.0 <= noise < 0.5:
            raise ConfigError(
                "a share of flipped labels from 0 to below 0.5", f"{noise:g}", "0.5 is pure noise"
            )
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        X, odds, state = self.law(rows + test_rows, rng)
        chance = expit(odds)
        up = (rng.random(rows + test_rows) < chance).astype(np.int64)
        flipped = np.random.default_rng([seed, 77]).random(rows) < noise
        train = np.where(flipped, 1 - up[:rows], up[:rows])
        return TrainTest(
            X[:rows], train, X[rows:], up[rows:], chance[rows:], None if state is None else state[rows:]
        )  # fmt: skip


def _linear(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, 10))
    return X, X[:, :5] @ np.array([1.0, 0.8, 0.6, 0.4, 0.3]), None


def _interaction(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, 10))
    return X, 1.6 * X[:, 0] * X[:, 1] + 1.2 * X[:, 2] * X[:, 3], None


def _mixed(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, 20))
    # heavy tails and different scales, as tables of the world have
    X[:, 1] = np.exp(X[:, 1])
    X[:, 3] = X[:, 3] ** 3
    odds = (
        0.8 * X[:, 0]
        + 0.9 * X[:, 4] * X[:, 5]
        + 1.2 * (X[:, 1] > 1.5)
        - 1.0 * (X[:, 3] > 0.2)
        + 0.6 * np.abs(X[:, 6])
    )
    return X, odds - odds.mean(), None


def _filter(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, STEPS, 2))
    fade = 0.8 ** np.arange(STEPS)[::-1]
    return X.reshape(n, -1), 1.2 * (X[:, :, 0] @ fade), None


def _gated(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, None]:
    X = rng.standard_normal((n, STEPS, 2))
    first = rng.integers(0, STEPS // 2, n)
    second = rng.integers(STEPS // 2, STEPS, n)
    X[:, :, 1] = 0.0
    X[np.arange(n), first, 1] = X[np.arange(n), second, 1] = 1.0
    return X.reshape(n, -1), 1.5 * (X[np.arange(n), first, 0] + X[np.arange(n), second, 0]), None


def _regime(n: int, rng: np.random.Generator) -> tuple[Floats, Floats, Ints]:
    state = (np.cumsum(rng.random(n) < 1 / 60) + rng.integers(2)) % 2
    X = rng.standard_normal((n, 3))
    X[:, 0] *= np.where(state > 0, 2.5, 0.8)
    return X, 1.8 * np.where(state > 0, -1.0, 1.0) * X[:, 1], state.astype(np.int64)


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("linear", "tabular", 1, _linear),
        Problem("interaction", "tabular", 1, _interaction),
        Problem("mixed", "tabular", 1, _mixed),
        Problem("filter", "sequence", STEPS, _filter),
        Problem("gated", "sequence", STEPS, _gated),
        Problem("regime", "regime", 1, _regime, (0,)),
    )
}

T = TypeVar("T")
GATED = "gated_linear"
STACKED = "stacked"
STACK_OF = ("linear", "boosting", "svm_rbf")
SINGLE_ROWS = 10


@dataclass(frozen=True)
class Measurement(Generic[T]):
    """What an action gave and what it took: seconds, and MiB at its peak above the start (None: not known here)."""

    value: T
    seconds: float
    peak_mib: float | None


class Meter(Protocol):
    """Measures an action; clocks and memory are the caller's."""

    def __call__(self, action: Callable[[], T], memory: bool = False) -> Measurement[T]:
        """Do it and measure; memory where asked for."""


@dataclass(frozen=True, order=True)
class FittedCell:
    """What is fitted: a family on a problem of so many rows, so much label noise, one seed."""

    problem: str
    family: str
    rows: int
    noise: float
    seed: int

    @property
    def key(self) -> str:
        """A file name.

        >>> FittedCell("linear", "forest", 800, 0.1, 3).key
        'linear-forest-800-0.10-3'
        """
        return f"{self.problem}-{self.family}-{self.rows}-{self.noise:.2f}-{self.seed}"


FUSED: Final = ("centre", "slope", "weights", "gram", "common", "base", "spread", "tail")
"""What a fusion has learned, in the order of its fields."""


@dataclass(eq=False, repr=False)
class StackedEnsemble(Classifier):
    """Several families fused by :func:`tercel.signals.models.fusion.stack` on forecasts of contiguous folds.

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
            return classifier(name, self.random_state, self.steps)

        out = np.full((len(X), len(self.parts)), np.nan)
        rows = np.arange(len(X))
        for fold in np.array_split(rows, self.folds):
            rest = np.setdiff1d(rows, fold)
            for k, name in enumerate(self.parts):
                out[fold, k] = (
                    make(name).fit(X[rest], up[rest], weights[rest]).predict_proba(X[fold])[:, 1]
                )
        self.fusion_ = stack(out, up, self.parts, shrink=0.2)
        self.models_ = [make(name).fit(X, up, weights) for name in self.parts]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of the families and of what fuses them."""
        own = super().to_arrays()
        fused = {f"fusion.{name}": np.asarray(getattr(self.fusion_, name)) for name in FUSED}
        parts = {
            f"{k}.{name}": value
            for k, model in enumerate(self.models_)
            for name, value in model.to_arrays().items()
        }
        return own | fused | parts

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The families first."""
        self.models_ = []
        for k, name in enumerate(self.parts):
            inner = {
                key.removeprefix(f"{k}."): value
                for key, value in arrays.items()
                if key.startswith(f"{k}.")
            }
            self.models_.append(classifier(name, self.random_state, self.steps).from_arrays(inner))
        fused: list[Any] = [arrays[f"fusion.{name}"] for name in FUSED]
        self.fusion_ = Fusion(self.parts, *fused)
        return super().from_arrays(arrays)

    def _chance(self, X: Floats) -> Floats:
        forecasts = np.stack([model.predict_proba(X)[:, 1] for model in self.models_], axis=1)
        return self.fusion_.combine(forecasts)[0]


def candidates() -> tuple[str, ...]:
    """Names of all that can be compared: the zoo, linear experts gated by an HMM, and a stack."""
    return (*FAMILIES, GATED, STACKED)


def lacking(name: str) -> str | None:
    """The library that a contender needs and that is not installed, None when all are."""
    needed = {GATED: ("hmm", "linear"), STACKED: STACK_OF}.get(name, (name,))
    return next((missing for one in needed if (missing := absent(card_of(one))) is not None), None)


def make(name: str, problem: Problem, seed: int) -> Any:
    """An unfitted classifier of a contender, suited to a problem."""
    if name == GATED:
        return GatedClassifier(columns=problem.gate or None, random_state=seed)
    if name == STACKED:
        return StackedEnsemble(steps=problem.steps, random_state=seed)
    return classifier(name, seed, problem.steps)


def warm(names: Sequence[str]) -> None:
    """Fit every contender once on next to nothing, so that no measure holds the time to import a library."""
    problem = PROBLEMS["linear"]
    sample = problem.draw(60, 10, 0.0, 0)
    for name in names:
        make(name, problem, 0).fit(sample.X, sample.up).predict_proba(sample.X_test)


def run(cell: FittedCell, test_rows: int, meter: Meter) -> dict[str, Any]:
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
    single = meter(
        lambda: [model.predict_proba(row[None, :]) for row in sample.X_test[:SINGLE_ROWS]]
    )
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


def _state_accuracy(cell: FittedCell, problem: Problem, sample: TrainTest) -> float | None:
    """How well filtered states match the hidden ones: balanced accuracy on the test rows, calm state first."""
    if cell.family != "hmm" or sample.state_test is None:
        return None
    gate = HmmRegimes(random_state=cell.seed).fit(sample.X[:, list(problem.gate)])
    forecasts: NDArray[np.intp] = gate.predict(sample.X_test[:, list(problem.gate)])
    hits = [np.mean(forecasts[sample.state_test == s] == s) for s in (0, 1)]
    return float(np.mean(hits))


def plan(
    names: Sequence[str],
    problems: Sequence[str],
    rows: int,
    noises: Sequence[float],
    seeds: Sequence[int],
) -> list[FittedCell]:
    """All cells: every contender on every problem; noise and four times the rows on `mixed`, a quarter on `filter`.

    Noise and sizes are for families that forecast by themselves; regimes and mixtures are run once a problem.
    """
    alone = [name for name in names if name not in (GATED, STACKED, *STATES)]
    cells = [
        FittedCell(problem, name, rows, 0.0, seed)
        for seed in seeds
        for problem in problems
        for name in names
    ]
    for seed in seeds:
        for name in alone:
            if "mixed" in problems:
                cells += [
                    FittedCell("mixed", name, rows, noise, seed) for noise in noises if noise > 0
                ]
                cells.append(FittedCell("mixed", name, 4 * rows, 0.0, seed))
            if "filter" in problems:
                cells.append(FittedCell("filter", name, rows // 4, 0.0, seed))
    return list(dict.fromkeys(cells))
