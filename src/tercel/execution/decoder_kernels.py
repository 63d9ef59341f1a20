"""Compiled parts of decoders: rounding of rung lots, rows that hold or begin an intent, the placement row."""

from typing import Final

import numpy as np

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c, intent as it

# Whole grains: what rests changes by no less than a 24th of the order.
#
# Shares that change at every decision would leave crumbs of orders standing, until they lose their place in the queue
# for nothing and the book has no room for more.

# Parts of an order.
ROUNDING_PARTS: Final = 24


HOLD: Final = 0
FIRST_REST: Final = 1
# Where actions 1 to 4 rest.
PLACEMENT_RUNGS: Final = np.array([it.IMPROVE, it.AT_TOUCH, it.AT_TOUCH + 1, it.AT_TOUCH + 3])
# Quarters of the slice that actions 5 to 7 take.
SLICE_QUARTERS: Final = np.array([1, 2, 4])
PLACEMENT_FIRST_TAKE: Final = FIRST_REST + len(PLACEMENT_RUNGS)


@kernel
def round_rung_lots(lots: int, resting: int, order_lots: int, least: int) -> int:
    """Lots for a rung where `resting` lots rest: changed by whole grains (`order_lots` / `ROUNDING_PARTS`), towards
    those resting; on a new rung 0 if below both a grain and `least`, else `lots`."""
    grain = order_lots // ROUNDING_PARTS
    if lots > 0 and resting > 0 and grain > 0:  # what a cancel leaves of an order is no crumb
        return resting + int((lots - resting) / grain) * grain
    return 0 if resting == 0 and lots < min(grain, least) else lots


@kernel
def round_lots(x: Longs, intents: Packed) -> None:
    """Round the rungs of intents, int32 (n, 10), in place, so that they differ from resting lots by whole grains, within the
    lots left after the take."""
    for row in range(intents.shape[0]):
        round_row(x[row], intents[row])


