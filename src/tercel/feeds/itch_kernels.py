"""The compiled half of the ITCH importer: bytes of a chunk to staged rows of all wanted symbols, in file order.

A message is two bytes of length and its fields, big-endian; an order added (type A, 36 bytes)::

    0024 41 0d18 0002 15d3f2a4b7c1 000000000001e240 42 00000064 4141504c20202020 000f4240
    size A  stock track ns of day  order reference  B  shares   "AAPL    "       100.0000 dollars

A staged row has the price in dollars x 10,000: the tick of a symbol is known when its day is complete.
"""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.market.tape import schema

# mypy: disable-error-code="arg-type, return-value"


# -- itch format ----------------------------------------------------------------------------------
# NASDAQ TotalView-ITCH 5.0: the messages, their lengths, and where fields lie in them.
#
# Integers are big-endian; every message begins with type (1 byte), stock locate (2), tracking number (2) and ns since
# midnight (6). In files each message has its length before it (2 bytes); a length of 0 ends the session. Prices are
# dollars x 10,000 unless said otherwise. Source: NASDAQ TotalView-ITCH 5.0 specification.

# -- itch store ------------------------------------------------------------------------------------
# Orders by reference for the ITCH kernels, and how to read big-endian bytes.
#
# The map is open addressing with linear probing and backward-shift deletion, int64[capacity, 2] of (reference, slot),
# capacity a power of two at least twice the order slots.

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

# -- a staged row, int64[4] --------------------------------------------------------------------------------------------
R_NS, R_ID, R_LOTS_PRICE, R_META, ROW = range(5)
"""`R_LOTS_PRICE`: lots << 32 | price in dollars x 10,000 as 32 bits. `R_META`: locate << 32 | kind << 16 |
(side + 1) << 8 | flags. `ROW`: the length."""

# -- an order, int32[8], and the map of references to orders, int64[2] (reference, slot or -1) -------------------------
O_PRICE, O_SHARES, O_PREV, O_NEXT, O_PLACE, O_LEVEL = range(6)
"""`O_PLACE`: locate * 2, plus 1 for asks."""
ORDER: Final = 8


# -- itch store -----------------------------------------------------------------------------------

U32 = 0xFFFFFFFF


@kernel
def be2(b: Bytes, i: int) -> int:
    """Two bytes as an integer (unsigned places: no look at whether they count from the end, and one load)."""
    u = np.uint64(i)
    return np.int64(b[u]) << 8 | np.int64(b[u + np.uint64(1)])


@kernel
def be4(b: Bytes, i: int) -> int:
    """Four bytes as an integer."""
    u = np.uint64(i)
    high = np.int64(b[u]) << 24 | np.int64(b[u + np.uint64(1)]) << 16
    return high | np.int64(b[u + np.uint64(2)]) << 8 | np.int64(b[u + np.uint64(3)])


@kernel
def be6(b: Bytes, i: int) -> int:
    """Six bytes as an integer: a time."""
    return be2(b, i) << 32 | be4(b, i + 2)


@kernel
def be8(b: Bytes, i: int) -> int:
    """Eight bytes as a signed integer of the same bits."""
    u = np.uint64(i)
    high = np.int64(b[u]) << 56 | np.int64(b[u + np.uint64(1)]) << 48
    high |= np.int64(b[u + np.uint64(2)]) << 40 | np.int64(b[u + np.uint64(3)]) << 32
    low = np.int64(b[u + np.uint64(4)]) << 24 | np.int64(b[u + np.uint64(5)]) << 16
    return high | low | np.int64(b[u + np.uint64(6)]) << 8 | np.int64(b[u + np.uint64(7)])


@kernel
def home(ref: int, mask: int) -> int:
    """Preferred position of a reference in the map."""
    h = ref * -7046029254386353131  # 2^64 / golden ratio, as a signed number
    h = (
        h ^ ((h >> 32) & U32)
    ) * -7046029254386353131  # once is not enough for references that grow in fours
    return (h >> 32) & mask


@kernel
def place_of(table: Longs, ref: int) -> int:
    """Position of a reference, or of the empty place (slot -1) where it would go."""
    mask = table.shape[0] - 1
    at = home(ref, mask)
    while table[at, 1] >= 0 and table[at, 0] != ref:
        at = (at + 1) & mask
    return at


@kernel
def forget(table: Longs, at: int) -> None:
    """Remove the entry at a position and close the gap (Knuth, vol. 3, algorithm 6.4 R)."""
    mask = table.shape[0] - 1
    gap = at
    nxt = at
    while True:
        nxt = (nxt + 1) & mask
        if table[nxt, 1] < 0:
            break
        want = home(table[nxt, 0], mask)
        if ((nxt - want) & mask) < ((nxt - gap) & mask):
            continue  # its home lies behind the gap
        table[gap, 0] = table[nxt, 0]
        table[gap, 1] = table[nxt, 1]
        gap = nxt
    table[gap, 1] = -1


