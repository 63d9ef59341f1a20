"""The public book without own orders (the *background*), and the visible book that is kept in step with it.

From the first own order on, a market has two books in one array:

- the *background* holds public orders alone. The flow model acts on it and never sees an own order, so its events are
  those of the market as it would be without us, order by order, and the same for all strategies on one seed;
- the *visible book* is what agents see. Every event of the background is mirrored in it, at prices moved by the ticks of
  the impact law, and own orders queue in it at their true place (`docs/concepts/simulator.md`).

An own order therefore neither causes a public market order nor makes one larger, and no lot trades twice: what a market
order trades with own orders, it does not trade with public ones. The impact law alone decides how own volume moves the
price.

**Lots that own orders took** leave the visible book, while their owner still has them in the background. They come back
after a delay, at the end of the queue of their price, and not while an own order rests on the other side at that price or
a better one (`restoration`).

**Residual orders.** Where own orders traded in place of a public order, its lots stay in the visible book
(`residual_orders`).

**Early trades.** A public limit order that crosses an own order trades with it at once; the background knows nothing of
that trade. The next public market orders of the same direction therefore trade as many lots less in the visible book
(`EARLY`), and the orders that they met in the background become residual. Own and public lots traded on a side thus add
up to those of the market without own orders.

**Slots.** An order has the same slot in both books. Where a residual order still occupies the slot that the background
uses again, the new order is shown in one of the last RESIDUAL_SLOTS slots (`SPARE_AT`).
"""

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at, own_order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_own_head,
    mark_for_restoration,
    public_take,
    write_row,
)
from tercel.market.simulator.crossing import first_own, has_priority, note_aggressor
from tercel.market.simulator.recent_sums import record_hidden_trade
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import replay_row
from tercel.market.simulator.residual_orders import (
    drop_gone_residuals,
    make_residual,
    thin_residuals,
    yield_residuals,
)
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, TRADE_HIDDEN


@kernel
def visible_slot(book: Packed, state: Longs, slot: int) -> int:
    """Slot of the visible book in which the background's order of `slot` is shown."""
    for spare in range(state_at(state).spares):
        if state[sim.SPARE_AT + spare] == slot + 1:
            return load_fixed(book, lay.ORDERS) - sim.RESIDUAL_SLOTS + spare
    return slot


@kernel
def allocate_visible(book: Packed, state: Longs, slot: int) -> int:
    """Slot in the visible book for a new order of the background; -1: the slot shows another of its orders, rebuild."""
    s = state_at(state)
    first_spare = load_fixed(book, lay.ORDERS) - sim.RESIDUAL_SLOTS
    for spare in range(s.spares):
        if state[sim.SPARE_AT + spare] == slot + 1:  # the order that had the slot before
            state[sim.SPARE_AT + spare] = 0
    while s.spares > 0 and state[sim.SPARE_AT + s.spares - 1] == 0:
        s.spares -= 1
    if slot >= first_spare and state[sim.SPARE_AT + slot - first_spare] > 0:
        return -1
    old_lots = order_at(book, slot).qty
    if old_lots == 0:
        return slot
    for free in range(
        max(first_spare, book[load_fixed(book, lay.BACKGROUND) + lay.HIGH]),
        load_fixed(book, lay.ORDERS),
    ):
        if order_at(book, free).qty == 0 and state[sim.SPARE_AT + free - first_spare] == 0:
            state[sim.SPARE_AT + free - first_spare] = slot + 1
            s.spares = max(s.spares, free - first_spare + 1)
            return free
    public_take(book, state, slot, old_lots, DELETE, False)
    drop_gone_residuals(book, state)
    return slot


