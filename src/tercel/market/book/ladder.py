"""The price-time book as kernels over one packed array (see `layout`): insert, reduce, find the best.

Each side has a ring of levels (price modulo width) over a window `[lo, lo + width)` that holds its best price; orders
beyond it lie in an unsorted far list and come back, in arrival order, when the window moves. Queue position of own
orders is kept incrementally: whoever removes lots from a level that holds own lots corrects the own orders behind.
"""

from tercel.core.jit import Longs, Packed, inlined_kernel, kernel, rare_kernel
from tercel.core.memory import fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay


@inlined_kernel
def level_at(b: Packed, side: int, price: int) -> int:
    """Offset of the ring record for a price inside the side's window."""
    ring = fixed(b, lay.AT_LEVELS) if side > 0 else fixed(b, lay.AT_LEVELS) + fixed(b, lay.WIDTH) * lay.LEVEL
    return ring + (price & (fixed(b, lay.WIDTH) - 1)) * lay.LEVEL


@inlined_kernel
def in_window(b: Packed, side: int, price: int) -> bool:
    lo = b[lay.LO_BID] if side > 0 else b[lay.LO_ASK]
    return lo <= price < lo + fixed(b, lay.WIDTH)


@inlined_kernel
def best(b: Packed, side: int) -> int:
    """Best price of a side, own orders included; NO_BID / NO_ASK when empty."""
    return b[lay.BEST_BID] if side > 0 else b[lay.BEST_ASK]


@kernel
def changes(b: Packed, side: int) -> int:
    """How often a side has changed: while the number stays, so do the orders on it."""
    return b[lay.CHANGES] if side > 0 else b[lay.CHANGES + 1]


@kernel
def is_own(b: Packed, slot: int) -> bool:
    return fixed(b, lay.ORDERS) <= slot < fixed(b, lay.ORDERS) + fixed(b, lay.OWN)


@kernel
def public_lots_at(b: Packed, side: int, price: int) -> int:
    """Lots of others at a price, wherever they lie."""
    total = lots_at(b, side, price)
    if b[lay.OWN_RESTING] > 0:
        for i in range(fixed(b, lay.OWN)):
            o = lay.HEADER + (fixed(b, lay.ORDERS) + i) * lay.ORDER
            if b[o + lay.PRICE] == price and b[o + lay.SIDE] == side:
                total -= b[o + lay.QTY]
    return total


@kernel
def lots_at(b: Packed, side: int, price: int) -> int:
    """All lots at a price, own included, wherever they lie."""
    if in_window(b, side, price):
        return b[level_at(b, side, price) + lay.LOTS]
    total = 0
    slot = b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK]
    while slot >= 0:
        o = lay.HEADER + slot * lay.ORDER
        if b[o + lay.PRICE] == price:
            total += b[o + lay.QTY]
        slot = b[o + lay.NEXT]
    return total


# -- slots ------------------------------------------------------------------------------------------------------------


@inlined_kernel
def allocate(b: Packed) -> int:
    """A free public slot, or -1 and one more overflow."""
    slot = b[lay.FREE]
    if slot >= 0:
        b[lay.FREE] = b[lay.HEADER + slot * lay.ORDER + lay.NEXT]
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
    """Give a public slot back; its order must be out of the book."""
    b[lay.HEADER + slot * lay.ORDER + lay.NEXT] = b[lay.FREE]
    b[lay.FREE] = slot
    b[lay.LIVE] -= 1


# -- linking ----------------------------------------------------------------------------------------------------------


@rare_kernel
def _link_far(b: Packed, slot: int, side: int) -> None:
    head = lay.FAR_BID if side > 0 else lay.FAR_ASK
    o = lay.HEADER + slot * lay.ORDER
    b[o + lay.FLAGS] |= lay.FAR
    b[o + lay.PREV] = -1
    b[o + lay.NEXT] = b[head]
    if b[head] >= 0:
        b[lay.HEADER + b[head] * lay.ORDER + lay.PREV] = slot
    b[head] = slot


