"""Binance Spot as a venue of a desk, in one thread: its owner calls :meth:`BinanceVenue.step`, or `poll` by a selector.

Orders and the account go over one connection (the WebSocket API), market data over another (streams); queries at
logon go over REST. No order is sent twice. Requests that were pending when a link broke are queried by their name.
"""

import atexit
import re
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.capabilities import Capabilities
from tercel.core.errors import TercelError, UnknownNameError, VenueError, suggest_name
from tercel.core.link.connection import WaitLimits
from tercel.core.link.order_memory import NameRules, OrderMemory
from tercel.core.ports import Closing
from tercel.venues.binance_venue.account import (
    DAY_MS,
    AnswersRest,
    certain_lead,
    iter_past_rows,
    measure_clock,
    read_account,
    read_logon_facts,
)
from tercel.venues.binance_venue.account_watch import AccountWatch
from tercel.venues.binance_venue.api import MS, depth_weight
from tercel.venues.binance_venue.book import AHEAD_NS, StreamedBook
from tercel.venues.binance_venue.channel import ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.ledger import AssetLedger
from tercel.venues.binance_venue.links import BinanceLinks, SpotLinks
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.rest import GARBLED, BinanceRest
from tercel.venues.binance_venue.terms import BinanceTerms, SpotTerms
from tercel.venues.binance_venue.tracker import MOST_STORED, OrderTracker
from tercel.venues.binance_venue.weight_budget import WeightBudget
from tercel.venues.binance_venue.working_order import WorkingOrder

WIDTH: Final = 1024
"""Prices of the ring of a book: the venue's own reaches as far as there are orders."""
HOLD_S: Final = 0.25
"""Longest wait of market data for the answer to a pending order, so that they follow it, seconds."""
_NAMES: Final = NameRules(re.compile("[a-zA-Z0-9_-]"), most=36)
_TICK_S: Final = 0.25
NS_PER_S: Final = 1_000_000_000
_STRANGE_S: Final = 60.0
"""Least time between two reports that another program has the key, an event cannot be read, a book is lost."""


