"""What Python calls to advance simulated markets: run to a decision, run free, enter client orders, sample, measure."""

import numpy as np

from tercel.core.jit import Floats, Longs, Packed
from tercel.market.simulator.kernel_requests import (
    BOOK_END,
    EXTENT_WORDS,
    FLOW_END,
    NO_EXTENTS,
    NO_OUT,
    NO_TAPE,
    STATE_END,
    TAPE_END,
    WORDS,
    KernelRequest,
    serve_request,
)


def single_market(book: Packed, state: Longs, flow: Floats, tape: Longs = NO_TAPE) -> Longs:
    """`extents` of one market whose clients' orders are entered: int64 (1, EXTENT_WORDS)."""
    extents = np.zeros((1, EXTENT_WORDS), np.int64)
    extents[0, [BOOK_END, STATE_END, FLOW_END, TAPE_END]] = (
        len(book),
        len(state),
        len(flow),
        len(tape),
    )
    return extents


def _request(
    request: KernelRequest,
    book: Packed,
    state: Longs,
    flow: Floats,
    tape: Longs,
    *arguments: int,
    extents: Longs = NO_EXTENTS,
    output: Floats = NO_OUT,
) -> int:
    """Serve one request on a market through the compiled entry (`kernel_requests.serve_request`)."""
    buffer = np.zeros(WORDS, np.int64)
    buffer[: len(arguments)] = arguments
    return int(serve_request(int(request), book, state, flow, tape, extents, buffer, output))


def run(book: Packed, state: Longs, flow: Floats, tape: Longs) -> int:
    """Run one market to its next decision; the stop reason (`event_loop.advance`)."""
    return _request(KernelRequest.RUN, book, state, flow, tape)


def run_until_full(
    book: Packed, state: Longs, flow: Floats, tape: Longs, until: int, margin: int
) -> int:
    """Run one market alone up to `until`; 1 if it stopped early, fewer than `margin` rows of its record being free, else 0."""
    return _request(KernelRequest.FREE_RUN, book, state, flow, tape, until, margin)


def lay_order(
    book: Packed, state: Longs, flow: Floats, tape: Longs, side: int, price: int, lots: int
) -> int:
    """Rest a public order in a market; its slot, -1 where no slot is free."""
    return _request(KernelRequest.LAY, book, state, flow, tape, side, price, lots)


def pass_time(
    book: Packed, state: Longs, flow: Floats, tape: Longs, extents: Longs, until: int
) -> int:
    """Advance all markets in time order to `until` inclusive, or to a moment with a WORD: the bits WORD and FULL."""
    return _request(KernelRequest.PASS, book, state, flow, tape, until, extents=extents)


def enter_new(
    book: Packed,
    state: Longs,
    flow: Floats,
    extents: Longs,
    market: int,
    place: int,
    side: int,
    price: int,
    lots: int,
    immediate: bool,
) -> None:
    """Enter a client's order under a free ledger place of market `market`; it matches, its rest is dropped if `immediate`."""
    _request(
        KernelRequest.NEW,
        book,
        state,
        flow,
        NO_TAPE,
        market,
        place,
        side,
        price,
        lots,
        int(immediate),
        extents=extents,
    )


def enter_cancel(
    book: Packed, state: Longs, flow: Floats, extents: Longs, market: int, place: int, lots: int
) -> None:
    """Take `lots` off a client's resting order, which keeps its place in the queue."""
    _request(KernelRequest.CANCEL, book, state, flow, NO_TAPE, market, place, lots, extents=extents)


def pack_background(book: Packed, state: Longs, flow: Floats, rows: Longs, until: int) -> int:
    """Run a market's background beyond `until` on its own, its events packed into `rows` int64 (n, 2).

    How many rows they are, or NO_ROOM. The market is used up.
    """
    return _request(KernelRequest.PACK, book, state, flow, NO_TAPE, until, extents=rows)


def measure_seconds(book: Packed, state: Longs, flow: Floats, rows: Floats) -> int:
    """Run len(rows) seconds at the rate factors `rows[:, :3]` and overwrite each row with its second's eight figures.
    Returns the second that overflowed book or record, -1 none.
    """
    return _request(KernelRequest.SECONDS, book, state, flow, NO_TAPE, output=rows)


def sample_market(
    book: Packed, state: Longs, flow: Floats, first: int, step: int, samples: Floats
) -> None:
    """Run a market alone, sampled every `step` ns from `first` into `samples` float64 (m, 8).

    Mid in ticks; spread in ticks, -1 while a side is empty; lots traded, events, orders that found no slot, all since
    the market began.
    """
    _request(KernelRequest.WATCH, book, state, flow, NO_TAPE, first, step, output=samples)


def run_orders(
    book: Packed,
    state: Longs,
    flow: Floats,
    tape: Longs,
    orders: Longs,
    first: int,
    step: int,
    samples: Floats,
) -> None:
    """Run own market orders at given times, the market sampled on a grid of times (`_run_orders`)."""
    _request(
        KernelRequest.PROGRAM, book, state, flow, tape, first, step, extents=orders, output=samples
    )
