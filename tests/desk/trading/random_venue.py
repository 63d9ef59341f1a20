"""A venue that answers own orders by a model of its own, at random: late, twice, in another order, or with a refusal.

The market is a simulated exchange, which never hears of the orders. What was delivered is counted here by itself.
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    TERMINAL,
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    MarketRows,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
)
from tercel.core.vocabulary import ADD, EXECUTE, STATUS
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import DELETE, REDUCE
from tercel.venues.exchange import SimulatedExchange

S = 10**9
MS = 10**6
NUMBERS = 200
"""Numbers of own orders in the market data; each is used again after all others."""


@dataclass
class Faults:
    """What goes wrong: probabilities, seconds between fills, ranges of delays in ms."""

    delay_ms: tuple[int, int] = (1, 40)
    report_ms: tuple[int, int] = (0, 30)
    refused_cancel: float = 0.0
    refused_replace: float = 0.0
    refused_new: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0
    busted: float = 0.0
    corrected: float = 0.0
    cancelled: float = 0.0
    parts: float = 0.0
    fill_s: float = 3.0
    halts: bool = False


@dataclass
class Held:
    """An order as the venue has it; quantities are 10^-8 of a lot."""

    new: NewOrder
    name: str
    number: int
    order_id: str
    lots: int
    cum_qty: int = 0
    status: OrdStatus = OrdStatus.NEW
    rests: bool = False
    said: list[Report] = field(default_factory=list)
    """Its executions, busts and corrections."""
    stands: dict[str, int] = field(default_factory=dict)
    """Quantities of the executions that stand."""

    @property
    def leaves_qty(self) -> int:
        return 0 if self.status in TERMINAL else self.lots * ONE - self.cum_qty

    @property
    def shown(self) -> int:
        """Lots that market data show."""
        return -(-self.leaves_qty // ONE) if self.rests else 0


class RandomVenue:
    """The market of `exchange`, with own orders answered at random."""

    def __init__(self, exchange: SimulatedExchange, rng: np.random.Generator, faults: Faults):
        self.exchange = exchange
        self.rng = rng
        self.faults = faults
        self.rules = exchange._markets.specs[0].rules
        self.first_number = int(exchange._markets.books[0][lay.ORDERS])
        self.orders: list[Held] = []
        self.by_name: dict[str, Held] = {}
        self.by_execution: dict[str, Held] = {}
        self.arriving: list[tuple[int, int, Command]] = []
        self.leaving: list[tuple[int, int, Any]] = []
        self.count = 0
        self.last_ns: dict[str, int] = defaultdict(int)
        """When the last command arrives, and the last report and row of market data leave."""
        self.halt_ns, self.resume_ns = 10**30, 0
        self.sent_while_closed: list[tuple[int, Command]] = []
        self.heard: dict[str, tuple[str, int]] = {}
        """Parent and quantity of each execution that was delivered."""
        self.changed: dict[str, tuple[int, int]] = {}
        """Quantity of busted and corrected executions by what was delivered last, and when that was said."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    @property
    def capabilities(self) -> Any:
        return replace(self.exchange.capabilities, positions=None, executions=None)

    def close(self) -> None:
        """The venue outlives its sessions."""

    @property
    def halted(self) -> bool:
        return self.halt_ns <= self.exchange.now_ns < self.resume_ns

    @property
    def closed(self) -> bool:
        return self.halted or not self.rules.is_open(self.exchange.now_ns)

    # -- what the desk says

    def send(self, command: Command) -> None:
        now = self.exchange.now_ns
        if self.closed and not isinstance(command, MassCancel | StatusRequest):
            self.sent_while_closed.append((now, command))
        delay_ns = int(self.rng.integers(*self.faults.delay_ms)) * MS
        arrives_ns = self.last_ns["command"] = max(self.last_ns["command"], now + delay_ns)
        self._put(self.arriving, arrives_ns, command)

    def _put(self, queue: list[tuple[int, int, Any]], ns: int, thing: Any) -> None:
        self.count += 1
        heapq.heappush(queue, (ns, self.count, thing))

    def _take(self, command: Command, ns: int) -> None:
        if isinstance(command, NewOrder):
            self._take_new(command, ns)
        elif isinstance(command, CancelOrder | ReplaceOrder):
            self._take_change(command, ns)
        elif isinstance(command, MassCancel):
            if self.closed:
                names = command.cl_ord_id, "", command.account
                self._say(CancelReject(*names, OrdStatus.NEW, ns, "closed"), ns)
            for order in self.live():
                if not self.closed and command.account in ("", order.new.account):
                    self._end(order, OrdStatus.CANCELED, ns)
        elif isinstance(command, StatusRequest):
            known = [self.by_name.get(command.cl_ord_id)] if command.cl_ord_id else self.orders
            for order in known:
                if order is None:
                    nothing = "", 1, 0, None, 0, 0, 0, 0, ns
                    words = command.cl_ord_id, "", "", command.account, *nothing
                    self._say(Report("", ExecType.STATUS, OrdStatus.REJECTED, *words), ns)
                elif order.new.account == command.account:
                    for report in order.said:
                        self._say(report, ns)
                    self._say(replace(self._report(order, ExecType.STATUS, ns), exec_id=""), ns)

    def _take_new(self, new: NewOrder, ns: int) -> None:
        assert new.cl_ord_id not in self.by_name, "a name came twice"
        number = self.first_number + len(self.orders) % NUMBERS
        order = Held(new, new.cl_ord_id, number, f"{number}.{len(self.orders)}", new.lots)
        self.orders.append(order)
        self.by_name[new.cl_ord_id] = order
        refused = self.closed or self.rules.refusal(new.side, new.lots, new.price, ns)
        if refused or self.rng.random() < self.faults.refused_new:
            order.status = OrdStatus.REJECTED
            self._say(self._report(order, ExecType.REJECTED, ns), ns)
            return
        # A row names the order only after the report that gives its number: other reports come after that one too.
        self.last_ns["report"] = self._say(self._report(order, ExecType.NEW, ns), ns)
        far = self._touch(new.side)
        if new.tif is Tif.IOC or new.price is None or (new.price - far) * new.side >= 0:
            left = int(self.rng.integers(0, new.lots + 1)) if self.rng.random() < 0.4 else new.lots
            while left > 0:
                lots = int(self.rng.integers(1, left + 1))
                left -= lots
                self.fill(order, lots * ONE, ns)
            if order.leaves_qty:
                self._end(order, OrdStatus.EXPIRED, ns)
            return
        if self.rng.random() < 0.1 and self.faults.fill_s < 1000:
            self.fill(order, int(self.rng.integers(1, new.lots + 1)) * ONE, ns)
        if order.leaves_qty:
            order.rests = True
            self._show(ADD, order, order.shown, self.last_ns["report"])

    def _take_change(self, command: CancelOrder | ReplaceOrder, ns: int) -> None:
        assert command.cl_ord_id not in self.by_name, "a name came twice"
        order = self.by_name.get(command.orig)
        names = command.cl_ord_id, command.orig, command.account
        replaces = isinstance(command, ReplaceOrder)
        chance = self.faults.refused_replace if replaces else self.faults.refused_cancel
        if order is None or not order.leaves_qty or self.closed or self.rng.random() < chance:
            status = OrdStatus.REJECTED if order is None else order.status
            self._say(CancelReject(*names, status, ns, "refused"), ns)
            return
        self.by_name[command.cl_ord_id] = order
        if not isinstance(command, ReplaceOrder):
            self._end(order, OrdStatus.CANCELED, ns, command.cl_ord_id, command.orig)
            return
        assert command.lots <= order.lots, "a replace that raises an order"
        assert not self.rules.refusal(command.side, command.lots, command.price, ns)
        shown = order.shown
        before = order.name
        order.name = command.cl_ord_id
        order.lots = max(command.lots, -(-order.cum_qty // ONE))
        order.status = _status(order)
        if shown:
            self._show(REDUCE if order.shown else DELETE, order, shown - order.shown, ns)
        self._say(self._report(order, ExecType.REPLACED, ns, orig=before), ns)

    # -- what the venue does

    def live(self) -> list[Held]:
        return [order for order in self.orders if order.status not in TERMINAL]

    def fill(self, order: Held, qty: int, ns: int) -> Report:
        shown = order.shown
        qty = min(qty, order.leaves_qty)
        order.cum_qty += qty
        order.status = _status(order)
        price = self._touch(order.new.side) if order.new.price is None else order.new.price
        report = self._report(order, ExecType.TRADE, ns, last=qty, px=price * ONE)
        order.said.append(report)
        order.stands[report.exec_id] = qty
        self.by_execution[report.exec_id] = order
        if order.rests:
            self._show(EXECUTE, order, shown - order.shown, ns)
        self._say(report, ns)
        return report

    def _end(self, order: Held, status: OrdStatus, ns: int, name: str = "", orig: str = "") -> None:
        shown = order.shown
        order.status = status
        if order.rests:
            self._show(DELETE, order, shown, ns)
        self._say(self._report(order, ExecType(status.value), ns, name=name, orig=orig), ns)

    def _happen(self, ns: int) -> None:
        """Fills, cancels, busts and corrections of a tenth of a second."""
        faults = self.faults
        for order in [order for order in self.live() if order.rests]:
            if self.rng.random() < 0.1 / faults.fill_s:
                qty = int(self.rng.integers(1, order.shown + 1)) * ONE
                qty -= ONE // 2 if self.rng.random() < faults.parts else 0
                self.fill(order, order.leaves_qty if self.rng.random() < 0.2 else qty, ns)
            elif self.rng.random() < 0.1 * faults.cancelled:
                self._end(order, OrdStatus.CANCELED, ns)
        for kind, chance in (
            (ExecType.BUSTED, faults.busted),
            (ExecType.CORRECTED, faults.corrected),
        ):
            if self.by_execution and self.rng.random() < 0.1 * chance:
                latest = list(self.by_execution)[-6:]
                self.rebook(latest[int(self.rng.integers(len(latest)))], kind, ns)

    def rebook(self, exec_id: str, kind: ExecType, ns: int) -> None:
        """Bust an execution, or correct it to another quantity, where its order is such that this can be."""
        order = self.by_execution[exec_id]
        before = order.stands.get(exec_id, 0)
        most = before + order.leaves_qty
        qty = 0
        if kind is ExecType.CORRECTED:
            qty = int(self.rng.integers(1, before // ONE + 4)) * ONE
        is_over = order.status in TERMINAL and order.status is not OrdStatus.FILLED
        if not before or is_over or (qty and (not order.rests or qty == before or qty >= most)):
            return
        order.stands[exec_id] = qty
        order.cum_qty += qty - before
        order.status = _status(order)
        report = self._report(order, kind, ns, last=qty, px=ONE, ref=exec_id)
        order.said.append(report)
        self._say(report, ns)

    def _touch(self, side: int) -> int:
        return int(self.exchange._markets.states[0][sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID])

    # -- what the desk hears

    def _report(
        self, order: Held, kind: ExecType, ns: int, *, name: str = "", orig: str = "",
        last: int = 0, px: int = 0, ref: str = "",
    ) -> Report:  # fmt: skip
        self.count += 1
        new = order.new
        names = name or order.name, orig, order.order_id, new.account, "X"
        qty = order.lots, new.price, last, px, order.cum_qty, order.leaves_qty
        return Report(
            f"x{self.count}", kind, order.status, *names, new.side, *qty, ns, order.rests, "", ref
        )

    def _say(self, event: Report | CancelReject, ns: int) -> int:
        """Put an event on its way; returns when it leaves."""
        delay_ns = int(self.rng.integers(*self.faults.report_ms)) * MS
        leaves_ns = self.last_ns["report"] = max(self.last_ns["report"], ns + delay_ns)
        if self.rng.random() < self.faults.reordered:
            leaves_ns += int(self.rng.integers(0, 400)) * MS
        self._put(self.leaving, leaves_ns, event)
        if isinstance(event, Report) and self.rng.random() < self.faults.repeated:
            self._put(self.leaving, leaves_ns + int(self.rng.integers(0, 3000)) * MS, event)
        return leaves_ns

    def _show(self, kind: int, order: Held, lots: int, ns: int) -> None:
        """A row of market data on an own order, not before the reports so far."""
        if lots > 0:
            ns = self.last_ns["row"] = max(self.last_ns["row"], self.last_ns["report"], ns)
            row = [ns, kind, order.number, order.new.side, order.new.price, lots, -1]
            self._put(self.leaving, ns, np.array([row], np.int64))

    def step(self, until_ns: int) -> list[Any]:
        exchange = self.exchange
        events: list[Any] = []
        while True:
            now = exchange.now_ns
            stops = [until_ns, (now // (100 * MS) + 1) * 100 * MS]
            stops += [max(queue[0][0], now) for queue in (self.arriving, self.leaving) if queue]
            stops += [ns for ns in (self.halt_ns, self.resume_ns) if ns > now]
            events += exchange.step(min(stops))
            if now < (ns := exchange.now_ns) in (self.halt_ns, self.resume_ns):
                events.append(self._status(ns))
            while self.arriving and self.arriving[0][0] <= ns:
                self._take(heapq.heappop(self.arriving)[2], ns)
            if ns % (100 * MS) == 0 and not self.closed:
                self._happen(ns)
            heard = False
            while self.leaving and self.leaving[0][0] <= ns:
                event = heapq.heappop(self.leaving)[2]
                if isinstance(event, np.ndarray):
                    event[0, 0] = ns
                    event = MarketRows("X", event)
                else:
                    heard = True
                    self._note(event)
                events.append(event)
            if heard or ns >= until_ns:
                return events

    def _status(self, ns: int) -> MarketRows:
        """The row that a halt begins or ends; the next one is drawn when it ends."""
        self.exchange._markets.states[0][sim.HALTED] = int(self.halted)
        price = -1 if self.halted else 1
        if not self.halted and self.faults.halts:
            self.halt_for(ns + int(self.rng.exponential(40) * S))
        return MarketRows("X", np.array([[ns, STATUS, 0, 0, price, 0, -1]], np.int64))

    def halt_for(self, begins_ns: int, seconds: int = 0) -> None:
        """Halt trading from a time on, for some seconds (0: drawn)."""
        self.halt_ns = begins_ns
        self.resume_ns = begins_ns + (seconds or int(self.rng.integers(1, 20))) * S

    # -- what is counted

    def _note(self, event: Report | CancelReject) -> None:
        if not isinstance(event, Report):
            return
        if event.exec_type is ExecType.TRADE:
            parent = self.by_execution[event.exec_id].new.parent
            self.heard.setdefault(event.exec_id, (parent, event.last_qty))
        elif event.ref and event.ns >= self.changed.get(event.ref, (0, 0))[1]:
            # An execution that was busted stays so.
            self.changed[event.ref] = event.last_qty, event.ns

    def heard_qty(self, parent: str) -> int:
        """What the delivered executions of a parent come to."""
        heard = [(name, qty) for name, (of, qty) in self.heard.items() if of == parent]
        return sum(self.changed.get(name, (qty, 0))[0] for name, qty in heard)

    def exposure_qty(self, parent: str) -> int:
        """What of a parent is filled, open, or on its way."""
        coming = sum(
            command.lots * ONE
            for *_, command in self.arriving
            if isinstance(command, NewOrder) and command.parent == parent
        )
        mine = [order for order in self.orders if order.new.parent == parent]
        return coming + sum(order.cum_qty + order.leaves_qty for order in mine)


def _status(order: Held) -> OrdStatus:
    if order.cum_qty == order.lots * ONE:
        return OrdStatus.FILLED
    return OrdStatus.PARTIALLY_FILLED if order.cum_qty else OrdStatus.NEW
