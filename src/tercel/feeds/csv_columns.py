"""Columns of a tick file, from text to typed values: numbers, ids, codes, prices; a cell that does not fit is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from tercel.core.errors import FeedError
from tercel.core.tables.cell_text import EITHER, NOTHING, plain_text, with_point

ROW: Final = "_row"
NS: Final = "_ns"
RECEIVED: Final = "_received"
TIMES: Final = (NS, RECEIVED, ROW)
_MARKS: Final = r"[^-+.0-9eE\s]|\d\s\d"
CORRECT: Final = "correct the row, or the map"
ALLOW: Final = (
    "correct the row; where prices may be at or below zero, say how low in [instrument] of the map: "
    'lowest_price = -100.0; where 0 is no price of a quote, zero_side = "none" in [file.quote]'
)
LOWER: Final = "correct the row, or lower `lowest_price` in [instrument] of the map"


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows sorted by time, then by row number."""
    columns = [rows[name].to_numpy() for name in (NS, ROW)]
    if all((column[1:] >= column[:-1]).all() for column in columns):  # as most files are
        return rows
    return rows.sort(NS, ROW, maintain_order=True)


@dataclass(frozen=True)
class TypedColumn:
    """A text column with its typed value, null where the text is not of the expected kind."""

    column: str
    text: pl.Expr
    value: pl.Expr
    expected: str
    remedy: str = CORRECT


def strip_text(column: str) -> pl.Expr:
    """Expression of a column as text without surrounding blanks; "" for an empty field."""
    return pl.col(column).cast(pl.String).fill_null("").str.strip_chars()


def divide(value: pl.Expr, by: float) -> pl.Expr:
    """A column divided exactly: Polars would multiply by the reciprocal of a single number."""
    return value.map_batches(
        lambda column: pl.Series(column.to_numpy() / by), return_dtype=pl.Float64
    )


def one_of(column: str, table: Mapping[str, int], expected: str) -> TypedColumn:
    """A column of codes, each value replaced by its number in `table`; null (refused later) where it has none."""
    text = strip_text(column)
    code = text.replace_strict(
        list(table), list(table.values()), default=None, return_dtype=pl.Int64
    )
    return TypedColumn(column, text, code, expected)


