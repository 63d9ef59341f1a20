"""Binance Spot as a venue of a desk, in one thread: its owner calls :meth:`BinanceVenue.step`, or `poll` by a selector.

Orders and the account go over one connection (the WebSocket API), market data over another (streams); queries at
logon go over REST. No order is sent twice. Requests that were pending when a link broke are queried by their name.
"""

import atexit
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.capabilities import Capabilities
from tercel.core.errors import UnknownNameError, VenueError, suggest_name
from tercel.core.link.connection import WaitLimits
from tercel.core.link.order_memory import OrderMemory
from tercel.core.ports import Closing
from tercel.venues.binance_venue.account_events import STRANGE_S, AccountEvents
from tercel.venues.binance_venue.account_watch import AccountWatch
from tercel.venues.binance_venue.api import TradedSymbol
from tercel.venues.binance_venue.book import AHEAD_NS, StreamedBook
from tercel.venues.binance_venue.connections import SpotConnections
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.ledger import AssetLedger
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.spot_api import SpotAccount
from tercel.venues.binance_venue.terms import SpotTerms
from tercel.venues.binance_venue.tracker import MOST_STORED, OrderTracker
from tercel.venues.binance_venue.venue_clock import NS_PER_S, VenueClock

WIDTH: Final = 1024
"""Prices of the ring of a book: the venue's own reaches as far as there are orders."""
HOLD_S: Final = 0.25
"""Longest wait of market data for the answer to a pending order, so that they follow it, seconds."""
_TICK_S: Final = 0.25


