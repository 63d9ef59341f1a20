"""Mark-outs: where the mid stands after a passive fill, seen from who was passive.

Of ghosts the mark-out counts from the fill price: what a maker earns before fees. Of market orders it counts from the
mid just before. Executions of one stamp and one side are one market order; hidden executions are none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.fills import fills_kernel as k
from studies.fills.replayed import ReplayedDay, ReplayTally
from tercel.core import EXECUTE, NS_PER_SECOND, Floats, Longs

HORIZONS_S: Final = (1, 10, 60, 300)
BPS: Final = 1e4
COUNT_S: Final = 300
"""Market orders are counted over so long for their Fano factor."""


@dataclass(frozen=True, eq=False)
class MarkoutOrders:
    """Market orders of a day.

    Attributes
    ----------
    ns : int64[m]
    side : int64[m]
        Of the resting orders that they hit: +1 bid.
    before, last : int64[m]
        Row just before the first execution, row of the last.
    """

    ns: Longs
    side: Longs
    before: Longs
    last: Longs


def market_orders(day: ReplayedDay) -> MarkoutOrders:
    """Executions of one stamp and side together."""
    at = np.flatnonzero(day.rows[:, k.KIND] == EXECUTE)
    ns, side = day.ns[at], day.rows[at, k.SIDE]
    new = np.ones(len(at), np.bool_)
    new[1:] = (ns[1:] != ns[:-1]) | (side[1:] != side[:-1])
    start = np.flatnonzero(new)
    end = np.append(start[1:], len(at))[: len(start)] - 1
    return MarkoutOrders(ns[start], side[start], at[start] - 1, at[end])


def add_ghosts(
    tally: ReplayTally, name: str, ghosts: Floats, among: NDArray[np.bool_], behind: int = 0
) -> None:
    """Add up mark-outs of ghosts, float64[G, 2, FOUND], that joined at the `behind`-th of `DISTANCES`."""
    day = tally.day
    filled = among & (ghosts[..., k.FILLED] < k.NEVER)
    when = day.starts[:, None] + np.round(
        np.where(filled, ghosts[..., k.FILLED], 0.0) * NS_PER_SECOND
    ).astype(np.int64)
    price = day.stand[:, :, behind, k.STAND_PRICE].astype(np.float64)
    side = np.array([[1.0, -1.0]]) + 0.0 * ghosts[..., 0]
    _add(tally, name, when[filled], side[filled], price[filled])


def add_markouts(
    tally: ReplayTally, ghosts: Floats, fine: NDArray[np.bool_], orders: MarkoutOrders
) -> None:
    """Add up mark-outs in ticks and bps: `ghosts` float64[G, 2, FOUND] of the touch."""
    day = tally.day
    add_ghosts(tally, "markout", ghosts, fine)
    mid = day.mid_of(orders.before)
    counted = day.within(orders.ns) & np.isfinite(mid)
    _add(
        tally,
        "market_markout",
        orders.ns[counted],
        orders.side[counted].astype(np.float64),
        mid[counted],
    )


def _add(tally: ReplayTally, name: str, ns: Longs, side: Floats, start: Floats) -> None:
    """Means of the move in the passive side's favour after each horizon."""
    for seconds in HORIZONS_S:
        move = side * (tally.day.mid_at(ns + seconds * NS_PER_SECOND) - start)
        there = np.isfinite(move)
        tally.add_mean(f"{name}_{seconds}s_ticks", ns, move, there)
        tally.add_mean(f"{name}_{seconds}s_bps", ns, BPS * move / start, there)


def add_counts(tally: ReplayTally, orders: MarkoutOrders) -> None:
    """Market orders in stretches of 300 s: `fano`, squares about the day's mean, over `fano#`, their number."""
    day, (start, stop) = tally.day, tally.day.window
    edges = np.arange(start, stop + 1, COUNT_S * NS_PER_SECOND)
    if len(edges) < 2:
        return
    counts = np.histogram(orders.ns, edges)[0].astype(np.float64)
    minutes = edges[:-1, None] + np.arange(COUNT_S // 60) * 60 * NS_PER_SECOND
    whole = day.has_book(minutes).all(axis=1)
    ns, counts = edges[:-1][whole], counts[whole]
    tally.add("fano", ns, (counts - counts.mean()) ** 2 if len(counts) else counts)
    tally.add("fano#", ns, counts)
