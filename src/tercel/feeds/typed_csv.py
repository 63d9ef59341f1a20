"""CSV files of known columns read as numbers at once; where a cell does not fit, once more as text, to say which."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Ints
from tercel.core.errors import FeedError
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.csv_columns import ROW, TextRows, TypedColumn, strip_text
from tercel.feeds.members import HEAD_BYTES, Member, tail_of

FILE_SHIFT: Final = 40
"""A row of several files is numbered by the file's number, shifted by so many bits, and its row there."""
TORN: Final = "the row is cut, or of another file: correct it, or download the file again"
_DATE: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-._]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)"
)


@dataclass(frozen=True)
class Field:
    """A column to read: its name in the file, its type, its value (null: the cell does not fit), and what is expected."""

    column: str
    dtype: pl.DataType | type[pl.DataType]
    value: Callable[[pl.Expr], pl.Expr] = lambda value: value
    expected: str = "a value"
    remedy: str = TORN


def whole_number(column: str, low: int = 0, high: int = 2**63 - 1) -> Field:
    """Field of a whole number from `low` to `high`, both included."""
    expected = f"a whole number from {low:,} to {high:,}" if high < 2**62 else "one below 2**63"
    return Field(
        column, pl.Int64, lambda value: pl.when(value.is_between(low, high)).then(value), expected
    )


def price_units(column: str, units: int) -> Field:
    """Field of a price of 0 or more, in whole parts of 1 / `units` (what binary fractions add goes)."""
    return Field(
        column,
        pl.Float64,
        lambda value: (
            pl.when(value.is_between(0, MOST_LOTS)).then((value * units).round()).cast(pl.Int64)
        ),
        "a price of 0 or more",
    )


def code(column: str, codes: Mapping[str, int]) -> Field:
    """Field of one of some words, as its number."""
    return Field(
        column,
        pl.Enum(list(codes)),
        lambda value: value.replace_strict(codes, return_dtype=pl.Int8),
        f"one of {', '.join(codes)}",
    )


def or_zero(field: Field) -> Field:
    """The field, with 0 for an empty cell."""
    return replace(field, value=lambda value: field.value(value.fill_null(0)))


def head_of(member: Member) -> tuple[list[str], list[str]]:
    """Names and first values of a CSV file: its first two lines, without quotes and a byte order mark."""
    lines = [*next(member.chunks(HEAD_BYTES), b"").split(b"\n", 2), b""]
    names, values = (
        [cell.strip('" \r') for cell in line.decode("utf-8-sig", "replace").split(",")]
        for line in lines[:2]
    )
    return names, values