@rare_kernel
def unlink_far(b: Packed, slot: int, side: int) -> None:
    o = lay.HEADER + slot * lay.ORDER
    prev, nxt = b[o + lay.PREV], b[o + lay.NEXT]
    if prev >= 0:
        b[lay.HEADER + prev * lay.ORDER + lay.NEXT] = nxt
    elif side > 0:
        b[lay.FAR_BID] = nxt
    else:
        b[lay.FAR_ASK] = nxt
    if nxt >= 0:
        b[lay.HEADER + nxt * lay.ORDER + lay.PREV] = prev
    b[o + lay.FLAGS] &= ~lay.FAR


@kernel
def _link_sorted(b: Packed, slot: int, side: int) -> None:
    """Put an order that came back from the far list into its level by arrival number."""
    o = lay.HEADER + slot * lay.ORDER
    lv = level_at(b, side, b[o + lay.PRICE])
    after = b[lv + lay.TAIL]
    while after >= 0 and b[lay.HEADER + after * lay.ORDER + lay.ARR] > b[o + lay.ARR]:
        after = b[lay.HEADER + after * lay.ORDER + lay.PREV]
    link_after(b, lv, slot, after)
    if b[lv + lay.LOTS] == 0:
        b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] += 1
    b[lv + lay.LOTS] += b[o + lay.QTY]
    if is_own(b, slot):
        b[lv + lay.OWN_LOTS] += b[o + lay.QTY]


@kernel
def link_after(b: Packed, lv: int, slot: int, after: int) -> None:
    """Link a slot into a level's queue behind `after` (-1: at the head); lots are the caller's to count."""
    o = lay.HEADER + slot * lay.ORDER
    nxt = b[lv + lay.HEAD] if after < 0 else b[lay.HEADER + after * lay.ORDER + lay.NEXT]
    b[o + lay.PREV] = after
    b[o + lay.NEXT] = nxt
    if after < 0:
        b[lv + lay.HEAD] = slot
    else:
        b[lay.HEADER + after * lay.ORDER + lay.NEXT] = slot
    if nxt < 0:
        b[lv + lay.TAIL] = slot
    else:
        b[lay.HEADER + nxt * lay.ORDER + lay.PREV] = slot


@inlined_kernel
def unlink(b: Packed, lv: int, slot: int) -> None:
    """Take a slot out of a level's queue; lots are the caller's to count."""
    o = lay.HEADER + slot * lay.ORDER
    prev, nxt = b[o + lay.PREV], b[o + lay.NEXT]
    b[lay.HEADER + prev * lay.ORDER + lay.NEXT if prev >= 0 else lv + lay.HEAD] = nxt
    b[lay.HEADER + nxt * lay.ORDER + lay.PREV if nxt >= 0 else lv + lay.TAIL] = prev


# -- the window -------------------------------------------------------------------------------------------------------


@kernel
def _evict(b: Packed, side: int, price: int) -> None:
    """Move a level's orders to the far list."""
    lv = level_at(b, side, price)
    slot = b[lv + lay.HEAD]
    if slot < 0:
        return
    while slot >= 0:
        nxt = b[lay.HEADER + slot * lay.ORDER + lay.NEXT]
        _link_far(b, slot, side)
        slot = nxt
    b[lv + lay.HEAD] = -1
    b[lv + lay.TAIL] = -1
    b[lv + lay.LOTS] = 0
    b[lv + lay.OWN_LOTS] = 0
    b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] -= 1


