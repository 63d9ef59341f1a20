"""`almgren_chriss` and `almgren_chriss_alpha`: the closed-form optimum of expected cost plus risk aversion times variance.

Almgren and Chriss (2000), "Optimal execution of portfolio transactions": N takes of n_j lots, tau seconds
apart, cost eps + eta n / tau a lot (temporary) and gamma a lot (permanent) while the mid diffuses with sigma.
Minimising E + lambda Var leaves, after j of the N intervals (eq. 17-20),

    x_j = X sinh(kappa (T - t_j)) / sinh(kappa T),   2 (cosh(kappa tau) - 1) / tau^2 = lambda sigma^2 / eta~,
    eta~ = eta - gamma tau / 2

a schedule fixed at arrival; TWAP as lambda goes to 0.

`almgren_chriss_alpha`: the optimum of Almgren and Chriss when the mid is expected to move.

Expected cost and risk, as in `almgren_chriss`, plus the expected loss by waiting: the x_j lots still left
after the j-th take meet the move d_j expected in the interval that follows. Minimising

    (eta~ / tau) sum (x_{j-1} - x_j)^2 + lambda sigma^2 tau sum x_j^2 + sum x_j d_j

gives (x_{j-1} - 2 x_j + x_{j+1}) / tau^2 = kappa~^2 x_j + d_j / (2 eta~ tau), linear in (x_0, d). Its first step, all
that a decision needs, is with n intervals to go

    x_1 = x_0 sinh(kappa (n-1) tau) / sinh(kappa n tau) - tau / (2 eta~) sum_{j=1}^{n-1} d_j sinh(kappa (n-j) tau) /
          sinh(kappa n tau)

the discrete form of Cartea and Jaimungal's speed: every expected move counts with the share of the order that would
still be there to meet it. Without a forecast it is the plain schedule, lot by lot.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.guidance import expected_move
from tercel.execution.intent import Intents
from tercel.execution.strategies.baselines import lots_of, take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

BPS = 1e4


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
            refuse_if(
                value is not None and not 0 <= value < np.inf,
                f"{name} >= 0",
                f"{value}",
                "estimate it from the market",
            )
        refuse_if(
            not 0 < self.eta < np.inf,
            "eta > 0",
            f"{self.eta}",
            "estimate it from the depth (`eta_of_depth`)",
        )

    def lambda_of(self, quantity: ArrayLike, horizon: ArrayLike) -> Floats:
        """Risk aversion lambda for `quantity` lots over `horizon` seconds: the given one, else urgency / (sigma Q sqrt(T))."""
        quantity = np.asarray(quantity, np.float64)
        horizon = np.asarray(horizon, np.float64)
        if self.risk_aversion is not None:
            return np.full(np.broadcast(quantity, horizon).shape, self.risk_aversion)
        scale = self.sigma * quantity * np.sqrt(horizon)
        return np.where(scale > 0, self.urgency / np.where(scale > 0, scale, 1.0), 0.0)


def kappa(risk_aversion: ArrayLike, tau: ArrayLike, p: Parameters) -> Floats:
    """Urgency kappa of the optimal trajectory, per second (eq. 17 and 19), for takes `tau` seconds apart; ConfigError if gamma
    is too large.

    Raises
    ------
    ConfigError
        Permanent impact so large that eta - gamma tau / 2 is not above 0: the model then has no optimum.
    """
    tau = np.asarray(tau, np.float64)
    eta = p.eta - p.gamma * tau / 2
    refuse_if(
        np.any(eta <= 0),
        "eta > gamma tau / 2",
        f"eta {p.eta}, gamma {p.gamma}",
        "lower gamma or decide more often",
    )
    tilde2 = np.asarray(risk_aversion, np.float64) * p.sigma**2 / eta
    return np.asarray(2 * np.arcsinh(tau * np.sqrt(tilde2) / 2) / tau, np.float64)


def share_left(kappa_horizon: ArrayLike, elapsed: ArrayLike) -> Floats:
    """Share of the order left after a share `elapsed` of the horizon (eq. 20): sinh(k (1 - u)) / sinh(k), 1 - u for k =
    kappa T = 0.

    >>> share_left(0.0, 0.25)
    array(0.75)
    """
    k, u = np.broadcast_arrays(
        np.asarray(kappa_horizon, np.float64), np.asarray(elapsed, np.float64)
    )
    small = k < 1e-6
    safe = np.where(small, 1.0, k)
    # Written with decaying exponentials, so that a large kappa T does not overflow.
    curve = np.exp(-safe * u) * np.expm1(-2 * safe * (1 - u)) / np.expm1(-2 * safe)
    return np.asarray(np.where(small, 1 - u, curve), np.float64)


@dataclass(frozen=True)
class AlmgrenChriss(Strategy):
    """Almgren and Chriss's trajectory: at decision k take the lots that are missing until only x_{k+1} are left."""

    parameters: Parameters
    name: ClassVar[str] = "almgren_chriss"

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the trajectory's next point; nothing rests."""
        horizon = np.maximum(view.horizon_ns, 1) / NS_PER_SECOND
        risk_aversion = self.parameters.lambda_of(view.qty0, horizon)
        k = kappa(risk_aversion, horizon / view.decisions, self.parameters) * horizon
        elapsed = (view.decision + 1) / view.decisions
        return take_to(lots_of(1 - share_left(k, elapsed), view), view)


