"""Estimators of the covariance matrix of daily returns: sample, linear and nonlinear shrinkage, fast volatilities.

The sample covariance of p names over n days has eigenvalues that are too far apart, the more so the larger p / n is.
Ledoit and Wolf shrink them: towards one level (2004), or each by its own amount (2020, analytical). Volatilities change
faster than correlations, so :class:`FastVolatility`, the default, takes both from different windows. Each has
scikit-learn's `fit`, and :func:`fit_covariance` takes its estimators and those of skfolio as well. Every estimator here
refuses NaN and constant columns with the name's place, so a name that is listed late is left out by its caller
(:func:`tercel.signals.risk.portfolio.make_portfolio`), never filled. `studies.risk.conformance` has a kit for each port.
"""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.extras import import_optional
from tercel.signals.risk.ports import CovarianceEstimator
from tercel.signals.risk.volatility import ewma

SINGULAR = 1e-12
"""Smallest over largest eigenvalue below which a matrix is singular."""
OUTLIER_SD = 6.0


def checked_returns(returns: Floats) -> Floats:
    """Returns float64[n, p] as given; raises DataError unless they are finite, two days at least, none constant."""
    x = np.asarray(returns, np.float64)
    refuse_if(
        x.ndim != 2 or len(x) < 2 or x.shape[1] < 1,
        "returns of at least two days",
        f"shape {x.shape}",
        "use a longer window",
        DataError,
    )
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            "finite returns",
            f"{x[row, column]} in row {row}, column {column}",
            "leave the name out",
        )
    constant = np.flatnonzero(x.std(axis=0) < 1e-12)
    if len(constant):
        raise DataError(
            "returns that move", f"a constant column {constant[0]}", "leave the name out"
        )
    return x


def sample_covariance(returns: Floats) -> Floats:
    """Sample covariance, divided by n - 1."""
    centred = returns - returns.mean(axis=0)
    return np.asarray(centred.T @ centred / (len(returns) - 1))


class ReturnsCovariance:
    """Base class of the estimators here: `fit` checks daily returns, then sets `covariance_`, float64[p, p]."""

    covariance_: Floats

    def fit(self, X: Floats, y: Any = None) -> Self:
        """Estimate from daily returns (n, p), newest last; returns the estimator.

        Raises
        ------
        DataError
            NaN, fewer than two rows, or a column that never moves.
        """
        self.covariance_ = self.estimate(checked_returns(X))
        return self

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p], from checked returns."""
        raise NotImplementedError


def fit_covariance(estimator: CovarianceEstimator, returns: Floats) -> Floats:
    """Covariance, float64[p, p], by a copy of an estimator that is fitted to daily returns (n, p), newest last.

    It is the estimator's `covariance_`, as in scikit-learn, or the covariance of its `return_distribution_`, as of skfolio's
    priors.

    Raises
    ------
    DataError
        Returns that cannot be used, an estimator that failed, or a matrix that is no covariance: NaN, another shape.

    >>> fit_covariance(SampleCovariance(), np.array([[0.01, 0.0], [-0.01, 0.02]])).round(6).tolist()
    [[0.0002, -0.0002], [-0.0002, 0.0002]]
    """
    x = checked_returns(returns)
    name = estimator_name(estimator)
    fitted: Any = deepcopy(estimator)
    try:
        fitted.fit(x)
    except (ValueError, ArithmeticError, TypeError) as error:
        raise DataError(
            f"returns that {name} can be fitted to",
            f"{len(x)} days of {x.shape[1]} names ({error})".replace("\n", " "),
            "use a longer window, or another estimator",
        ) from error
    fitted = getattr(fitted, "return_distribution_", fitted)
    covariance = np.asarray(
        getattr(fitted, "covariance_", getattr(fitted, "covariance", ())), np.float64
    )
    shape = (x.shape[1], x.shape[1])
    if covariance.shape != shape:
        received = f"shape {covariance.shape}"
    elif not np.isfinite(covariance).all():
        received = f"no finite number in row, column {np.argwhere(~np.isfinite(covariance))[0]}"
    else:
        is_symmetric = np.allclose(covariance, covariance.T, atol=1e-8 * np.abs(covariance).max())
        received = "" if is_symmetric else "one that is not symmetric"
        received = received if np.diag(covariance).min() > 0 else "variances of 0 or less"
    refuse_if(
        bool(received),
        f"a finite, symmetric covariance_ of shape {shape} from {name}",
        received,
        "correct its fit, or use another estimator",
        DataError,
    )
    return covariance


def estimator_name(estimator: CovarianceEstimator) -> str:
    """Name of an estimator in tables: its `name`, else its class."""
    return str(getattr(estimator, "name", type(estimator).__name__))


@dataclass
class SampleCovariance(ReturnsCovariance):
    """The sample covariance ``S = X' X / (n - 1)`` of centred returns X, (n, p); singular where n <= p.

    The reference, and a choice only where days outnumber names many times: a portfolio optimised on S holds the
    combinations whose risk happened to be small.
    """

    name: str = "sample"

    def estimate(self, returns: Floats) -> Floats:
        """Sample covariance of checked daily returns (n, p), float64[p, p]."""
        return sample_covariance(returns)


@dataclass
class LinearShrinkage(ReturnsCovariance):
    """Linear shrinkage ``(1 - a) S + a m I``, m the mean variance (Ledoit and Wolf 2004, J. Multivariate Analysis 88).

    The weight a minimises the expected squared error and has nothing to choose. It pulls correlations and variances
    alike towards their mean: quiet names look riskier and wild ones safer than they are.
    """

    name: str = "Ledoit-Wolf linear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance of scikit-learn's `LedoitWolf`, float64[p, p]; divided by n, as in the paper.

        Raises
        ------
        ConfigError
            When the extra [risk] is not installed.
        """
        return np.asarray(import_optional("sklearn.covariance", "risk").ledoit_wolf(returns)[0])


