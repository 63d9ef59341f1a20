"""The best public prices of a market, without own orders and without orders drawn by the bound `undercut`."""

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, in_window, is_own, level_at, order_at, side_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.recent_sums import record_mid_move
from tercel.market.simulator.records import state_at


@kernel
def is_rival(book: Packed, state: Longs, slot: int) -> bool:
    """Whether a public order was drawn by the bound `undercut`; such orders trade but enter no public figure."""
    orders = load_fixed(book, lay.ORDERS)
    return bool(state_at(state).undercut != 0 and orders - sim.RIVAL_SLOTS <= slot < orders)


@kernel
def rival_lots(book: Packed, state: Longs, side: int, price: int) -> int:
    """Lots at a price of orders drawn by the bound `undercut`."""
    lots = 0
    if state_at(state).undercut != 0 and side == state_at(state).side:
        for slot in range(
            load_fixed(book, lay.ORDERS) - sim.RIVAL_SLOTS, load_fixed(book, lay.ORDERS)
        ):
            if order_at(book, slot).price == price:
                lots += order_at(book, slot).qty
    return lots


@kernel
def rival_improvement(book: Packed, state: Longs) -> int:
    """Ticks that the best drawn order is better than the public touch of the own side; 0: none."""
    s = state_at(state)
    touch = s.public_bid if s.side > 0 else s.public_ask
    best_by = 0
    if s.undercut != 0 and touch != NO_BID and touch != NO_ASK:
        for slot in range(
            load_fixed(book, lay.ORDERS) - sim.RIVAL_SLOTS, load_fixed(book, lay.ORDERS)
        ):
            if order_at(book, slot).qty > 0:
                best_by = max(best_by, (order_at(book, slot).price - touch) * s.side)
    return int(best_by)


@kernel
def public_best(book: Packed, state: Longs, side: int) -> int:
    """Best price of a side without own and drawn orders; NO_BID / NO_ASK if the side has none."""
    price = best(book, side)
    if price == NO_BID or price == NO_ASK:
        return price
    while in_window(book, side, price):
        level = level_at(book, side, price)
        if level.lots > level.own_lots and level.lots > level.own_lots + rival_lots(
            book, state, side, price
        ):
            return price
        price -= side
    return far_public_best(book, state, side)


@kernel
def far_public_best(book: Packed, state: Longs, side: int) -> int:
    """Best public price beyond the window (own orders may hold the window away from the public book)."""
    best_price = NO_BID if side > 0 else NO_ASK
    slot = side_at(book, side).far
    while slot >= 0:
        order = order_at(book, slot)
        if (
            not is_own(book, slot)
            and not is_rival(book, state, slot)
            and (order.price - best_price) * side > 0
        ):
            best_price = order.price
        slot = order.next
    return best_price


@kernel
def mark_happened(state: Longs) -> None:
    """(clock of events) Note that something happened that calls for a decision; the background alone does not."""
    s = state_at(state)
    if s.apart != sim.WILL_PART:
        s.happened = 1


@kernel
def refresh_touch(book: Packed, state: Longs, side: int, price: int) -> None:
    """After a public change at `price`: refresh the public touch, the mid and its squared moves."""
    s = state_at(state)
    word = sim.PUBLIC_BID if side > 0 else sim.PUBLIC_ASK
    if (price - state[word]) * side < 0:
        return
    before = state[word]
    state[word] = public_best(book, state, side)
    if state[word] != before:
        mark_happened(state)
    if state[word] == NO_BID or state[word] == NO_ASK:
        return
    state[sim.LAST_BID if side > 0 else sim.LAST_ASK] = state[word]
    bid, ask = s.public_bid, s.public_ask
    if s.model == sim.MARTINGALE or bid == NO_BID or ask == NO_ASK:
        return
    mid2 = bid + ask
    if mid2 != s.mid2:
        s.variance += (mid2 - s.mid2) ** 2
        if s.mid2 != 0:
            record_mid_move(state, mid2 - s.mid2)
        s.mid2 = mid2
