"""The Intent: the one sentence that every strategy speaks, an int32 row per market.

It says how many lots to take now and how many to have resting on a ladder of prices; what is in neither is
held back. It states what is *wanted*: reconcile compares it with the own orders that live already and sends
the fewest commands. Rung `j` rests at ``anchor - side * step * j``; a rung at or through the far touch is a
marketable limit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.vocabulary import NO_ASK

TAKE: Final = 0
"""Lots to take now."""
TAKE_LIMIT: Final = 1
"""Worst price for them, ticks."""
ANCHOR: Final = 2
"""Price of rung 0, ticks."""
OUTSIDE: Final = 3
"""What happens to own orders that stand off the ladder: KEEP or CANCEL."""
STEP: Final = 4
"""Ticks between rungs."""
REST0: Final = 5
"""Lots wanted on rung 0; REST0 + j on rung j."""
K: Final = 5
"""Rungs."""
WIDTH: Final = REST0 + K
"""Columns of an intent."""

KEEP: Final = 0
CANCEL: Final = 1

IMPROVE: Final = 0
"""Rung one tick inside the own touch, on the default ladder."""
AT_TOUCH: Final = 1
"""Rung at the own touch, on the default ladder."""
MARKET_LIMIT: Final = NO_ASK
"""``side * MARKET_LIMIT`` as take_limit means any price."""

Intents = NDArray[np.int32]
"""int32 (n, WIDTH)."""


def empty(n: int) -> Intents:
    """`n` intents that want nothing: no lots, and own orders cancelled wherever they stand.

    Anchor and take_limit are 0; see :func:`ladder` for intents ready to be filled in.

    >>> empty(2).tolist()
    [[0, 0, 0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]]
    """
    intents = np.zeros((n, WIDTH), np.int32)
    intents[:, OUTSIDE] = CANCEL
    intents[:, STEP] = 1
    return intents


def ladder(side: NDArray[np.int64], touch: NDArray[np.int64]) -> Intents:
    """Intents with no lots yet on the default ladder: improve, touch, touch-1, touch-2, touch-3; taking at
    any price.

    Parameters
    ----------
    side : int64 (n,)
        +1 buy, -1 sell.
    touch : int64 (n,)
        Best public price of the own side, ticks.

    >>> ladder(np.array([1, -1]), np.array([100, 101]))[:, [TAKE_LIMIT, ANCHOR]].tolist()
    [[1073741824, 101], [-1073741824, 100]]
    """
    intents = empty(len(side))
    intents[:, TAKE_LIMIT] = side * MARKET_LIMIT
    intents[:, ANCHOR] = touch + side
    return intents


def clip(intents: Intents, left: NDArray[np.int64]) -> Intents:
    """The same intents, in place, with negative lots at 0 and take + rest at most `left`.

    What is too much is cut from the back: the deepest rung first, the take last.

    >>> row = empty(1)
    >>> row[0, [TAKE, REST0, REST0 + 1]] = 4, 4, 4
    >>> clip(row, np.array([10]))[0].tolist()
    [4, 0, 0, 1, 1, 4, 2, 0, 0, 0]
    """
    lots = np.empty((len(intents), 1 + K), np.int64)
    lots[:, 0] = intents[:, TAKE]
    lots[:, 1:] = intents[:, REST0:]
    np.maximum(lots, 0, out=lots)
    upto = np.minimum(np.cumsum(lots, axis=1), np.maximum(left, 0)[:, None])
    intents[:, TAKE] = upto[:, 0]
    intents[:, REST0:] = np.diff(upto, axis=1)
    return intents
