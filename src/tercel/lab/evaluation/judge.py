"""Evaluation of strategies on paired episodes: means, intervals, and paired differences.

All strategies met the same episodes (same market seeds or tape windows), so every resample of the bootstrap
takes the same clusters for all of them, and differences are paired. A learned policy comes as one set of
episodes per training seed; its seeds are a level of the bootstrap of their own. The displacement by own
trading is estimated again in every resample, as it is itself a mean over the episodes: intervals of impact and
timing cover that uncertainty too.

The best baseline is the rule with the lowest mean shortfall on these very episodes; `random` is
no candidate, it is there to be beaten. Chosen after the fact, the winner's mean flatters it a little, so that
the comparison against it errs to the strict side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Literal

import numpy as np

from tercel.core.arrays import Floats, Indices, Ints
from tercel.core.errors import CapacityError, ConfigError, TercelError
from tercel.core.report.tables import UNRANKED
from tercel.core.stats import (
    Estimate,
    Moments,
    Replicates,
    cluster_index,
    cluster_sums,
    over_seeds,
    replicate,
)
from tercel.core.stats.bootstrap import FEW_CLUSTERS
from tercel.execution.costs import BPS, Costs, own_displacement
from tercel.lab.evaluation.comparisons import (
    ALIKE,
    FEW_NOTE,
    KEYS,
    NOTED,
    RAN_OUT,
    REPLAY_NOTE,
    Cell,
    CostRow,
    Counts,
    JudgedRun,
)
from tercel.lab.evaluation.runs import Response

Kind = Literal["baseline", "random", "learned", "own"]

CHALLENGERS = ("learned", "own")
"""Kinds that are compared with the best baseline."""
# Keys that follow from costs; adaptability follows from decisions.
_COST_KEYS = KEYS[:-1]
TINY = 1e-12
# Columns before the two grids: see :func:`cost_moments`.
_PLAIN = 7


@dataclass(frozen=True)
class JudgedEntry:
    """One row of the table: a strategy and the episodes it was judged on.

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
    *,
    market: str,
    task: Mapping[str, object],
    seeds: Sequence[int] = (),
    cluster: str = "episode seed",
    notes: Sequence[str] = (),
    resamples: int = 2000,
    level: float = 0.95,
    best: str | None = None,
    paired: Mapping[str, Mapping[str, Estimate]] = MappingProxyType({}),
) -> JudgedRun:
    """Judge strategies on paired episodes.

    Parameters
    ----------
    entries : sequence of JudgedEntry
        At least one of kind "baseline"; names differ.
    twin_mid2_grid : int64 (n, G) or None
        Mids of the same n episodes without own orders (one counterfactual run serves all strategies), half ticks. None
        on tapes that do not react to own trading: impact is then null.
    rng : numpy Generator
        The same generator state gives the same intervals.
    market, task, seeds, cluster, notes
        Carried into the result; `notes` come first among its notes.
    resamples : int
        Bootstrap resamples, 2,000 to 10,000.
    level : float
        Nominal coverage of the intervals.
    best : str, optional
        The best baseline, chosen elsewhere; by default that of the lowest mean on these episodes.
    paired : mapping of policy to opponent to Estimate
        Cost saved, as `comparisons.gains` finds it.

    Returns
    -------
    JudgedRun

    Raises
    ------
    CapacityError
        When any fixed-size store overflowed in any run.
    ConfigError
        When there is no baseline, a name occurs twice, or the runs are not over the same episodes.
    TercelError
        When lots do not add up.
    """
    _refuse_nonsense(entries)
    first = entries[0].runs[0]
    clusters = cluster_index(first.cluster)[1]
    cost_rng, response_rng = rng.spawn(2)
    table, by_run = _replicate_costs(entries, twin_mid2_grid, cost_rng, resamples)
    strategies = {
        entry.name: CostRow(
            table[entry.name]["is_bps"].estimate(level),
            **{key: _cell(key, table[entry.name][key], level) for key in _COST_KEYS[1:]},
            adaptability=_adaptability(entry.responses, response_rng, resamples, level),
        )
        for entry in entries
    }
    shortfall = {name: row["is_bps"] for name, row in table.items()}
    if best is None:
        written = [entry.name for entry in entries if entry.kind == "baseline"]
        best = min(written, key=lambda name: shortfall[name].point)
    challengers = [entry.name for entry in entries if entry.kind in CHALLENGERS]
    return JudgedRun(
        strategies=strategies,
        kinds={entry.name: entry.kind for entry in entries},
        best_baseline=best,
        paired_vs_best_baseline={name: row[best] for name, row in paired.items()},
        paired=paired,
        paired_by_seed={
            name: _seed_by_seed(name, by_run, shortfall, level) for name in challengers
        },
        counts={entry.name: _counts(entry) for entry in entries},
        episodes=len(first),
        clusters=clusters,
        seeds=list(seeds),
        market=market,
        task=dict(task),
        notes=(*notes, *_notes(entries, clusters, twin_mid2_grid is None)),
        correlation=paired_correlation(entries),
        level=level,
        resamples=resamples,
        cluster=cluster,
    )


