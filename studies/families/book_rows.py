"""Real books as rows and as sequences: what a moment of a recorded day is forecast from, and what came.

A row is the features of :mod:`tercel.execution.foresight.forecaster` at a quarter of a second; a sequence is those of the
last seconds, a second apart. Features look towards the thinner queue of their own moment; all steps of a sequence are
turned the way that its last one looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core import NS_PER_SECOND, DataError, Floats, Ints
from tercel.execution.foresight import NAMES, ODD as MIRRORED
from tercel.market.tape import Lake
from tercel.signals.flow import STEP_NS, FlowDay, read_day
from tercel.signals.flow.train import CLIP

PACE: Final = NS_PER_SECOND // STEP_NS
"""Rows a second."""
ODD: Final = np.arange(len(NAMES)) < MIRRORED
"""Features that change their sign in the mirror; those of the heavy and the thin side change places, the others stay."""
SWAPPED: Final = np.array([NAMES.index(one) for one in ("heavy", "gap_heavy", "gap_thin", "thin")])
STATE: Final = tuple(NAMES.index(one) for one in ("wide", "pace_10", "unrest", "bounce"))
"""Features that say what state a market is in, and of no direction."""
TRAINED: Final = 0.5
CALIBRATED: Final = 0.1
"""Shares of the days that are learned from, and that intervals are calibrated on; the rest is judged."""


def turned(x: NDArray[Any], way: NDArray[Any]) -> NDArray[Any]:
    """Rows (n, F) seen in the mirror where `way` (n,) is below 0."""
    out = np.where(ODD, x * way[:, None], x)
    back = np.flatnonzero(way < 0)
    out[np.ix_(back, SWAPPED)] = x[np.ix_(back, SWAPPED[::-1])]
    return out


@dataclass(frozen=True, eq=False)
class BookDay:
    """A day: features of every quarter of a second, and which rows have a whole sequence and all outcomes.

    Parameters
    ----------
    day : FlowDay
    steps : int
        Of a sequence.
    horizons : tuple of int
        Seconds; a row is usable where all outcomes are known.
    """

    day: FlowDay
    steps: int
    horizons: tuple[int, ...]

    @cached_property
    def rows(self) -> Ints:
        """Usable rows, ascending."""
        known = np.isfinite(np.stack([self.day.scaled(h) for h in self.horizons])).all(axis=0)
        back = self._places(np.arange(len(self.day.at)), self.steps)
        return np.flatnonzero(known & (back >= 0).all(axis=1))

    def _places(self, rows: Ints, steps: int) -> Ints:
        """Rows of the last `steps` seconds of each row, (n, steps), oldest first; -1 where one is not there."""
        at = np.full(len(self.day.bid), -1)
        at[self.day.at] = np.arange(len(self.day.at))
        quotes = self.day.at[rows, None] - PACE * np.arange(steps)[::-1]
        return np.where(quotes >= 0, at[np.maximum(quotes, 0)], -1)

    def sequences(self, rows: Ints, steps: int) -> NDArray[Any]:
        """Features of the last `steps` seconds of some rows, laid out flat, oldest first, (n, steps * F)."""
        places = self._places(rows, steps)
        way = self.day.sign[places] * self.day.sign[rows, None]
        x = self.day.x[places.ravel()].astype(np.float32)
        return turned(x, way.ravel().astype(np.float32)).reshape(len(rows), -1)

    def outcome(self, rows: Ints, horizon: int) -> Floats:
        """Move of the next seconds over its past standard deviation, the way that the features look, (n,)."""
        return np.clip(self.day.scaled(horizon)[rows], -CLIP, CLIP)

    def ns(self, rows: Ints) -> Ints:
        """Time of some rows."""
        return np.asarray(self.day.first_ns + self.day.at[rows] * STEP_NS)


@dataclass(frozen=True, eq=False)
class BookRows:
    """Rows of days apart: `train`, then `calibrate`, then `test`."""

    train: tuple[BookDay, ...]
    calibrate: tuple[BookDay, ...]
    test: tuple[BookDay, ...]

    @property
    def most(self) -> int:
        """Rows that can be learned from."""
        return sum(len(one.rows) for one in self.train)

    def drawn(self, rows: int, seed: int) -> list[Ints]:
        """So many rows of the training days, drawn without replacement, by day and ascending."""
        sizes = np.array([len(one.rows) for one in self.train])
        chosen = np.sort(
            np.random.default_rng([seed, rows]).choice(sizes.sum(), rows, replace=False)
        )
        ends = np.cumsum(sizes)
        parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
        places = zip(self.train, parts, ends - sizes, strict=True)
        return [one.rows[part - begin] for one, part, begin in places]


def every(day: BookDay, seconds: int) -> Ints:
    """Usable rows so many seconds apart."""
    return np.asarray(day.rows[day.day.at[day.rows] % (seconds * PACE) == 0])


def read_book_rows(
    lake: Lake, symbol: str, left_out: Sequence[str], steps: int, horizons: tuple[int, ...]
) -> BookRows:
    """Days of a symbol: the first half learned from, a tenth for intervals, the others judged.

    Raises
    ------
    DataError
        Fewer than 6 days that have rows.
    """
    dates = [date for date in lake.days(symbol) if date not in left_out]
    days = [BookDay(read_day(lake, symbol, date, 1), steps, horizons) for date in dates]
    days = [one for one in days if len(one.rows)]
    if len(days) < 6:
        expected = f"6 days of {symbol} with two-sided quotes, or more"
        raise DataError(expected, f"{len(days)}", "import more days, or name another symbol")
    learned = round(TRAINED * len(days))
    held = learned + max(round(CALIBRATED * len(days)), 1)
    return BookRows(tuple(days[:learned]), tuple(days[learned:held]), tuple(days[held:]))
