"""Which order a cancel of the queue-reactive flow removes: at the best by age and size, behind it by level and rank.

The age of an order is counted in limit orders that came after it, on both sides: the book numbers them as they come
(`lay.ARR`), so that tape (`best_queues`) and market count alike and no order carries a clock.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import uniform
from tercel.market.book import layout as lay
from tercel.market.book.book_records import changes, level_at, order_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory_record import class_of, quarters, touch
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_take
from tercel.market.simulator.records import put_real, real
from tercel.market.tape.schema import DELETE


@kernel
def draw_order_to_cancel(book: Packed, state: Longs, flow: Floats, kind: int, side: int) -> int:
    """Draw the order to cancel, at the best or (CANCEL_DEEPER) behind it: its slot, -1 none; `withdraw` removes it."""
    return (
        _deeper_order(book, state, flow, side)
        if kind == q.CANCEL_DEEPER
        else _order_leaving(book, state, flow, side)
    )


@kernel
def _order_leaving(book: Packed, state: Longs, flow: Floats, side: int) -> int:
    """Slot of the order at a best price that is cancelled, drawn by cancel weight; -1: none rests there."""
    u = uniform(state, sim.FLOW_RNG) * best_cancel_weight(book, state, flow, side)
    slot = int(level_at(book, side, touch(state, side)).head)
    while slot >= 0:
        u -= _cancel_weight(book, flow, slot)
        after = int(order_at(book, slot).next)
        if u < 0.0 or after < 0:
            break
        slot = after
    return slot


@kernel
def best_cancel_weight(book: Packed, state: Longs, flow: Floats, side: int) -> float:
    """Sum of the cancel weights of the orders at a side's best price, from a cache refreshed when the side changed."""
    column = 0 if side > 0 else 1
    if (
        state[q.STOOD + column] != changes(book, side)
        or state[q.STOOD_ARRIVAL + column] != book[lay.ARRIVAL]
    ):
        state[q.STOOD + column] = changes(book, side)
        state[q.STOOD_ARRIVAL + column] = book[lay.ARRIVAL]
        state[q.STANDING + column], weight = sum_cancel_weights(
            book, flow, side, touch(state, side)
        )
        put_real(state, q.STANDING_WEIGHT + column, weight)
    return real(state, q.STANDING_WEIGHT + column)


@kernel
def sum_cancel_weights(book: Packed, flow: Floats, side: int, price: int) -> tuple[int, float]:
    """Number of orders at a best price, and the sum of their cancel weights."""
    total = 0.0
    count = 0
    age = 0
    slot = level_at(book, side, price).tail
    while slot >= 0:  # from the youngest on, so that classes of age only rise
        order = order_at(book, slot)
        came = book[lay.ARRIVAL] - order.arrival - 1
        while age < q.LIFE - 1 and flow[q.LIFE_EDGES + age] <= came:
            age += 1
        total += _weight(flow, age, order.qty)
        count += 1
        slot = order.prev
    return count, total


@kernel
def _cancel_weight(book: Packed, flow: Floats, slot: int) -> float:
    """Cancel weight of an order by its age and its size."""
    order = order_at(book, slot)
    age = class_of(flow, q.LIFE_EDGES, q.LIFE - 1, book[lay.ARRIVAL] - order.arrival - 1)
    return _weight(flow, age, order.qty)


@kernel
def _weight(flow: Floats, age: int, lots: int) -> float:
    """Cancellation weight of orders by class of age and by lots."""
    return flow[
        q.LEAVES + age * q.STAY_CLASSES + class_of(flow, q.LEAVES_EDGES, q.STAY_CLASSES - 1, lots)
    ]


