"""Time limits on the venue's acknowledgements of orders, and on executions behind its filled counts.

An order that no word has come on for some seconds is UNKNOWN: its lots stay reserved, it is asked about, and it is not
sent again. An order of which the venue counts more lots as filled than it has reported is asked about too; after some
seconds its agent waits (`trading.pauses`) until they have come. Seconds are those of this machine: a venue that is
moved by hand owes nothing while it stands.
"""

import time
from collections.abc import Sequence
from typing import Final

from tercel.core.fixed import text as decimals
from tercel.core.orders import OrdStatus
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.order import ChildOrder, Code
from tercel.desk.trading.pauses import go_on, paused
from tercel.desk.trading.state import STOPS

ACK_S: Final = 5.0
"""Seconds that an order may wait for the venue's first word."""
MISSING_S: Final = 3.0
"""Seconds that an execution may come after the venue's word that lots are filled."""


class AckWatch:
    """Finds orders the venue has not acknowledged in time, and fills it counts without an execution.

    Parameters
    ----------
    gateway : OrderGateway
    """

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self.seconds = ACK_S
        self.missing_s = MISSING_S
        self._since: dict[str, float] = {}
        self._lacks: dict[str, float] = {}
        self._told: set[str] = set()

    def look(self) -> None:
        """Mark overdue orders UNKNOWN and pause agents with missing executions; `Inquiry` asks the venue."""
        live = self._gateway.ledger.orders.live()
        waits = [
            order for order in live if order.base is OrdStatus.PENDING_NEW and not order.last_ns
        ]
        self._since, late = self._late(waits, self._since, self.seconds)
        if late:
            names = [order.root for order in late]
            text = f"no word from the venue in {self.seconds:g} s on {', '.join(names):.200}: asked, and not sent again"
            self._gateway.alert("critical", kinds.NO_ACK, text, agent=late[0].account, orders=names)
        self._missing([order for order in live if order.cum_qty < order.counted_qty])

    def _late(
        self, waits: Sequence[ChildOrder], before: dict[str, float], seconds: float
    ) -> tuple[dict[str, float], list[ChildOrder]]:
        """Since when each has waited, and those that have for too long."""
        now = time.monotonic()
        since = {order.root: before.get(order.root, now) for order in waits}
        return since, [order for order in waits if now - since[order.root] >= seconds]

    def _missing(self, lacks: Sequence[ChildOrder]) -> None:
        self._lacks, late = self._late(lacks, self._lacks, self.missing_s)
        for order in late:
            if order.root not in self._told:
                lots = f"{decimals(order.counted_qty - order.cum_qty)} of {decimals(order.counted_qty)} lots"
                text = f"no execution of {order.root} for {lots} that the venue counts as filled: asked"
                text = f"{text}, and {order.account} waits until they come"
                where = {"agent": order.account, "order": order.root}
                self._gateway.alert(
                    "critical", Code.GAP, text, **where, **{STOPS: "until they come"}
                )
        self._told = {order.root for order in late}
        owed = {order.account for order in lacks}
        for agent, codes in paused(self._gateway).items():
            if Code.GAP in codes and agent not in owed:
                text = "every execution that the venue counts is booked"
                go_on(self._gateway, agent, "executions", text, [Code.GAP.value])
