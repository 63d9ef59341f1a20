"""No way in and out through dealers and a book earns: policies are searched, and corrected for the search."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from tercel.core.stats.multiple_testing import holm
from tercel.market.dealers import State, load_panel
from tercel.market.dealers.requests import draw_answers, settle

MARKETS = 200


def profit(panel, steps, seed: int, lag: float = 0.0) -> np.ndarray:
    """Profit of a policy in each market, bps x units: requests and market orders, flat at the end.

    Whatever anybody trades moves the mid for good, by the panel's impact; an own order pays half of what it moves and
    what the book costs. With a `lag` (standard deviation of the mid's move in it, bps) quotes are of different moments
    before the trade: the client takes the best as the mid is then.
    """
    rng = np.random.default_rng(seed)
    state = State.draw(panel, MARKETS, rng)
    mid, cash, held = np.zeros(MARKETS), np.zeros(MARKETS), np.zeros(MARKETS)

    def at_market(lots: np.ndarray) -> None:
        nonlocal mid, cash, held
        cash = cash - lots * (mid + 0.5 * panel.impact * lots) - np.abs(lots) * panel.book_bps
        mid, held = mid + panel.impact * lots, held + lots

    for in_book, side, size, dealers, within, hidden in steps:
        if in_book:
            at_market(np.full(MARKETS, side * size))
            continue
        sides, asked = (
            np.full(MARKETS, side),
            np.broadcast_to(np.arange(10) < dealers, (MARKETS, 10)),
        )
        sizes = np.full(MARKETS, size)
        answers = draw_answers(panel, state, sides, sizes, asked, rng, hidden=hidden)
        state.requests += asked.any(axis=1)
        path = lag * rng.standard_normal((MARKETS, 10)).cumsum(axis=1)[:, ::-1] / 10**0.5
        mid = mid + path[:, 0]
        found = settle(
            panel,
            state,
            sides,
            sizes,
            answers,
            rng.standard_normal(MARKETS),
            max_distance=within,
            hidden=hidden,
            move_bps=side * path,
        )
        lots = np.where(found.traded, side * size, 0.0)
        cash = cash - lots * (mid + side * np.nan_to_num(found.paid))
        held, mid = held + lots, mid + side * found.drift(panel)
    at_market(-held)
    return cash


@pytest.mark.parametrize(
    ("name", "lag"),
    [
        ("eurusd", 0.0),
        pytest.param("equity", 0.0, marks=pytest.mark.release),
        ("equity", 2.0),
    ],
)
def test_none_of_1000_searched_round_trips_earns(name, lag):
    panel, rng = load_panel(name), np.random.default_rng(8)
    p = []
    for policy in range(500):
        steps = [
            (
                rng.random() < 0.3,
                rng.choice([-1, 1]),
                panel.size * rng.choice([0.5, 1, 5, 20]),
                rng.integers(1, 11),
                rng.choice([-1.0, 0.5 * panel.book_bps, np.inf]),
                rng.random() < 0.2,
            )
            for _ in range(rng.integers(2, 7))
        ]
        found = profit(panel, steps, policy, lag)
        error = found.std(ddof=1) / MARKETS**0.5
        p.append(
            1.0 if error == 0.0 and found.mean() <= 0.0 else t.sf(found.mean() / error, MARKETS - 1)
        )
    assert holm(np.array(p)).min() > 0.05


def test_quotes_of_the_past_that_are_not_withdrawn_would_earn():
    """What the search would find: buy where the mid has gone beyond the quote, and sell at once."""
    panel, rng = load_panel("equity"), np.random.default_rng(3)
    n = 4_000
    every, one, sizes = np.ones((n, 10), np.bool_), np.ones(n, np.int64), np.full(n, 0.5)
    answers = draw_answers(panel, State.empty(n, 10), one, sizes, every, rng)
    moved = np.broadcast_to(3.0 * rng.standard_normal((n, 1)), (n, 10))
    assert (answers.distance - moved)[answers.has_quote].min() < -2.0
    found = settle(panel, State.empty(n, 10), one, sizes, answers, one * 0.0, move_bps=moved)
    assert (found.paid[found.traded] >= answers.min_distance[found.traded].min(axis=1)).all()
    assert 0.3 < found.traded.mean() < 0.95


def test_a_last_look_counts_what_the_mid_moved_since_the_quote():
    panel, rng = replace(load_panel("equity"), tolerance=np.full(10, 1.0)), np.random.default_rng(4)
    n = 500
    every, one, sizes = np.ones((n, 10), np.bool_), np.ones(n, np.int64), np.full(n, 0.5)
    answers = draw_answers(panel, State.empty(n, 10), one, sizes, every, rng)
    for moved, refused in ((0.9, False), (1.1, True)):
        found = settle(
            panel,
            State.empty(n, 10),
            one,
            sizes,
            answers,
            one * 0.0,
            move_bps=np.full((n, 10), moved),
        )
        there = found.answers.best >= 0
        assert (found.rejected[there] == refused).all()
