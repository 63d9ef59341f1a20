"""Estimation data of the queue-reactive law from days of tape: classes, waits and orders of each event."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Int32
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import to_lots
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.best_queues import Queues, queues
from tercel.market.flow.queue_reactive.memory import (
    record_event,
    record_taker,
    update_classes,
    wait_row,
)
from tercel.market.flow.queue_reactive.memory_record import class_of, memory_at
from tercel.market.flow.queue_reactive.preset import start_memory
from tercel.market.flow.queue_reactive.touch_history import (
    again_cell,
    beyond_last,
    last_place,
    lastly,
    lost_cell,
    lost_price,
)
from tercel.market.observed import Observed
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import real

LONG_NS: Final = 10**12
"""Ago: what has not happened yet."""
CELL_COLUMNS = 18
"""Of an event: those of `tables.WEIGHTS`; row of the law of the wait after it."""
WITH_NS: Final = 10_000_000
"""A hidden execution belongs to the market order that comes within so long after it."""
SOON_NS: Final = 1_000_000_000
"""Hidden executions of a side within so long belong to one burst."""
ACTIVITY_CELL = 16
WAIT_CELL = 17
# columns of `FlowState.before`: see there
EVENT_KIND, EVENT_LOTS, EVENT_PRICE, EVENT_SIDE, CANCELLED_PRICE, CANCELLED_LOTS = range(6)
PLACED_CELL, PLACED_PRICE, PLACED_LOTS, LOST_CELL, LOST_PRICE = range(6, 11)
FAR_LOST_CELL, FAR_LOST_PRICE, LAST_TRADE_PLACE, BEFORE_COLUMNS = range(11, 15)


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
        """Full minutes of the stretch, at least 1."""
        return max(int(self.o.seconds // 60), 1)


def day_of(o: Observed, per_lot: float) -> ExtractedDay:
    """An observed stretch in simulated lots of `per_lot` tape lots."""

    def depth(lots: Int32) -> Longs:
        """Lots of levels in simulated lots; 0 for an empty level."""
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
    cells : int32[n, CELL_COLUMNS]
        Of the tables of weights, and the row of the law of waits; see `CELL_COLUMNS`.
    event : int64[n]
        Index in the frame of the previous event.
    fast : float64[n]
        Displacement from the fast mean in that frame, half-ticks.
    pressure : float64[n]
        In that frame.
    lately : float64[n, 4]
        Orders in the spread of bid and ask, cancels at them, of the last seconds.
    beyond_last : float64[n, 2]
        Ticks by which the best bid and ask are better than the last trade's price.
    last_place : float64[n, 2]
        Of the last trade, seen from bid and ask (`touch_history.last_place`).
    before : int64[n, BEFORE_COLUMNS]
        What came before the event. `EVENT_*`: class of the kind, lots, price and side (0 after a trade) of the previous event.
        Of the event's own side: `CANCELLED_*`, its last cancelled order; `PLACED_*`, its last order in the spread, with
        the cell of `touch_history.again_cell`; `LOST_*`, the best price that it has lost, with that of `lost_cell`.
        `FAR_LOST_*`: the same of the other side. `LAST_TRADE_PLACE`: class of `touch_history.lastly`.
    wait : int64[n]
        Class of the wait before the event.
    """

    cells: Int32
    event: Longs
    fast: Floats
    pressure: Floats
    lately: Floats
    beyond_last: Floats
    last_place: Floats
    before: Longs
    wait: Longs

    @property
    def shift(self) -> Floats:
        """Displacement of the mid from its fast mean on the side of the event, half-ticks."""
        return np.asarray(np.where(self.event % 2 == 0, self.fast, -self.fast))


def track_state(day: ExtractedDay, flow: Floats, activity: Longs) -> FlowState:
    """State of the flow before each event of a day, by running the kernel's memory through the tape.

    Parameters
    ----------
    day : ExtractedDay
    flow : float64[FIXED]
        Edges and time constants filled in.
    activity : int64[n]
        Class of the event's minute.
    """
    n = len(day.lots)
    state = np.zeros(sim.GRID, np.int64)
    start_memory(state, int(day.bid[0, 0] + day.ask[0, 0]), int(day.o.ns[0]))
    cells = np.zeros((n, CELL_COLUMNS), np.int32)
    event = np.zeros(n, np.int64)
    moves = np.zeros((n, 10))
    before = np.zeros((n, BEFORE_COLUMNS), np.int64)
    waits = np.zeros(n, np.int64)
    unseen = np.append(hidden_takers(day), ((np.iinfo(np.int64).max, 0, 0),), axis=0)
    _track_state(
        state,
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
        cells,
        event,
        moves[:, 0],
        moves[:, 1],
        moves[:, 2:6],
        moves[:, 6:8],
        moves[:, 8:],
        before,
        waits,
    )


