"""Like orders: an order bought and sold on recorded days, at its hour and half an hour before and after it, and its costs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.report.formatting import format_minute
from tercel.execution import step as kernels
from tercel.execution.costs import BPS, Costs, own_displacement
from tercel.execution.intent import empty
from tercel.execution.market import Market
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.market import TRAINING_STEP_NS
from tercel.lab.evaluation.market_estimates import law_of_tape, pilot, with_waiting
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.runs import batches, run_strategies, without_orders
from tercel.lab.evaluation.tape_split import Split
from tercel.lab.evaluation.windows import tape_plan, tape_sampler
from tercel.lab.pretrade.closed_form import ScheduleCost, frontier
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, with_impact
from tercel.market.simulator.tape_source import TapeDay, replay
from tercel.market.tape import Lake
from tercel.market.tape.local_times import clock_s

AROUND_S: Final = (0, -1800, 1800)
"""Starts of like orders, seconds from the order's own."""
ENDS: Final = (1.0, 0.0)
"""Both ends of `passive_impact`."""
DAY_S: Final = 86_400
OPENING_S: Final = 60
"""Seconds that like orders of the opening arrive after it, when both sides are quoted."""


@dataclass(frozen=True, eq=False)
class RecordedDays:
    """Recorded days, the like orders on them, and what they say of the market at its hour.

    Parameters
    ----------
    source : Source
    law : ImpactLaw or None
        Of own takes.
    task : Task
    plan : Plan
        Like orders; clusters are days, from 0.
    estimates : MarketEstimates
        Volume, volatility, depth and spread in the windows of the plan.
    mids : int64 (n, G)
        Mids of the plan's windows without own orders, half ticks.
    volumes : int64 (n,)
        Public lots in each window.
    """

    source: Source
    law: ImpactLaw | None
    task: Task
    plan: Plan
    estimates: MarketEstimates
    mids: Ints
    volumes: Ints

    def schedules(self, few: bool = False) -> list[ScheduleCost]:
        """Schedules of takes by urgency in closed form, ticks a lot; of few days, the law's volatility, from minutes."""
        estimates = self.estimates
        if few and self.law is not None:
            estimates = replace(estimates, sigma=self.law.sigma_ticks / self.law.horizon_s**0.5)
        task = self.task
        return frontier(task.quantity, task.horizon_s, task.decisions, estimates, self.law)

    def with_quantity(self, quantity: int) -> "RecordedDays":
        """The same days for another size."""
        rows = self.plan.rows.copy()
        rows[:, kernels.E_QUANTITY] = quantity
        return replace(
            self,
            plan=Plan(rows, self.plan.cluster),
            task=replace(self.task, quantity=quantity),
        )


@dataclass(frozen=True, eq=False)
class LikeCosts:
    """Costs of a strategy on like orders, bps, float64 (n,) each.

    Parameters
    ----------
    bps : float64 (n,)
        Shortfall where a resting fill moves the price as a take does.
    spread, impact, timing : float64 (n,)
        Its parts; lots sent at the horizon are in them.
    still_bps : float64 (n,)
        Shortfall where a resting fill moves no price.
    unfilled : bool (n,)
        Whether lots found no counterparty.
    day, side : int64 (n,)
    """

    bps: Floats
    spread: Floats
    impact: Floats
    timing: Floats
    still_bps: Floats
    unfilled: Bools
    day: Ints
    side: Ints


def load_days(
    lake: Lake,
    market: Market,
    dates: Sequence[str],
    task: Task,
    venue: str | None = None,
    seed: int = 1,
    learned: int | None = None,
) -> RecordedDays:
    """Load recorded days and plan the like orders of a task on them.

    Parameters
    ----------
    lake : Lake
    market : Market
        Of the lake and one symbol.
    dates : sequence of str
    task : Task
        With a start, a quantity and no side.
    venue : str, optional
    seed : int
    learned : int, optional
        Days, from the first, whose law of impact, volume, volatility and cost of waiting strategies know; all by default.

    Raises
    ------
    ConfigError
        A quantity above the volume of a day, or a horizon that no day has room for, or that a break parts.
    TapeError
        Days of several venues.
    """
    recorded = [lake.read(market.symbol, date, venue) for date in dates[:learned]]
    law = law_of_tape(recorded, market)
    source, days = replay(lake, market.symbol, dates, venue, market.queue, law, market.bound)
    curve = Split([*dates], [], 0, recorded).curve
    plan = like_orders(days, task, curve, seed)
    any_time = replace(task, start="")
    training = tape_plan(days[:learned], any_time, curve, every_ns=TRAINING_STEP_NS, seed=seed)
    mids, volumes = _without_orders(source, task, plan)
    is_known = plan.cluster < len(recorded)
    is_sound = is_known & _is_usual(mids).all(axis=1)
    known = plan.take(np.flatnonzero(is_sound if is_sound.any() else is_known))
    return RecordedDays(
        with_waiting(replace(source, fees=market.fees), any_time, tape_sampler(training)),
        law,
        task,
        plan,
        pilot(source, task, known),
        mids,
        volumes,
    )


