"""Client orders of a simulated exchange: their states, their execution reports, the open ones by place and account."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from tercel.core.fixed_point import ONE
from tercel.core.lifecycle import TRANSITIONS
from tercel.core.orders import (
    TERMINAL,
    ExecType,
    NewOrder,
    OrdStatus,
    Report,
    refusal_report,
    working_status,
)
from tercel.core.vocabulary import MOST_LOTS
from tercel.venues.exchange.order_record import OrderRecord

PRICE_BOUND = 2**29
"""Prices lie below it on both sides of 0."""
_RESUMED = "the exchange began again"


@dataclass(slots=True)
class ClientOrder:
    """State of one client order, under every ClOrdID it has had.

    Parameters
    ----------
    new : NewOrder
        As it came.
    market, place : int
        Which market, which place in its ledger; -1 once it is over or where it never was.
    number : int
        Of its place, also in market data: another order gets it once this one is over.
    cl_ord_id : str
        Its latest accepted name.
    status : OrdStatus
        By the table of `core.lifecycle`.
    serial : int
        No other order of the exchange ever has it.
    """

    new: NewOrder
    market: int
    place: int
    number: int
    cl_ord_id: str
    lots: int
    price: int | None
    cum: int = 0
    leaves: int = 0
    status: OrdStatus = OrdStatus.NEW
    serial: int = 0

    @property
    def order_id(self) -> str:
        """The exchange's order id, unique for its lifetime; the number before the dot is that of market data."""
        return f"{self.number}.{self.serial}"

    @property
    def open(self) -> bool:
        """Whether the order has leaves quantity."""
        return self.leaves > 0

    def move(self, kind: ExecType, lots: int = 0) -> None:
        """Advance the order's state after a trade of some lots, a replacement, or an end without leaves."""
        self.cum += lots
        self.leaves -= lots
        status = TRANSITIONS[self.status].get(kind, self.status)
        self.leaves = 0 if status in TERMINAL else self.leaves
        self.status = (
            status if status in TERMINAL else working_status(self.cum, full=not self.leaves)
        )


