"""HTML page of an evaluation: verdicts, tables and figures in one self-contained file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.files import write_atomic
from tercel.core.progress import say
from tercel.core.report import figures, gain_figures
from tercel.core.report.formatting import format_interval, format_money, format_number
from tercel.core.report.interval_text import COMPARISON_TEXTS, verdict_sentence
from tercel.core.report.judged_table import JudgedTable
from tercel.core.report.page import Section, render_page
from tercel.core.report.tables import plain_table
from tercel.core.stats import Estimate
from tercel.execution.costs import BPS, Costs
from tercel.execution.routing import ROUTED
from tercel.lab.evaluation.assumptions import condition_text
from tercel.lab.evaluation.claims import BEST, verdict_of
from tercel.lab.evaluation.comparisons import ScenarioCell
from tercel.lab.evaluation.cost_sections import (
    composition,
    meanings_table,
    order_facts,
    remaining_shares,
    timing,
)
from tercel.lab.evaluation.example import draw_book_example
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.pipeline import analysis_tables
from tercel.lab.evaluation.pipeline.claim_text import gains_figure
from tercel.lab.evaluation.pipeline.cost_store import CostStore
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.pipeline.sentences import (
    MOST_VERDICTS,
    QUICK,
    caveat_notes,
    claim_lines,
    closing_lines,
    correction_sentence,
    verdict_conditions,
    verdict_gains,
    verdict_lines,
)
from tercel.lab.evaluation.training_files import (
    METRICS_FILE as METRICS,
    VALIDATION_FILE,
    read_partial_metrics,
)

MIN_CURVE_POINTS = 2
"""Points of a learning curve: fewer are no curve."""
MONEY = "in the currency of the prices"
"""Unit of money: a market does not name its currency."""
MAX_DISTRIBUTIONS = 14
"""Rows of the distribution figure."""


def write_page(path: Path, store: CostStore, result: EvaluationRecord, footer: str) -> None:
    """Write the HTML page of an evaluation atomically; the page loads nothing from elsewhere."""
    costs = {entry.name: entry.runs for entry in store.entries}
    costs = {name: costs[name] for name in result.ranked}
    reported = result.reported_rows
    best = result.best_baseline
    table = replace(judged_table(result), notes=())
    sections = [
        Section(
            f"The judged table{f' in {result.market}' * bool(table.other_markets)}",
            html=table.brief_html(),
        ),
        *(
            Section(f"In {market_table.title}", html=market_table.brief_html())
            for market_table in table.other_markets
        ),
        *_book(store, reported[0] if reported else best, "The book around the trades"),
        *_ablation(result),
        *_ways(store, costs),
        *_learning(store, result),
        composition(
            costs,
            {name: result.strategies[name].estimates for name in costs},
            best,
            _rows_to_plot(result, reported),
            reported,
        ),
        *(_forest(result, name, number) for number, name in enumerate(reported)),
        _verdicts(result, reported),
        Section("Every interval", html=table.html(), folded=True),
        *_by_seed(store, result),
        *_claims(result, reported),
        *_scenarios(result, reported),
        *_assumptions(table),
        *_sensitivity(result, reported),
        *_adaptation(result, reported),
        *_timing(store, {name: costs[name] for name in _rows_to_plot(result, reported)}, reported),
        *(
            _book(store, best, f"The book around the trades of {best}", folded=True)
            if reported
            else ()
        ),
        _questions(result),
        _method(result),
    ]
    value = _order_value(store)
    facts = {
        "market": result.market,
        **({} if store.main.parts else order_facts(result.task)),
        **({} if value is None else {"value of an order": f"{value:,.0f} {MONEY}"}),
        "episodes": f"{result.episodes:,}",
        "episode seeds": ", ".join(map(str, result.evaluation_seeds)),
        "best rule": best,
    }
    text = render_page(headline(result), lead_text(result, value), sections, facts, footer)
    write_atomic(path, text)


def headline(result: EvaluationRecord) -> str:
    """Headline of the page: verdicts on the reported rows against the best rule; of a smoke run a warning."""
    if QUICK in result.notes:
        return QUICK.rstrip(".")
    best = result.best_baseline
    several = len(result.by_market) > 1
    if result.is_unranked(best):
        return f"No verdict: too many lots of {best} found no counterparty"
    count = sum(kind == "baseline" for kind in result.kinds.values())
    rule_text = f"{best}, {f'the best of {count} rules' if count > 1 else 'the rule'}"
    opponent_text = "the best rule of each market" * several or rule_text
    by_verdict: dict[str, list[str]] = {}
    for name in result.reported_rows:
        outcome = verdict_of(result.gain_on_best(name))
        condition = condition_text(result.gains_by_assumption(name, BEST), result.passive_impact)
        call = f"{COMPARISON_TEXTS[outcome]} {opponent_text}"
        call += f" {condition}" * (outcome == "better" and bool(condition))
        by_verdict.setdefault(call, []).append(name)
    return (
        "; ".join(f"{', '.join(names)}: {call}" for call, names in by_verdict.items()) or rule_text
    )


def _order_value(store: CostStore) -> float | None:
    """Mean value of an order of the main scenario at arrival, in the currency of its prices; None for a list of orders."""
    if store.main.parts:
        return None
    facts = cached_market(store.main.scenario).facts
    costs = next(iter(store.main.costs.values()))
    unit = float(str(facts["tick"])) / 2 * float(str(facts["shares in a lot"]))
    return float(np.mean(costs.qty * costs.arrival_mid2)) * unit


def lead_text(result: EvaluationRecord, order_value: float | None = None) -> str:
    """Lead of the page: costs of the rows with verdicts and of the best rule, gains in bps and, for a mean value of the
    orders, in money, and caveats before them.
    """
    notes = caveat_notes(result)
    if len(result.by_market) > 1 and result.reported_rows:
        conditions = verdict_conditions(result)
        verdict_sentences = (
            verdict_sentence(label, gains, judge=verdict_of, conditions=conditions[label])
            for label, gains in verdict_gains(result, len(result.reported_rows))
        )
        return " ".join([*notes, *verdict_sentences])
    best = result.best_baseline
    rows = result.strategies
    best_cost = format_number(rows[best].is_bps.mean)
    sentences = [
        f"{name} costs {format_number(rows[name].is_bps.mean)} bps of the order's value, {best} {best_cost}: "
        f"a saving of {format_interval(result.paired[name][best], signed=True)} bps"
        f"{_saving_in_money(result.paired[name][best].mean, order_value)}."
        for name in result.reported_rows
    ]
    alone = (
        [] if result.is_unranked(best) else [f"{best} costs {best_cost} bps of the order's value."]
    )
    return " ".join([*notes, *(sentences or alone)])


def _saving_in_money(saving_bps: float, order_value: float | None) -> str:
    """A saving in money for an order of a value, as the end of a sentence; "" if either is not known."""
    if order_value is None or not np.isfinite(saving_bps):
        return ""
    return f", or {format_money(saving_bps / BPS * order_value, MONEY, 0)} an order of {order_value:,.0f}"


def _ablation(result: EvaluationRecord) -> Iterator[Section]:
    """Section on the cost saving of each part of a strategy, if an ablation was run."""
    if result.apart is not None:
        savings = {part: saves for part, saves in result.apart.items() if saves is not None}
        plots = (
            [figures.paired_differences(savings, "the same without it", "apart")] if savings else []
        )
        yield Section(
            "Taken apart",
            html=plain_table(
                analysis_tables.ABLATION_HEADINGS, analysis_tables.ablation_rows(result.apart)
            ),
            figures=plots,
        )


def _ways(store: CostStore, costs: Mapping[str, Sequence[Costs]]) -> Iterator[Section]:
    """Section on a router's choice of way: expected costs, and one order by each way."""
    main = store.main
    if ROUTED not in main.ways:
        return
    ways = main.ways[ROUTED]
    rows = [
        (route, format_number(mean), format_number(sd), reason)
        for route, mean, sd, reason in zip(ways.way, ways.mean, ways.sd, ways.why, strict=True)
    ]
    routed = main.costs[ROUTED]
    first_traded = (routed.lots_grid[:, 0] > routed.qty / 4).argmax()
    runs = {
        name: main.costs[name].select(np.array([first_traded]))
        for name in costs
        if name in main.ways
    }
    remaining = {
        f"{name}, {run.shortfall[0] / run.denominator[0] * BPS:.1f} bps": remaining_shares(run)
        for name, run in runs.items()
    }
    task = main.scenario.task
    grid_s = np.linspace(0.0, task.horizon_s, task.grid_points)
    yield Section(
        "Why the router took its way, and one order by each",
        html=plain_table(("way", "expected, bps", "standard deviation", "made of"), rows),
        figures=[figures.trajectories(grid_s, remaining, name="ways")],
    )


