"""Commands of the desk as requests of the WebSocket API, and what their answers mean."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.orders import ONE, ceiled
from tercel.fix.memory import SentOrder
from tercel.venues.binance_venue.api import MS, ErrorCode, Status, TradedSymbol, shown, whole
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.tracker import ENDS, OVER, OrderTracker, WorkingOrder

_DUPLICATE: Final = "duplicate"
_UNKNOWN: Final = "unknown order"
_AMEND_WEIGHT: Final = 4


class OrderEntry:
    """Sends orders and reads the answers.

    Parameters
    ----------
    channel : ApiChannel
    tracker : OrderTracker
    inquiry : FateInquiry
    books : mapping of str to StreamedBook
    say : callable
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
        say: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        mode: str = "",
        post_only: bool = False,
    ) -> None:
        self._channel = channel
        self._tracker = tracker
        self._inquiry = inquiry
        self._books = books
        self._say = say
        self._stamp = stamp
        self._mode = mode
        self._post_only = post_only
        self._mark = f"L{channel.now_ms():x}"
        self._numbers = count(1)
        self.doubted: Callable[[], object] = lambda: None
        """Called where the venue refuses an order by a filter that it passes here."""

    def send(self, command: o.Command) -> None:
        """Send a command, or answer it where it cannot be sent.

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
            for each in self._tracker.remembered(command.account):
                self._inquiry.report_status(each, each.status, each.sent.name, "")
            for each in self._tracker.mine(command.account):
                self._inquiry.about(each, asked=each.sent.name)
        elif (order := self._tracker.named(command.cl_ord_id)) is None:
            self._ask_unknown(command)
        elif order.over:
            self._inquiry.repeat(order, command.cl_ord_id)
        else:
            self._inquiry.about(order, asked=command.cl_ord_id)

    # -- new orders ---------------------------------------------------------------------------------------------------
    def _denial(self, new: o.NewOrder | o.ReplaceOrder, more: int) -> str:
        """Reason why an order cannot be sent, else ""."""
        book = self._books.get(new.instrument)
        if book is None:
            return f"{new.instrument} is not listed"
        if new.cl_ord_id in self._tracker.memory.by_name:
            return f"{_DUPLICATE} name: {new.cl_ord_id} was used before"
        if why := book.symbol.refusal(new, book.last_price):
            return why
        if self._channel.orders_held:
            return "the venue's count of new orders is used up for now"
        most = book.symbol.most_orders
        if more and most and sum(1 for _ in self._tracker.mine("", new.instrument)) >= most:
            return f"MAX_NUM_ORDERS: {most} orders are open"
        return ""

    def _new(self, new: o.NewOrder) -> None:
        if why := self._denial(new, 1):
            self._say(o.refused(new, f"{self._mark}-{next(self._numbers)}", self._stamp(0), why))
            return
        sent = self._tracker.memory.record(new)
        order = self._tracker.begin(sent)
        self._books[new.instrument].shown.expect(
            new.cl_ord_id, new.side, new.price, new.tif is not o.Tif.IOC
        )
        params = self._terms(sent, new.lots * self._tracker.unit(order).lot, new.tif)
        try:
            self._channel.ask(
                "order.place", params, 1, lambda one: self._placed(order, one), orders=True
            )
        except VenueError:
            self._never_left(order)
            raise

    def _never_left(self, order: WorkingOrder) -> None:
        """End an order that was not sent: a status request finds it rejected."""
        order.over = True
        order.sent.status = o.OrdStatus.REJECTED
        self._tracker.memory.write(order.sent)
        self._tracker.live.pop(order.sent.wire, None)
        if order.before is None:
            self._books[order.sent.instrument].shown.after(
                order.report(o.ExecType.CANCELED, o.OrdStatus.CANCELED, "", self._stamp(0))
            )
        else:
            order.before.after = None

    def _terms(self, sent: SentOrder, qty: int, tif: o.Tif) -> dict[str, Any]:
        symbol = self._books[sent.instrument].symbol
        kind = "LIMIT_MAKER" if self._post_only and tif is not o.Tif.IOC else "LIMIT"
        terms: dict[str, Any] = {
            "symbol": sent.instrument,
            "side": "BUY" if sent.side > 0 else "SELL",
            "type": "MARKET" if sent.price is None else kind,
            "quantity": shown(qty),
        }
        if sent.price is not None:
            terms["price"] = shown(sent.price * symbol.tick)
            if kind == "LIMIT":
                terms["timeInForce"] = "IOC" if tif is o.Tif.IOC else "GTC"
        return terms | {
            "newClientOrderId": sent.wire,
            "newOrderRespType": "FULL",
            "selfTradePreventionMode": self._mode or symbol.modes[0],
        }

    def _placed(self, order: WorkingOrder, answer: ApiAnswer) -> None:
        if answer.unknown or (
            answer.code == ErrorCode.ORDER_REJECTED and _DUPLICATE in answer.text.lower()
        ):
            self._inquiry.about(order, answer.until_ms)
        elif answer.error is not None:
            if answer.code == ErrorCode.INVALID_MESSAGE:
                self.doubted()
            self._unplaced(order, answer.stamp_ms * MS, answer.text)
        else:
            self._result(order, answer.result)

    def _unplaced(self, order: WorkingOrder, ns: int, text: str) -> None:
        before = order.before
        self._tracker.reject(order, ns, text)
        if before is not None and not before.over:
            self._inquiry.about(before, change=order.sent)

    def _result(self, order: WorkingOrder, row: Mapping[str, Any]) -> None:
        """Process the answer to a new order."""
        ns, status = int(row["transactTime"]) * MS, str(row["status"])
        self._tracker.assign_number(order, int(row["orderId"]), str(row.get("clientOrderId") or ""))
        self._tracker.accept(order, ns)
        for fill in row.get("fills") or ():
            self._tracker.fill(order, fill, ns, False)
        if status in OVER:
            self._tracker.ended(
                order, status, row["executedQty"], ns, text=str(row.get("expiryReason") or "")
            )
        elif self._tracker.qty(order, row["executedQty"]) > order.qty:
            self._inquiry.about(order)

    # -- cancels ------------------------------------------------------------------------------------------------------
    def _reject(
        self, command: o.CancelOrder | o.ReplaceOrder | o.MassCancel, status: o.OrdStatus, text: str
    ) -> None:
        self._say(
            o.CancelReject(
                command.cl_ord_id, command.orig, command.account, status, self._stamp(0), text
            )
        )

    def _cancel(self, command: o.CancelOrder) -> None:
        order = self._tracker.named(command.orig)
        if order is None:
            self._reject(command, o.OrdStatus.REJECTED, _UNKNOWN)
        elif order.over:
            self._reject(command, order.status, f"too late: it is {order.status}")
        else:
            sent = self._tracker.memory.record(command)
            self._channel.ask(
                "order.cancel",
                self._about(order) | {"newClientOrderId": sent.wire},
                1,
                lambda one: self._canceled(order, one, sent),
                orders=True,
            )

    @staticmethod
    def _about(order: WorkingOrder) -> dict[str, Any]:
        named = (
            {"orderId": order.number} if order.number else {"origClientOrderId": order.sent.wire}
        )
        return {"symbol": order.sent.instrument, **named}

    def _canceled(self, order: WorkingOrder, answer: ApiAnswer, sent: SentOrder | None) -> None:
        if order.over and sent is not None and order.sent.status is not o.OrdStatus.CANCELED:
            self._inquiry.refused(order, sent, answer.text or f"it is {order.status}")
        elif answer.unknown:
            self._inquiry.about(order, answer.until_ms, sent)
        elif answer.error is not None and answer.code != ErrorCode.CANCEL_REJECTED:
            if sent is not None:
                self._inquiry.refused(order, sent, answer.text)
        elif answer.error is not None:  # it has ended, or is not there yet
            if not order.over:
                self._inquiry.about(order, self._channel.settled_ms if not order.acked else 0, sent)
        else:
            row = answer.result
            self._tracker.assign_number(order, int(row["orderId"]))
            names = {"name": sent.name, "orig": sent.orig} if sent is not None else {}
            self._tracker.ended(
                order,
                str(row["status"]),
                row["executedQty"],
                int(row["transactTime"]) * MS,
                **names,
            )

    def withdraw(self, order: WorkingOrder, urgent: bool = False) -> None:
        """Cancel an order under no name of its own; urgent: though the venue says that it takes nothing.

        Raises
        ------
        VenueError
            Nothing was sent.
        """
        self._channel.ask(
            "order.cancel",
            self._about(order),
            1,
            lambda one: self._canceled(order, one, None),
            orders=True,
            urgent=urgent,
        )

    def _mass_cancel(self, command: o.MassCancel) -> None:
        """Each order by itself: the account at the venue may be others' too."""
        failed: VenueError | None = None
        for order in self._tracker.mine(command.account, command.instrument):
            try:
                self.withdraw(order, urgent=True)
            except VenueError as error:
                failed = error
        if failed is not None:
            raise failed

    # -- replacements -------------------------------------------------------------------------------------------------
    def _replace(self, command: o.ReplaceOrder) -> None:
        order = self._tracker.named(command.orig)
        if order is None or order.over:
            status = o.OrdStatus.REJECTED if order is None else order.status
            self._reject(
                command, status, _UNKNOWN if order is None else f"too late: it is {status}"
            )
        elif order.after is not None:
            self._reject(command, order.status, "another replacement of it is on its way")
        elif command.lots * ONE <= order.cum_qty:
            self._reject(command, order.status, "more is filled than it would leave")
        elif why := self._denial(command, 0):
            self._reject(command, order.status, why)
        elif (
            command.price == order.sent.price
            and command.lots < order.sent.lots
            and self._tracker.unit(order).amends
        ):
            self._amend(order, command)
        else:
            self._swap(order, command)

    def _rest(self, order: WorkingOrder, lots: int, done_qty: int) -> int:
        """Quantity of one leg: lots less what earlier legs filled, 1e-8 of the base asset."""
        return (lots - ceiled(done_qty)) * self._tracker.unit(order).lot

    def _amend(self, order: WorkingOrder, command: o.ReplaceOrder) -> None:
        sent = self._tracker.memory.record(command)
        sent.base_qty = order.base_qty
        self._tracker.memory.write(sent)
        params = self._about(order) | {
            "newClientOrderId": sent.wire,
            "newQty": shown(self._rest(order, command.lots, order.base_qty)),
        }

        def heard(answer: ApiAnswer) -> None:
            if answer.unknown or answer.code == ErrorCode.AMEND_REJECTED:
                self._inquiry.about(order, answer.until_ms if answer.unknown else 0, sent)
            elif answer.error is not None:
                self._inquiry.refused(order, sent, answer.text)
            else:
                amended = answer.result.get("amendedOrder") or {}
                self._tracker.assign_number(order, int(amended.get("orderId", order.number)))
                self._tracker.rename(order, sent, int(answer.result["transactTime"]) * MS)

        self._channel.ask("order.amend.keepPriority", params, _AMEND_WEIGHT, heard, orders=True)

    def _swap(self, order: WorkingOrder, command: o.ReplaceOrder) -> None:
        """Cancel and new, in one request where nothing is filled: then the cancel's condition keeps it so."""
        sent = self._tracker.memory.record(command)
        sent.order_id = ""
        sent.base_qty = order.cum_qty
        self._tracker.memory.write(sent)
        after = self._tracker.begin(sent, order)
        order.after = after
        try:
            if order.cum_qty == 0 and self._channel.swaps:
                named = (
                    {"cancelOrderId": order.number}
                    if order.number
                    else {"cancelOrigClientOrderId": order.sent.wire}
                )
                terms = self._terms(sent, self._rest(order, command.lots, 0), o.Tif.DAY)
                params = (
                    terms
                    | named
                    | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelRestrictions": "ONLY_NEW"}
                )
                self._channel.ask(
                    "order.cancelReplace",
                    params,
                    1,
                    lambda one: self._swapped(after, one),
                    orders=True,
                )
            else:
                self._channel.ask(
                    "order.cancel",
                    self._about(order),
                    1,
                    lambda one: self._made_room(order, after, one),
                    orders=True,
                )
        except VenueError:
            self._never_left(after)
            raise

    def _swapped(self, after: WorkingOrder, answer: ApiAnswer) -> None:
        parts = answer.result if isinstance(answer.result, dict) else {}
        before, placed, gone = (
            after.before,
            parts.get("newOrderResponse"),
            parts.get("cancelResponse"),
        )
        assert before is not None
        if isinstance(gone, dict) and gone.get("status") in ENDS:
            self._tracker.assign_number(before, int(gone["orderId"]))
            before.ended = before.ended or (str(gone["status"]), int(gone["transactTime"]) * MS)
        if isinstance(placed, dict) and "orderId" in placed:
            self._result(after, placed)
        elif answer.unknown or answer.error is None:  # or the answer to something else
            self._inquiry.about(after, answer.until_ms)
        elif not parts:
            self._unplaced(after, answer.stamp_ms * MS, answer.text)
        else:
            said = placed if isinstance(placed, dict) else gone if isinstance(gone, dict) else {}
            self._unplaced(
                after,
                answer.stamp_ms * MS,
                f"{said.get('msg', answer.text)} ({said.get('code', answer.code)})",
            )

    def _made_room(self, before: WorkingOrder, after: WorkingOrder, answer: ApiAnswer) -> None:
        """The cancel before a new order was answered: how much that may be is known, or it is not sent."""
        if (
            answer.error is None
            and not answer.unknown
            and str(answer.result["status"]) == Status.CANCELED
        ):
            row = answer.result
            self._tracker.assign_number(before, int(row["orderId"]))
            before.ended = Status.CANCELED, int(row["transactTime"]) * MS
            left = self._rest(
                before,
                after.sent.lots,
                before.base_qty + self._tracker.qty(before, row["executedQty"]),
            )
            if left > 0 and self._tracker.qty(before, row["executedQty"]) <= before.qty:
                try:
                    self._channel.ask(
                        "order.place",
                        self._terms(after.sent, left, o.Tif.DAY),
                        1,
                        lambda one: self._placed(after, one),
                        orders=True,
                    )
                except VenueError as error:
                    self._unplaced(after, answer.stamp_ms * MS, error.received)
                return
            before.ended = None
        before.after = None
        after.over = True
        after.sent.status = o.OrdStatus.REJECTED
        self._tracker.live.pop(after.sent.wire, None)
        self._inquiry.about(before, answer.until_ms if answer.unknown else 0, after.sent)

    # -- questions ----------------------------------------------------------------------------------------------------
    def _ask_unknown(self, command: o.StatusRequest) -> None:
        """Status of an unknown name: requested in every symbol that orders were sent in, or the first."""
        memory = self._tracker.memory
        wire = memory.ask(command.cl_ord_id, command.account)
        used = {sent.instrument for sent in memory.by_wire.values()}
        symbols = sorted(used & self._books.keys()) or list(self._books)[:1]
        left, why = set(symbols), list[str]()

        def heard(symbol: str, answer: ApiAnswer) -> None:
            left.discard(symbol)
            if answer.error is None and not answer.why:
                self._stranger(command, answer.result)
                why.append("")
            elif answer.code != ErrorCode.NO_SUCH_ORDER:
                why.append(answer.text)
            if not left and not why:
                new = o.NewOrder(
                    command.cl_ord_id, "", 0, 0, None, o.Tif.DAY, command.account, "", 0
                )
                exec_id, now = f"{self._mark}-{next(self._numbers)}", self._stamp(0)
                self._say(o.refused(new, exec_id, now, _UNKNOWN, o.ExecType.STATUS))

        for symbol in symbols:
            self._channel.ask(
                "order.status",
                {"symbol": symbol, "origClientOrderId": wire},
                4,
                partial(heard, symbol),
            )

    def _stranger(self, command: o.StatusRequest, row: Mapping[str, Any]) -> None:
        """The venue has an order of that name which is unknown here."""
        symbol, price = self._books[str(row["symbol"])].symbol, whole(row["price"], "a price")
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
        self._inquiry.about(self._tracker.begin(sent), asked=command.cl_ord_id)


def lots_of(symbol: TradedSymbol, row: Mapping[str, Any]) -> int:
    """Lots of an order's row."""
    return -(-whole(row["origQty"], "a quantity") // symbol.lot)
