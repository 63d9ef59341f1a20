"""Book operations of the queue-reactive flow: look at the best levels, place, take, cancel, refill.

Whose order is cancelled is the matter of `withdrawals`; what trades unseen, that of `hidden_events`. The book holds
public orders alone: own orders stand in another (`market.simulator.background`).
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
    retreat,
    touch,
)
from tercel.market.flow.queue_reactive.withdrawals import withdraw
from tercel.market.flow.santa_fe import market_order
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add
from tercel.market.simulator.records import state_at


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
    """Draw a price in the spread, by how far its side stands behind its mean and by the spread."""
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
    """Where an order in the spread comes to rest that goes by a price, NO_BID: by none; its lots, 0: drawn anew.

    Where the side's last one stood, else at the best price that its side has lost, else that the other has.
    """
    now, at = memory_at(k).seen_ns, 0 if side > 0 else 1
    cell, price = again_cell(k, flow, now, side), k[q.MADE + at]
    if cell >= 0 and _fits(q.LIMIT_IN_SPREAD, side, price, near, far):
        room = class_of(flow, q.SPREAD_EDGES, q.SPREADS - 1, (far - near) * side) // 2
        if uniform(k, sim.FLOW_RNG) < flow[q.AGAIN_PRICE + cell * q.ROOMS + room]:
            told = uniform(k, sim.FLOW_RNG) < flow[q.AGAIN_LOTS + cell]
            return int(price), int(k[q.MADE_LOTS + at]) if told else 0
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
    ) * side  # what is placed farther nobody would see
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
