"""Forecasts out of sample as a book: weights by date, turnover, costs, net returns, and how sure each figure is.

    found = backtest(walk_of(table), BookRule(), flat_cost(5.0), rng)

A book is 1 long and 1 short of its equity, rebuilt on dates whose labels do not overlap. **One-way turnover** is the sum of
|change of weight| over all names, both legs, from the weights to which prices moved the last book: a book that is sold
and bought again takes four. The first book is bought, the last is not sold. Profits stay in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercel.core.arrays import Floats, Indices, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.stats import Replicates, average_over_seeds, moments_of_mean, replicate
from tercel.core.vocabulary import DAY_NS
from tercel.signals.models.skill import BLOCK, rank_ic_of_rows, stride
from tercel.signals.sources.dated_values import matrix_of

SHARE: Final = 0.1
"""Of the names, in each leg of a book of deciles."""
YEAR_NS: Final = 365.25 * 86_400e9
REQUIRED_COLUMNS: Final = ("time", "start", "end", "name", "value", "outcome")
DEFINITION: Final = (
    "one-way turnover is the sum of |change of weight| over all names, both legs, from the weights that prices left; the "
    "first book is bought, the last is not sold; means and Sharpe ratios are over dates with a book, whose sale counts on "
    "its last date; what is made a year is compounded"
)
Cost: TypeAlias = Callable[[int, Floats], float]
"""Maps the row of a date and the changes of weights (N,) to their cost, a fraction of equity."""


@dataclass(frozen=True, eq=False)
class Walk:
    """Forecasts and outcomes, dates by names.

    Parameters
    ----------
    time_ns, start_ns, end_ns : int64 (T,)
        When a date's decision falls due; the interval of its labels, median over names.
    names : str (N,)
    value, outcome : float64 (T, N)
        Forecast, in units of any size; forward return, a fraction. NaN if missing.
    """

    time_ns: Ints
    start_ns: Ints
    end_ns: Ints
    names: NDArray[np.str_]
    value: Floats
    outcome: Floats

    def rows(self, index: Indices) -> "Walk":
        """Some dates, in order."""
        times = (self.time_ns[index], self.start_ns[index], self.end_ns[index])
        return Walk(*times, self.names, self.value[index], self.outcome[index])


@dataclass(frozen=True)
class BookRule:
    """Rule from forecasts to weights.

    Parameters
    ----------
    kind : "deciles" or "scores"
        The top and the bottom tenth, equal weights; or all names by their distance from the date's mean forecast.
    hold : float
        Weight of a name's past scores in its score, 0 to below 1; a name that was away starts afresh.
    leave : float
        Of deciles: a name that entered stays while it is among this share of the names, .1 to .5.
    long_only : bool
        The long leg alone.

    Raises
    ------
    ConfigError
        For anything else.
    """

    kind: Literal["deciles", "scores"] = "deciles"
    hold: float = 0.0
    leave: float = SHARE
    long_only: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that make no book."""
        refuse_if(
            self.kind not in ("deciles", "scores"),
            "a book of deciles or scores",
            f"{self.kind!r}",
            "give `book=deciles`",
        )
        refuse_if(
            not 0.0 <= self.hold < 1.0,
            "a weight of past scores from 0 to below 1",
            f"{self.hold:g}",
            "give `hold=0.5`",
        )
        refuse_if(
            not SHARE <= self.leave <= 0.5,
            "a share from 10 % to 50 %",
            f"{self.leave:g}",
            "give `leave=30%`",
        )
        refuse_if(
            self.kind == "scores" and self.leave != SHARE,
            "a share to leave at with a book of deciles",
            "one of scores",
            "leave `leave=` out",
        )

    def __str__(self) -> str:
        """Text such as `deciles, equal weights, scores averaged (0.5 past), left at 30%`.

        >>> str(BookRule(hold=0.5))
        'deciles, equal weights, scores averaged (0.5 past)'
        """
        parts = ["deciles, equal weights" if self.kind == "deciles" else "all names by score"]
        parts += [f"scores averaged ({self.hold:g} past)"] * (self.hold > 0)
        parts += [f"left at {self.leave:.0%}"] * (self.leave > SHARE)
        return ", ".join([*parts, *["long leg alone"] * self.long_only])


