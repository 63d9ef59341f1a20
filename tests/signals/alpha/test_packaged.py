"""The packaged alpha model: what it says, when it refuses, and that a command makes it again."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from studies.shipped.alpha import NAMES, SOURCES, simulate_rounds, train_demo
from tercel.core.errors import DataError, UnknownNameError
from tercel.market.flow.registry import load
from tercel.signals.models.fusion import BoundedLinear
from tercel.signals.models.model_folder import load_packaged, packaged_names
from tercel.signals.models.signal_model import SignalModel

FEATURES = {
    "ofi": 40.0, "signed_volume": 20.0, "return_bps": 2.0, "imbalance": 0.2, "microprice_bps": 1.0, "news": 1.0,
}  # fmt: skip


def test_it_reads_what_a_desk_senses() -> None:
    model = load_packaged("demo")
    assert packaged_names() == ("demo",)
    assert set(model.features) == set(NAMES) == set(FEATURES)
    alpha = model.alpha(FEATURES, "AAA", 7)
    assert (alpha.instrument, alpha.at_ns, alpha.horizon_ns) == ("AAA", 7, 600 * 10**9)
    assert alpha.sources == ("flow", "book", "news")
    assert alpha.expected_bps > 10
    assert alpha.sd_bps > 0
    assert model.alpha(FEATURES | {"news": -1.0}, "AAA", 7).expected_bps < 0


def test_less_is_never_surer_and_never_breaks() -> None:
    model = load_packaged("demo")
    whole = model.alpha(FEATURES, "A", 0)
    for source, names in SOURCES.items():
        for name in names:
            less = model.alpha(FEATURES | {name: None}, "A", 0)
            assert source not in less.sources
            assert less.sd_bps >= whole.sd_bps
    none = model.alpha({}, "A", 0)
    assert none.sources == ()
    assert abs(none.expected_bps) < 1.0


@given(st.sampled_from(NAMES), st.floats(allow_nan=False, allow_infinity=False))
def test_what_training_never_saw_is_not_extrapolated(name: str, value: float) -> None:
    alpha = load_packaged("demo").alpha(FEATURES | {name: value}, "A", 0)
    assert abs(alpha.expected_bps) < 100


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"in news of AAA at 7"):
        load_packaged("demo").alpha(FEATURES | {"news": value}, "AAA", 7)


def test_unknown_names_are_told_the_nearest() -> None:
    with pytest.raises(DataError, match="'imbalance'"):
        load_packaged("demo").alpha({"imbalanse": 1.0}, "A", 0)
    with pytest.raises(UnknownNameError, match="demo"):
        load_packaged("demmo")


def line_of(model: SignalModel, source: str) -> BoundedLinear:
    """What a part learned."""
    (found,) = (one.model for one in model.models if one.source == source)
    assert isinstance(found, BoundedLinear)
    return found


def test_material_is_the_seeds_alone_and_the_news_is_as_good_as_planted() -> None:
    preset = load("csco-santa-fe")
    first, second = (simulate_rounds(preset, 500, 3) for _ in range(2))
    np.testing.assert_array_equal(first.X, second.X)
    np.testing.assert_array_equal(first.moves, second.moves)
    assert np.corrcoef(first.X[:, NAMES.index("news")], first.direction)[0, 1] == pytest.approx(
        0.6, abs=0.08
    )
    assert np.corrcoef(first.direction, first.moves[:, -1])[0, 1] > 0.6
    still = simulate_rounds(preset, 500, 3, drift=0.0)
    assert abs(np.corrcoef(still.direction, still.moves[:, -1])[0, 1]) < 0.15


@pytest.mark.long
def test_the_packaged_model_is_what_its_command_makes() -> None:
    kept = load_packaged("demo")
    made = train_demo(
        load("csco-santa-fe"), kept.card["rounds"], kept.card["rounds"] // 2, kept.card["seed"], ""
    )
    for name in SOURCES:
        np.testing.assert_allclose(line_of(made, name).coef, line_of(kept, name).coef, rtol=1e-6)
    np.testing.assert_allclose(made.fusion.weights, kept.fusion.weights, rtol=1e-6)
