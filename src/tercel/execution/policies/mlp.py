"""Multilayer perceptrons of policies: one flat float32 array of weights, run by Numba row by row.

A batch is a loop over rows of the same kernel, so a row's result does not depend on the number of rows:
the event-by-event driver and the batch give the same bytes. :func:`mlp_forward` takes plain arrays and can be called
from inside other kernels.

Layout of the flat array `w` for D inputs, layers of sizes s_0 = D, s_1 .. s_L::

    mean[D]  scale[D]  clip  W_1[D, s_1] b_1[s_1]  W_2[s_1, s_2] b_2[s_2]  ...

and of the int32 array `layout`: ``[L, activation, output, s_0, s_1, .. s_L]``. An observation x enters the first layer
as ``clip((x - mean) * scale, -clip, clip)``; the activation is applied between layers, never after the last. The
function after the last layer is `output`: nothing, a softmax, or the mean of a Dirichlet law with concentrations
softplus(z) + 1.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from tercel.core.arrays import AnyArray, Float32, Int32, Ints
from tercel.core.errors import PolicyError, refuse_if
from tercel.core.jit import kernel

Activation = Literal["tanh", "relu"]
# What a policy puts out: values of discrete actions (logits, q), a vector, or shares that add up to 1 (the others).
Head = Literal["logits", "q", "vector", "simplex", "dirichlet"]
RELU = 1
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu")
HEADS: tuple[Head, ...] = ("logits", "q", "vector", "simplex", "dirichlet")
DISCRETE: tuple[Head, ...] = ("logits", "q")
PLAIN = 0
SOFTMAX = 1
DIRICHLET_MEAN = 2
_OUTPUTS: dict[Head, int] = {"simplex": SOFTMAX, "dirichlet": DIRICHLET_MEAN}
# Rational minimax tanh of degree 13/6 in float32: coefficients of Eigen's `ptanh_float` (Eigen 3.4,
# MathFunctionsImpl.h). Some 4 x as fast as the C library's, absolute error under 3.1e-7, and its loops vectorise.
_LIMIT = np.float32(7.90531110763549805)
_A1 = np.float32(4.89352455891786e-03)
_A3 = np.float32(6.37261928875436e-04)
_A5 = np.float32(1.48572235717979e-05)
_A7 = np.float32(5.12229709037114e-08)
_A9 = np.float32(-8.60467152213735e-11)
_A11 = np.float32(2.00018790482477e-13)
_A13 = np.float32(-2.76076847742355e-16)
_B0 = np.float32(4.89352518554385e-03)
_B2 = np.float32(2.26843463243900e-03)
_B4 = np.float32(1.18534705686654e-04)
_B6 = np.float32(1.19825839466702e-06)


@kernel
def fast_tanh(x: np.float32) -> np.float32:
    """tanh of a float32, absolute error under 3.1e-7."""
    x = min(max(np.float32(x), -_LIMIT), _LIMIT)
    s = x * x
    p = x * (_A1 + s * (_A3 + s * (_A5 + s * (_A7 + s * (_A9 + s * (_A11 + s * _A13))))))
    return p / (_B0 + s * (_B2 + s * (_B4 + s * _B6)))


@kernel
def _dense(w: Float32, offset: int, x: Float32, y: Float32) -> None:
    """y = b + x @ W, written into `y`; W at `offset` in `w` and b behind it; four inputs at a time.

    Views with loops from 0 let the compiler vectorise: a computed index could be negative, which Numba would check.
    """
    n_in = x.shape[0]
    n_out = y.shape[0]
    bias = w[offset + n_in * n_out : offset + n_in * n_out + n_out]
    for j in range(n_out):
        y[j] = bias[j]
    blocked = n_in - n_in % 4
    for i in range(0, blocked, 4):
        x0 = x[i]
        x1 = x[i + 1]
        x2 = x[i + 2]
        x3 = x[i + 3]
        row = offset + i * n_out
        w0 = w[row : row + n_out]
        w1 = w[row + n_out : row + 2 * n_out]
        w2 = w[row + 2 * n_out : row + 3 * n_out]
        w3 = w[row + 3 * n_out : row + 4 * n_out]
        for j in range(n_out):
            y[j] += (x0 * w0[j] + x1 * w1[j]) + (x2 * w2[j] + x3 * w3[j])
    for i in range(blocked, n_in):
        x0 = x[i]
        w0 = w[offset + i * n_out : offset + (i + 1) * n_out]
        for j in range(n_out):
            y[j] += x0 * w0[j]


@kernel
def softmax_row(z: Float32) -> None:
    """z = softmax(z) in place."""
    top = z[0]
    total = np.float32(0)
    for j in range(z.shape[0]):
        top = max(top, z[j])
    for j in range(z.shape[0]):
        z[j] = np.exp(z[j] - top)
        total += z[j]
    for j in range(z.shape[0]):
        z[j] /= total


@kernel
def softplus(z: np.float32) -> np.float32:
    """log(1 + exp(z)) without overflow."""
    x = np.float32(z)
    result: np.float32 = max(x, np.float32(0)) + np.log1p(np.exp(-abs(x)))
    return result


@kernel
def dirichlet_mean_row(z: Float32) -> None:
    """z = (softplus(z) + 1) / its sum, in place."""
    total = np.float32(0)
    for j in range(z.shape[0]):
        z[j] = softplus(z[j]) + np.float32(1)
        total += z[j]
    for j in range(z.shape[0]):
        z[j] /= total


@kernel
def mlp_forward(w: Float32, layout: Int32, x: Float32, scratch: Float32, outputs: Float32) -> None:
    """Write the outputs of the network for one raw observation `x[D]` into `outputs[s_L]`; `scratch` is overwritten.

    `scratch` is float32 with at least ``2 * max(layout[3:])`` entries ; nothing is allocated.
    """
    layers = layout[0]
    relu = layout[1] == RELU
    n_in = int(layout[3])
    half = scratch.shape[0] // 2
    clip = w[2 * n_in]
    source = scratch[:n_in]
    mean = w[:n_in]
    scale = w[n_in : 2 * n_in]
    for i in range(n_in):
        source[i] = min(max((x[i] - mean[i]) * scale[i], -clip), clip)
    offset = 2 * n_in + 1
    for layer in range(layers):
        n_out = int(layout[4 + layer])
        if layer == layers - 1:
            target = outputs
        elif layer % 2 == 0:
            target = scratch[half : half + n_out]
        else:
            target = scratch[:n_out]
        _dense(w, offset, source, target)
        if layer < layers - 1:
            if relu:
                for j in range(n_out):
                    target[j] = max(target[j], np.float32(0))
            else:
                for j in range(n_out):
                    target[j] = fast_tanh(target[j])
        offset += n_in * n_out + n_out
        n_in = n_out
        source = target
    if layout[2] == SOFTMAX:
        softmax_row(outputs)
    elif layout[2] == DIRICHLET_MEAN:
        dirichlet_mean_row(outputs)


@kernel
def mlp_forward_rows(
    w: Float32, layout: Int32, x: Float32, scratch: Float32, outputs: Float32
) -> None:
    """Write the network's outputs for each raw row of `x[n, D]` into `outputs[n, s_L]`; `scratch` is overwritten."""
    for row in range(x.shape[0]):
        mlp_forward(w, layout, x[row], scratch, outputs[row])


