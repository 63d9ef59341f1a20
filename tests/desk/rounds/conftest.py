"""What tests of rounds share: simulated markets, whose presets and calm are looked at once."""

import pytest

from tercel.api.simulated_desk import SimulatedMarkets


@pytest.fixture(scope="session")
def tools() -> SimulatedMarkets:
    return SimulatedMarkets()
