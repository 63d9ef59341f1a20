"""Evaluation of strategies on paired episodes: means, intervals, and paired differences.

All strategies met the same episodes (same market seeds or tape windows), so every resample of the bootstrap
takes the same clusters for all of them, and differences are paired. A learned policy comes as one set of
episodes per training seed; its seeds are a level of the bootstrap of their own. The displacement by own
trading is estimated again in every resample, as it is itself a mean over the episodes: intervals of impact and
timing cover that uncertainty too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tercel.core.arrays import Floats, Indices, Ints
from tercel.core.errors import CapacityError, ConfigError, TercelError, refuse_if
from tercel.core.stats import (
    Estimate,
    Moments,
    Replicates,
    average_over_seeds,
    cluster_index,
    cluster_sums,
    replicate,
)
from tercel.execution.costs import BPS, Costs, own_displacement
from tercel.lab.evaluation.adaptability import Response
from tercel.lab.evaluation.cost_rows import KEYS, LEVEL, RESAMPLES, Cell, CostRow, Counts

Kind = Literal["baseline", "random", "learned", "own"]

CHALLENGERS = ("learned", "own")
"""Kinds that are compared with the best baseline."""
# Keys that follow from costs; adaptability follows from decisions.
_COST_KEYS = KEYS[:-1]
TINY = 1e-12
# Columns before the two grids: see :func:`cost_moments`.
_SCALAR_COLUMNS = 7


RANGES: Mapping[str, tuple[float, float]] = {
    "timing_risk_bps": (0.0, np.inf),
    "passive_share": (0.0, 1.0),
    "adaptability": (0.0, 1.0),
}
"""Range of each key: an interval from few clusters is cut to it."""


@dataclass(frozen=True)
class JudgedEntry:
    """One row of the judged table: a strategy, with costs of its runs on the judged episodes.

    Parameters
    ----------
    name : str
        As shown in every table.
    kind : {"baseline", "random", "learned", "own"}
        Rule; the random one; a trained network; what a user brings.
    runs : tuple of Costs
        One per training seed, one for anything that is not trained; all over the same episodes.
    responses : tuple of Response
        Response of the decisions to the market, one per run, or none.
    """

    name: str
    kind: Kind
    runs: tuple[Costs, ...]
    responses: tuple[Response, ...] = ()


def judge(
    entries: Sequence[JudgedEntry],
    twin_mid2_grid: Ints | None,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[dict[str, CostRow], dict[str, dict[str, list[Estimate]]]]:
    """Cost figures of strategies on paired episodes with intervals, by strategy, and the gains of each challenger's
    training seeds, bps, by challenger and opponent.

    Parameters
    ----------
    entries : sequence of JudgedEntry
        At least one of kind "baseline"; names differ.
    twin_mid2_grid : int64 (n, G) or None
        Mids of the same n episodes without own orders (one counterfactual run serves all strategies), half ticks. None
        on tapes that do not react to own trading: impact is then null.
    rng : numpy Generator
        The same generator state gives the same intervals.
    resamples : int
        Bootstrap resamples, 2,000 to 10,000.

    Raises
    ------
    CapacityError
        When any fixed-size store overflowed in any run.
    ConfigError
        When there is no baseline, a name occurs twice, or the runs are not over the same episodes.
    TercelError
        When lots do not add up.
    """
    _refuse_unjudgeable(entries)
    cost_rng, response_rng = rng.spawn(2)
    table, by_run = replicate_costs(entries, twin_mid2_grid, cost_rng, resamples)
    strategies = {
        entry.name: CostRow(
            table[entry.name]["is_bps"].estimate(LEVEL),
            **{key: _cell(key, table[entry.name][key]) for key in _COST_KEYS[1:]},
            adaptability=_adaptability(entry.responses, response_rng, resamples),
        )
        for entry in entries
    }
    shortfall = {name: row["is_bps"] for name, row in table.items()}
    return strategies, {
        entry.name: _gains_by_seed(entry.name, by_run, shortfall)
        for entry in entries
        if entry.kind in CHALLENGERS
    }


def cost_moments(
    costs: Costs, twin_mid2_grid: Ints | None, index: Indices, clusters: int
) -> Moments:
    """Sums by cluster from which the mean of every cost key follows, own displacement of the mid included.

    Mean impact is the mean walk plus `sum over g of mean(lots_g / m0 Q) * mean(s (m - m')_g)`, the last over the
    episodes that ran to their horizon: a function of means, so the bootstrap estimates d again in each resample.

    Parameters
    ----------
    costs : Costs
        n episodes of one run.
    twin_mid2_grid : int64 (n, G) or None
    index : intp (n,)
        Cluster of each episode.
    clusters : int
        C.

    Returns
    -------
    Moments
        Statistics in the order of `KEYS` without adaptability.
    """
    scale = BPS / costs.denominator
    shortfall = costs.shortfall * scale
    centre = float(shortfall.mean())  # keeps the variance free of cancellation
    reacts = twin_mid2_grid is not None
    forced = costs.forced_spread + costs.forced_walk + costs.forced_timing
    columns = [
        shortfall - centre,
        (shortfall - centre) ** 2,
        (costs.spread if reacts else costs.spread + costs.walk) * scale,
        costs.timing * scale,
        forced * scale,
        costs.fees * scale,
        costs.passive_lots / costs.qty,
    ]
    if twin_mid2_grid is not None:
        columns.append(costs.walk * scale)
        columns.append(costs.run_out.astype(np.float64))
        columns.extend((costs.lots_grid * scale[:, None]).T)
        columns.extend(own_displacement(costs, twin_mid2_grid).T.astype(np.float64))
    sums = cluster_sums(np.stack(columns, axis=1), index, clusters)
    weights = cluster_sums(np.ones(len(costs)), index, clusters)
    return Moments(sums, weights, _statistic(centre, len(costs), reacts))


def replicate_responses(
    strategies: Sequence[Sequence[Response]], rng: np.random.Generator, resamples: int = RESAMPLES
) -> list[Replicates] | None:
    """Bootstrap replicates of each strategy's adaptability over its runs; None if a strategy's decisions were not
    recorded.
    """
    if not all(runs and all(response.rows.any() for response in runs) for runs in strategies):
        return None
    moments = {
        f"{number}/{run}": response.moments()
        for number, runs in enumerate(strategies)
        for run, response in enumerate(runs)
    }
    draws = replicate(moments, resamples, rng)
    replicates = []
    for number, runs in enumerate(strategies):
        names = [f"{number}/{run}" for run in range(len(runs))]
        points = [moments[name].point()[0] for name in names]
        run_draws = [draws[name][:, 0] for name in names]
        replicates.append(average_over_seeds(points, run_draws, moments[names[0]].clusters, rng))
    return replicates


def _adaptability(responses: Sequence[Response], rng: np.random.Generator, resamples: int) -> Cell:
    """Adaptability of a strategy with its interval; None if its decisions were not recorded."""
    replicates = replicate_responses([responses], rng, resamples)
    return (
        None if replicates is None else clip_to_range("adaptability", replicates[0].estimate(LEVEL))
    )


def replicate_costs(
    entries: Sequence[JudgedEntry],
    twin_mid2_grid: Ints | None,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[dict[str, dict[str, Replicates]], dict[str, list[Replicates]]]:
    """Bootstrap replicates by strategy and cost key, and of each training seed's shortfall, by strategy."""
    index, clusters = cluster_index(entries[0].runs[0].cluster)
    cluster_rng, seed_rng = rng.spawn(2)
    moments = {
        f"{entry.name}/{run}": cost_moments(costs, twin_mid2_grid, index, clusters)
        for entry in entries
        for run, costs in enumerate(entry.runs)
    }
    draws = replicate(moments, resamples, cluster_rng)
    pooled: dict[str, dict[str, Replicates]] = {}
    single: dict[str, list[Replicates]] = {}
    for entry in entries:
        names = [f"{entry.name}/{run}" for run in range(len(entry.runs))]
        points = np.stack([moments[name].point() for name in names])
        run_draws = np.stack([draws[name] for name in names])
        pooled[entry.name] = {
            key: average_over_seeds(points[:, k], run_draws[:, :, k], clusters, seed_rng)
            for k, key in enumerate(_COST_KEYS)
        }
        single[entry.name] = [
            average_over_seeds(points[[run], 0], run_draws[[run], :, 0], clusters, seed_rng)
            for run in range(len(names))
        ]
    return pooled, single


