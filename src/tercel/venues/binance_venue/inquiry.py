"""Queries for the status of orders of unknown fate, by name until the fate is known; no order is sent again.

An order that the venue does not know may still be on its way. It never arrived, or was not changed, only once the
venue has reported a time past the request's window and its own processing time; what it says of the order before
decides nothing. The local clock is no evidence: the venue's may be slower, or be put back.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.link.order_memory import SentOrder
from tercel.venues.binance_venue.api import MS, ErrorCode, Status
from tercel.venues.binance_venue.channel import ApiAnswer
from tercel.venues.binance_venue.requests import ORDER_WEIGHT, TRADES_WEIGHT
from tercel.venues.binance_venue.rest import GARBLED, PAGE
from tercel.venues.binance_venue.spot_api import Call, Row, SpotApi, SpotOrder, SpotTrade
from tercel.venues.binance_venue.tracker import OrderTracker
from tercel.venues.binance_venue.working_order import OVER, WorkingOrder

FIRST_S = 0.25
LONGEST_S = 32.0
_NOT_YET: Final = "the venue does not know it, and it may still be on its way"


@dataclass(eq=False)
class OpenInquiry:
    """An order whose status is being requested.

    Parameters
    ----------
    order : WorkingOrder
    until_ms : int
        Before this venue time, an order that is missing in an answer is not yet taken as unknown there.
    changes : list of SentOrder
        Cancels and replacements whose fate hangs on it.
    query_name : str
        The desk's name in its status query; "" if it sent none.
    """

    order: WorkingOrder
    until_ms: int = 0
    changes: list[SentOrder] = field(default_factory=list)
    query_name: str = ""
    due_s: float = 0.0
    wait_s: float = FIRST_S
    pending: bool = False
    venue_ms: int = 0
    """The venue's last reported time when the query was sent."""
    since: int = -1
    """First number of the trades to query; below 0: the latest."""

    @property
    def stuck(self) -> bool:
        """Whether the inquiry has had no answer for long."""
        return self.wait_s >= LONGEST_S


