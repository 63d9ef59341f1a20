"""The event loop: flow and own commands in time order, for one market or several in lockstep, also second by second.

At equal times the flow comes first, then commands, then the decision: a decision at t has seen everything up to t.

A market's state second by second: spread, depth, flow and move as one row of eight numbers.

One compiled entry for all requests of Python to markets, and several markets advanced in time order.

Whatever moves a market needs the whole engine: flow, book, accounts, order entry. Each kernel that Python calls is
optimised with all that it calls, so every further entry would cost that tree again; here it is paid for once.

The markets of an exchange lie one behind the other in one book array, one state array, one array of flow parameters
and one tape; `at` says where.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from tercel.core.jit import (
    FloatRows,
    Floats,
    Longs,
    Packed,
    Rows,
    fixed,
    kernel,
    late_kernel,
    numbered_kernel,
)
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import allocate, own_order_at, public_depth
from tercel.market.flow.martingale import martingale_event
from tercel.market.flow.queue_reactive.kernel import queue_reactive_event
from tercel.market.flow.santa_fe import santa_fe_event
from tercel.market.impact.law import impact_event
from tercel.market.regimes.kernel import regime_event
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import free_if_over, own_dead, public_add
from tercel.market.simulator.background import (
    NO_ROOM,
    drawn_since,
    enter_background,
    follows,
    leave_background,
    mirror,
    pack_event,
    restore_event,
    unpack_event,
)
from tercel.market.simulator.entry import arrive, arrive_new, next_arrival, note_sent
from tercel.market.simulator.past_seconds import keep_seconds
from tercel.market.simulator.records import recorded_at, state_at
from tercel.market.simulator.replay import replay_event, undercut_event, watch_alone
from tercel.market.tape.schema import ADD, CLEAR, DELETE, EXECUTE, REDUCE, ROLL_OUT

OWN_CODE = {
    sim.REPLAY: replay_event,
    sim.MARTINGALE: martingale_event,
    sim.QUEUE_REACTIVE: queue_reactive_event,
}
"""Flow models that are compiled by themselves. Santa Fe is part of the loop: a call through a pointer takes a fifth of
its rate."""


@numbered_kernel("tercel.market.flow.preset:event_of", sim.FOREIGN)
def foreign_event(b: Packed, k: Longs, flow: Floats, number: int) -> None:
    """The next event of another package's flow model, by its number beyond `FOREIGN`."""


def own_code(model: int) -> list[Any]:
    """The kernel that a market's flow is compiled into; none where it is part of the loop."""
    if model >= sim.FOREIGN:
        from tercel.market.flow.preset import event_of

        return [event_of(model - sim.FOREIGN)]
    return [OWN_CODE[model]] if model in OWN_CODE else []


@kernel
def mark_time(b: Packed, k: Longs, until: int) -> None:
    """Time moves on to `until`: write the seconds that end before it, and the grid's points."""
    keep_seconds(b, k, until)
    mark_grid(k, until)


@kernel
def mark_grid(k: Longs, until: int) -> None:
    """Write the public mid at every grid point before `until`."""
    s = state_at(k)
    points = s.grid_points
    while s.grid_next < points:
        at = s.start_ns + s.grid_next * s.horizon_ns // (points - 1)
        if at >= until:
            return
        k[sim.GRID + s.grid_next] = s.mid2
        s.grid_next += 1


@kernel
def decision_is_due(k: Longs) -> bool:
    """Whether the event or volume clock calls for a decision."""
    s = state_at(k)
    return s.events >= s.due_events or s.bought + s.sold >= s.due_volume


@kernel
def next_public(k: Longs) -> int:
    """Time of the market's next event: flow, regime, impact, restoration or undercutting."""
    s = state_at(k)
    return min(s.flow_ns, s.regime_ns, s.impact_ns, s.restore_ns, s.undercut_ns)


