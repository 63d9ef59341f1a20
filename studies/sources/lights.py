"""Night lights of districts as a source: monthly composites, known when they are published."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tercel.core.errors import DataError
from tercel.signals.sources.port import ROW, SourceAbsentError, checked, lagged


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
        """See :meth:`tercel.signals.sources.port.Source.facts`."""
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


def _lines(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except OSError as error:
        raise SourceAbsentError("a CSV file", f"{error.strerror} at {path}", "check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(
            "a CSV in UTF-8", f"{error.reason} at byte {error.start} of {path}", "convert the file"
        ) from error
