"""LOBSTER: which files are there, which belong together, for which symbol and day.

Names are ``TICKER_YYYY-MM-DD_start_end_message_LEVELS.csv`` and ``..._orderbook_LEVELS.csv``, start and end in ms after
midnight. Files of other names are taken when symbol and date are given and no more than one of each role is there.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.jit import Longs, Packed
from tercel.feeds import lobster_csv as k
from tercel.feeds.lobster_csv import (
    MESSAGE_WIDTHS,
    UNITS_PER_DOLLAR,
    WORTH_SAYING,
    Messages,
    columns_of,
    infer_unit,
    read_messages,
    read_orderbook,
    share_off,
    stated_unit,
)
from tercel.feeds.members import Member, members
from tercel.market.book import Book
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Extra, Instrument, midnight_ns

# -- lobster errors -------------------------------------------------------------------------------
# Errors of rows of a LOBSTER file: expected, received, remedy.

# -- lobster day -----------------------------------------------------------------------------------
# One LOBSTER day: read, check, translate to the tape.
#
# Kinds: 1 ADD, 2 REDUCE, 3 DELETE, 4 EXECUTE, 5 TRADE_HIDDEN (order id 0; side 0 from 2014-07-14, when the direction of
# hidden trades was masked), 6 CROSS (its id says which: -1 open, -2 close, others halt or IPO), 7 STATUS. A tape with an
# orderbook file opens with the levels of its first row less what message 1 did, as anonymous blocks of message 0.

_AGAIN: Final = "correct the row or download the file again"
_NAMES: Final = {
    k.BAD_TYPE: ("type", "an event type from 1 to 7", _AGAIN),
    k.BAD_DIRECTION: ("direction", "a direction of 1 (bid) or -1 (ask)", _AGAIN),
    k.BAD_SIZE: ("size", "a positive size below 2**30 shares", _AGAIN),
    k.BAD_PRICE: ("price", "a positive price", _AGAIN),
    k.BAD_TIME: ("time", "seconds after midnight, from 0 to 86400", _AGAIN),
    k.TIME_BACK: (
        "time",
        "a time not before the row above",
        "do not sort the file: download it again",
    ),
    k.BAD_STATUS: ("price", "a trading status (-1, 0 or 1) as price of a halt message", _AGAIN),
    k.FINE_TICK: ("price", "prices below 2**30 ticks", "give a larger `tick=`, or leave it out"),
    k.BOOK_CROSSED: ("ask price 1", "a best ask above the best bid", _AGAIN),
    k.BOOK_PRICE: ("price", "a positive price, or the sentinel of an empty level", _AGAIN),
    k.BOOK_SIZE: ("size", "a positive size (0 on an empty level)", _AGAIN),
    k.BOOK_ORDER: ("price", "levels ordered from the best price outwards", _AGAIN),
    k.BOOK_EMPTY: ("price", "no level behind an empty one", _AGAIN),
}


def row_error(code: int, value: object, row: int, where: str, place: str = "") -> FeedError:
    """Error for the 0-based `row` of the file `where`; `place` adds a level and side."""
    name, expected, remedy = _NAMES[code]
    return FeedError(expected, f"{name}{place} {value} in row {row + 1} of {where}", remedy)


# -- lobster day ----------------------------------------------------------------------------------

TIMEZONE: Final = "America/New_York"
VENUE: Final = "NASDAQ"
HIDDEN_SIDE_MASKED_FROM: Final = "2014-07-14"
MOST_ILLEGAL: Final = 0.01
"""Share of rows that may be unexplained before the two files count as not belonging together."""
MOST_CROSSED: Final = 0.01
"""Share of rows that may leave the book of messages alone crossed before a warning."""
# By LOBSTER's type.
_KINDS: Final = np.array(
    [
        0,
        schema.ADD,
        schema.REDUCE,
        schema.DELETE,
        schema.EXECUTE,
        schema.TRADE_HIDDEN,
        schema.CROSS,
        schema.STATUS,
    ]
)


def _alone(events: Events, where: str) -> list[str]:
    """Warnings on messages without their orderbook file: missing orders from before row 1, and levels that then cross."""
    book = Book()
    book.apply(events)
    later = np.isin(events.kind, (schema.REDUCE, schema.DELETE, schema.EXECUTE))
    older = int(
        (later & ~np.isin(events.order_id, events.order_id[events.kind == schema.ADD])).sum()
    )
    missing = [
        f"no orderbook file for {where}: {older:,} of {events.n:,} rows concern orders from before its first row "
        "and are missing; import both files of the download together"
    ]
    if book.crossed <= MOST_CROSSED * events.n:
        return missing if older else []
    return [
        f"these messages alone leave the book crossed after {book.crossed:,} of {events.n:,} rows: a file that shows "
        "only some levels needs its orderbook file beside it; nothing can be run on this day as it is"
    ]


@dataclass(frozen=True)
class LobsterDay:
    """The files of one symbol and day.

    Parameters
    ----------
    symbol, date : str
        From the file names or the user.
    messages : Member
        The message file.
    orderbook : Member or None
        The orderbook file.
    start_ms, end_ms : int
        Session, ms after midnight.
    tick : float or None
        Stated tick in dollars.
    levels : int
        Levels that the orderbook file's name says, 0 when it says none.
    """

    symbol: str
    date: str
    messages: Member
    orderbook: Member | None
    start_ms: int
    end_ms: int
    tick: float | None = None
    levels: int = 0

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(m.name for m in (self.messages, self.orderbook) if m is not None)

    def read(self) -> Imported:
        """Translate the day.

        Raises
        ------
        FeedError
            With file, row, field and remedy, when a file is not what it claims to be.
        """
        messages = read_messages(self.messages)
        visible = messages.price[messages.type <= 4]
        if self.tick is None:
            unit = infer_unit(visible)
        else:
            unit = stated_unit(self.tick, visible, self.messages.where)
        plain = self._translate(messages, unit)
        warnings: list[str] = []
        if messages.attributed:
            warnings.append(
                f"the seventh column of {self.messages.where}, the attribution of orders, is left out"
            )
        if (off := share_off(unit, visible)) > WORTH_SAYING:
            tick = unit / UNITS_PER_DOLLAR
            warnings.append(
                f"{off:.1%} of the visible prices of {self.messages.where} are not on the tick of {tick}"
            )
        levels, book_off = 0, 0
        events = plain
        if self.orderbook is not None:
            book = self._read_orderbook(plain.n)
            levels = book.shape[0] // 4
            events, report = with_rolls(plain, book, unit, self.orderbook.where)
            book_off = int(report[k.OFF])
            warnings += self._judge(report, plain.n)
        else:
            warnings += _alone(plain, self.messages.where)
        off_tick = int(np.count_nonzero(events.flags & schema.OFF_TICK))
        extra: Extra = {
            "feed": "lobster",
            "messages": plain.n,
            "orderbook_on_tick": not book_off,
        }
        midnight = midnight_ns(self.date, TIMEZONE)
        instrument = Instrument(
            venue=VENUE,
            symbol=self.symbol,
            date=self.date,
            tick=unit / UNITS_PER_DOLLAR,
            lot=1,
            levels=levels,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=midnight + self.start_ms * 1_000_000,
            session_close_ns=midnight + self.end_ms * 1_000_000,
            rows=events.n,
            tick_rule="inferred" if self.tick is None else "stated",
            off_tick_rows=off_tick,
            extra=extra,
        )
        return Imported(instrument, events, tuple(warnings))

    def _translate(self, m: Messages, unit: int) -> Events:
        """Messages as one row each."""
        halt, cross = m.type == k.HALT_TYPE, m.type == 6
        ticks, rest = np.divmod(m.price, unit)
        off = (rest != 0) & ~halt
        ticks += off & (m.direction < 0)
        least = np.where(cross, 0, 1)
        problems: dict[int, tuple[NDArray[Any], NDArray[np.bool_]]] = {
            k.BAD_TIME: (m.time, ~((m.time >= 0.0) & (m.time <= k.LAST_SECOND))),
            k.TIME_BACK: (m.time, np.diff(m.time, prepend=-1.0) < 0),
            k.BAD_TYPE: (m.type, (m.type < 1) | (m.type > k.HALT_TYPE)),
            k.BAD_STATUS: (m.price, halt & (np.abs(m.price) > 1)),
            k.BAD_DIRECTION: (m.direction, ~halt & (np.abs(m.direction) != 1)),
            k.BAD_SIZE: (m.size, ~halt & ((m.size < least) | (m.size >= k.MOST))),
            k.BAD_PRICE: (m.price, ~halt & (m.price < least)),
            k.FINE_TICK: (m.price, ~halt & (ticks >= k.MOST)),
        }
        bad = np.select([wrong for _, wrong in problems.values()], list(problems), 0)
        if bad.any():
            row = int(np.argmax(bad != 0))
            code = int(bad[row])
            value = problems[code][0][row]
            if code == k.FINE_TICK:
                value = f"{value} (tick {unit / UNITS_PER_DOLLAR})"
            raise row_error(code, value, row, self.messages.where)
        rows = Events.empty(len(m.time))
        rows.exch_ns[:] = midnight_ns(self.date, TIMEZONE) + np.rint(m.time * 1e9).astype(np.int64)
        rows.recv_ns[:] = rows.exch_ns
        rows.seq[:] = np.arange(1, rows.n + 1)
        rows.kind[:] = _KINDS[m.type]
        nobodys = (rows.kind == schema.TRADE_HIDDEN) | halt
        masked = (rows.kind == schema.TRADE_HIDDEN) & (self.date >= HIDDEN_SIDE_MASKED_FROM)
        rows.order_id[:] = np.where(nobodys, 0, m.order_id)
        rows.side[:] = np.where(halt | cross | masked, 0, m.direction)
        rows.price_ticks[:] = np.where(
            halt, m.price, np.maximum(ticks, least)
        )  # a bid below one tick: on the first
        rows.qty_lots[:] = np.where(halt, 0, m.size)
        rows.flags[:] = schema.MESSAGE_END | np.where(off, schema.OFF_TICK, 0)
        return rows

    def _read_orderbook(self, messages: int) -> Longs:
        assert self.orderbook is not None
        book = read_orderbook(self.orderbook)
        levels, rows = book.shape[0] // 4, book.shape[1]
        if self.levels not in (0, levels):
            raise FeedError(
                f"{self.levels} levels, as the name says",
                f"{levels} in {self.orderbook.where}, row 1",
                "check where the file comes from",
            )
        if rows != messages:
            raise FeedError(
                "as many rows of messages as of the orderbook",
                f"{messages} rows in {self.messages.where} and {rows} in {self.orderbook.where}",
                "pair the files of one download; the shorter one may be cut",
            )
        return book

    def _judge(self, report: Longs, rows: int) -> list[str]:
        """Nothing, a warning, or an error for rows that the messages do not explain."""
        assert self.orderbook is not None
        illegal, first = int(report[k.ILLEGAL]), int(report[k.FIRST_ILLEGAL])
        if illegal == 0:
            return []
        if first == rows - 1 and not self.orderbook.content().endswith(b"\n"):
            raise FeedError(
                "a whole last row",
                f"{self.orderbook.where}, row {rows}, which the message does not explain and no line end closes",
                "the file was cut off: fetch it again",
            )
        found = f"{illegal} of {rows} rows of {self.orderbook.where} do not follow from the row before and the message"
        if illegal > max(2, MOST_ILLEGAL * rows):
            raise FeedError(
                f"an orderbook that the messages explain (all but {MOST_ILLEGAL:.0%} of rows)",
                f"{found}, the first in row {first + 1}",
                "pair each message file with its own orderbook file; with `tick=`, give a finer one",
            )
        return [f"{found}, the first in row {first + 1}; `tercel data verify` will count them"]


def with_rolls(plain: Events, book: Longs, unit: int, where: str) -> tuple[Events, Longs]:
    """Messages with opening blocks before and rolls between them, as the levels shown after each ask for.

    Parameters
    ----------
    plain : Events
        One row per message, numbered from 1.
    book : int64 (4 L, n)
        Columns of the orderbook file (`lobster_csv.read_orderbook`).
    unit : int
        The tick in the file's units.
    where : str
        The book's file, for people.

    Returns
    -------
    events : Events
    report : int64[REPORT]
        See `lobster_kernels`.

    Raises
    ------
    FeedError
        Levels that make no sense.
    """
    levels = book.shape[0] // 4
    state = np.zeros((2, 2, 3, levels + 3), np.int32)
    count = np.zeros(8, np.int64)
    report = np.zeros(k.REPORT, np.int64)
    _open(plain, book, unit, state, count, report, where)
    opening = opening_rows(plain, state, count)
    messages = np.stack(plain.columns(), dtype=np.int64).T
    rows = np.empty((messages.shape[1], plain.n + plain.n // 2 + 16 * levels + 64), np.int64).T
    row, at = 0, 0
    while row < plain.n:
        row, at = k.roll_rows(book, unit, row, at, state, count, messages, rows, report)
        _raise_for(report, book, where)
        if row < plain.n:
            rows = np.concatenate((rows.T, np.empty_like(rows.T)), axis=1).T
    return Events.joined([opening, Events.from_table(rows[:at])]), report


def _open(
    plain: Events, book: Longs, unit: int, state: Packed, count: Longs, report: Longs, where: str
) -> None:
    """Levels before message 1: row 0 less what it did."""
    for h, side in enumerate((1, -1)):
        count[h] = k.read_levels(
            book, 0, side, unit, state[h, 0, 0], state[h, 0, 1], state[h, 0, 2], report
        )
        _raise_for(report, book, where)
    kind, side = int(plain.kind[0]), int(plain.side[0])
    if kind <= schema.EXECUTE:
        h = 0 if side > 0 else 1
        inverse = schema.REDUCE if kind == schema.ADD else schema.ADD
        price, lots = int(plain.price_ticks[0]), int(plain.qty_lots[0])
        p = state[h, 0]
        count[h] = k.apply_message(p[0], p[1], p[2], int(count[h]), side, inverse, price, lots)
    report[:] = 0


def _raise_for(report: Longs, book: Longs, where: str) -> None:
    code, row, level = (int(x) for x in report[[k.CODE, k.ROW, k.LEVEL]])
    if code == 0:
        return
    ask_price, ask_size, bid_price, bid_size = (
        int(x) for x in book[4 * level : 4 * level + 4, row]
    )
    if code == k.BOOK_CROSSED:
        raise row_error(code, f"{ask_price}, best bid {bid_price},", row, where)
    raise row_error(
        code,
        f"ask {ask_price} x {ask_size}, bid {bid_price} x {bid_size},",
        row,
        where,
        f" on level {level + 1}:",
    )


def opening_rows(plain: Events, state: Packed, count: Longs) -> Events:
    """The opening blocks of message 0."""
    out = Events.empty(int(count[:2].sum()))
    at = 0
    for h, side in enumerate((1, -1)):
        n = int(count[h])
        rows = slice(at, at + n)
        out.side[rows] = side
        out.price_ticks[rows], out.qty_lots[rows] = state[h, 0, 0, :n], state[h, 0, 1, :n]
        out.flags[rows] = schema.OPENING | np.where(state[h, 0, 2, :n] != 0, schema.OFF_TICK, 0)
        at += n
    out.kind[:] = schema.ROLL_IN
    out.exch_ns[:] = out.recv_ns[:] = plain.exch_ns[0]
    out.flags[-1:] |= schema.MESSAGE_END
    return out


_NAME: Final = re.compile(
    r"(?P<symbol>.+)_(?P<date>\d{4}-\d{2}-\d{2})_(?P<start>\d+)_(?P<end>\d+)"
    r"_(?P<role>message|orderbook)_(?P<levels>\d+)\.csv",
    re.IGNORECASE,
)
_SESSION_MS: Final = (34_200_000, 57_600_000)
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class LobsterFile:
    """A file with what its name says (symbol and date may be the user's)."""

    member: Member
    symbol: str
    date: str
    role: str
    levels: int
    start_ms: int
    end_ms: int


class LobsterFeed:
    """LOBSTER files as a :class:`tercel.market.feed.Feed`.

    Examples
    --------
    >>> feed = LobsterFeed()
    >>> with feed.days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "lobster"

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list[LobsterDay]]:
        """See :meth:`tercel.market.feed.Feed.days`."""
        with members(paths) as found:
            named = [n for n in (_named(m, options) for m in found) if n is not None]
            named += _unnamed(found, options)
            if paths and not named:
                raise FeedError(
                    "files named like TICKER_DATE_START_END_message_LEVELS.csv",
                    ", ".join(m.name for m in found[:3]),
                    "check the path; for files of other names give `symbol=` and `date=`",
                )
            yield _paired(named, options.tick)


def _named(member: Member, options: FeedOptions) -> LobsterFile | None:
    match = _NAME.fullmatch(member.name)
    if match is None:
        return None
    symbol = match["symbol"] if options.symbol is None else options.symbol
    date = match["date"] if options.date is None else options.date
    levels, start_ms, end_ms = (int(match[name]) for name in ("levels", "start", "end"))
    return LobsterFile(member, symbol, date, match["role"].lower(), levels, start_ms, end_ms)


def _unnamed(found: Sequence[Member], options: FeedOptions) -> list[LobsterFile]:
    """CSV files of other names, their role known by the number of columns: six or seven are messages."""
    others = [
        m
        for m in found
        if _NAME.fullmatch(m.name) is None and Path(m.name).suffix.lower() == ".csv"
    ]
    if not others:
        return []
    if options.symbol is None or options.date is None:
        missing = " and ".join(f"`{w}=`" for w in ("symbol", "date") if getattr(options, w) is None)
        raise FeedError(
            "a name like TICKER_YYYY-MM-DD_START_END_message_LEVELS.csv",
            others[0].where,
            f"give {missing}, or rename the file",
        )
    roles = ["message" if columns_of(m) in MESSAGE_WIDTHS else "orderbook" for m in others]
    return [
        LobsterFile(m, options.symbol, options.date, role, 0, *_SESSION_MS)
        for m, role in zip(others, roles, strict=True)
    ]


def _paired(named: Sequence[LobsterFile], tick: float | None) -> list[LobsterDay]:
    """One day for each symbol and date, its orderbook file with its message file."""
    groups: dict[tuple[str, str], list[LobsterFile]] = {}
    for n in named:
        groups.setdefault((n.symbol, n.date), []).append(n)
    return [_day(symbol, date, group, tick) for (symbol, date), group in sorted(groups.items())]


def _day(symbol: str, date: str, group: Sequence[LobsterFile], tick: float | None) -> LobsterDay:
    messages = [n for n in group if n.role == "message"]
    books = [n for n in group if n.role == "orderbook"]
    for role, files in (("message", messages), ("orderbook", books)):
        if len(files) > 1:
            raise FeedError(
                f"one {role} file for {symbol} on {date}",
                " and ".join(n.member.where for n in files[:3]),
                "import one of them; several days or symbols need names that tell them apart",
            )
    if not messages:
        raise FeedError(
            f"a message file for {symbol} on {date}",
            f"only {books[0].member.where}",
            "give the message file of the same download",
        )
    book = books[0] if books else None
    if book is not None and book.levels != messages[0].levels:
        raise FeedError(
            "message and orderbook files of the same number of levels",
            f"{messages[0].member.where} and {book.member.where}",
            "pair the right files",
        )
    first = messages[0]
    if not first.start_ms < first.end_ms <= _DAY_MS:
        raise FeedError(
            f"a session in ms after midnight, its start before its end, at most {_DAY_MS}",
            f"{first.start_ms} to {first.end_ms} in the name of {first.member.where}",
            "name the file as it was downloaded",
        )
    return LobsterDay(
        symbol,
        date,
        first.member,
        book.member if book else None,
        first.start_ms,
        first.end_ms,
        tick,
        book.levels if book else 0,
    )
