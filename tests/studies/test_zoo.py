"""Families that `studies` gives: the kit, scikit-learn, the folder of a model; and what is said without `studies`."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.signals.test_model_folder import comes_back, saved
from tests.signals.zoo.test_families import judged_by_scikit_learn

from certify.kits.signal_model import SignalModelConformance, separable
from studies.zoo import FAMILIES, SEQUENCES, STATES
from studies.zoo.networks import LstmRegressor, TransformerRegressor
from studies.zoo.svm import SvmRegressor
from tercel.core import extras
from tercel.core.errors import DataError, UnknownNameError
from tercel.signals.models.model_folder import FAMILIES as OWN, families, family, load
from tercel.signals.panel.panel import Dataset
from tercel.signals.sources.registry import synthetic_market

pytestmark = pytest.mark.release

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no torch")


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


@pytest.mark.parametrize(
    ("model", "but"),
    [
        (SvmRegressor("linear"), {}),
        (
            SvmRegressor("rbf"),
            {"check_sample_weight_equivalence_on_dense_data": "its solver stops at a tolerance"},
        ),
    ],
    ids=repr,
)
def test_scikit_learn_takes_it_for_one_of_its_own(model: Any, but: dict[str, str]) -> None:
    judged_by_scikit_learn(model, but)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_machines_decide_as_scikit_learns(kernel: str) -> None:
    svm = pytest.importorskip("sklearn.svm")
    X, y, _ = separable(400)
    weights = np.random.default_rng(1).uniform(0.1, 2, len(X))
    mean = np.average(X, axis=0, weights=weights)
    Z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    centre = np.average(y, weights=weights)
    spread = np.sqrt(np.average((y - centre) ** 2, weights=weights))
    loss = "squared_epsilon_insensitive"
    made = (
        svm.LinearSVR(loss=loss, dual=False, max_iter=3000, random_state=0)
        if kernel == "linear"
        else svm.SVR()
    )
    oracle = made.fit(Z, (y - centre) / spread, weights).predict(Z) * spread + centre
    np.testing.assert_allclose(
        SvmRegressor(kernel).fit(X, y, weights).predict(X), oracle, atol=1e-7
    )
    with pytest.raises(DataError, match="linear or rbf"):
        SvmRegressor("poly").fit(X, y)


def test_networks_read_the_order_of_steps() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    X = rng.normal(size=(900, 6))
    y = X[:, 5] - X[:, 0]
    model = LstmRegressor(steps=6, epochs=40, rate=0.02).fit(X[:700], y[:700])
    assert model.score(X[700:], y[700:]) > 0.7
    assert model.score(X[700:, ::-1], y[700:]) < 0


def test_sequences_that_do_not_fit_are_refused() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="no multiple of 3 steps"):
        LstmRegressor(steps=3).fit(rng.normal(size=(300, 4)), rng.normal(size=300))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic_market(3, instruments=20, days=120, strength=0.2).data


GIVEN = [name for name in FAMILIES if name not in OWN and name not in STATES]


@pytest.mark.parametrize("name", GIVEN)
def test_every_family_comes_back_to_the_bit(data: Dataset, tmp_path: Path, name: str) -> None:
    comes_back(data, tmp_path, name)


def test_tables_have_every_family_once() -> None:
    assert sorted(FAMILIES) == sorted((*families(), *STATES))
    assert set(SEQUENCES) < set(GIVEN)


def test_without_studies_a_name_and_a_model_are_refused(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(data, tmp_path, "svm_linear")
    monkeypatch.setattr(extras, "entry_points", lambda **_: ())
    for name in GIVEN:
        with pytest.raises(UnknownNameError, match=rf"family '{name}'. To go on: t"):
            family(name)
    with pytest.raises(UnknownNameError, match="family 'svm_linear'"):
        load(tmp_path)


def test_an_epoch_visits_no_more_rows_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = pytest.importorskip("studies.zoo.torch_nets")
    looked, real = [], nets._loss
    monkeypatch.setattr(
        nets, "_loss", lambda out, *rest: looked.append(len(out)) or real(out, *rest)
    )
    X, y = np.random.default_rng(0).standard_normal((500, 6)), np.arange(500.0)
    for most, sizes in ((100, [50, 50, 100]), (1_000, [50] * 8 + [100])):
        looked.clear()
        monkeypatch.setattr(nets, "EPOCH_ROWS", most)
        LstmRegressor(steps=3, epochs=1, batch=50).fit(X, y)
        assert looked == sizes
