"""REST against the published OpenAPI and the documented errors.

Where the OpenAPI (`spot_api.yaml`) disagrees with `rest-api.md` the latter holds; `AMENDED` has those places.
"""

import select
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from tests.exchange.binance.client import Rest
from tests.exchange.binance.conftest import started

from exchange.binance.endpoints import endpoints
from exchange.binance.limits import PATIENCE, RateLimits, RateUsage
from exchange.binance.words import BinanceError

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")


def amend(schema: dict[str, Any]) -> None:
    """Put right what the OpenAPI says and `rest-api.md` does not."""
    at = schema["paths"]

    def ok(path: str, method: str) -> Any:
        return at[path][method]["responses"]["200"]["content"]["application/json"]

    # aggTrades: "T": 1498793709153, a timestamp (rest-api.md, line 1108); the OpenAPI has a boolean
    resolved(schema, resolved(schema, ok("/api/v3/aggTrades", "get")["schema"])["items"])[
        "properties"
    ]["T"] = {"type": "integer"}
    # exchangeInfo: filters of each kind have their own fields (filters.md); the OpenAPI has those of PRICE_FILTER
    info = resolved(schema, ok("/api/v3/exchangeInfo", "get")["schema"])["properties"]["symbols"][
        "items"
    ]
    resolved(schema, info)["properties"]["filters"]["items"] = {
        "type": "object",
        "required": ["filterType"],
    }
    # cancelReplace: newOrderResponse.fills are objects (rest-api.md, line 2261)
    replaced = resolved(schema, ok("/api/v3/order/cancelReplace", "post")["schema"])
    resolved(schema, replaced["properties"]["newOrderResponse"])["properties"]["fills"]["items"] = {
        "type": "object"
    }


def resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = schema
        for name in part["$ref"].split("/")[1:]:
            found = found[name]
        part = found
    return part


@cache
def published(peers: Path) -> dict[str, Any]:
    found = yaml.safe_load((peers / "binance" / "spot_api.yaml").read_text())
    amend(found)
    return found


@pytest.fixture
def judge(shared_peers) -> Callable[[str, str, Any], None]:
    schema = published(shared_peers)

    def check(method: str, path: str, answer: Any) -> None:
        where = schema["paths"][path][method.lower()]["responses"]["200"]["content"][
            "application/json"
        ]["schema"]
        validator = jsonschema.Draft202012Validator(
            {**resolved(schema, where), "components": schema["components"]}
        )
        # a full answer is a result with fills, and an acknowledgement: of several that fit, one is enough
        errors = [one for one in validator.iter_errors(answer) if not more_than_one(one)]
        assert not errors, (
            f"{method} {path}: {errors[0].message} at {list(errors[0].absolute_path)}"
        )

    return check


def more_than_one(error: Any) -> bool:
    return error.validator == "oneOf" and not error.context


