"""Common parts of the native learners: networks, observations between updates, normalisation, and state on disk.

Towers of fully connected layers over one input, with explicit forward and backward passes.

A :class:`Net` has one tower per head: PPO has two, policy and value, with no shared weights (Andrychowicz et al. 2021,
"What matters in on-policy RL", section 3.2 finds separate networks better); DQN has one. Towers have the same hidden
sizes, so a layer of all towers is one array[tower, row, unit].

All parameters lie in one flat float32 array, all gradients in another: the optimiser, Adam with the gradient clipped by
its global norm (Kingma and Ba 2015, algorithm 1), is one kernel over them.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import lru_cache
from math import prod
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
from threadpoolctl import ThreadpoolController

from tercel.core.arrays import Bools, Float32, Floats
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.jit import kernel
from tercel.execution.policies.network import Head, MlpPolicy, fast_tanh
from tercel.lab.learning.port import (
    LearningError,
    Metrics,
    ReturnTracker,
    State,
    Stored,
    VecEnv,
)
from tercel.lab.learning.rewards import risk_transform

# -- net ------------------------------------------------------------------------------------------


@kernel
def bias_tanh(z: Float32, bias: Float32) -> None:
    """z[row] = tanh(z[row] + bias) in place."""
    for r in range(z.shape[0]):
        row = z[r]
        for j in range(row.shape[0]):
            row[j] = fast_tanh(row[j] + bias[j])


@kernel
def tanh_backward(dh: Float32, h: Float32, dbias: Float32) -> None:
    """dh *= 1 - h^2 in place, and dbias = its sum over rows."""
    one = np.float32(1)
    dbias[:] = np.float32(0)
    for r in range(dh.shape[0]):
        d, y = dh[r], h[r]
        for j in range(d.shape[0]):
            d[j] = d[j] * (one - y[j] * y[j])
            dbias[j] += d[j]


def orthogonal(rng: np.random.Generator, n_in: int, n_out: int, gain: float) -> Float32:
    """A (semi-)orthogonal matrix [n_in, n_out] times `gain` (Saxe et al. 2014), as `torch.nn.init.orthogonal_`."""
    q, r = np.linalg.qr(rng.standard_normal((max(n_in, n_out), min(n_in, n_out))))
    q = q * np.sign(np.diag(r))
    return (gain * (q if n_in >= n_out else q.T)).astype(np.float32)


class Workspace:
    """Activations and their gradients for batches of one size, allocated once."""

    def __init__(self, net: "Net", rows: int) -> None:
        towers = len(net.heads)
        self.h = [np.empty((towers, rows, width), np.float32) for width in net.hidden]
        self.dh = [np.empty((towers, rows, width), np.float32) for width in net.hidden]
        self.out = [np.empty((rows, width), np.float32) for width in net.heads]
        self.dout = [np.empty((rows, width), np.float32) for width in net.heads]


class Net:
    """One tanh tower of sizes `hidden` per entry of `heads` (the head's width).

    `weights[l]` is [tower, in, out], `biases[l]` [tower, out], `head_weights[k]` [last hidden, heads[k]],
    `head_biases[k]` [heads[k]]; names with `d` in front are their gradients. All are views of `params` and `grad`.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], heads: tuple[int, ...]) -> None:
        self.inputs = inputs
        self.hidden = hidden
        self.heads = heads
        self.shapes = self._shapes()
        size = sum(prod(shape) for shape in self.shapes)
        self.params = np.zeros(size, np.float32)
        self.grad = np.zeros(size, np.float32)
        self.weights, self.biases, self.head_weights, self.head_biases = self._views(self.params)
        self.dweights, self.dbiases, self.dhead_weights, self.dhead_biases = self._views(self.grad)

    def _shapes(self) -> list[tuple[int, ...]]:
        towers, shapes, width = len(self.heads), [], self.inputs
        for units in self.hidden:
            shapes += [(towers, width, units), (towers, units)]
            width = units
        for units in self.heads:
            shapes += [(width, units), (units,)]
        return shapes

    def _views(
        self, flat: Float32
    ) -> tuple[list[Float32], list[Float32], list[Float32], list[Float32]]:
        views, at = [], 0
        for shape in self.shapes:
            views.append(flat[at : at + prod(shape)].reshape(shape))
            at += prod(shape)
        layers = 2 * len(self.hidden)
        return views[0:layers:2], views[1:layers:2], views[layers::2], views[layers + 1 :: 2]

    def initialise(self, rng: np.random.Generator, head_gains: tuple[float, ...]) -> None:
        """Orthogonal weights, gain sqrt(2) in hidden layers, biases 0 ("37 details", detail 2; as SB3)."""
        for weight in self.weights:
            for tower in weight:
                tower[:] = orthogonal(rng, tower.shape[0], tower.shape[1], 2.0**0.5)
        for weight, gain in zip(self.head_weights, head_gains, strict=True):
            weight[:] = orthogonal(rng, weight.shape[0], weight.shape[1], gain)

    def load(self, params: Float32) -> None:
        """Take over `params` of a network of the same sizes.

        Raises
        ------
        LearningError
            If there are more or fewer of them.
        """
        refuse_if(
            params.shape != self.params.shape,
            f"{self.params.size} weights ({self.inputs} inputs, hidden {self.hidden}, heads {self.heads})",
            f"a saved state of {params.size}",
            "resume with the settings and the observation it was trained with, or train from the start",
            LearningError,
        )
        self.params[:] = params

    def forward(self, x: Float32, work: Workspace) -> list[Float32]:
        """Head outputs [rows, width] for normalised `x[rows, inputs]`, WITHOUT the head's bias.

        The reader of the heads adds `head_biases`, saving a pass over memory in the loss kernels.
        """
        for tower in range(len(self.heads)):
            self.forward_tower(tower, x, work)
        return work.out

    def forward_tower(self, tower: int, x: Float32, work: Workspace) -> Float32:
        """Forward pass, as :meth:`forward`, of one tower: towers share no written arrays, so threads may take one
        each."""
        below = x
        for weight, bias, h in zip(self.weights, self.biases, work.h, strict=True):
            np.matmul(below, weight[tower], out=h[tower])
            bias_tanh(h[tower], bias[tower])
            below = h[tower]
        np.matmul(below, self.head_weights[tower], out=work.out[tower])
        return work.out[tower]

    def backward(self, x: Float32, work: Workspace) -> None:
        """Fill `grad` from `work.dout`, after :meth:`forward` on the same `x`."""
        for tower in range(len(self.heads)):
            self.backward_tower(tower, x, work)

    def backward_tower(self, tower: int, x: Float32, work: Workspace) -> None:
        """Backward pass, as :meth:`backward`, of one tower."""
        h, dh = [a[tower] for a in work.h], [a[tower] for a in work.dh]
        dout, head = work.dout[tower], self.head_weights[tower]
        np.matmul(h[-1].T, dout, out=self.dhead_weights[tower])
        dout.sum(axis=0, out=self.dhead_biases[tower])
        if dout.shape[1] == 1:  # an outer product: broadcasting is some 5 x as fast as BLAS here
            np.multiply(dout, head.T, out=dh[-1])
        else:
            np.matmul(dout, head.T, out=dh[-1])
        for layer in range(len(self.hidden) - 1, -1, -1):
            tanh_backward(dh[layer], h[layer], self.dbiases[layer][tower])
            below = x if layer == 0 else h[layer - 1]
            np.matmul(below.T, dh[layer], out=self.dweights[layer][tower])
            if layer:
                np.matmul(dh[layer], self.weights[layer][tower].T, out=dh[layer - 1])

    def tower(self, which: int) -> list[tuple[Float32, Float32]]:
        """Copies of (weight [in, out], bias [out]) of one tower, head last."""
        layers = [
            (w[which].copy(), b[which].copy())
            for w, b in zip(self.weights, self.biases, strict=True)
        ]
        return [*layers, (self.head_weights[which].copy(), self.head_biases[which].copy())]


