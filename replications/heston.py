"""Heston's market (1993) as Buehler et al. (2019) set it, with a variance swap to trade: closed forms and paths.

    dS = S sqrt(V) dB,  dV = alpha (b - V) dt + sigma sqrt(V) dW,  d<B, W> = rho dt,

without interest, under the pricing measure. With S and the variance swap any option could be hedged without error, were
trading continuous: what is left by hedging daily is the discreteness alone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.deep_hedging.model import normal_cdf
from tercel.core import Floats

Complex = NDArray[np.complex128]
SPOT: Final = 100.0
DAYS: Final = 30
STEP: Final = 1 / 365
"""Days of the option, and years of a day."""


@dataclass(frozen=True)
class Heston:
    """The market; defaults of section 5.2. `sigma` of almost 0 is Black and Scholes at the volatility sqrt(b)."""

    alpha: float = 1.0
    b: float = 0.04
    sigma: float = 2.0
    rho: float = -0.7
    start: float = 0.04

    def due(self, years: Any, variance: Any) -> Any:
        """Expected variance from now to maturity, L of equation 5.4."""
        return (variance - self.b) / self.alpha * (1 - np.exp(-self.alpha * years)) + self.b * years

    def _exponents(self, u: Complex, years: float) -> tuple[Complex, Complex]:
        """(C, D) of E exp(i u log S_T / S) = exp(C + D v), in the form that needs no branch (Albrecher et al. 2007)."""
        beta = self.alpha - self.rho * self.sigma * 1j * u
        d = np.sqrt(beta**2 + self.sigma**2 * (1j * u + u**2))
        g, decay = (beta - d) / (beta + d), np.exp(-d * years)
        D = (beta - d) / self.sigma**2 * (1 - decay) / (1 - g * decay)
        C = (
            self.alpha
            * self.b
            / self.sigma**2
            * ((beta - d) * years - 2 * np.log((1 - g * decay) / (1 - g)))
        )
        return C, D

    def call(
        self, years: float, moneyness: Floats, variance: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Price in strikes, slope by S and slope by V of a call, (v, m) each, for logs of S / K (m,) and V (v,).

        Lewis's integral (2001) of what sets it apart from Black and Scholes with the same expected variance.
        """
        bent = np.linspace(0.0, np.arcsinh(60.0), 1500)
        u = 50.0 * np.sinh(bent)
        width = np.gradient(bent) * 50.0 * np.cosh(bent)
        width[[0, -1]] *= 0.5
        C, D = self._exponents((u - 0.5j).astype(np.complex128), years)
        v, m = variance[:, None], moneyness[None, :]
        w, slope = self.due(years, v), (1 - np.exp(-self.alpha * years)) / self.alpha
        square = u**2 + 0.25
        ours, plain = np.exp(C + D * v), np.exp(-0.5 * w * square)
        weight, wave = width / square / np.pi, np.exp(1j * u[:, None] * m)
        half, root = np.exp(m / 2), np.sqrt(w)
        d1 = m / root + root / 2
        gap = (ours - plain) * weight
        price = np.exp(m) * normal_cdf(d1) - normal_cdf(d1 - root) - half * (gap @ wave).real
        by_spot = normal_cdf(d1) - (gap * (0.5 + 1j * u) @ wave).real / half
        density = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi)
        bent_gap = (ours * D + 0.5 * square * slope * plain) * weight
        by_variance = np.exp(m) * density / (2 * root) * slope - half * (bent_gap @ wave).real
        return price, by_spot, by_variance

    def price(self, years: float = DAYS * STEP) -> float:
        """Price of the call at the money."""
        return SPOT * float(self.call(years, np.zeros(1), np.array([self.start]))[0][0, 0])

    def paths(
        self, n: int, rng: np.random.Generator, parts: int = 1
    ) -> tuple[Floats, Floats, Floats]:
        """Spots, prices of the variance swap and variances, (n, DAYS + 1) each.

        V is drawn from its transition law; within each of `parts` of a day it counts as constant, as it does in the
        study within a day (its footnote 5).
        """
        step = STEP / parts
        decay = np.exp(-self.alpha * step)
        scale = self.sigma**2 * (1 - decay) / (4 * self.alpha)
        freedom = 4 * self.alpha * self.b / self.sigma**2
        V, logs, passed = (
            np.full((n, DAYS + 1), self.start),
            np.zeros((n, DAYS + 1)),
            np.zeros((n, DAYS + 1)),
        )
        now, log, sum_of = V[:, 0], logs[:, 0], passed[:, 0]
        for k in range(DAYS * parts):
            then = scale * rng.noncentral_chisquare(freedom, np.maximum(now * decay / scale, 1e-12))
            shock = (then - now - self.alpha * (self.b - now) * step) / self.sigma
            own = np.sqrt((1 - self.rho**2) * now * step) * rng.standard_normal(n)
            log, sum_of, now = (
                log - 0.5 * now * step + self.rho * shock + own,
                sum_of + now * step,
                then,
            )
            if (k + 1) % parts == 0:
                day = (k + 1) // parts
                V[:, day], logs[:, day], passed[:, day] = now, log, sum_of
        left = (DAYS - np.arange(DAYS + 1)) * STEP
        return SPOT * np.exp(logs), passed + self.due(left, V), V

    @cached_property
    def _tables(self) -> list[Any]:
        from scipy.interpolate import RegularGridInterpolator

        m, v = np.linspace(-0.4, 0.4, 401), np.linspace(0.0, 1.3, 80) ** 2 + 1e-6
        tables = []
        for k in range(DAYS):
            years = (DAYS - k) * STEP
            _, by_spot, by_variance = self.call(years, m, v)
            swap = by_variance * SPOT * self.alpha / (1 - np.exp(-self.alpha * years))
            held = np.stack([by_spot, swap], axis=-1)
            tables.append(
                RegularGridInterpolator((v, m), held, bounds_error=False, fill_value=None)
            )
        return tables

    def model_hedge(self, spots: Floats, variances: Floats) -> Floats:
        """Units of S and of the variance swap that would hedge the call in continuous time, (n, DAYS, 2)."""
        moneyness = np.clip(np.log(spots / SPOT), -0.4, 0.4)
        held = [
            table(np.stack([np.clip(variances[:, k], 1e-6, 1.69), moneyness[:, k]], axis=1))
            for k, table in enumerate(self._tables)
        ]
        return np.stack(held, axis=1)


def losses(spots: Floats, swaps: Floats, held: Floats, cost: float = 0.0) -> Floats:
    """Loss at maturity of the call sold for nothing and hedged by `held` (n, DAYS, 2), all closed at the end."""
    prices = np.stack([spots, swaps], axis=2)
    gained = (held * np.diff(prices, axis=1)).sum(axis=(1, 2))
    flat = np.zeros((len(spots), 1, 2))
    traded = np.abs(np.diff(np.concatenate([flat, held, flat], axis=1), axis=1))
    paid = cost * (traded * prices).sum(axis=(1, 2))
    return np.asarray(np.maximum(spots[:, -1] - SPOT, 0.0) - gained + paid)
