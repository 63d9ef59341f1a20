"""FIX initiator as a venue, on this package's engine and without a thread.

Its owner calls :meth:`FixVenue.step`, or :meth:`FixVenue.poll` when a selector says that its socket has
something. A message counts as received when the caller comes back for more, and its number is then written down: a
process that is killed before asks for everything after that number when it logs on again with the same store.

No command is repeated after a gap. What the venue has not received when a link broke never reaches it; the sender
asks (StatusRequest) when the link is up again.
"""

import atexit
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.ports import Capabilities, Closing
from tercel.fix import tags as t
from tercel.fix.connection import WaitLimits
from tercel.fix.dialect import (
    Item,
    OutgoingMessage,
    OwnDialect,
    PendingFault,
    Shape,
    StepAnswer,
    refused,
)
from tercel.fix.link import FixLink, address_of, market_terms, no_logon, outage
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.protocol.message import Message
from tercel.fix.protocol.settings import SessionEvent, SessionEventKind
from tercel.fix.quotes import QuoteDesk
from tercel.fix.report_reader import PositionQuestions
from tercel.fix.standard import StandardDialect
from tercel.fix.store import ReceivedMark

# How long a step waits for a message while the link is down.
_WAIT_S: Final = 0.1
_MARKET_FOLDER: Final = "market"
S: Final = 1_000_000_000


