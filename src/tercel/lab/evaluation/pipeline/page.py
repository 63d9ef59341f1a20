"""The page of an evaluation: one file that fetches nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.files import write_atomic
from tercel.core.progress import say
from tercel.core.report import evaluation_figures, figures
from tercel.core.report.svg import Section, render
from tercel.core.report.tables import BESIDE, fixed, plain_table, spelt, verdict_sentence
from tercel.execution.costs import BPS, Costs
from tercel.execution.routing import ROUTED
from tercel.lab.evaluation.claims import called
from tercel.lab.evaluation.comparisons import ScenarioCell
from tercel.lab.evaluation.example import (
    book_example,
    composition,
    left_to_do,
    meanings,
    order_facts,
    timing,
)
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.pipeline import views
from tercel.lab.evaluation.pipeline.evaluation import Evaluation, EvaluationResult
from tercel.lab.evaluation.pipeline.views import (
    MOST_VERDICTS,
    QUICK,
    claimed,
    closing,
    correction,
    gains_figure,
    judged_table,
    verdict_gains,
    verdicts,
)
from tercel.lab.evaluation.training_files import FILE as METRICS, LOOKS, rows_so_far

FEWEST_LOOKS = 3
"""Points of a learning curve: fewer are no curve."""
MOST_DRAWN = 14
"""Rows of the distribution figure."""


def write_page(path: Path, evaluation: Evaluation, result: EvaluationResult, footer: str) -> None:
    """Write the page of an evaluation, whole or not at all."""
    costs = {one.name: one.runs for one in evaluation.entries}
    costs = {name: costs[name] for name in result.ranked}
    first, best = result.reported_rows, result.best_baseline
    table = replace(judged_table(result), notes=())
    sections = [
        Section(
            f"The judged table{f' in {result.market}' * bool(table.others)}",
            html=table.brief_html(),
        ),
        *(Section(f"In {other.title}", html=other.brief_html()) for other in table.others),
        *_book(evaluation, first[0] if first else best, "The book around the trades"),
        *_apart(result),
        *_ways(evaluation, costs),
        *_learning(evaluation, result),
        _verdicts(result, first),
        Section("Every interval", html=table.html(), folded=True),
        composition(
            costs,
            {name: result.strategies[name].known for name in costs},
            best,
            _drawn(result, first),
            first,
        ),
        *(_forest(result, name, number) for number, name in enumerate(first)),
        *_by_seed(evaluation, result),
        *_claims(result, first),
        *_scenarios(result, first),
        *_sensitivity(result, first),
        *_adaptation(result, first),
        *_timing(evaluation, {name: costs[name] for name in _drawn(result, first)}, first),
        *(
            _book(evaluation, best, f"The book around the trades of {best}", folded=True)
            if first
            else ()
        ),
        _questions(result),
        _method(result),
    ]
    facts = {
        "market": result.market,
        **({} if evaluation.main.parts else order_facts(result.task)),
        "episodes": f"{result.episodes:,}",
        "episode seeds": ", ".join(map(str, result.evaluation_seeds)),
        "best rule": best,
    }
    text = render(answer(result), lead(result), sections, facts, footer)
    write_atomic(path, text)


def answer(result: EvaluationResult) -> str:
    """Verdicts on the reported rows against the best rule (of each market, if there are several) in a few
    words; of a smoke run, that it is no judgement."""
    if QUICK in result.notes:
        return QUICK.rstrip(".")
    best, several = result.best_baseline, len(result.by_market) > 1
    if result.is_unranked(best):
        return f"No verdict: too many lots of {best} found no counterparty"
    count = sum(kind in ("baseline", "random") for kind in result.kinds.values())
    written = f"{best}, {f'the best of {count} rules' if count > 1 else 'the rule'}"
    by_verdict: dict[str, list[str]] = {}
    for name in result.reported_rows:
        call = BESIDE[called(result.gain_on_best(name))]
        by_verdict.setdefault(call, []).append(name)
    each = "the best rule of each market" * several or written
    return (
        "; ".join(f"{', '.join(names)}: {words} {each}" for words, names in by_verdict.items())
        or written
    )


def lead(result: EvaluationResult) -> str:
    """Lead of the page: costs of the first rows and of the best rule, and the gain; of several markets the
    comparisons over all; before them what makes a figure mean something else."""
    notes, more = views.caveats(result), views.unnamed(result)
    if len(result.by_market) > 1 and result.reported_rows:
        compared = (verdict_sentence(*one, called=called) for one in verdict_gains(result))
        return " ".join([*notes, *compared, *more])
    best, rows = result.best_baseline, result.strategies
    its = fixed(rows[best].is_bps.mean)
    sentences = [
        f"{name} costs {fixed(rows[name].is_bps.mean)} bps of the order's value, {best} {its}: "
        f"a saving of {spelt(result.paired[name][best], '+')} bps."
        for name in result.reported_rows[:MOST_VERDICTS]
    ]
    alone = [] if result.is_unranked(best) else [f"{best} costs {its} bps of the order's value."]
    return " ".join([*notes, *(sentences or alone), *more])


def _apart(result: EvaluationResult) -> Iterator[Section]:
    """Section on the cost saving of each part of a strategy, if requested."""
    if result.apart is not None:
        drawn = {part: saves for part, saves in result.apart.items() if saves is not None}
        made = [figures.paired_differences(drawn, "the same without it", "apart")] if drawn else []
        yield Section(
            "Taken apart",
            html=plain_table(views.ABLATION_HEADINGS, views.ablation_rows(result.apart)),
            figures=made,
        )


def _ways(evaluation: Evaluation, costs: Mapping[str, Sequence[Costs]]) -> Iterator[Section]:
    """Why a router took its way, and one order by each way and by the router: the first whose request traded."""
    main = evaluation.main
    if ROUTED not in main.ways:
        return
    ways = main.ways[ROUTED]
    rows = [
        (way, fixed(mean), fixed(sd), why)
        for way, mean, sd, why in zip(ways.way, ways.mean, ways.sd, ways.why, strict=True)
    ]
    routed = main.costs[ROUTED]
    early = (routed.lots_grid[:, 0] > routed.qty / 4).argmax()
    paid = {name: main.costs[name].select(np.array([early])) for name in costs if name in main.ways}
    left = {
        f"{name}, {one.shortfall[0] / one.denominator[0] * BPS:.1f} bps": left_to_do(one)
        for name, one in paid.items()
    }
    task = main.scenario.task
    grid_s = np.linspace(0.0, task.horizon_s, task.grid_points)
    yield Section(
        "Why the router took its way, and one order by each",
        html=plain_table(("way", "expected, bps", "standard deviation", "made of"), rows),
        figures=[figures.trajectories(grid_s, left, name="ways")],
    )


def _verdicts(result: EvaluationResult, first: list[str]) -> Section:
    sentences = [line for name in first for line in verdicts(result, name)]
    return Section("Verdicts", [*sentences, *closing(result)], folded=True)


def _drawn(result: EvaluationResult, first: list[str]) -> list[str]:
    """Rows of the figures, cheapest first: those with verdicts, and the cheapest others."""
    chosen = [*first, *(name for name in result.ranked if name not in first)][:MOST_DRAWN]
    return [name for name in result.ranked if name in {*chosen, result.best_baseline}]


def _by_seed(evaluation: Evaluation, result: EvaluationResult) -> Iterator[Section]:
    """Section on the cost saving of each training seed of a recipe."""
    members = evaluation.members(evaluation.main)
    if not members:
        return
    tables = []
    for name, seeds in members.items():
        row = result.paired_by_seed[name]
        others = [other for other in result.ranked if other in row and other not in seeds]
        rows = [[other, *(spelt(cell, "+") for cell in row[other])] for other in others]
        tables.append(
            plain_table((f"{name} against", *seeds), rows, "Cost saved by each training seed, bps.")
        )
    yield Section("Seed by seed", html="".join(tables), folded=True)


def _timing(
    evaluation: Evaluation, costs: Mapping[str, Sequence[Costs]], own: list[str]
) -> Iterator[Section]:
    task = evaluation.main.scenario.task
    if evaluation.main.arrivals is not None:
        yield timing(
            costs, evaluation.twins, np.linspace(0.0, task.horizon_s, task.grid_points), own
        )


def _book(evaluation: Evaluation, name: str, title: str, folded: bool = False) -> Iterator[Section]:
    """The picture of the first episode; one that cannot be drawn never costs the page."""
    if evaluation.main.parts or name in evaluation.main.ways:
        return
    built = cached_market(evaluation.main.scenario)
    market = replace(built, judged=built.judged, plan=built.plan)
    known = {one.key: one for one in (*evaluation.policies, *evaluation.baselines)}
    known |= {recipe.key: known[recipe.members[0]] for recipe in evaluation.recipes}
    try:
        made = book_example(evaluation.main.scenario, market, known[name].strategy(built))
        made = replace(made, name="book-of-the-best" if folded else made.name)
        yield Section(title, figures=[made.figure], folded=folded)
    except Exception as error:
        say(
            f"report    the picture of an episode is not drawn for {name}: {type(error).__name__}, {error}"
        )


def _learning(evaluation: Evaluation, result: EvaluationResult) -> Iterator[Section]:
    """Learning curves of the policies that lie in folders of their trainings."""
    of = {member: recipe.key for recipe in evaluation.recipes for member in recipe.members}
    curves: dict[str, list[tuple[Any, Any]]] = {}
    for one in evaluation.policies:
        folder = Path(one.folder).parent
        rows = rows_so_far(folder / METRICS) if one.learned else []
        if (
            rows and "is_bps" not in rows[0]
        ):  # a learner that compares policies says what each is worth at its looks
            rows = [row for row in rows_so_far(folder / LOOKS) if not row.get("averaged")]
        if len(rows) >= FEWEST_LOOKS:
            curve = (
                np.array([row["frames"] for row in rows]),
                np.array([row["is_bps"] for row in rows]),
            )
            curves.setdefault(of.get(one.key, one.key), []).append(curve)
    if curves:
        levels = {result.best_baseline: result.strategies[result.best_baseline].is_bps.mean}
        yield Section("How it learned", figures=[figures.learning_curves(curves, levels)])


def _forest(result: EvaluationResult, name: str, number: int) -> Section:
    """Gains against every opponent, from the hardest to the easiest."""
    ranked = dict(sorted(result.paired[name].items(), key=lambda item: item[1].mean))
    figure = figures.paired_differences(
        {f"against {other}": cell for other, cell in ranked.items()},
        "the opponent",
        f"forest-{number}",
        called=called,
    )
    return Section(f"{name} against each", figures=[figure], folded=True)


def _claims(result: EvaluationResult, first: list[str]) -> Iterator[Section]:
    """Section on gains over every strategy, pooled and in each market; only for several markets."""
    if len(result.by_market) > 1:
        drawn = [gains_figure(name, result.claims[name], result.recipes) for name in first]
        lines = [
            line
            for name in first
            for line in claimed(name, result.claims[name], result.comparisons)
        ]
        yield Section("In every market", lines, figures=drawn, folded=True)


def _scenarios(result: EvaluationResult, first: list[str]) -> Iterator[Section]:
    kinds: list[tuple[str, Mapping[str, ScenarioCell], int]] = [
        ("By market", result.by_market, 2),
        ("By regime", result.by_regime, 2),
        ("By liquidity at arrival", result.thirds, 1),
    ]
    for title, cells, least in kinds:
        parts = {part: cell for part, cell in cells.items() if cell.paired}
        if len(parts) >= least:
            yield _map(result, parts, first, title)


def _map(
    result: EvaluationResult, parts: Mapping[str, ScenarioCell], first: list[str], title: str
) -> Section:
    key = "-".join(title.lower().split()[:2])
    against = {
        name: [other for other in result.ranked if other in result.paired[name]] for name in first
    }
    tables = {
        name: {
            other: {part: cell.paired[name][other] for part, cell in parts.items()}
            for other in others
        }
        for name, others in against.items()
    }
    drawn = [
        evaluation_figures.gain_map(table, name, called, f"{key}-{number}")
        for number, (name, table) in enumerate(tables.items())
    ]
    rows = [(part, cell.episodes, *_adjusted(cell, result, first)) for part, cell in parts.items()]
    heads = (
        "",
        "episodes",
        *(f"{name} against {result.best_baseline}, adjusted p" for name in first),
    )
    return Section(title, html=plain_table(heads, rows), figures=drawn, folded=True)


def _adjusted(cell: ScenarioCell, result: EvaluationResult, first: list[str]) -> list[str]:
    found = [cell.paired[name][result.best_baseline] for name in first]
    return [
        f"{one.mean:+.2f}{'' if one.p_adjusted is None else f', p {one.p_adjusted:.3g}'}"
        for one in found
    ]


def _costs(cells: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Shortfall by strategy and condition."""
    names = next(iter(cells.values())).is_bps
    return {name: {at: cell.is_bps[name] for at, cell in cells.items()} for name in names}


