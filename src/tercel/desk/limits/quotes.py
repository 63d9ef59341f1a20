"""Best prices of one instrument, no dealers' quotes: of own resting orders (self-trade prevention), and of the market's data.

`QuoteBook` takes the same rows as a `Follower` and stores side, price and size of each order alone: the gate checks
limits against its quotes, and no strategy trades on it.
"""

import sys
from bisect import bisect_left, insort
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, Protocol

from tercel.core import vocabulary as v
from tercel.core.errors import TapeError, VenueError
from tercel.core.orders import Listing, MarketRows

NO_QUOTE: Final = sys.maxsize
"""No own order rests on that side: a price beyond every other."""


_LEAVES: Final = frozenset({v.EXECUTE, v.REDUCE, v.DELETE})
_RESTS: Final = frozenset({v.ADD, v.ROLL_IN, v.LEVEL_SET})
_KNOWN: Final = (
    _LEAVES | _RESTS | {v.TRADE, v.TRADE_HIDDEN, v.STATUS, v.CLEAR, v.ROLL_OUT, v.SHIFTED}
)
_SIDED: Final = _RESTS | {v.ROLL_OUT}
_WRONG_KIND: Final = "a kind of row that this market knows"
_WRONG_SLOT: Final = "a slot that fits the book so far"
_WRONG_LOTS: Final = "no more lots than the order has"


class OwnQuotes:
    """Prices of own resting orders on one side of one instrument, and the best of them.

    `best` is the best price times `sign` (+1 for sells, -1 for buys), so that the lowest is the best; `NO_QUOTE` without one.
    """

    __slots__ = ("_heap", "_orders", "_stored", "best", "sign")

    def __init__(self, sign: int) -> None:
        """No orders yet; `sign` is +1 for sells, -1 for buys."""
        self.sign = sign
        self.best = NO_QUOTE
        self._orders: dict[int, int] = {}
        self._heap: list[int] = []
        self._stored: set[int] = set()

    def add(self, price: int) -> None:
        """Add one order at a price."""
        key = price * self.sign
        self._orders[key] = self._orders.get(key, 0) + 1
        if key not in self._stored:
            self._stored.add(key)
            heappush(self._heap, key)
        self.best = min(self.best, key)

    def remove(self, price: int) -> None:
        """Remove one order at a price."""
        key = price * self.sign
        self._orders[key] -= 1
        if self._orders[key]:
            return
        del self._orders[key]
        while self._heap and self._heap[0] not in self._orders:
            self._stored.discard(heappop(self._heap))
        self.best = self._heap[0] if self._heap else NO_QUOTE


@dataclass(frozen=True, slots=True)
class BestQuotes:
    """What limits see of an instrument's market: best bid and ask, ticks; None for an empty side.

    The one way from market data to checks: `QuoteBook` (in a gate), `Follower` (in a session) and `count_entry` (from a
    journal) make it, `LimitGate.mark` stores it, `query.instrument.quotes` has it.
    """

    bid: int | None = None
    ask: int | None = None

    def __str__(self) -> str:
        """Both, 0 for an empty side, for the text of a denial."""
        return f"bid={self.bid or 0!r} ask={self.ask or 0!r}"

    @property
    def mid2(self) -> int:
        """Bid plus ask, half ticks; 0 unless there are both and they do not meet."""
        if type(self.bid) is int and type(self.ask) is int and 0 < self.bid < self.ask:
            return self.bid + self.ask
        return 0


class Quoted(Protocol):
    """Protocol of an object with the listing and best quotes of an instrument."""

    @property
    def listing(self) -> Listing:
        """Listing at the venue."""

    @property
    def quotes(self) -> BestQuotes:
        """Best bid and ask."""


def refuse_sparse(listing: Listing) -> None:
    """Refuse an instrument whose ids in market data are arbitrary.

    Raises
    ------
    VenueError
    """
    if listing.dense_ids <= 0:
        raise VenueError(
            "market data with small, reused ids", f"{listing.instrument} without", "map them first"
        )


@dataclass(slots=True)
class _Order:
    """Side, price and lots of an order in the market's data; `anonymous`: part of a level without names."""

    side: int
    price: int
    lots: int
    anonymous: bool