def _verdicts(result: EvaluationRecord, reported: list[str]) -> Section:
    """Section with the verdicts on the reported rows, sentence by sentence."""
    sentences = [line for name in reported for line in verdict_lines(result, name)]
    return Section("Verdicts", [*sentences, *closing_lines(result)], folded=True)


def _rows_to_plot(result: EvaluationRecord, reported: list[str]) -> list[str]:
    """Names of 14 rows at most shown in figures, cheapest first: those with verdicts, the cheapest others; and the best rule."""
    chosen = [*reported, *(name for name in result.ranked if name not in reported)][
        :MAX_DISTRIBUTIONS
    ]
    return [name for name in result.ranked if name in {*chosen, result.best_baseline}]


def _by_seed(store: CostStore, result: EvaluationRecord) -> Iterator[Section]:
    """Section on the cost saving of each training seed of a recipe."""
    members = store.members(store.main)
    if not members:
        return
    tables = []
    for name, seeds in members.items():
        row = result.paired_by_seed[name]
        opponents = [
            opponent for opponent in result.ranked if opponent in row and opponent not in seeds
        ]
        rows = [
            [opponent, *(format_interval(cell, signed=True) for cell in row[opponent])]
            for opponent in opponents
        ]
        tables.append(
            plain_table((f"{name} against", *seeds), rows, "Cost saved by each training seed, bps.")
        )
    yield Section("Seed by seed", html="".join(tables), folded=True)


