"""A session or a gate whose journal cannot be written: open orders are cancelled and logged before the process ends."""

import logging
import time
from contextlib import suppress
from typing import Final

from tercel.core.errors import JournalError, VenueError
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import remedy_of
from tercel.desk.trading.risk.trading_state import StateReason

LONGEST_S: Final = 5.0
"""Longest time, s, that a process that cannot write its journal stays connected to the venue."""
_AGAIN_S: Final = 1.0
_STEP_NS: Final = 10_000_000
_PAUSE_S: Final = 0.02
# Orders that a sentence names.
_NAMED: Final = 10
_log = logging.getLogger("tercel.alerts")


def check_store(gateway: OrderGateway) -> None:
    """Refuse to go on if the venue session's own store (FIX messages) cannot be written: cancel open orders and raise.

    Raises
    ------
    JournalError
        It is not; open orders have been cancelled.
    """
    if reason := gateway.venue.capabilities.unrecorded:
        error = JournalError(
            f"to be able to record the messages to {gateway.venue.name}", reason, remedy_of(reason)
        )
        gateway.on_journal_error(error)
        raise error


def cancel_and_log_open(gateway: OrderGateway, seconds: float = LONGEST_S) -> None:
    """Before a process ends for lack of a journal: repeat cancels and fold answers for `seconds`, log open orders.

    Parameters
    ----------
    gateway : OrderGateway
        Nothing is done unless it has fallen, and nothing a second time.
    seconds : float
        How long the venue is listened to at most.
    """
    if gateway.states.text_of(StateReason.JOURNAL_DOWN) is None or gateway.emergency_logged:
        return
    gateway.emergency_logged = True
    open_before = [order.root for order in gateway.ledger.orders.live()]
    began = last_cancel_s = time.monotonic()
    writes = True
    while gateway.ledger.orders.live() and (now := time.monotonic()) < began + seconds:
        if now > last_cancel_s + _AGAIN_S:
            last_cancel_s = now
            accounts = sorted({order.account for order in gateway.ledger.orders.live()})
            gateway.send_mass_cancels(gateway.mass_cancels(accounts))
        writes = _listen(gateway, writes)
    open_roots = [order.root for order in gateway.ledger.orders.live()]
    ended = f"the venue has ended {len(open_before) - len(open_roots)} of {len(open_before)} orders that were open"
    named = ", ".join(open_roots[:_NAMED]) + (
        f" and {len(open_roots) - _NAMED} more" if len(open_roots) > _NAMED else ""
    )
    text = f"{ended}; NOT known to be over: {named}" if open_roots else ended
    if open_before:
        _log.critical("%s %s", kinds.JOURNAL_DOWN, text)
        gateway.send_urgent(text)


def _listen(gateway: OrderGateway, writes: bool) -> bool:
    """Step the venue once and journal its events while `writes`, else only fold them; whether journaling still works."""
    began = time.monotonic()
    with suppress(VenueError, OSError), gateway.lock:
        with gateway.wire:
            events = gateway.venue.step(gateway.venue.now_ns + _STEP_NS)
        if writes:
            try:
                gateway.receive(events)
            except JournalError:
                writes = False
                events = []
        if not writes:
            gateway.reports.fold_unjournaled(events)
    if not gateway.venue.capabilities.stepped:
        time.sleep(max(0.0, began + _PAUSE_S - time.monotonic()))
    return writes
