"""Where a case plays: our acceptor before a small venue, our initiator, or somebody else's acceptor; one peer to each.

The system under test works in the thread of the case, a turn at a time, by a clock that the case moves. Somebody
else's works by itself and by the time of day.
"""

import socket
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from certify.fix.case import Bench, MissedError, expect
from certify.fix.terms import NAMES, initiator_terms
from certify.fix.wire import PATIENCE_S, Heard, Pairs, Peer, WireLog, stamp
from certify.tiny import TinyVenue
from exchange.fix.counterparties import Login
from exchange.fix.server import STORE, FixServer, ListenerSettings
from tercel.core import orders as o
from tercel.fix import (
    Address,
    Dictionary,
    FixLink,
    Message,
    SessionEvent,
    SessionEventKind,
    SessionTimes,
    link as links,
    tercel_dictionary as own_dictionary,
)

NS_PER_S: Final = 1_000_000_000
BEGAN_NS: Final = 1_772_704_800 * NS_PER_S
"""Thursday, 5 March 2026, 10:00 UTC."""
_STEP_S: Final = 0.5
ADMIN: Final = frozenset({"0", "1", "2", "3", "4", "5", "A"})
"""Message types of the session itself."""


class HandClock:
    """A clock that a case moves."""

    def __init__(self, ns: int = BEGAN_NS) -> None:
        self.ns = ns

    def __call__(self) -> int:
        return self.ns


