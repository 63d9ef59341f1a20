"""A market small enough to be solved exactly: time x inventory x imbalance x spread.

A parent order of `LOTS` lots must be bought in `STEPS` decisions. All transition probabilities are known, so backward
induction gives the best possible cost, and the exact cost of any policy: what a learner reached is a number without
noise. Costs are in ticks.

**Observation** (float32[4]): share of time left, share of lots left, imbalance (-1, 0, 1), spread (1 or 2 ticks).
**Actions**: hold; rest one lot; take one lot; take two lots.
**What happens**: taking q lots costs q half-spreads and walks the book, q (q - 1) / 2 ticks x ``WALK``. A resting lot
fills with a probability that is high when the imbalance presses against the buyer's side and earns half the spread.
Then the mid moves by -1, 0 or 1 tick, up more often when the imbalance is positive; every lot still to buy pays the
move. Imbalance and spread are Markov chains. What is left at the end is taken at once.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Float32, Ints
from tercel.lab.learning.port import SameStepVectorEnv, State

STEPS, LOTS, ACTIONS = 8, 8, 4
HOLD, REST, TAKE1, TAKE2 = range(ACTIONS)
WALK = 0.5
"""Ticks by which each further lot taken at once is dearer than the one before."""
FORCED_WALK = 0.5

IMBALANCE = np.array([[0.7, 0.25, 0.05], [0.2, 0.6, 0.2], [0.05, 0.25, 0.7]])
"""P(next imbalance | imbalance), states -1, 0, 1."""
SPREAD = np.array([[0.7, 0.3], [0.5, 0.5]])
"""P(next spread | spread), states 1, 2 ticks."""
MOVE_UP = np.array([0.05, 0.15, 0.45])
MOVE_DOWN = MOVE_UP[::-1].copy()
FILL = np.array([[0.85, 0.55, 0.15], [0.6, 0.35, 0.08]])
"""P(a resting lot fills | spread, imbalance)."""


def take_cost(lots: NDArray[Any], spread: NDArray[Any]) -> NDArray[np.float64]:
    """Ticks paid against the mid for taking `lots` at once at a spread of `spread` ticks."""
    return np.asarray(lots * spread / 2 + WALK * lots * (lots - 1) / 2, np.float64)


def forced_cost(left: NDArray[Any], spread: NDArray[Any]) -> NDArray[np.float64]:
    """Ticks paid for what is left at the end."""
    return np.asarray(left * spread / 2 + FORCED_WALK * left * (left - 1) / 2, np.float64)


@dataclass(frozen=True)
class Outcome:
    """Everything one decision can lead to, for all states [LOTS + 1, 3, 2] and one action."""

    cost: NDArray[np.float64]
    """Expected cost of this step, in ticks."""
    fill: NDArray[np.float64]
    """P(the resting lot fills); 0 for other actions."""
    after: NDArray[np.int64]
    """Lots left when it does not."""


def outcome(action: int) -> Outcome:
    """The tables of `action`."""
    left, imbalance, spread = np.meshgrid(
        np.arange(LOTS + 1), np.arange(3), np.arange(2), indexing="ij"
    )
    ticks = spread + 1.0
    taken = np.minimum(left, {TAKE1: 1, TAKE2: 2}.get(action, 0))
    fill = np.where((action == REST) & (left > 0), FILL[spread, imbalance], 0.0)
    after = left - taken
    drift = (MOVE_UP - MOVE_DOWN)[imbalance]
    cost = take_cost(taken, ticks) - fill * ticks / 2 + drift * (after - fill)
    return Outcome(cost, fill, after)


def action_values(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Q[action, left, imbalance, spread]: cost of each action given next step's value[left, imbalance, spread]."""
    expected = np.einsum("lij,ai,bj->lab", value, IMBALANCE, SPREAD)
    cells = np.indices(value.shape)
    q = np.empty((ACTIONS, *value.shape))
    for action in range(ACTIONS):
        o = outcome(action)
        unfilled = expected[o.after, cells[1], cells[2]]
        filled = expected[np.maximum(o.after - 1, 0), cells[1], cells[2]]
        q[action] = o.cost + o.fill * filled + (1 - o.fill) * unfilled
    return q


def end_value() -> NDArray[np.float64]:
    """Cost of what is left at the horizon, [left, imbalance, spread]."""
    left, _, spread = np.meshgrid(np.arange(LOTS + 1), np.arange(3), np.arange(2), indexing="ij")
    return forced_cost(left, spread + 1.0)


