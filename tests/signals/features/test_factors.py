"""Factors against plain loops, nothing but the past in them, and the one rule of what is no move."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from tests.desk.rounds.forecast_material import prices as daily, weekdays

from tercel.core.errors import DataError
from tercel.signals.factors import factors, guard_prices
from tercel.signals.price_moves import (
    LARGEST_MOVE,
    SPLIT_RATIOS,
    SPLIT_TOLERANCE,
    is_unadjusted,
    split_of,
)
from tercel.signals.risk.portfolio import make_portfolio
from tercel.signals.sources.daily import FACTORS

DAYS = 320
TIMES = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in weekdays(DAYS)]


def prices() -> pl.DataFrame:
    """Daily prices, known at the close."""
    times = pl.DataFrame({"date": weekdays(DAYS), "time": TIMES})
    return daily(DAYS).join(times, on="date").rename({"ticker": "instrument"}).drop("date")


def of(frame: pl.DataFrame, name: str = "BBB") -> pl.DataFrame:
    return (
        guard_prices(frame.with_columns(adjusted=pl.lit(False)))
        .with_columns(factors().values())
        .filter(pl.col("instrument") == name)
    )


def test_there_are_22_factors_and_the_source_names_them() -> None:
    assert tuple(factors()) == FACTORS
    assert len(FACTORS) == 22


def test_factors_are_what_their_names_say() -> None:
    found = of(prices())
    close, r = found["close"].to_numpy(), found["r"].to_numpy()
    market, t = found["market"].to_numpy(), DAYS - 1
    last = found.row(t, named=True)
    assert last["ret_5"] == pytest.approx(np.log(close[t] / close[t - 5]))
    assert last["mom_12_1"] == pytest.approx(np.log(close[t - 21] / close[t - 252]))
    assert last["vol_20"] == pytest.approx(r[t - 19 :].std(ddof=1))
    assert last["adj_ret_5"] == pytest.approx((r - market)[t - 4 :].sum())
    assert last["high_252"] == pytest.approx(close[t] / close[t - 251 :].max())
    window = slice(t - 251, t + 1)
    assert last["beta_252"] == pytest.approx(np.polyfit(market[window], r[window], 1)[0])
    legs = np.log(found["close"] / found["open"]).to_numpy()
    assert last["intraday_21"] == pytest.approx(legs[t - 20 :].sum())
    assert last["overnight_21"] == pytest.approx((r - legs)[t - 20 :].sum())
    dollars = (found["close"] * found["volume"]).to_numpy()
    assert last["illiquidity"] == pytest.approx(
        np.log(np.mean(np.abs(r[t - 20 :]) / dollars[t - 20 :]))
    )


def test_factors_know_nothing_of_the_future() -> None:
    frame = prices()
    cut = TIMES[280]
    early = of(frame.filter(pl.col("time") <= cut))
    late = of(frame).filter(pl.col("time") <= cut)
    for name in FACTORS:
        assert early[name].to_list() == pytest.approx(
            late[name].to_list(), nan_ok=True, abs=1e-9
        ), name


def test_splits_and_zero_opens_are_missing_not_moves() -> None:
    frame = prices()
    at = pl.col("time") >= TIMES[300]
    halved = (
        pl.when(at & (pl.col("instrument") == "BBB"))
        .then(pl.col("close") / 3)
        .otherwise(pl.col("close"))
    )
    zero = pl.when(pl.col("time") == TIMES[310]).then(0.0).otherwise(pl.col("open"))
    found = of(frame.with_columns(close=halved, open=zero))
    split = found.row(300, named=True)
    assert split["void"]
    assert split["r"] is None
    assert found.row(310, named=True)["day"] is None
    assert found["vol_20"][305] < 0.05
    assert found["ret_5"].is_finite().sum() > 300


def twin(move: float) -> bool:
    """The rule in words: beyond the largest moves, or down to within 1.5 % of a split's share."""
    ratios = [1 / (1 + move) / new for new in SPLIT_RATIOS.tolist()]
    return not LARGEST_MOVE[0] <= move <= LARGEST_MOVE[1] or any(
        abs(ratio - 1) <= SPLIT_TOLERANCE for ratio in ratios
    )


def test_a_fall_to_nothing_is_no_split() -> None:
    assert [split_of(move) for move in (-1.0, -1 + 1e-12, 1e300)] == ["", "", ""]


@given(
    move=st.one_of(
        st.floats(-0.99, 3.0), st.sampled_from([1 / new - 1 for new in SPLIT_RATIOS.tolist()])
    )
)
def test_the_rule_is_its_twin_and_names_the_split(move: float) -> None:
    found = pl.DataFrame({"m": [move]}).select(is_unadjusted(pl.col("m")))["m"][0]
    assert found == twin(move)
    if move < 0 and split_of(move):
        new, old = map(int, split_of(move).split(":"))
        assert found
        assert abs((1 + move) * new / old - 1) < 0.02


@pytest.mark.parametrize("kept", [1 / 3, 0.4, 0.42, 0.5, 0.55, 0.66, 2 / 3, 0.7, 1.6, 1.7, 2.0])
def test_the_panel_and_risk_go_by_one_rule(kept: float) -> None:
    days = [date(2020, 1, 1) + timedelta(n) for n in range(150)]
    closes = [50.0 + n % 3 + (n % 7) / 10 for n in range(150)]
    closes = [close * (kept if n >= 75 else 1.0) for n, close in enumerate(closes)]
    closes[75] = closes[74] * kept
    frame = pl.DataFrame(
        {"instrument": "A", "date": days, "close": closes, "adjusted": False, "row": range(150)}
    )
    times = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    priced = frame.with_columns(
        pl.Series("time", times), *(pl.col("close").alias(n) for n in ("open", "high", "low"))
    )
    void = bool(guard_prices(priced.with_columns(volume=1.0))["void"].any())
    if void:
        with pytest.raises(DataError, match="closes adjusted for splits"):
            make_portfolio(frame)
    else:
        assert make_portfolio(frame).names == ("A",)
