"""LOBSTER's two CSV files as arrays.

Message columns: time (seconds after midnight), type, order id, size (shares), price (dollars x 10,000), direction; some
files have a seventh, the attribution of the order (an MPID, or null), which is left out.
Orderbook columns, for each level: ask price, ask size, bid price, bid size. A row of each (AAPL, 21 June 2012)::

    34200.004241176,1,16113575,18,5853300,1
    5859400,200,5853300,18,5859800,200,5853000,150,...
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import FeedError
from tercel.feeds import typed_csv as c
from tercel.feeds.members import HEAD_BYTES, Member

MESSAGE_FIELDS: Final = ("time", "type", "order id", "size", "price", "direction")
ATTRIBUTION: Final = "attribution"
MESSAGE_WIDTHS: Final = (len(MESSAGE_FIELDS), len(MESSAGE_FIELDS) + 1)
_AGAIN: Final = "correct the row, remove it if it is a header line, or download the file again"


@dataclass(frozen=True)
class Messages:
    """Columns of a message file as arrays of one length; `attributed`: it has a seventh column."""

    time: Floats
    type: Ints
    order_id: Ints
    size: Ints
    price: Ints
    direction: Ints
    attributed: bool = False


def read_messages(member: Member) -> Messages:
    """Read a message file; FeedError for a row that does not fit.

    Raises
    ------
    FeedError
        When a row has other than six numbers (and an attribution, where the first has).
    """
    is_attributed = columns_of(member) == MESSAGE_WIDTHS[1]
    time, *others = MESSAGE_FIELDS
    fields = {
        time: c.Field(
            time, pl.Float64, lambda s: pl.when(s.is_finite()).then(s), "a number", _AGAIN
        )
    } | {name: _integer(name) for name in others}
    header = [*MESSAGE_FIELDS, *[ATTRIBUTION][:is_attributed]]
    frame = c.read_fields(member.path or member.content(), member.location, fields, header)
    seconds, kind, order_id, size, price, side = (
        frame[name].rechunk().to_numpy(writable=True) for name in MESSAGE_FIELDS
    )
    return Messages(seconds, kind, order_id, size, price, side, is_attributed)


def read_orderbook(member: Member) -> Ints:
    """Read an orderbook file as int64[columns, rows] (a column of the file is a contiguous row here).

    Raises
    ------
    FeedError
        When its columns are not four for each level, or a row has other than that many integers.
    """
    width = columns_of(member)
    if width == 0 or width % 4:
        raise FeedError(
            "four columns for each level of an orderbook file",
            f"{width} columns in {member.location}, row 1",
            "check that it is one",
        )
    header = orderbook_fields(width // 4)
    fields = {name: _integer(name) for name in header}
    frame = c.read_fields(member.path or member.content(), member.location, fields, header)
    return np.ascontiguousarray(frame.to_numpy(order="fortran").T)


def _integer(name: str) -> c.Field:
    """Field of integers in a column."""
    return c.Field(name, pl.Int64, expected="an integer", remedy=_AGAIN)


def orderbook_fields(levels: int) -> list[str]:
    """Names of an orderbook file's columns, for errors.

    >>> orderbook_fields(1)
    ['ask price 1', 'ask size 1', 'bid price 1', 'bid size 1']
    """
    parts = ("ask price", "ask size", "bid price", "bid size")
    return [f"{part} {level}" for level in range(1, levels + 1) for part in parts]


def columns_of(member: Member) -> int:
    """Number of comma-separated fields in a file's first line; 0 if it is empty."""
    first = next(member.chunks(HEAD_BYTES), b"").split(b"\n", 1)[0]
    return len(first.split(b",")) if first.strip() else 0
