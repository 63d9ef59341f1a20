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
    refusal_report,
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
        self.now_ns = began_ns
        self.name = "tiny"
        self.dies = False
        self._listings = [
            Listing(instrument, 0.05, 10, 1.5, 0, began_ns, answers)
            for instrument in ("TINY", *more)
        ]
        self._book = [
            TinyOrder(n, s, p, 5)
            for n, s, p in ((1, -1, 101), (2, -1, 102), (3, 1, 99), (4, 1, 98))
        ]
        self._queue: list[tuple[int, int, Command]] = []
        self._subscriptions: list[str] = []
        self.sent = 0
        """Commands that came."""
        self._orders: dict[str, TinyOrder] = {}
        self._used: set[str] = set()
        self._positions: dict[str, Counter[str]] = {}
        self._ids = 100
        self._execs = 0
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
        return dict(self._positions.get(account, {}))

    def subscribe(self, instrument: str) -> None:
        """See `Venue`."""
        self._subscriptions.append(instrument)

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
        for name in self._subscriptions:
            book = [tiny_order for tiny_order in self._book if tiny_order.instrument == name]
            self._show(
                name,
                [
                    (
                        self.now_ns,
                        schema.ADD,
                        tiny_order.id,
                        tiny_order.side,
                        tiny_order.price,
                        tiny_order.left,
                        -1,
                    )
                    for tiny_order in book
                ],
                True,
            )
        self._subscriptions = []
        if self._queue and min(self._queue)[0] <= until_ns:
            due = min(self._queue)
            self._queue.remove(due)
            self.now_ns = max(self.now_ns, due[0])
            self._execute(due[2])
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

    def _row(self, kind: int, tiny_order: TinyOrder, lots: int, aggressor: int = -1) -> None:
        self._rows.append(
            (
                tiny_order.instrument,
                (
                    self.now_ns,
                    kind,
                    tiny_order.id,
                    tiny_order.side,
                    tiny_order.price,
                    lots,
                    aggressor,
                ),
            )
        )

    def _enter(self, tiny_order: TinyOrder) -> None:
        self._book.append(tiny_order)
        self._row(schema.ADD, tiny_order, tiny_order.left)

    def _leave(self, tiny_order: TinyOrder) -> None:
        self._book.remove(tiny_order)
        self._row(schema.DELETE, tiny_order, tiny_order.left)

    def _exec_id(self) -> str:
        self._execs += 1
        return f"e{self._execs}"

    def _report(
        self, kind: ExecType, tiny_order: TinyOrder, name: str = "", orig: str = "", **more: Any
    ) -> Report:
        """Say how an order stands. `more`: lots, price, passive of a trade; ref, text."""
        self._flush()
        assert tiny_order.order is not None
        order = tiny_order.order
        over = tiny_order.status in TERMINAL
        last_qty = more.get("lots", 0) * ONE
        last_px = more.get("price", 0) * ONE
        report = Report(
            *(self._exec_id(), kind, tiny_order.status, name or order.cl_ord_id, orig, str(tiny_order.id), order.account),
            *(order.instrument, order.side, order.lots, order.price, last_qty, last_px),
            *(tiny_order.cum * ONE, 0 if over else tiny_order.left * ONE, self.now_ns, more.get("passive", False)),
            *(more.get("text", ""), more.get("ref", "")),
        )  # fmt: skip
        self._events.append(report)
        return report

    def _execute(self, command: Command) -> None:
        if isinstance(command, NewOrder):
            self._new(command)
        elif isinstance(command, StatusRequest):
            self._status(command)
        elif isinstance(command, MassCancel):
            for tiny_order in [
                tiny_order
                for tiny_order in self._book
                if tiny_order.order is not None and tiny_order.order.account == command.account
            ]:
                if command.instrument in ("", tiny_order.instrument):
                    self._take_out(tiny_order)
        else:
            self._change(command)
        self._flush()

    def _status(self, command: StatusRequest) -> None:
        tiny_order = self._orders.get(command.cl_ord_id)
        if not command.cl_ord_id:
            for each in self._book:
                if each.order is not None and each.order.account == command.account:
                    self._report(ExecType.STATUS, each)
        elif (
            tiny_order is not None
            and tiny_order.order is not None
            and tiny_order.order.account == command.account
        ):
            self._report(ExecType.STATUS, tiny_order, orig=command.cl_ord_id)
        else:
            unknown = NewOrder(
                command.cl_ord_id, "TINY", 0, 0, None, Tif.DAY, command.account, "", 0
            )
            report_fields = (
                self._exec_id(),
                self.now_ns,
                "no such order",
                ExecType.STATUS,
                OrdStatus.UNKNOWN,
            )
            self._events.append(refusal_report(unknown, *report_fields))

    def _use_name(self, name: str) -> bool:
        """Whether a name was used; from now on it was."""
        known = name in self._used
        self._used.add(name)
        return known

    def _new(self, order: NewOrder) -> None:
        if self._use_name(order.cl_ord_id):
            self._events.append(
                refusal_report(
                    order, self._exec_id(), self.now_ns, f"duplicate cl_ord_id {order.cl_ord_id!r}"
                )
            )
            return
        self._ids += 1
        price = order.price if order.price is not None else order.side * 10**6
        tiny_order = TinyOrder(
            self._ids, order.side, price, order.lots, order, instrument=order.instrument
        )
        self._orders[order.cl_ord_id] = tiny_order
        self._report(ExecType.NEW, tiny_order)
        self._match(tiny_order)
        if tiny_order.left and (order.price is None or order.tif is Tif.IOC):
            tiny_order.status = OrdStatus.EXPIRED
            self._report(ExecType.EXPIRED, tiny_order)
        elif tiny_order.left:
            self._enter(tiny_order)

    def _match(self, tiny_order: TinyOrder) -> None:
        while tiny_order.left:
            opposite = [
                resting
                for resting in self._book
                if (resting.side, resting.instrument) == (-tiny_order.side, tiny_order.instrument)
            ]
            against = [
                resting
                for resting in opposite
                if (tiny_order.price - resting.price) * tiny_order.side >= 0
            ]
            if not against:
                return
            best = min(against, key=lambda resting: resting.price * tiny_order.side)
            lots = min(best.left, tiny_order.left)
            for party in (best, tiny_order):
                party.left = party.left - lots
                party.cum = party.cum + lots
            self._row(schema.EXECUTE, best, lots, tiny_order.id)
            if not best.left:
                self._book.remove(best)
            self._fill(tiny_order, lots, best.price, False)
            if best.order is not None:
                self._fill(best, lots, best.price, True)

    def _fill(self, tiny_order: TinyOrder, lots: int, price: int, passive: bool) -> Report:
        tiny_order.status = OrdStatus.PARTIALLY_FILLED if tiny_order.left else OrdStatus.FILLED
        self._hold(tiny_order, lots)
        return self._report(ExecType.TRADE, tiny_order, lots=lots, price=price, passive=passive)

    def _hold(self, tiny_order: TinyOrder, lots: int) -> None:
        """An order's account has so many lots more (of a sale: fewer)."""
        assert tiny_order.order is not None
        self._positions.setdefault(tiny_order.order.account, Counter())[tiny_order.instrument] += (
            tiny_order.side * lots * ONE
        )

    def _take_out(
        self, tiny_order: TinyOrder, name: str = "", orig: str = "", text: str = ""
    ) -> None:
        self._leave(tiny_order)
        tiny_order.status = OrdStatus.CANCELED
        self._report(ExecType.CANCELED, tiny_order, name, orig, text=text)

    def _change(self, command: CancelOrder | ReplaceOrder) -> None:
        tiny_order = self._orders.get(command.orig)
        text = ""
        order = (
            tiny_order.order
            if tiny_order is not None
            and tiny_order.order
            and tiny_order.order.account == command.account
            else None
        )
        if tiny_order is None or order is None:
            text = "no such order"
            status = OrdStatus.UNKNOWN
        elif self._use_name(command.cl_ord_id):
            text = f"duplicate cl_ord_id {command.cl_ord_id!r}"
            status = tiny_order.status
        elif tiny_order not in self._book:
            text = "too late"
            status = tiny_order.status
        elif isinstance(command, CancelOrder):
            self._take_out(tiny_order, command.cl_ord_id, order.cl_ord_id)
        else:
            self._replace(command, order, tiny_order)
        if text:
            names = command.cl_ord_id, command.orig, command.account
            self._events.append(CancelReject(*names, status, self.now_ns, text))

    def _replace(self, command: ReplaceOrder, order: NewOrder, tiny_order: TinyOrder) -> None:
        """As FIX 4.4 has it, appendix D, D.10 to D.13: no fewer lots than are filled, and then it is over."""
        self._leave(tiny_order)
        tiny_order.left = max(command.lots - tiny_order.cum, 0)
        tiny_order.price = command.price
        lots = max(command.lots, tiny_order.cum)
        tiny_order.order = replace(
            order, cl_ord_id=command.cl_ord_id, lots=lots, price=command.price
        )
        self._orders[command.cl_ord_id] = tiny_order
        if not tiny_order.left:
            tiny_order.status = OrdStatus.FILLED
        self._report(ExecType.REPLACED, tiny_order, orig=order.cl_ord_id)
        self._match(tiny_order)
        if tiny_order.left:
            self._enter(tiny_order)
