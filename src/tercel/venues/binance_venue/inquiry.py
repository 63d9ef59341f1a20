"""Status requests for orders of unknown fate: by name until it is known, never guessed, and nothing is sent again.

An order that the venue does not know may still be on its way. It never arrived, or was not changed, only once the
venue has reported a time past the request's window and its own processing time; what it says of the order before
decides nothing. The local clock is no evidence: the venue's may be slower, or be put back.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.fix.memory import SentOrder
from tercel.venues.binance_venue.api import MS, ErrorCode, Status
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.rest import GARBLED, PAGE
from tercel.venues.binance_venue.tracker import OVER, OrderTracker, WorkingOrder

ORDER_WEIGHT, TRADES_WEIGHT = 4, 5
FIRST_S, LONGEST_S = 0.25, 32.0
_NOT_YET: Final = "the venue does not know it, and it may still be on its way"


@dataclass(eq=False)
class OpenQuestion:
    """An order whose status is being requested.

    Parameters
    ----------
    order : WorkingOrder
    until_ms : int
        Before this venue time, an order that is missing in an answer is not yet taken as unknown there.
    changes : list of SentOrder
        Cancels and replacements whose fate hangs on it.
    asked : str
        The desk's name in its status query; "" if it sent none.
    """

    order: WorkingOrder
    until_ms: int = 0
    changes: list[SentOrder] = field(default_factory=list)
    asked: str = ""
    due_s: float = 0.0
    wait_s: float = FIRST_S
    away: bool = False
    venue_ms: int = 0
    """The venue's last reported time when the query was sent."""
    since: int = -1
    """First number of the trades to query; below 0: the latest."""

    @property
    def stuck(self) -> bool:
        """Whether nothing has answered it for long."""
        return self.wait_s >= LONGEST_S


