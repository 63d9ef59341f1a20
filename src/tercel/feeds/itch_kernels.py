"""Kernels of the ITCH importer: messages of a chunk to staged rows of all wanted symbols, in file order.

A message is two bytes of length and its fields, big-endian; an order added (type A, 36 bytes)::

    0024 41 0d18 0002 15d3f2a4b7c1 000000000001e240 42 00000064 4141504c20202020 000f4240
    size A  stock track ns of day  order reference  B  shares   "AAPL    "       100.0000 dollars

A staged row has the price in dollars x 10,000: the tick of a symbol is known when its day is complete.
"""

# mypy: disable-error-code="arg-type, return-value"
import numpy as np

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.itch_format import (
    ACTION,
    ADDED,
    ATTRIBUTED,
    BROKEN,
    CANCELLED,
    CROSSED,
    DELETED,
    EXECUTED,
    EXECUTED_AT,
    OPERATIONAL,
    PRINT,
    REPLACED,
)
from tercel.feeds.itch_messages import be2, be4, be8, check_message, count_oddity, look_ahead
from tercel.feeds.itch_state import (
    AWAY,
    BEYOND_LEFT,
    CUT_SHARES,
    DUPLICATE_REF,
    FAR,
    LIVE,
    NEED_ORDERS,
    NEED_ROWS,
    NO_PRICE,
    NO_SHARES,
    NOW_NS,
    O_PLACE,
    O_PRICE,
    O_SHARES,
    ODD_FIELD,
    R_ID,
    R_LOTS_PRICE,
    R_META,
    R_NS,
    ROW,
    STOP,
    UNKNOWN_REF,
    UNPRINTED,
)
from tercel.feeds.itch_store import U32, allocate, forget, place_of, release
from tercel.market.tape import schema

SIDE_KNOWN = 128
"""Flag of a staged print whose side the feed does not mask."""


@kernel
def put(
    rows: Longs,
    row: int,
    ns: int,
    key: int,
    price: int,
    lots: int,
    locate: int,
    kind: int,
    side: int,
    flags: int,
) -> int:
    """Write one staged row; returns the place of the next."""
    rows[row, R_NS] = ns
    rows[row, R_ID] = key
    rows[row, R_LOTS_PRICE] = lots << 32 | (price & U32)
    rows[row, R_META] = locate << 32 | kind << 16 | (side + 1) << 8 | flags
    return row + 1


@kernel
def decode(
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
    rows: Longs,
    broken_trades: Longs,
) -> tuple[int, int]:
    """Decode whole messages of `b[start:stop]` into staged `rows`, counting broken trades by locate; returns where it stopped
    (why: `w[STOP]`) and the number of rows.
    """
    i = start
    row = 0
    room = rows.shape[0] - 2
    far = table.shape[0] >= FAR
    ahead = 0
    while True:
        if far and ahead <= 0:
            ahead = look_ahead(b, i, stop, w, table, orders)
        ahead -= 1
        if row >= room:
            w[STOP] = NEED_ROWS
            return i, row
        if w[LIVE] + 1 >= orders.shape[0]:
            w[STOP] = NEED_ORDERS
            return i, row
        n = check_message(b, i, stop, w, lengths, names, picks, wanted)
        if n == 0:
            return i, row
        m = i + 2
        i = m + n
        y = np.int64(b[m])
        locate = be2(b, m + 1)
        if lengths[y] == 0 or wanted[locate] != 1:
            continue
        if y == ADDED or y == ATTRIBUTED:
            ref = be8(b, m + 11)
            shares = be4(b, m + 20)
            price = be4(b, m + 32)
            row = _add(w, table, orders, rows, row, ref, locate, b[m + 19], shares, price)
        elif y == EXECUTED or y == EXECUTED_AT or y == CANCELLED or y == DELETED or y == REPLACED:
            row = _change(b, m, y, locate, w, table, orders, rows, row)
        elif y == PRINT:
            side = 1 if b[m + 19] == 66 else -1
            row = _write_print(w, rows, row, 0, be4(b, m + 32), be4(b, m + 20), locate, side)
        elif y == CROSSED:
            kind = b[m + 39]
            # opening, close, halt or IPO, intraday, as LOBSTER has them
            key = -1 if kind == 79 else -2 if kind == 67 else -3 if kind == 72 else -4
            shares = be8(b, m + 11)
            if shares < 0 or shares >= MOST_LOTS:
                count_oddity(w, CUT_SHARES)
                shares = MOST_LOTS - 1
            row = put(
                rows,
                row,
                w[NOW_NS],
                key,
                be4(b, m + 27),
                shares,
                locate,
                schema.CROSS,
                0,
                schema.MESSAGE_END,
            )
        elif y == ACTION:
            state = b[m + 19]
            status = 1 if state == 84 else 0 if state == 81 else -1
            if status < 0 and state != 72 and state != 80:
                count_oddity(w, ODD_FIELD)
            row = put(
                rows, row, w[NOW_NS], 0, status, 0, locate, schema.STATUS, 0, schema.MESSAGE_END
            )
        elif y == OPERATIONAL and b[m + 19] == 81:  # of this market
            status = 1 if b[m + 20] == 84 else -1
            row = put(
                rows, row, w[NOW_NS], 0, status, 0, locate, schema.STATUS, 0, schema.MESSAGE_END
            )
        elif y == BROKEN:
            broken_trades[locate] += 1


