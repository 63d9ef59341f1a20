"""Quotes of a dealer and outcomes of a request in closed form.

A distance is what a quote is worse than mid for the client, basis points (bps) of mid; a cost is the dealer's marginal
cost of inventory after the trade, in the same unit. A dealer who asks the distance d wins with probability
``1 / (1 + exp(alpha + beta d))`` and quotes where ``hit x (d - cost)`` is largest (Barzykin, Bergault & Guéant 2022).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import wrightomega
from scipy.stats import norm

from tercel.core.arrays import Floats

Curve = Callable[[float], float]


def _w(alpha: ArrayLike, beta: ArrayLike, cost: ArrayLike) -> Floats:
    """Lambert's W of ``exp(-(1 + alpha + beta cost))``: the odds of a hit at the best distance."""
    exponent = -(1.0 + np.asarray(alpha) + np.asarray(beta) * np.asarray(cost))
    return np.asarray(wrightomega(exponent), np.float64)


def best_distance(alpha: ArrayLike, beta: ArrayLike, cost: ArrayLike = 0.0) -> Floats:
    """Distance from mid that a dealer with a logistic hit curve quotes, ``cost + (1 + W) / beta``.

    Parameters
    ----------
    alpha, beta, cost : float or array
        Any shapes that broadcast; `alpha` a number, `beta` 1/bps, `cost` bps.

    >>> best_distance(-1.9, 11.0).round(3).item(), best_distance(-0.3, 3.5).round(3).item()
    (0.177, 0.386)
    """
    return np.asarray(cost + (1.0 + _w(alpha, beta, cost)) / np.asarray(beta))


def best_hit(alpha: ArrayLike, beta: ArrayLike, cost: ArrayLike = 0.0) -> Floats:
    """Probability of a trade at :func:`best_distance`, ``W / (1 + W)``.

    >>> best_hit(-1.9, 11.0).round(3).item()
    0.487
    """
    w = _w(alpha, beta, cost)
    return np.asarray(w / (1.0 + w))


def inventory_cost(
    gamma: ArrayLike,
    sigma: ArrayLike,
    rate: ArrayLike,
    size: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
) -> Floats:
    """Marginal cost of one unit of inventory, bps per unit: a bid for z at inventory q costs ``A (2q + z)``, an offer
    ``A (z - 2q)``; ``A = sqrt(gamma sigma^2 / (8 rate size H''(0)))``, ``H'' = beta W / (1 + W)^3``.

    Parameters
    ----------
    gamma : float or array
        Risk aversion, 1 / (bps x unit): more of it skews quotes more.
    sigma : float or array
        Volatility, bps per square root of a day.
    rate : float or array
        Requests a day on each side: more of them turn inventory over sooner, and skew less.
    size : float or array
        Units of a usual request.
    alpha, beta : float or array
        As in :func:`best_distance`.

    >>> inventory_cost(0.002, 80.0, 900.0, 1.0, -1.9, 11.0).round(4).item()
    0.0355
    """
    w = _w(alpha, beta, 0.0)
    bend = np.asarray(beta) * w / (1.0 + w) ** 3
    risk = np.asarray(gamma) * np.square(sigma)
    return np.asarray(np.sqrt(risk / (8.0 * np.asarray(rate) * np.asarray(size) * bend)))


def outcome_shares(
    distance: float, rivals: int, survives: Curve, accepts: Curve, density: Curve
) -> tuple[float, float, float]:
    """Probabilities that a dealer trades (done), that no dealer does, and that a rival does (traded away).

    The model of Fermanian, Guéant & Pu (2016): rivals quote independently, and the client trades at the best quote
    that is within a reservation; ``done = F^n G``.

    Parameters
    ----------
    distance : float
        The dealer's quote, bps.
    rivals : int
        Other dealers who answer, n.
    survives, accepts : callable
        Probability that a rival's distance, and the client's reservation, is beyond a distance.
    density : callable
        Density of the reservation.

    >>> uniform = lambda d: 1.0 - d
    >>> [round(x, 4) for x in outcome_shares(0.5, 3, uniform, uniform, lambda d: float(d >= 0.0))]
    [0.0625, 0.2344, 0.7031]
    """
    done = survives(distance) ** rivals * accepts(distance)
    untraded = quad(
        lambda d: density(d) * survives(d) ** rivals, -np.inf, distance, epsabs=1e-10, limit=200
    )[0]
    return done, untraded, 1.0 - done - untraded


def reject_cost(
    tolerance: ArrayLike, sigma: ArrayLike, hold_days: ArrayLike
) -> tuple[Floats, Floats]:
    """Probability that a last look refuses, and what the client loses by it, bps a request.

    The dealer refuses where the price has moved by more than `tolerance` against it within the hold
    (Oomen 2017): ``Phi(-L / v)`` and ``v phi(L / v)`` with ``v = sigma sqrt(hold)``.

    >>> chance, cost = reject_cost(0.5, 80.0, 0.1 / 86_400)
    >>> chance.round(6).item(), cost.round(6).item()
    (0.0, 0.0)
    """
    move = np.asarray(sigma) * np.sqrt(hold_days)
    ratio = np.divide(
        tolerance, move, where=move > 0.0, out=np.full(np.shape(move * tolerance), np.inf)
    )
    return norm.sf(ratio), move * norm.pdf(ratio)
