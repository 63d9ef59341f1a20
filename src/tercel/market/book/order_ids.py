"""Hash map from 64-bit order ids of an exchange to order slots of a book.

Open addressing with linear probing and backward-shift deletion. An entry is one record of 16 bytes, so that a look-up
costs one cache line. There are no tombstones, so the map never grows: its length is a power of two, at least four
times the orders that it holds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import inlined_kernel, kernel

Ids = NDArray[Any]
"""Entries: `key` int64, `slot` int64 (-1: the entry is empty)."""
ENTRY = np.dtype((np.record, [("key", np.int64), ("slot", np.int64)]))


def new_ids(orders: int) -> Ids:
    """An empty map from exchange ids to slots, with room for this many orders.

    >>> len(new_ids(100))
    512
    """
    ids = np.zeros(1 << (4 * orders - 1).bit_length(), ENTRY)
    ids["slot"] = -1
    return ids


@inlined_kernel
def home_entry(key: int, mask: int) -> int:
    """Preferred position of an id: Fibonacci hashing of the folded id, so that id patterns do not cluster."""
    folded = (key ^ (key >> 29)) * -7046029254386353131  # 2^64 / golden ratio, as a signed number
    return (folded >> 40) & mask


@inlined_kernel
def entry_of(ids: Ids, key: int) -> int:
    """Position of an id in the map, or of the empty entry where it would go."""
    mask = ids.shape[0] - 1
    entry = home_entry(key, mask)
    while ids[entry].slot >= 0 and ids[entry].key != key:
        entry = (entry + 1) & mask
    return entry


@inlined_kernel
def find_entry(ids: Ids, key: int) -> int:
    """Position of an id in the map, or -1."""
    entry = entry_of(ids, key)
    return entry if ids[entry].slot >= 0 else -1


@kernel
def remove_entry(ids: Ids, entry: int) -> None:
    """Remove the entry at a position and close the gap (Knuth, vol. 3, algorithm 6.4 R)."""
    mask = ids.shape[0] - 1
    empty = entry
    following = entry
    while True:
        following = (following + 1) & mask
        if ids[following].slot < 0:
            break
        preferred = home_entry(ids[following].key, mask)
        # stays if its home lies cyclically in (gap, nxt]
        if ((following - preferred) & mask) < ((following - empty) & mask):
            continue
        ids[empty].key = ids[following].key
        ids[empty].slot = ids[following].slot
        empty = following
    ids[empty].slot = -1