@kernel
def adam_step(
    params: Float32, grad: Float32, m: Float32, v: Float32, shrink: float, rate: float, eps: float
) -> None:
    """One step in place; `rate` and `eps` have the bias corrections folded in, `shrink` multiplies the gradient."""
    factor, step, pad = np.float32(shrink), np.float32(rate), np.float32(eps)
    b1, b2 = np.float32(0.9), np.float32(0.999)
    c1, c2 = np.float32(1) - b1, np.float32(1) - b2
    for i in range(params.shape[0]):
        g = grad[i] * factor
        m[i] = b1 * m[i] + c1 * g
        v[i] = b2 * v[i] + c2 * g * g
        params[i] -= step * m[i] / (np.sqrt(v[i]) + pad)


class Adam(Stored):
    """The optimiser's memory for a flat parameter array of `size` float32 numbers.

    `eps` is 1e-5 as in Stable-Baselines3's and OpenAI's PPO (Huang et al. 2022, "The 37 implementation details",
    detail 3), not the paper's 1e-8.
    """

    stored = ("m", "v", "steps")

    def __init__(self, size: int, eps: float = 1e-5) -> None:
        self.m = np.zeros(size, np.float32)
        self.v = np.zeros(size, np.float32)
        self.steps = 0
        self.eps = eps

    def step(self, params: Float32, grad: Float32, rate: float, max_norm: float) -> float:
        """Move `params` against `grad` at learning rate `rate`; returns the gradient's norm before clipping."""
        norm = math.sqrt(float(np.dot(grad, grad)))
        shrink = min(1.0, max_norm / (norm + 1e-6))  # torch.nn.utils.clip_grad_norm_
        self.steps += 1
        # rate * (m / c1) / (sqrt(v / c2) + eps) with both corrections moved out of the loop.
        root2 = math.sqrt(1.0 - 0.999**self.steps)
        folded = rate * root2 / (1.0 - 0.9**self.steps)
        adam_step(params, grad, self.m, self.v, shrink, folded, self.eps * root2)
        return norm


