"""An acceptor whose application is a script: it records what reaches it, and says what a case has it say, row by row.

The session below it is the protocol's own; a thread runs it. Questions are answered from what was said before, unless
a case keeps them for itself.
"""

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Self

from certify.fix.case import LeftOutError, MissedError
from exchange.fix import acceptor
from exchange.fix.hosted_dialect import HostedDialect
from tercel.fix import (
    Connection,
    Fields,
    FixSession,
    Message,
    Outcome,
    ProfileTerms,
    SequenceNumbers,
    SessionSettings,
    SessionTimes,
    tags as t,
    utc_text,
)

OVER: Final = frozenset("248C")
"""OrdStatus of an order that has ended."""
BY_HAND: Final = frozenset({t.NEW_ORDER, t.CANCEL, t.REPLACE, t.MASS_CANCEL})
"""What a case answers itself, unless it says otherwise."""
_TURN_S: Final = 0.02
_CENT: Final = Decimal("0.01")
DAY_NS: Final = 86_400 * 10**9
PATIENCE_S: Final = 10.0
VENUE = "VENUE"
DESK = "DESK"


@dataclass
class ScriptedOrder:
    """An order as the script has told it; quantities as on the wire, the price in units of the currency."""

    order_id: str
    account: str
    symbol: str
    side: str
    qty: int
    price: str
    names: list[str]
    status: str = "0"
    cum: Decimal = Decimal(0)
    fills: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    @property
    def leaves(self) -> Decimal:
        """What is open."""
        return Decimal(0) if self.status in OVER else max(self.qty - self.cum, Decimal(0))

    @property
    def average(self) -> float:
        """Mean price of what was filled."""
        lots = sum(lots for lots, _ in self.fills.values())
        return (
            float(sum(lots * price for lots, price in self.fills.values()) / lots) if lots else 0.0
        )


