"""An environment whose observations end in more than a policy that leaves may see."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.lab.learning.port import MaskedVecEnv, RestorableVecEnv, State, action_sizes


class AppendedVec:
    """Environment with entries appended to its observation.

    Parameters
    ----------
    env : VecEnv
    entries : callable
        What is appended now, float32 (n, size).
    size : int
    """

    n_actions: int
    action_size: int

    def __init__(self, env: Any, entries: Callable[[], Float32], size: int) -> None:
        self.env: Any = env
        self.n, self.observation_size = int(env.n), int(env.observation_size) + size
        numbers, vectors = action_sizes(env)
        if vectors:
            self.action_size = vectors
        else:
            self.n_actions = numbers
        self._entries = entries
        if isinstance(env, MaskedVecEnv):
            self.mask = env.mask
        if isinstance(env, RestorableVecEnv):
            self.state, self.restore = env.state, self._restore

    def reset(self, seed: int) -> Float32:
        return self._seen(self.env.reset(seed))

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        """As the environment's own."""
        obs, reward, done, info = self.env.step(actions)
        return self._seen(obs), reward, done, info

    def take_metrics(self) -> dict[str, float]:
        """Metrics of the inner environment, if it has some."""
        return getattr(self.env, "take_metrics", dict)()

    def progress(self, frames: int) -> None:
        """Advance the curriculum of the inner environment, if it has one."""
        if hasattr(self.env, "progress"):
            self.env.progress(frames)

    def _seen(self, obs: Float32) -> Float32:
        return np.concatenate([obs, self._entries()], axis=1)

    def _restore(self, state: State) -> Float32:
        return self._seen(self.env.restore(state))
