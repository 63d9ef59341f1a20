"""Bitstamp captures: order events, trades and order-by-order snapshots of a pair, as an L3 tape.

Amounts have eight decimals, so lots of 1e-8 would overflow at some ten coins an order. The default lot is the smallest
power of ten that holds the largest order; an order has as many lots as cover its remaining amount, so that none
vanishes before its end and every row is the difference of two such numbers. Lines of a capture::

    1723161254087891268 {"event":"order_created","channel":"live_orders_btcusd","data":{"id":1780931434332160,
        "order_type":0,"price_str":"61837.63","amount_str":"0.50000000","microtimestamp":"1723161254087123"}}
    1723161254091133712 {"event":"trade","channel":"live_trades_btcusd","data":{"id":351020001,"price_str":"61837.63",
        "amount_str":"0.10000000","buy_order_id":1780931434332160,"sell_order_id":1780931434332200,"type":1,
        "microtimestamp":"1723161254090001"}}
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from tercel.core.errors import FeedError
from tercel.core.vocabulary import MOST_LOTS, NS_PER_SECOND
from tercel.feeds.capture_day import Capture, CaptureDay, CaptureFeed, days_of
from tercel.feeds.members import (
    ONE,
    CaptureLine,
    Message,
    ScaledCapture,
    shown,
    stated_unit,
    unit_of,
)
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra

# -- bitstamp messages ----------------------------------------------------------------------------
# Bitstamp's live order events, trades and order-by-order snapshots as dataclasses.
#
# Channels ``live_orders_PAIR`` (order_created, order_changed, order_deleted), ``live_trades_PAIR`` (trade), and the REST
# answer ``order_book/PAIR?group=2``, wrapped by the recorder as event ``snapshot`` of channel ``order_book_PAIR``.

# -- bitstamp book ---------------------------------------------------------------------------------
# A Bitstamp book from order events and trades of two channels that do not wait for one another.
#
# The whole capture is in memory, so the total traded amount of an order, resting and as an aggressor, is known before
# its events are read. That resolves the feed's ambiguities:
#
# * A change or deletion of a resting order is an execution as far as trades name the order and were not written yet, else
#   its owner's; whichever of trade and change comes first writes the EXECUTE, the other writes nothing. A deletion with
#   nothing left is an execution even when no trade names it (counted).
# * A new order that would cross the book is an aggressor: it waits, and rests with what it did not trade once the book
#   lets it. Market orders (no price, or an absurd one) never rest.
# * An order that still crosses a waiting order after a second is a ghost, whose deletion was lost: it is withdrawn
#   and counted.
# * Order events carry no numbers, so a gap shows only at the next snapshot: where it differs from the book, the book is
#   cleared and opened again (counted, as are those that agree).

CREATED: Final = "order_created"
CHANGED: Final = "order_changed"
DELETED: Final = "order_deleted"
EXTREME: Final = 10**8 * ONE
"""Prices at or above this, and those of zero, are none: market orders show them."""


@dataclass(frozen=True, kw_only=True)
class _OrderFact:
    """Of an order: `price` and `amount` in 1e-10."""

    number: int
    side: int
    price: int
    """0 for a market order."""
    amount: int
    exch_ns: int
    recv_ns: int


@dataclass(frozen=True, kw_only=True)
class OrderEvent(_OrderFact):
    """A created, changed or deleted order; `amount` is its remaining amount."""

    what: str


@dataclass(frozen=True, kw_only=True)
class OrderTrade(_OrderFact):
    """A trade between a resting order, the older one, whose side it has, and its aggressor, the newer one."""

    resting: int
    aggressor: int


@dataclass(frozen=True)
class OrderBookAnswer:
    """The whole book, order by order: (side, price, amount, id), best first."""

    exch_ns: int
    recv_ns: int
    orders: tuple[tuple[int, int, int, int], ...]


@dataclass
class Pair:
    """All messages of one pair, each kind in order of receipt."""

    symbol: str
    orders: list[OrderEvent] = field(default_factory=list)
    trades: list[OrderTrade] = field(default_factory=list)
    snapshots: list[OrderBookAnswer] = field(default_factory=list)
    against_type: int = 0
    """Trades whose `type` names another aggressor than the ids do; the ids are believed."""


def pairs_of(lines: Iterable[CaptureLine]) -> dict[str, Pair]:
    """Sort messages by pair.

    Raises
    ------
    FeedError
        When a message lacks a field.
    """
    found: dict[str, Pair] = {}
    scaled = ScaledCapture()
    for line in lines:
        message = line.message
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            continue
        name = str(message.get("channel", "")).rsplit("_", 1)[-1].upper()
        event, data = message.get("event", ""), message["data"]
        try:
            if event in (CREATED, CHANGED, DELETED):
                found.setdefault(name, Pair(name)).orders.append(_order(event, data, line, scaled))
            elif event == "trade":
                _trade(found.setdefault(name, Pair(name)), data, line, scaled)
            elif event == "snapshot":
                found.setdefault(name, Pair(name)).snapshots.append(_snapshot(data, line, scaled))
        except (KeyError, TypeError, ValueError) as error:
            raise FeedError(
                "a Bitstamp message with all its fields",
                f"{type(error).__name__} {error} in {line.where}",
                "record again, or report it",
            ) from error
    return found


def _number(data: Message, name: str, line: CaptureLine, scaled: ScaledCapture) -> int:
    """A field scaled to an integer, by its exact string if present (JSON numbers are floats)."""
    text = data.get(f"{name}_str")
    return scaled(data[name] if text is None else text, line.where)


def _order(event: str, data: Message, line: CaptureLine, scaled: ScaledCapture) -> OrderEvent:
    price = _number(data, "price", line, scaled)
    return OrderEvent(
        what=event,
        number=int(data["id"]),
        side=1 if int(data["order_type"]) == 0 else -1,
        price=price if price < EXTREME else 0,
        amount=_number(data, "amount", line, scaled),
        exch_ns=int(data["microtimestamp"]) * 1000,
        recv_ns=line.recv_ns,
    )


def _trade(pair: Pair, data: Message, line: CaptureLine, scaled: ScaledCapture) -> None:
    buyer, seller = int(data["buy_order_id"]), int(data["sell_order_id"])
    bought = buyer > seller
    pair.against_type += "type" in data and bought != (int(data["type"]) == 0)
    trade = OrderTrade(
        number=int(data["id"]),
        resting=min(buyer, seller),
        aggressor=max(buyer, seller),
        side=-1 if bought else 1,
        price=_number(data, "price", line, scaled),
        amount=_number(data, "amount", line, scaled),
        exch_ns=int(data["microtimestamp"]) * 1000,
        recv_ns=line.recv_ns,
    )
    pair.trades.append(trade)


def _snapshot(data: Message, line: CaptureLine, scaled: ScaledCapture) -> OrderBookAnswer:
    orders = [
        (side, scaled(price, line.where), scaled(amount, line.where), int(number))
        for side, name in ((1, "bids"), (-1, "asks"))
        for price, amount, number in data[name]
    ]
    return OrderBookAnswer(int(data["microtimestamp"]) * 1000, line.recv_ns, tuple(orders))


# -- bitstamp book --------------------------------------------------------------------------------

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
    """The book and the rows made so far."""

    def __init__(self) -> None:
        self.rows: list[BitstampRow] = []
        self.counts = BitstampCounts()
        self.orders: dict[int, BitstampOrder] = {}
        self.waiting: dict[int, BitstampOrder] = {}
        self.gone: set[int] = set()
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

    # -- the book -----------------------------------------------------------------------------------------------------

    def best(self, side: int) -> int | None:
        """Best price of a side."""
        heap = self._heaps[side]
        while heap and not self._levels.get((side, -side * heap[0])):
            heapq.heappop(heap)
        return -side * heap[0] if heap else None

    def crosses(self, side: int, price: int) -> bool:
        """Whether an order at this price would meet the other side."""
        far = self.best(-side)
        return far is not None and (price == 0 or (price - far) * side >= 0)

    def _row(
        self, kind: int, number: int, side: int, price: int, before: int, after: int, flags: int = 0
    ) -> None:
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
        """Rest an order."""
        self.orders[number] = BitstampOrder(side, price, amount, self.ns)
        level = self._levels[side, price]
        if not level:
            heapq.heappush(self._heaps[side], -side * price)
        level.add(number)
        self._row(schema.ADD, number, side, price, 0, amount, flags)

    def take(self, kind: int, number: int, amount: int) -> None:
        """Take from a resting order; at zero it is gone."""
        order = self.orders[number]
        after = order.amount - amount
        whole = schema.DELETE if kind == schema.REDUCE and after == 0 else kind
        self._row(whole, number, order.side, order.price, order.amount, after)
        order.amount = after
        if after == 0:
            del self.orders[number]
            self._levels[order.side, order.price].discard(number)
            self.gone.add(number)

    # -- events -------------------------------------------------------------------------------------------------------

    def order(self, event: OrderEvent) -> None:
        """An order was created, changed or deleted."""
        if event.what == CREATED:
            self._created(event)
        elif event.number in self.orders:
            self._left(event.number, event.amount, event.what == DELETED)
        elif event.number in self.waiting:
            waiting = self.waiting[event.number]
            waiting.amount = min(waiting.amount, event.amount)
            if event.what == DELETED:
                del self.waiting[event.number]
                self.gone.add(event.number)
        elif event.number not in self.gone:
            self.counts.unknown_ids += 1

    def _created(self, event: OrderEvent) -> None:
        if event.number in self.orders or event.number in self.waiting or event.number in self.gone:
            self.counts.duplicates += 1
            return
        amount = event.amount - self.took[event.number]
        if amount <= 0 or event.price == 0:
            self.counts.takers += 1
            self.gone.add(event.number)
        elif self.took[event.number] or self.crosses(event.side, event.price):
            self.counts.takers += 1
            self.waiting[event.number] = BitstampOrder(
                event.side, event.price, amount, event.exch_ns
            )
        else:
            self.add(event.number, event.side, event.price, amount)

    def _left(self, number: int, amount: int, deleted: bool) -> None:
        """An order has `amount` left; deleted, that is withdrawn."""
        order = self.orders[number]
        if amount > order.amount:
            if not deleted:
                self.counts.grown += 1
                side, price = order.side, order.price
                self.take(schema.DELETE, number, order.amount)
                self.gone.discard(number)
                self.add(number, side, price, amount)
                return
            amount = order.amount
        less = order.amount - amount
        traded = min(less, max(self.rested[number] - self.written[number], 0))
        if deleted and amount == 0 and traded < less:
            self.counts.fills_without_trade += 1
            traded = less
        if traded:
            self.written[number] += traded
            self.take(schema.EXECUTE, number, traded)
        if less > traded:
            self.take(schema.REDUCE, number, less - traded)
        if deleted and number in self.orders:
            self.take(schema.DELETE, number, self.orders[number].amount)

    def trade(self, trade: OrderTrade) -> None:
        """A trade: the execution of its resting order, unless a change has reported it already."""
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
        """Let those rest that no longer cross; withdraw what has stood in their way for too long."""
        for number in sorted(self.waiting):
            waiting = self.waiting[number]
            if self.ns - waiting.since_ns > PATIENCE_NS:
                self._withdraw_ghosts(waiting)
            if not self.crosses(waiting.side, waiting.price):
                del self.waiting[number]
                self.add(number, waiting.side, waiting.price, waiting.amount)

    def _withdraw_ghosts(self, waiting: BitstampOrder) -> None:
        while self.crosses(waiting.side, waiting.price):
            far = self.best(-waiting.side)
            assert far is not None
            for number in sorted(self._levels[-waiting.side, far]):
                self.counts.ghosts += 1
                self.take(schema.DELETE, number, self.orders[number].amount)

    def snapshot(self, answer: OrderBookAnswer, opening: bool) -> None:
        """Open the book, or compare it with a later snapshot."""
        if not opening:
            held = {number: (o.side, o.price, o.amount) for number, o in self.orders.items()}
            if held == {
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


def follow(pair: Pair) -> BitstampBook:
    """Rows of the tape from the first snapshot of a pair on; none without one."""
    book = BitstampBook()
    if not pair.snapshots:
        return book
    start = pair.snapshots[0].exch_ns
    trades = [t for t in _once(pair.trades) if t.exch_ns > start]
    for trade in trades:
        book.rested[trade.resting] += trade.amount
        book.took[trade.aggressor] += trade.amount
    orders = [o for o in pair.orders if o.exch_ns > start]
    book.counts.before_snapshot = len(pair.orders) - len(orders)
    for part in _merged((orders, trades, pair.snapshots), book.counts):
        ns, first = part.exch_ns, len(book.rows)
        book.counts.clock_back += ns < book.ns
        book.ns = max(book.ns, ns)
        book.recv_ns = part.recv_ns
        opening = isinstance(part, OrderBookAnswer) and part is pair.snapshots[0]
        book.seq += not opening
        if isinstance(part, OrderBookAnswer):
            book.snapshot(part, opening)
        elif isinstance(part, OrderEvent):
            book.order(part)
        else:
            book.trade(part)
        book.settle()
        if len(book.rows) == first and not opening:
            book.seq -= 1
    return book


def _once(trades: Sequence[OrderTrade]) -> list[OrderTrade]:
    seen: set[int] = set()
    return [t for t in trades if not (t.number in seen or seen.add(t.number))]  # type: ignore[func-returns-value]


def _merged(
    channels: Sequence[Sequence[OrderEvent | OrderTrade | OrderBookAnswer]], counts: BitstampCounts
) -> list[OrderEvent | OrderTrade | OrderBookAnswer]:
    """All in order of the venue's time; at equal times by channel, each channel in its own order."""
    keyed: list[tuple[int, OrderEvent | OrderTrade | OrderBookAnswer]] = []
    for parts in channels:
        clock = 0
        for part in parts:
            counts.clock_back += part.exch_ns < clock
            clock = max(clock, part.exch_ns)
            keyed.append((clock, part))
    return [part for _, part in sorted(keyed, key=lambda one: one[0])]


