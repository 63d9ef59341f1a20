"""Paper trial: a strategy works an order on the live market's events without sending it.

Fills follow the rules of replay (`docs/concepts/simulator.md`): displayed lots once, queues at their true place, no answer
from the market. Replay flatters large orders, so a challenger is compared with a champion's paper trial, never with its
live fills.
"""

from typing import Final

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import TapeError
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution import columns as c
from tercel.execution.driver_kernels import COMMAND_WORDS, DriverRequest, serve
from tercel.execution.intent import WIDTH
from tercel.execution.step import sleeps
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.execution.view import View
from tercel.market.simulator import engine, layout as sim

WAIT: Final = 0
DECIDE: Final = 1
OVER: Final = 2
_NO_FLOW = np.zeros(0)
_NO_COMMANDS = np.zeros((0, COMMAND_WORDS), np.int64)


class PaperTrial:
    """An order worked on paper by one strategy, on a copy of the market fed with live events.

    Parameters
    ----------
    book, state : int32[...], int64[...]
        The public market at arrival with the order in it, of model REPLAY, as the driver takes them. Copied.
    strategy : Strategy
    symbol : str
        The market's, by which a forecaster knows it. A state without past seconds has no forecasts.
    """

    def __init__(self, book: Int32, state: Ints, strategy: Strategy, symbol: str = "") -> None:
        self._book = book.copy()
        self._state = state.copy()
        self._strategy = strategy
        self._state[sim.DUE_NS] = self._seen = int(state[sim.NOW])
        self._x = np.zeros((1, c.PX), np.int64)
        self._m = np.zeros((1, c.MX), np.int64)
        self._draw = np.zeros(1)
        forecaster = forecaster_of(strategy) if state[sim.SECONDS_ROOM] else None
        self._forecast_writer = None if forecaster is None else forecaster.forecast_writer(symbol)
        self._outlook = None if forecaster is None else np.zeros((1, c.OUTLOOK), np.int64)
        self._view = View(self._x, self._m, self._draw, self._outlook)
        self._intent = np.zeros(WIDTH, np.int32)
        self._run(np.zeros((0, sim.TAPE_WORDS), np.int64))

    @property
    def done(self) -> bool:
        """Whether the paper order is filled, or its horizon over."""
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
    def shortfall_bps(self) -> float:
        """Implementation shortfall so far, without fees, bps of arrival mid times the whole order: of the fills, and from the
        horizon on of the unfilled lots at a price beyond the ladder (`execution.step.end`)."""
        k = self._state
        sums = int(k[sim.SPREAD : sim.FORCED_TIMING + 1].sum())
        return 1e4 * sums / max(int(k[sim.ARRIVAL_MID2] * k[sim.QUANTITY]), 1)

    def feed(self, rows: Ints, seen_ns: int) -> None:
        """Apply new events up to `seen_ns`, int64 (n, 6) tape rows (`market.simulator.layout`), and take decisions due; TapeError
        if not in order of time.

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
        """Advance through rows, int64 (n, 6), and take every decision that falls due within the events seen."""
        k = self._state
        k[[sim.CURSOR, sim.CURSOR_END]] = 0, len(rows)
        k[sim.FLOW_NS] = rows[0, sim.T_NS] if len(rows) else FOREVER_NS
        while self._advance_to_due(rows) == DECIDE:
            if sleeps(k, int(k[sim.NOW])):
                continue
            self._serve(DriverRequest.OBSERVE)
            if self._forecast_writer is not None and self._outlook is not None:
                self._forecast_writer.write_forecasts(
                    self._book[None], self._state[None], self._outlook
                )
            self._intent = np.ascontiguousarray(self._strategy.decide(self._view)[0])
            self._serve(DriverRequest.RECONCILE)

    def _advance_to_due(self, rows: Ints) -> int:
        """Advance to the next decision within the events seen: WAIT (none yet, or a halt), DECIDE, or OVER (filled or closed)."""
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
        """Run the simulator to what falls due, sending waiting lots at acknowledgements, as `execution.step.run`; the code of why
        it stopped."""
        k = self._state
        while True:
            stop = engine.run(self._book, k, _NO_FLOW, rows)
            if stop != sim.ACKNOWLEDGED:
                k[sim.DUE_EVENTS] = k[sim.DUE_VOLUME] = FOREVER_NS
                return stop
            self._serve(DriverRequest.SEND_WAITING)

    def _close(self, rows: Ints) -> None:
        """At the horizon take the lots left at any price, as `execution.step.close`; those that no event fills are unfilled."""
        k = self._state
        self._serve(DriverRequest.CLOSE)
        while k[sim.LEFT] and k[sim.COMMAND_HEAD] != k[sim.COMMAND_TAIL]:
            first = sim.COMMANDS + int(k[sim.COMMAND_HEAD]) % sim.COMMAND_SLOTS * sim.COMMAND
            k[sim.DUE_NS] = max(k[first + sim.AT_NS], k[sim.NOW])
            if self._advance(rows) == sim.NO_MORE:
                break
            self._serve(DriverRequest.SEND_WAITING)
        self._serve(DriverRequest.END)

    def _serve(self, request: DriverRequest) -> None:
        """Have the compiled driver serve a request on the paper market; its commands are not read out."""
        seen = self._x, self._m, self._draw
        serve(self._book, self._state, *seen, _NO_COMMANDS, self._intent, request.value, 0, 0, 0)
