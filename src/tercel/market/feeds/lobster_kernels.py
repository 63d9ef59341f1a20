"""The compiled half of the LOBSTER importer: messages to tape columns, and what a level-limited file forgets.

A file of L levels is cut from a full book. An order that leaves its window is never deleted in it, and a level that
comes back has no message. So after each message the levels of the book row are compared with those of the row before
plus the message: what is gone rolls out, what is new rolls in.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Floats, Longs, Packed, kernel
from tercel.market.tape.schema import (
    ADD,
    CROSS,
    DELETE,
    EXECUTE,
    MESSAGE_END,
    OFF_TICK,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE_HIDDEN,
)

Signs = NDArray[np.int8]

EMPTY_ASK: Final = 9_999_999_999
EMPTY_BID: Final = -9_999_999_999
"""Prices of levels that do not exist."""
HALT_TYPE: Final = 7
LAST_SECOND: Final = 86_400.0
MOST: Final = 2**30
"""Prices in ticks and quantities in lots stay below this."""

# What can be wrong with a row; the texts are in lobster_errors.
BAD_TYPE: Final = 1
BAD_DIRECTION: Final = 2
BAD_SIZE: Final = 3
BAD_PRICE: Final = 4
BAD_TIME: Final = 5
TIME_BACK: Final = 6
BAD_STATUS: Final = 7
FINE_TICK: Final = 8
BOOK_CROSSED: Final = 9
BOOK_PRICE: Final = 10
BOOK_SIZE: Final = 11
BOOK_ORDER: Final = 12
BOOK_EMPTY: Final = 13

# Slots of the report of `roll_rows`.
CODE: Final = 0
ROW: Final = 1
LEVEL: Final = 2
ILLEGAL: Final = 3
FIRST_ILLEGAL: Final = 4
OFF: Final = 5
HALTED: Final = 6
REPORT: Final = 8


@kernel
def translate(
    time: Floats,
    types: Longs,
    size: Longs,
    price: Longs,
    direction: Longs,
    midnight_ns: int,
    unit: int,
    exch_ns: Longs,
    kind: Bytes,
    side: Signs,
    ticks: Packed,
    lots: Packed,
    flags: Bytes,
    bad: Longs,
) -> None:
    """Messages to tape columns; stops at the first row that makes no sense (`bad` = code, row)."""
    last = -1.0
    for i in range(time.shape[0]):
        t, y = time[i], types[i]
        code = _check(last, t, y, size[i], price[i], direction[i])
        last = t
        exch_ns[i] = midnight_ns + round(t * 1e9) if code != BAD_TIME else 0
        kind[i] = ADD if y == 1 else REDUCE if y == 2 else DELETE if y == 3 else EXECUTE
        flags[i] = MESSAGE_END
        side[i] = 0
        lots[i] = size[i]
        if y == HALT_TYPE:
            kind[i] = STATUS
            ticks[i] = price[i]
            lots[i] = 0
        else:
            s = direction[i]
            at = price[i] // unit
            if at * unit != price[i]:
                flags[i] |= OFF_TICK
                at += 1 if s < 0 else 0
            if code == 0 and at >= MOST:
                code = FINE_TICK
            ticks[i] = max(at, 1) if y != 6 else at  # a bid below one tick stands on the first
            side[i] = s if y != 6 else 0
            kind[i] = TRADE_HIDDEN if y == 5 else CROSS if y == 6 else kind[i]
        if code != 0:
            bad[0] = code
            bad[1] = i
            return


@kernel
def _check(last: float, t: float, y: int, size: int, price: int, direction: int) -> int:
    if not (0.0 <= t <= LAST_SECOND):  # NaN fails too
        return BAD_TIME
    if t < last:
        return TIME_BACK
    if y < 1 or y > HALT_TYPE:
        return BAD_TYPE
    if y == HALT_TYPE:
        return 0 if -1 <= price <= 1 else BAD_STATUS
    if direction != 1 and direction != -1:
        return BAD_DIRECTION
    cross = y == 6
    if size < (0 if cross else 1) or size >= MOST:
        return BAD_SIZE
    if price < (0 if cross else 1):
        return BAD_PRICE
    return 0


@kernel
def read_levels(
    book: Longs, row: int, side: int, unit: int, prices: Packed, lots: Packed, off: Packed, report: Longs
) -> int:
    """The levels of one side of a book row, best first, in ticks; levels that fall on one tick are merged.

    Returns their number, or -1 with code, row and level in `report`.
    """
    n = 0
    before = 0
    ended = False
    for k in range(book.shape[0] // 4):
        column = 4 * k + (2 if side > 0 else 0)
        price = book[column, row]
        size = book[column + 1, row]
        code = 0
        if price == (EMPTY_BID if side > 0 else EMPTY_ASK):
            ended = True
            code = BOOK_SIZE if size != 0 else 0
        elif price <= 0:
            code = BOOK_PRICE
        elif size <= 0 or size >= MOST:
            code = BOOK_SIZE
        elif ended:
            code = BOOK_EMPTY
        elif k > 0 and (price - before) * side >= 0:
            code = BOOK_ORDER
        at = price // unit
        rounded = price != at * unit
        at += 1 if rounded and side < 0 else 0
        at = max(at, 1)
        if code == 0 and not ended and at >= MOST:
            code = FINE_TICK
        if code != 0:
            report[CODE] = code
            report[ROW] = row
            report[LEVEL] = k
            return -1
        if ended:
            continue
        before = price
        report[OFF] += rounded
        if n > 0 and prices[n - 1] == at:
            lots[n - 1] += size
            off[n - 1] |= rounded
        else:
            prices[n] = at
            lots[n] = size
            off[n] = rounded
            n += 1
    return n


@kernel
def apply_message(prices: Packed, lots: Packed, off: Packed, n: int, side: int, kind: int, price: int, qty: int) -> int:
    """One message on a side's levels, in place; returns their new number."""
    k = 0
    while k < n and (prices[k] - price) * side > 0:
        k += 1
    here = k < n and prices[k] == price
    if kind == ADD:
        if here:
            lots[k] += qty
            return n
        for j in range(n, k, -1):
            prices[j], lots[j], off[j] = prices[j - 1], lots[j - 1], off[j - 1]
        prices[k], lots[k], off[k] = price, qty, 0
        return n + 1
    if not here:
        return n
    if lots[k] > qty:
        lots[k] -= qty
        return n
    for j in range(k, n - 1):
        prices[j], lots[j], off[j] = prices[j + 1], lots[j + 1], off[j + 1]
    return n - 1


