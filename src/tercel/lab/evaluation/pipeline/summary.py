"""Compute all figures of an evaluation's result from the costs of its scenarios."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np

from tercel.core.arrays import Indices
from tercel.core.stats import DeflatedScore, Estimate, interquartile_mean, mean_interval
from tercel.execution.market import describe_terms as venue_words
from tercel.execution.routing import ROUTED
from tercel.lab.evaluation import comparisons, risk_statistics
from tercel.lab.evaluation.arrivals import LABEL, terciles
from tercel.lab.evaluation.claims import POOLED, claim
from tercel.lab.evaluation.episodes import regimes_of
from tercel.lab.evaluation.judge import JudgedEntry, judge
from tercel.lab.evaluation.judged_run import REPLAY_NOTE
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.market_notes import describe_hindsight, describe_impact, describe_limit
from tercel.lab.evaluation.pipeline.candidates import policy_record, variants_of
from tercel.lab.evaluation.pipeline.evaluation import ORDERS_KEY, Evaluation, end_mids, twin_mids
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
from tercel.lab.evaluation.pipeline.scenario_results import Results
from tercel.lab.evaluation.scenario import PLAIN
from tercel.market.simulator.bounds import BOUNDS, KIND, by_level

SEED = 20_231
"""Of everything that the statistics draw: the same cells give the same figures."""


class _Conditions(NamedTuple):
    """Conditions of the judged orders in a table: market, task as plain values, kind of cluster, notes."""

    market: str
    task: dict[str, object]
    cluster: str
    notes: list[str]


class EvaluationSummary:
    """Summary of an evaluation, computed with one random generator and one ledger of comparisons."""

    def __init__(self, evaluation: Evaluation) -> None:
        """Prepare generator, ledger and shortfalls of the main scenario; compares all candidates in every market and regime."""
        self.evaluation = evaluation
        self.main = evaluation.main
        self.rng = np.random.default_rng(SEED)
        self.ledger = comparisons.ComparisonLedger()
        self.scores = evaluation.scores(self.main)
        self.scenarios = self._scenarios()
        self.main_comparison = next(iter(self.scenarios[PLAIN].values()))

    def figures(self) -> EvaluationResult:
        """Compute all figures of the evaluation, in a fixed order, since all draw from one generator; call once:
        comparisons are entered in the ledger.
        """
        evaluation = self.evaluation
        rng = self.rng
        scores = self.scores
        gains = self.main_comparison.gains
        conditions = self._conditions()
        judged = judge(
            evaluation.entries,
            evaluation.twins,
            rng,
            market=conditions.market,
            task=conditions.task,
            seeds=sorted({policy.card.seed for policy in evaluation.policies if policy.is_learned}),
            cluster=conditions.cluster,
            notes=[
                *conditions.notes,
                *evaluation.notes,
                *(
                    explanation.in_words(name)
                    for name, explanation in self.main.ways.items()
                    if name == ROUTED
                ),
            ],
            best=evaluation.best,
            paired={
                name: {opponent: gain.estimate() for opponent, gain in row.items()}
                for name, row in gains.items()
            },
        )
        if self.main.parts:
            list_note = "Orders of a list differ: impact is not separated; what own volume moved is in timing_bps."
            notes = [note for note in judged.notes if not note.startswith(REPLAY_NOTE)]
            judged = replace(judged, notes=(*notes, list_note))
        challengers = evaluation.challengers(self.main)
        costs = next(iter(self.main.costs.values()))
        chosen_on = evaluation.scores(evaluation.validation)
        self.claims = {
            name: claim(
                name,
                self.scenarios,
                evaluation.teams(name),
                self.ledger,
                rng,
                evaluation.best_of_each,
            )
            for name in evaluation.reported_rows
        }
        return EvaluationResult(
            **vars(judged) | {"paired": self.main_comparison.cell.paired},
            evaluation_seeds=list(evaluation.seeds),
            policies={policy.key: policy_record(policy) for policy in evaluation.policies},
            recipes={recipe.key: list(recipe.members) for recipe in evaluation.recipes},
            claims=self.claims,
            by_regime=self._by_regime(),
            by_market=self._by_market(),
            by_market_and_regime=self._by_market_and_regime(),
            by_liquidity=self._by_liquidity(),
            validation=Validation(evaluation.best, len(chosen_on), chosen_on.means()),
            sample_size=evaluation.sample_size,
            hindsight=self._hindsight(),
            ratios=self._ratios(),
            bars=self._bars(),
            cvar95_bps=risk_statistics.tail_means(scores, rng),
            wins=risk_statistics.win_shares(scores, challengers, rng),
            price_move_beta=risk_statistics.price_move_beta(
                scores, risk_statistics.price_moves(costs, end_mids(self.main)), rng
            ),
            by_side=risk_statistics.by_side(scores, costs.side),
            adaptability_vs={
                name: self._adaptability(evaluation.entries, name) for name in challengers
            },
            power={
                name: {opponent: comparisons.detectable(gain) for opponent, gain in row.items()}
                for name, row in gains.items()
            },
            deflated={name: self._deflate_gain(name) for name in challengers},
            pooled=self._pool_gains(),
            iqm=self._iqm(),
            sensitivity=self._sensitivity(),
            adaptation=self._adaptation(),
            comparisons=self.ledger.adjust(),
            checks=_checks(evaluation),
            apart=evaluation.apart,
            bound=self._bound(),
            by_bound=self._by_bound(),
        )

    def _bound(self) -> str | None:
        """Fill bound that verdicts are based on (on level totals the one that they have); None in a simulated market."""
        market = self.main.scenario.market
        if not market.on_tape:
            return None
        return KIND if by_level(cached_market(self.main.scenario).judged) else market.bound

    def _by_bound(self) -> dict[str, dict[str, Estimate]]:
        """Mean shortfall of each candidate under every fill bound, drawn by a generator of its own; empty without bounds."""
        bound = self._bound()
        if bound is None or not self.evaluation.bounds:
            return {}
        results = {bound: self.main} | dict(self.evaluation.bounds)
        rng = np.random.default_rng(SEED)
        tables = {kind: self.evaluation.scores(results[kind]) for kind in BOUNDS}
        names = [
            name for name in self.scores.bps if all(name in table.bps for table in tables.values())
        ]
        return {
            kind: {name: mean_interval(table.mean(name), table.cluster, rng) for name in names}
            for kind, table in tables.items()
        }

    def _conditions(self) -> _Conditions:
        """Name of the market, task, kind of cluster and notes of the main scenario, or of all orders of a list."""
        main = self.main
        built = cached_market(self.main.scenario)
        scenario = main.scenario
        parts = [results.scenario for results in main.parts or (main,)]
        market = built.name
        cluster = built.cluster
        notes = list(built.notes)
        task = scenario.task.to_dict()
        if main.parts:
            sentences = [
                sentence
                for part in parts
                for sentence in (*describe_limit(part), *describe_hindsight(part))
            ]
            venue = scenario.market.fees, scenario.task.latency, scenario.task.feed_latency
            notes = [
                *notes[:1],
                *describe_impact(built.judged),
                *dict.fromkeys(sentences),
                *venue_words(*venue),
            ]
        if scenario.orders:
            orders = [order for part in parts for order in part.orders]
            market = f"{len(orders)} orders of {', '.join(dict.fromkeys(order.symbol for order in orders))}, replayed"
            task = {ORDERS_KEY: [order.to_dict() for order in orders]}
            cluster = "day" if len({order.date for order in orders}) > 1 else cluster
        return _Conditions(market, task, cluster, notes)

    def _scenarios(self) -> dict[str, dict[str, comparisons.ScenarioComparison]]:
        """Compare candidates in every scenario, entering gains in the ledger: by regime and market, unchanged markets
        as `plain`.
        """

        def compared_in(row: Mapping[str, Results]) -> dict[str, comparisons.ScenarioComparison]:
            """Compare all candidates in each scenario of one group."""
            return {
                key: self.evaluation.compare(judged, self.ledger, self.rng)
                for key, judged in row.items()
            }

        by_regime = {PLAIN: compared_in(self.evaluation.markets)}
        for market, row in self.evaluation.regimes.items():
            for regime, comparison in compared_in(row).items():
                by_regime.setdefault(regime, {})[market] = comparison
        return by_regime

    def _by_regime(self) -> dict[str, RegimeCell]:
        """Cells of the main market by its prevailing regime (entered in the ledger), or with one regime each if these
        were run.
        """
        built = cached_market(self.main.scenario)
        main = next(iter(self.evaluation.markets))
        if not built.judged.regimes:
            return {
                regime: RegimeCell(
                    **vars(row[main].cell), share_of_time=1.0 if regime == PLAIN else None
                )
                for regime, row in self.scenarios.items()
            }
        plan = built.plan if self.main.plan_rows is None else built.plan.take(self.main.plan_rows)
        truth = regimes_of(built.judged, self.main.scenario.task, plan)
        share = truth.seconds.sum(axis=0) / truth.seconds.sum()
        return {
            truth.names[number]: RegimeCell(
                **vars(self._cell_of_episodes(np.flatnonzero(truth.longest == number))),
                share_of_time=float(share[number]),
            )
            for number in np.flatnonzero(share > 0).tolist()
        }

    def _cell_of_episodes(self, rows: Indices) -> comparisons.ScenarioCell:
        """Cell of some episodes of the main scenario, by row numbers; its gains are entered in the ledger."""
        challengers = self.evaluation.challengers(self.main)
        members = self.evaluation.members(self.main)
        return comparisons.scenario_cell(
            self.scores.select(rows), challengers, members, self.ledger, self.rng
        )

    def _by_market(self) -> dict[str, MarketCell]:
        """Cell of each market with its cheapest rule, by market."""
        rules = [rule.key for rule in self.evaluation.baselines if rule.kind == "baseline"]
        return {
            market: MarketCell.with_cheapest(rules, comparison.cell)
            for market, comparison in self.scenarios[PLAIN].items()
        }

    def _by_market_and_regime(self) -> dict[str, dict[str, comparisons.ScenarioCell]]:
        """Cells by market and regime; empty unless regimes were run alone."""
        if len(self.scenarios) < 2:
            return {}
        return {
            market: {
                regime: row[market].cell for regime, row in self.scenarios.items() if market in row
            }
            for market in self.scenarios[PLAIN]
        }

    def _by_liquidity(self) -> dict[str, dict[str, comparisons.ScenarioCell]]:
        """Cells by thirds of the depth at arrival and of the volume just before, entered in the ledger; empty if
        arrivals were not recorded.
        """
        arrivals = self.main.arrivals
        if arrivals is None:
            return {}
        return {
            key: {name: self._cell_of_episodes(rows) for name, rows in terciles(values).items()}
            for key, values in (("depth", arrivals.depth), ("volume", arrivals.volume))
        }

    def _pool_gains(self) -> Pooled:
        """Gains pooled over all markets: for these (`these_markets`) and for a population of them (`any_markets`);
        those of no claim are entered in the ledger.
        """
        plain = self.scenarios[PLAIN]
        if len(plain) < 2:
            return Pooled()
        scenarios = [comparison.resampled for comparison in plain.values()]
        everywhere = [
            name
            for name in self.evaluation.challengers(self.main)
            if all(name in scenario.points for scenario in scenarios)
        ]
        gains_by_pooling = {
            key: {
                name: {
                    rule.key: self.claims[name].against[rule.key].gain_in_view(key)
                    if name in self.claims
                    else self.ledger.enter(
                        comparisons.pooled_gain(
                            scenarios, name, rule.key, self.rng, redraw_markets=redraw
                        )
                    )
                    for rule in self.evaluation.baselines
                }
                for name in everywhere
            }
            for key, redraw in POOLED.items()
        }
        return Pooled(list(plain), **gains_by_pooling)

    def _iqm(self) -> dict[str, SeedsGain]:
        """Interquartile mean of each recipe's gains over the best baseline, over training seeds and markets.

        Recipes with another number of seeds in some market are left out.
        """
        tables = {
            market: self.evaluation.scores(judged)
            for market, judged in self.evaluation.markets.items()
        }
        iqm_by_recipe = {}
        for recipe in self.evaluation.recipes:
            teams = self.evaluation.teams(recipe.key)
            by_market = [
                [
                    float((scores.mean(self.evaluation.best) - scores.mean(member)).mean())
                    for member in teams[market]
                ]
                for market, scores in tables.items()
            ]
            if len({len(row) for row in by_market}) == 1:
                by_seed = [list(row) for row in zip(*by_market, strict=True)]
                estimate = interquartile_mean(by_seed, self.rng)
                iqm_by_recipe[recipe.key] = SeedsGain(
                    estimate.mean, estimate.ci_low, estimate.ci_high, by_seed
                )
        return iqm_by_recipe

    def _ratios(self) -> dict[str, risk_statistics.ScheduleRatios]:
        """Ratios of the policies' costs to the schedules in the main market, by policy."""
        entries = [
            entry
            for entry in self.evaluation.entries
            if entry.kind == "learned" or entry.name in risk_statistics.SCHEDULES
        ]
        return risk_statistics.ratios(entries, self.evaluation.twins, self.rng)

    def _bars(self) -> dict[str, dict[str, risk_statistics.ScheduleRatios]]:
        """Ratios and differences of the reported rows to the schedules, by market and row."""
        rows = self.evaluation.reported_rows
        bars = {}
        for market, judged in self.evaluation.markets.items():
            entries = self.evaluation.entries_in(judged)
            ratios = risk_statistics.ratios(
                [entry for entry in entries if entry.name in {*rows, *risk_statistics.SCHEDULES}],
                twin_mids(judged),
                self.rng,
            )
            bars[market] = {
                name: replace(
                    ratios.get(name, risk_statistics.ScheduleRatios()),
                    adaptability=self._adaptability(entries, name),
                )
                for name in rows
            }
        return bars

    def _hindsight(self) -> HindsightBound | None:
        """Lower bound of the cost of the same orders, with perfect foresight of the path; None if not computed."""
        bps = self.main.hindsight_bps
        if bps is None:
            return None
        cluster = next(iter(self.main.costs.values())).cluster
        return HindsightBound(LABEL, mean_interval(bps, cluster, self.rng))

    def _adaptability(
        self, entries: Sequence[JudgedEntry], name: str
    ) -> dict[str, Estimate | None]:
        """Adaptability of a row less that of the baseline schedule, by the baseline's name."""
        responses = {entry.name: entry.responses for entry in entries}
        return {
            risk_statistics.ADAPTABILITY_BASELINE: risk_statistics.adaptability_gain(
                responses[name], responses.get(risk_statistics.ADAPTABILITY_BASELINE, ()), self.rng
            )
        }

    def _deflate_gain(self, name: str) -> DeflatedScore | None:
        """Gain of a row over the best rule, deflated for the variants tried; None for too few clusters."""
        members = self.evaluation.members(self.main).get(name, (name,))
        variants = max(
            variants_of(policy) for policy in self.evaluation.policies if policy.key in members
        )
        return risk_statistics.deflated_gain(self.scores, name, self.evaluation.best, variants)

    def _sensitivity(self) -> dict[str, dict[str, ConditionCell]]:
        """Cells under other conditions, by axis (latency, fees, share) and value."""
        cells = dict[str, dict[str, ConditionCell]]()
        for axis, row in self.evaluation.sensitivity.items():
            cells[axis] = {}
            for value, judged in row.items():
                resampled = comparisons.ResampledScores.of(self.evaluation.scores(judged), self.rng)
                challengers = self.evaluation.challengers(judged)
                gains = comparisons.gains(
                    resampled, challengers, self.evaluation.members(judged), self.rng
                )
                cells[axis][value] = ConditionCell(
                    {
                        name: replicates.estimate()
                        for name, replicates in resampled.replicates(self.rng).items()
                    },
                    {name: gains[name][self.evaluation.best].estimate() for name in challengers},
                )
        return cells

    def _adaptation(self) -> dict[str, AdaptationCell]:
        """Cells where a regime begins half-way through the order, by regime."""
        cells = {}
        for regime, judged in self.evaluation.adaptation.items():
            experts = self.evaluation.trained_for.get(regime, ())
            specialist = (
                f"{len(experts)} policies" if len(experts) > 1 else "".join(experts) or None
            )
            team = {specialist: experts} if specialist is not None and len(experts) > 1 else {}
            members = self.evaluation.members(judged)
            resampled = comparisons.ResampledScores.of(
                comparisons.Scores.of(judged.costs, {**members, **team}), self.rng
            )
            means = resampled.replicates(self.rng)
            gains = comparisons.gains(
                resampled, self.evaluation.challengers(judged), members, self.rng
            )
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
                else {
                    name: risk_statistics.loss_to(means, name, specialist) for name in strategies
                },
            )
        return cells


