"""Models of the next day's variance and covariance, each from the past alone, and the ports of all risk models.

The sample covariance of p names over n days has eigenvalues that are too far apart, the more so the larger p / n is.
Ledoit and Wolf shrink them: towards one level (2004), or each by its own amount (2020, analytical). Volatilities change
faster than correlations, so :class:`FastVolatility`, the default, takes both from different windows. Every estimator
refuses NaN and constant columns with the name's place, so a name that is listed late is left out by its caller
(:func:`tercel.signals.risk.portfolio.make_portfolio`), never filled. `studies.risk.conformance` has a kit for each port.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.extras import needed

# -- series ---------------------------------------------------------------------------------------
# Daily series of one instrument: returns, and what else is known at each close.


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
        return sum(one < day for one in self.days)


# -- ports ----------------------------------------------------------------------------------------


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


# -- garch ----------------------------------------------------------------------------------------
# GARCH(1,1) and GJR on expanding windows: fitted now and then by `arch`, filtered every day by the recursion.
#
# h_t = omega + (alpha + gamma [e_{t-1} < 0]) e_{t-1}^2 + beta h_{t-1}

LEAST_DAYS = 250
"""Days below which a GARCH fit says nothing."""
_PER_CENT = 100.0


@dataclass(frozen=True)
class GarchFit:
    """Parameters of a fit, for returns in per cent, and the variance that starts the recursion."""

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    start: float

    def filtered(self, returns: Floats) -> tuple[Floats, Floats]:
        """Residuals, float64[n], and conditional variances of days `0 .. n`, float64[n + 1], in squared per cent."""
        residuals = _PER_CENT * returns - self.mu
        h = np.empty(len(returns) + 1)
        h[0] = self.start
        for t, e in enumerate(residuals.tolist()):
            h[t + 1] = self.omega + (self.alpha + self.gamma * (e < 0)) * e * e + self.beta * h[t]
        return residuals, h


def fit_garch(returns: Floats, asymmetric: bool) -> GarchFit:
    """Fit by quasi maximum likelihood with normal errors.

    Raises
    ------
    DataError
        Fewer than 250 days, NaN, or returns that never move.
    ConfigError
        When the extra [risk] is not installed.
    """
    refuse_if(
        len(returns) < LEAST_DAYS,
        f"at least {LEAST_DAYS} days for a GARCH fit",
        f"{len(returns)}",
        "begin the test later",
        DataError,
    )
    refuse_if(
        not np.isfinite(returns).all() or returns.std() < 1e-12,
        "finite returns that move",
        "NaN or a constant",
        "mend the series",
        DataError,
    )
    arch_model = needed("arch", "risk").arch_model
    model = arch_model(
        _PER_CENT * returns,
        mean="Constant",
        vol="GARCH",
        p=1,
        o=int(asymmetric),
        q=1,
        rescale=False,
    )
    found = model.fit(disp="off", show_warning=False).params
    gamma = float(found["gamma[1]"]) if asymmetric else 0.0
    mu, omega, alpha, beta = (float(found[key]) for key in ("mu", "omega", "alpha[1]", "beta[1]"))
    before = float(
        model.volatility.backcast(_PER_CENT * returns - mu)
    )  # day -1, as arch's forecasts have it
    return GarchFit(mu, omega, alpha, gamma, beta, omega + (alpha + gamma / 2 + beta) * before)


def expanding(
    returns: Floats, first: int, asymmetric: bool, refit: int
) -> Iterator[tuple[int, int, float, Floats, Floats]]:
    """Fits on all the past, each serving `refit` days.

    Yields
    ------
    start, stop : int
        Days that it serves.
    mu : float
        Mean return.
    residuals, h : float64
        Residuals of days `0 .. stop - 1` and variances of days `0 .. stop`; both in units of the returns.
    """
    for start in range(first, len(returns), refit):
        stop = min(start + refit, len(returns))
        fit = fit_garch(returns[:start], asymmetric)
        residuals, h = fit.filtered(returns[:stop])
        yield start, stop, fit.mu / _PER_CENT, residuals / _PER_CENT, h / _PER_CENT**2


# -- volatility -----------------------------------------------------------------------------------

WEEK, MONTH, YEAR = 5, 22, 252
LEAST_PAST = 100
"""Days of past below which no model forecasts."""


def check_past(series: DailySeries, first: int, least: int = LEAST_PAST) -> None:
    """Refuse a forecast from day `first` on that has fewer than `least` days before it, or no day."""
    if first < least or first >= len(series):
        raise DataError(
            f"at least {least} days before the test and one in it",
            f"{first} before the test, {max(len(series) - first, 0)} in it ({series.name})",
            "use a longer series",
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
    """Exponentially weighted mean of squared returns, ``h' = decay h + (1 - decay) r^2`` (RiskMetrics 1996).

    Parameters
    ----------
    decay : float
        .94 forgets half within 11 days. Lower follows a jump of volatility sooner and forgets it sooner.
    """

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
    """GARCH(1,1) of Bollerslev (1986), or GJR of Glosten, Jagannathan and Runkle (1993), refitted on all the past.

    Parameters
    ----------
    asymmetric : bool
        GJR: falls raise the next day's variance by a coefficient of their own, as they do for equities.
    refit : int
        Days between fits; the recursion is filtered every day. Fewer costs a fit of `arch` each.
    """

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
        """Target, float64[n], and regressors, known at the close of the same row."""
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
                raise DataError(
                    f"inputs of {self.name} that move apart",
                    f"rank {rank} of {past.shape[1]} at day {series.days[start]} of {series.name}",
                    "leave out the constant column",
                )
            spread = float(np.sum((target - past @ slope) ** 2)) / (len(target) - len(slope))
            mean = inputs[start - 1 : stop - 1] @ slope
            # a linear fit may forecast a variance below zero: not less than the least ever seen
            out[start:stop] = (
                np.exp(mean + spread / 2) if self.logs else np.maximum(mean, target.min())
            )
        return out[first:]


# -- covariance -----------------------------------------------------------------------------------

SINGULAR = 1e-12
"""Smallest over largest eigenvalue below which a matrix is singular."""
OUTLIER_SD = 6.0


def checked_returns(returns: Floats) -> Floats:
    """Returns, float64[n, p], if they can be estimated from: two days at least, finite, none of them constant."""
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
    """The sample covariance ``S = X' X / (n - 1)`` of centred returns X, (n, p); singular where n <= p.

    The reference, and a choice only where days outnumber names many times: a portfolio optimised on S holds the
    combinations whose risk happened to be small.
    """

    name: str = "sample"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p]."""
        return sample_covariance(checked_returns(returns))


