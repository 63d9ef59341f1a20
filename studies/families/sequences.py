"""Families of models on real books: one family, fitted once to rows of earlier days and judged on later ones.

| family | reads |
|---|---|
| `linear`, `forest`, `boosting`, `svm_linear`, `svm_rbf` | the features of one moment |
| `gated_linear` | the same: a line for each of three clusters of the market's state |
| `linear_steps`, `boosting_steps` | the last seconds laid out flat |
| `lstm`, `transformer` | the last seconds as a sequence |
| `mean` | the mean of what `linear`, `boosting` and `lstm` say |

A cell is fitted twice: to the scaled move (R², its interval) and to the direction of rows that moved (AUC, ECE).
Features are clipped to the inner 99 % of the training's, for all families alike: a book has rows a hundred deviations
out, on which one line is worse than none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from studies.families.book_rows import STATE, BookDay, BookRows, every
from studies.families.cells import Meter
from studies.families.classifiers import classifier
from studies.families.gated import GatedClassifier, GatedRegressor
from studies.families.scores import ece
from studies.zoo import SEQUENCES, SVM_RBF
from studies.zoo.networks import EPOCH_ROWS
from tercel.core import NS_PER_SECOND, Floats, Ints
from tercel.core.stats import two_sided_p, weighted_interval
from tercel.execution.foresight import FEATURES
from tercel.signals import AdaptiveWidth, conformal_widths as widths
from tercel.signals.flow import accuracy, mirrored_auc
from tercel.signals.models import family

HORIZONS: Final = (1, 10, 60)
GATED: Final = "gated_linear"
LAID: Final = ("linear_steps", "boosting_steps")
MEAN: Final = "mean"
MEAN_OF: Final = ("linear", "boosting", "lstm")
SINGLE: Final = (
    "linear",
    "svm_linear",
    "boosting",
    GATED,
    *LAID,
    "svm_rbf",
    "lstm",
    "transformer",
    "forest",
)
"""All that are fitted, the quick ones first."""
JUDGED_S: Final = 5
"""Seconds between the rows that are judged."""
MOST_KERNEL: Final = 10_000
"""Rows that a kernel machine is given whole; of more it sees the subsample of its card."""
SEEN: Final = 2_000_000
"""Rows times epochs of a network, at most."""
MINUTE_NS: Final = 60 * NS_PER_SECOND
"""An interval moves once a minute."""
REMEMBERED: Final = 120
"""Minutes whose scores it is a quantile of."""


@dataclass(frozen=True, order=True)
class BookCell:
    """What is fitted: a family to so many rows, for moves of so many seconds, one seed."""

    rows: int
    horizon: int
    family: str
    seed: int

    @property
    def key(self) -> str:
        """A file name.

        >>> BookCell(1000, 10, "forest", 3).key
        'forest-10s-1000-3'
        """
        return f"{self.family}-{self.horizon}s-{self.rows}-{self.seed}"


def steps_of(name: str, steps: int) -> int:
    """Seconds that a family reads."""
    return steps if name in (*LAID, *SEQUENCES) else 1


def made(name: str, rows: int, steps: int, seed: int) -> tuple[Any, Any]:
    """An unfitted regressor and classifier."""
    if name == GATED:
        how: dict[str, Any] = {
            "columns": STATE,
            "regimes": "clusters",
            "states": 3,
            "random_state": seed,
        }
        return GatedRegressor(**how), GatedClassifier(**how)
    name = name.removesuffix("_steps")
    if name in SEQUENCES:
        epochs = int(np.clip(math.ceil(SEEN / min(rows, EPOCH_ROWS)), 2, 40))
        how = {"steps": steps, "epochs": epochs, "batch": 128 if rows <= 10_000 else 512}
        return family(name).make(seed, **how), classifier(name, seed, steps).set_params(**how)
    pair = family(name).make(seed), classifier(name, seed)
    if name == SVM_RBF.name and rows <= MOST_KERNEL:
        pair = tuple(one.set_params(subsample=None) for one in pair)
    return pair


@dataclass(frozen=True, eq=False)
class Lot:
    """Rows that a cell is fitted to or judged on: `x` (n, steps * F), `y` (n,), and by row its day and its time."""

    x: Floats
    y: Floats
    day: Ints
    ns: Ints

    @classmethod
    def of(cls, days: Sequence[BookDay], rows: Sequence[Ints], steps: int, horizon: int) -> "Lot":
        """Some rows of each day."""
        each = list(zip(days, rows, strict=True))
        x = np.empty((sum(map(len, rows)), steps * FEATURES))
        at = 0
        for day, part in each:
            x[at : at + len(part)] = day.sequences(part, steps)
            at += len(part)
        y = np.concatenate([day.outcome(part, horizon) for day, part in each])
        return cls(
            x, y, np.repeat(np.arange(len(rows)), [len(one) for one in rows]), _joined(days, rows)
        )

    def clip(self, low: Floats, high: Floats) -> None:
        """Hold every step's features (F,) within bounds, in place."""
        for at in range(0, self.x.shape[1], len(low)):
            step = self.x[:, at : at + len(low)]
            np.clip(step, low, high, out=step)


def bounds(x: Floats) -> tuple[Floats, Floats]:
    """Where the inner 99 % of each feature lie; all of it where these are one value."""
    low, high = np.quantile(x, (0.005, 0.995), axis=0)
    same = low == high
    return np.where(same, x.min(axis=0), low), np.where(same, x.max(axis=0), high)


def _joined(days: Sequence[BookDay], rows: Sequence[Ints]) -> Ints:
    return np.concatenate([day.ns(part) for day, part in zip(days, rows, strict=True)])


Told = tuple[Floats, Floats]
"""Moves and chances of going where the features look that a cell said of the rows of calibration and test together."""


