"""A local venue that plays recorded messages: a WebSocket server with a snapshot server at the same port.

It sends the messages of a Binance capture one after the other, drops connections where it is told to, starts the next
connection wherever a test says (before what it sent: messages come twice; after it: a gap), and answers ``/depth`` with
the book as it stands after the last diff it sent. The first answer is the snapshot of the capture itself.
"""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Any


class PlayedBinance:
    """Plays the messages of one market.

    Parameters
    ----------
    messages : list of str
        JSON messages in the order of the capture; its snapshot, the one with ``lastUpdateId``, is not sent.
    pause_s : float
        After every hundred messages.
    drops : set of int
        Numbers of messages before which the connection is closed, once each.
    skips : dict
        Number of a message to the number that the next connection starts with when the former was reached by a drop.
    """

    def __init__(
        self,
        messages: list[str],
        pause_s: float = 0.0,
        drops: set[int] | None = None,
        skips: dict[int, int] | None = None,
    ) -> None:
        parsed = [json.loads(text) for text in messages]
        self.messages = [
            text for text, m in zip(messages, parsed, strict=True) if "lastUpdateId" not in m
        ]
        self._parsed = [m["data"] for m in parsed if "lastUpdateId" not in m]
        self._recorded = next(m for m in parsed if "lastUpdateId" in m)
        self._pause_s = pause_s
        self._drops, self._skips = set(drops or ()), dict(skips or {})
        self._book = {(1, p): q for p, q in self._recorded["bids"]} | {
            (-1, p): q for p, q in self._recorded["asks"]
        }
        self._applied, self._update, self._ms = 0, int(self._recorded["lastUpdateId"]), 0
        self._lock = threading.Lock()
        self._answered = 0
        self.start = 0
        """Number of the message that the next connection begins with."""
        self.connections = 0
        self.over = threading.Event()
        """The last message was sent."""
        self._closing = threading.Event()

    # -- running ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> PlayedBinance:
        from websockets.sync.server import serve

        self._server = serve(
            self._play, "127.0.0.1", 0, process_request=self._answer, compression=None, max_size=None
        )  # fmt: skip
        self.port = int(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join(timeout=10)

    @property
    def url(self) -> str:
        """Where the stream is."""
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def snapshot_url(self) -> str:
        """Where the book is asked for."""
        return f"http://127.0.0.1:{self.port}/depth"

    @property
    def information_url(self) -> str:
        """Where tick and lot are asked for."""
        return f"http://127.0.0.1:{self.port}/information"

    # -- the two servers ----------------------------------------------------------------------------------------------

    def _play(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        self.connections += 1
        at = self.start
        try:
            while at < len(self.messages) and not self._closing.is_set():
                if at in self._drops:
                    self._drops.discard(at)
                    self.start = self._skips.get(at, at)
                    connection.close()
                    return
                connection.send(self.messages[at])
                at += 1
                self._advance(at)
                if self._pause_s and at % 100 == 0:
                    time.sleep(self._pause_s)
            if at >= len(self.messages):
                self.over.set()
            while not self._closing.wait(0.05):
                connection.ping().wait(0.2)
        except (ConnectionClosed, OSError):
            return

    def _advance(self, position: int) -> None:
        """Keep the book that a snapshot would show, each diff once."""
        with self._lock:
            for data in self._parsed[self._applied : position]:
                if data.get("e") != "depthUpdate" or data["u"] <= self._update:
                    continue
                self._update, self._ms = data["u"], data.get("T", data["E"])
                for side, levels in ((1, data["b"]), (-1, data["a"])):
                    for price, quantity in levels:
                        self._book[side, price] = quantity
            self._applied = max(self._applied, position)

    def _answer(self, connection: Any, request: Any) -> Any:
        if request.path.startswith("/information"):
            return connection.respond(200, json.dumps(self._information()))
        if not request.path.startswith("/depth"):
            return None
        with self._lock:
            self._answered += 1
            answer = self._recorded if self._answered == 1 else self._snapshot()
        return connection.respond(200, json.dumps(answer))

    def _information(self) -> dict[str, Any]:
        """Ticks and lots of this symbol and of another one."""
        filters = [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        ]
        return {
            "symbols": [
                {"symbol": name, "filters": filters} for name in ("OTHER", self._parsed[0]["s"])
            ]
        }

    def _snapshot(self) -> dict[str, Any]:
        sides = {
            name: [[p, q] for (s, p), q in self._book.items() if s == side and float(q) > 0]
            for side, name in ((1, "bids"), (-1, "asks"))
        }
        stamps = {"E": self._ms, "T": self._ms} if "T" in self._recorded else {}
        named = {key: self._recorded[key] for key in ("symbol", "pair") if key in self._recorded}
        return {"lastUpdateId": self._update, **stamps, **named, **sides}
