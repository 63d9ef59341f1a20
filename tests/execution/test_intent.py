"""Columns, intents and views agree with each other and with what is written about them."""

import numpy as np
from hypothesis import given, strategies as st

from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution import columns as c, intent as i
from tercel.execution.observation import view_of
from tercel.execution.strategy import expected_shares, hold, ladder, shares

SEEDS = st.integers(0, 2**32 - 1)


def test_columns_are_numbered_as_they_are_named() -> None:
    assert [getattr(c, name.upper()) for name in c.X_NAMES] == list(range(c.PX))
    assert [getattr(c, name.upper()) for name in c.M_NAMES] == list(range(c.MX))


def test_view_reads_every_column_by_name() -> None:
    numbers = {name: k + 1 for k, name in enumerate(c.X_NAMES + c.M_NAMES)}
    view = view_of(**numbers)
    scaled = {
        "alpha": 1e3,
        "alpha_sd": 1e3,
        "urgency": 1e6,
        "max_participation": 1e6,
        "size_multiplier": 1e6,
    }
    for name, unit in scaled.items():
        read = name + "_bps" if name.startswith("alpha") else name
        assert getattr(view, read)[0] == numbers.pop(name) / unit, name
    side, undercut, touch = numbers["side"], numbers["undercut"], numbers.pop("touch")
    assert view.touch[0] == touch + side * undercut, "with the orders that a bound drew"
    for name, number in numbers.items():
        if not name[-1].isdigit() or name in ("qty0", "mid2", "arrival_mid2"):
            assert getattr(view, name)[0] == (True if name == "halted" else number), name
    assert view.rest[0].tolist() == [numbers[f"rest{j}"] for j in range(5)]
    assert view.ahead[0].tolist() == [numbers[f"ahead{j}"] for j in range(5)]
    assert view.own_depth[0].tolist() == [numbers[f"own{k}"] for k in range(1, 6)]
    assert view.far_depth[0].tolist() == [numbers[f"far{k}"] for k in range(1, 6)]
    what = ("same", "against", "ofi", "rv", "events", "drift")
    assert view.past[0].tolist() == [
        [numbers[f"past_{name}{back}"] for name in what] for back in (1, 2, 3)
    ]


def test_market_is_tradable_when_open_and_quoted_on_both_sides() -> None:
    view = view_of(touch=[99, 99, NO_BID, 99], far=[101, 101, 101, NO_ASK], halted=[0, 1, 0, 0])
    assert view.tradable.tolist() == [True, False, False, False]


def test_take_limit_of_a_fresh_ladder_is_any_price() -> None:
    intents = ladder(view_of(side=[1, -1], touch=[100, 105]))
    assert intents[:, i.TAKE_LIMIT].tolist() == [NO_ASK, NO_BID]
    assert intents[:, i.ANCHOR].tolist() == [101, 104]


@given(SEEDS)
def test_clip_keeps_the_best_rungs_and_what_is_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = i.empty(20)
    raw[:, [i.TAKE, *range(i.REST0, i.WIDTH)]] = rng.integers(-5, 40, (20, 6))
    left = rng.integers(0, 100, 20)
    clipped = i.clip(raw.copy(), left)
    for row, (before, after) in enumerate(zip(raw, clipped, strict=True)):
        budget = left[row]
        for column in (i.TAKE, *range(i.REST0, i.WIDTH)):
            lots = min(max(before[column], 0), budget)
            assert after[column] == lots
            budget -= lots


def test_hold_asks_for_what_rests_already_and_keeps_the_outside() -> None:
    view = view_of(left=50, live=30, rest1=20, rest3=5, outside_lots=5)
    intents = hold(view)
    assert intents[0, i.OUTSIDE] == i.KEEP
    assert intents[0, i.REST0 :].tolist() == [0, 20, 0, 5, 0]
    assert intents[0, i.TAKE] == 0


def test_shares_are_of_what_is_left_and_zero_where_nothing_is() -> None:
    view = view_of(left=[50, 0])
    intents = ladder(view)
    intents[0, [i.TAKE, i.REST0 + 1]] = 10, 40
    assert shares(intents, view).tolist() == [[0.2, 0, 0.8, 0, 0, 0], [0] * 6]


def test_expected_shares_weigh_the_actions() -> None:
    def decode(actions, view):  # type: ignore[no-untyped-def]
        intents = ladder(view)
        intents[:, i.TAKE] = actions * 10
        return intents

    view = view_of(left=[100, 50])
    weights = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    np.testing.assert_allclose(expected_shares(weights, decode, view)[:, 0], [0.05, 0.3])
    np.testing.assert_allclose(expected_shares(weights[0], decode, view)[:, 0], [0.05, 0.1])
