"""Streams and requests of ccxt in the place of Binance's connections."""

import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from tercel.core.errors import VenueError
from tercel.feeds.ccxt_messages import OwnOrders
from tercel.feeds.ccxt_streams import CcxtStreams
from tercel.venues.binance_venue.channel import SETTLE_MS, ApiAnswer, ApiChannel
from tercel.venues.binance_venue.links import Event
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.ccxt_venue.calls import CALL_S, CcxtCalls


class CcxtLinks(CcxtStreams):
    """Streams of one exchange, and its answers.

    Parameters
    ----------
    calls : CcxtCalls
    selector : selectors.BaseSelector
        Is woken when something has come.
    heard : callable
        Takes answers to requests.
    lost : callable
        Called when market data broke, with why.
    allow : callable
        As `FixLink` has it.
    """

    def __init__(
        self,
        calls: CcxtCalls,
        selector: selectors.BaseSelector,
        heard: Callable[[Mapping[str, Any]], object],
        lost: Callable[[str], object],
        allow: Callable[[str], object],
    ) -> None:
        self._calls = calls
        self._heard = heard
        self._lost = lost
        self._orders = OwnOrders(calls.unified)
        self.followed: list[str] = []
        self.refusal = ""
        self.why = "it is not open yet"
        self.up = False
        super().__init__(calls.exchange, selector, calls.now_ms, calls.why, allow)

    def ask(self, number: int, method: str, params: Mapping[str, Any]) -> "Future[dict[str, Any]]":
        """Send a request; its answer is heard by `poll` where it has a number."""

        async def asked() -> dict[str, Any]:
            answer = await self._calls.message(number, method, params)
            if number:
                self.say("answer", answer)
            return answer

        self._orders.asked(number, method, params)
        return self.run(asked())

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""
        if name not in self.followed:
            self.followed.append(name)
            self.watch(name, self._calls.unified[name])

    def renew(self, name: str) -> None:
        """Leave the stream of a book, where ccxt can: it is begun again."""
        if self._calls.has("unWatchOrderBook"):
            self.run(self.exchange.un_watch_order_book(self._calls.unified[name]))

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Events of the account, and messages of the market, since the last call."""
        self.awake()
        trades, orders, market, was = list[Event](), list[Event](), list[Event](), self.up
        while self.came and self.up >= was:  # a break is seen before what mended it
            kind, said = self.came.popleft()
            if kind == "answer":
                self._orders.answered(said)
                self._heard(said)
            elif kind == "up":
                self.up = said == ""
                self.why = said
            elif kind == "refused":
                self.refusal = said
            elif kind == "lost":
                self._lost(said)
            elif kind == "own":
                trades += said[0]
                orders += said[1]
            else:
                market.append(said)
        return self._orders.reports(trades, orders, self.now_ms(), time.monotonic()), market


class CcxtChannel(ApiChannel):
    """Requests by ccxt's REST: cancel and new order in one is no word of ccxt's."""

    swaps = False
    settle_ms = SETTLE_MS + round(CALL_S * 1000)
    links: CcxtLinks

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        weight: int,
        then: Callable[[ApiAnswer], object],
        *,
        signed: bool = True,
        orders: bool = False,
        urgent: bool = False,
    ) -> None:
        """See `ApiChannel.ask`."""
        self.links.ask(
            self._begun(method, weight, then, self.now_ms(), orders, urgent), method, params
        )


class CcxtRest:
    """What is asked at logon.

    Parameters
    ----------
    links : CcxtLinks
    exchange : str
    """

    def __init__(self, links: CcxtLinks, exchange: str) -> None:
        self._links = links
        self._exchange = exchange

    def ask(
        self, path: str, weight: int, params: Mapping[str, Any] | None = None, **_: object
    ) -> Any:
        """See `BinanceRest.ask`."""
        told = self._links.ask(0, path, params or {}).result(2 * CALL_S)
        if (error := told.get("error")) is None:
            return told["result"]
        if error["code"] or told["status"] == 404:
            raise RequestRefusedError(path, error["code"], error["msg"], told["status"])
        raise VenueError(
            f"{self._exchange} to answer {path}",
            error["msg"],
            "check its URLs, the key and its secret; ask again",
        )

    def close(self) -> None:
        """The links close all."""
