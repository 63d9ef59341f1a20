"""Exploration that lasts: a normal policy's noise, alike from decision to decision of one episode.

What an action is worth in one decision of sixty is little beside what the episode costs by itself, so that independent
noise says next to nothing of what a lasting change would bring: its effects are small one by one and average out. Noise
that persists tries such changes as a whole (Hollenstein et al. 2024, "Colored noise in PPO"). At every single decision
it is standard normal still, which is what likelihood ratios are made of.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tercel.core.arrays import Bools, Float32
from tercel.learning.port import State


class PersistentNoise:
    """e' = p e + sqrt(1 - p^2) z within an episode; a new e with each.

    Parameters
    ----------
    rng : numpy Generator
        Of z.
    persistence : float
        p, from 0 to below 1: half of what was said is left after log(1/2) / log(p) decisions.
    n, size : int
        Episode slots, and numbers in an action.

    >>> noise = PersistentNoise(np.random.default_rng(1), 0.99, 2, 1)
    >>> first = noise.standard_normal((2, 1), np.float32)
    >>> noise.renew(np.array([False, True]))
    >>> bool(abs(noise.standard_normal((2, 1), np.float32) - first)[0] < 0.3)
    True
    """

    def __init__(self, rng: np.random.Generator, persistence: float, n: int, size: int) -> None:
        self.rng, self.persistence = rng, persistence
        self.last = np.zeros((n, size), np.float32)
        self.fresh = np.ones(n, bool)

    def standard_normal(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.float32]:
        """The next numbers, float32 (n, size): as a generator's method of the same name."""
        p = np.float32(self.persistence)
        drawn = self.rng.standard_normal(shape, np.float32)
        self.last = np.where(self.fresh[:, None], drawn, p * self.last + np.sqrt(1 - p * p) * drawn).astype(np.float32)
        self.fresh[:] = False
        return self.last

    def renew(self, done: Bools) -> None:
        """Episodes in the slots `done`, bool (n,), are over."""
        self.fresh |= done

    def state(self) -> State:
        """For a checkpoint."""
        return {"last": self.last.copy(), "fresh": self.fresh.copy()}

    def restore(self, state: State) -> None:
        """Go on from a state."""
        last: Float32 = state["last"]
        self.last, self.fresh = last.copy(), state["fresh"].copy()
