"""Classifiers of the comparison pass the kit, scikit-learn's own checks and its oracles."""

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

from certify.kits.signal_model import SignalModelConformance, separable
from studies.families.classifiers import (
    BoostingClassifier,
    ForestClassifier,
    Logistic,
    LstmClassifier,
    RegimeClassifier,
    SvmClassifier,
    TransformerClassifier,
)
from tercel.core.errors import DataError

pytestmark = pytest.mark.release

sklearn = pytest.importorskip("sklearn")
needs_lightgbm = pytest.mark.skipif(
    importlib.util.find_spec("lightgbm") is None, reason="no lightgbm"
)
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no torch")
needs_hmmlearn = pytest.mark.skipif(
    importlib.util.find_spec("hmmlearn") is None, reason="no hmmlearn"
)


class TestLogistic(SignalModelConformance):
    def model(self) -> Any:
        return Logistic()


class TestForestClassifier(SignalModelConformance):
    def model(self) -> Any:
        return ForestClassifier(n_estimators=30)


@needs_lightgbm
class TestBoostingClassifier(SignalModelConformance):
    def model(self) -> Any:
        return BoostingClassifier(n_estimators=40)


class TestLinearSvmClassifier(SignalModelConformance):
    def model(self) -> Any:
        return SvmClassifier("linear")


class TestRbfSvmClassifier(SignalModelConformance):
    def model(self) -> Any:
        return SvmClassifier()


class TestSubsampledSvm(SignalModelConformance):
    def model(self) -> Any:
        return SvmClassifier(subsample=100)


@needs_torch
class TestLstmClassifier(SignalModelConformance):
    def model(self) -> Any:
        return LstmClassifier(steps=2, epochs=8, rate=0.02, batch=32)


@needs_torch
class TestTransformerClassifier(SignalModelConformance):
    def model(self) -> Any:
        return TransformerClassifier(steps=2, epochs=8, rate=0.01, batch=32)


@needs_hmmlearn
class TestHmmClassifier(SignalModelConformance):
    learns = False

    def model(self) -> Any:
        return RegimeClassifier("hmm")


class TestClusterClassifier(SignalModelConformance):
    learns = False

    def model(self) -> Any:
        return RegimeClassifier("clusters")


ON_PURPOSE = {
    "check_n_features_in_after_fitting": "columns are arrays here; pandas' names are the panel's business",
    "check_dataframe_column_names_consistency": "columns are arrays here; names are the panel's business",
}
NOT_EXACT = {
    "check_sample_weight_equivalence_on_dense_data": "a bootstrap or a histogram draws rows, not weights",
}


@pytest.mark.parametrize(
    ("model", "but"),
    [
        (Logistic(), {}),
        (ForestClassifier(n_estimators=10), NOT_EXACT),
        pytest.param(BoostingClassifier(n_estimators=10), NOT_EXACT, marks=needs_lightgbm),
        (
            SvmClassifier("linear"),
            {"check_sample_weight_equivalence_on_dense_data": "folds are cut by rows"},
        ),
        (
            SvmClassifier("rbf"),
            {"check_sample_weight_equivalence_on_dense_data": "folds are cut by rows"},
        ),
    ],
    ids=lambda value: repr(value) if hasattr(value, "fit") else "",
)
def test_scikit_learn_takes_it_for_one_of_its_own(model: Any, but: dict[str, str]) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            model, expected_failed_checks={**ON_PURPOSE, **but}, on_skip=None, on_fail=None
        )
    failed = {
        r["check_name"]: str(r["exception"])[:200] for r in results if r["status"] == "failed"
    }
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 30


@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_regression_is_scikit_learns_on_standardised_columns(weighted: bool) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) * [1, 10, 0.1, 3, 1] + 2
    y = X @ [1, 0.1, 2, 0, 0] + rng.normal(size=300)
    up = (y > np.median(y) + rng.normal(size=300)).astype(int)
    weights = rng.uniform(0.1, 2, 300) if weighted else np.ones(300)
    mean = np.average(X, axis=0, weights=weights)
    Z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    oracle = linear.LogisticRegression(C=0.5, tol=1e-10, max_iter=5000).fit(Z, up, weights)
    told = Logistic(C=0.5).fit(X, up, weights).predict_proba(X)
    np.testing.assert_allclose(told, oracle.predict_proba(Z), atol=1e-5)


def test_forests_are_scikit_learns_node_by_node() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    X, _, up = separable(3000)
    weights = np.random.default_rng(1).uniform(0.1, 2, len(X))
    how = {"n_estimators": 20, "min_samples_leaf": 10, "random_state": 3}
    oracle = ensemble.RandomForestClassifier(max_features="sqrt", **how).fit(
        X, up.astype(float), weights
    )
    told = ForestClassifier(**how).fit(X, up, weights).predict_proba(X)
    np.testing.assert_allclose(told, oracle.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_machines_decide_as_scikit_learns(kernel: str) -> None:
    svm = pytest.importorskip("sklearn.svm")
    X, _, up = separable(400)
    weights = np.random.default_rng(1).uniform(0.1, 2, len(X))
    mean = np.average(X, axis=0, weights=weights)
    Z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    made = (
        svm.LinearSVC(dual=False, max_iter=3000, random_state=0)
        if kernel == "linear"
        else svm.SVC()
    )
    model = SvmClassifier(kernel).fit(X, up, weights)
    told = (model.decision_function(X) - model.offset_) / model.slope_
    np.testing.assert_allclose(told, made.fit(Z, up, weights).decision_function(Z), atol=1e-7)
    with pytest.raises(DataError, match="linear or rbf"):
        SvmClassifier("poly").fit(X, up)


def test_separable_classes_do_not_make_logistic_run_away() -> None:
    X = np.linspace(-1, 1, 40)[:, None]
    model = Logistic(C=1e6).fit(X, (X[:, 0] > 0).astype(int))
    assert np.isfinite(model.coef_).all()
    assert model.score(X, X[:, 0] > 0) == 1.0


def test_the_subsample_of_a_kernel_is_stated_and_drawn_by_the_seed() -> None:
    pytest.importorskip("sklearn")
    X, _, up = separable(400)
    first = SvmClassifier(subsample=50, random_state=1).fit(X, up)
    assert len(first.vectors_) <= 50
    other = SvmClassifier(subsample=50, random_state=2).fit(X, up)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_networks_stop_early_and_leave_the_global_generator_alone() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(300, 4)), rng.integers(0, 2, 300)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    model = LstmClassifier(steps=2, epochs=200, patience=3, rate=0.02).fit(X, noise)
    assert torch.equal(before, torch.random.get_rng_state())
    assert model.n_iter_ < 60
    assert model.n_iter_ == len(model.losses_)
    with pytest.raises(DataError, match="no multiple of 3 steps"):
        LstmClassifier(steps=3).fit(X, noise)