def alpha_ticks(view: View) -> Floats:
    """Remaining expected move of the mid against the order, ticks, float64 (n,); negative: in its favour."""
    return np.asarray(view.alpha_bps * np.abs(view.mid2) / 2 / BPS, np.float64)


def ahead_ticks(view: View, intervals: int) -> Floats:
    """Expected move against the order in each of the next `intervals` decision intervals, ticks, float64 (n,
    intervals)."""
    edges = (view.horizon_ns / view.decisions)[:, None] * np.arange(intervals + 1)
    return np.diff(
        expected_move(alpha_ticks(view)[:, None], view.half_life_ns[:, None], edges), axis=1
    )


def alpha_lots(
    moves: Floats, intervals_left: Ints, kappa_tau: Floats, tau: Floats, eta: Floats
) -> Floats:
    """Lots that a forecast adds to the next take, float64 (n,); positive: sooner.

    Parameters
    ----------
    moves : float64 (n, m)
        Move against the order expected in each of the next m intervals, ticks.
    intervals_left : int64 (n,)
        At most m; the move of the last one meets nothing.
    kappa_tau, tau, eta : float64 (n,)
        Of :func:`kappa` times the interval; the interval, seconds; eta - gamma tau / 2.
    """
    j = np.arange(1, moves.shape[1] + 1)
    rest = np.maximum(intervals_left, 1)[:, None]
    weight = share_left(kappa_tau[:, None] * rest, np.minimum(j / rest, 1.0))
    return np.asarray(tau / (2 * eta) * (moves * weight).sum(axis=1), np.float64)


@dataclass(frozen=True)
class AlmgrenChrissAlpha(Strategy):
    """Almgren and Chriss with a forecast: take the first block of the optimum from here on.

    An order that is on the plain schedule continues with the schedule's own rounding; one that a forecast
    has moved off it continues from where it is, not back. Nothing is sold to buy it later, and nothing bought twice.
    """

    parameters: Parameters
    name: ClassVar[str] = "almgren_chriss_alpha"

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the next point of the trajectory."""
        p = self.parameters
        horizon = np.maximum(view.horizon_ns, 1) / NS_PER_SECOND
        tau = horizon / view.decisions
        k = kappa(p.lambda_of(view.qty0, horizon), tau, p)
        base = base_share(k * horizon, view)
        moves = ahead_ticks(view, int(view.decisions_left.max(initial=1)))
        sooner = alpha_lots(moves, view.decisions_left, k * tau, tau, p.eta - p.gamma * tau / 2)
        return take_to(
            lots_of(np.clip(base + sooner / np.maximum(view.qty0, 1), 0.0, 1.0), view), view
        )


def base_share(kappa_horizon: Floats, view: View) -> Floats:
    """Share of the order done after this decision by the plain schedule, float64 (n,), from where the order is now.

    That of the schedule from arrival while the order is on it, up to the rounding of a lot; the same curve from the
    lots that are left elsewhere.
    """
    now, after = (
        share_left(kappa_horizon, np.minimum((view.decision + j) / view.decisions, 1.0))
        for j in (0, 1)
    )
    on_schedule = np.abs(view.left - now * view.qty0) <= 0.5 + 1e-9
    keeps = np.where(now > 0, after / np.where(now > 0, now, 1.0), 0.0)
    return np.where(on_schedule, 1 - after, 1 - view.left * keeps / np.maximum(view.qty0, 1))
