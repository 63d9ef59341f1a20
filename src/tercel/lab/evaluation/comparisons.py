"""Comparisons of strategies on the same episodes: shortfalls, resampled gains, and corrected p-values.

A few comparisons are primary, named before anything is judged: with the rule that was best on validation in each
market, and with `random`. Holm's procedure bounds the chance of a single false one among them, however many
expensive strategies the table has. All others are exploratory: the share of false discoveries among them is bounded
(Benjamini and Hochberg 1995).

Every strategy met the same episodes, so all differences are paired, and every resample takes the same clusters for
all of them. A recipe is a policy with several training seeds: its seeds are a level of the bootstrap of their own.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tercel.core import stats
from tercel.core.arrays import Floats, Indices, Ints
from tercel.core.records import Record
from tercel.core.report.judged_table import UNRANKED
from tercel.execution.costs import Costs
from tercel.lab.evaluation.cost_rows import RESAMPLES

Gains = dict[str, dict[str, stats.Replicates]]
"""Policy -> opponent -> what the policy saves, bps."""
MIN_EPISODES = 10
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
        """Scores of strategies run once, and of recipes, whose rows are the runs of their members."""
        bps = {name: run.shortfall_bps[None, :] for name, run in costs.items()}
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
        """Number of episodes."""
        return len(self.cluster)

    def select(self, rows: Indices) -> "Scores":
        """Scores of the episodes in the rows `rows`."""
        bps = {name: table[:, rows] for name, table in self.bps.items()}
        return Scores(bps, self.cluster[rows], self.unranked)

    def mean(self, name: str) -> Floats:
        """Shortfall of a strategy in each episode, bps, mean over its training seeds, float64 (n,)."""
        return np.asarray(self.bps[name].mean(axis=0))

    def means(self) -> dict[str, float]:
        """Mean shortfall of every strategy over all episodes, bps."""
        return {name: float(table.mean()) for name, table in self.bps.items()}


@dataclass(frozen=True, eq=False)
class ResampledScores:
    """Mean shortfalls of all strategies in bootstrap resamples with the same cluster draws.

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
        """Resample the clusters of all strategies with the same draws."""
        centre = {name: float(table.mean()) for name, table in scores.bps.items()}
        columns = np.concatenate([table - centre[name] for name, table in scores.bps.items()]).T
        moments = stats.moments_of_mean(columns, scores.cluster)
        point = moments.point()
        resampled_means = stats.replicate({"": moments}, resamples, rng)[""].T
        points = {}
        draws = {}
        start = 0
        for name, table in scores.bps.items():
            stop = start + len(table)
            points[name] = point[start:stop] + centre[name]
            draws[name] = resampled_means[start:stop] + centre[name]
            start = stop
        return cls(points, draws, moments.clusters, scores.unranked)

    def replicates(self, rng: np.random.Generator) -> dict[str, stats.Replicates]:
        """Bootstrap replicates of every strategy's mean shortfall over its training seeds, bps."""
        return {
            name: stats.average_over_seeds(point, self.draws[name], self.clusters, rng)
            for name, point in self.points.items()
        }


def gains(
    resampled: ResampledScores,
    policies: Sequence[str],
    recipes: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
) -> Gains:
    """Gains (opponent's cost less own, bps) of each policy or recipe on every other strategy; none between recipe and member."""
    means = resampled.replicates(rng)
    return {
        name: {
            opponent: opponent_mean - means[name]
            for opponent, opponent_mean in means.items()
            if opponent != name
            and opponent not in recipes.get(name, ())
            and name not in recipes.get(opponent, ())
        }
        for name in policies
    }


def pooled_gain(
    scenarios: Sequence[ResampledScores],
    policy: str,
    opponents: str | Sequence[str],
    rng: np.random.Generator,
    *,
    redraw_markets: bool,
    teams: Sequence[Hashable] | None = None,
) -> stats.Replicates:
    """Gain of a policy pooled over several scenarios, bps, as bootstrap replicates.

    Parameters
    ----------
    scenarios : sequence of ResampledScores
    opponents : str or sequence of str
        The opponent, or that of each scenario.
    redraw_markets : bool
        Whether the scenarios are a draw from such as could have been taken, or the ones of interest.
    teams : sequence of hashable, optional
        For each scenario, which training seeds make up the policy there (`stats.over_markets`); by default the same.
    """
    opponent_names = [opponents] * len(scenarios) if isinstance(opponents, str) else opponents
    points = [
        scenario.points[opponent].mean() - scenario.points[policy]
        for scenario, opponent in zip(scenarios, opponent_names, strict=True)
    ]
    draws = [
        scenario.draws[opponent].mean(axis=0) - scenario.draws[policy]
        for scenario, opponent in zip(scenarios, opponent_names, strict=True)
    ]
    clusters = [scenario.clusters for scenario in scenarios]
    return stats.average_over_markets(
        points, draws, clusters, rng, redraw_markets=redraw_markets, teams=teams
    )


def detectable(gain: stats.Replicates) -> float | None:
    """Minimum detectable effect of a comparison at 80 % power, bps; None without a degree of freedom or a standard error."""
    if gain.sources[0][1] < 1.0 or gain.error == 0.0:
        return None
    return stats.detectable_gain(gain.error, gain.freedom())


