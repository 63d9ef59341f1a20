"""Factors against plain loops, and nothing but the past in them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tercel.signals.factors import factors, guarded
from tercel.signals.sources.daily import FACTORS

DAYS = 320
START = datetime(2001, 1, 2, 21, tzinfo=UTC)


def prices(seed: int = 0, names: int = 4) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frames = []
    for i in range(names):
        close = 40 * np.exp(np.cumsum(0.02 * rng.standard_normal(DAYS)))
        opened = close * np.exp(0.005 * rng.standard_normal(DAYS))
        high = np.maximum(opened, close) * np.exp(np.abs(0.004 * rng.standard_normal(DAYS)))
        low = np.minimum(opened, close) * np.exp(-np.abs(0.004 * rng.standard_normal(DAYS)))
        volume = rng.integers(100_000, 900_000, DAYS)
        times = [START + timedelta(days=d) for d in range(DAYS)]
        columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
        frames.append(pl.DataFrame({"instrument": [f"N{i}"] * DAYS, "time": times, **columns}))
    return pl.concat(frames)


def of(frame: pl.DataFrame, name: str = "N1") -> pl.DataFrame:
    return (
        guarded(frame.with_columns(adjusted=pl.lit(False)))
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
    cut = START + timedelta(days=280)
    early = of(frame.filter(pl.col("time") <= cut))
    late = of(frame).filter(pl.col("time") <= cut)
    for name in FACTORS:
        assert early[name].to_list() == pytest.approx(
            late[name].to_list(), nan_ok=True, abs=1e-9
        ), name


def test_splits_and_zero_opens_are_missing_not_moves() -> None:
    frame = prices()
    at = pl.col("time") >= START + timedelta(days=300)
    halved = (
        pl.when(at & (pl.col("instrument") == "N1"))
        .then(pl.col("close") / 3)
        .otherwise(pl.col("close"))
    )
    zero = (
        pl.when(pl.col("time") == START + timedelta(days=310)).then(0.0).otherwise(pl.col("open"))
    )
    found = of(frame.with_columns(close=halved, open=zero))
    split = found.row(300, named=True)
    assert split["void"]
    assert split["r"] is None
    assert found.row(310, named=True)["day"] is None
    assert found["vol_20"][305] < 0.05
    assert found["ret_5"].is_finite().sum() > 300
