"""Markets whose truth is known: what a table shows when it is given no data, and what models are tested against.

Nothing here is a measurement of any real market.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from tercel.core import Bools, Floats
from tercel.signals.risk import DailySeries

NOTE = "SYNTHETIC: drawn from a model whose truth is known; no measurement of any market."
OMEGA, ALPHA, GAMMA, BETA = 0.02, 0.02, 0.12, 0.90
"""GJR, returns in per cent: a yearly volatility of about 16 %, falls that raise it."""
FREEDOM = 7
"""Degrees of freedom of Student's t."""
INTRADAY = 78
"""Five-minute returns a day."""


@dataclass(frozen=True)
class KnownSeries:
    """A series and the variance that drew it, float64[n]."""

    series: DailySeries
    variance: Floats


def gjr_series(days: int, seed: int) -> KnownSeries:
    """Days of a GJR market with Student t shocks: returns, realised variance of 78 five-minute returns, quarticity."""
    rng = np.random.default_rng(seed)
    scale = math.sqrt((FREEDOM - 2) / FREEDOM)
    h, variance, returns = OMEGA / (1 - ALPHA - GAMMA / 2 - BETA), np.empty(days), np.empty(days)
    for t in range(days):
        variance[t] = h
        e = math.sqrt(h) * scale * float(rng.standard_t(FREEDOM))
        returns[t] = e
        h = OMEGA + (ALPHA + GAMMA * (e < 0)) * e * e + BETA * h
    intraday = rng.standard_normal((days, INTRADAY)) * np.sqrt(variance / INTRADAY)[:, None]
    columns = {
        "rv": np.sum(intraday**2, axis=1) / 1e4,
        "rq": INTRADAY / 3 * np.sum(intraday**4, axis=1) / 1e8,
    }
    first = date(2000, 1, 3)
    calendar = tuple(first + timedelta(days=7 * (t // 5) + t % 5) for t in range(days))
    returns[0] = 0.0
    return KnownSeries(
        DailySeries("synthetic GJR", calendar, returns / 100, columns), variance / 1e4
    )


def regime_returns(days: int, seed: int) -> tuple[Floats, Bools]:
    """Daily returns of two hidden states, volatility .7 and 2 per cent, and which days were turbulent."""
    rng = np.random.default_rng(seed)
    turbulent = np.zeros(days, np.bool_)
    for t in range(1, days):
        turbulent[t] = rng.random() < (0.97 if turbulent[t - 1] else 0.01)
    return rng.standard_normal(days) * np.where(turbulent, 0.02, 0.007), turbulent


def factor_covariance(names: int, seed: int) -> Floats:
    """A covariance of one market factor, eight sectors and noise, float64[p, p]; daily returns."""
    rng = np.random.default_rng(seed)
    beta = rng.uniform(0.5, 1.5, names)
    sector = rng.integers(0, 8, names)
    own = rng.uniform(0.01, 0.025, names)
    covariance = (
        np.outer(beta, beta) * 0.01**2
        + 0.006**2 * (sector[:, None] == sector[None, :])
        + np.diag(own**2)
    )
    return np.asarray(covariance)


def factor_returns(covariance: Floats, days: int, seed: int) -> Floats:
    """Normal returns of a covariance, float64[days, p]."""
    root = np.linalg.cholesky(covariance)
    return np.asarray(np.random.default_rng(seed).standard_normal((days, len(covariance))) @ root.T)
