"""Translation of the whole public book by ticks, with own orders in their place and trades where prices cross.

What own orders meet keeps the rules of price-time priority: public lots that reach or cross an own order trade
with it first, as if they arrived; of the others, lots that come to an own order's price from a better one are ahead
of it, lots that come from a worse one behind it (lots that stood at its price have left it). Slots and the order of
the queues stay. The record has the trades, then one row SHIFTED, which followers apply with `shift_public`.
"""

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import (
    in_window,
    is_own,
    ledger_at,
    level_at,
    order_at,
    own_order_at,
    ring_level,
    side_at,
)
from tercel.market.book.ladder import insert_own, lots_at, reduce
from tercel.market.book.price_window import link_after, unlink
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    mark_for_restoration,
    outside_feed,
    public_take,
    write_row,
)
from tercel.market.simulator.crossing import fill_crossed, first_own
from tercel.market.simulator.recent_sums import record_mid_move
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE, REDUCE


@kernel
def translate(book: Packed, state: Longs, ticks: int) -> None:
    """Move the public book by `ticks` (above 0: up); public orders that reach own orders trade with them first."""
    if book[lay.OWN_RESTING] > 0:
        trade_crossed(book, state, ticks)
    shift_public(book, state, ticks)


@kernel
def trade_crossed(book: Packed, state: Longs, ticks: int) -> None:
    """Trade public orders that would reach or cross an own order with it, best first, at costs against the mid before."""
    s = state_at(state)
    side = 1 if ticks > 0 else -1
    s.aggressor_mid2 = s.mid2
    while book[lay.OWN_RESTING] > 0:
        touch = s.public_bid if side > 0 else s.public_ask
        if touch == NO_BID or touch == NO_ASK or first_own(book, -side, touch + ticks, True) < 0:
            return
        slot = first_public(book, side, touch)
        lots = order_at(book, slot).qty
        left = fill_crossed(book, state, side, touch + ticks, lots)
        s.translated_lots += lots - left
        public_take(book, state, slot, lots - left, REDUCE if left > 0 else DELETE, False)
        mark_for_restoration(book, state, slot)


@kernel
def first_public(book: Packed, side: int, price: int) -> int:
    """First public order in priority at a price that has one."""
    if in_window(book, side, price):
        slot = level_at(book, side, price).head
        while is_own(book, slot):
            slot = order_at(book, slot).next
        return slot
    first_slot, arrival = -1, -1
    slot = side_at(book, side).far
    while slot >= 0:
        order = order_at(book, slot)
        if (
            order.price == price
            and not is_own(book, slot)
            and (first_slot < 0 or order.arrival < arrival)
        ):
            first_slot, arrival = slot, order.arrival
        slot = order.next
    return first_slot


@kernel
def shift_public(book: Packed, state: Longs, ticks: int) -> None:
    """Move every public order by `ticks`, record it, and update touches, mid and squared moves. Nothing trades."""
    s = state_at(state)
    write_row(state, sim.SHIFTED, -1, 0, ticks, 0, 0, 0)
    own_rests = book[lay.OWN_RESTING] > 0
    if own_rests:
        take_own_out(book)
    # arrival numbers below `room` are for own orders that public lots come behind
    room = 2 * load_fixed(book, lay.OWN) + 2 if own_rests else 0
    for side in (1, -1):
        shift_side(book, side, ticks, room)
    book[lay.ARRIVAL] += room
    if own_rests:
        restore_own_orders(book, state, ticks)
    for word in (sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK):
        if state[word] != NO_BID and state[word] != NO_ASK:
            state[word] += ticks
    if s.mid2 != 0:
        record_mid_move(state, 2 * ticks)
        s.mid2 += 2 * ticks
        s.variance += 4 * ticks * ticks
    s.shift += ticks


@kernel
def take_own_out(book: Packed) -> None:
    """Unlink own orders from the book; their open lots are parked in PREV (0: the order did not rest)."""
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        lots = order.qty
        if lots > 0:
            reduce(book, load_fixed(book, lay.ORDERS) + i, lots)
        order.prev = lots


