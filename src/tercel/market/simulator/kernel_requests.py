"""The one compiled entry for requests of Python to markets, and several markets advanced in order of time.

Whatever moves a market needs the whole engine: flow, book, accounts, order entry. Each kernel that Python calls is
optimised with all that it calls, so every further entry would cost that tree again; here it is paid for once.

The markets of an exchange lie one behind the other in one book array, one state array, one array of flow parameters
and one tape; `extents`, int64 (n, EXTENT_WORDS), says where each begins and ends.
"""

from enum import IntEnum
from typing import Final

import numpy as np

from tercel.core.jit import FloatRows, Floats, Longs, Packed, Rows, kernel, late_kernel
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.book_records import own_order_at
from tercel.market.book.price_window import allocate
from tercel.market.regimes.switching import regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import free_if_over, kill_own, public_add
from tercel.market.simulator.entry import open_ledger, process_new_order
from tercel.market.simulator.event_loop import advance, background_event, next_public, public_event
from tercel.market.simulator.packed_events import NO_ROOM, count_draws, pack_event
from tercel.market.simulator.records import recorded_at, state_at
from tercel.market.simulator.second_figures import run_seconds
from tercel.market.tape.schema import CLEAR, ROLL_OUT

SCRATCH: Final = 8
WORDS: Final = SCRATCH + 16
"""Length of `arguments`: words of a request, and room to work in."""
BOOK, BOOK_END, STATE, STATE_END, FLOW, FLOW_END, TAPE, TAPE_END, DRAINED, EXTENT_WORDS = range(10)
"""`DRAINED`: rows of its record that were handed out."""
FARTHEST = 1 << 28
"""A limit price that no book reaches."""
WORD = 1  # client orders traded, or a halt began or ended
FULL = 2  # a record must be handed out first
NO_EXTENTS: Final = np.zeros((0, EXTENT_WORDS), np.int64)
"""`extents` of a market by itself."""
NO_OUT: Final = np.zeros((0, 8))
NO_TAPE: Final = np.zeros((0, sim.TAPE_WORDS), np.int64)


class KernelRequest(IntEnum):
    """Requests to the compiled entry, with their `arguments`."""

    RUN = 0
    """One market to its next decision: as `advance`."""
    LAY = 1
    """Insert a public order: side, price, lots; -1 without a free slot."""
    PASS = 2
    """All markets up to a time: until; the bits WORD and FULL."""
    NEW = 3
    """A client's order arrives: market, ledger place, side, price, lots, immediate."""
    CANCEL = 4
    """A client takes lots back: market, ledger place, lots."""
    SECONDS = 5
    """len(output) seconds at the rates output[:, :3]; the second that was too many, -1 if none."""
    FREE_RUN = 6
    """One market up to a time or until fewer than so many rows of its record are free: until, margin."""
    PROGRAM = 7
    """Own market orders at the times in `extents`, output[:, :] on a grid of times: first, step."""
    WATCH = 8
    """One market at the times of output[:]: first, step."""
    PACK = 9
    """A market's background beyond a time, into the rows `extents`: until."""


