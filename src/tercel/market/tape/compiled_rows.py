"""One compiled row: what replay reads of a tape."""

from typing import Final

from tercel.core.jit import Longs, kernel

ROW: Final = 6
"""Words of a compiled row: ns, kind, slot, side, price, lots."""


@kernel
def emit(
    out: Longs, at: int, ns: int, kind: int, slot: int, side: int, price: int, lots: int
) -> int:
    """Write one compiled row; returns the place of the next."""
    out[at, 0] = ns
    out[at, 1] = kind
    out[at, 2] = slot
    out[at, 3] = side
    out[at, 4] = price
    out[at, 5] = lots
    return at + 1
