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
from tercel.feeds.members import Member

# -- lobster tick ---------------------------------------------------------------------------------
# The tick of a LOBSTER file: what the prices say, or what the user says.

UNITS_PER_DOLLAR: Final = 10_000
CANDIDATES: Final = (100, 50, 10, 1)
"""1, 0.5, 0.1 and 0.01 cents in the files' units, the coarsest first."""
SHARE: Final = 0.999
"""Share of the visible prices that must lie on an inferred tick."""
COARSEST: Final = 0.02
"""A stated tick above this share of the median price cannot be meant."""
ONE_CENT: Final = 100
MOST_OFF: Final = 0.25
"""Nor one above a cent that more than this share of the visible prices are not on: where such ticks were in force,
orders respected them. Up to a cent any share goes: on days of 2003 up to 0.86 are not on cents."""
WORTH_SAYING: Final = 0.5
"""A warning says so above this share."""


def infer_unit(prices: Ints) -> int:
    """Tick in units of 0.0001 dollars: the coarsest of 1, 0.5, 0.1, 0.01 cents with 99.9 % of `prices` on it.

    >>> infer_unit(np.array([100, 200, 350])), infer_unit(np.array([100, 200, 300]))
    (50, 100)
    """
    for unit in CANDIDATES[:-1]:
        if np.count_nonzero(prices % unit == 0) >= SHARE * len(prices):
            return unit
    return CANDIDATES[-1]


def stated_unit(tick: float, prices: Ints, where: str) -> int:
    """Tick in units of 0.0001 dollars, after a look at whether the visible `prices` can bear it.

    Raises
    ------
    FeedError
        When `tick` is no positive multiple of 0.0001 dollars, or far too coarse for the prices.
    """
    units = tick * UNITS_PER_DOLLAR
    unit = round(units) if math.isfinite(units) else 0
    if unit < 1 or abs(units - unit) > 1e-6:
        received, remedy = f"`tick={tick}`", "give it in dollars, as in `tick=0.01`"
        raise FeedError("a tick that is a positive multiple of 0.0001 dollars", received, remedy)
    if len(prices) == 0:
        return unit
    median = float(np.median(prices))
    remedy = "give a smaller `tick=`, or leave it out to have it inferred"
    if unit > COARSEST * median:
        received = f"`tick={tick}` where the median price is {median / UNITS_PER_DOLLAR} in {where}"
        raise FeedError(f"a tick of at most {COARSEST:.0%} of the price", received, remedy)
    off = share_off(unit, prices)
    if off > MOST_OFF and unit > ONE_CENT:
        received = f"`tick={tick}`, which {off:.1%} of the visible prices in {where} are not on"
        raise FeedError(
            f"a tick that holds at least {1 - MOST_OFF:.0%} of the prices", received, remedy
        )
    return unit


def share_off(unit: int, prices: Ints) -> float:
    """Share of prices that are not on the tick.

    >>> share_off(100, np.array([100, 250]))
    0.5
    """
    return float(np.count_nonzero(prices % unit) / max(len(prices), 1))


# -- lobster csv ----------------------------------------------------------------------------------

MESSAGE_FIELDS: Final = ("time", "type", "order id", "size", "price", "direction")
ATTRIBUTION: Final = "attribution"
MESSAGE_WIDTHS: Final = (len(MESSAGE_FIELDS), len(MESSAGE_FIELDS) + 1)


@dataclass(frozen=True)
class Messages:
    """A message file: six arrays of one length, and whether it has a seventh column."""

    time: Floats
    type: Ints
    order_id: Ints
    size: Ints
    price: Ints
    direction: Ints
    attributed: bool = False


def read_messages(member: Member) -> Messages:
    """Read a message file.

    Raises
    ------
    FeedError
        When it is empty, or a row has other than six numbers (and an attribution, where the first has).
    """
    content = member.path or member.content()
    attributed = _width(content, member.where) == MESSAGE_WIDTHS[1]
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
    width = _width(content, member.where)
    if width == 0 or width % 4:
        raise FeedError(
            "four columns for each level of an orderbook file",
            f"{width} columns in {member.where}, row 1",
            "check that it is one",
        )
    frame = _read(member, dict.fromkeys(orderbook_fields(width // 4), pl.Int64), content)
    return np.ascontiguousarray(frame.to_numpy(order="fortran").T)


def orderbook_fields(levels: int) -> list[str]:
    """Names of the columns, for messages to people.

    >>> orderbook_fields(1)
    ['ask price 1', 'ask size 1', 'bid price 1', 'bid size 1']
    """
    parts = ("ask price", "ask size", "bid price", "bid size")
    return [f"{part} {level}" for level in range(1, levels + 1) for part in parts]


def columns_of(member: Member) -> int:
    """Number of fields in the first line."""
    return _width(member.path or member.content(), member.where)


def _width(content: Path | bytes, where: str) -> int:
    try:
        if isinstance(content, Path):
            with content.open("rb") as file:
                first = file.readline()
        else:
            first = content.split(b"\n", 1)[0]
    except OSError as error:
        raise FeedError("a readable file", f"{where}: {error}", "check its rights") from error
    return len(first.split(b",")) if first.strip() else 0


def _read(member: Member, schema: dict[str, Any], content: Path | bytes) -> pl.DataFrame:
    try:
        frame = pl.read_csv(content, has_header=False, schema=schema, quote_char=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        if _good_rows(member, list(schema)) > 0:  # raises for the row that is wrong
            received, remedy = f"{member.where}: {error}", "check the file"
            raise FeedError(f"rows of {len(schema)} numbers", received, remedy) from error
        frame = pl.DataFrame(schema=schema)
    if any(frame.drop(ATTRIBUTION, strict=False).null_count().row(0)):
        frame = frame.head(_good_rows(member, list(schema)))
    if frame.height == 0:
        remedy = "download it again, or leave it out"
        raise FeedError(f"rows of {len(schema)} numbers", f"none in {member.where}, row 1", remedy)
    return frame


def _good_rows(member: Member, names: list[str]) -> int:
    """Number of rows when all have what `names` says (blank lines at the end do not count); raises for another."""
    lines = member.content().rstrip().split(b"\n")
    if lines == [b""]:
        return 0
    for row, line in enumerate(lines, start=1):
        values = line.strip().split(b",")
        where = f"in row {row} of {member.where}"
        if len(values) != len(names):
            raise FeedError(
                f"{len(names)} fields, {names[0]} to {names[-1]}",
                f"{len(values)} {where}",
                "the row is cut, or from another file: download the file again",
            )
        for name, value in zip(names, values, strict=True):
            if name != ATTRIBUTION and not _is_number(value, integer=name != "time"):
                shown = value.decode("utf-8", "replace")[:40]
                header = row == 1 and any(c.isalpha() for c in shown)
                number = "a number" if name == "time" else "an integer"
                raise FeedError(
                    f"{number} as {name}",
                    f"{shown!r} {where}",
                    "remove the header line"
                    if header
                    else "correct the row or download the file again",
                )
    return len(lines)


def _is_number(value: bytes, integer: bool) -> bool:
    try:
        return abs(int(value)) < 2**63 if integer else math.isfinite(float(value))
    except ValueError:
        return False
