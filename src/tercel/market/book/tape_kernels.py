"""The book fed from a tape: 64-bit order ids on top of the ladder, one compiled loop over event columns.

`ids` is the hash map from ids to slots, `key_of` int64[orders] gives a slot's id back.

The feed's limited window over the book: levels leave it, return as anonymous blocks, and lose anonymous lots.

A feed of L levels says nothing of what lies beyond them. A level that leaves its window is forgotten (`roll_out`); one
that comes in is one anonymous block (`roll_in`), split around own orders that stood there all the while, whose lots
ahead were frozen meanwhile.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import (
    Bytes,
    Longs,
    Packed,
    fixed,
    inlined_kernel,
    kernel,
    prefetch,
    rare_kernel,
)
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    allocate,
    best,
    head_at,
    in_window,
    insert,
    is_own,
    ledger_at,
    level_at,
    link_after,
    order_at,
    own_order_at,
    public_lots_at,
    reduce,
    refind_best,
    release,
    side_at,
    unlink,
    unlink_far,
)
from tercel.market.tape import schema


@kernel
def _forget_slot(b: Packed, slot: int, keep_slots: bool) -> None:
    """Remove one public order from the book without updating the queue positions behind it."""
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

    An own order there gets min(lots ahead when it was frozen, lots left of the block) in front of it, the rest
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


# -- id map ----------------------------------------------------------------------------------------
# Hash map from 64-bit order ids to slots: open addressing with linear probing and backward-shift deletion.
#
# An entry is one record of 16 bytes, so that a look-up costs one cache line. There are no tombstones, so the map never
# grows: its length is a power of two, at least four times the orders that it holds.

Ids = NDArray[Any]
"""Entries: `key` int64, `slot` int64 (-1: the entry is empty)."""
ENTRY = np.dtype((np.record, [("key", np.int64), ("slot", np.int64)]))


def new_ids(orders: int) -> Ids:
    """An empty map with room for so many orders.

    >>> len(new_ids(100))
    512
    """
    ids = np.zeros(1 << (4 * orders - 1).bit_length(), ENTRY)
    ids["slot"] = -1
    return ids


@inlined_kernel
def home_of(key: int, mask: int) -> int:
    """Preferred position of an id: Fibonacci hashing of the folded id, so that id patterns do not cluster."""
    h = (key ^ (key >> 29)) * -7046029254386353131  # 2^64 / golden ratio, as a signed number
    return (h >> 40) & mask


@inlined_kernel
def place_of(ids: Ids, key: int) -> int:
    """Position of an id in the map, or of the empty entry where it would go."""
    mask = ids.shape[0] - 1
    at = home_of(key, mask)
    while ids[at].slot >= 0 and ids[at].key != key:
        at = (at + 1) & mask
    return at


@inlined_kernel
def find(ids: Ids, key: int) -> int:
    """Position of an id in the map, or -1."""
    at = place_of(ids, key)
    return at if ids[at].slot >= 0 else -1


@kernel
def forget(ids: Ids, at: int) -> None:
    """Remove the entry at a position and close the gap (Knuth, vol. 3, algorithm 6.4 R)."""
    mask = ids.shape[0] - 1
    gap = at
    nxt = at
    while True:
        nxt = (nxt + 1) & mask
        if ids[nxt].slot < 0:
            break
        home = home_of(ids[nxt].key, mask)
        # stays if its home lies cyclically in (gap, nxt]
        if ((nxt - home) & mask) < ((nxt - gap) & mask):
            continue
        ids[gap].key = ids[nxt].key
        ids[gap].slot = ids[nxt].slot
        gap = nxt
    ids[gap].slot = -1


AHEAD = 4
"""Messages ahead of which the map's entry is fetched."""


@inlined_kernel
def add_id(b: Packed, ids: Ids, key_of: Longs, key: int, side: int, price: int, qty: int) -> int:
    """A new order under an exchange id (0: anonymous); a live duplicate is a feed glitch: the old order goes first.

    Returns its slot, -1 when there was no room or there are no lots.
    """
    if qty <= 0:
        return -1
    at = place_of(ids, key)
    if ids[at].slot >= 0:
        b[lay.DUPLICATE_IDS] += 1
        take_id(b, ids, at, 1 << 30)
        at = place_of(ids, key)
    slot = allocate(b)
    if slot >= 0:
        if b[lay.OWN_RESTING] > 0:
            settle_frozen(b, side, price)
        insert(b, slot, side, price, qty)
        if key == 0:
            order_at(b, slot).marks |= lay.ANONYMOUS
        else:
            key_of[slot] = key
            ids[at].key = key
            ids[at].slot = slot
    return slot


@inlined_kernel
def take_id(b: Packed, ids: Ids, at: int, qty: int) -> int:
    """Take lots from the order at a map position; at zero its id and slot are freed."""
    slot = ids[at].slot
    taken = reduce(b, slot, qty)
    if order_at(b, slot).qty == 0:
        forget(ids, at)
        release(b, slot)
    return taken


