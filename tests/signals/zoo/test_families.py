"""Every family of the zoo passes the kit, and scikit-learn's own checks as far as they apply."""

import importlib.util
import warnings
from typing import Any

import pytest

from tercel.api.testing.signal_model import SignalModelConformance
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.signals.zoo import absent, families, family
from tercel.signals.zoo.boosting import BoostingClassifier, BoostingRegressor
from tercel.signals.zoo.forest import ForestClassifier, ForestRegressor
from tercel.signals.zoo.linear import Logistic, Ridge
from tercel.signals.zoo.networks import LstmClassifier, LstmRegressor, TransformerClassifier, TransformerRegressor
from tercel.signals.zoo.port import FamilyCard
from tercel.signals.zoo.regimes import RegimeClassifier
from tercel.signals.zoo.svm import SvmClassifier, SvmRegressor

sklearn = pytest.importorskip("sklearn")
needs_lightgbm = pytest.mark.skipif(importlib.util.find_spec("lightgbm") is None, reason="no lightgbm")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no torch")
needs_hmmlearn = pytest.mark.skipif(importlib.util.find_spec("hmmlearn") is None, reason="no hmmlearn")


class TestRidge(SignalModelConformance):
    def model(self) -> Any:
        return Ridge()


class TestLogistic(SignalModelConformance):
    def model(self) -> Any:
        return Logistic()


class TestForestClassifier(SignalModelConformance):
    def model(self) -> Any:
        return ForestClassifier(n_estimators=30)


class TestForestRegressor(SignalModelConformance):
    def model(self) -> Any:
        return ForestRegressor(n_estimators=30)


@needs_lightgbm
class TestBoostingClassifier(SignalModelConformance):
    def model(self) -> Any:
        return BoostingClassifier(n_estimators=40)


@needs_lightgbm
class TestBoostingRegressor(SignalModelConformance):
    def model(self) -> Any:
        return BoostingRegressor(n_estimators=40)


class TestLinearSvmClassifier(SignalModelConformance):
    def model(self) -> Any:
        return SvmClassifier("linear")


class TestRbfSvmClassifier(SignalModelConformance):
    def model(self) -> Any:
        return SvmClassifier()


class TestSubsampledSvm(SignalModelConformance):
    def model(self) -> Any:
        return SvmClassifier(subsample=100)


class TestLinearSvmRegressor(SignalModelConformance):
    def model(self) -> Any:
        return SvmRegressor("linear")


class TestRbfSvmRegressor(SignalModelConformance):
    def model(self) -> Any:
        return SvmRegressor()


@needs_torch
class TestLstmClassifier(SignalModelConformance):
    def model(self) -> Any:
        return LstmClassifier(steps=2, epochs=8, rate=0.02, batch=32)


@needs_torch
class TestLstmRegressor(SignalModelConformance):
    def model(self) -> Any:
        return LstmRegressor(steps=2, epochs=8, rate=0.02, batch=32)


@needs_torch
class TestTransformerClassifier(SignalModelConformance):
    def model(self) -> Any:
        return TransformerClassifier(steps=2, epochs=8, rate=0.01, batch=32)


@needs_torch
class TestTransformerRegressor(SignalModelConformance):
    def model(self) -> Any:
        return TransformerRegressor(steps=2, epochs=8, rate=0.01, batch=32)


@needs_hmmlearn
class TestHmmClassifier(SignalModelConformance):
    learns = False

    def model(self) -> Any:
        return RegimeClassifier("hmm")


class TestClusterClassifier(SignalModelConformance):
    learns = False

    def model(self) -> Any:
        return RegimeClassifier("clusters")


# -- scikit-learn's own judge -----------------------------------------------------------------------------------------

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
        (Ridge(), {}),
        (Logistic(), {}),
        (ForestClassifier(n_estimators=10), NOT_EXACT),
        (ForestRegressor(n_estimators=10), NOT_EXACT),
        pytest.param(BoostingClassifier(n_estimators=10), NOT_EXACT, marks=needs_lightgbm),
        pytest.param(BoostingRegressor(n_estimators=20, learning_rate=0.3), NOT_EXACT, marks=needs_lightgbm),
        (SvmClassifier("linear"), {"check_sample_weight_equivalence_on_dense_data": "folds are cut by rows"}),
        (SvmClassifier("rbf"), {"check_sample_weight_equivalence_on_dense_data": "folds are cut by rows"}),
        (SvmRegressor("linear"), {}),
        (SvmRegressor("rbf"), {"check_sample_weight_equivalence_on_dense_data": "its solver stops at a tolerance"}),
    ],
    ids=lambda value: repr(value) if hasattr(value, "fit") else "",
)
def test_scikit_learn_takes_it_for_one_of_its_own(model: Any, but: dict[str, str]) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, expected_failed_checks={**ON_PURPOSE, **but}, on_skip=None, on_fail=None)
    failed = {r["check_name"]: str(r["exception"])[:200] for r in results if r["status"] == "failed"}
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 30


def test_it_stands_in_a_grid_search() -> None:
    from sklearn.model_selection import GridSearchCV

    from tercel.api.testing.signal_model import separable

    X, y, _ = separable()
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1.0, 1e4]}, cv=3).fit(X, y)
    assert search.best_params_["alpha"] < 1e4


# -- the port ---------------------------------------------------------------------------------------------------------


def test_families_are_found_by_their_files() -> None:
    assert set(families()) >= {"linear", "forest", "boosting", "svm_linear", "svm_rbf", "hmm", "lstm", "transformer"}
    for name in families():
        card = family(name)
        assert card.name == name


def test_nearest_name_is_offered() -> None:
    with pytest.raises(UnknownNameError, match="boosting"):
        family("bosting")
    with pytest.raises(UnknownNameError, match="alpha"):
        family("linear").make("regress", alpa=2.0)


def test_absent_library_names_the_extra() -> None:
    card = FamilyCard("x", "", ("no_such_library",), {"classify": "linear.Logistic"})
    assert absent(card) == "no_such_library"
    with pytest.raises(ConfigError, match=r"tercel\[signals\]"):
        card.make("classify")
