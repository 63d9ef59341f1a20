"""Connections of a venue of spot markets: requests at logon and later, streams, and the selector that watches them."""

import selectors
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tercel.venues.binance_venue.channel import ApiChannel
from tercel.venues.binance_venue.links import BinanceLinks, SpotLinks
from tercel.venues.binance_venue.requests import BinanceApi
from tercel.venues.binance_venue.rest import BinanceRest
from tercel.venues.binance_venue.spot_api import SpotApi
from tercel.venues.binance_venue.terms import BinanceTerms
from tercel.venues.binance_venue.venue_clock import VenueClock
from tercel.venues.binance_venue.weight_budget import WeightBudget


@dataclass(frozen=True)
class SpotConnections:
    """Connections of one venue.

    Parameters
    ----------
    name : str
        Of the venue, in journals and tables.
    api : SpotApi
    links : SpotLinks
    selector : selectors.DefaultSelector
    """

    name: str
    api: SpotApi
    links: SpotLinks
    selector: selectors.DefaultSelector

    def close(self) -> None:
        """Close everything; a second call does nothing."""
        self.links.close()
        self.selector.close()


def connect_binance(
    terms: BinanceTerms,
    folder: Path,
    clock: VenueClock,
    timeout_s: float,
    allow: Callable[[str], object],
) -> SpotConnections:
    """Connections to a net of Binance: each is made when it is first used.

    Raises
    ------
    ConfigError
        Keys that are not there, or of a wrong kind.
    """
    endpoints = terms.endpoints()
    tls = terms.tls(folder)
    signer = terms.signer(folder)
    budget = WeightBudget(longest_s=terms.longest_wait_s)
    window_ms = terms.recv_window_ms
    rest = BinanceRest(endpoints.rest, signer, budget, tls, clock.now_ms, window_ms, timeout_s)
    channel = ApiChannel(
        signer, budget, clock.now_ms, window_ms, wall_ms=clock.wall_ms, jump_ms=terms.clock_ms
    )
    selector = selectors.DefaultSelector()
    links = BinanceLinks(endpoints, tls, channel, rest, selector, terms.depth, allow)
    name = f"binance:{terms.net if not terms.rest_url else endpoints.rest}"
    return SpotConnections(name, BinanceApi(channel, rest), links, selector)
