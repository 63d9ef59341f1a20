"""Quantiles of the normal and of Student's distribution, p-values and their corrections, power, deflated Sharpe ratios."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import ConfigError, DataError

# -- student --------------------------------------------------------------------------------------
# Normal and Student's distributions, and what rests on them: power, shares, deflated Sharpe ratios.

# -- student --------------------------------------------------------------------------------------
# Quantiles of the normal and of Student's t, without SciPy.
#
# With `x = sqrt(v) tan(u)` the distribution of Student's t with `v` degrees of freedom becomes
#
#     F(x) = 1/2 + c * integral from 0 to u of cos(w)^(v - 1) dw,     c = Gamma((v + 1) / 2) / (sqrt(pi) Gamma(v
#     / 2))
#
# whose integrand is smooth where it matters, so that a fixed Gauss-Legendre rule gives five figures at least (far out in
# the tail of hardly more than one degree of freedom, where it bends most) and usually ten.

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


# -- power ----------------------------------------------------------------------------------------
# What a test could have seen: the smallest true gain that it would have found most of the time.
#
# A gain g with standard error s is called positive when g / s exceeds the t quantile of the level; the gain that does so
# with probability `power` is the sum of both quantiles, times s (Cohen 1988, "Statistical power analysis", 2).

POWER = 0.8


def detectable_gain(
    error: float, freedom: float, *, level: float = 0.95, power: float = POWER
) -> float:
    """Smallest true gain whose interval of `level` excludes zero with probability `power`, in the error's unit.

    Parameters
    ----------
    error : float
        Standard error of the estimated gain.
    freedom : float
        Degrees of freedom of the interval; at least 1.

    >>> round(detectable_gain(1.0, 1e9), 3), round(detectable_gain(0.5, 4), 2)
    (2.802, 1.86)
    """
    first = t_quantile(0.5 + level / 2.0, freedom)
    # Student's here too: with few clusters the normal would promise power that is not there.
    second = normal_quantile(power) if freedom > 1e6 else t_quantile(power, freedom)
    return (first + second) * error


def needed(sd: float, gain: float = 1.0, *, level: float = 0.95, power: float = POWER) -> int:
    """Independent differences of standard deviation `sd` from which a true gain is found with probability `power`.

    >>> needed(10.0), round(detectable_gain(10.0 / 785**0.5, 1e9), 2)
    (785, 1.0)
    """
    # Normal quantiles: the number is what is asked for, so its degrees of freedom are not known yet.
    return max(
        ceil(((normal_quantile(0.5 + level / 2.0) + normal_quantile(power)) * sd / gain) ** 2), 2
    )


# -- shares ---------------------------------------------------------------------------------------
# Share of successes with its interval.


def wilson(hits: int, n: int) -> tuple[float | None, float | None, float | None]:
    """Share of hits and its 95 % interval (Wilson, 1927).

    >>> [round(one, 3) for one in wilson(6, 10)]
    [0.6, 0.313, 0.832]
    """
    if not n:
        return None, None, None
    z, share = normal_quantile(0.975), hits / n
    centre, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


# -- deflated -------------------------------------------------------------------------------------
# The deflated Sharpe ratio for paired gains: a score corrected for being the best of many tried.
#
# The Sharpe ratio of a policy is that of its paired gains over independent clusters, SR = mean / sd. The best of N
# variants without any merit is expected to show (Bailey and Lopez de Prado 2014, "The deflated Sharpe ratio", J.
# Portfolio Management 40(5))
#
#     SR* = sd(SR over variants) [(1 - g) z(1 - 1/N) + g z(1 - 1/(N e))],     g = 0.5772..., z the normal quantile
#
# and the deflated score is the probability that the true ratio exceeds this,
#
#     Phi[(SR - SR*) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2)]
#
# over n clusters. The ratios of the variants are not recorded: their sd is taken as sampling error alone,
# 1 / sqrt(n - 1), what N variants that do not differ would show.

EULER = 0.5772156649015329


@dataclass(frozen=True)
class DeflatedScore:
    """A score held against the best of N without merit.

    Parameters
    ----------
    ratio : float
        Mean over sd of the gains.
    best_of_none : float
        SR*: what the best of N variants without merit shows.
    probability : float
        That the true ratio exceeds it.
    variants, clusters : int
        N, and the independent gains behind the ratio.
    """

    ratio: float
    best_of_none: float
    probability: float
    variants: int
    clusters: int


def expected_best(variants: int, sd: float) -> float:
    """Expected largest of N independent normal ratios of mean 0 and standard deviation `sd`; 0 for one.

    >>> expected_best(1, 1.0), round(expected_best(100, 1.0), 3)
    (0.0, 2.531)
    """
    if variants <= 1:
        return 0.0
    # Extreme value theory's mean of the largest of N (Bailey & Lopez de Prado 2014).
    near, far = (
        normal_quantile(1.0 - 1.0 / variants),
        normal_quantile(1.0 - 1.0 / (variants * math.e)),
    )
    return sd * ((1.0 - EULER) * near + EULER * far)


def exceeds(ratio: float, target: float, values: int, skew: float, kurtosis: float) -> float:
    """Probability that the true ratio exceeds `target` (the probabilistic Sharpe ratio); kurtosis 3 is normal's."""
    # Variance of a Sharpe ratio of returns that are not normal (Mertens 2002); far from normal it can turn negative.
    spread = math.sqrt(max(1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2, 1e-12))
    return NormalDist().cdf((ratio - target) * math.sqrt(values - 1.0) / spread)


