"""Aggregated market data as a book of orders: level totals turned into rows that a session can follow.

    35=W|262=M2-1|55=XYZ|268=2|269=0|270=10.04|271=700|269=1|270=10.06|271=500|                        (whole book)
    35=X|262=M2-1|268=1|279=1|269=0|55=XYZ|270=10.04|271=400|                                           (new total)

A venue that sends W and X with standard tags shows totals, in which own orders are hidden. Here each total becomes
anonymous orders, and own orders are among them under numbers of their own: what a total holds beyond own lots is
other people's. New lots join at the back; lots of a print leave at the front; what else a total loses leaves at the
back, so that the queue before an own order is never taken for shorter than it is.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tercel.core import orders as o, vocabulary as v
from tercel.core.arrays import Ints
from tercel.core.orders import ONE, ceiled, floored
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import Message
from tercel.fix.translate import PriceScale, RefusedError

IDS: Final = 8192
"""Numbers of orders in a book, own ones among them."""
BID, OFFER, TRADE = "0", "1", "2"
DELETE: Final = "2"
AGGRESSOR_SIDE: Final = 2446
_SIDES: Final[Mapping[str, int]] = {BID: BUY, OFFER: SELL}


@dataclass(slots=True, eq=False)
class _Order:
    number: int
    lots: int
    own: str = ""


@dataclass(slots=True, eq=False)
class _Level:
    """Orders at a price, first come first, and how many lots of them are ours and others'."""

    orders: list[_Order] = field(default_factory=list)
    own: int = 0
    others: int = 0

    def add(self, order: _Order) -> None:
        self.orders.append(order)
        self.count(order, order.lots)

    def count(self, order: _Order, lots: int) -> None:
        if order.own:
            self.own += lots
        else:
            self.others += lots

    def named(self, own: str) -> _Order | None:
        return next((one for one in self.orders if one.own == own), None) if self.own else None


