"""`almgren_chriss`: the closed-form optimum of expected cost plus risk aversion times variance.

Almgren and Chriss (2000), "Optimal execution of portfolio transactions": N takes of n_j lots, tau seconds
apart, cost eps + eta n / tau a lot (temporary) and gamma a lot (permanent) while the mid diffuses with sigma.
Minimising E + lambda Var leaves, after j of the N intervals (eq. 17-20),

    x_j = X sinh(kappa (T - t_j)) / sinh(kappa T),   2 (cosh(kappa tau) - 1) / tau^2 = lambda sigma^2 / eta~,
    eta~ = eta - gamma tau / 2

a schedule fixed at arrival; TWAP as lambda goes to 0.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.intent import Intents
from tercel.execution.strategies.schedule import lots_of, take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View


@dataclass(frozen=True)
class Parameters:
    """The model's constants, in ticks, lots and seconds (or any other consistent units).

    Parameters
    ----------
    sigma : float
        Volatility, ticks per square root of a second.
    eta : float
        Temporary impact, ticks a lot per lot a second.
    gamma : float
        Permanent impact, ticks a lot per lot.
    epsilon : float
        Fixed cost, ticks a lot: half the spread.
    risk_aversion : float, optional
        lambda, per tick and lot. When not given it is ``urgency / (sigma X sqrt(T))`` for each order.
    urgency : float
        Risk aversion without units: how many ticks x lots of expected cost one would pay to be rid of that
        much standard deviation. The 2000 paper's example (lambda 1e-6, X 1e6, sigma 0.95, T 5) has 2.1.

    Raises
    ------
    ConfigError
        A number below 0, or eta that is not above 0.
    """

    sigma: float
    eta: float
    gamma: float = 0.0
    epsilon: float = 0.0
    risk_aversion: float | None = None
    urgency: float = 1.0

    def __post_init__(self) -> None:
        for name in ("sigma", "gamma", "epsilon", "risk_aversion", "urgency"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < np.inf:
                raise ConfigError(f"{name} >= 0", f"{value}", "estimate it from the market")
        if not 0 < self.eta < np.inf:
            raise ConfigError("eta > 0", f"{self.eta}", "estimate it from the depth (`eta_of_depth`)")

    def lambda_of(self, quantity: ArrayLike, horizon: ArrayLike) -> Floats:
        """float64: risk aversion of an order of `quantity` lots over `horizon` seconds."""
        quantity, horizon = np.asarray(quantity, np.float64), np.asarray(horizon, np.float64)
        if self.risk_aversion is not None:
            return np.full(np.broadcast(quantity, horizon).shape, self.risk_aversion)
        scale = self.sigma * quantity * np.sqrt(horizon)
        return np.where(scale > 0, self.urgency / np.where(scale > 0, scale, 1.0), 0.0)


def kappa(risk_aversion: ArrayLike, tau: ArrayLike, p: Parameters) -> Floats:
    """Urgency of the optimal trajectory, per second (eq. 17 and 19).

    Raises
    ------
    ConfigError
        Permanent impact so large that eta - gamma tau / 2 is not above 0: the model then has no optimum.
    """
    tau = np.asarray(tau, np.float64)
    eta = p.eta - p.gamma * tau / 2
    if np.any(eta <= 0):
        raise ConfigError("eta > gamma tau / 2", f"eta {p.eta}, gamma {p.gamma}", "lower gamma or decide more often")
    tilde2 = np.asarray(risk_aversion, np.float64) * p.sigma**2 / eta
    return np.asarray(2 * np.arcsinh(tau * np.sqrt(tilde2) / 2) / tau, np.float64)


def share_left(kappa_horizon: ArrayLike, elapsed: ArrayLike) -> Floats:
    """x / X after a share `elapsed` of the horizon (eq. 20): sinh(k (1 - u)) / sinh(k), 1 - u when k = kappa
    T is 0.

    >>> share_left(0.0, 0.25)
    array(0.75)
    """
    k, u = np.broadcast_arrays(np.asarray(kappa_horizon, np.float64), np.asarray(elapsed, np.float64))
    small = k < 1e-6
    safe = np.where(small, 1.0, k)
    # Written with decaying exponentials, so that a large kappa T does not overflow.
    curve = np.exp(-safe * u) * np.expm1(-2 * safe * (1 - u)) / np.expm1(-2 * safe)
    return np.asarray(np.where(small, 1 - u, curve), np.float64)


@dataclass(frozen=True)
class AlmgrenChriss(Strategy):
    """At decision k take what is missing to X - x_{k+1}."""

    parameters: Parameters
    name: ClassVar[str] = "almgren_chriss"

    def decide(self, view: View) -> Intents:
        """Take the trajectory's next block."""
        horizon = np.maximum(view.horizon_ns, 1) / NS_PER_SECOND
        risk_aversion = self.parameters.lambda_of(view.qty0, horizon)
        k = kappa(risk_aversion, horizon / view.decisions, self.parameters) * horizon
        elapsed = (view.decision + 1) / view.decisions
        return take_to(lots_of(1 - share_left(k, elapsed), view), view)
