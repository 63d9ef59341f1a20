"""Order book and trades of a session, rebuilt from its journalled decisions, without own orders."""

from collections.abc import Mapping

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution.driver_kernels import apply_row
from tercel.market.book.tape_kernels import best_levels
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import EXECUTE, TRADE, TRADE_HIDDEN

# The public book that a journaled parent saw: its first decision's arrays have the book, each one's the rows since.
PRINTS = (EXECUTE, TRADE, TRADE_HIDDEN)


class ReplayedBook:
    """A market's book and trades, rebuilt from journalled arrays of decisions in order; without own orders."""

    def __init__(self) -> None:
        # Time, price in ticks, lots and the aggressor's side (0: unknown), in order.
        self.trades: list[tuple[int, int, int, int]] = []
        self._arrays: tuple[AnyArray, AnyArray] | None = None

    def apply_decision(self, arrays: Mapping[str, AnyArray]) -> None:
        """Apply the rows recorded before a decision to book and `trades`; arrays that hold a whole book begin again from it.

        Without a book so far nothing is done; rows on own orders are passed over.
        """
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

    def levels(self, side: int, max_levels: int = 10) -> list[tuple[int, int]]:
        """(price in ticks, lots) of a side's best occupied levels, `max_levels` at most, best first; empty without a book."""
        if self._arrays is None:
            return []
        prices = np.full(max_levels, NO_BID if side > 0 else NO_ASK, np.int32)
        lots = np.zeros(max_levels, np.int32)
        n = int(best_levels(self._arrays[0], side, prices, lots))
        return list(zip(prices[:n].tolist(), lots[:n].tolist(), strict=True))
