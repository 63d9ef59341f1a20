"""Action laws over a policy network's head: sampling, log densities, losses with their gradients, export.

One class per law. Each keeps the actions as learning needs them (`store`) and hands the environment what it expects:
numbers int64[n], vectors float32[n, A], or shares float32[n, A] that add up to 1.
"""

from typing import Any, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.core.errors import check_known, refuse_if
from tercel.execution.policies.mlp import Head
from tercel.lab.learning.native.categorical_kernels import policy_loss, sample_actions
from tercel.lab.learning.native.continuous_kernels import (
    concentrations,
    dirichlet_loss,
    gaussian_loss,
    normalise_gammas,
    sample_gaussian,
    shares_of,
)

Stats = Floats
Layer = tuple[Float32, Float32]
NAMES = ("categorical", "gaussian", "logistic_normal", "dirichlet")


class HeadOutput(NamedTuple):
    """Output of a policy head for n states: raw values and bias, allowed actions, deviation of normal laws."""

    raw: Float32
    bias: Float32
    mask: Bools
    sigma: float


class Distribution:
    """Base class of action laws whose parameters are a network head's outputs."""

    head: Head
    # Outputs of the network.
    width: int
    # Scale of the head's first weights; 0 starts every state at `start`.
    gain = 0.0

    def __init__(self, size: int) -> None:
        """Law of `size` action entries, with a head of the same width."""
        self.width = size

    def store(self, rows: int) -> AnyArray:
        """Empty array for `rows` actions in the form that learning keeps."""
        return np.empty((rows, self.width), np.float32)

    def start(self, mean: Floats) -> Floats:
        """Bias [width] of the head for which the greedy action is `mean` [A]."""
        return mean

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw actions into `actions`, as learning keeps them, and log probabilities into `logps`; returns the environment's."""
        raise NotImplementedError

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy_coef: float,
        raw_gradient: Float32,
        stats: Stats,
    ) -> None:
        """Write the policy loss's gradient by the head into `raw_gradient` and add its means to `stats`, as `policy_loss`."""
        raise NotImplementedError

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        """Head layer (weight, bias) of the exported policy, with A outputs."""
        return weight, bias


class Categorical(Distribution):
    """Law of one of `size` discrete actions, some of which may be masked."""

    head: Head = "logits"
    gain = 0.01  # SB3; "37 details", detail 2

    def __init__(self, size: int) -> None:
        """Law of `size` actions, with work space for log probabilities."""
        super().__init__(size)
        self._logp = np.empty(size, np.float32)

    def store(self, rows: int) -> AnyArray:
        """Empty int64 array for `rows` action numbers."""
        return np.empty(rows, np.int64)

    def start(self, mean: Floats) -> Floats:
        """Logits of the action probabilities `mean`."""
        return np.asarray(np.log(np.maximum(mean, 1e-3)))

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw allowed action numbers int64[n] into `actions`, which is returned, and log probabilities into `logps`."""
        uniform = rng.random((head.raw.shape[0],), np.float32)
        sample_actions(head.raw, head.bias, head.mask, uniform, self._logp, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy_coef: float,
        raw_gradient: Float32,
        stats: Stats,
    ) -> None:
        """Write the categorical policy loss's gradient by the head into `raw_gradient`; adds its means to `stats`."""
        policy_loss(
            head.raw,
            head.bias,
            actions,
            floats,
            head.mask,
            clip,
            entropy_coef,
            self._logp,
            raw_gradient,
            stats,
        )


class Gaussian(Distribution):
    """Law of a vector of `size` independent normal numbers: means from the network, one common deviation.

    The network starts at 0 everywhere: an action that is added to something else starts as that.
    """

    head: Head = "vector"

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw normal vectors float32[n, A] into `actions`, which is returned, and log densities into `logps`."""
        noise = rng.standard_normal(head.raw.shape, np.float32)
        sample_gaussian(head.raw, head.bias, noise, head.sigma, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy_coef: float,
        raw_gradient: Float32,
        stats: Stats,
    ) -> None:
        """Write the normal policy loss's gradient by the head into `raw_gradient`; adds its means to `stats`."""
        gaussian_loss(head.raw, head.bias, actions, floats, head.sigma, clip, raw_gradient, stats)