def _statistic(centre: float, episodes: int, reacts: bool) -> Callable[[Floats], Floats]:
    """Function from means of the columns of :func:`cost_moments`, (B, F), to the cost keys, (B, K)."""
    unbiased = episodes / (episodes - 1.0) if episodes > 1 else np.nan  # one order does not scatter

    def statistic(means: Floats) -> Floats:
        """Cost keys, (B, K), from means of the columns of `cost_moments`, (B, F)."""
        deviation, square, spread, timing, forced, fees, passive = means[:, :_SCALAR_COLUMNS].T
        risk = np.sqrt(np.maximum(square - deviation**2, 0.0) * unbiased)
        impact = np.full(len(means), np.nan)
        if reacts:
            lots, moves = np.split(means[:, _SCALAR_COLUMNS + 2 :], 2, axis=1)
            own_move = (lots * moves).sum(axis=1) / np.maximum(means[:, _SCALAR_COLUMNS + 1], TINY)
            impact = means[:, _SCALAR_COLUMNS] + own_move
            timing = timing - own_move
        return np.stack(
            [centre + deviation, spread, impact, timing, forced, fees, risk, passive], axis=1
        )

    return statistic


def _cell(key: str, replicates: Replicates) -> Cell:
    """Estimate of a cost key with its interval, cut to the key's range; None without a value."""
    return None if np.isnan(replicates.point) else clip_to_range(key, replicates.estimate(LEVEL))


