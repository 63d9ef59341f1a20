"""A tape of single orders as the level totals and prints that a feed without orders would have shown."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tercel.core import (
    ADD,
    EXECUTE,
    LEVEL_SET,
    MODIFY,
    ROLL_IN,
    TRADE,
    Bytes,
    Longs,
    Packed,
    TapeError,
    kernel,
)
from tercel.market.book import Book, Ids, apply_row, find_entry, lots_at, order_at
from tercel.market.tape import MESSAGE_END, Events, Instrument


@kernel
def _rows(
    b: Packed, ids: Ids, key_of: Longs,
    kind: Bytes, order_id: Longs, side: NDArray[np.int8], price: Packed, qty: Packed,
    source: Longs, out_kind: Bytes, out_side: NDArray[np.int8], out_price: Packed, out_qty: Packed,
) -> int:  # fmt: skip
    """Rows of totals behind each row of orders (`source` says which); returns how many."""
    n = 0
    for i in range(kind.shape[0]):
        what, s, p = kind[i], side[i], price[i]
        touches = what <= EXECUTE or what == MODIFY
        old_side, old_price, before_old = 0, 0, 0
        at = find_entry(ids, order_id[i]) if touches and order_id[i] != 0 else -1
        if at >= 0:  # what is known of an order counts, not what the row says of it
            o = order_at(b, ids[at].slot)
            old_side, old_price = o.side, o.price
            before_old = lots_at(b, old_side, old_price)
            s = s if what == ADD else old_side
            p = p if what == ADD or what == MODIFY else old_price
        on_level = (touches or what == ROLL_IN) and s != 0
        before = lots_at(b, s, p) if on_level else 0
        apply_row(b, ids, key_of, what, order_id[i], side[i], price[i], qty[i])
        if what == EXECUTE:
            source[n], out_kind[n], out_side[n], out_price[n], out_qty[n] = i, TRADE, s, p, qty[i]
            n += 1
        if touches or (what == ROLL_IN and before > 0):
            if old_side != 0 and (old_price != p or old_side != s):
                after = lots_at(b, old_side, old_price)
                if after != before_old:
                    source[n], out_kind[n], out_side[n], out_price[n] = (
                        i,
                        LEVEL_SET,
                        old_side,
                        old_price,
                    )
                    out_qty[n] = after
                    n += 1
            after = lots_at(b, s, p) if on_level else before
            if after != before:
                source[n], out_kind[n], out_side[n], out_price[n], out_qty[n] = (
                    i,
                    LEVEL_SET,
                    s,
                    p,
                    after,
                )
                n += 1
        else:
            source[n], out_kind[n], out_side[n], out_price[n], out_qty[n] = i, what, s, p, qty[i]
            n += 1
    return n


def to_levels(
    instrument: Instrument, events: Events, orders: int = 1 << 17
) -> tuple[Instrument, Events]:
    """What a feed of level totals and prints would have shown of a tape of orders.

    Every row that changes a total becomes a LEVEL_SET of the new one, every execution a TRADE before it; rows of one
    message stay one message, rows that change nothing are left out.

    Raises
    ------
    TapeError
        For a tape that is of level totals already.
    """
    if bool(np.any(events.kind == LEVEL_SET)):
        received = f"level totals in {instrument.symbol} {instrument.date}"
        raise TapeError("a tape of single orders", received, "take it as it is")
    book = Book(orders=orders, own_orders=0)
    room = 3 * events.n + 8
    source, kind = np.zeros(room, np.int64), np.zeros(room, np.uint8)
    side, price, qty = np.zeros(room, np.int8), np.zeros(room, np.int32), np.zeros(room, np.int32)
    n = _rows(
        book.state, book._ids, book._key_of,
        events.kind, events.order_id, events.side, events.price_ticks, events.qty_lots,
        source, kind, side, price, qty,
    )  # fmt: skip
    source = source[:n]
    seq = events.seq[source]
    out = Events.empty(n)
    out.exch_ns[:], out.recv_ns[:], out.seq[:] = events.exch_ns[source], events.recv_ns[source], seq
    out.kind[:], out.side[:], out.price_ticks[:], out.qty_lots[:] = (
        kind[:n],
        side[:n],
        price[:n],
        qty[:n],
    )
    ends = np.append(seq[1:] != seq[:-1], True) if n else np.zeros(0, np.bool_)
    out.flags[:] = (events.flags[source] & ~np.uint8(MESSAGE_END)) | np.where(
        ends, MESSAGE_END, 0
    ).astype(np.uint8)
    return replace(instrument, rows=n, content_hash=""), out
