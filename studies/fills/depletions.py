"""Depletions of the touch: is the old price back, does the far side follow?

By a trade: one market order (executions of one stamp and side) leaves its side's best price worse than it found it. By
a cancel: so does a withdrawal. *Back* after h seconds: the best quote is at the old price or better. *Followed*: after
ten seconds the far side's quote stands nearer to the gap than before.
"""

from typing import Final

import numpy as np

from studies.fills import fills_kernel as k
from studies.fills.markouts import MarkoutOrders
from studies.fills.replayed import ReplayTally
from tercel.core import DELETE, NS_PER_SECOND, REDUCE, Longs

RETURNS_S: Final = (1, 10, 60)
FOLLOWED_S: Final = 10


def add_depletions(tally: ReplayTally, orders: MarkoutOrders) -> None:
    """Add up outcomes after depletions by trades and by cancels."""
    _add(tally, "trade", orders.before, orders.last, orders.side)
    kind = tally.day.rows[:, k.KIND]
    rows = np.flatnonzero((kind == REDUCE) | (kind == DELETE))
    _add(tally, "cancel", rows - 1, rows, tally.day.rows[rows, k.SIDE])


def _add(tally: ReplayTally, name: str, before: Longs, last: Longs, side: Longs) -> None:
    """Among these rows those that emptied the touch."""
    day = tally.day
    chosen = (before >= 0) & day.within(day.ns[last])
    before, last, side = before[chosen], last[chosen], side[chosen]
    bid, ask = day.seen[:, k.BID], day.seen[:, k.ASK]
    own = np.where(side > 0, bid[before], ask[before])
    emptied = ((np.where(side > 0, bid[last], ask[last]) - own) * side < 0) & (
        bid[before] < ask[before]
    )
    before, last, side, own = before[emptied], last[emptied], side[emptied], own[emptied]
    ns = day.ns[last]
    for seconds in RETURNS_S:
        at = day.row_at(ns + seconds * NS_PER_SECOND)
        back = (np.where(side > 0, bid[at], ask[at]) - own) * side >= 0
        tally.add_mean(
            f"back_after_{name}_{seconds}s", ns, back, day.has_book(ns + seconds * NS_PER_SECOND)
        )
    after = ns + FOLLOWED_S * NS_PER_SECOND
    at = day.row_at(after)
    gap = np.where(side > 0, ask[at] - ask[before], bid[at] - bid[before]) * side
    tally.add_mean(f"followed_after_{name}_{FOLLOWED_S}s", ns, gap < 0, day.has_book(after))
