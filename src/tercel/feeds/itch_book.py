"""The books of all symbols of an ITCH file, and what they say of it: nothing crossed, no share lost."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bytes
from tercel.core.errors import FeedError
from tercel.feeds import itch_book_kernels as k
from tercel.feeds import itch_format as f
from tercel.feeds.itch_pass import FileCounts, ItchStore, Progress, run_chunks
from tercel.feeds.members import Member

FIRST_POOL: Final = 1 << 14


@dataclass(frozen=True)
class SymbolCheck:
    """One symbol at the end of the file (prices in dollars, 0 none; shares).

    `kept` says that what was added equals what was executed, withdrawn or rests.
    """

    symbol: str
    messages: int
    added: int
    executed: int
    withdrawn: int
    resting: int
    orders: int
    bid: float
    ask: float
    crossed: int
    locked: int
    crossed_off: int
    locked_off: int
    off_best: int
    off_head: int
    hidden: int
    cross: int
    broken: int

    @property
    def kept(self) -> bool:
        """Whether no share was lost."""
        return self.added == self.executed + self.withdrawn + self.resting


class ItchBooks:
    """L3 books of all wanted symbols in flat arrays: a :class:`tercel.feeds.itch_pass.Sink`.

    Examples
    --------
    >>> ItchBooks().check(ItchStore())
    []
    """

    def __init__(self) -> None:
        self.sides = np.zeros((2 * f.LOCATES, k.SIDE), np.int32)
        self.rungs = np.zeros((FIRST_POOL, 2), np.int32)
        self.levels = np.zeros((FIRST_POOL, 4), np.int32)
        self.per = np.zeros((f.LOCATES, k.PER), np.int64)

    def take(self, data: Bytes, start: int, store: ItchStore) -> int:
        """Apply whole messages."""
        while True:
            books = k.Books(self.sides, self.rungs, self.levels, self.per)
            start = int(k.book(data, start, len(data), *store.head(), books))
            if store.w[f.STOP] != f.NEED_LEVELS:
                return start
            if store.w[f.HIGH_LEVEL] + 1 >= len(self.levels):
                self.levels = np.concatenate((self.levels, np.zeros_like(self.levels)))
            else:
                self.rungs = np.concatenate((self.rungs, np.zeros_like(self.rungs)))

    def check(self, store: ItchStore) -> list[SymbolCheck]:
        """Every symbol with an order or trade, by name."""
        live = store.table[store.table[:, 1] >= 0, 1]
        places = store.orders[live, f.O_PLACE] >> 1
        shares = store.orders[live, f.O_SHARES].astype(np.float64)
        resting = np.bincount(places, shares, minlength=f.LOCATES).astype(np.int64)
        orders = np.bincount(places, minlength=f.LOCATES)
        busy = np.flatnonzero(self.per[:, [k.P_ADDED, k.P_HIDDEN, k.P_CROSS]].any(axis=1))
        found = [
            self._symbol(
                f.unpacked_name(int(store.names[i])), int(i), int(resting[i]), int(orders[i])
            )
            for i in busy
        ]
        return sorted(found, key=lambda s: s.symbol)

    def _symbol(self, name: str, locate: int, resting: int, orders: int) -> SymbolCheck:
        sums = dict(zip(k.SUMS, self.per[locate].tolist(), strict=False))
        bid, ask = self._best(2 * locate), self._best(2 * locate + 1)
        return SymbolCheck(symbol=name, resting=resting, orders=orders, bid=bid, ask=ask, **sums)

    def _best(self, place: int) -> float:
        if self.sides[place, k.S_N] == 0:
            return 0.0
        return (int(self.sides[place, k.S_BEST]) & 0xFFFFFFFF) / 10_000


def check_file(
    member: Member,
    picks: tuple[str, ...] = (),
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> tuple[FileCounts, list[SymbolCheck]]:
    """Keep the books of a file, write nothing.

    Raises
    ------
    FeedError
        As the import; when shares were lost, which would be a fault here.
    """
    store, books = ItchStore(picks), ItchBooks()
    counts = run_chunks(member.chunks(), member.where, store, books, allow_cut, progress)
    symbols = books.check(store)
    for symbol in symbols:
        if not symbol.kept:
            raise FeedError(
                f"shares of {symbol.symbol} added = executed + withdrawn + resting",
                f"{symbol.added} and {symbol.executed} + {symbol.withdrawn} + {symbol.resting}",
                "report this as a fault of the importer",
            )
    return counts, symbols


def totals(symbols: list[SymbolCheck]) -> dict[str, Any]:
    """Sums over all symbols.

    >>> totals([])["symbols"]
    0
    """
    names = [n for n in SymbolCheck.__dataclass_fields__ if n not in ("symbol", "bid", "ask")]
    rows = [asdict(s) for s in symbols]
    return {"symbols": len(symbols), **{name: sum(row[name] for row in rows) for name in names}}