@kernel
def allocate(w: Longs, orders: Packed) -> int:
    """A free slot; the caller has made sure that there is one."""
    slot = w[FREE]
    if slot >= 0:
        w[FREE] = orders[slot, O_NEXT]
    else:
        slot = w[HIGH]
        w[HIGH] += 1
    w[LIVE] += 1
    w[PEAK] = max(w[PEAK], w[LIVE])
    return slot


@kernel
def release(w: Longs, orders: Packed, slot: int) -> None:
    """Return a slot to the free list."""
    orders[slot, O_NEXT] = w[FREE]
    w[FREE] = slot
    w[LIVE] -= 1


@kernel
def odd(w: Longs, what: int) -> None:
    """Count an oddity, and note the message where it came first."""
    if w[ODD + what] == 0:
        w[FIRST + what] = w[MESSAGE]
    w[ODD + what] += 1


@kernel
def rehash(old: Longs, new: Longs) -> None:
    """Put every entry of a map into a larger, empty one."""
    for i in range(old.shape[0]):
        if old[i, 1] >= 0:
            at = place_of(new, old[i, 0])
            new[at, 0] = old[i, 0]
            new[at, 1] = old[i, 1]


@kernel
def look_ahead(b: Bytes, start: int, stop: int, w: Longs, table: Longs, orders: Packed) -> int:
    """Prefetch the entries of the next messages' orders, so that they are in the cache when needed.

    A change of one order waits for three reads in a row, each of them far away when thousands of symbols trade; here
    those of 32 messages are under way at once. Returns how many messages were looked at.
    """
    at = start
    n = 0
    seen = 0
    while n < AHEAD and at + 21 < stop:
        y = np.int64(b[np.uint64(at + 2)])
        w[SPOTS + n] = -1
        if y == ADDED or y == EXECUTED or y == DELETED or y == CANCELLED or y == REPLACED:
            spot = home(be8(b, at + 13), table.shape[0] - 1)
            w[SPOTS + n] = spot
            seen ^= table[spot, 1]
        at += 2 + be2(b, at)
        n += 1
    for k in range(n):
        spot = w[SPOTS + k]
        slot = table[spot, 1] if spot >= 0 else -1
        w[SPOTS + k] = slot
        if slot >= 0:
            seen ^= orders[slot, O_PRICE]
    w[SEEN] ^= seen
    return n


@kernel
def begin(
    b: Bytes,
    at: int,
    stop: int,
    w: Longs,
    lengths: Longs,
    names: Longs,
    picks: Longs,
    wanted: Bytes,
) -> int:
    """Check the frame and head of the message at `at`; returns its length, 0 when the kernel has to return.

    `names` int64[65536] are packed stocks by locate (0 unknown), `picks` those that are wanted, `wanted` uint8[65536]
    what follows for each locate (0 not known yet, 1 yes, 2 no).
    """
    if at + 2 > stop:
        w[STOP] = NEED_BYTES
        return 0
    n = be2(b, at)
    if n == 0:
        w[STOP] = SESSION_OVER
        return 0
    if at + 2 + n > stop:
        w[STOP] = NEED_BYTES
        return 0
    y = np.int64(b[at + 2])
    need = lengths[y]
    letter = (65 <= y <= 90) or (97 <= y <= 122)
    if not letter or n < max(need, HEAD):
        w[STOP] = SHORT if letter else NO_TYPE
        w[STOP_VALUE] = n if letter else y
        return 0
    ns = be6(b, at + 7)
    if ns > LAST_NS:
        w[STOP], w[STOP_VALUE] = BAD_TIME, ns
        return 0
    if need > 0:
        where = (
            at + 26
            if y == ADDED or y == ATTRIBUTED or y == PRINT
            else at + 21
            if y == CROSSED
            else at + 13
            if y == DIRECTORY or y == ACTION or y == OPERATIONAL
            else 0
        )
        if where > 0:
            locate = be2(b, at + 3)
            name = be8(b, where)
            if names[locate] != name:
                if names[locate] != 0:
                    w[STOP], w[STOP_VALUE] = OTHER_STOCK, locate
                    return 0
                names[locate] = name
                wanted[locate] = 1 if w[ALL] == 1 else 2
                for k in range(picks.shape[0]):
                    if picks[k] == name:
                        wanted[locate] = 1
    w[MESSAGE] += 1
    w[TYPES + y] += 1
    if ns < w[NOW_NS]:
        odd(w, CLOCK_BACK)
    else:
        w[NOW_NS] = ns
    if need == 0:
        odd(w, UNKNOWN_TYPE)
    elif n > need:
        odd(w, LONGER)
    if y == SYSTEM:
        event = b[at + 13]
        if event == 81:  # Q
            w[OPEN_NS] = ns
        elif event == 77:  # M
            w[CLOSE_NS] = ns
    return n


