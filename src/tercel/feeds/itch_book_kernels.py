"""Kernels that keep the books of all symbols of an ITCH file at once, straight from its bytes.

Every order has a record that says which level it is in, and a place in the queue of that level: what happens to an
order needs no search, until its level is empty. The levels of a symbol and side are rungs of a ladder, price and level,
in one stretch of a shared pool, sorted, the best last: nearly all that comes is near the end. A stretch that is full
moves to the end of the pool with twice the room.
"""

# mypy: disable-error-code="arg-type, return-value"
from typing import NamedTuple

import numpy as np

from tercel.core.arrays import Bytes
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds import itch_format, itch_state
from tercel.feeds.itch_messages import be2, be4, be8, check_message, count_oddity, look_ahead
from tercel.feeds.itch_store import U32, allocate, forget, place_of, release

S_BASE, S_N, S_CAP, S_BEST = range(4)
"""A stretch of rungs, int32[2 * 65536, 8], at locate * 2 (bids) and locate * 2 + 1 (asks), one cache line for both:
its start, rungs, room, price of the last rung (if any)."""
SIDE = 8
FIRST_LEVELS = 8
R_PRICE, R_LEVEL = range(2)
"""A rung, int32[pool, 2]."""
L_SHARES, L_HEAD, L_TAIL = range(3)
"""A level, int32[levels, 4]; the head of a free one is the next free."""
SUMS = (
    *("added", "executed", "withdrawn", "messages", "off_best", "off_head"),
    *("crossed", "locked", "crossed_off", "locked_off", "hidden", "cross", "broken"),
)
"""Sums of a symbol, int64[65536, 16]: shares added, executed, and cancelled, deleted or replaced; executions of an
order that is not at the best price, or not the first at its price; messages after which the symbol's book is crossed,
or locked, while it trades, and while it does not; shares printed against hidden orders, and in crosses; trades broken.
"""
(P_ADDED, P_EXECUTED, P_WITHDRAWN, P_MESSAGES, P_OFF_BEST, P_OFF_HEAD) = range(6)
(P_CROSSED, P_LOCKED, P_CROSSED_OFF, P_LOCKED_OFF, P_HIDDEN, P_CROSS, P_BROKEN, P_STATUS) = range(
    6, 14
)
"""The last: 0 not reported (taken as trading), 1 trading, 2 quoting only, 3 halted."""
PER = 16
LINEAR = 24
"""Levels looked at one by one from the best before the search halves."""


class Books(NamedTuple):
    """Arrays of the books of all symbols: stretches of rungs, rungs, levels, sums."""

    sides: Packed
    rungs: Packed
    levels: Packed
    per: Longs


@kernel
def rung_of(sides: Packed, rungs: Packed, place: int, price: int) -> int:
    """Index of the rung at a price in a side's ladder, or -1 - the index where it would go; `place`: locate * 2, +1 for asks."""
    base = sides[place, S_BASE]
    sign = 1 - 2 * (place & 1)
    low = base
    i = base + sides[place, S_N] - 1
    stop = max(base, i - LINEAR)
    while i >= stop:
        gap = ((rungs[i, R_PRICE] & U32) - price) * sign
        if gap <= 0:
            return i if gap == 0 else -2 - i
        i -= 1
    high = i + 1  # rungs from here on are better
    while low < high:
        middle = (low + high) >> 1
        gap = ((rungs[middle, R_PRICE] & U32) - price) * sign
        if gap == 0:
            return middle
        if gap < 0:
            low = middle + 1
        else:
            high = middle
    return -1 - low


