"""Restoration of public lots that own orders took: after a delay drawn from the tape's law of replenishment."""

from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel, load_fixed
from tercel.core.seeds import mix
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at
from tercel.market.impact import law
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add, public_take
from tercel.market.simulator.background import visible_slot
from tercel.market.simulator.crossing import first_own
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE

_MS = 1_000_000
# Lots whose way is blocked by an own order try again after so long.
_RETRY_MS = 1000


@late_kernel
def restore_event(book: Packed, state: Longs, flow: Floats) -> None:
    """Set due times for lots that own orders newly took; restore those whose time has come."""
    s = state_at(state)
    background = book[load_fixed(book, lay.BACKGROUND) :]
    now = s.now // _MS
    next_ns = FOREVER_NS
    for slot in range(background[lay.HIGH]):
        order = order_at(background, slot)
        due_ms = order.tag
        if due_ms == 0:
            continue
        if order.qty <= order_at(book, visible_slot(book, state, slot)).qty:
            order.tag = 0
            continue
        if due_ms == lay.UNDATED:
            wait = delay_ms(state, flow, slot)
            due_ms = now + wait if wait > 0 else 0
        elif due_ms <= now:
            due_ms = 0 if restore_order(book, state, slot) else now + _RETRY_MS
        order.tag = due_ms
        if due_ms > 0:
            next_ns = min(next_ns, due_ms * _MS)
    s.restore_ns = next_ns


@kernel
def delay_ms(state: Longs, flow: Floats, slot: int) -> int:
    """Replenishment delay, drawn from the tape's law by a hash that leaves the flow's stream untouched.

    0: for as long as their order lives, as in replay.
    """
    law_at = int(flow[sim.IMPACT_AT])
    delays = int(flow[law_at + law.DELAYS]) if law_at > 0 else 0
    if delays == 0:
        return 0
    index = int(mix(state[sim.FLOW_RNG] ^ (state_at(state).now + (slot << 48))) >> 11) % delays
    table_at = law_at + law.HEAD + 2 * int(flow[law_at + law.COMPONENTS])
    return max(int(flow[table_at + index] * 1000.0), 1)


@kernel
def restore_order(book: Packed, state: Longs, slot: int) -> bool:
    """Restore an order's missing lots: it rejoins its price with all its lots, at the end of the queue.
    False, and nothing is done, while an own order of the other side stands at that price or a better one.
    """
    order = order_at(book[load_fixed(book, lay.BACKGROUND) :], slot)
    side = order.side
    price = order.price + state_at(state).shift
    if book[lay.OWN_RESTING] > 0 and first_own(book, -side, price, True) >= 0:
        return False
    visible = visible_slot(book, state, slot)
    visible_lots = order_at(book, visible).qty
    if visible_lots > 0:
        public_take(book, state, visible, visible_lots, DELETE, False)
    public_add(book, state, visible, side, price, order.qty)
    return True
