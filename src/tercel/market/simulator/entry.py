"""Order entry: own commands on their way, and what the market does when they arrive.

Commands travel in one ring per market and never overtake each other (one session, one sequence). An own order's
ledger place is kept until its last lot is known dead and no cancel for it is on its way.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.memory import fixed
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import best, head_at, is_own, public_lots_at
from tercel.market.book.records import ledger_at, own_order_at
from tercel.market.impact.kernel import impact_event, ticks_owed
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_own_head,
    free_if_over,
    mark_unfilled,
    own_dead,
    own_fill,
    own_rest,
    public_take,
    write,
)
from tercel.market.simulator.background import part
from tercel.market.simulator.crossing import outside_feed
from tercel.market.simulator.terms import entry_delay, feed_delay
from tercel.market.tape.schema import EXECUTE

_LEDGER = lay.LEDGER

BAND_PERCENT = 5
"""Nobody aggresses farther than so many percent from the reference price: the band of US rules for listed stocks above
three dollars (Limit Up-Limit Down plan, tier 1), which keeps stub quotes out. Lots that would are cancelled.
"""


@kernel
def push(k: Longs, what: int, who: int, price: int, lots: int, how: int) -> bool:
    """Send a command; False (and counted) when the ring is full."""
    tail = k[sim.COMMAND_TAIL]
    if tail - k[sim.COMMAND_HEAD] >= sim.COMMAND_SLOTS:
        k[sim.COMMAND_OVERFLOW] += 1
        return False
    at = max(k[sim.NOW] + feed_delay(k) + entry_delay(k), k[sim.COMMAND_LAST_NS])
    k[sim.COMMAND_LAST_NS] = at
    c = sim.COMMANDS + (tail % sim.COMMAND_SLOTS) * sim.COMMAND
    k[c + sim.AT_NS] = at
    k[c + sim.WHAT] = what
    k[c + sim.WHO] = who
    k[c + sim.AT_PRICE] = price
    k[c + sim.HOW_MANY] = lots
    k[c + sim.HOW] = how
    k[sim.COMMAND_TAIL] = tail + 1
    write(k, sim.OWN_SENT, who, what, price, lots, how, at)
    return True


@kernel
def send_new(b: Packed, k: Longs, price: int, lots: int, how: int) -> bool:
    """Send a new own order. False when the ledger or the ring is full (counted): nothing was sent."""
    own = -1
    for i in range(fixed(b, lay.OWN)):
        if ledger_at(b, i).state == lay.FREE_SLOT:
            own = i
            break
    if own < 0:
        k[sim.OWN_OVERFLOW] += 1
        return False
    if not push(k, sim.NEW, own, price, lots, how):
        return False
    led = ledger_at(b, own)
    led.state = lay.IN_FLIGHT
    led.open = lots
    led.pending_cancel = 0
    led.ahead = 0
    led.ahead_state = lay.AHEAD_KNOWN
    led.price = price if how & sim.IMMEDIATE == 0 else k[sim.SIDE] * NO_ASK  # stands on no price
    led.side = k[sim.SIDE]
    led.sent = k[sim.OWN_SEQUENCE]
    k[sim.OWN_SEQUENCE] += 1
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
    """When the next command arrives, FOREVER_NS if none is on its way."""
    if k[sim.COMMAND_HEAD] == k[sim.COMMAND_TAIL]:
        return FOREVER_NS
    return k[sim.COMMANDS + (k[sim.COMMAND_HEAD] % sim.COMMAND_SLOTS) * sim.COMMAND + sim.AT_NS]


@kernel
def reference(k: Longs) -> int:
    """The price that bands are drawn around, half ticks: the public mid, without what own orders took from it.

    0, which draws none: there never was a mid.
    """
    if k[sim.APART] == sim.PARTED:
        return int(k[sim.BACKGROUND + sim.MID2 - sim.EVENTS] + 2 * k[sim.SHIFT])
    return int(k[sim.MID2])


@kernel
def ladder_end(k: Longs, side: int, last: int) -> int:
    """The price at which the book ends for an order that it cannot fill: the last one seen, or the worst that the order
    has paid before, so that sweeping the book first does not cheapen what is left; within the band, so that a stub is
    no price.
    """
    worst = last
    if k[sim.WORST_PAID] != 0 and (k[sim.WORST_PAID] - worst) * side > 0:
        worst = k[sim.WORST_PAID]
    if reference(k) == 0:
        return worst
    farthest2 = reference(k) * (100 + side * BAND_PERCENT) // 100
    return int(min(worst, farthest2 // 2) if side > 0 else max(worst, (farthest2 + 1) // 2))


@kernel
def out_of_band(reference2: int, price2: int, side: int) -> bool:
    """Whether a price is farther from the reference than an aggressor of `side` may trade; both in half ticks."""
    return reference2 > 0 and 100 * (price2 - reference2) * side > BAND_PERCENT * reference2


@kernel
def arrive_new(b: Packed, k: Longs, flow: Floats, own: int, price: int, lots: int, how: int) -> None:
    """An own order reaches the market: matches at price-time priority, then rests or dies.

    Mid and touch are taken once, just before it matches. Each lot pays the ticks that the lots before it have moved the
    book by, though the book is moved when all is done, or when its price is reached and what is left shall rest: one
    order costs what its lots sent one by one would. Were it not charged, the law would give a large order its own
    impact for nothing. A book moved later would lock with what rests; one that moves less than was charged, or back, as
    the kernel has decayed since the law last looked, is matched with again. Where it cannot move (see `pay`), what the
    price does not allow and what would lock if it rested is cancelled. On an exchange with several accounts the other
    side may hold another account's order, which stays where it is: both fill at its price.
    """
    if k[sim.APART] == sim.WILL_PART:
        part(b, k)
    side = ledger_at(b, own).side
    forced = how & sim.FORCED != 0
    banded = how & (sim.FORCED | sim.IMMEDIATE) != 0 or k[sim.APART] == sim.PARTED
    reference2, stopped = reference(k), False
    far = best(b, -side)
    last_known = k[sim.LAST_ASK] if side > 0 else k[sim.LAST_BID]
    mid2, touch2 = k[sim.MID2], 2 * (far if far != NO_BID and far != NO_ASK else last_known)
    left = lots
    worst = last_known
    while left > 0:
        far = best(b, -side)
        if far == NO_BID or far == NO_ASK:
            break
        slot = head_at(b, -side, far)
        owed, most = ticks_owed(k, flow, side)
        most = min(left, most)
        if not is_own(b, slot):
            far += side * owed
        if (far - price) * side > 0:
            if how & (sim.FORCED | sim.IMMEDIATE) != 0:
                worst = far  # where the next lot stood
                break
            if k[sim.IMPACT_NS] > k[sim.NOW] and (owed == 0 or k[sim.LAW_NS] == k[sim.NOW]):
                stopped = (best(b, -side) - price) * side <= 0
                break
            impact_event(b, k, flow)
            continue
        stopped = banded and out_of_band(reference2, 2 * far, side)
        if stopped:
            break
        if is_own(b, slot):
            k[sim.AGGRESSOR_MID2] = mid2
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
        price, paid = worst + side * k[sim.UNFILLED_TICKS], k[sim.WORST_PAID]
        own_fill(b, k, own, price, left, mid2, 2 * worst, False, True)
        mark_unfilled(k, price, left, paid)
        if k[sim.IMPACT] != sim.NO_IMPACT:
            k[sim.PENDING] -= side * left  # nobody sold them: they move nothing
    elif how & sim.IMMEDIATE != 0 or stopped:
        own_dead(b, k, own, left, 0)
    else:
        own_rest(b, k, own, price, left, outside_feed(b, k, side, price) and public_lots_at(b, side, price) == 0)


@kernel
def arrive(b: Packed, k: Longs, flow: Floats) -> None:
    """The next command reaches the market."""
    c = sim.COMMANDS + (k[sim.COMMAND_HEAD] % sim.COMMAND_SLOTS) * sim.COMMAND
    k[sim.COMMAND_HEAD] += 1
    who, lots = k[c + sim.WHO], k[c + sim.HOW_MANY]
    if k[c + sim.WHAT] == sim.NEW:
        arrive_new(b, k, flow, who, k[c + sim.AT_PRICE], lots, k[c + sim.HOW])
    else:
        resting = own_order_at(b, who).qty
        own_dead(b, k, who, min(lots, resting), lots)
    free_if_over(b, who)