def shrink_eigenvalues(eigenvalues: Floats, days: int) -> Floats:
    """Eigenvalues of a covariance by analytical nonlinear shrinkage (Ledoit and Wolf 2020, Annals of Statistics 48, section 4).

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
    p = len(eigenvalues)
    n = days
    positive = eigenvalues[max(0, p - n) :]
    if positive[0] <= SINGULAR * positive[-1]:
        raise DataError(
            "columns that are no sums of others",
            f"eigenvalues from {positive[0]:.2g} to {positive[-1]:.2g}",
            "leave out names that are copies of others",
        )
    h = n ** (-1 / 3)
    width = h * positive[None, :]
    x = (positive[:, None] - positive[None, :]) / width
    density = (0.75 / math.sqrt(5)) * np.mean(np.maximum(1 - x**2 / 5, 0) / width, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(np.abs((math.sqrt(5) - x) / (math.sqrt(5) + x)))
        kernel = -0.3 / math.pi * x + 0.75 / (math.sqrt(5) * math.pi) * (1 - x**2 / 5) * log
    edge = np.isclose(np.abs(x), math.sqrt(5))
    kernel[edge] = -0.3 / math.pi * x[edge]
    hilbert = np.mean(kernel / width, axis=1)
    ratio = p / n
    if p <= n:
        real = 1 - ratio - math.pi * ratio * positive * hilbert
        return np.asarray(positive / ((math.pi * ratio * positive * density) ** 2 + real**2))
    at_zero = (1 / math.pi) * (
        0.3 / h**2
        + 0.75
        / (math.sqrt(5) * h)
        * (1 - 0.2 / h**2)
        * math.log((1 + math.sqrt(5) * h) / (1 - math.sqrt(5) * h))
    )
    null = 1 / (math.pi * (p - n) / n * at_zero * float(np.mean(1 / positive)))
    rest = positive / (math.pi**2 * positive**2 * (density**2 + hilbert**2))
    return np.concatenate([np.full(p - n, null), rest])


@dataclass
class NonlinearShrinkage(ReturnsCovariance):
    """Nonlinear shrinkage: ``U diag(d) U'`` with the sample's eigenvectors U and an eigenvalue d each of its own.

    Small eigenvalues rise and large ones fall by what random-matrix theory expects of n days of p names (Ledoit and
    Wolf 2020, Annals of Statistics 48); see :func:`shrink_eigenvalues`. Invertible with fewer days than names.
    """

    name: str = "Ledoit-Wolf nonlinear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance with nonlinearly shrunk eigenvalues, float64[p, p].

        Raises
        ------
        DataError
            Also for twelve days or fewer: the kernel is then wider than the spectrum.
        """
        refuse_if(
            len(returns) <= 12,
            "more than 12 days for nonlinear shrinkage",
            f"{len(returns)}",
            "use a longer window",
            DataError,
        )
        eigenvalues, vectors = np.linalg.eigh(sample_covariance(returns))
        shrunk = shrink_eigenvalues(np.maximum(eigenvalues, 0.0), len(returns) - 1)
        return np.asarray((vectors * shrunk) @ vectors.T)


@dataclass
class FastVolatility(ReturnsCovariance):
    """Volatilities of recent days around a correlation of the whole window: ``D R D``.

    D holds the exponentially weighted standard deviations (no mean taken out), R is the correlation of
    :class:`NonlinearShrinkage` of returns divided by the deviation of their own day, clipped at six deviations so that
    one crash does not become a correlation.

    Parameters
    ----------
    decay : float
        Weight of a day's variance on the next day: half of the weight lies on the last ln(.5) / ln(decay) days, 69 for
        .99. Lower reacts within days and is noisier; 1 is the plain mean of the window.
    """

    decay: float = 0.99

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"EWMA {self.decay:g} vol x nonlinear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]: exponentially weighted deviations at the end around a nonlinearly shrunk correlation."""
        variance = ewma(returns**2, self.decay, np.mean(returns**2, axis=0))
        standard = np.clip(returns / np.sqrt(variance[:-1]), -OUTLIER_SD, OUTLIER_SD)
        correlation = NonlinearShrinkage().estimate(standard)
        scale = np.sqrt(variance[-1] / np.diag(correlation))
        return np.asarray(correlation * np.outer(scale, scale))
