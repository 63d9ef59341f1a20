"""Experiments: pilots against closed forms, batches of any size, twins."""

import numpy as np
import pytest
from tests.lab.evaluation.plain_runs import run_recorded
from tests.markets import martingale_market

from studies import twins as twins_of_plans
from studies.twins import public_volume, run_twins
from tercel.core.errors import ConfigError
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation import runs
from tercel.lab.evaluation.episodes import seeded_plan
from tercel.lab.evaluation.runs import batches, pilot, run_strategy
from tercel.market.flow.preset import load
from tercel.market.simulator.source import reactive

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4)
ESTIMATES = MarketEstimates(expected_volume=930.0, sigma=0.45, eta=0.5, spread=2.0)
LATE = Latency("exponential", a_ns=50_000_000, b_ns=900_000_000)


@pytest.fixture(scope="module")
def market():
    return reactive(load("csco-santa-fe"), settle_s=600.0)


def test_a_pilot_of_a_poisson_market_is_its_closed_form():
    """Trades at rate 1, lots uniform on 1..30, a walk with 0.2 one-tick jumps a second, 20 lots on each level."""
    market, plan = martingale_market(), seeded_plan(TASK, 50, 3, 0, 3000)
    estimates, volume = pilot(market, TASK, plan), public_volume(market, TASK, plan)
    # a trade is cut where the book ends: 6 levels of 20 lots are always enough
    assert estimates.expected_volume == pytest.approx(60 * 15.5, rel=0.02)
    assert estimates.expected_volume == volume.mean()
    assert volume.std() == pytest.approx(np.sqrt(60 * (31 * 61 / 6)), rel=0.06)
    assert estimates.sigma == pytest.approx(np.sqrt(0.2), rel=0.05)
    assert estimates.spread == pytest.approx(2.0, abs=1e-9)
    assert estimates.eta == pytest.approx(10 / 40, rel=1e-6)
    assert estimates.curve == pytest.approx(930 * (1 - np.arange(7) / 6), rel=0.03, abs=1e-9)


def test_twins_are_identical_whatever_is_to_be_done(market, monkeypatch):
    """Other quantities, sides and batches: the same mids; a strategy that sends nothing sees them too."""
    plan = seeded_plan(TASK, 40, 5, 0, 10)
    twins = run_twins(market, TASK, plan)
    other = seeded_plan(TASK, 4000, 5, 0, 10)
    other.rows[:, 2] *= -1
    monkeypatch.setattr(runs, "BATCH", 4)
    monkeypatch.setattr(runs, "batches", lambda p: batches(p, 4))
    monkeypatch.setattr(twins_of_plans, "batches", lambda p: batches(p, 4))
    assert run_twins(market, TASK, other).tobytes() == twins.tobytes()
    costs = run_strategy(market, TASK, plan, build("immediate", ESTIMATES))
    assert np.array_equal(costs.mid2_grid[:, 0], twins[:, 0]), "alike until the order arrives"
    assert not np.array_equal(costs.mid2_grid, twins)


def test_a_recorded_run_is_the_run(market):
    plan = seeded_plan(TASK, 40, 5, 0, 6)
    seen = run_recorded(market, TASK, plan, build("twap_take", ESTIMATES))
    assert seen.x.shape[:2] == seen.live.shape == (6, 6)
    assert seen.live.all()
    immediate = run_recorded(market, TASK, plan, build("immediate", ESTIMATES))
    assert immediate.live.sum() == 6, "no decision counts once nothing is left"
    assert np.array_equal(seen.m[:, 0], immediate.m[:, 0])


@pytest.mark.parametrize(
    ("kind", "wrong", "told"),
    [
        *(
            (Task, {name: value}, name)
            for name, value in (
                ("side", 2), ("share", 0.0), ("share", 1.5), ("horizon_s", 0.0), ("decisions", 0),
                ("clock", "sun"), ("warmup_s", -1.0), ("grid_points", 1),
            )
        ),
        (Task, {"clock": "events"}, "clock_step"),
        *(
            (Latency, {"kind": kind, "a_ns": a, "b_ns": b}, "")
            for kind, a, b in (("drawn", 0, 0), ("constant", -1, 0), ("uniform", 5, 4), ("exponential", 0, -1))
        ),
    ],
)  # fmt: skip
def test_tasks_and_latencies_that_cannot_be(kind, wrong, told):
    with pytest.raises(ConfigError, match=told):
        kind(**wrong)
