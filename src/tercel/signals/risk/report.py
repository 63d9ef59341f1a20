"""Pages of risk: a forecast, its figures, and what a posture would have done in the past."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.messages import Posture
from tercel.core.report import svg
from tercel.core.report.svg import PAGE, Figure, Section, finished, render, sketch
from tercel.core.report.tables import fixed, plain_table
from tercel.signals.risk.forecast import RiskForecast, ValueAtRisk
from tercel.signals.risk.portfolio import Portfolio
from tercel.signals.risk.posture import PostureConfig, PosturePolicy, RiskState
from tercel.signals.risk.volatility import LEAST_PAST, YEAR, DailySeries, Ewma

# -- figures --------------------------------------------------------------------------------------
# Figures of risk: each takes plain arrays and hands back a picture for a page.


def bars(
    name: str, title: str, values: Mapping[str, float], unit: str, caption: str = "Lower is better."
) -> Figure:
    """One bar a name, the lowest on top."""
    order = sorted(values, key=lambda key: values[key])

    with sketch(0.8 + 0.3 * len(order), PAGE) as drawing:
        panel = drawing.subplots()
        panel.barh(order, [values[key] for key in order], color=svg.SERIES[1].token, height=0.6)
        for row, key in enumerate(order):
            panel.text(
                values[key],
                row,
                f" {values[key]:.3g}",
                va="center",
                fontsize=9,
                color=svg.INK.token,
            )
        panel.invert_yaxis()
        panel.grid(axis="y", visible=False)
        panel.margins(x=0.12)
        panel.set_xlabel(unit)

    summary = ", ".join(f"{key} {values[key]:.4g}" for key in order)
    return finished(drawing, name, f"{title}: {summary}.", caption)


def tails(days: Sequence[date], returns: Floats, var: Mapping[str, Floats]) -> Figure:
    """Daily returns, the negative VaR of some models, and the days on which it was exceeded; one panel per model."""
    x: Any = np.asarray(days, "datetime64[D]")

    with sketch(0.5 + 2.0 * len(var), PAGE) as drawing:
        panels = drawing.subplots(len(var), 1, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, (key, level) in zip(panels, var.items(), strict=True):
            hit = returns < -level
            panel.plot(x, 100 * returns, ".", color=svg.RULE.token, markersize=2)
            panel.plot(x, -100 * level, color=svg.SERIES[1].token, linewidth=1)
            panel.plot(x[hit], 100 * returns[hit], "x", color=svg.BAD.token, markersize=5)
            panel.set_title(f"{key}: {int(hit.sum())} hits")
            panel.margins(x=0)
        drawing.supylabel("daily return, %", fontsize=9.5, color=svg.SOFT.token)

    summary = "; ".join(f"{key} {int((returns < -level).sum())} hits" for key, level in var.items())
    return finished(
        drawing,
        "tails",
        f"Daily returns against 99 % VaR. {summary}.",
        "Line: minus VaR; crosses: days beyond it. A model that waits for its window has its hits in clusters.",
    )


# -- report ---------------------------------------------------------------------------------------
# Report on tomorrow's risk for a terminal and a page: a table, a few sentences for a desk, a figure.

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
    """Rows with the forecast, a fraction, and the backtest's result, in words."""
    rows: Rows = [
        ("Value at Risk", found.var),
        ("Expected Shortfall", found.es),
        ("model", found.model),
    ]
    if (verdict := found.verdict) is None:
        return [*rows, ("backtest", "none: too few days")]
    tests, days = verdict.tests, found.book.days
    return [
        *rows,
        ("backtest", f"{days[found.first + 1]} to {days[-1]}, {tests.days:,} days"),
        ("hits, expected", f"{tests.hits}, {(1 - found.level) * tests.days:.1f}"),
        ("Kupiec p", f"{tests.kupiec:.3f}"),
        ("Christoffersen p", f"{tests.independence:.3f}"),
        ("joint p", f"{tests.joint:.3f}"),
        ("pinball x 10,000", f"{1e4 * verdict.pinball:.2f}"),
        ("loss / ES on hits", fixed(verdict.es_ratio, 2)),
        ("most hits in 250 days", str(verdict.most_in_year)),
    ]


