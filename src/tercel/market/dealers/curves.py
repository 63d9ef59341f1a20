"""Cost and winner of a request for quote, by the number of dealers in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.integrate import quad

from tercel.core.arrays import Floats
from tercel.core.estimate import Estimate
from tercel.core.stats.mean_intervals import wilson_interval
from tercel.core.stats.quantiles import normal_quantile
from tercel.market.dealers.dealer_fit import FAMILIES, DealerFit
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.requests import RequestOutcome, State, request

RESERVATION_SHARE: Final = 0.25
"""Scale of a client's logistic reservation, as a share of what the book costs."""


@dataclass(frozen=True)
class ByDealers:
    """Hit ratio and cost of requests sent to a given number of dealers.

    Attributes
    ----------
    dealers : int
    hit : Estimate
        Share of its answers that a dealer without a position trades on, in requests of usual sizes whose client trades
        within what the book costs, more or less (:data:`RESERVATION_SHARE`).
    cost : Estimate
        Mean cost of the client, bps: what it pays, and where it does not trade the book after what the request moved.
    """

    dealers: int
    hit: Estimate
    cost: Estimate


def simulate_requests(
    panel: DealerPanel, requests: int, seed: int, size: float | None = None, *, hidden: bool = False
) -> Iterator[tuple[RequestOutcome, Floats, RequestOutcome]]:
    """Simulate requests to 1, 2, ... dealers; yields for each number the large requests, their cost, and usual requests.

    Costs are in bps, of each request; the usual requests are within a reservation.

    Dealers, positions and draws are the same for each number of dealers; the dealers of fewer are among those of more.

    Parameters
    ----------
    panel : DealerPanel
    requests : int
    seed : int
    size : float, optional
        Units of each large request; by default the panel's.
    hidden : bool
        Requests are two-way.
    """
    count = len(panel)
    order = np.random.default_rng((seed, 1)).random((requests, count)).argsort(axis=1)
    rank = order.argsort(axis=1)
    side = np.random.default_rng((seed, 2)).choice([-1, 1], requests)
    sizes = np.full(requests, panel.large if size is None else size)
    usual = panel.size * np.random.default_rng((seed, 4)).exponential(size=requests)
    for dealers in range(1, count + 1):
        rng = np.random.default_rng((seed, 3))
        invited = rank < dealers
        state = State.draw(panel, requests, rng)
        limits = panel.book_bps * (1.0 + RESERVATION_SHARE * rng.logistic(size=requests))
        outcome = request(panel, state, side, sizes, invited, rng, hidden=hidden)
        costs = np.where(outcome.traded, outcome.paid, panel.book_bps + outcome.drift(panel))
        state = State.empty(requests, count)
        small = request(panel, state, side, usual, invited, rng, max_distance=limits, hidden=hidden)
        yield outcome, costs, small


def by_dealers(
    panel: DealerPanel, requests: int, seed: int, size: float | None = None, *, hidden: bool = False
) -> list[ByDealers]:
    """Hit ratio of usual requests and mean cost of large ones for each number of dealers, with 95 % intervals.
    Parameters as in :func:`simulate_requests`.

    >>> from tercel.market.dealers.panel import load_panel
    >>> found = by_dealers(load_panel("eurusd").firm(), 2000, 1, size=1.0)
    >>> min(found, key=lambda one: one.cost.mean).dealers
    10
    """
    z = normal_quantile(0.975)
    rows = list[ByDealers]()
    for _, costs, small in simulate_requests(panel, requests, seed, size, hidden=hidden):
        share = wilson_interval(int(small.traded.sum()), int(small.answers.has_quote.sum()))
        mean = float(costs.mean())
        error = float(costs.std(ddof=1)) / requests**0.5
        hit = Estimate(share[0] or 0.0, *share[1:])
        cost = Estimate(mean, mean - z * error, mean + z * error)
        rows.append(ByDealers(len(rows) + 1, hit, cost))
    return rows


def hit_formula(fit: DealerFit, dealers: int) -> float | None:
    """Hit ratio of an answer by the fitted laws, by numerical integration; None where no reservation was fitted.

    It is ``integral f(y) (1 - r + r F(y))^(dealers - 1) G(y) dy``, where rivals answer with the probability r and F is the
    mean over dealers.
    """
    if fit.reservation is None or fit.reservation_scale is None:
        return None
    law = FAMILIES[fit.family]
    half_spreads = np.array([dealer.half_spread.mean for dealer in fit.dealers])
    response_rate = float(np.mean([dealer.response.mean for dealer in fit.dealers]))
    scale = fit.dispersion.mean
    limit = law(fit.reservation.mean, fit.reservation_scale.mean)

    def weight(y: float) -> float:
        """Integrand at distance y: density of a quote, times the odds that no rival is better and the client accepts."""
        worse = float(law.sf(y, half_spreads, scale).mean())
        no_better_rival = (1.0 - response_rate + response_rate * worse) ** (dealers - 1)
        return float(law.pdf(y, half_spreads, scale).mean()) * no_better_rival * float(limit.sf(y))

    ends = (
        half_spreads.min() + scale * law.ppf(1e-9),
        half_spreads.max() + scale * law.ppf(1.0 - 1e-9),
    )
    return float(quad(weight, *ends, limit=200)[0])
