"""Daily prices and volumes as a source of factors, and the weekly cross-sections that models are judged on.

A file of prices::

    Date,Symbol,Open,High,Low,Close,Adj Close,Volume
    2016-05-02,AAPL,93.97,94.08,92.40,93.64,88.12,48160104

The panel of 2000-2017 holds survivors alone: companies that were delisted are not in it. Levels of return are
flattered, above all those of buying losers; :data:`SURVIVORS` says so beside every number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from tercel.core.errors import DataError
from tercel.core.tables.table import ROW
from tercel.signals.factors import factors, guard_prices
from tercel.signals.panel.dataset import Dataset, from_frame
from tercel.signals.panel.labels import forward_returns, rank_in_section
from tercel.signals.panel.panel import Panel
from tercel.signals.sources.port import FrameSource, at_new_york, check_facts
from tercel.signals.sources.prices import list_names, price_table
from tercel.signals.sources.tables import TableSource

SURVIVORS = (
    "survivors only: names delisted by the day of collection are missing, so levels of return are flattered, "
    "above all on the long side and for buying losers; read differences, not levels"
)
UNKNOWN = (
    "prices of names that still exist flatter returns, if yours are such (survivors = true says so)"
)
FACTORS = (
    "ret_1",
    "ret_5",
    "ret_21",
    "mom_3_1",
    "mom_6_1",
    "mom_12_1",
    "adj_ret_5",
    "vol_20",
    "vol_60",
    "vol_ratio",
    "skew_60",
    "max_21",
    "beta_252",
    "idio_60",
    "dollar_volume",
    "volume_ratio",
    "illiquidity",
    "range_21",
    "close_in_range",
    "high_252",
    "overnight_21",
    "intraday_21",
)
NEEDS = {
    "volume": ("dollar_volume", "volume_ratio", "illiquidity"),
    "open": ("overnight_21", "intraday_21"),
    "high": ("range_21", "close_in_range"),
    "low": ("range_21", "close_in_range"),
}
"""Factors that a column of prices is needed for, beside the close."""
ANY_FACTOR = FACTORS[:1]
"""Of a panel without models of factors, whose rows are those that have one."""
SETTLES = timedelta(minutes=15)
"""From the close to the moment when its print can be relied on."""
OPEN = 2 * SETTLES + timedelta(microseconds=1)
"""From the last close to the end of a label that is open then: after the moment at which that close is decided on."""
RECENT = 21
"""Days of which the fullest says how many names are usual, and whose names are listed where the last one has no row."""


@dataclass(frozen=True)
class DailyFactors(TableSource):
    """Factors of each stock and day, ranked within the day's cross-section to [-0.5, 0.5].

    Parameters
    ----------
    path : Path or data frame
        Daily prices as :func:`tercel.signals.sources.prices.read_prices` takes them.
    collected : datetime, optional
        Day of collection; later rows are refused.
    without : sequence of str
        Tickers left out (funds).
    history : int
        Days that a name must have behind it.
    least_dollars : float
        Least median of dollar volume over 60 days; not applied to a file without volume.
    called : mapping
        Names of columns, ours to theirs.
    survivors : bool
        Whether it is known that names are missing because they were delisted.
    """

    without: Sequence[str] = ("QQQ",)
    history: Annotated[int, Field(ge=0, le=10_000)] = 252
    least_dollars: Annotated[float, Field(ge=0, le=1e15)] = 1e6
    survivors: bool = False
    name: str = "daily"
    usual: ClassVar[tuple[str, ...]] = FACTORS
    known_bias: ClassVar[str] = ""

    @property
    def bias(self) -> str:
        """Caveat that goes with every number of a panel of these prices."""
        return self.known_bias or (SURVIVORS if self.survivors else UNKNOWN)

    def prices(self) -> pl.DataFrame:
        """Read daily prices with the columns of :func:`guard_prices` and `listed`; sets `columns` and `notes`."""
        table = price_table(self.path, self.called, how=self.how)
        dropped = (
            table.frame.filter(pl.col("instrument").is_in(list(self.without)))["instrument"]
            .unique()
            .sort()
        )
        frame = table.frame.filter(~pl.col("instrument").is_in(list(self.without)))
        missing = [name for name in NEEDS if name not in table.has]
        priced = frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in missing)
        priced = priced.with_columns(time=at_new_york(pl.col("date"), 16))
        left_out = sorted({factor for name in missing for factor in NEEDS[name]})
        listed = universe(guard_prices(priced).drop("adjusted"), self.history, self.least_dollars)
        if self.wanted:
            return listed
        notes = list(table.notes)
        if len(dropped):
            notes.append(f"left out: {list_names(dropped.to_list())} (without = [] keeps them)")
        if left_out:
            note = "; least_dollars is not applied" if "volume" in missing else ""
            notes.append(
                f"no {', '.join(missing)} in {self.path}: left out {', '.join(left_out)}{note}"
            )
        notes += note_unlisted(listed, self.history, self.least_dollars)
        self._seen.update(
            columns=tuple(name for name in FACTORS if name not in left_out), notes=notes
        )
        return listed

    def facts(self) -> pl.DataFrame:
        """Factors of each listed name and day, ranked within the day, as checked facts, from the prices of the file."""
        return self.facts_of(self.prices())

    def with_factors(self, prices: pl.DataFrame) -> pl.DataFrame:
        """Prices with those factors that they lack, not ranked."""
        chosen = factors()
        return prices.with_columns(
            chosen[name] for name in self.columns if name not in prices.columns
        )

    def facts_of(self, prices: pl.DataFrame, days: pl.Series | None = None) -> pl.DataFrame:
        """Facts (factors ranked within a day, 0 where missing) of listed names, from prices by :meth:`prices`; of all
        days or `days` (closes).
        """
        frame = self.with_factors(prices).filter(pl.col("listed"))
        if not self.wanted:
            self._leave_out_flat(frame)
        if days is not None:
            frame = frame.filter(pl.col("time").is_in(days.implode()))
        # the median of a cross-section where a factor is missing: a rank of 0
        frame = frame.with_columns(
            rank_in_section(name).fill_null(0.0).fill_nan(0.0) for name in self.columns
        )
        timed = frame.rename({"time": "event_time"}).with_columns(
            known_time=pl.col("event_time") + SETTLES
        )
        facts = timed.select("instrument", "event_time", "known_time", ROW, *self.columns)
        return check_facts(facts, self.columns, str(self.path), self.collected)

    def _leave_out_flat(self, frame: pl.DataFrame) -> None:
        """Drop factors that never vary from `columns`, with a note: prices that open where they close, or too short a history."""
        values = pl.col(self.columns)
        least, most = (frame.select(ends).row(0) for ends in (values.min(), values.max()))
        ends = zip(self.columns, least, most, strict=True)
        flat = [name for name, low, high in ends if high is None or high - low <= 1e-9 * abs(high)]
        if flat and len(flat) < len(self.columns):
            notes = [
                *self.notes,
                f"factors that never differ in {self.path} are left out: {', '.join(flat)}",
            ]
            self._seen.update(columns=tuple(n for n in self.columns if n not in flat), notes=notes)


def universe(prices: pl.DataFrame, history: int, least_dollars: float) -> pl.DataFrame:
    """Add `listed`: worth more than 0, enough history behind it and, from the first volume of the file on, enough
    traded; all known on the day.
    """
    is_listed = (pl.int_range(pl.len()).over("instrument") >= history) & (pl.col("close") > 0)
    if least_dollars:
        no_volume_yet = pl.col("time") < pl.col("time").filter(pl.col("dollar").is_not_null()).min()
        traded = pl.col("dollar").rolling_median(60, min_samples=40).over("instrument")
        is_listed &= no_volume_yet.fill_null(True) | (traded > least_dollars)
    return prices.with_columns(listed=is_listed.fill_null(False))


def note_unlisted(prices: pl.DataFrame, history: int, least_dollars: float) -> list[str]:
    """Notes on names that are never listed; raises DataError if no name ever is.

    Raises
    ------
    DataError
        When none is.
    """
    names = (
        prices.group_by("instrument").agg(pl.col("listed").any(), days=pl.len()).sort("instrument")
    )
    never_listed = names.filter(~pl.col("listed"))
    short = pl.col("days") <= history
    thin = f"never trade {least_dollars:,.0f} a day (median of 60 days)"
    reasons = (
        (short, f"have no {history} days behind them", f"history = {history}"),
        (~short, thin, f"least_dollars = {least_dollars:g}"),
    )
    notes = []
    for is_case, text, option in reasons:
        if left_out := never_listed.filter(is_case)["instrument"].to_list():
            notes.append(
                f"{len(left_out)} of {names.height} names {text}: {list_names(left_out)} ({option})"
            )
    if never_listed.height == names.height:
        raise DataError(
            f"names with over {history} days of prices that trade over {least_dollars:,.0f} a day",
            "; ".join(notes),
            "set a smaller history or least_dollars",
        )
    return notes


def last_complete_day(prices: pl.DataFrame) -> tuple[date, str]:
    """The last day on which at least half of the usual names have prices, and a note if later days have fewer.

    >>> names, days = ["A", "B", "C", "C"], [date(2024, 1, day) for day in (2, 2, 2, 3)]
    >>> last_complete_day(pl.DataFrame({"instrument": names, "date": days}))[1]
    'only 1 of 3 names has prices of 2024-01-03, after 2024-01-02, the last whole day'
    """
    days = prices.group_by("date").len("names").sort("date").tail(RECENT)
    newest, names, usual = (
        str(figure) for figure in (days["date"].last(), days["names"].last(), days["names"].max())
    )
    complete_day: date = days.filter(2 * pl.col("names") >= pl.col("names").max())["date"].last()  # type: ignore[assignment]
    have = f"only {names} of {usual} names {'has' if names == '1' else 'have'} prices of {newest}"
    return complete_day, f"{have}, after {complete_day}, the last whole day" if newest != str(
        complete_day
    ) else ""


def daily_panel(
    path: Path,
    *,
    horizon: int = 5,
    lag: int = 1,
    every: int = 5,
    first: str = "2001-01-01",
    source: DailyFactors | None = None,
    prices: pl.DataFrame | None = None,
    until: datetime | None = None,
    after_ns: int = 0,
) -> Dataset:
    """Labelled cross-sections every `every` days: factors known after the close of t, held from the close of t + lag.

    `y` is the rank of the forward return of `horizon` days within its cross-section, [-0.5, 0.5]; `outcome` the return.
    Labels whose interval holds a move that is none (:mod:`tercel.signals.factors`) and that nothing adjusts are
    left out, and counted; a name that leaves is settled at its last close. `prices` are those of
    :meth:`DailyFactors.prices`, where they are in memory already. With `until`, a close, nothing after it is read: its
    own cross-section is the last one, and rows whose label is open then have y NaN and end after it. Dates that were
    decided by `after_ns` are left out.

    Raises
    ------
    SourceAbsentError, DataError
        As :func:`tercel.signals.sources.prices.read_prices`; when no name has enough days for a label, or there is
        no cross-section of two names.
    """
    source = source or DailyFactors(Path(path))
    prices = source.prices() if prices is None else prices
    closes = prices.select("instrument", "time", "close", "void")
    closes = closes if until is None else closes.filter(pl.col("time") <= until)
    labels = forward_returns(closes, horizon=horizon, lag=lag, void="void", settle=True)
    days = closes["time"].unique().sort()
    days = days.filter(days.dt.date() >= date.fromisoformat(first)).gather_every(every)
    if until is not None:
        days = pl.concat([days, pl.Series([until], dtype=days.dtype)]).unique().sort()
        open_rows = closes.select("instrument", "time").join(
            labels, on=["instrument", "time"], how="anti"
        )
        open_rows = open_rows.with_columns(
            start="time", end=pl.lit(until, days.dtype) + OPEN, void=False, settled=False
        )
        labels = pl.concat([labels, open_rows], how="diagonal_relaxed")
    days = days.filter((days + 2 * SETTLES).dt.epoch("ns") > after_ns) if after_ns else days
    labels = labels.filter(pl.col("time").is_in(days.implode()))
    # decided half an hour after the close; without a lag the label begins at that very close, which no one attains
    decided = pl.col("time") + 2 * SETTLES
    labels = labels.with_columns(time=decided, start=pl.max_horizontal(decided, "start"))
    facts = source.facts_of(prices, days)
    known = FrameSource(source.name, source.columns, facts, str(source.path))
    panel = Panel([known], max_age={source.name: timedelta(days=1)})
    # a name that is no longer traded enough has no fact of the day: out of the cross-section
    rows = panel.join(labels).drop_nulls(panel.columns[:1])
    void = rows.filter("void")
    rows = rows.filter(~pl.col("void"))
    rows = rows.with_columns(
        rank_in_section("forward").alias("y"), pl.col("forward").alias("outcome")
    )
    rows = rows.filter(pl.col("y").is_not_null() | pl.col("forward").is_null())
    if rows.is_empty():
        names = list_names(prices["instrument"].unique().sort().to_list())
        raise DataError(
            "dates on which two names or more have a fact and a label",
            f"{names} from {days.min()!s}, at most one of them on any date: a ranking needs two names or more",
            "name prices of more names, or set first, last, history or least_dollars",
        )
    delay = (
        "no lag: bought at the close that makes the signal, an upper bound"
        if lag == 0
        else f"{lag}-day lag"
    )
    settled = rows.filter("settled")
    left_names = list_names(settled["instrument"].unique().sort().to_list())
    void_note = f"{void.height:,} labels over moves that nothing adjusts are left out: the walk-forward has no such row"
    notes = [void_note] * bool(void.height)
    notes += [
        f"{settled.height:,} labels of names that leave are settled at their last close: {left_names}"
    ] * bool(left_names)
    return from_frame(rows, panel.columns, f"{delay}; {source.bias}", tuple(notes))
