"""Tests of a VaR's hits: whether it is exceeded as often as it says (Kupiec 1995), and not in clusters (Christoffersen 1998)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

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
    covered = _log_likelihood(count, n - count, expected)
    uncovered = 2.0 * max(_log_likelihood(count, n - count, rate) - covered, 0.0)
    after_hit, after_miss = x[1:][x[:-1]], x[1:][~x[:-1]]
    n11 = int(after_hit.sum())
    n01 = int(after_miss.sum())
    n10 = len(after_hit) - n11
    n00 = len(after_miss) - n01
    unpooled = _log_likelihood(n11, n10, n11 / max(n11 + n10, 1)) + _log_likelihood(
        n01, n00, n01 / max(n01 + n00, 1)
    )
    clustered = 2.0 * max(
        unpooled - _log_likelihood(n11 + n01, n10 + n00, (n11 + n01) / (n - 1)), 0.0
    )
    return Coverage(
        n,
        count,
        rate,
        float(chdtrc(1, uncovered)),
        float(chdtrc(1, clustered)),
        float(chdtrc(2, uncovered + clustered)),
    )