def clip_to_range(key: str, estimate: Estimate) -> Estimate:
    """Estimate whose interval, not its mean, is cut to the range of the cost key; unchanged for a key without a range."""
    if key not in RANGES or estimate.ci_low is None or estimate.ci_high is None:
        return estimate
    low, high = RANGES[key]
    return Estimate(
        estimate.mean, min(max(estimate.ci_low, low), high), min(max(estimate.ci_high, low), high)
    )


def _gains_by_seed(
    name: str, runs: Mapping[str, list[Replicates]], pooled: Mapping[str, Replicates]
) -> dict[str, list[Estimate]]:
    """Gain of each training seed of strategy `name` on every other strategy, bps, by opponent.

    Against the opponent's same seed where it has as many, else against its mean over seeds.
    """
    costs = runs[name]
    return {
        opponent: [
            (
                (opponent_costs[seed] if len(opponent_costs) == len(costs) else pooled[opponent])
                - cost
            ).estimate(LEVEL)
            for seed, cost in enumerate(costs)
        ]
        for opponent, opponent_costs in runs.items()
        if opponent != name
    }


def count_lots(entry: JudgedEntry) -> Counts:
    """Unfilled lots, shares of lots unfilled, forced and filled twice (in replay), and messages per order, over all runs."""

    def total(name: str) -> int:
        """Sum of a column of the costs over all runs."""
        return sum(int(getattr(costs, name).sum()) for costs in entry.runs)

    lots = total("qty")
    unfilled, forced, double = (
        total(name) for name in ("unfilled_lots", "forced_lots", "double_lots")
    )
    messages = total("messages") / sum(map(len, entry.runs))
    return Counts(unfilled, unfilled / lots, forced / lots, double / lots, messages)


def have_same_fills(runs: Sequence[Costs], other_runs: Sequence[Costs]) -> bool:
    """Whether two strategies had the same fills in every episode; False where either has several runs."""
    keys = ("spread", "walk", "timing", "fees", "passive_lots", "lots_grid", "forced_lots_grid")
    return len(runs) == len(other_runs) == 1 and all(
        np.array_equal(getattr(runs[0], key), getattr(other_runs[0], key)) for key in keys
    )


def paired_correlation(entries: Sequence[JudgedEntry]) -> float | None:
    """Median over pairs of rules of the correlation of their costs by episode; None without two rules.

    Gain by pairing: the variance of a difference is ``1 - correlation`` of what it is without. None for fewer
    than two strategies whose costs vary, or fewer than three episodes.
    """
    costs = [
        entry.runs[0].shortfall / entry.runs[0].denominator
        for entry in entries
        if entry.kind == "baseline"
    ]
    costs = [series for series in costs if len(series) > 2 and np.ptp(series) > 0.0]
    if len(costs) < 2:
        return None
    return float(np.median(np.atleast_2d(np.corrcoef(costs))[np.triu_indices(len(costs), 1)]))


def _refuse_unjudgeable(entries: Sequence[JudgedEntry]) -> None:
    """Raise for entries that cannot be judged together: double names, no rule, no runs, overflow, runs of other episodes."""
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise ConfigError("strategies with different names", f"{names}", "rename one")
    refuse_if(
        not any(entry.kind == "baseline" for entry in entries),
        "at least one rule",
        f"{names}",
        "judge one beside the others, such as twap_take",
    )
    for entry in entries:
        if not entry.runs or len(entry.responses) not in (0, len(entry.runs)):
            raise ConfigError(
                "costs of at least one run, and decisions of every run or none",
                f"{len(entry.runs)} runs and {len(entry.responses)} responses of {entry.name}",
                "judge every training seed alike",
            )
        for costs in entry.runs:
            _refuse_run(entry.name, costs, entries[0].runs[0])


def _refuse_run(name: str, costs: Costs, first: Costs) -> None:
    """Raise unless a run has the same episodes as the first run, all ended and without overflow."""
    if costs.overflow.any():
        episode = int(np.flatnonzero(costs.overflow)[0])
        raise CapacityError(
            "no overflow in a judged run",
            f"{int(costs.overflow.sum())} in {name}, the first in episode {episode}",
            "raise the market's capacities (orders, width) and run again",
        )
    same = len(costs) == len(first) and all(
        np.array_equal(getattr(costs, key), getattr(first, key))
        for key in ("cluster", "side", "qty", "arrival_mid2")
    )
    refuse_if(
        not same or len(costs) == 0,
        "the same episodes for every strategy (cluster, side, quantity and arrival mid alike)",
        f"{len(costs)} other episodes for {name}",
        "run every strategy with the same seeds or windows",
    )
    try:
        costs.check()
    except TercelError as error:
        raise TercelError(error.expected, f"{name}, {error.received}", error.remedy) from error