@kernel
def _roll_side(
    rolling_in: bool,
    side: int,
    levels: int,
    removed: int,
    kept: Packed,
    kept_lots: Packed,
    n_kept: int,
    now: Packed,
    now_lots: Packed,
    now_off: Packed,
    n_now: int,
    at: int,
    kind: Bytes,
    sides: Signs,
    ticks: Packed,
    lots: Packed,
    flags: Bytes,
    report: Longs,
) -> int:
    """Write the ROLL_OUT or the ROLL_IN rows of one side from position `at`; returns the next position."""
    a = b = 0
    while a < n_kept or b < n_now:
        ahead = (kept[a] - now[b]) * side if a < n_kept and b < n_now else 1 if a < n_kept else -1
        if ahead == 0 and kept_lots[a] == now_lots[b]:
            a += 1
            b += 1
            continue
        if ahead >= 0 and not rolling_in:
            kind[at], sides[at], ticks[at], lots[at], flags[at] = ROLL_OUT, side, kept[a], kept_lots[a], 0
            at += 1
            report[ILLEGAL] += a < levels
        if ahead <= 0 and rolling_in:
            kind[at], sides[at], ticks[at], lots[at] = ROLL_IN, side, now[b], now_lots[b]
            flags[at] = OFF_TICK if now_off[b] else 0
            at += 1
            worse_than_removed = removed == 0 or (removed - now[b]) * side > 0
            report[ILLEGAL] += not (a == n_kept and n_kept < levels and worse_than_removed)
        a += ahead >= 0
        b += ahead <= 0
    return at


@kernel
def same_levels(a: Packed, a_lots: Packed, n_a: int, b: Packed, b_lots: Packed, n_b: int) -> bool:
    """Whether two sides hold the same lots at the same prices."""
    if n_a != n_b:
        return False
    different = 0
    for k in range(n_a):
        different += (a[k] != b[k]) | (a_lots[k] != b_lots[k])
    return different == 0


