"""Many strategies on one warm-up, byte for byte; fills looked at one by one; arrivals, pilots and twins."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import linprog
from tests.markets import martingale_market

from studies.twins import public_volume, run_twins
from tercel.core.errors import ConfigError
from tercel.execution import columns as c
from tercel.execution.costs import Costs, attribute
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategy import Strategy, Wrapper, hold
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation import runs
from tercel.lab.evaluation.adaptability import Decisions
from tercel.lab.evaluation.arrivals import LABEL, least_cost, offers, run_arrivals, terciles
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.market_estimates import pilot
from tercel.lab.evaluation.pipeline import fill_checks
from tercel.lab.evaluation.pipeline.fill_checks import check_strategy_fills
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.runs import (
    batches,
    record_decision,
    run_strategies,
    run_strategy,
    start_decisions,
)
from tercel.market.flow.registry import load
from tercel.market.simulator.source import Source, reactive

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
    decisions = []
    run_strategies(market, TASK, plan, strategies, decisions=decisions)
    for one, all_seen in zip(strategies, decisions, strict=True):
        seen = all_seen.select(slice(6))
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
    plain, paced = [], []
    run_strategies(market, TASK, plan, strategies[1:], decisions=plain)
    run_strategies(
        market, TASK, plan, [HoldsBetween(one) for one in strategies[1:]], decisions=paced
    )
    for one, other in zip(plain, paced, strict=True):
        assert same(replace(one, draw=other.draw), other)


def test_a_stop_keeps_what_is_whole(market, strategies):
    plan, asked = seeded_plan(TASK, 40, 5, 0, 4), []

    def stop():
        asked.append(1)
        return len(asked) > 2

    assert len(run_strategies(market, TASK, plan, strategies, stop)) == 2


def test_a_market_s_fills_pass(market, strategies):
    total = sum(
        (
            check_strategy_fills(market, TASK, seeded_plan(TASK, 200, 5, 0, 16), one)
            for one in strategies
        ),
        Counter[str](),
    )
    assert total["takes"] > 50
    assert total["decisions"] > 10
    assert (total["at_mid"], total["beyond"]) == (0, 0)


def test_a_fill_at_mid_is_caught_on_either_side():
    taken = np.zeros((3, 7), np.int64)
    taken[:, fill_checks.PRICE], taken[:, fill_checks.MID2] = (101, 100, 99), 200
    assert fill_checks._count_at_mid(taken, side=1) == 2
    assert fill_checks._count_at_mid(taken, side=-1) == 2
    assert fill_checks._count_at_mid(taken[:1], side=1) == 0


def test_more_than_was_displayed_is_caught():
    taken = np.zeros((2, 7), np.int64)
    taken[:, fill_checks.NS], taken[:, fill_checks.PRICE], taken[:, fill_checks.LOTS] = 5, 100, 6
    assert fill_checks._count_beyond_display(taken, [(5, 100, 11), (9, 100, 11)]) == (1, 1)
    assert fill_checks._count_beyond_display(taken, [(5, 100, 12), (9, 100, 11)]) == (1, 0)


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


# -- pilots and twins -------------------------------------------------------------------------------------------------


LATE = Latency("exponential", a_ns=50_000_000, b_ns=900_000_000)


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


def test_no_decision_counts_once_nothing_is_left(market):
    plan = seeded_plan(TASK, 40, 5, 0, 6)
    rows = [run_recorded(market, TASK, plan, build(name, ESTIMATES)).live for name in SOME[:2]]
    assert [live.sum() for live in rows] == [6, 36]


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
            (Latency, {"kind": kind, "a_ns": a, "b_ns": b}, None)
            for kind, a, b in (("drawn", 0, 0), ("constant", -1, 0), ("uniform", 5, 4), ("exponential", 0, -1))
        ),
    ],
)  # fmt: skip
def test_tasks_and_latencies_that_cannot_be(kind, wrong, told):
    with pytest.raises(ConfigError, match=told):
        kind(**wrong)


# -- the hindsight bound ----------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 40)), min_size=1, max_size=12),
    st.integers(1, 60),
)
def test_greed_is_the_optimum_of_the_linear_programme(offered, quantity):
    prices = np.array([[price for price, _ in offered]])
    lots = np.array([[count for _, count in offered]])
    spare = prices.max() + 1
    found = linprog(
        [*prices[0], spare], A_eq=[[1] * (len(offered) + 1)], b_eq=[quantity],
        bounds=[*((0, int(count)) for count in lots[0]), (0, None)],
    )  # fmt: skip
    assert least_cost(prices, lots, np.array([quantity]))[0] == pytest.approx(found.fun)


def test_an_interval_offers_the_far_levels_and_what_was_traded_against_us():
    before = view_of(side=-1, touch=101, far=100, far1=7, far2=3).m
    after = view_of(side=-1, touch=103, far=102, v_against=9).m
    prices, lots = offers(before, after, np.array([-1]))
    assert prices[0].tolist() == [-100, -99, -98, -97, -96, -103]
    assert lots[0].tolist() == [7, 3, 0, 0, 0, 9]
    assert c.LEVELS == 5


def test_nothing_that_does_not_move_the_market_costs_less():
    task = Task(horizon_s=300.0, decisions=10, warmup_s=60.0, grid_points=3)
    source = reactive(load("csco-santa-fe"), worlds=1, settle_s=600.0, impact="none")
    plan = seeded_plan(task, 40, 3, 0, 24)
    bound = run_arrivals(source, task, plan)[1]
    assert bound.shape == (24,)
    alone = [run_arrivals(source, task, plan.take(slice(i, i + 1)))[1] for i in range(24)]
    np.testing.assert_array_equal(
        bound, np.concatenate(alone), "a sell sees the buy's market from its own side"
    )
    for name in ("twap_take", "immediate", "peg_behind", "score_rule"):
        cost = attribute(run_strategy(source, task, plan, build(name)), None)["is_bps"]
        assert bound.mean() < cost.mean(), name
    assert "not attainable" in LABEL


def run_alone(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Costs:
    """Costs of a strategy over all episodes of a plan."""
    parts = []
    for part in runs.batches(plan):
        episodes = Episodes(source, task, len(part))
        episodes.start(part)
        while episodes.working.any():
            episodes.step(strategy.decide(episodes.view))
        parts.append(episodes.costs())
    return Costs.concat(parts)


def run_recorded(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Decisions:
    """Recorded decisions of the plan's episodes (all at once: keep them few)."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(plan)
    seen = start_decisions(episodes.view, task, plan.cluster)
    for step in range(task.decisions):
        if episodes.working.any():
            record_decision(seen, episodes, step, 0)
            episodes.step(strategy.decide(episodes.view))
    return seen
