"""A portfolio through the dates of its forecasts, by each rule of trading, after costs that are believed or learned."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Indices
from tercel.core.errors import DataError
from tercel.core.report import svg
from tercel.core.report.svg import PAGE, Figure, Section, finished, render, sketch
from tercel.core.report.tables import fixed, plain_table, spelt_cell
from tercel.core.stats.bootstrap import Replicates
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.backtest_page import WIDE
from tercel.signals.portfolio.config import ALL_AT_ONCE, PortfolioConfig, opened, read_config
from tercel.signals.portfolio.rebalance import (
    CONTROLS,
    LEAST_PAST,
    NOISE,
    RULES,
    BookTargets,
    CostBelief,
    Traded,
    labels_ended,
    on_paper,
    picks_of,
    trade,
)
from tercel.signals.serving.predict import when

NEAR: Final = 0.2
"""How far from the true cost, as a share of it, a belief is back."""
STAYS: Final = 4
"""Dates in a row on which it has to be."""
WHY: Final = {
    True: "rules.first",
    False: "the past by which parameters are first chosen; rules.first names a day",
}
"""Why dates are not judged, by whether the file says which are."""
THIRD: Final = 1 / 3
"""Of the true cost of the last date: a belief to be compared with."""


def backtested(file: Path, seed: int = 1, *, shuffled: bool = False) -> dict[str, Any]:
    """Every figure of `tercel portfolio backtest` on a configuration; `shuffled`, with outcomes exchanged among the
    names of a date, so that no forecast says anything.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.config`; and where no date is left to judge.
    """
    config = read_config(file)
    found = opened(config, file.resolve().parent, seed)
    sought = shuffle(found.sought, seed) if shuffled else found.sought
    walk = sought.walk
    at = judged(config, sought)
    chosen = [RULES[name] for name in config.rules.names]
    paper = {rule.name: on_paper(sought, rule) for rule in chosen if len(rule.parameters) > 1}

    def run(believed: str | float) -> dict[str, Traded]:
        beliefs = {name: belief_of(config, sought, believed) for name in config.rules.names}
        return {
            rule.name: trade(
                sought, rule, beliefs[rule.name], seed=seed, paper=paper.get(rule.name)
            )
            for rule in chosen
        }

    by_belief = {"learned": run("learned"), "true": run("true"), "third": run(THIRD)}
    asked = config.cost.believed
    by_rule = by_belief[asked] if isinstance(asked, str) else run(asked)
    rng = np.random.default_rng([seed, 34])
    net = books.sharpes(
        {name: one.book.net[at] for name, one in by_rule.items()}, sought.periods, rng
    )
    gross = books.sharpes(
        {name: one.book.gross[at] for name, one in by_rule.items()}, sought.periods, rng
    )
    rules = {name: _figures(name, one, at, sought.periods) for name, one in by_rule.items()}
    for name, row in rules.items():
        row["sharpe_net"], row["sharpe_net_interval"] = (
            net[name].point,
            net[name].estimate().to_json(),
        )
        row["sharpe_gross"], row["sharpe_gross_interval"] = (
            gross[name].point,
            gross[name].estimate().to_json(),
        )
        row["against_all_at_once"] = _difference(net[name], net[ALL_AT_ONCE])
    for name in CONTROLS:
        if name in rules and "rate" in rules:
            rules[name]["against_rate"] = _difference(net[name], net["rate"])
    charge = str(config.cost.charge)
    if config.cost.changes:
        charge += f", {config.cost.times:g} times as much from {config.cost.changes} on"
    of_paper = {key: {name: ran[name] for name in paper} for key, ran in by_belief.items()}
    first, last = when(walk.start_ns[at[0]]), when(walk.end_ns[at[-1]])
    result = {
        "name": config.name,
        "file": file,
        "model": None if found.model is None else found.model.id,
        "dates": len(at),
        "names": len(walk.names),
        "first": first,
        "last": last,
        "not_judged": {
            "dates": int(at[0]),
            "first": when(walk.start_ns[0]),
            "why": WHY[bool(config.rules.first)],
        },
        "dates_a_year": sought.periods,
        "book": config.book.kind,
        "hold": config.book.hold,
        "cost": charge,
        "believed": asked,
        "definition": books.DEFINITION,
        "rules": rules,
        "beliefs": _beliefs(of_paper, at, sought, rng),
        "cost_learned": _learned(
            by_belief["learned"][next(iter(paper), ALL_AT_ONCE)], sought, config.cost.changes
        ),
        "curve": _curve(by_rule, at, sought),
        "note": found.note,
        "seed": seed,
        "shuffled": shuffled,
    }
    return {**result, "sentences": sentences(result)}


def shuffle(sought: BookTargets, seed: int) -> BookTargets:
    """The same with outcomes exchanged among the names of each date: a control in which no rule may gain gross."""
    outcome, rng = sought.walk.outcome.copy(), np.random.default_rng([seed, 35])
    for row in outcome:
        at = np.flatnonzero(np.isfinite(row))
        row[at] = row[rng.permutation(at)]
    return replace(sought, walk=replace(sought.walk, outcome=outcome))


def belief_of(
    config: PortfolioConfig, sought: BookTargets, believed: str | float
) -> CostBelief | None:
    """A belief by its name; a number is that many times the first true level, a third that of the last."""
    if believed == "true":
        return None
    if believed == "learned":
        return CostBelief(
            config.cost.prior * float(sought.level[0]), learns=True, half_life=config.cost.half_life
        )
    return CostBelief(float(believed) * float(sought.level[-1 if believed == THIRD else 0]))


def judged(config: PortfolioConfig, sought: BookTargets) -> Indices:
    """Dates that figures are of: those asked for, by default from the first year whose parameters were chosen.

    Raises
    ------
    DataError
        Fewer than two.
    """
    walk = sought.walk
    day = walk.time_ns.astype("datetime64[ns]").astype("datetime64[D]")
    ready = np.flatnonzero(
        (picks_of(walk) == np.arange(len(day))) & (labels_ended(walk) >= LEAST_PAST)
    )
    since = np.datetime64(config.rules.first or (day[ready[0]] if len(ready) else "NaT"), "D")
    at = np.flatnonzero((day >= since) & (day <= np.datetime64(config.rules.last)))
    if len(at) < 2:
        raise DataError(
            f"two dates to judge, after a year that begins with {LEAST_PAST} dates of past results",
            f"{len(day)} dates, {day[0]} to {day[-1]}",
            "take a longer walk, or set rules.first and rules.last",
        )
    return at


def _figures(name: str, one: Traded, at: Indices, periods: float) -> dict[str, Any]:
    book = one.book
    growth = np.cumprod(1.0 + book.net[at])
    fallen = 1.0 - growth / np.maximum(np.maximum.accumulate(growth), 1.0)
    year = book.walk.time_ns[at].astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
    by_year = {str(y): float(one.chosen[at][year == y][0]) for y in np.unique(year)}
    return {
        "says": RULES[name].says,
        "turnover": float(book.turnover[at].mean()),
        "gross": float(book.gross[at].mean()),
        "cost": float(book.cost[at].mean()),
        "net_a_year": float(growth[-1] ** (periods / len(at)) - 1.0),
        "sd_a_year": float(book.net[at].std(ddof=1) * periods**0.5),
        "drawdown": float(fallen.max()),
        "held": float(np.abs(book.weights[at]).sum(axis=1).mean()),
        "left_while_held": one.left,
        "chosen": by_year if len(RULES[name].parameters) > 1 else None,
    }


def _difference(one: Replicates, other: Replicates) -> dict[str, Any]:
    """A difference of Sharpe ratios with its interval and t, drawn over blocks of dates; None where it is of itself."""
    gain = one - other
    t = (
        gain.point / gain.error if gain.error > 1e-9 else None
    )  # less is rounding: the same book twice
    return {**gain.estimate().to_json(), "t": t, "error": gain.error}


def _beliefs(
    ran: Mapping[str, Mapping[str, Traded]],
    at: Indices,
    sought: BookTargets,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Net Sharpe ratio of each rule that chooses, by what is believed of costs, and what learning them gains."""
    flat = {
        f"{belief} {name}": one.book.net[at]
        for belief, rules in ran.items()
        for name, one in rules.items()
    }
    drawn = books.sharpes(flat, sought.periods, rng) if flat else {}
    return {
        name: {
            **{belief: drawn[f"{belief} {name}"].point for belief in ran},
            **{
                f"learned_against_{other}": _difference(
                    drawn[f"learned {name}"], drawn[f"{other} {name}"]
                )
                for other in ("true", "third")
            },
        }
        for name in ran["learned"]
    }


def _learned(one: Traded, sought: BookTargets, changes: str) -> dict[str, Any]:
    """What a rule learned of costs, and after how many dates it was back where they changed."""
    summary = {
        "at_last": float(one.believed[-1]),
        "true_at_last": float(sought.level[-1]),
        "near": NEAR,
        "back_after": None,
    }
    if changes:
        since = int(
            np.searchsorted(sought.walk.time_ns, np.datetime64(changes, "ns").astype(np.int64))
        )
        summary["back_after"] = back_after(one.believed[since:], sought.level[since:])
    return summary


def back_after(believed: Floats, true: Floats, within: float = NEAR) -> int | None:
    """Dates until a belief is near the truth and stays for :data:`STAYS` dates; None where it never does.

    >>> back_after(np.array([1.0, 2.0, 2.8, 2.9, 3.0, 3.1]), np.full(6, 3.0))
    2
    """
    near = np.abs(believed / np.where(true > 0, true, 1.0) - 1.0) <= within
    runs = np.convolve(near, np.ones(STAYS), "valid") == STAYS
    return int(runs.argmax()) if runs.any() else None


def _curve(by_rule: Mapping[str, Traded], at: Indices, sought: BookTargets) -> list[dict[str, Any]]:
    """A row a date: what each rule earned net, its equity, its parameter, the cost believed and the true one."""
    equity = {name: np.cumprod(1.0 + one.book.net[at]) for name, one in by_rule.items()}
    return [
        {
            "at": when(sought.walk.time_ns[t]),
            "cost_true": float(sought.level[t]),
            "rules": {
                name: {
                    "net": float(one.book.net[t]),
                    "equity": float(equity[name][k]),
                    "chosen": float(one.chosen[t]),
                    "turnover": float(one.book.turnover[t]),
                    "cost_believed": float(one.believed[t]),
                }
                for name, one in by_rule.items()
            },
        }
        for k, t in enumerate(at.tolist())
    ]


def best_of(rules: Mapping[str, Mapping[str, Any]]) -> str:
    """The rule with the highest Sharpe ratio after costs, of those that choose by past results where there are any."""
    able = {name: row for name, row in rules.items() if row["chosen"]} or rules
    return max(able, key=lambda name: able[name]["sharpe_net"])


def spelt_gain(cell: Mapping[str, Any]) -> str:
    """A difference of Sharpe ratios in words.

    >>> spelt_gain({"mean": 0.5, "ci_low": 0.1, "ci_high": 0.9, "t": 2.5})
    '+0.50 [+0.10, +0.90], t 2.5'
    """
    return spelt_cell(cell, "+") + ("" if cell["t"] is None else f", t {fixed(cell['t'], 1)}")


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What a desk would say of a portfolio, in at most five sentences."""
    rules, name = found["rules"], best_of(found["rules"])
    best, plain = rules[name], rules[ALL_AT_ONCE]
    span, before = (
        f"{found['dates']} dates, {found['first'][:10]} to {found['last'][:10]}",
        found["not_judged"],
    )
    if before["dates"]:
        span += f"; the {before['dates']} before, from {before['first'][:10]} on, are not judged ({before['why']})"
    said = f"After {found['cost']}, {name} has a Sharpe ratio of {best['sharpe_net']:.2f}"
    if name != ALL_AT_ONCE:
        said += f", trading all at once {plain['sharpe_net']:.2f}: {spelt_gain(best['against_all_at_once'])}"
    gross = [
        best["sharpe_gross"],
        plain["sharpe_gross"],
    ]  # a book that hardly ever held anything has none
    before = f"; before costs its Sharpe ratio is {gross[0]:.2f} for {gross[1]:.2f}" * bool(
        np.isfinite(gross).all()
    )
    lines = [
        f"{'Control, outcomes exchanged among names: ' * found['shuffled']}{said}; {span}.",
        f"It turns over {best['turnover']:.2f} half-turns a date for {plain['turnover']:.2f}{before}.",
    ]
    if name in found["beliefs"]:
        belief, cost = found["beliefs"][name], found["cost_learned"]
        back = f", back within {cost['near']:.0%} {cost['back_after']} dates after the change" * (
            cost["back_after"] is not None
        )
        lines.append(
            f"A cost learned from fills ends at {cost['at_last']:.3g}, true {cost['true_at_last']:.3g}{back}; it is "
            f"worth {belief['learned_against_true']['mean']:+.2f} beside the true one, "
            f"{belief['learned_against_third']['mean']:+.2f} beside a third of it."
        )
    left = sum(row["left_while_held"] for row in (best,))
    lines += [
        f"{left} positions were closed at their last close as their names had no forecast any more."
    ] * bool(left)
    return lines + [f"Bias: {found['note']}."] * bool(found["note"])


def table_of(
    rules: Mapping[str, Mapping[str, Any]],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of rules, for a terminal and a page."""
    heads = (
        "rule",
        "Sharpe net",
        "gross",
        "half-turns",
        "against all at once, 95 %",
        "t",
        "drawdown, %",
        "last choice",
    )
    rows: list[tuple[str, ...]] = []
    for name, row in rules.items():
        gain, chosen = row["against_all_at_once"], list((row["chosen"] or {"": None}).values())[-1]
        rows.append(
            (
                name,
                fixed(row["sharpe_net"]),
                fixed(row["sharpe_gross"]),
                fixed(row["turnover"]),
                "" if name == ALL_AT_ONCE else spelt_cell(gain, "+"),
                "" if gain["t"] is None else fixed(gain["t"], 1),
                fixed(100 * row["drawdown"], 1),
                "" if chosen is None else f"{chosen:g}",
            )
        )
    return heads, rows


# -- portfolio page -------------------------------------------------------------------------------
# Page of a portfolio: which rule earned most after costs, what it chose by year, what was believed of costs.

COLOURS: Final = (9, 1, 2, 3, 4)


def portfolio_page(found: Mapping[str, Any]) -> str:
    """HTML page of what :func:`tercel.signals.portfolio.comparison.backtested` found."""
    rules, name = found["rules"], best_of(found["rules"])
    first, *rest = found["sentences"]
    able = {rule: row["chosen"] for rule, row in rules.items() if row["chosen"]}
    sections = [
        Section(
            "Equity after costs", rest[:1], plain_table(*table_of(rules)), [portfolio_equity(found)]
        ),
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
            _belief_table(found["beliefs"]),
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
    years = sorted({year for parameters in able.values() for year in parameters})
    return plain_table(
        ("rule", *years),
        [(rule, *(f"{parameters[y]:g}" for y in years)) for rule, parameters in able.items()],
    )


def _belief_table(beliefs: Mapping[str, Any]) -> str:
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


def portfolio_equity(found: Mapping[str, Any]) -> Figure:
    """Equity of each rule after costs."""
    lines = {rule: _line(found, rule, "equity") for rule in found["rules"]}
    with sketch(4.2, PAGE) as drawing:
        panel = drawing.subplots()
        panel.axhline(1.0, color=svg.SOFT.token, linewidth=0.9)
        for (rule, line), colour in zip(lines.items(), COLOURS, strict=False):
            panel.plot(
                _times(found), line, color=svg.SERIES[colour].token, linewidth=1.6, label=rule
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
            colour = svg.SERIES[COLOURS[list(found["rules"]).index(rule)]].token
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
    belief, true = (
        _line(found, rule, "cost_believed"),
        np.array([row["cost_true"] for row in found["curve"]]),
    )
    with sketch(2.8, PAGE) as drawing:
        panel = drawing.subplots()
        panel.plot(_times(found), true, color=svg.INK.token, linewidth=1.4, label="true")
        panel.plot(
            _times(found),
            belief,
            color=svg.SERIES[1].token,
            linewidth=1.4,
            label=f"believed by {rule}",
        )
        panel.set(ylabel="level of cost", ylim=(0, None))
        panel.legend(loc="lower right", ncols=2)
        panel.margins(x=0.01)
    return finished(
        drawing,
        "believed",
        f"Cost believed from {belief.min():.3g} to {belief.max():.3g}, true from {true.min():.3g} to {true.max():.3g}.",
        "Bps of a half-turn, or Y of the square-root law.",
    )
