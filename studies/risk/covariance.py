"""Covariance matrices of many names from few days, and the minimum-variance portfolio that compares them.

The sample covariance spreads its eigenvalues too far; a minimum-variance portfolio then bets on the smallest. Ledoit
and Wolf pull them together: to one level with one weight (2004), or each by its own (2020, analytical). Volatilities
move faster than correlations, so the best here takes an exponentially weighted volatility and a shrunk correlation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.risk.diebold_mariano import newey_west_error
from studies.risk.ports import CovarianceEstimator
from tercel.core.arrays import Floats
from tercel.core.errors import DataError

SINGULAR = 1e-12
"""Smallest over largest eigenvalue below which a matrix is singular."""
OUTLIER_SD = 6.0
YEAR = 252


def _checked(returns: Floats) -> Floats:
    x = np.asarray(returns, np.float64)
    if x.ndim != 2 or len(x) < 2 or x.shape[1] < 1:
        raise DataError("returns of at least two days", f"shape {x.shape}", "use a longer window")
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        raise DataError("finite returns", f"{x[row, column]} in row {row}, column {column}", "leave the name out")
    still = np.flatnonzero(x.std(axis=0) < 1e-12)
    if len(still):
        raise DataError("returns that move", f"a constant column {still[0]}", "leave the name out")
    return x


def sample_covariance(returns: Floats) -> Floats:
    """Sample covariance, divided by n - 1."""
    centred = returns - returns.mean(axis=0)
    covariance: Floats = centred.T @ centred / (len(returns) - 1)
    return covariance


@dataclass(frozen=True)
class SampleCovariance:
    """The sample covariance; singular where there are no more days than names."""

    name: str = "sample"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        return sample_covariance(_checked(returns))


@dataclass(frozen=True)
class EwmaCovariance:
    """Exponentially weighted products of returns (RiskMetrics), newest last."""

    decay: float = 0.97

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"EWMA {self.decay:g}"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        x = _checked(returns)
        weights = self.decay ** np.arange(len(x) - 1, -1, -1.0)
        weights /= weights.sum()
        covariance: Floats = (x * weights[:, None]).T @ x
        return covariance


@dataclass(frozen=True)
class LinearShrinkage:
    """Ledoit and Wolf (2004): the sample covariance and a multiple of the identity, weighted for the least error."""

    name: str = "Ledoit-Wolf linear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]; divided by n, as in the paper."""
        x = _checked(returns)
        n, p = x.shape
        x = x - x.mean(axis=0)
        covariance = x.T @ x / n
        level = float(np.trace(covariance)) / p
        squares = x**2
        apart = float(np.sum(covariance**2)) - p * level**2  # p times the squared distance to the target
        noise = float(np.sum(squares.T @ squares) / n - np.sum(covariance**2)) / n
        weight = min(max(noise / apart, 0.0), 1.0) if apart > 0 else 1.0
        shrunk: Floats = (1 - weight) * covariance + weight * level * np.eye(p)
        return shrunk


