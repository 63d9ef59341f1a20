"""Days of a small market whose law is known: what is scored is what they were made by."""

from dataclasses import replace

import pytest

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import load
from tercel.market.flow.port import Preset
from tercel.market.score.scored_days import Day
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument
from tercel.market.tape.local_times import midnight_ns

HOURS = 2
WARM_S = 600.0


@pytest.fixture(scope="session")
def truth() -> Preset:
    return load("csco-santa-fe")


def day_of(preset: Preset, date: str, seed: int, hours: float = HOURS) -> Day:
    """A simulated day as a recorded one: its session opens when the warm-up ends."""
    seconds = hours * 3600.0
    events = simulated_day(preset, seed, seconds, WARM_S)
    opening = midnight_ns(date, "America/New_York") + 34_200 * NS_PER_SECOND
    at = events.exch_ns + opening - int(WARM_S) * NS_PER_SECOND
    instrument = Instrument(
        preset.venue, preset.symbol, date, preset.tick, lot=preset.lot,
        session_open_ns=opening, session_close_ns=opening + int(seconds) * NS_PER_SECOND,
    )  # fmt: skip
    return Day(instrument, replace(events, exch_ns=at, recv_ns=at))


@pytest.fixture(scope="session")
def days(truth: Preset) -> list[Day]:
    return [day_of(truth, f"2003-01-{13 + i}", 50 + i) for i in range(3)]
