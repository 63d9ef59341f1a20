"""Adaptability against its closed form, its two ends, and exhaustive pairing."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import TercelError
from tercel.core.stats import intervals
from tercel.execution import columns as c
from tercel.lab.evaluation.adaptability import Decisions, measure_response


def recorded(seed, episodes=200, steps=3, sides=(1, -1), live=None):
    """Decisions in which one column of x, one of m are random."""
    rng = np.random.default_rng(seed)
    x = np.zeros((episodes, steps, c.PX), np.int64)
    m = np.zeros((episodes, steps, c.MX), np.int64)
    x[:, :, c.SIDE] = np.resize(sides, episodes)[:, None]
    x[:, :, c.LEFT] = rng.integers(1, 1000, (episodes, steps))
    m[:, :, c.OFI] = rng.integers(-500, 500, (episodes, steps))
    live = np.ones((episodes, steps), bool) if live is None else live
    return Decisions(x, m, rng.random((episodes, steps)), live, np.arange(episodes))


def estimate(decisions, expected, redraws=8, seed=1):
    rng = np.random.default_rng(seed)
    response = measure_response(decisions, expected, rng, redraws)
    return intervals(response.moments(), rng, resamples=200)[0]


def inventory(view):
    return view.left / 1000.0


def flow(view):
    return view.ofi / 1000.0


@pytest.mark.parametrize("weight", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("redraws", [2, 8, 16])
def test_a_sum_of_inventory_and_market_has_the_closed_form(weight, redraws):
    decisions = recorded(3, episodes=1500)
    found = estimate(
        decisions, lambda view: (inventory(view) + weight * flow(view))[:, None], redraws
    )
    truth = weight**2 / (1.0 + weight**2)  # both are uniform over a range of 1
    assert found.mean == pytest.approx(truth, abs=0.03)
    assert found.ci_low <= truth <= found.ci_high


def test_the_correction_for_few_redraws_leaves_no_bias():
    found = [
        estimate(
            recorded(seed, episodes=60),
            lambda view: (inventory(view) + flow(view))[:, None],
            2,
            seed,
        ).mean
        for seed in range(60)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / np.sqrt(60) + 0.01)


@given(st.integers(0, 1000), st.integers(2, 9))
def test_a_schedule_fixed_in_advance_scores_nothing(seed, redraws):
    found = estimate(recorded(seed, 20), lambda view: (1.0 / (3.0 + view.left))[:, None], redraws)
    assert (found.mean, found.ci_low, found.ci_high) == (0.0, 0.0, 0.0)


@given(st.integers(0, 1000), st.floats(-2, 2))
def test_it_is_a_share(seed, mix):
    found = estimate(
        recorded(seed, 12),
        lambda view: (inventory(view) * flow(view) + mix * inventory(view))[:, None],
        3,
    )
    assert 0.0 <= found.mean <= 1.0


def test_markets_come_from_other_episodes_of_the_same_side_and_decision():
    decisions = recorded(7, episodes=12)
    episodes, steps = decisions.live.shape
    own, market, when = c.LEFT, c.OFI, c.EVENTS
    decisions.x[:, :, own] = np.arange(1, episodes + 1)[:, None]
    decisions.m[:, :, market] = np.arange(1, episodes + 1)[:, None]
    decisions.x[:, :, c.DECISION] = decisions.m[:, :, when] = np.arange(steps)
    met = []

    def watch(view):
        assert (view.left % 2 == view.ofi % 2).all()  # sides alternate
        assert (view.left != view.ofi).all()
        assert (view.decision == view.events).all()
        met.extend(zip(view.decision.tolist(), view.left.tolist(), view.ofi.tolist(), strict=True))
        return np.zeros((view.n, 1))

    measure_response(decisions, watch, np.random.default_rng(0), redraws=5)
    assert len(met) == len(set(met)) == steps * episodes * 5  # all 5 others of the side, each once


def test_all_pairs_give_the_exact_ratio():
    decisions = recorded(8, episodes=9, steps=1, sides=(1,))

    def expected(view):
        return np.sin(0.01 * view.left * view.ofi)[:, None]

    response = measure_response(decisions, expected, np.random.default_rng(0), redraws=8)
    table = np.array(
        [
            [
                np.sin(0.01 * decisions.x[i, 0, c.LEFT] * decisions.m[j, 0, c.OFI])
                for j in range(9)
                if j != i
            ]
            for i in range(9)
        ]
    )
    truth = table.var(axis=1, ddof=1).mean() / table.var()
    assert response.moments().point()[0] == pytest.approx(min(truth, 1.0))


def test_decisions_without_lots_left_do_not_count():
    live = np.ones((100, 3), bool)
    live[:, 2] = False
    live[50:, 1] = False
    decisions = recorded(9, episodes=100, live=live)
    response = measure_response(
        decisions, lambda view: flow(view)[:, None], np.random.default_rng(0)
    )
    np.testing.assert_array_equal(response.rows, live.sum(axis=1))


def test_too_few_episodes_answer_nothing_and_nonsense_is_an_error():
    few = measure_response(
        recorded(0, episodes=4), lambda view: np.zeros((view.n, 1)), np.random.default_rng(0)
    )
    assert not few.rows.any(), "no market of two others of a side is there to draw"
    with pytest.raises(TercelError, match="2 redraws"):
        estimate(recorded(0), lambda view: np.zeros((view.n, 1)), redraws=1)
    with pytest.raises(TercelError, match="recorded decisions"):
        Decisions(
            *(np.zeros((2, 3, 1)) for _ in range(3)),
            np.ones((2, 2), bool),
            np.zeros(2, np.int64),
        )
