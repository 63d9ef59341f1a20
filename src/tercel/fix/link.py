"""Initiator session over TCP: connects, logs on, keeps alive and reconnects, without a thread.

:meth:`FixLink.poll` does all of it, and waits no longer than its argument. Times are those of a clock that is set when a
connection is made and never jumps in between: a wall clock that is put back stops no heartbeat.
"""

import re
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, VenueError
from tercel.fix import tags as t
from tercel.fix.connection import Connection
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.profiles.model import hidden
from tercel.fix.protocol.message import Fields, Message
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.settings import (
    Commit,
    MemoryStore,
    Outcome,
    SessionEvent,
    SessionEventKind,
    SessionStore,
)
from tercel.fix.store import SteadyStore

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
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
S: Final = 1_000_000_000


@dataclass(frozen=True)
class Address:
    """Host and port of a venue."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def address_of(host: str, port: int, terms: ProfileTerms) -> Address:
    """Address to connect to: the one given, else the profile's.

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
    """Terms of the session of the market data, where the venue has one of its own for it."""
    name = terms.profile.market.session if terms.profile.market is not None else ""
    near = terms.folder / name
    return load(str(near) if near.is_file() else name, comp_id) if name else None


class FixLink:
    """One session with a venue.

    Parameters
    ----------
    terms : ProfileTerms
    address : Address
    sender : str
        SenderCompID, if the profile has none.
    store : Path, optional
        Folder of the session's store; None: it lasts as long as the process.
    reset : bool
        Begin at 1 with the first logon.
    wall : callable, optional
        ns since 1970.
    allow : callable, optional
        Called with the URL before each connection; raises a VenueError if none may be made now.

    Raises
    ------
    ConfigError
        Terms that are not complete, secrets that are not there.
    VenueError
        A store that cannot be used.
    """

    def __init__(
        self,
        terms: ProfileTerms,
        address: Address,
        sender: str,
        store: Path | None = None,
        reset: bool = False,
        wall: Callable[[], int] = time.time_ns,
        allow: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.terms = terms.unlocked()
        self.address = address
        self._wall = wall
        self._allow = allow
        self._later = self.terms.settings(sender)
        settings = self.terms.settings(sender, reset)
        self.name = f"{address} as {settings.sender} to {settings.target}"
        self._tls = terms.tls()
        self._file = None
        self.store: SessionStore = MemoryStore()
        if store is not None:
            session = f"{settings.begin}:{settings.sender}->{settings.target}"
            self.store = self._file = SteadyStore(store / STORE, session)
        numbers = self.store.load()
        if numbers.next_out < (next_out := terms.profile.session.next_out):
            self.store.commit(Commit(replace(numbers, next_out=next_out, since_ns=wall())))
        self.session = FixSession(settings, self.store)
        self._connection: Connection | None = None
        self._parting: list[Connection] = []
        self._began: deque[int] = deque()
        self._sent: deque[int] = deque()
        self._tries = 0
        self._next_try_ns = 0
        self._up_ns = 0
        self.why = ""
        """Reason why there is no session, in the venue's words if it gave any."""
        self.refusals = 0
        """Failed attempts since the last logon."""
        self.connected_once = False
        """Whether somebody ever was there."""
        self.answered = False
        """Whether the last attempt was refused in words."""
        self._base = wall() - time.monotonic_ns()
        self._ended = False

    # -- what the owner sees ------------------------------------------------------------------------------------------
    @property
    def up(self) -> bool:
        """Whether both sides are logged on."""
        return self.session.up

    def fileno(self) -> int:
        """For a selector: readable when something came; -1 while there is no connection."""
        return -1 if self._connection is None else self._connection.fileno()

    def now_ns(self) -> int:
        """Wall clock, ns since 1970."""
        return self._base + time.monotonic_ns()

    @property
    def unrecorded(self) -> str:
        """Reason why the store lacks sent messages, else ""."""
        return "" if self._file is None else self._file.why

    def expect(self, number: int) -> None:
        """Request a resend from a number on, at the next logon."""
        if self._file is not None and number < self._file.load().next_in:
            self._file.expect(number)
            self.session = FixSession(self.session.settings, self.store)

    # -- what the owner does ------------------------------------------------------------------------------------------
    def poll(self, seconds: float = 0.0) -> tuple[list[Message], list[SessionEvent]]:
        """Read, write, reconnect; wait up to some seconds for input.

        Returns
        -------
        messages, events
            Of the venue, of the session; texts without secrets.
        """
        messages: list[Message] = []
        events: list[SessionEvent] = []
        until = time.monotonic() + seconds
        while True:
            self._step(messages, events)
            left = until - time.monotonic()
            if messages or events or left <= 0:
                return messages, events
            self._wait(min(left, _TICK_S))

    def send(self, messages: Iterable[tuple[str, Fields]]) -> int:
        """Send application messages; the number of the first.

        Raises
        ------
        VenueError
            When the link is down, a message is not as the dictionary has it, or there are more than the venue takes:
            nothing of it was sent, nor will be.
        """
        listed = list(messages)
        if not self.up:
            raise VenueError(
                f"a link to {self.name}", f"none: {self.why or 'it is down'}", "wait until it is up"
            )
        # What answers the venue leaves room for orders and cancels: a flood that is answered delays no kill.
        answers = all(
            kind in (t.BUSINESS_REJECT, t.DONT_KNOW) or (t.QUOTE_RESP_TYPE, t.PASS) in fields
            for kind, fields in listed
        )
        self._throttle(len(listed), 2 if answers else 1)
        number = self.session.numbers.next_out
        self._write(self.session.send_all(listed, self.now_ns()))
        if self._connection is None or self._connection.closed:
            raise VenueError(
                f"a link to {self.name}", "one that broke just now", "wait until it is up"
            )
        return number

    def log_out(self) -> None:
        """Log out, wait briefly for the answer, and close."""
        until = time.monotonic() + _GOODBYE_S
        self._write(self.session.log_out(self.now_ns()))
        while self.session.connected and time.monotonic() < until:
            self._read([], [])
            self._wait(0.05)
        self.end()

    def end(self) -> None:
        """Close connection and store; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        for one in (self._connection, *self._parting):
            if one is not None:
                one.close()
        self._connection = None
        self._parting = []
        if self._file is not None:
            self._file.close()

    # -- inside -------------------------------------------------------------------------------------------------------
    def _throttle(self, count: int, share: int) -> None:
        limits = self.terms.profile.limits
        if not limits.messages:
            return
        now = self.now_ns()
        while self._sent and self._sent[0] <= now - limits.window_s * S:
            self._sent.popleft()
        if len(self._sent) + count > limits.messages // share:
            raise VenueError(
                f"at most {limits.messages} messages in {limits.window_s:g} s at {self.name}",
                f"{len(self._sent) + count}",
                "send fewer, or raise limits.messages of the profile if the venue did",
            )
        self._sent.extend([now] * count)

    def _step(self, messages: list[Message], events: list[SessionEvent]) -> None:
        self._parting = [one for one in self._parting if one.receive() is not None]
        if self._ended:
            return
        if self._connection is None:
            self._connect(events)
        if self._connection is None:
            return
        if self._connection.established and not self.session.connected:
            self.connected_once = True
            self.answered = False
            self._take(self.session.connect(self.now_ns()), messages, events)
        self._read(messages, events)
        if self.session.connected:
            self._take(self.session.on_time(self.now_ns()), messages, events)

    def _connect(self, events: list[SessionEvent]) -> None:
        now = time.monotonic_ns()
        limits = self.terms.profile.limits
        while self._began and self._began[0] <= now - limits.logon_window_s * S:
            self._began.popleft()
        if now < self._next_try_ns or (limits.logons and len(self._began) >= limits.logons):
            return
        self._base = self._wall() - time.monotonic_ns()
        times = self._later.times
        windows = {
            None if times is None else times.window(self.now_ns() + lead_s * S)
            for lead_s in (-_EDGE_S, _EDGE_S)
        }
        if times is not None and (None in windows or len(windows) > 1):
            self._failed("the session is closed at this time", events)
            return
        self._began.append(now)
        try:
            self._allow(f"{'fix' if self._tls is None else 'fixs'}://{self.address}")
            self._connection = Connection.to(self.address.host, self.address.port, self._tls)
        except VenueError as error:
            events += [SessionEvent(SessionEventKind.DOWN, error.received)] * (
                error.received != self.why
            )  # reported once
            self._failed(error.received, events)
        self._until_ns = now + round(self._later.answer_s * S)

    def _failed(self, why: str, events: list[SessionEvent]) -> None:
        """An attempt came to nothing: the next one waits longer."""
        self.why = hidden(why, self.terms.secrets)
        self.refusals += 1
        self._wait_longer()
        events.append(SessionEvent(SessionEventKind.REFUSED, self.why))

    def _wait_longer(self) -> None:
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._tries, 10))
        self._tries += 1
        self._next_try_ns = time.monotonic_ns() + round(wait * S)

    def _read(self, messages: list[Message], events: list[SessionEvent]) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.wants_write:
            connection.flush()
        data = connection.receive()
        if data:
            self._take(self.session.receive(data, self.now_ns()), messages, events)
        elif data is None:
            self._gone(connection.why, messages, events)
        elif not connection.established and time.monotonic_ns() > self._until_ns:
            connection.close("no connection in time")
            self._gone(connection.why, messages, events)

    def _gone(self, why: str, messages: list[Message], events: list[SessionEvent]) -> None:
        self._connection = None
        if not self.session.connected:
            self._failed(why, events)
            return
        waiting = not self.session.up
        self._take(self.session.disconnect(self.now_ns()), messages, events)
        if waiting:
            self._failed(self.why or why, events)
        else:
            self.why = self.why or why

    def _take(self, outcome: Outcome, messages: list[Message], events: list[SessionEvent]) -> None:
        for event in outcome.events:
            if event.what is SessionEventKind.UP:
                self.refusals = 0
                self._up_ns = time.monotonic_ns()
                self.why = ""
                self.session.settings = replace(self._later)
            elif event.what in (SessionEventKind.DOWN, SessionEventKind.REFUSED):
                self.why = hidden(event.text, self.terms.secrets)
            if (
                event.what is SessionEventKind.DOWN
                and time.monotonic_ns() - self._up_ns >= _STABLE_S * S
            ):
                self._tries = self._next_try_ns = 0
            elif event.what is SessionEventKind.DOWN:
                self._wait_longer()
            if event.what is SessionEventKind.REFUSED:
                if self._skipped(event.text):
                    continue
                self.answered = True
                self._failed(event.text, events)
            else:
                events.append(replace(event, text=hidden(event.text, self.terms.secrets)))
        messages += outcome.messages
        self._write(outcome)

    def _skipped(self, text: str) -> bool:
        """Whether a venue that is ahead of numbers that were not written down is followed there, once."""
        if self._file is None or not _TOO_LOW.search(text):
            return False
        said = _EXPECTED.search(text)
        if skipped := self._file.skip(int(said[1] or said[2]) if said is not None else 0):
            self.session = FixSession(self.session.settings, self.store)
        return skipped

    def _write(self, outcome: Outcome) -> None:
        connection = self._connection
        if connection is None:
            return
        if outcome.out:
            connection.send(outcome.out)
        if outcome.close:
            connection.end()
            self._connection = None
            if not connection.closed:
                self._parting.append(connection)

    def _wait(self, seconds: float) -> None:
        """Until something can be read or written, or it is time to look again."""
        connection = self._connection
        if connection is None or connection.closed:
            time.sleep(
                min(seconds, max(0.0, (self._next_try_ns - time.monotonic_ns()) / S) + 0.001)
            )
            return
        waiting = select.poll()
        waiting.register(
            connection, select.POLLIN | (select.POLLOUT if connection.wants_write else 0)
        )
        waiting.poll(seconds * 1000)


def no_logon(link: FixLink, received: str, before: bool) -> VenueError:
    """Error of a session that is not logged on, with a remedy; `before`: the same store was logged on once."""
    if not link.connected_once:
        return VenueError(
            f"a FIX server at {link.name}", received, "start it, or give the address it listens at"
        )
    remedy = "check both CompIDs and the password, and that no other session uses them"
    if "MsgSeqNum" in received:
        remedy = _renumber(link, received)
    elif before:
        remedy = f"see whether it still runs, and start it where it does not; if it began again, {_NEW_SESSION}"
    return VenueError(f"a logon at {link.name}", received, remedy)


def _renumber(link: FixLink, received: str) -> str:
    """Remedy for numbers that the venue does not expect."""
    number = _EXPECTED.search(received) if _TOO_LOW.search(received) else None
    asked = "logon" in link.session.settings.reset
    restart = "" if asked else f'reset = ["logon"] {_PROFILE_TABLE}, or {_NEW_SESSION}; '
    skip = f"next_out = {number[1] or number[2]} {_PROFILE_TABLE}; " if number is not None else ""
    return f"{restart}{skip and 'where it allows no reset, '}{skip}or have the venue reset this session"


def outage(link: FixLink, seconds: float, lost: str) -> VenueError:
    """Error of a lost link: no reconnect, or a counterparty without this session's state."""
    why, received = link.why, f"none for {seconds:g} s: {lost or 'it is down'}"
    received += f"; since then: {why}" if why and why not in received else ""
    remedy = (
        _renumber(link, why)
        if "MsgSeqNum" in why
        else f"start it again; if it began again, {_NEW_SESSION}"
    )
    return VenueError(f"a link to {link.name}", received, remedy)
