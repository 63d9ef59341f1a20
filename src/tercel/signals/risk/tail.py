"""Value at Risk and Expected Shortfall of one day, from the past alone.

Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999) takes the worst of the last *standardised*
residuals of a volatility model and scales them with today's volatility, so that it does not wait for a crisis to fill
the window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.signals.risk.volatility import TailModel, ewma, expanding

# -- coverage -------------------------------------------------------------------------------------
# Whether a Value at Risk is exceeded as often as it says, not in clusters: Kupiec (1995), Christoffersen (1998).


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
    """Bernoulli log likelihood, 0 log 0 being 0."""
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
    if x.ndim != 1 or len(x) < 2 or not 0.0 < expected < 1.0:
        raise DataError(
            "at least two days and a rate between 0 and 1",
            f"{x.shape} days at a rate of {expected}",
            "use a longer test",
        )
    n, count = len(x), int(x.sum())
    rate = count / n
    uncovered = 2.0 * (
        _log_likelihood(count, n - count, rate) - _log_likelihood(count, n - count, expected)
    )
    after_hit, after_miss = x[1:][x[:-1]], x[1:][~x[:-1]]
    n11, n01 = int(after_hit.sum()), int(after_miss.sum())
    n10, n00 = len(after_hit) - n11, len(after_miss) - n01
    pooled = (n11 + n01) / (n - 1)
    apart = _log_likelihood(n11, n10, n11 / max(n11 + n10, 1)) + _log_likelihood(
        n01, n00, n01 / max(n01 + n00, 1)
    )
    clustered = 2.0 * (apart - _log_likelihood(n11 + n01, n10 + n00, pooled))
    return Coverage(
        n,
        count,
        rate,
        chi2_p(uncovered, 1),
        chi2_p(clustered, 1),
        chi2_p(max(uncovered, 0.0) + max(clustered, 0.0), 2),
    )


# -- tail -----------------------------------------------------------------------------------------


def check_tail_past(returns: Floats, first: int, least: int, level: float) -> None:
    """Refuse a level or returns that no tail can be forecast from at day `first`, `least` days before it."""
    if not 0.5 < level < 1.0:
        raise DataError("a level between 0.5 and 1", f"{level}", "use 0.99")
    if first < least or first >= len(returns):
        raise DataError(
            f"at least {least} days before the test and one in it",
            f"{first} before the test, {max(len(returns) - first, 0)} in it",
            "use a longer series",
        )
    bad = np.flatnonzero(~np.isfinite(returns))
    if len(bad):
        raise DataError(
            "finite returns", f"{returns[bad[0]]} in row {bad[0]}", "leave the day out, or mend it"
        )
    if returns.std() < 1e-12:
        raise DataError("returns that move", "a constant", "check the prices")


def worst(sample: Floats, level: float) -> tuple[float, float]:
    """The quantile at 1 - level, and the mean of what lies at or below it: both as they are, below zero for losses.

    >>> worst(np.arange(-50.0, 50.0), 0.99)
    (-49.01, -50.0)
    """
    cut = float(np.quantile(sample, 1.0 - level))
    below = sample[sample <= cut]
    return cut, float(below.mean()) if len(below) else cut


@dataclass(frozen=True)
class EwmaNormal:
    """RiskMetrics: exponentially weighted volatility times the normal quantile."""

    decay: float = 0.94

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g} normal"

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, positive losses."""
        check_tail_past(returns, first, 50, level)
        variance = ewma(returns**2, self.decay, float(np.mean(returns[:25] ** 2)))
        sd, z = np.sqrt(variance[first:-1]), NormalDist().inv_cdf(level)
        return sd * z, sd * (NormalDist().pdf(z) / (1 - level))


@dataclass(frozen=True)
class FilteredHistoricalSimulation:
    """Filtered historical simulation on GARCH or GJR.

    Parameters
    ----------
    asymmetric : bool
        GJR instead of GARCH.
    window : int
        Standardised residuals that are drawn from.
    refit : int
        Days between fits of the volatility model on all the past; it is filtered every day.
    """

    asymmetric: bool = True
    window: int = 1000
    refit: int = 63

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"filtered {'GJR' if self.asymmetric else 'GARCH'} {self.window} d"

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, positive losses."""
        check_tail_past(returns, first, self.window, level)
        var, es = np.empty(len(returns)), np.empty(len(returns))
        for start, stop, mu, residuals, h in expanding(returns, first, self.asymmetric, self.refit):
            z = residuals / np.sqrt(h[:-1])
            for t in range(start, stop):
                cut, mean = worst(z[t - self.window : t], level)
                sd = math.sqrt(h[t])
                var[t], es[t] = -(mu + sd * cut), -(mu + sd * mean)
        return var[first:], es[first:]


@dataclass(frozen=True)
class TailVerdict:
    """A tail model on trial.

    Parameters
    ----------
    name : str
    tests : Coverage
    pinball : float
        Mean quantile loss of the VaR.
    es_ratio : float
        Mean loss on the days of hits over the mean ES forecast for them: above 1, losses beyond VaR are larger than
        forecast.
    most_in_year : int
        Most hits within 250 days.
    var, es : float64[n]
    """

    name: str
    tests: Coverage
    pinball: float
    es_ratio: float
    most_in_year: int
    var: Floats
    es: Floats


def judge(
    models: Sequence[TailModel], returns: Floats, first: int, level: float = 0.99
) -> list[TailVerdict]:
    """Forecast with each model and test its hits."""
    truth = returns[first:]
    out = []
    for model in models:
        var, es = model.forecast(returns, first, level)
        hits = truth < -var
        alpha = 1.0 - level
        pinball = float(np.mean((alpha - hits) * (truth + var)))
        ratio = float(-truth[hits].mean() / es[hits].mean()) if hits.any() else math.nan
        window = np.convolve(hits, np.ones(min(250, len(hits))), "valid")
        out.append(
            TailVerdict(
                model.name, coverage(hits, alpha), pinball, ratio, int(window.max()), var, es
            )
        )
    return out
