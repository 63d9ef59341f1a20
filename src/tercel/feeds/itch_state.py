"""Layout of the ITCH kernels' arrays: state `w` int64[WORDS], staged rows int64[n, 4], orders int32[n, 8].

The map of references to orders, int64[capacity, 2], holds reference and slot, -1 where an entry is free.
"""

from typing import Final

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
"""Sum of the values that look-ahead has read, so that the reads are not optimised away."""
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
R_NS, R_ID, R_LOTS_PRICE, R_META, ROW = range(5)
"""`R_LOTS_PRICE`: lots << 32 | price in dollars x 10,000 as 32 bits. `R_META`: locate << 32 | kind << 16 |
(side + 1) << 8 | flags. `ROW`: the length."""
O_PRICE, O_SHARES, O_PREV, O_NEXT, O_PLACE, O_LEVEL = range(6)
"""`O_PLACE`: locate * 2, plus 1 for asks."""
ORDER: Final = 8
