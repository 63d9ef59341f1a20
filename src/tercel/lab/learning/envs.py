"""Execution as a vector environment: `ExecutionVec`, n markets side by side, and `MixedVec`, several of them as one.

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
reward (paired reward), a `unit` of reward, seeds of each market's own. `MixedVec` puts environments of several markets
into one, each with its slots and its unit, so that a tick weighs in each what it costs there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.jit import Bytes, Floats, Longs, kernel
from tercel.execution import columns as c, step as kernels
from tercel.execution.action_sets import action_set
from tercel.execution.columns import OBSERVATION
from tercel.execution.costs import BPS
from tercel.execution.decoders import placement_rows
from tercel.execution.intent import WIDTH
from tercel.execution.observation import ObservationFunction, observer
from tercel.execution.strategy import Strategy
from tercel.execution.task import SHARE, Task
from tercel.lab.evaluation.episodes import Backgrounds, Episodes, Plan, Sampler
from tercel.lab.learning.port import Info, State
from tercel.lab.learning.rewards import Reward, Step, rewards_of
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at
from tercel.market.simulator.source import Source

Pair = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Lowest and highest of what an episode's order may be.

    Parameters
    ----------
    share : pair of float
        Share of the volume expected within the horizon; drawn evenly in its logarithm, for each episode.
    horizon_s : pair of float
        Seconds; each prepared world has one, evenly spread in the logarithm. The interval between decisions stays.
    latency_ms : pair of float
        Order-entry latency, milliseconds; each prepared world has one, evenly spread.
    grow_frames : int
        The ranges of share and horizon grow from their middles to the whole over so many frames; 0: whole at once.

    >>> [round(share, 4) for share in Ranges((0.05, 0.2), grow_frames=100).at(50).share]
    [0.0707, 0.1414]
    """

    share: Pair
    horizon_s: Pair = (1800.0, 1800.0)
    latency_ms: Pair = (0.0, 0.0)
    grow_frames: int = 0

    def __post_init__(self) -> None:
        for name in ("share", "horizon_s", "latency_ms"):
            low, high = getattr(self, name)
            least = 0.0 if name == "latency_ms" else 1e-9
            refuse_if(
                not (np.isfinite([low, high]).all() and least <= low <= high),
                f"{name} from a lowest to a highest value",
                f"{low} to {high}",
                "such as 0.05 to 0.2",
            )

    def at(self, frames: int) -> "Ranges":
        """Ranges to draw from after `frames` frames."""
        part = min(frames / self.grow_frames, 1.0) if self.grow_frames else 1.0
        return replace(self, share=_grown(self.share, part), horizon_s=_grown(self.horizon_s, part))

    def worlds(self, task: Task, count: int) -> tuple[Ints, Ints, Ints]:
        """Horizon in ns, number of decisions and latency in ns of each of `count` prepared worlds, int64 (count,).

        Spread evenly, horizons and latencies in orders of their own, the same in every process.
        """
        rng = np.random.default_rng(0)
        long, late = ((rng.permutation(count) + 0.5) / count for _ in range(2))
        interval_s = task.horizon_s / task.decisions
        low, high = self.horizon_s
        seconds = low * (high / low) ** long
        decisions = np.maximum(np.round(seconds / interval_s), 1).astype(np.int64)
        latency_ms = self.latency_ms[0] + late * (self.latency_ms[1] - self.latency_ms[0])
        horizon = np.round(decisions * (interval_s * 1e9)).astype(np.int64)
        return horizon, decisions, np.round(latency_ms * 1e6).astype(np.int64)

    def drawn(self, plan: Plan, task: Task, horizon_ns: Ints) -> Plan:
        """The plan's episodes with quantities of shares drawn from the range, for the horizons of their worlds.

        Parameters
        ----------
        plan : Plan
            Of `task`: quantities are of its share and horizon.
        horizon_ns : int64 (worlds,)
            As :meth:`worlds` gives them.
        """
        rows = plan.rows.copy()
        low, high = self.share
        part = np.array(
            [np.random.default_rng((abs(int(s)), int(i))).random() for s, i in rows[:, :2]]
        )
        share = low * (high / low) ** part
        scale = (
            share / (task.share or SHARE) * horizon_ns[rows[:, kernels.E_WORLD]] / task.horizon_ns
        )
        rows[:, kernels.E_QUANTITY] = np.maximum(np.round(rows[:, kernels.E_QUANTITY] * scale), 1)
        return Plan(rows, plan.cluster)


