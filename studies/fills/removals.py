"""A day of tape with one ingredient taken out; everything else about it stays, row by row where it can.

*Labels.* An order at a best price leaves by a trade or by a cancel. To the book both are one: the lots are gone. So
trades and cancels of front orders change their labels at random among the moments of one day that agree in some state,
and the book's path stays the same to the last lot. What is lost is all that the label knew beyond that state.

*Places.* A cancel leaves from a random lot of its level.

*Time.* Rows get new times, in their order, and starts with them.

*Rows.* Rows of hidden executions, or of quotes that do not last, are left out.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.fills import fills_kernel as k
from studies.fills.markouts import market_orders
from studies.fills.replayed import WIDE_TICKS, ReplayedDay, with_rows
from tercel.core import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    NS_PER_SECOND,
    REDUCE,
    ROLL_OUT,
    STATUS,
    TRADE_HIDDEN,
    Floats,
    Longs,
    kernel,
)

Removal = Callable[[ReplayedDay, np.random.Generator], ReplayedDay]
LEVEL, OTHER, OLDEST, ANY, STOOD = range(5)
"""Before a row: lots of its level, lots of the other side's best price, the rows that brought the level's oldest order and
a random lot of it."""
BRIEF_NS: Final = NS_PER_SECOND
"""A quote inside the spread that is withdrawn so soon does not last."""
WIDTHS: Final = (3, 5, 9, 13, 17, 25)
"""Classes of the spread, ticks."""
FLOW_NS: Final = 30 * NS_PER_SECOND
AHEAD_NS: Final = NS_PER_SECOND
POOL: Final = 400_000
"""Random times of a day."""
SINCE_NS: Final = (10**7, 10**9, 10**10, 6 * 10**10)
"""Classes of the time since something."""
STATES: Final = ("nothing else", "time since the last trade", "recent signed flow", "last move", "cancels of the last second",
                 "last message", "a random class of 16", "price of the last trade")  # fmt: skip
"""What is held fixed beside half hour, spread, both queues and lots when labels change (the last one: beside the spread, when
places of hidden executions do)."""


@kernel
def stood_before(rows: Longs, seen: Longs, draws: Floats, order: Longs, stood: Longs) -> None:
    """How the levels stood before each removal of a known order, `stood` [n, STOOD]; `order` [slots, 4] is room to work in."""
    for r in range(rows.shape[0]):
        kind, slot, side, price = (
            rows[r, k.KIND],
            rows[r, k.SLOT],
            rows[r, k.SIDE],
            rows[r, k.PRICE],
        )
        if kind == ADD:
            order[slot, 0], order[slot, 1], order[slot, 2], order[slot, 3] = (
                r,
                side,
                price,
                rows[r, k.LOTS],
            )
        elif kind == ROLL_OUT or kind == CLEAR:
            for o in range(order.shape[0]):
                if kind == CLEAR or (order[o, 1] == side and order[o, 2] == price):
                    order[o, 3] = 0
        elif slot >= 0 and seen[r, k.BORN] >= 0:
            other = seen[r - 1, k.ASK if side > 0 else k.BID]
            oldest = rows.shape[0]
            for o in range(order.shape[0]):
                if order[o, 3] > 0 and order[o, 1] == side and order[o, 2] == price:
                    stood[r, LEVEL] += order[o, 3]
                    oldest = min(oldest, order[o, 0])
                elif order[o, 3] > 0 and order[o, 1] == -side and order[o, 2] == other:
                    stood[r, OTHER] += order[o, 3]
            stood[r, OLDEST], left = oldest, draws[r] * stood[r, LEVEL]
            for o in range(order.shape[0]):
                if left >= 0.0 and order[o, 3] > 0 and order[o, 1] == side and order[o, 2] == price:
                    stood[r, ANY] = order[o, 0]
                    left -= order[o, 3]
            order[slot, 3] -= seen[r, k.TOOK]


def surroundings(day: ReplayedDay, rng: np.random.Generator) -> Longs:
    """How the levels stood before each removal, int64[n, STOOD]."""
    stood = np.zeros((len(day.rows), STOOD), np.int64)
    room = np.zeros((int(day.rows[:, k.SLOT].max(initial=0)) + 1, 4), np.int64)
    stood_before(day.rows, day.seen, rng.random(len(day.rows)), room, stood)
    return stood


def exchange_labels(held: str, goes: bool | None = None) -> Removal:
    """Trades and cancels of front orders at the touch change labels within a state; `goes`: only where the level does (not)."""

    def remove(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
        stood = surroundings(day, rng)
        at = front_removals(day, stood)
        if goes is not None:
            at = at[(day.seen[at, k.TOOK] == stood[at, LEVEL]) == goes]
        if not len(at):
            return day
        cell = cells(day, stood, at, held)
        rows = day.rows.copy()
        now = exchanged(np.asarray(rows[at, k.KIND] == EXECUTE), cell, rng)
        rows[at, k.KIND], rows[at, k.LOTS] = np.where(now, EXECUTE, REDUCE), day.seen[at, k.TOOK]
        return with_rows(day, rows)

    return remove


def front_removals(day: ReplayedDay, stood: Longs) -> Longs:
    """Rows that take from the oldest order at a best price: cancels, and market orders of one execution."""
    rows, seen, kind = day.rows, day.seen, day.rows[:, k.KIND]
    before = np.vstack((seen[:1], seen[:-1]))
    touch = np.where(rows[:, k.SIDE] > 0, before[:, k.BID], before[:, k.ASK])
    status = np.where(kind == STATUS, np.arange(len(rows)), 0)
    last = np.maximum.accumulate(status)
    halted = (kind[last] == STATUS) & (rows[last, k.PRICE] != 1)
    orders = market_orders(day)
    single = np.zeros(len(rows), np.bool_)
    single[orders.last[orders.last == orders.before + 1]] = True
    fine = (seen[:, k.BORN] >= 0) & (seen[:, k.TOOK] > 0) & (touch == rows[:, k.PRICE])
    fine &= ~halted & np.where(kind == EXECUTE, single, (kind == REDUCE) | (kind == DELETE))
    return np.flatnonzero(
        fine & (before[:, k.BID] < before[:, k.ASK]) & (seen[:, k.BORN] == stood[:, OLDEST])
    )


def cells(day: ReplayedDay, stood: Longs, at: Longs, held: str) -> Longs:
    """The state at each removal, as a number: hour, spread, queues, lots, whether the level goes, and what is `held` beside."""
    ns, side, before = day.ns[at], day.rows[at, k.SIDE], day.seen[at - 1]
    took, level, other = day.seen[at, k.TOOK], stood[at, LEVEL], stood[at, OTHER]
    parts = [
        (ns - day.open_ns) // (1800 * NS_PER_SECOND),
        np.digitize(before[:, k.ASK] - before[:, k.BID], WIDTHS),
    ]
    parts += [
        took == level,
        *(np.digitize(x, np.quantile(x, (0.25, 0.5, 0.75))) for x in (took, level, other)),
    ]
    return np.unique(
        np.column_stack([*parts, *held_parts(day, at, ns, side, held)]), axis=0, return_inverse=True
    )[1].ravel()


def held_parts(day: ReplayedDay, at: Longs, ns: Longs, side: Longs, held: str) -> list[Longs]:
    """Classes of one further piece of state, seen from the side of the removal."""
    orders, rows = market_orders(day), day.rows
    last, mine = np.searchsorted(orders.last, at, side="left") - 1, np.arange(len(at))
    own = np.where(side > 0, 0, 1)
    if held == STATES[6]:
        return [np.random.default_rng(len(rows)).integers(0, 16, len(at))]
    if held == STATES[1]:
        return [np.where(last >= 0, np.digitize(ns - orders.ns[last], SINCE_NS), 9)]
    if held == STATES[2]:
        signed = np.append(0, np.cumsum(orders.side))
        flow = (signed[last + 1] - signed[np.searchsorted(orders.ns, ns - FLOW_NS)]) * side
        return [np.sign(flow), np.where(last >= 0, orders.side[last] * side, 0)]
    if held == STATES[3]:
        step = np.diff(
            day.seen[:, [k.BID, k.ASK]], axis=0, prepend=day.seen[:1, [k.BID, k.ASK]]
        ) * (1, -1)
        moved = np.maximum.accumulate(np.where(step != 0, np.arange(len(rows))[:, None], 0))[at - 1]
        since, way = (
            np.digitize(ns[:, None] - day.ns[moved], SINCE_NS),
            np.sign(np.take_along_axis(step, moved, 0)),
        )
        return [
            since[mine, own],
            way[mine, own],
            np.minimum(since[mine, 1 - own], 2),
            way[mine, 1 - own],
        ]
    if held == STATES[4]:
        touch = np.vstack((day.seen[:1], day.seen[:-1]))[:, [k.BID, k.ASK]]
        here = (
            np.isin(rows[:, [k.KIND]], (REDUCE, DELETE))
            & (rows[:, [k.SIDE]] == (1, -1))
            & (rows[:, [k.PRICE]] == touch)
        )
        count = np.vstack((np.zeros((1, 2), np.int64), np.cumsum(here, axis=0)))
        recent = np.minimum(count[at] - count[np.searchsorted(day.ns, ns - AHEAD_NS)], 2)
        return [recent[mine, own], recent[mine, 1 - own]]
    if held == STATES[5]:
        return [
            rows[at - 1, k.KIND],
            rows[at - 1, k.SIDE] * side,
            np.digitize(ns - day.ns[at - 1], SINCE_NS[:3]),
        ]
    return []


def cancel_anywhere(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
    """Cancels leave from a random lot of their level."""
    seen = day.seen.copy()
    gone = np.isin(day.rows[:, k.KIND], (REDUCE, DELETE)) & (seen[:, k.BORN] >= 0)
    seen[gone, k.BORN] = surroundings(day, rng)[gone, ANY]
    return replace(day, seen=seen)


def without_rows(day: ReplayedDay, gone: NDArray[np.bool_]) -> ReplayedDay:
    return with_rows(day, np.ascontiguousarray(day.rows[~gone]))


def leave_out_hidden(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
    """No hidden executions."""
    return without_rows(day, day.rows[:, k.KIND] == TRADE_HIDDEN)


def scatter_hidden(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
    """Hidden executions come at random times of their hour at which the spread is as wide, as far from their side's quote."""
    rows, seen = day.rows, day.seen
    hidden = rows[:, k.KIND] == TRADE_HIDDEN
    hidden[0] = False
    bid, ask = seen[:, k.BID], seen[:, k.ASK]
    at, times = (
        np.flatnonzero(hidden),
        day.open_ns + rng.integers(0, day.close_ns - day.open_ns, POOL),
    )
    stood = day.row_at(times)
    fine = stood >= 0
    times, stood = times[fine], stood[fine]
    width, hour = np.minimum(ask - bid, WIDE_TICKS), 1800 * NS_PER_SECOND
    key, own = (
        (ns - day.open_ns) // hour * (WIDE_TICKS + 1) + np.maximum(width[r], -1)
        for ns, r in ((times, stood), (day.ns[at], at - 1))
    )
    order = np.lexsort((rng.random(len(key)), key))
    low, high = np.searchsorted(key[order], own), np.searchsorted(key[order], own, side="right")
    found = high > low
    at, low, high = at[found], low[found], high[found]
    drawn = order[low + rng.integers(0, high - low)]
    side, new = rows[at, k.SIDE], rows[at].copy()
    quote = (
        np.where(side > 0, bid[at - 1], ask[at - 1]),
        np.where(side > 0, bid[stood[drawn]], ask[stood[drawn]]),
    )
    new[:, k.NS], new[:, k.PRICE] = times[drawn], new[:, k.PRICE] - quote[0] + quote[1]
    hidden[np.setdiff1d(np.flatnonzero(hidden), at)] = False
    both = np.vstack((rows[~hidden], new))
    return with_rows(day, np.ascontiguousarray(both[np.argsort(both[:, k.NS], kind="stable")]))


