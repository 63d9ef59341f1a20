"""Book operations of the queue-reactive flow: look at the best levels, place, take, cancel, refill.

The book holds public orders alone: own orders are in another (`market.simulator.background`). Hidden executions are
drawn in `kernel`.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel, load_fixed
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import best, changes, level_at, order_at, side_at
from tercel.market.book.price_window import allocate
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.cancellation import withdraw
from tercel.market.flow.queue_reactive.memory_record import class_of, memory_at, touch
from tercel.market.flow.queue_reactive.touch_history import (
    again_cell,
    lastly,
    lost_cell,
    lost_price,
)
from tercel.market.flow.santa_fe import market_order
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add
from tercel.market.simulator.records import state_at


@kernel
def reach(book: Packed, flow: Floats) -> int:
    """Ticks behind the best within which levels are read and maintained."""
    return min(int(flow[q.WINDOW]), load_fixed(book, lay.WIDTH) // 4)


@kernel
def scan(book: Packed, state: Longs, flow: Floats, side: int) -> int:
    """Read prices and lots of a side's first levels into memory; the number within the window."""
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    state[q.SCANNED + (0 if side > 0 else 1)] = changes(book, side)
    price = touch(state, side)
    levels = 0
    if price != NO_BID and price != NO_ASK:
        edge = side_at(book, side).lo + (0 if side > 0 else load_fixed(book, lay.WIDTH) - 1)
        ticks_left = min(reach(book, flow), (price - edge) * side)
        while ticks_left >= 0:
            lots = level_at(book, side, price).lots
            if lots > 0:
                state[base + levels] = price
                state[base + q.LEVELS + levels] = lots
                levels += 1
                if levels == q.LEVELS:
                    break
            price -= side
            ticks_left -= 1
    state[base + 2 * q.LEVELS] = levels
    return levels


@kernel
def scan_missing_level(book: Packed, state: Longs, flow: Floats, side: int) -> int:
    """Scan a side into `state` if changed; level behind which to refill: 0 before a hole, else the last; -1: empty, -2: none."""
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    is_fresh = state[q.SCANNED + (0 if side > 0 else 1)] == changes(book, side)
    levels = state[base + 2 * q.LEVELS] if is_fresh else scan(book, state, flow, side)
    if levels > 1 and (state[base] - state[base + 1]) * side > flow[q.HOLE]:
        return 0
    if levels == q.LEVELS or (
        levels > 0 and (state[base] - state[base + levels - 1]) * side >= reach(book, flow)
    ):
        return -2
    return levels - 1


@kernel
def refill(book: Packed, state: Longs, flow: Floats, side: int, after: int) -> int:
    """Place an order behind the `after`-th level (-1: a first one), by the gap and deep-lots laws; its slot or -1."""
    s = state_at(state)
    m = memory_at(state)
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    if after < 0:
        price = s.last_bid if side > 0 else s.last_ask
        opposite = best(book, -side)
        if opposite != NO_BID and opposite != NO_ASK and (opposite - price) * side <= 0:
            price = opposite - side
        m.repairs += 1
    else:
        last = state[base + after]
        room = (
            reach(book, flow) - (state[base] - last) * side
        )  # at most to the edge of the window, where `scan` still sees it
        gap = int(flow[q.GAP + int(uniform(state, sim.FLOW_RNG) * q.GAP_POINTS)])
        price = max(last - side * max(min(gap, room), 1), 1)
    slot = allocate(book)
    if slot >= 0:
        m.refills += 1
        lots = int(flow[q.DEEP_LOTS + int(uniform(state, sim.FLOW_RNG) * q.GAP_POINTS)])
        if s.regime != 0:  # what comes into view has lived under the same rates
            lots = max(int(lots * s.limit_factor / s.cancel_factor + 0.5), 1)
        public_add(book, state, slot, side, price, lots)
    return int(slot)


@kernel
def repair(book: Packed, state: Longs, flow: Floats) -> None:
    """Place a first level on each side that is empty."""
    for i in range(2):
        side = 1 - 2 * i
        if (
            scan_missing_level(book, state, flow, side) == -1
            and refill(book, state, flow, side, -1) >= 0
        ):
            scan(book, state, flow, side)


