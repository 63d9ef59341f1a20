"""Own orders at Binance: answers, user stream events and status rows become execution reports, each once.

All three may report the same thing, in any order. An execution is known by its trade's number, an end by its order:
nothing is reported twice, and an end waits until every execution that it counts is here.

    {"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"a-1","C":"","S":"BUY","x":"TRADE","X":"FILLED",
     "i":4293153,"t":7,"l":"1.0","L":"0.1026","z":"1.0","q":"1.0","n":"0.001","N":"BNB","T":1499405658657,"m":false}
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.core.link.order_memory import OrderMemory, SentOrder
from tercel.venues.binance_venue.api import MS, Status, TradedSymbol, parse_amount
from tercel.venues.binance_venue.ledger import AssetLedger
from tercel.venues.binance_venue.requests import read_trade
from tercel.venues.binance_venue.spot_api import SpotTrade
from tercel.venues.binance_venue.working_order import OVER, WorkingOrder

MOST_STORED: Final = 10_000
"""Orders that are over and executions, of an account, that are remembered."""
_NOT_IN_PLACE: Final = (o.OrdStatus.PENDING_NEW, o.OrdStatus.REJECTED)
"""Statuses of a replacement that has not, or not yet, taken the place of its order."""
EmitReport = Callable[[o.Report, int, int], o.Report]
"""Passes a report on, given when the venue says that it happened and the number of its trade; as it was passed on."""


class OrderTracker:
    """Orders by name and number, and their reports.

    Parameters
    ----------
    symbols : mapping of str to TradedSymbol
    memory : OrderMemory
    ledger : AssetLedger
    emit_report : callable
    """

    def __init__(
        self,
        symbols: Mapping[str, TradedSymbol],
        memory: OrderMemory,
        ledger: AssetLedger,
        emit_report: EmitReport,
    ) -> None:
        """Start without orders; `on_missing`, `on_number` and `on_revival` do nothing until they are set."""
        self._symbols = symbols
        self.memory = memory
        self._ledger = ledger
        self._emit_report = emit_report
        self.on_missing: Callable[..., object] = lambda _, change=None: None
        """Called with an order whose executions are not all here, or whose replacement (`change`) was rejected."""
        self.on_number: Callable[[WorkingOrder], object] = lambda _: None
        """Called with an order whose number came to be known."""
        self.on_revival: Callable[[WorkingOrder], object] = lambda _: None
        """Called with an order that works although it was reported as rejected."""
        self.by_name: dict[str, WorkingOrder] = {}
        """By every name of ours that it had."""
        self._by_wire: dict[str, WorkingOrder] = {}
        self._by_number: dict[tuple[str, int], WorkingOrder] = {}
        self._past_orders: deque[WorkingOrder] = deque()
        self.executions: dict[str, deque[o.Report]] = {}
        """Reported executions by account."""
        self.live: dict[str, WorkingOrder] = {}
        """Orders that are not over, by the wire name that they began with."""

    def begin(self, sent: SentOrder, before: WorkingOrder | None = None) -> WorkingOrder:
        """Begin to track an order that is sent, or that an earlier process sent; `before`: the order that it replaces."""
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
        order.names += [sent.name, sent.wire]
        return order

    def find_by_name(self, name: str) -> WorkingOrder | None:
        """The latest replacement of an order by a name of ours, None if unknown; an earlier process's order is tracked
        from now on.
        """
        order = self.by_name.get(name)
        sent = self.memory.by_name.get(name) if order is None else order.sent
        if sent is None or sent.kind not in ("new", "replace"):
            return None
        if not sent.live and (order is None or not order.over):  # it ended in an earlier process
            replacements = {
                later.orig: later
                for later in self.memory.by_wire.values()
                if later.kind == "replace" and later.status not in _NOT_IN_PLACE
            }
            while sent.name in replacements:
                sent = replacements.pop(sent.name)
            order = self.by_name.get(sent.name)
        return self.begin(sent) if order is None else order.latest

    def find_order(self, symbol: str, number: int, *wires: str) -> WorkingOrder | None:
        """An order by its number or a name at the venue, None if unknown; an earlier process's order is tracked from now on."""
        if (order := self._by_number.get((symbol, number))) is not None:
            return order
        for wire in wires:
            if (order := self._by_wire.get(wire)) is not None:
                return order
            sent = self.memory.by_wire.get(wire)
            if sent is not None and sent.instrument == symbol and sent.kind in ("new", "replace"):
                return self.begin(sent)
        return None

    def symbol_for(self, order: WorkingOrder) -> TradedSymbol:
        """The symbol of an order."""
        return self._symbols[order.sent.instrument]

    def lot_qty(self, order: WorkingOrder, amount: int) -> int:
        """A quantity, 1e-8 of the base asset, in 10^-8 of a lot."""
        return amount * ONE // self.symbol_for(order).lot

    def assign_number(self, order: WorkingOrder, number: int, name: str = "") -> None:
        """Set the venue's number of an order; raises VenueError if number or name belong to another order.

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
            order.base_qty = sent.base_qty = max(sent.base_qty, before.cum_qty)
            before.after = order
            before.before = None  # else every order of a long chain would be kept
            before.sent.status = o.OrdStatus.CANCELED
            self.memory.write(before.sent)
            self._finish(before)
            self._report(
                order, o.ExecType.REPLACED, order.status, f"R{sent.wire}", ns, orig=before.sent.name
            )
        else:
            self._report(order, o.ExecType.NEW, o.OrdStatus.NEW, "N", ns)

    def executions_after(self, account: str, after: str) -> list[o.Report]:
        """Executions of an account as reported, after execution `after` ("": all); VenueError if that is unknown.

        Raises
        ------
        VenueError
            No such execution.
        """
        reports = list(self.executions.get(account, ()))
        if not after:
            return reports
        for index, report in enumerate(reports):
            if report.exec_id == after:
                return reports[index + 1 :]
        raise VenueError(
            f"an execution of {account}", repr(after), "ask without one for all of them"
        )

    def fill(self, order: WorkingOrder, trade: SpotTrade) -> None:
        """Book and report an execution, once by its number."""
        if trade.number in order.seen_trades:
            return
        symbol = self.symbol_for(order)
        self.accept(order, trade.ns)
        order.seen_trades.add(trade.number)
        qty = self.lot_qty(order, trade.quantity)
        order.qty += qty
        self._ledger.book_fill(
            symbol, order.sent.side, trade.quantity, trade.price, trade.fee, trade.fee_asset
        )
        full = order.cum_qty >= order.sent.lots * ONE
        status = o.working_status(order.cum_qty, full)
        if order.over and (order.after is not None or not full):
            status = order.sent.status  # a trade that comes after the end opens nothing again
        report = self._report(
            order,
            o.ExecType.TRADE,
            status,
            str(trade.number),
            trade.ns,
            qty=qty,
            px=trade.price * ONE // symbol.tick,
            passive=trade.passive,
            trade=trade.number,
        )
        order.trades.append(report)
        self.executions.setdefault(report.account, deque(maxlen=MOST_STORED)).append(report)
        if full and not order.over:
            self._finish(order)

    def end_order(
        self,
        order: WorkingOrder,
        status: str,
        executed: int,
        ns: int,
        *,
        name: str = "",
        orig: str = "",
        text: str = "",
    ) -> bool:
        """End an order with its final status and executed quantity; whether it is over: not while executions or the
        other half of a replacement are missing.
        """
        if order.over or status not in OVER:
            return order.over
        if status == Status.REJECTED and not order.acked:
            before = order.before
            self.reject(order, ns, text)
            if before is not None and not before.over:
                self.on_missing(before, change=order.sent)
            return True
        if self.lot_qty(order, executed) > order.qty:
            self.on_missing(order)
            return False
        if status == Status.FILLED:
            text = text or "the venue calls it filled: the rest was taken off it there"
        if order.after is not None and not order.after.acked:
            order.ended = status, ns  # half of a replacement: the other half says what it is
            return False
        self.accept(order, ns)
        kind, final = OVER[status]
        self._report(order, kind, final, "E", ns, name=name, orig=orig, text=text)
        self._finish(order)
        return True

    def rename(self, order: WorkingOrder, sent: SentOrder, ns: int) -> None:
        """Reduce an order's lots under a new name; the order keeps its queue position."""
        if order.sent is sent or order.over:
            return
        before = order.sent
        order.sent = sent
        sent.order_id = before.order_id
        sent.base_qty = before.base_qty
        before.status = o.OrdStatus.CANCELED
        self.memory.write(before)
        self.by_name[sent.name] = self._by_wire[sent.wire] = order
        order.names += [sent.name, sent.wire]
        self._report_reduction(order, o.ExecType.REPLACED, f"R{sent.wire}", ns, orig=before.name)

    def resize(self, order: WorkingOrder, name: str, quantity: int, ns: int) -> None:
        """Reduce an order to the quantity that the venue has of it, requested by us or by others."""
        lots = -(-(self.lot_qty(order, quantity) + order.base_qty) // ONE)
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
        self._report_reduction(
            order, o.ExecType.RESTATED, f"Z{lots}", ns, text="by somebody else's hand"
        )

    def _report_reduction(
        self, order: WorkingOrder, kind: o.ExecType, exec_name: str, ns: int, **details: Any
    ) -> None:
        """Report that an order has fewer lots, which may complete it."""
        full = order.cum_qty >= order.sent.lots * ONE
        status = o.OrdStatus.FILLED if full else order.status
        self._report(order, kind, status, exec_name, ns, **details)
        if full:
            self._finish(order)

    def reject(self, order: WorkingOrder, ns: int, text: str) -> None:
        """Report an order as never placed; if it should replace another, that one is ended or goes on instead. Ignored
        once accepted.
        """
        before = order.before
        if order.over or order.acked:
            return
        order.over = True
        order.sent.status = o.OrdStatus.REJECTED
        if before is None:
            self._report(
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
            status, end_ns = before.ended
            text = f"cancelled; the order in its place was refused: {text}"
            name = order.sent.name
            orig = before.sent.name
            self.end_order(before, status, 0, end_ns, name=name, orig=orig, text=text)

    def process_event(self, data: Mapping[str, Any]) -> bool:
        """Process an `executionReport`; whether it is about an own order.

        Raises
        ------
        VenueError, KeyError, ValueError
            What cannot be read.
        """
        symbol = str(data["s"])
        number = int(data["i"])
        name = str(data["c"])
        original = str(data.get("C") or "")
        order = self.find_order(symbol, number, name, original) if symbol in self._symbols else None
        if order is None:
            return False
        ns = int(data["T"]) * MS
        event_type = str(data["x"])
        status = str(data["X"])
        self.assign_number(order, number)
        if order.over and not order.acked and status not in OVER:
            order.over = False
            self.live[order.sent.wire] = order
            self.on_revival(order)
        if event_type == "TRADE":
            row = {"id": data["t"], "orderId": number, "price": data["L"], "qty": data["l"]}
            row |= {"commission": data["n"], "commissionAsset": data["N"], "time": data["T"]}
            self.fill(order, read_trade(row | {"isMaker": data.get("m")}))
        elif event_type == "REPLACED":
            sent = self.memory.by_wire.get(name)
            if sent is not None:
                self.rename(order, sent, ns)
        elif event_type == "NEW":
            self.accept(order, ns)
        if "q" in data:
            self.resize(order, name, parse_amount(data["q"], "a quantity"), ns)
        executed = parse_amount(data["z"], "a quantity")
        if status in OVER:
            cancel = self.memory.by_wire.get(name)
            is_ours = cancel is not None and cancel.kind == "cancel"
            text = str(data.get("eR") or ("" if data.get("r") in (None, "NONE") else data["r"]))
            names = (
                {"name": cancel.name, "orig": cancel.orig} if cancel is not None and is_ours else {}
            )
            self.end_order(order, status, executed, ns, text=text, **names)
        elif self.lot_qty(order, executed) > order.qty:
            self.on_missing(order)
        return True

    def _report(
        self,
        order: WorkingOrder,
        kind: o.ExecType,
        status: o.OrdStatus,
        exec_name: str,
        ns: int,
        trade: int = 0,
        **details: Any,
    ) -> o.Report:
        """Store an order's new state and emit an execution report on it; the report as emitted."""
        exec_id = (
            f"{order.sent.instrument}-{order.number}-{exec_name}" if order.number else exec_name
        )
        sent = order.sent
        sent.status = status
        sent.cum_qty = order.cum_qty
        self.memory.write(sent)
        return self._emit_report(order.report(kind, status, exec_id, ns, **details), ns, trade)

    def _finish(self, order: WorkingOrder) -> None:
        """Mark an order as over, and forget the oldest of too many ended orders."""
        order.over = True
        self.live = {
            wire: live_order for wire, live_order in self.live.items() if live_order is not order
        }
        self._past_orders.append(order)
        while len(self._past_orders) > MOST_STORED:
            oldest = self._past_orders.popleft()
            self._by_number.pop((oldest.sent.instrument, oldest.number), None)
            for index in (self.by_name, self._by_wire):
                for name in oldest.names:
                    if index.get(name) is oldest:
                        del index[name]

    def working_orders(self, account: str, instrument: str = "") -> Iterable[WorkingOrder]:
        """Orders of an account and an instrument ("": of all) that have not ended."""
        for order in list(self.live.values()):
            sent = order.sent
            if (
                account in ("", sent.account)
                and instrument in ("", sent.instrument)
                and not order.over
            ):
                yield order

    def past_orders(self, account: str) -> list[WorkingOrder]:
        """Ended orders of an account that no other replaced, as far as they are remembered."""
        return [
            order
            for order in self._past_orders
            if order.sent.account == account and order.after is None
        ]
