"""State changes of a market: public rows, own fills, own deaths, and matching of own and public orders.

Every change passes here and can be recorded. The live driver applies recorded rows through these same functions, which
is why its book, tallies and account are byte-identical to the simulator's.
"""

from typing import Any

from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    best,
    in_window,
    insert,
    insert_own,
    is_own,
    ledger_at,
    level_at,
    order_at,
    own_order_at,
    reduce,
    release,
    side_at,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.past_seconds import moved, printed, traded
from tercel.market.simulator.records import fill_at, row_at, state_at
from tercel.market.simulator.terms import charge
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE, TRADE_HIDDEN


@kernel
def write(
    k: Longs, kind: int, who: int, side: int, price: int, lots: int, mid2: int, touch2: int
) -> None:
    """Append a row to the record, if there is one."""
    s = state_at(k)
    rows = s.record_rows
    if rows == 0:
        return
    row = s.record
    if row >= rows:
        row %= rows
    r = row_at(k, s.record_at + row * sim.RECORD_WORDS)
    r.ns = s.now
    r.kind = kind
    r.who = who
    r.side = side
    r.price = price
    r.lots = lots
    r.mid2 = mid2
    r.touch2 = touch2
    s.record += 1


# -- the public touch -------------------------------------------------------------------------------------------------


@kernel
def is_rival(b: Packed, k: Longs, slot: int) -> bool:
    """Whether a public order was drawn by the bound `undercut`: it takes part in trades, and no public figure counts
    it."""
    orders = fixed(b, lay.ORDERS)
    return bool(state_at(k).undercut != 0 and orders - sim.RIVAL_SLOTS <= slot < orders)


@kernel
def drawn_lots(b: Packed, k: Longs, side: int, price: int) -> int:
    """Lots of drawn orders at a price."""
    lots = 0
    if state_at(k).undercut != 0 and side == state_at(k).side:
        for slot in range(fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS, fixed(b, lay.ORDERS)):
            if order_at(b, slot).price == price:
                lots += order_at(b, slot).qty
    return lots


@kernel
def better_drawn(b: Packed, k: Longs) -> int:
    """Ticks that the best drawn order is better than the public touch of the own side; 0: none."""
    s = state_at(k)
    touch = s.public_bid if s.side > 0 else s.public_ask
    best_by = 0
    if s.undercut != 0 and touch != NO_BID and touch != NO_ASK:
        for slot in range(fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS, fixed(b, lay.ORDERS)):
            if order_at(b, slot).qty > 0:
                best_by = max(best_by, (order_at(b, slot).price - touch) * s.side)
    return int(best_by)


@kernel
def public_best(b: Packed, k: Longs, side: int) -> int:
    """Best price of a side without own and drawn orders; NO_BID / NO_ASK if the side has none."""
    price = best(b, side)
    if price == NO_BID or price == NO_ASK:
        return price
    while in_window(b, side, price):
        lv = level_at(b, side, price)
        if lv.lots > lv.own_lots and lv.lots > lv.own_lots + drawn_lots(b, k, side, price):
            return price
        price -= side
    return far_public_best(b, k, side)


@kernel
def far_public_best(b: Packed, k: Longs, side: int) -> int:
    """Best public price beyond the window (own orders may hold the window away from the public book)."""
    found = NO_BID if side > 0 else NO_ASK
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if not is_own(b, slot) and not is_rival(b, k, slot) and (o.price - found) * side > 0:
            found = o.price
        slot = o.next
    return found


@kernel
def matters(k: Longs) -> None:
    """(clock of events) Something that matters happened; what happens in the background alone does not."""
    s = state_at(k)
    if s.apart != sim.WILL_PART:
        s.happened = 1


