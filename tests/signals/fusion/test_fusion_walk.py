"""Walking forward: no forecast by a model that saw its answer; a source that is missing takes its own alone. And fusion
itself: closed forms as oracles, properties, the traps.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.core.report.cells import NOTHING
from tercel.core.stats import t_quantile
from tercel.signals.models.folds import DAY, walk_forward
from tercel.signals.models.fusion import Fusion, stack
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.models.skill import (
    NO_SKILL,
    PERIODS,
    chain_outcomes,
    scale_of,
    skill_sentence,
)
from tercel.signals.models.walk_forward import (
    base_names,
    evidence,
    fit_base,
    fit_final,
    fuse_all,
    fuse_blocks,
    out_of_fold,
    spelt_evidence,
    thin_rows,
)
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.evaluation import ic_of, out_of_sample
from tercel.signals.sources.synthetic import synthetic_market

Folds = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic_market(3, instruments=20, days=150, strength=0.2).data


def folds_of(data: Dataset) -> Folds:
    return list(walk_forward(data.time_ns, data.end_ns, splits=3, embargo_ns=2 * DAY))


@pytest.fixture(scope="module")
def folds(data: Dataset) -> Folds:
    return folds_of(data)


@pytest.fixture(scope="module")
def names(data: Dataset) -> list[str]:
    return base_names(data, ("linear",))


@pytest.fixture(scope="module")
def told(data: Dataset, folds: Folds) -> np.ndarray:
    """Forecasts of each part out of sample; nobody writes into them."""
    return out_of_fold(data, ("linear",), folds)


def test_the_future_changes_no_forecast(
    data: Dataset, folds: Folds, names: list[str], told: np.ndarray
) -> None:
    """The oracle of all look-ahead: spoil every label after a moment; forecasts up to it stay as they are."""
    value, sd, _ = fuse_blocks(data, told, names, folds)
    late = data.time_ns >= data.time_ns[folds[1][1]].min()
    spoilt = replace(data, y=np.where(late, -data.y[::-1], data.y))
    again = out_of_fold(spoilt, ("linear",), folds)
    upto = folds[1][1]
    np.testing.assert_array_equal(again[upto], told[upto])
    new_value, new_sd, _ = fuse_blocks(spoilt, again, names, folds)
    np.testing.assert_array_equal(new_value[upto], value[upto])
    np.testing.assert_array_equal(new_sd[upto], sd[upto])


def test_a_missing_source_takes_its_own_forecasts_and_no_other(
    data: Dataset, folds: Folds, names: list[str], told: np.ndarray
) -> None:
    last = folds[-1][1]
    x = data.x.copy()
    x[np.ix_(last, data.sources["linear"])] = np.nan
    holed = replace(data, x=x)
    less = out_of_fold(holed, ("linear",), folds)
    assert np.isnan(less[last, names.index("linear:linear")]).all()
    rest = [k for k, name in enumerate(names) if name != "linear:linear"]
    np.testing.assert_array_equal(less[np.ix_(last, rest)], told[np.ix_(last, rest)])
    whole, whole_sd, _ = fuse_blocks(data, told, names, folds)
    value, sd, _ = fuse_blocks(holed, less, names, folds)
    assert np.isfinite(value[last]).all()
    assert (sd[last] > whole_sd[last]).all()
    assert not np.array_equal(value[last], whole[last])


def test_a_source_that_never_speaks_is_left_out_and_none_at_all_is_refused(
    data: Dataset, folds: Folds, names: list[str]
) -> None:
    x = data.x.copy()
    x[:, data.sources["noise"]] = np.nan
    silent = out_of_fold(replace(data, x=x), ("linear",), folds)
    assert np.isnan(silent[:, names.index("noise:linear")]).all()
    with pytest.raises(DataError, match="can be learned from"):
        out_of_fold(replace(data, x=np.full_like(x, np.nan)), ("linear",), folds)
    x[:, data.sources["linear"]] = 1.0
    with pytest.raises(DataError, match="constant linear"):
        fit_base(replace(data, x=x), "linear", "linear", np.arange(data.n), 0)


def test_thinning_keeps_whole_cross_sections_and_the_newest(data: Dataset) -> None:
    rows = np.arange(data.n)
    kept = thin_rows(rows, data.dates, data.n // 3)
    assert len(kept) <= data.n // 3
    counts = np.bincount(data.dates[kept])
    assert set(counts) <= {0, 20}
    assert kept[-1] == rows[-1]
    assert thin_rows(rows, data.dates, data.n) is rows


def test_messages_are_in_bps_and_less_is_less_sure(
    data: Dataset, folds: Folds, names: list[str], told: np.ndarray
) -> None:
    fusion, models = fit_final(data, ("linear",), told)
    scale = scale_of(
        data, fuse_blocks(data, told, names, folds)[0], fusion.without([True] * len(names))[1]
    )
    assert scale.horizon_ns == DAY
    assert scale.sd_bps == pytest.approx(200, rel=0.15)
    today = data.dates == data.dates[-1]
    features = {name: data.x[today, c] for c, name in enumerate(data.names)}
    who = list(data.instrument[today])
    model = SignalModel(fusion, tuple(models), scale)
    whole = model.alphas(features, who, 5)
    assert [a.instrument for a in whole] == who
    # the planted alpha is a fifth of a return of 200 bps, which `linear` carries
    expected = np.array([a.expected_bps for a in whole])
    assert np.corrcoef(expected, features["linear.a"])[0, 1] > 0.95
    assert 15 < expected.std() < 65
    less = model.alphas({k: v for k, v in features.items() if "linear" not in k}, who, 5)
    assert all("linear" not in a.sources for a in less)
    assert all(a.sd_bps > b.sd_bps for a, b in zip(less, whole, strict=True))
    with pytest.raises(DataError, match="row per instrument"):
        model.alphas(features, who[:-1], 5)


def test_only_a_source_above_zero_by_its_interval_has_a_weight(
    data: Dataset, names: list[str], told: np.ndarray
) -> None:
    """Oracle: the slope and Student's interval over blocks of dates, in a plain loop."""
    rows = ~np.isnan(told).all(axis=1)
    fusion = fuse_all(data, told, names, 0.5)
    for k, found in enumerate(evidence(data, told, rows)):
        sums: dict[int, list[float]] = {}
        for at in np.unique(data.dates[rows]).tolist():
            day = (data.dates == at) & np.isfinite(told[:, k])
            if not day.any():
                continue
            x, y = (
                told[day, k] - told[day, k].mean(),
                data.y[day] - data.y[day].mean(),
            )
            block = sums.setdefault(at // 4, [0.0, 0.0])
            block[0] += float(x @ y)
            block[1] += float(x @ x)
        common, power = np.array(list(sums.values())).T
        slope, n = common.sum() / power.sum(), len(sums)
        half = (
            t_quantile(0.975, n - 1)
            * np.sqrt(((common - slope * power) ** 2).sum() * n / (n - 1))
            / power.sum()
        )
        assert (found.mean, found.ci_low, found.ci_high) == pytest.approx(
            (slope, slope - half, slope + half)
        )
        assert (fusion.weights[k] * fusion.slope[k] > 0) == (slope - half > 0)
        assert spelt_evidence(found).endswith("not statistically significant, weight 0") == (
            slope - half <= 0
        )
    assert fusion.weights[0] > 0
    none = fuse_all(
        data,
        np.where(
            np.isnan(told),
            np.nan,
            np.random.default_rng(0).normal(size=told.shape),
        ),
        names,
        0.5,
    )
    value, sd = none.combine(told[rows])
    assert not none.weights.any()
    assert set(value.tolist()) == {none.base}
    assert sd == pytest.approx(data.y[rows].std())


def test_a_half_life_is_no_longer_than_it_was_measured(data: Dataset) -> None:
    """A steady drift: the slopes of one to four dates grow in proportion."""
    rng = np.random.default_rng(1)
    lasting = rng.normal(size=20)[np.unique(data.instrument, return_inverse=True)[1]]
    drifting = replace(data, outcome=0.01 * lasting + 1e-4 * rng.normal(size=data.n))
    scale = scale_of(drifting, lasting, 1.0)
    assert scale.half_life_ns == PERIODS[-1] * scale.horizon_ns == 4 * DAY
    assert scale.half_life == "longer than measured (4.0 days)"
    silent = scale_of(drifting, np.ones(data.n), 1.0)
    assert (silent.unit_bps, silent.half_life_ns, silent.half_life) == (0.0, DAY, NOTHING)


def test_a_source_that_begins_late_and_a_forecast_that_was_wrong(
    data: Dataset, folds: Folds, names: list[str], told: np.ndarray
) -> None:
    late = told[:, :1].copy()
    late[np.concatenate([folds[0][1], folds[1][1]])] = np.nan
    value, _, _ = fuse_blocks(data, late, names[:1], folds)
    assert np.isnan(value[folds[1][1]]).all()
    assert np.isfinite(value[folds[2][1]]).all()
    wrong = scale_of(data, -told[:, 0], 0.3)
    assert wrong.unit_bps == 0.0
    never = out_of_sample(data, -told[:, :1], names[:1], folds, shrink=0.5, seed=1)
    assert not never.fused
    assert np.isnan(never.calibration["slope"])


def test_chained_moves_are_sums_of_the_same_name() -> None:
    data = synthetic_market(1, instruments=5, days=12).data
    moves = chain_outcomes(data, (1, 2, 3))
    one = data.instrument == "S002"
    outcome = data.outcome[one]
    np.testing.assert_allclose(moves[one][:-1, 1], outcome[:-1] + outcome[1:])
    assert np.isnan(moves[one][-1, 1:]).all()
    assert np.isnan(moves[one][-2, 2])


def test_dates_on_which_a_fusion_is_silent_are_left_out_and_counted(data: Dataset) -> None:
    dates = np.unique(data.dates)
    speaks = np.isin(data.dates, dates[::2])
    score = np.where(speaks, data.outcome, 0.5)
    found = ic_of(score, data, np.random.default_rng(0))
    assert found is not None
    assert found.mean == pytest.approx(1.0)
    assert (found.dates, found.silent) == (len(dates[::2]), len(dates[1::2]))
    assert f"over {found.dates} of {len(dates)} dates" in skill_sentence(found)
    unheard = ic_of(np.where(speaks, data.outcome, np.nan), data, np.random.default_rng(0))
    assert unheard is not None
    assert (unheard.mean, unheard.silent) == (pytest.approx(1.0), 0)
    never = ic_of(np.full(data.n, 0.5), data, np.random.default_rng(0))
    assert never is NO_SKILL
    assert "no source was statistically significant before any test block" in skill_sentence(never)
    few = data.rows(np.flatnonzero(data.dates < 4))
    assert ic_of(few.outcome, few, np.random.default_rng(0)) is None
    seldom = np.where(data.dates < 4, data.outcome, 0.5)
    assert ic_of(seldom, data, np.random.default_rng(0)) is None
    assert "too few dates with a forecast" in skill_sentence(None)


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


def test_it_comes_back_from_its_file_and_refuses_a_damaged_one():
    parts, y = independent(500)
    fused = stack(parts, y, ("a", "b", "c"))
    again = Fusion.from_json(fused.to_json())
    np.testing.assert_array_equal(again.combine(parts)[0], fused.combine(parts)[0])
    raw = fused.to_json()
    damaged = [{k: v for k, v in raw.items() if k != key} for key in raw]
    for kept in (*damaged, {**raw, "weights": [-1, 0, 0]}, {**raw, "base": float("nan")}):
        with pytest.raises(DataError):
            Fusion.from_json(kept)


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
