"""The backward sweep: every action tried from every amount at every moment, last step first.

Own orders do not move what the market does (the assumption of the study), so one pass over the tape says what every
action would have done everywhere, and expected costs to go follow by averages (Nevmyvaka, Feng and Kearns 2006,
section 4).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST: Final = 30
"""Moments a market cell must have been met in; with fewer, what is best over all cells is done there."""


@dataclass(frozen=True, eq=False)
class Tried:
    """What each of A actions does within one step from each of n moments with 1 to I units left.

    Parameters
    ----------
    paid : float64 (n, I, A)
        Cost of what was filled, and of the mid's move on the rest.
    closed : float64 (n, I, A)
        Cost when the rest goes to the market at the end of the step.
    left : float64 (n, I, A)
        Units left after the step, 0 to I.
    following : int64 (n,)
        The moment one step later, -1 where there is none.
    """

    paid: Floats
    closed: Floats
    left: Floats
    following: Ints


def sweep(
    tried: Tried, cells: Ints, count: int, steps: int, least: int = LEAST
) -> tuple[NDArray[np.int8], Floats]:
    """The best action and its expected cost to go.

    Parameters
    ----------
    tried : Tried
    cells : int64 (n, I)
        Which of `count` market cells each moment is in, by units left.
    steps : int
        T, steps from arrival to the horizon.
    least : int
        See `LEAST`.

    Returns
    -------
    actions, values : int8 (T, I, count), float64 (T, I, count)
        Values of cells never met are those over all cells.
    """
    units = cells.shape[1]
    actions, values = np.zeros((steps, units, count), np.int8), np.zeros((steps, units, count))
    for step in range(steps - 1, -1, -1):
        last = step == steps - 1
        known = np.flatnonzero(tried.following >= 0) if not last else np.arange(len(cells))
        total = (
            tried.closed
            if last
            else tried.paid[known] + _to_go(tried, known, cells, values[step + 1])
        )
        for level in range(units):
            actions[step, level], values[step, level] = _best(
                total[:, level], cells[known, level], count, least
            )
    return actions, values


def _to_go(tried: Tried, known: Ints, cells: Ints, values: Floats) -> Floats:
    """Cost to go of what is left, interpolated between whole units: float64 (k, I, A)."""
    left, later = tried.left[known], cells[tried.following[known]]
    at = np.concatenate(
        [np.zeros((len(known), 1)), np.take_along_axis(values.T, later, axis=0)], axis=1
    )
    low = np.floor(left).astype(np.int64)
    high = np.minimum(low + 1, cells.shape[1])
    rows = np.arange(len(known))[:, None, None]
    part = left - low
    return at[rows, low] * (1.0 - part) + at[rows, high] * part


def _best(total: Floats, cell: Ints, count: int, least: int) -> tuple[Ints, Floats]:
    """Action of the smallest mean and that mean, for each cell: int64 (count,), float64 (count,)."""
    met = np.bincount(cell, minlength=count)
    sums = np.stack(
        [np.bincount(cell, weights=column, minlength=count) for column in total.T], axis=1
    )
    overall = total.mean(axis=0)
    means = np.where(met[:, None] > 0, sums / np.maximum(met, 1)[:, None], overall)
    chosen = np.where(met >= least, means.argmin(axis=1), overall.argmin())
    return chosen, means[np.arange(count), chosen]
