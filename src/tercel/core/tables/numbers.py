"""Parse the number columns of a table: floats, exact fractions, and units beside the numbers."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import polars as pl

from tercel.core.tables.cell_text import EITHER, SCALED, plain_text, with_point
from tercel.core.tables.table import ROW, Table
from tercel.core.tables.usual_names import plain_name

# Numbers of a table: their decimal sign is said or shown by the file, never guessed.
LARGEST: Final = 15
"""Power of ten that an exact number may have, and its reciprocal."""
PRICES: Final = frozenset({"price", "limit", "open", "high", "low", "close", "adj_close"})
"""Columns that a map's `price_scale` is of."""


def _decimal(table: Table) -> str:
    """Decimal sign of a table: of its map, else as its cells show it; "" if unknown.

    In a file of commas, and in JSON, it is a point.
    """
    if table.map.point or table.separator in ("", ","):
        return table.map.point or "."
    comma, point = table.signs
    if comma and point:
        return ""
    return "," if comma else "." if point else ""


def _cells(table: Table, name: str, without_units: bool) -> pl.Series:
    """Cells of a column without currency signs and blanks (:func:`tercel.core.tables.cell_text.plain_text`).
    `without_units`: a word before or behind the number is removed, too.
    """
    return table.frame.select(plain_text(pl.col(name).cast(pl.String), without_units))[name]


def _with_decimal_point(table: Table, cells: pl.Series) -> pl.Series:
    """Cells with a decimal point by the table's decimal sign; null where they are no number."""
    return cells.to_frame().select(with_point(pl.col(cells.name), _decimal(table) or "."))[
        cells.name
    ]


def number_texts(
    table: Table, name: str, expected: str = "a number", remedy: str = ""
) -> pl.Series:
    """A column of numbers as text with a decimal point; null for empty cells.

    Raises
    ------
    DataError
        A cell that is not a number, or an ambiguous decimal sign, with file and row.
    """
    cells = _cells(table, name, table.map.units_in_cells)
    decimal = _decimal(table)
    signs = [table.how_to_map.column.format("decimal", sign) for sign in (",", ".")]
    if not decimal:
        comma, point = table.signs
        reason = (
            f": a comma in row {comma}, a point in row {point}"
            if comma
            else " (10.000: ten or ten thousand)"
        )
        unknown = cells.str.contains(r"[.,]") if comma else cells.str.contains(EITHER)
        table.refuse(
            unknown,
            name,
            f"numbers whose decimal sign the file shows{reason}",
            f"say it: {' or '.join(signs)}",
        )
    pointed = _with_decimal_point(table, cells)
    wrong = cells.is_not_null() & pointed.is_null()
    remedy = remedy or "correct the cell, or leave it empty if it has no value"
    unit = wrong & cells.str.contains(r"^[-+]?[\d.,]+\s*[A-Za-z]+$") & ~cells.str.contains(SCALED)
    table.refuse(
        unit,
        name,
        f"{expected} without a unit",
        f"say that cells carry their units: {table.how_to_map.column.format('units_in_cells', 'true')}; or {remedy}",
    )
    signed = wrong & cells.str.contains(r"^[-+]?[\d.,]+$")
    table.refuse(
        signed,
        name,
        f"{expected} with the decimal sign {decimal!r}",
        f"say the decimal sign: {signs[decimal == ',']}; or {remedy}",
    )
    table.refuse(wrong, name, expected, remedy)
    return pointed


def parse_numbers(table: Table, name: str, expected: str = "a number") -> pl.Series:
    """A column as Float64, null for empty cells, prices times the map's `price_scale`; other text is a DataError with
    its row."""
    cells = table.frame[name]
    if cells.dtype.is_numeric() or cells.dtype in (pl.Null, pl.Boolean):
        values = cells.cast(pl.Float64).fill_nan(None)
    else:
        remedy = "correct the cell, or leave it empty if it has no value"
        if name in ("open", "high", "low", "volume"):
            remedy += f"; or go on without the column: {table.how_to_map.column.format(name, '')}"
        values = number_texts(table, name, expected, remedy).cast(pl.Float64)
    table.refuse(
        values.is_infinite(),
        name,
        f"{expected} that is finite",
        "correct the cell, or leave it empty",
    )
    return (values * table.map.price_scale if name in PRICES else values).alias(name)


def parse_exact(table: Table, name: str, expected: str = "a number") -> list[Fraction | None]:
    """A column as exact fractions, prices times the map's `price_scale`; None for empty cells.

    Raises
    ------
    DataError
        A cell that is no number from 1e-15 to 1e15, with file and row.
    """
    cells = number_texts(table, name, expected, "correct the row, or take it out")
    decimals = [None if text is None else Decimal(text) for text in cells]
    beyond = [
        number is not None and bool(number) and abs(number.adjusted()) > LARGEST
        for number in decimals
    ]
    table.refuse(
        pl.Series(beyond, dtype=pl.Boolean),
        name,
        f"{expected} from 1e-15 to 1e15",
        "correct the row, or take it out",
    )
    scale = Decimal(str(table.map.price_scale if name in PRICES else 1))
    return [None if number is None else Fraction(number) * Fraction(scale) for number in decimals]


def cell_units(table: Table, name: str) -> pl.Series:
    """Unit before or after the number in each cell of a column, "" without one.

    >>> import polars as pl
    >>> cell_units(Table(pl.DataFrame({"row": [1], "fee": ["0.00001300BNB"]}), "fills"), "fee").item()
    'BNB'
    """
    text = table.frame[name].cast(pl.String).str.strip_chars()
    suffix = text.str.extract(
        r"^[-+]?[\d.,' ]*\d[.]?\s*((?:[A-DF-Za-df-z]|[eE][A-Za-z])[A-Za-z0-9]*)$"
    )
    return (
        suffix.fill_null(text.str.extract(r"^([A-Za-z]+)\s*[-+]?[\d.,]+$"))
        .fill_null("")
        .alias(name)
    )


def count_numbers(table: Table, name: str) -> tuple[int, int]:
    """Number of numeric cells and number of non-empty cells in a column."""
    if table.frame[name].dtype.is_numeric():
        return table.frame[name].count(), table.frame[name].count()
    cells = _cells(table, name, table.map.units_in_cells)
    return _with_decimal_point(table, cells).count(), cells.count()


def without_money_columns(table: Table, ours: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that are not price times another column in most rows; all of them unless `ours` is "quantity"."""
    if ours != "quantity":
        return list(names)
    columns = [name for name in table.frame.columns if name != ROW]
    floats = {
        name: _with_decimal_point(table, _cells(table, name, True)).cast(pl.Float64)
        for name in columns
    }
    prices = [name for name in floats if plain_name(name).endswith(("price", "px"))]
    return [
        name
        for name in names
        if not any(
            _is_mostly_one((floats[price] * floats[factor] / floats[name]).abs(), floats[price])
            for price in prices
            for factor in floats
            if factor not in (price, name)
        )
    ]


def _is_mostly_one(ratio: pl.Series, price: pl.Series) -> bool:
    """Whether more than half of the ratios are 1 (within 0.1 %), among the rows whose price is not about 1."""
    ratio = ratio.filter((price - 1).abs() > 1e-2)
    near = (ratio - 1).abs() < 1e-3
    return bool(ratio.count() and 2 * int(near.sum()) > ratio.count())
