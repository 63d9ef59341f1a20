"""Answers and events that no exchange should give: what is told of an order stays true, or nothing is told."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.core.link.order_memory import OrderMemory
from tercel.venues.binance_venue import ErrorCode
from tercel.venues.binance_venue.api import symbol_of
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.ledger import AssetLedger
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.requests import BinanceApi
from tercel.venues.binance_venue.rest import RequestRefusedError, read_json
from tercel.venues.binance_venue.tracker import OrderTracker

X, S = o.ExecType, o.OrdStatus
NAMES = ("AUSDT", "BUSDT")
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "1"},
]


class HeldChannel(ApiChannel):
    """A channel whose answers the test gives."""

    def __init__(self) -> None:
        super().__init__(None, Budget(), lambda: 10**9, 5000)  # type: ignore[arg-type]
        self.then: dict[str, Callable[[ApiAnswer[Any]], object]] = {}
        self.asked: list[tuple[str, Any, Callable[[ApiAnswer[Any]], object]]] = []
        self.down = False

    def ask(
        self,
        method: str,
        params: Any,
        weight: int,
        then: Callable[[ApiAnswer[Any]], object],
        read: Callable[[Any], Any],
        **_: Any,
    ) -> None:
        if self.down:
            raise VenueError("a link", "none", "wait")

        def receive(told: ApiAnswer[Any]) -> object:
            return then(replace(told, result=read(told.result)) if told.succeeded else told)

        self.asked.append((method, params, receive))
        self.then[method] = receive


class Budget:
    """Weight without an end."""

    def fits(self, *_: object) -> bool:
        return True


class Bench:
    """A desk's side of the adapter at a channel whose answers the test gives."""

    def __init__(self) -> None:
        self.channel, self.told = HeldChannel(), list[Any]()
        self.clock_s = 0.0
        symbols = {
            name: symbol_of(
                {"symbol": name, "baseAsset": name[0], "quoteAsset": "USDT", "filters": FILTERS}
            )
            for name in NAMES
        }
        self.ledger = AssetLedger()
        self.tracker = OrderTracker(symbols, OrderMemory(), self.ledger, self._tell)
        api = BinanceApi(self.channel, None)  # type: ignore[arg-type]
        self.inquiry = FateInquiry(
            api, self.tracker, self.told.append, lambda ns: ns, lambda: self.clock_s
        )
        books = {name: StreamedBook(symbol) for name, symbol in symbols.items()}
        self.desk = OrderEntry(
            api, self.tracker, self.inquiry, books, self.told.append, lambda ns: ns
        )

    def _tell(self, report: o.Report, *_: object) -> o.Report:
        self.told.append(report)
        return report

    def sends(self, name: str, lots: int = 10, symbol: str = "AUSDT") -> Any:
        """Send an order; takes what is to be its answer."""
        self.desk.send(o.NewOrder(name, symbol, 1, lots, 1000, o.Tif.DAY, "ann", "p", 0))
        return self.channel.then.pop("order.place")

    def works(self, name: str, number: int, lots: int = 10, symbol: str = "AUSDT") -> Any:
        """An order that rests, under that number."""
        self.sends(name, lots, symbol)(answer(placed(number, name, symbol=symbol)))
        return self.tracker.by_name[name]

    def replaces(self, name: str = "b", orig: str = "a", lots: int = 12) -> None:
        self.desk.send(o.ReplaceOrder(name, orig, "AUSDT", 1, lots, 1000, "ann", "p", 0))

    def happens(self, *events: Any) -> None:
        for each in events:
            self.tracker.process_event(each)

    def heard(self) -> list[tuple[Any, str, str, o.OrdStatus]]:
        """What was told since the last call: its kind, its name, the name that it is about, and the status."""
        told, self.told[:] = list(self.told), []
        return [
            (getattr(one, "exec_type", "refused"), one.cl_ord_id, one.orig, one.status)
            for one in told
        ]

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.channel.asked]

    def asks(self, method: str = "order.status") -> Any:
        """The question that leaves next."""
        self.clock_s += 100
        self.inquiry.send_due()
        return self.channel.then.pop(method)

    def reports(self, kind: o.ExecType) -> list[o.Report]:
        return [one for one in self.told if isinstance(one, o.Report) and one.exec_type is kind]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def answer(result: Any) -> ApiAnswer[Any]:
    return ApiAnswer(result, None, "", 2, 3)


