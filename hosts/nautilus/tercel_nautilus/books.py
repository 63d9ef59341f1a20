"""Order-book deltas and trades of NautilusTrader in the words of `tc.Executor`."""

from __future__ import annotations

from typing import Any

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import AggressorSide, BookAction, OrderSide

SIDES = {OrderSide.BUY: "buy", OrderSide.SELL: "sell"}
AGGRESSORS = {AggressorSide.BUYER: "buy", AggressorSide.SELLER: "sell"}


class BookReader:
    """Gives one executor the book and the trades of its instrument.

    The first update, and the first after a gap, is the whole book of Nautilus' cache.

    Parameters
    ----------
    by_order : bool
        Whether deltas are of orders (L3), not of levels.
    """

    def __init__(self, by_order: bool) -> None:
        self.by_order = by_order
        self.whole_next = True
        self._orders: dict[int, tuple[str, float, float]] = {}
        self._trades: list[TradeTick] = []
        """Trades by order that no delta has shown yet."""

    def deltas(self, executor: Any, deltas: OrderBookDeltas, book: OrderBook, ns: int) -> None:
        """Give the executor deltas that `book` already contains."""
        rows = deltas.deltas
        if self.whole_next or any(row.action == BookAction.CLEAR for row in rows):
            self.flush(executor, ns)
            self._whole(ns, executor, book)
            self.whole_next = False
        elif self.by_order:
            changes = list[Any]()
            for row in rows:
                self._changes_of(row, changes)
            self.flush(executor, ns)
            executor.on_orders(ns, changes)
        else:
            sides: dict[OrderSide, list[Any]] = {OrderSide.BUY: [], OrderSide.SELL: []}
            for row in rows:
                size = 0.0 if row.action == BookAction.DELETE else row.order.size.as_double()
                sides[row.order.side].append((row.order.price.as_double(), size))
            executor.on_book(ns, sides[OrderSide.BUY], sides[OrderSide.SELL], whole=False)

    def trade(self, executor: Any, tick: TradeTick, ns: int) -> None:
        """Give the executor a trade; by order, the delta behind it says whether it was with an order that was shown."""
        if not self.by_order:
            self._tell(executor, tick, ns)
            return
        if self._trades and self._trades[-1].ts_event < tick.ts_event:
            self.flush(executor, ns)
        self._trades.append(tick)

    def flush(self, executor: Any, ns: int) -> None:
        """Give the executor trades that no delta has shown: they were with orders that are not."""
        for tick in self._trades:
            self._tell(executor, tick, ns)
        self._trades.clear()

    def _tell(self, executor: Any, tick: TradeTick, ns: int) -> None:
        executor.on_trade(
            ns, tick.price.as_double(), tick.size.as_double(), AGGRESSORS.get(tick.aggressor_side, ""),
            tick.trade_id.value,
        )  # fmt: skip

    def _is_execution(self, key: int, side: str, price: float, size: float) -> bool:
        """Whether a trade before says that so much of an order was executed; the trade is used up."""
        for tick in self._trades:
            if (
                AGGRESSORS.get(tick.aggressor_side) != side
                and tick.price.as_double() == price
                and tick.size.as_double() == size
            ):
                self._trades.remove(tick)
                return True
        return False

    def _whole(self, ns: int, executor: Any, book: OrderBook) -> None:
        if not self.by_order:
            sides = [
                [(level.price.as_double(), level.size()) for level in side]
                for side in (book.bids(), book.asks())
            ]
            executor.on_book(ns, *sides, whole=True)
            return
        self._orders = {
            order.order_id: (name, order.price.as_double(), order.size.as_double())
            for name, side in (("buy", book.bids()), ("sell", book.asks()))
            for level in side
            for order in level.orders()
        }
        executor.on_orders(
            ns, [("add", key, *order) for key, order in self._orders.items()], whole=True
        )

    def _changes_of(self, row: Any, changes: list[Any]) -> None:
        """Append the changes of a delta of an order: fewer lots at its price keep its place, anything else is a new one."""
        key = row.order.order_id
        known = self._orders.pop(key, None)
        if row.action == BookAction.DELETE:
            if known is not None:
                is_execution = self._is_execution(key, *known)
                changes.append(("execute" if is_execution else "delete", key, *known))
            return
        new = SIDES[row.order.side], row.order.price.as_double(), row.order.size.as_double()
        self._orders[key] = new
        if known is not None and known[:2] == new[:2] and new[2] <= known[2]:
            if new[2] < known[2]:
                less = (*new[:2], known[2] - new[2])
                kind = "execute" if self._is_execution(key, *less) else "reduce"
                changes.append((kind, key, *less))
            return
        if known is not None:
            changes.append(("delete", key, *known))
        changes.append(("add", key, *new))