@kernel
def draw_size(state: Longs, flow: Floats, kind: int) -> int:
    """Draw the lots of a limit order, from the day that this minute was drawn from."""
    row = q.SIZE + (memory_at(state).day * 3 + kind) * q.SIZE_POINTS
    return int(flow[row + int(uniform(state, sim.FLOW_RNG) * q.SIZE_POINTS)])


@kernel
def _limit_lots(state: Longs, flow: Floats, kind: int, side: int) -> int:
    """Draw the lots of a limit order: the previous event's again, or fresh; below 0: those of the side's last cancelled order."""
    m = memory_at(state)
    if m.last_lots > 0:
        same = 0 if m.p_side == side else 1
        c = class_of(flow, q.REPEAT_EDGES, q.STAY_CLASSES - 1, m.last_lots)
        chance = (
            flow[q.REPEAT_SIZE + (m.p_kind * 3 + kind) * 2 + same]
            * flow[q.REPEAT_BY + kind * q.STAY_CLASSES + c]
        )
        if uniform(state, sim.FLOW_RNG) < chance:
            return int(m.last_lots)
    gone = state[q.GONE_LOTS + (0 if side > 0 else 1)]
    if gone > 0 and uniform(state, sim.FLOW_RNG) < flow[q.REPOST_SIZE + kind]:
        return -int(gone)
    return draw_size(state, flow, kind)


@kernel
def _fits(kind: int, side: int, price: int, near: int, far: int) -> bool:
    """Whether a price lies where this kind of limit order goes: in the spread, at the best, or behind."""
    if kind == q.LIMIT_IN_SPREAD:
        return (price - near) * side > 0 and (far - price) * side > 0
    if kind == q.LIMIT_DEEPER:
        return (near - price) * side > 0
    return price == near


@kernel
def _among_levels(state: Longs, flow: Floats, side: int, near: int) -> int:
    """Draw a price behind the best that a feed of LEVELS levels shows: one of the levels, or between two of them."""
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    last = state[base + 2 * q.LEVELS] - 1
    if last < 1:
        return near - side
    i = class_of(flow, q.SLOT, 2 * (q.LEVELS - 1) - 1, uniform(state, sim.FLOW_RNG))
    level = min(1 + i % (q.LEVELS - 1), last)
    inner, outer = state[base + level - 1], state[base + level]
    gap = (inner - outer) * side
    if i < q.LEVELS - 1 or gap < 2:
        return int(outer)
    step = int(flow[q.BETWEEN + int(uniform(state, sim.FLOW_RNG) * q.INSIDE_POINTS)])
    if step < 0:
        step += gap
    return int(inner - side * min(max(step, 1), gap - 1))


@kernel
def inside_price(state: Longs, flow: Floats, side: int, near: int, far: int) -> int:
    """Draw a price in the spread, by how far the mid is from its fast mean, by the place of the last trade and by the spread."""
    gap = (far - near) * side
    m = memory_at(state)
    law = class_of(flow, q.SHIFT_EDGES, q.SHIFTS - 1, side * (m.mid - m.mean_fast)) * q.LASTLY
    law = (law + lastly(state, flow, side)) * q.SPREADS
    law += class_of(flow, q.SPREAD_EDGES, q.SPREADS - 1, gap)
    price = near + side
    for _ in range(4):
        i = int(uniform(state, sim.FLOW_RNG) * q.INSIDE_POINTS)
        better = int(flow[q.INSIDE + law * q.INSIDE_POINTS + i])
        if better < 0:
            better += gap
        price = near + side * min(max(better, 1), gap - 1)
        if not _is_earlier(state, flow, side, price):
            break
    return price