def _checks(evaluation: Evaluation) -> list[str]:
    """Check the costs of all runs again (raises), and say so in sentences; with counts of sides and fills, and the notes."""
    parts = (*evaluation.regimes.values(), *evaluation.sensitivity.values())
    scenarios = [
        *evaluation.markets.values(),
        *(judged for row in parts for judged in row.values()),
        *evaluation.adaptation.values(),
    ]
    runs = [costs for judged in scenarios for costs in judged.costs.values()]
    for costs in runs:
        costs.check()
    episodes = sum(len(costs) for costs in runs)
    sides = next(iter(evaluation.main.costs.values())).side
    guards = [judged.guard for judged in evaluation.markets.values() if judged.guard is not None]
    fills = "Fills were not looked at one by one."
    if guards:
        guard = reduce(add, guards)
        touch_text = f"; {guard.decisions:,} decisions took at the touch they saw, none more than the lots displayed there"
        fills = f"Fills: {guard.takes:,} takes looked at, none at mid or better{touch_text if guard.decisions else ''}."
    return [
        f"Lots add up in {episodes:,} episodes of {len(runs)} runs: none filled twice, none beyond the order.",
        f"Sides: {int((sides > 0).sum()):,} buys and {int((sides < 0).sum()):,} sells.",
        fills,
        *evaluation.notes,
    ]
