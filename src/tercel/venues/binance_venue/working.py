"""An order at Binance: what was told of it here, and the reports that tell more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tercel.core import orders as o
from tercel.core.fixed import ONE
from tercel.fix.memory import SentOrder
from tercel.venues.binance_venue.words import Status

ENDS: Final[Mapping[str, tuple[o.ExecType, o.OrdStatus]]] = {
    Status.CANCELED: (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    "PENDING_CANCEL": (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    Status.REJECTED: (o.ExecType.REJECTED, o.OrdStatus.REJECTED),
    Status.EXPIRED: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
    Status.EXPIRED_IN_MATCH: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
}
"""How an order may end that is not filled."""
OVER: Final = {**ENDS, Status.FILLED: (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED)}
"""How an order may end whose lots are not all filled here: FILLED where some were taken off it there."""


@dataclass(eq=False, slots=True)
class WorkingOrder:
    """An order of ours, one leg where a replacement made a new one.

    Parameters
    ----------
    told : SentOrder
        By the name under which it lives.
    number : int
        Binance's, 0 while it is not known.
    before : WorkingOrder, optional
        The order that it takes the place of.
    """

    told: SentOrder
    number: int = 0
    before: "WorkingOrder | None" = None
    base_qty: int = 0
    """Filled by those before it, 10^-8 of a lot."""
    qty: int = 0
    """Filled of this one."""
    acked: bool = False
    over: bool = False
    ended: tuple[str, int] | None = None
    """How it ended and when, while executions are missing or a replacement is to come."""
    after: "WorkingOrder | None" = None
    """The order that is to take its place."""
    trades: list[o.Report] = field(default_factory=list)
    """Of all legs, as they were told."""
    seen: set[int] = field(default_factory=set)
    """Numbers of its trades."""

    @property
    def latest(self) -> "WorkingOrder":
        """The order that it lives on in: itself, unless it was replaced."""
        return self if self.after is None or not self.over else self.after.latest

    @property
    def cum_qty(self) -> int:
        """Filled by all legs."""
        return self.base_qty + self.qty

    @property
    def status(self) -> o.OrdStatus:
        """Where it stands, as far as it was told."""
        if self.over:
            return self.told.status
        if not self.acked:
            return o.OrdStatus.PENDING_NEW
        return o.OrdStatus.PARTIALLY_FILLED if self.cum_qty else o.OrdStatus.NEW

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
        """A report on it."""
        told = self.told
        leaves = 0 if status in o.TERMINAL else max(told.lots * ONE - self.cum_qty, 0)
        return o.Report(
            exec_id,
            kind,
            status,
            name or told.name,
            orig,
            str(self.number or ""),
            told.account,
            told.instrument,
            told.side,
            told.lots,
            told.price,
            qty,
            px,
            self.cum_qty,
            leaves,
            ns,
            passive,
            text,
        )
