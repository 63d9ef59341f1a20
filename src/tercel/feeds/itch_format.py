"""Format of NASDAQ TotalView-ITCH 5.0: message types, their lengths, and names of stocks.

Integers are big-endian; every message begins with type (1 byte), stock locate (2), tracking number (2) and ns since
midnight (6). In files each message has its length before it (2 bytes); a length of 0 ends the session. Prices are
dollars x 10,000 unless said otherwise. Source: NASDAQ TotalView-ITCH 5.0 specification.
"""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints

NAMES: Final = {
    "S": ("system event", 12),
    "R": ("stock directory", 39),
    "H": ("trading action", 25),
    "Y": ("Reg SHO restriction", 20),
    "L": ("market participant position", 26),
    "V": ("circuit breaker levels", 35),
    "W": ("circuit breaker breached", 12),
    "K": ("IPO quoting period", 28),
    "J": ("auction collar", 35),
    "h": ("operational halt", 21),
    "A": ("add order", 36),
    "F": ("add order with attribution", 40),
    "E": ("order executed", 31),
    "C": ("order executed at a price", 36),
    "X": ("order cancelled in part", 23),
    "D": ("order deleted", 19),
    "U": ("order replaced", 35),
    "P": ("trade of a hidden order", 44),
    "Q": ("cross", 40),
    "B": ("broken trade", 19),
    "I": ("net order imbalance", 50),
    "N": ("retail interest", 20),
    "O": ("direct listing price", 48),
}
"""Name of each message type, and its length in bytes."""
HEAD: Final = 11
"""Bytes that all messages have in common."""
LAST_NS: Final = 86_400_000_000_000
LOCATES: Final = 1 << 16
# Types as the byte that they are.
SYSTEM = ord("S")
DIRECTORY = ord("R")
ACTION = ord("H")
OPERATIONAL = ord("h")
ADDED = ord("A")
ATTRIBUTED = ord("F")
EXECUTED = ord("E")
EXECUTED_AT = ord("C")
CANCELLED = ord("X")
DELETED = ord("D")
REPLACED = ord("U")
PRINT = ord("P")
CROSSED = ord("Q")
BROKEN = ord("B")


def lengths() -> Ints:
    """Length by type, int64[256]; 0 where no type is known.

    >>> int(lengths()[ord("A")]), int(lengths()[ord("?")])
    (36, 0)
    """
    return np.array([NAMES[chr(i)][1] if chr(i) in NAMES else 0 for i in range(256)], np.int64)


def packed_name(stock: str) -> int:
    """The eight bytes of a stock field, padded with blanks, as a signed big-endian integer, as the kernels compare them.

    >>> unpacked_name(packed_name("AAPL"))
    'AAPL'
    """
    return int.from_bytes(stock.encode("ascii").ljust(8), "big", signed=True)


def unpacked_name(packed: int) -> str:
    """Stock name, blanks behind it removed, from the integer of :func:`packed_name`."""
    return int(packed).to_bytes(8, "big", signed=True).decode("latin-1").rstrip()
