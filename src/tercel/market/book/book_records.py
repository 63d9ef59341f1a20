"""Records of a packed book by name: orders, price levels, the headers of its sides, and the ledger of own orders.

Kernels read and write the fields (`order_at(book, slot).price`); the places of their words are those of `layout`.
"""

from typing import Any

import numpy as np

from tercel.core.jit import Packed, inlined_kernel, kernel, load_fixed, record_at
from tercel.market.book import layout as lay


def _int32_record(*names: str) -> Any:
    """NumPy record type with one int32 field for each name."""
    return np.dtype((np.record, [(name, np.int32) for name in names]))


ORDER = _int32_record("price", "qty", "prev", "next", "arrival", "side", "marks", "tag")
LEVEL = _int32_record("head", "tail", "lots", "own_lots")
LEDGER = _int32_record(
    "state", "open", "pending_cancel", "ahead", "price", "side", "sent", "ahead_state"
)
SIDE = _int32_record("best", "lo", "far", "levels", "changes")
_order = record_at(ORDER)
_level = record_at(LEVEL)
_ledger = record_at(LEDGER)
_side = record_at(SIDE)


@inlined_kernel
def order_at(book: Packed, slot: int) -> Any:
    """Record of the order in a slot; what is written to its fields goes into the book."""
    return _order(book, lay.HEADER + slot * lay.ORDER)


@inlined_kernel
def own_order_at(book: Packed, own_index: int) -> Any:
    """Book record of own order `own_index`."""
    return _order(book, lay.HEADER + (load_fixed(book, lay.ORDERS) + own_index) * lay.ORDER)


@inlined_kernel
def ledger_at(book: Packed, own_index: int) -> Any:
    """Ledger record of own order `own_index`."""
    return _ledger(book, load_fixed(book, lay.AT_LEDGER) + own_index * lay.LEDGER)


@inlined_kernel
def side_at(book: Packed, side: int) -> Any:
    """Header of a side: best price, window, far list."""
    return _side(book, lay.BEST_BID if side > 0 else lay.BEST_ASK)


@inlined_kernel
def level_at(book: Packed, side: int, price: int) -> Any:
    """Level record of a price, which must lie inside the side's window: that is not checked."""
    return ring_level(book, side, price & (load_fixed(book, lay.WIDTH) - 1))


@inlined_kernel
def ring_level(book: Packed, side: int, n: int) -> Any:
    """The level record at place `n` of a side's ring; prices that are n modulo the ring's width share it."""
    offset = 0 if side > 0 else load_fixed(book, lay.WIDTH)
    return _level(book, load_fixed(book, lay.AT_LEVELS) + (offset + n) * lay.LEVEL)


@inlined_kernel
def in_window(book: Packed, side: int, price: int) -> bool:
    """Whether a price lies inside the side's window of prices, so that it has a level record."""
    lo = side_at(book, side).lo
    return lo <= price < lo + load_fixed(book, lay.WIDTH)


@inlined_kernel
def best(book: Packed, side: int) -> int:
    """Best price of a side, own orders included; NO_BID / NO_ASK when empty."""
    return side_at(book, side).best


@kernel
def changes(book: Packed, side: int) -> int:
    """Change counter of a side: as long as it is equal, the side's orders are unchanged."""
    return side_at(book, side).changes


@kernel
def is_own(book: Packed, slot: int) -> bool:
    """Whether a slot is one of those of own orders."""
    return (
        load_fixed(book, lay.ORDERS)
        <= slot
        < load_fixed(book, lay.ORDERS) + load_fixed(book, lay.OWN)
    )
