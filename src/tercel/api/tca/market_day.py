"""A recorded day of one symbol as the benchmark of executions: best quotes after every message, mid path, trades."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, TapeError, refuse_if
from tercel.core.grouping import group_values
from tercel.core.venue_rules import VenueRules
from tercel.core.vocabulary import NO_ASK, NS_PER_SECOND
from tercel.desk.trading.tca.measure import PRINTS
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.recorded_rules import recorded_hours, trading_times
from tercel.market.tape.schema import CROSS, MESSAGE_END, STATUS, TRADE, TRADE_HIDDEN

FEWEST = 1024
"""Least capacity of a book, in orders."""
LEAST_AGE_S = 60.0
GAPS = 5.0
"""Greatest age of a quote, as a multiple of the 99th percentile of the session's gaps between book messages."""


@dataclass(frozen=True, eq=False)
class MarketDay:
    """Best quotes, mids and trades of one symbol on one recorded day.

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
        From when until when trading was not on: halts, and breaks of the session.
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

    @cached_property
    def hours(self) -> VenueRules:
        """Its windows of trading, where it has breaks."""
        return recorded_hours(self.instrument)

    def quote_before(self, ns: int) -> tuple[int, int]:
        """Best bid and ask just before a time, in ticks; (0, 0) without a fresh quote, in a halt or out of the session."""
        halted = len(self.halts) and bool(
            ((self.halts[:, 0] <= ns) & (ns < self.halts[:, 1])).any()
        )
        if halted or self.is_stale(ns) or not self.open_ns <= ns <= self.close_ns:
            return 0, 0
        row = int(np.searchsorted(self.ns, ns)) - 1
        return (int(self.bid[row]), int(self.ask[row])) if row >= 0 else (0, 0)

    def is_stale(self, ns: int) -> bool:
        """Whether the last book message before `ns` is older than `age_ns`; False if there is none before.

        Breaks are no age: an order that arrives in one is priced at the last quote before it.
        """
        row = int(np.searchsorted(self.ns, ns)) - 1
        return row >= 0 and int(self._quote_ages(np.array(ns), self.book_ns[row])) > self.age_ns

    def _quote_ages(self, ns: Ints, quoted_ns: Ints) -> Ints:
        """Trading time from quotes until some times, ns."""
        return trading_times(self.hours, 0, ns) - trading_times(self.hours, 0, quoted_ns)

    def quote_range(self, ns: int, within_ns: int = 0) -> tuple[int, int]:
        """Lowest bid and highest ask (ticks) from just before `ns` to `within_ns` after it; (0, 0) without a quote then.

        All messages at `ns + within_ns` count; moments without quotes on both sides do not.

        (0, 0) where nothing was quoted just before.
        """
        if not self.quote_before(ns)[0]:
            return 0, 0
        seen = slice(
            np.searchsorted(self.ns, ns, side="left") - 1,
            np.searchsorted(self.ns, ns + within_ns, side="right"),
        )
        bid = self.bid[seen]
        ask = self.ask[seen]
        return int(bid[bid > 0].min()), int(ask.max())

    def is_within_quotes(self, ns: Ints, price: Floats, within_ns: int = 0) -> Bools:
        """Whether each price (ticks) lies within `quote_range` of its time; False out of session, in a halt, without quotes."""
        inside = (ns >= self.open_ns) & (ns <= self.close_ns)
        for since, until in self.halts:
            inside &= (ns < since) | (ns >= until)
        by_time = np.argsort(ns, kind="stable")
        first_rows = np.maximum(np.searchsorted(self.ns, ns[by_time], side="left") - 1, 0)
        last_rows = np.maximum(
            np.searchsorted(self.ns, ns[by_time] + within_ns, side="right"), first_rows + 1
        )
        edges = np.stack([first_rows, last_rows], axis=1).ravel()
        bid = np.append(np.where(self.bid > 0, self.bid, NO_ASK), NO_ASK)
        lowest, highest = (np.empty_like(ns) for _ in range(2))
        lowest[by_time] = np.minimum.reduceat(bid, edges)[::2]
        highest[by_time] = np.maximum.reduceat(np.append(self.ask, 0), edges)[::2]
        quoted = np.empty_like(inside)
        quoted[by_time] = (self.bid[first_rows] > 0) & (
            self._quote_ages(ns[by_time], self.book_ns[first_rows]) <= self.age_ns
        )
        return np.asarray(
            inside & quoted & (ns > self.ns[0]) & (lowest <= price) & (price <= highest)
        )

    @property
    def first_ns(self) -> int:
        """Time just after the first quotes of the session, ns."""
        return int(self.ns[np.argmax((self.bid > 0) & (self.ns >= self.open_ns))]) + 1

    @cached_property
    def mids(self) -> tuple[Ints, Ints]:
        """Times (ns) and mids (half ticks) of the session, one row per change; a one-sided book keeps the last mid."""
        quoted = np.flatnonzero((self.bid > 0) & (self.ns <= self.close_ns))
        first_row = max(int(np.searchsorted(self.ns[quoted], self.open_ns, side="right")) - 1, 0)
        ns = np.maximum(self.ns[quoted[first_row:]], self.open_ns)
        mid2 = (self.bid + self.ask)[quoted[first_row:]]
        changed = np.flatnonzero(np.diff(mid2, prepend=-1))
        return ns[changed], mid2[changed]


def read_day(lake: Lake, instrument: Instrument, quote_age_s: float | None = None) -> MarketDay:
    """Read a day of the lake with its quotes; TapeError for a day without any.

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
    quotes = Book(max(len(np.unique(events.order_id)), FEWEST), own_orders=0).quotes(events)
    complete = (events.flags & MESSAGE_END) != 0
    bid = quotes[complete, 0].astype(np.int64)
    ask = quotes[complete, 1].astype(np.int64)
    quoted = (bid > 0) & (ask < NO_ASK) & (bid <= ask)
    refuse_if(
        not quoted.any(),
        f"a day of {about.symbol} with quotes",
        f"{about.date} without any",
        "import the day again",
        TapeError,
    )
    opening = about.session_open_ns or int(ns[0])
    close = about.session_close_ns or int(ns[-1])
    status = np.flatnonzero(events.kind == STATUS)
    is_off = events.price_ticks[status] != 1
    breaks = [
        (window.end_ns, later.start_ns) for window, later in pairwise(recorded_hours(about).windows)
    ]
    status_ends = np.append(ns[status[1:]], close + 1) if len(status) else ns[:0]
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
        np.concatenate(
            [
                np.stack([ns[status], status_ends], axis=1)[is_off].astype(np.int64).reshape(-1, 2),
                np.array(breaks, np.int64).reshape(-1, 2),
            ]
        ),
        ns[prints].astype(np.int64),
        events.price_ticks[prints].astype(np.int64),
        events.qty_lots[prints].astype(np.int64),
        opening,
        close,
        round(quote_age_s * NS_PER_SECOND),
    )


