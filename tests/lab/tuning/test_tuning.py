"""Tuning: the search itself on functions whose minimum is known, and its use on training episodes."""

from dataclasses import replace

import numpy as np
import pytest
from tests.markets import martingale_market

from tercel.core.errors import ConfigError
from tercel.execution.costs import attribute
from tercel.execution.strategies import TUNABLE, MarketEstimates, build, wrap
from tercel.execution.task import Task
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.tuning.cma import MAX_SIGMA, CmaEs
from tercel.lab.tuning.parameter_search import (
    EPISODES_PER_CANDIDATE,
    OVERFLOWED_BPS,
    Arena,
    cost_candidates,
    episodes_for,
    population_of,
    score_strategies,
    search,
)
from tercel.lab.tuning.tune import tune
from tercel.market.book import layout as lay
from tercel.market.flow import martingale


def minimise(function, start, generations, seed=1, **options):
    found = CmaEs(start, 1.0, np.random.default_rng(seed), **options)
    for _ in range(generations):
        tried = found.ask()
        found.tell(tried, np.apply_along_axis(function, 1, tried))
    return found.mean


@pytest.mark.parametrize("jump", [1.0, 30.0])
def test_a_generation_is_that_of_the_tutorial(jump):
    """Hansen (2016), "The CMA evolution strategy: a tutorial", equations 24 to 37, weights of the better half alone.

    After a jump of thirty steps the path of step lengths is long, and h of equation 36 is 0.
    """
    d, size, rng = 3, 8, np.random.default_rng(5)
    found = CmaEs(np.zeros(d), 1.0, np.random.default_rng(1), population=size)
    raw = np.log((size + 1) / 2) - np.log(np.arange(1, size // 2 + 1))
    w = raw / raw.sum()
    mu = 1 / (w**2).sum()
    c_s, c_c = (mu + 2) / (d + mu + 5), (4 + mu / d) / (d + 4 + 2 * mu / d)
    c_1 = 2 / ((d + 1.3) ** 2 + mu)
    c_mu = min(1 - c_1, 2 * (mu - 2 + 1 / mu) / ((d + 2) ** 2 + mu))
    damping = 1 + 2 * max(0.0, np.sqrt((mu - 1) / (d + 1)) - 1) + c_s
    norm = np.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))
    mean, sigma, covariance, p_s, p_c = np.zeros(d), 1.0, np.eye(d), np.zeros(d), np.zeros(d)
    steady = []
    for generation in range(1, 5):
        x = mean + sigma * (jump + rng.standard_normal((size, d)))
        values = (x**2).sum(1)
        found.tell(x, values)
        y = (x[np.argsort(values)[: size // 2]] - mean) / sigma
        step = w @ y
        mean = mean + sigma * step
        values, axes = np.linalg.eigh(covariance)
        p_s = (1 - c_s) * p_s + np.sqrt(c_s * (2 - c_s) * mu) * (
            axes / np.sqrt(values) @ axes.T @ step
        )
        length = np.linalg.norm(p_s)
        h = length / np.sqrt(1 - (1 - c_s) ** (2 * generation)) < (1.4 + 2 / (d + 1)) * norm
        p_c = (1 - c_c) * p_c + h * np.sqrt(c_c * (2 - c_c) * mu) * step
        covariance = (
            (1 + c_1 * (1 - h) * c_c * (2 - c_c) - c_1 - c_mu) * covariance
            + c_1 * np.outer(p_c, p_c)
            + c_mu * sum(part * np.outer(one, one) for part, one in zip(w, y, strict=True))
        )
        sigma = min(sigma * np.exp(c_s / damping * (length / norm - 1)), MAX_SIGMA)
        np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
        assert found.sigma == pytest.approx(sigma)
        steady.append(bool(h))
    assert steady[0] == (jump == 1.0)


def test_it_finds_the_minimum_of_a_sphere_an_ellipsoid_and_rosenbrocks_valley():
    target = np.arange(6.0)
    assert minimise(lambda v: ((v - target) ** 2).sum(), np.zeros(6), 150) == pytest.approx(
        target, abs=1e-4
    )
    lengths = 10.0 ** np.linspace(0, 4, 6)
    assert minimise(lambda v: (lengths * v**2).sum(), np.ones(6), 300) == pytest.approx(
        np.zeros(6), abs=1e-3
    )
    valley = minimise(
        lambda v: 100 * (v[1] - v[0] ** 2) ** 2 + (1 - v[0]) ** 2, np.array([-1.0, 1.0]), 250
    )
    assert valley == pytest.approx(np.ones(2), abs=1e-3)


def test_variances_alone_are_learned_faster_of_many_numbers():
    """An ellipsoid along its axes, of forty numbers whose lengths differ a hundredfold."""
    lengths = 10.0 ** np.linspace(0, 4, 40)
    both = [
        minimise(lambda v: (lengths * v**2).sum(), np.ones(40), 300, diagonal=one)
        for one in (True, False)
    ]
    alone, together = ((lengths * found**2).sum() for found in both)
    assert alone < together / 100


def test_values_that_are_not_numbers_come_last():
    found = minimise(lambda v: np.nan if v[0] > 0 else (v[0] + 1) ** 2, np.array([0.5]), 60)
    assert found[0] == pytest.approx(-1.0, abs=0.05)


TASK = Task(horizon_s=60.0, decisions=6, warmup_s=5.0, grid_points=3)


@pytest.fixture(scope="module")
def arena():
    market = martingale_market()
    return Arena(
        market, TASK, lambda first, n: seeded_plan(TASK, 60, -5, first, n),
        seeded_plan(TASK, 60, -6, 0, 64), seeded_plan(TASK, 60, -6, 64, 64),
        MarketEstimates(930.0, sigma=0.45, eta=0.5, spread=2.0),
    )  # fmt: skip


def test_a_search_uses_its_episodes_and_gives_named_parameters(arena):
    steps = []
    kind = TUNABLE["popv"]
    found = search(arena, kind, 3 * 16 * EPISODES_PER_CANDIDATE, 1, steps.append)
    assert tuple(found.parameters) == kind.layout.names
    assert found.episodes == sum(steps) == 3 * 16 * EPISODES_PER_CANDIDATE
    assert np.isfinite(found.training_bps)
    assert found.overflowed == 0
    assert search(arena, kind, 3 * 16 * EPISODES_PER_CANDIDATE, 1) == found, (
        "the same seed finds the same"
    )


def test_both_sides_of_a_market_are_one_in_an_error(arena):
    strategy = build("obizhaeva_wang")
    found = score_strategies(arena, arena.validation, [strategy])[0]
    costs = run_strategy(arena.source, TASK, arena.validation, strategy)
    pairs = attribute(costs, None)["is_bps"].reshape(-1, 2).mean(axis=1)
    assert found.se == pytest.approx(pairs.std(ddof=1) / np.sqrt(len(pairs)))
    assert found.bps == pytest.approx(pairs.mean())


@pytest.mark.parametrize(("name", "around"), [("popv", []), ("twap_repeg", ["events"])])
def test_candidates_side_by_side_cost_what_each_costs_alone(arena, name, around):
    kind = TUNABLE[name]
    rows = kind.layout.vector() + np.random.default_rng(4).normal(0, 1, (3, len(kind.layout.names)))
    plan = arena.sample(0, EPISODES_PER_CANDIDATE)
    found = cost_candidates(arena, plan, kind, rows, around)[0]
    alone = [score_strategies(arena, plan, [wrap(kind(row), around)])[0].bps for row in rows]
    np.testing.assert_allclose(found, alone, rtol=1e-12)
    assert np.allclose(found, cost_candidates(arena, plan, kind, rows)[0]) == (not around)


@pytest.mark.parametrize("name", ["obizhaeva_wang", "obizhaeva_wang+events"])
def test_the_better_on_validation_stands(arena, name):
    found = tune(arena, name, 3 * 8 * EPISODES_PER_CANDIDATE, 1)
    both = [build(name, arena.estimates, one) for one in (found.parameters, {})]
    assert [found.validation, found.begun_from] == score_strategies(arena, arena.validation, both)
    assert found.validation.bps <= found.begun_from.bps


def test_a_candidate_that_loses_orders_is_dear_and_counted_and_stops_nothing(arena):
    kind = TUNABLE["score_rule"]
    market = arena.source
    overflowing = lay.new_book(64, 64, 1)
    martingale.lay_book(overflowing, market.worlds_k[0].copy(), market.flow)
    overflowing = replace(arena, source=replace(market, worlds_b=overflowing[None]))
    spread, single = kind.layout.vector(), kind.layout.vector({"behind_1": 40.0})
    plan = arena.sample(0, EPISODES_PER_CANDIDATE)
    bps, overflowed = cost_candidates(overflowing, plan, kind, np.stack([spread, single]))
    assert overflowed[0] > overflowed[1]
    lost = overflowed[0] / EPISODES_PER_CANDIDATE * OVERFLOWED_BPS
    assert bps[0] == pytest.approx(lost, abs=OVERFLOWED_BPS / 10)
    validated = score_strategies(overflowing, plan, [kind(spread)])[0]
    assert validated.overflowed == overflowed[0]
    tuned = tune(overflowing, "score_rule", 3 * 24 * EPISODES_PER_CANDIDATE, 1)
    assert tuned.training_overflowed > 0
    assert tuned.validation.bps <= tuned.begun_from.bps


def test_more_parameters_get_more_episodes_and_candidates_and_too_few_are_refused(arena):
    sizes = [episodes_for(TUNABLE[name]) for name in ("obizhaeva_wang", "popv", "score_rule")]
    assert sizes == sorted(set(sizes))
    assert [population_of(d) for d in (1, 5, 23)] == [8, 16, 24]
    with pytest.raises(ConfigError, match="at least"):
        search(arena, TUNABLE["popv"], 100, 1)
    with pytest.raises(ConfigError, match="finite start"):
        CmaEs([np.nan], 1.0, np.random.default_rng(1))
