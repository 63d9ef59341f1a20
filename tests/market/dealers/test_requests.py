"""Requests: nobody trades through the mid, positions add up, and what is drawn does not depend on who is asked."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

from tercel.core.errors import ConfigError
from tercel.market.dealers import Answers, State, load_panel, request
from tercel.market.dealers.curves import simulate_requests
from tercel.market.dealers.requests import (
    answer_probabilities,
    draw_answers,
    hedges,
    update_toxicity,
)

EURUSD, EQUITY = load_panel("eurusd"), load_panel("equity")


def everyone(markets: int) -> np.ndarray:
    return np.ones((markets, 10), np.bool_)


@given(
    st.integers(0, 2**31),
    st.sampled_from(["eurusd", "gbpusd", "equity"]),
    st.floats(0.1, 30),
    st.booleans(),
)
def test_who_buys_and_sells_at_once_loses(seed, name, size, hidden):
    """Whatever dealers hold, the best offer is not below the best bid."""
    panel, rng = load_panel(name).draw_variant(seed), np.random.default_rng(seed)
    state = State.draw(panel, 40, rng)
    asks, bids = (
        draw_answers(
            panel, state, np.full(40, side), np.full(40, size), everyone(40), rng, hidden=hidden
        )
        for side in (1, -1)
    )
    assert (asks.ranked.min(axis=1) + bids.ranked.min(axis=1) >= 0.0).all()


@given(st.integers(0, 2**31), st.integers(1, 10))
def test_client_dealers_and_book_hold_nothing_together(seed, asked):
    """What the client got, the dealers gave or bought in the book."""
    rng = np.random.default_rng(seed)
    state = State.draw(EURUSD, 30, rng)
    before, side, size = state.inventory.copy(), rng.choice([-1, 1], 30), rng.uniform(0.5, 30, 30)
    found = request(
        EURUSD, state, side, size, everyone(30) & (np.arange(10) < asked), rng, max_distance=0.4
    )
    client = np.where(found.traded, side * size, 0.0)
    assert (state.inventory - before).sum(axis=1) + client == pytest.approx(side * found.hedge)
    assert (np.abs(hedges(EURUSD, state.inventory)) < 1e-9).all()
    assert (found.paid[found.traded] <= 0.4).all()


def test_more_dealers_meet_the_same_draws():
    """Quotes of those who are asked by both do not change where nothing leaks."""
    few, many = list(simulate_requests(EURUSD.firm(), 200, 4, 1.0))[2::7]
    both = few[0].answers.has_quote & many[0].answers.has_quote
    assert both.sum() > 400
    assert (few[0].answers.distance[both] == many[0].answers.distance[both]).all()


def test_the_first_of_equal_quotes_wins_and_the_next_is_the_cover():
    answers = Answers(np.array([[2.0, 1.0, 1.0, np.nan]]), np.array([[0.1, 0.5, 0.2, np.nan]]))
    assert (answers.best.tolist(), answers.cover.tolist()) == ([2], [1.0])
    none = Answers(np.full((1, 4), np.nan), np.full((1, 4), np.nan))
    assert none.best.tolist() == [-1]
    assert np.isnan(none.cover).all()


def test_a_last_look_refuses_as_often_as_its_formula():
    panel = replace(EURUSD, tolerance=np.full(10, 0.1), hold_s=np.full(10, 0.5))
    n = 20_000
    found = request(
        panel,
        State.empty(n, 10),
        np.ones(n, np.int64),
        np.ones(n),
        everyone(n),
        np.random.default_rng(1),
    )
    chance = norm.sf(0.1 / (panel.sigma * (0.5 / 86_400) ** 0.5))
    assert found.rejected.mean() == pytest.approx(chance, abs=4 * 0.5 / n**0.5)
    assert not (found.rejected & found.traded).any()


def test_nobody_answers_more_than_the_largest_size():
    big = np.full(5, EURUSD.largest * 1.01)
    found = request(
        EURUSD, State.empty(5, 10), np.ones(5, np.int64), big, everyone(5), np.random.default_rng(1)
    )
    assert not found.answers.has_quote.any()
    assert (found.ahead == 0.0).all()


def test_requests_that_never_trade_are_answered_less():
    rng, state = np.random.default_rng(2), State.empty(400, 10)
    many = [
        request(
            EURUSD,
            state,
            np.ones(400, np.int64),
            np.ones(400),
            everyone(400),
            rng,
            max_distance=-1.0,
        )
        for _ in range(20)
    ]
    assert many[-1].answers.has_quote.mean() < 0.25 * many[0].answers.has_quote.mean()
    assert many[-1].ahead.mean() < 0.1 * many[0].ahead.mean()


def test_dealers_widen_for_a_client_who_knows_where_the_price_goes():
    def mean_quote(move: float) -> float:
        rng, state = np.random.default_rng(3), State.empty(300, 10)
        for _ in range(30):
            found = request(
                EURUSD, state, rng.choice([-1, 1], 300), np.ones(300), everyone(300), rng
            )
            update_toxicity(state, found, np.full(300, move))
        return float(np.nanmean(found.answers.distance))

    assert mean_quote(0.5) > mean_quote(0.0) + 0.05
    assert mean_quote(-0.5) == pytest.approx(mean_quote(0.0), abs=0.02)


def test_answers_get_rarer_where_they_cost():
    """1 - x^(1 / (N - 1)): x = .1 gives .9, .684, .438 for 2, 3, 5 dealers."""
    panel = replace(EURUSD, cost_share=0.1, answers=np.ones(10))
    asked = np.arange(10)[None] < np.array([[2], [3], [5]])
    found = answer_probabilities(panel, asked, np.ones(3))[:, 0]
    assert found == pytest.approx([0.9, 1 - 0.1**0.5, 1 - 0.1**0.25])


@pytest.mark.parametrize("name", ["eurusd", "gbpusd", "equity"])
def test_leakage_makes_the_best_number_of_dealers_neither_one_nor_all(name):
    """2,000 common seeds; both ends 2 standard errors above the lowest."""
    panel = load_panel(name)
    costs = np.array([paid for _, paid, _ in simulate_requests(panel, 2000, 11)])
    best = int(costs.mean(axis=1).argmin())
    assert 0 < best < 9
    for end in (0, 9):
        gap = costs[end] - costs[best]
        assert gap.mean() > 2 * gap.std(ddof=1) / len(gap) ** 0.5
    firm = np.array([paid for _, paid, _ in simulate_requests(panel.firm(), 2000, 11)])
    assert int(firm.mean(axis=1).argmin()) == 9


def test_a_hidden_side_leaks_nothing():
    for _, _, small in simulate_requests(EQUITY, 100, 1, hidden=True):
        assert (small.ahead == 0.0).all()


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("dealers = 2\nname = 1", "alpha"),
        (None, "no file"),
        ("dealers = 2\nname = ", "Invalid value"),
    ],
)
def test_a_panel_that_cannot_be_read_is_refused(tmp_path, text, received):
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_panel(path)
    assert received in error.value.received


@pytest.mark.parametrize(
    "wrong", [{"beta": -1.0}, {"answers": 1.5}, {"noise": float("nan")}, {"impact": -1.0}]
)
def test_numbers_that_are_no_panel_are_refused(wrong):
    name, value = next(iter(wrong.items()))
    changed = value if name == "impact" else np.full(10, value)
    with pytest.raises(ConfigError):
        replace(EURUSD, **{name: changed})