@kernel
def _same_row(book: Longs, row: int, half: int) -> bool:
    """Whether one side (0 bids, 1 asks) of the file's row is that of the row before, number for number."""
    for k in range(2 - 2 * half, book.shape[0], 4):
        if book[k, row] != book[k, row - 1] or book[k + 1, row] != book[k + 1, row - 1]:
            return False
    return True


@kernel
def roll_rows(
    book: Longs,
    unit: int,
    start: int,
    at: int,
    state: Packed,
    count: Longs,
    in_ns: Longs,
    in_kind: Bytes,
    in_id: Longs,
    in_side: Signs,
    in_ticks: Packed,
    in_lots: Packed,
    in_flags: Bytes,
    exch_ns: Longs,
    seq: Longs,
    kind: Bytes,
    order_id: Longs,
    side: Signs,
    ticks: Packed,
    lots: Packed,
    flags: Bytes,
    report: Longs,
) -> tuple[int, int]:
    """Messages from `start` on, with their rolls, into the output columns from `at`.

    `state` int32[2 sides, 2 (row before, this row), 3 (price, lots, off tick), levels + 3] and the first two of
    `count` int64[8] hold the levels after the last row, bids first; the rest is scratch. Stops early where the output
    is full or a row is bad. Returns the next message and the next position.
    """
    levels = book.shape[0] // 4
    n = in_ns.shape[0]
    room = exch_ns.shape[0] - 4 * levels - 8
    now_count = count[2:4]
    differs = count[4:6]
    rolls = count[6:8]
    for i in range(start, n):
        if at >= room:
            return i, at
        first = at
        kind[at], side[at], ticks[at], lots[at] = in_kind[i], in_side[i], in_ticks[i], in_lots[i]
        flags[at] = in_flags[i] & OFF_TICK
        at += 1
        if in_kind[i] == STATUS:
            report[HALTED] = in_ticks[i] != 1
        removed = 0
        illegal = report[ILLEGAL]
        own = -1 if in_kind[i] > EXECUTE else 0 if in_side[i] > 0 else 1
        for h in range(2):
            differs[h] = i == 0 or h == own or not _same_row(book, i, h)
            if differs[h]:
                q = state[h, 1]
                now_count[h] = read_levels(book, i, 1 - 2 * h, unit, q[0], q[1], q[2], report)
                if now_count[h] < 0:
                    return i, at
        crossed = now_count[0] > 0 and now_count[1] > 0 and book[0, i] <= book[2, i]
        if crossed and report[HALTED] == 0:
            report[CODE] = BOOK_CROSSED
            report[ROW] = i
            return i, at
        if own >= 0:
            p = state[own, 0]
            before = count[own]
            count[own] = apply_message(p[0], p[1], p[2], before, in_side[i], in_kind[i], in_ticks[i], in_lots[i])
            if count[own] < before:
                removed = in_ticks[i]
        for h in range(2):
            p, q = state[h, 0], state[h, 1]
            rolls[h] = differs[h] and not same_levels(p[0], p[1], count[h], q[0], q[1], now_count[h])
        for rolling_in in range(2):
            for h in range(2):
                if not rolls[h]:
                    continue
                p, q = state[h, 0], state[h, 1]
                gone = removed if h == own else 0
                at = _roll_side(
                    rolling_in == 1, 1 - 2 * h, levels, gone, p[0], p[1], count[h], q[0], q[1], q[2], now_count[h],
                    at, kind, side, ticks, lots, flags, report,
                )  # fmt: skip
        exch_ns[first:at] = in_ns[i]
        seq[first:at] = i + 1
        order_id[first] = in_id[i]
        order_id[first + 1 : at] = 0
        flags[at - 1] |= MESSAGE_END
        if report[ILLEGAL] > illegal:  # rows are counted, not levels
            report[ILLEGAL] = illegal + 1
            if illegal == 0:
                report[FIRST_ILLEGAL] = i
        for h in range(2):
            if differs[h]:
                count[h] = now_count[h]
                for k in range(now_count[h]):
                    for part in range(3):
                        state[h, 0, part, k] = state[h, 1, part, k]
    return n, at
