"""Named records over a book's packed array: `order_at(b, slot).price` is a word of the array itself."""

from typing import Any

import numpy as np

from tercel.core.jit import Packed, fixed, inlined_kernel, record_at
from tercel.market.book import layout as lay


def _words(*names: str) -> Any:
    return np.dtype((np.record, [(name, np.int32) for name in names]))


ORDER = _words("price", "qty", "prev", "next", "arrival", "side", "marks", "told")
LEVEL = _words("head", "tail", "lots", "own_lots")
LEDGER = _words("state", "open", "pending_cancel", "ahead", "price", "side", "sent", "ahead_state")
SIDE = _words("best", "lo", "far", "levels", "changes")

_order, _level, _ledger, _side = (
    record_at(ORDER),
    record_at(LEVEL),
    record_at(LEDGER),
    record_at(SIDE),
)


@inlined_kernel
def order_at(b: Packed, slot: int) -> Any:
    """The order in a slot."""
    return _order(b, lay.HEADER + slot * lay.ORDER)


@inlined_kernel
def own_order_at(b: Packed, own: int) -> Any:
    """Book record of own order `own`."""
    return _order(b, lay.HEADER + (fixed(b, lay.ORDERS) + own) * lay.ORDER)


@inlined_kernel
def ledger_at(b: Packed, own: int) -> Any:
    """Ledger record of own order `own`."""
    return _ledger(b, fixed(b, lay.AT_LEDGER) + own * lay.LEDGER)


@inlined_kernel
def side_at(b: Packed, side: int) -> Any:
    """Header of a side: best price, window, far list."""
    return _side(b, lay.BEST_BID if side > 0 else lay.BEST_ASK)


@inlined_kernel
def level_at(b: Packed, side: int, price: int) -> Any:
    """The level of a price inside the side's window."""
    return ring_level(b, side, price & (fixed(b, lay.WIDTH) - 1))


@inlined_kernel
def ring_level(b: Packed, side: int, n: int) -> Any:
    """The level in place `n` of a side's ring: that of all prices that are n modulo the ring's width."""
    first = 0 if side > 0 else fixed(b, lay.WIDTH)
    return _level(b, fixed(b, lay.AT_LEVELS) + (first + n) * lay.LEVEL)
