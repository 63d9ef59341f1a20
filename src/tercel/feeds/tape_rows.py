"""Kernels that write a message's rows into a table int64[rows, 9], as :meth:`tercel.market.tape.Events.from_table` reads it."""

from tercel.core.jit import Longs, Packed, kernel
from tercel.market.tape.schema import MESSAGE_END


@kernel
def put_row(
    rows: Longs, row: int, kind: int, key: int, side: int, ticks: int, lots: int, flags: int
) -> int:
    """Write a row without its times and sequence number; returns the place of the next."""
    rows[row, 3] = kind
    rows[row, 4] = key
    rows[row, 5] = side
    rows[row, 6] = ticks
    rows[row, 7] = lots
    rows[row, 8] = flags
    return row + 1


@kernel
def end_message(rows: Longs, first: int, stop: int, ns: int, seq: int) -> None:
    """Give the rows from `first` to before `stop` the time and number of their message, and mark the last as its end."""
    for r in range(first, stop):
        rows[r, 0] = rows[r, 1] = ns
        rows[r, 2] = seq
    rows[stop - 1, 8] |= MESSAGE_END


@kernel
def append_level(side: Packed, n: int, ticks: int, lots: int) -> int:
    """Write a level behind the first `n` of `side` int32[2 (price, lots), levels], or add its lots to the last of them if it has
    the same price; returns the number of levels then."""
    if n > 0 and side[0, n - 1] == ticks:
        side[1, n - 1] += lots
        return n
    side[0, n] = ticks
    side[1, n] = lots
    return n + 1
