"""Daily prices and volumes as a source of factors, and the weekly cross-sections that models are judged on.

The panel of 2000-2017 holds survivors alone: companies that were delisted are not in it. Levels of return are
flattered, above all those of buying losers; :data:`SURVIVORS` says so beside every number.

What its prices show of the state of the market is the same for every instrument, so food for a gate alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl

from tercel.core.errors import DataError
from tercel.signals.features.factors import factors, guarded
from tercel.signals.labels import forward_returns, ranked
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.panel import Panel, from_frame
from tercel.signals.sources.port import EVERY, ROW, FrameSource, at_new_york, checked, file_in, read_parquet

SURVIVORS = (
    "survivors only: names delisted by the day of collection are missing, so levels of return are flattered, "
    "above all on the long side and for buying losers; read differences, not levels"
)
FACTORS = (
    "ret_1", "ret_5", "ret_21", "mom_3_1", "mom_6_1", "mom_12_1", "adj_ret_5", "vol_20", "vol_60", "vol_ratio",
    "skew_60", "max_21", "beta_252", "idio_60", "dollar_volume", "volume_ratio", "illiquidity", "range_21",
    "close_in_range", "high_252", "overnight_21", "intraday_21",
)  # fmt: skip
NEEDED = ("ticker", "date", "open", "high", "low", "close", "volume")
SETTLES = timedelta(minutes=15)
"""From the close to the moment when its print can be relied on."""


@dataclass(frozen=True)
class DailyFactors:
    """Factors of each stock and day, ranked within the day's cross-section to [-0.5, 0.5].

    Parameters
    ----------
    path : Path
        Parquet with `ticker`, `date`, `open`, `high`, `low`, `close`, `volume`; or a folder with `panel.parquet`.
    collected : datetime, optional
        Day of collection; later rows are refused.
    without : sequence of str
        Tickers left out (funds).
    history : int
        Days that a name must have behind it.
    least_dollars : float
        Least median of dollar volume over 60 days.
    """

    bias: ClassVar[str] = SURVIVORS
    """Caveat for every number of a panel of these prices."""

    path: Path
    collected: datetime | None = None
    without: Sequence[str] = ("QQQ",)
    history: int = 252
    least_dollars: float = 1e6
    name: str = "daily"
    columns: tuple[str, ...] = FACTORS

    def prices(self) -> pl.DataFrame:
        """`instrument`, `time` (the close, UTC), prices, volume and what :func:`guarded` adds; and `listed`."""
        return universe(guarded(read_daily(self.path, self.without)), self.history, self.least_dollars)

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        return self.facts_of(self.prices())

    def facts_of(self, prices: pl.DataFrame, days: pl.Series | None = None) -> pl.DataFrame:
        """Facts from prices already read by :meth:`prices`, of all days or some (closes)."""
        chosen = factors()
        frame = prices.with_columns(chosen[name] for name in self.columns).filter(pl.col("listed"))
        if days is not None:
            frame = frame.filter(pl.col("time").is_in(days.implode()))
        # the median of a cross-section where a factor is missing: a rank of 0
        frame = frame.with_columns(ranked(name).fill_null(0.0).fill_nan(0.0) for name in self.columns)
        timed = frame.rename({"time": "event_time"}).with_columns(known_time=pl.col("event_time") + SETTLES)
        kept = timed.select("instrument", "event_time", "known_time", ROW, *self.columns)
        return checked(kept, self.columns, str(self.path), self.collected)


def read_daily(path: Path, without: Sequence[str] = ()) -> pl.DataFrame:
    """Daily rows as `instrument`, `time`, prices, volume, `row`.

    Raises
    ------
    SourceAbsentError
        When there is no such file.
    DataError
        When columns are missing, or a name has two rows on a day.
    """
    file = file_in(path, "panel.parquet", "daily prices")
    read = read_parquet(file, NEEDED)
    frame = read.with_columns(pl.col("ticker").cast(pl.String), pl.col("date").cast(pl.Date))
    twice = frame.filter(pl.struct("ticker", "date").is_duplicated())
    if not twice.is_empty():
        first = twice.row(0, named=True)
        raise DataError(
            "one row a name and day",
            f"two of {first['ticker']} on {first['date']} in {file}, row {first[ROW]}",
            "drop one",
        )
    frame = frame.filter(~pl.col("ticker").is_in(list(without)))
    return frame.select(
        pl.col("ticker").alias("instrument"), at_new_york(pl.col("date"), 16).alias("time"),
        "date", "open", "high", "low", "close", "volume", ROW,
    )  # fmt: skip


def universe(prices: pl.DataFrame, history: int, least_dollars: float) -> pl.DataFrame:
    """Add `listed`: enough history behind it and enough traded, both known on the day."""
    days = pl.int_range(pl.len()).over("instrument")
    traded = pl.col("dollar").rolling_median(60, min_samples=40).over("instrument")
    return prices.with_columns(listed=((days >= history) & (traded > least_dollars)).fill_null(False))


def daily_panel(
    path: Path, *, horizon: int = 5, lag: int = 1, every: int = 5, first: str = "2001-01-01",
    source: DailyFactors | None = None, prices: pl.DataFrame | None = None,
) -> Dataset:  # fmt: skip
    """Cross-sections every `every` days: factors known after the close of t, held from the close of t + lag.

    `y` is the rank of the forward return of `horizon` days within its cross-section, [-0.5, 0.5]; `outcome` the return.
    Labels whose interval holds a move above one half are left out. `prices` are those of :meth:`DailyFactors.prices`,
    where they are in memory already.

    Raises
    ------
    SourceAbsentError, DataError
        As :func:`read_daily`; and when no name has enough days for a label.
    """
    source = source or DailyFactors(Path(path))
    prices = source.prices() if prices is None else prices
    labels = forward_returns(
        prices.select("instrument", "time", "close", "void"), horizon=horizon, lag=lag, void="void"
    )
    days = prices["time"].unique().sort()
    started = days.filter(days >= datetime.fromisoformat(first + "T00:00:00+00:00"))
    days = started.gather_every(every)
    labels = labels.filter(pl.col("time").is_in(days.implode()))
    # decided half an hour after the close; without a lag the label begins at that very close, which no one attains
    decided = pl.col("time") + 2 * SETTLES
    labels = labels.with_columns(time=decided, start=pl.max_horizontal(decided, "start"))
    known = FrameSource(source.name, source.columns, source.facts_of(prices, days), str(source.path))
    panel = Panel([known], max_age={source.name: timedelta(days=1)})
    # a name that is no longer traded enough has no fact of the day: out of the cross-section
    rows = panel.join(labels).drop_nulls(panel.columns[:1])
    rows = rows.with_columns(ranked("forward").alias("y"), pl.col("forward").alias("outcome")).drop_nulls("y")
    delay = "no lag: bought at the close that makes the signal, an upper bound" if lag == 0 else f"{lag}-day lag"
    return from_frame(rows, panel.columns, f"{delay}; {source.bias}")


LARGEST_MOVE = 0.5
MONTH, WEEK = 20, 5


@dataclass(frozen=True)
class MarketState:
    """Volatility of the mean return over 20 bars, and its sum over 5, of all instruments with a price.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time` (the end of each bar), `close`.
    delay : timedelta
        From the end of a bar to the moment when its prices can be relied on.
    """

    prices: pl.DataFrame
    delay: timedelta = timedelta(0)
    name: str = "market"
    columns: tuple[str, ...] = ("vol_20", "ret_5")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        import numpy as np

        close = pl.col("close")
        moves = self.prices.sort("instrument", "time").with_columns(
            move=(close / close.shift(1)).log().over("instrument")
        )
        # a move this large is a split or a bad print far more often than news
        kept = moves.filter(pl.col("move").abs() <= LARGEST_MOVE)
        times = kept["time"].unique().sort()
        at = times.search_sorted(kept["time"]).to_numpy()
        # summed in one order, so that the same prices give the same bits
        mean = np.bincount(at, kept["move"].to_numpy()) / np.bincount(at)
        state = pl.DataFrame({"time": times, "move": mean}).select(
            pl.lit(EVERY).alias("instrument"), event_time="time", known_time=pl.col("time") + self.delay,
            vol_20=pl.col("move").rolling_std(MONTH, min_samples=MONTH // 2),
            ret_5=pl.col("move").rolling_sum(WEEK),
        )  # fmt: skip
        return checked(state.drop_nulls(), self.columns, "the panel's prices")
