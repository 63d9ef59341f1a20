"""Activity of the calibration minutes: a seasonal curve, each minute's excess, and its market-order rate.

Latent rate of market orders behind minute counts: a persistent factor separated from Poisson scatter.

Counts over what is expected have the covariance of the rate at every lag but 0, where their own clustering is added.
So the rate's covariance is a sum of exponentials fitted to the lags from 1 on. Given the counts, the mean of the rate
is a linear smoother's; it varies less than the rate does. One draw about it has the rate's own variance and memory: a
path and counts simulated by the law, the path less its own smoothed mean, put on the mean that the true counts give.

References
----------
Hoffman & Ribak (1991), Constrained realizations of Gaussian fields: a simple algorithm, Astrophysical Journal 380,
L5-L8; the same for state space models: Durbin & Koopman (2002), A simple and efficient simulation smoother for state
space time series analysis, Biometrika 89(3), 603-615.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Ints
from tercel.core.jit import Floats
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.extract import ExtractedDay

# -- the latent rate of market orders behind minute counts --

TAUS: Final = (1.5, 5.0, 15.0, 45.0)
"""Minutes that parts of the rate last."""
LAGS: Final = 60
LEAST, MOST = 0.1, 8.0


def latent(
    counts: Sequence[Floats], expected: Sequence[Floats], seed: int = 0
) -> tuple[Floats, Floats]:
    """Mean and one drawn factor of each minute, days concatenated, both of mean about 1.

    Parameters
    ----------
    counts, expected : sequence of float64[minutes]
        By day: market orders, and how many the events of the minute let expect.
    seed : int
        Of the draw.

    Counts that are what was expected have a rate of 1:

    >>> mean, drawn = latent([np.full(50, 3.0)], [np.full(50, 3.0)])
    >>> bool(np.allclose(mean, 1.0)), bool(np.allclose(drawn, 1.0))
    (True, True)
    """
    variances, scatter = covariance(counts, expected)
    rng = np.random.default_rng(seed)
    means, draws = [], []
    if not variances.any():
        one = np.ones(sum(map(len, counts)))
        return one, one.copy()
    for count, expect in zip(counts, expected, strict=True):
        lag = np.abs(np.subtract.outer(np.arange(len(count)), np.arange(len(count))))
        rate = sum(
            (v * np.exp(-lag / tau) for v, tau in zip(variances, TAUS, strict=True)),
            np.zeros(lag.shape),
        )
        noise = scatter / np.maximum(expect, 1e-3)
        gain = np.linalg.solve(rate + np.diag(noise), rate).T
        seen = count / np.maximum(expect, 1e-3) - 1.0
        path = np.linalg.cholesky(rate + 1e-9 * np.eye(len(count))) @ rng.standard_normal(
            len(count)
        )
        fog = np.sqrt(noise) * rng.standard_normal(len(count))
        means.append(1.0 + gain @ seen)
        draws.append(1.0 + path + gain @ (seen - path - fog))
    return np.clip(np.concatenate(means), LEAST, MOST), np.clip(np.concatenate(draws), LEAST, MOST)


def covariance(counts: Sequence[Floats], expected: Sequence[Floats]) -> tuple[Floats, float]:
    """Variance of each component of the rate, and the overdispersion of counts about it, at least 1."""
    most = min(LAGS, *(len(c) - 1 for c in counts))
    lags = np.arange(1, most + 1)
    over = np.zeros(most + 1)
    under = np.zeros(most + 1)
    for count, expect in zip(counts, expected, strict=True):
        for lag in range(most + 1):
            left, right = slice(0, len(count) - lag), slice(lag, None)
            over[lag] += ((count - expect)[left] * (count - expect)[right]).sum()
            under[lag] += (expect[left] * expect[right]).sum()
    seen = over / np.maximum(under, 1e-9)
    shapes = np.exp(-lags[:, None] / np.array(TAUS)[None, :])
    best, variances = float((seen[1:] ** 2).sum()), np.zeros(len(TAUS))
    for size in range(1, len(TAUS) + 1):
        for chosen in map(list, itertools.combinations(range(len(TAUS)), size)):
            fit, *_ = np.linalg.lstsq(shapes[:, chosen], seen[1:], rcond=None)
            miss = float(((shapes[:, chosen] @ fit - seen[1:]) ** 2).sum())
            if fit.min() >= 0.0 and miss < best:
                best, variances = miss, np.zeros(len(TAUS))
                variances[chosen] = fit
    scatter = (
        (seen[0] - variances.sum()) * under[0] / max(sum(float(e.sum()) for e in expected), 1e-9)
    )
    return variances, max(scatter, 1.0) if seen[0] > 0.0 else 0.0


@dataclass(frozen=True)
class Minutes:
    """Activity by minute of the calibration days.

    Attributes
    ----------
    season : float64[SEASONS]
    edges, mean : float64[ACTIVITIES - 1], float64[ACTIVITIES]
    classes : list of int64[minutes]
        By day.
    rows : float64[n, 3]
        Activity over season, factor of market orders (drawn given the tape), day.
    markets : list of float64[minutes]
        Mean factor of market orders given the tape, by day.
    """

    season: Floats
    edges: Floats
    mean: Floats
    classes: list[Ints]
    rows: Floats
    markets: list[Floats]

    def steady(self) -> "Minutes":
        """The same with the seasonal curve alone: equal minutes within each half hour, one market-order rate."""
        rows = np.column_stack((np.ones((len(self.rows), 2)), self.rows[:, 2]))
        return replace(self, rows=rows, markets=[np.ones_like(one) for one in self.markets])


def minutes_of(days: Sequence[ExtractedDay], session_ns: int) -> Minutes:
    """Estimate the seasonal half hours, each minute's excess, and its market orders per event."""
    everything = np.concatenate([_counts(d, np.ones(len(d.minute), np.bool_)) for d in days])
    half = np.concatenate([_halves(d, session_ns) for d in days])
    mean = everything.mean()
    count = np.bincount(half, minlength=q.SEASONS // 2)
    season = np.where(
        count >= 10,
        np.bincount(half, everything, q.SEASONS // 2) / np.maximum(count, 1) / mean,
        1.0,
    )
    total = everything / mean
    edges = np.quantile(total, np.arange(1, q.ACTIVITIES) / q.ACTIVITIES)
    classes = np.searchsorted(edges, total, side="right")
    by_class = np.array(
        [total[classes == c].mean() if (classes == c).any() else 1.0 for c in range(q.ACTIVITIES)]
    )
    traded = np.concatenate([_counts(d, d.o.kind == q.MARKET) for d in days])
    shares = [
        traded[classes == c].sum() / max(everything[classes == c].sum(), 1.0)
        for c in range(q.ACTIVITIES)
    ]
    bounds = np.cumsum([d.minutes for d in days])[:-1]
    expected = np.array(shares)[classes] * everything
    mean, drawn = latent(np.split(traded, bounds), np.split(expected, bounds))
    day = np.repeat(np.arange(len(days)) % q.DAYS, [d.minutes for d in days])
    return Minutes(
        np.repeat(np.maximum(season, 1e-3), 2),
        edges,
        np.maximum(by_class, 1e-6),
        np.split(classes, bounds),
        np.stack((total / season[half], drawn, day), axis=1),
        np.split(mean, bounds),
    )


def _counts(day: ExtractedDay, rows: Bools) -> Floats:
    """How many of some events came in each minute."""
    return np.bincount(day.minute[rows], minlength=day.minutes)[: day.minutes].astype(float)


def _halves(day: ExtractedDay, session_ns: int) -> Ints:
    """The half hour of the session that each minute is of."""
    since = day.o.start_ns - day.o.open_ns + 60 * NS_PER_SECOND * np.arange(day.minutes)
    return np.minimum(
        (since % session_ns) * (q.SEASONS // 2) // session_ns, q.SEASONS // 2 - 1
    ).astype(np.int64)