# -- normalise ------------------------------------------------------------------------------------
# Running normalisation of observations and rewards, frozen when a policy leaves the learner.

# Normalised values are cut to +-10 and variances padded by 1e-8, as in Stable-Baselines3's VecNormalize.
CLIP = 10.0
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


class ObservationNormaliser(Stored):
    """Means and variances of everything observed in training."""

    stored = ("moments",)

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

    def restore(self, state: State) -> None:
        super().restore(state)
        self._freeze()


class RewardScaler(Stored):
    """Divides rewards by the running standard deviation of the discounted return so far (VecNormalize, norm_reward).

    Costs in bps of quiet and wild markets differ by a factor of 100; with this the learning rate does not care. The
    mean is not taken away: that would pay for longer episodes. Metrics report raw returns.
    """

    stored = ("returns", "moments")

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


class ValueNormaliser(Stored):
    """Lets a value head learn returns of mean 0 and variance 1, while its output stays in their own units.

    When the moments move, the head's layer is changed so that its values do not (van Hasselt et al. 2016, "Learning
    values across many orders of magnitude", algorithm 1, with moments of all returns so far).
    """

    stored = ("moments",)

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
        """Targets float32[n] for the head (weight[units, 1], bias[1]), whose values stay the same."""
        mean, scale = self.mean, self.scale
        merge_moments(returns.reshape(-1, 1), self.moments)
        weight *= np.float32(scale / self.scale)
        bias[:] = (bias * scale + mean - self.mean) / self.scale
        return ((returns - self.mean) / self.scale).astype(np.float32)