@dataclass(slots=True, eq=False)
class _Own:
    """An order of ours."""

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

    >>> book = ShownBook("XYZ", PriceScale(0.01))
    >>> rows = book.total(5, 1, 1000, 7)
    >>> [row[1:6] for row in rows], [row[1:6] for row in book.total(6, 1, 1000, 4)]
    ([(1, 0, 1, 1000, 7)], [(2, 0, 1, 1000, 3)])
    """

    instrument: str
    scale: PriceScale
    ready: bool = False
    """Whether a whole book has come."""
    as_of_ns: int = 0
    """When the venue last showed something: what an own report changes makes the rest no younger."""
    _levels: dict[tuple[int, int], _Level] = field(default_factory=dict)
    _free: deque[int] = field(default_factory=lambda: deque(range(IDS - 1, -1, -1)))
    _own: dict[str, _Own] = field(default_factory=dict)

    # -- what the venue shows -----------------------------------------------------------------------------------------
    def snapshot(self, entries: Sequence[Message], now_ns: int) -> o.MarketRows:
        """Rows of a full refresh (W)."""
        wanted: dict[tuple[int, int], int] = {}
        for entry in entries:
            side = _SIDES.get(entry.get(t.ENTRY_TYPE), 0)
            if side and t.ENTRY_PX in entry:
                at = side, self.scale.ticks(entry.get(t.ENTRY_PX))
                wanted[at] = wanted.get(at, 0) + self.scale.lots(entry.get(t.ENTRY_SIZE, "0"))
        return self.whole(wanted, now_ns)

    def whole(self, wanted: Mapping[tuple[int, int], int], now_ns: int) -> o.MarketRows:
        """Rows of a book of these totals, by (side, price)."""
        for side, price in [*(self._levels.keys() - wanted.keys()), *wanted]:
            self.total(now_ns, side, price, wanted.get((side, price), 0))
        self.ready = True
        return self.shown(now_ns)

    def shown(self, now_ns: int, status: int = 1) -> o.MarketRows:
        """Rows of the current book; `status` as a STATUS row has it."""
        rows = [(now_ns, v.STATUS, 0, 0, status, 0, -1)]
        for (side, price), level in self._levels.items():
            rows += [(now_ns, v.ADD, one.number, side, price, one.lots, -1) for one in level.orders]
        return o.MarketRows(self.instrument, _array(rows), True, self.as_of_ns)

    def cleared(self, now_ns: int) -> o.MarketRows:
        """A row that clears the book for its followers; it is empty until the next whole book."""
        self.ready = False
        return o.MarketRows(self.instrument, _array([(now_ns, v.CLEAR, -1, 0, 0, 0, -1)]))

    def changes(self, entries: Sequence[Message], now_ns: int) -> o.MarketRows | None:
        """Rows of an incremental refresh (X); None before a full one, or when nothing changed."""
        rows: list[tuple[int, ...]] = []
        for entry in entries if self.ready else ():
            kind = entry.get(t.ENTRY_TYPE)
            price = self.scale.ticks(entry.get(t.ENTRY_PX))
            lots = self.scale.lots(entry.get(t.ENTRY_SIZE, "0"))
            if kind == TRADE:
                rows += self.print(now_ns, price, lots, entry.get(AGGRESSOR_SIDE))
            elif kind in _SIDES:
                rows += self.total(
                    now_ns, _SIDES[kind], price, 0 if entry.get(t.UPDATE_ACTION) == DELETE else lots
                )
        rows += self.arrive(now_ns)
        return self.rows(rows)

    def total(self, ns: int, side: int, price: int, lots: int) -> list[tuple[int, ...]]:
        """Set a level's total: rows (ns, kind, id, side, price, lots, aggressor)."""
        level = self._levels.get((side, price)) or _Level()
        others = max(lots - level.own, 0) - level.others
        if others < 0:
            return self._take(ns, side, price, -others, -1, v.REDUCE)
        if not others:
            return []
        new = _Order(self._number(), others)
        level.add(new)
        self._levels[side, price] = level
        return [(ns, v.ADD, new.number, side, price, others, -1)]

    def print(self, ns: int, price: int, lots: int, aggressor: str = "") -> list[tuple[int, ...]]:
        """A trade between others: takes the first lots of its level, as far as shown."""
        met = {"1": SELL, "2": BUY}.get(aggressor, 0)
        side = met or (BUY if (BUY, price) in self._levels else SELL)
        return self._take(ns, side, price, lots, -1, v.EXECUTE)

    # -- what becomes of own orders -----------------------------------------------------------------------------------
    def number(self, name: str) -> int:
        """Number of an own order in this book; -1 if unknown."""
        own = self._own.get(name)
        return -1 if own is None else own.number

    def reported(
        self, report: o.Report
    ) -> tuple[list[tuple[int, ...]], int, list[tuple[int, ...]]]:
        """Rows before a report, the number of its order (-1: unknown), rows after it.

        What leaves the book does so while the order still has its number, what comes follows its name.
        """
        taken = self.before(report)
        number = max(self.number(report.orig), self.number(report.cl_ord_id))
        moved = self.after(report)
        gone = [*taken, *(row for row in moved if row[o.M_KIND] != v.ADD)]
        number = max(number, self.number(report.cl_ord_id))
        return gone, number, [row for row in moved if row[o.M_KIND] == v.ADD]

    def before(self, report: o.Report) -> list[tuple[int, ...]]:
        """Rows before a report: what its trade took."""
        own = self._own.get(report.orig) or self._own.get(report.cl_ord_id)
        if own is None or report.exec_type is not o.ExecType.TRADE:
            return []
        mine = self._mine(own)
        left, far, price = (
            floored(report.last_qty),
            -own.side,
            floored(report.last_px),
        )  # books are in ticks and lots
        if mine is not None and mine.lots >= left:
            return (
                [self._less(report.ns, own.side, own.price, mine, left, -1, v.EXECUTE)]
                if left
                else []
            )
        whole = price * ONE == report.last_px
        return self._take(report.ns, far, price, left, own.number, v.EXECUTE) if whole else []

    def after(self, report: o.Report) -> list[tuple[int, ...]]:
        """Rows after a report: how much of the order rests now."""
        own, leaves = (
            self._own.get(report.orig) or self._own.get(report.cl_ord_id),
            ceiled(report.leaves_qty),
        )
        if own is None:
            if (
                report.price is None
                or not leaves
                or report.exec_type is o.ExecType.REJECTED
                or not report.side
            ):
                return []
            own = _Own(report.cl_ord_id, self._number(), report.side, report.price)
            self._own[report.cl_ord_id] = own
        if report.exec_type is o.ExecType.REPLACED:
            self._own[report.cl_ord_id] = own
        if not own.rests:
            if not leaves:
                self._forget(own)
            return []
        moved = report.price is not None and report.price != own.price
        rows = self._rest(report.ns, own, 0) if moved else []
        own.price = report.price if moved and report.price is not None else own.price
        own.waiting = leaves if self._crosses(own) else 0
        rows += self._rest(report.ns, own, leaves) if not own.waiting else []
        if not leaves:
            self._forget(own)
        return rows

    def _crosses(self, own: _Own) -> bool:
        """Whether an order would trade with the other side, as far as that is shown."""
        prices = [price for side, price in self._levels if side == -own.side]
        return bool(prices) and (
            min(prices) <= own.price if own.side == BUY else max(prices) >= own.price
        )

    def arrive(self, ns: int) -> list[tuple[int, ...]]:
        """Own orders that waited for the other side to go, and rest now."""
        rows = []
        for own in dict.fromkeys(self._own.values()):
            if own.waiting and not self._crosses(own):
                lots = own.waiting
                own.waiting = 0
                rows += self._rest(ns, own, lots)
        return rows

    def expect(self, name: str, side: int, price: int | None, rests: bool = True) -> None:
        """Number an own order that is in flight."""
        self._own[name] = _Own(name, self._number(), side, price or 0, rests and price is not None)

    def _rest(self, ns: int, own: _Own, lots: int) -> list[tuple[int, ...]]:
        """Let so many lots of an own order rest."""
        at = own.side, own.price
        mine = self._mine(own)
        if mine is None:
            if not lots:
                return []
            self._levels.setdefault(at, _Level()).add(_Order(own.number, lots, own.name))
            return [(ns, v.ADD, own.number, *at, lots, -1)]
        if lots < mine.lots:
            return [self._less(ns, *at, mine, mine.lots - lots, -1, v.REDUCE)]
        if lots > mine.lots:  # more lots: behind the others
            return [self._less(ns, *at, mine, mine.lots, -1, v.REDUCE), *self._rest(ns, own, lots)]
        return []

    def _mine(self, own: _Own) -> _Order | None:
        """The order of ours in the queue at its price."""
        level = self._levels.get((own.side, own.price))
        return None if level is None else level.named(own.name)

    def _forget(self, own: _Own) -> None:
        for name in [name for name, one in self._own.items() if one is own]:
            del self._own[name]
        self._free.appendleft(own.number)

    def _take(
        self, ns: int, side: int, price: int, lots: int, aggressor: int, kind: int
    ) -> list[tuple[int, ...]]:
        """Others at a price lose lots: the first in the queue to a trade, the last where they are withdrawn."""
        rows: list[tuple[int, ...]] = []
        level = self._levels.get((side, price))
        orders = [] if level is None else level.orders
        at, on = (len(orders) - 1, -1) if kind == v.REDUCE else (0, 1)
        while lots > 0 and 0 <= at < len(orders):
            one = orders[at]
            if one.own:
                at += on
                continue
            taken = min(one.lots, lots)
            lots -= taken
            rows.append(self._less(ns, side, price, one, taken, aggressor, kind))
            at -= on < 0  # one that is gone has the next one from the front in its place
        return rows

    def _less(
        self, ns: int, side: int, price: int, one: _Order, lots: int, aggressor: int, kind: int
    ) -> tuple[int, ...]:
        """An order loses lots; the whole of it is deleted."""
        level = self._levels[side, price]
        one.lots -= lots
        level.count(one, -lots)
        if not one.lots:
            if level.orders[-1] is one:
                level.orders.pop()
            else:
                level.orders.remove(one)
            if not level.orders:
                del self._levels[side, price]
            if not one.own:
                self._free.appendleft(one.number)
            kind = v.DELETE if kind == v.REDUCE else kind
        return ns, kind, one.number, side, price, lots, aggressor

    def _number(self) -> int:
        if not self._free:
            raise RefusedError(f"at most {IDS} orders in a book", f"more in {self.instrument}")
        return self._free.pop()

    def rows(self, rows: Iterable[tuple[int, ...]]) -> o.MarketRows | None:
        """Pending rows as market data; None when there are none, or no subscription."""
        listed = list(rows)
        return (
            o.MarketRows(self.instrument, _array(listed), False, self.as_of_ns)
            if listed and self.ready
            else None
        )


def _array(rows: Sequence[tuple[int, ...]]) -> Ints:
    return np.array(rows, np.int64).reshape(-1, o.MARKET_WORDS)
