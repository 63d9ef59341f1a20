"""Undercutting in replay: public orders that come because an own order improves the touch (the bound `undercut`).

A tape does not answer. Where an own order is alone inside the public spread, an order at a better price is drawn
with the measured hazard: so much more often are public orders undercut that improved the touch than a better price
comes where no order improved it (`bounds.with_bound`). The tape's own better prices come as they came, so the excess alone
is drawn. It goes by the room left inside the spread in bps, how long the own order has stood alone there, and its size
over the usual one.

The drawn order belongs to the visible book. Tape trades meet it before own orders by price and time; it rests for
a drawn time, or until the tape's own touch reaches it or passes. Nothing of it is on the tape: its lots count in no
volume. It is drawn from a stream of the episode's seed that nothing else draws from.

The rates are float64 words of the flow's parameters, from `flow[UNDERCUT]` on.
"""

import math
from typing import Final

from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel, load_fixed
from tercel.core.seeds import seed_stream, uniform
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, level_at, order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add, public_take
from tercel.market.simulator.records import state_at
from tercel.market.tape import schema
from tercel.market.tape.schema import DELETE

ROOMS: Final = 5
AGES: Final = 6
SIZES: Final = 3
DRAWS: Final = 16
USUAL: Final = 0  # usual lots of an order
RATES: Final = 1  # ROOMS x AGES, 1/s
BY_SIZE: Final = RATES + ROOMS * AGES  # factors of them
# equally likely: ticks better than the own order over the room, lots over the usual ones, seconds that it rests
STEPS: Final = BY_SIZE + SIZES
LOTS: Final = STEPS + DRAWS
LIVES: Final = LOTS + DRAWS
RATE_WORDS: Final = LIVES + DRAWS
LEAST_NS: Final = 1_000_000
"""The shortest life of an undercutting order: the clock of the older tapes."""


@kernel
def yield_rivals(book: Packed, state: Longs, side: int, price: int) -> None:
    """Remove undercutting orders that the tape's own order of `side` reaches or passes."""
    if side != state_at(state).side:
        return
    for slot in range(load_fixed(book, lay.ORDERS) - sim.RIVAL_SLOTS, load_fixed(book, lay.ORDERS)):
        order = order_at(book, slot)
        if order.qty > 0 and (price - order.price) * side >= 0:
            public_take(book, state, slot, order.qty, schema.DELETE, False)


@kernel
def room_class(bps: float) -> int:
    """Class of the room left inside the spread, bps: it begins at 0, 2, 4, 8, 16."""
    return 0 if bps < 2.0 else 1 if bps < 4.0 else 2 if bps < 8.0 else 3 if bps < 16.0 else 4


@kernel
def age_class(age_s: float) -> int:
    """Class of an order's age, s: it begins at 0, .1, 1, 3, 10, 30."""
    if age_s < 3.0:
        return 0 if age_s < 0.1 else 1 if age_s < 1.0 else 2
    return 3 if age_s < 10.0 else 4 if age_s < 30.0 else 5


@kernel
def _age_ends_ns(age: int) -> int:
    """Age, ns, at which a class of age ends."""
    if age == 0:
        return 100_000_000
    return NS_PER_SECOND * (1 if age == 1 else 3 if age == 2 else 10 if age == 3 else 30)


@kernel
def size_class(over_usual: float) -> int:
    """Class of a size over the usual one: it begins at 0, .5, 2."""
    return 0 if over_usual < 0.5 else 1 if over_usual < 2.0 else 2


@kernel
def begin_undercut(state: Longs, seed: int, index: int) -> None:
    """Start an episode's stream; nothing without a table of rates."""
    s = state_at(state)
    if s.undercut == 0:
        return
    seed_stream(state, sim.UNDERCUT_RNG, seed, index, 6)
    s.undercut_ns = FOREVER_NS
    s.alone_at = NO_BID
    s.hazard = 0.0
    s.hazard_left = -math.log(1.0 - uniform(state, sim.UNDERCUT_RNG))


