"""Running normalisation of observations and rewards, frozen when a policy leaves the learner."""

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats
from tercel.core.jit import kernel
from tercel.lab.learning.port import State

CLIP = 10.0
"""Normalised values are cut to +-10 and variances padded by 1e-8, as in Stable-Baselines3's VecNormalize."""
EPSILON = 1e-8


@kernel
def merge_moments(x: Float32, moments: Floats) -> None:
    """Merge the rows of x[n, D] into moments[2, D + 1]: means and variances (Chan, Golub and LeVeque 1979).

    ``moments[0, D]`` is the count. The start is count 1e-4, mean 0, variance 1, as in VecNormalize.
    """
    rows, width = x.shape
    count = moments[0, width]
    total = count + rows
    for j in range(width):
        mean = 0.0
        for r in range(rows):
            mean += x[r, j]
        mean /= rows
        squares = 0.0
        for r in range(rows):
            squares += (x[r, j] - mean) ** 2
        delta = mean - moments[0, j]
        moments[1, j] = (
            moments[1, j] * count + squares + delta * delta * count * rows / total
        ) / total
        moments[0, j] += delta * rows / total
    moments[0, width] = total


@kernel
def normalise_rows(x: Float32, mean: Float32, scale: Float32, out: Float32) -> None:
    """out = clip((x - mean) * scale, -10, 10): the same arithmetic as the exported policy's first step."""
    clip = np.float32(CLIP)
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[r, j] = min(max((x[r, j] - mean[j]) * scale[j], -clip), clip)


class ObservationNormaliser:
    """Means and variances of everything observed in training."""

    def __init__(self, size: int) -> None:
        self.moments = np.zeros((2, size + 1))
        self.moments[0, size] = 1e-4
        self.moments[1] = 1.0
        self.mean = np.zeros(size, np.float32)
        self.scale = np.ones(size, np.float32)

    def update(self, x: Float32) -> None:
        """Learn from raw observations x[n, D]."""
        merge_moments(x, self.moments)
        self._freeze()

    def _freeze(self) -> None:
        size = self.mean.shape[0]
        self.mean[:] = self.moments[0, :size]
        np.divide(
            1.0, np.sqrt(self.moments[1, :size] + EPSILON), out=self.scale, casting="same_kind"
        )

    def apply(self, x: Float32, out: Float32) -> None:
        normalise_rows(x, self.mean, self.scale, out)

    def state(self) -> State:
        return {"moments": self.moments.copy()}

    def restore(self, state: State) -> None:
        self.moments[:] = state["moments"]
        self._freeze()


class RewardScaler:
    """Divides rewards by the running standard deviation of the discounted return so far (VecNormalize, norm_reward).

    Costs in bps of quiet and wild markets differ by a factor of 100; with this the learning rate does not care. The
    mean is not taken away: that would pay for longer episodes. Metrics report raw returns.
    """

    def __init__(self, n: int, gamma: float) -> None:
        self.gamma = gamma
        self.returns = np.zeros((n, 1), np.float32)
        self.moments = np.array([[0.0, 1e-4], [1.0, 1.0]])

    def scale(self, reward: Float32, done: Bools) -> Float32:
        """Scaled rewards float32[n], learning from them first."""
        self.returns[:, 0] = self.returns[:, 0] * np.float32(self.gamma) + reward
        merge_moments(self.returns, self.moments)
        scaled: Float32 = np.clip(
            reward * np.float32(1.0 / np.sqrt(self.moments[1, 0] + EPSILON)), -CLIP, CLIP
        )
        self.returns[done, 0] = 0.0
        return scaled

    def state(self) -> State:
        return {"returns": self.returns.copy(), "moments": self.moments.copy()}

    def restore(self, state: State) -> None:
        self.returns[:], self.moments[:] = state["returns"], state["moments"]


class ValueNormaliser:
    """Lets a value head learn returns of mean 0 and variance 1, while what it says stays in their own units.

    When the moments move, the head's layer is changed so that its values do not (van Hasselt et al. 2016, "Learning
    values across many orders of magnitude", algorithm 1, with moments of all returns so far).
    """

    def __init__(self) -> None:
        self.moments = np.array([[0.0, 1e-4], [1.0, 1.0]])

    @property
    def mean(self) -> float:
        return float(self.moments[0, 0])

    @property
    def scale(self) -> float:
        """Standard deviation of a return."""
        return float(np.sqrt(self.moments[1, 0] + EPSILON))

    def values(self, raw: Float32) -> Float32:
        """Values in the units of returns."""
        return (raw * self.scale + self.mean).astype(np.float32)

    def learn(self, returns: Float32, weight: Float32, bias: Float32) -> Float32:
        """Targets float32[n] for the head (weight[units, 1], bias[1]), which goes on saying the same."""
        mean, scale = self.mean, self.scale
        merge_moments(returns.reshape(-1, 1), self.moments)
        weight *= np.float32(scale / self.scale)
        bias[:] = (bias * scale + mean - self.mean) / self.scale
        return ((returns - self.mean) / self.scale).astype(np.float32)

    def state(self) -> State:
        return {"moments": self.moments.copy()}

    def restore(self, state: State) -> None:
        self.moments[:] = state["moments"]
