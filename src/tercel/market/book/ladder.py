"""The price-time book as kernels over one packed array (see `layout`): insert, reduce, find the best.

Each side has a ring of levels (price modulo width) over a window `[lo, lo + width)` that holds its best price; orders
beyond it lie in an unsorted far list and come back, in arrival order, when the window moves. Queue position of own
orders is kept incrementally: whoever removes lots from a level that holds own lots corrects the own orders behind.
"""

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book.layout import (
    AHEAD,
    AHEAD_FROZEN,
    AHEAD_KNOWN,
    AHEAD_STATE,
    AHEAD_UNKNOWN_LOTS,
    ARR,
    ARRIVAL,
    AT_LEDGER,
    AT_LEVELS,
    BEST_ASK,
    BEST_BID,
    CHANGES,
    FAR,
    FAR_ASK,
    FAR_BID,
    FLAGS,
    FREE,
    HEAD,
    HEADER,
    HIGH,
    LEDGER,
    LEVEL,
    LEVELS_ASK,
    LEVELS_BID,
    LIVE,
    LO_ASK,
    LO_BID,
    LOTS,
    NEXT,
    NO_WINDOW,
    ORDER,
    ORDERS,
    OVERFLOW,
    OWN,
    OWN_LOTS,
    OWN_RESTING,
    PREV,
    PRICE,
    QTY,
    SIDE,
    TAIL,
    WIDTH,
)


@kernel
def level_at(b: Packed, side: int, price: int) -> int:
    """Offset of the ring record for a price inside the side's window."""
    ring = b[AT_LEVELS] if side > 0 else b[AT_LEVELS] + b[WIDTH] * LEVEL
    return ring + (price & (b[WIDTH] - 1)) * LEVEL


@kernel
def in_window(b: Packed, side: int, price: int) -> bool:
    lo = b[LO_BID] if side > 0 else b[LO_ASK]
    return lo <= price < lo + b[WIDTH]


@kernel
def best(b: Packed, side: int) -> int:
    """Best price of a side, own orders included; NO_BID / NO_ASK when empty."""
    return b[BEST_BID] if side > 0 else b[BEST_ASK]


@kernel
def changes(b: Packed, side: int) -> int:
    """How often a side has changed: while the number stays, so do the orders on it."""
    return b[CHANGES] if side > 0 else b[CHANGES + 1]


@kernel
def is_own(b: Packed, slot: int) -> bool:
    return b[ORDERS] <= slot < b[ORDERS] + b[OWN]


@kernel
def public_lots_at(b: Packed, side: int, price: int) -> int:
    """Lots of others at a price, wherever they lie."""
    total = lots_at(b, side, price)
    if b[OWN_RESTING] > 0:
        for i in range(b[OWN]):
            o = HEADER + (b[ORDERS] + i) * ORDER
            if b[o + PRICE] == price and b[o + SIDE] == side:
                total -= b[o + QTY]
    return total


@kernel
def lots_at(b: Packed, side: int, price: int) -> int:
    """All lots at a price, own included, wherever they lie."""
    if in_window(b, side, price):
        return b[level_at(b, side, price) + LOTS]
    total = 0
    slot = b[FAR_BID] if side > 0 else b[FAR_ASK]
    while slot >= 0:
        o = HEADER + slot * ORDER
        if b[o + PRICE] == price:
            total += b[o + QTY]
        slot = b[o + NEXT]
    return total


# -- slots ------------------------------------------------------------------------------------------------------------


@kernel
def allocate(b: Packed) -> int:
    """A free public slot, or -1 and one more overflow."""
    slot = b[FREE]
    if slot >= 0:
        b[FREE] = b[HEADER + slot * ORDER + NEXT]
    elif b[HIGH] < b[ORDERS]:
        slot = b[HIGH]
        b[HIGH] += 1
    else:
        b[OVERFLOW] += 1
        return -1
    b[LIVE] += 1
    return slot


@kernel
def release(b: Packed, slot: int) -> None:
    """Give a public slot back; its order must be out of the book."""
    b[HEADER + slot * ORDER + NEXT] = b[FREE]
    b[FREE] = slot
    b[LIVE] -= 1


# -- linking ----------------------------------------------------------------------------------------------------------


@kernel
def _link_far(b: Packed, slot: int, side: int) -> None:
    head = FAR_BID if side > 0 else FAR_ASK
    o = HEADER + slot * ORDER
    b[o + FLAGS] |= FAR
    b[o + PREV] = -1
    b[o + NEXT] = b[head]
    if b[head] >= 0:
        b[HEADER + b[head] * ORDER + PREV] = slot
    b[head] = slot


@kernel
def unlink_far(b: Packed, slot: int, side: int) -> None:
    o = HEADER + slot * ORDER
    prev, nxt = b[o + PREV], b[o + NEXT]
    if prev >= 0:
        b[HEADER + prev * ORDER + NEXT] = nxt
    elif side > 0:
        b[FAR_BID] = nxt
    else:
        b[FAR_ASK] = nxt
    if nxt >= 0:
        b[HEADER + nxt * ORDER + PREV] = prev
    b[o + FLAGS] &= ~FAR


