"""Action decoders: what each action means, lots conserved, the compiled decoder equal to the plain one."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from certify.kits.strategy import random_views, wanted
from tercel.core.errors import ConfigError
from tercel.execution import decoders, intent as i
from tercel.execution.action_sets import action_set
from tercel.execution.decoders import placement_rows
from tercel.execution.intent import View
from tercel.execution.observation import view_of
from tercel.execution.strategy import hold, ladder, settle

SEEDS = st.integers(0, 2**32 - 1)


def lots(intents: np.ndarray) -> list[list[int]]:
    """(take, rungs) of every row."""
    return list(intents[:, [i.TAKE, *range(i.REST0, i.WIDTH)]].tolist())


def test_placement_means_what_its_card_says() -> None:
    # left 90, nine decisions left: the slice is 10.
    view = view_of(left=[90] * 8, decision=1, live=7, rest3=7)
    assert lots(decoders.decode_placement(np.arange(8), view)) == [
        [0, 0, 0, 0, 7, 0],
        [0, 90, 0, 0, 0, 0],
        [0, 0, 90, 0, 0, 0],
        [0, 0, 0, 90, 0, 0],
        [0, 0, 0, 0, 0, 90],
        [3, 0, 87, 0, 0, 0],
        [5, 0, 85, 0, 0, 0],
        [10, 0, 80, 0, 0, 0],
    ]
    outside = decoders.decode_placement(np.arange(8), view)[:, i.OUTSIDE]
    assert outside.tolist() == [i.KEEP] + [i.CANCEL] * 7


def plain(actions: np.ndarray, view: View) -> np.ndarray:
    """The rules of `decoders` in NumPy, action by action."""
    intents = ladder(view)
    for action, rung in ((1, i.IMPROVE), (2, i.AT_TOUCH), (3, i.AT_TOUCH + 1), (4, i.AT_TOUCH + 3)):
        rows = actions == action
        intents[rows, i.REST0 + rung] = view.left[rows]
    slices = -(-view.left // view.decisions_left)
    for action, quarters in ((5, 1), (6, 2), (7, 4)):
        rows = actions == action
        intents[rows, i.TAKE] = -(-slices[rows] * quarters // 4)
        intents[rows, i.REST0 + i.AT_TOUCH] = view.left[rows] - intents[rows, i.TAKE]
    intents[actions == 0] = hold(view)[actions == 0]
    return settle(intents, view)


@given(SEEDS)
@settings(deadline=None)
def test_placement_equals_the_plain_rules(seed: int) -> None:
    view = random_views(64, seed)
    actions = np.random.default_rng(seed).integers(0, 8, view.n)
    np.testing.assert_array_equal(decoders.decode_placement(actions, view), plain(actions, view))


def test_compiled_placement_holds_on_an_action_outside_the_set() -> None:
    view = view_of(left=[90, 90], live=7, rest3=7)
    out = np.empty((2, i.WIDTH), np.int32)
    placement_rows(np.array([-1, 8]), view.x, view.m, out)
    np.testing.assert_array_equal(out, hold(view))


@given(SEEDS, st.sampled_from(["fraction", "level", "placement", "sized"]))
def test_discrete_actions_conserve_lots_and_hold_in_halts(seed: int, name: str) -> None:
    view = random_views(50, seed)
    actions = np.random.default_rng(seed).integers(0, action_set(name).size, view.n)
    intents = action_set(name).decode(actions, view)
    assert (intents[:, i.TAKE] >= 0).all()
    assert (intents[:, i.REST0 :] >= 0).all()
    assert (wanted(intents) <= view.left).all()
    np.testing.assert_array_equal(intents[~view.tradable], hold(view)[~view.tradable])


def test_fraction_takes_its_share_rounded_up() -> None:
    view = view_of(left=[90] * len(decoders.PERCENT))
    assert decoders.decode_fraction(np.arange(7), view)[:, i.TAKE].tolist() == [
        0,
        5,
        9,
        18,
        27,
        45,
        90,
    ]


def test_level_rests_all_that_is_left() -> None:
    intents = decoders.decode_level(np.arange(6), view_of(left=[90] * 6))
    assert intents[:, i.TAKE].tolist() == [0] * 6
    assert intents[:5, i.REST0 :].tolist() == (90 * np.eye(5, dtype=int)).tolist()
    assert intents[5, i.REST0 :].tolist() == [0] * 5


@given(SEEDS)
def test_allocation_is_within_a_lot_of_its_quota_and_loses_none(seed: int) -> None:
    view = random_views(50, seed)
    rng = np.random.default_rng(seed)
    powers = np.exp(rng.normal(0, 5, (view.n, decoders.ALLOCATION_SIZE)))
    weights = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    given_lots = decoders.largest_remainder(weights, view.left)
    np.testing.assert_array_equal(given_lots.sum(axis=1), view.left)
    assert (np.abs(given_lots - weights * view.left[:, None]) < 1 + 1e-6).all()
    intents = decoders.decode_allocation(weights, view)
    rows = view.tradable
    np.testing.assert_array_equal(np.array(lots(intents))[rows], given_lots[rows, :6])


def test_allocation_breaks_ties_to_the_first() -> None:
    assert decoders.largest_remainder(np.full((1, 7), 1 / 7), np.array([3])).tolist() == [
        [1, 1, 1, 0, 0, 0, 0]
    ]


@pytest.mark.parametrize(
    ("decode", "actions"),
    [
        *((decoders.decode_placement, actions) for actions in ([8], [-1], [0, 0])),
        *(
            (decoders.decode_allocation, [shares])
            for shares in ([0.0] * 7, [-1.0, 2, 0, 0, 0, 0, 0], [np.nan] * 7, [1.0] * 6)
        ),
    ],
)
def test_what_is_no_action_or_no_share_is_refused(
    decode: Callable[[np.ndarray, View], np.ndarray], actions: list[object]
) -> None:
    with pytest.raises(ConfigError, match="To go on"):
        decode(np.array(actions), view_of())
