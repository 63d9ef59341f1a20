"""Scores of names on days with prices, beside their forward returns: what a tear sheet measures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.report.formatting import format_count
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.table import ROW, HowToMap, read_table
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL, plain_name
from tercel.signals.models.skill import FEWEST
from tercel.signals.panel.labels import forward_returns
from tercel.signals.price_moves import is_unadjusted
from tercel.signals.sources.prices import list_names, price_table

_USUAL: Final = USUAL | {
    "symbol": (*USUAL["symbol"], "asset"),
    "value": ("value", "values", "score", "factor", "signal", "forecast", "alpha", "0"),
}
_RENAMED: Final = HowToMap("the name {0!r} for {1!r}", "the names of columns", "rename them")
_READ: Final = ("instrument", "date", "close", "adjusted")
"""Columns of daily prices that were read already."""


@dataclass(frozen=True, eq=False)
class PricedScores:
    """Scores on D days of N names, and their forward return over each horizon, float64 (D, N); NaN where there is none.

    `bars` are the places of the D days among those that have prices, int64 (D,).
    """

    days: pl.Series
    bars: Ints
    names: pl.Series
    score: Floats
    returns: Mapping[int, Floats]
    notes: tuple[str, ...]


def read_scores(source: object) -> tuple[pl.DataFrame, list[str]]:
    """Scores as `name`, `date`, `value`, and a note on empty ones.

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
    table = read_table(source, how_to_map=_RENAMED)
    if {plain_name(name) for name in table.frame.columns} & {*_USUAL["symbol"]}:
        table = rename_columns(table, ("date", "symbol"), ("value",), usual=_USUAL)
        others = [name for name in table.frame.columns if name not in (ROW, "date", "symbol")]
        value = "value" if "value" in others or len(others) != 1 else others[0]
        refuse_if(
            value not in others,
            "one column of scores, `value`",
            f"{', '.join(others) or 'none'} in {table.source}",
            "rename it, or take the others out",
            DataError,
        )
        names = table.frame["symbol"].cast(pl.String).str.strip_chars()
        unnamed = names.fill_null("") == ""
        table.refuse(unnamed, "symbol", "a name in every row", "write it, or take the row out")
        columns = {"name": names, "value": parse_numbers(table, value, "a score")}
        scores = pl.DataFrame([table.frame[ROW], parse_days(table, "date")]).with_columns(**columns)
    else:
        table = rename_columns(table, ("date",), usual=_USUAL)
        wide = [name for name in table.frame.columns if name not in (ROW, "date")]
        cells = [parse_numbers(table, name, "a score") for name in wide]
        scores = pl.DataFrame([table.frame[ROW], parse_days(table, "date"), *cells]).unpivot(
            wide, index=[ROW, "date"], variable_name="name", value_name="value"
        )
    repeated = scores.filter(~pl.struct("name", "date").is_first_distinct())
    for row, name, day in repeated.head(1).select(ROW, "name", "date").rows():
        text = f"a second one of {name} on {day} in row {row} of {table.source}"
        raise DataError("one score of a name and date", text, "take one of them out")
    known = scores.drop_nulls("value").select("name", "date", "value").sort("date", "name")
    empty = scores.height - known.height
    return known, [f"empty scores, left out: {empty:,} of {scores.height:,}"] * bool(empty)


