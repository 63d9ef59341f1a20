"""Labels by plain loops: what happens after the lag, with the interval in which it happens."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercel.core.errors import DataError
from tercel.signals.labels import forward_returns, ranked

T0 = datetime(2020, 1, 1, tzinfo=UTC)


def prices(names: int, days: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(f"N{i}", T0 + timedelta(days=d), float(rng.uniform(5, 9))) for i in range(names) for d in range(days)]
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
    for who, when, start, end, forward in found.rows():
        assert start == when + timedelta(days=lag)
        assert end == when + timedelta(days=lag + horizon)
        assert forward == pytest.approx(close[who, end] / close[who, start] - 1)


def test_an_interval_with_a_void_bar_has_no_label() -> None:
    frame = prices(1, 10).with_columns(void=pl.int_range(pl.len()) == 5)
    found = forward_returns(frame, horizon=2, lag=1, void="void")
    kept = [(start - T0).days for start in found["start"].to_list()]
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
