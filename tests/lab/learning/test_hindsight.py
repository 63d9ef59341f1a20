"""Hindsight is what the public's market does, changes no order of policies, and is read by the critic alone."""

import numpy as np
import pytest
from tests.lab.learning import tiny

from certify.kits.learner import VecEnvContract
from studies.twins import run_twins
from tercel.core.errors import ConfigError
from tercel.execution import step as kernels
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, bank_sampler
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.env import learned_in
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.market import markets_of
from tercel.lab.learning.mixed import (
    SIZE,
    DrawnOrdersVec,
    HindsightVec,
    MixedVec,
    future_means,
    undisturbed,
)
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.ranges import Ranges
from tercel.market.flow import preset as presets
from tercel.market.impact.pilot import law_for
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import settled_bank

TASK = Task(horizon_s=240.0, decisions=8, grid_points=9)
WORLDS, HOLD, REST, TAKE = 4, 0, 2, 10
SMALL = PpoSettings((8,), steps=16, minibatch=64, epochs=2)


@pytest.fixture(scope="module")
def market():
    preset = presets.load("csco")
    source = settled_bank(preset, WORLDS, impact=law_for(preset, None) or "none")
    return source, bank_sampler(TASK, TASK.lots(preset.volume_per_s), WORLDS)


def env_of(market, n=8, hindsight=6, **more):
    source, sampler = market
    return MixedVec(
        [DrawnOrdersVec(source, TASK, sampler, n, hindsight=hindsight, actions="sized", **more)],
        ["csco"],
    )


def with_inputs(env):
    return HindsightVec(env.parts, env.names)


class TestHindsightVec(VecEnvContract):
    @pytest.fixture
    def env(self, market):
        return with_inputs(env_of(market, ranges=Ranges((0.05, 0.2), (120.0, 480.0))))


def test_mids_are_those_of_the_twins(market):
    source, sampler = market
    plan = sampler(3, 0, 6)
    mids, ends = undisturbed(Episodes(source, TASK, 6), plan)
    assert (ends == TASK.decisions).all()
    np.testing.assert_array_equal(mids, run_twins(source, TASK, plan))


def test_later_means_by_brute_force():
    rng = np.random.default_rng(1)
    mids, ends = rng.normal(size=(5, 9)), np.array([8, 3, 1, 0, 5])
    means = future_means(mids, ends)
    for i, end in enumerate(ends):
        for d in range(9):
            wanted = mids[i, d + 1 : end + 1].mean() - mids[i, d] if d < end else 0.0
            assert means[i, d] == pytest.approx(wanted)


def test_who_trades_does_not_move_the_public(market):
    env = with_inputs(env_of(market))
    env.reset(2)
    part = env.parts[0]
    slots, at = part.hindsight.slots.copy(), part.episodes.view.decision
    for _ in range(TASK.decisions - 1):
        env.step(np.full(8, TAKE))
        k, same = part.episodes.states, part.hindsight.slots == slots
        parted = (k[:, sim.APART] == sim.PARTED) & same & (k[:, sim.PHASE] == sim.WORKING)
        mids = k[:, sim.BACKGROUND + sim.MID2 - sim.EVENTS]
        np.testing.assert_array_equal(mids[parted], part.hindsight.mids[slots, at][parted])
    assert parted.any() or not same.any()


@pytest.mark.parametrize("action", [HOLD, REST, TAKE])
def test_returns_change_by_a_number_of_the_episode_alone(market, action):
    """Whatever is done, an episode's return with hindsight less that without is the mean later mid at arrival."""
    known, plain = env_of(market), env_of(market, hindsight=0)
    known.reset(5)
    part = known.parts[0]
    draw = part.hindsight.episodes
    plain.parts[0].sampler = lambda seed, first, n: draw(first, n)  # the same episodes
    plain.reset(5)
    hindsight, total, base = part.hindsight, np.zeros(8), np.zeros(8)
    began = hindsight.slots.copy()
    offset = -hindsight.potential(part.episodes.states, part.episodes.view.decision)
    over = np.zeros(8, bool)
    for _ in range(TASK.decisions):
        with_it, without = known.step(np.full(8, action)), plain.step(np.full(8, action))
        total += np.where(over, 0.0, with_it[1])
        base += np.where(over, 0.0, without[1])
        over |= with_it[2]
    assert over.all()
    np.testing.assert_allclose(total - base, offset, atol=1e-9)
    side = np.where(np.arange(8) % 2 == 0, 1, -1)
    np.testing.assert_allclose(offset, side * hindsight.means[began, 0] / 2.0)


