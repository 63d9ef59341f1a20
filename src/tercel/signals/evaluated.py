"""Out-of-sample figures of forecasts: rank IC with its interval, calibration, what each source adds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tercel.core.arrays import Floats, Indices
from tercel.core.estimate import Estimate
from tercel.core.report import svg
from tercel.core.report.cells import NOTHING
from tercel.core.report.figures import whisker
from tercel.core.report.svg import PAGE, Figure, Section, finished, name_rows, render, sketch
from tercel.core.report.tables import fixed, plain_table, spelt_cell
from tercel.core.stats import mean_interval
from tercel.signals.fusion_walk import Fold, fused
from tercel.signals.leak import leak_table
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import BLOCK, FEWEST, rank_ic_by_date, skill, stride, told

Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]
"""Title, headings and rows, for a terminal and a page."""


def tested_of(folds: Sequence[Fold]) -> Indices:
    """Rows of every test block but the first, before which nothing was fused; of the first where it is alone."""
    return np.sort(np.concatenate([test for _, test in folds[1:] or folds]))


def out_of_sample(
    data: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    folds: Sequence[Fold],
    *,
    shrink: float,
    seed: int,
) -> dict[str, Any]:
    """Figures of forecasts that were walked forward: "ic", "calibration", "ablation" and how many rows.

    Parameters
    ----------
    data : Dataset
    forecasts : float64 (n, columns)
        Forecasts out of fold, NaN where there is none.
    columns : tuple of str
        What a column is: source:family.
    folds : sequence of Fold
        Past and test rows; measured is what :func:`tested_of` takes.
    shrink : float
        Of fusion weights to equal ones.
    seed : int
    """
    tested, rng = tested_of(folds), np.random.default_rng([seed, 9])
    part = data.rows(tested)
    value, sd, even = (a[tested] for a in fused(data, forecasts, columns, folds, shrink=shrink))
    scores = {"fusion": value, "equal weights": even}
    scores |= {name: forecasts[tested, k] for k, name in enumerate(columns)}

    def less(keep: Indices) -> Floats:
        return fused(data, forecasts[:, keep], [columns[k] for k in keep], folds, shrink=shrink)[0][
            tested
        ]

    ic = {name: ic_of(score, part, rng) for name, score in scores.items()}
    # a forecast that is the same of all names has no slope, though its level may move from block to block
    return {
        "rows": len(tested),
        "dates": len(np.unique(part.time_ns)),
        "ic": ic,
        "calibration": _calibration(value, sd, part, rng)
        | ({"slope": float("nan")} if ic["fusion"] == {} else {}),
        "ablation": _ablation(part, forecasts[tested], columns, value, less, rng),
        "unranked": [name for name in data.sources if name not in data.ranking],
    }


def _difference(first: Floats, second: Floats, rng: np.random.Generator) -> dict[str, Any] | None:
    """Mean of first less second with its interval over blocks of dates, None with too few dates."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() <= BLOCK:
        return None
    blocks = np.flatnonzero(both) // BLOCK
    return {
        "adds": mean_interval(first[both] - second[both], blocks, rng).to_json(),
        "dates": int(both.sum()),
    }


def ic_of(score: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, float] | None:
    """Rank IC of a score (n,) with t and interval over blocks of dates, which no label outlasts; None where they are
    too few, empty where the score is the same of all names on every date.
    """
    first = np.unique(part.time_ns, return_index=True)[1]
    block = max(BLOCK, stride(part.start_ns[first], part.end_ns[first]))
    by_date = _by_date(score, part)
    if np.isfinite(by_date).sum() <= block:
        return None
    return skill(by_date, rng, block=block).to_json() if np.nan_to_num(by_date).any() else {}


def _by_date(score: Floats, part: Dataset) -> Floats:
    """Rank IC of each date, 0 where the score is the same of all its names.

    Fusions fall silent after a bad block: the mean of the dates on which they spoke would lie below that of all.
    """
    ic = rank_ic_by_date(score, part.outcome, part.dates)
    many = np.bincount(part.dates, np.isfinite(score) & np.isfinite(part.outcome)) >= FEWEST
    return np.where(many, np.nan_to_num(ic), ic)


def _calibration(
    value: Floats, sd: Floats, part: Dataset, rng: np.random.Generator
) -> dict[str, Any]:
    """Slope of outcomes on forecasts (1 is right), and how often it came within the stated deviation.

    Labels are ranks, uniform by construction: .577 of them lie within one standard deviation, .950 within 1.645.
    """
    seen = np.isfinite(value) & np.isfinite(sd)
    f, y, s = value[seen] - value[seen].mean(), part.y[seen] - part.y[seen].mean(), sd[seen]
    slope = float(f @ y / (f @ f)) if f @ f > 0 else float("nan")
    error = np.abs(part.y[seen] - value[seen]) / s
    blocks = part.dates[seen] // BLOCK
    return {
        "slope": slope,
        "within_1_sd": mean_interval(error <= 1.0, blocks, rng).to_json(),
        "within_1.645_sd": mean_interval(error <= 1.645, blocks, rng).to_json(),
    }