@kernel
def argmax_rows(values: Float32, indices: Ints) -> None:
    """Write the index of the largest value of each row into `indices`, the first if several are equal."""
    for row in range(values.shape[0]):
        best = 0
        for j in range(1, values.shape[1]):
            if values[row, j] > values[row, best]:
                best = j
        indices[row] = best


class Greedy:
    """Base of policies: greedy actions from a network's outputs."""

    head: Head

    @property
    def continuous(self) -> bool:
        """Whether an action is a vector rather than an index."""
        return self.head not in DISCRETE

    def logits(self, obs: Float32) -> Float32:
        """Outputs for raw observations float32[n, D]: values of actions, or the mean action, float32[n, A]; for subclasses."""
        raise NotImplementedError

    def act(self, obs: Float32) -> AnyArray:
        """Greedy actions: int64[n], or of a continuous head the mean action, float32[n, A]."""
        return self.greedy(self.logits(obs))

    def greedy(self, values: Float32) -> AnyArray:
        """Greedy actions for given outputs (n, A): index of the largest, int64 (n,); of a continuous head the outputs."""
        if self.continuous:
            return values
        actions = np.empty(values.shape[0], np.int64)
        argmax_rows(values, actions)
        return actions


@dataclass(frozen=True, eq=False)
class MlpPolicy(Greedy):
    """A multilayer perceptron over a normalised observation.

    Parameters
    ----------
    layers : tuple of (weight float32[in, out], bias float32[out])
        In the order of evaluation; the last is the head.
    mean, scale : float32[D]
        The observation enters as ``clip((x - mean) * scale, -clip, clip)``.
    head : {"logits", "q", "vector", "simplex", "dirichlet"}
        Meaning of the last layer: log probabilities up to a constant, action values, the action itself, its softmax as
        shares, or the concentrations (softplus + 1) of a Dirichlet law whose mean is the shares.

    Raises
    ------
    PolicyError
        If the shapes do not chain or a number is not finite.

    >>> eye = np.eye(2, dtype=np.float32)
    >>> policy = MlpPolicy(((eye, np.zeros(2, np.float32)),), np.zeros(2, np.float32), np.ones(2, np.float32))
    >>> policy.act(np.array([[0.5, 1.0], [3.0, -1.0]], np.float32)).tolist()
    [1, 0]
    """

    layers: tuple[tuple[Float32, Float32], ...]
    mean: Float32
    scale: Float32
    clip: float = 10.0
    activation: Activation = "tanh"
    head: Head = "logits"

    def __post_init__(self) -> None:
        width = self.mean.shape[0]
        refuse_if(
            self.scale.shape != (width,) or not self.layers,
            "at least one layer and one scale per input",
            f"{self.scale.shape}",
            "train it again",
            PolicyError,
        )
        for number, (weight, bias) in enumerate(self.layers):
            if weight.shape != (width, bias.shape[0]):
                raise PolicyError(
                    f"layer {number} of shape ({width}, {bias.shape[0]})",
                    f"{weight.shape}",
                    "train it again",
                )
            width = bias.shape[0]
        refuse_if(
            not np.isfinite(self.packed[0]).all(),
            "finite weights",
            "a policy with NaN or infinite numbers",
            "train it again",
            PolicyError,
        )

    @property
    def observation_size(self) -> int:
        """Number of entries D of an observation."""
        return int(self.mean.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions, or length of an action vector."""
        return int(self.layers[-1][1].shape[0])

    @cached_property
    def packed(self) -> tuple[Float32, Int32]:
        """`w` and `layout` for :func:`mlp_forward`."""
        parts = [self.mean, self.scale, np.array([self.clip], np.float32)]
        for weight, bias in self.layers:
            parts += [weight.ravel(), bias]
        sizes = [self.mean.shape[0]] + [bias.shape[0] for _, bias in self.layers]
        kinds = (ACTIVATIONS.index(self.activation), _OUTPUTS.get(self.head, PLAIN))
        layout = np.array([len(self.layers), *kinds, *sizes], np.int32)
        return np.concatenate([np.asarray(p, np.float32) for p in parts]), layout

    @cached_property
    def scratch(self) -> Float32:
        """Work array for calls of this policy, one for all of them: one thread at a time."""
        return np.empty(2 * int(self.packed[1][3:].max()), np.float32)

    def logits(self, obs: Float32) -> Float32:
        """Outputs of the network, float32[n, A] (shares for the heads simplex and dirichlet), for raw observations
        float32[n, D]."""
        if obs.ndim != 2 or obs.shape[1] != self.observation_size:
            raise PolicyError(
                f"observations of shape (n, {self.observation_size})",
                f"{obs.shape}",
                "use the policy's own task",
            )
        outputs = np.empty((obs.shape[0], self.n_actions), np.float32)
        w, layout = self.packed
        mlp_forward_rows(w, layout, np.ascontiguousarray(obs, np.float32), self.scratch, outputs)
        return outputs