class Stage(ABC):
    """See :func:`acceptor` and its like."""

    heartbeat_s = 30
    outside = False
    prefix = "C"
    """Of names."""
    not_kept = ADMIN
    """Message types that no store has to have."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.begin, self.log = bench, bench.begin, WireLog()
        self.old = self.begin == "FIX.4.2"
        self.clock = HandClock()
        self.given: list[str] = []
        self.name_count = 0
        self.peers: list[Peer] = []
        self.answer: Heard | None = None
        """The last Logon of the system under test."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for peer in self.peers:
            peer.socket.close()
        self.close()

    # -- what each has its own way for --------------------------------------------------------------------------------
    @abstractmethod
    def log_on(
        self, number: int | None = None, reset: bool = False, heartbeat: int = 0, more: Pairs = ()
    ) -> Peer:
        """A session that is logged on; `number` is the peer's Logon's, where it is not the next."""

    @abstractmethod
    def tell(self, peer: Peer, name: str = "", **how: Any) -> str:
        """The peer sends what the application acts on; its name."""

    @abstractmethod
    def act(self, name: str) -> tuple[str, Pairs]:
        """MsgType and body of what the application acts on."""

    @abstractmethod
    def speak(self, peer: Peer, count: int = 1) -> list[Heard]:
        """Have the system under test say what is repeated when it is asked for; what came."""

    @abstractmethod
    def turn(self) -> None:
        """Let the system under test work for a moment."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    @abstractmethod
    def logged_on(self) -> bool:
        """Whether the system under test holds the session to be."""

    # -- what all have ------------------------------------------------------------------------------------------------
    @property
    def effects(self) -> list[str]:
        """Names of what the application was given to act on: orders of an acceptor, executions of an initiator."""
        return self.given

    def expect_given(self, names: list[str], subject: str, last: int = 0) -> None:
        """The application was given these, in order, and nothing else (or, with `last`, as its last so many).

        Raises
        ------
        MissedError
            When it was given others.
        """
        expect(self.effects[-last:], names, subject)

    def now_ns(self) -> int:
        """The time, ns since 1970."""
        return self.clock.ns

    def pass_s(self, seconds: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, until something is over."""
        until = self.clock.ns + round(seconds * NS_PER_S)
        while self.clock.ns < until and not over():
            self.clock.ns = min(until, self.clock.ns + round(_STEP_S * NS_PER_S))
            self.turn()

    @property
    def quick_s(self) -> int:
        """A heartbeat interval that is waited for."""
        return self.heartbeat_s

    def patience(self, seconds: float) -> float:
        """How long what takes so long by its own clock may take."""
        return PATIENCE_S

    def settle(self, peer: Peer) -> list[Heard]:
        """Fill what the system under test asks for, if it does; all that it said."""
        peer.say("1", [(112, "settled?")])
        heard = peer.waiting(
            lambda messages: any(
                message.kind == "2" or message.get(112) == "settled?" for message in messages
            )
        )
        for request in [message for message in heard if message.kind == "2" and not message.again]:
            peer.fill(int(request.get(7)), self.log.number)
            heard += peer.sync()
        return heard

    @property
    def rules(self) -> Dictionary:
        """The dictionary in force."""
        return own_dictionary(self.begin)

    def reason(self, code: int) -> str:
        """SessionRejectReason (373) of a Reject, "" where the dictionary has it not."""
        rule = self.rules.fields.get(373)
        return "" if rule is None or rule.fault(str(code)) else str(code)

    def name(self) -> str:
        """One that nothing else has."""
        self.name_count += 1
        return f"{self.prefix}{self.name_count}"

    def wait(self, condition: Callable[[], bool], subject: str) -> None:
        """Let the system under test work until something holds.

        Raises
        ------
        MissedError
            When it does not.
        """
        until = time.monotonic() + PATIENCE_S
        while not condition():
            self.turn()
            if time.monotonic() > until:
                raise MissedError(f"not so in time: {subject}")

    def logon(self, number: int | None, reset: bool, heartbeat: int, more: Pairs) -> Pairs:
        """Body of the peer's Logon."""
        if reset:
            self.log.number = 1
        return [
            (98, "0"),
            (108, str(heartbeat or self.heartbeat_s)),
            *([(141, "Y")] if reset else []),
            *more,
        ]

    def audit(self, peer: Peer | None = None) -> None:
        """The store has what the wire had, and nothing had two effects.

        Raises
        ------
        MissedError
            When it is not so.
        """
        if peer is not None and not peer.ended:
            peer.sync()
        self.compare()
        twice = sorted({name for name in self.effects if self.effects.count(name) > 1})
        expect(twice, [], "what the application was given twice")

    def compare(self) -> None:
        """The store against the wire; nothing where the store is somebody else's."""
        path, session = self.store_location()
        if path is None:
            return
        with closing(sqlite3.connect(path)) as file:
            row = file.execute(
                "SELECT next_out, next_in FROM session WHERE name = ?", (session,)
            ).fetchone()
            rows = dict(file.execute("SELECT number, raw FROM sent WHERE session = ?", (session,)))
        expect(
            tuple(row or ()),
            (self.log.expects, self.log.number),
            "numbers of the store, out and in",
        )
        wire = {
            number: raw
            for number, raw in self.log.first.items()
            if Heard(raw).kind not in self.not_kept
        }
        stored = {number: raw for number, raw in rows.items() if number in self.log.first}
        expect(sorted(stored), sorted(wire), "numbers of application messages in the store")
        expect(stored == wire, True, "the store's bytes are those of the wire")

    def store_location(self) -> tuple[Path | None, str]:
        """The store's file, and the session's name in it."""
        return None, ""

    def lose_peer(self, peer: Peer) -> None:
        """The peer's connection is lost, and the system under test has seen it."""
        peer.close()


