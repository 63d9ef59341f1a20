"""Replay of a recorded tape against own orders, by the seven rules of `docs/design.md`, section 4.

Rows come compiled (`market.tape.compiled`): every order has a slot that the tape's own life of the order decides, so
no id is looked up here, and an order that the agent emptied keeps its slot until the tape is done with it.

Undercutting in replay: public orders that come because an own order improves the touch (the bound `undercut`).

A tape does not answer. Where an own order is alone inside the public spread, an order at a better price is drawn
with the measured hazard: so much more often are public orders undercut that improved the touch than a better price
comes where no order improved it (`source.bounded`). The tape's own better prices come as they came, so the excess alone
is drawn. It goes by the room left inside the spread in bps, how long the own order has stood alone there, and its size
over the usual one.

The drawn order belongs to the visible book. Tape trades meet it before own orders by price and time; it rests for
a drawn time, or until the tape's own touch reaches it or passes. Nothing of it is on the tape: its lots count in no
volume. It is drawn from a stream of the episode's seed that nothing else draws from.
"""

import math
from typing import Final

from tercel.core.jit import Floats, Longs, Packed, Rows, fixed, kernel, late_kernel
from tercel.core.seeds import seed_stream, uniform
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import best, is_own, level_at, order_at, reduce, release, side_at
from tercel.market.book.tape_kernels import reduce_anonymous, roll_in, roll_out, settle_frozen
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_traded,
    hidden_trade,
    hit_own,
    meet,
    owns_slots,
    public_add,
    public_take,
    settle,
    write,
)
from tercel.market.simulator.levels import QUEUE, level_row, print_row, tell, untell
from tercel.market.simulator.past_seconds import traded
from tercel.market.simulator.records import state_at
from tercel.market.tape import schema
from tercel.market.tape.schema import DELETE


@kernel
def take_block(b: Packed, k: Longs, side: int, price: int, lots: int, kind: int) -> None:
    """A cancel or execution of an unknown order: takes its level's anonymous lots."""
    s = state_at(k)
    s.events += 1
    touch = s.public_bid if side > 0 else s.public_ask
    taken = reduce_anonymous(b, side, price, lots, kind == schema.EXECUTE, True)
    if price == touch:
        s.ofi -= side * taken
    if kind == schema.EXECUTE and s.halted == 0:
        k[sim.SOLD if side > 0 else sim.BOUGHT] += taken
        traded(k, side, price, taken)
    write(k, kind, -1, side, price, taken, 0, 0)
    settle(b, k, side, price)


@late_kernel
def roll(b: Packed, k: Longs, kind: int, slot: int, side: int, price: int, lots: int) -> None:
    """A level enters or leaves the feed's window."""
    if kind == schema.ROLL_OUT:
        roll_out(b, side, price, True)
    elif lots > 0:
        roll_in(b, slot, side, price, lots)
    write(k, kind, slot, side, price, lots, 0, 0)
    settle(b, k, side, price)


@late_kernel
def empty_public(b: Packed, k: Longs) -> None:
    """The tape clears the book, pieces of split blocks included: one event without a move of the mid.

    Own orders stay, with only own lots ahead.
    """
    s = state_at(k)
    for slot in range(fixed(b, lay.ORDERS) + 2 * fixed(b, lay.OWN)):
        o = order_at(b, slot)
        if o.qty == 0:
            continue
        if is_own(b, slot):
            settle_frozen(b, o.side, o.price)
        else:
            reduce(b, slot, o.qty)
            if owns_slots(k) and slot < fixed(b, lay.ORDERS):
                release(b, slot)
    s.events += 1
    s.public_bid = NO_BID
    s.public_ask = NO_ASK
    write(k, schema.CLEAR, -1, 0, 0, 0, 0, 0)


@kernel
def give_way(b: Packed, k: Longs, side: int, price: int) -> None:
    """The tape's own order of `side` reaches undercutting orders or passes them: they go."""
    if side != state_at(k).side:
        return
    for slot in range(fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS, fixed(b, lay.ORDERS)):
        o = order_at(b, slot)
        if o.qty > 0 and (price - o.price) * side >= 0:
            public_take(b, k, slot, o.qty, schema.DELETE, False)


