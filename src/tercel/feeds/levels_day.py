"""Rows of tape from the steps of an L2 book and its trades: LEVEL_SET rows and TRADE prints.

Steps and trades are put in order of exchange time; at equal times trades come first, since the levels that follow
say what the trades left. Within a message levels that vanish come before levels that stand, so that the book crosses at
no row of it.
"""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from tercel.core.arrays import Ints
from tercel.feeds.binance_messages import BinanceTrade, Level
from tercel.feeds.binance_sync import LOST, OPENED, SyncStep
from tercel.market.tape import schema

PRICE, LOTS, FLAGS, UPDATE = 6, 7, 8, 9
"""Columns of the table: the tape's, and the venue's number of the update that a row ends."""


def rows_of(steps: Sequence[SyncStep], trades: Sequence[BinanceTrade]) -> tuple[Ints, int]:
    """All rows in order, int64 (n, 10), prices and quantities in 1e-10, and the trades before the first book.

    Those are left out.
    """
    table: list[list[int]] = []
    seq, opened, before = 0, False, 0
    parts: list[BinanceTrade | SyncStep] = [*trades, *steps]
    for part in sorted(parts, key=attrgetter("exch_ns")):
        if isinstance(part, BinanceTrade):
            before += not opened
            rows = [(schema.TRADE, part.side, (part.price, part.quantity), 0)] if opened else []
        else:
            flags = schema.OPENING if part.what == OPENED and not opened else 0
            rows = [(schema.CLEAR, 0, (0, 0), 0)] if part.what == LOST else []
            rows += [(schema.LEVEL_SET, side, level, flags) for side, level in _level_rows(part)]
        if rows:
            seq += opened
            opened = True
            stamps = part.exch_ns, part.recv_ns or part.exch_ns, seq
            table += [
                [*stamps, kind, 0, side, *level, flags, 0] for kind, side, level, flags in rows
            ]
            table[-1][FLAGS] |= schema.MESSAGE_END
            table[-1][UPDATE] = part.last if isinstance(part, SyncStep) else 0
    return np.array(table, np.int64).reshape(-1, 10), before


def _level_rows(step: SyncStep) -> list[tuple[int, Level]]:
    both = [(1, level) for level in step.bids] + [(-1, level) for level in step.asks]
    return [row for row in both if row[1][1] == 0] + [row for row in both if row[1][1] != 0]
