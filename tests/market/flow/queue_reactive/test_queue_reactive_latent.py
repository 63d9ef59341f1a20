"""The rate that lasts: a rate is simulated, counts are drawn from it, and covariance and memory must come back."""

import numpy as np
import pytest

from tercel.market.flow.queue_reactive.minute_activity import TAUS, latent_rates, rate_variances

DAYS, MINUTES, MEAN = 60, 375, 6.0
VARIANCES = {1.5: 0.06, 15.0: 0.1}
"""By minutes that a part lasts."""


def truth(lag: np.ndarray) -> np.ndarray:
    return sum((v * np.exp(-lag / tau) for tau, v in VARIANCES.items()), np.zeros(len(lag)))


def days(seed: int, scatter: float = 1.0) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Counts, what was expected, and the rate: a sum of first-order autoregressions about 1."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(MINUTES), np.arange(MINUTES)))
    root = np.linalg.cholesky(truth(lag.ravel()).reshape(lag.shape) + 1e-9 * np.eye(MINUTES))
    rates = np.maximum(1.0 + rng.standard_normal((DAYS, MINUTES)) @ root.T, 0.0)
    expected = MEAN * rng.uniform(0.5, 1.5, rates.shape)
    counts = scatter * rng.poisson(expected * rates / scatter)
    return list(counts), list(expected), rates


def correlogram(rates: np.ndarray, lags: np.ndarray) -> np.ndarray:
    away = rates - 1.0
    return np.array([(away[:, : MINUTES - lag] * away[:, lag:]).mean() for lag in lags])


@pytest.mark.parametrize("scatter", [1.0, 2.0])
def test_the_covariance_of_the_rate_comes_back_without_the_scatter(scatter: float) -> None:
    counts, expected, rates = days(1, scatter)
    variances, found = rate_variances(counts, expected)
    lags = np.array([0, 1, 2, 5, 10, 20, 40])
    fitted = np.exp(-lags[:, None] / np.array(TAUS)) @ variances
    np.testing.assert_allclose(fitted, truth(lags), atol=0.025)
    assert variances.min() >= 0.0
    assert found == pytest.approx(scatter * rates.mean(), rel=0.15)


def test_a_draw_has_the_memory_of_the_rate_and_a_mean_too_little() -> None:
    counts, expected, rates = days(2)
    mean, drawn = (x.reshape(DAYS, MINUTES) for x in latent_rates(counts, expected, seed=5))
    lags = np.array([0, 1, 3, 10, 30])
    law = correlogram(rates, lags)
    np.testing.assert_allclose(correlogram(drawn, lags), law, atol=0.03)
    assert correlogram(mean, lags)[0] < 0.8 * law[0]
    assert drawn.mean() == pytest.approx(1.0, abs=0.05)


def test_counts_without_a_rate_behind_them_give_one() -> None:
    for count in (np.full(50, 3.0), np.zeros(50)):
        mean, drawn = latent_rates([count], [np.full(50, 3.0)])
        assert (mean == 1.0).all() or not count.any()
        assert np.isfinite(drawn).all()
    rng = np.random.default_rng(1)
    mean, _ = latent_rates(
        [rng.poisson(3.0, 400).astype(float) for _ in range(20)], [np.full(400, 3.0)] * 20
    )
    assert np.std(mean) < 0.1


@pytest.mark.parametrize("minutes", [1, 2, 3])
def test_days_of_a_few_minutes(minutes: int) -> None:
    mean, drawn = latent_rates([np.arange(minutes, dtype=float)], [np.ones(minutes)])
    assert mean.shape == drawn.shape == (minutes,)
    assert np.isfinite(drawn).all()
