"""Closed forms of a dealer's quote against bisection and a published table."""

import pytest
from hypothesis import given, strategies as st
from scipy.optimize import brentq
from scipy.stats import logistic

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
    best = best_distance(alpha, beta)
    assert best == pytest.approx(distance, abs=5e-4)
    assert logistic.sf(alpha + beta * best) == pytest.approx(hit, abs=5e-4)


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
