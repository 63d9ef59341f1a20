"""What a policy head means: how actions are drawn from it, what the loss of a minibatch is, what leaves the learner.

One class per law. Each keeps the actions as learning needs them (`store`) and hands the environment what it expects:
numbers int64[n], vectors float32[n, A], or shares float32[n, A] that add up to 1.
"""

from typing import Any, NamedTuple

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.core.errors import ConfigError
from tercel.core.names import check_known
from tercel.execution.policies.mlp import Head
from tercel.lab.learning.native import continuous as c
from tercel.lab.learning.native.kernels import policy_loss, sample_actions

Stats = Floats
Layer = tuple[Float32, Float32]

NAMES = ("categorical", "gaussian", "logistic_normal", "dirichlet")


class HeadOutput(NamedTuple):
    """What a policy head says of n states: raw values and bias, allowed actions, deviation of normal laws."""

    raw: Float32
    bias: Float32
    mask: Bools
    sigma: float


class Distribution:
    """A law of actions with parameters from a network's head; vectors of the head's width unless said otherwise."""

    head: Head
    width: int
    """Outputs of the network."""
    gain = 0.0
    """Scale of the head's first weights; 0 starts every state at `start`."""

    def __init__(self, size: int) -> None:
        self.width = size

    def store(self, rows: int) -> AnyArray:
        """Room for `rows` actions."""
        return np.empty((rows, self.width), np.float32)

    def start(self, mean: Floats) -> Floats:
        """The head's bias [width] that has the greedy action `mean` [A]."""
        return mean

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        """Draw into `actions` (a slice of a store) and `logps`; returns what the environment receives."""
        raise NotImplementedError

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        """Gradient of the policy's loss by the head into `draw`; `stats` as in `kernels.policy_loss`."""
        raise NotImplementedError

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        """The head's layer of the exported policy, with A outputs."""
        return weight, bias


class Categorical(Distribution):
    """One of `size` actions, some of them perhaps forbidden."""

    head: Head = "logits"
    gain = 0.01  # SB3; "37 details", detail 2

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._logp = np.empty(size, np.float32)

    def store(self, rows: int) -> AnyArray:
        return np.empty(rows, np.int64)

    def start(self, mean: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(mean, 1e-3)))

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        uniform = rng.random((head.raw.shape[0],), np.float32)
        sample_actions(head.raw, head.bias, head.mask, uniform, self._logp, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        policy_loss(
            head.raw, head.bias, actions, floats, head.mask, clip, entropy, self._logp, draw, stats
        )


class Gaussian(Distribution):
    """A vector of `size` independent normal numbers: means from the network, one standard deviation for all of them.

    The network starts at 0 everywhere: an action that is added to something else starts as that.
    """

    head: Head = "vector"

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        noise = rng.standard_normal(head.raw.shape, np.float32)
        c.sample_gaussian(head.raw, head.bias, noise, head.sigma, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        c.gaussian_loss(head.raw, head.bias, actions, floats, head.sigma, clip, draw, stats)


class LogisticNormal(Gaussian):
    """`size` shares: softmax of `size` - 1 normal numbers and a 0, which stands for the last share (Aitchison 1982).

    The network starts at equal shares, or at those that were asked for. The greedy action is the softmax of the means.
    """

    head: Head = "simplex"

    def __init__(self, size: int) -> None:
        super().__init__(size - 1)

    def start(self, mean: Floats) -> Floats:
        logs = np.log(np.maximum(mean, 1e-3))
        return np.asarray(logs[:-1] - logs[-1])

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        super().sample(head, rng, actions, logps)
        shares = np.empty((head.raw.shape[0], self.width + 1), np.float32)
        c.shares_of(actions, shares)
        return shares

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        return np.pad(weight, ((0, 0), (0, 1))), np.pad(bias, (0, 1))


class Dirichlet(Distribution):
    """`size` shares with concentrations softplus(z) + 1 from the network; the greedy action is the law's mean."""

    head: Head = "dirichlet"

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._alpha = np.empty(size, np.float32)

    def start(self, mean: Floats) -> Floats:
        shares = np.maximum(mean, 1e-3) / np.maximum(mean, 1e-3).sum()
        alpha = (1.0 + 1e-3) * shares / shares.min()  # the least concentration is just above 1
        return np.asarray(np.log(np.expm1(alpha - 1.0)))

    def sample(
        self, head: HeadOutput, rng: np.random.Generator, actions: Any, logps: Float32
    ) -> AnyArray:
        alpha = np.empty(head.raw.shape, np.float32)
        c.concentrations(head.raw, head.bias, alpha)
        actions[:] = rng.standard_gamma(alpha, dtype=np.float32)
        c.normalise_gammas(alpha, actions, logps)
        return np.asarray(actions)

    def loss(
        self,
        head: HeadOutput,
        actions: Any,
        floats: Float32,
        clip: float,
        entropy: float,
        draw: Float32,
        stats: Stats,
    ) -> None:
        c.dirichlet_loss(
            head.raw, head.bias, actions, floats, clip, entropy, self._alpha, draw, stats
        )


def distribution(name: str, n_actions: int, action_size: int) -> Distribution:
    """The law called `name` over `n_actions` actions, or over vectors of `action_size` entries.

    Raises
    ------
    UnknownNameError
        No such law.
    ConfigError
        If the environment takes the other kind of actions.
    """
    check_known(name, NAMES, "a distribution among")
    takes, wants = (
        "vectors" if action_size else "numbers",
        "numbers" if name == "categorical" else "vectors",
    )
    if takes != wants:
        raise ConfigError(
            f"an environment whose actions are {wants}, as the distribution {name!r} draws them",
            f"one whose actions are {takes}",
            f"distribution = {'gaussian' if action_size else 'categorical'!r}",
        )
    if name == "categorical":
        return Categorical(n_actions)
    if action_size < 2 and name != "gaussian":
        raise ConfigError("2 or more shares", f"{action_size}", "distribution = 'gaussian'")
    if name == "dirichlet":
        return Dirichlet(action_size)
    return Gaussian(action_size) if name == "gaussian" else LogisticNormal(action_size)
