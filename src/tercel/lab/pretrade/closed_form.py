"""Cost and risk of an order that is taken by a fixed schedule, in closed form, and the frontier of schedules by urgency.

Almgren and Chriss (2000) split the expected cost of takes n_j, tau seconds apart, into half the spread, a temporary part
and a lasting part, and their risk is sigma^2 tau sum x_j^2 over the lots x_j left. Here the temporary part is the walk into
the book, eta n_j / tau a lot; the lasting part is the market's own law of impact (`market.impact.law`), which decays: a take
pays the mean displacement between what earlier takes left and what it adds. The schedules are theirs,
sinh(kappa (T - t)) / sinh(kappa T), from even takes at kappa T = 0 to all at once.
"""

from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.stats.quantiles import normal_quantile
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategies.almgren_chriss import share_left
from tercel.market.impact.law import ImpactLaw

URGENCIES: Final = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 600.0)
"""kappa T of the frontier, from even takes to all at once."""
Y_HALF: Final = 0.5
"""Half the range of the law's prefactor, 0.5 to 1.5 in markets, over its value."""


@dataclass(frozen=True)
class ScheduleCost:
    """Expected cost of a schedule of takes, ticks a lot, and its risk.

    Parameters
    ----------
    urgency : float
        kappa T.
    spread : float
        Half the spread.
    impact : float
        Walk into the book and displacement by the law.
    sd : float
        Standard deviation of the cost: what the price does meanwhile.
    """

    urgency: float
    spread: float
    impact: float
    sd: float

    @property
    def mean(self) -> float:
        """Expected cost, ticks a lot."""
        return self.spread + self.impact

    @property
    def half_width(self) -> float:
        """Half the 90 % interval of an order's cost: what the price does, and the doubt on the law's prefactor."""
        return hypot(normal_quantile(0.95) * self.sd, Y_HALF * self.impact)

    def times(self, factor: float) -> "ScheduleCost":
        """The same in another unit."""
        costs = (factor * value for value in (self.spread, self.impact, self.sd))
        return ScheduleCost(self.urgency, *costs)


def schedule_cost(
    quantity: float,
    horizon_s: float,
    decisions: int,
    urgency: float,
    estimates: MarketEstimates,
    law: ImpactLaw | None,
) -> ScheduleCost:
    """Expected cost and risk of an order that is taken by the schedule of an urgency.

    Parameters
    ----------
    quantity : float
        Lots.
    horizon_s : float
    decisions : int
        Takes, evenly spaced, the first at arrival.
    urgency : float
        kappa T, from 0.
    estimates : MarketEstimates
        sigma, eta (of takes so far apart) and spread.
    law : ImpactLaw, optional
        None: takes move no price.

    >>> calm = MarketEstimates(1.0, sigma=0.1, eta=0.0, spread=2.0)
    >>> found = schedule_cost(100.0, 3600.0, 60, 0.0, calm, None)
    >>> found.mean, round(found.sd, 2)
    (1.0, 3.42)
    """
    tau = horizon_s / decisions
    left = share_left(urgency, np.arange(decisions + 1) / decisions)
    takes = quantity * -np.diff(left)
    walk = estimates.eta / tau * float(takes @ takes) / quantity
    moved = 0.0 if law is None else float(_displacement(law, takes, tau) @ takes) / quantity
    sd = estimates.sigma * float(np.sqrt(tau * (left[1:] ** 2).sum()))
    return ScheduleCost(urgency, estimates.spread / 2, walk + moved, sd)


def _displacement(law: ImpactLaw, takes: Floats, tau: float) -> Floats:
    """Mean displacement that each take pays, ticks, float64 (n,): the law's target, averaged over the lots of the take."""
    rates, weights = law.kernel()
    lags = tau * np.arange(len(takes))
    decay = np.exp(-np.outer(lags, rates)) @ weights
    index = np.arange(len(takes))
    left = np.where(index[:, None] > index, decay[np.abs(index[:, None] - index)], 0.0)
    own = takes / law.mean_trade_lots
    before = left @ own
    after = before + np.maximum(own, 1e-4 * before + 1e-12)  # the difference of areas keeps digits
    return np.asarray((_area(law, after) - _area(law, before)) / (after - before), np.float64)


def _area(law: ImpactLaw, phi: Floats) -> Floats:
    """Integral of the law's target from 0 to `phi`, mean trades."""
    power = law.exponent + 1.0
    beyond = 0.5 + (np.maximum(phi, 1.0) ** power - 1.0) / power
    return np.asarray(law.scale_ticks * np.where(phi < 1.0, phi**2 / 2, beyond), np.float64)


def frontier(
    quantity: float,
    horizon_s: float,
    decisions: int,
    estimates: MarketEstimates,
    law: ImpactLaw | None,
) -> list[ScheduleCost]:
    """:func:`schedule_cost` for each of `URGENCIES`, from even takes to all at once."""
    return [
        schedule_cost(quantity, horizon_s, decisions, urgency, estimates, law)
        for urgency in URGENCIES
    ]