@kernel
def replay_row(b: Packed, k: Longs, kind: int, slot: int, side: int, price: int, lots: int) -> None:
    """Apply one tape row to the book with own orders."""
    s = state_at(k)
    if kind == schema.ADD:
        if s.rivals > 0:
            give_way(b, k, side, price)
        if b[lay.OWN_RESTING] > 0 or s.rivals > 0:
            lots -= hit_own(b, k, side, price, lots)
            if lots > 0:
                settle_frozen(b, side, price)
        if lots > 0:
            public_add(b, k, slot, side, price, lots)
    elif kind == schema.EXECUTE:
        if (
            b[lay.OWN_RESTING] > 0 or s.rivals > 0
        ) and s.halted == 0:  # auction executions fill no own order
            meet(k, -side)
            fill_traded(b, k, side, price, lots)
        if slot >= 0:
            public_take(b, k, slot, lots, schema.EXECUTE, False)
        else:
            take_block(b, k, side, price, lots, kind)
    elif kind == schema.REDUCE or kind == schema.DELETE:
        if slot >= 0:
            public_take(b, k, slot, lots, kind, False)
        else:
            take_block(b, k, side, price, lots, kind)
    elif kind == schema.ROLL_OUT or kind == schema.ROLL_IN:
        if k[QUEUE] != 0:
            tell(b, slot, lots)
        if s.rivals > 0 and kind == schema.ROLL_IN:
            give_way(b, k, side, price)
        if kind == schema.ROLL_IN and (b[lay.OWN_RESTING] > 0 or s.rivals > 0):
            # an own order that rests where the feed showed nothing trades with what comes to light
            lots -= hit_own(b, k, side, price, lots)
        roll(b, k, kind, slot, side, price, lots)
    elif kind == schema.STATUS:
        s.halted = 0 if price == 1 else 1
        write(k, kind, 0, 0, price, 0, 0, 0)
    elif kind == schema.LEVEL_SET:
        level_row(b, k, slot, side, price, lots, True)
    elif kind == schema.TRADE:
        print_row(b, k, slot, side, price, lots, True)
    elif kind == schema.CLEAR:
        if k[QUEUE] != 0:
            untell(b)
        empty_public(b, k)
    elif kind == schema.TRADE_HIDDEN:
        hidden_trade(k, side, price, lots)


@late_kernel
def replay_event(b: Packed, k: Longs, tape: Rows) -> None:
    """Apply the tape's next row, at prices shifted by impact; the time of the next."""
    s = state_at(k)
    i = s.cursor
    kind, price = tape[i, sim.T_KIND], tape[i, sim.T_PRICE]
    if kind != schema.STATUS:
        price += s.shift
    replay_row(b, k, kind, tape[i, sim.T_SLOT], tape[i, sim.T_SIDE], price, tape[i, sim.T_LOTS])
    s.cursor = i + 1
    s.flow_ns = tape[i + 1, sim.T_NS] if i + 1 < s.cursor_end else FOREVER_NS


@kernel
def touch_from_book(b: Packed, k: Longs) -> None:
    """Set public touches and mid from a loaded book."""
    s = state_at(k)
    s.public_bid = side_at(b, 1).best
    s.public_ask = side_at(b, -1).best
    if s.public_bid != NO_BID:
        s.last_bid = s.public_bid
    if s.public_ask != NO_ASK:
        s.last_ask = s.public_ask
    if s.public_bid != NO_BID and s.public_ask != NO_ASK:
        s.mid2 = s.public_bid + s.public_ask


# -- rates, float64 words from flow[UNDERCUT] on -----------------------------------------------------------------------
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
    """When a class of age ends."""
    if age == 0:
        return 100_000_000
    return NS_PER_SECOND * (1 if age == 1 else 3 if age == 2 else 10 if age == 3 else 30)


@kernel
def size_class(over_usual: float) -> int:
    """Class of a size over the usual one: it begins at 0, .5, 2."""
    return 0 if over_usual < 0.5 else 1 if over_usual < 2.0 else 2


@kernel
def begin_undercut(k: Longs, seed: int, index: int) -> None:
    """Start an episode's stream; nothing without a table of rates."""
    s = state_at(k)
    if s.undercut == 0:
        return
    seed_stream(k, sim.UNDERCUT_RNG, seed, index, 6)
    s.undercut_ns = FOREVER_NS
    s.alone_at = NO_BID
    s.hazard = 0.0
    s.hazard_left = -math.log(1.0 - uniform(k, sim.UNDERCUT_RNG))


