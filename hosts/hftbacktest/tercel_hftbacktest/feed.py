"""Days in hftbacktest's event arrays: read, cut to a window, and with aggressors shown.

hftbacktest's L3 queue model reads who traded from the resting orders that were filled. The other side of a trade, the
aggressor, is not in its data. :func:`show_aggressors` adds it as an order, so that one can see what its absence causes.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from hftbacktest import (
    ADD_ORDER_EVENT,
    BUY_EVENT,
    CANCEL_ORDER_EVENT,
    EXCH_EVENT,
    FILL_EVENT,
    LOCAL_EVENT,
    MODIFY_ORDER_EVENT,
    SELL_EVENT,
)
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

Events = NDArray[Any]
"""Structured array of `hftbacktest.types.event_dtype`: ev, exch_ts, local_ts (ns), px, qty, order_id, ival, fval."""

PLAIN: Final = "plain"
SHOWN: Final = "shown"
THROUGH: Final = "through"
FEEDS: Final = (PLAIN, SHOWN, THROUGH)
"""The day as exported; with aggressors as orders; so, and without fills, so that only trades through a price fill."""
KIND_BITS: Final = 0xFF
AGGRESSOR_IDS: Final = 1 << 62
"""Ids of added aggressors begin here, above those of any exchange."""


def kinds(events: Events) -> NDArray[np.uint64]:
    """Kind of each event (`ADD_ORDER_EVENT` and so on), uint64 (n,).

    >>> kinds(event(ADD_ORDER_EVENT, BUY_EVENT, 5, 1.25, 100, 7)).tolist() == [ADD_ORDER_EVENT]
    True
    """
    return np.asarray(events["ev"] & np.uint64(KIND_BITS))


def event(kind: int, side: int, ns: int, price: float, size: float, order_id: int) -> Events:
    """One event of the exchange and of the feed, without latency: array (1,).

    >>> event(FILL_EVENT, SELL_EVENT, 5, 1.25, 100, 7)["qty"].tolist()
    [100.0]
    """
    row = np.zeros(1, event_dtype)
    row["ev"] = kind | side | EXCH_EVENT | LOCAL_EVENT
    row["exch_ts"] = row["local_ts"] = ns
    row["px"], row["qty"], row["order_id"] = price, size, order_id
    return row


def read_day(file: str | Path) -> Events:
    """Events of an exported day (``.npz`` with an array `data`), by time."""
    with np.load(file) as arrays:
        return np.asarray(arrays["data"])


def show_aggressors(events: Events, tick: float, feed: str = SHOWN) -> Events:
    """The same day with the aggressor of each fill as an order, one tick short of the price at which it traded.

    It comes before the fill and is gone before it, too: no order of the day meets it, only orders of a backtest that
    are beyond the trade's price.

    Parameters
    ----------
    events : structured array (n,)
    tick : float
    feed : str
        One of `FEEDS`.

    >>> bid, fill = event(ADD_ORDER_EVENT, BUY_EVENT, 1, 9.0, 5, 1), event(FILL_EVENT, BUY_EVENT, 2, 9.0, 5, 1)
    >>> show_aggressors(np.concatenate((bid, fill)), 1.0)["px"].tolist()
    [9.0, 10.0, 10.0, 9.0]
    """
    if feed == PLAIN:
        return events
    fills = np.flatnonzero(kinds(events) == FILL_EVENT)
    came = events[fills]
    of_bid = (came["ev"] & np.uint64(BUY_EVENT)) > 0
    side = np.where(of_bid, SELL_EVENT, BUY_EVENT).astype(np.uint64)
    came["px"] += np.where(of_bid, tick, -tick)
    came["order_id"] = AGGRESSOR_IDS + np.arange(len(fills), dtype=np.uint64)
    gone = came.copy()
    for rows, kind in ((came, ADD_ORDER_EVENT), (gone, CANCEL_ORDER_EVENT)):
        rows["ev"] = np.uint64(kind | EXCH_EVENT | LOCAL_EVENT) | side
    pairs = np.stack((came, gone), axis=1).ravel()
    shown: Events = np.insert(events, np.repeat(fills, 2), pairs)
    return shown if feed == SHOWN else shown[kinds(shown) != FILL_EVENT]


def between(events: Events, begin_ns: int, end_ns: int) -> Events:
    """Events of a window, after the orders that rest as it begins: these are added at `begin_ns`, in their order of priority.

    A record of no event is the last, at `end_ns`: a backtest ends with its data, and an order may work longer than the
    last event of the window.

    >>> first, second = (event(ADD_ORDER_EVENT, BUY_EVENT, ns, 9.0, 5, ns) for ns in (1, 9))
    >>> between(np.concatenate((first, second)), 4, 10)["exch_ts"].tolist()
    [4, 9, 10]
    """
    start, stop = np.searchsorted(events["exch_ts"], [begin_ns, end_ns])
    opening = resting(events[:start])
    opening["exch_ts"] = opening["local_ts"] = begin_ns
    return np.concatenate((opening, events[start:stop], event(0, 0, end_ns, 0.0, 0.0, 0)))


def resting(events: Events) -> Events:
    """Orders that rest after some events, as events that add them, in their order of priority.

    A modification with more lots, or another price, is behind the others.

    >>> rows = [event(ADD_ORDER_EVENT, BUY_EVENT, n, 9.0, 5, n) for n in (1, 2, 3)]
    >>> rows += [event(CANCEL_ORDER_EVENT, BUY_EVENT, 4, 9.0, 5, 2), event(MODIFY_ORDER_EVENT, BUY_EVENT, 5, 9.0, 7, 1)]
    >>> resting(np.concatenate(rows))[["order_id", "qty"]].tolist()
    [(3, 5.0), (1, 7.0)]
    """
    of_order = (ADD_ORDER_EVENT, CANCEL_ORDER_EVENT, MODIFY_ORDER_EVENT)
    place = np.flatnonzero(np.isin(kinds(events), of_order))
    place = place[np.argsort(events["order_id"][place], kind="stable")]
    rows = events[place]
    kind, same = kinds(rows), rows["order_id"][1:] == rows["order_id"][:-1]
    behind = kind == ADD_ORDER_EVENT
    worse = (rows["qty"][1:] > rows["qty"][:-1]) | (rows["px"][1:] != rows["px"][:-1])
    behind[1:] |= (kind[1:] == MODIFY_ORDER_EVENT) & same & worse
    joined = np.maximum.accumulate(np.where(behind, np.arange(len(rows)), 0))
    last = np.append(~same, True) & (kind != CANCEL_ORDER_EVENT) if len(rows) else behind
    order = np.argsort(place[joined[last]])
    found = rows[last][order]
    bits = np.uint64(KIND_BITS)
    found["ev"] = (found["ev"] & ~bits) | np.uint64(ADD_ORDER_EVENT)
    return np.asarray(found)
