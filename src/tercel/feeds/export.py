"""Days of a lake as files of other systems, and the way back.

A format is a module with ``write(instrument, events, path)`` and ``read(path)``. Each day is read again before the files
take their place: what a format cannot carry is refused, with the first row that did not come back.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError, TapeError, TercelError, refuse_if
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, Instrument, Lake, schema
from tercel.market.tape.events import content_hash

FORMATS: Final = {
    "hftbacktest": "{}.npz",
    "lobster": "{}.json",
    "nautilus": "tape/{}.parquet",
    "parquet": "{}.parquet",
}
"""Formats, and the file of each that is read again."""
_DAMAGED: Final = (
    *(OSError, LookupError, ValueError, TypeError, EOFError),
    *(zipfile.BadZipFile, zlib.error, pl.exceptions.PolarsError, TapeError),
)
_READERS: Final = {".npz": "hftbacktest", ".json": "lobster", ".parquet": "parquet"}


def export_days(
    lake: Lake, name: str, symbol: str, dates: Sequence[str], folder: Path, venue: str | None = None
) -> list[Instrument]:
    """Write days of a symbol into a new or empty folder, all or none of them; the instruments written.

    Raises
    ------
    TapeError
        A day that the lake does not hold.
    ConfigError
        The folder is not empty; the format needs an extra that is not installed.
    FeedError
        A day that the format cannot carry.
    """
    refuse_if(
        folder.exists() and not (folder.is_dir() and not any(folder.iterdir())),
        "a new or empty folder",
        f"{folder}, which holds something",
        "name another `out=`",
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".part.{os.getpid()}.{folder.name}")
    try:
        aside.mkdir()
        for date in dict.fromkeys(dates):
            file = aside / FORMATS[name].format(f"{symbol}_{date}")
            write_day(name, *lake.check(symbol, date, venue), file)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [lake.instrument(symbol, date, venue) for date in dict.fromkeys(dates)]


def write_day(name: str, instrument: Instrument, events: Events, path: Path) -> None:
    """Write one day in a format, and read it again.

    Raises
    ------
    FeedError
        It does not come back as it was.
    """
    form = _format(name)
    form.write(instrument, events, path)
    try:
        found = form.read(path)[1]
        difference = _first_difference(events, found)
    except TercelError as error:
        difference = f"{error.received} (expected {error.expected})"
    refuse_if(
        difference,
        f"a day that {name} can carry",
        f"{instrument.symbol} {instrument.date}: {difference.replace(f'{path.parent}{os.sep}', '')}",
        "export it as parquet, which carries every day",
        FeedError,
    )


def _first_difference(events: Events, found: Events) -> str:
    """Text of the first row that did not come back; empty if all did."""
    if events.n != found.n:
        return f"{found.n:,} of {events.n:,} rows come back"
    for column, before, after in zip(
        schema.COLUMN_NAMES, events.columns(), found.columns(), strict=True
    ):
        for row in np.flatnonzero(before != after)[:1]:
            return f"{column} {before[row]} of row {row} ({schema.KIND_NAMES[events.kind[row]]}) comes back as {after[row]}"
    return ""


def _format(name: str) -> Any:
    """Module of a format."""
    return import_module(f"tercel.feeds.export_{name}")


@dataclass(frozen=True)
class ExportedDay:
    """A day that was exported, a :class:`tercel.market.feed.FeedDay`; None as `tick` takes any."""

    path: Path
    symbol: str
    date: str
    source: tuple[str, ...]
    tick: float | None = None

    def read(self) -> Imported:
        """The day as it was exported; FeedError for a damaged file, or content that was changed since.

        Raises
        ------
        FeedError
            With the file and the remedy.
        """
        try:
            instrument, events = _format(_READERS[self.path.suffix]).read(self.path)
        except _DAMAGED as error:
            raise FeedError(
                f"a day that `tercel data export` wrote in {self.path}",
                str(error)
                if self.path.is_file() and self.path.stat().st_size
                else "an empty file, or none",
                "export it again",
            ) from error
        refuse_if(
            self.tick not in (None, instrument.tick),
            f"a tick of {instrument.tick:g}, as {self.path} was exported",
            f"`tick={self.tick}`",
            "leave it out",
            FeedError,
        )
        refuse_if(
            content_hash(instrument, events) != instrument.content_hash,
            f"content {instrument.content_hash[:12]} in {self.path}, as it was exported",
            "other rows, or another meaning of them",
            "export the day again, or import changed files by their own feed",
            FeedError,
        )
        return Imported(instrument, events)


class ExportedFeed:
    """Days that Tercel exported as a :class:`tercel.market.feed.Feed`, from their files or folders of them.

    >>> with ExportedFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "exported"

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[ExportedDay]]:
        """Context with the days, by symbol and date."""
        files = {
            file
            for path in paths
            for file in (path.rglob("*_????-??-??.*") if path.is_dir() else [path])
            if file.suffix in _READERS
        }
        named = [(file, file.stem[:-11], file.stem[-10:]) for file in files]
        days = [
            ExportedDay(file, symbol, date, (file.name,), options.tick)
            for file, symbol, date in named
            if options.symbol in (None, symbol) and options.date in (None, date)
        ]
        found = len({(day.symbol, day.date) for day in days})
        refuse_if(
            paths and (not found or found < len(days)),
            "days that `tercel data export` wrote, each once: SYMBOL_DATE.npz, .json or .parquet",
            f"{found} days in {len(days)} files in {', '.join(map(str, paths[:3]))}",
            "name their folder",
            FeedError,
        )
        yield sorted(days, key=lambda day: (day.symbol, day.date))
