"""Cells of numbers and of sides."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import polars as pl

from tercel.core.tables.table import ROW, Table, plain_name
from tercel.core.tables.text import EITHER, SCALED, plain_text, with_point
from tercel.core.vocabulary import BUY, SELL

# -- numbers --------------------------------------------------------------------------------------
# Numbers of a table: their decimal sign is said or shown by the file, never guessed.

LARGEST: Final = 15
"""Power of ten that an exact number may have, and its reciprocal."""


def _decimal(table: Table) -> str:
    """Decimal sign of a table's text, "" where nothing shows it.

    In a file of commas, and in JSON, it is a point.
    """
    if table.map.point or table.separator in ("", ","):
        return table.map.point or "."
    comma, point = table.signs
    if comma and point:
        return ""
    return "," if comma else "." if point else ""


def _cells(table: Table, name: str, units: bool) -> pl.Series:
    """Cells of a column as :func:`tercel.core.tables.text.plain_text` has them."""
    return table.frame.select(plain_text(pl.col(name).cast(pl.String), units))[name]


def _pointed(table: Table, cells: pl.Series) -> pl.Series:
    """Cells with a decimal point, null where they are no number by the table's decimal sign."""
    return cells.to_frame().select(with_point(pl.col(cells.name), _decimal(table) or "."))[
        cells.name
    ]


def texts(table: Table, name: str, expected: str = "a number", remedy: str = "") -> pl.Series:
    """A column of text as numbers with a decimal point, still as text; null where a cell says nothing.

    Raises
    ------
    DataError
        What is no number, or one whose decimal sign nothing shows, with file and row.
    """
    cells = _cells(table, name, table.map.units_in_cells)
    decimal = _decimal(table)
    signs = [table.how.column.format("decimal", sign) for sign in (",", ".")]
    if not decimal:
        comma, point = table.signs
        why = (
            f": a comma in row {comma}, a point in row {point}"
            if comma
            else " (10.000: ten or ten thousand)"
        )
        unknown = cells.str.contains(r"[.,]") if comma else cells.str.contains(EITHER)
        table.refuse(
            unknown,
            name,
            f"numbers whose decimal sign the file shows{why}",
            f"say it: {' or '.join(signs)}",
        )
    found = _pointed(table, cells)
    wrong = cells.is_not_null() & found.is_null()
    remedy = remedy or "correct the cell, or leave it empty where there is none"
    unit = wrong & cells.str.contains(r"^[-+]?[\d.,]+\s*[A-Za-z]+$") & ~cells.str.contains(SCALED)
    table.refuse(
        unit,
        name,
        f"{expected} without a unit",
        f"say that cells carry their units: {table.how.column.format('units_in_cells', 'true')}; or {remedy}",
    )
    signed = wrong & cells.str.contains(r"^[-+]?[\d.,]+$")
    table.refuse(
        signed,
        name,
        f"{expected} with the decimal sign {decimal!r}",
        f"say the decimal sign: {signs[decimal == ',']}; or {remedy}",
    )
    table.refuse(wrong, name, expected, remedy)
    return found


def numbers(table: Table, name: str, expected: str = "a number") -> pl.Series:
    """A column as Float64, null where a cell says nothing; text in a number is refused with its row."""
    cells = table.frame[name]
    if cells.dtype.is_numeric() or cells.dtype in (pl.Null, pl.Boolean):
        values = cells.cast(pl.Float64).fill_nan(None)
    else:
        remedy = "correct the cell, or leave it empty where there is none"
        if name in ("open", "high", "low", "volume"):
            remedy += f"; or go on without the column: {table.how.column.format(name, '')}"
        values = texts(table, name, expected, remedy).cast(pl.Float64)
    table.refuse(
        values.is_infinite(),
        name,
        f"{expected} that is finite",
        "correct the cell, or leave it empty",
    )
    return values.alias(name)


