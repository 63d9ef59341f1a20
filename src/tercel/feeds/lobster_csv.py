"""LOBSTER's two CSV files as arrays: Polars reads them; when it cannot, a slow scan finds the row and says why.

Message columns: time (seconds after midnight), type, order id, size (shares), price (dollars x 10,000), direction; some
files have a seventh, the attribution of the order (an MPID, or null), which is left out.
Orderbook columns, for each level: ask price, ask size, bid price, bid size. A row of each (AAPL, 21 June 2012)::

    34200.004241176,1,16113575,18,5853300,1
    5859400,200,5853300,18,5859800,200,5853000,150,...

The compiled half of the LOBSTER importer: levels that leave and enter a level-limited file.

A file of L levels is cut from a full book. An order that leaves its window is never deleted in it, and a level that
comes back has no message. So after each message the levels of the book row are compared with those of the row before
plus the message: missing levels roll out, new ones roll in.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import FeedError
from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds.members import Member
from tercel.market.tape import schema

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


EMPTY_ASK: Final = 9_999_999_999
EMPTY_BID: Final = -9_999_999_999
"""Prices of levels that do not exist."""
HALT_TYPE: Final = 7
LAST_SECOND: Final = 86_400.0
MOST: Final = 2**30
"""Prices in ticks and quantities in lots stay below this."""

BAD_TYPE, BAD_DIRECTION, BAD_SIZE, BAD_PRICE, BAD_TIME, TIME_BACK, BAD_STATUS, FINE_TICK = range(
    1, 9
)
BOOK_CROSSED, BOOK_PRICE, BOOK_SIZE, BOOK_ORDER, BOOK_EMPTY = range(9, 14)
"""Codes of a row's faults; the texts are in `lobster`."""

CODE, ROW, LEVEL, ILLEGAL, FIRST_ILLEGAL, OFF, HALTED, REPORT = range(8)
"""Slots of the report of `roll_rows`, and its length."""

NS, RECEIVED, SEQ, KIND, ID, SIDE, TICKS, LOTS, FLAGS = range(9)
"""Columns of a tape, as `schema.COLUMNS` has them."""


