"""Numbers by date and name of files and data frames: long tables, and wide ones with a column a name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.table import RENAMED, ROW, TYPED_OPTIONS, read_table
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL, plain_name

SCORE: Final = {
    "value": ("value", "values", "score", "factor", "signal", "forecast", "alpha", "0"),
    "symbol": (*USUAL["symbol"], "asset"),
}
"""Names of columns of scores and of their names."""


def read_dated_values(
    source: object,
    usual: Mapping[str, Sequence[str]],
    columns: Mapping[str, str] = MappingProxyType({}),
    *,
    complete: bool = True,
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
    complete : bool
        Whether a row without a number is refused; else its number is null.

    Returns
    -------
    DataFrame
        `date`, `name`, the number, `row` (of the source), by date.

    Raises
    ------
    DataError
        With the row: no date, no name, no number (NaN too) if `complete`, two rows of one date and name.
    """
    table = read_table(source, columns, TYPED_OPTIONS if columns else RENAMED)
    column = next(iter(usual))
    all_usual = {**USUAL, **usual}
    wide = rename_columns(table, ("date",), ("symbol",), all_usual)
    is_long = "symbol" in wide.frame.columns
    table = rename_columns(table, ("date", "symbol", column), (), all_usual) if is_long else wide
    names = [column] if is_long else [n for n in table.frame.columns if n not in ("date", ROW)]
    numbers = [parse_numbers(table, name, f"a {column}") for name in names]
    for values in numbers if complete else ():
        table.refuse(
            values.is_null(),
            values.name,
            f"a {column} in every row",
            "write a number, such as 0, or `fillna(0)`",
        )
    rows = [table.frame.get_column(ROW), parse_days(table, "date")]
    if is_long:
        frame = pl.DataFrame([*rows, table.words("symbol").alias("name"), *numbers])
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


def read_scores(source: object) -> tuple[pl.DataFrame, list[str]]:
    """Scores as `date`, `name`, `value`, and a note on empty ones.

    Parameters
    ----------
    source : path or data frame
        Rows of date, name and score, or a row a date and a column a name.

    Raises
    ------
    DataError
        A score that is no number, no name or no date, or a second score of a name and date; with the row.

    >>> frame = pl.DataFrame({"date": ["2024-01-02", "2024-01-03"], "AAA": [1.5, None], "BBB": [0.5, 2.0]})
    >>> scores, notes = read_scores(frame)
    >>> scores["value"].to_list(), notes
    ([1.5, 0.5, 2.0], ['empty scores, left out: 1 of 4'])
    """
    theirs = {plain_name(name) for name in read_table(source).frame.columns if name != ROW}
    # the one column beside date and name holds the scores, whatever it is called
    others = theirs - {*USUAL["date"], *SCORE["symbol"]}
    usual = SCORE | ({"value": tuple(others)} if len(others) == 1 else {})
    scores = read_dated_values(source, usual, complete=False)
    known = scores.drop_nulls("value").select("date", "name", "value")
    empty = scores.height - known.height
    return known, [f"empty scores, left out: {empty:,} of {scores.height:,}"] * bool(empty)


def matrix_of(rows: pl.DataFrame, days: pl.Series, names: pl.Series) -> Floats:
    """Rows of day, name and value as a matrix, float64 (D, N); NaN where there is no row."""
    table = np.full((len(days), len(names)), np.nan)
    day, name, value = rows
    place = days.search_sorted(day).to_numpy(), names.search_sorted(name).to_numpy()
    table[place] = value.cast(pl.Float64).to_numpy()
    return table