@kernel
def public_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """Process the market's next event, at `next_public`.

    At equal times a regime changes first, then impact is paid, then lots come back, then the flow acts, and
    undercutting orders come last.
    """
    s = state_at(k)
    if s.regime_ns <= next_public(k):
        regime_event(k, flow)
    elif s.impact_ns <= next_public(k):
        impact_event(b, k, flow)
    elif s.undercut_ns < s.flow_ns and s.undercut_ns < s.restore_ns:
        undercut_event(b, k, flow)
    elif s.restore_ns <= s.flow_ns:
        restore_event(b, k, flow)
    elif s.apart == sim.PARTED:
        if follows(k):
            unpack_event(b, k, tape)
        else:
            background_event(b, k, flow, tape)
        mirror(b, k)
    else:
        _flow_event(b, k, flow, tape)


@kernel
def background_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """The flow's next event, in the background."""
    enter_background(k)
    _flow_event(b[fixed(b, lay.BACKGROUND) :], k, flow, tape)
    leave_background(b, k)


@kernel
def _flow_event(b: Packed, k: Longs, flow: Floats, tape: Longs) -> None:
    """Process the next event of the public flow, by the market's model."""
    s = state_at(k)
    if s.model == sim.SANTA_FE:
        santa_fe_event(b, k, flow)
    elif s.model == sim.QUEUE_REACTIVE:
        queue_reactive_event(b, k, flow)
    elif s.model == sim.REPLAY:
        replay_event(b, k, tape)
    elif s.model == sim.MARTINGALE:
        martingale_event(b, k, flow)
    else:
        foreign_event(b, k, flow, s.model - sim.FOREIGN)


@late_kernel
def advance(b: Packed, k: Longs, flow: Floats, tape: Rows) -> int:
    """Run one market until DUE (a decision falls due), ACKNOWLEDGED (waiting lots may go) or NO_MORE (nothing left)."""
    s = state_at(k)
    while True:
        if s.attention != 0:
            s.attention = 0
            return sim.ACKNOWLEDGED
        flow_ns, due_ns = next_public(k), max(s.due_ns, s.now)
        # in a halt no own command reaches the book; it arrives when trading resumes
        command_ns = max(next_arrival(k), s.now) if s.halted == 0 else FOREVER_NS
        if s.due_held != 0 and s.halted == 0:  # taken late, at the end of the halt
            s.due_held = 0
            s.due_ns = due_ns = s.now
        # At one moment the public comes first, then own commands, then decisions: no order is ahead of what it could
        # not see.
        if flow_ns <= command_ns and flow_ns <= due_ns and flow_ns < FOREVER_NS:
            mark_time(b, k, flow_ns)
            s.now = flow_ns
            public_event(b, k, flow, tape)
            if s.undercut != 0:
                watch_alone(b, k, flow)
            # The clocks of events and volume: due at once, after everything else of this moment.
            if decision_is_due(k):
                s.due_ns = s.now
        elif command_ns <= due_ns and command_ns < FOREVER_NS:
            mark_time(
                b, k, command_ns + 1
            )  # the mid at a grid point is the one before own orders of that moment
            s.now = command_ns
            arrive(b, k, flow)
            if s.undercut != 0:
                watch_alone(b, k, flow)
        elif due_ns < FOREVER_NS:
            mark_time(b, k, due_ns + 1)
            s.now = due_ns
            if s.halted == 0:
                return sim.DUE
            s.due_held = 1
            s.due_ns = FOREVER_NS
        else:
            return sim.NO_MORE


LEVELS: Final = 5
COLUMNS: Final = 8
SPREAD, OWN5, FAR5, IMBALANCE, CANCELS, TRADES, ADDS, MOVE = range(COLUMNS)
"""Columns; without an own order the own side is the bid."""


