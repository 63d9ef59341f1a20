"""The whole public book moved by whole ticks, own orders where they are.

What own orders see of it keeps the rules of price-time priority: public lots that reach or cross an own order trade
with it first, as if they arrived; of the others, lots that come to an own order's price from a better one stand ahead
of it, lots that come from a worse one behind it (lots that stood at its price have left it). Slots and the order of
the queues stay. The record has the trades, then one row SHIFTED, which whoever follows applies with `shift_public`.
"""

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import in_window, insert_own, is_own, level_at, link_after, lots_at, reduce, unlink
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import owe, public_take, write
from tercel.market.simulator.crossing import fill_crossed, first_own, outside_feed
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
    """Public orders that would reach or cross an own order trade with it, best first; all met the mid of before."""
    side = 1 if ticks > 0 else -1
    k[sim.AGGRESSOR_MID2] = k[sim.MID2]
    while b[lay.OWN_RESTING] > 0:
        touch = k[sim.PUBLIC_BID] if side > 0 else k[sim.PUBLIC_ASK]
        if touch == NO_BID or touch == NO_ASK or first_own(b, -side, touch + ticks, True) < 0:
            return
        slot = first_public(b, side, touch)
        lots = b[lay.HEADER + slot * lay.ORDER + lay.QTY]
        left = fill_crossed(b, k, side, touch + ticks, lots)
        k[sim.TRANSLATED_LOTS] += lots - left
        public_take(b, k, slot, lots - left, REDUCE if left > 0 else DELETE, False)
        owe(b, k, slot)


@kernel
def first_public(b: Packed, side: int, price: int) -> int:
    """The public order with priority at a price that has one."""
    if in_window(b, side, price):
        slot = b[level_at(b, side, price) + lay.HEAD]
        while is_own(b, slot):
            slot = b[lay.HEADER + slot * lay.ORDER + lay.NEXT]
        return slot
    found, arrival = -1, -1
    slot = b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK]
    while slot >= 0:
        o = lay.HEADER + slot * lay.ORDER
        if b[o + lay.PRICE] == price and not is_own(b, slot) and (found < 0 or b[o + lay.ARR] < arrival):
            found, arrival = slot, b[o + lay.ARR]
        slot = b[o + lay.NEXT]
    return found


# -- the move ---------------------------------------------------------------------------------------------------------


@kernel
def shift_public(b: Packed, k: Longs, ticks: int) -> None:
    """Move every public order by `ticks`; touches, mid and its squared moves follow. Nothing trades."""
    write(k, sim.SHIFTED, -1, 0, ticks, 0, 0, 0)
    own_rests = b[lay.OWN_RESTING] > 0
    if own_rests:
        take_own_out(b)
    # arrival numbers below `room` are for own orders that public lots come behind
    room = 2 * b[lay.OWN] + 2 if own_rests else 0
    for side in (1, -1):
        shift_side(b, side, ticks, room)
    b[lay.ARRIVAL] += room
    if own_rests:
        put_own_back(b, k, ticks)
    for at in (sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK):
        if k[at] != NO_BID and k[at] != NO_ASK:
            k[at] += ticks
    if k[sim.MID2] != 0:
        k[sim.MID2] += 2 * ticks
        k[sim.VARIANCE] += 4 * ticks * ticks
    k[sim.SHIFT] += ticks


@kernel
def take_own_out(b: Packed) -> None:
    """Unlink own orders; their lots wait in PREV, which means nothing outside a queue (0: it did not rest)."""
    for i in range(b[lay.OWN]):
        o = lay.HEADER + (b[lay.ORDERS] + i) * lay.ORDER
        lots = b[o + lay.QTY]
        if lots > 0:
            reduce(b, b[lay.ORDERS] + i, lots)
        b[o + lay.PREV] = lots


@kernel
def shift_side(b: Packed, side: int, ticks: int, room: int) -> None:
    """Move one side, its window with it; arrival numbers grow by `room`."""
    width = b[lay.WIDTH]
    ring = b[lay.AT_LEVELS] if side > 0 else b[lay.AT_LEVELS] + width * lay.LEVEL
    for n in range(width):
        move_queue(b, b[ring + n * lay.LEVEL + lay.HEAD], ticks, room)
    move_queue(b, b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK], ticks, room)
    rotate(b, ring, width, ticks & (width - 1))
    at = lay.BEST_BID if side > 0 else lay.BEST_ASK
    if b[at] != NO_BID and b[at] != NO_ASK:
        b[at] += ticks
    at = lay.LO_BID if side > 0 else lay.LO_ASK
    if b[at] != lay.NO_WINDOW:
        b[at] += ticks


