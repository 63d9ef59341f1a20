"""A venue that is hostile as a whole: stale snapshots, other steps overnight, web pages, a clock put back."""

import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.venues.binance_venue.conftest import Served
from tests.venues.binance_venue.faulty import FaultProxy
from tests.venues.binance_venue.test_account import hear, of, order, said
from tests.waiting import until

from exchange.binance.words import ServerCode
from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.venues.binance_venue import ErrorCode
from tercel.venues.binance_venue.channel import ApiAnswer
from tercel.venues.binance_venue.links import LISTEN_KEY
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.binance_venue.venue import BinanceVenue

Serve = Callable[..., Served]


class BentRest(http.server.BaseHTTPRequestHandler):
    """Passes requests on, but for those that the test answers."""

    behind, bodies = "", dict[str, bytes]()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status, body = 200, self.bodies.get(path, b"")
        if path not in self.bodies:
            asked = urllib.request.Request(
                self.behind + self.path,
                headers={"X-MBX-APIKEY": self.headers["X-MBX-APIKEY"] or ""},
            )
            try:
                with urllib.request.urlopen(asked) as answer:
                    body = answer.read()
            except urllib.error.HTTPError as error:
                status, body = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def bent() -> Iterator[Callable[[Served, dict[str, bytes]], str]]:
    made: list[http.server.ThreadingHTTPServer] = []

    def serve(one: Served, bodies: dict[str, bytes]) -> str:
        handler = type("Bent", (BentRest,), {"behind": one.server.url, "bodies": bodies})
        made.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=made[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{made[-1].server_address[1]}"

    yield serve
    for one in made:
        one.shutdown()
        one.server_close()


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


@pytest.mark.parametrize("path", ["time", "exchangeInfo", "account", "allOrders"])
@pytest.mark.parametrize(
    "body",
    [b"<html>hello</html>", b"", b"[]", b"{}", b"null", b'"ok"', b"[" * 5000, b'{"symbols": 5}'],
)
def test_answers_that_are_none_at_logon_are_refused_in_three_parts(
    served: Serve, bent: Callable[..., str], tmp_path: Any, path: str, body: bytes
) -> None:
    one = served()
    first = one.venue(tmp_path)
    order(first, "a", 5)
    hear(first, lambda heard: of(heard, o.ExecType.TRADE))
    first.close()
    url = bent(one, {f"/api/v3/{path}": body})
    if path == "allOrders" and body == b"[]":
        assert one.venue(tmp_path, rest_url=url).up
        return
    with pytest.raises(VenueError) as caught:
        one.venue(tmp_path, rest_url=url)
    assert caught.value.expected
    assert caught.value.received
    assert caught.value.remedy


def test_a_snapshot_that_is_always_too_old_does_not_use_up_the_weight(
    proxied: Callable[..., Any],
) -> None:
    one, _, venue = proxied(speed=20.0)
    ask, asked = venue._channel.ask, list[str]()

    def stale(method: str, params: Any, weight: int, then: Any, **more: Any) -> None:
        asked.append(method)
        if method == "depth":
            result = {"lastUpdateId": 1, "bids": [], "asks": []}
            venue.budget.spend(weight)
            then(ApiAnswer(result, None, "", 0, 0))
            return
        ask(method, params, weight, then, **more)

    venue._channel.ask = stale
    venue.subscribe("CSCOUSDT")
    began = one.now()
    hear(venue, lambda _: one.now() - began > 30 * 10**9)  # a second and a half
    assert 2 <= asked.count("depth") <= 6
    order(venue, "a", 5)
    hear(venue, lambda heard: of(heard, o.ExecType.TRADE))


def test_a_finer_step_at_midnight_stops_orders_and_is_told_few_times(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Levels that are no lots any more: nothing leaves by the old filters, and people hear it once or a few times."""
    one = served(speed=20.0)
    venue = one.venue()
    venue.subscribe("CSCOUSDT")
    hear(venue, lambda heard: any(isinstance(each, o.MarketRows) for each in heard))
    rules = one.engine.rules["CSCOUSDT"]
    info = type(rules).info

    def finer(self: Any, account: str) -> dict[str, Any]:
        told = info(self, account)
        for each in told["filters"]:
            each |= {key: "0.00100000" for key in ("stepSize",) if key in each}
        return told

    assert venue._watch._rules_s - venue._watch._clock() > 3000  # it would be seen in an hour
    venue._watch._looked_s -= 60.0

    monkeypatch.setattr(type(rules), "info", finer)
    heard_market = venue._market

    def odd(data: Any) -> None:
        if data.get("e") == "depthUpdate":
            data = {**data, "b": [[data["b"][0][0], "1.00500000"]] if data["b"] else []}
        heard_market(data)

    monkeypatch.setattr(venue, "_market", odd)
    began, heard = one.now(), list[o.VenueEvent]()
    heard = hear(
        venue, lambda heard: said(heard, "another tick or lot") and one.now() - began > 25 * 10**9
    )
    assert len([each for each in heard if isinstance(each, o.Unread)]) < 20
    order(venue, "late", 5)
    assert (
        "does not trade"
        in of(hear(venue, lambda heard: of(heard, o.ExecType.REJECTED)), o.ExecType.REJECTED)[
            0
        ].text
    )


def test_a_symbol_that_is_no_longer_listed_is_told(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binance refuses the question about all of them then (-1121)."""
    venue = served().venue()
    ask = venue._channel.ask

    def gone(method: str, params: Any, weight: int, then: Any, **more: Any) -> None:
        if method == "exchangeInfo":
            error = RequestRefusedError(method, ErrorCode.BAD_SYMBOL, "Invalid symbol.", 400)
            then(ApiAnswer(None, error, "", 0, 0))
        else:
            ask(method, params, weight, then, **more)

    monkeypatch.setattr(venue._channel, "ask", gone)
    venue._watch.soon()
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


def test_one_event_an_hour_ahead_does_not_stop_the_clock(proxied: Callable[..., Any]) -> None:
    one, proxy, venue = proxied()
    event = {
        "e": "balanceUpdate",
        "E": one.now() // 10**6 + 3_600_000,
        "T": one.now() // 10**6,
        "a": "USDT",
        "d": "0",
    }
    report = {
        "e": "executionReport",
        "E": event["E"],
        "s": "CSCOUSDT",
        "i": 99,
        "c": "a",
        "C": "",
        "x": "NEW",
    }
    report |= {"X": "NEW", "T": event["E"], "z": "0", "q": "5"}
    order(venue, "a", 5, 1400, tif=o.Tif.DAY)
    for relay in proxy.relays:
        if not relay.market:
            relay.say(json.dumps({"subscriptionId": 0, "event": report}))
            relay.say(json.dumps({"subscriptionId": 0, "event": event}))
    hear(venue, lambda heard: said(heard, "somebody else's hand"))
    assert venue.now_ns < one.now() + 60 * 10**9
    was = venue.now_ns
    until(lambda: venue.poll() or venue.now_ns > was + 20 * 10**9, what="a clock that goes on")


def test_a_listen_key_that_is_over_is_made_anew(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that is refused says that the stream has been silent: whatever works is asked about."""
    venue = served().venue()
    links = venue._links
    links._key, asked = "k" * 60, list[tuple[str, str]]()

    def refuse(
        path: str, weight: int, params: Any = None, *, signed: bool = False, method: str = "GET"
    ) -> Any:
        asked.append((path, method))
        raise RequestRefusedError(
            path, ServerCode.INVALID_LISTEN_KEY, "This listenKey does not exist.", 400
        )

    monkeypatch.setattr(links._rest, "ask", refuse)
    links._renew()
    assert asked == [(LISTEN_KEY, "PUT")]
    assert not venue.up
    heard = hear(
        venue, lambda heard: sum(isinstance(each, o.LinkStatus) and each.up for each in heard)
    )
    assert heard
    assert venue.up


def test_a_time_of_the_market_that_is_an_hour_ahead_has_no_order_called_lost(
    proxied: Callable[..., Any],
) -> None:
    """It is on its way, and the venue does not know it yet; one wrong E would prove that it never came."""
    one, proxy, venue = proxied(speed=1.0, recv_window_ms=5000)
    for kind in ("trade", "depthUpdate"):
        order(venue, f"before-{kind}", 5, 1400, tif=o.Tif.DAY)
        hear(venue, lambda heard: of(heard, o.ExecType.NEW))
        proxy.arm("request: -1007 and arrives later")
        order(venue, f"late-{kind}", 5, 1400, tif=o.Tif.DAY)
        venue._market({"e": kind, "s": "", "E": one.now() // 10**6 + 3_600_000})
        heard = hear(venue, lambda heard: of(heard, o.ExecType.NEW))
        assert not of(heard, o.ExecType.REJECTED)
    assert len(one.engine.account("TRADER").living) == 4


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
    heard = hear(ours, lambda heard: of(heard, o.ExecType.TRADE) and len(ours._strangers) >= 20)
    assert len(said(heard, "not sent here")) == 1
    assert {report.cl_ord_id for report in of(heard, o.ExecType.TRADE)} == {"mine"}
    ours._strange_s = 0.0
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
        lambda heard: asked[:2] == ["UNSUBSCRIBE", "SUBSCRIBE"] and book.known and len(heard) > 3,
    )
    cleared, *rows = [each for each in heard if isinstance(each, o.MarketRows)]
    assert not cleared.snapshot
    assert rows[0].snapshot or rows[-1].rows.size
    assert socket is links._feed.socket
