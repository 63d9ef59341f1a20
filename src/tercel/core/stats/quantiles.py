"""Quantiles of the normal and of Student's t distribution, and two-sided p-values of t."""

import math
from functools import lru_cache
from statistics import NormalDist

from tercel.core.errors import ConfigError, refuse_if

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
    refuse_if(
        not 0.0 < probability < 1.0 or not freedom >= 1.0,
        "a probability between 0 and 1 and at least 1 degree of freedom",
        f"probability {probability}, {freedom} degrees of freedom",
        "use more clusters, or a level between 0 and 1",
    )
    if freedom > _AS_NORMAL:
        return normal_quantile(probability)
    from scipy import special

    # Exactly 0, where SciPy's root search ends some 1e-16 away from it.
    return 0.0 if probability == 0.5 else float(special.stdtrit(freedom, probability))


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
