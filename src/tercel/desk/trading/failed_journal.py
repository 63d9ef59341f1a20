"""A process whose journal cannot be written: cancels its orders, follows their ends, and reports them once.

`OrderGateway.fall` has sent a cancel of everything that was open. :func:`last_words` then stays with the venue for a
few seconds before the process ends: it sends again what was not answered, and says what was. Nothing of it is written,
and none of the venue's reports counts as received: the next session has them said again.
"""

import logging
import time
from contextlib import suppress
from typing import Final

from tercel.core.errors import JournalError, VenueError
from tercel.core.orders import MassCancel
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import remedy_of
from tercel.desk.trading.state import StateReason

LONGEST_S: Final = 5.0
"""How long a process that cannot write stays with the venue."""
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
        It is not; what is open has been cancelled.
    """
    if why := gateway.venue.capabilities.unrecorded:
        error = JournalError(
            f"to be able to write down what is sent to {gateway.venue.name}", why, remedy_of(why)
        )
        gateway.fall(error)
        raise error


def last_words(gateway: OrderGateway, seconds: float = LONGEST_S) -> None:
    """Before a process ends for lack of a journal: resend cancels, follow the venue's answers, report open orders.

    Parameters
    ----------
    gateway : OrderGateway
        Nothing is done unless it has fallen, and nothing a second time.
    seconds : float
        How long the venue is listened to at most.
    """
    if gateway.states.why(StateReason.JOURNAL_DOWN) is None or gateway.parted:
        return
    gateway.parted = True
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
    """Once more: a link that was down may have come back, an order may have been on its way."""
    accounts, now = (
        sorted({order.account for order in gateway.ledger.orders.live()}),
        gateway.venue.now_ns,
    )
    gateway.take_back([MassCancel(gateway.new_name(), account, "", now) for account in accounts])


def _listen(gateway: OrderGateway, writes: bool) -> bool:
    """Take what the venue says; whether it could be written. Once it could not, nothing is: it would leave a hole."""
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
