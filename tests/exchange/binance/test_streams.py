"""Streams and the WebSocket API: what is pushed rebuilds what is asked for."""

import json
import time
from typing import Any

import pytest
from tests.exchange.binance.client import Rest, Socket
from tests.exchange.binance.conftest import ACCOUNT, KEY
from tests.waiting import until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from exchange.binance.accounts import ApiKey
from exchange.binance.limits import RateLimits
from tercel.core.link.signing_key import signer
from tercel.venues.binance_venue import hmac_signer, sorted_payload

SYMBOL, STREAM = "CSCOUSDT", "cscousdt"
ORDER = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "10",
    "price": "14.00",
}
SELL = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": "200"}


class LocalBook:
    """ "How to manage a local order book correctly" of `web-socket-streams.md`, to the letter."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last = snapshot["lastUpdateId"]
        self.sides = {side: dict(snapshot[side]) for side in ("bids", "asks")}

    def apply(self, event: dict[str, Any]) -> None:
        if event["u"] < self.last:
            return
        assert event["U"] <= self.last + 1, "an event is missing"
        for side, changes in (("bids", event["b"]), ("asks", event["a"])):
            for price, quantity in changes:
                if float(quantity):
                    self.sides[side][price] = quantity
                else:
                    self.sides[side].pop(price, None)
        self.last = event["u"]


def test_the_diffs_rebuild_the_snapshot(served) -> None:
    server = served(speed=30.0)
    rest = Rest(server)
    with Socket(f"{server.ws_url}/ws/{STREAM}@depth@100ms") as stream:
        first = stream.read()
        book = LocalBook(rest.ask("GET", "/api/v3/depth", symbol=SYMBOL, limit=5000).json())
        assert first["U"] <= book.last + 1
        book.apply(first)
        compared = 0
        while compared < 5:
            rest.signed("POST", "/api/v3/order", **(SELL if compared % 2 else ORDER))
            wanted = rest.ask("GET", "/api/v3/depth", symbol=SYMBOL, limit=5000).json()
            while book.last < wanted["lastUpdateId"]:
                book.apply(stream.read())
            if (
                book.last == wanted["lastUpdateId"]
            ):  # else it has gone on, and is compared with the next
                compared += 1
                assert book.sides == {side: dict(wanted[side]) for side in ("bids", "asks")}


def test_every_stream_says_what_it_is(served) -> None:
    server = served(speed=30.0)
    names = [
        "trade",
        "aggTrade",
        "bookTicker",
        "depth",
        "depth5",
        "depth10@100ms",
        "depth20",
        "kline_1m",
        "miniTicker",
    ]
    names += ["ticker", "avgPrice", "kline_1s", "kline_1d@+08:00", "ticker_1h", "ticker_1d"]
    path = "/".join(f"{STREAM}@{one}" for one in names)
    rest = Rest(server)
    with Socket(f"{server.ws_url}/stream?streams={path}/!miniTicker@arr") as stream:
        told: dict[str, Any] = {}
        while len(told) < len(names) + 1 or not told["ticker"]["n"]:
            rest.signed("POST", "/api/v3/order", **SELL)
            message = stream.read()
            told[message["stream"].partition("@")[2]] = message["data"]
    for name in ("trade", "aggTrade"):
        assert told[name]["e"] == name
        assert told[name]["s"] == SYMBOL
    assert float(told["bookTicker"]["b"]) < float(told["bookTicker"]["a"])
    assert [len(told[one]["bids"]) for one in ("depth5", "depth10@100ms")] == [5, 10]
    assert told["kline_1m"]["k"]["i"] == "1m"
    assert told["kline_1d@+08:00"]["k"]["t"] % 86_400_000 == 16 * 3_600_000
    assert told["miniTicker"]["e"] == "24hrMiniTicker"
    assert {one["s"] for one in told["arr"]} == {SYMBOL}
    assert told["ticker"]["n"] >= 1
    assert told["ticker_1h"]["e"] == "1hTicker"
    assert told["ticker_1h"].keys() == told["ticker"].keys() - set("xQbBaA")


TRADE, DEPTH = f"{STREAM}@trade", f"{STREAM}@depth"
UNLIKE = "e42095a0-916a-4c81-978c-d89dc8bba69d"
CONTROL: list[tuple[dict[str, Any], str, Any]] = [
    ({"method": "SUBSCRIBE", "params": [TRADE, DEPTH], "id": 1}, "", {"result": None, "id": 1}),
    ({"method": "LIST_SUBSCRIPTIONS", "id": "a3"}, "result", [TRADE, DEPTH]),
    ({"method": "UNSUBSCRIBE", "params": [DEPTH], "id": 2}, "result", None),
    ({"method": "LIST_SUBSCRIPTIONS", "id": UNLIKE}, "id", UNLIKE),
    ({"method": "LIST_SUBSCRIPTIONS", "id": 3}, "result", [TRADE]),
    ({"method": "GET_PROPERTY", "params": ["combined"], "id": 4}, "result", False),
    ({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}, "result", None),
    ({"method": "GET_PROPERTY", "params": ["combined"], "id": 6}, "result", True),
    ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 7}, "error", 1),
    ({"method": "SET_PROPERTY", "params": ["colour", True], "id": 7}, "error", 0),
    ({"params": [], "id": 9}, "error", 2),
]


def test_control_messages(served) -> None:
    server = served()
    with Socket(f"{server.ws_url}/ws") as stream:

        def say(text: str) -> Any:
            stream.ws.send(text)
            return stream.event(lambda told: "id" in told or "error" in told)

        for asked, part, wanted in CONTROL:
            told = say(json.dumps(asked))
            found = told[part] if part else told
            assert (found["code"] if part == "error" else found) == wanted, asked
        unknown = say(json.dumps({"method": "NOPE", "id": 8}))
        assert "unknown variant `NOPE`" in unknown["error"]["msg"]
        assert say("{")["error"]["code"] == 3


def test_a_listen_key_hears_its_account(served) -> None:
    server = served(listen_keys=True)
    rest = Rest(server)
    listen = rest.ask("POST", "/api/v3/userDataStream").json()["listenKey"]
    with Socket(f"{server.ws_url}/ws/{listen}") as stream:
        rest.ask("GET", "/api/v3/ping")
        placed = rest.signed("POST", "/api/v3/order", **ORDER, newClientOrderId="mine").json()
        new = stream.event(lambda told: told["e"] == "executionReport")
        assert (new["x"], new["X"], new["c"], new["i"]) == ("NEW", "NEW", "mine", placed["orderId"])
        locked = stream.event(lambda told: told["e"] == "outboundAccountPosition")
        assert {one["a"]: one["l"] for one in locked["B"]}["USDT"] == "140.00000000"
        rest.signed(
            "DELETE",
            "/api/v3/order",
            symbol=SYMBOL,
            origClientOrderId="mine",
            newClientOrderId="bye",
        )
        gone = stream.event(lambda told: told.get("x") == "CANCELED")
        assert (gone["c"], gone["C"], gone["X"]) == ("bye", "mine", "CANCELED")
        rest.ask("POST", "/tercel/v1/deposit", asset="USDT", amount="-3")
        too_much = rest.ask("POST", "/tercel/v1/deposit", asset="USDT", amount="-99999999")
        assert too_much.status_code == 400
        came = stream.event(lambda told: told["e"] == "balanceUpdate")
        assert (came["a"], came["d"]) == ("USDT", "-3.00000000")


def test_the_websocket_api_trades_and_tells(served) -> None:
    server = served()
    with Socket(server.ws_api_url) as api:
        assert api.call("ping")["result"] == {}
        assert abs(api.call("time")["result"]["serverTime"] - time.time() * 1000) < 60_000
        subscribed = api.signed("userDataStream.subscribe.signature")
        assert subscribed["result"] == {"subscriptionId": 0}
        assert api.signed("userDataStream.subscribe.signature")["error"]["code"] == -2035
        placed = api.signed("order.place", **ORDER, newClientOrderId="mine")
        assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
        assert {(one["rateLimitType"], one["count"]) for one in placed["rateLimits"]} >= {
            ("ORDERS", 1)
        }
        event = api.event(lambda told: told.get("event", {}).get("e") == "executionReport")
        assert (event["subscriptionId"], event["event"]["c"]) == (0, "mine")
        status = api.signed("order.status", symbol=SYMBOL, origClientOrderId="mine")
        assert status["result"]["orderId"] == placed["result"]["orderId"]
        how = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "mine"}
        swapped = api.signed("order.cancelReplace", **ORDER, **how)
        assert swapped["result"]["newOrderResult"] == "SUCCESS"
        number = swapped["result"]["newOrderResponse"]["orderId"]
        fewer = api.signed("order.amend.keepPriority", symbol=SYMBOL, orderId=number, newQty="4")
        assert fewer["result"]["amendedOrder"]["qty"] == "4.00000000"
        (told,) = api.signed("order.amendments", symbol=SYMBOL, orderId=number)["result"]
        assert (told["origQty"], told["newQty"]) == ("10.00000000", "4.00000000")
        replaced = api.event(lambda told: told.get("event", {}).get("x") == "REPLACED")["event"]
        assert (replaced["c"], replaced["I"]) == (told["newClientOrderId"], told["executionId"])
        assert (replaced["q"], replaced["C"]) == (
            "4.00000000",
            swapped["result"]["newOrderResponse"]["clientOrderId"],
        )
        assert (
            api.signed("order.cancel", symbol=SYMBOL, orderId=number)["result"]["status"]
            == "CANCELED"
        )
        assert api.signed("account.status")["result"]["balances"]
        assert api.call("depth", symbol=SYMBOL, limit=5)["result"]["bids"]
        assert "rateLimits" not in api.call("time", returnRateLimits=False)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("order.dance", {}, -1020),
        ("order.place", {"apiKey": KEY}, -1102),
        ("order.place", {"apiKey": "nobody"}, -2015),
        ("account.status", {}, -1102),
        ("depth", {"symbol": "NOPE"}, -1121),
        ("userDataStream.subscribe", {}, -1002),
        ("userDataStream.unsubscribe", {}, -2036),
        ("session.logon", {"apiKey": KEY, "timestamp": 1, "signature": "x"}, -1021),
    ],
)
def test_the_websocket_api_refuses_in_binances_words(served, method, params, code) -> None:
    with Socket(served().ws_api_url) as api:
        assert api.call(method, **params)["error"]["code"] == code
        api.ws.send("no json")
        assert api.read()["error"]["code"] == -1135


def test_a_session_that_logs_on_signs_no_more(served) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made, none = Ed25519PrivateKey.generate(), serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    private = made.private_bytes(pem, serialization.PrivateFormat.PKCS8, none).decode()
    public = (
        made.public_key()
        .public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    server = served(keys=[ApiKey(KEY, ACCOUNT, public=public)])

    def now() -> int:
        return time.time_ns() // 10**6

    with Socket(server.ws_api_url) as api:
        pairs = {"apiKey": KEY, "timestamp": now()}
        signature = signer(private, "the test")(sorted_payload(pairs))
        assert api.call("session.logon", **pairs, signature=signature)["result"]["apiKey"] == KEY
        assert api.call("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
        assert api.call("order.place", **ORDER, timestamp=now())["result"]["status"] == "NEW"
        assert api.event(lambda told: told.get("event", {}).get("x") == "NEW")
        assert api.call("account.status")["error"]["code"] == -1102  # a timestamp is needed still
        assert api.call("session.status")["result"]["userDataStream"] is True
        assert api.call("session.logout")["result"]["apiKey"] is None
        ended = api.event(lambda told: told.get("event", {}).get("e") == "eventStreamTerminated")
        assert ended["subscriptionId"] == 0
        assert api.call("order.place", **ORDER, timestamp=now())["error"]["code"] == -1102


def test_a_key_of_hmac_may_not_log_on(served) -> None:
    with Socket(served().ws_api_url) as api:
        assert api.signed("session.logon")["error"]["code"] == -1020


def test_signatures_of_the_documents_examples() -> None:
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    params = {
        "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
        "price": "52000.00", "recvWindow": 100, "timestamp": 1645423376532,
        "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    }  # fmt: skip
    wanted = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"  # web-socket-api.md, line 815
    assert hmac_signer(secret)(sorted_payload(params)) == wanted


def test_the_market_goes_on_at_its_speed(served) -> None:
    server = served(speed=1000.0)
    rest = Rest(server)
    began = rest.ask("GET", "/api/v3/time").json()["serverTime"]
    until(
        lambda: rest.ask("GET", "/api/v3/time").json()["serverTime"] - began > 60_000,
        what="a minute of the market",
    )
    assert rest.signed("GET", "/api/v3/account").status_code == 200  # stamped by the wall's clock

    def by_the_market() -> bool:  # its minute is 60 ms here: a request may come too late
        now = rest.ask("GET", "/api/v3/time").json()["serverTime"]
        return (
            rest.signed("GET", "/api/v3/account", timestamp=now, recvWindow=60_000).status_code
            == 200
        )

    until(by_the_market, what="a request stamped by the market's clock")


def test_times_come_in_microseconds_where_they_are_asked_for(served) -> None:
    server = served(speed=30.0)
    rest = Rest(server)

    def asked(unit: str, path: str = "time") -> Any:
        return rest.http.get(
            f"/api/v3/{path}", headers={"X-MBX-TIME-UNIT": unit} if unit else {}
        ).json()

    for unit in ("MICROSECOND", "microsecond"):
        assert 10**15 < asked(unit)["serverTime"] < 10**16
    assert 10**12 < asked("")["serverTime"] < 10**13
    assert asked("NANOSECOND")["code"] == -1194
    bar = asked("MICROSECOND", f"klines?symbol={SYMBOL}&interval=1m")[-1]
    assert (bar[0] % 60_000_000, bar[6] - bar[0]) == (0, 59_999_999)
    micro = f"{server.ws_url}/stream?streams={STREAM}@trade&timeUnit=MICROSECOND"
    with Socket(micro) as fine, Socket(f"{server.ws_url}/ws/{STREAM}@trade") as coarse:
        rest.signed("POST", "/api/v3/order", **SELL)
        plain, told = coarse.read(), fine.read()["data"]
        while told["t"] < plain["t"]:
            told = fine.read()["data"]
        assert (told["t"], told["T"] // 1000) == (plain["t"], plain["T"])
    with Socket(f"{server.ws_api_url}?timeUnit=MICROSECOND") as api:
        api.signed("userDataStream.subscribe.signature")
        placed = api.signed("order.place", **ORDER)["result"]
        event = api.event(lambda one: one.get("event", {}).get("x") == "NEW")["event"]
        assert event["T"] == placed["transactTime"] > 10**15
    with pytest.raises(InvalidStatus):
        Socket(f"{server.ws_url}/ws/{STREAM}@trade?timeUnit=SECOND")


def test_who_says_more_than_five_things_a_second_is_cut_off(served) -> None:
    server = served(limits=RateLimits())
    with Socket(f"{server.ws_url}/ws") as stream:
        for number in range(5):
            stream.ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        assert [stream.read()["id"] for _ in range(5)] == [0, 1, 2, 3, 4]
        stream.ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 5}))
        with pytest.raises(ConnectionClosed):
            stream.read()


def test_who_says_five_things_a_second_is_not(served) -> None:
    seconds = iter(range(0, 10**6))
    server = served(
        limits=RateLimits(), wall_ns=lambda: time.time_ns() + next(seconds) * 200_000_000
    )
    with Socket(f"{server.ws_url}/ws") as stream:
        for number in range(30):
            stream.ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            assert stream.read()["id"] == number