@kernel
def settle(b: Packed, k: Longs, side: int, price: int) -> None:
    """After a public change at `price`: refresh the public touch, the mid and its squared moves."""
    s = state_at(k)
    at = sim.PUBLIC_BID if side > 0 else sim.PUBLIC_ASK
    if (price - k[at]) * side < 0:
        return
    before = k[at]
    k[at] = public_best(b, k, side)
    if k[at] != before:
        matters(k)
    if k[at] == NO_BID or k[at] == NO_ASK:
        return
    k[sim.LAST_BID if side > 0 else sim.LAST_ASK] = k[at]
    bid, ask = s.public_bid, s.public_ask
    if s.model == sim.MARTINGALE or bid == NO_BID or ask == NO_ASK:
        return
    mid2 = bid + ask
    if mid2 != s.mid2:
        s.variance += (mid2 - s.mid2) ** 2
        if s.mid2 != 0:
            moved(k, mid2 - s.mid2)
        s.mid2 = mid2


# -- public rows ------------------------------------------------------------------------------------------------------


@kernel
def owns_slots(k: Longs) -> bool:
    """Whether this book allocates public slots itself; a tape or the background book may do so instead."""
    s = state_at(k)
    return s.model != sim.REPLAY and s.apart != sim.PARTED


@kernel
def owe(b: Packed, k: Longs, slot: int) -> None:
    """Mark a public order whose lots own orders took, for restoration: its owner still has them in the background."""
    s = state_at(k)
    if s.apart == sim.PARTED:
        spare = slot - fixed(b, lay.ORDERS) + sim.RESIDUAL_SLOTS
        if spare >= 0 and k[sim.SPARE_AT + spare] > 0:
            slot = k[sim.SPARE_AT + spare] - 1
        order_at(b[fixed(b, lay.BACKGROUND) :], slot).tag = lay.UNDATED
        s.restore_ns = s.now


@kernel
def public_add(b: Packed, k: Longs, slot: int, side: int, price: int, qty: int) -> None:
    """A public order comes to rest."""
    s = state_at(k)
    insert(b, slot, side, price, qty)
    write(k, ADD, slot, side, price, qty, 0, 0)
    if is_rival(b, k, slot):
        matters(k)
        return
    s.events += 1
    touch = s.public_bid if side > 0 else s.public_ask
    if (price - touch) * side >= 0:
        s.ofi += side * qty
    settle(b, k, side, price)


@kernel
def public_take(b: Packed, k: Longs, slot: int, qty: int, kind: int, own_aggressor: bool) -> int:
    """Lots leave a public order by cancel (REDUCE, DELETE) or execution (EXECUTE). Returns the lots taken.

    Volume and flow count public aggressors only, volume none of what trades while trading is not on (an auction). The
    slot is given back where the flow does not own it.
    """
    s = state_at(k)
    o = order_at(b, slot)
    side, price = o.side, o.price
    touch = s.public_bid if side > 0 else s.public_ask
    taken = reduce(b, slot, qty)
    if is_rival(b, k, slot):
        write(k, kind, slot, side, price, taken, 0, 0)
        matters(k)
        return taken
    if not own_aggressor:
        s.events += 1
        # Order flow imbalance counts the touch alone (Cont, Kukanov & Stoikov 2014).
        if price == touch:
            s.ofi -= side * taken
        # An auction's volume would make every share of the volume too small.
        if kind == EXECUTE and s.halted == 0:
            k[sim.SOLD if side > 0 else sim.BOUGHT] += taken
            traded(k, side, price, taken)
    # On replay the tape's compiler gave out the slots, and gives them out again by itself.
    if o.qty == 0 and owns_slots(k):
        release(b, slot)
    if own_aggressor:
        owe(b, k, slot)
    write(k, kind, slot, side, price, taken, 0, 1 if own_aggressor else 0)
    if taken > 0:  # (replay) a slot that own orders emptied may have no side yet
        settle(b, k, side, price)
    return taken