def exchange_places(held: str) -> Removal:
    """Hidden executions exchange their distance from their side's quote with others of the day at a spread as wide."""

    def remove(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
        rows, index = day.rows.copy(), np.arange(len(day.rows))
        bid, ask = day.seen[:-1, k.BID], day.seen[:-1, k.ASK]
        at = 1 + np.flatnonzero(
            (rows[1:, k.KIND] == TRADE_HIDDEN) & (bid < ask) & (ask - bid <= WIDE_TICKS)
        )
        bid, ask, side = bid[at - 1], ask[at - 1], rows[at, k.SIDE]
        quote = np.where(side > 0, bid, ask)
        traded = np.where(np.isin(rows[:, k.KIND], (EXECUTE, TRADE_HIDDEN)), index, 0)
        last = (rows[np.maximum.accumulate(traded)[at - 1], k.PRICE] - quote) * side
        cell = np.digitize(ask - bid, WIDTHS) * 9
        if held == STATES[-1] and len(at):
            cell += np.digitize(last, np.unique(np.quantile(last, (0.2, 0.4, 0.6, 0.8))))
        off = exchanged((rows[at, k.PRICE] - quote) * side, cell, rng)
        rows[at, k.PRICE] = quote + side * np.minimum(off, ask - bid)
        return with_rows(day, rows)

    return remove


def exchanged(values: Longs, cell: Longs, rng: np.random.Generator) -> Longs:
    """Values in a random order within each cell."""
    now = np.empty_like(values)
    now[np.lexsort((np.arange(len(values)), cell))] = values[
        np.lexsort((rng.random(len(values)), cell))
    ]
    return now


def leave_out_brief(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
    """No quotes that came inside the spread and were withdrawn whole within a second, untouched."""
    rows, seen = day.rows, day.seen
    better = (rows[:, k.KIND] == ADD) & (
        (rows[:, k.PRICE] - seen[:, k.BEFORE]) * rows[:, k.SIDE] > 0
    )
    gone = np.flatnonzero((rows[:, k.KIND] == DELETE) | (rows[:, k.KIND] == REDUCE))
    gone = gone[seen[gone, k.BORN] >= 0]
    born = seen[gone, k.BORN]
    brief = (
        better[born]
        & (day.ns[gone] - day.ns[born] <= BRIEF_NS)
        & (seen[gone, k.TOOK] == rows[born, k.LOTS])
    )
    out = np.zeros(len(rows), np.bool_)
    out[gone[brief]] = out[born[brief]] = True
    return without_rows(day, out)


def stop_at_level(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
    """Market orders stop at the level that they meet: what they take at worse prices is cancelled instead."""
    rows, orders = day.rows.copy(), market_orders(day)
    at = np.flatnonzero(rows[:, k.KIND] == EXECUTE)
    first = orders.before[np.searchsorted(orders.last, at)] + 1
    worse = at[rows[at, k.PRICE] != rows[first, k.PRICE]]
    rows[worse, k.KIND] = REDUCE
    return with_rows(day, rows)


def even_time(seconds: float, mean_ns: float) -> Removal:
    """Time runs by market orders, one in `mean_ns`: at one speed within stretches of so many seconds, or (0) order by order."""

    def remove(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
        ns = market_orders(day).ns
        knots = (
            np.unique(ns)
            if seconds == 0
            else np.arange(day.open_ns, day.close_ns, seconds * NS_PER_SECOND)
        )
        knots = np.unique(np.concatenate(([day.open_ns], knots, [day.close_ns]))).astype(np.float64)
        clock = (
            day.open_ns + np.searchsorted(ns, knots, side="right") * mean_ns + np.arange(len(knots))
        )

        def warped(at: Longs) -> Longs:
            return (
                np.round(
                    np.interp(at - day.open_ns, knots - day.open_ns, clock - day.open_ns)
                ).astype(np.int64)
                + day.open_ns
            )

        rows = day.rows.copy()
        rows[:, k.NS] = warped(rows[:, k.NS])
        moved = replace(
            day, starts=warped(day.starts), close_ns=int(warped(np.array([day.close_ns]))[0])
        )
        return with_rows(moved, rows)

    return remove
