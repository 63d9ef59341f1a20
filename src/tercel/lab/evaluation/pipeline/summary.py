"""Summary of an evaluation, from everything that was run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np

from tercel.core.arrays import Indices
from tercel.core.stats import DeflatedScore, Estimate, interquartile_mean, mean_interval
from tercel.execution.market import in_words as venue_words
from tercel.execution.routing import ROUTED
from tercel.lab.evaluation import comparisons, risk_statistics
from tercel.lab.evaluation.arrivals import LABEL, terciles
from tercel.lab.evaluation.claims import POOLED, claim
from tercel.lab.evaluation.comparisons import REPLAY_NOTE
from tercel.lab.evaluation.episodes import regimes_of
from tercel.lab.evaluation.judge import JudgedEntry, judge
from tercel.lab.evaluation.market import (
    cached_market,
    hindsight_in_words,
    impact_in_words,
    limit_in_words,
)
from tercel.lab.evaluation.pipeline.candidates import policy_record, variants_of
from tercel.lab.evaluation.pipeline.evaluation import (
    LISTED,
    AdaptationCell,
    ConditionCell,
    Evaluation,
    EvaluationResult,
    HindsightBound,
    MarketCell,
    Pooled,
    RegimeCell,
    SeedsGain,
    Validation,
    course_of,
    twins_of,
)
from tercel.lab.evaluation.pipeline.jobs import Results
from tercel.lab.evaluation.scenario import PLAIN
from tercel.market.simulator.source import BOUNDS, KIND, by_level

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
        self.evaluation = evaluation
        self.main = evaluation.main
        self.rng = np.random.default_rng(SEED)
        self.ledger = comparisons.ComparisonLedger()
        self.scores = evaluation.scores(self.main)
        self.scenarios = self._scenarios()
        self.first = next(iter(self.scenarios[PLAIN].values()))

    def figures(self) -> EvaluationResult:
        """The answers; in this order, as everything draws from one generator and the ledger is adjusted last."""
        evaluation, rng, scores, found = self.evaluation, self.rng, self.scores, self.first.gains
        where = self._conditions()
        judged = judge(
            evaluation.entries,
            evaluation.twins,
            rng,
            market=where.market,
            task=where.task,
            seeds=sorted({one.card.seed for one in evaluation.policies if one.learned}),
            cluster=where.cluster,
            notes=[
                *where.notes,
                *evaluation.notes,
                *(one.in_words(name) for name, one in self.main.ways.items() if name == ROUTED),
            ],
            best=evaluation.best,
            paired={
                name: {other: gain.estimate() for other, gain in row.items()}
                for name, row in found.items()
            },
        )
        if self.main.parts:
            apart = "Orders of a list differ: impact is not separated; what own volume moved is in timing_bps."
            notes = [note for note in judged.notes if not note.startswith(REPLAY_NOTE)]
            judged = replace(judged, notes=(*notes, apart))
        challengers, costs = evaluation.challengers(self.main), next(iter(self.main.costs.values()))
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
            **vars(judged) | {"paired": self.first.cell.paired},
            evaluation_seeds=list(evaluation.seeds),
            policies={one.key: policy_record(one) for one in evaluation.policies},
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
            cvar95_bps=risk_statistics.tails(scores, rng),
            wins=risk_statistics.wins(scores, challengers, rng),
            price_move_beta=risk_statistics.price_move_beta(
                scores, risk_statistics.price_moves(costs, course_of(self.main)), rng
            ),
            by_side=risk_statistics.by_side(scores, costs.side),
            adaptability_vs={
                name: self._adaptability(evaluation.entries, name) for name in challengers
            },
            power={
                name: {other: comparisons.detectable(gain) for other, gain in row.items()}
                for name, row in found.items()
            },
            deflated={name: self._deflated(name) for name in challengers},
            pooled=self._pooled(),
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
        """The bound on fills that verdicts are by; level totals have one alone."""
        market = self.main.scenario.market
        if not market.on_tape:
            return None
        return KIND if by_level(cached_market(self.main.scenario).judged) else market.bound

    def _by_bound(self) -> dict[str, dict[str, Estimate]]:
        """Shortfalls of all candidates by fill assumption; drawn from a separate generator, so that no other figure
        depends on them."""
        bound = self._bound()
        if bound is None or not self.evaluation.bounds:
            return {}
        found = {bound: self.main} | dict(self.evaluation.bounds)
        rng = np.random.default_rng(SEED)
        tables = {one: self.evaluation.scores(found[one]) for one in BOUNDS}
        names = [
            name for name in self.scores.bps if all(name in table.bps for table in tables.values())
        ]
        return {
            one: {name: mean_interval(table.mean(name), table.cluster, rng) for name in names}
            for one, table in tables.items()
        }

    def _conditions(self) -> _Conditions:
        """Market, order and clusters of the main scenario, or of all orders of a list."""
        main, built = self.main, cached_market(self.main.scenario)
        scenario, parts = main.scenario, [one.scenario for one in main.parts or (main,)]
        market, cluster, notes = built.name, built.cluster, list(built.notes)
        task = scenario.task.to_dict()
        if main.parts:
            sentences = [
                words for one in parts for words in (*limit_in_words(one), *hindsight_in_words(one))
            ]
            venue = scenario.market.fees, scenario.task.latency, scenario.task.feed_latency
            notes = [
                *notes[:1],
                *impact_in_words(built.judged),
                *dict.fromkeys(sentences),
                *venue_words(*venue),
            ]
        if scenario.orders:
            orders = [order for one in parts for order in one.orders]
            market = f"{len(orders)} orders of {', '.join(dict.fromkeys(order.symbol for order in orders))}, replayed"
            task = {LISTED: [order.to_dict() for order in orders]}
            cluster = "day" if len({order.date for order in orders}) > 1 else cluster
        return _Conditions(market, task, cluster, notes)

    # -- parts and scenarios -------------------------------------------------------------------------------------------

    def _scenarios(self) -> dict[str, dict[str, comparisons.ScenarioComparison]]:
        """Regime -> market -> what was compared there; plain: the markets as they are, the main one first."""

        def compared_in(row: Mapping[str, Results]) -> dict[str, comparisons.ScenarioComparison]:
            return {
                key: self.evaluation.compare(judged, self.ledger, self.rng)
                for key, judged in row.items()
            }

        found = {PLAIN: compared_in(self.evaluation.markets)}
        for market, row in self.evaluation.regimes.items():
            for regime, one in compared_in(row).items():
                found.setdefault(regime, {})[market] = one
        return found

    def _by_regime(self) -> dict[str, RegimeCell]:
        """The main market by the regime that was in force longest, or with one regime each."""
        built, main = cached_market(self.main.scenario), next(iter(self.evaluation.markets))
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
                **vars(self._part(np.flatnonzero(truth.most == number))),
                share_of_time=float(share[number]),
            )
            for number in np.flatnonzero(share > 0).tolist()
        }

    def _part(self, rows: Indices) -> comparisons.ScenarioCell:
        """Some episodes of the main scenario."""
        challengers, members = (
            self.evaluation.challengers(self.main),
            self.evaluation.members(self.main),
        )
        return comparisons.compared(
            self.scores.part(rows), challengers, members, self.ledger, self.rng
        )

    def _by_market(self) -> dict[str, MarketCell]:
        written = [one.key for one in self.evaluation.baselines if one.kind == "baseline"]
        return {
            market: MarketCell.among(written, one.cell)
            for market, one in self.scenarios[PLAIN].items()
        }

    def _by_market_and_regime(self) -> dict[str, dict[str, comparisons.ScenarioCell]]:
        """Market -> regime -> cell, where regimes were run by themselves."""
        if len(self.scenarios) < 2:
            return {}
        return {
            market: {
                regime: row[market].cell for regime, row in self.scenarios.items() if market in row
            }
            for market in self.scenarios[PLAIN]
        }

    def _by_liquidity(self) -> dict[str, dict[str, comparisons.ScenarioCell]]:
        """By thirds of what stood in the book at arrival, and of what was traded just before."""
        arrivals = self.main.arrivals
        if arrivals is None:
            return {}
        return {
            key: {name: self._part(rows) for name, rows in terciles(values).items()}
            for key, values in (("depth", arrivals.depth), ("volume", arrivals.volume))
        }

    def _pooled(self) -> Pooled:
        """Over all markets: for these (`these_markets`), and for such as could have been chosen (`any_markets`)."""
        plain = self.scenarios[PLAIN]
        if len(plain) < 2:
            return Pooled()
        scenarios = [one.resampled for one in plain.values()]
        everywhere = [
            name
            for name in self.evaluation.challengers(self.main)
            if all(name in one.points for one in scenarios)
        ]
        found = {
            key: {
                name: {
                    one.key: self.claims[name].against[one.key].view(key)
                    if name in self.claims
                    else self.ledger.enter(
                        comparisons.pooled_gain(
                            scenarios, name, one.key, self.rng, redraw_markets=redraw
                        )
                    )
                    for one in self.evaluation.baselines
                }
                for name in everywhere
            }
            for key, redraw in POOLED.items()
        }
        return Pooled(list(plain), **found)

    def _iqm(self) -> dict[str, SeedsGain]:
        """Recipe -> interquartile mean of the gains over the best baseline, training seeds by markets."""
        tables = {
            market: self.evaluation.scores(judged)
            for market, judged in self.evaluation.markets.items()
        }
        found = {}
        for recipe in self.evaluation.recipes:
            teams = self.evaluation.teams(recipe.key)
            by_market = [
                [
                    float((there.mean(self.evaluation.best) - there.mean(member)).mean())
                    for member in teams[market]
                ]
                for market, there in tables.items()
            ]
            if len({len(row) for row in by_market}) == 1:
                by_seed = [list(row) for row in zip(*by_market, strict=True)]
                one = interquartile_mean(by_seed, self.rng)
                found[recipe.key] = SeedsGain(one.mean, one.ci_low, one.ci_high, by_seed)
        return found

    # -- questions -----------------------------------------------------------------------------------------------------

    def _ratios(self) -> dict[str, risk_statistics.ScheduleRatios]:
        wanted = [
            entry
            for entry in self.evaluation.entries
            if entry.kind == "learned" or entry.name in risk_statistics.SCHEDULES
        ]
        return risk_statistics.ratios(wanted, self.evaluation.twins, self.rng)

    def _bars(self) -> dict[str, dict[str, risk_statistics.ScheduleRatios]]:
        """Market -> row with verdicts -> ratios to the schedules, differences of risk and adaptability."""
        rows, found = self.evaluation.reported_rows, {}
        for market, judged in self.evaluation.markets.items():
            entries = self.evaluation.entries_in(judged)
            beside = risk_statistics.ratios(
                [one for one in entries if one.name in {*rows, *risk_statistics.SCHEDULES}],
                twins_of(judged),
                self.rng,
            )
            found[market] = {
                name: replace(
                    beside.get(name, risk_statistics.ScheduleRatios()),
                    adaptability=self._adaptability(entries, name),
                )
                for name in rows
            }
        return found

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
        responses = {entry.name: entry.responses for entry in entries}
        return {
            risk_statistics.RIGID: risk_statistics.adaptability_gain(
                responses[name], responses.get(risk_statistics.RIGID, ()), self.rng
            )
        }

    def _deflated(self, name: str) -> DeflatedScore | None:
        members = self.evaluation.members(self.main).get(name, (name,))
        tried = max(variants_of(one) for one in self.evaluation.policies if one.key in members)
        return risk_statistics.deflated_gain(self.scores, name, self.evaluation.best, tried)

    def _sensitivity(self) -> dict[str, dict[str, ConditionCell]]:
        """Axis -> value -> shortfalls, and what each policy saves against the best baseline."""
        found = dict[str, dict[str, ConditionCell]]()
        for axis, row in self.evaluation.sensitivity.items():
            found[axis] = {}
            for value, judged in row.items():
                resampled = comparisons.ResampledScores.of(self.evaluation.scores(judged), self.rng)
                challengers = self.evaluation.challengers(judged)
                saved = comparisons.gains(
                    resampled, challengers, self.evaluation.members(judged), self.rng
                )
                found[axis][value] = ConditionCell(
                    {name: one.estimate() for name, one in resampled.replicates(self.rng).items()},
                    {name: saved[name][self.evaluation.best].estimate() for name in challengers},
                )
        return found

    def _adaptation(self) -> dict[str, AdaptationCell]:
        """Regime that begins half-way -> shortfalls, gains, and losses to the policy trained in it if one was given."""
        found = {}
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
            saved = comparisons.gains(
                resampled, self.evaluation.challengers(judged), members, self.rng
            )
            others = [name for name in means if name not in (specialist, *experts)]
            found[regime] = AdaptationCell(
                {name: one.estimate() for name, one in means.items()},
                {
                    name: {other: gain.estimate() for other, gain in row.items()}
                    for name, row in saved.items()
                },
                specialist,
                None
                if specialist is None
                else {name: (means[name] - means[specialist]).estimate() for name in others},
                [name for name in risk_statistics.FROZEN if name in means],
                None
                if specialist is None
                else {name: risk_statistics.loss_to(means, name, specialist) for name in others},
            )
        return found


def _checks(evaluation: Evaluation) -> list[str]:
    """Checks that passed, in words: every reading of costs checks them (`Costs.check`)."""
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
        seen = reduce(add, guards)
        saw = f"; {seen.decisions:,} decisions took at the touch they saw, none more than the lots displayed there"
        fills = f"Fills: {seen.takes:,} takes looked at, none at mid or better{saw if seen.decisions else ''}."
    return [
        f"Lots add up in {episodes:,} episodes of {len(runs)} runs: none filled twice, none beyond the order.",
        f"Sides: {int((sides > 0).sum()):,} buys and {int((sides < 0).sum()):,} sells.",
        fills,
        *evaluation.notes,
    ]
