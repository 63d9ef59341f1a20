"""Counterfactual costs: strategies on somebody's own parents, same symbol, side, quantity, times and tape.

Each parent is an episode of replay (`market.simulator.source`), worked by every strategy from the same moment to
the same horizon; the remaining lots then go to the market. A parent's limit price holds for them as for its owner: they
buy nothing above it and sell nothing below it, and unfilled lots cost the mid's move to the end, as
the owner's do. The differences are paired parent by parent, in money over the arrival value of the requested quantity,
without fees on both sides. Clusters are days, or half hours if there are fewer than twenty days. Intervals hold for
all strategies of a table at once (the bootstrap's largest studentised difference, Romano & Wolf 2005): a table of
strategies which differ in nothing shows a difference in 5 % of cases, however many they are.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from tercel.api.tca.analysis import WHY_NOT, OwnParent, number
from tercel.api.tca.parent_replay import Maker, ReplayRuns
from tercel.core.arrays import Floats, Ints
from tercel.core.report.interval_text import verdict
from tercel.core.stats import Estimate, Moments, Replicates, cluster_index, cluster_sums, replicate
from tercel.core.stats.clusters import BLOCK_NS, FEW_CLUSTERS, LEAST_CLUSTERS
from tercel.core.stats.quantiles import normal_quantile, t_quantile
from tercel.execution.costs import BPS, Costs
from tercel.execution.market import Market
from tercel.lab.evaluation.assumptions import (
    FEES,
    changes,
    condition_text,
    examined,
    impact_label,
)
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.tape import Lake

MOST_UNFILLED = 0.01
"""Share of the lots that a strategy may leave unfilled and still be compared."""


@dataclass(frozen=True)
class StrategyOnParents:
    """Costs of one strategy on all parents.

    Parameters
    ----------
    cost_bps : float
        Simulated cost, bps of the arrival value of the requested quantity.
    saves : Estimate
        Own cost less that, bps: above 0 the strategy is cheaper. The interval holds for all strategies at once.
    unfilled : int
        Lots that the book could not give it, or not within the limit.
    """

    cost_bps: float
    saves: Estimate
    unfilled: int = 0

    @property
    def verdict(self) -> str:
        """ "cheaper", "more expensive", "no significant difference", or below `LEAST_CLUSTERS` clusters "no verdict"."""
        low = self.saves.ci_low
        high = self.saves.ci_high
        if low is None or high is None or low <= 0 <= high:
            return "no verdict" if low is None else "no significant difference"
        return "cheaper" if low > 0 else "more expensive"


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """Simulated costs of every strategy on the parents that could be re-simulated.

    Parameters
    ----------
    own_bps : float
        Cost of these parents: fills and opportunity, without fees and refused lots.
    own_unfilled : int or float
        Of their lots, those unfilled.
    strategies : mapping of name to StrategyOnParents
        Cheapest first, behind them those that left more than `MOST_UNFILLED`.
    parents, clusters : int
    market : Market
        The lake, and the law of impact by which strategies' own trades moved prices.
    left_out : mapping of reason to ids
        Parents that were not re-simulated, by the keys of `WHY_NOT`.
    hindsight : bool
        Whether strategies knew volume and volatility of the very day: the lake has none before it.
    costs : mapping of name to float64 (parents,)
        Parent by parent, bps; own ones under "".
    ids : tuple of str
    incomplete : tuple of str
        Strategies that left more than `MOST_UNFILLED` of all lots.
    assumed : mapping of assumption to strategy to Estimate, or None
        What the cheapest one and the policies save with one assumption changed; None: not examined.
    """

    own_bps: float
    own_unfilled: int | float
    strategies: Mapping[str, StrategyOnParents]
    parents: int
    clusters: int
    market: Market
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hindsight: bool = False
    costs: Mapping[str, Floats] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    assumed: Mapping[str, Mapping[str, Estimate]] | None = None

    @property
    def cheapest(self) -> str:
        """Name of the cheapest strategy that filled enough to be compared; "" without one."""
        return next((name for name in self.strategies if name not in self.incomplete), "")

    def condition(self, name: str) -> str:
        """What a strategy's being cheaper owes to the impact of resting fills, as the end of a sentence; "" if nothing."""
        result = self.strategies.get(name)
        if self.assumed is None or result is None or result.verdict != "cheaper":
            return ""
        gains = {label: row[name] for label, row in self.assumed.items() if name in row}
        own = self.market.passive_impact
        return condition_text({impact_label(own): result.saves} | gains, own, verdict)


