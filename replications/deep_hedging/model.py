"""Buehler, Gonon, Teichmann and Wood (2019), "Deep hedging", in small: one option, proportional costs, known answers.

A European call is sold and hedged with the underlying once a day; trading costs a share of its value. The market is
that of Black and Scholes, so without costs the hedge is known in closed form. What is minimised is the expected
shortfall of the loss at maturity, as Rockafellar and Uryasev (2000) write it,

    CVaR_alpha(L) = min over w of  w + E[(L - w)+] / (1 - alpha),

whose minimum is also what must be asked for the option. With costs the rivals are the delta of Black and Scholes,
that of Leland (1985), and the band around delta of Whalley and Wilmott (1997) with its one parameter tuned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core import Float32
from tercel.execution.policies import PolicyPort

Floats = NDArray[np.float64]

SPOT: Final = 100.0
STRIKE: Final = 100.0
VOLATILITY: Final = 0.2
"""A year."""
DAYS: Final = 30
YEARS: Final = DAYS / 365
STEP: Final = YEARS / DAYS
ALPHA: Final = 0.5
"""Of the expected shortfall: the mean of the worse half."""
COSTS: Final = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01)
"""Proportional costs, an input of the one network."""
OBSERVES: Final = ("time_left", "moneyness", "standard_moneyness", "cost")
CLIP: Final = 5.0
AVERSIONS: Final = tuple(np.geomspace(0.01, 100.0, 25).tolist())
"""Candidates for the band's risk aversion."""

Hedge = Callable[[int, Floats, Floats], Floats]
"""(day, spot (n,), units held (n,)) -> units to hold (n,)."""


def normal_cdf(x: Floats) -> Floats:
    """Standard normal distribution function, to 1e-15 by the complementary error function."""
    from math import erfc

    return np.asarray(
        np.vectorize(lambda v: 0.5 * erfc(-v / 2**0.5), otypes=[np.float64])(x), np.float64
    )


def _d1(spot: Floats, years: float, volatility: float) -> Floats:
    spread = volatility * np.sqrt(years)
    d1: Floats = (np.log(np.asarray(spot, np.float64) / STRIKE) + spread**2 / 2) / spread
    return d1


def call_price(spot: Floats, years: float, volatility: float = VOLATILITY) -> Floats:
    """Black and Scholes (1973) without interest.

    >>> round(float(call_price(np.array([100.0]), YEARS)[0]), 4)
    2.2872
    """
    d1 = _d1(spot, years, volatility)
    return spot * normal_cdf(d1) - STRIKE * normal_cdf(d1 - volatility * np.sqrt(years))


def call_delta(spot: Floats, years: float, volatility: float = VOLATILITY) -> Floats:
    """Units of the underlying that replicate the call."""
    return normal_cdf(_d1(spot, years, volatility))


def paths(n: int, rng: np.random.Generator) -> Floats:
    """Prices at the start of each day and at maturity, float64 (n, DAYS + 1), without drift."""
    noise = rng.standard_normal((n, DAYS)) * VOLATILITY * np.sqrt(STEP)
    logs = np.cumsum(noise - VOLATILITY**2 * STEP / 2, axis=1)
    spots: Floats = SPOT * np.exp(np.concatenate([np.zeros((n, 1)), logs], axis=1))
    return spots


def losses(spots: Floats, hedge: Hedge, cost: float) -> Floats:
    """Loss at maturity of the option sold for nothing and hedged, float64 (n,); what is held is sold at the end."""
    held, paid, gained = (np.zeros(len(spots)) for _ in range(3))
    for day in range(DAYS):
        spot = spots[:, day]
        wanted = hedge(day, spot, held)
        paid += cost * spot * np.abs(wanted - held)
        gained += wanted * (spots[:, day + 1] - spot)
        held = wanted
    paid += cost * spots[:, DAYS] * np.abs(held)
    return np.maximum(spots[:, DAYS] - STRIKE, 0.0) - gained + paid


