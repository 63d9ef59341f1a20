"""What everybody saw of one symbol since the beginning: the latest rows in memory, those before in a file."""

from array import array
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Final

import numpy as np

from tercel.core.arrays import Ints

RECORDED: Final = 5
"""Time as clients see it, kind, side, ticks, lots."""
_HELD: Final = 2**16


class MarketRecord:
    """Level totals and trades, added in order of time.

    Parameters
    ----------
    held : int
        Rows in memory at most; the others are in a file without a name, 40 bytes each, which goes with the process.

    >>> kept = MarketRecord(held=2)
    >>> for ns in (1, 2, 2, 3):
    ...     kept.add(ns, 10, 1, 100, 5)
    >>> [block[:, 0].tolist() for block in kept.blocks()]
    [[1], [2, 2], [3]]
    """

    def __init__(self, held: int = _HELD) -> None:
        self._rows = array("q")
        self._held = held
        self._file: IO[bytes] | None = None

    def add(self, *row: int) -> None:
        """Add a row; OSError where the disk is full."""
        self._rows.extend(row)
        if len(self._rows) >= self._held * RECORDED:
            if self._file is None:
                self._file = TemporaryFile(prefix="tercel-venue-")  # noqa: SIM115 - open as long as the market is
            self._rows.tofile(self._file)
            del self._rows[:]

    def _parts(self) -> Iterator[Ints]:
        if self._file is not None:
            self._file.seek(0)
            while data := self._file.read(self._held * RECORDED * 8):
                yield np.frombuffer(data, np.int64).reshape(-1, RECORDED)
        yield np.array(self._rows, np.int64).reshape(-1, RECORDED)

    def blocks(self) -> Iterator[Ints]:
        """All rows, int64 (n, 5), some at a time; those of one moment never apart."""
        left = np.zeros((0, RECORDED), np.int64)
        for part in self._parts():
            rows = np.concatenate([left, part])
            cut = int(np.searchsorted(rows[:, 0], rows[-1, 0])) if len(rows) else 0
            if cut:
                yield rows[:cut]
            left = rows[cut:]
        if len(left):
            yield left