def deflate(gains: ArrayLike, variants: int) -> DeflatedScore:
    """Deflate the ratio of independent gains, float (n,), for the number of variants tried.

    Parameters
    ----------
    gains : array_like (n,)
        One a cluster: independent. At least 3 that vary.
    variants : int
        N, at least 1.

    Raises
    ------
    DataError
        Too few gains, gains that do not vary, or no variant.

    >>> deflate([1.0, 2.0, 3.0, 2.5, 1.5], 1).probability > 0.95
    True
    """
    x = np.asarray(gains, np.float64)
    sd = float(x.std(ddof=1)) if x.ndim == 1 and len(x) >= 3 else 0.0
    if not sd > 0.0 or variants < 1:
        raise DataError(
            "at least 3 gains that vary, of 1 variant or more",
            f"{x.shape} gains of sd {sd:g}, {variants} variants",
            "judge more episodes",
        )
    # The ratio by the unbiased sd, the moments of shape by the plain one, as both are defined.
    ratio, away = float(x.mean()) / sd, (x - x.mean()) / x.std()
    skew, kurtosis = float((away**3).mean()), float((away**4).mean())
    target = expected_best(variants, 1.0 / math.sqrt(len(x) - 1.0))
    return DeflatedScore(
        ratio, target, exceeds(ratio, target, len(x), skew, kurtosis), variants, len(x)
    )


# -- p values -------------------------------------------------------------------------------------
# How surprising a studentised estimate is, and what is left of the surprise when many are looked at.
#
# The two-sided tail of Student's t is a regularised incomplete beta function, evaluated by Lentz's continued fraction
# (Press et al. 2007, "Numerical Recipes", 6.4): it keeps its relative accuracy far out, where one minus a distribution
# function has none left. Many tests are corrected after Benjamini and Hochberg (1995, JRSS B 57): among those called
# significant at level q, the expected share of false ones is at most q; or after Holm (1979, Scandinavian Journal of
# Statistics 6), which bounds the chance of a single false one.

_TINY = 1e-300
_STEPS = 20_000


def two_sided_p(t: float, freedom: float) -> float:
    """Probability that |T| exceeds |t| for Student's t with `freedom` (real, at least 1).

    >>> round(two_sided_p(2.2621572, 9), 6), two_sided_p(0.0, 3), two_sided_p(math.inf, 3)
    (0.05, 1.0, 0.0)

    Raises
    ------
    ConfigError
        Less than one degree of freedom, or a t that is no number.
    """
    if not freedom >= 1.0 or math.isnan(t):
        raise ConfigError(
            "a number and at least 1 degree of freedom", f"t {t}, {freedom}", "use more clusters"
        )
    if math.isinf(t):
        return 0.0
    if freedom > _AS_NORMAL:
        return math.erfc(abs(t) / math.sqrt(2.0))
    # Both x and 1 - x are given: for large t one minus the other has no digits left.
    return _incomplete_beta(
        freedom / 2.0, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t)
    )


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b) with `rest` = 1 - x, given apart so that neither loses digits."""
    if x <= 0.0 or rest <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    )
    # The fraction converges fast on this side alone; the other is reached by I_x(a, b) = 1 - I_(1-x)(b, a).
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function."""
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        change = 1.0
        for term in (even, odd):
            d = 1.0 / _off_zero(1.0 + term * d)
            c = _off_zero(1.0 + term / c)
            change = c * d
            value *= change
        if abs(change - 1.0) < 1e-15:
            break
    return value


def _off_zero(value: float) -> float:
    # Lentz's method divides by it (Press et al. 2007, 5.2).
    return value if abs(value) > _TINY else _TINY


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of m tests, float64 (m,): below q exactly where the step-up procedure at level q rejects.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).tolist()
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]

    Raises
    ------
    ConfigError
        Anything that is no probability.
    """
    values = _probabilities(p)
    order = np.argsort(values)[::-1]
    scaled = values[order] * len(values) / np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    # Step up, from the largest p: no test may have a larger adjusted value than one less significant.
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of m tests, float64 (m,): below a exactly where Holm's step-down procedure at level a rejects.

    >>> holm([0.01, 0.04, 0.03, 0.5]).tolist()
    [0.04, 0.09, 0.09, 0.5]

    Raises
    ------
    ConfigError
        Anything that is no probability.
    """
    values = _probabilities(p)
    order = np.argsort(values)
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    # Step down, from the smallest p: after the first that fails no later one may pass.
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _probabilities(p: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(p, np.float64)
    if values.ndim != 1 or not ((values >= 0.0) & (values <= 1.0)).all():
        raise ConfigError(
            "probabilities, one a test", f"{values}", "leave out tests without a result"
        )
    return values
