"""Cost and winner of a request for quote, by the number of dealers in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.integrate import quad

from tercel.core.arrays import Floats
from tercel.core.estimate import Estimate
from tercel.core.stats.inference import normal_quantile, wilson
from tercel.market.dealers.history import FAMILIES, DealerFit
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.requests import RequestOutcome, State, request

RESERVED: Final = 0.25
"""Scale of a client's logistic reservation, as a share of what the book costs."""


@dataclass(frozen=True)
class ByDealers:
    """Requests to so many dealers.

    Attributes
    ----------
    dealers : int
    hit : Estimate
        Share of its answers that a dealer without a position trades on, in requests of usual sizes whose client trades
        within what the book costs, more or less (:data:`RESERVED`).
    cost : Estimate
        Mean cost of the client, bps: what it pays, and where it does not trade the book after what the request moved.
    """

    dealers: int
    hit: Estimate
    cost: Estimate


def requested(
    panel: DealerPanel, requests: int, seed: int, size: float | None = None, *, hidden: bool = False
) -> Iterator[tuple[RequestOutcome, Floats, RequestOutcome]]:
    """Yield, for 1, 2, ... dealers in a request: large requests, the cost of each in bps, and usual requests within a
    reservation.

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
    place = order.argsort(axis=1)
    side = np.random.default_rng((seed, 2)).choice([-1, 1], requests)
    sizes = np.full(requests, panel.large if size is None else size)
    usual = panel.size * np.random.default_rng((seed, 4)).exponential(size=requests)
    for dealers in range(1, count + 1):
        rng = np.random.default_rng((seed, 3))
        asked = place < dealers
        state = State.drawn(panel, requests, rng)
        within = panel.book_bps * (1.0 + RESERVED * rng.logistic(size=requests))
        found = request(panel, state, side, sizes, asked, rng, hidden=hidden)
        paid = np.where(found.traded, found.paid, panel.book_bps + found.drift(panel))
        state = State.empty(requests, count)
        small = request(panel, state, side, usual, asked, rng, within=within, hidden=hidden)
        yield found, paid, small


def by_dealers(
    panel: DealerPanel, requests: int, seed: int, size: float | None = None, *, hidden: bool = False
) -> list[ByDealers]:
    """Hit ratio and cost for each number of dealers, parameters as in :func:`requested`.

    >>> from tercel.market.dealers.panel import load_panel
    >>> found = by_dealers(load_panel("eurusd").firm(), 2000, 1, size=1.0)
    >>> min(found, key=lambda one: one.cost.mean).dealers
    10
    """
    z = normal_quantile(0.975)
    rows = list[ByDealers]()
    for _, paid, small in requested(panel, requests, seed, size, hidden=hidden):
        share = wilson(int(small.traded.sum()), int(small.answers.there.sum()))
        mean = float(paid.mean())
        error = float(paid.std(ddof=1)) / requests**0.5
        hit = Estimate(share[0] or 0.0, *share[1:])
        cost = Estimate(mean, mean - z * error, mean + z * error)
        rows.append(ByDealers(len(rows) + 1, hit, cost))
    return rows


def hit_formula(fit: DealerFit, dealers: int) -> float | None:
    """Hit ratio of an answer by the fitted laws, ``integral f(y) (1 - r + r F(y))^(dealers - 1) G(y) dy``, where rivals answer
    with the probability r and F is the mean over dealers; None where no reservation was fitted.
    """
    if fit.reservation is None or fit.reservation_scale is None:
        return None
    law = FAMILIES[fit.family]
    own = np.array([one.half_spread.mean for one in fit.dealers])
    answers = float(np.mean([one.response.mean for one in fit.dealers]))
    scale = fit.dispersion.mean
    limit = law(fit.reservation.mean, fit.reservation_scale.mean)

    def weight(y: float) -> float:
        worse = float(law.sf(y, own, scale).mean())
        rivals = (1.0 - answers + answers * worse) ** (dealers - 1)
        return float(law.pdf(y, own, scale).mean()) * rivals * float(limit.sf(y))

    ends = own.min() + scale * law.ppf(1e-9), own.max() + scale * law.ppf(1.0 - 1e-9)
    return float(quad(weight, *ends, limit=200)[0])
