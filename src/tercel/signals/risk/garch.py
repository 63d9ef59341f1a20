"""Fits of GARCH(1,1) and GJR to daily returns by quasi maximum likelihood, and their variance recursion.

Fitted now and then by `arch` on expanding windows, filtered every day by the recursion
h_t = omega + (alpha + gamma [e_{t-1} < 0]) e_{t-1}^2 + beta h_{t-1}.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.extras import import_optional

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

    def filter_returns(self, returns: Floats) -> tuple[Floats, Floats]:
        """Residuals, float64[n], and conditional variances of days `0 .. n`, float64[n + 1], in squared per cent."""
        residuals = _PER_CENT * returns - self.mu
        h = np.empty(len(returns) + 1)
        h[0] = self.start
        for t, e in enumerate(residuals.tolist()):
            h[t + 1] = self.omega + (self.alpha + self.gamma * (e < 0)) * e * e + self.beta * h[t]
        return residuals, h


def fit_garch(returns: Floats, asymmetric: bool) -> GarchFit:
    """Fit GARCH(1,1), or GJR if `asymmetric`, to daily returns by quasi maximum likelihood with normal errors.

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
    arch_model = import_optional("arch", "risk").arch_model
    model = arch_model(
        _PER_CENT * returns,
        mean="Constant",
        vol="GARCH",
        p=1,
        o=int(asymmetric),
        q=1,
        rescale=False,
    )
    parameters = model.fit(disp="off", show_warning=False).params
    gamma = float(parameters["gamma[1]"]) if asymmetric else 0.0
    mu, omega, alpha, beta = (
        float(parameters[key]) for key in ("mu", "omega", "alpha[1]", "beta[1]")
    )
    backcast = float(
        model.volatility.backcast(_PER_CENT * returns - mu)
    )  # day -1, as arch's forecasts have it
    return GarchFit(mu, omega, alpha, gamma, beta, omega + (alpha + gamma / 2 + beta) * backcast)


def fit_expanding(
    returns: Floats, first: int, asymmetric: bool, refit: int
) -> Iterator[tuple[int, int, float, Floats, Floats]]:
    """Yield fits on all the past, each serving `refit` days from `first` on: start, stop, mean, residuals, variances.

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
        residuals, h = fit.filter_returns(returns[:stop])
        yield start, stop, fit.mu / _PER_CENT, residuals / _PER_CENT, h / _PER_CENT**2
