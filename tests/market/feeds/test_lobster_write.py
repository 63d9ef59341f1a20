"""Tape as LOBSTER rows: what was imported comes out again, and a simulated day is seen through a window of levels."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.lobster_files import history, operations

from tercel.market.feeds import FeedOptions, LobsterFeed
from tercel.market.feeds.lobster_csv import read_orderbook
from tercel.market.feeds.lobster_write import DIRECTION, ID, PRICE, SIZE, TYPE, as_lobster
from tercel.market.feeds.members import members
from tercel.market.flow import load
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument
from tercel.testing.feed import read_all


@given(operations, st.integers(1, 4))
def test_what_was_imported_comes_out_again(played: list[tuple[int, int, int, int, int]], levels: int) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        (day,) = read_all(LobsterFeed(), made.write(Path(folder)), FeedOptions())
    messages, book = as_lobster(day.instrument, day.events, levels)
    kept = [(m[1:], row) for m, row in zip(made.messages, made.rows, strict=True) if m[1] != 6]
    assert book.tolist() == [row for _, row in kept]
    assert messages[:, [TYPE, ID, SIZE, DIRECTION]].tolist() == [[*m[:3], m[4]] for m, _ in kept]
    shown = messages[:, TYPE] != 5  # hidden prices lie between ticks
    assert messages[shown, PRICE].tolist() == [m[3] for m, _ in kept if m[0] != 5]


def test_a_recorded_excerpt_comes_out_again(shared_data: Path) -> None:
    folder = shared_data / "lobster-L10-AAPL-excerpt"
    (day,) = read_all(LobsterFeed(), [folder], FeedOptions())
    messages, book = as_lobster(day.instrument, day.events, 10)
    with members([next(folder.glob("*orderbook*"))]) as found:
        wanted = read_orderbook(found[0]).T
    assert book.tolist() == np.asarray(wanted).tolist()
    assert len(messages) == len(book)


@pytest.mark.parametrize("levels", [1, 5])
def test_a_window_shows_what_changes_it_and_nothing_else(levels: int) -> None:
    preset = load("csco-santa-fe")
    events = simulated_day(preset, seed=3, seconds=300.0, warmup_s=0.0)
    instrument = Instrument("TEST", "SIM", "2003-01-13", preset.tick, lot=preset.lot)
    messages, book = as_lobster(instrument, events, levels)
    deep, whole = as_lobster(instrument, events, 10)
    assert len(messages) < len(deep)
    assert (book[1:] != book[:-1]).any(axis=1).all()
    shown = whole[:, : 4 * levels]
    changed = np.concatenate(([True], (shown[1:] != shown[:-1]).any(axis=1)))
    assert book.tolist() == shown[changed].tolist()
    assert messages.tolist() == deep[changed].tolist()
