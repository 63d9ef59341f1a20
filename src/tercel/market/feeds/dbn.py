"""Databento order-by-order data (schema mbo): which files, which instruments, which days.

Files are DBN (``.dbn``, ``.dbn.zst``, any number of zstd frames) or CSV. A day is a day of UTC of one instrument; files
that continue one another are joined in order of time. A file of the schema `definition` beside them gives ticks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError, UnknownNameError
from tercel.market.feeds import dbn_kernels as k
from tercel.market.feeds.dbn_day import DbnDay, flags_of
from tercel.market.feeds.dbn_records import (
    Records,
    dbn_library,
    is_csv,
    metadata_of,
    read_csv_records,
    read_dbn_records,
    schema_of,
)
from tercel.market.feeds.members import Member, members
from tercel.market.feeds.port import FeedOptions

NS_A_DAY: Final = 86_400 * 10**9


class DbnFeed:
    """Databento MBO files as a :class:`tercel.market.feeds.port.Feed`.

    Examples
    --------
    >>> feed = DbnFeed()
    >>> with feed.days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "dbn"

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[DbnDay]]:
        """See :meth:`tercel.market.feeds.port.Feed.days`; the files are decoded here, as only they know their days."""
        with members(paths) as found:
            ticks: dict[int, float] = {}
            files: list[tuple[Member, Records]] = []
            for member in found:
                if is_csv(member):
                    files.append((member, read_csv_records(member)))
                    continue
                data = member.content()
                metadata, start = metadata_of(data, member.where)
                if schema_of(metadata) == "definition":
                    ticks |= definition_ticks(data)
                else:
                    files.append((member, read_dbn_records(data, metadata, start, member.where)))
            if paths and not any(len(records.words) for _, records in files):
                names = ", ".join(m.name for m in found[:3])
                raise FeedError("files with order-by-order records", names, "give files of the schema mbo")
            yield days_of(files, options, ticks)


def definition_ticks(data: bytes) -> dict[int, float]:
    """Ticks of the instruments of a definition file, by instrument id."""
    library = dbn_library()
    decoder = library.DBNDecoder()
    decoder.write(data)
    found: dict[int, float] = {}
    for record in decoder.decode():
        increment = getattr(record, "min_price_increment", None)
        if increment is not None and 0 < increment < k.NO_PRICE:
            found[record.instrument_id] = increment / 10**9
    return found


def days_of(files: Sequence[tuple[Member, Records]], options: FeedOptions, ticks: dict[int, float]) -> list[DbnDay]:
    """One day for each instrument and day of UTC in the files, sorted."""
    groups: dict[tuple[str, str, int, str], list[tuple[k.Words, str, int]]] = {}
    for member, records in files:
        for instrument, day, words in _parts(records):
            key = (records.symbol(instrument, day), day, instrument, records.venue)
            groups.setdefault(key, []).append((words, member.name, records.others))
    chosen = {key: parts for key, parts in groups.items() if _wanted(key, options)}
    if groups and not chosen:
        known = sorted({key[0] for key in groups})
        received = f"--symbol {options.symbol}, --date {options.date}"
        remedy = f"give one of {', '.join(known[:8])}" if options.symbol else "give a day of the files"
        raise UnknownNameError("an instrument and a day of the files", received, remedy)
    names = {(symbol, day) for symbol, day, _, _ in chosen}
    if len(names) < len(chosen):
        raise FeedError("one instrument under each symbol", "two of one name", "import the files one at a time")
    return [_day(key, parts, options, ticks) for key, parts in sorted(chosen.items())]


def _parts(records: Records) -> Iterator[tuple[int, str, k.Words]]:
    """Records of each instrument and day: (instrument id, date, words)."""
    words = records.words
    heads = words[:, k.HEAD] >> 16
    stamps = np.where(flags_of(words) & k.SNAPSHOT, words[:, k.TS_RECV], words[:, k.TS_EVENT])
    instruments = (heads >> 16) & k.NO_SIZE
    numbers = _values(instruments)
    for number in numbers:
        mine = slice(None) if len(numbers) == 1 else instruments == number
        publishers = _values(heads[mine] & 0xFFFF)
        if len(publishers) > 1:
            received = f"publishers {publishers} for instrument {number} in {records.where}"
            raise FeedError("one publisher for an instrument", received, "download the venues one by one")
        own, stamp = words[mine], stamps[mine]
        first, last = int(stamp.min()) // NS_A_DAY, int(stamp.max()) // NS_A_DAY
        if first == last:
            yield number, str(np.datetime64(first, "D")), own
            continue
        days = stamp // NS_A_DAY
        for day in _values(days):
            yield number, str(np.datetime64(day, "D")), own[days == day]


def _values(column: NDArray[np.int64]) -> list[int]:
    """The different values of a column, sorted; fast where there is one."""
    if len(column) == 0:
        return []
    if bool((column == column[0]).all()):
        return [int(column[0])]
    return [int(value) for value in np.unique(column)]


def _wanted(key: tuple[str, str, int, str], options: FeedOptions) -> bool:
    symbol, day, instrument, _ = key
    return options.symbol in (None, symbol, str(instrument)) and options.date in (None, day)


def _day(
    key: tuple[str, str, int, str],
    parts: Sequence[tuple[k.Words, str, int]],
    options: FeedOptions,
    ticks: dict[int, float],
) -> DbnDay:
    symbol, day, instrument, venue = key
    ordered = sorted(parts, key=lambda part: int(part[0][0, k.TS_RECV]))
    words = ordered[0][0] if len(ordered) == 1 else np.concatenate([part[0] for part in ordered])
    tick, rule = (options.tick, "stated") if options.tick is not None else (ticks.get(instrument), "definition")
    source = tuple(dict.fromkeys(part[1] for part in ordered))
    return DbnDay(venue, symbol, day, source, words, tick, rule, sum(part[2] for part in ordered))
