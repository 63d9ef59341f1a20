"""What a mean does not say: ratios to the schedules, risk, tails, odds, power, deflation, and bets in disguise."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import DataError
from tercel.core.stats import (
    Replicates,
    cluster_index,
    cluster_sums,
    deflate,
    intervals,
    moments_of_cvar,
    moments_of_slope,
    moments_of_wins,
    over_seeds,
    replicate,
)
from tercel.execution.costs import BPS, Costs
from tercel.lab.evaluation.adaptability import Response
from tercel.lab.evaluation.comparisons import RESAMPLES, Scores
from tercel.lab.evaluation.judge import JudgedEntry, cost_replicates

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCHEDULES = ("twap_take", "vwap_take")
"""Denominators of the ratios."""
FROZEN = ("twap_take", "almgren_chriss")
"""Schedules frozen at arrival: whatever the market does, they take the same lots at the same times."""
RIGID = "vwap_passive"
"""Whose adaptability is subtracted."""


def ratios(
    entries: Sequence[JudgedEntry], twin_mid2_grid: Ints | None, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, dict[str, Any]]:
    """Policy -> `is_bps`, `impact_bps` (ratios) and `timing_risk_bps` (a difference) to each schedule, with intervals.

    A ratio comes with `denominator`, the schedule's own interval: where that holds zero, the ratio says nothing. The
    difference of the standard deviations is paired like the rest: below zero, the policy's costs vary less.

    Parameters
    ----------
    entries : sequence of JudgedEntry
        The policies (kind "learned") and the schedules, if they were judged.
    """
    schedules = [entry.name for entry in entries if entry.name in SCHEDULES]
    policies = [entry.name for entry in entries if entry.kind == "learned"]
    if not schedules or not policies:
        return {}
    table = cost_replicates(entries, twin_mid2_grid, rng, resamples)
    found: dict[str, dict[str, Any]] = {}
    for name in policies:
        found[name] = {}
        for key in ("is_bps", "impact_bps"):
            found[name][key] = {other: _ratio(table[name][key], table[other][key]) for other in schedules}
        risk = {other: table[name]["timing_risk_bps"] - table[other]["timing_risk_bps"] for other in schedules}
        found[name]["timing_risk_bps"] = {
            other: one.estimate().to_json() for other, one in risk.items() if not np.isnan(one.point)
        }
    return found


def _ratio(top: Replicates, bottom: Replicates) -> dict[str, Any] | None:
    """A ratio and its denominator; None where one of the two is not available."""
    if np.isnan(top.point) or np.isnan(bottom.point) or bottom.point == 0.0:
        return None
    return {**(top / bottom).estimate().to_json(), "denominator": bottom.estimate().to_json()}


def tails(scores: Scores, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Strategy -> mean of the dearest 5 % of episodes, bps."""
    return {
        name: intervals(moments_of_cvar(scores.mean(name), scores.cluster), rng)[0].to_json() for name in scores.bps
    }


def wins(scores: Scores, policies: Sequence[str], rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Policy -> opponent -> share of episodes in which the policy is cheaper."""
    return {
        name: {
            other: intervals(moments_of_wins(scores.mean(other) - scores.mean(name), scores.cluster), rng)[0].to_json()
            for other in scores.bps
            if other != name
        }
        for name in policies
    }


def price_moves(costs: Costs, mid2_grid: NDArray[np.int64]) -> Floats:
    """How far the market went against each order from arrival to the horizon, bps: float64 (n,).

    Parameters
    ----------
    costs : Costs
        Of anybody: the orders.
    mid2_grid : int64 (n, G)
        Mids of the same episodes without own orders, half ticks.
    """
    gone = (mid2_grid[:, -1] - mid2_grid[:, 0]) * costs.side.astype(np.int64)
    moves: Floats = gone / mid2_grid[:, 0] * BPS
    return moves


def price_move_beta(scores: Scores, moves_bps: Floats, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Strategy -> slope of its cost on the adverse move of the price over the horizon, bps a bp.

    1: everything is traded at the horizon; 0: everything at arrival; a steady schedule lies at a half. The move is
    the market's, without own orders: `moves_bps`, float64 (n,). A policy whose slope differs from its rival's bets on
    the trend: what it gains by that is no execution. Buys and sells in equal numbers cancel a drift of the sample.
    """
    found = {}
    for name, table in scores.bps.items():
        cluster = np.tile(scores.cluster, len(table))
        moments = moments_of_slope(np.tile(moves_bps, len(table)), table.ravel(), cluster)
        found[name] = intervals(moments, rng)[0].to_json()
    return found


def by_side(scores: Scores, side: NDArray[np.int8]) -> dict[str, dict[str, float]]:
    """Strategy -> mean shortfall of buys and of sells, bps."""
    return {
        name: {
            word: float(scores.mean(name)[side == sign].mean())
            for word, sign in (("buy", 1), ("sell", -1))
            if (side == sign).any()
        }
        for name in scores.bps
    }


def deflated_gain(scores: Scores, policy: str, best: str, variants: int) -> dict[str, Any] | None:
    """The policy's paired gain over the best baseline, deflated for the variants tried; None for too few clusters."""
    index, count = cluster_index(scores.cluster)
    gain = scores.mean(best) - scores.mean(policy)
    by_cluster = cluster_sums(gain, index, count) / np.bincount(index, minlength=count)
    try:
        one = deflate(by_cluster, variants)
    except DataError:
        return None
    return {
        "ratio": one.ratio,
        "best_of_none": one.best_of_none,
        "probability": one.probability,
        "variants": one.variants,
        "clusters": one.values,
    }


def adaptability_gain(
    policy: Sequence[Response], other: Sequence[Response], rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Any] | None:
    """How much more of a policy's decisions the market explains than of another strategy's; None without recordings."""
    if not policy or not other or not all(one.rows.any() for one in (*policy, *other)):
        return None
    moments = {
        f"{side}{run}": one.moments() for side, runs in enumerate((policy, other)) for run, one in enumerate(runs)
    }
    draws = replicate(moments, resamples, rng)
    clusters = next(iter(moments.values())).clusters
    ours, theirs = (
        over_seeds(
            [moments[f"{side}{run}"].point()[0] for run in range(len(runs))],
            [draws[f"{side}{run}"][:, 0] for run in range(len(runs))],
            clusters,
            rng,
        )
        for side, runs in enumerate((policy, other))
    )
    return (ours - theirs).estimate().to_json()


def loss_to(scores: Mapping[str, Replicates], name: str, specialist: str) -> dict[str, Any]:
    """Cost of a strategy over that of the one trained for the place, less 1, with its interval."""
    ratio = scores[name] / scores[specialist]
    one = ratio.estimate()
    return {
        "mean": one.mean - 1.0,
        "ci_low": None if one.ci_low is None else one.ci_low - 1.0,
        "ci_high": None if one.ci_high is None else one.ci_high - 1.0,
    }
