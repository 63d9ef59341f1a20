"""`almgren_chriss_alpha`: the optimum of Almgren and Chriss when the mid is expected to move.

To expected cost and risk, as in `almgren_chriss`, comes what is expected to be lost by waiting: the x_j lots still left
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

from tercel.core.arrays import Floats, Ints
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.guidance import expected_move
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss import Parameters, kappa, share_left
from tercel.execution.strategies.schedule import lots_of, take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

BPS = 1e4


def alpha_ticks(view: View) -> Floats:
    """What is left of the move expected against the order, ticks: float64 (n,)."""
    return np.asarray(view.alpha_bps * np.abs(view.mid2) / 2 / BPS, np.float64)


def ahead_ticks(view: View, intervals: int) -> Floats:
    """Move against the order expected in each of the next `intervals` decision intervals: float64 (n, intervals)."""
    interval = view.horizon_ns / view.decisions
    edges = interval[:, None] * np.arange(intervals + 1)
    return np.diff(expected_move(alpha_ticks(view)[:, None], view.half_life_ns[:, None], edges), axis=1)


def alpha_lots(moves: Floats, left: Ints, kappa_tau: Floats, tau: Floats, eta: Floats) -> Floats:
    """Lots that a forecast adds to the next take (to be taken sooner: above 0): float64 (n,).

    Parameters
    ----------
    moves : float64 (n, m)
        Move against the order expected in each of the next m intervals, ticks.
    left : int64 (n,)
        Intervals to go, at most m; the move of the last one meets nothing.
    kappa_tau, tau, eta : float64 (n,)
        Of :func:`kappa` times the interval; the interval, seconds; eta - gamma tau / 2.
    """
    j = np.arange(1, moves.shape[1] + 1)
    rest = np.maximum(left, 1)[:, None]
    weight = share_left(kappa_tau[:, None] * rest, np.minimum(j / rest, 1.0))
    return np.asarray(tau / (2 * eta) * (moves * weight).sum(axis=1), np.float64)


@dataclass(frozen=True)
class AlmgrenChrissAlpha(Strategy):
    """Take the first block of the trajectory that is optimal from here on, the forecast included.

    An order that stands where the plain schedule stands goes on with the schedule's own rounding; one that a forecast
    has brought elsewhere goes on from where it is, not back. Nothing is sold to buy it later, and nothing bought twice.
    """

    parameters: Parameters
    name: ClassVar[str] = "almgren_chriss_alpha"

    def decide(self, view: View) -> Intents:
        """Take what is missing to the next point of the trajectory."""
        p = self.parameters
        horizon = np.maximum(view.horizon_ns, 1) / NS_PER_SECOND
        tau = horizon / view.decisions
        k = kappa(p.lambda_of(view.qty0, horizon), tau, p)
        base = base_share(k * horizon, view)
        moves = ahead_ticks(view, int(view.decisions_left.max(initial=1)))
        sooner = alpha_lots(moves, view.decisions_left, k * tau, tau, p.eta - p.gamma * tau / 2)
        return take_to(lots_of(np.clip(base + sooner / np.maximum(view.qty0, 1), 0.0, 1.0), view), view)


def base_share(kappa_horizon: Floats, view: View) -> Floats:
    """Share of the order that is done after this decision, no move expected: float64 (n,).

    That of the schedule from arrival while the order is on it, up to the rounding of a lot; the same curve from the
    lots that are left elsewhere.
    """
    now, after = (share_left(kappa_horizon, np.minimum((view.decision + j) / view.decisions, 1.0)) for j in (0, 1))
    on_schedule = np.abs(view.left - now * view.qty0) <= 0.5 + 1e-9
    keeps = np.where(now > 0, after / np.where(now > 0, now, 1.0), 0.0)
    return np.where(on_schedule, 1 - after, 1 - view.left * keeps / np.maximum(view.qty0, 1))
