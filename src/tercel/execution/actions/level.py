"""`level`: where what is not taken rests: improve, touch, touch-1, touch-2, touch-3, or nowhere."""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution.actions.choice import checked
from tercel.execution.intent import REST0, TAKE, Intents, K
from tercel.execution.strategy import ladder, settle
from tercel.execution.view import View

LABELS: Final = ("improve", "touch", "touch-1", "touch-2", "touch-3", "nowhere")
NOWHERE: Final = K


def decode(actions: Ints, view: View, take: Ints | int = 0) -> Intents:
    """Intents of `actions`, int64 (n,): take `take` lots now and rest the remainder of what is left at the
    level.

    Parameters
    ----------
    take : int64 (n,), optional
        Lots to take first, as `fraction.lots` gives them: both together are a two-part action.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> decode(np.array([2]), view_of(left=90), take=np.array([40]))[0, [TAKE, REST0 + 2]].tolist()
    [40, 50]
    """
    actions = checked(actions, view.n, LABELS)
    intents = ladder(view)
    taken = np.clip(take, 0, view.left)
    intents[:, TAKE] = taken
    rows = np.flatnonzero(actions != NOWHERE)
    intents[rows, REST0 + actions[rows]] = (view.left - taken)[rows]
    return settle(intents, view)
