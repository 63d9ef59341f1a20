"""Page of a comparison of trading rules: table, equities, parameters chosen, costs believed."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from tercel.core.report import palette
from tercel.core.report.formatting import format_interval, format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.backtest_page import dates_of, equity_axis
from tercel.signals.portfolio.comparison_result import PortfolioComparison, RuleResult
from tercel.signals.portfolio.config import ALL_AT_ONCE
from tercel.signals.portfolio.rebalance import NOISE

COLOURS: Final = (9, 1, 2, 3, 4)


def table_of(
    rules: Mapping[str, RuleResult],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of rules, for a terminal and a page."""
    heads = (
        "rule",
        "Sharpe net",
        "gross",
        "turnover",
        "against all at once, 95 %",
        "t",
        "drawdown, %",
        "last choice",
    )
    return heads, [
        (
            name,
            format_number(result.net.point),
            format_number(result.gross.point),
            format_number(result.turnover),
            "" if name == ALL_AT_ONCE else format_interval(result.gain, signed=True),
            "" if result.gain.t is None else format_number(result.gain.t, 1),
            format_number(100 * result.drawdown, 1),
            "".join([f"{value:g}" for value in result.chosen.values()][-1:]),
        )
        for name, result in rules.items()
    ]


def portfolio_page(comparison: PortfolioComparison) -> str:
    """HTML page of a comparison of rules."""
    rules = comparison.rules
    best = comparison.rules[comparison.best]
    first, *rest = comparison.sentences()
    choices = {name: result.chosen for name, result in rules.items() if result.chosen}
    years = sorted({year for chosen in choices.values() for year in chosen})
    by_year = [(name, *(f"{chosen[year]:g}" for year in years)) for name, chosen in choices.items()]
    beliefs = [
        (
            name,
            *(format_number(value) for value in (gains.true, gains.learned, gains.third)),
            str(gains.learned_against_true),
            str(gains.learned_against_third),
        )
        for name, gains in comparison.beliefs.items()
    ]
    heads = (
        "Sharpe net, by belief",
        "true",
        "learned",
        "a third",
        "learned - true",
        "learned - a third",
    )
    sections = [
        Section(
            "Equity after costs",
            rest[:1],
            plain_table(*table_of(rules)),
            [portfolio_equity(comparison)],
        ),
        Section(
            "What each year chose",
            "Of what a book of each value would have earned after costs, up to the year's "
            "first date.",
            plain_table(("rule", *years), by_year),
            [choices_figure(comparison, list(choices))] if choices else [],
        ),
        Section(
            "Belief on costs",
            rest[1:2],
            plain_table(heads, beliefs),
            [beliefs_figure(comparison, comparison.best)],
        ),
        Section(
            "How it is measured",
            [
                f"Cost: {comparison.cost}; {books.DEFINITION}. Each rule pays the true cost.",
                "Sharpe ratios are annualised by the spacing of dates, "
                f"{comparison.targets.periods:.1f} a year; intervals are 95 %, drawn over blocks of four dates, and t is a "
                "difference over its standard error by the same draws.",
                f"A fill says what its trade cost with noise of {NOISE:.2f} deviations of the name's day. A name without a "
                "forecast is closed at its last close.",
                *rest[2:],
            ],
        ),
    ]
    facts = {
        "rule": comparison.best,
        "Sharpe, net": format_number(best.net.point),
        "all at once": format_number(rules[ALL_AT_ONCE].net.point),
        "difference": str(best.gain),
        "book": comparison.config.book.kind,
        "cost": comparison.cost,
    }
    return render_page(
        f"{comparison.config.name}: {comparison.best}",
        first,
        sections,
        facts,
        "printed by: tercel portfolio backtest",
    )


def portfolio_equity(comparison: PortfolioComparison) -> Figure:
    """Equity of each rule after costs."""
    times = dates_of(comparison.targets.walk.time_ns[comparison.judged_dates])
    with sketch(4.2, PAGE) as drawing:
        panel = drawing.subplots()
        panel.axhline(1.0, color=palette.SOFT.token, linewidth=0.9)
        for (name, result), colour in zip(comparison.rules.items(), COLOURS, strict=False):
            panel.plot(
                times, result.equity, color=palette.SERIES[colour].token, linewidth=1.6, label=name
            )
        equity_axis(panel, *(result.equity for result in comparison.rules.values()))
        panel.legend(loc="upper left", ncols=2)
        panel.margins(x=0.01)
    ends = ", ".join(f"{name} {result.equity[-1]:.2f}" for name, result in comparison.rules.items())
    return finish_figure(
        drawing, "equity", f"Equity after costs from 1: {ends}.", "Profits stay in the book."
    )


def choices_figure(comparison: PortfolioComparison, rule_names: list[str]) -> Figure:
    """The parameter of each rule that chooses, by year."""
    times = dates_of(comparison.targets.walk.time_ns[comparison.judged_dates])
    with sketch(2.8, PAGE) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(rule_names)))
        for panel, name in zip(panels, rule_names, strict=True):
            result = comparison.rules[name]
            colour = COLOURS[list(comparison.rules).index(name)]
            panel.step(
                times,
                result.traded.chosen[comparison.judged_dates],
                where="post",
                color=palette.SERIES[colour].token,
                linewidth=1.8,
            )
            panel.set(title=f"{name}: {result.rule.says}", ylim=(0, None))
            panel.margins(x=0.01)
    text = "; ".join(
        f"{name} {', '.join(f'{value:g}' for value in comparison.rules[name].chosen.values())}"
        for name in rule_names
    )
    return finish_figure(
        drawing,
        "chosen",
        f"Parameters by year: {text}.",
        "A rate is a share, a width counts average scores.",
    )


def beliefs_figure(comparison: PortfolioComparison, name: str) -> Figure:
    """The level of cost that a rule believed, and the true one."""
    times = dates_of(comparison.targets.walk.time_ns[comparison.judged_dates])
    belief = comparison.rules[name].traded.believed[comparison.judged_dates]
    true = comparison.targets.level[comparison.judged_dates]
    with sketch(2.8, PAGE) as drawing:
        panel = drawing.subplots()
        blue = palette.SERIES[1].token
        panel.plot(times, true, color=palette.INK.token, linewidth=1.4, label="true")
        panel.plot(times, belief, color=blue, linewidth=1.4, label=f"believed by {name}")
        panel.set(ylabel="level of cost", ylim=(0, None))
        panel.legend(loc="lower right", ncols=2)
        panel.margins(x=0.01)
    return finish_figure(
        drawing,
        "believed",
        f"Cost believed from {belief.min():.3g} to {belief.max():.3g}, true from {true.min():.3g} to {true.max():.3g}.",
        "One-way bps, or Y of the square-root law.",
    )
