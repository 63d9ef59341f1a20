"""Labels by plain loops: what happens after the lag, with the interval in which it happens."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.panel.panel import forward_returns, ranked

T0 = datetime(2020, 1, 1, tzinfo=UTC)


def prices(names: int, days: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        (f"N{i}", T0 + timedelta(days=d), float(rng.uniform(5, 9)))
        for i in range(names)
        for d in range(days)
    ]
    return pl.DataFrame(rows, schema=["instrument", "time", "close"], orient="row")


@given(st.integers(1, 3), st.integers(2, 12), st.integers(1, 4), st.integers(0, 2))
def test_forward_returns_are_those_of_a_loop(names: int, days: int, horizon: int, lag: int) -> None:
    frame = prices(names, days)
    close = {(who, when): price for who, when, price in frame.rows()}
    if days <= lag + horizon:
        with pytest.raises(DataError, match="bars of an instrument"):
            forward_returns(frame, horizon=horizon, lag=lag)
        return
    found = forward_returns(frame, horizon=horizon, lag=lag)
    assert found.height == names * (days - lag - horizon)
    for who, when, start, end, forward, *_ in found.rows():
        assert start == when + timedelta(days=lag)
        assert end == when + timedelta(days=lag + horizon)
        assert forward == pytest.approx(close[who, end] / close[who, start] - 1)


@given(st.lists(st.integers(3, 12), min_size=2, max_size=4), st.integers(1, 4), st.integers(0, 2))
def test_a_name_that_leaves_is_settled_at_its_last_close(
    lengths: list[int], horizon: int, lag: int
) -> None:
    last = max(lengths)
    day = (pl.col("time") - T0).dt.total_days()
    whole = prices(len(lengths), last)
    frame = pl.concat(
        [
            whole.filter(pl.col("instrument") == f"N{i}", day < days)
            for i, days in enumerate(lengths)
        ]
    )
    close = {(who, (when - T0).days): price for who, when, price in frame.rows()}
    expected = {}
    for i, days in enumerate(lengths):
        for t in range(days - lag):
            end = t + lag + horizon
            if end < last:
                out = min(end, days - 1)
                expected[f"N{i}", t] = (
                    end,
                    close[f"N{i}", out] / close[f"N{i}", t + lag] - 1,
                    end >= days,
                )
    if not expected:
        return
    found = forward_returns(frame, horizon=horizon, lag=lag, settle=True)
    told = {(r["instrument"], (r["time"] - T0).days): r for r in found.to_dicts()}
    assert set(told) == set(expected)
    for key, (end, forward, settled) in expected.items():
        assert (told[key]["end"] - T0).days == end
        assert told[key]["forward"] == pytest.approx(forward)
        assert told[key]["settled"] == settled


def test_an_interval_with_a_void_bar_says_so() -> None:
    frame = prices(1, 10).with_columns(void=pl.int_range(pl.len()) == 5)
    found = forward_returns(frame, horizon=2, lag=1, void="void")
    kept = [(start - T0).days for start in found.filter(~pl.col("void"))["start"].to_list()]
    # the bar that ends on day 5 lies in the intervals (3, 5] and (4, 6]
    assert kept == [1, 2, 5, 6, 7]


def test_ranks_within_a_date_leave_out_what_is_missing() -> None:
    frame = pl.DataFrame({"time": [1, 1, 1, 1, 2], "a": [3.0, None, 1.0, 2.0, 7.0]})
    assert frame.select(ranked("a"))["a"].to_list() == [0.5, None, -0.5, 0.0, None]


def test_senseless_settings_are_refused() -> None:
    with pytest.raises(DataError, match="horizon of at least 1"):
        forward_returns(prices(1, 5), horizon=0)
    with pytest.raises(DataError, match="lag of at least 0"):
        forward_returns(prices(1, 5), horizon=1, lag=-1)
