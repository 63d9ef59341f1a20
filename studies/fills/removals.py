"""A day of tape with one ingredient taken out; everything else about it stays, row by row where it can.

*Labels.* An order at a best price leaves by a trade or by a cancel. To the book both are one: the lots are gone. So
trades and cancels of front orders change their labels at random among the moments of one day that agree in some state,
and the book's path stays the same to the last lot. What is lost is all that the label knew beyond that state. Cells must
hold many removals for each trade: in cells of a few a trade keeps its label, and any state seems to matter (`STATES` holds
a random class, to see how much).

*Places.* Hidden executions exchange their distance from their side's quote; a cancel leaves from a random lot of its level.

*Time.* Rows get new times, in their order, and starts with them.
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
FLOW_NS: Final = 30 * NS_PER_SECOND
SOON_NS: Final = (NS_PER_SECOND, 10 * NS_PER_SECOND)
"""Classes of the time since something."""
CLASSES: Final = 6
NOTHING, RANDOM, LAST_PRICE = "nothing else", "a random class", "price of the last trade"
STATES: Final = (RANDOM, "part of the day", "time since the last trade", "recent signed flow", "last move of the own quote",
                 "cancels of the last second", "last message", "age of the order", "gap behind the level",
                 "own quote less the last trade's price", "own quote less the mid of the last minute")  # fmt: skip
"""What is held fixed beside spread, both queues and lots when labels change, in six classes each."""


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


def exchange_labels(held: str) -> Removal:
    """Trades and cancels of front orders at the touch change labels within a state."""

    def remove(day: ReplayedDay, rng: np.random.Generator) -> ReplayedDay:
        stood, rows = surroundings(day, rng), day.rows.copy()
        at = front_removals(day, stood)
        before, took, level = day.seen[at - 1], day.seen[at, k.TOOK], stood[at, LEVEL]
        parts = [
            took == level,
            quantile_class(before[:, k.ASK] - before[:, k.BID], 4),
            quantile_class(took, 2),
        ]
        parts += [
            quantile_class(level, 2),
            quantile_class(stood[at, OTHER], 3),
            held_class(day, at, held, rng),
        ]
        cell = np.unique(np.column_stack(parts), axis=0, return_inverse=True)[1].ravel()
        traded = exchanged(np.asarray(rows[at, k.KIND] == EXECUTE), cell, rng)
        rows[at, k.KIND], rows[at, k.LOTS] = np.where(traded, EXECUTE, REDUCE), took
        return with_rows(day, rows)

    return remove


def quantile_class(values: Longs, classes: int) -> Longs:
    """Class of each value, between quantiles of them all."""
    inner = np.arange(1, classes) / classes
    return np.digitize(values, np.unique(np.quantile(values, inner)) if len(values) else [])


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


def held_class(day: ReplayedDay, at: Longs, held: str, rng: np.random.Generator) -> Longs:
    """Class of one further piece of state at each removal, below `CLASSES`, seen from the side of the removal."""
    rows, seen, ns, side = day.rows, day.seen[:, [k.BID, k.ASK]], day.ns[at], day.rows[at, k.SIDE]
    orders, mine = market_orders(day), np.arange(len(at))
    last = np.maximum(np.searchsorted(orders.last, at, side="left") - 1, 0)
    own = np.where(side > 0, 0, 1)
    step = np.diff(seen, axis=0, prepend=seen[:1]) * (1, -1)
    moved = np.maximum.accumulate(np.where(step != 0, np.arange(len(rows))[:, None], 0))[
        at - 1, own
    ]
    left = np.isin(rows[:, [k.KIND]], (REDUCE, DELETE)) & (rows[:, [k.SIDE]] == (1, -1))
    left &= rows[:, [k.PRICE]] == np.vstack((seen[:1], seen[:-1]))
    count = np.vstack((np.zeros((1, 2), np.int64), np.cumsum(left, axis=0)))
    recent = np.minimum(count[at] - count[np.searchsorted(day.ns, ns - SOON_NS[0])], 2)
    signed = np.append(0, np.cumsum(orders.side))
    flow = np.sign((signed[last + 1] - signed[np.searchsorted(orders.ns, ns - FLOW_NS)]) * side)

    price = rows[at, k.PRICE]
    mids = day.mid_at(ns[:, None] - np.arange(2, 62, 4) * NS_PER_SECOND)
    minute = np.nansum(mids, axis=1) / np.maximum(np.isfinite(mids).sum(axis=1), 1)
    found = (
        rng.integers(0, CLASSES, len(at)),
        (ns - day.open_ns) * CLASSES // (day.close_ns - day.open_ns + 1),
        quantile_class(ns - orders.ns[last], CLASSES),
        (flow + 1) * 2 + (orders.side[last] == side),
        np.digitize(ns - day.ns[moved], SOON_NS) * 2 + (step[moved, own] > 0),
        recent[mine, own] * 2 + (recent[mine, 1 - own] > 0),
        quantile_class(ns - day.ns[at - 1], 3) * 2 + (rows[at - 1, k.SIDE] == side),
        quantile_class(ns - day.ns[day.seen[at, k.BORN]], CLASSES),
        quantile_class((price - seen[at, own]) * side, CLASSES),
        quantile_class((price - rows[orders.last[last], k.PRICE]) * side, CLASSES),
        quantile_class((price - minute) * side, CLASSES),
    )
    return 0 * at if held == NOTHING else found[STATES.index(held)]


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
        told = {
            NOTHING: 0 * last,
            RANDOM: rng.integers(0, CLASSES, len(at)),
            LAST_PRICE: quantile_class(last, CLASSES),
        }
        cell = quantile_class(ask - bid, CLASSES) * CLASSES + told[held]
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
        ns, end = market_orders(day).ns - day.open_ns, day.close_ns - day.open_ns
        knots = ns if seconds == 0 else np.arange(0, end, seconds * NS_PER_SECOND)
        knots = np.unique(np.concatenate(([0.0], knots, [end])))
        clock = np.searchsorted(ns, knots, side="right") * mean_ns + np.arange(len(knots))

        def warped(at: Longs) -> Longs:
            moved = np.round(np.interp(at - day.open_ns, knots, clock)).astype(np.int64)
            return np.asarray(moved + day.open_ns)

        rows = day.rows.copy()
        rows[:, k.NS] = warped(rows[:, k.NS])
        moved = replace(
            day, starts=warped(day.starts), close_ns=int(warped(np.array([day.close_ns]))[0])
        )
        return with_rows(moved, rows)

    return remove
