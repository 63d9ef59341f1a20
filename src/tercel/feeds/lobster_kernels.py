"""Kernels of the LOBSTER importer: levels that leave and enter a level-limited orderbook file, as roll rows.

A file of L levels is cut from a full book. An order that leaves its window is never deleted in it, and a level that
comes back has no message. So after each message the levels of the book row are compared with those of the row before
plus the message: missing levels roll out, new ones roll in.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.tape_rows import append_level, end_message, put_row
from tercel.market.tape import schema

EMPTY_ASK: Final = 9_999_999_999
EMPTY_BID: Final = -9_999_999_999
"""Prices of levels that do not exist."""
HALT_TYPE: Final = 7
LAST_SECOND: Final = 86_400.0
BAD_TYPE, BAD_DIRECTION, BAD_SIZE, BAD_PRICE, BAD_TIME, TIME_BACK, BAD_STATUS, FINE_TICK = range(
    1, 9
)
BOOK_CROSSED, BOOK_PRICE, BOOK_SIZE, BOOK_ORDER, BOOK_EMPTY = range(9, 14)
"""Codes of a row's faults; the texts are in `lobster_day`."""
CODE, ROW, LEVEL, ILLEGAL, FIRST_ILLEGAL, OFF, HALTED, REPORT = range(8)
"""Slots of the report of `roll_rows`, and its length."""
NS, RECEIVED, SEQ, KIND, ID, SIDE, TICKS, LOTS, FLAGS = range(9)
"""Columns of a tape, as `schema.COLUMNS` has them."""


