"""A simulated market second by second, also at given rates: spread, depth, order flow and mid's move as rows of eight numbers."""

from typing import Final

from tercel.core.jit import FloatRows, Floats, Longs, Packed, Rows, kernel, late_kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import public_depth
from tercel.market.simulator.event_loop import advance
from tercel.market.simulator.records import recorded_at, state_at
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE

LEVELS: Final = 5
COLUMNS: Final = 8
SPREAD, OWN5, FAR5, IMBALANCE, CANCELS, TRADES, ADDS, MOVE = range(COLUMNS)
"""Columns; without an own order the own side is the bid."""


@kernel
def measure(
    book: Packed,
    state: Longs,
    since: int,
    mid2_before: int,
    scratch: Longs,
    free: int,
    figures: Floats,
) -> None:
    """Write the eight figures of one second into `figures`, from record rows number `since` on.

    Ten words of `scratch` from `free` on are overwritten.
    """
    s = state_at(state)
    bid, ask = s.public_bid, s.public_ask
    public_depth(book, 1, bid, scratch, free, LEVELS)
    public_depth(book, -1, ask, scratch, free + LEVELS, LEVELS)
    own_depth, far_depth = 0.0, 0.0
    for level in range(LEVELS):
        own_depth += scratch[free + level]
        far_depth += scratch[free + LEVELS + level]
    two_sided = bid != NO_BID and ask != NO_ASK
    figures[SPREAD] = ask - bid if two_sided else s.last_ask - s.last_bid
    figures[OWN5], figures[FAR5] = own_depth, far_depth
    figures[IMBALANCE] = (
        (own_depth - far_depth) / (own_depth + far_depth) if own_depth + far_depth > 0 else 0.0
    )
    figures[MOVE] = 0.5 * (s.mid2 - mid2_before)
    figures[CANCELS] = 0.0
    figures[TRADES] = 0.0
    figures[ADDS] = 0.0
    for n in range(since, s.record):
        kind = recorded_at(state, n).kind
        if kind == DELETE or kind == REDUCE:
            figures[CANCELS] += 1.0
        elif kind == EXECUTE:
            figures[TRADES] += 1.0
        elif kind == ADD:
            figures[ADDS] += 1.0


@late_kernel
def run_seconds(
    book: Packed, state: Longs, flow: Floats, tape: Rows, scratch: Longs, free: int, rows: FloatRows
) -> int:
    """Run seconds at rates scaled by each row's first three numbers, writing their figures; the second that overflowed, or -1.

    Where the first number is below 0 they are left to the market's own law of regimes.

    Returns the second that brought more than the book or the record holds, -1 when none did.
    """
    s = state_at(state)
    start = s.now
    imposed = len(rows) > 0 and rows[0, 0] >= 0.0
    if imposed:
        s.regime = 1
        s.pace_factor = 1.0
        s.lean = 0.0
    for t in range(len(rows)):
        if imposed:
            s.limit_factor = rows[t, 0]
            s.market_factor = rows[t, 1]
            s.cancel_factor = rows[t, 2]
        since = s.record
        mid2 = s.mid2
        s.due_ns = start + (t + 1) * NS_PER_SECOND
        advance(book, state, flow, tape)
        if book[lay.OVERFLOW] > 0 or s.record - since > s.record_rows:
            return t
        measure(book, state, since, mid2, scratch, free, rows[t])
    if imposed:
        s.regime = 0
    return -1
