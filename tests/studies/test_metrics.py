"""Plain scores of the studies against scikit-learn's."""

import numpy as np
import pytest

from studies.signals import metrics

pytestmark = pytest.mark.release

library = pytest.importorskip("sklearn.metrics")
RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 2, 300)
CHANCE = np.clip(np.round(0.3 * TRUTH + RNG.random(300), 2) / 1.3, 0, 1)


def test_scores_are_those_of_the_library() -> None:
    guess = (CHANCE > 0.46).astype(int)
    assert metrics.mcc(TRUTH, guess) == pytest.approx(library.matthews_corrcoef(TRUTH, guess))
    assert metrics.accuracy(TRUTH, guess) == pytest.approx(library.accuracy_score(TRUTH, guess))


def test_intervals_widen_when_days_move_together() -> None:
    rng = np.random.default_rng(2)
    day = np.repeat(np.arange(40), 20)
    right = rng.random(40)[day] > 0.5
    narrow = metrics.clustered(
        metrics.accuracy, np.ones(800), right, np.arange(800), np.random.default_rng(0)
    )
    wide = metrics.clustered(metrics.accuracy, np.ones(800), right, day, np.random.default_rng(0))
    assert wide.ci_high - wide.ci_low > 2 * (narrow.ci_high - narrow.ci_low)
