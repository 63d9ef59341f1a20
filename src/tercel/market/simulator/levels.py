"""Replay of level-total tapes (L2): prints and totals applied to a book in which own orders have places in the queues.

A print of n lots executes the first n lots of the level. A total that falls by more than was printed since lost the rest
by cancels, and the feed does not say whose they were: a queue model gives the share of them that was ahead of the own
order, from the lots ahead of it and behind it (`queue_models`). A new order goes behind the whole total that is shown;
lots that come later go behind it.

Rules of replay, for levels:

1. Lots that an own order took stay taken until the tape's own level loses them, by prints, by the model's share of
   cancels at the head of the queue, or whole; a total that is stated again brings none back.
2. A print first fills own orders at better prices, then those at its price in their place in the queue, up to its size;
   the tape's level loses it in full all the same.
3. A total that rises through an own order fills it, up to the rise.
4. A print of more lots than its level showed, by the rest of them, was of an order that came and went unseen: it fills own
   orders of the other side that it crossed.
5. Where `THEIRS` is set, a print fills own orders at better prices alone: at its price all that is shown, now and later,
   stands ahead of them, and cancels bring none of them forward. Lots that own orders took are then the last to leave.

The remaining rules are those of order-level tapes (`replay`). Three things differ from hftbacktest: lots are whole (what
rounding leaves is carried to the next fall of the order's level, nothing is drawn), lots printed but not yet taken off the
total do not count as back, and several own orders in one queue keep their order.
"""

import math
from typing import Final

from tercel.core.jit import Longs, Packed, kernel, late_kernel, load_fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import ledger_at, level_at, order_at, own_order_at
from tercel.market.book.feed_window import next_own, settle_frozen
from tercel.market.book.ladder import insert, public_lots_at, reduce
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import fill_own_head, write_row
from tercel.market.simulator.crossing import first_own, hit_own, note_aggressor
from tercel.market.simulator.level_queue import append_lots, take_between
from tercel.market.simulator.public_touch import refresh_touch
from tercel.market.simulator.queue_models import EXPONENT, POWER_PROB, share_ahead
from tercel.market.simulator.recent_sums import record_trade
from tercel.market.simulator.records import put_real, real, state_at
from tercel.market.tape.schema import LEVEL_SET, TRADE

QUEUE: Final = sim.FLOW_MEMORY + 1  # the model, 0: the tape is of single orders
POWER: Final = sim.FLOW_MEMORY + 2  # real: the exponent n
CARRY: Final = (
    sim.FLOW_MEMORY + 8
)  # for each own order: its sequence number + 1, real: lots that rounding left
CARRIED: Final = 64
ALL: Final = 1 << 30


@kernel
def shows_levels(state: Longs) -> bool:
    """Whether a market's tape is one of level totals (false in markets that a flow moves)."""
    return bool(state_at(state).model == sim.REPLAY and state[QUEUE] != 0)


@kernel
def guess_queues(state: Longs) -> None:
    """Use the default queue model in a market that follows a venue's level totals, for which no model was named."""
    if state[QUEUE] == 0:
        state[QUEUE] = POWER_PROB
        put_real(state, POWER, EXPONENT)


@kernel
def taken_lots(book: Packed, slot: int, side: int, price: int) -> int:
    """Lots of a level that the tape still counts although own orders took them."""
    return max(order_at(book, slot).tag - public_lots_at(book, side, price), 0)


@kernel
def advance_queue(
    book: Packed, slot: int, side: int, price: int, lots: int, taken_last: bool
) -> None:
    """Execute a level's first lots: those that own orders took go first (with `taken_last` last), the rest advances the queue.

    The total stays until the tape takes it back; until then printed lots rest at the end of the queue, where they delay no order.
    """
    own_taken = min(taken_lots(book, slot, side, price), 0 if taken_last else lots)
    order_at(book, slot).tag -= own_taken
    executed = take_between(book, side, price, -1, ALL, lots - own_taken, False)
    if executed > 0:
        append_lots(book, slot, side, price, executed, lay.PRINTED)
    if taken_last:
        order_at(book, slot).tag -= min(taken_lots(book, slot, side, price), lots - executed)


