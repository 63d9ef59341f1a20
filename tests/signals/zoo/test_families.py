"""Every family of the zoo passes the kit, and scikit-learn's own checks as far as they apply."""

import importlib.util
import warnings
from typing import Any

import pytest

from tercel.api.testing.signal_model import SignalModelConformance
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.signals.zoo import absent, families, family
from tercel.signals.zoo.boosting import BoostingRegressor
from tercel.signals.zoo.forest import ForestRegressor
from tercel.signals.zoo.linear import Ridge
from tercel.signals.zoo.networks import LstmRegressor, TransformerRegressor
from tercel.signals.zoo.port import FamilyCard
from tercel.signals.zoo.svm import SvmRegressor

sklearn = pytest.importorskip("sklearn")
needs_lightgbm = pytest.mark.skipif(importlib.util.find_spec("lightgbm") is None, reason="no lightgbm")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no torch")


class TestRidge(SignalModelConformance):
    def model(self) -> Any:
        return Ridge()


class TestForestRegressor(SignalModelConformance):
    def model(self) -> Any:
        return ForestRegressor(n_estimators=30)


@needs_lightgbm
class TestBoostingRegressor(SignalModelConformance):
    def model(self) -> Any:
        return BoostingRegressor(n_estimators=40)


class TestLinearSvmRegressor(SignalModelConformance):
    def model(self) -> Any:
        return SvmRegressor("linear")


class TestRbfSvmRegressor(SignalModelConformance):
    def model(self) -> Any:
        return SvmRegressor()


@needs_torch
class TestLstmRegressor(SignalModelConformance):
    def model(self) -> Any:
        return LstmRegressor(steps=2, epochs=8, rate=0.02, batch=32)


@needs_torch
class TestTransformerRegressor(SignalModelConformance):
    def model(self) -> Any:
        return TransformerRegressor(steps=2, epochs=8, rate=0.01, batch=32)


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
        (ForestRegressor(n_estimators=10), NOT_EXACT),
        pytest.param(BoostingRegressor(n_estimators=20, learning_rate=0.3), NOT_EXACT, marks=needs_lightgbm),
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
        family("linear").make(alpa=2.0)


def test_absent_library_names_the_extra() -> None:
    card = FamilyCard("x", "", ("no_such_library",), "linear.Ridge")
    assert absent(card) == "no_such_library"
    with pytest.raises(ConfigError, match=r"tercel\[signals\]"):
        card.make()


def test_a_family_that_tells_states_alone_does_not_forecast() -> None:
    with pytest.raises(ConfigError, match="a family that forecasts"):
        family("clusters").make()
