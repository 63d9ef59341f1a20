"""Running normalisation of observations, rewards and values by their means and variances."""

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats
from tercel.core.jit import kernel
from tercel.core.stored_attributes import Stored
from tercel.lab.learning.port import State

# Normalised values are cut to +-10 and variances padded by 1e-8, as in Stable-Baselines3's VecNormalize.
CLIP = 10.0
EPSILON = 1e-8


@kernel
def merge_moments(x: Float32, moments: Floats) -> None:
    """Merge the rows of x[n, D] into moments[2, D + 1], in place: means, variances (Chan, Golub and LeVeque 1979), count.

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
def normalise_rows(x: Float32, mean: Float32, scale: Float32, normalised: Float32) -> None:
    """Write normalised = clip((x - mean) * scale, -10, 10), as the exported policy's first step does."""
    clip = np.float32(CLIP)
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            normalised[r, j] = min(max((x[r, j] - mean[j]) * scale[j], -clip), clip)


class ObservationNormaliser(Stored):
    """Running means and variances of all observations in training, and normalisation by them."""

    stored = ("moments",)

    def __init__(self, size: int) -> None:
        """Start with no observations of `size` numbers: mean 0, scale 1."""
        self.moments = np.zeros((2, size + 1))
        self.moments[0, size] = 1e-4
        self.moments[1] = 1.0
        self.mean = np.zeros(size, np.float32)
        self.scale = np.ones(size, np.float32)

    def update(self, x: Float32) -> None:
        """Update means and variances with raw observations x[n, D]."""
        merge_moments(x, self.moments)
        self._freeze()

    def _freeze(self) -> None:
        """Set the float32 mean and scale used by :meth:`apply` from the running moments."""
        size = self.mean.shape[0]
        self.mean[:] = self.moments[0, :size]
        np.divide(
            1.0, np.sqrt(self.moments[1, :size] + EPSILON), out=self.scale, casting="same_kind"
        )

    def apply(self, x: Float32, normalised: Float32) -> None:
        """Write the normalised rows of `x` into `normalised`."""
        normalise_rows(x, self.mean, self.scale, normalised)

    def restore(self, state: State) -> None:
        """Restore the moments from `state`, and mean and scale with them."""
        super().restore(state)
        self._freeze()


class RewardScaler(Stored):
    """Divides rewards by the running standard deviation of the discounted return (VecNormalize, norm_reward).

    Costs in bps of quiet and wild markets differ by a factor of 100; with this the learning rate does not care. The
    mean is not taken away: that would pay for longer episodes. Metrics report raw returns.
    """

    stored = ("returns", "moments")

    def __init__(self, n: int, gamma: float) -> None:
        """Start `n` discounted returns at 0, with discount `gamma`."""
        self.gamma = gamma
        self.returns = np.zeros((n, 1), np.float32)
        self.moments = np.array([[0.0, 1e-4], [1.0, 1.0]])

    def scale(self, reward: Float32, done: Bools) -> Float32:
        """Scaled rewards float32[n], cut to +-10, after updating returns and their deviation; where `done`, returns restart."""
        self.returns[:, 0] = self.returns[:, 0] * np.float32(self.gamma) + reward
        merge_moments(self.returns, self.moments)
        scaled: Float32 = np.clip(
            reward * np.float32(1.0 / np.sqrt(self.moments[1, 0] + EPSILON)), -CLIP, CLIP
        )
        self.returns[done, 0] = 0.0
        return scaled


class ValueNormaliser(Stored):
    """Normalises the returns that a value head learns to mean 0 and variance 1; values keep their units.

    When the moments move, the head's layer is changed so that its values do not (van Hasselt et al. 2016, "Learning
    values across many orders of magnitude", algorithm 1, with moments of all returns so far).
    """

    stored = ("moments",)

    def __init__(self) -> None:
        """Start with no returns: mean 0, variance 1."""
        self.moments = np.array([[0.0, 1e-4], [1.0, 1.0]])

    @property
    def mean(self) -> float:
        """Mean of the returns."""
        return float(self.moments[0, 0])

    @property
    def scale(self) -> float:
        """Standard deviation of the returns."""
        return float(np.sqrt(self.moments[1, 0] + EPSILON))

    def values(self, raw: Float32) -> Float32:
        """Values in the units of returns, from a head's raw outputs."""
        return (raw * self.scale + self.mean).astype(np.float32)

    def learn(self, returns: Float32, weight: Float32, bias: Float32) -> Float32:
        """Update the moments and rescale the head's `weight` and `bias` in place so that its values stay; returns normalised
        targets float32[n].
        """
        mean, scale = self.mean, self.scale
        merge_moments(returns.reshape(-1, 1), self.moments)
        weight *= np.float32(scale / self.scale)
        bias[:] = (bias * scale + mean - self.mean) / self.scale
        return ((returns - self.mean) / self.scale).astype(np.float32)
