"""Public book without own trades (the background); the visible book is it, shifted by impact, with own orders.

From the first own order on a world holds two books. The flow acts on the *background*: public orders alone, order by
order those of the counterfactual market without own orders. Whatever happens there is mirrored in the visible book
(`docs/concepts/simulator.md`): own orders join queues at their true place and take their share of an aggressor by priority, and
of the public orders that it met in the background as many lots stay (residual orders). So own orders neither size an aggressor
nor cause one, no lot trades twice, and all strategies on one seed share the market's moves.

Lots that own orders took are gone from the visible book. Their owner still has them in the background; they come back,
behind what rests at their price by then, after a delay that the tape's replenishment says, and not while a resting own
order is in their way. What own volume does to the price is the law's business alone.

Public lots that own lots stood in front of: an aggressor's lots are used once.

What own orders trade, the public order behind them keeps in the visible book. While its counterpart in the background
lives these are lots of one order, and go with it; when the counterpart has been executed they are a *residual* order. It
stays where it was and trades by price and time, goes as often as public orders of its price or the next one behind
are cancelled, and gives way to a public order of the other side that reaches it.

A public limit order that crosses own ones has traded early: as many lots of the next aggressors of its side trade
nothing, and what they met in the background becomes residual. So own and public lots of a side add up to those of the
counterfactual.

The flow uses a slot again at once. While a residual order holds it, one of the last RESIDUAL_SLOTS shows the new order.
"""

from typing import Any, Final

from tercel.core.jit import Floats, Longs, Packed, Rows, fixed, kernel, late_kernel
from tercel.core.seeds import mix, next_word
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.book.ladder import in_window, is_own, level_at, order_at, own_order_at
from tercel.market.impact import law
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_own_head,
    first_own,
    meet,
    owe,
    public_add,
    public_take,
    sooner,
    write,
)
from tercel.market.simulator.past_seconds import printed
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import replay_row
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, TRADE_HIDDEN

# -- where the background's orders are shown --------------------------------------------------------------------------


@kernel
def shown_at(b: Packed, k: Longs, slot: int) -> int:
    """The slot of the visible book that has the background's order of `slot`."""
    for spare in range(state_at(k).spares):
        if k[sim.SPARE_AT + spare] == slot + 1:
            return fixed(b, lay.ORDERS) - sim.RESIDUAL_SLOTS + spare
    return slot


@kernel
def place_for(b: Packed, k: Longs, slot: int) -> int:
    """Slot of the shown book for the background's new order of `slot`; -1: another of its orders is shown there."""
    s = state_at(k)
    first = fixed(b, lay.ORDERS) - sim.RESIDUAL_SLOTS
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
    """Row `row` of the background executes an order: own and residual orders ahead of it trade in its place.

    Lots that limit orders traded with own ones before are done: that much less is traded now.
    """
    s = state_at(k)
    of = row_at(k, sim.MIRROR + row * sim.RECORD_WORDS).who
    slot = shown_at(b, k, of)
    early = sim.EARLY + (0 if side > 0 else 1)
    done = min(lots, k[early])
    k[early] -= done
    lots -= done
    if lots > 0 and (b[lay.OWN_RESTING] > 0 or s.residual > 0):
        meet(k, -side)
        lots = fill_ahead(b, k, side, price, lots, slot)
    have = order_at(b, slot).qty
    if min(lots, have) > 0:
        public_take(b, k, slot, lots, EXECUTE, False)
    if have > lots and is_over(b, k, row, of):
        keep(b, k, slot)


@kernel
def fill_ahead(b: Packed, k: Longs, side: int, price: int, lots: int, slot: int) -> int:
    """An aggressor at `price` first meets own and residual orders ahead of the order in `slot`. Returns lots left."""
    while lots > 0:
        own = first_own(b, side, price, False) if b[lay.OWN_RESTING] > 0 else -1
        residual = first_residual(b, k, side, price, slot, own)
        if residual >= 0:
            lots -= public_take(b, k, residual, lots, EXECUTE, False)
            forget_gone(b, k)
        elif own >= 0:
            lots -= fill_own_head(b, k, own, lots)
        else:
            break
    return lots


