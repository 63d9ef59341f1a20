"""Interaction of own and public orders: matching order, quantities, and levels beyond the feed."""

from typing import Any

from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import best, in_window, ledger_at, level_at, order_at, own_order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import fill_own_head, public_take
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE, REDUCE


@kernel
def first_own(b: Packed, side: int, price: int, through: bool) -> int:
    """The own resting order of `side` that a public trade at `price` would hit first, -1 none.

    Better prices come first, then the earlier arrival; at `price` itself only an order with nothing ahead is hit
    unless `through` says that the public order would cross it.
    """
    near = best(b, side)
    if (near - price) * side < 0 or (near == price and level_at(b, side, near).own_lots == 0):
        return -1
    found = -1
    found_at = 0
    unseen = b[lay.OWN_RESTING]
    for i in range(fixed(b, lay.OWN)):
        if unseen == 0:
            break
        o = own_order_at(b, i)
        if o.qty == 0:
            continue
        unseen -= 1
        if o.side != side:
            continue
        better = (o.price - price) * side
        if better < 0:
            continue
        if better == 0 and not through and ledger_at(b, i).ahead > 0:
            continue
        gain = (o.price - found_at) * side
        if found >= 0:
            p = own_order_at(b, found)
            if gain < 0 or (gain == 0 and o.arrival > p.arrival):
                continue
        found = i
        found_at = o.price
    return found


@kernel
def sooner(one: Any, other: Any, side: int) -> bool:
    """Whether an order of `side` trades before another, by price and time."""
    return bool(
        (one.price - other.price) * side > 0
        or (one.price == other.price and one.arrival < other.arrival)
    )


@kernel
def first_rival(b: Packed, k: Longs, side: int, price: int, own: int) -> int:
    """The undercutting order of `side` that a public trade at `price` meets before own order `own` (-1: none).

    Its slot, -1 where none is ahead by price and time.
    """
    s = state_at(k)
    found = -1
    if s.rivals == 0 or side != s.side:
        return found
    for slot in range(fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS, fixed(b, lay.ORDERS)):
        o = order_at(b, slot)
        if o.qty == 0 or (o.price - price) * side < 0:
            continue
        if own >= 0 and sooner(own_order_at(b, own), o, side):
            continue
        if found >= 0 and sooner(order_at(b, found), o, side):
            continue
        found = slot
    return found


@kernel
def take_rival(b: Packed, k: Longs, slot: int, lots: int) -> int:
    """An undercutting order loses lots to a trade that the tape counts elsewhere; returns them."""
    have = order_at(b, slot).qty
    return public_take(b, k, slot, min(lots, have), DELETE if lots >= have else REDUCE, False)


@kernel
def fill_crossed(b: Packed, k: Longs, side: int, price: int, lots: int) -> int:
    """A public order of `side` at `price` first trades with own orders it crosses. Returns lots left."""
    while lots > 0 and b[lay.OWN_RESTING] > 0:
        own = first_own(b, -side, price, True)
        if own < 0:
            break
        lots -= fill_own_head(b, k, own, lots)
    return lots


@kernel
def fill_met(b: Packed, k: Longs, side: int, price: int, lots: int) -> int:
    """As `fill_crossed`, and with orders that undercut own ones, by price and time. Returns lots left."""
    while lots > 0:
        own = first_own(b, -side, price, True) if b[lay.OWN_RESTING] > 0 else -1
        rival = first_rival(b, k, -side, price, own)
        if rival >= 0:
            lots -= take_rival(b, k, rival, lots)
        elif own >= 0:
            lots -= fill_own_head(b, k, own, lots)
        else:
            break
    return lots


@kernel
def fill_traded(b: Packed, k: Longs, side: int, price: int, lots: int) -> None:
    """A tape trade of `lots` of `side`'s resting orders at `price` also fills own orders with priority.

    Where `THEIRS` is set, those at the trade's own price trade nothing.
    """
    s = state_at(k)
    while lots > 0:
        own = first_own(b, side, price, False) if b[lay.OWN_RESTING] > 0 else -1
        rival = first_rival(b, k, side, price, own)
        if rival >= 0:
            lots -= take_rival(b, k, rival, lots)
            continue
        if own < 0:
            break
        if s.theirs != 0 and own_order_at(b, own).price == price:
            break  # better prices came first: all that is left stands here
        filled = fill_own_head(b, k, own, lots)
        s.double_lots += filled
        lots -= filled


@kernel
def meet(k: Longs, side: int) -> None:
    """Keep the mid an aggressor of `side` meets; rows of one time and side are one aggressor."""
    s = state_at(k)
    if s.aggressor_side != side or s.aggressor_ns != s.now:
        s.aggressor_side = side
        s.aggressor_ns = s.now
        s.aggressor_mid2 = s.mid2


@kernel
def hit_own(b: Packed, k: Longs, side: int, price: int, lots: int) -> int:
    """A resting tape order trades with own orders it crosses, and who undercuts them. Returns the lots that the book
    does not get.

    Lots that undercutting orders took stay on show, as on the tape, and who is left of these goes; but not while an
    own order would lock with them.
    """
    s = state_at(k)
    if first_own(b, -side, price, True) < 0 and first_rival(b, k, -side, price, -1) < 0:
        return 0
    meet(k, side)
    before = s.passive_lots
    done = lots - fill_met(b, k, side, price, lots)
    if s.model == sim.REPLAY:
        s.double_lots += s.passive_lots - before
    if s.rivals > 0 and first_own(b, -side, price, True) < 0:
        done = s.passive_lots - before
        rival = first_rival(b, k, -side, price, -1)
        while rival >= 0:
            take_rival(b, k, rival, order_at(b, rival).qty)
            rival = first_rival(b, k, -side, price, -1)
    return done


@kernel
def outside_feed(b: Packed, k: Longs, side: int, price: int) -> bool:
    """Whether a price lies beyond the levels the feed shows."""
    limit = state_at(k).feed_levels
    if limit == 0:
        return False
    seen = 0
    at = best(b, side)
    if at == NO_BID or at == NO_ASK:
        return False
    while in_window(b, side, at):
        lv = level_at(b, side, at)
        if lv.lots > lv.own_lots:
            seen += 1
            if (price - at) * side >= 0:
                return False
        at -= side
        if seen == limit:
            return (price - at - side) * side < 0
    return False
