"""Kernels of the order store of an ITCH file: the map of references to orders, and the free list of order slots.

The map is open addressing with linear probing and backward-shift deletion, int64[capacity, 2] of (reference, slot),
capacity a power of two at least twice the order slots.
"""

# mypy: disable-error-code="arg-type, return-value"
from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds.itch_state import FREE, HIGH, LIVE, O_NEXT, PEAK

U32 = 0xFFFFFFFF


@kernel
def home(ref: int, mask: int) -> int:
    """Preferred index of a reference in a map of `mask` + 1 entries, by its hash."""
    h = ref * -7046029254386353131  # 2^64 / golden ratio, as a signed number
    h = (
        h ^ ((h >> 32) & U32)
    ) * -7046029254386353131  # once is not enough for references that grow in fours
    return (h >> 32) & mask


@kernel
def place_of(table: Longs, ref: int) -> int:
    """Index of a reference's entry in the map, or of the free entry (slot -1) where it would go."""
    mask = table.shape[0] - 1
    entry = home(ref, mask)
    while table[entry, 1] >= 0 and table[entry, 0] != ref:
        entry = (entry + 1) & mask
    return entry


@kernel
def forget(table: Longs, entry: int) -> None:
    """Remove the entry at a position and close the gap (Knuth, vol. 3, algorithm 6.4 R)."""
    mask = table.shape[0] - 1
    gap = entry
    nxt = entry
    while True:
        nxt = (nxt + 1) & mask
        if table[nxt, 1] < 0:
            break
        preferred = home(table[nxt, 0], mask)
        if ((nxt - preferred) & mask) < ((nxt - gap) & mask):
            continue  # its home lies behind the gap
        table[gap, 0] = table[nxt, 0]
        table[gap, 1] = table[nxt, 1]
        gap = nxt
    table[gap, 1] = -1


@kernel
def allocate(w: Longs, orders: Packed) -> int:
    """Take an order slot from the free list, else the next unused one, and return it; the caller made sure that there is one."""
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
    """Return an order slot to the free list."""
    orders[slot, O_NEXT] = w[FREE]
    w[FREE] = slot
    w[LIVE] -= 1


@kernel
def rehash(old: Longs, new: Longs) -> None:
    """Copy every entry of a map into a larger, empty map."""
    for i in range(old.shape[0]):
        if old[i, 1] >= 0:
            entry = place_of(new, old[i, 0])
            new[entry, 0] = old[i, 0]
            new[entry, 1] = old[i, 1]
