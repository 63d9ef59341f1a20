"""Alternative data as sources: dated series with the lag of their publication, and satellite scenes with a manifest.

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
from tercel.signals.features.altdata import activity, bright_spots, read_scene
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
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        frame = read_table(self.path, (self.date, *self.series))
        ended = _utc(pl.col(self.date)) + lagged(self.period_days)
        before = {name: pl.col(name).cast(pl.Float64).shift(1).rolling_mean(3) for name in self.series}
        changes = {f"{name}_change": pl.col(name).cast(pl.Float64) - mean for name, mean in before.items()}
        timed = frame.sort(self.date).with_columns(**changes).with_columns(
            instrument=pl.lit(self.instrument), event_time=ended, known_time=ended + lagged(self.lag_days)
        )  # fmt: skip
        return checked(timed, self.columns, str(self.path), self.collected)


@dataclass(frozen=True)
class NighttimeLights:
    """Monthly light of districts (VIIRS means), 2019 and 2020: level, and change against the same month a year before.

    Parameters
    ----------
    path : Path
        `pc11_light_av.csv`: a row a district, twelve columns of 2019, then twelve of 2020.
    lag_days : float
        From the end of the month to the publication of its composite.
    """

    path: Path
    lag_days: float = 30.0
    collected: datetime | None = None
    name: str = "lights"
    columns: tuple[str, ...] = ("light", "change_of_year")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        rows = _lines(self.path)
        if len(rows) < 2 or len(rows[0]) != 29 or rows[0][:2] != ["DISTRICT", "ST_NM"]:
            raise DataError(
                "district, state, three codes and 24 months",
                f"{len(rows[0]) if rows else 0} columns in {self.path}",
                "check the file",
            )
        found = []
        for at, row in enumerate(rows[1:], start=2):
            try:
                months = [float(value) if value else float("nan") for value in row[5:29]]
            except ValueError as error:
                raise DataError("24 numbers", f"{error} in {self.path}, row {at}", "mend the row") from error
            for m, light in enumerate(months):
                year = light - months[m - 12] if m >= 12 else float("nan")
                found.append((f"{row[1]}/{row[0]}", datetime(2019 + m // 12, m % 12 + 1, 1), light, year, at))
        frame = pl.DataFrame(found, schema=["instrument", "month", *self.columns, ROW], orient="row")
        ended = pl.col("month").dt.offset_by("1mo").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
        timed = frame.with_columns(event_time=ended, known_time=ended + lagged(self.lag_days))
        lit = timed.with_columns(pl.col(name).fill_nan(None) for name in self.columns).drop_nulls("light")
        return checked(lit, self.columns, str(self.path), self.collected)


@dataclass(frozen=True)
class Scenes:
    """Satellite scenes listed in a manifest CSV: `file`, `instrument`, `taken`, `published` (ISO times, UTC).

    A scene without both times is refused: its picture may be of any day.
    """

    manifest: Path
    collected: datetime | None = None
    name: str = "scenes"
    columns: tuple[str, ...] = ("activity", "bright_spots")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        frame = read_table(self.manifest, ("file", "instrument", "taken", "published"))
        measured = []
        for row in frame.iter_rows(named=True):
            if not row["taken"] or not row["published"]:
                received = f"{row['file']} without one in {self.manifest}, row {row[ROW]}"
                raise DataError(
                    "the times at which a scene was taken and published", received, "date the scene or leave it out"
                )
            scene = read_scene(self.manifest.parent / str(row["file"]))
            measured.append((activity(scene), bright_spots(scene)))
        timed = frame.with_columns(
            pl.Series(name, [values[at] for values in measured], pl.Float64) for at, name in enumerate(self.columns)
        ).with_columns(event_time=_utc(pl.col("taken")), known_time=_utc(pl.col("published")))
        return checked(timed, self.columns, str(self.manifest), self.collected)


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


def _lines(path: Path) -> list[list[str]]:
    import csv

    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except OSError as error:
        raise SourceAbsentError("a CSV file", f"{error.strerror} at {path}", "check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(
            "a CSV in UTF-8", f"{error.reason} at byte {error.start} of {path}", "convert the file"
        ) from error


def _utc(column: pl.Expr) -> pl.Expr:
    """Dates and times, with or without a zone, or text, as nanoseconds UTC; null where there is none."""
    text = column.cast(pl.String).str.replace("Z$", "").str.replace(r"\+00:?00$", "")
    return text.str.to_datetime(time_unit="ns", strict=False).dt.replace_time_zone("UTC").cast(time_type())
