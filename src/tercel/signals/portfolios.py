"""Books from a person's own files: daily prices, weights, and what else is measured of a single name.

forecast(read_portfolio("prices.csv"))                    tomorrow's risk, equally weighted
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from tercel.core.arrays import Floats
from tercel.core.tables.columns import renamed
from tercel.core.tables.numbers import numbers
from tercel.core.tables.table import ROW, read_table
from tercel.core.tables.table_map import Called, TableMap, table_map
from tercel.core.tables.times import days
from tercel.core.tables.usual import USUAL, plain_name
from tercel.signals.risk.portfolio import Portfolio, make_portfolio
from tercel.signals.sources.tables import price_table
from tercel.signals.targets import read_named

MEASURED: Final = {"rv": ("rv", "realisedvariance", "realizedvariance"), "vix": ("vix", "vixclose")}
"""What a file of one name may have beside its closes, and what it is called."""
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
        What cannot be read or used, by file and row.

    >>> frame = pl.DataFrame({"date": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 6, 1), eager=True)})
    >>> prices = frame.with_columns(A=100.0 + frame["date"].dt.day(), B=90.0 - frame["date"].dt.day())
    >>> read_portfolio(prices, weights={"B": 0.5}).names
    ('B',)
    """
    table = price_table(source, columns)
    if isinstance(weights, str | Path):
        written = columns if isinstance(columns, TableMap) else table_map(None, columns)
        there = {plain_name(name) for name in read_table(weights, written).frame.columns}
        named = {
            ours: words
            for ours, words in written.columns.items()
            if there & set(map(plain_name, words))
        }
        rows = read_named(Path(weights), _WEIGHTS, written.model_copy(update={"columns": named}))[1]
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
        remedy = f"correct the cell, or go on without the column: `column={name}=`"
        table.refuse(
            used & ~(values.fill_null(0.0) > 0), name, "a number above 0 on each day", remedy
        )
        known = dict(zip(day.to_list(), values.to_list(), strict=True))
        found[name] = pl.Series([known[one] for one in book.days]).to_numpy()
    return found if "rv" in found else {}
