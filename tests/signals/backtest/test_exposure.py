"""A book scaled to a volatility: by hand, on a market that is known, without a look ahead."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from tests.signals.command.material import done, refused

from tercel.core.errors import ConfigError, DataError
from tercel.signals.portfolio.backtest import MOST, DailyReturns, volatility_target
from tercel.signals.portfolio.book import BookRule, Walk, backtest, flat, sharpe, sharpes

DAY = 86_400 * 10**9
NAMES = 12


def days_of(seed: int, count: int = 900) -> DailyReturns:
    """Names of one market: calm days of 0.5 % and turbulent ones of 3 %, 60 at a time."""
    rng = np.random.default_rng(seed)
    market = np.where(np.arange(count) // 60 % 2, 0.03, 0.005) * rng.standard_normal(count)
    returns = market[:, None] + 0.004 * rng.standard_normal((count, NAMES))
    return DailyReturns(np.arange(count, dtype=np.int64) * DAY + DAY // 2, returns)


def walk_of(days: DailyReturns, seed: int, first: int = 600) -> Walk:
    """Weekly dates; outcomes are those of the five days from the next one on."""
    at = np.arange(first, len(days.known_ns) - 6, 5)
    outcome = np.stack([np.prod(1 + days.returns[t + 1 : t + 6], axis=0) - 1 for t in at])
    value = np.random.default_rng(seed).standard_normal(outcome.shape)
    time = days.known_ns[at] + 1
    return Walk(
        time,
        time + DAY,
        time + 6 * DAY,
        np.array([f"N{i:02d}" for i in range(NAMES)]),
        value,
        outcome,
    )


def test_a_target_by_hand() -> None:
    days = days_of(1)
    weights = np.random.default_rng(2).standard_normal((3, NAMES))
    time = days.known_ns[[300, 500, 700]]
    for target in (0.05, 0.4):
        scale = volatility_target(target, days)(time, weights)
        for t, last in enumerate((300, 500, 700)):
            earned = [float(row @ weights[t]) ** 2 for row in days.returns[last - 251 : last + 1]]
            variance = sum(earned[:22]) / 22
            for one in earned:
                variance = 0.94 * variance + 0.06 * one
            assert scale[t] == pytest.approx(min(target / (252 * variance) ** 0.5, MOST))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 50), st.integers(15, 45))
def test_no_later_day_changes_the_equity_so_far(seed: int, cut: int) -> None:
    days = days_of(seed)
    walk = walk_of(days, seed)
    stop = int(np.searchsorted(days.known_ns, walk.time_ns[cut], side="right"))
    later = days.returns.copy()
    later[stop:] = np.random.default_rng(seed).normal(0.01, 0.2, later[stop:].shape)
    found, other = (
        backtest(walk, BookRule(), flat(5.0), volatility_target(0.1, one))
        for one in (days, DailyReturns(days.known_ns, later))
    )
    np.testing.assert_array_equal(other.weights[: cut + 1], found.weights[: cut + 1])
    np.testing.assert_array_equal(other.equity[: cut + 1], found.equity[: cut + 1])


def test_a_paired_difference_is_surer_than_two_ratios() -> None:
    rng = np.random.default_rng(1)
    returns = 0.002 + 0.01 * rng.standard_normal(400)
    both = sharpes({"": returns, "half": 0.5 * returns}, 52.0, np.random.default_rng(3))
    assert both[""].estimate() == sharpe(returns, 52.0, np.random.default_rng(3))
    assert (both["half"] - both[""]).point == pytest.approx(0.0, abs=1e-12)
    assert (both["half"] - both[""]).error < 1e-9


def test_what_cannot_be_scaled_is_refused() -> None:
    days = days_of(1)
    for target in (0.0, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="vol_target=10%"):
            volatility_target(target, days)
    with pytest.raises(DataError, match="at least 100 days"):
        volatility_target(0.1, days)(days.known_ns[50:60], np.ones((10, NAMES)))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on daily prices of one's own."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(4)
    turns = 2 * np.pi * (np.arange(1000)[:, None] / 120 + np.arange(30) / 30)
    closes = 50 * np.exp(
        np.cumsum(0.002 * np.sign(np.sin(turns)) + 0.01 * rng.standard_normal((1000, 30)), axis=0)
    )
    every = [day for i in range(1400) if (day := date(2010, 1, 4) + timedelta(i)).weekday() < 5][
        :1000
    ]
    table = pl.DataFrame({"Date": every, **{f"N{i:02d}": closes[:, i] for i in range(30)}})
    long = table.unpivot(index="Date", variable_name="Symbol", value_name="Adj Close").with_columns(
        Volume=pl.lit(1e6)
    )
    long.write_csv(folder / "prices.csv")
    (folder / "s.toml").write_text(
        '[panel]\nkind = "daily"\npath = "prices.csv"\n[train]\nfamilies = ["linear"]\nrefit = "blocks"\nsplits = 3\n'
    )
    done("train", folder / "s.toml", "--out", folder / "o")
    return folder / "o"


@pytest.mark.long
def test_the_command_says_what_each_is_worth(out: Path, tmp_path: Path) -> None:
    plain = done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    assert plain["exposure"] is None
    scaled = done("backtest", out, "--cost-bps", "5", "--vol-target", "10%", "--out", tmp_path)
    worth = scaled["exposure"]["worth"]
    assert worth["name"] == "volatility target 10 %"
    assert scaled["exposure"]["plain"] == plain["curve"]
    assert worth["sharpe_net"] == scaled["sharpe_net"]
    gained = worth["sharpe_gained"]
    assert gained["mean"] == pytest.approx(scaled["sharpe_net"] - plain["sharpe_net"])
    assert gained["ci_low"] <= gained["mean"] <= gained["ci_high"]
    assert {key for key in scaled if key != "exposure"} == {
        key for key in plain if key != "exposure"
    }
    page = (tmp_path / "backtest.html").read_text(encoding="utf-8")
    assert "Sharpe gained by volatility target" in page
    assert "after costs, not scaled" in page
    assert json.loads((tmp_path / "backtest.json").read_text())["exposure"] is not None
    assert "vol-target" in refused(
        "backtest", out, "--cost-bps", "5", "--vol-target", "0", "--out", tmp_path
    )
