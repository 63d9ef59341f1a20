"""Opening of a venue by ccxt; `ccxt:EXCHANGE[:NET or FILE]`."""

import selectors
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tercel.core.link.connection import WaitLimits
from tercel.venues.binance_venue.channel import SETTLE_MS, ApiChannel
from tercel.venues.binance_venue.connections import SpotConnections
from tercel.venues.binance_venue.opening import log_on
from tercel.venues.binance_venue.venue_clock import VenueClock
from tercel.venues.binance_venue.weight_budget import WeightBudget
from tercel.venues.ccxt_venue.exchange import CcxtExchange
from tercel.venues.ccxt_venue.links import CcxtLinks
from tercel.venues.ccxt_venue.requests import CALL_S, CcxtApi
from tercel.venues.ccxt_venue.terms import (
    CcxtKey,
    CcxtTerms,
    conformance_status,
    exchange_of,
    missing_features,
)
from tercel.venues.ccxt_venue.venue import CcxtVenue


def open_ccxt_venue(
    exchange: str,
    terms: CcxtTerms,
    folder: Path,
    store: Path | None = None,
    wall: Callable[[], int] = time.time_ns,
    patience: WaitLimits | None = None,
    steady: Callable[[], int] = time.monotonic_ns,
    allow: Callable[[str], object] = lambda _: None,
) -> CcxtVenue:
    """Connect to an exchange by ccxt, log on as at Binance, and report conformance and missing features as an event.

    Parameters
    ----------
    exchange : str
        As ccxt names it.
    terms : CcxtTerms
    folder, store, wall, patience, steady, allow
        As `open_binance_venue` has them.

    Raises
    ------
    ConfigError
        Keys that are not there or may do too much; an exchange that ccxt does not have.
    VenueError
        No server answers, or the logon is refused.
    """
    clock = VenueClock(wall, steady)
    key = CcxtKey(exchange, terms, folder)
    pro = exchange_of(exchange, terms, folder, key.parts)
    notes = [f"ccxt:{exchange} {conformance_status(exchange)}", *missing_features(pro)]
    known_exchange = CcxtExchange(pro, key.clean, clock.now_ms)
    channel = ApiChannel(
        key,
        WeightBudget(longest_s=terms.longest_wait_s),
        clock.now_ms,
        terms.recv_window_ms,
        settle_ms=SETTLE_MS + round(CALL_S * 1000),
        wall_ms=clock.wall_ms,
        jump_ms=terms.clock_ms,
    )
    name = f"ccxt:{exchange}:{terms.net}" if not terms.urls else f"ccxt:{exchange}"
    watched = known_exchange.has("watchOrders") and known_exchange.has("watchMyTrades")
    selector = selectors.DefaultSelector()
    # its thread runs from here on: nothing below may fail before `log_on`, which closes it
    links = CcxtLinks(known_exchange, selector, channel.receive, allow)
    api = CcxtApi(known_exchange, channel, links)
    return log_on(
        partial(CcxtVenue, is_polled=not watched),
        terms,
        SpotConnections(name, api, links, selector),
        store,
        clock,
        patience or WaitLimits(),
        "; ".join(notes),
    )
