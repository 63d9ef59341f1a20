"""Journal entries of a session or a gate about itself: its start, and heartbeats with positions, open orders and marks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any, Final

from tercel.core.errors import TercelError
from tercel.core.orders import Listing, OrdStatus
from tercel.core.ports import Entry
from tercel.core.version import code_mark
from tercel.desk.limits.quotes import Quoted
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import MarketEntry, SessionEntry
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.reconciliation.positions import PositionKeeper

NOT_OPENED: Final = "not_opened"
CLOCK_S: Final = 0.5
"""Seconds by which clocks here and at the venue may differ without an alert."""


class HeartbeatWriter:
    """Journals a heartbeat every `every_ns` of venue time, and then compares positions with the venue's.

    Parameters
    ----------
    gateway : OrderGateway
    markets : mapping
        Market of each instrument that is marked; read at each heartbeat.
    positions : PositionKeeper
    every_ns : int
    watch_value : callable
        Called with the entries of each heartbeat once they are journaled.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        markets: Mapping[str, Quoted],
        positions: PositionKeeper,
        every_ns: int,
        watch_value: Callable[[Sequence[Entry]], object] = lambda entries: None,
    ) -> None:
        self._gateway = gateway
        self._markets = markets
        self._positions = positions
        self._every_ns = every_ns
        self._watch_value = watch_value
        self._last_ns = 0

    def write_if_due(self) -> None:
        """Write a heartbeat if it is time for one."""
        now_ns = self._gateway.venue.now_ns
        if now_ns - self._last_ns >= self._every_ns:
            self._last_ns = now_ns
            self.write()

    def write(self) -> None:
        """Journal positions, open orders and marks; check value at risk and the venue's positions."""
        with self._gateway.lock:
            entries = heartbeat_entries(self._gateway, self._markets)
            self._gateway.write(entries)
            self._watch_value(entries)
            self._positions.check()


@contextmanager
def journal_failed_opening(gateway: OrderGateway) -> Iterator[None]:
    """Journal, as a critical alert, that a session or a gate was not opened, if the block raises; the error goes on."""
    try:
        yield
    except BaseException as error:  # an interrupt too
        with suppress(TercelError):
            reason = str(error) or type(error).__name__
            gateway.alert("critical", NOT_OPENED, f"it was not opened: {reason}")
        raise


def session_entry(
    gateway: OrderGateway,
    holder: str,
    resume: bool,
    desk: dict[str, Any] | None = None,
    gate: dict[str, Any] | None = None,
) -> Entry:
    """Journal entry of a session's start (`kinds.SESSION`)."""
    listings = {listing.instrument: trading_units(listing) for listing in gateway.venue.listings()}
    body = SessionEntry(
        session=gateway.ledger.next_session,
        venue=gateway.venue.name,
        holder=holder,
        resume=resume,
        code=code_mark(),
        listings=listings,
        desk=desk,
        gate=gate,
    )
    return Entry(kinds.SESSION, gateway.venue.now_ns, body=body.json())


def trading_units(listing: Listing) -> dict[str, Any]:
    """Tick (price units), lot (shares or coins), currency and fees of an instrument as its venue trades it, for the journal."""
    tick = float(Decimal(repr(listing.tick)) / Decimal(repr(listing.part)))
    units = {"tick": tick, "lot": listing.lot * listing.part, "currency": listing.currency}
    return units | {"fees": list(listing.fees)}


def heartbeat_entries(gateway: OrderGateway, markets: Mapping[str, Quoted]) -> list[Entry]:
    """Journal entries of a heartbeat: positions, open orders, limit usage and clock offset, and each instrument's market; an
    alert as the clocks begin to differ. Sets `gateway.clock_s`."""
    ledger = gateway.ledger
    limits = gateway.limits
    now = gateway.venue.now_ns
    live = ledger.orders.live()
    unknown = sum(order.status == OrdStatus.UNKNOWN for order in live)
    body = {
        "positions": ledger.positions.lots(),
        "open": len(live),
        "unknown": unknown,
        "limits": limits.usage(),
        "day": limits.day(),
    }
    session = gateway.venue.capabilities.session
    ahead_ns = None if session is None else session.ahead_ns
    clock_before_s = gateway.clock_s
    gateway.clock_s = round((ahead_ns or 0) / 1e9, 3)
    body |= {} if ahead_ns is None else {"clock_s": gateway.clock_s}
    entries = [Entry(kinds.HEARTBEAT, now, body=body)]
    if abs(gateway.clock_s) > CLOCK_S >= abs(clock_before_s):
        text = f"the clock here is {gateway.clock_s:+.3f} s from the venue's; at most {CLOCK_S:g} s"
        entries.append(entry_alert("warning", "clock_offset", text, now))
    return entries + [_market_entry(name, market, now) for name, market in markets.items()]


def last_mark_entries(gateway: OrderGateway, markets: Mapping[str, Quoted]) -> list[Entry]:
    """Market entries at a session's end of the instruments with a position, if both sides are known."""
    instruments = {
        instrument
        for lots in gateway.ledger.positions.lots().values()
        for instrument, n in lots.items()
        if n
    }
    marked = {
        name: market
        for name, market in markets.items()
        if name in instruments and None not in (market.quotes.bid, market.quotes.ask)
    }
    return [_market_entry(name, market, gateway.venue.now_ns) for name, market in marked.items()]


def _market_entry(instrument: str, market: Quoted, now: int) -> Entry:
    """Journal entry of an instrument's best bid and ask."""
    quotes = market.quotes
    unit = market.listing.tick * market.listing.lot
    return Entry(
        kinds.MARKET, now, instrument, body=MarketEntry(quotes.bid, quotes.ask, unit).json()
    )
