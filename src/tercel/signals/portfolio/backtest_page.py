"""Page of a backtest: the newest forecast and its weights, then what such books earned after costs."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.report import svg
from tercel.core.report.svg import PAGE, Figure, Section, finished, render, sketch
from tercel.core.report.tables import fixed, plain_table, spelt_cell
from tercel.signals.models.skill import IC_OVER
from tercel.signals.serving.predict import HeldSpan

# -- backtest page --------------------------------------------------------------------------------
# Page of a backtest: the newest forecast and what it would be held as, then what such books earned after costs.

SHOWN: Final = 5
"""Names of each leg in the first screen."""
WIDE: Final = 3.0
"""Range of an equity from which its scale is that of ratios."""


def figures_of(found: Mapping[str, Any]) -> dict[str, str]:
    """What a terminal and a page say of a backtest first, in words."""
    worst, scaled = found["worst_year"], [found["exposure"]["worth"]] if found["exposure"] else []
    gained = {f"Sharpe gained by {one['name']}": one["sharpe_gained"] for one in scaled}
    return {
        **{
            f"Sharpe, {key}": spelt_cell(found[f"sharpe_{key}_interval"])
            for key in ("net", "gross")
        },
        "rank IC": spelt_cell(found["ic"], digits=4),
        "half-turns a date": fixed(found["turnover"]),
        "worst drawdown, %": fixed(100 * found["drawdown"], 1),
        "worst year": f"{worst['year']}: {fixed(100 * worst['net'], 1)} %",
        **{name: f"{spelt_cell(one, '+')}, t {fixed(one['t'], 1)}" for name, one in gained.items()},
    }


def weights_table(
    held: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of names that are held."""
    return ("name", "weight, %", "expected, bps", "sd, bps"), [
        (
            row["name"],
            fixed(100 * row["weight"], 2, True),
            fixed(row["expected_bps"], 1, True),
            fixed(row["sd_bps"], 0),
        )
        for row in held
    ]


def backtest_page(found: Mapping[str, Any]) -> str:
    """HTML page of what `tercel.signals.portfolio.backtest.backtested` found."""
    first, *rest = found["sentences"]
    held, day = [row for row in found["weights"] if row["weight"]], found["at"][:10]
    percent = ("gross", "cost", "net", "drawdown")
    years = [
        (
            str(row["year"]),
            row["dates"],
            fixed(row["ic"], 4),
            *(fixed(100 * row[key], 1) for key in percent),
            fixed(row["sharpe_net"]),
            fixed(row["turnover"]),
        )
        for row in found["years"]
    ]
    heads = ("year", "dates", "IC", *(f"{key} %" for key in percent), "Sharpe", "half-turns")
    curve, plain = (
        _drawn(found["curve"]),
        _drawn(found["exposure"]["plain"]) if found["exposure"] else None,
    )
    legs = both_legs(held, f"Largest of {len(held)} weights among {len(found['weights'])} names")
    sections = [
        Section(f"Forecast of {day}" + until(found), [*reach(found), *found["warnings"]], legs),
        Section(
            "Equity after costs",
            [*rest[:2], *rest[3:]],
            figures=[equity(curve, found["last"], plain)],
        ),
        Section(
            "Skill through time",
            rest[2:3],
            figures=[skill_through_time(curve, found["dates_a_year"], found["ic"]["mean"])],
        ),
        Section("Turnover and cost", figures=[turnover(curve)]),
        Section("By year", html=plain_table(heads, years)),
        Section(
            f"All weights of {day}: {len(held)}",
            html=plain_table(*weights_table(held)),
            folded=len(held) > 30,
        ),
        Section(
            "How it is measured",
            [
                f"Cost: {found['cost']}; {found['definition']}.",
                "Books are rebuilt on dates whose labels do not overlap. Sharpe ratios are annualised by their spacing, "
                f"{found['dates_a_year']:.1f} a year; intervals are 95 %, drawn over blocks of dates.",
                IC_OVER,
            ],
        ),
    ]
    facts = figures_of(found) | {"book": found["book"]}
    return render(
        f"{found['name']}: {title(held)}",
        first,
        sections,
        facts,
        "printed by: tercel signals backtest",
    )


def until(found: Mapping[str, Any]) -> str:
    """The day on which the newest forecast's horizon ends; nothing where no forecast was served."""
    return f", to the close of {found['held']['last']}" if found["held"] else ""


def reach(found: Mapping[str, Any]) -> list[str]:
    """The closes between which the forecast's return lies, in a sentence."""
    return (
        [f"Expected beyond the mean of all names, {HeldSpan(**found['held'])}."]
        if found["held"]
        else []
    )


