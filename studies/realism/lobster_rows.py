"""A tape, recorded or simulated, as LOBSTER's message and book rows: what other people's judges read."""

import numpy as np
from numpy.typing import NDArray

from studies.fills.lobster_write import in_units, rows_shown
from tercel.feeds import UNITS_PER_DOLLAR
from tercel.market.tape import Events, Instrument

NS, TYPE, ID, SIZE, PRICE, DIRECTION = range(6)
"""Columns of a message: time (ns, as on the tape), LOBSTER's type, order id, shares, dollars x 10,000, +1 buy."""


def as_lobster(
    instrument: Instrument, events: Events, levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Messages and book rows of a tape of orders, through a window of so many levels.

    Parameters
    ----------
    instrument : Instrument
        Its tick is in dollars.
    events : Events
    levels : int

    Returns
    -------
    messages : int64 (n, 6)
        See the module's columns.
    book : int64 (n, 4 L)
        After each message, in LOBSTER's order and units, with its fillers where a level is empty.

    Raises
    ------
    CapacityError
        When more than 4 million orders rest at once.
    """
    kept, book = rows_shown(events, levels)
    unit = round(instrument.tick * UNITS_PER_DOLLAR)
    columns = (
        events.exch_ns,
        events.kind,
        events.order_id,
        events.qty_lots,
        events.price_ticks,
        events.side,
    )
    messages = np.stack([column[kept] for column in columns], axis=1, dtype=np.int64)
    messages[:, SIZE] *= instrument.lot
    messages[:, PRICE] *= unit
    return messages, in_units(book, unit, instrument.lot)