@kernel
def hidden_trade(k: Longs, side: int, price: int, lots: int) -> None:
    """A hidden order was executed: the book does not change, the lots are counted."""
    state_at(k).hidden_lots += lots
    printed(k, price)
    write(k, TRADE_HIDDEN, 0, side, price, lots, 0, 0)


# -- own orders -------------------------------------------------------------------------------------------------------


@kernel
def waits(k: Longs) -> bool:
    """Whether new own lots wait for cancels to be acknowledged."""
    if state_at(k).waiting_take > 0:
        return True
    for j in range(sim.RUNGS):  # noqa: SIM110 - kernels have no generators
        if k[sim.WAITING_REST + j] > 0:
            return True
    return False


@kernel
def free_if_over(b: Packed, own: int) -> None:
    """Free an own order's ledger place when it has no open lots and no cancel in flight."""
    led = ledger_at(b, own)
    if led.open == 0 and led.pending_cancel == 0:
        led.state = lay.FREE_SLOT


@kernel
def own_rest(b: Packed, k: Longs, own: int, price: int, lots: int, outside_feed: bool) -> None:
    """An own order comes to rest."""
    led = ledger_at(b, own)
    insert_own(b, own, led.side, price, lots, outside_feed)
    led.state = lay.RESTING
    write(k, sim.OWN_REST, own, led.side, price, lots, 1 if outside_feed else 0, 0)


@kernel
def own_dead(b: Packed, k: Longs, own: int, lots: int, requested: int) -> None:
    """Own lots are acknowledged dead; `requested` is the cancel's quantity (0: no cancel)."""
    led = ledger_at(b, own)
    if led.state == lay.RESTING:
        reduce(b, fixed(b, lay.ORDERS) + own, lots)
    led.open -= lots
    led.pending_cancel -= requested
    write(k, sim.OWN_DEAD, own, 0, requested, lots, 0, 0)
    free_if_over(b, own)
    # New lots may go now: an order never has more at the market than is left to do.
    if waits(k):
        state_at(k).attention = 1


@kernel
def book_fill(
    k: Longs, price: int, lots: int, mid2: int, touch2: int, passive: bool, forced: bool
) -> None:
    """Book a fill: costs (half-ticks x lots), fees, grid, log."""
    s = state_at(k)
    side = s.side
    if s.worst_paid == 0 or (price - s.worst_paid) * side > 0:
        s.worst_paid = price
    price2 = 2 * price
    if s.at_mid != 0:
        price2 = touch2 = mid2
    elif passive:
        touch2 = price2
    shift = 3 if forced else 0
    k[sim.SPREAD + shift] += side * (touch2 - mid2) * lots
    k[sim.WALK + shift] += side * (price2 - touch2) * lots
    k[sim.TIMING + shift] += side * (mid2 - s.arrival_mid2) * lots
    s.step_cash += side * (price2 - s.decision_mid2) * lots + charge(k, price2, lots, passive)
    points = s.grid_points
    if points > 0:
        g = (s.now - s.start_ns) * (points - 1) // s.horizon_ns
        g = min(max(g, 0), points - 1)
        k[sim.GRID + (2 if forced else 1) * points + g] += lots
    if passive:
        s.passive_lots += lots
        matters(k)
    if forced:
        s.forced_lots += lots
    if s.fill_rows < s.log_rows:
        fill = fill_at(k, s.fill_rows)
        fill.ns = s.now
        fill.price = price
        fill.lots = lots
        fill.mid2 = mid2
        fill.touch2 = touch2
        fill.passive = 1 if passive else 0
        fill.forced = 1 if forced else 0
    s.fill_rows += 1


@kernel
def mark_unfilled(k: Longs, price: int, lots: int, paid: int) -> None:
    """Count the lots booked last as unfilled, with their price, and mark them in the log.

    The order's worst price is reset to `paid`: what else is left is booked as if it were one piece with these.
    """
    s = state_at(k)
    s.worst_paid = paid
    s.unfilled_lots += lots
    s.unfilled_paid += s.side * (2 * price - s.arrival_mid2) * lots
    if s.fill_rows <= s.log_rows:
        fill_at(k, s.fill_rows - 1).forced = sim.UNFILLED


