"""Initiator session over TCP: connects, logs on, keeps alive and reconnects, without a thread.

:meth:`FixLink.poll` does all of it, and waits no longer than its argument. Times are those of a clock that is set when a
connection is made and never jumps in between: a wall clock that is put back stops no heartbeat.
"""

import re
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, VenueError
from tercel.core.link.connection import Connection, TlsSettings
from tercel.core.secrets import mask_secrets
from tercel.fix import tags as t
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.protocol.events import Outcome, SessionEvent, SessionEventKind
from tercel.fix.protocol.message import Fields, Message
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.session_store import Commit, MemoryStore, SessionStore
from tercel.fix.store import SteadyStore, open_steady_store

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
# A session that has stood for so long is reached again at once; one that ends sooner was another attempt.
_STABLE_S: Final = 5.0
# How often a session looks at the time while nothing comes.
_TICK_S: Final = 0.25
_GOODBYE_S: Final = 2.0
STORE: Final = "fix.db"
# How venues say that our numbers have been.
_TOO_LOW: Final = re.compile(r"(?i)\btoo\W+low|\blower\W+than")
_EXPECTED: Final = re.compile(r"(?i)\bexpect\w*\D{1,20}(\d{1,9})|\b(\d{1,9})\W+is\W+expected")
# Where one session begins as another ends, the two sides' clocks may not agree which of them it is.
_EDGE_S: Final = 2
_PROFILE_TABLE: Final = "under [session] of the profile"
_NEW_SESSION: Final = (
    "begin a new session: give the desk a folder of its own with `desk=` (a session alone: reset=True). A simulated"
    " exchange that ends forgets its sessions, its orders and its time"
)
NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True)
class Address:
    """Host and port of a venue."""

    host: str
    port: int

    def __str__(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"


def address_of(host: str, port: int, terms: ProfileTerms) -> Address:
    """Address to connect to: the one given, else the profile's; ConfigError where neither has host and port.

    Raises
    ------
    ConfigError
        When neither says it.
    """
    session = terms.profile.session
    if not (host or session.host) or not (port or session.port):
        raise ConfigError(
            f"session.host and session.port in {terms.name}", "none", "say where it listens"
        )
    return Address(host or session.host, port or session.port)


def market_terms(terms: ProfileTerms, comp_id: str) -> ProfileTerms | None:
    """Terms of the venue's separate session for market data; None where the venue has none."""
    name = terms.profile.market.session if terms.profile.market is not None else ""
    near = terms.folder / name
    return load(str(near) if near.is_file() else name, comp_id) if name else None


class FixLink:
    """One session with a venue.

    Parameters
    ----------
    terms : ProfileTerms
        With their secrets.
    address : Address
    sender : str
        SenderCompID, if the profile has none.
    store : SteadyStore, optional
        Closed with it; None: it lasts as long as the process.
    tls : TlsSettings, optional
    reset : bool
        Begin at 1 with the first logon.
    wall : callable, optional
        ns since 1970.
    allow : callable, optional
        Called with the URL before each connection; raises a VenueError if none may be made now.
    """

    def __init__(
        self,
        terms: ProfileTerms,
        address: Address,
        sender: str,
        store: SteadyStore | None = None,
        tls: TlsSettings | None = None,
        reset: bool = False,
        wall: Callable[[], int] = time.time_ns,
        allow: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.terms = terms
        self.address = address
        self._wall = wall
        self._allow = allow
        self._tls = tls
        self._disk_store = store
        self.store: SessionStore = store or MemoryStore()
        self._reconnect_settings = terms.settings(sender)
        settings = terms.settings(sender, reset)
        self.name = f"{address} as {settings.sender} to {settings.target}"
        self.session = FixSession(settings, self.store)
        self._connection: Connection | None = None
        self._closing_connections: list[Connection] = []
        self._attempt_times_ns: deque[int] = deque()
        self._send_times_ns: deque[int] = deque()
        self._tries = 0
        self._next_try_ns = 0
        self._up_ns = 0
        self.down_reason = ""
        """Reason why there is no session, in the venue's words if it gave any."""
        self.refusals = 0
        """Failed attempts since the last logon."""
        self.connected_once = False
        """Whether somebody ever was there."""
        self.refused_with_reason = False
        """Whether the last attempt was refused in words."""
        self._clock_base_ns = wall() - time.monotonic_ns()
        self._ended = False

    @property
    def up(self) -> bool:
        """Whether both sides are logged on."""
        return self.session.up

    def fileno(self) -> int:
        """File descriptor for a selector, readable when something came; -1 while there is no connection."""
        return -1 if self._connection is None else self._connection.fileno()

    def now_ns(self) -> int:
        """ns since 1970: the wall clock when last connected, advanced by the monotonic clock."""
        return self._clock_base_ns + time.monotonic_ns()

    @property
    def unrecorded(self) -> str:
        """Reason why the store lacks sent messages, else ""."""
        return "" if self._disk_store is None else self._disk_store.write_error

    def expect(self, number: int) -> None:
        """Have the next logon request a resend from `number` on; nothing without a disk store that is beyond it."""
        if self._disk_store is not None and number < self._disk_store.load().next_in:
            self._disk_store.expect(number)
            self.session = FixSession(self.session.settings, self.store)

    def poll(self, seconds: float = 0.0) -> tuple[list[Message], list[SessionEvent]]:
        """Read, write, reconnect; wait up to some seconds for the first input: the venue's messages and the session's events.

        Returns
        -------
        messages, events
            Of the venue, of the session; texts without secrets.
        """
        messages: list[Message] = []
        events: list[SessionEvent] = []
        deadline_s = time.monotonic() + seconds
        while True:
            self._step(messages, events)
            remaining_s = deadline_s - time.monotonic()
            if messages or events or remaining_s <= 0:
                return messages, events
            self._wait(min(remaining_s, _TICK_S))

    def send(self, messages: Iterable[tuple[str, Fields]]) -> int:
        """Send application messages, all or none; MsgSeqNum of the first. Raises VenueError while down and beyond the
        venue's rate limit.

        Raises
        ------
        VenueError
            When the link is down, a message is not as the dictionary has it, or there are more than the venue takes:
            nothing of it was sent, nor will be.
        """
        listed = list(messages)
        if not self.up:
            raise VenueError(
                f"a link to {self.name}",
                f"none: {self.down_reason or 'it is down'}",
                "wait until it is up",
            )
        # What answers the venue leaves room for orders and cancels: a flood that is answered delays no kill.
        answers = all(
            kind in (t.BUSINESS_REJECT, t.DONT_KNOW) or (t.QUOTE_RESP_TYPE, t.PASS) in fields
            for kind, fields in listed
        )
        self._throttle(len(listed), 2 if answers else 1)
        number = self.session.numbers.next_out
        self._send_outcome(self.session.send_all(listed, self.now_ns()))
        if self._connection is None or self._connection.closed:
            raise VenueError(
                f"a link to {self.name}", "one that broke just now", "wait until it is up"
            )
        return number

    def log_out(self) -> None:
        """Log out, wait briefly for the answer, and close."""
        until = time.monotonic() + _GOODBYE_S
        self._send_outcome(self.session.log_out(self.now_ns()))
        while self.session.connected and time.monotonic() < until:
            self._read([], [])
            self._wait(0.05)
        self.end()

    def end(self) -> None:
        """Close connection and store without a logout; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        for connection in (self._connection, *self._closing_connections):
            if connection is not None:
                connection.close()
        self._connection = None
        self._closing_connections = []
        if self._disk_store is not None:
            self._disk_store.close()

    def _throttle(self, count: int, divisor: int) -> None:
        """Count `count` messages that leave now, or raise VenueError if they would exceed the venue's limit divided by
        `divisor`."""
        limits = self.terms.profile.limits
        if not limits.messages:
            return
        now = self.now_ns()
        while self._send_times_ns and self._send_times_ns[0] <= now - limits.window_s * NS_PER_S:
            self._send_times_ns.popleft()
        if len(self._send_times_ns) + count > limits.messages // divisor:
            raise VenueError(
                f"at most {limits.messages} messages in {limits.window_s:g} s at {self.name}",
                f"{len(self._send_times_ns) + count}",
                "send fewer, or raise limits.messages of the profile if the venue did",
            )
        self._send_times_ns.extend([now] * count)

    def _step(self, messages: list[Message], events: list[SessionEvent]) -> None:
        """Connect if due, read, write and let time pass, once; append messages and events."""
        self._closing_connections = [
            connection
            for connection in self._closing_connections
            if connection.receive() is not None
        ]
        if self._ended:
            return
        if self._connection is None:
            self._connect(events)
        if self._connection is None:
            return
        if self._connection.established and not self.session.connected:
            self.connected_once = True
            self.refused_with_reason = False
            self._apply_outcome(self.session.connect(self.now_ns()), messages, events)
        self._read(messages, events)
        if self.session.connected:
            self._apply_outcome(self.session.on_time(self.now_ns()), messages, events)

    def _connect(self, events: list[SessionEvent]) -> None:
        """Begin a connection if one is due, within session times and the limit of logons; a failure becomes an event."""
        now = time.monotonic_ns()
        limits = self.terms.profile.limits
        while (
            self._attempt_times_ns
            and self._attempt_times_ns[0] <= now - limits.logon_window_s * NS_PER_S
        ):
            self._attempt_times_ns.popleft()
        if now < self._next_try_ns or (
            limits.logons and len(self._attempt_times_ns) >= limits.logons
        ):
            return
        self._clock_base_ns = self._wall() - time.monotonic_ns()
        times = self._reconnect_settings.times
        windows = {
            None if times is None else times.window(self.now_ns() + lead_s * NS_PER_S)
            for lead_s in (-_EDGE_S, _EDGE_S)
        }
        if times is not None and (None in windows or len(windows) > 1):
            self._record_failure("the session is closed at this time", events)
            return
        self._attempt_times_ns.append(now)
        try:
            self._allow(f"{'fix' if self._tls is None else 'fixs'}://{self.address}")
            self._connection = Connection.connect(self.address.host, self.address.port, self._tls)
        except VenueError as error:
            events += [SessionEvent(SessionEventKind.DOWN, error.received)] * (
                error.received != self.down_reason
            )  # reported once
            self._record_failure(error.received, events)
        self._until_ns = now + round(self._reconnect_settings.answer_s * NS_PER_S)

    def _record_failure(self, reason: str, events: list[SessionEvent]) -> None:
        """Record a failed attempt to connect; the next one waits longer."""
        self.down_reason = mask_secrets(reason, self.terms.secrets)
        self.refusals += 1
        self._schedule_attempt()
        events.append(SessionEvent(SessionEventKind.REFUSED, self.down_reason))

    def _schedule_attempt(self) -> None:
        """Set the time of the next attempt; the pause doubles with each failed one."""
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._tries, 10))
        self._tries += 1
        self._next_try_ns = time.monotonic_ns() + round(wait * NS_PER_S)

    def _read(self, messages: list[Message], events: list[SessionEvent]) -> None:
        """Read the connection and pass its bytes to the session; append messages and events."""
        connection = self._connection
        if connection is None:
            return
        if connection.wants_write:
            connection.flush()
        data = connection.receive()
        if data:
            self._apply_outcome(self.session.receive(data, self.now_ns()), messages, events)
        elif data is None:
            self._handle_disconnect(connection.close_reason, messages, events)
        elif not connection.established and time.monotonic_ns() > self._until_ns:
            connection.close("no connection in time")
            self._handle_disconnect(connection.close_reason, messages, events)

    def _handle_disconnect(
        self, reason: str, messages: list[Message], events: list[SessionEvent]
    ) -> None:
        """Tell the session that the connection is gone, and schedule the next one."""
        self._connection = None
        if not self.session.connected:
            self._record_failure(reason, events)
            return
        waiting = not self.session.up
        self._apply_outcome(self.session.disconnect(self.now_ns()), messages, events)
        if waiting:
            self._record_failure(self.down_reason or reason, events)
        else:
            self.down_reason = self.down_reason or reason

    def _apply_outcome(
        self, outcome: Outcome, messages: list[Message], events: list[SessionEvent]
    ) -> None:
        """Append a session's messages and events, follow its state, and send its output."""
        for event in outcome.events:
            if event.kind is SessionEventKind.UP:
                self.refusals = 0
                self._up_ns = time.monotonic_ns()
                self.down_reason = ""
                self.session.settings = replace(self._reconnect_settings)
            elif event.kind in (SessionEventKind.DOWN, SessionEventKind.REFUSED):
                self.down_reason = mask_secrets(event.text, self.terms.secrets)
            if (
                event.kind is SessionEventKind.DOWN
                and time.monotonic_ns() - self._up_ns >= _STABLE_S * NS_PER_S
            ):
                self._tries = self._next_try_ns = 0
            elif event.kind is SessionEventKind.DOWN:
                self._schedule_attempt()
            if event.kind is SessionEventKind.REFUSED:
                if self._skip_numbers(event.text):
                    continue
                self.refused_with_reason = True
                self._record_failure(event.text, events)
            else:
                events.append(replace(event, text=mask_secrets(event.text, self.terms.secrets)))
        messages += outcome.messages
        self._send_outcome(outcome)

    def _skip_numbers(self, text: str) -> bool:
        """Continue, once, at the number that a venue expects which is ahead of ours; whether that was done."""
        if self._disk_store is None or not _TOO_LOW.search(text):
            return False
        match = _EXPECTED.search(text)
        if skipped := self._disk_store.skip(int(match[1] or match[2]) if match is not None else 0):
            self.session = FixSession(self.session.settings, self.store)
        return skipped

    def _send_outcome(self, outcome: Outcome) -> None:
        """Write a session's bytes to the connection, and close it where the session says so."""
        connection = self._connection
        if connection is None:
            return
        if outcome.data:
            connection.send(outcome.data)
        if outcome.close:
            connection.end()
            self._connection = None
            if not connection.closed:
                self._closing_connections.append(connection)

    def _wait(self, seconds: float) -> None:
        """Wait at most so many seconds until something can be read or written; without a connection, until the next
        attempt is due."""
        connection = self._connection
        if connection is None or connection.closed:
            time.sleep(
                min(seconds, max(0.0, (self._next_try_ns - time.monotonic_ns()) / NS_PER_S) + 0.001)
            )
            return
        poller = select.poll()
        poller.register(
            connection, select.POLLIN | (select.POLLOUT if connection.wants_write else 0)
        )
        poller.poll(seconds * 1000)


def open_link(
    terms: ProfileTerms,
    address: Address,
    sender: str,
    folder: Path | None = None,
    reset: bool = False,
    wall: Callable[[], int] = time.time_ns,
    allow: Callable[[str], object] = lambda _: None,
) -> FixLink:
    """Read a session's secrets and certificates, and open its store in a folder (None: it lasts as long as the process); the
    connection is made by `poll`. Other parameters as of `FixLink`.

    Raises
    ------
    ConfigError
        Terms that are not complete, secrets that are not there.
    VenueError
        A store that cannot be used.
    """
    terms = terms.with_secrets()
    settings = terms.settings(sender, reset)
    with ExitStack() as opening:
        store = None
        if folder is not None:
            session = f"{settings.begin}:{settings.sender}->{settings.target}"
            store = open_steady_store(folder / STORE, session)
            opening.callback(store.close)
        link = FixLink(terms, address, sender, store, terms.tls(), reset, wall, allow)
        numbers = link.session.numbers
        if numbers.next_out < (next_out := terms.profile.session.next_out):
            link.store.commit(Commit(replace(numbers, next_out=next_out, since_ns=wall())))
            link.session = FixSession(settings, link.store)
        opening.pop_all()
    return link


def no_logon_error(link: FixLink, received: str, was_logged_on: bool) -> VenueError:
    """Error of a session that is not logged on, with a remedy; `was_logged_on`: the same store was logged on once."""
    if not link.connected_once:
        return VenueError(
            f"a FIX server at {link.name}", received, "start it, or give the address it listens at"
        )
    remedy = "check both CompIDs and the password, and that no other session uses them"
    if "MsgSeqNum" in received:
        remedy = _renumber_remedy(link, received)
    elif was_logged_on:
        remedy = f"see whether it still runs, and start it where it does not; if it began again, {_NEW_SESSION}"
    return VenueError(f"a logon at {link.name}", received, remedy)


def _renumber_remedy(link: FixLink, received: str) -> str:
    """Remedy for numbers that the venue does not expect."""
    number = _EXPECTED.search(received) if _TOO_LOW.search(received) else None
    resets_at_logon = "logon" in link.session.settings.reset
    restart = "" if resets_at_logon else f'reset = ["logon"] {_PROFILE_TABLE}, or {_NEW_SESSION}; '
    skip = f"next_out = {number[1] or number[2]} {_PROFILE_TABLE}; " if number is not None else ""
    return f"{restart}{skip and 'where it allows no reset, '}{skip}or have the venue reset this session"


def outage_error(link: FixLink, seconds: float, loss_text: str) -> VenueError:
    """Error of a lost link: no reconnect, or a counterparty without this session's state."""
    reason = link.down_reason
    received = f"none for {seconds:g} s: {loss_text or 'it is down'}"
    received += f"; since then: {reason}" if reason and reason not in received else ""
    remedy = (
        _renumber_remedy(link, reason)
        if "MsgSeqNum" in reason
        else f"start it again; if it began again, {_NEW_SESSION}"
    )
    return VenueError(f"a link to {link.name}", received, remedy)