class LogisticNormal(Gaussian):
    """Law of `size` shares: softmax of `size` - 1 normal numbers and a 0 for the last share (Aitchison 1982).

    The network starts at equal shares, or at the shares requested. The greedy action is the softmax of the means.
    """

    head: Head = "simplex"

    def __init__(self, size: int) -> None:
        """Law of `size` shares, with a head of `size` - 1 outputs."""
        super().__init__(size - 1)

    def start(self, mean: Floats) -> Floats:
        """Bias whose softmax with a last 0 gives the shares `mean`."""
        logs = np.log(np.maximum(mean, 1e-3))
        return np.asarray(logs[:-1] - logs[-1])

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw normal numbers into `actions`, their log densities into `logps`; returns the shares float32[n, A] made of them."""
        super().sample(head, rng, actions, logps)
        shares = np.empty((head.raw.shape[0], self.width + 1), np.float32)
        shares_of(actions, shares)
        return shares

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        """Head layer with a zero column for the last share."""
        return np.pad(weight, ((0, 0), (0, 1))), np.pad(bias, (0, 1))


class Dirichlet(Distribution):
    """Law of `size` shares with concentrations softplus(z) + 1 from the network; greedy action: the mean."""

    head: Head = "dirichlet"

    def __init__(self, size: int) -> None:
        """Law of `size` shares, with work space for concentrations."""
        super().__init__(size)
        self._alpha = np.empty(size, np.float32)

    def start(self, mean: Floats) -> Floats:
        """Bias for which the mean of the Dirichlet law is the shares `mean`."""
        shares = np.maximum(mean, 1e-3) / np.maximum(mean, 1e-3).sum()
        alpha = (1.0 + 1e-3) * shares / shares.min()  # the least concentration is just above 1
        return np.asarray(np.log(np.expm1(alpha - 1.0)))

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw shares float32[n, A] of the Dirichlet law into `actions`, which is returned, and log densities into `logps`."""
        alpha = np.empty(head.raw.shape, np.float32)
        concentrations(head.raw, head.bias, alpha)
        actions[:] = rng.standard_gamma(alpha, dtype=np.float32)
        normalise_gammas(alpha, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy_coef: float,
        raw_gradient: Float32,
        stats: Stats,
    ) -> None:
        """Write the Dirichlet policy loss's gradient by the head into `raw_gradient`; adds its means to `stats`."""
        dirichlet_loss(
            head.raw,
            head.bias,
            actions,
            floats,
            clip,
            entropy_coef,
            self._alpha,
            raw_gradient,
            stats,
        )


def distribution(name: str, n_actions: int, action_size: int) -> Distribution:
    """Action law by name, over `n_actions` actions or vectors of `action_size` entries.

    Raises
    ------
    UnknownNameError
        No such law.
    ConfigError
        If the environment takes the other kind of actions.
    """
    check_known(name, NAMES, "a distribution among")
    takes = "vectors" if action_size else "numbers"
    wants = "numbers" if name == "categorical" else "vectors"
    refuse_if(
        takes != wants,
        f"an environment whose actions are {wants}, as the distribution {name!r} draws them",
        f"one whose actions are {takes}",
        f"distribution = {'gaussian' if action_size else 'categorical'!r}",
    )
    if name == "categorical":
        return Categorical(n_actions)
    refuse_if(
        action_size < 2 and name != "gaussian",
        "2 or more shares",
        f"{action_size}",
        "distribution = 'gaussian'",
    )
    if name == "dirichlet":
        return Dirichlet(action_size)
    return Gaussian(action_size) if name == "gaussian" else LogisticNormal(action_size)