@kernel
def serve_request(
    request: int,
    books: Packed,
    states: Longs,
    flow: Floats,
    tape: Rows,
    extents: Rows,
    arguments: Longs,
    output: FloatRows,
) -> int:
    """Serve a request of Python to one market or to all markets of an exchange (the single compiled entry).

    `books`, `states`, `flow`, `tape` are of one market; for PASS, NEW and CANCEL of all, with `extents` saying where each lies.
    """
    if request == KernelRequest.RUN:
        return advance(books, states, flow, tape)
    if request == KernelRequest.PASS:
        return _pass_time(books, states, flow, tape, extents, arguments[0])
    if request == KernelRequest.LAY:
        slot = allocate(books)
        if slot < 0:
            return -1
        public_add(books, states, slot, arguments[0], arguments[1], arguments[2])
        return int(slot)
    if request == KernelRequest.SECONDS:
        return run_seconds(books, states, flow, tape, arguments, SCRATCH, output)
    if request == KernelRequest.FREE_RUN:
        return _run_free(books, states, flow, tape, arguments[0], arguments[1])
    if request == KernelRequest.WATCH:
        return _sample_market(books, states, flow, tape, arguments[0], arguments[1], output)
    if request == KernelRequest.PROGRAM:
        return _run_orders(books, states, flow, tape, extents, arguments[0], arguments[1], output)
    if request == KernelRequest.PACK:
        return _pack_background(books, states, flow, tape, extents, arguments[0])
    market = arguments[0]
    book = books[extents[market, BOOK] : extents[market, BOOK_END]]
    state = states[extents[market, STATE] : extents[market, STATE_END]]
    if request == KernelRequest.NEW:
        _enter_new(
            book,
            state,
            flow[extents[market, FLOW] : extents[market, FLOW_END]],
            arguments[1],
            arguments[2],
            arguments[3],
            arguments[4],
            arguments[5] != 0,
        )
    else:
        _enter_cancel(book, state, arguments[1], arguments[2])
    return 0


@late_kernel
def _run_free(book: Packed, state: Longs, flow: Floats, tape: Rows, until: int, margin: int) -> int:
    """Run a market without own orders up to `until`; 1 if it stopped early because its record is nearly full."""
    s = state_at(state)
    while next_public(state) < until:
        if s.record + margin > s.record_rows:
            return 1
        s.now = next_public(state)
        public_event(book, state, flow, tape)
    s.now = max(s.now, until)
    return 0


@late_kernel
def _sample_market(
    book: Packed, state: Longs, flow: Floats, tape: Rows, first: int, step: int, samples: FloatRows
) -> int:
    """Run a market without own orders, writing its figures at a grid of times to `samples`; returns 0.

    Parameters
    ----------
    first, step : int
        Of the grid, ns.
    samples : float64 (m, 8)
        Out: mid in ticks; spread in ticks, -1 while a side is empty; lots traded, events, orders that found no slot,
        all since the market began.
    """
    s = state_at(state)
    for t in range(samples.shape[0]):
        until = first + t * step
        while next_public(state) <= until:
            s.now = next_public(state)
            public_event(book, state, flow, tape)
        s.now = until
        two_sided = s.public_bid != NO_BID and s.public_ask != NO_ASK
        samples[t, 0] = 0.5 * s.mid2
        samples[t, 1] = s.public_ask - s.public_bid if two_sided else -1
        samples[t, 2] = s.bought + s.sold
        samples[t, 3] = s.events
        samples[t, 4] = book[lay.OVERFLOW]
    return 0


@late_kernel
def _run_orders(
    book: Packed,
    k: Longs,
    flow: Floats,
    tape: Rows,
    orders: Rows,
    first: int,
    step: int,
    samples: FloatRows,
) -> int:
    """Run own market orders at given times, writing the market's figures at a grid of times to `samples`; returns 0.

    Parameters
    ----------
    orders : int64 (n, EXTENT_WORDS)
        Time in ns, and lots (buying positive), by time; the other words are not read. Lots that find no other side
        are dropped.
    first, step : int
        Of the grid, ns. At equal times the grid comes before our orders.
    samples : float64 (m, 8)
        Out: mid, and how far the book was translated, ticks.
    """
    state = state_at(k)
    i, s = 0, 0
    while i < orders.shape[0] or s < samples.shape[0]:
        order_ns = orders[i, 0] if i < orders.shape[0] else FOREVER_NS
        grid_ns = first + s * step if s < samples.shape[0] else FOREVER_NS
        until = min(order_ns, grid_ns)
        while next_public(k) <= until and next_public(k) < FOREVER_NS:
            state.now = next_public(k)
            public_event(book, k, flow, tape)
        state.now = until
        if grid_ns <= order_ns:
            samples[s, 0] = 0.5 * state.mid2
            samples[s, 1] = state.shift
            s += 1
        else:
            lots = orders[i, 1]
            side = 1 if lots > 0 else -1
            state.side = side
            state.left = abs(lots)
            _enter_new(book, k, flow, 0, side, side * FARTHEST, abs(lots), True)
            i += 1
    return 0