@rare_kernel
def recentre(b: Packed, side: int, price: int) -> None:
    """Move a side's window so that `price`, its best, has three quarters of the window behind it."""
    width = fixed(b, lay.WIDTH)
    at = lay.LO_BID if side > 0 else lay.LO_ASK
    old = b[at]
    lo = price - 3 * width // 4 if side > 0 else price - width // 4
    if b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] > 0:
        if lo > old:
            for p in range(old, min(lo, old + width)):
                _evict(b, side, p)
        else:
            for p in range(max(lo + width, old), old + width):
                _evict(b, side, p)
    b[at] = lo
    slot = b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK]
    while slot >= 0:
        o = lay.HEADER + slot * lay.ORDER
        nxt = b[o + lay.NEXT]
        if lo <= b[o + lay.PRICE] < lo + width:
            unlink_far(b, slot, side)
            _link_sorted(b, slot, side)
        slot = nxt


@rare_kernel
def refind_best(b: Packed, side: int, price: int) -> None:
    """After the best level at `price` emptied: the next one, from the ring or from the far list."""
    at = lay.BEST_BID if side > 0 else lay.BEST_ASK
    none = NO_BID if side > 0 else NO_ASK
    if b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] > 0:
        ring = fixed(b, lay.AT_LEVELS) if side > 0 else fixed(b, lay.AT_LEVELS) + fixed(b, lay.WIDTH) * lay.LEVEL
        mask = fixed(b, lay.WIDTH) - 1
        p = price - side
        while b[ring + (p & mask) * lay.LEVEL + lay.LOTS] == 0:
            p -= side
        b[at] = p
        lo = b[lay.LO_BID] if side > 0 else b[lay.LO_ASK]
        room = p - lo if side > 0 else lo + fixed(b, lay.WIDTH) - 1 - p
        if room < fixed(b, lay.WIDTH) // 4:
            recentre(b, side, p)
        return
    far = b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK]
    if far < 0:
        b[at] = none
        b[lay.LO_BID if side > 0 else lay.LO_ASK] = lay.NO_WINDOW
        return
    p = none
    while far >= 0:
        o = lay.HEADER + far * lay.ORDER
        if (b[o + lay.PRICE] - p) * side > 0:
            p = b[o + lay.PRICE]
        far = b[o + lay.NEXT]
    recentre(b, side, p)
    b[at] = p


@rare_kernel
def _place_outside(b: Packed, side: int, price: int) -> bool:
    """A price outside the window: move the window if it is the new best (True), else it belongs to the far list."""
    if (price - best(b, side)) * side > 0:
        recentre(b, side, price)
        return True
    return False


# -- orders -----------------------------------------------------------------------------------------------------------


@inlined_kernel
def insert(b: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """Rest `qty` lots at the tail of a price level under a slot that is not in use."""
    o = lay.HEADER + slot * lay.ORDER
    b[o + lay.PRICE] = price
    b[o + lay.QTY] = qty
    b[o + lay.ARR] = b[lay.ARRIVAL]
    b[o + lay.SIDE] = side
    b[o + lay.FLAGS] = 0
    b[lay.ARRIVAL] += 1
    b[lay.CHANGES if side > 0 else lay.CHANGES + 1] += 1
    if not in_window(b, side, price) and not _place_outside(b, side, price):
        _link_far(b, slot, side)
        return
    lv = level_at(b, side, price)
    tail = b[lv + lay.TAIL]
    b[o + lay.PREV] = tail
    b[o + lay.NEXT] = -1
    b[lay.HEADER + tail * lay.ORDER + lay.NEXT if tail >= 0 else lv + lay.HEAD] = slot
    b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] += 1 if tail < 0 else 0
    at = lay.BEST_BID if side > 0 else lay.BEST_ASK
    if (price - b[at]) * side > 0:
        b[at] = price
    b[lv + lay.TAIL] = slot
    b[lv + lay.LOTS] += qty


@rare_kernel
def _move_up(b: Packed, side: int, price: int, arrival: int, qty: int) -> None:
    """Lots with arrival number `arrival` left the level: own orders behind them move up."""
    orders, unseen = fixed(b, lay.ORDERS), b[lay.OWN_RESTING]
    for i in range(fixed(b, lay.OWN)):
        o = lay.HEADER + (orders + i) * lay.ORDER
        if b[o + lay.QTY] == 0:
            continue
        if b[o + lay.PRICE] == price and b[o + lay.ARR] > arrival and b[o + lay.SIDE] == side:
            b[fixed(b, lay.AT_LEDGER) + i * lay.LEDGER + lay.AHEAD] -= qty
        unseen -= 1
        if unseen == 0:
            return


