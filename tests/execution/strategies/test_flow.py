"""`OnFlow`: what a forecast does to an order, against a rule written row by row; its thresholds and their file."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.execution.test_identity import TASK, plan_of, recorded_tape

from certify.kits.strategy import StrategyConformance, random_views
from tercel.core.errors import ConfigError, DataError, UnknownNameError
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.execution.action_sets import action_set
from tercel.execution.intent import View
from tercel.execution.policies.strategy import policy_strategy, without
from tercel.execution.policies_packaged import folder_of
from tercel.execution.probes import view_of
from tercel.execution.strategies import build, wrap
from tercel.execution.strategies.flow import FILE, OnFlow, Thresholds, against, shipped_thresholds
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Task
from tercel.lab.evaluation.experiment import run_strategies

AT = Thresholds(0.4, 0.5)


class TestOnFlow(StrategyConformance):
    def strategy(self) -> Strategy:
        return build("guarded+flow")

    def views(self) -> list[View]:
        return [random_views(self.markets, seed) for seed in self.seeds]


def foretold(view: View, z: list[float], sd: int = 5000) -> View:
    """The view with forecasts of 30 s of so many half spreads against the order."""
    half_bps = 1e4 * view.spread / np.maximum(np.abs(view.mid2), 1)
    outlook = np.zeros((view.n, c.OUTLOOK), np.int64)
    outlook[:, c.FORECAST_30] = np.rint(1000 * half_bps * np.resize(z, view.n))
    outlook[:, c.FORECAST_30_SD] = sd
    return View(view.x, view.m, view.draw, outlook)


def plain(inner: Strategy, at: Thresholds, view: View, row: int) -> list[int]:
    """One row's intents, in words of school arithmetic."""
    intents = inner.decide(view)[row].tolist()
    if not view.tradable[row]:
        return [int(n) for n in intents]
    qty, left, n = int(view.qty0[row]), int(view.left[row]), int(view.decisions[row])
    half_bps = 1e4 * int(view.spread[row]) / abs(int(view.mid2[row]))
    z = view.forecast_30_bps[row] / half_bps if view.forecast_30_sd_bps[row] > 0 else 0.0
    to_go = max(n - int(view.decision[row]), 1) / n
    behind = max(left / qty - to_go, 0.0)
    if z < -(at.hide + at.slack * behind / math.sqrt(to_go)):
        intents[it.REST0 :] = [0] * it.K
        intents[it.OUTSIDE] = it.CANCEL
    budget = left
    for j in (it.TAKE, *range(it.REST0, it.WIDTH)):
        intents[j] = min(intents[j], budget)
        budget -= intents[j]
    return [int(n) for n in intents]


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["guarded", "peg_touch", "twap_take", "submit_and_leave"]),
)
@settings(max_examples=20, deadline=None)
def test_it_is_the_rule_written_row_by_row(seed: int, name: str) -> None:
    inner, z = build(name), np.random.default_rng(seed).normal(0, 1, 60).tolist()
    view = foretold(random_views(60, seed % 1000), z)
    got = OnFlow(inner, thresholds=AT).decide(view).tolist()
    assert got == [plain(inner, AT, view, row) for row in range(view.n)]


def test_it_hides_where_the_price_comes() -> None:
    view = foretold(
        view_of(qty0=600, left=[600] * 4, decisions=60, far1=500, own1=100), [-0.5, -0.3, 0.7, 0.9]
    )
    rule = build("peg_touch")
    got, was = OnFlow(rule, thresholds=AT).decide(view), rule.decide(view)
    assert got[0, it.REST0 :].sum() == 0
    assert got[0, it.OUTSIDE] == it.CANCEL
    assert (got[1:] == was[1:]).all()


