"""hftbacktest's events as changes of orders, as `tc.Executor.on_orders` takes them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hftbacktest import (
    ADD_ORDER_EVENT,
    BUY_EVENT,
    CANCEL_ORDER_EVENT,
    FILL_EVENT,
    MODIFY_ORDER_EVENT,
    TRADE_EVENT,
)

from tercel_hftbacktest.feed import Events, kinds

Change = tuple[str, Any, str, float, float]
"""Kind, id of the order, side, price, size."""
BUY, SELL = "buy", "sell"


@dataclass
class OrdersSeen:
    """Translates events in their order; it knows what every order has left.

    A fill is an `execute`: what the event behind it says is left of that order is known then. A trade without a fill
    was with an order that is not shown.

    >>> from hftbacktest import ADD_ORDER_EVENT, BUY_EVENT, FILL_EVENT
    >>> from tercel_hftbacktest.feed import event
    >>> import numpy as np
    >>> seen = OrdersSeen()
    >>> day = np.concatenate((event(ADD_ORDER_EVENT, BUY_EVENT, 1, 9.0, 5, 7), event(FILL_EVENT, BUY_EVENT, 2, 9.0, 2, 7)))
    >>> list(seen.changes(day))
    [(1, [('add', 7, 'buy', 9.0, 5.0)]), (2, [('execute', 7, 'buy', 9.0, 2.0)])]
    """

    left: dict[int, tuple[str, float, float]] = field(default_factory=dict)
    """Side, price and size of each order."""

    def changes(self, events: Events) -> Iterator[tuple[int, list[Change]]]:
        """(ns, changes) of each moment."""
        columns = [events[name].tolist() for name in ("local_ts", "ev", "order_id", "px", "qty")]
        rows = list(zip(columns[0], kinds(events).tolist(), *columns[1:], strict=True))
        moment: list[Change] = []
        for number, (ns, kind, bits, order, price, size) in enumerate(rows):
            side, taken = (BUY, SELL) if bits & BUY_EVENT else (SELL, BUY)
            follows = rows[number + 1] if number + 1 < len(rows) else None
            if kind == TRADE_EVENT and (follows is None or follows[1] != FILL_EVENT):
                moment.append(("hidden", 0, taken, price, size))
            elif kind != TRADE_EVENT:
                moment += self._changes(kind, order, side, price, size)
            if moment and (follows is None or follows[0] != ns):
                yield ns, moment
                moment = []

    def _changes(self, kind: int, order: int, side: str, price: float, size: float) -> list[Change]:
        """What one event of an order changes."""
        if kind == ADD_ORDER_EVENT:
            self.left[order] = side, price, size
            return [("add", order, side, price, size)]
        if order not in self.left:
            return []
        side, before, held = self.left[order]
        if kind == FILL_EVENT:
            self.left[order] = side, before, held - size
            return [("execute", order, side, before, size)]
        if kind == CANCEL_ORDER_EVENT:
            del self.left[order]
            return [("delete", order, side, before, held)] if held > 0 else []
        if kind != MODIFY_ORDER_EVENT or (price == before and size == held):
            return []
        self.left[order] = side, price, size
        if price == before and size < held:
            return [("reduce", order, side, before, held - size)]
        return [("delete", order, side, before, held), ("add", order, side, price, size)]
