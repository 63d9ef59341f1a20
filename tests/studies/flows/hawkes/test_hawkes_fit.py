"""The estimator against an independent simulation, closed forms and brute force."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from studies.flows.hawkes.fit import (
    Excitation,
    History,
    compensators,
    exposures,
    fit,
    project,
    residuals,
    responsibilities,
)

BASE, BETA = 0.4, [20.0, 1.0]
SAME, OTHER = [6.0, 0.2], [1.0, 0.1]
"""Children: same side 0.3 + 0.2, other side 0.05 + 0.1; in all 0.65."""
SECONDS = 12_000.0


def simulate(
    base: float, same: list[float], other: list[float], beta: list[float], seconds: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """An independent oracle, Ogata's thinning as plainly as it can be: times and sides (0, 1).

    An event adds same[k] exp(-beta[k] t) to its own side's rate, other[k] to the other's.
    """
    rng = np.random.default_rng(seed)
    now = 0.0
    excited = [[0.0] * len(beta), [0.0] * len(beta)]
    times: list[float] = []
    sides: list[int] = []
    while True:
        bound = sum(base + sum(row) for row in excited)
        wait = rng.exponential(1.0 / bound)
        now += wait
        if now > seconds:
            return np.array(times), np.array(sides, np.int8)
        excited = [
            [x * math.exp(-b * wait) for x, b in zip(row, beta, strict=True)] for row in excited
        ]
        rates = [base + sum(row) for row in excited]
        u = rng.random() * bound
        if u >= sum(rates):
            continue
        s = 0 if u < rates[0] else 1
        times.append(now)
        sides.append(s)
        for k in range(len(beta)):
            excited[s][k] += same[k]
            excited[1 - s][k] += other[k]


def history(
    times: np.ndarray, sides: np.ndarray, kinds: np.ndarray | None = None, count: int = 1
) -> History:
    n = len(times)
    kind = np.zeros(n, np.int8) if kinds is None else kinds
    return History(times, kind, sides, np.ones(n), np.ones((n, 2, count)), np.ones(n), 0.0)


@pytest.fixture(scope="module")
def known() -> History:
    return history(*simulate(BASE, SAME, OTHER, BETA, SECONDS, 7))


@pytest.fixture(scope="module")
def found(known: History) -> Excitation:
    law, trace = fit([known], 1, np.array(BETA), iterations=400)
    assert all(later >= before - 1e-9 for before, later in pairwise(trace))
    return law


def test_the_oracle_has_the_moments_of_a_hawkes_process(known: History) -> None:
    """Rate base / (1 - n); variance of counts over long windows: rate / (1 - n)^2, of the sides' difference with the
    difference of the children."""
    rate = 2 * BASE / (1 - 0.65)
    assert len(known.seconds) / SECONDS == pytest.approx(rate, rel=0.04)
    windows = 300
    counts = np.stack(
        [np.histogram(known.seconds[known.side == s], windows, (0, SECONDS))[0] for s in range(2)]
    )
    length = SECONDS / windows
    assert counts.sum(axis=0).var() / (rate * length) == pytest.approx((1 - 0.65) ** -2, rel=0.3)
    assert (counts[0] - counts[1]).var() / (rate * length) == pytest.approx(
        (1 - 0.35) ** -2, rel=0.3
    )


def test_known_parameters_come_back(found: Excitation) -> None:
    assert found.base[0] == pytest.approx(BASE, rel=0.08)
    children = found.alpha[0, :, 0] / found.beta
    assert children[0] == pytest.approx([0.3, 0.2], abs=0.04)
    assert children[1] == pytest.approx([0.05, 0.1], abs=0.04)
    assert found.radius == pytest.approx(0.65, abs=0.03)
    assert found.mean()[0] == pytest.approx(BASE / 0.35, rel=0.05)


def test_rescaled_waits_are_exponential(known: History, found: Excitation) -> None:
    """The time-rescaling theorem: Kolmogorov-Smirnov at one in a thousand; without excitation it fails by far."""
    alone = Excitation(
        np.array([len(known.seconds) / (2 * SECONDS)]), np.zeros((1, 2, 1, 2)), np.array(BETA)
    )
    for law, holds in ((found, True), (alone, False)):
        for waits in residuals(known, law):
            ordered = np.sort(waits)
            distance = np.abs(
                -np.expm1(-ordered) - np.arange(1, len(ordered) + 1) / len(ordered)
            ).max()
            assert (distance * math.sqrt(len(ordered)) < 1.95) == holds


@settings(max_examples=15)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_recursions_are_the_sums(n: int, seed: int) -> None:
    """Rates, exposures and compensators against sums over all pairs of events."""
    rng = np.random.default_rng(seed)
    kinds, beta = 2, np.array([3.0, 0.5])
    times = np.cumsum(rng.exponential(0.3, n))
    kind, side = rng.integers(0, kinds, n).astype(np.int8), rng.integers(0, 2, n).astype(np.int8)
    weight, factor = rng.random(n) + 0.1, rng.random((n, 2, kinds))
    season = rng.random(n) + 0.5
    day = History(times, kind, side, weight, factor, season, 0.0)
    law = Excitation(rng.random(kinds), rng.random((kinds, 2, kinds, 2)), beta)

    def x(s: int, i: int, t: float, before: int) -> float:
        total = law.base[i] * season[before]
        for e in range(before):
            r = 0 if side[e] == s else 1
            total += weight[e] * float(law.alpha[i, r, kind[e]] @ np.exp(-beta * (t - times[e])))
        return float(total)

    caused, immigrants = np.zeros(law.alpha.shape), np.zeros(kinds)
    log = responsibilities(
        times,
        kind,
        side,
        weight,
        season,
        law.base,
        law.alpha,
        beta,
        0.0,
        np.zeros((2, kinds, 2)),
        caused,
        immigrants,
    )
    assert log == pytest.approx(sum(math.log(x(side[e], kind[e], times[e], e)) for e in range(n)))
    assert immigrants.sum() + (law.alpha * caused).sum() == pytest.approx(n)
    integral = compensators(day, law)
    starts = np.concatenate(([0.0], times[:-1]))
    for e in range(n):
        grid = np.linspace(starts[e], times[e], 101)
        for s in range(2):
            for i in range(kinds):
                values = [x(s, i, t, e) for t in grid]
                assert integral[e, s, i] == pytest.approx(
                    np.trapezoid(values, grid), rel=5e-3, abs=1e-9
                )
    exposed, alone = np.zeros(law.alpha.shape), np.zeros(kinds)
    exposures(
        times,
        kind,
        side,
        weight,
        season,
        factor,
        beta,
        0.0,
        np.zeros((2, kinds, 2)),
        np.zeros(2),
        exposed,
        alone,
    )
    assert law.base @ alone + (law.alpha * exposed).sum() == pytest.approx(
        (integral * factor).sum()
    )


@given(st.integers(0, 10_000), st.floats(0.1, 5.0))
def test_projection_is_stable_and_keeps_means(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    law = Excitation(rng.random(3) + 0.1, scale * rng.random((3, 2, 3, 2)), np.array([2.0, 0.2]))
    tamed = project(law)
    assert tamed.radius <= 0.98 + 1e-9
    assert np.all(tamed.mean() > 0)
    if law.radius <= 0.98:
        assert tamed is law
