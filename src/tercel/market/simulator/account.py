"""State changes of a market: public orders placed and taken, own orders resting, filled and dead, with costs and fees.

Every change passes here and can be recorded. The live driver applies recorded rows through these same functions, which
is why its book, tallies and account are byte-identical to the simulator's.
"""

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import (
    best,
    in_window,
    ledger_at,
    level_at,
    order_at,
    own_order_at,
)
from tercel.market.book.ladder import insert, insert_own, reduce
from tercel.market.book.price_window import release
from tercel.market.simulator import layout as sim
from tercel.market.simulator.public_touch import is_rival, mark_happened, refresh_touch
from tercel.market.simulator.recent_sums import record_hidden_trade, record_trade
from tercel.market.simulator.records import fill_at, row_at, state_at
from tercel.market.simulator.terms import charge
from tercel.market.tape.schema import ADD, EXECUTE, TRADE_HIDDEN


@kernel
def write_row(
    state: Longs, kind: int, who: int, side: int, price: int, lots: int, mid2: int, touch2: int
) -> None:
    """Append a row to the record, a ring whose oldest row is overwritten when it is full; nothing if there is no record."""
    s = state_at(state)
    rows = s.record_rows
    if rows == 0:
        return
    row = s.record
    if row >= rows:
        row %= rows
    r = row_at(state, s.record_at + row * sim.RECORD_WORDS)
    r.ns = s.now
    r.kind = kind
    r.who = who
    r.side = side
    r.price = price
    r.lots = lots
    r.mid2 = mid2
    r.touch2 = touch2
    s.record += 1


@kernel
def owns_slots(state: Longs) -> bool:
    """Whether this book allocates public slots itself; a tape or the background book may do so instead."""
    s = state_at(state)
    return s.model != sim.REPLAY and s.apart != sim.PARTED


@kernel
def mark_for_restoration(book: Packed, state: Longs, slot: int) -> None:
    """Mark a public order of which own orders took lots: in the background its owner still has them, and they come back."""
    s = state_at(state)
    if s.apart == sim.PARTED:
        spare = slot - load_fixed(book, lay.ORDERS) + sim.RESIDUAL_SLOTS
        if spare >= 0 and state[sim.SPARE_AT + spare] > 0:
            slot = state[sim.SPARE_AT + spare] - 1
        order_at(book[load_fixed(book, lay.BACKGROUND) :], slot).tag = lay.UNDATED
        s.restore_ns = s.now


@kernel
def public_add(book: Packed, state: Longs, slot: int, side: int, price: int, qty: int) -> None:
    """Rest a public order of `qty` lots at `price` under `slot`, record it, and update tallies and touch (not by a rival's)."""
    s = state_at(state)
    insert(book, slot, side, price, qty)
    write_row(state, ADD, slot, side, price, qty, 0, 0)
    if is_rival(book, state, slot):
        mark_happened(state)
        return
    s.events += 1
    touch = s.public_bid if side > 0 else s.public_ask
    if (price - touch) * side >= 0:
        s.ofi += side * qty
    refresh_touch(book, state, side, price)


@kernel
def public_take(
    book: Packed, state: Longs, slot: int, qty: int, kind: int, own_aggressor: bool
) -> int:
    """Take lots of a public order by cancel (REDUCE, DELETE) or execution (EXECUTE), by an own order if `own_aggressor`.
    Returns the lots taken.

    Volume and flow count public aggressors only, volume none of what trades while trading is not on (an auction). The
    slot is given back where the flow does not own it.
    """
    s = state_at(state)
    order = order_at(book, slot)
    side, price = order.side, order.price
    touch = s.public_bid if side > 0 else s.public_ask
    taken = reduce(book, slot, qty)
    if is_rival(book, state, slot):
        write_row(state, kind, slot, side, price, taken, 0, 0)
        mark_happened(state)
        return taken
    if not own_aggressor:
        s.events += 1
        # Order flow imbalance counts the touch alone (Cont, Kukanov & Stoikov 2014).
        if price == touch:
            s.ofi -= side * taken
        # An auction's volume would make every share of the volume too small.
        if kind == EXECUTE and s.halted == 0:
            state[sim.SOLD if side > 0 else sim.BOUGHT] += taken
            record_trade(state, side, price, taken)
    # On replay the tape's compiler gave out the slots, and gives them out again by itself.
    if order.qty == 0 and owns_slots(state):
        release(book, slot)
    if own_aggressor:
        mark_for_restoration(book, state, slot)
    write_row(state, kind, slot, side, price, taken, 0, 1 if own_aggressor else 0)
    if taken > 0:  # (replay) a slot that own orders emptied may have no side yet
        refresh_touch(book, state, side, price)
    return taken


@kernel
def hidden_trade(state: Longs, side: int, price: int, lots: int) -> None:
    """Count and record a hidden execution; the book does not change."""
    state_at(state).hidden_lots += lots
    record_hidden_trade(state, price)
    write_row(state, TRADE_HIDDEN, 0, side, price, lots, 0, 0)


@kernel
def has_waiting_lots(state: Longs) -> bool:
    """Whether new own lots wait for cancels to be acknowledged."""
    if state_at(state).waiting_take > 0:
        return True
    for j in range(sim.RUNGS):  # noqa: SIM110 - kernels have no generators
        if state[sim.WAITING_REST + j] > 0:
            return True
    return False


@kernel
def free_if_over(book: Packed, own_index: int) -> None:
    """Free an own order's ledger place when it has no open lots and no cancel in flight."""
    ledger = ledger_at(book, own_index)
    if ledger.open == 0 and ledger.pending_cancel == 0:
        ledger.state = lay.FREE_SLOT


