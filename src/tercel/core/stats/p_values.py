"""How surprising a studentised estimate is, and what is left of the surprise when many are looked at.

The two-sided tail of Student's t is a regularised incomplete beta function, evaluated by Lentz's continued fraction
(Press et al. 2007, "Numerical Recipes", 6.4): it keeps its relative accuracy far out, where one minus a distribution
function has none left. Many tests are corrected after Benjamini and Hochberg (1995, JRSS B 57): among those called
significant at level q, the expected share of false ones is at most q; or after Holm (1979, Scandinavian Journal of
Statistics 6), which bounds the chance of a single false one.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.errors import ConfigError

_AS_NORMAL = 1e6
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
