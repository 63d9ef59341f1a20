"""`MixedVec`: vector environments of several markets as one, each with its own slots and reward unit."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tercel.core.arrays import AnyArray, Float32
from tercel.core.errors import ConfigError
from tercel.lab.learning.envs import ExecutionVec
from tercel.lab.learning.port import Info, SameStepVectorEnv, State


class MixedVec(SameStepVectorEnv):
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

    def __init__(self, parts: Sequence[ExecutionVec], names: Sequence[str]) -> None:
        """Join environments `parts`, which must have the same actions and observation, under the names `names`."""
        kinds = {(part.actions.name, part.actions.size, part.observer.name) for part in parts}
        if len(kinds) != 1 or len(names) != len(parts):
            received = ", ".join(map(str, sorted(kinds))) or "none"
            raise ConfigError(
                "parts with one set of actions and one observation", received, "build them alike"
            )
        edges = np.cumsum([0, *(part.num_envs for part in parts)])
        first = parts[0]
        super().__init__(int(edges[-1]), first.observer.size, first.single_action_space)
        self.parts = tuple(parts)
        self.names = tuple(names)
        self.slices = [slice(a, b) for a, b in pairwise(edges.tolist())]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start the episodes of all parts, each from a seed of its own derived from `seed`: observations of all slots and an
        empty info.
        """
        observations = [
            part.reset(seed=None if seed is None else len(self.parts) * seed + i)[0]
            for i, part in enumerate(self.parts)
        ]
        return np.concatenate(observations), {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Act in all parts: observations, rewards, terminated, truncated, and `info` with costs and `is_bps` of all slots
        alone.
        """
        results = [
            part.step(actions[slots]) for part, slots in zip(self.parts, self.slices, strict=True)
        ]
        obs, rewards, done = (np.concatenate([result[j] for result in results]) for j in range(3))
        info = {
            name: np.concatenate([result[4][name] for result in results])
            for name in (*self.parts[0].weights.names, "is_bps")
        }
        return obs, rewards, done, self.truncated, info

    def progress(self, frames: int) -> None:
        """Move the curriculum of all parts to `frames`."""
        for part in self.parts:
            part.progress(frames)

    def take_metrics(self) -> dict[str, float]:
        """Means over the parts, weighted by their slots (NaN if one part has none); with several parts also `is_bps` of each."""
        rows = [part.take_metrics() for part in self.parts]
        weights = np.array([part.num_envs for part in self.parts], float) / self.num_envs
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
