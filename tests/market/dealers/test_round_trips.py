"""No way in and out through dealers and a book earns: policies are searched, and corrected for the search."""

import numpy as np
import pytest
from scipy.stats import t

from tercel.core.stats.inference import holm
from tercel.market.dealers import State, load_panel, request

MARKETS = 200


def profit(panel, steps, seed: int) -> np.ndarray:
    """Profit of a policy in each market, bps x units: requests and market orders, flat at the end.

    Whatever anybody trades moves the mid for good, by the panel's impact; an own order pays half of what it moves and
    what the book costs.
    """
    rng = np.random.default_rng(seed)
    state = State.drawn(panel, MARKETS, rng)
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
        found = request(
            panel, state, sides, np.full(MARKETS, size), asked, rng, within=within, hidden=hidden
        )
        lots = np.where(found.traded, side * size, 0.0)
        cash = cash - lots * (mid + side * np.nan_to_num(found.paid))
        held, mid = held + lots, mid + side * found.drift(panel)
    at_market(-held)
    return cash


@pytest.mark.parametrize("name", ["eurusd", "equity"])
def test_none_of_1000_searched_round_trips_earns(name):
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
        found = profit(panel, steps, policy)
        error = found.std(ddof=1) / MARKETS**0.5
        p.append(
            1.0 if error == 0.0 and found.mean() <= 0.0 else t.sf(found.mean() / error, MARKETS - 1)
        )
    assert holm(np.array(p)).min() > 0.05
