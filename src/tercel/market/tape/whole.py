"""A tape of some levels near the touch as one of whole books, every order with a name.

A feed of L levels says nothing of what lies beyond them. Here that stays as it was when it was last seen:

- A level that leaves the window keeps its orders. When it comes back with fewer lots, those at the back of its queue
  have gone; with more, these joined there.
- Nothing is known of a level before it is first seen. What would be shown if it were still there has gone: what lies
  nearer to the touch than a level that is shown, and all where fewer levels are shown than the feed has.
- All of this happens before the message with which the level is shown, while it is out of sight: whoever looks at the
  tape through as many levels sees the feed's own book after every message and no order more.
- A message on an order that was never shown takes lots that nobody shown since owns: an execution from the front of
  the queue, a cancel from its back.
"""

from bisect import insort
from collections import defaultdict
from dataclasses import replace

import numpy as np

from tercel.market.tape.events import Events, Instrument
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE, ROLL_IN, ROLL_OUT


def whole_book(instrument: Instrument, events: Events) -> tuple[Instrument, Events]:
    """A day of single orders within a window of levels as a day of whole books.

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
    old: set[int] = set()  # orders with which a level came into view
    number, rolled = int(events.order_id.max(initial=0)) + 1, (0, 0)

    def take(ns: int, kind: int, side: int, price: int, lots: int, orders: list[int]) -> None:
        """Lots go from these orders of a level, in turn."""
        level = levels[side, price]
        for one in orders:
            if (gone := min(lots, level[one])) > 0:
                less = EXECUTE if kind == EXECUTE else REDUCE if gone < level[one] else DELETE
                rows.append((ns, less, one, side, price, gone))
                level[one] -= gone
                lots -= gone
                if not level[one]:
                    del level[one]

    told = (
        events.exch_ns,
        events.seq,
        events.kind,
        events.order_id,
        events.side,
        events.price_ticks,
        events.qty_lots,
    )
    first = np.lexsort(
        (events.kind != ROLL_IN, events.seq)
    )  # what comes into view was there before the message
    for ns, seq, kind, who, side, price, lots in np.column_stack(
        [np.int64(column[first]) for column in told]
    ).tolist():
        level = levels[side, price]
        emptied = (
            kind in (REDUCE, DELETE, EXECUTE)
            and sum(level.values()) <= lots
            and rolled != (seq, side)
        )
        if kind in (ADD, ROLL_IN) or emptied:
            rolled = seq, side
            while hidden[side] and (emptied or hidden[side][-1] >= side * price):
                at = side * hidden[side].pop()
                if at != price or kind != ROLL_IN:  # it would be shown if it were still there
                    take(
                        ns, DELETE, side, at, sum(levels[side, at].values()), list(levels[side, at])
                    )
        if kind == ROLL_OUT:
            insort(hidden[side], side * price)
        elif kind in (ADD, ROLL_IN):
            if (more := lots - sum(level.values()) * (kind == ROLL_IN)) > 0:
                level[who or number + len(rows)] = more
                rows.append((ns, ADD, who or number + len(rows), side, price, more))
            take(ns, DELETE, side, price, -more, list(level)[::-1])
            old.update(level if kind == ROLL_IN else ())
        elif kind in (REDUCE, DELETE, EXECUTE):
            others = [one for one in level if one in old and one != who]
            take(
                ns,
                kind,
                side,
                price,
                lots,
                [who] * (who in level) + others[:: 1 if kind == EXECUTE else -1],
            )
        else:
            rows.append((ns, kind, who, side, price, lots))
    return replace(instrument, levels=0), Events.of_messages(
        *np.array(rows, np.int64).reshape(-1, 6).T
    )