def refused(code: int, parts: Any = None) -> ApiAnswer[Any]:
    return ApiAnswer(
        None, RequestRefusedError("order.status", code, "no such order", 400, parts), "", 2, 3
    )


def placed(number: int, name: str, **more: Any) -> dict[str, Any]:
    whole = {
        "symbol": "AUSDT",
        "orderId": number,
        "clientOrderId": name,
        "transactTime": 1,
        "executedQty": "0",
    }
    return whole | {"status": "NEW", "fills": []} | more


def event(
    number: int, name: str, what: str, status: str, z: Any = "0", **more: Any
) -> dict[str, Any]:
    whole = {
        "e": "executionReport",
        "s": "AUSDT",
        "i": number,
        "c": name,
        "C": "",
        "x": what,
        "X": status,
        "z": z,
    }
    return (
        whole | {"T": 1, "E": 1, "q": "10", "n": "0", "N": None, "t": -1, "l": "0", "L": "0"} | more
    )


def traded(
    number: int,
    name: str,
    trade: int,
    qty: Any,
    z: Any,
    status: str = "PARTIALLY_FILLED",
    **more: Any,
) -> Any:
    return event(number, name, "TRADE", status, z, t=trade, l=qty, L="10.00", **more)


def row(number: int, name: str, status: str, executed: str, **more: Any) -> dict[str, Any]:
    whole = {
        "orderId": number,
        "clientOrderId": name,
        "status": status,
        "executedQty": executed,
        "time": 1,
    }
    return whole | more


def past_trade(number: int, trade: int, qty: str, price: str = "10.00") -> dict[str, Any]:
    whole = {"id": trade, "orderId": number, "qty": qty, "price": price, "commission": "0"}
    return whole | {"time": 1, "isMaker": True}


def test_a_trade_after_the_cancel_is_booked_and_opens_nothing(bench: Bench) -> None:
    order = bench.works("a", 7)
    bench.tracker.process_event(event(7, "c", "CANCELED", "CANCELED", C="a"))
    bench.tracker.process_event(traded(7, "a", 1, "4", "4", "CANCELED"))
    (trade,) = bench.reports(X.TRADE)
    assert (trade.last_qty, trade.leaves_qty, trade.status) == (4 * ONE, 0, S.CANCELED)
    assert order.over
    assert not bench.tracker.memory.live()
    bench.desk.send(o.StatusRequest("a", "ann", 0))
    assert bench.told[-1].status is S.CANCELED


def test_trades_out_of_order_are_counted_once_each(bench: Bench) -> None:
    bench.works("a", 7)
    bench.tracker.process_event(traded(7, "a", 2, "6", "10", "FILLED"))
    assert bench.tracker.by_name["a"] in bench.inquiry.open
    bench.tracker.process_event(traded(7, "a", 1, "4", "4"))
    assert [one.cum_qty for one in bench.reports(X.TRADE)] == [6 * ONE, 10 * ONE]
    assert bench.told[-1].status is S.FILLED


def test_one_trade_number_at_two_symbols_and_orders_is_two_trades(bench: Bench) -> None:
    for name, number, symbol in (("a", 7, "AUSDT"), ("b", 7, "BUSDT"), ("c", 8, "AUSDT")):
        bench.works(name, number, symbol=symbol)
        bench.tracker.process_event(traded(number, name, 5, "10", "10", "FILLED", s=symbol))
    assert len({one.exec_id for one in bench.reports(X.TRADE)}) == 3


def test_numbers_beyond_floats_are_kept_apart(bench: Bench) -> None:
    first, second = 2**53, 2**53 + 1
    bench.works("a", first)
    bench.works("b", second)
    bench.tracker.process_event(
        read_json(
            str(traded(second, "b", 2**63 + 1, "10", "10", "FILLED"))
            .replace("'", '"')
            .replace("None", "null")
        )
    )
    (trade,) = bench.reports(X.TRADE)
    assert (trade.cl_ord_id, trade.exec_id) == ("b", f"AUSDT-{second}-{2**63 + 1}")


def test_an_order_that_comes_under_another_name_is_asked_about_once_its_number_is_known(
    bench: Bench,
) -> None:
    known: list[int] = []
    bench.tracker.on_number = lambda order: known.append(order.number)
    then = bench.sends("a")
    assert not bench.tracker.process_event(traded(7, "x-rewritten", 1, "4", "4"))
    then(answer(placed(7, "x-rewritten")))
    assert known == [7]
    bench.tracker.process_event(traded(7, "x-rewritten", 2, "6", "10", "FILLED"))
    assert bench.tracker.by_name["a"] in bench.inquiry.open


