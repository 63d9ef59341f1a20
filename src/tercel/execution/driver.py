"""The driver of one market: events in one by one, decisions of a strategy, commands out.

It holds the same two arrays as a market of the batch and changes them with the same functions, so that a recorded
session gives byte-identical observations and commands. It does not simulate the venue: its commands leave, and what
became of them comes back as OWN_* rows.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import CapacityError, PolicyError, TapeError, refuse_if
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution import columns as c, driver_kernels as kernels
from tercel.execution.driver_kernels import REASONS, DriverRequest
from tercel.execution.intent import WIDTH, empty
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.execution.view import View
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

# int64 (n, 6): sent at ns, what (NEW, CANCEL), own order, price, lots, flags (IMMEDIATE, FORCED).
Commands = Ints
# Book, state, row: FINE or why the row was refused.
ApplyRow = Callable[[Int32, Ints, Ints], int]
# Words of a command in the order of its record row.
_RECORDED = np.array([sim.WHO, sim.WHAT, sim.AT_PRICE, sim.HOW_MANY, sim.HOW, sim.AT_NS])


class Driver:
    """Runs one strategy in one market, event by event: rows in, commands out.

    Parameters
    ----------
    book : int32[...]
        The market's book at arrival (`market.book.layout`). The driver works on a copy.
    state : int64[...]
        Its other half (`market.simulator.layout`): clock, tallies, the order, the task's horizon, decisions and clock.
        The first decision falls due at once. In a market of model REPLAY the feeder of the rows chooses the slots of
        orders; elsewhere they must be those that the simulator allocates.
    strategy : Strategy
        The strategy that decides.
    apply : callable
        `driver_kernels.apply_row`, or the same from a kernel that is compiled anyway.
    symbol : str
        The symbol whose forecasts it reads (`Forecaster.of`).

    Raises
    ------
    PolicyError
        At a decision, for an intent that is no number.
    """

    def __init__(
        self,
        book: Int32,
        state: Ints,
        strategy: Strategy,
        apply: ApplyRow = kernels.apply_row,
        symbol: str = "",
    ) -> None:
        self.book = book.copy()
        self.state = state.copy()
        self.strategy = strategy
        self._apply = apply
        # The state's words: a number of Python's in half the time that the array takes.
        self.words = self.state.data
        self.state[sim.DUE_NS] = self.state[sim.NOW]
        self._confirmed = int(self.state[sim.COMMAND_TAIL])
        self._x = np.zeros((1, c.PX), np.int64)
        self._m = np.zeros((1, c.MX), np.int64)
        self._draw = np.zeros(1)
        self._intent = np.zeros((1, WIDTH), np.int32)
        self._command_rows = np.zeros((2 * sim.COMMAND_SLOTS, kernels.COMMAND_WORDS), np.int64)
        forecaster = forecaster_of(strategy)
        self._forecast_writer = None if forecaster is None else forecaster.forecast_writer(symbol)
        self._outlook = None if forecaster is None else np.zeros((1, c.OUTLOOK), np.int64)
        # What was seen at the last decision; overwritten by the next.
        self.view = View(self._x, self._m, self._draw, self._outlook)
        seen = self._x, self._m, self._draw
        self._serve = partial(kernels.serve, self.book, self.state, *seen, self._command_rows)

    @property
    def last_intent(self) -> Int32:
        """Intent of the last decision, int32 (WIDTH,); overwritten by the next decision."""
        wanted: Int32 = self._intent[0]
        return wanted

    @property
    def left(self) -> int:
        """Lots of the order not yet filled."""
        return self.words[sim.LEFT]

    @property
    def done(self) -> bool:
        """Whether the order's work is over: filled, or its horizon past and the last own orders reported on."""
        return self.words[sim.PHASE] == sim.DONE

    @property
    def due_ns(self) -> int:
        """When the next decision falls due by time, ns; FOREVER_NS when the order is no longer worked."""
        return self.words[sim.DUE_NS] if self.words[sim.PHASE] == sim.WORKING else FOREVER_NS

    def on_event(self, row: Ints, ends_moment: bool = False) -> Commands | None:
        """Decide what was due before a row (of the market, or of the venue on own orders), then apply it, or raise
        TapeError; commands to send (overwritten by the next call) or None. `ends_moment`: no other row of this time follows.

        A decision that fell due before the row's time is taken first. One that falls due with it waits for what else
        happens at that time: until a later row, :meth:`decide_due`, or a row with `ends_moment`.

        Parameters
        ----------
        row : int64[8]
            See `market.simulator.layout`. A recorded command (OWN_SENT) is compared with the driver's own.
        ends_moment : bool
            Nothing more of this moment follows: decide now if a decision is due.

        Returns
        -------
        int64 (n, 6) or None
            Commands to send; overwritten by the next call.

        Raises
        ------
        TapeError
            For a row that goes back in time or does not fit the book, the own orders or the commands so far: the
            record has a gap.
        """
        book = self.book
        k = self.state
        ns = int(row[sim.R_NS])
        n = self._decide(ns - 1, 0)
        since = int(k[sim.COMMAND_TAIL])
        fault = self._apply(book, k, row)
        if fault != kernels.FINE:
            return self._compare_or_raise(fault, row)
        n = self._serve(self._intent[0], DriverRequest.COLLECT.value, since, 0, n)
        n = self._decide(ns if ends_moment else ns - 1, n)
        return self._command_rows[:n] if n else None

    def decide_due(self, now_ns: int) -> Commands | None:
        """Take the decisions due by `now_ns`, given that all events up to then were applied; their commands
        (overwritten by the next call), None if none."""
        n = self._decide(now_ns, 0)
        return self._command_rows[:n] if n else None

    def skip_due(self, now_ns: int) -> Commands:
        """Pass the decisions due by `now_ns` with empty intents, the strategy not asked; commands that cancel own
        orders (overwritten by the next call)."""
        return self._command_rows[
            : self._serve(empty(1)[0], DriverRequest.SKIP.value, 0, now_ns, 0)
        ]

    def withdraw(self) -> Commands:
        """Commands that cancel every own order (overwritten by the next call); no decision is taken."""
        return self._command_rows[: self._serve(empty(1)[0], DriverRequest.WITHDRAW.value, 0, 0, 0)]

    def end(self) -> None:
        """End trading for this order: the remaining lots are booked beyond the last known far touch and counted as unfilled."""
        self._serve(self._intent[0], DriverRequest.END.value, 0, 0, 0)

    def apply_alone(self, row: Ints) -> Commands:
        """Apply one row without a decision; commands of lots that had waited for it (overwritten by the next call);
        TapeError for a row that does not fit.

        Raises
        ------
        TapeError
            As :meth:`on_event`.
        """
        since = int(self.state[sim.COMMAND_TAIL])
        fault = self._apply(self.book, self.state, row)
        if fault != kernels.FINE:
            raise TapeError(REASONS[fault], f"row {row.tolist()}", "reconcile with the venue")
        return self._command_rows[
            : self._serve(self._intent[0], DriverRequest.COLLECT.value, since, 0, 0)
        ]

    def run(self, rows: Iterable[Ints]) -> Commands:
        """Apply all rows of a record by `on_event`; all commands, int64 (n, 6)."""
        parts = [sent.copy() for row in rows if (sent := self.on_event(row)) is not None]
        return np.concatenate(parts) if parts else np.zeros((0, kernels.COMMAND_WORDS), np.int64)

    def check(self) -> None:
        """Raise CapacityError if orders or commands did not fit into the fixed-size arrays.

        Raises
        ------
        CapacityError
            Orders or commands found no place.
        """
        k = self.state
        lost = int(self.book[lay.OVERFLOW] + k[sim.OWN_OVERFLOW] + k[sim.COMMAND_OVERFLOW])
        refuse_if(
            lost,
            "room for all orders and commands",
            f"{lost} without",
            "raise the book's capacities",
            CapacityError,
        )

    def _decide(self, now_ns: int, row: int) -> int:
        """Take the decisions due by `now_ns`; write their commands from output row `row` on and return the next free
        row; PolicyError for an intent that is not of integers."""
        if self.words[sim.PHASE] != sim.WORKING or self.words[sim.DUE_NS] > now_ns:
            return row
        intent = self._intent[0]
        row = self._serve(intent, DriverRequest.ADVANCE.value, 0, now_ns, row)
        while row < 0:
            if self._forecast_writer is not None and self._outlook is not None:
                self._forecast_writer.write_forecasts(
                    self.book[None], self.state[None], self._outlook
                )
            answer = np.asarray(self.strategy.decide(self.view))
            if answer.dtype.kind != "i":
                raise PolicyError(
                    f"an intent of whole numbers from {self.strategy.name}",
                    "NaN"
                    if answer.dtype.kind == "f" and np.isnan(answer).any()
                    else f"{answer.dtype}",
                    "correct the strategy",
                )
            intent[:] = answer[0]
            row = self._serve(intent, DriverRequest.ANSWER.value, 0, now_ns, -1 - row)
        return row

    def _compare_or_raise(self, fault: int, row: Ints) -> Commands | None:
        """For a row that was not applied: `_compare` if it is a recorded own command, TapeError for any other."""
        if fault == kernels.IS_COMMAND:
            return self._compare(row)
        raise TapeError(
            REASONS[fault],
            f"row {row.tolist()} at {self.state[sim.NOW]} ns",
            "feed the whole record",
        )

    def _compare(self, row: Ints) -> Commands | None:
        """Check that a recorded command is the driver's next own one (else TapeError); commands of a decision that was
        due, or None."""
        k = self.state
        sent = None
        if self._confirmed == k[sim.COMMAND_TAIL]:
            sent = self.decide_due(int(row[sim.R_NS]))
        offset = sim.COMMANDS + self._confirmed % sim.COMMAND_SLOTS * sim.COMMAND
        own_command = (
            k[offset + _RECORDED].tolist() if self._confirmed < k[sim.COMMAND_TAIL] else None
        )
        recorded = row[sim.R_WHO :].tolist()
        if own_command != recorded:
            raise TapeError(
                f"the recorded command {recorded} (who, what, price, lots, flags, arrival)",
                f"{own_command or 'no command'} at {k[sim.NOW]} ns",
                "feed the record to the strategy that made it, from the state it began with",
            )
        self._confirmed += 1
        return sent
