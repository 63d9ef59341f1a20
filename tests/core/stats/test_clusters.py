"""Cluster labels, sums and standard errors."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.core.stats import cluster_index, cluster_sums, clustered_se


def naive_se(values):
    """As if every value were an independent draw."""
    return np.std(values, ddof=1) / np.sqrt(len(values))


labels_and_values = st.lists(
    st.tuples(st.integers(-3, 3), st.floats(-100, 100), st.floats(-100, 100)),
    min_size=2,
    max_size=40,
)


@given(labels_and_values)
def test_sums_by_cluster_are_those_of_a_loop(rows):
    labels = [row[0] for row in rows]
    values = np.array([row[1:] for row in rows])
    index, count = cluster_index(labels)
    sums = cluster_sums(values, index, count)
    for position, label in enumerate(sorted(set(labels))):
        of_label = values[[i for i, other in enumerate(labels) if other == label]]
        np.testing.assert_allclose(sums[position], of_label.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(cluster_sums(values[:, 0], index, count), sums[:, 0], atol=1e-9)


def test_rows_of_one_cluster_add_up_where_as_many_clusters_are_counted_as_rows():
    """A cluster may be empty: that there are as many as rows does not say that each row has its own."""
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert cluster_sums(values, np.array([2, 0, 2]), 3).tolist() == [
        [2.0, 20.0],
        [0.0, 0.0],
        [5.0, 50.0],
    ]


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_clusters_of_one_give_the_naive_error(values):
    assert clustered_se(values, range(len(values))) == pytest.approx(naive_se(values), abs=1e-9)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.integers(2, 5))
def test_copies_within_a_cluster_bring_no_precision(values, copies):
    labels = np.repeat(np.arange(len(values)), copies)
    assert clustered_se(np.repeat(values, copies), labels) == pytest.approx(
        naive_se(values), abs=1e-9
    )


def test_one_cluster_has_no_error():
    assert np.isnan(clustered_se([1.0, 2.0], [5, 5]))


def test_no_episodes_is_an_error():
    with pytest.raises(ConfigError, match="cluster label"):
        cluster_index([])