@pytest.mark.parametrize("status", ["EXPIRED", "EXPIRED_IN_MATCH"])
def test_what_self_trade_prevention_takes_off_ends(bench: Bench, status: str) -> None:
    bench.works("a", 7)
    bench.tracker.process_event(traded(7, "a", 1, "4", "4"))
    bench.tracker.process_event(event(7, "a", "TRADE_PREVENTION", status, "4", v=3, A="6", B="6"))
    assert (bench.told[-1].exec_type, bench.told[-1].cum_qty) == (X.EXPIRED, 4 * ONE)


def test_an_order_that_is_filled_with_fewer_lots_than_were_sent_ends(bench: Bench) -> None:
    """Prevention may take some lots off it, and the rest be filled."""
    order = bench.works("a", 7)
    bench.tracker.process_event(event(7, "a", "TRADE_PREVENTION", "NEW", v=3, A="6", B="6"))
    bench.tracker.process_event(traded(7, "a", 1, "4", "4", "FILLED"))
    assert order.over
    assert (bench.told[-1].exec_type, bench.told[-1].cum_qty, bench.told[-1].leaves_qty) == (
        X.EXPIRED,
        4 * ONE,
        0,
    )
    bench.tracker.process_event(traded(7, "a", 1, "4", "4", "FILLED"))
    assert len(bench.reports(X.TRADE)) == 1


def test_an_order_that_others_make_smaller_is_told_so_and_ends(bench: Bench) -> None:
    order = bench.works("a", 7)
    bench.tracker.process_event(event(7, "by-hand", "REPLACED", "NEW", q="4", C="a"))
    (restated,) = bench.reports(X.RESTATED)
    assert (restated.lots, restated.leaves_qty) == (4, 4 * ONE)
    bench.tracker.process_event(traded(7, "by-hand", 1, "4", "4", "FILLED", q="4"))
    assert order.over
    assert bench.told[-1].status is S.FILLED


def test_a_change_whose_event_and_answer_are_lost_is_seen_by_what_follows(bench: Bench) -> None:
    order = bench.works("a", 7)
    bench.tracker._symbols["AUSDT"].__dict__["amends"] = True
    bench.desk.send(o.ReplaceOrder("b", "a", "AUSDT", 1, 6, 1000, "ann", "p", 0))
    bench.channel.then.pop("order.amend.keepPriority")(
        ApiAnswer(None, None, "no answer within 12 s", 2, 3)
    )
    bench.tracker.process_event(traded(7, "b", 1, "6", "6", "FILLED", q="6"))
    assert [(one.cl_ord_id, one.orig) for one in bench.reports(X.REPLACED)] == [("b", "a")]
    assert not bench.reports(X.RESTATED)
    assert order.over
    assert bench.told[-1].status is S.FILLED


@pytest.mark.parametrize("method", ["order.place", "order.cancel", "order.status"])
def test_an_answer_to_another_request_is_believed_by_nobody(bench: Bench, method: str) -> None:
    if method == "order.place":
        thens = [bench.sends("a"), bench.sends("b")]
        rows = [placed(8, "b"), placed(7, "a")]
    else:
        bench.works("a", 7), bench.works("b", 8)
        rows, thens = (
            [row(8, "b", "CANCELED", "0", transactTime=1), row(7, "a", "NEW", "0", transactTime=1)],
            [],
        )
        for name in "ab":
            order = bench.tracker.by_name[name]
            if method == "order.cancel":
                bench.desk.send(o.CancelOrder(f"c{name}", name, "AUSDT", 1, "ann", 0))
                thens.append(bench.channel.then.pop(method))
            else:
                bench.inquiry.inquire(order)
                thens.append(bench.asks())
    before = len(bench.reports(X.NEW))
    for then, result in zip(thens, rows, strict=True):
        if method == "order.status":
            then(answer(result))
        else:
            with pytest.raises(VenueError, match="that of"):
                then(answer(result))  # the channel calls it unknown then
    assert not bench.reports(X.CANCELED)
    assert len(bench.reports(X.NEW)) == before
    assert all(
        bench.tracker.by_name[name].number in (0, number) for name, number in (("a", 7), ("b", 8))
    )


