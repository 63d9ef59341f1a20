"""An execution algorithm of NautilusTrader that works parent orders by `tc.Executor`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nautilus_trader.common.component import TestClock
from nautilus_trader.common.events import TimeEvent
from nautilus_trader.config import ExecAlgorithmConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.algorithm import ExecAlgorithm
from nautilus_trader.execution.messages import CancelOrder
from nautilus_trader.model.data import InstrumentStatus, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import (
    BookType,
    LiquiditySide,
    MarketStatusAction,
    OrderSide,
    OrderType,
    TimeInForce,
)
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderUpdated,
)
from nautilus_trader.model.identifiers import ClientOrderId, ExecAlgorithmId, InstrumentId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.orders import Order

import tercel as tc
from tercel.core.errors import ConfigError, TercelError
from tercel_nautilus.books import BookReader
from tercel_nautilus.kept import KeptParent

ENDS = {
    OrderCanceled: "cancelled",
    OrderExpired: "expired",
    OrderRejected: "rejected",
    OrderDenied: "rejected",
}
"""Events after which an order is no more, in the executor's words."""
REFUSED = OrderCancelRejected, OrderModifyRejected
TRADING = {
    MarketStatusAction.TRADING: True,
    MarketStatusAction.HALT: False,
    MarketStatusAction.PAUSE: False,
    MarketStatusAction.SUSPEND: False,
    MarketStatusAction.CLOSE: False,
}


class TercelExecAlgorithmConfig(ExecAlgorithmConfig, frozen=True):
    """Configuration of :class:`TercelExecAlgorithm`.

    Parameters
    ----------
    exec_algorithm_id : ExecAlgorithmId
        "TERCEL" by default; `exec_algorithm_id` of the orders that it works.
    book : str
        "L2": levels by price; "L3": orders by id, where the venue's data have them.
    levels : int
        Levels that the feed shows per side; 0: all.
    own_orders_shown : bool
        Whether the book contains the own orders: at a venue yes, in a backtest on recorded data no.
    amends : bool
        Whether the venue amends orders: Binance Spot by this adapter does not.
    status : bool
        Whether the venue's adapter tells halts: Binance's does not.
    state_folder : str, optional
        Where parents are kept (``NAME.json``) before each command leaves; without it a crash loses them.
    latency_ns : int
        From a command to its arrival at the venue, which forecasts look past. In a backtest the simulated venue is woken
        then: it would handle the command after the next update of the book.
    """

    exec_algorithm_id: ExecAlgorithmId | None = ExecAlgorithmId("TERCEL")
    book: str = "L2"
    levels: int = 0
    own_orders_shown: bool = True
    amends: bool = False
    status: bool = False
    state_folder: str | None = None
    latency_ns: int = 0


@dataclass
class Work:
    """A parent order at work: the primary order of Nautilus, its executor, its instrument, and its book's reader."""

    primary: Order
    kept: KeptParent
    instrument: Instrument
    reader: BookReader
    every_ns: int
    keys: dict[str, str] = field(default_factory=dict)
    """Client order ids by `Place.name`."""
    timers: dict[str, str] = field(default_factory=dict)
    """Names of its timers and of its alert, by what they are for."""
    alerts: int = 0
    alert_ns: int = 0
    stopped: bool = False

    @property
    def executor(self) -> Any:
        return self.kept.executor


