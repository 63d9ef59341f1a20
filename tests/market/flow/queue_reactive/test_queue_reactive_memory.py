"""What the flow remembers, by hand: touches emptied, young prices, means that move, prices that come again, waits."""

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import (
    again_cell,
    dropped,
    gone,
    left,
    lost_cell,
    lost_price,
    recency,
    remember,
    retreat,
    see,
    since_fell,
    took,
    young,
)
from tercel.market.flow.queue_reactive.preset import start_memory
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real

# since_edges .1, 1, 5, 20 s; young_edges .2, 2, 10 s; drop_edges 2, 4; fell_edges .01, .1, 1, 10 s;
# age_edges .01, .05, .5, 2 s; slow, fast, run 30, 2, 10 s
PRESET = made(1)
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
        assert (
            left(k, FLOW, 0, side, q.EMPTIED)
            == left(k, FLOW, 0, side, q.VACATED)
            == young(k, FLOW, 0, side)
            == 0
        )
        assert gone(k, side) == 0
    assert recency(k, FLOW, 0) == q.SINCE - 1


@pytest.mark.parametrize(("after_s", "age"), [(0.05, 0), (0.1, 1), (0.9, 1), (3.0, 2), (19.0, 3)])
def test_a_market_order_empties_the_side_that_it_takes_from(after_s: float, age: int) -> None:
    k = seen(0)
    remember(k, 0, q.MARKET, 1, ASK, 5, BID + 105)  # a buyer empties the ask
    now = round(after_s * S)
    seen(now, BID, 105, k)
    assert (
        left(k, FLOW, now, -1, q.EMPTIED) == 1 + q.DROPS * age + 1
    )  # two ticks: the second class of drops
    assert left(k, FLOW, now, 1, q.EMPTIED) == 0
    assert gone(k, -1) == 1
    assert recency(k, FLOW, now) == min(age, q.SINCE - 1)
    assert dropped(k, -1) == 2
    assert dropped(k, 1) == 0
    assert k[q.I_EMPTIED] == 2 + q.DROPS * age  # in the buyer's frame the ask is the opposite side
    seen(now, BID, ASK, k)  # somebody quotes it again
    assert left(k, FLOW, now, -1, q.EMPTIED) == 1 + q.GONE + age
    assert gone(k, -1) == dropped(k, -1) == 0


def test_a_cancel_vacates_its_own_side_and_in_the_end_all_is_forgotten() -> None:
    k = seen(0)
    remember(k, 0, q.CANCEL_AT_BEST, 1, BID, 5, 96 + ASK)
    seen(1, 96, ASK, k)
    assert left(k, FLOW, 1, 1, q.VACATED) == q.DROPS  # four ticks: the last class of drops
    assert left(k, FLOW, 1, 1, q.EMPTIED) == 0
    assert (gone(k, 1), gone(k, -1)) == (2, 0)
    assert (dropped(k, 1), dropped(k, -1)) == (q.DROPS, 0)
    assert k[q.I_VACATED] == q.DROPS * q.TOUCHED
    assert recency(k, FLOW, 1) == q.SINCE - 1  # waits ask for market orders alone
    seen(20 * S, 96, ASK, k)
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
    assert k[q.I_FRESH] == class_ * q.MADES
    seen(now, BID, ASK, k)  # another price is best now
    assert young(k, FLOW, now, 1) == 0