@kernel
def read_levels(
    book: Longs,
    row: int,
    side: int,
    unit: int,
    shown: Packed,
    report: Longs,
) -> int:
    """Read one side of an orderbook row into `shown` int32[3 (ticks, lots, 1 where a price was rounded to a tick), levels], best
    first, levels on one tick merged; their number, or -1 for a wrong level, with the fault in `report`.

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
        elif size <= 0 or size >= MOST_LOTS:
            code = BOOK_SIZE
        elif ended:
            code = BOOK_EMPTY
        elif k > 0 and (price - before) * side >= 0:
            code = BOOK_ORDER
        ticks = price // unit
        rounded = price != ticks * unit
        ticks += 1 if rounded and side < 0 else 0
        ticks = max(ticks, 1)
        if code == 0 and not ended and ticks >= MOST_LOTS:
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
        former = n
        n = append_level(shown, n, ticks, size)
        shown[2, n - 1] = rounded or (n == former and shown[2, n - 1])
    return n


@kernel
def apply_message(
    shown: Packed,
    n: int,
    side: int,
    kind: int,
    price: int,
    qty: int,
) -> int:
    """Apply one row of the tape to a side's levels, as `read_levels` gives them, in place: ADD adds lots, any other kind takes
    them; number of levels."""
    prices, lots, off_tick = shown
    k = 0
    while k < n and (prices[k] - price) * side > 0:
        k += 1
    is_present = k < n and prices[k] == price
    if kind == schema.ADD:
        if is_present:
            lots[k] += qty
            return n
        for j in range(n, k, -1):
            prices[j], lots[j], off_tick[j] = prices[j - 1], lots[j - 1], off_tick[j - 1]
        prices[k] = price
        lots[k] = qty
        off_tick[k] = 0
        return n + 1
    if not is_present:
        return n
    if lots[k] > qty:
        lots[k] -= qty
        return n
    for j in range(k, n - 1):
        prices[j], lots[j], off_tick[j] = prices[j + 1], lots[j + 1], off_tick[j + 1]
    return n - 1


@kernel
def _roll_side(
    rolling_in: bool,
    side: int,
    levels: int,
    removed: int,
    before: Packed,
    n_before: int,
    now: Packed,
    n_now: int,
    rows: Longs,
    row: int,
    report: Longs,
) -> int:
    """Write the ROLL_OUT rows, or with `rolling_in` the ROLL_IN rows, from `before` to `now` of one side; the next position."""
    a = b = 0
    while a < n_before or b < n_now:
        ahead = (
            (before[0, a] - now[0, b]) * side
            if a < n_before and b < n_now
            else 1
            if a < n_before
            else -1
        )
        if ahead == 0 and before[1, a] == now[1, b]:
            a += 1
            b += 1
            continue
        if ahead >= 0 and not rolling_in:
            row = put_row(rows, row, schema.ROLL_OUT, 0, side, before[0, a], before[1, a], 0)
            report[ILLEGAL] += a < levels
        if ahead <= 0 and rolling_in:
            worse_than_removed = removed == 0 or (removed - now[0, b]) * side > 0
            report[ILLEGAL] += not (a == n_before and n_before < levels and worse_than_removed)
            row = put_row(
                rows,
                row,
                schema.ROLL_IN,
                0,
                side,
                now[0, b],
                now[1, b],
                schema.OFF_TICK if now[2, b] else 0,
            )
        a += ahead >= 0
        b += ahead <= 0
    return row


@kernel
def same_levels(a: Packed, n_a: int, b: Packed, n_b: int) -> bool:
    """Whether two sides hold the same lots at the same prices."""
    if n_a != n_b:
        return False
    different = 0
    for k in range(n_a):
        different += (a[0, k] != b[0, k]) | (a[1, k] != b[1, k])
    return different == 0


@kernel
def _same_row(book: Longs, row: int, half: int) -> bool:
    """Whether one side (0 bids, 1 asks) of an orderbook row equals that of the row before."""
    for k in range(2 - 2 * half, book.shape[0], 4):
        if book[k, row] != book[k, row - 1] or book[k + 1, row] != book[k + 1, row - 1]:
            return False
    return True


@kernel
def roll_rows(
    book: Longs,
    unit: int,
    start: int,
    row: int,
    state: Packed,
    count: Longs,
    messages: Longs,
    rows: Longs,
    report: Longs,
) -> tuple[int, int]:
    """Write messages from `start` on with their ROLL rows, as rows of a tape, until `rows` is full or a row at fault (`report`
    says); returns next message and row.

    `messages` and `rows` are int64[n, 9], the columns of a tape.

    `state` int32[2 sides, 2 (row before, this row), 3 (price, lots, off tick), levels + 3] and the first two of
    `count` int64[8] hold the levels after the last row, bids first; the rest is scratch. Stops early where the output
    is full or a row is bad. Returns the next message and the next position.
    """
    levels = book.shape[0] // 4
    n = messages.shape[0]
    room = rows.shape[0] - 4 * levels - 8
    now_count = count[2:4]
    differs = count[4:6]
    rolls = count[6:8]
    for i in range(start, n):
        if row >= room:
            return i, row
        first = row
        kind = messages[i, KIND]
        side = messages[i, SIDE]
        ticks = messages[i, TICKS]
        row = put_row(
            rows,
            row,
            kind,
            messages[i, ID],
            side,
            ticks,
            messages[i, LOTS],
            messages[i, FLAGS] & schema.OFF_TICK,
        )
        if kind == schema.STATUS:
            report[HALTED] = ticks != 1
        removed = 0
        illegal = report[ILLEGAL]
        message_half = -1 if kind > schema.EXECUTE else 0 if side > 0 else 1
        for h in range(2):
            differs[h] = i == 0 or h == message_half or not _same_row(book, i, h)
            if differs[h]:
                now_count[h] = read_levels(book, i, 1 - 2 * h, unit, state[h, 1], report)
                if now_count[h] < 0:
                    return i, row
        crossed = now_count[0] > 0 and now_count[1] > 0 and book[0, i] <= book[2, i]
        if crossed and report[HALTED] == 0:
            report[CODE] = BOOK_CROSSED
            report[ROW] = i
            return i, row
        if message_half >= 0:
            before = count[message_half]
            count[message_half] = apply_message(
                state[message_half, 0], before, side, kind, ticks, messages[i, LOTS]
            )
            if count[message_half] < before:
                removed = ticks
        for h in range(2):
            rolls[h] = differs[h] and not same_levels(
                state[h, 0], count[h], state[h, 1], now_count[h]
            )
        for rolling_in in range(2):
            for h in range(2):
                if not rolls[h]:
                    continue
                gone = removed if h == message_half else 0
                row = _roll_side(
                    rolling_in == 1,
                    1 - 2 * h,
                    levels,
                    gone,
                    state[h, 0],
                    count[h],
                    state[h, 1],
                    now_count[h],
                    rows,
                    row,
                    report,
                )
        end_message(rows, first, row, messages[i, NS], i + 1)
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
    return n, row
