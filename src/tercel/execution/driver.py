"""The driver of one market: events in one by one, commands out; and the same order on paper, on a growing tape.

It holds the same two arrays as a market of the batch and changes them with the same functions, so that a recorded
session gives byte-identical observations and commands. It does not simulate the venue: its commands leave, and what
became of them comes back as OWN_* rows.

`PaperTrial` works an order beside a live one on the market's events, by the rules of replay (`docs/concepts/simulator.md`):
displayed lots once, queues at their true place, no answer from the market. Replay flatters large orders, so a challenger
is compared with a champion's paper trial, never with its live fills.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

import numpy as np

from tercel.core.arrays import AnyArray, Int32, Ints
from tercel.core.errors import CapacityError, PolicyError, TapeError, refuse_if
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.execution import columns as c, driver_kernels as kernels
from tercel.execution.driver_kernels import COMMAND_WORDS, REASONS, DriverRequest, apply_row, serve
from tercel.execution.intent import WIDTH, View, empty
from tercel.execution.step import sleeps
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.market.book import layout as lay
from tercel.market.book.tape_kernels import best_levels
from tercel.market.simulator import engine, layout as sim
from tercel.market.tape.schema import EXECUTE, TRADE, TRADE_HIDDEN

# int64 (n, 6): sent at ns, what (NEW, CANCEL), own order, price, lots, flags (IMMEDIATE, FORCED).
Commands = Ints
# Book, state, row: FINE or why the row was refused.
ApplyRow = Callable[[Int32, Ints, Ints], int]

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
        self._out = np.zeros((2 * sim.COMMAND_SLOTS, kernels.COMMAND_WORDS), np.int64)
        forecaster = forecaster_of(strategy)
        self._teller = None if forecaster is None else forecaster.teller(symbol)
        self._outlook = None if forecaster is None else np.zeros((1, c.OUTLOOK), np.int64)
        # What was seen at the last decision; overwritten by the next.
        self.view = View(self._x, self._m, self._draw, self._outlook)
        seen = self._x, self._m, self._draw
        self._serve = partial(kernels.serve, self.book, self.state, *seen, self._out)

    @property
    def last_intent(self) -> Int32:
        """Intent of the last decision, int32 (WIDTH,); overwritten by the next."""
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
        """End trading for this order: the remaining lots are booked at the last known far touch and counted as
        unfilled."""
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
        refuse_if(
            lost,
            "room for all orders and commands",
            f"{lost} without",
            "raise the book's capacities",
            CapacityError,
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


# -- replayed -------------------------------------------------------------------------------------
# The public book that a journaled parent saw: its first decision's arrays have the book, each one's the rows since.

PRINTS = (EXECUTE, TRADE, TRADE_HIDDEN)


class ReplayedBook:
    """A book and its trades, from the arrays of decisions in order (`trading.journal.codec.unpack`); no own orders."""

    def __init__(self) -> None:
        # Time, price in ticks, lots and the aggressor's side (0: unknown), in order.
        self.trades: list[tuple[int, int, int, int]] = []
        self._arrays: tuple[AnyArray, AnyArray] | None = None

    def decision(self, arrays: Mapping[str, AnyArray]) -> None:
        """Apply the rows that came before a decision; one that brings a book starts again."""
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
        self._teller = None if forecaster is None else forecaster.teller(symbol)
        self._outlook = None if forecaster is None else np.zeros((1, c.OUTLOOK), np.int64)
        self._view = View(self._x, self._m, self._draw, self._outlook)
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
            if sleeps(k, int(k[sim.NOW])):
                continue
            self._serve(DriverRequest.OBSERVE)
            if self._teller is not None and self._outlook is not None:
                self._teller.tell(self._book[None], self._state[None], self._outlook)
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
            why = engine.run(self._book, k, _NO_FLOW, rows)
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
