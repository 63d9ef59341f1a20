"""Levels that enter and leave a feed's window of visible levels, and the anonymous blocks that stand for unseen orders.

A feed of L levels says nothing of what lies beyond them. A level that leaves its window is forgotten (`roll_out`); one
that comes in is one anonymous block (`roll_in`), split around own orders that stood there all the while, whose lots
ahead were frozen meanwhile.
"""

from tercel.core.jit import Packed, kernel, load_fixed, rare_kernel
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
from tercel.market.book.ladder import insert, reduce
from tercel.market.book.price_window import link_after, refind_best, release, unlink, unlink_far


@kernel
def _forget_slot(book: Packed, slot: int, keep_slots: bool) -> None:
    """Remove one public order from the book, not updating queue positions behind it; `keep_slots`: its slot is not freed."""
    order = order_at(book, slot)
    in_ring = not (order.marks & lay.FAR)
    side = order.side
    price = order.price
    qty = order.qty
    order.qty = 0
    if in_ring:
        level = level_at(book, side, price)
        level.lots -= qty
        unlink(book, level, slot)
    else:
        unlink_far(book, slot, side)
    if not keep_slots and slot < load_fixed(book, lay.ORDERS):
        release(book, slot)


@rare_kernel
def settle_frozen(book: Packed, side: int, price: int) -> None:
    """Unfreeze own orders at a price that the feed shows again: their lots ahead become the own lots in front of them."""
    if in_window(book, side, price) and level_at(book, side, price).own_lots == 0:
        return
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        ledger = ledger_at(book, i)
        if (
            order.qty > 0
            and order.price == price
            and order.side == side
            and ledger.ahead_state == lay.AHEAD_FROZEN
        ):
            ahead = 0
            for j in range(load_fixed(book, lay.OWN)):
                earlier = own_order_at(book, j)
                if (
                    earlier.qty > 0
                    and earlier.price == price
                    and earlier.side == side
                    and earlier.arrival < order.arrival
                ):
                    ahead += earlier.qty
            ledger.ahead = ahead
            ledger.ahead_state = lay.AHEAD_KNOWN


@kernel
def roll_out(book: Packed, side: int, price: int, keep_slots: bool) -> None:
    """Remove a level's public orders as it leaves the feed's window; own orders stay, their lots ahead frozen.
    `keep_slots`: the slots of the removed orders are not freed.
    """
    if in_window(book, side, price):
        level = level_at(book, side, price)
        slot = level.head
        lots_before = level.lots
        while slot >= 0:
            nxt = order_at(book, slot).next
            if not is_own(book, slot):
                _forget_slot(book, slot, keep_slots)
            slot = nxt
        if lots_before > 0 and level.lots == 0:
            side_at(book, side).levels -= 1
            if price == best(book, side):
                refind_best(book, side, price)
    else:
        slot = side_at(book, side).far
        while slot >= 0:
            nxt = order_at(book, slot).next
            if order_at(book, slot).price == price and not is_own(book, slot):
                _forget_slot(book, slot, keep_slots)
            slot = nxt
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        if order.qty > 0 and order.price == price and order.side == side:
            ledger_at(book, i).ahead_state = lay.AHEAD_FROZEN


@kernel
def _insert_block(book: Packed, slot: int, side: int, price: int, qty: int, arrival: int) -> None:
    """Insert an anonymous block among the orders of its price by arrival number."""
    insert(book, slot, side, price, qty)
    order = order_at(book, slot)
    order.marks |= lay.ANONYMOUS
    order.arrival = arrival
    if order.marks & lay.FAR:
        return
    level = level_at(book, side, price)
    after = order.prev
    while after >= 0 and order_at(book, after).arrival > arrival:
        after = order_at(book, after).prev
    unlink(book, level, slot)
    link_after(book, level, slot, after)


