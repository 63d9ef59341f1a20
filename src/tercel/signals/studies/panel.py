"""The daily panel: rank IC of rules and models on the 5-day return, one day of lag, costs paid.

Trained on the past of each year's start with ten days of embargo, tested on the year; weekly cross-sections. Any object
with scikit-learn's `fit` and `predict` can be given beside the built-in ridge; the rules need no training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import DataError
from tercel.signals.leak import CEILING
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.portfolio import LongShort, long_short, smoothed
from tercel.signals.scores import Skill, rank_ic
from tercel.signals.validation import DAY, walk_forward

Floats = NDArray[np.float64]
RULES = {
    "rule: reversal": ("daily.ret_5", -1.0),
    "rule: momentum 12-1": ("daily.mom_12_1", 1.0),
    "rule: low vol": ("daily.vol_60", -1.0),
}
EMBARGO_DAYS = 10
PENALTY = 0.01
COST_BPS = 5.0


class Ridge:
    """Least squares with a penalty of `penalty` per row; missing values count as the middle of the cross-section."""

    def __init__(self, penalty: float = PENALTY) -> None:
        self.penalty = penalty

    def fit(self, x: Floats, y: Floats) -> Ridge:
        """Learn coefficients."""
        z = np.nan_to_num(x)
        self.start_ = float(y.mean())
        self.coef_ = np.linalg.solve(z.T @ z + self.penalty * len(y) * np.eye(z.shape[1]), z.T @ (y - self.start_))
        return self

    def predict(self, x: Floats) -> Floats:
        """Forecasts, float64 (n,)."""
        return np.asarray(np.nan_to_num(x) @ self.coef_ + self.start_)


@dataclass(frozen=True)
class PanelRow:
    """One forecast's scores.

    Parameters
    ----------
    model : str
    ic : Skill
    portfolio, smoothed : LongShort
        Plain deciles; of scores averaged with half of their own past.
    warning : str
        Not empty where the IC is too good to be true.
    """

    model: str
    ic: Skill
    portfolio: LongShort
    smoothed: LongShort
    warning: str = ""

    def to_json(self) -> dict[str, Any]:
        """The row by name."""
        return {
            "model": self.model, "ic": self.ic.to_json(), "portfolio": self.portfolio.to_json(),
            "smoothed": self.smoothed.to_json(), "warning": self.warning,
        }  # fmt: skip


@dataclass(frozen=True)
class PanelStudy:
    """Rows of one panel, and what must be said beside them."""

    rows: tuple[PanelRow, ...]
    names: float
    cost_bps: float
    note: str

    def row(self, model: str) -> PanelRow:
        """The row of a model."""
        for one in self.rows:
            if one.model == model:
                return one
        raise DataError(f"a model among {', '.join(one.model for one in self.rows)}", model, "name one of them")

    def to_json(self) -> dict[str, Any]:
        """The study by name."""
        rows = [row.to_json() for row in self.rows]
        return {"rows": rows, "names_per_date": self.names, "cost_bps": self.cost_bps, "note": self.note}


def panel_study(
    data: Dataset, models: Mapping[str, Callable[[], Any]] | None = None, *, first_year: int = 2003, seed: int = 0
) -> PanelStudy:
    """Score the rules, the ridge and `models` (name to factory) walk-forward, refit each year.

    Raises
    ------
    DataError
        When no row trains before the first test year, or a rule's column is missing.
    """
    folds = yearly(data, first_year)
    tested = np.sort(np.concatenate([test for _, test in folds]))
    rng = np.random.default_rng(seed)
    rows = []
    for name, make in {"ridge": Ridge, **(models or {})}.items():
        forecast = np.full(data.n, np.nan)
        for train, test in folds:
            forecast[test] = make().fit(data.x[train], data.y[train]).predict(data.x[test])
        rows.append(scored(name, forecast[tested], data.rows(tested), rng))
    for name, (column, sign) in RULES.items():
        if column in data.names:
            rows.append(scored(name, sign * data.x[tested, data.names.index(column)], data.rows(tested), rng))
    per_date = len(tested) / len(np.unique(data.time_ns[tested]))
    return PanelStudy(tuple(rows), per_date, COST_BPS, data.note)


def yearly(data: Dataset, first_year: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(train, test) of each calendar year from `first_year` on."""
    last = int(np.datetime64(int(data.time_ns[-1]), "ns").astype("datetime64[Y]").astype(int)) + 1970
    if last < first_year:
        raise DataError(f"dates from {first_year} on", f"a panel that ends in {last}", "test from an earlier year")
    cuts = [int(np.datetime64(f"{year}-01-01", "ns").astype(np.int64)) for year in range(first_year, last + 2)]
    return list(walk_forward(data.time_ns, data.end_ns, cuts=cuts, embargo_ns=EMBARGO_DAYS * DAY))


def scored(name: str, forecast: Floats, data: Dataset, rng: np.random.Generator) -> PanelRow:
    """Scores of a forecast on the rows of `data`."""
    ic = rank_ic(forecast, data.outcome, data.dates, rng)
    told = ""
    if ic.mean > CEILING:
        told = f"an IC of {ic.mean:.3f} is above {CEILING}: look for a leak before believing it"
    plain = long_short(forecast, data.outcome, data.dates, data.instrument, cost_bps=COST_BPS)
    calm = smoothed(forecast, data.dates, data.instrument)
    slow = long_short(calm, data.outcome, data.dates, data.instrument, cost_bps=COST_BPS)
    return PanelRow(name, ic, plain, slow, told)
