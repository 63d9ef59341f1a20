"""Slices of ITCH as CSV with the book after each event: against a plain book, the recorded slice, and bad files."""

import random
from collections import Counter
from pathlib import Path

import pytest

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import FeedError
from tercel.feeds import Feed, FeedOptions, ItchFeed
from tercel.feeds.itch_events import verify_events
from tercel.feeds.verify import verify_alone

COLUMNS = [
    *(
        "event_index",
        "timestamp_ns",
        "message_type",
        "order_id",
        "old_order_id",
        "size",
        "old_size",
        "price",
    ),
    *("old_price", "execution_price", "direction", "stock"),
]
LEVELS = [f"{s}_{w}_{n}" for n in range(1, 11) for s in ("ask", "bid") for w in ("price", "size")]
OPENS_NS = 34_200 * 10**9


def play(seed: int, events: int, levels: int, skip: int, takes: int = 2) -> list[list[object]]:
    """Rows of random events after the first `skip`, prices in cents around 100 dollars over so many levels a side.

    Executions are `takes` of 14 + `takes` events.
    """
    draw = random.Random(seed)
    orders: dict[int, list[int]] = {}
    rows: list[list[object]] = []
    for number in range(events):
        letter = (
            draw.choices("AFXDECU", (6, 1, 1, 3, takes, 1, 2))[0] if number > 8 * levels else "A"
        )
        key = number + 1
        old: list[object] = ["", "", ""]
        paid: object = ""
        if letter in "AF":
            side = draw.choice((1, -1))
            price, size = 10_000 - side * draw.randint(1, levels), 100 * draw.randint(1, 5)
            orders[key] = [side, price, size]
        else:
            key = draw.choice(list(orders))
            side, price, left = orders[key]
            if letter in "EC":  # of the best price and the first in its queue
                best = max(side * o[1] for o in orders.values() if o[0] == side)
                key = next(k for k, o in orders.items() if o[0] == side and side * o[1] == best)
                price, left = orders[key][1:]
            size = left if letter in "DU" or left == 1 else draw.randint(1, left - (letter == "X"))
            orders[key][2] -= size
            if not orders[key][2]:
                del orders[key]
            if letter == "C":
                paid = (price + draw.choice((0, 1))) / 100
            if letter == "U":
                old = [f"{key}.0", f"{float(left)}", price / 100]
                key, price, size = number + 1, 10_000 - side * draw.randint(1, levels), 100
                orders[key] = [side, price, size]
        book = {1: Counter[int](), -1: Counter[int]()}
        for its_side, its_price, left in orders.values():
            book[its_side][its_price] += left
        shown = {s: sorted(book[s].items(), reverse=s > 0)[:10] for s in book}
        cells = [
            value
            for n in range(10)
            for s in (-1, 1)
            for value in (
                (shown[s][n][0] / 100, f"{float(shown[s][n][1])}")
                if n < len(shown[s])
                else ("", "")
            )
        ]
        row = [
            number,
            OPENS_NS + 1000 * number,
            letter,
            key,
            old[0],
            size,
            old[1],
            price / 100,
            old[2],
            paid,
            side,
            "ABC",
        ]
        rows.append([*row, *cells])
    return rows[skip:]


def write(folder: Path, rows: list[list[object]], name: str = "abc_2019-01-30_events.csv") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(
        "\n".join(",".join(map(str, row)) for row in [[*COLUMNS, *LEVELS], *rows]) + "\n"
    )
    return path


class TestSlicesKeepTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return ItchFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return [write(tmp_path / "files", play(0, 160, 6, 100))]


def read(path: Path):  # type: ignore[no-untyped-def]
    (day,) = read_all(ItchFeed(), [path], FeedOptions())
    return day


@pytest.mark.parametrize("seed", range(3))
def test_a_slice_with_its_whole_book_shows_every_recorded_touch(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path, play(seed, 900, 9, 300))
    day = read(path)
    found = verify_events(day.instrument, day.events, path)
    assert found["touch_equal"] == found["rows"] == 600
    assert found["explained"]
    alone = verify_alone(day.events)
    assert (
        alone["unknown_ids"] == alone["lots_unaccounted"] == 0
    )  # the opening blocks hold what came before
    assert "changes are of orders from before the slice, the first in row" in day.warnings[0]


def test_differences_are_orders_of_before_that_rested_deeper(tmp_path: Path) -> None:
    """Of thirty levels ten are recorded; the rest comes to the touch when executions reach it."""
    path = write(tmp_path, play(4, 900, 30, 300, takes=80))
    day = read(path)
    found = verify_events(day.instrument, day.events, path)
    assert found["orders_of_before"] > 20
    assert found["explained"]