class AcceptorStage(Stage):
    """Our server before a small venue."""

    not_kept = ADMIN | {"W", "X", "Y", "y"}  # market data is stale on another connection

    def __init__(
        self,
        bench: Bench,
        times: SessionTimes | None = None,
        login: Login | None = None,
        venue: Any = None,
    ) -> None:
        super().__init__(bench)
        self.venue = TinyVenue() if venue is None else venue
        self._send_to_venue = self.venue.send
        self.venue.send = self._record_and_send  # type: ignore[method-assign]
        self._times, self._login = times, login or Login(NAMES[1], begin=self.begin)
        self.names = NAMES[1], NAMES[0]
        self.resting_order = "TINY", "10", "4.50"
        """Symbol, quantity and price of an order that rests."""
        self.server = self._make_server()

    def _make_server(self) -> FixServer:
        logins = [self._login, Login("OTHER", begin=self.begin)]
        folder = self.bench.folder
        server = FixServer(
            self.venue,
            ListenerSettings(),
            logins,
            NAMES[0],
            folder,
            times=self._times,
            wall_ns=self.clock,
        )
        server.listen()
        return server

    def _record_and_send(self, command: o.Command) -> None:
        if isinstance(command, o.NewOrder):
            self.given.append(command.cl_ord_id.partition("/")[2])
        self._send_to_venue(command)

    def store_location(self) -> tuple[Path | None, str]:
        """See `Stage`."""
        return self.bench.folder / STORE, f"{self.begin}:{self.names[1]}->{self.names[0]}"

    def connect(self, names: tuple[str, str] = ("", ""), log: WireLog | None = None) -> Peer:
        """A connection, without a logon."""
        sock = socket.create_connection(("127.0.0.1", self.server.port))
        who = names if names[0] else self.names
        peer = Peer(sock, self.begin, who, log or self.log, self.now_ns, self.turn)
        self.peers.append(peer)
        self.turn()
        return peer

    def log_on(
        self, number: int | None = None, reset: bool = False, heartbeat: int = 0, more: Pairs = ()
    ) -> Peer:
        """See `Stage`."""
        peer = self.connect()
        peer.say("A", self.logon(number, reset, heartbeat, more), number)
        self.answer = answer = peer.hear("A")
        expect(answer.get(108), str(heartbeat or self.heartbeat_s), "HeartBtInt of the answer")
        return peer

    def act(self, name: str) -> tuple[str, Pairs]:
        """See `Stage`: an order that rests."""
        return "D", [(11, name), (21, "1"), *order_fields(*self.resting_order, self.now_ns())]

    def tell(self, peer: Peer, name: str = "", **how: Any) -> str:
        """See `Stage`."""
        name = name or self.name()
        kind, body = self.act(name)
        peer.say(kind, body, **how)
        return name

    def speak(self, peer: Peer, count: int = 1) -> list[Heard]:
        """See `Stage`: reports on orders."""
        names = [self.tell(peer) for _ in range(count)]
        heard = [peer.hear("8") for _ in names]
        expect([message.get(11) for message in heard], names, "orders that were reported on")
        return heard

    def unknown_cancel(self, peer: Peer) -> Heard:
        """A cancel of an order that nobody knows; its reject."""
        name = self.name()
        body = order_fields(*self.resting_order, self.now_ns())
        peer.say(
            "F",
            [
                (41, "nobody"),
                (11, name),
                *[field for field in body if field[0] not in (40, 44, 59)],
            ],
        )
        reject = peer.hear("9")
        expect(reject.get(11), name, "ClOrdID of the OrderCancelReject")
        return reject

    def turn(self) -> None:
        """See `Stage`."""
        self.server.turn(0.001)
        if self.server.error is not None:
            raise self.server.error

    def logged_on(self) -> bool:
        """See `Stage`."""
        return self.names[0] in self.server.linked

    def close(self) -> None:
        """See `Stage`."""
        self.server.close()


