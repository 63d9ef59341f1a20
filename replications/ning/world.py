"""The study's market: an order sold evenly each second at the mid. No spread, no depth, no queue: no execution."""

from dataclasses import dataclass
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tercel.core import AnyArray
from tercel.lab.learning import Info, SameStepVectorEnv

Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

PERIODS: Final = 5
SPEEDS: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""What may be sold within a period, in fifths of the order; in the last period all that is left."""
EVEN: Final = SPEEDS.index(1.0)
OBSERVED: Final = ("time", "left", "move_bps", "variation_bps")
"""Time, inventory, price and quadratic variation: the study's TIPQV."""
PENALTY: Final = 0.01
"""Times the square of the fifths sold in a period, bps."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Prices of n hours in bps over the price at arrival; up is good for the order, which sells.

    Parameters
    ----------
    start : float64 (n, PERIODS + 1)
        Mid at the start of each period, and at the horizon.
    mean : float64 (n, PERIODS)
        Mean mid over the seconds of a period: what an even sale earns.
    variation : float64 (n, PERIODS + 1)
        Root of the summed squares of the 1-second moves so far, bps.
    """

    start: Floats
    mean: Floats
    variation: Floats

    def __len__(self) -> int:
        return len(self.start)


def paths_of(mids: Floats) -> Paths:
    """Paths of mids second by second, float64 (n, 5 m + 1).

    >>> paths = paths_of(np.linspace(100.0, 100.1, 11)[None])
    >>> paths.start[0].round(6).tolist(), float(paths.mean[0, 0].round(6))
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 1.5)
    """
    moved = 1e4 * (mids / mids[:, :1] - 1)
    seconds = (mids.shape[1] - 1) // PERIODS
    squares = np.cumsum(np.diff(moved, axis=1) ** 2, axis=1)
    at = np.arange(PERIODS + 1) * seconds
    variation = np.sqrt(np.concatenate([np.zeros((len(mids), 1)), squares], axis=1)[:, at])
    return Paths(
        moved[:, at], moved[:, 1:].reshape(len(mids), PERIODS, seconds).mean(axis=2), variation
    )


def sold(action: NDArray[np.int64], left: Floats, last: bool) -> Floats:
    """Share of the order that is sold in a period."""
    share: Floats = np.minimum(np.asarray(SPEEDS)[action] / PERIODS, left)
    return left.copy() if last else share


def observe(period: int, left: Floats, move: Floats, variation: Floats) -> Float32:
    """float32 (n, 4) in the order of `OBSERVED`."""
    time = np.full(len(left), period / PERIODS)
    return np.stack([time, left, move, variation], axis=1).astype(np.float32)


class MidVec(SameStepVectorEnv):
    """The study's market as a vector environment: paths drawn from those given, all in step.

    The rewards of an episode sum to its revenue over arrival, bps, less the penalty.
    """

    def __init__(self, paths: Paths, n: int = 64) -> None:
        super().__init__(n, len(OBSERVED), gymnasium.spaces.Discrete(len(SPEEDS)))
        self.paths = paths
        self.period, self.left, self.which = 0, np.ones(n), np.zeros(n, np.int64)
        self.rng = np.random.default_rng(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """New paths in all slots."""
        self.rng = np.random.default_rng((seed or 0, 0x217))
        return self._begin(), {}

    def _begin(self) -> Float32:
        self.period, self.left = 0, np.ones(self.num_envs)
        self.which = self.rng.integers(len(self.paths), size=self.num_envs)
        return self._observed()

    def _observed(self) -> Float32:
        p = self.paths
        return observe(
            self.period,
            self.left,
            p.start[self.which, self.period],
            p.variation[self.which, self.period],
        )

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """One period."""
        k, p = self.period, self.paths
        share = sold(np.asarray(actions, np.int64), self.left, k == PERIODS - 1)
        self.left = self.left - share
        start, end = p.start[self.which, k], p.start[self.which, k + 1]
        earned = share * (p.mean[self.which, k] - start) + self.left * (end - start)
        reward = earned - PENALTY * (PERIODS * share) ** 2
        self.period += 1
        done = np.full(self.num_envs, self.period == PERIODS)
        return self._begin() if done[0] else self._observed(), reward, done, self.truncated, {}


def revenue(paths: Paths, policy: Any = None) -> Floats:
    """Revenue over arrival of each path, bps, float64 (n,): of a policy, or of selling evenly (TWAP)."""
    left, total = np.ones(len(paths)), np.zeros(len(paths))
    for k in range(PERIODS):
        obs = observe(k, left, paths.start[:, k], paths.variation[:, k])
        action = np.full(len(paths), EVEN) if policy is None else policy.act(obs)
        share = sold(action, left, k == PERIODS - 1)
        total += share * paths.mean[:, k]
        left = left - share
    return total


def walks(days: int, starts: int, apart: int, sd_bps: float, rng: np.random.Generator) -> Paths:
    """Hours of random walks that nobody can time, overlapping within each of some days as those of a tape do.

    Parameters
    ----------
    days, starts, apart : int
        Walks; hours cut from each, and the seconds between them.
    sd_bps : float
        Standard deviation over an hour.
    """
    length = 3600 + apart * (starts - 1)
    moves = rng.normal(scale=sd_bps / 60.0, size=(days, length))
    level = 1.0 + 1e-4 * np.concatenate([np.zeros((days, 1)), np.cumsum(moves, axis=1)], axis=1)
    return paths_of(np.concatenate([level[:, n * apart : n * apart + 3601] for n in range(starts)]))


def mirrored(paths: Paths) -> Paths:
    """The same hours for an order of the other side."""
    return Paths(-paths.start, -paths.mean, paths.variation)
