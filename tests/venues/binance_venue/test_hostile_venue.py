"""A venue that is hostile as a whole: stale snapshots, other steps overnight, web pages, a clock put back."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.venues.binance_venue.conftest import Served
from tests.venues.binance_venue.faulty import FaultProxy
from tests.venues.binance_venue.hostile import (
    NAME,
    Clock,
    Server as HostileServer,
    lied_to,
    listed,
    refused,
    tick,
)
from tests.venues.binance_venue.test_account import hear, of, order, said
from tests.venues.binance_venue.test_hostile_orders import past_trade, row

from exchange.binance.words import ServerCode
from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.core.link.connection import WaitLimits
from tercel.core.link.order_memory import OrderMemory, SentOrder
from tercel.venues.binance_venue import ErrorCode
from tercel.venues.binance_venue.account import iter_past_rows
from tercel.venues.binance_venue.channel import ApiAnswer
from tercel.venues.binance_venue.links import LISTEN_KEY
from tercel.venues.binance_venue.requests import BinanceApi
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.binance_venue.venue import BinanceVenue

Serve = Callable[..., Served]
NONE = [{}, None, "ok", {"symbols": 5}]
"""What is no answer."""


class Wrong(HostileServer):
    """A server one of whose answers at logon is none."""

    path: str
    body: Any = None

    def ask(self, path: str, *said: Any, **more: Any) -> Any:
        return self.body if path.endswith(self.path) else super().ask(path, *said, **more)


@pytest.fixture
def proxied(served: Serve) -> Iterator[Callable[..., tuple[Served, FaultProxy, BinanceVenue]]]:
    made: list[FaultProxy] = []

    def serve(speed: float = 5.0, **terms: Any) -> tuple[Served, FaultProxy, BinanceVenue]:
        one = served(speed=speed)
        made.append(FaultProxy(one.server.ws_url, one.server.ws_api_url))
        return one, made[-1], one.venue(**made[-1].urls, **terms)

    yield serve
    for one in made:
        one.close()


def logs_on(server: Wrong) -> None:
    lied_to(server)


def reads_orders(server: Wrong) -> None:
    api = BinanceApi(None, server)  # type: ignore[arg-type]
    list(iter_past_rows(api, api.orders, NAME, 0))


@pytest.mark.parametrize(
    ("path", "asks", "answers"),
    [
        ("/time", logs_on, [[], *NONE]),
        ("/exchangeInfo", logs_on, [[], *NONE]),
        ("/account", logs_on, [[], *NONE, {"canTrade": False, "balances": []}]),
        ("/api/v3/allOrders", reads_orders, NONE),
    ],
)
def test_answers_that_are_none_are_refused_in_three_parts(
    path: str, asks: Callable[[Wrong], None], answers: list[Any]
) -> None:
    server = Wrong(Clock(), 1)
    server.path = path
    for server.body in answers:
        with pytest.raises(VenueError) as caught:
            asks(server)
        assert all((caught.value.expected, caught.value.received, caught.value.remedy))


def test_a_symbol_that_is_no_longer_listed_is_told(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binance refuses the question about all of them then (-1121)."""
    venue = served().venue()
    ask = venue._channel.ask

    def gone(method: str, params: Any, weight: int, then: Any, *more: Any, **options: Any) -> None:
        if method == "exchangeInfo":
            error = RequestRefusedError(method, ErrorCode.BAD_SYMBOL, "Invalid symbol.", 400)
            then(ApiAnswer(None, error, "", 0, 0))
        else:
            ask(method, params, weight, then, *more, **options)

    monkeypatch.setattr(venue._channel, "ask", gone)
    venue._watch.schedule_all()
    heard = hear(venue, lambda heard: said(heard, "no longer listed"))
    order(venue, "a", 5)
    heard = hear(venue, lambda heard: of(heard, o.ExecType.REJECTED))
    assert "DELISTED" in of(heard, o.ExecType.REJECTED)[0].text


@pytest.mark.parametrize(
    "told", [{"e": "executionReport"}, {"e": "outboundAccountPosition"}, {"e": "balanceUpdate"}]
)
@pytest.mark.parametrize(
    "more",
    [{}, {"s": 5, "i": "x", "c": [], "B": 7, "d": {}, "a": None}, {"B": [5, None, {}], "T": 1}],
)
def test_events_that_make_no_sense_are_told_and_survived(
    proxied: Callable[..., Any], told: Any, more: Any
) -> None:
    _, proxy, venue = proxied()
    for relay in proxy.relays:
        if not relay.market:
            relay.say(json.dumps({"subscriptionId": 0, "event": told | more}))
    hear(venue, lambda heard: any(isinstance(each, o.Unread) for each in heard))
    order(venue, "a", 5)
    hear(venue, lambda heard: of(heard, o.ExecType.TRADE))


