"""Days left to themselves: what a day says is what its tape says, and bad days are counted."""

from dataclasses import replace

import numpy as np
import pytest

from studies.realism.sanity import LONG_EMPTY_S, FreeDay, free_day, summary
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import load
from tercel.market.simulator.days import simulated_day
from tercel.market.tape.schema import EXECUTE


def test_a_free_day_is_the_tape_of_its_seed() -> None:
    """Volume and events, counted by the market, are those of the same day written as tape."""
    preset = load("amzn-santa-fe")
    day = free_day(preset, 3, seconds=900, warmup_s=600)
    events = simulated_day(preset, 3, 900.0, 600.0, from_s=900.0)
    late = events.exch_ns > 600 * NS_PER_SECOND
    assert day.events == int(np.count_nonzero(late))
    assert day.volume == int(events.qty_lots[late & (events.kind == EXECUTE)].sum())
    assert day == free_day(preset, 3, seconds=900, warmup_s=600)
    assert day != free_day(preset, 4, seconds=900, warmup_s=600)


def test_bad_days_are_counted() -> None:
    preset = load("csco-santa-fe")
    sd = preset.sd60_ticks
    good = FreeDay(1, 1.0, 1.0, sd, 1.0, preset.mean_spread_ticks, 5.0, sd, 0, 1000, 5000, 0)
    assert summary(preset, [good, good]).passed
    for bad in (
        replace(good, farthest=1e6),
        replace(good, longest_empty_s=LONG_EMPTY_S + 1),
        replace(good, overflow=1),
        replace(good, sd60=2.0 * sd),
    ):
        assert not summary(preset, [good, bad]).passed
    assert summary(preset, [good, replace(good, sd60=1.3 * sd)]).within_share == pytest.approx(0.5)
