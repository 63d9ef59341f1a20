"""The guard behind a policy's actions: it takes where an order is late, and nothing else."""

import numpy as np
import pytest

from certify.kits.strategy import random_views, wanted
from tercel.core.errors import ConfigError
from tercel.execution import intent as i
from tercel.execution.action_sets import action_set
from tercel.execution.decoders import CatchUp
from tercel.execution.observation import view_of
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.env import action_parameters
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

DEEP = {"base": "peg_behind", "parameters": {"level": 3}}


class Silent:
    """A policy that says nothing."""

    n_actions, observation_size, head = 7, 50, "mean"

    def act(self, obs):
        return np.zeros((len(obs), 7))


def silent(**parameters):
    return PolicyStrategy("silent", Silent(), "residual", action_parameters=parameters)


def test_it_never_wants_more_than_is_left_and_holds_where_nothing_trades():
    for seed in range(5):
        view = random_views(300, seed)
        rule = build("peg_touch").decide(view)
        intents = CatchUp(0.2, 0.1).applied(rule.copy(), view)
        assert (wanted(intents) <= view.left).all()
        np.testing.assert_array_equal(intents[~view.tradable], rule[~view.tradable])
        assert (intents[:, i.TAKE] <= np.maximum(view.far_depth[:, 0], rule[:, i.TAKE])).all()


def test_an_order_in_time_is_left_alone():
    view = random_views(300, 7)
    late = view.left / np.maximum(view.qty0, 1) > view.decisions_left / view.decisions
    rule = build("peg_touch").decide(view)
    intents = CatchUp(0.0, 0.0).applied(rule.copy(), view)
    np.testing.assert_array_equal(intents[~late], rule[~late])


def test_it_takes_back_to_where_it_resumes():
    # three quarters of the time is left, all of the order: behind by 0.25; the square root of 0.75 narrows
    view = view_of(qty0=1000, left=1000, decision=15, decisions=60, far1=10_000)
    lots = CatchUp(0.28, 0.1).applied(build("peg_touch").decide(view), view)[0, i.TAKE]
    assert lots == int(1000 * (0.25 - 0.1 * np.sqrt(0.75)))
    assert CatchUp(0.3, 0.1).applied(build("peg_touch").decide(view), view)[0, i.TAKE] == 0


def test_a_guarded_policy_leaves_little_to_the_horizon():
    """Three ticks behind the touch little is filled: without a guard most of it is forced."""
    preset = presets.load("csco")
    task = Task(0, horizon_s=600.0, decisions=20)
    plan = seeded_plan(task, task.lots(preset.volume_per_s), 5, 0, 32, 2, 30 * 10**9)
    source = reactive(preset, 2)
    alone, watched = run_strategies(
        source, task, plan, [silent(**DEEP), silent(**DEEP, guard=[0.2, 0.1])]
    )
    assert alone.forced_lots.sum() > 0.3 * alone.qty.sum()
    assert watched.forced_lots.sum() < 0.1 * watched.qty.sum()


def test_a_configuration_and_a_card_say_it():
    config = parse(
        {"policy": {"actions": "residual", "base": "peg_behind", "guard": [0.5, 0.3]}}, ""
    )
    assert action_parameters(config)["guard"] == [0.5, 0.3]
    assert action_parameters(parse({"policy": {"actions": "sized", "guard": [0.5, 0.3]}}, "")) == {
        "guard": [0.5, 0.3]
    }
    view = view_of(qty0=100, left=100, decision=30, decisions=60, far1=500)
    assert (
        action_set("sized", {"guard": [0.2, 0.1]}).decode(np.zeros(1, np.int64), view)[0, i.TAKE]
        > 0
    )


@pytest.mark.parametrize(
    "thresholds", [(0.1, 0.2), (1.5, 0.1), (0.2, -0.1), (0.2,), "late", None, (float("nan"), 0.1)]
)
def test_thresholds_that_are_none_are_refused(thresholds):
    if thresholds is None:
        assert action_set("sized", {"guard": None}).decode is not None
        return
    with pytest.raises(ConfigError, match="guard"):
        action_set("sized", {"guard": thresholds})


def test_in_training_too():
    """What learns acts behind the guard: the intents of its environment are those of the policy that leaves."""
    preset = presets.load("csco")
    task = Task(0, horizon_s=300.0, decisions=10)
    episodes = Episodes(reactive(preset, 1), task, 4)
    episodes.start(seeded_plan(task, task.lots(preset.volume_per_s), 5, 0, 4, 1, 30 * 10**9))
    guarded = action_set("residual", {**DEEP, "guard": [0.0, 0.0]}).decode
    plain = action_set("residual", DEEP).decode
    while episodes.working.all():
        view = episodes.view
        if view.decision[0] == 5:
            assert (
                guarded(np.zeros((4, 7)), view)[:, i.TAKE]
                > plain(np.zeros((4, 7)), view)[:, i.TAKE]
            ).any()
        episodes.step(plain(np.zeros((4, 7)), view))
