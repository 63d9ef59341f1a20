"""NASDAQ TotalView-ITCH 5.0 files: one pass over each, the tapes of all symbols or of some.

Names say the day: ``01302019.NASDAQ_ITCH50`` (MMDDYYYY), ``20190130.BX_ITCH_50`` (YYYYMMDD), ``S013019-v50.txt``
(MMDDYY), each also compressed; for files of other names give the date.

Messages become rows so: A and F an ADD; E an EXECUTE; X a REDUCE; D a DELETE of what was left; U a DELETE and an ADD in
one message; P a TRADE_HIDDEN (side 0 from 2014-07-14, when it was masked); Q a CROSS (order id -1 open, -2 close, -3
halt or IPO, -4 intraday); H, and h of this market, a STATUS. C is an EXECUTE at the order's own price, a REDUCE with a
TRADE_HIDDEN at another price, and a REDUCE alone when it is not to be printed (the cross prints it). A broken trade (B)
is counted and stays: the book was never put back. All else is counted.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, listed, nearest
from tercel.core.jit import Bytes, Longs, Packed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import itch_kernels as f
from tercel.feeds.itch_kernels import rehash
from tercel.feeds.lobster_csv import UNITS_PER_DOLLAR, infer_unit, stated_unit
from tercel.feeds.members import Member, members
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra, Instrument, midnight_ns

# -- itch pass -------------------------------------------------------------------------------------
# One pass over an ITCH file: bytes in chunks through the kernel, staged rows out, sorted by symbol chunk by chunk.
#
# Rows beyond a limit of memory go to a temporary file, so that a day of all symbols needs no more than that.

CHUNK_ROWS: Final = 1 << 18
FIRST_ORDERS: Final = 1 << 14
IN_MEMORY: Final = 1 << 30
"""Bytes of staged rows that stay in memory."""

Progress = Callable[[int, int], None]


class ItchStore:
    """Orders by reference, the kernels' state, and the names of locates; grown when a kernel asks for it."""

    def __init__(self, picks: tuple[str, ...] = ()) -> None:
        self.w = np.zeros(f.WORDS, np.int64)
        self.w[f.FREE] = self.w[f.FREE_LEVEL] = self.w[f.OPEN_NS] = self.w[f.CLOSE_NS] = -1
        self.w[f.ALL] = not picks
        self.lengths = f.lengths()
        self.names = np.zeros(f.LOCATES, np.int64)
        self.picks = np.array([f.packed_name(p) for p in picks], np.int64)
        self.wanted = np.full(f.LOCATES, not picks, np.uint8)
        self.orders = np.zeros((FIRST_ORDERS, f.ORDER), np.int32)
        self.table = _empty_table(FIRST_ORDERS)

    def grow(self) -> None:
        """Double the room for orders."""
        self.orders = np.concatenate((self.orders, np.zeros_like(self.orders)))
        table = _empty_table(len(self.orders))
        rehash(self.table, table)
        self.table = table

    def head(self) -> tuple[Longs, Longs, Longs, Longs, Bytes, Longs, Packed]:
        """Leading arguments of every kernel after the bytes."""
        return self.w, self.lengths, self.names, self.picks, self.wanted, self.table, self.orders


def _empty_table(orders: int) -> NDArray[np.int64]:
    table = np.zeros((2 * orders, 2), np.int64)
    table[:, 1] = -1
    return table


class Sink(Protocol):
    """Consumer of the messages of a chunk."""

    def take(self, data: NDArray[np.uint8], start: int, store: ItchStore) -> int:
        """Take whole messages from `start` on; returns where it stopped, with the reason in ``store.w[STOP]``."""


@dataclass(frozen=True)
class FileCounts:
    """Counts of one pass over a file: messages by type, bytes, symbols, oddities.

    Parameters
    ----------
    file : str
        Where it was read from.
    messages, bytes : int
        Whole messages, and the bytes they take.
    types : dict
        Messages by type letter.
    symbols : int
        Locates with a stock.
    odd : dict
        Counts of what should not be; `first`, the number of the first such message, from 1.
    unprinted, away : int
        Executions at a price that are not printed (a cross prints them), or printed away from the order's price.
    orders_left, orders_peak : int
        Orders that rest at the end, and at most at once.
    cut_bytes : int
        Bytes of a message that the end of the file cut.
    """

    file: str
    messages: int
    bytes: int
    types: dict[str, int]
    symbols: int
    odd: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    unprinted: int = 0
    away: int = 0
    orders_left: int = 0
    orders_peak: int = 0
    cut_bytes: int = 0


