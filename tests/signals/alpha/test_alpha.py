"""Half-lives from curves that are known, intervals, and the message itself."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tercel.core.errors import DataError
from tercel.signals.models.fusion import BOUNDED, BaseModel, BoundedLinear, stack
from tercel.signals.models.model_folder import SignalModel
from tercel.signals.models.skill import AlphaScale, decay

S = 10**9


@given(st.floats(5, 300), st.integers(0, 1000))
@settings(max_examples=20)
def test_the_half_life_of_an_exponential_response_is_found(half_life, seed):
    rng = np.random.default_rng(seed)
    horizons = np.array([10, 30, 60, 120, 300])
    score = rng.normal(size=4000)
    moves = score[:, None] * (1 - 0.5 ** (horizons / half_life)) + 0.01 * rng.normal(size=(4000, 5))
    found = decay(score, moves, (horizons * S).tolist())
    assert found.half_life_ns / S == pytest.approx(half_life, rel=0.08)
    assert (np.diff(found.slope) > -0.01).all()


def test_a_steady_drift_lives_far_longer_than_its_horizons():
    rng = np.random.default_rng(5)
    horizons = np.array([60, 120, 300, 600])
    score = rng.normal(size=4000)
    moves = score[:, None] * horizons / 600 + 0.1 * rng.normal(size=(4000, 4))
    assert decay(score, moves, (horizons * S).tolist()).half_life_ns / S > 4 * 600


def test_the_future_may_end():
    rng = np.random.default_rng(0)
    score = rng.normal(size=500)
    moves = np.stack([score, 1.5 * score], axis=1)
    moves[-50:, 1] = np.nan
    assert decay(score, moves, [S, 2 * S]).half_life_ns > 0
    with pytest.raises(DataError, match="vary"):
        decay(np.ones(500), moves, [S, 2 * S])
    with pytest.raises(DataError, match="horizons"):
        decay(score, moves, [2 * S, S])


def test_the_message_says_what_was_heard():
    rng = np.random.default_rng(3)
    told = rng.normal(size=(400, 2))
    fused = stack(
        told,
        told.sum(axis=1) + rng.normal(size=400),
        ("book:bounded_linear", "news:bounded_linear"),
    )
    one = BoundedLinear(np.full(1, -9.0), np.full(1, 9.0), np.ones(1), 0.0)
    parts = tuple(
        BaseModel(name, BOUNDED, (name,), np.arange(1), np.zeros(1), one)
        for name in ("book", "news")
    )
    model = SignalModel(
        fused, parts, AlphaScale(1.0, 1.0, 1.0, 600 * S, S), card={"inputs": "market", "name": "m"}
    )
    whole = model.alpha({"book": 1.0, "news": 2.0}, "X", 5)
    less = model.alpha({"book": 1.0, "news": None}, "X", 5)
    none = model.alpha({}, "X", 5)
    assert whole.sources == ("book", "news")
    assert less.sources == ("book",)
    assert none.sources == ()
    assert whole.sd_bps < less.sd_bps < none.sd_bps
    assert none.expected_bps == pytest.approx(fused.base)
    with pytest.raises(DataError, match="are numbers, or None"):
        model.alpha({"book": np.inf, "news": 0.0}, "X", 5)
