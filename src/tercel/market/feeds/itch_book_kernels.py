"""The books of all symbols at once, straight from the bytes of an ITCH file.

Every order has a record and a place in the queue of its level; the levels of a symbol and side lie in one stretch of a
shared pool, sorted, the best last: nearly all that happens is near the end. A stretch that is full moves to the end of
the pool with twice the room.
"""

# mypy: disable-error-code="return-value, arg-type"
import numpy as np

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.market.feeds import itch_format as f
from tercel.market.feeds.itch_store import U32, allocate, be2, be4, be8, begin, forget, odd, place_of, release

# A stretch of levels, int32[2 * 65536, 4], at locate * 2 (bids) and locate * 2 + 1 (asks).
S_BASE = 0
S_N = 1
S_CAP = 2
FIRST_LEVELS = 8

# A level, int32[pool, 4].
L_PRICE = 0
L_SHARES = 1
L_HEAD = 2
L_TAIL = 3

# Sums of a symbol, int64[65536, 16].
P_ADDED = 0
"""Shares added; executed; cancelled, deleted or replaced."""
P_EXECUTED = 1
P_WITHDRAWN = 2
P_MESSAGES = 3
P_CROSSED = 4
"""Messages after which the symbol's book is crossed, or locked, while it trades; the same while it does not."""
P_LOCKED = 5
P_CROSSED_OFF = 6
P_LOCKED_OFF = 7
P_OFF_BEST = 8
"""Executions of an order that is not at the best price; that is not the first at its price."""
P_OFF_HEAD = 9
P_STATUS = 10
"""0 not told (taken as trading), 1 trading, 2 quoting only, 3 halted."""
P_HIDDEN = 11
"""Shares printed against hidden orders; in crosses; trades broken."""
P_CROSS = 12
P_BROKEN = 13
PER = 16
LINEAR = 24
"""Levels looked at one by one from the best before the search halves."""
MOST = 1 << 30


@kernel
def level_of(sides: Packed, levels: Packed, place: int, price: int) -> int:
    """Index of the level at a price, or -1 - the index where it would go."""
    base = sides[place, S_BASE]
    sign = 1 - 2 * (place & 1)
    low = base
    i = base + sides[place, S_N] - 1
    stop = max(base, i - LINEAR)
    while i >= stop:
        gap = ((levels[i, L_PRICE] & U32) - price) * sign
        if gap <= 0:
            return i if gap == 0 else -2 - i
        i -= 1
    high = i + 1  # levels from here on are better
    while low < high:
        middle = (low + high) >> 1
        gap = ((levels[middle, L_PRICE] & U32) - price) * sign
        if gap == 0:
            return middle
        if gap < 0:
            low = middle + 1
        else:
            high = middle
    return -1 - low


@kernel
def make_level(w: Longs, sides: Packed, levels: Packed, place: int, at: int, price: int) -> int:
    """A new, empty level at index `at` of its stretch; returns where it is, the stretch having moved perhaps."""
    base, n = sides[place, S_BASE], sides[place, S_N]
    if n == sides[place, S_CAP]:
        room = max(2 * n, FIRST_LEVELS)
        new = w[f.POOL]
        w[f.POOL] += room
        for i in range(n):
            for j in range(4):
                levels[new + i, j] = levels[base + i, j]
        sides[place, S_BASE], sides[place, S_CAP] = new, room
        at += new - base
        base = new
    for i in range(base + n, at, -1):
        for j in range(4):
            levels[i, j] = levels[i - 1, j]
    levels[at, L_PRICE], levels[at, L_SHARES] = price, 0
    levels[at, L_HEAD] = levels[at, L_TAIL] = -1
    sides[place, S_N] = n + 1
    w[f.MOST_LEVELS] = max(w[f.MOST_LEVELS], n + 1)
    return at


@kernel
def drop_level(sides: Packed, levels: Packed, place: int, at: int) -> None:
    """Close the gap of an empty level."""
    last = sides[place, S_BASE] + sides[place, S_N] - 1
    for i in range(at, last):
        for j in range(4):
            levels[i, j] = levels[i + 1, j]
    sides[place, S_N] -= 1


@kernel
def enter(
    w: Longs, table: Longs, orders: Packed, sides: Packed, levels: Packed, per: Longs,
    ref: int, place: int, shares: int, price: int,
) -> None:  # fmt: skip
    """A new order at the end of its queue; one without shares is refused, one without a price only remembered."""
    if shares == 0 or shares >= MOST:
        odd(w, f.NO_SHARES if shares == 0 else f.CUT_SHARES)
        return
    where = place_of(table, ref)
    if table[where, 1] >= 0:
        odd(w, f.DUPLICATE_REF)
        slot = table[where, 1]
        per[orders[slot, f.O_PLACE] >> 1, P_WITHDRAWN] += orders[slot, f.O_SHARES]
        unlink(orders, sides, levels, slot, orders[slot, f.O_SHARES])
    else:
        slot = allocate(w, orders)
        table[where, 0], table[where, 1] = ref, slot
    orders[slot, f.O_PRICE], orders[slot, f.O_SHARES], orders[slot, f.O_PLACE] = price, shares, place
    orders[slot, f.O_NEXT] = -1
    per[place >> 1, P_ADDED] += shares
    if price == 0:
        odd(w, f.NO_PRICE)
        return
    at = level_of(sides, levels, place, price)
    if at < 0:
        at = make_level(w, sides, levels, place, -1 - at, price)
    tail = levels[at, L_TAIL]
    orders[slot, f.O_PREV] = tail
    if tail >= 0:
        orders[tail, f.O_NEXT] = slot
    else:
        levels[at, L_HEAD] = slot
    levels[at, L_TAIL] = slot
    levels[at, L_SHARES] += shares


