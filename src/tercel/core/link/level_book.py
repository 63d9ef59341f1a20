"""Displayed books as recorded days have them: level totals as LEVEL_SET rows, and single orders under a venue's own ids.

`ShownBook` turns totals into anonymous orders. A recorded day of totals has one row a total, and replay guesses queues
from these: whoever wants a live market to look as a recorded one does needs the same rows.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from tercel.core import orders as o, vocabulary as v
from tercel.core.fixed_point import floor_units
from tercel.core.link.shown_book import PriceLevel, QueuedOrder, ShownBook, pack_rows

Row = tuple[int, ...]
_NONE: Final = PriceLevel()


@dataclass
class CallersBook(ShownBook):
    """Book whose reports say whether a fill was passive, and whose touch somebody follows.

    Parameters
    ----------
    instrument, scale, ids
        As of :class:`ShownBook`.
    touch : callable
        Best price of a side, ticks, None for an empty one: an own order that crosses it does not rest.

    >>> from tercel.core.link.price_scale import PriceScale
    >>> CallersBook("XYZ", PriceScale(0.01), touch=lambda side: 1000).best(1)
    1000
    """

    touch: Callable[[int], int | None] = field(kw_only=True)

    def best(self, side: int) -> int | None:
        """Best price of a side by whoever follows the touch, ticks; None for an empty side."""
        return self.touch(side)

    def take_trade(self, report: o.Report) -> list[Row]:
        """Take a report's trade out of the book: of the own order if it rested, else of what it took; the rows."""
        order = self._own_orders.get(report.orig) or self._own_orders.get(report.cl_ord_id)
        if order is None or report.passive or report.exec_type is not o.ExecType.TRADE:
            return super().take_trade(report)
        price = floor_units(report.last_px)
        lots = floor_units(report.last_qty)
        return self._take_from_others(report.ns, -order.side, price, lots, order.number, v.EXECUTE)


@dataclass
class LevelBook(CallersBook):
    """Book of one instrument by level totals, as rows of totals; own orders stand beside the totals of others.

    Parameters
    ----------
    instrument, scale, ids, touch
        As of :class:`CallersBook`.
    shows_own : bool
        Whether totals have own resting lots in them, and own takes are seen in the totals that follow.

    >>> from tercel.core.link.price_scale import PriceScale
    >>> book = LevelBook("XYZ", PriceScale(0.01), touch=lambda side: None)
    >>> [row[1:6] for row in book.set_total(5, 1, 1000, 7)], [row[1:6] for row in book.set_total(6, 1, 1000, 4)]
    ([(10, 0, 1, 1000, 7)], [(10, 0, 1, 1000, 4)])
    """

    shows_own: bool = True
    _totals: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Number and lots of others, by side and price."""

    def set_total(self, ns: int, side: int, price: int, lots: int) -> list[Row]:
        """Set a level's total; the row of the total that others have, [] without a change."""
        key = side, price
        own_lots = self._levels.get(key, _NONE).own_lots if self.shows_own else 0
        others = max(lots - own_lots, 0)
        number, known_lots = self._totals.get(key, (-1, 0))
        if others == known_lots:
            return []
        if number < 0:
            number = self._new_number()
        self._totals[key] = number, others
        if not others:
            del self._totals[key]
            self._free.appendleft(number)
        return [(ns, v.LEVEL_SET, number, side, price, others, -1)]

    def trade_rows(self, ns: int, side: int, price: int, lots: int) -> list[Row]:
        """The row of a public trade with a side's level, 0: either; the total stays until it is stated again."""
        number, _ = self._totals.get((side, price), (-1, 0))
        return [(ns, v.TRADE, number, side, price, lots, -1)]

    def snapshot_rows(self, now_ns: int, status: int = 1) -> o.MarketRows:
        """Rows of the current book; `status` as a STATUS row has it."""
        own = super().snapshot_rows(now_ns, status)
        totals = [
            (now_ns, v.LEVEL_SET, number, *key, lots, -1)
            for key, (number, lots) in self._totals.items()
        ]
        rows = [*own.rows[:1].tolist(), *totals, *own.rows[1:].tolist()]
        return o.MarketRows(self.instrument, pack_rows(rows), True, self.as_of_ns)

    def _take_from_others(
        self, ns: int, side: int, price: int, lots: int, aggressor: int, kind: int
    ) -> list[Row]:
        """The row of an own take from a total; none where the venue's next totals show it."""
        number, _ = self._totals.get((side, price), (-1, 0))
        if self.shows_own or not lots or number < 0:
            return []
        return [(ns, kind, number, side, price, lots, aggressor)]


@dataclass
class OrderBook(CallersBook):
    """Book of one instrument by order, under the venue's own ids; own orders stand beside these.

    >>> from tercel.core.link.price_scale import PriceScale
    >>> book = OrderBook("XYZ", PriceScale(0.01), touch=lambda side: None)
    >>> [row[1:6] for row in book.add("A17", 5, 1, 1000, 7)]
    [(1, 0, 1, 1000, 7)]
    >>> [row[1:6] for row in book.reduce("A17", 6, 4, 3)]
    [(4, 0, 1, 1000, 3)]
    """

    _by_id: dict[Hashable, tuple[int, int, QueuedOrder]] = field(default_factory=dict)
    taken: bool = False
    """Whether own takes have removed orders, of which the venue may still speak where the market is a recorded one."""

    def add(self, id_: Hashable, ns: int, side: int, price: int, lots: int) -> list[Row]:
        """Add an order of the venue behind the others at its price; its row."""
        order = QueuedOrder(self._new_number(), lots)
        self._levels.setdefault((side, price), PriceLevel()).add(order)
        self._by_id[id_] = side, price, order
        return [(ns, v.ADD, order.number, side, price, lots, -1)]

    def reduce(self, id_: Hashable, ns: int, kind: int, lots: int) -> list[Row]:
        """Take lots from an order, as far as it has them, or all of it (DELETE); the row, [] for an order that is not there."""
        if id_ not in self._by_id:  # taken by an own order
            return []
        side, price, order = self._by_id[id_]
        lots = order.lots if kind == v.DELETE else min(lots, order.lots)
        rows = [self._reduce_order(ns, side, price, order, lots, -1, kind)] if lots > 0 else []
        if not order.lots:
            del self._by_id[id_]
        return rows

    def lots_of(self, id_: Hashable) -> int:
        """Lots of the order of an id; 0 if there is none."""
        return self._by_id[id_][2].lots if id_ in self._by_id else 0

    def _take_from_others(
        self, ns: int, side: int, price: int, lots: int, aggressor: int, kind: int
    ) -> list[Row]:
        """See `ShownBook`; that orders were taken is noted."""
        self.taken = True
        return super()._take_from_others(ns, side, price, lots, aggressor, kind)
