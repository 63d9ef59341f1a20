"""Databento order-by-order data (schema mbo): which files, which instruments, which days.

Files are DBN (``.dbn``, ``.dbn.zst``, any number of zstd frames) or CSV. A day is a day of UTC of one instrument; files
that continue one another are joined in order of time. A file of the schema `definition` beside them gives ticks.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Bytes, Ints
from tercel.core.errors import FeedError, UnknownNameError
from tercel.feeds import dbn_records as r
from tercel.feeds.members import Member, members
from tercel.market.book.tape_kernels import new_ids
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra, Instrument, day_ns, midnight_ns

# -- dbn day ---------------------------------------------------------------------------------------
# One Databento day of one instrument: its records to the tape.

TIMEZONE: Final = "UTC"
"""Days of Databento files are days of UTC."""
PIECE: Final = 1 << 15
"""Records that one call of the kernel translates, about."""
US_STOCKS: Final = (
    "XNAS",
    "XNYS",
    "XBOS",
    "XPSX",
    "BATS",
    "BATY",
    "EDGA",
    "EDGX",
    "ARCX",
    "IEXG",
    "DBEQ",
    "EQUS",
)
"""Datasets of stocks that trade continuously from 9:30 to 16:00 in New York."""
_HOUR: Final = 3600 * 10**9
_AGAIN: Final = "download the file again, or report the feed"
_ERRORS: Final = {
    r.BAD_SIDE: ("a side of B or A on an order", "side", _AGAIN),
    r.BAD_PRICE: (
        "a positive price",
        "price",
        "such prices are read from columns: `tercel data import csv`, `lowest_price` in its map",
    ),
    r.FINE_TICK: ("prices below 2**30 ticks", "price", "give a larger `tick=`"),
    r.BAD_SIZE: ("a positive size below 2**30", "size", _AGAIN),
    r.BAD_DAY: ("times within the day of the file", "ts_event", "give files of whole days of UTC"),
    r.BAD_ACTION: ("an action of A, C, M, R, T, F or N", "action", _AGAIN),
}
_WARNINGS: Final = {
    "unknown_ids": "changes of orders that the files never added; the book lacks those orders",
    "duplicate_ids": "orders added under an id that was alive; the older one was withdrawn",
    "maybe_bad_book": "records flagged as after a gap: the book may be wrong until the next snapshot",
    "clock_back": "records with a time before that of the record above; they were given that time",
    "undefined": "records without price or size, passed over",
    "contradicted_fills": "changes that contradict the fills before them; the change was believed",
}


@dataclass(frozen=True)
class DbnDay:
    """Records of one instrument and day.

    Parameters
    ----------
    venue, symbol, date : str
        Where, what, and the day of UTC.
    source : tuple of str
        Names of the files.
    load : callable
        Gives the records in file order, int64[n, 7].
    tick : float or None
        Stated tick in price units, or from a definition.
    tick_rule : str
        Where `tick` comes from.
    others : int
        Records of other kinds in the files.
    """

    venue: str
    symbol: str
    date: str
    source: tuple[str, ...]
    load: Callable[[], r.Words]
    tick: float | None = None
    tick_rule: str = "stated"
    others: int = 0

    def read(self) -> Imported:
        """Translate the day.

        Raises
        ------
        FeedError
            With record, field and remedy, when a record makes no sense.
        """
        words = self.load()
        unit = self._unit(words)
        events, report = translate(words, unit, self.date, ", ".join(self.source))
        if self.venue not in US_STOCKS:
            events = with_opening_auction(events)
        if events.n == 0:
            raise FeedError(
                "records that make a book",
                f"none for {self.symbol} on {self.date} in {', '.join(self.source)}",
                "give the whole day",
            )
        counts = dict(zip(r.COUNTS, report.tolist(), strict=False))
        warnings = [f"{counts[name]:,} {text}" for name, text in _WARNINGS.items() if counts[name]]
        if not (flags_of(words) & r.LAST).any():
            warnings.append(
                "no record is marked as the last of its event: each was taken as an event of its own"
            )
        opening, close = self._session(events)
        about: Extra = {"feed": "dbn", "records": len(words), "other_records": self.others}
        about["messages"] = int(report[r.EVENTS])
        instrument = Instrument(
            venue=self.venue,
            symbol=self.symbol,
            date=self.date,
            tick=unit / 10**9,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=opening,
            session_close_ns=close,
            rows=events.n,
            tick_rule="inferred" if self.tick is None else self.tick_rule,
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra=about | counts,
        )
        return Imported(instrument, events, tuple(warnings))

    def _unit(self, words: r.Words) -> int:
        """The tick in 1e-9."""
        if self.tick is None:
            return infer_unit(words)
        units = self.tick * 10**9
        unit = round(units) if math.isfinite(units) else 0
        if unit < 1 or abs(units - unit) > 1e-3:
            raise FeedError(
                "a tick that is a positive multiple of 1e-9",
                f"`tick={self.tick}`",
                "as in `tick=0.25`",
            )
        return unit

    def _session(self, events: Events) -> tuple[int, int]:
        """Continuous trading: New York's hours of stocks; else from an auction that opens the day to the last row."""
        if self.venue in US_STOCKS:
            midnight = midnight_ns(self.date, "America/New_York")
            return midnight + 19 * _HOUR // 2, midnight + 16 * _HOUR
        live = np.flatnonzero((events.flags & schema.OPENING) == 0)
        if len(live) == 0:
            return int(events.exch_ns[0]), int(events.exch_ns[-1])
        cross = opening_cross(events)
        return int(events.exch_ns[live[0] if cross is None else cross]), int(events.exch_ns[-1])


