"""Tapes of orders reduced to level totals, and queue models beside the true queue."""

from dataclasses import replace

import numpy as np
import pytest

from certify.kits.feed import read_all
from studies.tape.queue_study import EXACT, TOUCH, compare_queues
from studies.tape.to_levels import to_levels
from tercel.core.errors import TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.market.book import Book
from tercel.market.tape.schema import EXECUTE, LEVEL_SET, MESSAGE_END, TRADE

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def amzn(shared_data):
    """The first hour of a real day of five levels."""
    zips = sorted((shared_data / "lobster-zips-20120621").glob("*AMZN*5*"))
    (day,) = read_all(LobsterFeed(), zips, FeedOptions())
    close = day.instrument.session_open_ns + 3600 * NS_PER_SECOND
    events = day.events.slice(0, int(np.searchsorted(day.events.exch_ns, close)))
    return replace(day.instrument, session_close_ns=close), events


def test_totals_rebuild_the_book_of_orders(amzn):
    """After every message both books show the same levels; prints carry the executed lots."""
    instrument, orders = amzn
    orders = orders.slice(0, 6000)
    shown, levels = to_levels(instrument, orders)
    by_order, by_level = Book(own=0), Book(own=0)
    ends = np.flatnonzero(levels.flags & MESSAGE_END)
    at = 0
    start = 0
    for stop in ends[::7].tolist():
        by_level.apply(levels, start, stop + 1)
        start = stop + 1
        last = int(np.searchsorted(orders.seq, levels.seq[stop], side="right"))
        by_order.apply(orders, at, last)
        at = last
        for side in (1, -1):
            a, b = by_order.depth(side, 6), by_level.depth(side, 6)
            assert (a[0] == b[0]).all()
            assert (a[1] == b[1]).all()
    executed = orders.qty_lots[orders.kind == EXECUTE].sum()
    assert levels.qty_lots[levels.kind == TRADE].sum() == executed
    assert shown.rows == levels.n
    with pytest.raises(TapeError, match="single orders"):
        to_levels(instrument, levels)
    assert (levels.kind == LEVEL_SET).any()


def test_a_handful_of_events_is_refused(amzn):
    instrument, orders = amzn
    with pytest.raises(TapeError, match="at least 500 events"):
        compare_queues(instrument, orders.slice(0, 3))


def test_models_lie_between_the_cautious_one_and_touch(amzn):
    orders, rows = compare_queues(
        *amzn, wait_s=10.0, lots=10, models=("risk_averse", "power_prob:2", "log_prob")
    )
    by = {row.model: row for row in rows}
    assert orders > 500
    assert by[EXACT].agree == 1.0
    assert by[EXACT].mean_abs_error_s == 0.0
    assert by["risk_averse"].filled <= by["power_prob:2"].filled <= by[TOUCH].filled
    assert by["risk_averse"].filled <= by["log_prob"].filled
    assert (
        by[TOUCH].filled > by[EXACT].filled + 0.02
    )  # what a backtest without queues grants too much
    for model in ("risk_averse", "power_prob:2", "log_prob"):
        assert by[model].agree > by[TOUCH].agree
