"""Adam (Kingma and Ba 2015, algorithm 1) over one flat array, with the gradient clipped by its global norm."""

import math

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.jit import kernel
from tercel.learning.port import State


@kernel
def adam_step(params: Float32, grad: Float32, m: Float32, v: Float32, shrink: float, rate: float, eps: float) -> None:
    """One step in place; `rate` and `eps` have the bias corrections folded in, `shrink` multiplies the gradient."""
    factor, step, pad = np.float32(shrink), np.float32(rate), np.float32(eps)
    b1, b2 = np.float32(0.9), np.float32(0.999)
    c1, c2 = np.float32(1) - b1, np.float32(1) - b2
    for i in range(params.shape[0]):
        g = grad[i] * factor
        m[i] = b1 * m[i] + c1 * g
        v[i] = b2 * v[i] + c2 * g * g
        params[i] -= step * m[i] / (np.sqrt(v[i]) + pad)


class Adam:
    """The optimiser's memory for a flat parameter array of `size` float32 numbers.

    `eps` is 1e-5 as in Stable-Baselines3's and OpenAI's PPO (Huang et al. 2022, "The 37 implementation details",
    detail 3), not the paper's 1e-8.
    """

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

    def state(self) -> State:
        return {"m": self.m.copy(), "v": self.v.copy(), "steps": self.steps}

    def restore(self, state: State) -> None:
        self.m[:], self.v[:] = state["m"], state["v"]
        self.steps = int(state["steps"])
