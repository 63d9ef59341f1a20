"""FIX client: an initiator as a venue of a desk, on this package's engine, in one thread.

Its owner calls :meth:`FixVenue.step`, or :meth:`FixVenue.poll` when a selector says that its socket has
something. A message counts as received with the caller's next step, and its number is then written down: a
process that is killed before asks for everything after that number when it logs on again with the same store.

No command is repeated after a gap. What the venue has not received when a link broke never reaches it; the sender
asks (StatusRequest) when the link is up again.
"""

import atexit
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tercel.core import orders as o
from tercel.core.capabilities import Capabilities
from tercel.core.errors import VenueError
from tercel.core.link.connection import WaitLimits
from tercel.core.ports import Closing
from tercel.fix import tags as t
from tercel.fix.dialect import (
    Item,
    OutgoingMessage,
    PendingFault,
    Shape,
    StepAnswer,
    unread_from_event,
)
from tercel.fix.link import FixLink, no_logon_error, outage_error
from tercel.fix.own_dialect import OwnDialect
from tercel.fix.positions import PositionRequests
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.events import SessionEvent, SessionEventKind
from tercel.fix.protocol.message import Message
from tercel.fix.quotes import QuoteDesk
from tercel.fix.standard import StandardDialect
from tercel.fix.store import ReceivedMark

# How long a step waits for a message while the link is down.
_WAIT_S: Final = 0.1
NS_PER_S: Final = 1_000_000_000