def _grown(whole: Pair, part: float) -> Pair:
    """`whole` shrunk towards its geometric middle to `part` of its width in the logarithm."""
    low, high = whole
    middle = float(np.sqrt(low * high))
    return (middle * (low / middle) ** part, middle * (high / middle) ** part)


COSTS = ("execution", "impact", "left")


@dataclass(frozen=True)
class RewardWeights:
    """Weights of the three costs in the reward; all finite and not negative.

    Parameters
    ----------
    execution : float
        Of what was filled, against the mid at decision.
    impact : float
        Of the mid's move on the remaining lots.
    left : float
        Ticks per lot for each lot sent at the horizon, on top of what it costs there.
    """

    execution: float = 1.0
    impact: float = 1.0
    left: float = 0.0

    def __post_init__(self) -> None:
        """Refuse weights that reward cost."""
        for name, value in asdict(self).items():
            refuse_if(
                not (np.isfinite(value) and value >= 0),
                f"a finite weight {name!r} >= 0",
                f"{value}",
                "1, 1, 0 add up to the shortfall",
            )

    @property
    def array(self) -> Floats:
        """float64 (3,)."""
        return np.array([self.execution, self.impact, self.left])


@kernel
def settle_rewards(
    ks: Longs,
    terms: Longs,
    weights: Floats,
    costs: Floats,
    sums: Floats,
    rewards: Floats,
    done: Bytes,
    which: Longs,
) -> int:
    """Rewards of one step from the markets' reward terms; returns how many episodes ended, listed in `which`.

    Parameters
    ----------
    ks, terms : int64 (n, ...), int64 (n, 3)
        See `execution.step`.
    weights, costs, sums, rewards, done, which
        float64 (3,) in; out: float64 (3, n) costs of the step, the same summed over the episode (a sum that was
        finished by the step before starts again), float64 (n,), uint8 (n,), int64 (n,).
    """
    ended = 0
    for i in range(ks.shape[0]):
        if done[i] != 0:
            for j in range(3):
                sums[j, i] = 0.0
        s = state_at(ks[i])
        per_lot = 1.0 / (2.0 * s.quantity)
        costs[0, i] = terms[i, 0] * per_lot
        costs[1, i] = terms[i, 1] * per_lot
        costs[2, i] = terms[i, 2] * 2.0 * per_lot
        reward = 0.0
        for j in range(3):
            sums[j, i] += costs[j, i]
            reward -= weights[j] * costs[j, i]
        rewards[i] = reward
        done[i] = 0
        if s.phase == sim.DONE:
            done[i] = 1
            which[ended] = i
            ended += 1
    return ended