def _timing(
    store: CostStore, costs: Mapping[str, Sequence[Costs]], highlighted: list[str]
) -> Iterator[Section]:
    """Section on when each strategy traded, if the course in time was recorded."""
    task = store.main.scenario.task
    if store.main.arrivals is not None:
        yield timing(
            costs, store.twins, np.linspace(0.0, task.horizon_s, task.grid_points), highlighted
        )


def _book(store: CostStore, name: str, title: str, folded: bool = False) -> Iterator[Section]:
    """Section with the picture of the first episode's book; nothing if it cannot be drawn."""
    if store.main.parts or name in store.main.ways:
        return
    built = cached_market(store.main.scenario)
    candidates = {candidate.key: candidate for candidate in (*store.policies, *store.baselines)}
    candidates |= {name: candidates[members[0]] for name, members in store.recipes.items()}
    try:
        strategy = candidates[name].strategy(built)
        figure_name = "book-of-the-best" if folded else "book"
        figure = draw_book_example(store.main.scenario, built, strategy, name=figure_name)
        yield Section(title, figures=[figure], folded=folded)
    except Exception as error:
        say(
            f"report    the picture of an episode is not drawn for {name}: {type(error).__name__}, {error}"
        )


def _learning(store: CostStore, result: EvaluationRecord) -> Iterator[Section]:
    """Section with learning curves of policies that lie in folders of their trainings."""
    recipe_of = {member: name for name, members in store.recipes.items() for member in members}
    curves: dict[str, list[tuple[Any, Any]]] = {}
    levels = {result.best_baseline: result.strategies[result.best_baseline].is_bps.mean}
    for policy in store.policies:
        folder = Path(policy.folder).parent
        rows = read_partial_metrics(folder / METRICS) if policy.is_learned else []
        if (
            rows and "is_bps" not in rows[0]
        ):  # a learner that compares policies says what each is worth at its looks
            rows = [
                row
                for row in read_partial_metrics(folder / VALIDATION_FILE)
                if not row.get("averaged")
            ]
            # the rule on the same episodes, which are not those that are judged
            if rows:
                levels = {"the rule on these episodes": rows[-1]["rule_bps"]}
        if len(rows) >= MIN_CURVE_POINTS:
            curve = (
                np.array([row["frames"] for row in rows]),
                np.array([row["is_bps"] for row in rows]),
            )
            curves.setdefault(recipe_of.get(policy.key, policy.key), []).append(curve)
    if curves:
        yield Section("How it learned", figures=[figures.learning_curves(curves, levels)])