def counterfactual(
    parents: Sequence[OwnParent],
    lake: Lake,
    makers: Mapping[str, Maker],
    *,
    market: Market | None = None,
    seed: int = 1,
    resamples: int = 2000,
    progress: Callable[[int, int], object] | None = None,
) -> Counterfactual | None:
    """Re-simulate parents with strategies: simulated costs of each, paired with the own costs.

    Parameters
    ----------
    parents : sequence of OwnParent
    lake : Lake
    makers : mapping of name to callable
        Builds a strategy from the market estimates that it may use.
    market : Market, optional
        The lake with another law of impact of a strategy's own trades than the square root.
    seed : int
        Of draws and resamples.
    progress : callable, optional
        Called with the number of parents that are done, and their total.

    Returns
    -------
    Counterfactual or None
        None if no parent can be re-simulated.
    """
    left_out: dict[str, list[str]] = {name: [] for name in WHY_NOT}
    groups: dict[tuple[tuple[str, str, str], int], list[OwnParent]] = defaultdict(list)
    for parent in parents:
        if parent.worked_lots == 0:
            left_out["under_a_lot" if parent.worked_parts else "nothing_worked"].append(
                parent.cost.parent
            )
        elif parent.cost.end_ns <= parent.cost.start_ns:
            left_out["one_moment"].append(parent.cost.parent)
        else:
            groups[parent.day.key, (parent.cost.end_ns - parent.cost.start_ns).bit_length()].append(
                parent
            )
    market = market or Market(lake=str(lake.root))
    runs = ReplayRuns(
        lake, makers, market, seed, {id(parent): number for number, parent in enumerate(parents)}
    )
    worked: list[OwnParent] = []
    done = 0
    total = sum(map(len, groups.values()))
    costs_of_strategy: dict[str, list[Costs]] = {name: [] for name in makers}
    for _, group in sorted(groups.items()):
        on_tape = [parent for parent in group if parent.cost.end_ns <= runs.day(parent.day).last_ns]
        left_out["past_the_tape"] += [
            parent.cost.parent for parent in group if parent not in on_tape
        ]
        for name, costs in runs.run(on_tape).items() if on_tape else ():
            costs_of_strategy[name].append(costs)
        worked += on_tape
        if progress is not None:
            done += len(group)
            progress(done, total)
    if not worked:
        return None
    strategy_bps = {
        name: _strategy_bps(worked, Costs.concat([chunk.totals() for chunk in chunks]))
        for name, chunks in costs_of_strategy.items()
    }
    unfilled = {
        name: sum(int(chunk.unfilled_lots.sum()) for chunk in chunks)
        for name, chunks in costs_of_strategy.items()
    }
    own_bps = np.array([_own_bps(parent) for parent in worked])
    weights = np.array(
        [float(parent.value2 * parent.worked_parts * parent.unit) for parent in worked]
    )
    labels = clusters_of(worked)
    saves = compare(own_bps, strategy_bps, weights, labels, np.random.default_rng(seed), resamples)
    means = {
        name: float((values * weights).sum() / weights.sum())
        for name, values in strategy_bps.items()
    }
    most = MOST_UNFILLED * sum(parent.worked_lots for parent in worked)
    ranked = sorted(makers, key=lambda name: (unfilled[name] > most, means[name]))
    return Counterfactual(
        float((own_bps * weights).sum() / weights.sum()),
        number(
            sum(
                (Fraction(int(parent.cost.unfilled), parent.parts) for parent in worked),
                Fraction(0),
            )
        ),
        {name: StrategyOnParents(means[name], saves[name], unfilled[name]) for name in ranked},
        len(worked),
        cluster_index(labels)[1],
        market,
        {reason: names for reason, names in left_out.items() if names},
        runs.hindsight,
        {"": own_bps, **strategy_bps},
        tuple(parent.cost.parent for parent in worked),
        tuple(name for name in ranked if unfilled[name] > most),
    )


