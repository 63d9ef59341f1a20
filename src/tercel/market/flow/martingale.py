"""Martingale market, a guard: a random-walk mid that no order moves, fills booked at the mid.

The public book is a fixed shape around the walk and is laid again after every event, so own orders are filled by
trades and by the walk passing over them, yet no strategy can have a mean cost other than zero: whatever it earns or
pays is an error in the accounts, or foresight.
"""

import math

from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel
from tercel.core.seeds import uniform
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at
from tercel.market.book.price_window import allocate
from tercel.market.flow.santa_fe import market_order
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add, public_take, write_row
from tercel.market.simulator.crossing import fill_crossed
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE

JUMP_RATE = 0  # one-tick moves of the mid, per second
TRADE_RATE = 1  # per second, both sides
TRADE_LOTS = 2  # trade sizes are uniform on 1..TRADE_LOTS
LEVEL_LOTS = 3  # public lots on each level
LEVELS = 4  # levels a side


@kernel
def lay_book(book: Packed, state: Longs, flow: Floats) -> None:
    """Replace all public orders by the fixed shape around the walk's mid; own orders that a new level crosses are filled."""
    s = state_at(state)
    for slot in range(book[lay.HIGH]):
        order = order_at(book, slot)
        if order.qty > 0:
            public_take(book, state, slot, order.qty, DELETE, False)
    centre = s.refilled
    s.aggressor_mid2 = s.mid2
    for distance in range(1, int(flow[LEVELS]) + 1):
        for side in (1, -1):
            price = centre - side * distance
            remaining = fill_crossed(book, state, side, price, int(flow[LEVEL_LOTS]))
            if remaining > 0:
                slot = allocate(book)
                if slot >= 0:
                    public_add(book, state, slot, side, price, remaining)


@kernel
def walk_to(state: Longs, centre: int) -> None:
    """Move the walk's mid to `centre`, one tick away, and record the move; the book is not laid again (`lay_book`)."""
    s = state_at(state)
    s.refilled = centre
    s.mid2 = 2 * centre
    s.variance += 4
    write_row(state, sim.WALKED, 0, 0, centre, 0, 0, 0)


@late_kernel
def martingale_event(book: Packed, state: Longs, flow: Floats) -> None:
    """One event of the martingale market, a move of the mid or a trade, and the time of the next."""
    s = state_at(state)
    total = flow[JUMP_RATE] + flow[TRADE_RATE]
    u = uniform(state, sim.FLOW_RNG) * total
    up = uniform(state, sim.FLOW_RNG) < 0.5
    if u < flow[JUMP_RATE]:
        walk_to(state, s.refilled + (1 if up else -1))
    else:
        lots = 1 + int(uniform(state, sim.FLOW_RNG) * flow[TRADE_LOTS])
        market_order(book, state, 1 if up else -1, lots)
    lay_book(book, state, flow)
    s.flow_ns += 1 + int(-math.log(1.0 - uniform(state, sim.FLOW_RNG)) * 1e9 / total)
