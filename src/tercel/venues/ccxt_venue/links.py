"""Streams of a venue by ccxt, and answers to the requests that their event loop carries out."""

import selectors
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from tercel.feeds.ccxt_streams import CcxtStreams
from tercel.venues.binance_venue.api import Status
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.links import Event
from tercel.venues.binance_venue.spot_api import SpotOrder
from tercel.venues.ccxt_venue.exchange import CcxtExchange
from tercel.venues.ccxt_venue.own_orders import OwnOrders


class CcxtLinks(CcxtStreams):
    """Market data streams of one exchange, and the answers to its requests.

    Parameters
    ----------
    exchange : CcxtExchange
    selector : selectors.BaseSelector
        Is woken when something has come.
    on_answer : callable
        Takes answers to requests.
    allow : callable
        As `fix.link.open_link` has it.
    """

    def __init__(
        self,
        exchange: CcxtExchange,
        selector: selectors.BaseSelector,
        on_answer: Callable[[Mapping[str, Any]], object],
        allow: Callable[[str], object],
    ) -> None:
        """Set up the streams, not up yet."""
        self._exchange = exchange
        self._on_answer = on_answer
        self.on_feed_lost: Callable[[str], object] = lambda _: None
        self.own_orders = OwnOrders(exchange.unified)
        self.followed: list[str] = []
        self.refusal = ""
        self.down_reason = "it is not open yet"
        self.up = False
        super().__init__(exchange.pro, selector, exchange.now_ms, exchange.error_text, allow)

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""
        if name not in self.followed:
            self.followed.append(name)
            self.watch(name, self._exchange.unified[name])

    def renew(self, name: str) -> None:
        """Leave the stream of a book, where ccxt can, so that it begins again."""
        if self._exchange.has("unWatchOrderBook"):
            self.run(self.exchange.un_watch_order_book(self._exchange.unified[name]))

    def request_book(
        self,
        name: str,
        book: StreamedBook,
        now_s: float,
        on_snapshot: Callable[[Event], object],
    ) -> None:
        """Have the stream send a symbol's whole book again, instead of a request."""
        book.note_request(now_s)
        self.resend_book(name)

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
                self._note_answer(payload)
                self._on_answer(payload)
            elif kind == "up":
                self.up = payload == ""
                self.down_reason = payload
            elif kind == "refused":
                self.refusal = payload
            elif kind == "lost":
                self.on_feed_lost(payload)
            elif kind == "own":
                trades += payload[0]
                orders += payload[1]
            else:
                market.append(payload)
        return self.own_orders.reports(trades, orders, self.now_ms(), time.monotonic()), market

    def _note_answer(self, answer: Mapping[str, Any]) -> None:
        """Remember from an answer our name of an order, and the end of a cancel."""
        row = answer.get("result")
        if isinstance(row, SpotOrder) and row.status:
            self.own_orders.note_name(row.number, row.name)
        if answer["status"] == HTTPStatus.BAD_REQUEST or (
            isinstance(row, SpotOrder) and row.status == Status.CANCELED
        ):
            self.own_orders.forget_cancel(answer["id"])