def test_every_answer_is_as_the_openapi_has_it(served, judge) -> None:
    server = served(listen_keys=True)
    rest, symbol = Rest(server), "CSCOUSDT"
    bid = rest.ask("GET", "/api/v3/ticker/bookTicker", symbol=symbol).json()["bidPrice"]
    order = {
        "symbol": symbol,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "100",
        "price": bid,
    }
    market = {"symbol": symbol, "side": "SELL", "type": "MARKET", "quantity": "100"}
    seen = set()

    def look(method: str, path: str, status: int = 200, signed: bool = True, **params: Any) -> Any:
        answer = (rest.signed if signed else rest.ask)(method, f"/api/v3/{path}", **params)
        assert answer.status_code == status, answer.text
        judge(method, f"/api/v3/{path}", answer.json())
        seen.add((method, f"/api/v3/{path}"))
        return answer.json()

    look("POST", "order", **market)
    for path in (
        "ping",
        "time",
        "exchangeInfo",
        "ticker/24hr",
        "ticker/price",
        "ticker/bookTicker",
    ):
        look("GET", path, signed=False)
    for path in (
        "depth",
        "trades",
        "historicalTrades",
        "aggTrades",
        "avgPrice",
        "ticker",
        "ticker/tradingDay",
    ):
        assert look("GET", path, signed=False, symbol=symbol)
    assert look("GET", "historicalTrades", signed=False, symbol=symbol, fromId=2**63 - 1) == []
    for path in ("klines", "uiKlines"):
        assert look("GET", path, signed=False, symbol=symbol, interval="1s")
    for path in ("ticker/24hr", "ticker/tradingDay", "ticker/price", "ticker/bookTicker"):
        look("GET", path, signed=False, symbols=f'["{symbol}"]')
    for shape in ("ACK", "RESULT", "FULL"):
        told = look("POST", "order", **order, newOrderRespType=shape)
    look("POST", "order/test", **order)
    assert look("GET", "order", symbol=symbol, orderId=told["orderId"])["status"] == "NEW"
    assert len(look("GET", "openOrders")) == 3
    how = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": told["orderId"]}
    swapped = look("POST", "order/cancelReplace", **order, **how)
    assert swapped["newOrderResponse"]["status"] == "NEW"
    look("DELETE", "order", symbol=symbol, orderId=swapped["newOrderResponse"]["orderId"])
    assert len(look("DELETE", "openOrders", symbol=symbol)) == 2
    for path in ("allOrders", "myTrades", "account/commission"):
        assert look("GET", path, symbol=symbol)
    for path in ("account", "rateLimit/order"):
        assert look("GET", path)
    for path in ("openOrderList", "allOrderList"):
        assert look("GET", path) == []
    for path in ("myPreventedMatches", "myAllocations"):
        assert look("GET", path, symbol=symbol) == []
    dear = {"price": f"{float(bid) + 0.05:.2f}"}
    offer = look("POST", "order", **order | dear | {"side": "SELL"})["orderId"]
    both = {"quantity": "40000", "selfTradePreventionMode": "EXPIRE_BOTH"}
    refused = look("POST", "order", **order | dear | both)
    assert refused["status"] == "EXPIRED_IN_MATCH"
    (match,) = look("GET", "myPreventedMatches", symbol=symbol, orderId=offer)
    assert (match["takerOrderId"], match["makerOrderId"]) == (refused["orderId"], offer)
    assert match["preventedMatchId"] == refused["preventedMatchId"]
    assert look("GET", "order", symbol=symbol, orderId=offer)["status"] == "EXPIRED_IN_MATCH"
    listen = look("POST", "userDataStream", signed=False)["listenKey"]
    look("PUT", "userDataStream", signed=False, listenKey=listen)
    look("DELETE", "userDataStream", signed=False, listenKey=listen)
    documented = {key for key in server.desk.by_path if key[1] not in UNPUBLISHED}
    assert documented <= seen, documented - seen


UNPUBLISHED = {
    "/api/v3/order/amendments",  # rest-api.md, line 4853; younger than the OpenAPI
    "/api/v3/order/amend/keepPriority",  # rest-api.md, line 2996; younger than the OpenAPI
    "/sapi/v1/account/apiRestrictions",
    "/sapi/v1/asset/tradeFee",
    "/sapi/v1/capital/config/getall",
    "/sapi/v1/margin/allPairs",
    "/sapi/v1/margin/isolated/allPairs",
    "/sapi/v1/spot/delist-schedule",
}


