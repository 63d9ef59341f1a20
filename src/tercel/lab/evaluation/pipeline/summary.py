"""Summary of an evaluation, from everything that was run."""

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from tercel.core.stats import DeflatedScore, Estimate, interquartile_mean, mean_interval
from tercel.execution.market import in_words as venue_words
from tercel.lab.evaluation.arrivals import terciles
from tercel.lab.evaluation.claims import POOLED, Claim, claim
from tercel.lab.evaluation.comparisons import (
    ComparisonLedger,
    Gains,
    ResampledScores,
    ScenarioCell,
    ScenarioComparison,
    Scores,
    compared,
    detectable,
    gains,
    pooled_gain,
)
from tercel.lab.evaluation.episodes import regimes_of
from tercel.lab.evaluation.hindsight_bound import LABEL
from tercel.lab.evaluation.judge import judge
from tercel.lab.evaluation.market import hindsight_in_words, impact_in_words, limit_in_words
from tercel.lab.evaluation.pipeline.candidates import policy_record, variants_of
from tercel.lab.evaluation.pipeline.card_limits import handed_over
from tercel.lab.evaluation.pipeline.evaluation_result import (
    AdaptationCell,
    ConditionCell,
    EvaluationResult,
    HindsightBound,
    MarketCell,
    Pooled,
    RegimeCell,
    SeedsGain,
    Validation,
)
from tercel.lab.evaluation.pipeline.results import LISTED, Evaluation, course_of, twins_of
from tercel.lab.evaluation.pipeline.scenarios import PLAIN, build_scenario
from tercel.lab.evaluation.result import REPLAY_NOTE, JudgedRun
from tercel.lab.evaluation.risk_statistics import (
    FROZEN,
    RIGID,
    SCHEDULES,
    ScheduleRatios,
    adaptability_gain,
    by_side,
    deflated_gain,
    loss_to,
    price_move_beta,
    price_moves,
    ratios,
    tails,
    wins,
)

SEED = 20_231
"""Of everything that the statistics draw: the same cells give the same figures."""


def summary_of(evaluation: Evaluation) -> EvaluationResult:
    """Judge, compare, correct."""
    rng = np.random.default_rng(SEED)
    ledger = ComparisonLedger()
    main, scores = evaluation.main, evaluation.scores(evaluation.main)
    first = evaluation.compare(main, ledger, rng)
    scenarios = _scenarios(evaluation, first, ledger, rng)
    judged = _judged(evaluation, first.gains, rng)
    challengers, costs = evaluation.challengers(main), next(iter(main.costs.values()))
    chosen_on = evaluation.scores(evaluation.validation)
    claims = {
        name: claim(name, scenarios, evaluation.teams(name), ledger, rng, evaluation.best_of_each)
        for name in evaluation.reported_rows
    }
    return EvaluationResult(  # in this order: everything draws from one generator, and the ledger is adjusted last
        **{one.name: getattr(judged, one.name) for one in fields(judged) if one.name != "paired"},
        paired=first.cell.paired,
        evaluation_seeds=list(evaluation.seeds),
        policies={one.key: policy_record(one) for one in evaluation.policies},
        handed_over=handed_over(evaluation.policies, main.scenario.settings),
        recipes={recipe.key: list(recipe.members) for recipe in evaluation.recipes},
        claims=claims,
        by_regime=_by_regime(evaluation, scores, scenarios, ledger, rng),
        by_market=_by_market(evaluation, scenarios[PLAIN]),
        by_market_and_regime=_by_market_and_regime(scenarios),
        by_liquidity=_by_liquidity(evaluation, scores, ledger, rng),
        validation=Validation(evaluation.best, len(chosen_on), chosen_on.means()),
        sample_size=evaluation.sample_size,
        hindsight=_hindsight(evaluation, rng),
        ratios=_ratios(evaluation, rng),
        bars=_bars(evaluation, rng),
        cvar95_bps=tails(scores, rng),
        wins=wins(scores, challengers, rng),
        price_move_beta=price_move_beta(scores, price_moves(costs, course_of(main)), rng),
        by_side=by_side(scores, costs.side),
        adaptability_vs=_adaptability(evaluation, rng),
        power={name: {other: detectable(gain) for other, gain in row.items()} for name, row in first.gains.items()},
        deflated={name: _deflated(evaluation, scores, name) for name in challengers},
        pooled=_pooled(evaluation, scenarios[PLAIN], claims, ledger, rng),
        iqm=_iqm(evaluation, rng),
        sensitivity=_sensitivity(evaluation, rng),
        adaptation=_adaptation(evaluation, rng),
        comparisons=ledger.adjust(),
        checks=_checks(evaluation),
    )


