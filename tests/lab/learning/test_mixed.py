"""Training markets side by side: orders drawn from ranges, rewards against a rule."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import bank_sampler
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.learning.envs import ExecutionVec, MixedVec, Ranges, TrainingTerms
from tercel.market.flow import preset as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

TASK = Task(horizon_s=240.0, decisions=8)
WORLDS = 4


@pytest.fixture(scope="module")
def market():
    preset = presets.load("csco")
    quantity = TASK.lots(preset.volume_per_s)
    return reactive(preset, WORLDS, settle_s=300.0), bank_sampler(TASK, quantity, WORLDS), quantity


def drawn(market, n=8, **more):
    source, sampler, _ = market
    terms = {name: more.pop(name) for name in ("ranges", "rival", "unit") if name in more}
    return ExecutionVec(source, TASK, sampler, n, terms=TrainingTerms(**terms), **more)


@given(st.floats(1e-3, 1), st.floats(1, 100), st.integers(1, 40), st.integers(0, 200))
def test_ranges_grow_from_their_middle_to_the_whole(low, times, count, frames):
    whole = Ranges((low, low * times), (60.0, 600.0), (0.0, 50.0), grow_frames=100)
    part = whole.at(frames)
    assert low - 1e-9 <= part.share[0] <= part.share[1] <= low * times * (1 + 1e-9)
    np.testing.assert_allclose(np.prod(part.share), low * low * times)
    if frames >= 100:
        np.testing.assert_allclose(part.share, whole.share)
    horizon, decisions, latency = whole.at(frames).worlds(TASK, count)
    np.testing.assert_array_equal(horizon, decisions * 30 * 10**9)
    assert (decisions >= 2).all()
    assert (decisions <= 20).all()
    assert ((latency >= 0) & (latency <= 50_000_000)).all()


def test_what_is_no_range_is_refused():
    for wrong in (
        {"share": (0.2, 0.1)},
        {"share": (0.0, 0.1)},
        {"share": (0.1, 0.2), "latency_ms": (-1.0, 0.0)},
    ):
        with pytest.raises(ConfigError, match="lowest to a highest"):
            Ranges(**wrong)


def test_orders_and_worlds_follow_the_ranges(market):
    ranges = Ranges((0.05, 0.2), (120.0, 480.0), (0.0, 40.0))
    env = drawn(market, 32, ranges=ranges)
    env.reset(3)
    k = env.episodes.states
    per_second = market[2] / TASK.share / TASK.horizon_s
    share = k[:, sim.QUANTITY] / (per_second * k[:, sim.HORIZON_NS] / 1e9)
    assert 0.049 < share.min() < 0.08
    assert 0.14 < share.max() < 0.201
    assert len(set(k[:, sim.HORIZON_NS].tolist())) == WORLDS
    np.testing.assert_array_equal(k[:, sim.HORIZON_NS], k[:, sim.DECISIONS] * 30 * 10**9)
    assert len(set(k[:, sim.LATENCY_A].tolist())) == WORLDS
    assert sorted(set(k[:, sim.SIDE].tolist())) == [-1, 1]
    first = env.episodes.view.x.copy()
    env.reset(3)
    np.testing.assert_array_equal(env.episodes.view.x, first)


def test_one_part_without_ranges_is_the_plain_environment(market):
    source, sampler, _ = market
    plain, mixed = ExecutionVec(source, TASK, sampler, 8), MixedVec([drawn(market)], ["csco"])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(plain.reset(1), mixed.reset(1))
    for _ in range(20):
        actions = rng.integers(0, 8, 8)
        mine, theirs = mixed.step(actions), plain.step(actions)
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            np.testing.assert_array_equal(a, b)
    assert mixed.take_metrics() == plain.take_metrics()


def test_parts_keep_to_their_slots_and_go_on_from_a_state(market):
    ranges = Ranges((0.05, 0.2), grow_frames=100)
    mixed = MixedVec([drawn(market, 3, ranges=ranges), drawn(market, 5, unit=2.0)], ["a", "b"])
    assert (mixed.n, mixed.n_actions) == (8, 8)
    mixed.reset(5)
    rng = np.random.default_rng(1)
    mixed.progress(50)
    for _ in range(5):
        mixed.step(rng.integers(0, 8, 8))
    state, ahead = mixed.state(), [rng.integers(0, 8, 8) for _ in range(10)]
    one = [mixed.step(actions)[1].copy() for actions in ahead]
    mixed.progress(100)
    mixed.restore(state)
    other = [mixed.step(actions)[1].copy() for actions in ahead]
    np.testing.assert_array_equal(one, other)
    assert {"is_bps", "is_bps_a", "is_bps_b"} <= set(mixed.take_metrics())


def test_parts_that_do_not_fit_are_refused(market):
    with pytest.raises(ConfigError, match="one set of actions"):
        MixedVec([drawn(market), drawn(market, actions="sized")], ["a", "b"])
    with pytest.raises(ConfigError, match="one set of actions"):
        MixedVec([], [])


def test_the_paired_return_is_the_gain_on_the_rule(market):
    source, sampler, _ = market
    env = drawn(market, rival=build("twap_passive"))
    env.reset(2)
    hold = np.full(8, 2)
    total, alone, ended = np.zeros(8), np.zeros(8), np.zeros(8, bool)
    plan = sampler(2, 0, 8)
    for _ in range(TASK.decisions):
        done = env.step(hold)[2]
        total += np.where(ended, 0.0, env._gain)
        alone += np.where(ended, 0.0, env._rewards)
        ended |= done
    rule = run_strategy(source, TASK, plan, build("twap_passive"))
    np.testing.assert_allclose(total - alone, rule.shortfall / (2 * rule.qty), atol=1e-9)
