"""Book operations of the queue-reactive flow: look at the best levels, place, take, cancel, refill.

The book holds public orders alone: own orders are in another (`market.simulator.background`). Hidden executions are
drawn in `kernel`.
"""

from tercel.core.jit import Floats, Longs, Packed, fixed, kernel
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import allocate, best, changes, level_at, order_at, side_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import (
    again_cell,
    class_of,
    lost_cell,
    lost_price,
    memory_at,
    quarters,
    retreat,
    touch,
)
from tercel.market.flow.santa_fe import market_order
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add, public_take
from tercel.market.simulator.records import put_real, real, state_at
from tercel.market.tape.schema import DELETE


@kernel
def reach(b: Packed, flow: Floats) -> int:
    """Ticks behind the best within which levels are read and maintained."""
    return min(int(flow[q.WINDOW]), fixed(b, lay.WIDTH) // 4)


@kernel
def scan(b: Packed, k: Longs, flow: Floats, side: int) -> int:
    """Read prices and lots of a side's first levels into memory; the number within the window."""
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    k[q.SCANNED + (0 if side > 0 else 1)] = changes(b, side)
    price = touch(k, side)
    found = 0
    if price != NO_BID and price != NO_ASK:
        edge = side_at(b, side).lo + (0 if side > 0 else fixed(b, lay.WIDTH) - 1)
        left = min(reach(b, flow), (price - edge) * side)
        while left >= 0:
            lots = level_at(b, side, price).lots
            if lots > 0:
                k[at + found] = price
                k[at + q.LEVELS + found] = lots
                found += 1
                if found == q.LEVELS:
                    break
            price -= side
            left -= 1
    k[at + 2 * q.LEVELS] = found
    return found


@kernel
def wants(b: Packed, k: Longs, flow: Floats, side: int) -> int:
    """Level of a side behind which another is missing (0 the best); -1: the side is empty, -2: none is missing."""
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    known = k[q.SCANNED + (0 if side > 0 else 1)] == changes(b, side)
    found = k[at + 2 * q.LEVELS] if known else scan(b, k, flow, side)
    if found > 1 and (k[at] - k[at + 1]) * side > flow[q.HOLE]:
        return 0
    if found == q.LEVELS or (found > 0 and (k[at] - k[at + found - 1]) * side >= reach(b, flow)):
        return -2
    return found - 1


@kernel
def refill(b: Packed, k: Longs, flow: Floats, side: int, after: int) -> int:
    """Place an order behind the `after`-th level (-1: a first one), by the gap and deep-lots laws; its slot or -1."""
    s, m = state_at(k), memory_at(k)
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    if after < 0:
        price = s.last_bid if side > 0 else s.last_ask
        other = best(b, -side)
        if other != NO_BID and other != NO_ASK and (other - price) * side <= 0:
            price = other - side
        m.repairs += 1
    else:
        last = k[at + after]
        room = (
            reach(b, flow) - (k[at] - last) * side
        )  # at most to the edge of the window, where `scan` still sees it
        gap = int(flow[q.GAP + int(uniform(k, sim.FLOW_RNG) * q.GAP_POINTS)])
        price = max(last - side * max(min(gap, room), 1), 1)
    slot = allocate(b)
    if slot >= 0:
        m.refills += 1
        lots = int(flow[q.DEEP_LOTS + int(uniform(k, sim.FLOW_RNG) * q.GAP_POINTS)])
        if s.regime != 0:  # what comes into view has lived under the same rates
            lots = max(int(lots * s.limit_factor / s.cancel_factor + 0.5), 1)
        public_add(b, k, slot, side, price, lots)
    return int(slot)


@kernel
def repair(b: Packed, k: Longs, flow: Floats) -> None:
    """Place a first level on an empty side."""
    for i in range(2):
        side = 1 - 2 * i
        if wants(b, k, flow, side) == -1 and refill(b, k, flow, side, -1) >= 0:
            scan(b, k, flow, side)


@kernel
def draw_size(k: Longs, flow: Floats, kind: int) -> int:
    """Draw the lots of a limit order, from the day that this minute was drawn from."""
    row = q.SIZE + (memory_at(k).day * 3 + kind) * q.SIZE_POINTS
    return int(flow[row + int(uniform(k, sim.FLOW_RNG) * q.SIZE_POINTS)])


@kernel
def _limit_lots(k: Longs, flow: Floats, kind: int, side: int) -> int:
    """Lots: those of the previous event, of the side's last cancelled order, or fresh ones. Negative: see `_limit`."""
    m = memory_at(k)
    if m.last_lots > 0:
        same = 0 if m.p_side == side else 1
        c = class_of(flow, q.REPEAT_EDGES, q.STAY_CLASSES - 1, m.last_lots)
        chance = (
            flow[q.REPEAT_SIZE + (m.p_kind * 3 + kind) * 2 + same]
            * flow[q.REPEAT_BY + kind * q.STAY_CLASSES + c]
        )
        if uniform(k, sim.FLOW_RNG) < chance:
            return int(m.last_lots)
    gone = k[q.GONE_LOTS + (0 if side > 0 else 1)]
    if gone > 0 and uniform(k, sim.FLOW_RNG) < flow[q.REPOST_SIZE + kind]:
        return -int(gone)
    return draw_size(k, flow, kind)


@kernel
def _fits(kind: int, side: int, price: int, near: int, far: int) -> bool:
    """Whether a price is where this kind of limit order goes."""
    if kind == q.LIMIT_IN_SPREAD:
        return (price - near) * side > 0 and (far - price) * side > 0
    if kind == q.LIMIT_DEEPER:
        return (near - price) * side > 0
    return price == near


@kernel
def _among_levels(k: Longs, flow: Floats, side: int, near: int) -> int:
    """A price behind the best that a feed of LEVELS levels shows: one of the levels, or between two of them."""
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    last = k[at + 2 * q.LEVELS] - 1
    if last < 1:
        return near - side
    i = class_of(flow, q.SLOT, 2 * (q.LEVELS - 1) - 1, uniform(k, sim.FLOW_RNG))
    level = min(1 + i % (q.LEVELS - 1), last)
    inner, outer = k[at + level - 1], k[at + level]
    gap = (inner - outer) * side
    if i < q.LEVELS - 1 or gap < 2:
        return int(outer)
    step = int(flow[q.BETWEEN + int(uniform(k, sim.FLOW_RNG) * q.INSIDE_POINTS)])
    if step < 0:
        step += gap
    return int(inner - side * min(max(step, 1), gap - 1))


@kernel
def inside_price(k: Longs, flow: Floats, side: int, near: int, far: int) -> int:
    """Draw a price in the spread, by how far its side is behind its mean and by the spread."""
    gap = (far - near) * side
    law = class_of(flow, q.RETREAT_EDGES, q.RETREATS - 1, retreat(k, side)) * q.SPREADS
    law += class_of(flow, q.SPREAD_EDGES, q.SPREADS - 1, gap)
    better = int(
        flow[q.INSIDE + law * q.INSIDE_POINTS + int(uniform(k, sim.FLOW_RNG) * q.INSIDE_POINTS)]
    )
    if better < 0:
        better += gap
    return near + side * min(max(better, 1), gap - 1)


@kernel
def same_again(k: Longs, flow: Floats, side: int, near: int, far: int) -> tuple[int, int]:
    """Price of an order in the spread that repeats an earlier price, NO_BID if it repeats none; its lots, 0: drawn.

    Where the side's last one stood, else at the best price that its side has lost, else that the other has.
    """
    now, at = memory_at(k).seen_ns, 0 if side > 0 else 1
    cell, price = again_cell(k, flow, now, side), k[q.MADE + at]
    if cell >= 0 and _fits(q.LIMIT_IN_SPREAD, side, price, near, far):
        room = class_of(flow, q.SPREAD_EDGES, q.SPREADS - 1, (far - near) * side) // 2
        if uniform(k, sim.FLOW_RNG) < flow[q.AGAIN_PRICE + cell * q.ROOMS + room]:
            repeats = uniform(k, sim.FLOW_RNG) < flow[q.AGAIN_LOTS + cell]
            return int(price), int(k[q.MADE_LOTS + at]) if repeats else 0
    for i in range(2):
        lost = side * (1 - 2 * i)
        cell = lost_cell(k, flow, now, lost)
        if cell >= 0:
            price = lost_price(k, lost)
            if _fits(q.LIMIT_IN_SPREAD, side, price, near, far):
                chance = flow[(q.LOST_PRICE if i == 0 else q.FOLLOW_PRICE) + cell]
                if uniform(k, sim.FLOW_RNG) < chance:
                    return int(price), 0
    return NO_BID, 0


@kernel
def deeper_price(k: Longs, flow: Floats, side: int, near: int) -> int:
    """Draw a price behind the best: by the gap; beyond the second level by level or distance, as AMONG says."""
    at = 0 if side > 0 else 1
    second = k[q.BEHIND + at]
    law = class_of(flow, q.DEEP_EDGES, q.SPREADS - 1, second)
    scanned = q.SCAN + at * q.SCAN_SIDE
    reaches = (
        near - k[scanned + k[scanned + 2 * q.LEVELS] - 1]
    ) * side  # no statistic counts orders placed farther away
    behind = _ticks_behind(k, flow, law)
    if flow[q.LIMITED] != 0.0:
        for _ in range(3):
            behind = behind if behind <= reaches else _ticks_behind(k, flow, law)
        behind = min(behind, reaches)
    if second < behind <= reaches and uniform(k, sim.FLOW_RNG) < flow[q.AMONG]:
        return _among_levels(k, flow, side, near)
    return max(near - side * behind, 1)


@kernel
def _ticks_behind(k: Longs, flow: Floats, law: int) -> int:
    """Ticks behind the best, one of the equally likely values of a law of DEEP."""
    return int(flow[q.DEEP + law * q.DEEP_POINTS + int(uniform(k, sim.FLOW_RNG) * q.DEEP_POINTS)])


@kernel
def limit(b: Packed, k: Longs, flow: Floats, kind: int, side: int) -> int:
    """Place a limit order; its lots, 0: no room.

    Its price is left in memory as LAST_PRICE.
    """
    m = memory_at(k)
    near, far = touch(k, side), touch(k, -side)
    price, lots = near, 0
    if kind == q.LIMIT_IN_SPREAD:
        price, lots = same_again(k, flow, side, near, far)
    elif kind == q.LIMIT_DEEPER:
        price = NO_BID
    if lots == 0:
        lots = _limit_lots(k, flow, kind, side)
    if price == NO_BID:
        if lots < 0:
            again = k[q.GONE_PRICE + (0 if side > 0 else 1)]
            if uniform(k, sim.FLOW_RNG) < flow[q.REPOST_PRICE + kind] and _fits(
                kind, side, again, near, far
            ):
                price = again
        elif lots == m.last_lots and m.last_side == side:
            again = m.last_price
            share = flow[q.REPEAT_PRICE + m.p_kind * 3 + kind]
            if uniform(k, sim.FLOW_RNG) < share and _fits(kind, side, again, near, far):
                price = again
        if price == NO_BID:
            inside = kind == q.LIMIT_IN_SPREAD
            price = (
                inside_price(k, flow, side, near, far)
                if inside
                else deeper_price(k, flow, side, near)
            )
    lots = abs(lots)
    slot = allocate(b)
    if slot < 0:
        return 0
    at = 0 if side > 0 else 1
    newest = k[q.RING_AT + at] & (q.RING_SIZE - 1)
    k[q.RING + at * q.RING_SIZE + newest] = (b[lay.ARRIVAL] << 24) | slot
    k[q.RING_AT + at] += 1
    public_add(b, k, slot, side, price, lots)
    m.last_price = price
    return lots


@kernel
def _tilted(k: Longs, flow: Floats) -> int:
    """Which of the equally likely sizes a market order has, large ones as the knob `lots` says."""
    return int(uniform(k, sim.FLOW_RNG) ** flow[q.TAKE_TILT] * q.TAKE_POINTS)


@kernel
def take(b: Packed, k: Longs, flow: Floats, side: int) -> int:
    """Execute a market order: the queue, less, or more, but never the last level nor beyond SWEEP; its lots."""
    at = q.SCAN + (0 if side < 0 else q.SCAN_SIDE)
    queue = k[at + q.LEVELS]
    c = class_of(flow, q.QUEUE_EDGES, q.QUEUES - 1, queue)
    u = uniform(k, sim.FLOW_RNG)
    if u < flow[q.TAKE_EQUAL + c]:
        lots = queue
    elif u < flow[q.TAKE_LESS + c]:
        lots = queue
        for _ in range(9):  # the law of a class holds for longer queues too
            lots = int(flow[q.LESS + c * q.TAKE_POINTS + _tilted(k, flow)])
            if lots < queue:
                break
        lots = min(lots, max(queue - 1, 1))
    else:
        lots = queue + int(flow[q.MORE + c * q.TAKE_POINTS + _tilted(k, flow)])
    limit_lots = -1
    for n in range(k[at + 2 * q.LEVELS]):
        if abs(k[at + n] - k[at]) > flow[q.SWEEP]:
            break
        limit_lots += k[at + q.LEVELS + n]
    lots = min(lots, max(limit_lots, 1))
    market_order(b, k, side, lots)
    return int(lots)


@kernel
def purge(b: Packed, k: Longs, flow: Floats) -> None:
    """Remove a random invisible order: behind the feed's levels, or far off in a crowded book."""
    crowded = b[lay.LIVE] * 2 >= fixed(b, lay.ORDERS)
    if flow[q.LIMITED] == 0.0 and not crowded:
        return
    slot = int(uniform(k, sim.FLOW_RNG) * b[lay.HIGH])
    o = order_at(b, slot)
    if o.qty == 0:
        return
    side = o.side
    at = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    found = k[at + 2 * q.LEVELS]
    behind = (k[at + found - 1] - o.price) * side
    if found == q.LEVELS and behind > (2.0 * flow[q.WINDOW] if flow[q.LIMITED] == 0.0 else 0.0):
        withdraw(b, k, slot)


# -- withdrawals -----------------------------------------------------------------------------------
# Choice of the order to cancel: at the best by age and size, behind it by rank, by level, or out of sight.
#
# The age of an order is counted in limit orders that came after it, on both sides: the book numbers them as they come
# (`lay.ARR`), so that tape (`queues`) and market count alike and no order carries a clock.


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
    """Cancellation weight of orders by class of age and by lots."""
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
    for _ in range(8):  # old orders are cancelled less often, at the best and behind it
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
