"""Corrections for many comparisons: adjusted p-values (Benjamini-Hochberg, Holm), and the deflated Sharpe ratio of the best."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import DataError, refuse_if
from tercel.core.stats.quantiles import normal_quantile

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
    """A Sharpe ratio and the ratio expected from the best of N variants without merit.

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
    near = normal_quantile(1.0 - 1.0 / variants)
    far = normal_quantile(1.0 - 1.0 / (variants * math.e))
    return sd * ((1.0 - EULER) * near + EULER * far)


def exceedance_probability(
    ratio: float, target: float, n: int, skew: float, kurtosis: float
) -> float:
    """Probability that the true Sharpe ratio exceeds `target`, by the ratio of `n` returns; kurtosis 3
    is normal's."""
    # Variance of a Sharpe ratio of returns that are not normal (Mertens 2002); far from normal it can turn negative.
    spread = math.sqrt(max(1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2, 1e-12))
    return NormalDist().cdf((ratio - target) * math.sqrt(n - 1.0) / spread)


def deflate(gains: ArrayLike, variants: int) -> DeflatedScore:
    """Deflated Sharpe ratio of independent gains, float (n,), for the number of variants tried.

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
    refuse_if(
        not sd > 0.0 or variants < 1,
        "at least 3 gains that vary, of 1 variant or more",
        f"{x.shape} gains of sd {sd:g}, {variants} variants",
        "judge more episodes",
        DataError,
    )
    # The ratio by the unbiased sd, the moments of shape by the plain one, as both are defined.
    ratio = float(x.mean()) / sd
    standardized = (x - x.mean()) / x.std()
    skew = float((standardized**3).mean())
    kurtosis = float((standardized**4).mean())
    target = expected_best(variants, 1.0 / math.sqrt(len(x) - 1.0))
    return DeflatedScore(
        ratio,
        target,
        exceedance_probability(ratio, target, len(x), skew, kurtosis),
        variants,
        len(x),
    )


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of m tests, float64 (m,): at most q exactly where the step-up procedure at level q rejects.

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
    """Adjusted p-values of m tests, float64 (m,): at most a exactly where Holm's step-down procedure at level a rejects.

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
    """p-values as float64 (m,); ConfigError unless all are between 0 and 1."""
    values = np.asarray(p, np.float64)
    refuse_if(
        values.ndim != 1 or not ((values >= 0.0) & (values <= 1.0)).all(),
        "probabilities, one a test",
        f"{values}",
        "leave out tests without a result",
    )
    return values
