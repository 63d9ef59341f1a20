"""What hftbacktest 2.4.4 does with orders at rest: its rules, and where it does not follow what it says."""

import numpy as np
import pytest
from hftbacktest import (
    ADD_ORDER_EVENT,
    BUY_EVENT,
    CANCEL_ORDER_EVENT,
    FILL_EVENT,
    SELL_EVENT,
)
from tercel_hftbacktest.backtest import rest_orders
from tercel_hftbacktest.feed import PLAIN, SHOWN, THROUGH, Events, event, show_aggressors

BID, ASK = BUY_EVENT, SELL_EVENT
OPENING = [
    event(ADD_ORDER_EVENT, BID, 10, 99.0, 5, 1),
    event(ADD_ORDER_EVENT, ASK, 10, 102.0, 5, 2),
]
END = [event(ADD_ORDER_EVENT, ASK, 500, 110.0, 1, 99)]


def filled_at(feed: str, price: int, *events: Events, latency_ns: int = 0) -> int:
    """When a buy order of one lot, sent at 20 for 100 ns, fills; 0: it does not."""
    day = show_aggressors(np.concatenate([*OPENING, *events, *END]), 1.0, feed)
    one = rest_orders(
        day, 1.0, np.array([20]), np.array([1]), np.array([price]), 1.0, 100, latency_ns
    )
    return int(one.ns[0])


BEHIND = [event(ADD_ORDER_EVENT, BID, 30, 99.0, 5, 3), event(FILL_EVENT, BID, 40, 99.0, 1, 3)]
AHEAD = [event(FILL_EVENT, BID, 40, 99.0, 5, 1), event(CANCEL_ORDER_EVENT, BID, 40, 99.0, 0, 1)]
THROUGH_IT = [event(FILL_EVENT, BID, 40, 99.0, 1, 1)]


@pytest.mark.parametrize(("feed", "ns"), [(PLAIN, 40), (SHOWN, 40), (THROUGH, 0)])
def test_a_trade_behind_an_order_fills_it_by_fifo_and_not_by_trades_through(
    feed: str, ns: int
) -> None:
    assert filled_at(feed, 99, *BEHIND) == ns


@pytest.mark.parametrize("feed", [PLAIN, SHOWN, THROUGH])
def test_a_trade_ahead_of_an_order_does_not_fill_it(feed: str) -> None:
    assert filled_at(feed, 99, *AHEAD) == 0


@pytest.mark.parametrize(("feed", "ns"), [(PLAIN, 0), (SHOWN, 40), (THROUGH, 40)])
def test_a_trade_below_an_order_alone_above_the_touch_fills_it_only_where_aggressors_are_shown(
    feed: str, ns: int
) -> None:
    """The engine's documentation: an order fills where its price is above a sell trade's. On a plain day this one does not."""
    assert filled_at(feed, 100, *THROUGH_IT) == ns


@pytest.mark.parametrize("feed", [PLAIN, SHOWN, THROUGH])
def test_a_crossing_order_of_others_fills_an_order(feed: str) -> None:
    assert filled_at(feed, 100, event(ADD_ORDER_EVENT, ASK, 40, 100.0, 1, 3)) == 40


def test_an_order_and_its_cancel_are_under_way_for_the_latency() -> None:
    trade = event(FILL_EVENT, BID, 125, 99.0, 1, 1)
    assert filled_at(SHOWN, 100, trade) == 0  # cancelled at 120
    assert filled_at(SHOWN, 100, trade, latency_ns=10) == 125
    early = event(FILL_EVENT, BID, 25, 99.0, 1, 1)
    assert filled_at(SHOWN, 100, early) == 25
    assert filled_at(SHOWN, 100, early, latency_ns=10) == 0
