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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from tercel.api.tca.analysis import WHY_NOT, Calendar, OwnParent, number
from tercel.core.arrays import Floats, Ints
from tercel.core.stats import Estimate, Moments, Replicates, cluster_index, cluster_sums, replicate
from tercel.core.stats.bootstrap import BLOCK_NS, FEW_CLUSTERS, LEAST_CLUSTERS
from tercel.core.stats.inference import normal_quantile, t_quantile
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.execution.costs import BPS, Costs
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.runs import Waiting, pilot, run_strategies
from tercel.lab.evaluation.windows import tape_plan, tape_sampler, window_row
from tercel.market.impact.fitted import tape_law
from tercel.market.simulator.source import Source, TapeDay, replay
from tercel.market.tape import Instrument, Lake

Maker = Callable[[MarketEstimates], Strategy]

MOST_UNFILLED = 0.01
"""Part of the lots that a strategy may leave and still be compared with."""
PILOT_WINDOWS = 16
"""Windows of a day from which a strategy knows volume, volatility and depth."""


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
        low, high = self.saves.ci_low, self.saves.ci_high
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
    impact : str
        The law that strategies' own trades moved prices by.
    left_out : mapping of reason to ids
        Parents that were not re-simulated, by the keys of `WHY_NOT`.
    hindsight : bool
        Whether strategies knew volume and volatility of the very day: the lake has none before it.
    costs : mapping of name to float64 (parents,)
        Parent by parent, bps; own ones under "".
    ids : tuple of str
    incomplete : tuple of str
        Strategies that left more than `MOST_UNFILLED` of all lots.
    """

    own_bps: float
    own_unfilled: int | float
    strategies: Mapping[str, StrategyOnParents]
    parents: int
    clusters: int
    impact: str
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hindsight: bool = False
    costs: Mapping[str, Floats] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()


def counterfactual(
    parents: Sequence[OwnParent],
    lake: Lake,
    makers: Mapping[str, Maker],
    *,
    impact: str = "square_root",
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
    impact : str
        "none", "square_root" or "propagator": law of impact of a strategy's own trades on the tape's prices.
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
    for one in parents:
        if one.worked == 0:
            left_out["under_a_lot" if one.asked else "nothing_worked"].append(one.cost.parent)
        elif one.cost.end_ns <= one.cost.start_ns:
            left_out["one_moment"].append(one.cost.parent)
        else:
            groups[one.day.key, (one.cost.end_ns - one.cost.start_ns).bit_length()].append(one)
    runs = _Runs(
        lake, makers, impact, seed, {id(one): number for number, one in enumerate(parents)}
    )
    worked: list[OwnParent] = []
    done, total = 0, sum(map(len, groups.values()))
    found: dict[str, list[Costs]] = {name: [] for name in makers}
    for _, mine in sorted(groups.items()):
        fits = [one for one in mine if one.cost.end_ns <= runs.day(one.day).last_ns]
        left_out["past_the_tape"] += [one.cost.parent for one in mine if one not in fits]
        for name, costs in runs.run(fits).items() if fits else ():
            found[name].append(costs)
        worked += fits
        if progress is not None:
            done += len(mine)
            progress(done, total)
    if not worked:
        return None
    theirs = {
        name: _bps(worked, Costs.concat([part.totals() for part in parts]))
        for name, parts in found.items()
    }
    unfilled = {
        name: sum(int(part.unfilled_lots.sum()) for part in parts) for name, parts in found.items()
    }
    own = np.array([_own_bps(one) for one in worked])
    weights = np.array([float(one.value2 * one.asked * one.unit) for one in worked])
    labels = clusters_of(worked)
    saves = compare(own, theirs, weights, labels, np.random.default_rng(seed), resamples)
    means = {
        name: float((values * weights).sum() / weights.sum()) for name, values in theirs.items()
    }
    most = MOST_UNFILLED * sum(one.worked for one in worked)
    ranked = sorted(makers, key=lambda name: (unfilled[name] > most, means[name]))
    return Counterfactual(
        float((own * weights).sum() / weights.sum()),
        number(sum((Fraction(int(one.cost.unfilled), one.parts) for one in worked), Fraction(0))),
        {name: StrategyOnParents(means[name], saves[name], unfilled[name]) for name in ranked},
        len(worked),
        cluster_index(labels)[1],
        impact,
        {why: names for why, names in left_out.items() if names},
        runs.hindsight,
        {"": own, **theirs},
        tuple(one.cost.parent for one in worked),
        tuple(name for name in ranked if unfilled[name] > most),
    )


def compare(
    own: Floats,
    costs: Mapping[str, Floats],
    weights: Floats,
    labels: Ints,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Paired gains of strategies on parents, with intervals that hold for all of them at once.

    Parameters
    ----------
    own, weights : float64 (n,)
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
        sums = cluster_sums(np.stack([values * weights, weights], axis=1), index, count)
        return Moments(
            sums, np.ones(count), lambda means: means[:, :1] / np.maximum(means[:, 1:], 1e-300)
        )

    parts = {name: moments(own - values) for name, values in costs.items()}
    draws = replicate(parts, resamples, rng)
    rows = {
        name: Replicates(
            float(parts[name].point()[0]), table[:, 0], ((float(table.var()), count - 1.0),)
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
    days = {date: number for number, date in enumerate(sorted({one.day.date for one in parents}))}
    if len(days) >= FEW_CLUSTERS:
        return np.array([days[one.day.date] for one in parents], np.int64)
    return np.array([one.cost.start_ns // BLOCK_NS for one in parents], np.int64)


# -- replay -----------------------------------------------------------------------------------------------------------


class _Runs:
    """Days loaded for replay, and what strategies may know of them."""

    def __init__(
        self,
        lake: Lake,
        makers: Mapping[str, Maker],
        impact: str,
        seed: int,
        numbers: Mapping[int, int],
    ) -> None:
        self.lake = lake
        self.makers = makers
        self.impact = impact
        self.seed = seed
        # Of parents, by identity: seeds of their random streams, whatever other parents are worked
        self._numbers = numbers
        self.calendar = Calendar(lake)
        self.hindsight = False
        self._loaded: dict[tuple[str, str, str], tuple[Source, TapeDay]] = {}
        self._known: dict[tuple[tuple[str, str, str], int, bool], MarketEstimates] = {}

    def day(self, about: Instrument) -> TapeDay:
        """Tape of a day, loaded into memory."""
        return self._load(about)[1]

    def _load(self, about: Instrument) -> tuple[Source, TapeDay]:
        if about.key not in self._loaded:
            law = tape_law([self.lake.read(about.symbol, about.date, about.venue)], self.impact)
            source, [day] = replay(self.lake, about.symbol, [about.date], about.venue, impact=law)
            if len(self._loaded) > 1:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[about.key] = source, day
        return self._loaded[about.key]

    def run(self, parents: Sequence[OwnParent]) -> dict[str, Costs]:
        """Costs of every strategy on parents of one day and of much the same length."""
        source, day = self._load(parents[0].day)
        spans = np.array([one.cost.end_ns - one.cost.start_ns for one in parents], np.int64)
        task = Task(horizon_s=float(np.median(spans)) / NS_PER_SECOND)
        known = self._estimates(parents[0].day, task)
        strategies = {name: make(known) for name, make in self.makers.items()}
        order = sorted(range(len(parents)), key=lambda i: parents[i].cost.start_ns)
        rows = [
            window_row(
                day,
                _limited(task, one),
                one.cost.start_ns,
                one.cost.side,
                one.worked,
                self.seed,
                self._numbers[id(one)],
            )
            for one in parents
        ]
        plan = Plan(np.array(rows, np.int64), np.zeros(len(parents), np.int64))
        plan.rows[:, kernels.E_HORIZON_NS] = spans
        done = run_strategies(
            source, task, plan.take(np.array(order)), list(strategies.values()), run_out=False
        )
        back = np.argsort(order)
        return {name: costs.select(back) for name, costs in zip(strategies, done, strict=True)}

    def _estimates(self, about: Instrument, task: Task) -> MarketEstimates:
        """Market estimates from the previous day in the lake; from the day itself if it is the first."""
        before = self.calendar.earlier(about)
        of = before[-1] if before else about
        self.hindsight |= not before
        key = of.key, task.horizon_ns.bit_length(), not before
        if key not in self._known:
            source, day = self._load(of)
            session = min(day.close_ns, day.last_ns) - max(day.open_ns, int(day.world_ns[0]))
            horizon_s = min(task.horizon_s, session / NS_PER_SECOND / 3)
            short = replace(task, horizon_s=horizon_s, warmup_s=min(task.warmup_s, horizon_s))
            every = max((session - short.horizon_ns - short.warmup_ns) // PILOT_WINDOWS, 1)
            windows = tape_plan([day], short, [1.0], every_ns=every, both_sides=False)
            known = pilot(source, short, windows)
            if before and any(
                forecaster_of(make(known)) is not None for make in self.makers.values()
            ):
                waits = Waiting(source, short, tape_sampler(windows))
                known = replace(known, waiting=waits.value)
            self._known[key] = known
        return self._known[key]


def _limited(task: Task, one: OwnParent) -> Task:
    """The task with the parent's limit price, counted from the price at which the tape's ticks begin."""
    if one.limit is None:
        return task
    limit = max(one.limit - one.day.price_of(Fraction(0)), Fraction(str(one.day.tick)))
    return replace(task, side=one.cost.side, limit_price=float(limit))


def _bps(parents: Sequence[OwnParent], costs: Costs) -> Floats:
    """A strategy's costs against the parents' own arrival mids, fees left out.

    Lots beyond the visible book are booked at its last level. Where a limit stopped the strategy from taking at any price,
    they cost the mid's move to the end, as the owner's do.
    """
    m0, m1, value2 = np.array(
        [(one.arrival_mid2, one.end_mid2, one.value2) for one in parents]
    ).T / [one.grain for one in parents]
    limited = np.array([one.limit is not None for one in parents])
    paid = costs.shortfall - costs.fees + costs.side * (costs.arrival_mid2 - m0) * costs.qty
    moved = costs.side * (m1 - costs.arrival_mid2) * costs.unfilled_lots
    paid += limited * (moved - costs.unfilled_paid)
    return np.asarray(BPS * paid / (value2 * costs.qty), np.float64)


def _own_bps(one: OwnParent) -> float:
    """Fills and opportunity without fees, bps of all that was worked."""
    sums = one.cost.sums
    return BPS * (sums["fills"] - sums["fees"] + sums["opportunity"]) / (one.value2 * one.asked)