@kernel
def shift_side(book: Packed, side: int, ticks: int, room: int) -> None:
    """Shift one side and its window; arrival numbers grow by `room`."""
    width = load_fixed(book, lay.WIDTH)
    for n in range(width):
        move_queue(book, ring_level(book, side, n).head, ticks, room)
    move_queue(book, side_at(book, side).far, ticks, room)
    rotate_levels(book, side, width, ticks & (width - 1))
    header = side_at(book, side)
    if header.best != NO_BID and header.best != NO_ASK:
        header.best += ticks
    if header.lo != lay.NO_WINDOW:
        header.lo += ticks


@kernel
def move_queue(book: Packed, slot: int, ticks: int, room: int) -> None:
    """Add `ticks` to the prices and `room` to the arrival numbers of the orders of a linked list, from `slot` on."""
    while slot >= 0:
        order = order_at(book, slot)
        order.price += ticks
        order.arrival += room
        slot = order.next


@kernel
def rotate_levels(book: Packed, side: int, width: int, by: int) -> None:
    """Rotate level records: n goes to (n + by) modulo width, by three reversals."""
    if by != 0:
        reverse_levels(book, side, 0, width - 1)
        reverse_levels(book, side, 0, by - 1)
        reverse_levels(book, side, by, width - 1)


@kernel
def reverse_levels(book: Packed, side: int, first: int, last: int) -> None:
    """Reverse level records `first` to `last`, both included, in place."""
    while first < last:
        low = ring_level(book, side, first)
        high = ring_level(book, side, last)
        low.head, high.head = high.head, low.head
        low.tail, high.tail = high.tail, low.tail
        low.lots, high.lots = high.lots, low.lots
        low.own_lots, high.own_lots = high.own_lots, low.own_lots
        first += 1
        last -= 1


@kernel
def restore_own_orders(book: Packed, state: Longs, ticks: int) -> None:
    """Rest own orders again at their price, in the order of their old arrival."""
    placed = 0
    while True:
        earliest = -1
        for i in range(load_fixed(book, lay.OWN)):
            order = own_order_at(book, i)
            waits = order.qty == 0 and order.prev > 0
            if waits and (earliest < 0 or order.arrival < own_order_at(book, earliest).arrival):
                earliest = i
        if earliest < 0:
            return
        restore_own_order(book, state, earliest, ticks, placed)
        placed += 1


@kernel
def restore_own_order(book: Packed, state: Longs, own_index: int, ticks: int, placed: int) -> None:
    """Rest one own order again, behind those that precede it at its price; `placed` is the number that rest already."""
    slot = load_fixed(book, lay.ORDERS) + own_index
    order = order_at(book, slot)
    side = order.side
    price = order.price
    lots = order.prev
    public_behind = ticks * side > 0
    all_lots = lots_at(book, side, price)
    own_before = own_lots_at(book, side, price)
    hidden = all_lots == own_before and outside_feed(book, state, side, price)
    insert_own(book, own_index, side, price, lots, hidden)
    if public_behind:
        ledger_at(book, own_index).ahead = own_before
        order.arrival = 2 * placed + 1
        if not (order.marks & lay.FAR):
            bring_forward(book, slot)


@kernel
def own_lots_at(book: Packed, side: int, price: int) -> int:
    """Lots of own orders that rest at a price."""
    total = 0
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        if order.qty > 0 and order.price == price and order.side == side:
            total += order.qty
    return total


@kernel
def bring_forward(book: Packed, slot: int) -> None:
    """Move the last order of a level to the place its arrival number gives."""
    order = order_at(book, slot)
    level = level_at(book, order.side, order.price)
    unlink(book, level, slot)
    after = level.head
    if after < 0 or order_at(book, after).arrival > order.arrival:
        after = -1
    else:
        nxt = order_at(book, after).next
        while nxt >= 0 and order_at(book, nxt).arrival < order.arrival:
            after = nxt
            nxt = order_at(book, after).next
    link_after(book, level, slot, after)
