"""Alternative data as sources: dated series with the lag of their publication, and satellite scenes with a manifest.

A series describes a period and is published some time after it; the lag is stated, not guessed by the program. Known
traps: search terms were chosen after the fact (Preis, Moat & Stanley 2013 picked `debt` out of 98), and regional series
(lights, vegetation) say nothing of a stock until someone says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import polars as pl

from tercel.core.errors import DataError
from tercel.core.tables.numbers import numbers
from tercel.core.tables.table import ROW, Table
from tercel.signals.features.altdata import activity, bright_spots, read_scene
from tercel.signals.sources.cells import TableSource, differing, instants, values_of
from tercel.signals.sources.port import EVERY, Days, SourceAbsentError, checked, lagged, time_type


@dataclass(frozen=True)
class DatedSeries(TableSource):
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

    date: str = ""
    series: Sequence[str] = ()
    lag_days: Days = field(kw_only=True)
    period_days: Days = 0.0
    instrument: str = ""
    name: str = "series"

    @property
    def columns(self) -> tuple[str, ...]:
        """Each series and its change against the mean of the three values before."""
        return tuple(column for name in self._seen.get("columns", self.series) for column in (name, f"{name}_change"))

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        called = replace(self, called={**self.called, "date": self.date}) if self.date else self
        table = called.table(("date",), () if self.instrument else ("symbol",))
        values, notes = values_of(table, self.wanted[::2] or self.series, ("date", "symbol"))
        names = [one.name for one in values]
        who = table.frame["symbol"].cast(pl.String) if "symbol" in table.frame.columns else pl.lit(EVERY)
        who = pl.lit(self.instrument) if self.instrument else who
        frame = pl.DataFrame([table.frame[ROW], instants(table, "date").alias("date"), *values])
        before = {name: pl.col(name).shift(1).rolling_mean(3).over("instrument") for name in names}
        ended = pl.col("date") + lagged(self.period_days)
        timed = frame.with_columns(who.alias("instrument")).sort("date", maintain_order=True).with_columns(
            *(pl.col(name).sub(mean).alias(f"{name}_change") for name, mean in before.items()),
            event_time=ended, known_time=ended + lagged(self.lag_days),
        )  # fmt: skip
        self._seen.update(columns=names, notes=[*table.notes, *notes, *differing(timed, names, table.where)])
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
    lag_days: Days = 30.0
    collected: datetime | None = None
    name: str = "lights"
    columns: tuple[str, ...] = ("light", "change_of_year")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        try:
            read = pl.read_csv(self.path, infer_schema=False)
        except OSError as error:
            raise SourceAbsentError("a CSV file", f"{error.strerror} at {self.path}", "check the path") from error
        except pl.exceptions.PolarsError as error:
            raise DataError("a CSV in UTF-8", f"{error} in {self.path}", "convert the file") from error
        if read.width != 29 or read.columns[:2] != ["DISTRICT", "ST_NM"]:
            received = f"{read.width} columns in {self.path}"
            raise DataError("district, state, three codes and 24 months", received, "check the file")
        table = Table(read.with_row_index(ROW, 2), str(self.path))
        who = read.select(instrument=pl.format("{}/{}", "ST_NM", "DISTRICT"))["instrument"]
        light = [numbers(table, name).alias("light") for name in read.columns[5:]]
        year = [now - light[m - 12] if m >= 12 else now * None for m, now in enumerate(light)]
        ended = [datetime(2019 + m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in range(1, len(light) + 1)]
        frame = pl.concat(
            pl.DataFrame([table.frame[ROW], who, now, change.alias("change_of_year")]).with_columns(
                event_time=pl.lit(end, time_type()), known_time=pl.lit(end + lagged(self.lag_days), time_type())
            )
            for now, change, end in zip(light, year, ended, strict=True)
        )
        return checked(frame.drop_nulls("light"), self.columns, str(self.path), self.collected)


@dataclass(frozen=True)
class Scenes(TableSource):
    """Satellite scenes listed in a manifest: the file of each, whom it shows, when it was taken and published (UTC).

    A scene without both times is refused: its picture may be of any day.

    Parameters
    ----------
    path : Path
        CSV, Parquet or JSON lines; pictures are named as seen from its folder.
    called : mapping
        What columns are called: `file`, `symbol`, `taken`, `published`, to theirs.
    """

    name: str = "scenes"
    usual: ClassVar[tuple[str, ...]] = ("activity", "bright_spots")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        table = self.table(("file", "symbol", "taken", "published"))
        measured = dict[str, tuple[float, float]]()
        for row in table.frame.iter_rows(named=True):
            if not row["taken"] or not row["published"]:
                received = f"{row['file']} without one in {self.path}, row {row[ROW]}"
                expected = "the times at which a scene was taken and published"
                raise DataError(expected, received, "date the scene or leave it out")
            if (file := str(row["file"])) not in measured:  # one scene may show several names
                scene = read_scene(self.path.parent / file)
                measured[file] = activity(scene), bright_spots(scene)
        files = [str(file) for file in table.frame["file"]]
        timed = table.frame.with_columns(
            pl.Series(name, [measured[file][at] for file in files], pl.Float64) for at, name in enumerate(self.usual)
        ).with_columns(
            pl.col("symbol").cast(pl.String).alias("instrument"), event_time=instants(table, "taken"),
            known_time=instants(table, "published"),
        )  # fmt: skip
        return checked(timed, self.columns, str(self.path), self.collected)
