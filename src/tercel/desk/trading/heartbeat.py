"""Steps common to every owner of a gateway, session or gate: heartbeats, operators' commands, the end without a journal."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from tercel.core.errors import JournalError, TercelError, VenueError
from tercel.core.lifecycle import S
from tercel.core.orders import Listing, MassCancel
from tercel.core.ports import Entry
from tercel.core.version import code_mark
from tercel.desk.limits.quotes import Quoted
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import MarketEntry, OperatorEntry, SessionEntry
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.journal.database import remedy_of
from tercel.desk.trading.risk.trading_state import StateReason

CLOCK_S: Final = 0.5
"""Seconds by which clocks here and at the venue may differ without an alert."""


def begun(
    gateway: OrderGateway,
    holder: str,
    resume: bool,
    desk: dict[str, Any] | None = None,
    gate: dict[str, Any] | None = None,
) -> Entry:
    """Entry of a session's beginning: see `kinds.SESSION`."""
    listings = {one.instrument: traded_in(one) for one in gateway.venue.listings()}
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


def traded_in(listing: Listing) -> dict[str, Any]:
    """Units of an instrument as its venue trades it, for readers of the journal."""
    tick = float(Decimal(repr(listing.tick)) / Decimal(repr(listing.part)))
    words = {"tick": tick, "lot": listing.lot * listing.part, "currency": listing.currency}
    return words | {"fees": list(listing.fees)}


def heartbeat(gateway: OrderGateway, markets: Mapping[str, Quoted]) -> list[Entry]:
    """Entries of positions, open orders, usage of limits and the clock, and of each market as it is marked."""
    ledger, limits, now = gateway.ledger, gateway.limits, gateway.venue.now_ns
    live = ledger.orders.live()
    unknown = sum(order.status == S.UNKNOWN for order in live)
    body = {
        "positions": ledger.positions.lots(),
        "open": len(live),
        "unknown": unknown,
        "limits": limits.usage(),
        "day": limits.day(),
    }
    session = gateway.venue.capabilities.session
    ahead_ns = None if session is None else session.ahead_ns
    was = gateway.clock_s
    gateway.clock_s = round((ahead_ns or 0) / 1e9, 3)
    body |= {} if ahead_ns is None else {"clock_s": gateway.clock_s}
    entries = [Entry(kinds.HEARTBEAT, now, body=body)]
    if abs(gateway.clock_s) > CLOCK_S >= abs(was):
        text = f"the clock here is {gateway.clock_s:+.3f} s from the venue's; at most {CLOCK_S:g} s"
        entries.append(entry_alert("warning", "clock_offset", text, now))
    return entries + [_mark(name, market, now) for name, market in markets.items()]


def last_marks(gateway: OrderGateway, markets: Mapping[str, Quoted]) -> list[Entry]:
    """Market entries at a session's end of the instruments with a position, if both sides are known."""
    held = {
        instrument
        for lots in gateway.ledger.positions.lots().values()
        for instrument, n in lots.items()
        if n
    }
    known = {
        name: market
        for name, market in markets.items()
        if name in held and None not in market.quotes
    }
    return [_mark(name, market, gateway.venue.now_ns) for name, market in known.items()]


def _mark(instrument: str, market: Quoted, now: int) -> Entry:
    bid, ask = market.quotes
    unit = market.listing.tick * market.listing.lot
    return Entry(kinds.MARKET, now, instrument, body=MarketEntry(bid, ask, unit).json())


def take_inbox(gateway: OrderGateway) -> list[Entry]:
    """Operators' commands, journaled and folded; none where the journal has no inbox.

    Raises
    ------
    JournalError
        It cannot be written; open orders have been cancelled.
    """
    take = getattr(gateway.journal, "take_inbox", None)
    if take is None:
        return []
    with gateway.lock:
        try:
            entries: list[Entry] = take(gateway.venue.now_ns)
        except JournalError as error:
            gateway.on_journal_error(error)
            raise
        for entry in entries:
            gateway.ledger.last += 1
            gateway.ledger.apply(entry)
    return entries


