"""Fusion: closed forms as oracles, then properties, then the traps."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.models.fusion import Fusion, stack


def independent(n=20_000, k=3, seed=0, noise=1.0):
    """k independent sources, each a calibrated forecast of its part of y."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n, k)) * np.linspace(0.3, 0.6, k)
    return parts, parts.sum(axis=1) + noise * rng.normal(size=n)


def test_least_squares_is_recovered_without_shrinkage():
    parts, y = independent()
    fused = stack(parts, y, ("a", "b", "c"), shrink=0.0)
    oracle = np.linalg.lstsq(parts - parts.mean(0), y - y.mean(), rcond=None)[0]
    np.testing.assert_allclose(fused.weights * fused.slope, oracle, atol=1e-6)
    value, sd = fused.combine(parts)
    np.testing.assert_allclose(sd, (y - value).std(), rtol=1e-6)


def test_equal_weights_are_one_scale_for_all():
    parts, y = independent()
    fused = stack(parts, y, ("a", "b", "c"), shrink=1.0)
    assert np.ptp(fused.weights) == 0
    value, _ = fused.combine(parts)
    # the scale is the least-squares one: what is left has nothing in common with what was said
    assert abs(float((y - value) @ (value - fused.base))) / len(y) < 1e-9


@pytest.mark.parametrize("mask", [m for m in itertools.product([True, False], repeat=3) if any(m)])
def test_a_missing_independent_source_changes_no_other_weight(mask):
    parts, y = independent()
    fused = stack(parts, y, ("a", "b", "c"), shrink=0.0)
    weights, sd = fused.without(mask)
    np.testing.assert_allclose(weights[list(mask)], fused.weights[list(mask)], rtol=0.05)
    holed = np.where(mask, parts, np.nan)
    value, told = fused.combine(holed)
    np.testing.assert_allclose(told, sd)
    np.testing.assert_allclose(told, (y - value).std(), rtol=0.01)


def test_a_missing_twin_hands_its_weight_on():
    rng = np.random.default_rng(1)
    signal = rng.normal(size=5000)
    y = signal + rng.normal(size=5000)
    fused = stack(np.stack([signal, signal], axis=1), y, ("a", "twin"), shrink=0.5)
    weights, sd = fused.without([True, False])
    assert weights[0] == pytest.approx(fused.weights.sum(), rel=1e-6)
    assert sd == pytest.approx(fused.without([True, True])[1], rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0, 1), st.floats(0, 0.6))
def test_weights_are_never_negative_and_less_is_never_surer(seed, k, shrink, holes):
    rng = np.random.default_rng(seed)
    told = rng.normal(size=(80, k))
    y = told @ rng.normal(size=k) + rng.normal(size=80)
    told[rng.random(told.shape) < holes] = np.nan
    told[0] = 1.0
    fused = stack(told, y, [str(i) for i in range(k)], shrink=shrink)
    assert (fused.weights >= 0).all()
    value, sd = fused.combine(told)
    assert np.isfinite(value).all()
    assert (sd >= fused.without(np.ones(k, bool))[1] - 1e-12).all()
    none, wide = fused.combine(np.full((1, k), np.nan))
    assert none[0] == pytest.approx(y.mean())
    assert wide[0] == pytest.approx(max(y.std(), fused.without(np.ones(k, bool))[1]))


def test_a_source_that_is_wrong_gets_nothing():
    parts, y = independent()
    fused = stack(np.stack([parts[:, 0], -parts[:, 1]], axis=1), y, ("right", "wrong"))
    assert fused.weights[1] * fused.slope[1] == 0


def test_in_sample_forecasts_mislead_out_of_fold_ones_do_not():
    """The trap: a source that fits noise takes the weight when judged on what it has seen."""
    rng = np.random.default_rng(2)
    n, noisy = 400, 150
    real, junk = rng.normal(size=n), rng.normal(size=(n, noisy))
    y = 0.3 * real + rng.normal(size=n)
    half = n // 2
    beta = np.linalg.lstsq(junk[:half], y[:half], rcond=None)[0]
    told = np.stack([0.3 * real, junk @ beta], axis=1)
    seen = stack(told[:half], y[:half], ("real", "junk"), shrink=0.0)
    unseen = stack(told[half:], y[half:], ("real", "junk"), shrink=0.0)
    assert seen.weights[1] > 3 * max(unseen.weights[1] * unseen.slope[1], 0.05)


def test_it_comes_back_from_its_file_and_refuses_a_damaged_one():
    parts, y = independent(500)
    fused = stack(parts, y, ("a", "b", "c"))
    again = Fusion.from_json(fused.to_json())
    np.testing.assert_array_equal(again.combine(parts)[0], fused.combine(parts)[0])
    raw = fused.to_json()
    for key in raw:
        with pytest.raises(DataError):
            Fusion.from_json({k: v for k, v in raw.items() if k != key})
    with pytest.raises(DataError):
        Fusion.from_json({**raw, "weights": [-1, 0, 0]})
    with pytest.raises(DataError):
        Fusion.from_json({**raw, "base": float("nan")})


def test_bad_material_is_named():
    parts, y = independent(100)
    names = ("a", "b", "c")
    for told, target, expected in (
        (parts[:, :2], y, "one forecast per row"),
        (parts[:10], y[:10], "at least 30"),
        (np.full_like(parts, np.nan), y, "says something"),
        (parts, np.ones(100), "vary"),
        (np.where(parts > 0, np.inf, parts), y, "finite"),
    ):
        with pytest.raises(DataError, match=expected):
            stack(told, target, names)
    with pytest.raises(DataError, match="per source"):
        stack(parts, y, names).combine(parts[:, :2])