@kernel
def lots_before(book: Packed, side: int, price: int, own_index: int) -> int:
    """Lots ahead of an own order, ALL if unknown."""
    ledger = ledger_at(book, own_index)
    return ledger.ahead if ledger.ahead_state == lay.AHEAD_KNOWN else ALL


@late_kernel
def print_row(
    book: Packed, state: Longs, slot: int, side: int, price: int, lots: int, fills: bool
) -> None:
    """Apply a print: `lots` of `side` trade at `price`; without `fills` own orders are left to reports."""
    s = state_at(state)
    s.events += 1
    is_trading = s.halted == 0  # auction prints fill no own order
    if side != 0 and is_trading:
        state[sim.SOLD if side > 0 else sim.BOUGHT] += lots
        record_trade(state, side, price, lots)
    write_row(state, TRADE, slot, side, price, lots, 0, 0)
    remaining = lots
    if not fills:
        if slot >= 0 and side != 0 and is_trading:
            advance_queue(book, slot, side, price, lots, False)
        return
    if book[lay.OWN_RESTING] > 0 and is_trading and side != 0:
        unseen = lots - (order_at(book, slot).tag if slot >= 0 else 0)
        if unseen > 0:
            hit_own(book, state, side, price, unseen)
        note_aggressor(state, -side)
    while side != 0 and is_trading and remaining > 0 and book[lay.OWN_RESTING] > 0:
        own_index = first_own(book, side, price, False)
        if s.theirs != 0 and (own_index < 0 or own_order_at(book, own_index).price == price):
            executed = remaining  # all that is shown at the price, now and later, stands ahead
            own_index = -1
        elif own_index >= 0:
            executed = fill_own_head(book, state, own_index, remaining)
            s.double_lots += executed
        else:
            own_index = next_own(book, side, price, -1)
            executed = (
                min(remaining, lots_before(book, side, price, own_index))
                if own_index >= 0
                else remaining
            )
        if slot >= 0:
            advance_queue(book, slot, side, price, executed, s.theirs != 0)
        elif own_index < 0:
            break
        remaining -= executed
    if (
        slot >= 0 and side != 0 and remaining > 0 and s.theirs == 0
    ):  # no own order waits: only what own orders took is worth keeping count of
        own_taken = min(remaining, taken_lots(book, slot, side, price))
        advance_queue(book, slot, side, price, own_taken, False)


@kernel
def cancelled_ahead(
    state: Longs, front: int, back: int, drop: int, carry_at: int, sequence: int
) -> int:
    """Whole lots of a level's cancels that stood ahead of an order, by the queue model; the fraction is carried over."""
    exact = share_ahead(state[QUEUE], real(state, POWER), float(front), float(back)) * drop
    if carry_at >= 0:
        if state[carry_at] == sequence + 1:
            exact += real(state, carry_at + 1)
        state[carry_at] = sequence + 1
    lots = math.floor(exact + 1e-9)
    if carry_at >= 0:
        put_real(state, carry_at + 1, max(exact - lots, 0.0))
    return lots


@kernel
def cancel_lots(book: Packed, state: Longs, side: int, price: int, taken: int, drop: int) -> None:
    """Cancel `drop` lots of a level, split between own orders by the queue model.

    `taken` lots at the head are those that own orders took: cancels among them take nothing from the queue.
    """
    resting = public_lots_at(book, side, price)
    gone = 0
    if taken > 0:
        gone = cancelled_ahead(state, taken, resting, drop, -1, 0)
        gone = min(max(gone, drop - resting), taken, drop)
    drop -= gone
    cancelled = 0
    before = 0
    own_lots = 0
    last = -1
    while True:
        own_index = next_own(book, side, price, last)
        if own_index < 0:
            break
        order = own_order_at(book, own_index)
        ledger = ledger_at(book, own_index)
        front = ledger.ahead - own_lots + cancelled  # public lots ahead, as they were
        back = resting - front
        carry_at = CARRY + 2 * own_index if own_index < CARRIED else -1
        target = (
            cancelled_ahead(state, taken + front, back, drop + gone, carry_at, ledger.sent) - gone
        )
        target = max(target, drop - back, cancelled)
        target = min(target, cancelled + front - before, drop)
        take_between(book, side, price, last, order.arrival, target - cancelled, False)
        own_lots += order.qty
        cancelled = target
        before = front
        last = order.arrival
    take_between(book, side, price, last, ALL, drop - cancelled, False)


