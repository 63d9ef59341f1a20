"""Clocks of tick files: an hour that comes twice, times that never were, days that begin on the evening before; and depth
feeds that lose the rows which take levels away: counted, named, uncrossed, and refused before a replay.
"""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.feeds.csv.map_text import parse_map

from certify.kits.feed import read_all
from tercel.api.tca.market_day import Calendar
from tercel.core.errors import ConfigError, FeedError, TapeError
from tercel.execution.orders import Order, assign_days
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.verify import verify_alone
from tercel.market.feed import FeedOptions
from tercel.market.impact.fitted import tape_law
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Lake, schema, validate
from tercel.market.tape.crossed import crossings

MAP = """
[instrument]
venue = "X"
tick = 0.01
timezone = "{zone}"
session = {session}
[[file]]
symbol = "y"
[file.time]
column = "t"
unit = "text"
format = "%Y-%m-%dT%H:%M:%S"
{more}
[file.quote]
bid = "b"
ask = "a"
[clean]
wide_spread = 0
outliers = 0
"""
HOUR = timedelta(hours=1)
BACK = {
    "America/Chicago": datetime(2024, 11, 3, 7, tzinfo=UTC),
    "Europe/London": datetime(2024, 10, 27, 1, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2024, 4, 6, 15, tzinfo=UTC),
}


