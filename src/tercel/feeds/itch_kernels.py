"""The compiled half of the ITCH importer: bytes of a chunk to staged rows of all wanted symbols, in file order.

A row keeps the price in dollars x 10,000: which tick a symbol has is known when its day is complete.
"""

# mypy: disable-error-code="return-value, arg-type"
import numpy as np

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.feeds import itch_store as f
from tercel.feeds.itch_store import (
    U32,
    allocate,
    be2,
    be4,
    be8,
    begin,
    forget,
    look_ahead,
    odd,
    place_of,
    release,
)
from tercel.market.tape import schema

MOST = 1 << 30
"""Lots and ticks stay below this."""
SIDE_KNOWN = 128
"""Flag of a staged print whose side the feed does not mask."""


@kernel
def put(
    rows: Longs,
    at: int,
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
    rows[at, f.R_NS] = ns
    rows[at, f.R_ID] = key
    rows[at, f.R_LOTS_PRICE] = lots << 32 | (price & U32)
    rows[at, f.R_META] = locate << 32 | kind << 16 | (side + 1) << 8 | flags
    return at + 1


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
    broken: Longs,
) -> tuple[int, int]:
    """Decode whole messages of `b[start:stop]`; returns where it stopped and the rows written, why in `w[STOP]`."""
    i = start
    at = 0
    room = rows.shape[0] - 2
    far = table.shape[0] >= f.FAR
    ahead = 0
    while True:
        if far and ahead <= 0:
            ahead = look_ahead(b, i, stop, w, table, orders)
        ahead -= 1
        if at >= room:
            w[f.STOP] = f.NEED_ROWS
            return i, at
        if w[f.LIVE] + 1 >= orders.shape[0]:
            w[f.STOP] = f.NEED_ORDERS
            return i, at
        n = begin(b, i, stop, w, lengths, names, picks, wanted)
        if n == 0:
            return i, at
        m = i + 2
        i = m + n
        y = np.int64(b[m])
        locate = be2(b, m + 1)
        if lengths[y] == 0 or wanted[locate] != 1:
            continue
        if y == f.ADDED or y == f.ATTRIBUTED:
            ref, shares, price = be8(b, m + 11), be4(b, m + 20), be4(b, m + 32)
            at = _add(w, table, orders, rows, at, ref, locate, b[m + 19], shares, price)
        elif (
            y == f.EXECUTED
            or y == f.EXECUTED_AT
            or y == f.CANCELLED
            or y == f.DELETED
            or y == f.REPLACED
        ):
            at = _change(b, m, y, locate, w, table, orders, rows, at)
        elif y == f.PRINT:
            side = 1 if b[m + 19] == 66 else -1
            at = _print(w, rows, at, 0, be4(b, m + 32), be4(b, m + 20), locate, side)
        elif y == f.CROSSED:
            kind = b[m + 39]
            # opening, close, halt or IPO, intraday, as LOBSTER has them
            key = -1 if kind == 79 else -2 if kind == 67 else -3 if kind == 72 else -4
            shares = be8(b, m + 11)
            if shares < 0 or shares >= MOST:
                odd(w, f.CUT_SHARES)
                shares = MOST - 1
            at = put(
                rows,
                at,
                w[f.NOW_NS],
                key,
                be4(b, m + 27),
                shares,
                locate,
                schema.CROSS,
                0,
                schema.MESSAGE_END,
            )
        elif y == f.ACTION:
            state = b[m + 19]
            status = 1 if state == 84 else 0 if state == 81 else -1
            if status < 0 and state != 72 and state != 80:
                odd(w, f.ODD_FIELD)
            at = put(
                rows, at, w[f.NOW_NS], 0, status, 0, locate, schema.STATUS, 0, schema.MESSAGE_END
            )
        elif y == f.OPERATIONAL and b[m + 19] == 81:  # of this market
            status = 1 if b[m + 20] == 84 else -1
            at = put(
                rows, at, w[f.NOW_NS], 0, status, 0, locate, schema.STATUS, 0, schema.MESSAGE_END
            )
        elif y == f.BROKEN:
            broken[locate] += 1


@kernel
def _add(
    w: Longs,
    table: Longs,
    orders: Packed,
    rows: Longs,
    at: int,
    ref: int,
    locate: int,
    letter: int,
    shares: int,
    price: int,
) -> int:
    """A new order; one without shares or price is kept out of the rows (the latter is remembered, to be recognised)."""
    if letter != 66 and letter != 83:
        odd(w, f.ODD_FIELD)
        return at
    side = 1 if letter == 66 else -1
    if not _keep(w, table, orders, ref, locate, side, shares, price):
        return at
    return put(
        rows, at, w[f.NOW_NS], ref, price, shares, locate, schema.ADD, side, schema.MESSAGE_END
    )


