"""Files of positions: targets of a desk, and portfolios for risk forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, offer, refuse_if
from tercel.core.orders import Listing
from tercel.core.tables.columns import numbers, renamed
from tercel.core.tables.table import ROW, TYPED, USUAL, HowToMap, plain_name, read_table
from tercel.core.tables.table_map import Called, TableMap, table_map
from tercel.core.tables.times import days
from tercel.signals.risk.portfolio import Portfolio, make_portfolio
from tercel.signals.sources.tables import price_table

# -- targets --------------------------------------------------------------------------------------
# A file of positions to be reached, as `signals backtest` writes it for a desk.
#
#     name,lots            or name,shares, or name,weight
#     AAA,500
#     BBB,-200
#
# A file with a column `date` counts by its last one, and has an age by it.

UNITS: Final = {"lots": ("lots",), "shares": ("shares",), "weight": ("weight",)}


@dataclass(frozen=True, slots=True)
class Target:
    """A position to be reached: `value` of lots, of shares, or the share of the desk's capital; the day it is of."""

    value: float
    unit: str
    day: date | None = None

    def lots(self, listing: Listing, mid2: int, capital: float) -> float:
        """In lots of an instrument, at its mid in half ticks; not rounded.

        >>> Target(0.5, "weight").lots(Listing("A", 0.01, 100), 4000, 100_000.0)
        25.0
        """
        if self.unit == "weight":
            return self.value * capital / (mid2 / 2 * listing.tick * listing.lot)
        return self.value / (listing.lot if self.unit == "shares" else 1)


def read_targets(
    path: Path,
    names: Mapping[str, str],
    columns: Called = MappingProxyType({}),
    how: HowToMap = TYPED,
) -> dict[str, Target]:
    """Targets in a file, by instrument; `names` are those of the file's, `columns` and `how` as :func:`read_named`.

    Raises
    ------
    DataError
        With file and row: an unknown name, two rows of one, a value that is no number, no rows.
    """
    unit, rows, day = read_named(path, UNITS, columns, how)
    found: dict[str, Target] = {}
    for name, value, row in rows:
        if name in names:
            found[names[name]] = Target(value, unit, day)
        elif value:
            remedy = offer(
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
        not found, "rows of targets", f"none in {path}", "write one a name: name,lots", DataError
    )
    return found


def names_in(path: Path, columns: Called = MappingProxyType({})) -> tuple[str, ...]:
    """Names of a file of targets, in its order.

    Raises
    ------
    DataError
        For a file that is none.
    """
    return tuple(name for name, _, _ in read_named(path, UNITS, columns)[1])


