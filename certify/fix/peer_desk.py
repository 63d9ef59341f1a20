"""The peer as a desk at an acceptor: it orders, and holds every report against what it was told before.

A report is read in the words of FIX 4.4; what FIX 4.2 says otherwise (20, and 150 of fills) is checked and translated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from certify.fix.case import Bench, case, expect, holds
from certify.fix.plays import acceptor, back
from certify.fix.staffed import StaffedVenue
from certify.fix.stage import AcceptorStage, order_fields
from certify.fix.terms import NAMES
from certify.fix.wire import Heard, Pairs, Peer, WireLog
from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, ListenerSettings
from tercel.core import Pace, Venue
from tercel.fix import SessionTimes

OTHER, COPY = "OTHER", "COPY"
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
        super().__init__(bench, times, login, self.traded_at())

    def traded_at(self) -> Venue:
        """What the server stands before."""
        return self.staffed

    def _served(self) -> FixServer:
        logins = [
            self._login,
            Login(OTHER, begin=self.begin),
            Login(COPY, begin=self.begin, copies=(NAMES[1],)),
        ]
        pace, folder = Pace(_Ticks()), self.bench.folder
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
            one.exec_id for one in self.staffed.trades if one.account == NAMES[1] and one.last_qty
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
        early = [f"{one}" for peer in mine for one in peer.sync()]
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
        self.stage, self.peer = stage, peer
        self.tickets: dict[str, Ticket] = {}
        """By every name."""
        self.execs: set[str] = set()

    # -- out ----------------------------------------------------------------------------------------------------------
    def _body(self, qty: float, price: str, more: dict[int, str]) -> Pairs:
        symbol, lots, at = self.stage.asks_for
        body = (
            dict(
                order_fields(symbol, f"{qty:g}" if qty else lots, price or at, self.stage.now_ns())
            )
            | more
        )
        return [(tag, value) for tag, value in body.items() if value]

    def send(self, qty: float = 0, price: str = "", more: dict[int, str] | None = None) -> str:
        """A new order to buy, at its lowest price where none is given; its name. `more`: fields; "": without."""
        body = [(11, self.stage.name()), *self._body(qty, price, {21: "1"} | (more or {}))]
        name = dict(body)[11]
        self.tickets.setdefault(name, Ticket(qty or float(self.stage.asks_for[1])))
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
        gone = {40: "", 44: "", 59: ""}
        self.peer.say("F", [(41, orig), (11, name), *self._body(0, "", gone)])
        return self._also(name, orig)

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
        return self._also(name, orig)

    def _also(self, name: str, orig: str) -> str:
        if orig in self.tickets:
            self.tickets.setdefault(name, self.tickets[orig])
        return name

    # -- in -----------------------------------------------------------------------------------------------------------
    def report(self, kind: str, status: str, name: str, **wanted: Any) -> Heard:
        """The next report. `wanted`: cum, leaves, orig (41), reason (103; 4.4's)."""
        said = self.peer.find("8", "9", "3", "j")
        expect(said.kind, "8", f"MsgType of the answer ({said.get(58)})")
        if self.stage.outside and kind not in _PENDING and self.kind(said) in _PENDING:
            return self.report(kind, status, name, **wanted)
        return self.same(said, kind, status, name, **wanted)

    def same(self, said: Heard, kind: str, status: str, name: str, **wanted: Any) -> Heard:
        """See that a report is the one that is due, and that it adds up."""
        ticket = self.check(said)
        got = self.kind(said), said.get(39), said.get(11)
        expect(got, (kind, status, name), f"ExecType, OrdStatus and ClOrdID ({said.get(58)})")
        if "cum" in wanted:
            expect(ticket.cum, wanted["cum"], f"quantity that was executed of {name}")
        if "leaves" in wanted:
            expect(float(said.get(151)), wanted["leaves"], f"LeavesQty of {name}")
        expect(said.get(41), wanted.get("orig", ""), f"OrigClOrdID of {name}")
        expect(
            said.get(103),
            self.older("103", wanted.get("reason", "")),
            f"OrdRejReason ({said.get(58)})",
        )
        return said

    def kind(self, said: Heard) -> str:
        """ExecType, as 4.4 has it."""
        kind, trans = said.get(150), said.get(20)
        if not self.stage.old:
            expect(trans, "", "ExecTransType, which 4.4 has not")
            return kind
        if trans in _OLD_KINDS:
            return _OLD_KINDS[trans]
        return "F" if kind in ("1", "2") else kind

    def older(self, tag: str, reason: str) -> str:
        """A reason, as the version has it."""
        known, other = _OLD_REASONS[tag]
        return reason if not self.stage.old or reason in known else other

    def check(self, said: Heard) -> Ticket:
        """See that a report has what its version requires, and adds up; take note of what it executes.

        Raises
        ------
        MissedError
            When it does not.
        """
        kind, status, exec_id = self.kind(said), said.get(39), said.get(17)
        required = (*_REQUIRED, 20) if self.stage.old else _REQUIRED
        expect(
            [tag for tag in required if not said.get(tag)],
            [],
            "required fields that the report lacks",
        )
        holds(exec_id not in self.execs, f"ExecID {exec_id} is new")
        self.execs.add(exec_id)
        holds(kind == "I" or said.get(11) in self.tickets, f"ClOrdID {said.get(11)} was sent")
        ticket = self.tickets.setdefault(said.get(11), Ticket(0.0))
        if status != "8":
            expect(said.get(37), ticket.order_id or said.get(37), "OrderID")
            holds(said.get(37) != "NONE", "an order that lives has an OrderID")
            ticket.order_id = said.get(37)
        if kind in ("5", "D") and said.get(38):
            ticket.qty = float(said.get(38))
        self._book(said, kind, exec_id, ticket)
        if self.stage.old and kind in ("F", "H", "G", "I"):
            expect(said.get(150), status, "ExecType of 4.2: as the order stands")
        if status == "8":
            expect(
                (float(said.get(14)), float(said.get(151))),
                (0.0, 0.0),
                "CumQty and LeavesQty of a rejection",
            )
        else:
            self._sums(said, ticket)
        return ticket

    @staticmethod
    def _book(said: Heard, kind: str, exec_id: str, ticket: Ticket) -> None:
        lots, price = float(said.get(32) or 0), float(said.get(31) or 0)
        if kind == "F":
            holds(lots > 0 and price > 0, f"LastQty and LastPx of a fill: {lots:g} at {price:g}")
            ticket.fills[exec_id] = lots, price
        elif kind in ("H", "G"):
            ref = said.get(19)
            holds(ref in ticket.fills, f"ExecRefID {ref} names an execution that stands")
            del ticket.fills[ref]
            if kind == "G":
                ticket.fills[ref] = lots, price
        else:
            expect(lots, 0.0, f"LastQty of what is no execution (150={kind})")

    @staticmethod
    def _sums(said: Heard, ticket: Ticket) -> None:
        if ticket.qty:
            expect(float(said.get(38) or ticket.qty), ticket.qty, "OrderQty")
            holds(
                ticket.cum <= ticket.qty,
                f"no more filled than ordered: {ticket.cum:g} of {ticket.qty:g}",
            )
        expect(float(said.get(14)), ticket.cum, "CumQty, the sum of what was executed")
        left = 0.0 if said.get(39) in _OVER else ticket.qty - ticket.cum
        expect(float(said.get(151)), left, "LeavesQty")
        off = abs(float(said.get(6)) - ticket.mean)
        holds(off < _NEAR, f"AvgPx {said.get(6)} is the mean of what was executed, {ticket.mean:g}")

    def refused(self, name: str, orig: str, reason: str, status: str, of: str = "1") -> Heard:
        """The next message is an OrderCancelReject: of a cancel ("1") or a replace ("2"), the order as it stands."""
        said = self.peer.find("8", "9", "3", "j")
        expect(said.kind, "9", f"MsgType of the answer ({said.get(150)}, {said.get(58)})")
        got = said.get(11), said.get(41), said.get(434), said.get(102), said.get(39)
        wanted = name, orig, of, self.older("102", reason), status
        expect(
            got,
            wanted,
            f"ClOrdID, OrigClOrdID, CxlRejResponseTo, CxlRejReason and OrdStatus ({said.get(58)})",
        )
        known = self.tickets.get(orig)
        expect(
            said.get(37),
            known.order_id if known is not None else "NONE",
            "OrderID of the OrderCancelReject",
        )
        return said

    def ask(self, name: str, status: str, **wanted: Any) -> Heard:
        """Ask for an order's status (H), which must be this one."""
        self.peer.say("H", [(11, name), (55, self.stage.asks_for[0]), (54, "1")])
        return self.report("I", status, wanted.pop("now", name), **wanted)

    def quiet(self) -> None:
        """Nothing more about orders was said.

        Raises
        ------
        MissedError
            When something was.
        """
        said = [
            f"{one} {one.get(58)}" for one in self.peer.sync() if one.kind in ("8", "9", "3", "j")
        ]
        expect(said, [], "what else was said about orders")

    # -- breaks -------------------------------------------------------------------------------------------------------
    def lose(self) -> None:
        """The connection breaks, whatever is on its way."""
        with suppress(OSError):
            self.peer.socket.close()
        self.peer.ended = True
        for _ in range(5):
            self.stage.turn()

    def back(self, more: Pairs = ()) -> list[Heard]:
        """Log on again; what was said meanwhile, repeated. `more` is what the Logon says beside."""
        self.peer, said = back(self.stage, more)
        return said


Anywhere = Callable[[PeerDesk], str]
Inside = Callable[[Floor, PeerDesk], str]


def anywhere(id_: str, title: str) -> Callable[[Anywhere], Anywhere]:
    """Register a case that any acceptor can be asked, ours or somebody else's."""

    def register(play: Anywhere) -> Anywhere:
        def body(bench: Bench) -> str:
            with Floor(bench) if bench.address is None else acceptor(bench) as stage:
                return _ended(PeerDesk(stage, stage.log_on(reset=stage.outside)), play)

        case(id_, title, "acceptor", outside=True)(body)
        return play

    return register


def inside(id_: str, title: str, **how: Any) -> Callable[[Inside], Inside]:
    """Register a case at our own server; `how`: times, login (`Floor`)."""

    def register(play: Inside) -> Inside:
        def body(bench: Bench) -> str:
            with Floor(bench, **how) as stage:
                return _ended(PeerDesk(stage, stage.log_on()), lambda trader: play(stage, trader))

        case(id_, title, "acceptor")(body)
        return play

    return register


def _ended(trader: PeerDesk, play: Anywhere) -> str:
    told = play(trader)
    trader.quiet()
    trader.stage.audit(trader.peer)
    return told
