"""The bootstrap against closed forms, against brute force, and in simulated coverage."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.core.stats import (
    Estimate,
    Moments,
    average_over_seeds,
    clustered_se,
    intervals,
    mean_interval,
    moments_of_mean,
    replicate,
)
from tercel.core.stats.bootstrap import draw_counts


def rng(seed=0):
    return np.random.default_rng(seed)


def moments_of_ratio(top, bottom, labels):
    """Of sum(top) / sum(bottom): a figure that is no mean."""
    plain = moments_of_mean(np.stack([top, bottom], axis=1), labels)
    return Moments(plain.sums, plain.weights, lambda means: means[:, :1] / means[:, 1:])


def covers(estimate, truth):
    return estimate.ci_low <= truth <= estimate.ci_high


# Closed forms


def test_three_clusters_match_the_enumerated_distribution():
    values = np.array([0.0, 1.0, 5.0])
    exact = [np.mean(pair) for pair in itertools.product(values, repeat=2)]
    draws = replicate({"": moments_of_mean(values, [0, 1, 2])}, 40_000, rng())[""][:, 0]
    assert set(draws) == set(exact)
    assert draws.var() == pytest.approx(np.var(exact), rel=0.03)
    assert np.var(exact) == pytest.approx(
        values.var(ddof=1) / 3
    )  # unbiased: C - 1 draws (Rao & Wu, 1988)


def test_the_variance_over_resamples_is_the_cluster_robust_one():
    generator = rng(3)
    labels = np.repeat(np.arange(25), 8)
    values = generator.normal(size=200) + generator.normal(size=25)[labels]
    draws = replicate({"": moments_of_mean(values, labels)}, 20_000, generator)[""][:, 0]
    assert draws.std() == pytest.approx(clustered_se(values, labels), rel=0.03)


def test_a_constant_has_an_interval_of_no_width():
    assert mean_interval(np.full(12, 3.0), np.arange(12), rng()) == Estimate(3.0, 3.0, 3.0)


def test_one_cluster_has_a_mean_and_no_interval():
    estimate = mean_interval([1.0, 3.0], [0, 0], rng())
    assert estimate.to_json() == {"mean": 2.0, "ci_low": None, "ci_high": None}


# Against brute force

small = st.lists(
    st.tuples(st.integers(0, 4), st.floats(-9, 9), st.floats(1, 9)), min_size=4, max_size=30
)


@given(small, st.integers(0, 2**32 - 1))
def test_sums_by_cluster_replicate_what_copying_the_episodes_would(rows, seed):
    labels, top, bottom = (np.array(column) for column in zip(*rows, strict=True))
    names = np.unique(labels)
    parts = {"mean": moments_of_mean(top, labels), "ratio": moments_of_ratio(top, bottom, labels)}
    drawn = replicate(parts, 5, rng(seed))
    for b, counts in enumerate(draw_counts(len(names), 5, rng(seed)).astype(int)):
        members = np.concatenate(
            [
                np.tile(np.flatnonzero(labels == name), count)
                for name, count in zip(names, counts, strict=True)
            ]
        ).astype(int)
        assert drawn["mean"][b, 0] == pytest.approx(top[members].mean(), abs=1e-9)
        assert drawn["ratio"][b, 0] == pytest.approx(
            top[members].sum() / bottom[members].sum(), abs=1e-9
        )


def test_chunks_change_nothing(monkeypatch):
    moments = moments_of_mean(rng(1).normal(size=40), np.arange(40))
    whole = replicate({"": moments}, 64, rng(2))[""]
    monkeypatch.setattr("tercel.core.stats.bootstrap._CHUNK", 400)
    np.testing.assert_allclose(replicate({"": moments}, 64, rng(2))[""], whole, atol=1e-14)


def test_statistics_over_other_clusters_cannot_be_paired():
    parts = {
        "a": moments_of_mean([1.0, 2.0], [0, 1]),
        "b": moments_of_mean([1.0, 2.0, 3.0], [0, 1, 2]),
    }
    with pytest.raises(ConfigError, match="same clusters"):
        replicate(parts, 3, rng())


# Pairing and seeds


def test_replicates_subtract_as_pairs():
    generator = rng(4)
    ours, theirs = generator.normal(size=80), generator.normal(size=80)
    drawn = replicate(
        {"a": moments_of_mean(ours, np.arange(80)), "b": moments_of_mean(theirs, np.arange(80))},
        500,
        rng(9),
    )
    one, other = (
        average_over_seeds([x.mean()], drawn[k].T, 80, rng())
        for k, x in (("a", ours), ("b", theirs))
    )
    direct = mean_interval(ours - theirs, np.arange(80), rng(9), resamples=500)
    assert (one - other).estimate().to_json() == pytest.approx(direct.to_json())


# Coverage, by simulation: nominal 95 %

TRIALS = 400


def clustered_sample(generator, clusters, size, draw):
    labels = np.repeat(np.arange(clusters), size)
    return labels, draw(clusters)[labels] + generator.normal(0.0, 1.0, clusters * size)


@pytest.mark.parametrize("clusters", [8, 40])
def test_coverage_on_clustered_data(clusters):
    generator = rng(clusters)
    hits = naive = 0
    for _ in range(TRIALS):
        labels, values = clustered_sample(
            generator, clusters, 10, lambda n: generator.normal(0.0, 1.0, n)
        )
        hits += covers(mean_interval(values, labels, generator, resamples=600), 0.0)
        naive += covers(
            mean_interval(values, np.arange(len(values)), generator, resamples=200), 0.0
        )
    assert 0.92 <= hits / TRIALS <= 0.98
    assert naive / TRIALS < 0.75


def test_statistics_of_no_rows_do_not_divide_by_zero():
    empty = Moments(np.zeros((3, 1)), np.zeros(3), lambda means: means)
    assert intervals(empty, rng(), resamples=10)[0] == Estimate(0.0, 0.0, 0.0)
