"""Models against closed forms and scikit-learn's."""

import numpy as np
import pytest

from certify.kits.signal_model import separable
from tercel.signals.models.regressors import ForestRegressor, Ridge


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 3.0, 1e4])
def test_ridge_regression_solves_the_normal_equations_of_standardised_columns(
    weighted: bool, alpha: float
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) * [1, 10, 0.1, 3, 1] + 2
    y = X @ [1, 0.1, 2, 0, 0] + rng.normal(size=300)
    weights = rng.uniform(0.1, 2, 300) if weighted else np.ones(300)
    mean, centre = (np.average(one, axis=0, weights=weights) for one in (X, y))
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    Z = (X - mean) / deviation
    slopes = np.linalg.solve(
        (Z * weights[:, None]).T @ Z + alpha * np.eye(5), (Z * weights[:, None]).T @ (y - centre)
    )
    found = Ridge(alpha=alpha).fit(X, y, weights)
    np.testing.assert_allclose(found.coef_, slopes / deviation, rtol=1e-10)
    np.testing.assert_allclose(found.intercept_, centre - mean @ (slopes / deviation), rtol=1e-10)


def test_forests_are_scikit_learns_node_by_node() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    X, y, _ = separable(3000)
    weights = np.random.default_rng(1).uniform(0.1, 2, len(X))
    how = {"n_estimators": 20, "min_samples_leaf": 10, "random_state": 3}
    oracle = ensemble.RandomForestRegressor(max_features=0.33, **how).fit(X, y, weights)
    np.testing.assert_allclose(
        ForestRegressor(**how).fit(X, y, weights).predict(X), oracle.predict(X), rtol=1e-12
    )