@kernel
def mirror_execution(
    book: Packed, state: Longs, row: int, side: int, price: int, lots: int
) -> None:
    """Mirror an execution of the background (row `row`): own and residual orders ahead trade in place of its order.

    Lots that limit orders traded with own ones before are done: that much less is traded now.
    """
    s = state_at(state)
    background_slot = row_at(state, sim.MIRROR + row * sim.RECORD_WORDS).who
    slot = visible_slot(book, state, background_slot)
    early = sim.EARLY + (0 if side > 0 else 1)
    early_lots = min(lots, state[early])
    state[early] -= early_lots
    lots -= early_lots
    if lots > 0 and (book[lay.OWN_RESTING] > 0 or s.residual > 0):
        note_aggressor(state, -side)
        lots = fill_ahead(book, state, side, price, lots, slot)
    visible_lots = order_at(book, slot).qty
    if min(lots, visible_lots) > 0:
        public_take(book, state, slot, lots, EXECUTE, False)
    if visible_lots > lots and has_left(book, state, row, background_slot):
        make_residual(book, state, slot)


@kernel
def fill_ahead(book: Packed, state: Longs, side: int, price: int, lots: int, slot: int) -> int:
    """Fill own and residual orders ahead of the order in `slot` from an aggressor at `price`. Returns lots left."""
    while lots > 0:
        own_index = first_own(book, side, price, False) if book[lay.OWN_RESTING] > 0 else -1
        residual = first_residual(book, state, side, price, slot, own_index)
        if residual >= 0:
            lots -= public_take(book, state, residual, lots, EXECUTE, False)
            drop_gone_residuals(book, state)
        elif own_index >= 0:
            lots -= fill_own_head(book, state, own_index, lots)
        else:
            break
    return lots


@kernel
def first_residual(
    book: Packed, state: Longs, side: int, price: int, slot: int, own_index: int
) -> int:
    """The residual order that an aggressor at `price` meets before own order `own_index` (-1: none) and the order in `slot`.

    Its slot, -1 where none is ahead by price and time.
    """
    first_slot = -1
    for j in range(state_at(state).residual):
        candidate = state[sim.RESIDUAL_AT + j]
        order = order_at(book, candidate)
        if order.side != side or (order.price - price) * side < 0:
            continue
        if (
            order.price == price
            and order_at(book, slot).qty > 0
            and order_at(book, slot).arrival < order.arrival
        ):
            continue
        if own_index >= 0 and has_priority(own_order_at(book, own_index), order, side):
            continue
        if first_slot >= 0 and has_priority(order_at(book, first_slot), order, side):
            continue
        first_slot = candidate
    return int(first_slot)


@kernel
def has_left(book: Packed, state: Longs, row: int, slot: int) -> bool:
    """Whether the background's order of `slot` is no longer in its book after row `row` of the event."""
    for later in range(row + 1, state_at(state).mirror_row):
        r = row_at(state, sim.MIRROR + later * sim.RECORD_WORDS)
        if r.who == slot:
            return bool(r.kind == ADD)
    return bool(order_at(book[load_fixed(book, lay.BACKGROUND) :], slot).qty == 0)


@kernel
def split_background(book: Packed, state: Longs) -> None:
    """Begin the background book as a copy of the market's book, before any own order rests there."""
    s = state_at(state)
    length = load_fixed(book, lay.BACKGROUND)
    for j in range(length):
        book[length + j] = book[j]
    for j in range(sim.TALLIES):
        state[sim.BACKGROUND + j] = state[sim.EVENTS + j]
    s.mirror_row = 0
    s.mirror_at = sim.MIRROR
    s.mirror_room = sim.MIRROR_ROWS
    s.restore_ns = FOREVER_NS
    s.apart = sim.PARTED


@kernel
def swap_tallies(state: Longs) -> None:
    """Exchange the tallies and record shown to agents with those of the background."""
    s = state_at(state)
    for j in range(sim.TALLIES):
        state[sim.EVENTS + j], state[sim.BACKGROUND + j] = (
            state[sim.BACKGROUND + j],
            state[sim.EVENTS + j],
        )
    s.record, s.mirror_row = s.mirror_row, s.record
    s.record_at, s.mirror_at = s.mirror_at, s.record_at
    s.record_rows, s.mirror_room = s.mirror_room, s.record_rows


