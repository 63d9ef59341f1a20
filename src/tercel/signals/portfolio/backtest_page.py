"""Page of a backtest: the newest forecast and its weights, then what such books earned after costs."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.report import palette
from tercel.core.report.formatting import format_interval, format_number, format_percent
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.models.skill import IC_OVER
from tercel.signals.portfolio.backtest import BacktestReport, HeldName, head_and_tail
from tercel.signals.portfolio.book import DEFINITION, Backtest
from tercel.signals.portfolio.ledger import BookLedger

SHOWN: Final = 5
"""Names of each leg in the first screen."""
NAMES: Final = 10
"""Names with the most, and with the least, profit that are listed."""
LINES: Final = 8
"""Exposures that are drawn, the largest on average."""
WIDE: Final = 3.0
"""Range of an equity from which its scale is that of ratios."""


def figures_of(report: BacktestReport) -> dict[str, str]:
    """Main figures of a backtest by their names, for a terminal and a page."""
    line = report.ledger.alpha_and_beta if report.ledger else None
    against = line and {
        "alpha a year, %": format_interval(line[0].times(100), digits=1),
        "beta": format_interval(line[1]),
    }
    return (against or {}) | {
        "Sharpe, net": format_interval(report.net),
        "Sharpe, gross": format_interval(report.gross),
        "rank IC": format_interval(report.ic, digits=4),
        "turnover per date": format_number(report.turnover),
        "worst drawdown, %": format_number(100 * report.book.drawdown.max(), 1),
        "worst year": f"{report.worst.year}: {format_number(100 * report.worst.net, 1)} %",
    }


def weights_table(held: Sequence[HeldName]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of names that are held."""
    return ("name", "weight, %", "expected, bps", "sd, bps"), [
        (
            row.name,
            format_number(100 * row.weight, 2, signed=True),
            format_number(row.expected_bps, 1, signed=True),
            format_number(row.sd_bps, 0),
        )
        for row in held
    ]


