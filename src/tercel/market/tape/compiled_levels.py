"""A tape of level totals compiled for replay: every level has a slot for as long as the tape shows it."""

from tercel.core.jit import Longs, Packed, kernel
from tercel.market.book import layout as lay
from tercel.market.book.ladder import allocate, first_at, insert, reduce, release
from tercel.market.book.records import order_at
from tercel.market.tape.compiled_rows import emit
from tercel.market.tape.events import Columns
from tercel.market.tape.schema import (
    CLEAR,
    CROSS,
    LEVEL_SET,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE,
    TRADE_HIDDEN,
)

WHOLE = 1 << 30


@kernel
def compile_levels(b: Packed, tape: Columns, start: int, stop: int, out: Longs, at: int) -> int:
    """Compile rows `[start, stop)` behind `out[:at]`; returns the new length, -1 - row for a row of single orders."""
    ns, side, price, qty = tape.exch_ns, tape.side, tape.price_ticks, tape.qty_lots
    for i in range(start, stop):
        what = tape.kind[i]
        slot = first_at(b, side[i], price[i]) if side[i] != 0 else -1
        if what == LEVEL_SET or what == ROLL_IN or what == ROLL_OUT:
            if what == ROLL_OUT or qty[i] == 0:
                if slot >= 0:  # what was never shown may be taken away: crypto feeds do
                    at = emit(out, at, ns[i], what, slot, side[i], price[i], 0)
                    reduce(b, slot, WHOLE)
                    release(b, slot)
                continue
            if slot >= 0:
                reduce(b, slot, WHOLE)
                insert(b, slot, side[i], price[i], qty[i])
                at = emit(out, at, ns[i], LEVEL_SET, slot, side[i], price[i], qty[i])
            else:
                slot = allocate(b)
                if slot < 0:
                    continue
                insert(b, slot, side[i], price[i], qty[i])
                at = emit(out, at, ns[i], what, slot, side[i], price[i], qty[i])
            order_at(b, slot).marks |= lay.ANONYMOUS
        elif what == TRADE or what == TRADE_HIDDEN or what == STATUS:
            at = emit(
                out, at, ns[i], what, slot if what == TRADE else -1, side[i], price[i], qty[i]
            )
        elif what == CLEAR:
            for one in range(b[lay.HIGH]):
                if order_at(b, one).qty > 0:
                    reduce(b, one, WHOLE)
                    release(b, one)
            at = emit(out, at, ns[i], what, -1, 0, 0, 0)
        elif what != CROSS:
            return -1 - i
    return at
