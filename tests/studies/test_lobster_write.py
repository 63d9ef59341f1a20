"""Tape as LOBSTER rows: what was imported comes out again, and a simulated day is seen through a window of levels."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from tests.lobster_files import history, operations

from certify.kits.feed import read_all
from studies.fills.lobster_write import as_shown
from studies.realism.lobster_rows import DIRECTION, ID, PRICE, SIZE, TYPE, as_lobster
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.feeds.lobster_csv import read_orderbook
from tercel.feeds.members import members
from tercel.feeds.verify_orderbook import verify_against
from tercel.market.flow import load
from tercel.market.simulator.days import simulated_day, simulated_session
from tercel.market.tape import Instrument
from tercel.market.tape.local_times import midnight_ns
from tercel.market.tape.schema import OFF_TICK, OPENING, ROLL_IN


@given(operations, st.integers(1, 4))
def test_what_was_imported_comes_out_again(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
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


@given(operations, st.integers(1, 4))
def test_a_whole_tape_through_a_window_is_the_tape_of_its_file(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
    """The full book of the history, cut to some levels, is what the importer makes of the file of as many."""
    played = [row for row in played if row[0] != 6]  # crosses are no messages of a window
    whole, cut = history(played, 40), history(played, levels)
    assume(cut.messages)
    with TemporaryDirectory() as folder:
        (deep,) = read_all(
            LobsterFeed(), whole.write(Path(folder) / "whole"), FeedOptions(tick=0.01)
        )
        (wanted,) = read_all(LobsterFeed(), cut.write(Path(folder) / "cut"), FeedOptions(tick=0.01))
    assume(
        whole.messages[0] == cut.messages[0]
    )  # the first row of a window is shown whatever it changes
    instrument, events = as_shown(deep.instrument, deep.events, levels)
    wanted.events.flags[:] &= ~np.uint8(OFF_TICK)
    for got, want in zip(
        events.columns()[2:], wanted.events.columns()[2:], strict=True
    ):  # a history's clock stands
        np.testing.assert_array_equal(got, want)  # still where it shows nothing
    assert (instrument.levels, instrument.lot, instrument.rows) == (levels, 1, wanted.events.n)


@pytest.mark.parametrize("levels", [1, 5])
def test_a_simulated_session_through_a_window_is_explained_by_it(
    levels: int, tmp_path: Path
) -> None:
    preset = load("amzn")
    opening = midnight_ns("2012-06-21", "America/New_York") + 34_200 * NS_PER_SECOND
    whole = Instrument(
        "TEST", "SIM", "2012-06-21", preset.tick, lot=preset.lot, session_open_ns=opening,
        session_close_ns=opening + 300 * NS_PER_SECOND,
    )  # fmt: skip
    session_events = simulated_session(preset, 3, 300.0, opening)
    instrument, events = as_shown(whole, session_events, levels)
    _, book = as_lobster(whole, session_events, levels)
    path = tmp_path / f"SIM_2012-06-21_34200000_57600000_orderbook_{levels}.csv"
    np.savetxt(path, book, fmt="%d", delimiter=",")
    found = verify_against(instrument, events, path)
    assert found["explained"]
    assert found["rows"] == len(book) > 100
    assert (events.kind == ROLL_IN).sum() > (events.flags & OPENING > 0).sum()
