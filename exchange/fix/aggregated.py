"""Aggregated market data (by price level) in standard tags, for counterparties without this package's fields.

A :class:`AggregatedBook` follows the order-level rows of one instrument; an :class:`AggregatedView` is what one
subscription shows of it, and tells the difference to what it showed before. Of a level, 278 names side and price.
Source: FIX 4.4, volume 3, MarketDataSnapshotFullRefresh (W) and MarketDataIncrementalRefresh (X).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from exchange.fix.translate import ENTRIES_EACH
from tercel.core import BUY, SELL, orders as o, vocabulary as v
from tercel.fix import Fields, PriceScale, tags as t

BID = "0"
OFFER = "1"
TRADE = "2"
ENTRY_TYPES: Final = frozenset({BID, OFFER, TRADE})
_NEW = "0"
_CHANGE = "1"
_DELETE = "2"
_SIDES: Final = {BUY: BID, SELL: OFFER}
_TRADES: Final = frozenset({v.EXECUTE, v.TRADE_HIDDEN, v.TRADE, v.CROSS})
_LEAVES: Final = frozenset({v.REDUCE, v.DELETE, v.EXECUTE})

Level = tuple[int, int]
"""Side and price in ticks."""


class AggregatedBook:
    """Public book of one instrument by price level.

    >>> import numpy as np
    >>> rows = np.array([(5, v.ADD, 1, BUY, 99, 4, -1), (5, v.ADD, 2, BUY, 99, 3, -1)])
    >>> book = AggregatedBook()
    >>> book.apply(o.MarketRows("X", rows, snapshot=True)), book.top(BUY, 1)
    (({(1, 99)}, []), [(99, 7)])
    """

    def __init__(self) -> None:
        self._orders: dict[int, list[int]] = {}
        self._lots: dict[Level, int] = {}
        self._prices: dict[int, list[int]] = {BUY: [], SELL: []}  # times -side: the best one first
        self.ready = False
        """Whether there was a snapshot."""
        self.last: tuple[int, int] | None = None
        """Price and lots of the last trade."""

    def lots(self, level: Level) -> int:
        """Lots at a level."""
        return self._lots.get(level, 0)

    def top(self, side: int, depth: int = 0) -> list[tuple[int, int]]:
        """Price and lots of a side's best levels, best first; depth 0: all."""
        prices = self._prices[side][: depth or None]
        return [(-side * key, self._lots[side, -side * key]) for key in prices]

    def apply(self, change: o.MarketRows) -> tuple[set[Level], list[tuple[int, int]]]:
        """Apply rows; the levels that changed, and price and lots of the trades."""
        touched: set[Level] = set()
        trades: list[tuple[int, int]] = []
        if change.snapshot:
            touched |= self._clear()
            self.ready = True
        if not self.ready:
            return touched, trades
        for row in change.rows.tolist():
            kind = row[o.M_KIND]
            price = row[o.M_PRICE]
            lots = row[o.M_LOTS]
            if kind in _TRADES and lots > 0:
                trades.append((price, lots))
            self._row(kind, row[o.M_ID], (row[o.M_SIDE], price), lots, touched)
        self.last = trades[-1] if trades else self.last
        return touched, trades

    def _row(self, kind: int, order_id: int, level: Level, lots: int, touched: set[Level]) -> None:
        if kind in (v.ADD, v.ROLL_IN):
            self._orders[order_id] = [*level, lots]
            self._add(level, lots, touched)
        elif kind in _LEAVES and order_id in self._orders and lots > 0:
            order = self._orders[order_id]
            gone = min(lots, order[2])
            order[2] -= gone
            self._add((order[0], order[1]), -gone, touched)
            if not order[2]:
                del self._orders[order_id]
        elif kind == v.MODIFY and order_id in self._orders:
            side, price, before = self._orders.pop(order_id)
            self._add((side, price), -before, touched)
            self._orders[order_id] = [side, level[1], lots]
            self._add((side, level[1]), lots, touched)
        elif kind == v.LEVEL_SET:
            self._add(level, lots - self.lots(level), touched)
        elif kind == v.ROLL_OUT:
            self._orders = {
                other_id: order
                for other_id, order in self._orders.items()
                if (order[0], order[1]) != level
            }
            self._add(level, -self.lots(level), touched)
        elif kind == v.CLEAR:
            touched |= self._clear()
        elif kind == v.SHIFTED:
            self._shift(level[1], touched)

    def _add(self, level: Level, lots: int, touched: set[Level]) -> None:
        touched.add(level)
        before = self._lots.get(level, 0)
        prices = self._prices[level[0]]
        key = -level[0] * level[1]
        if before + lots > 0:
            self._lots[level] = before + lots
            if not before:
                insort(prices, key)
        elif before:
            del self._lots[level], prices[bisect_left(prices, key)]

    def _shift(self, ticks: int, touched: set[Level]) -> None:
        orders = {
            who: [side, price + ticks, lots] for who, (side, price, lots) in self._orders.items()
        }
        levels = {(side, price + ticks): lots for (side, price), lots in self._lots.items()}
        touched |= self._clear()
        self._orders = orders
        for level, lots in levels.items():
            self._add(level, lots, touched)

    def _clear(self) -> set[Level]:
        gone = set(self._lots)
        self._orders.clear()
        self._lots.clear()
        for prices in self._prices.values():
            prices.clear()
        return gone


