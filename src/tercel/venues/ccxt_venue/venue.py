"""An exchange of ccxt as a venue: all that the Binance adapter keeps, over ccxt's streams and requests."""

import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.feeds.ccxt_messages import OwnOrders
from tercel.feeds.ccxt_streams import CcxtStreams
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import SETTLE_MS, ApiAnswer, ApiChannel
from tercel.venues.binance_venue.links import Event, SpotLinks
from tercel.venues.binance_venue.logon import AnswersRest
from tercel.venues.binance_venue.rest import RequestRefusedError
from tercel.venues.binance_venue.terms import SpotTerms
from tercel.venues.binance_venue.venue import BinanceVenue
from tercel.venues.ccxt_venue.calls import CALL_S, CcxtCalls
from tercel.venues.ccxt_venue.terms import NAMED, CcxtKey, CcxtTerms, exchange_of


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


FIRST_S, LONGEST_S = 1.0, 60.0
"""Seconds between two questions about an order that works: soon after a link came up, and at last."""
_WITHOUT: Final[Mapping[str, str]] = {
    "watchOrders": "no stream of own orders: they are asked about every second",
    "watchMyTrades": "no stream of own trades: they are asked for when an order says that it was filled",
    "fetchTime": "no clock: that of this machine is taken for the exchange's",
    "fetchOrder": "no question about one order: it is looked for in lists",
}


def lacks_of(exchange: Any) -> list[str]:
    """What an exchange of ccxt does not offer, and what is done without it.

    >>> class Poor:
    ...     id, has = "poor", {"fetchOrder": True, "fetchTime": True}
    >>> lacks_of(Poor)[0]
    'no stream of own orders: they are asked about every second'
    """
    found = [text for name, text in _WITHOUT.items() if exchange.has.get(name) is not True]
    if exchange.id not in NAMED:
        found.append(
            "no change of an order in its place: it is cancelled, and sent anew with less priority"
        )
        if not exchange.has.get("fetchOrderWithClientOrderId"):
            found.append("no question by our own names of orders: they are looked for in lists")
    return [*found, "no cancel on disconnect: what is open stays open when the link breaks"]


def standing(name: str) -> str:
    """Whether an exchange passed the conformance kit, for people.

    >>> standing("binance"), standing("kraken")
    ('passed the conformance kit', 'experimental: it has not passed the kit')
    """
    return (
        "passed the conformance kit" if name in NAMED else "experimental: it has not passed the kit"
    )


class CcxtVenue(BinanceVenue):
    """An exchange by ccxt: `BinanceVenue` has the parameters and errors; what is lacking is told at logon.

    Parameters
    ----------
    exchange : str
        As ccxt names it.
    terms : CcxtTerms
    more
        As `BinanceVenue` has them.
    """

    def __init__(self, exchange: str, terms: CcxtTerms, *more: Any, **named: Any) -> None:
        self.exchange = exchange
        self._ask_s = 0.0
        self._wait_s = FIRST_S
        super().__init__(terms, *more, **named)
        text = "; ".join([f"ccxt:{exchange} {standing(exchange)}", *self.lacks])
        self._say(o.LinkStatus(True, self._stamp(0), text))

    def _reach(
        self, terms: SpotTerms, folder: Path
    ) -> tuple[str, AnswersRest, ApiChannel, SpotLinks]:
        assert isinstance(terms, CcxtTerms)
        key = CcxtKey(self.exchange, terms, folder)
        made = exchange_of(self.exchange, terms, folder, key.parts)
        self.lacks = lacks_of(made)
        calls = CcxtCalls(made, key.clean, self._now_ms)
        channel = CcxtChannel(key, self.budget, self._now_ms, terms.recv_window_ms)
        self._ccxt = channel.links = CcxtLinks(
            calls, self._selector, channel.heard, self._book_lost, self._allow
        )
        self._polled = not (calls.has("watchOrders") and calls.has("watchMyTrades"))
        name = f"ccxt:{self.exchange}:{terms.net}" if not terms.urls else f"ccxt:{self.exchange}"
        return name, CcxtRest(self._ccxt, self.exchange), channel, self._ccxt

    def _came_up(self) -> None:
        super()._came_up()
        self._ask_s = time.monotonic() + FIRST_S
        self._wait_s = FIRST_S

    def _turn(self) -> None:
        """As the Binance adapter; and orders that work are asked about, rarely where a stream tells of them."""
        super()._turn()
        if self.up and time.monotonic() >= self._ask_s:
            self._wait_s = FIRST_S if self._polled else min(2 * self._wait_s, LONGEST_S)
            self._ask_s = time.monotonic() + self._wait_s
            for order in self.tracker.mine(""):
                if order not in self.inquiry.open:
                    self.inquiry.about(order)

    def _ask_book(self, name: str, book: StreamedBook, now_s: float) -> None:
        book.ask(now_s)
        self._ccxt.whole(name)
