"""The classes of `tercel/Execution-v1`: Gymnasium's own checker, seeding, and the vectorised form."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import tercel
from tercel.core.errors import ConfigError
from tercel.execution.task import Task
from tercel.lab.evaluation.sampling import bank_sampler
from tercel.lab.learning.gym_env import ExecutionEnv, ExecutionVectorEnv
from tercel.market.flow import preset as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

SOURCES = Path(tercel.__file__).resolve().parent
TASK = Task(decisions=6, horizon_s=120.0)


@pytest.fixture(scope="module")
def market():
    preset = presets.load(presets.DEFAULT)
    source = reactive(preset, worlds=2, settle_s=600.0)
    return {"task": TASK, "source": source, "sampler": bank_sampler(TASK, TASK.lots(preset.volume_per_s), 2)}


def test_gymnasium_accepts_it(market, recwarn):
    check_env(ExecutionEnv(**market, render_mode="rgb_array"))
    assert not [w for w in recwarn if ours(w.filename)]


def ours(file):
    """Whether Tercel's own sources warned, whatever the folder is called that the repository lies in."""
    return Path(file).resolve().is_relative_to(SOURCES)


@pytest.mark.parametrize("folder", ["tercel", "clone", "a tercel/of mine"])
def test_what_a_library_warns_of_is_not_ours(folder):
    """The libraries of `.venv` lie in the clone as well."""
    assert not ours(f"/home/ann/{folder}/.venv/lib/python3.11/site-packages/gymnasium/utils/env_checker.py")
    assert ours(SOURCES / "lab" / "learning" / "gym_env.py")


def test_stable_baselines_accepts_it(market):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(ExecutionEnv(**market))


def test_a_seed_decides_episode_after_episode(market):
    def run(env):
        rows = [env.reset(seed=11)[0]]
        for _ in range(3):
            ended = False
            while not ended:
                obs, reward, ended, truncated, info = env.step(2)
                rows += [obs, reward]
                assert not truncated
            rows += [info["is_bps"], env.reset()[0]]
        return rows

    first, second = run(ExecutionEnv(**market)), run(ExecutionEnv(**market))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_unseeded_environments_differ(market):
    assert not np.array_equal(ExecutionEnv(**market).reset()[0], ExecutionEnv(**market).reset()[0])


def test_return_is_the_reported_shortfall(market):
    env = ExecutionEnv(**market)
    env.reset(seed=4)
    total, ended = 0.0, False
    while not ended:
        _, reward, ended, _, info = env.step(0)
        total += reward
    mid = env.vec.episodes.states[0, sim.ARRIVAL_MID2] / 2
    assert info["is_bps"] == pytest.approx(-total / mid * 1e4)
    assert {"execution", "impact", "left"} <= set(info)


@pytest.mark.parametrize("actions", ["fraction", "level"])
def test_other_actions(market, actions):
    env = ExecutionEnv(**market, actions=actions)
    env.reset(seed=1)
    assert env.action_space.contains(env.action_space.sample())
    env.step(env.action_space.n - 1)
    with pytest.raises(ConfigError, match="actions from 0"):
        env.step(env.action_space.n)


def test_vector_form_is_the_same_episodes(market):
    many = ExecutionVectorEnv(4, **market)
    assert many.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    one = ExecutionEnv(**market)
    obs, _ = many.reset(seed=8)
    assert many.observation_space.contains(obs)
    single, _ = one.reset(seed=8)
    np.testing.assert_array_equal(obs[0], single)
    ended = False
    while not ended:
        obs, reward, terminated, truncated, info = many.step(np.full(4, 3))
        single, single_reward, ended, _, single_info = one.step(3)
        assert reward[0] == single_reward
        assert not truncated.any()
    assert terminated[0]
    np.testing.assert_array_equal(info["final_obs"][0], single)
    assert info["is_bps"][0] == single_info["is_bps"]
    np.testing.assert_array_equal(info["_final_obs"], terminated)
    np.testing.assert_allclose(obs[terminated, :2], 1.0)


def test_copies_unless_told_otherwise(market):
    env = ExecutionVectorEnv(2, **market)
    first = env.reset(seed=1)[0]
    before = first.copy()
    env.step(np.array([1, 2]))
    np.testing.assert_array_equal(first, before)


def test_a_seed_for_each_market_is_refused(market):
    with pytest.raises(ConfigError, match="one seed"):
        ExecutionVectorEnv(2, **market).reset(seed=[1, 2])


INK, EDGE, WIDE = [31, 36, 48], 12, 480 - 24


def test_a_frame_is_as_long_as_lots_and_shares_and_one_of_many_is_the_same(market):
    env, many = (
        ExecutionEnv(**market, render_mode="rgb_array"),
        ExecutionVectorEnv(2, **market, render_mode="rgb_array"),
    )
    env.reset(seed=2), many.reset(seed=2)
    for _ in range(3):
        env.step(2), many.step(np.array([2, 0]))
    frame, (first, second) = env.render(), many.render()
    assert (frame.shape, frame.dtype) == ((320, 480, 3), np.uint8)
    np.testing.assert_array_equal(frame, first)
    ink, view = (frame == INK).all(axis=2), env.vec.episodes.view
    assert ink[-20].sum() == round(WIDE * view.left[0] / view.qty0[0])
    assert (frame[-44, EDGE:-EDGE] != frame[-44, -EDGE - 1]).any(axis=1).sum() == round(WIDE * 3 / 6)
    (row,) = np.flatnonzero(view.rest[0])  # all that is left rests at one price
    lots, ahead = view.rest[0, row], view.ahead[0, row]
    drawn = np.flatnonzero(ink[:262].any(axis=0))
    assert drawn.size > 0
    assert (drawn[0] - EDGE) / drawn.size == pytest.approx(ahead / lots, abs=2 / drawn.size)
    assert not (second[:262] == INK).all(axis=2).any(), "nothing of its own rests there"


def test_nothing_is_drawn_unasked(market):
    assert ExecutionEnv(**market, render_mode=None).render() is None
    assert ExecutionVectorEnv(1, **market).render() is None
