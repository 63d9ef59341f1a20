"""Reports of companies as a source: known from the day after they were collected, never from the end of their period.

The median report is collected 39 days after its period ends. A set that does not say when its reports came out is not
point in time: it is refused unless a person states the lag to assume.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tercel.core.errors import DataError
from tercel.signals.features.fundamentals import NEEDED, RATIOS, ratios
from tercel.signals.sources.port import ROW, at_new_york, checked, file_in, lagged, need_columns, read_parquet


@dataclass(frozen=True)
class Fundamentals:
    """Ratios of each report, from a Parquet file with a column `collected`.

    Parameters
    ----------
    path : Path
        The file, or a folder with `reports.parquet`.
    collected : datetime, optional
        Day on which the set itself was collected; reports dated later are refused.
    drop_impossible : bool
        Leave out reports collected before their period was over, instead of refusing the set; `dropped` counts them.
    """

    path: Path
    collected: datetime | None = None
    drop_impossible: bool = False
    name: str = "fundamentals"
    columns: tuple[str, ...] = RATIOS

    def reports(self) -> pl.DataFrame:
        """Rows of the file with `row`, by symbol and period."""
        remedy = "a set without the day of collection is not point in time: use Statements and state its lag"
        frame = read_parquet(file_in(self.path, "reports.parquet", "reports"), NEEDED, remedy)
        return frame.sort("symbol", "end_date", "collected")

    def dropped(self) -> int:
        """Number of reports that were collected before their period was over."""
        return self.reports().filter(pl.col("collected") < pl.col("end_date")).height

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        frame = self.reports()
        if self.drop_impossible:
            frame = frame.filter(pl.col("collected") >= pl.col("end_date"))
        frame = frame.with_columns(ratios().values())
        timed = frame.select(
            pl.col("symbol").alias("instrument"),
            at_new_york(pl.col("end_date"), 0).alias("event_time"),
            # a date without an hour: whoever trades on that day may not have had it
            at_new_york(pl.col("collected") + pl.duration(days=1), 0).alias("known_time"),
            ROW, *self.columns,
        )  # fmt: skip
        impossible = frame.filter(pl.col("collected") < pl.col("end_date"))
        if not impossible.is_empty():
            first = impossible.row(0, named=True)
            what = f"{first['symbol']}, period to {first['end_date']}, collected {first['collected']}"
            received = f"{what}, in {self.path}, row {first[ROW]}"
            others = f", and {impossible.height - 1} more" if impossible.height > 1 else ""
            raise DataError(
                "reports collected after their period",
                received + others,
                "drop them (drop_impossible) or mend the dates",
            )
        return checked(timed, self.columns, str(self.path), self.collected)


@dataclass(frozen=True)
class Statements:
    """Annual statements from a CSV without filing dates: usable only with a stated lag.

    Parameters
    ----------
    path : Path
        CSV with `Ticker Symbol`, `Period Ending` (month/day/year) and the items of `items`.
    lag_days : float or None
        Days from the end of the period to the day from which the statements may be used. None refuses the set.
    """

    path: Path
    lag_days: float | None = None
    collected: datetime | None = None
    name: str = "statements"
    columns: tuple[str, ...] = ("return_on_assets", "equity_to_assets")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        if self.lag_days is None:
            remedy = "state the lag to assume (lag_days, say 120), or use a set with the day of collection"
            raise DataError(
                "statements with the day on which they were known", f"only period ends in {self.path}", remedy
            )
        file = file_in(self.path, "fundamentals.csv", "statements")
        items = ("Ticker Symbol", "Period Ending", "Net Income", "Total Assets", "Total Equity")
        frame = pl.read_csv(file, infer_schema_length=None)
        need_columns(frame, items, file)
        frame = frame.select(items).with_row_index(ROW, offset=2)
        ended = at_new_york(pl.col("Period Ending").str.to_date("%m/%d/%Y", strict=False), 0)
        assets = pl.when(pl.col("Total Assets") > 0).then(pl.col("Total Assets").cast(pl.Float64))
        timed = frame.select(
            pl.col("Ticker Symbol").alias("instrument"), ended.alias("event_time"),
            (ended + lagged(self.lag_days)).alias("known_time"), ROW,
            (pl.col("Net Income") / assets).alias("return_on_assets"),
            (pl.col("Total Equity") / assets).alias("equity_to_assets"),
        )  # fmt: skip
        return checked(timed, self.columns, str(file), self.collected)
