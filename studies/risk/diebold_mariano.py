"""Whether one forecast's losses are lower than another's, day by day (Diebold and Mariano 1995)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core import DataError


@dataclass(frozen=True)
class DieboldMariano:
    """Outcome of the test.

    Parameters
    ----------
    mean : float
        Mean of first less second loss: below 0 the first forecast is better.
    t : float
        Over its Newey-West standard error; NaN where the losses are the same day by day.
    p : float
        Two-sided, normal.
    """

    mean: float
    t: float
    p: float


def newey_west_error(values: ArrayLike, lags: int) -> float:
    """Standard error of a mean, robust to autocorrelation up to `lags` (Newey and West 1987, Bartlett weights).

    >>> round(newey_west_error([1.0, -1.0, 1.0, -1.0], 0), 3)
    0.5
    """
    x = np.asarray(values, np.float64)
    x = x - x.mean()
    n = len(x)
    total = float(x @ x)
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(x[lag:] @ x[:-lag])
    return math.sqrt(max(total, 0.0)) / n


def diebold_mariano(first: ArrayLike, second: ArrayLike, lags: int = 10) -> DieboldMariano:
    """Compare two forecasts by their losses, float (n,) each, of the same days.

    Raises
    ------
    DataError
        Losses of different lengths, fewer than lags + 2 of them, or NaN.

    >>> diebold_mariano([1.0, 2.0, 1.0, 2.0, 1.0], [2.0, 2.5, 2.2, 2.1, 2.9], lags=1).t < -2
    True
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < lags + 2:
        received = f"shapes {a.shape} and {b.shape} with {lags} lags"
        raise DataError(
            f"two series of losses of the same days, at least {lags + 2}",
            received,
            "use a longer test",
        )
    difference = a - b
    if not np.isfinite(difference).all():
        row = int(np.flatnonzero(~np.isfinite(difference))[0])
        raise DataError(
            "finite losses",
            f"{a[row]} and {b[row]} in row {row}",
            "leave out days without a forecast",
        )
    mean, error = float(difference.mean()), newey_west_error(difference, lags)
    if error == 0.0:
        return DieboldMariano(mean, math.nan, math.nan)
    t = mean / error
    return DieboldMariano(mean, t, math.erfc(abs(t) / math.sqrt(2.0)))
