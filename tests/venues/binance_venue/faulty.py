"""A relay between a venue and a server that does to messages what networks, gateways and busy exchanges do."""

import json
import re
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.sync.server import Server, ServerConnection, serve

LATE_S = 0.25
MUCH_LATER_S = 1.0
HOUR_MS = 3_600_000
BROKEN = (WebSocketException, OSError, EOFError)
UP = (
    "cut before it arrives", "cut before the answer", "late", "doubled", "429", "418", "-1007 and never arrives",
    "-1007 and was done", "-1007 and arrives later", "503 and never arrives", "503 and was done",
)  # fmt: skip
"""Of requests about orders; doubled are cancels alone. TLS lets nobody double a message, and Binance takes a name twice
once the first order of it is over."""
DOWN = (
    "cut", "late", "doubled", "reordered", "half a frame", "html", "nothing in it", "much later", "all again",
    "exchanged", "an hour ahead", "numbers as strings", "strings as numbers",
)  # fmt: skip
"""Of answers and events of the account; exchanged: with the number of another request."""
MARKET = (
    "cut",
    "doubled",
    "reordered",
    "half a frame",
    "lost",
    "html",
    "an hour ahead",
    "strings as numbers",
)
"""Of market data."""
KINDS = (
    *(f"request: {one}" for one in UP),
    *(f"answer: {one}" for one in DOWN),
    *(f"market: {one}" for one in MARKET),
)


def ahead(told: Any) -> Any:
    """An event as by a clock that is an hour ahead."""
    event = told.get("event") or told.get("data") or {}
    event |= {key: event[key] + HOUR_MS for key in ("E", "T", "u", "W") if isinstance(event.get(key), int)
              and event[key] > HOUR_MS}  # fmt: skip
    return told


def in_strings(told: Any, outer: bool = True) -> Any:
    """A message whose numbers are strings, but for those of the API's own frame."""
    if isinstance(told, dict):
        kept = ("id", "status", "subscriptionId") if outer else ()
        return {
            key: value if key in kept else in_strings(value, False) for key, value in told.items()
        }
    if isinstance(told, list):
        return [in_strings(one, False) for one in told]
    return str(told) if isinstance(told, int | float) and not isinstance(told, bool) else told


def in_numbers(text: str) -> str:
    """A message whose decimals are numbers."""
    return re.sub(r'"(-?[0-9]+\.[0-9]+)"', r"\1", text)