def cost_replicates(
    entries: Sequence[JudgedEntry], twin_mid2_grid: Ints | None, rng: np.random.Generator
) -> dict[str, dict[str, Replicates]]:
    """Bootstrap replicates by name and cost key, over all training seeds, under the same cluster draws: for comparisons
    beyond the table."""
    return _replicate_costs(entries, twin_mid2_grid, rng)[0]


def cost_moments(
    costs: Costs, twin_mid2_grid: Ints | None, index: Indices, clusters: int
) -> Moments:
    """Sums by cluster from which every cost key follows, displacement included.

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
    answered = twin_mid2_grid is not None
    forced = costs.forced_spread + costs.forced_walk + costs.forced_timing
    columns = [
        shortfall - centre,
        (shortfall - centre) ** 2,
        (costs.spread if answered else costs.spread + costs.walk) * scale,
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
    return Moments(sums, weights, _statistic(centre, len(costs), answered))


def replicate_responses(
    strategies: Sequence[Sequence[Response]], rng: np.random.Generator, resamples: int = 2000
) -> list[Replicates] | None:
    """Adaptability of each strategy over its runs; None when decisions of one were not recorded or could be paired."""
    if not all(runs and all(one.rows.any() for one in runs) for runs in strategies):
        return None
    moments = {
        f"{at}/{run}": one.moments()
        for at, runs in enumerate(strategies)
        for run, one in enumerate(runs)
    }
    draws = replicate(moments, resamples, rng)
    found = []
    for at, runs in enumerate(strategies):
        names = [f"{at}/{run}" for run in range(len(runs))]
        points, drawn = (
            [moments[name].point()[0] for name in names],
            [draws[name][:, 0] for name in names],
        )
        found.append(over_seeds(points, drawn, moments[names[0]].clusters, rng))
    return found


def _adaptability(
    responses: Sequence[Response], rng: np.random.Generator, resamples: int, level: float
) -> Cell:
    found = replicate_responses([responses], rng, resamples)
    return None if found is None else within_range("adaptability", found[0].estimate(level))


def _replicate_costs(
    entries: Sequence[JudgedEntry],
    twin_mid2_grid: Ints | None,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> tuple[dict[str, dict[str, Replicates]], dict[str, list[Replicates]]]:
    """Name -> key -> replicates over all training seeds; name -> replicates of `is_bps` for each seed by itself."""
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
        drawn = np.stack([draws[name] for name in names])
        pooled[entry.name] = {
            key: over_seeds(points[:, k], drawn[:, :, k], clusters, seed_rng)
            for k, key in enumerate(_COST_KEYS)
        }
        single[entry.name] = [
            over_seeds(points[[run], 0], drawn[[run], :, 0], clusters, seed_rng)
            for run in range(len(names))
        ]
    return pooled, single


def _statistic(centre: float, episodes: int, answered: bool) -> Callable[[Floats], Floats]:
    """Means of the columns of :func:`cost_moments`, (B, F) -> the cost keys, (B, K)."""
    unbiased = episodes / (episodes - 1.0) if episodes > 1 else np.nan  # one order does not scatter

    def statistic(means: Floats) -> Floats:
        away, square, spread, timing, forced, fees, passive = means[:, :_PLAIN].T
        risk = np.sqrt(np.maximum(square - away**2, 0.0) * unbiased)
        impact = np.full(len(means), np.nan)
        if answered:
            lots, moves = np.split(means[:, _PLAIN + 2 :], 2, axis=1)
            moved = (lots * moves).sum(axis=1) / np.maximum(means[:, _PLAIN + 1], TINY)
            impact, timing = means[:, _PLAIN] + moved, timing - moved
        return np.stack(
            [centre + away, spread, impact, timing, forced, fees, risk, passive], axis=1
        )

    return statistic


def _cell(key: str, one: Replicates, level: float) -> Cell:
    return None if np.isnan(one.point) else within_range(key, one.estimate(level))


RANGES: Mapping[str, tuple[float, float]] = {
    "timing_risk_bps": (0.0, np.inf),
    "passive_share": (0.0, 1.0),
    "adaptability": (0.0, 1.0),
}
"""Range of each key: an interval from few clusters is cut to it."""


def within_range(key: str, estimate: Estimate) -> Estimate:
    """The estimate with its interval cut to the key's range."""
    if key not in RANGES or estimate.ci_low is None or estimate.ci_high is None:
        return estimate
    low, high = RANGES[key]
    return Estimate(
        estimate.mean, min(max(estimate.ci_low, low), high), min(max(estimate.ci_high, low), high)
    )


