"""Page of a backtest: the newest forecast and its weights, then what such books earned after costs."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.report import svg
from tercel.core.report.svg import PAGE, Figure, Section, finished, render, sketch
from tercel.core.report.tables import fixed, plain_table, spelt
from tercel.signals.models.skill import IC_OVER
from tercel.signals.portfolio.backtest import BacktestReport, HeldName
from tercel.signals.portfolio.book import DEFINITION, Backtest

SHOWN: Final = 5
"""Names of each leg in the first screen."""
WIDE: Final = 3.0
"""Range of an equity from which its scale is that of ratios."""


def figures_of(found: BacktestReport) -> dict[str, str]:
    """Main figures of a backtest by their names, for a terminal and a page."""
    return {
        "Sharpe, net": spelt(found.net),
        "Sharpe, gross": spelt(found.gross),
        "rank IC": spelt(found.ic, digits=4),
        "turnover per date": fixed(found.turnover),
        "worst drawdown, %": fixed(100 * found.book.drawdown.max(), 1),
        "worst year": f"{found.worst.year}: {fixed(100 * found.worst.net, 1)} %",
    }


def weights_table(held: Sequence[HeldName]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of names that are held."""
    return ("name", "weight, %", "expected, bps", "sd, bps"), [
        (
            row.name,
            fixed(100 * row.weight, 2, True),
            fixed(row.expected_bps, 1, True),
            fixed(row.sd_bps, 0),
        )
        for row in held
    ]


def backtest_page(found: BacktestReport) -> str:
    """HTML page of a backtest."""
    first, *rest = found.sentences()
    held, day, periods = (
        [row for row in found.weights if row.weight],
        found.at[:10],
        found.book.periods,
    )
    years = [
        (
            str(row.year),
            row.dates if row.invested == row.dates else f"{row.invested} of {row.dates}",
            fixed(row.ic, 4),
            *(fixed(100 * one, 1) for one in (row.gross, row.cost, row.net, row.drawdown)),
            fixed(row.sharpe_net),
            fixed(row.turnover),
        )
        for row in found.years
    ]
    heads = (
        "year",
        "dates",
        "IC",
        "gross %",
        "cost %",
        "net %",
        "drawdown %",
        "Sharpe",
        "turnover",
    )
    legs = both_legs(held, f"Largest of {len(held)} weights among {len(found.weights)} names")
    # the closes between which the forecast's return lies
    span = [f"Expected beyond the mean of all names, {found.held}."] if found.held else []
    sections = [
        Section(f"Forecast of {day}" + until(found), [*span, *found.warnings], legs),
        Section("Equity after costs", [*rest[:2], *rest[3:]], figures=[equity(found)]),
        Section(
            "Skill through time",
            rest[2:3],
            figures=[skill_through_time(found.book, found.ic.mean)],
        ),
        Section("Turnover and cost", figures=[turnover(found.book)]),
        Section("By year", html=plain_table(heads, years)),
        Section(
            f"All weights of {day}: {len(held)}",
            html=plain_table(*weights_table(held)),
            folded=len(held) > 30,
        ),
        Section(
            "How it is measured",
            [
                f"Cost: {found.cost}; {DEFINITION}.",
                "Books are rebuilt on dates whose labels do not overlap. Sharpe ratios are annualised by their spacing, "
                f"{periods:.1f} a year; intervals are 95 %, drawn over blocks of dates.",
                IC_OVER,
            ],
        ),
    ]
    return render(
        f"{found.model.name}: {title(held)}",
        first,
        sections,
        figures_of(found) | {"book": found.rule},
        "printed by: tercel signals backtest",
    )


def until(found: BacktestReport) -> str:
    """The day on which the newest forecast's horizon ends; nothing where no forecast was served."""
    return f", to the close of {found.held.last}" if found.held else ""


def title(held: Sequence[HeldName]) -> str:
    """The newest book in a few words.

    >>> title([HeldName("A", 1.0), HeldName("B", -1.0)])
    'long A, short B'
    """
    longs = [row.name for row in held if row.weight > 0]
    shorts = [row.name for row in held[::-1] if row.weight < 0]
    said = [
        f"{word} {', '.join(names[:3])}{' ...' * (len(names) > 3)}"
        for word, names in (("long", longs), ("short", shorts))
        if names
    ]
    return ", ".join(said) or "no book"


def both_legs(held: Sequence[HeldName], caption: str) -> str:
    """The ends of both legs side by side: names with their forecast and weight."""
    cells = [
        [(row.name, fixed(row.expected_bps, 1, True), fixed(100 * row.weight, 1)) for row in leg]
        for leg in (
            [row for row in held if row.weight > 0][:SHOWN],
            [row for row in held[::-1] if row.weight < 0][:SHOWN],
        )
    ]
    rows = [(*long, *short) for long, short in zip_longest(*cells, fillvalue=("", "", ""))]
    return plain_table(("long", "bps", "% held", "short", "bps ", "% held "), rows, caption)