@kernel
def alone(b: Packed, k: Longs) -> int:
    """Own price that is alone inside the public spread with room for a better one; NO_BID: none."""
    s = state_at(k)
    if b[lay.OWN_RESTING] == 0 or s.halted != 0:
        return NO_BID
    near, far = best(b, s.side), best(b, -s.side)
    if (
        near == NO_BID
        or near == NO_ASK
        or far == NO_BID
        or far == NO_ASK
        or (far - near) * s.side < 2
    ):
        return NO_BID
    lv = level_at(b, s.side, near)
    return int(near) if lv.lots == lv.own_lots else NO_BID


@late_kernel
def watch_alone(b: Packed, k: Longs, flow: Floats) -> None:
    """After anything happened: use the hazard up to now, and say when the next undercutting order comes or goes."""
    s = state_at(k)
    s.hazard_left -= s.hazard * (s.now - s.hazard_ns) / NS_PER_SECOND
    s.hazard_ns = s.now
    s.hazard = 0.0
    s.undercut_ns = FOREVER_NS
    if s.rivals > 0:
        _count_rivals(b, k)
    price = alone(b, k)
    if price != s.alone_at:
        s.alone_at = price
        s.alone_since = s.now
    if price == NO_BID:
        return
    age = age_class((s.now - s.alone_since) / NS_PER_SECOND)
    room = (best(b, -s.side) - price) * s.side - 1
    own = level_at(b, s.side, price).own_lots
    at, size = s.undercut, size_class(own / flow[s.undercut + USUAL])
    s.hazard = (
        flow[at + RATES + AGES * room_class(1e4 * room / abs(price)) + age]
        * flow[at + BY_SIZE + size]
    )
    if age < AGES - 1:
        s.undercut_ns = min(s.undercut_ns, s.alone_since + _age_ends_ns(age))
    if s.hazard > 0.0 and s.hazard_left < s.hazard * 86_400.0:
        s.undercut_ns = min(
            s.undercut_ns, s.now + 1 + int(max(s.hazard_left, 0.0) / s.hazard * NS_PER_SECOND)
        )


@kernel
def _count_rivals(b: Packed, k: Longs) -> None:
    """Count the undercutting orders in the book and find the time at which the first of them ends."""
    s = state_at(k)
    s.rivals = 0
    for j in range(sim.RIVAL_SLOTS):
        if order_at(b, fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS + j).qty == 0:
            k[sim.RIVAL_UNTIL + j] = 0
        else:
            s.rivals += 1
            s.undercut_ns = min(s.undercut_ns, k[sim.RIVAL_UNTIL + j])


@late_kernel
def undercut_event(b: Packed, k: Longs, flow: Floats) -> None:
    """Undercutting orders whose time is over go; where the hazard is used up, one comes."""
    s = state_at(k)
    first = fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS
    for j in range(sim.RIVAL_SLOTS):
        if 0 < k[sim.RIVAL_UNTIL + j] <= s.now:
            public_take(b, k, first + j, order_at(b, first + j).qty, DELETE, False)
    watch_alone(b, k, flow)
    if s.hazard_left > 0.0 or s.alone_at == NO_BID:
        return
    s.hazard_left = -math.log(1.0 - uniform(k, sim.UNDERCUT_RNG))
    step, lots, life = _drawn(k, flow, STEPS), _drawn(k, flow, LOTS), _drawn(k, flow, LIVES)
    price, side = s.alone_at, s.side
    room = (best(b, -side) - price) * side - 1
    for j in range(sim.RIVAL_SLOTS):
        if k[sim.RIVAL_UNTIL + j] == 0:
            k[sim.RIVAL_UNTIL + j] = s.now + max(int(life * NS_PER_SECOND), LEAST_NS)
            s.rivals += 1
            better = min(max(math.ceil(step * room), 1), room)
            public_add(
                b,
                k,
                first + j,
                side,
                price + side * better,
                max(round(lots * flow[s.undercut + USUAL]), 1),
            )
            return


@kernel
def _drawn(k: Longs, flow: Floats, at: int) -> float:
    """One of DRAWS equally likely values."""
    return float(flow[state_at(k).undercut + at + int(uniform(k, sim.UNDERCUT_RNG) * DRAWS)])