@dataclass(slots=True)
class AggregatedView:
    """One market data subscription to one instrument.

    Parameters
    ----------
    request : str
        MDReqID (262).
    instrument : str
    depth : int
        Levels of a side (264); 0: all.
    types : frozenset of str
        What it shows (269).
    full_refresh : bool
        Whether every change is sent as a whole book (265=0).
    """

    request: str
    instrument: str
    depth: int
    types: frozenset[str]
    full_refresh: bool
    _shown: dict[Level, int] = field(default_factory=dict)

    def snapshot(self, book: AggregatedBook, scale: PriceScale) -> tuple[str, Fields]:
        """Full refresh (W) of the book now."""
        self._shown = dict(self._visible_levels(book))
        entries = [(_SIDES[side], price, lots) for (side, price), lots in self._shown.items()]
        if TRADE in self.types and book.last is not None:
            entries.append((TRADE, *book.last))
        head = [
            (t.MD_REQ_ID, self.request),
            (t.SYMBOL, self.instrument),
            (t.NO_ENTRIES, str(len(entries))),
        ]
        return t.SNAPSHOT, [*head, *(pair for entry in entries for pair in _entry(entry, scale))]

    def change(
        self,
        book: AggregatedBook,
        touched: set[Level],
        trades: list[tuple[int, int]],
        scale: PriceScale,
    ) -> Iterator[tuple[str, Fields]]:
        """Messages on a change: a W where full refreshes were requested, else an incremental X."""
        actions = self._actions(book, touched)
        entries = (
            [(_NEW, TRADE, price, lots) for price, lots in trades] if TRADE in self.types else []
        )
        if self.full_refresh:
            if actions or entries:
                yield self.snapshot(book, scale)
            return
        entries += sorted(
            actions, key=lambda entry: entry[0], reverse=True
        )  # gone, then other, then new
        for start in range(0, len(entries), ENTRIES_EACH):
            part = entries[start : start + ENTRIES_EACH]
            fields = [(t.MD_REQ_ID, self.request), (t.NO_ENTRIES, str(len(part)))]
            for action, kind, price, lots in part:
                fields.append((t.UPDATE_ACTION, action))
                id_fields = [] if kind == TRADE else [(t.ENTRY_ID, f"{kind}@{scale.price(price)}")]
                level_entry = (kind, price, lots)
                fields += _entry(level_entry, scale, [*id_fields, (t.SYMBOL, self.instrument)])
            yield t.INCREMENT, fields

    def _visible_levels(self, book: AggregatedBook) -> Iterator[tuple[Level, int]]:
        for side, kind in _SIDES.items():
            if kind in self.types:
                for price, lots in book.top(side, self.depth):
                    yield (side, price), lots

    def _actions(
        self, book: AggregatedBook, touched: set[Level]
    ) -> list[tuple[str, str, int, int]]:
        shown = self._shown
        changes = list[tuple[Level, int]]()
        if self.depth:
            now = dict(self._visible_levels(book))
            changes = [(level, now.get(level, 0)) for level in dict.fromkeys([*shown, *now])]
        else:
            changes = [
                (level, book.lots(level))
                for level in sorted(touched)
                if _SIDES[level[0]] in self.types
            ]
        actions = []
        for level, lots in changes:
            before = shown.get(level, 0)
            if lots == before:
                continue
            actions.append(
                (
                    _DELETE if not lots else _CHANGE if before else _NEW,
                    _SIDES[level[0]],
                    level[1],
                    lots,
                )
            )
            if lots:
                shown[level] = lots
            else:
                del shown[level]
        return actions


def _entry(entry: tuple[str, int, int], scale: PriceScale, extra_fields: Fields = ()) -> Fields:
    kind, price, lots = entry
    return [
        (t.ENTRY_TYPE, kind),
        *extra_fields,
        (t.ENTRY_PX, scale.price(price)),
        (t.ENTRY_SIZE, scale.quantity(lots)),
    ]
