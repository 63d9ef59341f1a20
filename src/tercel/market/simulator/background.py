"""Background book: the public market without own trades; the shown one is it, shifted by impact, with own orders.

From the first own order on a world holds two books. The flow acts on the *background*: public orders alone, order by
order those of the twin that nobody of ours trades in. Whatever happens there is mirrored in the book on show
(`docs/simulator.md`): own orders join queues at their true place and take their share of an aggressor by priority, and
of the public orders that he met in the background as many lots stay (`kept`). So own orders neither size an aggressor
nor call him forth, what they trade nobody else does, and all strategies on one seed share the market's moves.

Lots that own orders took are gone from the book on show. Their owner still has them in the background; they come back,
behind what stands at their price by then, after a delay that the tape's replenishment says, and not while a resting own
order is in their way. What own volume does to the price is the law's business alone.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel
from tercel.core.memory import fixed
from tercel.core.seeds import mix
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.book.records import order_at
from tercel.market.impact import layout
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import owe, public_add, public_take, write
from tercel.market.simulator.crossing import first_own
from tercel.market.simulator.kept import execute, forget_gone, give_way, place_for, shown_at, thin
from tercel.market.simulator.records import row_at, state_at
from tercel.market.simulator.replay import replay_row
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, TRADE_HIDDEN

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


@kernel
def leave_background(b: Packed, k: Longs) -> None:
    """Switch back after the flow's event."""
    state_at(k).apart = sim.PARTED
    swap(k)
    b[lay.OVERFLOW] = b[fixed(b, lay.BACKGROUND) + lay.OVERFLOW]


@kernel
def mirror(b: Packed, k: Longs) -> None:
    """The shown book follows the rows of the background's event."""
    s = state_at(k)
    s.aggressor_mid2 = s.mid2
    if s.mirror_row > sim.MIRROR_ROWS:
        lay_anew(b, k)
        return
    if s.kept > 0:
        forget_gone(b, k)
    for row in range(s.mirror_row):
        r = row_at(k, sim.MIRROR + row * sim.RECORD_WORDS)
        side, lots = r.side, r.lots
        price = r.price + s.shift
        if r.kind == ADD:
            slot = place_for(b, k, r.who)
            if slot < 0:
                lay_anew(b, k)
                return
            if s.kept > 0:
                give_way(b, k, side, price)
            order_at(b[fixed(b, lay.BACKGROUND) :], r.who).told = 0
            arrives(b, k, slot, side, price, lots)
        elif r.kind == TRADE_HIDDEN:
            write(k, TRADE_HIDDEN, 0, side, price, lots, 0, 0)
        elif r.kind == EXECUTE:
            execute(b, k, row, side, price, lots)
        else:
            if s.kept > 0:
                thin(b, k, row, side, price)
            slot = shown_at(b, k, r.who)
            have = order_at(b, slot).qty
            if have > 0:  # what own orders kept for it is cancelled with it
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
def lay_anew(b: Packed, k: Longs) -> None:
    """Rebuild the shown public book after an event with more rows than there is room for; kept orders go."""
    background = b[fixed(b, lay.BACKGROUND) :]
    for slot in range(fixed(b, lay.ORDERS)):
        o = order_at(b, slot)
        if o.qty > 0:
            public_take(b, k, slot, o.qty, DELETE, False)
    state_at(k).kept = 0
    for spare in range(sim.KEPT_SLOTS):
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
        o.told = 0
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
        when = o.told
        if when == 0:
            continue
        if o.qty <= order_at(b, shown_at(b, k, slot)).qty:
            o.told = 0
            continue
        if when == lay.UNDATED:
            wait = delay_ms(k, flow, slot)
            when = now + wait if wait > 0 else 0
        elif when <= now:
            when = 0 if put_back(b, k, slot) else now + _AGAIN_MS
        o.told = when
        if when > 0:
            first = min(first, when * _MS)
    s.restore_ns = first


@kernel
def delay_ms(k: Longs, flow: Floats, slot: int) -> int:
    """Replenishment delay, drawn from the tape's law by a hash that leaves the flow's stream untouched.

    0: for as long as their order lives, as in replay.
    """
    p = int(flow[sim.IMPACT_AT])
    delays = int(flow[p + layout.DELAYS]) if p > 0 else 0
    if delays == 0:
        return 0
    drawn = int(mix(k[sim.FLOW_RNG] ^ (state_at(k).now + (slot << 48))) >> 11) % delays
    at = p + layout.HEAD + 2 * int(flow[p + layout.COMPONENTS])
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