def with_assumptions(
    found: Counterfactual,
    parents: Sequence[OwnParent],
    lake: Lake,
    makers: Mapping[str, Maker],
    policies: Collection[str],
    names: Sequence[str] | None,
    seed: int = 1,
) -> Counterfactual:
    """The counterfactual with what the cheapest strategy and the policies save under other impact and latency, one
    assumption of `names` at a time; unchanged if there is none (None: all from `MIN_ORDERS` parents on).
    """
    compared = {name: makers[name] for name in makers if name in {*policies, found.cheapest}}
    wanted = set(examined(names, found.parents)) - {FEES}
    fields_by_label = changes(wanted, [Scenario(found.market)]) if compared else {}
    others: dict[str, Counterfactual | None] = {}
    if any("passive_impact" in fields for fields in fields_by_label.values()):
        others[impact_label(found.market.passive_impact)] = found
    for label, fields in fields_by_label.items():
        market = replace(found.market, **fields)
        others[label] = counterfactual(parents, lake, compared, market=market, seed=seed)
    assumed = {
        label: {name: other.strategies[name].saves for name in compared}
        for label, other in others.items()
        if other is not None
    }
    return replace(found, assumed=assumed or None)


def compare(
    own_bps: Floats,
    costs: Mapping[str, Floats],
    weights: Floats,
    labels: Ints,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Own costs less each strategy's (positive: it saves), as weighted means with intervals that hold for all of them at once.

    Parameters
    ----------
    own_bps, weights : float64 (n,)
        Own costs in bps, and what each parent weighs.
    costs : mapping of name to float64 (n,)
    labels : int64 (n,)
        Clusters.

    Examples
    --------
    >>> rng, own = np.random.default_rng(0), np.arange(40.0)
    >>> found = compare(own, {"same": own, "less": own - 3.0}, np.ones(40), np.arange(40), rng)
    >>> found["same"], found["less"].mean
    (Estimate(mean=0.0, ci_low=0.0, ci_high=0.0), 3.0)
    """
    index, count = cluster_index(labels)

    def moments(values: Floats) -> Moments:
        """Sums by cluster of a strategy's weighted gains and of the weights, whose ratio is the weighted mean gain."""
        sums = cluster_sums(np.stack([values * weights, weights], axis=1), index, count)
        return Moments(
            sums, np.ones(count), lambda means: means[:, :1] / np.maximum(means[:, 1:], 1e-300)
        )

    moments_of = {name: moments(own_bps - values) for name, values in costs.items()}
    draws = replicate(moments_of, resamples, rng)
    rows = {
        name: Replicates(
            float(moments_of[name].point()[0]), table[:, 0], ((float(table.var()), count - 1.0),)
        )
        for name, table in draws.items()
    }
    if count < LEAST_CLUSTERS:
        return {name: Estimate(row.point, None, None) for name, row in rows.items()}
    tails = [np.abs(row.draws - row.point) / row.error for row in rows.values() if row.error > 0]
    furthest = float(np.quantile(np.max(tails, axis=0), level)) if tails else 0.0
    tail = 1.0 - (1.0 - level) / 2.0
    reach = furthest * t_quantile(tail, count - 1.0) / normal_quantile(tail)
    return {
        name: Estimate(row.point, row.point - reach * row.error, row.point + reach * row.error)
        for name, row in rows.items()
    }


def clusters_of(parents: Sequence[OwnParent]) -> Ints:
    """Cluster of each parent: its day if there are at least twenty days, else its half hour; shared by symbols."""
    days = {
        date: number for number, date in enumerate(sorted({parent.day.date for parent in parents}))
    }
    if len(days) >= FEW_CLUSTERS:
        return np.array([days[parent.day.date] for parent in parents], np.int64)
    return np.array([parent.cost.start_ns // BLOCK_NS for parent in parents], np.int64)


def _strategy_bps(parents: Sequence[OwnParent], costs: Costs) -> Floats:
    """A strategy's costs in bps of the parents' own arrival mids, without fees.

    Lots beyond the visible book are booked at its last level. Where a limit stopped the strategy from taking at any price,
    they cost the mid's move to the end, as the owner's do.
    """
    m0, m1, value2 = np.array(
        [(parent.arrival_mid2, parent.end_mid2, parent.value2) for parent in parents]
    ).T / [parent.grain for parent in parents]
    limited = np.array([parent.limit is not None for parent in parents])
    paid = costs.shortfall - costs.fees + costs.side * (costs.arrival_mid2 - m0) * costs.qty
    moved = costs.side * (m1 - costs.arrival_mid2) * costs.unfilled_lots
    paid += limited * (moved - costs.unfilled_paid)
    return np.asarray(BPS * paid / (value2 * costs.qty), np.float64)


def _own_bps(parent: OwnParent) -> float:
    """A parent's own cost in bps of its worked value: fills and opportunity, without fees."""
    sums = parent.cost.sums
    return (
        BPS
        * (sums["fills"] - sums["fees"] + sums["opportunity"])
        / (parent.value2 * parent.worked_parts)
    )