def sentences(found: RiskForecast | ValueAtRisk) -> list[str]:
    """Sentences on the figures, then every note."""
    book, once = found.book, 1 / (1 - found.level)
    said = f"On one day in {once:.0f} the book loses {100 * found.var:.2f} % or more, "
    said += f"{100 * found.es:.2f} % on the mean of such days"
    if isinstance(found, RiskForecast):
        gross, net = np.abs(book.weights).sum(), book.weights.sum()
        said += f" (names {len(book.names)}, gross {gross:.2f}, net {net:.2f})"
        models = f"Volatility: {found.models['volatility']}; covariance: {found.models['covariance']}, of "
        models += f"{found.window} days; VaR: {found.models['tail']}, of {len(book.returns):,} days; log returns."
        return [said + ".", models, *found.notes]
    verdict = ["There are too few days for a backtest."]
    if found.verdict is not None:
        does = "passes" if found.verdict.passes else "does not pass"
        verdict = [f"The model {does} Kupiec's and Christoffersen's tests at p .05 on this book."]
    return [said + "; log returns.", *verdict, *found.notes]


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
    return render(
        f"Risk of the trading day after {found.book.days[-1]}",
        lead,
        [Section("Volatility", figures=[drawing]), Section("By name", others, table)],
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
    return render(
        f"Value at Risk {100 * found.level:g} % of the trading day after {found.book.days[-1]}",
        lead,
        [Section("Backtest", html=plain_table(("", "value"), rows), figures=drawn, text=others)],
    )


# -- posture story --------------------------------------------------------------------------------
# Report on a posture and its reasons, as a table, sentences, a page and an object: for the daily prices of a book.


def asked(posture: Posture) -> dict[str, float]:
    """Limits of a posture, in numbers."""
    size, most = posture.size_multiplier, posture.max_participation
    return {"urgency": posture.urgency, "max_participation": most, "size": size}


def changed(policy: PosturePolicy, now: Posture, minute: float = 0.0) -> list[dict[str, Any]]:
    """Changes by the newest state, with the posture's limits since then."""
    styles = "+".join(str(style.name).lower() for style in now.styles)
    return [
        {"minute": minute, "what": what, **asked(now), "styles": styles} for what in policy.changed
    ]


@dataclass(frozen=True)
class PostureStory:
    """A posture and what led to it.

    Parameters
    ----------
    market : str
    headings, rows : sequences of str
        The table.
    changes : sequence of mappings
        See :func:`changed`.
    posture : Posture
        The last one.
    notes : sequence of str
    measured : mapping of str to object
        More keys of the object.
    figures : sequence of Figure
    """

    market: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    changes: Sequence[Mapping[str, Any]]
    posture: Posture
    notes: Sequence[str]
    measured: Mapping[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()

    def to_json(self) -> dict[str, Any]:
        """The changes and the last posture as plain values."""
        last = asked(self.posture) | {"reasons": self.posture.reasons}
        story = {
            "market": self.market,
            "changes": self.changes,
            "notes": self.notes,
            "posture": last,
        }
        return story | dict(self.measured)

    def page(self) -> str:
        """The page of it."""
        table = plain_table(self.headings, self.rows, prose=True)
        lead, *others = self.notes
        return render("Risk state", lead, [Section(self.market, others, table, self.figures)])


def of_book(book: Portfolio) -> PostureStory:
    """Posture of a desk's rules for tomorrow, from the volatility of a book's daily prices alone.

    Volatility is EWMA 0.94, tomorrow's over the median of all days so far. The rules' thresholds were measured on
    seconds.
    """
    series = DailySeries(
        "book", (*book.days, book.days[-1] + timedelta(days=1)), np.pad(book.earned(), 1)
    )
    sd = np.sqrt(Ewma().forecast(series, LEAST_PAST))
    usual = float(np.median(sd))
    ratio, as_high = float(sd[-1]) / usual, float(np.mean(sd >= sd[-1]))
    policy = PosturePolicy("the book", PostureConfig(required=("volatility_ratio",)))
    now = policy.update(RiskState("the book", 0, volatility_ratio=ratio), 0)
    names = book.names[0] if len(book.names) == 1 else f"{len(book.names)} names"
    measured = {
        "volatility": float(sd[-1]),
        "median_volatility": usual,
        "volatility_ratio": ratio,
        "days_as_volatile": as_high,
        "thresholds": "measured on seconds, not on days",
    }
    rows = [
        ("volatility tomorrow, a day", f"{sd[-1]:.2%}"),
        ("its median", f"{usual:.2%}"),
        ("ratio", f"{ratio:.2f}"),
        ("days that were as volatile", f"{as_high:.0%}"),
        *(
            (f"the desk's rules would ask: {key.replace('_', ' ')}", f"{value:g}")
            for key, value in asked(now).items()
        ),
    ]
    notes = (
        f"After {book.days[-1]} the volatility of {names} is {ratio:.2f} times its median.",
        "What the rules ask for was measured on seconds, not on days: its worth here has not been measured.",
        "Depth and anomalies are no part of daily prices: a desk measures them by the second.",
        *book.notes,
    )
    return PostureStory(names, ("", "value"), rows, changed(policy, now), now, notes, measured)
