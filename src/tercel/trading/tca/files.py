"""Files of somebody's own executions: fills, and the orders that they belong to.

`fills.csv` has the columns time, symbol, side, quantity, price, and may have parent, venue, agent, fee. `orders.csv`
has parent, symbol, side, quantity, start, end, and may have limit, refused. Other columns are passed over. Prices and
fees are read as decimals, whole: nothing is rounded here.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import DataError
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL

SIDES: Final = {
    **dict.fromkeys(("buy", "b", "1", "+1", "bot", "bought"), BUY),
    **dict.fromkeys(("sell", "s", "-1", "sld", "sold", "ss", "sell short"), SELL),
}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)")
_PARENT = ("parent", "parent id", "parent_id", "parentid")
_NS: Final = (10**15, 2**62)
"""Whole numbers are nanoseconds since 1970 between these."""


@dataclass(frozen=True, slots=True)
class FileFill:
    """A fill as its file has it.

    Parameters
    ----------
    row : int
        Line of the file, from 1 with the header.
    ns : int
        Nanoseconds since 1970-01-01 UTC.
    symbol : str
    side, quantity : int
        +1 or -1; shares or contracts.
    price, fee : Fraction
        Price units; of the whole fill, below 0 a rebate.
    parent, venue, agent : str
        Empty where the file does not say.
    """

    row: int
    ns: int
    symbol: str
    side: int
    quantity: int
    price: Fraction
    fee: Fraction
    parent: str
    venue: str
    agent: str


@dataclass(frozen=True, slots=True)
class FileOrder:
    """A parent order as its file has it; `refused` of its `quantity` limits or the venue refused."""

    row: int
    parent: str
    symbol: str
    side: int
    quantity: int
    start_ns: int
    end_ns: int
    limit: Fraction | None
    refused: int


def read_fills(path: Path) -> list[FileFill]:
    """The fills of a file, in its order.

    Raises
    ------
    DataError
        A column is missing, or a row says something that cannot be; file and row are named.
    """
    found = []
    for row, cells in rows(path, ("time", "symbol", "side", "quantity", "price")):
        at = Row(path, row, cells)
        found.append(
            FileFill(
                row,
                at.read("time", parse_time, "a time as 2012-06-21T10:30:00.123-04:00, or whole nanoseconds since 1970"),
                at.word("symbol"),
                at.side(),
                at.whole("quantity", 1),
                at.positive("price"),
                at.read("fee", _fraction, "a fee in price units, such as 0.35") if cells.get("fee") else Fraction(0),
                next((cells[name] for name in _PARENT if cells.get(name)), ""),
                cells.get("venue", ""),
                cells.get("agent", ""),
            )
        )
    if not found:
        raise DataError("a file with fills", f"{path} with a header alone", "write a row a fill")
    return found


def read_orders(path: Path) -> dict[str, FileOrder]:
    """The parent orders of a file, by id.

    Raises
    ------
    DataError
        As :func:`read_fills`; an id that comes twice; an end before its start.
    """
    found: dict[str, FileOrder] = {}
    for row, cells in rows(path, ("symbol", "side", "quantity", "start", "end")):
        at = Row(path, row, cells)
        name = next((cells[one] for one in _PARENT if cells.get(one)), "")
        stamp = "a time as 2012-06-21T10:30:00-04:00, or whole nanoseconds since 1970"
        order = FileOrder(
            row, name, at.word("symbol"), at.side(), at.whole("quantity", 1),
            at.read("start", parse_time, stamp), at.read("end", parse_time, stamp),
            at.positive("limit") if cells.get("limit") else None,
            at.whole("refused", 0) if cells.get("refused") else 0,
        )  # fmt: skip
        if not name or name in found:
            raise at.wrong("an id of its own for every parent", name or "none", "name each order once")
        if order.end_ns < order.start_ns:
            raise at.wrong("an end after its start", f"{cells['start']} to {cells['end']}", "correct the row")
        if order.refused > order.quantity:
            raise at.wrong(f"at most {order.quantity} refused", f"{order.refused}", "correct the row")
        found[name] = order
    return found


def parse_time(text: str) -> int:
    """Nanoseconds since 1970-01-01 UTC of an ISO time with its zone, or of whole nanoseconds.

    >>> parse_time("1970-01-02T00:00:00.5Z"), parse_time("1970-01-01 20:00:01-04:00")
    (86400500000000, 86401000000000)

    Raises
    ------
    ValueError
        Anything else; a time without its zone among them.
    """
    if text.isdecimal() and _NS[0] <= int(text) < _NS[1]:
        return int(text)
    match = _STAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    date, clock, part, zone = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone == 'Z' else zone}")
    return int(moment.timestamp()) * NS_PER_SECOND + int((part or "0").ljust(9, "0"))


class Row:
    """One row of a file, and how its errors name it."""

    def __init__(self, path: Path, row: int, cells: Mapping[str, str]) -> None:
        self.path, self.number, self.cells = path, row, cells

    def wrong(self, expected: str, received: str, remedy: str) -> DataError:
        return DataError(expected, f"{received} in row {self.number} of {self.path}", remedy)

    def read(self, name: str, parse: Callable[[str], Any], expected: str) -> Any:
        try:
            return parse(self.cells[name])
        except (ValueError, InvalidOperation, OverflowError):
            raise self.wrong(expected, f"{name} {self.cells[name]!r}", "correct the row, or take it out") from None

    def word(self, name: str) -> str:
        if not self.cells[name]:
            raise self.wrong(f"a {name}", "none", "write it, or take the row out")
        return self.cells[name]

    def side(self) -> int:
        if self.cells["side"].lower() not in SIDES:
            raise self.wrong("a side: buy or sell", repr(self.cells["side"]), "correct the row")
        return SIDES[self.cells["side"].lower()]

    def whole(self, name: str, least: int) -> int:
        value = self.read(name, _fraction, f"a {name} of shares or contracts")
        if value.denominator != 1 or not least <= value < 2**40:
            raise self.wrong(f"a whole {name}, at least {least}", repr(self.cells[name]), "correct the row")
        return int(value)

    def positive(self, name: str) -> Fraction:
        value: Fraction = self.read(name, _fraction, f"a {name} in price units, such as 15.63")
        if value <= 0:
            raise self.wrong(f"a {name} above 0", repr(self.cells[name]), "correct the row")
        return value


def _fraction(text: str) -> Fraction:
    value = Decimal(text.replace("_", ""))
    if not value.is_finite() or abs(value.adjusted()) > 15:
        raise ValueError(text)
    return Fraction(value)


def rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as plain words by the header's names in small letters, with their line; commas or semicolons between them.

    Raises
    ------
    DataError
        A column of `needed` is missing, a row has other columns than the header, no text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            semicolons = file.readline().count(";") >= len(needed) - 1
            file.seek(0)
            reader = csv.reader(file, delimiter=";" if semicolons else ",")
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                told = ", ".join(header) or "an empty file"
                remedy = "name the columns in the first row"
                raise DataError(f"the columns {', '.join(needed)}", f"{told} in {path}", remedy)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    received = f"{len(cells)} cells in row {reader.line_num} of {path}"
                    raise DataError(f"{len(header)} cells, as in the first row", received, "correct the row")
                yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("a text file of values separated by commas", f"{path}: {error}", "export it as CSV") from error
