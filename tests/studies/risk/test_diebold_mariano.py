"""Diebold-Mariano: closed forms, and its size by simulation."""

import math

import numpy as np
import pytest

from studies.risk.diebold_mariano import diebold_mariano, newey_west_error
from tercel.core.errors import DataError

pytestmark = pytest.mark.release


def test_newey_west_of_a_moving_average() -> None:
    e = np.random.default_rng(2).standard_normal(200_001)
    x = e[1:] + 0.5 * e[:-1]  # long-run variance 2.25
    assert newey_west_error(x, 60) ** 2 * len(x) == pytest.approx(2.25, rel=0.03)


def test_its_size_under_autocorrelation() -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(400):
        e = rng.standard_normal(601)
        d = e[1:] + 0.8 * e[:-1]
        rejected += diebold_mariano(d, np.zeros(600), lags=10).p < 0.05
    assert 0.02 < rejected / 400 < 0.10


def test_p_is_scipys_and_direction_is_said() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    found = diebold_mariano(rng.random(100), rng.random(100) + 0.1, 5)
    assert found.mean < 0
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.t)))


def test_bad_input() -> None:
    with pytest.raises(DataError, match="row 3"):
        diebold_mariano([1, 2, 3, math.nan], [1, 2, 3, 4], 1)
    with pytest.raises(DataError, match="at least 12"):
        diebold_mariano([1.0] * 5, [2.0] * 5)
    assert math.isnan(diebold_mariano([1.0] * 20, [1.0] * 20).t)
