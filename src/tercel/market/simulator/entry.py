"""Order entry: own commands in flight, and their processing on arrival.

Commands travel in one ring per market and never overtake each other (one session, one sequence). An own order's
ledger place is reserved until its last lot is known dead and no cancel for it is on its way.
"""

from tercel.core.jit import Floats, Longs, Packed, fixed, kernel
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import best, head_at, is_own, ledger_at, own_order_at, public_lots_at
from tercel.market.impact.law import impact_event, ticks_owed
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_own_head,
    free_if_over,
    mark_unfilled,
    outside_feed,
    own_dead,
    own_fill,
    own_rest,
    public_take,
    write,
)
from tercel.market.simulator.background import part
from tercel.market.simulator.records import command_at, state_at
from tercel.market.simulator.terms import entry_delay, feed_delay
from tercel.market.tape.schema import EXECUTE

BAND_PERCENT = 5
"""No order trades farther than so many percent from the reference price: the band of US rules for listed stocks above
three dollars (Limit Up-Limit Down plan, tier 1), which keeps stub quotes out. Lots that would are cancelled.
"""


@kernel
def push(k: Longs, what: int, who: int, price: int, lots: int, how: int) -> bool:
    """Send a command; False (counted) if the ring is full."""
    s = state_at(k)
    tail = s.command_tail
    if tail - s.command_head >= sim.COMMAND_SLOTS:
        s.command_overflow += 1
        return False
    at = max(s.now + feed_delay(k) + entry_delay(k), s.command_last_ns)
    s.command_last_ns = at
    c = command_at(k, tail)
    c.ns = at
    c.what = what
    c.who = who
    c.price = price
    c.lots = lots
    c.how = how
    s.command_tail = tail + 1
    write(k, sim.OWN_SENT, who, what, price, lots, how, at)
    return True


@kernel
def note_sent(b: Packed, k: Longs, own: int, side: int, price: int, lots: int) -> None:
    """Open the ledger record of own order `own`, now in flight."""
    s, led = state_at(k), ledger_at(b, own)
    led.state = lay.IN_FLIGHT
    led.open = lots
    led.pending_cancel = 0
    led.ahead = 0
    led.ahead_state = lay.AHEAD_KNOWN
    led.price = price
    led.side = side
    led.sent = s.own_sequence
    s.own_sequence += 1


@kernel
def send_new(b: Packed, k: Longs, price: int, lots: int, how: int) -> bool:
    """Send a new own order. False when the ledger or the ring is full (counted): nothing was sent."""
    s = state_at(k)
    own = -1
    for i in range(fixed(b, lay.OWN)):
        if ledger_at(b, i).state == lay.FREE_SLOT:
            own = i
            break
    if own < 0:
        s.own_overflow += 1
        return False
    # The ring before the ledger: a place without a command would never be freed.
    if not push(k, sim.NEW, own, price, lots, how):
        return False
    note_sent(
        b, k, own, s.side, price if how & sim.IMMEDIATE == 0 else s.side * NO_ASK, lots
    )  # rests at no price
    return True


@kernel
def send_cancel(b: Packed, k: Longs, own: int, lots: int) -> bool:
    """Send a cancel for some lots of an own order (all of them: the order)."""
    if not push(k, sim.CANCEL, own, 0, lots, 0):
        return False
    ledger_at(b, own).pending_cancel += lots
    return True


@kernel
def next_arrival(k: Longs) -> int:
    """Arrival time of the next command, FOREVER_NS if none is in flight."""
    s = state_at(k)
    if s.command_head == s.command_tail:
        return FOREVER_NS
    # The head is the earliest: a command never overtakes one sent before it.
    return command_at(k, s.command_head).ns


@kernel
def reference(k: Longs) -> int:
    """Reference price of the bands, half ticks: the public mid, without lots that own orders took.

    0, which draws none: there never was a mid.
    """
    s = state_at(k)
    if s.apart == sim.PARTED:
        # Otherwise a large order could sweep the book and so move the band that is to stop it.
        return int(s.background_mid2 + 2 * s.shift)
    return int(s.mid2)


