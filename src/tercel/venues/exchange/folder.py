"""Folder of a simulated exchange: its time, its markets and its order record, from which a killed one begins again."""

import mmap
import struct
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.files import atomic_path
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.venues.exchange.market import Markets

CLOCK = "clock"
MARKET = "market.npz"
ORDERS = "orders.db"
_EVERY_NS: Final = 300 * NS_PER_SECOND
"""Time of the exchange between two copies of its market."""


class ExchangeFolder:
    """Folder in which an exchange stores its time and its markets.

    Parameters
    ----------
    folder : Path
        Made if need be.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder if need be, and map the file of its time."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.orders = folder / ORDERS
        """The database of its orders (`OrderRecord`)."""
        self._market_path = folder / MARKET
        self._saved_ns = 0
        with (folder / CLOCK).open("a+b") as file:
            file.truncate(struct.calcsize("q"))
            self._clock = mmap.mmap(file.fileno(), struct.calcsize("q"))

    def load(self, markets: Markets) -> int:
        """Restore stored markets, advanced to the exchange's stored time; that time in ns, 0 if nothing is stored.

        Raises
        ------
        ConfigError
            A folder of other markets.
        """
        (now_ns,) = struct.unpack("q", self._clock[:])
        if not self._market_path.exists():
            return 0
        with np.load(self._market_path) as stored:
            markets.restore(stored, now_ns)
        return int(now_ns)

    def save(self, markets: Markets, now_ns: int) -> None:
        """Store the time, and the markets every five minutes of it."""
        self._clock[:] = struct.pack("q", now_ns)
        if not self._saved_ns or now_ns - self._saved_ns >= _EVERY_NS:
            self._saved_ns = now_ns
            with atomic_path(self._market_path) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **markets.arrays())
