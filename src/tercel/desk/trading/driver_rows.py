"""Market data into a driver, and the record of every row the driver was given since the last journaled decision."""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import TapeError
from tercel.desk.trading import executor_kernels as kernels
from tercel.execution.driver import Driver
from tercel.execution.driver_kernels import REASONS
from tercel.market.simulator import layout as sim

MARKS: Final = 1024
ROWS: Final = 256
"""Driver rows that there is room for at first."""


class DriverRows:
    """Applies market data of one instrument to a driver, marks own orders, and records what was applied.

    Parameters
    ----------
    instrument : str
    dense_ids : int
        Ids in its market data lie below.
    """

    def __init__(self, instrument: str, dense_ids: int) -> None:
        self._instrument = instrument
        self._who_of = np.full(dense_ids, -1, np.int64)
        self._group = np.zeros(kernels.GROUP_WORDS, np.int64)
        self._words = self._group.data
        self._marks = np.zeros((MARKS, kernels.MARK_WORDS), np.int64)
        self._rows = np.zeros((ROWS, sim.RECORD_WORDS), np.int64)
        self._kept = 0

    def follow(self, driver: Driver, rows: Ints, at: int) -> int:
        """Apply rows from `at` on, up to the row before which a decision falls due; the next row's index.

        Raises
        ------
        TapeError
            A row that does not fit.
        """
        room, group = self._room(len(rows)), self._words
        at = kernels.follow(
            driver.book, driver.state, rows, at, self._who_of, self._group, self._marks, room
        )
        self._kept += group[kernels.G_ROWS]
        if group[kernels.G_FAULT]:
            raise TapeError(
                REASONS[group[kernels.G_FAULT]],
                f"row {rows[at].tolist()} of {self._instrument}",
                "subscribe to it anew",
            )
        return at

    @property
    def marks(self) -> list[list[int]]:
        """Own fills in the rows applied last, which reports will follow: own order, passive, mid2, touch2."""
        n = self._words[kernels.G_MARKS]
        return self._marks[:n].tolist() if n else []

    def keep(self, row: Ints) -> None:
        """Record a row that the driver was given directly."""
        self._room(1)[0] = row
        self._kept += 1

    def take(self) -> Ints:
        """Recorded rows since the last call, int64 (r, 8)."""
        rows = self._rows[: self._kept].copy()
        self._kept = 0
        return rows

    def name(self, number: int, own: int) -> None:
        """Map the venue's number of an order to the driver's order `own`."""
        self._who_of[number] = own
        self._group[
            kernels.G_NS
        ] = -1  # another aggressor, though it may have the number of one before

    def forget(self, number: int, own: int) -> None:
        """Drop the mapping of the venue's number, which may be reused from now on."""
        if number >= 0 and self._who_of[number] == own:
            self._who_of[number] = -1

    def _room(self, n: int) -> Ints:
        """Where the next driver rows are kept, `n` at least."""
        if len(self._rows) < self._kept + n:
            more = np.zeros((len(self._rows) + n, sim.RECORD_WORDS), np.int64)
            self._rows = np.concatenate([self._rows[: self._kept], more])
        return self._rows[self._kept :]
