"""What an exchange leaves on disk, to begin again after it was killed: its clock, its market, its orders.

A process that is killed loses nothing of it; a machine that loses power may.
"""

import mmap
import struct
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.files import atomic_path
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.venues.exchange.market import Markets

CLOCK, MARKET, ORDERS = "clock", "market.npz", "orders.db"
_EVERY_NS: Final = 300 * NS_PER_SECOND
"""Time of the exchange between two copies of its market."""


class KeptExchange:
    """The folder of an exchange.

    Parameters
    ----------
    folder : Path
        Made if need be.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.orders = folder / ORDERS
        """The database of its orders (`OrderRecord`)."""
        self._market = folder / MARKET
        self._saved_ns = 0
        with (folder / CLOCK).open("a+b") as file:
            file.truncate(struct.calcsize("q"))
            self._clock = mmap.mmap(file.fileno(), struct.calcsize("q"))

    def load(self, markets: Markets) -> int:
        """Put markets where they were, moved on to the time that the exchange had come to, ns; 0: nothing is kept.

        Raises
        ------
        ConfigError
            A folder of other markets.
        """
        (now_ns,) = struct.unpack("q", self._clock[:])
        if not self._market.exists():
            return 0
        with np.load(self._market) as kept:
            markets.begin_again(kept, now_ns)
        return int(now_ns)

    def save(self, markets: Markets, now_ns: int) -> None:
        """Keep the time, and every five minutes of it the market."""
        self._clock[:] = struct.pack("q", now_ns)
        if not self._saved_ns or now_ns - self._saved_ns >= _EVERY_NS:
            self._saved_ns = now_ns
            with atomic_path(self._market) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **markets.arrays())