def walk_of(table: pl.DataFrame) -> Walk:
    """A table of forecasts (`time`, `start`, `end`, `name`, `value`, `outcome`) as dates by names.

    Raises
    ------
    DataError
        Columns are missing, a name has two rows at a time, a forecast is infinite, nothing is forecast, an outcome is
        below -1 or infinite.
    """
    if missing := [column for column in REQUIRED_COLUMNS if column not in table.columns]:
        raise DataError(
            f"columns {', '.join(REQUIRED_COLUMNS)}",
            f"none called {', '.join(missing)}",
            "train the model again",
        )
    numbers = [
        pl.col(column).cast(pl.Float64).fill_null(float("nan")) for column in ("value", "outcome")
    ]
    rows = table.select(
        pl.col("name").cast(pl.String), pl.col("time", "start", "end").dt.epoch("ns"), *numbers
    )
    rows = rows.with_row_index("row", 1).filter(pl.col("value").is_not_nan())
    is_invalid = (
        pl.col("value").is_infinite() | pl.col("outcome").is_infinite() | (pl.col("outcome") < -1.0)
    )
    _refuse(rows.filter(is_invalid), "finite forecasts, returns of -1 or more")
    _refuse(rows.filter(pl.struct("time", "name").is_duplicated()), "one row per time and name")
    refuse_if(
        rows.is_empty(),
        "forecasts out of sample",
        f"none in {table.height} rows",
        "train on a longer panel",
        DataError,
    )
    dates = (
        rows.group_by("time")
        .agg(pl.col("start", "end").median().cast(pl.Int64))
        .sort("time")
        .fill_null(0)
    )
    names = rows.get_column("name").unique().sort()
    value, outcome = (
        matrix_of(rows.select("time", "name", column), dates.get_column("time"), names)
        for column in ("value", "outcome")
    )
    times = dates.select("time", "start", "end").to_numpy().astype(np.int64).T
    return Walk(times[0], times[1], times[2], names.to_numpy().astype(np.str_), value, outcome)


def _refuse(bad: pl.DataFrame, expected: str) -> None:
    """Raise DataError with the first row of `bad`, if there is one."""
    if bad.height:
        row, name, time, value, outcome = bad.select("row", "name", "time", "value", "outcome").row(
            0
        )
        raise DataError(
            expected,
            f"{name} at {np.datetime64(time, 'ns').astype('datetime64[s]')}, row {row}: value {value:g}, "
            f"outcome {outcome:g}",
            "train the model again",
        )


def non_overlapping(walk: Walk) -> Indices:
    """Rows of dates with outcomes whose labels do not overlap: every k-th, for the least k whose labels begin, in the
    median, at or after the end of those before.

    Raises
    ------
    DataError
        There is no date with an outcome.
    """
    with_outcome = np.flatnonzero(np.isfinite(walk.outcome).any(axis=1))
    refuse_if(
        not len(with_outcome),
        "outcomes beside the forecasts",
        f"none on {len(walk.time_ns)} dates",
        "take a longer panel",
        DataError,
    )
    start, end = walk.start_ns[with_outcome], walk.end_ns[with_outcome]
    return with_outcome[:: stride(start, end)]


def average_scores(value: Floats, hold: float) -> Floats:
    """Scores (T, N) averaged with their own past, `hold` times the last date's average; a missing date starts afresh.

    >>> average_scores(np.array([[4.0, 2.0], [0.0, 0.0]]), 0.5).tolist()
    [[4.0, 2.0], [2.0, 1.0]]
    """
    averages = value.copy()
    for t in range(1, len(averages) if hold else 0):
        averages[t] = np.where(
            np.isfinite(averages[t - 1]), hold * averages[t - 1] + (1.0 - hold) * value[t], value[t]
        )
    return averages