def hidden_takers(day: ExtractedDay) -> Longs:
    """Bursts of hidden executions without a visible market order: ns, taker's side and price, int64[b, 3]."""
    rows = day.o.hidden
    traded = np.append(day.o.ns[day.o.kind == q.MARKET], np.iinfo(np.int64).max)
    alone = traded[np.searchsorted(traded, rows[:, 0])] - rows[:, 0] > WITH_NS
    kept = alone & first_of_bursts(rows)
    return np.column_stack((rows[:, 0], -resting_sides(rows), rows[:, 1]))[kept]


def behind_best(day: ExtractedDay) -> Longs:
    """Ticks from the own best to a limit or cancel (positive: deeper)."""
    side = day.o.side.astype(np.int64)
    return np.where(side > 0, day.bid[:, 0] - day.o.price, day.o.price - day.ask[:, 0])


def resting_sides(hidden: Longs) -> Longs:
    """Sides that rested at hidden executions (`Observed.hidden`); not told: the nearer one, at the mid by turns."""
    nearer = np.sign(hidden[:, 3] + hidden[:, 4] - 2 * hidden[:, 1])
    nearer = np.where(nearer == 0, 1 - 2 * (np.arange(len(hidden)) % 2), nearer)
    return np.where(hidden[:, 5] == 0, nearer, hidden[:, 5])


def first_of_bursts(hidden: Longs) -> Bools:
    """Whether each hidden execution is the first within SOON_NS on its side."""
    sides = resting_sides(hidden)
    first = np.zeros(len(hidden), np.bool_)
    for side in (-1, 1):
        rows = np.flatnonzero(sides == side)
        first[rows] = np.diff(hidden[rows, 0], prepend=-LONG_NS) >= SOON_NS
    return first


def ns_since_fall(day: ExtractedDay) -> Longs:
    """ns before each event since the best bid and ask last retreated (large: never), int64[n, 2]."""
    ages = np.full((day.o.n, 2), LONG_NS)
    for column, best in enumerate((day.bid[:, 0], -day.ask[:, 0])):
        fell = np.append(False, best[1:] < best[:-1]) & (day.o.n > 1)
        last = np.maximum.accumulate(np.where(fell, np.arange(day.o.n), 0))
        ages[last > 0, column] = (day.o.ns - day.o.ns[last - 1])[last > 0]
    return ages


def of_side(values: AnyArray, side: AnyArray) -> AnyArray:
    """Of [n, 2] values those of the bid where `side` is above 0, else of the ask."""
    return np.asarray(np.where(side > 0, values[:, 0], values[:, 1]))


