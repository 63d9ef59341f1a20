"""The linear market: its solution is optimal, and PPO with a normal law nearly finds it, starting as TWAP."""

import numpy as np
import pytest
from tests.lab.learning import linear

from certify.kits.learner import VecEnvContract
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train


class TestContract(VecEnvContract):
    @pytest.fixture
    def env(self):
        return linear.LinearMarket(8)


class Optimum:
    """Of the residual's form; `off` is added."""

    def __init__(self, off=0.0):
        self.values, self.off = linear.solve(), off

    def act(self, obs):
        t = round((1 - float(obs[0, 0])) * linear.STEPS)
        x, signal = obs[:, 1].astype(float), obs[:, 2].astype(float)
        bought = x - linear.best_left(t, x, signal, self.values)
        return (bought - x / (linear.STEPS - t) + self.off)[:, None].astype(np.float32)


def played(policy, episodes=200_000, seed=3):
    env = linear.LinearMarket(episodes)
    obs, cost = env.reset(seed), np.zeros(episodes)
    for _ in range(linear.STEPS):
        obs, reward, _, _ = env.step(policy.act(obs))
        cost -= reward
    return cost


def test_the_optimum_costs_what_the_recursion_says_and_others_cost_more():
    cost = played(Optimum())
    assert abs(cost.mean() - linear.least_cost()) < 4 * cost.std() / np.sqrt(len(cost))
    for other in (linear.Twap(), Optimum(0.02), Optimum(-0.02)):
        more = played(other) - cost
        assert more.mean() > 4 * more.std() / np.sqrt(len(more))
        assert linear.shortfall(other) == pytest.approx(more.mean(), rel=0.03)
    assert linear.shortfall(Optimum()) < 1e-9
    assert played(linear.Twap()).mean() == pytest.approx(1 / linear.STEPS, abs=0.002)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]
)
def test_ppo_closes_the_gap(seed):
    frames = 204_800
    settings = PpoSettings(
        distribution="gaussian",
        sigma_start=0.2,
        sigma_end=0.05,
        learning_rate=1e-3,
        anneal_frames=frames,
    )
    learner = Ppo(linear.LinearMarket(64), settings, seed)
    assert linear.gap_closed(learner.policy()) == 0.0, "it starts as TWAP"
    train(learner, frames)
    assert linear.gap_closed(learner.policy()) >= 0.95
