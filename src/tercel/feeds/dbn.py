"""Feed of Databento's files of orders (mbo), levels and trades (mbp-10, mbp-1, tbbo, trades): which instruments, which days.

Files are DBN (``.dbn``, ``.dbn.zst``, any number of zstd frames) or CSV. A day is a day of UTC of one instrument; files
that continue one another are joined in order of time. A file of the schema `definition` beside them gives ticks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, UnknownNameError
from tercel.core.progress import say
from tercel.feeds import dbn_csv, dbn_kernels, dbn_records as r
from tercel.feeds.dbn_day import DbnDay, stated_unit
from tercel.feeds.dbn_levels import DbnLevelDay, LevelTape
from tercel.feeds.members import Member, members
from tercel.market.feed import FeedOptions

NO_RECORDS: Final = (".json", ".txt")
"""Ends of names of what a download has beside its data: its request, its condition, its symbols."""
HOLD: Final = 1 << 30
"""Bytes of decoded records held between finding days and reading them; files beyond that are decoded once more."""


@dataclass(frozen=True)
class Part:
    """The records of one instrument and day in one file.

    Parameters
    ----------
    member : Member
        The file.
    instrument, day, symbol, venue : int, str, str, str
        What and when.
    schema : str
        Of the file.
    first_ns, last_ns : int
        When its first and its last record were received.
    others : int
        Records of other kinds in the file.
    records : int64[n, words] or None
        The records, where they are held in memory.
    tape : LevelTape or None
        Its levels and trades, translated, in this and later files.
    """

    member: Member
    instrument: int
    day: str
    symbol: str
    venue: str
    schema: str
    first_ns: int
    last_ns: int
    others: int
    records: dbn_kernels.Words | None
    tape: LevelTape | None = None

    def load(self) -> dbn_kernels.Words:
        """The part's records, decoded again if they were not held in memory; FeedError if the file has changed."""
        if self.records is not None:
            return self.records
        for instrument, day, records in split(read_records(self.member)):
            if (instrument, day) == (self.instrument, self.day):
                return records
        raise FeedError(
            "a file that stays as it is",
            f"{self.member.location}, which changed",
            "import it again",
        )


