"""``python -m studies families sequences``: families of models on seconds of real books, and what the field says."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from studies.families.book_rows import BookRows, read_book_rows
from studies.families.claims import Verdict
from studies.families.compare import claim_folder
from studies.families.panel import ProcessMeter
from studies.families.report import claims_figure, claims_table, cost_figure
from studies.families.sequence_claims import verdicts
from studies.families.sequences import (
    HORIZONS,
    JUDGED_S,
    MEAN,
    MEAN_OF,
    SINGLE,
    BookCell,
    Told,
    compared,
    fit,
    made,
    scored,
    steps_of,
)  # fmt: skip
from tercel.cli import print_json, print_rows, progress, say
from tercel.core import Estimate, atomic_path, check_known, to_jsonable
from tercel.core.report import NOTHING, Section, fixed, plain_table, render, spelt_cell
from tercel.core.stats import holm
from tercel.execution.foresight import FEATURES
from tercel.market.tape import Lake
from tercel.signals import interval_figure

CELLS: Final = "cells"
BASE: Final = 100_000
"""Rows at which claims are decided, or the most of those asked for."""
LIMITS: Final = {"forest": 100_000, "linear_steps": 100_000, "boosting_steps": 100_000}
"""Rows beyond which a family is not trained: over ten minutes or over ten GiB a cell."""
HEADINGS: Final = (
    "rows", "s", "family", "R², %", "less linear's, 95 %", "Holm", "AUC", "ECE", "fixed", "adapts", "fit, s", "one, us",
    "peak MiB", "model KiB",
)  # fmt: skip

DIGITS: Final = {
    "auc": 4, "ece": 3, "coverage_fixed": 3, "coverage": 3, "fit_s": 2, "one_us": 0, "peak_mib": 0, "model_kib": 0,
}  # fmt: skip
"""Of the last headings' numbers."""


@dataclass(frozen=True)
class BookSettings:
    """What decides every cell of a folder."""

    symbol: str
    train: tuple[str, ...]
    calibrate: tuple[str, ...]
    test: tuple[str, ...]
    steps: int
    horizons: tuple[int, ...] = HORIZONS
    judged_s: int = JUDGED_S


