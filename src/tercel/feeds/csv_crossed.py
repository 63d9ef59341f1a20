"""Crossed states of level updates and order events: counted, and taken away where the map says so."""

import numpy as np
import polars as pl

from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds.csv_read import Taken
from tercel.feeds.verify import in_room
from tercel.market.book.id_map import Ids
from tercel.market.book.ladder import best, first_at
from tercel.market.book.layout import ANONYMOUS
from tercel.market.book.records import order_at
from tercel.market.book.tape_kernels import apply_one
from tercel.market.tape import Events
from tercel.market.tape.crossed import crossings
from tercel.market.tape.events import Columns
from tercel.market.tape.schema import ADD, COLUMN_NAMES, DELETE, LEVEL_SET, MODIFY


@kernel
def passed(b: Packed, ids: Ids, key_of: Longs, tape: Columns, out: Longs) -> int:
    """Rows that take away what a new level, or a new order, reaches or passes on the other side; returns how many.

    `out` int64[rows, 6] takes the row of the tape before which each comes, kind, order id, side, price and lots.
    """
    _, _, _, kind, order_id, side, price, qty, _ = tape
    n = 0
    for i in range(kind.shape[0]):
        apply_one(b, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        if kind[i] != LEVEL_SET and kind[i] != ADD and kind[i] != MODIFY:
            continue
        while best(b, 1) >= best(b, -1):
            what, s, key, lots = LEVEL_SET, -side[i], 0, 0
            at = best(b, s)
            if kind[i] != LEVEL_SET:
                slot = first_at(b, s, at)
                what, lots = DELETE, order_at(b, slot).qty
                key = 0 if order_at(b, slot).marks & ANONYMOUS else key_of[slot]
            apply_one(b, ids, key_of, what, key, s, at, lots)
            out[n, 0], out[n, 1], out[n, 2], out[n, 3], out[n, 4], out[n, 5] = (
                i,
                what,
                key,
                s,
                at,
                lots,
            )
            n += 1
    return n


def uncrossed(events: Events, report: Taken) -> Events:
    """A tape without what a new level or order of the other side reaches or passes (its touch never stays locked)."""
    out = np.empty((events.n, 6), np.int64)

    def look(b: Packed, ids: Ids, key_of: Longs) -> None:
        report["levels that the other side passed"] = passed(b, ids, key_of, events.columns(), out)

    in_room(look)
    at, *values = out[: report["levels that the other side passed"]].T
    frame = events.to_frame().with_row_index("at")
    changed = [
        name
        for name in COLUMN_NAMES
        if name in ("kind", "order_id", "side", "price_ticks", "qty_lots")
    ]
    made = {
        name: pl.Series(one).cast(frame.schema[name])
        for name, one in zip(changed, values, strict=True)
    }
    gone = frame[at].with_columns(**made, flags=pl.lit(0, frame.schema["flags"]))
    return Events.from_frame(pl.concat([gone, frame]).sort("at", maintain_order=True).drop("at"))


def counted(events: Events) -> dict[str, int]:
    """How many states a tape has at the ends of its moments, and how many of them are crossed or locked."""
    quotes, states, crossed = crossings(events)
    locked = int((quotes[states, 0] == quotes[states, 1]).sum())
    return {"states": len(states), "crossed_states": len(crossed), "locked_states": locked}