def rising(zone, moments):
    """Rows of a file in local time whose bids rise by a tick each."""
    local = [moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S") for moment in moments]
    return [f"{at},EURUSD,{1 + i / 100:.2f},{1.05 + i / 100:.2f}" for i, at in enumerate(local)]


def days_of(folder, rows, zone, session="[]", more="", options=None, name="ticks.csv", text=MAP):
    (folder / name).write_text("\n".join(["t,y,b,a", *rows]) + "\n")
    feed = CsvFeed(parse_map(text.format(zone=zone, session=session, more=more)))
    return read_all(feed, [folder / name], options or FeedOptions())


def bids(day):
    e = day.events
    set_ = (
        (e.side > 0)
        & (e.qty_lots > 0)
        & ((e.kind == schema.LEVEL_SET) | (e.kind == schema.ROLL_IN))
    )
    return e.exch_ns[set_], e.price_ticks[set_]


@pytest.mark.parametrize("zone", BACK)
@pytest.mark.parametrize("descending", [False, True])
def test_bids_that_only_rise_never_go_down_when_the_clocks_go_back(tmp_path, zone, descending):
    moments = [BACK[zone] + timedelta(minutes=i) for i in range(-120, 150)]
    rows = rising(zone, moments)
    (day,) = days_of(tmp_path, rows[::-1] if descending else rows, zone)
    ns, price = bids(day)
    assert (np.diff(price) > 0).all()
    assert ns.tolist() == [round(moment.timestamp()) * 10**9 for moment in moments]
    if not descending:
        assert not day.warnings or "clock" not in " ".join(day.warnings)


def test_a_pass_that_the_file_does_not_show_is_refused_with_its_row_and_the_map_says_it(tmp_path):
    zone = "America/Chicago"
    second = [BACK[zone] + timedelta(minutes=i) for i in range(5, 150)]
    rows = rising(zone, second)
    with pytest.raises(FeedError, match=r"row 2 of .*ticks\.csv") as refused:
        days_of(tmp_path, rows, zone)
    assert 'repeated_hour = "first"' in refused.value.remedy
    (day,) = days_of(tmp_path, rows, zone, more='repeated_hour = "second"')
    assert day.events.exch_ns[0] == round(second[0].timestamp()) * 10**9
    (day,) = days_of(tmp_path, rows, zone, more='repeated_hour = "first"')
    assert day.events.exch_ns[0] == round((second[0] - HOUR).timestamp()) * 10**9


ISO_MAP = MAP.replace('unit = "text"\nformat = "%Y-%m-%dT%H:%M:%S"\n', "")


@pytest.mark.parametrize("unit", ["", 'unit = "text"', 'unit = "auto"\norigin = "epoch"'])
@pytest.mark.parametrize(
    "cells",
    [
        ("2025-07-17T13:30:00Z", "2025-07-17T13:30:00.123456789Z"),
        ("2025-07-17 13:30:00 UTC", "2025-07-17 13:30:00.123456789 UTC"),
        ("2025-07-17T09:30:00-04:00", "2025-07-17T09:30:00.123456789-04:00"),
    ],
)
def test_iso_times_need_no_format_and_a_date_in_a_name_needs_none(tmp_path, unit, cells):
    text = ISO_MAP.replace('symbol = "y"', r"""name = '(?P<symbol>\w+)_(?P<date>[\d-]+)\.csv'""")
    rows = [f"{at},Q,{1 + i / 100},1.1" for i, at in enumerate(cells)]
    for name in ("eurusd_2025-07-17.csv", "eurusd_20250717.csv"):
        (day,) = days_of(
            tmp_path, rows, "America/New_York", "['09:30', '16:00']", unit, None, name, text
        )
        assert (day.instrument.symbol, day.instrument.date) == ("EURUSD", "2025-07-17")
        first = int(datetime(2025, 7, 17, 13, 30, tzinfo=UTC).timestamp()) * 10**9
        assert bids(day)[0].tolist() == [first, first + 123_456_789]


def test_iso_times_without_a_zone_are_of_the_instruments_clock(tmp_path):
    (day,) = days_of(tmp_path, ["2025-07-17 09:30:00,Q,1,1.1"], "America/New_York", text=ISO_MAP)
    assert bids(day)[0].tolist() == [1_752_759_000 * 10**9]


TRADES = """
[[file]]
symbol = "y"
name = "trades.csv"
[file.time]
column = "t"
[file.trade]
price = "p"
size = "n"
"""


@pytest.mark.parametrize(("clock", "notes"), [("13:30:00", 1), ("09:30:00", 0), ("09:10:00", 0)])
def test_quotes_without_a_zone_hours_from_trades_with_one_are_told(tmp_path, clock, notes):
    """Times of UTC without a word of it would be read as New York's: four hours late."""
    (tmp_path / "trades.csv").write_text("t,y,p,n\n2025-07-17T13:30:01Z,Q,1.05,7\n")
    (tmp_path / "quotes.csv").write_text(f"t,y,b,a\n2025-07-17 {clock},Q,1,1.1\n")
    text = ISO_MAP.replace('symbol = "y"', 'symbol = "y"\nname = "quotes.csv"')
    text = text.replace("[clean]", f"{TRADES}[clean]").format(
        zone="America/New_York", session="[]", more=""
    )
    paths = [tmp_path / name for name in ("quotes.csv", "trades.csv")]
    (day,) = read_all(CsvFeed(parse_map(text)), paths, FeedOptions())
    told = [warning for warning in day.warnings if "name no zone" in warning]
    assert len(told) == notes
    if notes:
        assert "quotes.csv begins at 13:30:00.000" in told[0]
        assert "trades.csv begins at 09:30:01.000 (America/New_York)" in told[0]
        text = text.replace('column = "t"', 'column = "t"\ntimezone = "UTC"', 1)
        (day,) = read_all(CsvFeed(parse_map(text)), paths, FeedOptions())
        assert not [warning for warning in day.warnings if "name no zone" in warning]


def test_iso_times_of_a_unit_that_they_are_not_in_are_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("tercel.feeds.csv_times.say", told.append)
    days_of(tmp_path, ["2025-07-17 09:30:00,Q,1,1.1"], "UTC", more='unit = "ms"', text=ISO_MAP)
    assert 'are read as ISO text; the map has unit = "ms"' in told[0]


def test_text_of_an_unknown_format_and_a_name_of_another_date_are_refused(tmp_path):
    with pytest.raises(FeedError, match=r"'17.07.2025 09:30:00' in column t, row 2 .*format = "):
        days_of(
            tmp_path, ["17.07.2025 09:30:00,Q,1,1.1"], "UTC", more='unit = "text"', text=ISO_MAP
        )
    with pytest.raises(FeedError, match="row 3 of"):
        days_of(tmp_path, ["2025-07-17 09:30:00,Q,1,1.1", "17.07.2025,Q,1,1"], "UTC", text=ISO_MAP)
    text = ISO_MAP.replace('symbol = "y"', r"""name = '(?P<symbol>\w+)_(?P<date>[\d-]+)\.csv'""")
    with pytest.raises(FeedError, match="a date as 20240131 or 2024-01-31"):
        days_of(tmp_path, ["2025-07-17 09:30:00,Q,1,1"], "UTC", name="q_17-07-2025.csv", text=text)


def test_a_time_that_never_was_is_refused_with_its_row(tmp_path):
    rows = ["2024-03-10T01:59:00,EURUSD,1.00,1.05", "2024-03-10T02:15:00,EURUSD,1.01,1.05"]
    with pytest.raises(
        FeedError, match=r"did not pass over.*'2024-03-10T02:15:00' in column t, row 3"
    ):
        days_of(tmp_path, rows, "America/New_York")


# -- sessions across midnight -----------------------------------------------------------------------------------------

FUTURE = '["18:00", "17:00"]'
NEW_YORK = "America/New_York"
ZONE = ZoneInfo(NEW_YORK)
EVENING = datetime(2024, 1, 7, 18, tzinfo=ZONE)
"""A Sunday on which Monday's trading day begins."""


def test_rows_fall_on_the_trading_day_that_they_belong_to(tmp_path):
    moments = [
        EVENING + i * HOUR / 2 for i in range(2 * 47)
    ]  # until Tuesday 16:30, an hour's pause in between
    found = days_of(tmp_path, rising(NEW_YORK, moments), NEW_YORK, FUTURE)
    assert [day.instrument.date for day in found] == ["2024-01-08", "2024-01-09"]
    for day, opens in zip(found, (EVENING, EVENING + 24 * HOUR), strict=True):
        one, ns = day.instrument, bids(day)[0]
        opening, close = (round(at.timestamp()) * 10**9 for at in (opens, opens + 23 * HOUR))
        assert (one.session_open_ns, one.session_close_ns) == (opening, close)
        assert one.span == (opening, opening + 24 * 3600 * 10**9)
        assert ns[0] == opening
        assert one.clock_ns("18:00") == opening
        assert one.clock_ns("23:30") == opening + 19800 * 10**9
        assert one.clock_ns("24:00") == opening + 6 * 3600 * 10**9
        assert one.clock_ns("16:59") == close - 60 * 10**9
    assert bids(found[0])[1].tolist() == list(
        range(100, 147)
    )  # 17:00 is the last that counts, 17:30 in the pause not
    assert bids(found[1])[1].tolist() == list(range(148, 194))


def test_files_of_calendar_days_join_into_trading_days(tmp_path):
    text = MAP.replace('symbol = "y"', r"name = '(?P<symbol>[A-Z]+)_(?P<date>\d{{8}})\.csv'")
    moments = [EVENING + i * HOUR for i in range(46)]
    rows = rising(NEW_YORK, moments)
    for date in ("2024-01-07", "2024-01-08", "2024-01-09"):
        mine = [row for row in rows if row.startswith(date)]
        (tmp_path / f"ES_{date.replace('-', '')}.csv").write_text(
            "\n".join(["t,y,b,a", *mine]) + "\n"
        )
    feed = CsvFeed(parse_map(text.format(zone=NEW_YORK, session=FUTURE, more="")))
    found = read_all(feed, [tmp_path], FeedOptions())
    assert [(day.instrument.symbol, day.instrument.date) for day in found] == [
        ("ES", "2024-01-08"),
        ("ES", "2024-01-09"),
    ]
    assert [len(bids(day)[0]) for day in found] == [24, 22]


def test_a_moment_a_clock_and_an_order_find_the_trading_day(tmp_path):
    moments = [EVENING + i * HOUR / 60 for i in range(46 * 60)]
    lake = Lake(tmp_path / "lake")
    for day in days_of(tmp_path, rising(NEW_YORK, moments), NEW_YORK, FUTURE):
        lake.write(day.instrument, day.events)
    assert lake.days("EURUSD") == ["2024-01-08", "2024-01-09"]
    calendar = Calendar(lake)
    for moment, date in (
        (EVENING, "2024-01-08"),
        (EVENING + 23 * HOUR, "2024-01-08"),
        (EVENING + 24 * HOUR, "2024-01-09"),
    ):
        assert calendar.day("EURUSD", round(moment.timestamp() * 10**9)).date == date
    assert calendar.day("EURUSD", round((EVENING - HOUR).timestamp()) * 10**9) is None
    evening = Order("2024-01-07 20:00", "EURUSD", "buy", 1, "2h")
    days = {date: lake.instrument("EURUSD", date) for date in lake.days("EURUSD")}
    assert assign_days([evening], lake) == [evening]
    assert [day.date for day in evening.days(days)] == ["2024-01-08"]
    assert evening.hours(days["2024-01-08"])[0] == round((EVENING + 2 * HOUR).timestamp()) * 10**9
    each = assign_days([Order("20:00", "EURUSD", "buy", 1, "2h")], lake)
    assert [order.time for order in each] == ["2024-01-07 20:00", "2024-01-08 20:00"]
    with pytest.raises(ConfigError, match="inside a session"):  # the pause
        assign_days([Order("2024-01-08 17:10", "EURUSD", "buy", 1, "20m")], lake)


@pytest.mark.parametrize(
    ("session", "more", "said"),
    [
        ('["00:00", "00:00"]', "", "begins after 00:00"),
        (FUTURE, 'origin = "midnight"', "times with their date"),
    ],
)
def test_a_session_that_says_nothing_is_refused(session, more, said):
    text = MAP.format(zone=NEW_YORK, session=session, more=more)
    if more:
        text = text.replace('unit = "text"', 'unit = "ms"').replace(
            'format = "%Y-%m-%dT%H:%M:%S"', ""
        )
    with pytest.raises(ConfigError, match=said):
        parse_map(text)


def test_a_fraction_of_no_said_width_is_refused_since_it_would_be_nanoseconds(tmp_path):
    """09:00:00;120 read by %f is 120 ns after nine: refused, and what is named reads it."""
    row, told = (
        ["05.03.2024 09:00:00;120,EURUSD,1,1.05"],
        MAP.replace("%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M:%S;%f"),
    )
    with pytest.raises(ConfigError, match="%3f, %6f or %9f"):
        days_of(tmp_path, row, "UTC", text=told)
    [day] = days_of(tmp_path, row, "UTC", text=told.replace("%f", "%3f"))
    assert {int(ns) % 10**9 for ns in day.events.exch_ns} == {120_000_000}


DEPTH = """
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
    (day,) = read_all(CsvFeed(parse_map(DEPTH % (what, uncross))), [path], FeedOptions())
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
