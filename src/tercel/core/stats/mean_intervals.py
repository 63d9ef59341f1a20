"""Confidence intervals in closed form: Student's of weighted means, Wilson's of shares."""

import math
from collections.abc import Sequence
from fractions import Fraction
from math import sqrt

from tercel.core.stats.quantiles import normal_quantile, t_quantile


def weighted_interval(
    values: Sequence[float], weights: Sequence[float], level: float = 0.95, least: int = 3
) -> tuple[float | None, float | None]:
    """Weighted mean and half width of its Student interval; no half width below `least` values, no mean without values (None).

    The mean is a ratio of sums, its error linearised (Cochran 1977, 6.3); with equal weights it is the plain one.

    Parameters
    ----------
    values, weights : sequence of float
        As many of each; weights above 0, such as lots.
    least : int
        Values, at least 2, below which no interval is given.

    >>> weighted_interval([1.0, 3.0], [3, 1])
    (1.5, None)
    >>> mean, half = weighted_interval([1.0, 2.0, 3.0], [1, 1, 1])
    >>> mean, round(half or 0, 4)
    (2.0, 2.4841)
    """
    n = len(values)
    total = float(sum(weights))
    if n == 0 or total <= 0:
        return None, None
    mean = sum(value * weight for value, weight in zip(values, weights, strict=True)) / total
    if n < least:
        return mean, None
    # The residuals of a ratio estimate, weights within the square: a large order's deviation counts as large.
    spread = sum(
        (weight * (value - mean)) ** 2 for value, weight in zip(values, weights, strict=True)
    )
    return mean, t_quantile(0.5 + level / 2, n - 1) * math.sqrt(spread * n / (n - 1)) / total


class WeightedSums:
    """Running sums for :func:`weighted_interval`: values can be added and removed without being stored.

    >>> sums = WeightedSums()
    >>> for value, weight in ((1.0, 1.0), (9.0, 2.0), (2.0, 1.0), (3.0, 1.0)):
    ...     sums.add(value, weight)
    >>> sums.add(9.0, 2.0, -1)
    >>> mean, half = sums.interval()
    >>> mean, round(half or 0, 4)
    (2.0, 2.4841)
    """

    def __init__(self) -> None:
        self._n = 0
        self._sums = [Fraction(0)] * 5

    def add(self, value: float, weight: float, times: int = 1) -> None:
        """Add a value with its weight, or remove it with `times` -1; ignored unless both are finite and the weight above 0."""
        if not (math.isfinite(value) and math.isfinite(weight) and weight > 0):
            return
        x = Fraction(value)
        w = Fraction(weight)
        self._n += times
        parts = (w, w * x, w * w, w * w * x, w * w * x * x)
        self._sums = [total + times * part for total, part in zip(self._sums, parts, strict=True)]

    def interval(self, level: float = 0.95, least: int = 3) -> tuple[float | None, float | None]:
        """Weighted mean and half width, as :func:`weighted_interval` gives them."""
        w, wx, ww, wwx, wwxx = self._sums
        if self._n == 0:
            return None, None
        mean = wx / w
        if self._n < least:
            return float(mean), None
        spread = float(wwxx - 2 * mean * wwx + mean * mean * ww)
        half = (
            t_quantile(0.5 + level / 2, self._n - 1)
            * math.sqrt(spread * self._n / (self._n - 1))
            / float(w)
        )
        return float(mean), half

    def bounds(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Mean, half width of the 95 % interval, its lower and its upper end; None, but for the mean, with too few values."""
        mean, half = self.interval()
        return (
            (mean, None, None, None)
            if mean is None or half is None
            else (mean, half, mean - half, mean + half)
        )


# Share of successes with its interval.
def wilson_interval(hits: int, n: int) -> tuple[float | None, float | None, float | None]:
    """Share of hits, and the lower and upper end of its 95 % interval (Wilson, 1927); all None if `n` is 0.

    >>> [round(one, 3) for one in wilson_interval(6, 10)]
    [0.6, 0.313, 0.832]
    """
    if not n:
        return None, None, None
    z = normal_quantile(0.975)
    share = hits / n
    centre = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
