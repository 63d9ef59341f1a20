"""Intervals of scores over clusters."""

import numpy as np
import pytest

from studies.common.scores import clustered

pytestmark = pytest.mark.release


def test_intervals_widen_when_days_move_together() -> None:
    day = np.repeat(np.arange(40), 20)
    right = np.random.default_rng(2).random(40)[day] > 0.5
    narrow, wide = (
        clustered(
            lambda y, f: float(np.mean(y == f)),
            np.ones(800),
            right,
            labels,
            np.random.default_rng(0),
        )
        for labels in (np.arange(800), day)
    )
    assert wide.mean == right.mean()
    assert wide.ci_high - wide.ci_low > 2 * (narrow.ci_high - narrow.ci_low)
