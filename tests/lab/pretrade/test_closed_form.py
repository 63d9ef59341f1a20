"""The closed form of an order's cost beside oracles: no decay, a linear kernel by loops, Almgren and Chriss."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategies.almgren_chriss import Parameters, kappa
from tercel.lab.pretrade import frontier, schedule_cost
from tercel.market.impact.law import ImpactLaw

CALM = MarketEstimates(1.0, sigma=0.0, eta=0.0, spread=0.0)
MOVES = MarketEstimates(1.0, sigma=0.8, eta=0.004, spread=3.0)
LAW = ImpactLaw("translation", mean_trade_lots=100.0, trades=50.0, sigma_ticks=20.0)
LASTING = ImpactLaw("translation", 100.0, 50.0, 20.0, permanent=1.0)


@pytest.mark.parametrize("urgency", [0.0, 3.0, 600.0])
def test_impact_that_lasts_costs_its_mean_over_the_lots_whatever_the_schedule(
    urgency: float,
) -> None:
    found = schedule_cost(90_000.0, 3600.0, 60, urgency, CALM, LASTING)
    square_root = 2 / 3 * LASTING.scale_ticks * math.sqrt(900.0)
    assert found.impact == pytest.approx(square_root, rel=1e-3)


@pytest.mark.parametrize("urgency", [0.0, 4.0])
def test_a_linear_law_costs_what_loops_add_up(urgency: float) -> None:
    law = ImpactLaw(
        "translation", 100.0, 50.0, 20.0, exponent=1.0, explicit=((0.01, 0.75), (0.0, 0.25))
    )
    taken = schedule_cost(5_000.0, 600.0, 10, urgency, CALM, law)
    k, left = urgency, []
    for j in range(11):
        u = j / 10
        left.append(1 - u if k == 0 else math.sinh(k * (1 - u)) / math.sinh(k))
    lots = [5_000.0 * (left[j] - left[j + 1]) for j in range(10)]
    paid = 0.0
    for j in range(10):
        moved = 0.0
        for i in range(j):
            decayed = 0.75 * math.exp(-0.01 * 60 * (j - i)) + 0.25
            moved += law.scale_ticks * lots[i] / 100.0 * decayed
        paid += lots[j] * (moved + law.scale_ticks * lots[j] / 100.0 / 2)
    # below one mean trade the law is the same line
    assert taken.impact == pytest.approx(paid / 5_000.0, rel=1e-12)


def test_even_takes_have_the_variance_of_almgren_and_chriss() -> None:
    n, horizon = 12, 3600.0
    found = schedule_cost(10.0, horizon, n, 0.0, MOVES, None)
    variance = 0.8**2 * horizon / 3 * (1 - 1 / n) * (1 - 1 / (2 * n))
    assert found.sd == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert found.impact == pytest.approx(0.004 * 10.0 / horizon, rel=1e-12)


def test_their_schedule_is_the_best_of_all_urgencies_for_its_risk_aversion() -> None:
    risk_aversion, quantity, horizon, n = 1e-7, 50_000.0, 3600.0, 60
    best = float(kappa(risk_aversion, horizon / n, Parameters(sigma=0.8, eta=0.004)) * horizon)

    def objective(urgency: float) -> float:
        found = schedule_cost(quantity, horizon, n, urgency, MOVES, None)
        return found.mean * quantity + risk_aversion * (found.sd * quantity) ** 2

    assert 0.5 < best < 20.0
    assert objective(best) < min(objective(factor * best) for factor in (0.5, 0.9, 1.1, 2.0))


@given(
    st.floats(1.0, 1e6),
    st.floats(1.0, 1e3),
    st.sampled_from([0.0, 1.0, 5.0, 600.0]),
    st.floats(0.0, 1.0),
    st.floats(0.3, 1.0),
)
def test_a_larger_order_costs_at_least_as_much_a_lot(
    quantity: float, factor: float, urgency: float, permanent: float, exponent: float
) -> None:
    law = ImpactLaw("translation", 100.0, 50.0, 20.0, permanent=permanent, exponent=exponent)
    small, large = (
        schedule_cost(lots, 3600.0, 20, urgency, MOVES, law)
        for lots in (quantity, factor * quantity)
    )
    assert large.mean >= small.mean * (1 - 1e-9)
    assert large.sd == small.sd


def test_along_the_frontier_risk_falls_and_cost_rises() -> None:
    points = frontier(20_000, 7200.0, 60, MOVES, LAW)
    assert (np.diff([point.sd for point in points]) < 0).all()
    assert (np.diff([point.mean for point in points]) > 0).all()
    assert points[-1].sd == pytest.approx(0.0, abs=1e-3)
