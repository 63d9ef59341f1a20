"""The oracle: a plain Python limit order book that says what the compiled one must do.

Written for reading, and independently of the kernels: a dict from id to order, and per side a sorted dict of
levels (a dict beside the sorted list of its prices), each level a queue in order of arrival. The tests hold the
compiled book against it; ``python -m benchmarks book`` measures the compiled book against it.

What both books do
------------------
*Priority.* Better price first, then the earlier arrival. Every insertion gets the next arrival number.

``add``
    Comes to rest at the tail of its level. The tape is not matched: the book may be locked or crossed. When the
    id is already live the old order is removed first and counted in `duplicate_ids`. No lots: nothing happens.
``reduce``, ``execute``
    Take ``min(qty, left)`` lots from the order, which keeps its place; with nothing left it is gone.
``delete``
    Takes the order out whole, whatever the message says was left.
``modify``
    Fewer lots at the same price keep the place; anything else (more or as many lots, another price) goes to the
    tail. No lots remove the order. An unknown id is counted in `unknown_ids`, its lots in `unknown_lots`.
``replace``
    The old order goes, the new one comes to the tail of its level with the side of the old: it never keeps the
    place (as ITCH's U message). An unknown old id is counted as above, and nothing is added.
``roll_out``
    The level's public lots are forgotten; the ids become unknown.
``roll_in``
    One anonymous block of lots joins the level. On a legal tape nothing public is known there; otherwise the block
    stands behind it. For the same reason an ``add`` at a level that rolled out says that all old orders are gone.
``level_set``
    The level's public lots become `qty`. More lots join the tail of the level as anonymous ones; missing lots
    leave the last anonymous ones first, then the newest orders. A level without public lots rolls in.
``clear``
    The public orders go; own orders stay, with nothing of others ahead.

*Unknown ids.* What ``reduce``, ``execute`` and ``delete`` cannot find by id they take from the anonymous lots at
the side and price that the message names, at most what is there; the rest is counted in `unknown_lots`.
`unknown_ids` counts those messages that found no anonymous lots at all. The id 0 means "no id" and is never known.

``submit``
    Matches against the other side in priority order (a fill against anonymous lots names id 0, against own order
    i the id -1 - i). LIMIT rests with the remainder, MARKET and IOC drop it, POST_ONLY is refused whole when it
    would take. Coming to rest under a live id removes the old order, as ``add`` does.

*Own orders* rest in the same queues under an index of their own. When their level rolls out they stay, the public
lots ahead of them frozen; when it rolls in these become ``min(ahead, rolled-in lots)``, so the block is split
around the own order. An own order placed outside the feed's window has the whole block ahead. Of anonymous lots,
executions take the first in the queue and cancellations the last: nobody knows whose they were, and the cautious
answer moves no own order up.

*Crossed and locked* states are counted by ``apply`` after each row.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core import BUY, NO_ASK, NO_BID, SELL
from tercel.market.tape import schema

if TYPE_CHECKING:
    from tercel.market.tape import Events

LIMIT: Final = 0
MARKET: Final = 1
IOC: Final = 2
POST_ONLY: Final = 3

PUBLIC: Final = -1
ANONYMOUS: Final = -2
UNKNOWN_AHEAD: Final = 2**30
WHOLE: Final = 2**30


class Fill(NamedTuple):
    """One execution: the resting id (0 anonymous, -1 - i own order i), price in ticks, lots."""

    resting_id: int
    price: int
    lots: int


class Order:
    """One entry of a queue; `own` is its index for an own order, else PUBLIC or ANONYMOUS (a block of lots).

    `frozen`: public lots that were ahead of an own order when its level left the feed's window.
    """

    __slots__ = ("arrival", "frozen", "lots", "order_id", "own", "price", "side")

    def __init__(
        self, order_id: int, side: int, price: int, lots: int, arrival: int, own: int
    ) -> None:
        self.order_id = order_id
        self.side = side
        self.price = price
        self.lots = lots
        self.arrival = arrival
        self.own = own
        self.frozen: int | None = None


class Level:
    """All lots at one price, and the queue: a dict from a key to an order, in priority order."""

    __slots__ = ("lots", "queue")

    def __init__(self) -> None:
        self.lots = 0
        self.queue: dict[int, Order] = {}

    def of(self, own: int) -> list[Order]:
        """Entries that are PUBLIC, or ANONYMOUS, in priority order."""
        return [order for order in self.queue.values() if order.own == own]

    def own(self) -> list[Order]:
        """Own orders in priority order."""
        return [order for order in self.queue.values() if order.own >= 0]

    def settle(self) -> None:
        """The feed shows the level again with nothing old in it: no public lots ahead of own orders any more."""
        for order in self.own():
            order.frozen = None

    def ahead(self, order: Order) -> int:
        """Lots that come before `order`, frozen ones included."""
        return (order.frozen or 0) + self._sum_before(order, own_too=True)

    def public_ahead(self, order: Order) -> int:
        """Lots of others that come before `order`, frozen ones included."""
        return (order.frozen or 0) + self._sum_before(order, own_too=False)

    def _sum_before(self, order: Order, own_too: bool) -> int:
        lots = 0
        for other in self.queue.values():
            if other is order:
                break
            if own_too or other.own < 0:
                lots += other.lots
        return lots


class Ladder:
    """One side of the book: a sorted dict of levels. `keys` holds side x price: the best is always the last."""

    __slots__ = ("keys", "levels", "side")

    def __init__(self, side: int) -> None:
        self.side = side
        self.levels: dict[int, Level] = {}
        self.keys: list[int] = []

    def at(self, price: int) -> Level:
        """The level at `price`, made if there is none."""
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level()
            insort(self.keys, self.side * price)
        return level

    def drop(self, price: int) -> None:
        """Forget the (empty) level at `price`."""
        del self.levels[price]
        del self.keys[bisect_left(self.keys, self.side * price)]

    def prices(self) -> Iterator[int]:
        """Occupied prices, best first."""
        return (self.side * key for key in reversed(self.keys))


class ReferenceBook:
    """A price-time limit order book in plain Python: see the module's page for what each call does.

    Parameters
    ----------
    orders, width, own : int
        Taken so that it can stand in for `Book`; this book has no capacity, and `overflow` stays 0.

    >>> book = ReferenceBook()
    >>> book.add(7, 1, 100, 5), book.add(8, 1, 100, 2)
    (True, True)
    >>> book.lots_ahead(8), book.best_bid, book.lots_at(1, 100)
    (5, 100, 7)
    >>> book.submit(9, -1, 100, 6, LIMIT)
    [Fill(resting_id=7, price=100, lots=5), Fill(resting_id=8, price=100, lots=1)]
    """

    def __init__(self, orders: int = 65536, width: int = 4096, own: int = 32) -> None:
        self.capacity = (orders, width, own)
        self.unknown_ids = self.unknown_lots = self.duplicate_ids = 0
        self.overflow = self.crossed = self.locked = self.checksum = 0
        self._arrival = 0
        self._orders: dict[int, Order] = {}
        self._own: dict[int, Order] = {}
        self._bids = Ladder(BUY)
        self._asks = Ladder(SELL)

    # -- orders with an id --------------------------------------------------------------------------------------

    def add(self, order_id: int, side: int, price: int, qty: int) -> bool:
        """A limit order comes to rest at the tail of its level."""
        if qty <= 0:
            return False
        old = self._orders.get(order_id)
        if old is not None:
            self.duplicate_ids += 1
            self._take(old, old.lots)
        self._arrival = arrival = self._arrival + 1
        order = Order(order_id, side, price, qty, arrival, PUBLIC if order_id else ANONYMOUS)
        if order_id:
            self._orders[order_id] = order
        level = (self._bids if side > 0 else self._asks).at(price)
        if self._own:
            level.settle()
        level.queue[arrival] = order
        level.lots += qty
        return True

    def reduce(self, order_id: int, qty: int, side: int = 0, price: int = 0) -> int:
        """Take lots from the order, which keeps its place. Returns the lots taken."""
        order = self._orders.get(order_id)
        if order is not None:
            return self._take(order, qty)
        return self._take_unknown(side, price, qty, from_front=False)

    def execute(self, order_id: int, qty: int, side: int = 0, price: int = 0) -> int:
        """The order trades `qty` lots. Returns the lots taken."""
        order = self._orders.get(order_id)
        if order is not None:
            return self._take(order, qty)
        return self._take_unknown(side, price, qty, from_front=True)

    def delete(self, order_id: int, qty: int = 0, side: int = 0, price: int = 0) -> int:
        """Withdraw the order whole; `qty` serves only where its id is unknown. Returns the lots taken."""
        order = self._orders.get(order_id)
        if order is not None:
            return self._take(order, order.lots)
        return self._take_unknown(side, price, qty, from_front=False)

    def modify(self, order_id: int, price: int, qty: int) -> bool:
        """New price and lots. False for an unknown id."""
        order = self._orders.get(order_id)
        if order is None:
            return self._count_unknown(qty)
        if price == order.price and qty < order.lots:
            self._take(order, order.lots - qty)
        else:
            self._take(order, order.lots)
            self.add(order_id, order.side, price, qty)
        return True

    def replace(self, old_id: int, new_id: int, price: int, qty: int) -> bool:
        """Withdraw `old_id` and rest `new_id` on its side, behind all others. False for an unknown id."""
        old = self._orders.get(old_id)
        if old is None:
            return self._count_unknown(qty)
        self._take(old, old.lots)
        return self.add(new_id, old.side, price, qty)

    def clear(self) -> None:
        """Empty the book of public orders."""
        for ladder in (self._bids, self._asks):
            for price in list(ladder.levels):
                self.roll_out(ladder.side, price)
        for order in self._own.values():
            order.frozen = None

    def _take(self, order: Order, qty: int) -> int:
        """Take up to `qty` lots from an order, which leaves the book with its last; returns the lots taken."""
        ladder = self._bids if order.side > 0 else self._asks
        level = ladder.levels[order.price]
        if qty < order.lots:
            qty = max(qty, 0)
            order.lots -= qty
            level.lots -= qty
            return qty
        qty = order.lots
        level.lots -= qty
        del level.queue[order.arrival]
        if order.own == PUBLIC:
            del self._orders[order.order_id]
        elif order.own >= 0:
            del self._own[order.own]
        if not level.lots:
            ladder.drop(order.price)
        return qty

    # -- lots without an id -------------------------------------------------------------------------------------

    def _ladder(self, side: int) -> Ladder:
        return self._bids if side > 0 else self._asks

    def _take_unknown(self, side: int, price: int, qty: int, from_front: bool) -> int:
        """Serve a message with an unknown id from the anonymous lots of its level; returns the lots taken."""
        taken = self._shrink_anonymous(side, price, qty, from_front) if side else 0
        self.unknown_ids += not taken
        self.unknown_lots += qty - taken
        return taken

    def _count_unknown(self, qty: int) -> bool:
        self.unknown_ids += 1
        self.unknown_lots += qty
        return False

    def _shrink_anonymous(self, side: int, price: int, qty: int, from_front: bool) -> int:
        """Take up to `qty` anonymous lots from a level; returns the lots taken."""
        level = self._ladder(side).levels.get(price)
        blocks = level.of(ANONYMOUS) if level is not None else []
        taken = 0
        for block in blocks if from_front else reversed(blocks):
            taken += self._take(block, qty - taken)
        return taken

    def roll_out(self, side: int, price: int) -> None:
        """The level left the feed's window: public lots are forgotten, own orders stay with frozen lots ahead."""
        level = self._ladder(side).levels.get(price)
        if level is None:
            return
        for order in level.own():
            order.frozen = level.public_ahead(order)
        for order in level.of(PUBLIC) + level.of(ANONYMOUS):
            self._take(order, order.lots)

    def roll_in(self, side: int, price: int, qty: int) -> None:
        """The level came into the feed's window: a block of `qty` anonymous lots."""
        if qty <= 0:
            return
        level = self._ladder(side).at(price)
        level.lots += qty
        queue, level.queue = level.queue, {}
        placed = 0
        for order in queue.values():
            if order.frozen is not None:
                ahead = min(order.frozen, qty) - placed
                self._append_block(level, side, price, ahead)
                placed += max(ahead, 0)
                order.frozen = None
            level.queue[order.arrival] = order
        self._append_block(level, side, price, qty - placed)

    def _append_block(self, level: Level, side: int, price: int, qty: int) -> None:
        if qty > 0:
            self._arrival += 1
            level.queue[self._arrival] = Order(0, side, price, qty, self._arrival, ANONYMOUS)

    def level_set(self, side: int, price: int, qty: int) -> None:
        """The level's public lots become `qty` (L2 feeds)."""
        ladder = self._ladder(side)
        level = ladder.levels.get(price)
        public = level.lots - sum(order.lots for order in level.own()) if level is not None else 0
        missing = public - max(qty, 0)
        if not public:
            self.roll_in(side, price, qty)
        elif level is not None and missing < 0:
            level.lots -= missing
            last = next(reversed(level.queue.values()))
            if last.own == ANONYMOUS:
                last.lots -= missing
            else:
                self._append_block(level, side, price, -missing)
        elif level is not None:
            newest = level.of(PUBLIC)
            missing -= self._shrink_anonymous(side, price, missing, from_front=False)
            while missing:
                missing -= self._take(newest.pop(), missing)

    # -- own orders ---------------------------------------------------------------------------------------------

    def own_add(self, side: int, price: int, qty: int, outside_feed: bool = False) -> int:
        """An own order joins the tail of its level; returns its index, the smallest free one.

        `outside_feed`: the price lies outside the feed's window, so that the lots ahead are unknown.
        """
        index = next(i for i in range(len(self._own) + 1) if i not in self._own)
        self._arrival += 1
        order = self._own[index] = Order(0, side, price, qty, self._arrival, index)
        order.frozen = UNKNOWN_AHEAD if outside_feed else None
        level = self._ladder(side).at(price)
        level.queue[order.arrival] = order
        level.lots += qty
        return index

    def own_cancel(self, own_index: int, qty: int = WHOLE) -> int:
        """Take lots from an own order, which keeps its place; returns the lots taken."""
        order = self._own.get(own_index)
        return 0 if order is None else self._take(order, qty)

    def own_lots(self, own_index: int) -> int:
        """Lots left of the own order; 0 when it is gone."""
        order = self._own.get(own_index)
        return 0 if order is None else order.lots

    def own_ahead(self, own_index: int) -> int:
        """Lots at its price that come before the own order."""
        order = self._own[own_index]
        return self._ladder(order.side).levels[order.price].ahead(order)

    # -- matching -----------------------------------------------------------------------------------------------

    def submit(
        self, order_id: int, side: int, price: int, qty: int, kind: int = LIMIT
    ) -> list[Fill]:
        """Match an order against the other side; returns the fills as (resting id, price, lots)."""
        other = self._ladder(-side)
        if kind == POST_ONLY and other.keys and self._reaches(side, price, other):
            return []
        fills: list[Fill] = []
        while qty > 0 and other.keys and (kind == MARKET or self._reaches(side, price, other)):
            resting_price = -side * other.keys[-1]
            first = next(iter(other.levels[resting_price].queue.values()))
            lots = self._take(first, qty)
            fills.append(
                Fill(first.order_id if first.own < 0 else -1 - first.own, resting_price, lots)
            )
            qty -= lots
        if kind in (LIMIT, POST_ONLY):
            self.add(order_id, side, price, qty)
        return fills

    @staticmethod
    def _reaches(side: int, price: int, other: Ladder) -> bool:
        return side * price >= -other.keys[-1]

    # -- what can be seen ---------------------------------------------------------------------------------------

    @property
    def best_bid(self) -> int:
        """Highest bid in ticks, or NO_BID."""
        keys = self._bids.keys
        return keys[-1] if keys else NO_BID

    @property
    def best_ask(self) -> int:
        """Lowest ask in ticks, or NO_ASK."""
        keys = self._asks.keys
        return -keys[-1] if keys else NO_ASK

    def depth(self, side: int, n: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Prices and lots of the best `n` occupied levels: int32[n] each, padded with no price and 0."""
        ladder = self._ladder(side)
        prices = np.full(n, NO_BID if side > 0 else NO_ASK, np.int32)
        lots = np.zeros(n, np.int32)
        for i, price in zip(range(n), ladder.prices(), strict=False):
            prices[i] = price
            lots[i] = ladder.levels[price].lots
        return prices, lots

    def lots_at(self, side: int, price: int) -> int:
        """All lots resting at a price."""
        level = self._ladder(side).levels.get(price)
        return 0 if level is None else level.lots

    def lots_ahead(self, order_id: int) -> int:
        """Lots at its price that come before the order; -1 when the id is not live."""
        order = self._orders.get(order_id)
        if order is None:
            return -1
        return self._ladder(order.side).levels[order.price].ahead(order)

    def orders(self) -> NDArray[np.int64]:
        """Resting orders in priority order, bids first: int64[n, 5] of id, side, price, lots, arrival number.

        Anonymous lots have id 0, own order i has id -1 - i.
        """
        rows = [
            (
                order.order_id if order.own < 0 else -1 - order.own,
                order.side,
                order.price,
                order.lots,
                order.arrival,
            )
            for ladder in (self._bids, self._asks)
            for price in ladder.prices()
            for order in ladder.levels[price].queue.values()
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 5)

    # -- tape -----------------------------------------------------------------------------------------------

    def apply(self, events: "Events", start: int = 0, stop: int | None = None) -> None:
        """Apply tape rows `[start, stop)`, and read the touch after each for the counters and the checksum."""
        columns = (events.kind, events.order_id, events.side, events.price_ticks, events.qty_lots)
        add, delete, execute, reduce = self.add, self.delete, self.execute, self.reduce
        bids, bid_levels, asks, ask_levels = (
            self._bids.keys,
            self._bids.levels,
            self._asks.keys,
            self._asks.levels,
        )
        checksum = 0
        for kind, order_id, side, price, qty in zip(
            *(c[start:stop].tolist() for c in columns), strict=True
        ):
            if kind == schema.ADD:
                add(order_id, side, price, qty)
            elif kind == schema.DELETE:
                delete(order_id, qty, side, price)
            elif kind == schema.EXECUTE:
                execute(order_id, qty, side, price)
            elif kind == schema.REDUCE:
                reduce(order_id, qty, side, price)
            else:
                self._apply_other(kind, order_id, side, price, qty)
            bid, ask = bids[-1] if bids else NO_BID, -asks[-1] if asks else NO_ASK
            bid_lots = bid_levels[bid].lots if bids else 0
            ask_lots = ask_levels[ask].lots if asks else 0
            checksum += 3 * bid + 5 * ask + 7 * bid_lots + 11 * ask_lots
            if bid >= ask:
                self.crossed += bid > ask
                self.locked += bid == ask
        self.checksum += checksum

    def _apply_other(self, kind: int, order_id: int, side: int, price: int, qty: int) -> None:
        """A row of another kind; those that leave the book as it is (hidden trades, crosses, status) pass."""
        if kind == schema.MODIFY:
            self.modify(order_id, price, qty)
        elif kind == schema.LEVEL_SET:
            self.level_set(side, price, qty)
        elif kind == schema.ROLL_OUT:
            self.roll_out(side, price)
        elif kind == schema.ROLL_IN:
            self.roll_in(side, price, qty)
        elif kind == schema.CLEAR:
            self.clear()
