"""A `tc.Executor` in a backtest of hftbacktest: feed, reports and commands in a loop."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hftbacktest import CANCELED, EXPIRED, FILLED, GTC, LIMIT, NEW, NONE
from hftbacktest.order import IOC
from numba import njit

import tercel as tc
from tercel_hftbacktest.feed import Events
from tercel_hftbacktest.messages import OrdersSeen

FAR = Decimal(2)
"""An order at any price is limited at so many times, or parts, of the best."""


class Execution(NamedTuple):
    """An execution: when at the exchange (ns), price, size, whether the order was at rest."""

    ns: int
    price: float
    size: float
    passive: bool


@njit  # hftbacktest's backtests are classes of Numba
def advance(backtest: Any, until_ns: int) -> Any:
    """Go to a moment, or to the first report of an own order before it (3); 1: the data have ended."""
    code = 0
    while backtest.current_timestamp < until_ns:
        code = backtest.wait_next_feed(True, until_ns - backtest.current_timestamp)
        if code in (0, 1, 3):
            break
    return code


class Venue:
    """Own orders of an executor in a backtest: commands go in, what became of each comes out.

    hftbacktest takes no second request about an order before it answered the first: a cancel of an order under way
    leaves once that has arrived.

    Parameters
    ----------
    backtest
        From `backtest.open_backtest`.
    executor : tc.Executor
    """

    def __init__(self, backtest: Any, executor: Any) -> None:
        self.backtest, self.executor = backtest, executor
        self.executions: list[Execution] = []
        self._open: dict[int, str] = {}
        self._acknowledged: set[int] = set()
        self._asked: dict[int, Any] = {}
        """Cancels and amendments that were sent, or wait for an answer to what was sent before, by order."""
        self._waiting: dict[int, Any] = {}
        self._last = 0

    def send(self, commands: Sequence[Any]) -> None:
        """Send commands."""
        for command in commands:
            if isinstance(command, tc.Place):
                self._place(command)
                continue
            number = next((n for n, name in self._open.items() if name == command.name), None)
            if number is not None:
                self._waiting[number] = command
        self._ask()

    def _place(self, command: Any) -> None:
        self._last += 1
        self._open[self._last] = command.name
        depth = self.backtest.depth(0)
        is_buy = command.side == "buy"
        price = command.price
        if price is None:
            best = depth.best_ask if is_buy else depth.best_bid
            price = Decimal(best) * FAR if is_buy else Decimal(best) / FAR
        submit = self.backtest.submit_buy_order if is_buy else self.backtest.submit_sell_order
        life = IOC if command.immediate else GTC
        submit(0, self._last, float(price), float(command.size), life, LIMIT, False)

    def _ask(self) -> None:
        """Send cancels and amendments of orders about which nothing is open."""
        for number, command in list(self._waiting.items()):
            order = self.backtest.orders(0).get(number)
            if number not in self._open:
                del self._waiting[number]
            elif order.cancellable:
                if isinstance(command, tc.Amend):
                    self.backtest.modify(
                        0, number, float(command.price), float(command.size), False
                    )
                else:
                    self.backtest.cancel(0, number, False)
                self._asked[number] = self._waiting.pop(number)

    def report(self, ns: int) -> None:
        """Tell the executor what became of its orders up to now."""
        for number, name in list(self._open.items()):
            order = self.backtest.orders(0).get(number)
            asked = self._asked.get(number)
            if order.req != NONE:
                continue
            if order.status == FILLED:
                self.executor.on_order(
                    name, "filled", ns, price=_on_tick(order.exec_price), size=order.exec_qty,
                    execution=f"{number}", passive=_is_maker(order),
                )  # fmt: skip
                self.executions.append(
                    Execution(order.exch_timestamp, order.exec_price, order.exec_qty, _is_maker(order))
                )  # fmt: skip
                self._end(number)
            elif order.status in (EXPIRED, CANCELED):
                self.executor.on_order(name, "cancelled" if asked else "expired", ns)
                self._end(number)
            elif order.status == NEW and asked is not None:
                del self._asked[number]
                self.executor.on_order(name, "amended", ns)
            elif order.status == NEW and number not in self._acknowledged:
                self._acknowledged.add(number)
                self.executor.on_order(name, "accepted", ns)
        self._ask()

    def _end(self, number: int) -> None:
        del self._open[number]
        self._asked.pop(number, None)
        self._acknowledged.discard(number)


def _is_maker(order: Any) -> bool:
    """Whether an order rested when it was filled; its class names no such property."""
    return bool(order.arr["maker"][0])


def _on_tick(price: float) -> float:
    """A price that is a tick times a number, without the product's last bits.

    >>> _on_tick(3 * 0.1)
    0.3
    """
    return float(f"{price:.10g}")


def work(executor: Any, backtest: Any, events: Events, until_ns: int) -> list[Execution]:
    """Have an executor work its parent order in a backtest, up to a moment at most; its executions.

    Parameters
    ----------
    executor : tc.Executor
        Made with ``own_orders_shown=False``: the events have no own orders.
    backtest
        Opened on the same events, at their beginning (`backtest.open_backtest`).
    events : structured array
        They begin with all orders of one moment (`feed.between`).
    until_ns : int
    """
    venue = Venue(backtest, executor)
    moments = iter(OrdersSeen().changes(events))
    begin_ns, orders = next(moments)
    executor.on_orders(begin_ns, orders, whole=True)
    backtest.elapse(0)
    ahead = next(moments, None)

    def feed(upto_ns: int) -> None:
        nonlocal ahead
        while ahead is not None and ahead[0] <= upto_ns:
            executor.on_orders(*ahead)
            ahead = next(moments, None)

    while not executor.done and backtest.current_timestamp < until_ns:
        due_ns = executor.next_decision_ns
        stop_ns = until_ns if due_ns is None else min(due_ns, until_ns)
        if due_ns is None and ahead is not None:
            stop_ns = min(stop_ns, ahead[0])
        ended = advance(backtest, stop_ns) == 1
        now_ns = int(backtest.current_timestamp)
        feed(now_ns)
        venue.report(now_ns)
        venue.send(executor.commands(now_ns))
        if ended:
            break
    return venue.executions
