"""The compiled flow is the law: its days and the oracle's cannot be told apart."""

import numpy as np
import pytest
from tests.market.flow import conformance as oracle
from tests.market.flow.conformance import PresetConformance

from tercel.core.errors import CapacityError
from tercel.market.flow import load, names
from tercel.market.flow.calibrate import from_census
from tercel.market.flow.port import Preset as AnyPreset
from tercel.market.flow.preset import models
from tercel.market.flow.santa_fe import SantaFePreset as Preset
from tercel.market.score.calibrated import simulated_census
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument

SIGMAS = 4.5
FIRST = {load(name).model: name for name in reversed(names())}
"""Of every model a shipped market."""


@pytest.mark.parametrize("name", ["toy", pytest.param("csco-santa-fe", marks=pytest.mark.long)])
def test_kernel_and_oracle_agree(name: str, toy: Preset) -> None:
    """Every quantity of the fit table, twelve days each, Welch's z (14 quantities: 4.5 is rare by chance)."""
    preset, seconds, warmup = (
        (toy, 1500.0, 200.0) if name == "toy" else (load(name), 3600.0, 1800.0)
    )
    fast = [simulated_census(preset, seed, seconds, warmup) for seed in range(24)]
    slow = [
        oracle.simulated_census(oracle.SantaFe(preset), 100 + seed, seconds, warmup)
        for seed in range(12)
    ]
    scores = oracle.z_scores(fast, slow)
    assert max(map(abs, scores.values())) < SIGMAS, scores


def test_rates_come_back_from_the_kernel(toy: Preset) -> None:
    days = [simulated_census(toy, seed, 20_000.0, 300.0) for seed in range(3)]
    instrument = Instrument("TEST", "TOY", "2003-01-13", 0.01)
    again = from_census(days, [instrument] * 3, name="toy", date="2026-01-01", lot_shares=1)
    seconds = again.card["seconds"]
    placed = 2.0 * seconds * np.array(toy.limit_rate)
    assert np.all(
        np.abs(2.0 * seconds * np.array(again.limit_rate) - placed) < SIGMAS * np.sqrt(placed)
    )
    assert np.array(again.cancel_rate) == pytest.approx(np.array(toy.cancel_rate), rel=0.06)
    assert again.market_rate == pytest.approx(
        toy.market_rate, rel=SIGMAS / np.sqrt(2.0 * seconds * toy.market_rate)
    )


class TestShipped(PresetConformance):
    """One market of every model."""

    @pytest.fixture(params=FIRST.values(), ids=FIRST.keys())
    def preset(self, request: pytest.FixtureRequest) -> AnyPreset:
        return load(request.param)


def test_every_model_is_held() -> None:
    assert set(FIRST) == set(models()) - {"resampled"}, "which has no kernel"


def test_a_book_too_small_is_an_error(toy: Preset) -> None:
    with pytest.raises(CapacityError, match="16 order slots"):
        simulated_day(toy.model_copy(update={"orders": 16}), 1, 600.0)