class BinanceVenue(Closing):
    """Binance Spot as a venue of a desk.

    Parameters
    ----------
    terms : SpotTerms
    folder : Path
        Where its secrets' files begin.
    store : Path, optional
        Where names of orders are stored; None: they last as long as the process.
    wall, steady : callable
        ns since 1970, compared with the venue's clock; ns that never go back, by which its time is reckoned.
    patience : WaitLimits
    allow : callable
        As `FixLink` has it.

    Raises
    ------
    ConfigError
        Keys that are not there or may do too much.
    VenueError
        No server answers, or the logon is refused.
    """

    def __init__(
        self,
        terms: SpotTerms,
        folder: Path,
        store: Path | None = None,
        wall: Callable[[], int] = time.time_ns,
        patience: WaitLimits | None = None,
        steady: Callable[[], int] = time.monotonic_ns,
        allow: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Connect and log on: check clock, symbols and key, load past orders and balances, and wait until both links are up."""
        self._terms = terms
        self._wall = wall
        self._steady = steady
        self._patience = patience or WaitLimits()
        self.unbooked = False
        """As in `RecordedSession`: lost reports come again by `executions` and status requests."""
        self._offset_ns = self._ahead_ns = self._last_ns = 0
        self._events: list[o.VenueEvent] = []
        self._silent = self._closed = False
        self._lost_s = 0.0
        self._allow = allow
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._numbers: dict[tuple[str, str], str] = {}
        self._lost_books: dict[str, float] = {}
        """When the loss of a book was last reported."""
        self._strangers: dict[tuple[str, int], None] = {}
        self._stranger_due_s = 0.0
        self._unreported = 0
        self._unread_until = dict[str, float]()
        self._selector = selectors.DefaultSelector()
        self.budget = WeightBudget(longest_s=terms.longest_wait_s)
        self.name, rest, self._channel, self._links = self._make_connections(terms, folder)
        self._channel.wall_ms = lambda: wall() // MS
        self._channel.jump_ms = terms.clock_ms
        if store is not None:
            store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.memory = OrderMemory(_NAMES, store)
        self.ledger = AssetLedger()
        try:
            self._offset_ns, self._ahead_ns = measure_clock(rest, wall, steady, terms.clock_ms)
            facts = read_logon_facts(rest, terms, self.budget)
            self._books = {name: StreamedBook(symbol) for name, symbol in facts.symbols.items()}
            self.tracker = OrderTracker(facts.symbols, self.memory, self.ledger, self._emit_report)
            self.inquiry = FateInquiry(self._channel, self.tracker, self._emit, self._stamp)
            self.tracker.on_number = self._ask_if_strange
            self.tracker.on_revival = self._cancel_revived
            self._entry = OrderEntry(
                self._channel,
                self.tracker,
                self.inquiry,
                self._books,
                self._emit,
                self._stamp,
                terms.self_trade,
                terms.post_only,
            )
            self._load_history(rest)
            read_account(rest, facts)
            self.ledger.begin(facts.balances)
            self._listings = tuple(
                symbol.listing(facts.maker_rate, facts.taker_rate)
                for symbol in facts.symbols.values()
            )
            self._watch = AccountWatch(
                self._channel, self.ledger, self._books, self._emit, self._stamp, self._set_time
            )
            self._entry.on_doubt = self._watch.recheck_rules
            self._log_on()
            for note in facts.notes:
                self._emit(o.LinkStatus(True, self._stamp(0), note))
        except GARBLED as error:
            self.close()
            raise VenueError(
                f"answers of {self.name} at logon that can be read",
                repr(error)[:200],
                "check that the URLs are Binance's",
            ) from None
        except BaseException:
            self.close()
            raise
        finally:
            rest.close()
        atexit.register(self.close)

    def _make_connections(
        self, terms: SpotTerms, folder: Path
    ) -> tuple[str, AnswersRest, ApiChannel, SpotLinks]:
        """Name of the venue and its connections: REST, order channel, and links."""
        assert isinstance(terms, BinanceTerms)
        endpoints = terms.endpoints()
        tls = terms.tls(folder)
        self._signer = signer = terms.signer(folder)
        window_ms = terms.recv_window_ms
        rest = BinanceRest(
            endpoints.rest,
            signer,
            self.budget,
            tls,
            self._now_ms,
            window_ms,
            self._patience.logon_s,
        )
        channel = ApiChannel(signer, self.budget, self._now_ms, window_ms)
        links = BinanceLinks(
            endpoints, tls, channel, rest, self._selector, self._on_feed_lost, self._allow
        )
        return (
            f"binance:{terms.net if not terms.rest_url else endpoints.rest}",
            rest,
            channel,
            links,
        )

    def _load_history(self, rest: AnswersRest) -> None:
        """Load the last day's executions, and query orders of an earlier process."""
        since = self._now_ms() - DAY_MS
        self._silent = True
        used = {sent.instrument for sent in self.memory.by_wire.values()} & self._books.keys()
        for symbol in sorted(used):
            wires = {
                int(row["orderId"]): str(row["clientOrderId"])
                for row in iter_past_rows(
                    rest, "/api/v3/allOrders", symbol, since, "orderId", "orderId"
                )
            }
            for row in iter_past_rows(rest, "/api/v3/myTrades", symbol, since, "id", "fromId"):
                number = int(row["orderId"])
                order = self.tracker.find_order(symbol, number, wires.get(number, ""))
                if order is not None:
                    self.tracker.assign_number(order, number)
                    self.tracker.fill(
                        order,
                        {**row, "tradeId": row["id"]},
                        int(row["time"]) * MS,
                        bool(row["isMaker"]),
                    )
        self._silent = False
        until = self._channel.settled_ms
        for sent in self.memory.live():
            if sent.instrument not in self._books:
                continue
            replaced = (
                self.tracker.find_by_name(sent.orig)
                if sent.kind == "replace" and not sent.cum_qty
                else None
            )
            if sent.status is o.OrdStatus.PENDING_NEW and replaced is not None and sent.order_id:
                self.inquiry.inquire(replaced, until, sent)
                continue
            order = self.tracker.find_by_name(sent.name) or self.tracker.begin(sent)
            if (
                sent.status is o.OrdStatus.PENDING_NEW
                and replaced is not None
                and order is not replaced
            ):
                order.before = replaced
                replaced.after = order
            self.inquiry.inquire(order, until)

    def _log_on(self) -> None:
        """Wait until both connections are up and the account is followed; raises VenueError after the logon timeout."""
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
            self._selector.select(0.05)
        self._events = [event for event in self._events if not isinstance(event, o.LinkStatus)]

    def _set_time(self, venue_ns: int, took_s: float) -> None:
        """Set the venue's clock by a time it reported, ns, in an answer that took so many seconds."""
        took_ns = round(took_s * NS_PER_S)
        offset = (
            venue_ns - self._steady()
        )  # late by as long as the answer took, at most: within that it stays
        self._offset_ns = min(max(self._offset_ns, offset), offset + took_ns)
        self._ahead_ns = certain_lead(self._wall() - took_ns // 2 - venue_ns, took_ns)

    @property
    def now_ns(self) -> int:
        """The venue's time by the clock here; it never goes back."""
        return self._stamp(0)

    def _now_ms(self) -> int:
        """The venue's time by the local steady clock, ms."""
        return (self._steady() + self._offset_ns) // MS

    def _stamp(self, ns: int) -> int:
        """A venue time for an event of time `ns` (0: now), neither ahead of now nor before the last one given."""
        now = self._steady() + self._offset_ns
        self._last_ns = max(self._last_ns, min(ns or now, now))
        return self._last_ns

    def _emit(self, event: o.VenueEvent) -> None:
        """Queue an event for the next step."""
        self._events.append(self._with_number(event, -1) if isinstance(event, o.Report) else event)

    def _emit_report(self, report: o.Report, at_ns: int, trade: int) -> o.Report:
        """Queue a report with the book rows that it causes (not while history is loaded); the report as queued."""
        if self._silent:
            return report
        report = replace(report, ns=self._stamp(at_ns))
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
            self._on_account_event(event)
        if not self._links.up and (was_up or self._links.down_reason != down_reason):
            text = f"lost {self.name}: {self._links.down_reason}; it is connected again by itself"
            self._events.append(o.LinkStatus(False, self._stamp(0), text))
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
            now_s = self._steady() / NS_PER_S
            book.check_progress(now_s)
            if (needs := book.take_needed_request(now_s) if self._links.up else "") == "stream":
                self._links.renew(name)
            elif needs:
                self._request_snapshot(name, book, now_s)
            if book.lost_reason:
                self._clear_book(name, book)

    def _on_link_up(self) -> None:
        """Announce the link, and schedule queries of the state of everything that may have changed while it was down."""
        self._events.append(o.LinkStatus(True, self._stamp(0), f"logged on at {self.name}"))
        for order in self.tracker.working_orders(""):
            self.inquiry.inquire(order)
        self._watch.schedule_all()

    def _request_snapshot(self, name: str, book: StreamedBook, now_s: float) -> None:
        """Request a book's snapshot over the order channel if the weight budget allows; its answer is applied to the book."""
        assert isinstance(self._terms, BinanceTerms)
        weight = depth_weight(self._terms.depth)
        if not self.budget.fits(weight, True):
            return

        def on_snapshot(answer: Any) -> None:
            """Apply the snapshot in the answer to the book."""
            book.snapshot_pending = False
            if answer.error is None and not answer.unknown_reason:
                self._on_market({"s": name} | answer.result)

        book.note_request(now_s, awaits_answer=True)
        try:
            self._channel.ask(
                "depth",
                {"symbol": name, "limit": self._terms.depth},
                weight,
                on_snapshot,
                signed=False,
            )
        except VenueError:
            book.snapshot_pending = False

    def _clear_book(self, name: str, book: StreamedBook) -> None:
        """Queue a row that clears a lost book for all its followers."""
        now = self._stamp(0)
        reason = f"the book of {name} is lost and requested again: {book.lost_reason}"
        book.lost_reason = ""
        if book.shown_book.ready:
            self._events.append(book.shown_book.clear(now))
        if now / NS_PER_S - self._lost_books.get(name, 0.0) >= _STRANGE_S:
            self._lost_books[name] = now / NS_PER_S
            self._emit(o.Unread(f"market data of {name}", reason, now, instrument=name))
        self._watch.recheck_rules()

    def _on_feed_lost(self, reason: str) -> None:
        """Report that market data were lost, and mark every followed book as lost."""
        self._emit(
            o.LinkStatus(self.up, self._stamp(0), f"market data: lost {self.name}: {reason}")
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
        rows = book.process(data, self._stamp(0))
        if book.lost_reason:
            self._clear_book(name, book)
        if rows is not None:
            self._events.append(rows)

    def _on_account_event(self, data: Mapping[str, Any]) -> None:
        """Process an event of the account."""
        self._channel.update_time(data.get("E"))
        try:
            if data.get("e") != "executionReport":
                self._watch.process(data)
            elif not self.tracker.process_event(data):
                self._report_stranger(data)
        except (TercelError, *GARBLED) as error:
            name = str(data.get("C") or data.get("c") or "")
            sent = self.memory.by_wire.get(name)
            order_names = (
                (sent.name, sent.account, sent.instrument) if sent is not None else ("", "", "")
            )
            now = self._steady() / NS_PER_S
            if (wait := self._unread_until.get(order_names[0], 0.0) - now) <= 0:
                self._unread_until = {
                    name: until for name, until in self._unread_until.items() if until > now
                } | {order_names[0]: now + _STRANGE_S}
                reason = f"an event that cannot be read: {error!r}"[:300]
                self._emit(o.Unread(repr(dict(data))[:1000], reason, self._stamp(0), *order_names))
            order = self.tracker.find_by_name(sent.name) if sent is not None else None
            if order is not None and (wait <= 0 or order not in self.inquiry.open):
                self.inquiry.inquire(order, pause_s=max(wait, 0.0))

    def _ask_if_strange(self, order: WorkingOrder) -> None:
        """Request the status of an order whose events came before its number was known."""
        if (order.sent.instrument, order.number) in self._strangers:
            self.inquiry.inquire(order)

    def _cancel_revived(self, order: WorkingOrder) -> None:
        """Cancel an order that was reported as rejected and works, since no agent watches it."""
        sent = order.sent
        reason = f"an order that was reported as {sent.status} works at the venue: it is cancelled"
        self._emit(
            o.Unread(
                f"{sent.instrument} {order.number}", reason, self._stamp(0), sent.name, sent.account
            )
        )
        with suppress(VenueError):
            self._entry.withdraw(order)

    def _report_stranger(self, data: Mapping[str, Any]) -> None:
        """Report an event of an unknown order: another program trades with this key."""
        key = str(data["s"]), int(data["i"])
        if key in self._strangers:
            return
        self._strangers[key] = None
        if len(self._strangers) > MOST_STORED:
            del self._strangers[next(iter(self._strangers))]
        self._unreported += 1
        if (now := time.monotonic()) < self._stranger_due_s:
            return
        count = self._unreported
        self._unreported = 0
        self._stranger_due_s = now + _STRANGE_S
        text = f"an order of this account that was not sent here: {key[0]} {key[1]}"
        earlier = f" and {count - 1} before it" if count > 1 else ""
        self._emit(
            o.Unread(
                repr(dict(data))[:1000],
                f"{text}{earlier}; another program has this key",
                self._stamp(0),
            )
        )

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
        return self._selector.fileno() if self._links.up else -1

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what has come, waiting so many seconds at most; whether a step has something to return."""
        until = time.monotonic() + seconds
        while True:
            self._run_once()
            left_s = until - time.monotonic()
            if self._events or left_s <= 0:
                return bool(self._events)
            wait = min(left_s, 0.002 if self._waiting else _TICK_S)
            if self._selector.get_map():
                self._selector.select(wait)
            else:
                time.sleep(min(wait, 0.05))

    @property
    def unrecorded(self) -> str:
        """Reason why orders are not stored on disk, else ""."""
        return self.memory.write_error

    @property
    def ahead_ns(self) -> int | None:
        """Certain lead of the local clock over the venue's, ns; negative: behind, 0: none is certain."""
        return self._ahead_ns

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
            self._events.append(book.snapshot_rows(self._stamp(0)))
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
        deadline_ns = self._steady() + max(
            until_ns - self.now_ns, 0
        )  # also where the venue's clock is put back
        while not self._events and (left_s := (deadline_ns - self._steady()) / NS_PER_S) > 0:
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
        self._links.close()
        self._selector.close()
        self.memory.close()
