"""A FIX acceptor in front of any venue. One thread owns the venue, the sessions and their connections.

A *stepped* server moves the venue's clock when the one counterparty that may (the first to send U1) asks for it. One
that runs freely lets time pass at a pace. In both, U2 answers U1 when its time has come or reports for its sender went
out before. A counterparty whose Logon does not announce our private tags (`tags`) sees FIX 4.4, or 4.2, alone.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self

from exchange.fix import acceptor
from exchange.fix.arrival import IncomingConnection, LogonThrottle, SessionName, index_sessions
from exchange.fix.counterparties import Counterparty, Login, comp_id
from exchange.fix.service import TAKES, VenueService
from exchange.fix.store import ServerStore
from tercel import TercelError
from tercel.core import Closing, ConfigError, Pace, Venue, VenueError
from tercel.fix import (
    INCORRECT_VALUE,
    NOT_STORED,
    Connection,
    Fields,
    FixSession,
    Message,
    MessageFault,
    Outcome,
    SessionEventKind,
    SessionSettings,
    SessionTimes,
    TlsSettings,
    answer_simulation_query,
    tags as t,
    tercel_dictionary as own_dictionary,
)

LOOPBACK: Final = ("127.0.0.1", "::1")
STORE: Final = "sessions.db"
"""File of sequence numbers and messages in a server's folder."""
# How often a clock that runs freely is looked at.
_POLL_S: Final = 0.001
# How often sessions look at theirs.
_TICK_S: Final = 0.1
# How long a connection that is over waits for the other side to close it.
_GOODBYE_S: Final = 2.0
# Answers that are stale on another connection.
_NOT_STORED: Final = NOT_STORED | {
    t.STEPPED_TO,
    t.SECURITY_LIST,
    t.MARKET_DATA_REJECT,
    t.POSITIONS_ACK,
    t.POSITION_REPORT,
}
# Messages of one counterparty that are processed before it is another's turn, and the fields of one.
TURN_MESSAGES: Final = 10
MOST_FIELDS: Final = 10_000
_WRITE: Final = selectors.EVENT_WRITE
_READ: Final = selectors.EVENT_READ


@dataclass(frozen=True)
class ListenerSettings:
    """Address and logins of a server.

    Parameters
    ----------
    host : str
        Address of this machine; "0.0.0.0" are all of them.
    port : int
        0: any that is free.
    hosts : collection of str
        Addresses that may connect, beside this machine's own.
    tls : TlsSettings, optional
    """

    host: str = "127.0.0.1"
    port: int = 0
    hosts: frozenset[str] = frozenset()
    tls: TlsSettings | None = None


@dataclass(eq=False)
class _Link:
    """One connection."""

    connection: Connection
    arrival: IncomingConnection
    address: str = ""
    waiting: bytes = b""
    """What came and is not processed yet."""
    fields: int = 0
    """Of a message that is not here whole."""
    mask: int = _READ
    until_ns: int = 0
    """When it is closed, whatever the other side does; 0: not yet."""
    party: Counterparty | None = field(default=None)

    def fileno(self) -> int:
        """For a selector."""
        return self.connection.fileno()


