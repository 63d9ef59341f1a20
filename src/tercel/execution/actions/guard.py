"""A guard outside the network: an order that falls too far behind its schedule is brought back by taking.

The order is behind by the share of it that is left less the share of its decisions that is left. Beyond `late` the
guard takes what brings it back to `resume`, at most what is displayed at the far touch. Between the two it does
nothing, so that it does not chatter at one threshold. Both narrow towards the end with the square root of the time that
is left, so that little is left to the horizon. It has no memory: a guarded policy is a function of the view like any
other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import ConfigError
from tercel.execution.intent import REST0, TAKE, Intents, K, View
from tercel.execution.strategy import ladder, settle

# -- guard ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CatchUp:
    """Thresholds of the guard: how far behind an order may fall and where taking brings it, shares of the order.

    Parameters
    ----------
    late : float
        Behind by more than this, it takes.
    resume : float
        How far behind it leaves the order.

    Raises
    ------
    ConfigError
        Anything but 0 <= resume <= late <= 1.

    >>> from tercel.execution.strategy import ladder
    >>> from tercel.execution.probes import view_of
    >>> view = view_of(qty0=100, left=[70, 80], decision=30, decisions=60, far1=500)
    >>> CatchUp(0.3, 0.1).applied(ladder(view), view)[:, TAKE].tolist()
    [0, 22]
    """

    late: float
    resume: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.resume <= self.late <= 1.0:
            raise ConfigError(
                "a guard of 0 <= resume <= late <= 1",
                f"late {self.late}, resume {self.resume}",
                "such as [0.2, 0.1]",
            )

    def applied(self, intents: Intents, view: View) -> Intents:
        """`intents`, changed in place where an order is late, int32 (n, 10)."""
        time_left = view.decisions_left / view.decisions
        narrow = np.sqrt(time_left)
        behind = view.left / np.maximum(view.qty0, 1) - time_left
        lots = np.floor((behind - self.resume * narrow) * view.qty0)
        lots = np.minimum(lots, view.far_depth[:, 0])
        late = (behind > self.late * narrow) & view.tradable
        intents[:, TAKE] = np.where(late, np.maximum(intents[:, TAKE], lots), intents[:, TAKE])
        return settle(intents, view)


def guarded(
    decode: Callable[[AnyArray, View], Intents], thresholds: tuple[float, float]
) -> Callable[[AnyArray, View], Intents]:
    """A decoder behind which the guard stands.

    Raises
    ------
    ConfigError
        Thresholds that are no pair of shares, the first not below the second.
    """
    try:
        late, resume = (float(value) for value in thresholds)
    except (TypeError, ValueError):
        raise ConfigError(
            "a guard of two shares, [late, resume]", f"{thresholds!r}", "such as [0.2, 0.1]"
        ) from None
    catch_up = CatchUp(late, resume)
    return lambda actions, view: catch_up.applied(decode(actions, view), view)


# -- allocation -----------------------------------------------------------------------------------
# `allocation`: continuous shares of what is left over take, improve, touch, touch-1, touch-2, touch-3 and
# hold.
#
# Only the decoder: from shares on the simplex, or logits before a softmax, to whole lots by largest remainder.
# Lots given to hold are held back: they are neither taken nor resting.

ALLOCATION_LABELS: Final = ("take", "improve", "touch", "touch-1", "touch-2", "touch-3", "hold")
ALLOCATION_SIZE: Final = len(ALLOCATION_LABELS)


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


def decode_allocation(shares: NDArray[np.floating], view: View) -> Intents:
    """Intents of `shares`, float (n, 7), non-negative; they need not add up to one.

    Raises
    ------
    ConfigError
        Another shape, or a row that is negative, not finite or all zero.

    >>> from tercel.execution.probes import view_of
    >>> decode_allocation(np.array([[1, 0, 2, 0, 0, 0, 1]]), view_of(left=40))[0].tolist()
    [10, 1073741824, 1000, 1, 1, 0, 20, 0, 0, 0]
    """
    shares = np.asarray(shares, np.float64)
    if shares.shape != (view.n, ALLOCATION_SIZE):
        raise ConfigError(
            f"shares of shape {(view.n, ALLOCATION_SIZE)}",
            f"{shares.shape}",
            f"one column each: {ALLOCATION_LABELS}",
        )
    total = shares.sum(axis=1)
    wrong = (shares < 0).any(axis=1) | ~np.isfinite(total) | (total <= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ConfigError(
            "finite shares >= 0, not all 0",
            f"{shares[row].tolist()} in row {row}",
            "pass logits through a softmax",
        )
    lots = largest_remainder(shares, np.maximum(view.left, 0))
    intents = ladder(view)
    intents[:, TAKE] = lots[:, 0]
    intents[:, REST0:] = lots[:, 1 : 1 + K]
    return settle(intents, view)
