"""Census of a day of tape for a flow model: placements, cancels, market orders, book averages.

Real days and simulated days go through the same pass (`census_kernel`), so a fit table compares like with like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Ints
from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.census_kernel import (
    FAR,
    LEVELS,
    LIVE,
    REACH,
    REMAINDERS,
    SECONDS,
    SPREAD,
    STATE,
    SUMS,
    UNKNOWN,
    CompactBook,
    Integrals,
    Marks,
    count_rows,
)
from tercel.market.tape import Events
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
    """Census of one day of order-level events between its session bounds, both sides together.

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
    kind = events.kind
    n = len(events.kind)
    if np.any(kind == LEVEL_SET):
        raise ConfigError(
            "order-level events",
            "LEVEL_SET rows of a level feed",
            "calibrate on an order-level feed",
        )
    if n == 0 or not np.any(kind == ADD):
        raise ConfigError(
            "a tape with a book: orders, levels or quotes",
            f"{n:,} events, none of an order: trades alone have no book",
            "import the day's orders, levels or quotes with its trades, or calibrate on other days",
        )
    if open_ns + skip_ns >= close_ns:
        raise ConfigError(
            "a session longer than the minutes skipped",
            f"{(close_ns - open_ns) / NS_PER_SECOND:g} s with {skip_ns / NS_PER_SECOND:g} s skipped",
            "give the session's bounds, or skip less",
        )
    base, width = _window(events)
    ids, dense = np.unique(events.order_id, return_inverse=True)
    seconds = int((close_ns - open_ns - skip_ns) // NS_PER_SECOND)
    marks = Marks(
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
        np.full(n, -1, np.int32),
    )
    integrals = Integrals(
        np.zeros(SUMS),
        np.zeros(REACH + 1),
        np.zeros((2, LEVELS)),
        np.zeros(seconds + 1, np.int64),
    )
    sizes = ((2, width, 4), (len(ids), 4), STATE, 2)
    book = CompactBook(*(np.zeros(size, np.int64) for size in sizes))
    count_rows(
        events.columns(),
        dense.astype(np.int64),
        open_ns + skip_ns,
        close_ns,
        base,
        book,
        marks,
        integrals,
    )
    return _collect(events, open_ns, close_ns, marks, integrals)


def _window(events: Events) -> tuple[int, int]:
    """Lowest price and number of prices of the compact book: from half to twice the median resting price."""
    prices = events.price_ticks[
        (events.kind == ADD) | (events.kind == ROLL_IN) | (events.kind == MODIFY)
    ]
    median = int(np.median(prices))
    reach = max(abs(median) // 2, 2 * REACH)
    low = max(median - reach, int(prices.min()))
    high = min(median + 2 * reach, int(prices.max()))
    return low - 1, high - low + 3


def _collect(
    events: Events, open_ns: int, close_ns: int, marks: Marks, integrals: Integrals
) -> Census:
    """Statistics of a day from the marks that the kernel left on its rows."""
    distance, removed, full_cancel, market = marks
    sums, lots_time, per_level, mid2 = integrals
    kind = events.kind
    qty = events.qty_lots.astype(np.int64)
    added = (kind == ADD) & (distance > 0)
    withdrawn = ((kind == REDUCE) | (kind == DELETE)) & (distance > 0)
    near = distance <= REACH
    orders = market >= 0
    sizes = np.bincount(market[orders], weights=qty[orders]).astype(np.int64)
    visible = (kind == EXECUTE) & (events.exch_ns >= open_ns) & (events.exch_ns < close_ns)
    bins = ((events.exch_ns[visible] - open_ns) * CURVE_BINS // (close_ns - open_ns)).astype(
        np.int64
    )
    hidden = (kind == TRADE_HIDDEN) & (events.exch_ns >= open_ns) & (events.exch_ns < close_ns)

    def by_distance(rows: Bools, weights: AnyArray | None = None) -> Floats:
        """Sum of weights (or number) of the selected rows by distance from the opposite best, float64[REACH + 1]."""
        selected = rows & near
        weighted = None if weights is None else weights[selected]
        return np.bincount(distance[selected], weights=weighted, minlength=REACH + 1).astype(
            np.float64
        )

    return Census(
        seconds=float(sums[SECONDS]),
        placed=by_distance(added),
        cancelled_lots=by_distance(withdrawn, removed),
        cancelled_orders=by_distance(withdrawn & full_cancel),
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