@kernel
def move_queue(b: Packed, slot: int, ticks: int, room: int) -> None:
    """New prices and arrival numbers along a linked list."""
    while slot >= 0:
        o = lay.HEADER + slot * lay.ORDER
        b[o + lay.PRICE] += ticks
        b[o + lay.ARR] += room
        slot = b[o + lay.NEXT]


@kernel
def rotate(b: Packed, ring: int, width: int, by: int) -> None:
    """Level record n goes to (n + by) modulo width: all reversed, then each part."""
    if by != 0:
        reverse(b, ring, 0, width - 1)
        reverse(b, ring, 0, by - 1)
        reverse(b, ring, by, width - 1)


@kernel
def reverse(b: Packed, ring: int, first: int, last: int) -> None:
    """Level records `first` to `last` in opposite order."""
    while first < last:
        one, other = ring + first * lay.LEVEL, ring + last * lay.LEVEL
        for word in range(lay.LEVEL):
            b[one + word], b[other + word] = b[other + word], b[one + word]
        first += 1
        last -= 1


@kernel
def put_own_back(b: Packed, k: Longs, ticks: int) -> None:
    """Own orders rest again at their price, in the order of their old arrival."""
    placed = 0
    while True:
        found = -1
        for i in range(b[lay.OWN]):
            o = lay.HEADER + (b[lay.ORDERS] + i) * lay.ORDER
            waits = b[o + lay.QTY] == 0 and b[o + lay.PREV] > 0
            if waits and (found < 0 or b[o + lay.ARR] < b[lay.HEADER + (b[lay.ORDERS] + found) * lay.ORDER + lay.ARR]):
                found = i
        if found < 0:
            return
        put_back(b, k, found, ticks, placed)
        placed += 1


@kernel
def put_back(b: Packed, k: Longs, own: int, ticks: int, placed: int) -> None:
    """One own order; those that come before it at its price rest already, `placed` own orders in all."""
    slot = b[lay.ORDERS] + own
    o = lay.HEADER + slot * lay.ORDER
    side, price, lots = b[o + lay.SIDE], b[o + lay.PRICE], b[o + lay.PREV]
    public_behind = ticks * side > 0
    all_lots, own_before = lots_at(b, side, price), own_lots_at(b, side, price)
    hidden = all_lots == own_before and outside_feed(b, k, side, price)
    insert_own(b, own, side, price, lots, hidden)
    if public_behind:
        b[b[lay.AT_LEDGER] + own * lay.LEDGER + lay.AHEAD] = own_before
        b[o + lay.ARR] = 2 * placed + 1
        if not (b[o + lay.FLAGS] & lay.FAR):
            bring_forward(b, slot)


@kernel
def own_lots_at(b: Packed, side: int, price: int) -> int:
    """Lots of own orders that rest at a price."""
    total = 0
    for i in range(b[lay.OWN]):
        o = lay.HEADER + (b[lay.ORDERS] + i) * lay.ORDER
        if b[o + lay.QTY] > 0 and b[o + lay.PRICE] == price and b[o + lay.SIDE] == side:
            total += b[o + lay.QTY]
    return total


@kernel
def bring_forward(b: Packed, slot: int) -> None:
    """The last of a level goes to where its arrival number belongs."""
    o = lay.HEADER + slot * lay.ORDER
    lv = level_at(b, b[o + lay.SIDE], b[o + lay.PRICE])
    unlink(b, lv, slot)
    after = b[lv + lay.HEAD]
    if after < 0 or b[lay.HEADER + after * lay.ORDER + lay.ARR] > b[o + lay.ARR]:
        after = -1
    else:
        nxt = b[lay.HEADER + after * lay.ORDER + lay.NEXT]
        while nxt >= 0 and b[lay.HEADER + nxt * lay.ORDER + lay.ARR] < b[o + lay.ARR]:
            after = nxt
            nxt = b[lay.HEADER + after * lay.ORDER + lay.NEXT]
    link_after(b, lv, slot, after)