def _forest(result: EvaluationRecord, name: str, number: int) -> Section:
    """Section with the gains of a row on every opponent, from the hardest to the easiest."""
    ranked = dict(sorted(result.paired[name].items(), key=lambda item: item[1].mean))
    figure = figures.paired_differences(
        {f"against {opponent}": cell for opponent, cell in ranked.items()},
        "the opponent",
        f"forest-{number}",
        judge=verdict_of,
    )
    return Section(f"{name} against each", figures=[figure], folded=number >= MOST_VERDICTS)


def _claims(result: EvaluationRecord, reported: list[str]) -> Iterator[Section]:
    """Section on gains over every strategy, pooled and in each market; only for several markets."""
    if len(result.by_market) > 1:
        plots = [gains_figure(name, result.claims[name], result.recipes) for name in reported]
        lines = [
            line
            for name in reported
            for line in claim_lines(name, result.claims[name], result.comparisons)
        ]
        yield Section("In every market", lines, figures=plots, folded=True)


def _scenarios(result: EvaluationRecord, reported: list[str]) -> Iterator[Section]:
    """Sections with gains by market, by regime and by liquidity at arrival."""
    kinds: list[tuple[str, Mapping[str, ScenarioCell], int]] = [
        ("By market", result.by_market, 2),
        ("By regime", result.by_regime, 2),
        ("By liquidity at arrival", result.thirds, 1),
    ]
    for title, cells, min_parts in kinds:
        parts = {part: cell for part, cell in cells.items() if cell.paired}
        if len(parts) >= min_parts:
            yield _gain_map(result, parts, reported, title)


def _gain_map(
    result: EvaluationRecord, parts: Mapping[str, ScenarioCell], reported: list[str], title: str
) -> Section:
    """Section with maps of gains by opponent and part, and a table of gains on the best rule by part."""
    key = "-".join(title.lower().split()[:2])
    against = {
        name: [opponent for opponent in result.ranked if opponent in result.paired[name]]
        for name in reported
    }
    tables = {
        name: {
            opponent: {part: cell.paired[name][opponent] for part, cell in parts.items()}
            for opponent in opponents
        }
        for name, opponents in against.items()
    }
    plots = [
        gain_figures.gain_map(table, name, verdict_of, f"{key}-{number}")
        for number, (name, table) in enumerate(tables.items())
    ]
    rows = [
        (part, cell.episodes, *_format_adjusted(cell, result, reported))
        for part, cell in parts.items()
    ]
    headings = (
        "",
        "episodes",
        *(f"{name} against {result.best_baseline}, adjusted p" for name in reported),
    )
    return Section(title, html=plain_table(headings, rows), figures=plots, folded=True)


