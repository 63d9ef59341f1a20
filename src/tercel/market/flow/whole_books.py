"""A tape of some levels near the touch as a tape of whole books, every order with an id.

A feed of L levels says nothing of what lies beyond them. Here the unseen levels stay as they were when they were last seen:

- A level that leaves the window keeps its orders. When it comes back with fewer lots, those at the back of its queue
  have gone; with more, these joined there.
- Nothing is known of a level before it is first seen. What would be shown if it were still there has gone: what lies
  nearer to the touch than a level that is shown, and all where fewer levels are shown than the feed has.
- All of this happens before the message with which the level is shown, while it is out of sight: an observer of the
  tape through as many levels sees the feed's own book after every message and no order more.
- A message on an order that was never shown takes lots of orders that were not shown: an execution from the front of
  the queue, a cancel from its back.
"""

from bisect import insort
from collections import defaultdict
from dataclasses import replace

import numpy as np

from tercel.market.tape.events import Events, Instrument
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE, ROLL_IN, ROLL_OUT


def whole_book(instrument: Instrument, events: Events) -> tuple[Instrument, Events]:
    """A day of single orders within a window of levels, rewritten as a day of whole books.

    Parameters
    ----------
    instrument : Instrument
    events : Events
        ADD, REDUCE, DELETE, EXECUTE, ROLL_IN and ROLL_OUT rows; others stay as they are.

    Returns
    -------
    instrument : Instrument
        Of all levels.
    events : Events
        A message each row.
    """
    rows: list[tuple[int, ...]] = []
    levels: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    hidden: dict[int, list[int]] = {
        1: [],
        -1: [],
    }  # side times price of the levels out of sight, the nearest last
    in_view: set[int] = set()  # orders with which a level came into view
    number = int(events.order_id.max(initial=0)) + 1
    last_in_view = (0, 0)

    def take(ns: int, kind: int, side: int, price: int, lots: int, orders: list[int]) -> None:
        """Write that `lots` leave these orders of a level, in turn, as rows of the given kind."""
        level = levels[side, price]
        for order_id in orders:
            if (taken := min(lots, level[order_id])) > 0:
                kind_out = (
                    EXECUTE if kind == EXECUTE else REDUCE if taken < level[order_id] else DELETE
                )
                rows.append((ns, kind_out, order_id, side, price, taken))
                level[order_id] -= taken
                lots -= taken
                if not level[order_id]:
                    del level[order_id]

    columns = (
        events.exch_ns,
        events.seq,
        events.kind,
        events.order_id,
        events.side,
        events.price_ticks,
        events.qty_lots,
    )
    arrival_order = np.lexsort(
        (events.kind != ROLL_IN, events.seq)
    )  # what comes into view was there before the message
    for ns, seq, kind, order_id, side, price, lots in np.column_stack(
        [np.int64(column[arrival_order]) for column in columns]
    ).tolist():
        level = levels[side, price]
        emptied = (
            kind in (REDUCE, DELETE, EXECUTE)
            and sum(level.values()) <= lots
            and last_in_view != (seq, side)
        )
        if kind in (ADD, ROLL_IN) or emptied:
            last_in_view = seq, side
            while hidden[side] and (emptied or hidden[side][-1] >= side * price):
                hidden_price = side * hidden[side].pop()
                if (
                    hidden_price != price or kind != ROLL_IN
                ):  # it would be shown if it were still there
                    take(
                        ns,
                        DELETE,
                        side,
                        hidden_price,
                        sum(levels[side, hidden_price].values()),
                        list(levels[side, hidden_price]),
                    )
        if kind == ROLL_OUT:
            insort(hidden[side], side * price)
        elif kind in (ADD, ROLL_IN):
            if (added := lots - sum(level.values()) * (kind == ROLL_IN)) > 0:
                level[order_id or number + len(rows)] = added
                rows.append((ns, ADD, order_id or number + len(rows), side, price, added))
            take(ns, DELETE, side, price, -added, list(level)[::-1])
            in_view.update(level if kind == ROLL_IN else ())
        elif kind in (REDUCE, DELETE, EXECUTE):
            old_orders = [old_id for old_id in level if old_id in in_view and old_id != order_id]
            take(
                ns,
                kind,
                side,
                price,
                lots,
                [order_id] * (order_id in level) + old_orders[:: 1 if kind == EXECUTE else -1],
            )
        else:
            rows.append((ns, kind, order_id, side, price, lots))
    return replace(instrument, levels=0), Events.of_messages(
        *np.array(rows, np.int64).reshape(-1, 6).T
    )
