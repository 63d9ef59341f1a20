"""Several markets in one training: environments side by side, seen by the learner as one.

Each part has slots of its own and its own unit of reward, so that a tick in one market and a tick in another weigh
what they cost. `DrawnOrdersVec` is a part whose orders are drawn from ranges, and whose return may be counted against
a written rule that executes the very same episodes (a paired reward).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Unpack

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan, Sampler
from tercel.lab.learning.envs import COSTS, ExecutionVec, Options
from tercel.lab.learning.port import State
from tercel.lab.learning.ranges import Ranges
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source


class DrawnOrdersVec(ExecutionVec):
    """An :class:`ExecutionVec` whose orders are drawn from `ranges`.

    Parameters
    ----------
    ranges : Ranges, optional
        The task gives what the ranges leave open: the interval between decisions, the side; without ranges, all of it.
    rival : Strategy, optional
        Executes every episode too; what it costs is added to the reward at the episode's end, so that the return is
        the gain against it.
    unit : float
        Ticks per lot that count as a reward of 1.
    """

    def __init__(
        self,
        source: Source,
        task: Task,
        sampler: Sampler,
        n: int = 64,
        *,
        ranges: Ranges | None = None,
        rival: Strategy | None = None,
        unit: float = 1.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(source, task, self._draw, n, **options)
        self.ranges = ranges
        self._plain = sampler
        self.unit = unit
        self.rival = rival
        self._rival_costs = np.zeros(n)
        self._twins = Episodes(source, task, n, run_out=False) if rival is not None else None
        if self._twins is not None:
            self._twins.share(self.backgrounds)
        self._gain = np.zeros(n)
        self.progress(0)

    def progress(self, frames: int) -> None:
        """Draw from now on what is to be drawn after so many frames; episodes under way go on as they are."""
        self.at_frames = frames
        if self.ranges is None:
            return
        self.now = self.ranges.at(frames)
        words = self.now.worlds(self.task, len(self.episodes.source.worlds_k))
        self._horizon_ns = words[0]
        for episodes in (self.episodes, self._twins):
            if episodes is not None:
                episodes.vary(*words)

    def _draw(self, seed: int, first: int, n: int) -> Plan:
        plan = self._plain(seed, first, n)
        return plan if self.ranges is None else self.now.drawn(plan, self.task, self._horizon_ns)

    def restart(self, which: Ints) -> Float32:
        """As :meth:`ExecutionVec.restart`; the rival executes the new episodes at once, to their ends."""
        if self._twins is not None and self.rival is not None:
            twins = self._twins
            twins.start(self.sampler(self.seed, self.started, len(which)), which)
            while twins.working.any():
                twins.step(self.rival.decide(twins.view))
            k = twins.states[which]
            self._rival_costs[which] = k[:, sim.SPREAD : sim.FORCED_TIMING + 1].sum(axis=1) / (
                2 * k[:, sim.QUANTITY]
            )
        return super().restart(which)

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        """As :meth:`ExecutionVec.advance`, in units of `unit`, against the rival where there is one."""
        obs, reward, done, info = super().advance(actions)
        self._gain[:] = reward
        if self.rival is not None:
            self._gain += np.where(done, self._rival_costs, 0.0)
        self._gain /= self.unit
        return obs, self._gain, done, info

    def state(self) -> State:
        return {
            **super().state(),
            "at_frames": self.at_frames,
            "rival_costs": self._rival_costs.copy(),
        }

    def restore(self, state: State) -> Float32:
        self.progress(int(state["at_frames"]))
        self._rival_costs[:] = state["rival_costs"]
        return super().restore(state)


class MixedVec:
    """Environments of one action set and observation, one after another in the slots.

    Parameters
    ----------
    parts : sequence of DrawnOrdersVec
    names : sequence of str
        Of the parts, for their metrics.

    Raises
    ------
    ConfigError
        No parts, or parts that do not fit together.
    """

    n_actions: int
    action_size: int

    def __init__(self, parts: Sequence[DrawnOrdersVec], names: Sequence[str]) -> None:
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
        """Start all episodes: every part has its own."""
        return np.concatenate(
            [part.reset(len(self.parts) * seed + i) for i, part in enumerate(self.parts)]
        )

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        """Act in all of them; `info` holds the costs and `is_bps` of all slots."""
        results = [
            part.step(actions[where]) for part, where in zip(self.parts, self.slices, strict=True)
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
        """See :meth:`DrawnOrdersVec.progress`."""
        for part in self.parts:
            part.progress(frames)

    def take_metrics(self) -> dict[str, float]:
        """Means over the parts, weighted by their slots, and with several parts `is_bps` of each."""
        rows = [part.take_metrics() for part in self.parts]
        weights = np.array([part.n for part in self.parts], float) / self.n
        mean = {name: float(np.dot(weights, [row[name] for row in rows])) for name in rows[0]}
        if len(rows) > 1:
            mean |= {
                f"is_bps_{name}": row["is_bps"] for name, row in zip(self.names, rows, strict=True)
            }
        return mean

    def state(self) -> State:
        """States of all parts."""
        return {f"part{i}": part.state() for i, part in enumerate(self.parts)}

    def restore(self, state: State) -> Float32:
        """Restore all parts from `state`."""
        return np.concatenate(
            [part.restore(state[f"part{i}"]) for i, part in enumerate(self.parts)]
        )
