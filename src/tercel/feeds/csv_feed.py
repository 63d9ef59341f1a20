"""Tick files of any columns, described by a map (`csv_map`), as a feed: which files, which symbols, which days.

A row of quotes and the part of a map that reads it (`maps/lean-quotes.toml`)::

    14400054,0,0,1836300,100,Q,1,0            [[file]]
                                              name = '(?P<date>\\d{8})_(?P<symbol>[A-Za-z0-9.]+)_Quote_Tick\\.csv'
                                              columns = ["ms", "bid", "bid_size", "ask", "ask_size", "exchange", ...]
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from tercel.core.errors import FeedError
from tercel.feeds.csv_columns import NS, strip_text
from tercel.feeds.csv_day import CsvDay
from tercel.feeds.csv_map import CsvMap, FileMap, RowsMap, load_map
from tercel.feeds.csv_read import read_text
from tercel.feeds.members import Member, members
from tercel.market.feed import FeedOptions


class CsvFeed:
    """Feed of tick files that a column map describes (:class:`tercel.market.feed.Feed`).

    Parameters
    ----------
    map : CsvMap or str
        The map, its shipped name, or its file.

    >>> with CsvFeed("lean").days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "csv"

    def __init__(self, map: CsvMap | str) -> None:
        self.map = map if isinstance(map, CsvMap) else load_map(map)

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[CsvDay]]:
        """Context with the days in files that the map describes, one for each symbol and date; they are translated when read.

        A file whose name does not say its symbol or day is looked through for them.
        """
        with members(paths) as files:
            groups: dict[tuple[str, str, str], list[tuple[Member, FileMap]]] = {}
            unmatched: list[Member] = []
            for member in files:
                named = self._file_of(member)
                if named is None:
                    unmatched.append(member)
                    continue
                file, symbol, date, venue = named
                if self.map.instrument.begins_s and not file.trading_day:
                    date = None  # a calendar day's file holds two trading days
                for key in self._keys(member, file, options.symbol or symbol, options.date or date):
                    groups.setdefault((*key, venue), []).append((member, file))
            if paths and not groups:
                patterns = " or ".join(f.name or "any name" for f in self.map.file)
                raise FeedError(
                    f"files named as the map says ({patterns})",
                    ", ".join(m.name for m in unmatched[:3]),
                    "check the path and the map's `name`",
                )
            yield [self._make_day(key, parts, options) for key, parts in sorted(groups.items())]

    def _make_day(
        self, key: tuple[str, str, str], parts: list[tuple[Member, FileMap]], options: FeedOptions
    ) -> CsvDay:
        """One day from its files; FeedError if two files of one kind claim it."""
        symbol, date, venue = key
        for file in self.map.file:
            duplicates = [m.location for m, f in parts if f is file]
            dated = file.trading_day or not self.map.instrument.begins_s
            if len(duplicates) > 1 and file.name and dated:
                raise FeedError(
                    f"one file of each kind for {symbol} on {date}",
                    " and ".join(duplicates[:3]),
                    "import one of them",
                )
        for roles in (("quote", "level", "order"), ("trade",)):
            rivals = {id(f): m.location for m, f in parts if f.name and set(f.roles) & set(roles)}
            if len(rivals) > 1:
                raise FeedError(
                    f"one file of {' or '.join(roles)} rows for {symbol} on {date}",
                    " and ".join(rivals.values()),
                    "import one of them",
                )
        return CsvDay(symbol, date, tuple(parts), self.map, options.tick, venue)

    def _file_of(self, member: Member) -> tuple[FileMap, str | None, str | None, str] | None:
        """Map of a file by its name, with the symbol, ISO date and venue that the name states, if any; None if no map fits,
        FeedError for a date in another form."""
        for file in self.map.file:
            if not file.name:
                return file, None, None, ""
            match = re.fullmatch(file.name, member.name)
            if match is None:
                continue
            groups = match.groupdict()
            date = groups.get("date")
            if date is not None:
                try:
                    moment = (
                        datetime.strptime(date, file.date_format)
                        if file.date_format
                        else datetime.fromisoformat(date)
                    )
                    date = moment.date().isoformat()
                except ValueError as error:
                    raise FeedError(
                        f"a date as {file.date_format or '20240131 or 2024-01-31'}",
                        f"{date!r} in the name of {member.location}",
                        "rename the file, or correct the map: `date_format`",
                    ) from error
            return file, groups.get("symbol"), date, (groups.get("venue") or "").upper()
        return None

    def _keys(
        self, member: Member, file: FileMap, symbol: str | None, date: str | None
    ) -> list[tuple[str, str]]:
        """(symbol, date) pairs in a file: those given, else of its rows; FeedError if nothing names the symbol."""
        if symbol is not None and date is not None:
            return [(self._apply_case(symbol), date)]
        if symbol is None and not file.symbol:
            raise FeedError(
                "to know the symbol",
                member.location,
                "give `symbol=`, or `symbol` (a column) in the map, or a group `symbol` in its name of files",
            )
        zone = self.map.instrument.timezone
        kinds = dict.fromkeys(file.roles) | {"rows": RowsMap(), "sequence": ""}
        text = read_text(member, file.model_copy(update=kinds), self.map.instrument, date, None)
        if text.frame.height == 0:
            raise FeedError(
                "a row", f"none in {member.location}", "download it again, or leave it out"
            )
        local = (
            pl.from_epoch(NS, "ns")
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone(zone)
            .dt.replace_time_zone(None)
        )
        local = local.dt.offset_by(f"{-self.map.instrument.begins_s}s")
        named = pl.lit(symbol) if symbol is not None else strip_text(file.symbol)
        day = pl.lit(date) if date is not None else local.dt.strftime("%Y-%m-%d")
        pairs = (
            text.frame.select(symbol=named, day=day)
            .unique()
            .filter(pl.col("symbol") != "")
            .sort("symbol", "day")
        )
        return [(self._apply_case(name), day_of_rows) for name, day_of_rows in pairs.rows()]

    def _apply_case(self, symbol: str) -> str:
        """A symbol in capitals where the map wants that."""
        return symbol.upper() if self.map.instrument.uppercase else symbol
