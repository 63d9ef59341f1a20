"""How a row of an intent begins, compiled, and the `placement` decoder: no Python between policy and reconcile."""

from typing import Final

import numpy as np

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.execution import intent as i
from tercel.execution import intent as it

# -- grains ---------------------------------------------------------------------------------------
# Whole grains: what rests changes by no less than a 24th of the order.
#
# Shares that change at every decision would leave crumbs of orders standing, until they lose their place in the queue
# for nothing and the book has no room for more.

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


# -- kernels --------------------------------------------------------------------------------------

HOLD: Final = 0
RUNGS: Final = np.array([i.IMPROVE, i.AT_TOUCH, i.AT_TOUCH + 1, i.AT_TOUCH + 3])
"""Where actions 1 to 4 rest."""
QUARTERS: Final = np.array([1, 2, 4])
"""Quarters of the slice that actions 5 to 7 take."""
FIRST_REST: Final = 1
FIRST_TAKE: Final = FIRST_REST + len(RUNGS)


@kernel
def is_tradable(m: Longs) -> bool:
    """Whether the market is open and both sides are quoted."""
    return bool(m[c.HALTED] == 0 and abs(m[c.TOUCH]) < NO_ASK and abs(m[c.FAR]) < NO_ASK)


@kernel
def hold_row(x: Longs, out: Packed) -> None:
    """Own orders stay where they are, and nothing new is sent."""
    out[i.OUTSIDE] = i.KEEP
    budget = max(x[c.LEFT], 0)
    for rung in range(i.K):
        lots = min(max(x[c.REST0 + rung], 0), budget)
        out[i.REST0 + rung] = lots
        budget -= lots


@kernel
def begin_row(x: Longs, m: Longs, out: Packed) -> bool:
    """An intent without lots on the default ladder; False where the market is closed and the row holds."""
    side = x[c.SIDE]
    out[:] = 0
    out[i.TAKE_LIMIT] = side * i.MARKET_LIMIT
    out[i.ANCHOR] = m[c.TOUCH] + side * (1 + x[c.UNDERCUT])
    out[i.OUTSIDE] = i.CANCEL
    out[i.STEP] = 1
    if is_tradable(m):
        return True
    hold_row(x, out)
    return False


@kernel
def decode_placement(actions: Longs, x: Longs, m: Longs, out: Packed) -> None:
    """Write the intents of `actions` (int64 (n,)) into `out` (int32 (n, 10)).

    Actions are not checked here: one outside the set holds.
    """
    for row in range(actions.shape[0]):
        decode_placement_row(actions[row], x[row], m[row], out[row])


@kernel
def decode_placement_row(action: int, x: Longs, m: Longs, out: Packed) -> None:
    """The same for one market: `x` (PX,), `m` (MX,), `out` (10,)."""
    if not begin_row(x, m, out):
        return
    left = max(x[c.LEFT], 0)
    if action <= HOLD or action >= FIRST_TAKE + len(QUARTERS):
        hold_row(x, out)
    elif action < FIRST_TAKE:
        out[i.REST0 + RUNGS[action - FIRST_REST]] = left
    else:
        decisions_left = max(x[c.DECISIONS] - x[c.DECISION], 1)
        slice_lots = -(-left // decisions_left)
        take = -(-slice_lots * QUARTERS[action - FIRST_TAKE] // 4)
        out[i.TAKE] = take
        out[i.REST0 + i.AT_TOUCH] = left - take
