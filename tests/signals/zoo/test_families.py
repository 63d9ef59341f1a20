"""Every family of the zoo passes the kit, and scikit-learn's own checks as far as they apply."""

import importlib.util
import re
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest

from certify.kits.signal_model import SignalModelConformance
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.signals.models.family_cards import (
    FAMILIES,
    FamilyCard,
    families,
    family,
    missing_library,
)
from tercel.signals.models.regressors import BoostingRegressor, ForestRegressor, Ridge

sklearn = pytest.importorskip("sklearn")
needs_lightgbm = pytest.mark.skipif(
    importlib.util.find_spec("lightgbm") is None, reason="no lightgbm"
)


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


# -- scikit-learn's own judge -----------------------------------------------------------------------------------------

ON_PURPOSE = {
    "check_n_features_in_after_fitting": "columns are arrays here; pandas' names are the panel's business",
    "check_dataframe_column_names_consistency": "columns are arrays here; names are the panel's business",
}
NOT_EXACT = {
    "check_sample_weight_equivalence_on_dense_data": "a bootstrap or a histogram draws rows, not weights",
}


def judged_by_scikit_learn(model: Any, but: dict[str, str]) -> None:
    """Its estimator checks pass, except those that `but` gives a reason for."""
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


@pytest.mark.parametrize(
    ("model", "but"),
    [
        (Ridge(), {}),
        (ForestRegressor(n_estimators=10), NOT_EXACT),
        pytest.param(
            BoostingRegressor(n_estimators=20, learning_rate=0.3), NOT_EXACT, marks=needs_lightgbm
        ),
    ],
    ids=lambda value: repr(value) if hasattr(value, "fit") else "",
)
def test_scikit_learn_takes_it_for_one_of_its_own(model: Any, but: dict[str, str]) -> None:
    judged_by_scikit_learn(model, but)


def test_it_stands_in_a_grid_search() -> None:
    from sklearn.model_selection import GridSearchCV

    from certify.kits.signal_model import separable

    X, y, _ = separable()
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1.0, 1e4]}, cv=3).fit(X, y)
    assert search.best_params_["alpha"] < 1e4


# -- the port ---------------------------------------------------------------------------------------------------------


def test_families_are_found_by_their_files() -> None:
    assert families()[: len(FAMILIES)] == tuple(FAMILIES)
    for name in families():
        card = family(name)
        assert card.name == name


def test_nearest_name_is_offered() -> None:
    with pytest.raises(UnknownNameError, match="boosting"):
        family("bosting")
    with pytest.raises(UnknownNameError, match="alpha"):
        family("linear").make(alpa=2.0)


def test_absent_library_names_the_extra() -> None:
    card = FamilyCard("x", "", ("no_such_library",), "tercel.signals.models.regressors:Ridge")
    assert missing_library(card) == "no_such_library"
    with pytest.raises(ConfigError, match=r"tercel\[signals\]"):
        card.make()


@pytest.mark.parametrize("name", families())
def test_the_extra_of_a_family_brings_what_it_needs(name: str) -> None:
    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    brought = (
        " ".join(extras[family(name).extra])
        .replace("scikit-learn", "sklearn")
        .replace("stable-baselines3", "")
    )
    assert set(family(name).needs) - {"sklearn"} <= set(re.findall(r"[a-z]+", brought))
    assert "torch" not in " ".join(extras["signals"])
