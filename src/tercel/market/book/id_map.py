"""Hash map from 64-bit order ids to slots: open addressing with linear probing and backward-shift deletion.

An entry is one record of 16 bytes, so that a look-up costs one cache line. There are no tombstones, so the map never
grows: its length is a power of two, at least four times the orders that it holds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import inlined_kernel, kernel

Ids = NDArray[Any]
"""Entries: `key` int64, `slot` int64 (-1: the entry is empty)."""
ENTRY = np.dtype((np.record, [("key", np.int64), ("slot", np.int64)]))


def new_ids(orders: int) -> Ids:
    """An empty map with room for so many orders.

    >>> len(new_ids(100))
    512
    """
    ids = np.zeros(1 << (4 * orders - 1).bit_length(), ENTRY)
    ids["slot"] = -1
    return ids


@inlined_kernel
def home_of(key: int, mask: int) -> int:
    """Preferred position of an id: Fibonacci hashing of the folded id, so that id patterns do not cluster."""
    h = (key ^ (key >> 29)) * -7046029254386353131  # 2^64 / golden ratio, as a signed number
    return (h >> 40) & mask


@inlined_kernel
def place_of(ids: Ids, key: int) -> int:
    """Position of an id in the map, or of the empty entry where it would go."""
    mask = ids.shape[0] - 1
    at = home_of(key, mask)
    while ids[at].slot >= 0 and ids[at].key != key:
        at = (at + 1) & mask
    return at


@inlined_kernel
def find(ids: Ids, key: int) -> int:
    """Position of an id in the map, or -1."""
    at = place_of(ids, key)
    return at if ids[at].slot >= 0 else -1


@kernel
def forget(ids: Ids, at: int) -> None:
    """Remove the entry at a position and close the gap (Knuth, vol. 3, algorithm 6.4 R)."""
    mask = ids.shape[0] - 1
    gap = at
    nxt = at
    while True:
        nxt = (nxt + 1) & mask
        if ids[nxt].slot < 0:
            break
        home = home_of(ids[nxt].key, mask)
        # stays if its home lies cyclically in (gap, nxt]
        if ((nxt - home) & mask) < ((nxt - gap) & mask):
            continue
        ids[gap].key = ids[nxt].key
        ids[gap].slot = ids[nxt].slot
        gap = nxt
    ids[gap].slot = -1
