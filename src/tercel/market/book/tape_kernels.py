"""The book fed from a tape, in compiled loops over its columns: orders by exchange id, level totals, matching.

`ids` is the map from exchange ids to slots (`order_ids`); `key_of`, int64[orders], gives a slot's id.
"""

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import (
    Bytes,
    Longs,
    Packed,
    inlined_kernel,
    kernel,
    load_fixed,
    prefetch,
    rare_kernel,
)
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import (
    best,
    in_window,
    is_own,
    level_at,
    order_at,
    own_order_at,
    side_at,
)
from tercel.market.book.feed_window import reduce_anonymous, roll_in, roll_out, settle_frozen
from tercel.market.book.ladder import head_at, insert, public_lots_at, reduce
from tercel.market.book.order_ids import Ids, entry_of, find_entry, home_entry, remove_entry
from tercel.market.book.price_window import allocate, release
from tercel.market.tape import schema

PREFETCH_ROWS = 4
"""Messages ahead of which the map's entry is fetched."""


@inlined_kernel
def add_id(book: Packed, ids: Ids, key_of: Longs, key: int, side: int, price: int, qty: int) -> int:
    """Rest a new order under an exchange id (0: anonymous); a live order with the same id is removed first.

    Returns its slot, -1 when there was no room or there are no lots.
    """
    if qty <= 0:
        return -1
    entry = entry_of(ids, key)
    if ids[entry].slot >= 0:
        book[lay.DUPLICATE_IDS] += 1
        take_id(book, ids, entry, 1 << 30)
        entry = entry_of(ids, key)
    slot = allocate(book)
    if slot >= 0:
        if book[lay.OWN_RESTING] > 0:
            settle_frozen(book, side, price)
        insert(book, slot, side, price, qty)
        if key == 0:
            order_at(book, slot).marks |= lay.ANONYMOUS
        else:
            key_of[slot] = key
            ids[entry].key = key
            ids[entry].slot = slot
    return slot


@inlined_kernel
def take_id(book: Packed, ids: Ids, entry: int, qty: int) -> int:
    """Take up to `qty` lots from the order at a map position; at zero its id and slot are freed. Returns the lots taken."""
    slot = ids[entry].slot
    taken = reduce(book, slot, qty)
    if order_at(book, slot).qty == 0:
        remove_entry(ids, entry)
        release(book, slot)
    return taken


@rare_kernel
def take_unknown(book: Packed, side: int, price: int, qty: int, from_front: bool) -> int:
    """Take lots for a message about an unknown id from its level's anonymous lots (the first if `from_front`); returns them.
    The rest is counted as unknown, all of it if `side` is 0.
    """
    taken = reduce_anonymous(book, side, price, qty, from_front, False) if side != 0 else 0
    if taken == 0:
        book[lay.UNKNOWN_IDS] += 1
    book[lay.UNKNOWN_LOTS] += qty - taken
    return taken


@kernel
def forget_level_ids(book: Packed, ids: Ids, key_of: Longs, side: int, price: int) -> None:
    """Remove the ids of a level's orders from the map, before the level is forgotten."""
    inside = in_window(book, side, price)
    if inside:
        slot = head_at(book, side, price)
    else:
        slot = side_at(book, side).far
    while slot >= 0:
        order = order_at(book, slot)
        if (
            order.price == price
            and not is_own(book, slot)
            and not (order.marks & lay.ANONYMOUS)
            and slot < load_fixed(book, lay.ORDERS)
        ):
            entry = find_entry(ids, key_of[slot])
            if entry >= 0 and ids[entry].slot == slot:
                remove_entry(ids, entry)
        slot = order.next


@kernel
def drop_level(book: Packed, ids: Ids, key_of: Longs, side: int, price: int) -> None:
    """Forget a level that leaves the feed's window: its ids and its public orders."""
    forget_level_ids(book, ids, key_of, side, price)
    roll_out(book, side, price, False)


@kernel
def add_block(book: Packed, side: int, price: int, qty: int) -> int:
    """Add one anonymous block of lots at a level; its slot, or -1 without a free slot."""
    if qty <= 0:
        return -1
    slot = allocate(book)
    if slot >= 0:
        roll_in(book, slot, side, price, qty)
        if order_at(book, slot).qty == 0 or order_at(book, slot).price != price:
            release(book, slot)
    return slot