def test_a_listen_key_that_is_over_is_made_anew(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that is refused says that the stream has been silent: whatever works is asked about."""
    venue = served().venue()
    links = venue._links
    links._listen_key, asked = "k" * 60, list[tuple[str, str]]()

    def refuse(
        path: str, weight: int, params: Any = None, *, signed: bool = False, method: str = "GET"
    ) -> Any:
        asked.append((path, method))
        raise RequestRefusedError(
            path, ServerCode.INVALID_LISTEN_KEY, "This listenKey does not exist.", 400
        )

    monkeypatch.setattr(links._rest, "ask", refuse)
    links._renew_listen_key()
    assert asked == [(LISTEN_KEY, "PUT")]
    assert not venue.up
    heard = hear(
        venue, lambda heard: sum(isinstance(each, o.LinkStatus) and each.up for each in heard)
    )
    assert heard
    assert venue.up


def test_two_desks_with_one_key_hear_of_each_other_once_a_minute(served: Serve) -> None:
    """Each order of the other would be an alert that somebody has to look at."""
    one = served(speed=5.0)
    ours, others = one.venue(), one.venue()
    for n in range(20):
        order(others, f"t{n}", 5)
    hear(
        others,
        lambda heard: sum(report.leaves_qty == 0 for report in of(heard, o.ExecType.TRADE)) >= 20,
    )
    order(ours, "mine", 5)
    heard = hear(
        ours,
        lambda heard: of(heard, o.ExecType.TRADE) and len(ours._account_events._strangers) >= 20,
    )
    assert len(said(heard, "not sent here")) == 1
    assert {report.cl_ord_id for report in of(heard, o.ExecType.TRADE)} == {"mine"}
    ours._account_events._stranger_due_s = 0.0
    order(others, "last", 5)
    heard = hear(ours, lambda heard: said(heard, "not sent here"))
    assert "and 19 before it" in said(heard, "not sent here")[0].why


def test_a_stream_is_left_and_subscribed_to_anew(served: Serve) -> None:
    one = served()
    venue = one.venue()
    venue.subscribe("CSCOUSDT")
    hear(venue, lambda heard: any(isinstance(each, o.MarketRows) for each in heard))
    links, book, asked = venue._links, venue._books["CSCOUSDT"], list[str]()
    socket = links._feed.socket
    send = socket.send
    socket.send = lambda message: (asked.append(message["method"]), send(message))[1]
    links.renew("CSCOUSDT")
    book.lose("the test says so")
    heard = hear(
        venue,
        lambda heard: (
            asked[:2] == ["UNSUBSCRIBE", "SUBSCRIBE"] and book.is_synced and len(heard) > 3
        ),
    )
    cleared, *rows = [each for each in heard if isinstance(each, o.MarketRows)]
    assert not cleared.snapshot
    assert rows[0].snapshot or rows[-1].rows.size
    assert socket is links._feed.socket


@pytest.mark.parametrize(
    ("refusal", "reason", "received"),
    [
        ("Invalid API-key.", "", "Invalid API-key."),
        ("", "the server shuts down", "the server shuts down"),
        ("", "", "none within 0 s"),
    ],
)
def test_a_logon_that_is_refused_or_takes_too_long_says_why(
    refusal: str, reason: str, received: str
) -> None:
    server = HostileServer(Clock(), 1)
    server.up, server.refusal, server.down_reason = False, refusal, reason
    with pytest.raises(VenueError) as caught:
        lied_to(server, patience=WaitLimits(logon_s=0.0))
    assert caught.value.received == received


def test_an_outage_is_as_long_as_it_is_however_busy_the_time_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = HostileServer(Clock(), 1)
    venue = lied_to(server, patience=WaitLimits(outage_s=0.0))
    monkeypatch.setattr(venue, "poll", lambda _: venue._run_once())
    server.up = False
    assert venue.step(venue.now_ns + 10**9) == []
    server.up, server.user = True, [{"e": "balanceUpdate", "a": "USDT", "d": "1"}]
    assert venue.step(venue.now_ns + 10**9)
    server.up, server.down_reason = False, "reset by peer"
    assert venue.step(venue.now_ns + 10**9) == []
    with pytest.raises(VenueError, match="reset by peer"):
        venue.step(venue.now_ns + 10**9)


def test_an_order_that_a_filter_refuses_has_the_rules_looked_at_again() -> None:
    server = HostileServer(Clock(), 1)
    venue = lied_to(server)
    venue._watch._rules_asked_s = -60.0
    refuse, change = refused(400, ErrorCode.INVALID_MESSAGE), listed({"filters": tick("0.02")})
    server.bend_answer = lambda server, method, told: (
        refuse if method == "order.place" else change
    )(server, method, told)
    events = []
    for name in ("a", "b"):
        order(venue, name, 5, 9000)
        server.user.clear()  # it has not placed it
        for server.clock.s in (server.clock.s + n / 10 for n in range(5)):
            events += venue.step(venue.now_ns)
    assert said(events, "another tick or lot")
    first, second = of(events, o.ExecType.REJECTED)
    assert (first.cl_ord_id, second.cl_ord_id) == ("a", "b")
    assert "does not trade" in second.text
    assert [method for _, method, _ in server.asked].count("order.place") == 1


class Remembering(HostileServer):
    """A server that knows some orders, of one of which a trade is older than a day."""

    rows: Mapping[int | str, Any]

    def ask(self, path: str, *asked: Any, **more: Any) -> Any:
        theirs = [past_trade(99, 5, "0.004", "99.00")]
        return theirs if path.endswith("myTrades") else super().ask(path, *asked, **more)

    def _answer(self, method: str, asked: Mapping[str, Any]) -> Any:
        if method == "order.status":
            return self.rows.get(asked.get("orderId") or asked["origClientOrderId"])
        ours = [past_trade(7, 1, "0.004", "99.00")]
        return ours if method == "myTrades" else super()._answer(method, asked)


def stored(
    name: str, status: str, order_id: str = "", lots: int = 10, orig: str = "", **more: Any
) -> SentOrder:
    kind, symbol = "replace" if orig else "new", more.pop("symbol", NAME)
    terms = name, name, orig, "ann", symbol, 1, lots, 9900, "p", kind, order_id
    return SentOrder(*terms, o.OrdStatus(status), **more)


PLACED, REST = (row(8, "b", "NEW", "0", origQty=qty) for qty in ("0.012", "0.006"))
GONE, KEPT = (row(7, "a", status, "0", origQty="0.010") for status in ("CANCELED", "NEW"))
SMALLER = row(7, "b", "NEW", "0", origQty="0.006")
PART = row(7, "a", "CANCELED", "0.004", origQty="0.010")
SOME = 4 * ONE


@pytest.mark.parametrize(
    ("a", "b", "rows", "told", "status"),
    [
        (stored("a", "new", "7"), stored("b", "pending_new", "", 12, "a"),
         {7: GONE, "b": PLACED, 8: PLACED}, ["replaced b"], (12, 0, "8")),
        (stored("a", "new", "7"), stored("b", "pending_new", "", 12, "a"),
         {7: KEPT}, ["refused b"], (10, 0, "7")),
        (stored("a", "new", "7"), stored("b", "pending_new", "7", 6, "a"),
         {7: SMALLER}, ["replaced b"], (6, 0, "7")),
        (stored("a", "new", "7"), stored("b", "pending_new", "7", 6, "a"),
         {7: KEPT}, ["refused b"], (10, 0, "7")),
        (stored("a", "canceled", "7"), stored("b", "new", "8", 12, "a"),
         {7: GONE, 8: PLACED}, [], (12, 0, "8")),
        (stored("a", "canceled", "7"), stored("b", "new", "7", 6, "a"), {7: SMALLER}, [], (6, 0, "7")),
        (stored("a", "partially_filled", "7", cum_qty=SOME),
         stored("b", "pending_new", "", 10, "a", base_qty=SOME),
         {7: PART, "b": REST, 8: REST}, ["replaced b", "trade a"], (10, SOME, "8")),
    ],
    ids=["done", "not done", "amended", "not amended", "done before", "amended before", "part filled"],
)  # fmt: skip
def test_what_replaced_an_order_of_a_process_that_died_is_found_by_the_first_name(
    tmp_path: Path,
    a: SentOrder,
    b: SentOrder,
    rows: Mapping[int | str, Any],
    told: list[str],
    status: tuple[int, int, str],
) -> None:
    memory = OrderMemory(tmp_path)
    for sent in (stored("x", "new", "3", symbol="DELISTED"), a, b):
        memory.write(sent)
    memory.close()
    server = Remembering(Clock(), 1)
    server.rows = rows
    server.bend_answer = lambda server, method, told: (
        told if told["result"] is not None else refused(400, -2013)(server, method, told)
    )
    venue, events = lied_to(server, tmp_path), list[Any]()
    assert venue.executions("ann") == [], "of others"
    for server.clock.s in range(80):  # longer than a request may be on its way
        events += venue.step(venue.now_ns)
    heard = [one for one in events if isinstance(one, o.Report | o.CancelReject)]
    assert [f"{getattr(x, 'exec_type', 'refused')} {x.cl_ord_id}" for x in heard] == told
    venue.send(o.StatusRequest("a", "ann", venue.now_ns))
    for server.clock.s in (81.0, 82.0, 83.0):
        events += venue.step(venue.now_ns)
    (last,) = of(events, o.ExecType.STATUS)
    assert (last.lots, last.cum_qty, last.order_id.rpartition(".")[2]) == status
    assert last.leaves_qty == last.lots * ONE - last.cum_qty
    assert {asked["symbol"] for _, method, asked in server.asked if method == "order.status"} == {
        NAME
    }
