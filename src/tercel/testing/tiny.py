"""The smallest venue that obeys the port: price-time priority in plain Python, every command one microsecond away.

It stands behind FIX servers in tests and in certification; its one instrument trades only with who sends to it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    Listing,
    MarketRows,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
    VenueEvent,
)
from tercel.market.tape import schema

WAY_NS: Final = 1_000
"""From whoever sends a command to the venue."""
_OVER: Final = (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED)
STAYS: Final = 'base = "tercel"\n[session]\ncancel_on_disconnect = { 20022 = "N" }\n'
"""Profile of a counterparty whose orders stay when it leaves."""


@dataclass
class _Resting:
    id: int
    side: int
    price: int
    left: int
    order: NewOrder | None = None
    cum: int = 0


class TinyVenue:
    """One instrument TINY: public asks at 101 and 102, bids at 99 and 98, five lots each; nothing happens by itself.

    Parameters
    ----------
    began_ns : int
        Its time at the beginning, ns.
    answers : bool
        Whether its listing says that it answers.

    >>> TinyVenue().listings()[0].instrument
    'TINY'
    """

    def __init__(self, began_ns: int = 10**18, answers: bool = True) -> None:
        self.now_ns, self.name, self.dies = began_ns, "tiny", False
        self._listing = Listing("TINY", 0.05, 10, 1.5, 0, began_ns, answers)
        self._book = [_Resting(n, s, p, 5) for n, s, p in ((1, -1, 101), (2, -1, 102), (3, 1, 99), (4, 1, 98))]
        self._queue: list[tuple[int, int, Command]] = []
        self._asked: list[str] = []
        self.sent = 0
        """Commands that came."""
        self._orders: dict[str, tuple[NewOrder, _Resting, OrdStatus]] = {}
        self._held: dict[str, Counter[str]] = {}
        self._ids, self._execs = 100, 0
        self._events: list[VenueEvent] = []
        self._rows: list[tuple[int, ...]] = []

    def listings(self) -> Sequence[Listing]:
        """See `Venue`."""
        return [self._listing]

    def positions(self, account: str) -> dict[str, int]:
        """Signed lots of an account by instrument."""
        return dict(self._held.get(account, {}))

    def subscribe(self, instrument: str) -> None:
        """See `Venue`."""
        self._asked.append(instrument)

    def send(self, command: Command) -> None:
        """See `Venue`."""
        self.sent += 1
        self._queue.append((max(command.sent_ns, self.now_ns) + WAY_NS, self.sent, command))

    def close(self) -> None:
        """There is nothing to close."""

    def step(self, until_ns: int) -> list[VenueEvent]:
        """See `Venue`."""
        if self.dies:
            raise RuntimeError("the venue died")
        self._events = []
        if self._asked:
            rows = [(self.now_ns, schema.ADD, one.id, one.side, one.price, one.left, -1) for one in self._book]
            self._events += [MarketRows(name, np.array(rows, np.int64).reshape(-1, 7), True) for name in self._asked]
            self._asked = []
        if self._queue and min(self._queue)[0] <= until_ns:
            due = min(self._queue)
            self._queue.remove(due)
            self.now_ns = max(self.now_ns, due[0])
            self._obey(due[2])
        else:
            self.now_ns = max(self.now_ns, until_ns)
        return self._events

    # -- inside -------------------------------------------------------------------------------------------------------
    def _flush(self) -> None:
        if self._rows:
            self._events.append(MarketRows("TINY", np.array(self._rows, np.int64).reshape(-1, 7)))
            self._rows = []

    def _row(self, kind: int, one: _Resting, lots: int, aggressor: int = -1) -> None:
        self._rows.append((self.now_ns, kind, one.id, one.side, one.price, lots, aggressor))

    def _report(
        self,
        kind: ExecType,
        one: _Resting,
        order: NewOrder,
        status: OrdStatus,
        orig: str = "",
        lots: int = 0,
        price: int = 0,
        text: str = "",
        passive: bool = False,
    ) -> None:
        self._flush()
        self._execs += 1
        leaves = 0 if status in _OVER else one.left
        self._events.append(
            Report(
                *(f"e{self._execs}", kind, status, order.cl_ord_id, orig, str(one.id), order.account, "TINY"),
                *(order.side, order.lots, order.price, lots, price, one.cum, leaves, self.now_ns, passive, text),  # type: ignore[arg-type]
            )
        )

    def _obey(self, command: Command) -> None:
        if isinstance(command, NewOrder):
            self._new(command)
        elif isinstance(command, StatusRequest):
            self._status(command)
        elif isinstance(command, MassCancel):
            for name, (order, one, _) in list(self._orders.items()):
                if order.account == command.account and order.cl_ord_id == name and one in self._book:
                    self._take_out(one, order, command.cl_ord_id)
        else:
            self._change(command)
        self._flush()

    def _status(self, command: StatusRequest) -> None:
        if not command.cl_ord_id:
            known = [(o, one, s) for n, (o, one, s) in self._orders.items() if o.account == command.account]
            for order, one, status in known:
                if one in self._book:
                    self._report(ExecType.STATUS, one, order, status)
        elif command.cl_ord_id in self._orders:
            order, one, status = self._orders[command.cl_ord_id]
            self._report(ExecType.STATUS, one, order, status)
        else:
            nobody = NewOrder(command.cl_ord_id, "TINY", 0, 0, None, Tif.DAY, command.account, "", 0)
            self._report(ExecType.STATUS, _Resting(0, 0, 0, 0), nobody, OrdStatus.UNKNOWN, text="no such order")

    def _new(self, order: NewOrder) -> None:
        self._ids += 1
        one = _Resting(
            self._ids, order.side, order.price if order.price is not None else order.side * 10**6, order.lots, order
        )
        if order.cl_ord_id in self._orders:
            self._report(ExecType.REJECTED, one, order, OrdStatus.REJECTED, text="duplicate cl_ord_id")
            return
        self._keep(order, one, OrdStatus.NEW)
        self._report(ExecType.NEW, one, order, OrdStatus.NEW)
        self._match(one, order)
        if one.left and (order.price is None or order.tif is Tif.IOC):
            self._keep(order, one, OrdStatus.EXPIRED)
            self._report(ExecType.EXPIRED, one, order, OrdStatus.EXPIRED)
        elif one.left:
            self._book.append(one)
            self._row(schema.ADD, one, one.left)

    def _keep(self, order: NewOrder, one: _Resting, status: OrdStatus) -> None:
        self._orders[order.cl_ord_id] = (order, one, status)

    def _match(self, one: _Resting, order: NewOrder) -> None:
        while one.left:
            against = [it for it in self._book if it.side == -one.side and (one.price - it.price) * one.side >= 0]
            if not against:
                return
            best = min(against, key=lambda it: it.price * one.side)
            lots = min(best.left, one.left)
            for party in (best, one):
                party.left, party.cum = party.left - lots, party.cum + lots
            self._row(schema.EXECUTE, best, lots, one.id)
            if not best.left:
                self._book.remove(best)
            self._filled(one, order, lots, best.price, False)
            if best.order is not None:
                self._filled(best, best.order, lots, best.price, True)

    def _filled(self, one: _Resting, order: NewOrder, lots: int, price: int, passive: bool) -> None:
        status = OrdStatus.PARTIALLY_FILLED if one.left else OrdStatus.FILLED
        self._keep(order, one, status)
        self._held.setdefault(order.account, Counter())["TINY"] += order.side * lots
        self._report(ExecType.TRADE, one, order, status, lots=lots, price=price, passive=passive)

    def _take_out(self, one: _Resting, order: NewOrder, name: str) -> None:
        self._book.remove(one)
        self._row(schema.DELETE, one, one.left)
        self._keep(order, one, OrdStatus.CANCELED)
        self._report(ExecType.CANCELED, one, replace(order, cl_ord_id=name), OrdStatus.CANCELED, orig=order.cl_ord_id)

    def _change(self, command: CancelOrder | ReplaceOrder) -> None:
        order, one, status = self._orders.get(command.orig, (None, None, OrdStatus.UNKNOWN))
        if order is None or order.account != command.account or one not in self._book:
            text = "no such order" if order is None else "too late"
            names = command.cl_ord_id, command.orig, command.account
            self._flush()
            self._events.append(CancelReject(*names, status, self.now_ns, text))
        elif isinstance(command, CancelOrder):
            self._take_out(one, order, command.cl_ord_id)
        else:
            self._replace(command, order, one)

    def _replace(self, command: ReplaceOrder, order: NewOrder, one: _Resting) -> None:
        left = command.lots - one.cum
        self._book.remove(one)
        self._row(schema.DELETE, one, one.left)
        one.left, one.price = left, command.price
        changed = replace(order, cl_ord_id=command.cl_ord_id, lots=command.lots, price=command.price)
        one.order = changed
        status = OrdStatus.PARTIALLY_FILLED if one.cum else OrdStatus.NEW
        self._keep(changed, one, status)
        self._report(ExecType.REPLACED, one, changed, status, orig=order.cl_ord_id)
        self._match(one, changed)
        if one.left:
            self._book.append(one)
            self._row(schema.ADD, one, one.left)
