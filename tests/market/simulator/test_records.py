"""The words of a market by name lie where the layout says, and nowhere else."""

import numpy as np
import pytest

from tercel.core.jit import Longs, kernel
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory_record import MEMORY, memory_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import (
    STATE,
    command_at,
    fill_at,
    recorded_at,
    row_at,
    state_at,
)

TALLIES = ("events", "bought", "sold", "ofi", "variance", "mid2")


def place_of(name: str) -> int:
    """Where the layout has a word of the state."""
    group, _, tally = name.partition("_")
    if group in ("seen", "arrived") and tally in TALLIES:
        return getattr(sim, group.upper()) + TALLIES.index(tally)
    return (
        sim.BACKGROUND + sim.MID2 - sim.EVENTS
        if name == "background_mid2"
        else getattr(sim, name.upper())
    )


@pytest.mark.parametrize(
    ("record", "place"), [(STATE, place_of), (MEMORY, lambda name: getattr(q, name.upper()))]
)
def test_every_name_is_one_word_where_the_layout_has_it(record, place):
    places = [offset for _, offset in record.fields.values()]
    assert places == [8 * place(name) for name in record.names]
    assert len(set(places)) == len(places)
    assert {kind.str for kind, _ in record.fields.values()} == {"<i8", "<f8"}


@kernel
def write_all(k: Longs) -> None:
    s = state_at(k)
    s.now = 11
    s.seen_mid2 += 12
    s.pace_factor = 0.1
    memory_at(k).mean_fast = -2.5
    row_at(k, sim.GRID).touch2 = 13
    recorded_at(k, 5).kind = 14  # the record has three rows
    command_at(k, sim.COMMAND_SLOTS + 2).price = 15
    fill_at(k, 1).forced = 16


def test_kernels_write_the_words_of_the_array():
    k = sim.extend(np.zeros(sim.GRID, np.int64), 4, record_rows=3, log_rows=2)
    write_all(k)
    written = {
        sim.NOW: 11,
        sim.SEEN + 5: 12,
        sim.PACE_FACTOR: np.float64(0.1).view(np.int64),
        q.MEAN_FAST: np.float64(-2.5).view(np.int64),
        sim.GRID + sim.R_TOUCH2: 13,
        k[sim.RECORD_AT] + 2 * sim.RECORD_WORDS + sim.R_KIND: 14,
        sim.COMMANDS + 2 * sim.COMMAND + sim.AT_PRICE: 15,
        k[sim.LOG_AT] + 2 * sim.FILL_WORDS - 1: 16,
    }
    expected = sim.extend(np.zeros(sim.GRID, np.int64), 4, record_rows=3, log_rows=2)
    expected[list(written)] = list(written.values())
    assert k.tolist() == expected.tolist()