@dataclass(frozen=True)
class CsvFiles:
    """Files whose rows are numbered through, so that an error can name a row's place."""

    members: Sequence[Member]

    def read(self, number: int, fields: Mapping[str, Field]) -> tuple[pl.DataFrame, list[str]]:
        """The fields of a file under their names with ROW, and a note where it ends without a line end.

        Raises
        ------
        FeedError
            With row and column, for a cell that does not fit.
        """
        member = self.members[number]
        source = member.path or member.content()
        frame = read_fields(source, member.location, fields)
        first = (number << FILE_SHIFT) + 2
        frame = frame.with_columns(pl.int_range(first, first + frame.height).alias(ROW))
        note = f"{self.place(first + frame.height - 1)} ends without a line end: it may be cut, compare it with the source"
        return frame, [note] * (tail_of(source, 1) != b"\n")

    def place(self, row: int) -> str:
        """Text of a row's place."""
        return (
            f"row {row & ((1 << FILE_SHIFT) - 1):,} of {self.members[row >> FILE_SHIFT].location}"
        )

    def refuse(self, wrong: pl.DataFrame, column: str, expected: str, remedy: str = TORN) -> None:
        """Raise FeedError for the first of the wrong rows, if there is one, with its value of `column`."""
        for row in wrong.head(1).iter_rows(named=True):
            raise FeedError(expected, f"{column} {row[column]} in {self.place(row[ROW])}", remedy)

    def in_sequence(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """Rows by their number `seq`, each once, and a note on rows that come again; FeedError for two contents of a number."""
        ordered = rows.sort("seq", maintain_order=True)
        is_again = ordered["seq"].diff() == 0
        if not is_again.any():
            return ordered, []
        content = [name for name in rows.columns if name != ROW]
        distinct = ordered.unique(content, keep="first", maintain_order=True)
        self.refuse(
            distinct.filter(pl.col("seq").diff() == 0),
            "seq",
            "one content for each number of the sequence",
            "give the files of one vendor and day, in which all rows share one sequence",
        )
        again = ordered.filter(is_again)
        place = self.place(again[ROW][0])
        return distinct, [
            f"{again.height:,} rows come again, the first in {place}; each counts once"
        ]


@dataclass(frozen=True, eq=False)
class TypedDay:
    """The rows of one symbol and day in such files, in sequence.

    Parameters
    ----------
    files : CsvFiles
        Where they are from.
    symbol, date : str
        As in the lake.
    rows : polars.DataFrame
        The rows by number, with `ns` and ROW.
    tick : float or None
        Stated tick in units of price.
    notes : tuple of str
        Warnings so far.
    """

    files: CsvFiles
    symbol: str
    date: str
    rows: pl.DataFrame
    tick: float | None
    notes: tuple[str, ...]

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the day's files."""
        numbers = (self.rows[ROW] // (1 << FILE_SHIFT)).unique().sort()
        return tuple(self.files.members[number].name for number in numbers)

    def rows_back(self) -> tuple[pl.DataFrame, list[str]]:
        """Rows with a time before that of the row above, and a note on them."""
        back = self.rows.filter(pl.col("ns").diff() < 0)
        return back, [
            f"the clock goes back in {back.height:,} rows, the first in {self.files.place(row)}; it was held"
            for row in back[ROW][:1]
        ]


def read_fields(
    source: Path | bytes, location: str, fields: Mapping[str, Field], header: Sequence[str] = ()
) -> pl.DataFrame:
    """The fields of a file by name; `header`: its columns, where the file has no line of them.

    Raises
    ------
    FeedError
        For the first cell or row that does not fit.
    """
    types = {field.column: field.dtype for field in fields.values()}
    read = partial(pl.read_csv, source, columns=list(types))
    if header:
        read = partial(pl.read_csv, source, has_header=False, new_columns=header, quote_char=None)
    try:
        frame = _without_blank_end(read(schema_overrides=types))
        frame = frame.select(**{name: f.value(pl.col(f.column)) for name, f in fields.items()})
        is_torn = any(frame.null_count().row(0))
    except pl.exceptions.PolarsError:
        is_torn = True
    if not is_torn:
        return frame
    text = _without_blank_end(_read_text(read, source, location))
    return TextRows(text.with_row_index(ROW, 1 if header else 2), location).to_typed(
        {name: _of_text(field) for name, field in fields.items()}, []
    )


def _without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows without the empty lines at the end of a file."""
    if not any(frame.tail(1).null_count().row(0)):
        return frame
    is_blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series().reverse()
    return frame.head(frame.height - (is_blank.arg_min() or 0))


def _read_text(
    read: Callable[..., pl.DataFrame], source: Path | bytes, location: str
) -> pl.DataFrame:
    """A file's cells as text; FeedError for a row of more fields than the first."""
    try:
        return read(infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        lines = (source.read_bytes() if isinstance(source, Path) else source).split(b"\n")
        commas = lines[0].count(b",")
        wide = next((row for row, line in enumerate(lines, 1) if line.count(b",") > commas), 0)
        received = f"more in row {wide:,} of {location}" if wide else f"{location}: {error}"
        raise FeedError(f"rows of {commas + 1} fields", received, TORN) from error


def _of_text(field: Field) -> TypedColumn:
    """Typed column of a field that was read as text; 7.0 is the whole number 7."""
    text = strip_text(field.column)
    plain = text.str.replace(r"\.0+$", "") if field.dtype == pl.Int64 else text
    value = field.value(plain.cast(field.dtype, strict=False))
    return TypedColumn(field.column, text, value, field.expected, field.remedy)


def ticks_away(prices: Ints, unit: int, sides: Ints) -> tuple[Ints, Bools]:
    """Prices in ticks of `unit`, those off it rounded away from the touch of their side, and which are off it.

    >>> [x.tolist() for x in ticks_away(np.array([150, 150, 200]), 100, np.array([1, -1, -1]))]
    [[1, 2, 2], [True, True, False]]
    """
    ticks, rest = np.divmod(prices, unit)
    off = rest != 0
    return np.maximum(ticks + (off & (sides < 0)), prices > 0), off


def date_named(location: str) -> str | None:
    """ISO date in the name of a file, or else of its archive or folder; None if there is none, or there are several.

    >>> date_named("600519_2023-02-01.zip!20230201/entrust.csv"), date_named("2023.07.11")
    ('2023-02-01', '2023-07-11')
    """
    *folders, name = location.replace("!", "/").split("/")
    for text in (name, " ".join(folders[-2:])):
        dates = {"-".join(match.group(1, 3, 4)) for match in _DATE.finditer(text)}
        if len(dates) == 1:
            return dates.pop()
    return None
