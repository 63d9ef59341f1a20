"""Orders as a person gives them: one by its options, or a file of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tercel.core.errors import ConfigError, DataError, TercelError
from tercel.core.progress import say
from tercel.core.rows import FileRow, rows, unread
from tercel.execution.task import Task
from tercel.lab.evaluation.orders import Order, placed
from tercel.market.tape import Lake

if TYPE_CHECKING:
    from tercel.lab.evaluation.settings import MarketTask

COLUMNS = ("time", "symbol", "side", "quantity", "horizon")
LIMITS = ("limit", "limit_price", "limit price")


def task_of(task: Task, options: Mapping[str, Any]) -> Task:
    """A task with what was typed of an order in it: fields of :class:`Task`, numbers perhaps as text.

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
    try:
        return float(text)
    except ValueError:
        return text


def read_orders(path: str | Path) -> list[Order]:
    """Parent orders from a CSV: time, symbol, side, quantity, horizon, and perhaps limit; in any order of columns.

    Parameters
    ----------
    path : str or Path
        Columns are separated by commas or semicolons. A time is local to the exchange, ``2012-06-21 10:30``, or
        ``10:30`` for every recorded day; a horizon is ``2h`` or seconds; an empty limit is none.

    Returns
    -------
    list of Order

    Raises
    ------
    DataError
        A column is missing or misspelt, or a row is no order; file and row are named. Other columns are passed over,
        and a line on stderr names them.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "orders.csv"
    ...     _ = file.write_text("time,symbol,side,quantity,horizon\\n2012-06-21 10:30,AMZN,buy,50000,2h\\n")
    ...     read_orders(file)[0].quantity
    50000
    """
    file, found = Path(path), list[Order]()
    for number, cells in rows(file, COLUMNS, (LIMITS,)):
        if not found and (others := unread(cells, COLUMNS, (LIMITS,))):
            say(f"warning: columns of {file} that were not read: {', '.join(others)}")
        at = FileRow(file, number, cells)
        limit = next((cells[name] for name in LIMITS if cells.get(name)), None)
        time, symbol, horizon = (at.word(name) for name in ("time", "symbol", "horizon"))
        side, quantity = at.side(), at.whole("quantity", 1)
        price = None if limit is None else _number(limit)
        try:
            found.append(Order(time, symbol, side, quantity, _number(horizon), price, f"row {number} of {file}"))
        except TercelError as error:
            raise at.wrong(error.expected, error.received, error.remedy) from error
    if not found:
        raise DataError("a file with orders", f"{file} with a header alone", "write a row an order")
    return found


def with_orders(settings: "MarketTask", orders: Sequence[Order]) -> "dict[str, MarketTask]":
    """Where orders are judged: the tape of each symbol, by name; a symbol whose horizons differ by a factor of two or
    more has a place for each length, since what strategies know beforehand is of one.

    Parameters
    ----------
    settings : MarketTask
        The lake and its terms, whatever its symbol.
    orders : sequence of Order

    Raises
    ------
    ConfigError, TapeError
        No lake, or an order that is not on the tapes (`evaluation.orders.placed`).
    """
    if not settings.market.on_tape:
        raise ConfigError("a lake to judge orders on", settings.market.name, "replay one (`tape=`)")

    def kind(order: Order) -> tuple[str, int]:
        return order.symbol, round(order.horizon_s).bit_length()

    found: dict[str, MarketTask] = {}
    for (symbol, _), group in groupby(sorted(placed(orders, Lake(settings.market.lake)), key=kind), key=kind):
        mine = sorted(group, key=lambda order: order.time)
        horizon_s = float(median(order.horizon_s for order in mine))
        task = replace(
            settings.task, share=None, quantity=int(median(order.quantity for order in mine)), horizon_s=horizon_s
        )
        name = f"{symbol} tape" if f"{symbol} tape" not in found else f"{symbol} tape, {horizon_s / 60:g} min"
        found[name] = replace(settings.in_market(symbol=symbol, days=()), task=task, orders=tuple(mine))
    return found