class FixServer(Closing):
    """FIX acceptor in front of a venue; see :func:`serve_fix`."""

    def __init__(
        self,
        venue: Venue,
        listener_settings: ListenerSettings,
        logins: Sequence[Login],
        name: str = "TERCEL",
        store: Path | None = None,
        pace: Pace | None = None,
        times: SessionTimes | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if not logins or len({login.comp_id for login in logins}) < len(logins):
            raise ConfigError(
                "logins with a name each",
                str([login.comp_id for login in logins]),
                "name each login once",
            )
        self.venue = venue
        self.listener_settings = listener_settings
        self.name = comp_id(name)
        self.port = listener_settings.port
        self._wall_ns = wall_ns
        self._tls = listener_settings.tls.server() if listener_settings.tls is not None else None
        self._parties = {login.comp_id: Counterparty(login) for login in logins}
        self._times = times
        self._store = store
        self._stores: dict[str, ServerStore] = {}
        self._session_of: dict[str, FixSession] = {}
        self._sessions: Mapping[SessionName, FixSession] = {}
        self._service = VenueService(venue, self._parties, pace, wall_ns)
        self._wait_s = _POLL_S if pace is not None and not self._service.runs else _TICK_S
        self._links: list[_Link] = []
        self._throttle = LogonThrottle()
        self._address = ""  # whose bytes are being processed
        self._link_of: dict[str, _Link] = {}
        self._tick_ns = 0
        self._listener: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._bell, self._ring = socket.socketpair()
        self._stopped = Event()
        self._stopping = False
        self.error: BaseException | None = None
        """What ended the service, if not :meth:`close`."""
        self._thread = Thread(
            target=self._serve, name=f"fix-venue-{listener_settings.port}", daemon=True
        )

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Listen, and serve in a thread. Errors are those of :meth:`listen`."""
        self.listen()
        self._thread.start()
        return self

    def listen(self) -> None:
        """Listen; the caller then has to call :meth:`turn` repeatedly.

        Raises
        ------
        VenueError
            When the port is taken.
        """
        try:
            family = socket.AF_INET6 if ":" in self.listener_settings.host else socket.AF_INET
            self._listener = socket.create_server(
                (self.listener_settings.host, self.listener_settings.port), family=family
            )
            self.port = int(self._listener.getsockname()[1])
            self._open_sessions()
        except VenueError:
            self._forget()
            raise
        except (OSError, OverflowError) as error:
            self._forget()
            raise VenueError(
                f"port {self.port} free to listen on", f"{error}", "choose another port"
            ) from None
        for sock in (self._listener, self._bell):
            sock.setblocking(False)
            self._selector.register(sock, _READ, sock)
        if self._service.runs:
            self._selector.register(self.venue, _READ, self.venue)  # type: ignore[arg-type]
        self._service.begin()

    def _open_sessions(self) -> None:
        for party in self._parties.values():
            settings = self._settings(party)
            store = None
            if self._store is not None:
                self._store.mkdir(mode=0o700, parents=True, exist_ok=True)
                key = f"{settings.begin}:{settings.sender}->{settings.target}"
                store = ServerStore(self._store / STORE, key)
                self._stores[party.login.comp_id] = store
            self._session_of[party.login.comp_id] = FixSession(settings, store)
        self._sessions = index_sessions(*self._session_of.values())

    def _settings(self, party: Counterparty) -> SessionSettings:
        login = party.login
        host = self._service.hosted.get(party.login.comp_id)

        def admit(logon: Message) -> str:
            identity = login.comp_id, self._address, self._wall_ns()
            if wait_s := self._throttle.wait_s(*identity):
                return f"too many wrong passwords for {login.comp_id}: wait {wait_s:.1f} s"
            reason = login.refusal(logon)
            self._throttle.record_attempt(*identity, wrong=bool(reason))
            if not reason:
                party.greet(logon)
            return reason

        def answer(_sent: str, _number: int) -> Fields:
            fields = [(acceptor.OWN_TAGS, "Y")] if party.uses_private_tags else []
            return (
                [*fields, (acceptor.CANCEL_ON_DISCONNECT, "Y")]
                if party.uses_private_tags and party.cancels
                else fields
            )

        ours = SessionSettings(
            self.name,
            login.comp_id,
            login.begin,
            dictionary=own_dictionary(login.begin),
            logon_fields=answer,
            admit=admit,
            takes=TAKES,
            examine=_unprintable_fault,
            not_stored=_NOT_STORED,
            user_tags=login.user_tags,
            reset=login.reset,
            next_expected=login.next_expected,
            times=self._times,
        )
        return ours if host is None else host.settings(ours)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the server has ended; False on timeout.

        Raises
        ------
        TercelError
            What the venue died of.
        """
        ended = self._stopped.wait(seconds)
        if self.error is not None:
            raise self.error
        return ended

    @property
    def linked(self) -> frozenset[str]:
        """Logged-on counterparties."""
        return frozenset(name for name, session in self._session_of.items() if session.up)

    def close(self) -> None:
        """Log everybody out and stop listening; the venue stays open and is the caller's."""
        if self._thread.is_alive():
            with suppress(OSError):
                self._ring.send(b".")
            self._thread.join()
        self._forget()

    def _forget(self) -> None:
        self._stopped.set()
        self._selector.close()
        for sock in (self._listener, self._bell, self._ring):
            if sock is not None:
                sock.close()
        while self._stores:
            self._stores.popitem()[1].close()

    # -- the thread ---------------------------------------------------------------------------------------------------
    def _serve(self) -> None:
        try:
            while not self._stopping:
                self.turn(self._wait_s)
            for party in self._parties.values():
                self._service.handle_disconnect(party)
        except (
            Exception
        ) as error:  # whatever a venue dies of, its counterparties must see the line go dead
            self.error = error
        with suppress(TercelError, OSError):
            self._hang_up()
        for link in list(self._links):
            link.connection.close()
        self._stopped.set()

    def turn(self, wait_s: float) -> None:
        """One loop iteration: wait for input, advance time, send output.

        Of each counterparty some messages are processed, so that nobody waits for more of another's.
        """
        waiting = any(link.waiting for link in self._links)
        for key, mask in self._selector.select(0.0 if waiting else wait_s):
            if isinstance(key.data, _Link):
                self._handle_ready(key.data, mask)
            elif key.data is self._listener:
                self._accept()
            elif key.data is self._bell:
                self._stopping = True
        for link in list(self._links):
            if link.waiting:
                stop = _turn_size(link.waiting)
                data = link.waiting[:stop]
                link.waiting = link.waiting[stop:]
                counts = [part.count(b"\x01") for part in data.split(b"\x0110=")]
                counts[0] += link.fields
                link.fields = counts[-1]
                if max(counts) > MOST_FIELDS:
                    self._drop(link)
                    continue
                self._apply_call(link, partial(self._receive, link, data))
        self._service.flow()
        self._send_outboxes()
        now_ns = self._wall_ns()
        if not 0 <= now_ns - self._tick_ns < _TICK_S * 1e9:
            self._tick_ns = now_ns
            for link in list(self._links):
                if not link.until_ns:
                    self._apply_call(link, partial(link.arrival.on_time, now_ns))
                elif now_ns >= link.until_ns:
                    self._drop(link)
            self._send_outboxes()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            raw_socket, peer_address = self._listener.accept()
        except OSError:
            return
        if str(peer_address[0]) not in {*LOOPBACK, *self.listener_settings.hosts}:
            raw_socket.close()
            return
        link = _Link(
            Connection(raw_socket, self._tls),
            IncomingConnection(self._sessions, self._wall_ns()),
            str(peer_address[0]),
        )
        self._links.append(link)
        self._selector.register(link, _READ, link)

    def _handle_ready(self, link: _Link, mask: int) -> None:
        """A connection can be read from or written to."""
        data = self._read_input(link, mask)
        if data is None or link.connection.closed:
            self._drop(link)
        else:
            link.waiting = link.waiting or (b"" if link.until_ns else data)
            self._watch(link)

    def _receive(self, link: _Link, data: bytes) -> Outcome:
        """What a session makes of data, or a simulated exchange of the question whether it is one."""
        if (
            link.arrival.session is None
            and self.venue.capabilities.simulated
            and (answer := answer_simulation_query(data))
        ):
            return Outcome(data=answer, close=True)
        self._address = link.address
        return link.arrival.receive(data, self._wall_ns())

    @staticmethod
    def _read_input(link: _Link, mask: int) -> bytes | None:
        """What came in, once what came before is processed and what waits is written; None: the connection is closed."""
        if mask & _WRITE:
            link.connection.flush()
        return link.connection.receive() if mask & _READ and not link.waiting else b""

    def _apply_call(self, link: _Link, call: Callable[[], Outcome]) -> None:
        """Do what a call to the session of a connection leads to."""
        try:
            outcome = call()
        except (
            TercelError
        ):  # its store cannot be written: what is not stored was not sent, nor received
            self._drop(link)
            return
        session = link.arrival.session
        if link.party is None and session is not None:
            link.party = self._parties[session.settings.target]
        if outcome.data:
            link.connection.send(outcome.data)
        if link.party is not None:
            self._dispatch(link.party, link, outcome)
        if outcome.close:
            link.waiting = b""
            self._end_party(link)
            link.connection.end()
            link.until_ns = self._wall_ns() + round(_GOODBYE_S * 1e9)
        if link.connection.closed:
            self._drop(link)
        else:
            self._watch(link)

    def _dispatch(self, party: Counterparty, link: _Link, outcome: Outcome) -> None:
        """What came in; its number is stored with the answer, at once without one."""
        name = party.login.comp_id
        for event in outcome.events:
            if event.kind is SessionEventKind.UP:
                self._link_of[name] = link
                party.up = True
        for message in outcome.messages:
            self._service.take(party, message)
        if not party.outbox and name in self._stores:
            try:
                self._stores[name].flush()
            except TercelError:  # it is repeated
                self._drop(link)

    def _send_outboxes(self) -> None:
        """Send what is in the outboxes; a session keeps it for a counterparty that is away."""
        for name, party in self._parties.items():
            if not party.outbox:
                continue
            ready = party.outbox
            party.outbox = []
            link = self._link_of.get(name)
            session = self._session_of[name]
            outcome = session.send_all(ready, self._wall_ns())
            if link is not None and outcome.data:
                link.connection.send(outcome.data)
                if link.connection.closed:
                    self._drop(link)
                else:
                    self._watch(link)

    def _watch(self, link: _Link) -> None:
        """Wait for writing where something is left to be written."""
        mask = _READ | (_WRITE if link.connection.wants_write else 0)
        if mask != link.mask:
            link.mask = mask
            self._selector.modify(link, mask, link)

    def _end_party(self, link: _Link) -> None:
        """A counterparty is not there any more."""
        if link.party is not None and self._link_of.get(link.party.login.comp_id) is link:
            del self._link_of[link.party.login.comp_id]
            self._service.handle_disconnect(link.party)

    def _drop(self, link: _Link) -> None:
        """Forget a connection."""
        if link not in self._links:
            return
        self._links.remove(link)
        link.waiting = b""
        self._selector.unregister(link)
        link.connection.close()
        self._end_party(link)
        if (
            not link.until_ns
        ):  # else its session is over already, and may have another connection by now
            with suppress(TercelError):
                link.arrival.disconnect(self._wall_ns())

    def _hang_up(self) -> None:
        """Log everybody out, and give them a moment to answer."""
        if self._listener is not None:
            self._selector.unregister(self._listener)
        for link in list(self._links):
            session = link.arrival.session
            if session is None or link.until_ns or not session.up:
                self._release(link)
                continue
            link.connection.send(session.log_out(self._wall_ns(), "the venue is closing").data)
            self._watch(link)
        until = time.monotonic() + _GOODBYE_S
        while self._links and time.monotonic() < until:
            for key, mask in self._selector.select(_TICK_S):
                if isinstance(key.data, _Link):
                    self._await_answer(key.data, mask)

    def _await_answer(self, link: _Link, mask: int) -> None:
        """Wait until the other side has logged out too. Its requests are ignored: it has our logout."""
        data = self._read_input(link, mask)
        over = data is None or (
            bool(data) and link.arrival.receive(data or b"", self._wall_ns()).close
        )
        if over or link.connection.closed:
            self._release(link)
        else:
            self._watch(link)

    def _release(self, link: _Link) -> None:
        link.connection.end()
        self._drop(link)


def _turn_size(data: bytes) -> int:
    """How many bytes are one turn's: up to the CheckSum of its last message, or all."""
    position = 0
    for _ in range(TURN_MESSAGES):
        position = data.find(b"\x0110=", position) + 1
        if not position:
            return len(data)
    return min(position + 7, len(data))


def _unprintable_fault(message: Message) -> MessageFault | None:
    """A name or another field that is looked at with control characters in it, or bytes that are no UTF-8."""
    for tag in acceptor.READ.get(message.kind, ()):
        if not message.get(tag).isprintable():
            return MessageFault(INCORRECT_VALUE, tag)
    return None


def serve_fix(
    venue: Venue,
    port: int,
    logins: Sequence[Login | str],
    *,
    comp_id: str = "TERCEL",
    store: Path | None = None,
    pace: Pace | None = None,
    hosts: Iterable[str] = (),
    host: str = "127.0.0.1",
    tls: TlsSettings | None = None,
    times: SessionTimes | None = None,
) -> FixServer:
    """Serve a venue over FIX until the returned server is closed.

    Parameters
    ----------
    venue : Venue
        It is used by the server's thread alone from now on.
    port : int
        0: any that is free; the server's `port` says which.
    logins : sequence of Login or str
        Who may log on; a plain name has FIX 4.4, no password, and keeps its orders when it leaves.
    comp_id : str
        The venue's own name (TargetCompID of its counterparties).
    store : Path, optional
        Folder of sequence numbers and messages. Without one, a restarted server has forgotten every session.
    pace : Pace, optional
        Lets time pass by itself; without one, the clock is moved by the first counterparty that sends U1. A venue that
        runs freely itself (``stepped`` is False) needs none.
    hosts : iterable of str
        Addresses that are listened to beside this machine's own; who connects from elsewhere is dropped.
    host : str
        Address to listen on; "0.0.0.0": every one of this machine.
    tls : TlsSettings, optional
        The server's certificate and key; with `authorities`, counterparties need a certificate too.
    times : SessionTimes, optional
        When sessions are open; their numbers begin at 1 with each.

    Raises
    ------
    ConfigError
        Without logins, for names that FIX cannot carry, for certificates that cannot be used.
    VenueError
        When the port is taken, or the store cannot be used.
    """
    known = [login if isinstance(login, Login) else Login(login) for login in logins]
    listener_settings = ListenerSettings(host, port, frozenset(hosts), tls)
    return FixServer(venue, listener_settings, known, comp_id, store, pace, times).start()
