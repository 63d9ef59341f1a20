"""Maximum likelihood of a marked Hawkes process with known state factors: expectation-maximisation on arrays.

The law, for target kind i and side s (0 buy, 1 sell), both sides alike::

    rate(s, i; t) = F(s, i; t) x(s, i; t)
    x(s, i; t) = mu[i] season(t) + sum over earlier events e, k of w(e) alpha[i, r, kind(e), k] exp(-beta[k] (t - t(e)))

r is 0 for an event of the same side and 1 for the other. F is known here (`state`). At fixed decays beta the likelihood
is concave in (mu, alpha); each step of EM (Veen and Schoenberg 2008) splits every event between what may have caused
it and divides by what each cause was exposed to, so it never leaves the non-negative numbers and never lowers the
likelihood.

Stability: an event weighs w <= 1 / F, so the mean of x obeys d mean(x) <= a linear Hawkes law of branching matrix
n[i, j] = sum over r, k of alpha / beta, whatever the state factors do. With its spectral radius below 1 the rates
cannot run away; `project` keeps it at `MOST_RADIUS`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.core import Bytes, Floats, kernel

MOST_RADIUS = 0.98
ITERATIONS = 60
ENOUGH = 2e-6
"""Gain of log likelihood per event below which EM stops."""


@dataclass(frozen=True, eq=False)
class History:
    """One stretch of events without a gap.

    Parameters
    ----------
    seconds : float64[n]
        Times, ascending; the stretch begins at `start_s` and ends with the last event.
    kind, side : int8[n]
        0 to M - 1; 0 buy, 1 sell.
    weight : float64[n]
        How much each excites, at most 1 / F.
    factor : float64[n, 2, M]
        F in force since the event before.
    season : float64[n]
        Of the base rates since the event before.
    start_s : float
    """

    seconds: Floats
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    weight: Floats
    factor: Floats
    season: Floats
    start_s: float


@dataclass(frozen=True, eq=False)
class Excitation:
    """Parameters of the law: `base` float64[M] (mu), `alpha` float64[M, 2, M, K], `beta` float64[K], 1/s."""

    base: Floats
    alpha: Floats
    beta: Floats

    @property
    def branching(self) -> Floats:
        """Mean children of kind i, either side, per event of kind j: float64[M, M]."""
        return np.asarray((self.alpha / self.beta).sum(axis=(1, 3)))

    @property
    def radius(self) -> float:
        """Spectral radius of the branching matrix.

        >>> one = Excitation(np.ones(1), np.full((1, 2, 1, 1), 0.5), np.array([2.0]))
        >>> one.radius
        0.5
        """
        return float(np.abs(np.linalg.eigvals(self.branching)).max())

    def mean(self) -> Floats:
        """Stationary mean of x at factors and weights of 1, per side: float64[M]."""
        return np.asarray(
            np.linalg.solve(np.eye(len(self.base)) - self.branching, self.base), np.float64
        )


# -- kernels -----------------------------------------------------------------------------------------------------------


@kernel
def responsibilities(
    t: Floats,
    kind: Bytes,
    side: Bytes,
    weight: Floats,
    season: Floats,
    base: Floats,
    alpha: Floats,
    beta: Floats,
    start: float,
    memory: Floats,
    caused: Floats,
    immigrants: Floats,
) -> float:
    """Expectation step: adds to `caused` [M, 2, M, K] and `immigrants` [M]; gives the sum of log x.

    `memory` [2, M, K] comes in as zeros; `caused` lacks the factor alpha.
    """
    kinds, decays = alpha.shape[0], alpha.shape[3]
    total, last = 0.0, start
    for n in range(t.shape[0]):
        for d in range(decays):
            fade = math.exp(-beta[d] * (t[n] - last))
            for s in range(2):
                for j in range(kinds):
                    memory[s, j, d] *= fade
        last = t[n]
        i, s = kind[n], side[n]
        own = base[i] * season[n]
        x = own
        for r in range(2):
            for j in range(kinds):
                for d in range(decays):
                    x += alpha[i, r, j, d] * memory[s ^ r, j, d]
        share = 1.0 / x
        immigrants[i] += own * share
        for r in range(2):
            for j in range(kinds):
                for d in range(decays):
                    caused[i, r, j, d] += share * memory[s ^ r, j, d]
        total += math.log(x)
        for d in range(decays):
            memory[s, i, d] += weight[n]
    return total


@kernel
def exposures(
    t: Floats,
    kind: Bytes,
    side: Bytes,
    weight: Floats,
    season: Floats,
    factor: Floats,
    beta: Floats,
    start: float,
    memory: Floats,
    gain: Floats,
    exposed: Floats,
    alone: Floats,
) -> None:
    """Integrals of F times each regressor: adds to `exposed` [M, 2, M, K] and `alone` [M].

    `memory` [2, M, K] comes in as zeros, `gain` [K] is scratch.
    """
    kinds, decays = memory.shape[1], memory.shape[2]
    last = start
    for n in range(t.shape[0]):
        wait = t[n] - last
        last = t[n]
        for d in range(decays):
            gain[d] = -math.expm1(-beta[d] * wait) / beta[d]
        for s in range(2):
            for i in range(kinds):
                f = factor[n, s, i]
                if f == 0.0 or wait <= 0.0:
                    continue
                alone[i] += f * season[n] * wait
                for r in range(2):
                    for j in range(kinds):
                        for d in range(decays):
                            exposed[i, r, j, d] += f * memory[s ^ r, j, d] * gain[d]
        for d in range(decays):
            fade = 1.0 - beta[d] * gain[d]
            for s in range(2):
                for j in range(kinds):
                    memory[s, j, d] *= fade
            memory[side[n], kind[n], d] += weight[n]


@kernel
def integrals(
    t: Floats,
    kind: Bytes,
    side: Bytes,
    weight: Floats,
    season: Floats,
    base: Floats,
    alpha: Floats,
    beta: Floats,
    start: float,
    excited: Floats,
    out: Floats,
) -> None:
    """Integral of x over the time since the event before: fills `out` [n, 2, M].

    `excited` [2, M, K] comes in as zeros.
    """
    kinds, decays = alpha.shape[0], alpha.shape[3]
    last = start
    for n in range(t.shape[0]):
        wait = t[n] - last
        last = t[n]
        for s in range(2):
            for i in range(kinds):
                out[n, s, i] = base[i] * season[n] * wait
        for d in range(decays):
            fade = math.exp(-beta[d] * wait)
            for s in range(2):
                for i in range(kinds):
                    out[n, s, i] += excited[s, i, d] * (1.0 - fade) / beta[d]
                    excited[s, i, d] *= fade
        for r in range(2):
            for i in range(kinds):
                for d in range(decays):
                    excited[side[n] ^ r, i, d] += weight[n] * alpha[i, r, kind[n], d]


# -- the fit -----------------------------------------------------------------------------------------------------------


def fit(
    days: Sequence[History],
    kinds: int,
    beta: Floats,
    iterations: int = ITERATIONS,
    first: Excitation | None = None,
) -> tuple[Excitation, list[float]]:
    """Maximum-likelihood excitation, constrained to be stable, and the log likelihood per event after each step.

    Raises
    ------
    ValueError
        No events.

    Notes
    -----
    Begins at `first`, or at half of every kind's rate from excitation, spread evenly.
    """
    events = sum(len(day.seconds) for day in days)
    if events == 0:
        raise ValueError("no events to fit")
    shape = (kinds, 2, kinds, len(beta))
    exposed, alone = np.zeros(shape), np.zeros(kinds)
    for day in days:
        exposures(
            day.seconds,
            day.kind,
            day.side,
            day.weight,
            day.season,
            day.factor,
            beta,
            day.start_s,
            np.zeros((2, kinds, len(beta))),
            np.zeros(len(beta)),
            exposed,
            alone,
        )
    counts = sum(np.bincount(day.kind, minlength=kinds) for day in days)
    alone = np.maximum(alone, 1e-12)
    now = first or Excitation(
        0.5 * counts / alone,
        0.5
        * (counts / np.maximum(exposed.sum(axis=(1, 2, 3)), 1e-12))[:, None, None, None]
        * np.ones(shape),
        beta,
    )
    log_factor = sum(_log_factor(day) for day in days)
    trace: list[float] = []
    for _ in range(iterations):
        caused, immigrants, log_x = np.zeros(shape), np.zeros(kinds), 0.0
        for day in days:
            log_x += responsibilities(
                day.seconds,
                day.kind,
                day.side,
                day.weight,
                day.season,
                now.base,
                now.alpha,
                beta,
                day.start_s,
                np.zeros((2, kinds, len(beta))),
                caused,
                immigrants,
            )
        compensator = float(now.base @ alone + (now.alpha * exposed).sum())
        trace.append((log_x + log_factor - compensator) / events)
        if len(trace) > 1 and trace[-1] - trace[-2] < ENOUGH:
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = np.where(exposed > 0.0, now.alpha * caused / exposed, 0.0)
        now = Excitation(immigrants / alone, alpha, beta)
    return project(now), trace


def _log_factor(day: History) -> float:
    own = day.factor[np.arange(len(day.kind)), day.side, day.kind]
    return float(np.log(np.maximum(own, 1e-12)).sum())


def project(law: Excitation, most: float = MOST_RADIUS) -> Excitation:
    """Scale a law's spectral radius to at most `most`, keeping its mean rates.

    >>> wild = Excitation(np.ones(1), np.full((1, 2, 1, 1), 0.8), np.array([1.0]))
    >>> round(project(wild).radius, 6)
    0.98
    """
    radius = law.radius
    if radius <= most:
        return law
    tamed = Excitation(law.base, law.alpha * (most / radius), law.beta)
    if radius >= 1.0:  # it had no mean rates
        return tamed
    base = (np.eye(len(law.base)) - tamed.branching) @ law.mean()
    return Excitation(np.maximum(base, law.base), tamed.alpha, law.beta)


def compensators(day: History, law: Excitation) -> Floats:
    """Integral of x over the time since the event before, per side and kind: float64[n, 2, M]."""
    out = np.zeros((len(day.seconds), 2, len(law.base)))
    integrals(
        day.seconds,
        day.kind,
        day.side,
        day.weight,
        day.season,
        law.base,
        law.alpha,
        law.beta,
        day.start_s,
        np.zeros((2, len(law.base), len(law.beta))),
        out,
    )
    return out


def residuals(day: History, law: Excitation) -> list[Floats]:
    """Rescaled waits of every (side, kind), buys first: Exp(1) where the law is true (Brown et al. 2002)."""
    paid = np.cumsum(compensators(day, law) * day.factor, axis=0)
    found = []
    for s in range(2):
        for i in range(len(law.base)):
            at = paid[(day.side == s) & (day.kind == i), s, i]
            found.append(np.diff(at, prepend=0.0))
    return found
