"""Windows of recorded days, and listed orders, as episodes: arrival times, sizes, clusters; placebo plans and forecasts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NoReturn

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.report.formatting import format_count, format_minute
from tercel.core.venue_rules import windows_of
from tercel.core.vocabulary import DAY_NS, FOREVER_NS, NS_PER_SECOND
from tercel.execution import columns as c, step as kernels
from tercel.execution.foresight.forecaster import Forecaster
from tercel.execution.intent import empty
from tercel.execution.orders import Order
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan
from tercel.market.simulator.source import Source
from tercel.market.simulator.tape_source import TapeDay
from tercel.market.tape.local_times import midnight_ns
from tercel.market.tape.recorded_rules import trading_times

Hours = Mapping[str, Sequence[tuple[int, int]]]
"""Date -> stretches of it, ns."""
NO_HOURS: Hours = {}
MINUTE_NS: Final = 60 * NS_PER_SECOND
BLOCK_NS = 1800 * NS_PER_SECOND
"""Length of a cluster within one day: non-overlapping half hours count as independent."""


MAX_FORECASTS: Final = 1800
"""Largest number of forecasts in an episode: one per second in half an hour, fewer per second in longer orders."""
_STREAM = [kernels.E_SEED, kernels.E_INDEX]


def window_starts(
    day: TapeDay, task: Task, every_ns: int, earliest_ns: int = 0, latest_ns: int = FOREVER_NS
) -> Ints:
    """Arrival times in a day, ns, `every_ns` apart (or the task's own), with warm-up and horizon inside the tape.

    The whole of each window, warm-up included, lies in `[earliest, latest]`.
    """
    opening, closing = _usable_hours(day, earliest_ns, latest_ns)
    hours = day.hours
    left_ns = hours.trading_ns(opening, closing) - task.horizon_ns
    if task.start:  # warmed up as long as the day then is, at most
        only = day.instrument.clock_ns(task.start)
        fits = opening <= only and hours.trading_ns(opening, only) <= left_ns
        return np.array([only] if fits and hours.is_open(only) else [], np.int64)
    first = max(task.warmup_ns, task.horizon_ns // task.decisions)
    since_open = np.arange(first, left_ns + 1, every_ns, dtype=np.int64)
    if not hours.windows:
        return opening + since_open
    starts = [hours.next_open_ns(hours.ends_ns(opening, ns)) for ns in since_open.tolist()]
    return np.array(starts, np.int64)


def _usable_hours(day: TapeDay, earliest_ns: int, latest_ns: int) -> tuple[int, int]:
    """Begin and end, ns, of the part of a day's session and tape that lies in `[earliest, latest]`."""
    opening = max(day.open_ns, int(day.world_ns[0]), earliest_ns)
    return opening, min(day.close_ns, day.last_ns, latest_ns)


def expected_lots(day: TapeDay, start_ns: int, horizon_ns: int, curve: Sequence[float]) -> float:
    """Volume expected in `[start, start + horizon)`, lots, from a curve of lots over equal parts of the session's trading
    time."""
    times = np.array([start_ns, start_ns + horizon_ns, day.close_ns])
    traded_ns = trading_times(day.hours, day.open_ns, times)
    total = np.concatenate([[0.0], np.cumsum(curve)])
    cumulative_lots = np.interp(traded_ns[:2], np.linspace(0, traded_ns[2], len(curve) + 1), total)
    return float(cumulative_lots[1] - cumulative_lots[0])


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
    excluded: Hours = NO_HOURS,
) -> Plan:
    """Plan of all windows of some recorded days, each bought and sold; unless `both_sides`, each once, sides in turn.
    ConfigError if no window fits.

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
    excluded : mapping of date to sequence of (begin, end)
        Hours, ns, that no window may touch, warm-up included.

    Raises
    ------
    ConfigError
        When no window of the horizon fits, or an order would be larger than a day's volume.
    """
    rows: list[list[int]] = []
    cluster: list[int] = []
    for number, day in enumerate(days):
        excluded_hours = excluded.get(day.instrument.date, ())
        for start in window_starts(
            day, task, every_ns or task.horizon_ns, earliest_ns, latest_ns
        ).tolist():
            horizon_ns = day.hours.ends_ns(start, task.horizon_ns) - start
            if any(
                start - task.warmup_ns < end and begin < start + horizon_ns
                for begin, end in excluded_hours
            ):
                continue
            expected = expected_lots(day, start, horizon_ns, curve)
            quantity = task.quantity if task.share is None else max(round(task.share * expected), 1)
            if quantity > sum(curve):
                raise ConfigError(
                    f"an order of at most a day's volume, {sum(curve):,.0f} lots",
                    f"{quantity:,} lots",
                    "make the order smaller",
                )
            sides = (
                [task.side]
                if task.side
                else ([1, -1] if both_sides else [1 if len(rows) % 2 == 0 else -1])
            )
            for side in sides:
                rows.append(window_row(day, task, start, side, quantity, seed, len(rows)))
                cluster.append((start - day.open_ns) // BLOCK_NS if len(days) == 1 else number)
    if not rows:
        _refuse_no_window(days, task, earliest_ns, latest_ns)
    return Plan(np.array(rows, np.int64), np.array(cluster, np.int64))


def _refuse_no_window(
    days: Sequence[TapeDay], task: Task, earliest_ns: int, latest_ns: int
) -> NoReturn:
    """Raise a ConfigError that no window of a task fits: with the hours that are left of each day, and why no more are."""
    hours = [(day, *_usable_hours(day, earliest_ns, latest_ns)) for day in days]
    dates: dict[str, list[str]] = {}
    for day, opening, closing in hours:
        span = _format_hours(day, opening, max(opening, closing))
        dates.setdefault(span, []).append(day.instrument.date)
    spans = [
        f"{span} of {found[0]}"
        + f" and of {format_count(len(found) - 1, 'more day')}" * (len(found) > 1)
        for span, found in dates.items()
    ]
    received = f"none fits into {', '.join(spans) or 'no days'}"
    remedy = "choose a shorter horizon, or import longer days"
    if days and (earliest_ns or latest_ns < FOREVER_NS):
        cut_ns = earliest_ns or latest_ns
        whole_day = _usable_hours(days[0], 0, FOREVER_NS)
        begin, cut, end = (
            _format_local(days[0], ns) for ns in (whole_day[0], cut_ns, whole_day[1])
        )
        received += f": the only day is learned from {begin} to {cut}, and {cut} to {end} is left to be judged"
        remedy = "import one more day, so that whole days are judged; or choose a shorter horizon"
    room = [
        _format_hours(
            day, opening, day.hours.ends_ns(opening, left_ns) // MINUTE_NS * MINUTE_NS, MINUTE_NS
        )
        for day, opening, closing in hours
        if (left_ns := day.hours.trading_ns(opening, closing) - task.horizon_ns) >= 0
    ]
    if task.start and room:
        remedy = f"choose a start from {room[0]}; or {remedy}"
    raise ConfigError(
        f"a window of {task.warmup_s:.0f} s warm-up and {task.horizon_s:.0f} s horizon"
        f"{f' from {task.start}' * bool(task.start)} inside the tape",
        received,
        remedy,
    )


def clock_hours(day: TapeDay, task: Task) -> str:
    """Begin and end of a task's order with a start time on a day with breaks, as "11:00 to 13:30"; "" for others."""
    if not (task.start and day.hours.windows):
        return ""
    begin_ns = day.instrument.clock_ns(task.start)
    end_ns = day.hours.ends_ns(begin_ns, task.horizon_ns)
    return f"{task.start} to {_format_local(day, end_ns)}"


def _format_hours(day: TapeDay, first_ns: int, last_ns: int, before_break_ns: int = 0) -> str:
    """Stretches of a day's trading between two times, such as "09:30 to 11:30 or 13:00 to 14:27"; each that a break ends is
    shown to end `before_break_ns` earlier.
    """
    windows = day.hours.windows or windows_of([(first_ns, last_ns + before_break_ns)])
    return " or ".join(
        f"{_format_local(day, max(w.start_ns, first_ns))} to "
        f"{_format_local(day, min(w.end_ns - before_break_ns, last_ns))}"
        for w in windows
        if first_ns < w.end_ns and w.start_ns <= last_ns
    )


def _format_local(day: TapeDay, ns: int) -> str:
    """A time, ns since 1970-01-01 UTC, as hours and minutes of the exchange's clock."""
    instrument = day.instrument
    midnight = midnight_ns(instrument.date, instrument.timezone)
    return format_minute((ns - midnight) / NS_PER_SECOND)


def orders_plan(
    days: Sequence[TapeDay], task: Task, orders: Sequence[Order], seed: int = 0
) -> Plan:
    """Plan of listed orders on the tape of their symbol, one episode each; half hours are clusters.

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
    instruments = {date: day.instrument for date, day in by_date.items()}
    rows = []
    for number, order in enumerate(orders):
        [instrument] = order.days(instruments)
        order_task = order.task(task)
        day = by_date[instrument.date]
        start = order.hours(instrument)[0]
        rows.append(window_row(day, order_task, start, order.side, order.quantity, seed, number))
        rows[-1][kernels.E_HORIZON_NS] = order_task.horizon_ns
    starts = np.array(rows, np.int64)
    return Plan(starts, starts[:, kernels.E_START_NS] // BLOCK_NS)


def window_row(
    day: TapeDay, task: Task, start: int, side: int, quantity: int, seed: int, index: int
) -> list[int]:
    """Plan row of an episode that arrives at `start` in a day; its warm-up is cut at the beginning of the tape."""
    warmup_ns = max(task.warmup_ns, task.horizon_ns // task.decisions)
    begin = start - warmup_ns
    while begin > day.world_ns[0] and (missing := warmup_ns - day.hours.trading_ns(begin, start)):
        begin -= missing  # before the break
    begin = max(begin, int(day.world_ns[0]))
    world = max(int(np.searchsorted(day.world_ns, begin, side="right")) - 1, 0)
    row = [0] * kernels.EPISODE_WORDS
    row[kernels.E_SEED], row[kernels.E_INDEX] = seed, index
    row[kernels.E_SIDE], row[kernels.E_QUANTITY] = side, quantity
    row[kernels.E_START_NS] = start
    row[kernels.E_WARMUP_NS] = start - begin
    row[kernels.E_CURSOR] = int(day.world_row[world])
    row[kernels.E_CURSOR_END] = day.last_row
    row[kernels.E_WORLD] = int(day.world[world])
    row[kernels.E_LIMIT], row[kernels.E_LIMIT_OF_MID] = task.limit(side, day.instrument.tick)
    return row


def tape_sampler(plan: Plan) -> Callable[[int, int, int], Plan]:
    """Sampler of training episodes from a plan's windows; episode i of a seed is always the same window.

    Parameters
    ----------
    plan : Plan
        Windows of training days; they may overlap.

    Returns
    -------
    callable
        (seed, first, n) -> Plan, for `learning.envs.ExecutionVec`.
    """
    return partial(_draw_windows, plan)


def _draw_windows(plan: Plan, seed: int, first: int, n: int) -> Plan:
    """Plan of `n` training episodes of a seed from number `first` on, each a random window of `plan`; rows hold -1 -
    `seed`.
    """
    index = np.arange(first, first + n)
    sample = plan.take(
        np.array([np.random.default_rng((seed, i)).integers(len(plan)) for i in index.tolist()])
    )
    sample.rows[:, kernels.E_SEED] = -1 - seed
    sample.rows[:, kernels.E_INDEX] = index
    return sample


def placebo_plan(plan: Plan) -> Plan | None:
    """Plan that pairs each episode with another one, without an order, for placebo forecasts; None if there is none.

    >>> from tercel.lab.evaluation.plans import seeded_plan
    >>> found = placebo_plan(seeded_plan(Task(), 5, 1, 0, 4))
    >>> found.rows[:, [kernels.E_INDEX, kernels.E_SIDE, kernels.E_QUANTITY]].tolist()
    [[1, 1, 0], [1, -1, 0], [0, 1, 0], [0, -1, 0]]
    """
    rows = plan.rows
    start = rows[:, kernels.E_START_NS]
    # a recorded day is identified by its last row
    key_columns = [[kernels.E_CURSOR_END], [kernels.E_START_NS]] if start.any() else [_STREAM]
    labels = [
        np.unique(rows[:, columns], axis=0, return_inverse=True)[1].ravel()
        for columns in key_columns
    ]
    label = next((candidate for candidate in labels if candidate.max() > 0), None)
    if label is None:
        return None
    partner = np.empty(len(rows), np.int64)
    for n in range(len(rows)):
        later = (label - label[n]) % (label.max() + 1)
        clock_distance = np.abs(start % DAY_NS - start[n] % DAY_NS)
        partner[n] = np.lexsort((later, clock_distance, later == 0))[0]
    placebo_rows = rows[partner]
    placebo_rows[:, kernels.E_QUANTITY] = 0
    kept_columns = [kernels.E_SIDE, kernels.E_HORIZON_NS]
    placebo_rows[:, kept_columns] = rows[:, kept_columns]
    return Plan(placebo_rows, plan.cluster)


def forecast_outlooks(source: Source, task: Task, plan: Plan, forecaster: Forecaster) -> Ints:
    """Forecasts in episodes without orders, int64 (looks, n, OUTLOOK), at times evenly spaced over the horizon.

    Parameters
    ----------
    source : Source
    task : Task
    plan : Plan
        Of :func:`placebo_plan`.
    forecaster : Forecaster
    """
    looks = min(max(int(task.horizon_s), 1), MAX_FORECASTS)
    forecast_task = replace(task, clock="time", clock_step=0, decisions=looks)
    episodes = Episodes(source, forecast_task, len(plan), looks_back=True)
    episodes.start(plan)
    episodes.set_forecaster(forecaster)
    rows = np.zeros((looks, len(plan), c.OUTLOOK), np.int64)
    for look in range(looks):
        rows[look] = episodes.view.outlook_rows
        episodes.step(empty(len(plan)))
    return rows
