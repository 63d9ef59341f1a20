"""A FIX 4.4 acceptor in front of any venue. One thread owns the venue; the engine's threads only queue messages for it.

A *stepped* server moves the venue's clock when the one counterparty that may (the first to send U1) asks for it. One
that runs freely lets time pass at a pace. In both, U2 answers U1 when its time has
come or reports for its sender went out before.
"""

import socket
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final, Self

from tercel.core.errors import ConfigError, VenueError
from tercel.core.ports import Venue
from tercel.venues.fix import engine
from tercel.venues.fix import tags as t
from tercel.venues.fix.desk import Counterparty, Login
from tercel.venues.fix.service import DOWN, ORDERS, UP, VenueService
from tercel.venues.pace import Pace

LOOPBACK: Final = ("127.0.0.1",)
_STOP: Final = "stop"
_POLL_S = 0.001
"""How often a clock that runs freely is looked at."""


class FixServer:
    """See :func:`serve_fix`."""

    def __init__(
        self,
        venue: Venue,
        port: int,
        logins: Sequence[Login],
        comp_id: str = "TERCEL",
        store: Path | None = None,
        pace: Pace | None = None,
        hosts: Iterable[str] = (),
    ) -> None:
        if not logins or len({login.comp_id for login in logins}) < len(logins):
            raise ConfigError("logins with a name each", str([one.comp_id for one in logins]), "name each login once")
        self.venue, self.port, self.comp_id, self._pace = venue, port, comp_id, pace
        self._temporary = tempfile.TemporaryDirectory(prefix="tercel-fix-") if store is None else None
        folder = Path(self._temporary.name) if self._temporary else Path(str(store))
        folder.mkdir(parents=True, exist_ok=True)
        self._parties = {login.comp_id: Counterparty(login) for login in logins}
        self._inbox: SimpleQueue[tuple[str, str, Any]] = SimpleQueue()
        self._linked: set[str] = set()
        self._stopped, self._ended = Event(), Event()
        self._closing = self._may_stop = False
        self.error: BaseException | None = None
        """What ended the service, if not :meth:`close`."""
        fix = self._fix = engine.quickfix()
        keys = {name: engine.SessionKey(comp_id, name) for name in self._parties}
        common = {"SocketAcceptPort": port, "AllowedRemoteAddresses": ",".join({*hosts, *LOOPBACK})}
        made = engine.settings("acceptor", common, list(keys.values()), folder)
        self._application = engine.application(self)
        self._acceptor = fix.SocketAcceptor(self._application, fix.FileStoreFactory(made), made)
        dictionary = folder / engine.DICTIONARY
        self._outlets = {name: engine.Outlet(key, dictionary) for name, key in keys.items()}
        self._thread = Thread(target=self._serve, name=f"fix-venue-{port}", daemon=True)
        self._engine = Thread(target=self._run_engine, name=f"fix-engine-{port}", daemon=True)
        self._service = VenueService(venue, self._parties, self._outlets, pace)

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Listen.

        Raises
        ------
        VenueError
            When the port is taken.
        """
        try:
            self._listen()
        except (OSError, OverflowError) as error:
            self._forget()
            raise VenueError(f"port {self.port} free to listen on", f"{error}", "choose another --fix-port") from None
        self._service.begin()
        self._thread.start()
        return self

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the service has ended; False when it has not within the seconds given.

        Raises
        ------
        TercelError
            What the venue died of.
        """
        ended = self._stopped.wait(seconds)
        if self.error is not None:
            raise self.error
        return ended

    def close(self) -> None:
        """Log everybody out and stop listening. The venue stays open: it is the caller's."""
        if self._thread.is_alive():
            self._inbox.put(("", _STOP, None))
            self._thread.join()
        self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self) -> None:
        self._stopped.set()
        self._hang_up()
        self._outlets.clear()
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:  # by name: the engine's Python layer keeps a reference for every refused logon
            acceptor.__swig_destroy__(acceptor)
        if self._temporary is not None:
            self._temporary.cleanup()

    def _hang_up(self) -> None:
        """Log everybody out, then end the engine's thread."""
        self._closing = True
        if not self._engine.is_alive():
            return
        for name, outlet in self._outlets.items():
            if name in self._linked:
                outlet.log_out()
        for _ in range(30):
            if not self._linked:
                break
            self._ended.wait(0.1)
        for outlet in self._outlets.values():
            outlet.session.logon()  # else the knock is not even looked at
        self._may_stop = True
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.port), 5) as door, suppress(OSError):
                door.sendall(self._knock())
                if self._ended.wait(0.5):
                    break
        self._engine.join()

    def _knock(self) -> bytes:
        """A logon that is sent to ourselves: its callback runs in the engine's thread, where stopping is safe.

        Called from another thread, the engine's stop() closes sockets while its own thread deletes them, and crashes.
        """
        name = next(iter(self._parties))
        return engine.logon(name, self.comp_id, self._outlets[name].expected_number)

    def _run_engine(self) -> None:
        try:
            self._acceptor.block()
        except Exception as error:
            self.error = self.error or VenueError(f"port {self.port} to listen on", f"{error}", "choose another port")
        finally:
            self._ended.set()

    def _listen(self) -> None:
        """Start the engine's thread and wait until it listens."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", self.port))
        self._engine.start()
        while not self._ended.wait(0.01):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
        raise OSError(str(self.error))

    # -- the engine's threads -----------------------------------------------------------------------------------------
    def link_up(self, peer: str) -> None:
        """A counterparty logged on."""
        self._linked.add(peer)
        self._inbox.put((peer, UP, None))

    def link_down(self, peer: str) -> None:
        """A counterparty is gone."""
        self._linked.discard(peer)
        self._inbox.put((peer, DOWN, None))

    def admin_out(self, message: Any, peer: str) -> None:
        """Nothing to add."""

    def admin_in(self, message: Any, peer: str) -> None:
        """Ask for the password."""
        if engine.header(message, t.MSG_TYPE) != t.LOGON:
            return
        if self._closing:
            if self._may_stop:
                self._acceptor.stop(True)
            raise self._fix.RejectLogon("the venue is closing")
        wanted = self._parties[peer].login.password
        if wanted and engine.field(message, t.PASSWORD) != wanted:
            raise self._fix.RejectLogon(f"wrong password for {peer}")

    def app_out(self, message: Any, peer: str) -> None:
        """Of what is asked for again, reports on orders are repeated, and market data of this connection."""
        if engine.header(message, t.POSS_DUP) != "Y":
            return
        kind = engine.header(message, t.MSG_TYPE)
        about = {t.SNAPSHOT: t.MD_REQ_ID, t.INCREMENT: t.MD_REQ_ID, t.STEPPED_TO: t.STEP_ID}.get(kind)
        about = t.SECURITY_REQ_ID if kind == t.SECURITY_LIST else about
        if about and engine.field(message, about) not in self._parties[peer].live:
            raise self._fix.DoNotSend()

    def app_in(self, message: Any, peer: str) -> None:
        """Queue what came."""
        kind = engine.header(message, t.MSG_TYPE)
        if kind in (t.BUSINESS_REJECT, t.DONT_KNOW):
            return  # a counterparty that cannot use what it was told
        if kind not in (*ORDERS, t.MARKET_DATA_REQUEST, t.SECURITY_LIST_REQUEST, t.STEP):
            raise self._fix.UnsupportedMessageType()
        tags = engine.read(message, kind)
        for tag, value in tags.items():
            if not value.isprintable():  # control characters, or bytes that are no UTF-8
                raise self._fix.IncorrectTagValue(tag)
        tags[t.SEQ_NUM] = engine.header(message, t.SEQ_NUM)
        if kind == t.NEW_ORDER:
            tags[t.POSS_RESEND] = engine.header(message, t.POSS_RESEND)
        elif kind == t.MARKET_DATA_REQUEST:
            tags[t.SYMBOL] = "\x01".join(engine.symbols(message))
        self._inbox.put((peer, kind, tags))

    # -- the venue's thread -------------------------------------------------------------------------------------------
    def _serve(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:  # whatever a venue dies of, its counterparties must see the line go dead
            self.error = error
            self._hang_up()
        finally:
            self._stopped.set()

    def _turn(self) -> bool:
        """Take what is queued, then let time pass; False at the end."""
        try:
            peer, kind, tags = self._inbox.get(timeout=_POLL_S if self._pace else None)
        except Empty:
            self._service.flow()
            return True
        if kind == _STOP:
            return False
        self._service.take(peer, kind, tags)
        if self._pace and self._inbox.empty():
            self._service.flow()
        return True


def serve_fix(
    venue: Venue,
    port: int,
    logins: Sequence[Login | str],
    *,
    comp_id: str = "TERCEL",
    store: Path | None = None,
    pace: Pace | None = None,
    hosts: Iterable[str] = (),
) -> FixServer:
    """Serve a venue over FIX 4.4 until the returned server is closed.

    Parameters
    ----------
    venue : Venue
        It is used by the server's thread alone from now on.
    port : int
    logins : sequence of Login or str
        Who may log on; a plain name has no password and keeps its orders when it leaves.
    comp_id : str
        The venue's own name (TargetCompID of its counterparties).
    store : Path, optional
        Folder of sequence numbers and messages. Without one, a restarted server has forgotten every session.
    pace : Pace, optional
        Lets time pass by itself; without one, the clock is moved by the first counterparty that sends U1.
    hosts : iterable of str
        Addresses that are listened to beside this machine's own; who connects from elsewhere is dropped.

    Raises
    ------
    ConfigError
        Without QuickFIX, without logins, for names that FIX cannot carry.
    VenueError
        When the port is taken.
    """
    sys.setswitchinterval(min(sys.getswitchinterval(), 0.0005))  # a reply waits for the interpreter otherwise
    known = [login if isinstance(login, Login) else Login(login) for login in logins]
    return FixServer(venue, port, known, comp_id, store, pace, hosts).start()
