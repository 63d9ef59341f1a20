"""`placement`, the default set of eight actions: where to stand, or how much of the slice to take.

    0        hold: own orders stay as they are, nothing new
    1 2 3 4  rest all that is left at improve, touch, touch-1, touch-3
    5 6 7    take 25, 50, 100 % of the slice now and rest the remainder of all that is left at the touch

The slice is what is left over the decisions left, rounded up; improve is one tick inside the own touch.
"""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution.actions.choice import checked
from tercel.execution.actions.kernels import decode_placement
from tercel.execution.intent import WIDTH, Intents
from tercel.execution.view import View

LABELS: Final = (
    *("hold", "rest at improve", "rest at touch", "rest at touch-1", "rest at touch-3"),
    *("take 25 % of the slice", "take 50 % of the slice", "take 100 % of the slice"),
)


def decode(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,) from 0 to 7.

    Shares of the slice are rounded up and never exceed what is left. Where the market is not tradable every
    action holds.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> view = view_of(side=1, qty0=100, left=90, decision=1, decisions=10, touch=500, far=502)
    >>> decode(np.array([6]), view).tolist()
    [[5, 1073741824, 501, 1, 1, 0, 85, 0, 0, 0]]
    """
    actions = checked(actions, view.n, LABELS)
    intents = np.empty((view.n, WIDTH), np.int32)
    decode_placement(actions, np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), intents)
    return intents
