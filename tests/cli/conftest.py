"""What tests of commands share."""

from pathlib import Path

import pytest

from tercel.market.simulator.days import simulated_lake


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of three simulated days of two hours; nobody writes into it."""
    return simulated_lake(tmp_path_factory.mktemp("lake"), 2).root
