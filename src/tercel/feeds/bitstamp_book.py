"""A Bitstamp book from order events and trades of two channels that do not wait for one another.

The whole capture is in memory, so the total traded amount of an order, resting and as an aggressor, is known before
its events are read. That resolves the feed's ambiguities:

* A change or deletion of a resting order is an execution as far as trades name the order and were not written yet,
  else its owner's; whichever of trade and change comes first writes the EXECUTE, the other writes nothing. A deletion
  with nothing left is an execution even when no trade names it (counted).
* A new order that would cross the book is an aggressor: it waits, and rests with what it did not trade once the book
  lets it. Market orders (no price, or an absurd one) never rest.
* An order that still crosses a waiting order after a second is a ghost, whose deletion was lost: it is withdrawn
  and counted.
* Order events carry no numbers, so a gap shows only at the next snapshot: where it differs from the book, the book is
  cleared and opened again (counted, as are those that agree).
"""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.bitstamp_messages import (
    CREATED,
    DELETED,
    OrderBookAnswer,
    OrderEvent,
    OrderTrade,
    Pair,
)
from tercel.market.tape import schema

PATIENCE_NS: Final = NS_PER_SECOND
"""Wait before orders that cross a waiting order are withdrawn, ns."""


@dataclass
class BitstampOrder:
    """An order in the book, or one that would cross it if it rested now; `since_ns` is when it came."""

    side: int
    price: int
    amount: int
    since_ns: int


@dataclass(frozen=True)
class BitstampRow:
    """A row of the tape, amounts in 1e-10 before lots are known: the order's `before` and `after`."""

    exch_ns: int
    recv_ns: int
    seq: int
    kind: int
    number: int
    side: int
    price: int
    before: int
    after: int
    flags: int = 0


@dataclass
class BitstampCounts:
    """Counts of anomalies in a capture."""

    before_snapshot: int = 0
    unknown_ids: int = 0
    """Changes and deletions of orders that were never created."""
    duplicates: int = 0
    grown: int = 0
    """Changes to more than before: the order loses its place."""
    fills_without_trade: int = 0
    trades_unknown_order: int = 0
    """Trades of resting orders that are not in the book, reported as hidden executions."""
    takers: int = 0
    ghosts: int = 0
    snapshots_agree: int = 0
    resyncs: int = 0
    clock_back: int = 0