class FixVenue(Closing):
    """A venue reached over a FIX session.

    Parameters
    ----------
    host, port : str, int
        Where it listens; "" and 0: where the profile says.
    comp_id : str
        Our name; the account of orders that name none. "": the profile's.
    profile : str or ProfileTerms
        How the venue wants to be spoken to: a shipped profile, or the file of one.
    store : Path, optional
        Folder of sequence numbers and messages. With it a session continues after a restart; without one, each
        FixVenue begins a new session.
    reset : bool
        Begin a new session although a store holds one. What the venue stored for us is lost.
    follow : bool
        Wait for a stepped venue's clock, which another counterparty moves.
    patience : WaitLimits
    wall : callable
        ns since 1970.
    allow : callable
        As `FixLink` has it.

    Raises
    ------
    VenueError
        When no server listens or the logon is refused.
    ConfigError
        For a profile that cannot be used.
    """

    def __init__(
        self,
        host: str = "",
        port: int = 0,
        comp_id: str = "",
        *,
        profile: str | ProfileTerms = "tercel",
        store: Path | None = None,
        reset: bool = False,
        follow: bool = False,
        patience: WaitLimits | None = None,
        wall: Callable[[], int] = time.time_ns,
        allow: Callable[[str], object] = lambda _: None,
    ) -> None:
        terms = load(profile, comp_id) if isinstance(profile, str) else profile
        for note in terms.notes:
            warnings.warn(note, stacklevel=2)
        self._terms = terms
        self._own = terms.profile.extension
        self._follow = follow
        self._patience = patience or WaitLimits()
        self._queue: deque[tuple[int, Item]] = deque()
        self._waited_s = 0.0
        self._lost = ""
        self._subscribed: list[str] = []
        self._now_ns = 0
        self._stepped = False
        self._taken = 0
        self._returned = 0
        self._names = 0
        self._early: list[o.VenueEvent] = []
        self._first = 0  # number of ours that this connection began with
        self._received = ReceivedMark()
        self._closed = False
        self.unbooked = False
        self._link = self._feed = FixLink(
            terms,
            address_of(host, port, terms),
            comp_id,
            store,
            reset or store is None,
            wall,
            allow,
        )
        clock = self._link.now_ns
        self._dialect = OwnDialect(clock) if self._own else StandardDialect(terms, clock, store)
        self._listings: tuple[o.Listing, ...] = ()
        self._questions = PositionQuestions(
            terms,
            self._dialect.scales,
            lambda: self._name("P"),
            self._send,
            clock,
            self._patience.logon_s,
        )
        self._quotes = QuoteDesk(
            terms,
            self._dialect.scales,
            self._dialect.own_name,
            lambda: self._name("R"),
            self._send,
            lambda: self.now_ns - (0 if self._own else self.ahead_ns or 0),
            clock,
        )
        self._offers_quotes = bool(terms.profile.orders.quotes)
        try:
            if store is not None:
                self._received = ReceivedMark(store)
                if reset:
                    self._received.forget()
                else:  # expect the message after the last one that the caller has seen
                    self._returned = self._taken = self._received.number
                    if terms.profile.session.on_gap == "request":
                        self._link.expect(self._returned + 1)
            self._log_on(self._link)
            self._received.write(self._returned)
            self._beside(comp_id, store, wall, allow)
            self._listings = self._list()
        except BaseException:
            self.close()
            raise
        atexit.register(self.close)

    # -- logon --------------------------------------------------------------------------------------------------------
    def _log_on(self, link: FixLink) -> None:
        until = time.monotonic() + self._patience.logon_s
        while not link.up:
            self._pump(0.05, link)
            if link.up:
                break
            if link.refusals and (link.answered or link.refusals > 1):
                raise no_logon(link, link.why, self._returned > 0)
            if time.monotonic() > until:
                raise no_logon(
                    link,
                    link.why or f"no logon within {self._patience.logon_s:g} s",
                    self._returned > 0,
                )

    def _beside(
        self,
        comp_id: str,
        store: Path | None,
        wall: Callable[[], int],
        allow: Callable[[str], object],
    ) -> None:
        if (terms := market_terms(self._terms, comp_id)) is None:
            return
        self._feed = FixLink(
            terms,
            address_of("", 0, terms),
            comp_id,
            None if store is None else store / _MARKET_FOLDER,
            True,
            wall,
            allow,
        )
        if isinstance(self._dialect, StandardDialect):
            self._dialect.market_terms = terms
        self._log_on(self._feed)

    def _list(self) -> tuple[o.Listing, ...]:
        name = self._name("L")
        request = self._dialect.list_request(name)
        if request is None:
            self._now_ns = self._link.now_ns()
            return self._dialect.listings if isinstance(self._dialect, StandardDialect) else ()
        early: list[o.VenueEvent] = []
        self._send([request], self._feed)
        answer = self._await(name, self._patience.logon_s, early)
        if answer is None:
            raise VenueError(f"the instruments of {self._feed.name}", "a broken link", "try again")
        self._stepped = answer.stepped and not self._follow
        self._offers_quotes = self._offers_quotes or answer.quotes
        self._now_ns = answer.ns
        self._early = early
        return answer.listings

    # -- what comes in ------------------------------------------------------------------------------------------------
    def poll(self, seconds: float = 0.0) -> bool:
        """Read what came, keep the session alive and reconnect it; whether a step has something to return.

        Parameters
        ----------
        seconds : float
            How long to wait for something at most.
        """
        self._pump(seconds, self._link)
        if self._feed is not self._link:
            self._pump(0.0, self._feed)
        return bool(self._queue or self._early)

    def fileno(self) -> int:
        """For a selector; -1 while there is no connection: poll from time to time."""
        return self._link.fileno()

    def _pump(self, seconds: float, link: FixLink) -> None:
        messages, events = link.poll(seconds)
        for event in events:
            self._happened(event, link)
        for message in messages:
            self._heard(message, link)
        if not messages:  # what was read late is not late
            self._queue += (
                (0, one) for one in self._questions.overdue(time.monotonic(), self._link.now_ns())
            )
        for instrument in self._dialect.spoilt:
            with suppress(VenueError):  # down: the next logon asks
                self._ask_market(instrument)
        self._dialect.spoilt.clear()
        again = self._dialect.again
        self._dialect.again = []
        for command in again:
            with suppress(VenueError):  # down: the caller learns it from the link, and asks again
                self.send(command)

    def _heard(self, message: Message, link: FixLink) -> None:
        now = self._link.now_ns() if not self._own else self._now_ns
        if link is self._link and (events_found := self._questions.read(message, now)) is not None:
            found: list[tuple[int, Item]] = [(message.number, one) for one in events_found]
        elif link is self._link and (quotes_found := self._quotes.read(message, now)) is not None:
            for one in quotes_found:
                if isinstance(one, o.Report) and isinstance(self._dialect, StandardDialect):
                    self._dialect.memory.update(one)
            found = [(message.number, one) for one in quotes_found]
        elif message.kind == t.REJECT and self._own:
            found = [
                (
                    0,
                    self._dialect.refusal(
                        message.get(t.REF_SEQ_NUM, "0"), message.get(t.TEXT), now
                    ),
                )
            ]
        else:
            found = self._dialect.read(message, now)
        for _, item in found:
            if isinstance(
                item, o.Report
            ):  # before the next message is read, which may contradict it
                self._quotes.heard(item)
        self._queue += found if link is self._link else [(0, item) for _, item in found]

    def _happened(self, event: SessionEvent, link: FixLink) -> None:
        """Turn an event of a session into events of the venue."""
        now = self._now_ns
        whose = "" if link is self._link else "market data: "
        if event.what is SessionEventKind.UP and link is self._link:
            self._first = link.session.numbers.next_out
        if event.what is SessionEventKind.UP and self._listings:
            if link is self._link:
                self._queue.append((0, o.LinkStatus(True, now, f"logged on at {link.name}")))
            if link is self._feed:
                self._dialect.spoilt += self._subscribed
        elif event.what is SessionEventKind.DOWN:
            self._lost = f"{whose}lost {link.name}" + (f": {link.why}" if link.why else "")
            if link is self._link:
                self._queue += ((0, one) for one in self._questions.forget(now))
            if not self._closed:
                text = (
                    f"{self._lost}; waiting up to {self._patience.outage_s:g} s for it to come back"
                )
                self._queue.append((0, o.LinkStatus(link is not self._link, now, text)))
        elif event.what is SessionEventKind.RESET and link is self._link:
            self._taken = self._returned = 0
            self._queue = deque((0, item) for _, item in self._queue)
        elif event.what is SessionEventKind.GAP and link is self._feed and not self._own:
            self._dialect.spoilt += (
                self._subscribed
            )  # missing messages may be market data, which are never repeated
        elif event.what in (SessionEventKind.REJECTED, SessionEventKind.GARBLED):
            self._queue.append((0, refused(event, self._dialect.own_name, now)))
        elif event.what is SessionEventKind.NOT_REPEATED and event.message is not None:
            if name := self._dialect.skipped(event.message, event.message.number < self._first):
                text = f"{name} did not reach the venue and is not repeated; ask for its status"
                self._queue.append((0, o.LinkStatus(link.up, now, text)))

    # -- what goes out ------------------------------------------------------------------------------------------------
    def _send(self, ready: Sequence[OutgoingMessage], link: FixLink | None = None) -> int:
        link = link or self._link
        number = link.send((one.kind, one.fields) for one in ready)
        for n, one in enumerate(ready):
            if link is self._link:
                self._dialect.remember(number + n, one.about)
        return number

    def _name(self, letter: str = "") -> str:
        """A name for a request that no other of this session has."""
        self._names += 1
        return f"{letter}{self._link.session.numbers.next_out}-{self._names}"

    def _await(self, name: str, seconds: float, events: list[o.VenueEvent]) -> StepAnswer | None:
        """Collect events until a request is answered; None when the link went down first."""
        until = time.monotonic() + seconds
        while True:
            while self._queue:
                item = self._next()
                if isinstance(item, StepAnswer):
                    if item.name == name:
                        return item
                    continue
                events.append(item)
                if isinstance(item, o.LinkStatus) and not item.up:
                    return None
            left = until - time.monotonic()
            if left <= 0:
                raise VenueError(
                    f"an answer from {self._link.name} within {seconds:g} s", "none", "see its log"
                )
            if self._feed is not self._link and not self._listings:
                self._pump(min(left, _WAIT_S), self._feed)
                left = 0.0
            self._pump(min(left, 1.0), self._link)

    def _ask_market(self, instrument: str) -> None:
        self._send([self._dialect.market_request(self._name("M"), instrument)], self._feed)

    # -- the port -----------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Name in journals and tables."""
        return f"fix:{self._link.name}"

    @property
    def now_ns(self) -> int:
        """The venue's time at its last message; UTC at a venue that does not report it."""
        if not self._own:
            self._now_ns = max(self._now_ns, self._link.now_ns())
        return self._now_ns

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`: those its profile allows."""
        orders = self._terms.profile.orders
        return Capabilities(
            stepped=self._stepped,
            answers_questions=orders.status,
            connection=self,
            session=self,
            disowns=self,
            depth=self,
            position_reports=self._questions if orders.positions else None,
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
        """Prices of the ring of an instrument's book at the venue.

        Raises
        ------
        VenueError
            When the venue does not report it.
        """
        return self._shape(instrument)[0]

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed behind an instrument shows; 0: all of them.

        Raises
        ------
        VenueError
            When the venue does not report it.
        """
        return self._shape(instrument)[1]

    def _shape(self, instrument: str) -> Shape:
        if instrument not in self._dialect.shapes:
            raise VenueError("a book whose width the venue tells", instrument, "choose a width")
        return self._dialect.shapes[instrument]

    def subscribe(self, instrument: str) -> None:
        """Subscribe to market data; renewed on every reconnect.

        Raises
        ------
        VenueError
            For an instrument that is not listed, or when the link is down.
        """
        if instrument not in (known := self._dialect.scales):
            raise VenueError(
                "an instrument that is listed", instrument, f"choose one of {', '.join(known)}"
            )
        self._ask_market(instrument)
        if instrument not in self._subscribed:
            self._subscribed.append(instrument)

    def send(self, command: o.Command) -> None:
        """Send a command over the session.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent, and nothing will be.
        OrderError
            For a command that FIX, or this venue, cannot express.
        """
        if not self.up:
            why = self._link.why or "it is down"
            raise VenueError(f"a link to {self._link.name}", f"none: {why}", "wait until it is up")
        if isinstance(command, o.QuotedOrder) and (no := self._quotes.hit(command)) is not None:
            self._queue.append((0, no))
            return
        ready, note = self._dialect.commands(command)
        if note:
            self._queue.append((0, o.LinkStatus(True, self.now_ns, note)))
        if ready:
            self._send(ready)

    def disown(self, message: o.Report | o.CancelReject | o.Unread) -> None:
        """Tell the venue of a report that was set aside, where FIX has an answer: a DK, or a business reject.

        Raises
        ------
        VenueError
            When the link is down.
        """
        if ready := self._dialect.answers(message):
            self._send(ready)

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """See `Venue.step`. While the link is down, pending events are returned after a short wait.

        Raises
        ------
        VenueError
            When the venue refuses to step, sends what cannot be read and a call waits for, is silent for
            `patience.step_s`, or has been away for `patience.outage_s`.
        """
        if not self.unbooked:
            self._received.write(self._returned)
        events = self._early
        self._early = []
        try:
            self._collect(until_ns, events)
        except VenueError:
            self._early = events
            raise
        for event in events if self._own else ():
            if isinstance(event, o.Report | o.CancelReject):
                self._now_ns = max(self._now_ns, event.ns)
            elif isinstance(event, o.MarketRows) and len(event.rows):
                self._now_ns = max(self._now_ns, int(event.rows[-1, 0]))
        self._returned = self._taken
        return events

    def _collect(self, until_ns: int, events: list[o.VenueEvent]) -> None:
        """Append what came, and what a step brings."""
        free = not self._stepped
        self.poll(0.0)
        if not self.up:
            self._wait_for_link(events)
        elif free:
            self._drain(events)
        if not self.up or (free and events):
            return
        self._waited_s = 0.0
        if not self._own:
            two = self._feed is not self._link
            while not events and self.up and (left := (until_ns - self.now_ns) / S) > 0:
                self._pump(min(left, 0.02 if two else 1.0), self._link)
                if two:
                    self._pump(0.0, self._feed)
                self._drain(events)
            return
        name = self._name("S")
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
            self._pump(_WAIT_S, self._link)
            self._drain(events)
            return
        answer = self._await(name, self._patience.step_s, events)
        self._now_ns = max(self._now_ns, answer.ns if answer else 0)

    def _wait_for_link(self, events: list[o.VenueEvent]) -> None:
        """Take what came while the link is down, or wait a little: no more than `patience.outage_s` in a row."""
        self._drain(events)
        if events:
            return
        if self._waited_s >= self._patience.outage_s:
            raise outage(self._link, self._patience.outage_s, self._lost)
        began = time.monotonic()
        self._pump(_WAIT_S, self._link)
        self._drain(events)
        if not events:
            self._waited_s += max(time.monotonic() - began, 0.0)

    def _drain(self, events: list[o.VenueEvent]) -> None:
        """Move queued events to `events`."""
        while self._queue:
            if not isinstance(item := self._next(), StepAnswer):
                events.append(item)

    def _next(self) -> o.VenueEvent | StepAnswer:
        number, item = self._queue.popleft()
        self._taken = max(self._taken, number)
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
        self._received.close()
        if isinstance(self._dialect, StandardDialect):
            self._dialect.memory.close()