# mypy: disable-error-code="return-value, arg-type"


MOST = 1 << 30
"""Lots and ticks stay below this."""
SIDE_KNOWN = 128
"""Flag of a staged print whose side the feed does not mask."""


@kernel
def put(
    rows: Longs,
    at: int,
    ns: int,
    key: int,
    price: int,
    lots: int,
    locate: int,
    kind: int,
    side: int,
    flags: int,
) -> int:
    """Write one staged row; returns the place of the next."""
    rows[at, R_NS] = ns
    rows[at, R_ID] = key
    rows[at, R_LOTS_PRICE] = lots << 32 | (price & U32)
    rows[at, R_META] = locate << 32 | kind << 16 | (side + 1) << 8 | flags
    return at + 1


@kernel
def decode(
    b: Bytes,
    start: int,
    stop: int,
    w: Longs,
    lengths: Longs,
    names: Longs,
    picks: Longs,
    wanted: Bytes,
    table: Longs,
    orders: Packed,
    rows: Longs,
    broken: Longs,
) -> tuple[int, int]:
    """Decode whole messages of `b[start:stop]`; returns where it stopped and the rows written, why in `w[STOP]`."""
    i = start
    at = 0
    room = rows.shape[0] - 2
    far = table.shape[0] >= FAR
    ahead = 0
    while True:
        if far and ahead <= 0:
            ahead = look_ahead(b, i, stop, w, table, orders)
        ahead -= 1
        if at >= room:
            w[STOP] = NEED_ROWS
            return i, at
        if w[LIVE] + 1 >= orders.shape[0]:
            w[STOP] = NEED_ORDERS
            return i, at
        n = begin(b, i, stop, w, lengths, names, picks, wanted)
        if n == 0:
            return i, at
        m = i + 2
        i = m + n
        y = np.int64(b[m])
        locate = be2(b, m + 1)
        if lengths[y] == 0 or wanted[locate] != 1:
            continue
        if y == ADDED or y == ATTRIBUTED:
            ref, shares, price = be8(b, m + 11), be4(b, m + 20), be4(b, m + 32)
            at = _add(w, table, orders, rows, at, ref, locate, b[m + 19], shares, price)
        elif y == EXECUTED or y == EXECUTED_AT or y == CANCELLED or y == DELETED or y == REPLACED:
            at = _change(b, m, y, locate, w, table, orders, rows, at)
        elif y == PRINT:
            side = 1 if b[m + 19] == 66 else -1
            at = _print(w, rows, at, 0, be4(b, m + 32), be4(b, m + 20), locate, side)
        elif y == CROSSED:
            kind = b[m + 39]
            # opening, close, halt or IPO, intraday, as LOBSTER has them
            key = -1 if kind == 79 else -2 if kind == 67 else -3 if kind == 72 else -4
            shares = be8(b, m + 11)
            if shares < 0 or shares >= MOST:
                odd(w, CUT_SHARES)
                shares = MOST - 1
            at = put(
                rows,
                at,
                w[NOW_NS],
                key,
                be4(b, m + 27),
                shares,
                locate,
                schema.CROSS,
                0,
                schema.MESSAGE_END,
            )
        elif y == ACTION:
            state = b[m + 19]
            status = 1 if state == 84 else 0 if state == 81 else -1
            if status < 0 and state != 72 and state != 80:
                odd(w, ODD_FIELD)
            at = put(
                rows, at, w[NOW_NS], 0, status, 0, locate, schema.STATUS, 0, schema.MESSAGE_END
            )
        elif y == OPERATIONAL and b[m + 19] == 81:  # of this market
            status = 1 if b[m + 20] == 84 else -1
            at = put(
                rows, at, w[NOW_NS], 0, status, 0, locate, schema.STATUS, 0, schema.MESSAGE_END
            )
        elif y == BROKEN:
            broken[locate] += 1


@kernel
def _add(
    w: Longs,
    table: Longs,
    orders: Packed,
    rows: Longs,
    at: int,
    ref: int,
    locate: int,
    letter: int,
    shares: int,
    price: int,
) -> int:
    """A new order; one without shares or price makes no row (the latter is remembered, to be recognised)."""
    if letter != 66 and letter != 83:
        odd(w, ODD_FIELD)
        return at
    side = 1 if letter == 66 else -1
    if not _keep(w, table, orders, ref, locate, side, shares, price):
        return at
    return put(
        rows, at, w[NOW_NS], ref, price, shares, locate, schema.ADD, side, schema.MESSAGE_END
    )


