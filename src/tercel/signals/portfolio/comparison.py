"""Rules of trading compared: one portfolio through the dates of its forecasts by each rule, after costs that are believed
or learned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Indices
from tercel.core.errors import DataError
from tercel.core.estimate import Estimate
from tercel.core.report import svg
from tercel.core.report.svg import PAGE, Figure, Section, finished, render, sketch
from tercel.core.report.tables import fixed, plain_table, spelt
from tercel.core.stats.bootstrap import Replicates
from tercel.signals.models.predict import when
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.backtest_page import dates_of, equity_axis
from tercel.signals.portfolio.config import ALL_AT_ONCE, PortfolioConfig, opened, read_config
from tercel.signals.portfolio.rebalance import (
    CONTROLS,
    LEAST_PAST,
    NOISE,
    RULES,
    BookTargets,
    CostBelief,
    Rule,
    Traded,
    labels_ended,
    on_paper,
    picks_of,
    trade,
)

NEAR: Final = 0.2
"""Distance from the true cost, as a share of it, within which a belief has recovered."""
STAYS: Final = 4
"""Dates in a row on which it has to be."""
WHY: Final = {
    True: "rules.first",
    False: "the past by which parameters are first chosen; rules.first names a day",
}
"""Why dates are not judged, by whether the file says which are."""
LEAST_BOOK: Final = 0.01
"""Of equity: a date on which no rule holds or trades so much has no book."""
THIRD: Final = 1 / 3
"""Of the true cost of the last date: a belief to be compared with."""


@dataclass(frozen=True)
class PortfolioGain(Estimate):
    """A difference of Sharpe ratios with its interval, t and standard error, drawn over blocks of dates.

    Parameters
    ----------
    t : float or None
        None for the difference of a book from itself.
    error : float

    >>> str(PortfolioGain(0.5, 0.1, 0.9, 2.5, 0.2))
    '+0.50 [+0.10, +0.90], t 2.5'
    """

    t: float | None
    error: float

    def __str__(self) -> str:
        """The difference with its interval and t."""
        return spelt(self, "+") + ("" if self.t is None else f", t {fixed(self.t, 1)}")


def gain_of(one: Replicates, other: Replicates) -> PortfolioGain:
    """The difference of two Sharpe ratios that were drawn together."""
    gain = one - other
    found = gain.estimate()
    # an error below is rounding: the same book twice
    t = gain.point / gain.error if gain.error > 1e-9 else None
    return PortfolioGain(found.mean, found.ci_low, found.ci_high, t, gain.error)


@dataclass(frozen=True, eq=False)
class RuleResult:
    """A rule over the dates that are judged.

    Parameters
    ----------
    rule : Rule
    traded : Traded
        Over all dates.
    at : int (D,)
        Those that are judged.
    periods : float
        Dates a year.
    net, gross : Replicates
        Annualised Sharpe ratios.
    gain : Gain
        Net Sharpe ratio less that of trading all at once.
    against_rate : Gain, optional
        Of a control, less that of the rule `rate`.
    """

    rule: Rule
    traded: Traded
    at: Indices
    periods: float
    net: Replicates
    gross: Replicates
    gain: PortfolioGain
    against_rate: PortfolioGain | None = None

    @property
    def equity(self) -> Floats:
        """Equity after each date, from 1 before the first."""
        return np.asarray(np.cumprod(1.0 + self.traded.book.net[self.at]))

    @property
    def drawdown(self) -> float:
        """Largest loss from the highest equity before, a fraction of it."""
        highest = np.maximum(np.maximum.accumulate(self.equity), 1.0)
        return float((1.0 - self.equity / highest).max())

    @property
    def turnover(self) -> float:
        """One-way turnover per date, on average."""
        return float(self.traded.book.turnover[self.at].mean())

    @property
    def chosen(self) -> dict[str, float]:
        """The parameter of each calendar year; empty for a rule without a choice."""
        if len(self.rule.parameters) == 1:
            return {}
        times = self.traded.book.walk.time_ns[self.at].astype("datetime64[ns]")
        year = times.astype("datetime64[Y]").astype(int) + 1970
        chosen = self.traded.chosen[self.at]
        return {str(one): float(chosen[year == one][0]) for one in np.unique(year)}

    def to_json(self) -> dict[str, Any]:
        """All figures by name."""
        book, at = self.traded.book, self.at
        found = {
            "says": self.rule.says,
            "turnover": self.turnover,
            "gross": float(book.gross[at].mean()),
            "cost": float(book.cost[at].mean()),
            "net_a_year": float(self.equity[-1] ** (self.periods / len(at)) - 1.0),
            "sd_a_year": float(book.net[at].std(ddof=1) * self.periods**0.5),
            "drawdown": self.drawdown,
            "held": float(np.abs(book.weights[at]).sum(axis=1).mean()),
            "left_while_held": self.traded.left,
            "chosen": self.chosen or None,
            "sharpe_net": self.net.point,
            "sharpe_net_interval": self.net.estimate().to_json(),
            "sharpe_gross": self.gross.point,
            "sharpe_gross_interval": self.gross.estimate().to_json(),
            "against_all_at_once": self.gain.to_json(),
        }
        against = {"against_rate": self.against_rate and self.against_rate.to_json()}
        return found | (against if self.against_rate else {})


@dataclass(frozen=True)
class BeliefGains:
    """Net Sharpe ratios of a rule by its belief on costs, and gains of learned costs over known costs and over a belief
    of a third of them.
    """

    learned: float
    true: float
    third: float
    learned_against_true: PortfolioGain
    learned_against_third: PortfolioGain


@dataclass(frozen=True)
class CostLearned:
    """Cost that a rule believed at last, the true one, and after how many dates the belief was within `near` of the truth
    where it changed.
    """

    at_last: float
    true_at_last: float
    near: float = NEAR
    back_after: int | None = None


@dataclass(frozen=True, eq=False)
class PortfolioComparison:
    """A portfolio traded by several rules over the same dates.

    Parameters
    ----------
    config : PortfolioConfig
    file : Path
        Of the configuration.
    model : str, optional
        Id of the trained model whose forecasts they are.
    note : str
        Caveats of every number.
    sought : BookTargets
    at : int (D,)
        Dates that are judged: the first, and those on which a rule holds or trades a book.
    idle : int
        Dates since the first on which none does.
    rules : mapping of str to RuleResult
    beliefs : mapping of str to BeliefGains
        Of rules that choose a parameter.
    learned : CostLearned
    seed : int
    shuffled : bool
        Outcomes were exchanged among the names of a date: a control.
    """

    config: PortfolioConfig
    file: Path
    model: str | None
    note: str
    sought: BookTargets
    at: Indices
    idle: int
    rules: Mapping[str, RuleResult]
    beliefs: Mapping[str, BeliefGains]
    learned: CostLearned
    seed: int
    shuffled: bool

    @property
    def cost(self) -> str:
        """Sentence on the cost of trading."""
        cost = self.config.cost
        changed = f", {cost.times:g} times as much from {cost.changes} on" * bool(cost.changes)
        return f"{cost.charge}{changed}"

    @property
    def best(self) -> str:
        """The rule with the highest Sharpe ratio after costs, among those that choose by past results if there are
        any."""
        able = {name: one for name, one in self.rules.items() if one.chosen} or self.rules
        return max(able, key=lambda name: able[name].net.point)

    @property
    def span(self) -> tuple[str, str, str]:
        """The first date of all, the first that is judged, and the end of the last label."""
        walk = self.sought.walk
        times = (walk.start_ns[0], walk.start_ns[self.at[0]], walk.end_ns[self.at[-1]])
        return when(times[0]), when(times[1]), when(times[2])

    def to_json(self) -> dict[str, Any]:
        """All figures by name, with the curve and the sentences."""
        begin, first, last = self.span
        return {
            "name": self.config.name,
            "file": self.file,
            "model": self.model,
            "dates": len(self.at) + self.idle,
            "invested": len(self.at),
            "names": len(self.sought.walk.names),
            "first": first,
            "last": last,
            "not_judged": {
                "dates": int(self.at[0]),
                "first": begin,
                "why": WHY[bool(self.config.rules.first)],
            },
            "dates_a_year": self.sought.periods,
            "book": self.config.book.kind,
            "hold": self.config.book.hold,
            "cost": self.cost,
            "believed": self.config.cost.believed,
            "definition": books.DEFINITION,
            "rules": {name: one.to_json() for name, one in self.rules.items()},
            "beliefs": {name: asdict(one) for name, one in self.beliefs.items()},
            "cost_learned": asdict(self.learned),
            "curve": self.curve(),
            "note": self.note,
            "seed": self.seed,
            "shuffled": self.shuffled,
            "sentences": self.sentences(),
        }

    def curve(self) -> list[dict[str, Any]]:
        """One row per date: what each rule earned net, its equity, its parameter, the cost believed and the true one."""
        return [
            {
                "at": when(self.sought.walk.time_ns[t]),
                "cost_true": float(self.sought.level[t]),
                "rules": {
                    name: {
                        "net": float(one.traded.book.net[t]),
                        "equity": float(one.equity[k]),
                        "chosen": float(one.traded.chosen[t]),
                        "turnover": float(one.traded.book.turnover[t]),
                        "cost_believed": float(one.traded.believed[t]),
                    }
                    for name, one in self.rules.items()
                },
            }
            for k, t in enumerate(self.at.tolist())
        ]

    def sentences(self) -> list[str]:
        """Summary of at most five sentences."""
        best, plain = self.rules[self.best], self.rules[ALL_AT_ONCE]
        begin, first, last = (day[:10] for day in self.span)
        of = f"invested on {len(self.at)} of {len(self.at) + self.idle}"
        span = f"{of if self.idle else len(self.at)} dates, {first} to {last}"
        if before := int(self.at[0]):
            why = WHY[bool(self.config.rules.first)]
            span += f"; the {before} before, from {begin} on, are not judged ({why})"
        said = f"After costs ({self.cost}), {self.best} has a Sharpe ratio of {best.net.point:.2f}"
        if self.best != ALL_AT_ONCE:
            said += f", trading all at once {plain.net.point:.2f}: {best.gain}"
        gross = (
            best.gross.point,
            plain.gross.point,
        )  # a book that hardly ever held anything has none
        free = f"; before costs its Sharpe ratio is {gross[0]:.2f} for {gross[1]:.2f}" * bool(
            np.isfinite(gross).all()
        )
        lines = [
            f"{'Control, outcomes exchanged among names: ' * self.shuffled}{said}; {span}.",
            f"One-way turnover is {best.turnover:.2f} per date for {plain.turnover:.2f}{free}.",
        ]
        if (belief := self.beliefs.get(self.best)) is not None:
            cost = self.learned
            back = f", back within {cost.near:.0%} {cost.back_after} dates after the change" * (
                cost.back_after is not None
            )
            lines.append(
                f"A cost learned from fills ends at {cost.at_last:.3g}, true {cost.true_at_last:.3g}{back}; it is "
                f"worth {belief.learned_against_true.mean:+.2f} beside the true one, "
                f"{belief.learned_against_third.mean:+.2f} beside a third of it."
            )
        left = best.traded.left
        lines += [
            f"{left} positions were closed at their last close as their names had no forecast any more."
        ] * bool(left)
        return lines + [f"Bias: {self.note}."] * bool(self.note)


def backtested(file: Path, seed: int = 1, *, shuffled: bool = False) -> PortfolioComparison:
    """Trade the portfolio of a configuration by each of its rules; `shuffled`, with outcomes exchanged among the names of
    a date, so that no forecast says anything.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.config`; and where no date is left to judge.
    """
    config = read_config(file)
    found = opened(config, file.resolve().parent, seed)
    sought = shuffle(found.sought, seed) if shuffled else found.sought
    periods = sought.periods
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
    requested = judged(config, sought)
    books_of = [one.book for ran in by_belief.values() for one in ran.values()]
    moved = [np.abs(one.weights).sum(axis=1) + one.turnover > LEAST_BOOK for one in books_of]
    # the first date says where judging begins
    at = requested[np.any(moved, axis=0)[requested] | (requested == requested[0])]
    asked = config.cost.believed
    by_rule = by_belief[asked] if isinstance(asked, str) else run(asked)
    rng = np.random.default_rng([seed, 34])
    net, gross = (
        books.sharpes(
            {name: getattr(one.book, key)[at] for name, one in by_rule.items()}, periods, rng
        )
        for key in ("net", "gross")
    )
    rules = {
        name: RuleResult(
            RULES[name],
            one,
            at,
            periods,
            net[name],
            gross[name],
            gain_of(net[name], net[ALL_AT_ONCE]),
            gain_of(net[name], net["rate"]) if name in CONTROLS and "rate" in net else None,
        )
        for name, one in by_rule.items()
    }
    flat = {
        f"{belief} {name}": ran[name].book.net[at]
        for belief, ran in by_belief.items()
        for name in paper
    }
    drawn = books.sharpes(flat, periods, rng) if flat else {}
    beliefs = {
        name: BeliefGains(
            drawn[f"learned {name}"].point,
            drawn[f"true {name}"].point,
            drawn[f"third {name}"].point,
            gain_of(drawn[f"learned {name}"], drawn[f"true {name}"]),
            gain_of(drawn[f"learned {name}"], drawn[f"third {name}"]),
        )
        for name in paper
    }
    believed = by_belief["learned"][next(iter(paper), ALL_AT_ONCE)].believed
    learned = CostLearned(float(believed[-1]), float(sought.level[-1]))
    if config.cost.changes:
        day = np.datetime64(config.cost.changes, "ns").astype(np.int64)
        since = int(np.searchsorted(sought.walk.time_ns, day))
        learned = replace(learned, back_after=back_after(believed[since:], sought.level[since:]))
    model = None if found.model is None else found.model.id
    return PortfolioComparison(
        config,
        file,
        model,
        found.note,
        sought,
        at,
        len(requested) - len(at),
        rules,
        beliefs,
        learned,
        seed,
        shuffled,
    )


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
    """Dates of the figures: the requested ones, by default from the first year whose parameters were chosen.

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
            "take a longer walk-forward, or set rules.first and rules.last",
        )
    return at


def back_after(believed: Floats, true: Floats, within: float = NEAR) -> int | None:
    """Dates until a belief is near the truth and stays for :data:`STAYS` dates; None where it never does.

    >>> back_after(np.array([1.0, 2.0, 2.8, 2.9, 3.0, 3.1]), np.full(6, 3.0))
    2
    """
    near = np.abs(believed / np.where(true > 0, true, 1.0) - 1.0) <= within
    runs = np.convolve(near, np.ones(STAYS), "valid") == STAYS
    return int(runs.argmax()) if runs.any() else None


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
            fixed(one.net.point),
            fixed(one.gross.point),
            fixed(one.turnover),
            "" if name == ALL_AT_ONCE else spelt(one.gain, "+"),
            "" if one.gain.t is None else fixed(one.gain.t, 1),
            fixed(100 * one.drawdown, 1),
            "".join([f"{value:g}" for value in one.chosen.values()][-1:]),
        )
        for name, one in rules.items()
    ]


# -- portfolio page -------------------------------------------------------------------------------
# Page of a portfolio: which rule earned most after costs, what it chose by year, what was believed of costs.

COLOURS: Final = (9, 1, 2, 3, 4)


def portfolio_page(found: PortfolioComparison) -> str:
    """HTML page of a comparison of rules."""
    rules, best = found.rules, found.rules[found.best]
    first, *rest = found.sentences()
    able = {name: one.chosen for name, one in rules.items() if one.chosen}
    years = sorted({year for chosen in able.values() for year in chosen})
    by_year = [(name, *(f"{chosen[year]:g}" for year in years)) for name, chosen in able.items()]
    beliefs = [
        (
            name,
            *(fixed(value) for value in (one.true, one.learned, one.third)),
            str(one.learned_against_true),
            str(one.learned_against_third),
        )
        for name, one in found.beliefs.items()
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
            "Equity after costs", rest[:1], plain_table(*table_of(rules)), [portfolio_equity(found)]
        ),
        Section(
            "What each year chose",
            "Of what a book of each value would have earned after costs, up to the year's "
            "first date.",
            plain_table(("rule", *years), by_year),
            [chosen(found, list(able))] if able else [],
        ),
        Section(
            "Belief on costs",
            rest[1:2],
            plain_table(heads, beliefs),
            [believed(found, found.best)],
        ),
        Section(
            "How it is measured",
            [
                f"Cost: {found.cost}; {books.DEFINITION}. Each rule pays the true cost.",
                "Sharpe ratios are annualised by the spacing of dates, "
                f"{found.sought.periods:.1f} a year; intervals are 95 %, drawn over blocks of four dates, and t is a "
                "difference over its standard error by the same draws.",
                f"A fill says what its trade cost with noise of {NOISE:.2f} deviations of the name's day. A name without a "
                "forecast is closed at its last close.",
                *rest[2:],
            ],
        ),
    ]
    facts = {
        "rule": found.best,
        "Sharpe, net": fixed(best.net.point),
        "all at once": fixed(rules[ALL_AT_ONCE].net.point),
        "difference": str(best.gain),
        "book": found.config.book.kind,
        "cost": found.cost,
    }
    return render(
        f"{found.config.name}: {found.best}",
        first,
        sections,
        facts,
        "printed by: tercel portfolio backtest",
    )


def portfolio_equity(found: PortfolioComparison) -> Figure:
    """Equity of each rule after costs."""
    at = dates_of(found.sought.walk.time_ns[found.at])
    with sketch(4.2, PAGE) as drawing:
        panel = drawing.subplots()
        panel.axhline(1.0, color=svg.SOFT.token, linewidth=0.9)
        for (name, one), colour in zip(found.rules.items(), COLOURS, strict=False):
            panel.plot(at, one.equity, color=svg.SERIES[colour].token, linewidth=1.6, label=name)
        equity_axis(panel, *(one.equity for one in found.rules.values()))
        panel.legend(loc="upper left", ncols=2)
        panel.margins(x=0.01)
    ends = ", ".join(f"{name} {one.equity[-1]:.2f}" for name, one in found.rules.items())
    return finished(
        drawing, "equity", f"Equity after costs from 1: {ends}.", "Profits stay in the book."
    )


def chosen(found: PortfolioComparison, able: list[str]) -> Figure:
    """The parameter of each rule that chooses, by year."""
    at = dates_of(found.sought.walk.time_ns[found.at])
    with sketch(2.8, PAGE) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(able)))
        for panel, name in zip(panels, able, strict=True):
            one, colour = found.rules[name], COLOURS[list(found.rules).index(name)]
            panel.step(
                at,
                one.traded.chosen[found.at],
                where="post",
                color=svg.SERIES[colour].token,
                linewidth=1.8,
            )
            panel.set(title=f"{name}: {one.rule.says}", ylim=(0, None))
            panel.margins(x=0.01)
    said = "; ".join(
        f"{name} {', '.join(f'{v:g}' for v in found.rules[name].chosen.values())}" for name in able
    )
    return finished(
        drawing,
        "chosen",
        f"Parameters by year: {said}.",
        "A rate is a share, a width counts average scores.",
    )


def believed(found: PortfolioComparison, name: str) -> Figure:
    """The level of cost that a rule believed, and the true one."""
    at = dates_of(found.sought.walk.time_ns[found.at])
    belief, true = found.rules[name].traded.believed[found.at], found.sought.level[found.at]
    with sketch(2.8, PAGE) as drawing:
        panel, blue = drawing.subplots(), svg.SERIES[1].token
        panel.plot(at, true, color=svg.INK.token, linewidth=1.4, label="true")
        panel.plot(at, belief, color=blue, linewidth=1.4, label=f"believed by {name}")
        panel.set(ylabel="level of cost", ylim=(0, None))
        panel.legend(loc="lower right", ncols=2)
        panel.margins(x=0.01)
    return finished(
        drawing,
        "believed",
        f"Cost believed from {belief.min():.3g} to {belief.max():.3g}, true from {true.min():.3g} to {true.max():.3g}.",
        "One-way bps, or Y of the square-root law.",
    )