def _sensitivity(result: EvaluationResult, first: list[str]) -> Iterator[Section]:
    drawn = [
        evaluation_figures.condition_curves(_costs(row), axis, f"sensitivity-{number}", first)
        for number, (axis, row) in enumerate(result.sensitivity.items())
    ]
    if drawn:
        yield Section("Under other conditions", figures=drawn, folded=True)


def _adaptation(result: EvaluationResult, first: list[str]) -> Iterator[Section]:
    if not result.adaptation:
        return
    costs = _costs(result.adaptation)
    figure = evaluation_figures.condition_curves(
        costs, "regime that begins half-way", "adaptation", first
    )
    rows = list(views.adaptation_rows(result))
    table = plain_table(views.ADAPTATION_HEADINGS, rows) if rows else ""
    yield Section(
        "A regime that begins half-way through the order", html=table, figures=[figure], folded=True
    )


def _questions(result: EvaluationResult) -> Section:
    """Tails, messages and bets in figures."""
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
    heads = (
        "strategy",
        "mean of most expensive 5 %, bps",
        "messages an order",
        "slope on adverse move",
        "buys",
        "sells",
    )
    return Section(
        "Tails, messages, and bets on the trend", html=plain_table(heads, rows), folded=True
    )


def _method(result: EvaluationResult) -> Section:
    sentences = [
        "Every strategy met the same episodes; differences are paired, intervals are bootstrapped over clusters of "
        "episodes, training seeds being a level of their own.",
        correction(result),
        *([f"Said before: {result.sample_size.words}."] if result.sample_size is not None else []),
        "A score is deflated for the N variants tried, after Bailey and Lopez de Prado: the threshold is SR* = sd "
        "(0.423 z(1 - 1/N) + 0.577 z(1 - 1/(N e))), SR the mean paired gain over its standard deviation, sd that of a "
        "ratio's sampling error.",
        "The best rule was chosen on episodes that are not judged here.",
    ]
    return Section("How it was judged", sentences, html=meanings(), folded=True)