@inlined_kernel
def reduce(b: Packed, slot: int, qty: int) -> int:
    """Take `qty` lots (at most what is there) from an order; at zero it leaves the book. Returns the lots taken.

    The slot stays allocated: who allocated it releases it.
    """
    o = lay.HEADER + slot * lay.ORDER
    have = b[o + lay.QTY]
    qty = min(qty, have)
    if qty <= 0:
        return 0
    side, price = b[o + lay.SIDE], b[o + lay.PRICE]
    b[lay.CHANGES if side > 0 else lay.CHANGES + 1] += 1
    b[o + lay.QTY] = have - qty
    if b[o + lay.FLAGS] & lay.FAR:
        _reduce_far(b, slot, qty)
        return qty
    lv = level_at(b, side, price)
    lots = b[lv + lay.LOTS] - qty
    b[lv + lay.LOTS] = lots
    if b[lv + lay.OWN_LOTS] > 0:
        _reduce_among_own(b, lv, slot, qty)
    if qty < have:
        return qty
    unlink(b, lv, slot)
    if lots == 0:
        b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] -= 1
        if price == best(b, side):
            refind_best(b, side, price)
    return qty


@rare_kernel
def _reduce_far(b: Packed, slot: int, qty: int) -> None:
    """The part of `reduce` for an order in the far list."""
    o = lay.HEADER + slot * lay.ORDER
    side = b[o + lay.SIDE]
    if b[lay.OWN_RESTING] > 0:
        _move_up(b, side, b[o + lay.PRICE], b[o + lay.ARR], qty)
    if b[o + lay.QTY] == 0:
        unlink_far(b, slot, side)
        if is_own(b, slot):
            b[lay.OWN_RESTING] -= 1


@rare_kernel
def _reduce_among_own(b: Packed, lv: int, slot: int, qty: int) -> None:
    """The part of `reduce` for a level with own orders."""
    o = lay.HEADER + slot * lay.ORDER
    _move_up(b, b[o + lay.SIDE], b[o + lay.PRICE], b[o + lay.ARR], qty)
    if is_own(b, slot):
        b[lv + lay.OWN_LOTS] -= qty
        if b[o + lay.QTY] == 0:
            b[lay.OWN_RESTING] -= 1


@kernel
def head_at(b: Packed, side: int, price: int) -> int:
    """First order in the queue of a price inside the window, -1 none."""
    return b[level_at(b, side, price) + lay.HEAD]


# -- own orders -------------------------------------------------------------------------------------------------------


@kernel
def insert_own(b: Packed, own: int, side: int, price: int, qty: int, outside_feed: bool) -> None:
    """Rest own order `own` at the tail of its level. `outside_feed`: the feed does not show what rests there."""
    led = fixed(b, lay.AT_LEDGER) + own * lay.LEDGER
    b[led + lay.AHEAD] = lots_at(b, side, price)
    b[led + lay.AHEAD_STATE] = lay.AHEAD_KNOWN
    if outside_feed:
        b[led + lay.AHEAD] += lay.AHEAD_UNKNOWN_LOTS
        b[led + lay.AHEAD_STATE] = lay.AHEAD_FROZEN
    b[lay.ARRIVAL] += 1  # stays free for the piece of a block that may roll in right before it
    insert(b, fixed(b, lay.ORDERS) + own, side, price, qty)
    b[lay.OWN_RESTING] += 1
    if in_window(b, side, price):
        b[level_at(b, side, price) + lay.OWN_LOTS] += qty


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
        lots = b[lv + lay.LOTS] - b[lv + lay.OWN_LOTS]
        if lots > 0:
            out[at + n] = lots
            n += 1
        price -= side
