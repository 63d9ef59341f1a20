"""What tests of the library share: one market, one evaluation, one lake."""

from pathlib import Path

import pytest

import tercel as tc
from tercel.market.simulator.days import simulated_lake

MARKET = "csco-santa-fe"
OWN = """
import tercel as tc

@tc.strategy
def half_now(view):
    return tc.Intent(take=(view.left + 1) // 2)
"""


@pytest.fixture(scope="session")
def market() -> tc.Market:
    return tc.load_market(MARKET)


@pytest.fixture(scope="session")
def task() -> tc.Task:
    return tc.Task(share=0.10, horizon="10min", decisions=10)


@pytest.fixture(scope="session")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strategy of the user in a file."""
    file = tmp_path_factory.mktemp("own") / "mine.py"
    file.write_text(OWN)
    return file


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated days of two hours; nobody writes into it."""
    return simulated_lake(tmp_path_factory.mktemp("lake"), 2).root
