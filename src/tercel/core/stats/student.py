"""Quantiles of the normal and of Student's t, without SciPy.

With `x = sqrt(v) tan(u)` the distribution of Student's t with `v` degrees of freedom becomes

    F(x) = 1/2 + c * integral from 0 to u of cos(w)^(v - 1) dw,     c = Gamma((v + 1) / 2) / (sqrt(pi) Gamma(v
    / 2))

whose integrand is smooth where it matters, so that a fixed Gauss-Legendre rule gives five figures at least (far out in
the tail of hardly more than one degree of freedom, where it bends most) and usually ten.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from tercel.core.errors import ConfigError

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
# From here on the t quantile differs from the normal one by less than a millionth.
_AS_NORMAL = 1e6
# Standard deviations beyond which nothing is left to integrate: exp(-72).
_FAR = 12.0


def normal_quantile(probability: float) -> float:
    """Value below which a standard normal falls with this probability.

    >>> round(normal_quantile(0.975), 4)
    1.96
    """
    return NormalDist().inv_cdf(probability)


@lru_cache(4096)
def t_quantile(probability: float, freedom: float) -> float:
    """Value below which Student's t with `freedom` (real, at least 1) falls with this probability.

    >>> round(t_quantile(0.975, 2), 4), round(t_quantile(0.975, 29), 4), t_quantile(0.5, 3)
    (4.3027, 2.0452, 0.0)

    Raises
    ------
    ConfigError
        When the probability is not between 0 and 1 or there is less than one degree of freedom.
    """
    if not 0.0 < probability < 1.0 or not freedom >= 1.0:
        raise ConfigError(
            "a probability between 0 and 1 and at least 1 degree of freedom",
            f"probability {probability}, {freedom} degrees of freedom",
            "use more clusters, or a level between 0 and 1",
        )
    if freedom > _AS_NORMAL:
        return normal_quantile(probability)
    # By logarithms: Gamma overflows from some 340 degrees of freedom on.
    mass = abs(probability - 0.5) * math.exp(
        math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)
    )
    target = mass * math.sqrt(math.pi)
    low, high = 0.0, math.pi / 2
    # With many degrees all mass lies near 0, where a rule over the whole angle would have no nodes.
    widest = _FAR / math.sqrt(freedom)
    for _ in range(100):  # bisection on the angle: the integral grows with it
        middle = (low + high) / 2
        if middle in (low, high):
            break
        half = min(middle, widest) / 2
        area = half * float(_WEIGHTS @ np.cos(half * (_NODES + 1.0)) ** (freedom - 1.0))
        low, high = (middle, high) if area < target else (low, middle)
    return math.copysign(math.sqrt(freedom) * math.tan(low), probability - 0.5) if target else 0.0


def weighted_interval(
    values: Sequence[float], weights: Sequence[float], level: float = 0.95, least: int = 3
) -> tuple[float | None, float | None]:
    """Weighted mean and the half width of its Student interval; None where there are too few.

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
    n, total = len(values), float(sum(weights))
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
    """Sums from which :func:`weighted_interval` of what was added, and not taken out again, follows; values are let go.

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
        """Add a value with its weight, or with `times` -1 take it out; those without weight count for nothing."""
        if not (math.isfinite(value) and math.isfinite(weight) and weight > 0):
            return
        x, w = Fraction(value), Fraction(weight)
        self._n += times
        parts = (w, w * x, w * w, w * w * x, w * w * x * x)
        self._sums = [whole + times * part for whole, part in zip(self._sums, parts, strict=True)]

    def interval(self, level: float = 0.95, least: int = 3) -> tuple[float | None, float | None]:
        """Weighted mean and half width, as :func:`weighted_interval` has them."""
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
        """Mean, half width of the 95 % interval, its lower and its upper end."""
        mean, half = self.interval()
        return (
            (mean, None, None, None)
            if mean is None or half is None
            else (mean, half, mean - half, mean + half)
        )
