"""Orders by reference for the ITCH kernels, and how to read big-endian bytes.

The map is open addressing with linear probing and backward-shift deletion, int64[capacity, 2] of (reference, slot),
capacity a power of two at least twice the order slots.
"""

# mypy: disable-error-code="return-value, arg-type"
import numpy as np

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.feeds import itch_format as f

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
    slot = w[f.FREE]
    if slot >= 0:
        w[f.FREE] = orders[slot, f.O_NEXT]
    else:
        slot = w[f.HIGH]
        w[f.HIGH] += 1
    w[f.LIVE] += 1
    w[f.PEAK] = max(w[f.PEAK], w[f.LIVE])
    return slot


@kernel
def release(w: Longs, orders: Packed, slot: int) -> None:
    """Return a slot to the free list."""
    orders[slot, f.O_NEXT] = w[f.FREE]
    w[f.FREE] = slot
    w[f.LIVE] -= 1


@kernel
def odd(w: Longs, what: int) -> None:
    """Count an oddity, and note the message where it came first."""
    if w[f.ODD + what] == 0:
        w[f.FIRST + what] = w[f.MESSAGE]
    w[f.ODD + what] += 1


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
    """Read where the next messages' orders lie, so that the memory is at hand when their turn comes.

    A change of one order waits for three reads in a row, each of them far away when thousands of symbols trade; here
    those of 32 messages are under way at once. Returns how many messages were looked at.
    """
    at = start
    n = 0
    seen = 0
    while n < f.AHEAD and at + 21 < stop:
        y = np.int64(b[np.uint64(at + 2)])
        w[f.SPOTS + n] = -1
        if y == f.ADDED or y == f.EXECUTED or y == f.DELETED or y == f.CANCELLED or y == f.REPLACED:
            spot = home(be8(b, at + 13), table.shape[0] - 1)
            w[f.SPOTS + n] = spot
            seen ^= table[spot, 1]
        at += 2 + be2(b, at)
        n += 1
    for k in range(n):
        spot = w[f.SPOTS + k]
        slot = table[spot, 1] if spot >= 0 else -1
        w[f.SPOTS + k] = slot
        if slot >= 0:
            seen ^= orders[slot, f.O_PRICE]
    w[f.SEEN] ^= seen
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
        w[f.STOP] = f.NEED_BYTES
        return 0
    n = be2(b, at)
    if n == 0:
        w[f.STOP] = f.SESSION_OVER
        return 0
    if at + 2 + n > stop:
        w[f.STOP] = f.NEED_BYTES
        return 0
    y = np.int64(b[at + 2])
    need = lengths[y]
    letter = (65 <= y <= 90) or (97 <= y <= 122)
    if not letter or n < max(need, f.HEAD):
        w[f.STOP] = f.SHORT if letter else f.NO_TYPE
        w[f.STOP_VALUE] = n if letter else y
        return 0
    ns = be6(b, at + 7)
    if ns > f.LAST_NS:
        w[f.STOP], w[f.STOP_VALUE] = f.BAD_TIME, ns
        return 0
    if need > 0:
        where = (
            at + 26
            if y == f.ADDED or y == f.ATTRIBUTED or y == f.PRINT
            else at + 21
            if y == f.CROSSED
            else at + 13
            if y == f.DIRECTORY or y == f.ACTION or y == f.OPERATIONAL
            else 0
        )
        if where > 0:
            locate = be2(b, at + 3)
            name = be8(b, where)
            if names[locate] != name:
                if names[locate] != 0:
                    w[f.STOP], w[f.STOP_VALUE] = f.OTHER_STOCK, locate
                    return 0
                names[locate] = name
                wanted[locate] = 1 if w[f.ALL] == 1 else 2
                for k in range(picks.shape[0]):
                    if picks[k] == name:
                        wanted[locate] = 1
    w[f.MESSAGE] += 1
    w[f.TYPES + y] += 1
    if ns < w[f.NOW_NS]:
        odd(w, f.CLOCK_BACK)
    else:
        w[f.NOW_NS] = ns
    if need == 0:
        odd(w, f.UNKNOWN_TYPE)
    elif n > need:
        odd(w, f.LONGER)
    if y == f.SYSTEM:
        event = b[at + 13]
        if event == 81:  # Q
            w[f.OPEN_NS] = ns
        elif event == 77:  # M
            w[f.CLOSE_NS] = ns
    return n