@kernel
def first_residual(b: Packed, k: Longs, side: int, price: int, slot: int, own: int) -> int:
    """The residual order that an aggressor at `price` meets before own order `own` (-1: none) and the order in `slot`.

    Its slot, -1 where none is ahead by price and time.
    """
    found = -1
    for j in range(state_at(k).residual):
        at = k[sim.RESIDUAL_AT + j]
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


# -- residual orders ------------------------------------------------------------------------------------------------------


@kernel
def keep(b: Packed, k: Longs, slot: int) -> None:
    """Make the order in a slot residual; it is cancelled if all residual slots are in use."""
    s = state_at(k)
    if s.residual == sim.RESIDUAL_SLOTS:
        public_take(b, k, slot, order_at(b, slot).qty, DELETE, False)
        return
    k[sim.RESIDUAL_AT + s.residual] = slot
    s.residual += 1


@kernel
def forget_gone(b: Packed, k: Longs) -> None:
    """Forget residual orders that have left the book."""
    s = state_at(k)
    left = 0
    for j in range(s.residual):
        slot = k[sim.RESIDUAL_AT + j]
        if order_at(b, slot).qty > 0:
            k[sim.RESIDUAL_AT + left] = slot
            left += 1
    s.residual = left


@kernel
def give_way(b: Packed, k: Longs, side: int, price: int) -> None:
    """A public order of `side` reaches residual orders of the other side or passes them: they go."""
    for j in range(state_at(k).residual):
        slot = k[sim.RESIDUAL_AT + j]
        o = order_at(b, slot)
        if o.side != side and (price - o.price) * side >= 0:
            public_take(b, k, slot, o.qty, DELETE, False)
    forget_gone(b, k)


@kernel
def thin(b: Packed, k: Longs, row: int, side: int, price: int) -> None:
    """Row `row` cancels at `price`: each residual order there, or ahead of it with no other price between, goes at the odds
    that an order there had of being the one.

    Drawn by a hash that leaves the flow's stream untouched.
    """
    s = state_at(k)
    first = price - side  # farthest residual price at `price` or ahead
    for j in range(s.residual):
        o = order_at(b, k[sim.RESIDUAL_AT + j])
        if o.side == side and (o.price - first) * side > 0:
            first = o.price
    if (first - price) * side < 0 or not in_window(b, side, price):
        return
    orders = max(others_at(b, k, side, price), 1)
    end = price + side
    while (first - end) * side >= 0 and others_at(b, k, side, end) == 0:
        end += side
    for j in range(s.residual):
        slot = k[sim.RESIDUAL_AT + j]
        o = order_at(b, slot)
        if o.side == side and (o.price - price) * side >= 0 and (end - o.price) * side > 0:
            if int(mix(k[sim.FLOW_RNG] ^ (s.now + (row << 40) + (slot << 48))) >> 11) % orders == 0:
                public_take(b, k, slot, o.qty, DELETE, False)
    forget_gone(b, k)


@kernel
def others_at(b: Packed, k: Longs, side: int, price: int) -> int:
    """Public orders at a price that are not residual; 0 beyond the window."""
    if not in_window(b, side, price):
        return 0
    found = 0
    slot = level_at(b, side, price).head
    while slot >= 0:
        found += 0 if is_own(b, slot) else 1
        slot = order_at(b, slot).next
    for j in range(state_at(k).residual):
        o = order_at(b, k[sim.RESIDUAL_AT + j])
        if o.qty > 0 and o.side == side and o.price == price:
            found -= 1
    return found


_MS = 1_000_000
# Lots whose way is blocked by an own order try again after so long.
_AGAIN_MS = 1000