# -- blas -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """The thread pools that this process has loaded; looked up once."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Run a block with one BLAS thread while small networks learn.

    A product of 256 x 64 by 64 x 64 on all cores costs more than it gives when another process works beside it, and
    ties the last bits of a result to the number of cores.
    """
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limited


# -- bounds ---------------------------------------------------------------------------------------
# Which values a setting of the native learners may have.


@dataclass(frozen=True)
class Bounds:
    """The finite numbers that a setting may be.

    Parameters
    ----------
    words : str
        For people.
    holds : callable
        Whether a finite number is among them.
    integer : bool
        Whole numbers alone.
    """

    words: str
    holds: Callable[[float], bool]
    integer: bool = False

    def admits(self, value: object) -> bool:
        """Whether `value` is one of them; True and False are no numbers."""
        kind = Integral if self.integer else Real
        if not isinstance(value, kind) or isinstance(value, bool):
            return False
        return math.isfinite(value) and self.holds(float(value))


COUNT: Final = Bounds("a whole number above 0", lambda value: value >= 1, integer=True)
FRAMES: Final = Bounds("a whole number, 0 or above", lambda value: value >= 0, integer=True)
ABOVE: Final = Bounds("a number above 0", lambda value: value > 0)
WEIGHT: Final = Bounds("a number, 0 or above", lambda value: value >= 0)
SHARE: Final = Bounds("a number from 0 to 1", lambda value: 0 <= value <= 1)
LEVEL: Final = Bounds("a number between 0 and 1", lambda value: 0 < value < 1)
ANY: Final = Bounds("a finite number", lambda value: True)

# Setting -> its bounds; of a tuple, those of each entry.
OF: Final[dict[str, Bounds]] = {
    "hidden": COUNT,
    "start": ANY,
    "steps": COUNT,
    "minibatch": COUNT,
    "epochs": COUNT,
    "threads": COUNT,
    "capacity": COUNT,
    "warmup": FRAMES,
    "gradient_steps": COUNT,
    "n_step": COUNT,
    "target_every": COUNT,
    "anneal_frames": FRAMES,
    "epsilon_frames": FRAMES,
    "learning_rate": ABOVE,
    "clip": ABOVE,
    "max_norm": ABOVE,
    "sigma_start": ABOVE,
    "sigma_end": ABOVE,
    "learning_rate_end": WEIGHT,
    "entropy": WEIGHT,
    "entropy_end": WEIGHT,
    "value": WEIGHT,
    "target_kl": WEIGHT,
    "gamma": SHARE,
    "lam": SHARE,
    "epsilon_start": SHARE,
    "epsilon_end": SHARE,
    "risk_aversion": WEIGHT,
    "risk_level": LEVEL,
}


@dataclass(frozen=True)
class NativeSettings:
    """Settings of every native learner that follows a gradient.

    Raises
    ------
    ConfigError
        A setting that is no number, or one outside its range; what was received begins with its name.
    """

    hidden: tuple[int, ...] = (64, 64)  # SB3 MlpPolicy
    minibatch: int = 256
    learning_rate: float = 5e-4  # annealed to 0 by `anneal_frames`
    anneal_frames: int = 0  # annealed values reach their end linearly in so many; 0: constant
    gamma: float = 1.0  # no discount: the horizon is part of the observation
    normalise_observations: bool = True
    scale_rewards: bool = True
    risk_aversion: float = 0.0  # see `rewards.Risk`; 0: the mean return alone
    risk_measure: str = "cvar"  # or mean_variance
    risk_level: float = 0.9  # of the CVaR

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting of another type or outside its range."""
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if isinstance(field.default, bool):
                _refuse_unless(isinstance(value, bool), "true or false", name, value)
            elif isinstance(field.default, tuple):
                admitted = isinstance(value, tuple) and all(OF[name].admits(one) for one in value)
                _refuse_unless(admitted, f"a list in which each is {OF[name].words}", name, value)
            elif name in OF and not (value is None and field.default is None):
                _refuse_unless(OF[name].admits(value), OF[name].words, name, value)
        try:
            risk_transform(1, self.risk_aversion, self.risk_measure, self.risk_level)
        except ConfigError as error:
            raise ConfigError(
                error.expected,
                f"risk_aversion = {self.risk_aversion} with risk_measure = {self.risk_measure!r}",
                error.remedy,
            ) from None


def _refuse_unless(admitted: bool, words: str, name: str, value: object) -> None:
    refuse_if(
        not admitted,
        f"{name}: {words}",
        f"{name} = {value!r}",
        "correct it, or leave it out for the default",
    )


# -- learner --------------------------------------------------------------------------------------


