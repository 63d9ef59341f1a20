"""Weights, own factors and benchmarks by date, read from files and data frames: long tables, and wide ones with a
column a name.

    date,name,weight              date,AAPL,MSFT              date,close        date,return
    2024-01-31,AAPL,0.5           2024-01-31,0.5,-0.5         2024-01-31,4845   2024-01-31,-0.016
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import polars as pl

from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.table import ROW, Table, read_table
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL, plain_name
from tercel.signals.portfolio.targets import MOST_GROSS
from tercel.signals.sources.prices import read_prices

WEIGHT: Final = {"weight": ("weight", "weights", "share", "allocation", "w")}
"""Names of a column of weights."""
FACTOR: Final = {"value": ("value", "factor", "exposure", "score", "signal", "loading")}
"""Names of a column of a factor's values."""
RETURN: Final = {"return": ("return", "returns", "ret", "netreturn", "totalreturn", "r")}
"""Names of a column of a benchmark's returns."""
LARGEST_GROSS: Final = 20.0
"""Books that the weights of one date may add up to, long and short together."""


def read_dated_values(
    source: object,
    usual: Mapping[str, Sequence[str]],
    columns: Mapping[str, str] = MappingProxyType({}),
) -> pl.DataFrame:
    """Numbers by date and name.

    Parameters
    ----------
    source : path, or data frame of Polars or pandas
        Long (date, name, number) or, without a column of names, wide (date, and a column a name).
    usual : mapping
        Our name of the number, and what its column may be called.
    columns : mapping
        Ours (`date`, `symbol`, the number's) to theirs.

    Returns
    -------
    DataFrame
        `date`, `name`, the number, `row` (of the source), by date.

    Raises
    ------
    DataError
        With the row: no date, no name, no number (NaN too), two rows of one date and name.
    """
    table = read_table(source, columns)
    column = next(iter(usual))
    all_usual = {**USUAL, **usual}
    wide = rename_columns(table, ("date",), ("symbol",), all_usual)
    is_long = "symbol" in wide.frame.columns
    table = rename_columns(table, ("date", "symbol", column), (), all_usual) if is_long else wide
    names = [column] if is_long else [n for n in table.frame.columns if n not in ("date", ROW)]
    numbers = [_numbers(table, name, column) for name in names]
    rows = [table.frame.get_column(ROW), parse_days(table, "date")]
    if is_long:
        symbol = table.frame.get_column("symbol").cast(pl.String).str.strip_chars()
        empty = symbol.fill_null("") == ""
        table.refuse(empty, "symbol", "a name in every row", "write it, or take the row out")
        frame = pl.DataFrame([*rows, symbol.alias("name"), *numbers])
    else:
        # a ticker may be called as a column of ours
        frame = pl.DataFrame([*rows, *numbers]).unpivot(
            names, index=[ROW, "date"], variable_name="a name", value_name="a number"
        )
        frame = frame.rename({"a name": "name", "a number": column})
    duplicated = ~pl.struct("date", "name").is_first_distinct()
    for row, day, name in frame.filter(duplicated).select(ROW, "date", "name").head(1).rows():
        raise DataError(
            "one row per date and name",
            f"a second one of {name} on {day} in row {row} of {table.source}",
            "take one of them out",
        )
    return frame.select("date", "name", column, ROW).sort("date", "name")


def _numbers(table: Table, name: str, column: str) -> pl.Series:
    """A column of numbers; raises DataError with the row of a cell that holds none."""
    values = parse_numbers(table, name, f"a {column}")
    table.refuse(
        values.is_null(),
        name,
        f"a {column} in every row",
        "write a number, such as 0, or `fillna(0)`",
    )
    return values


def read_weights(source: object, columns: Mapping[str, str] = MappingProxyType({})) -> pl.DataFrame:
    """Weights by date and name, fractions of the book's value: `date`, `name`, `weight`, `row`.

    Raises
    ------
    DataError
        As :func:`read_dated_values`; weights that look like percent, shares or money: above 5 books on most dates, or
        above 20 on one, long and short together.

    >>> read_weights(pl.DataFrame({"date": ["2024-01-31"], "AAPL": [0.5], "MSFT": [-0.5]}))["weight"].to_list()
    [0.5, -0.5]
    """
    frame = read_dated_values(source, WEIGHT, columns)
    refuse_if(frame.is_empty(), "rows of weights", "none", "write date, name, weight", DataError)
    gross = frame.group_by("date").agg(pl.col("weight").abs().sum()).sort("weight", "date")
    large = gross.filter(pl.col("weight") > LARGEST_GROSS)
    typical = gross.item((gross.height - 1) // 2, "weight")
    if large.height or typical > MOST_GROSS:
        day = gross.item(-1, "date")
        raise DataError(
            f"weights as fractions of the book's value, such as 0.25, up to {MOST_GROSS:g} together on most dates",
            f"{gross.item(-1, 'weight'):g} together on {day}, long and short: percent, shares or money",
            "divide percent by 100, and money by the book's value",
        )
    return frame


def read_benchmark(source: object) -> pl.DataFrame:
    """Level of a benchmark by date, from closes or from returns (fractions): `date`, `level`, by date.

    Raises
    ------
    DataError
        With the row: a return below -1, no number, a date twice; several names; returns that look like percent.

    >>> read_benchmark(pl.DataFrame({"date": ["2024-01-30", "2024-01-31"], "return": [0.0, 0.1]}))["level"].to_list()
    [1.0, 1.1]
    """
    plain = {plain_name(name) for name in read_table(source).frame.columns}
    is_return = bool(plain & set(*RETURN.values()))
    rows = (
        read_dated_values(source, RETURN)
        if is_return
        else read_prices(source).rename({"instrument": "name"})
    )
    names = rows.get_column("name").unique().sort().to_list()
    refuse_if(
        len(names) > 1,
        "a benchmark of one name",
        f"{len(names)}, such as {', '.join(names[:3])}",
        "give its rows alone",
        DataError,
    )
    if not is_return:
        return rows.select("date", level="close").filter(pl.col("level") > 0)
    move = pl.col("return")
    for day, value in (
        rows.filter((move < -1) | (move.abs().median() > 0.1)).select("date", move).rows()[:1]
    ):
        raise DataError(
            "returns of a benchmark as fractions, such as 0.01",
            f"{value:g} on {day}",
            "divide percent by 100, or correct the row",
        )
    return rows.select("date", level=(1.0 + move).cum_prod())