def _judged(evaluation: Evaluation, found: Gains, rng: np.random.Generator) -> JudgedRun:
    """The table."""
    main, built = evaluation.main, build_scenario(evaluation.main.scenario)
    settings, market, cluster = main.scenario.settings, built.market.name, built.market.cluster
    parts = [one.scenario.settings for one in main.parts or (main,)]
    sentences = [words for one in parts for words in (*limit_in_words(one), *hindsight_in_words(one))]
    notes = list(built.market.notes)
    if main.parts:
        notes = [*notes[:1], *impact_in_words(built.source), *dict.fromkeys(sentences), *_venue(evaluation)]
    task = settings.task.to_dict()
    if settings.orders:
        orders = [order for one in parts for order in one.orders]
        market = f"{len(orders)} orders of {', '.join(dict.fromkeys(order.symbol for order in orders))}, replayed"
        task = {LISTED: [order.to_dict() for order in orders]}
        cluster = "day" if len({order.date for order in orders}) > 1 else cluster
    judged = judge(
        evaluation.entries,
        evaluation.twins,
        rng,
        market=market,
        task=task,
        seeds=sorted({one.card.seed for one in evaluation.policies if one.learned}),
        cluster=cluster,
        notes=[*notes, *evaluation.notes],
        best=evaluation.best,
        paired={name: {other: gain.estimate() for other, gain in row.items()} for name, row in found.items()},
    )
    if main.parts:
        apart = "Orders of a list differ: impact is not separated; what own volume moved is in timing_bps."
        notes = [note for note in judged.notes if not note.startswith(REPLAY_NOTE)]
        judged = replace(judged, notes=(*notes, apart))
    return judged


def _venue(evaluation: Evaluation) -> list[str]:
    settings = evaluation.main.scenario.settings
    return venue_words(settings.market.fees, settings.task.latency, settings.task.feed_latency)


# -- parts and scenarios ----------------------------------------------------------------------------------------------


def _scenarios(
    evaluation: Evaluation, first: ScenarioComparison, ledger: ComparisonLedger, rng: np.random.Generator
) -> dict[str, dict[str, ScenarioComparison]]:
    """Regime -> market -> what was compared there; plain: the markets as they are, the main one first."""
    main = next(iter(evaluation.markets))
    found = {
        PLAIN: {
            market: first if market == main else evaluation.compare(judged, ledger, rng)
            for market, judged in evaluation.markets.items()
        }
    }
    for market, row in evaluation.regimes.items():
        for regime, judged in row.items():
            found.setdefault(regime, {})[market] = evaluation.compare(judged, ledger, rng)
    return found


def _by_regime(
    evaluation: Evaluation,
    scores: Scores,
    scenarios: Mapping[str, Mapping[str, ScenarioComparison]],
    ledger: ComparisonLedger,
    rng: np.random.Generator,
) -> dict[str, RegimeCell]:
    """The main market by the regime that was in force longest, or with one regime each."""
    built, main = build_scenario(evaluation.main.scenario), next(iter(evaluation.markets))
    if not built.source.regimes:
        return {
            regime: RegimeCell(**vars(row[main].cell), share_of_time=1.0 if regime == PLAIN else None)
            for regime, row in scenarios.items()
        }
    plan = built.plan if evaluation.main.plan_rows is None else built.plan.take(evaluation.main.plan_rows)
    truth = regimes_of(built.source, evaluation.main.scenario.settings.task, plan)
    share = truth.seconds.sum(axis=0) / truth.seconds.sum()
    return {
        truth.names[number]: RegimeCell(
            **vars(_part(evaluation, scores, np.flatnonzero(truth.most == number), ledger, rng)),
            share_of_time=float(share[number]),
        )
        for number in np.flatnonzero(share > 0).tolist()
    }


def _part(
    evaluation: Evaluation, scores: Scores, rows: NDArray[np.intp], ledger: ComparisonLedger, rng: np.random.Generator
) -> ScenarioCell:
    """Some episodes of the main scenario."""
    main = evaluation.main
    return compared(scores.part(rows), evaluation.challengers(main), evaluation.members(main), ledger, rng)


