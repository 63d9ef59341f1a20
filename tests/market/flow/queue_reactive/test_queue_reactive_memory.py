"""What the flow remembers of best prices: hand examples of touches emptied, young prices and the wait after them."""

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.market.flow.queue_reactive import words as q
from tercel.market.flow.queue_reactive.memory import gone, left, recency, remember, see, young
from tercel.market.flow.queue_reactive.preset import start_memory
from tercel.market.simulator import layout as sim

PRESET = made(1)  # since_edges .1, 1, 5, 20 s; young_edges .2, 2, 10 s
FLOW = PRESET.packed()
S = 10**9
BID, ASK = 100, 103


def seen(now: int, bid: int = BID, ask: int = ASK, k: np.ndarray | None = None) -> np.ndarray:
    """Memory of a market that has these best prices at a time; a new one where none is given."""
    if k is None:
        k = np.zeros(sim.GRID, np.int64)
        start_memory(k, bid + ask, 0)
    see(k, FLOW, now, bid, ask, 5, 5, 1, 1)
    return k


def test_nothing_was_emptied_yet() -> None:
    k = seen(0)
    for side in (1, -1):
        assert left(k, FLOW, 0, side, q.EMPTIED) == left(k, FLOW, 0, side, q.VACATED) == young(k, FLOW, 0, side) == 0
        assert gone(k, side) == 0
    assert recency(k, FLOW, 0) == q.SINCE - 1


@pytest.mark.parametrize(("after_s", "age"), [(0.05, 0), (0.1, 1), (0.9, 1), (3.0, 2), (19.0, 3)])
def test_a_market_order_empties_the_side_that_it_takes_from(after_s: float, age: int) -> None:
    k = seen(0)
    remember(k, 0, q.MARKET, 1, ASK, 5, BID + 105)  # a buyer empties the ask
    now = round(after_s * S)
    seen(now, BID, 105, k)
    assert left(k, FLOW, now, -1, q.EMPTIED) == 1 + age
    assert left(k, FLOW, now, 1, q.EMPTIED) == 0
    assert gone(k, -1) == 1
    assert recency(k, FLOW, now) == min(age, q.SINCE - 1)
    assert k[q.I_EMPTIED] == 1 + age  # in the buyer's frame the ask is the opposite side
    seen(now, BID, ASK, k)  # somebody quotes it again
    assert left(k, FLOW, now, -1, q.EMPTIED) == 1 + age + q.SINCE
    assert gone(k, -1) == 0


def test_a_cancel_vacates_its_own_side_and_in_the_end_all_is_forgotten() -> None:
    k = seen(0)
    remember(k, 0, q.CANCEL_AT_BEST, 1, BID, 5, 98 + ASK)
    seen(1, 98, ASK, k)
    assert left(k, FLOW, 1, 1, q.VACATED) == 1
    assert left(k, FLOW, 1, 1, q.EMPTIED) == 0
    assert (gone(k, 1), gone(k, -1)) == (2, 0)
    assert k[q.I_VACATED] == q.TOUCHED
    assert recency(k, FLOW, 1) == q.SINCE - 1  # waits ask for market orders alone
    seen(20 * S, 98, ASK, k)
    assert left(k, FLOW, 20 * S, 1, q.VACATED) == gone(k, 1) == 0


def test_a_market_order_that_leaves_the_mid_empties_nothing() -> None:
    k = seen(0)
    remember(k, 0, q.MARKET, -1, BID, 2, BID + ASK)
    seen(1, BID, ASK, k)
    assert k[q.I_EMPTIED] == k[q.I_VACATED] == 0


@pytest.mark.parametrize(("after_s", "class_"), [(0.1, 1), (0.2, 2), (5.0, 3), (10.0, 0)])
def test_a_price_made_in_the_spread_is_young_for_a_while(after_s: float, class_: int) -> None:
    k = seen(0)
    remember(k, 0, q.LIMIT_IN_SPREAD, 1, BID + 1, 5, BID + 1 + ASK)
    now = round(after_s * S)
    seen(now, BID + 1, ASK, k)
    assert young(k, FLOW, now, 1) == class_
    assert young(k, FLOW, now, -1) == 0
    assert k[q.I_FRESH] == class_ * (q.YOUNG + 1)
    seen(now, BID, ASK, k)  # another price is best now
    assert young(k, FLOW, now, 1) == 0
