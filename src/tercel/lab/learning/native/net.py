"""Networks of the native learners: tanh towers with explicit forward and backward passes, and the Adam optimiser.

A :class:`Net` has one tower per head: PPO has two, policy and value, with no shared weights (Andrychowicz et al. 2021,
"What matters in on-policy RL", section 3.2 finds separate networks better); DQN has one. Towers have the same hidden
sizes, so a layer of all towers is one array[tower, row, unit].

All parameters lie in one flat float32 array, all gradients in another: the optimiser, Adam with the gradient clipped by
its global norm (Kingma and Ba 2015, algorithm 1), is one kernel over them.
"""

import math
from math import prod

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import refuse_if
from tercel.core.jit import kernel
from tercel.core.stored_attributes import Stored
from tercel.execution.policies.mlp import fast_tanh
from tercel.lab.learning.port import LearningError


@kernel
def bias_tanh(z: Float32, bias: Float32) -> None:
    """Replace each row z by tanh(z + bias), in place."""
    for r in range(z.shape[0]):
        row = z[r]
        for j in range(row.shape[0]):
            row[j] = fast_tanh(row[j] + bias[j])


@kernel
def tanh_backward(dh: Float32, h: Float32, dbias: Float32) -> None:
    """Backward pass of tanh: dh *= 1 - h^2 in place, and dbias = sum of dh over rows."""
    unity = np.float32(1)
    dbias[:] = np.float32(0)
    for r in range(dh.shape[0]):
        d = dh[r]
        y = h[r]
        for j in range(d.shape[0]):
            d[j] = d[j] * (unity - y[j] * y[j])
            dbias[j] += d[j]


def orthogonal(rng: np.random.Generator, n_in: int, n_out: int, gain: float) -> Float32:
    """Random (semi-)orthogonal matrix [n_in, n_out] times `gain` (Saxe et al. 2014), as `torch.nn.init.orthogonal_`."""
    q, r = np.linalg.qr(rng.standard_normal((max(n_in, n_out), min(n_in, n_out))))
    q = q * np.sign(np.diag(r))
    return (gain * (q if n_in >= n_out else q.T)).astype(np.float32)


class Workspace:
    """Activations and their gradients for batches of one size, allocated once."""

    def __init__(self, net: "Net", rows: int) -> None:
        """Allocate activations and gradients of `net` for `rows` rows."""
        towers = len(net.heads)
        self.h = [np.empty((towers, rows, width), np.float32) for width in net.hidden]
        self.dh = [np.empty((towers, rows, width), np.float32) for width in net.hidden]
        self.out = [np.empty((rows, width), np.float32) for width in net.heads]
        self.dout = [np.empty((rows, width), np.float32) for width in net.heads]


