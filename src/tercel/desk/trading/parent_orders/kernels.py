"""Compiled functions that apply a venue's market data to a follower's book or to an executor's driver, marking own fills."""

from enum import IntEnum
from typing import Final

import numpy as np

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.orders import M_AGGRESSOR, M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution.driver_kernels import FINE, apply_row
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, ledger_at, order_at
from tercel.market.book.ladder import insert, public_lots_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import outside_feed
from tercel.market.simulator.levels import guess_queues
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import init_touch
from tercel.market.tape.schema import ADD, EXECUTE, LEVEL_SET, ROLL_IN, STATUS

G_NS = 0  # rows of one time, side and aggressor are one aggressor
G_SIDE = 1
G_WHO = 2  # public id of the aggressor's order
G_MID2 = 3  # what it met, just before its first lot
G_TOUCH2 = 4
G_MARKS = 5  # marks written
G_ROWS = 6  # driver's rows written
G_FAULT = 7
GROUP_WORDS = 8
MARK_WORDS = 4
"""An own fill that a report will name: own order, passive, mid2, touch2."""
# History of tallies: rows of ns, the six sums from `sim.EVENTS` on, whether trading was halted.
H_NS = 0
H_HALTED = 7
HISTORY_WORDS = 8
H_COUNT = 0  # first field of the first row: the number of rows written


NO_WHO: Final = np.zeros(0, np.int64)
NO_GROUP: Final = np.zeros(GROUP_WORDS, np.int64)
NO_MARKS: Final = np.zeros((0, MARK_WORDS), np.int64)
NO_HISTORY: Final = np.zeros((1, HISTORY_WORDS), np.int64)
NO_ROWS: Final = np.zeros((0, 8), np.int64)


class FollowerRequest(IntEnum):
    """Requests of followers and executors to the one compiled function `_serve`."""

    # `_follow`
    FOLLOW = 0
    # `_follow_public`: 0, or minus a fault; `out_rows` is working space of one row
    PUBLIC = 1
    # `_load_snapshot`
    LOAD = 2
    # `_keep_tallies`
    KEEP = 3
    # `driver_kernels.apply_row`, of the first row
    ROW = 4


@kernel
def _serve(
    request: int,
    b: Packed,
    k: Longs,
    rows: Longs,
    start: int,
    who_of: Longs,
    group: Longs,
    out_marks: Longs,
    out_rows: Longs,
    history: Longs,
) -> int:
    """Execute a `FollowerRequest`: one compiled function for all, as each needs the code of the whole book."""
    if request == FollowerRequest.FOLLOW:
        return _follow(b, k, rows, start, who_of, group, out_marks, out_rows)
    if request == FollowerRequest.PUBLIC:
        return _follow_public(b, k, rows, out_rows[0], history)
    if request == FollowerRequest.LOAD:
        return _load_snapshot(b, k, rows)
    if request == FollowerRequest.KEEP:
        _keep_tallies(k, history)
        return 0
    return apply_row(b, k, rows[0])


@kernel
def slot_of(b: Packed, row: Longs) -> int:
    """Book slot of a public order id; -1 for a piece of a split block that is none of its orders."""
    order_id = row[M_ID]
    if order_id < load_fixed(b, lay.ORDERS):
        return int(order_id)
    piece = order_id + load_fixed(b, lay.OWN)
    is_own_piece = piece < load_fixed(b, lay.ORDERS) + 2 * load_fixed(b, lay.OWN)
    return int(piece) if is_own_piece and order_at(b, piece).qty >= row[M_LOTS] else -1


@kernel
def public_row(b: Packed, k: Longs, row: Longs, is_own: bool, record: Longs) -> None:
    """Write a market-data row to `record` in a driver's format; times never decrease. `is_own`: an own order is the aggressor."""
    r = row_at(record, 0)
    r.ns = max(row[M_NS], state_at(k).now)
    r.kind = row[M_KIND]
    r.who = slot_of(b, row)
    r.side = row[M_SIDE]
    r.price = row[M_PRICE]
    r.lots = row[M_LOTS]
    r.mid2 = 0
    r.touch2 = 1 if is_own else 0


