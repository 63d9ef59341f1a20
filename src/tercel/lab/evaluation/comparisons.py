"""Results of strategies, and their comparisons with intervals and corrected p-values."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from tercel.core import stats
from tercel.core.arrays import Floats, Indices, Ints
from tercel.core.report.tables import UNRANKED
from tercel.core.serialization import Record, to_jsonable
from tercel.core.stats import Estimate
from tercel.execution.costs import Costs, attribute

# -- result ---------------------------------------------------------------------------------------
# Result of a judged run, and its JSON: one object, floats never rounded.

MEANINGS: Mapping[str, str] = {
    "is_bps": "implementation shortfall against the arrival mid; the sum of the five that follow",
    "spread_bps": "touch against mid: paid when taking, earned when passive",
    "impact_bps": "depth cost beyond the touch, and the displacement that own trading causes on average",
    "timing_bps": "what the market did meanwhile, displacement taken out",
    "forced_bps": "all of the above, of the lots left at the horizon and sent to the market",
    "fees_bps": "fees",
    "timing_risk_bps": "standard deviation of the shortfall over episodes",
    "passive_share": "lots filled while resting over lots of the order, mean over episodes",
    "adaptability": "share of the variance of decisions that the market causes",
}
"""Description of each key, for captions."""

FEW_NOTE = "under 20 clusters"
REPLAY_NOTE = "nothing answers own trading"
"""First words of the two notes that a printed table words differently."""
RAN_OUT = "The depth of the book, or the limit price, ran out"
ALIKE = "Exactly alike"
"""And of the two on what a figure means."""
NOTED = 0.01
"""Share of lots without a counterparty from which that is said."""

Cell = Estimate | None


@dataclass(frozen=True)
class CostRow(Record):
    """The figures of a strategy, each as `MEANINGS` says; None where it does not exist (impact on a tape)."""

    is_bps: Estimate
    spread_bps: Cell
    impact_bps: Cell
    timing_bps: Cell
    forced_bps: Cell
    fees_bps: Cell
    timing_risk_bps: Cell
    passive_share: Cell
    adaptability: Cell

    @property
    def known(self) -> dict[str, Estimate]:
        """Estimates that exist, by key, in the order of the table."""
        return {key: cell for key in KEYS if (cell := getattr(self, key)) is not None}


KEYS = tuple(one.name for one in fields(CostRow))
"""One set of keys everywhere, in the order of the table."""


@dataclass(frozen=True)
class Counts(Record):
    """Lots of a strategy that deserve a remark, shares of all its lots, and orders and cancels that it sends."""

    unfilled_lots: int
    unfilled_share: float
    forced_share: float
    double_filled_share: float
    messages_per_order: float | None = None


@dataclass(frozen=True)
class JudgedRun(Record):
    """The judged table with everything needed to read it.

    Parameters
    ----------
    strategies : mapping of name to CostRow
    kinds : mapping of name to kind
        "baseline", "random", "learned" or "own".
    best_baseline : str
        Lowest mean shortfall among the rules; `random` is not one of them.
    paired_vs_best_baseline : mapping of policy to Estimate
        Cost saved against it, bps: positive is better. For all candidates but built-in rules.
    paired : mapping of policy to mapping of opponent to Estimate
        The same against every other strategy.
    paired_by_seed : mapping of policy to mapping of opponent to list of Estimate
        The same for each training seed by itself, against the opponent's same seed where it has as many.
    counts : mapping of name to Counts
    episodes, clusters : int
        Paired episodes, and the independent clusters among them.
    cluster : str
        Kind of a cluster: "episode seed", "bank entry", "day", "30-minute block of one day".
    seeds : list of int
        Training seeds.
    market : str
        Name of the market.
    task : mapping
        The task's parameters.
    notes : tuple of str
        Caveats: few clusters, one day, lots that could not be filled ...
    level : float
        Nominal coverage of every interval.
    resamples : int
        Bootstrap resamples.
    correlation : float or None
        Of the costs of two rules in one episode, the median over pairs.
    out : str or None
        Folder of the run.
    """

    strategies: Mapping[str, CostRow]
    kinds: Mapping[str, str]
    best_baseline: str
    paired_vs_best_baseline: Mapping[str, Estimate]
    paired: Mapping[str, Mapping[str, Estimate]]
    paired_by_seed: Mapping[str, Mapping[str, list[Estimate]]]
    counts: Mapping[str, Counts]
    episodes: int
    clusters: int
    seeds: list[int]
    market: str
    task: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    level: float = 0.95
    resamples: int = 2000
    cluster: str = "episode seed"
    correlation: float | None = None
    out: str | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """The run as plain dicts, lists and numbers; an absent key of a strategy is null."""
        return dict(to_jsonable(self))

    @property
    def ranked(self) -> list[str]:
        """Strategies, cheapest first; those that cannot be ranked, or without a mean, last."""
        costs = {name: one.is_bps.mean for name, one in self.strategies.items()}
        last = {name for name, cost in costs.items() if np.isnan(cost) or self.is_unranked(name)}
        return sorted(costs, key=lambda name: (name in last, costs[name]))

    def is_unranked(self, name: str) -> bool:
        """Whether so many lots of a strategy found no counterparty that its figure is not the cost of the order."""
        return self.counts[name].unfilled_share > UNRANKED


# -- comparisons ----------------------------------------------------------------------------------
# Paired comparisons of policies with everything else, in a scenario or a part of it, corrected at the end.
#
# A few are primary, named before anybody is judged: against the rule that was best on validation in each
# market, and against `random`. Holm's procedure bounds the chance of a single false one among them, however many
# expensive strategies the table has. All others are exploratory: the share of false discoveries among them is bounded
# (Benjamini and Hochberg 1995).
#
# Every strategy met the same episodes, so all differences are paired, and every resample takes the same clusters for
# all of them. A recipe is a policy with several training seeds: its seeds are a level of the bootstrap of their own.

Gains = dict[str, dict[str, stats.Replicates]]
"""Policy -> opponent -> what the policy saves, bps."""

RESAMPLES = 2000
FEW = 10
"""Episodes below which a part of a scenario is not compared."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Shortfalls of all strategies over the same n episodes.

    Parameters
    ----------
    bps : mapping of name to float64 (S, n)
        A row for each training seed; one for anything that is not trained.
    cluster : int64 (n,)
    unranked : collection of str
        Strategies of which more than `UNRANKED` of the lots found no counterparty.
    """

    bps: Mapping[str, Floats]
    cluster: Ints
    unranked: Collection[str] = ()

    @classmethod
    def of(cls, costs: Mapping[str, Costs], recipes: Mapping[str, Sequence[str]]) -> "Scores":
        """Scores of single runs, and of recipes as the rows of their members."""
        bps = {name: attribute(one, None)["is_bps"][None, :] for name, one in costs.items()}
        bps |= {
            name: np.concatenate([bps[member] for member in members])
            for name, members in recipes.items()
        }
        unranked = {
            name
            for name in bps
            if any(
                costs[member].unfilled_lots.sum() > UNRANKED * costs[member].qty.sum()
                for member in recipes.get(name, (name,))
            )
        }
        return cls(bps, next(iter(costs.values())).cluster, unranked)

    def __len__(self) -> int:
        """Episodes."""
        return len(self.cluster)

    def part(self, rows: Indices) -> "Scores":
        """Scores of some of the episodes."""
        bps = {name: table[:, rows] for name, table in self.bps.items()}
        return Scores(bps, self.cluster[rows], self.unranked)

    def mean(self, name: str) -> Floats:
        """Shortfall of each episode, mean over training seeds, float64 (n,)."""
        return np.asarray(self.bps[name].mean(axis=0))

    def means(self) -> dict[str, float]:
        """Mean shortfall of every strategy."""
        return {name: float(table.mean()) for name, table in self.bps.items()}


@dataclass(frozen=True, eq=False)
class ResampledScores:
    """Mean shortfalls of all strategies under the same cluster draws.

    Parameters
    ----------
    points : mapping of name to float64 (S,)
    draws : mapping of name to float64 (S, B)
    clusters : int
    unranked : collection of str
        As in the scores.
    """

    points: Mapping[str, Floats]
    draws: Mapping[str, Floats]
    clusters: int
    unranked: Collection[str] = ()

    @classmethod
    def of(
        cls, scores: Scores, rng: np.random.Generator, resamples: int = RESAMPLES
    ) -> "ResampledScores":
        """Resample the clusters of all strategies at once."""
        centre = {name: float(table.mean()) for name, table in scores.bps.items()}
        columns = np.concatenate([table - centre[name] for name, table in scores.bps.items()]).T
        moments = stats.moments_of_mean(columns, scores.cluster)
        point, drawn = moments.point(), stats.replicate({"": moments}, resamples, rng)[""].T
        points, draws, at = {}, {}, 0
        for name, table in scores.bps.items():
            to = at + len(table)
            points[name], draws[name], at = (
                point[at:to] + centre[name],
                drawn[at:to] + centre[name],
                to,
            )
        return cls(points, draws, moments.clusters, scores.unranked)

    def replicates(self, rng: np.random.Generator) -> dict[str, stats.Replicates]:
        """Mean shortfall of every strategy over its training seeds."""
        return {
            name: stats.over_seeds(point, self.draws[name], self.clusters, rng)
            for name, point in self.points.items()
        }


def gains(
    resampled: ResampledScores,
    policies: Sequence[str],
    recipes: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
) -> Gains:
    """Gains of each policy (or recipe) on every other strategy, bps; a recipe and its members are not compared."""
    means = resampled.replicates(rng)
    return {
        name: {
            other: theirs - means[name]
            for other, theirs in means.items()
            if other != name
            and other not in recipes.get(name, ())
            and name not in recipes.get(other, ())
        }
        for name in policies
    }


def pooled_gain(
    scenarios: Sequence[ResampledScores],
    policy: str,
    other: str | Sequence[str],
    rng: np.random.Generator,
    *,
    redraw_markets: bool,
    teams: Sequence[Hashable] | None = None,
) -> stats.Replicates:
    """Gain of a policy over several scenarios, bps; training seeds, scenarios and episodes are levels of their own.

    Parameters
    ----------
    scenarios : sequence of ResampledScores
    other : str or sequence of str
        The opponent, or that of each scenario.
    redraw_markets : bool
        Whether the scenarios are a draw from such as could have been taken, or the ones of interest.
    teams : sequence of hashable, optional
        For each scenario, which training seeds make up the policy there (`stats.over_markets`); by default the same.
    """
    others = [other] * len(scenarios) if isinstance(other, str) else other
    points = [
        one.points[its].mean() - one.points[policy]
        for one, its in zip(scenarios, others, strict=True)
    ]
    draws = [
        one.draws[its].mean(axis=0) - one.draws[policy]
        for one, its in zip(scenarios, others, strict=True)
    ]
    clusters = [one.clusters for one in scenarios]
    return stats.over_markets(
        points, draws, clusters, rng, redraw_markets=redraw_markets, teams=teams
    )


def detectable(gain: stats.Replicates) -> float | None:
    """Minimum detectable effect of a comparison at 80 % power, bps."""
    if gain.sources[0][1] < 1.0 or gain.error == 0.0:
        return None
    return stats.detectable_gain(gain.error, gain.freedom())


@dataclass
class ComparisonLedger:
    """Ledger of comparisons as they are written into a result, to be corrected together at the end.

    Their p-values are those of Student's t on the bootstrap's standard error. Both corrections stay true under the
    positive dependence that shared episodes bring.
    """

    rows: list[tuple[stats.PairedGain, float]] = field(default_factory=list)
    primary: list[tuple[stats.PairedGain, float]] = field(default_factory=list)

    def enter(
        self,
        gain: stats.Replicates,
        level: float = 0.95,
        primary: bool = False,
        *,
        ranked: bool = True,
    ) -> stats.PairedGain:
        """The comparison and its power; `p_adjusted` is filled in by :meth:`adjust`, and stays None unless both are ranked,
        so that no verdict is on them.
        """
        one = gain.estimate(level)
        found = stats.PairedGain(one.mean, one.ci_low, one.ci_high, power=detectable(gain))
        p = gain.p_value()
        if p is not None and ranked:
            (self.primary if primary else self.rows).append((found, p))
        return found

    def enter_all(
        self,
        found: Gains,
        primary: Collection[str] = (),
        beside: Collection[str] = (),
        unranked: Collection[str] = (),
    ) -> dict[str, dict[str, stats.PairedGain]]:
        """Policy -> opponent -> comparison; those against `primary` opponents are primary, except of `beside`."""
        return {
            name: {
                other: self.enter(
                    gain,
                    primary=other in primary and name not in beside,
                    ranked=name not in unranked and other not in unranked,
                )
                for other, gain in row.items()
            }
            for name, row in found.items()
        }

    def adjust(self) -> int:
        """Correct all p-values entered so far; the number of comparisons."""
        for rows, corrected in ((self.primary, stats.holm), (self.rows, stats.benjamini_hochberg)):
            for (found, _), adjusted in zip(
                rows, corrected([p for _, p in rows]).tolist(), strict=True
            ):
                object.__setattr__(
                    found, "p_adjusted", adjusted
                )  # once: none is known before all are in
        return len(self.primary) + len(self.rows)


@dataclass(frozen=True)
class ScenarioCell(Record):
    """Results in a scenario or in a part of one.

    Parameters
    ----------
    episodes : int
    is_bps : mapping of strategy to Estimate
        Shortfalls; none under 10 episodes.
    paired : mapping of policy to opponent to PairedGain
    """

    episodes: int
    is_bps: Mapping[str, stats.Estimate] = field(default_factory=dict)
    paired: Mapping[str, Mapping[str, stats.PairedGain]] = field(default_factory=dict)

    def json_fields(self) -> dict[str, object]:
        """Null where nothing was compared."""
        return super().json_fields() | ({} if self.is_bps else {"is_bps": None, "paired": None})


@dataclass(frozen=True, eq=False)
class ScenarioComparison:
    """Comparisons in a scenario with their data, for pooling.

    Parameters
    ----------
    cell : ScenarioCell
    resampled : ResampledScores
    gains : Gains
    """

    cell: ScenarioCell
    resampled: ResampledScores
    gains: Gains


def compare(
    scores: Scores,
    policies: Sequence[str],
    recipes: Mapping[str, Sequence[str]],
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    primary: Collection[str] = (),
) -> ScenarioComparison:
    """Each policy against everything else in a scenario; what it says against `primary` opponents is primary, unless
    it is a training seed of a recipe, which has a row of its own."""
    resampled = ResampledScores.of(scores, rng)
    seeds = {member for members in recipes.values() for member in members}
    found = gains(resampled, policies, recipes, rng)
    shortfalls = {name: one.estimate() for name, one in resampled.replicates(rng).items()}
    paired = ledger.enter_all(found, primary, seeds, scores.unranked)
    cell = ScenarioCell(len(scores), shortfalls, paired)
    return ScenarioComparison(cell, resampled, found)


def compared(
    scores: Scores,
    policies: Sequence[str],
    recipes: Mapping[str, Sequence[str]],
    ledger: ComparisonLedger,
    rng: np.random.Generator,
) -> ScenarioCell:
    """Cell of a scenario or of a part of one; without figures under 10 episodes."""
    if len(scores) < FEW:
        return ScenarioCell(len(scores))
    return compare(scores, policies, recipes, ledger, rng).cell