@kernel
def _is_earlier(state: Longs, flow: Floats, side: int, price: int) -> bool:
    """Whether a price is one that `repeat_price` has offered and that was not drawn."""
    now = memory_at(state).seen_ns
    again = again_cell(state, flow, now, side) >= 0
    if again and price == state[q.MADE + (0 if side > 0 else 1)]:
        return True
    for i in range(2):
        lost = side * (1 - 2 * i)
        if lost_cell(state, flow, now, lost) >= 0 and price == lost_price(state, lost):
            return True
    return False


@kernel
def depth_in_spread(into: int, spread: int) -> int:
    """Class of how far a price lies into the spread: up to a quarter, up to a half, beyond."""
    return int(4 * into > spread) + int(2 * into > spread)


@kernel
def repeat_price(state: Longs, flow: Floats, side: int, near: int, far: int) -> tuple[int, int]:
    """Draw whether an order in the spread repeats an earlier price: that, else NO_BID; lots, 0: still to be drawn.

    Where the side's last one stood, else at the best price that its side has lost, else that the other has.
    """
    now = memory_at(state).seen_ns
    column = 0 if side > 0 else 1
    cell = again_cell(state, flow, now, side)
    price = state[q.MADE + column]
    if cell >= 0 and _fits(q.LIMIT_IN_SPREAD, side, price, near, far):
        room = class_of(flow, q.SPREAD_EDGES, q.SPREADS - 1, (far - near) * side) // 2
        room = room * q.REACHES + depth_in_spread((price - near) * side, (far - near) * side)
        if uniform(state, sim.FLOW_RNG) < flow[q.AGAIN_PRICE + cell * q.ROOMS + room]:
            repeats = uniform(state, sim.FLOW_RNG) < flow[q.AGAIN_LOTS + cell]
            return int(price), int(state[q.MADE_LOTS + column]) if repeats else 0
    for i in range(2):
        lost = side * (1 - 2 * i)
        cell = lost_cell(state, flow, now, lost)
        if cell >= 0:
            price = lost_price(state, lost)
            if _fits(q.LIMIT_IN_SPREAD, side, price, near, far):
                cell = cell * q.REACHES + depth_in_spread(
                    (price - near) * side, (far - near) * side
                )
                chance = flow[(q.LOST_PRICE if i == 0 else q.FOLLOW_PRICE) + cell]
                if uniform(state, sim.FLOW_RNG) < chance:
                    return int(price), 0
    return NO_BID, 0


@kernel
def deeper_price(state: Longs, flow: Floats, side: int, near: int) -> int:
    """Draw a price behind the best: by the gap; beyond the second level by level or distance, as AMONG says."""
    column = 0 if side > 0 else 1
    second = state[q.BEHIND + column]
    law = class_of(flow, q.DEEP_EDGES, q.SPREADS - 1, second)
    scanned = q.SCAN + column * q.SCAN_SIDE
    reaches = (
        near - state[scanned + state[scanned + 2 * q.LEVELS] - 1]
    ) * side  # no statistic counts orders placed farther away
    behind = _ticks_behind(state, flow, law)
    if flow[q.LIMITED] != 0.0:
        for _ in range(3):
            behind = behind if behind <= reaches else _ticks_behind(state, flow, law)
        behind = min(behind, reaches)
    if second < behind <= reaches and uniform(state, sim.FLOW_RNG) < flow[q.AMONG]:
        return _among_levels(state, flow, side, near)
    return max(near - side * behind, 1)


@kernel
def _ticks_behind(state: Longs, flow: Floats, law: int) -> int:
    """Draw ticks behind the best: one of the equally likely values of a law of DEEP."""
    return int(
        flow[q.DEEP + law * q.DEEP_POINTS + int(uniform(state, sim.FLOW_RNG) * q.DEEP_POINTS)]
    )


