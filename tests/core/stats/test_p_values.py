"""Tails, corrections, deflation and power against closed forms and definitions."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from tercel.core.errors import ConfigError, DataError
from tercel.core.stats import benjamini_hochberg, deflate, detectable_gain, holm, two_sided_p
from tercel.core.stats.bootstrap import Replicates
from tercel.core.stats.multiple_testing import exceedance_probability, expected_best


@pytest.mark.parametrize("t", [0.5, 3.0, 1e3, 1e8])
def test_the_tail_of_one_degree_of_freedom_is_cauchys_far_out_too(t):
    assert two_sided_p(t, 1) == pytest.approx(2 * np.arctan(1 / t) / np.pi, rel=1e-12)


def test_many_degrees_of_freedom_are_the_normal():
    assert two_sided_p(-3.0, 1e7) == pytest.approx(2 * stats.norm.sf(3.0), rel=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_are_by_their_definition(p):
    share = {q: q * len(p) / sum(other <= q for other in p) for q in p}
    least = [min([1.0, *(share[q] for q in p if q >= one)]) for one in p]
    assert benjamini_hochberg(p) == pytest.approx(least, rel=1e-12)


def test_no_probability_is_refused():
    with pytest.raises(ConfigError):
        benjamini_hochberg([0.1, float("nan")])
    with pytest.raises(ConfigError):
        two_sided_p(1.0, 0.5)


def test_the_worked_example_of_the_deflated_sharpe_ratio():
    # Bailey and Lopez de Prado (2014): 100 trials of variance 1/2 a year, five years of 250
    # days, a ratio of 2.5 a year.
    best = expected_best(100, np.sqrt(0.5 / 250))
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert exceedance_probability(2.5 / np.sqrt(250), best, 1250, -3.0, 10.0) == pytest.approx(
        0.9004, abs=5e-5
    )


def test_one_variant_is_not_deflated_and_many_are():
    gains = np.random.default_rng(2).normal(0.2, 1.0, 400)
    one, many = deflate(gains, 1), deflate(gains, 1000)
    assert one.best_of_none == 0.0
    assert one.probability == pytest.approx(
        stats.norm.cdf(stats.ttest_1samp(gains, 0).statistic), abs=0.01
    )
    assert many.probability < one.probability
    with pytest.raises(DataError):
        deflate(np.ones(20), 3)


def test_the_detectable_gain_is_detected_as_often_as_it_says():
    n, freedom = 12, 11.0
    gain = detectable_gain(1 / np.sqrt(n), freedom)
    exact = stats.nct.sf(stats.t.ppf(0.975, freedom), freedom, gain * np.sqrt(n))
    assert exact == pytest.approx(0.8, abs=0.015)
    assert detectable_gain(2.0, 1e9) == pytest.approx(
        2 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    )


def test_the_p_value_and_the_interval_say_the_same():
    generator = np.random.default_rng(4)
    draws = 1.0 + 0.5 * generator.normal(size=40_000)
    for point in (0.9, 1.0, 1.1):
        one = Replicates(point, draws - 1.0 + point, ((0.25, 8.0),))
        found = one.p_value()
        assert found == pytest.approx(2 * stats.t.sf(point / 0.5, 8), rel=0.03)
        low = one.estimate(0.95).ci_low
        assert (low > 0) == (found < 0.05) or abs(low) < 0.02


def test_the_ratio_of_paired_estimates_follows_fieller():
    generator = np.random.default_rng(6)
    common = generator.normal(size=30_000)
    top = Replicates(2.0, 2.0 + 0.1 * common, ((0.01, 99.0),))
    bottom = Replicates(4.0, 4.0 + 0.2 * common, ((0.04, 99.0),))
    exact = top / bottom
    assert exact.point == 0.5
    assert exact.error < 1e-9  # the same noise above and below
    free = Replicates(4.0, 4.0 + 0.2 * generator.normal(size=30_000), ((0.04, 99.0),))
    assert (top / free).error == pytest.approx(np.sqrt(0.1**2 / 16 + 0.04 * 4 / 256), rel=0.03)


def test_holm_rejects_as_the_step_down_does() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        p = rng.random(8) ** 3
        order, rejected = np.argsort(p), np.zeros(8, bool)
        for step, i in enumerate(order):
            if p[i] * (8 - step) > 0.05:
                break
            rejected[i] = True
        np.testing.assert_array_equal(holm(p) <= 0.05, rejected)


@pytest.mark.parametrize(
    ("sources", "freedom"),
    [
        (((1.0, 2.0), (3.0, 10.0)), 16.0 / (1.0 / 2.0 + 9.0 / 10.0)),
        (((0.0, 7.0), (0.0, 2.0)), 7.0),
        (((1.0, 0.5),), 1.0),
    ],
)
def test_degrees_of_freedom_are_satterthwaites(sources, freedom):
    assert Replicates(1.0, np.ones(9), sources).freedom() == pytest.approx(freedom)