@kernel
def part(b: Packed, k: Longs) -> None:
    """Split off the background book: a copy of the book before any own order."""
    s = state_at(k)
    length = fixed(b, lay.BACKGROUND)
    for j in range(length):
        b[length + j] = b[j]
    for j in range(sim.TALLIES):
        k[sim.BACKGROUND + j] = k[sim.EVENTS + j]
    s.mirror_row = 0
    s.mirror_at = sim.MIRROR
    s.mirror_room = sim.MIRROR_ROWS
    s.restore_ns = FOREVER_NS
    s.apart = sim.PARTED


@kernel
def swap(k: Longs) -> None:
    """Exchange the shown tallies and record with the background's."""
    s = state_at(k)
    for j in range(sim.TALLIES):
        k[sim.EVENTS + j], k[sim.BACKGROUND + j] = k[sim.BACKGROUND + j], k[sim.EVENTS + j]
    s.record, s.mirror_row = s.mirror_row, s.record
    s.record_at, s.mirror_at = s.mirror_at, s.record_at
    s.record_rows, s.mirror_room = s.mirror_room, s.record_rows


@kernel
def enter_background(k: Longs) -> None:
    """Switch to the background for the flow's next event."""
    s = state_at(k)
    s.mirror_row = 0
    swap(k)
    s.apart = sim.WILL_PART
    s.seconds_room = -s.seconds_room


@kernel
def leave_background(b: Packed, k: Longs) -> None:
    """Switch back after the flow's event."""
    s = state_at(k)
    s.apart = sim.PARTED
    s.seconds_room = -s.seconds_room
    swap(k)
    b[lay.OVERFLOW] = b[fixed(b, lay.BACKGROUND) + lay.OVERFLOW]


@kernel
def mirror(b: Packed, k: Longs) -> None:
    """The shown book follows the rows of the background's event."""
    s = state_at(k)
    s.aggressor_mid2 = s.mid2
    if s.mirror_row > sim.MIRROR_ROWS:
        rebuild_shown(b, k)
        return
    if s.residual > 0:
        forget_gone(b, k)
    for row in range(s.mirror_row):
        r = row_at(k, sim.MIRROR + row * sim.RECORD_WORDS)
        side, lots = r.side, r.lots
        price = r.price + s.shift
        if r.kind == ADD:
            slot = place_for(b, k, r.who)
            if slot < 0:
                rebuild_shown(b, k)
                return
            if s.residual > 0:
                give_way(b, k, side, price)
            order_at(b[fixed(b, lay.BACKGROUND) :], r.who).tag = 0
            arrives(b, k, slot, side, price, lots)
        elif r.kind == TRADE_HIDDEN:
            printed(k, price)
            write(k, TRADE_HIDDEN, 0, side, price, lots, 0, 0)
        elif r.kind == EXECUTE:
            execute(b, k, row, side, price, lots)
        else:
            if s.residual > 0:
                thin(b, k, row, side, price)
            slot = shown_at(b, k, r.who)
            have = order_at(b, slot).qty
            if have > 0:  # the residual lots that own orders left of it are cancelled with it
                replay_row(b, k, r.kind, slot, side, price, have if r.kind == DELETE else lots)


@kernel
def arrives(b: Packed, k: Longs, slot: int, side: int, price: int, lots: int) -> None:
    """A public limit order in the shown book; lots that own orders take of it are restored later."""
    s = state_at(k)
    before = s.passive_lots
    replay_row(b, k, ADD, slot, side, price, lots)
    if s.passive_lots > before:
        s.crossed_lots += s.passive_lots - before
        k[sim.EARLY + (1 if side > 0 else 0)] += s.passive_lots - before
        owe(b, k, slot)


