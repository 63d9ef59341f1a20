"""Orders of a user: a task from typed options, or parent orders from a CSV file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from tercel.core.errors import DataError, TercelError, refuse_if
from tercel.core.progress import say
from tercel.core.tables.columns import rename_columns, unread_columns
from tercel.core.tables.numbers import parse_exact
from tercel.core.tables.sides import parse_sides
from tercel.core.tables.table import ROW, HowToMap, read_table
from tercel.core.tables.table_map import ColumnNames, TableMap, table_map
from tercel.core.tables.times import normalize_dates
from tercel.core.tables.usual_names import USUAL
from tercel.execution.orders import Order
from tercel.execution.task import Task

COLUMNS = ("time", "symbol", "side", "quantity", "horizon")
OPTIONAL_COLUMNS = ("limit",)
_USUAL = {"limit": ("limitprice",), "symbol": USUAL["symbol"], "side": USUAL["side"]}
_HOW_TO_MAP = HowToMap("`orders_column={}={}`", "`orders_column=`")


def task_of(task: Task, options: Mapping[str, Any]) -> Task:
    """A copy of `task` with the typed options (fields of :class:`Task`, numbers also as text) in place of its own.

    Raises
    ------
    ConfigError
        As :class:`Task`.

    >>> task_of(Task(), {"quantity": 500, "start": "10:30", "end": "12:30", "side": "buy"}).horizon_s
    7200.0
    """
    changes = dict(options)
    if options.keys() & {"share", "quantity"}:
        changes = {"share": None, "quantity": 0, **changes}
    for name in options.keys() & {"horizon", "limit_price"}:
        changes[name] = _number(options[name])
    return replace(task, **changes)


def _number(text: str) -> float | str:
    """A number from a text, or the text itself where it is none."""
    try:
        return float(text)
    except ValueError:
        return text


def read_orders(
    path: str | Path,
    map: TableMap | str | Path | None = None,
    columns: ColumnNames | Sequence[str] = (),
) -> list[Order]:
    """Read parent orders from a CSV: time, symbol, side, quantity, horizon, optionally limit; columns in any order.

    Parameters
    ----------
    path : str or Path
        CSV file. A time is local to the exchange, ``2012-06-21 10:30``, or ``10:30`` for every recorded day; a horizon
        is ``2h`` or seconds; an empty limit is none, ``25bps`` one beyond the mid at arrival.
    map : TableMap, str, Path or None
        Column names and format of the file: a map, a built-in one's name, or its file.
    columns : mapping, or sequence of str
        The same as text, ``["symbol=Ticker", "decimal=,"]``, which has precedence.

    Returns
    -------
    list of Order

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row is no order; the error has file and row. Other columns are ignored,
        and a line on stderr names them.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "orders.csv"
    ...     _ = file.write_text("time,symbol,side,quantity,horizon\\n2012-06-21 10:30,AMZN,buy,50000,2h\\n")
    ...     read_orders(file)[0].quantity
    50000
    """
    mapping = table_map(
        map, columns, known=(*COLUMNS, *OPTIONAL_COLUMNS), option_name=_HOW_TO_MAP.all_ways
    )
    table = rename_columns(
        read_table(path, mapping, _HOW_TO_MAP), COLUMNS, OPTIONAL_COLUMNS, _USUAL
    )
    for note in table.notes:
        say(f"warning: {note}")
    if unread := unread_columns(table, (*COLUMNS, *OPTIONAL_COLUMNS)):
        say(f"warning: columns of {path} that were not read: {', '.join(unread)}")
    table.refuse(table.frame["horizon"] == "", "horizon", "a horizon", "write it, such as 30min")
    frame = (
        table.frame
        if "limit" in table.frame.columns
        else table.frame.with_columns(limit=pl.lit(""))
    )
    frame = frame.with_columns(time=normalize_dates(table, table.frame["time"], "time"))
    quantities = parse_exact(table, "quantity", "a quantity of lots")
    is_fractional = pl.Series(
        [value is None or value.denominator > 1 for value in quantities], dtype=pl.Boolean
    )
    table.refuse(is_fractional, "quantity", "a whole quantity", "correct the row")
    numbers = [
        pl.when(~pl.col(column).str.contains(r"[A-Za-z]\s*$")).then(column).alias(column)
        for column in ("limit", "horizon")
    ]
    numeric_table = replace(table, frame=frame.with_columns(numbers))
    limits = parse_exact(numeric_table, "limit", "a price, or 25bps")
    seconds = parse_exact(numeric_table, "horizon", "seconds, or 30min")
    orders = list[Order]()
    for cells, side, quantity, limit, horizon_s in zip(
        frame.rows(named=True), parse_sides(table), quantities, limits, seconds, strict=True
    ):
        location = f"row {cells[ROW]} of {path}"
        price = float(limit) if limit is not None else cells["limit"] or None
        leading_fields = cells["time"], cells["symbol"], side, int(quantity or 0)
        try:
            orders.append(
                Order(
                    *leading_fields,
                    cells["horizon"] if horizon_s is None else float(horizon_s),
                    price,
                    location,
                )
            )
        except TercelError as error:
            raise DataError(
                error.expected, f"{error.received} in {location}", error.remedy
            ) from error
    refuse_if(
        not orders,
        "a file with orders",
        f"{path} with a header alone",
        "write one row per order",
        DataError,
    )
    return orders
