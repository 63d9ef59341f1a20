"""Pages of tear sheets: one score in full, or all scores of a run in one page."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from tercel.core.estimate import Estimate
from tercel.core.grouping import group_values
from tercel.core.report import palette
from tercel.core.report.formatting import format_count, format_interval, format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.models.skill import Skill
from tercel.signals.panel.sheet_figures import SheetFigures
from tercel.signals.runs.evaluation_page import interval_figure

ROLLING: Final = 63
"""Dates that a point of the rolling IC is the mean of."""
IC_IS: Final = "Rank IC: Spearman's correlation of a date's scores with the returns that follow."
BEYOND: Final = "Mean return of a quantile's names less the mean of all names with a score, bps."
NEW: Final = "Share of a quantile's names that were not in it one date before, mean over dates."
BLOCKS: Final = (
    "Brackets and lines: 95 % intervals, by a bootstrap over blocks of neighbouring dates; none where dates make fewer "
    "than five blocks, each three times as long as returns overlap."
)


def tear_sheet_page(sheet: SheetFigures) -> str:
    """HTML page of a tear sheet."""
    facts = {"lag, bars": sheet.lag, "quantiles": sheet.count, "dates": len(sheet.turnover) + 1}
    over = format_count(sheet.horizons[0], "bar")
    years = _by_horizon(sheet.by_year, "ic")
    sectors = _by_horizon(sheet.by_sector, "ic")
    rank, *new = sheet.mean_turnover().values()
    shares = [(k, f"{format_number(100 * share, 1)} %") for k, share in enumerate(new, 1)]
    turnover = {str(k): Estimate(100 * share, None, None) for k, share in enumerate(new, 1)}
    held = {str(h): ic for h, ic in sheet.skills.items()}
    sections = [
        Section(
            "Rank IC through time",
            [IC_IS, *sheet.notes],
            _table(sheet.horizons, ("year", "names", "scores"), years, 4),
            [_rolling_ic(sheet), _bars("years", "rank IC", {f"over {over}": _first(years)})],
        ),
        Section(
            "Rank IC by horizon",
            sheet.sentences()[3],
            _decay_table(sheet),
            [_bars("decay", "rank IC", {"by bars held": held})],
        ),
        _of_quantiles(sheet),
        Section(
            "Turnover",
            [NEW, f"Ranks correlate with those one date before by {format_number(rank)}."],
            plain_table(("quantile", "new names"), shares),
            [_bars("turnover", "new names, %", {"by quantile": turnover})],
        ),
    ]
    if sectors:
        table = _table(sheet.horizons, ("sector", "names", "scores"), sectors, 4)
        figure = interval_figure("sectors", f"rank IC within a sector over {over}", _first(sectors))
        sections.append(Section("Rank IC by sector", IC_IS, table, [figure]))
    lead = " ".join(sheet.sentences()[:2])
    return render_page(f"Tear sheet: {sheet.name}", lead, sections, facts, BLOCKS)


def tear_sheets_page(sheets: Mapping[str, SheetFigures], notes: Sequence[str] = ()) -> str:
    """HTML page of several tear sheets: an overview, then each, folded; `notes` are said above."""
    skills: dict[tuple[object, ...], list[Skill]] = {
        (name,): [sheet.skills[h] for h in sheet.horizons] for name, sheet in sheets.items()
    }
    horizons = next((sheet.horizons for sheet in sheets.values()), ())
    overview = _table(horizons, ("score",), skills, 4)
    figure = interval_figure("all", "rank IC over the shortest horizon", _first(skills))
    sections = [Section("All scores", [IC_IS, *notes], overview, [figure])]
    for number, (name, sheet) in enumerate(sheets.items()):
        cuts = _of_quantiles(sheet, f"s{number}-")
        sectors = _by_horizon(sheet.by_sector, "ic")
        within = _table(horizons, ("sector", "names", "scores"), sectors, 4)
        html = f"{_decay_table(sheet)}{within}{cuts.html}"
        texts = [*sheet.sentences(), *sheet.notes, BEYOND]
        sections.append(Section(name, texts, html, cuts.figures, folded=True))
    lead = "Each source by itself, whatever its weight in the fusion."
    return render_page("Tear sheets", lead, sections, {}, BLOCKS)


def _of_quantiles(sheet: SheetFigures, prefix: str = "") -> Section:
    """Section on returns by quantile; the name of its figure begins with `prefix`."""
    cuts = _by_horizon(sheet.quantiles.drop("raw_bps"), "bps")
    shown = {
        f"over {format_count(h, 'bar')}": {str(cut): row[place] for (cut,), row in cuts.items()}
        for place, h in enumerate(sheet.horizons)
    }
    spreads: list[Estimate] = [*sheet.spreads.values()]
    table = _table(sheet.horizons, ("quantile",), cuts | {("top less bottom",): spreads}, 1)
    figure = _bars(f"{prefix}quantiles", "bps", shown)
    return Section("Returns by quantile", BEYOND, table, [figure])


def _decay_table(sheet: SheetFigures) -> str:
    """HTML of the IC over each horizon."""
    rows = [
        (h, format_interval(ic, digits=4), format_number(ic.t, 1), ic.dates)
        for h, ic in sheet.skills.items()
    ]
    return plain_table(("bars held", "rank IC, 95 %", "t", "dates"), rows)


def _by_horizon(frame: pl.DataFrame, value: str) -> dict[tuple[object, ...], list[Estimate]]:
    """Estimates of a frame over each horizon, by its columns before `horizon`."""
    place = frame.columns.index("horizon")
    rows = frame.with_columns(pl.col(value).fill_null(math.nan)).rows()
    return group_values((row[:place], Estimate(*row[place + 1 : place + 4])) for row in rows)


def _first(rows: Mapping[tuple[object, ...], Sequence[Estimate]]) -> dict[str, Estimate]:
    """Estimates over the shortest horizon, by the first key."""
    return {str(key[0]): row[0] for key, row in rows.items()}


def _table(
    horizons: Sequence[int],
    keys: Sequence[str],
    rows: Mapping[tuple[object, ...], Sequence[Estimate]],
    digits: int,
) -> str:
    """HTML of estimates over each horizon; empty without any."""
    cells = [
        (*map(str, key), *(format_interval(estimate, digits=digits) for estimate in row))
        for key, row in rows.items()
    ]
    heads = [f"over {format_count(h, 'bar')}" for h in horizons]
    return plain_table((*keys, *heads), cells) if cells else ""


def _bars(name: str, label: str, panels: Mapping[str, Mapping[str, Estimate]]) -> Figure:
    """Figure of bars with their intervals, a panel beside another by title."""
    with sketch(3.0, PAGE) as drawing:
        axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for panel, (title, bars) in zip(axes, panels.items(), strict=True):
            ends = [(bar.mean, bar.ci_low, bar.ci_high) for bar in bars.values()]
            mean, low, high = np.array(ends, np.float64).T
            panel.bar([*bars], mean, color=palette.SERIES[1].token, alpha=0.5)
            panel.vlines([*bars], low, high, color=palette.INK.token)
            panel.set_title(title)
        axes[0].set_ylabel(label)
    caption = "Lines: 95 % intervals." * bool(np.isfinite(low).any())
    texts = "; ".join(
        f"{title} {key} {format_number(bar.mean, 4)}"
        for title, bars in panels.items()
        for key, bar in bars.items()
    )
    return finish_figure(drawing, name, f"{label}: {texts}.", caption)


def _rolling_ic(sheet: SheetFigures) -> Figure:
    """Rolling mean of the IC over each horizon through time."""
    with sketch(3.2, PAGE) as drawing:
        panel = drawing.subplots()
        for h, colour in zip(sheet.horizons, palette.SERIES[1:], strict=False):
            dates, _, ic = sheet.ic.filter(pl.col("horizon") == h).drop_nulls("ic")
            mean = ic.rolling_mean(ROLLING, min_samples=ROLLING // 3)
            panel.plot(dates, mean, color=colour.token, label=format_count(h, "bar"))
        panel.set_ylabel("rank IC")
        panel.legend(loc="upper right", ncols=3)
    means = "; ".join(f"{h} bars {sheet.skills[h].mean:.4f}" for h in sheet.horizons)
    caption = f"Lines: means of the last {ROLLING} dates, by bars that the score is held for."
    return finish_figure(drawing, "rolling", f"Rank IC through time, means: {means}.", caption)
