"""Comparison of trading rules, computed: one portfolio traded by each rule; `comparison_result` holds its records."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tercel.core.arrays import Indices
from tercel.core.errors import DataError
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.comparison_result import (
    LEAST_BOOK,
    THIRD,
    BeliefGains,
    CostLearned,
    PortfolioComparison,
    RuleResult,
    back_after,
    gain_of,
)
from tercel.signals.portfolio.config import (
    ALL_AT_ONCE,
    PortfolioConfig,
    open_portfolio,
    read_config,
)
from tercel.signals.portfolio.rebalance import (
    CONTROLS,
    LEAST_PAST,
    RULES,
    BookTargets,
    CostBelief,
    Traded,
    labels_ended,
    on_paper,
    pick_dates,
    trade,
)


def compare_rules(
    file: Path,
    seed: int = 1,
    *,
    shuffled: bool = False,
    config: PortfolioConfig | None = None,
    table: pl.DataFrame | None = None,
) -> PortfolioComparison:
    """Trade the portfolio of a configuration by each of its rules; `shuffled`, with outcomes exchanged among the names of
    a date, so that no forecast says anything. `config` takes the place of the file's, `table` of its file of forecasts.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.config`; and where no date is left to judge.
    """
    config = config or read_config(file)
    inputs = open_portfolio(config, file.resolve().parent, seed, table=table)
    targets = shuffle(inputs.targets, seed) if shuffled else inputs.targets
    periods = targets.periods
    selected_rules = [RULES[name] for name in config.rules.names]
    paper = {
        rule.name: on_paper(targets, rule) for rule in selected_rules if len(rule.parameters) > 1
    }

    def run(believed: str | float) -> dict[str, Traded]:
        """Trade the targets by every rule under one belief about costs; results by the rule's name."""
        beliefs = {name: belief_of(config, targets, believed) for name in config.rules.names}
        return {
            rule.name: trade(
                targets, rule, beliefs[rule.name], seed=seed, paper=paper.get(rule.name)
            )
            for rule in selected_rules
        }

    by_belief = {"learned": run("learned"), "true": run("true"), "third": run(THIRD)}
    requested = dates_to_judge(config, targets)
    traded_books = [traded.book for results in by_belief.values() for traded in results.values()]
    has_book = [
        np.abs(book.weights).sum(axis=1) + book.turnover > LEAST_BOOK for book in traded_books
    ]
    # the first date says where judging begins
    dates = requested[np.any(has_book, axis=0)[requested] | (requested == requested[0])]
    belief_name = config.cost.believed
    by_rule = by_belief[belief_name] if isinstance(belief_name, str) else run(belief_name)
    rng = np.random.default_rng([seed, 34])
    net, gross = (
        books.sharpes(
            {name: getattr(traded.book, key)[dates] for name, traded in by_rule.items()},
            periods,
            rng,
        )
        for key in ("net", "gross")
    )
    rules = {
        name: RuleResult(
            RULES[name],
            traded,
            dates,
            periods,
            net[name],
            gross[name],
            gain_of(net[name], net[ALL_AT_ONCE]),
            gain_of(net[name], net["rate"]) if name in CONTROLS and "rate" in net else None,
        )
        for name, traded in by_rule.items()
    }
    flat = {
        f"{belief} {name}": results[name].book.net[dates]
        for belief, results in by_belief.items()
        for name in paper
    }
    draws = books.sharpes(flat, periods, rng) if flat else {}
    beliefs = {
        name: BeliefGains(
            draws[f"learned {name}"].point,
            draws[f"true {name}"].point,
            draws[f"third {name}"].point,
            gain_of(draws[f"learned {name}"], draws[f"true {name}"]),
            gain_of(draws[f"learned {name}"], draws[f"third {name}"]),
        )
        for name in paper
    }
    believed = by_belief["learned"][next(iter(paper), ALL_AT_ONCE)].believed
    learned = CostLearned(float(believed[-1]), float(targets.level[-1]))
    if config.cost.changes:
        day = np.datetime64(config.cost.changes, "ns").astype(np.int64)
        since = int(np.searchsorted(targets.walk.time_ns, day))
        learned = replace(learned, back_after=back_after(believed[since:], targets.level[since:]))
    model = None if inputs.model is None else inputs.model.id
    return PortfolioComparison(
        config,
        file,
        model,
        inputs.note,
        targets,
        dates,
        len(requested) - len(dates),
        rules,
        beliefs,
        learned,
        seed,
        shuffled,
    )


def shuffle(targets: BookTargets, seed: int) -> BookTargets:
    """Targets whose outcomes are permuted among the names of each date: a control in which no rule may gain gross."""
    outcome = targets.walk.outcome.copy()
    rng = np.random.default_rng([seed, 35])
    for row in outcome:
        finite = np.flatnonzero(np.isfinite(row))
        row[finite] = row[rng.permutation(finite)]
    return replace(targets, walk=replace(targets.walk, outcome=outcome))


def belief_of(
    config: PortfolioConfig, targets: BookTargets, believed: str | float
) -> CostBelief | None:
    """A belief on cost by its name, None for "true"; a number is that many times the first true level, `THIRD` of the last."""
    if believed == "true":
        return None
    if believed == "learned":
        return CostBelief(
            config.cost.prior * float(targets.level[0]),
            learns=True,
            half_life=config.cost.half_life,
        )
    return CostBelief(float(believed) * float(targets.level[-1 if believed == THIRD else 0]))


def dates_to_judge(config: PortfolioConfig, targets: BookTargets) -> Indices:
    """Indices of the dates that figures are of: the requested ones, by default from the first year with a chosen parameter.

    Raises
    ------
    DataError
        Fewer than two.
    """
    walk = targets.walk
    day = walk.time_ns.astype("datetime64[ns]").astype("datetime64[D]")
    ready = np.flatnonzero(
        (pick_dates(walk) == np.arange(len(day))) & (labels_ended(walk) >= LEAST_PAST)
    )
    since = np.datetime64(config.rules.first or (day[ready[0]] if len(ready) else "NaT"), "D")
    dates = np.flatnonzero((day >= since) & (day <= np.datetime64(config.rules.last)))
    if len(dates) < 2:
        raise DataError(
            f"two dates to judge, after a year that begins with {LEAST_PAST} dates of past results",
            f"{len(day)} dates, {day[0]} to {day[-1]}",
            "take a longer walk-forward, or set rules.first and rules.last",
        )
    return dates
