"""Market data as a caller gives them, checked and turned into changes of levels and orders in ticks and lots."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tercel.api.executor.terms import Number
from tercel.api.executor.units import Units, side_of
from tercel.core import vocabulary as v
from tercel.core.errors import TapeError, check_known
from tercel.core.link.level_book import LevelBook, OrderBook
from tercel.core.vocabulary import BUY, FOREVER_NS, SELL

Level = Sequence[Number]
"""Price and size of a level; what follows them is not read."""
LevelChange = tuple[int, int, int]
"""Side, price in ticks, lots."""
OrderChange = tuple[int, Any, int, int, int]
"""Kind of the tape, the venue's id, side, price in ticks, lots."""
_Given = tuple[list[tuple[Number, Number]], list[tuple[Number, Number]]]
_KINDS: Final = {
    "add": v.ADD,
    "reduce": v.REDUCE,
    "delete": v.DELETE,
    "execute": v.EXECUTE,
    "hidden": v.TRADE_HIDDEN,
}


class LevelInput:
    """Level totals of one instrument as they are stated, and what changes in them.

    Parameters
    ----------
    units : Units
    symbol : str
    levels : int
        Levels a side that the venue shows, 0: all.

    >>> from tercel.api.executor.terms import VenueInstrument
    >>> given = LevelInput(Units(VenueInstrument("XYZ", "0.01")), "XYZ", 0)
    >>> given.take(given.changes([(9.99, 5)], [(10.01, 7)], whole=True, snapshot=True))
    >>> given.changes([(9.99, 6)], [(10.01, 7)], whole=True, snapshot=False)
    [(1, 999, 6)]
    """

    def __init__(self, units: Units, symbol: str, levels: int) -> None:
        self._units = units
        self._symbol = symbol
        self._levels = levels
        self._last: _Given = [], []
        """The last whole book, as it was given."""
        self._shown: dict[tuple[int, int], int] = {}
        """Totals as they were stated last, by side and price."""
        self.stale: set[tuple[int, int]] = set()
        """Levels in which own lots have changed since: their totals mean others' lots anew."""

    def changes(
        self, bids: Iterable[Level], asks: Iterable[Level], whole: bool, snapshot: bool
    ) -> list[LevelChange]:
        """What a book, or some levels of it, change; all of it for a snapshot.

        Raises
        ------
        TapeError
            A crossed book.
        OrderError
            A price off the tick, a size below 0.
        """
        given = [(level[0], level[1]) for level in bids], [(level[0], level[1]) for level in asks]
        changes = None if snapshot or self.stale or not whole else self._resized(given)
        if changes is None:
            changes = self._changed(given, whole, snapshot)
        self._last = given if whole else ([], [])
        if whole:
            self.stale.clear()
        return changes

    def take(self, changes: Iterable[LevelChange], snapshot: bool = False) -> None:
        """Remember changes as what is shown now."""
        if snapshot:
            self._shown.clear()
        for side, price, lots in changes:
            if lots:
                self._shown[side, price] = lots
            else:
                self._shown.pop((side, price), None)

    def _resized(self, given: _Given) -> list[LevelChange] | None:
        """Levels with other sizes than in the last whole book; None where prices differ, too, or a level is empty."""
        changes = []
        for side, levels, last in zip((BUY, SELL), given, self._last, strict=True):
            if len(levels) != len(last):
                return None
            for level, old in zip(levels, last, strict=True):
                if level != old:
                    if level[0] != old[0]:
                        return None
                    changes.append((side, self._units.ticks(level[0]), self._units.lots(level[1])))
        return changes if all(lots for *_, lots in changes) else None

    def _changed(self, given: _Given, whole: bool, snapshot: bool) -> list[LevelChange]:
        """Levels that differ from those shown, of a book that is not crossed."""
        wanted = {
            (side, self._units.ticks(price)): self._units.lots(size)
            for side, levels in zip((BUY, SELL), given, strict=True)
            for price, size in levels
        }
        self._refuse_crossed(wanted, whole)
        if whole:
            wanted |= dict.fromkeys(self._gone(wanted), 0)
        return [
            (*key, lots)
            for key, lots in wanted.items()
            if snapshot or lots != self._shown.get(key, 0) or key in self.stale
        ]

    def _gone(self, wanted: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
        """Levels that a whole book shows no more; beyond the last of a full window nothing is said."""
        last = {}
        for side in (BUY, SELL) if self._levels else ():
            prices = [price * side for level_side, price in wanted if level_side == side]
            if len(prices) >= self._levels:
                last[side] = min(prices)
        return [
            (side, price)
            for side, price in self._shown
            if (side, price) not in wanted and price * side > last.get(side, -FOREVER_NS)
        ]

    def _refuse_crossed(self, wanted: dict[tuple[int, int], int], whole: bool) -> None:
        """Refuse a book whose best bid is not below its best ask; levels that stay are taken into account."""
        best = {BUY: -FOREVER_NS, SELL: -FOREVER_NS}
        for (side, price), lots in wanted.items():
            if lots and price * side > best[side]:
                best[side] = price * side
        if not whole:
            for (side, price), lots in self._shown.items():
                if lots and price * side > best[side] and (side, price) not in wanted:
                    best[side] = price * side
        if best[BUY] >= -best[SELL]:
            raise TapeError(
                f"a bid below the ask of {self._symbol}",
                f"{self._units.price(best[BUY])} and {self._units.price(-best[SELL])}",
                "leave the update out, or say that there is a gap",
            )


def order_changes(
    changes: Iterable[tuple[str, Any, str | None, Number | None, Number]], units: Units
) -> list[OrderChange]:
    """Changes of single orders in ticks and lots.

    Raises
    ------
    UnknownNameError, OrderError
        A kind that is none, a price off the tick, a size below 0.

    >>> from tercel.api.executor.terms import VenueInstrument
    >>> order_changes([("add", "A1", "buy", 9.99, 5)], Units(VenueInstrument("XYZ", "0.01")))
    [(1, 'A1', 1, 999, 5)]
    """
    rows = []
    for kind, id_, side, price, size in changes:
        check_known(kind, _KINDS, received=f"a change {kind!r}")
        placed = kind in ("add", "hidden")
        rows.append(
            (
                _KINDS[kind],
                id_,
                side_of(side) if placed else 0,
                units.ticks(price) if placed and price is not None else 0,
                0 if kind == "delete" else units.lots(size),
            )
        )
    return rows


def refuse_unknown(rows: Iterable[OrderChange], book: LevelBook | OrderBook, whole: bool) -> None:
    """Raise TapeError for changes of orders that never came, and adds of orders that are there."""
    known = book if isinstance(book, OrderBook) and not whole else None
    added = set()
    for kind, id_, *_ in rows:
        there = id_ in added or (known is not None and known.knows(id_))
        if kind == v.ADD:
            added.add(id_)
        lost = not there and not (known is not None and known.taken)
        if kind != v.TRADE_HIDDEN and (there if kind == v.ADD else lost):
            raise TapeError(
                "an order that is not there yet" if there else "an order that was added",
                f"{id_!r} of {book.instrument}",
                "call on_gap, then give all orders with whole=True",
            )
