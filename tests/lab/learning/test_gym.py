"""The classes of `tercel/Execution-v1`: Gymnasium's own checker, seeding, and the vectorised form."""

import pickle
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from tests.lab.learning.single_market import alone_env, short_market

import tercel
from tercel.core.errors import ConfigError
from tercel.lab.learning.envs import ExecutionVec

SOURCES = Path(tercel.__file__).resolve().parent


@pytest.fixture(scope="module")
def market():
    return short_market(settle_s=600.0)


def test_gymnasium_accepts_it(market, recwarn):
    check_env(alone_env(**market, render_mode="rgb_array"))
    assert not [w for w in recwarn if Path(w.filename).resolve().is_relative_to(SOURCES)]


def test_stable_baselines_accepts_it(market):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(alone_env(**market))


def test_a_seed_for_each_market_gives_the_episodes_of_a_market_alone(market):
    seeds = [7, 2**63 + 5, 2**128]
    many, alone = ExecutionVec(n=3, **market), [alone_env(**market) for _ in seeds]
    assert many.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    first, ended = many.reset(seed=seeds)[0], np.zeros(3, int)
    assert many.observation_space.contains(first)
    kept = first.copy()
    np.testing.assert_array_equal(
        first, [env.reset(seed=seed)[0] for env, seed in zip(alone, seeds, strict=True)]
    )
    for k in range(15):
        actions = np.array([7, 3, k % 8])
        obs, rewards, terminated, truncated, info = many.step(actions)
        assert not truncated.any()
        for i, env in enumerate(alone):
            single, reward, end, _, told = env.step(actions[i])
            assert (rewards[i], terminated[i]) == (reward, end)
            if end:
                np.testing.assert_array_equal(info["final_obs"][i], single)
                assert (info["_final_obs"][i], info["is_bps"][i]) == (True, told["is_bps"])
            np.testing.assert_array_equal(obs[i], env.reset()[0] if end else single)
        ended += terminated
    assert ended.min() >= 2
    np.testing.assert_array_equal(first, kept, "copies unless told otherwise")
    np.testing.assert_array_equal(
        many.reset(seed=7)[0], ExecutionVec(n=3, **market).reset(seed=7)[0]
    )
    drawn = many.reset(seed=[1, None, 1])[0]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    with pytest.raises(ConfigError, match="one seed, or 3; received 2 of them"):
        many.reset(seed=[1, 2])
    with pytest.raises(gymnasium.error.Error):
        many.reset(seed=[1, -2, 3])


@pytest.mark.parametrize("options", [{}, {"actions": "allocation"}])
def test_a_step_before_a_reset_is_refused(market, options):
    one, many = alone_env(**market, **options), ExecutionVec(n=2, **market, **options)
    for env in (one, many):
        with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
            env.step(env.action_space.sample())


@pytest.mark.parametrize("action", [1.9, -1, 8, np.nan, np.inf, "1"])
def test_what_is_no_action_is_refused(market, action):
    env, many = alone_env(**market), ExecutionVec(n=2, **market)
    env.reset(seed=1), many.reset(seed=1)
    with pytest.raises(ConfigError, match="whole actions from 0 to 7"):
        env.step(action)
    with pytest.raises(ConfigError, match="whole actions from 0 to 7"):
        many.step(np.array([1, action]))
    assert env.step(np.float32(1.0))[0].shape == (50,)


@pytest.mark.parametrize("options", [{}, {"actions": "allocation"}])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_actions_of_more_or_fewer_markets_are_refused(market, options, count):
    """A kernel that reads them would read past their end."""
    many = ExecutionVec(n=2, **market, **options)
    many.reset(seed=1)
    with pytest.raises(ConfigError, match="actions of 2 markets"):
        many.step(np.zeros((count, *many.single_action_space.shape)))


@pytest.mark.parametrize("kind", [alone_env, lambda **told: ExecutionVec(n=2, **told)])
def test_a_pickled_environment_goes_on_as_it_was(market, kind):
    env = kind(**market)
    env.reset(seed=9)
    actions = np.zeros(env.action_space.shape, int) + 2
    env.step(actions)
    again = pickle.loads(pickle.dumps(env))
    for _ in range(8):
        (*one, _), (*other, _) = env.step(actions), again.step(actions)
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


INK, EDGE, WIDE = [31, 36, 48], 12, 480 - 24


def test_a_frame_is_as_long_as_lots_and_shares_and_one_of_many_is_the_same(market):
    env, many = (
        alone_env(**market, render_mode="rgb_array"),
        ExecutionVec(n=2, **market, render_mode="rgb_array"),
    )
    env.reset(seed=2), many.reset(seed=2)
    for _ in range(3):
        env.step(2), many.step(np.array([2, 0]))
    frame, (first, second) = env.render(), many.render()
    assert (frame.shape, frame.dtype) == ((320, 480, 3), np.uint8)
    np.testing.assert_array_equal(frame, first)
    ink, view = (frame == INK).all(axis=2), env.vec.episodes.view
    assert ink[-20].sum() == round(WIDE * view.left[0] / view.qty0[0])
    assert (frame[-44, EDGE:-EDGE] != frame[-44, -EDGE - 1]).any(axis=1).sum() == round(
        WIDE * 3 / 6
    )
    (row,) = np.flatnonzero(view.rest[0])  # all that is left rests at one price
    lots, ahead = view.rest[0, row], view.ahead[0, row]
    drawn = np.flatnonzero(ink[:262].any(axis=0))
    assert drawn.size > 0
    assert (drawn[0] - EDGE) / drawn.size == pytest.approx(ahead / lots, abs=2 / drawn.size)
    assert not (second[:262] == INK).all(axis=2).any(), "nothing of its own rests there"
    assert ExecutionVec(n=1, **market).render() is alone_env(**market).render() is None
