"""Rows of a CSV file that a person wrote: cells by the names of columns, and errors that name file and row."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from unicodedata import category, normalize

from tercel.core.errors import DataError
from tercel.core.names import check_known, nearest
from tercel.core.vocabulary import BUY, FIRST_DAY, LAST_DAY, MOST_LOTS, NS_PER_SECOND, SELL

SIDES: Final = {
    **dict.fromkeys(("buy", "b", "1", "+1", "bot", "bought"), BUY),
    **dict.fromkeys(("sell", "s", "-1", "2", "5", "6", "sld", "sold", "ss", "sell short"), SELL),
}
"""Words of people, and FIX's: 1 buy, 2 sell, 5 sell short, 6 sell short exempt."""
_CLOCK = r"(\d\d:\d\d:\d\d|\d{6})(?:[.,](\d{1,9}))?\s*"
_ZONE = r"(Z|[+-]\d\d:?\d\d)?"
# How times are written, how their dates are, and whether no zone means UTC, as in FIX.
_STAMPS: Final = (
    (re.compile(rf"(\d{{4}}-\d\d-\d\d)[T ;]{_CLOCK}{_ZONE}"), "%Y-%m-%d", False),
    (re.compile(rf"(\d{{2}}/\d\d/\d{{4}})[ ;]{_CLOCK}{_ZONE}"), "%m/%d/%Y", False),
    (re.compile(rf"(\d{{8}})-{_CLOCK}{_ZONE}"), "%Y%m%d", True),
    (re.compile(rf"(\d{{8}})[ ;]{_CLOCK}{_ZONE}"), "%Y%m%d", False),
)
_UNIX = re.compile(r"(\d+)(?:\.(\d{1,9}))?")
# Numbers below each are in so many nanoseconds: seconds, milliseconds, microseconds, nanoseconds since 1970.
_UNITS: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (2**62, 1))
# Seconds since 1970 from which a number is a time.
_FIRST_S: Final = 10**8
SLIP: Final = 0.75
"""Similarity from which a column is a slip of the pen for one that is missing."""
SYMBOLS: Final = ("ticker", "sym", "instrument", "security", "securityid", "ric", "product", "contract", "stock")
"""What the field calls a symbol, as :func:`plain_name`."""


class HowToMap(NamedTuple):
    """How a person says what a column is called, for errors: one column, ours and theirs; the map; the last resort."""

    column: str = "`column={}={}`"
    whole: str = "`column=` or `map=`"
    otherwise: str = "name the columns in the first row"


TYPED: Final = HowToMap()


def parse_time(text: str, zone: tzinfo | None = None) -> int:
    """Nanoseconds since 1970-01-01 UTC of a time as files have it.

    Parameters
    ----------
    text : str
        ISO, ``06/21/2012 10:00:00`` (the month first), FIX's ``20120621-14:00:00.123``, ``20120621;100000``, with a
        blank too, or a number since 1970, in seconds, milli-, micro- or nanoseconds by its size. Clocks go without
        colons too.
    zone : tzinfo or None
        Of times that do not say theirs; FIX's are UTC without it.

    >>> parse_time("1970-01-02T00:00:00.5Z"), parse_time("1970-01-01 20:00:01-04:00")
    (86400500000000, 86401000000000)
    >>> {parse_time("20120621-14:00:00.123"), parse_time("1340287200.123"), parse_time("1340287200123")}
    {1340287200123000000}

    Raises
    ------
    ValueError
        Anything else; a date before FIRST_DAY or after LAST_DAY; without `zone` a time that needs it.
    """
    if not text.isascii():  # `\d` takes the digits of every script
        raise ValueError(text)
    if (number := _UNIX.fullmatch(text)) is not None:
        return _since_1970(int(number[1]), number[2] or "")
    for pattern, date_format, in_utc in _STAMPS:
        if (match := pattern.fullmatch(text)) is None:
            continue
        date, clock, part, offset = match.groups()
        offset = "+00:00" if offset == "Z" or (offset is None and in_utc) else offset
        moment = datetime.strptime(
            f"{date} {clock.replace(':', '')}{offset or ''}", f"{date_format} %H%M%S{'%z' if offset else ''}"
        )
        if moment.tzinfo is None:
            if zone is None:
                raise ValueError(text)
            moment = moment.replace(tzinfo=zone)
        if not FIRST_DAY <= moment.date() <= LAST_DAY:
            raise ValueError(text)
        return int(moment.timestamp()) * NS_PER_SECOND + int((part or "0").ljust(9, "0"))
    raise ValueError(text)


