"""Clients that mean harm: whatever they say is answered in Binance's words, never by a fault of the server."""

import json
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.exchange.binance.client import Rest, Socket
from tests.exchange.binance.conftest import KEY, SECRET

from exchange.binance.serve import BinanceServer
from tercel.venues.binance_venue import SIGNATURE, hmac_signer, sorted_payload

Serve = Callable[..., BinanceServer]
DEEP = "[" * 100_000
NASTY: list[Any] = [
    "", " ", "\0", "\n5", "5\n", "-1", "+1", "0", "00", "1e5", "1E-9", "0x10", "NaN", "Infinity", "٣", "½", "9" * 19,
    "9" * 400, "1." + "0" * 400, ".5", "5.", "null", "true", "[]", "{}", '[""]', '["CSCOUSDT","CSCOUSDT"]', "[" * 9000,
    "a" * 5000, "CSCOUSDT", "cscousdt", "CSCOUSDT\0", "%00", "'; --", "\u2028", "\U0001f600", 2**63, 2**53 + 1,
    "18446744073709551616", "BUY", "LIMIT", "GTC", "1m", "FULL",
]  # fmt: skip
MORE: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, [], {}, [[]], {"a": {}}, [None], ["CSCOUSDT", 5], 10**30, "[" * 100_000,
]  # fmt: skip
"""What only JSON can say."""
SOUND = {
    "symbol": "CSCOUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "5", "price": "15.00",
    "orderId": "1", "limit": "5", "interval": "1m", "asset": "USDT", "newQty": "1",
    "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": "1",
}  # fmt: skip


def drawn(rng: random.Random, reads: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    """Parameters of which most are sound."""
    names = [name for name in reads if rng.random() < 0.7 or name in SOUND]
    sound = {name: SOUND.get(name, "5") for name in names}
    for name in rng.sample(names, min(len(names), rng.randint(0, 3))):
        sound[name] = rng.choice(values)
    return sound | ({"more": "1"} if rng.random() < 0.05 else {})


def test_no_request_of_rest_breaks_the_server(served: Serve) -> None:
    server, rng, codes = served(), random.Random(1), set[int]()
    rest = Rest(server)
    for _ in range(12):
        for (method, path), one in server.desk.by_path.items():
            params = {name: str(value) for name, value in drawn(rng, one.reads, NASTY).items()}
            answer = (rest.signed if rng.random() < 0.9 else rest.ask)(method, path, **params)
            assert answer.status_code < 500, (method, path, params)
            told = answer.json()
            if answer.status_code >= 400 and "code" in told:
                assert told["code"] < 0
                assert told["msg"]
                codes.add(told["code"])
            else:
                assert answer.status_code == 200, (method, path, params, told)
    assert len(codes) > 8
    assert rest.ask("GET", "/api/v3/time").status_code == 200
    assert server.engine.imbalance("TRADER") == {}


def test_no_request_of_the_websocket_api_breaks_the_server(served: Serve) -> None:
    server, rng, codes = served(), random.Random(1), set[int]()
    one = Socket(server.ws_api_url)
    asked = 0
    for _ in range(12):
        for call, endpoint in server.desk.by_call.items():
            params = drawn(rng, endpoint.reads, NASTY + MORE)
            if rng.random() < 0.9:
                params |= {"apiKey": KEY, "timestamp": time.time_ns() // 1_000_000}
                params[SIGNATURE] = hmac_signer(SECRET)(sorted_payload(params))
            asked += 1
            one.ws.send(json.dumps({"id": asked, "method": call, "params": params}))
            told = one.read()
            assert told["id"] == asked, (call, params, told)
            assert told["status"] < 500
            if told["status"] != 200:
                codes.add(told["error"]["code"])
    assert len(codes) > 8
    assert all(code < 0 for code in codes)


@pytest.mark.parametrize(
    "said",
    [
        DEEP, '{"a":' * 100_000, "", "5", "[]", "null", "\0", '{"id": {"a": [1]}}', '{"id": NaN, "method": "ping"}',
        '{"id": 1, "method": 5}', '{"id": 1, "method": "ping", "params": []}', '{"id": 1e400, "method": "ping"}',
        '{"id": 1, "method": "ping", "params": null}', '{"id": ' + "9" * 5000 + "}",
        f'{{"id": 1, "method": "account.status", "params": {{"apiKey": "{KEY}", "timestamp": STAMP, "x": "\\ud800", '
        '"signature": "s"}}',
        '{"id": 1, "method": "\\ud800"}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_and_the_connection_lives(served: Serve, said: str) -> None:
    one = Socket(served().ws_api_url)
    one.ws.send(said.replace("STAMP", str(time.time_ns() // 1_000_000)))
    told = one.read()
    assert told["status"] < 500, told
    assert "error" not in told or told["error"]["code"] < 0
    assert one.call("ping")["status"] == 200


@pytest.mark.parametrize(
    "said",
    [DEEP, '{"method":' * 100_000, "", "5", '{"method": "SUBSCRIBE", "params": [5], "id": 1}'],
)
def test_what_a_stream_cannot_read_is_answered_and_the_connection_lives(
    served: Serve, said: str
) -> None:
    one = Socket(f"{served().ws_url}/ws")
    one.ws.send(said)
    assert "error" in one.read()
    one.ws.send('{"method": "LIST_SUBSCRIPTIONS", "id": 3}')
    assert one.read() == {"result": [], "id": 3}


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\xff\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET /api/v3/time HTTP/9.9\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /%ff%fe?\xff=\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /api/v3/order HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"GET /api/v3/time HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)  # fmt: skip
def test_bytes_that_are_no_http_leave_the_server_as_it_is(served: Serve, said: bytes) -> None:
    server = served()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw,
        suppress(ConnectionError),
    ):
        raw.sendall(said)
        raw.shutdown(socket.SHUT_WR)
        head = raw.recv(1 << 16)
        assert b" 500 " not in head.partition(b"\r\n")[0]
    assert Rest(server).ask("GET", "/api/v3/time").status_code == 200