def _by_market(evaluation: Evaluation, plain: Mapping[str, ScenarioComparison]) -> dict[str, MarketCell]:
    written = [one.key for one in evaluation.baselines if one.kind == "baseline"]
    return {market: MarketCell.among(written, one.cell) for market, one in plain.items()}


def _by_market_and_regime(
    scenarios: Mapping[str, Mapping[str, ScenarioComparison]],
) -> dict[str, dict[str, ScenarioCell]]:
    """Market -> regime -> cell, where regimes were run by themselves."""
    if len(scenarios) < 2:
        return {}
    markets = scenarios[PLAIN]
    return {
        market: {regime: row[market].cell for regime, row in scenarios.items() if market in row} for market in markets
    }


def _by_liquidity(
    evaluation: Evaluation, scores: Scores, ledger: ComparisonLedger, rng: np.random.Generator
) -> dict[str, dict[str, ScenarioCell]]:
    """By thirds of what stood in the book at arrival, and of what was traded just before."""
    arrivals = evaluation.main.arrivals
    if arrivals is None:
        return {}
    return {
        key: {name: _part(evaluation, scores, rows, ledger, rng) for name, rows in terciles(values).items()}
        for key, values in (("depth", arrivals.depth), ("volume", arrivals.volume))
    }


def _pooled(
    evaluation: Evaluation,
    plain: Mapping[str, ScenarioComparison],
    claims: Mapping[str, Claim],
    ledger: ComparisonLedger,
    rng: np.random.Generator,
) -> Pooled:
    """Over all markets: for these (`these_markets`), and for such as could have been chosen (`any_markets`)."""
    if len(plain) < 2:
        return Pooled()
    scenarios = [one.resampled for one in plain.values()]
    everywhere = [
        name for name in evaluation.challengers(evaluation.main) if all(name in one.points for one in scenarios)
    ]
    found = {
        key: {
            name: {
                one.key: claims[name].against[one.key].view(key)
                if name in claims
                else ledger.enter(pooled_gain(scenarios, name, one.key, rng, redraw_markets=redraw))
                for one in evaluation.baselines
            }
            for name in everywhere
        }
        for key, redraw in POOLED.items()
    }
    return Pooled(list(plain), **found)


def _iqm(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, SeedsGain]:
    """Recipe -> interquartile mean of the gains over the best baseline, training seeds by markets."""
    tables = {market: evaluation.scores(judged) for market, judged in evaluation.markets.items()}
    found = {}
    for recipe in evaluation.recipes:
        teams = evaluation.teams(recipe.key)
        by_market = [
            [float((there.mean(evaluation.best) - there.mean(member)).mean()) for member in teams[market]]
            for market, there in tables.items()
        ]
        if len({len(row) for row in by_market}) == 1:
            by_seed = [list(row) for row in zip(*by_market, strict=True)]
            one = interquartile_mean(by_seed, rng)
            found[recipe.key] = SeedsGain(one.mean, one.ci_low, one.ci_high, by_seed)
    return found


# -- questions --------------------------------------------------------------------------------------------------------


def _ratios(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, ScheduleRatios]:
    wanted = [entry for entry in evaluation.entries if entry.kind == "learned" or entry.name in SCHEDULES]
    return ratios(wanted, evaluation.twins, rng)


def _bars(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, dict[str, ScheduleRatios]]:
    """Market -> row that verdicts are told of -> ratios to the schedules, differences of risk and of adaptability."""
    found = {}
    for market, judged in evaluation.markets.items():
        wanted = [
            one for one in evaluation.entries_in(judged) if one.name in {*evaluation.reported_rows, *SCHEDULES, RIGID}
        ]
        rows = ratios([one for one in wanted if one.name != RIGID], twins_of(judged), rng)
        responses = {entry.name: entry.responses for entry in wanted}
        found[market] = {
            name: replace(
                rows.get(name, ScheduleRatios()),
                adaptability={RIGID: adaptability_gain(responses[name], responses.get(RIGID, ()), rng)},
            )
            for name in evaluation.reported_rows
        }
    return found


