"""An exchange of ccxt as a venue: all that the Binance adapter keeps, over ccxt's streams and requests."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tercel.core import orders as o
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiChannel
from tercel.venues.binance_venue.links import SpotLinks
from tercel.venues.binance_venue.logon import AnswersRest
from tercel.venues.binance_venue.terms import SpotTerms
from tercel.venues.binance_venue.venue import BinanceVenue
from tercel.venues.ccxt_venue.calls import CcxtCalls
from tercel.venues.ccxt_venue.links import CcxtChannel, CcxtLinks, CcxtRest
from tercel.venues.ccxt_venue.terms import NAMED, CcxtKey, CcxtTerms, exchange_of

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