def _ablation(
    part: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    value: Floats,
    less: Callable[[Indices], Floats],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """What each source adds: IC of the fusion less that of a fusion without it, over the dates when it forecast."""
    whole, found = rank_ic_by_date(value, part.outcome, part.dates), dict[str, Any]()
    of = np.array([name.rsplit(":", 1)[0] for name in columns])
    for source in dict.fromkeys(of.tolist()):
        mine = of == source
        if mine.all():
            continue
        gone = rank_ic_by_date(less(np.flatnonzero(~mine)), part.outcome, part.dates)
        present = np.bincount(part.dates, ~np.isnan(forecasts[:, mine]).all(axis=1)) > 0
        # a fusion that says nothing, or the same of all, has no skill
        compared = present & (np.isfinite(whole) | np.isfinite(gone))
        with_it, without = (np.where(compared, np.nan_to_num(ic), np.nan) for ic in (whole, gone))
        one = _difference(with_it, without, rng)
        if one is not None:
            found[source] = one
    return found


def tables(found: dict[str, Any]) -> tuple[Table, ...]:
    """Skill, what each source adds, calibration, leak check of what `evaluate` found, intervals if any."""
    known = {name: ic or dict.fromkeys(("mean", "t", "dates")) for name, ic in found["ic"].items()}
    ics = [
        (name, spelt_cell(ic, digits=4), fixed(ic["t"], 1), ic["dates"] or NOTHING)
        for name, ic in known.items()
    ]
    adds = [
        (name, spelt_cell(one["adds"], digits=4), one["dates"])
        for name, one in found["ablation"].items()
    ]
    adds = adds or [
        ("none: it takes two sources, and a forecast with one or without it", NOTHING, NOTHING)
    ]
    shares = found["calibration"]
    within = [
        (name, spelt_cell(shares[name], digits=3)) for name in ("within_1_sd", "within_1.645_sd")
    ]
    interval = found.get("interval") or {}
    years = [
        (year, fixed(one["coverage"], 3), fixed(one["width_sd"], 2))
        for year, one in interval.items()
    ]
    return (
        (
            f"out of sample, {found['dates']} dates",
            ("forecast", "rank IC, 95 %", "t", "dates"),
            ics,
        ),
        ("what each source adds to the IC, 95 %", ("source", "adds", "dates"), adds),
        (
            "calibration: slope 1, .577 and .950 are right for ranks",
            ("", "value"),
            [("slope", fixed(shares["slope"], 3)), *within],
        ),
        ("leak check", *leak_table(found["leak"])),
        *(
            (("90 % interval of predict, by year", ("year", "inside", "half of it, sd"), years),)
            if years
            else ()
        ),
    )


def evaluate_page(result: dict[str, Any]) -> str:
    """Page of the figures of `evaluate`, as HTML."""
    skill, added, shares, leak, *years = (
        plain_table(heads, rows, prose=True) for _, heads, rows in tables(result)
    )
    adds = {name: one["adds"] for name, one in result["ablation"].items()}
    less = "The fusion's IC less that of a fusion without the source, over the dates when it forecast. "
    slope = (
        "Slope of what came on what was said: 1 is right. Labels are ranks: .577 of them lie within one standard "
        "deviation, .950 within 1.645."
    )
    less, skilled = less + " ".join(result["warnings"]), told(result["ic"]["fusion"])
    sections = [
        Section("Skill", result["note"], skill, [interval_figure("ic", "rank IC", result["ic"])]),
        Section("What each source adds", less, added, [interval_figure("adds", "IC added", adds)]),
        Section("Calibration", slope, shares + "".join(years)),
        Section("Leak check", html=leak),
    ]
    return render(
        "Signals, out of sample",
        skilled,
        sections,
        {"rows": result["rows"]},
        "printed by: tercel signals evaluate",
    )


def interval_figure(name: str, label: str, rows: Mapping[str, Any]) -> Figure:
    """A dot and its interval per row."""
    shown = {key: Estimate.of(row) for key, row in rows.items() if row}
    with sketch(0.8 + 0.35 * max(1, len(shown)), PAGE) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=svg.INK.token, linewidth=1)
        for at, row in enumerate(shown.values()):
            whisker(panel, at, row, svg.SERIES[1].token)
        name_rows(panel, list(shown))
        panel.set_xlabel(f"{label}, 95 % interval")
    forecasts = "; ".join(f"{key} {row.mean:.4f}" for key, row in shown.items())
    return finished(drawing, name, f"{label}: {forecasts}.", "Dots: means over dates.")