ORDER = {
    "symbol": "CSCOUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "100",
    "price": "15.00",
}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"price": "15.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.5"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "99999999999"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "1", "price": "4.00"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "999.00"}, -1013, "Filter failure: PERCENT_PRICE"),
        ({"price": "1.00"}, -1013, "Filter failure: PERCENT_PRICE"),
        ({"price": "15.123456789"}, -1111, "too much precision"),
        ({"price": "1e1"}, -1100, "Illegal characters found in parameter 'price'"),
        ({"price": "-15"}, -1100, "Illegal characters"),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"symbol": "cscousdt"}, -1100, "Illegal characters found in parameter 'symbol'"),
        ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent"),
        ({"side": "LONG"}, -1117, "Invalid side."),
        ({"type": "PEG"}, -1116, "Invalid orderType."),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce'"),
        ({"price": None}, -1102, "Mandatory parameter 'price'"),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"type": "MARKET"}, -1106, "sent when not required"),
        (
            {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None},
            -1102,
            "'quoteOrderQty' must be",
        ),
        (
            {"type": "LIMIT_MAKER", "timeInForce": None, "price": "20.00"},
            -2010,
            "would immediately match and take",
        ),
        ({"type": "STOP_LOSS", "stopPrice": "14"}, -2010, "Stop loss orders are not supported"),
        ({"icebergQty": "10"}, -2010, "Iceberg orders are not supported"),
        ({"quantity": "900000"}, -2010, "insufficient balance"),
        ({"newClientOrderId": "a b"}, -1100, "legal range is '^[a-zA-Z0-9-_]{1,36}$'"),
        ({"newOrderRespType": "ALL"}, -1130, "newOrderRespType"),
        ({"selfTradePreventionMode": "DECREMENT"}, -2010, "specified self-trade prevention mode"),
        ({"strategyType": "5"}, -1134, "strategyType"),
        ({"colour": "blue"}, -1104, "Not all sent parameters were read"),
        ({"timestamp": 1}, -1021, "outside of the recvWindow"),
        ({"timestamp": 10**14 - 1}, -1021, "1000ms ahead of the server's time"),
        ({"timestamp": None}, -1102, "Mandatory parameter 'timestamp'"),
        ({"recvWindow": 60_001}, -1131, "'recvWindow' must be less than 60000."),
    ],
)
@pytest.mark.parametrize("path", ["/api/v3/order", "/api/v3/order/test"])
def test_what_is_wrong_has_binances_code(one_server, path, change, code, words) -> None:
    answer = Rest(one_server).signed("POST", path, **(ORDER | change))
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert words in answer.json()["msg"]


@pytest.fixture(scope="module")
def one_server() -> Any:
    with started() as server:
        yield server


@pytest.mark.parametrize(
    ("method", "path", "params", "code"),
    [
        ("GET", "/api/v3/order", {"symbol": "CSCOUSDT", "orderId": 999}, -2013),
        ("DELETE", "/api/v3/order", {"symbol": "CSCOUSDT", "orderId": 999}, -2011),
        ("DELETE", "/api/v3/order", {"symbol": "CSCOUSDT"}, -1102),
        ("DELETE", "/api/v3/openOrders", {"symbol": "CSCOUSDT"}, -2011),
        ("GET", "/api/v3/depth", {"symbol": "CSCOUSDT", "limit": "x"}, -1100),
        ("GET", "/api/v3/klines", {"symbol": "CSCOUSDT", "interval": "7m"}, -1120),
        (
            "GET",
            "/api/v3/klines",
            {"symbol": "CSCOUSDT", "interval": "1d", "timeZone": "15"},
            -1130,
        ),
        (
            "GET",
            "/api/v3/klines",
            {"symbol": "CSCOUSDT", "interval": "1d", "timeZone": "-12:30"},
            -1130,
        ),
        (
            "GET",
            "/api/v3/klines",
            {"symbol": "CSCOUSDT", "interval": "1d", "timeZone": "8:60"},
            -1130,
        ),
        ("GET", "/api/v3/ticker", {"symbol": "CSCOUSDT", "windowSize": "0m"}, -1130),
        ("GET", "/api/v3/ticker/24hr", {"symbol": "CSCOUSDT", "symbols": '["CSCOUSDT"]'}, -1101),
        ("GET", "/api/v3/ticker/24hr", {"symbols": '["CSCOUSDT","CSCOUSDT"]'}, -1151),
        ("GET", "/api/v3/ticker/24hr", {"symbol": "CSCOUSDT", "type": "X"}, -1139),
        ("GET", "/api/v3/depth", {"symbol": "CSCOUSDT", "symbolStatus": "HALT"}, -1220),
        (
            "GET",
            "/api/v3/allOrders",
            {"symbol": "CSCOUSDT", "startTime": 0, "endTime": 10**9},
            -1127,
        ),
        ("GET", "/api/v3/nothing", {}, -1020),
    ],
)
def test_questions_that_have_no_answer(one_server, method, path, params, code) -> None:
    rest = Rest(one_server)
    private = "rder" in path.rsplit("/", 1)[1]
    answer = (rest.signed if private else rest.ask)(method, path, **params)
    assert answer.json()["code"] == code, answer.text
    assert 400 <= answer.status_code < 500


