"""A small client: signs and sends, over REST and the WebSocket API."""

import hmac
import json
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
from tests.exchange.binance.conftest import KEY, SECRET
from websockets.sync.client import connect

from tercel.venues.binance_venue import hmac_signer, sorted_payload


class Rest:
    """REST of a server."""

    def __init__(self, server: Any, key: str = KEY, secret: str = SECRET) -> None:
        self.http = httpx.Client(base_url=server.url, timeout=60.0)
        self.key, self.secret = key, secret

    def ask(self, method: str, path: str, **params: Any) -> httpx.Response:
        """An unsigned request."""
        return self.http.request(method, path, params=params, headers={"X-MBX-APIKEY": self.key})

    def signed(self, method: str, path: str, **params: Any) -> httpx.Response:
        """A signed request; POST in its body, the others in the query string."""
        pairs = {"timestamp": time.time_ns() // 1_000_000} | params
        query = urlencode({name: value for name, value in pairs.items() if value is not None})
        signature = hmac.new(self.secret.encode(), query.encode(), sha256).hexdigest()
        text, headers = f"{query}&signature={signature}", {"X-MBX-APIKEY": self.key}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return self.http.request(method, path, content=text, headers=headers)
        return self.http.request(method, f"{path}?{text}", headers=headers)


class Socket:
    """A WebSocket that reads JSON."""

    def __init__(self, url: str) -> None:
        # A server that has much to say does not hear the goodbye at once. Newer versions return no connection yet.
        self.ws = connect(url, close_timeout=0.2).__enter__()
        self.waiting: list[Any] = []

    def read(self) -> Any:
        """The next message."""
        return json.loads(self.ws.recv(timeout=60))

    def call(self, method: str, **params: Any) -> Any:
        """A request of the WebSocket API and its answer; events that come before it wait."""
        self.ws.send(json.dumps({"id": 7, "method": method, "params": params}))
        while "id" not in (told := self.read()):
            self.waiting.append(told)
        return told

    def signed(self, method: str, **params: Any) -> Any:
        """The same, signed."""
        pairs = {"apiKey": KEY, "timestamp": time.time_ns() // 1_000_000} | params
        return self.call(method, **pairs, signature=hmac_signer(SECRET)(sorted_payload(pairs)))

    def event(self, holds: Any) -> Any:
        """The next message for which something holds."""
        while True:
            told = self.waiting.pop(0) if self.waiting else self.read()
            if holds(told):
                return told

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.ws.close()
