"""`MixedVec`: vector environments of several markets as one, each with its own slots and reward unit."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32
from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.lab.learning.envs import ExecutionVec
from tercel.lab.learning.port import Info, State
from tercel.lab.learning.reward_weights import COSTS


class MixedVec:
    """Several environments of one action set and observation as one, their slots one after another.

    Parameters
    ----------
    parts : sequence of ExecutionVec
    names : sequence of str
        Of the parts, for their metrics.

    Raises
    ------
    ConfigError
        No parts, or parts that do not fit together.
    """

    n_actions: int
    action_size: int

    def __init__(self, parts: Sequence[ExecutionVec], names: Sequence[str]) -> None:
        """Join environments `parts`, which must have the same actions and observation, under the names `names`."""
        kinds = {(part.actions.name, part.actions.size, part.observer.name) for part in parts}
        if len(kinds) != 1 or len(names) != len(parts):
            received = ", ".join(map(str, sorted(kinds))) or "none"
            raise ConfigError(
                "parts with one set of actions and one observation", received, "build them alike"
            )
        self.parts = tuple(parts)
        self.names = tuple(names)
        self.actions = parts[0].actions
        if self.actions.continuous:
            self.action_size = self.actions.size
        else:
            self.n_actions = self.actions.size
        self.observation_size = parts[0].observation_size
        edges = np.cumsum([0, *(part.n for part in parts)])
        self.slices = [slice(a, b) for a, b in pairwise(edges.tolist())]
        self.n = int(edges[-1])

    def reset(self, seed: int) -> Float32:
        """Start the episodes of all parts, each from a seed of its own derived from `seed`; returns observations of all slots."""
        return np.concatenate(
            [part.reset(len(self.parts) * seed + i) for i, part in enumerate(self.parts)]
        )

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Info]:
        """Act in all parts: observations, rewards, ends, and `info` with costs and `is_bps` of all slots alone."""
        results = [
            part.step(actions[slots]) for part, slots in zip(self.parts, self.slices, strict=True)
        ]
        obs, reward, done = (np.concatenate([result[j] for result in results]) for j in range(3))
        infos = [result[3] for result in results]
        return (
            obs,
            reward,
            done,
            {name: np.concatenate([info[name] for info in infos]) for name in (*COSTS, "is_bps")},
        )

    def progress(self, frames: int) -> None:
        """Move the curriculum of all parts to `frames`."""
        for part in self.parts:
            part.progress(frames)

    def take_metrics(self) -> dict[str, float]:
        """Means over the parts, weighted by their slots (NaN if one part has none); with several parts also `is_bps` of each."""
        rows = [part.take_metrics() for part in self.parts]
        weights = np.array([part.n for part in self.parts], float) / self.n
        mean = {name: float(np.dot(weights, [row[name] for row in rows])) for name in rows[0]}
        if len(rows) > 1:
            mean |= {
                f"is_bps_{name}": row["is_bps"] for name, row in zip(self.names, rows, strict=True)
            }
        return mean

    def state(self) -> State:
        """States of all parts by name."""
        return {f"part{i}": part.state() for i, part in enumerate(self.parts)}

    def restore(self, state: State) -> Float32:
        """Restore all parts from `state`; returns the observations."""
        return np.concatenate(
            [part.restore(state[f"part{i}"]) for i, part in enumerate(self.parts)]
        )