@kernel
def own_fill(
    b: Packed,
    k: Longs,
    own: int,
    price: int,
    lots: int,
    mid2: int,
    touch2: int,
    passive: bool,
    forced: bool,
) -> None:
    """An own fill: account, costs in half-ticks x lots, grid, log."""
    s = state_at(k)
    led = ledger_at(b, own)
    if s.impact != sim.NO_IMPACT:
        s.pending += led.side * lots
        s.impact_ns = s.now
    if led.state == lay.RESTING:
        reduce(b, fixed(b, lay.ORDERS) + own, lots)
    led.open -= lots
    s.left -= lots
    write(
        k,
        sim.OWN_FILL,
        own,
        (1 if passive else 0) + (2 if forced else 0),
        price,
        lots,
        mid2,
        touch2,
    )
    free_if_over(b, own)
    if s.attentive != 0:
        s.attention = 1
    book_fill(k, price, lots, mid2, touch2, passive, forced)


@kernel
def fill_own_head(b: Packed, k: Longs, own: int, lots: int) -> int:
    """A public aggressor (AGGRESSOR_MID2) fills resting own order `own`; returns the lots."""
    o = own_order_at(b, own)
    lots = min(lots, o.qty)
    own_fill(b, k, own, o.price, lots, state_at(k).aggressor_mid2, 0, True, False)
    return lots


# -- crossing --------------------------------------------------------------------------------------
# Interaction of own and public orders: matching order, quantities, and levels beyond the feed.


@kernel
def first_own(b: Packed, side: int, price: int, through: bool) -> int:
    """The own resting order of `side` that a public trade at `price` would hit first, -1 none.

    Better prices come first, then the earlier arrival; at `price` itself only an order with nothing ahead is hit
    unless `through` says that the public order would cross it.
    """
    near = best(b, side)
    if (near - price) * side < 0 or (near == price and level_at(b, side, near).own_lots == 0):
        return -1
    found = -1
    found_at = 0
    unseen = b[lay.OWN_RESTING]
    for i in range(fixed(b, lay.OWN)):
        if unseen == 0:
            break
        o = own_order_at(b, i)
        if o.qty == 0:
            continue
        unseen -= 1
        if o.side != side:
            continue
        better = (o.price - price) * side
        if better < 0:
            continue
        if better == 0 and not through and ledger_at(b, i).ahead > 0:
            continue
        gain = (o.price - found_at) * side
        if found >= 0:
            p = own_order_at(b, found)
            if gain < 0 or (gain == 0 and o.arrival > p.arrival):
                continue
        found = i
        found_at = o.price
    return found


@kernel
def sooner(one: Any, other: Any, side: int) -> bool:
    """Whether an order of `side` trades before another, by price and time."""
    return bool(
        (one.price - other.price) * side > 0
        or (one.price == other.price and one.arrival < other.arrival)
    )


@kernel
def first_rival(b: Packed, k: Longs, side: int, price: int, own: int) -> int:
    """The undercutting order of `side` that a public trade at `price` meets before own order `own` (-1: none).

    Its slot, -1 where none is ahead by price and time.
    """
    s = state_at(k)
    found = -1
    if s.rivals == 0 or side != s.side:
        return found
    for slot in range(fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS, fixed(b, lay.ORDERS)):
        o = order_at(b, slot)
        if o.qty == 0 or (o.price - price) * side < 0:
            continue
        if own >= 0 and sooner(own_order_at(b, own), o, side):
            continue
        if found >= 0 and sooner(order_at(b, found), o, side):
            continue
        found = slot
    return found


@kernel
def take_rival(b: Packed, k: Longs, slot: int, lots: int) -> int:
    """An undercutting order loses lots to a trade that the tape counts elsewhere; returns them."""
    have = order_at(b, slot).qty
    return public_take(b, k, slot, min(lots, have), DELETE if lots >= have else REDUCE, False)