@kernel
def _deeper_order(book: Packed, state: Longs, flow: Floats, side: int) -> int:
    """Draw the order behind the best price that is cancelled: its slot, -1 if none was found."""
    near = touch(state, side)
    column = 0 if side > 0 else 1
    u = uniform(state, sim.FLOW_RNG)
    if u < flow[q.RANK + q.RANKS - 1]:
        rank = class_of(flow, q.RANK, q.RANKS, u)
        i = state[q.RING_AT + column] - 1
        oldest = max(i - q.RING_SIZE + 1, 0)
        while i >= oldest:
            word = state[q.RING + column * q.RING_SIZE + (i & (q.RING_SIZE - 1))]
            slot = word & 0xFFFFFF
            order = order_at(book, slot)
            if order.qty > 0 and order.arrival == word >> 24 and order.price != near:
                if rank == 0 and _draw_cancelled(book, state, flow, slot):
                    return int(slot)
                rank = max(rank - 1, 0)
            i -= 1
    if uniform(state, sim.FLOW_RNG) < flow[q.BEYOND]:
        scanned = q.SCAN + column * q.SCAN_SIDE
        last = state[scanned + state[scanned + 2 * q.LEVELS] - 1]
        for _ in range(8):
            slot = int(uniform(state, sim.FLOW_RNG) * book[lay.HIGH])
            order = order_at(book, slot)
            if order.qty > 0 and order.side == side and (last - order.price) * side > 0:
                return slot
    slot = -1
    w1 = _hazard(state, flow, side, 1)
    w2 = _hazard(state, flow, side, 2)
    w3 = _hazard(state, flow, side, 3)
    w4 = _hazard(state, flow, side, 4)
    for _ in range(8):  # old orders are cancelled less often, at the best and behind it
        slot = _scanned_order(book, state, side, w1, w2, w3, w4)
        if slot < 0 or uniform(state, sim.FLOW_RNG) * flow[q.LEAVES_MOST] < _cancel_weight(
            book, flow, slot
        ) * _lone_factor(book, flow, slot):
            break
    return slot


@kernel
def _draw_cancelled(book: Packed, state: Longs, flow: Floats, slot: int) -> bool:
    """Draw whether a picked order behind the best is cancelled: less likely if it is large, and by whether it is alone there."""
    c = class_of(flow, q.STAY_EDGES, q.STAY_CLASSES - 1, order_at(book, slot).qty)
    return uniform(state, sim.FLOW_RNG) < flow[q.STAYS + c] * _lone_factor(book, flow, slot)


@kernel
def _lone_factor(book: Packed, flow: Floats, slot: int) -> float:
    """Factor, at most 1, on cancelling an order behind the best, by whether it is alone at its price."""
    order = order_at(book, slot)
    return flow[q.LONE if order.prev < 0 and order.next < 0 else q.LONE + 1]


@kernel
def _hazard(state: Longs, flow: Floats, side: int, n: int) -> float:
    """Weight of the n-th level behind the best in a cancel there, by its lots; 0: there is no such level."""
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    if n >= state[base + 2 * q.LEVELS]:
        return 0.0
    return flow[q.HAZARD + n - 1] * quarters(state[base + q.LEVELS + n], flow[q.DEEP_POWER])


@kernel
def _scanned_order(
    book: Packed, state: Longs, side: int, w1: float, w2: float, w3: float, w4: float
) -> int:
    """Slot of an order to cancel on the levels behind the best, drawn by their weights; -1: none."""
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    levels = state[base + 2 * q.LEVELS]
    draw = uniform(state, sim.FLOW_RNG) * (w1 + w2 + w3 + w4) - w1
    if levels < 2:
        return -1
    level = 1 + int(draw >= 0.0) + int(draw - w2 >= 0.0) + int(draw - w2 - w3 >= 0.0)
    return _any_order(book, state, side, state[base + min(level, levels - 1)])


@kernel
def _any_order(book: Packed, state: Longs, side: int, price: int) -> int:
    """Draw an order of a level, each with the same probability: its slot, -1 none."""
    count = -1 - _nth_order(book, side, price, lay.NO_WINDOW)
    if count == 0:
        return -1
    return _nth_order(book, side, price, int(uniform(state, sim.FLOW_RNG) * count))


@kernel
def _nth_order(book: Packed, side: int, price: int, n: int) -> int:
    """Slot of the n-th order from the tail of a level's queue; -1 - (orders there) when it has fewer."""
    slot = level_at(book, side, price).tail
    seen = 0
    while slot >= 0:
        if seen == n:
            return int(slot)
        seen += 1
        slot = order_at(book, slot).prev
    return -1 - seen


@kernel
def withdraw(book: Packed, state: Longs, slot: int) -> None:
    """Remove an order from the book."""
    public_take(book, state, slot, order_at(book, slot).qty, DELETE, False)
