"""Forecasts of tomorrow's variance ranked by QLIKE.

QLIKE = v / f - ln(v / f) - 1 for a proxy v and a forecast f ranks forecasts as the unseen variance would (Patton 2011).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.risk.diebold_mariano import DieboldMariano, diebold_mariano
from tercel.core import DataError, Floats
from tercel.signals.risk import (
    MONTH,
    DailySeries,
    Ewma,
    Garch,
    Har,
    VolatilityModel,
    check_past,
    ewma,
)


@dataclass(frozen=True)
class Yesterday:
    """Yesterday's value of the target: the rule that a model has to beat."""

    target: str = "rv"
    name: str = "yesterday"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        check_past(series, first)
        return series.column(self.target)[first - 1 : -1].copy()


@dataclass(frozen=True)
class Scaled:
    """A model of close-to-close returns, scaled by the ratio of past means to what has no night, such as `rv`."""

    model: VolatilityModel
    target: str = "rv"

    @property
    def name(self) -> str:
        """As tables show it."""
        return self.model.name

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        found = self.model.forecast(series, first)
        if self.target == "r2":
            return found
        values, squares = series.column(self.target), series.returns**2
        known = np.arange(first, len(series))
        ratio: Floats = np.cumsum(values)[known - 1] / np.maximum(
            np.cumsum(squares)[known - 1], 1e-300
        )
        return found * ratio


@dataclass(frozen=True)
class EwmaOf(Ewma):
    """Exponentially weighted mean of a column."""

    source: str = "rv"

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{super().name} on {self.source}"

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`."""
        check_past(series, first)
        values = series.column(self.source)
        return ewma(values, self.decay, float(values[1:MONTH].mean()))[first:-1]


@dataclass(frozen=True)
class Harq(Har):
    """HARQ (Bollerslev, Patton and Quaedvlieg 2016): yesterday counts the less, the worse it was measured."""

    @property
    def name(self) -> str:
        """As tables show it."""
        return super().name.replace("HAR", "HARQ")

    def inputs(self, series: DailySeries) -> tuple[Floats, Floats]:
        """Those of HAR, and yesterday times the deviation of its measurement."""
        y, columns = super().inputs(series)
        noise = np.sqrt(series.column("rq"))
        return y, np.column_stack(
            [columns, series.column(self.target) * noise / noise[:MONTH].mean()]
        )


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
        Scaled(Ewma()),
        Yesterday(),
        Scaled(Garch()),
        Scaled(Garch(asymmetric=True)),
        EwmaOf(0.7),
        Har(),
        Harq(),
        Har(logs=True),
        Har(logs=True, vix=True),
    )


def daily_models(target: str = "r2") -> tuple[VolatilityModel, ...]:
    """Models of returns and the daily range, scaled to what they are ranked on: squared returns, or a column."""
    return (
        Scaled(Ewma(), target),
        Scaled(Garch(), target),
        Scaled(Garch(asymmetric=True), target),
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
