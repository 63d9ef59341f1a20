"""The two ways to keep to a schedule: take what is missing, or rest first and cross what did not fill.

A schedule says how many lots should be done by the end of the coming interval (`target`) and, for the passive
way, how many should have been done by now (`due`). Between two decisions nothing can be done, so the end of a
slice is the next decision.
"""

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.execution.intent import AT_TOUCH, REST0, TAKE, Intents
from tercel.execution.strategy import ladder, settle
from tercel.execution.view import View


def lots_of(share: Floats, view: View) -> Ints:
    """int64 (n,): `share` of the parent order in whole lots, half a lot rounded up."""
    return np.floor(share * view.qty0 + 0.5).astype(np.int64)


def take_to(target: Ints, view: View) -> Intents:
    """Take what is missing to have `target` lots done; nothing rests."""
    intents = ladder(view)
    intents[:, TAKE] = np.clip(target - view.done, 0, view.left)
    return settle(intents, view)


def rest_then_cross(due: Ints, target: Ints, view: View) -> Intents:
    """Take the arrears against `due`, and rest at the own touch what then is missing to `target`.

    The resting lots have the coming interval to fill; what does not is in arrears at the next decision and
    crosses.
    """
    intents = ladder(view)
    take = np.clip(due - view.done, 0, view.left)
    intents[:, TAKE] = take
    intents[:, REST0 + AT_TOUCH] = np.clip(target - view.done - take, 0, view.left - take)
    return settle(intents, view)
