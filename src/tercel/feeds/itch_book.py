"""Check of an ITCH file by the books of all its symbols: states crossed or locked are counted, and no share may be lost."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bytes
from tercel.core.errors import FeedError
from tercel.feeds import itch_format, itch_state
from tercel.feeds.itch_book_kernels import (
    P_ADDED,
    P_CROSS,
    P_HIDDEN,
    PER,
    S_BEST,
    S_N,
    SIDE,
    SUMS,
    Books,
    apply_messages,
)
from tercel.feeds.itch_pass import FileCounts, ItchStore, Progress, run_chunks
from tercel.feeds.members import Member

FIRST_POOL: Final = 1 << 14


@dataclass(frozen=True)
class SymbolCheck:
    """Counts and last quotes of one symbol at the end of a file (prices in dollars, 0: none; shares).

    `conserved` says that what was added equals what was executed, withdrawn or rests.
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
    def conserved(self) -> bool:
        """Whether no share was lost: added shares are those executed, withdrawn and resting."""
        return self.added == self.executed + self.withdrawn + self.resting


class ItchBooks:
    """L3 books of all wanted symbols in flat arrays: a :class:`tercel.feeds.itch_pass.Sink`.

    Examples
    --------
    >>> ItchBooks().check(ItchStore())
    []
    """

    def __init__(self) -> None:
        self.sides = np.zeros((2 * itch_format.LOCATES, SIDE), np.int32)
        self.rungs = np.zeros((FIRST_POOL, 2), np.int32)
        self.levels = np.zeros((FIRST_POOL, 4), np.int32)
        self.per = np.zeros((itch_format.LOCATES, PER), np.int64)

    def take(self, data: Bytes, start: int, store: ItchStore) -> int:
        """Apply whole messages from `start` on, with larger level arrays as needed; returns where it stopped."""
        while True:
            books = Books(self.sides, self.rungs, self.levels, self.per)
            start = int(apply_messages(data, start, len(data), *store.head(), books))  # type: ignore[arg-type]
            if store.w[itch_state.STOP] != itch_state.NEED_LEVELS:
                return start
            if store.w[itch_state.HIGH_LEVEL] + 1 >= len(self.levels):
                self.levels = np.concatenate((self.levels, np.zeros_like(self.levels)))
            else:
                self.rungs = np.concatenate((self.rungs, np.zeros_like(self.rungs)))

    def check(self, store: ItchStore) -> list[SymbolCheck]:
        """Check of every symbol with an order or trade, sorted by name."""
        live = store.table[store.table[:, 1] >= 0, 1]
        places = store.orders[live, itch_state.O_PLACE] >> 1
        shares = store.orders[live, itch_state.O_SHARES].astype(np.float64)
        resting = np.bincount(places, shares, minlength=itch_format.LOCATES).astype(np.int64)
        orders = np.bincount(places, minlength=itch_format.LOCATES)
        busy = np.flatnonzero(self.per[:, [P_ADDED, P_HIDDEN, P_CROSS]].any(axis=1))
        checks = [
            self._symbol(
                itch_format.unpacked_name(int(store.names[i])),
                int(i),
                int(resting[i]),
                int(orders[i]),
            )
            for i in busy
        ]
        return sorted(checks, key=lambda s: s.symbol)

    def _symbol(self, name: str, locate: int, resting: int, orders: int) -> SymbolCheck:
        """Check of one symbol from its sums and best levels."""
        sums = dict(zip(SUMS, self.per[locate].tolist(), strict=False))
        bid = self._best(2 * locate)
        ask = self._best(2 * locate + 1)
        return SymbolCheck(symbol=name, resting=resting, orders=orders, bid=bid, ask=ask, **sums)

    def _best(self, place: int) -> float:
        """Best price of a side (locate * 2, +1 for asks) in dollars; 0.0 if empty."""
        if self.sides[place, S_N] == 0:
            return 0.0
        return (int(self.sides[place, S_BEST]) & 0xFFFFFFFF) / 10_000


def check_file(
    member: Member,
    picks: tuple[str, ...] = (),
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> tuple[FileCounts, list[SymbolCheck]]:
    """Build the books of a file without writing a tape; counts of the pass and checks of the symbols; FeedError for lost shares.

    Raises
    ------
    FeedError
        As the import; when shares were lost, which would be a fault here.
    """
    store = ItchStore(picks)
    books = ItchBooks()
    counts = run_chunks(member.chunks(), member.location, store, books, allow_cut, progress)
    symbols = books.check(store)
    for symbol in symbols:
        if not symbol.conserved:
            raise FeedError(
                f"shares of {symbol.symbol} added = executed + withdrawn + resting",
                f"{symbol.added} and {symbol.executed} + {symbol.withdrawn} + {symbol.resting}",
                "report this as a fault of the importer",
            )
    return counts, symbols


def totals(symbols: list[SymbolCheck]) -> dict[str, Any]:
    """Number of symbols, and the sums of their counts by name.

    >>> totals([])["symbols"]
    0
    """
    names = [n for n in SymbolCheck.__dataclass_fields__ if n not in ("symbol", "bid", "ask")]
    rows = [asdict(s) for s in symbols]
    return {"symbols": len(symbols), **{name: sum(row[name] for row in rows) for name in names}}