def exact(table: Table, name: str, expected: str = "a number") -> list[Fraction | None]:
    """A column as fractions, digit by digit; None where a cell says nothing.

    Raises
    ------
    DataError
        What is no number from 1e-15 to 1e15, with file and row.
    """
    found = texts(table, name, expected, "correct the row, or take it out")
    decimals = [None if text is None else Decimal(text) for text in found]
    beyond = [one is not None and bool(one) and abs(one.adjusted()) > LARGEST for one in decimals]
    table.refuse(
        pl.Series(beyond, dtype=pl.Boolean),
        name,
        f"{expected} from 1e-15 to 1e15",
        "correct the row, or take it out",
    )
    return [None if one is None else Fraction(one) for one in decimals]


def units(table: Table, name: str) -> pl.Series:
    """Words before or behind the numbers of a column, "" where there is none.

    >>> import polars as pl
    >>> units(Table(pl.DataFrame({"row": [1], "fee": ["0.00001300BNB"]}), "fills"), "fee").item()
    'BNB'
    """
    text = table.frame[name].cast(pl.String).str.strip_chars()
    after = text.str.extract(
        r"^[-+]?[\d.,' ]*\d[.]?\s*((?:[A-DF-Za-df-z]|[eE][A-Za-z])[A-Za-z0-9]*)$"
    )
    return (
        after.fill_null(text.str.extract(r"^([A-Za-z]+)\s*[-+]?[\d.,]+$")).fill_null("").alias(name)
    )


def is_number(table: Table, name: str) -> tuple[int, int]:
    """How many cells of a column are numbers, and how many say something."""
    if table.frame[name].dtype.is_numeric():
        return table.frame[name].count(), table.frame[name].count()
    cells = _cells(table, name, table.map.units_in_cells)
    return _pointed(table, cells).count(), cells.count()


def not_money(table: Table, ours: str, names: Sequence[str]) -> list[str]:
    """Of columns that may be a quantity, those that are not the price times another column in most rows."""
    if ours != "quantity":
        return list(names)
    there = [name for name in table.frame.columns if name != ROW]
    floats = {name: _pointed(table, _cells(table, name, True)).cast(pl.Float64) for name in there}
    prices = [name for name in floats if plain_name(name).endswith(("price", "px"))]
    return [
        name
        for name in names
        if not any(
            _mostly((floats[price] * floats[other] / floats[name]).abs(), floats[price])
            for price in prices
            for other in floats
            if other not in (price, name)
        )
    ]


def _mostly(ratio: pl.Series, price: pl.Series) -> bool:
    """Whether most ratios are 1, but not because the price is."""
    ratio = ratio.filter((price - 1).abs() > 1e-2)
    near = (ratio - 1).abs() < 1e-3
    return bool(ratio.count() and 2 * int(near.sum()) > ratio.count())


# -- sides ----------------------------------------------------------------------------------------
# Words for the two sides of a trade.

SIDES: Final = {
    **dict.fromkeys(("buy", "b", "1", "+1", "bot", "bought"), BUY),
    **dict.fromkeys(("sell", "s", "-1", "2", "5", "6", "sld", "sold", "ss", "sell short"), SELL),
}
"""Words of people, and FIX's: 1 buy, 2 sell, 5 sell short, 6 sell short exempt."""


def sides(table: Table, name: str = "side") -> pl.Series:
    """A column of words as +1 for a buy and -1 for a sell, int64 (n,).

    Raises
    ------
    DataError
        A word that neither we nor the table's map know, with its row.

    >>> sides(Table(pl.DataFrame({"row": [2], "side": ["BOT"]}), "fills.csv")).to_list()
    [1]
    """
    said = table.map.sides
    known = (
        SIDES
        | {word.lower(): BUY for word in said.buy}
        | {word.lower(): SELL for word in said.sell}
    )
    text = table.frame[name].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    found = text.replace_strict(known, default=None, return_dtype=pl.Int64)
    how = table.how.column.format("buy", "WORD")
    table.refuse(
        found.is_null(),
        name,
        "a side: buy or sell",
        f"correct the row, or say what the word means: {how} ([sides] in a map), {how.replace('buy', 'sell', 1)}",
    )
    return found.alias(name)