@kernel
def place_limit(book: Packed, state: Longs, flow: Floats, kind: int, side: int) -> int:
    """Draw price and lots of a limit order and place it; returns its lots, 0: no room.

    Its price is left in memory as LAST_PRICE.
    """
    m = memory_at(state)
    near = touch(state, side)
    far = touch(state, -side)
    price, lots = near, 0
    if kind == q.LIMIT_IN_SPREAD:
        price, lots = repeat_price(state, flow, side, near, far)
    elif kind == q.LIMIT_DEEPER:
        price = NO_BID
    if lots == 0:
        lots = _limit_lots(state, flow, kind, side)
    if price == NO_BID:
        if lots < 0:
            earlier_price = state[q.GONE_PRICE + (0 if side > 0 else 1)]
            if uniform(state, sim.FLOW_RNG) < flow[q.REPOST_PRICE + kind] and _fits(
                kind, side, earlier_price, near, far
            ):
                price = earlier_price
        elif lots == m.last_lots and m.last_side == side:
            earlier_price = m.last_price
            share = flow[q.REPEAT_PRICE + m.p_kind * 3 + kind]
            if uniform(state, sim.FLOW_RNG) < share and _fits(kind, side, earlier_price, near, far):
                price = earlier_price
        if price == NO_BID:
            inside = kind == q.LIMIT_IN_SPREAD
            price = (
                inside_price(state, flow, side, near, far)
                if inside
                else deeper_price(state, flow, side, near)
            )
    lots = abs(lots)
    slot = allocate(book)
    if slot < 0:
        return 0
    column = 0 if side > 0 else 1
    newest = state[q.RING_AT + column] & (q.RING_SIZE - 1)
    state[q.RING + column * q.RING_SIZE + newest] = (book[lay.ARRIVAL] << 24) | slot
    state[q.RING_AT + column] += 1
    public_add(book, state, slot, side, price, lots)
    m.last_price = price
    return lots


@kernel
def _tilted_index(state: Longs, flow: Floats) -> int:
    """Draw the index of a market order's size, tilted towards large ones by the knob `lots`."""
    return int(uniform(state, sim.FLOW_RNG) ** flow[q.TAKE_TILT] * q.TAKE_POINTS)


@kernel
def send_market_order(book: Packed, state: Longs, flow: Floats, side: int) -> int:
    """Execute a market order of drawn size; returns its lots: at least 1, else fewer than the levels within SWEEP ticks hold."""
    base = q.SCAN + (0 if side < 0 else q.SCAN_SIDE)
    queue = state[base + q.LEVELS]
    c = class_of(flow, q.QUEUE_EDGES, q.QUEUES - 1, queue)
    u = uniform(state, sim.FLOW_RNG)
    if u < flow[q.TAKE_EQUAL + c]:
        lots = queue
    elif u < flow[q.TAKE_LESS + c]:
        lots = queue
        for _ in range(9):  # the law of a class holds for longer queues too
            lots = int(flow[q.LESS + c * q.TAKE_POINTS + _tilted_index(state, flow)])
            if lots < queue:
                break
        lots = min(lots, max(queue - 1, 1))
    else:
        lots = queue + int(flow[q.MORE + c * q.TAKE_POINTS + _tilted_index(state, flow)])
    limit_lots = -1
    for n in range(state[base + 2 * q.LEVELS]):
        if abs(state[base + n] - state[base]) > flow[q.SWEEP]:
            break
        limit_lots += state[base + q.LEVELS + n]
    lots = min(lots, max(limit_lots, 1))
    market_order(book, state, side, lots)
    return int(lots)


@kernel
def purge(book: Packed, state: Longs, flow: Floats) -> None:
    """Try one random slot: remove its order if it lies behind the feed's levels or, in a crowded book, far behind them."""
    crowded = book[lay.LIVE] * 2 >= load_fixed(book, lay.ORDERS)
    if flow[q.LIMITED] == 0.0 and not crowded:
        return
    slot = int(uniform(state, sim.FLOW_RNG) * book[lay.HIGH])
    order = order_at(book, slot)
    if order.qty == 0:
        return
    side = order.side
    base = q.SCAN + (0 if side > 0 else q.SCAN_SIDE)
    levels = state[base + 2 * q.LEVELS]
    behind = (state[base + levels - 1] - order.price) * side
    if levels == q.LEVELS and behind > (2.0 * flow[q.WINDOW] if flow[q.LIMITED] == 0.0 else 0.0):
        withdraw(book, state, slot)
