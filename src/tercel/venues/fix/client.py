"""A venue behind a FIX 4.4 session: the initiator's side.

What the engine receives is translated in its thread and queued; :meth:`FixVenue.step` hands it over. A message counts
as received when the caller comes back for the next step, and its number is then written down: a process that is killed
before asks for everything after that number when it logs on again with the same store.

No command is repeated after a gap. What the venue has not received when a link broke never reaches it; whoever sent it
asks (StatusRequest) when the link is up again.
"""

import atexit
import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, local
from typing import Any, Final, Self

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.venues.fix import engine, market, translate
from tercel.venues.fix import tags as t
from tercel.venues.fix.inbound import Inbound, Item, Sent, Stepped, Trouble
from tercel.venues.fix.translate import PLAIN, Fields

_NEVER_REPEATED: Final = (
    *(t.NEW_ORDER, t.REPLACE, t.CANCEL, t.STATUS, t.MASS_STATUS, t.MASS_CANCEL),
    *(t.STEP, t.SECURITY_LIST_REQUEST),
)
_RECEIVED: Final = "received"
"""File with the number of the last message that the caller has certainly seen; empty before the first logon."""
_NUMBER_BYTES: Final = 8
_HEARTBEAT_S: Final = 10
_WAIT_S: Final = 0.1
"""How long a step waits for a message while the link is down."""
_ANEW: Final = (
    "begin a new session: give the desk a folder of its own with --desk (in Python: reset=True). A simulated exchange"
    " that ends forgets its sessions, its orders and its time"
)


def holds_session(store: Path) -> bool:
    """Whether a store has the numbers of a session that once was logged on."""
    try:
        return (store / _RECEIVED).stat().st_size == _NUMBER_BYTES
    except OSError:
        return False