def test_a_difference_that_nothing_explains_is_found(tmp_path: Path) -> None:
    rows = play(1, 900, 9, 300)
    day = read(write(tmp_path, rows))
    place = len(COLUMNS) + LEVELS.index("bid_size_1")
    rows[200][place] = float(str(rows[200][place])) + 1
    found = verify_events(day.instrument, day.events, write(tmp_path, rows))
    assert (found["unexplained"], found["touch_equal"], found["explained"]) == (1, 599, False)
    assert found["first_mismatch"]["row"] == 202
    with pytest.raises(FeedError, match="the CSV of 600 events"):
        verify_events(day.instrument, day.events, write(tmp_path, rows[:-1]))


def test_an_executed_price_and_a_replaced_order_are_two_rows_of_one_message(tmp_path: Path) -> None:
    rows = play(1, 900, 9, 300)
    day = read(write(tmp_path, rows))
    letters = Counter(row[2] for row in rows[1:])
    away = sum(row[2] == "C" and row[9] != row[7] for row in rows[1:])
    assert day.events.n == len(rows) - 1 + letters["U"] + away + int((day.events.seq == 0).sum())


REFUSED = {
    "a time in ms": (lambda rows: rows[7].__setitem__(1, 34_200_000), "timestamp_ns.*row 9 of"),
    "an id above 2**63": (
        lambda rows: rows[7].__setitem__(3, 2**63),
        "below 2[*][*]63 as order_id.*row 9 of",
    ),
    "another letter": (lambda rows: rows[7].__setitem__(2, "Z"), "one of A, .*'Z'.*row 9 of"),
    "a replaced order without its old id": (
        lambda rows: next(row for row in rows if row[2] == "U").__setitem__(4, ""),
        "old_order_id, old_size, old_price of a replaced order.*row",
    ),
    "two contents of one number": (
        lambda rows: rows[7].__setitem__(0, rows[6][0]),
        "one content for each.*row",
    ),
    "an unfinished last line": (lambda rows: rows.append(rows[-1][:7]), "column .*, row 102 of"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_with_its_row(tmp_path: Path, what: str) -> None:
    rows = play(2, 300, 9, 200)
    spoil, told = REFUSED[what]
    spoil(rows)
    with pytest.raises(FeedError, match=told):
        read(write(tmp_path, rows))


def test_rows_out_of_order_and_twice_are_put_right(tmp_path: Path) -> None:
    rows = play(2, 300, 9, 200)
    day = read(write(tmp_path, rows))
    mixed = read(write(tmp_path / "b", [*rows[50:], *rows[:60]]))
    assert mixed.events == day.events
    assert "10 rows come again, the first in row" in mixed.warnings[0]


def test_days_are_named_and_files_come_once(tmp_path: Path) -> None:
    rows = play(2, 300, 9, 200)
    path = write(tmp_path, rows)
    with pytest.raises(FeedError, match="one file of ABC on 2019-01-30"):
        read_all(ItchFeed(), [path, write(tmp_path / "again", rows)], FeedOptions())
    plain = write(tmp_path / "c", rows, "events.csv")
    with pytest.raises(FeedError, match="give `date=YYYY-MM-DD`"):
        read_all(ItchFeed(), [plain], FeedOptions())
    for row in rows[::2]:
        row[11] = "XYZ"
    two = read_all(ItchFeed(), [write(tmp_path / "d", rows)], FeedOptions())
    assert [day.instrument.symbol for day in two] == ["ABC", "XYZ"]


def test_the_recorded_slice_is_explained_in_every_difference(shared_data: Path) -> None:
    folder = shared_data / "aapl-itch-20190130"
    if not folder.exists():
        pytest.skip("no ITCH slice")
    day = read(folder)
    found = verify_events(day.instrument, day.events, folder)
    assert (found["rows"], found["touch_equal"], found["orders_of_before"]) == (10_000, 9_048, 952)
    assert found["explained"]
    alone = verify_alone(day.events)
    assert (alone["prints"], alone["hidden_prints"]) == (729, 17)
    assert alone["crossed"] == alone["executed_behind_best"] == alone["lots_unaccounted"] == 0


def test_numbers_left_out_are_told(tmp_path: Path) -> None:
    rows = play(2, 300, 9, 200)
    notes = read(write(tmp_path, rows[:50] + rows[60:])).warnings
    assert "event_index leaves out numbers 1 times, first at row 52" in notes[0]
    assert not any("leaves out" in note for note in read(write(tmp_path / "b", rows)).warnings)