@dataclass
class ComparisonLedger:
    """Ledger of the comparisons in a result; their p-values are corrected together at the end.

    Their p-values are those of Student's t on the bootstrap's standard error. Both corrections stay true under the
    positive dependence that shared episodes bring.
    """

    exploratory: list[tuple[stats.PairedGain, float]] = field(default_factory=list)
    primary: list[tuple[stats.PairedGain, float]] = field(default_factory=list)

    def enter(
        self,
        gain: stats.Replicates,
        level: float = 0.95,
        primary: bool = False,
        *,
        ranked: bool = True,
    ) -> stats.PairedGain:
        """Enter a gain and return it with interval and power; :meth:`adjust` sets its `p_adjusted` later, if it is `ranked`."""
        estimate = gain.estimate(level)
        comparison = stats.PairedGain(
            estimate.mean, estimate.ci_low, estimate.ci_high, power=detectable(gain)
        )
        p = gain.p_value()
        if p is not None and ranked:
            (self.primary if primary else self.exploratory).append((comparison, p))
        return comparison

    def enter_all(
        self,
        gains_by_policy: Gains,
        primary: Collection[str] = (),
        recipe_members: Collection[str] = (),
        unranked: Collection[str] = (),
    ) -> dict[str, dict[str, stats.PairedGain]]:
        """Enter the gains of policies on opponents and return the comparisons; those on `primary` opponents are primary,
        except of `recipe_members`; no p-values where either is `unranked`.
        """
        return {
            name: {
                opponent: self.enter(
                    gain,
                    primary=opponent in primary and name not in recipe_members,
                    ranked=name not in unranked and opponent not in unranked,
                )
                for opponent, gain in gains_on.items()
            }
            for name, gains_on in gains_by_policy.items()
        }

    def adjust(self) -> int:
        """Set `p_adjusted` of all gains entered so far, in place (Holm for primary ones, else Benjamini and Hochberg);
        number of them.
        """
        for entered, correct in (
            (self.primary, stats.holm),
            (self.exploratory, stats.benjamini_hochberg),
        ):
            for (comparison, _), adjusted in zip(
                entered, correct([p for _, p in entered]).tolist(), strict=True
            ):
                object.__setattr__(
                    comparison, "p_adjusted", adjusted
                )  # once: none is known before all are in
        return len(self.primary) + len(self.exploratory)


@dataclass(frozen=True)
class ScenarioCell(Record):
    """Mean shortfalls and gains in a scenario or in a part of one.

    Parameters
    ----------
    episodes : int
    is_bps : mapping of strategy to Estimate
        Shortfalls; none under 10 episodes.
    paired : mapping of policy to opponent to PairedGain
    share_of_time : float, optional
        Of a regime, unless it was run alone.
    best_baseline : str, optional
        Of a market: the rule that was cheapest on the judged episodes.
    """

    optional = ("share_of_time", "best_baseline")

    episodes: int
    is_bps: Mapping[str, stats.Estimate] = field(default_factory=dict)
    paired: Mapping[str, Mapping[str, stats.PairedGain]] = field(default_factory=dict)
    share_of_time: float | None = None
    best_baseline: str = ""

    def with_cheapest(self, rules: Sequence[str]) -> "ScenarioCell":
        """The cell with the cheapest of the rules `rules` as its best baseline."""
        return replace(self, best_baseline=min(rules, key=lambda name: self.is_bps[name].mean))

    def json_fields(self) -> dict[str, object]:
        """Fields of the cell; `is_bps` and `paired` are null where nothing was compared."""
        return super().json_fields() | ({} if self.is_bps else {"is_bps": None, "paired": None})


Compared = tuple[ScenarioCell, ResampledScores]
"""Shortfalls and gains in a scenario, and the resamples by which they are pooled over scenarios."""


def compare(
    scores: Scores,
    policies: Sequence[str],
    recipes: Mapping[str, Sequence[str]],
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    primary: Collection[str] = (),
) -> Compared:
    """Mean shortfalls in a scenario, and gains of each policy on every other strategy, which are entered in the ledger;
    those on the opponents `primary` as primary.
    """
    resampled = ResampledScores.of(scores, rng)
    seeds = {member for members in recipes.values() for member in members}
    policy_gains = gains(resampled, policies, recipes, rng)
    shortfalls = {
        name: replicates.estimate() for name, replicates in resampled.replicates(rng).items()
    }
    paired = ledger.enter_all(policy_gains, primary, seeds, scores.unranked)
    return ScenarioCell(len(scores), shortfalls, paired), resampled


def scenario_cell(
    scores: Scores,
    policies: Sequence[str],
    recipes: Mapping[str, Sequence[str]],
    ledger: ComparisonLedger,
    rng: np.random.Generator,
) -> ScenarioCell:
    """Mean shortfalls and gains, entered in `ledger`, in a scenario or a part of one; no figures below 10 episodes."""
    if len(scores) < MIN_EPISODES:
        return ScenarioCell(len(scores))
    return compare(scores, policies, recipes, ledger, rng)[0]
