"""Models against scikit-learn's."""

import numpy as np
import pytest

from tercel.api.testing.signal_model import separable
from tercel.signals.zoo.forest import ForestRegressor
from tercel.signals.zoo.linear import Ridge
from tercel.signals.zoo.regimes import ClusterRegimes


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_regression_is_scikit_learns_on_standardised_columns(weighted: bool) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) * [1, 10, 0.1, 3, 1] + 2
    y = X @ [1, 0.1, 2, 0, 0] + rng.normal(size=300)
    weights = rng.uniform(0.1, 2, 300) if weighted else np.ones(300)
    mean = np.average(X, axis=0, weights=weights)
    Z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    oracle = linear.Ridge(alpha=3.0).fit(Z, y, weights)
    np.testing.assert_allclose(Ridge(alpha=3.0).fit(X, y, weights).predict(X), oracle.predict(Z), rtol=1e-8)


def test_forests_are_scikit_learns_node_by_node() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    X, y, _ = separable(3000)
    weights = np.random.default_rng(1).uniform(0.1, 2, len(X))
    how = {"n_estimators": 20, "min_samples_leaf": 10, "random_state": 3}
    oracle = ensemble.RandomForestRegressor(max_features=0.33, **how).fit(X, y, weights)
    np.testing.assert_allclose(ForestRegressor(**how).fit(X, y, weights).predict(X), oracle.predict(X), rtol=1e-12)


def test_clusters_are_those_of_scikit_learn() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) * np.where(np.arange(400) % 100 < 50, 1.0, 4.0)[:, None]
    model = ClusterRegimes().fit(X)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    oracle = mixture.GaussianMixture(2, covariance_type="diag", n_init=3, random_state=0).fit(Z)
    order = np.argsort(oracle.covariances_[:, 0])
    np.testing.assert_allclose(model.predict_proba(X), oracle.predict_proba(Z)[:, order], atol=1e-9)