def test_a_replacement_whose_answer_is_about_something_else_is_asked_about(bench: Bench) -> None:
    before = bench.works("a", 7)
    bench.desk.send(o.ReplaceOrder("b", "a", "AUSDT", 1, 10, 1001, "ann", "p", 0))
    then, after = bench.channel.then.pop("order.cancelReplace"), before.after
    others = {
        "cancelResponse": placed(99, "z", status="CANCELED"),
        "newOrderResponse": placed(98, "y"),
    }
    with pytest.raises(VenueError, match="that of"):
        then(answer(others))
    assert before.ended is None
    told = len(bench.told)
    then(answer([]))
    assert bench.told[told:] == []
    assert not after.over
    bench.asks()(answer(row(8, "b", "NEW", "0")))
    assert [(one.cl_ord_id, one.orig) for one in bench.reports(X.REPLACED)] == [("b", "a")]


def test_no_order_takes_the_place_of_one_that_another_cancel_is_about(bench: Bench) -> None:
    before = bench.works("a", 7)
    bench.tracker.process_event(traded(7, "a", 1, "4", "4"))
    bench.desk.send(o.ReplaceOrder("b", "a", "AUSDT", 1, 10, 1001, "ann", "p", 0))
    with pytest.raises(VenueError, match="that of"):
        bench.channel.then.pop("order.cancel")(
            answer(placed(8, "z", status="CANCELED", executedQty="4"))
        )
    assert "order.place" not in bench.channel.then
    assert not before.over


def test_an_order_that_was_refused_and_works_all_the_same_is_cancelled(bench: Bench) -> None:
    lives: list[Any] = []
    bench.tracker.on_revival = lives.append
    bench.sends("a")(refused(ErrorCode.ORDER_REJECTED))
    assert bench.told[-1].status is S.REJECTED
    bench.tracker.process_event(event(7, "a", "NEW", "NEW"))
    assert lives == [bench.tracker.by_name["a"]]
    assert lives == list(bench.tracker.working_orders("ann"))
    bench.tracker.process_event(traded(7, "a", 1, "4", "4"))
    assert bench.reports(X.TRADE)[0].last_qty == 4 * ONE


def test_every_page_of_an_orders_trades_is_read(bench: Bench) -> None:
    """The venue gives the latest thousand of an order, and from a number on a thousand more."""
    bench.works("a", 7, lots=2500)
    bench.inquiry.inquire(bench.tracker.by_name["a"])
    bench.asks()(answer(row(7, "a", "FILLED", "2500")))
    asked, ask = list[int](), bench.channel.ask

    def noted(method: str, params: Any, *rest: Any, **more: Any) -> None:
        asked.append(params["fromId"])
        ask(method, params, *rest, **more)

    bench.channel.ask = noted  # type: ignore[method-assign]
    trade = {"orderId": 7, "price": "10.00", "qty": "1", "commission": "0", "time": 1}
    trades = [trade | {"id": n, "isMaker": True} for n in range(2500)]
    for page in (trades[-1000:], trades[:1000], trades[1000:2000]):
        bench.channel.then.pop("myTrades")(answer(page))
    assert asked == [0, 1000]
    assert "myTrades" not in bench.channel.then
    assert len(bench.reports(X.TRADE)) == 2500
    assert bench.told[-1].status is S.FILLED
    assert not bench.inquiry.open


def test_pages_of_exactly_a_thousand_come_to_an_end(bench: Bench) -> None:
    bench.works("a", 7, lots=2000)
    bench.inquiry.inquire(bench.tracker.by_name["a"])
    bench.asks()(answer(row(7, "a", "NEW", "1500")))
    page = [
        {
            "id": n,
            "orderId": 7,
            "price": "10.00",
            "qty": "1",
            "commission": "0",
            "time": 1,
            "isMaker": True,
        }
        for n in range(1000)
    ]
    for told in (
        page,
        page,
        [],
    ):  # the latest, from the first on, and no more: the list lags behind
        bench.channel.then.pop("myTrades")(answer(told))
    assert "myTrades" not in bench.channel.then
    assert bench.inquiry.open
    assert len(bench.reports(X.TRADE)) == 1000


def test_trades_of_other_orders_are_not_booked(bench: Bench) -> None:
    bench.works("a", 7)
    bench.inquiry.inquire(bench.tracker.by_name["a"])
    bench.asks()(answer(row(7, "a", "NEW", "4")))
    trade = {"price": "10.00", "commission": "0", "time": 1, "isMaker": True}
    told = [
        trade | {"id": 1, "orderId": 9, "qty": "3"},
        trade | {"id": 2, "orderId": 7, "qty": "4"},
    ]
    bench.channel.then.pop("myTrades")(answer(told))
    assert [one.last_qty for one in bench.reports(X.TRADE)] == [4 * ONE]


