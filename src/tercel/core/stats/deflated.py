"""The deflated Sharpe ratio for paired gains: a score corrected for being the best of many tried.

The Sharpe ratio of a policy is that of its paired gains over independent clusters, SR = mean / sd. The best of N
variants without any merit is expected to show (Bailey and Lopez de Prado 2014, "The deflated Sharpe ratio", J.
Portfolio Management 40(5))

    SR* = sd(SR over variants) [(1 - g) z(1 - 1/N) + g z(1 - 1/(N e))],     g = 0.5772..., z the normal quantile

and the deflated score is the probability that the true ratio exceeds this,

    Phi[(SR - SR*) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2)]

over n clusters. The ratios of the variants are not recorded: their sd is taken as sampling error alone,
1 / sqrt(n - 1), what N variants that do not differ would show.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.errors import DataError
from tercel.core.stats.student import normal_quantile

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
        received = f"{x.shape} gains of sd {sd:g}, {variants} variants"
        raise DataError(
            "at least 3 gains that vary, of 1 variant or more", received, "judge more episodes"
        )
    # The ratio by the unbiased sd, the moments of shape by the plain one, as both are defined.
    ratio, away = float(x.mean()) / sd, (x - x.mean()) / x.std()
    skew, kurtosis = float((away**3).mean()), float((away**4).mean())
    target = expected_best(variants, 1.0 / math.sqrt(len(x) - 1.0))
    return DeflatedScore(
        ratio, target, exceeds(ratio, target, len(x), skew, kurtosis), variants, len(x)
    )
