"""Confidence sequence of a mean, valid at all sample sizes at once, and a regression that predicts each value from earlier ones.

An interval of fixed size holds at one look. A confidence sequence holds at every look together: who looks after each
order and stops at will errs no more often than its level says. This one is the normal mixture of Robbins (1970) with an
estimated variance (Howard et al., Annals of Statistics 2021; asymptotic: Waudby-Smith et al., Annals of Statistics 2024).
"""

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if

LEVEL: Final = 0.95
LEAST_VALUES: Final = 40
"""Values below which the variance is known too badly for an interval."""


def mixture_variance(planned: float, level: float = LEVEL) -> float:
    """Variance of the mixing normal whose interval is about the narrowest after `planned` values (Howard et al. 2021, 3.5).

    >>> round(1000 * mixture_variance(1000), 2)
    7.94
    """
    twice = 2.0 * log(1.0 / (1.0 - level))
    return (twice + log(1.0 + twice)) / planned


@dataclass(frozen=True, slots=True)
class SequencePoint:
    """State of a confidence sequence at a look.

    Parameters
    ----------
    n : int
        Values so far.
    mean, half : float
        Half of the interval is infinite as long as the variance is unknown.
    p : float
        Always-valid p-value of a mean of 0: the least one at any look so far.
    """

    n: int
    mean: float
    half: float
    p: float


class ConfidenceSequence:
    """Confidence sequence of the mean of values that come one by one, in clusters such as days.

    The variance is the largest of three estimates: of single values; of the sums of clusters, whose values may depend on
    each other; and, where a caller knows it, of values under the hypothesis that an assignment changes nothing. Sums are
    plain additions in the order of the values, so that all machines find the same digits.

    Parameters
    ----------
    planned : float
        Number of values at which the interval is about the narrowest; it holds at all others too.
    level : float

    >>> sequence = ConfidenceSequence(100)
    >>> for number in range(100):
    ...     sequence.add(1.0 + (-1.0) ** number, cluster=number // 10)
    >>> point = sequence.look()
    >>> point.n, point.mean, round(point.half, 3), point.p < 0.001
    (100, 1.0, 0.305, True)
    """

    def __init__(self, planned: float, level: float = LEVEL) -> None:
        refuse_if(
            not (planned >= 1 and 0 < level < 1),
            "1 or more planned values, and a level between 0 and 1",
            f"planned {planned}, level {level}",
            "plan, say, 500 values",
        )
        self._rho2 = mixture_variance(planned, level)
        self._level = level
        self._n = 0
        self._sum = 0.0
        self._squares = 0.0
        self._clusters: dict[object, tuple[float, int]] = {}
        # Sums over clusters of: square of its sum, its sum times its number, square of its number.
        self._cluster_sums = (0.0, 0.0, 0)
        self._p = 1.0
        self._units: dict[object, float] = {}
        self._null_squares = 0.0

    def add(self, value: float, cluster: object, null: float = 0.0, unit: object = None) -> None:
        """Add a value of a cluster, which may be one of an earlier value.

        `null`: its standard deviation, with a sign, were its unit's assignment to change nothing; those of a unit add up.
        """
        before = self._units.get(unit, 0.0)
        self._units[unit] = before + null
        self._null_squares += (before + null) ** 2 - before**2
        self._n += 1
        self._sum += value
        self._squares += value * value
        total, count = self._clusters.get(cluster, (0.0, 0))
        squares, products, counts = self._cluster_sums
        new = total + value
        self._cluster_sums = (
            squares + new * new - total * total,
            products + new * (count + 1) - total * count,
            counts + 2 * count + 1,
        )
        self._clusters[cluster] = (new, count + 1)

    @property
    def clusters(self) -> int:
        """Number of clusters so far."""
        return len(self._clusters)

    @property
    def single_variance(self) -> float:
        """Variance of single values; 0 for fewer than two."""
        spread = self._squares - self._sum * self._sum / max(self._n, 1)
        return max(spread, 0.0) / max(self._n - 1, 1)

    @property
    def variance(self) -> float:
        """Variance of a value, the largest of the estimates; 0 for fewer than two values."""
        mean = self._sum / max(self._n, 1)
        squares, products, counts = self._cluster_sums
        between = squares - 2 * mean * products + mean * mean * counts
        m = self.clusters
        n = max(self._n, 1)
        clustered = between / n * m / (m - 1) if m > 1 else 0.0
        return max(self.single_variance, clustered, self._null_squares / n)

    def look(self, least: int = LEAST_VALUES) -> SequencePoint:
        """The interval and the p-value now; before `least` values the interval is infinite, and nothing is tested."""
        mean = self._sum / self._n if self._n else 0.0
        variance = self.variance
        if self._n < least or variance <= 0:
            return SequencePoint(self._n, mean, inf, self._p)
        growth = self._n * self._rho2 + 1.0
        radius2 = growth / self._rho2 * log(growth / (1.0 - self._level) ** 2)
        exponent = self._rho2 * self._sum * self._sum / variance / (2.0 * growth)
        self._p = min(self._p, sqrt(growth) * exp(-exponent))
        return SequencePoint(self._n, mean, sqrt(radius2 * variance) / self._n, self._p)


class SequentialRidge:
    """Linear regression of a value on features, which predicts a value from those that were added before.

    Parameters
    ----------
    features : int
        Of the scale of 1: the penalty is one unit of each, but for the mean.

    >>> ridge = SequentialRidge(1)
    >>> for x in range(-50, 51):
    ...     ridge.add(np.array([x / 50]), 3.0 + 2.0 * x / 50)
    >>> round(ridge.predict(np.array([1.0])), 2)
    4.94
    """

    def __init__(self, features: int) -> None:
        self._moments = np.diag([1e-9] + [1.0] * features)
        self._products = np.zeros(features + 1)
        self._n = 0
        self._coefficients = np.zeros(features + 1)
        self._fitted = 0

    def add(self, x: Floats, y: float) -> None:
        """Add a value with its features, float64 (features,)."""
        row = np.concatenate(([1.0], x))
        self._moments = self._moments + row[:, None] * row
        self._products = self._products + row * y
        self._n += 1

    def predict(self, x: Floats) -> float:
        """Value expected at features, from the values added so far, fitted again for every twentieth more; 0 before any."""
        if self._n >= self._fitted + 1 + self._fitted // 20:
            self._coefficients = _solve(self._moments, self._products)
            self._fitted = self._n
        return float(self._coefficients[0]) + float(sum((self._coefficients[1:] * x).tolist()))


def _solve(moments: Floats, products: Floats) -> Floats:
    """Solution of positive definite equations by elimination, in elementwise steps: a linear-algebra library rounds differently
    on each processor."""
    matrix = np.column_stack((moments, products))
    for i in range(len(matrix)):
        matrix[i] /= matrix[i, i]
        factors = matrix[:, i].copy()
        factors[i] = 0.0
        matrix -= factors[:, None] * matrix[i]
    return matrix[:, -1].copy()