@kernel
def make_level(w: Longs, books: Books, place: int, rung: int, price: int) -> int:
    """Make an empty level with a rung at index `rung` of a side's ladder, moved to larger room if full; returns the level."""
    sides, rungs, levels, _ = books
    base = sides[place, S_BASE]
    n = sides[place, S_N]
    if n == sides[place, S_CAP]:
        room = max(2 * n, FIRST_LEVELS)
        new = w[itch_state.POOL]
        w[itch_state.POOL] += room
        for i in range(n):
            rungs[new + i, R_PRICE], rungs[new + i, R_LEVEL] = (
                rungs[base + i, R_PRICE],
                rungs[base + i, R_LEVEL],
            )
        sides[place, S_BASE] = new
        sides[place, S_CAP] = room
        rung += new - base
        base = new
    for i in range(base + n, rung, -1):
        rungs[i, R_PRICE], rungs[i, R_LEVEL] = rungs[i - 1, R_PRICE], rungs[i - 1, R_LEVEL]
    level = w[itch_state.FREE_LEVEL]
    if level >= 0:
        w[itch_state.FREE_LEVEL] = levels[level, L_HEAD]
    else:
        level = w[itch_state.HIGH_LEVEL]
        w[itch_state.HIGH_LEVEL] += 1
    levels[level, L_SHARES] = 0
    levels[level, L_HEAD] = levels[level, L_TAIL] = -1
    rungs[rung, R_PRICE], rungs[rung, R_LEVEL] = price, level
    sides[place, S_N] = n + 1
    sides[place, S_BEST] = rungs[base + n, R_PRICE]
    w[itch_state.MOST_LEVELS] = max(w[itch_state.MOST_LEVELS], n + 1)
    return level


@kernel
def drop_level(w: Longs, books: Books, place: int, level: int, price: int) -> None:
    """Free an empty level and remove its rung from the ladder."""
    sides, rungs, levels, _ = books
    levels[level, L_HEAD] = w[itch_state.FREE_LEVEL]
    w[itch_state.FREE_LEVEL] = level
    last = sides[place, S_BASE] + sides[place, S_N] - 1
    for i in range(rung_of(sides, rungs, place, price), last):
        rungs[i, R_PRICE], rungs[i, R_LEVEL] = rungs[i + 1, R_PRICE], rungs[i + 1, R_LEVEL]
    sides[place, S_N] -= 1
    if sides[place, S_N] > 0:
        sides[place, S_BEST] = rungs[last - 1, R_PRICE]


@kernel
def enter_order(
    w: Longs,
    table: Longs,
    orders: Packed,
    books: Books,
    ref: int,
    place: int,
    shares: int,
    price: int,
) -> None:
    """Add an order at the end of its level's queue; without shares or with too many it is only counted as odd.

    An order without shares is refused, one without a price only remembered.
    """
    sides, rungs, levels, per = books
    if shares == 0 or shares >= MOST_LOTS:
        count_oddity(w, itch_state.NO_SHARES if shares == 0 else itch_state.CUT_SHARES)
        return
    entry = place_of(table, ref)
    if table[entry, 1] >= 0:
        count_oddity(w, itch_state.DUPLICATE_REF)
        slot = table[entry, 1]
        per[orders[slot, itch_state.O_PLACE] >> 1, P_WITHDRAWN] += orders[slot, itch_state.O_SHARES]
        unlink(w, orders, books, slot, orders[slot, itch_state.O_SHARES])
    else:
        slot = allocate(w, orders)
        table[entry, 0], table[entry, 1] = ref, slot
    orders[slot, itch_state.O_PRICE] = price
    orders[slot, itch_state.O_SHARES] = shares
    orders[slot, itch_state.O_PLACE] = place
    orders[slot, itch_state.O_NEXT] = -1
    per[place >> 1, P_ADDED] += shares
    if price == 0:
        count_oddity(w, itch_state.NO_PRICE)
        return
    rung = rung_of(sides, rungs, place, price)
    level = rungs[rung, R_LEVEL] if rung >= 0 else make_level(w, books, place, -1 - rung, price)
    tail = levels[level, L_TAIL]
    orders[slot, itch_state.O_PREV] = tail
    orders[slot, itch_state.O_LEVEL] = level
    if tail >= 0:
        orders[tail, itch_state.O_NEXT] = slot
    else:
        levels[level, L_HEAD] = slot
    levels[level, L_TAIL] = slot
    levels[level, L_SHARES] += shares


