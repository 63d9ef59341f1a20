"""LOBSTER's two CSV files as arrays: Polars reads them; when it cannot, a slow scan finds the row and says why.

Message columns: time (seconds after midnight), type, order id, size (shares), price (dollars x 10,000), direction; some
files have a seventh, the attribution of the order (an MPID, or null), which is left out.
Orderbook columns, for each level: ask price, ask size, bid price, bid size. A row of each (AAPL, 21 June 2012)::

    34200.004241176,1,16113575,18,5853300,1
    5859400,200,5853300,18,5859800,200,5853000,150,...
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import FeedError
from tercel.feeds.members import HEAD_BYTES, Member

MESSAGE_FIELDS: Final = ("time", "type", "order id", "size", "price", "direction")
ATTRIBUTION: Final = "attribution"
MESSAGE_WIDTHS: Final = (len(MESSAGE_FIELDS), len(MESSAGE_FIELDS) + 1)


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
    """Read a message file; FeedError for a row that does not fit, and for a file without rows.

    Raises
    ------
    FeedError
        When it is empty, or a row has other than six numbers (and an attribution, where the first has).
    """
    content = member.path or member.content()
    attributed = columns_of(member) == MESSAGE_WIDTHS[1]
    schema: dict[str, Any] = {
        name: pl.Float64 if name == "time" else pl.Int64 for name in MESSAGE_FIELDS
    }
    frame = _read(member, schema | ({ATTRIBUTION: pl.String} if attributed else {}), content)
    time, kind, order_id, size, price, side = (
        frame[name].rechunk().to_numpy(writable=True) for name in MESSAGE_FIELDS
    )
    return Messages(time, kind, order_id, size, price, side, attributed)


def read_orderbook(member: Member) -> Ints:
    """Read an orderbook file as int64[columns, rows] (a column of the file is a contiguous row here).

    Raises
    ------
    FeedError
        When it is empty, its columns are not four for each level, or a row has other than that many integers.
    """
    content = member.path or member.content()
    width = columns_of(member)
    if width == 0 or width % 4:
        raise FeedError(
            "four columns for each level of an orderbook file",
            f"{width} columns in {member.location}, row 1",
            "check that it is one",
        )
    frame = _read(member, dict.fromkeys(orderbook_fields(width // 4), pl.Int64), content)
    return np.ascontiguousarray(frame.to_numpy(order="fortran").T)


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


def _read(member: Member, schema: dict[str, Any], content: Path | bytes) -> pl.DataFrame:
    """Frame of a CSV file with a schema; FeedError, with its number, for an invalid row."""
    try:
        frame = pl.read_csv(content, has_header=False, schema=schema, quote_char=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        if _good_rows(member, list(schema)) > 0:  # raises for the row that is wrong
            received = f"{member.location}: {error}"
            remedy = "check the file"
            raise FeedError(f"rows of {len(schema)} numbers", received, remedy) from error
        frame = pl.DataFrame(schema=schema)
    if any(frame.drop(ATTRIBUTION, strict=False).null_count().row(0)):
        frame = frame.head(_good_rows(member, list(schema)))
    if frame.height == 0:
        remedy = "download it again, or leave it out"
        raise FeedError(
            f"rows of {len(schema)} numbers", f"none in {member.location}, row 1", remedy
        )
    return frame


def _good_rows(member: Member, names: list[str]) -> int:
    """Number of rows if every row has valid values for `names`; FeedError for the first that has not."""
    lines = member.content().rstrip().split(b"\n")
    if lines == [b""]:
        return 0
    for row, line in enumerate(lines, start=1):
        values = line.strip().split(b",")
        location = f"in row {row} of {member.location}"
        if len(values) != len(names):
            raise FeedError(
                f"{len(names)} fields, {names[0]} to {names[-1]}",
                f"{len(values)} {location}",
                "the row is cut, or from another file: download the file again",
            )
        for name, value in zip(names, values, strict=True):
            if name != ATTRIBUTION and not _is_number(value, integer=name != "time"):
                text = value.decode("utf-8", "replace")[:40]
                header = row == 1 and any(c.isalpha() for c in text)
                number = "a number" if name == "time" else "an integer"
                raise FeedError(
                    f"{number} as {name}",
                    f"{text!r} {location}",
                    "remove the header line"
                    if header
                    else "correct the row or download the file again",
                )
    return len(lines)


def _is_number(value: bytes, integer: bool) -> bool:
    """Whether bytes are a finite number, or with `integer` a 64-bit integer."""
    try:
        return abs(int(value)) < 2**63 if integer else math.isfinite(float(value))
    except ValueError:
        return False