class FateInquiry:
    """Queries the status of orders of unknown fate until it is known.

    Parameters
    ----------
    api : SpotApi
    tracker : OrderTracker
    emit : callable
        Takes events beside the tracker's reports.
    stamp : callable
        Gives a time that does not go back.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        api: SpotApi,
        tracker: OrderTracker,
        emit: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without inquiries; orders that the tracker misses are inquired after."""
        self._api = api
        self.channel = api.channel
        self._tracker = tracker
        self._emit = emit
        self._stamp = stamp
        self._clock = clock
        tracker.on_missing = self.inquire
        self.open: dict[WorkingOrder, OpenInquiry] = {}
        self._count = 0

    def inquire(
        self,
        order: WorkingOrder,
        until_ms: int = 0,
        change: SentOrder | None = None,
        query_name: str = "",
        pause_s: float = 0.0,
    ) -> None:
        """Schedule a query of an order's status, for now or after a pause; `change`: a cancel or replacement that hangs
        on it, `query_name`: the desk's own request to answer.
        """
        inquiry = self.open.setdefault(order, OpenInquiry(order))
        inquiry.until_ms = max(inquiry.until_ms, until_ms)
        inquiry.query_name = query_name or inquiry.query_name
        inquiry.due_s = self._clock() + pause_s
        inquiry.wait_s = FIRST_S
        if change is not None and change not in inquiry.changes:
            inquiry.changes.append(change)

    def send_due(self) -> None:
        """Send queries that are due, within the weight budget."""
        now = self._clock()
        for inquiry in list(self.open.values()):
            if (
                now < inquiry.due_s
                or inquiry.pending
                or not self.channel.budget.fits(ORDER_WEIGHT + TRADES_WEIGHT, True)
            ):
                continue
            inquiry.venue_ms = self.channel.venue_ms
            if inquiry.venue_ms <= inquiry.until_ms <= self.channel.now_ms():
                with suppress(VenueError):
                    self._api.send(self._api.time(), self._on_time)
            call = self._api.order(inquiry.order.key)
            self._ask(inquiry, call, partial(self._on_status, inquiry))

    def _ask(
        self,
        inquiry: OpenInquiry,
        call: Call[Row],
        on_answer: Callable[[ApiAnswer[Row]], None],
    ) -> None:
        """Send a query of an inquiry; an answer that cannot be read is reported and queried again."""
        inquiry.pending = True

        def receive(answer: ApiAnswer[Row]) -> None:
            """Pass the answer on; where it cannot be read, report that and query again later."""
            inquiry.pending = False
            reason = answer.unknown_reason if answer.is_unreadable else ""
            try:
                if not reason:
                    on_answer(answer)
            except (VenueError, *GARBLED) as error:
                reason = f"an answer that cannot be read: {error!r}"
            if reason:
                self._retry_later(inquiry)
                sent = inquiry.order.sent
                now = self._stamp(0)
                self._emit(
                    o.Unread(call.method, reason, now, sent.name, sent.account, sent.instrument)
                )

        try:
            self._api.send(call, receive)
        except VenueError:
            inquiry.pending = False
            self._retry_later(inquiry)

    def _on_time(self, answer: ApiAnswer[object]) -> None:
        """Take the venue's time from an answer."""
        if answer.succeeded:
            self.channel.update_time(answer.result, answer.stamp_ms)

    def _retry_later(self, inquiry: OpenInquiry) -> None:
        """Schedule an inquiry's next query after a pause that doubles up to LONGEST_S."""
        inquiry.due_s = self._clock() + inquiry.wait_s
        inquiry.wait_s = min(2 * inquiry.wait_s, LONGEST_S)

    def _on_status(self, inquiry: OpenInquiry, answer: ApiAnswer[SpotOrder]) -> None:
        """Process the answer to an order's status query."""
        order = inquiry.order
        if answer.code == ErrorCode.NO_SUCH_ORDER:
            self._on_absent(inquiry, answer)
        elif not answer.succeeded:
            self._retry_later(inquiry)
        else:
            row = answer.result
            self._tracker.assign_number(order, row.number, row.name)
            if self._tracker.lot_qty(order, row.executed) > order.qty:
                self._ask_trades(inquiry, row)
            else:
                self._settle(inquiry, row)

    def _ask_trades(self, inquiry: OpenInquiry, row: SpotOrder | None) -> None:
        """Query an order's executions; `row` is its status, None where the venue no longer knows the order."""
        key = inquiry.order.key
        call = self._api.trades(key.symbol, 0, inquiry.since, key.number)
        self._ask(inquiry, call, lambda trades: self._on_trades(inquiry, trades, row))

    def _on_trades(
        self, inquiry: OpenInquiry, answer: ApiAnswer[Sequence[SpotTrade]], row: SpotOrder | None
    ) -> None:
        """Process an order's executions; without `row` the venue no longer knows the order itself."""
        if not answer.succeeded:
            self._retry_later(inquiry)
            return
        order = inquiry.order
        trades = sorted(answer.result, key=lambda trade: trade.number)
        for trade in trades:
            if trade.order == order.number:
                self._tracker.fill(order, trade)
        is_incomplete = (
            not order.over
            if row is None
            else self._tracker.lot_qty(order, row.executed) > order.qty
        )
        if row is not None and not is_incomplete:
            self._settle(inquiry, row)
        elif row is None and not is_incomplete:
            self._answer_query(inquiry)
            self.open.pop(order, None)
        elif len(trades) >= PAGE:  # the latest of more: from the first on, page by page
            inquiry.since = trades[-1].number + 1 if inquiry.since >= 0 else 0
            self._ask_trades(inquiry, row)
        else:
            inquiry.since = -1
            self._retry_later(inquiry)  # its list lags behind

    def _settle(self, inquiry: OpenInquiry, row: SpotOrder) -> None:
        """Report what an order's status row says (accepted, renamed, resized, ended) and close the inquiry, unless it
        may still change.
        """
        order = inquiry.order
        tracker = self._tracker
        if row.status != Status.REJECTED:
            tracker.accept(order, row.ns)
        sent = tracker.memory.by_wire.get(row.name)
        if (
            sent is not None
            and sent.kind == "replace"
            and sent in inquiry.changes
            and sent is not order.sent
        ):
            tracker.rename(order, sent, row.ns)
            inquiry.changes.remove(sent)
        if row.quantity is not None:
            tracker.resize(order, row.name, row.quantity, row.ns)
        if row.status in OVER and not order.over:
            if order.after is not None and not order.after.acked:
                order.ended = row.status, row.ns
            else:
                cancel = next(
                    (change for change in inquiry.changes if row.status == Status.CANCELED), None
                )
                cancel_names = (
                    {"name": cancel.name, "orig": cancel.orig} if cancel is not None else {}
                )
                tracker.end_order(order, row.status, row.executed, row.ns, **cancel_names)
                if cancel is not None:
                    inquiry.changes.remove(cancel)
        if not order.over and inquiry.venue_ms <= inquiry.until_ms:
            self._answer_query(inquiry)
            self._retry_later(inquiry)
            return
        for change in inquiry.changes:
            self.report_refusal(order, change, "it was not carried out")
        inquiry.changes.clear()
        self._answer_query(inquiry)
        self.open.pop(order, None)

    def _on_absent(self, inquiry: OpenInquiry, answer: ApiAnswer[SpotOrder]) -> None:
        """Process an answer that the venue does not know the order: not there yet, or never arrived."""
        order = inquiry.order
        if order.acked or order.over or inquiry.venue_ms <= inquiry.until_ms:
            if inquiry.query_name:
                self.report_status(order, o.OrdStatus.UNKNOWN, inquiry.query_name, _NOT_YET)
                inquiry.query_name = ""
            if order.number and not order.over:
                self._ask_trades(
                    inquiry, None
                )  # it may have forgotten an order, and not what that traded
            else:
                self._retry_later(inquiry)
            return
        before = order.before
        ended = order.before is not None and order.before.ended is not None
        self._tracker.reject(order, answer.stamp_ms * MS, "it never arrived")
        for change in inquiry.changes:
            self.report_refusal(order, change, "the order never arrived")
        if before is not None and not ended:
            self.inquire(before, change=order.sent)
        self._answer_query(inquiry)
        self.open.pop(order, None)

    def report_refusal(self, order: WorkingOrder, change: SentOrder, text: str) -> None:
        """Report that a cancel or a replacement was refused; a replacement is recorded as rejected."""
        now = self._stamp(0)
        if change.kind == "replace":
            change.status = o.OrdStatus.REJECTED
            self._tracker.memory.write(change)
        self._emit(
            o.CancelReject(change.name, change.orig, change.account, order.latest.status, now, text)
        )

    def _answer_query(self, inquiry: OpenInquiry) -> None:
        """Answer the desk's own status request for the order, if there is one."""
        if inquiry.query_name:
            self.report_again(inquiry.order, inquiry.query_name)
            inquiry.query_name = ""

    def report_again(self, order: WorkingOrder, name: str) -> None:
        """Report all executions of an order again, then its status; of the latest successor if it was replaced."""
        order = order.latest
        for trade in order.trades:
            self._emit(trade)
        self.report_status(order, order.status, name, "")

    def report_status(self, order: WorkingOrder, status: o.OrdStatus, name: str, text: str) -> None:
        """Emit a STATUS report on an order, with the given status, under the desk's name `name` ("": the order's)."""
        self._count += 1
        exec_id = f"{order.sent.wire}-Q{self.channel.now_ms()}-{self._count}"
        self._emit(
            order.report(o.ExecType.STATUS, status, exec_id, self._stamp(0), name=name, text=text)
        )
