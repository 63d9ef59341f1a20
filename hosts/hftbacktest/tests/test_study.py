"""The study of engines on a simulated day: where hftbacktest fills by trades through a price, it fills as the replay does."""

import sys
from pathlib import Path

import numpy as np
import pytest

from studies.engines import parent_orders as p, touch_orders as t
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake

PYTHON = Path(sys.executable)
LATENCY_NS = 50_000_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return simulated_lake(tmp_path_factory.mktemp("lake"), 1.5)


def test_resting_orders_fill_at_the_same_nanosecond(lake: Lake, tmp_path: Path) -> None:
    date = lake.days("SIM")[0]
    found = t.compare(lake, "SIM", [date], 150, 1, LATENCY_NS, 81, PYTHON, tmp_path)
    strict, kind = found.here[t.STRICT], found.here[t.KIND]
    assert found.there[t.THROUGH].same(strict).all()
    assert found.there[t.SHOWN].same(kind).all()
    assert 0 < (strict.lots > 0).sum() < (kind.lots > 0).sum() < 150
    assert t.CAUSES.index(t.OTHER) not in t.causes_of(found)


def test_parent_orders_of_a_lot_cost_the_same(lake: Lake, tmp_path: Path) -> None:
    date = lake.days("SIM")[0]
    found = p.compare(
        lake, "SIM", [date], 4, p.Size(0.0, 1), [t.STRICT], [t.THROUGH], LATENCY_NS, PYTHON, tmp_path
    )  # fmt: skip
    for name in p.STRATEGIES:
        here, there = found.here[t.STRICT][name], found.there[t.THROUGH][name]
        np.testing.assert_allclose(there.bps, here.bps, atol=1e-9)
        assert there.passive.tolist() == here.passive.tolist()
