"""What a risk model must do, one small protocol a family; `studies.risk.conformance` holds a kit for each."""

from typing import Protocol

from studies.risk.series import DailySeries
from tercel.core.arrays import Floats


class VolatilityModel(Protocol):
    """Forecasts tomorrow's variance of one series."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    def forecast(self, series: DailySeries, first: int) -> Floats:
        """Variance forecasts of days `first .. n - 1`, float64[n - first]; day t from days before t alone.

        Raises
        ------
        DataError
            Too few days before `first`, constant returns, or a column that it needs and that is not there.
        """
        ...


class CovarianceEstimator(Protocol):
    """Estimates a covariance matrix from returns."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p], symmetric, from returns float64[n, p], newest last.

        Raises
        ------
        DataError
            NaN, fewer than two rows, or a column that never moves.
        """
        ...


class TailModel(Protocol):
    """Forecasts tomorrow's Value at Risk and Expected Shortfall."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    def forecast(self, returns: Floats, first: int, level: float) -> tuple[Floats, Floats]:
        """VaR and ES of days `first .. n - 1`, both as positive losses, float64[n - first]; day t from days before t.

        Raises
        ------
        DataError
            Too few days before `first`, NaN or constant returns.
        """
        ...
