"""Everything that a contest left, read from disk: who was judged where, and the rows that are compared."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.evaluation.comparisons import Compared, ComparisonLedger, Scores, compare
from tercel.evaluation.contest.cells import Judged
from tercel.evaluation.contest.contenders import Contender, Recipe
from tercel.evaluation.judge import JudgedEntry
from tercel.evaluation.windows import BLOCK_NS
from tercel.execution.costs import Costs

LISTED = "orders"
"""What a list of orders is called where markets are."""
DAY_NS = 86_400 * NS_PER_SECOND


def members_in(recipes: Sequence[Recipe], judged: Judged) -> dict[str, tuple[str, ...]]:
    """Recipe -> its policies in a place; those that have none there are left out."""
    found = {one.key: tuple(member for member in one.members if member in judged.costs) for one in recipes}
    return {key: members for key, members in found.items() if members}


def challengers_in(policies: Sequence[Contender], recipes: Sequence[Recipe], judged: Judged) -> list[str]:
    """Rows of a place that are compared: recipes, then policies."""
    return [*members_in(recipes, judged), *(one.key for one in policies if one.key in judged.costs)]


def headliners_of(policies: Sequence[Contender], recipes: Sequence[Recipe]) -> list[str]:
    """Rows that verdicts are told of: recipes, and policies that belong to none."""
    inside = {member for recipe in recipes for member in recipe.members}
    return [*(one.key for one in recipes), *(one.key for one in policies if one.key not in inside)]


def entries_in(
    policies: Sequence[Contender], baselines: Sequence[Contender], recipes: Sequence[Recipe], judged: Judged
) -> list[JudgedEntry]:
    """Rows of a place for the judge: recipes, policies, written strategies."""
    single = [
        JudgedEntry(one.key, one.kind, (judged.costs[one.key],), _responses(judged, [one.key]))
        for one in [*policies, *baselines]
        if one.key in judged.costs
    ]
    joined = [
        JudgedEntry(key, "learned", tuple(judged.costs[m] for m in members), _responses(judged, members))
        for key, members in members_in(recipes, judged).items()
    ]
    return [*joined, *single]


def twins_of(judged: Judged) -> NDArray[np.int64] | None:
    """Mids of a place without own orders; None where nothing answers, or where they were not recorded."""
    arrivals = judged.arrivals
    return arrivals.mid2_grid if arrivals is not None and judged.place.answers else None


def course_of(judged: Judged) -> NDArray[np.int64]:
    """Mids of a place's episodes without own orders, at both ends: int64 (n, 2), half ticks."""
    return np.concatenate(
        [one.arrivals.mid2_grid[:, [0, -1]] for one in judged.parts or (judged,) if one.arrivals is not None]
    )


def as_one(places: Sequence[Judged]) -> Judged:
    """Several places with the same contenders as one: every order counts alike, days are clusters where there are two.

    Where they are several, what is told of single places (courses of mids, decisions) is left out.
    """
    if len(places) == 1 and not places[0].place.settings.orders:
        return places[0]
    costs = {key: Costs.concat([one.costs[key] for one in places]) for key in places[0].costs}
    half_hours = next(iter(costs.values())).cluster
    days = half_hours * BLOCK_NS // DAY_NS
    if not places[0].place.validation and len(np.unique(days)) > 1:
        costs = {key: replace(one, cluster=days) for key, one in costs.items()}
    bounds = [one.hindsight_bps for one in places if one.hindsight_bps is not None]
    bound = np.concatenate(bounds) if len(bounds) == len(places) else None
    if len(places) == 1:
        return replace(places[0], costs=costs)
    seen = [one.guard for one in places if one.guard is not None]
    guard = reduce(add, seen) if seen else None
    return Judged(places[0].place, costs, {}, None, guard, bound, tuple(places))


