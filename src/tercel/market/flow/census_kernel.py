"""One compiled pass over a day of tape: a compact book, marks of its rows, and integrals of the depth over time.

The kernel keeps a compact book of level totals (dense arrays of prices, no queue) and integrates over time what rests at
each distance from the *opposite* best.

The book is ``level[side, price, column]``, side 0 bid and 1 ask, a dense array of prices. Orders are known by a dense number
(``known[order, column]``) until their level rolls out of the feed's window (the level's epoch rises).
"""

from typing import Any, Final, NamedTuple

from tercel.core.arrays import Bools
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.tape import schema
from tercel.market.tape.events import Columns

REACH: Final = 1024
"""Distances (ticks from the opposite best) that are counted apart; what rests farther is one tail."""
LEVELS: Final = 5
"""Occupied levels a side whose depth is averaged."""
LOTS, COUNT, ANON, EPOCH = range(4)
"""Columns of a level: all lots, known orders, lots of its anonymous block, times it rolled out."""
LEFT, PRICE, SIDE, BORN = range(4)
"""Columns of a known order: lots left, price index, side index, its level's epoch when it came."""
SECONDS, REMAINDERS, UNKNOWN, FAR, SPREAD, LIVE, SUMS = range(7)
"""Entries of `sums` (SUMS is their number); the fields of `Census` say what each is."""
BID, ASK, HALTED, MARKETS, EXEC_NS, EXEC_SIDE, STATE = range(7)
"""Entries of the running state: price indices of the touch, halted, market orders so far, last execution."""


class CompactBook(NamedTuple):
    """Arrays of the compact book, zeros at the start: levels, known orders, running state.

    Levels int64[2, prices, 4], known orders int64[orders, 4], running state int64[STATE], known orders a side int64[2].
    """

    level: Longs
    known: Longs
    state: Longs
    totals: Longs


class Marks(NamedTuple):
    """Per row: distance of a placement or cancel, lots and completeness of a cancel, market order number (-1 none)."""

    distance: Packed
    removed: Longs
    full_cancel: Bools
    market: Packed


class Integrals(NamedTuple):
    """Integrals over time that the census takes: sums, lots by distance, depth and offset of levels, mids.

    Sums float64[SUMS], lots by distance float64[REACH + 1], depth and offset float64[2, LEVELS], and bid + ask at each full
    second.
    """

    sums: Floats
    lots_time: Floats
    per_level: Floats
    mid2: Longs


@kernel
def count_rows(
    tape: Columns,
    dense: Longs,
    start: int,
    stop: int,
    base: int,
    book: CompactBook,
    marks: Marks,
    integrals: Integrals,
) -> None:
    """Replay the rows through `book`, filling `marks` (placements, cancels, market orders) and `integrals` (depth over time)."""
    level = book.level
    state = book.state
    totals = book.totals
    t = tape.exch_ns
    side = tape.side
    price = tape.price_ticks
    mid2 = integrals.mid2
    width = level.shape[1]
    state[BID], state[ASK] = 0, width - 1
    state[EXEC_NS] = -1
    last_ns = start
    grid = start
    for r in range(t.shape[0]):
        bid, ask = state[BID], state[ASK]
        two_sided = bid > 0 and ask < width - 1 and bid < ask
        while grid <= t[r] and grid <= stop:
            k = (grid - start) // NS_PER_SECOND
            mid2[k] = bid + ask + 2 * base if two_sided else (mid2[k - 1] if k > 0 else 0)
            grid += NS_PER_SECOND
        until = min(t[r], stop)
        if until > last_ns:
            if two_sided and not state[HALTED]:
                _integrate(level, bid, ask, (until - last_ns) * 1e-9, totals, integrals)
            last_ns = until
        kind = tape.kind[r]
        p = price[r] - base
        if kind == schema.STATUS:
            state[HALTED] = price[r] != 1
        elif kind == schema.CLEAR:
            _clear(level, totals)
            state[BID], state[ASK] = 0, width - 1
        elif (
            kind == schema.TRADE_HIDDEN
            or kind == schema.CROSS
            or kind > schema.ROLL_IN
            or (side[r] != BUY and side[r] != SELL)
        ):
            continue
        elif p <= 0 or p >= width - 1:
            integrals.sums[FAR] += 1
        else:
            s = 0 if side[r] == BUY else 1
            reach = (ask - p) if s == 0 else (p - bid)
            counted = two_sided and not state[HALTED] and start <= t[r] and t[r] < stop
            order = dense[r] if tape.order_id[r] != 0 else -1
            _row(
                r,
                kind,
                t[r],
                s,
                p,
                tape.qty_lots[r],
                order,
                reach,
                counted,
                book,
                marks,
                integrals.sums,
            )
            state[BID] = _best(level, 0, max(bid, p) if s == 0 else bid)
            state[ASK] = _best(level, 1, min(ask, p) if s == 1 else ask)
    while grid <= stop:
        k = (grid - start) // NS_PER_SECOND
        mid2[k] = mid2[k - 1] if k > 0 else 0
        grid += NS_PER_SECOND


