"""Quotes of a dealer in closed form.

A distance is what a quote is worse than mid for the client, basis points (bps) of mid; a cost is the dealer's marginal
cost of inventory after the trade, in the same unit. A dealer that quotes the distance d wins with probability
``1 / (1 + exp(alpha + beta d))`` and quotes where ``hit x (d - cost)`` is largest (Barzykin, Bergault & Guéant 2022).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import wrightomega

from tercel.core.arrays import Floats


def _w(alpha: ArrayLike, beta: ArrayLike, cost: ArrayLike) -> Floats:
    """Lambert's W of ``exp(-(1 + alpha + beta cost))``, the odds of a hit at the best distance."""
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


def inventory_cost(
    gamma: ArrayLike,
    sigma: ArrayLike,
    rate: ArrayLike,
    size: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
) -> Floats:
    """Marginal cost of one unit of inventory in closed form, bps per unit.

    A bid for z at inventory q costs ``A (2q + z)``, an offer ``A (z - 2q)``; ``A = sqrt(gamma sigma^2 / (8 rate size
    H''(0)))``, ``H'' = beta W / (1 + W)^3``.

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
    curvature = np.asarray(beta) * w / (1.0 + w) ** 3
    risk = np.asarray(gamma) * np.square(sigma)
    return np.asarray(np.sqrt(risk / (8.0 * np.asarray(rate) * np.asarray(size) * curvature)))
