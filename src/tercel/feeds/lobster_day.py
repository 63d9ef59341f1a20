"""One LOBSTER day: message and orderbook files read, checked and translated to the tape.

Kinds: 1 ADD, 2 REDUCE, 3 DELETE, 4 EXECUTE, 5 TRADE_HIDDEN (order id 0; side 0 from 2014-07-14, when the direction of
hidden trades was masked), 6 CROSS (its id says which: -1 open, -2 close, others halt or IPO), 7 STATUS. A tape with an
orderbook file opens with the levels of its first row less what message 1 did, as anonymous blocks of message 0.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.jit import Longs, Packed
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds import lobster_kernels
from tercel.feeds.lobster_csv import Messages, read_messages, read_orderbook
from tercel.feeds.lobster_tick import (
    UNITS_PER_DOLLAR,
    WORTH_SAYING,
    find_unit,
    share_off,
)
from tercel.feeds.members import Member
from tercel.feeds.opening_rows import opening_rows
from tercel.feeds.typed_csv import ticks_away
from tercel.feeds.us_stocks import HIDDEN_SIDE_MASKED_FROM, TIMEZONE, VENUE
from tercel.market.book import Book
from tercel.market.feed import Imported
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Extra, Instrument
from tercel.market.tape.local_times import midnight_ns

_AGAIN: Final = "correct the row or download the file again"
_NAMES: Final = {
    lobster_kernels.BAD_TYPE: ("type", "an event type from 1 to 7", _AGAIN),
    lobster_kernels.BAD_DIRECTION: ("direction", "a direction of 1 (bid) or -1 (ask)", _AGAIN),
    lobster_kernels.BAD_SIZE: ("size", "a positive size below 2**30 shares", _AGAIN),
    lobster_kernels.BAD_PRICE: ("price", "a positive price", _AGAIN),
    lobster_kernels.BAD_TIME: ("time", "seconds after midnight, from 0 to 86400", _AGAIN),
    lobster_kernels.TIME_BACK: (
        "time",
        "a time not before the row above",
        "do not sort the file: download it again",
    ),
    lobster_kernels.BAD_STATUS: (
        "price",
        "a trading status (-1, 0 or 1) as price of a halt message",
        _AGAIN,
    ),
    lobster_kernels.FINE_TICK: (
        "price",
        "prices below 2**30 ticks",
        "give a larger `tick=`, or leave it out",
    ),
    lobster_kernels.BOOK_CROSSED: ("ask price 1", "a best ask above the best bid", _AGAIN),
    lobster_kernels.BOOK_PRICE: (
        "price",
        "a positive price, or the sentinel of an empty level",
        _AGAIN,
    ),
    lobster_kernels.BOOK_SIZE: ("size", "a positive size (0 on an empty level)", _AGAIN),
    lobster_kernels.BOOK_ORDER: ("price", "levels ordered from the best price outwards", _AGAIN),
    lobster_kernels.BOOK_EMPTY: ("price", "no level behind an empty one", _AGAIN),
}


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


def row_error(code: int, value: object, row: int, location: str, place: str = "") -> FeedError:
    """Error for the 0-based `row` of a file, by its fault code, returned; `place` adds a level and side."""
    name, expected, remedy = _NAMES[code]
    return FeedError(expected, f"{name}{place} {value} in row {row + 1} of {location}", remedy)


def _warnings_without_book(events: Events, location: str) -> list[str]:
    """Warnings on messages without orderbook file: orders from before row 1 that they lack, or a book that they leave crossed."""
    book = Book()
    book.apply(events)
    later = np.isin(events.kind, (schema.REDUCE, schema.DELETE, schema.EXECUTE))
    older = int(
        (later & ~np.isin(events.order_id, events.order_id[events.kind == schema.ADD])).sum()
    )
    missing = [
        f"no orderbook file for {location}: {older:,} of {events.n:,} rows concern orders from before its first row "
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
        """Translate the day's files to a tape; with an orderbook file its levels open the tape, and ROLL rows follow
        it; FeedError for a file that is not what its name says.

        Raises
        ------
        FeedError
            With file, row, field and remedy, when a file is not what it claims to be.
        """
        messages = read_messages(self.messages)
        visible = messages.price[messages.type <= 4]
        unit = find_unit(self.tick, visible, self.messages.location)
        plain = self._translate(messages, unit)
        warnings: list[str] = []
        if messages.attributed:
            warnings.append(
                f"the seventh column of {self.messages.location}, the attribution of orders, is left out"
            )
        if (off := share_off(unit, visible)) > WORTH_SAYING:
            tick = unit / UNITS_PER_DOLLAR
            warnings.append(
                f"{off:.1%} of the visible prices of {self.messages.location} are not on the tick of {tick}"
            )
        levels = 0
        book_off = 0
        events = plain
        if self.orderbook is not None:
            book = self._read_orderbook(plain.n)
            levels = book.shape[0] // 4
            events, report = with_rolls(plain, book, unit, self.orderbook.location)
            book_off = int(report[lobster_kernels.OFF])
            warnings += self._judge(report, plain.n)
        else:
            warnings += _warnings_without_book(plain, self.messages.location)
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
        """Tape of the messages alone, one row each; FeedError, with its row, for an invalid message."""
        halt = m.type == lobster_kernels.HALT_TYPE
        cross = m.type == 6
        ticks, off = ticks_away(m.price, unit, m.direction)
        least = np.where(cross, 0, 1)
        problems: dict[int, tuple[NDArray[Any], NDArray[np.bool_]]] = {
            lobster_kernels.BAD_TIME: (
                m.time,
                ~((m.time >= 0.0) & (m.time <= lobster_kernels.LAST_SECOND)),
            ),
            lobster_kernels.TIME_BACK: (m.time, np.diff(m.time, prepend=-1.0) < 0),
            lobster_kernels.BAD_TYPE: (m.type, (m.type < 1) | (m.type > lobster_kernels.HALT_TYPE)),
            lobster_kernels.BAD_STATUS: (m.price, halt & (np.abs(m.price) > 1)),
            lobster_kernels.BAD_DIRECTION: (m.direction, ~halt & (np.abs(m.direction) != 1)),
            lobster_kernels.BAD_SIZE: (
                m.size,
                ~halt & ((m.size < least) | (m.size >= MOST_LOTS)),
            ),
            lobster_kernels.BAD_PRICE: (m.price, ~halt & (m.price < least)),
            lobster_kernels.FINE_TICK: (m.price, ~halt & (ticks >= MOST_LOTS)),
        }
        bad = np.select([wrong for _, wrong in problems.values()], list(problems), 0)
        if bad.any():
            row = int(np.argmax(bad != 0))
            code = int(bad[row])
            value = problems[code][0][row]
            if code == lobster_kernels.FINE_TICK:
                value = f"{value} (tick {unit / UNITS_PER_DOLLAR})"
            raise row_error(code, value, row, self.messages.location)
        ns = midnight_ns(self.date, TIMEZONE) + np.rint(m.time * 1e9).astype(np.int64)
        kind = _KINDS[m.type]
        is_hidden = kind == schema.TRADE_HIDDEN
        masked = is_hidden & (self.date >= HIDDEN_SIDE_MASKED_FROM)
        return Events.of_messages(
            ns,
            kind,
            np.where(is_hidden | halt, 0, m.order_id),
            np.where(halt | cross | masked, 0, m.direction),
            np.where(halt, m.price, ticks),
            np.where(halt, 0, m.size),
            np.where(off & ~halt, schema.OFF_TICK, 0),
        )

    def _read_orderbook(self, messages: int) -> Longs:
        """Columns of the orderbook file; FeedError if levels or rows do not fit the messages."""
        assert self.orderbook is not None
        book = read_orderbook(self.orderbook)
        levels = book.shape[0] // 4
        rows = book.shape[1]
        if self.levels not in (0, levels):
            raise FeedError(
                f"{self.levels} levels, as the name says",
                f"{levels} in {self.orderbook.location}, row 1",
                "check where the file comes from",
            )
        if rows != messages:
            raise FeedError(
                "as many rows of messages as of the orderbook",
                f"{messages} rows in {self.messages.location} and {rows} in {self.orderbook.location}",
                "pair the files of one download; the shorter one may be cut",
            )
        return book

    def _judge(self, report: Longs, rows: int) -> list[str]:
        """Warnings about orderbook rows that the messages do not explain; FeedError for over 1 % of them, or a cut last row."""
        assert self.orderbook is not None
        illegal = int(report[lobster_kernels.ILLEGAL])
        first = int(report[lobster_kernels.FIRST_ILLEGAL])
        if illegal == 0:
            return []
        if first == rows - 1 and not self.orderbook.content().endswith(b"\n"):
            raise FeedError(
                "a whole last row",
                f"{self.orderbook.location}, row {rows}, which the message does not explain and no line end closes",
                "the file was cut off: fetch it again",
            )
        summary = f"{illegal} of {rows} rows of {self.orderbook.location} do not follow from the row before and the message"
        if illegal > max(2, MOST_ILLEGAL * rows):
            raise FeedError(
                f"an orderbook that the messages explain (all but {MOST_ILLEGAL:.0%} of rows)",
                f"{summary}, the first in row {first + 1}",
                "pair each message file with its own orderbook file; with `tick=`, give a finer one",
            )
        return [f"{summary}, the first in row {first + 1}; `tercel data verify` will count them"]


def with_rolls(plain: Events, book: Longs, unit: int, location: str) -> tuple[Events, Longs]:
    """Tape of messages with opening levels and ROLL rows, so that its book shows the orderbook file's levels; and the report.

    Parameters
    ----------
    plain : Events
        One row per message, numbered from 1.
    book : int64 (4 L, n)
        Columns of the orderbook file (`lobster_csv.read_orderbook`).
    unit : int
        The tick in the file's units.
    location : str
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
    report = np.zeros(lobster_kernels.REPORT, np.int64)
    _open_levels(plain, book, unit, state, count, report, location)
    ns = plain.exch_ns[0]
    ticks, lots, off = np.concatenate([state[h, 0, :, : count[h]] for h in range(2)], axis=1)
    sides = np.repeat((1, -1), count[:2])
    opening = opening_rows(
        (ns, ns), schema.ROLL_IN, 0, sides, ticks, lots, (off != 0) * schema.OFF_TICK
    )
    messages = np.stack(plain.columns(), dtype=np.int64).T
    rows = np.empty((messages.shape[1], plain.n + plain.n // 2 + 16 * levels + 64), np.int64).T
    row = 0
    filled = 0
    while row < plain.n:
        row, filled = lobster_kernels.roll_rows(
            book, unit, row, filled, state, count, messages, rows, report
        )
        _raise_for(report, book, location)
        if row < plain.n:
            rows = np.concatenate((rows.T, np.empty_like(rows.T)), axis=1).T
    return Events.concatenate([opening, Events.from_table(rows[:filled])]), report


def _open_levels(
    plain: Events, book: Longs, unit: int, state: Packed, count: Longs, report: Longs, location: str
) -> None:
    """Set the levels before message 1 in `state` and `count`: the first orderbook row with that message undone."""
    for h, side in enumerate((1, -1)):
        count[h] = lobster_kernels.read_levels(book, 0, side, unit, state[h, 0], report)
        _raise_for(report, book, location)
    kind = int(plain.kind[0])
    side = int(plain.side[0])
    if kind <= schema.EXECUTE:
        h = 0 if side > 0 else 1
        inverse = schema.REDUCE if kind == schema.ADD else schema.ADD
        count[h] = lobster_kernels.apply_message(
            state[h, 0],
            int(count[h]),
            side,
            inverse,
            int(plain.price_ticks[0]),
            int(plain.qty_lots[0]),
        )
    report[:] = 0


def _raise_for(report: Longs, book: Longs, location: str) -> None:
    """Raise the error of a kernel's report; nothing if it has none."""
    code, row, level = (
        int(x) for x in report[[lobster_kernels.CODE, lobster_kernels.ROW, lobster_kernels.LEVEL]]
    )
    if code == 0:
        return
    ask_price, ask_size, bid_price, bid_size = (
        int(x) for x in book[4 * level : 4 * level + 4, row]
    )
    if code == lobster_kernels.BOOK_CROSSED:
        raise row_error(code, f"{ask_price}, best bid {bid_price},", row, location)
    raise row_error(
        code,
        f"ask {ask_price} x {ask_size}, bid {bid_price} x {bid_size},",
        row,
        location,
        f" on level {level + 1}:",
    )
