"""Kernels of tick files: outliers among values, quotes as ticks and lots, changes between snapshots as level rows."""

import numpy as np

from tercel.core.jit import Bytes, Floats, Longs, Packed, kernel
from tercel.feeds.tape_rows import append_level
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
def put_change(
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
def snapshot_changes(
    j: int, opens: bool, flags: int, old: Packed, new: Packed, rows: Longs, n: int
) -> int:
    """Write level rows for the changes from one snapshot to the next, number `j`, from place `n` on: removed levels, then set
    levels; returns the place after them, rows for which `rows` has no room included.

    `old`, `new` int32[2 sides, price and lots, levels], 0 where there is no level; `rows` int64[rows, 6] takes number of the
    snapshot, kind, side, price, lots and flags. A level that left because others came before it rolls out, one that came
    into sight because others went rolls in; what lies within sight is set. With `opens` the snapshot opens the tape.
    """
    levels = new.shape[2]
    for step in range(2):  # what goes, then what comes
        for h in range(2):
            side = 1 - 2 * h
            new_price = new[h, 0]
            new_lots = new[h, 1]
            old_price = old[h, 0]
            old_lots = old[h, 1]
            m = _count_levels(new_price, new_lots)
            k = _count_levels(old_price, old_lots)
            if step == 0:
                for x in range(k):
                    if (x < m and new_price[x] == old_price[x]) or _place(
                        new_price, m, old_price[x]
                    ) >= 0:
                        continue
                    beyond = m == levels and (new_price[m - 1] - old_price[x]) * side > 0
                    kind = ROLL_OUT if beyond else LEVEL_SET
                    n = put_change(rows, n, j, kind, side, old_price[x], 0, 0)
                continue
            for x in range(m):
                same = x < k and old_price[x] == new_price[x]
                old_place = x if same else _place(old_price, k, new_price[x])
                if old_place >= 0 and old_lots[old_place] == new_lots[x]:
                    continue
                into = (
                    old_place < 0 and k == levels and (old_price[k - 1] - new_price[x]) * side > 0
                )
                kind = ROLL_IN if into or opens else LEVEL_SET
                n = put_change(rows, n, j, kind, side, new_price[x], new_lots[x], flags)
    return n


@kernel
def changes(shown: Packed, nothing: Packed, off: Bytes, opens: bool, rows: Longs) -> int:
    """Write level rows for the changes from each snapshot of `shown` int32[n, 2 sides, price and lots, levels] to the next;
    returns their number, rows for which `rows` has no room included.

    See `snapshot_changes`. `nothing` is a snapshot without levels; `off` marks snapshots with a price off the tick; with
    `opens` the first opens the tape.
    """
    n = 0
    for j in range(shown.shape[0]):
        first = opens and j == 0
        flags = (OPENING if first else 0) | (OFF_TICK if off[j] else 0)
        n = snapshot_changes(
            j, first, flags, nothing if j == 0 else shown[j - 1], shown[j], rows, n
        )
    return n


@kernel
def to_levels(
    price: Floats,
    size: Floats,
    side: int,
    tick: float,
    lot: int,
    out: Packed,
    off: Bytes,
    bad: Bytes,
) -> None:
    """Convert prices and sizes float64[n, L] of one side to ticks and lots, into `out` int32[n, 2, L]; marks rows with a price
    off the tick in `off`, out of order or too large in `bad`.

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
                or (m > 0 and (ticks - out[i, 0, m - 1]) * side > 0)
            ):
                bad[i] = 1
                break
            m = append_level(out[i], m, ticks, lots)
