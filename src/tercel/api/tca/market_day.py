"""A recorded day for the cost of executions: the best quotes after every message, the mid's path, the prints."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, TapeError
from tercel.core.vocabulary import NO_ASK, NS_PER_SECOND
from tercel.desk.trading.tca.measure import PRINTS
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.schema import CROSS, MESSAGE_END, STATUS, TRADE, TRADE_HIDDEN

FEWEST = 1024
"""Orders that a book has room for at least."""
LEAST_AGE_S = 60.0
GAPS = 5.0
"""So many times the 99th percentile of a session's gaps between messages of its book, a quote may be old."""


@dataclass(frozen=True, eq=False)
class MarketDay:
    """One day of one symbol.

    Parameters
    ----------
    instrument : Instrument
    ns : int64 (n,)
        Times of messages, in order.
    bid, ask : int64 (n,)
        Best quotes after each of them, ticks; 0 on both sides where one is empty or they cross.
    book_ns : int64 (n,)
        Time of the last message about the book by then: trades, auctions and trading status are none.
    halts : int64 (h, 2)
        From when until when trading was not on.
    print_ns, print_price, print_lots : int64 (t,)
        Trades of the session, hidden ones among them; auctions are not.
    open_ns, close_ns : int
        The session; that of the tape where the feed does not say.
    age_ns : int
        How long ago the book may have been spoken of last for its quotes to be quotes.
    """

    instrument: Instrument
    ns: Ints
    bid: Ints
    ask: Ints
    book_ns: Ints
    halts: Ints
    print_ns: Ints
    print_price: Ints
    print_lots: Ints
    open_ns: int
    close_ns: int
    age_ns: int

    def before(self, ns: int) -> tuple[int, int]:
        """Best bid and ask just before whatever happened at `ns`; (0, 0) where there was no quote, or an old one."""
        halted = len(self.halts) and bool(
            ((self.halts[:, 0] <= ns) & (ns < self.halts[:, 1])).any()
        )
        if halted or self.is_stale(ns) or not self.open_ns <= ns <= self.close_ns:
            return 0, 0
        row = int(np.searchsorted(self.ns, ns)) - 1
        return (int(self.bid[row]), int(self.ask[row])) if row >= 0 else (0, 0)

    def is_stale(self, ns: int) -> bool:
        """Whether the book had not been spoken of for longer than `age_ns` just before `ns`."""
        row = int(np.searchsorted(self.ns, ns)) - 1
        return row >= 0 and ns - int(self.book_ns[row]) > self.age_ns

    def span(self, ns: int, within_ns: int = 0) -> tuple[int, int]:
        """Lowest bid and highest ask from just before `ns` until all of the next `within_ns` has happened, the moment
        itself included; moments without quotes on both sides do not count.

        (0, 0) where nothing was quoted just before.
        """
        if not self.before(ns)[0]:
            return 0, 0
        seen = slice(
            np.searchsorted(self.ns, ns, side="left") - 1,
            np.searchsorted(self.ns, ns + within_ns, side="right"),
        )
        bid, ask = self.bid[seen], self.ask[seen]
        return int(bid[bid > 0].min()), int(ask.max())

    def fits(self, ns: Ints, price: Floats, within_ns: int = 0) -> Bools:
        """Whether prices (ticks) lie within `span` of their times; shape of both."""
        inside = (ns >= self.open_ns) & (ns <= self.close_ns)
        for since, until in self.halts:
            inside &= (ns < since) | (ns >= until)
        by_time = np.argsort(ns, kind="stable")
        first = np.maximum(np.searchsorted(self.ns, ns[by_time], side="left") - 1, 0)
        last = np.maximum(
            np.searchsorted(self.ns, ns[by_time] + within_ns, side="right"), first + 1
        )
        edges = np.stack([first, last], axis=1).ravel()
        bid = np.append(np.where(self.bid > 0, self.bid, NO_ASK), NO_ASK)
        lowest, highest = (np.empty_like(ns) for _ in range(2))
        lowest[by_time] = np.minimum.reduceat(bid, edges)[::2]
        highest[by_time] = np.maximum.reduceat(np.append(self.ask, 0), edges)[::2]
        quoted = np.empty_like(inside)
        quoted[by_time] = (self.bid[first] > 0) & (ns[by_time] - self.book_ns[first] <= self.age_ns)
        return np.asarray(
            inside & quoted & (ns > self.ns[0]) & (lowest <= price) & (price <= highest)
        )

    @property
    def first_ns(self) -> int:
        """Just after the first quotes of the session."""
        return int(self.ns[np.argmax((self.bid > 0) & (self.ns >= self.open_ns))]) + 1

    @cached_property
    def mids(self) -> tuple[Ints, Ints]:
        """Times and mids (half ticks) of the session, a row where it changes; it stays where a side is empty."""
        quoted = np.flatnonzero((self.bid > 0) & (self.ns <= self.close_ns))
        first = max(int(np.searchsorted(self.ns[quoted], self.open_ns, side="right")) - 1, 0)
        ns, mid2 = (
            np.maximum(self.ns[quoted[first:]], self.open_ns),
            (self.bid + self.ask)[quoted[first:]],
        )
        changed = np.flatnonzero(np.diff(mid2, prepend=-1))
        return ns[changed], mid2[changed]