@kernel
def _track_state(
    state: Longs,
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
    hidden_trades: Longs,
) -> None:
    """Run the flow's memory through a day; fill `cells`, `event`, `moves`, `before` and `waits` with its state before each event.
    The row of the law of waits in `cells` is of the wait after it.
    """
    m = memory_at(state)
    n = ns.shape[0]
    hidden = 0
    for i in range(n):
        m.wait = class_of(flow, q.WAIT_EDGES, q.WAITS - 1, wait[i])
        waits[i] = m.wait
        state[q.BEHIND], state[q.BEHIND + 1] = (
            abs(bid[i, 0] - bid[i, 1]),
            abs(ask[i, 1] - ask[i, 0]),
        )
        update_classes(
            state,
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
            cells[i, t] = state[q.I_STATE + t]
        cells[i, ACTIVITY_CELL] = activity[i]
        frame = m.p_side
        event[i] = 2 * kind[i] + (0 if side[i] == frame else 1)
        moves[i, 0] = frame * (m.mid - m.mean_fast)
        moves[i, 1] = frame * m.pressure
        for j in range(2):
            moves[i, 6 + j] = beyond_last(state, 1 - 2 * j)
            moves[i, 8 + j] = last_place(state, 1 - 2 * j)
        for j in range(4):
            moves[i, 2 + j] = real(state, q.INSIDE_RUN + j)
        column = 0 if side[i] > 0 else 1
        before[i, EVENT_KIND] = m.p_kind
        before[i, EVENT_LOTS] = m.last_lots
        before[i, EVENT_PRICE] = m.last_price
        before[i, EVENT_SIDE] = m.last_side
        before[i, CANCELLED_PRICE] = state[q.GONE_PRICE + column]
        before[i, CANCELLED_LOTS] = state[q.GONE_LOTS + column]
        before[i, PLACED_CELL] = again_cell(state, flow, ns[i], side[i])
        before[i, PLACED_PRICE] = state[q.MADE + column]
        before[i, PLACED_LOTS] = state[q.MADE_LOTS + column]
        before[i, LOST_CELL] = lost_cell(state, flow, ns[i], side[i])
        before[i, LOST_PRICE] = lost_price(state, side[i])
        before[i, FAR_LOST_CELL] = lost_cell(state, flow, ns[i], -side[i])
        before[i, FAR_LOST_PRICE] = lost_price(state, -side[i])
        before[i, LAST_TRADE_PLACE] = lastly(state, flow, side[i])
        while hidden_trades[hidden, 0] <= ns[i]:
            record_taker(state, ns[i], hidden_trades[hidden, 1], hidden_trades[hidden, 2])
            hidden += 1
        j = min(i + 1, n - 1)
        record_event(state, ns[i], kind[i], side[i], price[i], lots[i], bid[j, 0] + ask[j, 0])
        cells[i, WAIT_CELL] = wait_row(state, flow, ask[j, 0] - bid[j, 0], activity[j])


@kernel
def rank_cancels(
    order: Longs,
    kind: Longs,
    side: Longs,
    price: Longs,
    best_same: Longs,
    size: Longs,
    ring: Longs,
    ranked: Longs,
    resting: Floats,
) -> None:
    """Write to `ranked` each cancelled order's rank among the side's newest at the best, or behind it; count them in `resting`.

    `size` int64[n]: class of the order's size. `ring` int64[2, R, 3]: ids, prices and size classes of the newest
    placements of each side; `ranked` int64[n, 2]: rank (-1: not a cancel, R: older), how many of them rest there.
    `resting` float64[2, classes]: of cancels deeper whose order is among them, orders by class, and shares that rest.
    """
    length = ring.shape[1]
    heads = (0, 0)
    a, c = heads
    for i in range(order.shape[0]):
        s = 0 if side[i] > 0 else 1
        head = a if s == 0 else c
        ranked[i, 0] = -1
        if kind[i] <= q.LIMIT_DEEPER:
            ring[s, head % length, 0] = order[i]
            ring[s, head % length, 1] = price[i]
            ring[s, head % length, 2] = size[i]
            if s == 0:
                a += 1
            else:
                c += 1
        elif kind[i] == q.CANCEL_AT_BEST or kind[i] == q.CANCEL_DEEPER:
            rank = 0
            own_rank = length
            resting_count = 0
            for j in range(head - 1, max(head - length, 0) - 1, -1):
                if ring[s, j % length, 0] == 0:
                    continue
                p = ring[s, j % length, 1]
                if (p - best_same[i]) * side[i] > 0:  # it traded
                    ring[s, j % length, 0] = 0
                    continue
                if (kind[i] == q.CANCEL_AT_BEST) != (p == best_same[i]):
                    continue
                resting_count += 1
                if ring[s, j % length, 0] == order[i]:
                    own_rank = rank
                    ring[s, j % length, 0] = 0
                rank += 1
            ranked[i, 0] = own_rank
            ranked[i, 1] = resting_count
            if kind[i] == q.CANCEL_DEEPER and own_rank < length:
                resting[0, size[i]] += 1.0
                resting[1, size[i]] += 1.0 / resting_count  # itself; the others below
                for j in range(head - 1, max(head - length, 0) - 1, -1):
                    if (
                        ring[s, j % length, 0] != 0
                        and (best_same[i] - ring[s, j % length, 1]) * side[i] > 0
                    ):
                        resting[1, ring[s, j % length, 2]] += 1.0 / resting_count
