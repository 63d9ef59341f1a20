"""Residual actions: nothing said is the rule itself; what is said moves lots as documented."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from certify.kits.strategy import random_views, wanted
from tercel.core.errors import ConfigError
from tercel.execution import action_sets as r, intent as i
from tercel.execution.action_sets import action_set
from tercel.execution.decoders import ROUNDING_PARTS
from tercel.execution.observation import view_of
from tercel.execution.strategies import MarketEstimates, build

BASES = ("peg_behind", "submit_and_leave", "twap_take", "twap_passive", "immediate")


def decode_of(base="peg_behind", **parameters):
    return action_set("residual", {"base": base, **parameters}).decode


@pytest.mark.parametrize("base", BASES)
def test_zero_is_the_rule_in_any_state(base):
    for seed in range(5):
        view = random_views(200, seed)
        np.testing.assert_array_equal(
            decode_of(base)(np.zeros((200, 7)), view), build(base).decide(view)
        )


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4.0))
def test_lots_add_up_and_takes_stay_within_what_is_displayed(seed, size):
    view = random_views(50, seed)
    actions = np.random.default_rng(seed).normal(size=(50, 7)) * size
    base = build("twap_take").decide(view)
    intents = decode_of("twap_take")(actions, view)
    assert (intents[:, i.TAKE] >= 0).all()
    assert (intents[:, i.REST0 :] >= 0).all()
    assert (wanted(intents) <= view.left).all()
    assert (intents[:, i.TAKE] <= np.maximum(base[:, i.TAKE], view.far_depth[:, 0])).all()
    np.testing.assert_array_equal(intents[:, 1 : i.REST0], base[:, 1 : i.REST0])


def test_takes_are_counted_in_displayed_lots_beyond_a_dead_band():
    view = view_of(left=[100] * 4, far1=20)
    actions = np.zeros((4, 7))
    actions[:, 0] = 0.4, 1.0, 1.5, 9.0
    intents = decode_of()(actions, view)
    assert intents[:, i.TAKE].tolist() == [0, 10, 20, 20]
    assert intents[:, i.REST0 + 2].tolist() == [100, 90, 80, 80]
    assert decode_of(dead=0.0)(actions, view)[:, i.TAKE].tolist() == [8, 20, 20, 20]
    less = decode_of("twap_take")(-actions, view_of(left=[100] * 4, far1=20))
    assert less[:, i.TAKE].tolist() == [10, 0, 0, 0]


def test_weights_move_lots_between_places():
    view = view_of(left=[100, 100])
    actions = np.zeros((2, 7))
    actions[0, 1], actions[1, 6] = 2.0, -6.0
    touched = decode_of()(actions, view)[:, i.REST0 :]
    gained = r.SEED_SHARE * (np.e**2 - 1)
    assert touched[0].tolist() == [
        round(100 * gained / (1 + gained)),
        0,
        100 - round(100 * gained / (1 + gained)),
        0,
        0,
    ]
    assert touched[1].tolist() == [0, 0, 100, 0, 0]


@pytest.mark.parametrize(
    ("actions", "told"),
    [(np.zeros((1, 6)), r"shape \(1, 7\)"), (np.full((1, 7), np.nan), "finite actions")],
)
def test_what_is_no_action_is_refused(actions, told):
    with pytest.raises(ConfigError, match=told):
        decode_of()(actions, view_of(left=[10]))


def test_a_base_gets_its_parameters_and_estimates():
    view = view_of(left=[90])
    assert decode_of(parameters={"level": 0})(np.zeros((1, 7)), view)[0, i.REST0 + 1] == 90
    estimates = {"expected_volume": 1000.0}
    rule = build("vwap_take", MarketEstimates(**estimates))
    np.testing.assert_array_equal(
        decode_of("vwap_take", estimates=estimates)(np.zeros((1, 7)), view), rule.decide(view)
    )


def test_a_scale_moves_weights_further_and_takes_not():
    view, said = random_views(40, 3), np.random.default_rng(5).normal(size=(40, 7))
    further, before = said * np.array([1.0] + [3.0] * 6), said.copy()
    scaled = decode_of("twap_passive", scale=3.0)(said, view)
    np.testing.assert_array_equal(scaled, decode_of("twap_passive")(further, view))
    np.testing.assert_array_equal(said, before)


def test_whole_grains_keep_crumbs_away():
    """Random weights at every decision: what rests differs from what stood by whole grains, or goes, or is new."""
    decode = decode_of("peg_touch", scale=3.0, grains=True)
    rng = np.random.default_rng(4)
    for seed in range(5):
        view = random_views(300, seed)
        intents = decode(rng.normal(size=(300, 7)), view)
        assert (wanted(intents) <= view.left).all()
        rests, stands = intents[:, i.REST0 :], view.rest
        grain = (view.qty0 // ROUNDING_PARTS)[:, None]
        room = (view.left - intents[:, i.TAKE])[:, None] - np.cumsum(rests, axis=1)
        kept = (rests > 0) & (stands > 0) & (grain > 0) & (room > 0)
        assert kept.any()
        assert ((rests - stands)[kept] % np.broadcast_to(grain, rests.shape)[kept] == 0).all()
