"""Actions around a rule: `levers` moves its parameters, `sized` keeps places, `override` is the rule or `sized`."""

import numpy as np
import pytest

from certify.kits.strategy import random_views, wanted
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution import decoders, intent as i
from tercel.execution.action_sets import action_set
from tercel.execution.observation import view_of
from tercel.execution.strategies import build


def test_a_lever_moves_its_parameter_in_its_own_scale():
    view = random_views(100, 1)
    actions = action_set(
        "levers", {"base": "score_rule", "levers": {"threshold": 2.0, "touch": 0.5}}
    )
    assert actions.labels == ("threshold", "touch")
    mine = actions.decode(np.tile([-0.7, 3.0], (100, 1)), view)
    plain = build("score_rule").vector
    from tercel.execution.strategies.row_rules import SCORE

    told = dict(zip(SCORE.names, plain.tolist(), strict=True))
    theirs = build(
        "score_rule", None, {"threshold": told["threshold"] - 1.4, "touch": told["touch"] + 1.5}
    )
    np.testing.assert_array_equal(mine, theirs.decide(view))
    assert (mine != build("score_rule").decide(view)).any()


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("levers", {"base": "scorerule"}, "score_rule"),
        ("levers", {"levers": {"tuch": 1.0}}, "try 'touch'"),
        ("levers", {"levers": {"touch": 0.0}}, "above 0"),
        ("levers", {"bas": "score_rule"}, "'bas'"),
        ("override", {"dead": 1.0}, "'dead'"),
        ("residual", {"bse": "peg_behind"}, "'bse'"),
        ("residual", {"dead": -1.0}, "band"),
        ("residual", {"scale": 0.0}, "scale"),
        ("placement", {"base": "peg_behind"}, "no parameters of placement"),
        ("residul", {}, "residual"),
    ],
)
def test_what_there_is_not_is_refused(name, wrong, told):
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        action_set(name, wrong)


def test_sized_actions_do_what_they_say():
    view = view_of(left=[90] * 13, far1=40, rest1=60, rest2=10, live=70, decision=0, decisions=10)
    lots = decoders.decode_sized(np.arange(13), view)[:, [i.TAKE, *range(i.REST0, i.REST0 + i.K)]]
    assert lots.tolist() == [
        [0, 0, 60, 10, 0, 0],
        *([0] + [90 if j == rung else 0 for j in range(5)] for rung in range(5)),
        [0, 0, 23, 23, 22, 22],
        [0] * 6,
        [10, 0, 60, 10, 0, 0],
        [20, 0, 60, 10, 0, 0],
        [40, 0, 50, 0, 0, 0],
        [9, 0, 60, 10, 0, 0],
        [20, 0, 70, 0, 0, 0],
    ]
    assert (wanted(decoders.decode_sized(np.arange(13), view)) <= 90).all()


@pytest.mark.parametrize("base", ["peg_behind", "twap_take", "score_rule"])
def test_the_first_override_is_the_rule_and_the_others_are_sized(base):
    actions = action_set("override", {"base": base})
    assert (actions.size, actions.continuous) == (14, False)
    for seed in range(3):
        view = random_views(140, seed)
        np.testing.assert_array_equal(
            actions.decode(np.zeros(140, np.int64), view), build(base).decide(view)
        )
        some = np.arange(140) % 14
        mine, theirs = (
            actions.decode(some, view),
            decoders.decode_sized(np.maximum(some - 1, 0), view),
        )
        np.testing.assert_array_equal(mine[some > 0], theirs[some > 0])
        np.testing.assert_array_equal(mine[some == 0], build(base).decide(view)[some == 0])
    with pytest.raises(ConfigError, match="0 to 13"):
        actions.decode(np.array([14]), view_of(left=[1]))