def _hindsight(evaluation: Evaluation, rng: np.random.Generator) -> HindsightBound | None:
    """What no strategy can attain: the cost of the same orders to somebody who knows the path."""
    bps = evaluation.main.hindsight_bps
    if bps is None:
        return None
    cluster = next(iter(evaluation.main.costs.values())).cluster
    return HindsightBound(LABEL, mean_interval(bps, cluster, rng))


def _adaptability(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, dict[str, Estimate | None]]:
    responses = {entry.name: entry.responses for entry in evaluation.entries}
    return {
        name: {RIGID: adaptability_gain(responses[name], responses.get(RIGID, ()), rng)}
        for name in evaluation.challengers(evaluation.main)
    }


def _deflated(evaluation: Evaluation, scores: Scores, name: str) -> DeflatedScore | None:
    members = evaluation.members(evaluation.main).get(name, (name,))
    tried = max(variants_of(one) for one in evaluation.policies if one.key in members)
    return deflated_gain(scores, name, evaluation.best, tried)


def _sensitivity(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, dict[str, ConditionCell]]:
    """Axis -> value -> shortfalls, and what each policy saves against the best baseline."""
    found = dict[str, dict[str, ConditionCell]]()
    for axis, row in evaluation.sensitivity.items():
        found[axis] = {}
        for value, judged in row.items():
            resampled = ResampledScores.of(evaluation.scores(judged), rng)
            challengers = evaluation.challengers(judged)
            saved = gains(resampled, challengers, evaluation.members(judged), rng)
            found[axis][value] = ConditionCell(
                {name: one.estimate() for name, one in resampled.replicates(rng).items()},
                {name: saved[name][evaluation.best].estimate() for name in challengers},
            )
    return found


def _adaptation(evaluation: Evaluation, rng: np.random.Generator) -> dict[str, AdaptationCell]:
    """Regime that begins half-way -> shortfalls; gains; and losses to the policy trained in it, where one was given."""
    found = {}
    for regime, judged in evaluation.adaptation.items():
        experts = evaluation.trained_for.get(regime, ())
        specialist = f"{len(experts)} policies" if len(experts) > 1 else "".join(experts) or None
        team = {specialist: experts} if specialist is not None and len(experts) > 1 else {}
        resampled = ResampledScores.of(Scores.of(judged.costs, {**evaluation.members(judged), **team}), rng)
        means = resampled.replicates(rng)
        saved = gains(resampled, evaluation.challengers(judged), evaluation.members(judged), rng)
        others = [name for name in means if name not in (specialist, *experts)]
        found[regime] = AdaptationCell(
            {name: one.estimate() for name, one in means.items()},
            {name: {other: gain.estimate() for other, gain in row.items()} for name, row in saved.items()},
            specialist,
            None if specialist is None else {name: (means[name] - means[specialist]).estimate() for name in others},
            [name for name in FROZEN if name in means],
            None if specialist is None else {name: loss_to(means, name, specialist) for name in others},
        )
    return found


def _checks(evaluation: Evaluation) -> list[str]:
    """What was made sure of, in words: every reading of costs checks them (`Costs.check`)."""
    scenarios = [
        evaluation.main,
        *list(evaluation.markets.values())[1:],
        *(judged for row in evaluation.regimes.values() for judged in row.values()),
        *evaluation.adaptation.values(),
    ]
    scenarios += [judged for row in evaluation.sensitivity.values() for judged in row.values()]
    runs = [costs for judged in scenarios for costs in judged.costs.values()]
    for costs in runs:
        costs.check()
    episodes = sum(len(costs) for costs in runs)
    sides = next(iter(evaluation.main.costs.values())).side
    seen = next((judged.guard for judged in evaluation.markets.values() if judged.guard is not None), None)
    for judged in list(evaluation.markets.values())[1:]:
        seen = seen + judged.guard if seen is not None and judged.guard is not None else seen
    fills = (
        ["Fills were not looked at one by one."]
        if seen is None
        else [
            f"Fills: {seen.takes:,} takes looked at, none at mid or better"
            + (
                f"; {seen.decisions:,} decisions took at the touch they saw, none more than the lots displayed there."
                if seen.decisions
                else "."
            )
        ]
    )
    sentences = [
        f"Lots add up in {episodes:,} episodes of {len(runs)} runs: none filled twice, none beyond the order.",
        f"Sides: {int((sides > 0).sum()):,} buys and {int((sides < 0).sum()):,} sells.",
    ]
    return [*sentences, *fills, *evaluation.notes]
