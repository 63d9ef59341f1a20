"""Trades between own orders and public ones: who comes first by price and time, and how many lots each fills."""

from typing import Any

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, ledger_at, level_at, order_at, own_order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import fill_own_head, public_take
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE, REDUCE


@kernel
def first_own(book: Packed, side: int, price: int, through: bool) -> int:
    """Index of the own resting order of `side` that a public trade at `price` would hit first, -1 none.

    Better prices come first, then the earlier arrival; at `price` itself only an order with nothing ahead is hit
    unless `through` says that the public order would cross it.
    """
    near = best(book, side)
    if (near - price) * side < 0 or (near == price and level_at(book, side, near).own_lots == 0):
        return -1
    best_index = -1
    best_price = 0
    unseen = book[lay.OWN_RESTING]
    for i in range(load_fixed(book, lay.OWN)):
        if unseen == 0:
            break
        order = own_order_at(book, i)
        if order.qty == 0:
            continue
        unseen -= 1
        if order.side != side:
            continue
        better = (order.price - price) * side
        if better < 0:
            continue
        if better == 0 and not through and ledger_at(book, i).ahead > 0:
            continue
        gain = (order.price - best_price) * side
        if best_index >= 0:
            p = own_order_at(book, best_index)
            if gain < 0 or (gain == 0 and order.arrival > p.arrival):
                continue
        best_index = i
        best_price = order.price
    return best_index


@kernel
def has_priority(first: Any, second: Any, side: int) -> bool:
    """Whether an order of `side` trades before another, by price and time."""
    return bool(
        (first.price - second.price) * side > 0
        or (first.price == second.price and first.arrival < second.arrival)
    )


@kernel
def first_rival(book: Packed, state: Longs, side: int, price: int, own_index: int) -> int:
    """Slot of the undercutting order of `side` that a public trade at `price` meets before own order `own_index` (-1: none).

    Its slot, -1 where none is ahead by price and time.
    """
    s = state_at(state)
    first_slot = -1
    if s.rivals == 0 or side != s.side:
        return first_slot
    for slot in range(load_fixed(book, lay.ORDERS) - sim.RIVAL_SLOTS, load_fixed(book, lay.ORDERS)):
        order = order_at(book, slot)
        if order.qty == 0 or (order.price - price) * side < 0:
            continue
        if own_index >= 0 and has_priority(own_order_at(book, own_index), order, side):
            continue
        if first_slot >= 0 and has_priority(order_at(book, first_slot), order, side):
            continue
        first_slot = slot
    return first_slot


@kernel
def take_rival(book: Packed, state: Longs, slot: int, lots: int) -> int:
    """Take lots of an undercutting order for a trade that the tape counts elsewhere; returns them."""
    slot_lots = order_at(book, slot).qty
    return public_take(
        book, state, slot, min(lots, slot_lots), DELETE if lots >= slot_lots else REDUCE, False
    )


@kernel
def fill_crossed(book: Packed, state: Longs, side: int, price: int, lots: int) -> int:
    """Fill own orders that a public order of `side` at `price` crosses. Returns the public order's lots left."""
    while lots > 0 and book[lay.OWN_RESTING] > 0:
        own_index = first_own(book, -side, price, True)
        if own_index < 0:
            break
        lots -= fill_own_head(book, state, own_index, lots)
    return lots


@kernel
def fill_met(book: Packed, state: Longs, side: int, price: int, lots: int) -> int:
    """Match like `fill_crossed`, also with orders that undercut own ones, by price and time. Returns lots left."""
    while lots > 0:
        own_index = first_own(book, -side, price, True) if book[lay.OWN_RESTING] > 0 else -1
        rival = first_rival(book, state, -side, price, own_index)
        if rival >= 0:
            lots -= take_rival(book, state, rival, lots)
        elif own_index >= 0:
            lots -= fill_own_head(book, state, own_index, lots)
        else:
            break
    return lots


@kernel
def fill_traded(book: Packed, state: Longs, side: int, price: int, lots: int) -> None:
    """Fill own and undercutting orders with priority from a tape trade of `lots` of `side`'s resting orders at `price`.
    The tape's own orders trade the same lots: lots filled of own orders are counted in `DOUBLE_LOTS`.

    Where `THEIRS` is set, those at the trade's own price trade nothing.
    """
    s = state_at(state)
    while lots > 0:
        own_index = first_own(book, side, price, False) if book[lay.OWN_RESTING] > 0 else -1
        rival = first_rival(book, state, side, price, own_index)
        if rival >= 0:
            lots -= take_rival(book, state, rival, lots)
            continue
        if own_index < 0:
            break
        if s.theirs != 0 and own_order_at(book, own_index).price == price:
            break  # better prices came first: all that is left rests here
        filled = fill_own_head(book, state, own_index, lots)
        s.double_lots += filled
        lots -= filled


@kernel
def note_aggressor(state: Longs, side: int) -> None:
    """Store the mid that an aggressor of `side` meets; rows of one time and side are one aggressor."""
    s = state_at(state)
    if s.aggressor_side != side or s.aggressor_ns != s.now:
        s.aggressor_side = side
        s.aggressor_ns = s.now
        s.aggressor_mid2 = s.mid2


@kernel
def hit_own(book: Packed, state: Longs, side: int, price: int, lots: int) -> int:
    """Trade a resting tape order with own orders it crosses and with their undercutters; returns the lots traded away.

    These are the lots that the book does not get.

    Lots that undercutting orders took stay visible, as on the tape, and the rest of these orders leaves; but not while an
    own order would lock with them.
    """
    s = state_at(state)
    if first_own(book, -side, price, True) < 0 and first_rival(book, state, -side, price, -1) < 0:
        return 0
    note_aggressor(state, side)
    before = s.passive_lots
    done = lots - fill_met(book, state, side, price, lots)
    if s.model == sim.REPLAY:
        s.double_lots += s.passive_lots - before
    if s.rivals > 0 and first_own(book, -side, price, True) < 0:
        done = s.passive_lots - before
        rival = first_rival(book, state, -side, price, -1)
        while rival >= 0:
            take_rival(book, state, rival, order_at(book, rival).qty)
            rival = first_rival(book, state, -side, price, -1)
    return done