@kernel
def _load_snapshot(b: Packed, k: Longs, rows: Longs) -> int:
    """Insert a snapshot's orders into an empty book, up to the first that does not fit; returns the number of rows before it."""
    s = state_at(k)
    for i in range(rows.shape[0]):
        kind = rows[i, M_KIND]
        order_id = rows[i, M_ID]
        s.now = max(s.now, rows[i, M_NS])
        if kind == STATUS:
            s.halted = 0 if rows[i, M_PRICE] == 1 else 1
            continue
        slot = (
            order_id if order_id < load_fixed(b, lay.ORDERS) else order_id + load_fixed(b, lay.OWN)
        )
        if (
            slot < 0
            or slot >= load_fixed(b, lay.ORDERS) + 2 * load_fixed(b, lay.OWN)
            or rows[i, M_LOTS] <= 0
        ):
            return i
        if order_at(b, slot).qty != 0 or (kind != ADD and kind != ROLL_IN and kind != LEVEL_SET):
            return i
        insert(b, slot, rows[i, M_SIDE], rows[i, M_PRICE], rows[i, M_LOTS])
        if kind != ADD:
            order_at(b, slot).marks |= lay.ANONYMOUS
        if kind == LEVEL_SET:
            guess_queues(k)
            order_at(b, slot).tag = rows[i, M_LOTS]
    init_touch(b, k)
    return int(rows.shape[0])


@kernel
def _follow_public(b: Packed, k: Longs, rows: Longs, record: Longs, history: Longs) -> int:
    """Apply rows to a book without own orders and store tallies by time; 0, or minus the fault of row `history[0, 1]`."""
    s = state_at(k)
    for i in range(rows.shape[0]):
        unknown = s.mid2 == 0
        public_row(b, k, rows[i], False, record)
        fault = apply_row(b, k, record)
        if fault != FINE:
            history[0, 1] = i
            return -fault
        if unknown and s.mid2 != 0:
            s.variance = 0  # the first mid is no move
        _keep_tallies(k, history)
    return 0


@kernel
def _keep_tallies(k: Longs, history: Longs) -> None:
    """Store the current tallies in the history; of several at one time the last one stays."""
    s = state_at(k)
    room = history.shape[0] - 1
    n = history[0, H_COUNT]
    if n == 0 or history[1 + (n - 1) % room, H_NS] != s.now:
        n += 1
        history[0, H_COUNT] = n
    slot = 1 + (n - 1) % room
    history[slot, H_NS] = s.now
    for j in range(6):
        history[slot, 1 + j] = k[sim.EVENTS + j]
    history[slot, H_HALTED] = s.halted


@kernel
def meet_aggressor(b: Packed, k: Longs, row: Longs, ns: int, group: Longs) -> None:
    """Store mid and far touch (half ticks) in `group` before an aggressor's first lot trades; its later lots change nothing."""
    s = state_at(k)
    side = row[M_SIDE]
    aggressor = row[M_AGGRESSOR]
    if group[G_NS] == ns and group[G_SIDE] == side and group[G_WHO] == aggressor:
        return
    far = best(b, side)
    if far == NO_BID or far == NO_ASK:
        far = s.last_bid if side > 0 else s.last_ask
    group[G_NS] = ns
    group[G_SIDE] = side
    group[G_WHO] = aggressor
    group[G_MID2] = s.mid2
    group[G_TOUCH2] = 2 * far


@kernel
def append_own_fill(group: Longs, out_marks: Longs, place: int, passive: int) -> None:
    """Append an own fill, whose report will follow, to `out_marks`, with the prices that its aggressor met (in `group`)."""
    n = group[G_MARKS]
    out_marks[n, 0] = place
    out_marks[n, 1] = passive
    out_marks[n, 2] = group[G_MID2]
    out_marks[n, 3] = group[G_TOUCH2]
    group[G_MARKS] = n + 1


