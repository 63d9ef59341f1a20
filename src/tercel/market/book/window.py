"""The feed's window over the book: levels that are forgotten, come back as anonymous blocks, and lose lots of nobody's.

A feed of L levels says nothing of what lies beyond them. A level that leaves its window is forgotten (`roll_out`); one
that comes in is one anonymous block (`roll_in`), split around own orders that stood there all the while, whose lots
ahead were frozen meanwhile.
"""

from tercel.core.jit import Packed, kernel, rare_kernel
from tercel.core.memory import fixed
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    best,
    in_window,
    insert,
    is_own,
    level_at,
    reduce,
    refind_best,
    release,
    unlink,
    unlink_far,
)


@kernel
def _forget_slot(b: Packed, slot: int, keep_slots: bool) -> None:
    """Take one public order out of the book without telling anyone behind it."""
    o = lay.HEADER + slot * lay.ORDER
    lv_known = not (b[o + lay.FLAGS] & lay.FAR)
    side, price, qty = b[o + lay.SIDE], b[o + lay.PRICE], b[o + lay.QTY]
    b[o + lay.QTY] = 0
    if lv_known:
        lv = level_at(b, side, price)
        b[lv + lay.LOTS] -= qty
        unlink(b, lv, slot)
    else:
        unlink_far(b, slot, side)
    if not keep_slots and slot < fixed(b, lay.ORDERS):
        release(b, slot)


@rare_kernel
def settle_frozen(b: Packed, side: int, price: int) -> None:
    """The feed shows a price again with nothing old resting there: frozen own orders have only own lots ahead."""
    if in_window(b, side, price) and b[level_at(b, side, price) + lay.OWN_LOTS] == 0:
        return
    for i in range(fixed(b, lay.OWN)):
        o = lay.HEADER + (fixed(b, lay.ORDERS) + i) * lay.ORDER
        led = fixed(b, lay.AT_LEDGER) + i * lay.LEDGER
        if (
            b[o + lay.QTY] > 0
            and b[o + lay.PRICE] == price
            and b[o + lay.SIDE] == side
            and b[led + lay.AHEAD_STATE] == lay.AHEAD_FROZEN
        ):
            ahead = 0
            for j in range(fixed(b, lay.OWN)):
                q = lay.HEADER + (fixed(b, lay.ORDERS) + j) * lay.ORDER
                if (
                    b[q + lay.QTY] > 0
                    and b[q + lay.PRICE] == price
                    and b[q + lay.SIDE] == side
                    and b[q + lay.ARR] < b[o + lay.ARR]
                ):
                    ahead += b[q + lay.QTY]
            b[led + lay.AHEAD] = ahead
            b[led + lay.AHEAD_STATE] = lay.AHEAD_KNOWN


@kernel
def roll_out(b: Packed, side: int, price: int, keep_slots: bool) -> None:
    """Forget the public orders of a level; own orders there stay, their lots ahead frozen."""
    if in_window(b, side, price):
        lv = level_at(b, side, price)
        slot = b[lv + lay.HEAD]
        was = b[lv + lay.LOTS]
        while slot >= 0:
            nxt = b[lay.HEADER + slot * lay.ORDER + lay.NEXT]
            if not is_own(b, slot):
                _forget_slot(b, slot, keep_slots)
            slot = nxt
        if was > 0 and b[lv + lay.LOTS] == 0:
            b[lay.LEVELS_BID if side > 0 else lay.LEVELS_ASK] -= 1
            if price == best(b, side):
                refind_best(b, side, price)
    else:
        slot = b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK]
        while slot >= 0:
            nxt = b[lay.HEADER + slot * lay.ORDER + lay.NEXT]
            if b[lay.HEADER + slot * lay.ORDER + lay.PRICE] == price and not is_own(b, slot):
                _forget_slot(b, slot, keep_slots)
            slot = nxt
    for i in range(fixed(b, lay.OWN)):
        o = lay.HEADER + (fixed(b, lay.ORDERS) + i) * lay.ORDER
        if b[o + lay.QTY] > 0 and b[o + lay.PRICE] == price and b[o + lay.SIDE] == side:
            b[fixed(b, lay.AT_LEDGER) + i * lay.LEDGER + lay.AHEAD_STATE] = lay.AHEAD_FROZEN


@kernel
def _insert_block(b: Packed, slot: int, side: int, price: int, qty: int, arrival: int) -> None:
    """An anonymous block placed by arrival number among the orders of its price."""
    insert(b, slot, side, price, qty)
    o = lay.HEADER + slot * lay.ORDER
    b[o + lay.FLAGS] |= lay.ANONYMOUS
    b[o + lay.ARR] = arrival
    if b[o + lay.FLAGS] & lay.FAR:
        return
    lv = level_at(b, side, price)
    while b[o + lay.PREV] >= 0 and b[lay.HEADER + b[o + lay.PREV] * lay.ORDER + lay.ARR] > arrival:
        # swap with the order in front
        prev = b[o + lay.PREV]
        p = lay.HEADER + prev * lay.ORDER
        before, nxt = b[p + lay.PREV], b[o + lay.NEXT]
        if before >= 0:
            b[lay.HEADER + before * lay.ORDER + lay.NEXT] = slot
        else:
            b[lv + lay.HEAD] = slot
        if nxt >= 0:
            b[lay.HEADER + nxt * lay.ORDER + lay.PREV] = prev
        else:
            b[lv + lay.TAIL] = prev
        b[o + lay.PREV], b[o + lay.NEXT] = before, prev
        b[p + lay.PREV], b[p + lay.NEXT] = slot, nxt


