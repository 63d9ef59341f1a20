"""Kernels that apply market data to a driver: whole arrays at once, own orders marked, aggressors remembered."""

from enum import IntEnum
from typing import Final

import numpy as np

from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.orders import M_AGGRESSOR, M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution.driver_kernels import FINE, apply_row
from tercel.market.book import layout as lay
from tercel.market.book.ladder import best, insert, ledger_at, order_at, public_lots_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import outside_feed
from tercel.market.simulator.levels import guess_queues
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import touch_from_book
from tercel.market.tape.schema import ADD, EXECUTE, LEVEL_SET, ROLL_IN, STATUS

# -- state between rows: int64 fields ---------------------------------------------------------------------------
G_NS = 0  # rows of one time, side and aggressor are one aggressor
G_SIDE = 1
G_WHO = 2
G_MID2 = 3  # what it met, just before its first lot
G_TOUCH2 = 4
G_MARKS = 5  # marks written
G_ROWS = 6  # driver's rows written
G_FAULT = 7
GROUP_WORDS = 8

MARK_WORDS = 4
"""An own fill that a report will name: own order, passive, mid2, touch2."""

# -- a history of tallies: rows of ns, the six fields of SEEN, whether trading was halted ------------------------------
H_NS = 0
H_HALTED = 7
HISTORY_WORDS = 8
H_COUNT = 0  # the first row's first field counts what was written


class FollowerRequest(IntEnum):
    """Requests of followers and executors to the compiled entry: see the functions at the end."""

    FOLLOW = 0
    PUBLIC = 1
    LOAD = 2
    KEEP = 3
    ROW = 4


NO_WHO: Final = np.zeros(0, np.int64)
NO_GROUP: Final = np.zeros(GROUP_WORDS, np.int64)
NO_MARKS: Final = np.zeros((0, MARK_WORDS), np.int64)
NO_HISTORY: Final = np.zeros((1, HISTORY_WORDS), np.int64)
NO_ROWS: Final = np.zeros((0, 8), np.int64)


@kernel
def _serve(
    what: int,
    b: Packed,
    k: Longs,
    rows: Longs,
    at: int,
    who_of: Longs,
    group: Longs,
    marks: Longs,
    out: Longs,
    history: Longs,
) -> int:
    """Serve a `FollowerRequest`, behind one compiled entry, since all of it needs the whole book."""
    if what == FollowerRequest.FOLLOW:
        return _follow(b, k, rows, at, who_of, group, marks, out)
    if what == FollowerRequest.PUBLIC:
        return _follow_public(b, k, rows, out[0], history)
    if what == FollowerRequest.LOAD:
        return _load(b, k, rows)
    if what == FollowerRequest.KEEP:
        _keep_tallies(k, history)
        return 0
    return apply_row(b, k, rows[0])


@kernel
def slot_of(b: Packed, row: Longs) -> int:
    """Book slot of a public order id; pieces of split blocks come after the own orders."""
    who = row[M_ID]
    if who < fixed(b, lay.ORDERS):
        return int(who)
    piece = who + fixed(b, lay.OWN)
    known = piece < fixed(b, lay.ORDERS) + 2 * fixed(b, lay.OWN)
    return int(piece) if known and order_at(b, piece).qty >= row[M_LOTS] else -1


@kernel
def public_row(b: Packed, k: Longs, row: Longs, ours: bool, out: Longs) -> None:
    """A market-data row in the record's fields; times never decrease."""
    r = row_at(out, 0)
    r.ns = max(row[M_NS], state_at(k).now)
    r.kind = row[M_KIND]
    r.who = slot_of(b, row)
    r.side = row[M_SIDE]
    r.price = row[M_PRICE]
    r.lots = row[M_LOTS]
    r.mid2 = 0
    r.touch2 = 1 if ours else 0


