"""The price-time book as kernels over one packed array (see `layout`): insert, reduce, find the best.

Each side has a ring of levels (price modulo width) over a window `[lo, lo + width)` that holds its best price; orders
beyond it lie in an unsorted far list and come back, in arrival order, when the window moves. Queue position of own
orders is updated incrementally: code that removes lots from a level that holds own lots corrects the own orders behind.
"""

from typing import Any

import numpy as np

from tercel.core.jit import Longs, Packed, fixed, inlined_kernel, kernel, rare_kernel, record_at
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay


def _words(*names: str) -> Any:
    return np.dtype((np.record, [(name, np.int32) for name in names]))


ORDER = _words("price", "qty", "prev", "next", "arrival", "side", "marks", "tag")
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


@inlined_kernel
def in_window(b: Packed, side: int, price: int) -> bool:
    lo = side_at(b, side).lo
    return lo <= price < lo + fixed(b, lay.WIDTH)


@inlined_kernel
def best(b: Packed, side: int) -> int:
    """Best price of a side, own orders included; NO_BID / NO_ASK when empty."""
    return side_at(b, side).best


@kernel
def changes(b: Packed, side: int) -> int:
    """Change counter of a side: while it stays the same, so do the orders there."""
    return side_at(b, side).changes


@kernel
def is_own(b: Packed, slot: int) -> bool:
    return fixed(b, lay.ORDERS) <= slot < fixed(b, lay.ORDERS) + fixed(b, lay.OWN)


@kernel
def public_lots_at(b: Packed, side: int, price: int) -> int:
    """Public lots at a price, inside the window or beyond."""
    total = lots_at(b, side, price)
    if b[lay.OWN_RESTING] > 0:
        for i in range(fixed(b, lay.OWN)):
            o = own_order_at(b, i)
            if o.price == price and o.side == side:
                total -= o.qty
    return total


@kernel
def lots_at(b: Packed, side: int, price: int) -> int:
    """All lots at a price, own included, inside the window or beyond."""
    if in_window(b, side, price):
        return level_at(b, side, price).lots
    total = 0
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if o.price == price:
            total += o.qty
        slot = o.next
    return total


# -- slots ------------------------------------------------------------------------------------------------------------


@inlined_kernel
def allocate(b: Packed) -> int:
    """Allocate a public slot; -1, counted as overflow, if all are in use."""
    slot = b[lay.FREE]
    if slot >= 0:
        b[lay.FREE] = order_at(b, slot).next
    # Slots that were given back come first, so that the part of the array in use stays small.
    elif b[lay.HIGH] < fixed(b, lay.ORDERS):
        slot = b[lay.HIGH]
        b[lay.HIGH] += 1
    else:
        b[lay.OVERFLOW] += 1
        return -1
    b[lay.LIVE] += 1
    return slot


@inlined_kernel
def release(b: Packed, slot: int) -> None:
    """Free a public slot whose order is out of the book."""
    order_at(b, slot).next = b[lay.FREE]
    b[lay.FREE] = slot
    b[lay.LIVE] -= 1


# -- linking ----------------------------------------------------------------------------------------------------------


@rare_kernel
def _link_far(b: Packed, slot: int, side: int) -> None:
    mine = side_at(b, side)
    o = order_at(b, slot)
    o.marks |= lay.FAR
    o.prev = -1
    o.next = mine.far
    if mine.far >= 0:
        order_at(b, mine.far).prev = slot
    mine.far = slot


@rare_kernel
def unlink_far(b: Packed, slot: int, side: int) -> None:
    o = order_at(b, slot)
    prev, nxt = o.prev, o.next
    if prev >= 0:
        order_at(b, prev).next = nxt
    else:
        side_at(b, side).far = nxt
    if nxt >= 0:
        order_at(b, nxt).prev = prev
    o.marks &= ~lay.FAR


@kernel
def _link_sorted(b: Packed, slot: int, side: int) -> None:
    """Put an order that came back from the far list into its level by arrival number."""
    o = order_at(b, slot)
    lv = level_at(b, side, o.price)
    after = lv.tail
    while after >= 0 and order_at(b, after).arrival > o.arrival:
        after = order_at(b, after).prev
    link_after(b, lv, slot, after)
    if lv.lots == 0:
        side_at(b, side).levels += 1
    lv.lots += o.qty
    if is_own(b, slot):
        lv.own_lots += o.qty


