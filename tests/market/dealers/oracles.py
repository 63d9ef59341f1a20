"""Closed forms that dealers and fits are held to: hits, outcomes of a request, what a last look costs."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import wrightomega
from scipy.stats import norm

from tercel.core.arrays import Floats
from tercel.market.dealers.history import FAMILIES, RequestHistory

Curve = Callable[[float], float]


def _w(alpha: ArrayLike, beta: ArrayLike, cost: ArrayLike) -> Floats:
    return np.asarray(wrightomega(-(1.0 + np.asarray(alpha) + np.asarray(beta) * np.asarray(cost))))


def best_hit(alpha: ArrayLike, beta: ArrayLike, cost: ArrayLike = 0.0) -> Floats:
    """Probability of a trade at :func:`best_distance`, ``W / (1 + W)``.

    >>> best_hit(-1.9, 11.0).round(3).item()
    0.487
    """
    w = _w(alpha, beta, cost)
    return np.asarray(w / (1.0 + w))


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


def drawn_history(
    quotes: tuple[float, float],
    reservation: tuple[float, float],
    dealers: int,
    requests: int,
    seed: int,
    family: str = "logistic",
) -> RequestHistory:
    """Requests whose quotes and reservations are drawn from two laws (location and scale each), for tests of fits."""
    rng = np.random.default_rng(seed)
    law = FAMILIES[family]
    distance = law.rvs(*quotes, size=(requests, dealers), random_state=rng)
    within = law.rvs(*reservation, size=requests, random_state=rng)
    best = distance.argmin(axis=1)
    winner = np.where(distance.min(axis=1) <= within, best, -1)
    names = tuple(f"D{i + 1}" for i in range(dealers))
    everyone = np.ones((requests, dealers), np.bool_)
    return RequestHistory(names, np.ones(requests), everyone, distance, winner)
