"""CSV files of known columns read as numbers at once; where a cell does not fit, once more as text, to say which."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date as calendar_date
from pathlib import Path
from typing import Final, NoReturn

import polars as pl

from tercel.core.errors import FeedError
from tercel.feeds.csv_columns import ROW, TextRows, TypedColumn, strip_text

FILE_SHIFT: Final = 40
"""A row of several files is numbered by the file's number, shifted by so many bits, and its row there."""
MOST: Final = 2**30
"""Sizes and prices in ticks stay below this."""
_DATE: Final = re.compile(r"(?<!\d)(20\d\d|19\d\d)([-._]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
TORN: Final = "the row is cut, or of another file: correct it, or download the file again"


def _as_it_is(value: pl.Expr) -> pl.Expr:
    """A column as it was read."""
    return value


@dataclass(frozen=True)
class Field:
    """A column to read: its name in the file, its type, its value (null: the cell does not fit), and what is expected."""

    column: str
    dtype: pl.DataType | type[pl.DataType]
    value: Callable[[pl.Expr], pl.Expr] = _as_it_is
    expected: str = "a value"
    remedy: str = TORN


def whole_number(column: str, low: int = 0, high: int = 2**63 - 1) -> Field:
    """Field of a whole number from `low` to `high`, both included."""
    expected = f"a whole number from {low} to {f'{high:,}' if high < 2**62 else '2**63 - 1'}"
    return Field(
        column, pl.Int64, lambda value: pl.when(value.is_between(low, high)).then(value), expected
    )


def price_units(column: str, units: int) -> Field:
    """Field of a price of 0 or more, in whole parts of 1 / `units` (what binary fractions add goes)."""
    return Field(
        column,
        pl.Float64,
        lambda value: (
            pl.when(value.is_between(0, MOST)).then((value * units).round()).cast(pl.Int64)
        ),
        "a price of 0 or more",
    )


def code(column: str, codes: Mapping[str, int]) -> Field:
    """Field of one of some words, as its number."""
    return Field(
        column,
        pl.Enum(list(codes)),
        lambda value: value.replace_strict(list(codes), list(codes.values()), return_dtype=pl.Int64),
        f"one of {', '.join(codes)}",
    )


Source = Path | bytes
"""A plain file, or the content of one that was compressed."""


def head_of(source: Source) -> tuple[list[str], list[str]]:
    """Names and first values of a CSV file: its first two lines, without quotes and a byte order mark.

    >>> head_of(b"\xef\xbb\xbfMDDate,\"MDTime\"\r\n2023.07.11,09:15:00")
    (['MDDate', 'MDTime'], ['2023.07.11', '09:15:00'])
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            lines = [file.readline(), file.readline()]
    else:
        lines = [*source.split(b"\n", 2), b""][:2]
    names, values = (
        [cell.strip('" \r\n') for cell in line.decode("utf-8-sig", "replace").split(",")]
        for line in lines
    )
    return names, values


def is_cut(source: Source) -> bool:
    """Whether a file ends without a line end, so that its last row may be cut.

    >>> is_cut(b"a,b\n1,2"), is_cut(b"a,b\n1,2\n")
    (True, False)
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            file.seek(-1, 2)
            return file.read() != b"\n"
    return not source.endswith(b"\n")


def read_fields(
    source: Source, location: str, fields: Mapping[str, Field], number: int = 0
) -> pl.DataFrame:
    """The fields of a CSV file under their names, and ROW from 2 on (`number` of the file in its upper bits).

    Raises
    ------
    FeedError
        With row and column, for a cell that does not fit.
    """
    names = list(dict.fromkeys(field.column for field in fields.values()))
    first = (number << FILE_SHIFT) + 2
    try:
        types = {field.column: field.dtype for field in fields.values()}
        frame = pl.read_csv(source, columns=names, schema_overrides=types, encoding="utf8-lossy")
        frame = frame.select(**{name: f.value(pl.col(f.column)) for name, f in fields.items()})
        if not any(frame.null_count().row(0)):
            return frame.with_columns(pl.int_range(first, first + frame.height).alias(ROW))
    except pl.exceptions.PolarsError:  # the text says which row
        pass
    try:
        text = pl.read_csv(source, columns=names, infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        raise _torn_row(source, location, str(error).splitlines()[0]) from error
    rows = TextRows(text.with_row_index(ROW, 2), location)
    typed = rows.to_typed({name: _of_text(field) for name, field in fields.items()}, [])
    return typed.with_columns(pl.int_range(first, first + typed.height).alias(ROW))


def _torn_row(source: Source, location: str, reason: str) -> FeedError:
    """Error for the first row of a file that has more fields than its header; for the reader's own reason without one."""
    content = source.read_bytes() if isinstance(source, Path) else source
    lines = content.split(b"\n")
    fields = lines[0].count(b",") + 1
    for row, line in enumerate(lines, start=1):
        if line.count(b",") >= fields:
            received = f"{line.count(b',') + 1} in row {row:,} of {location}"
            return FeedError(f"{fields} fields in each row", received, TORN)
    return FeedError("a CSV file", f"{location}: {reason}", "download it again")


def _of_text(field: Field) -> TypedColumn:
    """Typed column of a field that was read as text; 7.0 is the whole number 7."""
    text = strip_text(field.column)
    plain = text.str.replace(r"\.0+$", "") if field.dtype == pl.Int64 else text
    value = field.value(plain.cast(field.dtype, strict=False))
    return TypedColumn(field.column, text, value, field.expected, field.remedy)


@dataclass(frozen=True)
class Places:
    """Files by number, for people, and where a row is in them."""

    files: Sequence[str]

    def of(self, row: int) -> str:
        """Text of a row's place."""
        return f"row {row & ((1 << FILE_SHIFT) - 1):,} of {self.files[row >> FILE_SHIFT]}"

    def refuse(self, wrong: pl.DataFrame, column: str, expected: str, remedy: str) -> None:
        """Raise FeedError for the first of the wrong rows, if there is one, with its value of `column`."""
        for row in wrong.head(1).iter_rows(named=True):
            self.fail(expected, f"{column} {row[column]}", row[ROW], remedy)

    def fail(self, expected: str, received: str, row: int, remedy: str) -> NoReturn:
        """Raise FeedError for a row."""
        raise FeedError(expected, f"{received} in {self.of(row)}", remedy)


def in_sequence(rows: pl.DataFrame, places: Places) -> tuple[pl.DataFrame, list[str]]:
    """Rows by their number `seq`, each once, and a note on rows that come again; FeedError for two contents of a number.

    >>> rows = pl.DataFrame({"seq": [7, 5, 7], "size": [1, 2, 1], ROW: [2, 3, 4]})
    >>> ordered, notes = in_sequence(rows, Places(["orders.csv"]))
    >>> ordered["seq"].to_list(), notes
    ([5, 7], ['1 rows come again, the first in row 4 of orders.csv; each counts once'])
    """
    ordered = rows.sort("seq", ROW)
    again = ordered.filter(pl.col("seq").diff() == 0)
    if not again.height:
        return ordered, []
    distinct = ordered.unique(
        [name for name in rows.columns if name != ROW], keep="first", maintain_order=True
    )
    clash = distinct.filter(pl.col("seq").is_duplicated())
    for number, first, second in clash.group_by("seq", maintain_order=True).agg(
        pl.col(ROW).first(), pl.col(ROW).last().alias("last")
    ).head(1).iter_rows():
        received = f"two contents of number {number}, in {places.of(first)} and {places.of(second)}"
        raise FeedError(
            "one row for each number of the sequence",
            received,
            "give the files of one vendor, in which orders and trades share one sequence",
        )
    note = f"{again.height:,} rows come again, the first in {places.of(again[ROW][0])}; each counts once"
    return distinct, [note]


def date_named(location: str) -> str | None:
    """ISO date in the name of a file, or else of its archive or folder; None if there is none, or there are several.

    >>> date_named("600519_2023-02-01.zip!20230201/entrust.csv")
    '2023-02-01'
    """
    inner = location.replace("!", "/").split("/")
    for part in (inner[-1:], inner[-3:-1]):
        dates = {"-".join(match.group(1, 3, 4)) for match in _DATE.finditer("/".join(part))}
        if len(dates) == 1:
            return dates.pop()
    return None


def iso_date(text: str) -> str | None:
    """ISO date of a date written as 2023.07.11, 20230711 or 2023-07-11; None for other text.

    >>> iso_date("2023.07.11"), iso_date("20230231")
    ('2023-07-11', None)
    """
    digits = re.sub(r"\D", "", text)
    try:
        return calendar_date.fromisoformat(digits).isoformat() if len(digits) == 8 else None
    except ValueError:
        return None
