"""Covariance estimators judged by the minimum-variance portfolio: it bets on the smallest eigenvalues."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.risk.diebold_mariano import newey_west_error
from tercel.core import DataError, Floats
from tercel.signals.risk import (
    SINGULAR,
    CovarianceEstimator,
    FastVolatility,
    LinearShrinkage,
    NonlinearShrinkage,
    ReturnsCovariance,
    SampleCovariance,
    estimator_name,
    fit_covariance,
)

YEAR = 252


@dataclass
class EwmaCovariance(ReturnsCovariance):
    """Exponentially weighted products of returns (RiskMetrics), newest last."""

    decay: float = 0.97

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"EWMA {self.decay:g}"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        weights = self.decay ** np.arange(len(returns) - 1, -1, -1.0)
        weights /= weights.sum()
        covariance: Floats = (returns * weights[:, None]).T @ returns
        return covariance


@dataclass
class PseudoInverse(ReturnsCovariance):
    """Another estimator whose singular matrix is inverted where it can be; named, since it hides an error."""

    inner: CovarianceEstimator

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{estimator_name(self.inner)} (pseudo-inverse)"

    def estimate(self, returns: Floats) -> Floats:
        """The inner estimator's covariance."""
        return fit_covariance(self.inner, returns)


@dataclass
class EqualWeights(ReturnsCovariance):
    """1/N: no estimate at all, written as the identity."""

    name: str = "1/N"

    def estimate(self, returns: Floats) -> Floats:
        """The identity, float64[p, p]."""
        return np.eye(returns.shape[1])


def minimum_variance(covariance: Floats, pseudo_inverse: bool = False) -> Floats:
    """Weights of the unconstrained global minimum-variance portfolio, float64[p]; they add up to 1.

    Raises
    ------
    DataError
        For a singular matrix, unless the pseudo-inverse is asked for by name.

    >>> minimum_variance(np.diag([1.0, 3.0])).tolist()
    [0.75, 0.25]
    """
    ones = np.ones(len(covariance))
    if pseudo_inverse:
        raw = np.linalg.pinv(covariance, hermitian=True) @ ones
    else:
        eigenvalues, vectors = np.linalg.eigh(covariance)
        if not np.isfinite(eigenvalues).all() or eigenvalues[0] <= SINGULAR * max(
            eigenvalues[-1], 1e-300
        ):
            received = (
                f"a singular one: eigenvalues from {eigenvalues[0]:.2g} to {eigenvalues[-1]:.2g}"
            )
            raise DataError(
                "a covariance matrix that can be inverted", received, "shrink it (Ledoit-Wolf)"
            )
        raw = vectors @ ((vectors.T @ ones) / eigenvalues)
    weights: Floats = raw / raw.sum()
    return weights


@dataclass(frozen=True)
class CovarianceVerdict:
    """An estimator on trial.

    Parameters
    ----------
    name : str
    volatility : float
        Of the minimum-variance portfolio out of sample, a year.
    t : float
        Newey-West t of its squared daily returns less the reference's: below 0 it is the less risky; NaN for itself.
    leverage : float
        Mean sum of absolute weights.
    turnover : float
        Mean sum of absolute changes of weights at a rebuild.
    returns : float64[days]
    """

    name: str
    volatility: float
    t: float
    leverage: float
    turnover: float
    returns: Floats


def judge(
    estimators: Sequence[CovarianceEstimator],
    returns: Floats,
    first: int,
    window: int = YEAR,
    rebuild: int = 21,
    reference: str = "Ledoit-Wolf linear",
    lags: int = 10,
) -> list[CovarianceVerdict]:
    """Hold each estimator's minimum-variance portfolio through days `first .. n - 1`, rebuilt every `rebuild` days.

    Weights are those of the last rebuild, brought back to themselves every day; no costs.
    """
    if first < window or first >= len(returns):
        received = f"{first} before the test, {max(len(returns) - first, 0)} in it"
        raise DataError(
            f"{window} days before the test and one in it", received, "use a longer panel"
        )
    held = {estimator_name(one): _held(one, returns, first, window, rebuild) for one in estimators}
    out = []
    for name, (earned, leverage, turnover) in held.items():
        t = math.nan
        if reference in held and name != reference:
            apart = earned**2 - held[reference][0] ** 2
            t = float(apart.mean()) / newey_west_error(apart, lags)
        out.append(
            CovarianceVerdict(
                name, float(earned.std() * math.sqrt(YEAR)), t, leverage, turnover, earned
            )
        )
    return out


def _held(
    estimator: CovarianceEstimator, returns: Floats, first: int, window: int, rebuild: int
) -> tuple[Floats, float, float]:
    pseudo = isinstance(estimator, PseudoInverse)
    earned = np.empty(len(returns) - first)
    before: Floats | None = None
    leverages, turnovers = [], []
    for start in range(first, len(returns), rebuild):
        weights = minimum_variance(
            fit_covariance(estimator, returns[start - window : start]), pseudo
        )
        stop = min(start + rebuild, len(returns))
        earned[start - first : stop - first] = returns[start:stop] @ weights
        leverages.append(float(np.abs(weights).sum()))
        if before is not None:
            turnovers.append(float(np.abs(weights - before).sum()))
        before = weights
    return earned, float(np.mean(leverages)), float(np.mean(turnovers)) if turnovers else 0.0


def estimators() -> tuple[CovarianceEstimator, ...]:
    """Estimators on trial, the plain ones first."""
    return (
        EqualWeights(),
        PseudoInverse(SampleCovariance()),
        PseudoInverse(EwmaCovariance()),
        LinearShrinkage(),
        NonlinearShrinkage(),
        FastVolatility(),
    )
