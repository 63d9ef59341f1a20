"""A tape of levels near the touch as one of whole books: through its window it is the feed's own."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from tests.lobster_files import history, operations

from certify.kits.feed import read_all
from studies.fills.lobster_write import as_shown, rows_shown
from tercel.core.arrays import Ints
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.market.flow.whole_books import whole_book
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Events, Instrument
from tercel.market.tape.schema import ADD, EXECUTE, ROLL_IN, ROLL_OUT


def books(events: Events, levels: int) -> tuple[Ints, Ints]:
    """Times of messages that change the levels shown, and what these are after the last of each time."""
    row, book = rows_shown(events, levels)
    last = np.append(np.diff(events.exch_ns[row]) > 0, True)
    return events.exch_ns[row][last], book[last]


def same_through(window: Instrument, events: Events) -> Events:
    """The whole tape, which shows what the window showed, when the window changed."""
    instrument, whole = whole_book(window, events)
    assert instrument.levels == 0
    (wanted, shown), (times, book) = books(events, window.levels), books(whole, window.levels)
    np.testing.assert_array_equal(book[np.searchsorted(times, wanted, side="right") - 1], shown)
    assert np.isin(times[1:], wanted).all(), (
        "the first is the opening, which is no message of a window"
    )
    return whole


@given(operations, st.integers(1, 4))
def test_any_file_s_levels_are_those_of_the_whole_book(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        (day,) = read_all(LobsterFeed(), made.write(Path(folder)), FeedOptions())
    same_through(day.instrument, day.events)


def test_trades_are_the_tape_s_and_no_order_comes_into_view_that_the_tape_had_not(
    tmp_path: Path,
) -> None:
    lake = simulated_lake(tmp_path, 0.25, ["2003-01-13"], market="amzn")
    shown = as_shown(*lake.read("SIM", "2003-01-13"), 5)
    whole = same_through(*shown)
    assert (shown[1].kind == ROLL_IN).sum() > 1000
    assert not np.isin(whole.kind, (ROLL_IN, ROLL_OUT)).any()
    assert (
        whole.qty_lots[whole.kind == EXECUTE].sum()
        == shown[1].qty_lots[shown[1].kind == EXECUTE].sum()
    )
    again = as_shown(Instrument("TEST", "SIM", "2003-01-13", 0.01), whole, 5)[1]
    for kind in (ADD, EXECUTE):
        seen, wanted = (np.unique(one.exch_ns[one.kind == kind]) for one in (again, shown[1]))
        np.testing.assert_array_equal(seen, wanted)


@pytest.mark.long
@pytest.mark.parametrize("symbol", ["AMZN", "GOOG"])
def test_lobster_s_own_days_are_exact_after_every_message(symbol: str, shared_data: Path) -> None:
    file = shared_data / "lobster-zips-20120621" / f"LOBSTER_SampleFile_{symbol}_2012-06-21_5.zip"
    (day,) = read_all(LobsterFeed(), [file], FeedOptions())
    whole = same_through(day.instrument, day.events)
    assert whole.n > 100_000
