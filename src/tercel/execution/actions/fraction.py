"""`fraction`: the share of the remaining order to take now; the rest is held back (or rests, see `level`)."""

from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution.actions.choice import checked
from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategy import ladder, settle
from tercel.execution.view import View

PERCENT: Final = (0, 5, 10, 20, 30, 50, 100)
LABELS: Final = tuple(f"take {percent} %" for percent in PERCENT)


def lots(actions: Ints, view: View) -> Ints:
    """int64 (n,): lots that `actions` take, rounded up."""
    percent = np.array(PERCENT)[checked(actions, view.n, LABELS)]
    return np.asarray(-(-view.left * percent // 100))


def decode(actions: Ints, view: View) -> Intents:
    """Intents of `actions`, int64 (n,), an index into `PERCENT`. Nothing rests; own resting orders are
    cancelled.

    Raises
    ------
    ConfigError
        An action outside the set, or not one a market.

    >>> from tercel.execution.probes import view_of
    >>> decode(np.array([1]), view_of(left=90))[0, TAKE]
    np.int32(5)
    """
    intents = ladder(view)
    intents[:, TAKE] = lots(actions, view)
    return settle(intents, view)
