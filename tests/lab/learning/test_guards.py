"""Learners look for what a market gives away: a martingale that books every fill at the mid gives nothing."""

import numpy as np
from tests.markets import martingale_market

from tercel.execution.costs import attribute
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import bank_sampler, seeded_plan
from tercel.lab.learning.envs import ExecutionVec
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train

TASK = Task(
    horizon_s=60.0,
    decisions=6,
    warmup_s=5.0,
    grid_points=3,
    latency=Latency("exponential", a_ns=50_000_000, b_ns=900_000_000),
)
QUANTITY, EPISODES = 60, 4_000


def shortfall_bps(source, task, policy):
    """Of each of the judged episodes, which are not those that were trained on."""
    episodes = Episodes(source, task, EPISODES)
    episodes.start(seeded_plan(task, QUANTITY, 11, 0, EPISODES))
    strategy = PolicyStrategy("ppo", policy)
    while episodes.working.any():
        episodes.step(strategy.decide(episodes.view))
    done = episodes.costs()
    done.check()
    assert done.overflow.sum() == 0
    return attribute(done, None)["is_bps"]


def test_learning_finds_no_gain_in_a_martingale():
    source, frames = martingale_market(), 65_536
    env = ExecutionVec(source, TASK, bank_sampler(TASK, QUANTITY, 1), 64)
    learner = Ppo(env, PpoSettings(learning_rate=1e-3, minibatch=512, anneal_frames=frames), 2)
    train(learner, frames)
    bps = shortfall_bps(source, TASK, learner.policy())
    assert abs(bps.mean()) < 3 * bps.std() / np.sqrt(len(bps))
