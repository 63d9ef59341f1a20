"""One price-time (L3) limit order book, with exchange ids: the Python face of the kernels.

For millions of messages use :meth:`Book.apply` on tape columns: every other method costs a Python call.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay, tape_kernels as tape
from tercel.market.book.ladder import lots_at
from tercel.market.book.order_ids import find_entry, new_ids
from tercel.market.tape.events import Events
from tercel.market.tape.schema import DELETE, EXECUTE, REDUCE

ALL_LOTS = 1 << 30


class OrderType(IntEnum):
    """Behaviour of a submitted order against the other side."""

    LIMIT = 0
    """Matches what it crosses, the rest comes to rest."""
    MARKET = 1
    """Matches at any price, the rest is dropped."""
    IOC = 2
    """Matches what it crosses, the rest is dropped."""
    POST_ONLY = 3
    """Refused if it would cross."""


class BookFill(NamedTuple):
    """One execution of a submitted order: the resting id (0 anonymous, -1 - i own order i), price ticks, lots."""

    resting_id: int
    price: int
    lots: int


class Book:
    """A price-time book in flat arrays.

    Parameters
    ----------
    orders, width, own_orders : int
        Capacities, see :func:`tercel.market.book.layout.new_book`.

    >>> book = Book(orders=64, width=64)
    >>> book.add(1, +1, 100, 5), book.add(2, +1, 100, 7), book.add(3, -1, 102, 4)
    (True, True, True)
    >>> book.best_bid, book.best_ask
    (100, 102)
    >>> book.submit(9, -1, 100, 8, OrderType.LIMIT)
    [BookFill(resting_id=1, price=100, lots=5), BookFill(resting_id=2, price=100, lots=3)]
    """

    def __init__(self, orders: int = 65536, width: int = 4096, own_orders: int = 32) -> None:
        self.state = lay.new_book(orders, width, own_orders)
        self._ids = new_ids(orders)
        self._key_of = np.zeros(orders, np.int64)
        self._touch_stats = np.zeros(4, np.int64)
        self._fills = np.zeros((256, 4), np.int64)

    def apply(self, events: Events, start: int = 0, stop: int | None = None) -> None:
        """Apply tape rows `[start, stop)` in one compiled loop."""
        stop = len(events.kind) if stop is None else stop
        tape.apply_rows(
            self.state,
            self._ids,
            self._key_of,
            events.kind,
            events.order_id,
            events.side,
            events.price_ticks,
            events.qty_lots,
            start,
            stop,
            self._touch_stats,
        )

    def quotes(self, events: Events) -> Int32:
        """Apply tape rows and return best bid and ask after each, int32 (n, 2); NO_BID or NO_ASK where a side is empty."""
        quotes = np.zeros((len(events.kind), 2), np.int32)
        tape.quotes_after(
            self.state,
            self._ids,
            self._key_of,
            events.kind,
            events.order_id,
            events.side,
            events.price_ticks,
            events.qty_lots,
            quotes,
        )
        return quotes

    def add(self, order_id: int, side: int, price: int, qty: int) -> bool:
        """Rest a new order, removing a live one of its id; False without lots, or without room (`overflow`)."""
        return tape.add_id(self.state, self._ids, self._key_of, order_id, side, price, qty) >= 0

    def reduce(self, order_id: int, qty: int, side: int = 0, price: int = 0) -> int:
        """Take lots from an order, which keeps its queue position. Returns the lots taken.

        `side` and `price` find the anonymous lots where the id is unknown.
        """
        return int(tape.reduce_any(self.state, self._ids, REDUCE, order_id, side, price, qty))

    def delete(self, order_id: int, qty: int = 0, side: int = 0, price: int = 0) -> int:
        """Remove a whole order from the book (`qty` counts only where its id is unknown). Returns the lots removed."""
        lots = ALL_LOTS if self._find_entry(order_id) >= 0 else qty
        return int(tape.reduce_any(self.state, self._ids, DELETE, order_id, side, price, lots))

    def execute(self, order_id: int, qty: int, side: int = 0, price: int = 0) -> int:
        """Trade up to `qty` lots of an order, or anonymous ones at `price` if its id is unknown; returns the lots."""
        return int(tape.reduce_any(self.state, self._ids, EXECUTE, order_id, side, price, qty))

    def modify(self, order_id: int, price: int, qty: int) -> bool:
        """New price and lots; queue position survives only fewer lots at the same price. False for an unknown id."""
        return bool(tape.modify_id(self.state, self._ids, self._key_of, order_id, price, qty))

    def replace(self, old_id: int, new_id: int, price: int, qty: int) -> bool:
        """Withdraw `old_id` and rest `new_id` on its side, behind all others. False for an unknown id."""
        slot = self._find_slot(old_id)
        if slot < 0:
            self.state[lay.UNKNOWN_IDS] += 1
            self.state[lay.UNKNOWN_LOTS] += qty
            return False
        side = int(self.state[lay.HEADER + slot * lay.ORDER + lay.SIDE])
        self.delete(old_id)
        return self.add(new_id, side, price, qty)

    def clear(self) -> None:
        """Empty the book of public orders."""
        tape.clear(self.state, self._ids)

    def level_set(self, side: int, price: int, qty: int) -> None:
        """(L2 feeds) Set a level's total to `qty`."""
        tape.set_level(self.state, self._ids, self._key_of, side, price, qty)

    def roll_out(self, side: int, price: int) -> None:
        """Forget the orders of a level that leaves the feed's window of visible levels."""
        tape.drop_level(self.state, self._ids, self._key_of, side, price)

    def roll_in(self, side: int, price: int, qty: int) -> None:
        """Add a level that enters the feed's window of visible levels, as one anonymous block of `qty` lots."""
        tape.add_block(self.state, side, price, qty)

    def submit(
        self, order_id: int, side: int, price: int, qty: int, kind: OrderType = OrderType.LIMIT
    ) -> list[BookFill]:
        """Match an incoming order in price-time priority; returns its fills.
        A remainder of LIMIT or POST_ONLY rests under its id, others are dropped. A POST_ONLY order that would cross is refused.
        """
        far = self.best_ask if side > 0 else self.best_bid
        crosses = far not in (NO_ASK, NO_BID) and (price - far) * side >= 0
        if kind == OrderType.POST_ONLY and crosses:
            return []
        limit = side * NO_ASK if kind == OrderType.MARKET else price
        fills: list[BookFill] = []
        remaining = qty
        while remaining > 0:
            n = tape.match_into(
                self.state, self._ids, self._key_of, side, limit, remaining, self._fills
            )
            for _, resting_id, resting_price, lots in self._fills[:n].tolist():
                fills.append(BookFill(resting_id, resting_price, lots))
                remaining -= lots
            if n < len(self._fills):
                break
        if remaining > 0 and kind in (OrderType.LIMIT, OrderType.POST_ONLY):
            self.add(order_id, side, price, remaining)
        return fills

    @property
    def best_bid(self) -> int:
        """Best bid in ticks; NO_BID if that side is empty."""
        return int(self.state[lay.BEST_BID])

    @property
    def best_ask(self) -> int:
        """Best ask in ticks; NO_ASK if that side is empty."""
        return int(self.state[lay.BEST_ASK])

    def depth(self, side: int, levels: int) -> tuple[Int32, Int32]:
        """Prices and lots of the best occupied levels, best first: int32[levels] each, padded with no price and 0."""
        prices = np.full(levels, NO_BID if side > 0 else NO_ASK, np.int32)
        lots = np.zeros(levels, np.int32)
        if tape.best_levels(self.state, side, prices, lots) < levels:
            self._depth_with_far(side, prices, lots)
        return prices, lots

    def _depth_with_far(self, side: int, prices: Int32, lots: Int32) -> None:
        """Write prices and lots of a side's best levels, orders beyond the price window included, into the two arrays."""
        rows = self.orders()
        rows = rows[rows[:, 1] == side]
        best_prices = sorted({int(p) for p in rows[:, 2]}, reverse=side > 0)[: len(prices)]
        for k, price in enumerate(best_prices):
            prices[k], lots[k] = price, lots_at(self.state, side, price)

    def lots_at(self, side: int, price: int) -> int:
        """All lots of a side at a price, own orders included."""
        return int(lots_at(self.state, side, price))

    def orders(self) -> Ints:
        """Resting orders in priority order, bids first: int64[n, 5] of id, side, price, lots, arrival number.

        Anonymous lots have id 0, own order i has id -1 - i.
        """
        state = self.state
        total = int(state[lay.ORDERS]) + 2 * int(state[lay.OWN])
        records = state[lay.HEADER : lay.HEADER + total * lay.ORDER].reshape(-1, lay.ORDER)
        live = np.flatnonzero(records[:, lay.QTY] > 0)
        ids = np.zeros(total, np.int64)
        ids[: len(self._key_of)] = self._key_of
        own_slots = int(state[lay.ORDERS]) + np.arange(int(state[lay.OWN]))
        ids[own_slots] = -1 - np.arange(int(state[lay.OWN]))
        ids[own_slots + int(state[lay.OWN])] = 0
        ids[np.flatnonzero(records[:, lay.FLAGS] & lay.ANONYMOUS)] = 0
        live_records = records[live].astype(np.int64)
        rows = np.stack(
            [
                ids[live],
                live_records[:, lay.SIDE],
                live_records[:, lay.PRICE],
                live_records[:, lay.QTY],
                live_records[:, lay.ARR],
            ],
            axis=1,
        )
        order = np.lexsort((rows[:, 4], -rows[:, 1] * rows[:, 2], -rows[:, 1]))
        return rows[order]

    def _find_entry(self, order_id: int) -> int:
        """Position of an exchange id in the id map; -1 for an unknown id and for id 0."""
        return int(find_entry(self._ids, order_id)) if order_id != 0 else -1

    def _find_slot(self, order_id: int) -> int:
        """Slot of the order with an exchange id; -1 for an unknown id."""
        entry = self._find_entry(order_id)
        return int(self._ids["slot"][entry]) if entry >= 0 else -1

    @property
    def overflow(self) -> int:
        """Number of orders that found no room in the arrays."""
        return int(self.state[lay.OVERFLOW])

    @property
    def unknown_ids(self) -> int:
        """Number of messages about unknown ids at prices without anonymous lots."""
        return int(self.state[lay.UNKNOWN_IDS])

    @property
    def unknown_lots(self) -> int:
        """Lots that messages about unknown ids took and no resting order could supply."""
        return int(self.state[lay.UNKNOWN_LOTS])

    @property
    def duplicate_ids(self) -> int:
        """Number of orders added under an id that was already in the book."""
        return int(self.state[lay.DUPLICATE_IDS])

    @property
    def crossed(self) -> int:
        """Number of rows applied with `apply` after which the best bid was above the best ask."""
        return int(self._touch_stats[0])

    @property
    def locked(self) -> int:
        """Number of rows applied with `apply` after which the best bid equalled the best ask."""
        return int(self._touch_stats[1])

    @property
    def checksum(self) -> int:
        """Sum over rows applied with `apply` of 3 bid + 5 ask + 7 bid lots + 11 ask lots: equal books, equal sums."""
        return int(self._touch_stats[2])