def test_listen_keys_are_gone_unless_they_are_asked_for(one_server, served) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = Rest(one_server).ask(method, "/api/v3/userDataStream", listenKey="x")
        assert (answer.status_code, answer.json()["code"]) == (410, -1020)
    unknown = Rest(served(listen_keys=True)).ask("PUT", "/api/v3/userDataStream", listenKey="x")
    assert (unknown.status_code, unknown.json()["code"]) == (400, -1125)


def test_who_signs_wrongly_is_not_let_in(one_server) -> None:
    def refused(rest: Rest) -> tuple[int, int]:
        answer = rest.signed("GET", "/api/v3/account")
        return answer.status_code, answer.json()["code"]

    assert refused(Rest(one_server, secret="t" * 64)) == (400, -1022)
    assert refused(Rest(one_server, key="x" * 64)) == (401, -2015)
    assert refused(Rest(one_server, key="")) == (401, -2014)
    unsigned = Rest(one_server).ask("GET", "/api/v3/account", timestamp=1)
    assert (
        unsigned.json()["msg"].startswith("Mandatory parameter 'signature'")
        or unsigned.json()["code"] == -1021
    )


def test_what_clients_ask_the_wallet_when_they_begin(one_server) -> None:
    rest = Rest(one_server)
    fees = [
        {"symbol": "CSCOUSDT", "makerCommission": "0.00100000", "takerCommission": "0.00100000"}
    ]
    assert rest.signed("GET", "/sapi/v1/asset/tradeFee").json() == fees
    assert rest.signed("GET", "/sapi/v1/asset/tradeFee", symbol="CSCOUSDT").json() == fees
    assert rest.signed("GET", "/sapi/v1/asset/tradeFee", symbol="X").json()["code"] == -1121
    assert rest.signed("GET", "/sapi/v1/spot/delist-schedule").json() == []


@pytest.mark.long
def test_an_idle_connection_stays_open(one_server) -> None:
    """An order that is sent while the server closes is lost; uvicorn would close after five seconds."""
    with socket.create_connection(("127.0.0.1", one_server.port)) as one:
        one.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200")
        assert select.select([one], [], [], 7.0)[0] == []


PUBLISHED_WEIGHTS = {
    "ping": 1,
    "time": 1,
    "exchangeInfo": 20,
    "trades": 25,
    "klines": 2,
    "account": 20,
    "allOrders": 20,
    "openOrderList": 6,
    "allOrderList": 20,
    "rateLimit/order": 40,
    "myAllocations": 20,
    "account/commission": 20,
}
"""Fixed weights of Binance's REST API for spot, by path (its documentation, requests for data and for an account)."""


def test_weights_are_those_that_binance_publishes() -> None:
    weights = {
        endpoint.path.removeprefix("/api/v3/"): endpoint.weight
        for endpoint in endpoints(MagicMock(), MagicMock())
        if endpoint.method == "GET"
    }
    assert {path: weights[path] for path in PUBLISHED_WEIGHTS} == PUBLISHED_WEIGHTS


