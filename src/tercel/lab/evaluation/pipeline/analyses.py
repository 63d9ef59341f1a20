"""Analyses of an evaluation: each figure of its record from the costs of its scenarios, one function a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tercel.core.arrays import Indices
from tercel.core.stats import (
    DeflatedScore,
    Estimate,
    PairedGain,
    cluster_index,
    interquartile_mean,
    mean_interval,
)
from tercel.execution.strategies.guarded import Guarded
from tercel.lab.evaluation import comparisons, risk_statistics
from tercel.lab.evaluation.arrivals import LABEL, terciles
from tercel.lab.evaluation.assumptions import impact_label
from tercel.lab.evaluation.claims import (
    POOLED,
    SINGLE_MARKET,
    Claim,
    ComparisonsByRegime,
    claim,
)
from tercel.lab.evaluation.episodes import regimes_of
from tercel.lab.evaluation.judge import JudgedEntry, count_lots, judge, paired_correlation
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.pipeline.candidates import policy_record, variants_of
from tercel.lab.evaluation.pipeline.cost_store import ORDERS_KEY, CostStore, end_mids, twin_mids
from tercel.lab.evaluation.pipeline.evaluation_record import (
    AdaptationCell,
    ConditionCell,
    EvaluationRecord,
    HindsightBound,
    SeedsGain,
    Validation,
)
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts
from tercel.lab.evaluation.pipeline.sentences import check_sentences, result_notes
from tercel.lab.evaluation.scenario import PLAIN
from tercel.market.impact.law import PASSIVE_IMPACT_INTERVAL
from tercel.market.simulator.bounds import ALL_BOUNDS, DEPTH_BOUNDS, KIND, by_level

SEED = 20_231
"""Of everything that the statistics draw: the same cells give the same figures."""


def analyse(store: CostStore) -> EvaluationRecord:
    """Compute all figures of an evaluation from its costs.

    They are computed at once and in this order: all draw from one generator, and the p-values of all comparisons are
    corrected together at the end.
    """
    rng = np.random.default_rng(SEED)
    ledger = comparisons.ComparisonLedger()
    main = store.main
    compared = compare_everywhere(store, ledger, rng)
    paired = next(iter(compared[PLAIN].values()))[0].paired
    strategies, paired_by_seed = judge(store.entries, store.twins, rng)
    claims = {
        name: claim(name, compared, store.teams(name), ledger, rng, store.best_of_each)
        for name in store.reported_rows
    }
    scores = store.main_scores
    chosen_on = store.scores(store.validation)
    challengers = store.challengers(main)
    costs = next(iter(main.costs.values()))
    clusters = cluster_index(costs.cluster)[1]
    market, task, cluster = describe_orders(main)
    return EvaluationRecord(
        strategies=strategies,
        kinds={entry.name: entry.kind for entry in store.entries},
        best_baseline=store.best,
        paired_vs_best_baseline={name: row[store.best].times(1) for name, row in paired.items()},
        paired=paired,
        paired_by_seed=paired_by_seed,
        counts={entry.name: count_lots(entry) for entry in store.entries},
        episodes=len(costs),
        clusters=clusters,
        seeds=sorted({policy.card.seed for policy in store.policies if policy.is_learned}),
        market=market,
        task=task,
        notes=result_notes(store, clusters),
        cluster=cluster,
        correlation=paired_correlation(store.entries),
        evaluation_seeds=list(store.seeds),
        policies={policy.key: policy_record(policy) for policy in store.policies},
        recipes={name: list(members) for name, members in store.recipes.items()},
        claims=claims,
        by_regime=by_regime(store, compared, ledger, rng),
        by_market=by_market(store, compared),
        by_market_and_regime=by_market_and_regime(compared),
        by_liquidity=by_liquidity(store, ledger, rng),
        validation=Validation(store.best, len(chosen_on), chosen_on.means()),
        sample_size=store.sample_size,
        hindsight=hindsight_bound(main, rng),
        ratios=schedule_ratios(store, rng),
        bars=schedule_ratios_by_market(store, rng),
        cvar95_bps=risk_statistics.tail_means(scores, rng),
        wins=risk_statistics.win_shares(scores, challengers, rng),
        price_move_beta=risk_statistics.price_move_beta(
            scores, risk_statistics.price_moves(costs, end_mids(main)), rng
        ),
        by_side=risk_statistics.by_side(scores, costs.side),
        adaptability_vs={name: _adaptability(store.entries, name, rng) for name in challengers},
        power={
            name: {opponent: gain.power for opponent, gain in row.items()}
            for name, row in paired.items()
        },
        deflated={name: deflated_gain(store, name) for name in challengers},
        pooled=pooled_gains(store, compared, claims, ledger, rng),
        iqm=seeds_gains(store, rng),
        sensitivity=sensitivity_cells(store, rng),
        adaptation=adaptation_cells(store, rng),
        assumptions=gains_by_assumption(store, claims),
        passive_impact=main.scenario.market.passive_impact,
        comparisons=ledger.adjust(),
        checks=check_sentences(store),
        apart=store.apart,
        bound=bound_of(main),
        by_bound=by_bound(store),
    )


def compare_everywhere(
    store: CostStore, ledger: comparisons.ComparisonLedger, rng: np.random.Generator
) -> dict[str, dict[str, comparisons.Compared]]:
    """Compare all candidates in every market as it is and in every regime, entering the gains in the ledger."""

    def compared_in(row: Mapping[str, ScenarioCosts]) -> dict[str, comparisons.Compared]:
        """Compare all candidates in each scenario of one group."""
        return {key: store.compare(judged, ledger, rng) for key, judged in row.items()}

    compared = {PLAIN: compared_in(store.markets)}
    for market, row in store.regimes.items():
        for regime, comparison in compared_in(row).items():
            compared.setdefault(regime, {})[market] = comparison
    return compared


def describe_orders(main: ScenarioCosts) -> tuple[str, dict[str, object], str]:
    """Name of the market, the task or the listed orders as plain values, and the kind of cluster of the main scenario."""
    built = cached_market(main.scenario)
    orders = [order for part in main.parts or (main,) for order in part.scenario.orders]
    if not orders:
        hours = {key: built.facts[key] for key in ("hours",) if key in built.facts}
        return built.name, main.scenario.task.to_dict() | hours, built.cluster
    symbols = ", ".join(dict.fromkeys(order.symbol for order in orders))
    return (
        f"{len(orders)} orders of {symbols}, replayed",
        {ORDERS_KEY: [order.to_dict() for order in orders]},
        "day" if len({order.date for order in orders}) > 1 else built.cluster,
    )


def by_regime(
    store: CostStore,
    compared: ComparisonsByRegime,
    ledger: comparisons.ComparisonLedger,
    rng: np.random.Generator,
) -> dict[str, comparisons.ScenarioCell]:
    """Cells of the main market by its prevailing regime (entered in the ledger), or with one regime each if these
    were run.
    """
    main = store.main
    built = cached_market(main.scenario)
    market = next(iter(store.markets))
    if not built.judged.regimes:
        return {
            regime: replace(row[market][0], share_of_time=1.0 if regime == PLAIN else None)
            for regime, row in compared.items()
        }
    plan = built.plan if main.plan_rows is None else built.plan.take(main.plan_rows)
    truth = regimes_of(built.judged, main.scenario.task, plan)
    share = truth.seconds.sum(axis=0) / truth.seconds.sum()
    return {
        truth.names[number]: replace(
            _cell_of_episodes(store, np.flatnonzero(truth.longest == number), ledger, rng),
            share_of_time=float(share[number]),
        )
        for number in np.flatnonzero(share > 0).tolist()
    }


def _cell_of_episodes(
    store: CostStore, rows: Indices, ledger: comparisons.ComparisonLedger, rng: np.random.Generator
) -> comparisons.ScenarioCell:
    """Cell of some episodes of the main scenario, by row numbers; its gains are entered in the ledger."""
    challengers = store.challengers(store.main)
    members = store.members(store.main)
    return comparisons.scenario_cell(
        store.main_scores.select(rows), challengers, members, ledger, rng
    )


def by_market(
    store: CostStore, compared: ComparisonsByRegime
) -> dict[str, comparisons.ScenarioCell]:
    """Cell of each market with its cheapest rule, by market."""
    rules = [rule.key for rule in store.baselines if rule.kind == "baseline"]
    return {market: cell.with_cheapest(rules) for market, (cell, _) in compared[PLAIN].items()}


def by_market_and_regime(
    compared: ComparisonsByRegime,
) -> dict[str, dict[str, comparisons.ScenarioCell]]:
    """Cells by market and regime; empty unless regimes were run alone."""
    if len(compared) < 2:
        return {}
    return {
        market: {regime: row[market][0] for regime, row in compared.items() if market in row}
        for market in compared[PLAIN]
    }


def by_liquidity(
    store: CostStore, ledger: comparisons.ComparisonLedger, rng: np.random.Generator
) -> dict[str, dict[str, comparisons.ScenarioCell]]:
    """Cells by thirds of the depth at arrival and of the volume just before, entered in the ledger; empty if
    arrivals were not recorded.
    """
    arrivals = store.main.arrivals
    if arrivals is None:
        return {}
    return {
        key: {
            name: _cell_of_episodes(store, rows, ledger, rng)
            for name, rows in terciles(values).items()
        }
        for key, values in (("depth", arrivals.depth), ("volume", arrivals.volume))
    }


def hindsight_bound(main: ScenarioCosts, rng: np.random.Generator) -> HindsightBound | None:
    """Lower bound of the cost of the same orders, with perfect foresight of the path; None if not computed."""
    bps = main.hindsight_bps
    if bps is None:
        return None
    cluster = next(iter(main.costs.values())).cluster
    return HindsightBound(LABEL, mean_interval(bps, cluster, rng))


def schedule_ratios(
    store: CostStore, rng: np.random.Generator
) -> dict[str, risk_statistics.ScheduleRatios]:
    """Ratios of the policies' costs to the schedules in the main market, by policy."""
    entries = [
        entry
        for entry in store.entries
        if entry.kind == "learned" or entry.name in risk_statistics.SCHEDULES
    ]
    return risk_statistics.ratios(entries, store.twins, rng)


