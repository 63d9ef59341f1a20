"""Connections of a venue by ccxt: streams, the channel of order requests, and requests at logon."""

import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from tercel.core.errors import VenueError
from tercel.feeds.ccxt_events import OwnOrders
from tercel.feeds.ccxt_streams import CcxtStreams
from tercel.venues.binance_venue.channel import SETTLE_MS, ApiAnswer, ApiChannel
from tercel.venues.binance_venue.links import Event
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.ccxt_venue.calls import CALL_S, CcxtCalls


class CcxtLinks(CcxtStreams):
    """Market data streams of one exchange, and the answers to its requests.

    Parameters
    ----------
    calls : CcxtCalls
    selector : selectors.BaseSelector
        Is woken when something has come.
    on_answer : callable
        Takes answers to requests.
    on_book_lost : callable
        Called when market data broke, with why.
    allow : callable
        As `FixLink` has it.
    """

    def __init__(
        self,
        calls: CcxtCalls,
        selector: selectors.BaseSelector,
        on_answer: Callable[[Mapping[str, Any]], object],
        on_book_lost: Callable[[str], object],
        allow: Callable[[str], object],
    ) -> None:
        """Set up the streams, not up yet."""
        self._calls = calls
        self._on_answer = on_answer
        self._on_book_lost = on_book_lost
        self._orders = OwnOrders(calls.unified)
        self.followed: list[str] = []
        self.refusal = ""
        self.down_reason = "it is not open yet"
        self.up = False
        super().__init__(calls.exchange, selector, calls.now_ms, calls.error_text, allow)

    def ask(self, number: int, method: str, params: Mapping[str, Any]) -> "Future[dict[str, Any]]":
        """Send a request and return its future answer; for a number other than 0 `poll` passes the answer on to
        `on_answer`, too.
        """

        async def exchange_messages() -> dict[str, Any]:
            """Carry out the request in ccxt's loop; queue the answer for `poll` if the request has a number."""
            answer = await self._calls.answer(number, method, params)
            if number:
                self.hand_over("answer", answer)
            return answer

        self._orders.note_request(number, method, params)
        return self.run(exchange_messages())

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""
        if name not in self.followed:
            self.followed.append(name)
            self.watch(name, self._calls.unified[name])

    def renew(self, name: str) -> None:
        """Leave the stream of a book, where ccxt can, so that it begins again."""
        if self._calls.has("unWatchOrderBook"):
            self.run(self.exchange.un_watch_order_book(self._calls.unified[name]))

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Pass on answers, follow the link; events of the account, and messages of the market, since the last call."""
        self.watch_own_orders()
        trades = list[Event]()
        orders = list[Event]()
        market = list[Event]()
        was_up = self.up
        while self.received and self.up >= was_up:  # a break is seen before what mended it
            kind, payload = self.received.popleft()
            if kind == "answer":
                self._orders.note_answer(payload)
                self._on_answer(payload)
            elif kind == "up":
                self.up = payload == ""
                self.down_reason = payload
            elif kind == "refused":
                self.refusal = payload
            elif kind == "lost":
                self._on_book_lost(payload)
            elif kind == "own":
                trades += payload[0]
                orders += payload[1]
            else:
                market.append(payload)
        return self._orders.reports(trades, orders, self.now_ms(), time.monotonic()), market


class CcxtChannel(ApiChannel):
    """Order requests over ccxt's REST; a cancel and a new order are two requests."""

    swaps = False
    settle_ms = SETTLE_MS + round(CALL_S * 1000)
    links: CcxtLinks

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        weight: int,
        on_answer: Callable[[ApiAnswer], object],
        *,
        signed: bool = True,
        orders: bool = False,
        urgent: bool = False,
    ) -> None:
        """Send a request by ccxt, signed there; `on_answer` is called once, with its answer or the reason of a failure.
        VenueError, with no call, without weight."""
        self.links.ask(
            self._register_request(method, weight, on_answer, self.now_ms(), orders, urgent),
            method,
            params,
        )


class CcxtRest:
    """Requests at logon, over ccxt.

    Parameters
    ----------
    links : CcxtLinks
    exchange : str
    """

    def __init__(self, links: CcxtLinks, exchange: str) -> None:
        """Set up for an exchange; requests go over the links."""
        self._links = links
        self._exchange = exchange

    def ask(
        self, path: str, weight: int, params: Mapping[str, Any] | None = None, **_: object
    ) -> Any:
        """Send a request by ccxt and wait for its answer; raises RequestRefusedError or VenueError for an error.
        `weight` is not counted."""
        answer = self._links.ask(0, path, params or {}).result(2 * CALL_S)
        if (error := answer.get("error")) is None:
            return answer["result"]
        if error["code"] or answer["status"] == 404:
            raise RequestRefusedError(path, error["code"], error["msg"], answer["status"])
        raise VenueError(
            f"{self._exchange} to answer {path}",
            error["msg"],
            "check its URLs, the key and its secret; ask again",
        )

    def close(self) -> None:
        """Do nothing: the links close all connections."""
