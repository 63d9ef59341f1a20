"""Alternative data as sources: dated series with the lag of their publication, and satellite scenes with a manifest.

A series describes a period and is published some time after it; the lag is stated, not guessed by the program. Known
traps: search terms were chosen after the fact (Preis, Moat & Stanley 2013 picked `debt` out of 98), and regional series
(lights, vegetation) say nothing of a stock until someone says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tercel.core.errors import DataError
from tercel.core.rows import TYPED, HowToMap
from tercel.signals.features.altdata import activity, bright_spots, read_scene
from tercel.signals.sources.cells import USUAL, Called, instants, read_table, renamed, values_of
from tercel.signals.sources.port import EVERY, ROW, Noting, SourceAbsentError, checked, lagged, need_columns


@dataclass(frozen=True)
class DatedSeries(Noting):
    """Numbers with a date: search volumes, vegetation, ratings; of every instrument, or by name.

    Parameters
    ----------
    path : Path or data frame
        CSV, Parquet or JSON lines.
    date : str
        Column of the date on which the period ends, or begins when `period_days` is given; empty: by its usual name.
    series : sequence of str
        Columns to read; all that hold numbers where none is named.
    lag_days : float
        From the end of the period to its publication.
    period_days : float
        Length of the period after `date`.
    instrument : str
        Whom all rows speak of; empty: each row's symbol, or all instruments in a file without one.
    called : mapping
        What columns are called: `date`, `symbol`, to theirs.
    """

    path: Any
    date: str = ""
    series: Sequence[str] = ()
    lag_days: float = field(kw_only=True)
    period_days: float = 0.0
    instrument: str = ""
    collected: datetime | None = None
    called: Called = field(default_factory=dict)
    how: HowToMap = TYPED
    name: str = "series"

    @property
    def columns(self) -> tuple[str, ...]:
        """Each series and its change against the mean of the three values before."""
        return tuple(column for name in self._seen.get("columns", self.series) for column in (name, f"{name}_change"))

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        called = {**self.called, **({"date": self.date} if self.date else {})}
        by_name = () if self.instrument else ("symbol",)
        table = renamed(read_table(self.path, self.how), ("date",), by_name, called, USUAL)
        values, notes = values_of(table, self.series, ("date", "symbol"))
        names = [one.name for one in values]
        self._seen.update(columns=names, notes=notes)
        who = table.frame["symbol"].cast(pl.String) if "symbol" in table.frame.columns else pl.lit(EVERY)
        who = pl.lit(self.instrument) if self.instrument else who
        frame = pl.DataFrame([table.frame[ROW], instants(table, "date").alias("date"), *values])
        before = {name: pl.col(name).shift(1).rolling_mean(3).over("instrument") for name in names}
        ended = pl.col("date") + lagged(self.period_days)
        timed = frame.with_columns(who.alias("instrument")).sort("date", maintain_order=True).with_columns(
            *(pl.col(name).sub(mean).alias(f"{name}_change") for name, mean in before.items()),
            event_time=ended, known_time=ended + lagged(self.lag_days),
        )  # fmt: skip
        return checked(timed, self.columns, table.where, self.collected)


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
        table = read_table(self.manifest)
        need_columns(table.frame, ("file", "instrument", "taken", "published"), self.manifest)
        frame, measured = table.frame, []
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
        ).with_columns(event_time=instants(table, "taken"), known_time=instants(table, "published"))
        return checked(timed, self.columns, str(self.manifest), self.collected)


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
