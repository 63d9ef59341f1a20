"""Weights, own factors and benchmarks by date, read from files and data frames: long tables, and wide ones with a
column a name.

    date,name,weight              date,AAPL,MSFT              date,close        date,return
    2024-01-31,AAPL,0.5           2024-01-31,0.5,-0.5         2024-01-31,4845   2024-01-31,-0.016
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.table import RENAMED, read_table
from tercel.core.tables.usual_names import plain_name
from tercel.signals.portfolio.targets import MOST_GROSS
from tercel.signals.price_moves import is_unadjusted
from tercel.signals.sources.dated_values import read_dated_values
from tercel.signals.sources.prices import read_prices

WEIGHT: Final = {"weight": ("weight", "weights", "share", "allocation", "w")}
"""Names of a column of weights."""
FACTOR: Final = {"value": ("value", "factor", "exposure", "score", "signal", "loading")}
"""Names of a column of a factor's values."""
RETURN: Final = {"return": ("return", "returns", "ret", "netreturn", "totalreturn", "r")}
"""Names of a column of a benchmark's returns."""
LARGEST_GROSS: Final = 20.0
"""Books that the weights of one date may add up to, long and short together."""


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
    day, most = gross.row(-1)
    refuse_if(
        most > LARGEST_GROSS or gross.item((gross.height - 1) // 2, "weight") > MOST_GROSS,
        f"weights as fractions of the book's value, such as 0.25, up to {MOST_GROSS:g} together on most dates",
        f"{most:g} together on {day}, long and short: percent, shares or money",
        "divide percent by 100, and money by the book's value",
        DataError,
    )
    return frame


def read_benchmark(source: object) -> pl.DataFrame:
    """Level of a benchmark by date, from closes or from returns (fractions): `date`, `level`, by date.

    Raises
    ------
    DataError
        With the row: a return below -1, no number, a date twice; several names; returns that look like percent, closes
        that move as in a split.

    >>> read_benchmark(pl.DataFrame({"date": ["2024-01-30", "2024-01-31"], "return": [0.0, 0.1]}))["level"].to_list()
    [1.0, 1.1]
    """
    plain = {plain_name(name) for name in read_table(source).frame.columns}
    is_return = bool(plain & set(*RETURN.values()))
    rows = (
        read_dated_values(source, RETURN)
        if is_return
        else read_prices(source, how=RENAMED).rename({"instrument": "name"})
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
        move = pl.col("close") / pl.col("close").shift(1) - 1
        for day, close in (
            rows.filter(is_unadjusted(move) & ~pl.col("adjusted"))
            .select("date", "close")
            .rows()[:1]
        ):
            raise DataError(
                "closes of a benchmark that are adjusted for splits",
                f"{close:g} on {day}, a move of a split or by over 60 %",
                "give adjusted closes as rows of date, symbol and adj_close, also where the move is true",
            )
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
