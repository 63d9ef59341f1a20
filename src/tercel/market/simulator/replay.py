"""Replay of a recorded tape against own orders, by the seven rules of `docs/design.md`, section 4.

Rows come compiled (`market.tape.compiled`): every order has a slot that the tape's own life of the order decides, so
no id is looked up here, and an order that the agent emptied keeps its slot until the tape is done with it.
"""

from tercel.core.jit import Longs, Packed, Rows, fixed, kernel, late_kernel
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import is_own, order_at, reduce, release, side_at
from tercel.market.book.window import reduce_anonymous, roll_in, roll_out, settle_frozen
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