@kernel
def roll_in(book: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """Insert a level that enters the feed's window, as one anonymous block under `slot`.

    An own order there gets min(lots ahead when it was frozen, lots left of the block) in front of it, the rest
    behind: the block is split around it.
    """
    if book[lay.OWN_RESTING] == 0:
        insert(book, slot, side, price, qty)
        order_at(book, slot).marks |= lay.ANONYMOUS
        return
    placed = 0
    own_ahead = 0
    last = -1
    while True:
        own_index = next_own(book, side, price, last)
        if own_index < 0:
            break
        order = own_order_at(book, own_index)
        ledger = ledger_at(book, own_index)
        if ledger.ahead_state == lay.AHEAD_FROZEN:
            front = min(max(ledger.ahead - own_ahead - placed, 0), qty - placed)
            if front > 0:
                piece = free_piece(book)
                if piece < 0:  # no room to split: all that is left is in front
                    book[lay.OVERFLOW] += 1
                    piece = slot
                    front = qty - placed
                _insert_block(book, piece, side, price, front, order.arrival - 1)
                placed += front
            ledger.ahead = placed + own_ahead
            ledger.ahead_state = lay.AHEAD_KNOWN
        else:
            ledger.ahead += placed
        own_ahead += order.qty
        last = order.arrival
    if qty > placed:
        insert(book, slot, side, price, qty - placed)
        order_at(book, slot).marks |= lay.ANONYMOUS


@kernel
def next_own(book: Packed, side: int, price: int, after: int) -> int:
    """The own order at a price with the smallest arrival number above `after`, -1 none."""
    own_index, arrival = -1, -1
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        if order.qty > 0 and order.price == price and order.side == side and order.arrival > after:
            if own_index < 0 or order.arrival < arrival:
                own_index, arrival = i, order.arrival
    return own_index


@kernel
def free_piece(book: Packed) -> int:
    """A slot for a piece of a split block, -1 when all are in use."""
    first = load_fixed(book, lay.ORDERS) + load_fixed(book, lay.OWN)
    for slot in range(first, first + load_fixed(book, lay.OWN)):
        if order_at(book, slot).qty == 0:
            return slot
    return -1


@kernel
def block_at(book: Packed, side: int, price: int, from_front: bool) -> int:
    """Slot of the first anonymous block in the queue of a price, or of the last one if not `from_front`; -1 none."""
    if in_window(book, side, price):
        level = level_at(book, side, price)
        slot = level.head if from_front else level.tail
        while slot >= 0 and not (order_at(book, slot).marks & lay.ANONYMOUS):
            slot = order_at(book, slot).next if from_front else order_at(book, slot).prev
        return slot
    block_slot, arrival = -1, -1
    slot = side_at(book, side).far
    while slot >= 0:
        order = order_at(book, slot)
        if order.price == price and order.marks & lay.ANONYMOUS:
            if block_slot < 0 or (order.arrival < arrival) == from_front:
                block_slot, arrival = slot, order.arrival
        slot = order.next
    return block_slot


@kernel
def _release_empty_block(book: Packed, slot: int, keep_slots: bool) -> None:
    """Free the slot of an anonymous block without lots, unless slots are managed elsewhere (`keep_slots`)."""
    if not keep_slots and slot < load_fixed(book, lay.ORDERS) and order_at(book, slot).qty == 0:
        release(book, slot)


@kernel
def reduce_anonymous(
    book: Packed, side: int, price: int, qty: int, from_front: bool, keep_slots: bool
) -> int:
    """Take up to `qty` lots from a level's anonymous blocks, the last first unless `from_front`. Returns the lots taken.
    `keep_slots`: slots of emptied blocks are not freed.

    Executions take from the front. Cancels take from the back first: the feed does not say whose they were, and the
    cautious reading does not move an own order up.
    """
    taken = 0
    while taken < qty:
        slot = block_at(book, side, price, from_front)
        if slot < 0:
            break
        taken += reduce(book, slot, qty - taken)
        _release_empty_block(book, slot, keep_slots)
    return taken
