"""Results of an evaluation, read from disk: scenarios, candidates, and the rows that are compared."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import CapacityError, ConfigError
from tercel.core.stats import Estimate
from tercel.core.vocabulary import DAY_NS
from tercel.execution.costs import Costs
from tercel.lab.evaluation.claims import RANDOM
from tercel.lab.evaluation.comparisons import ComparisonLedger, ScenarioComparison, Scores, compare
from tercel.lab.evaluation.judge import JudgedEntry
from tercel.lab.evaluation.pipeline.candidates import Candidate, Recipe
from tercel.lab.evaluation.pipeline.jobs import Results
from tercel.lab.evaluation.risk_statistics import SampleSize
from tercel.lab.evaluation.windows import BLOCK_NS

# -- results --------------------------------------------------------------------------------------

LISTED = "orders"
"""What a list of orders is called where markets are."""


def twins_of(judged: Results) -> Ints | None:
    """Mids of a scenario without own orders, half ticks; None where nothing answers or none were recorded."""
    arrivals = judged.arrivals
    return arrivals.mid2_grid if arrivals is not None and judged.scenario.answers else None


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

    Where they are several, what is told of single scenarios (courses of mids, decisions) is left out.
    """
    if len(scenarios) == 1 and not scenarios[0].scenario.settings.orders:
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
        The written strategies on the main market's episodes on which the best one is chosen.
    markets : mapping of name to Results
        The main one first, whose table is printed.
    regimes : mapping of market to regime to Results
        Each market in each named regime by itself, if that was asked for.
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
        How many episodes 1 bps needs, as it was said before any was judged.
    apart : mapping of part to Estimate or None, optional
        What each part of the row that is taken apart saves in the main market, bps.
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
        """The best written strategy on the validation episodes of the main market: THE baseline."""
        return self._best_on(self.validation)

    @cached_property
    def best_of_each(self) -> dict[str, str]:
        """Market -> the best written strategy on its validation episodes."""
        elsewhere = {market: self._best_on(judged) for market, judged in self.validations.items()}
        return {market: elsewhere.get(market, self.best) for market in self.markets}

    def _best_on(self, validation: Results) -> str:
        written = {one.key for one in self.baselines if one.kind == "baseline"}
        means = {
            name: mean for name, mean in self.scores(validation).means().items() if name in written
        }
        return min(means, key=lambda name: means[name])

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
        """Results of all scenarios in which anybody was judged."""
        yield self.validation
        yield from self.validations.values()
        yield from self.markets.values()
        for row in (*self.regimes.values(), *self.sensitivity.values()):
            yield from row.values()
        yield from self.adaptation.values()

    def without(self, gone: Collection[str], notes: Sequence[str] = ()) -> "Evaluation":
        """The same evaluation without some written strategies.

        Raises
        ------
        ConfigError
            None is left that could be the best written one.
        """
        left = [one for one in self.baselines if one.key not in gone]
        if not any(one.kind == "baseline" for one in left):
            raise ConfigError(
                "a written strategy to compare with",
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
        """Rows that verdicts are told of: recipes, and policies that belong to none."""
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
        """Rows of a scenario for the judge: recipes, policies, written strategies."""
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
        """Everyone against everyone else in a scenario; in an only market the primary comparisons are among them."""
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
# on the same ones, and counted in a note. A written strategy with more is left out of every scenario instead: leaving
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
        None is left that could be the best written strategy.
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
    """Written strategies that are left out, each with a sentence that says where their orders found no room."""
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