def run_chunks(
    pieces: Iterator[bytes],
    where: str,
    store: ItchStore,
    sink: Sink,
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> FileCounts:
    """Send the bytes of a file, cut anywhere, through a sink.

    Raises
    ------
    FeedError
        With byte offset and number of the message, for a file that is cut or is no ITCH 5.0.
    """
    w = store.w
    offset = 0  # of the first byte of `data` in the file
    data = np.zeros(0, np.uint8)
    over = False
    for piece in pieces:
        data = np.concatenate((data, np.frombuffer(piece, np.uint8)))
        at = 0
        while not over:
            at = sink.take(data, at, store)
            stop = int(w[f.STOP])
            if stop in (f.NEED_BYTES, f.SESSION_OVER):
                over = stop == f.SESSION_OVER
                break
            if stop == f.NEED_ORDERS:
                store.grow()
            elif stop >= f.FATAL:
                raise _bad(stop, store, where, offset + at)
        if over and data[at:].any():
            raise FeedError(
                "nothing after the length 0 that ends a session",
                f"more from byte {offset + at + 2:,} of {where} on, after message {int(w[f.MESSAGE]):,}",
                "fetch the file again",
            )
        offset += at
        data = data[at:]
        if progress is not None:
            progress(int(w[f.MESSAGE]), offset)
    cut = 0 if over else len(data)
    if cut and w[f.MESSAGE] == 0:
        raise FeedError(
            "ITCH 5.0: binary messages, each with its length before it",
            f"{where}, {offset + cut} bytes that begin otherwise",
            "check the file",
        )
    if cut and not allow_cut:
        raise FeedError(
            "whole messages up to the end of the file",
            f"{where} cut in message {int(w[f.MESSAGE]) + 1:,}, {cut} bytes from byte {offset:,} on",
            "fetch the file again, or give `allow_cut=True` to take the whole messages before",
        )
    if w[f.MESSAGE] == 0:
        raise FeedError("ITCH 5.0 messages", f"none in {where}", "check the file")
    return counts_of(store, where, offset, cut)


def counts_of(store: ItchStore, where: str, size: int, cut: int) -> FileCounts:
    """The counters of a pass in words."""
    w = store.w
    types = {chr(y): int(w[f.TYPES + y]) for y in np.flatnonzero(w[:256])}
    seen = [(i, name) for i, name in enumerate(f.ODDITIES) if w[f.ODD + i]]
    return FileCounts(
        file=where,
        messages=int(w[f.MESSAGE]),
        bytes=size,
        types=types,
        symbols=int(np.count_nonzero(store.names)),
        odd={name: int(w[f.ODD + i]) for i, name in seen},
        first={name: int(w[f.FIRST + i]) for i, name in seen},
        unprinted=int(w[f.UNPRINTED]),
        away=int(w[f.AWAY]),
        orders_left=int(w[f.LIVE]),
        orders_peak=int(w[f.PEAK]),
        cut_bytes=cut,
    )


def _bad(stop: int, store: ItchStore, where: str, offset: int) -> FeedError:
    value = int(store.w[f.STOP_VALUE])
    at = f"in message {int(store.w[f.MESSAGE]) + 1:,} at byte {offset:,} of {where}"
    remedy = "the file is damaged or is no NASDAQ TotalView-ITCH 5.0: fetch it again"
    if stop == f.NO_TYPE:
        return FeedError("a message type, which is a letter", f"byte {value} {at}", remedy)
    if stop == f.BAD_TIME:
        return FeedError("ns since midnight within a day", f"{value:,} {at}", remedy)
    if stop == f.OTHER_STOCK:
        name = f.unpacked_name(int(store.names[value]))
        return FeedError(
            f"stock {name} at locate {value}, as before", f"another stock {at}", remedy
        )
    return FeedError("a message as long as its type", f"length {value} {at}", remedy)


class Staging:
    """Rows of all wanted symbols, to be read back symbol by symbol: a :class:`Sink`.

    Parameters
    ----------
    in_memory : int
        Bytes of rows held in memory; what comes later goes to a temporary file.
    keep : bool
        False to decode and forget, which a bench does.
    """

    def __init__(self, in_memory: int = IN_MEMORY, keep: bool = True) -> None:
        self._keep = keep
        self.counts = np.zeros(f.LOCATES, np.int64)
        self.active = np.zeros(f.LOCATES, np.int64)
        self.broken = np.zeros(f.LOCATES, np.int64)
        self._room = in_memory
        self._rows = np.empty((CHUNK_ROWS, f.ROW), np.int64)
        self._filled = 0
        self._chunks: list[tuple[NDArray[np.int64] | int, NDArray[np.int32]]] = []
        self._file: IO[bytes] | None = None

    def take(self, data: NDArray[np.uint8], start: int, store: ItchStore) -> int:
        """Decode messages into the chunk that is being filled."""
        free = self._rows[self._filled :]
        at, n = f.decode(data, start, len(data), *store.head(), free, self.broken)
        self._filled += n
        if store.w[f.STOP] == f.NEED_ROWS:
            self.close()
        return int(at)

    def close(self) -> None:
        """Sort the chunk's rows by symbol and put them away."""
        rows = self._rows[: self._filled]
        self._filled = 0
        if not len(rows) or not self._keep:
            return
        counts = np.zeros(f.LOCATES, np.int64)
        f.tally(rows, counts, self.active)
        self.counts += counts
        last = int(np.flatnonzero(counts)[-1]) + 1
        starts = np.zeros(last + 1, np.int64)
        np.cumsum(counts[:last], out=starts[1:])
        ordered = np.empty_like(rows)
        f.gather(rows, starts.copy(), ordered)
        self._room -= ordered.nbytes
        if self._room >= 0:
            self._chunks.append((ordered, starts.astype(np.int32)))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="tercel-itch-")  # noqa: SIM115 - closed with the days
        at = self._file.seek(0, os.SEEK_END)
        self._file.write(ordered.data)
        self._chunks.append((at, starts.astype(np.int32)))

    def rows_of(self, locate: int) -> NDArray[np.int64]:
        """All rows of one symbol, int64[n, 4], in file order."""
        out = np.empty((int(self.counts[locate]), f.ROW), np.int64)
        at = 0
        for chunk, starts in self._chunks:
            if locate + 1 >= len(starts) or starts[locate] == starts[locate + 1]:
                continue
            first, stop = int(starts[locate]), int(starts[locate + 1])
            if isinstance(chunk, int):
                assert self._file is not None
                self._file.seek(chunk + first * f.ROW * 8)
                part = np.frombuffer(self._file.read((stop - first) * f.ROW * 8), np.int64).reshape(
                    -1, f.ROW
                )
            else:
                part = chunk[first:stop]
            out[at : at + len(part)] = part
            at += len(part)
        return out

    def forget(self) -> None:
        """Free the memory and the temporary file."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()


TIMEZONE: Final = "America/New_York"
VENUE: Final = "NASDAQ"
HIDDEN_SIDE_MASKED_FROM: Final = "2014-07-14"
SESSION_NS: Final = (34_200 * NS_PER_SECOND, 57_600 * NS_PER_SECOND)
"""Market hours where the file has no system event that says them."""
MOST_ODD: Final = 0.01
"""Share of messages that may be odd in one way before the file is not taken for what it claims to be."""
_YEAR, _MONTH, _DAY = r"(?P<y>(?:19|20)\d\d)", r"(?P<m>0\d|1[0-2])", r"(?P<d>[0-3]\d)"
_VENUE: Final = r"(?P<venue>[A-Z]+)_?ITCH"
_NAMES: Final = (
    (re.compile(rf"{_MONTH}{_DAY}{_YEAR}\.{_VENUE}", re.IGNORECASE), "{y}-{m}-{d}"),
    (re.compile(rf"{_YEAR}{_MONTH}{_DAY}\.{_VENUE}", re.IGNORECASE), "{y}-{m}-{d}"),
    (re.compile(rf"(?P<venue>)S{_MONTH}{_DAY}(?P<y>\d\d)-v50", re.IGNORECASE), "20{y}-{m}-{d}"),
)
_OTHER: Final = (".csv", ".json", ".md", ".pdf", ".xml", ".html")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._\-+]")


def symbol_of(stock: str) -> str:
    """A stock as a symbol of the lake: letters that folder names do not take become ``_`` and their hex code.

    >>> symbol_of("BRK.A"), symbol_of("GAM^B")
    ('BRK.A', 'GAM_5eB')
    """
    text = "".join(c if _PLAIN.fullmatch(c) else f"_{ord(c):02x}" for c in stock)
    return text if text[:1].isalnum() else f"x{text}"


def date_and_venue(name: str) -> tuple[str | None, str]:
    """Date and venue that a file name states.

    >>> date_and_venue("01302019.NASDAQ_ITCH50"), date_and_venue("S013019-v50.txt"), date_and_venue("head4k.itch")
    (('2019-01-30', 'NASDAQ'), ('2019-01-30', 'NASDAQ'), (None, 'NASDAQ'))
    """
    for pattern, form in _NAMES:
        match = pattern.match(name)
        if match is not None:
            return form.format(**match.groupdict()), (match["venue"].rstrip("_") or VENUE).upper()
    return None, VENUE


@dataclass(frozen=True, eq=False)
class ItchDay:
    """One symbol of a file that has been passed over."""

    symbol: str
    date: str
    source: tuple[str, ...]
    venue: str
    stock: str
    locate: int
    tick: float | None
    session_ns: tuple[int, int]
    session_said: bool
    staging: Staging

    def read(self) -> Imported:
        """See :meth:`tercel.market.feed.FeedDay.read`."""
        rows = self.staging.rows_of(self.locate)
        kinds = (rows[:, f.R_META] >> 16) & 255
        visible = rows[kinds <= schema.EXECUTE, f.R_LOTS_PRICE] & 0xFFFFFFFF
        if self.tick is not None:
            unit = stated_unit(self.tick, visible, f"{self.stock} of {self.source[0]}")
        else:
            unit = infer_unit(visible) if len(visible) else UNITS_PER_DOLLAR // 100
        midnight = midnight_ns(self.date, TIMEZONE)
        events, beyond = tape_of(rows, midnight, unit, self.date >= HIDDEN_SIDE_MASKED_FROM)
        warnings = (
            [f"{beyond:,} prices of {self.stock} beyond the last tick were put on it"]
            if beyond
            else []
        )
        broken = int(self.staging.broken[self.locate])
        if broken:
            warnings.append(
                f"{broken:,} trades of {self.stock} were broken afterwards; the tape keeps them"
            )
        return Imported(self._instrument(events, unit, midnight, broken), events, tuple(warnings))

    def _instrument(self, events: Events, unit: int, midnight: int, broken: int) -> Instrument:
        extra: Extra = {
            "feed": "itch",
            "stock": self.stock,
            "messages": int(events.seq[-1]),
        }
        extra |= {
            "broken_trades": broken,
            "session": "system events" if self.session_said else "usual hours",
        }
        return Instrument(
            venue=self.venue,
            symbol=self.symbol,
            date=self.date,
            tick=unit / UNITS_PER_DOLLAR,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=midnight + self.session_ns[0],
            session_close_ns=midnight + self.session_ns[1],
            rows=events.n,
            tick_rule="inferred" if self.tick is None else "stated",
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra=extra,
        )


def tape_of(rows: Ints, midnight: int, unit: int, mask_hidden: bool) -> tuple[Events, int]:
    """Staged rows of one symbol as a tape, prices in ticks of `unit`, and the prices beyond the last tick."""
    meta, price = rows[:, f.R_META], rows[:, f.R_LOTS_PRICE] & 0xFFFFFFFF
    kind, side, marks = (meta >> 16) & 255, ((meta >> 8) & 255) - 1, meta & 255
    status = kind == schema.STATUS
    ticks, rest = np.divmod(price, unit)
    off = (rest != 0) & ~status
    ticks += off & (side < 0)
    beyond = (ticks >= f.MOST) & ~status
    ticks = np.where(
        beyond, f.MOST - 1, np.where(kind == schema.CROSS, ticks, np.maximum(ticks, 1))
    )
    masked = (kind == schema.TRADE_HIDDEN) & ((marks & f.SIDE_KNOWN) == 0) & mask_hidden
    flags = (marks | np.where(off | beyond, schema.OFF_TICK, 0)) & (f.SIDE_KNOWN - 1)
    ends = (marks & schema.MESSAGE_END) != 0
    seq = 1 + np.cumsum(ends) - ends
    ns = midnight + rows[:, f.R_NS]
    columns = (
        *(ns, ns, seq, kind, rows[:, f.R_ID], np.where(masked, 0, side)),
        *(
            np.where(status, np.where(price == 0xFFFFFFFF, -1, price), ticks),
            rows[:, f.R_LOTS_PRICE] >> 32,
            flags,
        ),
    )
    events = Events(
        *(column.astype(dtype) for column, (_, dtype) in zip(columns, schema.COLUMNS, strict=True))
    )
    return events, int(np.count_nonzero(beyond))


class ItchFeed:
    """ITCH 5.0 files as a :class:`tercel.market.feed.Feed`; a symbol may be a list, ``AAPL,MSFT``.

    Parameters
    ----------
    allow_cut : bool
        Take the whole messages of a file that ends in the middle of one.
    progress : callable, optional
        Called after every chunk with the messages and bytes so far.

    Examples
    --------
    >>> with ItchFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "itch"

    def __init__(self, allow_cut: bool = False, progress: Progress | None = None) -> None:
        self.allow_cut = allow_cut
        self.progress = progress
        self.files: list[FileCounts] = []
        """Counts of each pass over a file in the last :meth:`days`."""

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[ItchDay]]:
        """See :meth:`tercel.market.feed.Feed.days`; the files are passed over here, once."""
        self.files = []
        with ExitStack() as stack:
            named = named_files(stack.enter_context(members(paths)), options.date)
            days: list[ItchDay] = []
            for member, date, venue in named:
                days += self._of_file(member, date, venue, options, stack)
            yield sorted(days, key=lambda day: (day.symbol, day.date))

    def _of_file(
        self, member: Member, date: str, venue: str, options: FeedOptions, stack: ExitStack
    ) -> list[ItchDay]:
        picks = tuple(listed(options.symbol or ""))
        for pick in picks:
            if not (len(pick) <= 8 and pick.isascii()):
                raise FeedError(
                    "symbols of at most 8 letters", repr(pick), "write `symbol=AAPL,MSFT`"
                )
        store, staging = ItchStore(picks), Staging()
        stack.callback(staging.forget)
        counts = run_chunks(
            member.chunks(), member.where, store, staging, self.allow_cut, self.progress
        )
        staging.close()
        judge(counts)
        self.files.append(counts)
        active = np.flatnonzero(staging.active)
        stocks = {f.unpacked_name(int(store.names[locate])): int(locate) for locate in active}
        for pick in picks:
            if pick not in stocks:
                raise _no_symbol(pick, store, member)
        opened, closed = int(store.w[f.OPEN_NS]), int(store.w[f.CLOSE_NS])
        stated = 0 <= opened < closed
        session = (opened, closed) if stated else SESSION_NS
        return [
            ItchDay(
                symbol_of(s),
                date,
                (member.name,),
                venue,
                s,
                locate,
                options.tick,
                session,
                stated,
                staging,
            )
            for s, locate in stocks.items()
        ]


