"""A caller of `tercel.Executor` that trades at the simulated exchange, and what a desk's executor sends in the same market."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tests.desk.trading.folded_orders import FoldedOrders

from tercel.api.executor.executor import Executor
from tercel.api.executor.terms import Amend, Cancel, Parent, Place, VenueInstrument
from tercel.core import orders as o, vocabulary as v
from tercel.core.fixed_point import ONE
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.venues.exchange import SimulatedExchange

KINDS = {v.ADD: "add", v.REDUCE: "reduce", v.DELETE: "delete", v.EXECUTE: "execute", v.TRADE_HIDDEN: "hidden"}  # fmt: skip
WORDS = {
    o.ExecType.NEW: "accepted", o.ExecType.TRADE: "filled", o.ExecType.CANCELED: "cancelled",
    o.ExecType.EXPIRED: "expired", o.ExecType.REJECTED: "rejected", o.ExecType.REPLACED: "amended",
}  # fmt: skip
Sent = tuple[int, str, str, int | None, int, bool]
"""When, what, the order's first name, price, lots, whether it may rest."""


def until(exchange: SimulatedExchange, due_ns: int | None) -> int:
    return exchange.now_ns + 999_999_937 if due_ns is None or due_ns >= v.FOREVER_NS else due_ns


def is_own_word(events: Sequence[o.VenueEvent]) -> bool:
    return any(not isinstance(event, o.MarketRows) for event in events)


class DeskSide:
    """What a desk's executor sends."""

    def __init__(self, exchange: SimulatedExchange, order: Assignment, strategy: Strategy) -> None:
        listing = exchange.listings()[0]
        self.follower = Follower(
            listing, width=exchange.width("X"), feed_levels=exchange.feed_levels("X")
        )
        self.exchange = exchange
        self.orders = FoldedOrders()
        self.executor = ParentExecutor(order, self.follower, strategy, self.orders)
        self.sent: list[Sent] = []

    def run(self) -> list[Sent]:
        self.exchange.subscribe("X")
        for _ in range(200_000):
            end = until(self.exchange, self.executor.due_ns)
            events = self.orders.hear(self.exchange.step(end))
            for event in events:
                if isinstance(event, o.MarketRows):
                    self.follower.on_market(event)
            self._send(self.executor.on_events(events))
            if not is_own_word(events) and self.exchange.now_ns >= end:
                self._send(self.executor.on_time(self.exchange.now_ns))
            if self.executor.done:
                return self.sent
        raise AssertionError("it does not end")

    def _send(self, commands: Sequence[o.Command]) -> None:
        for command in commands:
            order = self.orders.get(command.orig)
            root = (command.cl_ord_id if order is None else order.root).replace(".", "-")
            price, lots = getattr(command, "price", None), getattr(command, "lots", 0)
            what = type(command).__name__.removesuffix("Order")
            rests = getattr(command, "tif", None) is not o.Tif.IOC
            self.sent.append((self.exchange.now_ns, what, root, price, lots, rests))
            self.orders.send(self.exchange, command)


