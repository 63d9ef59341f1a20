"""What the rows of a tape are as market events of other systems: those of orders, or of levels where orders have no ids."""

from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Floats, Ints
from tercel.core.jit import Longs, Packed
from tercel.feeds import export_kernels as k
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.tape import schema
from tercel.market.tape.events import Events

NOTHING, DEPTH, TRADE, CLEAR, ADD, CANCEL, MODIFY, FILL = 0, 1, 2, 3, 10, 11, 12, 13
"""Market events, in the numbers of hftbacktest: DEPTH sets the lots of a level, FILL names the order of a trade and is
followed by what is left of it, NOTHING is a row that the others have no event for."""
_ON_BOOK: Final = (
    *(schema.ADD, schema.REDUCE, schema.DELETE, schema.EXECUTE),
    *(schema.MODIFY, schema.LEVEL_SET, schema.ROLL_OUT, schema.ROLL_IN),
)


class MarketEvents(NamedTuple):
    """Market events int64 (m,) in the order of the tape.

    `row` of the tape each comes from; `event`, `side` (of the aggressor for a TRADE, else of the order or level; 0 none),
    `ticks`, `lots`; `names_row`: one event for each row, whose `ticks` are the row's.
    """

    row: Ints
    event: Ints
    side: Ints
    ticks: Ints
    lots: Ints
    names_row: Bools
    has_queues: bool


def market_events(events: Events) -> MarketEvents:
    """Market events of a tape: of orders where all have ids, else of levels.

    An execution is a TRADE, then FILL and CANCEL or MODIFY, or the lots that its level still has (DEPTH). Messages about
    unknown orders change no book and are NOTHING, their executions TRADE alone.

    >>> tape = Events.of_messages(*np.array([[5, 9], [1, 4], [7, 7], [1, 1], [99, 99], [3, 2]]))
    >>> found = market_events(tape)
    >>> list(zip(found.event.tolist(), found.side.tolist(), found.lots.tolist()))
    [(10, 1, 3), (2, -1, 2), (13, 1, 2), (12, 1, 1)]
    """
    met = np.zeros((events.n, k.MET), np.int32)

    def replay(book: Packed, ids: Ids, key_of: Longs) -> None:
        """Replay the tape on the arrays of an empty book."""
        met[:] = 0
        k.orders_met(book, ids, key_of, *events.columns()[3:8], met)

    run_with_room(replay)
    on_levels = np.isin(events.kind, (schema.LEVEL_SET, schema.ROLL_OUT, schema.ROLL_IN))
    anonymous = (events.kind == schema.ADD) & (events.order_id == 0)
    has_queues = not (on_levels | anonymous).any()
    plan = (_of_orders if has_queues else _of_levels)(events, met)
    row, slot = np.nonzero(plan[0] >= 0)
    event, side, ticks, lots = (table[row, slot] for table in plan[:4])
    return MarketEvents(row, event, side, ticks, lots, plan[4][row] == slot, has_queues)


def decimals(numbers: AnyArray, unit: Fraction) -> Floats:
    """Integers times a unit, each the double next to the exact product (for a unit of at most 15 digits).

    >>> decimals(np.array([3, 2531]), Fraction("0.01")).tolist()
    [0.03, 25.31]
    """
    return np.asarray(numbers * float(unit.numerator) / float(unit.denominator))


Plan = tuple[Ints, Ints, Ints, Ints, Ints]


def _blank(events: Events) -> Plan:
    """Market events (-1: none), sides, ticks and lots int64 (n, 3) of the records of each row, and which of them names it."""
    event = np.full((events.n, 3), -1)
    event[:, 1] = 0
    side, ticks, lots = (
        np.repeat(column.astype(np.int64)[:, None], 3, axis=1)
        for column in (events.side, events.price_ticks, events.qty_lots)
    )
    traded = np.isin(events.kind, (schema.EXECUTE, schema.TRADE, schema.TRADE_HIDDEN, schema.CROSS))
    event[traded & (events.qty_lots > 0), 0] = TRADE
    side[:, 0] *= -1  # of the aggressor
    side[events.kind == schema.CROSS, 0] = 0
    event[event[:, 0] == TRADE, 1] = -1
    event[events.kind == schema.CLEAR, 1] = CLEAR
    side[events.kind == schema.CLEAR, 1] = 0
    return event, side, ticks, lots, np.where(event[:, 0] == TRADE, 0, 1)


def _of_orders(events: Events, met: Packed) -> Plan:
    """Plan of records where each order has an id."""
    event, side, ticks, lots, names = _blank(events)
    kind = events.kind
    known = met[:, k.SIDE] != 0
    taken = np.where(
        kind == schema.DELETE, met[:, k.LOTS], np.minimum(events.qty_lots, met[:, k.LOTS])
    )
    left = met[:, k.LOTS] - taken

    def put(rows: Bools, slot: int, what: int, price: AnyArray, size: AnyArray) -> None:
        """One record of the order met, for some rows."""
        event[rows, slot], side[rows, slot] = what, met[rows, k.SIDE]
        ticks[rows, slot], lots[rows, slot] = price[rows], size[rows]

    here, before = events.price_ticks, met[:, k.PRICE]
    executed = known & (kind == schema.EXECUTE)
    put(executed, 1, FILL, before, taken)
    withdrawn = known & np.isin(kind, (schema.REDUCE, schema.DELETE))
    for rows, slot in ((executed, 2), (withdrawn, 1)):
        put(rows & (left == 0), slot, CANCEL, here, taken)
        put(rows & (left > 0), slot, MODIFY, before, left)
    named_otherwise = withdrawn & (left > 0) & (here != before)
    event[named_otherwise, 0] = 0
    names[named_otherwise] = 0
    added = kind == schema.ADD
    event[added, 1] = ADD
    modified = known & (kind == schema.MODIFY)
    keeps_place = (here == before) & (events.qty_lots < met[:, k.LOTS])
    put(modified & keeps_place, 1, MODIFY, here, events.qty_lots)
    put(modified & ~keeps_place, 1, ADD, here, events.qty_lots)
    put(known & (added | modified & ~keeps_place), 0, CANCEL, before, met[:, k.LOTS])
    return event, side, ticks, lots, names


def _of_levels(events: Events, met: Packed) -> Plan:
    """Plan of records of levels: what the row's level, and that of the order it met, show after it."""
    event, side, ticks, lots, names = _blank(events)
    known = met[:, k.SIDE] != 0
    modified = events.kind == schema.MODIFY
    on_level = np.isin(events.kind, _ON_BOOK) & (known | ~modified)
    event[on_level, 1] = DEPTH
    side[:, 1] = np.where(modified & known, met[:, k.SIDE], side[:, 1])
    lots[on_level, 1] = met[on_level, k.LEFT_AT_ROW]
    elsewhere = (side[:, 1] != met[:, k.SIDE]) | (events.price_ticks != met[:, k.PRICE])
    left = on_level & known & elsewhere
    event[left, 2] = DEPTH
    side[left, 2], ticks[left, 2] = met[left, k.SIDE], met[left, k.PRICE]
    lots[left, 2] = met[left, k.LEFT_AT_ORDER]
    return event, side, ticks, lots, names