@kernel
def _keep(
    w: Longs,
    table: Longs,
    orders: Packed,
    ref: int,
    locate: int,
    side: int,
    shares: int,
    price: int,
) -> bool:
    """Remember an order; whether it belongs on the tape."""
    if shares == 0 or shares >= MOST:
        odd(w, NO_SHARES if shares == 0 else CUT_SHARES)
        return False
    where = place_of(table, ref)
    if table[where, 1] >= 0:
        odd(w, DUPLICATE_REF)
        slot = table[where, 1]
    else:
        slot = allocate(w, orders)
        table[where, 0], table[where, 1] = ref, slot
    orders[slot, O_PRICE], orders[slot, O_SHARES] = price, shares
    orders[slot, O_PLACE] = locate * 2 + (side < 0)
    if price == 0:
        odd(w, NO_PRICE)
    return price != 0


@kernel
def _print(
    w: Longs, rows: Longs, at: int, flags: int, price: int, shares: int, locate: int, side: int
) -> int:
    """A print of a hidden order (or of a visible one away from its price)."""
    if shares == 0 or shares >= MOST or price == 0:
        odd(w, NO_PRICE if price == 0 else NO_SHARES if shares == 0 else CUT_SHARES)
        return at
    return put(
        rows,
        at,
        w[NOW_NS],
        0,
        price,
        shares,
        locate,
        schema.TRADE_HIDDEN,
        side,
        flags | schema.MESSAGE_END,
    )


@kernel
def _change(
    b: Bytes,
    m: int,
    y: int,
    locate: int,
    w: Longs,
    table: Longs,
    orders: Packed,
    rows: Longs,
    at: int,
) -> int:
    """Apply a message on an order in the book; returns the next row."""
    ref, ns = be8(b, m + 11), w[NOW_NS]
    where = place_of(table, ref)
    slot = table[where, 1]
    if slot < 0 or orders[slot, O_PLACE] >> 1 != locate:
        odd(w, UNKNOWN_REF)
        return at
    price, left = orders[slot, O_PRICE] & U32, orders[slot, O_SHARES]
    side = 1 - 2 * (orders[slot, O_PLACE] & 1)
    if y == DELETED or y == REPLACED:
        forget(table, where)
        release(w, orders, slot)
        first = at
        if price != 0:
            at = put(
                rows, at, ns, ref, price, left, locate, schema.DELETE, side, schema.MESSAGE_END
            )
        if y == REPLACED:
            new, shares, price = be8(b, m + 19), be4(b, m + 27), be4(b, m + 31)
            if _keep(w, table, orders, new, locate, side, shares, price):
                at = put(
                    rows, at, ns, new, price, shares, locate, schema.ADD, side, schema.MESSAGE_END
                )
        if at == first + 2:
            rows[first, R_META] &= ~schema.MESSAGE_END
        return at
    taken = be4(b, m + 19)
    if taken == 0:
        odd(w, NO_SHARES)
        return at
    if taken > left:
        odd(w, BEYOND_LEFT)
        taken = left
    if taken == left:
        forget(table, where)
        release(w, orders, slot)
    else:
        orders[slot, O_SHARES] = left - taken
    if price == 0:
        return at
    if y == EXECUTED_AT:
        printed, paid = b[m + 31] == 89, be4(b, m + 32)
        if not printed:
            w[UNPRINTED] += 1
            return put(
                rows, at, ns, ref, price, taken, locate, schema.REDUCE, side, schema.MESSAGE_END
            )
        if paid != price and paid != 0:
            w[AWAY] += 1
            at = put(rows, at, ns, ref, price, taken, locate, schema.REDUCE, side, 0)
            return _print(w, rows, at, SIDE_KNOWN, paid, taken, locate, side)
    kind = schema.REDUCE if y == CANCELLED else schema.EXECUTE
    return put(rows, at, ns, ref, price, taken, locate, kind, side, schema.MESSAGE_END)


@kernel
def gather(rows: Longs, spots: Longs, out: Longs) -> None:
    """Copy rows to where a stable sort by locate puts them: `spots` int64[65536] is the next place of each locate."""
    for i in range(rows.shape[0]):
        locate = rows[i, R_META] >> 32
        k = spots[locate]
        spots[locate] = k + 1
        for j in range(ROW):
            out[k, j] = rows[i, j]


@kernel
def tally(rows: Longs, counts: Longs, active: Longs) -> None:
    """Add up the rows of each locate, all and those that are more than a trading status."""
    for i in range(rows.shape[0]):
        locate = rows[i, R_META] >> 32
        counts[locate] += 1
        active[locate] += ((rows[i, R_META] >> 16) & 255) != schema.STATUS
