"""`allocation`: continuous shares of what is left over take, improve, touch, touch-1, touch-2, touch-3 and
hold.

Only the decoder: from shares on the simplex, or logits before a softmax, to whole lots by largest remainder.
Lots given to hold are held back: they are neither taken nor resting.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError
from tercel.execution.intent import REST0, TAKE, Intents, K
from tercel.execution.strategy import ladder, settle
from tercel.execution.view import View

LABELS: Final = ("take", "improve", "touch", "touch-1", "touch-2", "touch-3", "hold")
SIZE: Final = len(LABELS)


def softmax(logits: NDArray[np.floating]) -> Floats:
    """float64 (n, 7) shares from logits (n, 7)."""
    powers: Floats = np.exp(logits - np.max(logits, axis=1, keepdims=True), dtype=np.float64)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def largest_remainder(shares: NDArray[np.floating], lots: Ints) -> Ints:
    """Whole lots, int64 (n, m), that add up to `lots` (n,) and differ from ``shares * lots`` by less than one
    each.

    Hare's method: everyone gets the whole part, the lots that remain go to the largest fractions, ties to the
    first.

    >>> largest_remainder(np.array([[0.5, 0.25, 0.25]]), np.array([7])).tolist()
    [[3, 2, 2]]
    """
    quota = np.asarray(shares, np.float64) / np.sum(shares, axis=1, keepdims=True) * lots[:, None]
    whole: Ints = np.floor(quota).astype(np.int64)
    order = np.argsort(whole - quota, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    over = (lots - whole.sum(axis=1))[:, None]
    whole += rank < over
    return whole


def decode(shares: NDArray[np.floating], view: View) -> Intents:
    """Intents of `shares`, float (n, 7), non-negative; they need not add up to one.

    Raises
    ------
    ConfigError
        Another shape, or a row that is negative, not finite or all zero.

    >>> from tercel.execution.probes import view_of
    >>> decode(np.array([[1, 0, 2, 0, 0, 0, 1]]), view_of(left=40))[0].tolist()
    [10, 1073741824, 1000, 1, 1, 0, 20, 0, 0, 0]
    """
    shares = np.asarray(shares, np.float64)
    if shares.shape != (view.n, SIZE):
        raise ConfigError(
            f"shares of shape {(view.n, SIZE)}", f"{shares.shape}", f"one column each: {LABELS}"
        )
    total = shares.sum(axis=1)
    wrong = (shares < 0).any(axis=1) | ~np.isfinite(total) | (total <= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        received = f"{shares[row].tolist()} in row {row}"
        raise ConfigError(
            "finite shares >= 0, not all 0", received, "pass logits through `softmax`"
        )
    lots = largest_remainder(shares, np.maximum(view.left, 0))
    intents = ladder(view)
    intents[:, TAKE] = lots[:, 0]
    intents[:, REST0:] = lots[:, 1 : 1 + K]
    return settle(intents, view)