@kernel
def _link_sorted(b: Packed, slot: int, side: int) -> None:
    """Put an order that came back from the far list into its level by arrival number."""
    o = HEADER + slot * ORDER
    lv = level_at(b, side, b[o + PRICE])
    after = b[lv + TAIL]
    while after >= 0 and b[HEADER + after * ORDER + ARR] > b[o + ARR]:
        after = b[HEADER + after * ORDER + PREV]
    link_after(b, lv, slot, after)
    if b[lv + LOTS] == 0:
        b[LEVELS_BID if side > 0 else LEVELS_ASK] += 1
    b[lv + LOTS] += b[o + QTY]
    if is_own(b, slot):
        b[lv + OWN_LOTS] += b[o + QTY]


@kernel
def link_after(b: Packed, lv: int, slot: int, after: int) -> None:
    """Link a slot into a level's queue behind `after` (-1: at the head); lots are the caller's to count."""
    o = HEADER + slot * ORDER
    nxt = b[lv + HEAD] if after < 0 else b[HEADER + after * ORDER + NEXT]
    b[o + PREV] = after
    b[o + NEXT] = nxt
    if after < 0:
        b[lv + HEAD] = slot
    else:
        b[HEADER + after * ORDER + NEXT] = slot
    if nxt < 0:
        b[lv + TAIL] = slot
    else:
        b[HEADER + nxt * ORDER + PREV] = slot


@kernel
def unlink(b: Packed, lv: int, slot: int) -> None:
    """Take a slot out of a level's queue; lots are the caller's to count."""
    o = HEADER + slot * ORDER
    prev, nxt = b[o + PREV], b[o + NEXT]
    if prev >= 0:
        b[HEADER + prev * ORDER + NEXT] = nxt
    else:
        b[lv + HEAD] = nxt
    if nxt >= 0:
        b[HEADER + nxt * ORDER + PREV] = prev
    else:
        b[lv + TAIL] = prev


# -- the window -------------------------------------------------------------------------------------------------------


@kernel
def _evict(b: Packed, side: int, price: int) -> None:
    """Move a level's orders to the far list."""
    lv = level_at(b, side, price)
    slot = b[lv + HEAD]
    if slot < 0:
        return
    while slot >= 0:
        nxt = b[HEADER + slot * ORDER + NEXT]
        _link_far(b, slot, side)
        slot = nxt
    b[lv + HEAD] = -1
    b[lv + TAIL] = -1
    b[lv + LOTS] = 0
    b[lv + OWN_LOTS] = 0
    b[LEVELS_BID if side > 0 else LEVELS_ASK] -= 1


@kernel
def recentre(b: Packed, side: int, price: int) -> None:
    """Move a side's window so that `price`, its best, has three quarters of the window behind it."""
    width = b[WIDTH]
    at = LO_BID if side > 0 else LO_ASK
    old = b[at]
    lo = price - 3 * width // 4 if side > 0 else price - width // 4
    if b[LEVELS_BID if side > 0 else LEVELS_ASK] > 0:
        if lo > old:
            for p in range(old, min(lo, old + width)):
                _evict(b, side, p)
        else:
            for p in range(max(lo + width, old), old + width):
                _evict(b, side, p)
    b[at] = lo
    slot = b[FAR_BID] if side > 0 else b[FAR_ASK]
    while slot >= 0:
        o = HEADER + slot * ORDER
        nxt = b[o + NEXT]
        if lo <= b[o + PRICE] < lo + width:
            unlink_far(b, slot, side)
            _link_sorted(b, slot, side)
        slot = nxt


@kernel
def refind_best(b: Packed, side: int, price: int) -> None:
    """After the best level at `price` emptied: the next one, from the ring or from the far list."""
    at = BEST_BID if side > 0 else BEST_ASK
    none = NO_BID if side > 0 else NO_ASK
    if b[LEVELS_BID if side > 0 else LEVELS_ASK] > 0:
        ring = b[AT_LEVELS] if side > 0 else b[AT_LEVELS] + b[WIDTH] * LEVEL
        mask = b[WIDTH] - 1
        p = price - side
        while b[ring + (p & mask) * LEVEL + LOTS] == 0:
            p -= side
        b[at] = p
        lo = b[LO_BID] if side > 0 else b[LO_ASK]
        room = p - lo if side > 0 else lo + b[WIDTH] - 1 - p
        if room < b[WIDTH] // 4:
            recentre(b, side, p)
        return
    far = b[FAR_BID] if side > 0 else b[FAR_ASK]
    if far < 0:
        b[at] = none
        b[LO_BID if side > 0 else LO_ASK] = NO_WINDOW
        return
    p = none
    while far >= 0:
        o = HEADER + far * ORDER
        if (b[o + PRICE] - p) * side > 0:
            p = b[o + PRICE]
        far = b[o + NEXT]
    recentre(b, side, p)
    b[at] = p