def read_day(lake: Lake, instrument: Instrument, quote_age_s: float | None = None) -> MarketDay:
    """A day of the lake.

    Parameters
    ----------
    lake : Lake
    instrument : Instrument
    quote_age_s : float or None
        How old a quote may be, seconds; None: by the session's own gaps (`GAPS`), at least `LEAST_AGE_S`. An outage is
        one gap among many, which a percentile of them does not see.

    Raises
    ------
    TapeError
        A day without a book.
    """
    from tercel.market.book import Book

    about, events = lake.read(instrument.symbol, instrument.date, instrument.venue)
    ns = events.exch_ns
    quotes = Book(max(len(np.unique(events.order_id)), FEWEST), own=0).quotes(events)
    complete = (events.flags & MESSAGE_END) != 0
    bid, ask = quotes[complete, 0].astype(np.int64), quotes[complete, 1].astype(np.int64)
    quoted = (bid > 0) & (ask < NO_ASK) & (bid <= ask)
    if not quoted.any():
        raise TapeError(
            f"a day of {about.symbol} with quotes",
            f"{about.date} without any",
            "import the day again",
        )
    opening, close = about.session_open_ns or int(ns[0]), about.session_close_ns or int(ns[-1])
    status = np.flatnonzero(events.kind == STATUS)
    off = events.price_ticks[status] != 1
    ends = np.append(ns[status[1:]], close + 1) if len(status) else ns[:0]
    prints = np.isin(events.kind, PRINTS) & (ns >= opening) & (ns <= close)
    of_book = ~np.isin(events.kind, (TRADE, TRADE_HIDDEN, CROSS, STATUS))
    book_ns = np.maximum.accumulate(np.where(of_book, ns, ns[0]))
    if quote_age_s is None:
        gaps = np.diff(np.unique(np.clip(book_ns, opening, close)))
        usual_ns = float(np.quantile(gaps, 0.99)) if len(gaps) else 0.0
        quote_age_s = max(LEAST_AGE_S, GAPS * usual_ns / NS_PER_SECOND)
    return MarketDay(
        about,
        ns[complete],
        bid * quoted,
        ask * quoted,
        book_ns[complete].astype(np.int64),
        np.stack([ns[status], ends], axis=1)[off].astype(np.int64).reshape(-1, 2),
        ns[prints].astype(np.int64),
        events.price_ticks[prints].astype(np.int64),
        events.qty_lots[prints].astype(np.int64),
        opening,
        close,
        round(quote_age_s * NS_PER_SECOND),
    )


class Calendar:
    """Days of a lake by symbol and moment.

    Parameters
    ----------
    lake : Lake
    """

    def __init__(self, lake: Lake) -> None:
        self._days: dict[str, list[tuple[int, int, Instrument]]] = defaultdict(list)
        for one in lake.list():
            self._days[one.symbol].append((*one.span, one))
        for rows in self._days.values():
            rows.sort(key=lambda row: row[:2])

    def day(self, symbol: str, ns: int, venue: str = "") -> Instrument | None:
        """The day of a symbol at a moment, None where the lake has none.

        Raises
        ------
        DataError
            When several venues have it and `venue` is none of them.
        """
        rows = self._days.get(symbol, [])
        upto = bisect_right(rows, ns, key=lambda row: row[0])
        found = [one for _, end, one in rows[:upto] if ns < end]
        named = [one for one in found if one.venue == venue]
        if len(found) > 1 and not named:
            venues = ", ".join(one.venue for one in found)
            raise DataError(
                f"one tape of {symbol} on {found[0].date}",
                f"several: {venues}",
                "name it with `venue=`",
            )
        return next(iter(named or found), None)

    def meant(self, symbol: str) -> str:
        """Symbol of the lake that differs by small letters and capitals alone, "" where there is none."""
        folded = symbol.casefold()
        return next((name for name in self._days if name.casefold() == folded), "")

    def earlier(self, day: Instrument) -> Sequence[Instrument]:
        """Days of the same tape before a day, latest last."""
        rows = [one for _, _, one in self._days.get(day.symbol, []) if one.venue == day.venue]
        return [one for one in rows if one.date < day.date]
