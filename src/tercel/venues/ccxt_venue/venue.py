"""An exchange by ccxt as a venue (`CcxtVenue`): the Binance adapter over connections that ccxt makes."""

import time
from typing import Any

from tercel.venues.binance_venue.venue import BinanceVenue

FIRST_S = 1.0
LONGEST_S = 60.0
"""Seconds between two questions about an order that works: soon after a link came up, and at last."""


class CcxtVenue(BinanceVenue):
    """An exchange by ccxt; `ccxt_venue.opening.open_ccxt_venue` connects one.

    Parameters
    ----------
    args
        As `BinanceVenue` has them.
    is_polled : bool
        Whether working orders are queried all the time, since no stream reports them.
    """

    def __init__(self, *args: Any, is_polled: bool) -> None:
        super().__init__(*args)
        self._is_polled = is_polled
        self._ask_s = 0.0
        self._wait_s = FIRST_S

    def _on_link_up(self) -> None:
        """Request the state of everything again, and working orders' status soon."""
        super()._on_link_up()
        self._ask_s = time.monotonic() + FIRST_S
        self._wait_s = FIRST_S

    def _run_once(self) -> None:
        """Run the Binance adapter's turn, and query working orders, rarely where a stream reports them."""
        super()._run_once()
        if self.up and time.monotonic() >= self._ask_s:
            self._wait_s = FIRST_S if self._is_polled else min(2 * self._wait_s, LONGEST_S)
            self._ask_s = time.monotonic() + self._wait_s
            for order in self.tracker.working_orders(""):
                if order not in self.inquiry.open:
                    self.inquiry.inquire(order)