def carry_out(gateway: OrderGateway, entry: Entry, obey: Callable[[Entry], None]) -> None:
    """Carry out a person's command; an invalid one is answered by an alert of severity "info"."""
    try:
        obey(entry)
        gateway.ledger.requested.pop(OperatorEntry.of(entry).id, None)
    except JournalError:
        raise
    except (
        TercelError,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        ArithmeticError,
    ) as error:
        # Alert (not an alarm) that an operator's command cannot be carried out.
        said = OperatorEntry.of(entry)
        parent = str(said.body.get("parent", "")) if isinstance(said.body, dict) else ""
        refused = entry_alert(
            "info",
            "operator_refused",
            f"{said.command}: {error}",
            gateway.venue.now_ns,
            parent=parent,
            expected=error.expected if isinstance(error, TercelError) else "",
            received=error.received if isinstance(error, TercelError) else "",
            remedy=error.remedy if isinstance(error, TercelError) else "",
            operator=said.id,
        )
        gateway.write([refused])


# -- where the journal cannot be written ------------------------------------------------------------------------------
LONGEST_S: Final = 5.0
"""Longest time, s, that a process that cannot write its journal stays connected to the venue."""
_AGAIN_S: Final = 1.0
_STEP_NS: Final = 10_000_000
_PAUSE_S: Final = 0.02
# Orders that a sentence names.
_NAMED: Final = 10
_log = logging.getLogger("tercel.alerts")


def check_store(gateway: OrderGateway) -> None:
    """Require that the venue session's own store is written to disk as well.

    Raises
    ------
    JournalError
        It is not; open orders have been cancelled.
    """
    if why := gateway.venue.capabilities.unrecorded:
        error = JournalError(
            f"to be able to record the messages to {gateway.venue.name}", why, remedy_of(why)
        )
        gateway.on_journal_error(error)
        raise error


def emergency_log(gateway: OrderGateway, seconds: float = LONGEST_S) -> None:
    """Before a process ends for lack of a journal: resend cancels, follow the venue's answers, report open orders.

    Parameters
    ----------
    gateway : OrderGateway
        Nothing is done unless it has fallen, and nothing a second time.
    seconds : float
        How long the venue is listened to at most.
    """
    if gateway.states.why(StateReason.JOURNAL_DOWN) is None or gateway.emergency_logged:
        return
    gateway.emergency_logged = True
    before = [order.root for order in gateway.ledger.orders.live()]
    began = asked = time.monotonic()
    writes = True
    while gateway.ledger.orders.live() and (now := time.monotonic()) < began + seconds:
        if now > asked + _AGAIN_S:
            asked = now
            _cancel(gateway)
        writes = _listen(gateway, writes)
    left = [order.root for order in gateway.ledger.orders.live()]
    ended = f"the venue has ended {len(before) - len(left)} of {len(before)} orders that were open"
    named = ", ".join(left[:_NAMED]) + (
        f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    )
    text = f"{ended}; NOT known to be over: {named}" if left else ended
    if before:
        _log.critical("%s %s", kinds.JOURNAL_DOWN, text)
        gateway.urgent(text)


def _cancel(gateway: OrderGateway) -> None:
    """Send mass cancels again: a link that was down may be up, an order may have been on its way."""
    accounts, now = (
        sorted({order.account for order in gateway.ledger.orders.live()}),
        gateway.venue.now_ns,
    )
    gateway.take_back([MassCancel(gateway.new_name(), account, "", now) for account in accounts])


def _listen(gateway: OrderGateway, writes: bool) -> bool:
    """Take the venue's events; whether they were journaled. After a failed write no more are, as they would leave a gap."""
    began = time.monotonic()
    with suppress(VenueError, OSError), gateway.lock:
        with gateway.wire:
            events = gateway.venue.step(gateway.venue.now_ns + _STEP_NS)
        if writes:
            try:
                gateway.receive(events)
            except JournalError:
                writes, events = False, []
        if not writes:
            gateway.overhear(events)
    if not gateway.venue.capabilities.stepped:
        time.sleep(max(0.0, began + _PAUSE_S - time.monotonic()))
    return writes
