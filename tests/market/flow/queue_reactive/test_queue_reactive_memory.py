"""What the flow remembers, by hand: touches emptied, young prices, means that move, prices that come again, waits."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import record_event, record_taker, update_classes
from tercel.market.flow.queue_reactive.preset import start_memory
from tercel.market.flow.queue_reactive.touch_history import (
    again_cell,
    drop_class,
    emptied_class,
    fall_class,
    last_class,
    last_place,
    lastly,
    lost_cell,
    lost_price,
    made_class,
    touch_class_since,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real

# since_edges .1, 1, 5, 20 s; young_edges .2, 2, 10 s; drop_edges 2, 4; fell_edges .01, .1, 1, 10 s;
# age_edges .01, .05, .5, 2 s; slow, fast, run 30, 2, 10 s
PRESET = made(1)
FLOW = PRESET.pack_parameters()
S = 10**9
BID, ASK = 100, 103


def seen(now: int, bid: int = BID, ask: int = ASK, k: np.ndarray | None = None) -> np.ndarray:
    """Memory of a market that has these best prices at a time; a new one where none is given."""
    if k is None:
        k = np.zeros(sim.GRID, np.int64)
        start_memory(k, bid + ask, 0)
    update_classes(k, FLOW, now, bid, ask, 5, 5, 1, 1)
    return k


def says(k: np.ndarray, now: int) -> dict[str | int, object]:
    """What memory says at a time; of bid and ask, but for how recently a market order emptied either."""

    def both(ask: Callable[[int], float]) -> tuple[float, float]:
        return ask(1), ask(-1)

    return {
        "emptied": both(lambda side: touch_class_since(k, FLOW, now, side, q.EMPTIED)),
        "vacated": both(lambda side: touch_class_since(k, FLOW, now, side, q.VACATED)),
        "dropped": both(lambda side: drop_class(k, side)),
        "young": both(lambda side: made_class(k, FLOW, now, side)),
        "fell": both(lambda side: fall_class(k, FLOW, now, side)),
        "again": both(lambda side: again_cell(k, FLOW, now, side)),
        "lost": both(lambda side: lost_cell(k, FLOW, now, side)),
        "lost price": both(lambda side: lost_price(k, side)),
        "recency": emptied_class(k, FLOW, now),
    }


ASK_TAKEN = (q.MARKET, 1, ASK, 5, BID + 105)
"""A buyer empties the ask: it goes from 103 to 105."""
AGES = ((0.05, 0), (0.1, 1), (0.9, 1), (3.0, 2), (19.0, 3))
FALLS = ((S // 1000, 0), (S // 100, 1), (S // 2, 2), (9 * S, 3), (10 * S, 4))
STORIES: dict[str, list[tuple[int, tuple[int, ...], dict[str | int, object]]]] = {
    "nothing has happened yet": [
        (0, (BID, ASK), {"emptied": (0, 0), "vacated": (0, 0), "young": (0, 0),
                         "fell": (q.FELL - 1, q.FELL - 1), "recency": q.SINCE - 1, q.TRADE_MOVED: 0}),
    ],
    **{f"a market order empties the side that it takes from, {after} s": [  # two ticks: the second class of drops
        (0, ASK_TAKEN, {}),
        (round(after * S), (BID, 105), {
            "emptied": (0, 1 + q.DROPS * age + 1), "dropped": (0, 2),
            "recency": min(age, q.SINCE - 1),
            q.I_EMPTIED: 2 + q.DROPS * age,  # in the buyer's frame the ask is the opposite side
        }),
        # somebody quotes it again
        (round(after * S), (BID, ASK), {"emptied": (0, 1 + q.GONE + age), "dropped": (0, 0)}),
    ] for after, age in AGES},
    "a cancel vacates its own side, and in the end all is forgotten": [  # four ticks: the last class of drops
        (0, (q.CANCEL_AT_BEST, 1, BID, 5, 96 + ASK), {}),
        (1, (96, ASK), {"vacated": (q.DROPS, 0), "emptied": (0, 0), "dropped": (q.DROPS, 0),
                        q.I_VACATED: q.DROPS * q.TOUCHED, "recency": q.SINCE - 1}),  # waits ask for market orders
        (20 * S, (96, ASK), {"vacated": (0, 0)}),
    ],
    "a market order that leaves the mid empties nothing": [
        (0, (q.MARKET, -1, BID, 2, BID + ASK), {}), (1, (BID, ASK), {q.I_EMPTIED: 0, q.I_VACATED: 0}),
    ],
    **{f"a price made in the spread is young for a while, {after} s": [
        (0, (q.LIMIT_IN_SPREAD, 1, BID + 1, 5, BID + 1 + ASK), {}),
        (round(after * S), (BID + 1, ASK), {"young": (class_, 0), q.I_FRESH: class_ * q.MADES}),
        (round(after * S), (BID, ASK), {"young": (0, 0)}),  # another price is best now
    ] for after, class_ in ((0.1, 1), (0.2, 2), (5.0, 3), (10.0, 0))},
    # the ask is emptied from 103 to 105, then to 106: 103 is the price that is missing, since just now
    "a better price that is still gone is not forgotten": [
        (0, ASK_TAKEN, {}), (S // 2, (BID, 105), {}), (S // 2, (q.MARKET, 1, 105, 5, BID + 106), {}),
        (S // 2 + 1, (BID, 106), {q.EMPTIED + 1: ASK, q.EMPTIED_NS + 1: S // 2, "emptied": (0, 2)}),
        (S // 2 + 2, (BID, ASK), {}),  # it is back: the next is another story
        (S // 2 + 2, (q.MARKET, 1, ASK, 5, BID + 104), {q.EMPTIED + 1: ASK}),
        (S // 2 + 3, (BID, 104), {"emptied": (0, 1)}),
    ],
    "a price that is gone for long is forgotten": [
        (0, (q.CANCEL_AT_BEST, -1, ASK, 5, BID + 105), {}), (20 * S, (BID, 105), {}),
        (20 * S, (q.CANCEL_AT_BEST, -1, 105, 5, BID + 106), {q.VACATED + 1: 105}),
    ],
    "a trade and a cancel are remembered apart, and the larger drop counts": [  # four ticks, one tick
        (0, (q.MARKET, 1, ASK, 5, BID + 106), {}), (1, (BID, 106), {}),
        (1, (q.CANCEL_AT_BEST, -1, 106, 5, BID + 107), {}),
        (2, (BID, 107), {q.EMPTIED + 1: ASK, q.VACATED + 1: 106, "dropped": (0, q.DROPS)}),
    ],
    **{f"how long ago a best price fell, whatever became of it, {after} ns": [
        (0, (q.CANCEL_AT_BEST, 1, BID, 5, 98 + ASK), {}),
        (after, (BID, ASK), {"fell": (class_, q.FELL - 1)}),  # back already
        (after, (q.MARKET, -1, BID, 5, 98 + ASK), {"fell": (0, q.FELL - 1)}),
    ] for after, class_ in FALLS},
    **{f"whether the last market order moved the mid, {side}": [
        (0, (q.MARKET, side, ASK, 5, BID + ASK + 2 * side), {q.TRADE_MOVED: 1}),
        (0, (q.CANCEL_AT_BEST, side, ASK, 5, BID + ASK), {q.TRADE_MOVED: 1}),  # no market order: it is not asked
        (0, (q.MARKET, side, ASK, 2, BID + ASK), {q.TRADE_MOVED: 0}),
    ] for side in (1, -1)},
    # new at 101; again at 101; at 103 after the ask has lost it; and the age and cause of what fell
    "where a price in the spread comes from": [
        (0, (BID, ASK), {"again": (-1, -1), "lost": (-1, -1)}),
        (0, (q.LIMIT_IN_SPREAD, 1, 101, 7, 101 + ASK), {q.ORIGIN: 0, q.MADE: 101, q.MADE_LOTS: 7}),
        (S, (101, ASK), {}), (S, (q.CANCEL_AT_BEST, 1, 101, 7, BID + ASK), {}),
        # by a cancel, .05 s ago: the third age
        (S + S // 20, (BID, ASK), {"again": (q.AGAINS + 2, -1), "lost": ((q.FELL + 1) * q.DROPS, -1),
                                   "lost price": (101, ASK)}),
        (S + S // 20, (q.LIMIT_IN_SPREAD, 1, 101, 7, 101 + ASK), {q.ORIGIN: 1}),
        (2 * S, (101, ASK), {"young": (1 + q.YOUNG + 1, 0)}),
        (2 * S, (q.MARKET, 1, ASK, 5, 101 + 106), {}),
        (2 * S, (101, 106), {"again": (q.AGAINS + 5, 0), "lost": (-1, 1), "lost price": (101, ASK)}),
        (2 * S, (q.LIMIT_IN_SPREAD, 1, ASK, 5, ASK + 106), {q.ORIGIN: 2}),
        (40 * S, (ASK, 106), {"again": (-1, -1)}),
    ],
}  # fmt: skip
"""In turn a time, an event (kind, side, price, lots, twice the mid after it) or best prices that are seen, and what memory
says then; the first market seen is that of 100 and 103 at 0."""


@pytest.mark.parametrize("story", STORIES)
def test_what_is_remembered_by_hand(story: str) -> None:
    k = seen(0)
    for now, what, expected in STORIES[story]:
        if len(what) == 2:
            seen(now, *what, k)
        else:
            record_event(k, now, *what)
        told = says(k, now)
        assert {
            name: told.get(name, k[name] if isinstance(name, int) else None) for name in expected
        } == expected, what


def test_the_fast_mean_of_the_mid_goes_along_with_market_orders_alone() -> None:
    """What others do to the mid is a displacement that decays; what a market order does is not."""
    k = seen(0)
    put_real(k, q.MEAN_SLOW, 200.0)
    put_real(k, q.MEAN_FAST, 202.5)
    record_event(k, 0, q.MARKET, 1, ASK, 5, BID + 107)
    assert (real(k, q.MEAN_SLOW), real(k, q.MEAN_FAST)) == (200.0, 206.5)
    assert k[q.MID] == BID + 107
    for kind, side, mid2 in (
        (q.CANCEL_AT_BEST, 1, 205),
        (q.LIMIT_IN_SPREAD, -1, 203),
        (q.MARKET, -1, 203),
    ):
        record_event(k, 0, kind, side, BID, 5, mid2)
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
        record_event(k, 0, kind, side, ASK - 1, 5, BID + ASK)
    assert real(k, q.TAKERS) == 1.0
    assert real(k, q.PRESSURE) == 1 + 1 - 1 - 1 + 1 - 1 + 1 + 1 - 1
    record_taker(k, 0, 1, ASK - 1)  # what was hidden
    assert k[q.LAST_TRADE] == ASK - 1
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


def test_the_price_of_the_last_trade_is_remembered() -> None:
    """A buyer takes at 103; a hidden execution comes at 101; seen from the bid of 100 and the ask, which goes to 105."""
    k = seen(0)
    record_event(k, 0, q.MARKET, 1, 0, 5, BID + 105)
    seen(S // 1000, BID, 105, k)
    assert k[q.LAST_TRADE] == ASK
    # the bid is three ticks worse than it, the ask two: classes of -3 (the third) and -2; three of five ticks into the spread
    assert (last_class(k, FLOW, 1), last_class(k, FLOW, -1)) == (2, 2)
    assert k[q.I_LAST] == (2 * q.LASTS + 2) * q.AGES
    assert (last_place(k, 1), last_place(k, -1)) == (3, 2)
    assert (lastly(k, FLOW, 1), lastly(k, FLOW, -1)) == (3, 1)  # just now, in the half of the ask
    seen(S, BID, 105, k)
    assert (lastly(k, FLOW, 1), k[q.I_LAST] % q.AGES) == (2, 3)
    record_taker(k, S, -1, 101)
    for bid, ask, places in (
        (100, 105, (1, 4)),
        (101, 105, (1, 4)),
        (102, 105, (0, 5)),
        (98, 100, (5, 0)),
    ):
        seen(S, bid, ask, k)
        assert (last_place(k, 1), last_place(k, -1)) == places
    assert lastly(k, FLOW, 1) == lastly(k, FLOW, -1) == 0