def test_pool_is_bought_and_sold_in_by_turns(market):
    env = env_of(market, hindsight=3)
    env.reset(1)
    rows = env.parts[0].hindsight.episodes(0, 12).rows
    assert rows[:, kernels.E_SIDE].tolist() == [1, -1] * 6
    np.testing.assert_array_equal(rows[0::2, kernels.E_INDEX], rows[1::2, kernels.E_INDEX])
    np.testing.assert_array_equal(rows[:6, kernels.E_INDEX], rows[6:, kernels.E_INDEX])
    assert len(np.unique(rows[:, kernels.E_INDEX])) == 3, "markets of a pool differ"


def test_policy_does_not_read_it(market):
    env = with_inputs(env_of(market))
    learner = Ppo(env, SMALL, seed=4)
    for _ in range(3):
        learner.update()
    policy, rng = learner.policy(), np.random.default_rng(0)
    assert policy.observation_size == env.observation_size - SIZE
    x = rng.normal(size=(8, env.observation_size)).astype(np.float32)
    other = x.copy()
    other[:, -SIZE:] = rng.normal(size=(8, SIZE))
    logits, values = (out.copy() for out in learner.net.forward(x, learner.acting))
    blind, seeing = learner.net.forward(other, learner.acting)
    np.testing.assert_array_equal(logits, blind)
    assert not np.allclose(values, seeing)
    assert policy.act(env_of(market).reset(9)).shape == (8,)


def test_resumed_training_goes_on_byte_by_byte(market):
    whole, first = (Ppo(with_inputs(env_of(market)), SMALL, seed=6) for _ in range(2))
    for _ in range(4):
        whole.update()
    first.update()
    first.update()
    second = Ppo(with_inputs(env_of(market)), SMALL, seed=6)
    second.restore(first.state())
    second.update()
    second.update()
    np.testing.assert_array_equal(whole.net.params, second.net.params)


def test_returns_scatter_less(market):
    """The point of it: the public's own moves leave the returns."""

    def spread(env):
        env.reset(7)
        returns, total = [], np.zeros(env.n)
        for _ in range(40 * TASK.decisions):
            _, reward, done, _ = env.step(np.full(env.n, REST))
            total += reward
            returns += total[done].tolist()
            total[done] = 0.0
        return np.std(returns)

    known = env_of(market, n=16, hindsight=64)
    rewards = with_inputs(known)
    scattered = spread(env_of(market, n=16, hindsight=0))
    assert spread(rewards) < 0.9 * scattered


@pytest.mark.parametrize(
    ("section", "values", "received"),
    [
        ("learner", {"algo": "dqn"}, "dqn"),
        ("task", {"grow_frames": 10, "share": (0.05, 0.2)}, "grow_frames"),
    ],
)
def test_refusals(section, values, received):
    config = {"policy": {"actions": "sized"}, "learner": {"hindsight": 8}}
    config.setdefault(section, {}).update(values)
    with pytest.raises(ConfigError, match=received):
        learner_settings(AgentConfig.model_validate(config))


def test_a_configuration_asks_for_it():
    config = (
        tiny.config()
        if hasattr(tiny, "config")
        else AgentConfig.model_validate({"learner": {"hindsight": 4}})
    )
    config = config.model_copy(
        update={"learner": config.learner.model_copy(update={"hindsight": 4, "markets": 4})}
    )
    assert isinstance(learned_in(config, markets_of(config)), HindsightVec)