def opening_cross(events: Events) -> int | None:
    """Row of the auction before which nothing trades; None where a day has no such one."""
    crosses, trades = (
        np.flatnonzero(events.kind == kind) for kind in (schema.CROSS, schema.EXECUTE)
    )
    return (
        int(crosses[0]) if len(crosses) and (len(trades) == 0 or crosses[0] < trades[0]) else None
    )


def with_opening_auction(events: Events) -> Events:
    """Say that a day which begins before its opening auction begins with quoting alone, and when trading starts.

    Before an auction the book may be crossed; nothing trades in it.
    """
    if (cross := opening_cross(events)) is None:
        return events
    ends = np.flatnonzero(events.flags & schema.MESSAGE_END)
    after = int(ends[np.searchsorted(ends, cross)]) + 1
    head = int(np.count_nonzero(events.flags & schema.OPENING))
    both = Events.empty(2)
    both.kind[:], both.price_ticks[:], both.flags[:] = schema.STATUS, (0, 1), schema.MESSAGE_END
    for status, row in ((0, head), (1, after - 1)):
        both.exch_ns[status], both.recv_ns[status] = events.exch_ns[row], events.recv_ns[row]
    both.seq[:] = events.seq[head], events.seq[after - 1] + 2
    events.seq[head:] += 1
    events.seq[after:] += 1
    parts = [
        events.slice(0, head),
        both.slice(0, 1),
        events.slice(head, after),
        both.slice(1, 2),
        events.slice(after),
    ]
    return Events.joined(parts)


def infer_unit(words: r.Words) -> int:
    """Tick in 1e-9: the greatest common divisor of all prices of orders."""
    action = (words[:, r.BODY] >> 48) & 255
    price = words[((action == r.A) | (action == r.M)) & (words[:, r.PRICE] != r.NO_PRICE), r.PRICE]
    unit = int(np.gcd.reduce(np.unique(np.abs(price)))) if len(price) else 0
    return unit or 10**7


def flags_of(words: r.Words) -> Bytes:
    """The flag bits of records, uint8[n]: a view."""
    return words.view(np.uint8)[:, 8 * r.BODY + 4]


def event_ends(words: r.Words) -> Bytes:
    """Flags of the last record of each event: uint8[n].

    Some venues mark every record of a trade; those of one time and sequence number stay together.
    """
    flags = flags_of(words)
    ends: Bools = (flags & r.LAST) != 0
    if not ends.any():
        return np.ones(len(words), np.uint8)
    tails = words.view(np.uint32)[:, 2 * r.TAIL + 1]
    same = (words[1:, r.TS_EVENT] == words[:-1, r.TS_EVENT]) & (tails[1:] == tails[:-1])
    ends[:-1] &= ~same | (((flags[1:] ^ flags[:-1]) & r.SNAPSHOT) != 0)
    ends[-1] = True
    return ends.view(np.uint8)


def pieces(ends: Bytes, size: int) -> list[tuple[int, int]]:
    """Runs of whole events of about `size` records: (start, stop) each."""
    stops = np.flatnonzero(ends) + 1
    found, start = [], 0
    while start < len(ends):
        stop = int(stops[min(int(np.searchsorted(stops, start + size)), len(stops) - 1)])
        found.append((start, stop))
        start = stop
    return found


def translate(
    words: r.Words, unit: int, date: str, where: str, piece: int = PIECE
) -> tuple[Events, Ints]:
    """Records of one instrument to rows of the tape, and the report of :mod:`dbn_kernels`.

    Raises
    ------
    FeedError
        With the first record that makes no sense.
    """
    state, report = np.zeros(r.STATE, np.int64), np.zeros(r.REPORT, np.int64)
    head = flags_of(words)[:1] & r.SNAPSHOT
    state[r.OPEN], state[r.SEQ] = 1, -1 if np.any(head) else 0
    day = np.array([*day_ns(date, TIMEZONE), _opening_ns(words, date)])
    orders = r.Resting(new_ids(1), np.zeros((1, r.FACTS), np.int64), np.zeros(1, np.int32))
    parts: list[Events] = []
    ends = event_ends(words)
    words = words.view()
    words.flags.writeable = (
        False  # as records that lie in the file's own bytes are: one kind of array, one kernel
    )
    runs = pieces(ends, piece)
    out = np.empty(
        (2 * max((stop - start for start, stop in runs), default=0), len(schema.COLUMNS)), np.int64
    )
    now = np.zeros(r.NOW, np.int64)
    for start, stop in runs:
        orders = _with_room(orders, stop - start, state)
        rows = int(
            r.translate(words, ends, start, stop, unit, day, orders, out, now, state, report)
        )
        if report[r.CODE]:
            raise _error(report, words, where)
        parts.append(Events.from_table(out[:rows]))
    return Events.joined(parts), report