class _Relay:
    """One connection and the one behind it."""

    def __init__(self, proxy: "FaultProxy", client: ServerConnection, up: Connection) -> None:
        self.proxy, self.client, self.behind = proxy, client, up
        self.market = "/stream" in (client.request.path if client.request else "")
        self.swallowed: set[int] = set()
        self.held: list[str] = []
        self.lock = threading.Lock()
        self.waiting = ""
        """An answer that takes the number of the next one."""

    def run(self) -> None:
        thread = threading.Thread(target=self._down, daemon=True)
        thread.start()
        with suppress(*BROKEN):
            for text in self.client:
                self._up(str(text))
        self.cut()
        thread.join()

    def cut(self) -> None:
        for one in (self.client, self.behind):
            with suppress(OSError):
                one.socket.shutdown(socket.SHUT_RDWR)

    def _up(self, text: str) -> None:
        asked = json.loads(text)
        method = str(asked.get("method", ""))
        kind = self.proxy.fires("request", method) if method.startswith("order.") else ""
        if kind == "late":
            time.sleep(LATE_S)
        elif kind == "-1007 and arrives later":  # and what is said after it arrives before
            self.swallowed.add(asked["id"])
            self.refuse(asked, 408, -1007, "Timeout waiting for response from backend server.")
            threading.Timer(LATE_S, self._forward, [text]).start()
            return
        elif kind in ("429", "418"):
            now = time.time_ns() // 1_000_000
            self.refuse(
                asked,
                int(kind),
                -1003,
                "Too much request weight used.",
                {"serverTime": now, "retryAfter": now + 300},
            )
            return
        elif kind.startswith(("-1007", "503")):
            code = -1007 if kind.startswith("-1007") else -1000
            self.refuse(
                asked,
                408 if code == -1007 else 503,
                code,
                "Timeout waiting for response from backend server.",
            )
            if kind.endswith("never arrives"):
                return
            self.swallowed.add(asked["id"])
        elif kind == "cut before it arrives":
            self.cut()
            return
        self._forward(text)
        if kind == "doubled":
            self._forward(text)
        if kind == "cut before the answer":  # what was sent is delivered all the same
            self.cut()

    def _forward(self, text: str) -> None:
        with suppress(*BROKEN):
            self.behind.send(text)

    def refuse(self, asked: Any, status: int, code: int, msg: str, data: Any = None) -> None:
        error = {"code": code, "msg": msg} | ({} if data is None else {"data": data})
        self.say(json.dumps({"id": asked["id"], "status": status, "error": error}))

    def say(self, text: str) -> None:
        with self.lock, suppress(*BROKEN):
            self.client.send(text)

    def _down(self) -> None:
        with suppress(*BROKEN):
            while True:
                try:
                    text = str(self.behind.recv(timeout=0.2 if self.held else None))
                except TimeoutError:
                    self._let_go()
                    continue
                self._heard(text)
        self.cut()

    def _let_go(self) -> None:
        held, self.held = self.held, []
        for text in held:
            self.say(text)

    def _heard(self, text: str) -> None:
        told = json.loads(text)
        if told.get("id") in self.swallowed and "event" not in told and not self.market:
            return
        if "event" in told:
            self.proxy.events.append(text)
        kind = (
            self.proxy.fires("market" if self.market else "answer", good=told.get("status") == 200)
            if "result" not in told or not self.market
            else ""
        )
        if kind == "cut":
            self.cut()
        elif kind == "half a frame":
            half = text.encode()[: len(text) // 2]
            with self.lock, suppress(OSError):
                self.client.socket.sendall(
                    b"\x81\x7f" + len(text.encode()).to_bytes(8, "big") + half
                )
            self.cut()
        elif kind == "reordered":
            self.held.append(text)
            return
        elif kind == "late":
            time.sleep(LATE_S)
        elif kind == "much later":
            threading.Timer(MUCH_LATER_S, self.say, [text]).start()
        elif kind == "all again":
            for each in list(self.proxy.events):
                self.say(each)
        elif kind == "exchanged":
            self.waiting = text
            threading.Timer(LATE_S, self._unheld).start()
            return
        text = self._bent(kind, text, told)
        if kind not in ("cut", "half a frame", "lost", "much later"):
            self.say(text)
            if kind == "doubled":
                self.say(text)
        self._let_go()

    def _bent(self, kind: str, text: str, told: Any) -> str:
        """A message as it is said."""
        if kind == "html":
            return "<html><body>502 Bad Gateway</body></html>"
        if kind == "nothing in it":
            return (
                json.dumps({"id": told["id"], "status": 200, "result": None})
                if "id" in told
                else "{}"
            )
        if kind == "an hour ahead":
            return json.dumps(ahead(told))
        if kind == "numbers as strings":
            return json.dumps(in_strings(told))
        if kind == "strings as numbers":
            return in_numbers(text)
        if self.waiting and told.get("status") == 200:
            held, self.waiting = json.loads(self.waiting), ""
            self.say(json.dumps(held | {"id": told["id"]}))
            return json.dumps(told | {"id": held["id"]})
        return text

    def _unheld(self) -> None:
        held, self.waiting = self.waiting, ""
        if held:
            self.say(held)


class FaultProxy:
    """Relays WebSockets to a server; a fault that is armed befalls the next message that it is of."""

    def __init__(self, ws_url: str, ws_api_url: str) -> None:
        self._ws, self._api = ws_url, ws_api_url
        self._armed: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self.events: list[str] = []
        """Of the account, as they were told."""
        self.fired: Counter[str] = Counter()
        self._server: Server = serve(self._relay, "127.0.0.1", 0, max_size=None, ping_interval=None)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.relays: list[_Relay] = []

    @property
    def urls(self) -> dict[str, str]:
        base = f"ws://127.0.0.1:{self.port}"
        return {"ws_url": base, "ws_api_url": f"{base}/ws-api/v3"}

    def arm(self, kind: str) -> None:
        where, _, what = kind.partition(": ")
        with self._lock:
            self._armed = [(where, what)]

    def calm(self) -> None:
        with self._lock:
            self._armed = []

    @property
    def waits(self) -> bool:
        return bool(self._armed)

    def fires(self, where: str, method: str = "", good: bool = False) -> str:
        """The fault that befalls a message; "": none."""
        with self._lock:
            if not self._armed or self._armed[0][0] != where:
                return ""
            if self._armed[0] == ("request", "doubled") and method != "order.cancel":
                return ""
            if (
                self._armed[0][1] in ("exchanged", "nothing in it") and not good
            ):  # of answers that are no errors
                return ""
            if self._armed[0][1] == "an hour ahead" and where == "answer" and good:  # of events
                return ""
            what = self._armed.pop()[1]
        self.fired[f"{where}: {what}"] += 1
        return what

    def _relay(self, client: ServerConnection) -> None:
        path = client.request.path if client.request else ""
        where = f"{self._ws}{path}" if path.startswith("/stream") else self._api
        with suppress(*BROKEN), connect(where, max_size=None, ping_interval=None) as up:
            one = _Relay(self, client, up)
            self.relays.append(one)
            one.run()

    def close(self) -> None:
        for one in self.relays:
            one.cut()
        self._server.shutdown()
