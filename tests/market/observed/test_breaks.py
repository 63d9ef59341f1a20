"""Days with breaks: a stretch is read in its windows of trading, and a market can be calibrated on them."""

from dataclasses import replace

import numpy as np
import pytest

from tercel.core.venue_rules import NO_RULES, VenueRules, windows_of
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import load
from tercel.market.flow.calibrate import blocks
from tercel.market.flow.queue_reactive.calibrate import calibrate
from tercel.market.observed import MARKET, observe, split_at_breaks
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Events, Instrument
from tercel.market.tape.local_times import local_ns
from tercel.market.tape.recorded_rules import recorded_hours

DATE, ZONE = "2023-07-11", "Asia/Shanghai"
OPEN_NS = local_ns(DATE, ZONE, 9 * 3600 + 1800)
LUNCH_NS = 5400 * NS_PER_SECOND


@pytest.fixture(scope="module")
def day() -> tuple[Instrument, Events]:
    """Nearly four hours of one market, of which the second half comes after Shanghai's lunch break."""
    events = simulated_day(load("ibm-santa-fe"), seed=1, seconds=14_220.0, warmup_s=0.0)
    noon = OPEN_NS + 7200 * NS_PER_SECOND
    ns = np.maximum(events.exch_ns + OPEN_NS, OPEN_NS)
    ns = np.where(ns < noon, ns, ns + LUNCH_NS)
    instrument = Instrument(
        "SSE", "600961", DATE, 0.01, lot=100, timezone=ZONE,
        session_open_ns=OPEN_NS, session_close_ns=OPEN_NS + 14_220 * NS_PER_SECOND + LUNCH_NS,
    )  # fmt: skip
    return instrument, replace(events, exch_ns=ns, recv_ns=ns)


def test_a_stretch_is_split_into_its_windows_of_trading(day: tuple[Instrument, Events]) -> None:
    whole = observe(*day)
    parts = split_at_breaks(whole, recorded_hours(day[0]))
    assert [part.seconds for part in parts] == [6300.0, 7020.0]
    assert np.concatenate([part.ns for part in parts]).tolist() == whole.ns.tolist()
    for part in parts:
        assert ((part.ns >= part.start_ns) & (part.ns < part.stop_ns)).all()
        assert len(part.mid2) == part.seconds + 1
    morning = replace(whole, stop_ns=whole.start_ns + 60 * NS_PER_SECOND)
    assert len(split_at_breaks(morning, recorded_hours(day[0]))) == 1


def test_a_day_without_breaks_stays_whole(day: tuple[Instrument, Events]) -> None:
    whole = observe(*day)
    assert split_at_breaks(whole, NO_RULES) == [whole]
    elsewhere = VenueRules(windows_of([(0, 10), (20, 30)]))
    assert split_at_breaks(whole, elsewhere) == [whole]


def test_a_break_is_no_time_of_a_calibration(day: tuple[Instrument, Events]) -> None:
    preset = calibrate([day], name="lunch", date="2030-01-02", tuned=False)
    assert preset.card["seconds"] == 6300.0 + 7020.0
    assert preset.volume_per_s * preset.card["seconds"] == pytest.approx(
        observe(*day).lots[observe(*day).kind == MARKET].sum(), rel=0.2
    )
    minutes = np.array(preset.minutes)
    assert np.isfinite(minutes).all()
    assert (minutes[:, 0] > 0.0).mean() > 0.9, "no minute of a break is drawn"


def test_blocks_of_a_day_lie_in_its_windows_of_trading(day: tuple[Instrument, Events]) -> None:
    parts = blocks(*day, 1800.0)
    assert len(parts) == 6300 // 1800 + 7020 // 1800
    assert all(part.seconds == pytest.approx(1800.0, rel=0.05) for part in parts)
