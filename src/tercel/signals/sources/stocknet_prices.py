"""StockNet's prices as a daily panel: 87 large names, adjusted for splits and dividends by the file's own column."""

from __future__ import annotations

import io
from dataclasses import dataclass

import polars as pl

from tercel.core.errors import DataError
from tercel.features.factors import guarded
from tercel.signals.sources.calendar import at_new_york
from tercel.signals.sources.daily import DailyFactors, universe
from tercel.signals.sources.port import ROW
from tercel.signals.sources.stocknet import price_files

LARGE = (
    "large names, chosen when the set was made, so levels of return are flattered; few names and days: "
    "differences smaller than the interval are chance"
)
NEEDED = ("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume")


@dataclass(frozen=True)
class StockNetFactors(DailyFactors):
    """Daily factors of StockNet's names."""

    name: str = "daily"

    @property
    def bias(self) -> str:
        """See :class:`DailyFactors`."""
        return LARGE

    def prices(self) -> pl.DataFrame:
        """See :meth:`DailyFactors.prices`."""
        frames = [_daily(name, data) for name, data in price_files(self.path)]
        if not frames:
            raise DataError("price files of StockNet", f"none in {self.path}", "check the set")
        return universe(guarded(pl.concat(frames)), self.history, self.least_dollars)


def _daily(name: str, data: bytes) -> pl.DataFrame:
    try:
        raw = pl.read_csv(io.BytesIO(data), try_parse_dates=True, null_values="null")
        frame = raw.select(NEEDED).with_row_index(ROW, offset=2).drop_nulls()
        date, factor = pl.col("Date").cast(pl.Date), pl.col("Adj Close").cast(pl.Float64) / pl.col("Close")
        return frame.select(
            pl.lit(name.rsplit("/", 1)[-1].removesuffix(".csv")).alias("instrument"),
            at_new_york(date, 16).alias("time"), date.alias("date"),
            *((pl.col(column) * factor).alias(column.lower()) for column in ("Open", "High", "Low", "Close")),
            pl.col("Volume").cast(pl.Int64).alias("volume"), pl.col(ROW),
        )  # fmt: skip
    except pl.exceptions.PolarsError as error:
        what = f"{str(error).splitlines()[0]} in {name}"
        raise DataError(f"a CSV with {', '.join(NEEDED)}", what, "fetch the file again") from error
