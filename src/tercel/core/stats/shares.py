"""Share of successes with its interval."""

from math import sqrt

from tercel.core.stats.student import normal_quantile


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
