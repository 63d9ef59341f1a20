"""Rewards and observations of the user's in the environment: functions of named columns."""

import numpy as np
import pytest
from tests.lab.learning.test_envs import play

from tercel.core.errors import ConfigError
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import bank_sampler
from tercel.lab.learning.envs import ExecutionVec
from tercel.lab.learning.rewards import Step
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

TASK = Task(decisions=12, horizon_s=360.0)


@pytest.fixture(scope="module")
def market():
    preset = presets.load(presets.DEFAULT)
    source = reactive(preset, worlds=4, settle_s=600.0)
    return source, TASK, bank_sampler(TASK, TASK.lots(preset.volume_per_s), 4)


def test_minus_the_cost_is_the_shipped_reward_in_bps(market):
    env = ExecutionVec(*market, 6, weights=lambda step: -step.cost_bps, actions="fraction")
    plain = ExecutionVec(*market, 6, actions="fraction")
    total, ended = np.zeros(6), 0
    for (_, reward, done, info), (_, ticks, _, _) in zip(
        play(env, 40), play(plain, 40), strict=True
    ):
        arrival = env.episodes.view.arrival_mid2 / 2
        np.testing.assert_allclose(reward, ticks / arrival * 1e4, atol=1e-9)
        total += reward
        np.testing.assert_allclose(total[done], -info["is_bps"][done], atol=1e-9)
        total[done] = 0.0
        ended += int(done.sum())
    assert ended > 6


def test_every_column_is_what_its_description_says(market):
    steps: list[Step] = []

    def keep(step):
        steps.append(step)
        return np.zeros(len(step.side))

    env = ExecutionVec(*market, 6, weights=keep, actions="fraction")
    left, filled, shortfall = None, np.zeros(6), np.zeros(6)
    for _, _, done, info in play(env, 40):
        step, states = steps[-1], env.episodes.costs()
        filled += step.filled
        shortfall += step.cost_bps
        np.testing.assert_array_equal(step.quantity - step.left, filled)
        np.testing.assert_array_equal(step.done, done)
        np.testing.assert_allclose(step.cost_bps, step.execution_bps + step.impact_bps)
        np.testing.assert_allclose(step.shortfall_bps, shortfall, atol=1e-9)
        np.testing.assert_allclose(step.shortfall_bps[done], info["is_bps"][done], atol=1e-9)
        np.testing.assert_array_equal(step.forced[done], states.forced_lots[done])
        np.testing.assert_array_equal(step.forced[~done], 0)
        assert (step.time_left[~done] > 0).all()
        assert (step.horizon == TASK.horizon_s).all()
        np.testing.assert_allclose(
            step.time_left / step.horizon, 1 - step.decision / step.decisions, atol=1e-6
        )
        assert (step.spread >= 0).all()
        np.testing.assert_array_equal(step.mid, step.view.mid2 / 2)
        assert not step.filled.flags.writeable
        left = step.left
        filled[done], shortfall[done] = 0, 0
    assert left is not None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda step: -step.cost_bps[:1], "shape"),
        (lambda step: "dear", "numbers of shape"),
        (lambda step: -step.cost_bps if step.forced > 0 else step.cost_bps, "numpy.where"),
        (lambda step: step.cost_bps / (step.left - step.left), "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*divide.*:RuntimeWarning")
def test_an_answer_that_is_no_reward_is_told(market, wrong, told):
    env = ExecutionVec(*market, 2, weights=wrong)
    env.reset(0)
    with pytest.raises(ConfigError, match=told):
        env.step(np.zeros(2, np.int64))


def test_an_own_observation_is_what_the_environment_shows(market):
    def eyes(view):
        return np.column_stack([view.left / view.qty0, view.spread, view.ofi])

    env, plain = ExecutionVec(*market, 6, observation=eyes), ExecutionVec(*market, 6)
    assert env.observation_size == 3
    for (mine, _, done, info), (its, _, _, _) in zip(play(env, 40), play(plain, 40), strict=True):
        np.testing.assert_allclose(mine[:, 0], its[:, 1], rtol=1e-6)
        np.testing.assert_array_equal(np.sign(mine[:, 2]), np.sign(its[:, 32]))
        if done.any():
            np.testing.assert_array_equal(info["final_obs"][done], mine[done])
