"""Risk statistics: ratios to the schedules, tails, odds, power, deflation, and bets on the trend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tercel.core import stats
from tercel.core.arrays import Floats, Int8, Ints
from tercel.core.errors import DataError
from tercel.core.serialization import Record
from tercel.core.stats import clustered_se
from tercel.core.stats.inference import POWER, detectable_gain, needed
from tercel.execution.costs import BPS, Costs, attribute
from tercel.lab.evaluation.comparisons import Scores
from tercel.lab.evaluation.judge import JudgedEntry, cost_replicates, replicate_responses
from tercel.lab.evaluation.runs import Response

# -- sample size ----------------------------------------------------------------------------------
# Sample size, before anything is judged: episodes that a difference of 1 bps needs.


@dataclass(frozen=True)
class SampleSize:
    """Sample size of a judgement, by costs on other episodes.

    Parameters
    ----------
    sd_bps : float
        Standard deviation of a paired difference, bps an episode, what a cluster's episodes share included: the median
        over rules, each against the best.
    strategies, tried : int
        Number of strategies, and of their episodes.
    judged : int
        Episodes that are to be judged.
    episodes_for_1_bps : int
        Episodes from which a true difference of 1 bps is found with 80 % power.
    detectable_bps : float
        True difference that the judged episodes find with 80 % power, bps.
    words : str
        All of it in a line.

    >>> small = SampleSize.of(20.0, strategies=24, tried=500, judged=1000)
    >>> small.episodes_for_1_bps, round(small.detectable_bps, 2)
    (3140, 1.77)
    """

    sd_bps: float
    strategies: int
    tried: int
    judged: int
    episodes_for_1_bps: int
    detectable_bps: float
    words: str

    @classmethod
    def of(
        cls, sd_bps: float, strategies: int, tried: int, judged: int, orders_a_day: float = 0.0
    ) -> "SampleSize":
        """Sample size by a standard deviation, with `orders_a_day` orders on a recorded day; 0: a simulated market."""
        count, least, what = (
            needed(sd_bps),
            detectable_gain(sd_bps / judged**0.5, np.inf),
            "episodes",
        )
        if orders_a_day > 0:
            what = (
                f"orders, {max(round(count / orders_a_day), 1):,} days with {orders_a_day:g} a day"
            )
        return cls(
            sd_bps,
            strategies,
            tried,
            judged,
            count,
            least,
            f"a difference of 1 bps needs some {count:,} {what}; {judged:,} are judged, which find "
            f"{least:.2f} bps with {100 * POWER:.0f} % power (paired differences of {strategies} "
            f"rules have a standard deviation of {sd_bps:.3g} bps an episode on {tried:,} that "
            "are not judged, a buy and a sell of one market counted together)",
        )


def sample_size(
    costs: Mapping[str, Costs], judged: int, orders_a_day: float = 0.0
) -> SampleSize | None:
    """Sample size by costs of rules on the same validation episodes; None if too few were run.

    Parameters
    ----------
    costs : mapping of name to Costs
    judged : int
    orders_a_day : float
    """
    bps = {name: attribute(one, None)["is_bps"] for name, one in costs.items()}
    best = min(bps, key=lambda name: float(bps[name].mean()))
    cluster, tried = next(iter(costs.values())).cluster, len(bps[best])
    apart = [
        clustered_se(row - bps[best], cluster) * tried**0.5
        for name, row in bps.items()
        if name != best
    ]
    if not apart or not np.isfinite(apart).all() or not np.median(apart) > 0:
        return None
    return SampleSize.of(float(np.median(apart)), len(bps), tried, judged, orders_a_day)


# -- risk statistics ------------------------------------------------------------------------------

SCHEDULES = ("twap_take", "vwap_take")
"""Denominators of the ratios."""
FROZEN = ("twap_take", "almgren_chriss")
"""Schedules frozen at arrival: whatever the market does, they take the same lots at the same times."""
RIGID = "vwap_passive"
"""Whose adaptability is subtracted."""


@dataclass(frozen=True)
class Ratio(stats.Estimate):
    """A ratio with the interval of its denominator: where that holds zero, the ratio says nothing."""

    denominator: stats.Estimate


@dataclass(frozen=True)
class ScheduleRatios(Record):
    """A policy beside the schedules.

    Parameters
    ----------
    is_bps, impact_bps : mapping of schedule to Ratio or None
        None where one of the two is not available.
    timing_risk_bps : mapping of schedule to Estimate
        Difference of the standard deviations, paired like the rest: below zero, the policy's costs vary less.
    adaptability : mapping of strategy to Estimate or None
        Difference of the shares of decisions that the market explains; empty if not requested.
    """

    is_bps: Mapping[str, Ratio | None] = field(default_factory=dict)
    impact_bps: Mapping[str, Ratio | None] = field(default_factory=dict)
    timing_risk_bps: Mapping[str, stats.Estimate] = field(default_factory=dict)
    adaptability: Mapping[str, stats.Estimate | None] = field(default_factory=dict)

    def json_fields(self) -> dict[str, object]:
        """JSON fields, without ratios if no schedule was judged, and without adaptability if not requested."""
        found = super().json_fields()
        return {
            key: found[key]
            for key in found
            if (self.adaptability if key == "adaptability" else self.is_bps)
        }


def ratios(
    entries: Sequence[JudgedEntry], twin_mid2_grid: Ints | None, rng: np.random.Generator
) -> dict[str, ScheduleRatios]:
    """Policy -> ratios and differences to each schedule, with intervals.

    Parameters
    ----------
    entries : sequence of JudgedEntry
        The policies (kind "learned") and the schedules, if they were judged.
    """
    schedules = [entry.name for entry in entries if entry.name in SCHEDULES]
    policies = [entry.name for entry in entries if entry.kind == "learned"]
    if not schedules or not policies:
        return {}
    table = cost_replicates(entries, twin_mid2_grid, rng)
    found = {}
    for name in policies:
        cost, impact = (
            {other: _ratio(table[name][key], table[other][key]) for other in schedules}
            for key in ("is_bps", "impact_bps")
        )
        risk = {
            other: table[name]["timing_risk_bps"] - table[other]["timing_risk_bps"]
            for other in schedules
        }
        risks = {other: one.estimate() for other, one in risk.items() if not np.isnan(one.point)}
        found[name] = ScheduleRatios(cost, impact, risks)
    return found


def _ratio(top: stats.Replicates, bottom: stats.Replicates) -> Ratio | None:
    """A ratio and its denominator; None where one of the two is not available."""
    if np.isnan(top.point) or np.isnan(bottom.point) or bottom.point == 0.0:
        return None
    one = (top / bottom).estimate()
    return Ratio(one.mean, one.ci_low, one.ci_high, bottom.estimate())


def tails(scores: Scores, rng: np.random.Generator) -> dict[str, stats.Estimate]:
    """Mean of the most expensive 5 % of episodes of each strategy, bps."""
    return {
        name: stats.intervals(stats.moments_of_cvar(scores.mean(name), scores.cluster), rng)[0]
        for name in scores.bps
    }


def wins(
    scores: Scores, policies: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, stats.Estimate]]:
    """Policy -> opponent -> share of episodes in which the policy is cheaper."""
    return {
        name: {
            other: stats.intervals(
                stats.moments_of_wins(scores.mean(other) - scores.mean(name), scores.cluster), rng
            )[0]
            for other in scores.bps
            if other != name
        }
        for name in policies
    }


def price_moves(costs: Costs, mid2_grid: Ints) -> Floats:
    """Adverse move of the market from arrival to the horizon of each order, bps: float64 (n,).

    Parameters
    ----------
    costs : Costs
        Of anybody: the orders.
    mid2_grid : int64 (n, G)
        Mids of the same episodes without own orders, half ticks.
    """
    gone = (mid2_grid[:, -1] - mid2_grid[:, 0]) * costs.side.astype(np.int64)
    return gone / mid2_grid[:, 0] * BPS


def price_move_beta(
    scores: Scores, moves_bps: Floats, rng: np.random.Generator
) -> dict[str, stats.Estimate]:
    """Slope of each strategy's cost on the adverse move of the price over the horizon, bps a bp.

    1: everything is traded at the horizon; 0: everything at arrival; a steady schedule lies at a half. The move is
    the market's, without own orders: `moves_bps`, float64 (n,). A policy whose slope differs from its rival's bets on
    the trend: what it gains by that is no execution. Buys and sells in equal numbers cancel a drift of the sample.
    """
    found = {}
    for name, table in scores.bps.items():
        cluster = np.tile(scores.cluster, len(table))
        moments = stats.moments_of_slope(np.tile(moves_bps, len(table)), table.ravel(), cluster)
        found[name] = stats.intervals(moments, rng)[0]
    return found


def by_side(scores: Scores, side: Int8) -> dict[str, dict[str, float]]:
    """Mean shortfall of each strategy's buys and sells, bps."""
    return {
        name: {
            word: float(scores.mean(name)[side == sign].mean())
            for word, sign in (("buy", 1), ("sell", -1))
            if (side == sign).any()
        }
        for name in scores.bps
    }


def deflated_gain(
    scores: Scores, policy: str, best: str, variants: int
) -> stats.DeflatedScore | None:
    """The policy's paired gain over the best baseline, deflated for the variants tried; None for too few clusters."""
    index, count = stats.cluster_index(scores.cluster)
    gain = scores.mean(best) - scores.mean(policy)
    by_cluster = stats.cluster_sums(gain, index, count) / np.bincount(index, minlength=count)
    try:
        return stats.deflate(by_cluster, variants)
    except DataError:
        return None


def adaptability_gain(
    policy: Sequence[Response], other: Sequence[Response], rng: np.random.Generator
) -> stats.Estimate | None:
    """Share of a policy's decisions that the market explains, less that of another strategy; None without
    recordings."""
    found = replicate_responses([policy, other], rng)
    return None if found is None else (found[0] - found[1]).estimate()


def loss_to(scores: Mapping[str, stats.Replicates], name: str, specialist: str) -> stats.Estimate:
    """Cost of a strategy over that of the one trained for the place, less 1, with its interval."""
    one = (scores[name] / scores[specialist]).estimate()
    low, high = (None if end is None else end - 1.0 for end in (one.ci_low, one.ci_high))
    return stats.Estimate(one.mean - 1.0, low, high)
