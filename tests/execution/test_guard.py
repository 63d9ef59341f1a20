"""The guard behind a policy's actions: it takes where an order is late, and nothing else."""

import numpy as np
import pytest

from certify.kits.strategy import random_views, wanted
from tercel.core.errors import ConfigError
from tercel.execution import intent as i
from tercel.execution.action_sets import action_set
from tercel.execution.decoders import CatchUp
from tercel.execution.observation import view_of
from tercel.execution.strategies import build
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.env import action_parameters


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
