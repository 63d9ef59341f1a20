"""Forecasts of tomorrow's variance, each from the past alone, and their ranking by QLIKE.

QLIKE = v / f - ln(v / f) - 1 for a proxy v and a forecast f ranks forecasts as the unseen variance would (Patton 2011).
Models on close-to-close returns are scaled to the mean of the target's past, since a night is no part of realised
variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.risk.diebold_mariano import DieboldMariano, diebold_mariano
from studies.risk.garch import expanding
from studies.risk.ports import VolatilityModel
from studies.risk.series import DailySeries
from tercel.core.arrays import Floats
from tercel.core.errors import DataError

WEEK, MONTH = 5, 22
LEAST_PAST = 100
"""Days of past below which no model forecasts."""


def _ready(series: DailySeries, first: int, least: int = LEAST_PAST) -> None:
    if first < least or first >= len(series):
        received = f"{first} before the test, {max(len(series) - first, 0)} in it ({series.name})"
        raise DataError(f"at least {least} days before the test and one in it", received, "use a longer series")


def trailing_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` values, of all so far while there are fewer, float64[n]."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - window, 0)
    mean: Floats = (sums[stop] - sums[start]) / (stop - start)
    return mean


def _to_target(forecast: Floats, series: DailySeries, target: str, first: int) -> Floats:
    """Scale a close-to-close variance to the target: by the ratio of their means over the past."""
    if target == "r2":
        return forecast
    values, squares = series.column(target), series.returns**2
    known = np.arange(first, len(series))
    ratio: Floats = np.cumsum(values)[known - 1] / np.maximum(np.cumsum(squares)[known - 1], 1e-300)
    return forecast * ratio


@dataclass(frozen=True)
class Ewma:
    """Exponentially weighted mean of squared returns (RiskMetrics), or of a column.

    Parameters
    ----------
    decay : float
    target : str
        Column that is forecast; "r2" is the squared return.
    source : str
        What is averaged.
    """

    decay: float = 0.94
    target: str = "rv"
    source: str = "r2"

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"EWMA {self.decay:g}" + ("" if self.source == "r2" else f" on {self.source}")

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        _ready(series, first)
        values = series.returns**2 if self.source == "r2" else series.column(self.source)
        level = float(values[1:MONTH].mean())
        out = np.empty(len(series))
        for t, value in enumerate(values.tolist()):
            out[t] = level
            level = self.decay * level + (1 - self.decay) * value
        forecast = out[first:]
        return _to_target(forecast, series, self.target, first) if self.source == "r2" else forecast


@dataclass(frozen=True)
class Yesterday:
    """Yesterday's value of the target: the rule that a model has to beat."""

    target: str = "rv"
    name: str = "yesterday"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        _ready(series, first)
        return series.column(self.target)[first - 1 : -1].copy()


@dataclass(frozen=True)
class Garch:
    """GARCH(1,1), or GJR with an answer of its own to falls; refitted on all the past every `refit` days."""

    asymmetric: bool = False
    target: str = "rv"
    refit: int = 63

    @property
    def name(self) -> str:
        """As tables show it."""
        return "GJR" if self.asymmetric else "GARCH"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        _ready(series, first)
        out = np.empty(len(series))
        returns = series.returns[1:]  # the first day has none
        for start, stop, _, _, h in expanding(returns, first - 1, self.asymmetric, self.refit):
            out[start + 1 : stop + 1] = h[start:stop]
        return _to_target(out[first:], series, self.target, first)


@dataclass(frozen=True)
class Har:
    """Heterogeneous autoregression (Corsi 2009): yesterday, the week, the month, by least squares on all the past.

    Parameters
    ----------
    target : str
        Column that is forecast and regressed on.
    logs : bool
        In logarithms, with half the residual variance added back.
    quarticity : bool
        HARQ (Bollerslev, Patton and Quaedvlieg 2016): yesterday counts the less, the worse it was measured.
    vix : bool
        With the logarithm of the VIX at yesterday's close.
    refit : int
        Days between fits.
    """

    target: str = "rv"
    logs: bool = False
    quarticity: bool = False
    vix: bool = False
    refit: int = 1

    @property
    def name(self) -> str:
        """As tables show it."""
        stem = "HARQ" if self.quarticity else "HAR"
        return ("log-" if self.logs else "") + stem + (" + VIX" if self.vix else "")

    def _inputs(self, series: DailySeries) -> tuple[Floats, Floats]:
        """What is forecast, float64[n], and what it is regressed on, known at the close of the same row."""
        values = series.column(self.target)
        y = np.log(values) if self.logs else values
        columns = [np.ones(len(y)), y, trailing_mean(y, WEEK), trailing_mean(y, MONTH)]
        if self.quarticity:
            noise = np.sqrt(series.column("rq"))
            columns.append(values * noise / noise[:MONTH].mean())
        if self.vix:
            columns.append(np.log(series.column("vix")))
        return y, np.column_stack(columns)

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        _ready(series, first)
        y, inputs = self._inputs(series)
        out = np.empty(len(y))
        for start in range(first, len(y), self.refit):
            stop = min(start + self.refit, len(y))
            past, target = inputs[MONTH - 1 : start - 1], y[MONTH:start]
            slope, _, rank, _ = np.linalg.lstsq(past, target, rcond=None)
            if rank < past.shape[1]:
                received = f"rank {rank} of {past.shape[1]} at day {series.days[start]} of {series.name}"
                raise DataError(f"inputs of {self.name} that move apart", received, "leave out the constant column")
            spread = float(np.sum((target - past @ slope) ** 2)) / (len(target) - len(slope))
            mean = inputs[start - 1 : stop - 1] @ slope
            # a linear fit may forecast a variance below zero: not less than the least ever seen
            out[start:stop] = np.exp(mean + spread / 2) if self.logs else np.maximum(mean, target.min())
        return out[first:]