def _since_1970(whole: int, part: str) -> int:
    unit = next((unit for below, unit in _UNITS if whole < below), 0)
    ns = whole * unit + Fraction(int(part or "0") * unit, 10 ** len(part))
    if not unit or whole < _FIRST_S or ns.denominator != 1:
        raise ValueError(f"{whole}.{part}")
    return int(ns)


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

    def whole(self, name: str, least: int, sign: int = 1) -> int:
        """A whole number, without the `sign` that it is written with."""
        value = self.read(name, fraction, f"a {name} of shares or contracts") * sign
        if value.denominator != 1 or not least <= value < MOST_LOTS:
            bound = f"at {'least' if sign > 0 else 'most'} {sign * least}"
            raise self.wrong(f"a whole {name}, {bound}, of less than 2**30", repr(self.cells[name]), "correct the row")
        return int(value)

    def positive(self, name: str) -> Fraction:
        value: Fraction = self.read(name, fraction, f"a {name} in price units, such as 15.63")
        if value <= 0:
            raise self.wrong(f"a {name} above 0", repr(self.cells[name]), "correct the row")
        return value


def fraction(text: str) -> Fraction:
    value = Decimal(text)
    if "_" in text or not text.isascii() or not value.is_finite() or abs(value.adjusted()) > 15:
        raise ValueError(text)
    return Fraction(value)


