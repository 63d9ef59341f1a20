"""Choice of the order to cancel: at the best by age and size, behind it by rank, by level, or out of sight.

The age of an order is counted in limit orders that came after it, on both sides: the book numbers them as they come
(`lay.ARR`), so that tape (`queues`) and market count alike and no order carries a clock.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import uniform
from tercel.market.book import layout as lay
from tercel.market.book.ladder import changes, level_at, order_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import class_of, quarters, touch
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_take
from tercel.market.simulator.records import put_real, real
from tercel.market.tape.schema import DELETE


@kernel
def cancel(b: Packed, k: Longs, flow: Floats, kind: int, side: int) -> int:
    """Slot of the order to cancel, -1 none."""
    return _deeper_order(b, k, flow, side) if kind == q.CANCEL_DEEPER else _leaver(b, k, flow, side)


@kernel
def _leaver(b: Packed, k: Longs, flow: Floats, side: int) -> int:
    """Slot of the order at the best that its owner withdraws; -1: none rests there."""
    u = uniform(k, sim.FLOW_RNG) * stand(b, k, flow, side)
    slot = int(level_at(b, side, touch(k, side)).head)
    while slot >= 0:
        u -= _leaves(b, flow, slot)
        after = int(order_at(b, slot).next)
        if u < 0.0 or after < 0:
            break
        slot = after
    return slot


@kernel
def stand(b: Packed, k: Longs, flow: Floats, side: int) -> float:
    """Refresh the cached orders at a side's best price if changed or aged; the sum of their cancel weights."""
    at = 0 if side > 0 else 1
    if k[q.STOOD + at] != changes(b, side) or k[q.STOOD_ARRIVAL + at] != b[lay.ARRIVAL]:
        k[q.STOOD + at], k[q.STOOD_ARRIVAL + at] = changes(b, side), b[lay.ARRIVAL]
        k[q.STANDING + at], ready = readiness(b, flow, side, touch(k, side))
        put_real(k, q.STANDING_READY + at, ready)
    return real(k, q.STANDING_READY + at)


@kernel
def readiness(b: Packed, flow: Floats, side: int, price: int) -> tuple[int, float]:
    """Number of orders at a best price, and the sum of their cancel weights."""
    total, count, age = 0.0, 0, 0
    slot = level_at(b, side, price).tail
    while slot >= 0:  # from the youngest on, so that classes of age only rise
        o = order_at(b, slot)
        came = b[lay.ARRIVAL] - o.arrival - 1
        while age < q.LIFE - 1 and flow[q.LIFE_EDGES + age] <= came:
            age += 1
        total += _weight(flow, age, o.qty)
        count += 1
        slot = o.prev
    return count, total


@kernel
def _leaves(b: Packed, flow: Floats, slot: int) -> float:
    """Weight with which an order is withdrawn, by its age and its size."""
    o = order_at(b, slot)
    age = class_of(flow, q.LIFE_EDGES, q.LIFE - 1, b[lay.ARRIVAL] - o.arrival - 1)
    return _weight(flow, age, o.qty)


@kernel
def _weight(flow: Floats, age: int, lots: int) -> float:
    """How readily orders of a class of age and of so many lots are withdrawn."""
    return flow[
        q.LEAVES + age * q.STAY_CLASSES + class_of(flow, q.LEAVES_EDGES, q.STAY_CLASSES - 1, lots)
    ]


