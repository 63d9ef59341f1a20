"""Schedules for impact that decays, against a quadratic programme, the continuous limit and each other."""

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from scipy.optimize import minimize

from certify.kits.strategy import StrategyConformance, random_views, take_rows
from tercel.execution import intent as i
from tercel.execution.probe_views import HORIZON_NS, view_of
from tercel.execution.strategies import TUNABLE, MarketEstimates, build
from tercel.execution.strategies.impact_schedules import (
    AlmgrenChrissFitted,
    ObizhaevaWang,
    TunablePropagator,
    decay,
    exponential_done,
    optimal_shares,
    power_law_done,
)
from tercel.execution.strategy import Strategy

ESTIMATES = MarketEstimates(
    1000.0, (1000.0, 600.0, 400.0, 250.0, 0.0), sigma=0.5, eta=0.2, spread=2.0
)


def matrix(kernel):
    index = np.arange(len(kernel))
    return kernel[np.abs(index[:, None] - index)]


@pytest.mark.parametrize(("reach", "beta"), [(0.02, 0.4), (0.3, 0.7), (2.0, 0.2)])
def test_the_propagator_schedule_is_the_optimum_of_the_quadratic_programme(reach, beta):
    kernel = decay(np.arange(8) / 8, reach, beta)
    g = matrix(kernel)
    found = minimize(
        lambda q: q @ g @ q / 2, np.full(8, 1 / 8), jac=lambda q: g @ q,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1, "jac": lambda q: np.ones(8)},
        options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip
    np.testing.assert_allclose(optimal_shares(kernel), found.x, atol=1e-5)


@given(st.floats(0.05, 50.0), st.integers(1, 60))
@example(3.0, 1)
@example(3.0, 2)
def test_the_closed_form_of_exponential_decay_is_the_solved_system(resilience, n):
    kernel = np.exp(-resilience * np.arange(n) / n)
    done = np.concatenate([[0.0], np.cumsum(optimal_shares(kernel))])
    np.testing.assert_allclose(exponential_done(resilience, np.arange(n + 1), n), done, atol=1e-7)


def test_blocks_at_both_ends_in_the_continuous_limit():
    """Obizhaeva and Wang: X / (rho T + 2) at 0 and at T, rho X / (rho T + 2) a unit of time in between."""
    resilience, n = 5.0, 20_000
    done = exponential_done(resilience, np.array([1, n // 2, n - 1, n]), n)
    block = 1 / (resilience + 2)
    np.testing.assert_allclose(done, [block, 0.5, 1 - block, 1.0], atol=2e-4)


@given(st.floats(0.001, 5.0), st.floats(0.05, 0.95), st.integers(1, 60))
def test_convex_decay_never_sells_to_buy_back(reach, beta, n):
    done = power_law_done(n, reach, beta)
    assert (np.diff(done) > 0).all()
    np.testing.assert_allclose(np.diff(done), np.diff(done)[::-1], atol=1e-9)
    assert done[-1] == pytest.approx(1.0)


def takes(strategy, qty0, decisions):
    left, lots = qty0, []
    for k in range(decisions):
        time_left = HORIZON_NS * (decisions - k) // decisions
        view = view_of(
            qty0=qty0, left=left, decision=k, decisions=decisions, time_left_ns=time_left
        )
        lots.append(int(strategy.decide(view)[0, i.TAKE]))
        left -= lots[-1]
    return lots


def test_lots_follow_the_schedules():
    assert takes(ObizhaevaWang({"resilience": float(np.log(np.log(2) * 3))}), 100, 3) == [
        40,
        20,
        40,
    ]
    assert takes(ObizhaevaWang({"resilience": 20.0}), 100, 4) == [25] * 4, (
        "a book that refills at once: TWAP"
    )
    parameters = {"beta": float(np.log(0.4 / 0.6)), "reach": float(np.log(0.1))}
    expected = np.diff(np.floor(1000 * power_law_done(5, 0.1, 0.4) + 0.5))
    np.testing.assert_allclose(takes(TunablePropagator(parameters), 1000, 5), expected, atol=1)
    assert takes(AlmgrenChrissFitted({"kappa": -20.0}), 100, 4) == [25] * 4


@pytest.mark.parametrize("name", TUNABLE)
class TestRowsOfParameters(StrategyConformance):
    """The kit with another vector of parameters in every market, as a search runs them."""

    seeds = range(2)

    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self.kind = TUNABLE[name]

    def strategy(self) -> Strategy:
        layout = self.kind.layout
        noise = np.random.default_rng(3).normal(0, 1.5, (self.markets, len(layout.names)))
        return self.kind(layout.vector() + noise * layout.scales, ESTIMATES)

    def test_markets_do_not_see_each_other(self) -> None:
        whole = self.strategy()
        for view in self.views():
            intents = whole.decide(view)
            for row in range(0, view.n, 23):
                one = self.kind(whole.vector[row], ESTIMATES)
                np.testing.assert_array_equal(one.decide(take_rows(view, [row])), intents[[row]])


@pytest.mark.parametrize(("name", "parameters", "same"), [
    ("twap_cross", {"tolerance": -30.0, "behind": -30.0}, "twap_passive"),
    ("vwap_cross", {"tolerance": -30.0, "behind": -30.0}, "vwap_passive"),
    ("submit_and_leave_tuned", {"level": 0.0}, "submit_and_leave"),
])  # fmt: skip
def test_they_contain_the_untuned(name, parameters, same):
    view = random_views(300, 4)
    rows = view.tradable & (view.left > 0)
    ours, theirs = (
        build(name, ESTIMATES, parameters).decide(view),
        build(same, ESTIMATES).decide(view),
    )
    assert np.abs(ours[rows] - theirs[rows]).max() <= (1 if name == "twap_cross" else 0), (
        "half lots of integers"
    )


def test_arrears_wait_for_the_tolerance_and_repegged_ones_for_the_horizon():
    late = view_of(qty0=100, left=100, decision=5, decisions=10)
    assert build("twap_cross", None, {"tolerance": float(np.log(2))}).decide(late)[0, i.TAKE] == 30
    row = build("twap_repeg", None, {"ahead": 0.0, "behind": -30.0, "catch_up": 0.0}).decide(late)[
        0
    ]
    assert (row[i.TAKE], row[i.REST0 + i.AT_TOUCH]) == (0, 60)


def test_volume_paces_the_passive_percentage():
    rule = build("pov_passive", ESTIMATES, {"behind": -30.0, "tolerance": -30.0})
    row = rule.decide(view_of(qty0=100, left=100, decision=2, decisions=10, v_seen=300))[0]
    assert (row[i.TAKE], row[i.REST0 + i.AT_TOUCH]) == (30, 10)