@kernel
def measure(
    b: Packed, k: Longs, since: int, mid2_before: int, scratch: Longs, free: int, out: Floats
) -> None:
    """One second into `out`, from record rows number `since` on.

    Ten words of `scratch` from `free` on are overwritten.
    """
    s = state_at(k)
    bid, ask = s.public_bid, s.public_ask
    public_depth(b, 1, bid, scratch, free, LEVELS)
    public_depth(b, -1, ask, scratch, free + LEVELS, LEVELS)
    own, far = 0.0, 0.0
    for level in range(LEVELS):
        own += scratch[free + level]
        far += scratch[free + LEVELS + level]
    two_sided = bid != NO_BID and ask != NO_ASK
    out[SPREAD] = ask - bid if two_sided else s.last_ask - s.last_bid
    out[OWN5], out[FAR5] = own, far
    out[IMBALANCE] = (own - far) / (own + far) if own + far > 0 else 0.0
    out[MOVE] = 0.5 * (s.mid2 - mid2_before)
    out[CANCELS], out[TRADES], out[ADDS] = 0.0, 0.0, 0.0
    for n in range(since, s.record):
        kind = recorded_at(k, n).kind
        if kind == DELETE or kind == REDUCE:
            out[CANCELS] += 1.0
        elif kind == EXECUTE:
            out[TRADES] += 1.0
        elif kind == ADD:
            out[ADDS] += 1.0


@late_kernel
def run_seconds(
    b: Packed, k: Longs, flow: Floats, tape: Rows, scratch: Longs, free: int, out: FloatRows
) -> int:
    """Run seconds `0 .. len(out)` with flow rates scaled by `out[t, :3]` (limit, market, cancel).

    Where the first number is below 0 they are left to the market's own law of regimes.

    Returns the second that brought more than the book or the record holds, -1 when none did.
    """
    s = state_at(k)
    start = s.now
    imposed = len(out) > 0 and out[0, 0] >= 0.0
    if imposed:
        s.regime = 1
        s.pace_factor = 1.0
        s.lean = 0.0
    for t in range(len(out)):
        if imposed:
            s.limit_factor = out[t, 0]
            s.market_factor = out[t, 1]
            s.cancel_factor = out[t, 2]
        since, mid2 = s.record, s.mid2
        s.due_ns = start + (t + 1) * NS_PER_SECOND
        advance(b, k, flow, tape)
        if b[lay.OVERFLOW] > 0 or s.record - since > s.record_rows:
            return t
        measure(b, k, since, mid2, scratch, free, out[t])
    if imposed:
        s.regime = 0
    return -1


class KernelRequest(IntEnum):
    """Requests to the compiled entry, with their argument words `w`."""

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
    """len(out) seconds at the rates out[:, :3]; the second that was too many, -1 if none."""
    FREE_RUN = 6
    """One market up to a time or until fewer than so many rows of its record are free: until, margin."""
    PROGRAM = 7
    """Own market orders at the times in `at`, out[:, :] on a grid of times: first, step."""
    WATCH = 8
    """One market at out[:]'s times: first, step."""
    PACK = 9
    """A market's background beyond a time, into the rows `at`: until."""


SCRATCH: Final = 8
WORDS: Final = SCRATCH + 16
"""Length of `w`: words of a question, and room to work in."""

# -- where a market lies: columns of `at`, int64 (n, AT_WORDS) ---------------------------------------------------------
BOOK, BOOK_END, STATE, STATE_END, FLOW, FLOW_END, TAPE, TAPE_END, DRAINED, AT_WORDS = range(10)
"""`DRAINED`: rows of its record that were handed out."""

FARTHEST = 1 << 28
"""A limit price that no book reaches."""

# -- why time stopped: bits -------------------------------------------------------------------------------------------
WORD = 1  # client orders traded, or a halt began or ended
FULL = 2  # a record must be handed out first

NOWHERE: Final = np.zeros((0, AT_WORDS), np.int64)
"""`at` of a market by itself."""
NO_OUT: Final = np.zeros((0, 8))
NO_TAPE: Final = np.zeros((0, sim.TAPE_WORDS), np.int64)


