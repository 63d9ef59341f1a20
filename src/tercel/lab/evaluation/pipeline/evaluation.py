"""Results of an evaluation: the table of `tercel run` and its robustness checks, read by attribute."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import CapacityError, ConfigError
from tercel.core.serialization import Record
from tercel.core.stats import DeflatedScore, Estimate, PairedGain
from tercel.core.vocabulary import DAY_NS
from tercel.execution.costs import Costs
from tercel.lab.evaluation.claims import BEST, RANDOM, Claim
from tercel.lab.evaluation.comparisons import (
    ComparisonLedger,
    JudgedRun,
    ScenarioCell,
    ScenarioComparison,
    Scores,
    compare,
)
from tercel.lab.evaluation.judge import JudgedEntry
from tercel.lab.evaluation.pipeline.candidates import Candidate, Recipe
from tercel.lab.evaluation.pipeline.jobs import Results
from tercel.lab.evaluation.risk_statistics import SampleSize, ScheduleRatios
from tercel.lab.evaluation.windows import BLOCK_NS


@dataclass(frozen=True)
class RegimeCell(ScenarioCell):
    """A regime, and its share of the time; None where it was run by itself."""

    share_of_time: float | None = None


@dataclass(frozen=True)
class MarketCell(ScenarioCell):
    """A market, and the rule that was cheapest on the judged episodes."""

    best_baseline: str = ""

    @classmethod
    def among(cls, written: Sequence[str], cell: ScenarioCell) -> "MarketCell":
        """The cell with the cheapest of the rules."""
        return cls(
            **vars(cell), best_baseline=min(written, key=lambda name: cell.is_bps[name].mean)
        )


@dataclass(frozen=True)
class Validation(Record):
    """The rules on the episodes on which the best of them was chosen."""

    best_baseline: str
    episodes: int
    is_bps: Mapping[str, float]


@dataclass(frozen=True)
class HindsightBound(Record):
    """Lower bound of the cost of the same orders, with perfect foresight of the path."""

    label: str
    is_bps: Estimate


@dataclass(frozen=True)
class Pooled(Record):
    """Gains over all markets, policy -> opponent: for such as could have been chosen, and for these."""

    markets: list[str] = field(default_factory=list)
    any_markets: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    these_markets: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)

    def json_fields(self) -> dict[str, object]:
        """Nothing for a single market."""
        return super().json_fields() if self.markets else {}


@dataclass(frozen=True)
class SeedsGain(Estimate):
    """Interquartile mean of gains over training seeds and markets; `by_seed`: the gain in each market, by seed."""

    by_seed: list[list[float]]


@dataclass(frozen=True)
class ConditionCell(Record):
    """Shortfalls under another latency, fee or size of order, and what each policy saves."""

    is_bps: Mapping[str, Estimate]
    paired_vs_best_baseline: Mapping[str, Estimate]


@dataclass(frozen=True)
class AdaptationCell(Record):
    """A regime that begins half-way.

    Parameters
    ----------
    is_bps : mapping of strategy to Estimate
    paired : mapping of policy to opponent to Estimate
    specialist : str or None
        The policy trained in the regime.
    difference_to_specialist, loss_to_specialist : mapping of strategy to Estimate, or None
        Additional cost of each, bps and as a share; None without a specialist.
    frozen : list of str
        Schedules frozen at arrival.
    """

    is_bps: Mapping[str, Estimate]
    paired: Mapping[str, Mapping[str, Estimate]]
    specialist: str | None
    difference_to_specialist: Mapping[str, Estimate] | None
    frozen: list[str]
    loss_to_specialist: Mapping[str, Estimate] | None

    @property
    def beside_specialist(self) -> dict[str, tuple[Estimate, Estimate]]:
        """Difference and loss of each strategy."""
        losses = self.loss_to_specialist or {}
        return {
            name: (more, losses[name])
            for name, more in (self.difference_to_specialist or {}).items()
        }

    @property
    def is_cost(self) -> bool:
        """Whether the specialist's interval lies above 0: of anything else a percentage says nothing."""
        low = None if self.specialist is None else self.is_bps[self.specialist].ci_low
        return low is not None and low > 0


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(JudgedRun):
    """The JSON of an evaluation, field by field.

    Parameters
    ----------
    paired : mapping of policy to opponent to PairedGain
        Corrected for all comparisons.
    evaluation_seeds : list of int
        Base seeds of the judged episodes.
    policies : mapping of policy to its record
    recipes : mapping of recipe to list of policies
    claims : mapping of row to Claim
    by_regime, by_market, by_market_and_regime, by_liquidity : mapping of part to cell
    validation : Validation
    sample_size : SampleSize or None
    hindsight : HindsightBound or None
    ratios : mapping of policy to ScheduleRatios
    bars : mapping of market to row to ScheduleRatios
    cvar95_bps : mapping of strategy to Estimate
        Mean of the most expensive 5 % of episodes, bps.
    wins : mapping of policy to opponent to Estimate
        Share of episodes in which the policy is cheaper.
    price_move_beta : mapping of strategy to Estimate
        Slope of the cost on the adverse move, bps a bp.
    by_side : mapping of strategy to side to float
        Mean shortfall of buys and of sells, bps.
    adaptability_vs : mapping of policy to opponent to Estimate or None
    power : mapping of policy to opponent to float or None
        Smallest true gain that is found with 80 % power, bps.
    deflated : mapping of policy to DeflatedScore or None
    pooled : Pooled
    iqm : mapping of recipe to SeedsGain
    sensitivity : mapping of axis to value to ConditionCell
    adaptation : mapping of regime to AdaptationCell
    comparisons : int
        Number of corrected comparisons.
    checks : list of str
        Checks that passed, in words.
    apart : mapping of part to Estimate or None, optional
        Cost saving of each part of a strategy, bps; None for a part that it does not have, and None in all if not
        requested.
    bound : str or None
        (on tape) The bound on fills that verdicts are by.
    by_bound : mapping of bound to strategy to Estimate
        Mean shortfall under every bound, bps; empty in a simulated market, or on level totals.
    """

    paired: Mapping[str, Mapping[str, PairedGain]]
    evaluation_seeds: list[int]
    policies: Mapping[str, Mapping[str, object]]
    recipes: Mapping[str, list[str]]
    claims: Mapping[str, Claim]
    by_regime: Mapping[str, RegimeCell]
    by_market: Mapping[str, MarketCell]
    by_market_and_regime: Mapping[str, Mapping[str, ScenarioCell]]
    by_liquidity: Mapping[str, Mapping[str, ScenarioCell]]
    validation: Validation
    sample_size: SampleSize | None
    hindsight: HindsightBound | None
    ratios: Mapping[str, ScheduleRatios]
    bars: Mapping[str, Mapping[str, ScheduleRatios]]
    cvar95_bps: Mapping[str, Estimate]
    wins: Mapping[str, Mapping[str, Estimate]]
    price_move_beta: Mapping[str, Estimate]
    by_side: Mapping[str, Mapping[str, float]]
    adaptability_vs: Mapping[str, Mapping[str, Estimate | None]]
    power: Mapping[str, Mapping[str, float | None]]
    deflated: Mapping[str, DeflatedScore | None]
    pooled: Pooled
    iqm: Mapping[str, SeedsGain]
    sensitivity: Mapping[str, Mapping[str, ConditionCell]]
    adaptation: Mapping[str, AdaptationCell]
    comparisons: int
    checks: list[str]
    apart: Mapping[str, Estimate | None] | None = None
    bound: str | None = None
    by_bound: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    @property
    def reported_rows(self) -> list[str]:
        """Rows with verdicts, best first: recipes, and policies that belong to none; none against a rule that cannot be
        ranked.
        """
        inside = {member for members in self.recipes.values() for member in members}
        if self.is_unranked(self.best_baseline):
            return []
        gains = {
            name: self.gain_on_best(name).mean
            for name in self.paired
            if name not in inside and not self.is_unranked(name)
        }
        return sorted(gains, key=lambda name: (np.isnan(gains[name]), -gains[name]))

    def gain_on_best(self, name: str) -> PairedGain:
        """The gain of a row over the best rule: of each market, if there are several."""
        primary = self.claims[name].primary if len(self.by_market) > 1 else {}
        return primary[BEST].gain if BEST in primary else self.paired[name][self.best_baseline]

    @property
    def thirds(self) -> dict[str, ScenarioCell]:
        """Cells by liquidity at arrival: "thin depth" and the like."""
        return {
            f"{third} {axis}": cell
            for axis, row in self.by_liquidity.items()
            for third, cell in row.items()
        }


