"""What a terminal and a page say of tomorrow's risk: a table, a few sentences as a desk would say them, a picture."""

import math

import numpy as np

from tercel.core.report.page import Section, render
from tercel.core.report.svg import Figure
from tercel.core.report.tables import fixed, plain_table
from tercel.signals.risk.figures import bars, tails
from tercel.signals.risk.forecast import RiskForecast, ValueAtRisk
from tercel.signals.risk.volatility import YEAR

SENTENCES = 5
"""So many are said; all notes stand in the object."""
DRAWN = 30
"""Names that a picture shows."""
Rows = list[tuple[object, ...]]


def forecast_rows(found: RiskForecast) -> tuple[tuple[str, ...], Rows]:
    """Headings, and a row for each name and for the book; numbers are fractions."""
    year = math.sqrt(YEAR)
    columns = (found.book.weights, found.sd, found.sd * year, found.var_by_name)
    rows: Rows = [
        (name, *row)
        for name, row in zip(found.book.names, np.column_stack(columns).tolist(), strict=True)
    ]
    book = (
        "the book",
        float(found.book.weights.sum()),
        found.book_sd,
        found.book_sd * year,
        found.var,
    )
    return ("name", "weight", "sd a day", "sd a year", f"VaR {100 * found.level:g} %"), [
        *rows,
        book,
    ]


def var_rows(found: ValueAtRisk) -> Rows:
    """What was forecast, a fraction, and what the backtest found, in words."""
    rows: Rows = [
        ("Value at Risk", found.var),
        ("Expected Shortfall", found.es),
        ("model", found.model),
    ]
    told = found.to_json()["backtest"]
    if told is None:
        return [*rows, ("backtest", "none: too few days")]
    return [
        *rows,
        ("backtest", f"{told['first']} to {told['last']}, {told['days']:,} days"),
        ("hits, expected", f"{told['hits']}, {told['expected']:.1f}"),
        ("Kupiec p", f"{told['kupiec_p']:.3f}"),
        ("Christoffersen p", f"{told['christoffersen_p']:.3f}"),
        ("joint p", f"{told['joint_p']:.3f}"),
        ("pinball x 10,000", f"{1e4 * told['pinball']:.2f}"),
        ("loss / ES on hits", fixed(told["es_ratio"], 2)),
        ("most hits in 250 days", str(told["most_in_250_days"])),
    ]


def sentences(found: RiskForecast | ValueAtRisk) -> list[str]:
    """At most five sentences."""
    book, once = found.book, 1 / (1 - found.level)
    said = f"On one day in {once:.0f} the book loses {100 * found.var:.2f} % or more, "
    said += f"{100 * found.es:.2f} % on the mean of such days"
    if isinstance(found, RiskForecast):
        gross, net = np.abs(book.weights).sum(), book.weights.sum()
        said += f" (names {len(book.names)}, gross {gross:.2f}, net {net:.2f})"
        models = f"Volatility: {found.models['volatility']}; covariance: {found.models['covariance']}, of "
        models += f"{found.window} days; VaR: {found.models['tail']}, of {len(book.returns):,} days; log returns."
        return [said + ".", models, *found.notes][:SENTENCES]
    told = found.to_json()["backtest"]
    verdict = ["There are too few days for a backtest."]
    if told is not None:
        does = "passes" if told["passes"] else "does not pass"
        verdict = [f"The model {does} Kupiec's and Christoffersen's tests at p .05 on this book."]
    return [said + "; log returns.", *verdict, *found.notes][:SENTENCES]


def forecast_page(found: RiskForecast) -> str:
    """The page of a forecast: what tomorrow may cost, name by name."""
    headings, rows = forecast_rows(found)
    shown = [(row[0], *(100 * float(str(cell)) for cell in row[1:])) for row in rows]
    yearly = {str(row[0]): float(str(row[3])) for row in shown}
    largest = sorted(yearly, key=lambda name: -yearly[name])[:DRAWN]
    drawing = bars(
        "sd", "Volatility a year", {name: yearly[name] for name in largest}, "% a year", caption=""
    )
    table = plain_table(
        (headings[0], *(f"{one.removesuffix(' %')}, %" for one in headings[1:])), shown
    )
    lead, *others = sentences(found)
    title = f"Risk of the trading day after {found.book.days[-1]}"
    return render(
        title, lead, [Section("Volatility", figures=[drawing]), Section("By name", others, table)]
    )


def var_page(found: ValueAtRisk) -> str:
    """The page of a Value at Risk: the loss, its backtest, the days on which it was exceeded."""
    rows = [
        (name, f"{100 * value:.2f} %" if isinstance(value, float) else value)
        for name, value in var_rows(found)
    ]
    drawn: list[Figure] = []
    if found.verdict is not None:
        days, earned = found.book.days[found.first + 1 :], found.earned[found.first :]
        drawn = [tails(days, earned, {found.model: found.verdict.var})]
    lead, *others = sentences(found)
    title = f"Value at Risk {100 * found.level:g} % of the trading day after {found.book.days[-1]}"
    return render(
        title,
        lead,
        [Section("Backtest", html=plain_table(("", "value"), rows), figures=drawn, text=others)],
    )