class QuoteBook:
    """Best bid and ask of one instrument.

    Parameters
    ----------
    listing : Listing
        How the venue lists it; its ids in market data must be dense.

    Raises
    ------
    VenueError
        For market data whose ids are arbitrary.

    >>> import numpy as np
    >>> book = QuoteBook(Listing("X", 0.01, 1, dense_ids=8))
    >>> rows = [(5, v.ADD, 1, v.BUY, 99, 4, -1), (5, v.ADD, 2, v.BUY, 98, 3, -1)]
    >>> book.on_market(MarketRows("X", np.array(rows), snapshot=True))
    >>> book.on_market(MarketRows("X", np.array([(6, v.DELETE, 1, v.BUY, 99, 4, -1)])))
    >>> book.quotes, book.now_ns
    (BestQuotes(bid=98, ask=None), 6)
    """

    def __init__(self, listing: Listing) -> None:
        refuse_sparse(listing)
        self.listing = listing
        self.now_ns = 0
        """Time of the last row."""
        self._ready = False
        self._totals = False
        self._clear()

    def _clear(self) -> None:
        """Empty the book."""
        self._orders: dict[int, _Order] = {}
        self._levels: dict[int, dict[int, dict[int, _Order]]] = {v.BUY: {}, v.SELL: {}}
        self._prices: dict[int, list[int]] = {v.BUY: [], v.SELL: []}

    @property
    def quotes(self) -> BestQuotes:
        """Best bid and ask."""
        bids = self._prices[v.BUY]
        asks = self._prices[v.SELL]
        return BestQuotes(bids[-1] if bids else None, asks[0] if asks else None)

    def on_market(self, event: MarketRows) -> None:
        """Apply published market data; rows before the first snapshot are ignored.

        Raises
        ------
        TapeError
            Rows that do not fit the book: some were missed. Subscribe again.
        """
        if event.snapshot:
            self._ready = self._load(event)
        for row in event.rows.tolist() if self._ready and not event.snapshot else ():
            ns, kind, slot, side, price, lots, _ = row
            if expected := self._fault(kind, slot, side, lots):
                self._ready = False
                raise self._misfit_error(expected, row)
            self.now_ns = max(self.now_ns, ns)
            self._apply(kind, slot, side, price, lots)

    def _misfit_error(self, expected: str, row: list[int]) -> TapeError:
        """Error for a row of market data that does not fit the book."""
        return TapeError(
            expected, f"row {row} of {self.listing.instrument}", "subscribe to it again"
        )

    def _load(self, event: MarketRows) -> bool:
        """Replace the book by a snapshot; always True, as a row that is no order or comes twice raises a TapeError."""
        self._clear()
        self.now_ns = 0
        self._ready = self._totals = False
        for row in event.rows.tolist():
            ns, kind, slot, side, price, lots, _ = row
            self.now_ns = max(self.now_ns, ns)
            if kind == v.STATUS:
                continue
            is_order = kind in _RESTS and side in self._levels and slot >= 0 and lots > 0
            if not is_order or slot in self._orders:
                self._clear()
                raise self._misfit_error("a snapshot of orders, each once", row)
            self._totals |= kind == v.LEVEL_SET
            self._rest(slot, side, price, lots, kind != v.ADD)
        return True

    def _fault(self, kind: int, slot: int, side: int, lots: int) -> str:
        """Expectation that a row violates, "" where it fits (`execution.driver_kernels.public_fault`)."""
        order = self._orders.get(slot)
        inside = 0 <= slot < self.listing.dense_ids
        if kind not in _KNOWN:
            return _WRONG_KIND if slot >= -1 else _WRONG_SLOT
        if kind in _SIDED and side not in self._levels:
            return _WRONG_SLOT
        if kind in (v.ADD, v.ROLL_IN) and (not inside or order is not None):
            return _WRONG_SLOT
        if kind == v.TRADE and (slot >= self.listing.dense_ids or lots <= 0):
            return _WRONG_SLOT
        if kind == v.LEVEL_SET and (not inside or lots < 0):
            return _WRONG_SLOT
        if kind == v.ADD and lots <= 0:
            return _WRONG_LOTS
        # What has no order here is a part of one, of which nothing is known but its level.
        if kind in _LEAVES and slot >= 0 and not self._totals:
            resting_lots = 0 if order is None else order.lots
            return "" if lots >= 0 and (resting_lots >= lots or not inside) else _WRONG_LOTS
        return "" if slot >= -1 else _WRONG_SLOT

    def _apply(self, kind: int, slot: int, side: int, price: int, lots: int) -> None:
        """Apply one row of market data to the orders."""
        if kind in _LEAVES:
            order = self._orders.get(slot)
            if order is not None and (order.lots >= lots or slot < self.listing.dense_ids):
                self._take(slot, lots)
            elif not 0 <= slot < self.listing.dense_ids:
                self._take_unnamed(kind, side, price, lots)
        elif kind == v.LEVEL_SET:
            self._totals = True
            order = self._orders.get(slot)
            if order is not None and lots > 0:
                order.lots = lots
            elif order is not None:
                self._remove(slot)
            elif lots > 0:
                self._rest(slot, side, price, lots, True)
        elif kind in _RESTS and lots > 0:
            self._rest(slot, side, price, lots, kind == v.ROLL_IN)
        elif kind == v.ROLL_OUT:
            for resting_slot in list(self._levels[side].get(price, ())):
                self._remove(resting_slot)
        elif kind == v.CLEAR:
            self._clear()
        elif kind == v.SHIFTED:
            orders = self._orders
            self._clear()
            for resting_slot, order in orders.items():
                self._rest(
                    resting_slot, order.side, order.price + price, order.lots, order.anonymous
                )
        elif kind == v.TRADE:
            self._totals = True

    def _rest(self, slot: int, side: int, price: int, lots: int, anonymous: bool) -> None:
        """Add an order to its level; `anonymous`: it is part of a level whose orders have no names."""
        self._orders[slot] = order = _Order(side, price, lots, anonymous)
        levels = self._levels[side]
        if price not in levels:
            levels[price] = {}
            insort(self._prices[side], price)
        levels[price][slot] = order

    def _take(self, slot: int, lots: int) -> None:
        """Take lots from an order; at zero it is removed."""
        order = self._orders[slot]
        order.lots -= max(lots, 0)
        if order.lots <= 0:
            self._remove(slot)

    def _take_unnamed(self, kind: int, side: int, price: int, lots: int) -> None:
        """Take lots from the unnamed orders of a level: from the first ones in a trade, else from the last ones."""
        level = self._levels[side].get(price, {}) if side in self._levels else {}
        unnamed = [slot for slot, order in level.items() if order.anonymous]
        for slot in unnamed if kind == v.EXECUTE else reversed(unnamed):
            taken = min(lots, self._orders[slot].lots)
            self._take(slot, taken)
            lots -= taken

    def _remove(self, slot: int) -> None:
        """Remove an order, and its level if it was the last."""
        order = self._orders.pop(slot)
        levels = self._levels[order.side]
        del levels[order.price][slot]
        if not levels[order.price]:
            del levels[order.price]
            prices = self._prices[order.side]
            del prices[bisect_left(prices, order.price)]
