"""The driver of one market: events come in one by one, commands go out. What is live runs on it.

It holds the same two arrays as a market of the batch and changes them with the same functions, so that a recorded
session gives byte-identical observations and commands. It does not simulate the venue: its commands leave, and what
became of them comes back as OWN_* rows.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import CapacityError, PolicyError, TapeError
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution import columns as c
from tercel.execution import driver_kernels as kernels
from tercel.execution.driver_kernels import REASONS, DriverRequest
from tercel.execution.intent import WIDTH, View, empty
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

Commands = Ints
"""int64 (n, 6): sent at ns, what (NEW, CANCEL), own order, price, lots, flags (IMMEDIATE, FORCED)."""
ApplyRow = Callable[[Int32, Ints, Ints], int]
"""Book, state, row: FINE or why the row was refused."""

# Words of a command in the order of its record row.
_RECORDED = np.array([sim.WHO, sim.WHAT, sim.AT_PRICE, sim.HOW_MANY, sim.HOW, sim.AT_NS])


class Driver:
    """One market and one strategy, fed event by event.

    Parameters
    ----------
    book : int32[...]
        The market's book at arrival (`market.book.layout`). The driver works on a copy.
    state : int64[...]
        Its other half (`market.simulator.layout`): clock, tallies, the order, the task's horizon, decisions and clock.
        The first decision falls due at once. In a market of model REPLAY whoever feeds the rows chooses the slots of
        orders; elsewhere they must be those that the simulator allocates.
    strategy : Strategy
        What decides.
    apply : callable
        `driver_kernels.apply_row`, or the same from a kernel that is compiled anyway.
    symbol : str
        Whose forecasts it is told of (`Forecaster.of`).

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
        self.words = self.state.data
        """The state's words: a number of Python's in half the time that the array takes."""
        self.state[sim.DUE_NS] = self.state[sim.NOW]
        self._confirmed = int(self.state[sim.COMMAND_TAIL])
        self._x = np.zeros((1, c.PX), np.int64)
        self._m = np.zeros((1, c.MX), np.int64)
        self._draw = np.zeros(1)
        self._intent = np.zeros((1, WIDTH), np.int32)
        self._out = np.zeros((2 * sim.COMMAND_SLOTS, kernels.COMMAND_WORDS), np.int64)
        forecaster = forecaster_of(strategy)
        self._teller = None if forecaster is None else forecaster.teller(symbol)
        self._outlook = None if forecaster is None else np.zeros((1, c.OUTLOOK), np.int64)
        self.view = View(self._x, self._m, self._draw, self._outlook)
        """What was seen at the last decision; overwritten by the next."""
        seen = self._x, self._m, self._draw
        self._serve = partial(kernels.serve, self.book, self.state, *seen, self._out)

    @property
    def last_intent(self) -> Int32:
        """What the last decision wanted, int32 (WIDTH,); overwritten by the next."""
        wanted: Int32 = self._intent[0]
        return wanted

    @property
    def left(self) -> int:
        """Lots of the order not yet filled."""
        return self.words[sim.LEFT]

    @property
    def done(self) -> bool:
        """Whether the order is filled, or its horizon over and everything settled."""
        return self.words[sim.PHASE] == sim.DONE

    @property
    def due_ns(self) -> int:
        """When the next decision falls due by time; FOREVER_NS when none does."""
        return self.words[sim.DUE_NS] if self.words[sim.PHASE] == sim.WORKING else FOREVER_NS

    def on_event(self, row: Ints, last: bool = False) -> Commands | None:
        """Apply one row of the market or of the venue's report on own orders.

        A decision that fell due before the row's time is taken first. One that falls due with it waits for what else
        happens at that time: until a later row, :meth:`decide_due`, or a row with `last`.

        Parameters
        ----------
        row : int64[8]
            See `market.simulator.layout`. A recorded command (OWN_SENT) is compared with the driver's own.
        last : bool
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
        book, k, ns = self.book, self.state, int(row[sim.R_NS])
        n = self._decide(ns - 1, 0)
        since = int(k[sim.COMMAND_TAIL])
        fault = self._apply(book, k, row)
        if fault != kernels.FINE:
            return self._refuse(fault, row)
        n = self._serve(self._intent[0], DriverRequest.COLLECT.value, since, 0, n)
        n = self._decide(ns if last else ns - 1, n)
        return self._out[:n] if n else None

    def decide_due(self, now_ns: int) -> Commands | None:
        """Everything up to `now_ns` has been seen: take the decisions that are due by then."""
        n = self._decide(now_ns, 0)
        return self._out[:n] if n else None

    def skip_due(self, now_ns: int) -> Commands:
        """Let the decisions due by `now_ns` pass with nothing wanted: own orders are taken back."""
        return self._out[: self._serve(empty(1)[0], DriverRequest.SKIP.value, 0, now_ns, 0)]

    def withdraw(self) -> Commands:
        """Commands that cancel every own order; no decision is taken."""
        return self._out[: self._serve(empty(1)[0], DriverRequest.WITHDRAW.value, 0, 0, 0)]

    def end(self) -> None:
        """Trading is over for this order: what is left is booked at the last known far touch, and counted."""
        self._serve(self._intent[0], DriverRequest.END.value, 0, 0, 0)

    def apply_alone(self, row: Ints) -> Commands:
        """Apply one row without taking any decision; what waited for it is sent.

        Raises
        ------
        TapeError
            As :meth:`on_event`.
        """
        since = int(self.state[sim.COMMAND_TAIL])
        fault = self._apply(self.book, self.state, row)
        if fault != kernels.FINE:
            raise TapeError(REASONS[fault], f"row {row.tolist()}", "reconcile with the venue")
        return self._out[: self._serve(self._intent[0], DriverRequest.COLLECT.value, since, 0, 0)]

    def run(self, rows: Iterable[Ints]) -> Commands:
        """Feed a whole record; all commands, int64 (n, 6)."""
        parts = [sent.copy() for row in rows if (sent := self.on_event(row)) is not None]
        return np.concatenate(parts) if parts else np.zeros((0, kernels.COMMAND_WORDS), np.int64)

    def check(self) -> None:
        """Refuse results of a market that outgrew its arrays.

        Raises
        ------
        CapacityError
            Orders or commands found no place.
        """
        k = self.state
        lost = int(self.book[lay.OVERFLOW] + k[sim.OWN_OVERFLOW] + k[sim.COMMAND_OVERFLOW])
        if lost:
            raise CapacityError(
                "room for all orders and commands", f"{lost} without", "raise the book's capacities"
            )

    def _decide(self, now_ns: int, at: int) -> int:
        """Take the decisions due by `now_ns`; their commands go to rows `at` and on of the output."""
        if self.words[sim.PHASE] != sim.WORKING or self.words[sim.DUE_NS] > now_ns:
            return at
        wanted = self._intent[0]
        at = self._serve(wanted, DriverRequest.LOOK.value, 0, now_ns, at)
        while at < 0:
            if self._teller is not None and self._outlook is not None:
                self._teller.tell(self.book[None], self.state[None], self._outlook)
            answer = np.asarray(self.strategy.decide(self.view))
            if answer.dtype.kind != "i":
                raise PolicyError(
                    f"an intent of whole numbers from {self.strategy.name}",
                    "NaN"
                    if answer.dtype.kind == "f" and np.isnan(answer).any()
                    else f"{answer.dtype}",
                    "correct the strategy",
                )
            wanted[:] = answer[0]
            at = self._serve(wanted, DriverRequest.ANSWER.value, 0, now_ns, -1 - at)
        return at

    def _refuse(self, fault: int, row: Ints) -> Commands | None:
        """A row that was not applied: a recorded command, or a gap in the record."""
        if fault == kernels.IS_COMMAND:
            return self._compare(row)
        raise TapeError(
            REASONS[fault],
            f"row {row.tolist()} at {self.state[sim.NOW]} ns",
            "feed the whole record",
        )

    def _compare(self, row: Ints) -> Commands | None:
        """A recorded command must be the driver's next; when it has sent none more, a decision must be due."""
        k, sent = self.state, None
        if self._confirmed == k[sim.COMMAND_TAIL]:
            sent = self.decide_due(int(row[sim.R_NS]))
        at = sim.COMMANDS + self._confirmed % sim.COMMAND_SLOTS * sim.COMMAND
        mine = k[at + _RECORDED].tolist() if self._confirmed < k[sim.COMMAND_TAIL] else None
        recorded = row[sim.R_WHO :].tolist()
        if mine != recorded:
            raise TapeError(
                f"the recorded command {recorded} (who, what, price, lots, flags, arrival)",
                f"{mine or 'no command'} at {k[sim.NOW]} ns",
                "feed the record to the strategy that made it, from the state it began with",
            )
        self._confirmed += 1
        return sent
