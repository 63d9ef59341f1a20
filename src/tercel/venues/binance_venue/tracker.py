"""Own orders at Binance: answers, events of the user stream and rows of lists become reports, once.

All three may report the same thing, in any order. An execution is known by its trade's number, an end by its order:
nothing is reported twice, and an end waits until every execution that it counts is here.

    {"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"a-1","C":"","S":"BUY","x":"TRADE","X":"FILLED",
     "i":4293153,"t":7,"l":"1.0","L":"0.1026","z":"1.0","q":"1.0","n":"0.001","N":"BNB","T":1499405658657,"m":false}
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.orders import ONE
from tercel.fix.memory import OrderMemory, SentOrder
from tercel.venues.binance_venue.account import AssetLedger
from tercel.venues.binance_venue.api import MS, Status, TradedSymbol, signed, whole

ENDS: Final[Mapping[str, tuple[o.ExecType, o.OrdStatus]]] = {
    Status.CANCELED: (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    "PENDING_CANCEL": (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    Status.REJECTED: (o.ExecType.REJECTED, o.OrdStatus.REJECTED),
    Status.EXPIRED: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
    Status.EXPIRED_IN_MATCH: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
}
"""Final statuses of orders that are not filled: type and status of the report."""
OVER: Final = {**ENDS, Status.FILLED: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED)}
"""The same for orders with lots that are not filled here: FILLED if the venue reduced the order."""


@dataclass(eq=False, slots=True)
class WorkingOrder:
    """An order of ours, one leg where a replacement made a new one.

    Parameters
    ----------
    sent : SentOrder
        By the name under which it lives.
    number : int
        Binance's, 0 while it is not known.
    before : WorkingOrder, optional
        The order that it takes the place of.
    """

    sent: SentOrder
    number: int = 0
    before: "WorkingOrder | None" = None
    base_qty: int = 0
    """Filled by those before it, 10^-8 of a lot."""
    qty: int = 0
    """Filled of this one."""
    acked: bool = False
    over: bool = False
    ended: tuple[str, int] | None = None
    """Its final status and time, while executions are missing or a replacement is to come."""
    after: "WorkingOrder | None" = None
    """The order that is to take its place."""
    trades: list[o.Report] = field(default_factory=list)
    """Of all legs, as reported."""
    seen: set[int] = field(default_factory=set)
    """Numbers of its trades."""

    @property
    def latest(self) -> "WorkingOrder":
        """The order that it lives on in: itself, unless it was replaced."""
        return self if self.after is None or not self.over else self.after.latest

    @property
    def cum_qty(self) -> int:
        """Filled by all legs."""
        return self.base_qty + self.qty

    @property
    def status(self) -> o.OrdStatus:
        """Its status, as far as it was reported."""
        if self.over:
            return self.sent.status
        if not self.acked:
            return o.OrdStatus.PENDING_NEW
        return o.working(self.cum_qty)

    def report(
        self,
        kind: o.ExecType,
        status: o.OrdStatus,
        exec_id: str,
        ns: int,
        *,
        name: str = "",
        orig: str = "",
        qty: int = 0,
        px: int = 0,
        passive: bool = False,
        text: str = "",
    ) -> o.Report:
        """A report on it."""
        sent = self.sent
        return o.Report(
            exec_id,
            kind,
            status,
            name or sent.name,
            orig,
            str(self.number or ""),
            sent.account,
            sent.instrument,
            sent.side,
            sent.lots,
            sent.price,
            qty,
            px,
            self.cum_qty,
            0 if status in o.TERMINAL else max(sent.lots * ONE - self.cum_qty, 0),
            ns,
            passive,
            text,
        )


MOST_STORED: Final = 10_000
"""Orders that are over and executions, of an account, that are remembered."""
Tell = Callable[[o.Report, int, int], o.Report]
"""Passes a report on, given when the venue says that it happened and the number of its trade; as it was passed on."""


class OrderTracker:
    """Orders by name and number, and their reports.

    Parameters
    ----------
    symbols : mapping of str to TradedSymbol
    memory : OrderMemory
    ledger : AssetLedger
    tell : callable
    """

    def __init__(
        self,
        symbols: Mapping[str, TradedSymbol],
        memory: OrderMemory,
        ledger: AssetLedger,
        tell: Tell,
    ) -> None:
        self._symbols = symbols
        self.memory = memory
        self._ledger = ledger
        self._tell = tell
        self.on_missing: Callable[[WorkingOrder], object] = lambda _: None
        """Called with an order whose executions are not all here."""
        self.on_number: Callable[[WorkingOrder], object] = lambda _: None
        """Called with an order whose number came to be known."""
        self.on_revival: Callable[[WorkingOrder], object] = lambda _: None
        """Called with an order that works although it was reported as rejected."""
        self.by_name: dict[str, WorkingOrder] = {}
        """By every name of ours that it had."""
        self._by_wire: dict[str, WorkingOrder] = {}
        self._by_number: dict[tuple[str, int], WorkingOrder] = {}
        self._over: deque[WorkingOrder] = deque()
        self.executions: dict[str, deque[o.Report]] = {}
        """Reported executions by account."""
        self.live: dict[str, WorkingOrder] = {}
        """Orders that are not over, by the wire name that they began with."""

    # -- finding ------------------------------------------------------------------------------------------------------
    def begin(self, sent: SentOrder, before: WorkingOrder | None = None) -> WorkingOrder:
        """Track an order that is sent, or that an earlier process sent."""
        order = WorkingOrder(
            sent, int(sent.order_id) if sent.order_id.isdigit() else 0, before, sent.base_qty
        )
        order.acked = bool(order.number)
        if before is not None:
            order.trades = before.trades
        if order.number:
            self._by_number[sent.instrument, order.number] = order
        if sent.live:
            self.live[sent.wire] = order
        self.by_name[sent.name] = self._by_wire[sent.wire] = order
        return order

    def named(self, name: str) -> WorkingOrder | None:
        """An order by a name of ours; one of an earlier process is tracked from now on."""
        if (found := self.by_name.get(name)) is not None:
            return found.latest
        sent = self.memory.by_name.get(name)
        if sent is None or sent.kind not in ("new", "replace"):
            return None
        return self.begin(sent)

    def found(self, symbol: str, number: int, *wires: str) -> WorkingOrder | None:
        """An order by its number or a name at the venue."""
        if (known := self._by_number.get((symbol, number))) is not None:
            return known
        for wire in wires:
            if (known := self._by_wire.get(wire)) is not None:
                return known
            sent = self.memory.by_wire.get(wire)
            if sent is not None and sent.instrument == symbol and sent.kind in ("new", "replace"):
                return self.begin(sent)
        return None

    def unit(self, order: WorkingOrder) -> TradedSymbol:
        """The symbol of an order."""
        return self._symbols[order.sent.instrument]

    def qty(self, order: WorkingOrder, value: Any) -> int:
        """A quantity of the API in 10^-8 of a lot."""
        return whole(value, "a quantity") * ONE // self.unit(order).lot

    # -- reports ------------------------------------------------------------------------------------------------------
    def assign_number(self, order: WorkingOrder, number: int, name: str = "") -> None:
        """Set the venue's number of an order.

        Raises
        ------
        VenueError
            What said so is about another order: by its number, or by a name of ours.
        """
        key = order.sent.instrument, number
        if (
            order.number not in (0, number)
            or self._by_number.get(key, order) is not order
            or self._by_wire.get(name, order) is not order
        ):
            raise VenueError(
                f"word of order {order.number or order.sent.wire} of {order.sent.instrument}",
                f"that of {number} {name}".rstrip(),
                "see the account at the venue",
            )
        if number and not order.number:
            order.number = number
            order.sent.order_id = str(number)
            self._by_number[key] = order
            self.on_number(order)

    def accept(self, order: WorkingOrder, ns: int) -> None:
        """Mark an order as accepted by the venue: reported once, as a replacement where it replaces another."""
        if order.acked:
            return
        order.acked = True
        before = order.before
        sent = order.sent
        if before is not None:
            order.base_qty = sent.base_qty = before.cum_qty
            before.after = order
            before.sent.status = o.OrdStatus.CANCELED
            self.memory.write(before.sent)
            self._finish(before)
            self._say(
                order, o.ExecType.REPLACED, order.status, f"R{sent.wire}", ns, orig=before.sent.name
            )
        else:
            self._say(order, o.ExecType.NEW, o.OrdStatus.NEW, "N", ns)

    def executions_after(self, account: str, after: str) -> list[o.Report]:
        """Executions of an account as reported, after one of them where it is named.

        Raises
        ------
        VenueError
            No such execution.
        """
        found = list(self.executions.get(account, ()))
        if not after:
            return found
        for at, one in enumerate(found):
            if one.exec_id == after:
                return found[at + 1 :]
        raise VenueError(
            f"an execution of {account}", repr(after), "ask without one for all of them"
        )

    def fill(self, order: WorkingOrder, row: Mapping[str, Any], ns: int, passive: bool) -> None:
        """An execution: `price`, `qty`, `commission`, `commissionAsset` and the number of its trade.

        Raises
        ------
        VenueError
            Numbers that are none.
        """
        number = whole(row["tradeId"], "a trade's number") // ONE
        if number in order.seen:
            return
        symbol = self.unit(order)
        base, price = whole(row["qty"], "a quantity"), whole(row["price"], "a price")
        fee = signed(row.get("commission") or 0, "a commission")
        self.accept(order, ns)
        order.seen.add(number)
        qty, px = base * ONE // symbol.lot, price * ONE // symbol.tick
        order.qty += qty
        self._ledger.filled(
            symbol, order.sent.side, base, price, fee, str(row.get("commissionAsset") or "")
        )
        full = order.cum_qty >= order.sent.lots * ONE
        status = o.working(order.cum_qty, full)
        if order.over and (order.after is not None or not full):
            status = order.sent.status  # a trade that comes after the end opens nothing again
        report = self._say(
            order,
            o.ExecType.TRADE,
            status,
            str(number),
            ns,
            qty=qty,
            px=px,
            passive=passive,
            trade=number,
        )
        order.trades.append(report)
        self.executions.setdefault(report.account, deque(maxlen=MOST_STORED)).append(report)
        if full and not order.over:
            self._finish(order)

    def ended(
        self,
        order: WorkingOrder,
        status: str,
        counted: Any,
        ns: int,
        *,
        name: str = "",
        orig: str = "",
        text: str = "",
    ) -> bool:
        """End an order with its status and executed quantity; False while executions are missing."""
        if order.over or status not in OVER:
            return order.over
        if self.qty(order, counted) > order.qty:
            self.on_missing(order)
            return False
        if status == Status.FILLED:
            text = text or "the venue calls it filled: the rest was taken off it there"
        if order.after is not None and not order.after.acked:
            order.ended = status, ns  # half of a replacement: the other half says what it is
            return False
        if status != Status.REJECTED:
            self.accept(order, ns)
        kind, final = OVER[status]
        self._say(order, kind, final, "E", ns, name=name, orig=orig, text=text)
        self._finish(order)
        return True

    def rename(self, order: WorkingOrder, sent: SentOrder, ns: int) -> None:
        """Give an order fewer lots and a new name; it keeps its queue position."""
        if order.sent is sent or order.over:
            return
        before = order.sent
        order.sent = sent
        sent.order_id = before.order_id
        sent.base_qty = before.base_qty
        before.status = o.OrdStatus.CANCELED
        self.memory.write(before)
        self.by_name[sent.name] = self._by_wire[sent.wire] = order
        self._changed(order, o.ExecType.REPLACED, f"R{sent.wire}", ns, orig=before.name)

    def resize(self, order: WorkingOrder, name: str, quantity: Any, ns: int) -> None:
        """Reduce an order to the quantity that the venue has of it, requested by us or by others."""
        lots = -(-(self.qty(order, quantity) + order.base_qty) // ONE)
        if order.over or not order.acked or not 0 < lots < order.sent.lots:
            return
        sent = self.memory.by_wire.get(name)
        if (
            sent is not None
            and sent.kind == "replace"
            and sent.orig == order.sent.name
            and sent.lots == lots
        ):
            self.rename(order, sent, ns)
            return
        order.sent.lots = lots
        self._changed(order, o.ExecType.RESTATED, f"Z{lots}", ns, text="by somebody else's hand")

    def _changed(
        self, order: WorkingOrder, kind: o.ExecType, what: str, ns: int, **more: Any
    ) -> None:
        """Report fewer lots of an order, which may be filled by that."""
        full = order.cum_qty >= order.sent.lots * ONE
        status = o.OrdStatus.FILLED if full else order.status
        self._say(order, kind, status, what, ns, **more)
        if full:
            self._finish(order)

    def reject(self, order: WorkingOrder, ns: int, text: str) -> None:
        """The order was never placed; the one that it should replace has ended, or continues."""
        before = order.before
        if order.over or order.acked:
            return
        order.over = True
        order.sent.status = o.OrdStatus.REJECTED
        if before is None:
            self._say(
                order,
                o.ExecType.REJECTED,
                o.OrdStatus.REJECTED,
                f"{order.sent.wire}-J",
                ns,
                text=text,
            )
            self._finish(order)
            return
        before.after = None
        self.memory.write(order.sent)
        self.live.pop(order.sent.wire, None)
        if before.ended is not None:
            status, at = before.ended
            text = f"cancelled; the order in its place was refused: {text}"
            name, orig = order.sent.name, before.sent.name
            self.ended(before, status, 0, at, name=name, orig=orig, text=text)

    def event(self, data: Mapping[str, Any]) -> bool:
        """An `executionReport`; whether it is about an order of ours.

        Raises
        ------
        VenueError, KeyError, ValueError
            What cannot be read.
        """
        symbol, number, name, original = (
            str(data["s"]),
            int(data["i"]),
            str(data["c"]),
            str(data.get("C") or ""),
        )
        order = self.found(symbol, number, name, original) if symbol in self._symbols else None
        if order is None:
            return False
        ns, what, status = int(data["T"]) * MS, str(data["x"]), str(data["X"])
        self.assign_number(order, number)
        if order.over and not order.acked and status not in OVER:
            order.over = False
            self.live[order.sent.wire] = order
            self.on_revival(order)
        if what == "TRADE":
            row = {"tradeId": data["t"], "price": data["L"], "qty": data["l"]}
            row |= {"commission": data["n"], "commissionAsset": data["N"]}
            self.fill(order, row, ns, bool(data.get("m")))
        elif what == "REPLACED":
            sent = self.memory.by_wire.get(name)
            if sent is not None:
                self.rename(order, sent, ns)
        elif what == "NEW":
            self.accept(order, ns)
        if "q" in data:
            self.resize(order, name, data["q"], ns)
        if status in OVER:
            cancel = self.memory.by_wire.get(name)
            mine = cancel is not None and cancel.kind == "cancel"
            text = str(data.get("eR") or ("" if data.get("r") in (None, "NONE") else data["r"]))
            names = (
                {"name": cancel.name, "orig": cancel.orig} if cancel is not None and mine else {}
            )
            self.ended(order, status, data["z"], ns, text=text, **names)
        elif self.qty(order, data["z"]) > order.qty:
            self.on_missing(order)
        return True

    # -- events -------------------------------------------------------------------------------------------------------
    def _say(
        self,
        order: WorkingOrder,
        kind: o.ExecType,
        status: o.OrdStatus,
        what: str,
        ns: int,
        trade: int = 0,
        **more: Any,
    ) -> o.Report:
        exec_id = f"{order.sent.instrument}-{order.number}-{what}" if order.number else what
        sent = order.sent
        sent.status = status
        sent.cum_qty = order.cum_qty
        self.memory.write(sent)
        return self._tell(order.report(kind, status, exec_id, ns, **more), ns, trade)

    def _finish(self, order: WorkingOrder) -> None:
        order.over = True
        self.live = {wire: one for wire, one in self.live.items() if one is not order}
        self._over.append(order)
        while len(self._over) > MOST_STORED:
            gone = self._over.popleft()
            self._by_number.pop((gone.sent.instrument, gone.number), None)
            for known in (self.by_name, self._by_wire):
                for name in [gone.sent.name, gone.sent.wire]:
                    if known.get(name) is gone:
                        del known[name]

    def mine(self, account: str, instrument: str = "") -> Iterable[WorkingOrder]:
        """Orders of an account ("": of all) that are not over."""
        for order in list(self.live.values()):
            sent = order.sent
            if (
                account in ("", sent.account)
                and instrument in ("", sent.instrument)
                and not order.over
            ):
                yield order

    def remembered(self, account: str) -> list[WorkingOrder]:
        """Orders of an account that are over, as far as they are remembered."""
        return [
            order for order in self._over if order.sent.account == account and order.after is None
        ]
