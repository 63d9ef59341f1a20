"""Own resting orders at one instrument, by price."""

import sys
from heapq import heappop, heappush
from typing import Final

NOBODY: Final = sys.maxsize
"""No own order rests on that side: a price beyond every other."""


class OwnQuotes:
    """Prices of own resting orders on one side of one instrument, and the best of them.

    `best` is times `sign` (+1 for sells, -1 for buys), so that the lowest is the best; `NOBODY` when there is none.
    """

    __slots__ = ("_heap", "_orders", "_stored", "best", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.best = NOBODY
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
        self.best = self._heap[0] if self._heap else NOBODY
