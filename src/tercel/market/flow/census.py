"""Census of a day of tape for a flow model: placements, cancels, market orders, book averages.

One pass of a kernel over the canonical events keeps a compact book of level totals (dense arrays of
prices, no queue) and integrates over time what rests at each distance from the *opposite* best. Real days
and simulated days go through the same pass, so a fit table compares like with like.

The book is ``level[side, price, column]``, side 0 bid and 1 ask, a dense array of prices. Orders are known by a dense number
(``known[order, column]``) until their level rolls out of the feed's window (the level's epoch rises).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Ints
from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Columns
from tercel.market.tape.schema import (
    ADD,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    MODIFY,
    REDUCE,
    ROLL_IN,
    TRADE_HIDDEN,
)

# -- the pass --

REACH: Final = 1024
"""Distances (ticks from the opposite best) that are counted apart; what rests farther is one tail."""
LEVELS: Final = 5
"""Occupied levels a side whose depth is averaged."""

LOTS, COUNT, ANON, EPOCH = range(4)
"""Columns of a level: all lots, known orders, lots of its anonymous block, times it rolled out."""
LEFT, PRICE, SIDE, BORN = range(4)
"""Columns of a known order: lots left, price index, side index, its level's epoch when it came."""
SECONDS, REMAINDERS, UNKNOWN, FAR, SPREAD, LIVE, SUMS = range(7)
"""Entries of `sums` (SUMS is their number); the fields of `Census` say what each is."""
BID, ASK, HALTED, MARKETS, EXEC_NS, EXEC_SIDE, STATE = range(7)
"""Entries of the running state: price indices of the touch, halted, market orders so far, last execution."""


class CompactBook(NamedTuple):
    """Levels int64[2, prices, 4], known orders int64[orders, 4], running state int64[STATE], known orders a side
    int64[2]; zeros at the start."""

    level: Longs
    known: Longs
    state: Longs
    totals: Longs


class Marks(NamedTuple):
    """Per row: distance of a placement or cancel, lots and completeness of a cancel, market order number (-1 none)."""

    distance: Packed
    removed: Longs
    whole: Bools
    market: Packed


class Integrals(NamedTuple):
    """Sums float64[SUMS], lots by distance float64[REACH + 1], depth and offset float64[2, LEVELS], and bid + ask at
    each full second."""

    sums: Floats
    lots_time: Floats
    per_level: Floats
    mid2: Longs


@kernel
def count(
    tape: Columns,
    dense: Longs,
    start: int,
    stop: int,
    base: int,
    book: CompactBook,
    marks: Marks,
    over: Integrals,
) -> None:
    """Replay the rows; mark placements and cancels with their distance, executions with their market order."""
    level, state, totals = book.level, book.state, book.totals
    t, side, price, mid2 = tape.exch_ns, tape.side, tape.price_ticks, over.mid2
    width = level.shape[1]
    state[BID], state[ASK], state[EXEC_NS] = 0, width - 1, -1
    last_ns, grid = start, start
    for r in range(t.shape[0]):
        bid, ask = state[BID], state[ASK]
        two_sided = bid > 0 and ask < width - 1 and bid < ask
        while grid <= t[r] and grid <= stop:
            k = (grid - start) // NS_PER_SECOND
            mid2[k] = bid + ask + 2 * base if two_sided else (mid2[k - 1] if k > 0 else 0)
            grid += NS_PER_SECOND
        until = min(t[r], stop)
        if until > last_ns:
            if two_sided and not state[HALTED]:
                _integrate(level, bid, ask, (until - last_ns) * 1e-9, totals, over)
            last_ns = until
        what, p = tape.kind[r], price[r] - base
        if what == schema.STATUS:
            state[HALTED] = price[r] != 1
        elif what == schema.CLEAR:
            _clear(level, totals)
            state[BID], state[ASK] = 0, width - 1
        elif (
            what == schema.TRADE_HIDDEN
            or what == schema.CROSS
            or what > schema.ROLL_IN
            or (side[r] != BUY and side[r] != SELL)
        ):
            continue
        elif p <= 0 or p >= width - 1:
            over.sums[FAR] += 1
        else:
            s = 0 if side[r] == BUY else 1
            reach = (ask - p) if s == 0 else (p - bid)
            counted = two_sided and not state[HALTED] and start <= t[r] and t[r] < stop
            order = dense[r] if tape.order_id[r] != 0 else -1
            _row(
                r, what, t[r], s, p, tape.qty_lots[r], order, reach, counted, book, marks, over.sums
            )
            state[BID] = _best(level, 0, max(bid, p) if s == 0 else bid)
            state[ASK] = _best(level, 1, min(ask, p) if s == 1 else ask)
    while grid <= stop:
        k = (grid - start) // NS_PER_SECOND
        mid2[k] = mid2[k - 1] if k > 0 else 0
        grid += NS_PER_SECOND


