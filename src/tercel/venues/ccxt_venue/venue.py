"""An exchange by ccxt as a venue (`CcxtVenue`): the Binance adapter over connections that ccxt makes;
`ccxt:EXCHANGE[:NET or FILE]`.
"""

import time
from pathlib import Path
from typing import Any

from tercel.core import orders as o
from tercel.venues.binance_venue.account import AnswersRest
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiChannel
from tercel.venues.binance_venue.links import SpotLinks
from tercel.venues.binance_venue.terms import SpotTerms
from tercel.venues.binance_venue.venue import BinanceVenue
from tercel.venues.ccxt_venue.calls import CcxtCalls
from tercel.venues.ccxt_venue.links import CcxtChannel, CcxtLinks, CcxtRest
from tercel.venues.ccxt_venue.terms import (
    CcxtKey,
    CcxtTerms,
    conformance_status,
    exchange_of,
    missing_features,
)

FIRST_S = 1.0
LONGEST_S = 60.0
"""Seconds between two questions about an order that works: soon after a link came up, and at last."""


class CcxtVenue(BinanceVenue):
    """An exchange by ccxt: parameters and errors as in `BinanceVenue`; missing features are reported at logon.

    Parameters
    ----------
    exchange : str
        As ccxt names it.
    terms : CcxtTerms
    args
        As `BinanceVenue` has them.
    """

    def __init__(self, exchange: str, terms: CcxtTerms, *args: Any, **kwargs: Any) -> None:
        """Log on as `BinanceVenue` does, then report conformance and missing features as a link event."""
        self.exchange = exchange
        self._ask_s = 0.0
        self._wait_s = FIRST_S
        super().__init__(terms, *args, **kwargs)
        self._emit(
            o.LinkStatus(
                True,
                self._stamp(0),
                "; ".join([f"ccxt:{exchange} {conformance_status(exchange)}", *self.lacks]),
            )
        )

    def _make_connections(
        self, terms: SpotTerms, folder: Path
    ) -> tuple[str, AnswersRest, ApiChannel, SpotLinks]:
        """Name of the venue and its connections by ccxt: requests at logon, order channel, and streams."""
        assert isinstance(terms, CcxtTerms)
        key = CcxtKey(self.exchange, terms, folder)
        ccxt_exchange = exchange_of(self.exchange, terms, folder, key.parts)
        self.lacks = missing_features(ccxt_exchange)
        calls = CcxtCalls(ccxt_exchange, key.clean, self._now_ms)
        channel = CcxtChannel(key, self.budget, self._now_ms, terms.recv_window_ms)
        self._ccxt = channel.links = CcxtLinks(
            calls, self._selector, channel.receive, self._on_feed_lost, self._allow
        )
        self._polled = not (calls.has("watchOrders") and calls.has("watchMyTrades"))
        name = f"ccxt:{self.exchange}:{terms.net}" if not terms.urls else f"ccxt:{self.exchange}"
        return name, CcxtRest(self._ccxt, self.exchange), channel, self._ccxt

    def _on_link_up(self) -> None:
        """Request the state of everything again, and working orders' status soon."""
        super()._on_link_up()
        self._ask_s = time.monotonic() + FIRST_S
        self._wait_s = FIRST_S

    def _run_once(self) -> None:
        """Run the Binance adapter's turn, and query working orders, rarely where a stream reports them."""
        super()._run_once()
        if self.up and time.monotonic() >= self._ask_s:
            self._wait_s = FIRST_S if self._polled else min(2 * self._wait_s, LONGEST_S)
            self._ask_s = time.monotonic() + self._wait_s
            for order in self.tracker.working_orders(""):
                if order not in self.inquiry.open:
                    self.inquiry.inquire(order)

    def _request_snapshot(self, name: str, book: StreamedBook, now_s: float) -> None:
        """Have the stream send a symbol's whole book again, instead of a request."""
        book.note_request(now_s)
        self._ccxt.resend_book(name)