def dates_of(times: Ints) -> Any:
    """Nanoseconds as times of a picture's axis."""
    return times.astype("datetime64[ns]").astype("datetime64[s]")


def equity_axis(panel: Any, *lines: Floats) -> None:
    """Label the axis of equities; logarithmic where they range over :data:`WIDE` times the least."""
    panel.set_ylabel("equity, 1 at the start")
    if max(line.max() for line in lines) > WIDE * min(line.min() for line in lines):
        panel.set_yscale("log", subs=[2, 5])
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")


def equity(found: BacktestReport) -> Figure:
    """Equity net and gross of costs from 1 at the first decision to the end of the last label, below it the drawdown of
    the net one.
    """
    book = found.book
    at = np.append(dates_of(book.walk.time_ns), dates_of(book.walk.end_ns[-1:]))
    net, fallen = np.append(1.0, book.equity), np.append(0.0, book.drawdown)
    gross = np.append(1.0, np.cumprod(1.0 + book.gross))
    with sketch(5.0, PAGE) as drawing:
        top, low = drawing.subplots(2, 1, sharex=True, height_ratios=(2.4, 1.0))
        top.axhline(1.0, color=svg.SOFT.token, linewidth=0.9)
        top.plot(at, gross, color=svg.SERIES[9].token, linewidth=1.2, label="before costs")
        top.plot(at, net, color=svg.SERIES[1].token, linewidth=2.0, label="after costs")
        equity_axis(top, gross, net)
        top.legend(loc="upper left")
        low.fill_between(at, -100 * fallen, 0.0, color=svg.BAD.token, alpha=0.45, linewidth=0)
        low.set_ylabel("drawdown, %")
        low.margins(x=0.01)
    return finished(
        drawing,
        "equity",
        f"Equity from 1 to {net[-1]:.2f} after costs, {gross[-1]:.2f} before; drawdown to {100 * fallen.max():.1f} %.",
        "Profits stay in the book. Below: loss from the highest equity so far.",
    )


def skill_through_time(book: Backtest, whole: float) -> Figure:
    """Rank IC as a mean over about a year of dates, with its interval, and the mean of all dates."""
    seen = np.isfinite(book.ic)
    year = round(book.periods) if np.isfinite(book.periods) else 20
    over = min(max(year, 10), max(int(seen.sum()) // 2, 2))
    ic = pl.Series(book.ic[seen])
    mean, sd = (
        each.to_numpy()[over - 1 :] for each in (ic.rolling_mean(over), ic.rolling_std(over))
    )
    at, half = dates_of(book.walk.time_ns[seen])[over - 1 :], 1.96 * sd / over**0.5
    with sketch(3.2, PAGE) as drawing:
        panel, blue = drawing.subplots(), svg.SERIES[1].token
        panel.axhline(0.0, color=svg.INK.token, linewidth=0.9)
        panel.fill_between(at, mean - half, mean + half, color=blue, alpha=0.18, linewidth=0)
        panel.plot(at, mean, color=blue, linewidth=1.8, label=f"mean of {over} dates")
        panel.axhline(
            whole, color=svg.SERIES[0].token, linewidth=1.2, linestyle="--", label="mean of all"
        )
        panel.set_ylabel("rank IC")
        panel.legend(loc="upper right", ncols=2)
        panel.margins(x=0.01)
    ends = f"from {mean.min():.3f} to {mean.max():.3f}" if len(mean) else "too few of them"
    return finished(
        drawing,
        "skill",
        f"Rank IC through time, mean of {over} dates: {ends}; of all {whole:.4f}.",
        f"Line: the mean of the last {over} dates; band: 1.96 standard errors of it, dates taken as independent.",
    )


def turnover(book: Backtest) -> Figure:
    """One-way turnover of each date, and what it cost so far."""
    paid = 100 * np.cumsum(book.cost)
    drawn = (
        ("turnover", book.turnover, svg.SERIES[2]),
        ("cost so far, % of equity", paid, svg.SERIES[0]),
    )
    with sketch(3.0, PAGE) as drawing:
        for panel, (title, line, colour) in zip(drawing.subplots(1, 2), drawn, strict=True):
            panel.plot(dates_of(book.walk.time_ns), line, color=colour.token, linewidth=1.0)
            panel.set(title=title, ylim=(0, None))
            panel.margins(x=0.01)
    return finished(
        drawing,
        "turnover",
        f"One-way turnover per date: {book.on_held(book.turnover).mean():.2f} on average; costs add up to "
        f"{paid[-1]:.1f} % of equity.",
        "One-way turnover is the sum of |change of weight|, both legs.",
    )
