"""Distances by known examples, by brute force and by their laws."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from tercel.market.score.distance import BINS, Bins, l1, wasserstein

VALUES = hnp.arrays(np.float64, st.integers(2, 60), elements=st.integers(-20, 20).map(float))


def test_round_lots_are_bins_of_their_own() -> None:
    rng = np.random.default_rng(1)
    reference = np.where(rng.random(10_000) < 0.4, 100.0, rng.integers(1, 100_000, 10_000))
    nearly = np.where(reference == 100.0, 101.0, reference)
    bins = Bins.of(reference, BINS)
    assert l1(bins.shares(reference), bins.shares(nearly)) == pytest.approx(
        np.mean(reference == 100.0), abs=1e-9
    )


@given(VALUES, VALUES)
def test_shares_by_counting(reference, other) -> None:
    bins = Bins.of(reference, 5)
    edges = [-np.inf, *bins.cuts, np.inf]
    counted = [np.mean([(a <= x < b) for x in other]) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(bins.shares(other), counted)
    found = l1(bins.shares(reference), bins.shares(other))
    assert 0.0 <= found <= 1.0 + 1e-12
    assert l1(bins.shares(reference), bins.shares(reference)) == 0.0


@given(VALUES, VALUES)
def test_wasserstein_is_the_area_between_the_distributions(a, b) -> None:
    grid = np.arange(-20, 21)
    area = sum(abs(np.mean(a <= x) - np.mean(b <= x)) for x in grid)
    pool_mean = 0.5 * (a.mean() + b.mean())
    sd = np.sqrt(0.5 * (np.mean((a - pool_mean) ** 2) + np.mean((b - pool_mean) ** 2)))
    assert wasserstein(a, b) == pytest.approx(area / sd if sd else 0.0, abs=1e-9)
    assert np.isnan(wasserstein(a, np.empty(0)))
