"""Pages of a book's risk: the forecast and the Value at Risk, with their figures."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.report import palette
from tercel.core.report.formatting import format_number, format_percent
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.risk.forecast import RiskForecast
from tercel.signals.risk.value_at_risk import ValueAtRisk
from tercel.signals.risk.volatility import YEAR

DRAWN = 30
"""Names that a picture shows."""
Rows = list[tuple[object, ...]]


def bars(
    name: str, title: str, values: Mapping[str, float], unit: str, caption: str = "Lower is better."
) -> Figure:
    """Figure with one bar per name, the lowest on top."""
    order = sorted(values, key=lambda key: values[key])

    with sketch(0.8 + 0.3 * len(order), PAGE) as drawing:
        panel = drawing.subplots()
        panel.barh(order, [values[key] for key in order], color=palette.SERIES[1].token, height=0.6)
        for row, key in enumerate(order):
            panel.text(
                values[key],
                row,
                f" {values[key]:.3g}",
                va="center",
                fontsize=9,
                color=palette.INK.token,
            )
        panel.invert_yaxis()
        panel.grid(axis="y", visible=False)
        panel.margins(x=0.12)
        panel.set_xlabel(unit)

    summary = ", ".join(f"{key} {values[key]:.4g}" for key in order)
    return finish_figure(drawing, name, f"{title}: {summary}.", caption)


def tails(days: Sequence[date], returns: Floats, var: Mapping[str, Floats]) -> Figure:
    """Figure of daily returns, the negative VaR of some models and the days beyond it; one panel per model."""
    x: Any = np.asarray(days, "datetime64[D]")

    with sketch(0.5 + 2.0 * len(var), PAGE) as drawing:
        panels = drawing.subplots(len(var), 1, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, (key, level) in zip(panels, var.items(), strict=True):
            hit = returns < -level
            panel.plot(x, 100 * returns, ".", color=palette.RULE.token, markersize=2)
            panel.plot(x, -100 * level, color=palette.SERIES[1].token, linewidth=1)
            panel.plot(x[hit], 100 * returns[hit], "x", color=palette.BAD.token, markersize=5)
            panel.set_title(f"{key}: {int(hit.sum())} hits")
            panel.margins(x=0)
        drawing.supylabel("daily return, %", fontsize=9.5, color=palette.SOFT.token)

    summary = "; ".join(f"{key} {int((returns < -level).sum())} hits" for key, level in var.items())
    return finish_figure(
        drawing,
        "tails",
        f"Daily returns against 99 % VaR. {summary}.",
        "Line: minus VaR; crosses: days beyond it. A model that waits for its window has its hits in clusters.",
    )


def forecast_rows(forecast: RiskForecast) -> tuple[tuple[str, ...], Rows]:
    """Headings, and a row for each name and for the book; numbers are fractions."""
    year = math.sqrt(YEAR)
    columns = (forecast.book.weights, forecast.sd, forecast.sd * year, forecast.var_by_name)
    rows: Rows = [
        (name, *row)
        for name, row in zip(forecast.book.names, np.column_stack(columns).tolist(), strict=True)
    ]
    book = (
        "the book",
        float(forecast.book.weights.sum()),
        forecast.book_sd,
        forecast.book_sd * year,
        forecast.var,
    )
    return ("name", "weight", "sd a day", "sd a year", f"VaR {100 * forecast.level:g} %"), [
        *rows,
        book,
    ]


def var_rows(result: ValueAtRisk) -> Rows:
    """Rows of a Value at Risk: the forecast as a fraction, and the backtest's result in words."""
    rows: Rows = [
        ("Value at Risk", result.var),
        ("Expected Shortfall", result.es),
        ("model", result.model),
    ]
    if (verdict := result.verdict) is None:
        return [*rows, ("backtest", "none: too few days")]
    tests = verdict.tests
    days = result.book.days
    return [
        *rows,
        ("backtest", f"{days[result.first + 1]} to {days[-1]}, {tests.days:,} days"),
        ("hits, expected", f"{tests.hits}, {(1 - result.level) * tests.days:.1f}"),
        ("Kupiec p", f"{tests.kupiec:.3f}"),
        ("Christoffersen p", f"{tests.independence:.3f}"),
        ("joint p", f"{tests.joint:.3f}"),
        ("pinball x 10,000", f"{1e4 * verdict.pinball:.2f}"),
        ("loss / ES on hits", format_number(verdict.es_ratio, 2)),
        ("most hits in 250 days", str(verdict.most_in_year)),
    ]


def sentences(result: RiskForecast | ValueAtRisk) -> list[str]:
    """Sentences on the figures, then every note."""
    book = result.book
    text = f"On one day in {1 / (1 - result.level):.0f} the book loses {format_percent(result.var, 2)} or more, "
    text += f"{format_percent(result.es, 2)} on the mean of such days"
    if isinstance(result, RiskForecast):
        text += f" (names {len(book.names)}, gross {np.abs(book.weights).sum():.2f}, net {book.weights.sum():.2f})"
        models = f"Volatility: {result.models['volatility']}; covariance: {result.models['covariance']}, of "
        models += f"{result.window} days; VaR: {result.models['tail']}, of {len(book.returns):,} days; log returns."
        return [text + ".", models, *result.notes]
    verdict = ["There are too few days for a backtest."]
    if result.verdict is not None:
        does = "passes" if result.verdict.passes else "does not pass"
        verdict = [f"The model {does} Kupiec's and Christoffersen's tests at p .05 on this book."]
    return [text + "; log returns.", *verdict, *result.notes]


def forecast_page(forecast: RiskForecast) -> str:
    """HTML page of a risk forecast, name by name."""
    headings, rows = forecast_rows(forecast)
    shown = [(row[0], *(100 * float(str(cell)) for cell in row[1:])) for row in rows]
    yearly = {str(row[0]): float(str(row[3])) for row in shown}
    largest = sorted(yearly, key=lambda name: -yearly[name])[:DRAWN]
    drawing = bars(
        "sd", "Volatility a year", {name: yearly[name] for name in largest}, "% a year", caption=""
    )
    table = plain_table(
        (headings[0], *(f"{heading.removesuffix(' %')}, %" for heading in headings[1:])), shown
    )
    lead, *others = sentences(forecast)
    return render_page(
        f"Risk of the trading day after {forecast.book.days[-1]}",
        lead,
        [Section("Volatility", figures=[drawing]), Section("By name", others, table)],
    )


def var_page(result: ValueAtRisk) -> str:
    """HTML page of a Value at Risk: the loss, its backtest, the days beyond it."""
    rows = [
        (name, format_percent(value, 2) if isinstance(value, float) else value)
        for name, value in var_rows(result)
    ]
    figures: list[Figure] = []
    if result.verdict is not None:
        figures = [
            tails(
                result.book.days[result.first + 1 :],
                result.book_returns[result.first :],
                {result.model: result.verdict.var},
            )
        ]
    lead, *others = sentences(result)
    return render_page(
        f"Value at Risk {100 * result.level:g} % of the trading day after {result.book.days[-1]}",
        lead,
        [Section("Backtest", html=plain_table(("", "value"), rows), figures=figures, text=others)],
    )
