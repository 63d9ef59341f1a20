"""The hindsight bound: optimal among its offers, and below whatever can be done without moving the market."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import linprog

from tercel.execution import columns as c
from tercel.execution.costs import attribute
from tercel.execution.observation import view_of
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.arrivals import LABEL, cheapest, offers, run_arrivals
from tercel.lab.evaluation.episodes import seeded_plan
from tercel.lab.evaluation.runs import run_strategy
from tercel.market.flow.preset import load
from tercel.market.simulator.source import reactive


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
    assert cheapest(prices, lots, np.array([quantity]))[0] == pytest.approx(found.fun)


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
