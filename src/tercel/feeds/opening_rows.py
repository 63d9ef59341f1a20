"""Rows that open a tape with what rested before its first message."""

from typing import Any

import numpy as np

from tercel.market.tape import schema
from tercel.market.tape.events import Events


def opening_rows(
    at: tuple[int, int], kind: Any, key: Any, side: Any, ticks: Any, lots: Any, flags: Any = 0
) -> Events:
    """Message 0 of a tape at two times, the exchange's and of receipt, in ns: a row for each of the levels or orders, whose
    columns are int64[rows], or one number for all of them.

    >>> opening_rows((7, 9), schema.ADD, np.array([4, 5]), 1, 100, 10).flags.tolist()
    [1, 5]
    """
    columns = np.broadcast_arrays(*at, 0, kind, key, side, ticks, lots, schema.OPENING | flags)
    opening = Events.from_table(np.stack(columns, axis=1))
    opening.flags[-1:] |= schema.MESSAGE_END
    return opening