@kernel
def _row(
    r: int,
    what: int,
    now: int,
    s: int,
    p: int,
    qty: int,
    order: int,
    reach: int,
    counted: bool,
    book: CompactBook,
    marks: Marks,
    sums: Floats,
) -> None:
    """Let one row change the book and leave its mark."""
    level, known, state, totals = book
    if what == schema.ADD:
        if now == state[EXEC_NS] and s != state[EXEC_SIDE]:
            sums[REMAINDERS] += counted
        elif counted and reach > 0:
            marks.distance[r] = reach
        _rest(level, known, order, s, p, qty, totals)
    elif what == schema.ROLL_IN:
        _rest(level, known, -1, s, p, qty, totals)
    elif what == schema.ROLL_OUT:
        _forget(level, s, p, totals)
    elif what == schema.EXECUTE:
        if counted:
            if now != state[EXEC_NS] or s != state[EXEC_SIDE] or state[MARKETS] == 0:
                state[MARKETS] += 1
            marks.market[r] = state[MARKETS] - 1
        state[EXEC_NS], state[EXEC_SIDE] = now, s
        sums[UNKNOWN] += _take(level, known, order, s, p, qty, totals) < 0
    elif what == schema.MODIFY and order >= 0 and known[order, LEFT] > 0:
        _take(
            level, known, order, known[order, SIDE], known[order, PRICE], known[order, LEFT], totals
        )
        _rest(level, known, order, s, p, qty, totals)
    elif what in (schema.REDUCE, schema.DELETE):
        gone = _take(level, known, order, s, p, qty, totals)
        sums[UNKNOWN] += gone < 0
        if counted and gone > 0 and reach > 0:
            marks.distance[r], marks.removed[r] = reach, gone
            # Some feeds (LOBSTER 2003) have no delete: a reduction to nothing is one.
            marks.whole[r] = what == schema.DELETE or (order >= 0 and known[order, LEFT] == 0)


@kernel
def _best(level: Any, s: int, start: int) -> int:
    """Best occupied price index of side s from `start` away from the touch; 0 (bid) or width - 1 (ask) when none."""
    p = start
    if s == 0:
        while p > 0 and level[0, p, LOTS] == 0:
            p -= 1
        return p
    while p < level.shape[1] - 1 and level[1, p, LOTS] == 0:
        p += 1
    return p


@kernel
def _integrate(level: Longs, bid: int, ask: int, dt: float, totals: Longs, over: Integrals) -> None:
    """Add `dt` seconds of the standing book to the integrals."""
    sums, lots_time, per_level = over.sums, over.lots_time, over.per_level
    width = level.shape[1]
    sums[SECONDS] += dt
    sums[SPREAD] += dt * (ask - bid)
    sums[LIVE] += dt * (totals[0] + totals[1])
    for s in range(2):
        step = 1 - 2 * s  # from the opposite best: bids lie below the ask, asks above the bid
        p = (ask if s == 0 else bid) - step
        for i in range(1, REACH + 1):
            if p < 0 or p >= width:
                break
            lots_time[i] += dt * level[s, p, LOTS]
            p -= step
        k, p, touch = 0, bid if s == 0 else ask, bid if s == 0 else ask
        while k < LEVELS and 0 <= p < width:
            if level[s, p, LOTS] != 0:
                per_level[0, k] += 0.5 * dt * level[s, p, LOTS]
                per_level[1, k] += 0.5 * dt * abs(p - touch)
                k += 1
            p -= step


