"""What a forecast is made of: parts that add up, differences by hand, a plain loop for what a feature is worth."""

from dataclasses import replace

import numpy as np
import pytest

from studies.signals.explain import (
    Importance,
    Parts,
    called,
    contributions,
    explained,
    groups_of,
    importance,
    names_of,
    split_of,
)
from tercel.core.errors import ConfigError
from tercel.signals.models.folds import DAY, walk_forward
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.models.skill import AlphaScale, rank_ic_by_date
from tercel.signals.models.walk_forward import (
    base_names,
    fit_base,
    fit_final,
    fuse_blocks,
    out_of_fold,
)
from tercel.signals.panel.dataset import Dataset
from tercel.signals.sources.synthetic import synthetic_market

FAMILIES = ("linear", "boosting")
BOOST = {"boosting": {"n_estimators": 20, "num_leaves": 4}}
SCALE = AlphaScale(500.0, 200.0, 0.3, DAY, DAY)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic_market(3, instruments=15, days=150, strength=0.3).data


@pytest.fixture(scope="module")
def folds(data: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(walk_forward(data.time_ns, data.end_ns, splits=3, embargo_ns=2 * DAY))


@pytest.fixture(scope="module")
def model(data: Dataset, folds: list[tuple[np.ndarray, np.ndarray]]) -> SignalModel:
    told = out_of_fold(data, FAMILIES, folds, settings=BOOST)
    fusion, models = fit_final(data, FAMILIES, told, settings=BOOST)
    return SignalModel(fusion, tuple(models), SCALE)


def last_date(data: Dataset) -> Dataset:
    return data.rows(data.time_ns == data.time_ns[-1])


def test_parts_add_up_to_the_forecast(data: Dataset, model: SignalModel) -> None:
    rows = last_date(data)
    parts = contributions(model, rows)
    alphas = model.alphas(dict(zip(rows.names, rows.x.T, strict=True)), rows.instrument.tolist(), 0)
    np.testing.assert_allclose(
        parts.common + parts.bps.sum(axis=1), [one.expected_bps for one in alphas], atol=1e-8
    )
    np.testing.assert_allclose(parts.bps.mean(axis=0), 0.0, atol=1e-9)
    assert set(parts.features) <= set(data.names)


def test_a_model_without_a_forecast_is_refused_before_anything_is_read(model: SignalModel) -> None:
    weightless = replace(model.fusion, weights=np.zeros_like(model.fusion.weights))
    for silent in (
        replace(model, fusion=weightless),
        replace(model, scale=replace(SCALE, unit_bps=0.0)),
    ):
        with pytest.raises(ConfigError, match="every forecast is 0"):
            explained(silent, 1)


def test_they_add_up_where_a_source_is_missing_for_some(data: Dataset, model: SignalModel) -> None:
    rows = last_date(data)
    rows.x[3, list(data.sources["linear"])] = np.nan
    rows.x[5] = np.nan
    parts = contributions(model, rows)
    alphas = model.alphas(dict(zip(rows.names, rows.x.T, strict=True)), rows.instrument.tolist(), 0)
    np.testing.assert_allclose(
        parts.common + parts.bps.sum(axis=1), [one.expected_bps for one in alphas], atol=1e-8
    )
    assert "what is missing" in parts.features


@pytest.mark.parametrize(
    ("family", "settings"), [("linear", {}), ("boosting", {"boosting": {"num_leaves": 2}})]
)
def test_one_feature_moved_moves_its_own_part_alone(
    data: Dataset, family: str, settings: dict[str, dict]
) -> None:
    """The oracle of models without interactions, a line and stumps: a part moves by what the forecast moves."""
    part = fit_base(data, "interaction", family, np.arange(data.n), 0, settings)
    x = data.x[:40][:, list(data.sources["interaction"])]
    moved = x.copy()
    moved[:, 0] += 1.5
    before, rest = split_of(part, x)
    after, _ = split_of(part, moved)
    np.testing.assert_allclose(
        after["interaction.b"] - before["interaction.b"], part.predict(moved) - part.predict(x)
    )
    np.testing.assert_allclose(after["interaction.c"], before["interaction.c"])
    np.testing.assert_allclose(sum(before.values()) + rest, part.predict(x))


def test_importance_is_that_of_a_plain_loop(
    data: Dataset, folds: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    found = importance(data, ("linear",), folds, np.random.default_rng(1), shrink=0.5, seed=0)
    names = base_names(data, ("linear",))
    told = out_of_fold(data, ("linear",), folds)
    value = fuse_blocks(data, told, names, folds)[0]
    np.testing.assert_array_equal(found.value, value)
    rng, lost = np.random.default_rng(1), []
    column = data.names.index("linear.a")
    for _, test in folds[1:]:  # before the first block nothing was fused
        order = np.lexsort((rng.random(len(test)), data.time_ns[test]))
        x = data.x.copy()
        x[test, column] = data.x[test[order], column]
        spoilt = out_of_fold(
            Dataset(
                x,
                data.y,
                data.outcome,
                data.names,
                data.time_ns,
                data.start_ns,
                data.end_ns,
                data.instrument,
            ),
            ("linear",),
            folds,
        )
        mixed = told.copy()
        mixed[test] = spoilt[
            test
        ]  # this block alone: the fusion learned from earlier ones as they were
        moved = fuse_blocks(data, mixed, names, folds)[0]
        lost.append(
            rank_ic_by_date(value[test], data.outcome[test], data.time_ns[test])
            - rank_ic_by_date(moved[test], data.outcome[test], data.time_ns[test])
        )
    np.testing.assert_allclose(found.lost["linear.a"], np.concatenate(lost), atol=1e-12)
    np.testing.assert_array_equal(
        found.lost["linear"], found.lost["linear.a"]
    )  # a source of one feature


def twinned(data: Dataset) -> Dataset:
    """The same with two columns more: a feature less the mean of its date, turned; a feature with a little noise."""
    a, b = data.names.index("linear.a"), data.names.index("interaction.b")
    market = np.array([data.x[data.time_ns == at, a].mean() for at in data.time_ns])
    noisy = data.x[:, b] + 0.3 * data.x[:, b].std() * np.random.default_rng(1).normal(size=data.n)
    names = (*data.names, "linear.turned", "interaction.noisy")
    return replace(data, x=np.column_stack([data.x, market - data.x[:, a], noisy]), names=names)


def test_features_that_rank_a_date_alike_are_a_group(data: Dataset) -> None:
    several = [group for group in groups_of(twinned(data)) if len(group) > 1]
    assert several == [("linear.a", "linear.turned"), ("interaction.b", "interaction.noisy")]
    assert all(len(group) == 1 for group in groups_of(data))


def test_parts_that_cancel_are_said_by_their_sum(data: Dataset) -> None:
    """Two forms of one fact, +28.6 and -26.5, come after what moves the forecast; the parts themselves stay."""
    features = ("s.ret", "s.adjusted", "s.other", "s:forest")
    parts = Parts(features, np.array([[28.6, -26.5, 9.0, -1.0]]), 0.4)
    rows = data.rows(np.array([0]))
    (found,) = names_of(parts, rows, [("s.ret", "s.adjusted"), ("s.other",), ("s.unread",)])
    assert [(one.group, round(one.bps, 6)) for one in found.groups] == [
        ("s.other", 9.0),
        ("s.ret & adjusted", 2.1),
        ("s:forest", -1.0),
    ]
    assert sum(one.bps for one in found.groups) + 0.4 == pytest.approx(found.expected_bps)
    assert [one.feature for one in found.parts] == [
        "s.ret",
        "s.adjusted",
        "s.other",
        "s:forest",
    ]
    assert found.made_of() == "s.other +9.0, s.ret & adjusted +2.1, s:forest -1.0"
    assert found.made_of(2, inside=True) == "s.other +9.0, s.ret & adjusted +2.1 = +28.6 -26.5"


def test_a_group_is_shuffled_as_a_whole(
    data: Dataset, folds: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    group = ("linear.a", "noise.d")
    found = importance(
        data, ("linear",), folds, np.random.default_rng(1), shrink=0.5, seed=0, groups=[group]
    )
    plain = importance(data, ("linear",), folds, np.random.default_rng(1), shrink=0.5, seed=0)
    assert set(found.lost) - set(plain.lost) == {called(group)}
    assert all(np.array_equal(found.lost[name], lost) for name, lost in plain.lost.items())


def test_folds_that_agree_by_hand() -> None:
    lost = {
        "a": np.array([3.0, 3.0, 2.0, 2.0]),
        "b": np.array([1.0, 1.0, 1.0, np.nan]),
        "c": np.array([-1.0, 0.0, 0.5, 3.5]),
    }
    found = Importance(np.zeros(4), np.zeros(4), np.array([0, 0, 1, 1]), lost)
    assert found.by_fold("b").tolist() == [1.0, 1.0]
    assert found.same_sign("c") == 0.5
    assert found.agreement(["a", "b"]) == pytest.approx(1.0)
    assert found.agreement(["a", "b", "c"]) == pytest.approx(
        0.0, abs=1e-12
    )  # ranks 3 2 1, then 2.5 1 2.5
    assert np.isnan(found.agreement(["a"]))
