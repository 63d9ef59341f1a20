"""Public lots that own lots stood in front of: an aggressor's lots are used once.

What own orders trade, the public order behind them keeps in the book on show. While its counterpart in the background
lives these are lots of one order, and go with it; when the counterpart has been executed they are a *kept* order. It
stands where it stood and trades by price and time, goes as often as public orders of its price or the next one behind
are cancelled, and gives way to a public order of the other side that reaches it.

A public limit order that crosses own ones has traded early: as many lots of the next aggressors of its side trade
nothing, and what they met in the background is kept. So own and public lots of a side together are the twin's.

The flow uses a slot again at once. While a kept order holds it, one of the last KEPT_SLOTS shows the new order.
"""

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.memory import fixed
from tercel.core.seeds import mix
from tercel.market.book import layout as lay
from tercel.market.book.ladder import in_window, is_own
from tercel.market.book.records import level_at, order_at, own_order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import fill_own_head, public_take
from tercel.market.simulator.crossing import first_own, meet, sooner
from tercel.market.simulator.records import row_at, state_at
from tercel.market.tape.schema import ADD, DELETE, EXECUTE

# -- where the background's orders are shown --------------------------------------------------------------------------


@kernel
def shown_at(b: Packed, k: Longs, slot: int) -> int:
    """The slot of the book on show that has the background's order of `slot`."""
    for spare in range(state_at(k).spares):
        if k[sim.SPARE_AT + spare] == slot + 1:
            return fixed(b, lay.ORDERS) - sim.KEPT_SLOTS + spare
    return slot


@kernel
def place_for(b: Packed, k: Longs, slot: int) -> int:
    """Where the background's new order of `slot` is shown; -1: another of its orders is shown there."""
    s = state_at(k)
    first = fixed(b, lay.ORDERS) - sim.KEPT_SLOTS
    for spare in range(s.spares):
        if k[sim.SPARE_AT + spare] == slot + 1:  # the order that had the slot before
            k[sim.SPARE_AT + spare] = 0
    while s.spares > 0 and k[sim.SPARE_AT + s.spares - 1] == 0:
        s.spares -= 1
    if slot >= first and k[sim.SPARE_AT + slot - first] > 0:
        return -1
    have = order_at(b, slot).qty
    if have == 0:
        return slot
    for free in range(max(first, b[fixed(b, lay.BACKGROUND) + lay.HIGH]), fixed(b, lay.ORDERS)):
        if order_at(b, free).qty == 0 and k[sim.SPARE_AT + free - first] == 0:
            k[sim.SPARE_AT + free - first] = slot + 1
            s.spares = max(s.spares, free - first + 1)
            return free
    public_take(b, k, slot, have, DELETE, False)
    forget_gone(b, k)
    return slot


# -- executions -------------------------------------------------------------------------------------------------------


@kernel
def execute(b: Packed, k: Longs, row: int, side: int, price: int, lots: int) -> None:
    """Row `row` of the background executes an order: own and kept orders ahead of it trade in its place.

    Lots that limit orders traded with own ones before are done: that much less is traded now.
    """
    s = state_at(k)
    of = row_at(k, sim.MIRROR + row * sim.RECORD_WORDS).who
    slot = shown_at(b, k, of)
    early = sim.EARLY + (0 if side > 0 else 1)
    done = min(lots, k[early])
    k[early] -= done
    lots -= done
    if lots > 0 and (b[lay.OWN_RESTING] > 0 or s.kept > 0):
        meet(k, -side)
        lots = fill_ahead(b, k, side, price, lots, slot)
    have = order_at(b, slot).qty
    if min(lots, have) > 0:
        public_take(b, k, slot, lots, EXECUTE, False)
    if have > lots and is_over(b, k, row, of):
        keep(b, k, slot)


@kernel
def fill_ahead(b: Packed, k: Longs, side: int, price: int, lots: int, slot: int) -> int:
    """An aggressor at `price` first meets own and kept orders ahead of the order in `slot`. Returns lots left."""
    while lots > 0:
        own = first_own(b, side, price, False) if b[lay.OWN_RESTING] > 0 else -1
        kept = first_kept(b, k, side, price, slot, own)
        if kept >= 0:
            lots -= public_take(b, k, kept, lots, EXECUTE, False)
            forget_gone(b, k)
        elif own >= 0:
            lots -= fill_own_head(b, k, own, lots)
        else:
            break
    return lots