@kernel
def enter_background(state: Longs) -> None:
    """Switch to the background for the flow's next event."""
    s = state_at(state)
    s.mirror_row = 0
    swap_tallies(state)
    s.apart = sim.WILL_PART
    s.seconds_room = -s.seconds_room


@kernel
def leave_background(book: Packed, state: Longs) -> None:
    """Switch back to the visible book after the flow's event."""
    s = state_at(state)
    s.apart = sim.PARTED
    s.seconds_room = -s.seconds_room
    swap_tallies(state)
    book[lay.OVERFLOW] = book[load_fixed(book, lay.BACKGROUND) + lay.OVERFLOW]


@kernel
def mirror(book: Packed, state: Longs) -> None:
    """Apply the rows of the background's last event to the visible book."""
    s = state_at(state)
    s.aggressor_mid2 = s.mid2
    if s.mirror_row > sim.MIRROR_ROWS:
        rebuild_shown(book, state)
        return
    if s.residual > 0:
        drop_gone_residuals(book, state)
    for row in range(s.mirror_row):
        r = row_at(state, sim.MIRROR + row * sim.RECORD_WORDS)
        side, lots = r.side, r.lots
        price = r.price + s.shift
        if r.kind == ADD:
            slot = allocate_visible(book, state, r.who)
            if slot < 0:
                rebuild_shown(book, state)
                return
            if s.residual > 0:
                yield_residuals(book, state, side, price)
            order_at(book[load_fixed(book, lay.BACKGROUND) :], r.who).tag = 0
            mirror_arrival(book, state, slot, side, price, lots)
        elif r.kind == TRADE_HIDDEN:
            record_hidden_trade(state, price)
            write_row(state, TRADE_HIDDEN, 0, side, price, lots, 0, 0)
        elif r.kind == EXECUTE:
            mirror_execution(book, state, row, side, price, lots)
        else:
            if s.residual > 0:
                thin_residuals(book, state, row, side, price)
            slot = visible_slot(book, state, r.who)
            visible_lots = order_at(book, slot).qty
            if (
                visible_lots > 0
            ):  # the residual lots that own orders left of it are cancelled with it
                replay_row(
                    book,
                    state,
                    r.kind,
                    slot,
                    side,
                    price,
                    visible_lots if r.kind == DELETE else lots,
                )


@kernel
def mirror_arrival(book: Packed, state: Longs, slot: int, side: int, price: int, lots: int) -> None:
    """Rest a public limit order in the visible book; lots of it that own orders take are restored later."""
    s = state_at(state)
    before = s.passive_lots
    replay_row(book, state, ADD, slot, side, price, lots)
    if s.passive_lots > before:
        s.crossed_lots += s.passive_lots - before
        state[sim.EARLY + (1 if side > 0 else 0)] += s.passive_lots - before
        mark_for_restoration(book, state, slot)


@kernel
def rebuild_shown(book: Packed, state: Longs) -> None:
    """Rebuild the visible public book from the background, after an event with too many rows; residual orders are dropped."""
    background = book[load_fixed(book, lay.BACKGROUND) :]
    for slot in range(load_fixed(book, lay.ORDERS)):
        order = order_at(book, slot)
        if order.qty > 0:
            public_take(book, state, slot, order.qty, DELETE, False)
    state_at(state).residual = 0
    for spare in range(sim.RESIDUAL_SLOTS):
        state[sim.SPARE_AT + spare] = 0
    after = -1
    while True:
        next_slot = -1
        for slot in range(background[lay.HIGH]):
            order = order_at(background, slot)
            if order.qty > 0 and order.arrival > after:
                if next_slot < 0 or order.arrival < order_at(background, next_slot).arrival:
                    next_slot = slot
        if next_slot < 0:
            return
        order = order_at(background, next_slot)
        after = order.arrival
        order.tag = 0
        mirror_arrival(
            book, state, next_slot, order.side, order.price + state_at(state).shift, order.qty
        )
