"""Experiments: pilots against closed forms, batches of any size, twins."""

import numpy as np
import pytest
from tests.lab.evaluation.plain_runs import run_recorded
from tests.markets import martingale_market

from benchmarks.arrival import at_arrival
from studies import twins as twins_of_plans
from studies.twins import public_volume, run_twins
from tercel.core.errors import CapacityError, ConfigError
from tercel.execution.strategies import NAMES, MarketEstimates, build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation import runs
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.lab.evaluation.judge import JudgedEntry, judge
from tercel.lab.evaluation.runs import batches, pilot, run_strategy, without_orders
from tercel.market.flow.preset import load
from tercel.market.simulator import layout as sim
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


def test_a_pilot_sends_nothing(market):
    plan = seeded_plan(TASK, 50, 3, 0, 8)
    before = plan.rows.copy()
    pilot(market, TASK, plan)
    assert np.array_equal(plan.rows, before)
    assert (without_orders(plan).rows[:, 3] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_costs_do_not_depend_on_the_batch(market, monkeypatch, name):
    task = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4, latency=LATE)
    plan = seeded_plan(task, 40, 5, 0, 13)
    strategy = build(name, ESTIMATES)
    whole = run_strategy(market, task, plan, strategy)
    monkeypatch.setattr(runs, "BATCH", 3)
    monkeypatch.setattr(runs, "batches", lambda p: batches(p, 3))
    parts = run_strategy(market, task, plan, strategy)
    for field in whole.__dataclass_fields__:
        assert getattr(whole, field).tobytes() == getattr(parts, field).tobytes(), field


def test_batches_are_the_plan():
    plan = seeded_plan(TASK, 40, 5, 0, 13)
    parts = list(batches(plan, 5))
    assert [len(p) for p in parts] == [5, 5, 3]
    assert np.array_equal(np.concatenate([p.rows for p in parts]), plan.rows)
    assert np.array_equal(np.concatenate([p.cluster for p in parts]), plan.cluster)


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


def test_the_market_at_arrival_is_that_of_the_batch(market):
    plan = seeded_plan(TASK, 40, 5, 0, 4)
    episodes = Episodes(market, TASK, 4)
    episodes.start(plan)
    for number in range(4):
        book, state = at_arrival(Episodes(market, TASK, 1), plan, number)
        assert np.array_equal(book, episodes.books[number])
        for word in (sim.NOW, sim.START_NS, sim.MID2, sim.FLOW_NS, sim.LEFT, sim.EVENTS):
            assert state[word] == episodes.states[number, word]


def test_an_overflow_is_not_judged(market):
    plan = seeded_plan(TASK, 40, 5, 0, 6)
    costs = run_strategy(market, TASK, plan, build("immediate", ESTIMATES))
    costs.overflow[4] = 2
    with pytest.raises(CapacityError, match="episode 4"):
        judge(
            [JudgedEntry("immediate", "baseline", (costs,), ())],
            None,
            np.random.default_rng(1),
            market="m",
            task={},
        )


@pytest.mark.parametrize(
    "wrong",
    [{"side": 2}, {"share": 0.0}, {"share": 1.5}, {"horizon_s": 0.0}, {"decisions": 0}, {"clock": "sun"},
     {"clock": "events"}, {"warmup_s": -1.0}, {"grid_points": 1}],
)  # fmt: skip
def test_tasks_that_cannot_be_run(wrong):
    with pytest.raises(
        ConfigError, match=next(iter(wrong)) if wrong != {"clock": "events"} else "clock_step"
    ):
        Task(**wrong)


@pytest.mark.parametrize(
    "wrong", [("drawn", 0, 0), ("constant", -1, 0), ("uniform", 5, 4), ("exponential", 0, -1)]
)
def test_latencies_that_are_none(wrong):
    with pytest.raises(ConfigError):
        Latency(*wrong)


def test_a_task_has_an_identity():
    assert Task().id == Task().id != Task(share=0.2).id
    assert Task().id != Task(latency=Latency("constant", 1)).id
