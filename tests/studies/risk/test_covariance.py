"""Covariance estimators: against scikit-learn, against a known spectrum, in closed form, and on real data."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from studies.risk import covariance as c
from studies.risk.panel import read_panel
from studies.risk.synthetic import factor_covariance, factor_returns
from tercel.core.errors import DataError
from tercel.signals.risk.covariance import (
    FastVolatility,
    LinearShrinkage,
    NonlinearShrinkage,
    SampleCovariance,
    sample_covariance,
)

pytestmark = pytest.mark.release


def ledoit_wolf(returns: np.ndarray) -> np.ndarray:
    """The paper's formulas (2004, section 3.2), in its own words."""
    n, p = returns.shape
    x = returns - returns.mean(axis=0)
    sample = x.T @ x / n
    level = np.trace(sample) / p
    d2 = np.sum((sample - level * np.eye(p)) ** 2) / p
    b2 = min(sum(np.sum((np.outer(day, day) - sample) ** 2) for day in x) / p / n**2, d2)
    return b2 / d2 * level * np.eye(p) + (d2 - b2) / d2 * sample


@given(st.integers(3, 120), st.integers(2, 60), st.integers(0, 10_000))
def test_linear_shrinkage_is_the_papers(days: int, names: int, seed: int) -> None:
    pytest.importorskip("sklearn.covariance")
    returns = np.random.default_rng(seed).standard_t(4, (days, names)) * np.linspace(0.5, 2, names)
    np.testing.assert_allclose(
        LinearShrinkage().fit(returns).covariance_, ledoit_wolf(returns), rtol=1e-9, atol=1e-13
    )


def test_ewma_in_closed_form() -> None:
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    older, newer = 0.97 / 1.97, 1 / 1.97
    wanted = older * np.outer(x[0], x[0]) + newer * np.outer(x[1], x[1])
    np.testing.assert_allclose(c.EwmaCovariance(0.97).fit(x).covariance_, wanted)


@pytest.mark.parametrize(("names", "days"), [(100, 300), (200, 250), (300, 150)])
def test_nonlinear_shrinkage_beats_linear_and_nears_the_best_eigenvalues(
    names: int, days: int
) -> None:
    """With a fifth of the eigenvalues 1, two fifths 3 and two fifths 10 (Ledoit and Wolf 2012)."""
    spectrum = np.repeat([1.0, 3.0, 10.0], [names // 5, 2 * names // 5, 2 * names // 5])
    truth = np.diag(spectrum)
    returns = np.random.default_rng(1).standard_normal((days, names)) * np.sqrt(spectrum)
    sample = sample_covariance(returns)
    _, vectors = np.linalg.eigh(sample)
    oracle = (vectors * np.diag(vectors.T @ truth @ vectors)) @ vectors.T

    def error(estimate: np.ndarray) -> float:
        return float(np.sum((estimate - truth) ** 2))

    gain = 1 - (error(NonlinearShrinkage().fit(returns).covariance_) - error(oracle)) / (
        error(sample) - error(oracle)
    )
    linear = 1 - (error(LinearShrinkage().fit(returns).covariance_) - error(oracle)) / (
        error(sample) - error(oracle)
    )
    assert gain > 0.95
    assert gain > linear


def test_minimum_variance_in_closed_form_and_singular_matrices_refused() -> None:
    truth = factor_covariance(12, 5)
    weights = c.minimum_variance(truth)
    inverse = np.linalg.inv(truth)
    np.testing.assert_allclose(weights, inverse.sum(axis=1) / inverse.sum())
    returns = factor_returns(truth, 8, 6)
    with pytest.raises(DataError, match=r"singular.*shrink"):
        c.minimum_variance(SampleCovariance().fit(returns).covariance_)
    assert c.minimum_variance(
        SampleCovariance().fit(returns).covariance_, pseudo_inverse=True
    ).sum() == pytest.approx(1)
    assert "pseudo-inverse" in c.PseudoInverse(SampleCovariance()).name


def test_weights_see_the_past_alone() -> None:
    returns = factor_returns(factor_covariance(10, 9), 200, 10)
    later = returns.copy()
    later[150:] *= 5
    a = c.judge([LinearShrinkage()], returns, 100, 80)[0].returns[:50]
    b = c.judge([LinearShrinkage()], later, 100, 80)[0].returns[:50]
    np.testing.assert_array_equal(a, b)


# -- panels -----------------------------------------------------------------------------------------------------------


def panel_file(folder: Path, rows: list[tuple[str, str, float | None, float]]) -> Path:
    lines = [f"{t},{d},{'' if p is None else p},{v}" for t, d, p, v in rows]
    path = folder / "panel.csv"
    path.write_text("\n".join(["ticker,date,close,volume", *lines]) + "\n")
    return path


def days(n: int) -> list[str]:
    return [date.fromordinal(735_000 + i).isoformat() for i in range(n)]


def test_a_panel_leaves_out_what_cannot_be_used_and_says_why(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows: list[tuple[str, str, float | None, float]] = []
    for t, day in enumerate(days(60)):
        holiday = t == 30
        rows.append(("GOOD", day, 10 + rng.random(), 0 if holiday else 5))
        rows.append(("FINE", day, None if t == 7 else 20 + rng.random(), 0 if holiday else 5))
        rows.append(("STALE", day, 7.0 if 5 < t < 25 else 7 + rng.random(), 0 if holiday else 5))
        rows.append(("IDLE", day, 5 + rng.random(), 0 if t % 3 == 0 or holiday else 5))
        rows.append(("ZERO", day, 0.0 if t == 9 else 5 + rng.random(), 0 if holiday else 5))
        if t > 10:
            rows.append(("LATE", day, 5 + rng.random(), 0 if holiday else 5))
    panel = read_panel(panel_file(tmp_path, rows))
    assert panel.names == ("FINE", "GOOD")
    assert len(panel.days) == 58  # the first has no return, the holiday is no day
    assert np.isfinite(panel.returns).all()
    assert panel.returns[6, 0] == 0.0  # no close: the one before stands
    assert {name: why.split()[0] for name, why in panel.left_out.items()} == {
        **{"STALE": "stale:", "IDLE": "no", "ZERO": "close", "LATE": "begins"}
    }


def test_the_bars_on_four_hundred_names(shared_data: Path) -> None:
    panel = read_panel(shared_data).draw(400, 1)
    verdicts = c.judge(
        [LinearShrinkage(), NonlinearShrinkage(), FastVolatility()], panel.returns, 504, 504
    )
    linear, nonlinear, fast = (100 * v.volatility for v in verdicts)
    assert 9.9 < linear < 10.7
    assert nonlinear <= 9.5
    assert fast <= 8.8
    assert verdicts[2].t < -8