@kernel
def unlink(w: Longs, orders: Packed, books: Books, slot: int, shares: int) -> None:
    """Remove an order of `shares` from its level's queue, and the level with its last order."""
    levels = books.levels
    price = orders[slot, itch_state.O_PRICE] & U32
    place = orders[slot, itch_state.O_PLACE]
    if price == 0:
        return
    level = orders[slot, itch_state.O_LEVEL]
    before, behind = orders[slot, itch_state.O_PREV], orders[slot, itch_state.O_NEXT]
    if before >= 0:
        orders[before, itch_state.O_NEXT] = behind
    else:
        levels[level, L_HEAD] = behind
    if behind >= 0:
        orders[behind, itch_state.O_PREV] = before
    else:
        levels[level, L_TAIL] = before
    levels[level, L_SHARES] -= shares
    if levels[level, L_HEAD] < 0:
        drop_level(w, books, place, level, price)


@kernel
def look_at_levels(b: Bytes, start: int, n: int, w: Longs, orders: Packed, books: Books) -> None:
    """Prefetch queue neighbours, levels and best rungs for the next `n` messages (see `look_ahead`); changes no book."""
    sides, rungs, levels, per = books
    offset = start
    seen = 0
    for k in range(n):
        locate = be2(b, offset + 3)
        seen ^= per[locate, P_ADDED] ^ sides[2 * locate, S_BASE]
        offset += 2 + be2(b, offset)
        slot = w[itch_state.SPOTS + k]
        if slot >= 0:
            before, behind = orders[slot, itch_state.O_PREV], orders[slot, itch_state.O_NEXT]
            seen ^= (
                orders[max(before, 0), itch_state.O_PRICE]
                ^ orders[max(behind, 0), itch_state.O_PRICE]
            )
            seen ^= levels[orders[slot, itch_state.O_LEVEL], L_SHARES]
    offset = start
    for _ in range(n):
        letter = b[offset + 2]
        if letter == itch_format.ADDED:
            place = 2 * be2(b, offset + 3) + (b[offset + 21] == 83)
            last = sides[place, S_BASE] + sides[place, S_N] - 1
            seen ^= rungs[max(last, 0), R_PRICE] ^ rungs[max(last - 8, 0), R_PRICE]
        offset += 2 + be2(b, offset)
    w[itch_state.SEEN] ^= seen


