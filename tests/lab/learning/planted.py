"""Schedules with a planted optimum: Almgren-Chriss with known impact and risk, and a drift that the observation shows.

`LOTS` lots are bought in `STEPS` decisions of 0 to `MOST` lots. Taking q lots costs `IMPACT` q²; each lot that is left
then pays the drift of the signal (-1, 0 or 1, a Markov chain) and the risk `RISK` of the square of what is left. What is
left at the end is taken at once. Without a drift this is Almgren and Chriss (2000), whose schedule is a hyperbolic sine.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Float32, Ints
from tercel.lab.learning.port import SameStepVectorEnv

STEPS, LOTS, MOST = 8, 16, 6
EVEN = LOTS // STEPS
"""Lots of a decision of `twap_take`."""
IMPACT = 0.1
STAYS = 0.8
"""Probability that the signal stays; otherwise it is drawn anew."""
SIGNALS = np.full((3, 3), (1 - STAYS) / 3) + STAYS * np.eye(3)
Table = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What there is to know beside impact: ``risk`` per squared lot and step, ``drift`` per lot and step of the signal."""

    risk: float = 0.0
    drift: float = 0.0

    def values(self, after: Table) -> Table:
        """Cost of taking q lots, [q, left, signal], given the cost of the next step, [left, signal]."""
        expected = after @ SIGNALS.T
        q, left, signal = np.indices((MOST + 1, LOTS + 1, 3))
        taken = np.minimum(q, left)
        rest = left - taken
        return (
            IMPACT * taken**2
            + self.drift * (signal - 1) * rest
            + self.risk * rest**2
            + expected[rest, signal]
        )

    def cost(self, table: NDArray[np.int64] | None = None) -> float:
        """Exact expected cost of a table of lots, [time, left, signal]; of the best one for None."""
        value = np.repeat(IMPACT * np.arange(LOTS + 1.0)[:, None] ** 2, 3, axis=1)
        for t in range(STEPS - 1, -1, -1):
            q = self.values(value)
            best = q.argmin(axis=0) if table is None else table[t]
            value = np.take_along_axis(q, best[None], axis=0)[0]
        return float(value[LOTS].mean())


ALMGREN_CHRISS = World(risk=0.02)
DRIFT = World(drift=0.6)


def even() -> NDArray[np.int64]:
    """The table of `twap_take`."""
    return np.full((STEPS, LOTS + 1, 3), EVEN, np.int64)


def observe(t: Any, left: Any, signal: Any) -> Float32:
    """Observations float32 (..., 3): time left, lots left, signal."""
    return np.stack([1 - t / STEPS, left / LOTS, signal - 1.0], axis=-1).astype(np.float32)


def table_of(policy: Any) -> NDArray[np.int64]:
    """The table of a policy's greedy actions."""
    shape = (STEPS, LOTS + 1, 3)
    acts = policy.act(observe(*np.indices(shape)).reshape(-1, 3))
    return np.asarray(acts, np.int64).reshape(shape)


class PlantedVec(SameStepVectorEnv):
    """`n` orders in a world side by side; the reward is minus the cost."""

    def __init__(self, world: World, n: int = 64) -> None:
        super().__init__(n, 3, gymnasium.spaces.Discrete(MOST + 1))
        self.world = world
        self.t, self.left, self.signal = np.zeros((3, n), np.int64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        self.rng = np.random.default_rng([seed or 0, 0x79])
        self._start(np.ones(self.num_envs, np.bool_))
        return observe(self.t, self.left, self.signal), {}

    def _start(self, which: Bools) -> None:
        self.t[which], self.left[which] = 0, LOTS
        self.signal[which] = self.rng.integers(0, 3, int(which.sum()))

    def step(
        self, actions: Ints
    ) -> tuple[Float32, NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        taken = np.minimum(actions, self.left)
        self.left = self.left - taken
        world = self.world
        cost = IMPACT * taken**2 + world.risk * self.left**2
        cost = cost + world.drift * (self.signal - 1) * self.left
        drawn = self.rng.integers(0, 3, self.num_envs)
        self.signal = np.where(self.rng.random(self.num_envs) < STAYS, self.signal, drawn)
        self.t = self.t + 1
        done = self.t == STEPS
        cost = cost + np.where(done, IMPACT * self.left**2, 0.0)
        self._start(done)
        return observe(self.t, self.left, self.signal), -cost, done, self.truncated, {}