def test_weight_is_told_and_over_the_limit_comes_429_then_a_ban(served) -> None:
    rest = Rest(served(limits=RateLimits(weight=60)))
    seen = [rest.ask("GET", "/api/v3/exchangeInfo") for _ in range(3)]
    used = [int(one.headers["X-MBX-USED-WEIGHT-1M"]) for one in seen]
    assert used[0] >= 20
    answers = [rest.ask("GET", "/api/v3/exchangeInfo") for _ in range(2 * PATIENCE + 6)]
    codes = [one.status_code for one in answers]
    assert 429 in codes
    assert codes[-1] == 418
    assert {one.json()["code"] for one in answers if one.status_code in (418, 429)} == {-1003}
    assert all(
        int(one.headers["Retry-After"]) > 0 for one in answers if one.status_code in (418, 429)
    )


def test_limits_begin_anew_with_their_interval_and_a_ban_ends() -> None:
    clock = [0]
    usage = RateUsage(RateLimits(weight=10, orders=2), lambda: clock[0])
    assert usage.ask("a", 10) == 10
    with pytest.raises(BinanceError, match="used; current limit is 10 request weight per 1 MINUTE"):
        usage.ask("a", 1)
    assert usage.ask("b", 1) == 1
    clock[0] = 60_000
    assert usage.ask("a", 1) == 1
    usage.order("me")
    usage.order("me")
    with pytest.raises(
        BinanceError, match="Too many new orders; current limit is 2 orders per 10 SECOND"
    ):
        usage.order("me")
    usage.record_fill("me")
    usage.order("me")
    for _ in range(PATIENCE + 1):
        with pytest.raises(BinanceError):
            usage.ask("a", 10)
    with pytest.raises(BinanceError, match="IP banned until") as banned:
        usage.ask("a", 1)
    clock[0] = banned.value.retry_ms
    assert usage.ask("a", 1) == 1


def test_orders_over_the_limit_are_refused_and_filled_ones_do_not_count(served) -> None:
    server = served(limits=RateLimits(orders=5))
    rest = Rest(server)
    one = {"symbol": "CSCOUSDT", "side": "BUY", "type": "MARKET", "quantity": 1}
    filled = [rest.signed("POST", "/api/v3/order", **one) for _ in range(12)]
    assert {each.status_code for each in filled} == {200}
    assert filled[-1].headers["X-MBX-ORDER-COUNT-10S"] == "0"
    resting = [
        rest.signed("POST", "/api/v3/order", **(ORDER | {"price": "14.00"})) for _ in range(40)
    ]
    refused = next(one for one in resting if one.status_code != 200)
    assert (refused.status_code, refused.json()["code"]) == (429, -1015)


def test_a_cancel_that_fails_stops_its_new_order_or_does_not(one_server) -> None:
    rest = Rest(one_server)
    cheap = ORDER | {"price": "14.00"}

    def swap(mode: str, **params: Any) -> Any:
        return rest.signed(
            "POST", "/api/v3/order/cancelReplace", **(cheap | params), cancelReplaceMode=mode
        )

    stopped = swap("STOP_ON_FAILURE", cancelOrderId=10**6)
    assert (stopped.status_code, stopped.json()["code"]) == (400, -2022)
    assert stopped.json()["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    went_on = swap("ALLOW_FAILURE", cancelOrderId=10**6)
    assert (went_on.status_code, went_on.json()["code"]) == (409, -2021)
    placed = went_on.json()["data"]["newOrderResponse"]
    maker = {"type": "LIMIT_MAKER", "timeInForce": None, "price": "20.00"}
    half = swap("STOP_ON_FAILURE", cancelOrderId=placed["orderId"], **maker)
    assert (half.status_code, half.json()["data"]["cancelResult"]) == (409, "SUCCESS")
    assert half.json()["data"]["newOrderResponse"]["code"] == -2010
