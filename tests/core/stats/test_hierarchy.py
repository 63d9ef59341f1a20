"""Seeds, markets and episodes: variances against their components, coverage in simulation; the IQM against SciPy."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from tercel.core.errors import ConfigError, DataError
from tercel.core.stats import (
    average_over_markets,
    average_over_seeds,
    interquartile_mean,
    intervals,
    moments_of_cvar,
    moments_of_mean,
    moments_of_slope,
    moments_of_wins,
    replicate,
)


def world(generator, markets, seeds, episodes, sd_market, sd_seed, sd_episode, truth=0.0):
    """Gains of S seeds in each market: markets differ, seeds differ, episodes are shared noise."""
    by_market = truth + sd_market * generator.normal(size=markets)
    by_seed = sd_seed * generator.normal(size=seeds)
    return [
        by_market[m] + by_seed[:, None] + sd_episode * generator.normal(size=(1, episodes))
        for m in range(markets)
    ]


def hierarchy(gains, generator, redraw, resamples=600, teams=None):
    points, draws, clusters = [], [], []
    for table in gains:
        moments = moments_of_mean(table.T, np.arange(table.shape[1]))
        points.append(moments.point())
        draws.append(replicate({"": moments}, resamples, generator)[""].T)
        clusters.append(moments.clusters)
    return average_over_markets(
        points, draws, clusters, generator, redraw_markets=redraw, teams=teams
    )


def test_each_level_brings_its_own_variance():
    generator = np.random.default_rng(0)
    gains = world(generator, 6, 5, 300, 0.5, 0.3, 2.0)
    means = np.array([table.mean(axis=1) for table in gains])
    episodes = sum(table.mean(axis=0).var(ddof=1) / 300 for table in gains) / 36
    seeds = means.mean(axis=0).var(ddof=1) / 5
    fixed = hierarchy(gains, generator, redraw=False, resamples=8000)
    assert fixed.point == pytest.approx(means.mean())
    assert fixed.draws.var() == pytest.approx(episodes + seeds, rel=0.08)
    free = hierarchy(gains, generator, redraw=True, resamples=8000)
    markets = means.mean(axis=1).var(ddof=1) / 6
    assert free.draws.var() == pytest.approx(markets + seeds + episodes, rel=0.15)


def test_one_market_is_the_bootstrap_over_seeds_and_clusters():
    generator = np.random.default_rng(1)
    [table] = gains = world(generator, 1, 4, 200, 0.0, 0.4, 1.0)
    moments = moments_of_mean(table.T, np.arange(200))
    known = average_over_seeds(
        moments.point(), replicate({"": moments}, 6000, generator)[""].T, 200, generator
    )
    found = hierarchy(gains, generator, redraw=True, resamples=6000)
    assert found.point == known.point
    assert found.error == pytest.approx(known.error, rel=0.05)
    assert found.freedom() == pytest.approx(known.freedom(), rel=0.1)


def own_policies(generator, markets, seeds, episodes, sd_seed, sd_episode, truth):
    """Gains in markets that have policies of their own: nothing is shared between them."""
    sizes = [(seeds + market % 2, 1) for market in range(markets)]
    return [
        truth
        + sd_seed * generator.normal(size=size)
        + sd_episode * generator.normal(size=(1, episodes))
        for size in sizes
    ]


def test_policies_of_their_own_are_drawn_by_themselves():
    generator = np.random.default_rng(3)
    gains = own_policies(generator, 4, 5, 300, 0.6, 1.0, 0.0)
    means = [table.mean(axis=1) for table in gains]
    episodes = sum(table.mean(axis=0).var(ddof=1) / 300 for table in gains) / 16
    seeds = sum(mean.var(ddof=1) / len(mean) for mean in means) / 16
    found = hierarchy(gains, generator, redraw=False, resamples=8000, teams=list("abcd"))
    assert found.point == pytest.approx(np.mean([mean.mean() for mean in means]))
    assert found.draws.var() == pytest.approx(episodes + seeds, rel=0.08)
    assert len(found.sources) == 5
    assert found.freedom() > 4, "four teams bring more degrees of freedom than one"


def test_markets_of_one_team_share_its_seeds():
    generator = np.random.default_rng(4)
    gains = world(generator, 3, 4, 200, 0.3, 0.5, 1.0)
    same = hierarchy(gains, np.random.default_rng(5), redraw=True, teams=["x"] * 3)
    plain = hierarchy(gains, np.random.default_rng(5), redraw=True)
    np.testing.assert_allclose(same.draws, plain.draws)
    apart = hierarchy(
        gains, np.random.default_rng(5), redraw=False, resamples=4000, teams=["x", "y", "z"]
    )
    joined = hierarchy(gains, np.random.default_rng(5), redraw=False, resamples=4000)
    assert apart.error < joined.error, "what seeds have in common does not average out over markets"


@pytest.mark.parametrize("teams", [None, ["x", "x"], ["x"]])
def test_markets_with_other_seeds_are_refused(teams):
    one, two = np.zeros((2, 9)), np.zeros((3, 9))
    with pytest.raises(ConfigError):
        average_over_markets(
            [one[:, 0], two[:, 0]],
            [one, two],
            [5, 5],
            np.random.default_rng(0),
            redraw_markets=True,
            teams=teams,
        )


# The interquartile mean


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))
def test_the_interquartile_mean_is_scipys_trimmed_one(seeds, tasks, seed):
    table = np.random.default_rng(seed).normal(size=(seeds, tasks))
    found = interquartile_mean(table, np.random.default_rng(0), resamples=20)
    assert found.mean == pytest.approx(stats.trim_mean(table, 0.25, axis=None))


def test_its_interval_is_that_of_a_bootstrap_stratified_by_task():
    table = np.random.default_rng(3).normal(size=(10, 4)) + np.array([0.0, 10.0, 20.0, 30.0])
    generator = np.random.default_rng(4)
    draws = [
        stats.trim_mean(
            np.stack([generator.choice(table[:, t], 10) for t in range(4)], axis=1), 0.25, axis=None
        )
        for _ in range(4000)
    ]
    found = interquartile_mean(table, np.random.default_rng(5), resamples=4000)
    assert [found.ci_low, found.ci_high] == pytest.approx(
        np.quantile(draws, [0.025, 0.975]), abs=0.08
    )


def test_a_single_seed_has_no_interval_and_no_number_is_refused():
    assert interquartile_mean([2.0], np.random.default_rng(0)).ci_low is None
    with pytest.raises(DataError):
        interquartile_mean([1.0, float("nan")], np.random.default_rng(0))


# Tails, odds, slopes


@given(st.integers(20, 200), st.integers(0, 99))
def test_the_cvar_is_the_mean_of_the_worst(n, seed):
    values = np.random.default_rng(seed).normal(size=20 * (n // 20))
    worst = np.sort(values)[-len(values) // 20 :]
    assert moments_of_cvar(values, np.arange(len(values))).point()[0] == pytest.approx(worst.mean())


def test_the_interval_of_the_cvar_is_that_of_resampling_it_whole():
    generator = np.random.default_rng(7)
    values = generator.normal(size=2000)
    picked = np.sort(generator.choice(values, size=(1500, 2000)), axis=1)[:, -100:].mean(axis=1)
    [found] = intervals(moments_of_cvar(values, np.arange(2000)), generator)
    assert found.ci_high - found.ci_low == pytest.approx(
        np.ptp(np.quantile(picked, [0.025, 0.975])), rel=0.15
    )


def test_the_slope_is_scipys_and_its_interval_the_robust_one():
    generator = np.random.default_rng(8)
    x = generator.normal(size=800)
    y = 0.7 * x + generator.normal(size=800) * (1 + np.abs(x))
    moments = moments_of_slope(x, y, np.arange(800))
    assert moments.point()[0] == pytest.approx(stats.linregress(x, y).slope)
    residual = y - y.mean() - moments.point()[0] * (x - x.mean())
    robust = np.sqrt(np.sum((x - x.mean()) ** 2 * residual**2)) / np.sum((x - x.mean()) ** 2)
    [found] = intervals(moments, generator, resamples=6000)
    assert found.ci_high - found.ci_low == pytest.approx(2 * 1.96 * robust, rel=0.08)
    assert moments_of_slope(np.ones(5), y[:5], np.arange(5)).point()[0] == 0.0


def test_wins_count_ties_as_half():
    assert moments_of_wins([1.0, 0.0, -1.0, 3.0], np.arange(4)).point()[0] == 0.625