def price_scores(factor: object, prices: object, horizons: Iterable[int], lag: int) -> PricedScores:
    """Scores on days with prices, each beside its forward returns; a score of another day counts on the next that has.

    Raises
    ------
    DataError
        As :func:`read_scores` and :func:`~tercel.signals.sources.prices.read_prices`; no name with a score has prices; a
        score that never differs between 5 names; prices too short for a horizon.
    """
    scores, notes = read_scores(factor)
    closes, price_notes = _closes(prices)
    unpriced = scores.join(closes, left_on="name", right_on="instrument", how="anti")["name"]
    names = scores.filter(~pl.col("name").is_in(unpriced.implode()))["name"].unique().sort()
    bars = closes.select(day=pl.col("time").unique().sort()).with_row_index("bar")
    placed = scores.filter(pl.col("name").is_in(names.implode())).join_asof(
        bars, left_on="date", right_on="day", strategy="forward"
    )
    late = placed["bar"].null_count()
    moved = int((placed["day"] != placed["date"]).sum())
    placed = placed.drop_nulls("bar").unique(["name", "bar"], keep="last", maintain_order=True)
    refuse_if(
        placed.is_empty(),
        "scores of names and days that have prices",
        f"scores of {list_names(scores['name'].unique().sort().to_list())}, prices of "
        f"{list_names(closes['instrument'].unique().sort().to_list())} to {bars['day'][-1]}",
        "spell names and dates alike in both",
        DataError,
    )
    days = placed["day"].unique().sort()
    score = _matrix(placed, "day", "name", "value", days, names)
    flat = ~(np.nanmax(score, axis=1) > np.nanmin(score, axis=1))
    score[flat] = np.nan
    refuse_if(
        np.isfinite(score).sum(axis=1).max() < FEWEST,
        f"scores that differ between {FEWEST} names on some date",
        f"{list_names(names.to_list())}, {format_count(len(days), 'date')}, on {flat.sum()} the same of all",
        "take more names, or another score",
        DataError,
    )
    grid = bars.select(time="day").join(names.to_frame("instrument"), how="cross")
    grid = grid.join(closes, on=["instrument", "time"], how="left").sort("instrument", "time")
    priced = grid.drop_nulls("close").select("instrument", "time")
    grid = grid.with_columns(
        pl.col("close").forward_fill().over("instrument"), pl.col("void").fill_null(False)
    ).drop_nulls("close")
    returns = {}
    for horizon in horizons:
        labels = forward_returns(grid, horizon=horizon, lag=lag, void="void").filter(
            ~pl.col("void"), pl.col("time").is_in(days.implode())
        )
        bought = labels.join(
            priced, left_on=["instrument", "start"], right_on=["instrument", "time"], how="semi"
        )
        returns[horizon] = _matrix(bought, "time", "instrument", "forward", days, names)
    ends = (
        closes.group_by("instrument")
        .agg(pl.col("time").max())
        .filter(pl.col("time") < closes["time"].max(), pl.col("instrument").is_in(names.implode()))[
            "instrument"
        ]
        .sort()
        .to_list()
    )
    counts: dict[str, int | list[str]] = {
        "names without prices, left out": unpriced.unique().sort().to_list(),
        "names that end before the prices do, settled at their last close": ends,
        "scores of days without prices, counted on the next day that has some": moved,
        "scores after the last price, left out": late,
        "dates with one score for all names, left out": int(flat.sum()),
    }
    notes += [*price_notes]
    notes += [
        f"{text}: {found}" if isinstance(found, int) else f"{text}: {list_names(found)}"
        for text, found in counts.items()
        if found
    ]
    upper = "no lag: bought at the close of the score's own date, an upper bound"
    return PricedScores(
        days,
        bars.filter(pl.col("day").is_in(days.implode()))["bar"].cast(pl.Int64).to_numpy(),
        names,
        score,
        returns,
        (*[upper] * (lag == 0), *notes),
    )


def _closes(prices: object) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Closes as `instrument`, `time`, `close` and `void` (the move to it is that of a split), with notes."""
    notes: tuple[str, ...] = ()
    if not isinstance(prices, pl.DataFrame) or not {*_READ} <= {*prices.columns}:
        table = price_table(prices)
        prices = table.frame
        notes = table.notes
    move = pl.col("close") / pl.col("close").shift(1).over("instrument") - 1
    closes = prices.sort("instrument", "date").with_columns(
        void=(is_unadjusted(move) & ~pl.col("adjusted")).fill_null(False)
    )
    return closes.select("instrument", "close", "void", time="date"), notes


def _matrix(
    rows: pl.DataFrame, day: str, name: str, value: str, days: pl.Series, names: pl.Series
) -> Floats:
    """Values of rows as a matrix of days and names, float64 (D, N); NaN where there is no row."""
    table = np.full((len(days), len(names)), np.nan)
    place = [
        np.searchsorted(axis.to_numpy(), rows[column].to_numpy())
        for axis, column in ((days, day), (names, name))
    ]
    table[place[0], place[1]] = rows[value].to_numpy()
    return table
