"""A toy environment for contract checks: say which of `actions` bits is set; some actions are forbidden."""

import gymnasium
import numpy as np

from tercel.lab.learning.port import SameStepVectorEnv, vectors


class ToyVec(SameStepVectorEnv):
    """Observe a one-hot goal and the time left; reward 1 for naming the goal. Five decisions an episode."""

    def __init__(self, n=8, actions=3, length=5):
        super().__init__(n, actions + 1, gymnasium.spaces.Discrete(actions))
        self.n_actions, self.length = actions, length

    def _observe(self):
        obs = np.zeros((self.num_envs, self.n_actions + 1), np.float32)
        obs[np.arange(self.num_envs), self.goal] = 1
        obs[:, -1] = 1 - self.t / self.length
        return obs

    def reset(self, *, seed=None, options=None):
        self.rng = np.random.default_rng(seed)
        self.t = self.rng.integers(0, self.length, self.num_envs)
        self.goal = self.rng.integers(0, self.n_actions, self.num_envs)
        return self._observe(), {}

    def step(self, actions):
        reward = (actions == self.goal).astype(np.float64)
        self.goal = self.rng.integers(0, self.n_actions, self.num_envs)
        self.t += 1
        done = self.t == self.length
        self.t[done] = 0
        return self._observe(), reward, done, self.truncated, {}


class MaskedToyVec(ToyVec):
    """The same with one action, never the goal, forbidden."""

    def step(self, actions):
        assert self.mask()[np.arange(self.num_envs), actions].all(), "a forbidden action was taken"
        return super().step(actions)

    def mask(self):
        allowed = np.ones((self.num_envs, self.n_actions), bool)
        allowed[np.arange(self.num_envs), (self.goal + 1) % self.n_actions] = False
        return allowed


class VectorToyVec(SameStepVectorEnv):
    """Observe a goal in [-1, 1]^A and the time left; reward minus the squared distance of the action to half of it."""

    def __init__(self, n=8, size=2, length=5):
        super().__init__(n, size + 1, vectors(size))
        self.action_size, self.length = size, length

    def _observe(self):
        return np.column_stack([self.goal, 1 - self.t / self.length]).astype(np.float32)

    def _draw(self):
        self.goal = self.rng.uniform(-1, 1, (self.num_envs, self.action_size))

    def wanted(self, goal):
        return 0.5 * goal

    def reset(self, *, seed=None, options=None):
        self.rng = np.random.default_rng(seed)
        self.t = self.rng.integers(0, self.length, self.num_envs)
        self._draw()
        return self._observe(), {}

    def step(self, actions):
        assert actions.shape == (self.num_envs, self.action_size)
        assert actions.dtype == np.float32
        reward = -((actions - self.wanted(self.goal)) ** 2).sum(axis=1)
        self._draw()
        self.t += 1
        done = self.t == self.length
        self.t[done] = 0
        return self._observe(), reward, done, self.truncated, {}

    def state(self):
        return {"t": self.t.copy(), "goal": self.goal.copy(), "rng": self.rng.bit_generator.state}

    def restore(self, state):
        self.t, self.goal = np.array(state["t"]), np.array(state["goal"])
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = state["rng"]
        return self._observe()


class SharesToyVec(VectorToyVec):
    """The same with shares: what is wanted is the softmax of the goal."""

    def wanted(self, goal):
        weights = np.exp(2 * goal)
        return weights / weights.sum(axis=1, keepdims=True)

    def step(self, actions):
        assert (actions > 0).all()
        np.testing.assert_allclose(actions.sum(axis=1), 1, atol=1e-5)
        return super().step(actions)
