"""Local times as moments: the hour that clocks repeat, against moments that are known beforehand."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.tables.local_times import resolve_local_times
from tercel.core.tables.times import parse_time

BACK = {
    "America/Chicago": "2024-11-03T07:00",
    "Europe/London": "2024-10-27T01:00",
    "Australia/Lord_Howe": "2024-04-06T15:00",
    "America/St_Johns": "2010-11-07T02:31",
}
"""Moments (UTC) at which clocks went back; at St. John's across midnight, at Lord Howe by half an hour."""


def moments_of(zone, seconds):
    at = np.datetime64(BACK[zone], "ns") + (np.asarray(seconds) * 1e9).astype("timedelta64[ns]")
    return pl.Series(at, dtype=pl.Datetime("ns")).dt.replace_time_zone("UTC")


def clock_of(moments, zone):
    return moments.dt.convert_time_zone(zone).dt.replace_time_zone(None)


@pytest.mark.parametrize("zone", BACK)
@pytest.mark.parametrize("descending", [False, True])
def test_a_day_of_25_hours_comes_back_moment_by_moment(zone, descending):
    true = moments_of(zone, np.arange(-12 * 3600, 13 * 3600, 7)).sort(descending=descending)
    years = pl.concat([true.dt.offset_by("-1y").dt.offset_by("2d"), true])
    for whole in (true, years) if zone == "Europe/London" and not descending else (true,):
        moments, unshown = resolve_local_times(clock_of(whole, zone), zone)
        assert moments.to_list() == whole.to_list()
        assert moments.dtype == whole.dtype
        assert not unshown.any()


@given(
    zone=st.sampled_from(list(BACK)),
    seconds=st.lists(st.integers(-7200, 7200), min_size=1, max_size=12),
    descending=st.booleans(),
)
def test_sparse_rows_are_right_or_not_shown(zone, seconds, descending):
    true = moments_of(zone, sorted(seconds, reverse=descending))
    local = clock_of(true, zone)
    moments, unshown = resolve_local_times(local, zone)
    assert moments.filter(~unshown).to_list() == true.filter(~unshown).to_list()
    twice = local.dt.replace_time_zone(zone, ambiguous="null").is_null()
    assert not (unshown & ~twice).any()


@given(
    seed=st.integers(0, 2**32),
    noise=st.floats(0.001, 60),
    one_pass=st.sampled_from(["both", "first", "second"]),
)
def test_the_disorder_of_a_feed_does_not_hide_the_change_nor_make_one(seed, noise, one_pass):
    rng = np.random.default_rng(seed)
    seconds = np.arange(-6 * 3600, 6 * 3600, 5.0)
    if one_pass != "both":
        seconds = seconds[
            (seconds * (-1 if one_pass == "first" else 1) > 0) | (abs(seconds) > 3600)
        ]
    late = np.argsort(seconds + rng.uniform(0, noise, len(seconds)), kind="stable")
    true = moments_of("America/Chicago", seconds[late])
    local = clock_of(true, "America/Chicago")
    moments, unshown = resolve_local_times(local, "America/Chicago")
    if one_pass == "both":
        assert not unshown.any()
        assert moments.to_list() == true.to_list()
    else:
        assert (
            unshown.to_list()
            == local.dt.replace_time_zone("America/Chicago", ambiguous="null").is_null().to_list()
        )


def test_a_jumbled_file_shows_nothing_and_the_setting_decides():
    zone = "America/Chicago"
    true = moments_of(zone, np.random.default_rng(0).permutation(np.arange(-9000, 9000, 60)))
    local = clock_of(true, zone)
    twice = local.dt.replace_time_zone(zone, ambiguous="null").is_null()
    assert resolve_local_times(local, zone)[1].to_list() == twice.to_list()
    for which, ambiguous in (("first", "earliest"), ("second", "latest")):
        moments, unshown = resolve_local_times(local, zone, which)
        assert not unshown.any()
        stated = local.dt.replace_time_zone(zone, ambiguous=ambiguous)
        assert moments.to_list() == stated.dt.convert_time_zone("UTC").to_list()


def test_the_setting_leaves_what_the_file_shows():
    true = moments_of("Europe/London", [-4000, -3000, -600, 600, 3000, 4000])
    assert (
        resolve_local_times(clock_of(true, "Europe/London"), "Europe/London", "first")[0].to_list()
        == true.to_list()
    )


def test_each_symbol_has_its_own_sequence():
    zone = "America/Chicago"
    dense, thin = (
        moments_of(zone, np.arange(-9000, 9000, 300)),
        moments_of(zone, [-5000, -1000, 5000]),
    )
    both, by = pl.concat([dense, thin]), pl.Series(["A"] * len(dense) + ["B"] * len(thin))
    moments, unshown = resolve_local_times(clock_of(both, zone), zone, by=by)
    assert moments.filter(~unshown).to_list() == both.filter(~unshown).to_list()
    assert unshown.arg_true().to_list() == [len(dense) + 1]


def test_a_time_that_never_was_and_a_cell_without_one_are_null():
    local = pl.Series(["2024-03-10T01:59", None, "2024-03-10T02:15", "2024-03-10T03:00"])
    moments, unshown = resolve_local_times(
        local.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="ns"), "America/New_York"
    )
    assert [None if m is None else f"{m:%H:%M}" for m in moments] == ["06:59", None, None, "07:00"]
    assert unshown.to_list() == [False] * 4


@pytest.mark.parametrize("half", ["AM", "PM"])
@pytest.mark.parametrize("hour", [1, 11, 12])
def test_a_clock_of_twelve_hours_is_pythons(hour, half):
    text = f"2024-04-03 {hour}:07:09 {half}"
    moment = datetime.strptime(text, "%Y-%m-%d %I:%M:%S %p").replace(tzinfo=UTC)
    assert parse_time(text) == (round(moment.timestamp()) * 10**9, False)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_a_number_is_a_time_from_a_hundred_million_seconds_after_1970(unit):
    """In each unit; the hundredth million of seconds itself is one, what comes before is no time."""
    assert parse_time(str(10**8 * unit)) == (10**17, True)
    with pytest.raises(ValueError, match="9999"):
        parse_time(str(10**8 * unit - 1))
