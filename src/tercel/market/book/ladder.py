"""The price-time order book as kernels over one packed array (see `layout`): rest and reduce public and own orders.

Queue position of own orders is updated incrementally: code that removes lots from a level that holds own lots corrects
the own orders behind.
"""

from typing import Any

from tercel.core.jit import Longs, Packed, inlined_kernel, kernel, load_fixed, rare_kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import (
    best,
    in_window,
    is_own,
    ledger_at,
    level_at,
    order_at,
    own_order_at,
    side_at,
)
from tercel.market.book.price_window import link_far, place_outside, refind_best, unlink, unlink_far


@kernel
def public_lots_at(book: Packed, side: int, price: int) -> int:
    """Public lots at a price, inside the window or beyond."""
    total = lots_at(book, side, price)
    if book[lay.OWN_RESTING] > 0:
        for i in range(load_fixed(book, lay.OWN)):
            order = own_order_at(book, i)
            if order.price == price and order.side == side:
                total -= order.qty
    return total


@kernel
def lots_at(book: Packed, side: int, price: int) -> int:
    """All lots at a price, own included, inside the window or beyond."""
    if in_window(book, side, price):
        return level_at(book, side, price).lots
    total = 0
    slot = side_at(book, side).far
    while slot >= 0:
        order = order_at(book, slot)
        if order.price == price:
            total += order.qty
        slot = order.next
    return total


@inlined_kernel
def insert(book: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """Rest `qty` lots at the tail of a price level under a free slot."""
    order = order_at(book, slot)
    order.price = price
    order.qty = qty
    order.arrival = book[lay.ARRIVAL]
    order.side = side
    order.marks = 0
    book[lay.ARRIVAL] += 1
    header = side_at(book, side)
    header.changes += 1
    if not in_window(book, side, price) and not place_outside(book, side, price):
        link_far(book, slot, side)
        return
    level = level_at(book, side, price)
    tail = level.tail
    order.prev = tail
    order.next = -1
    if tail >= 0:
        order_at(book, tail).next = slot
    else:
        level.head = slot
        header.levels += 1
        if (price - header.best) * side > 0:
            header.best = price
    level.tail = slot
    level.lots += qty


@rare_kernel
def _move_up(book: Packed, side: int, price: int, arrival: int, qty: int) -> None:
    """Lower by `qty` the lots ahead of own orders at a price with an arrival number above `arrival`."""
    unseen = book[lay.OWN_RESTING]
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        if order.qty == 0:
            continue
        if order.price == price and order.arrival > arrival and order.side == side:
            ledger_at(book, i).ahead -= qty
        unseen -= 1
        # Most places are empty: no further than the last own order that rests.
        if unseen == 0:
            return


@inlined_kernel
def reduce(book: Packed, slot: int, qty: int) -> int:
    """Take `qty` lots (at most its remaining lots) from an order; at zero it leaves the book. Returns the lots taken.

    The slot stays allocated; the caller releases it.
    """
    order = order_at(book, slot)
    order_lots = order.qty
    qty = min(qty, order_lots)
    if qty <= 0:
        return 0
    side, price = order.side, order.price
    side_at(book, side).changes += 1
    order.qty = order_lots - qty
    if order.marks & lay.FAR:
        _reduce_far(book, slot, qty)
        return qty
    level = level_at(book, side, price)
    lots = level.lots - qty
    level.lots = lots
    if level.own_lots > 0:
        _reduce_among_own(book, level, slot, qty)
    if qty < order_lots:
        return qty
    unlink(book, level, slot)
    if lots == 0:
        side_at(book, side).levels -= 1
        if price == best(book, side):
            refind_best(book, side, price)
    return qty


@rare_kernel
def _reduce_far(book: Packed, slot: int, qty: int) -> None:
    """Rest of `reduce` for an order in the far list: queue positions of own orders behind it, and its removal at zero lots."""
    order = order_at(book, slot)
    side = order.side
    if book[lay.OWN_RESTING] > 0:
        _move_up(book, side, order.price, order.arrival, qty)
    if order.qty == 0:
        unlink_far(book, slot, side)
        if is_own(book, slot):
            book[lay.OWN_RESTING] -= 1


@rare_kernel
def _reduce_among_own(book: Packed, level: Any, slot: int, qty: int) -> None:
    """Rest of `reduce` at a level with own orders: queue positions of those behind, and the counts of own lots and orders."""
    order = order_at(book, slot)
    _move_up(book, order.side, order.price, order.arrival, qty)
    if is_own(book, slot):
        level.own_lots -= qty
        if order.qty == 0:
            book[lay.OWN_RESTING] -= 1


@kernel
def first_at(book: Packed, side: int, price: int) -> int:
    """First slot with a price in its level's queue, or in the far list, where it need not be the oldest; -1 none."""
    if in_window(book, side, price):
        return level_at(book, side, price).head
    slot = side_at(book, side).far
    while slot >= 0 and order_at(book, slot).price != price:
        slot = order_at(book, slot).next
    return slot


@kernel
def head_at(book: Packed, side: int, price: int) -> int:
    """First order in the queue of a price inside the window, -1 none."""
    return level_at(book, side, price).head


@kernel
def insert_own(
    book: Packed, own_index: int, side: int, price: int, qty: int, outside_feed: bool
) -> None:
    """Rest own order `own_index` at the tail of its level and note the lots ahead in its ledger.
    With `outside_feed` the feed does not show the level: the lots ahead are unknown, and frozen.
    """
    ledger = ledger_at(book, own_index)
    ledger.ahead = lots_at(book, side, price)
    ledger.ahead_state = lay.AHEAD_KNOWN
    if outside_feed:
        ledger.ahead += lay.AHEAD_UNKNOWN_LOTS
        ledger.ahead_state = lay.AHEAD_FROZEN
    book[lay.ARRIVAL] += 1  # stays free for the piece of a block that may roll in right before it
    insert(book, load_fixed(book, lay.ORDERS) + own_index, side, price, qty)
    book[lay.OWN_RESTING] += 1
    if in_window(book, side, price):
        level_at(book, side, price).own_lots += qty


@kernel
def public_depth(
    book: Packed, side: int, touch: int, depth: Longs, start: int, levels: int
) -> None:
    """Write public lots of `levels` occupied levels, from price `touch` on, to `depth` from `start` on; 0: no level."""
    for n in range(levels):
        depth[start + n] = 0
    if touch == NO_BID or touch == NO_ASK:
        return
    price = touch
    n = 0
    while n < levels and in_window(book, side, price):
        level = level_at(book, side, price)
        lots = level.lots - level.own_lots
        if lots > 0:
            depth[start + n] = lots
            n += 1
        price -= side