@dataclass(frozen=True)
class TextRows:
    """The rows of one symbol and day in a file, as text, with their numbers and times.

    Parameters
    ----------
    frame : polars.DataFrame
        Text columns, or numbers where all of a column are plain ones (null: an empty field); ROW from 1 (the header
        counts), NS and RECEIVED in ns since 1970.
    location : str
        The file, for people.
    decimal : str
        Sign of decimals in its numbers; empty: not known.
    zone : str
        Timezone in which its times were read, as they name none themselves; empty where they do, or count from 1970.
    others : int
        Rows of other symbols than that in the file's name, left out.
    """

    frame: pl.DataFrame
    location: str
    decimal: str = "."
    zone: str = ""
    others: int = 0

    def of(self, column: str, values: Sequence[str]) -> "TextRows":
        """The rows whose `column` holds one of these values, surrounding blanks aside."""
        return replace(self, frame=self.frame.filter(strip_text(column).is_in(list(values))))

    def number(self, column: str, factor: int = 1, divisor: int = 1) -> TypedColumn:
        """A column as float64, times `factor` / `divisor`; 0 where the field is empty, null where it is no finite number.

        Raises
        ------
        FeedError
            For a number whose decimal sign neither the map nor another cell shows, with its row.
        """
        text = strip_text(column)
        if self.frame.schema[column].is_numeric():
            known = pl.col(column).fill_null(0.0)
            scaled = known if factor == divisor == 1 else divide(known * factor, divisor)
            return TypedColumn(column, text, pl.when(known.is_finite()).then(scaled), "a number")
        parsed = TypedColumn(column, text, text.cast(pl.Float64, strict=False), "a number")
        if not self.decimal:
            unknown = self.frame[column].str.strip_chars().str.contains(EITHER).fill_null(False)
            self.refuse(
                unknown,
                parsed,
                "a number whose decimal sign is known",
                'write `decimal = ","`, or ".", in the map',
            )
        if self.decimal == "," or self.frame[column].str.contains(_MARKS).any():
            parsed = replace(
                parsed, value=with_point(plain_text(text), self.decimal or ".").cast(pl.Float64)
            )
        value = (
            pl.when(text == "")
            .then(0.0)
            .when(parsed.value.is_finite())
            .then(divide(parsed.value * factor, divisor))
        )
        return replace(parsed, value=value)

    def is_empty(self, column: str) -> pl.Expr:
        """Expression of whether a field is empty."""
        is_numeric = self.frame.schema[column].is_numeric()
        return pl.col(column).is_null() if is_numeric else strip_text(column) == ""

    def ids(self, columns: Sequence[str]) -> TypedColumn:
        """Ids as exact text, of one column or of several joined; "" where the field is empty, null where digits were lost."""
        first_id, *others = map(strip_text, columns)
        text = exact = pl.concat_str([first_id, *others], separator=" ")
        if self.frame[columns[0]].cast(pl.Int64, strict=False).null_count():
            # a whole number that pandas wrote as a float has all its digits up to 9e15
            plain = first_id.str.replace(r"^(\d{1,15}|[0-8]\d{15})\.0+$", "${1}")
            lost = plain.str.contains(r"^[-+]?\d+\.\d+[eE][-+]?\d+$|^\d+[eE]\+\d+$|^\d{16,}\.0+$")
            exact_text = pl.when(~lost).then(pl.concat_str([plain, *others], separator=" "))
            exact = (
                pl.when(first_id.str.to_lowercase().is_in(NOTHING))
                .then(pl.lit(""))
                .otherwise(exact_text)
            )
        remedy = "export the ids as text: these are rounded numbers"
        return TypedColumn(" ".join(columns), text, exact, "an id with all its digits", remedy)

    def to_typed(
        self, fields: Mapping[str, TypedColumn | pl.Expr], carried: Sequence[str] = TIMES
    ) -> pl.DataFrame:
        """The `carried` columns and the typed fields, under their names; FeedError for the first cell that does not fit.

        Raises
        ------
        FeedError
            A field that is not of its expected kind, with its row.
        """
        expressions = {
            name: field.value if isinstance(field, TypedColumn) else field
            for name, field in fields.items()
        }
        typed = self.frame.select(*carried, **expressions)
        for name, field in fields.items():
            if isinstance(field, TypedColumn):
                self.refuse(typed[name].is_null(), field, field.expected, field.remedy)
        return typed

    def refuse(self, wrong: pl.Series, column: TypedColumn, expected: str, remedy: str) -> None:
        """Raise FeedError for the first row marked `wrong`, with its cell, row number and file; nothing if no row is."""
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            cell = (self.frame[row].select(column.text).item() or "")[:40]
            raise FeedError(
                f"{expected} as {column.column}",
                f"{cell!r} in column {column.column}, row {self.frame[ROW][row]} of {self.location}",
                remedy,
            )


@dataclass(frozen=True)
class FilePrices:
    """How prices are written in a file: scale, lowest value, lots of one unit of size.

    Parameters
    ----------
    divisor : int
        Prices in the file are price units times this.
    zero : float
        Where ticks of the tape begin, price units: all prices are above it. Below 0 where the map has `lowest_price`.
    lots : int
        Lots of one share or coin, by which sizes are multiplied.
    """

    divisor: int = 1
    zero: float = 0.0
    lots: int = 1

    def column(
        self,
        text: TextRows,
        name: str,
        zero_is_none: pl.Expr | bool | None = None,
        may_lack: pl.Expr | bool = True,
    ) -> TypedColumn:
        """A price column above `zero`, counted from there; 0 where missing and it `may_lack`, null (which `to_typed`
        refuses) for other values.

        `zero_is_none`: rows in which 0 is no price; by default all unless the map has `lowest_price`.
        """
        number = text.number(name, divisor=self.divisor)
        empty = text.is_empty(name)
        nothing = empty | (
            (number.value == 0) & (not self.zero if zero_is_none is None else zero_is_none)
        )
        above = pl.when(~empty & (number.value > self.zero)).then(
            number.value - self.zero if self.zero else number.value
        )
        price = pl.when(nothing & may_lack).then(0.0).otherwise(above)
        return TypedColumn(
            name, number.text, price, f"a price above {self.zero:g}", LOWER if self.zero else ALLOW
        )
