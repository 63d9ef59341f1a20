"""A market of straight lines, solved exactly: linear impact and a signal of the drift, any number of lots at a time.

One unit must be bought in `STEPS` decisions. Before each, a signal a is seen: normal with variance 1, correlation `RHO`
from one to the next. Buying v costs `IMPACT` v^2, and the price then moves by `DRIFT` a plus noise, which what is left
y pays. At the last decision everything left is bought. Costs are in units of the price.

The least cost from inventory x and signal a is A x^2 + B x a + C a^2 + D with, going back from A = `IMPACT` and
B = C = D = 0 at the last decision (k impact, d drift, r correlation; a discrete linear-quadratic regulator),

    y* = (2 k x - (d + B r) a) / (2 (k + A))
    A' = k A / (k + A),  B' = k (d + B r) / (k + A),  C' = C r^2 - (d + B r)^2 / (4 (k + A)),  D' = D + C (1 - r^2)

A policy that leaves y instead of y* pays (k + A) (y - y*)^2 more; the mean of that over its own states is what it is
short of the optimum, without the noise of the price.

**Observation** (float32[3]): share of time left, inventory left, signal. **Action** (float32[1]): how much more to buy
than the even share of what is left. 0 is TWAP, whatever the state.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Float32
from tercel.lab.learning.port import State

STEPS = 8
IMPACT, DRIFT, RHO, NOISE = 1.0, 0.15, 0.8, 0.05

Floats = NDArray[np.float64]


def solve() -> Floats:
    """(A, B, C, D) of the least cost at each decision, float64 [STEPS, 4]."""
    values = np.zeros((STEPS, 4))
    values[-1, 0] = IMPACT
    for t in range(STEPS - 2, -1, -1):
        a, b, c, d = values[t + 1]
        pull, stiff = DRIFT + b * RHO, IMPACT + a
        values[t] = (
            IMPACT * a / stiff,
            IMPACT * pull / stiff,
            c * RHO**2 - pull**2 / (4 * stiff),
            d + c * (1 - RHO**2),
        )
    return values


def least_cost() -> float:
    """Of one unit, over the first signal's law."""
    a, _, c, d = solve()[0]
    return float(a + c + d)


def best_left(t: int, x: Floats, signal: Floats, values: Floats) -> Floats:
    """y*: what the optimum leaves of inventory `x` at decision `t`; `values` are those of :func:`solve`."""
    if t == STEPS - 1:
        return np.zeros_like(x)
    a, b = values[t + 1, :2]
    return np.asarray((2 * IMPACT * x - (DRIFT + b * RHO) * signal) / (2 * (IMPACT + a)))


def shortfall(policy: Any, episodes: int = 20_000, seed: int = 0) -> float:
    """Mean cost of anything with ``act(obs float32[n, 3]) -> float32[n, 1]`` above the least, sampled."""
    env, values = LinearMarket(episodes), solve()
    obs, total = env.reset(seed), 0.0
    for t in range(STEPS - 1):
        best = best_left(t, env.left, env.signal, values)
        obs = env.step(np.asarray(policy.act(obs), np.float32))[0]
        total += float((IMPACT + values[t + 1, 0]) * ((env.left - best) ** 2).mean())
    return total


class Twap:
    """Adds nothing."""

    def act(self, obs: Float32) -> Float32:
        return np.zeros((len(obs), 1), np.float32)


def gap_closed(policy: Any) -> float:
    """Share of the gap between TWAP and the optimum that `policy` closes; 1 is the optimum."""
    return 1.0 - shortfall(policy) / shortfall(Twap())


class LinearMarket:
    """`n` episodes side by side; reward is minus the cost."""

    observation_size, action_size = 3, 1

    def __init__(self, n: int = 64) -> None:
        self.n, self.t = n, 0
        self.rng = np.random.default_rng(0)
        self.left, self.signal = np.ones(n), np.zeros(n)

    def _observe(self) -> Float32:
        time = np.full(self.n, 1 - self.t / STEPS)
        return np.column_stack([time, self.left, self.signal]).astype(np.float32)

    def _start(self) -> None:
        self.t, self.left, self.signal = 0, np.ones(self.n), self.rng.normal(size=self.n)

    def reset(self, seed: int) -> Float32:
        self.rng = np.random.default_rng([seed, 0x11])
        self._start()
        return self._observe()

    def step(self, actions: Float32) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        last = self.t == STEPS - 1
        bought = self.left if last else self.left / (STEPS - self.t) + actions[:, 0]
        noise = self.rng.normal(size=(2, self.n))
        self.left = self.left - bought
        cost = IMPACT * bought**2 + (DRIFT * self.signal + NOISE * noise[0]) * self.left
        self.signal = RHO * self.signal + np.sqrt(1 - RHO**2) * noise[1]
        self.t += 1
        if last:
            self._start()
        return self._observe(), -cost, np.full(self.n, last), {}

    def state(self) -> State:
        return {
            "t": self.t,
            "left": self.left,
            "signal": self.signal,
            "rng": self.rng.bit_generator.state,
        }

    def restore(self, state: State) -> Float32:
        self.t, self.left, self.signal = (
            int(state["t"]),
            np.array(state["left"]),
            np.array(state["signal"]),
        )
        self.rng.bit_generator.state = state["rng"]
        return self._observe()
