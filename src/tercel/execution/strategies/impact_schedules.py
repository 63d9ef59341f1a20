"""`obizhaeva_wang`, `propagator` and `almgren_chriss_fitted`: schedules of takes for impact that decays.

With a propagator G a take of q_j lots at t_j moves the price by q_j G(t - t_j) from then on, and the expected cost of a
schedule is q' G q / 2 with the matrix G_ij = G(|t_i - t_j|). Under a fixed sum the minimum is at q proportional to
G^{-1} 1 (Alfonsi, Schied and Slynko 2012, "Order book resilience, price manipulation, and the positive portfolio
problem", whose convex decay kernels leave every q_j above 0).

- Exponential decay exp(-rho t), the book of Obizhaeva and Wang (2013, "Optimal trading strategy and supply/demand
  dynamics"): with a = exp(-rho tau) the first and the last take are 1, all others 1 - a, over their sum; in continuous
  time a block X / (rho T + 2) at both ends and the rest at a constant rate.
- Power-law decay (1 + t / t0)^-beta, the law of impact that tapes show.

Their constants are not measured but tuned: what counts here is the schedule. The same holds for
`almgren_chriss_fitted`, the trajectory of `almgren_chriss` with its kappa T tuned in place of estimated.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.jit import Floats
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss import share_left
from tercel.execution.strategies.baselines import lots_of, take_to
from tercel.execution.strategies.tunable import Layout, Tunable, sigmoid
from tercel.execution.view import View


def decay(lags: ArrayLike, reach: float, beta: float) -> Floats:
    """Power-law decay (1 + t / t0)^-beta at lags, with `reach` = t0 in the same unit."""
    return np.asarray((1 + np.asarray(lags, np.float64) / reach) ** -beta, np.float64)


def optimal_shares(kernel: Floats) -> Floats:
    """Optimal shares of an order for N equally spaced takes, float64 (N,): G^{-1} 1 over its sum; `kernel`: G at lags 0 to N - 1.

    Parameters
    ----------
    kernel : float64 (N,)
        G at lags 0, 1, ... N - 1.

    >>> optimal_shares(np.array([1.0, 0.5, 0.25])).round(6).tolist()
    [0.4, 0.2, 0.4]
    """
    index = np.arange(len(kernel))
    shares = np.linalg.solve(kernel[np.abs(index[:, None] - index)], np.ones(len(kernel)))
    return np.asarray(shares / shares.sum(), np.float64)


@lru_cache(maxsize=4096)
def power_law_done(decisions: int, reach: float, beta: float) -> Floats:
    """Share done after 0, 1, ... N optimal takes under power-law decay, `reach` = t0 in horizons, float64 (N + 1,)."""
    shares = optimal_shares(decay(np.arange(decisions) / decisions, reach, beta))
    return np.concatenate([[0.0], np.cumsum(shares)])


def exponential_done(resilience: ArrayLike, takes: ArrayLike, decisions: ArrayLike) -> Floats:
    """Share done after `takes` of N = `decisions` optimal takes under exponential decay, `resilience` = rho T; broadcast.

    >>> exponential_done(np.log(2) * 3, [1, 2, 3], 3).round(6).tolist()
    [0.4, 0.6, 1.0]
    """
    resilience, takes, n = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (resilience, takes, decisions))
    )
    inner = -np.expm1(-resilience / n)
    middle = np.clip(takes - 1, 0, np.maximum(n - 2, 0))
    total = np.where(n > 1, 2 + (n - 2) * inner, 1.0)
    done = (takes >= 1) + middle * inner + ((takes >= n) & (n > 1))
    return np.asarray(done / total, np.float64)


@dataclass(frozen=True, eq=False)
class ObizhaevaWang(Tunable):
    """Optimal takes under exponential decay: blocks at both ends, even takes between; ``resilience`` is log(rho T)."""

    layout: ClassVar[Layout] = Layout("obizhaeva_wang", {"resilience": 2.0}, {"resilience": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the schedule."""
        done = exponential_done(np.exp(self.value("resilience")), view.decision + 1, view.decisions)
        return take_to(lots_of(done, view), view)


@dataclass(frozen=True, eq=False)
class TunablePropagator(Tunable):
    """Optimal takes under power-law decay; ``beta`` is the logit of its exponent, ``reach`` log(t0)."""

    layout: ClassVar[Layout] = Layout("propagator", {"beta": -0.5, "reach": -4.0}, {"reach": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the schedule."""
        beta = np.broadcast_to(np.clip(sigmoid(self.value("beta")), 0.01, 0.99), view.n)
        reach = np.broadcast_to(np.exp(np.clip(self.value("reach"), -12.0, 6.0)), view.n)
        cases = np.stack([view.decisions.astype(np.float64), reach, beta], axis=1)
        laws, which = np.unique(cases, axis=0, return_inverse=True)
        done = np.zeros(view.n)
        for number, (decisions, t0, exponent) in enumerate(laws):
            rows = which.ravel() == number
            curve = power_law_done(int(decisions), float(t0), float(exponent))
            done[rows] = curve[np.minimum(view.decision[rows] + 1, int(decisions))]
        return take_to(lots_of(done, view), view)


@dataclass(frozen=True, eq=False)
class AlmgrenChrissFitted(Tunable):
    """Trajectory of Almgren and Chriss with tuned ``kappa``, log(kappa T)."""

    layout: ClassVar[Layout] = Layout("almgren_chriss_fitted", {"kappa": 0.0}, {"kappa": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the trajectory's next point; nothing rests."""
        elapsed = np.minimum((view.decision + 1) / view.decisions, 1.0)
        return take_to(
            lots_of(1 - share_left(np.exp(np.minimum(self.value("kappa"), 8.0)), elapsed), view),
            view,
        )
