"""Kupiec and Christoffersen: against scipy, known acceptance regions, and size by simulation."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.risk.forecast import chi2_p, coverage


@given(st.floats(0, 200), st.sampled_from([1, 2]))
def test_chi_square_is_scipys(x: float, freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi2_p(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    ("days", "rate", "low", "high"),
    [
        (250, 0.01, 1, 6),
        (500, 0.01, 2, 9),
        (1000, 0.01, 5, 16),
        (250, 0.05, 7, 19),
        (1000, 0.025, 16, 35),
    ],
)
def test_kupiecs_acceptance_regions(days: int, rate: float, low: int, high: int) -> None:
    def p(hits: int) -> float:
        return coverage(np.arange(days) < hits, rate).kupiec

    accepted = [hits for hits in range(days // 4) if p(hits) > 0.05]
    assert (accepted[0], accepted[-1]) == (low, high)


def test_independence_by_hand() -> None:
    hits = np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0], bool)
    before, after = hits[:-1], hits[1:]
    n11, n10 = np.sum(before & after), np.sum(before & ~after)
    n01, n00 = np.sum(~before & after), np.sum(~before & ~after)
    p1, p0, p = n11 / (n11 + n10), n01 / (n01 + n00), (n11 + n01) / 12
    apart = n11 * np.log(p1) + n10 * np.log(1 - p1) + n01 * np.log(p0) + n00 * np.log(1 - p0)
    ratio = 2 * (apart - (n11 + n01) * np.log(p) - (n10 + n00) * np.log(1 - p))
    assert coverage(hits, 0.3).independence == pytest.approx(chi2_p(float(ratio), 1))


def test_clusters_are_seen_and_chance_is_not() -> None:
    rng = np.random.default_rng(1)
    rejected = sum(coverage(rng.random(1500) < 0.05, 0.05).joint < 0.05 for _ in range(300))
    assert rejected / 300 < 0.10
    clustered = np.repeat(rng.random(300) < 0.05, 5)
    assert coverage(clustered, 0.05).independence < 0.001


def test_edges() -> None:
    assert coverage(np.zeros(1000, bool), 0.01).kupiec < 0.001
    assert coverage(np.ones(50, bool), 0.5).kupiec < 0.001
    with pytest.raises(DataError):
        coverage([True], 0.01)
    with pytest.raises(DataError):
        coverage([True, False], 0.0)
