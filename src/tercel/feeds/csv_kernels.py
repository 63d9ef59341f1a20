"""Kernels over the rows of a CSV file, and which of its books are crossed."""

import numpy as np
import polars as pl

from tercel.core.jit import Bytes, Floats, Longs, Packed, kernel
from tercel.feeds.csv_read import Taken
from tercel.feeds.verify_kernels import in_room
from tercel.market.book.ladder import best, first_at, order_at
from tercel.market.book.layout import ANONYMOUS
from tercel.market.book.tape_kernels import Ids, apply_one
from tercel.market.tape import Events
from tercel.market.tape.compiled import crossings
from tercel.market.tape.events import Columns
from tercel.market.tape.schema import (
    ADD,
    COLUMN_NAMES,
    DELETE,
    LEVEL_SET,
    MODIFY,
    OFF_TICK,
    OPENING,
    ROLL_IN,
    ROLL_OUT,
)

# -- csv kernels ----------------------------------------------------------------------------------
# The compiled half of the column-map feed: outliers, and snapshots as level rows.


@kernel
def outliers(x: Floats, window: int, limit: float, grain: float, work: Floats, out: Bytes) -> None:
    """Mark values further than `limit` mean absolute deviations plus `grain` from the median of their neighbours.

    The neighbours are the `window` nearest values in time, half before and half after, the value itself left out
    (Barndorff-Nielsen et al. 2009, Q4); at the ends of the day they lie to one side. `work` float64[window].
    """
    n = x.shape[0]
    half = window // 2
    for i in range(n):
        start = min(max(i - half, 0), max(n - 2 * half - 1, 0))
        m = 0
        for j in range(start, min(start + 2 * half + 1, n)):
            if j != i:
                at = m  # stays sorted: the window is short
                while at > 0 and work[at - 1] > x[j]:
                    work[at] = work[at - 1]
                    at -= 1
                work[at] = x[j]
                m += 1
        if m < 2:
            continue
        median = 0.5 * (work[(m - 1) // 2] + work[m // 2])
        spread = 0.0
        for j in range(m):
            spread += abs(work[j] - median)
        out[i] = 1 if abs(x[i] - median) > limit * spread / m + grain else 0


@kernel
def _shown(prices: Packed, lots: Packed) -> int:
    """Levels that a snapshot shows: up to the first empty one."""
    n = 0
    while n < prices.shape[0] and prices[n] > 0 and lots[n] > 0:
        n += 1
    return n


@kernel
def _place(prices: Packed, n: int, price: int) -> int:
    for i in range(n):
        if prices[i] == price:
            return i
    return -1


@kernel
def _put(
    out: Longs, n: int, quote: int, kind: int, side: int, price: int, lots: int, flags: int
) -> int:
    if n < out.shape[0]:
        out[n, 0], out[n, 1], out[n, 2], out[n, 3], out[n, 4], out[n, 5] = (
            quote,
            kind,
            side,
            price,
            lots,
            flags,
        )
    return n + 1


@kernel
def changes(
    bid: Packed,
    bid_lots: Packed,
    ask: Packed,
    ask_lots: Packed,
    off: Bytes,
    opens: bool,
    out: Longs,
) -> int:
    """Write the changes from each snapshot to the next: removed levels, then set levels; returns their number.

    `out` int64[rows, 6] takes number of the snapshot, kind, side, price, lots and flags, as far as it has room. A level
    that left because others came before it rolls out, one that came into sight because others went rolls in; what lies
    within sight is set. With `opens` the first snapshot opens the tape.
    """
    n, levels = 0, bid.shape[1]
    for j in range(bid.shape[0]):
        was, first = max(j - 1, 0), opens and j == 0
        flags = (OPENING if first else 0) | (OFF_TICK if off[j] else 0)
        for step in range(2):  # what goes, then what comes
            for h in range(2):
                side = 1 - 2 * h
                new_p, new_q = (bid[j], bid_lots[j]) if h == 0 else (ask[j], ask_lots[j])
                old_p, old_q = (bid[was], bid_lots[was]) if h == 0 else (ask[was], ask_lots[was])
                m = _shown(new_p, new_q)
                k = _shown(old_p, old_q) if j > 0 else 0
                if step == 0:
                    for x in range(k):
                        if _place(new_p, m, old_p[x]) < 0:
                            beyond = m == levels and (new_p[m - 1] - old_p[x]) * side > 0
                            n = _put(
                                out, n, j, ROLL_OUT if beyond else LEVEL_SET, side, old_p[x], 0, 0
                            )
                    continue
                for x in range(m):
                    where = _place(old_p, k, new_p[x])
                    if where >= 0 and old_q[where] == new_q[x]:
                        continue
                    into = where < 0 and k == levels and (old_p[k - 1] - new_p[x]) * side > 0
                    n = _put(
                        out,
                        n,
                        j,
                        ROLL_IN if into or first else LEVEL_SET,
                        side,
                        new_p[x],
                        new_q[x],
                        flags,
                    )
    return n


@kernel
def to_levels(
    price: Floats,
    size: Floats,
    side: int,
    tick: float,
    lot: int,
    out_price: Packed,
    out_lots: Packed,
    off: Bytes,
    bad: Bytes,
) -> None:
    """Prices and sizes float64[n, L] to ticks and lots: off the tick rounded away from the touch, equal ticks merged.

    Rows are marked `off` where a price was off its tick, `bad` where levels are not ordered or too large for a tape.
    """
    for i in range(price.shape[0]):
        m = 0
        for x in range(price.shape[1]):
            if price[i, x] <= 0 or size[i, x] <= 0:
                break
            exact = price[i, x] / tick
            at = round(exact)
            if abs(exact - at) > 1e-4:
                off[i] = 1
                at = int(np.floor(exact) if side > 0 else np.ceil(exact))
            at = max(at, 1)
            lots = max(int(size[i, x] / lot + 0.5), 1)
            if (
                at >= 1 << 30
                or lots >= 1 << 30
                or (m > 0 and (at - out_price[i, m - 1]) * side > 0)
            ):
                bad[i] = 1
                break
            if m > 0 and out_price[i, m - 1] == at:
                out_lots[i, m - 1] += lots
                continue
            out_price[i, m], out_lots[i, m] = at, lots
            m += 1


# -- csv crossed ----------------------------------------------------------------------------------
# Crossed states of level updates and order events: counted, and taken away where the map says so.


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
    """Numbers of all, crossed and locked states of a tape at the ends of its moments."""
    quotes, states, crossed = crossings(events)
    locked = int((quotes[states, 0] == quotes[states, 1]).sum())
    return {"states": len(states), "crossed_states": len(crossed), "locked_states": locked}