class Calendar:
    """Recorded days of a lake, found by symbol and time.

    Parameters
    ----------
    lake : Lake
    """

    def __init__(self, lake: Lake) -> None:
        """Read the list of recorded days of the lake, by symbol in order of time."""
        self._days: dict[str, list[tuple[int, int, Instrument]]] = group_values(
            (instrument.symbol, (*instrument.span, instrument)) for instrument in lake.list()
        )
        for rows in self._days.values():
            rows.sort(key=lambda row: row[:2])

    def day(self, symbol: str, ns: int, venue: str = "") -> Instrument | None:
        """The recorded day of a symbol at a time; None if the lake has none.

        Raises
        ------
        DataError
            When several venues have it and `venue` is none of them.
        """
        rows = self._days.get(symbol, [])
        upto = bisect_right(rows, ns, key=lambda row: row[0])
        instruments = [instrument for _, end_ns, instrument in rows[:upto] if ns < end_ns]
        of_venue = [instrument for instrument in instruments if instrument.venue == venue]
        if len(instruments) > 1 and not of_venue:
            venues = ", ".join(instrument.venue for instrument in instruments)
            raise DataError(
                f"one tape of {symbol} on {instruments[0].date}",
                f"several: {venues}",
                "name it with `venue=`",
            )
        return next(iter(of_venue or instruments), None)

    def match_symbol(self, symbol: str) -> str:
        """Symbol of the lake that matches without regard to case, "" if none does."""
        folded = symbol.casefold()
        return next((name for name in self._days if name.casefold() == folded), "")

    def earlier(self, day: Instrument) -> Sequence[Instrument]:
        """Recorded days of the same symbol and venue before a day, oldest first."""
        rows = [
            instrument
            for _, _, instrument in self._days.get(day.symbol, [])
            if instrument.venue == day.venue
        ]
        return [instrument for instrument in rows if instrument.date < day.date]