class Net:
    """Network with one tanh tower of sizes `hidden` per entry of `heads` (the head's width).

    `weights[l]` is [tower, in, out], `biases[l]` [tower, out], `head_weights[k]` [last hidden, heads[k]],
    `head_biases[k]` [heads[k]]; names with `d` in front are their gradients. All are views of `params` and `grad`.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], heads: tuple[int, ...]) -> None:
        """Allocate flat parameters and gradients for `inputs` inputs, hidden sizes and head widths."""
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
        """Shapes of all weights and biases, in the order of the flat parameter array."""
        towers = len(self.heads)
        shapes = []
        width = self.inputs
        for units in self.hidden:
            shapes += [(towers, width, units), (towers, units)]
            width = units
        for units in self.heads:
            shapes += [(width, units), (units,)]
        return shapes

    def _views(
        self, flat: Float32
    ) -> tuple[list[Float32], list[Float32], list[Float32], list[Float32]]:
        """Views of a flat array: hidden weights, hidden biases, head weights, head biases."""
        views = []
        offset = 0
        for shape in self.shapes:
            views.append(flat[offset : offset + prod(shape)].reshape(shape))
            offset += prod(shape)
        layers = 2 * len(self.hidden)
        return views[0:layers:2], views[1:layers:2], views[layers::2], views[layers + 1 :: 2]

    def initialise(self, rng: np.random.Generator, head_gains: tuple[float, ...]) -> None:
        """Draw orthogonal weights, gain sqrt(2) in hidden layers, `head_gains` in heads; biases stay 0.

        "37 details", detail 2; as SB3.
        """
        for weight in self.weights:
            for tower in weight:
                tower[:] = orthogonal(rng, tower.shape[0], tower.shape[1], 2.0**0.5)
        for weight, gain in zip(self.head_weights, head_gains, strict=True):
            weight[:] = orthogonal(rng, weight.shape[0], weight.shape[1], gain)

    def load(self, params: Float32) -> None:
        """Copy `params`, the parameters of a network of the same sizes, into this network.

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
        """Head outputs [rows, width] of all towers for normalised `x[rows, inputs]`, without the head's bias.

        The reader of the heads adds `head_biases`, saving a pass over memory in the loss kernels.
        """
        for tower in range(len(self.heads)):
            self.forward_tower(tower, x, work)
        return work.out

    def forward_tower(self, tower: int, x: Float32, work: Workspace) -> Float32:
        """Head outputs of one tower, without the head's bias; towers share no written arrays, so threads may take one each."""
        below = x
        for weight, bias, h in zip(self.weights, self.biases, work.h, strict=True):
            np.matmul(below, weight[tower], out=h[tower])
            bias_tanh(h[tower], bias[tower])
            below = h[tower]
        np.matmul(below, self.head_weights[tower], out=work.out[tower])
        return work.out[tower]

    def backward(self, x: Float32, work: Workspace) -> None:
        """Fill the gradient `grad` from `work.dout`, after :meth:`forward` on the same `x`."""
        for tower in range(len(self.heads)):
            self.backward_tower(tower, x, work)

    def backward_tower(self, tower: int, x: Float32, work: Workspace) -> None:
        """Fill the part of the gradient `grad` of one tower from `work.dout`, after :meth:`forward_tower` on the same `x`."""
        h = [a[tower] for a in work.h]
        dh = [a[tower] for a in work.dh]
        dout = work.dout[tower]
        head = self.head_weights[tower]
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

    def tower(self, index: int) -> list[tuple[Float32, Float32]]:
        """Copies of the layers (weight [in, out], bias [out]) of one tower, head last."""
        layers = [
            (w[index].copy(), b[index].copy())
            for w, b in zip(self.weights, self.biases, strict=True)
        ]
        return [*layers, (self.head_weights[index].copy(), self.head_biases[index].copy())]


@kernel
def adam_step(
    params: Float32, grad: Float32, m: Float32, v: Float32, shrink: float, rate: float, eps: float
) -> None:
    """Take one Adam step on `params`, `m` and `v` in place; `rate` and `eps` include the bias corrections, `shrink` scales
    the gradient.
    """
    factor = np.float32(shrink)
    step = np.float32(rate)
    pad = np.float32(eps)
    b1 = np.float32(0.9)
    b2 = np.float32(0.999)
    c1 = np.float32(1) - b1
    c2 = np.float32(1) - b2
    for i in range(params.shape[0]):
        g = grad[i] * factor
        m[i] = b1 * m[i] + c1 * g
        v[i] = b2 * v[i] + c2 * g * g
        params[i] -= step * m[i] / (np.sqrt(v[i]) + pad)


class Adam(Stored):
    """Adam optimiser of a flat parameter array of `size` float32 numbers.

    `eps` is 1e-5 as in Stable-Baselines3's and OpenAI's PPO (Huang et al. 2022, "The 37 implementation details",
    detail 3), not the paper's 1e-8.
    """

    stored = ("m", "v", "steps")

    def __init__(self, size: int, eps: float = 1e-5) -> None:
        """Allocate moments for `size` parameters."""
        self.m = np.zeros(size, np.float32)
        self.v = np.zeros(size, np.float32)
        self.steps = 0
        self.eps = eps

    def step(self, params: Float32, grad: Float32, rate: float, max_norm: float) -> float:
        """Move `params` against `grad` by one Adam step at rate `rate`; returns the gradient's norm before clipping."""
        norm = math.sqrt(float(np.dot(grad, grad)))
        shrink = min(1.0, max_norm / (norm + 1e-6))  # torch.nn.utils.clip_grad_norm_
        self.steps += 1
        # rate * (m / c1) / (sqrt(v / c2) + eps) with both corrections moved out of the loop.
        root2 = math.sqrt(1.0 - 0.999**self.steps)
        folded = rate * root2 / (1.0 - 0.9**self.steps)
        adam_step(params, grad, self.m, self.v, shrink, folded, self.eps * root2)
        return norm