@kernel
def is_single_block(book: Packed, side: int, price: int) -> bool:
    """Whether a price holds nothing but its level's own block: the common, fast case."""
    for slot in range(
        load_fixed(book, lay.ORDERS), load_fixed(book, lay.ORDERS) + 2 * load_fixed(book, lay.OWN)
    ):
        order = order_at(book, slot)
        if order.qty > 0 and order.price == price and order.side == side:
            return False
    return True


@kernel
def set_block(
    book: Packed,
    state: Longs,
    slot: int,
    side: int,
    price: int,
    stated: int,
    total: int,
    fills: bool,
) -> None:
    """Set the total of a level that is one block, from `stated` to `total`; a rise fills own orders it crosses if `fills`."""
    order = order_at(book, slot)
    resting = order.qty
    if total <= stated:
        drop = stated - total
        own_taken = 0
        if total == 0:
            own_taken = drop - resting
        elif (
            stated > resting
        ):  # cancels among the lots that own orders took, at the head, take nothing
            own_taken = cancelled_ahead(state, stated - resting, resting, drop, -1, 0)
            own_taken = min(max(own_taken, drop - resting), stated - resting, drop)
        reduce(book, slot, drop - own_taken)
        return
    rise = total - stated
    if fills and book[lay.OWN_RESTING] > 0:
        rise -= hit_own(book, state, side, price, rise)
    if rise > 0 and resting == 0:
        insert(book, slot, side, price, rise)
        order.marks |= lay.ANONYMOUS
    elif rise > 0:
        order.qty += rise
        if not order.marks & lay.FAR:
            level_at(book, side, price).lots += rise


@late_kernel
def level_row(
    book: Packed, state: Longs, slot: int, side: int, price: int, total: int, fills: bool
) -> None:
    """Apply a level total of the tape; without `fills` what it does to own orders is left to reports."""
    s = state_at(state)
    s.events += 1
    write_row(state, LEVEL_SET, slot, side, price, total, 0, 0)
    stated = order_at(book, slot).tag
    touch = s.public_bid if side > 0 else s.public_ask
    none = touch == NO_BID or touch == NO_ASK
    if none or (price - touch) * side > 0 or price == touch:
        s.ofi += side * (total - stated)
    order_at(book, slot).tag = total
    if is_single_block(book, side, price):
        set_block(book, state, slot, side, price, stated, total, fills)
        refresh_touch(book, state, side, price)
        return
    resting = public_lots_at(book, side, price)
    if total == 0:
        take_between(book, side, price, -1, ALL, ALL, False)
        take_between(book, side, price, -1, ALL, ALL, True)
        refresh_touch(book, state, side, price)
        return
    taken = max(stated - resting, 0)
    rest = stated - take_between(book, side, price, -1, ALL, ALL, True)
    if total < rest:
        cancel_lots(book, state, side, price, taken, rest - total)
    elif total > rest:
        rise = total - rest
        if fills and book[lay.OWN_RESTING] > 0:
            rise -= hit_own(book, state, side, price, rise)
            if stated == 0 and rise > 0:
                settle_frozen(book, side, price)
        if rise > 0:
            append_lots(book, slot, side, price, rise, 0)
    refresh_touch(book, state, side, price)


@kernel
def set_stated_total(book: Packed, slot: int, lots: int) -> None:
    """Record the tape's total for the level of a slot."""
    if slot >= 0:
        order_at(book, slot).tag = lots


@kernel
def clear_stated_totals(book: Packed) -> None:
    """Forget the tape's totals of all levels."""
    for slot in range(load_fixed(book, lay.ORDERS)):
        order_at(book, slot).tag = 0
