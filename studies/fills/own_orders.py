"""Survival of the tape's own limit orders: those that joined the touch, and those that improved it.

An order counts as filled once any of it was executed. What a market order leaves resting is no such order. One that a
feed forgets with its level can fill no more.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.fills import fills_kernel as k
from studies.fills.fills import WAITS_S
from studies.fills.replayed import ReplayedDay, ReplayTally
from tercel.core import ADD, DELETE, EXECUTE, NS_PER_SECOND, REDUCE, Longs

Bools = NDArray[np.bool_]

KINDS: Final = ("joins", "improves")
QUICK_S: Final = 10
"""Cancelled so soon counts as quick."""


def add_own_orders(tally: ReplayTally) -> None:
    """Add up the survival of joining and improving limit orders."""
    day = tally.day
    at = np.flatnonzero((day.rows[:, k.KIND] == ADD) & ~_remainder(day))
    gap = (day.rows[at, k.PRICE] - day.seen[at, k.BEFORE]) * day.rows[at, k.SIDE]
    ns = day.ns[at]
    filled, cancelled = _first(day, EXECUTE)[at] - ns, _gone(day)[at] - ns
    fine = day.within(ns)
    for kind, among in (("joins", fine & (gap == 0)), ("improves", fine & (gap > 0))):
        for wait in WAITS_S:
            in_time = among & (ns + wait * NS_PER_SECOND <= day.close_ns)
            tally.add_mean(f"{kind}_filled_{wait}s", ns, filled <= wait * NS_PER_SECOND, in_time)
        quick = (cancelled <= QUICK_S * NS_PER_SECOND) & (filled > cancelled)
        tally.add_mean(f"{kind}_cancelled_{QUICK_S}s", ns, quick, among)


def _remainder(day: ReplayedDay) -> Bools:
    """Rows that come to rest at the stamp of an execution on the other side: what a market order left."""
    rows = day.rows
    traded = np.flatnonzero(rows[:, k.KIND] == EXECUTE)
    last = (
        traded[np.maximum(np.searchsorted(traded, np.arange(len(rows))) - 1, 0)]
        if len(traded)
        else np.zeros(len(rows), np.int64)
    )
    same = (
        (rows[last, k.NS] == rows[:, k.NS])
        & (rows[last, k.SIDE] == -rows[:, k.SIDE])
        & (last < np.arange(len(rows)))
    )
    return np.asarray(same & (rows[last, k.KIND] == EXECUTE))


def _first(day: ReplayedDay, kind: int) -> Longs:
    """When an order, by its row, first met a row of a kind; far away where it never did."""
    rows = np.flatnonzero((day.rows[:, k.KIND] == kind) & (day.seen[:, k.BORN] >= 0))
    found = np.full(len(day.rows), 1 << 62, np.int64)
    np.minimum.at(found, day.seen[rows, k.BORN], day.ns[rows])
    return found


def _gone(day: ReplayedDay) -> Longs:
    """When an order was withdrawn whole, by its row."""
    rows = np.flatnonzero(
        np.isin(day.rows[:, k.KIND], (REDUCE, DELETE)) & (day.seen[:, k.BORN] >= 0)
    )
    left = np.bincount(
        day.seen[rows, k.BORN], weights=day.seen[rows, k.TOOK], minlength=len(day.rows)
    )
    whole = left >= day.rows[:, k.LOTS]
    found = np.full(len(day.rows), -1, np.int64)
    np.maximum.at(found, day.seen[rows, k.BORN], day.ns[rows])
    return np.where(whole & (found >= 0), found, 1 << 62)
