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
from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.cell_text import MONEY
from tercel.core.tables.columns import rename_columns, unread_columns
from tercel.core.tables.numbers import parse_exact, without_money_columns
from tercel.core.tables.sides import parse_sides
from tercel.core.tables.table import ROW, Table, read_table
from tercel.core.tables.table_map import AS_NAMED, TableMap, shipped_maps, table_map
from tercel.core.tables.times import has_dates_alone, parse_days, parse_moments
from tercel.core.tables.usual_names import USUAL_FILLS, USUAL_ORDERS, plain_name
from tercel.core.vocabulary import MOST_LOTS

OPTIONAL_FILLS: Final = (
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
OPTIONAL_ORDERS: Final = ("parent", "limit", "refused")
PLACES: Final = 8
"""Most decimals of a quantity in a file."""
_TAKE_OUT: Final = "correct the row, or take it out"


def fills_map(
    map: TableMap | Path | str | None = None,
    columns: Sequence[str] = (),
    timezone: str = "",
    fees: str = "",
) -> TableMap:
    """The table map of a file of fills: typed options first, then the map's file, then a shipped map.

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
    known_columns = (*FILLS, *OPTIONAL_FILLS, *EXECUTIONS, *ORDERS, *OPTIONAL_ORDERS)
    base_map = table_map(map, columns, known=tuple(dict.fromkeys(known_columns)))
    settings = {name: value for name, value in (("timezone", timezone), ("fees", fees)) if value}
    options_text = " ".join(
        f"`{name.replace('timezone', 'tz')}={value}`" for name, value in settings.items()
    )
    return table_map(base_map, settings, option_name=options_text) if settings else base_map


@dataclass(frozen=True, slots=True)
class FileOrder:
    """One parent order of a file; `refused` is the part of its `quantity` that limits or the venue refused."""

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
    """Fills of a file, in the file's order, with notes on how the file was read.

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

    A repeated report counts once, a bust takes its execution out, a correction replaces it.

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row has an impossible value; file and row are named. Most fees are
        negative and the map does not define their sign.
    """
    full_table = _read_named_table(path, map, FILLS, (*OPTIONAL_FILLS, *EXECUTIONS), USUAL_FILLS)
    not_read = unread_columns(full_table, (*FILLS, *OPTIONAL_FILLS, *EXECUTIONS))
    kinds = report_kinds(full_table, not_read)
    table = replace(
        full_table, frame=full_table.frame.filter(pl.Series(kinds).is_in(["fill", "correction"]))
    )
    numbers_table = replace(table, frame=table.frame.select(ROW, "price", "quantity", *not_read))
    if not without_money_columns(numbers_table, "quantity", ["quantity"]):
        column = table.theirs["quantity"]
        raise DataError(
            "a quantity",
            f"{column} of {path}, which is the price times another column: money",
            "name the column of shares, contracts or coins",
        )
    _refuse_signs(table)
    side = parse_sides(table).to_list()
    dated = has_dates_alone(table, "time")
    noon = parse_days(table, "time").cast(pl.Datetime("ns")).dt.offset_by("12h") if dated else None
    ns = _moments(table, "time") if noon is None else noon.to_physical().to_list()
    fees = _fees(table)
    currencies = [
        currency or table.map.currency for currency in cell_texts(table, "currency", "amount")
    ]
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
    fills = standing_fills(
        full_table, kinds, [FileFill(*row) for row in zip(*columns, strict=True)]
    )
    return FillFile(fills, table.map.unit == "lots", dated, not_read, table.notes)


def _refuse_signs(table: Table) -> None:
    """Raise a DataError for prices and fees whose cells have signs of several currencies."""
    cells = [
        table.frame[name].cast(pl.String)
        for name in ("price", "fee")
        if name in table.frame.columns
    ]
    signs = sorted(
        {sign for series in cells for sign in series.str.extract(rf"({MONEY})").drop_nulls()}
    )
    refuse_if(
        len(signs) > 1,
        "prices and fees with one currency sign",
        f"{' and '.join(signs)} in {table.source}",
        "leave the signs out, and name the fee's currency in a column of its own: fee_currency",
        DataError,
    )


def _fees(table: Table) -> list[Fraction]:
    """Fees of a table's fills as exact decimals; above 0 is paid."""
    if "fee" not in table.frame.columns:
        return [Fraction(0)] * table.frame.height
    fees = [fee or Fraction(0) for fee in parse_exact(table, "fee", "a fee")]
    paid = [fee for fee in fees if fee]
    below = sum(fee < 0 for fee in paid)
    refuse_if(
        not table.map.fees and 2 * below > len(paid),
        "fees whose sign is known: above 0 paid, below 0 a rebate",
        f"{below:,} of {len(paid):,} below 0 in {table.source}",
        "`fees=negative` where that is what you paid (brokers' cash amounts), `fees=positive` for rebates",
        DataError,
    )
    return [-fee for fee in fees] if table.map.fees == "negative" else fees


def read_orders(
    path: Path, map: TableMap = AS_NAMED, below_zero: bool = False
) -> dict[str, FileOrder]:
    """Read the parent orders of a file, by id; `map` and `below_zero` as in :func:`read_fill_file`.

    Raises
    ------
    DataError
        As :func:`read_fill_file`; an id that comes twice; an end before its start.
    """
    table = _read_named_table(path, map, ORDERS, OPTIONAL_ORDERS, USUAL_ORDERS)
    names = pl.Series("parent", cell_texts(table, "parent"), pl.String)
    table = replace(table, frame=table.frame.with_columns(names))
    is_repeated = (names == "") | ~names.is_first_distinct()
    table.refuse(is_repeated, "parent", "an id of its own for every parent", "name each order once")
    side = parse_sides(table).to_list()
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
    orders = [FileOrder(*row) for row in zip(*columns, strict=True)]
    for name, expected, wrong in (
        ("end", "an end after its start", [order.end_ns < order.start_ns for order in orders]),
        (
            "refused",
            "at most the quantity refused",
            [order.refused > order.quantity for order in orders],
        ),
    ):
        table.refuse(pl.Series(wrong, dtype=pl.Boolean), name, expected, "correct the row")
    return {order.parent: order for order in orders}


def _read_named_table(
    path: Path,
    map: TableMap,
    needed: Sequence[str],
    optional: Sequence[str],
    usual: Mapping[str, Sequence[str]],
) -> Table:
    """Read a CSV table through a map; DataError for missing columns, with a shipped map that fits, and for one without
    rows."""
    table = read_table(path, map)
    low = {name.lower() for name in table.frame.columns}
    ids = tuple(name for name in low if plain_name(name) == "parentid")
    column_names = ({"parent": ids} if ids else {}) | map.columns
    if (
        needed == ORDERS
    ):  # one map is of both files: orders may have our names where fills have theirs
        mapped_names = {
            ours
            for ours, their_names in column_names.items()
            if low & {their_name.strip().lower() for their_name in their_names}
        }
        column_names = {
            ours: their_names
            for ours, their_names in column_names.items()
            if ours in mapped_names or ours not in low
        }
    table = replace(table, map=map.model_copy(update={"columns": column_names}))
    try:
        renamed_table = rename_columns(
            table,
            needed,
            optional,
            usual,
            explicit=[name for name in (*needed, *optional) if name not in EXECUTIONS],
        )
    except DataError as error:
        fitting_maps = [] if map.only or needed != FILLS else _fitting_maps(table)
        raise DataError(
            error.expected,
            error.received,
            "; or ".join(
                [*(f"`map={name}`, which reads such files" for name in fitting_maps), error.remedy]
            ),
        ) from error
    refuse_if(
        not renamed_table.frame.height,
        "a file with rows",
        f"{path} with a header alone",
        "write one row per fill, or one row per order",
        DataError,
    )
    return renamed_table


def _fitting_maps(table: Table) -> list[str]:
    """Shipped maps of fills whose columns a file has."""
    plain_columns = {"", *(plain_name(name) for name in table.frame.columns)}
    return [
        name
        for name, column_names in ((name, table_map(name).columns) for name in shipped_maps())
        if "price" in column_names and column_names.items() - table.map.columns.items()
        if all(
            any(plain_name(their_name) in plain_columns for their_name in their_names)
            for their_names in column_names.values()
        )
    ]


def _symbols(table: Table) -> list[str]:
    """Symbols of a table's rows; DataError for an empty cell."""
    symbols = cell_texts(table, "symbol")
    table.refuse(
        pl.Series(symbols, dtype=pl.String) == "",
        "symbol",
        "a symbol",
        "write it, or take the row out",
    )
    return symbols


def _moments(table: Table, name: str) -> list[int]:
    """A column of times as ns since 1970 UTC; 0 without the column and for empty cells (DataError in a required
    column)."""
    if name not in table.frame.columns:
        return [0] * table.frame.height
    says = pl.Series(cell_texts(table, name)).str.strip_chars() != ""
    table.refuse(~says & (name in FILLS + ORDERS), name, f"a {name}", _TAKE_OUT)
    return (
        pl.repeat(0, table.frame.height, dtype=pl.Int64, eager=True)
        .scatter(
            says.arg_true(),
            parse_moments(replace(table, frame=table.frame.filter(says)), name).to_physical(),
        )
        .to_list()
    )


def _prices(table: Table, name: str, below_zero: bool) -> list[Fraction | None]:
    """A column of prices as exact decimals; None without the column and for empty cells (DataError in a required
    column)."""
    if name not in table.frame.columns:
        return [None] * table.frame.height
    prices = parse_exact(table, name, f"a {name} in price units, such as 15.63")
    minimum = -math.inf if below_zero else 0
    table.refuse(
        pl.Series(
            [value <= minimum if value is not None else name in FILLS for value in prices],
            dtype=pl.Boolean,
        ),
        name,
        f"a {name} above 0",
        "correct the row; where it is right, import its day with `lowest_price` in [instrument] of the map",
    )
    return prices


def _quantities(table: Table, name: str, side: Sequence[int] = ()) -> list[Fraction]:
    """A column of quantities, never below 0; 0 without the column. With `side` (+1, -1 by row) an empty cell is a
    DataError, and quantities that a map calls signed are multiplied by it."""
    if name not in table.frame.columns:
        return [Fraction(0)] * table.frame.height
    quantities = [
        value or Fraction(0)
        for value in parse_exact(table, name, f"a {name} of shares, contracts or coins")
    ]
    signed = table.map.signed and bool(side)
    if side and not signed:
        table.refuse(
            pl.Series(
                [
                    value < 0 and direction < 0
                    for value, direction in zip(quantities, side, strict=True)
                ],
                dtype=pl.Boolean,
            ),
            name,
            "a quantity above 0",
            f"say that sells are written below 0: {table.how_to_map.column.format('signed', 'true')}",
        )
    values = (
        [value * direction for value, direction in zip(quantities, side, strict=True)]
        if signed
        else quantities
    )
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
