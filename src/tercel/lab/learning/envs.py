"""Execution as a vector environment: `ExecutionVec`, n markets side by side in which an order is executed.

    env = ExecutionVec(source, task, bank_sampler(task, quantity, worlds), 64)
    obs, info = env.reset(seed=1)
    obs, rewards, terminated, truncated, info = env.step(actions)

**Reward.** Costs of a decision, in ticks per lot of the order, each with a weight of its own (`reward_terms.TERMS`):

    reward = -(w_execution e + w_impact i + w_left l)
    e   sum s (2 p - mid2 at decision) q / (2 Q)      what was filled, against the mid when it was decided
    i   s (mid2 after - mid2 before) left / (2 Q)     what the mid's move costs the lots that are left
    l   lots of the horizon order / Q

With weights 1, 1, 0 the sum over an episode is exactly minus the implementation shortfall in ticks per lot. A reward of
the user's may replace the weights; the costs are recorded all the same.

Options: orders drawn from `Ranges` (domain randomisation, with a curriculum), a `rival` whose cost is added to the
reward (paired reward), a `unit` of reward, seeds of each market's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from tercel.core.arrays import AnyArray, Bools, Float32, Floats, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.execution import columns as c
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.columns import OBSERVATION
from tercel.execution.costs import BPS
from tercel.execution.decoder_kernels import placement_rows
from tercel.execution.intent import WIDTH
from tercel.execution.observation import ObservationFunction, observer
from tercel.execution.policies.model_policy import record_interface
from tercel.execution.policies.strategy import base_of
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.execution.task import Task
from tercel.lab.evaluation.backgrounds import Backgrounds
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, Sampler
from tercel.lab.learning.gym_frame import METADATA, frame_of
from tercel.lab.learning.order_ranges import Ranges
from tercel.lab.learning.port import Info, SameStepVectorEnv, State
from tercel.lab.learning.reward_terms import RewardWeights, settle_rewards
from tercel.lab.learning.rewards import Reward, Step, rewards_of
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

# Memory for public events that markets share, MB: some hundred half hours.
BACKGROUNDS_MB = 64
# Seeds that are drawn when none is given.
SEEDS = 2**31


@dataclass(frozen=True)
class TrainingTerms:
    """What a training asks of an environment beside the market, the order and the policy.

    Parameters
    ----------
    ranges : Ranges, optional
        Orders are drawn from them; the task gives what they leave open: the interval between decisions, the side.
    rival : Strategy, optional
        Executes every episode too; its cost is added to the reward at the episode's end, so that the return is the
        gain against it (a paired reward).
    unit : float
        Ticks per lot that count as a reward of 1.
    share : bool
        Episodes come again, as those of a pool do, or in pairs of a buy and a sell: what the public does in one is
        simulated once (`Backgrounds`). The results are the same bytes.
    copy : bool
        Whether an environment returns new arrays; if not, its own, valid until the next call.
    autoreset_mode : AutoresetMode
        SAME_STEP or DISABLED.

    Raises
    ------
    ConfigError
        NEXT_STEP: a step that does nothing would be learned from.
    """

    ranges: Ranges | None = None
    rival: Strategy | None = None
    unit: float = 1.0
    share: bool = False
    copy: bool = True
    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP

    def __post_init__(self) -> None:
        """Refuse NEXT_STEP."""
        refuse_if(
            self.autoreset_mode is AutoresetMode.NEXT_STEP,
            "an autoreset_mode SAME_STEP or DISABLED",
            f"{self.autoreset_mode}",
            "take DISABLED for wrappers of observations",
        )


class ExecutionVec(SameStepVectorEnv):
    """Vector environment of Gymnasium: `n` markets in which an order is executed, episode after episode.

    Autoreset is SAME_STEP: the observation that comes with `terminated` is the first of the next episode, and
    ``info["final_obs"]`` holds the last of the one that ended (rows where ``info["_final_obs"]``). Gymnasium's vector
    wrappers of observations want DISABLED: ``reset(options={"reset_mask": ended})`` then starts the next episodes, which
    learners here do. No episode is truncated.

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
        Of the reward's costs, or a reward of the user's in their place: a function of a `Step`.
    action_parameters : mapping, optional
        Of the set of actions.
    observation : str or callable
        An observation of `execution.observation`, or a function of a view.
    stack : int
        Decision intervals that it shows.
    threads : int
        Threads that the markets are spread over; the results are the same bytes.
    terms : TrainingTerms
        Ranges of orders, a rival, the unit of the reward, whether arrays are copies.
    render_mode : str, optional
        "rgb_array": :meth:`render` draws every market.

    Notes
    -----
    `info` holds float64 (n,) each: costs of this step by the names of their terms, not weighted, ticks per lot (`left`:
    share of the order), and "is_bps": the arrival shortfall of the episodes that ended, NaN elsewhere.
    """

    metadata: dict[str, Any] = {**SameStepVectorEnv.metadata, **METADATA}  # noqa: RUF012

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
        terms: TrainingTerms | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Allocate `n` markets and decode actions, observation and reward; :meth:`reset` starts the episodes."""
        refuse_if(n < 1, "1 or more markets", f"{n}", "64 is a good number")
        self.task = task
        self.sampler = sampler
        # What a policy's numbers mean here.
        self.meaning: dict[str, Any] = {
            "actions": actions,
            "action_parameters": action_parameters or {},
            "observation": observation,
            "stack": stack,
        }
        self.actions = action_set(actions, action_parameters, base_of)
        self.observer = observer(observation, stack)
        super().__init__(n, self.observer.size, action_space(self.actions))
        record_interface(self.single_observation_space, self.meaning)
        self.terms = terms or TrainingTerms()
        self.metadata = {**self.metadata, "autoreset_mode": self.terms.autoreset_mode}
        self.render_mode = render_mode
        self.own_reward = None if weights is None or isinstance(weights, RewardWeights) else weights
        self.weights = weights if isinstance(weights, RewardWeights) else RewardWeights()
        self.episodes = _episodes_for(self.actions.base, source, task, n, threads)
        # The same episodes again, in which the rival trades.
        rival = self.terms.rival
        self._twins = None if rival is None else _episodes_for(rival, source, task, n)
        self._rival_costs = np.zeros(n)
        self.backgrounds = Backgrounds(BACKGROUNDS_MB, evicts=True) if self.terms.share else None
        self._share_backgrounds()
        # Of every market the seed and the number of its next episode, where each has a seed of its own.
        self.seeds: Sequence[list[int]] = ()
        self.seed = 0
        self.started = 0
        self.final_obs = np.zeros((n, self.observer.size), np.float32)
        self._amounts = np.zeros((len(self.weights.array), n))
        self._costs = np.zeros_like(self._amounts)
        self.sums = np.zeros_like(self._amounts)
        self._intents = np.zeros((n, WIDTH), np.int32)
        self._done = np.zeros(n, np.bool_)
        self._is_bps = np.full(n, np.nan)
        self._ended = 0
        self._total = np.zeros(len(self._costs) + 1)
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
        if self.terms.ranges is not None:
            self._current_ranges = self.terms.ranges.at_frames(frames)
            world_terms = self._current_ranges.worlds(self.task, len(self.episodes.source.worlds_k))
            self._horizon_ns = world_terms[0]
            for episodes in self._batches():
                episodes.vary_worlds(*world_terms)

    def _plan(self, seed: int, first: int, n: int) -> Plan:
        """Plan of `n` training episodes, with quantities drawn from the current ranges."""
        plan = self.sampler(seed, first, n)
        return (
            plan
            if self.terms.ranges is None
            else self._current_ranges.draw_quantities(plan, self.task, self._horizon_ns)
        )

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Float32, Info]:
        """Start episodes in all markets, or the next ones where ``options["reset_mask"]`` is true; returns observations float32
        (n, D) and an empty info.

        Parameters
        ----------
        seed : int, sequence of int, or None
            One, whose first `n` episodes the markets share out, also drawn for None; or one a market, which gives it the
            episodes that `ExecutionEnv` has by that seed.

        Raises
        ------
        ConfigError
            If `seed` is a sequence of another length.
        gymnasium.error.Error
            A seed that is no whole number from 0 on.
        """
        mask = (options or {}).get("reset_mask")
        if mask is not None:
            return self.restart(np.flatnonzero(mask)).copy(), {}
        is_shared = not isinstance(seed, Sequence)
        given = [*seed] if isinstance(seed, Sequence) else [seed]
        refuse_if(
            not is_shared and len(given) != self.num_envs,
            f"one seed, or {self.num_envs}",
            f"{len(given)} of them",
            "give one for each market",
        )
        super().reset(seed=given[0] if is_shared else None)
        seeds = [
            int(self.np_random.integers(SEEDS)) if number is None else fold_seed(number)
            for number in given
        ]
        self.seeds = () if is_shared else [[number, 0] for number in seeds]
        self.seed = int(seeds[0])
        self.started = 0
        self.sums[:] = 0.0
        self._done[:] = False
        self._ended = 0
        self._total[:] = 0.0
        obs = self.restart(np.arange(self.num_envs))
        return obs.copy() if self.terms.copy else obs, {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Take one decision in every market and start new episodes where some ended: observations, rewards, terminated,
        truncated, info.

        Raises
        ------
        ConfigError
            Actions outside the space.
        gymnasium.error.ResetNeeded
            Before the first reset.
        """
        obs, rewards, done, truncated, info = self.advance(actions)
        if "final_obs" in info and self.terms.autoreset_mode is AutoresetMode.SAME_STEP:
            obs = self.restart(np.flatnonzero(done))
        if not self.terms.copy:
            return obs, rewards, done, truncated, info
        copies = {name: array.copy() for name, array in info.items()}
        return obs.copy(), rewards, done.copy(), truncated.copy(), copies

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Bools, Info]:
        """Act in all markets as :meth:`step` does, without new episodes: the observation of an ended one is its last.
        Call :meth:`restart` for these. The arrays are the environment's own.
        """
        e = self.episodes
        view = e.view
        actions = self._check_actions(actions)
        if self.actions.name == "placement":
            placement_rows(np.ascontiguousarray(actions), view.x, view.m, self._intents)
        else:
            self._intents[:] = self.actions.decode(actions, view)
        left_before = view.x[:, c.LEFT].copy()
        e.step(self._intents)
        self._follow_base()
        rewards = self._settle(left_before)
        info: Info = dict(zip(self.weights.names, self._costs, strict=True))
        info["is_bps"] = self._is_bps
        self._is_bps[:] = np.nan
        obs = self.observer.encode(view)
        if self._done.any():
            self._store_ended(np.flatnonzero(self._done), obs)
            info |= {"final_obs": self.final_obs, "_final_obs": self._done, "_is_bps": self._done}
        return obs, rewards, self._done, self.truncated, info

    def _follow_base(self) -> None:
        """Let a base on the event clock decide in every market until the next decision of its schedule; its costs belong to
        the step just taken.
        """
        base = self.actions.base
        e = self.episodes
        if base is None or not gap_of(base):
            return
        phases = e.states[:, sim.PHASE]
        costs = e.reward_terms.copy()
        while (between := e.working & ~e.view.on_schedule).any():
            waiting = e.working & ~between
            phases[waiting] = sim.CLOSING  # a kernel passes over all markets but those at work
            e.step(base.decide(e.view))
            phases[waiting] = sim.WORKING
            costs += e.reward_terms
        e.reward_terms[:] = costs

    def _check_actions(self, actions: AnyArray) -> AnyArray:
        """Actions as int64 after checking that all lie in the space; vectors as float32, checked when they are decoded."""
        if not self.started:
            raise gymnasium.error.ResetNeeded(
                "no episode has begun: call reset() before the first step()"
            )
        space = self.single_action_space
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs, *(space.shape or ())):
            raise ConfigError(
                f"actions of {self.num_envs} markets",
                f"shape {actions.shape}",
                "give each market one",
            )
        if not isinstance(space, Discrete):
            return actions.astype(np.float32, copy=False)
        if actions.dtype.kind not in "iu" or actions.min() < 0 or actions.max() >= space.n:
            invalid = actions[~np.isin(actions, np.arange(space.n))]
            if invalid.size:
                raise ConfigError(
                    f"whole actions from 0 to {space.n - 1}",
                    f"{invalid[0]}",
                    "draw from the action space",
                )
        return actions.astype(np.int64, copy=False)

    def _settle(self, left_before: Ints) -> Floats:
        """Rewards of the step just taken, float64 (n,), a new array; writes its costs, their sums over the episode and the
        mask of ended episodes. A sum that was finished by the step before starts again.
        """
        e = self.episodes
        self.weights.fill_amounts(e, self._amounts)
        rewards = np.empty(self.num_envs)
        settle_rewards(
            e.states,
            self._amounts,
            self.weights.array,
            self._costs,
            self.sums,
            rewards,
            self._done,
        )
        if self.own_reward is not None:
            rewards = rewards_of(self.own_reward, Step.of(e, left_before, self._costs, self.sums))
        if self.terms.rival is not None:
            rewards += np.where(self._done, self._rival_costs, 0.0)
        return rewards if self.terms.unit == 1.0 else rewards / self.terms.unit

    def _store_ended(self, which: Ints, obs: Float32) -> None:
        """Store shortfall and last observation of the episodes that ended in the markets `which`."""
        k = self.episodes.states
        shortfall = k[which, sim.SPREAD : sim.FORCED_TIMING + 1].sum(axis=1)
        self._is_bps[which] = (
            shortfall / (k[which, sim.ARRIVAL_MID2] * k[which, sim.QUANTITY]) * BPS
        )
        self.final_obs[which] = obs[which]
        self._ended += len(which)
        self._total[:-1] += self.sums[:, which].sum(axis=1)
        self._total[-1] += self._is_bps[which].sum()

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
        if self._twins is None or self.terms.rival is None:
            return
        twins = self._twins
        twins.start(plan, which)
        while twins.working.any():
            twins.step(self.terms.rival.decide(twins.view))
        k = twins.states[which]
        self._rival_costs[which] = k[:, sim.SPREAD : sim.FORCED_TIMING + 1].sum(axis=1) / (
            2 * k[:, sim.QUANTITY]
        )

    def take_metrics(self) -> dict[str, float]:
        """Means of the costs and `is_bps` over episodes ended since the last call (NaN if none); clears them."""
        count = self._ended or np.nan
        totals = zip((*self.weights.names, "is_bps"), self._total, strict=True)
        row = {name: float(total) / count for name, total in totals}
        self._ended = 0
        self._total[:] = 0.0
        return row

    def render(self) -> Any:
        """Pictures of all markets; None without a `render_mode`."""
        if self.render_mode is None:
            return None
        return tuple(frame_of(self.episodes, market) for market in range(self.num_envs))

    def _arrays(self) -> dict[str, AnyArray]:
        """Arrays of books, states, views and counters that make up the environment's state."""
        e = self.episodes
        return {
            "books": e.books,
            "states": e.states,
            **{name: getattr(e.view, name) for name in ("x", "m", "draw")},
            "sums": self.sums,
            "done": self._done,
            "total": self._total,
            "rival_costs": self._rival_costs,
        }

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
        if self.actions.base is not None:
            self.episodes.follow(self.actions.base)  # forecasts are no part of the state
        if "ahead" in state:
            self.backgrounds = self.backgrounds or Backgrounds(BACKGROUNDS_MB, evicts=True)
            self._share_backgrounds()
            self.backgrounds.restore_rows_ahead(self.episodes.states, state["ahead"])
        self.seed, self.started, self._ended = (
            int(state[name]) for name in ("seed", "started", "ended")
        )
        return self.observer.encode(self.episodes.view)


def _episodes_for(
    strategy: Strategy | None, source: Source, task: Task, n: int, threads: int = 1
) -> Episodes:
    """Markets on the clock of a strategy (None: the schedule), with the forecasts that it reads."""
    looks_back = forecaster_of(strategy) is not None
    episodes = Episodes(source, task, n, run_out=False, threads=threads, looks_back=looks_back)
    if strategy is not None:
        episodes.follow(strategy)
    return episodes


def action_space(actions: ActionSet) -> gymnasium.Space[Any]:
    """Gymnasium's space of one market's actions."""
    if not actions.continuous:
        return Discrete(actions.size)
    low = 0.0 if actions.name == "allocation" else -np.inf
    return Box(low, np.inf, (actions.size,), np.float32)


def fold_seed(seed: int) -> int:
    """Fold a seed of any size into 63 bits; smaller seeds are unchanged.

    Raises
    ------
    gymnasium.error.Error
        If it is no whole number from 0 on.
    """
    return (
        seed
        if 0 <= seed < 2**63
        else int(gymnasium.utils.seeding.np_random(seed)[0].integers(2**63))
    )
