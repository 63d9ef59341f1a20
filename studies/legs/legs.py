"""Legs of a batch: orders that begin in worlds where others have ended, and figures of what is measured over worlds."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studies.legs import kernels
from tercel.core import CapacityError
from tercel.core.stats import t_quantile
from tercel.lab.evaluation import Episodes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def begin_legs(
    episodes: Episodes,
    which: Ints,
    *,
    side: ArrayLike,
    lots: ArrayLike,
    until_ns: ArrayLike,
    decisions: ArrayLike,
    run_out: bool,
) -> None:
    """An order begins now in each market of `which`; nothing else in it changes.

    Parameters
    ----------
    side, lots, until_ns, decisions : int or int64 (len(which),)
        +1 or -1, lots (0: the market runs on alone), horizon as market time, decisions until then.
    run_out : bool
        Whether a leg lasts to its horizon when nothing is left of it.

    Raises
    ------
    CapacityError
        Own lots of the order before are still alive.
    """
    legs = np.zeros((len(which), kernels.LEG_WORDS), np.int64)
    fields = (side, lots, until_ns, decisions, int(run_out))
    for column, value in enumerate(fields):
        legs[:, column] = value
    view = episodes.view
    refused = kernels.begin_legs(
        episodes.books,
        episodes.states,
        episodes.source.flow,
        legs,
        np.asarray(which, np.int64),
        view.x,
        view.m,
        view.draw,
    )
    if refused:
        remedy = "take the order before back, and wait until that is acknowledged"
        raise CapacityError(
            "markets in which nothing of ours is alive",
            f"{refused} of {len(which)} with lots",
            remedy,
        )


def figure(values: ArrayLike) -> dict[str, float | int | None]:
    """Mean over worlds with its 95 % interval and standard error; values that are not finite are left out.

    >>> figure([1.0, 3.0, float("nan")])["mean"], figure([1.0])["se"]
    (2.0, None)
    """
    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    n = len(array)
    if n < 2:
        return {
            "mean": float(array[0]) if n else None,
            "ci_low": None,
            "ci_high": None,
            "se": None,
            "n": n,
        }
    mean, se = float(array.mean()), float(array.std(ddof=1) / math.sqrt(n))
    return with_interval(mean, se, n, n - 1)


def with_interval(mean: float, se: float, n: int, freedom: float) -> dict[str, float | int | None]:
    """A mean over `n` values with the 95 % interval of Student's t.

    >>> with_interval(1.0, 0.0, 2, 1)
    {'mean': 1.0, 'ci_low': 1.0, 'ci_high': 1.0, 'se': 0.0, 'n': 2}
    """
    half = t_quantile(0.975, freedom) * se
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "se": se, "n": n}


def ratio(above: ArrayLike, below: ArrayLike) -> dict[str, float | int | None]:
    """Ratio of two sums over worlds, its error linearised (Cochran 1977, 6.3).

    >>> ratio([2.0, 4.0], [1.0, 2.0])["mean"]
    2.0
    """
    a, b = np.asarray(above, np.float64), np.asarray(below, np.float64)
    n, total = len(a), float(b.sum())
    if n < 2 or total <= 0.0:
        return {"mean": None, "ci_low": None, "ci_high": None, "se": None, "n": n}
    mean = float(a.sum()) / total
    se = float(np.sqrt(np.sum((a - mean * b) ** 2) * n / (n - 1)) / total)
    return with_interval(mean, se, n, n - 1)
