"""Estimation data of the queue-reactive law from days of tape: classes, waits and orders of each event.

The tape's queues at the best prices: number of orders, and each one's readiness to cancel.

Orders are known from their coming on. What shows more lots than they have came before all of them: it counts as one
order, of the oldest class, and is executed first.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Int32
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import to_lots
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import (
    again_cell,
    class_of,
    lost_cell,
    lost_price,
    memory_at,
    remember,
    retreat,
    see,
    took,
    wait_row,
)
from tercel.market.flow.queue_reactive.preset import start_memory
from tercel.market.observed import Observed
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import real

_PREV, _NEXT, _LEFT, _AT, _BORN, _LINKS = range(6)
_HEAD, _TAIL, _COUNT, _LOTS, _ENDS = range(5)


@dataclass(frozen=True)
class Queues:
    """Queues at the best bid and ask before each of a day's n events.

    Attributes
    ----------
    orders : int64[n, 2]
        Number of orders.
    total : float64[n, 2]
        Sum of their weights.
    stood, left : float64[LIFE, sizes]
        Events that known orders at the best lived through, and their withdrawals, whole or in part, by age and size.
    ages : int64[m]
        Age of each order withdrawn from the best, in limit orders that came after it.
    """

    orders: Longs
    total: Floats
    stood: Floats
    left: Floats
    ages: Longs


def queues(
    o: Observed,
    life_edges: Floats | None = None,
    size_edges: Floats | None = None,
    weights: Floats | None = None,
) -> Queues:
    """Track the queues of a day.

    Parameters
    ----------
    o : Observed
    life_edges : float64[LIFE - 1], optional
        Ages, counted in limit orders of the day, from which on a class begins. Default: all are of one class.
    size_edges : float64[sizes - 1], optional
        Lots of the tape.
    weights : float64[LIFE, sizes], optional
        Default: 1.
    """
    life = np.full(q.LIFE - 1, np.inf) if life_edges is None else life_edges
    size = np.zeros(0) if size_edges is None else size_edges
    shape = (q.LIFE, len(size) + 1)
    weight = np.ones(shape) if weights is None else weights
    _, order = np.unique(o.order_id, return_inverse=True)
    prices, rank = np.unique(
        np.concatenate((o.price, o.bid_px.ravel(), o.ask_px.ravel())), return_inverse=True
    )
    rank = rank.astype(np.int64)
    links = np.zeros((int(order.max(initial=0)) + 1, _LINKS), np.int64)
    ends = np.zeros((2, len(prices), _ENDS), np.int64)
    links[:, [_PREV, _NEXT]] = ends[:, :, [_HEAD, _TAIL]] = -1
    book = rank[o.n :].reshape(2, o.n, o.bid_px.shape[1])
    found = Queues(
        np.zeros((o.n, 2), np.int64),
        np.zeros((o.n, 2)),
        np.zeros(shape),
        np.zeros(shape),
        np.full(o.n, -1, np.int64),
    )
    _follow(
        o.kind.astype(np.int64),
        o.side.astype(np.int64),
        np.where(o.order_id != 0, order, -1).astype(np.int64),
        rank[: o.n],
        o.lots.astype(np.int64),
        book,
        np.stack((o.bid_lots, o.ask_lots)).astype(np.int64),
        links,
        ends,
        life,
        size,
        weight,
        found.orders,
        found.total,
        found.stood,
        found.left,
        found.ages,
    )
    return Queues(found.orders, found.total, found.stood, found.left, found.ages[found.ages >= 0])


@kernel
def _follow(
    kind: Longs,
    side: Longs,
    order: Longs,
    rank: Longs,
    lots: Longs,
    book: Longs,
    shown: Longs,
    links: Longs,
    ends: Longs,
    life: Floats,
    size: Floats,
    weight: Floats,
    orders: Longs,
    total: Floats,
    stood: Floats,
    left_best: Floats,
    ages: Longs,
) -> None:
    """Queues of the orders that were seen to come, by price; `book` ranks and `shown` lots int64[2, n, levels]."""
    came = 0
    for i in range(kind.shape[0]):
        for s in range(2):
            p = book[s, i, 0]
            _weigh(links, ends, s, p, came, life, size, weight, i, orders, total, stood)
            if ends[s, p, _LOTS] < shown[s, i, 0]:
                orders[i, s] += 1
                total[i, s] += weight[q.LIFE - 1, below(size, shown[s, i, 0] - ends[s, p, _LOTS])]
        if kind[i] == q.MARKET:
            s = 1 if side[i] > 0 else 0
            left = lots[i]
            for n in range(shown.shape[2]):
                there = min(left, shown[s, i, n])
                if there > 0:
                    _execute(links, ends, s, book[s, i, n], there, shown[s, i, n])
                left -= there
            continue
        s, o, p = (0 if side[i] > 0 else 1), order[i], rank[i]
        if kind[i] <= q.LIMIT_DEEPER:
            came += 1
        if o < 0:
            continue
        if kind[i] <= q.LIMIT_DEEPER:
            if links[o, _LEFT] > 0:
                _unlink(links, ends, s, o)
            _append(links, ends, s, p, o, lots[i], came)
        elif links[o, _LEFT] > 0 and links[o, _AT] == p:
            if kind[i] == q.CANCEL_AT_BEST:
                ages[i] = came - links[o, _BORN]
                left_best[below(life, ages[i]), below(size, links[o, _LEFT])] += 1.0
            gone = min(lots[i], links[o, _LEFT])
            links[o, _LEFT] -= gone
            ends[s, p, _LOTS] -= gone
            if links[o, _LEFT] == 0:
                _unlink(links, ends, s, o)


@kernel
def _weigh(
    links: Longs,
    ends: Longs,
    s: int,
    p: int,
    came: int,
    life: Floats,
    size: Floats,
    weight: Floats,
    i: int,
    orders: Longs,
    total: Floats,
    stood: Floats,
) -> None:
    """Count and weigh the orders at a best price."""
    orders[i, s] = ends[s, p, _COUNT]
    o = ends[s, p, _HEAD]
    while o >= 0:
        age, c = below(life, came - links[o, _BORN]), below(size, links[o, _LEFT])
        stood[age, c] += 1.0
        total[i, s] += weight[age, c]
        o = links[o, _NEXT]


@kernel
def below(edges: Floats, x: float) -> int:
    """Number of edges not above x."""
    found = 0
    for i in range(edges.shape[0]):
        found += int(edges[i] <= x)
    return found


@kernel
def _append(links: Longs, ends: Longs, s: int, p: int, o: int, lots: int, born: int) -> None:
    tail = ends[s, p, _TAIL]
    links[o, _PREV], links[o, _NEXT], links[o, _LEFT], links[o, _AT] = tail, -1, lots, p
    links[o, _BORN] = born
    if tail >= 0:
        links[tail, _NEXT] = o
    else:
        ends[s, p, _HEAD] = o
    ends[s, p, _TAIL] = o
    ends[s, p, _COUNT] += 1
    ends[s, p, _LOTS] += lots


@kernel
def _unlink(links: Longs, ends: Longs, s: int, o: int) -> None:
    p, before, after = links[o, _AT], links[o, _PREV], links[o, _NEXT]
    if before >= 0:
        links[before, _NEXT] = after
    else:
        ends[s, p, _HEAD] = after
    if after >= 0:
        links[after, _PREV] = before
    else:
        ends[s, p, _TAIL] = before
    ends[s, p, _COUNT] -= 1
    ends[s, p, _LOTS] -= links[o, _LEFT]
    links[o, _LEFT] = 0


@kernel
def _execute(links: Longs, ends: Longs, s: int, p: int, lots: int, shown: int) -> None:
    """Lots trade at a price: first anonymous lots, which came before all that were seen to come."""
    lots -= min(max(shown - ends[s, p, _LOTS], 0), lots)
    while lots > 0 and ends[s, p, _HEAD] >= 0:
        o = ends[s, p, _HEAD]
        gone = min(lots, links[o, _LEFT])
        links[o, _LEFT] -= gone
        ends[s, p, _LOTS] -= gone
        lots -= gone
        if links[o, _LEFT] == 0:
            _unlink(links, ends, s, o)


LONG_NS: Final = 10**12
"""Ago: what has not happened yet."""
CELLS = 18
"""Of an event: those of `tables.WEIGHTS`; row of the law of the wait after it."""
WITH_NS: Final = 10_000_000
"""A hidden execution belongs to the market order that comes within so long after it."""
SOON_NS: Final = 1_000_000_000
"""Hidden executions of a side within so long belong to one burst."""
EMPTIED_CELL, VACATED_CELL, ACTIVITY_CELL, WAIT_CELL = 5, 6, 16, 17


@dataclass(frozen=True)
class ExtractedDay:
    """One stretch of tape as estimation data, sizes in simulated lots.

    Attributes
    ----------
    o : Observed
    lots : int64[n]
        Of the event.
    bid, ask, bid_lots, ask_lots : int64[n, LEVELS]
        Levels before the event.
    wait : int64[n]
        ns since the event before.
    minute : int64[n]
        Minute of the stretch.
    """

    o: Observed
    lots: Longs
    bid: Longs
    ask: Longs
    bid_lots: Longs
    ask_lots: Longs
    wait: Longs
    minute: Longs

    @cached_property
    def queues(self) -> Queues:
        """Queues at the best prices; computed on first use."""
        return queues(self.o)

    @property
    def spread(self) -> Longs:
        """Ticks between the best prices before the event."""
        return self.ask[:, 0] - self.bid[:, 0]

    @property
    def minutes(self) -> int:
        """Full minutes of the stretch."""
        return max(int(self.o.seconds // 60), 1)


def day_of(o: Observed, per_lot: float) -> ExtractedDay:
    """An observed stretch in simulated lots of `per_lot` tape lots."""

    def depth(lots: Int32) -> Longs:
        return np.where(lots > 0, to_lots(lots.astype(np.int64), per_lot), 0)

    return ExtractedDay(
        o,
        to_lots(o.lots.astype(np.int64), per_lot),
        o.bid_px.astype(np.int64),
        o.ask_px.astype(np.int64),
        depth(o.bid_lots),
        depth(o.ask_lots),
        np.diff(o.ns, prepend=o.ns[:1]),
        np.minimum((o.ns - o.start_ns) // (60 * NS_PER_SECOND), max(int(o.seconds // 60), 1) - 1),
    )


@dataclass(frozen=True)
class FlowState:
    """State variables of the flow along a day.

    Attributes
    ----------
    cells : int32[n, CELLS]
        Of the tables of weights, and the row of the law of waits; see `CELLS`.
    event : int64[n]
        Index in the frame of the previous event.
    fast : float64[n]
        Displacement from the fast mean in that frame, half-ticks.
    pressure : float64[n]
        In that frame.
    lately : float64[n, 4]
        Orders in the spread of bid and ask, cancels at them, of the last seconds.
    retreat : float64[n, 2]
        Of the best bid and ask from their means, ticks.
    before : int64[n, 13]
        Class of the previous kind, lots and price and side of the previous event (side 0 after a trade), price and
        lots of the side's last cancelled order; cell (`memory.again_cell`), price and lots of its last order in the
        spread; cell (`memory.lost_cell`) and price of the best price that its side has lost, and the other.
    wait : int64[n]
        Class of the wait before the event.
    """

    cells: Int32
    event: Longs
    fast: Floats
    pressure: Floats
    lately: Floats
    retreat: Floats
    before: Longs
    wait: Longs


def look(day: ExtractedDay, flow: Floats, activity: Longs) -> FlowState:
    """Run the flow's memory through a day.

    Parameters
    ----------
    day : ExtractedDay
    flow : float64[FIXED]
        Edges and time constants filled in.
    activity : int64[n]
        Class of the event's minute.
    """
    n = len(day.lots)
    k = np.zeros(sim.GRID, np.int64)
    start_memory(k, int(day.bid[0, 0] + day.ask[0, 0]), int(day.o.ns[0]))
    cells, event = np.zeros((n, CELLS), np.int32), np.zeros(n, np.int64)
    moves, before = np.zeros((n, 8)), np.zeros((n, 13), np.int64)
    waits = np.zeros(n, np.int64)
    unseen = np.append(hidden_takers(day), ((np.iinfo(np.int64).max, 0),), axis=0)
    _look(
        k,
        flow,
        day.o.ns,
        day.o.kind.astype(np.int64),
        day.o.side.astype(np.int64),
        day.o.price.astype(np.int64),
        day.lots,
        day.bid,
        day.ask,
        day.bid_lots,
        day.ask_lots,
        day.queues.orders,
        day.wait,
        activity,
        cells,
        event,
        moves,
        before,
        waits,
        unseen,
    )
    return FlowState(
        cells, event, moves[:, 0], moves[:, 1], moves[:, 4:], moves[:, 2:4], before, waits
    )


def hidden_takers(day: ExtractedDay) -> Longs:
    """Executions against hidden orders without a visible market order: ns and taker's side, one row per burst, int64[b,
    2]."""
    rows, traded = day.o.hidden, np.append(day.o.ns[day.o.kind == q.MARKET], np.iinfo(np.int64).max)
    alone = traded[np.searchsorted(traded, rows[:, 0])] - rows[:, 0] > WITH_NS
    side = np.where(2 * rows[:, 1] <= rows[:, 3] + rows[:, 4], -1, 1)
    first = np.zeros(len(rows), np.bool_)
    for one in (-1, 1):
        at = np.flatnonzero(side == one)
        first[at] = np.diff(rows[at, 0], prepend=-LONG_NS) >= SOON_NS
    return np.column_stack((rows[:, 0], side))[alone & first]


def behind_best(day: ExtractedDay) -> Longs:
    """Ticks from the own best to a limit or cancel (positive: deeper)."""
    side = day.o.side.astype(np.int64)
    return np.where(side > 0, day.bid[:, 0] - day.o.price, day.o.price - day.ask[:, 0])


def gone(day: ExtractedDay, seen: FlowState) -> Longs:
    """Vectorised `memory.gone` before each event, of the bid and of the ask, int64[n, 2]."""
    emptied, vacated = _touched(day, seen)
    return np.where(_is_gone(emptied), 1, np.where(_is_gone(vacated), 2, 0))


def dropped(day: ExtractedDay, seen: FlowState) -> Longs:
    """Vectorised `memory.dropped` before each event, of the bid and of the ask, int64[n, 2]."""
    touched = _touched(day, seen)
    return np.asarray(np.where(_is_gone(touched), 1 + (touched - 1) % q.DROPS, 0).max(axis=0))


def _touched(day: ExtractedDay, seen: FlowState) -> Longs:
    """Classes of `layout.TOUCHED`, int64[2, n, 2]: by market orders and by cancels, of the bid and of the ask."""
    frame = (day.o.side * np.where(seen.event % 2 == 0, 1, -1))[:, None]
    same, opposite = np.divmod(
        seen.cells[:, [EMPTIED_CELL, VACATED_CELL]].T.astype(np.int64)[..., None], q.TOUCHED
    )
    return np.where(frame == np.array([1, -1]), same, opposite)


def _is_gone(touched: Longs) -> Bools:
    return np.asarray((touched > 0) & (touched <= q.GONE))


def since_fell(day: ExtractedDay) -> Longs:
    """ns before each event since the best bid and ask last retreated (large: never), int64[n, 2]."""
    out = np.full((day.o.n, 2), LONG_NS)
    for at, best in enumerate((day.bid[:, 0], -day.ask[:, 0])):
        moved = np.append(False, best[1:] < best[:-1]) & (day.o.n > 1)
        last = np.maximum.accumulate(np.where(moved, np.arange(day.o.n), 0))
        out[last > 0, at] = (day.o.ns - day.o.ns[last - 1])[last > 0]
    return out


def of_side(values: AnyArray, side: AnyArray) -> AnyArray:
    """Select the bid's column of [n, 2] values where `side` is above 0, else the ask's."""
    return np.asarray(np.where(side > 0, values[:, 0], values[:, 1]))


@kernel
def _look(
    k: Longs,
    flow: Floats,
    ns: Longs,
    kind: Longs,
    side: Longs,
    price: Longs,
    lots: Longs,
    bid: Longs,
    ask: Longs,
    bid_lots: Longs,
    ask_lots: Longs,
    queue: Longs,
    wait: Longs,
    activity: Longs,
    cells: Packed,
    event: Longs,
    moves: Floats,
    before: Longs,
    waits: Longs,
    unseen: Longs,
) -> None:
    m = memory_at(k)
    n, hidden = ns.shape[0], 0
    for i in range(n):
        m.wait = class_of(flow, q.WAIT_EDGES, q.WAITS - 1, wait[i])
        waits[i] = m.wait
        k[q.BEHIND], k[q.BEHIND + 1] = abs(bid[i, 0] - bid[i, 1]), abs(ask[i, 1] - ask[i, 0])
        see(
            k,
            flow,
            ns[i],
            bid[i, 0],
            ask[i, 0],
            bid_lots[i, 0],
            ask_lots[i, 0],
            queue[i, 0],
            queue[i, 1],
        )
        for t in range(ACTIVITY_CELL):
            cells[i, t] = k[q.I_STATE + t]
        cells[i, ACTIVITY_CELL] = activity[i]
        frame = m.p_side
        event[i] = 2 * kind[i] + (0 if side[i] == frame else 1)
        moves[i, 0] = frame * (m.mid - m.mean_fast)
        moves[i, 1] = frame * m.pressure
        moves[i, 2], moves[i, 3] = retreat(k, 1), retreat(k, -1)
        for j in range(4):
            moves[i, 4 + j] = real(k, q.INSIDE_RUN + j)
        at = 0 if side[i] > 0 else 1
        before[i, 0] = m.p_kind
        before[i, 1] = m.last_lots
        before[i, 2] = m.last_price
        before[i, 3] = m.last_side
        before[i, 4] = k[q.GONE_PRICE + at]
        before[i, 5] = k[q.GONE_LOTS + at]
        before[i, 6] = again_cell(k, flow, ns[i], side[i])
        before[i, 7], before[i, 8] = k[q.MADE + at], k[q.MADE_LOTS + at]
        for j in range(2):
            lost = side[i] * (1 - 2 * j)
            before[i, 9 + 2 * j], before[i, 10 + 2 * j] = (
                lost_cell(k, flow, ns[i], lost),
                lost_price(k, lost),
            )
        while unseen[hidden, 0] <= ns[i]:
            took(k, ns[i], unseen[hidden, 1])
            hidden += 1
        j = min(i + 1, n - 1)
        remember(k, ns[i], kind[i], side[i], price[i], lots[i], bid[j, 0] + ask[j, 0])
        cells[i, WAIT_CELL] = wait_row(k, flow, ask[j, 0] - bid[j, 0], activity[j])


@kernel
def ranks(
    order: Longs,
    kind: Longs,
    side: Longs,
    price: Longs,
    best_same: Longs,
    size: Longs,
    ring: Longs,
    out: Longs,
    resting: Floats,
) -> None:
    """Rank of each cancelled order among the side's newest at its price (at the best, or behind it).

    `size` int64[n]: class of the order's size. `ring` int64[2, R, 3]: ids, prices and size classes of the newest
    placements of each side; `out` int64[n, 2]: rank (-1: not a cancel, R: older), how many of them rest there.
    `resting` float64[2, classes]: of cancels deeper whose order is among them, orders by class, and shares that rest.
    """
    length = ring.shape[1]
    heads = (0, 0)
    a, c = heads
    for i in range(order.shape[0]):
        s = 0 if side[i] > 0 else 1
        head = a if s == 0 else c
        out[i, 0] = -1
        if kind[i] <= q.LIMIT_DEEPER:
            ring[s, head % length, 0] = order[i]
            ring[s, head % length, 1] = price[i]
            ring[s, head % length, 2] = size[i]
            if s == 0:
                a += 1
            else:
                c += 1
        elif kind[i] == q.CANCEL_AT_BEST or kind[i] == q.CANCEL_DEEPER:
            rank, found, seen = 0, length, 0
            for j in range(head - 1, max(head - length, 0) - 1, -1):
                if ring[s, j % length, 0] == 0:
                    continue
                p = ring[s, j % length, 1]
                if (p - best_same[i]) * side[i] > 0:  # it traded
                    ring[s, j % length, 0] = 0
                    continue
                if (kind[i] == q.CANCEL_AT_BEST) != (p == best_same[i]):
                    continue
                seen += 1
                if ring[s, j % length, 0] == order[i]:
                    found = rank
                    ring[s, j % length, 0] = 0
                rank += 1
            out[i, 0] = found
            out[i, 1] = seen
            if kind[i] == q.CANCEL_DEEPER and found < length:
                resting[0, size[i]] += 1.0
                resting[1, size[i]] += 1.0 / seen  # itself; the others below
                for j in range(head - 1, max(head - length, 0) - 1, -1):
                    if (
                        ring[s, j % length, 0] != 0
                        and (best_same[i] - ring[s, j % length, 1]) * side[i] > 0
                    ):
                        resting[1, ring[s, j % length, 2]] += 1.0 / seen
