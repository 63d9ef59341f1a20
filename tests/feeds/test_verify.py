"""Verification: true tapes pass, one flipped number never does; on generated histories and on the real sets."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from tests.lobster_files import EMPTY, history, lines, operations

from certify.kits.feed import read_all
from tercel.core.errors import FeedError, TapeError
from tercel.feeds import FeedOptions, Imported, LobsterFeed
from tercel.feeds.verify import verify_against, verify_alone

SETS = [
    ("lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip", 57_515, 1),
    ("lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", 155_935, 5),
    ("lobster-zips-20120621/LOBSTER_SampleFile_GOOG_2012-06-21_1.zip", 49_482, 1),
    ("lobster-zips-20120621/LOBSTER_SampleFile_GOOG_2012-06-21_5.zip", 112_673, 5),
    ("lobster-L10-AAPL-excerpt", 999, 10),
]


def only(paths: list[Path], **options: object) -> Imported:
    (day,) = read_all(LobsterFeed(), paths, FeedOptions(**options))  # type: ignore[arg-type]
    return day


@given(operations, st.integers(1, 4))
def test_a_true_tape_is_explained(
    played: list[tuple[int, int, int, int, int]], levels: int
) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        messages, book = made.write(Path(folder))
        day = only([messages, book])
        found = verify_against(day.instrument, day.events, book)
    rows = len(made.rows)
    assert found["explained"]
    assert found["unexplained_touch"] == 0
    assert found["by_message"] + found["by_roll_in"] == rows - 1 == found["matched_by_level"][-1]
    assert verify_alone(day.events)["rows"] == rows
    json.dumps(found, allow_nan=False)


@given(
    operations,
    st.integers(1, 4),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from([1, -1, 7, "sign"]),
)
def test_one_flipped_size_anywhere_fails(
    played: list[tuple[int, int, int, int, int]],
    levels: int,
    row: int,
    column: int,
    change: int | str,
) -> None:
    made = history(played, levels)
    assume(made.messages)
    with TemporaryDirectory() as folder:
        messages, book = made.write(Path(folder))
        day = only([messages, book])
        row, column = row % len(made.rows), column % (2 * levels) * 2 + 1
        before = made.rows[row][column]
        made.rows[row][column] = (
            -before - (before == 0) if change == "sign" else before + int(change)
        )
        book.write_text(lines(made.rows))
        found = verify_against(day.instrument, day.events, book)
    assert not found["explained"]
    assert found["first_mismatch"]["row"] == row + 1
    assert found["first_mismatch"]["level"] == column // 4 + 1


def test_a_tape_made_from_a_flipped_file_fails_against_it(tmp_path: Path) -> None:
    made = history([(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2)] * 10, 2)
    for level_and_side in (1, 3, 5, 7):
        made.rows[9][level_and_side] += 1
        messages, book = made.write(tmp_path)
        day = only([messages, book])
        assert day.warnings
        found = verify_against(day.instrument, day.events, book)
        assert found["illegal_rolls"] > 0
        assert (found["unexplained_touch"] > 0) == (level_and_side < 4), "level 1 is the touch"
        assert found["first_mismatch"] is None
        assert not found["explained"]
        made.rows[9][level_and_side] -= 1


def test_a_price_moved_off_the_tick_fails(tmp_path: Path) -> None:
    made = history([(1, 1, 1, 100, 0), (1, -1, 2, 50, 1)] * 10, 2)
    messages, book = made.write(tmp_path)
    day = only([messages, book])
    assert made.rows[4][4] != EMPTY[-1]
    made.rows[4][4] -= 1  # still the same tick when rounded away from the touch
    book.write_text(lines(made.rows))
    assert verify_against(day.instrument, day.events, book)["matched_by_level"] == [19, 18]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    made = history([(1, 1, 1, 100, 0), (1, -1, 2, 50, 1)] * 4, 2)
    messages, book = made.write(tmp_path)
    day = only([messages, book])
    with pytest.raises(TapeError, match="levels"):
        verify_against(only([messages]).instrument, day.events, book)
    book.write_text(lines(made.rows[:-1]))
    with pytest.raises(FeedError, match="8 rows of 2 levels"):
        verify_against(day.instrument, day.events, book)
    with pytest.raises(FeedError, match="does not exist"):
        verify_against(day.instrument, day.events, tmp_path / "none.csv")


@pytest.mark.parametrize(("name", "rows", "levels"), SETS)
def test_real_days_are_explained_whole(
    shared_data: Path, name: str, rows: int, levels: int
) -> None:
    day = only([shared_data / name])
    found = verify_against(day.instrument, day.events, shared_data / name)
    assert day.warnings == ()
    assert (found["rows"], found["levels"]) == (rows, levels)
    assert found["unexplained_touch"] == 0
    assert found["by_message"] + found["by_roll_in"] == rows - 1
    assert levels == 1 or found["by_message"] == rows - 1
    assert found["matched_by_level"] == [rows - 1] * levels
    assert found["explained"]


@pytest.mark.parametrize(
    ("name", "days", "rows", "unknown"),
    [("CSCO_2003", 10, 1_035_672, 1931), ("IBM_2003-01_02", 33, 1_927_699, 268)],
)
def test_real_full_depth_days_never_cross(
    shared_data: Path, name: str, days: int, rows: int, unknown: int
) -> None:
    path = shared_data / "nasdaq-2003-L1-messages" / f"{name}_message_1.tar.zst"
    total = np.zeros(2, np.int64)
    count = 0
    with LobsterFeed().days([path], FeedOptions(tick=0.01)) as found:
        for day in found:
            imported = day.read()
            seen = verify_alone(imported.events)
            assert seen["crossed"] == 0
            assert imported.instrument.off_tick_rows > 0
            total += seen["rows"], seen["unknown_ids"]
            count += 1
    assert count == days
    assert total.tolist() == [rows, unknown]
