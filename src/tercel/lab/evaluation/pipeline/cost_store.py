"""An evaluation read from disk: costs of all candidates in all scenarios, with the best rule chosen on validation episodes."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import refuse_if
from tercel.core.stats import Estimate
from tercel.core.vocabulary import DAY_NS
from tercel.execution.costs import Costs
from tercel.lab.evaluation.claims import RANDOM
from tercel.lab.evaluation.comparisons import Compared, ComparisonLedger, Scores, compare
from tercel.lab.evaluation.judge import JudgedEntry
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.participants import Recipes
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts
from tercel.lab.evaluation.sample_size import SampleSize
from tercel.lab.evaluation.windows import BLOCK_NS

ORDERS_KEY = "orders"
"""Name of a list of orders in place of a market."""


def twin_mids(judged: ScenarioCosts) -> Ints | None:
    """Mids of a scenario without own orders, half ticks; None if not recorded, or where nothing answers own trades (tape)."""
    arrivals = judged.arrivals
    return arrivals.mid2_grid if arrivals is not None and judged.scenario.market.answers else None


def end_mids(judged: ScenarioCosts) -> Ints:
    """Mids at arrival and horizon of a scenario's episodes without own orders, int64 (n, 2), half ticks; parts without
    recorded arrivals are skipped.
    """
    return np.concatenate(
        [
            results.arrivals.mid2_grid[:, [0, -1]]
            for results in judged.parts or (judged,)
            if results.arrivals is not None
        ]
    )


def join_scenarios(scenarios: Sequence[ScenarioCosts]) -> ScenarioCosts:
    """Join results of several scenarios into one, as if their orders were of one scenario.

    Every order counts alike; days are clusters if there are several.

    Of several, what belongs to single scenarios (courses of mids, decisions) is left out.
    """
    if len(scenarios) == 1 and not scenarios[0].scenario.orders:
        return scenarios[0]
    costs = {
        key: Costs.concat([results.costs[key] for results in scenarios])
        for key in scenarios[0].costs
    }
    half_hours = next(iter(costs.values())).cluster
    days = half_hours * BLOCK_NS // DAY_NS
    if not scenarios[0].scenario.validation and len(np.unique(days)) > 1:
        costs = {key: replace(run, cluster=days) for key, run in costs.items()}
    bounds = [results.hindsight_bps for results in scenarios if results.hindsight_bps is not None]
    bound = np.concatenate(bounds) if len(bounds) == len(scenarios) else None
    if len(scenarios) == 1:
        return replace(scenarios[0], costs=costs)
    counts = sum_fill_counts(scenarios)
    return ScenarioCosts(scenarios[0].scenario, costs, {}, None, counts, bound, tuple(scenarios))


def sum_fill_counts(scenarios: Iterable[ScenarioCosts]) -> Counter[str] | None:
    """Sum of the counts of checked fills over scenarios; None if fills were checked in none."""
    counts = [judged.fill_counts for judged in scenarios if judged.fill_counts is not None]
    return sum(counts, Counter()) if counts else None


@dataclass(frozen=True, eq=False)
class CostStore:
    """Results of all scenarios of an evaluation, read from disk, with recipes and the best rule.

    Parameters
    ----------
    policies, baselines : sequence of Candidate
    recipes : mapping of row to keys of its policies
    validations : mapping of market to ScenarioCosts
        The rules on the episodes of each market on which the best one is chosen there; the main market's first.
    markets : mapping of name to ScenarioCosts
        The main one first, whose table is printed.
    regimes : mapping of market to regime to ScenarioCosts
        Each market in each named regime by itself, if requested.
    seeds : tuple of int
        Base seeds of the episodes.
    notes : list of str
    sensitivity : mapping of axis to value to ScenarioCosts
    assumptions : mapping of label to market to ScenarioCosts or None
        Candidates and the best rule under other assumptions; None: not examined.
    adaptation : mapping of regime to ScenarioCosts
    trained_for : mapping of regime to tuple of key
        Policies trained in it.
    bounds : mapping of bound to ScenarioCosts
        The first market under the other bounds on fills, costs alone.
    sample_size : SampleSize or None
        Number of episodes for 1 bps, as printed before the evaluation.
    apart : mapping of part to Estimate or None, optional
        Cost saving of each part of the analysed row in the main market, bps.
    """

    policies: Sequence[Candidate]
    baselines: Sequence[Candidate]
    recipes: Recipes
    validations: Mapping[str, ScenarioCosts]
    markets: Mapping[str, ScenarioCosts]
    regimes: Mapping[str, Mapping[str, ScenarioCosts]]
    seeds: tuple[int, ...]
    notes: list[str]
    sensitivity: Mapping[str, Mapping[str, ScenarioCosts]] = field(default_factory=dict)
    assumptions: Mapping[str, Mapping[str, ScenarioCosts]] | None = None
    adaptation: Mapping[str, ScenarioCosts] = field(default_factory=dict)
    trained_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Mapping[str, ScenarioCosts] = field(default_factory=dict)
    sample_size: SampleSize | None = None
    apart: Mapping[str, Estimate | None] | None = None

    @property
    def validation(self) -> ScenarioCosts:
        """Results of the rules on the validation episodes of the main market."""
        return next(iter(self.validations.values()))

    @cached_property
    def best(self) -> str:
        """Name of the best rule on the validation episodes of the main market: the baseline of the evaluation."""
        return self._best_on(self.validation)

    @cached_property
    def best_of_each(self) -> dict[str, str]:
        """Name of the best rule by market, on the market's validation episodes, or the main one's where it has none."""
        return {
            market: self._best_on(self.validations.get(market, self.validation))
            for market in self.markets
        }

    def _best_on(self, validation: ScenarioCosts) -> str:
        """Name of the rule with the lowest mean shortfall in validation results; unranked rules last."""
        rule_names = {rule.key for rule in self.baselines if rule.kind == "baseline"}
        scores = self.scores(validation)
        means = {name: mean for name, mean in scores.means().items() if name in rule_names}
        return min(means, key=lambda name: (name in scores.unranked, means[name]))

    def members(self, judged: ScenarioCosts) -> dict[str, tuple[str, ...]]:
        """Policies of each recipe that are judged in a scenario, by recipe; recipes without any are left out."""
        judged_members = {
            key: tuple(member for member in members if member in judged.costs)
            for key, members in self.recipes.items()
        }
        return {key: members for key, members in judged_members.items() if members}

    def teams(self, name: str) -> dict[str, tuple[str, ...]]:
        """Policies behind a row (recipe or policy), by market."""
        return {
            market: self.members(judged).get(name, (name,))
            for market, judged in self.markets.items()
        }

    def challengers(self, judged: ScenarioCosts) -> list[str]:
        """Names of the rows that are compared with opponents in a scenario: recipes, then policies."""
        return [
            *self.members(judged),
            *(policy.key for policy in self.policies if policy.key in judged.costs),
        ]

    @property
    def scenarios(self) -> Iterator[ScenarioCosts]:
        """Iterate over the results of all scenarios: validation, markets, regimes, sensitivity, assumptions, adaptation."""
        yield from self.validations.values()
        yield from self.markets.values()
        for row in (*self.regimes.values(), *self.sensitivity.values()):
            yield from row.values()
        for row in (self.assumptions or {}).values():
            yield from row.values()
        yield from self.adaptation.values()

    def without(self, excluded: Collection[str], notes: Sequence[str] = ()) -> "CostStore":
        """The evaluation without the rules `excluded`, its notes extended by `notes`; ConfigError if no other can be
        the best rule.

        Raises
        ------
        ConfigError
            None is left that could be the best rule.
        """
        remaining = [rule for rule in self.baselines if rule.key not in excluded]
        refuse_if(
            not any(rule.kind == "baseline" for rule in remaining),
            "a rule to compare with",
            "; ".join(notes),
            "name others with `against=`",
        )
        return replace(self, baselines=remaining, notes=[*self.notes, *notes]).map_scenarios(
            lambda judged: judged.without(excluded)
        )

    def map_scenarios(self, change: Callable[[ScenarioCosts], ScenarioCosts]) -> "CostStore":
        """The evaluation with `change` applied to the results of every scenario, those under other fill bounds excepted."""

        def each(by_scenario: Mapping[str, ScenarioCosts]) -> dict[str, ScenarioCosts]:
            """Apply `change` to the results of one group of scenarios."""
            return {name: change(judged) for name, judged in by_scenario.items()}

        return replace(
            self,
            validations=each(self.validations),
            markets=each(self.markets),
            regimes={name: each(row) for name, row in self.regimes.items()},
            sensitivity={name: each(row) for name, row in self.sensitivity.items()},
            assumptions=None
            if self.assumptions is None
            else {label: each(row) for label, row in self.assumptions.items()},
            adaptation=each(self.adaptation),
        )

    @property
    def reported_rows(self) -> list[str]:
        """Names of rows with verdicts: recipes, and policies without a recipe."""
        inside = {member for members in self.recipes.values() for member in members}
        return [
            *self.recipes,
            *(policy.key for policy in self.policies if policy.key not in inside),
        ]

    @property
    def main(self) -> ScenarioCosts:
        """Results in the first market."""
        return next(iter(self.markets.values()))

    @property
    def twins(self) -> Ints | None:
        """Mids of the main scenario without own orders, half ticks; None as of :func:`twin_mids`."""
        return twin_mids(self.main)

    @cached_property
    def main_scores(self) -> Scores:
        """Shortfalls of all candidates in the main scenario."""
        return self.scores(self.main)

    @cached_property
    def entries(self) -> list[JudgedEntry]:
        """Rows of the main scenario as input of the judge."""
        return self.entries_in(self.main)

    def entries_in(self, judged: ScenarioCosts) -> list[JudgedEntry]:
        """Rows of a scenario as input of the judge: recipes, policies, rules."""
        single_entries = [
            JudgedEntry(
                candidate.key,
                candidate.kind,
                (judged.costs[candidate.key],),
                _responses(judged, [candidate.key]),
            )
            for candidate in [*self.policies, *self.baselines]
            if candidate.key in judged.costs
        ]
        recipe_entries = [
            JudgedEntry(
                key, "learned", tuple(judged.costs[m] for m in members), _responses(judged, members)
            )
            for key, members in self.members(judged).items()
        ]
        return [*recipe_entries, *single_entries]

    def scores(self, judged: ScenarioCosts) -> Scores:
        """Shortfalls of all candidates in a scenario, and of each recipe: a row for each training seed judged there."""
        return Scores.of(judged.costs, self.members(judged))

    def compare(
        self, judged: ScenarioCosts, ledger: ComparisonLedger, rng: np.random.Generator
    ) -> Compared:
        """Compare each challenger with every other strategy in a scenario and enter the gains in `ledger`; some
        comparisons are primary in an only market.
        """
        primary = {self.best, RANDOM} if len(self.markets) == 1 and judged is self.main else ()
        return compare(
            self.scores(judged),
            self.challengers(judged),
            self.members(judged),
            ledger,
            rng,
            primary,
        )


def _responses(judged: ScenarioCosts, members: Sequence[str]) -> tuple[Any, ...]:
    """Sums for adaptability (`Response`) of all members of a row; empty unless every member has them."""
    responses = [judged.responses[name] for name in members if name in judged.responses]
    return tuple(responses) if len(responses) == len(members) else ()
