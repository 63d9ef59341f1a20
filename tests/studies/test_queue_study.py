"""Tapes of orders reduced to level totals, and queue models beside the true queue."""

from dataclasses import replace

import numpy as np
import pytest

from certify.kits.feed import read_all
from studies.tape.queue_study import EXACT, TOUCH, compare_queues
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import FeedOptions, LobsterFeed

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def amzn(shared_data):
    """The first hour of a real day of five levels."""
    zips = sorted((shared_data / "lobster-zips-20120621").glob("*AMZN*5*"))
    (day,) = read_all(LobsterFeed(), zips, FeedOptions())
    close = day.instrument.session_open_ns + 3600 * NS_PER_SECOND
    events = day.events.slice(0, int(np.searchsorted(day.events.exch_ns, close)))
    return replace(day.instrument, session_close_ns=close), events


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
