"""Databento order-by-order data (schema mbo): which files, which instruments, which days.

Files are DBN (``.dbn``, ``.dbn.zst``, any number of zstd frames) or CSV. A day is a day of UTC of one instrument; files
that continue one another are joined in order of time. A file of the schema `definition` beside them gives ticks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, UnknownNameError
from tercel.feeds import dbn_kernels as k
from tercel.feeds import dbn_records as r
from tercel.feeds.dbn_day import DbnDay, flags_of
from tercel.feeds.members import Member, members
from tercel.market.feed import FeedOptions

NS_A_DAY: Final = 86_400 * 10**9
HOLD: Final = 1 << 30
"""Bytes of decoded records kept between finding days and reading them; files beyond that are decoded once more."""


@dataclass(frozen=True)
class Part:
    """The records of one instrument and day in one file.

    Parameters
    ----------
    member : Member
        The file.
    instrument, day, symbol, venue : int, str, str, str
        What and when.
    first_ns : int
        When its first record was received.
    others : int
        Records of other kinds in the file.
    words : int64[n, 7] or None
        The records, where they are kept.
    """

    member: Member
    instrument: int
    day: str
    symbol: str
    venue: str
    first_ns: int
    others: int
    words: k.Words | None

    def load(self) -> k.Words:
        """The records, decoded again where they were not kept."""
        if self.words is not None:
            return self.words
        for instrument, day, words in split(records_of(self.member)):
            if (instrument, day) == (self.instrument, self.day):
                return words
        raise FeedError(
            "a file that stays as it is", f"{self.member.where}, which changed", "import it again"
        )


class DbnFeed:
    """Databento MBO files as a :class:`tercel.market.feed.Feed`.

    Parameters
    ----------
    hold : int
        Bytes of decoded records to keep between finding days and reading them.

    Examples
    --------
    >>> feed = DbnFeed()
    >>> with feed.days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "dbn"

    def __init__(self, hold: int = HOLD) -> None:
        self._hold = hold

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[DbnDay]]:
        """See :meth:`tercel.market.feed.Feed.days`; the files are decoded here, as only they know their days."""
        with members(paths) as found:
            ticks: dict[int, float] = {}
            parts: list[Part] = []
            kept = 0
            for member in found:
                records = records_of(member, ticks)
                for instrument, day, words in split(records):
                    kept += words.nbytes
                    symbol, first = records.symbol(instrument, day), int(words[0, k.TS_RECV])
                    keep = words if kept <= self._hold else None
                    parts.append(
                        Part(
                            member,
                            instrument,
                            day,
                            symbol,
                            records.venue,
                            first,
                            records.others,
                            keep,
                        )
                    )
            if paths and not parts:
                raise FeedError(
                    "files with order-by-order records",
                    ", ".join(m.name for m in found[:3]),
                    "give files of the schema mbo",
                )
            yield days_of(parts, options, ticks)


def records_of(member: Member, ticks: dict[int, float] | None = None) -> r.Records:
    """Order-by-order records of a file; a definition file has none, and fills `ticks`."""
    if r.is_csv(member):
        return r.read_csv_records(member)
    data = member.content()
    metadata, start = r.metadata_of(data, member.where)
    if r.schema_of(metadata) == "definition":
        if ticks is not None:
            ticks |= definition_ticks(data)
        return r.Records(np.zeros((0, k.RECORD_WORDS), np.int64), "", {}, 0, member.where)
    return r.read_dbn_records(data, metadata, start, member.where)


def definition_ticks(data: bytes) -> dict[int, float]:
    """Ticks of the instruments of a definition file, by instrument id."""
    decoder = r.dbn_library().DBNDecoder()
    decoder.write(data)
    found: dict[int, float] = {}
    for record in decoder.decode():
        increment = getattr(record, "min_price_increment", None)
        if increment is not None and 0 < increment < k.NO_PRICE:
            found[record.instrument_id] = increment / 10**9
    return found


def days_of(parts: Sequence[Part], options: FeedOptions, ticks: dict[int, float]) -> list[DbnDay]:
    """One day for each instrument and day of UTC in the files, sorted."""
    groups: dict[tuple[str, str, int, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.symbol, part.day, part.instrument, part.venue), []).append(part)
    chosen = {key: group for key, group in groups.items() if _wanted(key, options)}
    if groups and not chosen:
        known = sorted({key[0] for key in groups})
        raise UnknownNameError(
            "an instrument and a day of the files",
            f"`symbol={options.symbol}`, `date={options.date}`",
            f"give one of {', '.join(known[:8])}" if options.symbol else "give a day of the files",
        )
    names = {(symbol, day) for symbol, day, _, _ in chosen}
    if len(names) < len(chosen):
        raise FeedError(
            "one instrument under each symbol", "two of one name", "import the files one at a time"
        )
    return [_day(group, options, ticks) for _, group in sorted(chosen.items())]


def split(records: r.Records) -> Iterator[tuple[int, str, k.Words]]:
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
            raise FeedError(
                "one publisher for an instrument",
                f"publishers {publishers} for instrument {number} in {records.where}",
                "download the venues one by one",
            )
        own, stamp = words[mine], stamps[mine]
        first, last = int(stamp.min()) // NS_A_DAY, int(stamp.max()) // NS_A_DAY
        if first == last:
            yield number, str(np.datetime64(first, "D")), own
            continue
        days = stamp // NS_A_DAY
        for day in _values(days):
            yield number, str(np.datetime64(day, "D")), own[days == day]


def _values(column: Ints) -> list[int]:
    """The different values of a column, sorted; fast where there is one."""
    if len(column) == 0:
        return []
    if bool((column == column[0]).all()):
        return [int(column[0])]
    return [int(value) for value in np.unique(column)]


def _wanted(key: tuple[str, str, int, str], options: FeedOptions) -> bool:
    symbol, day, instrument, _ = key
    return options.symbol in (None, symbol, str(instrument)) and options.date in (None, day)


def _day(group: Sequence[Part], options: FeedOptions, ticks: dict[int, float]) -> DbnDay:
    ordered = sorted(group, key=lambda part: part.first_ns)
    first = ordered[0]

    def load() -> k.Words:
        return (
            first.load() if len(ordered) == 1 else np.concatenate([part.load() for part in ordered])
        )

    stated = options.tick is not None
    tick, rule = (options.tick, "stated") if stated else (ticks.get(first.instrument), "definition")
    source = tuple(dict.fromkeys(part.member.name for part in ordered))
    others = sum(part.others for part in ordered)
    return DbnDay(first.venue, first.symbol, first.day, source, load, tick, rule, others)
