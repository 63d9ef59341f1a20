"""The gate, walked forward: it pays where the law turns, knows nothing of the future, and refuses what is no state."""

import numpy as np
import pytest

from tercel.core.errors import ConfigError, DataError
from tercel.signals.fusion_walk import fused
from tercel.signals.gate import FusionGate, gated
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import rank_ic_by_date
from tercel.signals.sources.daily import MarketState
from tercel.signals.sources.synthetic import synthetic_market
from tercel.signals.validation import DAY, walk_forward

pytest.importorskip("hmmlearn")
DATES, NAMES = 400, 30
COLUMNS = ("s:linear", "t:linear")


def turning(seed: int) -> tuple[Dataset, np.ndarray]:
    """Two forecasts, each right in one of two states that a shared column shows; the set and the forecasts."""
    rng = np.random.default_rng(seed)
    state = (np.cumsum(rng.random(DATES) < 1 / 40) % 2).astype(bool)
    told = rng.standard_normal((DATES * NAMES, 2))
    wild = np.repeat(state, NAMES)
    y = np.where(wild, told[:, 1], told[:, 0]) * 0.5 + rng.standard_normal(DATES * NAMES)
    mood = np.repeat(rng.standard_normal(DATES) * np.where(state, 3.0, 0.5), NAMES)
    time = np.repeat(np.arange(DATES, dtype=np.int64) * DAY, NAMES)
    x = np.column_stack([told, mood])
    who = np.tile(np.array([f"N{i}" for i in range(NAMES)]), DATES)
    data = Dataset(x, y, y, ("s.a", "t.b", "market.mood"), time, time, time + DAY, who)
    return data, told


def ic(value: np.ndarray, data: Dataset) -> float:
    by_date = rank_ic_by_date(value, data.outcome, data.dates)
    return float(np.nanmean(by_date))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_pays_where_sources_take_turns(seed: int) -> None:
    data, told = turning(seed)
    assert data.ranking == ("s", "t")
    folds = list(walk_forward(data.time_ns, data.end_ns, splits=6))
    plain = fused(data, told, COLUMNS, folds)[0]
    value, sd, chance = gated(data, told, COLUMNS, folds, FusionGate(("market.mood",)))
    ready = np.isfinite(value)
    assert ready.sum() > 0.3 * data.n
    assert np.allclose(chance[ready].sum(axis=1), 1)
    assert (sd[ready] > 0).all()
    assert ic(np.where(ready, value, np.nan), data) > ic(np.where(ready, plain, np.nan), data) + 0.05


def test_later_dates_change_nothing_earlier() -> None:
    data, told = turning(4)
    folds = list(walk_forward(data.time_ns, data.end_ns, splits=6))
    whole = gated(data, told, COLUMNS, folds, FusionGate(("market.mood",)))[0]
    cut = int(0.8 * DATES) * NAMES
    x, y = data.x.copy(), data.y.copy()
    x[cut:, 2], y[cut:] = -x[cut:, 2] * 7, -y[cut:]
    other = Dataset(x, y, y, data.names, data.time_ns, data.start_ns, data.end_ns, data.instrument)
    again = gated(other, told, COLUMNS, folds, FusionGate(("market.mood",)))[0]
    np.testing.assert_array_equal(whole[:cut], again[:cut])


def test_what_is_no_state_is_refused() -> None:
    data, _ = turning(6)
    with pytest.raises(ConfigError, match=r"columns for the gate among market\.mood; received market\.fear"):
        FusionGate(("market.fear",)).by_date(data)
    with pytest.raises(DataError, match=r"the same of every instrument; received s\.a"):
        FusionGate(("s.a",)).by_date(data)
    with pytest.raises(ConfigError, match="2 to 4 states"):
        FusionGate(("market.mood",), states=7)
    short = data.rows(np.arange(30 * NAMES))
    with pytest.raises(DataError, match="at least 60 dates"):
        FusionGate(("market.mood",)).by_date(short)


def test_the_state_of_the_market_is_its_mean_move() -> None:
    market = synthetic_market(1, instruments=12, days=60)
    facts = MarketState(market.prices).facts()
    wide = market.prices.pivot(on="instrument", index="time", values="close").sort("time").drop("time").to_numpy()
    mean = np.diff(np.log(wide), axis=0).mean(axis=1)
    last = facts.sort("known_time").row(-1, named=True)
    assert last["ret_5"] == pytest.approx(mean[-5:].sum())
    assert last["vol_20"] == pytest.approx(mean[-20:].std(ddof=1))
    assert facts["instrument"].unique().to_list() == ["*"]
