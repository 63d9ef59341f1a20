"""Many strategies on one warm-up, byte for byte; fills looked at one by one; markets at arrival."""

from dataclasses import fields, replace

import numpy as np
import pytest
from tests.lab.evaluation.plain_runs import run_alone, run_recorded

from studies.twins import run_twins
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategy import Wrapper, hold
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation import runs
from tercel.lab.evaluation.arrivals import run_arrivals, terciles
from tercel.lab.evaluation.episodes import seeded_plan
from tercel.lab.evaluation.pipeline import jobs
from tercel.lab.evaluation.pipeline.jobs import Guard, guard
from tercel.lab.evaluation.runs import Recording, batches, run_strategies
from tercel.market.flow.preset import load
from tercel.market.simulator.source import reactive

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4, latency=Latency())
ESTIMATES = MarketEstimates(expected_volume=930.0, sigma=0.45, eta=0.5, spread=2.0)
SOME = ("immediate", "twap_passive", "pov", "peg_behind")


@pytest.fixture(scope="module")
def market():
    return reactive(load("csco-santa-fe"), settle_s=600.0)


@pytest.fixture
def strategies():
    return [build(name, ESTIMATES) for name in SOME]


def same(one, other):
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_one_warm_up_for_many_strategies_changes_no_byte(market, strategies, monkeypatch):
    plan = seeded_plan(TASK, 40, 5, 0, 13)
    alone = [run_alone(market, TASK, plan, one) for one in strategies]
    assert all(map(same, run_strategies(market, TASK, plan, strategies), alone))
    monkeypatch.setattr(runs, "BATCH", 5)
    monkeypatch.setattr(runs, "batches", lambda p: batches(p, 5))
    assert all(map(same, run_strategies(market, TASK, plan, strategies), alone))


def test_decisions_recorded_on_the_way_are_those_of_a_run_of_their_own(market, strategies):
    plan = seeded_plan(TASK, 40, 5, 0, 13)
    recording = Recording(6)
    run_strategies(market, TASK, plan, strategies, recording=recording)
    for one, seen in zip(strategies, recording.decisions, strict=True):
        alone = run_recorded(market, TASK, plan.take(slice(0, 6)), one)
        assert all(
            np.array_equal(getattr(seen, f.name), getattr(alone, f.name)) for f in fields(alone)
        )


class HoldsBetween(Wrapper):
    """On the clock of events, and what rests stays as it is between two slices."""

    gap_ns = 10**9
    name = "holds between"

    def __init__(self, inner):
        self.inner = inner

    def decide(self, view):
        return np.where(view.on_schedule[:, None], self.inner.decide(view), hold(view)).astype(
            np.int32
        )


def test_on_the_clock_of_events_decisions_of_the_schedule_are_recorded(market, strategies):
    """Who holds between its slices has decided as without the clock, and that is what a record says; only chance is
    drawn more often."""
    plan = seeded_plan(TASK, 40, 5, 0, 13)
    plain, paced = Recording(6), Recording(6)
    run_strategies(market, TASK, plan, strategies[1:], recording=plain)
    run_strategies(
        market, TASK, plan, [HoldsBetween(one) for one in strategies[1:]], recording=paced
    )
    for one, other in zip(plain.decisions, paced.decisions, strict=True):
        assert same(replace(one, draw=other.draw), other)


def test_a_stop_keeps_what_is_whole(market, strategies):
    plan, asked = seeded_plan(TASK, 40, 5, 0, 4), []

    def stop():
        asked.append(1)
        return len(asked) > 2

    assert len(run_strategies(market, TASK, plan, strategies, stop)) == 2


def test_a_market_s_fills_pass(market, strategies):
    total = sum(
        (guard(market, TASK, seeded_plan(TASK, 200, 5, 0, 16), one) for one in strategies),
        Guard(0, 0, 0, 0),
    )
    assert total.takes > 50
    assert total.decisions > 10
    assert (total.at_mid, total.beyond) == (0, 0)


def test_a_fill_at_mid_is_caught_on_either_side():
    taken = np.zeros((3, 7), np.int64)
    taken[:, jobs.PRICE], taken[:, jobs.MID2] = (101, 100, 99), 200
    assert jobs._at_mid(taken, side=1) == 2
    assert jobs._at_mid(taken, side=-1) == 2
    assert jobs._at_mid(taken[:1], side=1) == 0


def test_more_than_was_displayed_is_caught():
    taken = np.zeros((2, 7), np.int64)
    taken[:, jobs.NS], taken[:, jobs.PRICE], taken[:, jobs.LOTS] = 5, 100, 6
    assert jobs._displayed(taken, [(5, 100, 11), (9, 100, 11)]) == (1, 1)
    assert jobs._displayed(taken, [(5, 100, 12), (9, 100, 11)]) == (1, 0)


def test_arrivals_are_the_twins_and_what_stood_there(market):
    plan = seeded_plan(TASK, 40, 5, 0, 9)
    found, _ = run_arrivals(market, TASK, plan)
    assert np.array_equal(found.mid2_grid, run_twins(market, TASK, plan))
    seen = run_recorded(market, TASK, plan, build("twap_take"))
    depth = seen.m[:, 0, 4:14].sum(axis=1)
    assert np.array_equal(found.depth, depth)
    assert (found.volume >= 0).all()
    rows = terciles(found.depth)
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(9))
    assert found.depth[rows["low"]].max() < found.depth[rows["high"]].min()


def test_an_episode_that_ends_with_its_order_costs_the_same(market, strategies):
    plan = seeded_plan(TASK, 40, 5, 0, 13)
    whole = run_strategies(market, TASK, plan, strategies)
    short = run_strategies(market, TASK, plan, strategies, run_out=False)
    some = np.arange(len(plan)) % 3 == 0
    for one, part in zip(
        whole, run_strategies(market, TASK, plan, strategies, run_out=some), strict=True
    ):
        assert part.shortfall.tolist() == one.shortfall.tolist()
        assert part.run_out.tolist() == some.astype(int).tolist()
        assert (part.mid2_grid[some] == one.mid2_grid[some]).all()
    for one, other in zip(whole, short, strict=True):
        kept = [f.name for f in fields(one) if f.name not in ("mid2_grid", "run_out")]
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in kept)
