"""Binance Spot as a venue, without a thread: its owner calls :meth:`BinanceVenue.step`, or `poll` by a selector.

Orders and the account go over one connection (the WebSocket API), market data over another (streams); queries at
logon go over REST. No order is sent twice. Requests that were pending when a link broke are queried by their name.
"""

import atexit
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import TercelError, UnknownNameError, VenueError, offer
from tercel.core.ports import Capabilities, Closing
from tercel.fix.connection import WaitLimits
from tercel.fix.memory import OrderMemory
from tercel.fix.profiles.model import NamesTable
from tercel.venues.binance_venue.account import (
    DAY_MS,
    AccountWatch,
    AnswersRest,
    AssetLedger,
    certain,
    clock_of,
    hear_account,
    logged_on,
    past,
)
from tercel.venues.binance_venue.api import MS, depth_weight
from tercel.venues.binance_venue.book import AHEAD_NS, StreamedBook
from tercel.venues.binance_venue.channel import ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.links import BinanceLinks, SpotLinks
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.rest import GARBLED, BinanceRest, WeightBudget
from tercel.venues.binance_venue.terms import BinanceTerms, SpotTerms
from tercel.venues.binance_venue.tracker import MOST_STORED, OrderTracker, WorkingOrder

WIDTH: Final = 1024
"""Prices of the ring of a book: the venue's own reaches as far as there are orders."""
HOLD_S: Final = 0.25
"""Longest wait of market data for the answer to a pending order, so that they follow it, seconds."""
_NAMES: Final = NamesTable.model_validate({"letters": "[a-zA-Z0-9_-]", "most": 36})
_TICK_S: Final = 0.25
S: Final = 1_000_000_000
_STRANGE_S: Final = 60.0
"""Least time between two reports that another program has the key, an event cannot be read, a book is lost."""