def fit(cell: BookCell, data: BookRows, steps: int, meter: Meter) -> tuple[dict[str, Any], Told]:
    """Fit one cell: what it took, and what it said."""
    long = steps_of(cell.family, steps)
    train = Lot.of(data.train, data.drawn(cell.rows, cell.seed), long, cell.horizon)
    low, high = bounds(train.x[:, -FEATURES:])
    train.clip(low, high)
    value, chance = made(cell.family, cell.rows, long, cell.seed)
    moved = train.y != 0
    fitted = meter(lambda: value.fit(train.x, train.y), memory=True)
    both = meter(lambda: chance.fit(train.x[moved], (train.y[moved] > 0).astype(np.int64)))
    later = judged(data, long, cell.horizon)
    later.clip(low, high)
    one = later.x[:1]
    single = meter(lambda: [value.predict(one) for _ in range(10)])
    told = value.predict(later.x), chance.predict_proba(later.x)[:, 1]
    size = sum(array.nbytes for array in kept_of(value).values()) / 1024
    took = {
        "fit_s": fitted.seconds, "classifier_fit_s": both.seconds, "one_us": 1e5 * single.seconds,
        "peak_mib": fitted.peak_mib, "model_kib": size, "seen": seen(cell),
    }  # fmt: skip
    return took, told


def kept_of(model: Any) -> Mapping[str, Any]:
    """Arrays of a fitted model, of a gated one those of its parts."""
    if not isinstance(model, GatedRegressor):
        return model.to_arrays()  # type: ignore[no-any-return]
    parts = (model.gate_, *model.experts_)
    return {
        f"{at}.{name}": array
        for at, one in enumerate(parts)
        for name, array in one.to_arrays().items()
    }


def seen(cell: BookCell) -> int:
    """Rows that a family really learns from."""
    capped = cell.family == SVM_RBF.name and cell.rows > MOST_KERNEL
    return 5_000 if capped else cell.rows


def judged(data: BookRows, steps: int, horizon: int) -> Lot:
    """Rows of the days of calibration and test, some seconds apart."""
    days = (*data.calibrate, *data.test)
    return Lot.of(days, [every(one, JUDGED_S) for one in days], steps, horizon)


def scored(cell: BookCell, data: BookRows, told: Told) -> dict[str, Any]:
    """Skill and calibration of what a cell said, by day of the test and over all."""
    lot = judged(data, 1, cell.horizon)
    value, chance = told
    test = lot.day >= len(data.calibrate)
    inside = covered(np.abs(lot.y - value), lot.ns, cell.horizon, test)
    up = np.log(np.clip(chance, 1e-9, 1.0)) - np.log(np.clip(1.0 - chance, 1e-9, 1.0))

    def of(rows: Any) -> dict[str, Any]:
        y, moved = lot.y[rows], lot.y[rows] != 0
        return {
            "rows": len(y), "r2": accuracy(value[rows], y).r2, "auc": mirrored_auc(up[rows][moved], y[moved]),
            "ece": ece(y[moved], chance[rows][moved]),
            **{name: float(one[rows].mean()) for name, one in inside.items()},
        }  # fmt: skip

    by_day = [
        {"date": day.day.date, **of(np.flatnonzero(lot.day == at + len(data.calibrate)))}
        for at, day in enumerate(data.test)
    ]  # fmt: skip
    whole = {
        "rows": cell.rows, "horizon": cell.horizon, "family": cell.family, "seed": cell.seed,
        **{key: number for key, number in of(test).items() if key != "rows"}, "tested": int(test.sum()),
    }  # fmt: skip
    return whole | {"by_day": by_day}


def covered(scores: Floats, ns: Ints, horizon: int, test: Any) -> dict[str, Any]:
    """Whether each row was inside an interval of 90 %: one that stays as calibration had it, one that moves.

    Parameters
    ----------
    scores : float64 (n,)
        |move - forecast|.
    ns : int64 (n,)
        Time; the interval moves a minute at a time.
    test : bool (n,)
        Rows after the days of calibration.
    """
    minute = ns // MINUTE_NS * MINUTE_NS
    end = ns + horizon * NS_PER_SECOND
    fixed = AdaptiveWidth(rate=0.0, window=len(scores))
    fixed.learn(scores[~test], float("nan"))
    moving, _ = widths(scores, minute, end, int(end.max()), AdaptiveWidth(window=REMEMBERED))
    return {
        "coverage_fixed": scores <= fixed.width(),
        "coverage": scores <= np.nan_to_num(moving, nan=np.inf),
    }


def compared(
    rows: Sequence[Mapping[str, Any]], key: str = "r2", than: str = "linear"
) -> list[dict[str, Any]]:
    """Each cell less the line of the same rows and horizon, paired by day: mean, 95 % by Student's t, p."""
    lines = {(one["rows"], one["horizon"]): one for one in rows if one["family"] == than}
    found = []
    for one in rows:
        line = lines.get((one["rows"], one["horizon"]))
        if one["family"] == than or line is None:
            continue
        pairs = zip(one["by_day"], line["by_day"], strict=True)
        less = [a[key] - b[key] for a, b in pairs if a[key] is not None and b[key] is not None]
        mean, half = weighted_interval(less, [1.0] * len(less))
        about = {name: one[name] for name in ("rows", "horizon", "family")} | {
            "mean": mean,
            "days": len(less),
        }
        if mean is None or half is None:
            found.append(about | {"ci_low": None, "ci_high": None, "p": 1.0})
            continue
        error = float(np.std(less, ddof=1)) / math.sqrt(len(less))
        p = two_sided_p(mean / error, len(less) - 1) if error > 0 else 1.0
        found.append(about | {"ci_low": mean - half, "ci_high": mean + half, "p": p})
    return found
