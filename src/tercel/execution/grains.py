"""Whole grains: what rests changes by no less than a 24th of the order.

Shares that change at every decision would leave crumbs of orders standing, until they lose their place in the queue
for nothing and the book has no room for more.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution import intent as it

GRAINS: Final = 24
"""Parts of an order."""


@kernel
def whole_grains(lots: int, stands: int, order: int, least: int) -> int:
    """Lots of a rung on which `stands` lots stand already, of an order of so many: what changes are whole grains, and
    a new one shows a grain, or `least` lots if that is less, or nothing."""
    grain = order // GRAINS
    if lots > 0 and stands > 0 and grain > 0:  # what a cancel leaves of an order is no crumb
        return stands + int((lots - stands) / grain) * grain
    return 0 if stands == 0 and lots < min(grain, least) else lots


@kernel
def keep_grains(x: Longs, out: Packed) -> None:
    """Let the rungs of intents, int32 (n, 10) changed in place, differ from what stands by whole grains alone."""
    for row in range(out.shape[0]):
        budget = max(x[row, c.LEFT], 0) - out[row, it.TAKE]
        room = budget
        for j in range(it.K):
            at = it.REST0 + j
            lots = whole_grains(out[row, at], x[row, c.REST0 + j], x[row, c.QTY0], budget // 4)
            out[row, at] = min(lots, room)
            room -= out[row, at]
