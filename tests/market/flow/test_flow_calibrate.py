"""Calibration: known rates come back within sampling error; real days where they are available."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.market.flow.calibrate import (
    calibrate,
    cancel_rates,
    census_of,
    covering_distance,
    size_table,
)
from tercel.market.flow.santa_fe import SantaFePreset as Preset
from tercel.market.tape import Events, Instrument

S = 10**9
SIGMAS = 4.5


def instrument(**changes: object) -> Instrument:
    fields = {
        "venue": "TEST",
        "symbol": "TOY",
        "date": "2003-01-13",
        "tick": 0.01,
        "session_close_ns": 6300 * S,
    }
    return Instrument(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def again(toy_day: Events) -> Preset:
    return calibrate(
        [(instrument(), toy_day)], name="toy", date="2026-01-01", lot_shares=1, skip_s=300.0
    )


def test_rates_and_sizes_come_back(toy: Preset, again: Preset, toy_day: Events) -> None:
    """Lots come in orders, so the variance of the lots withdrawn is E[size^2] / E[size]^2 that of a count."""
    both_sides = 2.0 * again.card["seconds"]
    expected, counted = (both_sides * np.array(one.limit_rate) for one in (toy, again))
    assert np.all(np.abs(counted - expected) < SIGMAS * np.sqrt(expected))
    orders = both_sides * toy.market_rate
    assert abs(again.card["market_orders"] - orders) < SIGMAS * np.sqrt(orders)
    volume = 2.0 * toy.market_rate * np.mean(toy.market_sizes)
    assert again.volume_per_s == pytest.approx(volume, rel=0.1)
    reach = len(toy.cancel_rate)
    cancelled = census_of(instrument(), toy_day, 300.0).cancelled_orders
    withdrawn = np.append(cancelled[1:reach], cancelled[reach:].sum())
    sizes, rates = np.array(toy.limit_sizes), np.array(toy.cancel_rate)
    error = np.sqrt(np.mean(sizes**2) / np.mean(sizes) ** 2 / withdrawn) * rates
    assert np.all(np.abs(np.array(again.cancel_rate) - rates) < SIGMAS * error)
    assert np.mean(again.limit_sizes) == pytest.approx(np.mean(sizes), rel=0.05)
    assert np.mean(again.market_sizes) == pytest.approx(np.mean(toy.market_sizes), rel=0.1)


def test_days_are_pooled_and_the_card_says_so(toy_day: Events, again: Preset) -> None:
    days = [(instrument(date=date), toy_day) for date in ("2003-01-13", "2003-01-14")]
    pooled = calibrate(days, name="toy", date="2026-01-01", lot_shares=1, skip_s=300.0)
    assert pooled.limit_rate == pytest.approx(again.limit_rate)
    assert pooled.cancel_rate == pytest.approx(
        again.cancel_rate, rel=0.1
    )  # pools of neighbours may differ
    assert pooled.volume_curve == pytest.approx(again.volume_curve)
    assert pooled.card["days"] == ["2003-01-13", "2003-01-14"]
    assert pooled.card["calibrated"] == "2026-01-01"


def test_level_limited_files_are_named_on_the_card(toy_day: Events) -> None:
    preset = calibrate([(instrument(levels=5), toy_day)], name="toy", date="2026-01-01")
    assert any("5 levels" in note for note in preset.card["notes"])


def test_refusals(toy_day: Events) -> None:
    with pytest.raises(ConfigError, match="at least one day"):
        calibrate([], name="x", date="2026-01-01")
    days = [(instrument(), toy_day), (instrument(symbol="ELSE"), toy_day)]
    with pytest.raises(ConfigError, match="one market"):
        calibrate(days, name="x", date="2026-01-01")
    with pytest.raises(ConfigError, match="market orders"):
        calibrate([(instrument(), toy_day.slice(0, 100))], name="x", date="2026-01-01", skip_s=1.0)
    with pytest.raises(ConfigError, match="limit orders"):
        covering_distance(np.zeros(9), 0)


def test_far_cancel_rates_are_pooled_not_zero(toy_day: Events) -> None:
    rates = cancel_rates([census_of(instrument(), toy_day, 300.0)], 60)
    assert np.all(rates > 0.0)
    assert np.all(np.isfinite(rates))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=400))
def test_size_table_keeps_the_mean(lots: list[int]) -> None:
    table = size_table(np.array(lots))
    assert len(table) == 64
    assert list(table) == sorted(table)
    assert min(table) >= 1
    assert abs(sum(table) / 64.0 - np.mean(lots)) <= 0.5 / 64.0 + 1e-9
