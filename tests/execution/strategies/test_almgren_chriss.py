"""Almgren and Chriss (2000): the worked example of the paper, the closed forms, the limits."""

import numpy as np
import pytest
from scipy.optimize import minimize

from replications.almgren_chriss.model import cost_variance, expected_cost, holdings
from tercel.core.errors import ConfigError
from tercel.execution import intent as i
from tercel.execution.observation import view_of
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategies.almgren_chriss import (
    AlmgrenChriss,
    Parameters,
    kappa,
    share_left,
)

X, T, N = 1e6, 5.0, 5
TAU = T / N


def example(risk_aversion: float) -> Parameters:
    """S0 = $50, 30 % annual volatility, spread 1/8, daily volume 5 M; dollars, shares and days."""
    return Parameters(
        sigma=0.95, eta=2.5e-6, gamma=2.5e-7, epsilon=0.0625, risk_aversion=risk_aversion
    )


@pytest.mark.parametrize(
    ("risk_aversion", "kappa_day", "thousands", "cost", "sd"),
    [
        (0.0, 0.0, [1000, 800, 600, 400, 200, 0], 662_500, 1_040_673),
        (1e-6, 0.607, [1000, 542, 290, 148, 62, 0], 911_227, 603_431),
        (2e-6, 0.846, [1000, 429, 183, 76, 28, 0], 1_140_715, 449_368),
        (1e-7, None, None, 670_057, 961_623),
    ],
)
def test_worked_example(risk_aversion, kappa_day, thousands, cost, sd) -> None:  # type: ignore[no-untyped-def]
    p = example(risk_aversion)
    left = holdings(X, T, N, p)
    if thousands is not None:
        assert round(float(kappa(risk_aversion, TAU, p)), 3) == kappa_day
        assert (left / 1000).round().tolist() == thousands
    assert round(expected_cost(left, TAU, p)) == cost
    assert round(cost_variance(left, TAU, p) ** 0.5) == sd


def test_no_other_trajectory_is_better() -> None:
    p = example(1e-6)

    def objective(inner: np.ndarray) -> float:
        left = np.concatenate([[X], inner * X, [0.0]])
        return (expected_cost(left, TAU, p) + 1e-6 * cost_variance(left, TAU, p)) / X

    best = minimize(objective, np.linspace(0.8, 0.2, N - 1), tol=1e-12)
    np.testing.assert_allclose(holdings(X, T, N, p)[1:-1] / X, best.x, atol=1e-5)


def test_small_kappa_runs_into_twap_and_a_large_one_does_not_overflow() -> None:
    u = np.linspace(0, 1, 11)
    np.testing.assert_allclose(share_left(1.0001e-6, u), share_left(0.0, u), atol=1e-9)
    far = share_left(1e5, u)
    assert far.tolist() == [1.0] + [0.0] * 10


def test_strategy_takes_the_trajectory() -> None:
    p = Parameters(sigma=0.95, eta=2.5e-6, gamma=2.5e-7, risk_aversion=1e-6)
    left, taken = 10**6, []
    for k in range(N):
        view = view_of(qty0=10**6, left=left, decision=k, decisions=N, horizon_ns=5 * 10**9)
        taken.append(int(AlmgrenChriss(p).decide(view)[0, i.TAKE]))
        left -= taken[-1]
    np.testing.assert_allclose(10**6 - np.cumsum(taken), holdings(X, T, N, p)[1:], atol=0.5)


def test_without_volatility_it_is_twap() -> None:
    calm = MarketEstimates(1000.0, sigma=0.0, eta=0.1)
    view = view_of(qty0=100, left=[100, 90, 10], decision=[0, 1, 9])
    twap = build("twap_take").decide(view)
    np.testing.assert_array_equal(build("almgren_chriss", calm).decide(view), twap)


def test_urgency_has_no_units() -> None:
    """The same order counted in other lots, ticks and seconds has the same shape."""
    lots, ticks, seconds = 100.0, 4.0, 60.0
    p = Parameters(sigma=2.0, eta=0.3)
    scaled = Parameters(sigma=2.0 * ticks * seconds**0.5, eta=0.3 * ticks * lots / seconds)
    shape = holdings(1000.0, 600.0, 10, p) / 1000.0
    np.testing.assert_allclose(
        holdings(1000.0 / lots, 600.0 / seconds, 10, scaled) * lots / 1000.0, shape
    )


BAD = [{"eta": 0.0}, {"sigma": -1.0}, {"risk_aversion": -1.0}, {"urgency": np.nan}]


@pytest.mark.parametrize("change", BAD)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Parameters(**{"sigma": 1.0, "eta": 1.0, **change})
    with pytest.raises(ConfigError, match="gamma"):
        kappa(1.0, 10.0, Parameters(sigma=1.0, eta=1.0, gamma=1.0))
