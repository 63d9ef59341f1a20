"""Closed forms of a dealer's quote against brute force, a table and a simulation."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import brentq
from scipy.stats import logistic, norm
from tests.market.dealers.oracles import best_hit, outcome_shares, reject_cost

from tercel.market.dealers.quotes import best_distance, inventory_cost


@pytest.mark.parametrize(
    ("alpha", "beta", "distance", "hit"),
    [
        (-1.9, 11.0, 0.177, 0.487),
        (-0.3, 3.5, 0.386, 0.259),
        (-1.4, 5.5, 0.313, 0.420),
        (0.0, 2.0, 0.639, 0.218),
    ],
)
def test_published_currencies_give_the_published_quotes(alpha, beta, distance, hit):
    """Table 1 of arXiv 2207.04100 at no inventory."""
    assert best_distance(alpha, beta) == pytest.approx(distance, abs=5e-4)
    assert best_hit(alpha, beta) == pytest.approx(hit, abs=5e-4)


@given(st.floats(-4, 2), st.floats(0.2, 20), st.floats(-2, 2))
def test_no_other_distance_earns_more(alpha, beta, cost):
    """The first-order condition ``1 / beta = (d - cost) (1 - hit)`` solved by bisection, to 1e-9."""

    def slope(d: float) -> float:
        return (d - cost) * beta * logistic.cdf(alpha + beta * d) - 1.0

    found = brentq(slope, cost, cost + (50 + abs(alpha) + abs(beta * cost)) / beta, xtol=1e-13)
    assert best_distance(alpha, beta, cost) == pytest.approx(found, abs=1e-9)


def test_skew_is_that_of_the_published_market():
    """A = .0355 for EURUSD tier 1 (`facts/rfq.md`)."""
    assert inventory_cost(0.002, 80.0, 900.0, 1.0, -1.9, 11.0) == pytest.approx(0.0355, abs=5e-5)


@pytest.mark.parametrize(("rivals", "u"), [(3, 0.5), (1, 0.2), (9, 0.9), (0, 0.4)])
def test_outcomes_add_up_and_follow_the_formula_of_equal_laws(rivals, u):
    """F = G: done u^(n+1), not traded (1 - u^(n+1)) / (n + 1)."""
    done, nobody, away = outcome_shares(norm.isf(u), rivals, norm.sf, norm.sf, norm.pdf)
    assert done == pytest.approx(u ** (rivals + 1), abs=1e-9)
    assert nobody == pytest.approx((1 - u ** (rivals + 1)) / (rivals + 1), abs=1e-7)
    assert done + nobody + away == pytest.approx(1.0)


def test_drawn_requests_end_as_the_formula_says():
    rng, n = np.random.default_rng(5), 200_000
    rivals, limit = rng.standard_normal((n, 3)).min(axis=1), rng.standard_normal(n)
    done = (rivals > 0) & (limit >= 0)
    nobody = limit < np.minimum(rivals, 0)
    found = np.array([done.mean(), nobody.mean(), 1 - done.mean() - nobody.mean()])
    expected = np.array([0.0625, 0.234375, 0.703125])
    assert np.abs(found - expected).max() < 4 * 0.5 / n**0.5


def test_a_last_look_refuses_and_costs_as_drawn():
    rng, n = np.random.default_rng(6), 400_000
    moves = 0.8 * rng.standard_normal(n)
    chance, cost = reject_cost(0.5, 0.8, 1.0)
    assert np.mean(moves > 0.5) == pytest.approx(chance, abs=4 * 0.5 / n**0.5)
    assert np.mean(np.where(moves > 0.5, moves, 0.0)) == pytest.approx(cost, abs=4 * 0.5 / n**0.5)
    assert reject_cost(np.inf, 0.8, 1.0)[0] == 0.0