@kernel
def read_levels(
    book: Longs,
    row: int,
    side: int,
    unit: int,
    prices: Packed,
    lots: Packed,
    off: Packed,
    report: Longs,
) -> int:
    """The levels of one side of a book row, best first, in ticks; levels that fall on one tick are merged.

    Returns their number, or -1 with code, row and level in `report`.
    """
    n = 0
    before = 0
    ended = False
    for k in range(book.shape[0] // 4):
        column = 4 * k + (2 if side > 0 else 0)
        price = book[column, row]
        size = book[column + 1, row]
        code = 0
        if price == (EMPTY_BID if side > 0 else EMPTY_ASK):
            ended = True
            code = BOOK_SIZE if size != 0 else 0
        elif price <= 0:
            code = BOOK_PRICE
        elif size <= 0 or size >= MOST:
            code = BOOK_SIZE
        elif ended:
            code = BOOK_EMPTY
        elif k > 0 and (price - before) * side >= 0:
            code = BOOK_ORDER
        at = price // unit
        rounded = price != at * unit
        at += 1 if rounded and side < 0 else 0
        at = max(at, 1)
        if code == 0 and not ended and at >= MOST:
            code = FINE_TICK
        if code != 0:
            report[CODE] = code
            report[ROW] = row
            report[LEVEL] = k
            return -1
        if ended:
            continue
        before = price
        report[OFF] += rounded
        if n > 0 and prices[n - 1] == at:
            lots[n - 1] += size
            off[n - 1] |= rounded
        else:
            prices[n] = at
            lots[n] = size
            off[n] = rounded
            n += 1
    return n


@kernel
def apply_message(
    prices: Packed, lots: Packed, off: Packed, n: int, side: int, kind: int, price: int, qty: int
) -> int:
    """One message on a side's levels, in place; returns their new number."""
    k = 0
    while k < n and (prices[k] - price) * side > 0:
        k += 1
    here = k < n and prices[k] == price
    if kind == schema.ADD:
        if here:
            lots[k] += qty
            return n
        for j in range(n, k, -1):
            prices[j], lots[j], off[j] = prices[j - 1], lots[j - 1], off[j - 1]
        prices[k], lots[k], off[k] = price, qty, 0
        return n + 1
    if not here:
        return n
    if lots[k] > qty:
        lots[k] -= qty
        return n
    for j in range(k, n - 1):
        prices[j], lots[j], off[j] = prices[j + 1], lots[j + 1], off[j + 1]
    return n - 1


@kernel
def _roll_side(
    rolling_in: bool,
    side: int,
    levels: int,
    removed: int,
    before: Packed,
    n_before: int,
    now: Packed,
    n_now: int,
    rows: Longs,
    at: int,
    report: Longs,
) -> int:
    """Write the ROLL_OUT or the ROLL_IN rows of one side from position `at`; returns the next position."""
    a = b = 0
    while a < n_before or b < n_now:
        ahead = (
            (before[0, a] - now[0, b]) * side
            if a < n_before and b < n_now
            else 1
            if a < n_before
            else -1
        )
        if ahead == 0 and before[1, a] == now[1, b]:
            a += 1
            b += 1
            continue
        if ahead >= 0 and not rolling_in:
            at = _put(rows, at, schema.ROLL_OUT, side, before[0, a], before[1, a], 0)
            report[ILLEGAL] += a < levels
        if ahead <= 0 and rolling_in:
            worse_than_removed = removed == 0 or (removed - now[0, b]) * side > 0
            report[ILLEGAL] += not (a == n_before and n_before < levels and worse_than_removed)
            at = _put(
                rows,
                at,
                schema.ROLL_IN,
                side,
                now[0, b],
                now[1, b],
                schema.OFF_TICK if now[2, b] else 0,
            )
        a += ahead >= 0
        b += ahead <= 0
    return at


@kernel
def _put(rows: Longs, at: int, kind: int, side: int, ticks: int, lots: int, flags: int) -> int:
    rows[at, KIND], rows[at, ID], rows[at, SIDE] = kind, 0, side
    rows[at, TICKS], rows[at, LOTS], rows[at, FLAGS] = ticks, lots, flags
    return at + 1


@kernel
def same_levels(a: Packed, n_a: int, b: Packed, n_b: int) -> bool:
    """Whether two sides hold the same lots at the same prices."""
    if n_a != n_b:
        return False
    different = 0
    for k in range(n_a):
        different += (a[0, k] != b[0, k]) | (a[1, k] != b[1, k])
    return different == 0


@kernel
def _same_row(book: Longs, row: int, half: int) -> bool:
    """Whether one side (0 bids, 1 asks) of the file's row is that of the row before, number for number."""
    for k in range(2 - 2 * half, book.shape[0], 4):
        if book[k, row] != book[k, row - 1] or book[k + 1, row] != book[k + 1, row - 1]:
            return False
    return True


@kernel
def roll_rows(
    book: Longs,
    unit: int,
    start: int,
    at: int,
    state: Packed,
    count: Longs,
    messages: Longs,
    rows: Longs,
    report: Longs,
) -> tuple[int, int]:
    """Messages from `start` on, with their rolls, into `rows` from `at`: both int64[n, 9], the columns of a tape.

    `state` int32[2 sides, 2 (row before, this row), 3 (price, lots, off tick), levels + 3] and the first two of
    `count` int64[8] hold the levels after the last row, bids first; the rest is scratch. Stops early where the output
    is full or a row is bad. Returns the next message and the next position.
    """
    levels = book.shape[0] // 4
    n = messages.shape[0]
    room = rows.shape[0] - 4 * levels - 8
    now_count = count[2:4]
    differs = count[4:6]
    rolls = count[6:8]
    for i in range(start, n):
        if at >= room:
            return i, at
        first = at
        kind, side, ticks = messages[i, KIND], messages[i, SIDE], messages[i, TICKS]
        at = _put(
            rows, at, kind, side, ticks, messages[i, LOTS], messages[i, FLAGS] & schema.OFF_TICK
        )
        rows[first, ID] = messages[i, ID]
        if kind == schema.STATUS:
            report[HALTED] = ticks != 1
        removed = 0
        illegal = report[ILLEGAL]
        own = -1 if kind > schema.EXECUTE else 0 if side > 0 else 1
        for h in range(2):
            differs[h] = i == 0 or h == own or not _same_row(book, i, h)
            if differs[h]:
                q = state[h, 1]
                now_count[h] = read_levels(book, i, 1 - 2 * h, unit, q[0], q[1], q[2], report)
                if now_count[h] < 0:
                    return i, at
        crossed = now_count[0] > 0 and now_count[1] > 0 and book[0, i] <= book[2, i]
        if crossed and report[HALTED] == 0:
            report[CODE] = BOOK_CROSSED
            report[ROW] = i
            return i, at
        if own >= 0:
            p = state[own, 0]
            before = count[own]
            count[own] = apply_message(
                p[0], p[1], p[2], before, side, kind, ticks, messages[i, LOTS]
            )
            if count[own] < before:
                removed = ticks
        for h in range(2):
            rolls[h] = differs[h] and not same_levels(
                state[h, 0], count[h], state[h, 1], now_count[h]
            )
        for rolling_in in range(2):
            for h in range(2):
                if not rolls[h]:
                    continue
                gone = removed if h == own else 0
                at = _roll_side(
                    rolling_in == 1,
                    1 - 2 * h,
                    levels,
                    gone,
                    state[h, 0],
                    count[h],
                    state[h, 1],
                    now_count[h],
                    rows,
                    at,
                    report,
                )
        for r in range(first, at):
            rows[r, NS] = rows[r, RECEIVED] = messages[i, NS]
            rows[r, SEQ] = i + 1
        rows[at - 1, FLAGS] |= schema.MESSAGE_END
        if report[ILLEGAL] > illegal:  # rows are counted, not levels
            report[ILLEGAL] = illegal + 1
            if illegal == 0:
                report[FIRST_ILLEGAL] = i
        for h in range(2):
            if differs[h]:
                count[h] = now_count[h]
                for k in range(now_count[h]):
                    for part in range(3):
                        state[h, 0, part, k] = state[h, 1, part, k]
    return n, at
