"""Level-total tapes as tapes of anonymous orders, for code that counts orders.

What a level has more than before is an order placed (id 0), what it has less is withdrawn from nobody's lots there, a
print is an execution of what the level had. Several orders within one update are one.
"""

from typing import Any, Final

import numpy as np

from tercel.core.jit import kernel
from tercel.core.vocabulary import BUY, SELL
from tercel.market.tape import Events
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    EXECUTE,
    LEVEL_SET,
    OPENING,
    REDUCE,
    ROLL_IN,
    TRADE,
)

ROW: Final = 0
KIND: Final = 1
LOTS: Final = 2
"""Columns of what comes out: the row that it comes from, its kind and its lots."""


def as_orders(events: Events) -> Events:
    """The same book as anonymous orders; tapes without level totals are returned unchanged."""
    if not np.any(events.kind == LEVEL_SET):
        return events
    prices, rank = np.unique(events.price_ticks, return_inverse=True)
    out = np.zeros((events.n, 3), np.int64)
    n = _translate(
        events.seq,
        events.kind,
        events.side,
        rank.astype(np.int64),
        events.qty_lots,
        events.flags,
        np.zeros((2, len(prices)), np.int64),
        out,
    )
    rows = Events(*(column[out[:n, ROW]] for column in events.columns()))
    rows.kind[:] = out[:n, KIND]
    rows.qty_lots[:] = out[:n, LOTS]
    rows.order_id[:] = 0
    return rows


@kernel
def _translate(
    seq: Any, kind: Any, side: Any, rank: Any, qty: Any, flags: Any, lots: Any, out: Any
) -> int:
    """Rows (row, kind, lots) of the same book; of a message of many levels those that shrink come first."""
    n, r = 0, 0
    while r < kind.shape[0]:
        what = kind[r]
        if what == LEVEL_SET:
            end = r + 1
            while end < kind.shape[0] and kind[end] == LEVEL_SET and seq[end] == seq[r]:
                end += 1
            for growing in range(2):
                for i in range(r, end):
                    s, p = 0 if side[i] == BUY else 1, rank[i]
                    more = qty[i] - lots[s, p]
                    if more == 0 or (more > 0) != (growing == 1):
                        continue
                    out[n, ROW], out[n, LOTS] = i, abs(more)
                    out[n, KIND] = REDUCE if more < 0 else (ROLL_IN if flags[i] & OPENING else ADD)
                    lots[s, p] = qty[i]
                    n += 1
            r = end
            continue
        if what == TRADE and (side[r] == BUY or side[r] == SELL):
            s, p = 0 if side[r] == BUY else 1, rank[r]
            gone = min(qty[r], lots[s, p])
            if gone > 0:
                lots[s, p] -= gone
                out[n, ROW], out[n, KIND], out[n, LOTS] = r, EXECUTE, gone
                n += 1
        elif what != TRADE:
            if what == CLEAR:
                for s in range(2):
                    for p in range(lots.shape[1]):
                        lots[s, p] = 0
            out[n, ROW], out[n, KIND], out[n, LOTS] = r, what, qty[r]
            n += 1
        r += 1
    return n
