"""Models of the next day's variance from the past alone: exponential weights, GARCH, heterogeneous autoregression."""

from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.signals.risk.garch import fit_expanding
from tercel.signals.risk.ports import DailySeries

WEEK = 5
MONTH = 22
YEAR = 252
LEAST_PAST = 100
"""Days of past below which no model forecasts."""


def check_past(series: DailySeries, first: int, least: int = LEAST_PAST) -> None:
    """Raise DataError for a forecast from day `first` on with fewer than `least` days before it, or none from it on."""
    if first < least or first >= len(series):
        raise DataError(
            f"at least {least} days before the test and one in it",
            f"{first} before the test, {max(len(series) - first, 0)} in it ({series.name})",
            "use a longer series",
        )


def trailing_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` values, of all so far while there are fewer, float64[n]."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - window, 0)
    return np.asarray((sums[stop] - sums[start]) / (stop - start))


def ewma(values: Floats, decay: float, level: Floats | float) -> Floats:
    """Exponentially weighted mean of the rows before each and of all, float64[n + 1, ...], from `level` on.

    >>> ewma(np.array([4.0, 0.0]), 0.5, 2.0).tolist()
    [2.0, 3.0, 1.5]
    """
    means = [np.asarray(level)]
    for value in values:
        means.append(decay * means[-1] + (1 - decay) * value)
    return np.array(means)


@dataclass(frozen=True)
class Ewma:
    """Exponentially weighted mean of squared returns, ``h' = decay h + (1 - decay) r^2`` (RiskMetrics 1996).

    Parameters
    ----------
    decay : float
        .94 forgets half within 11 days. Lower follows a jump of volatility sooner and forgets it sooner.
    """

    decay: float = 0.94

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g}"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`, each by exponential weights of the days before."""
        check_past(series, first)
        squares = series.returns**2
        return ewma(squares, self.decay, float(squares[1:MONTH].mean()))[first:-1]


@dataclass(frozen=True)
class Garch:
    """GARCH(1,1) of Bollerslev (1986), or GJR of Glosten, Jagannathan and Runkle (1993), refitted on all the past.

    Parameters
    ----------
    asymmetric : bool
        GJR: falls raise the next day's variance by a coefficient of their own, as they do for equities.
    refit : int
        Days between fits; the recursion is filtered every day. Fewer costs a fit of `arch` each.
    """

    asymmetric: bool = False
    refit: int = 63

    @property
    def name(self) -> str:
        """Name in tables."""
        return "GJR" if self.asymmetric else "GARCH"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1` by fits on all the past, renewed every `refit` days."""
        check_past(series, first)
        variances = np.empty(len(series))
        returns = series.returns[1:]  # the first day has none
        for start, stop, _, _, h in fit_expanding(returns, first - 1, self.asymmetric, self.refit):
            variances[start + 1 : stop + 1] = h[start:stop]
        return variances[first:]


@dataclass(frozen=True)
class Har:
    """Heterogeneous autoregression (Corsi 2009): yesterday, the week, the month, by least squares on all the past.

    Parameters
    ----------
    target : str
        Column that is forecast and regressed on.
    logs : bool
        In logarithms, with half the residual variance added back.
    vix : bool
        With the logarithm of the VIX at yesterday's close.
    refit : int
        Days between fits.
    """

    target: str = "rv"
    logs: bool = False
    vix: bool = False
    refit: int = 1

    @property
    def name(self) -> str:
        """Name in tables."""
        return ("log-" if self.logs else "") + "HAR" + (" + VIX" if self.vix else "")

    def inputs(self, series: DailySeries) -> tuple[Floats, Floats]:
        """Each day's value (in logs if `logs`), float64[n]; regressors for the next day's, known at its close, float64[n, k]."""
        values = series.column(self.target)
        y = np.log(values) if self.logs else values
        columns = [np.ones(len(y)), y, trailing_mean(y, WEEK), trailing_mean(y, MONTH)]
        if self.vix:
            columns.append(np.log(series.column("vix")))
        return y, np.column_stack(columns)

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`, in units of `target`, by regressions on all the past."""
        check_past(series, first)
        y, inputs = self.inputs(series)
        variances = np.empty(len(y))
        for start in range(first, len(y), self.refit):
            stop = min(start + self.refit, len(y))
            past = inputs[MONTH - 1 : start - 1]
            target = y[MONTH:start]
            slope, _, rank, _ = np.linalg.lstsq(past, target, rcond=None)
            if rank < past.shape[1]:
                raise DataError(
                    f"inputs of {self.name} that move apart",
                    f"rank {rank} of {past.shape[1]} at day {series.days[start]} of {series.name}",
                    "leave out the constant column",
                )
            spread = float(np.sum((target - past @ slope) ** 2)) / (len(target) - len(slope))
            mean = inputs[start - 1 : stop - 1] @ slope
            # a linear fit may forecast a variance below zero: not less than the least ever seen
            variances[start:stop] = (
                np.exp(mean + spread / 2) if self.logs else np.maximum(mean, target.min())
            )
        return variances[first:]
