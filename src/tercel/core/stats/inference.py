"""Quantiles of the normal and of Student's t, p-values and their corrections, power, ranks, deflated Sharpe ratios."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError

# -- quantiles ------------------------------------------------------------------------------------
# SciPy is imported where it computes: a desk that only sums results never waits for it.

# From here on the t quantile differs from the normal one by less than a millionth.
_AS_NORMAL = 1e6


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
    from scipy import special

    # Exactly 0, where SciPy's root search ends some 1e-16 away from it.
    return 0.0 if probability == 0.5 else float(special.stdtrit(freedom, probability))


def weighted_interval(
    values: Sequence[float], weights: Sequence[float], level: float = 0.95, least: int = 3
) -> tuple[float | None, float | None]:
    """Weighted mean and the half width of its Student interval; None if there are too few values.

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
    # Normal quantiles: the number is the result, so its degrees of freedom are not known yet.
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
# Probability of an estimate so far from 0 by chance, and its correction where many are tested: Benjamini and Hochberg
# (1995, JRSS B 57) bound the expected share of false discoveries, Holm (1979, Scandinavian Journal of Statistics 6) the
# chance of a single one.


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
    from scipy import special

    # The lower tail: one minus the distribution function has no digits left far out.
    return 2.0 * float(special.stdtr(freedom, -abs(t)))


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of m tests, float64 (m,): below q exactly where the step-up procedure at level q rejects.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(6).tolist()
    [0.04, 0.053333, 0.053333, 0.5]

    Raises
    ------
    ConfigError
        Anything that is no probability.
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(_probabilities(p)))


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


# -- ranks ----------------------------------------------------------------------------------------
# Ranks and rank correlation.


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1 along the last axis, float64 of the same shape; ties share the mean of theirs, NaN has none: NaN.

    >>> ranks([3.0, 1.0, 3.0]).tolist()
    [2.5, 1.0, 2.5]
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(np.asarray(values, np.float64), axis=-1, nan_policy="omit"))


def spearman(first: ArrayLike, second: ArrayLike) -> Floats:
    """Spearman's rank correlation along the last axis (Spearman 1904); nan where either side is all equal.

    Parameters
    ----------
    first, second : float64 (..., K)
        K pairs; a pair with a value that is not finite is left out.

    Returns
    -------
    float64 (...)

    Raises
    ------
    ConfigError
        Other lengths.

    >>> float(spearman([1, 2, 3, 4], [10, 20, 40, 30]))
    0.8
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape[-1] != b.shape[-1]:
        raise ConfigError(
            "two values for everything ranked",
            f"{a.shape[-1]} and {b.shape[-1]}",
            "pair them first",
        )
    held = np.isfinite(a) & np.isfinite(b)
    x, y = (_centred_ranks(side, held) for side in (a, b))
    scale = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.asarray(
        np.divide(
            (x * y).sum(axis=-1), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0.0
        )
    )


def _centred_ranks(values: Floats, held: NDArray[np.bool_]) -> Floats:
    """Ranks of the held values, less their mean; 0 for the rest."""
    rank = np.where(held, ranks(np.where(held, values, np.nan)), 0.0)
    mean = rank.sum(axis=-1, keepdims=True) / np.maximum(held.sum(axis=-1, keepdims=True), 1)
    return np.where(held, rank - mean, 0.0)
