"""Prediction: planted costs give planted correlations, signs and shares; nothing is told of nothing."""

import numpy as np
import pytest
from scipy import stats

from studies.prediction.prediction import Signs, StrategyCosts, in_words, predict
from tercel.execution.costs import Costs

NAMES = [f"s{i}" for i in range(10)]


def costs(bps, days, passive=0, late=0):
    """Orders of ten lots at a mid of 20,000 half ticks; bps of their value, all of it spread."""
    n = len(bps)
    zero, one = np.zeros(n, np.int64), np.ones(n, np.int64)
    return Costs(
        qty=10 * one, arrival_mid2=20_000 * one, spread=np.round(np.asarray(bps) * 20).astype(np.int64), walk=zero,
        timing=zero, forced_spread=zero, forced_walk=zero, forced_timing=zero, lots_filled=10 * one,
        passive_lots=passive * one, forced_lots=late * one, unfilled_lots=zero, unfilled_paid=zero,
        mid2_grid=np.full((n, 1), 20_000, np.int64), lots_grid=10 * one[:, None], forced_lots_grid=zero[:, None],
        side=np.ones(n, np.int8), cluster=np.arange(n) if days is None else np.repeat(np.arange(days), n // days),
        fees=zero, double_lots=zero, overflow=zero, run_out=one, messages=zero,
    )  # fmt: skip


def side(means, rng, days=None, n=400, noise=20.0, **shares):
    """A place in which strategy i costs `means[i]` bps in the mean; episodes share half of their noise."""
    common = rng.normal(scale=noise, size=n)
    common -= common.mean()
    table = {}
    for name, mean in zip(NAMES, means, strict=True):
        own = rng.normal(scale=noise, size=n)
        table[name] = costs(mean + common + own - own.mean(), days, **shares)
    return StrategyCosts(table)


APART = 3.0 * np.arange(10)


def test_a_market_that_says_what_tape_says():
    rng = np.random.default_rng(1)
    found = predict(side(APART, rng), side(APART + 5.0, rng, days=20))
    assert found.ours.spearman.mean == pytest.approx(1.0)
    assert found.ours.spearman.ceiling > 0.9
    assert found.ours.signs.pairs == 45
    assert found.ours.signs.told > 20
    assert found.ours.signs.agree == 1.0
    assert found.strategies["s3"].interval_bps["simulated"].mean == pytest.approx(9.0, abs=0.05)
    assert found.strategies["s3"].rank == {"simulated": 4.0, "tape": 4.0}
    assert found.strategies["s3"].interval_bps["tape"].mean == pytest.approx(14.0, abs=0.05)


def test_the_correlation_is_scipys_of_the_means():
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 10), scale=5.0)
    found = predict(side(first, rng), side(second, rng, days=5)).ours.spearman
    assert found.mean == pytest.approx(stats.spearmanr(first, second).statistic, abs=0.02)
    assert -1.0 <= found.ci_low <= found.mean <= found.ci_high <= 1.0


def test_nothing_is_told_of_strategies_that_cost_the_same():
    rng = np.random.default_rng(5)
    common = rng.normal(size=400)
    table = {name: costs(common, 20) for name in NAMES}
    found = predict(StrategyCosts(table), StrategyCosts(table))
    assert found.ours.spearman.mean is None
    assert found.ours.signs == Signs(45, 0, None)
    assert "too few to rank" in in_words(found, "m", "t")[0]


def test_shares_lie_side_by_side_and_who_rests_is_ranked_alone():
    rng = np.random.default_rng(6)
    simulated, tape = side(APART, rng, passive=9), side(APART, rng, days=20, passive=6, late=2)
    found = predict(simulated, tape, theirs=tape)
    assert found.strategies["s0"].passive_share == pytest.approx(
        {"simulated": 0.9, "tape": 0.6, "theirs": 0.6}
    )
    assert found.strategies["s0"].late_share == pytest.approx(
        {"simulated": 0, "tape": 0.2, "theirs": 0.2}
    )
    assert found.shares.near == 0
    assert found.shares.passive_share == pytest.approx(0.3)
    assert found.resting == NAMES
    assert found.ours.spearman == found.bounds["theirs"].spearman
    assert len(in_words(found, "m", "t")) == 5
    assert predict(simulated, side(APART, rng, days=20)).resting == NAMES
    taking = predict(side(APART, rng), side(APART, rng, days=20))
    assert taking.ours.spearman_resting.mean is None
