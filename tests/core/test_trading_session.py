"""Hours of a session against exchange_calendars and recorded days, and its nights against what the exchange published."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from pydantic import ValidationError

from tercel.core.errors import ConfigError
from tercel.core.instrument_rules import load_rules, shipped_rules
from tercel.core.trading_session import TradingSession

NS = 10**9
YEARS = "2023-01-01", "2025-12-31"
WITHOUT_LIBRARY = TradingSession(
    timezone="Asia/Shanghai",
    windows=[["09:30", "11:30"], ["13:00", "14:57"]],
    night=[["21:00", "02:30"]],
    holidays=["2025-06-02"],
    half_days={"2025-06-04": "11:00"},
)


def at(text: str, zone: str = "Asia/Shanghai") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS


@pytest.mark.parametrize("name", ["XNAS", "XSHG", "XASX"])
def test_each_day_of_three_years_is_that_of_exchange_calendars(name: str) -> None:
    calendars = pytest.importorskip("exchange_calendars", reason="needs the extra [calendars]")
    schedule = calendars.get_calendar(name, start=YEARS[0], end=YEARS[1]).schedule
    session = load_rules(name).session
    closing_call_ns = 180 * NS if name == "XSHG" else 0  # the library's close is that of the call
    expected = {row.Index.date(): row for row in schedule.itertuples()}
    day = datetime.fromisoformat(YEARS[0]).date()
    early = 0
    while day.isoformat() <= YEARS[1]:
        windows = session.day(day)
        assert bool(windows) == (day in expected) == session.is_trading_day(day.isoformat())
        if windows:
            row = expected[day]
            assert windows[0].start_ns == row.open.value
            assert windows[-1].end_ns == row.close.value - closing_call_ns
            if name == "XSHG":
                assert (windows[0].end_ns, windows[1].start_ns) == (
                    row.break_start.value,
                    row.break_end.value,
                )
            early += windows[-1].end_ns - windows[-1].start_ns < 4 * 3600 * NS
        day += timedelta(days=1)
    assert early == {"XNAS": 8, "XSHG": len(expected), "XASX": 0}[name]


@pytest.mark.parametrize("date", ["2025-06-05", "2025-06-06"])
def test_recorded_futures_trade_in_the_windows_of_SHFE_and_in_no_break(
    date: str, shared_data: Path
) -> None:
    pytest.importorskip("exchange_calendars", reason="needs the extra [calendars]")
    file = shared_data / "shfe-rb2510-202506" / f"rb_{date.replace('-', '')}.parquet"
    session = load_rules("SHFE").session
    times = (
        pl.read_parquet(file, columns=["timestamp"])["timestamp"]
        .dt.replace_time_zone("Asia/Shanghai")
        .dt.timestamp("ns")
    )
    windows = session.day(date)
    counts = [int(((times >= w.start_ns) & (times < w.end_ns + NS)).sum()) for w in windows]
    assert [round((w.end_ns - w.start_ns) / 60 / NS) for w in windows] == [120, 75, 60, 90]
    assert sum(counts) >= len(times) - 4  # all but the calls and the day's last line
    assert all(count > 60 * 60 for count in counts)
    assert {session.trading_date(ns) for ns in times.to_list()[:-1]} == {date}


def test_a_night_belongs_to_the_next_trading_day_and_is_none_before_a_holiday() -> None:
    session = WITHOUT_LIBRARY
    friday_night = at("2025-06-07 01:00")  # of the Friday, after midnight: the Monday's
    assert session.trading_date(friday_night) == "2025-06-09"
    assert session.day("2025-06-09")[0] == (at("2025-06-06 21:00"), at("2025-06-07 02:30"), False)
    assert (
        len(session.day("2025-06-03")) == 2
    )  # Dragon Boat on the Monday: no night on the Friday before
    assert session.trading_date(at("2025-05-30 21:30")) == "2025-06-03"
    assert not session.is_trading_day("2025-06-02")
    assert session.day("2025-06-02") == ()


def test_a_half_day_cuts_the_window_that_it_ends_in_and_drops_those_after_it() -> None:
    night, morning = WITHOUT_LIBRARY.day("2025-06-04")
    assert morning == (at("2025-06-04 09:30"), at("2025-06-04 11:00"), True)
    assert not night.ends_day


def test_nights_of_SHFE_in_2025_are_missing_before_holidays_alone() -> None:
    pytest.importorskip("exchange_calendars", reason="needs the extra [calendars]")
    session = load_rules("SHFE").session
    day = datetime(2025, 1, 2).date()
    without = []
    while day.year == 2025:
        if (windows := session.day(day)) and len(windows) == 3:
            without.append(day.isoformat())
        day += timedelta(days=1)
    # Days after New Year, Spring Festival, Qingming, Labour Day, Dragon Boat and National Day.
    assert without == [
        "2025-01-02",
        "2025-02-05",
        "2025-04-07",
        "2025-05-06",
        "2025-06-03",
        "2025-10-09",
    ]


def test_a_session_that_changes_its_clock_keeps_local_times() -> None:
    session = TradingSession(timezone="America/New_York", windows=[["09:30", "16:00"]])
    winter, summer = session.day("2024-03-08")[0], session.day("2024-03-11")[0]
    assert summer.start_ns - winter.start_ns == (3 * 24 - 1) * 3600 * NS


def test_trading_that_never_ends_has_no_windows() -> None:
    session = load_rules("always").session
    assert session.span(at("2024-01-01 00:00")) == ()
    assert session.is_trading_day("2024-12-25")
    assert session.trading_date(at("2024-01-01 00:00", "UTC")) == "2024-01-01"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"timezone": "Asia/Shangai"}, "IANA"),
        ({"windows": [["13:00", "15:00"], ["09:30", "11:30"]]}, "in order"),
        ({"windows": [["11:30", "09:30"]]}, "in order"),
        ({"windows": [["9:30", "11:30"]]}, "pattern"),
        ({"lunch": "12:00"}, "Extra"),
    ],
)
def test_a_wrong_session_is_refused(words: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        TradingSession(**{"timezone": "Asia/Shanghai", **words})


def test_an_unknown_calendar_and_a_year_beyond_it_are_refused_with_a_remedy() -> None:
    pytest.importorskip("exchange_calendars", reason="needs the extra [calendars]")
    windows = [["09:30", "11:30"]]
    unknown = TradingSession(timezone="Asia/Shanghai", calendar="XSHX", windows=windows)
    with pytest.raises(ConfigError, match=r"XSHX.*holidays"):
        unknown.day("2024-01-02")
    later = TradingSession(timezone="Asia/Shanghai", calendar="XSHG", windows=windows)
    with pytest.raises(ConfigError, match="2051"):
        later.day("2051-01-03")
    with pytest.raises(ConfigError, match="2024-13-01"):
        later.day("2024-13-01")


def test_shipped_rules_are_read_and_an_unknown_name_is_told_which_there_are() -> None:
    assert [load_rules(name).session.timezone for name in shipped_rules()]
    with pytest.raises(ConfigError, match="XSHG"):
        load_rules("XSHX")