class FixVenue(Closing):
    """A venue reached over a FIX session; `fix.opening.open_fix_venue` connects one.

    Parameters
    ----------
    terms : ProfileTerms
    link, feed : FixLink
        Sessions of orders and of market data; often the same one.
    dialect : OwnDialect or StandardDialect
    received_mark : ReceivedMark
        Number of the last message that an earlier process has seen.
    follow : bool
        Wait for a stepped venue's clock, which another counterparty moves.
    patience : WaitLimits
    """

    def __init__(
        self,
        terms: ProfileTerms,
        link: FixLink,
        feed: FixLink,
        dialect: OwnDialect | StandardDialect,
        received_mark: ReceivedMark,
        follow: bool,
        patience: WaitLimits,
    ) -> None:
        self._terms = terms
        self._link = link
        self._feed = feed
        self._dialect = dialect
        self._received_mark = received_mark
        self._follow = follow
        self._patience = patience
        self._has_extension = terms.profile.extension
        self._queue: deque[tuple[int, Item]] = deque()
        self._early_events: list[o.VenueEvent] = []
        self._subscribed: list[str] = []
        self._listings: tuple[o.Listing, ...] = ()
        self._waited_s = 0.0
        self._loss_text = ""
        self._now_ns = 0
        self._stepped = False
        self._returned_number = self._taken_number = received_mark.number
        self._name_count = 0
        self._first_number = 0  # number of ours that this connection began with
        self._closed = False
        self.unbooked = False
        self._position_requests = PositionRequests(
            terms,
            dialect.scales,
            lambda: self._new_name("P"),
            self._send,
            link.now_ns,
            patience.logon_s,
        )
        self._quotes = QuoteDesk(
            terms,
            dialect.scales,
            dialect.own_name,
            lambda: self._new_name("R"),
            self._send,
            lambda: self.now_ns - (0 if self._has_extension else self.ahead_ns or 0),
            link.now_ns,
        )
        self._offers_quotes = bool(terms.profile.orders.quotes)

    def log_on(self) -> None:
        """Log both sessions on and request the listings; waits for all of it.

        Raises
        ------
        VenueError
            When no server listens, a logon is refused, or the listings do not come.
        """
        self._await_logon(self._link)
        self._received_mark.write(self._returned_number)
        self._await_logon(self._feed)
        self._listings = self._request_listings()

    def _await_logon(self, link: FixLink) -> None:
        """Wait until a link is logged on; raises VenueError after refusals or the logon timeout."""
        deadline_s = time.monotonic() + self._patience.logon_s
        while not link.up:
            self._poll_link(0.05, link)
            if link.up:
                break
            if link.refusals and (link.refused_with_reason or link.refusals > 1):
                raise no_logon_error(link, link.down_reason, self._returned_number > 0)
            if time.monotonic() > deadline_s:
                raise no_logon_error(
                    link,
                    link.down_reason or f"no logon within {self._patience.logon_s:g} s",
                    self._returned_number > 0,
                )

    def _request_listings(self) -> tuple[o.Listing, ...]:
        """Request the listings and wait for them (or take the profile's); the answer also sets the clock, whether the
        venue is stepped, and whether it has dealers."""
        name = self._new_name("L")
        request = self._dialect.list_request(name)
        if request is None:
            self._now_ns = self._link.now_ns()
            return self._dialect.listings if isinstance(self._dialect, StandardDialect) else ()
        early: list[o.VenueEvent] = []
        self._send([request], self._feed)
        answer = self._await_answer(name, self._patience.logon_s, early)
        if answer is None:
            raise VenueError(f"the instruments of {self._feed.name}", "a broken link", "try again")
        self._stepped = answer.stepped and not self._follow
        self._offers_quotes = self._offers_quotes or answer.quotes
        self._now_ns = answer.ns
        self._early_events = early
        return answer.listings

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what came, keep the session alive and reconnect it; whether a step has something to return.

        Parameters
        ----------
        seconds : float
            How long to wait for something at most.
        """
        self._poll_link(seconds, self._link)
        if self._feed is not self._link:
            self._poll_link(0.0, self._feed)
        return bool(self._queue or self._early_events)

    def fileno(self) -> int:
        """File descriptor of the order session's socket, for a selector; -1 without a connection: poll from time to time."""
        return self._link.fileno()

    def _poll_link(self, seconds: float, link: FixLink) -> None:
        """Read one link for up to some seconds, and queue the events that follow from what came."""
        messages, events = link.poll(seconds)
        for event in events:
            self._handle_event(event, link)
        for message in messages:
            self._handle_message(message, link)
        if not messages:  # what was read late is not late
            self._queue += (
                (0, holdings)
                for holdings in self._position_requests.overdue(
                    time.monotonic(), self._link.now_ns()
                )
            )
        for instrument in self._dialect.stale_instruments:
            with suppress(VenueError):  # down: the next logon asks
                self._request_market_data(instrument)
        self._dialect.stale_instruments.clear()
        commands = self._dialect.retries
        self._dialect.retries = []
        for command in commands:
            with suppress(VenueError):  # down: the caller learns it from the link, and asks again
                self.send(command)

    def _handle_message(self, message: Message, link: FixLink) -> None:
        """Queue the events of a venue's message."""
        now = self._link.now_ns() if not self._has_extension else self._now_ns
        if (
            link is self._link
            and (events_found := self._position_requests.read(message, now)) is not None
        ):
            items: list[tuple[int, Item]] = [(message.number, event) for event in events_found]
        elif link is self._link and (quotes_found := self._quotes.read(message, now)) is not None:
            for event in quotes_found:
                if isinstance(event, o.Report) and isinstance(self._dialect, StandardDialect):
                    self._dialect.memory.update(event)
            items = [(message.number, event) for event in quotes_found]
        elif message.kind == t.REJECT and self._has_extension:
            items = [
                (
                    0,
                    self._dialect.refusal(
                        message.get(t.REF_SEQ_NUM, "0"), message.get(t.TEXT), now
                    ),
                )
            ]
        else:
            items = self._dialect.read(message, now)
        for _, item in items:
            if isinstance(
                item, o.Report
            ):  # before the next message is read, which may contradict it
                self._quotes.record_report(item)
        self._queue += items if link is self._link else [(0, item) for _, item in items]

    def _handle_event(self, event: SessionEvent, link: FixLink) -> None:
        """Turn an event of a session into events of the venue."""
        now = self._now_ns
        prefix = "" if link is self._link else "market data: "
        if event.kind is SessionEventKind.UP and link is self._link:
            self._first_number = link.session.numbers.next_out
        if event.kind is SessionEventKind.UP and self._listings:
            if link is self._link:
                self._queue.append((0, o.LinkStatus(True, now, f"logged on at {link.name}")))
            if link is self._feed:
                self._dialect.stale_instruments += self._subscribed
        elif event.kind is SessionEventKind.DOWN:
            self._loss_text = f"{prefix}lost {link.name}" + (
                f": {link.down_reason}" if link.down_reason else ""
            )
            if link is self._link:
                self._queue += ((0, holdings) for holdings in self._position_requests.forget(now))
            if not self._closed:
                text = f"{self._loss_text}; waiting up to {self._patience.outage_s:g} s for it to come back"
                self._queue.append((0, o.LinkStatus(link is not self._link, now, text)))
        elif event.kind is SessionEventKind.RESET and link is self._link:
            self._taken_number = self._returned_number = 0
            self._queue = deque((0, item) for _, item in self._queue)
        elif event.kind is SessionEventKind.GAP and link is self._feed and not self._has_extension:
            self._dialect.stale_instruments += (
                self._subscribed
            )  # missing messages may be market data, which are never repeated
        elif event.kind in (SessionEventKind.REJECTED, SessionEventKind.GARBLED):
            self._queue.append((0, unread_from_event(event, self._dialect.own_name, now)))
        elif event.kind is SessionEventKind.NOT_REPEATED and event.message is not None:
            if name := self._dialect.skip_command(
                event.message, event.message.number < self._first_number
            ):
                text = f"{name} did not reach the venue and is not repeated; ask for its status"
                self._queue.append((0, o.LinkStatus(link.up, now, text)))

    def _send(self, messages: Sequence[OutgoingMessage], link: FixLink | None = None) -> int:
        """Send messages over a link (the order session by default); MsgSeqNum of the first."""
        link = link or self._link
        number = link.send((message.kind, message.fields) for message in messages)
        for n, message in enumerate(messages):
            if link is self._link:
                self._dialect.remember(number + n, message.about)
        return number

    def _new_name(self, letter: str = "") -> str:
        """A new request name that begins with `letter`, unused in this session."""
        self._name_count += 1
        return f"{letter}{self._link.session.numbers.next_out}-{self._name_count}"

    def _await_answer(
        self, name: str, seconds: float, events: list[o.VenueEvent]
    ) -> StepAnswer | None:
        """Collect events into `events` until a request is answered; None if the link goes down first, VenueError after
        `seconds`."""
        deadline_s = time.monotonic() + seconds
        while True:
            while self._queue:
                item = self._pop_item()
                if isinstance(item, StepAnswer):
                    if item.name == name:
                        return item
                    continue
                events.append(item)
                if isinstance(item, o.LinkStatus) and not item.up:
                    return None
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise VenueError(
                    f"an answer from {self._link.name} within {seconds:g} s", "none", "see its log"
                )
            if self._feed is not self._link and not self._listings:
                self._poll_link(min(remaining_s, _WAIT_S), self._feed)
                remaining_s = 0.0
            self._poll_link(min(remaining_s, 1.0), self._link)

    def _request_market_data(self, instrument: str) -> None:
        """Send a MarketDataRequest for an instrument under a new request id."""
        self._send([self._dialect.market_request(self._new_name("M"), instrument)], self._feed)

    @property
    def name(self) -> str:
        """Name in journals and tables."""
        return f"fix:{self._link.name}"

    @property
    def now_ns(self) -> int:
        """The venue's time at its last message; UTC at a venue that does not report it."""
        if not self._has_extension:
            self._now_ns = max(self._now_ns, self._link.now_ns())
        return self._now_ns

    @property
    def capabilities(self) -> Capabilities:
        """What the venue can do, as its profile allows; this object itself is connection, session and market depth."""
        orders = self._terms.profile.orders
        return Capabilities(
            stepped=self._stepped,
            answers_questions=orders.status,
            connection=self,
            session=self,
            disowns=self,
            depth=self,
            position_reports=self._position_requests if orders.positions else None,
            quotes=self._quotes if self._offers_quotes else None,
        )

    @property
    def up(self) -> bool:
        """Whether the session is logged on."""
        return self._link.up

    @property
    def unrecorded(self) -> str:
        """Reason why sent messages are not stored on disk, else ""."""
        return self._link.unrecorded or self._dialect.unrecorded

    @property
    def ahead_ns(self) -> int | None:
        """Lead of the local clock over the venue's, ns; None while unknown."""
        return self._link.session.clock.ns

    def listings(self) -> Sequence[o.Listing]:
        """Listed instruments."""
        return self._listings

    def width(self, instrument: str) -> int:
        """Number of prices in the ring of an instrument's book at the venue.

        Raises
        ------
        VenueError
            When the venue does not report it.
        """
        return self._book_shape(instrument)[0]

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed behind an instrument shows; 0: all of them.

        Raises
        ------
        VenueError
            When the venue does not report it.
        """
        return self._book_shape(instrument)[1]

    def _book_shape(self, instrument: str) -> Shape:
        """Book width and feed levels of an instrument; raises VenueError where the venue states none."""
        if instrument not in self._dialect.shapes:
            raise VenueError("a book whose width the venue tells", instrument, "choose a width")
        return self._dialect.shapes[instrument]

    def subscribe(self, instrument: str) -> None:
        """Subscribe to market data, renewed on every reconnect; VenueError where it is not listed or the link is down.

        Raises
        ------
        VenueError
            For an instrument that is not listed, or when the link is down.
        """
        if instrument not in (known := self._dialect.scales):
            raise VenueError(
                "an instrument that is listed", instrument, f"choose one of {', '.join(known)}"
            )
        self._request_market_data(instrument)
        if instrument not in self._subscribed:
            self._subscribed.append(instrument)

    def send(self, command: o.Command) -> None:
        """Send a command over the session; raises where it cannot be sent, except for an order whose quote cannot be
        taken: its refusal comes as an event.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent, and nothing will be.
        OrderError
            For a command that FIX, or this venue, cannot express.
        """
        if not self.up:
            reason = self._link.down_reason or "it is down"
            raise VenueError(
                f"a link to {self._link.name}", f"none: {reason}", "wait until it is up"
            )
        if (
            isinstance(command, o.QuotedOrder)
            and (refusal := self._quotes.hit(command)) is not None
        ):
            self._queue.append((0, refusal))
            return
        messages, note = self._dialect.commands(command)
        if note:
            self._queue.append((0, o.LinkStatus(True, self.now_ns, note)))
        if messages:
            self._send(messages)

    def disown(self, message: o.Report | o.CancelReject | o.Unread) -> None:
        """Answer a report that was set aside, where FIX has an answer: a DK, or a business reject.

        Raises
        ------
        VenueError
            When the link is down.
        """
        if messages := self._dialect.disowning_messages(message):
            self._send(messages)

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """Events up to `until_ns` of a stepped venue; else those that came, or the first to come until then. Confirms
        earlier events.

        Raises
        ------
        VenueError
            When the venue refuses to step, sends what cannot be read and a call waits for, is silent for
            `patience.step_s`, or has been away for `patience.outage_s`.
        """
        if not self.unbooked:
            self._received_mark.write(self._returned_number)
        events = self._early_events
        self._early_events = []
        try:
            self._collect(until_ns, events)
        except VenueError:
            self._early_events = events
            raise
        for event in events if self._has_extension else ():
            if isinstance(event, o.Report | o.CancelReject):
                self._now_ns = max(self._now_ns, event.ns)
            elif isinstance(event, o.MarketRows) and len(event.rows):
                self._now_ns = max(self._now_ns, int(event.rows[-1, 0]))
        self._returned_number = self._taken_number
        return events

    def _collect(self, until_ns: int, events: list[o.VenueEvent]) -> None:
        """Append received events to `events`, and those of a step or a wait up to `until_ns`."""
        runs_freely = not self._stepped
        self.poll(0.0)
        if not self.up:
            self._wait_for_link(events)
        elif runs_freely:
            self._drain(events)
        if not self.up or (runs_freely and events):
            return
        self._waited_s = 0.0
        if not self._has_extension:
            has_market_session = self._feed is not self._link
            while (
                not events and self.up and (remaining_s := (until_ns - self.now_ns) / NS_PER_S) > 0
            ):
                self._poll_link(min(remaining_s, 0.02 if has_market_session else 1.0), self._link)
                if has_market_session:
                    self._poll_link(0.0, self._feed)
                self._drain(events)
            return
        name = self._new_name("S")
        fields = [(t.UNTIL_NS, str(until_ns)), (t.STEP_ID, name)]
        try:
            self._send(
                [
                    OutgoingMessage(
                        t.STEP, [*fields, (t.WAIT_ONLY, "Y")] if self._follow else fields, None
                    )
                ]
            )
        except VenueError:
            self._poll_link(_WAIT_S, self._link)
            self._drain(events)
            return
        answer = self._await_answer(name, self._patience.step_s, events)
        self._now_ns = max(self._now_ns, answer.ns if answer else 0)

    def _wait_for_link(self, events: list[o.VenueEvent]) -> None:
        """Append events received while the link is down, or wait a little; raises VenueError once `patience.outage_s`
        have been waited without any."""
        self._drain(events)
        if events:
            return
        if self._waited_s >= self._patience.outage_s:
            raise outage_error(self._link, self._patience.outage_s, self._loss_text)
        began = time.monotonic()
        self._poll_link(_WAIT_S, self._link)
        self._drain(events)
        if not events:
            self._waited_s += max(time.monotonic() - began, 0.0)

    def _drain(self, events: list[o.VenueEvent]) -> None:
        """Move queued events to `events`, without answers to steps; raises the error of a pending fault."""
        while self._queue:
            if not isinstance(item := self._pop_item(), StepAnswer):
                events.append(item)

    def _pop_item(self) -> o.VenueEvent | StepAnswer:
        """Take the oldest queued item; raises the error of a pending fault."""
        number, item = self._queue.popleft()
        self._taken_number = max(self._taken_number, number)
        if isinstance(item, PendingFault):
            raise item.error
        return item

    def close(self) -> None:
        """Log out and close the session; a second call does nothing."""
        atexit.unregister(self.close)
        if self._closed:
            return
        self._closed = True
        for link in {self._feed, self._link}:
            with suppress(VenueError):  # a store that is gone: there is nothing left to write
                link.log_out()
        self._received_mark.close()
        if isinstance(self._dialect, StandardDialect):
            self._dialect.memory.close()