def like_orders(days: Sequence[TapeDay], task: Task, curve: Sequence[float], seed: int = 0) -> Plan:
    """Plan of like orders on recorded days: at each of `AROUND_S` from the task's start where the day has room, both sides.

    Raises
    ------
    ConfigError
        The order itself has room on no day, or a break parts it.
    """
    begin_s = clock_s(task.start)
    if any(day.open_ns == day.instrument.clock_ns(task.start) for day in days):
        begin_s += OPENING_S
        task = replace(task, start=format_minute(begin_s))
    for day in days:
        refuse_if(
            _is_parted(day, task),
            "a horizon without a break",
            f"{task.hours} on {day.instrument.date}, which a break parts",
            "estimate the order before the break and the one after it",
        )
    rows = [tape_plan(days, task, curve, seed=seed).rows]
    for near_s in (begin_s + shift for shift in AROUND_S if shift and 0 <= begin_s + shift < DAY_S):
        near = replace(task, start=format_minute(near_s))
        whole = [day for day in days if not _is_parted(day, near)]
        with suppress(ConfigError):  # no day has room there
            rows.append(tape_plan(whole, near, curve, seed=seed).rows)
    merged = np.concatenate(rows)
    ends = [day.last_row for day in days]
    merged = merged[np.lexsort((merged[:, kernels.E_START_NS], merged[:, kernels.E_CURSOR_END]))]
    return Plan(merged, np.searchsorted(ends, merged[:, kernels.E_CURSOR_END]).astype(np.int64))


def _is_parted(day: TapeDay, task: Task) -> bool:
    """Whether a break of the day begins between the task's start and its end."""
    start_ns = day.instrument.clock_ns(task.start)
    ends_ns = day.hours.ends_ns(start_ns, task.horizon_ns)
    return day.hours.is_open(start_ns) and ends_ns > start_ns + task.horizon_ns


def _without_orders(source: Source, task: Task, plan: Plan) -> tuple[Ints, Ints]:
    """Mids, half ticks, and public lots of a plan's windows without own orders."""
    mids: list[Ints] = []
    volumes: list[Ints] = []
    for batch in batches(plan):
        episodes = Episodes(source, task, len(batch))
        episodes.start(without_orders(batch))
        while episodes.working.any():
            episodes.step(empty(len(batch)))
        traded = episodes.states[:, [sim.BOUGHT, sim.SOLD]].sum(axis=1)
        arrived = episodes.states[:, [sim.ARRIVED + 1, sim.ARRIVED + 2]].sum(axis=1)
        mids.append(episodes.costs().mid2_grid)
        volumes.append(traded - arrived)
    return np.concatenate(mids), np.concatenate(volumes)


def _is_usual(mids: Ints) -> Bools:
    """Whether mids are within a third of the median of their window, bool (n, G); 0, or one beside a price far off, is not.

    >>> _is_usual(np.array([[15_600, 15_610, 0, 107_800, 7_900, 15_590]])).tolist()
    [[True, True, False, False, False, True]]
    """
    usual = np.median(mids, axis=1, keepdims=True)
    return np.asarray(np.abs(mids - usual) < usual / 3)


def run_like_orders(
    found: RecordedDays,
    strategies: Mapping[str, Strategy],
    progress: Callable[[int, int], object] = lambda done, total: None,
    ends: Sequence[float] = ENDS,
) -> dict[str, LikeCosts]:
    """Costs of strategies on the like orders of recorded days, at both `ends` of the impact of resting fills.

    Orders that met no two-sided book or one whose mid is a third off that of their window (one side is no price), or in
    which own orders of any strategy overflowed their store, are left out of all.
    """
    runs: dict[str, list[Costs]] = {}
    for number, (name, strategy) in enumerate(strategies.items()):
        progress(number, len(strategies))
        runs[name] = []
        for end in ends:
            law = found.law and found.law.scaled(1.0, end)
            source = with_impact(found.source, law)
            runs[name] += run_strategies(source, found.task, found.plan, [strategy])
            if law is None or not runs[name][0].passive_lots.any():
                break
    fits = np.logical_and.reduce(
        [_is_usual(found.mids)[:, 0]]
        + [(one.overflow == 0) & (one.arrival_mid2 > 0) for both in runs.values() for one in both]
    )
    return {
        name: _parts(both[0].select(fits), both[-1].select(fits), found, fits)
        for name, both in runs.items()
    }


def _parts(costs: Costs, still: Costs, found: RecordedDays, fits: Bools) -> LikeCosts:
    """Costs of like orders, split into their parts, and those at the other end of the impact of resting fills."""
    scale = BPS / costs.denominator
    lots = costs.lots_grid + costs.forced_lots_grid
    # a tape is the same with and without the order: their difference is the order's own, order by order
    moved = (lots * own_displacement(costs, found.mids[fits])).sum(axis=1)
    return LikeCosts(
        costs.shortfall_bps,
        (costs.spread + costs.forced_spread) * scale,
        (costs.walk + costs.forced_walk + moved) * scale,
        (costs.timing + costs.forced_timing - moved) * scale,
        still.shortfall_bps,
        costs.unfilled_lots > 0,
        found.plan.cluster[fits],
        costs.side.astype(np.int64),
    )