def book_weights(value: Floats, book: BookRule) -> Floats:
    """Weights of a book by forecasts, float64 (T, N): longs add up to 1, shorts to -1 (none if `long_only`).

    A date whose forecasts do not vary has no book: zeros. Names of equal score rank by the order of their columns.
    """
    by_date = np.zeros(value.shape)
    for t, score in enumerate(average_scores(value, book.hold)):
        rows = np.flatnonzero(np.isfinite(score))
        if len(rows) < 2 or not np.ptp(score[rows]) > 0:
            continue
        if book.kind == "scores":
            centred = score[rows] - score[rows].mean()
            by_date[t, rows] = 2.0 * centred / np.abs(centred).sum()
        else:
            by_date[t, rows] = _deciles(
                score[rows], np.zeros(len(rows)) if t == 0 else by_date[t - 1, rows], book.leave
            )
    return np.maximum(by_date, 0.0) if book.long_only else by_date


def _deciles(score: Floats, held: Floats, leave: float) -> Floats:
    """Weights of one date (N,): top tenth, and longs still within `leave`, add up to 1; bottom tenth likewise to -1."""
    n = len(score)
    place = np.empty(n, np.intp)
    place[np.argsort(score, kind="stable")] = np.arange(n)
    enter = max(1, int(n * SHARE))
    stay = max(1, int(n * leave))
    longs = (place >= n - enter) | ((held > 0) & (place >= n - stay))
    shorts = (place < enter) | ((held < 0) & (place < stay))
    return np.asarray(longs / longs.sum() - shorts / shorts.sum())


@dataclass(frozen=True, eq=False)
class Backtest:
    """Result of a book, by date.

    Parameters
    ----------
    walk : Walk
        Of the D dates on which the book was rebuilt.
    weights : float64 (D, N)
    gross, cost, net, turnover, ic : float64 (D,)
        Returns of equity, one-way turnover, rank IC (NaN where a cross-section is too small).
    target : float64 (N,)
        Weights of the newest date, with an outcome or not.
    periods : float
        Dates a year, from their spacing: what a Sharpe ratio is annualised by.
    """

    walk: Walk
    weights: Floats
    gross: Floats
    cost: Floats
    net: Floats
    turnover: Floats
    ic: Floats
    target: Floats
    periods: float

    @property
    def held_dates(self) -> Indices:
        """Dates with a book, intp (H,)."""
        return np.flatnonzero(self.weights.any(axis=1))

    def over_held_dates(self, values: Floats) -> Floats:
        """Values of the dates with a book, float64 (H,); those of a date of sale are added to the date before."""
        return np.asarray(np.add.reduceat(values, self.held_dates), np.float64)

    @property
    def equity(self) -> Floats:
        """Equity after each date, from 1 before the first, float64 (D,)."""
        return np.asarray(np.cumprod(1.0 + self.net), np.float64)

    @property
    def drawdown(self) -> Floats:
        """Loss from the highest equity so far, a fraction of it, float64 (D,)."""
        return np.asarray(
            1.0 - self.equity / np.maximum.accumulate(np.maximum(self.equity, 1.0)), np.float64
        )


def backtest(walk: Walk, book: BookRule, charge: Cost, borrow_bps: float = 0.0) -> Backtest:
    """Trade a book through the dates of a walk whose labels do not overlap: figures by date, and the newest date's weights.

    What is short pays `borrow_bps` a year of 365 days over the label, which counts as cost.

    Raises
    ------
    DataError
        Forecasts never differ between names where there are outcomes, or the book loses all that it has.
    """
    rows = non_overlapping(walk)
    newest = len(walk.time_ns) - 1
    row_index = rows if rows[-1] == newest else np.append(rows, newest)
    held = np.zeros(len(walk.names))
    targets = book_weights(walk.value[row_index], book)
    refuse_if(
        not targets[: len(rows)].any(),
        "forecasts that differ between names",
        f"one forecast for all of {len(walk.names)} names on each of {len(rows)} dates",
        "train on features that do",
        DataError,
    )
    figures = np.zeros((4, len(rows)))
    borrowed_years = (walk.end_ns - walk.start_ns) / (365 * DAY_NS)
    for t, row in enumerate(rows.tolist()):
        returns = np.nan_to_num(walk.outcome[row])
        weight_changes = targets[t] - held
        earned = float(targets[t] @ returns)
        paid = float(charge(row, weight_changes))
        paid -= 1e-4 * borrow_bps * borrowed_years[row] * float(np.minimum(targets[t], 0.0).sum())
        figures[:, t] = earned, paid, earned - paid, np.abs(weight_changes).sum()
        if earned - paid <= -1.0:
            raise DataError(
                "a book that outlives its losses",
                f"a return of {earned - paid:.0%} at {np.datetime64(int(walk.time_ns[row]), 'ns')}",
                "look at that date's outcomes, or the cost",
            )
        held = targets[t] * (1.0 + returns) / (1.0 + earned - paid)
    span = float(walk.start_ns[rows[-1]] - walk.start_ns[rows[0]])
    periods = (len(rows) - 1) * YEAR_NS / span if span > 0 else float("nan")
    gross, cost, net, turnover = figures
    ic = rank_ic_of_rows(walk.value[rows], walk.outcome[rows])
    rebuilt = walk.rows(rows)
    return Backtest(
        rebuilt, targets[: len(rows)], gross, cost, net, turnover, ic, targets[-1], periods
    )