@rare_kernel
def take_unknown(b: Packed, side: int, price: int, qty: int, from_front: bool) -> int:
    """A message about an unknown id: takes anonymous lots of its level first, the rest is counted as unknown."""
    taken = reduce_anonymous(b, side, price, qty, from_front, False) if side != 0 else 0
    if taken == 0:
        b[lay.UNKNOWN_IDS] += 1
    b[lay.UNKNOWN_LOTS] += qty - taken
    return taken


@kernel
def forget_level_ids(b: Packed, ids: Ids, key_of: Longs, side: int, price: int) -> None:
    """Remove the ids of a level's orders from the map, before the level is forgotten."""
    inside = in_window(b, side, price)
    if inside:
        slot = head_at(b, side, price)
    else:
        slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if (
            o.price == price
            and not is_own(b, slot)
            and not (o.marks & lay.ANONYMOUS)
            and slot < fixed(b, lay.ORDERS)
        ):
            at = find(ids, key_of[slot])
            if at >= 0 and ids[at].slot == slot:
                forget(ids, at)
        slot = o.next


@kernel
def drop_level(b: Packed, ids: Ids, key_of: Longs, side: int, price: int) -> None:
    forget_level_ids(b, ids, key_of, side, price)
    roll_out(b, side, price, False)


@kernel
def block_in(b: Packed, side: int, price: int, qty: int) -> int:
    """One anonymous block at a level; its slot or -1."""
    if qty <= 0:
        return -1
    slot = allocate(b)
    if slot >= 0:
        roll_in(b, slot, side, price, qty)
        if order_at(b, slot).qty == 0 or order_at(b, slot).price != price:
            release(b, slot)
    return slot


@kernel
def set_level(b: Packed, ids: Ids, key_of: Longs, side: int, price: int, qty: int) -> None:
    """(L2) Set a level's public total: additions are anonymous, losses take anonymous lots first, then the newest."""
    have = public_lots_at(b, side, price)
    if have == 0:
        block_in(b, side, price, qty)
    elif qty > have:
        _grow_tail(b, side, price, qty - have)
    else:
        less = have - max(qty, 0)
        less -= reduce_anonymous(b, side, price, less, False, False)
        while less > 0:
            slot = _last_at(b, side, price, False)
            less -= take_id(b, ids, find(ids, key_of[slot]), less)


@kernel
def _grow_tail(b: Packed, side: int, price: int, qty: int) -> None:
    """More anonymous lots at the end of a level's queue: in the block that rests there, or in a new one."""
    slot = _last_at(b, side, price, True)
    o = order_at(b, slot)
    if o.marks & lay.ANONYMOUS:
        o.qty += qty
        if in_window(b, side, price):
            level_at(b, side, price).lots += qty
    else:
        slot = allocate(b)
        if slot >= 0:
            insert(b, slot, side, price, qty)
            order_at(b, slot).marks |= lay.ANONYMOUS


@kernel
def _last_at(b: Packed, side: int, price: int, own_too: bool) -> int:
    """Last order in the queue of a price: of all, or of those with a public slot; -1 none."""
    if in_window(b, side, price):
        slot = level_at(b, side, price).tail
        while slot >= 0 and slot >= fixed(b, lay.ORDERS) and not own_too:
            slot = order_at(b, slot).prev
        return slot
    found, arrival = -1, -1
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if o.price == price and o.arrival > arrival and (own_too or slot < fixed(b, lay.ORDERS)):
            found, arrival = slot, o.arrival
        slot = o.next
    return found


@kernel
def modify_id(b: Packed, ids: Ids, key_of: Longs, key: int, price: int, qty: int) -> bool:
    """New price and lots of an order: fewer lots at the same price keep queue position, else it is lost."""
    at = find(ids, key)
    if at < 0:
        b[lay.UNKNOWN_IDS] += 1
        b[lay.UNKNOWN_LOTS] += qty
        return False
    o = order_at(b, ids[at].slot)
    side = o.side
    if price == o.price and qty < o.qty:
        take_id(b, ids, at, o.qty - qty)
        return True
    take_id(b, ids, at, o.qty)
    if qty > 0:
        add_id(b, ids, key_of, key, side, price, qty)
    return True


@kernel
def clear(b: Packed, ids: Ids) -> None:
    """Forget every public order."""
    for slot in range(b[lay.HIGH]):
        o = order_at(b, slot)
        if o.qty > 0:
            reduce(b, slot, o.qty)
            release(b, slot)
    for i in range(fixed(b, lay.OWN)):
        piece = fixed(b, lay.ORDERS) + fixed(b, lay.OWN) + i
        reduce(b, piece, order_at(b, piece).qty)
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        if o.qty > 0:
            settle_frozen(b, o.side, o.price)
    for at in range(ids.shape[0]):
        ids[at].slot = -1


