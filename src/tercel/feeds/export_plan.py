"""What the rows of a tape are as market events of other systems: those of orders, or of levels where orders have no ids."""

from fractions import Fraction
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Floats, Ints
from tercel.core.jit import Longs, Packed
from tercel.feeds import export_kernels as k
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.tape import schema
from tercel.market.tape.events import Events

NOTHING, DEPTH, TRADE, CLEAR = range(4)
"""Market events, in the numbers of hftbacktest: DEPTH sets the lots of a level; NOTHING is a row that others have none for."""
ADD, CANCEL, MODIFY, FILL = range(10, 14)
"""Those of orders: FILL names the order of a trade, and what is left of it follows."""
_CHANGES: Final = (schema.REDUCE, schema.DELETE, schema.EXECUTE, schema.MODIFY)
_ON_LEVELS: Final = (schema.LEVEL_SET, schema.ROLL_OUT, schema.ROLL_IN)


MarketEvents = tuple[Ints, Ints, Ints, Ints, Ints, Bools]


def market_events(events: Events) -> MarketEvents:
    """Market events of a tape, in its order: of orders where all have ids, else of levels.

    An execution is a TRADE, then FILL and CANCEL or MODIFY, or the lots that its level still has (DEPTH). Messages about
    unknown orders change no book and are NOTHING, their executions TRADE alone.

    Returns
    -------
    row, event : int64 (m,)
        Row of the tape that each comes from, and what it is.
    side : int64 (m,)
        Of the aggressor for a TRADE, else of the order or the level; 0 none.
    ticks, lots : int64 (m,)
    names_row : bool (m,)
        True for one event of each row, whose ticks are the row's.

    >>> tape = Events.of_messages(*np.array([[5, 9], [1, 4], [7, 7], [1, 1], [99, 99], [3, 2]]))
    >>> row, event, side, ticks, lots, names_row = market_events(tape)
    >>> list(zip(event.tolist(), side.tolist(), lots.tolist()))
    [(10, 1, 3), (2, -1, 2), (13, 1, 2), (12, 1, 1)]
    """
    met = np.zeros((events.n, 5), np.int32)

    def replay(book: Packed, ids: Ids, key_of: Longs) -> None:
        """Replay the tape on the arrays of an empty book."""
        met[:] = 0
        k.orders_met(book, ids, key_of, *events.columns()[3:8], met)

    run_with_room(replay)
    kind = events.kind
    side, here, qty = np.stack(events.columns()[5:8], dtype=np.int64)
    own, before, had, left_there, left_here = met.T.astype(np.int64)
    is_trade = np.isin(kind, (schema.EXECUTE, schema.TRADE, schema.TRADE_HIDDEN, schema.CROSS)) & (
        qty > 0
    )
    is_change = np.isin(kind, _CHANGES) & (own != 0)
    has_queues = not (
        np.isin(kind, _ON_LEVELS) | (kind == schema.ADD) & (events.order_id == 0)
    ).any()
    # up to three events a row: a trade, or the end of an order that comes anew; its fill; what is left
    first = np.full(events.n, -1)
    last = np.where(kind == schema.CLEAR, CLEAR, np.where(is_trade, -1, NOTHING))
    last_side = np.where(is_change, own, np.where(kind == schema.CLEAR, 0, side))
    last_ticks = np.where(is_change & (kind != schema.MODIFY) & has_queues, before, here)
    if has_queues:
        # a MODIFY keeps the order's place where it takes lots away at its price alone
        is_new = (kind == schema.ADD) | is_change & (kind == schema.MODIFY) & (
            (here != before) | (qty >= had)
        )
        first[is_new & (own != 0)] = CANCEL
        second = np.where(is_change & (kind == schema.EXECUTE), FILL, -1)
        left = np.select(
            [kind == schema.DELETE, kind == schema.MODIFY], [0, qty], np.maximum(had - qty, 0)
        )
        last = np.select([is_new, is_change & (left > 0), is_change], [ADD, MODIFY, CANCEL], last)
        lots = [qty, np.minimum(qty, had), np.where(is_change, left, qty)]
    else:
        on_level = is_change | np.isin(kind, (schema.ADD, *_CHANGES, *_ON_LEVELS)) & (
            kind != schema.MODIFY
        )
        is_elsewhere = (own != 0) & ((own != last_side) | (before != here))
        second = np.where(on_level & is_elsewhere, DEPTH, -1)
        last = np.where(on_level, DEPTH, last)
        lots = [qty, left_there, np.where(on_level, left_here, qty)]
    names = np.where(is_trade | (last_ticks != here), 0, 2)
    first = np.select([is_trade, names == 0], [TRADE, NOTHING], first)
    first_side = np.where(is_trade, -side * (kind != schema.CROSS), own)
    row, slot = np.nonzero(np.stack([first, second, last], 1) >= 0)
    event, sides, ticks, sizes = (
        np.stack(parts, 1)[row, slot]
        for parts in (
            [first, second, last],
            [first_side, own, last_side],
            [here, before, last_ticks],
            lots,
        )
    )
    return row, event, sides, ticks, sizes, names[row] == slot


def times_heard(recv_ns: Ints, event: Ints) -> Ints:
    """Times of receipt of market events: those of orders never before an earlier one's, as no book takes them in another order.

    >>> times_heard(np.array([5, 3, 8]), np.array([ADD, CANCEL, ADD])).tolist()
    [5, 5, 8]
    """
    return recv_ns if (event == DEPTH).any() else np.maximum.accumulate(recv_ns)


def decimals(numbers: AnyArray, unit: Fraction) -> Floats:
    """Integers times a unit, each the double next to the exact product (for a unit of at most 15 digits).

    >>> decimals(np.array([3, 2531]), Fraction("0.01")).tolist()
    [0.03, 25.31]
    """
    return np.asarray(numbers * float(unit.numerator) / float(unit.denominator))
