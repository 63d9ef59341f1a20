"""Transaction cost analysis against loops over plain Python numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of

from tercel.core.errors import DataError
from tercel.core.venue_rules import TradingWindow, VenueRules
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.tca.measure import ParentFacts, fees_of, measure, without_own
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.desk.trading.tca.shortfall import Shortfall, by_filled


def facts(**changes: object) -> ParentFacts:
    plain = {
        "parent": "p1",
        "instrument": "A",
        "agent": "peg",
        "side": 1,
        "quantity": 30,
        "start_ns": 10 * S,
        "end_ns": 40 * S,
        "arrival_mid2": 2001,
        "fills": np.array(
            [[12 * S, 1001, 10, 2001, 2002, 0, 0], [20 * S, 999, 10, 2003, 1998, 1, 0]]
        ),
        "mid_ns": np.array([10 * S, 15 * S, 30 * S, 95 * S]),
        "mid2": np.array([2001, 2003, 2007, 2005]),
        "trade_price": np.array([1000, 1002]),
        "trade_lots": np.array([5, 15]),
    }
    return ParentFacts(**(plain | changes))


def test_fees_are_a_part() -> None:
    """A rebate of 0.2 half ticks a lot on what rested, 0.6 on what was taken: 10 lots each."""
    words = (-20_000_000, 60_000_000, 0, 0)
    charged = fees_of(facts().fills, words)
    assert charged == 4
    free, cost = measure(facts()), measure(facts(fees=charged))
    assert cost.fees_bps == pytest.approx(4 * 1e4 / (2001 * 20))
    assert cost.is_bps == pytest.approx(free.is_bps + cost.fees_bps)
    assert fees_of(facts().fills, (0, 0, 0, 50_000)) == round(10 * 2 * 1001 * 0.0005)


def test_a_break_weighs_nothing_in_the_time_weighted_mid() -> None:
    """Second by second: the mids of those in which the market is open."""
    windows = (TradingWindow(0, 18 * S, False), TradingWindow(25 * S, 60 * S, True))
    cost = measure(facts(hours=VenueRules(windows)))
    mids = [2001 if t < 15 else 2003 if t < 30 else 2007 for t in range(10, 40) if not 18 <= t < 25]
    assert cost.twap_bps == pytest.approx((1000 - sum(mids) / len(mids) / 2) * 2e4 / 2001)
    closed = measure(facts(hours=VenueRules((TradingWindow(60 * S, 90 * S, True),))))
    assert closed.twap_bps == pytest.approx((1000 - 2001 / 2) * 2e4 / 2001)


def test_every_part_by_hand() -> None:
    cost = measure(facts())
    unit = 1e4 / (2001 * 20)
    assert (cost.filled, cost.unfilled, cost.refused) == (20, 10, 0)
    assert cost.is_bps == pytest.approx(((2002 - 2001) * 10 + (1998 - 2001) * 10) * unit)
    assert cost.spread_bps == pytest.approx(((2002 - 2001) * 10 + (1998 - 2003) * 10) * unit)
    assert cost.timing_bps == pytest.approx((2003 - 2001) * 10 * unit)
    assert cost.walk_bps == 0
    assert cost.spread_bps + cost.walk_bps + cost.timing_bps + cost.forced_bps == pytest.approx(
        cost.is_bps
    )
    assert cost.opportunity_bps == pytest.approx((2007 - 2001) / 2001 * 1e4)
    assert cost.sums == {
        "spread": -40,
        "walk": 0,
        "timing": 20,
        "forced": 0,
        "fees": 0,
        "fills": -20,
        "opportunity": 60,
        "refusal": 0,
        "whole": 40,
    }
    vwap = (1001 * 10 + 999 * 10 + 1000 * 5 + 1002 * 15) / 40
    assert cost.vwap_bps == pytest.approx((1000 - vwap) * 2e4 / 2001)
    twap = (2001 * 5 + 2003 * 15 + 2007 * 10) / 30 / 2
    assert cost.twap_bps == pytest.approx((1000 - twap) * 2e4 / 2001)
    assert cost.participation == 0.5
    assert cost.passive_share == 0.5
    assert cost.markouts_bps["1s"] == pytest.approx(0)
    assert cost.markouts_bps["10s"] == pytest.approx(
        ((2003 - 2001) * 10 + (2007 - 2003) * 10) / 20 * 1e4 / 2001
    )


def test_a_markout_that_is_not_known_yet_is_not_made_up() -> None:
    cost = measure(facts(mid_ns=np.array([10 * S, 21 * S]), mid2=np.array([2001, 2003])))
    assert math.isnan(cost.markouts_bps["60s"])
    assert cost.markouts_bps["1s"] == pytest.approx(0)


def test_own_fills_are_taken_out_of_the_tape_once() -> None:
    """The tape has 5 lots at 1001 and 17 at 999, of which 10 at 1001 and 10 at 999 are said to be ours."""
    held = facts(trade_price=np.array([1001, 1002, 999]), trade_lots=np.array([5, 15, 17]))
    assert without_own(held).trade_lots.tolist() == [0, 15, 7]
    assert held.trade_lots.tolist() == [5, 15, 17]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": 10}, "no more lots"),
        ({"refused": 11}, "no more lots"),
        ({"arrival_mid2": 0}, "two sides"),
        ({"mid_ns": np.zeros(0, np.int64), "mid2": np.zeros(0, np.int64)}, "two sides"),
        ({"fills": np.zeros((1, 5), np.int64)}, "7 columns"),
    ],
)
def test_facts_that_make_no_sense_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        measure(facts(**changes))


FILL = st.tuples(
    st.integers(10, 39), st.integers(900, 1100), st.integers(1, 9), st.integers(1900, 2100)
)


@given(st.lists(FILL, max_size=8), st.sampled_from([-1, 1]), st.booleans())
def test_the_parts_add_up_and_sides_mirror(
    fills: list[tuple[int, int, int, int]], side: int, forced: bool
) -> None:
    rows = [
        [ns * S, price, lots, mid2, 2 * price, 1, int(forced)]
        for ns, price, lots, mid2 in sorted(fills)
    ]
    some = facts(fills=np.array(rows, np.int64).reshape(-1, 7), quantity=100, side=side)
    cost = measure(some)
    total = sum(side * (2 * price - 2001) * lots for _, price, lots, _ in fills)
    filled = sum(lots for _, _, lots, _ in fills)
    sums = cost.sums
    assert (
        sum(sums[part] for part in ("spread", "walk", "timing", "forced", "fees"))
        == sums["fills"]
        == total
    )
    assert sums["fills"] + sums["opportunity"] + sums["refusal"] == sums["whole"]
    assert sums["whole"] == total + side * (2007 - 2001) * (100 - filled)
    if filled:
        parts = cost.spread_bps + cost.walk_bps + cost.timing_bps + cost.forced_bps
        assert parts == pytest.approx(cost.is_bps, abs=1e-9)
        assert cost.is_bps == pytest.approx(total * 1e4 / (2001 * filled))


# -- one cost, wherever it is shown -----------------------------------------------------------------------------------


MOST = 999_999
"""More lots than any limit of the desk of two lets out."""


def of(session, kind):
    return [entry for _, entry in session.journal.read(kinds=(kind,))]


def test_lots_that_limits_refuse_are_no_execution_and_do_not_pass_unsaid() -> None:
    """A parent of 999,999 lots whose every order is denied: nothing filled, all refused, and somebody is told."""
    session = session_of(exchange_of())
    recorder = TcaRecorder(session)
    session.manager.accept(asked(lots=MOST, strategy="immediate"))
    session.run_until(session.now_ns + 10 * S)
    assert session.ledger.parents.require("p1").row["reason"] == "refused: ORDER_LOTS"
    session.run(session.now_ns + 400 * S)
    recorder.close()
    parent = session.ledger.parents.require("p1")
    assert (parent.filled, parent.refused, parent.left) == (0, MOST, MOST)
    [analysis] = of(session, kinds.TCA)
    assert analysis.body["filled"] == 0
    assert analysis.body["refused"] == MOST
    assert analysis.body["is_bps"] is None
    assert analysis.body["opportunity_bps"] is None
    assert by_filled([analysis.body]) == (None, None)
    told = [entry for entry in of(session, kinds.ALERT) if entry.parent == "p1"]
    assert any(
        "999,999" in entry.body["text"] and entry.body["code"] == "refused" for entry in told
    )
    [done] = [entry for entry in of(session, kinds.PARENT) if entry.body["event"] == "done"]
    assert done.body["refused"] == MOST
    assert parent.reason == "999,999 of 999,999 lots refused (ORDER_LOTS)"


COUNT = st.integers(0, 10**7)


@given(
    st.sampled_from([-1, 1]),
    COUNT,
    COUNT,
    COUNT,
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    COUNT,
    COUNT,
)
def test_fills_opportunity_and_refusals_are_the_whole(
    side, filled, open_, refused, m0, end, paid2, fees
) -> None:
    cost = Shortfall(side, filled + open_ + refused, filled, refused, m0, end, paid2, fees)
    assert cost.fills + cost.opportunity + cost.refusal == cost.whole
    by_hand = side * (paid2 + end * (open_ + refused) - m0 * (filled + open_ + refused)) + fees
    assert cost.whole == by_hand
    assert math.isnan(cost.is_bps) == (filled == 0)
    assert math.isnan(cost.opportunity_bps) == (open_ == 0)