def shrink_eigenvalues(eigenvalues: Floats, days: int) -> Floats:
    """Analytical nonlinear shrinkage (Ledoit and Wolf 2020, Annals of Statistics 48, section 4).

    Parameters
    ----------
    eigenvalues : float64[p]
        Of the sample covariance, ascending.
    days : int
        Rows behind it, less one where the mean was taken out.

    Returns
    -------
    float64[p]

    Raises
    ------
    DataError
        When the matrix is singular for another reason than having fewer days than names.
    """
    p, n = len(eigenvalues), days
    kept = eigenvalues[max(0, p - n) :]
    if kept[0] <= SINGULAR * kept[-1]:
        received = f"eigenvalues from {kept[0]:.2g} to {kept[-1]:.2g}"
        raise DataError("columns that are no sums of others", received, "leave out names that are copies of others")
    h = n ** (-1 / 3)
    width = h * kept[None, :]
    x = (kept[:, None] - kept[None, :]) / width
    density = (0.75 / math.sqrt(5)) * np.mean(np.maximum(1 - x**2 / 5, 0) / width, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(np.abs((math.sqrt(5) - x) / (math.sqrt(5) + x)))
        kernel = -0.3 / math.pi * x + 0.75 / (math.sqrt(5) * math.pi) * (1 - x**2 / 5) * log
    edge = np.isclose(np.abs(x), math.sqrt(5))
    kernel[edge] = -0.3 / math.pi * x[edge]
    hilbert = np.mean(kernel / width, axis=1)
    ratio = p / n
    if p <= n:
        real = 1 - ratio - math.pi * ratio * kept * hilbert
        shrunk: Floats = kept / ((math.pi * ratio * kept * density) ** 2 + real**2)
        return shrunk
    at_zero = (1 / math.pi) * (
        0.3 / h**2
        + 0.75 / (math.sqrt(5) * h) * (1 - 0.2 / h**2) * math.log((1 + math.sqrt(5) * h) / (1 - math.sqrt(5) * h))
    )
    null = 1 / (math.pi * (p - n) / n * at_zero * float(np.mean(1 / kept)))
    rest = kept / (math.pi**2 * kept**2 * (density**2 + hilbert**2))
    return np.concatenate([np.full(p - n, null), rest])


@dataclass(frozen=True)
class NonlinearShrinkage:
    """Ledoit and Wolf (2020): every eigenvalue of the sample covariance moved by its own, eigenvectors kept."""

    name: str = "Ledoit-Wolf nonlinear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p].

        Raises
        ------
        DataError
            Also for twelve days or fewer: the kernel is then wider than the spectrum.
        """
        x = _checked(returns)
        if len(x) <= 12:
            raise DataError("more than 12 days for nonlinear shrinkage", f"{len(x)}", "use a longer window")
        eigenvalues, vectors = np.linalg.eigh(sample_covariance(x))
        shrunk = shrink_eigenvalues(np.maximum(eigenvalues, 0.0), len(x) - 1)
        covariance: Floats = (vectors * shrunk) @ vectors.T
        return covariance


@dataclass(frozen=True)
class FastVolatility:
    """EWMA volatilities around a shrunk correlation of the returns that they standardise, clipped at six of them."""

    decay: float = 0.99

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"EWMA {self.decay:g} vol x nonlinear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        x = _checked(returns)
        variance = np.mean(x**2, axis=0)
        standard = np.empty_like(x)
        for t, row in enumerate(x):
            standard[t] = row / np.sqrt(variance)
            variance = self.decay * variance + (1 - self.decay) * row**2
        standard = np.clip(standard, -OUTLIER_SD, OUTLIER_SD)
        correlation = NonlinearShrinkage().estimate(standard)
        scale = np.sqrt(variance / np.diag(correlation))
        covariance: Floats = correlation * np.outer(scale, scale)
        return covariance


@dataclass(frozen=True)
class PseudoInverse:
    """Another estimator whose singular matrix is inverted where it can be; named, since it hides an error."""

    inner: CovarianceEstimator

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{self.inner.name} (pseudo-inverse)"

    def estimate(self, returns: Floats) -> Floats:
        """The inner estimator's covariance."""
        return self.inner.estimate(returns)


@dataclass(frozen=True)
class EqualWeights:
    """1/N: no estimate at all, written as the identity."""

    name: str = "1/N"

    def estimate(self, returns: Floats) -> Floats:
        """The identity, float64[p, p]."""
        return np.eye(_checked(returns).shape[1])


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
        if not np.isfinite(eigenvalues).all() or eigenvalues[0] <= SINGULAR * max(eigenvalues[-1], 1e-300):
            received = f"a singular one: eigenvalues from {eigenvalues[0]:.2g} to {eigenvalues[-1]:.2g}"
            raise DataError("a covariance matrix that can be inverted", received, "shrink it (Ledoit-Wolf)")
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
        raise DataError(f"{window} days before the test and one in it", received, "use a longer panel")
    held = {one.name: _held(one, returns, first, window, rebuild) for one in estimators}
    out = []
    for name, (earned, leverage, turnover) in held.items():
        t = math.nan
        if reference in held and name != reference:
            apart = earned**2 - held[reference][0] ** 2
            t = float(apart.mean()) / newey_west_error(apart, lags)
        out.append(CovarianceVerdict(name, float(earned.std() * math.sqrt(YEAR)), t, leverage, turnover, earned))
    return out


def _held(
    estimator: CovarianceEstimator, returns: Floats, first: int, window: int, rebuild: int
) -> tuple[Floats, float, float]:
    pseudo = isinstance(estimator, PseudoInverse)
    earned = np.empty(len(returns) - first)
    before: Floats | None = None
    leverages, turnovers = [], []
    for start in range(first, len(returns), rebuild):
        weights = minimum_variance(estimator.estimate(returns[start - window : start]), pseudo)
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
