"""The peer as a desk at an acceptor: it orders, and holds every report against what it was told before.

A report is read in the words of FIX 4.4; what FIX 4.2 says otherwise (20, and 150 of fills) is checked and translated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from certify.fix.case import Bench, case, expect, holds
from certify.fix.plays import acceptor, reconnect
from certify.fix.staffed import StaffedVenue
from certify.fix.stage import AcceptorStage, order_fields
from certify.fix.terms import NAMES
from certify.fix.wire import Heard, Pairs, Peer, WireLog
from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, ListenerSettings
from tercel.core import Pace, Venue
from tercel.fix import SessionTimes

OTHER = "OTHER"
COPY = "COPY"
_REQUIRED: Final = (37, 17, 150, 39, 55, 54, 151, 14, 6)
_OVER: Final = frozenset("248C")
_PENDING: Final = frozenset("6AE")
"""ExecTypes that others may say before the one that is due."""
_OLD_KINDS: Final = {"1": "H", "2": "G", "3": "I"}
"""ExecTransType of 4.2, as ExecType of 4.4."""
_OLD_REASONS: Final = {"103": ("012345678", "0"), "102": ("0123", "2")}
"""Reasons that 4.2 has, and what stands for another."""
_NEAR: Final = 1e-6
_MS: Final = 1_000_000


class _Ticks:
    """A clock of which a millisecond passes with each look."""

    def __init__(self) -> None:
        self._ns = 0

    def now_ns(self) -> int:
        """See `Clock`."""
        self._ns += _MS
        return self._ns

    def sleep_ns(self, ns: int) -> None:
        """See `Clock`."""
        self._ns += ns


class Floor(AcceptorStage):
    """Our server before a venue whose time passes by itself and where somebody does things by hand.

    Beside the desk, OTHER may log on, and COPY, which gets copies of the desk's reports.
    """

    def __init__(
        self, bench: Bench, times: SessionTimes | None = None, login: Login | None = None
    ) -> None:
        self.staffed = StaffedVenue()
        self._seller: PeerDesk | None = None
        super().__init__(bench, times, login, self.make_venue())

    def make_venue(self) -> Venue:
        """What the server stands before."""
        return self.staffed

    def _make_server(self) -> FixServer:
        logins = [
            self._login,
            Login(OTHER, begin=self.begin),
            Login(COPY, begin=self.begin, copies=(NAMES[1],)),
        ]
        pace = Pace(_Ticks())
        folder = self.bench.folder
        server = FixServer(
            self.venue,
            ListenerSettings(),
            logins,
            NAMES[0],
            folder,
            pace,
            times=self._times,
            wall_ns=self.clock,
        )
        server.listen()
        return server

    @property
    def effects(self) -> list[str]:
        """Orders that the venue took."""
        return [name.partition("/")[2] for name in self.staffed.accepted]

    def inside_name(self, name: str) -> str:
        """The desk's name of an order, as the venue knows it."""
        return f"{NAMES[1]}/{name}"

    def trades(self) -> list[str]:
        """The venue's names of the desk's executions that stand."""
        return [
            trade.exec_id
            for trade in self.staffed.trades
            if trade.account == NAMES[1] and trade.last_qty
        ]

    def join(self, name: str, more: Pairs = ()) -> Peer:
        """Another counterparty, logged on."""
        peer = self.connect((name, self.names[1]), WireLog())
        peer.say("A", self.logon(None, False, 0, more))
        peer.hear("A")
        return peer

    def sells(self, qty: float, price: str = "5.00") -> None:
        """Somebody else sells; it trades as soon as the venue has it."""
        if self._seller is None:
            self._seller = PeerDesk(self, self.join(OTHER))
        seller = self._seller
        seller.peer.sync()
        name = seller.send(qty, price, {54: "2"})
        if self.staffed.waits:
            seller.peer.sync()  # it lies there before whatever comes next
            return
        seller.report("0", "0", name)
        seller.report("F", "2", name, cum=qty)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """What comes meanwhile lies there in order, and is obeyed afterwards."""
        self.staffed.waits = True
        yield
        mine = [peer for peer in self.peers if peer.log is self.log and not peer.ended]
        early = [f"{message}" for peer in mine for message in peer.sync()]
        expect(early, [], "what is said before the venue has obeyed")
        self.staffed.waits = False


