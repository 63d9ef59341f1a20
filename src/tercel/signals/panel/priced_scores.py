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
from tercel.core.tables.table import RENAMED, ROW, read_table
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
_READ: Final = frozenset({"instrument", "date", "close"})
"""Columns of daily prices that were read already, beside `adjusted` or `void`."""


@dataclass(frozen=True, eq=False)
class PricedReturns:
    """Forward returns of N names over each horizon, float64 (T, N), on T days with prices; NaN where there is none.

    `lag` is in bars; `ended` has the names whose prices end before the last day.
    """

    days: pl.Series
    names: pl.Series
    lag: int
    returns: Mapping[int, Floats]
    ended: tuple[str, ...]
    notes: tuple[str, ...]


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
    table = read_table(source, how_to_map=RENAMED)
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


def priced_returns(prices: object, horizons: Iterable[int], lag: int) -> PricedReturns:
    """Forward returns from the close `lag` bars after each day, of prices as `read_prices` takes or gives them.

    Bars are the days on which some name has a price. A name without a close keeps its last one and is not bought; one
    that ends is settled at its last close. Returns over a move that is that of a split are left out.

    Raises
    ------
    DataError
        As :func:`~tercel.signals.sources.prices.read_prices`; prices too short for a horizon.
    """
    notes: tuple[str, ...] = ()
    frame = prices if isinstance(prices, pl.DataFrame) else pl.DataFrame()
    if not ({*frame.columns} >= _READ and {"adjusted", "void"} & {*frame.columns}):
        table = price_table(prices)
        frame = table.frame
        notes = table.notes
    move = pl.col("close") / pl.col("close").shift(1).over("instrument") - 1
    split = is_unadjusted(move) & ~pl.col("adjusted")
    void = (pl.col("void") if "void" in frame.columns else split).fill_null(False)
    closes = frame.sort("instrument", "date").select("instrument", "close", time="date", void=void)
    days = closes["time"].unique().sort()
    names = closes["instrument"].unique().sort()
    grid = pl.DataFrame({"time": days}).join(names.to_frame(), how="cross")
    grid = grid.join(closes, on=["instrument", "time"], how="left").sort("instrument", "time")
    grid = grid.with_columns(
        pl.col("close").forward_fill().over("instrument"), pl.col("void").fill_null(False)
    ).drop_nulls("close")
    returns = {}
    for horizon in horizons:
        labels = forward_returns(grid, horizon=horizon, lag=lag, void="void")
        bought = labels.filter(~pl.col("void")).join(
            closes, left_on=["instrument", "start"], right_on=["instrument", "time"], how="semi"
        )
        returns[horizon] = _matrix(bought, ("time", "instrument", "forward"), days, names)
    last = closes.group_by("instrument").agg(pl.col("time").max()).sort("instrument")
    ended = last.filter(pl.col("time") < days.last())["instrument"].to_list()
    return PricedReturns(days, names, lag, returns, tuple(ended), notes)


def price_scores(factor: object, priced: PricedReturns) -> PricedScores:
    """Scores beside forward returns; a score of a day without prices counts on the next day that has some.

    Raises
    ------
    DataError
        As :func:`read_scores`; no name with a score has prices; a score that never differs between 5 names.
    """
    scores, notes = read_scores(factor)
    bars = priced.days.alias("day").to_frame().with_row_index("bar")
    known = scores.filter(pl.col("name").is_in(priced.names.implode()))
    placed = known.join_asof(bars, left_on="date", right_on="day", strategy="forward")
    counts: dict[str, int | list[str]] = {
        "names without prices, left out": sorted({*scores["name"]} - {*priced.names}),
        "scores of days without prices, counted on the next day that has some": int(
            (placed["day"] != placed["date"]).sum()
        ),
        "scores after the last price, left out": placed["bar"].null_count(),
    }
    placed = placed.drop_nulls("bar").unique(["name", "bar"], keep="last", maintain_order=True)
    refuse_if(
        placed.is_empty(),
        "scores of names and days that have prices",
        f"scores of {list_names(scores['name'].unique().sort().to_list())}, prices of "
        f"{list_names(priced.names.to_list())} to {priced.days[-1]}",
        "spell names and dates alike in both",
        DataError,
    )
    days = placed["day"].unique().sort()
    names = placed["name"].unique().sort()
    score = _matrix(placed, ("day", "name", "value"), days, names)
    flat = ~(np.nanmax(score, axis=1) > np.nanmin(score, axis=1))
    score[flat] = np.nan
    refuse_if(
        np.isfinite(score).sum(axis=1).max() < FEWEST,
        f"scores that differ between {FEWEST} names on some date",
        f"{list_names(names.to_list())} on {format_count(len(days), 'date')}, {flat.sum()} with one score for all",
        "take more names, or another score",
        DataError,
    )
    counts["dates with one score for all names, left out"] = int(flat.sum())
    counts["names that end before the prices do, settled at their last close"] = [
        name for name in priced.ended if name in names
    ]
    notes += priced.notes
    notes += [
        f"{text}: {found}" if isinstance(found, int) else f"{text}: {list_names(found)}"
        for text, found in counts.items()
        if found
    ]
    upper = "no lag: bought at the close of the score's own date, an upper bound"
    rows = placed["bar"].unique().sort().cast(pl.Int64).to_numpy()
    columns = np.searchsorted(priced.names.to_numpy(), names.to_numpy())
    returns = {h: table[np.ix_(rows, columns)] for h, table in priced.returns.items()}
    return PricedScores(days, rows, names, score, returns, (*[upper] * (priced.lag == 0), *notes))


def _matrix(
    rows: pl.DataFrame, columns: tuple[str, str, str], days: pl.Series, names: pl.Series
) -> Floats:
    """Values of rows (day, name, value) as a matrix, float64 (D, N); NaN where there is no row."""
    table = np.full((len(days), len(names)), np.nan)
    day = np.searchsorted(days.to_numpy(), rows[columns[0]].to_numpy())
    name = np.searchsorted(names.to_numpy(), rows[columns[1]].to_numpy())
    table[day, name] = rows[columns[2]].to_numpy()
    return table