# -- the ranking ------------------------------------------------------------------------------------------------------


def qlike(forecast: Floats, proxy: Floats) -> Floats:
    """Loss by day: 0 for a perfect forecast of a proxy above zero; ln f + v / f where the proxy can be zero.

    >>> qlike(np.array([1.0, 2.0]), np.array([1.0, 1.0])).round(3).tolist()
    [0.0, 0.193]
    """
    if np.any(proxy <= 0):
        return np.asarray(np.log(forecast) + proxy / forecast)
    ratio = proxy / forecast
    return np.asarray(ratio - np.log(ratio) - 1.0)


@dataclass(frozen=True)
class RankedModel:
    """A model in the ranking.

    Parameters
    ----------
    name : str
    loss : float
        Mean QLIKE.
    r2_log : float
        Share of the variance of the proxy's logarithm that the forecast's explains; NaN where the proxy can be zero.
    against : mapping of str to DieboldMariano
        Tests against the references; below 0 this model is better.
    losses, forecasts : float64[n]
    """

    name: str
    loss: float
    r2_log: float
    against: dict[str, DieboldMariano]
    losses: Floats
    forecasts: Floats


def rank(
    models: Sequence[VolatilityModel],
    series: DailySeries,
    first: int,
    proxy: Floats,
    references: Sequence[str] = ("GARCH", "log-HAR"),
    lags: int = 10,
) -> list[RankedModel]:
    """Forecast with each model and rank them, best first.

    Parameters
    ----------
    proxy : float64[n]
        What the variance of each day is taken to have been.
    references : sequence of str
        Models that the others are tested against.
    """
    truth = proxy[first:]
    found = {}
    for model in models:
        forecast = model.forecast(series, first)
        if not (np.isfinite(forecast).all() and np.all(forecast > 0)):
            row = int(np.flatnonzero(~(np.isfinite(forecast) & (forecast > 0)))[0])
            received = f"{forecast[row]} of {model.name} for {series.days[first + row]}"
            raise DataError("variance forecasts above 0", received, "leave the model out")
        found[model.name] = forecast
    losses = {name: qlike(forecast, truth) for name, forecast in found.items()}
    ranked = [
        RankedModel(
            name,
            float(losses[name].mean()),
            _r2_log(forecast, truth),
            {
                other: diebold_mariano(losses[name], losses[other], lags)
                for other in references
                if other in losses and other != name
            },
            losses[name],
            forecast,
        )
        for name, forecast in found.items()
    ]
    return sorted(ranked, key=lambda one: one.loss)


def _r2_log(forecast: Floats, truth: Floats) -> float:
    if np.any(truth <= 0):
        return float("nan")
    log = np.log(truth)
    return float(1.0 - np.sum((log - np.log(forecast)) ** 2) / np.sum((log - log.mean()) ** 2))


def realised_models() -> tuple[VolatilityModel, ...]:
    """Models that are ranked on realised variance; those with VIX where the series has it."""
    return (
        Ewma(),
        Yesterday(),
        Garch(),
        Garch(asymmetric=True),
        Ewma(0.7, source="rv"),
        Har(),
        Har(quarticity=True),
        Har(logs=True),
        Har(logs=True, vix=True),
    )


def daily_models(target: str = "r2") -> tuple[VolatilityModel, ...]:
    """Models of returns and the daily range, scaled to what they are ranked on: squared returns, or a column."""
    return (
        Ewma(target=target),
        Garch(target=target),
        Garch(asymmetric=True, target=target),
        RescaledForecast(Har(target="range", refit=5), target),
        RescaledForecast(Har(target="range", logs=True, refit=5), target),
        RescaledForecast(Har(target="range", logs=True, vix=True, refit=5), target),
    )


@dataclass(frozen=True)
class RescaledForecast:
    """A forecast of one column's level turned into one of another's, by the ratio of their past means."""

    model: Har
    target: str = "r2"

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{self.model.name} on {self.model.target}"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        known = np.arange(first, len(series)) - 1
        column = series.column(self.model.target)
        wanted = series.returns**2 if self.target == "r2" else series.column(self.target)
        ratio: Floats = np.cumsum(wanted)[known] / np.cumsum(column)[known]
        return self.model.forecast(series, first) * ratio
