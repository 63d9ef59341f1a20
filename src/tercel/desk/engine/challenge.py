"""Paper trials of an agent's champion and of other strategies on the same parent order, and the evidence they give.

All get the same order on the same growing tape (`execution.driver`): what differs is the strategy alone. The desk's own
aggressions are on that tape as withdrawals, so that paper orders are not filled by the desk itself.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.orders import M_AGGRESSOR, M_KIND, MarketRows
from tercel.core.stats.mean_intervals import weighted_interval
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution.paper_trial import PaperTrial
from tercel.execution.strategy import Strategy
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import EXECUTE, REDUCE

MAX_WAITING: Final = 1024
"""Updates of a market that wait at most."""
CHAMPION: Final = ""
"""Name of the champion's own trial; no rival is called so."""


def paper_rows(event: MarketRows, own_orders: Collection[int]) -> Ints:
    """Market data as tape rows, int64 (n, 6); executions that the desk's own aggressive orders made become cancels.

    Parameters
    ----------
    own_orders : collection of int
        The desk's order numbers at the venue.
    """
    rows = event.rows
    tape = rows[
        :, : sim.TAPE_WORDS
    ].copy()  # the words of market data that a tape has come first, in its order
    for row, aggressor in enumerate(rows[:, M_AGGRESSOR].tolist()):
        if aggressor >= 0 and aggressor in own_orders and rows[row, M_KIND] == EXECUTE:
            tape[row, sim.T_KIND] = REDUCE
    return tape


@dataclass(frozen=True)
class PaperSaving:
    """What a champion saved on another strategy in one order, both on paper.

    Parameters
    ----------
    bps : float
        Of the order's value at arrival; below 0: it cost more.
    value : float
        Of the order at arrival, in money.
    """

    bps: float
    value: float


class Challenge:
    """Paper trials of one parent order: the champion and its rivals on the same market data.

    Parameters
    ----------
    book, state : int32[...], int64[...]
        The market at arrival with the order in it (see `execution.paper_trial.PaperTrial`).
    champion : Strategy
    rivals : mapping of name to Strategy
    symbol : str
        The market's.
    unit : float
        Money of one lot for half a tick.
    """

    def __init__(
        self,
        book: Int32,
        state: Ints,
        champion: Strategy,
        rivals: Mapping[str, Strategy],
        symbol: str = "",
        unit: float = 0.5,
    ) -> None:
        self._trials: dict[str, PaperTrial] = {}
        self._failures: dict[str, str] = {}
        for name, strategy in {**rivals, CHAMPION: champion}.items():
            with self._drop_if_failed(name):
                self._trials[name] = PaperTrial(book, state, strategy, symbol)
        self._value = float(state[sim.ARRIVAL_MID2] * state[sim.QUANTITY]) * unit
        self._waiting: list[Ints] = []
        self._seen_ns = int(state[sim.NOW])
        self._refresh()

    @contextmanager
    def _drop_if_failed(self, name: str) -> Iterator[None]:
        """Drop a trial whose strategy raises within the context, and note its error."""
        try:
            yield
        except Exception as error:
            self._failures[name] = f"{type(error).__name__}: {error}"
            self._trials.pop(name, None)

    def _refresh(self) -> None:
        """Update whether all trials are over, and when the next decision is due; without a pair to compare all are over."""
        if CHAMPION not in self._trials or len(self._trials) == 1:
            self._trials = {}
        self.done = all(trial.done for trial in self._trials.values())
        """All are over."""
        self._due_ns = min((trial.due_ns for trial in self._trials.values()), default=FOREVER_NS)

    def on_market(self, rows: Ints) -> None:
        """Buffer rows of :func:`paper_rows` for the trials; rows older than the time reached get that time."""
        if len(rows) and rows[0, sim.T_NS] < self._seen_ns:
            rows = rows.copy()
            rows[:, sim.T_NS] = np.maximum(rows[:, sim.T_NS], self._seen_ns)
        self._waiting.append(rows)

    def advance(self, ns: int) -> None:
        """Advance to `ns`: run all trials when a decision is due or the buffer is full; drop those that fail."""
        self._seen_ns = max(ns, self._seen_ns)
        if self._seen_ns < self._due_ns and len(self._waiting) < MAX_WAITING:
            return
        rows = (
            np.concatenate(self._waiting)
            if self._waiting
            else np.zeros((0, sim.TAPE_WORDS), np.int64)
        )
        self._waiting = []
        for name, trial in list(self._trials.items()):
            with self._drop_if_failed(name):
                trial.feed(rows, self._seen_ns)
        self._refresh()

    @property
    def savings(self) -> dict[str, PaperSaving | str]:
        """What the champion saved on each rival, both on paper, by the rival's name; the error of each trial that failed."""
        saved = {
            name: PaperSaving(
                trial.shortfall_bps - self._trials[CHAMPION].shortfall_bps, self._value
            )
            for name, trial in self._trials.items()
            if name != CHAMPION
        }
        return saved | self._failures


@dataclass(frozen=True)
class Evidence:
    """Paired gain of a challenger over its trials: mean with a 95 % Student interval, bps; NaN below three trials."""

    trials: int
    mean_bps: float
    low_bps: float
    high_bps: float

    @classmethod
    def of(cls, gains_bps: Sequence[float]) -> "Evidence":
        """Evidence from the paired gains (bps) of finished trials."""
        mean, half = weighted_interval(gains_bps, [1.0] * len(gains_bps))
        known_mean = math.nan if mean is None else mean
        known_half = math.nan if half is None else half
        return cls(len(gains_bps), known_mean, known_mean - known_half, known_mean + known_half)

    @property
    def verdict(self) -> str:
        """Text of the comparison: too few to say, better, worse, exactly alike, no significant difference."""
        if self.trials < 3:
            return "too few to say"
        return (
            "better"
            if self.low_bps > 0
            else "worse"
            if self.high_bps < 0
            else "exactly alike"
            if self.low_bps == self.high_bps == 0
            else "no significant difference"
        )

    def __str__(self) -> str:
        """Such as `+1.20 bps [+0.10, +2.30] over 12: better`, or below three trials `2 trials: too few to say`."""
        if self.trials < 3:
            return f"{self.trials} trials: {self.verdict}"
        between = f"[{self.low_bps:+.2f}, {self.high_bps:+.2f}]"
        return f"{self.mean_bps:+.2f} bps {between} over {self.trials}: {self.verdict}"
