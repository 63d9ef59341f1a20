"""`sized`: thirteen actions that keep places in the queue and take in units of what is displayed at the far touch.

    0              hold: own orders stay as they are, nothing new
    1 2 3 4 5      rest all that is left at improve, touch, touch-1, touch-2, touch-3
    6              spread all that is left evenly over touch, touch-1, touch-2, touch-3
    7              hide: take every own order back and wait
    8 9 10         take 25, 50, 100 % of the lots displayed at the far touch; own orders stay
    11             take the slice (what is left over the decisions left, rounded up); own orders stay
    12             take 50 % of the lots displayed at the far touch, rest what is left then at the touch

What stays gives way to a take from the back: the deepest rung first.
"""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution.actions.choice import checked
from tercel.execution.intent import AT_TOUCH, CANCEL, KEEP, OUTSIDE, REST0, TAKE, Intents, K
from tercel.execution.strategy import hold, ladder, settle
from tercel.execution.view import View

LABELS: Final = (
    *(
        "hold",
        "rest at improve",
        "rest at touch",
        "rest at touch-1",
        "rest at touch-2",
        "rest at touch-3",
    ),
    *(
        "spread over touch to touch-3",
        "hide",
        "take 25 % of the far touch",
        "take 50 % of the far touch",
    ),
    *("take the far touch", "take the slice", "take 50 % of the far touch, rest at touch"),
)
HOLD, FIRST_REST, SPREAD, HIDE, FIRST_TAKE, SLICE, TAKE_AND_REST = 0, 1, 6, 7, 8, 11, 12
QUARTERS: Final = (1, 2, 4)
"""Quarters of the displayed far touch that actions 8 to 10 take."""


def _takes(actions: Ints, view: View) -> Ints:
    """int64 (n,): lots that the actions take, at most what is left."""
    far = view.far_depth[:, 0]
    quarters = np.zeros(len(LABELS), np.int64)
    quarters[FIRST_TAKE : FIRST_TAKE + len(QUARTERS)] = QUARTERS
    quarters[TAKE_AND_REST] = 2
    lots = -(-far * quarters[actions] // 4)
    lots = np.where(actions == SLICE, -(-view.left // view.decisions_left), lots)
    return np.asarray(np.minimum(lots, np.maximum(view.left, 0)))


def decode(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,) from 0 to 12.

    Where the market is not tradable every action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> view = view_of(left=90, far1=40, rest1=80, rest2=10)
    >>> decode(np.array([9]), view)[0, [0, 3, 5, 6, 7, 8, 9]].tolist()
    [20, 0, 0, 70, 0, 0, 0]
    """
    actions = checked(actions, view.n, LABELS)
    intents = hold(view)
    fresh = ladder(view)
    takes = _takes(actions, view)
    moves = ((actions >= FIRST_REST) & (actions <= HIDE)) | (actions == TAKE_AND_REST)
    intents[moves] = fresh[moves]
    intents[:, OUTSIDE] = np.where(moves, CANCEL, KEEP)
    intents[:, TAKE] = takes
    for rung in range(K):
        intents[actions == FIRST_REST + rung, REST0 + rung] = view.left[
            actions == FIRST_REST + rung
        ]
    rows = actions == TAKE_AND_REST
    intents[rows, REST0 + AT_TOUCH] = (view.left - takes)[rows]
    rows = actions == SPREAD
    share, over = np.divmod(np.maximum(view.left[rows], 0), K - 1)
    for j in range(K - 1):
        intents[rows, REST0 + AT_TOUCH + j] = share + (j < over)
    return settle(intents, view)
