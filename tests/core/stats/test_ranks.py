"""Rank correlation against scipy, ties included."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from studies.shipped.alpha import clustered_spearman
from tercel.core.errors import ConfigError
from tercel.core.stats.ranks import ranks, spearman


def test_a_missing_value_has_no_rank_and_takes_none():
    found = ranks([[2.0, np.nan, 1.0], [np.nan, 5.0, 5.0]])
    np.testing.assert_array_equal(found, [[2.0, np.nan, 1.0], [np.nan, 1.5, 1.5]])


CELL = st.sampled_from([np.nan, -np.inf, -1.0, 0.0, 0.5, np.inf])


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=5))
def test_ranks_are_scipys_where_values_are_missing_or_infinite(rows):
    values = np.array(rows).reshape(-1, 4)
    np.testing.assert_array_equal(ranks(values), stats.rankdata(values, axis=-1, nan_policy="omit"))


@given(st.lists(st.tuples(st.integers(-5, 5), st.floats(-1e6, 1e6)), min_size=3, max_size=20))
def test_spearman_is_scipys(pairs):
    first, second = np.array(pairs, np.float64).T
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        assert np.isnan(spearman(first, second))
    else:
        assert spearman(first, second) == pytest.approx(
            stats.spearmanr(first, second).statistic, abs=1e-12
        )


def test_many_at_once_are_one_by_one():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 5, 8))
    each = [stats.spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert spearman(first, second) == pytest.approx(each)


def test_what_one_side_does_not_say_is_left_out():
    first, second = np.array([3.0, 1.0, np.nan, 2.0, 9.0]), np.array([2.0, np.inf, 1.0, 1.0, 7.0])
    assert spearman(first, second) == pytest.approx(spearman([3.0, 2.0, 9.0], [2.0, 1.0, 7.0]))


def test_the_interval_over_clusters_holds_scipys_correlation():
    rng = np.random.default_rng(4)
    first = rng.normal(size=400)
    second = first + rng.normal(size=400)
    found = clustered_spearman(first, second, np.arange(400) // 4, rng)
    assert found.mean == pytest.approx(stats.spearmanr(first, second).statistic)
    assert 0.05 < found.ci_high - found.ci_low < 0.2


def test_other_lengths_are_refused():
    with pytest.raises(ConfigError, match="pair them first"):
        spearman([1, 2, 3], [1, 2])