def test_an_order_that_the_venue_has_forgotten_after_it_was_filled_is_found_by_its_trades(
    bench: Bench,
) -> None:
    order = bench.works("a", 7)
    bench.desk.send(o.CancelOrder("c", "a", "AUSDT", 1, "ann", 0))
    bench.channel.then.pop("order.cancel")(refused(ErrorCode.CANCEL_REJECTED))
    bench.asks()(refused(ErrorCode.NO_SUCH_ORDER))
    trade = {
        "id": 1,
        "orderId": 7,
        "price": "10.00",
        "qty": "10",
        "commission": "0",
        "time": 1,
        "isMaker": True,
    }
    bench.channel.then.pop("myTrades")(answer([trade]))
    assert order.over
    assert bench.reports(X.TRADE)[0].cum_qty == 10 * ONE
    assert not bench.inquiry.open


def test_an_order_that_the_venue_has_forgotten_is_never_called_over(bench: Bench) -> None:
    order = bench.works("a", 7)
    bench.inquiry.inquire(order, query_name="a")
    for _ in range(12):
        bench.asks()(refused(ErrorCode.NO_SUCH_ORDER))
        bench.channel.then.pop("myTrades")(answer([]))
    assert not order.over
    assert bench.inquiry.open[order].stuck
    assert bench.told[-1].status is S.UNKNOWN


def test_quantities_finer_than_the_api_are_refused_and_asked_about(bench: Bench) -> None:
    bench.works("a", 7)
    bench.tracker.process_event(traded(7, "a", 1, "1E-8", "1E-8"))
    assert bench.reports(X.TRADE)[0].last_qty == 1  # 1e-8 of a lot of one
    for qty in ("1e-9", "-1", "NaN", "1e999", {}, None):
        with pytest.raises((VenueError, ValueError, TypeError)):
            bench.tracker.process_event(traded(7, "a", 2, qty, "2"))
    assert len(bench.reports(X.TRADE)) == 1


def test_a_stream_that_says_everything_again_tells_nothing_new(bench: Bench) -> None:
    bench.works("a", 7), bench.works("b", 8)
    whole = [
        event(7, "a", "NEW", "NEW"), traded(7, "a", 1, "4", "4"), traded(7, "a", 2, "6", "10", "FILLED"),
        event(8, "b", "NEW", "NEW"), traded(8, "b", 3, "4", "4"), event(8, "c", "CANCELED", "CANCELED", "4", C="b"),
    ]  # fmt: skip
    for each in whole:
        bench.tracker.process_event(each)
    told, held = len(bench.told), dict(bench.ledger.expected)
    for each in whole * 3:
        bench.tracker.process_event(each)
    assert len(bench.told) == told
    assert bench.ledger.expected == held
    assert not list(bench.tracker.working_orders(""))