class TercelExecAlgorithm(ExecAlgorithm):
    """Works each parent order submitted with its `exec_algorithm_id` by an executor of Tercel.

    The parent is a market order, or a limit order with the parent's limit price. It never goes to the venue: its
    children do, with the executor's names as tags. When the executor has ended, the parent is closed as cancelled.

    `exec_algorithm_params` of the parent: ``strategy`` (a name, "guarded"), ``horizon`` ("30min" or seconds), and
    optionally ``decisions``, ``start_ns``, ``limit_price``, ``seed``, and ``name``, under which it is kept and found again.

    What Tercel refuses of market data is a gap: own orders are cancelled, and work goes on after a whole book. What it
    refuses of an order's reports stops the parent: its orders are cancelled, and the log says why.
    """

    def __init__(self, config: TercelExecAlgorithmConfig | None = None) -> None:
        super().__init__(config or TercelExecAlgorithmConfig())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._works: dict[str, Work] = {}
        """By client order id of the primary."""
        self._of_child: dict[str, Work] = {}
        self._reading: dict[InstrumentId, list[Work]] = {}

    # What Nautilus calls.

    def on_order(self, order: Order) -> None:
        """Begin, or go on with, a parent order."""
        try:
            work = self._work_of(order)
        except (TercelError, TypeError, ValueError) as error:
            self.log.error(f"{order.client_order_id} is not worked: {error}")
            self._close(order)
            return
        self._works[order.client_order_id.value] = work
        self._read(work)
        if isinstance(self.clock, TestClock):
            start = max(self.clock.timestamp_ns(), work.executor.next_decision_ns or 0)
            self._ring(work, "grid", start, self._on_time)
            if self.config.latency_ns:
                self._ring(work, "arrival", start + self.config.latency_ns, _ignore)
        self._after(work)

    def on_start(self) -> None:
        """Note the loop of a live node, whose timers ring in another thread."""
        is_backtest = isinstance(self.clock, TestClock)
        self._loop = None if is_backtest else asyncio.get_running_loop()

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Give a change of the book to the executors of its instrument."""
        book = self.cache.order_book(deltas.instrument_id)
        for work in list(self._reading.get(deltas.instrument_id, ())):
            self._market(work, partial(work.reader.deltas, work.executor, deltas, book))

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Give a public trade to the executors of its instrument."""
        for work in list(self._reading.get(tick.instrument_id, ())):
            self._market(work, partial(work.reader.trade, work.executor, tick))

    def on_instrument_status(self, data: InstrumentStatus) -> None:
        """Give a halt, or its end, to the executors of its instrument."""
        if (trading := TRADING.get(data.action)) is not None:
            for work in list(self._reading.get(data.instrument_id, ())):
                self._market(work, partial(work.executor.on_status, trading=trading))

    def on_order_event(self, event: OrderEvent) -> None:
        """Tell an executor what became of its order; a parent that its strategy cancels is stopped."""
        key = event.client_order_id.value
        if (work := self._works.get(key)) is not None and isinstance(event, OrderCanceled):
            self._stop_work(work, "cancelled by its strategy")
        if (work := self._of_child.get(key)) is None:
            return
        try:
            self._tell(work, key, event)
        except TercelError as error:
            self._stop_work(work, f"report refused: {error}")
        self._after(work)

    def on_stop(self) -> None:
        """Keep all parents, as they are; open orders stay open at the venue."""
        for work in self._works.values():
            work.kept.write()
        self.clock.cancel_timers()

    def on_reset(self) -> None:
        """Forget all parents."""
        self._works.clear()
        self._of_child.clear()
        self._reading.clear()

    # Parents.

    def executor_of(self, primary: ClientOrderId) -> Any:
        """The `tc.Executor` of a parent that this algorithm was given."""
        return self._works[primary.value].executor

    def _work_of(self, order: Order) -> Work:
        """A parent's executor, from its file if there is one.

        Raises
        ------
        TercelError
            A parameter is missing or wrong, or its file names orders that may be open at the venue.
        """
        params = dict(order.exec_algorithm_params or {})
        instrument = self.cache.instrument(order.instrument_id)
        if order.order_type not in (OrderType.MARKET, OrderType.LIMIT) or instrument is None:
            raise ConfigError(
                "a market or limit order of a known instrument",
                f"{order.order_type} of {order.instrument_id}",
                "submit the parent as a market order, or a limit order with its limit price",
            )
        if missing := {"strategy", "horizon"} - params.keys():
            raise ConfigError(
                "exec_algorithm_params with strategy and horizon",
                f"none of {', '.join(sorted(missing))}",
                'such as {"strategy": "guarded", "horizon": "30min"}',
            )
        name = str(params.get("name", order.client_order_id.value))
        path = self._path(name)
        if path is not None and path.exists():
            kept = KeptParent.read(path)
            if kept.open:
                raise ConfigError(
                    "a parent whose orders at the venue are settled",
                    f"{path} with {len(kept.open)} that may be open",
                    "call tercel_nautilus.binance.recover before the node runs",
                )
        else:
            limit = (
                order.price.as_decimal()
                if order.order_type == OrderType.LIMIT
                else params.get("limit_price")
            )
            parent = tc.Parent(
                "buy" if order.side == OrderSide.BUY else "sell",
                order.quantity.as_decimal(),
                params["horizon"],
                limit_price=limit,
                start_ns=int(params.get("start_ns", 0)),
                decisions=int(params.get("decisions", 60)),
                name=name,
            )
            executor = tc.Executor(
                params["strategy"],
                tc.Instrument(
                    instrument.id.symbol.value,
                    str(instrument.price_increment),
                    str(instrument.lot_size or instrument.size_increment),
                    self.config.levels,
                ),
                parent,
                latency=tc.Latency("constant", self.config.latency_ns),
                own_orders_shown=self.config.own_orders_shown,
                amends=self.config.amends,
                seed=int(params.get("seed", 0)),
            )
            kept = KeptParent(executor, str(params["strategy"]), path)
            kept.write()
        every_ns = round(_seconds(params["horizon"]) * 1e9 / int(params.get("decisions", 60)))
        return Work(order, kept, instrument, BookReader(self.config.book == "L3"), every_ns)

    def _path(self, name: str) -> Path | None:
        return Path(self.config.state_folder, f"{name}.json") if self.config.state_folder else None

    def _read(self, work: Work) -> None:
        """Feed a parent's executor from now on."""
        name = work.instrument.id
        if name not in self._reading:
            kind = BookType.L3_MBO if self.config.book == "L3" else BookType.L2_MBP
            self.subscribe_order_book_deltas(name, book_type=kind, depth=self.config.levels)
            self.subscribe_trade_ticks(name)
            if self.config.status:
                self.subscribe_instrument_status(name)
        self._reading.setdefault(name, []).append(work)

    def _after(self, work: Work) -> None:
        """Schedule the next decision, or end a parent whose executor has ended."""
        if not work.executor.done or work.kept.open:
            self._schedule(work)
            return
        if not work.primary.is_closed:
            self.log.info(f"{work.primary.client_order_id}: filled {work.executor.filled}")
            self._end(work)
            self._close(work.primary)

    def _end(self, work: Work) -> None:
        """No more decisions: timers and book are given up, and the file has the last state."""
        work.kept.write()
        for name in list(work.timers):
            self._cancel_timer(work, name)
        reading = self._reading.get(work.instrument.id, [])
        if work in reading:
            reading.remove(work)

    def _stop_work(self, work: Work, why: str) -> None:
        """Cancel a parent's orders; it makes no more."""
        if work.stopped or (work.executor.done and not work.kept.open):
            return
        work.stopped = True
        self.log.error(f"{work.primary.client_order_id} stopped: {why}")
        for key in list(work.kept.open):
            order = self.cache.order(ClientOrderId(key))
            if order is not None and not (order.is_closed or order.is_pending_cancel):
                self.cancel_order(order)
        self._end(work)
        self._close(work.primary)

    def _close(self, primary: Order) -> None:
        """Close a parent order, which was never at the venue, so that its strategy hears that its work is over."""
        if not primary.is_closed:
            self.execute(
                CancelOrder(
                    primary.trader_id, primary.strategy_id, primary.instrument_id, primary.client_order_id, None,
                    UUID4(), self.clock.timestamp_ns(),
                )
            )  # fmt: skip

    # Market data and reports in.

    def _now(self, work: Work) -> int:
        """The clock's time, which never goes back for an executor."""
        work.kept.last_ns = max(work.kept.last_ns, self.clock.timestamp_ns())
        return work.kept.last_ns

    def _market(self, work: Work, read: Callable[[int], None]) -> None:
        """Give market data to one executor; what it refuses is a gap, after which it takes the whole book."""
        ns = self._now(work)
        try:
            read(ns)
        except TercelError as error:
            self.log.warning(f"{work.primary.client_order_id}: market data refused: {error}")
            work.kept.gap(ns)
            work.reader.whole_next = True
        self._schedule(work)

    def _tell(self, work: Work, key: str, event: OrderEvent) -> None:
        ns, kept = self._now(work), work.kept
        what = ENDS.get(type(event))
        if isinstance(event, OrderFilled):
            kept.execution(
                key, event.trade_id.value, ns, event.last_px.as_decimal(), event.last_qty.as_decimal(),
                {LiquiditySide.MAKER: True, LiquiditySide.TAKER: False}.get(event.liquidity_side),
            )  # fmt: skip
            if self.cache.order(event.client_order_id).is_closed:
                kept.ended([key])
        elif what is not None:
            kept.tell(key, what, ns, text=str(getattr(event, "reason", "")))
            kept.ended([key])
        elif isinstance(event, OrderAccepted):
            kept.tell(key, "accepted", ns)
        elif isinstance(event, OrderUpdated):
            price = None if event.price is None else event.price.as_decimal()
            kept.tell(key, "amended", ns, price=price, size=event.quantity.as_decimal())
        elif isinstance(event, REFUSED):
            kept.tell(key, "cancel_rejected", ns, text=event.reason)

    # Decisions and commands out.

    def _ring(
        self, work: Work, name: str, start_ns: int, call: Callable[[TimeEvent], None]
    ) -> None:
        """In a backtest: a timer at the times of a parent's decisions, or of their arrival at the venue.

        An alert that is set inside an alert rings after the next update there, late on a quiet market; a timer does not.
        The simulated venue handles commands that have arrived after any time event, and after an update otherwise.
        """
        timer = f"{work.primary.client_order_id}:{name}"
        self.clock.set_timer_ns(timer, work.every_ns, start_ns, 0, call, fire_immediately=True)
        work.timers[name] = timer

    def _schedule(self, work: Work) -> None:
        """An alert at the next decision, unless the parent's timer rings then."""
        next_ns = work.executor.next_decision_ns
        if work.stopped or next_ns is None or next_ns == work.alert_ns:
            return
        work.alert_ns = next_ns
        self._cancel_timer(work, "next")
        grid = work.timers.get("grid", "")
        if grid in self.clock.timer_names and self.clock.next_time_ns(grid) == next_ns:
            return
        work.alerts += 1
        alert = work.timers["next"] = f"{work.primary.client_order_id}:{work.alerts}"
        self.clock.set_time_alert_ns(alert, max(next_ns, self.clock.timestamp_ns()), self._on_time)

    def _cancel_timer(self, work: Work, name: str) -> None:
        if (timer := work.timers.pop(name, "")) in self.clock.timer_names:
            self.clock.cancel_timer(timer)

    def _on_time(self, event: TimeEvent) -> None:
        """Decide: at once in a backtest, in the thread of the node's loop where there is one."""
        parent = event.name.rpartition(":")[0]
        if self._loop is None:
            self._decide(parent)
        else:
            self._loop.call_soon_threadsafe(self._decide, parent)

    def _decide(self, parent: str) -> None:
        """Send what a parent's executor asks for now."""
        work = self._works.get(parent)
        if work is None or work.stopped or not self.is_running:
            return
        ns, next_ns = self._now(work), work.executor.next_decision_ns
        if next_ns is not None and next_ns <= ns:
            try:
                work.reader.flush(work.executor, ns)
                commands = work.executor.commands(ns)
            except TercelError as error:
                self._stop_work(work, f"decision refused: {error}")
                return
            self._send(work, commands)
        work.alert_ns = 0
        self._after(work)

    def _send(self, work: Work, commands: list[Any]) -> None:
        """Write down names and state, then let the commands leave."""
        leaving = list[Callable[[], None]]()
        for command in commands:
            if isinstance(command, tc.Place):
                order = self._child(work, command)
                key = order.client_order_id.value
                work.kept.sent(key, command.name, self.clock.timestamp_ns())
                work.keys[command.name] = key
                self._of_child[key] = work
                leaving.append(partial(self.submit_order, order))
                continue
            order = self.cache.order(ClientOrderId(work.keys[command.name]))
            if isinstance(command, tc.Cancel):
                leaving.append(partial(self.cancel_order, order))
            else:
                size, price = (
                    work.instrument.make_qty(command.size),
                    work.instrument.make_price(command.price),
                )
                leaving.append(partial(self.modify_order, order, size, price))
        if commands:
            work.kept.write()
        for leave in leaving:
            leave()

    def _child(self, work: Work, command: Any) -> Order:
        """The order of a command, not yet sent."""
        size = work.instrument.make_qty(command.size)
        if command.price is None:
            return self.spawn_market(
                work.primary, size, TimeInForce.IOC, tags=[command.name], reduce_primary=False
            )
        return self.spawn_limit(
            work.primary,
            size,
            work.instrument.make_price(command.price),
            TimeInForce.IOC if command.immediate else TimeInForce.GTC,
            tags=[command.name],
            reduce_primary=False,
        )


def _seconds(horizon: Any) -> float:
    """Seconds of a horizon as Tercel writes it."""
    return float(tc.Task(horizon=horizon).horizon_s)


def _ignore(event: TimeEvent) -> None:
    """Nothing: the event alone wakes the simulated venue."""