# -- results --------------------------------------------------------------------------------------

LISTED = "orders"
"""Name of a list of orders in place of a market."""


def twins_of(judged: Results) -> Ints | None:
    """Mids of a scenario without own orders, half ticks; None where nothing answers or none were recorded."""
    arrivals = judged.arrivals
    return arrivals.mid2_grid if arrivals is not None and judged.scenario.market.answers else None


def course_of(judged: Results) -> Ints:
    """Mids of a scenario's episodes without own orders, at both ends: int64 (n, 2), half ticks."""
    return np.concatenate(
        [
            one.arrivals.mid2_grid[:, [0, -1]]
            for one in judged.parts or (judged,)
            if one.arrivals is not None
        ]
    )


def as_one(scenarios: Sequence[Results]) -> Results:
    """Several scenarios with the same candidates as one: every order counts alike; days are clusters if several.

    Of several, what belongs to single scenarios (courses of mids, decisions) is left out.
    """
    if len(scenarios) == 1 and not scenarios[0].scenario.orders:
        return scenarios[0]
    costs = {key: Costs.concat([one.costs[key] for one in scenarios]) for key in scenarios[0].costs}
    half_hours = next(iter(costs.values())).cluster
    days = half_hours * BLOCK_NS // DAY_NS
    if not scenarios[0].scenario.validation and len(np.unique(days)) > 1:
        costs = {key: replace(one, cluster=days) for key, one in costs.items()}
    bounds = [one.hindsight_bps for one in scenarios if one.hindsight_bps is not None]
    bound = np.concatenate(bounds) if len(bounds) == len(scenarios) else None
    if len(scenarios) == 1:
        return replace(scenarios[0], costs=costs)
    seen = [one.guard for one in scenarios if one.guard is not None]
    guard = reduce(add, seen) if seen else None
    return Results(scenarios[0].scenario, costs, {}, None, guard, bound, tuple(scenarios))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of an evaluation, read from disk.

    Parameters
    ----------
    policies, baselines : sequence of Candidate
    recipes : sequence of Recipe
    validation : Results
        The rules on the main market's episodes on which the best one is chosen.
    markets : mapping of name to Results
        The main one first, whose table is printed.
    regimes : mapping of market to regime to Results
        Each market in each named regime by itself, if requested.
    seeds : tuple of int
        Base seeds of the episodes.
    notes : list of str
    sensitivity : mapping of axis to value to Results
    adaptation : mapping of regime to Results
    trained_for : mapping of regime to tuple of key
        Policies trained in it.
    validations : mapping of market to Results
        As `validation`, of the other markets.
    bounds : mapping of bound to Results
        The first market under the other bounds on fills, costs alone.
    sample_size : SampleSize or None
        Number of episodes for 1 bps, as printed before the evaluation.
    apart : mapping of part to Estimate or None, optional
        Cost saving of each part of the analysed row in the main market, bps.
    """

    policies: Sequence[Candidate]
    baselines: Sequence[Candidate]
    recipes: Sequence[Recipe]
    validation: Results
    markets: Mapping[str, Results]
    regimes: Mapping[str, Mapping[str, Results]]
    seeds: tuple[int, ...]
    notes: list[str]
    sensitivity: Mapping[str, Mapping[str, Results]] = field(default_factory=dict)
    adaptation: Mapping[str, Results] = field(default_factory=dict)
    trained_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    validations: Mapping[str, Results] = field(default_factory=dict)
    bounds: Mapping[str, Results] = field(default_factory=dict)
    sample_size: SampleSize | None = None
    apart: Mapping[str, Estimate | None] | None = None

    @cached_property
    def best(self) -> str:
        """The best rule on the validation episodes of the main market: THE baseline."""
        return self._best_on(self.validation)

    @cached_property
    def best_of_each(self) -> dict[str, str]:
        """Market -> the best rule on its validation episodes."""
        elsewhere = {market: self._best_on(judged) for market, judged in self.validations.items()}
        return {market: elsewhere.get(market, self.best) for market in self.markets}

    def _best_on(self, validation: Results) -> str:
        written = {one.key for one in self.baselines if one.kind == "baseline"}
        scores = self.scores(validation)
        means = {name: mean for name, mean in scores.means().items() if name in written}
        return min(means, key=lambda name: (name in scores.unranked, means[name]))

    def members(self, judged: Results) -> dict[str, tuple[str, ...]]:
        """Recipe -> its policies in a scenario; those that have none there are left out."""
        found = {
            one.key: tuple(member for member in one.members if member in judged.costs)
            for one in self.recipes
        }
        return {key: members for key, members in found.items() if members}

    def teams(self, name: str) -> dict[str, tuple[str, ...]]:
        """Market -> the policies behind a row there."""
        return {
            market: self.members(judged).get(name, (name,))
            for market, judged in self.markets.items()
        }

    def challengers(self, judged: Results) -> list[str]:
        """Rows of a scenario that are compared: recipes, then policies."""
        return [
            *self.members(judged),
            *(one.key for one in self.policies if one.key in judged.costs),
        ]

    @property
    def scenarios(self) -> Iterator[Results]:
        """Results of all judged scenarios."""
        yield self.validation
        yield from self.validations.values()
        yield from self.markets.values()
        for row in (*self.regimes.values(), *self.sensitivity.values()):
            yield from row.values()
        yield from self.adaptation.values()

    def without(self, gone: Collection[str], notes: Sequence[str] = ()) -> "Evaluation":
        """The same evaluation without some rules.

        Raises
        ------
        ConfigError
            None is left that could be the best rule.
        """
        left = [one for one in self.baselines if one.key not in gone]
        if not any(one.kind == "baseline" for one in left):
            raise ConfigError(
                "a rule to compare with",
                "; ".join(notes),
                "name others with `against=`",
            )
        return replace(self, baselines=left, notes=[*self.notes, *notes]).changed(
            lambda judged: judged.without(gone)
        )

    def changed(self, change: Callable[[Results], Results]) -> "Evaluation":
        """The same evaluation with every scenario changed."""

        def each(row: Mapping[str, Results]) -> dict[str, Results]:
            return {name: change(judged) for name, judged in row.items()}

        return replace(
            self,
            validation=change(self.validation),
            validations=each(self.validations),
            markets=each(self.markets),
            regimes={name: each(row) for name, row in self.regimes.items()},
            sensitivity={name: each(row) for name, row in self.sensitivity.items()},
            adaptation=each(self.adaptation),
        )

    @property
    def reported_rows(self) -> list[str]:
        """Rows with verdicts: recipes, and policies that belong to none."""
        inside = {member for recipe in self.recipes for member in recipe.members}
        return [
            *(one.key for one in self.recipes),
            *(one.key for one in self.policies if one.key not in inside),
        ]

    @property
    def main(self) -> Results:
        """Results in the first market."""
        return next(iter(self.markets.values()))

    @property
    def twins(self) -> Ints | None:
        """Mids of the main scenario without own orders; None where nothing answers."""
        return twins_of(self.main)

    @cached_property
    def entries(self) -> list[JudgedEntry]:
        """Rows of the main scenario for the judge."""
        return self.entries_in(self.main)

    def entries_in(self, judged: Results) -> list[JudgedEntry]:
        """Rows of a scenario for the judge: recipes, policies, rules."""
        single = [
            JudgedEntry(one.key, one.kind, (judged.costs[one.key],), _responses(judged, [one.key]))
            for one in [*self.policies, *self.baselines]
            if one.key in judged.costs
        ]
        joined = [
            JudgedEntry(
                key, "learned", tuple(judged.costs[m] for m in members), _responses(judged, members)
            )
            for key, members in self.members(judged).items()
        ]
        return [*joined, *single]

    def scores(self, judged: Results) -> Scores:
        """Shortfalls in a scenario, recipes included where their members are."""
        return Scores.of(judged.costs, self.members(judged))

    def compare(
        self, judged: Results, ledger: ComparisonLedger, rng: np.random.Generator
    ) -> ScenarioComparison:
        """Comparisons of all candidates with each other in a scenario; in an only market the primary comparisons are
        among them."""
        primary = {self.best, RANDOM} if len(self.markets) == 1 and judged is self.main else ()
        return compare(
            self.scores(judged),
            self.challengers(judged),
            self.members(judged),
            ledger,
            rng,
            primary,
        )


def _responses(judged: Results, members: Sequence[str]) -> tuple[Any, ...]:
    found = [judged.responses[name] for name in members if name in judged.responses]
    return tuple(found) if len(found) == len(members) else ()


# -- overflow -------------------------------------------------------------------------------------
# Episodes in which an order found no room: left out for everybody, or the strategy that keeps getting there left out.
#
# A market holds a fixed number of orders; an episode in which one found no place, the strategy's own or somebody else's,
# is not that market any more and cannot be judged. Such episodes are few (a market that runs away, a rule that spreads
# over many queues on tape): up to `MOST` of a scenario's they are left out for everybody alike, so that all are judged
# on the same ones, and counted in a note. A rule with more is left out of every scenario instead: leaving
# out that many would judge everybody on episodes chosen by what one of them did. A policy with more is an error.

MOST: Final = 0.02
"""Share of a scenario's episodes that may be left out."""


