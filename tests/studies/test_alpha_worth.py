"""The worth of a forecast: planted drifts, forecasters of known skill, and laws that the model's gain must obey."""

from dataclasses import replace

import numpy as np
import pytest

from studies.value.alpha import forecasts, is_bps, model_gain, plant
from tercel.core.errors import ConfigError
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategies.almgren_chriss import AlmgrenChrissAlpha, Parameters
from tercel.execution.task import Task
from tercel.market.flow import registry as presets
from tercel.market.simulator.source import reactive

pytestmark = pytest.mark.release

TASK = Task(horizon_s=600.0, decisions=20, warmup_s=120.0)
P = Parameters(sigma=0.05, eta=8.0, risk_aversion=0.0)
MARKET = MarketEstimates(expected_volume=900.0, sigma=0.14, eta=0.28, spread=1.2)


@pytest.fixture(scope="module")
def drifted():  # type: ignore[no-untyped-def]
    source = reactive(presets.load("csco-santa-fe"), settle_s=600.0)
    return plant(source, TASK, 200, lean=0.2, seed=4, episodes=120)


def test_the_drift_is_there(drifted) -> None:  # type: ignore[no-untyped-def]
    assert drifted.drift_bps > 4 * drifted.drift_se_bps > 0
    counts = {g: int((drifted.group == g).sum()) for g in (-1, 0, 1)}
    assert counts == {-1: 40, 0: 40, 1: 40}
    sides = drifted.plan.rows[:, 2]
    assert all(sides[drifted.group == g].sum() == 0 for g in (-1, 0, 1))


def test_no_forecast_changes_nothing_and_paired_runs_repeat(drifted) -> None:  # type: ignore[no-untyped-def]
    """A forecast of 0 is a forecast, and moves nothing."""
    plain = is_bps(drifted.run(build("almgren_chriss", MARKET)))
    zero = is_bps(drifted.run(build("almgren_chriss_alpha", MARKET), np.zeros(120)))
    np.testing.assert_array_equal(plain, zero)


@pytest.mark.parametrize("rho", [0.0, 0.25, 1.0])
def test_skill_is_what_it_says(rho: float) -> None:
    truth = np.tile([-5.0, 0.0, 5.0], 40_000)
    f = forecasts(truth, rho, np.random.default_rng(1))
    assert np.corrcoef(f, truth)[0, 1] == pytest.approx(rho, abs=0.01)
    assert f.std() == pytest.approx(truth.std(), rel=0.01)
    with pytest.raises(ConfigError, match="correlation"):
        forecasts(truth, 1.1, np.random.default_rng(1))


def test_gain_in_the_model_follows_the_law_of_quadratic_costs(drifted) -> None:  # type: ignore[no-untyped-def]
    """Quadratic costs: a forecast trusted as it is gains (2 rho - 1) G, discounted rho^2 G, where no bound binds."""
    many = replace(
        drifted,
        plan=drifted.plan.take(np.arange(6000) % 120),
        group=drifted.group[np.arange(6000) % 120],
        drift_bps=1.0,
    )
    many.plan.rows[:, 3] = 100_000  # far from nothing left
    strategy = AlmgrenChrissAlpha(Parameters(sigma=0.05, eta=0.01, risk_aversion=0.0))
    p = strategy.parameters
    whole = model_gain(strategy, many, many.truth_bps, p)
    assert whole > 0
    for rho in (0.25, 0.5):
        f = forecasts(many.truth_bps, rho, np.random.default_rng(3))
        assert model_gain(strategy, many, f, p) == pytest.approx(
            (2 * rho - 1) * whole, abs=0.12 * whole
        )
        assert model_gain(strategy, many, rho * f, p) == pytest.approx(
            rho**2 * whole, abs=0.12 * whole
        )
