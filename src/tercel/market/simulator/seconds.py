"""A market's state second by second: spread, depth, flow and move as one row of eight numbers."""

from typing import Final

from tercel.core.jit import FloatRows, Floats, Longs, Packed, Rows, kernel, late_kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import public_depth
from tercel.market.simulator.engine import advance
from tercel.market.simulator.records import recorded_at, state_at
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE

LEVELS: Final = 5
COLUMNS: Final = 8
SPREAD, OWN5, FAR5, IMBALANCE, CANCELS, TRADES, ADDS, MOVE = range(COLUMNS)
"""Columns; the own side is the bid, where there is no own order."""


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