@kernel
def rebuild_shown(b: Packed, k: Longs) -> None:
    """Rebuild the shown public book after an event with more rows than there is room for; residual orders go."""
    background = b[fixed(b, lay.BACKGROUND) :]
    for slot in range(fixed(b, lay.ORDERS)):
        o = order_at(b, slot)
        if o.qty > 0:
            public_take(b, k, slot, o.qty, DELETE, False)
    state_at(k).residual = 0
    for spare in range(sim.RESIDUAL_SLOTS):
        k[sim.SPARE_AT + spare] = 0
    after = -1
    while True:
        found = -1
        for slot in range(background[lay.HIGH]):
            o = order_at(background, slot)
            if o.qty > 0 and o.arrival > after:
                if found < 0 or o.arrival < order_at(background, found).arrival:
                    found = slot
        if found < 0:
            return
        o = order_at(background, found)
        after = o.arrival
        o.tag = 0
        arrives(b, k, found, o.side, o.price + state_at(k).shift, o.qty)


# -- what own orders took comes back ----------------------------------------------------------------------------------


@late_kernel
def restore_event(b: Packed, k: Longs, flow: Floats) -> None:
    """Date newly taken lots for restoration; restore those that are due."""
    s = state_at(k)
    background = b[fixed(b, lay.BACKGROUND) :]
    now = s.now // _MS
    first = FOREVER_NS
    for slot in range(background[lay.HIGH]):
        o = order_at(background, slot)
        when = o.tag
        if when == 0:
            continue
        if o.qty <= order_at(b, shown_at(b, k, slot)).qty:
            o.tag = 0
            continue
        if when == lay.UNDATED:
            wait = delay_ms(k, flow, slot)
            when = now + wait if wait > 0 else 0
        elif when <= now:
            when = 0 if put_back(b, k, slot) else now + _AGAIN_MS
        o.tag = when
        if when > 0:
            first = min(first, when * _MS)
    s.restore_ns = first


@kernel
def delay_ms(k: Longs, flow: Floats, slot: int) -> int:
    """Replenishment delay, drawn from the tape's law by a hash that leaves the flow's stream untouched.

    0: for as long as their order lives, as in replay.
    """
    p = int(flow[sim.IMPACT_AT])
    delays = int(flow[p + law.DELAYS]) if p > 0 else 0
    if delays == 0:
        return 0
    drawn = int(mix(k[sim.FLOW_RNG] ^ (state_at(k).now + (slot << 48))) >> 11) % delays
    at = p + law.HEAD + 2 * int(flow[p + law.COMPONENTS])
    return max(int(flow[at + drawn] * 1000.0), 1)


@kernel
def put_back(b: Packed, k: Longs, slot: int) -> bool:
    """Restore an order's missing lots: it rejoins its price with all its lots at the end of the queue."""
    o = order_at(b[fixed(b, lay.BACKGROUND) :], slot)
    side, price = o.side, o.price + state_at(k).shift
    if b[lay.OWN_RESTING] > 0 and first_own(b, -side, price, True) >= 0:
        return False
    shown = shown_at(b, k, slot)
    left = order_at(b, shown).qty
    if left > 0:
        public_take(b, k, shown, left, DELETE, False)
    public_add(b, k, shown, side, price, o.qty)
    return True


# -- followed --------------------------------------------------------------------------------------
# The background market of a seed, simulated once: its events packed, and markets that follow them.
#
# Own orders do not change the background (but under a law of `weights`, which leans on the flow), so what the public
# does after an order's arrival is the same whatever is done with the order. It is written down once, two words a row, and
# every further market of that seed takes its rows from there: no flow is drawn, no second book is updated, only what the
# shown book needs of it (the lots left of each public order). Observations, trades and accounts are the same to the
# byte.
#
# A row's head is | ns since the event before (40 bits) | draws of the flow's stream (16) | last row of its event (1) |
# side is a sell (1) | kind (6) |, its body | slot (16) | price (24) | lots (24) |. A row of kind `MID` tells in its body
# the background's new mid, half-ticks; one of kind 0 is of an event in which nothing happened.

