"""Scores against SciPy's and scikit-learn's, and by hand; half-lives from curves that are known."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from studies.common import scores as own_scores
from tercel.core.errors import DataError
from tercel.signals.models.skill import decay, rank_ic_by_date, skill

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")
RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 2, 300)
SCORE = np.round(0.3 * TRUTH + RNG.random(300), 2)
CHANCE = np.clip(SCORE / 1.3, 0, 1)


def test_the_auc_is_that_of_the_library() -> None:
    assert own_scores.auc(TRUTH, SCORE) == pytest.approx(metrics.roc_auc_score(TRUTH, SCORE))


def test_rank_ic_is_spearman_by_date() -> None:
    dates = np.repeat(np.arange(12), 25)
    found = rank_ic_by_date(SCORE, CHANCE + RNG.random(300), dates)
    assert len(found) == 12
    outcome = RNG.random(300)
    by_hand = [stats.spearmanr(SCORE[dates == d], outcome[dates == d]).statistic for d in range(12)]
    assert rank_ic_by_date(SCORE, outcome, dates) == pytest.approx(by_hand)
    found = skill(rank_ic_by_date(SCORE, outcome, dates), np.random.default_rng(0))
    assert found.mean == pytest.approx(np.mean(by_hand))
    assert found.ci_low < found.mean < found.ci_high
    assert found.dates == 12


def test_a_single_class_and_short_panels_are_refused() -> None:
    with pytest.raises(DataError, match="class 1 alone in 3 rows"):
        own_scores.auc([1, 1, 1], [0.1, 0.2, 0.3])
    with pytest.raises(DataError, match="dates with 5 instruments"):
        skill(rank_ic_by_date([1, 2, 3], [1, 2, 3], [0, 0, 0]), np.random.default_rng(0))
    with pytest.raises(DataError, match="not constant"):
        skill(
            rank_ic_by_date(np.ones(300), CHANCE, np.repeat(np.arange(12), 25)),
            np.random.default_rng(0),
        )


S = 10**9


@given(st.floats(5, 300), st.integers(0, 1000))
@settings(max_examples=20)
def test_the_half_life_of_an_exponential_response_is_found(half_life, seed):
    rng = np.random.default_rng(seed)
    horizons = np.array([10, 30, 60, 120, 300])
    score = rng.normal(size=4000)
    moves = score[:, None] * (1 - 0.5 ** (horizons / half_life)) + 0.01 * rng.normal(size=(4000, 5))
    found = decay(score, moves, (horizons * S).tolist())
    assert found.half_life_ns / S == pytest.approx(half_life, rel=0.08)
    assert (np.diff(found.slope) > -0.01).all()


def test_the_future_may_end():
    rng = np.random.default_rng(0)
    score = rng.normal(size=500)
    moves = np.stack([score, 1.5 * score], axis=1)
    moves[-50:, 1] = np.nan
    assert decay(score, moves, [S, 2 * S]).half_life_ns > 0
    with pytest.raises(DataError, match="vary"):
        decay(np.ones(500), moves, [S, 2 * S])
    with pytest.raises(DataError, match="horizons"):
        decay(score, moves, [2 * S, S])