VENUE: Final = "BITSTAMP"
_SMALLEST_LOT: Final = ONE // 10**8
_WARNINGS: Final = {
    "unknown_ids": "changes of orders that were never created, passed over",
    "duplicates": "orders created twice, passed over",
    "grown": "changes to more than before: the order lost its place",
    "fills_without_trade": "orders filled without a trade that names them",
    "trades_unknown_order": "trades of orders that are not in the book, reported as hidden executions",
    "ghosts": "orders in the way of others for over a second, withdrawn: their deletion was lost",
    "resyncs": "snapshots that differ from the book: it was cleared and opened again",
    "clock_back": "messages with a time of the venue before the one above; they were given that time",
    "against_type": "trades whose type names another aggressor than the ids do; the ids were believed",
    "recv_back": "messages received before the one above by the local clock",
    "cut_lines": "files whose last line is cut",
}


class BitstampFeed(CaptureFeed):
    """Bitstamp captures as a :class:`tercel.market.feed.Feed`; see `capture_day.CaptureFeed`.

    Examples
    --------
    >>> from tercel.feeds import FeedOptions
    >>> with BitstampFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    name = "bitstamp"
    HOLDS = "order events of Bitstamp"
    MARKET = "pair"

    def markets(self, lines: Iterable[CaptureLine]) -> list[Pair]:
        """See :meth:`CaptureFeed.markets`."""
        return list(pairs_of(lines).values())

    def market_days(self, market: Pair, capture: Capture) -> Iterator[CaptureDay]:
        """See :meth:`CaptureFeed.market_days`.

        Raises
        ------
        FeedError
            When there is no snapshot, or tick or lot do not fit.
        """
        if not market.snapshots:
            raise FeedError(
                "a snapshot of the order book",
                f"none for {market.symbol} in {capture.where}",
                "capture order_book?group=2 beside the stream (`tercel data record crypto` does)",
            )
        book, stated = follow(market), capture.options.tick
        prices = np.array([row.price for row in book.rows], np.int64)
        tick = unit_of(prices, stated_unit(stated, "tick"), "tick", capture.where)
        lot = self._lot or fitting_lot(
            max((max(row.before, row.after) for row in book.rows), default=0)
        )
        reading = capture.reading
        counts = {
            **asdict(book.counts),
            "against_type": market.against_type,
            "recv_back": reading.recv_back,
        }
        counts |= {"cut_lines": reading.cut_lines}
        extra: Extra = {
            "feed": self.name,
            "messages": reading.messages,
            "lot_size": shown(lot),
            **counts,
        }
        extra |= {
            "order_events": len(market.orders),
            "trades": len(market.trades),
            "snapshots": len(market.snapshots),
        }
        base = capture.instrument(VENUE, market.symbol, tick, stated is not None, extra)
        warnings = tuple(
            f"{counts[name]:,} {text}" for name, text in _WARNINGS.items() if counts[name]
        )
        return days_of(base, events_of(book.rows, tick, lot), warnings)


def fitting_lot(largest: int) -> int:
    """The smallest power of ten from 1e-8 on of which `largest` (in 1e-10) makes fewer than 2**30.

    >>> shown(fitting_lot(5 * 10**10)), shown(fitting_lot(50 * 10**10))
    ('0.00000001', '0.0000001')
    """
    lot = _SMALLEST_LOT
    while -(-largest // lot) >= MOST_LOTS:
        lot *= 10
    return lot


def events_of(rows: Sequence[BitstampRow], tick: int, lot: int) -> Events:
    """Rows as columns; those that are less than a lot fall away with their message where it has no other."""
    table = [
        (
            row.exch_ns,
            row.recv_ns,
            row.seq,
            row.kind,
            row.number,
            row.side,
            row.price // tick,
            lots,
            row.flags,
        )
        for row, lots in ((row, lots_of(row, lot)) for row in rows)
        if lots or row.kind == schema.CLEAR
    ]
    events = Events.from_table(np.array(table, np.int64).reshape(-1, 9))
    if events.n:
        events.flags[np.append(events.seq[1:] != events.seq[:-1], True)] |= schema.MESSAGE_END
    return events


def lots_of(row: BitstampRow, lot: int) -> int:
    """Lots of a row: the difference of the lots that cover the order before and after.

    >>> lots_of(BitstampRow(0, 0, 1, schema.EXECUTE, 1, 1, 5, 25, 11), 10)
    1
    """
    return abs(-(-row.after // lot) + row.before // -lot)