class FixVenue:
    """A session with a FIX server of this package.

    Parameters
    ----------
    host, port : str, int
    comp_id : str
        Our name; the account of orders that name none.
    venue_id : str
        The venue's.
    store : Path, optional
        Folder of sequence numbers and messages. With it a session goes on after a restart; without one, each
        FixVenue begins a new session.
    password : str
    reset : bool
        Begin a new session although a store holds one. What the venue stored for us is lost.
    follow : bool
        Wait for a stepped venue's clock, which another counterparty moves.
    seen : iterable of str
        Execution ids that are known already (from a journal): a report that is repeated under one is left out.
    timeout_s : float
        How long to wait for the logon and for answers that take no time.
    patience_s : float
        How long a step may take to be answered while the link is up.
    outage_s : float
        How long steps wait for a link that is down, all together, before one raises.

    Raises
    ------
    VenueError
        When the port is closed or the logon is refused.
    ConfigError
        Without QuickFIX.
    """

    def __init__(
        self,
        host: str,
        port: int,
        comp_id: str,
        *,
        venue_id: str = "TERCEL",
        store: Path | None = None,
        password: str = "",
        reset: bool = False,
        follow: bool = False,
        seen: Iterable[str] = (),
        timeout_s: float = 5.0,
        patience_s: float = 300.0,
        outage_s: float = 20.0,
    ) -> None:
        fix = self._fix = engine.quickfix()
        sys.setswitchinterval(min(sys.getswitchinterval(), 0.0005))  # a reply waits for the interpreter otherwise
        self._where = f"{host}:{port} as {comp_id} to {venue_id}"
        self._host, self._port, self._password, self._follow = host, port, password, follow
        self._timeout_s, self._patience_s, self._reset = timeout_s, patience_s, reset or store is None
        self._queue: SimpleQueue[tuple[int, Item]] = SimpleQueue()
        self._outage_s, self._waited_s, self._lost = outage_s, 0.0, ""
        self._settled, self._gone = Event(), Event()
        self._up, self._logons, self._hang_ups, self._why = False, 0, 0, ""
        self._inbound = Inbound(seen)
        self._subscribed: list[str] = []
        self._sending = local()
        self._now_ns, self._stepped = 0, False
        self._taken, self._returned = 0, 0
        self._early: list[o.VenueEvent] = []
        self._initiator: Any = None
        self._reachable()
        self._temporary = tempfile.TemporaryDirectory(prefix="tercel-fix-") if store is None else None
        folder = Path(self._temporary.name) if self._temporary else Path(str(store))
        folder.mkdir(parents=True, exist_ok=True)
        self._received = os.open(folder / _RECEIVED, os.O_RDWR | os.O_CREAT, 0o600)
        common = {"SocketConnectHost": host, "SocketConnectPort": port, "HeartBtInt": _HEARTBEAT_S}
        key = engine.SessionKey(comp_id, venue_id)
        made = engine.settings("initiator", common, [key], folder)
        self._application = engine.application(self)
        self._initiator = fix.SocketInitiator(self._application, fix.FileStoreFactory(made), made)
        self._outlet = engine.Outlet(key, folder / engine.DICTIONARY)
        self._ask_again()
        atexit.register(self.close)
        try:
            self._initiator.start()
            self._await_logon()
            self._listings = self._list()
        except BaseException:
            self.close()
            raise

    # -- logon --------------------------------------------------------------------------------------------------------
    def _reachable(self) -> None:
        try:
            socket.create_connection((self._host, self._port), self._timeout_s).close()
        except OSError as error:
            raise VenueError(
                f"a FIX server at {self._where}", f"{error}", "start it, or give the address it listens at"
            ) from None

    def _ask_again(self) -> None:
        """Expect the message after the last one that the caller has seen."""
        session = self._outlet.session
        if self._reset:
            os.ftruncate(self._received, 0)
            session.setNextSenderMsgSeqNum(1)
            session.setNextTargetMsgSeqNum(1)
            return
        self._returned = int.from_bytes(os.pread(self._received, _NUMBER_BYTES, 0), "little")
        if self._returned + 1 < session.getExpectedTargetNum():
            session.setNextTargetMsgSeqNum(self._returned + 1)

    def _await_logon(self) -> None:
        self._settled.wait(self._timeout_s)
        if self._logons:
            self._write_received(self._returned)
            return
        received = self._why or (
            "a closed connection without a word" if self._hang_ups else f"no logon within {self._timeout_s:g} s"
        )
        remedy = "check both CompIDs and the password, and that no other session uses them"
        if "MsgSeqNum" in received:
            remedy = _ANEW
        elif self._returned:
            remedy = f"see whether it still runs, and start it where it does not; if it began anew, {_ANEW}"
        raise VenueError(f"a logon at {self._where}", received, remedy)

    def link_up(self, peer: str) -> None:
        """Logged on: ask for market data again."""
        self._logons += 1
        self._up, self._why = True, ""
        self._settled.set()
        if self._logons > 1:
            self._queue.put((0, o.LinkStatus(True, self._now_ns, f"logged on at {self._where}")))
            with suppress(VenueError):  # down again: the next logon asks
                for instrument in self._subscribed:
                    self._ask_market(instrument)

    def link_down(self, peer: str) -> None:
        """Logged out, cut off, or refused."""
        self._gone.set()
        if self._up:
            self._up = False
            self._lost = f"lost {self._where}" + (f": {self._why}" if self._why else "")
            text = f"{self._lost}; waiting up to {self._outage_s:g} s for it to come back"
            self._queue.put((0, o.LinkStatus(False, self._now_ns, text)))
        else:
            self._hang_ups += 1
            if self._why or self._hang_ups > 1:
                self._settled.set()

    def admin_out(self, message: Any, peer: str) -> None:
        """Complete the logon; what the engine refuses by itself is told."""
        if engine.header(message, t.MSG_TYPE) == t.LOGON:
            message.setField(t.OWN_TAGS, "Y")
            if self._password:
                message.setField(t.PASSWORD, self._password)
            if self._reset and not self._logons:
                message.setField(t.RESET_SEQ_NUM, "Y")
        elif engine.header(message, t.MSG_TYPE) == t.REJECT:
            why = f"the session refused message {engine.field(message, t.REF_SEQ_NUM)}: {engine.field(message, t.TEXT)}"
            self._queue.put((0, o.Unread(message.toString(), why, self._now_ns)))
        elif engine.header(message, t.MSG_TYPE) == t.LOGOUT and (text := engine.field(message, t.TEXT)):
            self._why = text  # the engine hangs up by itself, and gives the reason to the other side alone

    def admin_in(self, message: Any, peer: str) -> None:
        """Why a logon was refused; what the session could not read."""
        kind = engine.header(message, t.MSG_TYPE)
        if kind == t.LOGOUT:
            self._why = engine.field(message, t.TEXT)
        elif kind == t.REJECT:
            number, text = engine.field(message, t.REF_SEQ_NUM), engine.field(message, t.TEXT)
            self._queue.put((0, self._inbound.refusal(number, text, self._now_ns)))

    def app_out(self, message: Any, peer: str) -> None:
        """Remember what goes out by its number; repeat nothing."""
        kind, number = engine.header(message, t.MSG_TYPE), int(engine.header(message, t.SEQ_NUM))
        if engine.header(message, t.POSS_DUP) == "Y" and self._is_over(kind, message):
            raise self._fix.DoNotSend()
        self._inbound.remember(number, getattr(self._sending, "command", None))

    def _is_over(self, kind: str, message: Any) -> bool:
        """Whether a message that is asked for again must not be repeated; whoever waits for its answer is notified."""
        if kind == t.MARKET_DATA_REQUEST:
            return engine.field(message, t.MD_REQ_ID) not in self._inbound.requests
        if kind not in _NEVER_REPEATED:
            return False
        if kind == t.STEP:
            self._queue.put((0, Stepped(engine.field(message, t.STEP_ID), self._now_ns)))
        elif name := engine.field(message, t.CL_ORD_ID):
            text = f"{name} did not reach the venue and is not repeated; ask what stands"
            self._queue.put((0, o.LinkStatus(self._up, self._now_ns, text)))
        return True

    # -- what comes in: the engine's thread ---------------------------------------------------------------------------
    def app_in(self, message: Any, peer: str) -> None:
        """Translate and queue."""
        number, kind = int(engine.header(message, t.SEQ_NUM) or 0), engine.header(message, t.MSG_TYPE)
        tags = engine.read(message, kind)
        tags[t.POSS_DUP] = engine.header(message, t.POSS_DUP)
        text = message.toString() if kind in (t.SNAPSHOT, t.INCREMENT, t.SECURITY_LIST) else ""
        for of, item in self._inbound.read(number, kind, tags, text, self._now_ns):
            whole = isinstance(item, o.Unread) and of == number
            self._queue.put((of, replace(item, raw=message.toString()) if whole else item))

    # -- what goes out: the caller's thread ---------------------------------------------------------------------------
    def _send(self, kind: str, fields: Fields, command: Sent | None = None) -> None:
        if not self._up:
            raise VenueError(f"a link to {self._where}", f"none: {self._why or 'it is down'}", "wait until it is up")
        self._sending.command = command
        if not self._outlet.send(kind, engine.body(fields)):
            raise VenueError(f"a link to {self._where}", "one that broke just now", "wait until it is up")

    def _name(self) -> str:
        """A name for a request that no other of this session has."""
        return str(self._outlet.next_number)

    def _await(self, name: str, seconds: float, events: list[o.VenueEvent]) -> Stepped | None:
        """Collect events until a request is answered; None when the link went down first."""
        while True:
            try:
                number, item = self._queue.get(timeout=seconds)
            except Empty:
                raise VenueError(f"an answer from {self._where} within {seconds:g} s", "none", "see its log") from None
            self._taken = max(self._taken, number)
            if isinstance(item, Trouble):
                raise item.error
            if isinstance(item, Stepped):
                if item.name == name:
                    return item
                continue
            events.append(item)
            if isinstance(item, o.LinkStatus) and not item.up:
                return None

    def _list(self) -> tuple[o.Listing, ...]:
        name, early = self._name(), list[o.VenueEvent]()
        self._send(t.SECURITY_LIST_REQUEST, [(t.SECURITY_REQ_ID, name), (t.SECURITY_LIST_TYPE, "4")])
        answer = self._await(name, self._timeout_s, early)
        if answer is None:
            raise VenueError(f"the instruments of {self._where}", "a broken link", "try again")
        self._stepped, self._now_ns, self._early = answer.stepped, answer.ns, early
        return answer.listings

    def _ask_market(self, instrument: str) -> None:
        name = self._name()
        self._inbound.expect(name, instrument)
        fields: Fields = [(t.MD_REQ_ID, name), (t.SUBSCRIPTION, "1"), (t.MARKET_DEPTH, "0"), (t.NO_ENTRY_TYPES, "2")]
        fields += [(t.ENTRY_TYPE, "0"), (t.ENTRY_TYPE, "1"), (t.NO_RELATED_SYM, "1"), (t.SYMBOL, instrument)]
        self._send(t.MARKET_DATA_REQUEST, fields)

    # -- the port -----------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Name in journals and tables."""
        return f"fix:{self._where}"

    @property
    def now_ns(self) -> int:
        """The venue's time at its last message."""
        return self._now_ns

    @property
    def up(self) -> bool:
        """Whether the session is logged on."""
        return self._up

    def listings(self) -> Sequence[o.Listing]:
        """What is traded here."""
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

    def _shape(self, instrument: str) -> market.Shape:
        if instrument not in self._inbound.shapes:
            raise VenueError("a book whose width the venue tells", instrument, "choose a width")
        return self._inbound.shapes[instrument]

    def subscribe(self, instrument: str) -> None:
        """Ask for market data; asked again by itself whenever the link comes back.

        Raises
        ------
        VenueError
            For an instrument that is not listed, or when the link is down.
        """
        if instrument not in self._inbound.scales:
            raise VenueError(
                "an instrument that is listed", instrument, "choose one of " + ", ".join(self._inbound.scales)
            )
        self._ask_market(instrument)
        if instrument not in self._subscribed:
            self._subscribed.append(instrument)

    def send(self, command: o.Command) -> None:
        """Hand a command to the session.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent, and nothing will be.
        OrderError
            For names that FIX cannot carry.
        """
        kind, fields = translate.command_out(
            command, self._inbound.scales.get(getattr(command, "instrument", ""), PLAIN)
        )
        self._send(kind, fields, command)

    def disown(self, message: o.Report | o.CancelReject | o.Unread) -> None:
        """Tell the venue of what was set aside here, where FIX has an answer: a DK, or a business reject.

        Raises
        ------
        VenueError
            When the link is down.
        """
        scale = self._inbound.scales.get(message.instrument, PLAIN) if isinstance(message, o.Report) else PLAIN
        if (answer := translate.disowned_out(message, scale)) is not None:
            self._send(*answer, message)

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """See `Venue.step`. While the link is down, what came is returned after a short wait.

        Raises
        ------
        VenueError
            When the venue refuses to step, sends what cannot be read, is silent for `patience_s`, or has been away for
            `outage_s`.
        """
        self._write_received(self._returned)
        events, self._early = self._early, []
        try:
            self._collect(until_ns, events)
        except VenueError:
            self._early = events
            raise
        for event in events:
            if isinstance(event, o.Report | o.CancelReject):
                self._now_ns = max(self._now_ns, event.ns)
            elif isinstance(event, o.MarketRows) and len(event.rows):
                self._now_ns = max(self._now_ns, int(event.rows[-1, 0]))
        self._returned = self._taken
        return events

    def _collect(self, until_ns: int, events: list[o.VenueEvent]) -> None:
        """Append what came, and what a step brings."""
        free = self._follow or not self._stepped
        if not self._up:
            self._wait_for_link(events)
        elif free:
            self._drain(events, 0.0)
        if not self._up or (free and events):
            return
        self._waited_s = 0.0
        name = self._name()
        fields = [(t.UNTIL_NS, str(until_ns)), (t.STEP_ID, name)]
        try:
            self._send(t.STEP, [*fields, (t.WAIT_ONLY, "Y")] if self._follow else fields)
        except VenueError:
            self._drain(events, 0.1)
            return
        answer = self._await(name, self._patience_s, events)
        self._now_ns = max(self._now_ns, answer.ns if answer else 0)

    def _wait_for_link(self, events: list[o.VenueEvent]) -> None:
        """Take what came while the link is down, or wait a little: no more than `outage_s` in a row."""
        if events:
            self._drain(events, 0.0)
            return
        if self._waited_s >= self._outage_s:
            raise self._outage()
        self._drain(events, _WAIT_S)
        if not events:
            self._waited_s += _WAIT_S

    def _outage(self) -> VenueError:
        """Nobody came back, or somebody who knows nothing of this session."""
        received = f"none for {self._outage_s:g} s: {self._lost or 'it is down'}"
        if self._why and self._why not in received:
            received += f"; it came back and was refused: {self._why}"
        remedy = _ANEW if "MsgSeqNum" in self._why else f"start it again; if it began anew, {_ANEW}"
        return VenueError(f"a link to {self._where}", received, remedy)

    def _drain(self, events: list[o.VenueEvent], seconds: float) -> None:
        """Take what is queued, after waiting for the first for some seconds at most."""
        wait = seconds
        while True:
            try:
                number, item = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            except Empty:
                return
            wait = 0.0
            self._taken = max(self._taken, number)
            if isinstance(item, Trouble):
                raise item.error
            if not isinstance(item, Stepped):
                events.append(item)

    def _write_received(self, number: int) -> None:
        os.pwrite(self._received, number.to_bytes(_NUMBER_BYTES, "little"), 0)

    def close(self) -> None:
        """Log out and let the session go; a second call does nothing."""
        atexit.unregister(self.close)
        initiator, self._initiator = self._initiator, None
        if initiator is None:
            return
        if self._up:
            self._gone.clear()
            self._outlet.log_out()
            self._gone.wait(2.0)
        initiator.stop(True)
        os.close(self._received)
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