class BinanceVenue(Closing):
    """Binance Spot as a venue of a desk; `binance_venue.opening.open_binance_venue` connects one.

    Parameters
    ----------
    terms : SpotTerms
    connections : SpotConnections
    memory : OrderMemory
        Names of orders.
    symbols : mapping of str to TradedSymbol
    clock : VenueClock
    patience : WaitLimits
    """

    def __init__(
        self,
        terms: SpotTerms,
        connections: SpotConnections,
        memory: OrderMemory,
        symbols: Mapping[str, TradedSymbol],
        clock: VenueClock,
        patience: WaitLimits,
    ) -> None:
        self._connections = connections
        self._channel = connections.api.channel
        self._links = connections.links
        self._links.on_feed_lost = self._on_feed_lost
        self.clock = clock
        self._patience = patience
        self.memory = memory
        self.ledger = AssetLedger()
        self._books = {name: StreamedBook(symbol) for name, symbol in symbols.items()}
        self._listings: tuple[o.Listing, ...] = ()
        self._events: list[o.VenueEvent] = []
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._numbers: dict[tuple[str, str], str] = {}
        self._lost_books: dict[str, float] = {}  # when the loss of a book was last reported
        self._lost_s = 0.0
        self._silent = True  # while history is loaded
        self._closed = False
        self.unbooked = False
        """As in `RecordedSession`: lost reports come again by `executions` and status requests."""
        self.tracker = OrderTracker(symbols, memory, self.ledger, self._emit_report)
        self.inquiry = FateInquiry(connections.api, self.tracker, self._emit, clock.stamp)
        self._watch = AccountWatch(
            connections.api, self.ledger, self._books, self._emit, clock.stamp, clock.set_time
        )
        self._entry = OrderEntry(
            connections.api,
            self.tracker,
            self.inquiry,
            self._books,
            self._emit,
            clock.stamp,
            terms.self_trade,
            terms.post_only,
        )
        self._entry.on_doubt = self._watch.recheck_rules
        self._account_events = AccountEvents(
            self.tracker, self.inquiry, self._entry, self._watch, self._emit, clock
        )

    def begin(self, account: SpotAccount) -> None:
        """Begin with an account's balances and fees, once its history is loaded: reports are events from now on."""
        self._silent = False
        self.ledger.begin(account.balances)
        self._listings = tuple(
            book.symbol.listing(account.maker_rate, account.taker_rate)
            for book in self._books.values()
        )

    def log_on(self, notes: Sequence[str]) -> None:
        """Wait until both connections are up and the account is followed, then report notes for people.

        Raises
        ------
        VenueError
            The logon is refused, or takes too long.
        """
        until_s = time.monotonic() + self._patience.logon_s
        while not self._links.up:
            self._run_once()
            if self._links.refusal:
                raise VenueError(
                    f"a logon at {self.name}",
                    self._links.refusal,
                    "check the URLs, the key and its secret",
                )
            if time.monotonic() > until_s:
                raise VenueError(
                    f"a logon at {self.name}",
                    self._links.down_reason or f"none within {self._patience.logon_s:g} s",
                    "check the URLs, and try again",
                )
            self._connections.selector.select(0.05)
        self._events = [event for event in self._events if not isinstance(event, o.LinkStatus)]
        for note in notes:
            self._emit(o.LinkStatus(True, self.clock.stamp(0), note))

    @property
    def name(self) -> str:
        """Name in journals and tables."""
        return self._connections.name

    @property
    def now_ns(self) -> int:
        """The venue's time by the clock here; it never goes back."""
        return self.clock.stamp(0)

    def _emit(self, event: o.VenueEvent) -> None:
        """Queue an event for the next step."""
        self._events.append(self._with_number(event, -1) if isinstance(event, o.Report) else event)

    def _emit_report(self, report: o.Report, at_ns: int, trade: int) -> o.Report:
        """Queue a report with the book rows that it causes (not while history is loaded); the report as queued."""
        if self._silent:
            return report
        report = replace(report, ns=self.clock.stamp(at_ns))
        before, number, after = self._books[report.instrument].apply_report(
            report, min(at_ns, report.ns + AHEAD_NS), trade
        )
        numbered = self._with_number(report, number)
        self._events += [event for event in (before, numbered, after) if event is not None]
        return numbered

    def _with_number(self, report: o.Report, number: int) -> o.Report:
        """The report, its OrderID led by the order's number in the book (-1: the last known, if any): `N.VENUE'S`."""
        key = report.instrument, report.order_id
        if number >= 0 and report.order_id and key not in self._numbers:
            self._numbers[key] = f"{number}.{report.order_id}"
            if len(self._numbers) > 2 * MOST_STORED:
                del self._numbers[next(iter(self._numbers))]
        return replace(report, order_id=self._numbers.get(key, report.order_id))

    def _run_once(self) -> None:
        """Read received messages, and send queries that are due."""
        was_up = self._links.up
        down_reason = self._links.down_reason
        account_events, market_events = self._links.poll()
        if self._links.up and not was_up:
            self._on_link_up()
        for event in account_events:
            self._channel.update_time(event.get("E"))
            self._account_events.process(event)
        if not self._links.up and (was_up or self._links.down_reason != down_reason):
            text = f"lost {self.name}: {self._links.down_reason}; it is connected again by itself"
            self._events.append(o.LinkStatus(False, self.clock.stamp(0), text))
        self._waiting += market_events
        self._channel.expire_overdue()
        while self._waiting and not self._channel.has_recent_order(HOLD_S):
            self._on_market(self._waiting.popleft())
        if self._links.up:
            self.inquiry.send_due()
            self._watch.send_due(
                any(not inquiry.stuck for inquiry in self.inquiry.open.values())
                or self._channel.has_recent_order(60.0)
            )
        for name in self._links.followed:
            book = self._books[name]
            now_s = self.clock.steady() / NS_PER_S
            book.check_progress(now_s)
            if (needs := book.take_needed_request(now_s) if self._links.up else "") == "stream":
                self._links.renew(name)
            elif needs:
                self._links.request_book(name, book, now_s, self._on_market)
            if book.lost_reason:
                self._clear_book(name, book)

    def _on_link_up(self) -> None:
        """Announce the link, and schedule queries of the state of everything that may have changed while it was down."""
        self._events.append(o.LinkStatus(True, self.clock.stamp(0), f"logged on at {self.name}"))
        for order in self.tracker.working_orders(""):
            self.inquiry.inquire(order)
        self._watch.schedule_all()

    def _clear_book(self, name: str, book: StreamedBook) -> None:
        """Queue a row that clears a lost book for all its followers."""
        now = self.clock.stamp(0)
        reason = f"the book of {name} is lost and requested again: {book.lost_reason}"
        book.lost_reason = ""
        if book.shown_book.ready:
            self._events.append(book.shown_book.clear(now))
        if now / NS_PER_S - self._lost_books.get(name, 0.0) >= STRANGE_S:
            self._lost_books[name] = now / NS_PER_S
            self._emit(o.Unread(f"market data of {name}", reason, now, instrument=name))
        self._watch.recheck_rules()

    def _on_feed_lost(self, reason: str) -> None:
        """Report that market data were lost, and mark every followed book as lost."""
        self._emit(
            o.LinkStatus(self.up, self.clock.stamp(0), f"market data: lost {self.name}: {reason}")
        )
        self._waiting.clear()
        for name in self._links.followed:
            self._books[name].lose(reason if self._books[name].is_synced else "")

    def _on_market(self, data: Mapping[str, Any]) -> None:
        """Process a message of market data: queue its rows, and clear a book that is lost."""
        name = str(data.get("s", ""))
        self._channel.update_time(data.get("E"))
        if (book := self._books.get(name)) is None:
            return
        rows = book.process(data, self.clock.stamp(0))
        if book.lost_reason:
            self._clear_book(name, book)
        if rows is not None:
            self._events.append(rows)

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities beside the port `Venue`: connection, session, executions and depth; time is not stepped."""
        return Capabilities(
            stepped=False, connection=self, session=self, executions=self, depth=self
        )

    @property
    def up(self) -> bool:
        """Whether orders can be sent, and their reports come."""
        return self._links.up

    def fileno(self) -> int:
        """Descriptor for a selector, readable when either connection is; -1 while the links are down."""
        return self._connections.selector.fileno() if self._links.up else -1

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what has come, waiting so many seconds at most; whether a step has something to return."""
        until = time.monotonic() + seconds
        while True:
            self._run_once()
            left_s = until - time.monotonic()
            if self._events or left_s <= 0:
                return bool(self._events)
            wait = min(left_s, 0.002 if self._waiting else _TICK_S)
            if self._connections.selector.get_map():
                self._connections.selector.select(wait)
            else:
                time.sleep(min(wait, 0.05))

    @property
    def unrecorded(self) -> str:
        """Reason why orders are not stored on disk, else ""."""
        return self.memory.write_error

    @property
    def ahead_ns(self) -> int | None:
        """Certain lead of the local clock over the venue's, ns; negative: behind, 0: none is certain."""
        return self.clock.ahead_ns

    def listings(self) -> Sequence[o.Listing]:
        """Listed instruments."""
        return self._listings

    def width(self, instrument: str) -> int:
        """Prices of the ring of an instrument's book."""
        self._book_of(instrument)
        return WIDTH

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed shows: 0, which means all of them; raises UnknownNameError for a symbol that is not listed."""
        self._book_of(instrument)
        return 0

    def _book_of(self, instrument: str) -> StreamedBook:
        """The book of a listed symbol; raises UnknownNameError for another one."""
        if instrument not in self._books:
            raise UnknownNameError(
                "a symbol that is listed", repr(instrument), suggest_name(instrument, self._books)
            )
        return self._books[instrument]

    def subscribe(self, instrument: str) -> None:
        """Follow a symbol's market data, from a snapshot on; renewed with every connection.

        Raises
        ------
        UnknownNameError
            It is not listed.
        """
        book = self._book_of(instrument)
        if book.is_synced:
            self._events.append(book.snapshot_rows(self.clock.stamp(0)))
        else:
            self._links.follow(instrument)

    def send(self, command: o.Command) -> None:
        """Send a command to the venue, or report it as refused by a later event.

        Raises
        ------
        VenueError
            The link is down, or no request weight is left: nothing was sent.
        """
        if not self.up:
            raise VenueError(
                f"a link to {self.name}",
                f"none: {self._links.down_reason or 'it is down'}",
                "wait until it is up",
            )
        self._entry.send(command)

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """Events until `until_ns` or the first of them; while the link is down, a step returns after a moment, and
        raises once that has lasted `patience.outage_s`.

        Raises
        ------
        VenueError
            It has been down for `patience.outage_s`.
        """
        self.poll(0.0)
        if self.up:
            self._lost_s = 0.0
        deadline_ns = self.clock.steady() + max(
            until_ns - self.now_ns, 0
        )  # also where the venue's clock is put back
        while not self._events and (left_s := (deadline_ns - self.clock.steady()) / NS_PER_S) > 0:
            if not self.up:
                now = time.monotonic()
                self._lost_s = self._lost_s or now
                if now - self._lost_s > self._patience.outage_s:
                    raise VenueError(
                        f"a link to {self.name}",
                        f"none for {self._patience.outage_s:g} s: {self._links.down_reason}",
                        "see whether it is up, then start again",
                    )
                self.poll(0.1)
                break
            self.poll(min(left_s, _TICK_S))
        events = self._events
        self._events = []
        return events

    def executions(self, account: str, after: str = "") -> list[o.Report]:
        """Trades of an account since a day before logon, as first reported, after execution `after` ("": all).

        Raises
        ------
        VenueError
            No such execution.
        """
        return self.tracker.executions_after(account, after)

    def close(self) -> None:
        """Close the connections; open orders stay open: Binance cancels none by itself."""
        atexit.unregister(self.close)
        if self._closed:
            return
        self._closed = True
        self._connections.close()
        self.memory.close()