class BinanceVenue(Closing):
    """Binance Spot.

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
        self._terms = terms
        self._wall = wall
        self._steady = steady
        self._patience = patience or WaitLimits()
        self.unbooked = False
        """As in `RecordedSession`: lost reports come again by `executions` and status requests."""
        self._offset_ns = self._ahead_ns = self._last_ns = 0
        self._events: list[o.VenueEvent] = []
        self._quiet = self._closed = False
        self._lost_s = 0.0
        self._allow = allow
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._numbers: dict[tuple[str, str], str] = {}
        self._lost_books: dict[str, float] = {}
        """When the loss of a book was last reported."""
        self._strangers: dict[tuple[str, int], None] = {}
        self._strange_s = 0.0
        self._unsaid = 0
        self._odd = dict[str, float]()
        self._selector = selectors.DefaultSelector()
        self.budget = WeightBudget(longest_s=terms.longest_wait_s)
        self.name, rest, self._channel, self._links = self._reach(terms, folder)
        self._channel.wall_ms = lambda: wall() // MS
        self._channel.jump_ms = terms.clock_ms
        if store is not None:
            store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.memory = OrderMemory(_NAMES, store)
        self.ledger = AssetLedger()
        try:
            self._offset_ns, self._ahead_ns = clock_of(rest, wall, steady, terms.clock_ms)
            facts = logged_on(rest, terms, self.budget)
            self._books = {name: StreamedBook(symbol) for name, symbol in facts.symbols.items()}
            self.tracker = OrderTracker(facts.symbols, self.memory, self.ledger, self._tell)
            self.inquiry = FateInquiry(self._channel, self.tracker, self._say, self._stamp)
            self.tracker.on_number = self._ask_if_strange
            self.tracker.on_revival = self._withdraw_living
            self._entry = OrderEntry(
                self._channel,
                self.tracker,
                self.inquiry,
                self._books,
                self._say,
                self._stamp,
                terms.self_trade,
                terms.post_only,
            )
            self._remember(rest)
            hear_account(rest, facts)
            self.ledger.begin(facts.balances)
            self._listings = tuple(
                one.listing(facts.maker_rate, facts.taker_rate) for one in facts.symbols.values()
            )
            self._watch = AccountWatch(
                self._channel, self.ledger, self._books, self._say, self._stamp, self._set_time
            )
            self._entry.doubted = self._watch.doubt
            self._log_on()
            for note in facts.notes:
                self._say(o.LinkStatus(True, self._stamp(0), note))
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

    # -- logon --------------------------------------------------------------------------------------------------------
    def _reach(
        self, terms: SpotTerms, folder: Path
    ) -> tuple[str, AnswersRest, ApiChannel, SpotLinks]:
        """Name of the venue and its connections: REST, order channel, and links."""
        assert isinstance(terms, BinanceTerms)
        where, tls = terms.endpoints(), terms.tls(folder)
        self._signer = signer = terms.signer(folder)
        window_ms = terms.recv_window_ms
        rest = BinanceRest(
            where.rest, signer, self.budget, tls, self._now_ms, window_ms, self._patience.logon_s
        )
        channel = ApiChannel(signer, self.budget, self._now_ms, window_ms)
        links = BinanceLinks(
            where, tls, channel, rest, self._selector, self._book_lost, self._allow
        )
        return f"binance:{terms.net if not terms.rest_url else where.rest}", rest, channel, links

    def _remember(self, rest: AnswersRest) -> None:
        """Load executions of the last day, for `executions`; orders of an earlier process are queried."""
        since = self._now_ms() - DAY_MS
        self._quiet = True
        used = {sent.instrument for sent in self.memory.by_wire.values()} & self._books.keys()
        for symbol in sorted(used):
            wires = {
                int(row["orderId"]): str(row["clientOrderId"])
                for row in past(rest, "/api/v3/allOrders", symbol, since, "orderId", "orderId")
            }
            for row in past(rest, "/api/v3/myTrades", symbol, since, "id", "fromId"):
                number = int(row["orderId"])
                order = self.tracker.found(symbol, number, wires.get(number, ""))
                if order is not None:
                    self.tracker.assign_number(order, number)
                    self.tracker.fill(
                        order,
                        {**row, "tradeId": row["id"]},
                        int(row["time"]) * MS,
                        bool(row["isMaker"]),
                    )
        self._quiet = False
        until = self._channel.settled_ms
        for sent in self.memory.live():
            if sent.instrument not in self._books:
                continue
            old = (
                self.tracker.named(sent.orig)
                if sent.kind == "replace" and not sent.cum_qty
                else None
            )
            if sent.status is o.OrdStatus.PENDING_NEW and old is not None and sent.order_id:
                self.inquiry.about(old, until, sent)
                continue
            order = self.tracker.named(sent.name) or self.tracker.begin(sent)
            if sent.status is o.OrdStatus.PENDING_NEW and old is not None and order is not old:
                order.before = old
                old.after = order
            self.inquiry.about(order, until)

    def _log_on(self) -> None:
        until = time.monotonic() + self._patience.logon_s
        while not self._links.up:
            self._turn()
            if self._links.refusal:
                raise VenueError(
                    f"a logon at {self.name}",
                    self._links.refusal,
                    "check the URLs, the key and its secret",
                )
            if time.monotonic() > until:
                raise VenueError(
                    f"a logon at {self.name}",
                    self._links.why or f"none within {self._patience.logon_s:g} s",
                    "check the URLs, and try again",
                )
            self._selector.select(0.05)
        self._events = [one for one in self._events if not isinstance(one, o.LinkStatus)]

    def _set_time(self, venue_ns: int, took_s: float) -> None:
        took_ns = round(took_s * S)
        offset = (
            venue_ns - self._steady()
        )  # late by as long as the answer took, at most: within that it stays
        self._offset_ns = min(max(self._offset_ns, offset), offset + took_ns)
        self._ahead_ns = certain(self._wall() - took_ns // 2 - venue_ns, took_ns)

    # -- time ---------------------------------------------------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """The venue's time by the clock here; it never goes back."""
        return self._stamp(0)

    def _now_ms(self) -> int:
        return (self._steady() + self._offset_ns) // MS

    def _stamp(self, ns: int) -> int:
        """A monotonic timestamp, never ahead of now; 0: now."""
        now = self._steady() + self._offset_ns
        self._last_ns = max(self._last_ns, min(ns or now, now))
        return self._last_ns

    # -- events -------------------------------------------------------------------------------------------------------
    def _say(self, event: o.VenueEvent) -> None:
        self._events.append(self._numbered(event, -1) if isinstance(event, o.Report) else event)

    def _tell(self, report: o.Report, at_ns: int, trade: int) -> o.Report:
        """Pass on a report with what it changes in the book; as it was passed on."""
        if self._quiet:
            return report
        report = replace(report, ns=self._stamp(at_ns))
        before, number, after = self._books[report.instrument].reported(
            report, min(at_ns, report.ns + AHEAD_NS), trade
        )
        named = self._numbered(report, number)
        self._events += [one for one in (before, named, after) if one is not None]
        return named

    def _numbered(self, report: o.Report, number: int) -> o.Report:
        """A report whose order has a number in the book, and keeps it: `N.VENUE'S`."""
        key = report.instrument, report.order_id
        if number >= 0 and report.order_id and key not in self._numbers:
            self._numbers[key] = f"{number}.{report.order_id}"
            if len(self._numbers) > 2 * MOST_STORED:
                del self._numbers[next(iter(self._numbers))]
        return replace(report, order_id=self._numbers.get(key, report.order_id))

    # -- what comes in ------------------------------------------------------------------------------------------------
    def _turn(self) -> None:
        """Read received messages, and send requests that are due."""
        was, why = self._links.up, self._links.why
        user, market = self._links.poll()
        if self._links.up and not was:
            self._came_up()
        for event in user:
            self._user(event)
        if not self._links.up and (was or self._links.why != why):
            why = f"lost {self.name}: {self._links.why}; it is connected again by itself"
            self._events.append(o.LinkStatus(False, self._stamp(0), why))
        self._waiting += market
        self._channel.overdue()
        while self._waiting and not self._channel.waits(HOLD_S):
            self._market(self._waiting.popleft())
        if self._links.up:
            self.inquiry.turn()
            self._watch.turn(
                any(not one.stuck for one in self.inquiry.open.values())
                or self._channel.waits(60.0)
            )
        for name in self._links.followed:
            book, now_s = self._books[name], self._steady() / S
            book.look(now_s)
            if (needs := book.wants(now_s) if self._links.up else "") == "stream":
                self._links.renew(name)
            elif needs:
                self._ask_book(name, book, now_s)
            if book.why:
                self._drop(name, book)

    def _came_up(self) -> None:
        """Request the state of everything that may have changed while the link was down."""
        self._events.append(o.LinkStatus(True, self._stamp(0), f"logged on at {self.name}"))
        for order in self.tracker.mine(""):
            self.inquiry.about(order)
        self._watch.soon()

    def _ask_book(self, name: str, book: StreamedBook, now_s: float) -> None:
        """Ask for a snapshot, once updates wait for it."""
        assert isinstance(self._terms, BinanceTerms)
        weight = depth_weight(self._terms.depth)
        if not self.budget.fits(weight, True):
            return

        def heard(answer: Any) -> None:
            book.asked = False
            if answer.error is None and not answer.why:
                self._market({"s": name} | answer.result)

        book.ask(now_s, True)
        try:
            self._channel.ask(
                "depth", {"symbol": name, "limit": self._terms.depth}, weight, heard, signed=False
            )
        except VenueError:
            book.asked = False

    def _drop(self, name: str, book: StreamedBook) -> None:
        """Clear a lost book for all its followers: its prices are unknown from now on."""
        now = self._stamp(0)
        why = f"the book of {name} is lost and requested again: {book.why}"
        book.why = ""
        if book.shown.ready:
            self._events.append(book.shown.cleared(now))
        if now / S - self._lost_books.get(name, 0.0) >= _STRANGE_S:
            self._lost_books[name] = now / S
            self._say(o.Unread(f"market data of {name}", why, now, instrument=name))
        self._watch.doubt()

    def _book_lost(self, why: str) -> None:
        self._say(o.LinkStatus(self.up, self._stamp(0), f"market data: lost {self.name}: {why}"))
        self._waiting.clear()
        for name in self._links.followed:
            self._books[name].lose(why if self._books[name].known else "")

    def _market(self, data: Mapping[str, Any]) -> None:
        name = str(data.get("s", ""))
        self._channel.update_time(data.get("E"))
        if (book := self._books.get(name)) is None:
            return
        rows = book.process(data, self._stamp(0))
        if book.why:
            self._drop(name, book)
        if rows is not None:
            self._events.append(rows)

    def _user(self, data: Mapping[str, Any]) -> None:
        """An event of the account."""
        self._channel.update_time(data.get("E"))
        try:
            if data.get("e") != "executionReport":
                self._watch.process(data)
            elif not self.tracker.event(data):
                self._stranger(data)
        except (TercelError, *GARBLED) as error:
            name = str(data.get("C") or data.get("c") or "")
            sent = self.memory.by_wire.get(name)
            about = (sent.name, sent.account, sent.instrument) if sent is not None else ("", "", "")
            now = self._steady() / S
            if (wait := self._odd.get(about[0], 0.0) - now) <= 0:
                self._odd = {name: s for name, s in self._odd.items() if s > now} | {
                    about[0]: now + _STRANGE_S
                }
                why = f"an event that cannot be read: {error!r}"[:300]
                self._say(o.Unread(repr(dict(data))[:1000], why, self._stamp(0), *about))
            order = self.tracker.named(sent.name) if sent is not None else None
            if order is not None and (wait <= 0 or order not in self.inquiry.open):
                self.inquiry.about(order, pause_s=max(wait, 0.0))

    def _ask_if_strange(self, order: WorkingOrder) -> None:
        """Request the status of an order whose events came before its number was known."""
        if (order.sent.instrument, order.number) in self._strangers:
            self.inquiry.about(order)

    def _withdraw_living(self, order: WorkingOrder) -> None:
        """An order that was reported as rejected works: no agent watches it, so it is cancelled."""
        sent = order.sent
        why = f"an order that was reported as {sent.status} works at the venue: it is cancelled"
        self._say(
            o.Unread(
                f"{sent.instrument} {order.number}", why, self._stamp(0), sent.name, sent.account
            )
        )
        with suppress(VenueError):
            self._entry.withdraw(order)

    def _stranger(self, data: Mapping[str, Any]) -> None:
        """An order unknown here: another program trades with this key."""
        key = str(data["s"]), int(data["i"])
        if key in self._strangers:
            return
        self._strangers[key] = None
        if len(self._strangers) > MOST_STORED:
            del self._strangers[next(iter(self._strangers))]
        self._unsaid += 1
        if (now := time.monotonic()) < self._strange_s:
            return
        count = self._unsaid
        self._unsaid = 0
        self._strange_s = now + _STRANGE_S
        what = f"an order of this account that was not sent here: {key[0]} {key[1]}"
        more = f" and {count - 1} before it" if count > 1 else ""
        self._say(
            o.Unread(
                repr(dict(data))[:1000],
                f"{what}{more}; another program has this key",
                self._stamp(0),
            )
        )

    # -- the port -----------------------------------------------------------------------------------------------------
    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`."""
        return Capabilities(
            stepped=False, connection=self, session=self, executions=self, depth=self
        )

    @property
    def up(self) -> bool:
        """Whether orders can be sent, and their reports come."""
        return self._links.up

    def fileno(self) -> int:
        """For a selector: that of both connections."""
        return self._selector.fileno() if self._links.up else -1

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what came, waiting so many seconds at most; whether a step has something to return."""
        until = time.monotonic() + seconds
        while True:
            self._turn()
            left = until - time.monotonic()
            if self._events or left <= 0:
                return bool(self._events)
            wait = min(left, 0.002 if self._waiting else _TICK_S)
            if self._selector.get_map():
                self._selector.select(wait)
            else:
                time.sleep(min(wait, 0.05))

    @property
    def unrecorded(self) -> str:
        """Reason why orders are not stored on disk, else ""."""
        return self.memory.why

    @property
    def ahead_ns(self) -> int | None:
        """Lead of the local clock over the venue's, ns."""
        return self._ahead_ns

    def listings(self) -> Sequence[o.Listing]:
        """Listed instruments."""
        return self._listings

    def width(self, instrument: str) -> int:
        """Prices of the ring of an instrument's book."""
        self._known(instrument)
        return WIDTH

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed shows: all."""
        self._known(instrument)
        return 0

    def _known(self, instrument: str) -> StreamedBook:
        if instrument not in self._books:
            raise UnknownNameError(
                "a symbol that is listed", repr(instrument), offer(instrument, self._books)
            )
        return self._books[instrument]

    def subscribe(self, instrument: str) -> None:
        """Follow a symbol; renewed with every connection.

        Raises
        ------
        UnknownNameError
            It is not listed.
        """
        book = self._known(instrument)
        if book.known:
            self._events.append(book.show(self._stamp(0)))
        else:
            self._links.follow(instrument)

    def send(self, command: o.Command) -> None:
        """See `Venue.send`.

        Raises
        ------
        VenueError
            The link is down, or no request weight is left: nothing was sent.
        """
        if not self.up:
            raise VenueError(
                f"a link to {self.name}",
                f"none: {self._links.why or 'it is down'}",
                "wait until it is up",
            )
        self._entry.send(command)

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """See `Venue.step`. While the link is down, a step waits a moment.

        Raises
        ------
        VenueError
            It has been down for `patience.outage_s`.
        """
        self.poll(0.0)
        ends = self._steady() + max(
            until_ns - self.now_ns, 0
        )  # also where the venue's clock is put back
        while not self._events and (left := (ends - self._steady()) / S) > 0:
            if not self.up:
                now = time.monotonic()
                self._lost_s = self._lost_s or now
                if now - self._lost_s > self._patience.outage_s:
                    raise VenueError(
                        f"a link to {self.name}",
                        f"none for {self._patience.outage_s:g} s: {self._links.why}",
                        "see whether it is up, then start again",
                    )
                self.poll(0.1)
                break
            self._lost_s = 0.0
            self.poll(min(left, _TICK_S))
        events = self._events
        self._events = []
        return events

    def executions(self, account: str, after: str = "") -> list[o.Report]:
        """Trades of an account since a day before logon, as first reported.

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
