"""Figures of forecasts out of sample: rank IC, contribution of each source, calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Indices
from tercel.core.estimate import Estimate
from tercel.core.frames import Frame
from tercel.core.records import Record
from tercel.core.stats import mean_interval
from tercel.signals.models.folds import Fold
from tercel.signals.models.intervals import WidthCoverage
from tercel.signals.models.skill import (
    BLOCK,
    FEWEST,
    NO_SKILL,
    Skill,
    rank_ic_by_date,
    skill,
    stride,
)
from tercel.signals.models.walk_forward import fuse_blocks
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.leak import LeakLine
from tercel.signals.runs.config import Weighing


def tested_rows(folds: Sequence[Fold]) -> Indices:
    """Rows of every test block but the first, before which nothing was fused; of the first where it is alone."""
    return np.sort(np.concatenate([test for _, test in folds[1:] or folds]))


@dataclass(frozen=True)
class Added:
    """Contribution of a source to the rank IC, and its number of dates."""

    adds: Estimate
    dates: int


@dataclass(frozen=True)
class EvaluatedSignals(Record):
    """Figures of out-of-sample forecasts, as `result.json` has them.

    Parameters
    ----------
    rows, dates : int
        Measured: what :func:`tested_rows` takes.
    ic : dict of str to Skill
        Of the fusion, of equal weights and of each source:family; None where dates are too few.
    calibration : dict
        Slope of outcomes on forecasts, and how often they came within the stated deviation.
    ablation : dict of str to Added
    unranked : list of str
        Sources that are the same of every name.
    interval : dict of str to WidthCoverage, optional
        Of the model's 90 % interval by year; not written without an interval.
    """

    out: Path
    rows: int
    dates: int
    ic: dict[str, Skill | None]
    calibration: dict[str, Any]
    ablation: dict[str, Added]
    unranked: list[str]
    leak: list[LeakLine]
    note: str
    warnings: tuple[str, ...]
    interval: dict[str, WidthCoverage] | None

    @property
    def fused(self) -> Skill | None:
        """Skill of the fusion."""
        return self.ic["fusion"]

    def __repr__(self) -> str:
        """Its table."""
        return repr(self.table())

    def table(self) -> Frame:
        """Rank IC by name of the forecast: `name`, `ic`, `low`, `high`, `t`, `dates`; null where it was not measured."""
        rows = [
            (name, found.mean, found.ci_low, found.ci_high, found.t, found.dates)
            if found
            else (name, None, None, None, None, None)
            for name, found in self.ic.items()
        ]
        numbers = dict.fromkeys(("ic", "low", "high", "t"), pl.Float64)
        return Frame(rows, {"name": pl.String, **numbers, "dates": pl.Int64}, orient="row")

    def json_fields(self) -> dict[str, object]:
        """Fields by name for JSON; a skill that was not measured is an empty object, None is kept; `interval` only if
        there is one.
        """
        ic = {
            name: None if source_skill is None else source_skill.to_json()
            for name, source_skill in self.ic.items()
        }
        fields = vars(self) | {"ic": ic}
        return {
            key: value for key, value in fields.items() if key != "interval" or value is not None
        }


def out_of_sample(
    data: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    folds: Sequence[Fold],
    *,
    shrink: float,
    weights: Weighing = "fused",
    seed: int,
) -> EvaluatedSignals:
    """Figures of out-of-sample forecasts, without folder, leak check and interval.

    Parameters
    ----------
    data : Dataset
    forecasts : float64 (n, columns)
        Forecasts out of fold; NaN if missing.
    columns : tuple of str
        Names of the columns: source:family.
    folds : sequence of Fold
        Past and test rows; measured is what :func:`tested_rows` takes.
    shrink : float
        Of fusion weights to equal ones.
    weights : str
        As :func:`~tercel.signals.models.walk_forward.fuse`.
    seed : int
    """
    tested = tested_rows(folds)
    rng = np.random.default_rng([seed, 9])
    part = data.rows(tested)
    fused = fuse_blocks(data, forecasts, columns, folds, shrink=shrink, weights=weights)
    value, sd, even = (values[tested] for values in fused)
    scores = {"fusion": value, "equal weights": even}
    scores |= {name: forecasts[tested, k] for k, name in enumerate(columns)}

    def fuse_subset(keep: Indices) -> Floats:
        """Fused forecasts of the tested rows by the base models with indices `keep` alone."""
        names = [columns[k] for k in keep]
        kept = forecasts[:, keep]
        return fuse_blocks(data, kept, names, folds, shrink=shrink, weights=weights)[0][tested]

    ic = {name: ic_of(score, part, rng) for name, score in scores.items()}
    calibration = _calibration(value, sd, part, rng)
    # a forecast that is the same of all names has no slope, though its level may move from block to block
    if ic["fusion"] is NO_SKILL:
        calibration["slope"] = float("nan")
    return EvaluatedSignals(
        out=Path(),
        rows=len(tested),
        dates=len(np.unique(part.time_ns)),
        ic=ic,
        calibration=calibration,
        ablation=_source_contributions(part, forecasts[tested], columns, value, fuse_subset, rng),
        unranked=[name for name in data.sources if name not in data.ranking],
        leak=[],
        note=data.note,
        warnings=data.warnings,
        interval=None,
    )


def _difference(first: Floats, second: Floats, rng: np.random.Generator) -> Added | None:
    """Mean of first less second with its interval over blocks of dates; None with too few dates."""
    both_finite = np.isfinite(first) & np.isfinite(second)
    if both_finite.sum() <= BLOCK:
        return None
    blocks = np.flatnonzero(both_finite) // BLOCK
    return Added(
        mean_interval(first[both_finite] - second[both_finite], blocks, rng), int(both_finite.sum())
    )


def ic_of(score: Floats, part: Dataset, rng: np.random.Generator) -> Skill | None:
    """Rank IC of a score (n,) over the dates on which it differs between names, with t and interval over blocks of them,
    which no label outlasts; None where they are too few, `NO_SKILL` where there are none.
    """
    first = np.unique(part.time_ns, return_index=True)[1]
    block = max(BLOCK, stride(part.start_ns[first], part.end_ns[first]))
    by_date = rank_ic_by_date(score, part.outcome, part.dates)
    enough_names = np.bincount(part.dates, np.isfinite(score) & np.isfinite(part.outcome)) >= FEWEST
    dates_with_forecast = int(np.isfinite(by_date).sum())
    if enough_names.sum() > block and dates_with_forecast == 0:
        return NO_SKILL
    if dates_with_forecast <= block:
        return None
    return replace(
        skill(by_date, rng, block=block), silent=int(enough_names.sum()) - dates_with_forecast
    )


def _calibration(
    value: Floats, sd: Floats, part: Dataset, rng: np.random.Generator
) -> dict[str, Any]:
    """Slope of outcomes on forecasts (1 is right), and how often it came within the stated deviation.

    Labels are ranks, uniform by construction: .577 of them lie within one standard deviation, .950 within 1.645.
    """
    finite = np.isfinite(value) & np.isfinite(sd)
    f = value[finite] - value[finite].mean()
    y = part.y[finite] - part.y[finite].mean()
    s = sd[finite]
    slope = float(f @ y / (f @ f)) if f @ f > 0 else float("nan")
    error = np.abs(part.y[finite] - value[finite]) / s
    blocks = part.dates[finite] // BLOCK
    return {
        "slope": slope,
        "within_1_sd": mean_interval(error <= 1.0, blocks, rng).to_json(),
        "within_1.645_sd": mean_interval(error <= 1.645, blocks, rng).to_json(),
    }


def _source_contributions(
    part: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    value: Floats,
    fuse_subset: Callable[[Indices], Floats],
    rng: np.random.Generator,
) -> dict[str, Added]:
    """Contribution of each source: IC of the fusion less that of a fusion without it, over the dates of its
    forecasts."""
    full_ic = rank_ic_by_date(value, part.outcome, part.dates)
    contributions = dict[str, Added]()
    sources = np.array([name.rsplit(":", 1)[0] for name in columns])
    for source in dict.fromkeys(sources.tolist()):
        of_source = sources == source
        if of_source.all():
            continue
        reduced_ic = rank_ic_by_date(
            fuse_subset(np.flatnonzero(~of_source)), part.outcome, part.dates
        )
        present = np.bincount(part.dates, ~np.isnan(forecasts[:, of_source]).all(axis=1)) > 0
        # a fusion that says nothing, or the same of all, has no skill
        compared = present & (np.isfinite(full_ic) | np.isfinite(reduced_ic))
        with_it, without = (
            np.where(compared, np.nan_to_num(ic), np.nan) for ic in (full_ic, reduced_ic)
        )
        contribution = _difference(with_it, without, rng)
        if contribution is not None:
            contributions[source] = contribution
    return contributions
