"""Covariance matrices of many names from few days.

The sample covariance spreads its eigenvalues too far. Ledoit and Wolf pull them together: to one level with one weight
(2004), or each by its own (2020, analytical). Volatilities move faster than correlations, so the best here takes an
exponentially weighted volatility and a shrunk correlation.
"""

import math
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.extras import needed
from tercel.signals.risk.volatility import ewma

SINGULAR = 1e-12
"""Smallest over largest eigenvalue below which a matrix is singular."""
OUTLIER_SD = 6.0


def checked_returns(returns: Floats) -> Floats:
    """Returns, float64[n, p], if they can be estimated from: two days at least, finite, none of them constant."""
    x = np.asarray(returns, np.float64)
    if x.ndim != 2 or len(x) < 2 or x.shape[1] < 1:
        raise DataError("returns of at least two days", f"shape {x.shape}", "use a longer window")
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            "finite returns",
            f"{x[row, column]} in row {row}, column {column}",
            "leave the name out",
        )
    still = np.flatnonzero(x.std(axis=0) < 1e-12)
    if len(still):
        raise DataError("returns that move", f"a constant column {still[0]}", "leave the name out")
    return x


def sample_covariance(returns: Floats) -> Floats:
    """Sample covariance, divided by n - 1."""
    centred = returns - returns.mean(axis=0)
    return np.asarray(centred.T @ centred / (len(returns) - 1))


@dataclass(frozen=True)
class SampleCovariance:
    """The sample covariance; singular where there are no more days than names."""

    name: str = "sample"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        return sample_covariance(checked_returns(returns))


@dataclass(frozen=True)
class LinearShrinkage:
    """Ledoit and Wolf (2004): the sample covariance and a multiple of the identity, weighted for the least error."""

    name: str = "Ledoit-Wolf linear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance of scikit-learn's `LedoitWolf`, float64[p, p]; divided by n, as in the paper.

        Raises
        ------
        ConfigError
            When the extra [risk] is not installed.
        """
        return np.asarray(
            needed("sklearn.covariance", "risk").ledoit_wolf(checked_returns(returns))[0]
        )


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
        raise DataError(
            "columns that are no sums of others",
            f"eigenvalues from {kept[0]:.2g} to {kept[-1]:.2g}",
            "leave out names that are copies of others",
        )
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
        return np.asarray(kept / ((math.pi * ratio * kept * density) ** 2 + real**2))
    at_zero = (1 / math.pi) * (
        0.3 / h**2
        + 0.75
        / (math.sqrt(5) * h)
        * (1 - 0.2 / h**2)
        * math.log((1 + math.sqrt(5) * h) / (1 - math.sqrt(5) * h))
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
        x = checked_returns(returns)
        if len(x) <= 12:
            raise DataError(
                "more than 12 days for nonlinear shrinkage", f"{len(x)}", "use a longer window"
            )
        eigenvalues, vectors = np.linalg.eigh(sample_covariance(x))
        shrunk = shrink_eigenvalues(np.maximum(eigenvalues, 0.0), len(x) - 1)
        return np.asarray((vectors * shrunk) @ vectors.T)


@dataclass(frozen=True)
class FastVolatility:
    """EWMA volatilities around a shrunk correlation of the returns that they standardise, clipped at six of them."""

    decay: float = 0.99

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g} vol x nonlinear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        x = checked_returns(returns)
        variance = ewma(x**2, self.decay, np.mean(x**2, axis=0))
        standard = np.clip(x / np.sqrt(variance[:-1]), -OUTLIER_SD, OUTLIER_SD)
        correlation = NonlinearShrinkage().estimate(standard)
        scale = np.sqrt(variance[-1] / np.diag(correlation))
        return np.asarray(correlation * np.outer(scale, scale))