def _format_adjusted(
    cell: ScenarioCell, result: EvaluationRecord, reported: list[str]
) -> list[str]:
    """Gains of the reported rows on the best rule in a cell, with adjusted p-values, as texts."""
    gains = [cell.paired[name][result.best_baseline] for name in reported]
    return [
        f"{gain.mean:+.2f}{'' if gain.p_adjusted is None else f', p {gain.p_adjusted:.3g}'}"
        for gain in gains
    ]


def _costs(costs: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, Estimate]]:
    """Shortfall by strategy and condition, from shortfalls by condition and strategy."""
    names = next(iter(costs.values()))
    return {name: {condition: row[name] for condition, row in costs.items()} for name in names}


def _assumptions(table: JudgedTable) -> Iterator[Section]:
    """Section with gains on the best rule with one assumption changed, if any was examined."""
    if table.assumed:
        rows = plain_table(table.assumed_headings, table.assumed_rows())
        forests = [
            figures.paired_differences(
                {label: row[name] for label, row in table.assumed.items() if name in row},
                "the best rule",
                f"assumptions-{number}",
                judge=verdict_of,
            )
            for number, name in enumerate(table.assumed_headings[1:])
        ]
        yield Section("Under other assumptions", html=rows, figures=forests)


def _sensitivity(result: EvaluationRecord, reported: list[str]) -> Iterator[Section]:
    """Section with costs under other latencies, fees and order sizes."""
    plots = [
        gain_figures.condition_curves(
            _costs({value: cell.is_bps for value, cell in row.items()}),
            axis,
            f"sensitivity-{number}",
            reported,
        )
        for number, (axis, row) in enumerate(result.sensitivity.items())
    ]
    if plots:
        yield Section("Under other conditions", figures=plots, folded=True)


def _adaptation(result: EvaluationRecord, reported: list[str]) -> Iterator[Section]:
    """Section with costs where a regime begins half-way through the order."""
    if not result.adaptation:
        return
    costs = _costs({regime: cell.is_bps for regime, cell in result.adaptation.items()})
    figure = gain_figures.condition_curves(
        costs, "regime that begins half-way", "adaptation", reported
    )
    rows = list(analysis_tables.adaptation_rows(result))
    table = plain_table(analysis_tables.ADAPTATION_HEADINGS, rows) if rows else ""
    yield Section(
        "A regime that begins half-way through the order", html=table, figures=[figure], folded=True
    )


def _questions(result: EvaluationRecord) -> Section:
    """Section with figures on tails, order messages and exposure to price moves."""
    rows = [
        (
            name,
            result.cvar95_bps[name].mean,
            result.counts[name].messages_per_order,
            result.price_move_beta[name].mean,
            result.by_side[name].get("buy"),
            result.by_side[name].get("sell"),
        )
        for name in result.ranked
    ]
    headings = (
        "strategy",
        "mean of most expensive 5 %, bps",
        "messages an order",
        "slope on adverse move",
        "buys",
        "sells",
    )
    return Section(
        "Tails, messages, and bets on the trend", html=plain_table(headings, rows), folded=True
    )


def _method(result: EvaluationRecord) -> Section:
    """Section on how the evaluation was judged: pairing, corrections, deflation, meaning of columns."""
    sentences = [
        "Every strategy met the same episodes; differences are paired, intervals are bootstrapped over clusters of "
        "episodes, training seeds being a level of their own.",
        correction_sentence(result),
        *([f"Said before: {result.sample_size.words}."] if result.sample_size is not None else []),
        "A score is deflated for the N variants tried, after Bailey and Lopez de Prado: the threshold is SR* = sd "
        "(0.423 z(1 - 1/N) + 0.577 z(1 - 1/(N e))), SR the mean paired gain over its standard deviation, sd that of a "
        "ratio's sampling error.",
        "The best rule was chosen on episodes that are not judged here.",
    ]
    return Section("How it was judged", sentences, html=meanings_table(), folded=True)