def backtest_page(report: BacktestReport) -> str:
    """HTML page of a backtest."""
    first, *rest = report.sentences()
    held = [row for row in report.weights if row.weight]
    day = report.at[:10]
    periods = report.book.periods
    years = [
        (
            str(row.year),
            row.dates if row.invested == row.dates else f"{row.invested} of {row.dates}",
            format_number(row.ic, 4),
            *(
                format_number(100 * fraction, 1)
                for fraction in (row.gross, row.cost, row.net, row.drawdown)
            ),
            format_number(row.sharpe_net),
            format_number(row.turnover),
        )
        for row in report.years
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
    legs = legs_table(held, f"Largest of {len(held)} weights among {len(report.weights)} names")
    # the closes between which the forecast's return lies
    span = [f"Expected beyond the mean of all names, {report.held}."] if report.held else []
    sections = [
        Section(f"Forecast of {day}" + until_text(report), [*span, *report.warnings], legs),
        Section("Equity after costs", [*rest[:2], *rest[3:]], figures=[equity(report)]),
        Section(
            "Skill through time",
            rest[2:3],
            figures=[skill_through_time(report.book, report.ic.mean)],
        ),
        Section("Turnover and cost", figures=[turnover(report.book)]),
        *([] if report.ledger is None else daily_sections(report.ledger)),
        Section("By year", html=plain_table(heads, years)),
        Section(
            f"All weights of {day}: {len(held)}",
            html=plain_table(*weights_table(held)),
            folded=len(held) > 30,
        ),
        Section(
            "How it is measured",
            [
                f"Cost: {report.cost}; {DEFINITION}.",
                "Books are rebuilt on dates whose labels do not overlap. Sharpe ratios are annualised by their spacing, "
                f"{periods:.1f} a year; intervals are 95 %, drawn over blocks of dates.",
                "Day by day, weights are traded at the close from which their labels count, and held to those of the next "
                "date; dividends are reinvested in the name.",
                IC_OVER,
            ],
        ),
    ]
    return render_page(
        f"{report.model.name}: {title(held)}",
        first,
        sections,
        figures_of(report) | {"book": report.rule},
        "printed by: tercel signals backtest",
    )


def daily_sections(ledger: BookLedger) -> list[Section]:
    """Sections of the book day by day: its exposures, and money by name."""
    money = ("net", "gross", "cost", "borrow")
    rows = [
        (name, *(format_number(part, 0, thousands=True) for part in parts), days)
        for name, *parts, days in ledger.pnl.select("name", *money, "days").rows()
    ]
    shown = head_and_tail(rows, NAMES)
    caption = (
        f"The best and the worst, {len(shown)} of {len(rows)} names; capital {ledger.capital:,.0f}"
    )
    table = plain_table(("name", *money, "days held"), shown, caption)
    columns = ledger.exposures.columns[1:]
    sectors = [column for column in columns if column.startswith("sector:")]
    figures = [
        exposure(ledger, key, drawn)
        for key, drawn in (("exposure", columns[:4]), ("sectors", sectors))
        if drawn
    ]
    return [
        Section(
            "Day by day",
            [*ledger.sentences(), *(f"{note}." for note in ledger.notes)],
            figures=figures,
        ),
        Section("Profit and loss by name", html=table),
    ]


def exposure(ledger: BookLedger, key: str, columns: Sequence[str]) -> Figure:
    """Some exposures through time, at most `LINES`, the largest on average."""
    frame = ledger.exposures.select("date", pl.col(*columns) * 100)
    sizes = frame.select(pl.col(*columns).abs().mean()).to_dicts()[0]
    shown = sorted(columns, key=lambda column: -sizes[column])[:LINES]
    with sketch(3.0, PAGE) as drawing:
        panel = drawing.subplots()
        panel.axhline(0.0, color=palette.INK.token, linewidth=0.9)
        for colour, name in zip(palette.SERIES, shown, strict=False):
            days, line = frame.select("date", name).get_columns()
            label = name.removeprefix("sector:")
            panel.plot(days, line, color=colour.token, linewidth=1.0, label=label)
        panel.set_ylabel("% of equity")
        panel.legend(loc="upper left", ncols=4)
        panel.margins(x=0.01)
    means = frame.select(shown).mean().to_dicts()[0]
    texts = (f"{name.removeprefix('sector:')} {mean:+.0f} %" for name, mean in means.items())
    caption = "Net exposure by sector" if key == "sectors" else "Exposure"
    return finish_figure(
        drawing,
        key,
        f"{caption}, on average: {', '.join(texts)}.",
        f"{caption} at each close, after trades.",
    )


def until_text(report: BacktestReport) -> str:
    """The day on which the newest forecast's horizon ends; nothing where no forecast was served."""
    return f", to the close of {report.held.last}" if report.held else ""


def title(held: Sequence[HeldName]) -> str:
    """The newest book in a few words.

    >>> title([HeldName("A", 1.0), HeldName("B", -1.0)])
    'long A, short B'
    """
    longs = [row.name for row in held if row.weight > 0]
    shorts = [row.name for row in held[::-1] if row.weight < 0]
    legs = [
        f"{side} {', '.join(names[:3])}{' ...' * (len(names) > 3)}"
        for side, names in (("long", longs), ("short", shorts))
        if names
    ]
    return ", ".join(legs) or "no book"


def legs_table(held: Sequence[HeldName], caption: str) -> str:
    """HTML table of the largest weights of both legs side by side, `SHOWN` names each, with forecast and weight."""
    cells = [
        [
            (
                row.name,
                format_number(row.expected_bps, 1, signed=True),
                format_number(100 * row.weight, 1),
            )
            for row in leg
        ]
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


def equity(report: BacktestReport) -> Figure:
    """Equity net and gross of costs from 1 at the first decision to the end of the last label, below it the drawdown of
    the net one.
    """
    book = report.book
    times = np.append(dates_of(book.walk.time_ns), dates_of(book.walk.end_ns[-1:]))
    net = np.append(1.0, book.equity)
    drawdown = np.append(0.0, book.drawdown)
    gross = np.append(1.0, np.cumprod(1.0 + book.gross))
    with sketch(5.0, PAGE) as drawing:
        top, bottom = drawing.subplots(2, 1, sharex=True, height_ratios=(2.4, 1.0))
        top.axhline(1.0, color=palette.SOFT.token, linewidth=0.9)
        top.plot(times, gross, color=palette.SERIES[9].token, linewidth=1.2, label="before costs")
        top.plot(times, net, color=palette.SERIES[1].token, linewidth=2.0, label="after costs")
        equity_axis(top, gross, net)
        top.legend(loc="upper left")
        bottom.fill_between(
            times, -100 * drawdown, 0.0, color=palette.BAD.token, alpha=0.45, linewidth=0
        )
        bottom.set_ylabel("drawdown, %")
        bottom.margins(x=0.01)
    return finish_figure(
        drawing,
        "equity",
        f"Equity from 1 to {net[-1]:.2f} after costs, {gross[-1]:.2f} before; drawdown to {format_percent(drawdown.max(), 1)}.",
        "Profits stay in the book. Below: loss from the highest equity so far.",
    )


def skill_through_time(book: Backtest, mean_of_all: float) -> Figure:
    """Rank IC as a mean over about a year of dates, with its interval, and the mean of all dates."""
    finite = np.isfinite(book.ic)
    year = round(book.periods) if np.isfinite(book.periods) else 20
    window = min(max(year, 10), max(int(finite.sum()) // 2, 2))
    ic = pl.Series(book.ic[finite])
    mean, sd = (
        each.to_numpy()[window - 1 :] for each in (ic.rolling_mean(window), ic.rolling_std(window))
    )
    times = dates_of(book.walk.time_ns[finite])[window - 1 :]
    half = 1.96 * sd / window**0.5
    with sketch(3.2, PAGE) as drawing:
        panel = drawing.subplots()
        blue = palette.SERIES[1].token
        panel.axhline(0.0, color=palette.INK.token, linewidth=0.9)
        panel.fill_between(times, mean - half, mean + half, color=blue, alpha=0.18, linewidth=0)
        panel.plot(times, mean, color=blue, linewidth=1.8, label=f"mean of {window} dates")
        panel.axhline(
            mean_of_all,
            color=palette.SERIES[0].token,
            linewidth=1.2,
            linestyle="--",
            label="mean of all",
        )
        panel.set_ylabel("rank IC")
        panel.legend(loc="upper right", ncols=2)
        panel.margins(x=0.01)
    ends = f"from {mean.min():.3f} to {mean.max():.3f}" if len(mean) else "too few of them"
    return finish_figure(
        drawing,
        "skill",
        f"Rank IC through time, mean of {window} dates: {ends}; of all {mean_of_all:.4f}.",
        f"Line: the mean of the last {window} dates; band: 1.96 standard errors of it, dates taken as independent.",
    )


def turnover(book: Backtest) -> Figure:
    """One-way turnover of each date, and what it cost so far."""
    cumulative_cost = 100 * np.cumsum(book.cost)
    series = (
        ("turnover", book.turnover, palette.SERIES[2]),
        ("cost so far, % of equity", cumulative_cost, palette.SERIES[0]),
    )
    with sketch(3.0, PAGE) as drawing:
        for panel, (title, line, colour) in zip(drawing.subplots(1, 2), series, strict=True):
            panel.plot(dates_of(book.walk.time_ns), line, color=colour.token, linewidth=1.0)
            panel.set(title=title, ylim=(0, None))
            panel.margins(x=0.01)
    return finish_figure(
        drawing,
        "turnover",
        f"One-way turnover per date: {book.over_held_dates(book.turnover).mean():.2f} on average; costs add up to "
        f"{cumulative_cost[-1]:.1f} % of equity.",
        "One-way turnover is the sum of |change of weight|, both legs.",
    )