@kernel
def _row(
    r: int,
    kind: int,
    now: int,
    s: int,
    p: int,
    qty: int,
    order: int,
    reach: int,
    counted: bool,
    book: CompactBook,
    marks: Marks,
    sums: Floats,
) -> None:
    """Apply one tape row to the compact book; write its mark, if it is `counted`, and add to `sums`."""
    level, known, state, totals = book
    if kind == schema.ADD:
        if now == state[EXEC_NS] and s != state[EXEC_SIDE]:
            sums[REMAINDERS] += counted
        elif counted and reach > 0:
            marks.distance[r] = reach
        _rest(level, known, order, s, p, qty, totals)
    elif kind == schema.ROLL_IN:
        _rest(level, known, -1, s, p, qty, totals)
    elif kind == schema.ROLL_OUT:
        _forget(level, s, p, totals)
    elif kind == schema.EXECUTE:
        if counted:
            if now != state[EXEC_NS] or s != state[EXEC_SIDE] or state[MARKETS] == 0:
                state[MARKETS] += 1
            marks.market[r] = state[MARKETS] - 1
        state[EXEC_NS] = now
        state[EXEC_SIDE] = s
        sums[UNKNOWN] += _take(level, known, order, s, p, qty, totals) < 0
    elif kind == schema.MODIFY and order >= 0 and known[order, LEFT] > 0:
        _take(
            level, known, order, known[order, SIDE], known[order, PRICE], known[order, LEFT], totals
        )
        _rest(level, known, order, s, p, qty, totals)
    elif kind in (schema.REDUCE, schema.DELETE):
        removed = _take(level, known, order, s, p, qty, totals)
        sums[UNKNOWN] += removed < 0
        if counted and removed > 0 and reach > 0:
            marks.distance[r] = reach
            marks.removed[r] = removed
            # Some feeds (LOBSTER 2003) have no delete: a reduction to nothing is one.
            marks.full_cancel[r] = kind == schema.DELETE or (order >= 0 and known[order, LEFT] == 0)


@kernel
def _best(level: Any, s: int, start: int) -> int:
    """Best occupied price index of side s from `start` away from the touch; 0 (bid) or width - 1 (ask) when none."""
    p = start
    if s == 0:
        while p > 0 and level[0, p, LOTS] == 0:
            p -= 1
        return p
    while p < level.shape[1] - 1 and level[1, p, LOTS] == 0:
        p += 1
    return p


@kernel
def _integrate(
    level: Longs, bid: int, ask: int, dt: float, totals: Longs, integrals: Integrals
) -> None:
    """Add `dt` seconds of the standing book to the integrals."""
    sums = integrals.sums
    lots_time = integrals.lots_time
    per_level = integrals.per_level
    width = level.shape[1]
    sums[SECONDS] += dt
    sums[SPREAD] += dt * (ask - bid)
    sums[LIVE] += dt * (totals[0] + totals[1])
    for s in range(2):
        step = 1 - 2 * s  # from the opposite best: bids lie below the ask, asks above the bid
        p = (ask if s == 0 else bid) - step
        for i in range(1, REACH + 1):
            if p < 0 or p >= width:
                break
            lots_time[i] += dt * level[s, p, LOTS]
            p -= step
        k = 0
        p = bid if s == 0 else ask
        touch = bid if s == 0 else ask
        while k < LEVELS and 0 <= p < width:
            if level[s, p, LOTS] != 0:
                per_level[0, k] += 0.5 * dt * level[s, p, LOTS]
                per_level[1, k] += 0.5 * dt * abs(p - touch)
                k += 1
            p -= step


@kernel
def _take(level: Any, known: Any, order: int, s: int, p: int, qty: int, totals: Any) -> int:
    """Remove up to `qty` lots of an order, or of its level's anonymous block; returns lots removed, -1 for an unknown order."""
    alive = order >= 0 and known[order, LEFT] > 0
    if alive and known[order, PRICE] == p and known[order, BORN] == level[s, p, EPOCH]:
        removed = min(qty, known[order, LEFT])
        known[order, LEFT] -= removed
        if known[order, LEFT] == 0:
            level[s, p, COUNT] -= 1
            totals[s] -= 1
    elif level[s, p, ANON] > 0:
        removed = min(qty, level[s, p, ANON])
        level[s, p, ANON] -= removed
    else:
        return -1
    level[s, p, LOTS] -= removed
    return int(removed)


@kernel
def _rest(level: Any, known: Any, order: int, s: int, p: int, qty: int, totals: Any) -> None:
    """Add an order (or, with order -1, an anonymous block) to the compact book."""
    level[s, p, LOTS] += qty
    if order < 0:
        level[s, p, ANON] += qty
        return
    level[s, p, COUNT] += 1
    totals[s] += 1
    known[order, LEFT] = qty
    known[order, PRICE] = p
    known[order, SIDE] = s
    known[order, BORN] = level[s, p, EPOCH]


@kernel
def _forget(level: Any, s: int, p: int, totals: Any) -> None:
    """Empty a level and make its orders unknown (they leave `totals`)."""
    totals[s] -= level[s, p, COUNT]
    level[s, p, LOTS] = 0
    level[s, p, COUNT] = 0
    level[s, p, ANON] = 0
    level[s, p, EPOCH] += 1


@kernel
def _clear(level: Any, totals: Any) -> None:
    """Empty the book."""
    for s in range(2):
        for p in range(level.shape[1]):
            if level[s, p, LOTS] != 0:
                _forget(level, s, p, totals)