class DbnFeed:
    """Databento files as a :class:`tercel.market.feed.Feed`.

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
        """Context with the days in files that the options select; the files are decoded here, as only they know their days."""
        with members(paths) as found:
            files = [member for member in found if not member.name.endswith(NO_RECORDS)]
            if found[len(files) :]:
                say(
                    f"warning: passed over {', '.join(m.name for m in found if m not in files)}, which hold no records"
                )
            ticks: dict[int, float] = {}
            parts: list[Part] = []
            held_bytes = 0
            tapes: dict[tuple[int, str, str, str], LevelTape] = {}
            pieces = ((member, piece) for member in files for piece in read_pieces(member, ticks))
            for member, records in pieces:
                for instrument, day, rows in split(records):
                    symbol = records.symbol(instrument, day)
                    facts = instrument, day, symbol, records.venue, records.schema
                    if records.schema == "mbo":
                        held_bytes += rows.nbytes
                        first, last = rows[[0, -1], dbn_kernels.TS_RECV].tolist()
                        keep = rows if held_bytes <= self._hold else None
                        parts.append(Part(member, *facts, first, last, records.others, keep))
                        continue
                    key = instrument, day, records.venue, records.schema
                    if key not in tapes:
                        unit = stated_unit(options.tick or ticks.get(instrument))
                        tapes[key] = LevelTape(records.schema, unit, member.location)
                        parts.append(Part(member, *facts, 0, 0, 0, None, tapes[key]))
                    tapes[key].add(rows, member)
            if paths and not parts and not ticks:
                raise FeedError(
                    "files with records of orders, levels or trades",
                    ", ".join(m.name for m in found[:3]),
                    f"give files of the schema {', '.join(r.LEVELS)}",
                )
            yield days_of(parts, options, ticks)


def read_pieces(member: Member, ticks: dict[int, float]) -> Iterator[r.Records]:
    """Yield the records of a file, those of levels in CSV block by block, each gone when the next is read."""
    if r.is_csv(member) and (file := dbn_csv.CsvRecords(member)).schema != "mbo":
        for block in file.blocks():
            yield r.Records(block, file.venue, file.symbols, 0, member.location, file.schema)
    else:
        yield read_records(member, ticks)


def read_records(member: Member, ticks: dict[int, float] | None = None) -> r.Records:
    """Records of a file; of a definition file none, but its ticks are added to `ticks`."""
    if r.is_csv(member):
        return dbn_csv.read_csv_records(member)
    data = member.content()
    metadata, start = r.metadata_of(data, member.location)
    if r.schema_of(metadata) == "definition":
        if ticks is not None:
            ticks |= definition_ticks(data)
        return r.Records(
            np.zeros((0, dbn_kernels.RECORD_WORDS), np.int64),
            "",
            {},
            0,
            member.location,
            "definition",
        )
    return r.read_dbn_records(data, metadata, start, member.location)


def definition_ticks(data: bytes) -> dict[int, float]:
    """Ticks of the instruments of a definition file, price units by instrument id; those without one are left out."""
    decoder = r.dbn_library().DBNDecoder()
    decoder.write(data)
    return {
        record.instrument_id: increment / 10**9
        for record in decoder.decode()
        if (increment := getattr(record, "min_price_increment", None)) is not None
        and 0 < increment < dbn_kernels.NO_PRICE
    }


def days_of(parts: Sequence[Part], options: FeedOptions, ticks: dict[int, float]) -> list[DbnDay]:
    """One day for each instrument and day of UTC among `parts` that the options select, sorted; UnknownNameError for
    none, FeedError for two instruments of one symbol."""
    groups: dict[tuple[str, str, int, str, str], list[Part]] = {}
    for part in parts:
        key = part.symbol, part.day, part.instrument, part.venue, part.schema
        groups.setdefault(key, []).append(part)
    chosen = {key: group for key, group in groups.items() if _is_wanted(key, options)}
    if groups and not chosen:
        symbols = sorted({key[0] for key in groups})
        raise UnknownNameError(
            "an instrument and a day of the files",
            f"`symbol={options.symbol}`, `date={options.date}`",
            f"give one of {', '.join(symbols[:8])}"
            if options.symbol
            else "give a day of the files",
        )
    names: dict[tuple[str, str], str] = {}
    for (symbol, day, _, _, schema), group in chosen.items():
        text = f"{schema} of {group[0].member.location}"
        if (symbol, day) in names:
            raise FeedError(
                f"one instrument and one schema under {symbol} on {day}",
                f"{names[symbol, day]}, {text}",
                "import the files one at a time, into lakes of their own",
            )
        names[symbol, day] = text
    return [_make_day(group, options, ticks) for _, group in sorted(chosen.items())]


def split(records: r.Records) -> Iterator[tuple[int, str, dbn_kernels.Words]]:
    """Yield (instrument id, date of UTC, records) for each instrument and day in a file's records; snapshots by their
    receipt; FeedError for an instrument of two publishers."""
    rows = records.rows
    heads = rows[:, dbn_kernels.HEAD] >> 16
    all_days = r.days_of(rows, records.schema)
    instruments = (heads >> 16) & dbn_kernels.NO_SIZE
    numbers = _values(instruments)
    for number in numbers:
        selected = slice(None) if len(numbers) == 1 else instruments == number
        publishers = _values(heads[selected] & 0xFFFF)
        if len(publishers) > 1:
            raise FeedError(
                "one publisher for an instrument",
                f"publishers {publishers} for instrument {number} in {records.location}",
                "download the venues one by one",
            )
        instrument_rows = rows[selected]
        days = all_days[selected]
        dates = _values(days)
        for day in dates:
            of_day = instrument_rows if len(dates) == 1 else instrument_rows[days == day]
            yield number, str(np.datetime64(day, "D")), of_day


def _values(column: Ints) -> list[int]:
    """Distinct values of a column, sorted."""
    return pl.Series(column).unique().sort().to_list()


def _is_wanted(key: tuple[str, str, int, str, str], options: FeedOptions) -> bool:
    """Whether an instrument and day is selected by the options."""
    symbol, day, instrument, *_ = key
    return options.symbol in (None, symbol, str(instrument)) and options.date in (None, day)


def _make_day(group: Sequence[Part], options: FeedOptions, ticks: dict[int, float]) -> DbnDay:
    """One day of an instrument from its parts, in order of receipt."""
    ordered = sorted(group, key=lambda part: part.first_ns)
    first = ordered[0]
    for before, after in pairwise(ordered):
        if after.first_ns < before.last_ns:
            raise FeedError(
                "files that follow one another in time",
                f"{after.member.location}, which begins before the end of {before.member.location}",
                "import one of them, if they hold the same records",
            )

    def load() -> dbn_kernels.Words:
        """Records of all parts, concatenated."""
        return (
            first.load() if len(ordered) == 1 else np.concatenate([part.load() for part in ordered])
        )

    stated = options.tick is not None
    tick, rule = (options.tick, "stated") if stated else (ticks.get(first.instrument), "definition")
    source = tuple(dict.fromkeys(part.member.name for part in ordered))
    others = sum(part.others for part in ordered)
    facts = first.venue, first.symbol, first.day
    if (tape := first.tape) is not None:
        return DbnLevelDay(*facts, tape.source, load, tick, rule, 0, tape)
    return DbnDay(*facts, source, load, tick, rule, others)