@dataclass(slots=True)
class OrderBooks:
    """Open client orders by ledger place and by account; ended orders are in `record`."""

    prefix: str = ""
    """Before the name of every execution, so that those of two runs differ."""
    record: OrderRecord = field(default_factory=OrderRecord)
    by_place: dict[tuple[int, int], ClientOrder] = field(default_factory=dict)
    positions: dict[str, Counter[str]] = field(default_factory=dict)
    _open: dict[str, dict[int, ClientOrder]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def add(self, order: ClientOrder) -> None:
        """Add a new order to the open ones; sets its `serial`, and binds its name in the record."""
        self._count += 1
        order.serial = self._count
        self.by_place[order.market, order.place] = order
        self._open.setdefault(order.new.account, {})[order.serial] = order
        self.rename(order, order.cl_ord_id)

    def rename(self, order: ClientOrder, name: str) -> None:
        """Give an order a new ClOrdID after a replace; it is still found under earlier ones."""
        order.cl_ord_id = name
        self.record.bind_name(order.new.account, name, order.serial)

    def find(self, account: str, name: str) -> ClientOrder | Report | None:
        """The open order with a ClOrdID, past ones included; the last report of one that has ended; None if unknown."""
        serial = self.record.serial(account, name)
        if not serial:
            return None
        return self._open.get(account, {}).get(serial) or self.record.reports_of(serial)[-1]

    def resume(self, ns: int) -> None:
        """Load orders without final state of a killed exchange and record them as cancelled (or filled), at `ns`;
        restore positions.
        """
        self._count = self.record.last_serial()
        for account, instrument, qty in self.record.sum_positions():
            self.positions.setdefault(account, Counter())[instrument] = qty
        for serial, report, filled in self.record.unfinished_orders():
            final = replace(
                report,
                exec_id="",
                exec_type=ExecType.STATUS,
                status=OrdStatus.CANCELED if filled < report.lots * ONE else OrdStatus.FILLED,
                ns=ns,
                text=_RESUMED,
            )
            self.record.put(serial, replace(final, cum_qty=filled, leaves_qty=0))
        self.record.flush()

    def forget_place(self, order: ClientOrder, ns: int) -> None:
        """If an order has ended: release its ledger place, drop it from memory, and record its final state; else do nothing."""
        if order.place >= 0 and not order.open:
            self.by_place.pop((order.market, order.place), None)
            order.place = -1
            del self._open[order.new.account][order.serial]
            self.record.put(order.serial, build_report(order, "", ExecType.STATUS, ns))

    def open_of(self, account: str) -> list[ClientOrder]:
        """Open orders of an account ("": of all), oldest first by account."""
        accounts = [account] if account else list(self._open)
        return [order for name in accounts for order in self._open.get(name, {}).values()]

    def next_exec_id(self, instrument: str) -> str:
        """A new execution id; the same run gives the same ids."""
        self._numbers[instrument] = number = self._numbers.get(instrument, 0) + 1
        return f"{self.prefix}{instrument}:{number}"

    def make_report(self, order: ClientOrder, kind: ExecType, ns: int, **details: Any) -> Report:
        """Make a report on an order's current state, with keywords of :func:`build_report`; a trade is recorded, and
        counted in `positions`."""
        report = build_report(order, self.next_exec_id(order.new.instrument), kind, ns, **details)
        if kind is ExecType.TRADE:
            self.positions.setdefault(report.account, Counter())[report.instrument] += (
                report.side * report.last_qty
            )
            self.record.put(order.serial, report)
        elif kind in (ExecType.NEW, ExecType.REPLACED):
            self.record.accept(order.serial, report)
        return report

    def states(self, account: str, name: str, ns: int) -> list[Report]:
        """Answer to an order status request ("": all of the account's orders): trades as reported, then the status."""
        serials = [self.record.serial(account, name)] if name else self.record.serials(account)
        reports: list[Report] = []
        for serial in filter(None, serials):
            reports += self.record.reports_of(serial)
            order = self._open.get(account, {}).get(serial)
            state = reports.pop() if order is None else build_report(order, "", ExecType.STATUS, ns)
            reports.append(
                replace(state, exec_id=self.next_exec_id(state.instrument), ns=ns, orig=name)
            )
        return reports

    def make_refusal(
        self,
        new: NewOrder,
        ns: int,
        text: str,
        kind: ExecType = ExecType.REJECTED,
        status: OrdStatus = OrdStatus.REJECTED,
    ) -> Report:
        """Make the report on an order that is not in the book, by default its rejection; it has no order id."""
        return refusal_report(new, self.next_exec_id(new.instrument or "-"), ns, text, kind, status)


def build_report(
    order: ClientOrder,
    exec_id: str,
    kind: ExecType,
    ns: int,
    *,
    name: str = "",
    orig: str = "",
    last: tuple[int, int] = (0, 0),
    passive: bool = False,
    text: str = "",
) -> Report:
    """An execution report of an order's current state; `last` is a trade's quantity and price in whole lots and ticks."""
    new = order.new
    return Report(
        exec_id=exec_id,
        exec_type=kind,
        status=order.status,
        cl_ord_id=name or order.cl_ord_id,
        orig=orig,
        order_id=order.order_id,
        account=new.account,
        instrument=new.instrument,
        side=new.side,
        lots=order.lots,
        price=order.price,
        last_qty=last[0] * ONE,
        last_px=last[1] * ONE,
        cum_qty=order.cum * ONE,
        leaves_qty=order.leaves * ONE,
        ns=ns,
        passive=passive,
        text=text,
    )


def fault_of(new: NewOrder, instruments: dict[str, int]) -> str:
    """Reason to reject an order, "" if it is valid."""
    if new.instrument not in instruments:
        return f"unknown instrument {new.instrument!r}; listed: {', '.join(sorted(instruments))}"
    if new.side not in (1, -1):
        return f"side {new.side} is neither +1 nor -1"
    if not 1 <= new.lots <= MOST_LOTS:
        return f"{new.lots} lots; from 1 to {MOST_LOTS}"
    return price_fault(new.price)


def price_fault(price: int | None) -> str:
    """Reason to reject a price, "" if it is valid."""
    if price is not None and not -PRICE_BOUND < price < PRICE_BOUND:
        return f"price {price} ticks is beyond +-{PRICE_BOUND}"
    return ""
