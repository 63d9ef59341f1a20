"""Displayed book of an instrument: level totals turned into rows of orders, own orders among them.

A venue that shows totals hides own orders in them. Here each total becomes anonymous orders, and own orders are among
them under numbers of their own: what a total holds beyond own lots is other people's. New lots join at the back; lots
of a trade leave at the front; what else a total loses leaves at the back, so that the queue before an own order is
never taken for shorter than it is.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np

from tercel.core import orders as o, vocabulary as v
from tercel.core.arrays import Ints
from tercel.core.fixed_point import ONE, ceil_units, floor_units
from tercel.core.link.price_scale import PriceScale, RefusedError
from tercel.core.vocabulary import BUY, SELL

IDS: Final = 8192
"""Numbers of orders in a book, own ones among them."""


@dataclass(slots=True, eq=False)
class QueuedOrder:
    """An order in a level's queue: its number in the book, lots, and name if it is an own one.

    >>> QueuedOrder(7, 20).own_name
    ''
    """

    number: int
    lots: int
    own_name: str = ""


@dataclass(slots=True, eq=False)
class PriceLevel:
    """Orders at a price, first come first, and how many lots of them are ours and others'.

    >>> level = PriceLevel()
    >>> level.add(QueuedOrder(7, 20, "own"))
    >>> level.own_lots, level.other_lots
    (20, 0)
    """

    orders: list[QueuedOrder] = field(default_factory=list)
    own_lots: int = 0
    other_lots: int = 0

    def add(self, order: QueuedOrder) -> None:
        """Append an order to the level's queue."""
        self.orders.append(order)
        self.count(order, order.lots)

    def count(self, order: QueuedOrder, lots: int) -> None:
        """Add lots to the total of own or of others' lots, by whose the order is."""
        if order.own_name:
            self.own_lots += lots
        else:
            self.other_lots += lots

    def find_own(self, name: str) -> QueuedOrder | None:
        """The own order with a name in the queue; None without it."""
        return (
            next((order for order in self.orders if order.own_name == name), None)
            if self.own_lots
            else None
        )


@dataclass(slots=True, eq=False)
class OwnOrder:
    """An own order: its number in the book, side, price, and how many of its lots wait to rest.

    >>> OwnOrder("P.1", 5, 1, 1000).rests
    True
    """

    name: str
    number: int
    side: int
    price: int
    rests: bool = True
    """Whether lots that do not trade at once rest."""
    waiting: int = 0
    """Lots that would rest, if the other side were not at their price."""


