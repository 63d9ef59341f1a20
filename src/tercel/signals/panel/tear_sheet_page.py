"""Pages of tear sheets: one score in full, or all scores of a run in one page."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from tercel.core.estimate import Estimate
from tercel.core.grouping import group_values
from tercel.core.report import palette
from tercel.core.report.cells import is_known
from tercel.core.report.formatting import (
    format_count,
    format_interval,
    format_number,
)
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.panel.tear_sheet import TearSheet
from tercel.signals.runs.evaluation_page import interval_figure

ROLLING: Final = 63
"""Dates that a point of the rolling IC is the mean of."""
IC_IS: Final = "Rank IC: Spearman's correlation of a date's scores with the returns that follow."
_BLUE: Final = palette.SERIES[1].token
BLOCKS: Final = (
    "Brackets and lines: 95 % intervals, by a bootstrap over blocks of neighbouring dates."
)
BEYOND: Final = "Mean return of a quantile's names less the mean of all names with a score, bps."
NEW: Final = "Share of a quantile's names that were not in it one date before, mean over dates."


def tear_sheet_page(sheet: TearSheet) -> str:
    """HTML page of a tear sheet."""
    facts = {"lag, bars": sheet.lag, "quantiles": sheet.count, "dates": sheet.ic["date"].n_unique()}
    lead = " ".join(sheet.sentences()[:2])
    return render_page(f"Tear sheet: {sheet.name}", lead, _sections(sheet), facts, BLOCKS)


def tear_sheets_page(sheets: Mapping[str, TearSheet], notes: Sequence[str] = ()) -> str:
    """HTML page of several tear sheets: an overview, then each, folded; `notes` are said above."""
    sections = []
    for number, (name, sheet) in enumerate(sheets.items()):
        cuts = _of_quantiles(sheet, f"s{number}-")
        tables = [_decay_table(sheet), _sector_table(sheet), cuts.html]
        texts = [*sheet.sentences(), *sheet.notes, BEYOND]
        sections.append(Section(name, texts, "".join(tables), cuts.figures, folded=True))
    horizons = next((sheet.horizons for sheet in sheets.values()), ())
    heads = [f"over {format_count(h, 'bar')}" for h in horizons]
    rows = [
        (name, *(format_interval(sheet.skills[h], digits=4) for h in sheet.horizons))
        for name, sheet in sheets.items()
    ]
    shortest = {name: sheet.skills[horizons[0]] for name, sheet in sheets.items()}
    figures = [interval_figure("all", f"rank IC {head}", shortest) for head in heads[:1]]
    overview = Section("All scores", [IC_IS, *notes], plain_table(("score", *heads), rows), figures)
    lead = "Each source by itself, whatever its weight in the fusion."
    return render_page("Tear sheets", lead, [overview, *sections], {}, BLOCKS)


def _sections(sheet: TearSheet) -> list[Section]:
    """Sections of a tear sheet."""
    over, *_ = horizons = [f"over {format_count(h, 'bar')}" for h in sheet.horizons]
    years = _estimates(sheet.by_year.drop("dates").join(sheet.coverage, on="year"), "ic")
    by_year = {str(year): estimates[0] for (year, *_), estimates in years.items()}
    held = {str(h): ic for h, ic in sheet.skills.items()}
    turnover = {
        name: Estimate(100 * mean, None, None) for name, mean in sheet.mean_turnover().items()
    }
    rank = turnover.pop("autocorrelation").mean / 100
    new = [(name, f"{format_number(share.mean, 1)} %") for name, share in turnover.items()]
    years_table = plain_table(("year", "names", "dates", "scores", *horizons), _texts(years, 4))
    sections = [
        Section(
            "Rank IC through time",
            [IC_IS, *sheet.notes],
            years_table,
            [
                _rolling_ic(sheet),
                _bars("years", {over: by_year}, "rank IC", "Mean of each year."),
            ],
        ),
        Section(
            "Rank IC by horizon",
            sheet.sentences()[3],
            _decay_table(sheet),
            [_bars("decay", {"": held}, "rank IC", "Across: bars held.")],
        ),
        _of_quantiles(sheet),
        Section(
            "Turnover",
            [NEW, f"Ranks correlate with those one date before by {format_number(rank)}."],
            plain_table(("quantile", "new names"), new),
            [_bars("turnover", {"": turnover}, "new names, %", "Across: quantiles.")],
        ),
    ]
    if len(sheet.by_sector):
        sectors = _estimates(sheet.by_sector.drop("dates"), "ic")
        named = {str(sector): estimates[0] for (sector, _), estimates in sectors.items()}
        figure = interval_figure("sectors", f"rank IC within a sector, {over}", named)
        sections.append(Section("Rank IC by sector", IC_IS, _sector_table(sheet), [figure]))
    return sections


def _of_quantiles(sheet: TearSheet, prefix: str = "") -> Section:
    """Section on returns by quantile; the name of its figure begins with `prefix`."""
    horizons = [f"over {format_count(h, 'bar')}" for h in sheet.horizons]
    quantiles = _estimates(sheet.quantiles.drop("dates", "raw_bps"), "bps")
    spreads = [format_interval(spread, digits=1) for spread in sheet.spreads.values()]
    rows = [*_texts(quantiles, 1), ("top less bottom", *spreads)]
    cuts = {
        title: {str(cut): estimates[place] for (cut,), estimates in quantiles.items()}
        for place, title in enumerate(horizons)
    }
    across = "Across: quantiles, the highest scores last."
    figure = _bars(f"{prefix}quantiles", cuts, "bps", across)
    table = plain_table(("quantile", *horizons), rows)
    return Section("Returns by quantile", BEYOND, table, [figure])


def _decay_table(sheet: TearSheet) -> str:
    """HTML of the IC over each horizon."""
    rows = [
        (h, format_interval(ic, digits=4), format_number(ic.t, 1), ic.dates)
        for h, ic in sheet.skills.items()
    ]
    return plain_table(("bars held", "rank IC, 95 %", "t", "dates"), rows)


def _sector_table(sheet: TearSheet) -> str:
    """HTML of the IC within each sector; empty without sectors."""
    horizons = [f"over {format_count(h, 'bar')}" for h in sheet.horizons]
    rows = _texts(_estimates(sheet.by_sector.drop("dates"), "ic"), 4)
    return plain_table(("sector", "names", *horizons), rows) if rows else ""


def _estimates(frame: pl.DataFrame, value: str) -> dict[tuple[object, ...], list[Estimate]]:
    """Estimates of a frame over each horizon, by its other columns."""
    measured = (value, "ci_low", "ci_high")
    keys = frame.drop(*measured, "t", "horizon").rows()
    means = frame.select(pl.col(value).fill_null(math.nan), *measured[1:]).rows()
    return group_values((key, Estimate(*mean)) for key, mean in zip(keys, means, strict=True))


def _texts(
    estimates: Mapping[tuple[object, ...], Sequence[Estimate]], digits: int
) -> list[tuple[object, ...]]:
    """Rows of a table: keys, and estimates with their intervals."""
    return [
        (*map(str, key), *(format_interval(row, digits=digits) for row in rows))
        for key, rows in estimates.items()
    ]


def _bars(
    name: str, panels: Mapping[str, Mapping[str, Estimate]], label: str, caption: str
) -> Figure:
    """Figure of bars with their intervals, a panel beside another by title."""
    with sketch(3.0, PAGE) as drawing:
        axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for panel, (title, bars) in zip(axes, panels.items(), strict=True):
            panel.bar(range(len(bars)), [bar.mean for bar in bars.values()], color=_BLUE, alpha=0.5)
            for place, bar in enumerate(bars.values()):
                if is_known(bar.ci_low) and is_known(bar.ci_high):
                    panel.vlines(place, bar.ci_low, bar.ci_high, color=palette.INK.token)
            panel.axhline(0, color=palette.INK.token, linewidth=0.9)
            panel.set(title=title, xticks=range(len(bars)), xticklabels=[*bars])
            panel.grid(visible=False, axis="x")
        axes[0].set_ylabel(label)
    texts = [
        f"{title} {key} {format_number(bar.mean, 4)}"
        for title, bars in panels.items()
        for key, bar in bars.items()
    ]
    return finish_figure(drawing, name, f"{label}: {'; '.join(texts)}.", caption)


def _rolling_ic(sheet: TearSheet) -> Figure:
    """Rolling mean of the IC of each horizon through time."""
    with sketch(3.2, PAGE) as drawing:
        panel = drawing.subplots()
        panel.axhline(0, color=palette.INK.token, linewidth=0.9)
        for h, colour in zip(sheet.horizons, palette.SERIES[1:], strict=False):
            ic = sheet.ic.filter(pl.col("horizon") == h).drop_nulls("ic")
            mean = ic["ic"].rolling_mean(ROLLING, min_samples=ROLLING // 3)
            panel.plot(ic["date"], mean, color=colour.token, label=format_count(h, "bar"))
        panel.set_ylabel("rank IC")
        panel.margins(x=0.01)
        panel.legend(loc="upper right", ncols=3)
    means = "; ".join(f"{h} bars {sheet.skills[h].mean:.4f}" for h in sheet.horizons)
    caption = f"Lines: means of the last {ROLLING} dates, by bars that the score is held for."
    return finish_figure(drawing, "rolling", f"Rank IC through time, means: {means}.", caption)