@kernel
def link_after(b: Packed, lv: Any, slot: int, after: int) -> None:
    """Link a slot into a level's queue behind `after` (-1: at the head); lots are not counted."""
    o = order_at(b, slot)
    nxt = lv.head if after < 0 else order_at(b, after).next
    o.prev = after
    o.next = nxt
    if after < 0:
        lv.head = slot
    else:
        order_at(b, after).next = slot
    if nxt < 0:
        lv.tail = slot
    else:
        order_at(b, nxt).prev = slot


@inlined_kernel
def unlink(b: Packed, lv: Any, slot: int) -> None:
    """Unlink a slot from a level's queue; lots are not counted."""
    o = order_at(b, slot)
    prev, nxt = o.prev, o.next
    if prev >= 0:
        order_at(b, prev).next = nxt
    else:
        lv.head = nxt
    if nxt >= 0:
        order_at(b, nxt).prev = prev
    else:
        lv.tail = prev


# -- the window -------------------------------------------------------------------------------------------------------


@kernel
def _evict(b: Packed, side: int, price: int) -> None:
    """Move a level's orders to the far list."""
    lv = level_at(b, side, price)
    slot = lv.head
    if slot < 0:
        return
    while slot >= 0:
        nxt = order_at(b, slot).next
        _link_far(b, slot, side)
        slot = nxt
    lv.head = -1
    lv.tail = -1
    lv.lots = 0
    lv.own_lots = 0
    side_at(b, side).levels -= 1


@rare_kernel
def recentre(b: Packed, side: int, price: int) -> None:
    """Move a side's window so that its best `price` has three quarters of the window behind it."""
    width = fixed(b, lay.WIDTH)
    mine = side_at(b, side)
    old = mine.lo
    lo = price - 3 * width // 4 if side > 0 else price - width // 4
    if mine.levels > 0:
        # Only levels that leave: the ring keeps all others in place.
        if lo > old:
            for p in range(old, min(lo, old + width)):
                _evict(b, side, p)
        else:
            for p in range(max(lo + width, old), old + width):
                _evict(b, side, p)
    mine.lo = lo
    slot = mine.far
    while slot >= 0:
        o = order_at(b, slot)
        nxt = o.next
        if lo <= o.price < lo + width:
            unlink_far(b, slot, side)
            # By arrival: a level that comes back has its queue in the old order.
            _link_sorted(b, slot, side)
        slot = nxt


@rare_kernel
def refind_best(b: Packed, side: int, price: int) -> None:
    """Find the next best level after the one at `price` emptied, in the ring or the far list."""
    mine = side_at(b, side)
    none = NO_BID if side > 0 else NO_ASK
    if mine.levels > 0:
        p = price - side
        # It ends: `levels` counts the occupied ones in the window, and all are on this side of the old best.
        while level_at(b, side, p).lots == 0:
            p -= side
        mine.best = p
        lo = mine.lo
        room = p - lo if side > 0 else lo + fixed(b, lay.WIDTH) - 1 - p
        # Early: at the window's edge every new level would go to the far list, which is walked.
        if room < fixed(b, lay.WIDTH) // 4:
            recentre(b, side, p)
        return
    far = mine.far
    if far < 0:
        mine.best = none
        mine.lo = lay.NO_WINDOW
        return
    p = none
    while far >= 0:
        o = order_at(b, far)
        if (o.price - p) * side > 0:
            p = o.price
        far = o.next
    recentre(b, side, p)
    mine.best = p


@rare_kernel
def _place_outside(b: Packed, side: int, price: int) -> bool:
    """A price outside the window: move the window if it is the new best (True), else it belongs to the far list."""
    # The best price is always in the window: it is read at every event.
    if (price - best(b, side)) * side > 0:
        recentre(b, side, price)
        return True
    return False


# -- orders -----------------------------------------------------------------------------------------------------------


