"""Windows of recorded days as episodes: arrival times, order sizes, clusters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.execution import columns as c, step as kernels
from tercel.execution.foresight.forecaster import Forecaster
from tercel.execution.intent import empty
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.orders import Order
from tercel.market.simulator.source import Source, TapeDay

Hours = Mapping[str, Sequence[tuple[int, int]]]
"""Date -> stretches of it, ns."""
NO_HOURS: Hours = {}
BLOCK_NS = 1800 * NS_PER_SECOND
"""Length of a cluster within one day: non-overlapping half hours count as independent."""


def window_starts(
    day: TapeDay, task: Task, every_ns: int, earliest_ns: int = 0, latest_ns: int = FOREVER_NS
) -> Ints:
    """Arrival times in a day, `every_ns` apart, or the one that the task names: after the opening and the warm-up, the
    horizon inside the tape.

    The whole of each window, warm-up included, lies in `[earliest, latest]`.
    """
    opening = max(day.open_ns, int(day.world_ns[0]), earliest_ns)
    closing = min(day.close_ns, day.last_ns, latest_ns)
    first = opening + max(task.warmup_ns, task.horizon_ns // task.decisions)
    if task.start:  # warmed up as long as the day then is, at most
        only = day.instrument.clock_ns(task.start)
        return np.array([only] if opening <= only <= closing - task.horizon_ns else [], np.int64)
    return np.arange(first, closing - task.horizon_ns + 1, every_ns, dtype=np.int64)


def expected_lots(day: TapeDay, start_ns: int, horizon_ns: int, curve: Sequence[float]) -> float:
    """Volume expected in `[start, start + horizon)` from a curve of lots over equal parts of the session."""
    edges = np.linspace(day.open_ns, day.close_ns, len(curve) + 1)
    total = np.concatenate([[0.0], np.cumsum(curve)])
    at = np.interp([start_ns, start_ns + horizon_ns], edges, total)
    return float(at[1] - at[0])


def tape_plan(
    days: Sequence[TapeDay],
    task: Task,
    curve: Sequence[float],
    *,
    every_ns: int | None = None,
    both_sides: bool = True,
    seed: int = 0,
    earliest_ns: int = 0,
    latest_ns: int = FOREVER_NS,
    apart: Hours = NO_HOURS,
) -> Plan:
    """All windows of some days as episodes.

    Parameters
    ----------
    days : sequence of TapeDay
        From `market.simulator.source`.
    task : Task
        Its share is of the volume that `curve` expects in each window.
    curve : sequence of float
        Expected public lots (of the tape) in equal parts of the session, from days before these.
    every_ns : int, optional
        Distance of arrivals; the horizon by default, so that windows do not overlap.
    both_sides : bool
        Each window once as a buy and once as a sell (when the task does not fix the side).
    seed : int
        Of the episodes' own streams (latency, draws).
    earliest_ns, latest_ns : int
        Bounds of the windows, to split one day into an earlier and a later part.
    apart : mapping of date to sequence of (begin, end)
        Hours, ns, that no window may touch, warm-up included.

    Raises
    ------
    ConfigError
        When no window of the horizon fits, or an order would be larger than a day's volume.
    """
    rows: list[list[int]] = []
    cluster: list[int] = []
    for number, day in enumerate(days):
        taken = apart.get(day.instrument.date, ())
        for start in window_starts(
            day, task, every_ns or task.horizon_ns, earliest_ns, latest_ns
        ).tolist():
            if any(
                start - task.warmup_ns < end and begin < start + task.horizon_ns
                for begin, end in taken
            ):
                continue
            expected = expected_lots(day, start, task.horizon_ns, curve)
            quantity = task.quantity if task.share is None else max(round(task.share * expected), 1)
            if quantity > sum(curve):
                raise ConfigError(
                    f"an order of at most a day's volume ({sum(curve):.0f} lots)",
                    f"{quantity} lots on {day.instrument.date}",
                    "lower the task's size or its horizon",
                )
            sides = (
                [task.side]
                if task.side
                else ([1, -1] if both_sides else [1 if len(rows) % 2 == 0 else -1])
            )
            for side in sides:
                rows.append(window_row(day, task, start, side, quantity, seed, len(rows)))
                one_day = len(days) == 1
                cluster.append((start - day.open_ns) // BLOCK_NS if one_day else number)
    if not rows:
        spans = ", ".join(d.instrument.date for d in days) or "no days"
        at = f" from {task.start}" if task.start else ""
        raise ConfigError(
            f"a window of {task.warmup_s:.0f} s warm-up and {task.horizon_s:.0f} s horizon{at} inside the tape",
            f"none fits in {spans}",
            f"choose {'another start, ' if task.start else ''}a shorter horizon, or import longer days",
        )
    return Plan(np.array(rows, np.int64), np.array(cluster, np.int64))


def orders_plan(
    days: Sequence[TapeDay], task: Task, orders: Sequence[Order], seed: int = 0
) -> Plan:
    """An episode for each order of a symbol where it falls on its tape; a half hour is a cluster.

    Parameters
    ----------
    days : sequence of TapeDay
        Among them that of each order.
    task : Task
        Decisions and warm-up.
    orders : sequence of Order
        Each with its date.
    seed : int
        Of the episodes' own streams.
    """
    by_date = {day.instrument.date: day for day in days}
    about = {date: day.instrument for date, day in by_date.items()}
    rows = []
    for number, order in enumerate(orders):
        [instrument], own = order.days(about), order.task(task)
        day, start = by_date[instrument.date], order.hours(instrument)[0]
        rows.append(window_row(day, own, start, order.side, order.quantity, seed, number))
        rows[-1][kernels.E_HORIZON_NS] = own.horizon_ns
    starts = np.array(rows, np.int64)
    return Plan(starts, starts[:, kernels.E_START_NS] // BLOCK_NS)


def window_row(
    day: TapeDay, task: Task, start: int, side: int, quantity: int, seed: int, index: int
) -> list[int]:
    """The episode that arrives in a day at `start`; its warm-up is as long as the day then is, at most."""
    begin = max(
        start - max(task.warmup_ns, task.horizon_ns // task.decisions), int(day.world_ns[0])
    )
    world = max(int(np.searchsorted(day.world_ns, begin, side="right")) - 1, 0)
    row = [0] * kernels.EPISODE_WORDS
    row[kernels.E_SEED], row[kernels.E_INDEX] = seed, index
    row[kernels.E_SIDE], row[kernels.E_QUANTITY] = side, quantity
    row[kernels.E_START_NS], row[kernels.E_WARMUP_NS] = start, start - begin
    row[kernels.E_CURSOR], row[kernels.E_CURSOR_END] = int(day.world_row[world]), day.last_row
    row[kernels.E_WORLD] = int(day.world[world])
    row[kernels.E_LIMIT], row[kernels.E_LIMIT_OF_MID] = task.limit(side, day.instrument.tick)
    return row


def tape_sampler(plan: Plan) -> Callable[[int, int, int], Plan]:
    """Training episodes drawn from a plan's windows: episode i of a seed is always the same window.

    Parameters
    ----------
    plan : Plan
        Windows of training days; they may overlap.

    Returns
    -------
    callable
        (seed, first, n) -> Plan, for `learning.envs.ExecutionVec`.
    """
    return partial(_of_windows, plan)


def _of_windows(plan: Plan, seed: int, first: int, n: int) -> Plan:
    index = np.arange(first, first + n)
    part = plan.take(
        np.array([np.random.default_rng((seed, i)).integers(len(plan)) for i in index.tolist()])
    )
    part.rows[:, kernels.E_SEED] = -1 - seed
    part.rows[:, kernels.E_INDEX] = index
    return part


MOST_LOOKS: Final = 1800
"""Forecasts of an episode at most: one a second in half an hour, fewer a second in longer orders."""
DAY_NS: Final = 86_400 * NS_PER_SECOND
_STREAM = [kernels.E_SEED, kernels.E_INDEX]


def placebo_plan(plan: Plan) -> Plan | None:
    """Plan with another episode, without an order, for each of a plan; None if there is no other.

    >>> from tercel.lab.evaluation.episodes import seeded_plan
    >>> found = placebo_plan(seeded_plan(Task(), 5, 1, 0, 4))
    >>> found.rows[:, [kernels.E_INDEX, kernels.E_SIDE, kernels.E_QUANTITY]].tolist()
    [[1, 1, 0], [1, -1, 0], [0, 1, 0], [0, -1, 0]]
    """
    rows = plan.rows
    start = rows[:, kernels.E_START_NS]
    # a recorded day is identified by its last row
    words_of = [[kernels.E_CURSOR_END], [kernels.E_START_NS]] if start.any() else [_STREAM]
    labels = [np.unique(rows[:, by], axis=0, return_inverse=True)[1].ravel() for by in words_of]
    label = next((one for one in labels if one.max() > 0), None)
    if label is None:
        return None
    found = np.empty(len(rows), np.int64)
    for n in range(len(rows)):
        later = (label - label[n]) % (label.max() + 1)
        off = np.abs(start % DAY_NS - start[n] % DAY_NS)
        found[n] = np.lexsort((later, off, later == 0))[0]
    other = rows[found]
    other[:, kernels.E_QUANTITY] = 0
    own = [kernels.E_SIDE, kernels.E_HORIZON_NS]
    other[:, own] = rows[:, own]
    return Plan(other, plan.cluster)


def outlooks(source: Source, task: Task, plan: Plan, forecaster: Forecaster) -> Ints:
    """Forecasts in episodes without orders, int64 (looks, n, OUTLOOK), at looks evenly over the horizon.

    Parameters
    ----------
    source : Source
    task : Task
    plan : Plan
        Of :func:`placebo_plan`.
    forecaster : Forecaster
    """
    looks = min(max(int(task.horizon_s), 1), MOST_LOOKS)
    watching = replace(task, clock="time", clock_step=0, decisions=looks)
    episodes = Episodes(source, watching, len(plan), looks_back=True)
    episodes.start(plan)
    episodes.foresee(forecaster)
    seen = np.zeros((looks, len(plan), c.OUTLOOK), np.int64)
    for look in range(looks):
        seen[look] = episodes.view.outlook_rows
        episodes.step(empty(len(plan)))
    return seen
