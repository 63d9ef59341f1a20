"""Translation of the public book by whole ticks, own orders staying in place.

What own orders see of it keeps the rules of price-time priority: public lots that reach or cross an own order trade
with it first, as if they arrived; of the others, lots that come to an own order's price from a better one stand ahead
of it, lots that come from a worse one behind it (lots that stood at its price have left it). Slots and the order of
the queues stay. The record has the trades, then one row SHIFTED, which whoever follows applies with `shift_public`.
"""

from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    in_window,
    insert_own,
    is_own,
    ledger_at,
    level_at,
    link_after,
    lots_at,
    order_at,
    own_order_at,
    reduce,
    ring_level,
    side_at,
    unlink,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import owe, public_take, write
from tercel.market.simulator.crossing import fill_crossed, first_own, outside_feed
from tercel.market.simulator.lately import moved
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE, REDUCE


@kernel
def translate(b: Packed, k: Longs, ticks: int) -> None:
    """Move the public book by `ticks`, up is positive; not 0."""
    if b[lay.OWN_RESTING] > 0:
        trade_crossed(b, k, ticks)
    shift_public(b, k, ticks)


# -- what trades on the way -------------------------------------------------------------------------------------------


@kernel
def trade_crossed(b: Packed, k: Longs, ticks: int) -> None:
    """Public orders that would reach or cross an own order trade with it, best first, against the mid before."""
    s = state_at(k)
    side = 1 if ticks > 0 else -1
    s.aggressor_mid2 = s.mid2
    while b[lay.OWN_RESTING] > 0:
        touch = s.public_bid if side > 0 else s.public_ask
        if touch == NO_BID or touch == NO_ASK or first_own(b, -side, touch + ticks, True) < 0:
            return
        slot = first_public(b, side, touch)
        lots = order_at(b, slot).qty
        left = fill_crossed(b, k, side, touch + ticks, lots)
        s.translated_lots += lots - left
        public_take(b, k, slot, lots - left, REDUCE if left > 0 else DELETE, False)
        owe(b, k, slot)


@kernel
def first_public(b: Packed, side: int, price: int) -> int:
    """First public order in priority at a price that has one."""
    if in_window(b, side, price):
        slot = level_at(b, side, price).head
        while is_own(b, slot):
            slot = order_at(b, slot).next
        return slot
    found, arrival = -1, -1
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if o.price == price and not is_own(b, slot) and (found < 0 or o.arrival < arrival):
            found, arrival = slot, o.arrival
        slot = o.next
    return found


# -- the move ---------------------------------------------------------------------------------------------------------


@kernel
def shift_public(b: Packed, k: Longs, ticks: int) -> None:
    """Move every public order by `ticks`; touches, mid and its squared moves follow. Nothing trades."""
    s = state_at(k)
    write(k, sim.SHIFTED, -1, 0, ticks, 0, 0, 0)
    own_rests = b[lay.OWN_RESTING] > 0
    if own_rests:
        take_own_out(b)
    # arrival numbers below `room` are for own orders that public lots come behind
    room = 2 * fixed(b, lay.OWN) + 2 if own_rests else 0
    for side in (1, -1):
        shift_side(b, side, ticks, room)
    b[lay.ARRIVAL] += room
    if own_rests:
        put_own_back(b, k, ticks)
    for at in (sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK):
        if k[at] != NO_BID and k[at] != NO_ASK:
            k[at] += ticks
    if s.mid2 != 0:
        moved(k, 2 * ticks)
        s.mid2 += 2 * ticks
        s.variance += 4 * ticks * ticks
    s.shift += ticks


@kernel
def take_own_out(b: Packed) -> None:
    """Unlink own orders; their lots are parked in PREV, unused outside a queue (0: it did not rest)."""
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        lots = o.qty
        if lots > 0:
            reduce(b, fixed(b, lay.ORDERS) + i, lots)
        o.prev = lots


@kernel
def shift_side(b: Packed, side: int, ticks: int, room: int) -> None:
    """Shift one side and its window; arrival numbers grow by `room`."""
    width = fixed(b, lay.WIDTH)
    for n in range(width):
        move_queue(b, ring_level(b, side, n).head, ticks, room)
    move_queue(b, side_at(b, side).far, ticks, room)
    rotate(b, side, width, ticks & (width - 1))
    mine = side_at(b, side)
    if mine.best != NO_BID and mine.best != NO_ASK:
        mine.best += ticks
    if mine.lo != lay.NO_WINDOW:
        mine.lo += ticks


@kernel
def move_queue(b: Packed, slot: int, ticks: int, room: int) -> None:
    """Set new prices and arrival numbers along a linked list."""
    while slot >= 0:
        o = order_at(b, slot)
        o.price += ticks
        o.arrival += room
        slot = o.next


@kernel
def rotate(b: Packed, side: int, width: int, by: int) -> None:
    """Rotate level records: n goes to (n + by) modulo width, by three reversals."""
    if by != 0:
        reverse(b, side, 0, width - 1)
        reverse(b, side, 0, by - 1)
        reverse(b, side, by, width - 1)


@kernel
def reverse(b: Packed, side: int, first: int, last: int) -> None:
    """Level records `first` to `last` in opposite order."""
    while first < last:
        one, other = ring_level(b, side, first), ring_level(b, side, last)
        one.head, other.head = other.head, one.head
        one.tail, other.tail = other.tail, one.tail
        one.lots, other.lots = other.lots, one.lots
        one.own_lots, other.own_lots = other.own_lots, one.own_lots
        first += 1
        last -= 1


@kernel
def put_own_back(b: Packed, k: Longs, ticks: int) -> None:
    """Rest own orders again at their price, in the order of their old arrival."""
    placed = 0
    while True:
        found = -1
        for i in range(fixed(b, lay.OWN)):
            o = own_order_at(b, i)
            waits = o.qty == 0 and o.prev > 0
            if waits and (found < 0 or o.arrival < own_order_at(b, found).arrival):
                found = i
        if found < 0:
            return
        put_back(b, k, found, ticks, placed)
        placed += 1


@kernel
def put_back(b: Packed, k: Longs, own: int, ticks: int, placed: int) -> None:
    """Rest one own order behind those that precede it at its price; `placed` rest in all."""
    slot = fixed(b, lay.ORDERS) + own
    o = order_at(b, slot)
    side, price, lots = o.side, o.price, o.prev
    public_behind = ticks * side > 0
    all_lots, own_before = lots_at(b, side, price), own_lots_at(b, side, price)
    hidden = all_lots == own_before and outside_feed(b, k, side, price)
    insert_own(b, own, side, price, lots, hidden)
    if public_behind:
        ledger_at(b, own).ahead = own_before
        o.arrival = 2 * placed + 1
        if not (o.marks & lay.FAR):
            bring_forward(b, slot)


@kernel
def own_lots_at(b: Packed, side: int, price: int) -> int:
    """Lots of own orders that rest at a price."""
    total = 0
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        if o.qty > 0 and o.price == price and o.side == side:
            total += o.qty
    return total


@kernel
def bring_forward(b: Packed, slot: int) -> None:
    """Move the last order of a level to the place its arrival number gives."""
    o = order_at(b, slot)
    lv = level_at(b, o.side, o.price)
    unlink(b, lv, slot)
    after = lv.head
    if after < 0 or order_at(b, after).arrival > o.arrival:
        after = -1
    else:
        nxt = order_at(b, after).next
        while nxt >= 0 and order_at(b, nxt).arrival < o.arrival:
            after = nxt
            nxt = order_at(b, after).next
    link_after(b, lv, slot, after)
