"""Rows applied to an executor's driver: market data with own orders marked, recorded for replay."""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import TapeError
from tercel.desk.trading.parent_orders import kernels
from tercel.execution.driver import Driver
from tercel.execution.driver_kernels import REASONS
from tercel.market.simulator import layout as sim

MARKS: Final = 1024
ROWS: Final = 256
"""Driver rows that there is room for at first."""


class DriverRows:
    """Applies an instrument's market data to a driver, marks own fills in them, and records the rows for replay.

    Parameters
    ----------
    instrument : str
    dense_ids : int
        Exclusive upper bound of order ids in its market data.
    """

    def __init__(self, instrument: str, dense_ids: int) -> None:
        self._instrument = instrument
        self._who_of = np.full(dense_ids, -1, np.int64)
        self._group = np.zeros(kernels.GROUP_WORDS, np.int64)
        self._group_view = self._group.data
        self._marks = np.zeros((MARKS, kernels.MARK_WORDS), np.int64)
        self._rows = np.zeros((ROWS, sim.RECORD_WORDS), np.int64)
        self._count = 0

    def follow(self, driver: Driver, rows: Ints, index: int) -> int:
        """Apply rows from `index` on to a driver and record them, until a decision falls due or the marks are full; returns the
        index of the next row.

        Raises
        ------
        TapeError
            A row that does not fit.
        """
        room = self._reserve(len(rows))
        group = self._group_view
        index = kernels.serve(
            kernels.FollowerRequest.FOLLOW,
            driver.book,
            driver.state,
            rows,
            index,
            self._who_of,
            self._group,
            self._marks,
            room,
        )
        self._count += group[kernels.G_ROWS]
        if group[kernels.G_FAULT]:
            raise TapeError(
                REASONS[group[kernels.G_FAULT]],
                f"row {rows[index].tolist()} of {self._instrument}",
                "subscribe to it again",
            )
        return index

    @property
    def marks(self) -> list[list[int]]:
        """Own fills among the rows applied last, whose reports are to come: own order, passive, mid2, touch2 (half ticks)."""
        n = self._group_view[kernels.G_MARKS]
        return self._marks[:n].tolist() if n else []

    def record(self, row: Ints) -> None:
        """Record a row that was applied to the driver directly."""
        self._reserve(1)[0] = row
        self._count += 1

    def take(self) -> Ints:
        """Return and drop the recorded rows since the last call, int64 (r, 8)."""
        rows = self._rows[: self._count].copy()
        self._count = 0
        return rows

    def map_number(self, number: int, place: int) -> None:
        """Map the venue's number of an order to the driver's order `place`."""
        self._who_of[number] = place
        self._group[
            kernels.G_NS
        ] = -1  # another aggressor, though it may have the number of one before

    def unmap_place(self, place: int) -> None:
        """Drop the venue's number of the driver's order `place`, which the venue may use again from now on."""
        self._who_of[self._who_of == place] = -1

    def _reserve(self, n: int) -> Ints:
        """Space for the next `n` rows in the record, enlarged if needed."""
        if len(self._rows) < self._count + n:
            extension = np.zeros((len(self._rows) + n, sim.RECORD_WORDS), np.int64)
            self._rows = np.concatenate([self._rows[: self._count], extension])
        return self._rows[self._count :]