@kernel
def operate(
    what: int, b: Packed, k: Longs, flow: Floats, tape: Rows, at: Rows, w: Longs, out: FloatRows
) -> int:
    """Answer a `KernelRequest`.

    `b`, `k`, `flow`, `tape` are of one market; for PASS, NEW and CANCEL of all, with `at` saying where each lies.
    """
    if what == KernelRequest.RUN:
        return advance(b, k, flow, tape)
    if what == KernelRequest.PASS:
        return _pass_time(b, k, flow, tape, at, w[0])
    if what == KernelRequest.LAY:
        slot = allocate(b)
        if slot < 0:
            return -1
        public_add(b, k, slot, w[0], w[1], w[2])
        return int(slot)
    if what == KernelRequest.SECONDS:
        return run_seconds(b, k, flow, tape, w, SCRATCH, out)
    if what == KernelRequest.FREE_RUN:
        return _run_free(b, k, flow, tape, w[0], w[1])
    if what == KernelRequest.WATCH:
        return _watch(b, k, flow, tape, w[0], w[1], out)
    if what == KernelRequest.PROGRAM:
        return _program(b, k, flow, tape, at, w[0], w[1], out)
    if what == KernelRequest.PACK:
        return _pack(b, k, flow, tape, at, w[0])
    i = w[0]
    book, state = b[at[i, BOOK] : at[i, BOOK_END]], k[at[i, STATE] : at[i, STATE_END]]
    if what == KernelRequest.NEW:
        _enter_new(
            book, state, flow[at[i, FLOW] : at[i, FLOW_END]], w[1], w[2], w[3], w[4], w[5] != 0
        )
    else:
        _enter_cancel(book, state, w[1], w[2])
    return 0


@late_kernel
def _run_free(b: Packed, k: Longs, flow: Floats, tape: Rows, until: int, margin: int) -> int:
    """Let a market move on its own up to `until`; 1 when it stopped because its record is nearly full."""
    s = state_at(k)
    while next_public(k) < until:
        if s.record + margin > s.record_rows:
            return 1
        s.now = next_public(k)
        public_event(b, k, flow, tape)
    s.now = max(s.now, until)
    return 0


@late_kernel
def _watch(
    b: Packed, k: Longs, flow: Floats, tape: Rows, first: int, step: int, out: FloatRows
) -> int:
    """Let a market move on its own and look at it on a grid of times.

    Parameters
    ----------
    first, step : int
        Of the grid, ns.
    out : float64 (m, 8)
        Out: mid in ticks; spread in ticks, -1 while a side is empty; lots traded, events, orders that found no slot,
        all since the market began.
    """
    s = state_at(k)
    for t in range(out.shape[0]):
        until = first + t * step
        while next_public(k) <= until:
            s.now = next_public(k)
            public_event(b, k, flow, tape)
        s.now = until
        two_sided = s.public_bid != NO_BID and s.public_ask != NO_ASK
        out[t, 0] = 0.5 * s.mid2
        out[t, 1] = s.public_ask - s.public_bid if two_sided else -1
        out[t, 2] = s.bought + s.sold
        out[t, 3] = s.events
        out[t, 4] = b[lay.OVERFLOW]
    return 0


@late_kernel
def _program(
    b: Packed,
    k: Longs,
    flow: Floats,
    tape: Rows,
    orders: Rows,
    first: int,
    step: int,
    out: FloatRows,
) -> int:
    """Own market orders at given times, and what the market looked like on a grid of times.

    Parameters
    ----------
    orders : int64 (n, AT_WORDS)
        Time in ns, and lots (buying positive), by time; the other words are not read. Lots that find no other side
        are dropped.
    first, step : int
        Of the grid, ns. At equal times the grid comes before our orders.
    out : float64 (m, 8)
        Out: mid, and how far the book was translated, ticks.
    """
    state = state_at(k)
    i, s = 0, 0
    while i < orders.shape[0] or s < out.shape[0]:
        order_ns = orders[i, 0] if i < orders.shape[0] else FOREVER_NS
        grid_ns = first + s * step if s < out.shape[0] else FOREVER_NS
        until = min(order_ns, grid_ns)
        while next_public(k) <= until and next_public(k) < FOREVER_NS:
            state.now = next_public(k)
            public_event(b, k, flow, tape)
        state.now = until
        if grid_ns <= order_ns:
            out[s, 0] = 0.5 * state.mid2
            out[s, 1] = state.shift
            s += 1
        else:
            lots = orders[i, 1]
            side = 1 if lots > 0 else -1
            state.side = side
            state.left = abs(lots)
            _enter_new(b, k, flow, 0, side, side * FARTHEST, abs(lots), True)
            i += 1
    return 0


