"""Kernels of tick files: outliers among values, quotes as ticks and lots, changes between snapshots as level rows."""

import numpy as np

from tercel.core.jit import Bytes, Floats, Longs, Packed, kernel
from tercel.market.tape.schema import LEVEL_SET, OFF_TICK, OPENING, ROLL_IN, ROLL_OUT


@kernel
def outliers(
    x: Floats, window: int, limit: float, grain: float, work: Floats, is_outlier: Bytes
) -> None:
    """Mark in `is_outlier` values further than `limit` mean absolute deviations plus `grain` from the median of their neighbours.

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
                place = m  # stays sorted: the window is short
                while place > 0 and work[place - 1] > x[j]:
                    work[place] = work[place - 1]
                    place -= 1
                work[place] = x[j]
                m += 1
        if m < 2:
            continue
        median = 0.5 * (work[(m - 1) // 2] + work[m // 2])
        spread = 0.0
        for j in range(m):
            spread += abs(work[j] - median)
        is_outlier[i] = 1 if abs(x[i] - median) > limit * spread / m + grain else 0


@kernel
def _count_levels(prices: Packed, lots: Packed) -> int:
    """Number of levels that a snapshot shows, up to the first empty one."""
    n = 0
    while n < prices.shape[0] and prices[n] > 0 and lots[n] > 0:
        n += 1
    return n


@kernel
def _place(prices: Packed, n: int, price: int) -> int:
    """Index of a price among the first `n` of `prices`; -1 if absent."""
    for i in range(n):
        if prices[i] == price:
            return i
    return -1


@kernel
def _put(
    rows: Longs, n: int, quote: int, kind: int, side: int, price: int, lots: int, flags: int
) -> int:
    """Write a change row if there is room; returns the number of rows, counted in any case."""
    if n < rows.shape[0]:
        rows[n, 0] = quote
        rows[n, 1] = kind
        rows[n, 2] = side
        rows[n, 3] = price
        rows[n, 4] = lots
        rows[n, 5] = flags
    return n + 1


@kernel
def changes(
    bid: Packed,
    bid_lots: Packed,
    ask: Packed,
    ask_lots: Packed,
    off: Bytes,
    opens: bool,
    rows: Longs,
) -> int:
    """Write level rows for the changes from each snapshot to the next: removed levels, then set levels; returns their
    number, rows for which `rows` has no room included.

    `rows` int64[rows, 6] takes number of the snapshot, kind, side, price, lots and flags, as far as it has room. A level
    that left because others came before it rolls out, one that came into sight because others went rolls in; what lies
    within sight is set. With `opens` the first snapshot opens the tape.
    """
    n = 0
    levels = bid.shape[1]
    for j in range(bid.shape[0]):
        previous = max(j - 1, 0)
        first = opens and j == 0
        flags = (OPENING if first else 0) | (OFF_TICK if off[j] else 0)
        for step in range(2):  # what goes, then what comes
            for h in range(2):
                side = 1 - 2 * h
                new_p, new_q = (bid[j], bid_lots[j]) if h == 0 else (ask[j], ask_lots[j])
                old_p, old_q = (
                    (bid[previous], bid_lots[previous])
                    if h == 0
                    else (ask[previous], ask_lots[previous])
                )
                m = _count_levels(new_p, new_q)
                k = _count_levels(old_p, old_q) if j > 0 else 0
                if step == 0:
                    for x in range(k):
                        if _place(new_p, m, old_p[x]) < 0:
                            beyond = m == levels and (new_p[m - 1] - old_p[x]) * side > 0
                            n = _put(
                                rows, n, j, ROLL_OUT if beyond else LEVEL_SET, side, old_p[x], 0, 0
                            )
                    continue
                for x in range(m):
                    old_place = _place(old_p, k, new_p[x])
                    if old_place >= 0 and old_q[old_place] == new_q[x]:
                        continue
                    into = old_place < 0 and k == levels and (old_p[k - 1] - new_p[x]) * side > 0
                    n = _put(
                        rows,
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
    """Convert prices and sizes float64[n, L] of one side to ticks and lots, into `out_price` and `out_lots`; marks rows with a
    price off the tick in `off`, out of order or too large in `bad`.

    Prices off the tick are rounded away from the touch, equal ticks merged.

    Rows are marked `off` where a price was off its tick, `bad` where levels are not ordered or too large for a tape.
    """
    for i in range(price.shape[0]):
        m = 0
        for x in range(price.shape[1]):
            if price[i, x] <= 0 or size[i, x] <= 0:
                break
            exact = price[i, x] / tick
            ticks = round(exact)
            if abs(exact - ticks) > 1e-4:
                off[i] = 1
                ticks = int(np.floor(exact) if side > 0 else np.ceil(exact))
            ticks = max(ticks, 1)
            lots = max(int(size[i, x] / lot + 0.5), 1)
            if (
                ticks >= 1 << 30
                or lots >= 1 << 30
                or (m > 0 and (ticks - out_price[i, m - 1]) * side > 0)
            ):
                bad[i] = 1
                break
            if m > 0 and out_price[i, m - 1] == ticks:
                out_lots[i, m - 1] += lots
                continue
            out_price[i, m] = ticks
            out_lots[i, m] = lots
            m += 1