@kernel
def unlink(orders: Packed, sides: Packed, levels: Packed, slot: int, shares: int) -> None:
    """Take an order with so many shares left out of its queue, and the level with it when it was the last."""
    price, place = orders[slot, f.O_PRICE] & U32, orders[slot, f.O_PLACE]
    if price == 0:
        return
    at = level_of(sides, levels, place, price)
    before, behind = orders[slot, f.O_PREV], orders[slot, f.O_NEXT]
    if before >= 0:
        orders[before, f.O_NEXT] = behind
    else:
        levels[at, L_HEAD] = behind
    if behind >= 0:
        orders[behind, f.O_PREV] = before
    else:
        levels[at, L_TAIL] = before
    levels[at, L_SHARES] -= shares
    if levels[at, L_HEAD] < 0:
        drop_level(sides, levels, place, at)


@kernel
def book(
    b: Bytes, start: int, stop: int, w: Longs, lengths: Longs, names: Longs, picks: Longs, wanted: Bytes,
    table: Longs, orders: Packed, sides: Packed, levels: Packed, per: Longs,
) -> int:  # fmt: skip
    """Apply whole messages of `b[start:stop]`; returns where it stopped, why in `w[STOP]`."""
    i = start
    while True:
        if w[f.LIVE] + 1 >= orders.shape[0]:
            w[f.STOP] = f.NEED_ORDERS
            return i
        if w[f.POOL] + 2 * w[f.MOST_LEVELS] + FIRST_LEVELS > levels.shape[0]:
            w[f.STOP] = f.NEED_LEVELS
            return i
        n = begin(b, i, stop, w, lengths, names, picks, wanted)
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
        if y == f.ADDED or y == f.ATTRIBUTED:
            letter = b[m + 19]
            if letter != 66 and letter != 83:
                odd(w, f.ODD_FIELD)
                continue
            place, ref, shares = 2 * locate + (letter == 83), be8(b, m + 11), be4(b, m + 20)
            enter(w, table, orders, sides, levels, per, ref, place, shares, be4(b, m + 32))
        elif y == f.EXECUTED or y == f.EXECUTED_AT or y == f.CANCELLED or y == f.DELETED or y == f.REPLACED:
            change(b, m, y, locate, w, table, orders, sides, levels, per)
        elif y == f.ACTION:
            state = b[m + 19]
            per[locate, P_STATUS] = 1 if state == 84 else 2 if state == 81 else 3
            if state != 84 and state != 81 and state != 72 and state != 80:
                odd(w, f.ODD_FIELD)
            continue
        elif y == f.PRINT:
            per[locate, P_HIDDEN] += be4(b, m + 20)
            continue
        elif y == f.CROSSED:
            per[locate, P_CROSS] += be8(b, m + 11)
            continue
        elif y == f.BROKEN:
            per[locate, P_BROKEN] += 1
            continue
        else:
            continue
        bids, asks = sides[2 * locate, S_N], sides[2 * locate + 1, S_N]
        if bids > 0 and asks > 0:
            bid = levels[sides[2 * locate, S_BASE] + bids - 1, L_PRICE] & U32
            ask = levels[sides[2 * locate + 1, S_BASE] + asks - 1, L_PRICE] & U32
            if bid >= ask:
                off = 2 if per[locate, P_STATUS] > 1 else 0
                per[locate, (P_CROSSED if bid > ask else P_LOCKED) + off] += 1


@kernel
def change(
    b: Bytes, m: int, y: int, locate: int, w: Longs, table: Longs, orders: Packed, sides: Packed, levels: Packed,
    per: Longs,
) -> None:  # fmt: skip
    """What happens to an order that is in a book."""
    where = place_of(table, be8(b, m + 11))
    slot = table[where, 1]
    if slot < 0 or orders[slot, f.O_PLACE] >> 1 != locate:
        odd(w, f.UNKNOWN_REF)
        return
    left, place = orders[slot, f.O_SHARES], orders[slot, f.O_PLACE]
    if y == f.DELETED or y == f.REPLACED:
        per[locate, P_WITHDRAWN] += left
        unlink(orders, sides, levels, slot, left)
        forget(table, where)
        release(w, orders, slot)
        if y == f.REPLACED:
            enter(w, table, orders, sides, levels, per, be8(b, m + 19), place, be4(b, m + 27), be4(b, m + 31))
        return
    taken = be4(b, m + 19)
    if taken == 0:
        odd(w, f.NO_SHARES)
        return
    if taken > left:
        odd(w, f.BEYOND_LEFT)
        taken = left
    price = orders[slot, f.O_PRICE] & U32
    if y == f.CANCELLED:
        per[locate, P_WITHDRAWN] += taken
    else:
        per[locate, P_EXECUTED] += taken
        if y == f.EXECUTED and price != 0:
            at = sides[place, S_BASE] + sides[place, S_N] - 1
            per[locate, P_OFF_BEST] += (levels[at, L_PRICE] & U32) != price
            per[locate, P_OFF_HEAD] += orders[slot, f.O_PREV] >= 0
    if taken == left:
        unlink(orders, sides, levels, slot, left)
        forget(table, where)
        release(w, orders, slot)
        return
    orders[slot, f.O_SHARES] = left - taken
    if price != 0:
        levels[level_of(sides, levels, place, price), L_SHARES] -= taken


@kernel
def walk(orders: Packed, levels: Packed, at: int, slots: Longs) -> int:
    """The slots of a level's queue, first first, as many as fit; returns how many."""
    n = 0
    slot = levels[at, L_HEAD]
    while slot >= 0 and n < slots.shape[0]:
        slots[n] = slot
        n += 1
        slot = orders[slot, f.O_NEXT]
    return n