@rare_kernel
def apply_one(
    b: Packed, ids: Ids, key_of: Longs, kind: int, key: int, side: int, price: int, qty: int
) -> None:
    """Apply one tape row; kinds that do not touch the book are skipped."""
    if kind == schema.ADD:
        add_id(b, ids, key_of, key, side, price, qty)
    elif kind == schema.REDUCE or kind == schema.DELETE or kind == schema.EXECUTE:
        at = find(ids, key) if key != 0 else -1
        if at >= 0:
            take_id(b, ids, at, 1 << 30 if kind == schema.DELETE else qty)
        else:
            take_unknown(b, side, price, qty, kind == schema.EXECUTE)
    elif kind == schema.ROLL_OUT:
        drop_level(b, ids, key_of, side, price)
    elif kind == schema.ROLL_IN:
        block_in(b, side, price, qty)
    elif kind == schema.MODIFY:
        modify_id(b, ids, key_of, key, price, qty)
    elif kind == schema.LEVEL_SET:
        set_level(b, ids, key_of, side, price, qty)
    elif kind == schema.CLEAR:
        clear(b, ids)


@kernel
def apply_rows(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: NDArray[np.int8],
    price: Packed,
    qty: Packed,
    start: int,
    stop: int,
    touch: Longs,
) -> None:
    """Apply tape rows `[start, stop)`; the touch is recorded after each.

    `touch` int64[4] gathers: rows that left the book crossed, rows that left it locked, a checksum of best prices
    and their lots over all rows, rows.
    """
    checksum = touch[2]
    mask = ids.shape[0] - 1
    for i in range(start, stop):
        prefetch(ids, home_of(order_id[min(i + AHEAD, stop - 1)], mask))
        what, key, lots = kind[i], order_id[i], qty[i]
        # the frequent kinds here: one call less on the way to the book
        at = (
            find(ids, key)
            if (what == schema.DELETE or what == schema.EXECUTE or what == schema.REDUCE)
            and key != 0
            else -1
        )
        if at >= 0:
            take_id(b, ids, at, 1 << 30 if what == schema.DELETE else lots)
        elif what == schema.ADD:
            add_id(b, ids, key_of, key, side[i], price[i], lots)
        else:
            apply_one(b, ids, key_of, what, key, side[i], price[i], qty[i])
        bid, ask = int(side_at(b, 1).best), int(side_at(b, -1).best)
        if bid >= ask:
            touch[0 if bid > ask else 1] += 1
        # where a side is empty, all its levels are empty, and the lots read are 0
        bid_lots, ask_lots = int(level_at(b, 1, bid).lots), int(level_at(b, -1, ask).lots)
        checksum += bid * 3 + ask * 5 + bid_lots * 7 + ask_lots * 11
    touch[2] = checksum
    touch[3] += stop - start


@kernel
def quotes_after(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: NDArray[np.int8],
    price: Packed,
    qty: Packed,
    quotes: Packed,
) -> None:
    """Apply tape rows; `quotes` int32[n, 2] takes the best bid and ask after each."""
    for i in range(kind.shape[0]):
        apply_one(b, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        quotes[i, 0], quotes[i, 1] = side_at(b, 1).best, side_at(b, -1).best


@kernel
def match_into(
    b: Packed, ids: Ids, key_of: Longs, side: int, limit: int, qty: int, fills: Longs
) -> int:
    """Match an aggressor of `side` for up to `qty` lots at `limit` or better, in price-time priority.

    Writes rows (slot, id, price, lots) into `fills` int64[n, 4] (id 0 for anonymous, -1 - i for own order i) until
    it is full. Returns the number of rows; the lots are their sum.
    """
    n = 0
    left = qty
    while left > 0 and n < fills.shape[0]:
        price = best(b, -side)
        if price == NO_BID or price == NO_ASK or (price - limit) * side > 0:
            break
        slot = head_at(b, -side, price)
        o = order_at(b, slot)
        fills[n, 0] = slot
        fills[n, 2] = price
        if is_own(b, slot):
            fills[n, 1] = -1 - (slot - fixed(b, lay.ORDERS))
            taken = reduce(b, slot, left)
        elif o.marks & lay.ANONYMOUS or slot >= fixed(b, lay.ORDERS):
            fills[n, 1] = 0
            taken = reduce(b, slot, left)
            if o.qty == 0 and slot < fixed(b, lay.ORDERS):
                release(b, slot)
        else:
            fills[n, 1] = key_of[slot]
            taken = take_id(b, ids, find(ids, key_of[slot]), left)
        fills[n, 3] = taken
        left -= taken
        n += 1
    return n


@kernel
def best_levels(b: Packed, side: int, prices: Packed, lots: Packed) -> int:
    """The occupied levels of a side, best first, as many as the output holds and the window shows. Returns how many."""
    wanted = prices.shape[0]
    n = 0
    price = best(b, side)
    if price == NO_BID or price == NO_ASK:
        return 0
    while n < wanted and in_window(b, side, price):
        total = level_at(b, side, price).lots
        if total > 0:
            prices[n] = price
            lots[n] = total
            n += 1
        price -= side
    return n


@kernel
def reduce_any(b: Packed, ids: Ids, kind: int, key: int, side: int, price: int, qty: int) -> int:
    """Apply a reduction by kind (REDUCE, DELETE or EXECUTE); returns the lots taken."""
    at = find(ids, key) if key != 0 else -1
    if at >= 0:
        return take_id(b, ids, at, qty)
    return take_unknown(b, side, price, qty, kind == schema.EXECUTE)
