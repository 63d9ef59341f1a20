"""The feed's window over the book: levels that are forgotten, come back as anonymous blocks, and lose lots of nobody's.

A feed of L levels says nothing of what lies beyond them. A level that leaves its window is forgotten (`roll_out`); one
that comes in is one anonymous block (`roll_in`), split around own orders that stood there all the while, whose lots
ahead were frozen meanwhile.
"""

from tercel.core.jit import Packed, kernel
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
from tercel.market.book.layout import (
    AHEAD,
    AHEAD_FROZEN,
    AHEAD_KNOWN,
    AHEAD_STATE,
    ANONYMOUS,
    ARR,
    AT_LEDGER,
    FAR,
    FAR_ASK,
    FAR_BID,
    FLAGS,
    HEAD,
    HEADER,
    LEDGER,
    LEVELS_ASK,
    LEVELS_BID,
    LOTS,
    NEXT,
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
)


@kernel
def _forget_slot(b: Packed, slot: int, keep_slots: bool) -> None:
    """Take one public order out of the book without telling anyone behind it."""
    o = HEADER + slot * ORDER
    lv_known = not (b[o + FLAGS] & FAR)
    side, price, qty = b[o + SIDE], b[o + PRICE], b[o + QTY]
    b[o + QTY] = 0
    if lv_known:
        lv = level_at(b, side, price)
        b[lv + LOTS] -= qty
        unlink(b, lv, slot)
    else:
        unlink_far(b, slot, side)
    if not keep_slots and slot < b[ORDERS]:
        release(b, slot)


@kernel
def settle_frozen(b: Packed, side: int, price: int) -> None:
    """The feed shows a price again with nothing old resting there: frozen own orders have only own lots ahead."""
    if in_window(b, side, price) and b[level_at(b, side, price) + OWN_LOTS] == 0:
        return
    for i in range(b[OWN]):
        o = HEADER + (b[ORDERS] + i) * ORDER
        led = b[AT_LEDGER] + i * LEDGER
        if b[o + QTY] > 0 and b[o + PRICE] == price and b[o + SIDE] == side and b[led + AHEAD_STATE] == AHEAD_FROZEN:
            ahead = 0
            for j in range(b[OWN]):
                q = HEADER + (b[ORDERS] + j) * ORDER
                if b[q + QTY] > 0 and b[q + PRICE] == price and b[q + SIDE] == side and b[q + ARR] < b[o + ARR]:
                    ahead += b[q + QTY]
            b[led + AHEAD] = ahead
            b[led + AHEAD_STATE] = AHEAD_KNOWN


@kernel
def roll_out(b: Packed, side: int, price: int, keep_slots: bool) -> None:
    """Forget the public orders of a level; own orders there stay, their lots ahead frozen."""
    if in_window(b, side, price):
        lv = level_at(b, side, price)
        slot = b[lv + HEAD]
        was = b[lv + LOTS]
        while slot >= 0:
            nxt = b[HEADER + slot * ORDER + NEXT]
            if not is_own(b, slot):
                _forget_slot(b, slot, keep_slots)
            slot = nxt
        if was > 0 and b[lv + LOTS] == 0:
            b[LEVELS_BID if side > 0 else LEVELS_ASK] -= 1
            if price == best(b, side):
                refind_best(b, side, price)
    else:
        slot = b[FAR_BID] if side > 0 else b[FAR_ASK]
        while slot >= 0:
            nxt = b[HEADER + slot * ORDER + NEXT]
            if b[HEADER + slot * ORDER + PRICE] == price and not is_own(b, slot):
                _forget_slot(b, slot, keep_slots)
            slot = nxt
    for i in range(b[OWN]):
        o = HEADER + (b[ORDERS] + i) * ORDER
        if b[o + QTY] > 0 and b[o + PRICE] == price and b[o + SIDE] == side:
            b[b[AT_LEDGER] + i * LEDGER + AHEAD_STATE] = AHEAD_FROZEN


