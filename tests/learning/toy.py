"""A toy environment for contract checks: say which of `actions` bits is set; some actions are forbidden."""

import numpy as np


class ToyVec:
    """Observe a one-hot goal and the time left; reward 1 for naming the goal. Five decisions an episode."""

    def __init__(self, n=8, actions=3, length=5):
        self.n, self.n_actions, self.observation_size, self.length = n, actions, actions + 1, length

    def _observe(self):
        obs = np.zeros((self.n, self.observation_size), np.float32)
        obs[np.arange(self.n), self.goal] = 1
        obs[:, -1] = 1 - self.t / self.length
        return obs

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)
        self.t = self.rng.integers(0, self.length, self.n)
        self.goal = self.rng.integers(0, self.n_actions, self.n)
        return self._observe()

    def step(self, actions):
        reward = (actions == self.goal).astype(np.float64)
        self.goal = self.rng.integers(0, self.n_actions, self.n)
        self.t += 1
        done = self.t == self.length
        self.t[done] = 0
        return self._observe(), reward, done, {}


class MaskedToyVec(ToyVec):
    """The same with one action, never the goal, forbidden."""

    def step(self, actions):
        assert self.mask()[np.arange(self.n), actions].all(), "a forbidden action was taken"
        return super().step(actions)

    def mask(self):
        allowed = np.ones((self.n, self.n_actions), bool)
        allowed[np.arange(self.n), (self.goal + 1) % self.n_actions] = False
        return allowed
