"""Models of a return's tail, Value at Risk and Expected Shortfall by day, and the verdict of their tests.

Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999) takes the worst of the last *standardised*
residuals of a volatility model and scales them with today's volatility, so that it does not wait for a crisis to fill
the window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.signals.risk.coverage_tests import Coverage, coverage
from tercel.signals.risk.garch import fit_expanding
from tercel.signals.risk.ports import TailModel
from tercel.signals.risk.volatility import ewma


def check_tail_past(returns: Floats, first: int, least: int, level: float) -> None:
    """Raise DataError for a level, or for returns too few, not finite or constant, that no tail can be forecast from at
    day `first`.
    """
    refuse_if(not 0.5 < level < 1.0, "a level between 0.5 and 1", f"{level}", "use 0.99", DataError)
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
    refuse_if(
        returns.std() < 1e-12, "returns that move", "a constant", "check the prices", DataError
    )


def worst(sample: Floats, level: float) -> tuple[float, float]:
    """Quantile at 1 - level and the mean of values at or below it, both negative for losses.

    >>> worst(np.arange(-50.0, 50.0), 0.99)
    (-49.01, -50.0)
    """
    cut = float(np.quantile(sample, 1.0 - level))
    below = sample[sample <= cut]
    return cut, float(below.mean()) if len(below) else cut


@dataclass(frozen=True)
class EwmaNormal:
    """``VaR = z sd``, with sd exponentially weighted and z the normal quantile of the level (RiskMetrics).

    Parameters
    ----------
    decay : float
        As in :class:`~tercel.signals.risk.volatility.Ewma`. Returns have fatter tails than a normal: a VaR of 99 % is
        exceeded on about twice as many days as it says.
    """

    decay: float = 0.94

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g} normal"

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, positive losses, by exponentially weighted deviation and a normal."""
        check_tail_past(returns, first, 50, level)
        variance = ewma(returns**2, self.decay, float(np.mean(returns[:25] ** 2)))
        sd = np.sqrt(variance[first:-1])
        z = NormalDist().inv_cdf(level)
        return sd * z, sd * (NormalDist().pdf(z) / (1 - level))


@dataclass(frozen=True)
class FilteredHistoricalSimulation:
    """Filtered historical simulation on GARCH or GJR.

    Parameters
    ----------
    asymmetric : bool
        GJR instead of GARCH.
    window : int
        Standardised residuals whose quantile is taken: at 99 %, 1,000 days put 10 beyond it. A shorter window makes the
        quantile noisy, a longer one needs that many days before the first forecast.
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
        """VaR and ES of days `first .. n - 1`, positive losses, by past standardised residuals scaled to the day's volatility."""
        check_tail_past(returns, first, self.window, level)
        var = np.empty(len(returns))
        es = np.empty(len(returns))
        for start, stop, mu, residuals, h in fit_expanding(
            returns, first, self.asymmetric, self.refit
        ):
            z = residuals / np.sqrt(h[:-1])
            for t in range(start, stop):
                cut, mean = worst(z[t - self.window : t], level)
                sd = math.sqrt(h[t])
                var[t] = -(mu + sd * cut)
                es[t] = -(mu + sd * mean)
        return var[first:], es[first:]


@dataclass(frozen=True)
class TailVerdict:
    """Result of a tail model's backtest.

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

    @property
    def passes(self) -> bool:
        """Whether both tests, of the rate and of clusters, have p above .05."""
        return min(self.tests.kupiec, self.tests.independence) > 0.05


def judge(
    models: Sequence[TailModel], returns: Floats, first: int, level: float = 0.99
) -> list[TailVerdict]:
    """Forecast days `first .. n - 1` with each tail model and test its hits: a verdict per model."""
    truth = returns[first:]
    verdicts = []
    for model in models:
        var, es = model.forecast(returns, first, level)
        hits = truth < -var
        alpha = 1.0 - level
        pinball = float(np.mean((alpha - hits) * (truth + var)))
        ratio = float(-truth[hits].mean() / es[hits].mean()) if hits.any() else math.nan
        window = np.convolve(hits, np.ones(min(250, len(hits))), "valid")
        verdicts.append(
            TailVerdict(
                model.name, coverage(hits, alpha), pinball, ratio, int(window.max()), var, es
            )
        )
    return verdicts
