"""The public book that a journaled parent saw: its first decision's arrays have the book, each one's the rows since."""

from collections.abc import Mapping

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution.driver_kernels import apply_row
from tercel.market.book.tape_kernels import best_levels
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import EXECUTE, TRADE, TRADE_HIDDEN

PRINTS = (EXECUTE, TRADE, TRADE_HIDDEN)


class ReplayedBook:
    """A book and its trades, from the arrays of decisions in order (`trading.journal.blobs.unpack`); no own orders."""

    def __init__(self) -> None:
        self.trades: list[tuple[int, int, int, int]] = []
        """Time, price in ticks, lots and the aggressor's side (0: not told), in order."""
        self._arrays: tuple[AnyArray, AnyArray] | None = None

    def decision(self, arrays: Mapping[str, AnyArray]) -> None:
        """Apply the rows that came before a decision; one that brings a book begins anew."""
        if "book" in arrays:
            self._arrays = arrays["book"].copy(), arrays["state"].copy()
        if self._arrays is None or "rows" not in arrays:
            return
        for row in arrays["rows"]:
            kind = row[sim.R_KIND]
            if kind in PRINTS:
                side = -int(row[sim.R_SIDE]) if kind == EXECUTE else 0
                self.trades.append(
                    (int(row[sim.R_NS]), int(row[sim.R_PRICE]), int(row[sim.R_LOTS]), side)
                )
            if kind < sim.OWN_REST:
                apply_row(*self._arrays, row)

    def levels(self, side: int, most: int = 10) -> list[tuple[int, int]]:
        """Price in ticks and lots of the best occupied levels of a side, best first."""
        if self._arrays is None:
            return []
        prices, lots = (
            np.full(most, NO_BID if side > 0 else NO_ASK, np.int32),
            np.zeros(most, np.int32),
        )
        n = int(best_levels(self._arrays[0], side, prices, lots))
        return list(zip(prices[:n].tolist(), lots[:n].tolist(), strict=True))