def solve() -> tuple[float, NDArray[np.int64]]:
    """Least expected cost (ticks, over the start states) and the best actions [time, left, imbalance, spread]."""
    value, best = end_value(), np.empty((STEPS, LOTS + 1, 3, 2), np.int64)
    for t in range(STEPS - 1, -1, -1):
        q = action_values(value)
        best[t] = q.argmin(axis=0)
        value = q.min(axis=0)
    return float(value[LOTS].mean()), best


def expected_cost(actions: NDArray[np.int64]) -> float:
    """Exact expected cost (ticks) of a table of actions [time, left, imbalance, spread]; all starts alike."""
    value = end_value()
    for t in range(STEPS - 1, -1, -1):
        value = np.take_along_axis(action_values(value), actions[t][None], axis=0)[0]
    return float(value[LOTS].mean())


def twap_take() -> NDArray[np.int64]:
    """The schedule fixed in advance: one lot taken at every decision, as a table of actions."""
    return np.full((STEPS, LOTS + 1, 3, 2), TAKE1, np.int64)


def observe(
    t: NDArray[Any], left: NDArray[Any], imbalance: NDArray[Any], spread: NDArray[Any]
) -> Float32:
    """Observations float32[..., 4] of states given as indices."""
    return np.stack([1 - t / STEPS, left / LOTS, imbalance - 1.0, spread + 1.0], axis=-1).astype(
        np.float32
    )


def table_of(policy: Any) -> NDArray[np.int64]:
    """The action table of anything with ``act(obs float32[n, 4]) -> int64[n]``."""
    shape = (STEPS, LOTS + 1, 3, 2)
    actions: NDArray[np.int64] = np.asarray(
        policy.act(observe(*np.indices(shape)).reshape(-1, 4))
    ).reshape(shape)
    return actions


def gap_closed(policy: Any) -> float:
    """Share of the gap between `twap_take` and the optimum that `policy` closes; 1 is the optimum."""
    best, base = solve()[0], expected_cost(twap_take())
    return (base - expected_cost(table_of(policy))) / (base - best)


class TinyMarket(SameStepVectorEnv):
    """`n` episodes of the tiny market side by side, sampled; reward is minus the cost in ticks."""

    def __init__(self, n: int = 64) -> None:
        super().__init__(n, 4, gymnasium.spaces.Discrete(ACTIONS))
        self.rng = np.random.default_rng(0)
        self.t = np.zeros(n, np.int64)
        self.left = np.zeros(n, np.int64)
        self.imbalance = np.zeros(n, np.int64)
        self.spread = np.zeros(n, np.int64)

    def _start(self, which: Bools) -> None:
        count = int(which.sum())
        self.t[which], self.left[which] = 0, LOTS
        self.imbalance[which] = self.rng.integers(0, 3, count)
        self.spread[which] = self.rng.integers(0, 2, count)

    def _observe(self) -> Float32:
        return observe(self.t, self.left, self.imbalance, self.spread)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        self.rng = np.random.default_rng([seed or 0, 0x71])
        self._start(np.ones(self.num_envs, np.bool_))
        return self._observe(), {}

    def step(
        self, actions: Ints
    ) -> tuple[Float32, NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        u = self.rng.random((4, self.num_envs))
        ticks = self.spread + 1.0
        taken = np.minimum(
            self.left, np.where(actions == TAKE2, 2, (actions == TAKE1).astype(np.int64))
        )
        filled = (actions == REST) & (self.left > 0) & (u[0] < FILL[self.spread, self.imbalance])
        self.left = self.left - taken - filled
        up, down = MOVE_UP[self.imbalance], MOVE_DOWN[self.imbalance]
        move = (u[1] < up).astype(np.float64) - (u[1] >= 1 - down)
        cost = take_cost(taken, ticks) - filled * ticks / 2 + move * self.left
        self.imbalance = (u[2][:, None] >= IMBALANCE[self.imbalance].cumsum(axis=1)[:, :-1]).sum(
            axis=1
        )
        self.spread = (u[3] >= SPREAD[self.spread, 0]).astype(np.int64)
        self.t = self.t + 1
        done = self.t == STEPS
        cost = cost + np.where(done, forced_cost(self.left, self.spread + 1.0), 0.0)
        self._start(done)
        return self._observe(), -cost, done, self.truncated, {}

    def state(self) -> State:
        fields = ("t", "left", "imbalance", "spread")
        return {**{f: getattr(self, f).copy() for f in fields}, "rng": self.rng.bit_generator.state}

    def restore(self, state: State) -> Float32:
        for f in ("t", "left", "imbalance", "spread"):
            setattr(self, f, np.array(state[f], np.int64))
        self.rng.bit_generator.state = state["rng"]
        return self._observe()
