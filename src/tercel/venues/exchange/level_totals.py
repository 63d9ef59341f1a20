"""Market data of single orders converted to that of a feed of level totals and prints."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import TapeError
from tercel.core.orders import M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE, MARKET_COLUMNS
from tercel.market.simulator import layout as sim
from tercel.market.tape import schema

_ADDING: Final = frozenset({schema.ADD, schema.ROLL_IN})
_REDUCING: Final = frozenset({schema.REDUCE, schema.DELETE, schema.EXECUTE})
_UNCHANGED: Final = frozenset({schema.STATUS, schema.TRADE_HIDDEN, schema.TRADE, schema.LEVEL_SET})


class LevelTotals:
    """Converts rows of single orders of one instrument to those of a feed of level totals and prints.

    Parameters
    ----------
    levels : int
        Number of levels at a time.

    >>> shown = LevelTotals(8)
    >>> rows = np.array([[5, schema.ADD, 3, 1, 99, 7, -1], [6, schema.EXECUTE, 3, 1, 99, 2, -1]])
    >>> shown.convert_rows(rows)[:, [1, 2, 4, 5]].tolist() == [
    ...     [schema.LEVEL_SET, 0, 99, 7], [schema.TRADE, 0, 99, 2], [schema.LEVEL_SET, 0, 99, 5]]
    True
    """

    def __init__(self, levels: int) -> None:
        """Start without levels, with `levels` free numbers."""
        self._free = list(range(levels - 1, -1, -1))
        self._slots: dict[tuple[int, int], int] = {}
        self._lots: dict[tuple[int, int], int] = {}

    def convert_rows(self, rows: Ints, snapshot: bool = False) -> Ints:
        """Rows of level totals and prints in place of rows of orders, int64 (n, MARKET_COLUMNS); for a snapshot all totals.

        Raises
        ------
        TapeError
            Rows that no feed of totals has, or more levels than there are numbers.
        """
        if snapshot:
            self._forget()
        total_rows = [row for order_row in rows.tolist() for row in self._convert_row(order_row)]
        if snapshot:
            status = [row for row in total_rows if row[M_KIND] == schema.STATUS]
            ns = int(rows[-1, M_NS]) if len(rows) else 0
            total_rows = status + [self._total_row(ns, level) for level in self._lots]
        return np.array(total_rows, np.int64).reshape(-1, MARKET_COLUMNS)

    def _forget(self) -> None:
        """Forget all levels."""
        self._free += self._slots.values()
        self._slots.clear()
        self._lots.clear()

    def _total_row(self, ns: int, level: tuple[int, int]) -> list[int]:
        """Row that sets the total of a level, (side, price)."""
        return [ns, schema.LEVEL_SET, self._slots[level], *level, self._lots[level], -1]

    def _convert_row(self, row: list[int]) -> Iterator[list[int]]:
        """Rows of level totals and prints in place of one row of an order."""
        kind = row[M_KIND]
        level = (row[M_SIDE], row[M_PRICE])
        lots = row[M_LOTS]
        if kind in _ADDING or kind in _REDUCING:
            if kind == schema.EXECUTE:
                yield [row[M_NS], schema.TRADE, self._slots.get(level, -1), *level, lots, -1]
            yield from self._set_level(
                row[M_NS], level, self._lots.get(level, 0) + (lots if kind in _ADDING else -lots)
            )
        elif kind == schema.ROLL_OUT:
            yield from self._set_level(row[M_NS], level, 0)
        elif kind == schema.CLEAR:
            self._forget()
            yield row
        elif kind == sim.REGIME_IS:
            return
        elif kind in _UNCHANGED:
            yield row
        else:
            raise TapeError(
                "rows of a public feed",
                f"{row}",
                "watch a market without trades that have impact",
            )

    def _set_level(self, ns: int, level: tuple[int, int], lots: int) -> Iterator[list[int]]:
        """Set the total of a level and yield its row; a level without lots is dropped."""
        if level not in self._slots:
            if lots <= 0:
                return
            if not self._free:
                raise TapeError(
                    "room for every level", f"none for {level}", "watch a market of fewer levels"
                )
            self._slots[level] = self._free.pop()
        self._lots[level] = max(lots, 0)
        yield self._total_row(ns, level)
        if lots <= 0:
            self._free.append(self._slots.pop(level))
            del self._lots[level]
