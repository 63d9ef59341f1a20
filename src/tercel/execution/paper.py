"""A strategy on paper: the same order beside a live one, on the market's events as they come in.

The events are a tape that grows, and a paper order meets it by the rules of replay (`docs/simulator.md`): displayed
lots once, queues at their true place, no answer from the market. So paper flatters large orders, as every replay does;
a challenger is compared with a champion's *paper* twin, never with its live fills.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Int32, Ints
from tercel.core.errors import TapeError
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.execution import columns as c
from tercel.execution.driver_kernels import COMMAND_WORDS, DriverRequest, apply_row, serve
from tercel.execution.intent import WIDTH, View
from tercel.execution.strategy import Strategy
from tercel.market.book.tape_kernels import best_levels
from tercel.market.simulator import layout as sim
from tercel.market.simulator import lockstep
from tercel.market.tape.schema import EXECUTE, TRADE, TRADE_HIDDEN

# -- replayed -------------------------------------------------------------------------------------
# The public book that a journaled parent saw: its first decision's arrays have the book, each one's the rows since.

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


# -- paper ----------------------------------------------------------------------------------------

WAIT: Final = 0
DECIDE: Final = 1
OVER: Final = 2

_NO_FLOW = np.zeros(0)
_NO_COMMANDS = np.zeros((0, COMMAND_WORDS), np.int64)


class PaperTrial:
    """Order worked on paper: one strategy on a copy of the market, fed with its events.

    Parameters
    ----------
    book, state : int32[...], int64[...]
        The public market at arrival with the order in it, of model REPLAY, as the driver takes them. Copied.
    strategy : Strategy
    """

    def __init__(self, book: Int32, state: Ints, strategy: Strategy) -> None:
        self._book = book.copy()
        self._state = state.copy()
        self._strategy = strategy
        self._state[sim.DUE_NS] = self._seen = int(state[sim.NOW])
        self._x = np.zeros((1, c.PX), np.int64)
        self._m = np.zeros((1, c.MX), np.int64)
        self._draw = np.zeros(1)
        self._view = View(self._x, self._m, self._draw)
        self._intent = np.zeros(WIDTH, np.int32)
        self._run(np.zeros((0, sim.TAPE_WORDS), np.int64))

    @property
    def done(self) -> bool:
        """Whether the order is filled, or its horizon over."""
        return bool(self._state[sim.PHASE] == sim.DONE)

    @property
    def due_ns(self) -> int:
        """Time of the next decision or of the horizon, ns; FOREVER_NS once it is over."""
        return FOREVER_NS if self.done else int(self._state[sim.DUE_NS])

    @property
    def left(self) -> int:
        """Lots not filled yet."""
        return int(self._state[sim.LEFT])

    @property
    def is_bps(self) -> float:
        """Implementation shortfall so far, bps of the arrival mid and the whole order."""
        k = self._state
        sums = int(k[sim.SPREAD : sim.FORCED_TIMING + 1].sum())
        return 1e4 * sums / max(int(k[sim.ARRIVAL_MID2] * k[sim.QUANTITY]), 1)

    def feed(self, rows: Ints, seen_ns: int) -> None:
        """Apply the events up to `seen_ns`: int64 (n, 6) tape rows (`market.simulator.layout`), in order of time.

        Raises
        ------
        TapeError
            For rows that go back in time.
        """
        first = int(rows[0, sim.T_NS]) if len(rows) else seen_ns
        if first < self._seen or seen_ns < self._seen:
            raise TapeError(
                "rows in order of time", f"{first} ns after {self._seen} ns", "feed every row once"
            )
        self._seen = seen_ns
        if not self.done:
            self._run(np.ascontiguousarray(rows))

    def _run(self, rows: Ints) -> None:
        k = self._state
        k[[sim.CURSOR, sim.CURSOR_END]] = 0, len(rows)
        k[sim.FLOW_NS] = rows[0, sim.T_NS] if len(rows) else FOREVER_NS
        while self._ahead(rows) == DECIDE:
            self._serve(DriverRequest.OBSERVE)
            self._intent = np.ascontiguousarray(self._strategy.decide(self._view)[0])
            self._serve(DriverRequest.OBEY)

    def _ahead(self, rows: Ints) -> int:
        """Through what has been seen: WAIT, DECIDE or OVER."""
        k = self._state
        if k[sim.LEFT] == 0:
            k[sim.PHASE] = sim.DONE
            return OVER
        due = int(k[sim.DUE_NS])
        k[sim.DUE_NS] = min(due, self._seen)
        self._advance(rows)
        if k[sim.LEFT] == 0:
            k[sim.PHASE] = sim.DONE
            return OVER
        if due > self._seen:
            k[sim.DUE_NS] = due
            return WAIT
        if k[sim.HALTED]:
            return WAIT
        if k[sim.NOW] >= k[sim.START_NS] + k[sim.HORIZON_NS]:
            self._close(rows)
            return OVER
        return DECIDE

    def _advance(self, rows: Ints) -> int:
        """To what falls due, as `execution.step.run`: waiting lots are sent as acknowledgements come in."""
        k = self._state
        while True:
            why = lockstep.run(self._book, k, _NO_FLOW, rows)
            if why != sim.ACKNOWLEDGED:
                k[sim.DUE_EVENTS] = k[sim.DUE_VOLUME] = FOREVER_NS
                return why
            self._serve(DriverRequest.SEND_WAITING)

    def _close(self, rows: Ints) -> None:
        """The horizon, as `execution.step.close`: whatever is left is taken at any price."""
        k = self._state
        self._serve(DriverRequest.CLOSE)
        while k[sim.LEFT] and k[sim.COMMAND_HEAD] != k[sim.COMMAND_TAIL]:
            first = sim.COMMANDS + int(k[sim.COMMAND_HEAD]) % sim.COMMAND_SLOTS * sim.COMMAND
            k[sim.DUE_NS] = max(k[first + sim.AT_NS], k[sim.NOW])
            if self._advance(rows) == sim.NO_MORE:
                break
            self._serve(DriverRequest.SEND_WAITING)
        self._serve(DriverRequest.END)

    def _serve(self, what: DriverRequest) -> None:
        seen = self._x, self._m, self._draw
        serve(self._book, self._state, *seen, _NO_COMMANDS, self._intent, what.value, 0, 0, 0)