def sharpe(
    returns: Floats, periods: float, rng: np.random.Generator, block: int = BLOCK
) -> Estimate:
    """Mean over standard deviation (of n - 1), a year, with a 95 % interval drawn over blocks of dates.

    Parameters
    ----------
    returns : float64 (D,)
    periods : float
        Dates a year.
    rng : numpy Generator
    block : int
        Dates of a block.
    """
    return sharpes({"": returns}, periods, rng, block)[""].estimate()


def sharpes(
    books: Mapping[str, Floats], periods: float, rng: np.random.Generator, block: int = BLOCK
) -> dict[str, Replicates]:
    """Sharpe ratios of books on the same dates, drawn together: the difference of two is paired."""

    def ratio(means: Floats) -> Floats:
        """Sharpe ratios a year from means of returns (column 0) and of their squares (other columns)."""
        variance = (means[:, 1:] - means[:, :1] ** 2) * n / max(n - 1, 1)
        return np.sqrt(periods / np.where(variance > 1e-18, variance, np.nan)) * means[:, :1]

    n = len(next(iter(books.values())))
    squares = {name: np.column_stack([returns, returns**2]) for name, returns in books.items()}
    moments = {
        name: replace(moments_of_mean(powers, np.arange(n) // block), statistic=ratio)
        for name, powers in squares.items()
    }
    draws = replicate(moments, 2000, rng)
    return {
        name: average_over_seeds(moment.point(), draws[name].T, moment.clusters, rng)
        for name, moment in moments.items()
    }


@dataclass(frozen=True)
class YearFigures:
    """A calendar year of a book: dates, those with a book, mean IC, returns (gross and net compounded), Sharpe ratio and
    mean one-way turnover of the dates with a book, worst drawdown.
    """

    year: int
    dates: int
    invested: int
    ic: float | None
    gross: float
    cost: float
    net: float
    sharpe_net: float | None
    turnover: float | None
    drawdown: float


def years(book: Backtest) -> list[YearFigures]:
    """Figures of each calendar year of a book."""
    columns = {key: getattr(book, key) for key in ("gross", "cost", "net", "turnover", "ic")}
    for key in ("net", "turnover"):
        columns[f"held_{key}"] = np.full(len(book.net), np.nan)
        columns[f"held_{key}"][book.held_dates] = book.over_held_dates(columns[key])
    rows = pl.DataFrame({"start": book.walk.start_ns, **columns}).fill_nan(None)
    equity = (1.0 + pl.col("net")).cum_prod()
    held = pl.col("held_net")
    mean = held.mean()
    sd = held.std()
    year = pl.from_epoch("start", "ns").dt.year().alias("year")
    table = rows.group_by(year, maintain_order=True).agg(
        dates=pl.len(),
        invested=held.count(),
        ic=pl.col("ic").mean(),
        gross=(1.0 + pl.col("gross")).product() - 1.0,
        cost=pl.col("cost").sum(),
        net=(1.0 + pl.col("net")).product() - 1.0,
        sharpe_net=pl.when(sd > 0).then(mean / sd * book.periods**0.5),
        turnover=pl.col("held_turnover").mean(),
        drawdown=(1.0 - equity / pl.max_horizontal(equity.cum_max(), 1.0)).max(),
    )
    return [YearFigures(*row) for row in table.iter_rows()]
