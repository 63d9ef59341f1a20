"""`cartea_jaimungal`: trading speed with a decaying signal in it, in continuous time.

Cartea and Jaimungal (2016, "Incorporating order-flow into optimal execution"), for a signal that fades: the mid drifts
against the order by mu_t = mu exp(-theta t), trading at speed v costs k v a lot beyond the touch, inventory is
penalised with phi Q^2 a second and lots left at the horizon with a Q^2. The Riccati equation for chi turns into the
ratio in which an order without a signal shrinks over the rest of the horizon, T:

    r(s) = (sinh(g s) / g + c cosh(g s)) / (sinh(g T) / g + c cosh(g T)),   s to go,  g = sqrt(phi / k),  c = k / a
    v = Q (cosh(g T) + c g sinh(g T)) / (sinh(g T) / g + c cosh(g T)) + mu / (2 k) I(T)
    I(T) = int_0^T r(T - u) exp(-theta u) du

c = 0 forbids a rest at the horizon, g = 0 gives TWAP with its alpha: I = 1/theta - (1 - exp(-theta T)) / (theta^2 T).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss import Parameters, alpha_ticks, base_share, kappa
from tercel.execution.strategies.baselines import lots_of, take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

_SMALL = 1e-5
_LARGE = 300.0


def _phi(z: Floats) -> Floats:
    """(1 - exp(-z)) / z, 1 at 0."""
    small = np.abs(z) < 1e-12
    return np.asarray(np.where(small, 1.0, -np.expm1(-z) / np.where(small, 1.0, z)), np.float64)


def _phi2(z: Floats) -> Floats:
    """(1 - phi(z)) / z, 1/2 at 0."""
    small = np.abs(z) < 1e-3
    series = 0.5 - z / 6 + z**2 / 24 - z**3 / 120 + z**4 / 720
    return np.asarray(np.where(small, series, (1 - _phi(z)) / np.where(small, 1.0, z)), np.float64)


def speed_weight(g: ArrayLike, c: ArrayLike, theta: ArrayLike, rest_s: ArrayLike) -> Floats:
    """Seconds of drift that the optimal speed responds to: I(T) of the module, `rest_s` seconds before the horizon.

    Parameters
    ----------
    g, theta : float
        Per second, at least 0: the schedule's urgency and the signal's decay.
    c : float
        Seconds, k / a: 0 forbids a rest at the horizon.
    rest_s : float
        Seconds to the horizon, above 0.

    >>> float(speed_weight(0.0, 0.0, 0.0, 10.0))
    5.0
    """
    g, c, theta, rest = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (g, c, theta, rest_s))
    )
    gt = np.minimum(g * rest, _LARGE)
    small = gt < _SMALL
    safe = np.where(small, 1.0, gt)
    # everything times exp(-g T); int exp(+-g s) exp(-theta (T - s)) ds = T exp(+-g T) phi((theta +- g) T)
    up = rest * _phi(theta * rest + gt)
    down = rest * np.exp(-2 * gt) * _phi(theta * rest - gt)
    sinh = np.where(
        small, np.exp(-gt) * rest**2 * _phi2(theta * rest), (up - down) / 2 * rest / safe
    )
    cosh = (up + down) / 2
    denominator = rest * _phi(2 * gt) + c * (1 + np.exp(-2 * gt)) / 2
    return np.asarray((sinh + c * cosh) / denominator, np.float64)


def shrink(g: ArrayLike, c: ArrayLike, rest_s: ArrayLike, after_s: ArrayLike) -> Floats:
    """r(after_s) without a signal: share of the lots still left when `after_s` of the last `rest_s` seconds remain.

    >>> float(shrink(0.0, 0.0, 10.0, 4.0)), float(shrink(0.0, 2.0, 10.0, 0.0))
    (0.4, 0.16666666666666666)
    """
    g, c, rest, after = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (g, c, rest_s, after_s))
    )

    def part(s: Floats) -> Floats:
        """exp(-g s) (sinh(g s) / g + c cosh(g s))."""
        return np.asarray(s * _phi(2 * g * s) + c * (1 + np.exp(-2 * g * s)) / 2, np.float64)

    return np.asarray(np.exp(-g * (rest - after)) * part(after) / part(rest), np.float64)


@dataclass(frozen=True)
class CarteaJaimungal(Strategy):
    """At every decision takes the lots that the optimal speed trades until the next decision.

    Parameters
    ----------
    parameters : Parameters
        Of Almgren and Chriss: k is eta, and g their kappa, so that without a signal and without a rest at the horizon
        this is their schedule, lot by lot.
    rest_s : float
        c, seconds: k over the terminal penalty. Above 0 some lots are left to the horizon order.
    """

    parameters: Parameters
    rest_s: float = 0.0
    name: ClassVar[str] = "cartea_jaimungal"

    def __post_init__(self) -> None:
        """Raise ConfigError unless `rest_s` is finite and at least 0."""
        refuse_if(
            not 0 <= self.rest_s < np.inf,
            "rest_s >= 0",
            f"{self.rest_s}",
            "0 leaves nothing to the horizon",
        )

    def decide(self, view: View) -> Intents:
        """Intents that take the lots of the optimal speed over one interval, those of a forecast included; nothing rests."""
        p = self.parameters
        horizon = np.maximum(view.horizon_ns, 1) / NS_PER_SECOND
        tau = horizon / view.decisions
        g = kappa(p.lambda_of(view.qty0, horizon), tau, p)
        rest = view.decisions_left * tau
        share = base_share(g * horizon, view)
        if self.rest_s > 0:
            keeps = shrink(g, self.rest_s, rest, np.maximum(rest - tau, 0.0))
            share = 1 - view.left * keeps / np.maximum(view.qty0, 1)
        known = view.half_life_ns > 0
        theta = np.where(known, np.log(2.0) * NS_PER_SECOND / np.maximum(view.half_life_ns, 1), 0.0)
        drift = np.where(known, alpha_ticks(view) * theta, 0.0)
        extra = drift / (2 * p.eta) * speed_weight(g, self.rest_s, theta, rest) * tau
        extra = np.where((view.decisions_left > 1) | (self.rest_s > 0), extra, 0.0)
        return take_to(
            lots_of(np.clip(share + extra / np.maximum(view.qty0, 1), 0.0, 1.0), view), view
        )
