"""Ports of risk models (variance, covariance, tail) and the daily series of one instrument that they read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from tercel.core.arrays import Floats
from tercel.core.errors import DataError


@dataclass(frozen=True)
class DailySeries:
    """Days of one instrument, oldest first.

    Parameters
    ----------
    name : str
    days : tuple of date
    returns : float64[n]
        Log return from the close before; day 0 has none, 0.
    columns : mapping of str to float64[n]
        Further values known at the close of each day: `rv` (realised variance), `rq` (quarticity), `vix`, `range`
        (Garman-Klass variance), `proxy` (range plus squared overnight return).
    """

    name: str
    days: tuple[date, ...]
    returns: Floats
    columns: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of days."""
        return len(self.days)

    def column(self, name: str) -> Floats:
        """A column by name.

        Raises
        ------
        DataError
            The series lacks it.
        """
        if name not in self.columns:
            raise DataError(
                f"a column {name} in {self.name}",
                ", ".join(self.columns) or "returns alone",
                f"add {name}, or leave the model out",
            )
        return self.columns[name]

    def since(self, day: date) -> int:
        """Index of the first day from `day` on."""
        return sum(series_day < day for series_day in self.days)


class VolatilityModel(Protocol):
    """Forecasts tomorrow's variance of one series."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`, float64[n - first]; day t from days before t alone.

        Raises
        ------
        DataError
            Too few days before `first`, constant returns, or a column that it needs and that is not there.
        """


class CovarianceEstimator(Protocol):
    """Estimates a covariance matrix from returns, as estimators of scikit-learn and skfolio do; `name`, if any, is shown.

    :func:`~tercel.signals.risk.covariance.fit_covariance` fits a copy and checks the matrix.
    """

    def fit(self, X: Floats, y: Any = None) -> Any:
        """Set `covariance_`, float64[p, p], symmetric, from returns float64[n, p], newest last (or, as a prior of skfolio,
        `return_distribution_`).
        """


class TailModel(Protocol):
    """Forecasts tomorrow's Value at Risk and Expected Shortfall."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, both as positive losses, float64[n - first]; day t from days before t.

        Raises
        ------
        DataError
            Too few days before `first`, NaN or constant returns.
        """
