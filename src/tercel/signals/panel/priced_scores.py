"""Scores of names on days with prices, beside their forward returns: what a tear sheet measures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.signals.models.skill import FEWEST
from tercel.signals.panel.labels import forward_returns
from tercel.signals.price_moves import is_unadjusted
from tercel.signals.sources.dated_values import matrix_of, read_scores
from tercel.signals.sources.prices import Prices, list_names, price_table


@dataclass(frozen=True, eq=False)
class PricedReturns:
    """Forward returns of N names over each horizon, float64 (T, N), on T days with prices; NaN where there is none.

    `lag` is in bars.
    """

    days: pl.Series
    names: pl.Series
    lag: int
    returns: Mapping[int, Floats]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PricedScores(PricedReturns):
    """Scores on D days of N names, float64 (D, N), NaN where there is none, and their forward returns.

    `bars` are the places of the D days among those that have prices, int64 (D,).
    """

    bars: Ints
    score: Floats


def priced_returns(prices: object, horizons: Iterable[int], lag: int) -> PricedReturns:
    """Forward returns from the close `lag` bars after each day, of prices as `read_prices` takes or gives them.

    Bars are the days on which some name has a price. A name without a close keeps its last one and is not bought; one
    that ends is settled at its last close. Returns over a move that is that of a split are left out.

    Raises
    ------
    DataError
        As :func:`~tercel.signals.sources.prices.read_prices`; prices too short for a horizon.
    """
    table = (
        Prices(prices, (), frozenset())
        if isinstance(prices, pl.DataFrame) and {"instrument", "adjusted"} <= {*prices.columns}
        else price_table(prices)
    )
    move = pl.col("close") / pl.col("close").shift(1).over("instrument") - 1
    void = (is_unadjusted(move) & ~pl.col("adjusted")).fill_null(False)
    closes = table.frame.sort("instrument", "date").select(
        "instrument", "close", time="date", void=void
    )
    days, names = (closes.get_column(key).unique().sort() for key in ("time", "instrument"))
    grid = days.to_frame().join(names.to_frame(), how="cross")
    grid = grid.join(closes, on=["instrument", "time"], how="left").sort("instrument", "time")
    last = pl.col("close").forward_fill().over("instrument")
    grid = grid.with_columns(last, pl.col("void").fill_null(False)).drop_nulls("close")
    returns = {}
    for horizon in horizons:
        labels = forward_returns(grid, horizon=horizon, lag=lag, void="void")
        bought = labels.filter(~pl.col("void")).join(
            closes, left_on=["instrument", "start"], right_on=["instrument", "time"], how="semi"
        )
        returns[horizon] = matrix_of(bought.select("time", "instrument", "forward"), days, names)
    ends = closes.group_by("instrument").agg(pl.col("time").max()).sort("instrument")
    ended = [name for name, day in ends.rows() if day < days[-1]]
    settled = "names that end before the prices do, settled at their last close: "
    notes = (
        *["no lag: bought at the close of the score's own date, an upper bound"] * (lag == 0),
        *table.notes,
        *[settled + list_names(ended)] * bool(ended),
    )
    return PricedReturns(days, names, lag, returns, notes)


def price_scores(factor: object, priced: PricedReturns) -> PricedScores:
    """Scores beside forward returns; a score of a day without prices counts on the next day that has some.

    Raises
    ------
    DataError
        As :func:`~tercel.signals.sources.dated_values.read_scores`; no name with a score has prices; a score that never
        differs between 5 names.
    """
    scores, notes = read_scores(factor)
    names = scores.get_column("name").unique().sort()
    lacking = names.filter(~names.is_in(priced.names.implode())).to_list()
    bars = priced.days.alias("day").to_frame().with_row_index("bar")
    known = scores.filter(pl.col("name").is_in(priced.names.implode()))
    dated = known.join_asof(bars, left_on="date", right_on="day", strategy="forward")
    placed = dated.drop_nulls("bar").unique(["name", "bar"], keep="last", maintain_order=True)
    refuse_if(
        placed.is_empty(),
        "scores of names and days that have prices",
        f"scores of {list_names(names.to_list())}, prices of {list_names(priced.names.to_list())} to {priced.days[-1]}",
        "spell names and dates alike in both",
        DataError,
    )
    days, names = (placed.get_column(key).unique().sort() for key in ("day", "name"))
    score = matrix_of(placed.select("day", "name", "value"), days, names)
    flat = ~(np.nanmax(score, axis=1) > np.nanmin(score, axis=1))
    score[flat] = np.nan
    refuse_if(
        np.isfinite(score).sum(axis=1).max() < FEWEST,
        f"scores that differ between {FEWEST} names on some date",
        f"{list_names(names.to_list())}, {flat.sum()} of {len(days)} dates with one score for all",
        "take more names, or another score",
        DataError,
    )
    moved = dated.filter(pl.col("day") != pl.col("date")).height
    late = dated.filter(pl.col("bar").is_null()).height
    counts = {
        f"names without prices, left out: {list_names(lacking)}": len(lacking),
        f"scores of days without prices, counted on the next day that has some: {moved:,}": moved,
        f"scores after the last price, left out: {late:,}": late,
        f"dates with one score for all names, left out: {flat.sum():,}": flat.sum(),
    }
    notes += [*priced.notes, *(text for text, count in counts.items() if count)]
    rows = priced.days.search_sorted(days).to_numpy().astype(np.int64)
    columns = priced.names.search_sorted(names).to_numpy()
    returns = {h: table[np.ix_(rows, columns)] for h, table in priced.returns.items()}
    return PricedScores(days, names, priced.lag, returns, tuple(notes), rows, score)