def without_overflow(evaluation: Evaluation) -> Evaluation:
    """An evaluation without episodes in which an order found no room, and notes that count them.

    Raises
    ------
    CapacityError
        A policy to which that happens in more than `MOST` of a scenario's episodes.
    ConfigError
        None is left that could be the best rule.
    """
    gone = overflowing(evaluation.scenarios, evaluation.baselines)
    if gone:
        evaluation = evaluation.without(gone, list(gone.values()))
    notes: list[str] = []

    def change(judged: Results) -> Results:
        complete, notes_here = without_overflowed(judged)
        notes.extend(notes_here)
        return complete

    evaluation = evaluation.changed(change)
    evaluation.notes.extend(notes)
    return evaluation


def overflowing(scenarios: Iterable[Results], baselines: Sequence[Candidate]) -> dict[str, str]:
    """Rules that are left out, each with a sentence that says where their orders found no room."""
    found: dict[str, str] = {}
    for judged in scenarios:
        for one in baselines:
            costs = judged.costs.get(one.key)
            if one.key in found or costs is None or (costs.overflow > 0).mean() <= MOST:
                continue
            where = f"{int((costs.overflow > 0).sum())} of {len(costs)} episodes of {judged.scenario.name}"
            found[one.key] = f"{one.key} is left out: capacity overflow in {where}"
    return found


def without_overflowed(judged: Results) -> tuple[Results, list[str]]:
    """A scenario without the episodes in which an order found no room, and a note for it if there were any.

    Raises
    ------
    CapacityError
        Somebody to whom that happens in more than `MOST` of them.
    """
    full = {key: costs.overflow > 0 for key, costs in judged.costs.items() if costs.overflow.any()}
    if not full:
        return judged, []
    for key, rows in full.items():
        if rows.mean() > MOST:
            raise CapacityError(
                "episodes without capacity overflow",
                f"{int(rows.sum())} of {len(rows)} for {key} in {judged.scenario.name}",
                "a strategy that keeps so many orders alive cannot be judged here",
            )
    out = np.logical_or.reduce(list(full.values()))
    note = (
        f"{judged.scenario.name}: {int(out.sum())} of {len(out)} episodes are left out for everybody: capacity "
        f"overflow ({', '.join(full)})"
    )
    return judged.select(~out), [note]
