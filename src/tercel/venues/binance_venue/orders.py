"""Orders to Binance: a desk's commands as requests of the WebSocket API, and reports from their answers."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE, ceil_units
from tercel.core.link.order_memory import SentOrder
from tercel.venues.binance_venue.api import (
    MS,
    ErrorCode,
    Status,
    TradedSymbol,
    format_amount,
    parse_amount,
)
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.rest import UNSURE
from tercel.venues.binance_venue.tracker import OrderTracker
from tercel.venues.binance_venue.working_order import ENDS, OVER, WorkingOrder

_DUPLICATE: Final = "duplicate"
_UNKNOWN: Final = "unknown order"
_WITHDRAWN: Final = "it was cancelled before it was sent"
_AMEND_WEIGHT: Final = 4


class OrderEntry:
    """Sends orders and reads the answers.

    Parameters
    ----------
    channel : ApiChannel
    tracker : OrderTracker
    inquiry : FateInquiry
    books : mapping of str to StreamedBook
    emit : callable
        Takes events beside the tracker's reports.
    stamp : callable
        Gives a time that does not go back.
    mode : str
        Self-trade prevention; "": each symbol's default.
    post_only : bool
        Whether what rests is LIMIT_MAKER.
    """

    def __init__(
        self,
        channel: ApiChannel,
        tracker: OrderTracker,
        inquiry: FateInquiry,
        books: Mapping[str, StreamedBook],
        emit: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        mode: str = "",
        post_only: bool = False,
    ) -> None:
        """Set up without orders; `on_doubt` does nothing until it is set."""
        self._channel = channel
        self._tracker = tracker
        self._inquiry = inquiry
        self._books = books
        self._emit = emit
        self._stamp = stamp
        self._mode = mode
        self._post_only = post_only
        self._mark = f"L{channel.now_ms():x}"
        self._numbers = count(1)
        self.on_doubt: Callable[[], object] = lambda: None
        """Called where the venue refuses an order by a filter that it passes here."""

    def send(self, command: o.Command) -> None:
        """Send a command, or report it as refused where it cannot be sent.

        Raises
        ------
        VenueError
            The way is down, or no weight is left: nothing was sent.
        """
        if isinstance(command, o.NewOrder):
            self._new(command)
        elif isinstance(command, o.CancelOrder):
            self._cancel(command)
        elif isinstance(command, o.ReplaceOrder):
            self._replace(command)
        elif isinstance(command, o.MassCancel):
            self._mass_cancel(command)
        elif not command.cl_ord_id:
            for past in self._tracker.past_orders(command.account):
                self._inquiry.report_status(past, past.status, past.sent.name, "")
            for working in self._tracker.working_orders(command.account):
                self._inquiry.inquire(working, query_name=working.sent.name)
        elif (order := self._tracker.find_by_name(command.cl_ord_id)) is None:
            self._ask_unknown(command)
        elif order.over:
            self._inquiry.report_again(order, command.cl_ord_id)
        else:
            self._inquiry.inquire(order, query_name=command.cl_ord_id)

    def _denial_reason(self, new: o.NewOrder | o.ReplaceOrder, adds_order: int) -> str:
        """Reason why an order cannot be sent, else ""; `adds_order` is 1 if one more order would be open, else 0."""
        book = self._books.get(new.instrument)
        if book is None:
            return f"{new.instrument} is not listed"
        if new.cl_ord_id in self._tracker.memory.by_name:
            return f"{_DUPLICATE} name: {new.cl_ord_id} was used before"
        if reason := book.symbol.refusal(new, book.last_price):
            return reason
        if self._channel.orders_held:
            return "the venue's count of new orders is used up for now"
        most = book.symbol.most_orders
        if (
            adds_order
            and most
            and sum(1 for _ in self._tracker.working_orders("", new.instrument)) >= most
        ):
            return f"MAX_NUM_ORDERS: {most} orders are open"
        return ""

    def _new(self, new: o.NewOrder) -> None:
        """Send a new order, or refuse an order that may not be sent."""
        if reason := self._denial_reason(new, 1):
            self._emit(
                o.refusal_report(new, f"{self._mark}-{next(self._numbers)}", self._stamp(0), reason)
            )
            return
        sent = self._tracker.memory.record(new)
        order = self._tracker.begin(sent)
        self._books[new.instrument].shown_book.number_sent_order(
            new.cl_ord_id, new.side, new.price, new.tif is not o.Tif.IOC
        )
        params = self._order_params(sent, new.lots * self._tracker.symbol_for(order).lot, new.tif)
        try:
            self._channel.ask(
                "order.place", params, 1, lambda answer: self._on_placed(order, answer), orders=True
            )
        except VenueError:
            self._never_left(order)
            raise

    def _never_left(self, order: WorkingOrder) -> None:
        """End an order that was not sent: a status query finds it rejected."""
        order.over = True
        order.sent.status = o.OrdStatus.REJECTED
        self._tracker.memory.write(order.sent)
        self._tracker.live.pop(order.sent.wire, None)
        if order.before is None:
            self._books[order.sent.instrument].shown_book.rest_after(
                order.report(o.ExecType.CANCELED, o.OrdStatus.CANCELED, "", self._stamp(0))
            )
        else:
            order.before.after = None

    def _order_params(self, sent: SentOrder, qty: int, tif: o.Tif) -> dict[str, Any]:
        """Parameters of an order's request; `qty` in 1e-8 of the base asset."""
        symbol = self._books[sent.instrument].symbol
        kind = "LIMIT_MAKER" if self._post_only and tif is not o.Tif.IOC else "LIMIT"
        terms: dict[str, Any] = {
            "symbol": sent.instrument,
            "side": "BUY" if sent.side > 0 else "SELL",
            "type": "MARKET" if sent.price is None else kind,
            "quantity": format_amount(qty),
        }
        if sent.price is not None:
            terms["price"] = format_amount(sent.price * symbol.tick)
            if kind == "LIMIT":
                terms["timeInForce"] = "IOC" if tif is o.Tif.IOC else "GTC"
        return terms | {
            "newClientOrderId": sent.wire,
            "newOrderRespType": "FULL",
            "selfTradePreventionMode": self._mode or symbol.modes[0],
        }

    def _on_placed(self, order: WorkingOrder, answer: ApiAnswer) -> None:
        """Process the answer to a new order: accepted, rejected, or of unknown fate."""
        if answer.unknown or (
            answer.code == ErrorCode.ORDER_REJECTED and _DUPLICATE in answer.text.lower()
        ):
            self._inquiry.inquire(order, answer.until_ms)
        elif answer.error is not None:
            if answer.code == ErrorCode.INVALID_MESSAGE:
                self.on_doubt()
            self._reject_unplaced(order, answer.stamp_ms * MS, answer.text)
        else:
            self._process_result(order, answer.result)

    def _reject_unplaced(self, order: WorkingOrder, ns: int, text: str) -> None:
        """Report an order as rejected, and query the status of the order that it should have replaced, if any is open."""
        before = order.before
        is_late = before is not None and before.over and not (order.acked or order.over)
        self._tracker.reject(order, ns, text)
        if before is not None and is_late:  # no report on the order that had ended says it
            self._inquiry.report_refusal(before, order.sent, text)
        elif before is not None and not before.over:
            self._inquiry.inquire(before, change=order.sent)

    def _process_result(self, order: WorkingOrder, row: Mapping[str, Any]) -> None:
        """Process the row of a placed order: its number, acceptance, fills and end."""
        ns = int(row["transactTime"]) * MS
        status = str(row["status"])
        self._tracker.assign_number(order, int(row["orderId"]), str(row.get("clientOrderId") or ""))
        self._tracker.accept(order, ns)
        for fill in row.get("fills") or ():
            self._tracker.fill(order, fill, ns, False)
        if status in OVER:
            self._tracker.end_order(
                order, status, row["executedQty"], ns, text=str(row.get("expiryReason") or "")
            )
        elif self._tracker.parse_qty(order, row["executedQty"]) > order.qty:
            self._inquiry.inquire(order)

    def _reject(
        self, command: o.CancelOrder | o.ReplaceOrder | o.MassCancel, status: o.OrdStatus, text: str
    ) -> None:
        """Report a cancel, replacement or mass cancel as rejected."""
        self._emit(
            o.CancelReject(
                command.cl_ord_id, command.orig, command.account, status, self._stamp(0), text
            )
        )

    def _cancel(self, command: o.CancelOrder) -> None:
        """Send a cancel, or reject it if the order is unknown or over."""
        order = self._tracker.find_by_name(command.orig)
        if order is None:
            self._reject(command, o.OrdStatus.REJECTED, _UNKNOWN)
        elif order.over:
            self._reject(command, order.status, f"too late: it is {order.status}")
        else:
            sent = self._tracker.memory.record(command)
            (order.after or order).withdrawn = True
            self._channel.ask(
                "order.cancel",
                self._order_reference(order) | {"newClientOrderId": sent.wire},
                1,
                lambda answer: self._on_canceled(order, answer, sent),
                orders=True,
            )

    @staticmethod
    def _order_reference(order: WorkingOrder) -> dict[str, Any]:
        """Parameters that identify an order: its symbol, and its number or else its name."""
        reference = (
            {"orderId": order.number} if order.number else {"origClientOrderId": order.sent.wire}
        )
        return {"symbol": order.sent.instrument, **reference}

    def _on_canceled(self, order: WorkingOrder, answer: ApiAnswer, sent: SentOrder | None) -> None:
        """Process the answer to a cancel; `sent` is the cancel command, None for a cancel of the adapter's own."""
        is_canceled = order.sent.status is o.OrdStatus.CANCELED and order.latest is order
        if order.over and sent is not None and not is_canceled:
            self._inquiry.report_refusal(order, sent, answer.text or f"it is {order.status}")
        elif answer.unknown:
            self._inquiry.inquire(order, answer.until_ms, sent)
        elif answer.error is not None and answer.code != ErrorCode.CANCEL_REJECTED:
            if sent is not None:
                self._inquiry.report_refusal(order, sent, answer.text)
        elif answer.error is not None:  # it has ended, or is not there yet
            if not order.over:
                self._inquiry.inquire(
                    order, self._channel.settled_ms if not order.acked else 0, sent
                )
        else:
            row = answer.result
            self._tracker.assign_number(order, int(row["orderId"]))
            names = {"name": sent.name, "orig": sent.orig} if sent is not None else {}
            self._tracker.end_order(
                order,
                str(row["status"]),
                row["executedQty"],
                int(row["transactTime"]) * MS,
                **names,
            )

    def withdraw(self, order: WorkingOrder, urgent: bool = False) -> None:
        """Cancel an order under no name of its own; `urgent` sends the cancel in spite of a block.

        Raises
        ------
        VenueError
            Nothing was sent.
        """
        order.withdrawn = True
        self._channel.ask(
            "order.cancel",
            self._order_reference(order),
            1,
            lambda answer: self._on_canceled(order, answer, None),
            orders=True,
            urgent=urgent,
        )

    def _mass_cancel(self, command: o.MassCancel) -> None:
        """Cancel each order by itself, since the account at the venue may also be used by others; all are tried before
        a failure is raised."""
        failed: VenueError | None = None
        for order in self._tracker.working_orders(command.account, command.instrument):
            try:
                self.withdraw(order, urgent=True)
            except VenueError as error:
                failed = error
        if failed is not None:
            raise failed

    def _replace(self, command: o.ReplaceOrder) -> None:
        """Send a replacement, as an amendment or as cancel and new, or reject the command."""
        order = self._tracker.find_by_name(command.orig)
        if order is None or order.over:
            status = o.OrdStatus.REJECTED if order is None else order.status
            self._reject(
                command, status, _UNKNOWN if order is None else f"too late: it is {status}"
            )
        elif order.after is not None:
            self._reject(command, order.status, "another replacement of it is on its way")
        elif command.lots * ONE <= order.cum_qty:
            self._reject(command, order.status, "more is filled than it would leave")
        elif reason := self._denial_reason(command, 0):
            self._reject(command, order.status, reason)
        elif (
            command.price == order.sent.price
            and command.lots < order.sent.lots
            and self._tracker.symbol_for(order).amends
        ):
            self._amend(order, command)
        else:
            self._swap(order, command)

    def _remaining_qty(self, order: WorkingOrder, lots: int, done_qty: int) -> int:
        """Quantity of one leg, 1e-8 of the base asset: lots less what earlier legs filled (`done_qty`, 1e-8 of a lot,
        rounded up)."""
        return (lots - ceil_units(done_qty)) * self._tracker.symbol_for(order).lot

    def _amend(self, order: WorkingOrder, command: o.ReplaceOrder) -> None:
        """Reduce an order's quantity in place, with its queue position kept."""
        sent = self._tracker.memory.record(command)
        sent.base_qty = order.base_qty
        self._tracker.memory.write(sent)
        params = self._order_reference(order) | {
            "newClientOrderId": sent.wire,
            "newQty": format_amount(self._remaining_qty(order, command.lots, order.base_qty)),
        }

        def on_amended(answer: ApiAnswer) -> None:
            """Process the answer to the amendment."""
            if answer.unknown or answer.code == ErrorCode.AMEND_REJECTED:
                self._inquiry.inquire(order, answer.until_ms if answer.unknown else 0, sent)
            elif answer.error is not None:
                self._inquiry.report_refusal(order, sent, answer.text)
            else:
                amended = answer.result.get("amendedOrder") or {}
                self._tracker.assign_number(order, int(amended.get("orderId", order.number)))
                self._tracker.rename(order, sent, int(answer.result["transactTime"]) * MS)

        self._channel.ask(
            "order.amend.keepPriority", params, _AMEND_WEIGHT, on_amended, orders=True
        )

    def _swap(self, order: WorkingOrder, command: o.ReplaceOrder) -> None:
        """Replace an order by cancel and new in one request, if nothing is filled; else one after the other."""
        sent = self._tracker.memory.record(command)
        sent.order_id = ""
        sent.base_qty = order.cum_qty
        self._tracker.memory.write(sent)
        after = self._tracker.begin(sent, order)
        order.after = after
        try:
            if order.cum_qty == 0 and self._channel.swaps:
                reference = (
                    {"cancelOrderId": order.number}
                    if order.number
                    else {"cancelOrigClientOrderId": order.sent.wire}
                )
                terms = self._order_params(
                    sent, self._remaining_qty(order, command.lots, 0), o.Tif.DAY
                )
                params = (
                    terms
                    | reference
                    | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelRestrictions": "ONLY_NEW"}
                )
                self._channel.ask(
                    "order.cancelReplace",
                    params,
                    1,
                    lambda answer: self._on_swapped(order, after, answer),
                    orders=True,
                )
            else:
                self._channel.ask(
                    "order.cancel",
                    self._order_reference(order),
                    1,
                    lambda answer: self._on_canceled_first(order, after, answer),
                    orders=True,
                )
        except VenueError:
            self._never_left(after)
            raise

    def _on_swapped(self, before: WorkingOrder, after: WorkingOrder, answer: ApiAnswer) -> None:
        """Process the answer to a cancel and new order in one request."""
        parts = answer.result if isinstance(answer.result, dict) else {}
        placed = parts.get("newOrderResponse")
        canceled = parts.get("cancelResponse")
        failure = next((part for part in (placed, canceled) if isinstance(part, dict)), {})
        if isinstance(canceled, dict) and canceled.get("status") in ENDS:
            self._tracker.assign_number(before, int(canceled["orderId"]))
            before.ended = before.ended or (
                str(canceled["status"]),
                int(canceled["transactTime"]) * MS,
            )
        if isinstance(placed, dict) and "orderId" in placed:
            self._process_result(after, placed)
        elif answer.unknown or answer.error is None or failure.get("code") in UNSURE:
            self._inquiry.inquire(after, answer.until_ms)  # also the answer to something else
        elif not parts:
            self._reject_unplaced(after, answer.stamp_ms * MS, answer.text)
        else:
            self._reject_unplaced(
                after,
                answer.stamp_ms * MS,
                f"{failure.get('msg', answer.text)} ({failure.get('code', answer.code)})",
            )

    def _on_canceled_first(
        self, before: WorkingOrder, after: WorkingOrder, answer: ApiAnswer
    ) -> None:
        """Process the answer to the cancel before a new order: send the new order once the filled quantity is known."""
        if (
            answer.error is None
            and not answer.unknown
            and str(answer.result["status"]) == Status.CANCELED
        ):
            row = answer.result
            self._tracker.assign_number(before, int(row["orderId"]))
            before.ended = Status.CANCELED, int(row["transactTime"]) * MS
            remaining = self._remaining_qty(
                before,
                after.sent.lots,
                before.base_qty + self._tracker.parse_qty(before, row["executedQty"]),
            )
            if remaining > 0 and self._tracker.parse_qty(before, row["executedQty"]) <= before.qty:
                if after.withdrawn:
                    self._reject_unplaced(after, answer.stamp_ms * MS, _WITHDRAWN)
                    return
                try:
                    self._channel.ask(
                        "order.place",
                        self._order_params(after.sent, remaining, o.Tif.DAY),
                        1,
                        lambda answer: self._on_placed(after, answer),
                        orders=True,
                    )
                except VenueError as error:
                    self._reject_unplaced(after, answer.stamp_ms * MS, error.received)
                return
            before.ended = None
        before.after = None
        after.over = True
        after.sent.status = o.OrdStatus.REJECTED
        self._tracker.live.pop(after.sent.wire, None)
        self._inquiry.inquire(before, answer.until_ms if answer.unknown else 0, after.sent)

    def _ask_unknown(self, command: o.StatusRequest) -> None:
        """Query the status of an unknown name in every symbol that orders were sent in, or the first."""
        memory = self._tracker.memory
        wire = memory.record_status_request(command.cl_ord_id, command.account)
        used = {sent.instrument for sent in memory.by_wire.values()}
        symbols = sorted(used & self._books.keys()) or list(self._books)[:1]
        open_symbols = set(symbols)
        reasons = list[str]()

        def on_status(symbol: str, answer: ApiAnswer) -> None:
            """Process one symbol's answer; without a known order in any symbol, report the status as unknown."""
            open_symbols.discard(symbol)
            if answer.error is None and not answer.unknown_reason:
                self._adopt_stranger(command, answer.result)
                reasons.append("")
            elif answer.code != ErrorCode.NO_SUCH_ORDER:
                reasons.append(answer.text)
            if not open_symbols and not reasons:
                new = o.NewOrder(
                    command.cl_ord_id, "", 0, 0, None, o.Tif.DAY, command.account, "", 0
                )
                exec_id = f"{self._mark}-{next(self._numbers)}"
                now = self._stamp(0)
                self._emit(o.refusal_report(new, exec_id, now, _UNKNOWN, o.ExecType.STATUS))

        for symbol in symbols:
            self._channel.ask(
                "order.status",
                {"symbol": symbol, "origClientOrderId": wire},
                4,
                partial(on_status, symbol),
            )

    def _adopt_stranger(self, command: o.StatusRequest, row: Mapping[str, Any]) -> None:
        """Track an order that the venue has under a name unknown here, and query its status to answer the command."""
        symbol = self._books[str(row["symbol"])].symbol
        price = parse_amount(row["price"], "a price")
        sent = SentOrder(
            str(row["clientOrderId"]),
            command.cl_ord_id,
            "",
            command.account,
            symbol.symbol,
            1 if row["side"] == "BUY" else -1,
            lots_of(symbol, row),
            price // symbol.tick if price else None,
            "",
            "new",
            str(row["orderId"]),
        )
        self._tracker.memory.write(sent)
        self._inquiry.inquire(self._tracker.begin(sent), query_name=command.cl_ord_id)


def lots_of(symbol: TradedSymbol, row: Mapping[str, Any]) -> int:
    """Original lots of an order from its row (`origQty`), rounded up."""
    return -(-parse_amount(row["origQty"], "a quantity") // symbol.lot)