@kernel
def set_level(book: Packed, ids: Ids, key_of: Longs, side: int, price: int, qty: int) -> None:
    """(L2) Set a level's public total: additions are anonymous, losses take anonymous lots first, then the newest."""
    public_lots = public_lots_at(book, side, price)
    if public_lots == 0:
        add_block(book, side, price, qty)
    elif qty > public_lots:
        _grow_tail(book, side, price, qty - public_lots)
    else:
        excess = public_lots - max(qty, 0)
        excess -= reduce_anonymous(book, side, price, excess, False, False)
        while excess > 0:
            slot = _last_at(book, side, price, False)
            excess -= take_id(book, ids, find_entry(ids, key_of[slot]), excess)


@kernel
def _grow_tail(book: Packed, side: int, price: int, qty: int) -> None:
    """Add anonymous lots at the end of a level's queue: to the block that rests there, or as a new block."""
    slot = _last_at(book, side, price, True)
    order = order_at(book, slot)
    if order.marks & lay.ANONYMOUS:
        order.qty += qty
        if in_window(book, side, price):
            level_at(book, side, price).lots += qty
    else:
        slot = allocate(book)
        if slot >= 0:
            insert(book, slot, side, price, qty)
            order_at(book, slot).marks |= lay.ANONYMOUS


@kernel
def _last_at(book: Packed, side: int, price: int, include_own: bool) -> int:
    """Slot of the last order in the queue of a price; without `include_own` only orders in public slots count. -1 none."""
    if in_window(book, side, price):
        slot = level_at(book, side, price).tail
        while slot >= 0 and slot >= load_fixed(book, lay.ORDERS) and not include_own:
            slot = order_at(book, slot).prev
        return slot
    last_slot, arrival = -1, -1
    slot = side_at(book, side).far
    while slot >= 0:
        order = order_at(book, slot)
        if (
            order.price == price
            and order.arrival > arrival
            and (include_own or slot < load_fixed(book, lay.ORDERS))
        ):
            last_slot, arrival = slot, order.arrival
        slot = order.next
    return last_slot


@kernel
def modify_id(book: Packed, ids: Ids, key_of: Longs, key: int, price: int, qty: int) -> bool:
    """Give an order a new price and lots; queue position is kept only by fewer lots at the same price. False: unknown id."""
    entry = find_entry(ids, key)
    if entry < 0:
        book[lay.UNKNOWN_IDS] += 1
        book[lay.UNKNOWN_LOTS] += qty
        return False
    order = order_at(book, ids[entry].slot)
    side = order.side
    if price == order.price and qty < order.qty:
        take_id(book, ids, entry, order.qty - qty)
        return True
    take_id(book, ids, entry, order.qty)
    if qty > 0:
        add_id(book, ids, key_of, key, side, price, qty)
    return True


@kernel
def clear(book: Packed, ids: Ids) -> None:
    """Remove every public order from the book, and every id from the map; own orders stay."""
    for slot in range(book[lay.HIGH]):
        order = order_at(book, slot)
        if order.qty > 0:
            reduce(book, slot, order.qty)
            release(book, slot)
    for i in range(load_fixed(book, lay.OWN)):
        piece = load_fixed(book, lay.ORDERS) + load_fixed(book, lay.OWN) + i
        reduce(book, piece, order_at(book, piece).qty)
    for i in range(load_fixed(book, lay.OWN)):
        order = own_order_at(book, i)
        if order.qty > 0:
            settle_frozen(book, order.side, order.price)
    for entry in range(ids.shape[0]):
        ids[entry].slot = -1


@rare_kernel
def apply_row(
    book: Packed, ids: Ids, key_of: Longs, kind: int, key: int, side: int, price: int, qty: int
) -> None:
    """Apply one tape row; kinds that do not touch the book are skipped."""
    if kind == schema.ADD:
        add_id(book, ids, key_of, key, side, price, qty)
    elif kind == schema.REDUCE or kind == schema.DELETE or kind == schema.EXECUTE:
        entry = find_entry(ids, key) if key != 0 else -1
        if entry >= 0:
            take_id(book, ids, entry, 1 << 30 if kind == schema.DELETE else qty)
        else:
            take_unknown(book, side, price, qty, kind == schema.EXECUTE)
    elif kind == schema.ROLL_OUT:
        drop_level(book, ids, key_of, side, price)
    elif kind == schema.ROLL_IN:
        add_block(book, side, price, qty)
    elif kind == schema.MODIFY:
        modify_id(book, ids, key_of, key, price, qty)
    elif kind == schema.LEVEL_SET:
        set_level(book, ids, key_of, side, price, qty)
    elif kind == schema.CLEAR:
        clear(book, ids)


