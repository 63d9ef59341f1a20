"""Paired comparisons of policies with everything else, in a scenario or a part of it, corrected at the end.

A few are primary, named before anybody is judged: against the written strategy that was best on validation in each
market, and against `random`. Holm's procedure bounds the chance of a single false one among them, however many dear
strategies stand in the table. All others are exploratory: the share of false discoveries among them is bounded
(Benjamini and Hochberg 1995).

Every strategy met the same episodes, so all differences are paired, and every resample takes the same clusters for
all of them. A recipe is a policy with several training seeds: its seeds are a level of the bootstrap of their own.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tercel.core import stats
from tercel.core.arrays import Floats, Indices, Ints
from tercel.core.record import Record
from tercel.execution.costs import Costs, attribute

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
    """

    bps: Mapping[str, Floats]
    cluster: Ints

    @classmethod
    def of(cls, costs: Mapping[str, Costs], recipes: Mapping[str, Sequence[str]]) -> "Scores":
        """Scores of single runs, and of recipes as the rows of their members."""
        bps = {name: attribute(one, None)["is_bps"][None, :] for name, one in costs.items()}
        bps |= {
            name: np.concatenate([bps[member] for member in members])
            for name, members in recipes.items()
        }
        return cls(bps, next(iter(costs.values())).cluster)

    def __len__(self) -> int:
        """Episodes."""
        return len(self.cluster)

    def part(self, rows: Indices) -> "Scores":
        """Scores of some of the episodes."""
        return Scores(
            {name: table[:, rows] for name, table in self.bps.items()}, self.cluster[rows]
        )

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
    """

    points: Mapping[str, Floats]
    draws: Mapping[str, Floats]
    clusters: int

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
        return cls(points, draws, moments.clusters)

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
        self, gain: stats.Replicates, level: float = 0.95, primary: bool = False
    ) -> stats.PairedGain:
        """The comparison and its power; `p_adjusted` is filled in by :meth:`adjust`."""
        one = gain.estimate(level)
        found = stats.PairedGain(one.mean, one.ci_low, one.ci_high, power=detectable(gain))
        p = gain.p_value()
        if p is not None:
            (self.primary if primary else self.rows).append((found, p))
        return found

    def enter_all(
        self, found: Gains, primary: Collection[str] = (), beside: Collection[str] = ()
    ) -> dict[str, dict[str, stats.PairedGain]]:
        """Policy -> opponent -> comparison; those against `primary` opponents are primary, except of `beside`."""
        return {
            name: {
                other: self.enter(gain, primary=other in primary and name not in beside)
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
    """What was found in a scenario or in a part of one.

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
    """What was compared in a scenario, and from what: for pooling.

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
    cell = ScenarioCell(len(scores), shortfalls, ledger.enter_all(found, primary, seeds))
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
