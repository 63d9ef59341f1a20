"""The smallest venue that obeys the port: price-time priority in plain Python, every command one microsecond away.

It stands behind FIX servers in tests and in certification; it trades only with who sends to it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np

from tercel.core import (
    ONE,
    TERMINAL,
    CancelOrder,
    CancelReject,
    Capabilities,
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
    refused,
)
from tercel.market.tape import schema

WAY_NS: Final = 1_000
"""From whoever sends a command to the venue."""
STAYS: Final = 'base = "tercel"\n[session]\ncancel_on_disconnect = { 20022 = "N" }\n'
"""Profile of a counterparty whose orders stay when it leaves."""


@dataclass
class TinyOrder:
    """An order in the book or over; the public's have no `order`."""

    id: int
    side: int
    price: int
    left: int
    order: NewOrder | None = None
    """As it stands: under its last name, with the lots and the price of the last change."""
    cum: int = 0
    status: OrdStatus = OrdStatus.NEW
    instrument: str = "TINY"


class TinyVenue:
    """TINY has public asks at 101 and 102, bids at 99 and 98, five lots each; nothing happens by itself.

    Parameters
    ----------
    began_ns : int
        Its time at the beginning, ns.
    answers : bool
        Whether its listings say that it answers.
    more : sequence of str
        Instruments besides TINY, with empty books.

    >>> TinyVenue().listings()[0].instrument
    'TINY'
    """

    def __init__(
        self, began_ns: int = 10**18, answers: bool = True, more: Sequence[str] = ()
    ) -> None:
        self.now_ns, self.name, self.dies = began_ns, "tiny", False
        self._listings = [
            Listing(one, 0.05, 10, 1.5, 0, began_ns, answers) for one in ("TINY", *more)
        ]
        self._book = [
            TinyOrder(n, s, p, 5)
            for n, s, p in ((1, -1, 101), (2, -1, 102), (3, 1, 99), (4, 1, 98))
        ]
        self._queue: list[tuple[int, int, Command]] = []
        self._asked: list[str] = []
        self.sent = 0
        """Commands that came."""
        self._orders: dict[str, TinyOrder] = {}
        self._used: set[str] = set()
        self._held: dict[str, Counter[str]] = {}
        self._ids, self._execs = 100, 0
        self._events: list[VenueEvent] = []
        self._rows: list[tuple[str, tuple[int, ...]]] = []

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`."""
        return Capabilities(simulated=True, positions=self)

    def listings(self) -> Sequence[Listing]:
        """See `Venue`."""
        return self._listings

    def positions(self, account: str) -> dict[str, int]:
        """What an account holds, signed, 10^-8 of a lot, by instrument."""
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
        for name in self._asked:
            book = [one for one in self._book if one.instrument == name]
            self._show(
                name,
                [
                    (self.now_ns, schema.ADD, one.id, one.side, one.price, one.left, -1)
                    for one in book
                ],
                True,
            )
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
    def _show(
        self, instrument: str, rows: Sequence[tuple[int, ...]], snapshot: bool = False
    ) -> None:
        self._events.append(
            MarketRows(instrument, np.array(rows, np.int64).reshape(-1, 7), snapshot)
        )

    def _flush(self) -> None:
        for instrument, rows in groupby(self._rows, key=itemgetter(0)):
            self._show(instrument, [row for _, row in rows])
        self._rows = []

    def _row(self, kind: int, one: TinyOrder, lots: int, aggressor: int = -1) -> None:
        self._rows.append(
            (one.instrument, (self.now_ns, kind, one.id, one.side, one.price, lots, aggressor))
        )

    def _enter(self, one: TinyOrder) -> None:
        self._book.append(one)
        self._row(schema.ADD, one, one.left)

    def _leave(self, one: TinyOrder) -> None:
        self._book.remove(one)
        self._row(schema.DELETE, one, one.left)

    def _exec_id(self) -> str:
        self._execs += 1
        return f"e{self._execs}"

    def _report(
        self, kind: ExecType, one: TinyOrder, name: str = "", orig: str = "", **more: Any
    ) -> Report:
        """Say how an order stands. `more`: lots, price, passive of a trade; ref, text."""
        self._flush()
        assert one.order is not None
        order, over = one.order, one.status in TERMINAL
        last_qty, last_px = more.get("lots", 0) * ONE, more.get("price", 0) * ONE
        report = Report(
            *(self._exec_id(), kind, one.status, name or order.cl_ord_id, orig, str(one.id), order.account),
            *(order.instrument, order.side, order.lots, order.price, last_qty, last_px),
            *(one.cum * ONE, 0 if over else one.left * ONE, self.now_ns, more.get("passive", False)),
            *(more.get("text", ""), more.get("ref", "")),
        )  # fmt: skip
        self._events.append(report)
        return report

    def _obey(self, command: Command) -> None:
        if isinstance(command, NewOrder):
            self._new(command)
        elif isinstance(command, StatusRequest):
            self._status(command)
        elif isinstance(command, MassCancel):
            for one in [
                one
                for one in self._book
                if one.order is not None and one.order.account == command.account
            ]:
                if command.instrument in ("", one.instrument):
                    self._take_out(one)
        else:
            self._change(command)
        self._flush()

    def _status(self, command: StatusRequest) -> None:
        one = self._orders.get(command.cl_ord_id)
        if not command.cl_ord_id:
            for each in self._book:
                if each.order is not None and each.order.account == command.account:
                    self._report(ExecType.STATUS, each)
        elif one is not None and one.order is not None and one.order.account == command.account:
            self._report(ExecType.STATUS, one, orig=command.cl_ord_id)
        else:
            unknown = NewOrder(
                command.cl_ord_id, "TINY", 0, 0, None, Tif.DAY, command.account, "", 0
            )
            said = self._exec_id(), self.now_ns, "no such order", ExecType.STATUS, OrdStatus.UNKNOWN
            self._events.append(refused(unknown, *said))

    def _taken(self, name: str) -> bool:
        """Whether a name was used; from now on it was."""
        known = name in self._used
        self._used.add(name)
        return known

    def _new(self, order: NewOrder) -> None:
        if self._taken(order.cl_ord_id):
            self._events.append(
                refused(
                    order, self._exec_id(), self.now_ns, f"duplicate cl_ord_id {order.cl_ord_id!r}"
                )
            )
            return
        self._ids += 1
        price = order.price if order.price is not None else order.side * 10**6
        one = TinyOrder(
            self._ids, order.side, price, order.lots, order, instrument=order.instrument
        )
        self._orders[order.cl_ord_id] = one
        self._report(ExecType.NEW, one)
        self._match(one)
        if one.left and (order.price is None or order.tif is Tif.IOC):
            one.status = OrdStatus.EXPIRED
            self._report(ExecType.EXPIRED, one)
        elif one.left:
            self._enter(one)

    def _match(self, one: TinyOrder) -> None:
        while one.left:
            other = [
                it for it in self._book if (it.side, it.instrument) == (-one.side, one.instrument)
            ]
            against = [it for it in other if (one.price - it.price) * one.side >= 0]
            if not against:
                return
            best = min(against, key=lambda it: it.price * one.side)
            lots = min(best.left, one.left)
            for party in (best, one):
                party.left, party.cum = party.left - lots, party.cum + lots
            self._row(schema.EXECUTE, best, lots, one.id)
            if not best.left:
                self._book.remove(best)
            self._filled(one, lots, best.price, False)
            if best.order is not None:
                self._filled(best, lots, best.price, True)

    def _filled(self, one: TinyOrder, lots: int, price: int, passive: bool) -> Report:
        one.status = OrdStatus.PARTIALLY_FILLED if one.left else OrdStatus.FILLED
        self._hold(one, lots)
        return self._report(ExecType.TRADE, one, lots=lots, price=price, passive=passive)

    def _hold(self, one: TinyOrder, lots: int) -> None:
        """An order's account has so many lots more (of a sale: fewer)."""
        assert one.order is not None
        self._held.setdefault(one.order.account, Counter())[one.instrument] += one.side * lots * ONE

    def _take_out(self, one: TinyOrder, name: str = "", orig: str = "", text: str = "") -> None:
        self._leave(one)
        one.status = OrdStatus.CANCELED
        self._report(ExecType.CANCELED, one, name, orig, text=text)

    def _change(self, command: CancelOrder | ReplaceOrder) -> None:
        one, text = self._orders.get(command.orig), ""
        order = (
            one.order
            if one is not None and one.order and one.order.account == command.account
            else None
        )
        if one is None or order is None:
            text, status = "no such order", OrdStatus.UNKNOWN
        elif self._taken(command.cl_ord_id):
            text, status = f"duplicate cl_ord_id {command.cl_ord_id!r}", one.status
        elif one not in self._book:
            text, status = "too late", one.status
        elif isinstance(command, CancelOrder):
            self._take_out(one, command.cl_ord_id, order.cl_ord_id)
        else:
            self._replace(command, order, one)
        if text:
            names = command.cl_ord_id, command.orig, command.account
            self._events.append(CancelReject(*names, status, self.now_ns, text))

    def _replace(self, command: ReplaceOrder, order: NewOrder, one: TinyOrder) -> None:
        """As FIX 4.4 has it, appendix D, D.10 to D.13: no fewer lots than are filled, and then it is over."""
        self._leave(one)
        one.left, one.price = max(command.lots - one.cum, 0), command.price
        lots = max(command.lots, one.cum)
        one.order = replace(order, cl_ord_id=command.cl_ord_id, lots=lots, price=command.price)
        self._orders[command.cl_ord_id] = one
        if not one.left:
            one.status = OrdStatus.FILLED
        self._report(ExecType.REPLACED, one, orig=order.cl_ord_id)
        self._match(one)
        if one.left:
            self._enter(one)
