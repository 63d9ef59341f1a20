"""Orders that the venue says nothing about.

An order that no word has come on for some seconds is UNKNOWN: its lots stay reserved, it is asked about, and it is not
sent again. Seconds are those of this machine: a venue that is moved by hand owes nothing while it stands.
"""

import time
from collections.abc import Callable
from typing import Final

from tercel.core.orders import OrdStatus
from tercel.core.ports import Entry
from tercel.trading.gateway import OrderGateway
from tercel.trading.journal import kinds

ACK_S: Final = 5.0
"""Seconds that an order may wait for the venue's first word."""


class AckWatch:
    """Looks for orders that the venue has not said a word on.

    Parameters
    ----------
    gateway : OrderGateway
    seconds : float
    clock : callable
        Seconds of this machine.
    """

    def __init__(
        self, gateway: OrderGateway, seconds: float = ACK_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateway, self.seconds, self._clock = gateway, seconds, clock
        self._since: dict[str, float] = {}

    def look(self) -> None:
        """Those that have waited too long are UNKNOWN from here on; whoever asks about these asks."""
        live = self._gateway.ledger.orders.live()
        waits = [order for order in live if order.base is OrdStatus.PENDING_NEW and not order.last_ns]
        now, before = self._clock(), self._since
        self._since = {order.root: before.get(order.root, now) for order in waits}
        late = [order for order in waits if now - self._since[order.root] >= self.seconds]
        if not late:
            return
        names = [order.root for order in late]
        text = f"no word from the venue in {self.seconds:g} s on {', '.join(names):.200}: asked, and not sent again"
        body = {"severity": "critical", "code": kinds.NO_ACK, "text": text, "orders": names}
        self._gateway.write([Entry(kinds.ALERT, self._gateway.venue.now_ns, agent=late[0].account, body=body)])
