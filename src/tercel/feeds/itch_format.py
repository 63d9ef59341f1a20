"""NASDAQ TotalView-ITCH 5.0: the messages, their lengths, and where fields lie in them.

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
"""What each type is called, and its length in bytes."""
HEAD: Final = 11
"""Bytes that all messages have in common."""
LAST_NS: Final = 86_400_000_000_000
LOCATES: Final = 1 << 16

# Types as the byte that they are.
SYSTEM, DIRECTORY, ACTION, OPERATIONAL = ord("S"), ord("R"), ord("H"), ord("h")
ADDED, ATTRIBUTED, EXECUTED, EXECUTED_AT = ord("A"), ord("F"), ord("E"), ord("C")
CANCELLED, DELETED, REPLACED = ord("X"), ord("D"), ord("U")
PRINT, CROSSED, BROKEN = ord("P"), ord("Q"), ord("B")


def lengths() -> Ints:
    """Length by type, int64[256]; 0 where no type is known.

    >>> int(lengths()[ord("A")]), int(lengths()[ord("?")])
    (36, 0)
    """
    table = np.zeros(256, np.int64)
    for name, (_, length) in NAMES.items():
        table[ord(name)] = length
    return table


def packed_name(stock: str) -> int:
    """The eight bytes of a stock field as a signed integer, as the kernels compare them.

    >>> unpacked_name(packed_name("AAPL"))
    'AAPL'
    """
    return int.from_bytes(stock.encode("ascii").ljust(8), "big", signed=True)


def unpacked_name(packed: int) -> str:
    """The stock of an integer of :func:`packed_name`."""
    return int(packed).to_bytes(8, "big", signed=True).decode("latin-1").rstrip()


# -- words of the kernels' state, int64[WORDS] -------------------------------------------------------------------------
TYPES: Final = 0
"""256 counts by type come first."""
MESSAGE, NOW_NS, STOP, STOP_VALUE, ALL, OPEN_NS, CLOSE_NS = range(256, 263)
"""Messages so far; largest time so far, ns since midnight; why the kernel returned, one of the codes below, and what
of; 1 when all symbols are wanted, 0 when those of the list; start and end of market hours by the system events, -1 when
none came."""
FREE, HIGH, LIVE, PEAK, POOL, MOST_LEVELS, FREE_LEVEL, HIGH_LEVEL = range(264, 272)
"""Order store: head of the free list, slots used so far, orders alive, most at once. Book: rungs given out so far, most
levels that a side had, head of the list of free levels, levels used so far."""
ODD: Final = 272
"""Counts of what should not be, in the order of :data:`ODDITIES`; the number of the first such message behind."""
ODDITIES: Final = (
    *("clock_back", "unknown_refs", "duplicate_refs", "beyond_left", "no_shares"),
    *("no_price", "unknown_types", "longer_messages", "odd_fields", "cut_shares"),
)
CLOCK_BACK, UNKNOWN_REF, DUPLICATE_REF, BEYOND_LEFT, NO_SHARES = range(5)
NO_PRICE, UNKNOWN_TYPE, LONGER, ODD_FIELD, CUT_SHARES = range(5, 10)
FIRST: Final = ODD + 16
UNPRINTED: Final = FIRST + 16
"""Executions at a price that are not to be printed; those printed at another price than the order's."""
AWAY: Final = UNPRINTED + 1
SEEN: Final = 319
"""What looking ahead has read, so that it is read."""
AHEAD: Final = 32
"""Messages looked at ahead; their places in the map of orders lie from `SPOTS` on."""
SPOTS: Final = 320
FAR: Final = 1 << 17
"""Entries of the map from which on looking ahead pays: below, the caches hold it, and looking costs a quarter."""
WORDS: Final = SPOTS + AHEAD

NEED_BYTES, NEED_ROWS, NEED_ORDERS, NEED_LEVELS, SESSION_OVER = range(5)
SHORT, NO_TYPE, BAD_TIME, OTHER_STOCK = range(8, 12)
FATAL: Final = SHORT
"""Codes of STOP; those from FATAL on end the file."""

# -- a staged row, int64[4] --------------------------------------------------------------------------------------------
R_NS, R_ID, R_LOTS_PRICE, R_META, ROW = range(5)
"""`R_LOTS_PRICE`: lots << 32 | price in dollars x 10,000 as 32 bits. `R_META`: locate << 32 | kind << 16 |
(side + 1) << 8 | flags. `ROW`: the length."""

# -- an order, int32[8], and the map of references to orders, int64[2] (reference, slot or -1) -------------------------
O_PRICE, O_SHARES, O_PREV, O_NEXT, O_PLACE, O_LEVEL = range(6)
"""`O_PLACE`: locate * 2, plus 1 for asks."""
ORDER: Final = 8