def title(held: Sequence[Mapping[str, Any]]) -> str:
    """The newest book in a few words.

    >>> title([{"name": "A", "weight": 1.0}, {"name": "B", "weight": -1.0}])
    'long A, short B'
    """
    longs, shorts = (
        [row for row in held if row["weight"] > 0],
        [row for row in held[::-1] if row["weight"] < 0],
    )
    parts = [
        (word, [row["name"] for row in leg]) for word, leg in (("long", longs), ("short", shorts))
    ]
    said = [
        f"{word} {', '.join(names[:3])}{' ...' * (len(names) > 3)}"
        for word, names in parts
        if names
    ]
    return ", ".join(said) or "no book"


def both_legs(held: Sequence[Mapping[str, Any]], caption: str) -> str:
    """The ends of both legs side by side: names with their forecast and weight."""
    legs = (
        [row for row in held if row["weight"] > 0],
        [row for row in held[::-1] if row["weight"] < 0],
    )
    cells = [
        [
            (row["name"], fixed(row["expected_bps"], 1, True), fixed(100 * row["weight"], 1))
            for row in leg[:SHOWN]
        ]
        for leg in legs
    ]
    rows = [(*long, *short) for long, short in zip_longest(*cells, fillvalue=("", "", ""))]
    return plain_table(("long", "bps", "% held", "short", "bps ", "% held "), rows, caption)


def _drawn(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.col("at").str.to_datetime(time_zone="UTC")
    )


def equity(curve: pl.DataFrame, last: str, plain: pl.DataFrame | None = None) -> Figure:
    """Equity net and gross of costs from 1 at the first decision to `last`, below it the drawdown of the net one; and
    the net equity of a `plain` book.
    """
    at = np.append(curve["at"].to_numpy(), np.datetime64(last.removesuffix("Z")))
    net, fallen = np.append(1.0, curve["equity"]), np.append(0.0, curve["drawdown"])
    gross = np.append(1.0, (1.0 + curve["gross"]).cum_prod())
    with sketch(5.0, PAGE) as drawing:
        top, low = drawing.subplots(2, 1, sharex=True, height_ratios=(2.4, 1.0))
        top.axhline(1.0, color=svg.SOFT.token, linewidth=0.9)
        top.plot(at, gross, color=svg.SERIES[9].token, linewidth=1.2, label="before costs")
        top.plot(at, net, color=svg.SERIES[1].token, linewidth=2.0, label="after costs")
        if plain is not None:
            top.plot(
                at,
                np.append(1.0, plain["equity"]),
                color=svg.SERIES[0].token,
                label="after costs, not scaled",
            )
        top.set_ylabel("equity, 1 at the start")
        if gross.max() > WIDE * net.min():
            top.set_yscale("log", subs=[2, 5])
            top.yaxis.set_major_formatter("{x:g}")
            top.yaxis.set_minor_formatter("{x:g}")
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


def skill_through_time(curve: pl.DataFrame, periods: float, whole: float) -> Figure:
    """Rank IC as a mean over about a year of dates, with its interval, and the mean of all dates."""
    known = curve.filter(pl.col("ic").is_not_null() & pl.col("ic").is_not_nan())
    over = int(
        min(max(round(periods) if np.isfinite(periods) else 20, 10), max(known.height // 2, 2))
    )
    table = known.select(
        "at",
        mean=pl.col("ic").rolling_mean(over),
        half=1.96 * pl.col("ic").rolling_std(over) / over**0.5,
    ).drop_nulls()
    at, mean, half = (table[key].to_numpy() for key in table.columns)
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


def turnover(curve: pl.DataFrame) -> Figure:
    """Half-turns of each date, and what they cost so far."""
    turned, paid = curve["turnover"].to_numpy(), 100 * curve["cost"].cum_sum().to_numpy()
    drawn = (
        ("half-turns", turned, svg.SERIES[2]),
        ("cost so far, % of equity", paid, svg.SERIES[0]),
    )
    with sketch(3.0, PAGE) as drawing:
        for panel, (title, line, colour) in zip(drawing.subplots(1, 2), drawn, strict=True):
            panel.plot(curve["at"].to_numpy(), line, color=colour.token, linewidth=1.0)
            panel.set(title=title, ylim=(0, None))
            panel.margins(x=0.01)
    return finished(
        drawing,
        "turnover",
        f"Half-turns a date: {turned.mean():.2f} on average; costs add up to {paid[-1]:.1f} % of equity.",
        "A half-turn is the sum of |change of weight|, both legs.",
    )
