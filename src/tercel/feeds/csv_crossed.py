"""Crossed states of level updates and order events: counted, and removed from a tape where the map says so."""

import numpy as np
import polars as pl

from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds.csv_rows import RuleCounts
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.book_records import best, order_at
from tercel.market.book.ladder import first_at
from tercel.market.book.layout import ANONYMOUS
from tercel.market.book.order_ids import Ids
from tercel.market.book.tape_kernels import apply_row
from tercel.market.tape import Events
from tercel.market.tape.crossed import crossings
from tercel.market.tape.events import Columns
from tercel.market.tape.schema import ADD, DELETE, LEVEL_SET, MODIFY


@kernel
def remove_passed(b: Packed, ids: Ids, key_of: Longs, tape: Columns, rows: Longs) -> int:
    """Replay a tape; write into `rows` the rows that remove orders or levels crossed or met by a new one; returns their number.

    `rows` int64[rows, 6] takes the row of the tape before which each comes, kind, order id, side, price and lots.
    """
    _, _, _, kind, order_id, side, price, qty, _ = tape
    n = 0
    for i in range(kind.shape[0]):
        apply_row(b, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        if kind[i] != LEVEL_SET and kind[i] != ADD and kind[i] != MODIFY:
            continue
        while best(b, 1) >= best(b, -1):
            row_kind = LEVEL_SET
            far_side = -side[i]
            key = 0
            lots = 0
            touch = best(b, far_side)
            if kind[i] != LEVEL_SET:
                slot = first_at(b, far_side, touch)
                row_kind = DELETE
                lots = order_at(b, slot).qty
                key = 0 if order_at(b, slot).marks & ANONYMOUS else key_of[slot]
            apply_row(b, ids, key_of, row_kind, key, far_side, touch, lots)
            rows[n, 0] = i
            rows[n, 1] = row_kind
            rows[n, 2] = key
            rows[n, 3] = far_side
            rows[n, 4] = touch
            rows[n, 5] = lots
            n += 1
    return n


def uncross(events: Events, report: RuleCounts) -> Events:
    """A tape with rows put in that remove the levels and orders that a new one of the other side reaches or passes."""
    rows = np.empty((events.n, 6), np.int64)

    def look(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Write the rows that remove into `rows`, and their count into the report, on the arrays of an empty book."""
        report["levels that the other side passed"] = remove_passed(
            b, ids, key_of, events.columns(), rows
        )

    run_with_room(look)
    positions, *values = rows[: report["levels that the other side passed"]].T
    frame = events.to_frame().with_row_index("at")
    changed = ("kind", "order_id", "side", "price_ticks", "qty_lots")
    replaced = {
        name: pl.Series(column).cast(frame.schema[name])
        for name, column in zip(changed, values, strict=True)
    }
    gone = frame[positions].with_columns(**replaced, flags=pl.lit(0, frame.schema["flags"]))
    return Events.from_frame(pl.concat([gone, frame]).sort("at", maintain_order=True).drop("at"))


def count_crossed(events: Events) -> dict[str, int]:
    """Counts of a tape's states at the ends of its moments while it trades: all, crossed (bid above ask), locked (equal)."""
    quotes, states, crossed = crossings(events)
    locked = int((quotes[states, 0] == quotes[states, 1]).sum())
    return {"states": len(states), "crossed_states": len(crossed), "locked_states": locked}
