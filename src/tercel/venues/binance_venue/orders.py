"""Orders to Binance: a desk's commands as requests of the WebSocket API, and reports from their answers."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE, ceil_units
from tercel.core.link.order_memory import SentOrder
from tercel.venues.binance_venue.api import MS, ErrorCode, Status
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.rest import UNSURE
from tercel.venues.binance_venue.spot_api import (
    OrderKey,
    OrderRequest,
    SpotApi,
    SpotOrder,
    SpotSwap,
)
from tercel.venues.binance_venue.tracker import OrderTracker
from tercel.venues.binance_venue.working_order import ENDS, OVER, WorkingOrder

_DUPLICATE: Final = "duplicate"
_UNKNOWN: Final = "unknown order"
_WITHDRAWN: Final = "it was cancelled before it was sent"


class OrderEntry:
    """Sends orders and reads the answers.

    Parameters
    ----------
    api : SpotApi
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
        api: SpotApi,
        tracker: OrderTracker,
        inquiry: FateInquiry,
        books: Mapping[str, StreamedBook],
        emit: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        mode: str = "",
        post_only: bool = False,
    ) -> None:
        """Set up without orders; `on_doubt` does nothing until it is set."""
        self._api = api
        self._channel = api.channel
        self._tracker = tracker
        self._inquiry = inquiry
        self._books = books
        self._emit = emit
        self._stamp = stamp
        self._mode = mode
        self._post_only = post_only
        self._mark = f"L{api.channel.now_ms():x}"
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
        request = self._order_request(sent, new.lots * self._tracker.symbol_for(order).lot, new.tif)
        try:
            self._api.send(self._api.place(request), partial(self._on_placed, order))
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

    def _order_request(self, sent: SentOrder, qty: int, tif: o.Tif) -> OrderRequest:
        """Request of an order; `qty` in 1e-8 of the base asset."""
        symbol = self._books[sent.instrument].symbol
        return OrderRequest(
            sent.instrument,
            sent.wire,
            sent.side,
            qty,
            None if sent.price is None else sent.price * symbol.tick,
            tif is o.Tif.IOC,
            self._post_only,
            self._mode or symbol.modes[0],
        )

    def _on_placed(self, order: WorkingOrder, answer: ApiAnswer[SpotOrder]) -> None:
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

    def _process_result(self, order: WorkingOrder, row: SpotOrder) -> None:
        """Process the state of a placed order: its number, acceptance, fills and end."""
        self._tracker.assign_number(order, row.number, row.name)
        self._tracker.accept(order, row.ns)
        for fill in row.fills:
            self._tracker.fill(order, fill)
        if row.status in OVER:
            self._tracker.end_order(order, row.status, row.executed, row.ns, text=row.text)
        elif self._tracker.lot_qty(order, row.executed) > order.qty:
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
            call = self._api.cancel(order.key, sent.wire)
            self._api.send(call, partial(self._on_canceled, order, sent))

    def _on_canceled(
        self, order: WorkingOrder, sent: SentOrder | None, answer: ApiAnswer[SpotOrder]
    ) -> None:
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
            self._tracker.assign_number(order, row.number)
            names = {"name": sent.name, "orig": sent.orig} if sent is not None else {}
            self._tracker.end_order(order, row.status, row.executed, row.ns, **names)

    def withdraw(self, order: WorkingOrder, urgent: bool = False) -> None:
        """Cancel an order under no name of its own; `urgent` sends the cancel in spite of a block.

        Raises
        ------
        VenueError
            Nothing was sent.
        """
        order.withdrawn = True
        call = self._api.cancel(order.key, "")
        self._api.send(call, partial(self._on_canceled, order, None), urgent)

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

        def on_amended(answer: ApiAnswer[SpotOrder]) -> None:
            """Process the answer to the amendment."""
            if answer.unknown or answer.code == ErrorCode.AMEND_REJECTED:
                self._inquiry.inquire(order, answer.until_ms if answer.unknown else 0, sent)
            elif answer.error is not None:
                self._inquiry.report_refusal(order, sent, answer.text)
            else:
                self._tracker.assign_number(order, answer.result.number or order.number)
                self._tracker.rename(order, sent, answer.result.ns)

        quantity = self._remaining_qty(order, command.lots, order.base_qty)
        self._api.send(self._api.amend(order.key, sent.wire, quantity), on_amended)

    def _swap(self, order: WorkingOrder, command: o.ReplaceOrder) -> None:
        """Replace an order by cancel and new in one request, if nothing is filled; else one after the other."""
        sent = self._tracker.memory.record(command)
        sent.order_id = ""
        sent.base_qty = order.cum_qty
        self._tracker.memory.write(sent)
        after = self._tracker.begin(sent, order)
        order.after = after
        try:
            if order.cum_qty == 0 and self._api.swaps:
                remaining = self._remaining_qty(order, command.lots, 0)
                request = self._order_request(sent, remaining, o.Tif.DAY)
                swap = self._api.swap(order.key, request)
                self._api.send(swap, partial(self._on_swapped, order, after))
            else:
                cancel = self._api.cancel(order.key, "")
                self._api.send(cancel, partial(self._on_canceled_first, order, after))
        except VenueError:
            self._never_left(after)
            raise

    def _on_swapped(
        self, before: WorkingOrder, after: WorkingOrder, answer: ApiAnswer[SpotSwap]
    ) -> None:
        """Process the answer to a cancel and new order in one request."""
        swap = answer.result
        canceled = swap.canceled
        if canceled is not None and canceled.status in ENDS:
            self._tracker.assign_number(before, canceled.number)
            before.ended = before.ended or (canceled.status, canceled.ns)
        if swap.placed is not None:
            self._process_result(after, swap.placed)
        elif answer.unknown or answer.error is None or swap.code in UNSURE:
            self._inquiry.inquire(after, answer.until_ms)  # also the answer to something else
        else:
            text = f"{swap.text} ({swap.code})" if swap.code else answer.text
            self._reject_unplaced(after, answer.stamp_ms * MS, text)

    def _on_canceled_first(
        self, before: WorkingOrder, after: WorkingOrder, answer: ApiAnswer[SpotOrder]
    ) -> None:
        """Process the answer to the cancel before a new order: send the new order once the filled quantity is known."""
        if answer.succeeded and answer.result.status == Status.CANCELED:
            row = answer.result
            self._tracker.assign_number(before, row.number)
            before.ended = Status.CANCELED, row.ns
            executed = self._tracker.lot_qty(before, row.executed)
            remaining = self._remaining_qty(before, after.sent.lots, before.base_qty + executed)
            if remaining > 0 and executed <= before.qty:
                if after.withdrawn:
                    self._reject_unplaced(after, answer.stamp_ms * MS, _WITHDRAWN)
                    return
                try:
                    request = self._order_request(after.sent, remaining, o.Tif.DAY)
                    self._api.send(self._api.place(request), partial(self._on_placed, after))
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

        def on_status(symbol: str, answer: ApiAnswer[SpotOrder]) -> None:
            """Process one symbol's answer; without a known order in any symbol, report the status as unknown."""
            open_symbols.discard(symbol)
            if answer.succeeded:
                self._adopt_stranger(command, symbol, answer.result)
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
            call = self._api.order(OrderKey(symbol, 0, wire))
            self._api.send(call, partial(on_status, symbol))

    def _adopt_stranger(self, command: o.StatusRequest, name: str, row: SpotOrder) -> None:
        """Track an order that the venue has under a name unknown here, and query its status to answer the command."""
        symbol = self._books[name].symbol
        sent = SentOrder(
            row.name,
            command.cl_ord_id,
            "",
            command.account,
            symbol.symbol,
            row.side,
            -(-(row.quantity or 0) // symbol.lot),
            row.price // symbol.tick if row.price else None,
            "",
            "new",
            str(row.number),
        )
        self._tracker.memory.write(sent)
        self._inquiry.inquire(self._tracker.begin(sent), query_name=command.cl_ord_id)
