"""The oracle of the law: conformance, and balances that any stationary market of this law obeys."""

import numpy as np
import pytest
from tests.market.flow.conformance import FlowConformance, SantaFe, simulated_census, z_scores
from tests.market.flow.port import Flow

from tercel.market.flow.santa_fe import SantaFePreset as Preset

SIGMAS = 4.5


class TestSantaFe(FlowConformance):
    @pytest.fixture
    def flow(self, toy: Preset) -> Flow:
        return SantaFe(toy)


@pytest.mark.long
def test_orders_balance(toy: Preset) -> None:
    """Equal cancel rates, single lots: live orders = 2 (sum of limit rates - market rate) / cancel rate, exactly."""
    flat = toy.model_copy(
        update={
            "cancel_rate": (0.1,) * 5,
            "limit_sizes": (1,) * 64,
            "market_sizes": (1,) * 64,
            "market_rate": 0.3,
        }
    )
    days = [simulated_census(SantaFe(flat), seed, 2000.0, 200.0) for seed in range(8)]
    live = np.array([day.orders_live_time / day.seconds for day in days])
    expected = 2.0 * (sum(flat.limit_rate) - flat.market_rate) / 0.1
    assert abs(live.mean() - expected) < SIGMAS * live.std(ddof=1) / np.sqrt(len(days))


@pytest.mark.long
def test_lots_balance_at_every_distance_in_total(toy: Preset) -> None:
    """What is placed leaves: by cancels or by market orders (lots, stationary)."""
    day = simulated_census(SantaFe(toy), 2, 8000.0)
    placed = day.limit_sizes.sum()
    left = day.cancelled_lots.sum() + day.market_sizes.sum()
    assert placed == pytest.approx(left, rel=0.01)


@pytest.mark.long
def test_z_scores_tell_markets_apart(toy: Preset) -> None:
    days = [simulated_census(SantaFe(toy), seed, 600.0, 100.0) for seed in range(12)]
    faster = toy.model_copy(update={"market_rate": 0.5})
    other = [simulated_census(SantaFe(faster), seed, 600.0, 100.0) for seed in range(6)]
    same = z_scores(days[:6], days[6:])
    assert max(map(abs, same.values())) < 6.0  # few days each: wide tails
    assert abs(z_scores(days[:6], other)["market_orders_a_day"]) > 8.0