@kernel
def round_row(x: Longs, intent: Packed) -> None:
    """Round the rungs of one intent as :func:`round_lots` does."""
    budget = max(x[c.LEFT], 0) - intent[it.TAKE]
    room = budget
    for rung in range(it.K):
        column = it.REST0 + rung
        lots = round_rung_lots(intent[column], x[c.REST0 + rung], x[c.QTY0], budget // 4)
        intent[column] = min(lots, room)
        room -= intent[column]


@kernel
def is_tradable(m: Longs) -> bool:
    """Whether the market is open and both sides are quoted."""
    return bool(m[c.HALTED] == 0 and abs(m[c.TOUCH]) < NO_ASK and abs(m[c.FAR]) < NO_ASK)


@kernel
def hold_row(x: Longs, intent: Packed) -> None:
    """Write an intent that keeps own orders as they are, cut to the lots left from the deepest rung, and sends nothing new."""
    intent[it.OUTSIDE] = it.KEEP
    budget = max(x[c.LEFT], 0)
    for rung in range(it.K):
        lots = min(max(x[c.REST0 + rung], 0), budget)
        intent[it.REST0 + rung] = lots
        budget -= lots


@kernel
def begin_row(x: Longs, m: Longs, intent: Packed) -> bool:
    """Write an intent without lots on the default ladder and return True; where the market is not tradable a hold, and False."""
    side = x[c.SIDE]
    intent[:] = 0
    intent[it.TAKE_LIMIT] = side * it.MARKET_LIMIT
    intent[it.ANCHOR] = m[c.TOUCH] + side * (1 + x[c.UNDERCUT])
    intent[it.OUTSIDE] = it.CANCEL
    intent[it.STEP] = 1
    if is_tradable(m):
        return True
    hold_row(x, intent)
    return False


@kernel
def finish_rows(x: Longs, m: Longs, intents: Packed) -> None:
    """Finish intents, int32 (n, 10), in place: hold where the market is not tradable, cut lots to those left, the take last."""
    for row in range(intents.shape[0]):
        if not is_tradable(m[row]):
            begin_row(x[row], m[row], intents[row])
            continue
        room = max(x[row, c.LEFT], 0)
        for column in range(it.WIDTH):
            if column == it.TAKE or column >= it.REST0:
                intents[row, column] = min(max(intents[row, column], 0), room)
                room -= intents[row, column]


@kernel
def catch_up_rows(x: Longs, m: Longs, late: float, resume: float, intents: Packed) -> None:
    """Increase the takes of intents, int32 (n, 10), in place, where an order is late; see `execution.catch_up`."""
    for row in range(intents.shape[0]):
        time_left = max(x[row, c.DECISIONS] - x[row, c.DECISION], 1) / x[row, c.DECISIONS]
        narrow = np.sqrt(time_left)
        behind = x[row, c.LEFT] / max(x[row, c.QTY0], 1) - time_left
        if is_tradable(m[row]) and behind > late * narrow:
            lots = np.floor((behind - resume * narrow) * x[row, c.QTY0])
            take = min(lots, float(m[row, c.FAR1]))
            intents[row, it.TAKE] = int(max(take, float(intents[row, it.TAKE])))
    finish_rows(x, m, intents)


@kernel
def keep_touch_rows(x: Longs, m: Longs, intents: Packed) -> None:
    """Change intents, int32 (n, 10), in place, at decisions between scheduled ones: lots at the touch or inside stay, up to
    the lots wanted in all; other changes are whole grains."""
    for row in range(intents.shape[0]):
        intent = intents[row]
        passed = x[row, c.HORIZON_NS] - x[row, c.TIME_LEFT_NS]
        if passed == x[row, c.DECISION] * x[row, c.HORIZON_NS] // max(x[row, c.DECISIONS], 1):
            continue
        best = m[row, c.TOUCH] + x[row, c.SIDE] * (1 + x[row, c.UNDERCUT])
        on_ladder = intent[it.ANCHOR] == best and intent[it.STEP] == 1
        room = 0
        for rung in range(it.K):
            room += intent[it.REST0 + rung]
        inside = min(x[row, c.REST0 + it.IMPROVE], room) if on_ladder else 0
        at_touch = min(x[row, c.REST0 + it.AT_TOUCH], room - inside) if on_ladder else 0
        room -= inside + at_touch
        for rung in range(it.K):
            column = it.REST0 + rung
            stays = inside if rung == it.IMPROVE else at_touch if rung == it.AT_TOUCH else 0
            growth = min(max(intent[column] - stays, 0), room)
            room -= growth
            intent[column] = stays + growth
        round_row(x[row], intent)


@kernel
def placement_rows(actions: Longs, x: Longs, m: Longs, intents: Packed) -> None:
    """Write the intents of `placement` actions, int64 (n,), for views `x` (n, PX), `m` (n, MX) into `intents` (int32 (n, 10)).

    Actions are not checked here: one outside the set holds.
    """
    for row in range(actions.shape[0]):
        placement_row(actions[row], x[row], m[row], intents[row])


@kernel
def placement_row(action: int, x: Longs, m: Longs, intent: Packed) -> None:
    """Write the intent of one `placement` action for `x` (PX,), `m` (MX,) into `intent` (10,); a hold for an unknown action."""
    if not begin_row(x, m, intent):
        return
    left = max(x[c.LEFT], 0)
    if action <= HOLD or action >= PLACEMENT_FIRST_TAKE + len(SLICE_QUARTERS):
        hold_row(x, intent)
    elif action < PLACEMENT_FIRST_TAKE:
        intent[it.REST0 + PLACEMENT_RUNGS[action - FIRST_REST]] = left
    else:
        slice_lots = -(-left // max(x[c.DECISIONS] - x[c.DECISION], 1))
        take = -(-slice_lots * SLICE_QUARTERS[action - PLACEMENT_FIRST_TAKE] // 4)
        intent[it.TAKE] = take
        intent[it.REST0 + it.AT_TOUCH] = left - take