class FateInquiry:
    """Asks what became of orders.

    Parameters
    ----------
    channel : ApiChannel
    tracker : OrderTracker
    say : callable
        Takes events beside the tracker's reports.
    stamp : callable
        Gives a time that does not go back.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        channel: ApiChannel,
        tracker: OrderTracker,
        say: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._tracker = tracker
        self._say = say
        self._stamp = stamp
        self._clock = clock
        tracker.on_missing = self.about
        self.open: dict[WorkingOrder, OpenQuestion] = {}
        self._count = 0

    def about(
        self,
        order: WorkingOrder,
        until_ms: int = 0,
        change: SentOrder | None = None,
        asked: str = "",
        pause_s: float = 0.0,
    ) -> None:
        """Ask about an order, soon or after a pause."""
        found = self.open.setdefault(order, OpenQuestion(order))
        found.until_ms = max(found.until_ms, until_ms)
        found.asked = asked or found.asked
        found.due_s = self._clock() + pause_s
        found.wait_s = FIRST_S
        if change is not None and change not in found.changes:
            found.changes.append(change)

    def turn(self) -> None:
        """Send queries that are due, within the weight budget."""
        now = self._clock()
        for one in list(self.open.values()):
            if (
                now < one.due_s
                or one.away
                or not self._channel.budget.fits(ORDER_WEIGHT + TRADES_WEIGHT, True)
            ):
                continue
            sent, order = one.order.sent, one.order
            named = {"orderId": order.number} if order.number else {"origClientOrderId": sent.wire}
            params = {"symbol": sent.instrument, **named}
            one.venue_ms = self._channel.venue_ms
            if one.venue_ms <= one.until_ms <= self._channel.now_ms():
                with suppress(VenueError):
                    self._channel.ask("time", {}, 1, self._time, signed=False)
            self._ask(one, "order.status", params, ORDER_WEIGHT, self._heard)

    def _ask(
        self,
        one: OpenQuestion,
        method: str,
        params: dict[str, Any],
        weight: int,
        then: Callable[[OpenQuestion, ApiAnswer], None],
    ) -> None:
        one.away = True

        def heard(answer: ApiAnswer) -> None:
            one.away = False
            try:
                then(one, answer)
            except (VenueError, *GARBLED) as error:
                self._later(one)
                sent = one.order.sent
                self._say(
                    o.Unread(
                        method,
                        f"an answer that cannot be read: {error!r}",
                        self._stamp(0),
                        sent.name,
                        sent.account,
                        sent.instrument,
                    )
                )

        try:
            self._channel.ask(method, params, weight, heard)
        except VenueError:
            one.away = False
            self._later(one)

    def _time(self, answer: ApiAnswer) -> None:
        if isinstance(answer.result, dict):
            self._channel.update_time(answer.result.get("serverTime"), answer.stamp_ms)

    def _later(self, one: OpenQuestion) -> None:
        one.due_s = self._clock() + one.wait_s
        one.wait_s = min(2 * one.wait_s, LONGEST_S)

    # -- answers ------------------------------------------------------------------------------------------------------
    def _heard(self, one: OpenQuestion, answer: ApiAnswer) -> None:
        order = one.order
        if answer.code == ErrorCode.NO_SUCH_ORDER:
            self._absent(one, answer)
        elif answer.error is not None or answer.why:
            self._later(one)
        else:
            row = answer.result
            self._tracker.assign_number(
                order, int(row["orderId"]), str(row.get("clientOrderId") or "")
            )
            if self._tracker.qty(order, row["executedQty"]) > order.qty:
                self._ask_trades(one, row)
            else:
                self._settled(one, row)

    def _ask_trades(self, one: OpenQuestion, row: dict[str, Any] | None) -> None:
        params = {"symbol": one.order.sent.instrument, "orderId": one.order.number, "limit": PAGE}
        if one.since >= 0:
            params["fromId"] = one.since
        self._ask(
            one,
            "myTrades",
            params,
            TRADES_WEIGHT,
            lambda one, trades: self._traded(one, trades, row),
        )

    def _traded(self, one: OpenQuestion, answer: ApiAnswer, row: dict[str, Any] | None) -> None:
        """Its executions; without a row the venue no longer knows the order itself."""
        if answer.error is not None or answer.why:
            self._later(one)
            return
        order, trades = one.order, sorted(answer.result, key=lambda trade: int(trade["id"]))
        for trade in trades:
            if int(trade["orderId"]) == order.number:
                self._tracker.fill(
                    order,
                    trade | {"tradeId": trade["id"]},
                    int(trade["time"]) * MS,
                    bool(trade["isMaker"]),
                )
        lacks = (
            not order.over
            if row is None
            else self._tracker.qty(order, row["executedQty"]) > order.qty
        )
        if row is not None and not lacks:
            self._settled(one, row)
        elif row is None and not lacks:
            self._answer(one)
            self.open.pop(order, None)
        elif len(trades) >= PAGE:  # the latest of more: from the first on, page by page
            one.since = int(trades[-1]["id"]) + 1 if one.since >= 0 else 0
            self._ask_trades(one, row)
        else:
            one.since = -1
            self._later(one)  # its list lags behind

    def _settled(self, one: OpenQuestion, row: dict[str, Any]) -> None:
        """All that the venue counts is here."""
        order, tracker = one.order, self._tracker
        ns, status = int(row.get("updateTime") or row["time"]) * MS, str(row["status"])
        if status != Status.REJECTED:
            tracker.accept(order, ns)
        sent = tracker.memory.by_wire.get(str(row["clientOrderId"]))
        if (
            sent is not None
            and sent.kind == "replace"
            and sent in one.changes
            and sent is not order.sent
        ):
            tracker.rename(order, sent, ns)
            one.changes.remove(sent)
        if "origQty" in row:
            tracker.resize(order, str(row["clientOrderId"]), row["origQty"], ns)
        if status in OVER and not order.over:
            if order.after is not None and not order.after.acked:
                order.ended = status, ns
            else:
                cancel = next((each for each in one.changes if status == Status.CANCELED), None)
                names = {"name": cancel.name, "orig": cancel.orig} if cancel is not None else {}
                tracker.ended(order, status, row["executedQty"], ns, **names)
                if cancel is not None:
                    one.changes.remove(cancel)
        if not order.over and one.venue_ms <= one.until_ms:
            self._answer(one)
            self._later(one)
            return
        for change in one.changes:
            self.refused(order, change, "it was not carried out")
        one.changes.clear()
        self._answer(one)
        self.open.pop(order, None)

    def _absent(self, one: OpenQuestion, answer: ApiAnswer) -> None:
        order = one.order
        if order.acked or order.over or one.venue_ms <= one.until_ms:
            if one.asked:
                self.report_status(order, o.OrdStatus.UNKNOWN, one.asked, _NOT_YET)
                one.asked = ""
            if order.number and not order.over:
                self._ask_trades(
                    one, None
                )  # it may have forgotten an order, and not what that traded
            else:
                self._later(one)
            return
        before, ended = order.before, order.before is not None and order.before.ended is not None
        self._tracker.reject(order, answer.stamp_ms * MS, "it never arrived")
        for change in one.changes:
            self.refused(order, change, "the order never arrived")
        if before is not None and not ended:
            self.about(before, change=order.sent)
        self._answer(one)
        self.open.pop(order, None)

    def refused(self, order: WorkingOrder, change: SentOrder, text: str) -> None:
        """Tell that a cancel or a replacement was refused."""
        now = self._stamp(0)
        if change.kind == "replace":
            change.status = o.OrdStatus.REJECTED
            self._tracker.memory.write(change)
        self._say(
            o.CancelReject(change.name, change.orig, change.account, order.latest.status, now, text)
        )

    def _answer(self, one: OpenQuestion) -> None:
        if one.asked:
            self.repeat(one.order, one.asked)
            one.asked = ""

    def repeat(self, order: WorkingOrder, name: str) -> None:
        """Report an order's executions again, and its status: of one that was replaced meanwhile, of its successor."""
        order = order.latest
        for trade in order.trades:
            self._say(trade)
        self.report_status(order, order.status, name, "")

    def report_status(self, order: WorkingOrder, status: o.OrdStatus, name: str, text: str) -> None:
        """Report an order's status."""
        self._count += 1
        exec_id = f"{order.sent.wire}-Q{self._channel.now_ms()}-{self._count}"
        self._say(
            order.report(o.ExecType.STATUS, status, exec_id, self._stamp(0), name=name, text=text)
        )
