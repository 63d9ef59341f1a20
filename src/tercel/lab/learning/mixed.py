"""Several markets in one training: environments side by side, seen by the learner as one.

Each part has slots of its own and its own unit of reward, so that a tick in one market and a tick in another weigh
what they cost. `DrawnOrdersVec` is a part whose orders are drawn from ranges, and whose return may be counted against
a written rule that executes the very same episodes (a paired reward).

Hindsight of a training episode: later moves of the undisturbed market, for the critic alone.

Most of what an order costs is what the market did by itself meanwhile. Own orders do not stir that
(`docs/simulator.md`, *Own orders apart*; on tape neither), so the mids of an episode without own orders are an input
that no action changes. What a baseline knows of such an input leaves the gradient of the policy unbiased and takes
the input's noise out of it (Mao, Venkatakrishnan, Schwarzkopf & Alizadeh 2019, "Variance reduction for reinforcement
learning in input-driven environments"). Both uses are here:

- **Potential.** A reward gains Phi(after) - Phi(before), with Phi = -left W and W what spreading the rest evenly over
  the decisions to come would lose to the market: the mean of the mids to come, less the mid now. Returns change by the
  same number for all policies (Ng, Harada & Russell 1999), namely W at arrival.
- **Inputs of the critic**, in units of the reward: W, and how far the mid moves within 1, 3, 10 decisions and until the
  horizon, each alone and times the share that is left.

Training draws from a pool of episodes whose mids are known: each was run through once without orders, and is bought and
sold in by turns.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, Unpack

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.execution import step as kernels
from tercel.execution.intent import empty
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan, Sampler
from tercel.lab.evaluation.experiment import without_orders
from tercel.lab.learning.envs import COSTS, ExecutionVec, Options
from tercel.lab.learning.port import State
from tercel.lab.learning.ranges import Ranges
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

SPANS: Final = (1, 3, 10)
"""Decisions that the critic looks ahead, besides the whole."""
SIZE: Final = 2 * (2 + len(SPANS))
"""Entries that it sees."""


def future_means(mids: Floats, ends: Ints) -> Floats:
    """Mean of the mids at the decisions to come, less the mid now.

    Parameters
    ----------
    mids : float64 (n, D + 1)
        At decisions 0 to D.
    ends : int64 (n,)
        Last decision that counts, the horizon, at most D.

    Returns
    -------
    float64 (n, D + 1)
        0 from the horizon on.

    >>> future_means(np.array([[0.0, 2.0, 4.0, 9.0]]), np.array([2])).tolist()
    [[3.0, 2.0, 0.0, 0.0]]
    """
    later = np.arange(mids.shape[1]) <= ends[:, None]
    count = np.maximum(ends[:, None] - np.arange(mids.shape[1]), 0)
    sums = np.cumsum((mids * later)[:, ::-1], axis=1)[:, ::-1] - mids * later
    return np.asarray(np.where(count > 0, sums / np.maximum(count, 1) - mids, 0.0))


def undisturbed(episodes: Episodes, plan: Plan) -> tuple[Ints, Ints]:
    """Run a plan's episodes without own orders, a row an episode.

    Returns
    -------
    mids : int64 (m, D + 1)
        Half-ticks at every decision and at the horizon; the last known one where a decision was left out in a halt.
    ends : int64 (m,)
        Number of each episode's decisions.
    """
    episodes.start(without_orders(plan), np.arange(episodes.n))
    ends, hold = episodes.view.decisions.copy(), empty(episodes.n)
    columns = np.arange(int(ends.max()) + 1)
    mids = np.repeat(episodes.view.mid2[:, None], len(columns), axis=1)
    while (live := episodes.working).any():
        episodes.step(hold)
        view = episodes.view
        over = episodes.states[live, sim.PHASE] == sim.DONE
        later = columns >= np.where(over, ends[live], view.decision[live])[:, None]
        mids[live] = np.where(later, view.mid2[live, None], mids[live])
    return mids, ends


class Hindsight:
    """Pool of training episodes with the later moves of their markets.

    Parameters
    ----------
    plan : Plan
        The pool, each episode once; `E_SIDE` as the first turn has it.
    turn : bool
        Whether every episode is bought and sold in by turns.
    make : callable
        Number of markets -> `Episodes` of the training's source and task.
    n : int
        Slots.
    unit : float
        Ticks per lot that count as a reward of 1.
    """

    def __init__(
        self, plan: Plan, turn: bool, make: Callable[[int], Episodes], n: int, unit: float
    ) -> None:
        self.plan = plan
        self.turn = turn
        self.unit = unit
        parts = []
        for first in range(0, len(plan), 256):
            part = plan.take(slice(first, first + 256))
            parts.append(undisturbed(make(len(part)), part))
        width = max(mids.shape[1] for mids, _ in parts)
        wide = [np.pad(mids, ((0, 0), (0, width - mids.shape[1])), "edge") for mids, _ in parts]
        self.mids = np.concatenate(wide).astype(np.float64)
        self.ends = np.concatenate([ends for _, ends in parts])
        self.means = future_means(self.mids, self.ends)
        self.slots = np.zeros(n, np.int64)

    def _turns(self, first: int, n: int) -> Ints:
        """Which of the pool the `n` episodes from number `first` on are."""
        return np.arange(first, first + n) // (2 if self.turn else 1) % len(self.plan)

    def episodes(self, first: int, n: int) -> Plan:
        """Training episodes, `n` from number `first` on."""
        plan = self.plan.take(self._turns(first, n))
        rows = plan.rows.copy()
        if self.turn:
            rows[:, kernels.E_SIDE] = np.where(np.arange(first, first + n) % 2 == 0, 1, -1)
        return Plan(rows, plan.cluster)

    def begin(self, first: int, which: Ints) -> None:
        """Those from number `first` on begin in the slots `which`."""
        self.slots[which] = self._turns(first, len(which))

    def _now(self, k: Ints, decision: Ints) -> tuple[Ints, Floats, Floats]:
        """Columns of the decisions, side over units of the reward, share left, one a slot."""
        at = np.minimum(decision, self.ends[self.slots])
        return (
            at,
            k[:, sim.SIDE] / (2.0 * self.unit),
            k[:, sim.LEFT] / np.maximum(k[:, sim.QUANTITY], 1),
        )

    def potential(self, k: Ints, decision: Ints) -> Floats:
        """Phi of every slot, float64 (n,), in units of the reward; 0 where an episode is over."""
        at, side, left = self._now(k, decision)
        over = k[:, sim.PHASE] == sim.DONE
        return np.asarray(np.where(over, 0.0, -side * left * self.means[self.slots, at]))

    def inputs(self, k: Ints, decision: Ints) -> Float32:
        """Inputs of the critic, float32 (n, SIZE)."""
        at, side, left = self._now(k, decision)
        now, ends = self.mids[self.slots, at], self.ends[self.slots]
        later = [self.mids[self.slots, np.minimum(at + span, ends)] for span in SPANS]
        moves = [
            self.means[self.slots, at],
            *(mid - now for mid in (*later, self.mids[self.slots, ends])),
        ]
        alone = np.stack([side * move for move in moves], axis=1)
        return np.concatenate([alone, left[:, None] * alone], axis=1).astype(np.float32)


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
    hindsight : int
        Episodes in the pool that training draws from, whose markets' later mids rewards and the critic know
        (`learning.hindsight`); 0: none, and episodes never come again.
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
        hindsight: int = 0,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("share", hindsight > 0)
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
        self.pool = hindsight
        self.hindsight: Hindsight | None = None
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
        if self.hindsight is not None:
            return self.hindsight.episodes(first, n)
        plan = self._plain(seed, first, n)
        return plan if self.ranges is None else self.now.drawn(plan, self.task, self._horizon_ns)

    def reset(self, seed: int) -> Float32:
        """As :meth:`ExecutionVec.reset`; the markets of a pool run through first."""
        self._run_pool(int(seed))
        return super().reset(seed)

    def _run_pool(self, seed: int) -> None:
        if not self.pool:
            return

        def make(n: int) -> Episodes:
            episodes = Episodes(self.episodes.source, self.task, n)
            episodes.share(self.backgrounds)
            if self.ranges is not None:
                episodes.vary(*self.now.worlds(self.task, len(episodes.source.worlds_k)))
            return episodes

        self.hindsight = None
        turn = self.task.side == 0
        each = 2 if turn else 1  # a buy and a sell of one market follow each other
        plan = self._draw(seed, 0, each * self.pool).take(slice(None, None, each))
        self.hindsight = Hindsight(plan, turn, make, self.n, self.unit)

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
        if self.hindsight is not None:
            self.hindsight.begin(self.started, which)
        return super().restart(which)

    def _potential(self) -> Floats | float:
        """What a pool adds to rewards by where an episode stands."""
        known = self.hindsight
        return (
            0.0
            if known is None
            else known.potential(self.episodes.states, self.episodes.view.decision)
        )

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        """As :meth:`ExecutionVec.advance`, in units of `unit`, against the rival where there is one."""
        before = self._potential()
        obs, reward, done, info = super().advance(actions)
        self._gain[:] = reward
        if self.rival is not None:
            self._gain += np.where(done, self._rival_costs, 0.0)
        self._gain /= self.unit
        self._gain += self._potential() - before
        return obs, self._gain, done, info

    def state(self) -> State:
        slots = {} if self.hindsight is None else {"slots": self.hindsight.slots.copy()}
        return {
            **super().state(),
            "at_frames": self.at_frames,
            "rival_costs": self._rival_costs.copy(),
            **slots,
        }

    def restore(self, state: State) -> Float32:
        self.progress(int(state["at_frames"]))
        self._rival_costs[:] = state["rival_costs"]
        self._run_pool(int(state["seed"]))
        if self.hindsight is not None:
            self.hindsight.slots[:] = state["slots"]
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


class HindsightVec(MixedVec):
    """A :class:`MixedVec` whose observations end in the critic's inputs: the last `hindsight_size` entries.

    Parameters
    ----------
    parts : sequence of DrawnOrdersVec
        Each with a pool.
    names : sequence of str
    """

    hindsight_size = SIZE

    def __init__(self, parts: Sequence[DrawnOrdersVec], names: Sequence[str]) -> None:
        super().__init__(parts, names)
        self.observation_size += SIZE

    def reset(self, seed: int) -> Float32:
        return self._with_hindsight(super().reset(seed))

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, dict[str, Any]]:
        obs, reward, done, info = super().step(actions)
        return self._with_hindsight(obs), reward, done, info

    def restore(self, state: State) -> Float32:
        return self._with_hindsight(super().restore(state))

    def _with_hindsight(self, obs: Float32) -> Float32:
        known = [(part.hindsight, part.episodes) for part in self.parts]
        inputs = [one.inputs(e.states, e.view.decision) for one, e in known if one is not None]
        return np.concatenate([obs, np.concatenate(inputs)], axis=1)