def schedule_ratios_by_market(
    store: CostStore, rng: np.random.Generator
) -> dict[str, dict[str, risk_statistics.ScheduleRatios]]:
    """Ratios and differences of the reported rows to the schedules, by market and row."""
    rows = store.reported_rows
    bars = {}
    for market, judged in store.markets.items():
        entries = store.entries_in(judged)
        ratios = risk_statistics.ratios(
            [entry for entry in entries if entry.name in {*rows, *risk_statistics.SCHEDULES}],
            twin_mids(judged),
            rng,
        )
        bars[market] = {
            name: replace(
                ratios.get(name, risk_statistics.ScheduleRatios()),
                adaptability=_adaptability(entries, name, rng),
            )
            for name in rows
        }
    return bars


def _adaptability(
    entries: Sequence[JudgedEntry], name: str, rng: np.random.Generator
) -> dict[str, Estimate | None]:
    """Adaptability of a row less that of the baseline schedule, by the baseline's name."""
    responses = {entry.name: entry.responses for entry in entries}
    return {
        risk_statistics.ADAPTABILITY_BASELINE: risk_statistics.adaptability_gain(
            responses[name], responses.get(risk_statistics.ADAPTABILITY_BASELINE, ()), rng
        )
    }


def deflated_gain(store: CostStore, name: str) -> DeflatedScore | None:
    """Gain of a row over the best rule, deflated for the variants tried; None for too few clusters."""
    members = store.members(store.main).get(name, (name,))
    variants = max(variants_of(policy) for policy in store.policies if policy.key in members)
    return risk_statistics.deflated_gain(store.main_scores, name, store.best, variants)