HEAD, BODY, PACKED_WORDS = range(3)
SELL: Final = 1 << 6
LAST: Final = 1 << 7
DRAWS_AT: Final = 8
MOST_DRAWS: Final = (1 << 16) - 1
WAIT_AT: Final = 24
LONGEST_WAIT: Final = (1 << 39) - 1
MID: Final = 63
"""Kind of a row that tells the background's mid."""
SLOT_AT, PRICE_AT = 48, 24
MOST: Final = (1 << 24) - 1
"""Price and lots that a row has room for."""
MOST_SLOTS: Final = (1 << 15) - 1
NO_ROOM: Final = -1
"""The market does not fit into the rows, or what happens in it into one."""


@kernel
def follows(k: Longs) -> bool:
    """Whether the background's events are known already."""
    s = state_at(k)
    return bool(s.apart == sim.PARTED and s.cursor_end > 0)


@kernel
def drawn_since(k: Longs, at: int) -> int:
    """Draws that bring the stream at `k[at]` to where the flow's is; more than a row has room for: one too many."""
    draws = 0
    while draws <= MOST_DRAWS and (k[at] != k[sim.FLOW_RNG] or k[at + 1] != k[sim.FLOW_RNG + 1]):
        next_word(k, at)
        draws += 1
    return draws


@kernel
def pack_event(k: Longs, rows: Longs, at: int, wait: int, draws: int, moved: bool) -> int:
    """Pack the rows that the background's last event left in the mirror; where the next event's rows begin.

    `moved`: whether its mid did.
    """
    s = state_at(k)
    end = at + max(s.mirror_row + int(moved), 1)
    if (
        end > rows.shape[0]
        or s.mirror_row > sim.MIRROR_ROWS
        or wait > LONGEST_WAIT
        or draws > MOST_DRAWS
    ):
        return NO_ROOM
    rows[end - 1, HEAD], rows[end - 1, BODY] = (MID, s.background_mid2) if moved else (0, 0)
    for row in range(s.mirror_row):
        r = row_at(k, sim.MIRROR + row * sim.RECORD_WORDS)
        if min(r.who, r.price, r.lots) < 0 or r.who > MOST_SLOTS or max(r.price, r.lots) > MOST:
            return NO_ROOM
        rows[at + row, HEAD] = r.kind | (SELL if r.side < 0 else 0)
        rows[at + row, BODY] = r.who << SLOT_AT | r.price << PRICE_AT | r.lots
    rows[at, HEAD] |= wait << WAIT_AT | draws << DRAWS_AT
    rows[end - 1, HEAD] |= LAST
    return end


@late_kernel
def unpack_event(b: Packed, k: Longs, rows: Rows) -> None:
    """The background's next event: its rows go to the mirror, as the flow would have left them there."""
    s = state_at(k)
    background = b[fixed(b, lay.BACKGROUND) :]
    s.mirror_row = 0
    for _ in range((rows[s.cursor, HEAD] >> DRAWS_AT) & MOST_DRAWS):
        next_word(k, sim.FLOW_RNG)
    while True:
        head, body = rows[s.cursor, HEAD], rows[s.cursor, BODY]
        s.cursor += 1
        kind = head & MID
        if kind == MID:
            s.background_mid2 = body
        elif kind > 0:
            r = row_at(k, sim.MIRROR + s.mirror_row * sim.RECORD_WORDS)
            r.kind = kind
            r.who = body >> SLOT_AT
            r.side = -1 if head & SELL else 1
            r.price = (body >> PRICE_AT) & MOST
            r.lots = body & MOST
            s.mirror_row += 1
            if kind == TRADE_HIDDEN:
                s.hidden_lots += r.lots
            else:
                leave_left(background, r)
        if head & LAST:
            break
    s.flow_ns = s.now + (rows[s.cursor, HEAD] >> WAIT_AT) if s.cursor < s.cursor_end else FOREVER_NS


@kernel
def leave_left(background: Packed, r: Any) -> None:
    """Apply a row to the lots of its order in the background; queue and level do not change."""
    o = order_at(background, r.who)
    if r.kind == ADD:
        o.side = r.side
        o.price = r.price
        o.qty = r.lots
        background[lay.HIGH] = max(background[lay.HIGH], r.who + 1)
    else:
        o.qty -= r.lots
