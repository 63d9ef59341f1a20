"""Portfolios for risk forecasts, read from a file of daily prices and a file of weights.

forecast(read_portfolio("prices.csv"))                    tomorrow's risk, equally weighted
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from tercel.core.arrays import Floats
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.table import ROW, read_table
from tercel.core.tables.table_map import ColumnNames, TableMap, table_map
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL, plain_name
from tercel.signals.portfolio.dated_values import WEIGHT
from tercel.signals.portfolio.targets import read_named_values
from tercel.signals.risk.portfolio import Portfolio, make_portfolio
from tercel.signals.sources.prices import price_table

MEASURED: Final = {"rv": ("rv", "realisedvariance", "realizedvariance"), "vix": ("vix", "vixclose")}
"""Optional columns of a file of one name beside its closes, with their names."""


def read_portfolio(
    source: object,
    columns: TableMap | ColumnNames = MappingProxyType({}),
    weights: Any = None,
    *,
    adjusted: bool = False,
) -> Portfolio:
    """Book of a file of daily prices, see :func:`tercel.signals.sources.prices.read_prices`.

    Parameters
    ----------
    source : path or data frame
        A file of a single name may have `rv`, realised variance as a squared fraction, and `vix` too.
    columns : mapping
        Ours to theirs; `rv` and `vix` as well.
    weights : mapping, Series by name, data frame or path of a file of `name,weight`, optional
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
        weights = weights.to_dict() if getattr(weights, "ndim", 0) == 1 else weights
        weights_source = (
            pl.DataFrame([*weights.items()], ["name", "weight"], orient="row")
            if isinstance(weights, Mapping)
            else Path(weights)
            if isinstance(weights, str | Path)
            else weights
        )
        present = {plain_name(name) for name in read_table(weights_source, written).frame.columns}
        usable_columns = {
            ours: theirs
            for ours, theirs in written.columns.items()
            if present & set(map(plain_name, theirs))
        }
        rows = read_named_values(
            weights_source, WEIGHT, written.model_copy(update={"columns": usable_columns})
        )[1]
        weights = {name: weight for name, weight, _ in rows}
    book = make_portfolio(table.frame.with_columns(pl.col("adjusted") | adjusted), weights)
    price_notes = [f"{note[0].upper()}{note[1:]}." for note in table.other_notes]
    book = replace(book, notes=(*price_notes, *book.notes))
    return (
        replace(book, columns=_measured_columns(source, columns, book))
        if len(book.names) == 1
        else book
    )


def _measured_columns(
    source: object, columns: TableMap | ColumnNames, book: Portfolio
) -> dict[str, Floats]:
    """Realised variance and VIX on the book's days, where its file has them; empty without realised variance."""
    if isinstance(source, str | Path) and Path(source).is_dir():
        return {}
    table = read_table(source, columns)
    plain = {plain_name(name) for name in table.frame.columns if name != ROW}
    present = [
        name for name, usual in MEASURED.items() if name in table.map.columns or plain & set(usual)
    ]
    table = rename_columns(table, ("date", *present), (), MEASURED | USUAL)
    measured: dict[str, Floats] = {}
    day = parse_days(table, "date")
    used = day.is_in(list(book.days))
    for name in present:
        values = parse_numbers(table, name)
        table.refuse(
            used & ~(values.fill_null(0.0) > 0),
            name,
            "a number above 0 on each day",
            f"correct the cell, or go on without the column: `column={name}=`",
        )
        by_day = dict(zip(day.to_list(), values.to_list(), strict=True))
        measured[name] = pl.Series([by_day[book_day] for book_day in book.days]).to_numpy()
    return measured if "rv" in measured else {}
