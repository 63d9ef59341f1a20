"""Execution as a vector environment: `ExecutionVec`, n markets side by side in which an order is executed.

    env = ExecutionVec(source, task, bank_sampler(task, quantity, worlds), 64)
    obs = env.reset(seed=1)
    obs, reward, done, info = env.step(actions)

**Reward.** Three costs a decision, in ticks per lot of the order, each with a weight of its own:

    reward = -(w_execution e + w_impact i + w_left l)
    e   sum s (2 p - mid2 at decision) q / (2 Q)      what was filled, against the mid when it was decided
    i   s (mid2 after - mid2 before) left / (2 Q)     what the mid's move costs the lots that are left
    l   lots of the horizon order / Q

With weights 1, 1, 0 the sum over an episode is exactly minus the implementation shortfall in ticks per lot. A reward of
the user's may replace the weights; the three costs are recorded all the same.

Options: orders drawn from `Ranges` (domain randomisation, with a curriculum), a `rival` whose cost is added to the
reward (paired reward), a `unit` of reward, seeds of each market's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.jit import Floats
from tercel.execution import columns as c
from tercel.execution.action_sets import action_set
from tercel.execution.columns import OBSERVATION
from tercel.execution.costs import BPS
from tercel.execution.decoder_kernels import placement_rows
from tercel.execution.intent import WIDTH
from tercel.execution.observation import ObservationFunction, observer
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, Sampler
from tercel.lab.learning.order_ranges import Ranges
from tercel.lab.learning.port import Info, State
from tercel.lab.learning.reward_weights import COSTS, RewardWeights, settle_rewards
from tercel.lab.learning.rewards import Reward, Step, rewards_of
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source


@dataclass(frozen=True)
class TrainingTerms:
    """Order ranges, rival and reward unit of a training environment.

    Parameters
    ----------
    ranges : Ranges, optional
        Orders are drawn from them; the task gives what they leave open: the interval between decisions, the side.
    rival : Strategy, optional
        Executes every episode too; its cost is added to the reward at the episode's end, so that the return is the
        gain against it (a paired reward).
    unit : float
        Ticks per lot that count as a reward of 1.
    """

    ranges: Ranges | None = None
    rival: Strategy | None = None
    unit: float = 1.0


class Options(TypedDict, total=False):
    """Keyword options of :class:`ExecutionVec`."""

    actions: str
    weights: RewardWeights | Reward | None
    action_parameters: Mapping[str, Any] | None
    observation: str | ObservationFunction
    stack: int
    threads: int
    share: bool
    terms: TrainingTerms


class ExecutionVec:
    """Vector environment of `n` markets in which an order is executed, episode after episode.

    Parameters
    ----------
    source : Source
        Source of the markets' events.
    task : Task
        The execution task in each episode.
    sampler : callable
        The episodes: (seed, first, n) -> Plan. See :func:`bank_sampler`.
    n : int
        Markets at once.
    actions : str
        A set of `execution.action_sets`: "placement", "fraction", "level", or a continuous one.
    weights : RewardWeights or callable
        Of the reward's three costs, or a reward of the user's in their place: a function of a `Step`.
    action_parameters : mapping, optional
        Of the set of actions.
    observation : str or callable
        An observation of `execution.observation`, or a function of a view.
    stack : int
        Decision intervals that it shows.
    threads : int
        Threads that the markets are spread over; the results are the same bytes.
    share : bool
        Episodes come again, as those of a pool do: what the public does in one is simulated once
        (:meth:`Episodes.share`). The results are the same bytes.
    terms : TrainingTerms
        Ranges of orders, a rival and the unit of the reward.

    Notes
    -----
    The arrays that :meth:`reset` and :meth:`step` return are the environment's own, valid until the next call.
    `info` holds float64 (n,) each: "execution", "impact", "left" (costs of this step, not weighted, ticks per lot and
    share of the order), and "is_bps": the arrival shortfall of the episodes that ended, NaN elsewhere; where some
    ended also "which" (int64, their markets), "final_obs" (float32 (n, D), their last observations in those rows)
    and "episode" (float64 (3, n): the three costs summed over the episode, in those columns).
    An environment of discrete actions has `n_actions`, one of continuous actions `action_size` in its place.
    """

    n_actions: int
    action_size: int

    # What a policy's numbers mean here: set of actions with its parameters, observation and stack.
    meaning: dict[str, Any]

    def __init__(
        self,
        source: Source,
        task: Task,
        sampler: Sampler,
        n: int = 64,
        *,
        actions: str = "placement",
        weights: RewardWeights | Reward | None = None,
        action_parameters: Mapping[str, Any] | None = None,
        observation: str | ObservationFunction = OBSERVATION,
        stack: int = 1,
        threads: int = 1,
        share: bool = False,
        terms: TrainingTerms | None = None,
    ) -> None:
        """Allocate `n` markets and decode actions, observation and reward; :meth:`reset` starts the episodes."""
        refuse_if(n < 1, "1 or more markets", f"{n}", "64 is a good number")
        self.n = n
        self.task = task
        self.sampler = sampler
        self.meaning = {"actions": actions, "action_parameters": action_parameters or {}}
        self.meaning |= {"observation": observation, "stack": stack}
        self.actions = action_set(actions, action_parameters)
        if self.actions.continuous:
            self.action_size = self.actions.size
        else:
            self.n_actions = self.actions.size
        self.observer = observer(observation, stack)
        self.observation_size = self.observer.size
        self.own_reward = None if weights is None or isinstance(weights, RewardWeights) else weights
        self.weights = weights if isinstance(weights, RewardWeights) else RewardWeights()
        self.episodes = Episodes(source, task, n, run_out=False, threads=threads)
        terms = terms or TrainingTerms()
        self.ranges = terms.ranges
        self.rival = terms.rival
        self.unit = terms.unit
        # The same episodes again, in which the rival trades.
        self._twins = Episodes(source, task, n, run_out=False) if self.rival is not None else None
        self._rival_costs = np.zeros(n)
        self.backgrounds = Backgrounds() if share else None
        self._share_backgrounds()
        # Of every market the seed and the number of its next episode, where each has a seed of its own.
        self.seeds: Sequence[list[int]] = ()
        self.seed = 0
        self.started = 0
        self.final_obs = np.zeros((n, self.observation_size), np.float32)
        self.sums = np.zeros((3, n))
        self._weights = self.weights.array
        self._intents = np.zeros((n, WIDTH), np.int32)
        self._costs = np.zeros((3, n))
        self._rewards = np.zeros(n)
        self._gain = np.zeros(n)
        self._done = np.zeros(n, np.uint8)
        self._which = np.zeros(n, np.int64)
        self._is_bps = np.full(n, np.nan)
        self._ended = 0
        self._total = np.zeros(4)
        self.progress(0)

    def _batches(self) -> list[Episodes]:
        """The learner's markets, and those of the rival if there is one."""
        return [episodes for episodes in (self.episodes, self._twins) if episodes is not None]

    def _share_backgrounds(self) -> None:
        """Let learner and rival share the simulated public events of each market."""
        for episodes in self._batches():
            episodes.share_backgrounds(self.backgrounds)

    def progress(self, frames: int) -> None:
        """Move the curriculum to `frames`: new episodes draw from its ranges, running ones keep their orders."""
        self.at_frames = frames
        if self.ranges is not None:
            self._current_ranges = self.ranges.at_frames(frames)
            world_terms = self._current_ranges.worlds(self.task, len(self.episodes.source.worlds_k))
            self._horizon_ns = world_terms[0]
            for episodes in self._batches():
                episodes.vary_worlds(*world_terms)

    def _plan(self, seed: int, first: int, n: int) -> Plan:
        """Plan of `n` training episodes, with quantities drawn from the current ranges."""
        plan = self.sampler(seed, first, n)
        return (
            plan
            if self.ranges is None
            else self._current_ranges.draw_quantities(plan, self.task, self._horizon_ns)
        )

    def reset(self, seed: int) -> Float32:
        """Start the first `n` episodes of `seed` in all markets; returns observations float32 (n, D), which the next
        call may overwrite.
        """
        self.seed = int(seed)
        self.started = 0
        self.sums[:] = 0.0
        self._done[:] = 0
        self._ended = 0
        self._total = np.zeros(4)
        return self.restart(np.arange(self.n))

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Info]:
        """Act in all markets and start new episodes where some ended: observations, rewards, mask of ended episodes,
        info. The arrays are the environment's own, overwritten by the next call.
        """
        result = self.advance(actions)
        return (self.restart(result[3]["which"]), *result[1:]) if result[2].any() else result

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Info]:
        """Act in all markets as :meth:`step` does, without new episodes: the observation of an ended one is its last.
        Call :meth:`restart` for these.
        """
        e = self.episodes
        view = e.view
        if self.actions.name == "placement":
            placement_rows(np.ascontiguousarray(actions, np.int64), view.x, view.m, self._intents)
        else:
            self._intents[:] = self.actions.decode(actions, view)
        left_before = view.x[:, c.LEFT].copy()
        e.step(self._intents)
        ended = settle_rewards(
            e.states,
            e.reward_terms,
            self._weights,
            self._costs,
            self.sums,
            self._rewards,
            self._done,
            self._which,
        )
        if self.own_reward is not None:
            self._rewards[:] = rewards_of(
                self.own_reward, Step.of(e, left_before, self._costs, self.sums)
            )
        info: Info = dict(zip(COSTS, self._costs, strict=True))
        info["is_bps"] = self._is_bps
        self._is_bps[:] = np.nan
        obs = self.observer.encode(view)
        if ended:
            which = self._which[:ended]
            self._store_ended(which, obs)
            info |= {"which": which, "final_obs": self.final_obs, "episode": self.sums}
        done = self._done.view(np.bool_)
        if self.rival is None and self.unit == 1.0:
            return obs, self._rewards, done, info
        self._gain[:] = self._rewards
        if self.rival is not None:
            self._gain += np.where(done, self._rival_costs, 0.0)
        self._gain /= self.unit
        return obs, self._gain, done, info

    def _store_ended(self, which: Ints, obs: Float32) -> None:
        """Store shortfall and last observation of the episodes that ended in the markets `which`."""
        k = self.episodes.states
        shortfall = k[which, sim.SPREAD : sim.FORCED_TIMING + 1].sum(axis=1)
        self._is_bps[which] = (
            shortfall / (k[which, sim.ARRIVAL_MID2] * k[which, sim.QUANTITY]) * BPS
        )
        self.final_obs[which] = obs[which]
        self._ended += len(which)
        self._total[:3] += self.sums[:, which].sum(axis=1)
        self._total[3] += self._is_bps[which].sum()

    def restart(self, which: Ints) -> Float32:
        """Start the next episodes in the markets `which`; returns the observations of all markets."""
        if self.seeds:
            for market in which.tolist():
                seed, number = self.seeds[market]
                self._begin(self._plan(seed, number, 1), np.array([market]))
                self.seeds[market][1] += 1
        else:
            self._begin(self._plan(self.seed, self.started, len(which)), which)
        self.started += len(which)
        return self.observer.encode(self.episodes.view)

    def _begin(self, plan: Plan, which: Ints) -> None:
        """Start a plan's episodes in the markets `which`; a rival executes the same episodes to their ends at once."""
        self.episodes.start(plan, which)
        if self._twins is None or self.rival is None:
            return
        twins = self._twins
        twins.start(plan, which)
        while twins.working.any():
            twins.step(self.rival.decide(twins.view))
        k = twins.states[which]
        costs = k[:, sim.SPREAD : sim.FORCED_TIMING + 1].sum(axis=1)
        self._rival_costs[which] = costs / (2 * k[:, sim.QUANTITY])

    def take_metrics(self) -> dict[str, float]:
        """Means of `is_bps` and the three costs over episodes ended since the last call (NaN if none); clears them."""
        count = self._ended or np.nan
        names = (*COSTS, "is_bps")
        row = {name: float(total) / count for name, total in zip(names, self._total, strict=True)}
        self._ended = 0
        self._total = np.zeros(4)
        return row

    def _arrays(self) -> dict[str, AnyArray]:
        """Arrays of books, states, views and counters that make up the environment's state."""
        e = self.episodes
        view = self.episodes.view
        view_arrays: dict[str, AnyArray] = {
            name: getattr(view, name) for name in ("x", "m", "draw")
        }
        counters: dict[str, AnyArray] = {
            "sums": self.sums,
            "done": self._done,
            "total": self._total,
        }
        counters["rival_costs"] = self._rival_costs
        return {"books": e.books, "states": e.states, **view_arrays, **counters}

    def state(self) -> State:
        """State of the environment by name, from which a training resumes bit-identically."""
        state: State = {name: array.copy() for name, array in self._arrays().items()}
        if self.backgrounds is not None:
            state["ahead"] = self.backgrounds.rows_ahead(self.episodes.states)
        counts = {"seed": self.seed, "started": self.started, "ended": self._ended}
        return {**state, **counts, "at_frames": self.at_frames}

    def restore(self, state: State) -> Float32:
        """Restore the environment from `state`; returns the observations.

        Raises
        ------
        ConfigError
            If it is of another market, task or number of markets.
        """
        self.progress(int(state["at_frames"]))
        for name, array in self._arrays().items():
            if np.shape(state[name]) != array.shape:
                raise ConfigError(
                    f"a state whose {name} has the shape {array.shape}",
                    f"{np.shape(state[name])}",
                    "resume with the market, the task and the number of markets of the run",
                )
            array[:] = state[name]
        if "ahead" in state:
            self.backgrounds = self.backgrounds or Backgrounds()
            self._share_backgrounds()
            self.backgrounds.restore_rows_ahead(self.episodes.states, state["ahead"])
        self.seed, self.started, self._ended = (
            int(state[name]) for name in ("seed", "started", "ended")
        )
        return self.observer.encode(self.episodes.view)