@kernel
def apply_rows(
    book: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: NDArray[np.int8],
    price: Packed,
    qty: Packed,
    start: int,
    stop: int,
    touch_stats: Longs,
) -> None:
    """Apply tape rows `[start, stop)` to the book; adds crossed and locked rows and a checksum to `touch_stats`.

    `touch_stats` int64[4] gathers: rows that left the book crossed, rows that left it locked, a checksum of best prices
    and their lots over all rows, rows.
    """
    checksum = touch_stats[2]
    mask = ids.shape[0] - 1
    for i in range(start, stop):
        prefetch(ids, home_entry(order_id[min(i + PREFETCH_ROWS, stop - 1)], mask))
        row_kind = kind[i]
        key = order_id[i]
        lots = qty[i]
        # the frequent kinds here: one call less on the way to the book
        entry = (
            find_entry(ids, key)
            if (
                row_kind == schema.DELETE or row_kind == schema.EXECUTE or row_kind == schema.REDUCE
            )
            and key != 0
            else -1
        )
        if entry >= 0:
            take_id(book, ids, entry, 1 << 30 if row_kind == schema.DELETE else lots)
        elif row_kind == schema.ADD:
            add_id(book, ids, key_of, key, side[i], price[i], lots)
        else:
            apply_row(book, ids, key_of, row_kind, key, side[i], price[i], qty[i])
        bid = int(side_at(book, 1).best)
        ask = int(side_at(book, -1).best)
        if bid >= ask:
            touch_stats[0 if bid > ask else 1] += 1
        # where a side is empty, all its levels are empty, and the lots read are 0
        bid_lots = int(level_at(book, 1, bid).lots)
        ask_lots = int(level_at(book, -1, ask).lots)
        checksum += bid * 3 + ask * 5 + bid_lots * 7 + ask_lots * 11
    touch_stats[2] = checksum
    touch_stats[3] += stop - start


@kernel
def quotes_after(
    book: Packed,
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
        apply_row(book, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        quotes[i, 0], quotes[i, 1] = side_at(book, 1).best, side_at(book, -1).best


@kernel
def match_into(
    book: Packed, ids: Ids, key_of: Longs, side: int, limit: int, qty: int, fills: Longs
) -> int:
    """Match an aggressor of `side` for up to `qty` lots at `limit` or better, in price-time priority; writes `fills`.

    Writes rows (slot, id, price, lots) into `fills` int64[n, 4] (id 0 for anonymous, -1 - i for own order i) until
    it is full. Returns the number of rows; the lots are their sum.
    """
    n = 0
    remaining = qty
    while remaining > 0 and n < fills.shape[0]:
        price = best(book, -side)
        if price == NO_BID or price == NO_ASK or (price - limit) * side > 0:
            break
        slot = head_at(book, -side, price)
        order = order_at(book, slot)
        fills[n, 0] = slot
        fills[n, 2] = price
        if is_own(book, slot):
            fills[n, 1] = -1 - (slot - load_fixed(book, lay.ORDERS))
            taken = reduce(book, slot, remaining)
        elif order.marks & lay.ANONYMOUS or slot >= load_fixed(book, lay.ORDERS):
            fills[n, 1] = 0
            taken = reduce(book, slot, remaining)
            if order.qty == 0 and slot < load_fixed(book, lay.ORDERS):
                release(book, slot)
        else:
            fills[n, 1] = key_of[slot]
            taken = take_id(book, ids, find_entry(ids, key_of[slot]), remaining)
        fills[n, 3] = taken
        remaining -= taken
        n += 1
    return n


@kernel
def best_levels(book: Packed, side: int, prices: Packed, lots: Packed) -> int:
    """Write a side's occupied levels inside the window, best first, into `prices` and `lots`. Returns how many."""
    n = 0
    price = best(book, side)
    levels = min(prices.shape[0], side_at(book, side).levels)
    while n < levels and in_window(book, side, price):
        total = level_at(book, side, price).lots
        if total > 0:
            prices[n] = price
            lots[n] = total
            n += 1
        price -= side
    return n


@kernel
def reduce_any(book: Packed, ids: Ids, kind: int, key: int, side: int, price: int, qty: int) -> int:
    """Take `qty` lots of an order, or anonymous lots of its price if the id is unknown; returns the lots taken.
    The kind counts for anonymous lots alone: EXECUTE takes from the front, the others from the back.
    """
    entry = find_entry(ids, key) if key != 0 else -1
    if entry >= 0:
        return take_id(book, ids, entry, qty)
    return take_unknown(book, side, price, qty, kind == schema.EXECUTE)