@kernel
def first_kept(b: Packed, k: Longs, side: int, price: int, slot: int, own: int) -> int:
    """The kept order that an aggressor at `price` meets before own order `own` (-1: none) and the order in `slot`.

    Its slot, -1 where none is ahead by price and time.
    """
    found = -1
    for j in range(state_at(k).kept):
        at = k[sim.KEPT_AT + j]
        o = order_at(b, at)
        if o.side != side or (o.price - price) * side < 0:
            continue
        if o.price == price and order_at(b, slot).qty > 0 and order_at(b, slot).arrival < o.arrival:
            continue
        if own >= 0 and sooner(own_order_at(b, own), o, side):
            continue
        if found >= 0 and sooner(order_at(b, found), o, side):
            continue
        found = at
    return int(found)


@kernel
def is_over(b: Packed, k: Longs, row: int, slot: int) -> bool:
    """Whether the background's order of `slot` is gone after row `row` of its event."""
    for later in range(row + 1, state_at(k).mirror_row):
        r = row_at(k, sim.MIRROR + later * sim.RECORD_WORDS)
        if r.who == slot:
            return bool(r.kind == ADD)
    return bool(order_at(b[fixed(b, lay.BACKGROUND) :], slot).qty == 0)


# -- kept orders ------------------------------------------------------------------------------------------------------


@kernel
def keep(b: Packed, k: Longs, slot: int) -> None:
    """Keep what stands in a slot; where there is no room it goes."""
    s = state_at(k)
    if s.kept == sim.KEPT_SLOTS:
        public_take(b, k, slot, order_at(b, slot).qty, DELETE, False)
        return
    k[sim.KEPT_AT + s.kept] = slot
    s.kept += 1


@kernel
def forget_gone(b: Packed, k: Longs) -> None:
    """Forget kept orders that have left the book."""
    s = state_at(k)
    left = 0
    for j in range(s.kept):
        slot = k[sim.KEPT_AT + j]
        if order_at(b, slot).qty > 0:
            k[sim.KEPT_AT + left] = slot
            left += 1
    s.kept = left


@kernel
def give_way(b: Packed, k: Longs, side: int, price: int) -> None:
    """A public order of `side` reaches kept orders of the other side or passes them: they go."""
    for j in range(state_at(k).kept):
        slot = k[sim.KEPT_AT + j]
        o = order_at(b, slot)
        if o.side != side and (price - o.price) * side >= 0:
            public_take(b, k, slot, o.qty, DELETE, False)
    forget_gone(b, k)


@kernel
def thin(b: Packed, k: Longs, row: int, side: int, price: int) -> None:
    """Row `row` cancels at `price`: each kept order there, or ahead of it with no other price between, goes at the odds
    that an order there had of being the one.

    Drawn by a hash that leaves the flow's stream untouched.
    """
    s = state_at(k)
    first = price - side  # farthest kept price at `price` or ahead
    for j in range(s.kept):
        o = order_at(b, k[sim.KEPT_AT + j])
        if o.side == side and (o.price - first) * side > 0:
            first = o.price
    if (first - price) * side < 0 or not in_window(b, side, price):
        return
    orders = max(others_at(b, k, side, price), 1)
    end = price + side
    while (first - end) * side >= 0 and others_at(b, k, side, end) == 0:
        end += side
    for j in range(s.kept):
        slot = k[sim.KEPT_AT + j]
        o = order_at(b, slot)
        if o.side == side and (o.price - price) * side >= 0 and (end - o.price) * side > 0:
            if int(mix(k[sim.FLOW_RNG] ^ (s.now + (row << 40) + (slot << 48))) >> 11) % orders == 0:
                public_take(b, k, slot, o.qty, DELETE, False)
    forget_gone(b, k)


@kernel
def others_at(b: Packed, k: Longs, side: int, price: int) -> int:
    """Public orders at a price that are not kept; 0 beyond the window."""
    if not in_window(b, side, price):
        return 0
    found = 0
    slot = level_at(b, side, price).head
    while slot >= 0:
        found += 0 if is_own(b, slot) else 1
        slot = order_at(b, slot).next
    for j in range(state_at(k).kept):
        o = order_at(b, k[sim.KEPT_AT + j])
        if o.qty > 0 and o.side == side and o.price == price:
            found -= 1
    return found