@late_kernel
def _pack(b: Packed, k: Longs, flow: Floats, tape: Rows, rows: Rows, until: int) -> int:
    """Let a market's background move on its own beyond `until`, packed into `rows` (see `background`); how many they are."""
    s = state_at(k)
    at, since, overflow = 0, s.now, b[lay.OVERFLOW]
    while at >= 0 and since <= until:
        s.now = min(s.flow_ns, s.regime_ns)
        if s.regime_ns <= s.now:
            regime_event(k, flow)
            continue
        mid2, before = s.background_mid2, sim.DRAW_RNG  # it is not used here
        k[before], k[before + 1] = k[sim.FLOW_RNG], k[sim.FLOW_RNG + 1]
        background_event(b, k, flow, tape)
        at = pack_event(
            k, rows, at, s.now - since, drawn_since(k, before), s.background_mid2 != mid2
        )
        since = s.now
    return at if b[lay.OVERFLOW] == overflow else NO_ROOM


@kernel
def _forgot(b: Packed, k: Longs) -> bool:
    """Whether the market's last row took orders away by level or moved them, with client orders about that stay."""
    s = state_at(k)
    if b[lay.OWN_RESTING] == 0 or s.record == 0:
        return False
    kind = recorded_at(k, s.record - 1).kind
    return bool(kind == ROLL_OUT or kind == CLEAR or kind == sim.SHIFTED)


@late_kernel
def _pass_time(bs: Packed, ks: Longs, flows: Floats, tape: Rows, at: Rows, until: int) -> int:
    """Let all markets run, in order of time, up to and with `until` or to the end of the first moment with a WORD."""
    stop = until
    why = 0
    while True:
        first, when = -1, FOREVER_NS
        for i in range(at.shape[0]):
            ns = next_public(ks[at[i, STATE] : at[i, STATE_END]])
            if ns < when:
                first, when = i, ns
        if first < 0 or when > stop:
            break
        b, k = (
            bs[at[first, BOOK] : at[first, BOOK_END]],
            ks[at[first, STATE] : at[first, STATE_END]],
        )
        s = state_at(k)
        halted = s.halted
        s.now = when
        public_event(
            b,
            k,
            flows[at[first, FLOW] : at[first, FLOW_END]],
            tape[at[first, TAPE] : at[first, TAPE_END]],
        )
        if s.attention != 0 or s.halted != halted:
            s.attention = 0
            why = WORD
            stop = when
        if s.record - at[first, DRAINED] >= s.record_rows // 2 or _forgot(b, k):
            why |= FULL
            stop = when
            break
    for i in range(at.shape[0]):
        s = state_at(ks[at[i, STATE] :])
        s.now = max(s.now, stop)
    return why


@late_kernel
def _enter_new(
    b: Packed, k: Longs, flow: Floats, own: int, side: int, price: int, lots: int, immediate: bool
) -> None:
    """A client's order arrives under ledger place `own`."""
    note_sent(b, k, own, side, price, lots)
    arrive_new(b, k, flow, own, price, lots, sim.IMMEDIATE if immediate else 0)
    free_if_over(b, own)
    state_at(k).attention = 0


@late_kernel
def _enter_cancel(b: Packed, k: Longs, own: int, lots: int) -> None:
    """A client takes lots of a resting order back; it keeps its place."""
    own_dead(b, k, own, min(lots, own_order_at(b, own).qty), 0)
    state_at(k).attention = 0


# -- what Python calls ------------------------------------------------------------------------------------------------