@kernel
def roll_in(b: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """A level comes into the feed's window as one anonymous block under `slot`.

    An own order there gets min(lots ahead when it was frozen, what is left of the block) in front of it, the rest
    behind: the block is split around it.
    """
    if b[lay.OWN_RESTING] == 0:
        insert(b, slot, side, price, qty)
        b[lay.HEADER + slot * lay.ORDER + lay.FLAGS] |= lay.ANONYMOUS
        return
    placed, own_ahead = 0, 0
    last = -1
    while True:
        found = _next_own(b, side, price, last)
        if found < 0:
            break
        o = lay.HEADER + (fixed(b, lay.ORDERS) + found) * lay.ORDER
        led = fixed(b, lay.AT_LEDGER) + found * lay.LEDGER
        if b[led + lay.AHEAD_STATE] == lay.AHEAD_FROZEN:
            front = min(max(b[led + lay.AHEAD] - own_ahead - placed, 0), qty - placed)
            if front > 0:
                piece = _free_piece(b)
                if piece < 0:  # no room to split: all that is left stands in front
                    b[lay.OVERFLOW] += 1
                    piece, front = slot, qty - placed
                _insert_block(b, piece, side, price, front, b[o + lay.ARR] - 1)
                placed += front
            b[led + lay.AHEAD] = placed + own_ahead
            b[led + lay.AHEAD_STATE] = lay.AHEAD_KNOWN
        else:
            b[led + lay.AHEAD] += placed
        own_ahead += b[o + lay.QTY]
        last = b[o + lay.ARR]
    if qty > placed:
        insert(b, slot, side, price, qty - placed)
        b[lay.HEADER + slot * lay.ORDER + lay.FLAGS] |= lay.ANONYMOUS


@kernel
def _next_own(b: Packed, side: int, price: int, after: int) -> int:
    """The own order at a price with the smallest arrival number above `after`, -1 none."""
    found, arrival = -1, -1
    for i in range(fixed(b, lay.OWN)):
        o = lay.HEADER + (fixed(b, lay.ORDERS) + i) * lay.ORDER
        if b[o + lay.QTY] > 0 and b[o + lay.PRICE] == price and b[o + lay.SIDE] == side and b[o + lay.ARR] > after:
            if found < 0 or b[o + lay.ARR] < arrival:
                found, arrival = i, b[o + lay.ARR]
    return found


@kernel
def _free_piece(b: Packed) -> int:
    """A slot for a piece of a split block, -1 when all are in use."""
    first = fixed(b, lay.ORDERS) + fixed(b, lay.OWN)
    for slot in range(first, first + fixed(b, lay.OWN)):
        if b[lay.HEADER + slot * lay.ORDER + lay.QTY] == 0:
            return slot
    return -1


@kernel
def block_at(b: Packed, side: int, price: int, from_front: bool) -> int:
    """First (or last) anonymous block in the queue of a price, -1 none."""
    if in_window(b, side, price):
        lv = level_at(b, side, price)
        slot = b[lv + lay.HEAD] if from_front else b[lv + lay.TAIL]
        while slot >= 0 and not (b[lay.HEADER + slot * lay.ORDER + lay.FLAGS] & lay.ANONYMOUS):
            slot = b[lay.HEADER + slot * lay.ORDER + (lay.NEXT if from_front else lay.PREV)]
        return slot
    found, arrival = -1, -1
    slot = b[lay.FAR_BID] if side > 0 else b[lay.FAR_ASK]
    while slot >= 0:
        o = lay.HEADER + slot * lay.ORDER
        if b[o + lay.PRICE] == price and b[o + lay.FLAGS] & lay.ANONYMOUS:
            if found < 0 or (b[o + lay.ARR] < arrival) == from_front:
                found, arrival = slot, b[o + lay.ARR]
        slot = b[o + lay.NEXT]
    return found


@kernel
def _release_empty_block(b: Packed, slot: int, keep_slots: bool) -> None:
    if not keep_slots and slot < fixed(b, lay.ORDERS) and b[lay.HEADER + slot * lay.ORDER + lay.QTY] == 0:
        release(b, slot)


@kernel
def reduce_anonymous(b: Packed, side: int, price: int, qty: int, from_front: bool, keep_slots: bool) -> int:
    """Take lots from the anonymous blocks of a level. Returns the lots taken.

    Executions take from the front. Cancels take from the back first: nobody knows whose they were, and the
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