def test_fees_in_an_asset_that_is_not_there_are_counted(bench: Bench) -> None:
    bench.works("a", 7)
    bench.tracker.process_event(traded(7, "a", 1, "4", "4", n="0.00000001", N="BNB"))
    bench.tracker.process_event(traded(7, "a", 2, "6", "10", "FILLED", n="0.01", N="A"))
    bench.tracker.process_event(traded(7, "a", 2, "6", "10", "FILLED", n="0.02", N="A"))
    assert bench.ledger.fees == {"BNB": 1, "A": ONE // 100}
    bench.ledger.reported |= {"A": 999 * ONE // 100}
    assert bench.ledger.differences() == {"BNB": (-1, 0), "USDT": (-100 * ONE, 0)}


@pytest.mark.parametrize(
    "said", ['{"i": Infinity}', '{"i": -Infinity}', '{"i": NaN}', "[" * 100_000, "<html>", ""]
)
def test_what_is_no_json_is_a_value_error(said: str) -> None:
    with pytest.raises(ValueError, match=r"column|nested|number"):
        read_json(said)


def test_a_time_that_nobody_asked_for_proves_little(bench: Bench) -> None:
    """An event an hour ahead would have a request that is on its way called lost."""
    channel = bench.channel
    then = bench.sends("a")
    then(ApiAnswer(None, None, "no answer within 12 s", 0, channel.now_ms() + 15_000))
    channel.update_time(channel.now_ms() + 3_600_000)
    bench.asks()(refused(ErrorCode.NO_SUCH_ORDER))
    assert not bench.reports(X.REJECTED)
    channel.update_time(channel.now_ms() + 16_000, channel.now_ms())
    bench.asks()(refused(ErrorCode.NO_SUCH_ORDER))
    assert not bench.reports(X.REJECTED), "nor does one that cannot be"
    channel.jump_ms = 3_600_000
    channel.update_time(channel.now_ms() + 16_000, channel.now_ms())
    bench.asks()(refused(ErrorCode.NO_SUCH_ORDER))
    assert bench.reports(X.REJECTED)
    channel.update_time(channel.now_ms() - 3_600_000, channel.now_ms())
    assert channel.venue_ms < channel.now_ms()


def test_an_order_that_is_replaced_while_it_is_asked_about_lives(bench: Bench) -> None:
    """The desk would take it for over, and the order in its place would be watched by nobody."""
    first = bench.works("x1", 7, lots=5)
    bench.desk.send(o.ReplaceOrder("x2", "x1", "AUSDT", 1, 6, 1000, "ann", "p", 0))
    bench.inquiry.inquire(first, query_name="x1")
    asked = bench.inquiry.open[first]
    call = bench.inquiry._api.order(asked.order.key)
    bench.inquiry._ask(asked, call, partial(bench.inquiry._on_status, asked))
    swapped = {
        "cancelResponse": {"orderId": 7, "status": "CANCELED", "transactTime": 1},
        "newOrderResponse": placed(8, "x2"),
    }
    bench.channel.then.pop("order.cancelReplace")(answer(swapped))
    bench.channel.then.pop("order.status")(answer(row(7, "x1", "CANCELED", "0")))
    last = bench.told[-1]
    said = last.exec_type, last.cl_ord_id, last.status, last.order_id
    assert said == (X.STATUS, "x1", S.NEW, "8")
    bench.inquiry.report_refusal(first, bench.tracker.memory.by_name["x2"], "late")
    assert bench.told[-1].status is S.NEW


FILLED_A = traded(7, "a", 1, "10", "10", "FILLED")
PART_A = traded(7, "a", 1, "4", "4")
CANCELED_A = event(7, "c", "CANCELED", "CANCELED", C="a")
NEW_B = event(8, "b", "NEW", "NEW")
GONE = {"orderId": 7, "status": "CANCELED", "transactTime": 1}
KEPT = {"cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": None}
FAILED = {"cancelResponse": GONE, "newOrderResponse": {"code": -2010, "msg": "no money"}}
UNSURE = {"cancelResponse": GONE, "newOrderResponse": {"code": -1007, "msg": "Timeout"}}
LOST = ApiAnswer(None, None, "no answer within 12 s", 2, 3)
REFUSED = ("refused", "b", "a", S.NEW)
CANCELED = (X.CANCELED, "b", "a", S.CANCELED)
REPLACED = (X.REPLACED, "b", "a", S.NEW)
OLD = {"symbol": "BUSDT", "side": "SELL", "price": "10.00", "origQty": "5"}


@pytest.mark.parametrize(
    ("name", "lots", "why"),
    [
        ("d", 12, "on its way"),
        ("b", 4, "more is filled"),
        ("b", 2**31, "LOT_SIZE"),
        ("a", 12, "duplicate"),
    ],
)
def test_a_replacement_that_cannot_be_is_refused_and_does_not_leave(
    bench: Bench, name: str, lots: int, why: str
) -> None:
    bench.works("a", 7)
    bench.happens(PART_A)
    if why == "on its way":
        bench.replaces("b")
    left = list(bench.channel.asked)
    bench.replaces(name, lots=lots)
    assert why in bench.told[-1].text
    assert bench.heard()[-1] == ("refused", name, "a", S.PARTIALLY_FILLED)
    assert bench.channel.asked == left


def test_a_symbol_takes_so_many_orders_and_a_replacement_is_not_one_more(bench: Bench) -> None:
    bench.tracker._symbols["AUSDT"].__dict__["most_orders"] = 1
    bench.works("other", 6, symbol="BUSDT"), bench.works("a", 7)
    bench.desk.send(o.NewOrder("n", "AUSDT", 1, 10, 1000, o.Tif.DAY, "ann", "p", 0))
    assert (bench.told[-1].status, bench.told[-1].text[:14]) == (S.REJECTED, "MAX_NUM_ORDERS")
    bench.replaces()
    assert bench.methods[2:] == ["order.cancelReplace"]


@pytest.mark.parametrize(
    ("events", "lots", "code", "parts", "said", "told"),
    [
        ([], 12, -1013, None, row(7, "a", "NEW", "0"), [REFUSED]),
        ([], 12, -2022, KEPT, row(7, "a", "NEW", "0"), [REFUSED]),
        ([], 12, -2022, KEPT, row(7, "a", "CANCELED", "0"), [CANCELED]),
        ([FILLED_A], 12, -2022, KEPT, None, [("refused", "b", "a", S.FILLED)]),
        ([], 12, -2021, FAILED, None, [CANCELED]),
        ([CANCELED_A], 12, -2022, KEPT, None, [CANCELED]),
        ([], 12, -2021, UNSURE, row(8, "b", "NEW", "0"), [REPLACED]),
        ([], 12, -2021, UNSURE, row(8, "b", "REJECTED", "0"), [CANCELED]),
        ([event(8, "b", "REJECTED", "REJECTED")], 12, -2010, None, row(7, "a", "NEW", "0"), [REFUSED]),
        ([NEW_B], 12, -2010, None, None, []),
        ([], 6, -1015, None, None, [REFUSED]),
    ],
)  # fmt: skip
def test_a_replacement_that_the_venue_refuses_is_told_once_as_it_went(
    bench: Bench, events: Any, lots: int, code: int, parts: Any, said: Any, told: Any
) -> None:
    bench.tracker._symbols["AUSDT"].__dict__["amends"] = True
    bench.works("a", 7)
    bench.replaces(lots=lots)
    bench.happens(*events)
    bench.heard()
    bench.channel.venue_ms = 10
    bench.channel.asked[-1][-1](refused(code, parts))
    if said is not None:
        bench.asks()(answer(said))
    assert bench.heard() == told
    assert not bench.inquiry.open
    bench.channel.asked.clear()
    bench.replaces("d", lots=13)
    assert (bench.methods == ["order.cancelReplace"]) == (told in ([REFUSED], [REPLACED], []))


@pytest.mark.parametrize(
    ("reply", "said", "told"),
    [
        (LOST, row(7, "a", "NEW", "4"), ["refused"]),
        (refused(ErrorCode.CANCEL_REJECTED), row(7, "a", "NEW", "4"), ["refused"]),
        (answer(GONE | {"executedQty": "5"}), row(7, "a", "CANCELED", "5"), [X.TRADE, X.CANCELED]),
        (answer(GONE | {"executedQty": "10"}), row(7, "a", "FILLED", "10"), [X.TRADE, "refused"]),
    ],
)
def test_no_order_takes_the_place_of_one_of_which_more_may_be_filled(
    bench: Bench, reply: ApiAnswer, said: dict[str, Any], told: list[Any]
) -> None:
    bench.works("a", 7)
    bench.happens(PART_A)
    bench.replaces()
    bench.heard()
    bench.channel.venue_ms = 10
    bench.channel.then.pop("order.cancel")(reply)
    bench.asks()(answer(said))
    if X.TRADE in told:
        trade = past_trade(7, 2, str(int(said["executedQty"]) - 4))
        bench.channel.then.pop("myTrades")(answer([trade]))
    assert [kind for kind, *_ in bench.heard()] == told
    assert bench.methods.count("order.place") == 1
    assert not bench.inquiry.open


@pytest.mark.parametrize(
    "command",
    [o.MassCancel("c", "ann", "", 0), o.CancelOrder("c", "a", "AUSDT", 1, "ann", 0), None],
)
def test_no_order_takes_the_place_of_another_after_a_cancel_or_without_a_link(
    bench: Bench, command: o.Command | None
) -> None:
    bench.works("a", 7)
    bench.happens(PART_A)
    bench.replaces()
    then = bench.channel.then.pop("order.cancel")
    bench.heard()
    if command is not None:
        bench.desk.send(command)
    bench.channel.down = command is None
    then(answer(GONE | {"executedQty": "4"}))
    assert bench.heard() == [CANCELED]
    assert set(bench.methods[1:]) == {"order.cancel"}
    assert not list(bench.tracker.working_orders(""))


@pytest.mark.parametrize(
    ("replaced", "events", "code", "told"),
    [
        (False, [FILLED_A], ErrorCode.CANCEL_REJECTED, [("refused", "c", "a", S.FILLED)]),
        (False, [], ErrorCode.TOO_MANY_ORDERS, [("refused", "c", "a", S.NEW)]),
        (False, [CANCELED_A], ErrorCode.CANCEL_REJECTED, []),
        (True, [NEW_B], ErrorCode.CANCEL_REJECTED, [("refused", "c", "a", S.NEW)]),
    ],
)
def test_a_cancel_that_the_venue_refuses_is_told_with_what_the_order_is(
    bench: Bench, replaced: bool, events: list[Any], code: int, told: list[Any]
) -> None:
    bench.works("a", 7)
    if replaced:
        bench.replaces()
    bench.desk.send(o.CancelOrder("c", "a", "AUSDT", 1, "ann", 0))
    bench.happens(*events)
    bench.heard()
    bench.channel.then.pop("order.cancel")(refused(code))
    assert bench.heard() == told
    assert not bench.inquiry.open


def test_an_order_that_works_is_not_called_refused_by_a_late_answer(bench: Bench) -> None:
    then = bench.sends("a")
    bench.happens(event(7, "a", "NEW", "NEW"))
    then(refused(ErrorCode.ORDER_REJECTED))
    assert bench.heard() == [(X.NEW, "a", "", S.NEW)]
    assert not bench.tracker.by_name["a"].over


def test_fills_that_an_answer_counts_and_does_not_list_are_asked_for(bench: Bench) -> None:
    bench.sends("a")(answer(placed(7, "a", status="PARTIALLY_FILLED", executedQty="4")))
    bench.asks()(answer(row(7, "a", "PARTIALLY_FILLED", "4")))
    bench.channel.then.pop("myTrades")(answer([past_trade(7, 1, "4")]))
    assert [one.cum_qty for one in bench.reports(X.TRADE)] == [4 * ONE]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer(row(9, "old", "NEW", "0", **OLD)), [("old", 5, 1000, "9", S.NEW)]),
        (LOST, []),
        (refused(ErrorCode.NO_SUCH_ORDER), [("old", 0, None, "", S.REJECTED)]),
    ],
)
def test_an_order_of_an_unknown_name_is_looked_for_at_every_symbol(
    bench: Bench, reply: ApiAnswer, told: list[Any]
) -> None:
    bench.works("a", 7), bench.works("b", 8, symbol="BUSDT")
    bench.desk.send(o.StatusRequest("old", "ann", 0))
    asked = {params["symbol"]: then for _, params, then in bench.channel.asked[2:]}
    asked["AUSDT"](refused(ErrorCode.NO_SUCH_ORDER)), asked["BUSDT"](reply)
    if bench.inquiry.open:
        bench.asks()(reply)
        bench.desk.send(o.CancelOrder("c", "old", "BUSDT", -1, "ann", 0))
        assert bench.channel.asked[-1][1]["orderId"] == 9
    status = bench.reports(X.STATUS)
    assert [(x.cl_ord_id, x.lots, x.price, x.order_id, x.status) for x in status] == told