@kernel
def _take(level: Any, known: Any, order: int, s: int, p: int, qty: int, totals: Any) -> int:
    """Remove up to `qty` lots of an order, or of its level's anonymous block; gives what was removed, -1 unknown."""
    alive = order >= 0 and known[order, LEFT] > 0
    if alive and known[order, PRICE] == p and known[order, BORN] == level[s, p, EPOCH]:
        gone = min(qty, known[order, LEFT])
        known[order, LEFT] -= gone
        if known[order, LEFT] == 0:
            level[s, p, COUNT] -= 1
            totals[s] -= 1
    elif level[s, p, ANON] > 0:
        gone = min(qty, level[s, p, ANON])
        level[s, p, ANON] -= gone
    else:
        return -1
    level[s, p, LOTS] -= gone
    return int(gone)


@kernel
def _rest(level: Any, known: Any, order: int, s: int, p: int, qty: int, totals: Any) -> None:
    """Put an order (or, with order -1, an anonymous block) to rest."""
    level[s, p, LOTS] += qty
    if order < 0:
        level[s, p, ANON] += qty
        return
    level[s, p, COUNT] += 1
    totals[s] += 1
    known[order, LEFT], known[order, PRICE] = qty, p
    known[order, SIDE], known[order, BORN] = s, level[s, p, EPOCH]


@kernel
def _forget(level: Any, s: int, p: int, totals: Any) -> None:
    """Empty a level and make its orders unknown."""
    totals[s] -= level[s, p, COUNT]
    level[s, p, LOTS], level[s, p, COUNT], level[s, p, ANON] = 0, 0, 0
    level[s, p, EPOCH] += 1


@kernel
def _clear(level: Any, totals: Any) -> None:
    """Empty the book."""
    for s in range(2):
        for p in range(level.shape[1]):
            if level[s, p, LOTS] != 0:
                _forget(level, s, p, totals)


CURVE_BINS = 13
"""Half hours of a session of 6.5 hours: the volume curve."""


@dataclass(frozen=True)
class Census:
    """Sufficient statistics of one day, both sides together, in the tape's own lots and ticks.

    Attributes
    ----------
    seconds : float
        Time counted: both sides quoted, not halted, within the requested bounds.
    placed, cancelled_lots, cancelled_orders : ndarray, shape (REACH + 1,)
        Limit orders placed, lots and orders withdrawn at distance i = 1 .. REACH from the opposite best
        (index 0 unused).
    beyond : int
        Limit orders placed farther than REACH.
    lots_time : ndarray, shape (REACH + 1,)
        Time integral (lot seconds) of what rests at each distance.
    limit_sizes, limit_distance : ndarray, shape (placements,)
        Lots and distance of every placement counted.
    market_sizes : ndarray, shape (market orders,)
        Lots of every market order.
    remainders, hidden_lots, unknown_ids, far_rows : int
        Marketable remainders (not counted as placements), lots of hidden trades, messages of unknown
        orders that found no anonymous lots, rows at prices outside half to twice the median, which are
        left out.
    depth_time, offset_time : ndarray, shape (LEVELS,)
        Time integrals of the lots on, and of the ticks from the touch to, the k-th occupied level, mean of
        both sides.
    spread_time, orders_live_time : float
        Time integrals of the spread (ticks) and of the known resting orders of both sides.
    mid2 : ndarray of int64
        bid + ask in half ticks each full second; the last two-sided value where a side is missing.
    curve_lots : ndarray, shape (CURVE_BINS,)
        Visible executed lots by half hour from the opening, the skipped minutes included.
    """

    seconds: float
    placed: Floats
    cancelled_lots: Floats
    cancelled_orders: Floats
    beyond: int
    lots_time: Floats
    limit_sizes: Ints
    limit_distance: Ints
    market_sizes: Ints
    remainders: int
    hidden_lots: int
    unknown_ids: int
    far_rows: int
    depth_time: Floats
    offset_time: Floats
    spread_time: float
    orders_live_time: float
    mid2: Ints
    curve_lots: Floats


