"""Replay of a recorded tape against own orders, by the seven rules of `docs/design.md`, section 4.

Rows come compiled (`market.tape.compiled`): every order has a slot that the tape's own life of the order decides, so
no id is looked up here, and an order that the agent emptied keeps its slot until the tape is done with it.
"""

from tercel.core.jit import Longs, Packed, Rows, kernel, late_kernel, load_fixed
from tercel.core.vocabulary import BREAK, FOREVER_NS, NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import is_own, order_at, side_at
from tercel.market.book.feed_window import reduce_anonymous, roll_in, roll_out, settle_frozen
from tercel.market.book.ladder import reduce
from tercel.market.book.price_window import release
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    hidden_trade,
    owns_slots,
    public_add,
    public_take,
    write_row,
)
from tercel.market.simulator.crossing import fill_traded, hit_own, note_aggressor
from tercel.market.simulator.levels import (
    QUEUE,
    clear_stated_totals,
    level_row,
    print_row,
    set_stated_total,
)
from tercel.market.simulator.public_touch import refresh_touch
from tercel.market.simulator.recent_sums import record_trade
from tercel.market.simulator.records import state_at
from tercel.market.simulator.undercutting import yield_rivals
from tercel.market.tape import schema


@kernel
def take_block(book: Packed, state: Longs, side: int, price: int, lots: int, kind: int) -> None:
    """Apply a cancel or execution of an unknown order: it takes its level's anonymous lots."""
    s = state_at(state)
    s.events += 1
    touch = s.public_bid if side > 0 else s.public_ask
    taken = reduce_anonymous(book, side, price, lots, kind == schema.EXECUTE, True)
    if price == touch:
        s.ofi -= side * taken
    if kind == schema.EXECUTE and s.halted == 0:
        state[sim.SOLD if side > 0 else sim.BOUGHT] += taken
        record_trade(state, side, price, taken)
    write_row(state, kind, -1, side, price, taken, 0, 0)
    refresh_touch(book, state, side, price)


@late_kernel
def roll(
    book: Packed, state: Longs, kind: int, slot: int, side: int, price: int, lots: int
) -> None:
    """Apply a row with which a level enters or leaves the feed's window."""
    if kind == schema.ROLL_OUT:
        roll_out(book, side, price, True)
    elif lots > 0:
        roll_in(book, slot, side, price, lots)
    write_row(state, kind, slot, side, price, lots, 0, 0)
    refresh_touch(book, state, side, price)


@late_kernel
def empty_public(book: Packed, state: Longs) -> None:
    """Remove all public orders as the tape clears the book; one event without a move of the mid.

    Own orders stay, with only own lots ahead.
    """
    s = state_at(state)
    for slot in range(load_fixed(book, lay.ORDERS) + 2 * load_fixed(book, lay.OWN)):
        order = order_at(book, slot)
        if order.qty == 0:
            continue
        if is_own(book, slot):
            settle_frozen(book, order.side, order.price)
        else:
            reduce(book, slot, order.qty)
            if owns_slots(state) and slot < load_fixed(book, lay.ORDERS):
                release(book, slot)
    s.events += 1
    s.public_bid = NO_BID
    s.public_ask = NO_ASK
    write_row(state, schema.CLEAR, -1, 0, 0, 0, 0, 0)


@kernel
def begin_break(state: Longs, break_ns: int) -> None:
    """Move the schedule and the horizon of an order at work by a break that begins: both run in trading time."""
    s = state_at(state)
    if s.phase == sim.WORKING:
        s.start_ns += break_ns
        if s.due_ns < FOREVER_NS:
            s.due_ns += break_ns


@kernel
def replay_row(
    book: Packed, state: Longs, kind: int, slot: int, side: int, price: int, lots: int
) -> None:
    """Apply one tape row to the book with own orders."""
    s = state_at(state)
    if kind == schema.ADD:
        if s.rivals > 0:
            yield_rivals(book, state, side, price)
        if book[lay.OWN_RESTING] > 0 or s.rivals > 0:
            lots -= hit_own(book, state, side, price, lots)
            if lots > 0:
                settle_frozen(book, side, price)
        if lots > 0:
            public_add(book, state, slot, side, price, lots)
    elif kind == schema.EXECUTE:
        if (
            book[lay.OWN_RESTING] > 0 or s.rivals > 0
        ) and s.halted == 0:  # auction executions fill no own order
            note_aggressor(state, -side)
            fill_traded(book, state, side, price, lots)
        if slot >= 0:
            public_take(book, state, slot, lots, schema.EXECUTE, False)
        else:
            take_block(book, state, side, price, lots, kind)
    elif kind == schema.REDUCE or kind == schema.DELETE:
        if slot >= 0:
            public_take(book, state, slot, lots, kind, False)
        else:
            take_block(book, state, side, price, lots, kind)
    elif kind == schema.ROLL_OUT or kind == schema.ROLL_IN:
        if state[QUEUE] != 0:
            set_stated_total(book, slot, lots)
        if s.rivals > 0 and kind == schema.ROLL_IN:
            yield_rivals(book, state, side, price)
        if kind == schema.ROLL_IN and (book[lay.OWN_RESTING] > 0 or s.rivals > 0):
            # an own order that rests where the feed showed nothing trades with what comes to light
            lots -= hit_own(book, state, side, price, lots)
        roll(book, state, kind, slot, side, price, lots)
    elif kind == schema.STATUS:
        s.halted = 0 if price == 1 else 1
        if price == BREAK:
            begin_break(state, lots)
        write_row(state, kind, 0, 0, price, lots if price == BREAK else 0, 0, 0)
    elif kind == schema.LEVEL_SET:
        level_row(book, state, slot, side, price, lots, True)
    elif kind == schema.TRADE:
        print_row(book, state, slot, side, price, lots, True)
    elif kind == schema.CLEAR:
        if state[QUEUE] != 0:
            clear_stated_totals(book)
        empty_public(book, state)
    elif kind == schema.TRADE_HIDDEN:
        hidden_trade(state, side, price, lots)


@late_kernel
def replay_event(book: Packed, state: Longs, tape: Rows) -> None:
    """Apply the tape's next row, at prices shifted by impact; the time of the next."""
    s = state_at(state)
    i = s.cursor
    kind = tape[i, sim.T_KIND]
    price = tape[i, sim.T_PRICE]
    if kind != schema.STATUS:
        price += s.shift
    replay_row(
        book, state, kind, tape[i, sim.T_SLOT], tape[i, sim.T_SIDE], price, tape[i, sim.T_LOTS]
    )
    s.cursor = i + 1
    s.flow_ns = tape[i + 1, sim.T_NS] if i + 1 < s.cursor_end else FOREVER_NS


@kernel
def init_touch(book: Packed, state: Longs) -> None:
    """Set public touches and mid from a loaded book."""
    s = state_at(state)
    s.public_bid = side_at(book, 1).best
    s.public_ask = side_at(book, -1).best
    if s.public_bid != NO_BID:
        s.last_bid = s.public_bid
    if s.public_ask != NO_ASK:
        s.last_ask = s.public_ask
    if s.public_bid != NO_BID and s.public_ask != NO_ASK:
        s.mid2 = s.public_bid + s.public_ask