def _with_room(orders: r.Resting, more: int, state: Ints) -> r.Resting:
    """The resting orders, in larger arrays where `more` may find no room."""
    have, need = len(orders.facts), int(state[r.LIVE]) + more
    if need <= have and have > 1:
        return orders
    want = 1 << (2 * need - 1).bit_length()
    ids = new_ids(want)
    r.grow_map(orders.ids, ids)
    facts, free = np.zeros((want, r.FACTS), np.int64), np.zeros(want, np.int32)
    facts[:have] = orders.facts
    used = have if have > 1 else 0
    fresh = np.arange(want - 1, used - 1, -1, dtype=np.int32)
    left = int(state[r.FREE])
    free[: len(fresh)], free[len(fresh) : len(fresh) + left] = fresh, orders.free[:left]
    state[r.FREE] = len(fresh) + left
    return r.Resting(ids, facts, free)


def _opening_ns(words: r.Words, date: str) -> int:
    """Stamp of an opening snapshot: when it was received, no later than the first record that is none."""
    received = int(words[0, r.TS_RECV])
    live = (flags_of(words) & r.SNAPSHOT) == 0
    if live.any():
        received = min(received, int(words[int(np.argmax(live)), r.TS_EVENT]))
    return max(received, midnight_ns(date, TIMEZONE))


def _error(report: Ints, words: r.Words, where: str) -> FeedError:
    code, row = int(report[r.CODE]), int(report[r.WHERE])
    expected, name, remedy = _ERRORS[code]
    record = words[row]
    body = int(record[r.BODY])
    value = {
        "side": chr((body >> 56) & 255),
        "price": int(record[r.PRICE]) / 10**9,
        "size": body & r.NO_SIZE,
        "ts_event": int(record[r.TS_EVENT]),
        "action": chr((body >> 48) & 255),
    }[name]
    return FeedError(
        expected,
        f"{name} {value} in record {row + 1} (sequence {int(record[r.TAIL]) >> 32}) of {where}",
        remedy,
    )


NS_A_DAY: Final = 86_400 * 10**9
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
    first_ns : int
        When its first record was received.
    others : int
        Records of other kinds in the file.
    words : int64[n, 7] or None
        The records, where they are held.
    """

    member: Member
    instrument: int
    day: str
    symbol: str
    venue: str
    first_ns: int
    others: int
    words: r.Words | None

    def load(self) -> r.Words:
        """The records, decoded again where they were not held."""
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
            held = 0
            for member in found:
                records = records_of(member, ticks)
                for instrument, day, words in split(records):
                    held += words.nbytes
                    symbol, first = records.symbol(instrument, day), int(words[0, r.TS_RECV])
                    keep = words if held <= self._hold else None
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
        return r.Records(np.zeros((0, r.RECORD_WORDS), np.int64), "", {}, 0, member.where)
    return r.read_dbn_records(data, metadata, start, member.where)


def definition_ticks(data: bytes) -> dict[int, float]:
    """Ticks of the instruments of a definition file, by instrument id."""
    decoder = r.dbn_library().DBNDecoder()
    decoder.write(data)
    found: dict[int, float] = {}
    for record in decoder.decode():
        increment = getattr(record, "min_price_increment", None)
        if increment is not None and 0 < increment < r.NO_PRICE:
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


def split(records: r.Records) -> Iterator[tuple[int, str, r.Words]]:
    """Records of each instrument and day: (instrument id, date, words)."""
    words = records.words
    heads = words[:, r.HEAD] >> 16
    stamps = np.where(flags_of(words) & r.SNAPSHOT, words[:, r.TS_RECV], words[:, r.TS_EVENT])
    instruments = (heads >> 16) & r.NO_SIZE
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
    """The distinct values of a column, sorted; fast for a constant column."""
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

    def load() -> r.Words:
        return (
            first.load() if len(ordered) == 1 else np.concatenate([part.load() for part in ordered])
        )

    stated = options.tick is not None
    tick, rule = (options.tick, "stated") if stated else (ticks.get(first.instrument), "definition")
    source = tuple(dict.fromkeys(part.member.name for part in ordered))
    others = sum(part.others for part in ordered)
    return DbnDay(first.venue, first.symbol, first.day, source, load, tick, rule, others)
