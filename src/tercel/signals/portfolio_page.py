"""Page of a portfolio: which rule earned most after costs, what it chose by year, what was believed of costs."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.report import style
from tercel.core.report.page import Section, render
from tercel.core.report.svg import PAGE, Figure, finished, sketch
from tercel.core.report.tables import fixed, plain_table
from tercel.signals.backtest_page import WIDE
from tercel.signals.rebalance import NOISE
from tercel.signals.runs.portfolio import best_of, spelt_gain, table_of

COLOURS: Final = (9, 1, 2, 3, 4)


def portfolio_page(found: Mapping[str, Any]) -> str:
    """HTML page of what :func:`tercel.signals.runs.portfolio.backtested` found."""
    rules, name = found["rules"], best_of(found["rules"])
    first, *rest = found["sentences"]
    able = {rule: row["chosen"] for rule, row in rules.items() if row["chosen"]}
    sections = [
        Section("Equity after costs", rest[:1], plain_table(*table_of(rules)), [equity(found)]),
        Section(
            "What each year chose",
            "Of what a book of each value would have earned after costs, up to the year's "
            "first date.",
            _by_year(able),
            [chosen(found, list(able))] if able else [],
        ),
        Section(
            "What is believed of costs",
            rest[1:2],
            _beliefs(found["beliefs"]),
            [believed(found, name)],
        ),
        Section(
            "How it is measured",
            [
                f"Cost: {found['cost']}; {found['definition']}. Each rule pays the true cost.",
                "Sharpe ratios are annualised by the spacing of dates, "
                f"{found['dates_a_year']:.1f} a year; intervals are 95 %, drawn over blocks of four dates, and t is a "
                "difference over its standard error by the same draws.",
                f"A fill says what its trade cost with noise of {NOISE:.2f} deviations of the name's day. A name without a "
                "forecast is closed at its last close.",
                *rest[2:],
            ],
        ),
    ]
    plain, gain = rules["all_at_once"], rules[name]["against_all_at_once"]
    facts = {
        "rule": name,
        "Sharpe, net": fixed(rules[name]["sharpe_net"]),
        "all at once": fixed(plain["sharpe_net"]),
        "difference": spelt_gain(gain),
        "book": found["book"],
        "cost": found["cost"],
    }
    return render(
        f"{found['name']}: {name}", first, sections, facts, "printed by: tercel portfolio backtest"
    )


def _by_year(able: Mapping[str, Mapping[str, float]]) -> str:
    years = sorted({year for told in able.values() for year in told})
    return plain_table(
        ("rule", *years), [(rule, *(f"{told[y]:g}" for y in years)) for rule, told in able.items()]
    )


def _beliefs(beliefs: Mapping[str, Any]) -> str:
    heads = (
        "Sharpe net, by belief",
        "true",
        "learned",
        "a third",
        "learned - true",
        "learned - a third",
    )
    rows = [
        (
            rule,
            *(fixed(row[key]) for key in ("true", "learned", "third")),
            *(spelt_gain(row[f"learned_against_{other}"]) for other in ("true", "third")),
        )
        for rule, row in beliefs.items()
    ]
    return plain_table(heads, rows)


def _line(found: Mapping[str, Any], rule: str, key: str) -> Floats:
    return np.array([row["rules"][rule][key] for row in found["curve"]])


def _times(found: Mapping[str, Any]) -> Any:
    return np.array([row["at"].removesuffix("Z") for row in found["curve"]], "datetime64[s]")


def equity(found: Mapping[str, Any]) -> Figure:
    """Equity of each rule after costs."""
    lines = {rule: _line(found, rule, "equity") for rule in found["rules"]}
    with sketch(4.2, PAGE) as drawing:
        panel = drawing.subplots()
        panel.axhline(1.0, color=style.SOFT.token, linewidth=0.9)
        for (rule, line), colour in zip(lines.items(), COLOURS, strict=False):
            panel.plot(
                _times(found), line, color=style.SERIES[colour].token, linewidth=1.6, label=rule
            )
        panel.set_ylabel("equity, 1 at the start")
        if max(line.max() for line in lines.values()) > WIDE * min(
            line.min() for line in lines.values()
        ):
            panel.set_yscale("log", subs=[2, 5])
            panel.yaxis.set_major_formatter("{x:g}")
            panel.yaxis.set_minor_formatter("{x:g}")
        panel.legend(loc="upper left", ncols=2)
        panel.margins(x=0.01)
    ends = ", ".join(f"{rule} {line[-1]:.2f}" for rule, line in lines.items())
    return finished(
        drawing, "equity", f"Equity after costs from 1: {ends}.", "Profits stay in the book."
    )


def chosen(found: Mapping[str, Any], able: list[str]) -> Figure:
    """The parameter of each rule that chooses, by year."""
    with sketch(2.8, PAGE) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(able)))
        for panel, rule in zip(panels, able, strict=True):
            colour = style.SERIES[COLOURS[list(found["rules"]).index(rule)]].token
            panel.step(
                _times(found),
                _line(found, rule, "chosen"),
                where="post",
                color=colour,
                linewidth=1.8,
            )
            panel.set(title=f"{rule}: {found['rules'][rule]['says']}", ylim=(0, None))
            panel.margins(x=0.01)
    said = "; ".join(
        f"{rule} {', '.join(f'{v:g}' for v in found['rules'][rule]['chosen'].values())}"
        for rule in able
    )
    return finished(
        drawing,
        "chosen",
        f"Parameters by year: {said}.",
        "A rate is a share, a width counts average scores.",
    )


def believed(found: Mapping[str, Any], rule: str) -> Figure:
    """The level of cost that a rule believed, and the true one."""
    told, true = (
        _line(found, rule, "cost_believed"),
        np.array([row["cost_true"] for row in found["curve"]]),
    )
    with sketch(2.8, PAGE) as drawing:
        panel = drawing.subplots()
        panel.plot(_times(found), true, color=style.INK.token, linewidth=1.4, label="true")
        panel.plot(
            _times(found),
            told,
            color=style.SERIES[1].token,
            linewidth=1.4,
            label=f"believed by {rule}",
        )
        panel.set(ylabel="level of cost", ylim=(0, None))
        panel.legend(loc="lower right", ncols=2)
        panel.margins(x=0.01)
    alt = f"Cost believed from {told.min():.3g} to {told.max():.3g}, true from {true.min():.3g} to {true.max():.3g}."
    return finished(drawing, "believed", alt, "Bps of a half-turn, or Y of the square-root law.")