@dataclass(frozen=True)
class TrainingTerms:
    """Orders and reward of a training.

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
    """Options of an environment of executions, by name."""

    actions: str
    weights: RewardWeights | Reward | None
    action_parameters: Mapping[str, Any] | None
    observation: str | ObservationFunction
    stack: int
    threads: int
    share: bool
    terms: TrainingTerms


class ExecutionVec:
    """Environment of `n` markets in which an order is executed, over and over.

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
    meant: dict[str, Any]

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
        refuse_if(n < 1, "1 or more markets", f"{n}", "64 is a good number")
        self.n = n
        self.task = task
        self.sampler = sampler
        self.meant = {"actions": actions, "action_parameters": action_parameters or {}}
        self.meant |= {"observation": observation, "stack": stack}
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
        self._share()
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

    def _each(self) -> list[Episodes]:
        return [one for one in (self.episodes, self._twins) if one is not None]

    def _share(self) -> None:
        for episodes in self._each():
            episodes.share(self.backgrounds)

    def progress(self, frames: int) -> None:
        """Draw from now on what the ranges are after so many frames; running episodes keep their orders."""
        self.at_frames = frames
        if self.ranges is not None:
            self._now = self.ranges.at(frames)
            words = self._now.worlds(self.task, len(self.episodes.source.worlds_k))
            self._horizon_ns = words[0]
            for episodes in self._each():
                episodes.vary(*words)

    def _plan(self, seed: int, first: int, n: int) -> Plan:
        plan = self.sampler(seed, first, n)
        return plan if self.ranges is None else self._now.drawn(plan, self.task, self._horizon_ns)

    # -- the VecEnv port ---------------------------------------------------------------------------------------------

    def reset(self, seed: int) -> Float32:
        """Start the first `n` episodes of `seed` in all markets."""
        self.seed = int(seed)
        self.started = 0
        self.sums[:], self._done[:] = 0.0, 0
        self._ended = 0
        self._total = np.zeros(4)
        return self.restart(np.arange(self.n))

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Info]:
        """Decode, act, and start the next episodes where some ended."""
        result = self.advance(actions)
        return (self.restart(result[3]["which"]), *result[1:]) if result[2].any() else result

    # -- its two halves, for environments that are restarted by their caller --------------------------------------------------

    def advance(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Info]:
        """Everything that :meth:`step` does except starting episodes again."""
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
            e.terms,
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
            self._close(which, obs)
            info |= {"which": which, "final_obs": self.final_obs, "episode": self.sums}
        done = self._done.view(np.bool_)
        if self.rival is None and self.unit == 1.0:
            return obs, self._rewards, done, info
        self._gain[:] = self._rewards
        if self.rival is not None:
            self._gain += np.where(done, self._rival_costs, 0.0)
        self._gain /= self.unit
        return obs, self._gain, done, info

    def _close(self, which: Ints, obs: Float32) -> None:
        """Shortfall and last observations of the episodes that ended."""
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
        """Start the next episodes in the markets `which`; returns all observations."""
        if self.seeds:
            for one in which.tolist():
                seed, number = self.seeds[one]
                self._begin(self._plan(seed, number, 1), np.array([one]))
                self.seeds[one][1] += 1
        else:
            self._begin(self._plan(self.seed, self.started, len(which)), which)
        self.started += len(which)
        return self.observer.encode(self.episodes.view)

    def _begin(self, plan: Plan, which: Ints) -> None:
        """Start episodes; a rival executes them at once, to their ends."""
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
        """Means over the episodes that ended since the last call: `is_bps` and the three costs; NaN if none ended."""
        count = self._ended or np.nan
        names = (*COSTS, "is_bps")
        row = {name: float(total) / count for name, total in zip(names, self._total, strict=True)}
        self._ended = 0
        self._total = np.zeros(4)
        return row

    # -- Restorable --------------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, AnyArray]:
        e, view = self.episodes, self.episodes.view
        seen: dict[str, AnyArray] = {name: getattr(view, name) for name in ("x", "m", "draw")}
        counted: dict[str, AnyArray] = {"sums": self.sums, "done": self._done, "total": self._total}
        counted["rival_costs"] = self._rival_costs
        return {"books": e.books, "states": e.states, **seen, **counted}

    def state(self) -> State:
        """State of books, streams, observations and counters: what a bit-identical resume needs."""
        state: State = {name: array.copy() for name, array in self._arrays().items()}
        if self.backgrounds is not None:
            state["ahead"] = self.backgrounds.ahead(self.episodes.states)
        counts = {"seed": self.seed, "started": self.started, "ended": self._ended}
        return {**state, **counts, "at_frames": self.at_frames}

    def restore(self, state: State) -> Float32:
        """Restore the environment from `state`.

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
            self._share()
            self.backgrounds.go_on(self.episodes.states, state["ahead"])
        self.seed, self.started, self._ended = (
            int(state[name]) for name in ("seed", "started", "ended")
        )
        return self.observer.encode(self.episodes.view)


class MixedVec:
    """Environments of one action set and observation, one after another in the slots.

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

    def step(self, actions: AnyArray) -> tuple[Float32, Floats, Bools, Info]:
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
        """See :meth:`ExecutionVec.progress`."""
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