@kernel
def _place_outside(b: Packed, side: int, price: int) -> bool:
    """A price outside the window: move the window if it is the new best (True), else it belongs to the far list."""
    if (price - best(b, side)) * side > 0:
        recentre(b, side, price)
        return True
    return False


# -- orders -----------------------------------------------------------------------------------------------------------


@kernel
def insert(b: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """Rest `qty` lots at the tail of a price level under a slot that is not in use."""
    o = HEADER + slot * ORDER
    b[o + PRICE] = price
    b[o + QTY] = qty
    b[o + ARR] = b[ARRIVAL]
    b[o + SIDE] = side
    b[o + FLAGS] = 0
    b[ARRIVAL] += 1
    b[CHANGES if side > 0 else CHANGES + 1] += 1
    if not in_window(b, side, price) and not _place_outside(b, side, price):
        _link_far(b, slot, side)
        return
    lv = level_at(b, side, price)
    tail = b[lv + TAIL]
    b[o + PREV] = tail
    b[o + NEXT] = -1
    if tail >= 0:
        b[HEADER + tail * ORDER + NEXT] = slot
    else:
        b[lv + HEAD] = slot
        b[LEVELS_BID if side > 0 else LEVELS_ASK] += 1
        if side > 0:
            if price > b[BEST_BID]:
                b[BEST_BID] = price
        elif price < b[BEST_ASK]:
            b[BEST_ASK] = price
    b[lv + TAIL] = slot
    b[lv + LOTS] += qty


@kernel
def _move_up(b: Packed, side: int, price: int, arrival: int, qty: int) -> None:
    """Lots with arrival number `arrival` left the level: own orders behind them move up."""
    orders = b[ORDERS]
    for i in range(b[OWN]):
        o = HEADER + (orders + i) * ORDER
        if b[o + QTY] > 0 and b[o + PRICE] == price and b[o + ARR] > arrival and b[o + SIDE] == side:
            b[b[AT_LEDGER] + i * LEDGER + AHEAD] -= qty


@kernel
def reduce(b: Packed, slot: int, qty: int) -> int:
    """Take `qty` lots (at most what is there) from an order; at zero it leaves the book. Returns the lots taken.

    The slot stays allocated: who allocated it releases it.
    """
    o = HEADER + slot * ORDER
    have = b[o + QTY]
    qty = min(qty, have)
    if qty <= 0:
        return 0
    side, price = b[o + SIDE], b[o + PRICE]
    own = is_own(b, slot)
    b[CHANGES if side > 0 else CHANGES + 1] += 1
    b[o + QTY] = have - qty
    if b[o + FLAGS] & FAR:
        if b[OWN_RESTING] > 0:
            _move_up(b, side, price, b[o + ARR], qty)
        if qty == have:
            unlink_far(b, slot, side)
            if own:
                b[OWN_RESTING] -= 1
        return qty
    lv = level_at(b, side, price)
    b[lv + LOTS] -= qty
    if b[lv + OWN_LOTS] > 0:
        _move_up(b, side, price, b[o + ARR], qty)
        if own:
            b[lv + OWN_LOTS] -= qty
    if qty < have:
        return qty
    if own:
        b[OWN_RESTING] -= 1
    unlink(b, lv, slot)
    if b[lv + LOTS] == 0:
        b[LEVELS_BID if side > 0 else LEVELS_ASK] -= 1
        if price == best(b, side):
            refind_best(b, side, price)
    return qty


@kernel
def head_at(b: Packed, side: int, price: int) -> int:
    """First order in the queue of a price inside the window, -1 none."""
    return b[level_at(b, side, price) + HEAD]


# -- own orders -------------------------------------------------------------------------------------------------------


@kernel
def insert_own(b: Packed, own: int, side: int, price: int, qty: int, outside_feed: bool) -> None:
    """Rest own order `own` at the tail of its level. `outside_feed`: the feed does not show what rests there."""
    led = b[AT_LEDGER] + own * LEDGER
    b[led + AHEAD] = lots_at(b, side, price)
    b[led + AHEAD_STATE] = AHEAD_KNOWN
    if outside_feed:
        b[led + AHEAD] += AHEAD_UNKNOWN_LOTS
        b[led + AHEAD_STATE] = AHEAD_FROZEN
    b[ARRIVAL] += 1  # stays free for the piece of a block that may roll in right before it
    insert(b, b[ORDERS] + own, side, price, qty)
    b[OWN_RESTING] += 1
    if in_window(b, side, price):
        b[level_at(b, side, price) + OWN_LOTS] += qty


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
        lots = b[lv + LOTS] - b[lv + OWN_LOTS]
        if lots > 0:
            out[at + n] = lots
            n += 1
        price -= side
