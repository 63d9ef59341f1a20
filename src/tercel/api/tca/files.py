"""Files of somebody's own executions: fills, and the orders that they belong to.

`fills.csv` has the columns time, symbol, side, quantity, price, and may have parent, venue, agent, fee, arrival (when
the fill's parent was ordered), currency, asset, fee_currency (of price, quantity and fee), amount (the money of the
fill), and `EXECUTIONS`. `orders.csv` has parent, symbol, side, quantity, start, end, and may have limit, refused. A map
(:mod:`tercel.core.tables`) says what else they are called, and how they are written; those of brokers are shipped by
name. Other columns are passed over and named, but for one that seems to be a missing one under another name: that is
refused. Prices, quantities and fees are read as decimals, whole: nothing is rounded here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import polars as pl

from tercel.api.tca.executions import (
    EXECUTIONS,
    FILLS,
    FileFill,
    cell_texts,
    report_kinds,
    standing_fills,
)
from tercel.core.errors import DataError
from tercel.core.tables.columns import exact, not_money, renamed, sides, unread
from tercel.core.tables.table import ROW, USUAL_FILLS, USUAL_ORDERS, Table, plain_name, read_table
from tercel.core.tables.table_map import AS_NAMED, TableMap, shipped, table_map
from tercel.core.tables.text import MONEY
from tercel.core.tables.times import dates_alone, days, moments
from tercel.core.vocabulary import MOST_LOTS

MAY_FILLS: Final = (
    "parent",
    "venue",
    "agent",
    "fee",
    "arrival",
    "currency",
    "asset",
    "fee_currency",
    "amount",
)
ORDERS: Final = ("symbol", "side", "quantity", "start", "end")
MAY_ORDERS: Final = ("parent", "limit", "refused")
PLACES: Final = 8
"""Decimals of a quantity."""
_TAKE_OUT: Final = "correct the row, or take it out"


def fills_map(
    map: TableMap | Path | str | None = None,
    columns: Sequence[str] = (),
    timezone: str = "",
    fees: str = "",
) -> TableMap:
    """A map from its file and what was typed, which goes first.

    Parameters
    ----------
    map : TableMap, Path, str or None
        A map, a shipped one's name, or its file.
    columns : sequence of str
        ``"parent=ClOrdID"``; one of ours may come several times.
    timezone : str
    fees : str
        "positive" or "negative".

    Raises
    ------
    ConfigError
        Unknown columns or zones, text without "=".

    >>> fills_map(columns=["quantity=LastQty", "quantity=OrderQty"]).columns
    {'quantity': ('LastQty', 'OrderQty')}
    """
    known = (*FILLS, *MAY_FILLS, *EXECUTIONS, *ORDERS, *MAY_ORDERS)
    found = table_map(map, columns, known=tuple(dict.fromkeys(known)))
    typed = {name: word for name, word in (("timezone", timezone), ("fees", fees)) if word}
    said = " ".join(f"`{name.replace('timezone', 'tz')}={word}`" for name, word in typed.items())
    return table_map(found, typed, said=said) if typed else found


@dataclass(frozen=True, slots=True)
class FileOrder:
    """A parent order as its file has it; `refused` of its `quantity` limits or the venue refused."""

    row: int
    parent: str
    symbol: str
    side: int
    quantity: Fraction
    start_ns: int
    end_ns: int
    limit: Fraction | None
    refused: Fraction


@dataclass(frozen=True)
class FillFile:
    """Fills of a file, in the file's order, with notes on how it was read.

    Parameters
    ----------
    fills : list of FileFill
    in_lots : bool
        Whether quantities are lots of the tape.
    dated : bool
        Whether times are dates alone; a fill's `ns` is noon of its day, UTC, then.
    not_read : list of str
        Columns that were not read.
    notes : list of str
        Notes on reading: the detected encoding, skipped lines and sections.
    """

    fills: list[FileFill]
    in_lots: bool = False
    dated: bool = False
    not_read: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_fill_file(path: Path, map: TableMap = AS_NAMED, below_zero: bool = False) -> FillFile:
    """Read a file of fills; a map gives its column names, time zone and signs.

    Prices at or below zero are refused unless `below_zero`.

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row has an impossible value; file and row are named. Most fees are
        negative and the map does not define their sign.
    """
    whole = _table(path, map, FILLS, (*MAY_FILLS, *EXECUTIONS), USUAL_FILLS)
    not_read = unread(whole, (*FILLS, *MAY_FILLS, *EXECUTIONS))
    kinds = report_kinds(whole, not_read)
    table = replace(whole, frame=whole.frame.filter(pl.Series(kinds).is_in(["fill", "correction"])))
    bare = replace(table, frame=table.frame.select(ROW, "price", "quantity", *not_read))
    if not not_money(bare, "quantity", ["quantity"]):
        column = table.theirs["quantity"]
        raise DataError(
            "a quantity",
            f"{column} of {path}, which is the price times another column: money",
            "name the column of shares, contracts or coins",
        )
    _refuse_signs(table)
    side = sides(table).to_list()
    dated = dates_alone(table, "time")
    noon = days(table, "time").cast(pl.Datetime("ns")).dt.offset_by("12h") if dated else None
    ns = _moments(table, "time") if noon is None else noon.to_physical().to_list()
    fees = _fees(table)
    currencies = [said or table.map.currency for said in cell_texts(table, "currency", "amount")]
    columns = (
        table.frame[ROW],
        ns,
        _symbols(table),
        side,
        _quantities(table, "quantity", side),
        _prices(table, "price", below_zero),
        fees,
        cell_texts(table, "parent"),
        cell_texts(table, "venue"),
        cell_texts(table, "agent"),
        _moments(table, "arrival"),
        currencies,
        cell_texts(table, "asset", "quantity"),
        cell_texts(table, "fee_currency", "fee"),
    )
    fills = standing_fills(whole, kinds, [FileFill(*row) for row in zip(*columns, strict=True)])
    return FillFile(fills, table.map.unit == "lots", dated, not_read, table.notes)


def _refuse_signs(table: Table) -> None:
    """Refuse money of several currencies by its signs: nothing says what one is worth in the other."""
    cells = [
        table.frame[name].cast(pl.String)
        for name in ("price", "fee")
        if name in table.frame.columns
    ]
    signs = sorted({sign for one in cells for sign in one.str.extract(rf"({MONEY})").drop_nulls()})
    if len(signs) > 1:
        raise DataError(
            "prices and fees with one currency sign",
            f"{' and '.join(signs)} in {table.where}",
            "leave the signs out, and name the fee's currency in a column of its own: fee_currency",
        )


def _fees(table: Table) -> list[Fraction]:
    """Fees of fills, above 0 paid."""
    if "fee" not in table.frame.columns:
        return [Fraction(0)] * table.frame.height
    fees = [fee or Fraction(0) for fee in exact(table, "fee", "a fee")]
    paid = [fee for fee in fees if fee]
    below = sum(fee < 0 for fee in paid)
    if not table.map.fees and 2 * below > len(paid):
        raise DataError(
            "fees whose sign is known: above 0 paid, below 0 a rebate",
            f"{below:,} of {len(paid):,} below 0 in {table.where}",
            "`fees=negative` where that is what you paid (brokers' cash amounts), `fees=positive` for rebates",
        )
    return [-fee for fee in fees] if table.map.fees == "negative" else fees


def read_orders(
    path: Path, map: TableMap = AS_NAMED, below_zero: bool = False
) -> dict[str, FileOrder]:
    """The parent orders of a file, by id; a map and prices as in :func:`read_fill_file`.

    Raises
    ------
    DataError
        As :func:`read_fill_file`; an id that comes twice; an end before its start.
    """
    table = _table(path, map, ORDERS, MAY_ORDERS, USUAL_ORDERS)
    names = pl.Series("parent", cell_texts(table, "parent"), pl.String)
    table = replace(table, frame=table.frame.with_columns(names))
    again = (names == "") | ~names.is_first_distinct()
    table.refuse(again, "parent", "an id of its own for every parent", "name each order once")
    side = sides(table).to_list()
    columns = (
        table.frame[ROW],
        names,
        _symbols(table),
        side,
        _quantities(table, "quantity", side),
        _moments(table, "start"),
        _moments(table, "end"),
        _prices(table, "limit", below_zero),
        _quantities(table, "refused"),
    )
    found = [FileOrder(*row) for row in zip(*columns, strict=True)]
    for name, expected, wrong in (
        ("end", "an end after its start", [one.end_ns < one.start_ns for one in found]),
        ("refused", "at most the quantity refused", [one.refused > one.quantity for one in found]),
    ):
        table.refuse(pl.Series(wrong, dtype=pl.Boolean), name, expected, "correct the row")
    return {order.parent: order for order in found}


# -- columns ----------------------------------------------------------------------------------------------------------


def _table(
    path: Path,
    map: TableMap,
    needed: Sequence[str],
    may_be: Sequence[str],
    usual: Mapping[str, Sequence[str]],
) -> Table:
    table = read_table(path, map)
    low = {name.lower() for name in table.frame.columns}
    ids = tuple(name for name in low if plain_name(name) == "parentid")
    called = ({"parent": ids} if ids else {}) | map.columns
    if (
        needed == ORDERS
    ):  # one map is of both files: orders may have our names where fills have theirs
        there = {
            ours for ours, words in called.items() if low & {word.strip().lower() for word in words}
        }
        called = {ours: words for ours, words in called.items() if ours in there or ours not in low}
    table = replace(table, map=map.model_copy(update={"columns": called}))
    try:
        found = renamed(
            table,
            needed,
            may_be,
            usual,
            asked=[name for name in (*needed, *may_be) if name not in EXECUTIONS],
        )
    except DataError as error:
        fits = [] if map.only or needed != FILLS else _fitting(table)
        raise DataError(
            error.expected,
            error.received,
            "; or ".join(
                [*(f"`map={name}`, which reads such files" for name in fits), error.remedy]
            ),
        ) from error
    if not found.frame.height:
        raise DataError(
            "a file with rows",
            f"{path} with a header alone",
            "write one row per fill, or one row per order",
        )
    return found


def _fitting(table: Table) -> list[str]:
    """Shipped maps of fills whose columns a file has."""
    there = {"", *(plain_name(name) for name in table.frame.columns)}
    return [
        name
        for name, called in ((name, table_map(name).columns) for name in shipped())
        if "price" in called and called.items() - table.map.columns.items()
        if all(any(plain_name(word) in there for word in words) for words in called.values())
    ]


def _symbols(table: Table) -> list[str]:
    found = cell_texts(table, "symbol")
    table.refuse(
        pl.Series(found, dtype=pl.String) == "",
        "symbol",
        "a symbol",
        "write it, or take the row out",
    )
    return found


def _moments(table: Table, name: str) -> list[int]:
    """A column of times as ns since 1970 UTC, 0 where it says nothing or is not there."""
    if name not in table.frame.columns:
        return [0] * table.frame.height
    says = pl.Series(cell_texts(table, name)).str.strip_chars() != ""
    table.refuse(~says & (name in FILLS + ORDERS), name, f"a {name}", _TAKE_OUT)
    return (
        pl.repeat(0, table.frame.height, dtype=pl.Int64, eager=True)
        .scatter(
            says.arg_true(),
            moments(replace(table, frame=table.frame.filter(says)), name).to_physical(),
        )
        .to_list()
    )


def _prices(table: Table, name: str, below_zero: bool) -> list[Fraction | None]:
    """A column of prices; None where it says nothing or is not there."""
    if name not in table.frame.columns:
        return [None] * table.frame.height
    found = exact(table, name, f"a {name} in price units, such as 15.63")
    least = -math.inf if below_zero else 0
    table.refuse(
        pl.Series(
            [value <= least if value is not None else name in FILLS for value in found],
            dtype=pl.Boolean,
        ),
        name,
        f"a {name} above 0",
        "correct the row; where it is right, import its day with `lowest_price` in [instrument] of the map",
    )
    return found


def _quantities(table: Table, name: str, side: Sequence[int] = ()) -> list[Fraction]:
    """A column of quantities without the sign of a sell; 0 where `side` is empty and it says nothing."""
    if name not in table.frame.columns:
        return [Fraction(0)] * table.frame.height
    found = [
        value or Fraction(0)
        for value in exact(table, name, f"a {name} of shares, contracts or coins")
    ]
    signed = table.map.signed and bool(side)
    if side and not signed:
        table.refuse(
            pl.Series(
                [value < 0 and way < 0 for value, way in zip(found, side, strict=True)],
                dtype=pl.Boolean,
            ),
            name,
            "a quantity above 0",
            f"say that sells are written below 0: {table.how.column.format('signed', 'true')}",
        )
    values = [value * way for value, way in zip(found, side, strict=True)] if signed else found
    sign = ", with the sign of its side" if signed else ""
    table.refuse(
        pl.Series(
            [value < 0 or value >= MOST_LOTS or (value == 0 and bool(side)) for value in values],
            dtype=pl.Boolean,
        ),
        name,
        f"a {name} above 0 and below 2**30{sign}",
        _TAKE_OUT,
    )
    table.refuse(
        pl.Series([(value * 10**PLACES).denominator > 1 for value in values], dtype=pl.Boolean),
        name,
        f"a {name} of at most {PLACES} decimals",
        "write fewer digits",
    )
    return values