def rows(
    path: Path,
    needed: Sequence[str],
    optional: Sequence[Sequence[str]] = (),
    called: Mapping[str, Sequence[str]] = MappingProxyType({}),
    usual: Mapping[str, Sequence[str]] = MappingProxyType({}),
    mapped: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as plain words by the header's names in small letters, with their line; commas or semicolons between them.

    Parameters
    ----------
    path : Path
    needed : sequence of str
        Columns that have to be there.
    optional : sequence of sequences of str
        Columns that may be, each with its spellings. Further columns may stand beside them, under their names as they
        are; one that is spelt almost like a missing one may not.
    called : mapping of str to sequence of str
        What columns are called here, ours to theirs: the first that the file has; "" leaves one out.
    usual : mapping of str to sequence of str
        What the field calls a column, as :func:`plain_name`: such a one is refused where ours is missing.
    mapped : mapping of str to sequence of str
        Options by which whole files of a kind are read, to columns of that kind, as :func:`plain_name`: an option is
        the first remedy for a file that has two of its columns.

    Raises
    ------
    DataError
        A column of `needed` is missing, one seems misspelt, a row has other columns than the header, no text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            semicolons = file.readline().count(";") >= len(needed) - 1
            file.seek(0)
            reader = csv.reader(file, delimiter=";" if semicolons else ",")
            theirs = [name.strip() for name in next(reader, [])]
            header = FileHeader(path, theirs, needed, optional, called, usual, mapped).names()
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    received = f"{len(cells)} cells in row {reader.line_num} of {path}"
                    raise DataError(f"{len(header)} cells, as in the first row", received, "correct the row")
                yield reader.line_num, dict(zip(header, (read_cell(cell.strip()) for cell in cells), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("a text file of values separated by commas", f"{path}: {error}", "export it as CSV") from error


def plain_name(name: str) -> str:
    """A column's name in small letters and digits alone.

    >>> plain_name("Cl_Ord ID")
    'clordid'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


class FileHeader(NamedTuple):
    """Columns of a file as it names them, and what they have to be; the parameters are those of :func:`rows`.

    `how` is the way in which a person maps columns, for errors.

    >>> FileHeader("fills.csv", ["Time", "ClOrdID", "note"], ["time"], [["parent"]], {"parent": ["clordid"]}).names()
    ['time', 'parent', 'note']
    """

    path: Path | str
    theirs: Sequence[str]
    needed: Sequence[str]
    optional: Sequence[Sequence[str]] = ()
    called: Mapping[str, Sequence[str]] = MappingProxyType({})
    usual: Mapping[str, Sequence[str]] = MappingProxyType({})
    mapped: Mapping[str, Sequence[str]] = MappingProxyType({})
    how: HowToMap = TYPED

    def names(self) -> list[str]:
        """Names of the columns as :func:`rows` gives them: ours, and those that we do not know as they are.

        Raises
        ------
        DataError
            As :func:`rows`.
        """
        known = [*self.needed, *(name for spellings in self.optional for name in spellings)]
        header = self._renamed(known)
        self._refuse_missing(header)
        possible = [name for names in self._absent(header) for name in names]
        for name in header:
            if name and name not in known and nearest(name, possible, like=SLIP):
                check_known(name, known, "the columns", f"{name!r} in the first row of {self.path}", DataError)
        return header

    def _absent(self, header: Sequence[str]) -> list[Sequence[str]]:
        """Spellings of columns that are not there, but those that may be that the map speaks of."""
        optional = [names for names in self.optional if not set(names) & set(header) and names[0] not in self.called]
        return [*([name] for name in self.needed if name not in header), *optional]

    def _renamed(self, known: Sequence[str]) -> list[str]:
        low = [name.lower() for name in self.theirs]
        header = [small if small in known else name for small, name in zip(low, self.theirs, strict=True)]
        for ours, names in self.called.items():
            if ours not in known:
                continue
            places = [low.index(name.strip().lower()) for name in names if name.strip().lower() in low]
            if not places and all(names) and ours not in header:
                received = f"no {' or '.join(names)} in the first row of {self.path}: {', '.join(self.theirs)}"
                without = "" if ours in self.needed else f", or go on without: {self.how.column.format(ours, '')}"
                raise DataError(f"the column that is called {ours}", received, f"correct {self.how.whole}{without}")
            if places or not any(names):
                header = [f"{name} (left out)" if name == ours else name for name in header]
            if places:
                header[places[0]] = ours
        if twice := [name for name in dict.fromkeys(header) if name and header.count(name) > 1]:
            received = f"{', '.join(twice)} twice in {self.path}"
            raise DataError("columns of different names", received, "rename one of them")
        return header

    def _refuse_missing(self, header: Sequence[str]) -> None:
        """Columns that are needed, and those that seem to be there under a name of the field's."""
        column = self.how.column.format
        absent = [names[0] for names in self._absent(header)]
        alike = {ours: [name for name in header if plain_name(name) in self.usual.get(ours, ())] for ours in absent}
        alike = {ours: names for ours, names in alike.items() if names}
        options = " ".join(column(ours, names[0]) for ours, names in alike.items())
        more = [f"{ours} may be {' or '.join(names[1:])} too" for ours, names in alike.items() if len(names) > 1]
        plain = {plain_name(name) for name in self.theirs}
        mapped = [option for option, names in self.mapped.items() if len(plain & set(names)) > 1]
        said = "; ".join([f"say what they are: {options}", *more]) if alike else self.how.otherwise
        remedy = "; or ".join([*(f"{option}, which reads such files" for option in mapped), said])
        if not set(self.needed) <= set(header):
            received = f"{', '.join(self.theirs) or 'an empty file'} in {self.path}"
            raise DataError(f"the columns {', '.join(self.needed)}", received, remedy)
        if alike:
            expected = f"every column under a name that is known: {', '.join(alike)}"
            received = ", ".join(f"{' and '.join(names)}, perhaps {ours}" for ours, names in alike.items())
            without = f"; or go on without: {' '.join(column(ours, '') for ours in alike)}"
            raise DataError(expected, f"{received}, in the first row of {self.path}", remedy + without)


def unread(cells: Mapping[str, str], needed: Sequence[str], optional: Sequence[Sequence[str]]) -> list[str]:
    """Columns of a row that nothing is read from.

    >>> unread({"time": "10:30", "note": "", "limit_price": ""}, ["time"], [["limit", "limit_price"]])
    ['note']
    """
    known = {*needed, *(name for spellings in optional for name in spellings)}
    return [name for name in cells if name and name not in known]


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV; what is no number or text is JSON.

    >>> csv_text([["name", "weight"], ["=1+1", -0.5]])
    "name,weight\\r\\n'=1+1,-0.5\\r\\n"
    """
    out = io.StringIO()
    csv.writer(out).writerows(map(csv_cell, row) for row in rows)
    return out.getvalue()


def csv_cell(value: Any) -> Any:
    """A cell; a text that a spreadsheet would reckon with has an apostrophe before it.

    >>> [csv_cell(value) for value in ("=1+1", "@x", "\\n\\ufeff \\uff1d1", "'=1", "p-1", -3.5, None, {"a": 1})]
    ["'=1+1", "'@x", "'\\n\\ufeff \\uff1d1", "''=1", 'p-1', -3.5, None, '{"a": 1}']
    """
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if _is_formula(text) else text


def read_cell(text: str) -> str:
    """The text of which :func:`csv_cell` made a cell.

    >>> [read_cell(cell) for cell in ("'=1+1", "''=1", "'tis", "p-1")]
    ['=1+1', "'=1", "'tis", 'p-1']
    """
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet reckons with a cell, wide letters and what is not seen before them aside."""
    bare = text.lstrip("'")
    seen = (letter for letter in normalize("NFKC", bare) if category(letter)[0] not in "ZC")
    return bare[:1] in ("\t", "\r", "\n") or next(seen, "x") in "=+-@"