@kernel
def _keep(
    w: Longs,
    table: Longs,
    orders: Packed,
    ref: int,
    locate: int,
    side: int,
    shares: int,
    price: int,
) -> bool:
    """Remember an order; whether it belongs on the tape."""
    if shares == 0 or shares >= MOST:
        odd(w, f.NO_SHARES if shares == 0 else f.CUT_SHARES)
        return False
    where = place_of(table, ref)
    if table[where, 1] >= 0:
        odd(w, f.DUPLICATE_REF)
        slot = table[where, 1]
    else:
        slot = allocate(w, orders)
        table[where, 0], table[where, 1] = ref, slot
    orders[slot, f.O_PRICE], orders[slot, f.O_SHARES] = price, shares
    orders[slot, f.O_PLACE] = locate * 2 + (side < 0)
    if price == 0:
        odd(w, f.NO_PRICE)
    return price != 0


@kernel
def _print(
    w: Longs, rows: Longs, at: int, flags: int, price: int, shares: int, locate: int, side: int
) -> int:
    """A print of a hidden order (or of a visible one away from its price)."""
    if shares == 0 or shares >= MOST or price == 0:
        odd(w, f.NO_PRICE if price == 0 else f.NO_SHARES if shares == 0 else f.CUT_SHARES)
        return at
    return put(
        rows,
        at,
        w[f.NOW_NS],
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
    at: int,
) -> int:
    """What happens to an order that is in the book."""
    ref, ns = be8(b, m + 11), w[f.NOW_NS]
    where = place_of(table, ref)
    slot = table[where, 1]
    if slot < 0 or orders[slot, f.O_PLACE] >> 1 != locate:
        odd(w, f.UNKNOWN_REF)
        return at
    price, left = orders[slot, f.O_PRICE] & U32, orders[slot, f.O_SHARES]
    side = 1 - 2 * (orders[slot, f.O_PLACE] & 1)
    if y == f.DELETED or y == f.REPLACED:
        forget(table, where)
        release(w, orders, slot)
        first = at
        if price != 0:
            at = put(
                rows, at, ns, ref, price, left, locate, schema.DELETE, side, schema.MESSAGE_END
            )
        if y == f.REPLACED:
            new, shares, price = be8(b, m + 19), be4(b, m + 27), be4(b, m + 31)
            if _keep(w, table, orders, new, locate, side, shares, price):
                at = put(
                    rows, at, ns, new, price, shares, locate, schema.ADD, side, schema.MESSAGE_END
                )
        if at == first + 2:
            rows[first, f.R_META] &= ~schema.MESSAGE_END
        return at
    taken = be4(b, m + 19)
    if taken == 0:
        odd(w, f.NO_SHARES)
        return at
    if taken > left:
        odd(w, f.BEYOND_LEFT)
        taken = left
    if taken == left:
        forget(table, where)
        release(w, orders, slot)
    else:
        orders[slot, f.O_SHARES] = left - taken
    if price == 0:
        return at
    if y == f.EXECUTED_AT:
        printed, paid = b[m + 31] == 89, be4(b, m + 32)
        if not printed:
            w[f.UNPRINTED] += 1
            return put(
                rows, at, ns, ref, price, taken, locate, schema.REDUCE, side, schema.MESSAGE_END
            )
        if paid != price and paid != 0:
            w[f.AWAY] += 1
            at = put(rows, at, ns, ref, price, taken, locate, schema.REDUCE, side, 0)
            return _print(w, rows, at, SIDE_KNOWN, paid, taken, locate, side)
    kind = schema.REDUCE if y == f.CANCELLED else schema.EXECUTE
    return put(rows, at, ns, ref, price, taken, locate, kind, side, schema.MESSAGE_END)


@kernel
def gather(rows: Longs, spots: Longs, out: Longs) -> None:
    """Copy rows to where a stable sort by locate puts them: `spots` int64[65536] is the next place of each locate."""
    for i in range(rows.shape[0]):
        locate = rows[i, f.R_META] >> 32
        k = spots[locate]
        spots[locate] = k + 1
        for j in range(f.ROW):
            out[k, j] = rows[i, j]


@kernel
def tally(rows: Longs, counts: Longs, active: Longs) -> None:
    """Add up the rows of each locate, all and those that are more than a trading status."""
    for i in range(rows.shape[0]):
        locate = rows[i, f.R_META] >> 32
        counts[locate] += 1
        active[locate] += ((rows[i, f.R_META] >> 16) & 255) != schema.STATUS
