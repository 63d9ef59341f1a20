"""Kernels that read ITCH messages: big-endian integers, a message's frame and head, prefetching of coming orders."""

# mypy: disable-error-code="arg-type, return-value"
import numpy as np

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.feeds.itch_format import (
    ACTION,
    ADDED,
    ATTRIBUTED,
    CANCELLED,
    CROSSED,
    DELETED,
    DIRECTORY,
    EXECUTED,
    HEAD,
    LAST_NS,
    OPERATIONAL,
    PRINT,
    REPLACED,
    SYSTEM,
)
from tercel.feeds.itch_state import (
    AHEAD,
    ALL,
    BAD_TIME,
    CLOCK_BACK,
    CLOSE_NS,
    FIRST,
    LONGER,
    MESSAGE,
    NEED_BYTES,
    NO_TYPE,
    NOW_NS,
    O_PRICE,
    ODD,
    OPEN_NS,
    OTHER_STOCK,
    SEEN,
    SESSION_OVER,
    SHORT,
    SPOTS,
    STOP,
    STOP_VALUE,
    TYPES,
    UNKNOWN_TYPE,
)
from tercel.feeds.itch_store import home


@kernel
def be2(b: Bytes, i: int) -> int:
    """Two bytes at `i`, big-endian, as an unsigned integer."""
    u = np.uint64(i)
    return np.int64(b[u]) << 8 | np.int64(b[u + np.uint64(1)])


@kernel
def be4(b: Bytes, i: int) -> int:
    """Four bytes at `i`, big-endian, as an unsigned integer."""
    u = np.uint64(i)
    high = np.int64(b[u]) << 24 | np.int64(b[u + np.uint64(1)]) << 16
    return high | np.int64(b[u + np.uint64(2)]) << 8 | np.int64(b[u + np.uint64(3)])


@kernel
def be6(b: Bytes, i: int) -> int:
    """Six bytes at `i`, big-endian, as an unsigned integer (a time in ns)."""
    return be2(b, i) << 32 | be4(b, i + 2)


@kernel
def be8(b: Bytes, i: int) -> int:
    """Eight bytes at `i`, big-endian, as a signed integer."""
    u = np.uint64(i)
    high = np.int64(b[u]) << 56 | np.int64(b[u + np.uint64(1)]) << 48
    high |= np.int64(b[u + np.uint64(2)]) << 40 | np.int64(b[u + np.uint64(3)]) << 32
    low = np.int64(b[u + np.uint64(4)]) << 24 | np.int64(b[u + np.uint64(5)]) << 16
    return high | low | np.int64(b[u + np.uint64(6)]) << 8 | np.int64(b[u + np.uint64(7)])


@kernel
def count_oddity(w: Longs, oddity: int) -> None:
    """Count an oddity in `w`, and store the number of the message where it came first."""
    if w[ODD + oddity] == 0:
        w[FIRST + oddity] = w[MESSAGE]
    w[ODD + oddity] += 1


@kernel
def look_ahead(b: Bytes, start: int, stop: int, w: Longs, table: Longs, orders: Packed) -> int:
    """Prefetch the entries of the next messages' orders, to be in the cache when needed; number of messages looked at.

    A change of one order waits for three reads in a row, each of them far away when thousands of symbols trade; here
    those of 32 messages are under way at once. Returns how many messages were looked at.
    """
    offset = start
    n = 0
    seen = 0
    while n < AHEAD and offset + 21 < stop:
        y = np.int64(b[np.uint64(offset + 2)])
        w[SPOTS + n] = -1
        if y == ADDED or y == EXECUTED or y == DELETED or y == CANCELLED or y == REPLACED:
            spot = home(be8(b, offset + 13), table.shape[0] - 1)
            w[SPOTS + n] = spot
            seen ^= table[spot, 1]
        offset += 2 + be2(b, offset)
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
def check_message(
    b: Bytes,
    offset: int,
    stop: int,
    w: Longs,
    lengths: Longs,
    names: Longs,
    picks: Longs,
    wanted: Bytes,
) -> int:
    """Check length, type and time of the message at `offset`, and count it in `w`; returns its length, 0 to stop (why
    in `w`). The first message that names a locate's stock sets its `names` and `wanted`.

    `names` int64[65536] are packed stocks by locate (0 unknown), `picks` those that are wanted, `wanted` uint8[65536]
    what follows for each locate (0 not known yet, 1 yes, 2 no).
    """
    if offset + 2 > stop:
        w[STOP] = NEED_BYTES
        return 0
    n = be2(b, offset)
    if n == 0:
        w[STOP] = SESSION_OVER
        return 0
    if offset + 2 + n > stop:
        w[STOP] = NEED_BYTES
        return 0
    y = np.int64(b[offset + 2])
    need = lengths[y]
    letter = (65 <= y <= 90) or (97 <= y <= 122)
    if not letter or n < max(need, HEAD):
        w[STOP] = SHORT if letter else NO_TYPE
        w[STOP_VALUE] = n if letter else y
        return 0
    ns = be6(b, offset + 7)
    if ns > LAST_NS:
        w[STOP], w[STOP_VALUE] = BAD_TIME, ns
        return 0
    if need > 0:
        name_offset = (
            offset + 26
            if y == ADDED or y == ATTRIBUTED or y == PRINT
            else offset + 21
            if y == CROSSED
            else offset + 13
            if y == DIRECTORY or y == ACTION or y == OPERATIONAL
            else 0
        )
        if name_offset > 0:
            locate = be2(b, offset + 3)
            name = be8(b, name_offset)
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
        count_oddity(w, CLOCK_BACK)
    else:
        w[NOW_NS] = ns
    if need == 0:
        count_oddity(w, UNKNOWN_TYPE)
    elif n > need:
        count_oddity(w, LONGER)
    if y == SYSTEM:
        event = b[offset + 13]
        if event == 81:  # Q
            w[OPEN_NS] = ns
        elif event == 77:  # M
            w[CLOSE_NS] = ns
    return n
