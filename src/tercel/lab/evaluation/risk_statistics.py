"""Risk statistics of judged strategies: ratios to schedules, tail means, win shares, price-move betas, deflated gains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tercel.core import stats
from tercel.core.arrays import Floats, Int8, Ints
from tercel.core.errors import DataError
from tercel.core.records import Record
from tercel.execution.costs import BPS, Costs
from tercel.lab.evaluation.adaptability import Response
from tercel.lab.evaluation.comparisons import Scores
from tercel.lab.evaluation.judge import JudgedEntry, replicate_costs, replicate_responses

SCHEDULES = ("twap_take", "vwap_take")
"""Denominators of the ratios."""
FROZEN = ("twap_take", "almgren_chriss")
"""Schedules frozen at arrival: whatever the market does, they take the same lots at the same times."""
ADAPTABILITY_BASELINE = "vwap_passive"
"""Whose adaptability is subtracted."""


@dataclass(frozen=True)
class Ratio(stats.Estimate):
    """Ratio of two cost figures, with the denominator's interval: if that holds zero, the ratio says nothing."""

    denominator: stats.Estimate


@dataclass(frozen=True)
class ScheduleRatios(Record):
    """Ratios of a policy's costs to those of the schedules, and differences in risk and adaptability.

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
        all_fields = super().json_fields()
        return {
            key: all_fields[key]
            for key in all_fields
            if (self.adaptability if key == "adaptability" else self.is_bps)
        }


def ratios(
    entries: Sequence[JudgedEntry], twin_mid2_grid: Ints | None, rng: np.random.Generator
) -> dict[str, ScheduleRatios]:
    """Ratios and differences of each learned policy to each schedule, with intervals, by policy; empty if either is missing.

    Parameters
    ----------
    entries : sequence of JudgedEntry
        The policies (kind "learned") and the schedules, if they were judged.
    """
    schedules = [entry.name for entry in entries if entry.name in SCHEDULES]
    policies = [entry.name for entry in entries if entry.kind == "learned"]
    if not schedules or not policies:
        return {}
    table, _ = replicate_costs(entries, twin_mid2_grid, rng)
    ratios_by_policy = {}
    for name in policies:
        cost, impact = (
            {schedule: _ratio(table[name][key], table[schedule][key]) for schedule in schedules}
            for key in ("is_bps", "impact_bps")
        )
        risk = {
            schedule: table[name]["timing_risk_bps"] - table[schedule]["timing_risk_bps"]
            for schedule in schedules
        }
        risks = {
            schedule: difference.estimate()
            for schedule, difference in risk.items()
            if not np.isnan(difference.point)
        }
        ratios_by_policy[name] = ScheduleRatios(cost, impact, risks)
    return ratios_by_policy


def _ratio(numerator: stats.Replicates, denominator: stats.Replicates) -> Ratio | None:
    """Ratio of two figures with the denominator's interval; None if a figure is missing or the denominator is 0."""
    if np.isnan(numerator.point) or np.isnan(denominator.point) or denominator.point == 0.0:
        return None
    estimate = (numerator / denominator).estimate()
    return Ratio(estimate.mean, estimate.ci_low, estimate.ci_high, denominator.estimate())


def tail_means(scores: Scores, rng: np.random.Generator) -> dict[str, stats.Estimate]:
    """Mean of the most expensive 5 % of episodes of each strategy, bps."""
    return {
        name: stats.intervals(stats.moments_of_cvar(scores.mean(name), scores.cluster), rng)[0]
        for name in scores.bps
    }


def win_shares(
    scores: Scores, policies: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, stats.Estimate]]:
    """Share of episodes in which a policy is cheaper than an opponent, by policy and opponent."""
    return {
        name: {
            opponent: stats.intervals(
                stats.moments_of_wins(scores.mean(opponent) - scores.mean(name), scores.cluster),
                rng,
            )[0]
            for opponent in scores.bps
            if opponent != name
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
    move = (mid2_grid[:, -1] - mid2_grid[:, 0]) * costs.side.astype(np.int64)
    return move / mid2_grid[:, 0] * BPS


def price_move_beta(
    scores: Scores, moves_bps: Floats, rng: np.random.Generator
) -> dict[str, stats.Estimate]:
    """Slope of each strategy's cost on the adverse move of the price over the horizon, bps a bp.

    1: everything is traded at the horizon; 0: everything at arrival; a steady schedule lies at a half. The move is
    the market's, without own orders: `moves_bps`, float64 (n,). A policy whose slope differs from its rival's bets on
    the trend: what it gains by that is no execution. Buys and sells in equal numbers cancel a drift of the sample.
    """
    slopes = {}
    for name, table in scores.bps.items():
        cluster = np.tile(scores.cluster, len(table))
        moments = stats.moments_of_slope(np.tile(moves_bps, len(table)), table.ravel(), cluster)
        slopes[name] = stats.intervals(moments, rng)[0]
    return slopes


def by_side(scores: Scores, side: Int8) -> dict[str, dict[str, float]]:
    """Mean shortfall of each strategy's buys and sells, bps, by strategy and side."""
    return {
        name: {
            side_name: float(scores.mean(name)[side == sign].mean())
            for side_name, sign in (("buy", 1), ("sell", -1))
            if (side == sign).any()
        }
        for name in scores.bps
    }


def deflated_gain(
    scores: Scores, policy: str, best: str, variants: int
) -> stats.DeflatedScore | None:
    """Gain of a policy over the best baseline per unit of risk, deflated for the variants tried; None for few clusters."""
    index, count = stats.cluster_index(scores.cluster)
    gain = scores.mean(best) - scores.mean(policy)
    by_cluster = stats.cluster_sums(gain, index, count) / np.bincount(index, minlength=count)
    try:
        return stats.deflate(by_cluster, variants)
    except DataError:
        return None


def adaptability_gain(
    policy: Sequence[Response], opponent: Sequence[Response], rng: np.random.Generator
) -> stats.Estimate | None:
    """Adaptability of a policy less that of another strategy, with interval; None without recorded decisions."""
    replicates = replicate_responses([policy, opponent], rng)
    return None if replicates is None else (replicates[0] - replicates[1]).estimate()


def loss_to(scores: Mapping[str, stats.Replicates], name: str, specialist: str) -> stats.Estimate:
    """Relative loss of a strategy to the specialist of a regime: ratio of costs less 1, with interval."""
    ratio = (scores[name] / scores[specialist]).estimate()
    low, high = (None if bound is None else bound - 1.0 for bound in (ratio.ci_low, ratio.ci_high))
    return stats.Estimate(ratio.mean - 1.0, low, high)