@inlined_kernel
def insert(b: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """Rest `qty` lots at the tail of a price level under a free slot."""
    o = order_at(b, slot)
    o.price = price
    o.qty = qty
    o.arrival = b[lay.ARRIVAL]
    o.side = side
    o.marks = 0
    b[lay.ARRIVAL] += 1
    mine = side_at(b, side)
    mine.changes += 1
    if not in_window(b, side, price) and not _place_outside(b, side, price):
        _link_far(b, slot, side)
        return
    lv = level_at(b, side, price)
    tail = lv.tail
    o.prev = tail
    o.next = -1
    if tail >= 0:
        order_at(b, tail).next = slot
    else:
        lv.head = slot
        mine.levels += 1
        if (price - mine.best) * side > 0:
            mine.best = price
    lv.tail = slot
    lv.lots += qty


@rare_kernel
def _move_up(b: Packed, side: int, price: int, arrival: int, qty: int) -> None:
    """Lots with arrival number `arrival` left the level: own orders behind them move up."""
    unseen = b[lay.OWN_RESTING]
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        if o.qty == 0:
            continue
        if o.price == price and o.arrival > arrival and o.side == side:
            ledger_at(b, i).ahead -= qty
        unseen -= 1
        # Most places are empty: no further than the last own order that rests.
        if unseen == 0:
            return


@inlined_kernel
def reduce(b: Packed, slot: int, qty: int) -> int:
    """Take `qty` lots (at most its remaining lots) from an order; at zero it leaves the book. Returns the lots taken.

    The slot stays allocated; the caller releases it.
    """
    o = order_at(b, slot)
    have = o.qty
    qty = min(qty, have)
    if qty <= 0:
        return 0
    side, price = o.side, o.price
    side_at(b, side).changes += 1
    o.qty = have - qty
    if o.marks & lay.FAR:
        _reduce_far(b, slot, qty)
        return qty
    lv = level_at(b, side, price)
    lots = lv.lots - qty
    lv.lots = lots
    if lv.own_lots > 0:
        _reduce_among_own(b, lv, slot, qty)
    if qty < have:
        return qty
    unlink(b, lv, slot)
    if lots == 0:
        side_at(b, side).levels -= 1
        if price == best(b, side):
            refind_best(b, side, price)
    return qty


@rare_kernel
def _reduce_far(b: Packed, slot: int, qty: int) -> None:
    """The part of `reduce` for an order in the far list."""
    o = order_at(b, slot)
    side = o.side
    if b[lay.OWN_RESTING] > 0:
        _move_up(b, side, o.price, o.arrival, qty)
    if o.qty == 0:
        unlink_far(b, slot, side)
        if is_own(b, slot):
            b[lay.OWN_RESTING] -= 1


@rare_kernel
def _reduce_among_own(b: Packed, lv: Any, slot: int, qty: int) -> None:
    """The part of `reduce` for a level with own orders."""
    o = order_at(b, slot)
    _move_up(b, o.side, o.price, o.arrival, qty)
    if is_own(b, slot):
        lv.own_lots -= qty
        if o.qty == 0:
            b[lay.OWN_RESTING] -= 1


@kernel
def first_at(b: Packed, side: int, price: int) -> int:
    """First slot with a price in the list (level or far) that holds that price, -1 none."""
    if in_window(b, side, price):
        return level_at(b, side, price).head
    slot = side_at(b, side).far
    while slot >= 0 and order_at(b, slot).price != price:
        slot = order_at(b, slot).next
    return slot


@kernel
def head_at(b: Packed, side: int, price: int) -> int:
    """First order in the queue of a price inside the window, -1 none."""
    return level_at(b, side, price).head


# -- own orders -------------------------------------------------------------------------------------------------------


@kernel
def insert_own(b: Packed, own: int, side: int, price: int, qty: int, outside_feed: bool) -> None:
    """Rest own order `own` at the tail of its level. `outside_feed`: the feed does not show what rests there."""
    led = ledger_at(b, own)
    led.ahead = lots_at(b, side, price)
    led.ahead_state = lay.AHEAD_KNOWN
    if outside_feed:
        led.ahead += lay.AHEAD_UNKNOWN_LOTS
        led.ahead_state = lay.AHEAD_FROZEN
    b[lay.ARRIVAL] += 1  # stays free for the piece of a block that may roll in right before it
    insert(b, fixed(b, lay.ORDERS) + own, side, price, qty)
    b[lay.OWN_RESTING] += 1
    if in_window(b, side, price):
        level_at(b, side, price).own_lots += qty


@kernel
def public_depth(b: Packed, side: int, touch: int, out: Longs, at: int, levels: int) -> None:
    """Public lots on the best occupied levels of a side into `out[at : at + levels]`, best first, 0 where none."""
    for n in range(levels):
        out[at + n] = 0
    if touch == NO_BID or touch == NO_ASK:
        return
    price, n = touch, 0
    while n < levels and in_window(b, side, price):
        lv = level_at(b, side, price)
        lots = lv.lots - lv.own_lots
        if lots > 0:
            out[at + n] = lots
            n += 1
        price -= side