class NativeLearner:
    """A learner whose network, optimiser and moments are arrays of its own."""

    name: str
    settings: Any
    rng: np.random.Generator
    frames: int
    updates: int
    # Whole numbers of a checkpoint.
    counters: tuple[str, ...] = ("frames", "updates")

    def _prepare(self, env: VecEnv, seed: int, net: Net, width: int, masked: bool = True) -> None:
        """Create the objects that last through a training, for `width` actions; `self.rng` has drawn the weights of
        `net`."""
        self.env: Any = env
        s = self.settings
        self.seed = seed
        self.net = net
        for counter in self.counters:
            setattr(self, counter, 0)
        self.adam = Adam(net.params.size)
        self.normaliser = ObservationNormaliser(env.observation_size)
        self.scaler = RewardScaler(env.n, s.gamma)
        self.risk_transform = risk_transform(env.n, s.risk_aversion, s.risk_measure, s.risk_level)
        self.returns = ReturnTracker(env.n)
        self.raw = np.empty((env.n, env.observation_size), np.float32)
        self.x = np.empty_like(self.raw)
        self.mask = np.ones((env.n, width), np.bool_)
        self._masked = masked
        self.acting = Workspace(net, env.n)
        self.learning = Workspace(net, s.minibatch)

    def _begin(self, obs: Float32) -> None:
        """Set `obs` (and the mask) as the current observation."""
        self.raw[:] = obs
        if self._masked and hasattr(self.env, "mask"):
            self.mask[:] = self.env.mask()

    def _annealed(self, start: float, end: float) -> float:
        """Between `start` and `end`, from the first batch on ("37 details", detail 4)."""
        frames = self.settings.anneal_frames
        left = max(1.0 - self.frames / frames, 0.0) if frames else 1.0
        return float(start * left + end * (1.0 - left))

    def _row(self) -> Metrics:
        """First entries of a row of metrics after an update."""
        self.updates += 1
        mean, episodes = self.returns.take()
        return {"frames": float(self.frames), "return_mean": mean, "episodes": float(episodes)}

    def _policy(self, layers: list[tuple[Float32, Float32]], head: Head) -> MlpPolicy:
        """Layers of a tower beside the moments that its observations are normalised by."""
        mean, scale = (
            moments[: len(layers[0][0])].copy()
            for moments in (self.normaliser.mean, self.normaliser.scale)
        )
        return MlpPolicy(tuple(layers), mean, scale, CLIP, "tanh", head)

    def _parts(self) -> State:
        """Parts with a state of their own, by name in a checkpoint; the normaliser last."""
        return {
            "adam": self.adam,
            "scaler": self.scaler,
            "risk": self.risk_transform,
            "returns": self.returns,
            "normaliser": self.normaliser,
        }

    def _forget_episodes(self) -> None:
        """Forget the running episodes: new ones begin."""
        self.scaler.returns[:] = 0.0
        if self.risk_transform:
            self.risk_transform.begin()

    def state(self) -> State:
        """Everything that a training resumes from."""
        state: State = {name: part.state() for name, part in self._parts().items() if part}
        state |= {
            "params": self.net.params.copy(),
            "rng": self.rng.bit_generator.state,
            **{name: getattr(self, name) for name in self.counters},
        }
        if hasattr(self.env, "restore"):
            state["env"] = self.env.state()
        return state

    def restore(self, state: State) -> None:
        """Go on from a state; episodes go on too where the environment can, else new ones begin."""
        self.net.load(state["params"])
        for name in self.counters:
            setattr(self, name, int(state[name]))
        self.rng.bit_generator.state = state["rng"]
        goes_on = hasattr(self.env, "restore") and "env" in state
        parts = {name: part for name, part in self._parts().items() if part}
        for name, part in parts.items():
            part.restore(state[name])
        if goes_on:
            self._begin(self.env.restore(state["env"]))
        else:
            self.returns.running[:] = 0.0
            self._forget_episodes()
            self._begin(self.env.reset(self.seed + self.frames))
        # last: to begin may teach it what it already knew
        self.normaliser.restore(state["normaliser"])