@dataclass
class ShownBook:
    """Book of one instrument.

    Parameters
    ----------
    instrument : str
    scale : PriceScale
    ids : int
        Most orders at a time, own ones among them.

    >>> book = ShownBook("XYZ", PriceScale(0.01))
    >>> rows = book.set_total(5, 1, 1000, 7)
    >>> [row[1:6] for row in rows], [row[1:6] for row in book.set_total(6, 1, 1000, 4)]
    ([(1, 0, 1, 1000, 7)], [(2, 0, 1, 1000, 3)])
    """

    instrument: str
    scale: PriceScale
    ids: int = IDS
    ready: bool = False
    """Whether a whole book has come."""
    as_of_ns: int = 0
    """When the venue last showed something: what an own report changes makes the rest no younger."""
    _levels: dict[tuple[int, int], PriceLevel] = field(default_factory=dict)
    _free: deque[int] = field(init=False)
    _own_orders: dict[str, OwnOrder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """All numbers are free."""
        self._free = deque(range(self.ids - 1, -1, -1))

    def set_levels(self, wanted: Mapping[tuple[int, int], int], now_ns: int) -> o.MarketRows:
        """Set level totals by (side, price), 0 where none is given; the whole book as a snapshot, ready from now on."""
        for side, price in [*(self._levels.keys() - wanted.keys()), *wanted]:
            self.set_total(now_ns, side, price, wanted.get((side, price), 0))
        self.ready = True
        return self.snapshot_rows(now_ns)

    def snapshot_rows(self, now_ns: int, status: int = 1) -> o.MarketRows:
        """Rows of the current book; `status` as a STATUS row has it."""
        rows = [(now_ns, v.STATUS, 0, 0, status, 0, -1)]
        for (side, price), level in self._levels.items():
            rows += [
                (now_ns, v.ADD, order.number, side, price, order.lots, -1) for order in level.orders
            ]
        return o.MarketRows(self.instrument, pack_rows(rows), True, self.as_of_ns)

    def clear(self, now_ns: int) -> o.MarketRows:
        """Row that clears the book for its followers; increments are ignored until the next full refresh."""
        self.ready = False
        return o.MarketRows(self.instrument, pack_rows([(now_ns, v.CLEAR, -1, 0, 0, 0, -1)]))

    def set_total(self, ns: int, side: int, price: int, lots: int) -> list[tuple[int, ...]]:
        """Set a level's total, own lots included; the rows of the change (ns, kind, id, side, price, lots, aggressor),
        [] without one."""
        level = self._levels.get((side, price)) or PriceLevel()
        others = max(lots - level.own_lots, 0) - level.other_lots
        if others < 0:
            return self._take_from_others(ns, side, price, -others, -1, v.REDUCE)
        if not others:
            return []
        new = QueuedOrder(self._new_number(), others)
        level.add(new)
        self._levels[side, price] = level
        return [(ns, v.ADD, new.number, side, price, others, -1)]

    def apply_trade(
        self, ns: int, price: int, lots: int, aggressor: str = ""
    ) -> list[tuple[int, ...]]:
        """Take the first lots of a level for a trade between others, as far as shown; the rows. `aggressor`: "1"
        bought, "2" sold, "": unknown."""
        resting_side = {"1": SELL, "2": BUY}.get(aggressor, 0)
        side = resting_side or (BUY if (BUY, price) in self._levels else SELL)
        return self._take_from_others(ns, side, price, lots, -1, v.EXECUTE)

    def number(self, name: str) -> int:
        """Number of an own order in this book; -1 if unknown."""
        order = self._own_orders.get(name)
        return -1 if order is None else order.number

    def rests(self, name: str) -> bool:
        """Whether an own order of this name is in a queue."""
        order = self._own_orders.get(name)
        return order is not None and self._queued_order(order) is not None

    def apply_report(
        self, report: o.Report
    ) -> tuple[list[tuple[int, ...]], int, list[tuple[int, ...]]]:
        """Apply a report on an own order: rows before it, the number of its order (-1: unknown), rows after it.

        What leaves the book does so while the order still has its number, what comes follows its name.
        """
        rows_before = self.take_trade(report)
        leaving, number, coming = self.settle_rest(report)
        return [*rows_before, *leaving], number, coming

    def settle_rest(
        self, report: o.Report
    ) -> tuple[list[tuple[int, ...]], int, list[tuple[int, ...]]]:
        """As :meth:`apply_report`, once the report's trade is taken out."""
        number = max(self.number(report.orig), self.number(report.cl_ord_id))
        rows = self.rest_after(report)
        number = max(number, self.number(report.cl_ord_id))
        leaving = [row for row in rows if row[o.M_KIND] != v.ADD]
        return leaving, number, [row for row in rows if row[o.M_KIND] == v.ADD]

    def take_trade(self, report: o.Report) -> list[tuple[int, ...]]:
        """Take a report's trade out of the book; the rows, to be sent before the report."""
        order = self._own_orders.get(report.orig) or self._own_orders.get(report.cl_ord_id)
        if order is None or report.exec_type is not o.ExecType.TRADE:
            return []
        queued = self._queued_order(order)
        # books are in ticks and lots
        lots = floor_units(report.last_qty)
        contra_side = -order.side
        price = floor_units(report.last_px)
        if queued is not None and queued.lots >= lots:
            return (
                [
                    self._reduce_order(
                        report.ns, order.side, order.price, queued, lots, -1, v.EXECUTE
                    )
                ]
                if lots
                else []
            )
        is_whole_tick = price * ONE == report.last_px
        return (
            self._take_from_others(report.ns, contra_side, price, lots, order.number, v.EXECUTE)
            if is_whole_tick
            else []
        )

    def rest_after(self, report: o.Report) -> list[tuple[int, ...]]:
        """Set an own order's resting lots by a report, maybe its first; the rows, to be sent after the report."""
        order = self._own_orders.get(report.orig) or self._own_orders.get(report.cl_ord_id)
        leaves = ceil_units(report.leaves_qty)
        if order is None:
            if (
                report.price is None
                or not leaves
                or report.exec_type is o.ExecType.REJECTED
                or not report.side
            ):
                return []
            order = OwnOrder(report.cl_ord_id, self._new_number(), report.side, report.price)
            self._own_orders[report.cl_ord_id] = order
        if report.exec_type is o.ExecType.REPLACED:
            self._own_orders[report.cl_ord_id] = order
        if not order.rests:
            if not leaves:
                self._forget(order)
            return []
        has_moved = report.price is not None and report.price != order.price
        rows = self._set_resting(report.ns, order, 0) if has_moved else []
        order.price = report.price if has_moved and report.price is not None else order.price
        order.waiting = leaves if self._crosses(order) else 0
        rows += self._set_resting(report.ns, order, leaves) if not order.waiting else []
        if not leaves:
            self._forget(order)
        return rows

    def _crosses(self, order: OwnOrder) -> bool:
        """Whether an order would trade with the other side, as far as that is shown."""
        far = self.best(-order.side)
        return far is not None and (far - order.price) * order.side <= 0

    def best(self, side: int) -> int | None:
        """Best price of a side, ticks; None for an empty side."""
        prices = [price * side for level_side, price in self._levels if level_side == side]
        return max(prices) * side if prices else None

    def rest_waiting(self, ns: int) -> list[tuple[int, ...]]:
        """Let own orders rest that waited for the other side to move away; their rows."""
        rows = []
        for order in dict.fromkeys(self._own_orders.values()):
            if order.waiting and not self._crosses(order):
                lots = order.waiting
                order.waiting = 0
                rows += self._set_resting(ns, order, lots)
        return rows

    def number_sent_order(
        self, name: str, side: int, price: int | None, rests: bool = True
    ) -> None:
        """Number an own order that was sent and is not reported yet; without a price (a market order) it never rests."""
        self._own_orders[name] = OwnOrder(
            name, self._new_number(), side, price or 0, rests and price is not None
        )

    def _set_resting(self, ns: int, order: OwnOrder, lots: int) -> list[tuple[int, ...]]:
        """Set how many lots of an own order rest; the rows of the change."""
        level_key = order.side, order.price
        queued = self._queued_order(order)
        if queued is None:
            if not lots:
                return []
            self._levels.setdefault(level_key, PriceLevel()).add(
                QueuedOrder(order.number, lots, order.name)
            )
            return [(ns, v.ADD, order.number, *level_key, lots, -1)]
        if lots < queued.lots:
            return [self._reduce_order(ns, *level_key, queued, queued.lots - lots, -1, v.REDUCE)]
        if lots > queued.lots:  # more lots: behind the others
            return [
                self._reduce_order(ns, *level_key, queued, queued.lots, -1, v.REDUCE),
                *self._set_resting(ns, order, lots),
            ]
        return []

    def _queued_order(self, order: OwnOrder) -> QueuedOrder | None:
        """The entry of an own order in the queue at its price; None without it."""
        level = self._levels.get((order.side, order.price))
        return None if level is None else level.find_own(order.name)

    def _forget(self, order: OwnOrder) -> None:
        """Drop an own order under all its names, and free its number."""
        for name in [name for name, candidate in self._own_orders.items() if candidate is order]:
            del self._own_orders[name]
        self._free.appendleft(order.number)

    def _take_from_others(
        self, ns: int, side: int, price: int, lots: int, aggressor: int, kind: int
    ) -> list[tuple[int, ...]]:
        """Take lots from others at a price: from the front of the queue for a trade, else from the back; the rows."""
        rows: list[tuple[int, ...]] = []
        level = self._levels.get((side, price))
        orders = [] if level is None else level.orders
        position, step = (len(orders) - 1, -1) if kind == v.REDUCE else (0, 1)
        while lots > 0 and 0 <= position < len(orders):
            order = orders[position]
            if order.own_name:
                position += step
                continue
            taken = min(order.lots, lots)
            lots -= taken
            rows.append(self._reduce_order(ns, side, price, order, taken, aggressor, kind))
            position -= step < 0  # one that is gone has the next one from the front in its place
        return rows

    def _reduce_order(
        self,
        ns: int,
        side: int,
        price: int,
        order: QueuedOrder,
        lots: int,
        aggressor: int,
        kind: int,
    ) -> tuple[int, ...]:
        """Take lots from an order, deleting one that loses all; the row."""
        level = self._levels[side, price]
        order.lots -= lots
        level.count(order, -lots)
        if not order.lots:
            if level.orders[-1] is order:
                level.orders.pop()
            else:
                level.orders.remove(order)
            if not level.orders:
                del self._levels[side, price]
            if not order.own_name:
                self._free.appendleft(order.number)
            kind = v.DELETE if kind == v.REDUCE else kind
        return ns, kind, order.number, side, price, lots, aggressor

    def _new_number(self) -> int:
        """An unused order number; raises RefusedError where all are used."""
        if not self._free:
            raise RefusedError(f"at most {self.ids} orders in a book", f"more in {self.instrument}")
        return self._free.pop()

    def market_rows(self, rows: Iterable[tuple[int, ...]]) -> o.MarketRows | None:
        """Rows as market data that is no snapshot; None when there are none, or no full refresh has come."""
        pending = list(rows)
        return (
            o.MarketRows(self.instrument, pack_rows(pending), False, self.as_of_ns)
            if pending and self.ready
            else None
        )


def pack_rows(rows: Sequence[Sequence[int]]) -> Ints:
    """Rows as int64 (n, MARKET_COLUMNS)."""
    return np.array(rows, np.int64).reshape(-1, o.MARKET_COLUMNS)


def scaled_listing(name: str, tick: str, lot: str) -> tuple[o.Listing, PriceScale]:
    """Listing of an instrument and its price scale; a fractional lot is listed as one unit, its tick as tick times lot.

    >>> listing, scale = scaled_listing("BTCUSDT", "0.01", "0.00001")
    >>> listing.tick, listing.lot, scale.price(6_000_000), scale.quantity(3)
    (1e-07, 1, '60000.00', '0.00003')
    """
    price = Decimal(tick)
    size = Decimal(lot).normalize()
    is_whole_unit = size == size.to_integral_value()
    scale = PriceScale(float(price), int(size) if is_whole_unit else size)
    unit_price = float(price) if is_whole_unit else float(price * size)
    part = 1.0 if is_whole_unit else float(size)
    return o.Listing(
        name, unit_price, int(size) if is_whole_unit else 1, dense_ids=IDS, part=part
    ), scale