@kernel
def _load(b: Packed, k: Longs, rows: Longs) -> int:
    """Lay an empty book from a snapshot. Returns the rows that were understood."""
    s = state_at(k)
    for i in range(rows.shape[0]):
        kind, who = rows[i, M_KIND], rows[i, M_ID]
        s.now = max(s.now, rows[i, M_NS])
        if kind == STATUS:
            s.halted = 0 if rows[i, M_PRICE] == 1 else 1
            continue
        slot = who if who < fixed(b, lay.ORDERS) else who + fixed(b, lay.OWN)
        if slot < 0 or slot >= fixed(b, lay.ORDERS) + 2 * fixed(b, lay.OWN) or rows[i, M_LOTS] <= 0:
            return i
        if order_at(b, slot).qty != 0 or (kind != ADD and kind != ROLL_IN and kind != LEVEL_SET):
            return i
        insert(b, slot, rows[i, M_SIDE], rows[i, M_PRICE], rows[i, M_LOTS])
        if kind != ADD:
            order_at(b, slot).marks |= lay.ANONYMOUS
        if kind == LEVEL_SET:
            guess_queues(k)
            order_at(b, slot).tag = rows[i, M_LOTS]
    touch_from_book(b, k)
    return int(rows.shape[0])


@kernel
def _follow_public(b: Packed, k: Longs, rows: Longs, out: Longs, history: Longs) -> int:
    """Apply rows to a book without own orders, tallies stored by time: 0, or minus why row `history[0, 1]` fails."""
    s = state_at(k)
    for i in range(rows.shape[0]):
        unknown = s.mid2 == 0
        public_row(b, k, rows[i], False, out)
        fault = apply_row(b, k, out)
        if fault != FINE:
            history[0, 1] = i
            return -fault
        if unknown and s.mid2 != 0:
            s.variance = 0  # the first mid is no move
        _keep_tallies(k, history)
    return 0


@kernel
def _keep_tallies(k: Longs, history: Longs) -> None:
    """Record the current tallies in the history; the last row of each time stays."""
    s = state_at(k)
    room = history.shape[0] - 1
    n = history[0, H_COUNT]
    if n == 0 or history[1 + (n - 1) % room, H_NS] != s.now:
        n += 1
        history[0, H_COUNT] = n
    at = 1 + (n - 1) % room
    history[at, H_NS] = s.now
    for j in range(6):
        history[at, 1 + j] = k[sim.EVENTS + j]
    history[at, H_HALTED] = s.halted


@kernel
def meet_aggressor(b: Packed, k: Longs, row: Longs, ns: int, group: Longs) -> None:
    """Keep mid and touch as an aggressor finds them, before its first lot."""
    s = state_at(k)
    side, who = row[M_SIDE], row[M_AGGRESSOR]
    if group[G_NS] == ns and group[G_SIDE] == side and group[G_WHO] == who:
        return
    far = best(b, side)
    if far == NO_BID or far == NO_ASK:
        far = s.last_bid if side > 0 else s.last_ask
    group[G_NS] = ns
    group[G_SIDE] = side
    group[G_WHO] = who
    group[G_MID2] = s.mid2
    group[G_TOUCH2] = 2 * far


@kernel
def mark(group: Longs, marks: Longs, own: int, passive: int) -> None:
    """Mark an own fill whose report will follow: keep the prices its aggressor met."""
    n = group[G_MARKS]
    marks[n, 0] = own
    marks[n, 1] = passive
    marks[n, 2] = group[G_MID2]
    marks[n, 3] = group[G_TOUCH2]
    group[G_MARKS] = n + 1


@kernel
def own_of(who_of: Longs, who: int) -> int:
    """Ledger place of the own order with a public number, -1 for others' orders."""
    return int(who_of[who]) if 0 <= who < who_of.shape[0] else -1