def pooled_gains(
    store: CostStore,
    compared: ComparisonsByRegime,
    claims: Mapping[str, Claim],
    ledger: comparisons.ComparisonLedger,
    rng: np.random.Generator,
) -> dict[str, object]:
    """Gains of all policies on all rules pooled over the markets, with their names: for these (`these_markets`) and for a
    population of them (`any_markets`); those of no claim are entered in the ledger. Empty for a single market.
    """
    plain = compared[PLAIN]
    if len(plain) < 2:
        return {}
    scenarios = [resampled for _, resampled in plain.values()]
    everywhere = [
        name
        for name in store.challengers(store.main)
        if all(name in scenario.points for scenario in scenarios)
    ]
    return {"markets": list(plain)} | {
        key: {
            name: {
                rule.key: claims[name].against[rule.key].gain_in_view(key)
                if name in claims
                else ledger.enter(
                    comparisons.pooled_gain(scenarios, name, rule.key, rng, redraw_markets=redraw)
                )
                for rule in store.baselines
            }
            for name in everywhere
        }
        for key, redraw in POOLED.items()
    }


def seeds_gains(store: CostStore, rng: np.random.Generator) -> dict[str, SeedsGain]:
    """Interquartile mean of each recipe's gains over the best baseline, over training seeds and markets.

    Recipes with another number of seeds in some market are left out.
    """
    tables = {market: store.scores(judged) for market, judged in store.markets.items()}
    iqm_by_recipe = {}
    for name in store.recipes:
        teams = store.teams(name)
        by_market = [
            [
                float((scores.mean(store.best) - scores.mean(member)).mean())
                for member in teams[market]
            ]
            for market, scores in tables.items()
        ]
        if len({len(row) for row in by_market}) == 1:
            by_seed = [list(row) for row in zip(*by_market, strict=True)]
            estimate = interquartile_mean(by_seed, rng)
            iqm_by_recipe[name] = SeedsGain(
                estimate.mean, estimate.ci_low, estimate.ci_high, by_seed
            )
    return iqm_by_recipe