def run(
    lake: Path, symbol: str, rows: Sequence[int], families: Sequence[str], left_out: Sequence[str], steps: int,
    seed: int, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Measure the cells that are not there yet, print them with verdicts, write the page."""
    for name in families:
        check_known(name, (*SINGLE, MEAN), said=f"family {name!r}")
    data = read_book_rows(Lake(lake), symbol, left_out, steps, HORIZONS)
    settings = BookSettings(
        symbol, _dates(data.train), _dates(data.calibrate), _dates(data.test), steps
    )
    claim_folder(settings, out)
    asked, notes = planned(rows, families or SINGLE, data.most, seed)
    for note in notes:
        say(note)
    found = _measured(asked, data, steps, out, with_mean=not families or MEAN in families)
    base = max((one["rows"] for one in found if one["rows"] <= BASE), default=BASE)
    judged = verdicts(found, base)
    told = {
        "settings": to_jsonable(asdict(settings)), "rows_to_train_on": data.most, "notes": notes, "seed": seed,
        "cells": found, "against_linear": {key: _adjusted(compared(found, key)) for key in ("r2", "auc")},
        "claims": [asdict(one) for one in judged],
    }  # fmt: skip
    page = out / "report.html"
    page.write_text(sequences_page(told, judged, base), encoding="utf-8")
    if as_json:
        print_json(told | {"report": page})
        return
    print_rows(f"{symbol}: {_spans(settings)}", HEADINGS, _lines(told))
    heads = ("family", "claim", "verdict", "number, 95 %")
    print_rows(f"what the field says, at {base:,} rows", heads, _judged(judged))
    say(f"report    {page}")


def planned(
    rows: Sequence[int], families: Sequence[str], most: int, seed: int
) -> tuple[list[BookCell], list[str]]:  # fmt: skip
    """Cells, the quick ones first, and what is said of those that cannot be."""
    sizes = sorted({min(size, most) for size in rows})
    short = [f"{size:,} rows are not there: all {most:,} are taken" for size in rows if size > most]
    cells, notes = [], list(short)
    for size in sizes:
        for name in (one for one in SINGLE if one in families):
            if size > LIMITS.get(name, size):
                notes.append(
                    f"{name} is not trained on {size:,} rows: it would take over ten minutes, or ten GiB"
                )
            else:
                cells += [BookCell(size, horizon, name, seed) for horizon in HORIZONS]
    return cells, notes


def _measured(
    cells: Sequence[BookCell], data: BookRows, steps: int, out: Path, with_mean: bool
) -> list[dict[str, Any]]:  # fmt: skip
    """All cells, from the folder where they are there, and the means of those whose parts were run."""
    (out / CELLS).mkdir(parents=True, exist_ok=True)
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task("families", total=len(cells), now="")
        meter: ProcessMeter | None = None
        found = []
        for cell in cells:
            bar.update(task, now=cell.key)
            if (kept := _kept(out, cell)) is None:
                if meter is None:
                    _warm(dict.fromkeys(one.family for one in cells), steps)
                    meter = ProcessMeter()
                _keep(out, cell, fit(cell, data, steps, meter))
                kept = _kept(out, cell)
            assert kept is not None
            found.append({**scored(cell, data, kept[1]), **kept[0]})
            bar.advance(task)
    if with_mean:
        groups = dict.fromkeys((one.rows, one.horizon, one.seed) for one in cells)
        for rows, horizon, seed in groups:
            parts = [BookCell(rows, horizon, name, seed) for name in MEAN_OF]
            if all(one in cells for one in parts):
                found.append(
                    _mean(
                        [_kept(out, one) for one in parts],
                        BookCell(rows, horizon, MEAN, seed),
                        data,
                    )
                )
    return found


def _mean(parts: Sequence[Any], cell: BookCell, data: BookRows) -> dict[str, Any]:
    value, chance = (np.mean([told[at] for _, told in parts], axis=0) for at in range(2))
    took = {key: sum(one[key] for one, _ in parts) for key in ("fit_s", "one_us", "model_kib")}
    return {
        **scored(cell, data, (value, chance)),
        **took,
        "peak_mib": max(one["peak_mib"] or 0 for one, _ in parts),
    }


def _warm(names: Sequence[str] | Mapping[str, None], steps: int) -> None:
    """Fit every family once to next to nothing, so that no measure holds the time to import a library."""
    rng = np.random.default_rng(0)
    for name in names:
        x = rng.standard_normal((60, steps_of(name, steps) * FEATURES))
        for model in made(name, 1_000, steps_of(name, steps), 0):
            model.fit(x, (x[:, 0] > 0).astype(np.int64)).predict(x)


def _kept(out: Path, cell: BookCell) -> tuple[dict[str, Any], Told] | None:
    """A measured cell; one that was cut short by a crash is measured anew."""
    try:
        with np.load(out / CELLS / f"{cell.key}.npz") as kept:
            numbers = dict(zip(kept["names"].tolist(), kept["numbers"].tolist(), strict=True))
            value, chance = (kept[name].astype(np.float64) for name in ("value", "chance"))
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return {name: None if np.isnan(number) else number for name, number in numbers.items()}, (
        value,
        chance,
    )


def _keep(out: Path, cell: BookCell, kept: tuple[dict[str, Any], Told]) -> None:
    took, (value, chance) = kept
    with atomic_path(out / CELLS / f"{cell.key}.npz") as part:
        np.savez(
            part, names=np.array(list(took)), numbers=np.array(list(took.values()), np.float64),
            value=value.astype(np.float32), chance=chance.astype(np.float32),
        )  # fmt: skip


def _adjusted(less: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Differences with p-values after Holm over all of them."""
    told = holm([one["p"] for one in less]).tolist() if less else []
    return [one | {"p_adjusted": p} for one, p in zip(less, told, strict=True)]


def _dates(days: Sequence[Any]) -> tuple[str, ...]:
    return tuple(one.day.date for one in days)


def _spans(settings: BookSettings) -> str:
    parts = (
        ("learned from", settings.train),
        ("intervals from", settings.calibrate),
        ("judged on", settings.test),
    )
    return "; ".join(f"{what} {len(days)} days, {days[0]} to {days[-1]}" for what, days in parts)


def _lines(told: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    less = {
        (one["rows"], one["horizon"], one["family"]): one for one in told["against_linear"]["r2"]
    }
    lines = []
    for one in sorted(told["cells"], key=lambda cell: (cell["horizon"], cell["rows"], -cell["r2"])):
        apart = less.get((one["rows"], one["horizon"], one["family"]))
        lines.append((
            f"{one['rows']:,}", one["horizon"], one["family"], fixed(100 * one["r2"], 2),
            spelt_cell({} if apart is None else points_of(apart), digits=2),
            NOTHING if apart is None else fixed(apart["p_adjusted"], 3),
            *(fixed(one[key], digits) for key, digits in DIGITS.items()),
        ))  # fmt: skip
    return lines


def points_of(one: Mapping[str, Any]) -> dict[str, float | None]:
    """A difference of R² and its interval, in points."""
    return {
        key: None if one[key] is None else 100 * one[key] for key in ("mean", "ci_low", "ci_high")
    }


def _judged(judged: Sequence[Verdict]) -> list[tuple[str, str, str, str]]:
    return [
        (one.family, one.text, one.verdict,
         spelt_cell({"mean": one.mean, "ci_low": one.ci_low, "ci_high": one.ci_high}, digits=4))
        for one in judged
    ]  # fmt: skip


def sequences_page(told: Mapping[str, Any], judged: Sequence[Verdict], base: int) -> str:
    """The report as HTML."""
    settings, sections = told["settings"], []
    sections.append(
        Section(
            "What the field says",
            "Each claim is one number per day (of costs: a horizon) that is positive where it holds. Confirmed: the 95 % "
            "interval over days lies above 0; refuted: below; open: it holds 0.",
            html=claims_table(judged), figures=[claims_figure(judged)],
        )
    )  # fmt: skip
    for horizon in settings["horizons"]:
        less = {
            one["family"]: Estimate.of(points_of(one))
            for one in told["against_linear"]["r2"] if (one["rows"], one["horizon"]) == (base, horizon)
        }  # fmt: skip
        text = f"R² of the move of the next {horizon} s, in points, less the line's of the same {base:,} rows, by day."
        figure = interval_figure(f"less-{horizon}", "R² less linear's, points", less)
        sections.append(
            Section(f"Beside a line, {horizon} s", text, figures=[figure] if less else [])
        )
    points = [one | {"share": one["r2"]} for one in told["cells"] if one["rows"] == base]
    sections.append(
        Section(
            "All cells", told["notes"], plain_table(HEADINGS, _lines(told)),
            [cost_figure(points, "mean R²")] if points else [],
        )
    )  # fmt: skip
    held = sum(one.verdict == "confirmed" for one in judged)
    lead = f"Of {len(judged)} claims of the field, {held} are confirmed on the books of {settings['symbol']}."
    facts = {
        "days judged": len(settings["test"]),
        "rows to train on": f"{told['rows_to_train_on']:,}",
    }
    return render(
        "Families of models on real books",
        lead,
        sections,
        facts,
        "printed by: python -m studies families",
    )