class Host:
    """The caller of an executor: it knows prices, sizes and names, and nothing of the executor's insides."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        instrument: VenueInstrument,
        parent: Parent,
        strategy: Any,
        between: Callable[[Executor], Executor] = lambda executor: executor,
        **terms: Any,
    ) -> None:
        self.exchange, self.instrument = exchange, instrument
        self.executor = Executor(strategy, instrument, parent, **terms)
        self.between = between
        self.by_level = False
        self.sent: list[Sent] = []
        self.name_of: dict[str, str] = {}
        self.latest: dict[str, str] = {}
        self.own: set[int] = set()
        self.count = 0
        self.unique: dict[int, int] = {}
        """The exchange gives a number again: another id for each order."""

    def run(self) -> list[Sent]:
        self.exchange.subscribe("X")
        for _ in range(200_000):
            end = until(self.exchange, self.executor.next_decision_ns)
            start = self.executor.parent.start_ns
            end = min(end, start) if self.exchange.now_ns < start else end
            events = self.exchange.step(end)
            for event in events:
                self.hear(event)
            due = (
                self.exchange.now_ns
                if not is_own_word(events) and self.exchange.now_ns >= end
                else 0
            )
            self.executor = self.between(self.executor)
            if due:
                self.send(self.executor.commands(self.exchange.now_ns))
            elif self.executor._outbox:
                self.send(self.executor.commands(self.executor._now))
            if self.executor.done:
                return self.sent
        raise AssertionError("it does not end")

    def price(self, ticks: int) -> Decimal:
        return ticks * self.instrument.tick

    def hear(self, event: o.VenueEvent) -> None:
        if isinstance(event, o.MarketRows):
            self.hear_market(event)
        elif isinstance(event, o.CancelReject):
            self.executor.on_order(self.name_of[event.cl_ord_id], "cancel_rejected", event.ns)
        elif isinstance(event, o.Report):
            name = self.name_of[event.cl_ord_id]
            number = int(event.order_id.partition(".")[0])
            if event.exec_type is o.ExecType.NEW:
                self.own.add(number)
            if event.exec_type is o.ExecType.REPLACED:
                self.latest[name] = event.cl_ord_id
            fill: dict[str, Any] = {}
            if event.exec_type is o.ExecType.TRADE:
                fill = {
                    "price": Decimal(event.last_px) / ONE * self.instrument.tick,
                    "size": Decimal(event.last_qty) / ONE * self.instrument.lot,
                    "execution": event.exec_id, "passive": event.passive,
                }  # fmt: skip
            self.executor.on_order(name, WORDS[event.exec_type], event.ns, **fill)
            if not event.leaves_qty:
                self.own.discard(number)

    def hear_market(self, event: o.MarketRows) -> None:
        rows = [
            row for row in event.rows.tolist() if not {row[o.M_ID], row[o.M_AGGRESSOR]} & self.own
        ]
        if event.snapshot:
            self.by_level = any(row[o.M_KIND] == v.LEVEL_SET for row in rows)
            ns = max([row[o.M_NS] for row in rows])
            if self.by_level:
                sides = [
                    [(self.price(row[o.M_PRICE]), row[o.M_LOTS] * self.instrument.lot) for row in rows
                     if row[o.M_KIND] == v.LEVEL_SET and row[o.M_SIDE] == side] for side in (1, -1)
                ]  # fmt: skip
                self.executor.on_book(ns, *sides)
            else:
                self.executor.on_orders(ns, self.changes(rows), whole=True)
            return
        for row in rows:
            ns, kind, _, side, price, lots, _ = row
            if kind == v.STATUS:
                self.executor.on_status(ns, price == 1)
            elif kind == v.TRADE:
                self.executor.on_trade(
                    ns,
                    self.price(price),
                    lots * self.instrument.lot,
                    {1: "sell", -1: "buy"}.get(side, ""),
                )
            elif kind == v.LEVEL_SET:
                level = [(self.price(price), lots * self.instrument.lot)]
                self.executor.on_book(
                    ns, level if side > 0 else [], level if side < 0 else [], whole=False
                )
            else:
                self.executor.on_orders(ns, self.changes([row]))

    def changes(self, rows: list[list[int]]) -> list[tuple[str, Any, str, Decimal, Decimal]]:
        for row in rows:
            if row[o.M_KIND] == v.ADD:
                self.unique[row[o.M_ID]] = self.count = self.count + 1
        return [
            (
                KINDS[row[o.M_KIND]],
                self.unique.get(row[o.M_ID]),
                "buy" if row[o.M_SIDE] > 0 else "sell",
                self.price(row[o.M_PRICE]),
                row[o.M_LOTS] * self.instrument.lot,
            )
            for row in rows
            if row[o.M_KIND] != v.STATUS
        ]

    def send(self, commands: Sequence[Place | Cancel | Amend]) -> None:
        now = self.exchange.now_ns
        for command in commands:
            lots = int(getattr(command, "size", 0) / self.instrument.lot)
            if isinstance(command, Place):
                price = None if command.price is None else int(command.price / self.instrument.tick)
                side = 1 if command.side == "buy" else -1
                tif = o.Tif.IOC if command.immediate else o.Tif.DAY
                self.name_of[command.name] = self.latest[command.name] = command.name
                self.sent.append((now, "New", command.name, price, lots, not command.immediate))
                self.exchange.send(
                    o.NewOrder(command.name, "X", side, lots, price, tif, "me", "P", now)
                )
                continue
            self.count += 1
            name = f"{command.name}-{self.count}"
            self.name_of[name] = command.name
            latest = self.latest[command.name]
            side = 1 if self.executor.parent.side == "buy" else -1
            if isinstance(command, Cancel):
                self.sent.append((now, "Cancel", command.name, None, 0, True))
                self.exchange.send(o.CancelOrder(name, latest, "X", side, "me", now))
            else:
                price = int(command.price / self.instrument.tick)
                self.sent.append((now, "Replace", command.name, price, lots, True))
                self.exchange.send(
                    o.ReplaceOrder(name, latest, "X", side, lots, price, "me", "P", now)
                )


def both(
    make: Callable[[], SimulatedExchange], task: Task, side: int, lots: int, start_ns: int, strategy: Strategy,
    between: Callable[[Executor], Executor] = lambda executor: executor, **terms: Any,
) -> tuple[list[Sent], list[Sent], Executor, ParentExecutor]:  # fmt: skip
    """What the desk's executor and the caller's send in two markets that are the same."""
    desk = make()
    order = Assignment("P", "me", "X", side, lots, start_ns, task, 3, 0)
    beside = DeskSide(desk, order, strategy)
    wanted = beside.run()
    exchange = make()
    listing = exchange.listings()[0]
    instrument = VenueInstrument(
        "X",
        repr(listing.tick),
        listing.lot,
        exchange.feed_levels("X"),
        listing.dense_ids,
        exchange.width("X"),
    )
    limit = task.limit_price
    parent = Parent(
        "buy" if side > 0 else "sell",
        lots * listing.lot,
        task.horizon_s,
        limit,
        start_ns,
        task.decisions,
        "P",
    )
    host = Host(
        exchange, instrument, parent, strategy, between, latency=task.latency, warmup_s=task.warmup_s,
        own_orders_shown=False, seed=3, **terms,
    )  # fmt: skip
    got = host.run()
    assert host.executor.filled == beside.executor.filled * listing.lot
    return wanted, got, host.executor, beside.executor
