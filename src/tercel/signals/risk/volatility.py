"""Models of tomorrow's variance, each from the past alone."""

from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.signals.risk.garch import expanding
from tercel.signals.risk.series import DailySeries

WEEK, MONTH, YEAR = 5, 22, 252
LEAST_PAST = 100
"""Days of past below which no model forecasts."""


def check_past(series: DailySeries, first: int, least: int = LEAST_PAST) -> None:
    """Refuse a forecast from day `first` on that has fewer than `least` days before it, or no day."""
    if first < least or first >= len(series):
        received = f"{first} before the test, {max(len(series) - first, 0)} in it ({series.name})"
        raise DataError(
            f"at least {least} days before the test and one in it", received, "use a longer series"
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
    out = [np.asarray(level)]
    for value in values:
        out.append(decay * out[-1] + (1 - decay) * value)
    return np.array(out)


@dataclass(frozen=True)
class Ewma:
    """Exponentially weighted mean of squared returns (RiskMetrics)."""

    decay: float = 0.94

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g}"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        check_past(series, first)
        squares = series.returns**2
        return ewma(squares, self.decay, float(squares[1:MONTH].mean()))[first:-1]


@dataclass(frozen=True)
class Garch:
    """GARCH(1,1), or GJR with an answer of its own to falls; refitted on all the past every `refit` days."""

    asymmetric: bool = False
    refit: int = 63

    @property
    def name(self) -> str:
        """Name in tables."""
        return "GJR" if self.asymmetric else "GARCH"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        check_past(series, first)
        out = np.empty(len(series))
        returns = series.returns[1:]  # the first day has none
        for start, stop, _, _, h in expanding(returns, first - 1, self.asymmetric, self.refit):
            out[start + 1 : stop + 1] = h[start:stop]
        return out[first:]


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
        """What is forecast, float64[n], and what it is regressed on, known at the close of the same row."""
        values = series.column(self.target)
        y = np.log(values) if self.logs else values
        columns = [np.ones(len(y)), y, trailing_mean(y, WEEK), trailing_mean(y, MONTH)]
        if self.vix:
            columns.append(np.log(series.column("vix")))
        return y, np.column_stack(columns)

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        check_past(series, first)
        y, inputs = self.inputs(series)
        out = np.empty(len(y))
        for start in range(first, len(y), self.refit):
            stop = min(start + self.refit, len(y))
            past, target = inputs[MONTH - 1 : start - 1], y[MONTH:start]
            slope, _, rank, _ = np.linalg.lstsq(past, target, rcond=None)
            if rank < past.shape[1]:
                received = (
                    f"rank {rank} of {past.shape[1]} at day {series.days[start]} of {series.name}"
                )
                raise DataError(
                    f"inputs of {self.name} that move apart",
                    received,
                    "leave out the constant column",
                )
            spread = float(np.sum((target - past @ slope) ** 2)) / (len(target) - len(slope))
            mean = inputs[start - 1 : stop - 1] @ slope
            # a linear fit may forecast a variance below zero: not less than the least ever seen
            out[start:stop] = (
                np.exp(mean + spread / 2) if self.logs else np.maximum(mean, target.min())
            )
        return out[first:]