def census(
    events: Events, open_ns: int, close_ns: int, skip_ns: int = 900 * NS_PER_SECOND
) -> Census:
    """Count one day.

    Parameters
    ----------
    events : Events
        Canonical columns in file order. Order-level events only.
    open_ns, close_ns : int
        Session bounds on the clock of `exch_ns`.
    skip_ns : int
        Nothing but the volume curve is counted in the first `skip_ns` of the session (default 15 minutes).

    Raises
    ------
    ConfigError
        No events, a feed of level totals (LEVEL_SET), or no time left after the skipped minutes.
    """
    kind, n = events.kind, len(events.kind)
    if n == 0 or not np.any(kind == ADD):
        raise ConfigError(
            "a tape with limit orders", f"{n} events without one ADD", "calibrate on other days"
        )
    if np.any(kind == LEVEL_SET):
        raise ConfigError(
            "order-level events",
            "LEVEL_SET rows of a level feed",
            "calibrate on an order-level feed",
        )
    if open_ns + skip_ns >= close_ns:
        raise ConfigError(
            "a session longer than the minutes skipped",
            f"{(close_ns - open_ns) / NS_PER_SECOND:g} s with {skip_ns / NS_PER_SECOND:g} s skipped",
            "give the session's bounds, or skip less",
        )
    base, width = _window(events)
    _, dense = np.unique(events.order_id, return_inverse=True)
    seconds = int((close_ns - open_ns - skip_ns) // NS_PER_SECOND)
    marks = Marks(
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
        np.full(n, -1, np.int32),
    )
    over = Integrals(
        np.zeros(SUMS),
        np.zeros(REACH + 1),
        np.zeros((2, LEVELS)),
        np.zeros(seconds + 1, np.int64),
    )
    sizes = ((2, width, 4), (int(dense.max()) + 1, 4), STATE, 2)
    book = CompactBook(*(np.zeros(size, np.int64) for size in sizes))
    count(
        events.columns(),
        dense.astype(np.int64),
        open_ns + skip_ns,
        close_ns,
        base,
        book,
        marks,
        over,
    )
    return _collect(events, open_ns, close_ns, marks, over)


def _window(events: Events) -> tuple[int, int]:
    """Lowest price and number of prices of the compact book: half to twice the median resting price."""
    prices = events.price_ticks[
        (events.kind == ADD) | (events.kind == ROLL_IN) | (events.kind == MODIFY)
    ]
    median = int(np.median(prices))
    reach = max(abs(median) // 2, 2 * REACH)
    low, high = max(median - reach, int(prices.min())), min(median + 2 * reach, int(prices.max()))
    return low - 1, high - low + 3


def _collect(events: Events, open_ns: int, close_ns: int, marks: Marks, over: Integrals) -> Census:
    """Per-row marks of the kernel, counted."""
    distance, removed, whole, market = marks
    sums, lots_time, per_level, mid2 = over
    kind, qty = events.kind, events.qty_lots.astype(np.int64)
    added = (kind == ADD) & (distance > 0)
    gone = ((kind == REDUCE) | (kind == DELETE)) & (distance > 0)
    near = distance <= REACH
    orders = market >= 0
    sizes = np.bincount(market[orders], weights=qty[orders]).astype(np.int64)
    visible = (kind == EXECUTE) & (events.exch_ns >= open_ns) & (events.exch_ns < close_ns)
    bins = ((events.exch_ns[visible] - open_ns) * CURVE_BINS // (close_ns - open_ns)).astype(
        np.int64
    )
    hidden = (kind == TRADE_HIDDEN) & (events.exch_ns >= open_ns) & (events.exch_ns < close_ns)

    def by_distance(rows: Bools, weights: AnyArray | None = None) -> Floats:
        chosen = rows & near
        weighted = None if weights is None else weights[chosen]
        return np.bincount(distance[chosen], weights=weighted, minlength=REACH + 1).astype(
            np.float64
        )

    return Census(
        seconds=float(sums[SECONDS]),
        placed=by_distance(added),
        cancelled_lots=by_distance(gone, removed),
        cancelled_orders=by_distance(gone & whole),
        beyond=int(np.sum(added & ~near)),
        lots_time=lots_time,
        limit_sizes=qty[added],
        limit_distance=distance[added].astype(np.int64),
        market_sizes=sizes,
        remainders=int(sums[REMAINDERS]),
        hidden_lots=int(qty[hidden].sum()),
        unknown_ids=int(sums[UNKNOWN]),
        far_rows=int(sums[FAR]),
        depth_time=per_level[0],
        offset_time=per_level[1],
        spread_time=float(sums[SPREAD]),
        orders_live_time=float(sums[LIVE]),
        mid2=mid2,
        curve_lots=np.bincount(bins, weights=qty[visible], minlength=CURVE_BINS).astype(np.float64),
    )


def total(days: Sequence[Census], field: str) -> Any:
    """Sum of one field over days."""
    return sum(getattr(day, field) for day in days)