class BitstampBook:
    """A pair's book of orders, and the tape rows made from it so far."""

    def __init__(self) -> None:
        self.rows: list[BitstampRow] = []
        self.counts = BitstampCounts()
        self.orders: dict[int, BitstampOrder] = {}
        self.waiting: dict[int, BitstampOrder] = {}
        self.ended: set[int] = set()
        self.seq = self.ns = self.recv_ns = 0
        self._levels: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        self._heaps: dict[int, list[int]] = {1: [], -1: []}
        self.rested: defaultdict[int, int] = defaultdict(int)
        """By order: what it traded while it rested, in the whole capture."""
        self.took: defaultdict[int, int] = defaultdict(int)
        """By order: what it traded as an aggressor."""
        self.written: defaultdict[int, int] = defaultdict(int)
        """By order: executions written so far."""
        self.printed: defaultdict[int, int] = defaultdict(int)
        """By order: trades read so far."""

    def best(self, side: int) -> int | None:
        """Best price of a side in 1e-10; None if the side is empty."""
        heap = self._heaps[side]
        while heap and not self._levels.get((side, -side * heap[0])):
            heapq.heappop(heap)
        return -side * heap[0] if heap else None

    def crosses(self, side: int, price: int) -> bool:
        """Whether an order at this price (0: a market order) would meet the other side; False if that is empty."""
        far = self.best(-side)
        return far is not None and (price == 0 or (price - far) * side >= 0)

    def _row(
        self, kind: int, number: int, side: int, price: int, before: int, after: int, flags: int = 0
    ) -> None:
        """Append a row of the tape at the current message."""
        self.rows.append(
            BitstampRow(
                self.ns,
                self.recv_ns or self.ns,
                self.seq,
                kind,
                number,
                side,
                price,
                before,
                after,
                flags,
            )
        )

    def add(self, number: int, side: int, price: int, amount: int, flags: int = 0) -> None:
        """Add a resting order, `price` and `amount` in 1e-10, to the book and write its row."""
        self.orders[number] = BitstampOrder(side, price, amount, self.ns)
        level = self._levels[side, price]
        if not level:
            heapq.heappush(self._heaps[side], -side * price)
        level.add(number)
        self._row(schema.ADD, number, side, price, 0, amount, flags)

    def take(self, kind: int, number: int, amount: int) -> None:
        """Take an amount (1e-10) from a resting order and write the row; at zero the order is removed, a REDUCE then a DELETE."""
        order = self.orders[number]
        after = order.amount - amount
        row_kind = schema.DELETE if kind == schema.REDUCE and after == 0 else kind
        self._row(row_kind, number, order.side, order.price, order.amount, after)
        order.amount = after
        if after == 0:
            del self.orders[number]
            self._levels[order.side, order.price].discard(number)
            self.ended.add(number)

    def apply_order(self, event: OrderEvent) -> None:
        """Apply an order event (created, changed or deleted) to the book or the waiting orders; count one of an unknown order."""
        if event.action == CREATED:
            self._create_order(event)
        elif event.number in self.orders:
            self._reduce_order(event.number, event.amount, event.action == DELETED)
        elif event.number in self.waiting:
            waiting = self.waiting[event.number]
            waiting.amount = min(waiting.amount, event.amount)
            if event.action == DELETED:
                del self.waiting[event.number]
                self.ended.add(event.number)
        elif event.number not in self.ended:
            self.counts.unknown_ids += 1

    def _create_order(self, event: OrderEvent) -> None:
        """Rest a new order with what it does not trade at once; let it wait if it traded as an aggressor or would cross the book.

        One that traded all, or has no price, ends here; a repeated one is counted.
        """
        if (
            event.number in self.orders
            or event.number in self.waiting
            or event.number in self.ended
        ):
            self.counts.duplicates += 1
            return
        amount = event.amount - self.took[event.number]
        if amount <= 0 or event.price == 0:
            self.counts.takers += 1
            self.ended.add(event.number)
        elif self.took[event.number] or self.crosses(event.side, event.price):
            self.counts.takers += 1
            self.waiting[event.number] = BitstampOrder(
                event.side, event.price, amount, event.exch_ns
            )
        else:
            self.add(event.number, event.side, event.price, amount)

    def _reduce_order(self, number: int, amount: int, deleted: bool) -> None:
        """Reduce an order to `amount`, as executions as far as trades name it; if `deleted`, then remove it.

        A change to more than before is a deletion and a new order, unless `deleted`.
        """
        order = self.orders[number]
        if amount > order.amount:
            if not deleted:
                self.counts.grown += 1
                side, price = order.side, order.price
                self.take(schema.DELETE, number, order.amount)
                self.ended.discard(number)
                self.add(number, side, price, amount)
                return
            amount = order.amount
        removed = order.amount - amount
        traded = min(removed, max(self.rested[number] - self.written[number], 0))
        if deleted and amount == 0 and traded < removed:
            self.counts.fills_without_trade += 1
            traded = removed
        if traded:
            self.written[number] += traded
            self.take(schema.EXECUTE, number, traded)
        if removed > traded:
            self.take(schema.REDUCE, number, removed - traded)
        if deleted and number in self.orders:
            self.take(schema.DELETE, number, self.orders[number].amount)

    def apply_trade(self, trade: OrderTrade) -> None:
        """Apply a trade: execute its resting order by what no order event has reported; without that order, a hidden trade."""
        number = trade.resting
        self.printed[number] += trade.amount
        unwritten = self.printed[number] - self.written[number]
        if unwritten <= 0:
            return
        if number in self.orders:
            amount = min(unwritten, self.orders[number].amount)
            self.written[number] += amount
            self.take(schema.EXECUTE, number, amount)
            unwritten -= amount
        if unwritten > 0:
            self.written[number] += unwritten
            self.counts.trades_unknown_order += 1
            self._row(schema.TRADE_HIDDEN, 0, trade.side, trade.price, unwritten, 0)

    def settle(self) -> None:
        """Rest waiting orders that no longer cross; for one that waits over a second, first withdraw orders that it crosses."""
        for number in sorted(self.waiting):
            waiting = self.waiting[number]
            if self.ns - waiting.since_ns > PATIENCE_NS:
                self._withdraw_ghosts(waiting)
            if not self.crosses(waiting.side, waiting.price):
                del self.waiting[number]
                self.add(number, waiting.side, waiting.price, waiting.amount)

    def _withdraw_ghosts(self, waiting: BitstampOrder) -> None:
        """Withdraw, and count, all orders of the other side that a waiting order would cross: their deletion was lost."""
        while self.crosses(waiting.side, waiting.price):
            far = self.best(-waiting.side)
            assert far is not None
            for number in sorted(self._levels[-waiting.side, far]):
                self.counts.ghosts += 1
                self.take(schema.DELETE, number, self.orders[number].amount)

    def apply_snapshot(self, answer: OrderBookAnswer, opening: bool) -> None:
        """Open the book with the first snapshot (`opening`); compare a later one, and where it differs clear and reopen it."""
        if not opening:
            resting = {number: (o.side, o.price, o.amount) for number, o in self.orders.items()}
            if resting == {
                number: (side, price, amount) for side, price, amount, number in answer.orders
            }:
                self.counts.snapshots_agree += 1
                return
            self.counts.resyncs += 1
            self._row(schema.CLEAR, 0, 0, 0, 0, 0)
        self.orders.clear()
        self.waiting.clear()
        self._levels.clear()
        self._heaps = {1: [], -1: []}
        for side, price, amount, number in answer.orders:
            self.add(number, side, price, amount, schema.OPENING if opening else 0)


