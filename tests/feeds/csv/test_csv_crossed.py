"""A depth feed that loses the rows which take levels away: counted, named, uncrossed, and refused before a replay."""

import random

import pytest

from certify.kits.feed import read_all
from tercel.core.errors import TapeError
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.csv_map import parse_map
from tercel.feeds.verify import verify_alone
from tercel.market.feed import FeedOptions
from tercel.market.impact.fitted import tape_law
from tercel.market.simulator.source import replay
from tercel.market.tape import Lake, schema, validate
from tercel.market.tape.compiled import crossings

MAP = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
[file.%s]
[clean]
uncross = %s
"""
LEVEL = 'level]\nside = "s"\nprice = "p"\nsize = "q"\n[file.rows'
ORDER = 'order]\nid = "i"\naction = "k"\nside = "s"\nprice = "p"\nsize = "q"\nadd = "A"\ndelete = "D"\n[file.rows'


def depth_feed(steps=1500, seed=0):
    """Rows (ms, side, tick, lots) of five levels a side about a mid that walks, and where a sweep takes levels away.

    Every step is a moment: levels that go, then those that come.
    """
    rng = random.Random(seed)
    book, rows, sweeps = {}, [], []
    mid = 1000
    for ms in range(steps):
        mid += rng.choice([-1, 0, 0, 1, 3])
        wanted = {(s, mid - s * n) for s in (1, -1) for n in range(1, 6)}
        gone = [(ms, *level, 0) for level in sorted(set(book) - wanted)]
        asks = [row for row in gone if row[1] < 0 and row[2] <= mid]
        if len(asks) == 3:
            sweeps.append((len(rows), asks))
        rows += gone
        for level in sorted(wanted):
            lots = book.get(level, 0) if level in book and rng.random() < 0.7 else rng.randint(1, 9)
            if book.get(level) != lots:
                rows.append((ms, *level, lots))
            book[level] = lots
        book = {level: lots for level, lots in book.items() if level in wanted}
    return rows, sweeps


def written(rows, folder):
    path = folder / "abc_20240105.csv"
    path.write_text(
        "\n".join(["t,s,p,q", *(f"{ms},{s},{tick / 100:.2f},{lots}" for ms, s, tick, lots in rows)])
        + "\n"
    )
    return path


def imported(path, uncross="false", what=LEVEL):
    (day,) = read_all(CsvFeed(parse_map(MAP % (what, uncross))), [path], FeedOptions())
    return day


@pytest.fixture(scope="module")
def lossy():
    """The feed, and the feed without the zeros of the first sweep after which the price stays above for long."""
    rows, sweeps = depth_feed()
    _, lost = sweeps[0]
    return rows, [row for row in rows if row not in lost]


def test_a_whole_feed_is_not_crossed(tmp_path, lossy):
    assert len(lossy[0]) - len(lossy[1]) == 3
    for uncross in ("false", "true"):
        day = imported(written(lossy[0], tmp_path), uncross)
        assert (day.instrument.extra["crossed_states"], day.instrument.extra["locked_states"]) == (
            0,
            0,
        )
        assert day.warnings == ()


def test_lost_rows_are_counted_and_named_and_the_tape_is_not_replayed(tmp_path, lossy):
    day = imported(written(lossy[1], tmp_path))
    extra = day.instrument.extra
    assert extra["crossed_states"] > 0.9 * extra["states"]
    assert any(
        f"{extra['crossed_states']:,} of {extra['states']:,} states are crossed" in said
        for said in day.warnings
    )
    cause = verify_alone(day.events)["likely_cause"]
    assert cause.startswith(
        f"updates lost in the feed: {extra['crossed_states']:,} states cross 1 levels"
    )
    lake = Lake(tmp_path / "lake")
    lake.write(day.instrument, day.events)
    row = int(crossings(day.events)[2][0])
    with pytest.raises(
        TapeError, match=rf"the first after row {row} at 00:00:00: a bid of \d+ ticks"
    ) as refused:
        replay(lake, "ABC", ["2024-01-05"])
    assert "uncross = true" in refused.value.remedy
    with pytest.raises(
        TapeError, match=f"the first after row {row} "
    ):  # what an evaluation asks first
        tape_law([lake.read("ABC", "2024-01-05")], "square_root")


def test_what_a_better_level_passes_is_dropped_and_the_book_is_the_true_one(tmp_path, lossy):
    path = written(lossy[1], tmp_path)
    day, true = imported(path, "true"), imported(written(lossy[0], tmp_path))
    assert day.instrument.extra["crossed_states"] == 0
    assert day.warnings == ("cleaning took 3 levels that the other side passed",)
    validate(day.events, day.instrument)
    ours, whole = touches(day), touches(true)
    assert ours.keys() == whole.keys()
    assert sum(ours[ns] != whole[ns] for ns in whole) < 0.005 * len(
        whole
    )  # until a bid reaches the lost level
    lake = Lake(tmp_path / "lake")
    lake.write(day.instrument, day.events)
    replay(lake, "ABC", ["2024-01-05"])


def touches(day):
    """Best bid and ask at the end of each moment."""
    quotes, states, _ = crossings(day.events)
    return {int(day.events.exch_ns[row]): tuple(quotes[row].tolist()) for row in states}


def test_orders_that_the_other_side_passes_are_dropped(tmp_path):
    path = tmp_path / "abc_20240105.csv"
    rows = [
        "t,i,k,s,p,q",
        "0,1,A,B,1.00,5",
        "0,2,A,S,1.02,4",
        "0,3,A,S,1.03,4",
        "1,4,A,B,1.02,2",
        "2,5,A,S,1.04,1",
    ]
    path.write_text("\n".join(rows) + "\n")
    day = imported(path, "false", ORDER)
    assert (day.instrument.extra["crossed_states"], day.instrument.extra["locked_states"]) == (0, 2)
    e = imported(path, "true", ORDER).events
    assert (e.kind[3], e.order_id[3], e.side[3], e.price_ticks[3], e.qty_lots[3]) == (
        schema.DELETE,
        2,
        -1,
        102,
        4,
    )
    assert e.order_id.tolist() == [1, 2, 3, 2, 4, 5]
    assert e.seq.tolist() == [1, 2, 3, 4, 4, 5]
