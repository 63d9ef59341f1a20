"""Level-total tapes as tapes of anonymous orders, for code that counts orders.

An increase of a level is an order placed (id 0), a decrease is withdrawn from anonymous lots there, a
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
    """A tape of level totals as one of anonymous orders; other tapes are returned unchanged."""
    if not np.any(events.kind == LEVEL_SET):
        return events
    prices, rank = np.unique(events.price_ticks, return_inverse=True)
    table = np.zeros((events.n, 3), np.int64)
    n = _translate(
        events.seq,
        events.kind,
        events.side,
        rank.astype(np.int64),
        events.qty_lots,
        events.flags,
        np.zeros((2, len(prices)), np.int64),
        table,
    )
    rows = Events(*(column[table[:n, ROW]] for column in events.columns()))
    rows.kind[:] = table[:n, KIND]
    rows.qty_lots[:] = table[:n, LOTS]
    rows.order_id[:] = 0
    return rows


@kernel
def _translate(
    seq: Any, kind: Any, side: Any, rank: Any, qty: Any, flags: Any, lots: Any, table: Any
) -> int:
    """Write rows (row, kind, lots) of anonymous orders with the same book into `table`; returns how many.
    Within a message, shrinking levels come first.
    """
    n = 0
    r = 0
    while r < kind.shape[0]:
        row_kind = kind[r]
        if row_kind == LEVEL_SET:
            end = r + 1
            while end < kind.shape[0] and kind[end] == LEVEL_SET and seq[end] == seq[r]:
                end += 1
            for growing in range(2):
                for i in range(r, end):
                    s = 0 if side[i] == BUY else 1
                    p = rank[i]
                    change = qty[i] - lots[s, p]
                    if change == 0 or (change > 0) != (growing == 1):
                        continue
                    table[n, ROW] = i
                    table[n, LOTS] = abs(change)
                    table[n, KIND] = (
                        REDUCE if change < 0 else (ROLL_IN if flags[i] & OPENING else ADD)
                    )
                    lots[s, p] = qty[i]
                    n += 1
            r = end
            continue
        if row_kind == TRADE and (side[r] == BUY or side[r] == SELL):
            s = 0 if side[r] == BUY else 1
            p = rank[r]
            executed = min(qty[r], lots[s, p])
            if executed > 0:
                lots[s, p] -= executed
                table[n, ROW] = r
                table[n, KIND] = EXECUTE
                table[n, LOTS] = executed
                n += 1
        elif row_kind != TRADE:
            if row_kind == CLEAR:
                for s in range(2):
                    for p in range(lots.shape[1]):
                        lots[s, p] = 0
            table[n, ROW] = r
            table[n, KIND] = row_kind
            table[n, LOTS] = qty[r]
            n += 1
        r += 1
    return n
