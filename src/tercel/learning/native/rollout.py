"""Experience of PPO: one batch as it was collected, and the same in the random order that an epoch learns from it."""

from collections.abc import Iterator

import numpy as np

from tercel.core.arrays import Ints
from tercel.learning.native.distributions import Distribution


class Rollout:
    """One batch of experience, flat rows in time order: row = step * n + episode."""

    def __init__(self, steps: int, n: int, width: int, law: Distribution, taught: bool = False) -> None:
        rows = steps * n
        self.obs = np.empty((rows, width), np.float32)
        self.actions = law.store(rows)
        self.masks = np.ones((rows, law.width), np.bool_)
        self.floats = np.empty((rows, 3), np.float32)  # log probability, advantage, return
        self.taught = np.empty((rows, law.width if taught else 0), np.float32)  # a teacher's probabilities
        self.logps = np.empty(rows, np.float32)
        self.values = np.empty((steps, n), np.float32)
        self.last = np.empty(n, np.float32)  # values of what is seen after the last step
        self.earned = np.empty((steps, n))  # rewards as the environment gives them
        self.rewards = np.empty((steps, n), np.float32)  # the same, scaled
        self.dones = np.empty((steps, n), np.bool_)
        self.advantages = np.empty((steps, n), np.float32)


class Shuffled:
    """Rows of a rollout in another order; one pass over memory an epoch, so that minibatches are slices."""

    FIELDS = ("obs", "actions", "floats", "masks", "taught")

    def __init__(self, like: Rollout) -> None:
        self.obs, self.actions = np.empty_like(like.obs), np.empty_like(like.actions)
        self.floats, self.masks = np.empty_like(like.floats), np.empty_like(like.masks)
        self.taught = np.empty_like(like.taught)

    def take(self, rollout: Rollout, order: Ints) -> None:
        """Row i becomes row `order[i]` of `rollout`."""
        for field in self.FIELDS:
            whole, part = getattr(rollout, field), getattr(self, field)
            np.take(whole, order, axis=0, out=part, mode="clip")  # "raise" would copy through a buffer

    def epochs(self, rollout: Rollout, rng: np.random.Generator, epochs: int, size: int) -> Iterator[slice]:
        """Minibatches of `size` rows, after shuffling for each epoch."""
        rows = len(self.obs)
        for _ in range(epochs):
            self.take(rollout, rng.permutation(rows))
            yield from (slice(start, start + size) for start in range(0, rows, size))