@kernel
def rest_own(
    book: Packed, state: Longs, own_index: int, price: int, lots: int, outside_feed: bool
) -> None:
    """Rest an own order in the book, and record it; `outside_feed`: the feed shows nothing there, its lots ahead are unknown."""
    ledger = ledger_at(book, own_index)
    insert_own(book, own_index, ledger.side, price, lots, outside_feed)
    ledger.state = lay.RESTING
    write_row(state, sim.OWN_REST, own_index, ledger.side, price, lots, 1 if outside_feed else 0, 0)


@kernel
def kill_own(book: Packed, state: Longs, own_index: int, lots: int, requested: int) -> None:
    """Take dead own lots out of book and ledger, and record it; `requested` is the cancel's quantity (0: no cancel)."""
    ledger = ledger_at(book, own_index)
    if ledger.state == lay.RESTING:
        reduce(book, load_fixed(book, lay.ORDERS) + own_index, lots)
    ledger.open -= lots
    ledger.pending_cancel -= requested
    write_row(state, sim.OWN_DEAD, own_index, 0, requested, lots, 0, 0)
    free_if_over(book, own_index)
    # New lots may go now: an order never has more at the market than is left to do.
    if has_waiting_lots(state):
        state_at(state).attention = 1


@kernel
def book_fill(
    state: Longs, price: int, lots: int, mid2: int, touch2: int, passive: bool, forced: bool
) -> None:
    """Book a fill in the account alone: costs (half-ticks x lots), fees, grid, log; book and ledger are those of `fill_own`."""
    s = state_at(state)
    side = s.side
    if s.worst_paid == 0 or (price - s.worst_paid) * side > 0:
        s.worst_paid = price
    price2 = 2 * price
    if s.at_mid != 0:
        price2 = touch2 = mid2
    elif passive:
        touch2 = price2
    shift = 3 if forced else 0
    state[sim.SPREAD + shift] += side * (touch2 - mid2) * lots
    state[sim.WALK + shift] += side * (price2 - touch2) * lots
    state[sim.TIMING + shift] += side * (mid2 - s.arrival_mid2) * lots
    s.step_cash += side * (price2 - s.decision_mid2) * lots + charge(state, price2, lots, passive)
    points = s.grid_points
    if points > 0:
        g = (s.now - s.start_ns) * (points - 1) // s.horizon_ns
        g = min(max(g, 0), points - 1)
        state[sim.GRID + (2 if forced else 1) * points + g] += lots
    if passive:
        s.passive_lots += lots
        mark_happened(state)
    if forced:
        s.forced_lots += lots
    if s.fill_rows < s.log_rows:
        fill = fill_at(state, s.fill_rows)
        fill.ns = s.now
        fill.price = price
        fill.lots = lots
        fill.mid2 = mid2
        fill.touch2 = touch2
        fill.passive = 1 if passive else 0
        fill.forced = 1 if forced else 0
    s.fill_rows += 1


@kernel
def mark_unfilled(state: Longs, price: int, lots: int, paid: int) -> None:
    """Count the lots booked last as unfilled, with their price, and mark them in the log.

    The order's worst price is reset to `paid`: what else is left is booked as if it were one piece with these.
    """
    s = state_at(state)
    s.worst_paid = paid
    s.unfilled_lots += lots
    s.unfilled_paid += s.side * (2 * price - s.arrival_mid2) * lots
    if s.fill_rows <= s.log_rows:
        fill_at(state, s.fill_rows - 1).forced = sim.UNFILLED


@kernel
def fill_own(
    book: Packed,
    state: Longs,
    own_index: int,
    price: int,
    lots: int,
    mid2: int,
    touch2: int,
    passive: bool,
    forced: bool,
) -> None:
    """Fill an own order: take its lots from book and ledger, record it, and book costs, fees, grid and log (`book_fill`)."""
    s = state_at(state)
    ledger = ledger_at(book, own_index)
    if s.impact != sim.NO_IMPACT:
        s.pending += ledger.side * lots
        s.rested += ledger.side * lots if passive else 0
        s.impact_ns = s.now
    if ledger.state == lay.RESTING:
        reduce(book, load_fixed(book, lay.ORDERS) + own_index, lots)
    ledger.open -= lots
    s.left -= lots
    write_row(
        state,
        sim.OWN_FILL,
        own_index,
        (1 if passive else 0) + (2 if forced else 0),
        price,
        lots,
        mid2,
        touch2,
    )
    free_if_over(book, own_index)
    if s.attentive != 0:
        s.attention = 1
    book_fill(state, price, lots, mid2, touch2, passive, forced)


@kernel
def fill_own_head(book: Packed, state: Longs, own_index: int, lots: int) -> int:
    """Fill resting own order `own_index` by a public aggressor (at AGGRESSOR_MID2); returns the lots."""
    order = own_order_at(book, own_index)
    lots = min(lots, order.qty)
    fill_own(
        book, state, own_index, order.price, lots, state_at(state).aggressor_mid2, 0, True, False
    )
    return lots


@kernel
def outside_feed(book: Packed, state: Longs, side: int, price: int) -> bool:
    """Whether a price lies beyond the levels the feed shows."""
    limit = state_at(state).feed_levels
    if limit == 0:
        return False
    levels_seen = 0
    level_price = best(book, side)
    if level_price == NO_BID or level_price == NO_ASK:
        return False
    while in_window(book, side, level_price):
        level = level_at(book, side, level_price)
        if level.lots > level.own_lots:
            levels_seen += 1
            if (price - level_price) * side >= 0:
                return False
        level_price -= side
        if levels_seen == limit:
            return (price - level_price - side) * side < 0
    return False