def alone(b: Packed, k: Longs, flow: Floats, tape: Longs = NO_TAPE) -> Longs:
    """`at` of one market whose clients' orders are entered: int64 (1, AT_WORDS)."""
    at = np.zeros((1, AT_WORDS), np.int64)
    at[0, [BOOK_END, STATE_END, FLOW_END, TAPE_END]] = len(b), len(k), len(flow), len(tape)
    return at


def _ask(
    what: KernelRequest,
    b: Packed,
    k: Longs,
    flow: Floats,
    tape: Longs,
    *words: int,
    at: Longs = NOWHERE,
    out: Floats = NO_OUT,
) -> int:
    w = np.zeros(WORDS, np.int64)
    w[: len(words)] = words
    return int(operate(int(what), b, k, flow, tape, at, w, out))


def run(b: Packed, k: Longs, flow: Floats, tape: Longs) -> int:
    """Run one market to its next decision; the stop reason (`engine.advance`)."""
    return _ask(KernelRequest.RUN, b, k, flow, tape)


def run_recorded(b: Packed, k: Longs, flow: Floats, tape: Longs, until: int, margin: int) -> int:
    """Run one market alone up to `until`; 1 if its record had fewer than `margin` rows left."""
    return _ask(KernelRequest.FREE_RUN, b, k, flow, tape, until, margin)


def lay_order(
    b: Packed, k: Longs, flow: Floats, tape: Longs, side: int, price: int, lots: int
) -> int:
    """Place a public order: its slot, -1 where no slot is free."""
    return _ask(KernelRequest.LAY, b, k, flow, tape, side, price, lots)


def pass_time(b: Packed, k: Longs, flow: Floats, tape: Longs, at: Longs, until: int) -> int:
    """Advance all markets in time order to `until` inclusive, or to a moment with a WORD: the bits WORD and FULL."""
    return _ask(KernelRequest.PASS, b, k, flow, tape, until, at=at)


def enter_new(
    b: Packed,
    k: Longs,
    flow: Floats,
    at: Longs,
    market: int,
    place: int,
    side: int,
    price: int,
    lots: int,
    immediate: bool,
) -> None:
    """Enter a client's order under a free ledger place of market `market`."""
    _ask(
        KernelRequest.NEW,
        b,
        k,
        flow,
        NO_TAPE,
        market,
        place,
        side,
        price,
        lots,
        int(immediate),
        at=at,
    )


def enter_cancel(
    b: Packed, k: Longs, flow: Floats, at: Longs, market: int, place: int, lots: int
) -> None:
    """Reduce a client's resting order."""
    _ask(KernelRequest.CANCEL, b, k, flow, NO_TAPE, market, place, lots, at=at)


def pack_background(b: Packed, k: Longs, flow: Floats, rows: Longs, until: int) -> int:
    """Run a market's background beyond `until` on its own, its events packed into `rows` int64 (n, 2).

    How many rows they are, or NO_ROOM. The market is used up.
    """
    return _ask(KernelRequest.PACK, b, k, flow, NO_TAPE, until, at=rows)


def measure_seconds(b: Packed, k: Longs, flow: Floats, out: Floats) -> int:
    """Measure len(out) seconds at the rates `out[:, :3]`; the second that overflowed book or record, -1 none."""
    return _ask(KernelRequest.SECONDS, b, k, flow, NO_TAPE, out=out)


def watch(b: Packed, k: Longs, flow: Floats, first: int, step: int, out: Floats) -> None:
    """Run a market alone, sampled every `step` ns from `first` into `out` float64 (m, 8).

    Mid in ticks; spread in ticks, -1 while a side is empty; lots traded, events, orders that found no slot, all since
    the market began.
    """
    _ask(KernelRequest.WATCH, b, k, flow, NO_TAPE, first, step, out=out)


def program(
    b: Packed,
    k: Longs,
    flow: Floats,
    tape: Longs,
    orders: Longs,
    first: int,
    step: int,
    out: Floats,
) -> None:
    """Run own market orders at given times, the market sampled on a grid of times (`_program`)."""
    _ask(KernelRequest.PROGRAM, b, k, flow, tape, first, step, at=orders, out=out)