@kernel
def fill_crossed(b: Packed, k: Longs, side: int, price: int, lots: int) -> int:
    """A public order of `side` at `price` first trades with own orders it crosses. Returns lots left."""
    while lots > 0 and b[lay.OWN_RESTING] > 0:
        own = first_own(b, -side, price, True)
        if own < 0:
            break
        lots -= fill_own_head(b, k, own, lots)
    return lots


@kernel
def fill_met(b: Packed, k: Longs, side: int, price: int, lots: int) -> int:
    """Match like `fill_crossed`, also with orders that undercut own ones, by price and time. Returns lots left."""
    while lots > 0:
        own = first_own(b, -side, price, True) if b[lay.OWN_RESTING] > 0 else -1
        rival = first_rival(b, k, -side, price, own)
        if rival >= 0:
            lots -= take_rival(b, k, rival, lots)
        elif own >= 0:
            lots -= fill_own_head(b, k, own, lots)
        else:
            break
    return lots


@kernel
def fill_traded(b: Packed, k: Longs, side: int, price: int, lots: int) -> None:
    """A tape trade of `lots` of `side`'s resting orders at `price` also fills own orders with priority.

    Where `THEIRS` is set, those at the trade's own price trade nothing.
    """
    s = state_at(k)
    while lots > 0:
        own = first_own(b, side, price, False) if b[lay.OWN_RESTING] > 0 else -1
        rival = first_rival(b, k, side, price, own)
        if rival >= 0:
            lots -= take_rival(b, k, rival, lots)
            continue
        if own < 0:
            break
        if s.theirs != 0 and own_order_at(b, own).price == price:
            break  # better prices came first: all that is left rests here
        filled = fill_own_head(b, k, own, lots)
        s.double_lots += filled
        lots -= filled


@kernel
def meet(k: Longs, side: int) -> None:
    """Keep the mid an aggressor of `side` meets; rows of one time and side are one aggressor."""
    s = state_at(k)
    if s.aggressor_side != side or s.aggressor_ns != s.now:
        s.aggressor_side = side
        s.aggressor_ns = s.now
        s.aggressor_mid2 = s.mid2


@kernel
def hit_own(b: Packed, k: Longs, side: int, price: int, lots: int) -> int:
    """A resting tape order trades with own orders it crosses, and with orders that undercut them. Returns the lots that the book
    does not get.

    Lots that undercutting orders took stay visible, as on the tape, and the rest of these orders leaves; but not while an
    own order would lock with them.
    """
    s = state_at(k)
    if first_own(b, -side, price, True) < 0 and first_rival(b, k, -side, price, -1) < 0:
        return 0
    meet(k, side)
    before = s.passive_lots
    done = lots - fill_met(b, k, side, price, lots)
    if s.model == sim.REPLAY:
        s.double_lots += s.passive_lots - before
    if s.rivals > 0 and first_own(b, -side, price, True) < 0:
        done = s.passive_lots - before
        rival = first_rival(b, k, -side, price, -1)
        while rival >= 0:
            take_rival(b, k, rival, order_at(b, rival).qty)
            rival = first_rival(b, k, -side, price, -1)
    return done


@kernel
def outside_feed(b: Packed, k: Longs, side: int, price: int) -> bool:
    """Whether a price lies beyond the levels the feed shows."""
    limit = state_at(k).feed_levels
    if limit == 0:
        return False
    seen = 0
    at = best(b, side)
    if at == NO_BID or at == NO_ASK:
        return False
    while in_window(b, side, at):
        lv = level_at(b, side, at)
        if lv.lots > lv.own_lots:
            seen += 1
            if (price - at) * side >= 0:
                return False
        at -= side
        if seen == limit:
            return (price - at - side) * side < 0
    return False