@kernel
def _insert_block(b: Packed, slot: int, side: int, price: int, qty: int, arrival: int) -> None:
    """An anonymous block placed by arrival number among the orders of its price."""
    insert(b, slot, side, price, qty)
    o = HEADER + slot * ORDER
    b[o + FLAGS] |= ANONYMOUS
    b[o + ARR] = arrival
    if b[o + FLAGS] & FAR:
        return
    lv = level_at(b, side, price)
    while b[o + PREV] >= 0 and b[HEADER + b[o + PREV] * ORDER + ARR] > arrival:
        # swap with the order in front
        prev = b[o + PREV]
        p = HEADER + prev * ORDER
        before, nxt = b[p + PREV], b[o + NEXT]
        if before >= 0:
            b[HEADER + before * ORDER + NEXT] = slot
        else:
            b[lv + HEAD] = slot
        if nxt >= 0:
            b[HEADER + nxt * ORDER + PREV] = prev
        else:
            b[lv + TAIL] = prev
        b[o + PREV], b[o + NEXT] = before, prev
        b[p + PREV], b[p + NEXT] = slot, nxt


@kernel
def roll_in(b: Packed, slot: int, side: int, price: int, qty: int) -> None:
    """A level comes into the feed's window as one anonymous block under `slot`.

    An own order there gets min(lots ahead when it was frozen, what is left of the block) in front of it, the rest
    behind: the block is split around it.
    """
    if b[OWN_RESTING] == 0:
        insert(b, slot, side, price, qty)
        b[HEADER + slot * ORDER + FLAGS] |= ANONYMOUS
        return
    placed, own_ahead = 0, 0
    last = -1
    while True:
        found = _next_own(b, side, price, last)
        if found < 0:
            break
        o = HEADER + (b[ORDERS] + found) * ORDER
        led = b[AT_LEDGER] + found * LEDGER
        if b[led + AHEAD_STATE] == AHEAD_FROZEN:
            front = min(max(b[led + AHEAD] - own_ahead - placed, 0), qty - placed)
            if front > 0:
                piece = _free_piece(b)
                if piece < 0:  # no room to split: all that is left stands in front
                    b[OVERFLOW] += 1
                    piece, front = slot, qty - placed
                _insert_block(b, piece, side, price, front, b[o + ARR] - 1)
                placed += front
            b[led + AHEAD] = placed + own_ahead
            b[led + AHEAD_STATE] = AHEAD_KNOWN
        else:
            b[led + AHEAD] += placed
        own_ahead += b[o + QTY]
        last = b[o + ARR]
    if qty > placed:
        insert(b, slot, side, price, qty - placed)
        b[HEADER + slot * ORDER + FLAGS] |= ANONYMOUS


@kernel
def _next_own(b: Packed, side: int, price: int, after: int) -> int:
    """The own order at a price with the smallest arrival number above `after`, -1 none."""
    found, arrival = -1, -1
    for i in range(b[OWN]):
        o = HEADER + (b[ORDERS] + i) * ORDER
        if b[o + QTY] > 0 and b[o + PRICE] == price and b[o + SIDE] == side and b[o + ARR] > after:
            if found < 0 or b[o + ARR] < arrival:
                found, arrival = i, b[o + ARR]
    return found


@kernel
def _free_piece(b: Packed) -> int:
    """A slot for a piece of a split block, -1 when all are in use."""
    first = b[ORDERS] + b[OWN]
    for slot in range(first, first + b[OWN]):
        if b[HEADER + slot * ORDER + QTY] == 0:
            return slot
    return -1


@kernel
def block_at(b: Packed, side: int, price: int, from_front: bool) -> int:
    """First (or last) anonymous block in the queue of a price, -1 none."""
    if in_window(b, side, price):
        lv = level_at(b, side, price)
        slot = b[lv + HEAD] if from_front else b[lv + TAIL]
        while slot >= 0 and not (b[HEADER + slot * ORDER + FLAGS] & ANONYMOUS):
            slot = b[HEADER + slot * ORDER + (NEXT if from_front else PREV)]
        return slot
    found, arrival = -1, -1
    slot = b[FAR_BID] if side > 0 else b[FAR_ASK]
    while slot >= 0:
        o = HEADER + slot * ORDER
        if b[o + PRICE] == price and b[o + FLAGS] & ANONYMOUS:
            if found < 0 or (b[o + ARR] < arrival) == from_front:
                found, arrival = slot, b[o + ARR]
        slot = b[o + NEXT]
    return found


@kernel
def _release_empty_block(b: Packed, slot: int, keep_slots: bool) -> None:
    if not keep_slots and slot < b[ORDERS] and b[HEADER + slot * ORDER + QTY] == 0:
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
