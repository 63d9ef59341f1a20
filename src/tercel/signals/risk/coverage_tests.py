"""Tests of a VaR's hits: whether it is exceeded as often as it says (Kupiec 1995), and not in clusters (Christoffersen 1998)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.errors import DataError, refuse_if


@dataclass(frozen=True)
class Coverage:
    """Outcome of the three likelihood-ratio tests.

    Parameters
    ----------
    days, hits : int
    rate : float
        Hits a day.
    kupiec, independence, joint : float
        p-values: right rate; a hit no likelier after a hit; both.
    """

    days: int
    hits: int
    rate: float
    kupiec: float
    independence: float
    joint: float


def _log_likelihood(hits: float, misses: float, rate: float) -> float:
    """Bernoulli log likelihood of some hits and misses at a rate of hits, 0 log 0 being 0."""
    part = hits * math.log(rate) if hits else 0.0
    return part + (misses * math.log1p(-rate) if misses else 0.0)


def chi2_p(x: float, freedom: int) -> float:
    """Probability that a chi-square of 1 or 2 degrees of freedom exceeds x.

    >>> round(chi2_p(3.841459, 1), 4), round(chi2_p(5.991465, 2), 4)
    (0.05, 0.05)
    """
    x = max(x, 0.0)
    return math.erfc(math.sqrt(x / 2.0)) if freedom == 1 else math.exp(-x / 2.0)


def coverage(hits: ArrayLike, expected: float) -> Coverage:
    """Test a series of hits (bool (n,), in time order) against the expected rate.

    Raises
    ------
    DataError
        Fewer than two days, or an expected rate that is none.

    >>> coverage([False] * 99 + [True], 0.01).kupiec
    1.0
    """
    x = np.asarray(hits).astype(bool)
    refuse_if(
        x.ndim != 1 or len(x) < 2 or not 0.0 < expected < 1.0,
        "at least two days and a rate between 0 and 1",
        f"{x.shape} days at a rate of {expected}",
        "use a longer test",
        DataError,
    )
    n = len(x)
    count = int(x.sum())
    rate = count / n
    uncovered = 2.0 * (
        _log_likelihood(count, n - count, rate) - _log_likelihood(count, n - count, expected)
    )
    after_hit, after_miss = x[1:][x[:-1]], x[1:][~x[:-1]]
    n11 = int(after_hit.sum())
    n01 = int(after_miss.sum())
    n10 = len(after_hit) - n11
    n00 = len(after_miss) - n01
    pooled = (n11 + n01) / (n - 1)
    unpooled = _log_likelihood(n11, n10, n11 / max(n11 + n10, 1)) + _log_likelihood(
        n01, n00, n01 / max(n01 + n00, 1)
    )
    clustered = 2.0 * (unpooled - _log_likelihood(n11 + n01, n10 + n00, pooled))
    return Coverage(
        n,
        count,
        rate,
        chi2_p(uncovered, 1),
        chi2_p(clustered, 1),
        chi2_p(max(uncovered, 0.0) + max(clustered, 0.0), 2),
    )
