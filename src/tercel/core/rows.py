"""Rows of a CSV file that a person wrote: cells by the names of columns, and errors that name file and row."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import DataError
from tercel.core.names import check_known, nearest
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL

SIDES: Final = {
    **dict.fromkeys(("buy", "b", "1", "+1", "bot", "bought"), BUY),
    **dict.fromkeys(("sell", "s", "-1", "sld", "sold", "ss", "sell short"), SELL),
}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)")
SLIP: Final = 0.75
"""Similarity from which a column is a slip of the pen for one that is missing."""
_NS: Final = (10**15, 2**62)
"""Whole numbers are nanoseconds since 1970 between these."""


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


class FileRow:
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
        value = self.read(name, fraction, f"a {name} of shares or contracts")
        if value.denominator != 1 or not least <= value < 2**40:
            raise self.wrong(f"a whole {name}, at least {least}", repr(self.cells[name]), "correct the row")
        return int(value)

    def positive(self, name: str) -> Fraction:
        value: Fraction = self.read(name, fraction, f"a {name} in price units, such as 15.63")
        if value <= 0:
            raise self.wrong(f"a {name} above 0", repr(self.cells[name]), "correct the row")
        return value


def fraction(text: str) -> Fraction:
    value = Decimal(text.replace("_", ""))
    if not value.is_finite() or abs(value.adjusted()) > 15:
        raise ValueError(text)
    return Fraction(value)


def rows(
    path: Path, needed: Sequence[str], optional: Sequence[Sequence[str]] = (), others: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as plain words by the header's names in small letters, with their line; commas or semicolons between them.

    Parameters
    ----------
    path : Path
    needed : sequence of str
        Columns that have to be there.
    optional : sequence of sequences of str
        Columns that may be, each with its spellings.
    others : bool
        Whether further columns may stand beside them; one that is spelt almost like a missing one may not.

    Raises
    ------
    DataError
        A column of `needed` is missing, one is not known, a row has other columns than the header, no text.
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
            _refuse_unknown(path, header, needed, optional, others)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    received = f"{len(cells)} cells in row {reader.line_num} of {path}"
                    raise DataError(f"{len(header)} cells, as in the first row", received, "correct the row")
                yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("a text file of values separated by commas", f"{path}: {error}", "export it as CSV") from error


def _refuse_unknown(
    path: Path, header: Sequence[str], needed: Sequence[str], optional: Sequence[Sequence[str]], others: bool
) -> None:
    known = [*needed, *(name for spellings in optional for name in spellings)]
    absent = [name for spellings in optional if not set(spellings) & set(header) for name in spellings]
    for name in header:
        if name and (not others or (name not in known and nearest(name, absent, like=SLIP))):
            check_known(name, known, "the columns", f"{name!r} in the first row of {path}", DataError)