@kernel
def _follow(
    b: Packed, k: Longs, rows: Longs, at: int, who_of: Longs, group: Longs, marks: Longs, out: Longs
) -> int:
    """Apply rows from `at` on to a driver's market, up to a row before which a decision falls due.

    Parameters
    ----------
    who_of : int64 (ids,)
        Own ledger place by public number, -1.
    group, marks : int64 (GROUP_WORDS,), int64 (m, MARK_WORDS)
        See above; the fills themselves come as reports.
    out : int64 (r, RECORD_WORDS)
        Out: the driver's rows, `group[G_ROWS]` of them.

    Returns
    -------
    The next row; on a fault (`group[G_FAULT]`) the one that does not fit.
    """
    s = state_at(k)
    group[G_MARKS] = group[G_ROWS] = group[G_FAULT] = 0
    for i in range(at, rows.shape[0]):
        row, line = rows[i], out[group[G_ROWS]]
        ns = max(row[M_NS], s.now)
        if (s.phase == sim.WORKING and ns > max(s.due_ns, s.now)) or group[G_MARKS] == marks.shape[
            0
        ]:
            return i
        own, ours = own_of(who_of, row[M_ID]), False
        if row[M_KIND] == EXECUTE and row[M_LOTS] > 0:
            meet_aggressor(b, k, row, ns, group)
            taker = own_of(who_of, row[M_AGGRESSOR])
            ours = taker >= 0
            if ours:
                mark(group, marks, taker, 0)
            if own >= 0:
                mark(group, marks, own, 1)
        if own >= 0:
            if row[M_KIND] != ADD or ledger_at(b, own).state != lay.IN_FLIGHT:
                continue  # what leaves an own order follows from its report; one shown again rests already
            side, price = row[M_SIDE], row[M_PRICE]
            hidden = outside_feed(b, k, side, price) and public_lots_at(b, side, price) == 0
            public_row(b, k, row, False, line)
            r = row_at(line, 0)
            r.kind = sim.OWN_REST
            r.who = own
            r.mid2 = 1 if hidden else 0
        else:
            public_row(b, k, row, ours, line)
        fault = apply_row(b, k, line)
        if fault != FINE:
            group[G_FAULT] = fault
            return i
        group[G_ROWS] += 1
    return int(rows.shape[0])


# -- what Python calls ------------------------------------------------------------------------------------------------


def follow(
    b: Packed, k: Longs, rows: Longs, at: int, who_of: Longs, group: Longs, marks: Longs, out: Longs
) -> int:
    """Apply rows to a driver's market: see `_follow`."""
    return _serve(
        int(FollowerRequest.FOLLOW), b, k, rows, at, who_of, group, marks, out, NO_HISTORY
    )


def follow_public(b: Packed, k: Longs, rows: Longs, out: Longs, history: Longs) -> int:
    """Apply rows to a book without own orders: see `_follow_public`; `out` int64 (1, RECORD_WORDS) is overwritten."""
    return _serve(
        int(FollowerRequest.PUBLIC), b, k, rows, 0, NO_WHO, NO_GROUP, NO_MARKS, out, history
    )


def load(b: Packed, k: Longs, rows: Longs) -> int:
    """Load a snapshot into an empty book; the number of rows understood."""
    return _serve(
        int(FollowerRequest.LOAD), b, k, rows, 0, NO_WHO, NO_GROUP, NO_MARKS, NO_ROWS, NO_HISTORY
    )


def keep_tallies(b: Packed, k: Longs, history: Longs) -> None:
    """Store the current tallies."""
    _serve(
        int(FollowerRequest.KEEP), b, k, NO_ROWS, 0, NO_WHO, NO_GROUP, NO_MARKS, NO_ROWS, history
    )


def apply_heard(b: Packed, k: Longs, row: Longs) -> int:
    """`driver_kernels.apply_row` through the same compiled entry."""
    return _serve(
        int(FollowerRequest.ROW),
        b,
        k,
        row.reshape(1, -1),
        0,
        NO_WHO,
        NO_GROUP,
        NO_MARKS,
        NO_ROWS,
        NO_HISTORY,
    )