def named_files(found: Sequence[Member], date: str | None) -> list[tuple[Member, str, str]]:
    """The ITCH files among members, each with its date and venue.

    Raises
    ------
    FeedError
        When a date stays unknown, or two files are of one day and venue.
    """
    files = [m for m in found if Path(m.name).suffix.lower() not in _OTHER]
    if found and not files:
        raise FeedError(
            "ITCH 5.0 files", found[0].where, "give files as NASDAQ publishes them, or a capture"
        )
    named: list[tuple[Member, str, str]] = []
    for member in files:
        stated, venue = date_and_venue(member.name)
        day = date or stated
        if day is None:
            raise FeedError(
                "a name that says the day, like 01302019.NASDAQ_ITCH50",
                member.where,
                "give `date=YYYY-MM-DD`, or rename the file",
            )
        for other, its_day, its_venue in named:
            if (its_day, its_venue) == (day, venue):
                raise FeedError(
                    "one file for each day",
                    f"{other.where} and {member.where}, both {venue} of {day}",
                    "import one of them",
                )
        midnight_ns(day, TIMEZONE)
        named.append((member, day, venue))
    return named


def judge(counts: FileCounts) -> None:
    """Refuse a file in which too much is odd.

    Raises
    ------
    FeedError
        When one kind of oddity makes more than `MOST_ODD` of the messages.
    """
    for name, n in counts.odd.items():
        if n > max(100, MOST_ODD * counts.messages):
            received = f"{name.replace('_', ' ')} {n:,} times in {counts.messages:,} messages of {counts.file}"
            received += f", first in message {counts.first[name]:,}"
            raise FeedError(
                f"at most {MOST_ODD:.0%} of odd messages", received, "fetch the whole file again"
            )


def _no_symbol(pick: str, store: ItchStore, member: Member) -> FeedError:
    names = sorted({f.unpacked_name(int(n)) for n in store.names[store.names != 0]})
    if pick in names:
        return FeedError(
            "a symbol with orders",
            f"{pick} without one order or trade in {member.where}",
            "take another symbol",
        )
    near = ", ".join(nearest(pick, names, 3))
    return FeedError(
        f"a symbol of {member.where}",
        repr(pick),
        f"take one like {near}" if near else "check the file",
    )