class ScriptedVenue:
    """See the module. Every method may be called from the case's own thread.

    Parameters
    ----------
    begin : str
        "FIX.4.4" or "FIX.4.2".
    times : SessionTimes, optional
        When its session is open; `ahead_ns` puts its clock ahead.
    terms : ProfileTerms, optional
        The venue's own words, where it has a dictionary of its own: cases are written in the standard's, and one that
        needs what these lack is left out.
    """

    def __init__(
        self, begin: str, times: SessionTimes | None = None, terms: ProfileTerms | None = None
    ) -> None:
        self.begin = begin
        self.ahead_ns = 0
        settings = SessionSettings(
            VENUE, DESK, begin=begin, user_tags=True, admit=self._admit, times=times
        )
        self._host = HostedDialect(terms, time.time_ns()) if terms is not None else None
        settings = settings if self._host is None else self._host.settings(settings)
        self.session, self.logons = FixSession(settings), list[Message]()
        self.heard: list[Message] = []
        """Application messages, in order; none twice."""
        self.said: list[tuple[str, Fields]] = []
        self.orders: dict[str, ScriptedOrder] = {}
        """By every name."""
        self.by_hand: set[str] = set(BY_HAND)
        self.quote: tuple[str, str] | None = ("9.99", "10.01")
        self.frozen = self.shut = False
        self._lock = threading.RLock()
        self._over = False
        self._execs = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-venue", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join(PATIENCE_S)
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._listener.close()

    def now_ns(self) -> int:
        """ns since 1970, as far ahead as it was put."""
        return time.time_ns() + self.ahead_ns

    @property
    def numbers(self) -> SequenceNumbers:
        """Where its session stands, between two messages: what was heard has its answer."""
        with self._lock:
            return self.session.numbers

    # -- the thread ---------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._over:
            with self._lock:
                connection = None if self.frozen else self._connection
                waits = [
                    self._listener.fileno(),
                    *(
                        [connection.fileno()]
                        if connection is not None and not connection.closed
                        else []
                    ),
                ]
            try:
                ready = select.select(waits, [], [], _TURN_S)[0]
            except OSError:  # a case has cut the connection in between
                continue
            with self._lock:
                if self._listener.fileno() in ready:
                    self._accept()
                if connection is not None and connection is self._connection and not self.frozen:
                    self._turn(connection)

    def _accept(self) -> None:
        raw_socket, _ = self._listener.accept()
        if self.shut:
            raw_socket.close()
            return
        self._drop()
        self._connection = Connection(raw_socket)
        self._apply_outcome(self.session.connect(self.now_ns()))

    def _turn(self, connection: Connection) -> None:
        data = connection.receive()
        if data is None:
            self._drop()
            return
        now = self.now_ns()
        self._apply_outcome(self.session.receive(data, now) if data else self.session.on_time(now))
        connection.flush()

    def _admit(self, logon: Message) -> str:
        self.logons.append(logon)
        return ""

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        if self.session.connected:
            self._apply_outcome(self.session.disconnect(self.now_ns()))

    def _apply_outcome(self, result: Outcome) -> None:
        if self._connection is not None and result.data:
            self._connection.send(result.data)
        for incoming in result.messages:
            for message in [incoming] if self._host is None else self._host.inward(incoming):
                self.heard.append(message)
                self._answer(message)
        if result.close and self._connection is not None:
            self._connection.end()

    # -- what a case does ---------------------------------------------------------------------------------------------
    def cut(self, stay_down: bool = False) -> None:
        """Break the connection; `stay_down`: whoever comes back is not let in."""
        with self._lock:
            self.shut = stay_down
            self._drop()
            self.frozen = False

    def say(self, kind: str, fields: Fields) -> None:
        """Say a message; while nobody is logged on it waits for the resend."""
        with self._lock:
            for message_type, body in self._translate(
                kind, [pair for pair in fields if pair[1] != ""]
            ):
                self.said.append((message_type, body))
                self._apply_outcome(self.session.send(message_type, body, self.now_ns()))

    def needs(self, tag: int, value: str) -> None:
        """A case needs a value of a field.

        Raises
        ------
        LeftOutError
            When the venue's own dictionary does not have it.
        """
        if self._host is not None and self.session.settings.rules.fields[tag].fault(value):
            raise LeftOutError(f"the venue's dictionary has no {tag}={value}")

    def _translate(self, kind: str, fields: Fields) -> list[tuple[str, Fields]]:
        """A message as the venue has it."""
        if self._host is None:
            return [(kind, fields)]
        values = dict(fields)
        if kind == t.EXECUTION_REPORT:
            fields = [
                *fields,
                *(
                    []
                    if t.ORD_TYPE in values
                    else [(t.ORD_TYPE, t.LIMIT if t.PRICE in values else "1")]
                ),
            ]
        for tag in {t.EXEC_TYPE, t.ORD_STATUS, t.MASS_CANCEL_TYPE} & values.keys():
            self.needs(tag, values[tag])
        messages = self._host.outward(kind, fields)
        if not messages:
            raise MissedError(f"35={kind} with {values} in the venue's words: there are none")
        return messages

    def wait_for(self, condition: Callable[[], Any], subject: str) -> Any:
        """Something that comes to hold, here.

        Raises
        ------
        MissedError
            When it does not.
        """
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with self._lock:
                if result := condition():
                    return result
            time.sleep(0.001)
        raise MissedError(f"{subject} within {PATIENCE_S:g} s: it never came")

    def of_kind(self, *kinds: str) -> list[Message]:
        """What was heard of some kinds."""
        with self._lock:
            return [message for message in self.heard if message.kind in kinds]

    # -- orders -------------------------------------------------------------------------------------------------------
    def exec_id(self) -> str:
        """A name that no execution had before."""
        self._execs += 1
        return f"E{self._execs}" if self._host is None else str(self._execs)

    def report(self, name: str, kind: str, status: str, **more: Any) -> str:
        """Say an execution report on an order, in the words of FIX 4.4; its ExecID.

        Parameters
        ----------
        name : str
            ClOrdID (11) it is told under.
        kind, status : str
            ExecType and OrdStatus of FIX 4.4; in 4.2 fills, busts and corrections are said as 4.2 has them.
        more
            `last`, `px`: a trade's; `cum`, `qty`, `price`: as they are from here on; `orig`: 41; `exec_id`; `ref`: 19;
            `_TAG`: any field.
        """
        with self._lock:
            order = self._order(name, str(more.get("orig", "")))
            exec_id = str(more.get("exec_id") or self.exec_id())
            self._book(order, kind, exec_id, more)
            order.status = status
            fields = self._fields(order, name, kind, exec_id, more)
            fields.update(
                {int(tag[1:]): str(value) for tag, value in more.items() if tag[0] == "_"}
            )
            self.say(t.EXECUTION_REPORT, list(fields.items()))
            return exec_id

    def _order(self, name: str, orig: str) -> ScriptedOrder:
        if name not in self.orders:
            old = self.orders.get(orig)
            if old is None:
                old = ScriptedOrder(f"V{len(self.orders) + 1}", "", "XYZ", "1", 0, "", [])
            self.orders[name] = old
            old.names.append(name)
        return self.orders[name]

    @staticmethod
    def _book(order: ScriptedOrder, kind: str, exec_id: str, more: dict[str, Any]) -> None:
        last = Decimal(str(more.get("last", 0)))
        price = Decimal(str(more.get("px", 0)))
        ref = str(more.get("ref", ""))
        order.qty, order.price = (
            int(more.get("qty", order.qty)),
            str(more.get("price", order.price)),
        )
        if kind == "F":
            order.fills[exec_id] = last, price
            order.cum += last
        elif kind == "H" and ref in order.fills:
            order.cum -= order.fills.pop(ref)[0]
        elif kind == "G" and ref in order.fills:
            order.cum += last - order.fills[ref][0]
            order.fills[ref] = last, price
        order.cum = Decimal(str(more.get("cum", order.cum)))

    def _fields(
        self, order: ScriptedOrder, name: str, kind: str, exec_id: str, more: dict[str, Any]
    ) -> dict[int, str]:
        code = kind
        trans = "0"
        if self.begin == "FIX.4.2":
            trans = {"H": "1", "G": "2", "I": "3"}.get(kind, "0")
            if kind == "F":
                code = "1" if order.leaves or order.status not in OVER else "2"
            elif kind in "HGI":
                code = order.status
        fields = {
            t.ORDER_ID: order.order_id,
            t.CL_ORD_ID: name,
            t.ORIG_CL_ORD_ID: str(more.get("orig", "")),
        }
        fields |= {t.EXEC_ID: exec_id, t.EXEC_REF_ID: str(more.get("ref", ""))}
        fields |= {
            acceptor.EXEC_TRANS_TYPE: trans if self.begin == "FIX.4.2" else "",
            t.EXEC_TYPE: code,
        }
        fields |= {
            t.ORD_STATUS: order.status,
            t.ACCOUNT: order.account,
            t.SYMBOL: order.symbol,
            t.SIDE: order.side,
        }
        fields |= {t.ORDER_QTY: str(order.qty), t.PRICE: order.price, t.CUM_QTY: str(order.cum)}
        fields |= {
            t.LEAVES_QTY: str(more.get("leaves", order.leaves)),
            acceptor.AVG_PX: f"{order.average:g}",
        }
        if kind in "FG":
            price = Decimal(str(more["px"]))
            price = price.quantize(_CENT) if price == round(price, 2) else price
            fields |= {t.LAST_QTY: str(more["last"]), t.LAST_PX: str(price)}
        return fields | {
            t.TRANSACT_TIME: utc_text(self.now_ns()),
            t.TEXT: str(more.get("text", "")),
        }

    def refuse(self, request: Message, reason: str, status: str = "", **more: str) -> None:
        """Say a cancel reject (9) to a cancel or replace."""
        order = self.orders.get(request.get(t.ORIG_CL_ORD_ID))
        fields = {t.ORDER_ID: order.order_id if order and reason != t.NOT_KNOWN else t.NO_NAME}
        fields |= {
            t.CL_ORD_ID: request.get(t.CL_ORD_ID),
            t.ORIG_CL_ORD_ID: request.get(t.ORIG_CL_ORD_ID),
        }
        fields |= {t.ORD_STATUS: status or (order.status if order else "8")}
        fields |= {
            acceptor.CXL_REJ_RESPONSE_TO: "2" if request.kind == t.REPLACE else "1",
            t.CXL_REJ_REASON: reason,
        }
        self.say(
            t.CANCEL_REJECT,
            [*(fields | {int(tag[1:]): value for tag, value in more.items()}).items()],
        )

    # -- what is answered by itself -----------------------------------------------------------------------------------
    def _answer(self, message: Message) -> None:
        kind = message.kind
        if kind == t.NEW_ORDER:
            self._begin(message)
        if kind not in self.by_hand:
            self.answer(message)

    def status_requests(self, name: str) -> list[Message]:
        """Questions about an order."""
        return [message for message in self.of_kind(t.STATUS) if message.get(t.CL_ORD_ID) == name]

    def answer(self, message: Message) -> None:
        """Answer a request as the venue does by itself."""
        kind = message.kind
        if kind == t.NEW_ORDER:
            self.report(message.get(t.CL_ORD_ID), "0", "0")
        elif kind == t.CANCEL:
            self._cancel(message)
        elif kind == t.STATUS:
            self._status(message.get(t.CL_ORD_ID), message.get(t.ACCOUNT))
        elif kind == t.MASS_STATUS:
            for order in self._alive():
                self._status(order.names[-1], order.account)
        elif kind == t.MASS_CANCEL:
            scope = [
                (t.MASS_CANCEL_TYPE, message.get(t.MASS_CANCEL_TYPE)),
                (t.MASS_CANCEL_RESPONSE, "7"),
            ]
            names = [(t.CL_ORD_ID, message.get(t.CL_ORD_ID)), (t.ORDER_ID, t.NO_NAME)]
            self.say(t.MASS_CANCEL_REPORT, [*names, *scope])
            for order in self._alive():
                self.report(order.names[-1], "4", "4")
        elif kind == t.MARKET_DATA_REQUEST and self.quote is not None:
            self.snapshot(message.get(t.MD_REQ_ID), *self.quote)

    def _begin(self, message: Message) -> None:
        name = message.get(t.CL_ORD_ID)
        account, symbol, side = (message.get(tag) for tag in (t.ACCOUNT, t.SYMBOL, t.SIDE))
        qty = int(float(message.get(t.ORDER_QTY)))
        price = message.get(t.PRICE)
        self.orders.setdefault(
            name,
            ScriptedOrder(
                f"V{len(self.orders) + 1}", account, symbol, side, qty, price, [name], "A"
            ),
        )

    def _alive(self) -> list[ScriptedOrder]:
        return [
            order
            for order in {order.order_id: order for order in self.orders.values()}.values()
            if order.leaves
        ]

    def _cancel(self, message: Message) -> None:
        orig = message.get(t.ORIG_CL_ORD_ID)
        order = self.orders.get(orig)
        if order is None or not order.leaves:
            self.refuse(message, t.NOT_KNOWN if order is None else acceptor.TOO_LATE)
        else:
            self.report(message.get(t.CL_ORD_ID), "4", "4", orig=orig)

    def _status(self, name: str, account: str) -> None:
        if name in self.orders:
            self.report(name, "I", self.orders[name].status)
            return
        fields = {
            t.ORDER_ID: t.NO_NAME,
            t.CL_ORD_ID: name,
            t.EXEC_ID: self.exec_id(),
            t.ORD_REJ_REASON: "5",
        }
        fields |= {acceptor.EXEC_TRANS_TYPE: "3" if self.begin == "FIX.4.2" else ""}
        fields |= {
            t.EXEC_TYPE: "8" if self.begin == "FIX.4.2" else "I",
            t.ORD_STATUS: "8",
            t.ACCOUNT: account,
        }
        fields |= {
            t.SYMBOL: "XYZ",
            t.SIDE: "1",
            t.ORDER_QTY: "0",
            t.CUM_QTY: "0",
            t.LEAVES_QTY: "0",
            acceptor.AVG_PX: "0",
        }
        self.say(t.EXECUTION_REPORT, list(fields.items()))

    def snapshot(self, request: str, bid: str, ask: str, size: str = "100") -> None:
        """Say a whole book (W) of one level."""
        entries = [(t.ENTRY_TYPE, "0"), (t.ENTRY_PX, bid), (t.ENTRY_SIZE, size)]
        entries += [(t.ENTRY_TYPE, "1"), (t.ENTRY_PX, ask), (t.ENTRY_SIZE, size)]
        self.say(
            t.SNAPSHOT, [(t.MD_REQ_ID, request), (t.SYMBOL, "XYZ"), (t.NO_ENTRIES, "2"), *entries]
        )

    def lose(self, kind: str, fields: Fields) -> None:
        """Say a message that never arrives: it has its number, and no byte of it leaves."""
        with self._lock:
            self.session.send(kind, fields, self.now_ns())

    def change(
        self, request: str, action: str, side: str, price: str, size: str = "100"
    ) -> list[tuple[int, str]]:
        """Fields of a change (X) of one level."""
        entry = [
            (t.UPDATE_ACTION, action),
            (t.ENTRY_TYPE, side),
            (t.SYMBOL, "XYZ"),
            (t.ENTRY_PX, price),
        ]
        return [(t.MD_REQ_ID, request), (t.NO_ENTRIES, "1"), *entry, (t.ENTRY_SIZE, size)]

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        with self._lock, suppress(OSError):
            if self._connection is not None:
                self._connection.send(data)
