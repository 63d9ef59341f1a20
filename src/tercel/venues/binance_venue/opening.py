"""Opening of a venue of spot markets: clock, symbols and key checked, history loaded, logged on; of Binance, too."""

import atexit
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.link.connection import WaitLimits
from tercel.core.link.order_memory import OrderMemory
from tercel.venues.binance_venue.account import (
    DAY_MS,
    check_logon,
    iter_past_rows,
    measure_clock,
    read_account,
)
from tercel.venues.binance_venue.api import TradedSymbol
from tercel.venues.binance_venue.connections import SpotConnections, connect_binance
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.rest import GARBLED
from tercel.venues.binance_venue.spot_api import SpotApi
from tercel.venues.binance_venue.terms import BinanceTerms, SpotTerms
from tercel.venues.binance_venue.tracker import OrderTracker
from tercel.venues.binance_venue.venue import BinanceVenue
from tercel.venues.binance_venue.venue_clock import VenueClock

_LETTERS: Final = re.compile("[a-zA-Z0-9_-]")
"""Letters of an order's name, of which it has `_MOST_LETTERS` at most."""
_MOST_LETTERS: Final = 36
Opened = TypeVar("Opened", bound=BinanceVenue)


def open_binance_venue(
    terms: BinanceTerms,
    folder: Path,
    store: Path | None = None,
    wall: Callable[[], int] = time.time_ns,
    patience: WaitLimits | None = None,
    steady: Callable[[], int] = time.monotonic_ns,
    allow: Callable[[str], object] = lambda _: None,
) -> BinanceVenue:
    """Connect to Binance and log on; waits for all of it. Whatever was opened is closed again when a step fails.

    Parameters
    ----------
    terms : BinanceTerms
    folder : Path
        Where its secrets' files begin.
    store : Path, optional
        Where names of orders are stored; None: they last as long as the process.
    wall, steady : callable
        As `VenueClock` has them.
    patience : WaitLimits
    allow : callable
        As `fix.link.open_link` has it.

    Raises
    ------
    ConfigError
        Keys that are not there or may do too much.
    VenueError
        No server answers, or the logon is refused.
    """
    limits = patience or WaitLimits()
    clock = VenueClock(wall, steady)
    connections = connect_binance(terms, folder, clock, limits.logon_s, allow)
    return log_on(BinanceVenue, terms, connections, store, clock, limits)


def log_on(
    make_venue: Callable[..., Opened],
    terms: SpotTerms,
    connections: SpotConnections,
    store: Path | None,
    clock: VenueClock,
    patience: WaitLimits,
    note: str = "",
) -> Opened:
    """A venue over connections, logged on: clock, symbols and key are checked, history and balances loaded. The
    connections are closed when a step fails.

    Parameters
    ----------
    make_venue : callable
        `BinanceVenue`, or a kind of it.
    terms, connections, store, clock, patience
        As `open_binance_venue` has them.
    note : str
        Reported last, for people.

    Raises
    ------
    ConfigError
        Keys that may do too much.
    VenueError
        No server answers, or the logon is refused.
    """
    api = connections.api
    with ExitStack() as opened:
        opened.callback(connections.close)
        if store is not None:
            store.mkdir(mode=0o700, parents=True, exist_ok=True)
        memory = OrderMemory(store, _LETTERS, _MOST_LETTERS)
        opened.callback(memory.close)
        try:
            measure_clock(api, clock, terms.clock_ms)
            symbols, notes = check_logon(api, terms)
            venue = make_venue(terms, connections, memory, symbols, clock, patience)
            load_history(api, symbols, venue.tracker, venue.inquiry)
            venue.begin(read_account(api))
            venue.log_on([*notes, *([note] if note else [])])
        except GARBLED as error:
            raise VenueError(
                f"answers of {connections.name} at logon that can be read",
                repr(error)[:200],
                "check that the URLs are Binance's",
            ) from None
        opened.pop_all()
    atexit.register(venue.close)
    return venue


def load_history(
    api: SpotApi,
    symbols: Mapping[str, TradedSymbol],
    tracker: OrderTracker,
    inquiry: FateInquiry,
) -> None:
    """Load the last day's executions into a tracker, and have the orders of an earlier process asked about."""
    since = inquiry.channel.now_ms() - DAY_MS
    used = {sent.instrument for sent in tracker.memory.by_wire.values()} & symbols.keys()
    for symbol in sorted(used):
        orders = iter_past_rows(api, api.orders, symbol, since)
        wires = {row.number: row.name for row in orders}
        for trade in iter_past_rows(api, api.trades, symbol, since):
            order = tracker.find_order(symbol, trade.order, wires.get(trade.order, ""))
            if order is not None:
                tracker.assign_number(order, trade.order)
                tracker.fill(order, trade)
    until = inquiry.channel.settled_ms
    for sent in tracker.memory.live():
        if sent.instrument not in symbols:
            continue
        replaced = (
            tracker.find_by_name(sent.orig) if sent.kind == "replace" and not sent.cum_qty else None
        )
        if sent.status is o.OrdStatus.PENDING_NEW and replaced is not None and sent.order_id:
            inquiry.inquire(replaced, until, sent)
            continue
        order = tracker.find_by_name(sent.name) or tracker.begin(sent)
        if (
            sent.status is o.OrdStatus.PENDING_NEW
            and replaced is not None
            and order is not replaced
        ):
            order.before = replaced
            replaced.after = order
        inquiry.inquire(order, until)
