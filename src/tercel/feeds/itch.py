"""The ITCH 5.0 feed: file names to days, and rows that a pass staged (`itch_pass`) to the tapes of symbols, in ticks.

Names say the day: ``01302019.NASDAQ_ITCH50`` (MMDDYYYY), ``20190130.BX_ITCH_50`` (YYYYMMDD), ``S013019-v50.txt``
(MMDDYY), each also compressed; for files of other names give the date.

Messages become rows so: A and F an ADD; E an EXECUTE; X a REDUCE; D a DELETE of what was left; U a DELETE and an ADD in
one message; P a TRADE_HIDDEN (side 0 from 2014-07-14, when it was masked); Q a CROSS (order id -1 open, -2 close, -3
halt or IPO, -4 intraday); H, and h of this market, a STATUS. C is an EXECUTE at the order's own price, a REDUCE with a
TRADE_HIDDEN at another price, and a REDUCE alone when it is not to be printed (the cross prints it). A broken trade (B)
is counted and stays: the book was never put back. All else is counted.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, nearest_names, split_commas
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds import itch_format, itch_kernels as f, itch_state
from tercel.feeds.itch_events import ItchEventsDay, events_days, fields_of
from tercel.feeds.itch_pass import FileCounts, ItchStore, Progress, Staging, run_chunks
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR, find_unit
from tercel.feeds.members import Member, members
from tercel.feeds.typed_csv import ticks_away
from tercel.feeds.us_stocks import HIDDEN_SIDE_MASKED_FROM, TIMEZONE, VENUE, session_ns
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra, Instrument
from tercel.market.tape.local_times import midnight_ns

MOST_ODD: Final = 0.01
"""Share of messages that may be odd in one way before the file is not taken for what it claims to be."""
_YEAR = r"(?P<y>(?:19|20)\d\d)"
_MONTH = r"(?P<m>0\d|1[0-2])"
_DAY = r"(?P<d>[0-3]\d)"
_VENUE: Final = r"(?P<venue>[A-Z]+)_?ITCH"
_NAMES: Final = (
    (re.compile(rf"{_MONTH}{_DAY}{_YEAR}\.{_VENUE}", re.IGNORECASE), "{y}-{m}-{d}"),
    (re.compile(rf"{_YEAR}{_MONTH}{_DAY}\.{_VENUE}", re.IGNORECASE), "{y}-{m}-{d}"),
    (re.compile(rf"(?P<venue>)S{_MONTH}{_DAY}(?P<y>\d\d)-v50", re.IGNORECASE), "20{y}-{m}-{d}"),
)
_OTHER: Final = (".csv", ".json", ".md", ".pdf", ".xml", ".html")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._\-+]")


def symbol_of(stock: str) -> str:
    """A stock's name as a symbol of the lake: characters unfit for folder names become ``_`` and their hex code.

    >>> symbol_of("BRK.A"), symbol_of("GAM^B")
    ('BRK.A', 'GAM_5eB')
    """
    text = "".join(c if _PLAIN.fullmatch(c) else f"_{ord(c):02x}" for c in stock)
    return text if text[:1].isalnum() else f"x{text}"


def date_and_venue(name: str) -> tuple[str | None, str]:
    """ISO date and venue that a file name states; (None, NASDAQ) if it states none.

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
    """One symbol of an ITCH file whose rows were staged by a pass."""

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
        """The tape of the symbol's staged rows, in the stated tick or an inferred one, with its facts and warnings."""
        rows = self.staging.rows_of(self.locate)
        kinds = (rows[:, itch_state.R_META] >> 16) & 255
        visible = rows[kinds <= schema.EXECUTE, itch_state.R_LOTS_PRICE] & 0xFFFFFFFF
        unit = find_unit(self.tick, visible, f"{self.stock} of {self.source[0]}")
        midnight = midnight_ns(self.date, TIMEZONE)
        events, beyond = tape_of(rows, midnight, unit, self.date >= HIDDEN_SIDE_MASKED_FROM)
        warnings = (
            [f"{beyond:,} prices of {self.stock} beyond the last tick were put on it"]
            if beyond
            else []
        )
        broken = int(self.staging.broken_trades[self.locate])
        if broken:
            warnings.append(
                f"{broken:,} trades of {self.stock} were broken afterwards; the tape keeps them"
            )
        return Imported(self._instrument(events, unit, midnight, broken), events, tuple(warnings))

    def _instrument(self, events: Events, unit: int, midnight: int, broken: int) -> Instrument:
        """Facts of the symbol's tape: tick, session, counts."""
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
    """Tape of one symbol's staged rows in ticks of `unit`; prices beyond the last tick are set to it, and counted.

    `mask_hidden`: hidden executions get side 0 unless their side is known.
    """
    meta = rows[:, itch_state.R_META]
    price = rows[:, itch_state.R_LOTS_PRICE] & 0xFFFFFFFF
    kind = (meta >> 16) & 255
    side = ((meta >> 8) & 255) - 1
    marks = meta & 255
    status = kind == schema.STATUS
    ticks, off = ticks_away(price, unit, side)
    beyond = (ticks >= MOST_LOTS) & ~status
    ticks = np.where(beyond, MOST_LOTS - 1, ticks)
    masked = (kind == schema.TRADE_HIDDEN) & ((marks & f.SIDE_KNOWN) == 0) & mask_hidden
    flags = (marks | np.where((off & ~status) | beyond, schema.OFF_TICK, 0)) & (f.SIDE_KNOWN - 1)
    ends = (marks & schema.MESSAGE_END) != 0
    seq = 1 + np.cumsum(ends) - ends
    ns = midnight + rows[:, itch_state.R_NS]
    columns = (
        *(ns, ns, seq, kind, rows[:, itch_state.R_ID], np.where(masked, 0, side)),
        *(
            np.where(status, np.where(price == 0xFFFFFFFF, -1, price), ticks),
            rows[:, itch_state.R_LOTS_PRICE] >> 32,
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
    def days(
        self, paths: Sequence[Path], options: FeedOptions
    ) -> Iterator[list[ItchDay | ItchEventsDay]]:
        """Context with a day for each wanted symbol in each file, sorted; each file is passed over here, once.

        A CSV of events (`itch_events`) is a slice of a day.
        """
        self.files = []
        with ExitStack() as stack:
            files = stack.enter_context(members(paths))
            slices = [member for member in files if fields_of(member)]
            days: list[ItchDay | ItchEventsDay] = [*events_days(slices, options)]
            named = named_files([member for member in files if member not in slices], options.date)
            for member, date, venue in named:
                days += self._of_file(member, date, venue, options, stack)
            yield sorted(days, key=lambda day: (day.symbol, day.date))

    def _of_file(
        self, member: Member, date: str, venue: str, options: FeedOptions, stack: ExitStack
    ) -> list[ItchDay]:
        """Pass over one file and return the days of its wanted symbols with orders; FeedError if a requested one has none."""
        picks = tuple(split_commas(options.symbol or ""))
        for pick in picks:
            if not (len(pick) <= 8 and pick.isascii()):
                raise FeedError(
                    "symbols of at most 8 letters", repr(pick), "write `symbol=AAPL,MSFT`"
                )
        store = ItchStore(picks)
        staging = Staging()
        stack.callback(staging.forget)
        counts = run_chunks(
            member.chunks(), member.location, store, staging, self.allow_cut, self.progress
        )
        staging.close()
        refuse_odd(counts)
        self.files.append(counts)
        active = np.flatnonzero(staging.active)
        stocks = {
            itch_format.unpacked_name(int(store.names[locate])): int(locate) for locate in active
        }
        for pick in picks:
            if pick not in stocks:
                raise _no_symbol(pick, store, member)
        opened = int(store.w[itch_state.OPEN_NS])
        closed = int(store.w[itch_state.CLOSE_NS])
        stated = 0 <= opened < closed
        session = (opened, closed) if stated else session_ns(date)
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


def named_files(files_given: Sequence[Member], date: str | None) -> list[tuple[Member, str, str]]:
    """The ITCH files among members, each with its date (`date`, else of its name) and venue; FeedError without, or for two alike.

    Raises
    ------
    FeedError
        When a date stays unknown, or two files are of one day and venue.
    """
    files = [m for m in files_given if Path(m.name).suffix.lower() not in _OTHER]
    if files_given and not files:
        raise FeedError(
            "ITCH 5.0 files",
            files_given[0].location,
            "give files as NASDAQ publishes them, or a capture",
        )
    named: list[tuple[Member, str, str]] = []
    for member in files:
        stated, venue = date_and_venue(member.name)
        day = date or stated
        if day is None:
            raise FeedError(
                "a name that says the day, like 01302019.NASDAQ_ITCH50",
                member.location,
                "give `date=YYYY-MM-DD`, or rename the file",
            )
        for earlier, its_day, its_venue in named:
            if (its_day, its_venue) == (day, venue):
                raise FeedError(
                    "one file for each day",
                    f"{earlier.location} and {member.location}, both {venue} of {day}",
                    "import one of them",
                )
        midnight_ns(day, TIMEZONE)
        named.append((member, day, venue))
    return named


def refuse_odd(counts: FileCounts) -> None:
    """FeedError for a file in which one oddity is counted more than 100 times and in over 1 % of the messages.

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
    """Error for a requested symbol that is not in the file, with similar names, or that has no order in it."""
    names = sorted({itch_format.unpacked_name(int(n)) for n in store.names[store.names != 0]})
    if pick in names:
        return FeedError(
            "a symbol with orders",
            f"{pick} without one order or trade in {member.location}",
            "take another symbol",
        )
    near = ", ".join(nearest_names(pick, names, 3))
    return FeedError(
        f"a symbol of {member.location}",
        repr(pick),
        f"take one like {near}" if near else "check the file",
    )
