"""Verification: true tapes pass, one flipped number never does, each oddity is counted where it is, on every kind of tape."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from tests.feeds.test_lobster import read as only
from tests.lobster_files import EMPTY, history, lines, operations

from tercel.core.errors import FeedError, TapeError
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.feeds.truths import TRUTHS, truth_for
from tercel.feeds.verify import verify_alone
from tercel.feeds.verify_orderbook import verify_against
from tercel.market.tape import Events, Instrument, schema as s

SETS = [
    ("lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip", 57_515, 1),
    ("lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", 155_935, 5),
    ("lobster-zips-20120621/LOBSTER_SampleFile_GOOG_2012-06-21_1.zip", 49_482, 1),
    ("lobster-zips-20120621/LOBSTER_SampleFile_GOOG_2012-06-21_5.zip", 112_673, 5),
    ("lobster-L10-AAPL-excerpt", 999, 10),
]


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
    with LobsterFeed().days([path], FeedOptions(tick=0.01)) as found:
        read = [day.read() for day in found]
    seen = [verify_alone(day.events) for day in read]
    assert len(seen) == days
    assert not any(one["crossed"] for one in seen)
    assert all(day.instrument.off_tick_rows > 0 for day in read)
    assert (sum(one["rows"] for one in seen), sum(one["unknown_ids"] for one in seen)) == (
        rows,
        unknown,
    )


def tape(*rows, seq=None, recv=None):
    """(kind, id, side, price, lots) rows, a message each."""
    n = len(rows)
    kind, order_id, side, price, qty = zip(*rows, strict=True)
    ns = np.arange(1, n + 1) * 1000
    return Events.from_columns(
        {
            "exch_ns": ns, "recv_ns": ns if recv is None else recv, "seq": np.arange(1, n + 1) if seq is None else seq,
            "kind": kind, "order_id": order_id, "side": side, "price_ticks": price, "qty_lots": qty,
            "flags": np.full(n, s.MESSAGE_END),
        }
    )  # fmt: skip


BOOK = ((s.ADD, 1, 1, 100, 5), (s.ADD, 2, -1, 102, 7))


SOUND = (
    *BOOK, (s.EXECUTE, 2, -1, 102, 3), (s.REDUCE, 1, 1, 100, 1), (s.MODIFY, 2, -1, 103, 4), (s.DELETE, 1, 1, 100, 4),
)  # fmt: skip
ODD = (
    *BOOK, (s.ADD, 3, 1, 102, 1), (s.ADD, 4, 1, 103, 1), (s.ADD, 4, 1, 99, 1), (s.DELETE, 3, 1, 102, 1),
    (s.STATUS, 0, 0, -1, 0), (s.EXECUTE, 1, 1, 100, 1), (s.TRADE_HIDDEN, 0, 1, 98, 4), (s.CROSS, -1, 0, 101, 50),
)  # fmt: skip
TOTALS = (
    (s.LEVEL_SET, 0, 1, 100, 5), (s.LEVEL_SET, 0, -1, 102, 7), (s.LEVEL_SET, 0, 1, 100, 5), (s.TRADE, 0, 1, 99, 2),
    (s.TRADE, 0, -1, 102, 2), (s.LEVEL_SET, 0, -1, 102, 5), (s.LEVEL_SET, 0, 1, 98, 0), (s.ROLL_OUT, 0, 1, 100, 0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (tape(*SOUND), {
            "tape": "orders", "rows": 6, "prints": 1, "lots_added": 5 + 7 + 4, "lots_executed": 3, "lots_resting": 4,
            "lots_cancelled": 1 + 4 + 4,  # the modified order leaves its old level
            "lots_unaccounted": 0, "crossed": 0, "locked": 0, "prints_outside_quotes": 0, "executed_behind_best": 0,
            "duplicate_ids": 0, "one_sided": 2,  # before the first ask, after the last bid
        }),
        (tape(*BOOK, (s.EXECUTE, 1, 1, 99, 3)), {"lots_unaccounted": 3, "executed_behind_best": 1}),
        (tape(*ODD), {
            "locked": 2, "crossed": 1, "duplicate_ids": 1, "halts": 1, "executed_not_trading": 1, "hidden_prints": 1,
            "hidden_outside_quotes": 1, "auction_prints": 1, "auction_lots": 50, "lots_unaccounted": 0,
        }),
        (
            tape(*BOOK, (s.ADD, 3, -1, 102, 2), (s.EXECUTE, 3, -1, 102, 2), (s.EXECUTE, 2, -1, 102, 7)),
            {"executed_off_head": 1, "executed_behind_best": 0, "prints": 2},
        ),
        (tape(*TOTALS), {
            "tape": "level totals", "prints": 2, "prints_outside_quotes": 1, "level_repeats": 1, "levels_gone_unknown": 1,
            "lots_added": 12, "lots_cancelled": 2, "lots_hidden_again": 5, "lots_resting": 5, "lots_unaccounted": 0,
            "executed_behind_best": None,
        }),
        (
            tape(*BOOK, (s.CLEAR, 0, 0, 0, 0), (s.ADD, 5, 1, 100, 2)),
            {"lots_cleared": 12, "lots_resting": 2, "lots_unaccounted": 0},
        ),
        (
            tape(*BOOK, (s.DELETE, 1, 1, 100, 5), seq=[1, 2, 7], recv=[1500, 1400, 4000]),
            {"receive_backwards": 1, "received_before_sent": 1, "sequence_gaps": 1, "sequence_missing": 4},
        ),
    ],
    ids=["sound", "another price", "odd", "not the first", "level totals", "cleared", "clocks"],
)  # fmt: skip
def test_each_oddity_is_counted_where_it_is_and_every_lot_accounted_for(made, expected):
    found = verify_alone(made)
    assert {name: found.get(name) for name in expected} == expected


def test_what_crosses_for_a_moment_is_of_several_exchanges_or_of_messages_of_one_moment():
    rows = []
    for n in range(0, 200, 2):  # a bid that comes before the ask at its price has gone
        rows += [
            (s.LEVEL_SET, 0, -1, 102 + n, 5),
            (s.LEVEL_SET, 0, 1, 103 + n, 5),
            (s.LEVEL_SET, 0, -1, 102 + n, 0),
        ]
    apart = tape(*rows)
    assert verify_alone(apart)["likely_cause"].startswith("quotes of several exchanges: 100 levels")
    apart.exch_ns[2::3] = apart.exch_ns[1::3]
    assert verify_alone(apart)["likely_cause"].startswith("one moment in several messages")


def test_a_truth_for_each_feed_and_none_for_others():
    day = Instrument(venue="X", symbol="A", date="2024-01-05", tick=0.01, extra={"feed": "csv"})
    with pytest.raises(TapeError, match="imported as csv"):
        truth_for(day)
    for feed in TRUTHS:
        assert callable(
            truth_for(
                Instrument(
                    venue="X", symbol="A", date="2024-01-05", tick=0.01, extra={"feed": feed}
                )
            )
        )