def test_a_better_price_that_is_still_gone_is_not_forgotten() -> None:
    """The ask is emptied from 103 to 105, then from 105 to 106: 103 is the price that is missing, since just now."""
    k = seen(0)
    remember(k, 0, q.MARKET, 1, ASK, 5, BID + 105)
    seen(S // 2, BID, 105, k)
    remember(k, S // 2, q.MARKET, 1, 105, 5, BID + 106)
    seen(S // 2 + 1, BID, 106, k)
    assert (k[q.EMPTIED + 1], k[q.EMPTIED_NS + 1]) == (ASK, S // 2)
    assert left(k, FLOW, S // 2 + 1, -1, q.EMPTIED) == 2  # just now, three ticks
    seen(S // 2 + 2, BID, ASK, k)  # it is back: the next is another story
    remember(k, S // 2 + 2, q.MARKET, 1, ASK, 5, BID + 104)
    assert k[q.EMPTIED + 1] == ASK
    seen(S // 2 + 3, BID, 104, k)
    assert left(k, FLOW, S // 2 + 3, -1, q.EMPTIED) == 1


def test_a_price_that_is_gone_for_long_is_forgotten() -> None:
    k = seen(0)
    remember(k, 0, q.CANCEL_AT_BEST, -1, ASK, 5, BID + 105)
    seen(20 * S, BID, 105, k)
    remember(k, 20 * S, q.CANCEL_AT_BEST, -1, 105, 5, BID + 106)
    assert k[q.VACATED + 1] == 105


def test_a_trade_and_a_cancel_are_remembered_apart_and_the_larger_drop_counts() -> None:
    k = seen(0)
    remember(k, 0, q.MARKET, 1, ASK, 5, BID + 106)
    seen(1, BID, 106, k)
    remember(k, 1, q.CANCEL_AT_BEST, -1, 106, 5, BID + 107)
    seen(2, BID, 107, k)
    assert (k[q.EMPTIED + 1], k[q.VACATED + 1]) == (ASK, 106)
    assert gone(k, -1) == 1
    assert dropped(k, -1) == q.DROPS  # four ticks from the trade, one from the cancel


@pytest.mark.parametrize(
    ("after_ns", "class_"), [(S // 1000, 0), (S // 100, 1), (S // 2, 2), (9 * S, 3), (10 * S, 4)]
)
def test_how_long_ago_a_best_price_fell_whatever_became_of_it(after_ns: int, class_: int) -> None:
    k = seen(0)
    assert since_fell(k, FLOW, 0, 1) == since_fell(k, FLOW, 0, -1) == q.FELL - 1
    remember(k, 0, q.CANCEL_AT_BEST, 1, BID, 5, 98 + ASK)
    seen(after_ns, BID, ASK, k)  # back already
    assert since_fell(k, FLOW, after_ns, 1) == class_
    assert since_fell(k, FLOW, after_ns, -1) == q.FELL - 1
    remember(k, after_ns, q.MARKET, -1, BID, 5, 98 + ASK)
    assert since_fell(k, FLOW, after_ns, 1) == 0


@pytest.mark.parametrize("side", [1, -1])
def test_whether_the_last_market_order_moved_the_mid(side: int) -> None:
    k = seen(0)
    assert k[q.TRADE_MOVED] == 0
    remember(k, 0, q.MARKET, side, ASK, 5, BID + ASK + 2 * side)
    assert k[q.TRADE_MOVED] == 1
    remember(k, 0, q.CANCEL_AT_BEST, side, ASK, 5, BID + ASK)  # no market order: it is not asked
    assert k[q.TRADE_MOVED] == 1
    remember(k, 0, q.MARKET, side, ASK, 2, BID + ASK)
    assert k[q.TRADE_MOVED] == 0


def test_the_fast_mean_of_the_mid_goes_along_with_market_orders_alone() -> None:
    """What others do to the mid is a displacement that decays; what a market order does is not."""
    k = seen(0)
    put_real(k, q.MEAN_SLOW, 200.0)
    put_real(k, q.MEAN_FAST, 202.5)
    remember(k, 0, q.MARKET, 1, ASK, 5, BID + 107)
    assert (real(k, q.MEAN_SLOW), real(k, q.MEAN_FAST)) == (200.0, 206.5)
    assert k[q.MID] == BID + 107
    for kind, side, mid2 in (
        (q.CANCEL_AT_BEST, 1, 205),
        (q.LIMIT_IN_SPREAD, -1, 203),
        (q.MARKET, -1, 203),
    ):
        remember(k, 0, kind, side, BID, 5, mid2)
        assert (real(k, q.MEAN_SLOW), real(k, q.MEAN_FAST)) == (200.0, 206.5)
    seen(2 * S, 100, 103, k)
    assert real(k, q.MEAN_FAST) == pytest.approx(203 + 3.5 * np.exp(-1.0))
    assert real(k, q.MEAN_SLOW) == pytest.approx(203 - 3.0 * np.exp(-2.0 / 30.0))
    assert real(k, q.MEAN_VALUE) == pytest.approx(203)  # where it began


def test_flow_of_the_last_seconds_is_remembered_and_forgotten() -> None:
    """Takers and pressure over half a minute, orders in the spread and cancels at the best over ten seconds."""
    k = seen(0)
    events = (
        (q.MARKET, 1), (q.MARKET, 1), (q.MARKET, -1), (q.LIMIT_IN_SPREAD, -1), (q.LIMIT_AT_BEST, 1),
        (q.LIMIT_DEEPER, 1), (q.CANCEL_AT_BEST, -1), (q.CANCEL_AT_BEST, -1), (q.CANCEL_DEEPER, -1),
    )  # fmt: skip
    for kind, side in events:
        remember(k, 0, kind, side, ASK - 1, 5, BID + ASK)
    assert real(k, q.TAKERS) == 1.0
    assert real(k, q.PRESSURE) == 1 + 1 - 1 - 1 + 1 - 1 + 1 + 1 - 1
    took(k, 0, 1)  # what was hidden
    assert real(k, q.TAKERS) == real(k, q.RUN) - real(k, q.RUN + 1) == 2.0
    assert real(k, q.PRESSURE) == 1.0
    assert [real(k, q.INSIDE_RUN + at) for at in (0, 1)] == [0.0, 1.0]
    assert [real(k, q.WITHDRAWN_RUN + at) for at in (0, 1)] == [0.0, 2.0]
    k[q.P_SIDE] = 1
    seen(0, k=k)
    assert (k[q.I_INSIDES], k[q.I_WITHDRAWN], k[q.I_PRESSURE]) == (
        2,
        2,
        4,
    )  # of the ask alone; edges .3, 1, 2; 1
    seen(10 * S, k=k)
    assert real(k, q.WITHDRAWN_RUN + 1) == pytest.approx(2.0 * np.exp(-1.0))
    assert real(k, q.TAKERS) == pytest.approx(2.0 * np.exp(-1.0 / 3.0))


def test_where_a_price_in_the_spread_comes_from() -> None:
    """New at 101; again at 101; at 103 after the ask has lost it; and the age and cause of what fell."""
    k = seen(0)
    assert again_cell(k, FLOW, 0, 1) == lost_cell(k, FLOW, 0, 1) == -1
    remember(k, 0, q.LIMIT_IN_SPREAD, 1, 101, 7, 101 + ASK)
    assert (k[q.ORIGIN], k[q.MADE], k[q.MADE_LOTS]) == (0, 101, 7)
    seen(S, 101, ASK, k)
    remember(k, S, q.CANCEL_AT_BEST, 1, 101, 7, BID + ASK)
    seen(S + S // 20, BID, ASK, k)
    assert (
        again_cell(k, FLOW, S + S // 20, 1) == q.AGAINS + 2
    )  # by a cancel, .05 s ago: the third age
    assert lost_cell(k, FLOW, S + S // 20, 1) == (q.FELL + 1) * q.DROPS
    assert lost_price(k, 1) == 101
    remember(k, S + S // 20, q.LIMIT_IN_SPREAD, 1, 101, 7, 101 + ASK)
    assert k[q.ORIGIN] == 1
    seen(2 * S, 101, ASK, k)
    assert young(k, FLOW, 2 * S, 1) == 1 + q.YOUNG + 1
    remember(k, 2 * S, q.MARKET, 1, ASK, 5, 101 + 106)
    seen(2 * S, 101, 106, k)
    assert again_cell(k, FLOW, 2 * S, -1) == 0
    assert (lost_cell(k, FLOW, 2 * S, -1), lost_price(k, -1)) == (1, ASK)
    remember(k, 2 * S, q.LIMIT_IN_SPREAD, 1, ASK, 5, ASK + 106)
    assert k[q.ORIGIN] == 2
    seen(40 * S, ASK, 106, k)
    assert again_cell(k, FLOW, 40 * S, 1) == again_cell(k, FLOW, 40 * S, -1) == -1


def test_means_of_the_best_prices_follow_what_stood() -> None:
    """From 0 to 10 s the prices of 0 s stand; at 10 s the bid falls by three ticks, the ask rises by one."""
    k = seen(0)
    put_real(k, q.TOUCH_MEAN, 101.0)
    put_real(k, q.TOUCH_MEAN + 1, 103.0)
    seen(10 * S, BID - 3, ASK + 1, k)
    assert real(k, q.TOUCH_MEAN) == pytest.approx(BID + np.exp(-1.0))
    assert real(k, q.TOUCH_MEAN + 1) == pytest.approx(ASK)
    assert retreat(k, 1) == pytest.approx(3 + np.exp(-1.0))
    assert retreat(k, -1) == pytest.approx(1.0)
    narrow = 3  # seven ticks; retreats: class 5 of the own, 3 of the other
    assert k[q.I_RETREAT] == (5 * q.RETREATS + 3) * q.NARROWS + narrow
    seen(10 * S, BID, ASK, k)  # no time passes
    assert retreat(k, 1) == pytest.approx(np.exp(-1.0))
    seen(20 * S, BID, ASK, k)
    assert retreat(k, 1) == pytest.approx(np.exp(-2.0))
