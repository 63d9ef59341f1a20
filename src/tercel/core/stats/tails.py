"""Tails, slopes and odds as functions of means, so that the cluster bootstrap of `stats.bootstrap` takes them as they
are.

The mean of the worst share is linear in the episodes once its threshold is fixed: CVaR = q + E[(x - q)+] / share, and
the choice of q matters only to second order (Rockafellar and Uryasev 2000, J. Risk 2(3)), so the sample's own quantile
stays in every resample.
"""

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.stats.bootstrap import Moments, moments_of_mean


def moments_of_cvar(values: ArrayLike, labels: ArrayLike, share: float = 0.05) -> Moments:
    """Moments of the mean of the largest `share` of values, float (n,), clustered by labels.

    >>> round(float(moments_of_cvar(np.arange(100.0), np.arange(100)).point()[0]), 9)
    97.0
    """
    x = np.asarray(values, np.float64)
    threshold = np.quantile(x, 1.0 - share, method="inverted_cdf")
    return moments_of_mean(threshold + np.maximum(x - threshold, 0.0) / share, labels)


def moments_of_wins(gains: ArrayLike, labels: ArrayLike) -> Moments:
    """Moments of the share of gains above 0, a tie counting half.

    >>> moments_of_wins([1.0, -1.0, 0.0, 2.0], np.arange(4)).point()
    array([0.625])
    """
    x = np.asarray(gains, np.float64)
    return moments_of_mean((x > 0) + 0.5 * (x == 0), labels)


def moments_of_slope(x: ArrayLike, y: ArrayLike, labels: ArrayLike) -> Moments:
    """Moments of the least-squares slope of y on x, float (n,) each; 0 where x does not vary.

    >>> moments_of_slope([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], [0, 1, 2]).point()
    array([2.])
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = a - a.mean(), b - b.mean()
    plain = moments_of_mean(np.stack([a, b, a * b, a * a], axis=1), labels)
    return Moments(plain.sums, plain.weights, _slope)


def _slope(means: Floats) -> Floats:
    """Covariance over variance, (B, 4) -> (B, 1)."""
    a, b, ab, aa = means.T
    variance = aa - a * a
    slope = np.divide(ab - a * b, variance, out=np.zeros_like(variance), where=variance > 1e-18)
    return np.asarray(slope[:, None])
