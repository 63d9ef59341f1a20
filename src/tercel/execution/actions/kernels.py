"""The `placement` decoder compiled, for the batch's inner loop: no Python between policy and reconcile."""

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Ints
from tercel.core.jit import kernel
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.execution import intent as i
from tercel.execution.actions import placement as p

RUNGS = np.array(p.RUNGS)
QUARTERS = np.array(p.QUARTERS)


@kernel
def decode_placement(actions: Ints, x: Ints, m: Ints, out: NDArray[np.int32]) -> None:
    """Write the intents of `actions` (int64 (n,)) into `out` (int32 (n, 10)); equal to `placement.decode`.

    Actions are not checked here: one outside the set holds.
    """
    for row in range(actions.shape[0]):
        decode_placement_row(actions[row], x[row], m[row], out[row])


@kernel
def decode_placement_row(action: int, x: Ints, m: Ints, out: NDArray[np.int32]) -> None:
    """The same for one market: `x` (PX,), `m` (MX,), `out` (10,)."""
    side, left = x[c.SIDE], max(x[c.LEFT], 0)
    out[:] = 0
    out[i.TAKE_LIMIT] = side * i.MARKET_LIMIT
    out[i.ANCHOR] = m[c.TOUCH] + side
    out[i.OUTSIDE] = i.CANCEL
    out[i.STEP] = 1
    tradable = m[c.HALTED] == 0 and abs(m[c.TOUCH]) < NO_ASK and abs(m[c.FAR]) < NO_ASK
    if not tradable or action <= p.HOLD or action >= p.FIRST_TAKE + len(QUARTERS):
        out[i.OUTSIDE] = i.KEEP
        budget = left
        for rung in range(i.K):
            lots = min(max(x[c.REST0 + rung], 0), budget)
            out[i.REST0 + rung] = lots
            budget -= lots
    elif action < p.FIRST_TAKE:
        out[i.REST0 + RUNGS[action - p.FIRST_REST]] = left
    else:
        decisions_left = max(x[c.DECISIONS] - x[c.DECISION], 1)
        slice_lots = -(-left // decisions_left)
        take = -(-slice_lots * QUARTERS[action - p.FIRST_TAKE] // 4)
        out[i.TAKE] = take
        out[i.REST0 + i.AT_TOUCH] = left - take
