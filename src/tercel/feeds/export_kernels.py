"""Kernel of exports: the order that each row of a tape meets in the book, and the levels that it leaves."""

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.market.book.book_records import order_at
from tercel.market.book.ladder import lots_at
from tercel.market.book.order_ids import Ids, find_entry
from tercel.market.book.tape_kernels import apply_row, best_levels
from tercel.market.tape import schema


@kernel
def orders_met(
    book: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: NDArray[np.int8],
    price: Packed,
    qty: Packed,
    met: Packed,
) -> None:
    """Apply tape rows; `met` int32[n, 5] takes side, price and lots of the live order with the row's id before it (side 0:
    none), and after it the lots at that order's price and at the row's: on the order's side, where it has changed."""
    for i in range(kind.shape[0]):
        entry = find_entry(ids, order_id[i]) if order_id[i] != 0 else -1
        row_side = side[i]
        if entry >= 0:
            order = order_at(book, ids[entry].slot)
            met[i, 0] = order.side
            met[i, 1] = order.price
            met[i, 2] = order.qty
            if kind[i] != schema.ADD and (kind[i] <= schema.EXECUTE or kind[i] == schema.MODIFY):
                row_side = order.side
        apply_row(book, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        met[i, 3] = lots_at(book, met[i, 0], met[i, 1]) if entry >= 0 else 0
        met[i, 4] = lots_at(book, row_side, price[i]) if row_side != 0 else 0


@kernel
def levels_after(
    book: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: NDArray[np.int8],
    price: Packed,
    qty: Packed,
    message: Longs,
    shown: Packed,
) -> None:
    """Apply tape rows; `shown` int32[messages, 2 (bids, asks), 2 (prices, lots), levels] takes the best levels after the last row
    of each message. `message` int64[n] numbers the rows' messages from 0; rows of -1 come before the first."""
    for i in range(kind.shape[0]):
        apply_row(book, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        if message[i] >= 0 and (i + 1 == kind.shape[0] or message[i + 1] != message[i]):
            for half in range(2):
                best_levels(
                    book, 1 - 2 * half, shown[message[i], half, 0], shown[message[i], half, 1]
                )
