"""Out-of-sample figures of forecasts: rank IC with its interval, calibration, what each source and a gate add."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Floats
from tercel.core.errors import DataError
from tercel.core.report import style
from tercel.core.report.page import Section, render
from tercel.core.report.svg import Figure, finished, sketch
from tercel.core.report.tables import plain_table
from tercel.core.stats import mean_interval
from tercel.signals.fusion_walk import Fold, fused
from tercel.signals.gate import FusionGate, gated
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import rank_ic, rank_ic_by_date

BLOCK = 4
"""Dates of a block that intervals are drawn over."""


def out_of_sample(
    data: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    folds: Sequence[Fold],
    gate: FusionGate | None,
    *,
    shrink: float,
    seed: int,
) -> dict[str, Any]:
    """Figures of forecasts that were walked forward: "ic", "calibration", "ablation", "gate" and how many rows.

    Parameters
    ----------
    data : Dataset
    told : float64 (n, columns)
        Forecasts out of fold, NaN where there is none.
    columns : tuple of str
        What a column is: source:family.
    folds : sequence of Fold
        Past and test rows; the first test has no fusion before it, so it is left out where there are others.
    gate : FusionGate or None
    shrink : float
        Of fusion weights to equal ones.
    seed : int
    """
    tested = np.sort(np.concatenate([test for _, test in folds[1:] or folds]))
    part, rng = data.rows(tested), np.random.default_rng([seed, 9])
    value, sd, even = (a[tested] for a in fused(data, forecasts, columns, folds, shrink=shrink))
    scores = {"fusion": value, "equal weights": even, **{n: forecasts[tested, k] for k, n in enumerate(columns)}}
    found = None if gate is None else _gate(data, forecasts, columns, folds, gate, shrink)
    if found is not None:
        scores = {"fusion": value, "fusion, gated": found[0][tested], **scores}
    return {
        "rows": len(tested), "dates": len(np.unique(part.time_ns)),
        "ic": {name: ic_of(score, part, rng) for name, score in scores.items()},
        "calibration": _calibration(value, sd, part, rng),
        "ablation": _ablation(data, forecasts, columns, folds, tested, shrink, rng),
        "gate": None if gate is None or found is None else _gate_adds(value, found, tested, part, gate, rng),
        "unranked": [name for name in data.sources if name not in data.ranking],
    }  # fmt: skip


def _gate(
    data: Dataset, forecasts: Floats, columns: tuple[str, ...], folds: Sequence[Fold], gate: FusionGate, shrink: float
) -> tuple[Floats, Floats]:
    """The gated fusion (n,) and the states' chances (n, S); the plain fusion stands where there was no gate yet."""
    plain_value = fused(data, forecasts, columns, folds, shrink=shrink)[0]
    value, _, chance = gated(data, forecasts, columns, folds, gate, shrink=shrink)
    return np.where(np.isnan(value), plain_value, value), chance