@kernel
def _deeper_order(b: Packed, k: Longs, flow: Floats, side: int) -> int:
    """Slot of the order behind the best that its owner withdraws; -1: none found."""
    near = touch(k, side)
    at = 0 if side > 0 else 1
    u = uniform(k, sim.FLOW_RNG)
    if u < flow[q.RANK + q.RANKS - 1]:
        rank = class_of(flow, q.RANK, q.RANKS, u)
        i = k[q.RING_AT + at] - 1
        oldest = max(i - q.RING_SIZE + 1, 0)
        while i >= oldest:
            word = k[q.RING + at * q.RING_SIZE + (i & (q.RING_SIZE - 1))]
            slot = word & 0xFFFFFF
            o = order_at(b, slot)
            if o.qty > 0 and o.arrival == word >> 24 and o.price != near:
                if rank == 0 and _goes(b, k, flow, slot):
                    return int(slot)
                rank = max(rank - 1, 0)
            i -= 1
    if uniform(k, sim.FLOW_RNG) < flow[q.BEYOND]:
        scanned = q.SCAN + at * q.SCAN_SIDE
        last = k[scanned + k[scanned + 2 * q.LEVELS] - 1]
        for _ in range(8):
            slot = int(uniform(k, sim.FLOW_RNG) * b[lay.HIGH])
            o = order_at(b, slot)
            if o.qty > 0 and o.side == side and (last - o.price) * side > 0:
                return slot
    slot = -1
    w1, w2 = _hazard(k, flow, side, 1), _hazard(k, flow, side, 2)
    w3, w4 = _hazard(k, flow, side, 3), _hazard(k, flow, side, 4)
    for _ in range(8):  # who has stood long stays, at the best and behind it
        slot = _scanned_order(b, k, side, w1, w2, w3, w4)
        if slot < 0 or uniform(k, sim.FLOW_RNG) * flow[q.LEAVES_MOST] < _leaves(
            b, flow, slot
        ) * _lone(b, flow, slot):
            break
    return slot


@kernel
def _goes(b: Packed, k: Longs, flow: Floats, slot: int) -> bool:
    """Whether an order behind the best that was picked is cancelled: large ones stay longer than small ones."""
    c = class_of(flow, q.STAY_EDGES, q.STAY_CLASSES - 1, order_at(b, slot).qty)
    return uniform(k, sim.FLOW_RNG) < flow[q.STAYS + c] * _lone(b, flow, slot)


@kernel
def _lone(b: Packed, flow: Floats, slot: int) -> float:
    """At most 1: how readily an order behind the best goes, alone at its price or not."""
    o = order_at(b, slot)
    return flow[q.LONE if o.prev < 0 and o.next < 0 else q.LONE + 1]


@kernel
def _hazard(k: Longs, flow: Floats, side: int, n: int) -> float:
    """Weight with which a cancel behind the best is on the n-th level there, by its lots; 0: there is no such level."""
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    if n >= k[at + 2 * q.LEVELS]:
        return 0.0
    return flow[q.HAZARD + n - 1] * quarters(k[at + q.LEVELS + n], flow[q.DEEP_POWER])


@kernel
def _scanned_order(
    b: Packed, k: Longs, side: int, w1: float, w2: float, w3: float, w4: float
) -> int:
    """Slot of an order on the levels behind the best, by their weights; -1: none."""
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    found = k[at + 2 * q.LEVELS]
    left = uniform(k, sim.FLOW_RNG) * (w1 + w2 + w3 + w4) - w1
    if found < 2:
        return -1
    level = 1 + int(left >= 0.0) + int(left - w2 >= 0.0) + int(left - w2 - w3 >= 0.0)
    return _any_order(b, k, side, k[at + min(level, found - 1)])


@kernel
def _any_order(b: Packed, k: Longs, side: int, price: int) -> int:
    """Slot of an order of a level, all alike; -1: none."""
    count = -1 - _nth_order(b, side, price, lay.NO_WINDOW)
    if count == 0:
        return -1
    return _nth_order(b, side, price, int(uniform(k, sim.FLOW_RNG) * count))


@kernel
def _nth_order(b: Packed, side: int, price: int, n: int) -> int:
    """Slot of the n-th order from the tail of a level's queue; -1 - (orders there) when it has fewer."""
    slot = level_at(b, side, price).tail
    seen = 0
    while slot >= 0:
        if seen == n:
            return int(slot)
        seen += 1
        slot = order_at(b, slot).prev
    return -1 - seen


@kernel
def withdraw(b: Packed, k: Longs, slot: int) -> None:
    """Remove an order from the book."""
    public_take(b, k, slot, order_at(b, slot).qty, DELETE, False)
