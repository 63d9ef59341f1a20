"""Clocks of tick files: an hour that comes twice, times that never were, days that begin on the evening before."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from certify.kits.feed import read_all
from tercel.api.tca.analysis import Calendar
from tercel.core.errors import ConfigError, FeedError
from tercel.feeds.csv_feed import CsvFeed
from tercel.feeds.csv_map import parse_map
from tercel.lab.evaluation.orders import Order, placed
from tercel.market.feed import FeedOptions
from tercel.market.tape import Lake, schema

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
    assert placed([evening], lake) == [evening]
    assert [day.date for day in evening.days(days)] == ["2024-01-08"]
    assert evening.hours(days["2024-01-08"])[0] == round((EVENING + 2 * HOUR).timestamp()) * 10**9
    each = placed([Order("20:00", "EURUSD", "buy", 1, "2h")], lake)
    assert [order.time for order in each] == ["2024-01-07 20:00", "2024-01-08 20:00"]
    with pytest.raises(ConfigError, match="inside a session"):  # the pause
        placed([Order("2024-01-08 17:10", "EURUSD", "buy", 1, "20m")], lake)


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