@kernel
def lone_price(book: Packed, state: Longs) -> int:
    """Price of an own order that is alone inside the public spread with room for a better one; NO_BID: none."""
    s = state_at(state)
    if book[lay.OWN_RESTING] == 0 or s.halted != 0:
        return NO_BID
    near = best(book, s.side)
    far = best(book, -s.side)
    if (
        near == NO_BID
        or near == NO_ASK
        or far == NO_BID
        or far == NO_ASK
        or (far - near) * s.side < 2
    ):
        return NO_BID
    level = level_at(book, s.side, near)
    return int(near) if level.lots == level.own_lots else NO_BID


@late_kernel
def watch_alone(book: Packed, state: Longs, flow: Floats) -> None:
    """Use up the hazard until now, and set when the next undercutting order comes or ends; called after every event."""
    s = state_at(state)
    s.hazard_left -= s.hazard * (s.now - s.hazard_ns) / NS_PER_SECOND
    s.hazard_ns = s.now
    s.hazard = 0.0
    s.undercut_ns = FOREVER_NS
    if s.rivals > 0:
        _count_rivals(book, state)
    price = lone_price(book, state)
    if price != s.alone_at:
        s.alone_at = price
        s.alone_since = s.now
    if price == NO_BID:
        return
    age = age_class((s.now - s.alone_since) / NS_PER_SECOND)
    room = (best(book, -s.side) - price) * s.side - 1
    own_lots = level_at(book, s.side, price).own_lots
    rates_at = s.undercut
    size = size_class(own_lots / flow[s.undercut + USUAL])
    s.hazard = (
        flow[rates_at + RATES + AGES * room_class(1e4 * room / abs(price)) + age]
        * flow[rates_at + BY_SIZE + size]
    )
    if age < AGES - 1:
        s.undercut_ns = min(s.undercut_ns, s.alone_since + _age_ends_ns(age))
    if s.hazard > 0.0 and s.hazard_left < s.hazard * 86_400.0:
        s.undercut_ns = min(
            s.undercut_ns, s.now + 1 + int(max(s.hazard_left, 0.0) / s.hazard * NS_PER_SECOND)
        )


@kernel
def _count_rivals(book: Packed, state: Longs) -> None:
    """Count the undercutting orders in the book and find the time at which the first of them ends."""
    s = state_at(state)
    s.rivals = 0
    for j in range(sim.RIVAL_SLOTS):
        if order_at(book, load_fixed(book, lay.ORDERS) - sim.RIVAL_SLOTS + j).qty == 0:
            state[sim.RIVAL_UNTIL + j] = 0
        else:
            s.rivals += 1
            s.undercut_ns = min(s.undercut_ns, state[sim.RIVAL_UNTIL + j])


@late_kernel
def undercut_event(book: Packed, state: Longs, flow: Floats) -> None:
    """Remove undercutting orders whose time is over, and draw a new one where the hazard is used up."""
    s = state_at(state)
    first = load_fixed(book, lay.ORDERS) - sim.RIVAL_SLOTS
    for j in range(sim.RIVAL_SLOTS):
        if 0 < state[sim.RIVAL_UNTIL + j] <= s.now:
            public_take(book, state, first + j, order_at(book, first + j).qty, DELETE, False)
    watch_alone(book, state, flow)
    if s.hazard_left > 0.0 or s.alone_at == NO_BID:
        return
    s.hazard_left = -math.log(1.0 - uniform(state, sim.UNDERCUT_RNG))
    step = _draw_value(state, flow, STEPS)
    lots = _draw_value(state, flow, LOTS)
    life = _draw_value(state, flow, LIVES)
    price, side = s.alone_at, s.side
    room = (best(book, -side) - price) * side - 1
    for j in range(sim.RIVAL_SLOTS):
        if state[sim.RIVAL_UNTIL + j] == 0:
            state[sim.RIVAL_UNTIL + j] = s.now + max(int(life * NS_PER_SECOND), LEAST_NS)
            s.rivals += 1
            better = min(max(math.ceil(step * room), 1), room)
            public_add(
                book,
                state,
                first + j,
                side,
                price + side * better,
                max(round(lots * flow[s.undercut + USUAL]), 1),
            )
            return


@kernel
def _draw_value(state: Longs, flow: Floats, table_at: int) -> float:
    """Draw one of the DRAWS equally likely values of the table that begins `table_at` words behind the rule's place in `flow`."""
    return float(
        flow[state_at(state).undercut + table_at + int(uniform(state, sim.UNDERCUT_RNG) * DRAWS)]
    )
