"""A FIX 4.4 acceptor in front of any venue. One thread owns the venue; the engine's threads only queue messages for it.

A *stepped* server moves the venue's clock when the one counterparty that may (the first to send U1) asks for it. One
that runs freely lets time pass by an injected clock, `speed` times as fast. In both, U2 answers U1 when its time has
come or reports for its sender went out before.
"""

import socket
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final, Self

from tercel.core import orders as o
from tercel.core.errors import ConfigError, TercelError, VenueError
from tercel.core.ports import Clock, Venue
from tercel.venues.fix import engine, market, translate
from tercel.venues.fix import words as w
from tercel.venues.fix.desk import Counterparty, Login
from tercel.venues.fix.translate import PLAIN, RefusedError

LOOPBACK: Final = ("127.0.0.1",)
_ORDERS: Final = (w.NEW_ORDER, w.REPLACE, w.CANCEL, w.STATUS, w.MASS_STATUS, w.MASS_CANCEL)
_UP, _DOWN, _STOP = "up", "down", "stop"
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
        clock: Clock | None = None,
        speed: float = 1.0,
        hosts: Iterable[str] = (),
    ) -> None:
        if not logins or len({login.comp_id for login in logins}) < len(logins):
            raise ConfigError("logins with a name each", str([one.comp_id for one in logins]), "name each login once")
        if not speed > 0:
            raise ConfigError("a speed above 0", str(speed), "choose how many seconds pass in one")
        self.venue, self.port, self.comp_id, self._clock, self._speed = venue, port, comp_id, clock, speed
        self._temporary = tempfile.TemporaryDirectory(prefix="tercel-fix-") if store is None else None
        folder = Path(self._temporary.name) if self._temporary else Path(str(store))
        folder.mkdir(parents=True, exist_ok=True)
        self._parties = {login.comp_id: Counterparty(login) for login in logins}
        self._owner = {name: name for name in self._parties}
        self._scales = translate.scales({one.instrument: one for one in venue.listings()})
        self._stepper = ""
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
        self._began = (0, 0)

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
        self._began = (self._clock.now_ns() if self._clock else 0, self.venue.now_ns)
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
        self._inbox.put((peer, _UP, None))

    def link_down(self, peer: str) -> None:
        """A counterparty is gone."""
        self._linked.discard(peer)
        self._inbox.put((peer, _DOWN, None))

    def admin_out(self, message: Any, peer: str) -> None:
        """Nothing to add."""

    def admin_in(self, message: Any, peer: str) -> None:
        """Ask for the password."""
        if engine.header(message, w.MSG_TYPE) != w.LOGON:
            return
        if self._closing:
            if self._may_stop:
                self._acceptor.stop(True)
            raise self._fix.RejectLogon("the venue is closing")
        wanted = self._parties[peer].login.password
        if wanted and engine.field(message, w.PASSWORD) != wanted:
            raise self._fix.RejectLogon(f"wrong password for {peer}")

    def app_out(self, message: Any, peer: str) -> None:
        """Of what is asked for again, reports on orders are repeated, and market data of this connection."""
        if engine.header(message, w.POSS_DUP) != "Y":
            return
        kind = engine.header(message, w.MSG_TYPE)
        about = {w.SNAPSHOT: w.MD_REQ_ID, w.INCREMENT: w.MD_REQ_ID, w.STEPPED_TO: w.STEP_ID}.get(kind)
        about = w.SECURITY_REQ_ID if kind == w.SECURITY_LIST else about
        if about and engine.field(message, about) not in self._parties[peer].live:
            raise self._fix.DoNotSend()

    def app_in(self, message: Any, peer: str) -> None:
        """Queue what came."""
        kind = engine.header(message, w.MSG_TYPE)
        if kind not in (*_ORDERS, w.MARKET_DATA_REQUEST, w.SECURITY_LIST_REQUEST, w.STEP):
            raise self._fix.UnsupportedMessageType()
        tags = engine.read(message, kind)
        for tag, value in tags.items():
            if not value.isprintable():  # control characters, or bytes that are no UTF-8
                raise self._fix.IncorrectTagValue(tag)
        tags[w.SEQ_NUM] = engine.header(message, w.SEQ_NUM)
        if kind == w.NEW_ORDER:
            tags[w.POSS_RESEND] = engine.header(message, w.POSS_RESEND)
        elif kind == w.MARKET_DATA_REQUEST:
            tags[w.SYMBOL] = "\x01".join(engine.symbols(message))
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
            peer, kind, tags = self._inbox.get(timeout=_POLL_S if self._clock else None)
        except Empty:
            self._flow()
            return True
        if kind == _STOP:
            return False
        party = self._parties[peer]
        if kind == _UP:
            party.up = True
        elif kind == _DOWN:
            self._leave(party)
        elif kind in _ORDERS:
            self._command(party, kind, tags)
        elif kind == w.STEP:
            self._step(party, tags)
        elif kind == w.MARKET_DATA_REQUEST:
            self._subscribe(party, tags)
        else:
            self._list(party, tags)
        if self._clock and self._inbox.empty():
            self._flow()
        return True

    def _send(self, party: Counterparty, kind: str, text: str, owed: bool = True) -> None:
        party.owed |= owed
        self._outlets[party.login.comp_id].say(kind, text)

    def _leave(self, party: Counterparty) -> None:
        """A counterparty is gone: forget what it waited for, and cancel its orders if it wished so."""
        if not party.up:
            return
        party.hang_up()
        if self._stepper == party.login.comp_id:
            self._stepper = ""
        if party.login.cancel_on_disconnect:
            for account in sorted(party.accounts):
                self._cancel_all(party, account)

    def _cancel_all(self, party: Counterparty, account: str) -> None:
        number = self._outlets[party.login.comp_id].next_number
        name = f"{party.prefix}gone-{number}-{account}"
        self.venue.send(o.MassCancel(name, account, "", self.venue.now_ns))

    def _command(self, party: Counterparty, kind: str, tags: dict[int, str]) -> None:
        """Hand a command to the venue, or refuse it with a reason."""
        try:
            command = translate.command_in(kind, tags, self._scales, self.venue.now_ns)
            if isinstance(command, o.NewOrder) and tags.get(w.POSS_RESEND) == "Y" and command.cl_ord_id in party.names:
                command = o.StatusRequest(command.cl_ord_id, command.account, command.sent_ns)
            for one in self._accounts_of(party, command):
                self._claim(party, one.account)
                self._note(party, one)
                inward = party.inward(one)
                self.venue.send(replace(inward, sent_ns=self.venue.now_ns) if self._clock else inward)
        except RefusedError as refused:
            self._refuse(party, kind, tags, refused)
        except TercelError as error:
            self._refuse(party, kind, tags, RefusedError(error.expected, error.received))
        else:
            if isinstance(command, o.MassCancel):
                self._mass_report(party, tags, "")

    def _accounts_of(self, party: Counterparty, command: o.Command) -> list[o.Command]:
        """A command for every account that it means."""
        if command.account or not isinstance(command, o.MassCancel | o.StatusRequest):
            return [command]
        if isinstance(command, o.StatusRequest) and command.cl_ord_id:
            return [command]
        return [replace(command, account=account) for account in sorted(party.accounts)]

    def _claim(self, party: Counterparty, account: str) -> None:
        """An account belongs to the login that named it first."""
        if not account:
            return
        owner = self._owner.setdefault(account, party.login.comp_id)
        if owner != party.login.comp_id:
            raise RefusedError("an account of this login", f"1={account}, of another", w.UNKNOWN_ACCOUNT)
        party.accounts.add(account)

    def _note(self, party: Counterparty, command: o.Command) -> None:
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            party.requested[command.cl_ord_id] = isinstance(command, o.ReplaceOrder)
        if isinstance(command, o.NewOrder):
            party.names.add(command.cl_ord_id)

    def _refuse(self, party: Counterparty, kind: str, tags: dict[int, str], refused: RefusedError) -> None:
        """A command that does not reach the venue is answered in the way of its kind."""
        now, name = self.venue.now_ns, tags.get(w.CL_ORD_ID, "")
        if kind == w.MASS_CANCEL:
            self._mass_report(party, tags, refused.text)
        elif kind in (w.CANCEL, w.REPLACE):
            account = tags.get(w.ACCOUNT, party.login.comp_id)
            original = tags.get(w.ORIG_CL_ORD_ID, "")
            word = o.CancelReject(name, original, account, o.OrdStatus.REJECTED, now, refused.text)
            body = engine.body(translate.cancel_reject_out(word, kind == w.REPLACE))
            self._send(party, w.CANCEL_REJECT, body)
        elif kind == w.NEW_ORDER:
            exec_id = f"R{self._outlets[party.login.comp_id].next_number}"
            fields = translate.order_refusal(tags, refused, exec_id, now)
            self._send(party, w.EXECUTION_REPORT, engine.body(fields))
        else:
            self._business_reject(party, kind, tags, refused.text)

    def _business_reject(self, party: Counterparty, kind: str, tags: dict[int, str], text: str) -> None:
        fields = [(w.REF_SEQ_NUM, tags[w.SEQ_NUM]), (w.REF_MSG_TYPE, kind), (w.REJECT_REASON, "0")]
        self._send(party, w.BUSINESS_REJECT, engine.body([*fields, (w.TEXT, translate.line(text))]))

    def _mass_report(self, party: Counterparty, tags: dict[int, str], refused: str) -> None:
        scope = tags.get(w.MASS_CANCEL_TYPE, "7")
        fields = [
            *((w.ORDER_ID, w.NO_NAME), (w.CL_ORD_ID, tags.get(w.CL_ORD_ID, w.NO_NAME)), (w.MASS_CANCEL_TYPE, scope)),
            *((w.MASS_CANCEL_RESPONSE, "0" if refused else scope), (w.EXACT_NS, str(self.venue.now_ns))),
            (w.FOR_ACCOUNT, tags.get(w.FOR_ACCOUNT, party.login.comp_id)),
        ]
        if refused:
            fields += [(w.MASS_CANCEL_REASON, "99"), (w.TEXT, translate.line(refused))]
        self._send(party, w.MASS_CANCEL_REPORT, engine.body(fields), owed=bool(refused))

    def _list(self, party: Counterparty, tags: dict[int, str]) -> None:
        request = tags[w.SECURITY_REQ_ID]
        party.live.add(request)
        listings, venue = self.venue.listings(), self.venue
        shapes = {}
        if hasattr(venue, "width") and hasattr(venue, "feed_levels"):  # a simulated exchange knows how deep its book is
            names = [one.instrument for one in listings]
            shapes = {name: (int(venue.width(name)), int(venue.feed_levels(name))) for name in names}
        listed = market.listings_out(listings, request, self._clock is None, venue.now_ns, shapes)
        self._send(party, w.SECURITY_LIST, listed, owed=False)

    def _subscribe(self, party: Counterparty, tags: dict[int, str]) -> None:
        request, wanted = tags[w.MD_REQ_ID], tags[w.SYMBOL].split("\x01")
        if tags[w.SUBSCRIPTION] == "2":
            for instruments in (party.wanted, party.followed):
                for instrument in [one for one in wanted if one in instruments]:
                    del instruments[instrument]
            return
        unknown = [one for one in wanted if one not in self._scales]
        if unknown:
            text = f"expected instruments that are listed here; received 55={unknown[0]}"
            fields = [(w.MD_REQ_ID, request), (w.MD_REJ_REASON, "0"), (w.TEXT, translate.line(text))]
            self._send(party, w.MARKET_DATA_REJECT, engine.body(fields))
            return
        party.live.add(request)
        for instrument in wanted:
            party.followed.pop(instrument, None)
            party.wanted[instrument] = request
            self.venue.subscribe(instrument)

    def _step(self, party: Counterparty, tags: dict[int, str]) -> None:
        """Move the clock for its sender, or note that it waits."""
        name = party.login.comp_id
        try:
            until_ns = int(tags[w.UNTIL_NS])
        except ValueError:
            self._business_reject(party, w.STEP, tags, f"expected nanoseconds; received {tags[w.UNTIL_NS][:40]}")
            return
        moves = self._clock is None and tags.get(w.WAIT_ONLY) != "Y"
        if moves and self._stepper not in ("", name):
            text = f"the clock is moved by {self._stepper}; wait for it (follow=True)"
            self._business_reject(party, w.STEP, tags, text)
            return
        party.live.discard(party.stepped)  # an answer may be lost in a gap: it is repeated until the next question
        party.stepped = tags[w.STEP_ID]
        party.live.add(party.stepped)
        party.waits = (party.stepped, until_ns)
        if moves:
            self._stepper = name
            if not party.owed:
                self._pass_on(self.venue.step(until_ns))
            self._answer(party)
        self._answer_waiting()

    def _flow(self) -> None:
        """Let a free clock's time pass."""
        if self._clock is None:
            return
        until_ns = self._began[1] + int((self._clock.now_ns() - self._began[0]) * self._speed)
        while self.venue.now_ns < until_ns:
            before, events = self.venue.now_ns, self.venue.step(until_ns)
            self._pass_on(events)
            if not events and self.venue.now_ns <= before:
                break
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        for party in self._parties.values():
            if party.waits and (party.owed or self.venue.now_ns >= party.waits[1]):
                self._answer(party)

    def _answer(self, party: Counterparty) -> None:
        if party.waits is None:
            return
        (name, _), party.waits = party.waits, None
        fields = [(w.EXACT_NS, str(self.venue.now_ns)), (w.STEP_ID, name)]
        self._send(party, w.STEPPED_TO, engine.body(fields), owed=False)
        party.owed = False

    # -- what the venue reports ----------------------------------------------------------------------------------------
    def _pass_on(self, events: Iterable[o.VenueEvent]) -> None:
        for event in events:
            if isinstance(event, o.MarketRows):
                self._send_market(event)
            elif isinstance(event, o.Report | o.CancelReject):
                owner = self._owner.get(event.account)
                if owner is not None:
                    self._report(self._parties[owner], event)

    def _report(self, party: Counterparty, event: o.Report | o.CancelReject) -> None:
        """A report on its own orders; kept for the counterparty while it is away."""
        of_replace = party.requested.pop(event.cl_ord_id.removeprefix(party.prefix), False)
        if isinstance(event, o.CancelReject):
            fields = translate.cancel_reject_out(party.outward(event), of_replace)
            self._send(party, w.CANCEL_REJECT, engine.body(fields))
            return
        scale = self._scales.get(event.instrument, PLAIN)
        average = round(party.average(event) * scale.tick, 9)
        self._send(party, w.EXECUTION_REPORT, engine.body(translate.report_out(party.outward(event), scale, average)))

    def _send_market(self, change: o.MarketRows) -> None:
        """A change of a book goes to all that follow it; a snapshot to those that wait for one."""
        instrument, scale = change.instrument, self._scales[change.instrument]
        for party in self._parties.values():
            if change.snapshot and instrument in party.wanted:
                party.followed[instrument] = party.wanted.pop(instrument)
            elif change.snapshot or instrument not in party.followed:
                continue
            for kind, text in market.market_out(change, party.followed[instrument], scale):
                self._send(party, kind, text)


def serve_fix(
    venue: Venue,
    port: int,
    logins: Sequence[Login | str],
    *,
    comp_id: str = "TERCEL",
    store: Path | None = None,
    clock: Clock | None = None,
    speed: float = 1.0,
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
    clock : Clock, optional
        Lets time pass by itself; without one, the clock is moved by the first counterparty that sends U1.
    speed : float
        Seconds of the venue in one of `clock`.
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
    return FixServer(venue, port, known, comp_id, store, clock, speed, hosts).start()