def sensitivity_cells(
    store: CostStore, rng: np.random.Generator
) -> dict[str, dict[str, ConditionCell]]:
    """Cells under other conditions, by axis (latency, fees, share) and value."""
    cells = dict[str, dict[str, ConditionCell]]()
    for axis, row in store.sensitivity.items():
        cells[axis] = {}
        for value, judged in row.items():
            resampled = comparisons.ResampledScores.of(store.scores(judged), rng)
            challengers = store.challengers(judged)
            gains = comparisons.gains(resampled, challengers, store.members(judged), rng)
            cells[axis][value] = ConditionCell(
                {
                    name: replicates.estimate()
                    for name, replicates in resampled.replicates(rng).items()
                },
                {name: gains[name][store.best].estimate() for name in challengers},
            )
    return cells


def gains_by_assumption(
    store: CostStore, claims: Mapping[str, Claim]
) -> dict[str, dict[str, dict[str, PairedGain]]] | None:
    """Gains of the reported rows with one assumption changed, by assumption, row and opponent; beside the ends of impact
    those of `claims`, at the market's own. None if none was examined.
    """
    if store.assumptions is None:
        return None
    rng = np.random.default_rng(SEED)
    ledger = comparisons.ComparisonLedger()
    gains = dict[str, dict[str, dict[str, PairedGain]]]()
    for label, markets in store.assumptions.items():
        assumed = replace(store, markets=markets, regimes={})
        compared = compare_everywhere(assumed, ledger, rng)
        gains[label] = {
            name: _gains_of(
                claim(name, compared, assumed.teams(name), ledger, rng, assumed.best_of_each)
            )
            for name in assumed.reported_rows
        }
    ledger.adjust()
    ends = [impact_label(ratio) for ratio in PASSIVE_IMPACT_INTERVAL]
    own = impact_label(store.main.scenario.market.passive_impact)
    if any(end in gains for end in ends):
        gains = {own: {name: _gains_of(row) for name, row in claims.items()}} | gains
    return gains


def _gains_of(row: Claim) -> dict[str, PairedGain]:
    """Gains of a claim on the best rule of each market, on `random` and on the agents' base rule, by opponent."""
    best = {key: comparison.gain for key, comparison in row.primary.items()}
    base = row.against.get(Guarded.name)
    view = SINGLE_MARKET if len(row.markets) == 1 else "these_markets"
    return best if base is None else best | {Guarded.name: base.gain_in_view(view)}


def adaptation_cells(store: CostStore, rng: np.random.Generator) -> dict[str, AdaptationCell]:
    """Cells where a regime begins half-way through the order, by regime."""
    cells = {}
    for regime, judged in store.adaptation.items():
        experts = store.trained_for.get(regime, ())
        specialist = f"{len(experts)} policies" if len(experts) > 1 else "".join(experts) or None
        team = {specialist: experts} if specialist is not None and len(experts) > 1 else {}
        members = store.members(judged)
        resampled = comparisons.ResampledScores.of(
            comparisons.Scores.of(judged.costs, {**members, **team}), rng
        )
        means = resampled.replicates(rng)
        gains = comparisons.gains(resampled, store.challengers(judged), members, rng)
        strategies = [name for name in means if name not in (specialist, *experts)]
        cells[regime] = AdaptationCell(
            {name: replicates.estimate() for name, replicates in means.items()},
            {
                name: {opponent: gain.estimate() for opponent, gain in row.items()}
                for name, row in gains.items()
            },
            specialist,
            None
            if specialist is None
            else {name: (means[name] - means[specialist]).estimate() for name in strategies},
            [name for name in risk_statistics.FROZEN if name in means],
            None
            if specialist is None
            else {name: risk_statistics.loss_to(means, name, specialist) for name in strategies},
        )
    return cells


def bound_of(main: ScenarioCosts) -> str | None:
    """Fill bound that verdicts are based on (on level totals `kind`: the queue model); None in a simulated market."""
    market = main.scenario.market
    if not market.on_tape:
        return None
    is_guessed = market.bound not in DEPTH_BOUNDS and by_level(cached_market(main.scenario).judged)
    return KIND if is_guessed else market.bound


def by_bound(store: CostStore) -> dict[str, dict[str, Estimate]]:
    """Mean shortfall of each candidate under every fill bound, drawn by a generator of its own; empty without bounds."""
    bound = bound_of(store.main)
    if bound is None or not store.bounds:
        return {}
    results = {bound: store.main} | dict(store.bounds)
    rng = np.random.default_rng(SEED)
    tables = {kind: store.scores(results[kind]) for kind in ALL_BOUNDS if kind in results}
    names = [
        name
        for name in store.main_scores.bps
        if all(name in table.bps for table in tables.values())
    ]
    return {
        kind: {name: mean_interval(table.mean(name), table.cluster, rng) for name in names}
        for kind, table in tables.items()
    }
