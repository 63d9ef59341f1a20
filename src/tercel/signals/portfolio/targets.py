"""Files of target positions, read: lots, shares or weights by name; `backtest` and `today` write them.

    name,lots            or name,shares, or name,weight
    AAA,500
    BBB,-200

A file with a column `date` counts by its last one, and has an age by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from tercel.core.errors import DataError, refuse_if, suggest_name
from tercel.core.orders import Listing
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.table import ROW, TYPED_OPTIONS, HowToMap, read_table
from tercel.core.tables.table_map import ColumnNames, TableMap
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL, plain_name

UNITS: Final = {"lots": ("lots",), "shares": ("shares",), "weight": ("weight",)}


MOST_GROSS: Final = 5.0
"""Books that weights may add up to, long and short together, without a unit."""


@dataclass(frozen=True, slots=True)
class Target:
    """A position to be reached: `value` of lots, of shares, or the share of the desk's capital; the day it is of."""

    value: float
    unit: str
    day: date | None = None

    def lots(self, listing: Listing, mid2: int, capital: float) -> float:
        """The target in lots of an instrument, at a mid in half-ticks; not rounded.

        >>> Target(0.5, "weight").lots(Listing("A", 0.01, 100), 4000, 100_000.0)
        25.0
        """
        if self.unit == "weight":
            return self.value * capital / (mid2 / 2 * listing.tick * listing.lot)
        return self.value / (listing.lot if self.unit == "shares" else 1)


def read_targets(
    path: Path,
    names: Mapping[str, str],
    columns: ColumnNames = MappingProxyType({}),
    how: HowToMap = TYPED_OPTIONS,
) -> dict[str, Target]:
    """Targets in a file, by instrument; `names` maps the file's names to instruments; others are refused unless their
    target is 0.

    `columns` and `how` as :func:`read_named_values`.

    Raises
    ------
    DataError
        With file and row: an unknown name, two rows of one, a value that is no number, no rows.
    """
    unit, rows, day = read_named_values(path, UNITS, columns, how)
    targets: dict[str, Target] = {}
    for name, value, row in rows:
        if name in names:
            targets[names[name]] = Target(value, unit, day)
        elif value:
            remedy = suggest_name(
                name,
                names,
                "add it as [[instrument]], map it by [signals.names], or take the row out",
            )
            raise DataError(
                f"names such as {', '.join(list(names)[:5])}",
                f"{name!r} in row {row} of {path}",
                remedy,
            )
    refuse_if(
        not targets, "rows of targets", f"none in {path}", "write one a name: name,lots", DataError
    )
    return targets


def names_in(path: Path, columns: ColumnNames = MappingProxyType({})) -> tuple[str, ...]:
    """Names of a file of targets, in its order.

    Raises
    ------
    DataError
        For a file that is none.
    """
    return tuple(name for name, _, _ in read_named_values(path, UNITS, columns)[1])


def read_named_values(
    path: Path | pl.DataFrame,
    units: Mapping[str, Sequence[str]],
    columns: TableMap | ColumnNames = MappingProxyType({}),
    how: HowToMap = TYPED_OPTIONS,
) -> tuple[str, list[tuple[str, float, int]], date | None]:
    """Read a file of names and numbers: return the unit; name, number and row of its last date, or of all rows without
    dates; that date.

    Parameters
    ----------
    path : Path or DataFrame
        As :func:`tercel.core.tables.table.read_table` reads it.
    units : mapping of str to sequence of str
        Units allowed, and names of the column for each.
    columns : mapping
        Ours (`symbol`, `date`, those of `units`) to theirs, and settings of the table's map.
    how : HowToMap
        Syntax for a mapping, in errors.

    Raises
    ------
    DataError
        With file and row: not one column of `units`, two rows of a name, a value that is no number.
    """
    table = read_table(path, columns, how)
    plain = [plain_name(column) for column in table.frame.columns]
    given_units = [
        unit
        for unit, called in units.items()
        if unit in table.map.columns or set(called) & set(plain)
    ]
    if len(given_units) != 1:
        calls = " ".join(
            how.column.format(ours, "THEIRS") for ours in ("symbol", next(iter(units)))
        )
        raise DataError(
            f"columns name and one of {', '.join(units)}",
            f"{', '.join(table.frame.columns[1:])} in {table.source}, row 1",
            f"name them so, or say what they are called: {calls}",
        )
    table = rename_columns(
        table,
        ("symbol", *given_units),
        ("date",),
        {**units, "symbol": USUAL["symbol"], "date": ("date",)},
    )
    last: Any = None
    if "date" in table.frame.columns:
        day = parse_days(table, "date")
        refuse_if(
            day.is_empty(),
            "one row per name",
            f"none in {table.source}",
            "write one, 0 to hold none, or take the file away",
            DataError,
        )
        last = day.max()
        table = replace(table, frame=table.frame.filter(day == last))
    table.refuse(
        ~table.frame["symbol"].is_first_distinct(),
        "symbol",
        "one row per name",
        "take one of them out",
    )
    cells = table.frame[given_units[0]].cast(pl.String).str.strip_chars()
    if (
        given_units == ["weight"]
        and table.map.weight_unit != "fraction"
        and cells.str.contains(r"%$|^$").all()
    ):
        table = replace(
            table,
            frame=table.frame.with_columns(cells.str.strip_suffix("%").str.strip_chars()),
            map=table.map.model_copy(update={"weight_unit": "percent"}),
        )
    values = parse_numbers(table, given_units[0])
    table.refuse(
        values.is_null(),
        given_units[0],
        f"a number of {given_units[0]}",
        "write a number, 0 to hold none",
    )
    if given_units == ["weight"]:
        values = fractions(values, table.map.weight_unit, table.source, how)
    names = table.frame["symbol"].cast(str).to_list()
    return (
        given_units[0],
        list(zip(names, values.to_list(), table.frame[ROW].to_list(), strict=True)),
        last,
    )


def fractions(
    weights: pl.Series, unit: str, origin: str = "weights", how: HowToMap = TYPED_OPTIONS
) -> pl.Series:
    """Weights as shares of a book's value: divided by 100 if `unit` is "percent", else as they are, refused if too
    large without a unit.

    Raises
    ------
    DataError
        They add up to more than `MOST_GROSS` books, and no unit is given.

    >>> fractions(pl.Series([25.0, -75.0]), "percent").to_list()
    [0.25, -0.75]
    """
    refuse_if(
        not unit and weights.abs().sum() > MOST_GROSS,
        f"weights as fractions of the book's value, such as 0.25, long and short up to {MOST_GROSS:g} together",
        f"{weights.abs().sum():g} together in {origin}: these look like percent, shares or money",
        f"say what they are: {how.column.format('weight_unit', 'percent')} (or fraction); divide shares and money by the "
        "book's value",
        DataError,
    )
    return weights / 100 if unit == "percent" else weights
