"""The oracle of the law: conformance, and balances that any stationary market of this law obeys."""

import numpy as np
import pytest
from tests.market.flow.conformance import FlowConformance, SantaFe, simulated_census
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
