"""The compiled flow is the law: its days and the oracle's cannot be told apart."""

import pytest
from tests.market.flow import conformance as oracle
from tests.market.flow.conformance import PresetConformance

from tercel.core.errors import CapacityError
from tercel.market.flow import load
from tercel.market.flow.port import Preset as AnyPreset
from tercel.market.flow.registry import models
from tercel.market.flow.santa_fe import SantaFePreset as Preset
from tercel.market.score.calibrated import simulated_census
from tercel.market.simulator.days import simulated_day

SIGMAS = 4.5
FIRST = {
    "santa_fe": "amzn-santa-fe",
    "hawkes": "amzn-hawkes",
    "queue_reactive": "amzn",
    "cheridito_weiss": "cw-flow",
}
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


class TestShipped(PresetConformance):
    """One market of every model."""

    @pytest.fixture(params=FIRST.values(), ids=FIRST.keys())
    def preset(self, request: pytest.FixtureRequest) -> AnyPreset:
        return load(request.param)


def test_every_model_is_held() -> None:
    assert set(FIRST) == set(models()) - {"resampled"}, "which has no kernel"
    assert [load(name).model for name in FIRST.values()] == [*FIRST]


def test_a_book_too_small_is_an_error(toy: Preset) -> None:
    with pytest.raises(CapacityError, match="16 order slots"):
        simulated_day(toy.model_copy(update={"orders": 16}), 1, 600.0)
