"""One own order at Binance: its legs, filled quantity, status, and the execution reports on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tercel.core import orders as o
from tercel.core.fixed_point import ONE
from tercel.core.link.order_memory import SentOrder
from tercel.venues.binance_venue.api import Status
from tercel.venues.binance_venue.spot_api import OrderKey

ENDS: Final[Mapping[str, tuple[o.ExecType, o.OrdStatus]]] = {
    Status.CANCELED: (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    "PENDING_CANCEL": (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    Status.REJECTED: (o.ExecType.REJECTED, o.OrdStatus.REJECTED),
    Status.EXPIRED: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
    Status.EXPIRED_IN_MATCH: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
}
"""Final statuses of orders that are not filled: type and status of the report."""
OVER: Final = {**ENDS, Status.FILLED: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED)}
"""The same for orders with lots that are not filled here: FILLED if the venue reduced the order."""


@dataclass(eq=False, slots=True)
class WorkingOrder:
    """An own order; one leg of it where a replacement made a new one.

    Parameters
    ----------
    sent : SentOrder
        By the name under which it lives.
    number : int
        Binance's, 0 while it is not known.
    before : WorkingOrder, optional
        The order that it takes the place of.
    """

    sent: SentOrder
    number: int = 0
    before: "WorkingOrder | None" = None
    base_qty: int = 0
    """Filled by those before it, 10^-8 of a lot."""
    qty: int = 0
    """Filled of this one."""
    acked: bool = False
    over: bool = False
    withdrawn: bool = False
    """Whether a cancel came before it was sent: it is not to be sent then."""
    ended: tuple[str, int] | None = None
    """Its final status and time, while executions are missing or a replacement is to come."""
    after: "WorkingOrder | None" = None
    """The order that is to take its place."""
    trades: list[o.Report] = field(default_factory=list)
    """Of all legs, as reported."""
    seen_trades: set[int] = field(default_factory=set)
    """Numbers of its trades."""
    names: list[str] = field(default_factory=list)
    """Every name that it had, ours and at the venue."""

    @property
    def latest(self) -> "WorkingOrder":
        """The last order in the chain of replacements; the order itself without any."""
        order = self
        while order.over and order.after is not None:
            order = order.after
        return order

    @property
    def key(self) -> OrderKey:
        """Symbol, number and name by which the venue knows it."""
        return OrderKey(self.sent.instrument, self.number, self.sent.wire)

    @property
    def cum_qty(self) -> int:
        """Quantity filled by all legs, 10^-8 of a lot."""
        return self.base_qty + self.qty

    @property
    def status(self) -> o.OrdStatus:
        """Status of the order, as last reported."""
        if self.over:
            return self.sent.status
        if not self.acked:
            return o.OrdStatus.PENDING_NEW
        return o.working_status(self.cum_qty)

    def report(
        self,
        kind: o.ExecType,
        status: o.OrdStatus,
        exec_id: str,
        ns: int,
        *,
        name: str = "",
        orig: str = "",
        qty: int = 0,
        px: int = 0,
        passive: bool = False,
        text: str = "",
    ) -> o.Report:
        """Execution report on the order's current state; `qty`, `px`: the last trade's, 10^-8 of a lot and a tick."""
        sent = self.sent
        return o.Report(
            exec_id,
            kind,
            status,
            name or sent.name,
            orig,
            str(self.number or ""),
            sent.account,
            sent.instrument,
            sent.side,
            sent.lots,
            sent.price,
            qty,
            px,
            self.cum_qty,
            0 if status in o.TERMINAL else max(sent.lots * ONE - self.cum_qty, 0),
            ns,
            passive,
            text,
        )
