"""Market data as a caller gives them, checked and turned into changes of levels and orders in ticks and lots."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

from msgspec import Meta

from tercel.api.executor.terms import Number
from tercel.api.executor.units import Units, side_of
from tercel.core import vocabulary as v
from tercel.core.errors import OrderError, TapeError, check_known, refuse_if
from tercel.core.link.level_book import LevelBook, OrderBook
from tercel.core.vocabulary import BUY, FOREVER_NS, MOST_LOTS, NO_ASK, SELL

Level = Sequence[Number]
"""Price and size of a level; what follows them is not read."""
Side = Annotated[int, Meta(ge=-1, le=1)]
Ticks = Annotated[int, Meta(gt=-NO_ASK, lt=NO_ASK)]
Lots = Annotated[int, Meta(ge=0, lt=MOST_LOTS)]
LevelChange = tuple[Side, Ticks, Lots]
"""Side, price in ticks, lots."""
OrderChange = tuple[Annotated[int, Meta(ge=v.ADD, le=v.TRADE_HIDDEN)], str, Side, Ticks, Lots]
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
        stale = self.stale & wanted.keys()
        if self._levels and not whole:
            wanted |= self._window_after(wanted)
        self._refuse_crossed(wanted, whole or self._levels > 0)
        if whole or self._levels:
            wanted |= dict.fromkeys(self._gone(wanted, whole, snapshot), 0)
        return [
            (*key, lots)
            for key, lots in wanted.items()
            if snapshot or lots != self._shown.get(key, 0) or key in stale
        ]

    def _window_after(self, changes: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
        """The window after changes in it: a venue tells no more of levels that have left it, and of all that come back."""
        window: dict[tuple[int, int], int] = {}
        for side in (BUY, SELL):
            prices = sorted((price * side for of, price in self._shown if of == side), reverse=True)
            keys = [(side, price * side) for price in prices[: self._levels]]
            after = {key: self._shown[key] for key in keys}
            after |= {key: lots for key, lots in changes.items() if key[0] == side}
            keys = sorted(
                (key for key, lots in after.items() if lots), key=lambda key: -key[1] * side
            )
            window |= {key: after[key] for key in keys[: self._levels]}
        return window

    def _gone(
        self, wanted: dict[tuple[int, int], int], whole: bool, snapshot: bool
    ) -> list[tuple[int, int]]:
        """Levels that are shown no more; beyond the last of a full window nothing is said, but nothing is known either in a
        snapshot."""
        last = {}
        for side in (BUY, SELL) if self._levels and not snapshot else ():
            prices = [price * side for (of, price), lots in wanted.items() if lots and of == side]
            if prices and (len(prices) >= self._levels or not whole):
                prices.sort(reverse=True)
                last[side] = prices[-1 if whole else min(len(prices), self._levels) - 1]
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
    for change in changes:
        refuse_if(
            len(change) != 5,
            "kind, order, side, price and size of a change",
            f"{change!r}",
            "give all five, None where it has none",
            OrderError,
        )
        kind, id_, side, price, size = change
        check_known(kind, _KINDS, received=f"a change {kind!r}")
        placed = kind in ("add", "hidden")
        rows.append(
            (
                _KINDS[kind],
                f"{id_}",  # whatever names it: text is the same after a restart
                side_of(side) if placed else 0,
                units.ticks(price) if placed else 0,  # type: ignore[arg-type]  # None is refused
                0 if kind == "delete" else units.lots(size),
            )
        )
    return rows


def refuse_unknown(rows: Iterable[OrderChange], book: LevelBook | OrderBook, whole: bool) -> None:
    """Raise TapeError for changes of orders that are not there, and for adds of orders that are, or of no lots."""
    known = book if isinstance(book, OrderBook) and not whole else None
    lots_of: dict[str, int] = {}
    for kind, id_, _, _, lots in rows:
        if kind == v.TRADE_HIDDEN:
            continue
        there = lots_of[id_] if id_ in lots_of else known.lots_of(id_) if known else 0
        if kind == v.ADD:
            wrong = there > 0 or not lots
            lots_of[id_] = lots
        else:
            wrong = not there and not (known is not None and known.taken)
            lots_of[id_] = 0 if kind == v.DELETE else max(there - lots, 0)
        if wrong:
            raise TapeError(
                "new orders of some lots, and changes of orders that were added",
                f"{id_!r} of {book.instrument}, which has {there} lots",
                "call on_gap, then give all orders with whole=True",
            )
