"""Alternative data as a source: dated series with the lag of their publication.

A series describes a period and is published some time after it; the lag is stated, not guessed by the program. Known
traps: search terms were chosen after the fact (Preis, Moat & Stanley 2013 picked `debt` out of 98), and regional series
(lights, vegetation) say nothing of a stock until someone says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tercel.core.errors import DataError
from tercel.signals.sources.port import EVERY, ROW, SourceAbsentError, checked, lagged, need_columns, time_type


@dataclass(frozen=True)
class DatedSeries:
    """Columns of a CSV with a date: search volumes, vegetation, anything that holds for every instrument.

    Parameters
    ----------
    path : Path
    date : str
        Column of the date on which the period ends, or begins when `period_days` is given.
    series : sequence of str
        Columns to read.
    lag_days : float
        From the end of the period to its publication.
    period_days : float
        Length of the period after `date`.
    instrument : str
        All of them by default.
    """

    path: Path
    date: str
    series: tuple[str, ...]
    lag_days: float
    period_days: float = 0.0
    instrument: str = EVERY
    collected: datetime | None = None
    name: str = "series"

    @property
    def columns(self) -> tuple[str, ...]:
        """Each series and its change against the mean of the three values before."""
        return tuple(column for name in self.series for column in (name, f"{name}_change"))

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.Source.facts`."""
        frame = read_table(self.path, (self.date, *self.series))
        ended = utc(pl.col(self.date)) + lagged(self.period_days)
        before = {name: pl.col(name).cast(pl.Float64).shift(1).rolling_mean(3) for name in self.series}
        changes = {f"{name}_change": pl.col(name).cast(pl.Float64) - mean for name, mean in before.items()}
        timed = frame.sort(self.date).with_columns(**changes).with_columns(
            instrument=pl.lit(self.instrument), event_time=ended, known_time=ended + lagged(self.lag_days)
        )  # fmt: skip
        return checked(timed, self.columns, str(self.path), self.collected)


def read_table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """A CSV's columns with `row`, the line of the file; dates parsed.

    Raises
    ------
    SourceAbsentError
        When the file is not there.
    DataError
        When it is no UTF-8 CSV or lacks a column.
    """
    if not path.is_file():
        raise SourceAbsentError("a CSV file", f"nothing at {path}", "check the path")
    try:
        frame = pl.read_csv(path, try_parse_dates=True)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            "a CSV in UTF-8", f"{str(error).splitlines()[0]} in {path}", "check the file and its encoding"
        ) from error
    need_columns(frame, columns, path)
    return frame.select(columns).with_row_index(ROW, offset=2)


def utc(column: pl.Expr) -> pl.Expr:
    """Dates and times, with or without a zone, or text, as nanoseconds UTC; null where there is none."""
    text = column.cast(pl.String).str.replace("Z$", "").str.replace(r"\+00:?00$", "")
    return text.str.to_datetime(time_unit="ns", strict=False).dt.replace_time_zone("UTC").cast(time_type())