def _seed_by_seed(
    name: str, runs: Mapping[str, list[Replicates]], pooled: Mapping[str, Replicates], level: float
) -> dict[str, list[Estimate]]:
    """Cost saved by each training seed of `name` against every other strategy."""
    ours = runs[name]
    return {
        other: [
            ((theirs[seed] if len(theirs) == len(ours) else pooled[other]) - one).estimate(level)
            for seed, one in enumerate(ours)
        ]
        for other, theirs in runs.items()
        if other != name
    }


def _counts(entry: JudgedEntry) -> Counts:
    """Lots that deserve a remark, over all runs of a strategy."""

    def total(name: str) -> int:
        return sum(int(getattr(costs, name).sum()) for costs in entry.runs)

    lots = total("qty")
    unfilled, forced, double = (
        total(name) for name in ("unfilled_lots", "forced_lots", "double_lots")
    )
    messages = total("messages") / sum(map(len, entry.runs))
    return Counts(unfilled, unfilled / lots, forced / lots, double / lots, messages)


def _notes(entries: Sequence[JudgedEntry], clusters: int, replayed: bool) -> list[str]:
    """Notes below the table: few clusters, replay, missing parts of costs."""
    notes = []
    if clusters < FEW_CLUSTERS:
        notes.append(f"{FEW_NOTE} ({clusters}): intervals are an indication")
    if clusters == 1:
        notes.append("one cluster: no intervals")
    if replayed:
        notes.append(f"{REPLAY_NOTE}: impact is not available, depth cost is in spread_bps")
    learned = [entry for entry in entries if entry.kind == "learned"]
    single = [entry.name for entry in learned if len(entry.runs) == 1]
    if single:
        of = "learned policies" if len(single) == len(learned) else "policies judged one by one"
        notes.append(f"one training seed: intervals of {of} leave out what training varies")
    short = {entry.name: _counts(entry).unfilled_share for entry in entries}
    if left := ", ".join(f"{name} {100 * one:.0f} %" for name, one in short.items() if one > NOTED):
        notes.append(
            f"{RAN_OUT}: unfilled are {left}, so these are not the costs of such an order."
            + f" Above {100 * UNRANKED:.0f} % nothing is ranked or compared."
            * (max(short.values()) > UNRANKED)
        )
    for one, other in combinations(entries, 2):
        if {one.kind, other.kind} & {*CHALLENGERS} and _alike(one.runs, other.runs):
            notes.append(
                f"{ALIKE}: {one.name} and {other.name} had the same fills in every episode."
            )
    for key, note in (
        (
            "unfilled_share",
            "Lots that found nobody, booked at the end of the book or its next price plus the law for the whole order",
        ),
        (
            "double_filled_share",
            "Lots that trades filled which the tape gave to its own orders too (replay is generous to them)",
        ),
    ):
        shares = {entry.name: getattr(_counts(entry), key) for entry in entries}
        listed = ", ".join(f"{name} {share:.2%}" for name, share in shares.items() if share > 0)
        if listed:
            notes.append(f"{note}: {listed}.")
    return notes


def _alike(runs: Sequence[Costs], others: Sequence[Costs]) -> bool:
    """Whether two strategies of a single run each were filled alike in every episode."""
    keys = ("spread", "walk", "timing", "fees", "passive_lots", "lots_grid", "forced_lots_grid")
    return len(runs) == len(others) == 1 and all(
        np.array_equal(getattr(runs[0], key), getattr(others[0], key)) for key in keys
    )


def paired_correlation(entries: Sequence[JudgedEntry]) -> float | None:
    """Median over pairs of rules of the correlation of their costs, episode by episode.

    Gain by pairing: the variance of a difference is ``1 - correlation`` of what it is without. None for fewer
    than two strategies whose costs vary, or fewer than three episodes.
    """
    costs = [
        entry.runs[0].shortfall / entry.runs[0].denominator
        for entry in entries
        if entry.kind == "baseline"
    ]
    costs = [one for one in costs if len(one) > 2 and np.ptp(one) > 0.0]
    if len(costs) < 2:
        return None
    return float(np.median(np.atleast_2d(np.corrcoef(costs))[np.triu_indices(len(costs), 1)]))


def _refuse_nonsense(entries: Sequence[JudgedEntry]) -> None:
    """Every reason not to judge."""
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise ConfigError("strategies with different names", f"{names}", "rename one")
    if not any(entry.kind == "baseline" for entry in entries):
        raise ConfigError(
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
    """A run must be over the same episodes as the first one, whole, and without overflow."""
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
    if not same or len(costs) == 0:
        raise ConfigError(
            "the same episodes for every strategy (cluster, side, quantity and arrival mid alike)",
            f"{len(costs)} other episodes for {name}",
            "run every strategy with the same seeds or windows",
        )
    try:
        costs.check()
    except TercelError as error:
        raise TercelError(error.expected, f"{name}, {error.received}", error.remedy) from error
