"""Residual orders: public lots that stay in the visible book because own orders traded in their place.

As long as the same order lives in the background they are part of it and are cancelled with it. Once it has been executed
there, they are a residual order: it keeps its place and trades by price and time; it is cancelled with the odds of one of
the orders at its price (or at the next occupied price behind) when one of those is; and it is removed when a public order
of the other side reaches its price.
"""

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.seeds import mix
from tercel.market.book.book_records import in_window, is_own, level_at, order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_take
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE


@kernel
def make_residual(book: Packed, state: Longs, slot: int) -> None:
    """Mark the order in a slot as residual; it is cancelled instead if all residual places are in use."""
    s = state_at(state)
    if s.residual == sim.RESIDUAL_SLOTS:
        public_take(book, state, slot, order_at(book, slot).qty, DELETE, False)
        return
    state[sim.RESIDUAL_AT + s.residual] = slot
    s.residual += 1


@kernel
def drop_gone_residuals(book: Packed, state: Longs) -> None:
    """Forget residual orders that have left the book."""
    s = state_at(state)
    kept = 0
    for j in range(s.residual):
        slot = state[sim.RESIDUAL_AT + j]
        if order_at(book, slot).qty > 0:
            state[sim.RESIDUAL_AT + kept] = slot
            kept += 1
    s.residual = kept


@kernel
def yield_residuals(book: Packed, state: Longs, side: int, price: int) -> None:
    """Remove residual orders of the other side that a public order of `side` reaches or passes."""
    for j in range(state_at(state).residual):
        slot = state[sim.RESIDUAL_AT + j]
        order = order_at(book, slot)
        if order.side != side and (price - order.price) * side >= 0:
            public_take(book, state, slot, order.qty, DELETE, False)
    drop_gone_residuals(book, state)


@kernel
def thin_residuals(book: Packed, state: Longs, row: int, side: int, price: int) -> None:
    """Cancel residual orders at or just ahead of `price` as a public order there is cancelled: each with that order's odds.

    Drawn by a hash that leaves the flow's stream untouched.
    """
    s = state_at(state)
    first = price - side  # farthest residual price at `price` or ahead
    for j in range(s.residual):
        order = order_at(book, state[sim.RESIDUAL_AT + j])
        if order.side == side and (order.price - first) * side > 0:
            first = order.price
    if (first - price) * side < 0 or not in_window(book, side, price):
        return
    orders = max(count_others(book, state, side, price), 1)
    end = price + side
    while (first - end) * side >= 0 and count_others(book, state, side, end) == 0:
        end += side
    for j in range(s.residual):
        slot = state[sim.RESIDUAL_AT + j]
        order = order_at(book, slot)
        if (
            order.side == side
            and (order.price - price) * side >= 0
            and (end - order.price) * side > 0
        ):
            if (
                int(mix(state[sim.FLOW_RNG] ^ (s.now + (row << 40) + (slot << 48))) >> 11) % orders
                == 0
            ):
                public_take(book, state, slot, order.qty, DELETE, False)
    drop_gone_residuals(book, state)


@kernel
def count_others(book: Packed, state: Longs, side: int, price: int) -> int:
    """Number of public orders at a price that are not residual; 0 beyond the window."""
    if not in_window(book, side, price):
        return 0
    count = 0
    slot = level_at(book, side, price).head
    while slot >= 0:
        count += 0 if is_own(book, slot) else 1
        slot = order_at(book, slot).next
    for j in range(state_at(state).residual):
        order = order_at(book, state[sim.RESIDUAL_AT + j])
        if order.qty > 0 and order.side == side and order.price == price:
            count -= 1
    return count