@late_kernel
def _pack_background(
    book: Packed, state: Longs, flow: Floats, tape: Rows, rows: Rows, until: int
) -> int:
    """Run a market's background beyond `until`, its events packed into `rows` (`packed_events`); returns how many, or NO_ROOM."""
    s = state_at(state)
    end = 0
    last_ns = s.now
    overflow = book[lay.OVERFLOW]
    while end >= 0 and last_ns <= until:
        s.now = min(s.flow_ns, s.regime_ns)
        if s.regime_ns <= s.now:
            regime_event(state, flow)
            continue
        # it is not used here
        mid2 = s.background_mid2
        copy_at = sim.DRAW_RNG
        state[copy_at], state[copy_at + 1] = state[sim.FLOW_RNG], state[sim.FLOW_RNG + 1]
        background_event(book, state, flow, tape)
        end = pack_event(
            state,
            rows,
            end,
            s.now - last_ns,
            count_draws(state, copy_at),
            s.background_mid2 != mid2,
        )
        last_ns = s.now
    return end if book[lay.OVERFLOW] == overflow else NO_ROOM


@kernel
def _displaced_orders(book: Packed, state: Longs) -> bool:
    """Whether the last row moved or dropped whole levels while client orders rest: followers need it before time goes on."""
    s = state_at(state)
    if book[lay.OWN_RESTING] == 0 or s.record == 0:
        return False
    kind = recorded_at(state, s.record - 1).kind
    return bool(kind == ROLL_OUT or kind == CLEAR or kind == sim.SHIFTED)


@late_kernel
def _pass_time(
    books: Packed, states: Longs, flows: Floats, tape: Rows, extents: Rows, until: int
) -> int:
    """Run all markets in order of time to `until` inclusive, to the end of a moment with a WORD, or until a record is FULL.
    Returns the bits WORD and FULL.
    """
    stop = until
    stop_bits = 0
    while True:
        next_market, next_ns = -1, FOREVER_NS
        for i in range(extents.shape[0]):
            ns = next_public(states[extents[i, STATE] : extents[i, STATE_END]])
            if ns < next_ns:
                next_market, next_ns = i, ns
        if next_market < 0 or next_ns > stop:
            break
        book = books[extents[next_market, BOOK] : extents[next_market, BOOK_END]]
        state = states[extents[next_market, STATE] : extents[next_market, STATE_END]]
        s = state_at(state)
        halted = s.halted
        s.now = next_ns
        public_event(
            book,
            state,
            flows[extents[next_market, FLOW] : extents[next_market, FLOW_END]],
            tape[extents[next_market, TAPE] : extents[next_market, TAPE_END]],
        )
        if s.attention != 0 or s.halted != halted:
            s.attention = 0
            stop_bits = WORD
            stop = next_ns
        if s.record - extents[next_market, DRAINED] >= s.record_rows // 2 or _displaced_orders(
            book, state
        ):
            stop_bits |= FULL
            stop = next_ns
            break
    for i in range(extents.shape[0]):
        s = state_at(states[extents[i, STATE] :])
        s.now = max(s.now, stop)
    return stop_bits


@late_kernel
def _enter_new(
    book: Packed,
    state: Longs,
    flow: Floats,
    own_index: int,
    side: int,
    price: int,
    lots: int,
    immediate: bool,
) -> None:
    """Enter a client's order under ledger place `own_index`: it matches, its rest then rests, or is dropped if `immediate`."""
    open_ledger(book, state, own_index, side, price, lots)
    process_new_order(book, state, flow, own_index, price, lots, sim.IMMEDIATE if immediate else 0)
    free_if_over(book, own_index)
    state_at(state).attention = 0


@late_kernel
def _enter_cancel(book: Packed, state: Longs, own_index: int, lots: int) -> None:
    """Take lots off a client's resting order, which keeps its place."""
    kill_own(book, state, own_index, min(lots, own_order_at(book, own_index).qty), 0)
    state_at(state).attention = 0