def test_ended_orders_are_forgotten_with_all_their_names(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tercel.venues.binance_venue.tracker.MOST_STORED", 2)
    for n in range(1, 6):
        bench.works(f"a{n}", n)
        bench.desk.send(o.CancelOrder(f"c{n}", f"a{n}", "AUSDT", 1, "ann", 0))
        bench.tracker.memory.record(
            o.ReplaceOrder(f"b{n}", f"a{n}", "AUSDT", 1, 6, 1000, "ann", "p", 0)
        )
        bench.happens(
            event(n, f"b{n}", "REPLACED", "NEW", q="6"), event(n, f"c{n}", "CANCELED", "CANCELED")
        )
    assert set(bench.tracker.by_name) == {"a4", "b4", "a5", "b5"}
    bench.heard()
    bench.desk.send(o.StatusRequest("", "ann", 0))
    assert [name for _, name, *_ in bench.heard()] == ["b4", "b5"]


def test_an_order_that_was_replaced_a_thousand_times_is_found_by_its_first_name(
    bench: Bench,
) -> None:
    """A desk asks by that one; and what was replaced long ago is not kept for ever."""
    bench.works("x0", 1)
    for n in range(1, 1100):
        bench.replaces(f"x{n}", f"x{n - 1}")
        bench.happens(event(n + 1, f"x{n}", "NEW", "NEW"))
    bench.desk.send(o.StatusRequest("x0", "ann", 0))
    bench.asks()(answer(row(1100, "x1099", "NEW", "0")))
    assert (bench.told[-1].order_id, bench.told[-1].status) == ("1100", S.NEW)
    assert bench.tracker.by_name["x1099"].before.before is None