class InitiatorStage(Stage):
    """Our link, which logs on at the peer."""

    def __init__(self, bench: Bench, reset: bool = False, **session: Any) -> None:
        super().__init__(bench)
        self.terms = initiator_terms(bench.terms, **session)
        self.prefix = "" if self.rules.fields[17].kind == "INT" else self.prefix
        self.heartbeat_s = self.terms.profile.session.heartbeat_s
        self.names = NAMES[0], NAMES[1]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.0)
        self._reset = reset
        self.resets = reset or "logon" in self.terms.profile.session.reset
        """Whether its logons begin anew."""
        self.asks = self.terms.profile.session.on_gap == "request"
        """Whether it asks for what is missing; else it logs out."""
        self.delivered: list[Message] = []
        self.events: list[SessionEvent] = []
        self.link = self._make_link()

    @property
    def rules(self) -> Dictionary:
        """See `Stage`."""
        return self.terms.dictionary or super().rules

    def _make_link(self) -> FixLink:
        host, port = self._listener.getsockname()
        address = Address(host, port)
        link = links.open_link(
            self.terms, address, NAMES[1], self.bench.folder, self._reset, self.clock
        )
        link.now_ns = self.clock  # type: ignore[method-assign]
        return link

    def store_location(self) -> tuple[Path | None, str]:
        """See `Stage`."""
        return self.bench.folder / links.STORE, f"{self.begin}:{self.names[1]}->{self.names[0]}"

    def turn(self) -> None:
        """See `Stage`."""
        messages, events = self.link.poll(0.001)
        self.events += events
        self.delivered += messages
        self.given += [message.get(17) for message in messages if message.kind == "8"]

    def accept(self) -> Peer:
        """The connection that the link makes; it has not logged on."""
        sockets: list[socket.socket] = []

        def came() -> bool:
            try:
                sockets.append(self._listener.accept()[0])
            except BlockingIOError:
                return False
            return True

        self.wait(came, "a connection of the initiator")
        peer = Peer(sockets[0], self.begin, self.names, self.log, self.now_ns, self.turn)
        self.peers.append(peer)
        return peer

    def no_connection(self) -> bool:
        """Whether the link leaves the listener alone."""
        for _ in range(5):
            self.turn()
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                continue
            return False
        return True

    def log_on(
        self, number: int | None = None, reset: bool = False, heartbeat: int = 0, more: Pairs = ()
    ) -> Peer:
        """See `Stage`."""
        peer = self.accept()
        self.answer = logon = peer.hear("A")
        reset = reset or logon.get(141) == "Y"
        body = self.logon(number, reset, int(logon.get(108)), more)
        peer.say("A", body, number)
        self.wait(self.logged_on, "an initiator that is logged on")
        return peer

    def act(self, name: str) -> tuple[str, Pairs]:
        """See `Stage`: an execution."""
        block = self.rules.messages["8"].block
        body = [
            (37, "1"),
            (11, "D1"),
            (17, name),
            (150, "0"),
            (39, "0"),
            (55, "XYZ"),
            (54, "1"),
            (38, "10"),
        ]
        body += [
            (151, "10"),
            (14, "0"),
            (6, "0"),
            (60, stamp(self.now_ns())),
            (20, "0"),
            (32, "0"),
            (40, "2"),
        ]
        return "8", [
            pair
            for pair in body
            if pair[0] in (block.required if pair[0] in (20, 32, 40) else block.members)
        ]

    def tell(self, peer: Peer, name: str = "", **how: Any) -> str:
        """See `Stage`."""
        name = name or self.name()
        kind, body = self.act(name)
        peer.say(kind, body, **how)
        return name

    def send(self, *messages: tuple[str, Pairs]) -> None:
        """Have the link send."""
        self.link.send(messages)

    def order(self, name: str) -> tuple[str, Pairs]:
        """An order, as the initiator sends it."""
        return "D", [(11, name), (21, "1"), *order_fields("XYZ", "10", "4.50", self.now_ns())]

    def speak(self, peer: Peer, count: int = 1) -> list[Heard]:
        """See `Stage`: words on messages that it could not read, or cancels where the venue takes none of these."""
        kind = "j" if "j" in self.rules.messages else "F"
        fields = [(45, "1"), (372, "8"), (380, "0")] if kind == "j" else [(41, "D1"), (55, "XYZ")]
        name_tag = 58 if kind == "j" else 11
        self.send(*[(kind, [*fields, (name_tag, self.name())]) for _ in range(count)])
        return [peer.hear(kind) for _ in range(count)]

    def logged_on(self) -> bool:
        """See `Stage`."""
        return self.link.up

    def end_link(self) -> None:
        """The process of the initiator ends."""
        self.link.end()
        self.drain()

    def drain(self) -> None:
        """Read what an initiator that is over still said, on connections that nobody accepted."""
        with suppress(BlockingIOError):
            while True:
                last = self._listener.accept()[0]
                peer = Peer(last, self.begin, self.names, self.log, self.now_ns, self.turn)
                peer.end()
                last.close()

    def begin_link(self, reset: bool = False) -> None:
        """Another one goes on with its store."""
        self._reset = reset
        self.link = self._make_link()

    def lose_peer(self, peer: Peer) -> None:
        """See `Stage`."""
        peer.close()
        self.wait(lambda: not self.link.up, "a link that is seen to be lost")

    def close(self) -> None:
        """See `Stage`."""
        self.link.end()
        self._listener.close()

    def event_texts(self, kind: SessionEventKind) -> list[str]:
        """Texts of what happened."""
        return [event.text for event in self.events if event.kind is kind]


def order_fields(symbol: str, lots: str, price: str, now_ns: int) -> Pairs:
    """An order to buy at a limit, without its name."""
    return [
        (55, symbol),
        (54, "1"),
        (60, stamp(now_ns)),
        (38, lots),
        (40, "2"),
        (44, price),
        (59, "0"),
    ]
