"""The tiny market: its tables agree with its sampler, its solution is optimal, and both learners nearly find it."""

import numpy as np
import pytest
from tests.lab.learning import tiny

from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]


def sampled_cost(table, episodes, seed):
    """Mean cost and its standard error of an action table, played."""
    env = tiny.TinyMarket(episodes)
    env.reset(seed=seed)
    cost = np.zeros(episodes)
    for _ in range(tiny.STEPS):
        cost -= env.step(table[env.t, env.left, env.imbalance, env.spread])[1]
    return cost.mean(), cost.std() / np.sqrt(episodes)


@pytest.mark.parametrize("which", ["optimal", "twap_take", "random"])
def test_exact_cost_is_what_play_costs(which):
    shape = (tiny.STEPS, tiny.LOTS + 1, 3, 2)
    tables = {
        "optimal": tiny.solve()[1],
        "twap_take": tiny.twap_take(),
        "random": np.random.default_rng(0).integers(0, tiny.ACTIONS, shape),
    }
    mean, error = sampled_cost(tables[which], 100_000, 1)
    assert abs(mean - tiny.expected_cost(tables[which])) < 4 * error


@pytest.mark.parametrize("seed", SEEDS)
def test_ppo_closes_the_gap(seed):
    frames = 409_600
    learner = Ppo(
        tiny.TinyMarket(64),
        PpoSettings(learning_rate=1e-3, anneal_frames=frames, entropy_end=0.0),
        seed,
    )
    assert tiny.gap_closed(learner.policy()) < 0.7
    train(learner, frames)
    assert tiny.gap_closed(learner.policy()) >= 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_dqn_closes_the_gap(seed):
    frames = 102_400
    learner = Dqn(tiny.TinyMarket(64), DqnSettings(anneal_frames=frames), seed)
    train(learner, frames)
    assert tiny.gap_closed(learner.policy()) >= 0.95
