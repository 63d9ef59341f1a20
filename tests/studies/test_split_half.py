"""Halves of clusters against planted rankings."""

import numpy as np
import pytest

from studies.prediction.split_half import split_half
from tercel.core.stats import moments_of_mean
from tercel.core.stats.ranks import spearman


def each_a_cluster(rows):
    return moments_of_mean(rows, np.arange(len(rows)))


def test_halves_of_a_ranking_without_noise_agree_and_of_noise_alone_do_not():
    rng = np.random.default_rng(2)
    same = np.tile(np.arange(12.0), (10, 1))
    assert split_half(each_a_cluster(same), rng) == pytest.approx((1.0, 1.0))
    halves = [
        split_half(each_a_cluster(rng.normal(size=(10, 12))), rng, splits=50)[0] for _ in range(100)
    ]
    assert abs(np.mean(halves)) < 0.1


def test_what_is_stepped_up_is_how_two_samples_of_all_clusters_agree():
    """Spearman-Brown against samples drawn anew."""
    rng = np.random.default_rng(3)
    true = np.linspace(0.0, 1.0, 20)

    def sample():
        return true + rng.normal(scale=0.7, size=(16, 20))

    stepped = np.mean([split_half(each_a_cluster(sample()), rng, splits=20)[1] for _ in range(200)])
    drawn = np.mean([spearman(sample().mean(axis=0), sample().mean(axis=0)) for _ in range(400)])
    assert stepped == pytest.approx(drawn, abs=0.03)
