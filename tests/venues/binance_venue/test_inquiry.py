"""What is told of an order that was asked about, when something happened to it before the answer came."""

from collections.abc import Callable
from typing import Any

from tercel.core import orders as o
from tercel.fix.memory import OrderMemory
from tercel.fix.profiles.model import NamesTable
from tercel.venues.binance_venue.account import AssetLedger
from tercel.venues.binance_venue.api import symbol_of
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.tracker import OrderTracker

PLACED = {"symbol": "AUSDT", "transactTime": 1, "executedQty": "0", "status": "NEW"}
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "1"},
]
SYMBOL = symbol_of({"symbol": "AUSDT", "baseAsset": "A", "quoteAsset": "USDT", "filters": FILTERS})


class HeldChannel(ApiChannel):
    """A channel whose answers the test gives."""

    def __init__(self) -> None:
        super().__init__(None, None, lambda: 10**9, 5000)  # type: ignore[arg-type]
        self.then: dict[str, Callable[[ApiAnswer], object]] = {}

    def ask(
        self, method: str, params: Any, weight: int, then: Callable[[ApiAnswer], object], **_: Any
    ) -> None:
        self.then[method] = then

    def answer(self, method: str, result: dict[str, Any]) -> None:
        self.then.pop(method)(ApiAnswer(result, None, "", 2, 3))


def test_an_order_that_is_replaced_while_it_is_asked_about_lives() -> None:
    """The desk would take it for over, and the order in its place would be watched by nobody."""
    channel, told = HeldChannel(), list[Any]()
    tracker = OrderTracker(
        {"AUSDT": SYMBOL},
        OrderMemory(NamesTable()),
        AssetLedger(),
        lambda one, *_: told.append(one) or one,
    )
    inquiry = FateInquiry(channel, tracker, told.append, lambda ns: ns)
    desk = OrderEntry(
        channel, tracker, inquiry, {"AUSDT": StreamedBook(SYMBOL)}, told.append, lambda ns: ns
    )
    desk.send(o.NewOrder("x1", "AUSDT", 1, 5, 1000, o.Tif.DAY, "ann", "p", 0))
    channel.answer("order.place", PLACED | {"orderId": 7})
    desk.send(o.ReplaceOrder("x2", "x1", "AUSDT", 1, 6, 1000, "ann", "p", 0))
    inquiry.about(tracker.by_name["x1"], asked="x1")
    first = tracker.by_name["x1"]
    inquiry._ask(inquiry.open[first], "order.status", {}, 4, inquiry._heard)
    channel.answer(
        "order.cancelReplace",
        {
            "cancelResponse": {"orderId": 7, "status": "CANCELED", "transactTime": 1},
            "newOrderResponse": PLACED | {"orderId": 8},
        },
    )
    channel.answer(
        "order.status",
        {"orderId": 7, "executedQty": "0", "status": "CANCELED", "time": 1, "clientOrderId": "x1"},
    )
    last = told[-1]
    assert (last.exec_type, last.cl_ord_id, last.status, last.order_id) == (
        o.ExecType.STATUS,
        "x1",
        o.OrdStatus.NEW,
        "8",
    )
    inquiry.refused(first, tracker.memory.by_name["x2"], "late")
    assert told[-1].status is o.OrdStatus.NEW