@kernel
def _add(
    w: Longs,
    table: Longs,
    orders: Packed,
    rows: Longs,
    row: int,
    ref: int,
    locate: int,
    letter: int,
    shares: int,
    price: int,
) -> int:
    """Decode an added order: store it and write its ADD row; returns the next row, `row` itself if it was odd.

    An order without shares or price makes no row (the latter is remembered, to be recognised).
    """
    if letter != 66 and letter != 83:
        count_oddity(w, ODD_FIELD)
        return row
    side = 1 if letter == 66 else -1
    if not _store_order(w, table, orders, ref, locate, side, shares, price):
        return row
    return put(
        rows, row, w[NOW_NS], ref, price, shares, locate, schema.ADD, side, schema.MESSAGE_END
    )


@kernel
def _store_order(
    w: Longs,
    table: Longs,
    orders: Packed,
    ref: int,
    locate: int,
    side: int,
    shares: int,
    price: int,
) -> bool:
    """Store an order by its reference; whether it gets a row on the tape: not without a price, shares or with too many shares."""
    if shares == 0 or shares >= MOST_LOTS:
        count_oddity(w, NO_SHARES if shares == 0 else CUT_SHARES)
        return False
    entry = place_of(table, ref)
    if table[entry, 1] >= 0:
        count_oddity(w, DUPLICATE_REF)
        slot = table[entry, 1]
    else:
        slot = allocate(w, orders)
        table[entry, 0], table[entry, 1] = ref, slot
    orders[slot, O_PRICE], orders[slot, O_SHARES] = price, shares
    orders[slot, O_PLACE] = locate * 2 + (side < 0)
    if price == 0:
        count_oddity(w, NO_PRICE)
    return price != 0


@kernel
def _write_print(
    w: Longs, rows: Longs, row: int, flags: int, price: int, shares: int, locate: int, side: int
) -> int:
    """Write a TRADE_HIDDEN row for a print; returns the next row, `row` itself if price or shares are odd."""
    if shares == 0 or shares >= MOST_LOTS or price == 0:
        count_oddity(w, NO_PRICE if price == 0 else NO_SHARES if shares == 0 else CUT_SHARES)
        return row
    return put(
        rows,
        row,
        w[NOW_NS],
        0,
        price,
        shares,
        locate,
        schema.TRADE_HIDDEN,
        side,
        flags | schema.MESSAGE_END,
    )


@kernel
def _change(
    b: Bytes,
    m: int,
    y: int,
    locate: int,
    w: Longs,
    table: Longs,
    orders: Packed,
    rows: Longs,
    row: int,
) -> int:
    """Decode an execution, cancel, delete or replace of an order into rows; returns the next row; an unknown order makes none."""
    ref = be8(b, m + 11)
    ns = w[NOW_NS]
    entry = place_of(table, ref)
    slot = table[entry, 1]
    if slot < 0 or orders[slot, O_PLACE] >> 1 != locate:
        count_oddity(w, UNKNOWN_REF)
        return row
    price = orders[slot, O_PRICE] & U32
    left = orders[slot, O_SHARES]
    side = 1 - 2 * (orders[slot, O_PLACE] & 1)
    if y == DELETED or y == REPLACED:
        forget(table, entry)
        release(w, orders, slot)
        first = row
        if price != 0:
            row = put(
                rows, row, ns, ref, price, left, locate, schema.DELETE, side, schema.MESSAGE_END
            )
        if y == REPLACED:
            new = be8(b, m + 19)
            shares = be4(b, m + 27)
            price = be4(b, m + 31)
            if _store_order(w, table, orders, new, locate, side, shares, price):
                row = put(
                    rows, row, ns, new, price, shares, locate, schema.ADD, side, schema.MESSAGE_END
                )
        if row == first + 2:
            rows[first, R_META] &= ~schema.MESSAGE_END
        return row
    taken = be4(b, m + 19)
    if taken == 0:
        count_oddity(w, NO_SHARES)
        return row
    if taken > left:
        count_oddity(w, BEYOND_LEFT)
        taken = left
    if taken == left:
        forget(table, entry)
        release(w, orders, slot)
    else:
        orders[slot, O_SHARES] = left - taken
    if price == 0:
        return row
    if y == EXECUTED_AT:
        printed = b[m + 31] == 89
        paid = be4(b, m + 32)
        if not printed:
            w[UNPRINTED] += 1
            return put(
                rows, row, ns, ref, price, taken, locate, schema.REDUCE, side, schema.MESSAGE_END
            )
        if paid != price and paid != 0:
            w[AWAY] += 1
            row = put(rows, row, ns, ref, price, taken, locate, schema.REDUCE, side, 0)
            return _write_print(w, rows, row, SIDE_KNOWN, paid, taken, locate, side)
    kind = schema.REDUCE if y == CANCELLED else schema.EXECUTE
    return put(rows, row, ns, ref, price, taken, locate, kind, side, schema.MESSAGE_END)


@kernel
def gather(rows: Longs, spots: Longs, ordered: Longs) -> None:
    """Copy staged rows into `ordered`, sorted by locate; `spots` int64[65536], the next place of each locate, moves on."""
    for i in range(rows.shape[0]):
        locate = rows[i, R_META] >> 32
        k = spots[locate]
        spots[locate] = k + 1
        for j in range(ROW):
            ordered[k, j] = rows[i, j]


@kernel
def tally(rows: Longs, counts: Longs, active: Longs) -> None:
    """Add the number of staged rows of each locate to `counts`, and of those other than a trading status to `active`."""
    for i in range(rows.shape[0]):
        locate = rows[i, R_META] >> 32
        counts[locate] += 1
        active[locate] += ((rows[i, R_META] >> 16) & 255) != schema.STATUS