def test_the_later_an_order_is_the_more_is_asked_of_a_forecast() -> None:
    # behind by .25 of it with a quarter of its time left: .4 + .5 * .25 / .5 = .65
    view = view_of(qty0=600, left=300, decision=45, decisions=60, far1=500)
    rule = OnFlow(build("peg_touch"), thresholds=AT)
    shown = [
        rule.decide(foretold(view, [z]))[0, it.REST0 :].sum() > 0
        for z in (-0.6, -0.64, -0.66, -0.7)
    ]
    assert shown == [True, True, False, False]


@pytest.mark.parametrize("outlook", [None, 0])
def test_without_a_forecast_it_is_the_inner_strategy_to_the_byte(outlook: int | None) -> None:
    for name in ("guarded", "submit_and_leave"):
        for seed in range(3):
            view = random_views(100, seed)
            told = view if outlook is None else foretold(view, [5.0, -5.0], sd=outlook)
            assert (against(told) == 0).all()
            np.testing.assert_array_equal(
                build(f"{name}+flow").decide(told), build(name).decide(view)
            )


def test_it_listens_to_the_shipped_forecaster_at_the_inner_clock() -> None:
    for name, clock in (
        ("twap_repeg+flow", 0),
        ("guarded+flow", 10**9),
        ("spread_rule+flow", 10**8),
    ):
        made = build(name)
        assert (made.name, gap_of(made)) == (name, clock)
        forecaster = forecaster_of(made)
        assert forecaster is not None
        assert forecaster.card["kind"] == "boosting"
    with pytest.raises(UnknownNameError, match="flow"):
        wrap(build("guarded"), ["flwo"])


def test_on_a_tape_it_acts_and_its_order_is_done() -> None:
    source = recorded_tape(1, halts=False)
    task = Task(**(TASK | {"warmup_s": 120.0, "horizon_s": 120.0, "decisions": 24}))
    eager = OnFlow(build("peg_touch"), thresholds=Thresholds(0.0, 0.0))
    plain_, amended = run_strategies(
        source, task, plan_of(source, task, 60, 0), [build("peg_touch"), eager]
    )
    assert amended.lots_filled[0] == plain_.lots_filled[0] == 60
    assert amended.shortfall[0] != plain_.shortfall[0]


# -- the thresholds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(-0.1, 0), (0.1, math.nan), (math.inf, 1), (0.1, -1)])
def test_thresholds_are_finite_numbers_from_0(values: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="finite numbers from 0"):
        Thresholds(*values)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"thresholds": {"hide": 1}}', '{"thresholds": {"hide": "x", "slack": 1}}'],
)
def test_a_file_that_does_not_say_them_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=FILE):
        shipped_thresholds(tmp_path / "none")
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=FILE):
        shipped_thresholds(tmp_path)


def test_the_shipped_ones_lie_beside_the_forecaster(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"thresholds": {"hide": 1, "slack": 2}}))
    assert shipped_thresholds(tmp_path) == Thresholds(1.0, 2.0)
    assert repr(build("guarded+flow")) == repr(
        OnFlow(build("guarded"), thresholds=shipped_thresholds())
    )


def test_a_card_says_what_a_policy_listens_to() -> None:
    """Without its network it is the rule with the same wrapper, told or not."""
    policy = policy_strategy(folder_of("default-1"))
    silent = without(policy, "network")
    assert silent is not None
    assert (gap_of(policy), forecaster_of(policy)) == (10**9, forecaster_of(build("guarded+flow")))
    view = foretold(random_views(200, 3), [-2.0, -0.4, 0.0, 2.0])
    np.testing.assert_array_equal(silent.decide(view), build("guarded+flow").decide(view))
    assert (silent.decide(view) != build("guarded").decide(view)).any()
    for wrong in (
        {"model": "flow-2"},
        {"hide": "much", "slack": 1.0},
        {"hide": 0.3, "slack": 1.0, "take": 1.0},
        "flow-2",
    ):
        with pytest.raises(ConfigError, match="hide and slack"):
            action_set("residual", policy.action_parameters | {"flow": wrong})