@kernel
def own_of(who_of: Longs, order_id: int) -> int:
    """Index of the own order with a public order id; -1 for other participants' orders."""
    return int(who_of[order_id]) if 0 <= order_id < who_of.shape[0] else -1


@kernel
def _follow(
    b: Packed,
    k: Longs,
    rows: Longs,
    start: int,
    who_of: Longs,
    group: Longs,
    out_marks: Longs,
    out_rows: Longs,
) -> int:
    """Apply rows from `start` on to a driver's market, until a decision falls due; returns the index of the next row. Fills
    `out_marks` (own fills), `out_rows` and the counts and fault in `group`.

    Parameters
    ----------
    who_of : int64 (ids,)
        Own ledger place by public number, -1.
    group, out_marks : int64 (GROUP_WORDS,), int64 (m, MARK_WORDS)
        See above; the fills themselves come as reports.
    out_rows : int64 (r, RECORD_WORDS)
        Out: the driver's rows, `group[G_ROWS]` of them.

    Returns
    -------
    The next row; on a fault (`group[G_FAULT]`) the one that does not fit.
    """
    s = state_at(k)
    group[G_MARKS] = group[G_ROWS] = group[G_FAULT] = 0
    for i in range(start, rows.shape[0]):
        row = rows[i]
        line = out_rows[group[G_ROWS]]
        ns = max(row[M_NS], s.now)
        is_due = s.phase == sim.WORKING and ns > max(s.due_ns, s.now)
        if is_due or group[G_MARKS] == out_marks.shape[0]:
            return i
        place = own_of(who_of, row[M_ID])
        is_own = False
        if row[M_KIND] == EXECUTE and row[M_LOTS] > 0:
            meet_aggressor(b, k, row, ns, group)
            taker = own_of(who_of, row[M_AGGRESSOR])
            is_own = taker >= 0
            if is_own:
                append_own_fill(group, out_marks, taker, 0)
            if place >= 0:
                append_own_fill(group, out_marks, place, 1)
        if place >= 0:
            if row[M_KIND] != ADD or ledger_at(b, place).state != lay.IN_FLIGHT:
                continue  # what leaves an own order follows from its report; one shown again rests already
            side = row[M_SIDE]
            price = row[M_PRICE]
            hidden = outside_feed(b, k, side, price) and public_lots_at(b, side, price) == 0
            public_row(b, k, row, False, line)
            r = row_at(line, 0)
            r.kind = sim.OWN_REST
            r.who = place
            r.mid2 = 1 if hidden else 0
        else:
            public_row(b, k, row, is_own, line)
        fault = apply_row(b, k, line)
        if fault != FINE:
            group[G_FAULT] = fault
            return i
        group[G_ROWS] += 1
    return int(rows.shape[0])


def serve(
    request: FollowerRequest,
    b: Packed,
    k: Longs,
    rows: Longs = NO_ROWS,
    start: int = 0,
    who_of: Longs = NO_WHO,
    group: Longs = NO_GROUP,
    out_marks: Longs = NO_MARKS,
    out_rows: Longs = NO_ROWS,
    history: Longs = NO_HISTORY,
) -> int:
    """Execute a request of a follower or an executor, with the arrays that it reads and fills: what the kernel of its name gives,
    0 of one that gives nothing."""
    return _serve(int(request), b, k, rows, start, who_of, group, out_marks, out_rows, history)


def apply_single_row(b: Packed, k: Longs, row: Longs) -> int:
    """Apply one row to a driver's market, through the compiled function of the others; returns its fault or `FINE`
    (`driver_kernels.apply_row`)."""
    return serve(FollowerRequest.ROW, b, k, row.reshape(1, -1))