@dataclass(frozen=True)
class LinearShrinkage:
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


@dataclass(frozen=True)
class NonlinearShrinkage:
    """Nonlinear shrinkage: ``U diag(d) U'`` with the sample's eigenvectors U and an eigenvalue d each of its own.

    Small eigenvalues rise and large ones fall by what random-matrix theory expects of n days of p names (Ledoit and
    Wolf 2020, Annals of Statistics 48); see :func:`shrink_eigenvalues`. Invertible with fewer days than names.
    """

    name: str = "Ledoit-Wolf nonlinear"

    def estimate(self, returns: Floats) -> Floats:
        """Covariance, float64[p, p].

        Raises
        ------
        DataError
            Also for twelve days or fewer: the kernel is then wider than the spectrum.
        """
        x = checked_returns(returns)
        refuse_if(
            len(x) <= 12,
            "more than 12 days for nonlinear shrinkage",
            f"{len(x)}",
            "use a longer window",
            DataError,
        )
        eigenvalues, vectors = np.linalg.eigh(sample_covariance(x))
        shrunk = shrink_eigenvalues(np.maximum(eigenvalues, 0.0), len(x) - 1)
        return np.asarray((vectors * shrunk) @ vectors.T)


@dataclass(frozen=True)
class FastVolatility:
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
        """Covariance, float64[p, p]."""
        x = checked_returns(returns)
        variance = ewma(x**2, self.decay, np.mean(x**2, axis=0))
        standard = np.clip(x / np.sqrt(variance[:-1]), -OUTLIER_SD, OUTLIER_SD)
        correlation = NonlinearShrinkage().estimate(standard)
        scale = np.sqrt(variance[-1] / np.diag(correlation))
        return np.asarray(correlation * np.outer(scale, scale))