@dataclass
class Ticket:
    """An order as its trader knows it; `fills` are the executions that stand."""

    qty: float
    order_id: str = ""
    fills: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def cum(self) -> float:
        """What is filled."""
        return sum(lots for lots, _ in self.fills.values())

    @property
    def mean(self) -> float:
        """At which price, on average."""
        return (
            sum(lots * price for lots, price in self.fills.values()) / self.cum
            if self.fills
            else 0.0
        )


class PeerDesk:
    """Somebody who orders over a peer. Every report that it reads must add up.

    Parameters
    ----------
    stage : AcceptorStage
    peer : Peer
        Logged on.
    """

    def __init__(self, stage: AcceptorStage, peer: Peer) -> None:
        self.stage = stage
        self.peer = peer
        self.tickets: dict[str, Ticket] = {}
        """By every name."""
        self.execs: set[str] = set()

    # -- out ----------------------------------------------------------------------------------------------------------
    def _body(self, qty: float, price: str, more: dict[int, str]) -> Pairs:
        symbol, lots, default_price = self.stage.resting_order
        body = (
            dict(
                order_fields(
                    symbol, f"{qty:g}" if qty else lots, price or default_price, self.stage.now_ns()
                )
            )
            | more
        )
        return [(tag, value) for tag, value in body.items() if value]

    def send(self, qty: float = 0, price: str = "", more: dict[int, str] | None = None) -> str:
        """A new order to buy, at its lowest price where none is given; its name. `more`: fields; "": without."""
        body = [(11, self.stage.name()), *self._body(qty, price, {21: "1"} | (more or {}))]
        name = dict(body)[11]
        self.tickets.setdefault(name, Ticket(qty or float(self.stage.resting_order[1])))
        self.peer.say("D", list(dict(body).items()))
        return name

    def new(self, qty: float = 0, price: str = "", more: dict[int, str] | None = None) -> str:
        """A new order, acknowledged."""
        name = self.send(qty, price, more)
        self.report("0", "0", name, cum=0)
        return name

    def cancel(self, orig: str, name: str = "") -> str:
        """Ask to cancel an order; the request's name."""
        name = name or self.stage.name()
        dropped = {40: "", 44: "", 59: ""}
        self.peer.say("F", [(41, orig), (11, name), *self._body(0, "", dropped)])
        return self._alias(name, orig)

    def replace(
        self,
        orig: str,
        qty: float = 0,
        price: str = "",
        more: dict[int, str] | None = None,
        name: str = "",
    ) -> str:
        """Ask to change an order; the request's name."""
        name = name or self.stage.name()
        self.peer.say(
            "G", [(41, orig), (11, name), *self._body(qty, price, {21: "1"} | (more or {}))]
        )
        return self._alias(name, orig)

    def _alias(self, name: str, orig: str) -> str:
        if orig in self.tickets:
            self.tickets.setdefault(name, self.tickets[orig])
        return name

    # -- in -----------------------------------------------------------------------------------------------------------
    def report(self, kind: str, status: str, name: str, **wanted: Any) -> Heard:
        """The next report. `wanted`: cum, leaves, orig (41), reason (103; 4.4's)."""
        message = self.peer.find("8", "9", "3", "j")
        expect(message.kind, "8", f"MsgType of the answer ({message.get(58)})")
        if self.stage.outside and kind not in _PENDING and self.kind(message) in _PENDING:
            return self.report(kind, status, name, **wanted)
        return self.expect_report(message, kind, status, name, **wanted)

    def expect_report(
        self, message: Heard, kind: str, status: str, name: str, **wanted: Any
    ) -> Heard:
        """See that a report is the one that is due, and that it adds up."""
        ticket = self.check(message)
        got = self.kind(message), message.get(39), message.get(11)
        expect(got, (kind, status, name), f"ExecType, OrdStatus and ClOrdID ({message.get(58)})")
        if "cum" in wanted:
            expect(ticket.cum, wanted["cum"], f"quantity that was executed of {name}")
        if "leaves" in wanted:
            expect(float(message.get(151)), wanted["leaves"], f"LeavesQty of {name}")
        expect(message.get(41), wanted.get("orig", ""), f"OrigClOrdID of {name}")
        expect(
            message.get(103),
            self.reason_code("103", wanted.get("reason", "")),
            f"OrdRejReason ({message.get(58)})",
        )
        return message

    def kind(self, message: Heard) -> str:
        """ExecType, as 4.4 has it."""
        kind = message.get(150)
        trans = message.get(20)
        if not self.stage.old:
            expect(trans, "", "ExecTransType, which 4.4 has not")
            return kind
        if trans in _OLD_KINDS:
            return _OLD_KINDS[trans]
        return "F" if kind in ("1", "2") else kind

    def reason_code(self, tag: str, reason: str) -> str:
        """A reason, as the version has it."""
        known, fallback = _OLD_REASONS[tag]
        return reason if not self.stage.old or reason in known else fallback

    def check(self, message: Heard) -> Ticket:
        """See that a report has what its version requires, and adds up; take note of what it executes.

        Raises
        ------
        MissedError
            When it does not.
        """
        kind = self.kind(message)
        status = message.get(39)
        exec_id = message.get(17)
        required = (*_REQUIRED, 20) if self.stage.old else _REQUIRED
        expect(
            [tag for tag in required if not message.get(tag)],
            [],
            "required fields that the report lacks",
        )
        holds(exec_id not in self.execs, f"ExecID {exec_id} is new")
        self.execs.add(exec_id)
        holds(kind == "I" or message.get(11) in self.tickets, f"ClOrdID {message.get(11)} was sent")
        ticket = self.tickets.setdefault(message.get(11), Ticket(0.0))
        if status != "8":
            expect(message.get(37), ticket.order_id or message.get(37), "OrderID")
            holds(message.get(37) != "NONE", "an order that lives has an OrderID")
            ticket.order_id = message.get(37)
        if kind in ("5", "D") and message.get(38):
            ticket.qty = float(message.get(38))
        self._book(message, kind, exec_id, ticket)
        if self.stage.old and kind in ("F", "H", "G", "I"):
            expect(message.get(150), status, "ExecType of 4.2: as the order stands")
        if status == "8":
            expect(
                (float(message.get(14)), float(message.get(151))),
                (0.0, 0.0),
                "CumQty and LeavesQty of a rejection",
            )
        else:
            self._sums(message, ticket)
        return ticket

    @staticmethod
    def _book(message: Heard, kind: str, exec_id: str, ticket: Ticket) -> None:
        lots = float(message.get(32) or 0)
        price = float(message.get(31) or 0)
        if kind == "F":
            holds(lots > 0 and price > 0, f"LastQty and LastPx of a fill: {lots:g} at {price:g}")
            ticket.fills[exec_id] = lots, price
        elif kind in ("H", "G"):
            ref = message.get(19)
            holds(ref in ticket.fills, f"ExecRefID {ref} names an execution that stands")
            del ticket.fills[ref]
            if kind == "G":
                ticket.fills[ref] = lots, price
        else:
            expect(lots, 0.0, f"LastQty of what is no execution (150={kind})")

    @staticmethod
    def _sums(message: Heard, ticket: Ticket) -> None:
        if ticket.qty:
            expect(float(message.get(38) or ticket.qty), ticket.qty, "OrderQty")
            holds(
                ticket.cum <= ticket.qty,
                f"no more filled than ordered: {ticket.cum:g} of {ticket.qty:g}",
            )
        expect(float(message.get(14)), ticket.cum, "CumQty, the sum of what was executed")
        leaves = 0.0 if message.get(39) in _OVER else ticket.qty - ticket.cum
        expect(float(message.get(151)), leaves, "LeavesQty")
        off = abs(float(message.get(6)) - ticket.mean)
        holds(
            off < _NEAR, f"AvgPx {message.get(6)} is the mean of what was executed, {ticket.mean:g}"
        )

    def expect_cancel_reject(
        self, name: str, orig: str, reason: str, status: str, of: str = "1"
    ) -> Heard:
        """The next message is an OrderCancelReject: of a cancel ("1") or a replace ("2"), the order as it stands."""
        message = self.peer.find("8", "9", "3", "j")
        expect(message.kind, "9", f"MsgType of the answer ({message.get(150)}, {message.get(58)})")
        got = message.get(11), message.get(41), message.get(434), message.get(102), message.get(39)
        wanted = name, orig, of, self.reason_code("102", reason), status
        expect(
            got,
            wanted,
            f"ClOrdID, OrigClOrdID, CxlRejResponseTo, CxlRejReason and OrdStatus ({message.get(58)})",
        )
        known = self.tickets.get(orig)
        expect(
            message.get(37),
            known.order_id if known is not None else "NONE",
            "OrderID of the OrderCancelReject",
        )
        return message

    def ask(self, name: str, status: str, **wanted: Any) -> Heard:
        """Ask for an order's status (H), which must be this one."""
        self.peer.say("H", [(11, name), (55, self.stage.resting_order[0]), (54, "1")])
        return self.report("I", status, wanted.pop("now", name), **wanted)

    def quiet(self) -> None:
        """Nothing more about orders was said.

        Raises
        ------
        MissedError
            When something was.
        """
        messages = [
            f"{message} {message.get(58)}"
            for message in self.peer.sync()
            if message.kind in ("8", "9", "3", "j")
        ]
        expect(messages, [], "what else was said about orders")

    # -- breaks -------------------------------------------------------------------------------------------------------
    def lose(self) -> None:
        """The connection breaks, whatever is on its way."""
        with suppress(OSError):
            self.peer.socket.close()
        self.peer.ended = True
        for _ in range(5):
            self.stage.turn()

    def reconnect(self, more: Pairs = ()) -> list[Heard]:
        """Log on again; what was said meanwhile, repeated. `more` is what the Logon says beside."""
        self.peer, messages = reconnect(self.stage, more)
        return messages


Anywhere = Callable[[PeerDesk], str]
Inside = Callable[[Floor, PeerDesk], str]


def anywhere(id_: str, title: str) -> Callable[[Anywhere], Anywhere]:
    """Register a case that any acceptor can be asked, ours or somebody else's."""

    def register(play: Anywhere) -> Anywhere:
        def body(bench: Bench) -> str:
            with Floor(bench) if bench.address is None else acceptor(bench) as stage:
                return _finish_play(PeerDesk(stage, stage.log_on(reset=stage.outside)), play)

        case(id_, title, "acceptor", outside=True)(body)
        return play

    return register


def inside(id_: str, title: str, **how: Any) -> Callable[[Inside], Inside]:
    """Register a case at our own server; `how`: times, login (`Floor`)."""

    def register(play: Inside) -> Inside:
        def body(bench: Bench) -> str:
            with Floor(bench, **how) as stage:
                return _finish_play(
                    PeerDesk(stage, stage.log_on()), lambda trader: play(stage, trader)
                )

        case(id_, title, "acceptor")(body)
        return play

    return register


def _finish_play(trader: PeerDesk, play: Anywhere) -> str:
    detail = play(trader)
    trader.quiet()
    trader.stage.audit(trader.peer)
    return detail