@kernel
def ladder_end(k: Longs, side: int, last: int) -> int:
    """The price at which the book ends for an order that it cannot fill: the last one seen, or the worst that the order
    has paid before, so that sweeping the book first does not cheapen the remaining lots; within the band, so that a
    stub quote is no price.
    """
    s = state_at(k)
    worst = last
    if s.worst_paid != 0 and (s.worst_paid - worst) * side > 0:
        worst = s.worst_paid
    if reference(k) == 0:
        return worst
    farthest2 = reference(k) * (100 + side * BAND_PERCENT) // 100
    return int(min(worst, farthest2 // 2) if side > 0 else max(worst, (farthest2 + 1) // 2))


@kernel
def out_of_band(reference2: int, price2: int, side: int) -> bool:
    """Whether a price is beyond the band for an aggressor of `side`; both in half ticks."""
    # In integers, so that every machine draws the same band.
    return reference2 > 0 and 100 * (price2 - reference2) * side > BAND_PERCENT * reference2


@kernel
def arrive_new(
    b: Packed, k: Longs, flow: Floats, own: int, price: int, lots: int, how: int
) -> None:
    """An own order arrives: it matches in price-time priority, then rests or dies.

    Mid and touch are taken once, just before it matches. Each lot pays the ticks that the lots before it have moved the
    book by, though the book is moved when all is done, or when its price is reached and the remainder shall rest: one
    order costs what its lots sent one by one would. Were it not charged, the law would give a large order its own
    impact for nothing. A book moved later would lock with what rests; one that moves less than was charged, or back, as
    the kernel has decayed since the law last looked, is matched with again. Where it cannot move (see `pay`), what the
    price does not allow and what would lock if it rested is cancelled. On an exchange with several accounts the other
    side may hold another account's order, which stays where it is: both fill at its price.
    """
    s = state_at(k)
    # Before the first own lot: from here on the public market continues as if it had not come.
    if s.apart == sim.WILL_PART:
        part(b, k)
    side = ledger_at(b, own).side
    # The forced order takes whatever is within the band: not trading must not hide cost.
    forced = how & sim.FORCED != 0
    banded = how & (sim.FORCED | sim.IMMEDIATE) != 0 or s.apart == sim.PARTED
    reference2, stopped = reference(k), False
    far = best(b, -side)
    last_known = s.last_ask if side > 0 else s.last_bid
    # An empty side has no touch: the last one known is used, so that a spread is paid.
    mid2, touch2 = s.mid2, 2 * (far if far != NO_BID and far != NO_ASK else last_known)
    left = lots
    worst = last_known
    while left > 0:
        far = best(b, -side)
        if far == NO_BID or far == NO_ASK:
            break
        slot = head_at(b, -side, far)
        owed, most = ticks_owed(k, flow, side)
        most = min(left, most)
        # An own order on the other side is another account's: the law does not move it.
        if not is_own(b, slot):
            far += side * owed
        if (far - price) * side > 0:
            if how & (sim.FORCED | sim.IMMEDIATE) != 0:
                worst = far  # where the next lot stood
                break
            # The law has looked at this moment and moved nothing: looking again would go round for ever.
            if s.impact_ns > s.now and (owed == 0 or s.law_ns == s.now):
                stopped = (best(b, -side) - price) * side <= 0
                break
            impact_event(b, k, flow)
            continue
        stopped = banded and out_of_band(reference2, 2 * far, side)
        if stopped:
            break
        if is_own(b, slot):
            s.aggressor_mid2 = mid2
            taken = fill_own_head(b, k, slot - fixed(b, lay.ORDERS), most)
        else:
            taken = public_take(b, k, slot, most, EXECUTE, True)
        own_fill(b, k, own, far, taken, mid2, touch2, False, forced)
        worst = far
        left -= taken
    if left == 0:
        return
    if forced:
        worst = ladder_end(k, side, worst)
        # A worse price than any that was shown: a policy that leaves lots to an empty book must not find them cheap.
        price, paid = worst + side * s.unfilled_ticks, s.worst_paid
        own_fill(b, k, own, price, left, mid2, 2 * worst, False, True)
        mark_unfilled(k, price, left, paid)
        if s.impact != sim.NO_IMPACT:
            s.pending -= side * left  # no counterparty: they move nothing
    elif how & sim.IMMEDIATE != 0 or stopped:
        own_dead(b, k, own, left, 0)
    else:
        own_rest(
            b,
            k,
            own,
            price,
            left,
            outside_feed(b, k, side, price) and public_lots_at(b, side, price) == 0,
        )


@kernel
def arrive(b: Packed, k: Longs, flow: Floats) -> None:
    """Process the next arriving command."""
    s = state_at(k)
    c = command_at(k, s.command_head)
    s.command_head += 1
    who, lots = c.who, c.lots
    if c.what == sim.NEW:
        arrive_new(b, k, flow, who, c.price, lots, c.how)
    else:
        resting = own_order_at(b, who).qty
        # What filled while the cancel was on its way cannot be cancelled; all of the request is answered.
        own_dead(b, k, who, min(lots, resting), lots)
    free_if_over(b, who)