@dataclass(frozen=True, eq=False)
class Contest:
    """Everything that was run, read from disk.

    Parameters
    ----------
    policies, baselines : sequence of Contender
    recipes : sequence of Recipe
    validation : Judged
        The written strategies on the episodes on which the best one is chosen.
    markets : mapping of name to Judged
        The main one first, whose table is printed.
    regimes : mapping of market to regime to Judged
        Each market in each named regime by itself, if that was asked for.
    seeds : tuple of int
        Base seeds of the episodes.
    notes : list of str
    sensitivity : mapping of axis to value to Judged
    adaptation : mapping of regime to Judged
    trained_for : mapping of regime to tuple of key
        Policies trained in it.
    """

    policies: Sequence[Contender]
    baselines: Sequence[Contender]
    recipes: Sequence[Recipe]
    validation: Judged
    markets: Mapping[str, Judged]
    regimes: Mapping[str, Mapping[str, Judged]]
    seeds: tuple[int, ...]
    notes: list[str]
    sensitivity: Mapping[str, Mapping[str, Judged]] = field(default_factory=dict)
    adaptation: Mapping[str, Judged] = field(default_factory=dict)
    trained_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def best(self) -> str:
        """The best written strategy on the validation episodes: THE baseline."""
        written = {one.key for one in self.baselines if one.kind == "baseline"}
        means = {name: mean for name, mean in self.scores(self.validation).means().items() if name in written}
        return min(means, key=lambda name: means[name])

    def members(self, judged: Judged) -> dict[str, tuple[str, ...]]:
        """Recipe -> its policies in a place."""
        return members_in(self.recipes, judged)

    def challengers(self, judged: Judged) -> list[str]:
        """Rows of a place that are compared: recipes, then policies."""
        return challengers_in(self.policies, self.recipes, judged)

    @property
    def places(self) -> Iterator[Judged]:
        """Everywhere that anybody was judged."""
        yield self.validation
        yield from self.markets.values()
        for row in (*self.regimes.values(), *self.sensitivity.values()):
            yield from row.values()
        yield from self.adaptation.values()

    def without(self, gone: Collection[str], notes: Sequence[str] = ()) -> "Contest":
        """The same contest without some written strategies.

        Raises
        ------
        ConfigError
            None is left that could be the best written one.
        """
        left = [one for one in self.baselines if one.key not in gone]
        if not any(one.kind == "baseline" for one in left):
            raise ConfigError("a written strategy to compare with", "; ".join(notes), "name others with --against")
        return replace(
            self,
            baselines=left,
            notes=[*self.notes, *notes],
        ).changed(lambda judged: judged.without(gone))

    def changed(self, change: Callable[[Judged], Judged]) -> "Contest":
        """The same contest with every place changed."""

        def each(row: Mapping[str, Judged]) -> dict[str, Judged]:
            return {name: change(judged) for name, judged in row.items()}

        return replace(
            self,
            validation=change(self.validation),
            markets=each(self.markets),
            regimes={name: each(row) for name, row in self.regimes.items()},
            sensitivity={name: each(row) for name, row in self.sensitivity.items()},
            adaptation=each(self.adaptation),
        )

    @property
    def headliners(self) -> list[str]:
        """Rows that verdicts are told of: recipes, and policies that belong to none."""
        return headliners_of(self.policies, self.recipes)

    @property
    def main(self) -> Judged:
        """The first market."""
        return next(iter(self.markets.values()))

    @property
    def twins(self) -> NDArray[np.int64] | None:
        """Mids of the main place without own orders; None where nothing answers."""
        return twins_of(self.main)

    @cached_property
    def entries(self) -> list[JudgedEntry]:
        """Rows of the main place for the judge."""
        return self.entries_in(self.main)

    def entries_in(self, judged: Judged) -> list[JudgedEntry]:
        """Rows of a place for the judge."""
        return entries_in(self.policies, self.baselines, self.recipes, judged)

    def scores(self, judged: Judged) -> Scores:
        """Shortfalls in a place, recipes included where their members are."""
        return Scores.of(judged.costs, self.members(judged))

    def compare(self, judged: Judged, ledger: ComparisonLedger, rng: np.random.Generator) -> Compared:
        """Everyone against everyone else in a place."""
        return compare(self.scores(judged), self.challengers(judged), self.members(judged), ledger, rng)


def _responses(judged: Judged, members: Sequence[str]) -> tuple[Any, ...]:
    found = [judged.responses[name] for name in members if name in judged.responses]
    return tuple(found) if len(found) == len(members) else ()
