"""Regimes: filtered probabilities against brute force over all paths, and never a look ahead."""

import itertools

import numpy as np
import pytest

from tercel.core.errors import DataError

pytest.importorskip("hmmlearn")
from studies.zoo.regimes import ClusterRegimes, HmmRegimes


def switching(n: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two states of different volatility that stay for 50 rows on average."""
    rng = np.random.default_rng(seed)
    state = (np.cumsum(rng.random(n) < 1 / 50) + rng.integers(2)) % 2
    return np.where(state > 0, 2.5, 0.7)[:, None] * rng.normal(size=(n, 1)), state


def test_filtered_probabilities_are_those_of_all_paths_added_up() -> None:
    X, _ = switching()
    model = HmmRegimes(states=2).fit(X)
    few = X[100:107]
    density = np.exp(model._log_density(few))
    joint = np.zeros((len(few), 2))
    for t in range(len(few)):
        for path in itertools.product(range(2), repeat=t + 1):
            chance = model.start_[path[0]] * density[0, path[0]]
            for s in range(1, t + 1):
                chance *= model.transitions_[path[s - 1], path[s]] * density[s, path[s]]
            joint[t, path[-1]] += chance
    np.testing.assert_allclose(
        model.predict_proba(few), joint / joint.sum(axis=1, keepdims=True), atol=1e-12
    )


def test_what_comes_later_changes_nothing() -> None:
    X, _ = switching()
    model = HmmRegimes().fit(X[:1000])
    whole = model.predict_proba(X[1000:])
    np.testing.assert_array_equal(model.predict_proba(X[1000:1200]), whole[:200])
    spoilt = X[1000:].copy()
    spoilt[200:] *= -50
    np.testing.assert_array_equal(model.predict_proba(spoilt)[:200], whole[:200])


def test_states_are_found_calm_first() -> None:
    X, state = switching(seed=1)
    model = HmmRegimes().fit(X[:1000])
    told = model.predict(X[1000:])
    assert np.mean(told == state[1000:]) > 0.85
    assert model.variances_[0, 0] < model.variances_[1, 0]
    # clusters have no memory: they cannot tell a calm row of a wild state
    clusters = ClusterRegimes().fit(X[:1000]).predict(X[1000:])
    assert np.mean(told == state[1000:]) > np.mean(clusters == state[1000:]) + 0.05


def test_far_values_leave_probabilities_that_are_numbers() -> None:
    X, _ = switching()
    model = HmmRegimes().fit(X)
    told = model.predict_proba(np.array([[1e9], [0.0], [-1e9]]))
    assert np.isfinite(told).all()
    np.testing.assert_allclose(told.sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", [HmmRegimes, ClusterRegimes])
def test_too_little_or_flat_history_is_refused(kind: type) -> None:
    with pytest.raises(DataError, match="states"):
        kind().fit(np.arange(6.0)[:, None])
    with pytest.raises(DataError, match="constant"):
        kind().fit(np.ones((100, 1)))
    with pytest.raises(DataError, match="after fit"):
        kind().predict(np.ones((100, 1)))


def test_clusters_are_those_of_scikit_learn() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) * np.where(np.arange(400) % 100 < 50, 1.0, 4.0)[:, None]
    model = ClusterRegimes().fit(X)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    oracle = mixture.GaussianMixture(2, covariance_type="diag", n_init=3, random_state=0).fit(Z)
    order = np.argsort(oracle.covariances_[:, 0])
    np.testing.assert_allclose(model.predict_proba(X), oracle.predict_proba(Z)[:, order], atol=1e-9)
