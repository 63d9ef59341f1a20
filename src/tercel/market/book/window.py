"""The feed's limited window over the book: levels leave it, return as anonymous blocks, and lose anonymous lots.

A feed of L levels says nothing of what lies beyond them. A level that leaves its window is forgotten (`roll_out`); one
that comes in is one anonymous block (`roll_in`), split around own orders that stood there all the while, whose lots
ahead were frozen meanwhile.
"""

from tercel.core.jit import Packed, fixed, kernel, rare_kernel
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    best,
    in_window,
    insert,
    is_own,
    ledger_at,
    level_at,
    link_after,
    order_at,
    own_order_at,
    reduce,
    refind_best,
    release,
    side_at,
    unlink,
    unlink_far,
)


@kernel
def _forget_slot(b: Packed, slot: int, keep_slots: bool) -> None:
    """Take one public order out of the book without telling anyone behind it."""
    o = order_at(b, slot)
    lv_known = not (o.marks & lay.FAR)
    side, price, qty = o.side, o.price, o.qty
    o.qty = 0
    if lv_known:
        lv = level_at(b, side, price)
        lv.lots -= qty
        unlink(b, lv, slot)
    else:
        unlink_far(b, slot, side)
    if not keep_slots and slot < fixed(b, lay.ORDERS):
        release(b, slot)


@rare_kernel
def settle_frozen(b: Packed, side: int, price: int) -> None:
    """A price is shown again with no old orders: frozen own orders there have only own lots ahead."""
    if in_window(b, side, price) and level_at(b, side, price).own_lots == 0:
        return
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        led = ledger_at(b, i)
        if (
            o.qty > 0
            and o.price == price
            and o.side == side
            and led.ahead_state == lay.AHEAD_FROZEN
        ):
            ahead = 0
            for j in range(fixed(b, lay.OWN)):
                q = own_order_at(b, j)
                if q.qty > 0 and q.price == price and q.side == side and q.arrival < o.arrival:
                    ahead += q.qty
            led.ahead = ahead
            led.ahead_state = lay.AHEAD_KNOWN


@kernel
def roll_out(b: Packed, side: int, price: int, keep_slots: bool) -> None:
    """Forget a level's public orders; own orders stay, their lots ahead frozen."""
    if in_window(b, side, price):
        lv = level_at(b, side, price)
        slot = lv.head
        was = lv.lots
        while slot >= 0:
            nxt = order_at(b, slot).next
            if not is_own(b, slot):
                _forget_slot(b, slot, keep_slots)
            slot = nxt
        if was > 0 and lv.lots == 0:
            side_at(b, side).levels -= 1
            if price == best(b, side):
                refind_best(b, side, price)
    else:
        slot = side_at(b, side).far
        while slot >= 0:
            nxt = order_at(b, slot).next
            if order_at(b, slot).price == price and not is_own(b, slot):
                _forget_slot(b, slot, keep_slots)
            slot = nxt
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        if o.qty > 0 and o.price == price and o.side == side:
            ledger_at(b, i).ahead_state = lay.AHEAD_FROZEN


@kernel
def _insert_block(b: Packed, slot: int, side: int, price: int, qty: int, arrival: int) -> None:
    """An anonymous block placed by arrival number among the orders of its price."""
    insert(b, slot, side, price, qty)
    o = order_at(b, slot)
    o.marks |= lay.ANONYMOUS
    o.arrival = arrival
    if o.marks & lay.FAR:
        return
    lv = level_at(b, side, price)
    after = o.prev
    while after >= 0 and order_at(b, after).arrival > arrival:
        after = order_at(b, after).prev
    unlink(b, lv, slot)
    link_after(b, lv, slot, after)


@kernel
def roll_in(b: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """A level enters the feed's window as one anonymous block under `slot`.

    An own order there gets min(lots ahead when it was frozen, what is left of the block) in front of it, the rest
    behind: the block is split around it.
    """
    if b[lay.OWN_RESTING] == 0:
        insert(b, slot, side, price, qty)
        order_at(b, slot).marks |= lay.ANONYMOUS
        return
    placed, own_ahead = 0, 0
    last = -1
    while True:
        found = next_own(b, side, price, last)
        if found < 0:
            break
        o = own_order_at(b, found)
        led = ledger_at(b, found)
        if led.ahead_state == lay.AHEAD_FROZEN:
            front = min(max(led.ahead - own_ahead - placed, 0), qty - placed)
            if front > 0:
                piece = free_piece(b)
                if piece < 0:  # no room to split: all that is left is in front
                    b[lay.OVERFLOW] += 1
                    piece, front = slot, qty - placed
                _insert_block(b, piece, side, price, front, o.arrival - 1)
                placed += front
            led.ahead = placed + own_ahead
            led.ahead_state = lay.AHEAD_KNOWN
        else:
            led.ahead += placed
        own_ahead += o.qty
        last = o.arrival
    if qty > placed:
        insert(b, slot, side, price, qty - placed)
        order_at(b, slot).marks |= lay.ANONYMOUS


@kernel
def next_own(b: Packed, side: int, price: int, after: int) -> int:
    """The own order at a price with the smallest arrival number above `after`, -1 none."""
    found, arrival = -1, -1
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        if o.qty > 0 and o.price == price and o.side == side and o.arrival > after:
            if found < 0 or o.arrival < arrival:
                found, arrival = i, o.arrival
    return found


@kernel
def free_piece(b: Packed) -> int:
    """A slot for a piece of a split block, -1 when all are in use."""
    first = fixed(b, lay.ORDERS) + fixed(b, lay.OWN)
    for slot in range(first, first + fixed(b, lay.OWN)):
        if order_at(b, slot).qty == 0:
            return slot
    return -1


@kernel
def block_at(b: Packed, side: int, price: int, from_front: bool) -> int:
    """First (or last) anonymous block in the queue of a price, -1 none."""
    if in_window(b, side, price):
        lv = level_at(b, side, price)
        slot = lv.head if from_front else lv.tail
        while slot >= 0 and not (order_at(b, slot).marks & lay.ANONYMOUS):
            slot = order_at(b, slot).next if from_front else order_at(b, slot).prev
        return slot
    found, arrival = -1, -1
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if o.price == price and o.marks & lay.ANONYMOUS:
            if found < 0 or (o.arrival < arrival) == from_front:
                found, arrival = slot, o.arrival
        slot = o.next
    return found


@kernel
def _release_empty_block(b: Packed, slot: int, keep_slots: bool) -> None:
    if not keep_slots and slot < fixed(b, lay.ORDERS) and order_at(b, slot).qty == 0:
        release(b, slot)


@kernel
def reduce_anonymous(
    b: Packed, side: int, price: int, qty: int, from_front: bool, keep_slots: bool
) -> int:
    """Take lots from the anonymous blocks of a level. Returns the lots taken.

    Executions take from the front. Cancels take from the back first: the feed does not say whose they were, and the
    cautious reading does not move an own order up.
    """
    taken = 0
    while taken < qty:
        slot = block_at(b, side, price, from_front)
        if slot < 0:
            break
        taken += reduce(b, slot, qty - taken)
        _release_empty_block(b, slot, keep_slots)
    return taken