def build_book(pair: Pair) -> BitstampBook:
    """Book and tape rows of a pair, from its first snapshot on; empty without one."""
    book = BitstampBook()
    if not pair.snapshots:
        return book
    start = pair.snapshots[0].exch_ns
    trades = [t for t in _drop_duplicates(pair.trades) if t.exch_ns > start]
    for trade in trades:
        book.rested[trade.resting] += trade.amount
        book.took[trade.aggressor] += trade.amount
    orders = [o for o in pair.orders if o.exch_ns > start]
    book.counts.before_snapshot = len(pair.orders) - len(orders)
    for part in _merge_channels((orders, trades, pair.snapshots), book.counts):
        ns = part.exch_ns
        first_row = len(book.rows)
        book.counts.clock_back += ns < book.ns
        book.ns = max(book.ns, ns)
        book.recv_ns = part.recv_ns
        opening = isinstance(part, OrderBookAnswer) and part is pair.snapshots[0]
        book.seq += not opening
        if isinstance(part, OrderBookAnswer):
            book.apply_snapshot(part, opening)
        elif isinstance(part, OrderEvent):
            book.apply_order(part)
        else:
            book.apply_trade(part)
        book.settle()
        if len(book.rows) == first_row and not opening:
            book.seq -= 1
    return book


def _drop_duplicates(trades: Sequence[OrderTrade]) -> list[OrderTrade]:
    """Trades without those whose number came before."""
    seen: set[int] = set()
    return [t for t in trades if not (t.number in seen or seen.add(t.number))]  # type: ignore[func-returns-value]


def _merge_channels(
    channels: Sequence[Sequence[OrderEvent | OrderTrade | OrderBookAnswer]], counts: BitstampCounts
) -> list[OrderEvent | OrderTrade | OrderBookAnswer]:
    """Messages of several channels in order of the venue's time, each channel in its own order; times going back are counted."""
    keyed: list[tuple[int, OrderEvent | OrderTrade | OrderBookAnswer]] = []
    for parts in channels:
        clocks = [*accumulate((part.exch_ns for part in parts), max)]
        counts.clock_back += sum(
            part.exch_ns < clock for part, clock in zip(parts, clocks, strict=True)
        )
        keyed += zip(clocks, parts, strict=True)
    return [part for _, part in sorted(keyed, key=lambda keyed_part: keyed_part[0])]