def read_named(
    path: Path | pl.DataFrame,
    units: Mapping[str, Sequence[str]],
    columns: TableMap | Called = MappingProxyType({}),
    how: HowToMap = TYPED,
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
    counted = [
        unit
        for unit, called in units.items()
        if unit in table.map.columns or set(called) & set(plain)
    ]
    if len(counted) != 1:
        calls = " ".join(
            how.column.format(ours, "THEIRS") for ours in ("symbol", next(iter(units)))
        )
        raise DataError(
            f"columns name and one of {', '.join(units)}",
            f"{', '.join(table.frame.columns[1:])} in {table.where}, row 1",
            f"name them so, or say what they are called: {calls}",
        )
    table = renamed(
        table,
        ("symbol", *counted),
        ("date",),
        {**units, "symbol": USUAL["symbol"], "date": ("date",)},
    )
    last: Any = None
    if "date" in table.frame.columns:
        day = days(table, "date")
        refuse_if(
            day.is_empty(),
            "one row per name",
            f"none in {table.where}",
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
    cells = table.frame[counted[0]].cast(pl.String).str.strip_chars()
    if (
        counted == ["weight"]
        and table.map.weight_unit != "fraction"
        and cells.str.contains(r"%$|^$").all()
    ):
        table = replace(
            table,
            frame=table.frame.with_columns(cells.str.strip_suffix("%").str.strip_chars()),
            map=table.map.model_copy(update={"weight_unit": "percent"}),
        )
    values = numbers(table, counted[0])
    table.refuse(
        values.is_null(), counted[0], f"a number of {counted[0]}", "write a number, 0 to hold none"
    )
    if counted == ["weight"]:
        values = fractions(values, table.map.weight_unit, table.where, how)
    names = table.frame["symbol"].cast(str).to_list()
    return (
        counted[0],
        list(zip(names, values.to_list(), table.frame[ROW].to_list(), strict=True)),
        last,
    )


MOST_GROSS: Final = 5.0
"""Books that weights may add up to, long and short together, without a unit."""


def fractions(
    weights: pl.Series, unit: str, where: str = "weights", how: HowToMap = TYPED
) -> pl.Series:
    """Weights as shares of a book's value, by the map's `weight_unit`.

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
        f"{weights.abs().sum():g} together in {where}: these look like percent, shares or money",
        f"say what they are: {how.column.format('weight_unit', 'percent')} (or fraction); divide shares and money by the "
        "book's value",
        DataError,
    )
    return weights / 100 if unit == "percent" else weights


# -- portfolios -----------------------------------------------------------------------------------
# Books from a person's own files: daily prices, weights, and what else is measured of a single name.
#
# forecast(read_portfolio("prices.csv"))                    tomorrow's risk, equally weighted

MEASURED: Final = {"rv": ("rv", "realisedvariance", "realizedvariance"), "vix": ("vix", "vixclose")}
"""Optional columns of a file of one name beside its closes, with their names."""
_WEIGHTS: Final = {"weight": ("weight", "weights", "share", "allocation", "w")}


def read_portfolio(
    source: object,
    columns: TableMap | Called = MappingProxyType({}),
    weights: Mapping[str, float] | str | Path | None = None,
    *,
    adjusted: bool = False,
) -> Portfolio:
    """Book of a file of daily prices, see :func:`tercel.signals.sources.tables.read_prices`.

    Parameters
    ----------
    source : path or data frame
        A file of a single name may have `rv`, realised variance as a squared fraction, and `vix` too.
    columns : mapping
        Ours to theirs; `rv` and `vix` as well.
    weights : mapping, or path of a file of `name,weight`, optional
        Equal ones without it.
    adjusted : bool
        Whether closes are adjusted though the file calls none so.

    Raises
    ------
    DataError
        If the file cannot be read or used, with file and row.

    >>> frame = pl.DataFrame({"date": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 6, 1), eager=True)})
    >>> prices = frame.with_columns(A=100.0 + frame["date"].dt.day(), B=90.0 - frame["date"].dt.day())
    >>> read_portfolio(prices, weights={"B": 0.5}).names
    ('B',)
    """
    table = price_table(source, columns)
    written = columns if isinstance(columns, TableMap) else table_map(None, columns)
    if weights is not None:
        given = (
            pl.DataFrame([*weights.items()], ["name", "weight"], orient="row")
            if isinstance(weights, Mapping)
            else Path(weights)
        )
        there = {plain_name(name) for name in read_table(given, written).frame.columns}
        named = {
            ours: words
            for ours, words in written.columns.items()
            if there & set(map(plain_name, words))
        }
        rows = read_named(given, _WEIGHTS, written.model_copy(update={"columns": named}))[1]
        weights = {name: weight for name, weight, _ in rows}
    book = make_portfolio(table.frame.with_columns(pl.col("adjusted") | adjusted), weights)
    noticed = [
        f"{note[0].upper()}{note[1:]}." for note in table.notes if not note.startswith("moves")
    ]
    book = replace(book, notes=(*noticed, *book.notes))
    return replace(book, columns=_measured(source, columns, book)) if len(book.names) == 1 else book


def _measured(source: object, columns: TableMap | Called, book: Portfolio) -> dict[str, Floats]:
    """Realised variance and VIX on the book's days, where a file of one name has them."""
    if isinstance(source, str | Path) and Path(source).is_dir():
        return {}
    table = read_table(source, columns)
    plain = {plain_name(name) for name in table.frame.columns if name != ROW}
    there = [
        one for one, usual in MEASURED.items() if one in table.map.columns or plain & set(usual)
    ]
    table = renamed(table, ("date", *there), (), MEASURED | USUAL)
    found: dict[str, Floats] = {}
    day = days(table, "date")
    used = day.is_in(list(book.days))
    for name in there:
        values = numbers(table, name)
        table.refuse(
            used & ~(values.fill_null(0.0) > 0),
            name,
            "a number above 0 on each day",
            f"correct the cell, or go on without the column: `column={name}=`",
        )
        known = dict(zip(day.to_list(), values.to_list(), strict=True))
        found[name] = pl.Series([known[one] for one in book.days]).to_numpy()
    return found if "rv" in found else {}
