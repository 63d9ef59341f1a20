"""Conformance kits for learners and the environments they learn in: inherit, give the fixtures, done.

::

    class TestMine(VecEnvContract):
        @pytest.fixture
        def env(self):
            return MyVecEnv(n=8)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tercel.core import AnyArray
from tercel.execution.policies import MlpPolicy, OnnxPolicy
from tercel.lab.learning import AnyVectorEnv, Learner, action_sizes, check_env, observation_size


def _actions(env: AnyVectorEnv, rng: np.random.Generator) -> AnyArray:
    """Random allowed actions; vectors are shares, which a vector of any numbers may be too."""
    if not action_sizes(env)[0]:
        return rng.dirichlet(np.ones(action_sizes(env)[1]), env.num_envs).astype(np.float32)
    weights = rng.random((env.num_envs, action_sizes(env)[0]))
    if hasattr(env, "mask"):
        weights[~env.mask()] = -1.0
    return np.asarray(weights.argmax(axis=1), np.int64)


def _play(env: AnyVectorEnv, steps: int, seed: int) -> list[AnyArray]:
    """Copies of everything seen over `steps` random decisions."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(steps):
        obs, reward, terminated, truncated, _ = env.step(_actions(env, rng))
        seen += [obs.copy(), np.array(reward), terminated | truncated]
    return seen


def _same(a: list[AnyArray], b: list[AnyArray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _weights(policy: MlpPolicy | OnnxPolicy) -> AnyArray:
    """All of a policy's numbers as they are now."""
    if isinstance(policy, MlpPolicy):
        return replace(policy).packed[0].copy()  # replace() forgets what was packed before
    return np.frombuffer(policy.data, np.uint8)


class VecEnvContract:
    """Contract of a vector environment that learners act in. Fixture `env`; `steps` decisions are enough to end some episode."""

    steps = 64

    def test_shapes_and_types(self, env: AnyVectorEnv) -> None:
        check_env(env)
        obs, info = env.reset(seed=0)
        assert isinstance(info, dict)
        assert obs.shape == (env.num_envs, observation_size(env))
        assert obs.dtype == np.float32
        obs, reward, done, truncated, info = env.step(_actions(env, np.random.default_rng(0)))
        assert obs.shape == (env.num_envs, observation_size(env))
        assert obs.dtype == np.float32
        assert reward.shape == done.shape == truncated.shape == (env.num_envs,)
        assert reward.dtype.kind == "f"
        assert done.dtype == truncated.dtype == np.bool_
        assert isinstance(info, dict)

    def test_everything_is_finite_and_episodes_end(self, env: AnyVectorEnv) -> None:
        env.reset(seed=1)
        seen = _play(env, self.steps, 1)
        assert all(np.isfinite(a).all() for a in seen)
        assert np.any(seen[2::3])

    def test_a_seed_decides_every_byte(self, env: AnyVectorEnv) -> None:
        first = env.reset(seed=7)[0].copy()
        a = _play(env, self.steps, 2)
        second = env.reset(seed=7)[0].copy()
        b = _play(env, self.steps, 2)
        assert np.array_equal(first, second)
        assert _same(a, b)

    def test_mask_leaves_a_choice(self, env: Any) -> None:
        if not hasattr(env, "mask"):
            pytest.skip("forbids nothing")
        env.reset(seed=3)
        assert env.mask().shape == (env.num_envs, action_sizes(env)[0])
        assert env.mask().any(axis=1).all()

    def test_restored_state_has_the_same_future(self, env: Any) -> None:
        if not hasattr(env, "restore"):
            pytest.skip("cannot be restored")
        env.reset(seed=4)
        _play(env, 5, 4)
        state = env.state()
        a = _play(env, self.steps, 5)
        env.restore(state)
        assert _same(a, _play(env, self.steps, 5))


class LearnerContract:
    """Contract of every :class:`Learner`. Fixture `make`: from a seed to a learner with its environment."""

    updates = 3

    @pytest.fixture
    def make(self) -> Callable[[int], Learner]:
        raise NotImplementedError

    def test_update_counts_frames_and_reports(self, make: Callable[[int], Learner]) -> None:
        learner = make(0)
        first = learner.update()
        second = learner.update()
        assert first["frames"] > 0
        assert second["frames"] == learner.frames == 2 * first["frames"]
        assert list(first) == list(second)
        assert "return_mean" in first

    def test_a_seed_decides_every_weight(self, make: Callable[[int], Learner]) -> None:
        packed = []
        for seed in (3, 3, 4):
            learner = make(seed)
            for _ in range(self.updates):
                learner.update()
            packed.append(_weights(learner.policy()))
        assert np.array_equal(packed[0], packed[1])
        assert not np.array_equal(packed[0], packed[2])

    def test_policy_is_a_copy(self, make: Callable[[int], Learner]) -> None:
        learner = make(1)
        policy = learner.policy()
        before = _weights(policy)
        for _ in range(self.updates):
            learner.update()
        assert np.array_equal(before, _weights(policy))
        assert not np.array_equal(before, _weights(learner.policy()))

    def test_resume_is_bit_identical(self, make: Callable[[int], Learner]) -> None:
        straight = make(5)
        for _ in range(self.updates):
            straight.update()
        state = straight.state()
        rows = [straight.update() for _ in range(self.updates)]
        resumed = make(5)
        resumed.restore(state)
        assert [resumed.update() for _ in range(self.updates)] == rows
        assert np.array_equal(_weights(straight.policy()), _weights(resumed.policy()))