@dataclass(frozen=True)
class Shortfall:
    """Expected shortfall of a sample, and the standard error of what it is the mean of.

    Parameters
    ----------
    value : float
    threshold : float
        w at the minimum: the alpha-quantile of the loss.
    influence : float64 (n,)
        w + (L - w)+ / (1 - alpha): its mean is `value`, and differences of means of two strategies on the same paths
        have the standard errors of the paired differences (w is optimal, so its error is of second order).
    """

    value: float
    threshold: float
    influence: Floats

    @property
    def error(self) -> float:
        """Standard error of `value`."""
        return float(self.influence.std(ddof=1) / np.sqrt(len(self.influence)))


def shortfall(loss: Floats, alpha: float = ALPHA) -> Shortfall:
    """CVaR_alpha of a sample by the formula of Rockafellar and Uryasev at its quantile.

    >>> shortfall(np.arange(1.0, 11.0), 0.8).value
    9.5
    """
    threshold = float(np.quantile(loss, alpha, method="inverted_cdf"))
    influence = threshold + np.maximum(loss - threshold, 0.0) / (1.0 - alpha)
    return Shortfall(float(influence.mean()), threshold, influence)


def delta_hedge(cost: float = 0.0) -> Hedge:
    """The delta of Black and Scholes every day; of Leland where there is a cost."""
    extra = np.sqrt(2 / np.pi) * 2 * cost / (VOLATILITY * np.sqrt(STEP))  # 2 x cost: a round trip
    volatility = VOLATILITY * np.sqrt(1.0 + extra)

    def hedge(day: int, spot: Floats, held: Floats) -> Floats:
        return call_delta(spot, YEARS - day * STEP, volatility)

    return hedge


def no_hedge(day: int, spot: Floats, held: Floats) -> Floats:
    """Nothing: what large costs make the best hedge."""
    return np.zeros(len(spot))


def band_hedge(cost: float, aversion: float) -> Hedge:
    """Whalley and Wilmott (1997): to the nearer edge of delta +- (3/2 cost S gamma^2 / aversion)^(1/3)."""

    def hedge(day: int, spot: Floats, held: Floats) -> Floats:
        years = YEARS - day * STEP
        d1 = _d1(spot, years, VOLATILITY)
        gamma = np.exp(-(d1**2) / 2) / (np.sqrt(2 * np.pi) * spot * VOLATILITY * np.sqrt(years))
        half = np.cbrt(1.5 * cost * spot * gamma**2 / aversion)
        delta = normal_cdf(d1)
        return np.clip(held, delta - half, delta + half)

    return hedge


def tuned_band(cost: float, spots: Floats) -> float:
    """The risk aversion whose band has the least expected shortfall on `spots`."""
    found = [
        shortfall(losses(spots, band_hedge(cost, aversion), cost)).value for aversion in AVERSIONS
    ]
    best: float = AVERSIONS[int(np.argmin(found))]
    return best


def network_hedge(policy: PolicyPort, cost: float) -> Hedge:
    """What a trained network holds: what is held already, moved to the nearer edge of the band that it says.

    The paper hands what is held to the network; the band (Imaki et al. 2021, "No-transaction band network") says the
    same in the shape that optimal hedges have, and is a single number without costs.
    """

    def hedge(day: int, spot: Floats, held: Floats) -> Floats:
        values = policy.logits(observe(day, spot, cost)).astype(np.float64)
        centre = 1.0 / (1.0 + np.exp(-values[:, 0]))
        half = cost_level(cost) * np.logaddexp(0.0, values[:, 1])
        return np.clip(held, centre - half, centre + half)

    return hedge


def observe(day: int, spot: Floats, cost: float) -> Float32:
    """What the network sees, float32 (n, 4)."""
    left = 1.0 - day / DAYS
    moneyness = np.log(spot / STRIKE) / (VOLATILITY * np.sqrt(YEARS))
    level = np.full(len(spot), cost_level(cost))
    return np.stack(
        [np.full(len(spot), left), moneyness, moneyness / np.sqrt(left), level], 1
    ).astype(np.float32)


def cost_level(cost: float) -> float:
    """A cost as the network's input: its cube root, as wide as the band is; 1 for the largest of `COSTS`."""
    return float(np.cbrt(cost / COSTS[-1]))
