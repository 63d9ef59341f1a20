"""Order entry: own commands in flight, and their processing on arrival.

Commands travel in one ring per market and never overtake each other (one session, one sequence). An own order's
ledger place is reserved until its last lot is known dead and no cancel for it is on its way.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel, load_fixed
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, is_own, ledger_at, own_order_at
from tercel.market.book.ladder import head_at, public_lots_at
from tercel.market.impact.impact_events import impact_event, ticks_owed
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_own,
    fill_own_head,
    free_if_over,
    kill_own,
    mark_unfilled,
    outside_feed,
    public_take,
    rest_own,
    write_row,
)
from tercel.market.simulator.background import split_background
from tercel.market.simulator.records import command_at, state_at
from tercel.market.simulator.terms import entry_delay, feed_delay
from tercel.market.tape.schema import EXECUTE

BAND_PERCENT = 5
"""No order trades farther than so many percent from the reference price: the band of US rules for listed stocks above
three dollars (Limit Up-Limit Down plan, tier 1), which keeps stub quotes out. Lots that would are cancelled.
"""


@kernel
def send_command(
    state: Longs, command_kind: int, own_index: int, price: int, lots: int, flags: int
) -> bool:
    """Send a command; False (counted) if the ring is full."""
    s = state_at(state)
    tail = s.command_tail
    if tail - s.command_head >= sim.COMMAND_SLOTS:
        s.command_overflow += 1
        return False
    arrival_ns = max(s.now + feed_delay(state) + entry_delay(state), s.command_last_ns)
    s.command_last_ns = arrival_ns
    command = command_at(state, tail)
    command.ns = arrival_ns
    command.what = command_kind
    command.who = own_index
    command.price = price
    command.lots = lots
    command.how = flags
    s.command_tail = tail + 1
    write_row(state, sim.OWN_SENT, own_index, command_kind, price, lots, flags, arrival_ns)
    return True


@kernel
def open_ledger(
    book: Packed, state: Longs, own_index: int, side: int, price: int, lots: int
) -> None:
    """Open the ledger record of own order `own_index`, now in flight."""
    s = state_at(state)
    ledger = ledger_at(book, own_index)
    ledger.state = lay.IN_FLIGHT
    ledger.open = lots
    ledger.pending_cancel = 0
    ledger.ahead = 0
    ledger.ahead_state = lay.AHEAD_KNOWN
    ledger.price = price
    ledger.side = side
    ledger.sent = s.own_sequence
    s.own_sequence += 1


@kernel
def send_new(book: Packed, state: Longs, price: int, lots: int, flags: int) -> bool:
    """Send a new own order. False when the ledger or the ring is full (counted): nothing was sent."""
    s = state_at(state)
    own_index = -1
    for i in range(load_fixed(book, lay.OWN)):
        if ledger_at(book, i).state == lay.FREE_SLOT:
            own_index = i
            break
    if own_index < 0:
        s.own_overflow += 1
        return False
    # The ring before the ledger: a place without a command would never be freed.
    if not send_command(state, sim.NEW, own_index, price, lots, flags):
        return False
    open_ledger(
        book,
        state,
        own_index,
        s.side,
        price if flags & sim.IMMEDIATE == 0 else s.side * NO_ASK,
        lots,
    )  # rests at no price
    return True


@kernel
def send_cancel(book: Packed, state: Longs, own_index: int, lots: int) -> bool:
    """Send a cancel for some lots of an own order (all of them: the order). False if the ring is full: nothing was sent."""
    if not send_command(state, sim.CANCEL, own_index, 0, lots, 0):
        return False
    ledger_at(book, own_index).pending_cancel += lots
    return True


@kernel
def next_arrival(state: Longs) -> int:
    """Arrival time of the next command, FOREVER_NS if none is in flight."""
    s = state_at(state)
    if s.command_head == s.command_tail:
        return FOREVER_NS
    # The head is the earliest: a command never overtakes one sent before it.
    return command_at(state, s.command_head).ns


@kernel
def reference_price2(state: Longs) -> int:
    """Reference price of the price bands, half ticks: the public mid without the lots that own orders took; 0: none yet.

    0, which draws none: there never was a mid.
    """
    s = state_at(state)
    if s.apart == sim.PARTED:
        # Otherwise a large order could sweep the book and so move the band that is to stop it.
        return int(s.background_mid2 + 2 * s.shift)
    return int(s.mid2)


@kernel
def ladder_end(state: Longs, side: int, last_price: int) -> int:
    """Price of lots that the book cannot fill: the worse of `last_price` and the worst paid, within the band."""
    s = state_at(state)
    worst = last_price
    if s.worst_paid != 0 and (s.worst_paid - worst) * side > 0:
        worst = s.worst_paid
    if reference_price2(state) == 0:
        return worst
    farthest2 = reference_price2(state) * (100 + side * BAND_PERCENT) // 100
    return int(min(worst, farthest2 // 2) if side > 0 else max(worst, (farthest2 + 1) // 2))


@kernel
def out_of_band(reference2: int, price2: int, side: int) -> bool:
    """Whether a price is beyond the band for an aggressor of `side`; both in half ticks."""
    # In integers, so that every machine draws the same band.
    return reference2 > 0 and 100 * (price2 - reference2) * side > BAND_PERCENT * reference2


@kernel
def process_new_order(
    book: Packed, state: Longs, flow: Floats, own_index: int, price: int, lots: int, flags: int
) -> None:
    """Process an own order on arrival: it matches in price-time priority; its remainder rests, dies or, if forced, is booked.

    Under a law of impact:

    - Mid and touch are taken once, just before the order matches.
    - Each lot pays the ticks by which the law moves the book for the lots before it, so that one order costs what its lots
      sent one by one would.
    - The book itself moves once: after the order, or when the order's price is reached and its remainder shall rest.
    - If the book then moves by less than was charged, or back (the kernel has decayed in the meantime), the order matches
      again.
    - If the book cannot move (see `impact_events.move_towards_target`), lots that the price does not allow, or that would
      lock the book if they rested, are cancelled.

    On an exchange with several accounts the other side may hold another account's order, which stays where it is: both
    fill at its price.
    """
    s = state_at(state)
    # Before the first own lot: from here on the public market continues as if it had not come.
    if s.apart == sim.WILL_PART:
        split_background(book, state)
    side = ledger_at(book, own_index).side
    # The forced order takes whatever is within the band: not trading must not hide cost.
    forced = flags & sim.FORCED != 0
    banded = flags & (sim.FORCED | sim.IMMEDIATE) != 0 or s.apart == sim.PARTED
    reference2 = reference_price2(state)
    stopped = False
    far = best(book, -side)
    last_known = s.last_ask if side > 0 else s.last_bid
    # An empty side has no touch: the last one known is used, so that a spread is paid.
    mid2 = s.mid2
    touch2 = 2 * (far if far != NO_BID and far != NO_ASK else last_known)
    remaining = lots
    worst = last_known
    while remaining > 0:
        far = best(book, -side)
        if far == NO_BID or far == NO_ASK:
            break
        slot = head_at(book, -side, far)
        owed, max_lots = ticks_owed(state, flow, side)
        max_lots = min(remaining, max_lots)
        # An own order on the other side is another account's: the law does not move it.
        if not is_own(book, slot):
            far += side * owed
        if (far - price) * side > 0:
            if flags & (sim.FORCED | sim.IMMEDIATE) != 0:
                worst = far  # where the next lot stood
                break
            # The law has looked at this moment and moved nothing: looking again would go round for ever.
            if s.impact_ns > s.now and (owed == 0 or s.law_ns == s.now):
                stopped = (best(book, -side) - price) * side <= 0
                break
            impact_event(book, state, flow)
            continue
        stopped = banded and out_of_band(reference2, 2 * far, side)
        if stopped:
            break
        if is_own(book, slot):
            s.aggressor_mid2 = mid2
            taken = fill_own_head(book, state, slot - load_fixed(book, lay.ORDERS), max_lots)
        else:
            taken = public_take(book, state, slot, max_lots, EXECUTE, True)
        fill_own(book, state, own_index, far, taken, mid2, touch2, False, forced)
        worst = far
        remaining -= taken
    if remaining == 0:
        return
    if forced:
        worst = ladder_end(state, side, worst)
        # A worse price than any that was shown: a policy that leaves lots to an empty book must not find them cheap.
        price = worst + side * s.unfilled_ticks
        paid = s.worst_paid
        fill_own(book, state, own_index, price, remaining, mid2, 2 * worst, False, True)
        mark_unfilled(state, price, remaining, paid)
        if s.impact != sim.NO_IMPACT:
            s.pending -= side * remaining  # no counterparty: they move nothing
    elif flags & sim.IMMEDIATE != 0 or stopped:
        kill_own(book, state, own_index, remaining, 0)
    else:
        rest_own(
            book,
            state,
            own_index,
            price,
            remaining,
            outside_feed(book, state, side, price) and public_lots_at(book, side, price) == 0,
        )


@kernel
def process_command(book: Packed, state: Longs, flow: Floats) -> None:
    """Process the next arriving command."""
    s = state_at(state)
    command = command_at(state, s.command_head)
    s.command_head += 1
    own_index = command.who
    lots = command.lots
    if command.what == sim.NEW:
        process_new_order(book, state, flow, own_index, command.price, lots, command.how)
    else:
        resting = own_order_at(book, own_index).qty
        # What filled while the cancel was on its way cannot be cancelled; all of the request is answered.
        kill_own(book, state, own_index, min(lots, resting), lots)
    free_if_over(book, own_index)
