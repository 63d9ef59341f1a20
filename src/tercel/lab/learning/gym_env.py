"""Execution as a Gymnasium environment, one market or many at full speed.

`api.environment` makes `tercel/Execution-v1` of these classes, in any market of the library.
"""

from typing import Any, Unpack

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from tercel.core.arrays import AnyArray, Float32
from tercel.core.errors import ConfigError, refuse_if
from tercel.execution.task import Task
from tercel.lab.evaluation.plans import Sampler
from tercel.lab.learning.envs import ExecutionVec, Options
from tercel.lab.learning.gym_frame import METADATA, frame_of
from tercel.lab.learning.port import Info
from tercel.lab.learning.reward_weights import COSTS
from tercel.market.simulator.source import Source

# Seeds that are drawn when none is given.
SEEDS = 2**31


class ExecutionEnv(gymnasium.Env[Float32, Any]):
    """Buy or sell a given quantity within a given time, at the least cost against the mid at arrival.

    | | |
    |---|---|
    | Action space | ``Discrete(8)`` (`placement`, the default) |
    | Observation space | ``Box(-inf, inf, (50,), float32)`` |
    | Import | ``gymnasium.make("tercel/Execution-v1")`` after ``import tercel.api.envs`` |

    **Description.** A market of limit orders runs by itself: order flow calibrated from a tape (by default `goog`:
    queue-reactive, under a law of impact), or recorded days. An order of 10 % of the volume expected in half an hour is
    to be executed in that half hour, with a decision every 30 seconds (see `Task` for all of it). Whatever is left at
    the horizon is bought or sold at market.

    **Action space** (`placement`; others by argument `actions`)

    | Num | Action |
    |---|---|
    | 0 | hold: own orders stay as they are |
    | 1 | rest all that is left one tick inside the own touch (improve) |
    | 2 | rest all that is left at the own touch |
    | 3 | rest all that is left 1 tick behind it |
    | 4 | rest all that is left 3 ticks behind it |
    | 5, 6, 7 | take 25, 50, 100 % of the slice, rest the other remaining lots at the touch |

    The slice is the remaining lots over the remaining decisions, rounded up. In a halt every action holds. `fraction`
    is Discrete(7): take 0, 5, 10, 20, 30, 50, 100 % of the remaining lots; `level` is Discrete(6): rest all that is
    left at improve, touch, touch-1, touch-2, touch-3, nowhere.

    **Observation space.** 50 numbers, own orders excluded from those of the market, oriented by the order's side so
    that buying and selling look alike. d is the mean of the ten displayed levels, s the standard deviation of a decision
    interval so far, slog x is sign(x) log(1 + abs x):

    | Num | Observation | Num | Observation |
    |---|---|---|---|
    | 0 | time left / horizon | 25-27 | far depth, levels 1, 2, 3-5, log(1 + lots / d) |
    | 1 | lots left / order | 28-30 | imbalance of 1, 3, 5 levels |
    | 2 | lots left share - time left share | 31 | microprice - mid, ticks |
    | 3 | horizon, log(seconds / 1800) | 32 | order flow imbalance, last interval / d, slog |
    | 4 | time left, log(1 + seconds / 60) | 33-34 | volume with, against / d, log(1 + x) |
    | 5 | order / d, log | 35 | their imbalance |
    | 6 | lots left / far touch, log(1 + x) | 36 | events of the last interval, log(1 + n) |
    | 7 | lots left a decision / d, log(1 + x) | 37 | volatility of it / s, log(1 + x) |
    | 8 | lots left a decision / volume, log(1 + x) | 38 | s, log(1 + half-ticks) |
    | 9 | urgency | 39 | mid in the last interval / s, slog |
    | 10-14 | own lots at improve, touch, -1, -2, -3 / left | 40 | mid since arrival / s, slog |
    | 15 | own lots elsewhere / left | 41 | d, log(1 + lots) |
    | 16 | own lots in flight / left | 42 | spread in bps, log(1 + x) |
    | 17-19 | queue ahead / d, log(1 + x), -1: no order | 43-45 | own fills, share, flow to come |
    | 20 | forecast of the mid, in spreads, slog | 46 | pace since arrival |
    | 21 | spread, log(1 + ticks) | 47-48 | lean of the flow, whole and since arrival |
    | 22-24 | own depth, levels 1, 2, 3-5, log(1 + lots / d) | 49 | order flow imbalance since the warm-up / d |

    **Rewards.** Minus the weighted sum of three costs in ticks per lot of the order: `execution` against the mid at
    decision (weight 1), the mid's move on the remaining lots (`impact`, weight 1), and `left`, the share sent at the
    horizon (weight 0). With these weights the undiscounted return is exactly minus the implementation shortfall in
    ticks per lot (`is_bps` is in basis points). Each cost is in `info` unweighted. `weights` may be a function of a
    `lab.learning.rewards.Step` instead.

    **Starting state.** One of 64 warmed books, run on for the task's warm-up (observed by "v2": one decision interval)
    with its own random stream, with nothing done yet. Sides alternate.

    **Episode end.** `terminated` when all lots are filled: at the horizon at the latest, which is part of the
    observation. Never truncated. `info["is_bps"]` then is the arrival shortfall in basis points.

    **Arguments.**

    - `source`, `sampler`: a market, and what draws its episodes.
    - `task`: a `Task`.
    - `actions`: "placement", "fraction" or "level"; the continuous "allocation" (shares, Box(0, inf, (7,))) and
      "residual" (Box(-inf, inf, (7,)), see `execution.action_sets`), with `action_parameters`.
    - `observation`: "v3", "v2" (the first 43 entries; `execution.observation`), or a function of a `View`.
    - `weights`: a `RewardWeights`, or a function of a `Step`.

    - `render_mode`: None, or "rgb_array": :meth:`render` then draws the book (`lab.learning.gym_env`).

    ``reset(seed=s)`` starts the first episode of seed s, each ``reset()`` after it the next; the same seed and actions
    give the same bytes. A ``step`` before the first ``reset`` raises ``gymnasium.error.ResetNeeded``.
    """

    metadata = METADATA

    def __init__(
        self,
        *,
        source: Source,
        task: Task,
        sampler: Sampler,
        render_mode: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Make one market of an execution environment; `options` are those of `ExecutionVec`."""
        self.render_mode = render_mode
        self.vec = ExecutionVec(source, task, sampler, 1, **options)
        self.observation_space, self.action_space = spaces_of(self.vec)
        self._which = np.zeros(1, np.int64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start the next episode, or the first of `seed` (of a drawn one before any): observation and empty info."""
        super().reset(seed=seed)
        if seed is None and self.vec.started:
            obs = self.vec.restart(self._which)
        else:
            obs = self.vec.reset(
                int(self.np_random.integers(SEEDS)) if seed is None else fold_seed(seed)
            )
        return obs[0].copy(), {}

    def step(self, action: Any) -> tuple[Float32, float, bool, bool, Info]:
        """Take one decision: observation, reward, terminated, truncated, info with costs (and `is_bps` at the end)."""
        obs, reward, done, info = self.vec.advance(
            check_actions(self.vec, self.action_space, np.asarray([action]))
        )
        names = (*COSTS, "is_bps") if done[0] else COSTS
        return (
            obs[0].copy(),
            float(reward[0]),
            bool(done[0]),
            False,
            {name: float(info[name][0]) for name in names},
        )

    def render(self) -> Any:
        """Picture of the market, uint8 (320, 480, 3); None without a `render_mode`."""
        return frame_of(self.vec.episodes, 0) if self.render_mode else None


class ExecutionVectorEnv(gymnasium.vector.VectorEnv[Float32, AnyArray, AnyArray]):
    """`num_envs` markets of `tercel/Execution-v1` in one compiled loop; see :class:`ExecutionEnv` for its description.

    Autoreset is SAME_STEP: the observation that comes with `terminated` is the first of the next episode, and
    ``info["final_obs"]`` holds the last of the one that ended (rows where ``info["_final_obs"]``), ``info["is_bps"]``
    its shortfall. Arrays are copies unless `copy` is False.

    ``reset(seed=s)`` shares the episodes of seed s out among the markets; ``reset(seed=[s0, s1, ...])`` gives each
    market the episodes that `ExecutionEnv` has by that seed.
    """

    metadata: dict[str, Any] = {**METADATA, "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 64,
        *,
        source: Source,
        task: Task,
        sampler: Sampler,
        copy: bool = True,
        render_mode: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Make `num_envs` markets of an execution environment; with `copy`, steps return new arrays."""
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.vec = ExecutionVec(source, task, sampler, num_envs, **options)
        self.single_observation_space, self.single_action_space = spaces_of(self.vec)
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._truncated = np.zeros(num_envs, np.bool_)
        self._copy = copy

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start episodes in all markets, from one seed, a drawn seed, or a seed for each market.

        Raises
        ------
        ConfigError
            If `seed` is a list of another length.
        """
        market_seeds = seed if isinstance(seed, list) else [seed] * self.num_envs
        refuse_if(
            len(market_seeds) != self.num_envs,
            f"one seed, or {self.num_envs}",
            f"{len(market_seeds)} of them",
            "give one for each market",
        )
        super().reset(seed=None if isinstance(seed, list) else seed)
        seeds = [
            int(self.np_random.integers(SEEDS)) if market_seed is None else fold_seed(market_seed)
            for market_seed in market_seeds
        ]
        self.vec.seeds = (
            [[market_seed, 0] for market_seed in seeds] if isinstance(seed, list) else ()
        )
        return self._copy_if_asked(self.vec.reset(seeds[0])), {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Take one decision in every market, where ended episodes restart: observations, rewards, terminated, truncated, info."""
        obs, reward, done, info = self.vec.step(
            check_actions(self.vec, self.single_action_space, actions)
        )
        step_info: Info = {name: self._copy_if_asked(info[name]) for name in (*COSTS, "is_bps")}
        if "which" in info:
            step_info |= {
                "final_obs": self._copy_if_asked(info["final_obs"]),
                "_final_obs": done.copy(),
                "_is_bps": done.copy(),
            }
        return (
            self._copy_if_asked(obs),
            self._copy_if_asked(reward),
            self._copy_if_asked(done),
            self._truncated.copy(),
            step_info,
        )

    def render(self) -> Any:
        """Pictures of all markets; None without a `render_mode`."""
        return (
            tuple(frame_of(self.vec.episodes, i) for i in range(self.num_envs))
            if self.render_mode
            else None
        )

    def _copy_if_asked(self, array: AnyArray) -> AnyArray:
        """A copy of the array if the environment was made with `copy`, else the array."""
        return array.copy() if self._copy else array


def spaces_of(vec: ExecutionVec) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Observation and action space of one market."""
    box = gymnasium.spaces.Box(-np.inf, np.inf, (vec.observation_size,), np.float32)
    if vec.actions.continuous:
        low = 0.0 if vec.actions.name == "allocation" else -np.inf
        return box, gymnasium.spaces.Box(low, np.inf, (vec.action_size,), np.float32)
    return box, gymnasium.spaces.Discrete(vec.n_actions)


def check_actions(vec: ExecutionVec, space: gymnasium.Space[Any], actions: AnyArray) -> AnyArray:
    """Actions as int64 after checking that all lie in `space`; vectors as float32, checked when they are decoded.

    Raises
    ------
    ConfigError
        If one is not.
    gymnasium.error.ResetNeeded
        Before the first reset.
    """
    if not vec.started:
        raise gymnasium.error.ResetNeeded(
            "no episode has begun: call reset() before the first step()"
        )
    actions = np.asarray(actions)
    if actions.shape != (vec.n, *(space.shape or ())):
        raise ConfigError(
            f"actions of {vec.n} markets", f"shape {actions.shape}", "give each market one"
        )
    if not isinstance(space, gymnasium.spaces.Discrete):
        return actions.astype(np.float32)
    invalid = actions[~np.isin(actions, np.arange(space.n))]
    if invalid.size:
        raise ConfigError(
            f"whole actions from 0 to {space.n - 1}", f"{invalid[0]}", "draw from the action space"
        )
    return actions.astype(np.int64)


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