def _gate_adds(
    value: Floats, found: tuple[Floats, Floats], tested: NDArray[np.intp], part: Dataset, gate: FusionGate,
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """IC of the gated fusion less the plain one's, date by date, over the dates that a gate was ready for."""
    ready = np.isfinite(found[1][tested]).all(axis=1)
    dates = part.dates
    plain_ic = rank_ic_by_date(value[ready], part.outcome[ready], dates[ready])
    gated_ic = rank_ic_by_date(found[0][tested][ready], part.outcome[ready], dates[ready])
    share = np.nanmean(found[1][tested], axis=0).tolist() if ready.any() else []
    forecasts = {"columns": gate.columns, "share_of_states": share}
    return {**forecasts, **(_difference(gated_ic, plain_ic, rng) or {"adds": None, "dates": 0})}


def _where(compared: Bools, ic: Floats) -> Floats:
    return np.where(compared, np.nan_to_num(ic), np.nan)


def _difference(first: Floats, second: Floats, rng: np.random.Generator) -> dict[str, Any] | None:
    """Mean of first less second with its interval over blocks of dates, None with too few dates."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() <= BLOCK:
        return None
    blocks = np.flatnonzero(both) // BLOCK
    return {"adds": mean_interval(first[both] - second[both], blocks, rng).to_json(), "dates": int(both.sum())}


def ic_of(score: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, float] | None:
    """Rank IC of a score (n,) with t and interval over blocks of dates; None where dates are too few."""
    try:
        return rank_ic(score, part.outcome, part.dates, rng, block=BLOCK).to_json()
    except DataError:
        return None


def _calibration(value: Floats, sd: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, Any]:
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
    data: Dataset, forecasts: Floats, columns: tuple[str, ...], folds: Sequence[Fold], tested: NDArray[np.intp],
    shrink: float, rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """What each source adds: IC of the fusion less that of a fusion without it, over the dates when it forecast."""
    part = data.rows(tested)
    whole = rank_ic_by_date(fused(data, forecasts, columns, folds, shrink=shrink)[0][tested], part.outcome, part.dates)
    found: dict[str, Any] = {}
    for source in data.ranking:
        mine = np.array([name.rsplit(":", 1)[0] == source for name in columns])
        if mine.all():
            continue
        keep = np.flatnonzero(~mine)
        less = fused(data, forecasts[:, keep], [columns[k] for k in keep], folds, shrink=shrink)[0][tested]
        gone = rank_ic_by_date(less, part.outcome, part.dates)
        present = np.bincount(part.dates, ~np.isnan(forecasts[tested][:, mine]).all(axis=1)) > 0
        # a fusion that says nothing, or the same of all, has no skill
        compared = present & (np.isfinite(whole) | np.isfinite(gone))
        one = _difference(_where(compared, whole), _where(compared, gone), rng)
        if one is not None:
            found[source] = one
    return found


def evaluate_page(result: dict[str, Any]) -> str:
    """Page of the figures of `evaluate`, as HTML."""
    ic, whole = result["ic"], result["ic"]["fusion"]
    lead = "The fusion's information coefficient cannot be measured here."
    if whole:
        lead = (
            f"The fused forecast's rank IC out of sample is {whole['mean']:.4f}, from {whole['ci_low']:.4f} to "
            f"{whole['ci_high']:.4f} (95 %), t {whole['t']:.1f}, over {whole['dates']} dates."
        )
    heads = ("forecast", "rank IC", "low", "high", "t", "dates")
    rows = [(n, x["mean"], x["ci_low"], x["ci_high"], x["t"], x["dates"]) for n, x in ic.items() if x]
    adds = {name: one["adds"] for name, one in result["ablation"].items()}
    if result["gate"] and result["gate"]["adds"]:
        adds["gate"] = result["gate"]["adds"]
    leak = [
        (x["source"], x["verdict"], None if x["ic"] is None else x["ic"]["mean"], "; ".join(x["reasons"]))
        for x in result["leak"]
    ]
    calibration = result["calibration"]
    sections = [
        Section("Skill", result["note"], html=plain_table(heads, rows), figures=[interval_figure("ic", "rank IC", ic)]),
        Section(
            "What each source adds",
            "The fusion's IC less that of a fusion without the source, over the dates when it forecast; for a gate, "
            "the gated fusion's less the plain one's. " + " ".join(result["warnings"]),
            figures=[interval_figure("adds", "IC added", adds)],
        ),
        Section(
            "Calibration",
            "Slope of what came on what was said: 1 is right. Labels are ranks: .577 of them lie within one standard "
            "deviation, .950 within 1.645.",
            facts={
                "slope": f"{calibration['slope']:.3f}",
                "within 1 sd": f"{calibration['within_1_sd']['mean']:.3f}",
                "within 1.645 sd": f"{calibration['within_1.645_sd']['mean']:.3f}",
            },
        ),
        Section("Leak check", html=plain_table(("source", "verdict", "IC, next bar", "why"), leak, prose=True)),
    ]
    return render(
        "Signals, out of sample", lead, sections, {"rows": result["rows"]}, "printed by: tercel signals evaluate"
    )


def interval_figure(name: str, label: str, rows: dict[str, Any]) -> Figure:
    """A dot and its interval per row."""
    shown = {key: row for key, row in rows.items() if row}

    with sketch(0.8 + 0.35 * max(1, len(shown))) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=style.INK.token, linewidth=1)
        for at, row in enumerate(shown.values()):
            if row["ci_low"] is not None and row["ci_high"] is not None:
                panel.plot([row["ci_low"], row["ci_high"]], [at, at], color=style.SERIES[1].token, linewidth=2)
            panel.plot([row["mean"]], [at], "o", color=style.SERIES[1].token)
        panel.set_yticks(range(len(shown)), list(shown))
        panel.invert_yaxis()
        panel.grid(axis="y", visible=False)
        panel.set_xlabel(f"{label}, 95 % interval")

    forecasts = "; ".join(f"{key} {row['mean']:.4f}" for key, row in shown.items())
    return finished(drawing, name, f"{label}: {forecasts}.", "Dots: means over dates.")