@kernel
def apply_messages(
    b: Bytes,
    start: int,
    stop: int,
    w: Longs,
    lengths: Longs,
    names: Longs,
    picks: Longs,
    wanted: Bytes,
    table: Longs,
    orders: Packed,
    books: Books,
) -> int:
    """Apply whole messages of `b[start:stop]` of wanted symbols to the books; returns where it stopped, why in `w[STOP]`."""
    sides, rungs, levels, per = books
    i = start
    far = table.shape[0] >= itch_state.FAR
    ahead = 0
    while True:
        if far and ahead <= 0:
            ahead = look_ahead(b, i, stop, w, table, orders)
            look_at_levels(b, i, ahead, w, orders, books)
        ahead -= 1
        if w[itch_state.LIVE] + 1 >= orders.shape[0]:
            w[itch_state.STOP] = itch_state.NEED_ORDERS
            return i
        no_rungs = (
            w[itch_state.POOL] + 2 * w[itch_state.MOST_LEVELS] + FIRST_LEVELS > rungs.shape[0]
        )
        if no_rungs or w[itch_state.HIGH_LEVEL] + 1 >= levels.shape[0]:
            w[itch_state.STOP] = itch_state.NEED_LEVELS
            return i
        n = check_message(b, i, stop, w, lengths, names, picks, wanted)
        if n == 0:
            return i
        m = i + 2
        y = np.int64(b[m])
        locate = be2(b, m + 1)
        if lengths[y] == 0 or wanted[locate] != 1:
            i = m + n
            continue
        i = m + n
        per[locate, P_MESSAGES] += 1
        if y == itch_format.ADDED or y == itch_format.ATTRIBUTED:
            letter = b[m + 19]
            if letter != 66 and letter != 83:
                count_oddity(w, itch_state.ODD_FIELD)
                continue
            place = 2 * locate + (letter == 83)
            ref = be8(b, m + 11)
            shares = be4(b, m + 20)
            enter_order(w, table, orders, books, ref, place, shares, be4(b, m + 32))
        elif (
            y == itch_format.EXECUTED
            or y == itch_format.EXECUTED_AT
            or y == itch_format.CANCELLED
            or y == itch_format.DELETED
            or y == itch_format.REPLACED
        ):
            change_order(b, m, y, locate, w, table, orders, books)
        elif y == itch_format.ACTION:
            state = b[m + 19]
            per[locate, P_STATUS] = 1 if state == 84 else 2 if state == 81 else 3
            if state != 84 and state != 81 and state != 72 and state != 80:
                count_oddity(w, itch_state.ODD_FIELD)
            continue
        elif y == itch_format.PRINT:
            per[locate, P_HIDDEN] += be4(b, m + 20)
            continue
        elif y == itch_format.CROSSED:
            per[locate, P_CROSS] += be8(b, m + 11)
            continue
        elif y == itch_format.BROKEN:
            per[locate, P_BROKEN] += 1
            continue
        else:
            continue
        if sides[2 * locate, S_N] > 0 and sides[2 * locate + 1, S_N] > 0:
            bid = sides[2 * locate, S_BEST] & U32
            ask = sides[2 * locate + 1, S_BEST] & U32
            if bid >= ask:
                off = 2 if per[locate, P_STATUS] > 1 else 0
                per[locate, (P_CROSSED if bid > ask else P_LOCKED) + off] += 1


@kernel
def change_order(
    b: Bytes, m: int, y: int, locate: int, w: Longs, table: Longs, orders: Packed, books: Books
) -> None:
    """Apply an execution, cancel, delete or replace (type `y`, message at `m`) to its order; an unknown one is counted."""
    sides = books.sides
    levels = books.levels
    per = books.per
    entry = place_of(table, be8(b, m + 11))
    slot = table[entry, 1]
    if slot < 0 or orders[slot, itch_state.O_PLACE] >> 1 != locate:
        count_oddity(w, itch_state.UNKNOWN_REF)
        return
    left = orders[slot, itch_state.O_SHARES]
    place = orders[slot, itch_state.O_PLACE]
    if y == itch_format.DELETED or y == itch_format.REPLACED:
        per[locate, P_WITHDRAWN] += left
        unlink(w, orders, books, slot, left)
        forget(table, entry)
        release(w, orders, slot)
        if y == itch_format.REPLACED:
            enter_order(
                w, table, orders, books, be8(b, m + 19), place, be4(b, m + 27), be4(b, m + 31)
            )
        return
    taken = be4(b, m + 19)
    if taken == 0:
        count_oddity(w, itch_state.NO_SHARES)
        return
    if taken > left:
        count_oddity(w, itch_state.BEYOND_LEFT)
        taken = left
    price = orders[slot, itch_state.O_PRICE] & U32
    if y == itch_format.CANCELLED:
        per[locate, P_WITHDRAWN] += taken
    else:
        per[locate, P_EXECUTED] += taken
        if y == itch_format.EXECUTED and price != 0:
            per[locate, P_OFF_BEST] += (sides[place, S_BEST] & U32) != price
            per[locate, P_OFF_HEAD] += orders[slot, itch_state.O_PREV] >= 0
    if taken == left:
        unlink(w, orders, books, slot, left)
        forget(table, entry)
        release(w, orders, slot)
        return
    orders[slot, itch_state.O_SHARES] = left - taken
    if price != 0:
        levels[orders[slot, itch_state.O_LEVEL], L_SHARES] -= taken
