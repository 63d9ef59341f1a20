"""Activity of the calibration minutes: a seasonal curve, each minute's excess, and its market-order rate.

The latent rate of market orders behind minute counts is a persistent factor, separated from Poisson scatter.

Counts over their expected values have the covariance of the rate at every lag but 0, where their own clustering is
added. So the rate's covariance is a sum of exponentials fitted to the lags from 1 on. Given the counts, the mean of
the rate is a linear smoother's; it varies less than the rate does. One draw about it has the rate's own variance and
memory: a path and counts simulated by the law, the path less its own smoothed mean, put on the mean that the true
counts give.

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

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.extract import ExtractedDay

TAUS: Final = (1.5, 5.0, 15.0, 45.0)
"""Minutes that parts of the rate last."""
LAGS: Final = 60
MIN_RATE = 0.1
MAX_RATE = 8.0


def latent_rates(
    counts: Sequence[Floats], expected: Sequence[Floats], seed: int = 0
) -> tuple[Floats, Floats]:
    """Rate of market orders in each minute over what is expected: its mean given the counts, and one draw given them.
    Days are concatenated; both are about 1 on average.

    Parameters
    ----------
    counts, expected : sequence of float64[minutes]
        By day: market orders, and how many the events of the minute let expect.
    seed : int
        Of the draw.

    Counts that are what was expected have a rate of 1:

    >>> mean, drawn = latent_rates([np.full(50, 3.0)], [np.full(50, 3.0)])
    >>> bool(np.allclose(mean, 1.0)), bool(np.allclose(drawn, 1.0))
    (True, True)
    """
    variances, scatter = rate_variances(counts, expected)
    rng = np.random.default_rng(seed)
    means = []
    draws = []
    if not variances.any():
        ones = np.ones(sum(map(len, counts)))
        return ones, ones.copy()
    for count, expect in zip(counts, expected, strict=True):
        lag = np.abs(np.subtract.outer(np.arange(len(count)), np.arange(len(count))))
        rate = sum(
            (v * np.exp(-lag / tau) for v, tau in zip(variances, TAUS, strict=True)),
            np.zeros(lag.shape),
        )
        noise = scatter / np.maximum(expect, 1e-3)
        gain = np.linalg.solve(rate + np.diag(noise), rate).T
        deviation = count / np.maximum(expect, 1e-3) - 1.0
        path = np.linalg.cholesky(rate + 1e-9 * np.eye(len(count))) @ rng.standard_normal(
            len(count)
        )
        noise_draw = np.sqrt(noise) * rng.standard_normal(len(count))
        means.append(1.0 + gain @ deviation)
        draws.append(1.0 + path + gain @ (deviation - path - noise_draw))
    return np.clip(np.concatenate(means), MIN_RATE, MAX_RATE), np.clip(
        np.concatenate(draws), MIN_RATE, MAX_RATE
    )


def rate_variances(counts: Sequence[Floats], expected: Sequence[Floats]) -> tuple[Floats, float]:
    """Variance of each component of the rate, and the overdispersion of counts about it, at least 1 (0 if counts do not vary)."""
    max_lag = min(LAGS, *(len(c) - 1 for c in counts))
    lags = np.arange(1, max_lag + 1)
    products = np.zeros(max_lag + 1)
    expected_products = np.zeros(max_lag + 1)
    for count, expect in zip(counts, expected, strict=True):
        for lag in range(max_lag + 1):
            head = slice(0, len(count) - lag)
            tail = slice(lag, None)
            products[lag] += ((count - expect)[head] * (count - expect)[tail]).sum()
            expected_products[lag] += (expect[head] * expect[tail]).sum()
    ratio = products / np.maximum(expected_products, 1e-9)
    shapes = np.exp(-lags[:, None] / np.array(TAUS)[None, :])
    best_error = float((ratio[1:] ** 2).sum())
    variances = np.zeros(len(TAUS))
    for size in range(1, len(TAUS) + 1):
        for subset in map(list, itertools.combinations(range(len(TAUS)), size)):
            coefficients, *_ = np.linalg.lstsq(shapes[:, subset], ratio[1:], rcond=None)
            error = float(((shapes[:, subset] @ coefficients - ratio[1:]) ** 2).sum())
            if coefficients.min() >= 0.0 and error < best_error:
                best_error = error
                variances = np.zeros(len(TAUS))
                variances[subset] = coefficients
    scatter = (
        (ratio[0] - variances.sum())
        * expected_products[0]
        / max(sum(float(e.sum()) for e in expected), 1e-9)
    )
    return variances, max(scatter, 1.0) if ratio[0] > 0.0 else 0.0


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
        return replace(self, rows=rows, markets=[np.ones_like(rates) for rates in self.markets])


def minutes_of(days: Sequence[ExtractedDay], session_ns: int) -> Minutes:
    """Estimate the seasonal half hours, each minute's excess, and its market orders per event."""
    events = np.concatenate([_counts(d, np.ones(len(d.minute), np.bool_)) for d in days])
    half = np.concatenate([_halves(d, session_ns) for d in days])
    mean = events.mean()
    count = np.bincount(half, minlength=q.SEASONS // 2)
    season = np.where(
        count >= 10,
        np.bincount(half, events, q.SEASONS // 2) / np.maximum(count, 1) / mean,
        1.0,
    )
    total = events / mean
    edges = np.quantile(total, np.arange(1, q.ACTIVITIES) / q.ACTIVITIES)
    classes = np.searchsorted(edges, total, side="right")
    by_class = np.array(
        [total[classes == c].mean() if (classes == c).any() else 1.0 for c in range(q.ACTIVITIES)]
    )
    market_orders = np.concatenate([_counts(d, d.o.kind == q.MARKET) for d in days])
    shares = [
        market_orders[classes == c].sum() / max(events[classes == c].sum(), 1.0)
        for c in range(q.ACTIVITIES)
    ]
    bounds = np.cumsum([d.minutes for d in days])[:-1]
    expected = np.array(shares)[classes] * events
    mean, drawn_rates = latent_rates(np.split(market_orders, bounds), np.split(expected, bounds))
    day = np.repeat(np.arange(len(days)) % q.DAYS, [d.minutes for d in days])
    return Minutes(
        np.repeat(np.maximum(season, 1e-3), 2),
        edges,
        np.maximum(by_class, 1e-6),
        np.split(classes, bounds),
        np.stack((total / season[half], drawn_rates, day), axis=1),
        np.split(mean, bounds),
    )


def _counts(day: ExtractedDay, rows: Bools) -> Floats:
    """Number of the selected events in each minute."""
    return np.bincount(day.minute[rows], minlength=day.minutes)[: day.minutes].astype(float)


def _halves(day: ExtractedDay, session_ns: int) -> Ints:
    """The half hour of the session that each minute is of."""
    since = day.o.start_ns - day.o.open_ns + 60 * NS_PER_SECOND * np.arange(day.minutes)
    return np.minimum(
        (since % session_ns) * (q.SEASONS // 2) // session_ns, q.SEASONS // 2 - 1
    ).astype(np.int64)
