"""Ports of the risk models, one small protocol a family.

`studies.risk.conformance` holds their conformance kits.
"""

from typing import Protocol

from tercel.core.arrays import Floats
from tercel.signals.risk.seconds import Second
from tercel.signals.risk.series import DailySeries


class AnomalyScore(Protocol):
    """Port: distance of a market's state from ordinary, second by second."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def update(self, second: Second) -> float:
        """Score after one more second, over its alarm threshold: 1 is the alarm. NaN while it cannot say.

        A second that holds NaN gives NaN and leaves the state as it was.
        """


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
    """Estimates a covariance matrix from returns."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p], symmetric, from returns float64[n, p], newest last.

        Raises
        ------
        DataError
            NaN, fewer than two rows, or a column that never moves.
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
