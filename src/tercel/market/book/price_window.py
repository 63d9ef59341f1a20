"""Order slots, queues of price levels, and the window of prices of each side of a book.

Each side has a ring of levels (price modulo width) over a window `[lo, lo + width)` that holds its best price; orders
beyond it lie in an unsorted far list and come back, in arrival order, when the window moves.
"""

from typing import Any

from tercel.core.jit import Packed, inlined_kernel, kernel, load_fixed, rare_kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, is_own, level_at, order_at, side_at


@inlined_kernel
def allocate(book: Packed) -> int:
    """Allocate a public slot; -1, counted as overflow, if all are in use."""
    slot = book[lay.FREE]
    if slot >= 0:
        book[lay.FREE] = order_at(book, slot).next
    # Slots that were given back come first, so that the part of the array in use stays small.
    elif book[lay.HIGH] < load_fixed(book, lay.ORDERS):
        slot = book[lay.HIGH]
        book[lay.HIGH] += 1
    else:
        book[lay.OVERFLOW] += 1
        return -1
    book[lay.LIVE] += 1
    return slot


@inlined_kernel
def release(book: Packed, slot: int) -> None:
    """Free a public slot whose order is out of the book."""
    order_at(book, slot).next = book[lay.FREE]
    book[lay.FREE] = slot
    book[lay.LIVE] -= 1


@rare_kernel
def link_far(book: Packed, slot: int, side: int) -> None:
    """Put the order in a slot at the head of its side's far list (orders beyond the price window)."""
    header = side_at(book, side)
    order = order_at(book, slot)
    order.marks |= lay.FAR
    order.prev = -1
    order.next = header.far
    if header.far >= 0:
        order_at(book, header.far).prev = slot
    header.far = slot


@rare_kernel
def unlink_far(book: Packed, slot: int, side: int) -> None:
    """Take the order in a slot out of its side's far list."""
    order = order_at(book, slot)
    prev, nxt = order.prev, order.next
    if prev >= 0:
        order_at(book, prev).next = nxt
    else:
        side_at(book, side).far = nxt
    if nxt >= 0:
        order_at(book, nxt).prev = prev
    order.marks &= ~lay.FAR


@kernel
def _link_sorted(book: Packed, slot: int, side: int) -> None:
    """Put an order that came back from the far list into its level by arrival number."""
    order = order_at(book, slot)
    level = level_at(book, side, order.price)
    after = level.tail
    while after >= 0 and order_at(book, after).arrival > order.arrival:
        after = order_at(book, after).prev
    link_after(book, level, slot, after)
    if level.lots == 0:
        side_at(book, side).levels += 1
    level.lots += order.qty
    if is_own(book, slot):
        level.own_lots += order.qty


@kernel
def link_after(book: Packed, level: Any, slot: int, after: int) -> None:
    """Link a slot into a level's queue behind `after` (-1: at the head); lots are not counted."""
    order = order_at(book, slot)
    nxt = level.head if after < 0 else order_at(book, after).next
    order.prev = after
    order.next = nxt
    if after < 0:
        level.head = slot
    else:
        order_at(book, after).next = slot
    if nxt < 0:
        level.tail = slot
    else:
        order_at(book, nxt).prev = slot


@inlined_kernel
def unlink(book: Packed, level: Any, slot: int) -> None:
    """Unlink a slot from a level's queue; lots are not counted."""
    order = order_at(book, slot)
    prev, nxt = order.prev, order.next
    if prev >= 0:
        order_at(book, prev).next = nxt
    else:
        level.head = nxt
    if nxt >= 0:
        order_at(book, nxt).prev = prev
    else:
        level.tail = prev


@kernel
def _evict(book: Packed, side: int, price: int) -> None:
    """Move a level's orders to the far list."""
    level = level_at(book, side, price)
    slot = level.head
    if slot < 0:
        return
    while slot >= 0:
        nxt = order_at(book, slot).next
        link_far(book, slot, side)
        slot = nxt
    level.head = -1
    level.tail = -1
    level.lots = 0
    level.own_lots = 0
    side_at(book, side).levels -= 1


@rare_kernel
def recentre(book: Packed, side: int, price: int) -> None:
    """Move a side's window so that its best `price` has three quarters of the window behind it."""
    width = load_fixed(book, lay.WIDTH)
    header = side_at(book, side)
    old_lo = header.lo
    lo = price - 3 * width // 4 if side > 0 else price - width // 4
    if header.levels > 0:
        # Only levels that leave: the ring keeps all others in place.
        if lo > old_lo:
            for level_price in range(old_lo, min(lo, old_lo + width)):
                _evict(book, side, level_price)
        else:
            for level_price in range(max(lo + width, old_lo), old_lo + width):
                _evict(book, side, level_price)
    header.lo = lo
    slot = header.far
    while slot >= 0:
        order = order_at(book, slot)
        nxt = order.next
        if lo <= order.price < lo + width:
            unlink_far(book, slot, side)
            # By arrival: a level that comes back has its queue in the old order.
            _link_sorted(book, slot, side)
        slot = nxt


@rare_kernel
def refind_best(book: Packed, side: int, price: int) -> None:
    """Set a side's next best price after the level at `price` emptied, from the ring or far list; may move the window."""
    header = side_at(book, side)
    none = NO_BID if side > 0 else NO_ASK
    if header.levels > 0:
        candidate = price - side
        # It ends: `levels` counts the occupied ones in the window, and all are on this side of the old best.
        while level_at(book, side, candidate).lots == 0:
            candidate -= side
        header.best = candidate
        lo = header.lo
        room = candidate - lo if side > 0 else lo + load_fixed(book, lay.WIDTH) - 1 - candidate
        # Early: at the window's edge every new level would go to the far list, which is walked.
        if room < load_fixed(book, lay.WIDTH) // 4:
            recentre(book, side, candidate)
        return
    far = header.far
    if far < 0:
        header.best = none
        header.lo = lay.NO_WINDOW
        return
    candidate = none
    while far >= 0:
        order = order_at(book, far)
        if (order.price - candidate) * side > 0:
            candidate = order.price
        far = order.next
    recentre(book, side, candidate)
    header.best = candidate


@rare_kernel
def place_outside(book: Packed, side: int, price: int) -> bool:
    """Move the window to a price outside it that is better than the side's best, and return True; else False, nothing moved."""
    # The best price is always in the window: it is read at every event.
    if (price - best(book, side)) * side > 0:
        recentre(book, side, price)
        return True
    return False
